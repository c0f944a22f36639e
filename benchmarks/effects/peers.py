"""The peers' side of bench_effects and bench_semisynthetic, in their own environment: one JSON object a line.

``python peers.py effects SOURCE KEY``: errors of the effects and of their average on one data set.
``python peers.py speed``: CPU seconds of doubly robust estimates and of a forest with linear nuisances.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings

import numpy as np
from designs import DATA_SETS, DESIGNS, nonlinear
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression

warnings.filterwarnings("ignore")


def boosting(n: int) -> tuple:
    """Return boosted trees for outcome and treatment; of the quick kind where there are many rows."""
    if n > 3000:
        return HistGradientBoostingRegressor(random_state=0), HistGradientBoostingClassifier(random_state=0)
    return GradientBoostingRegressor(random_state=0), GradientBoostingClassifier(random_state=0)


def learners(n: int) -> dict:
    from causalml.inference.meta import BaseTRegressor, BaseXRegressor
    from econml.dml import CausalForestDML, LinearDML

    outcome, treatment = boosting(n)
    models = {"model_y": outcome, "discrete_treatment": True}
    models |= {"model_t": treatment, "random_state": 0, "cv": 3}
    return {
        "EconML CausalForestDML": CausalForestDML(n_estimators=200, n_jobs=1, **models),
        "EconML LinearDML": LinearDML(**models),
        "CausalML BaseTRegressor": BaseTRegressor(outcome, control_name=0),
        "CausalML BaseXRegressor": BaseXRegressor(outcome, control_name=0),
    }


def effects(source: str, key: int) -> None:
    import doubleml

    data = DESIGNS[source](2000, key) if source in DESIGNS else DATA_SETS[source][0](key)
    W, t, y = data["W"], data["t"], data["y"]
    for name, learner in learners(len(y)).items():
        if "EconML" in name:
            learner.fit(y, t, X=W)
            found, average = learner.effect(W).ravel(), learner.ate_inference(W)
            low, high = average.conf_int_mean()
            mean = float(np.ravel(average.mean_point)[0])
        else:
            mean, low, high = (float(np.ravel(v)[0]) for v in learner.estimate_ate(W, t, y))
            found = learner.fit_predict(W, t, y).ravel()
        report(name, data["effect"], found, mean, float(np.ravel(low)[0]), float(np.ravel(high)[0]))
    table = doubleml.DoubleMLData.from_arrays(W, y, t)
    irm = doubleml.DoubleMLIRM(table, *boosting(len(y)), n_folds=5).fit()
    low, high = irm.confint().to_numpy().ravel()
    report("DoubleML IRM", data["effect"], None, float(irm.coef[0]), float(low), float(high))


def report(
    name: str, truth: np.ndarray, found: np.ndarray | None, mean: float, low: float, high: float
) -> None:
    error = None if found is None else float(np.sqrt(np.mean((found - truth) ** 2)))
    print(
        json.dumps({"name": name, "pehe": error, "ate": mean - float(truth.mean()), "low": low, "high": high})
    )


def speed() -> None:
    import doubleml
    from econml.dml import CausalForestDML
    from econml.dr import LinearDRLearner

    data = nonlinear(2000, 0)
    W, t, y = data["W"], data["t"], data["y"]

    def irm() -> None:
        table = doubleml.DoubleMLData.from_arrays(W, y, t)
        doubleml.DoubleMLIRM(table, LinearRegression(), LogisticRegression(), n_folds=5).fit()

    def plr() -> None:
        table = doubleml.DoubleMLData.from_arrays(W, y, t)
        doubleml.DoubleMLPLR(table, LinearRegression(), LinearRegression(), n_folds=5).fit()

    def robust() -> None:
        models = {"model_propensity": LogisticRegression(), "model_regression": LinearRegression()}
        LinearDRLearner(cv=5, **models).fit(y, t, X=None, W=W).ate_inference()

    def forest() -> None:
        models = {"model_y": LinearRegression(), "model_t": LogisticRegression(), "cv": 5}
        CausalForestDML(discrete_treatment=True, n_estimators=200, n_jobs=1, **models).fit(y, t, X=W)

    calls = {"AIPW: DoubleML": irm, "PLR: DoubleML": plr, "AIPW: EconML": robust, "forest: EconML": forest}
    for name, call in calls.items():
        call()
        seconds = []
        for _ in range(3 if "forest" in name else 7):
            start = time.process_time()
            call()
            seconds.append(time.process_time() - start)
        print(json.dumps({"name": name, "seconds": statistics.median(seconds)}))


if __name__ == "__main__":
    if sys.argv[1] == "speed":
        speed()
    else:
        effects(sys.argv[2], int(sys.argv[3]))
