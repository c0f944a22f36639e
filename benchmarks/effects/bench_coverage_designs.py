"""Do 95 % intervals cover in 95 % of draws: instruments, discontinuities, panels, mediation, doses.

Run ``python benchmarks/effects/bench_coverage_designs.py [--draws 300] [--only iv] [--estimator LIML]``. For
each estimator and design with a known effect: the share of draws whose interval has it, the mean error of its
middle over the spread of the middles, that spread, the mean standard error, and the median CPU milliseconds
of a fit.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from causalrep.estimators import (
    GMM,
    LIML,
    DifferenceInDifferences,
    DoseResponse,
    EffectResult,
    FrontDoor,
    GroupTimeDiD,
    MatrixCompletion,
    Mediation,
    OverlapWarning,
    RegressionDiscontinuity,
    ShiftIntervention,
    SurvivalEffect,
    SyntheticDiD,
    TwoStageLeastSquares,
)

Draw = Iterator[tuple[str, float, Any]]
_LINEAR = {"outcome_model": "linear", "propensity_model": "linear", "cv": 2, "random_state": 0}


def instruments(seed: int) -> Draw:
    """Draw three instruments, hidden confounding, unequal variances; n = 1,000."""
    rng = np.random.default_rng(seed)
    W, Z, hidden = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 3)), rng.normal(size=1000)
    t = Z @ [0.5, 0.3, 0.2] + W[:, 0] + hidden + rng.normal(size=1000)
    y = 1.5 * t + W[:, 1] - 2 * hidden + rng.normal(size=1000) * (1 + np.abs(Z[:, 0]))
    for kind in (TwoStageLeastSquares, LIML, GMM):
        fit = kind().fit
        yield f"IV, {kind.__name__}", 1.5, lambda fit=fit: fit(W, y, treatment=t, instrument=Z).ate()


def discontinuities(seed: int) -> Draw:
    """Draw a curve that jumps, sharp and fuzzy; n = 2,000."""
    rng = np.random.default_rng(seed)
    x, hidden = 2 * rng.beta(2, 4, 2000) - 0.6, rng.normal(size=2000)
    y = 1.0 * (x >= 0) + np.sin(3 * x) + x**2 + 0.3 * rng.normal(size=2000)
    yield "RDD, sharp", 1.0, lambda: RegressionDiscontinuity(0).fit(x[:, None], y).ate()
    taken = (1.5 * (x >= 0) + hidden > 0.75).astype(int)
    z = 2.0 * taken + 0.5 * hidden + x + 0.3 * rng.normal(size=2000)
    X = np.column_stack([x, taken])
    yield "RDD, fuzzy", 2.0, lambda: RegressionDiscontinuity(0, treatment=1).fit(X, z).ate()


def panels(seed: int) -> Draw:
    """Draw two periods with trends that hang on a covariate, staggered adoption, and factors."""
    rng = np.random.default_rng(seed)
    n = 500
    a, level = rng.normal(size=(2, n))
    group = (rng.random(n) < 1 / (1 + np.exp(-a / 2))).astype(int)
    X = pd.DataFrame({"g": np.tile(group, 2), "t": np.repeat([0, 1], n), "i": np.tile(np.arange(n), 2)})
    X["a"] = np.tile(a, 2)
    y = np.tile(level + group, 2) + X["t"] * (X["g"] + X["a"]) + rng.normal(size=2 * n)
    for method in ("cross_fit", "improved"):
        did = DifferenceInDifferences("g", "t", "i", method=method, random_state=0)
        yield f"DiD, {method}", 1.0, lambda did=did: did.fit(X, y).att()
    seen = np.concatenate([rows := rng.random(n) < 0.5, ~rows])  # each unit in one period only
    survey, answers = X.loc[seen, ["g", "t", "a"]].reset_index(drop=True), y[seen].to_numpy()
    sections = DifferenceInDifferences("g", "t", method="improved")
    yield "DiD, improved, cross-sections", 1.0, lambda: sections.fit(survey, answers).att()
    start = rng.choice([0, 3, 4], 300, p=[0.4, 0.35, 0.25])
    cells = pd.DataFrame({"i": np.repeat(np.arange(300), 5), "t": np.tile(np.arange(1, 6), 300)})
    cells["g"] = start[cells["i"]]
    on = (cells["g"] > 0) & (cells["t"] >= cells["g"])
    outcome = 1.0 * on + 0.5 * cells["t"] + rng.normal(size=300)[cells["i"]] + rng.normal(size=1500)
    yield "DiD, staggered", 1.0, lambda: GroupTimeDiD("g", "t", "i").fit(cells, outcome).aggregate()
    factors = np.cumsum(rng.normal(size=(2, 20)), axis=1)
    paths = rng.normal(size=(30, 1)) + rng.uniform(0, 1, (30, 2)) @ factors + 0.3 * rng.normal(size=(30, 20))
    state = np.zeros((30, 20))
    state[:4, 14:] = 1
    block = pd.DataFrame({"d": state.ravel(), "t": np.tile(np.arange(20), 30)})
    block["i"] = np.repeat(np.arange(30), 20)
    synthetic = SyntheticDiD("d", "t", "i", random_state=0)
    yield "DiD, synthetic", 2.0, lambda: synthetic.fit(block, (paths + 2 * state).ravel()).att()
    completion = MatrixCompletion("d", "t", "i", random_state=0)
    yield "matrix completion", 2.0, lambda: completion.fit(block, (paths + 2 * state).ravel()).att()


def mediators(seed: int) -> Draw:
    """Draw a mediator that interacts with the treatment, and a front door; n = 1,000."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(1000, 2))
    t = (rng.random(1000) < 1 / (1 + np.exp(-0.5 * W[:, 0]))).astype(int)
    m = 0.5 * t + W @ [0.5, 0.3] + rng.normal(size=1000)
    y = 0.3 * t + 0.6 * m + 0.4 * t * m + 0.5 * W[:, 1] + rng.normal(size=1000)
    robust = Mediation(**_LINEAR)
    yield "mediation, direct", 0.3, lambda: robust.fit(W, y, treatment=t, mediator=m).nde()
    yield "mediation, indirect", 0.5, lambda: robust.fit(W, y, treatment=t, mediator=m).nie()
    straight = y - 0.4 * t * m
    product = Mediation(method="linear")
    yield "mediation, product", 0.3, lambda: product.fit(W, straight, treatment=t, mediator=m).nie()
    hidden = rng.normal(size=1000)
    d = (rng.random(1000) < 1 / (1 + np.exp(-0.6 * hidden - 0.3 * W[:, 0]))).astype(int)
    through = 0.8 * d + 0.4 * W[:, 0] + rng.normal(size=1000)
    z = through / 0.8 + 0.5 * W[:, 0] - 1.5 * hidden + rng.normal(size=1000)
    yield "front door", 1.0, lambda: FrontDoor(**_LINEAR).fit(W, z, treatment=d, mediator=through).ate()


def doses(seed: int) -> Draw:
    """Draw a dose that two covariates move, with a mean outcome of sin(dose) if all had it; n = 500."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(500, 2))
    dose = W @ [0.5, -0.3] + rng.normal(size=500)
    y = np.sin(dose) + (0.3 * dose + 1) * W[:, 0] + 0.5 * rng.normal(size=500)
    cubic = make_pipeline(PolynomialFeatures(3), StandardScaler(), Ridge())
    est = DoseResponse(outcome_model=cubic, treatment_model="linear", random_state=seed)
    est.fit(W, y, treatment=dose)
    for at in (-1.5, -0.5, 0.5, 1.5):
        yield f"dose curve at {at:g}", np.sin(at), lambda at=at: _first(est.curve([at]))
    yield "dose curve, slope", np.exp(-0.67), lambda: est.fit(W, y, treatment=dose).slope()
    shift = ShiftIntervention(shift=0.5, outcome_model=cubic, ratio_model="linear", random_state=seed)
    truth = np.exp(-0.67) * np.sin(0.5)
    yield "dose, shift by a half", truth, lambda: shift.fit(W, y, treatment=dose).ate()


def survival(seed: int) -> Draw:
    """Draw times to either of two causes that are censored by the arm; n = 500."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(500, 1))
    t = (rng.random(500) < 1 / (1 + np.exp(-0.7 * w[:, 0]))).astype(int)
    ends = rng.exponential(1 / np.column_stack([0.7 * np.exp(0.5 * w[:, 0] - 0.6 * t), np.full(500, 0.3)]))
    stops = rng.exponential(1.5 + t)
    event = np.where(ends.min(axis=1) <= stops, 1 + ends.argmin(axis=1), 0)
    last = np.minimum(ends.min(axis=1), stops)
    nodes, mass = np.polynomial.hermite_e.hermegauss(60)
    rates = [0.7 * np.exp(0.5 * nodes - 0.6 * arm) for arm in (0, 1)]
    low, high = (mass @ (r / (r + 0.3) * -np.expm1(-r - 0.3)) / mass.sum() for r in rates)
    options = {"outcome_model": "linear", "propensity_model": "linear", "random_state": 0}
    risk = SurvivalEffect(cause=1, **options)
    yield "censored, risk of a cause", high - low, lambda: risk.fit(w, last, treatment=t, event=event).ate()
    alone = [mass @ (-np.expm1(-r - 0.3) / (r + 0.3)) / mass.sum() for r in rates]
    lasts = SurvivalEffect(measure="time", **options)
    yield "censored, time", alone[1] - alone[0], lambda: lasts.fit(w, last, treatment=t, event=event).ate()


def _first(result: EffectResult) -> EffectResult:
    return replace(result, estimate=result.estimate[0], se=result.se[0], ci=tuple(result.ci[0]))


DESIGNS: dict[str, Callable[[int], Draw]] = {
    "iv": instruments,
    "rdd": discontinuities,
    "did": panels,
    "mediation": mediators,
    "doses": doses,
    "survival": survival,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--only", choices=sorted(DESIGNS))
    parser.add_argument("--estimator", default="", help="part of the names of the rows to fill")
    arguments = parser.parse_args()
    print("| design, estimator | coverage | bias / spread | spread | mean se | CPU ms |")
    print("|---|---|---|---|---|---|")
    for name, design in DESIGNS.items():
        if arguments.only not in (None, name):
            continue
        found: dict[str, list[tuple[float, float, bool, float]]] = {}
        for seed in range(arguments.draws):
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", OverlapWarning
                )  # a rare row in a draw; the interval must hold
                for label, truth, estimate in design(seed):
                    if arguments.estimator not in label:
                        continue
                    start = time.process_time()
                    result = estimate()
                    spent = time.process_time() - start
                    low, high = result.ci
                    found.setdefault(label, []).append(
                        ((low + high) / 2 - truth, result.se, low < truth < high, spent)
                    )
        for label, rows in found.items():
            errors, ses, hits, seconds = (np.array(part) for part in zip(*rows, strict=True))
            spread = errors.std(ddof=1)
            print(
                f"| {label} | {hits.mean():.3f} | {errors.mean() / spread:+.2f} | {spread:.4f} | "
                f"{ses.mean():.4f} | {1000 * statistics.median(seconds):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
