"""Synthetic controls: exact weights, placebos by hand, published figures."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.estimators import SyntheticControl, SyntheticDiD
from causalrep.estimators._simplex import simplex_least_squares
from causalrep.utils import DataError, UnknownNameError


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.0, 0.3]), st.booleans()
)
def test_simplex_weights_satisfy_the_optimality_conditions(seed, rows, columns, ridge, intercept):
    """The gradient is least, and equal, where weights are positive: necessary and sufficient."""
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(rows, columns)) + 3, rng.normal(size=rows) + 3
    w = simplex_least_squares(A, b, ridge=ridge, intercept=intercept)
    assert (w >= 0).all()
    assert w.sum() == pytest.approx(1)
    if intercept:
        A, b = A - A.mean(axis=0), b - b.mean()
    gradient = A.T @ (A @ w - b) + ridge * w
    assert np.all(gradient >= gradient @ w - 1e-8 * (1 + np.abs(gradient).max()))


def test_an_exact_match_has_weight_one():
    A = np.array([[1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_allclose(simplex_least_squares(A, A[:, 0]), [1, 0])


def long(paths, start, treated=(0,), covariates=None):
    n, n_periods = paths.shape
    unit, time = np.divmod(np.arange(n * n_periods), n_periods)
    frame = pd.DataFrame({"on": (np.isin(unit, treated) & (time >= start)).astype(int), "t": time, "i": unit})
    for name, values in (covariates or {}).items():
        frame[name] = np.asarray(values, dtype=float).ravel()
    rows = np.random.default_rng(0).permutation(len(frame))
    return frame.iloc[rows], paths.ravel()[rows]


def paths_of(seed, n=10, n_periods=16, effect=4.0, start=11, treated=(0,)):
    rng = np.random.default_rng(seed)
    factors, loads = np.cumsum(rng.normal(size=(2, n_periods)), axis=1), rng.uniform(0, 1, (n, 2))
    paths = rng.normal(size=(n, 1)) + loads @ factors + 0.2 * rng.normal(size=(n, n_periods))
    paths[list(treated), start:] += effect
    return paths


def test_the_counterfactual_is_the_weighted_average_of_the_controls():
    paths = paths_of(0)
    X, y = long(paths, 11)
    est = SyntheticControl("on", "t", "i").fit(X, y)
    np.testing.assert_array_equal(est.controls_, np.arange(1, 10))
    np.testing.assert_allclose(est.synthetic_, est.weights_ @ paths[1:])
    np.testing.assert_allclose(est.effects().estimate, paths[0] - est.weights_ @ paths[1:])
    assert est.att().estimate == pytest.approx((paths[0] - est.weights_ @ paths[1:])[11:].mean())
    assert abs(est.att().estimate - 4) < 3 * est.att().se
    assert (est.start_, est.treated_.tolist()) == (11, [0])


def test_placebos_are_fits_with_each_control_in_turn():
    paths = paths_of(1)
    est = SyntheticControl("on", "t", "i").fit(*long(paths, 11))
    effects, ratios = [], []
    for i in range(1, 10):
        others = paths[[k for k in range(1, 10) if k != i]]
        w = simplex_least_squares(others[:, :11].T, paths[i, :11])
        gap = paths[i] - w @ others
        effects.append(gap[11:].mean())
        ratios.append(np.sqrt(np.mean(gap[11:] ** 2) / np.mean(gap[:11] ** 2)))
    assert est.att().se == pytest.approx(np.std(effects))
    found = est.placebo_test()
    np.testing.assert_allclose(found.placebo_ratios, ratios)
    assert found.pvalue == pytest.approx((1 + np.sum(np.array(ratios) >= found.ratio)) / 10)


def test_covariates_count_by_their_importance():
    """Only `a` tells which unit is like the treated; outcomes at the lag say nothing."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 6))
    a[0], a[3] = 5.0, 5.0
    covariates = {"a": np.repeat(a[:, None], 8, 1), "b": np.repeat(b[:, None], 8, 1)}
    covariates["a"][:, 0] = np.nan  # a missing value leaves the mean of the others
    paths = np.outer(a, np.arange(8.0)) + 0.01 * rng.normal(size=(6, 8))
    X, y = long(paths, 6, covariates=covariates)
    est = SyntheticControl("on", "t", "i", lags=[0], importance=[0, 1, 0]).fit(X, y)
    assert est.weights_[2] == pytest.approx(1, abs=1e-6)
    chosen = SyntheticControl("on", "t", "i", lags=[0], importance="cv").fit(X, y)
    assert chosen.importance_[1] > 100 * chosen.importance_[2]
    assert chosen.weights_[2] > 0.99


def test_weights_do_not_depend_on_the_scale_of_covariates():
    rng = np.random.default_rng(3)
    paths, a = paths_of(3), rng.normal(size=(10, 16))
    first, second = (
        SyntheticControl("on", "t", "i").fit(*long(paths, 11, covariates={"a": scale * a})).weights_
        for scale in (1, 1000)
    )
    np.testing.assert_allclose(first, second, atol=1e-10)


# --- synthetic difference in differences ---------------------------------------------------------------


def test_synthetic_did_is_the_double_difference_of_its_weights():
    paths = paths_of(4, treated=(0, 1))
    est = SyntheticDiD("on", "t", "i", random_state=0).fit(*long(paths, 11, treated=(0, 1)))
    gap = paths[:2].mean(axis=0) - est.weights_ @ paths[2:]
    assert est.att().estimate == pytest.approx(gap[11:].mean() - est.time_weights_ @ gap[:11])
    changes = np.diff(paths[2:, :11], axis=1)
    sigma = np.sqrt(np.sum((changes - changes.mean()) ** 2) / (changes.size - 1))
    assert est.regularisation_ == pytest.approx((2 * 5) ** 0.25 * sigma)
    ridge = est.regularisation_**2 * 11
    expected = simplex_least_squares(
        paths[2:, :11].T, paths[:2, :11].mean(axis=0), ridge=ridge, intercept=True
    )
    np.testing.assert_allclose(est.weights_, expected)


def test_effects_of_units_and_periods_change_nothing():
    paths = paths_of(5)
    rng = np.random.default_rng(0)
    moved = paths + 10 * rng.normal(size=(10, 1)) + 10 * rng.normal(size=16)
    first, second = (SyntheticDiD("on", "t", "i").fit(*long(p, 11)) for p in (paths, moved))
    # only the noise of the changes, hence the penalty, sees the periods
    assert first.att().estimate == pytest.approx(second.att().estimate, abs=1.0)
    again = SyntheticDiD("on", "t", "i").fit(*long(paths + 10 * rng.normal(size=(10, 1)), 11))
    assert first.att().estimate == pytest.approx(again.att().estimate, abs=1e-6)


def test_the_jackknife_leaves_out_one_unit_and_keeps_the_weights():
    paths = paths_of(6, treated=(0, 1, 2))
    est = SyntheticDiD("on", "t", "i", variance="jackknife").fit(*long(paths, 11, treated=(0, 1, 2)))
    values = []
    for left in range(10):
        treated, controls = ([i for i in part if i != left] for part in (range(3), range(3, 10)))
        w = np.array([est.weights_[i - 3] for i in controls])
        gap = paths[treated].mean(axis=0) - w / w.sum() @ paths[controls]
        values.append(gap[11:].mean() - est.time_weights_ @ gap[:11])
    assert est.att().se == pytest.approx(np.sqrt(0.9 * np.sum((values - np.mean(values)) ** 2)))


def test_covariates_are_partialled_out():
    rng = np.random.default_rng(7)
    paths, a = paths_of(7), rng.normal(size=(10, 16)) * 3
    plain = SyntheticDiD("on", "t", "i").fit(*long(paths, 11)).att().estimate
    with_a = SyntheticDiD("on", "t", "i").fit(*long(paths + 2 * a, 11, covariates={"a": a})).att().estimate
    assert with_a == pytest.approx(plain, abs=0.4)


def test_intervals_cover_in_a_few_draws():
    """Placebo intervals over fresh panels: P(Binomial(40, 0.95) < 33) = 0.001."""
    hits = 0
    for seed in range(40):
        paths = paths_of(100 + seed, n=20, treated=(0, 1))
        est = SyntheticDiD("on", "t", "i", n_placebos=50, random_state=0).fit(
            *long(paths, 11, treated=(0, 1))
        )
        low, high = est.att().ci
        hits += low < 4 < high
    assert hits >= 33


# --- input ---------------------------------------------------------------------------------------------


def test_roles_may_be_arrays_and_states_may_be_texts():
    X, y = long(paths_of(8), 11)
    by_name = SyntheticControl("on", "t", "i").fit(X, y)
    W = np.zeros((len(X), 0))
    states = np.where(X["on"] == 1, "yes", "no")
    by_array = SyntheticControl().fit(
        pd.DataFrame(W).assign(c=1.0), y, treatment=states, time=X["t"], unit=X["i"].astype(str)
    )
    np.testing.assert_allclose(by_array.weights_, by_name.weights_, atol=1e-6)


@pytest.mark.parametrize("kind", [SyntheticControl, SyntheticDiD])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: X.assign(t=X["t"].replace(3, 4)), "exactly once"),
        (lambda X: X.assign(on=((X["i"] == 0) & (X["t"] == 11)).astype(int)), "start at different times"),
        (lambda X: X.assign(on=(X["t"] > 10).astype(int)), "no overlap"),
        (lambda X: X.assign(on=((X["i"] == 0) & (X["t"] > 0)).astype(int)), "two periods before"),
        (lambda X: X.assign(on=0), "no overlap"),
    ],
)
def test_bad_panels_are_refused(kind, change, match):
    X, y = long(paths_of(9), 11)
    with pytest.raises(DataError, match=match):
        kind("on", "t", "i").fit(change(X), y)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"lags": [12]}, UnknownNameError, "`lags`"),
        ({"lags": []}, DataError, "nothing to match"),
        ({"importance": "best"}, UnknownNameError, "`importance`"),
        ({"importance": "cv"}, DataError, "needs covariates"),
        ({"importance": [1.0]}, DataError, "11 numbers"),
        ({"unit": None}, DataError, "`unit` is missing"),
    ],
)
def test_bad_options_are_refused(options, error, match):
    X, y = long(paths_of(9), 11)
    with pytest.raises(error, match=match):
        SyntheticControl(**{"treatment": "on", "time": "t", "unit": "i"} | options).fit(X, y)


def test_a_standard_error_that_cannot_be_had_is_refused():
    X, y = long(paths_of(9), 11)
    with pytest.raises(DataError, match="two treated units"):
        SyntheticDiD("on", "t", "i", variance="jackknife").fit(X, y).att()
    with pytest.raises(UnknownNameError, match="placebo"):
        SyntheticDiD("on", "t", "i", variance="bootstrap").fit(X, y)
    few = X["i"] < 2
    with pytest.raises(DataError, match="at least 3 controls"):
        SyntheticControl("on", "t", "i").fit(X[few], y[few]).att()
