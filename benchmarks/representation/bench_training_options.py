"""What compilation, bf16 and channels-last are worth in training and answering, as ratios to none of them.

    python benchmarks/representation/bench_training_options.py [--size 32] [--steps 20] [--repeats 5]

CPU seconds (CUDA: seconds, synchronised) per step of 64 of the image stage, and per denoising step of an
answer with the condition prepared once or at every step. The options take turns, and the median is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

from causalrep.representation._images import ImageShape
from causalrep.representation._network import Architecture, ImageNetwork, Topology
from causalrep.representation._objectives import Dropout, ImageObjective
from causalrep.representation.modules import Condition
from causalrep.representation.solvers import RectifiedFlow

GRAPH = Topology(((), (), (0, 1), (0, 1)), (0, 1, 2, 3))
OPTIONS: dict[str, dict[str, bool]] = {
    "none": {},
    "channels-last": {"channels_last": True},
    "bf16": {"bf16": True},
    "compile": {"compile": True},
    "compile, bf16": {"compile": True, "bf16": True},
}


def make_step(size: int, device: str, **options: bool) -> Callable[[], object]:
    torch.manual_seed(0)
    network = ImageNetwork(ImageShape(3, size), GRAPH, Architecture()).to(device)
    if options.get("channels_last"):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    objective = ImageObjective(network, RectifiedFlow(), dropout=Dropout())
    if options.get("compile"):
        for part in (network.image, network.nuisance):
            part.forward = torch.compile(part.forward)  # type: ignore[union-attr, method-assign]
    optimiser = torch.optim.AdamW(objective.parameters(), lr=1e-3, fused=True)
    batch = {
        "images": torch.randint(0, 256, (64, 3, size, size), dtype=torch.uint8, device=device),
        "slots": torch.randn(64, 4, 1, device=device),
    }
    generator = torch.Generator(device).manual_seed(0)
    half = torch.autocast(torch.device(device).type, torch.bfloat16) if options.get("bf16") else None

    def step() -> None:
        optimiser.zero_grad()
        with half or contextlib.nullcontext():
            loss: Any = sum(objective(batch, generator).values())
        loss.backward()
        optimiser.step()

    return step


def make_answers(size: int, device: str) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    image: Any = ImageNetwork(ImageShape(3, size), GRAPH, Architecture()).to(device).image
    condition = Condition.full(torch.randn(64, 4, 1, device=device), torch.randn(64, 4, device=device))
    x, t = torch.randn(64, 3, size, size, device=device), torch.full((64,), 500.0, device=device)
    prepared = image.prepare(condition)

    def without() -> None:
        with torch.no_grad():
            image(x, t, condition)

    def with_cache() -> None:
        with torch.no_grad():
            image.run(x, t, prepared)

    return {"condition worked out at every step": without, "condition prepared once": with_cache}


def seconds(run: Callable[[], object], steps: int, device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    if device != "cpu":
        torch.cuda.synchronize()
    start = clock()
    for _ in range(steps):
        run()
    if device != "cpu":
        torch.cuda.synchronize()
    return (clock() - start) / steps


def table(runs: dict[str, Callable[[], object]], arguments: argparse.Namespace) -> None:
    for run in runs.values():
        run()
        run()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(arguments.repeats):
        for name, run in runs.items():
            taken[name].append(seconds(run, arguments.steps, arguments.device))
    first = statistics.median(next(iter(taken.values())))
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"| {name} | {1e3 * median:.1f} | {median / first:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--skip-compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    chosen = {k: v for k, v in OPTIONS.items() if not (arguments.skip_compile and v.get("compile"))}
    print("| training step of 64 | ms | ratio |\n|---|---|---|")
    table({name: make_step(arguments.size, arguments.device, **v) for name, v in chosen.items()}, arguments)
    print("\n| denoising step of 64 | ms | ratio |\n|---|---|---|")
    table(make_answers(arguments.size, arguments.device), arguments)


if __name__ == "__main__":
    main()
