"""Treatments over time: against exact answers of a model in which their effects confound them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from causalrep.estimators import (
    LTMLE,
    LongitudinalGComputation,
    MarginalStructuralModel,
    OverlapWarning,
)
from causalrep.scm import DiscreteSCM
from causalrep.utils import DataError, UnknownNameError

COLUMNS = {"treatments": "a_{t}", "covariates": "l_{t}"}


def table(*parents):
    """Return a table P(1 | parents) in the last axis, from probabilities in nested lists."""
    p = np.array(parents, dtype=float)
    return np.stack([1 - p, p], axis=-1)


# u is hidden: it moves l_1 and y. l_1 is changed by a_0 and decides a_1.
MODEL = DiscreteSCM.from_cpts(
    {
        "u": ((), table(0.5).reshape(2)),
        "l_0": ((), table(0.4).reshape(2)),
        "a_0": (("l_0",), table(0.3, 0.6)),
        "l_1": (("a_0", "u"), table([0.2, 0.5], [0.5, 0.9])),
        "a_1": (("l_1", "a_0"), table([0.3, 0.5], [0.6, 0.8])),
        "y": (
            ("a_0", "a_1", "l_0", "u"),
            table(*[[[[0.1 + 0.2 * a + 0.25 * b + 0.15 * c + 0.2 * u for u in (0, 1)] for c in (0, 1)]
                      for b in (0, 1)] for a in (0, 1)]),
        ),
    }
)  # fmt: skip


def truth(first, second):
    """Return the exact mean of y if both treatments were set."""
    return float(MODEL.expectation("y", do={"a_0": first, "a_1": second}))


def draw(n, seed):
    frame = MODEL.sample(n, random_state=seed).astype(int)
    return frame[["l_0", "a_0", "l_1", "a_1"]], frame["y"].to_numpy()


KINDS = {
    "g": LongitudinalGComputation(**COLUMNS, outcome_model="interactions"),
    "msm": MarginalStructuralModel(**COLUMNS, model="each"),
    "ltmle": LTMLE(**COLUMNS, random_state=0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("regime", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_means_under_regimes_are_those_of_the_model(kind, regime):
    X, y = draw(8000, seed=0)
    result = KINDS[kind].fit(X, y).mean_outcome(regime)
    assert abs(result.estimate - truth(*regime)) < 4 * result.se
    assert result.se < 0.02


def test_one_regression_is_wrong_with_and_without_what_lies_between():
    X, y = draw(100_000, seed=1)
    effect = truth(1, 1) - truth(0, 0)
    for columns in (["l_0", "l_1", "a_0", "a_1"], ["l_0", "a_0", "a_1"]):
        slopes = LinearRegression().fit(X[columns], y).coef_[-2:]
        assert abs(slopes.sum() - effect) > 0.01  # ten standard errors
    est = LongitudinalGComputation(**COLUMNS).fit(X, y)
    assert abs(est.ate().estimate - effect) < 4 * est.ate().se


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_intervals_cover_the_truth(kind):
    effect, covered = truth(1, 1) - truth(0, 0), []
    for seed in range(300):
        low, high = KINDS[kind].fit(*draw(500, seed)).ate().ci
        covered.append(low < effect < high)
    # 0.95 of 300, less or more three standard errors of 0.0126
    assert abs(np.mean(covered) - 0.95) < 0.038


def test_one_treatment_is_one_regression():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(300, 2))
    t = (rng.random(300) < expit(w[:, 0])).astype(int)
    y = t * w[:, 1] + w[:, 0] + rng.normal(size=300)
    X = pd.DataFrame(w, columns=["v", "w"]).assign(t=t)
    plain = LongitudinalGComputation(["t"]).fit(X, y).ate()
    line = LinearRegression().fit(np.column_stack([w, t]), y)
    assert plain.estimate == pytest.approx(line.coef_[-1], rel=1e-9)
    columns = np.column_stack([w, w[:, 0] * w[:, 1], t, w * t[:, None]])
    products = LinearRegression().fit(columns, y).coef_[-3:]
    varying = LongitudinalGComputation(["t"], outcome_model="interactions").fit(X, y).ate()
    assert varying.estimate == pytest.approx(products[0] + products[1:] @ w.mean(axis=0), rel=1e-9)


def derivatives(estimator, X, y, units):
    """Return by how much the effect moves with the weight of each unit, by differences."""
    found = []
    for unit in units:
        moved = []
        for step in (-1e-3, 1e-3):
            weight = np.ones(len(y))
            weight[unit] += step
            moved.append(estimator.fit(X, y, sample_weight=weight).ate().estimate)
        found.append((moved[1] - moved[0]) / 2e-3 * len(y))
    return np.array(found)


def test_the_influence_of_the_chain_is_its_derivative():
    X, y = draw(60, seed=3)
    result, units = KINDS["g"].fit(X, y).ate(), [0, 17, 59]
    expected = derivatives(KINDS["g"], X, y, units)
    np.testing.assert_allclose(result.influence[units], expected, rtol=1e-3, atol=1e-4)


def test_the_influence_of_the_weighted_regression_knows_of_the_weights_models():
    X, y = draw(3000, seed=3)
    result, units = KINDS["msm"].fit(X, y).ate(), np.arange(0, 3000, 150)
    expected = derivatives(KINDS["msm"], X, y, units)
    # the projection is the derivative where the models are true, and near it in 3000 rows
    np.testing.assert_allclose(result.influence[units], expected, atol=0.1 * np.std(result.influence))


def test_the_weights_are_stabilised_and_written_out():
    X, y = draw(2000, seed=4)
    est = MarginalStructuralModel(**COLUMNS).fit(X, y)
    weight = np.ones(2000)
    exact = {"C": 1e8, "tol": 1e-10, "max_iter": 1000}
    for time, t in enumerate((X["a_0"], X["a_1"])):
        known = (["l_0"], ["l_0", "l_1", "a_0"])[time]
        p = LogisticRegression(**exact).fit(X[known], t).predict_proba(X[known])[:, 1]
        marginal = np.full(2000, t.mean())
        if time:
            marginal = LogisticRegression(**exact).fit(X[["a_0"]], t).predict_proba(X[["a_0"]])[:, 1]
        weight *= np.where(t == 1, marginal / p, (1 - marginal) / (1 - p))
    np.testing.assert_allclose(est.weights_, weight, rtol=1e-4)
    assert est.weights_.mean() == pytest.approx(1, abs=0.02)
    number = X["a_0"] + X["a_1"]
    line = LinearRegression().fit(number.to_numpy()[:, None], y, sample_weight=weight)
    np.testing.assert_allclose(est.coefficients_, [line.intercept_, line.coef_[0]], rtol=1e-4)
    assert est.coefficients().names == ("intercept", "number")
    assert est.ate().estimate == pytest.approx(2 * est.coefficients_[1], rel=1e-12)


@pytest.mark.parametrize(
    "wrong", [{"outcome_model": DummyRegressor()}, {"propensity_model": DummyClassifier()}]
)
def test_ltmle_is_right_if_either_side_is(wrong):
    X, y = draw(8000, seed=5)
    result = LTMLE(**COLUMNS, random_state=0, **wrong).fit(X, y).ate()
    assert abs(result.estimate - (truth(1, 1) - truth(0, 0))) < 4 * result.se
    raw = y[(X["a_0"] == 1) & (X["a_1"] == 1)].mean() - y[(X["a_0"] == 0) & (X["a_1"] == 0)].mean()
    assert abs(raw - (truth(1, 1) - truth(0, 0))) > 3 * result.se


def test_targeting_solves_its_equation_and_keeps_the_range():
    X, y = draw(1000, seed=6)
    for scale in (1.0, 1000.0):
        est = LTMLE(**COLUMNS, random_state=0).fit(X, scale * y)
        result = est.mean_outcome(1)
        assert abs(result.influence.mean()) < 1e-8 * scale
        assert 0 < result.estimate < scale
    assert result.estimate == pytest.approx(
        1000 * LTMLE(**COLUMNS, random_state=0).fit(X, y).mean_outcome(1).estimate
    )


@pytest.mark.parametrize("kind", ["g", "ltmle"])
def test_a_regime_may_depend_on_what_is_known(kind):
    X, y = draw(8000, seed=7)

    def treat_the_ill(time, known):
        assert ("l_1" in known) == (time == 1)
        assert ("a_0" in known) == (time == 1)
        return known[f"l_{time}"]

    result = KINDS[kind].fit(X, y).mean_outcome(treat_the_ill)
    dynamic = MODEL.do(a_0=lambda l_0: l_0, a_1=lambda l_1: l_1).sample(400_000, random_state=8)
    assert abs(result.estimate - dynamic["y"].astype(float).mean()) < 4 * result.se


def test_columns_are_named_by_lists_patterns_and_positions():
    X, y = draw(500, seed=9)
    expected = LongitudinalGComputation(["a_0", "a_1"], [["l_0"], ["l_1"]]).fit(X, y).ate().estimate
    assert LongitudinalGComputation("a_{t}", ["l_{t}"]).fit(X, y).ate().estimate == expected
    assert LongitudinalGComputation(["a_0", "a_1"], [[], ["l_1"]]).fit(X, y).ate().estimate == expected
    positions = LongitudinalGComputation([1, 3], [[0], [2]]).fit(X.to_numpy(), y)
    assert positions.ate().estimate == pytest.approx(expected, rel=1e-12)
    ten = pd.DataFrame(
        np.random.default_rng(0).integers(0, 2, (50, 11)), columns=[f"a_{k}" for k in range(11)]
    )
    names = LongitudinalGComputation("a_{t}").fit(ten, np.arange(50.0))._histories.names
    assert names == tuple(f"a_{k}" for k in range(11))  # 10 after 9


@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
def test_bad_input_is_named():
    X, y = draw(200, seed=10)
    for est, error, message in (
        (LTMLE(), DataError, "`treatments` are missing"),
        (LTMLE(["a_0", "a_11"]), UnknownNameError, "did you mean 'a_1'"),
        (LTMLE("b_{t}"), UnknownNameError, "b_"),
        (LTMLE("a_{t}", [["l_0"]]), DataError, "one list for each of 2 treatments"),
        (LTMLE("a_{t}", [["l_0"], ["l_0"]]), DataError, "'l_0' twice"),
        (LTMLE("a_{t}", [["l_0"], ["l_9"]]), UnknownNameError, "l_9"),
        (MarginalStructuralModel(**COLUMNS, model="saturated"), UnknownNameError, "cumulative"),
        (LongitudinalGComputation(**COLUMNS, outcome_model="forest"), UnknownNameError, "linear"),
        (MarginalStructuralModel(**COLUMNS, min_propensity=0.6), DataError, "min_propensity"),
    ):
        with pytest.raises(error, match=message):
            est.fit(X, y)
    with pytest.raises(DataError, match="must be 0 or 1"):
        LTMLE(**COLUMNS).fit(X.assign(a_1=np.arange(200) % 3), y)
    with pytest.raises(DataError, match="no overlap: the treatment 'a_1' is 1"):
        LTMLE(**COLUMNS).fit(X.assign(a_1=1), y)
    with pytest.raises(DataError, match="no names"):
        LTMLE(**COLUMNS).fit(X.to_numpy(), y)
    fitted = LTMLE(**COLUMNS, random_state=0).fit(X, y)
    for regime, message in (((1, 1, 1), "2 numbers"), (0.5, "0 or 1"), (np.nan, "finite")):
        with pytest.raises(DataError, match=message):
            fitted.mean_outcome(regime)
    with pytest.raises(DataError, match="alpha"):
        fitted.ate(alpha=1)


def test_a_regime_that_hardly_anybody_follows_is_said():
    X, y = draw(400, seed=11)
    rare = X.assign(a_1=np.where(np.arange(400) < 6, X["a_1"], X["a_0"]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = LTMLE(**COLUMNS, random_state=0).fit(rare, y).mean_outcome((1, 0))
    assert any(issubclass(one.category, OverlapWarning) for one in said)
    assert any("follow the regime" in text for text in result.warnings)
