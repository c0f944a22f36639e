"""What CausalDiffAE promises on images, each figure beside its bar: noisy Pendulum and a chain of four.

Five trainings for each seed: with all labels, with a tenth and a fiftieth of them, with conditions dropped
for guidance, and on sprites, whose shape moves them up through two other labels. Trainings keep checkpoints
and figures are kept below ``benchmarks/runs``, so a run that was stopped goes on, and a second run only
writes the table. Errors are against the true pictures of 256 new images, the same for all trainings.

    python benchmarks/representation/bench_acceptance.py --device cuda --workers 8
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import stdtrit
from scipy.stats import spearmanr

from causalrep.datasets import WORLDS
from causalrep.metrics import CounterfactualReport, counterfactual_report
from causalrep.metrics._estimates import ratio_estimate
from causalrep.representation import CausalDiffAE, load_model
from causalrep.utils import keyed_generator, write_text

QUICK = False
RUNS = Path(__file__).resolve().parent.parent / "runs" / "acceptance"
NAME = "CausalDiffAE"
EXAM = 7
WEIGHTS = tuple(np.arange(9) / 4)


@dataclass(frozen=True)
class Job:
    """One training: on which world, with which share of the labels and which options."""

    world: str = "pendulum"
    labelled: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


JOBS = {
    "all labels": Job(),
    "a tenth of the labels": Job(labelled=0.1),
    "a fiftieth of the labels": Job(labelled=0.02),
    "guided": Job(options={"slot_dropout": 0.1, "condition_dropout": 0.1}),
    "chain": Job(world="sprites", options={"mechanism": "affine"}),
}


def trained(job: Job, seed: int, folder: Path, world: Any, settings: argparse.Namespace) -> Any:
    """Return the model, from its folder if it was trained before."""
    if (folder / "model").exists():
        return load_model(folder / "model", device=settings.device)
    train = world.sample(settings.images, random_state=1000 + seed)
    labels = train.frame.copy()
    hidden = keyed_generator(seed, "hidden").permutation(settings.images)[
        round(job.labelled * settings.images) :
    ]
    labels.iloc[hidden] = np.nan
    model = CausalDiffAE(
        world.graph_of_labels, max_steps=settings.steps, batch_size=settings.batch_size,
        learning_rate=settings.learning_rate, device=settings.device, checkpoint=folder / "checkpoint",
        precision="no", random_state=seed, **job.options,
    )  # fmt: skip
    model.fit(train["image"], labels)
    model.save(folder / "model")
    seconds = {str(row["stage"]): float(row["seconds"]) for row in model.training_log_.rows}
    write_text(folder / "seconds.json", json.dumps(seconds))
    return model


def run(name: str, seed: int, settings: argparse.Namespace) -> None:
    """Train one job and put its figures into its folder."""
    torch.set_num_threads(1)
    folder = settings.runs / name.replace(" ", "-") / str(seed)
    if (folder / "scores").exists() or (folder / "figures.json").exists():
        return
    job = JOBS[name]
    world = WORLDS[job.world](size=settings.size)
    model = trained(job, seed, folder, world, settings)
    if name in ("guided", "chain"):
        ask = guidance_figures if name == "guided" else chain_figures
        write_text(folder / "figures.json", json.dumps(ask(model, world, settings.asked), indent=1))
        return
    counterfactual_report(
        {NAME: model}, world, n_images=settings.asked, compositions=(1, 10), random_state=EXAM,
        parts=("recovery", "latents", "code"), n_followed=settings.asked, n_examples=2,
    ).save(folder / "scores")  # fmt: skip


def guidance_figures(model: Any, world: Any, n_images: int) -> dict[str, Any]:
    """Return how far guidance moves the labels that are set, and those that must stay, by weight.

    ``moved`` is the slope of the move that is read on the move that was asked for; ``drift`` the distance of
    an untouched label from its factual value, less that of the reconstruction, as a share of its range.
    """
    s = world.sample(n_images, random_state=EXAM)
    state, factual = model.abduct(s["image"]), s.frame
    null = world.read(model.predict_images(state))
    figures: dict[str, Any] = {}
    for node in world.graph_of_labels.nodes:
        target = world.intervention_values(s, node, random_state=EXAM)
        affected = {node, *world.graph_of_labels.descendants(node)}
        for kind in ("global", "decoupled"):
            moved, drifts = [], []
            for weight in WEIGHTS:
                guidance = float(weight) if kind == "global" else {"affected": float(weight)}
                read = world.read(model.predict_images(state, {node: target}, guidance=guidance))
                asked = target - factual[node]
                moved.append(_slope(read[node] - factual[node], asked))
                drifts.append(
                    {
                        label: float(
                            (
                                (read[label] - factual[label]).abs() - (null[label] - factual[label]).abs()
                            ).mean()
                            / np.ptp(factual[label])
                        )
                        for label in world.graph_of_labels.nodes
                        if label not in affected
                    }
                )
            figures[f"{kind} {node}"] = {"moved": moved, "drift": drifts}
    return figures


def chain_figures(model: Any, world: Any, n_images: int) -> dict[str, float]:
    """Return the slope of how the shape moves each later label on how it truly moves it, image by image."""
    s = world.sample(n_images, random_state=EXAM)
    state = model.abduct(s["image"])
    truths, readings, meant = [], [], []
    for shape in (0.0, 1.0, 2.0):
        do = {"shape": shape}
        truths.append(world.counterfactual(s, do=do).frame)
        readings.append(world.read(model.predict_images(state, do)))
        meant.append(model.counterfactual(s["image"], do).labels)
    figures = {}
    for label in ("scale", "x", "y"):
        true = np.stack([frame[label] for frame in truths], axis=1)
        for kind, frames in (("read", readings), ("meant", meant)):
            told = np.stack([frame[label] for frame in frames], axis=1)
            figures[f"{label}, {kind}"] = _slope(
                told - told.mean(1, keepdims=True), true - true.mean(1, keepdims=True)
            )
    return figures


def _slope(told: Any, true: Any) -> float:
    told, true = (np.asarray(values, dtype=np.float64).reshape(len(values), -1) for values in (told, true))
    return ratio_estimate((told * true).sum(axis=1), (true**2).sum(axis=1)).value


# -- the table -------------------------------------------------------------------------------------


class Figure(NamedTuple):
    """A figure with its interval, and where it was found if it is the worst of several."""

    value: float
    low: float = math.nan
    high: float = math.nan
    where: str = ""


class Bar(NamedTuple):
    """A row of the table: what is promised, and how it is found from what was kept."""

    title: str
    limit: float
    at_most: bool
    find: Callable[[Path], Figure | None]

    def line(self, runs: Path) -> str:
        """Return the row, or what stands there for a figure that was not measured."""
        found = self.find(runs)
        bound = f"{'≤' if self.at_most else '≥'} {self.limit:g}"
        if found is None:
            return f"| {self.title} | {bound} | not run | |"
        reached = found.value <= self.limit if self.at_most else found.value >= self.limit
        interval = "" if math.isnan(found.low) else f" [{found.low:.3f}, {found.high:.3f}]"
        measured = f"{found.value:.3f}{interval} {found.where}".rstrip()
        return f"| {self.title} | {bound} | {measured} | {'yes' if reached else '**no**'} |"


def pooled(runs: Path, job: str) -> CounterfactualReport | None:
    """Return the report of a job over its seeds."""
    folders = sorted((runs / job.replace(" ", "-")).glob("*/scores"))
    return (
        CounterfactualReport.over_seeds([CounterfactualReport.load(f) for f in folders]) if folders else None
    )


def worst(job: str, metric: str, *, at_most: bool, **wanted: Any) -> Callable[[Path], Figure | None]:
    """Return what finds the worst score of a metric among those that have what is wanted."""

    def find(runs: Path) -> Figure | None:
        report = pooled(runs, job)
        scores = [
            s
            for s in (report.scores if report is not None else ())
            if s.model == NAME and s.metric == metric and not str(s.node).startswith("mean")
            and all(getattr(s, key) in value for key, value in wanted.items()) and math.isfinite(s.estimate)
        ]  # fmt: skip
        if not scores:
            return None
        s = (max if at_most else min)(scores, key=lambda score: score.estimate)
        place = ", ".join(str(part) for part in (s.node, s.label) if part)
        return Figure(s.estimate, s.low, s.high, f"({place})" if place and len(scores) > 1 else "")

    return find


def beside_all(job: str) -> Callable[[Path], Figure | None]:
    """Return what finds the error of a job over the error with all labels, whole image, all nodes."""

    def find(runs: Path) -> Figure | None:
        reports = [pooled(runs, name) for name in (job, "all labels")]
        if None in reports:
            return None
        some, every = (r.score(NAME, "mean of all", "error", region="whole").estimate for r in reports if r)
        return Figure(some / every)

    return find


def over_seeds(job: str, tell: Callable[[Any], float]) -> Callable[[Path], Figure | None]:
    """Return what averages a figure over seeds, with an interval by Student's t where there are several."""

    def find(runs: Path) -> Figure | None:
        files = sorted((runs / job).glob("*/figures.json"))
        values = np.array([tell(json.loads(file.read_text(encoding="utf-8"))) for file in files])
        if not len(values):
            return None
        half = math.nan
        if len(values) > 1:
            half = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / math.sqrt(len(values))
        return Figure(values.mean(), values.mean() - half, values.mean() + half)

    return find


def monotone(kind: str) -> Callable[[Any], float]:
    return lambda f: min(spearmanr(WEIGHTS, v["moved"])[0] for k, v in f.items() if k.startswith(kind))


def drift(kind: str) -> Callable[[Any], float]:
    at = WEIGHTS.index(2.0)
    return lambda f: max(d for k, v in f.items() if k.startswith(kind) for d in v["drift"][at].values())


def off(key: str) -> Callable[[Any], float]:
    return lambda figures: abs(figures[key] - 1.0)


LEAVES = ("length", "position")
BARS = (
    Bar("do(root): whole / copying", 0.15, True,
        worst("all labels", "ratio to copying", at_most=True, region=("whole",), node=("angle", "light"))),
    Bar("do(leaf): changed / copying", 0.20, True,
        worst("all labels", "ratio to copying", at_most=True, region=("changed",), node=LEAVES)),
    Bar("unchanged region, grey levels", 0.8, True,
        worst("all labels", "error", at_most=True, region=("unchanged",))),
    Bar("null intervention, grey levels", 0.5, True, worst("all labels", "reconstruction", at_most=True)),
    Bar("ten null interventions", 1.5, True, worst("all labels", "reconstruction x10", at_most=True)),
    Bar("nuisance read after do, R2", 0.95, False,
        worst("all labels", "nuisance recovery", at_most=False, label=("background", "hue"))),
    Bar("slot DCI-D", 0.95, False,
        worst("all labels", "DCI", at_most=False, region=("slots",), label=("disentanglement",))),
    Bar("slot DCI-D, a tenth of the labels", 0.85, False,
        worst("a tenth of the labels", "DCI", at_most=False, region=("slots",), label=("disentanglement",))),
    Bar("labels meant, R2", 0.97, False, worst("all labels", "latent R2", at_most=False)),
    Bar("error with a tenth of the labels / with all", 1.3, True, beside_all("a tenth of the labels")),
    Bar("error with a fiftieth of the labels / with all", 2.0, True, beside_all("a fiftieth of the labels")),
    Bar("guidance knob, Spearman (worst node)", 0.95, False, over_seeds("guided", monotone("global"))),
    Bar("the same, decoupled", 0.95, False, over_seeds("guided", monotone("decoupled"))),
    Bar("decoupled guidance of 2: drift / range", 0.05, True, over_seeds("guided", drift("decoupled"))),
    Bar("the same, global (to compare)", 0.05, True, over_seeds("guided", drift("global"))),
    Bar("chain of four: slope of y read, off 1", 0.1, True, over_seeds("chain", off("y, read"))),
    Bar("chain of four: slope of y meant, off 1", 0.1, True, over_seeds("chain", off("y, meant"))),
)  # fmt: skip


def table(runs: Path) -> str:
    head = "| figure | bar | measured, 95 % interval | reached |\n|---|---|---|---|"
    return "\n".join([head, *(bar.line(runs) for bar in BARS)])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--images", type=int, default=16_000)
    parser.add_argument("--asked", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=RUNS)
    settings = parser.parse_args(arguments)
    from joblib import Parallel, delayed

    todo = [(name, seed) for seed in settings.seeds for name in settings.jobs]
    Parallel(n_jobs=settings.workers, batch_size=1)(delayed(run)(*job, settings) for job in todo)
    print(table(settings.runs))


if __name__ == "__main__":
    main()
