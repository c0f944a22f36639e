"""Solvers on a trained network: counterfactual error and network calls, same weights, same images.

Needs the model of ``bench_quality.py --world pendulum --seeds 0``.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from pathlib import Path

from causalrep.datasets import pendulum
from causalrep.metrics import counterfactual_report
from causalrep.representation import load_model

QUICK = False
MODEL = Path(__file__).resolve().parent.parent / "runs" / "pendulum" / "CausalDiffAE" / "0" / "model"
SOLVERS = [
    ("ddim", 10),
    ("ddim", 20),
    ("ddim", 50),
    ("heun", 10),
    ("heun", 20),
    ("obelm", 10),
    ("obelm", 20),
    ("obelm", 40),
]


def main() -> None:
    parser = argparse.ArgumentParser(description="Solvers on a trained network.")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--images", type=int, default=128)
    arguments = parser.parse_args()
    model = load_model(arguments.model, device="cpu")
    world = pendulum(size=model.shape_.size)
    models = {}
    for solver, steps in SOLVERS:
        other = copy.copy(model)
        other.recipe_ = replace(model.recipe_, solver=solver, solver_steps=steps)
        models[f"{solver}, {steps} steps"] = other
    report = counterfactual_report(
        models, world, n_images=arguments.images, random_state=7, parts=(), progress=True
    )
    print("| solver | round trip | angle | light | length | position | length, changed | position, changed |")
    print("|---|---|---|---|---|---|---|---|")
    for name in models:
        cells = [report.score(name, "", "reconstruction", region="whole").estimate]
        cells += [
            report.score(name, node, "ratio to copying", region="whole").estimate
            for node in ("angle", "light", "length", "position")
        ]
        cells += [
            report.score(name, node, "ratio to copying", region="changed").estimate
            for node in ("length", "position")
        ]
        print(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
