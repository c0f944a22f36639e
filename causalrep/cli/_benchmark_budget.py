"""From the budget of a benchmark to numbers of optimiser steps, the same for all seeds of a row."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from causalrep.cli._benchmark_plan import BenchmarkPlan, Row
from causalrep.utils import keyed_seed, write_text

__all__ = ["clock", "device_name", "plan_steps", "try_models"]

_PROBE_STEPS = 60
_PROBE_IMAGES = 512


def try_models(plan: BenchmarkPlan, device: str) -> dict[str, int]:
    """Train every model for one step, so that what it refuses is an error now, not after hours.

    Returns
    -------
    dict of str to int
        The images per step of each model.
    """
    sizes = {}
    for model in plan.models:
        tried, _ = _probe(plan, Row(plan.worlds[0], model, plan.seeds[0]), device, steps=1)
        sizes[model.name] = tried.recipe_.batch_size
    return sizes


def plan_steps(plan: BenchmarkPlan, rows: Iterable[Row], device: str, batch_sizes: Mapping[str, int]) -> None:
    """Write into the folder of every row how many steps it has, where it does not say so yet.

    Seconds of a device are turned into steps before any training, one model after the other, so that the
    price of a step does not depend on what runs beside it; those of a CPU when the training is due.
    """
    for row in rows:
        run = plan.folder(row) / "run.json"
        if not run.exists():
            steps = _steps(plan, row, device, batch_sizes)
            write_text(run, json.dumps({"steps": steps, "attempts": 0}))


def clock(kind: str, device: str) -> float:
    """Return the seconds of the CPU, or those on the wall when the device has done its work."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() if kind == "device_seconds" else time.process_time()


def device_name(device: str) -> str:
    """Return what a device calls itself."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _steps(plan: BenchmarkPlan, row: Row, device: str, batch_sizes: Mapping[str, int]) -> int:
    kind, amount = plan.budget.kind, plan.budget.amount
    if kind == "steps":
        return int(amount)
    if kind == "images":
        return max(1, int(amount) // batch_sizes[row.model.name])
    path = plan.folder(row).parent / "steps.json"  # the same for every seed
    if not path.exists():
        found = _steps_within(plan, row, device)
        if not path.exists():  # another seed may have been faster
            write_text(path, json.dumps(found))
    steps: int = json.loads(path.read_text(encoding="utf-8"))
    return steps


def _steps_within(plan: BenchmarkPlan, row: Row, device: str) -> int:
    """Return the number of steps that a training can make within the seconds of the budget.

    A short training tells the seconds per step of each of its stages. The stages of an encoder have at most
    ``recipe_.encoder_steps`` of them, the others as many as the training.
    """
    _probe(plan, row, device, steps=2)  # what only the first call costs is not part of the price
    model, seconds = _probe(plan, row, device, steps=_PROBE_STEPS)
    clocks: dict[str, float] = {}
    for line in model.training_log_.rows:
        clocks[str(line["stage"])] = float(line["seconds"])
    price = {stage: seconds * share / sum(clocks.values()) / _PROBE_STEPS for stage, share in clocks.items()}
    caps = {stage: model.recipe_.encoder_steps for stage in ("labels", "mechanisms") if stage in price}
    steps = int(plan.budget.amount / sum(price.values()))
    if caps and steps > min(caps.values()):
        rest = plan.budget.amount - sum(price[stage] * cap for stage, cap in caps.items())
        steps = int(rest / sum(cost for stage, cost in price.items() if stage not in caps))
    return max(steps, 1)


def _probe(plan: BenchmarkPlan, row: Row, device: str, *, steps: int) -> tuple[Any, float]:
    """Train for a few steps and return the model and the seconds."""
    world = plan.make_world(row.world)
    few = world.sample(_PROBE_IMAGES, random_state=keyed_seed(row.seed, "probe"))
    model = plan.make_model(row, world.graph_of_labels, max_steps=steps, device=device)
    start = clock(plan.budget.kind, device)
    model.fit(few["image"], few.frame)
    return model, clock(plan.budget.kind, device) - start
