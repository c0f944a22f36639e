"""``causalrep benchmark``: models, worlds and seeds against the truth, all with one budget.

The file says everything::

    out = "results"                 # folder of trainings, scores and tables
    seeds = [0, 1, 2]               # of training data and training

    [budget]
    cpu_seconds = 200               # of every training; or steps = 2000

    [data]
    size = 16                       # of the images
    images = 8000                   # for training

    [[models]]
    kind = "CausalDiffAE"

    [[models]]
    name = "decoder with carry-over"
    kind = "RegressionDecoder"
    carry_over = true

    [[worlds]]
    name = "pendulum, textured"
    kind = "pendulum"
    nuisance = "texture"

Every training keeps a checkpoint and every model its scores, so a benchmark that was stopped, by ``kill -9``
too, goes on where it was; tables and picture are made anew after each training.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from causalrep.cli._benchmark_plan import BenchmarkPlan, Row, read_plan
from causalrep.cli._benchmark_tables import Result, write_tables
from causalrep.utils import DataError, keyed_seed, write_text

__all__ = ["run_benchmark"]

_PROBE_STEPS = 60
_PROBE_IMAGES = 512


def run_benchmark(config: Path, *, out: Path | None = None, device: str = "auto") -> None:
    """Train and score what is not done yet, and write the tables.

    Parameters
    ----------
    config : Path
        TOML file.
    out : Path, optional
        Folder of the results; default what the file says.
    device : str, default="auto"
        Where to train.

    Raises
    ------
    DataError, UnknownNameError
        Before any work, for what is wrong with the file; and for a folder whose results were made with
        other settings.
    """
    plan = read_plan(config, out=out)
    rows = list(plan.rows())
    for row in rows:
        _check_claim(plan, row)
    for model in plan.models:  # an argument that a model refuses is an error now, not after hours
        _probe(plan, Row(plan.worlds[0], model, plan.seeds[0]), device, steps=1)
    results: list[Result] = []
    for k, row in enumerate(rows, 1):
        print(f"[{k}/{len(rows)}] {row.world.name}: {row.model.name}, seed {row.seed}", flush=True)
        results.append(_result(plan, row, device))
        write_tables(plan, results)
    print(f"{plan.out / 'results.md'}, results.csv, results.png")


def _settings(plan: BenchmarkPlan, row: Row) -> dict[str, Any]:
    return {
        "world": row.world.describe(),
        "model": row.model.describe(),
        "seed": row.seed,
        "size": plan.size,
        "images": plan.n_train,
        "budget": plan.budget,
        "scores": dict(plan.scores),
    }


def _check_claim(plan: BenchmarkPlan, row: Row) -> None:
    """Raise DataError if a folder holds results of other settings."""
    path = plan.folder(row) / "settings.json"
    if not path.exists():
        return
    found, wanted = json.loads(path.read_text(encoding="utf-8")), _settings(plan, row)
    for name, value in wanted.items():
        if found.get(name) != value:
            raise DataError(
                f"{path.parent} was made with {name} {found.get(name)!r}, the file says {value!r}; "
                "name another folder with --out, or delete it"
            )


def _result(plan: BenchmarkPlan, row: Row, device: str) -> Result:
    from causalrep.metrics import CounterfactualReport

    folder = plan.folder(row)
    write_text(folder / "settings.json", json.dumps(_settings(plan, row), indent=1))
    if not (folder / "scores").exists():
        _score(plan, row, _trained(plan, row, device))
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return Result(row, CounterfactualReport.load(folder / "scores"), run)


def _trained(plan: BenchmarkPlan, row: Row, device: str) -> Any:
    """Return the model, from its folder if it was trained before, else trained within the budget."""
    from causalrep.representation import load_model

    folder = plan.folder(row)
    if (folder / "model").exists():
        return load_model(folder / "model", device=device)
    world = plan.make_world(row.world)
    run = folder / "run.json"
    if not run.exists():
        steps = plan.steps or _steps_within(plan, row, device)
        write_text(run, json.dumps({"steps": steps, "attempts": 0}))
    state = json.loads(run.read_text(encoding="utf-8"))
    state["attempts"] += 1
    write_text(run, json.dumps(state))
    train = world.sample(plan.n_train, random_state=keyed_seed(row.seed, "train"))
    model = plan.make_model(
        row, world.graph_of_labels,
        max_steps=state["steps"], device=device, checkpoint=folder / "checkpoint", progress=True,
    )  # fmt: skip
    start = time.process_time()
    model.fit(train["image"], train.frame)
    # of an interrupted training only the last part is known
    state["cpu_seconds"] = time.process_time() - start if state["attempts"] == 1 else None
    state["parameters"] = sum(p.numel() for p in model.network_.parameters())
    model.save(folder / "model")
    write_text(run, json.dumps(state))
    return model


def _score(plan: BenchmarkPlan, row: Row, model: Any) -> None:
    from causalrep.metrics import LabelOracle, counterfactual_report

    world, wanted = plan.make_world(row.world), plan.scores
    oracle = None
    if wanted["oracle_steps"]:
        fresh = world.sample(plan.n_train, random_state=keyed_seed(wanted["seed"], "oracle"))
        oracle = LabelOracle(steps=wanted["oracle_steps"]).fit(fresh["image"], fresh.frame)
    start = time.process_time()
    options = {} if wanted["parts"] is None else {"parts": wanted["parts"]}
    report = counterfactual_report(
        {row.model.name: model}, world,
        n_images=wanted["images"], random_state=wanted["seed"], compositions=wanted["compositions"],
        oracle=oracle, n_examples=2, progress=True, **options,
    )  # fmt: skip
    run = plan.folder(row) / "run.json"
    state = json.loads(run.read_text(encoding="utf-8"))
    write_text(run, json.dumps({**state, "scoring_cpu_seconds": time.process_time() - start}))
    report.save(plan.folder(row) / "scores")


def _steps_within(plan: BenchmarkPlan, row: Row, device: str) -> int:
    """Return the number of steps that a training can make within the CPU-seconds of the budget.

    A short training tells the seconds per step of each of its stages. The stages of an encoder have at most
    ``recipe_.encoder_steps`` of them, the others as many as the training.
    """
    if plan.cpu_seconds is None:
        raise ValueError("the budget is not in CPU-seconds")
    _probe(plan, row, device, steps=2)  # what only the first call costs is not part of the price
    model, seconds = _probe(plan, row, device, steps=_PROBE_STEPS)
    clock: dict[str, float] = {}
    for line in model.training_log_.rows:
        clock[str(line["stage"])] = float(line["seconds"])
    price = {stage: seconds * share / sum(clock.values()) / _PROBE_STEPS for stage, share in clock.items()}
    caps = {stage: model.recipe_.encoder_steps for stage in ("labels", "mechanisms") if stage in price}
    steps = int(plan.cpu_seconds / sum(price.values()))
    if caps and steps > min(caps.values()):
        rest = plan.cpu_seconds - sum(price[stage] * cap for stage, cap in caps.items())
        steps = int(rest / sum(cost for stage, cost in price.items() if stage not in caps))
    return max(steps, 1)


def _probe(plan: BenchmarkPlan, row: Row, device: str, *, steps: int) -> tuple[Any, float]:
    """Train for a few steps and return the model and the CPU-seconds."""
    world = plan.make_world(row.world)
    few = world.sample(_PROBE_IMAGES, random_state=keyed_seed(row.seed, "probe"))
    model = plan.make_model(row, world.graph_of_labels, max_steps=steps, device=device)
    start = time.process_time()
    model.fit(few["image"], few.frame)
    return model, time.process_time() - start
