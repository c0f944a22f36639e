"""Time per step of the trainer beside a loop written by hand, for a small convolutional net.

Both do the same work: resident uint8 images, a gather, noise, the net, backward, clipping, fused
AdamW, the learning-rate schedule and the foreach moving average. They take turns on the same machine,
and the ratio of each round is taken:

    python benchmarks/representation/bench_trainer.py [--device cuda] [--steps 100] [--size 28]
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from causalrep.representation.trainer import Stage, Trainer, draw_rows


class Denoiser(nn.Module):
    """Three convolutions that predict the noise of an image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.SiLU(),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Return the mean squared error of the predicted noise."""
        clean = batch["image"].float().div(127.5).sub(1)
        noise = draw_rows(torch.randn, tuple(clean.shape), generator=generator, device=clean.device)
        return {"noise": (self.net(clean + noise) - noise).square().mean()}


def by_hand(module: nn.Module, images: Tensor, stage: Stage) -> None:
    """Train as `stage` says, with nothing but torch."""
    generator = torch.Generator(images.device).manual_seed(0)
    matrices = [p for p in module.parameters() if p.ndim >= 2]
    vectors = [p for p in module.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 1e-4}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, fused=True)
    parameters = list(module.parameters())
    average = [p.detach().clone() for p in parameters]
    order, position = torch.randperm(len(images)).to(images.device), 0
    for step in range(stage.max_steps):
        if position + stage.batch_size > len(images):
            order, position = torch.randperm(len(images)).to(images.device), 0
        rows = order[position : position + stage.batch_size]
        position += stage.batch_size
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate_at(step)
        loss = module({"image": images.index_select(0, rows)}, generator)["noise"]
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 1 - min(0.999, (1 + step) / (10 + step)))


def keep_freed_memory() -> None:
    """Stop glibc from handing memory back to the system between steps.

    Whether it does depends on which small block happens to lie last on the heap, and the page faults
    that follow cost up to a third of such small steps: noise here, and worth setting for real trainings
    (``MALLOC_TRIM_THRESHOLD_=2147483647 MALLOC_MMAP_THRESHOLD_=33554432``).
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def timed(work: Callable[[], object], device: str) -> tuple[float, float]:
    """Return CPU and wall seconds of `work`."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    keep_freed_memory()
    if options.device == "cpu":
        torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = (1024, 3, options.size, options.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8).to(options.device)
    module = Denoiser(options.width).to(options.device)
    stage = Stage("denoise", module, max_steps=options.steps, batch_size=options.batch_size)
    trainer = Trainer(device=options.device, precision="no")
    works = {
        "by hand": lambda: by_hand(module, images, stage),
        "trainer": lambda: trainer.run([stage], {"image": images}),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(options.rounds + 1):
        for name, work in works.items():
            taken = timed(work, options.device)
            if number > 0:  # the first round loads kernels
                seconds[name].append(taken)
    print(
        f"{options.device}, torch {torch.__version__}, {options.steps} steps of {options.batch_size} images"
    )
    for name, values in seconds.items():
        cpu, wall = (1e3 * statistics.median(column) / options.steps for column in zip(*values, strict=True))
        print(f"{name:>8}: {cpu:7.3f} ms CPU, {wall:7.3f} ms wall per step")
    ratios = [
        [t / h for t, h in zip(*pair, strict=True)] for pair in zip(*reversed(seconds.values()), strict=True)
    ]
    for name, column in zip(("CPU", "wall"), zip(*ratios, strict=True), strict=True):
        low, middle, high = min(column), statistics.median(column), max(column)
        print(f"   ratio: {middle:7.3f} {name} (smallest {low:.3f}, largest {high:.3f})")


if __name__ == "__main__":
    main()
