"""The front door: equal to the formula on tables, to the truth, and robust to a wrong model."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from causalrep.estimators import FrontDoor
from causalrep.graphs import DAG
from causalrep.identification import identify
from causalrep.utils import DataError

LINEAR = {"outcome_model": "linear", "propensity_model": "linear", "random_state": 0}


def design(seed, n=1000, effect=1.0):
    rng = np.random.default_rng(seed)
    hidden, w, noise, error = rng.normal(size=(4, n))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.6 * hidden - 0.3 * w))).astype(int)
    m = 0.8 * t + 0.4 * w + noise
    y = effect / 0.8 * m + 0.5 * w - 1.5 * hidden + error
    return pd.DataFrame({"t": t, "m": m, "w": w}), y


def test_the_effect_is_found_where_adjustment_is_far_off():
    X, y = design(0, 4000)
    result = FrontDoor("t", "m", **LINEAR).fit(X, y).ate()
    assert abs(result.estimate - 1) < 3.5 * result.se < 0.5
    assert y[X["t"] == 1].mean() - y[X["t"] == 0].mean() < 0.5


def test_binary_data_give_the_value_of_the_front_door_formula():
    """Saturated models in every fold: the one-step estimate is the plug-in but for O(1/n)."""
    rng = np.random.default_rng(1)
    n = 8000
    hidden = rng.integers(2, size=n)
    t = (rng.random(n) < 0.3 + 0.4 * hidden).astype(int)
    m = (rng.random(n) < 0.2 + 0.5 * t).astype(int)
    y = (rng.random(n) < 0.1 + 0.4 * m + 0.3 * hidden).astype(int)
    table = pd.DataFrame({"t": t, "m": m, "y": y})
    graph = DAG.from_string("h -> t -> m -> y; h -> y").latent_projection(keep=["t", "m", "y"])
    found = identify(graph, "P(y | do(t))")
    formula = [found.evaluate(table, do={"t": arm}, outcome={"y": 1}) for arm in (0, 1)]
    est = FrontDoor("t", "m", **LINEAR).fit(table[["t", "m"]], y)
    np.testing.assert_allclose(est.means().estimate, formula, atol=4e-3)
    assert est.ate().estimate == pytest.approx(formula[1] - formula[0], abs=4e-3)
    drawn = []
    for _ in range(60):
        again = table.iloc[rng.integers(n, size=n)]
        drawn.append(np.diff([found.evaluate(again, do={"t": a}, outcome={"y": 1}) for a in (0, 1)])[0])
    assert est.ate().se == pytest.approx(np.std(drawn), rel=0.3)  # 9 % is one standard error of a spread


@pytest.mark.parametrize("wrong", ["outcome", "mediator"])
def test_one_of_the_models_may_be_wrong(wrong):
    """The outcome is not modelled at all, or the ratio of mediator densities is not."""
    X, y = design(2, 8000)
    options = LINEAR | ({"outcome_model": DummyRegressor()} if wrong == "outcome" else {})
    if wrong == "mediator":  # without confounding by w the propensity is a constant, and the ratio is wrong
        X = X.assign(w=np.random.default_rng(0).normal(size=len(X)))
        options["propensity_model"] = DummyClassifier()
        rng = np.random.default_rng(3)
        hidden = rng.normal(size=len(X))
        t = (rng.random(len(X)) < 1 / (1 + np.exp(-hidden))).astype(int)
        m = 0.8 * t + rng.normal(size=len(X))
        X, y = X.assign(t=t, m=m), m / 0.8 - 1.5 * hidden + rng.normal(size=len(X))
    result = FrontDoor("t", "m", **options).fit(X, y).ate()
    assert abs(result.estimate - 1) < 3.5 * result.se < 0.5


def covered(n_draws, n, cv=5):
    hits = 0
    for seed in range(n_draws):
        result = FrontDoor("t", "m", cv=cv, **LINEAR).fit(*design(500 + seed, n)).ate()
        hits += result.ci[0] < 1 < result.ci[1]
    return hits / n_draws


# a row or two of a draw are rare given their mediator; that is said, and the interval must hold with it
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
def test_intervals_cover_in_a_few_draws():
    assert covered(20, 400, cv=2) >= 16 / 20  # P(Binomial(20, 0.95) < 16) = 0.0026


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
def test_intervals_cover_the_truth():
    assert 0.91 <= covered(300, 1000) <= 0.985  # 0.95 -+ 3 standard errors of 300 draws


def test_arms_may_be_texts_and_clusters_stay_together():
    X, y = design(4, 400)
    named = X.assign(t=np.where(X["t"] == 1, "new", "old"))
    first = FrontDoor("t", "m", **LINEAR).fit(X, y)
    second = FrontDoor("t", "m", **LINEAR).fit(named, y)  # "new" sorts before "old"
    assert second.means().names == ("new", "old")
    assert second.ate().estimate == pytest.approx(-first.ate().estimate, abs=0.15)
    clustered = FrontDoor("t", "m", **LINEAR).fit(X, y, cluster=np.arange(400) // 4)
    assert clustered.ate().se == pytest.approx(first.ate().se, rel=0.35)


@pytest.mark.parametrize(
    ("options", "change", "match"),
    [
        ({"mediator": None}, {}, "`mediator` is missing"),
        ({}, {"m": 1.0}, "constant"),
        ({}, {"t": np.arange(60)}, "two arms"),
        ({"outcome_model": "best"}, {}, "nuisance model"),
    ],
)
def test_bad_input_is_refused(options, change, match):
    X, y = design(5, 60)
    with pytest.raises(DataError, match=match):
        FrontDoor(**{"treatment": "t", "mediator": "m"} | options).fit(X.assign(**change), y)
