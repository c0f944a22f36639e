"""Effects beside EconML, DoubleML and CausalML: coverage, errors on known effects, CPU seconds, memory.

The peers live in an environment of their own: ``--peer /path/to/python`` runs ``peers.py`` there, on the same
data.
``--part coverage`` draws designs, ``accuracy`` compares on the nonlinear design and the semi-synthetic data,
``speed`` times linear nuisances and the forest at 2,000 rows, ``memory`` fits a million rows of 50 columns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from designs import DATA_SETS, DESIGNS, nonlinear
from sklearn.linear_model import LinearRegression, LogisticRegression

from causalrep.estimators import AIPW, CausalForest, DoubleML, RLearner, TARNet

QUICK = False
LINEAR = {"outcome_model": "linear", "propensity_model": "linear"}


def coverage(n_draws: int) -> None:
    """Print coverage, width and bias of 95 % intervals of the mean effect, 2,000 rows a draw."""
    linear: dict[str, tuple[str, Callable[[int], Any]]] = {
        "linear, AIPW with linear models": ("linear", lambda seed: AIPW(random_state=seed, **LINEAR)),
        "linear, AIPW by default": ("linear", lambda seed: AIPW(random_state=seed)),
        "nonlinear, AIPW by default": ("nonlinear", lambda seed: AIPW(random_state=seed)),
    }
    for name, (design, make) in linear.items():
        draws = n_draws
        found = []
        start = time.process_time()
        for seed in range(draws):
            data = DESIGNS[design](2000, seed)
            result = make(seed).fit(data["W"], data["y"], treatment=data["t"]).ate()
            found.append((result.estimate, result.se, *result.ci))
        estimate, se, low, high = np.array(found).T
        print(
            f"{name:<34} covers {np.mean((low < 1) & (high > 1)):.3f}, width {np.mean(high - low):.3f}, "
            f"bias {np.mean(estimate - 1):+.4f} = {np.mean(estimate - 1) / se.mean():+.2f} se, "
            f"{(time.process_time() - start) / draws:.2f} CPU s a draw ({draws} draws)",
            flush=True,
        )


def rows(n_draws: int) -> None:
    """Print the coverage of the forest's intervals of the effects of single rows."""
    for design in DESIGNS:
        shares, errors = [], []
        for seed in range(n_draws):
            data = DESIGNS[design](2000, seed)
            forest = CausalForest(n_estimators=200, random_state=seed).fit(
                data["W"], data["y"], treatment=data["t"]
            )
            result = forest.interval(data["W"])
            inside = (result.ci[:, 0] < data["effect"]) & (data["effect"] < result.ci[:, 1])
            shares.append(inside.mean())
            errors.append(np.sqrt(np.mean((result.estimate - data["effect"]) ** 2)))
        print(f"{design}: rows covered {np.mean(shares):.3f}, error {np.mean(errors):.3f}", flush=True)


def ours() -> dict[str, Any]:
    return {
        "causalrep CausalForest": CausalForest(n_estimators=200, random_state=0),
        "causalrep RLearner, auto": RLearner(final_model="auto", random_state=0),
        "causalrep TARNet": TARNet(random_state=0),
    }


def accuracy(peer: str | None, n_draws: int, wanted: list[str] | None) -> None:
    """Print the median root error of effects and the median error of their average, for all libraries."""
    sources = [("nonlinear", range(n_draws)), *((name, keys) for name, (_, keys) in DATA_SETS.items())]
    for source, keys in sources:
        if wanted and source not in wanted:
            continue
        found: dict[str, list[tuple[float, float]]] = {}
        for key in keys:
            data = DESIGNS[source](2000, key) if source in DESIGNS else DATA_SETS[source][0](key)
            for name, learner in ours().items():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    learner.fit(data["W"], data["y"], treatment=data["t"])
                error = np.sqrt(np.mean((learner.predict(data["W"]) - data["effect"]) ** 2))
                gap = abs(learner.ate().estimate - data["effect"].mean())
                found.setdefault(name, []).append((float(error), float(gap)))
            for line in by_peer(peer, "effects", source, str(key)):
                found.setdefault(line["name"], []).append((line["pehe"], abs(line["ate"])))
        for name, errors in found.items():
            pehe, gap = (statistics.median(column) for column in zip(*errors, strict=True))
            print(f"{source:<10} {name:<26} root PEHE {pehe:.3f}   ATE error {gap:.3f}", flush=True)


def by_peer(peer: str | None, *arguments: str) -> list[dict[str, Any]]:
    """Return what the peers print."""
    if peer is None:
        return []
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run(
        [peer, str(script), *arguments], capture_output=True, text=True, check=True, env=os.environ
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def speed(peer: str | None) -> None:
    """Print CPU seconds with linear nuisances."""
    data = nonlinear(2000, 0)
    W, t, y = data["W"], data["t"], data["y"]
    line, logit = LinearRegression(), LogisticRegression()  # the same models as the peers'
    same = {"outcome_model": line, "propensity_model": logit, "random_state": 0}
    plr = DoubleML(model="plr", outcome_model=line, treatment_model=line, random_state=0)
    calls = {
        "AIPW": lambda: AIPW(**same).fit(W, y, treatment=t).ate(),
        "PLR": lambda: plr.fit(W, y, treatment=t).ate(),
        "forest": lambda: CausalForest(n_estimators=200, **same).fit(W, y, treatment=t),
        "AIPW, blend": lambda: AIPW(random_state=0).fit(W, y, treatment=t).ate(),
    }
    for name, call in calls.items():
        call()
        seconds = []
        for _ in range(3 if name in ("forest", "AIPW, blend") else 7):
            start = time.process_time()
            call()
            seconds.append(time.process_time() - start)
        print(f"causalrep {name:<14} {statistics.median(seconds):.4f} CPU s", flush=True)
    for line in by_peer(peer, "speed"):
        print(f"{line['name']:<24} {line['seconds']:.4f} CPU s", flush=True)


def memory() -> None:
    """Print CPU seconds and the peak of memory of a million rows."""
    rng = np.random.default_rng(0)
    W = rng.normal(size=(1_000_000, 50))
    t = (rng.random(len(W)) < 1 / (1 + np.exp(-W[:, 0]))).astype(int)
    y = t + W[:, 0] + rng.normal(size=len(W))
    start = time.process_time()
    result = AIPW(random_state=0, **LINEAR).fit(W, y, treatment=t).ate()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{result}\n{time.process_time() - start:.1f} CPU s, peak {peak:.2f} GiB, of which data 0.39")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--part", choices=["coverage", "rows", "accuracy", "speed", "memory"], default="speed"
    )
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--source", nargs="+", choices=["nonlinear", *DATA_SETS], help="for accuracy; all")
    parser.add_argument("--peer", help="interpreter of an environment with econml, doubleml and causalml")
    arguments = parser.parse_args()
    if arguments.part == "coverage":
        coverage(arguments.draws)
    elif arguments.part == "rows":
        rows(arguments.draws)
    elif arguments.part == "accuracy":
        accuracy(arguments.peer, arguments.draws, arguments.source)
    elif arguments.part == "speed":
        speed(arguments.peer)
    else:
        memory()


if __name__ == "__main__":
    main()
