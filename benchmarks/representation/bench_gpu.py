"""What an accelerator makes of training and answering: rates, share of its matrix peak, memory.

    python benchmarks/representation/bench_gpu.py peak            # the device's own matrix products
    python benchmarks/representation/bench_gpu.py train [--compile MODE]
    python benchmarks/representation/bench_gpu.py answer
    python benchmarks/representation/bench_gpu.py profile         # which kernels take the time

Training is :class:`~causalrep.representation.trainer.Trainer` itself on the image stage of ``preset="auto"``:
gather, noise, both passes, clipping, optimiser and average. A counterfactual is abduction and one
intervention, 20 steps of O-BELM each way. Floating-point operations are those of convolutions and matrix
products, counted by torch. One JSON line per measurement.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch.utils.flop_counter import FlopCounterMode

from causalrep.datasets import pendulum
from causalrep.representation import CausalDiffAE
from causalrep.representation._images import ImageShape
from causalrep.representation._network import Architecture, ImageNetwork, Topology
from causalrep.representation._objectives import Dropout, ImageObjective
from causalrep.representation.solvers import RectifiedFlow
from causalrep.representation.trainer import Stage, Trainer

QUICK = False  # needs a CUDA device

GRAPH = Topology(((), (), (0, 1), (0, 1)), (0, 1, 2, 3))
ROWS = 16_384


def report(**values: Any) -> None:
    print(json.dumps({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items()}))


def objective(size: int, *, channels_last: bool = False) -> ImageObjective:
    torch.manual_seed(0)
    network = ImageNetwork(ImageShape(3, size), GRAPH, Architecture()).to("cuda")
    if channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ImageObjective(network, RectifiedFlow(), dropout=Dropout())


def rows(size: int, n: int = ROWS) -> dict[str, torch.Tensor]:
    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, device="cuda")
    return {"images": images, "slots": torch.randn(n, 4, 1, device="cuda")}


def peak() -> None:
    for name, dtype, tf32 in (
        ("bf16", torch.bfloat16, False), ("tf32", torch.float32, True), ("float32", torch.float32, False),
    ):  # fmt: skip
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a = torch.randn(8192, 8192, device="cuda", dtype=dtype)
        taken = []
        for _ in range(6):
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(3):
                a @ a
            torch.cuda.synchronize()
            taken.append((time.perf_counter() - start) / 3)
        report(what="peak", precision=name, tflops=2 * 8192**3 / statistics.median(taken[1:]) / 1e12)
    torch.backends.cuda.matmul.allow_tf32 = False


def training_gflop(size: int) -> float:
    """Return the operations of one image's step, in 10^9."""
    module, batch = objective(size), rows(size, 64)
    with FlopCounterMode(display=False) as counter:
        sum(module(batch, torch.Generator("cuda")).values()).backward()
    return counter.get_total_flops() / 64 / 1e9


def training(size: int, batch_size: int, *, steps: int = 60, warm: int = 15, **options: Any) -> None:
    precision, layout = options["precision"], options.pop("channels_last", False)
    gflop, times = training_gflop(size), []

    def on_step(_name: str, step: int, _log: object) -> None:
        if step in (warm, steps):
            torch.cuda.synchronize()
            times.append(time.perf_counter())

    module, data = objective(size, channels_last=layout), rows(size)
    stage = Stage("images", module, max_steps=steps, batch_size=batch_size, ema_decay=0.995)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    start = time.perf_counter()
    Trainer(device="cuda", log_every=1000, on_step=on_step, **options).run([stage], data)
    rate = batch_size * (steps - warm) / (times[1] - times[0])
    report(
        what="train", size=size, batch=batch_size, channels_last=layout, **options,
        tf32=torch.backends.cudnn.allow_tf32 and precision == "no",
        images_per_s=rate, ms_per_step=1e3 * batch_size / rate, tflops=rate * gflop / 1e3,
        gflop_per_image=gflop, mib=(torch.cuda.max_memory_allocated() - held) / 2**20,
        first_steps_s=times[0] - start,
    )  # fmt: skip


def train(mode: str | None) -> None:
    if mode is not None:
        compiler = functools.partial(torch.compile, mode=mode)
        with mock.patch("torch.compile", compiler):
            training(32, 1024, precision="bf16", cuda_graphs=mode == "default", compile=True)
        return
    settings = itertools.product((64, 256, 1024, 4096), ("no", "bf16"), (False, True))
    for batch, precision, graphs in settings:
        training(32, batch, precision=precision, cuda_graphs=graphs)
    for batch in (64, 256, 1024):
        training(28, batch, precision="bf16", cuda_graphs=True)
    for precision in ("no", "bf16"):
        training(32, 1024, precision=precision, cuda_graphs=True, channels_last=True)
    torch.backends.cudnn.allow_tf32 = False
    training(32, 1024, precision="no", cuda_graphs=True)


@contextlib.contextmanager
def arithmetic(name: str) -> Iterator[None]:
    kept = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = name != "float32"
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    half = torch.autocast("cuda", torch.bfloat16, enabled=name == "bf16", cache_enabled=False)
    with half:
        yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = kept


def answer() -> None:
    world = pendulum(size=32)
    s = world.sample(1024, random_state=0)
    for graphs in (False, True):
        model = CausalDiffAE(
            world.graph_of_labels, max_steps=200, device="cuda", cuda_graphs=graphs, random_state=0
        ).fit(s["image"], s.frame)
        for name, n in itertools.product(("default", "float32", "bf16"), (1, 64, 256, 1024, 4096)):
            images = torch.from_numpy(s["image"]).repeat(-(-n // 1024), 1, 1, 1)[:n].cuda()
            chunk = mock.patch("causalrep.representation._questions.rows_at_once", lambda *_, n=n: n)
            with arithmetic(name), chunk:
                answering(model, images, size=32, cuda_graphs=graphs, arithmetic=name)


def answering(model: Any, images: torch.Tensor, **setting: Any) -> None:
    def ask() -> Any:
        return model.predict_images(model.abduct(images), {"light": 120.0})

    start = time.perf_counter()
    ask()
    torch.cuda.synchronize()
    first = time.perf_counter() - start
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        ask()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    back = model.predict_images(model.abduct(images))
    report(
        what="answer", n=len(images), **setting, per_s=len(images) / statistics.median(taken),
        first_s=first, mib=(torch.cuda.max_memory_allocated() - held) / 2**20,
        round_trip_grey=255 * float((back - images).abs().mean()),
    )  # fmt: skip


def answering_gflop(size: int) -> None:
    """Report the operations of one call of the image network, forward only."""
    module = objective(size)
    batch = rows(size, 64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(batch, torch.Generator("cuda"))
    report(what="forward", size=size, gflop_per_image=counter.get_total_flops() / 64 / 1e9)


def profile() -> None:
    module, batch = objective(32), rows(32, 1024)
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
    generator = torch.Generator("cuda")

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            loss: Any = sum(module(batch, generator).values())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    for _ in range(5):
        step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(5):
            step()
        torch.cuda.synchronize()
    print(profiler.key_averages().table(sort_by="cuda_time_total", row_limit=25, max_name_column_width=90))


def main() -> None:
    parser = argparse.ArgumentParser(description="Rates, share of the matrix peak and memory on CUDA.")
    parser.add_argument("what", choices=("peak", "train", "answer", "profile"))
    parser.add_argument("--compile", choices=("default", "reduce-overhead", "max-autotune"))
    arguments = parser.parse_args()
    if arguments.what == "train":
        train(arguments.compile)
    elif arguments.what == "answer":
        answering_gflop(32)
        answer()
    else:
        {"peak": peak, "profile": profile}[arguments.what]()


if __name__ == "__main__":
    main()
