"""Images per CPU-second, training and answering, beside the published configuration at 28 px.

Both run in this process, on the same images, through the same trainer and engine: ours is
``preset="auto"``, the peer ``preset="paper"`` (sizes, batch and 250 steps as published). A training
image is one row of one optimiser step, average included. A counterfactual is abduction and one
intervention; the published procedure has no inversion, which is to its advantage here. Solver steps of
the peer all cost the same, so a tenth of them is timed and multiplied. Errors of both methods at an
equal number of steps are in results/images.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from causalrep.datasets import pendulum
from causalrep.representation import CausalDiffAE

SIZE = 28
SETTINGS: dict[str, dict[str, Any]] = {
    "auto": {"batch_size": 64, "steps": (10, 60), "n_images": 64, "solver_fraction": 1.0},
    "paper": {"batch_size": 32, "steps": (1, 2), "n_images": 4, "solver_fraction": 0.1},
}


def clock(device: str) -> float:
    """Return CPU seconds, or seconds after all work of the accelerator is done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def seconds(call: Callable[[], object], device: str, repetitions: int) -> float:
    """Return the median duration of `call`."""
    taken = []
    for _ in range(repetitions):
        start = clock(device)
        call()
        taken.append(clock(device) - start)
    return statistics.median(taken)


def training_rate(
    preset: str, images: Any, labels: Any, graph: Any, device: str, repetitions: int
) -> tuple[float, Any]:
    """Return training images per second, and a model.

    The difference of a longer and a shorter training leaves out all that is done once. Ours includes as
    many steps of the label encoder and of the mechanisms, which the peer trains along.
    """
    setting = SETTINGS[preset]
    models: dict[int, Any] = {}

    def fit(steps: int) -> None:
        models[steps] = CausalDiffAE(
            graph,
            preset=preset,
            max_steps=steps,
            batch_size=setting["batch_size"],
            device=device,
            random_state=0,
        ).fit(images, labels)

    short, long = setting["steps"]
    taken = [seconds(partial(fit, steps), device, repetitions) for steps in (short, long)]
    return setting["batch_size"] * (long - short) / (taken[1] - taken[0]), models[long]


def answering_rate(preset: str, model: Any, images: Any, device: str, repetitions: int) -> float:
    """Return counterfactual images per second."""
    setting = SETTINGS[preset]
    fraction, n = setting["solver_fraction"], setting["n_images"]
    timed = copy.copy(model)
    timed.recipe_ = replace(model.recipe_, solver_steps=round(model.recipe_.solver_steps * fraction))

    def ask() -> None:
        timed.predict_images(timed.abduct(images[:n]), {"light": 120.0})

    ask()
    return n * fraction / seconds(ask, device, repetitions)


def main() -> None:
    parser = argparse.ArgumentParser(description="Training and counterfactual images per CPU-second.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    world = pendulum(size=SIZE)
    s = world.sample(512, random_state=0)
    rows: dict[str, dict[str, float]] = {}
    for preset in SETTINGS:
        rate, model = training_rate(
            preset, s["image"], s.frame, world.graph_of_labels, arguments.device, arguments.repetitions
        )
        rows[preset] = {
            "parameters (M)": sum(p.numel() for p in model.network_.parameters()) / 1e6,
            "training images/s": rate,
            "counterfactuals/s": answering_rate(
                preset, model, s["image"], arguments.device, arguments.repetitions
            ),
        }
    rows["ratio"] = {key: rows["auto"][key] / rows["paper"][key] for key in rows["auto"]}
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    unit = "CPU-second" if arguments.device == "cpu" else "second"
    print(f"{SIZE} px, 3 channels, 4 labels; per {unit}")
    print(f"{'':<8}" + "".join(f"{key:>22}" for key in rows["auto"]))
    for name, row in rows.items():
        print(f"{name:<8}" + "".join(f"{value:>22.4g}" for value in row.values()))


if __name__ == "__main__":
    main()
