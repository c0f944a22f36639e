"""The tables and the picture of a benchmark."""

from __future__ import annotations

import math
import platform
import textwrap
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from causalrep.cli._benchmark_plan import BenchmarkPlan, Row
from causalrep.utils import atomic_path, write_text

if TYPE_CHECKING:
    from causalrep.metrics import CounterfactualReport, Score

__all__ = ["Result", "write_tables"]


@dataclass(frozen=True)
class Result:
    """One training and its scores; `run` holds steps, CPU-seconds and number of parameters."""

    row: Row
    report: CounterfactualReport
    run: Mapping[str, Any]


class _Column(NamedTuple):
    title: str
    node: str
    metric: str
    region: str = ""
    label: Hashable = ""
    unit: str = ""
    digits: int = 3


_COLUMNS = (
    _Column("whole / copying", "mean of all", "ratio to copying", "whole"),
    _Column("changed / copying", "mean of all", "ratio to copying", "changed"),
    _Column("unchanged", "mean of all", "error", "unchanged", digits=2),
    _Column("null ×1", "", "reconstruction", "whole", digits=2),
    _Column("null ×10", "", "reconstruction x10", "whole", digits=2),
    _Column("set back", "mean of all", "reversibility", "whole", digits=2),
    _Column("labels read (sd)", "mean of all", "effectiveness", label="mean", unit="sd"),
    _Column("drift (sd)", "mean of all", "amplification", label="mean", unit="sd"),
    _Column("slope", "mean of all", "calibration"),
    _Column("nuisance R2", "mean of all", "nuisance recovery", label="mean"),
    _Column("labels meant (sd)", "mean of all", "latent error", label="mean"),
    _Column("slot DCI-D", "", "DCI", "slots", "disentanglement"),
    _Column("CLD", "mean of all", "minimality"),
    _Column("Fréchet", "mean of all", "Fréchet distance", digits=4),
)
_HEADLINE = _Column("error", "mean of all", "error", "whole", digits=2)
_COPY = "copy the factual image"
_CLOCKS = {"cpu_seconds": "CPU-s", "device_seconds": "s"}


def write_tables(plan: BenchmarkPlan, results: Sequence[Result]) -> None:
    """Write ``results.md``, ``results.csv`` and ``results.png`` into the folder of the benchmark."""
    from causalrep.plotting import plot_counterfactual_grid, to_png

    pooled = _pooled(results)
    write_text(plan.out / "results.md", _markdown(plan, results, pooled))
    write_text(plan.out / "results.csv", _csv(results))
    rows, names = _pictures(plan, results)
    if rows:
        picture = to_png(
            lambda ax: plot_counterfactual_grid(rows, names, ax=ax),
            size=(1.1 * (len(names) + 4), 1.1 * len(rows) + 0.6),
        )
        with atomic_path(plan.out / "results.png") as temporary:
            temporary.write_bytes(picture)


def _pooled(results: Sequence[Result]) -> dict[tuple[str, str], CounterfactualReport]:
    """Return the report of each world and model over its seeds."""
    from causalrep.metrics import CounterfactualReport

    groups: dict[tuple[str, str], list[CounterfactualReport]] = {}
    for result in results:
        groups.setdefault((result.row.world.name, result.row.model.name), []).append(result.report)
    return {key: CounterfactualReport.over_seeds(reports) for key, reports in groups.items()}


def _markdown(
    plan: BenchmarkPlan, results: Sequence[Result], pooled: Mapping[tuple[str, str], CounterfactualReport]
) -> str:
    import torch

    import causalrep

    extractor = next((r.report.extractor for r in results if r.report.extractor), "none")
    parts = [
        "# Counterfactual images: models on worlds",
        f"causalrep {causalrep.__version__}, torch {torch.__version__}, {platform.machine()}, "
        f"{_devices(results)}. Images of {plan.size} px, {plan.n_train} for training, "
        f"{plan.scores['images']} new ones asked; budget of every training: {plan.budget}; {len(results)} of "
        f"{len(list(plan.rows()))} trainings done. Estimate ± half a 95 % interval over images and, where "
        f"there are several, seeds. Errors in grey levels of 255. Feature extractor {extractor}.",
        "## Error against the true counterfactual, whole image, mean over interventions on all labels",
        _headline(plan, pooled),
    ]
    for world in plan.worlds:
        done = [model for model in plan.models if (world.name, model.name) in pooled]
        if done:
            parts += [f"## {world.name}", _of_world(world.name, [m.name for m in done], results, pooled)]
    return "\n\n".join(parts) + "\n"


def _devices(results: Sequence[Result]) -> str:
    names = {str(result.run.get("device", "cpu")) for result in results}
    return "trained on " + " and ".join("one thread of the CPU" if n == "cpu" else n for n in sorted(names))


def _headline(plan: BenchmarkPlan, pooled: Mapping[tuple[str, str], CounterfactualReport]) -> str:
    """Return the table of errors; bold is the lowest of a world and what its interval reaches."""
    models = [model.name for model in plan.models if any(model.name == name for _, name in pooled)]
    lines = []
    for world in plan.worlds:
        scores = {
            name: _found(pooled[world.name, name], name, _HEADLINE)
            for name in models
            if (world.name, name) in pooled
        }
        if not scores:
            continue
        known = {name: score for name, score in scores.items() if score is not None}
        best = min(known.values(), key=lambda score: score.estimate, default=None)
        cells = [world.name]
        for name in models:
            score = known.get(name)
            text = "" if score is None else _cell(score, _HEADLINE.digits)
            cells.append(f"**{text}**" if score and best and score.low <= best.high else text)
        copy = _found(pooled[world.name, next(iter(scores))], _COPY, _HEADLINE)
        lines.append([*cells, "" if copy is None else _cell(copy, _HEADLINE.digits)])
    return _table(["world", *models, _COPY], lines)


def _of_world(
    world: str,
    models: Sequence[str],
    results: Sequence[Result],
    pooled: Mapping[tuple[str, str], CounterfactualReport],
) -> str:
    lines = []
    for model in models:
        runs = [r.run for r in results if (r.row.world.name, r.row.model.name) == (world, model)]
        scores = [_found(pooled[world, model], model, column) for column in _COLUMNS]
        cells = ["" if s is None else _cell(s, c.digits) for s, c in zip(scores, _COLUMNS, strict=True)]
        steps = "/".join(str(run["steps"]) for run in runs)
        lines.append([model, *cells, steps, *(_spent(runs, kind) for kind in _CLOCKS)])
    return _table(["model", *(column.title for column in _COLUMNS), "steps", *_CLOCKS.values()], lines)


def _spent(runs: Sequence[Mapping[str, Any]], kind: str) -> str:
    spent = [run.get(kind) for run in runs]
    return "/".join("resumed" if t is None else f"{t:.0f}" for t in spent)


def _found(report: CounterfactualReport, model: str, column: _Column) -> Score | None:
    for score in report.scores:
        place = (score.model, score.node, score.metric, score.region, score.label)
        wanted = (model, column.node, column.metric, column.region, column.label)
        if place == wanted and column.unit in ("", score.unit) and math.isfinite(score.estimate):
            return score
    return None


def _cell(score: Score, digits: int) -> str:
    half = (score.high - score.low) / 2
    return f"{score.estimate:.{digits}f}" + (f" ± {half:.{digits}f}" if math.isfinite(half) else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def _csv(results: Sequence[Result]) -> str:
    import pandas as pd

    tables = []
    for result in results:
        table = result.report.table()
        table.insert(0, "seed", result.row.seed)
        table.insert(0, "world", result.row.world.name)
        tables.append(table)
    return str(pd.concat(tables).to_csv(index=False, float_format="%.6g"))


def _pictures(plan: BenchmarkPlan, results: Sequence[Result]) -> tuple[list[Any], list[str]]:
    """Return one intervention per world, for the models that the first world of the plan has done.

    Worlds that do not have all of these yet are left out.
    """
    names: list[str] = []
    rows = []
    for k, world in enumerate(plan.worlds):
        reports = {
            r.row.model.name: r.report
            for r in results
            if r.row.world.name == world.name and r.row.seed == plan.seeds[0] and r.report.examples
        }
        names = names or [model.name for model in plan.models if model.name in reports]
        if not names or not set(names) <= set(reports):
            continue
        first = reports[names[0]].examples
        chosen = k % len(reports[names[0]].nodes)  # another node in every row
        example = first[chosen]
        answers = {_wrapped(name): reports[name].examples[chosen] for name in names}
        rows.append(
            example._replace(
                predictions={
                    title: answer.predictions[name]
                    for (title, answer), name in zip(answers.items(), names, strict=True)
                },
                reconstructions={
                    title: answer.reconstructions[name]
                    for (title, answer), name in zip(answers.items(), names, strict=True)
                },
            )
        )
    return rows, [_wrapped(name) for name in names]


def _wrapped(name: str) -> str:
    """Return a name on lines that are no wider than a picture."""
    return "\n".join(textwrap.wrap(name, 13))
