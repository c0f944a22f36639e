"""Counterfactuals of real handwriting, Morpho-MNIST, beside VAE, hierarchical VAE and conditional diffusion.

One budget for all: images shown to the image network. No true counterfactual picture exists, so what is
scored is composition (null interventions), effectiveness (thickness and intensity measured on the picture,
against the known causal model of the labels), reversibility, minimality and the Fréchet distance to factual
digits. 9 000 digits train, others are asked, the same ones for every model and seed.

    python benchmarks/representation/bench_digits.py --device cuda --workers 4
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from causalrep.datasets import load_morphomnist
from causalrep.metrics import CounterfactualReport, counterfactual_report
from causalrep.representation import MODELS, load_model

QUICK = False
RUNS = Path(__file__).resolve().parent.parent / "runs" / "digits"
DATA = "../shared/data/morphomnist_thickness_intensity"

# The noise of an intensity is scaled by the thickness, so mechanisms are affine where a model has a choice.
# The code of digits picks up both labels unless it is told not to; Heun beat O-BELM on real strokes.
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "CausalDiffAE": (
        "CausalDiffAE", {"mechanism": "affine", "independence_weight": 1.0, "solver": "heun"},
    ),
    "VAE (DeepSCM)": ("DeepSCM", {}),
    "hierarchical VAE": ("HierarchicalVAE", {}),
    "conditional diffusion": ("ConditionalDiffusion", {"mechanism": "affine"}),
}  # fmt: skip
COLUMNS = (
    ("null ×1", "", "reconstruction", ""),
    ("null ×10", "", "reconstruction x10", ""),
    ("do(t): t, px", "thickness", "effectiveness", "thickness"),
    ("do(t): i", "thickness", "effectiveness", "intensity"),
    ("do(i): i", "intensity", "effectiveness", "intensity"),
    ("do(i): t, px", "intensity", "effectiveness", "thickness"),
    ("drift of t under do(i), px", "intensity", "amplification", "thickness"),
    ("set back", "mean of all", "reversibility", ""),
    ("CLD", "mean of all", "minimality", ""),
    ("Fréchet", "mean of all", "Fréchet distance", ""),
)


def run(name: str, seed: int, settings: argparse.Namespace) -> None:
    """Train one model with one seed and keep its scores."""
    torch.set_num_threads(1)
    folder = settings.runs / name.replace(" ", "-") / str(seed)
    if (folder / "scores").exists():
        return
    train, test = load_morphomnist(settings.data).split(0.1, random_state=0)
    if not (folder / "model").exists():
        trained(name, seed, folder, train, settings).save(folder / "model")
    model = load_model(folder / "model", device=settings.device)
    test = test.take(slice(0, settings.asked))
    counterfactual_report(
        {name: model}, test.world, samples=test.samples, compositions=(1, 10), random_state=7,
        parts=("reversibility", "minimality", "frechet", "code"), n_examples=4,
    ).save(folder / "scores")  # fmt: skip


def trained(name: str, seed: int, folder: Path, train: Any, settings: argparse.Namespace) -> Any:
    """Return a model that was shown so many images."""
    kind, options = ROWS[name]
    steps = settings.shown // settings.batch_size
    if kind == "HierarchicalVAE":  # its fine-tuning is part of the budget
        options = {**options, "tuning_steps": steps // 6}
        steps -= steps // 6
    model = MODELS[kind](
        train.graph_of_labels, max_steps=steps, batch_size=settings.batch_size, device=settings.device,
        precision="no", checkpoint=folder / "checkpoint", random_state=seed, **options,
    )  # fmt: skip
    return model.fit(train.images, train.labels)


def table(runs: Path) -> str:
    """Return the figures pooled over seeds, half a 95 % interval behind each."""
    lines = ["| model | " + " | ".join(c[0] for c in COLUMNS) + " |", "|---" + "|---:" * len(COLUMNS) + "|"]
    for name in ROWS:
        folders = sorted((runs / name.replace(" ", "-")).glob("*/scores"))
        if folders:
            report = CounterfactualReport.over_seeds([CounterfactualReport.load(f) for f in folders])
            lines.append(f"| {name} | {' | '.join(_cell(report, name, *c[1:]) for c in COLUMNS)} |")
            if len(lines) == 3:
                reader = "reader, on the true image"
                lines.append(
                    f"| the measure itself | {' | '.join(_cell(report, reader, *c[1:]) for c in COLUMNS)} |"
                )
    return "\n".join(lines)


def _cell(report: CounterfactualReport, model: str, node: str, metric: str, label: str) -> str:
    for s in report.scores:
        if (s.model, s.node, s.metric, s.label) == (model, node, metric, label) and s.unit != "sd":
            return f"{s.estimate:.3f} ± {(s.high - s.low) / 2:.3f}"
    return ""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--shown", type=int, default=160_000, help="images, over all steps of a training")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--asked", type=int, default=256)
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=RUNS)
    settings = parser.parse_args(arguments)
    from joblib import Parallel, delayed

    todo = [(name, seed) for seed in settings.seeds for name in settings.models]
    Parallel(n_jobs=settings.workers, batch_size=1)(delayed(run)(*job, settings) for job in todo)
    print(table(settings.runs))


if __name__ == "__main__":
    main()
