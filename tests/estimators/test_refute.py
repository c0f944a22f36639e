"""Refuters pass analyses that are right, and find what is wrong with those that are not."""

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LinearRegression

from causalrep.estimators import (
    AIPW,
    IPW,
    DoubleML,
    EntropyBalancing,
    GroupTimeDiD,
    TwoStageLeastSquares,
    refute,
)
from causalrep.estimators.sensitivity import omitted_variable_bias
from causalrep.graphs import DAG
from causalrep.utils import DataError, UnknownNameError


@pytest.fixture
def design():
    """Two confounders, an effect of 2, and a negative control of both kinds."""
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 500))
    t = (rng.random(500) < expit(0.7 * a - 0.7 * b)).astype(int)
    y = pd.Series(2 * t + a - b + rng.normal(size=500), name="y")
    outcome, exposure = b + a + rng.normal(size=500), a - b + rng.normal(size=500)
    return pd.DataFrame({"a": a, "t": t, "b": b}), y, outcome, exposure


@pytest.mark.parametrize(
    "method",
    ["placebo_treatment", "dummy_outcome", "random_common_cause", "data_subset", "bootstrap"],
)
def test_an_analysis_that_is_right_passes(design, method):
    X, y, _, _ = design
    result = refute(EntropyBalancing("t"), X, y, method=method, n_repetitions=12, random_state=1)
    assert result.null.shape == (12,)
    assert len(set(result.null)) == 12
    assert not result.is_problem
    assert result.expected == (0 if method in ("placebo_treatment", "dummy_outcome") else result.estimate)
    assert "no problem was found" in str(result)
    assert "does not tell whether the effect differs from zero" in result.reading


def test_negative_controls_pass_with_all_confounders_and_fail_without_one(design):
    X, y, outcome, exposure = design
    controls = {"negative_control_outcome": outcome, "negative_control_exposure": exposure}
    for method, control in controls.items():
        kept = refute(
            EntropyBalancing("t", treatment_type="continuous"), X, y, method=method, control=control
        )
        lost = refute(
            EntropyBalancing("t", treatment_type="continuous"),
            X[["a", "t"]],
            y,
            method=method,
            control=control,
        )
        assert kept.pvalue > 0.01
        assert lost.pvalue < 1e-4
        assert lost.is_problem


def test_placebos_refit_the_propensities(design):
    """A shuffled treatment leaves a randomised experiment; stale propensities would weight it wildly."""
    X, y, _, _ = design
    result = refute(
        AIPW("t", outcome_model="linear", propensity_model="linear", cv=2, random_state=0),
        X,
        y,
        n_repetitions=25,
        random_state=0,
    )
    treated = X["t"].mean()
    residual = y - np.column_stack([np.ones(500), X["a"], X["b"]]) @ [y.mean(), 1.4, -1.4]
    expected = residual.std() / np.sqrt(500 * treated * (1 - treated))
    # the sample deviation of 25 draws is within 15 % of the true one with one standard error
    assert result.null.std(ddof=1) == pytest.approx(expected, rel=0.45)


FITS = []


class Counted(LinearRegression):
    """A regression that keeps what it was fitted to."""

    def fit(self, X, y, sample_weight=None):
        FITS.append(np.column_stack([X, y, np.ones(len(y)) if sample_weight is None else sample_weight]))
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(
    ("method", "refits"),
    [
        ("placebo_treatment", 3),
        ("dummy_outcome", 3),
        ("random_common_cause", 3),
        ("data_subset", 3),
        ("bootstrap", 3),
        ("unobserved_common_cause", 3),
        ("negative_control_outcome", 1),
        ("negative_control_exposure", 1),
        ("graph", 0),  # alters nothing
    ],
)
def test_every_refuter_refits_every_nuisance_on_altered_rows_and_says_so_in_one_line(design, method, refits):
    X, y, outcome, exposure = design
    FITS.clear()
    options = {
        "negative_control_outcome": {"control": outcome},
        "negative_control_exposure": {"control": exposure},
        "graph": {"graph": DAG.from_string("a -> t; b -> t; t -> y; a -> y; b -> y")},
    }.get(method, {"n_repetitions": 3})
    X = X.assign(t=X["t"] + np.random.default_rng(0).normal(size=500))
    est = DoubleML("t", outcome_model=Counted(), treatment_model=Counted(), cv=2)
    result = refute(est, X, y, method=method, random_state=0, **options)
    assert len(FITS) == (1 + refits) * 4  # two nuisances on two folds, as they are and on each altered table
    # that of the treatment may see the same rows again where the outcome alone is altered
    assert len({values.tobytes() for values in FITS}) >= 4 + refits * 2
    assert len(str(result).splitlines()) == 1
    assert "problem was found" in result.reading
    assert result.reading.startswith(f"{method}: ")


class Biased(EntropyBalancing):
    def _combined(self, estimand, mask=None):
        theta, influence, se = super()._combined(estimand, mask)
        return theta + 1.0, influence, se


def test_a_biased_estimator_fails_the_placebo(design):
    X, y, _, _ = design
    assert refute(Biased("t"), X, y, n_repetitions=10, random_state=0).is_problem


def test_a_curve_that_the_models_miss_fails_the_dummy_outcome():
    rng = np.random.default_rng(0)
    a = rng.normal(size=600)
    t = (rng.random(600) < expit(a**2 - 1)).astype(int)
    y = 2 * a**2 + rng.normal(size=600)
    straight = EntropyBalancing("t")
    curved = EntropyBalancing("t", moments=2)
    X = pd.DataFrame({"a": a, "t": t})
    options = {"method": "dummy_outcome", "n_repetitions": 8, "random_state": 0}
    assert refute(straight, X, y, **options).is_problem
    assert not refute(curved, X, y, **options).is_problem


def test_a_hidden_cause_takes_away_what_the_formula_says(design):
    X, y, _, _ = design
    strength = {"r2_treatment": 0.2, "r2_outcome": 0.3}
    est = EntropyBalancing("t", treatment_type="continuous")  # partialling out: the regression of the formula
    result = refute(est, X, y, method="unobserved_common_cause", n_repetitions=20, random_state=0, **strength)
    D = np.column_stack([np.ones(500), X["t"], X["a"], X["b"]])
    beta = np.linalg.lstsq(D, y, rcond=None)[0]
    se = np.sqrt(np.sum((y - D @ beta) ** 2) / 496 * np.linalg.inv(D.T @ D)[1, 1])
    bias = omitted_variable_bias(beta[1], se, 496, **strength).bias
    moved = result.estimate - result.null.mean()
    assert moved == pytest.approx(bias, rel=0.1)  # partial R² of 500 rows: within a few hundredths
    assert result.is_problem


def test_the_bootstrap_spreads_as_the_standard_error_says(design):
    X, y, _, _ = design
    result = refute(EntropyBalancing("t"), X, y, method="bootstrap", n_repetitions=40, random_state=0)
    se = EntropyBalancing("t").fit(X, y).ate().se
    # 40 draws estimate a standard deviation within 11 % (one standard error)
    assert result.null.std(ddof=1) == pytest.approx(se, rel=0.4)


def test_a_graph_is_refuted_by_the_independence_that_it_gets_wrong(design):
    X, y, outcome, _ = design
    X = X.assign(n=outcome)
    right = DAG.from_string("a -> t; b -> t; a -> y; b -> y; t -> y; a -> n; b -> n")
    wrong = DAG.from_string("a -> t; b -> t; a -> y; t -> y; a -> n; b -> n")
    options = {"method": "graph", "random_state": 0}
    assert not refute(EntropyBalancing("t"), X, y, graph=right, **options).is_problem
    found = refute(EntropyBalancing("t"), X, y, graph=wrong, **options)
    assert found.is_problem
    assert "y and b" in found.reading or "b and y" in found.reading
    hidden = DAG([("u", "t"), ("u", "y"), ("t", "y")], latent=["u"])
    assert refute(EntropyBalancing("t"), X[["t", "a"]], y, graph=hidden, **options).pvalue == 1.0


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_processes(design):
    X, y, _, _ = design
    options = {"n_repetitions": 4, "random_state": 5}
    alone = refute(IPW("t", cv=2), X, y, **options)
    together = refute(IPW("t", cv=2), X, y, n_jobs=2, **options)
    np.testing.assert_array_equal(alone.null, together.null)


@pytest.mark.parametrize("method", ["placebo_treatment", "bootstrap", "unobserved_common_cause"])
def test_the_result_does_not_depend_on_the_number_of_jobs(design, method):
    X, y, _, _ = design
    options = {"method": method, "n_repetitions": 4, "random_state": 5}
    alone = refute(IPW("t", cv=2), X, y, **options)
    with joblib.parallel_config(backend="threading"):
        together = refute(IPW("t", cv=2), X, y, n_jobs=2, **options)
    np.testing.assert_array_equal(alone.null, together.null)


def test_whole_clusters_are_shuffled_where_whole_clusters_are_treated():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(40), 5)
    t = (np.arange(40) % 2)[cluster]
    y = rng.normal(size=40)[cluster] + 0.1 * rng.normal(size=200)
    options = {"treatment": t, "cluster": cluster, "n_repetitions": 20, "random_state": 0}
    result = refute(EntropyBalancing(), rng.normal(size=(200, 1)), y, **options)
    spread = np.bincount(cluster, weights=y).std() / 5 * 2 / np.sqrt(40)
    assert result.null.std(ddof=1) == pytest.approx(spread, rel=0.45)  # rows would give less than a half


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": "placebo_treatments"}, UnknownNameError, "did you mean 'placebo_treatment'"),
        ({"n_repetitions": 1}, DataError, "n_repetitions"),
        ({"share": 1.0}, DataError, "share"),
        ({"r2_outcome": 1.0}, DataError, "r2_outcome"),
        ({"method": "negative_control_outcome"}, DataError, "control"),
        ({"method": "negative_control_outcome", "control": [1.0]}, DataError, "one value for each"),
        ({"method": "graph"}, DataError, "`graph`"),
        ({"method": "graph", "graph": DAG.from_string("q -> y")}, UnknownNameError, "latent"),
        ({"treatment": [0, 1]}, DataError, "given twice"),
    ],
)
def test_refute_names_what_is_wrong(design, options, error, match):
    X, y, _, _ = design
    with pytest.raises(error, match=match):
        refute(EntropyBalancing("t"), X, y, **options)


def test_refuters_say_which_estimators_they_do_not_suit(design):
    X, y, _, _ = design
    graph = DAG.from_string("a -> t -> y")
    with pytest.raises(DataError, match="`outcome`"):
        refute(EntropyBalancing("t"), X, y.to_numpy(), method="graph", graph=graph)
    named = refute(EntropyBalancing("t"), X, y.to_numpy(), method="graph", graph=graph, outcome="y")
    assert named.null.shape == (1,)
    with pytest.raises(DataError, match="frame"):
        refute(EntropyBalancing(1), X.to_numpy(), y, method="graph", graph=graph)
    with pytest.raises(DataError, match="instrument"):
        refute(TwoStageLeastSquares("t", "a"), X, y)
    with pytest.raises(DataError, match="must be an estimator"):
        refute(GroupTimeDiD("t", "a", "b"), X, y)
