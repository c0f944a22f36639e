"""Effects on designs with a known truth: coverage of averages and rows, CPU seconds beside peers, memory.

``--part coverage`` and ``rows`` draw designs of 2,000 rows, ``speed`` times linear nuisances and a forest on
one of them, ``memory`` fits a million rows of 50 columns. The peers live in an environment of their own:
``--peer /path/to/python`` runs ``peers.py`` there, on the same data.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from designs import DESIGNS, nonlinear
from joblib import Parallel, delayed
from sklearn.linear_model import LinearRegression, LogisticRegression

from causalrep.estimators import AIPW, TMLE, CausalForest, DoubleML, RLearner, share_nuisances

QUICK = False
LINEAR = {"outcome_model": "linear", "propensity_model": "linear"}


COVERED: dict[str, tuple[str, Callable[[int], Any]]] = {
    "linear, AIPW with linear models": ("linear", lambda seed: AIPW(random_state=seed, **LINEAR)),
    "linear, AIPW by default": ("linear", lambda seed: AIPW(random_state=seed)),
    "nonlinear, AIPW by default": ("nonlinear", lambda seed: AIPW(random_state=seed)),
    "nonlinear, TMLE by default": ("nonlinear", lambda seed: TMLE(random_state=seed)),
}


def coverage(n_draws: int, n_jobs: int) -> None:
    """Print coverage, width and bias of 95 % intervals of the mean effect, 2,000 rows a draw."""
    for name in COVERED:
        found = Parallel(n_jobs=n_jobs)(delayed(mean_effect)(name, seed) for seed in range(n_draws))
        estimate, se, low, high, seconds = np.array(found).T
        error = estimate.mean() - 1
        print(
            f"{name:<34} covers {np.mean((low < 1) & (high > 1)):.3f}, width {np.mean(high - low):.3f}, "
            f"bias {error:+.4f} = {error / se.mean():+.2f} se, "
            f"spread {estimate.std():.4f}, mean se {se.mean():.4f}, "
            f"{statistics.median(seconds):.2f} CPU s a draw ({n_draws} draws)",
            flush=True,
        )


def mean_effect(name: str, seed: int) -> tuple[float, ...]:
    """Return estimate, standard error, interval and CPU seconds of a draw."""
    design, make = COVERED[name]
    data = DESIGNS[design](2000, seed)
    start = time.process_time()
    result = make(seed).fit(data["W"], data["y"], treatment=data["t"]).ate()
    return result.estimate, result.se, *result.ci, time.process_time() - start


def rows(n_draws: int, n_jobs: int) -> None:
    """Print the coverage of the forest's intervals of the effects of single rows, and errors of effects."""
    for design in DESIGNS:
        found = Parallel(n_jobs=n_jobs)(delayed(effects_of_rows)(design, seed) for seed in range(n_draws))
        covered, width, forest, learner = np.mean(found, axis=0)
        print(
            f"{design}: the forest covers {covered:.3f} of the rows, width {width:.2f}, error {forest:.3f}; "
            f"RLearner, auto: error {learner:.3f} ({n_draws} draws)",
            flush=True,
        )


def effects_of_rows(design: str, seed: int) -> tuple[float, ...]:
    """Return coverage, width and root error of the forest, and the root error of the R-learner."""
    data = DESIGNS[design](2000, seed)
    with share_nuisances():
        forest = CausalForest(n_estimators=200, random_state=seed)
        result = forest.fit(data["W"], data["y"], treatment=data["t"]).interval(data["W"])
        learner = RLearner(final_model="auto", random_state=seed).fit(
            data["W"], data["y"], treatment=data["t"]
        )
    low, high = result.ci.T
    errors = [found - data["effect"] for found in (result.estimate, learner.predict(data["W"]))]
    inside = (low < data["effect"]) & (data["effect"] < high)
    return float(inside.mean()), float((high - low).mean()), *(float(np.sqrt(np.mean(e**2))) for e in errors)


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
    parser.add_argument("--part", choices=["coverage", "rows", "speed", "memory"], default="speed")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1, help="processes, for coverage and rows")
    parser.add_argument("--peer", help="interpreter of an environment with econml, doubleml and causalml")
    arguments = parser.parse_args()
    if arguments.part == "coverage":
        coverage(arguments.draws, arguments.jobs)
    elif arguments.part == "rows":
        rows(arguments.draws, arguments.jobs)
    elif arguments.part == "rows":
        rows(arguments.draws)
    elif arguments.part == "speed":
        speed(arguments.peer)
    else:
        memory()


if __name__ == "__main__":
    main()
