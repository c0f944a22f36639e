"""``causalrep benchmark``: models, worlds and seeds against the truth, all with one budget.

The file says everything::

    out = "results"                 # folder of trainings, scores and tables
    seeds = [0, 1, 2]               # of training data and training
    device = "cuda"                 # default "auto"
    workers = 4                     # trainings side by side, default 1

    [budget]
    cpu_seconds = 200               # of every training; or steps, images, device_seconds

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
too, goes on where it was; tables and picture are made anew after each training. A training uses one thread of
the CPU, so that its result does not depend on how many run side by side.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from causalrep.cli._benchmark_budget import clock, device_name, plan_steps, try_models
from causalrep.cli._benchmark_plan import BenchmarkPlan, Row, read_plan
from causalrep.cli._benchmark_tables import Result, write_tables
from causalrep.utils import CausalRepError, DataError, keyed_seed, write_text

__all__ = ["run_benchmark"]


def run_benchmark(
    config: Path,
    *,
    out: Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    tables_only: bool = False,
) -> None:
    """Train and score what is not done yet, and write the tables.

    Parameters
    ----------
    config : Path
        TOML file.
    out : Path, optional
        Folder of the results; default what the file says.
    device : str, default="auto"
        Where to train; "auto" is what the file says.
    workers : int, optional
        Trainings side by side, each in a process of its own; default what the file says.
    tables_only : bool, default=False
        Whether to write the tables of what is done, and train nothing.

    Raises
    ------
    DataError, UnknownNameError, DeviceError
        Before any work, for what is wrong with the file; and for a folder whose results were made with
        other settings. A training that fails is left out, and told of at the end.
    """
    from causalrep.representation.trainer import Trainer

    plan = read_plan(config, out=out)
    place = str(Trainer(device=plan.device if device == "auto" else device).device)
    rows = list(plan.rows())
    for row in rows:
        _check_claim(plan, row)
    if tables_only:
        rows = [row for row in rows if (plan.folder(row) / "scores").exists()]
        write_tables(plan, [_kept(plan, row) for row in rows])
        return
    with _one_thread():
        batch_sizes = try_models(plan, place)
        if plan.budget.kind != "cpu_seconds":  # those are counted the same whatever runs beside
            plan_steps(plan, rows, place, batch_sizes)
    done: dict[int, Result] = {}
    failed: list[str] = []
    for number, result in _results(plan, rows, place, plan.workers if workers is None else workers):
        if isinstance(result, str):
            failed.append(str(rows[number]))
            print(f"{rows[number]} failed: {result}", file=sys.stderr, flush=True)
        else:
            done[number] = result
            write_tables(plan, [done[k] for k in sorted(done)])
            print(f"[{len(done)}/{len(rows)}] {rows[number]}", flush=True)
    print(f"{plan.out / 'results.md'}, results.csv, results.png")
    if failed:
        raise DataError(f"{len(failed)} of {len(rows)} trainings failed: {'; '.join(failed)}")


def _results(
    plan: BenchmarkPlan, rows: Sequence[Row], device: str, workers: int
) -> Iterator[tuple[int, Result | str]]:
    """Yield the number of every row and its result, or what went wrong, as they come to an end."""
    from joblib import Parallel, delayed

    pool = Parallel(
        n_jobs=workers, backend="loky", return_as="generator_unordered", batch_size=1, pre_dispatch=workers
    )
    tasks = (delayed(_attempt)(plan, number, row, device, workers == 1) for number, row in enumerate(rows))
    yield from pool(tasks)


def _attempt(
    plan: BenchmarkPlan, number: int, row: Row, device: str, progress: bool
) -> tuple[int, Result | str]:
    try:
        with _one_thread():
            return number, _result(plan, row, device, progress)
    except (CausalRepError, RuntimeError) as error:  # torch's own errors, as of memory, are RuntimeErrors
        return number, f"{type(error).__name__}: {error}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread in the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _settings(plan: BenchmarkPlan, row: Row) -> dict[str, Any]:
    return {
        "world": row.world.describe(),
        "model": row.model.describe(),
        "seed": row.seed,
        "size": plan.size,
        "images": plan.n_train,
        "budget": str(plan.budget),
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


def _result(plan: BenchmarkPlan, row: Row, device: str, progress: bool) -> Result:
    folder = plan.folder(row)
    write_text(folder / "settings.json", json.dumps(_settings(plan, row), indent=1))
    if not (folder / "scores").exists():
        _score(plan, row, _trained(plan, row, device, progress), progress)
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return _kept(plan, row)


def _kept(plan: BenchmarkPlan, row: Row) -> Result:
    from causalrep.metrics import CounterfactualReport

    folder = plan.folder(row)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return Result(row, CounterfactualReport.load(folder / "scores"), run)


def _trained(plan: BenchmarkPlan, row: Row, device: str, progress: bool) -> Any:
    """Return the model, from its folder if it was trained before, else trained within the budget."""
    from causalrep.representation import load_model

    folder = plan.folder(row)
    if (folder / "model").exists():
        return load_model(folder / "model", device=device)
    world = plan.make_world(row.world)
    run = folder / "run.json"
    if not run.exists():
        plan_steps(plan, [row], device, {})
    state = json.loads(run.read_text(encoding="utf-8"))
    state["attempts"] += 1
    write_text(run, json.dumps(state))
    train = world.sample(plan.n_train, random_state=keyed_seed(row.seed, "train"))
    model = plan.make_model(
        row, world.graph_of_labels,
        max_steps=state["steps"], device=device, checkpoint=folder / "checkpoint", progress=progress,
    )  # fmt: skip
    starts = {kind: clock(kind, device) for kind in ("cpu_seconds", "device_seconds")}
    model.fit(train["image"], train.frame)
    for kind, start in starts.items():
        # of an interrupted training only the last part is known
        state[kind] = clock(kind, device) - start if state["attempts"] == 1 else None
    state["parameters"] = sum(p.numel() for p in model.network_.parameters())
    state["device"] = device_name(device)
    model.save(folder / "model")
    write_text(run, json.dumps(state))
    return model


def _score(plan: BenchmarkPlan, row: Row, model: Any, progress: bool) -> None:
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
        oracle=oracle, n_examples=2, progress=progress, **options,
    )  # fmt: skip
    run = plan.folder(row) / "run.json"
    state = json.loads(run.read_text(encoding="utf-8"))
    write_text(run, json.dumps({**state, "scoring_cpu_seconds": time.process_time() - start}))
    report.save(plan.folder(row) / "scores")
