"""One member of every family: frames of each library, searches, and any way to run in parallel."""

import contextlib

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import parallel_config
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from causalrep.estimators import (
    AIPW,
    LTMLE,
    CausalForest,
    DifferenceInDifferences,
    DoseResponse,
    DoubleML,
    DRLearner,
    EntropyBalancing,
    FrontDoor,
    GroupTimeDiD,
    KernelIV,
    Matching,
    Mediation,
    PolicyTree,
    PropensityScore,
    ProximalTwoStage,
    RegressionDiscontinuity,
    ShiftIntervention,
    SyntheticControl,
    TARNet,
    TwoStageLeastSquares,
)

pytestmark = pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")

LINEAR = {"outcome_model": "linear", "propensity_model": "linear", "random_state": 0}
# Models that draw, so that a stream of chance that depended on the worker would be seen.
FORESTS = {
    "outcome_model": RandomForestRegressor(4, max_depth=3),
    "propensity_model": RandomForestClassifier(4, max_depth=3),
    "random_state": 3,
    "cv": 2,
}


def rows(n=300):
    """Return a table with a column for every role, and an outcome."""
    rng = np.random.default_rng(0)
    a, b, hidden = rng.normal(size=(3, n))
    z = rng.integers(0, 2, n)
    t = (a / 2 + hidden / 2 + 1.5 * z - 0.7 + rng.normal(size=n) > 0).astype(int)
    m = t + 0.5 * a + rng.normal(size=n)
    y = t + m + a + hidden + rng.normal(size=n)
    proxies = hidden + 0.5 * rng.normal(size=(2, n))
    dose = a + rng.normal(size=n)
    return pd.DataFrame(
        {"a": a, "b": b, "t": t, "z": z, "m": m, "p": proxies[0], "q": proxies[1], "d": dose}
    ), y


def panel():
    """Return units seen in four periods, half of which are treated from the third on."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame([(u, s) for u in range(24) for s in range(4)], columns=["unit", "time"])
    table["ever"] = (table["unit"] < 12).astype(int)
    table["start"] = np.where(table["ever"] == 1, 2.0, 0.0)
    table["now"] = ((table["time"] >= 2) & (table["unit"] == 0)).astype(int)
    late = (table["time"] >= 2) * table["ever"]
    return table, late + 0.3 * table["time"] + rng.normal(size=24)[table["unit"]] + 0.1 * rng.normal(size=96)


def ate(est):
    return est.ate().estimate


COLUMNS = {  # name: (columns of X, estimator, what it answers)
    "adjusting": (["a", "b", "t"], AIPW("t", **LINEAR), ate),
    "learners": (["a", "b", "t"], DRLearner("t", **LINEAR), ate),
    "weighting": (["a", "b", "t"], EntropyBalancing("t"), ate),
    "matching": (["a", "b", "t"], Matching("t"), ate),
    "partial": (["a", "b", "d"], DoubleML("d", outcome_model="linear", random_state=0), ate),
    "forest": (["a", "b", "t"], CausalForest("t", n_estimators=40, **LINEAR), ate),
    "network": (["a", "t"], TARNet("t", max_epochs=2, cv=2, propensity_model="linear", random_state=0), ate),
    "linear instruments": (["a", "t", "z"], TwoStageLeastSquares("t", "z"), ate),
    "mediation": (["a", "t", "m"], Mediation("t", "m", **LINEAR), lambda est: est.nie().estimate),
    "front door": (["a", "t", "m"], FrontDoor("t", "m", **LINEAR), ate),
    "proxies": (["a", "t", "p", "q"], ProximalTwoStage("t", "p", "q"), ate),
    "shift": (["a", "d"], ShiftIntervention("d", outcome_model="linear", random_state=0), ate),
    "discontinuity": (["a", "d"], RegressionDiscontinuity("d", bandwidth=1.0), ate),
    "curve by instruments": (["d", "z"], KernelIV("d", "z", random_state=0), None),
    "policy": (["a", "b", "t"], PolicyTree("t", estimator=AIPW(**LINEAR)), lambda est: est.value().estimate),
    "dose": (
        ["a", "d"],
        DoseResponse("d", outcome_model="linear", treatment_model="linear", random_state=0),
        lambda est: est.curve([0.0]).estimate,
    ),
    "histories": (
        ["a", "t", "m", "z"],
        LTMLE(["t", "z"], [["a"], ["m"]], **LINEAR),
        lambda est: est.ate().estimate,
    ),
}
PANELS = {
    "two periods": (["ever", "time", "unit"], DifferenceInDifferences("ever", "time", "unit"), 2),
    "staggered": (["start", "time", "unit"], GroupTimeDiD("start", "time", "unit"), 4),
    "synthetic": (["now", "time", "unit"], SyntheticControl("now", "time", "unit", n_placebos=5), 4),
}


def to_library(frame, library):
    if library == "polars":
        return pl.DataFrame(frame.to_dict("list"))
    return pytest.importorskip("pyarrow").table(frame.to_dict("list"))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
@pytest.mark.parametrize("family", COLUMNS)
def test_frames_of_each_library_give_the_same_numbers(family, library):
    columns, estimator, answer = COLUMNS[family]
    table, y = rows()
    X = table[columns]
    other = to_library(X, library)
    first = estimator.fit(X, y)
    found = first.predict(X) if answer is None else answer(first)
    second = estimator.fit(other, pl.Series(y) if library == "polars" else y)
    again = second.predict(other) if answer is None else answer(second)
    np.testing.assert_allclose(again, found, rtol=1e-9)
    assert list(second.feature_names_in_) == columns


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
@pytest.mark.parametrize("family", PANELS)
def test_panels_of_each_library_give_the_same_numbers(family, library):
    columns, estimator, n_periods = PANELS[family]
    table, y = panel()
    kept = table["time"] < n_periods if n_periods == 4 else table["time"].isin([1, 2])
    X = table.loc[kept, columns]
    found = [
        np.ravel((est.aggregate() if hasattr(est, "aggregate") else est.att()).estimate)
        for est in (estimator.fit(frame, y[kept].to_numpy()) for frame in (X, to_library(X, library)))
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


GRIDS = {
    "adjusting": {"min_propensity": [0.01, 0.2]},
    "learners": {"final_model": ["linear", RandomForestRegressor(5, max_depth=2, random_state=0)]},
    "weighting": {"moments": [1, 2]},
    "matching": {"n_matches": [1, 4]},
    "partial": {"outcome_model": ["linear", RandomForestRegressor(5, random_state=0)]},
    "forest": {"min_samples_leaf": [2, 10]},
    "network": {"hidden": [2, 4]},
    "linear instruments": {"covariance": ["HC1", "HC3"]},
    "mediation": {"outcome_model": ["linear", RandomForestRegressor(5, random_state=0)]},
    "front door": {"outcome_model": ["linear", RandomForestRegressor(5, random_state=0)]},
    "proxies": {"interactions": [False, True]},
    "shift": {"max_ratio": [10.0, 50.0]},
    "curve by instruments": {"share": [0.4, 0.6]},
}


@pytest.mark.parametrize("family", GRIDS)
def test_pipelines_searches_and_cross_validation_take_every_family_with_a_score(family):
    columns, estimator, _ = COLUMNS[family]
    table, y = rows(240)
    pipe = make_pipeline(FunctionTransformer(), estimator)
    step = type(estimator).__name__.lower()
    grid = {f"{step}__{name}": values for name, values in GRIDS[family].items()}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(table[columns], y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert search.best_score_ == scores.max()
    chosen = pipe.set_params(**search.best_params_)
    by_hand = cross_validate(chosen, table[columns], y, cv=2)["test_score"].mean()
    assert by_hand == pytest.approx(search.best_score_, rel=1e-6)


PARALLEL = {
    "adjusting": (["a", "b", "t"], AIPW("t", **FORESTS), ate),
    "several arms": (["a", "b", "arm"], AIPW("arm", **FORESTS), ate),
    "learners": (["a", "b", "t"], DRLearner("t", **FORESTS), ate),
    "forest": (
        ["a", "b", "t"],
        CausalForest("t", n_estimators=60, **FORESTS),
        lambda est: est.predict(est._seen),
    ),
    "partial": (
        ["a", "b", "d"],
        DoubleML("d", outcome_model=FORESTS["outcome_model"], cv=2, random_state=3),
        ate,
    ),
    "network": (["a", "t"], TARNet("t", max_epochs=2, cv=2, propensity_model="linear", random_state=0), ate),
    "mediation": (["a", "t", "m"], Mediation("t", "m", **FORESTS), lambda est: est.nie().estimate),
    "front door": (["a", "t", "m"], FrontDoor("t", "m", **FORESTS), ate),
    "shift": (["a", "d"], ShiftIntervention("d", outcome_model="linear", cv=2, random_state=0), ate),
    "dose": (
        ["a", "d"],
        DoseResponse(
            "d", outcome_model=FORESTS["outcome_model"], treatment_model="linear", cv=2, random_state=0
        ),
        lambda est: est.curve([0.0]).estimate,
    ),
    "histories": (["a", "t", "m", "z"], LTMLE(["t", "z"], [["a"], ["m"]], **FORESTS), ate),
    "transformers": (
        ["a", "b", "t"],
        PropensityScore("t", model=FORESTS["propensity_model"], random_state=3),
        lambda est: est.transform(est._seen)[:5],
    ),
}


def answers(family, n_jobs=None):
    columns, estimator, answer = PARALLEL[family]
    table, y = rows()
    table["arm"] = np.where(table["t"] == 1, "on", np.where(table["b"] > 0, "off", "none"))
    est = estimator.set_params(n_jobs=n_jobs).fit(table[columns], y)
    est._seen = table[columns]
    return answer(est)


@pytest.mark.parametrize("family", PARALLEL)
def test_threads_give_the_numbers_of_one_job(family):
    with parallel_config(backend="threading", n_jobs=2):
        found = answers(family)
    # scikit-learn's forests add their trees up in the order in which threads finish
    np.testing.assert_allclose(found, answers(family), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("backend", ["processes", "dask"])
def test_processes_and_a_cluster_give_the_numbers_of_one_job(backend):
    with contextlib.ExitStack() as stack:
        if backend == "dask":
            distributed = pytest.importorskip("dask.distributed")
            cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=2, threads_per_worker=1, dashboard_address=None, processes=False
                )
            )
            stack.enter_context(distributed.Client(cluster))
            stack.enter_context(parallel_config(backend="dask"))
        n_jobs = 2 if backend == "processes" else None
        found = {family: answers(family, n_jobs) for family in PARALLEL}
    for family, numbers in found.items():  # arrays come otherwise aligned, which moves the last digit
        np.testing.assert_allclose(numbers, answers(family), rtol=1e-9, err_msg=family)
