"""RCIT and GCM: calibration and power, known tails, peers' formulas, invariances, guards."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from causalrep.independence import GCM, RCIT, Flag, _ridge
from causalrep.independence._weighted_chi_square import TAILS
from causalrep.utils import DataError, UnknownNameError


def curved(n, k, seed=0, strength=0.0):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, k))
    w = Z.sum(axis=1) / math.sqrt(max(k, 1))
    x = np.tanh(w) + 0.5 * rng.normal(size=n)
    return np.column_stack([x, 0.5 * w**2 + strength * x**2 + 0.5 * rng.normal(size=n), Z])


TESTS = {
    "rcit": RCIT,
    "rcot": lambda: RCIT(joined=False),
    "gcm": GCM,
    "weighted": lambda: GCM(n_weights=3),
}


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("k", [0, 1, 3])
def test_true_independences_are_rejected_at_the_level(name, k):
    n_draws = 40
    pvalues = np.empty(n_draws)
    for seed in range(n_draws):
        X = curved(250, max(k, 1), seed)
        if k == 0:
            X[:, 1] = np.random.default_rng(seed + 10_000).permutation(X[:, 1])
        pvalues[seed] = TESTS[name]().fit(X[:, : 2 + k]).test(0, 1, list(range(2, 2 + k))).pvalue
    # Four standard errors of a share with mean 0.075, the most that is allowed.
    assert (pvalues < 0.05).mean() < 0.075 + 4 * math.sqrt(0.075 * 0.925 / n_draws)
    assert (pvalues > 0.5).mean() > 0.5 - 4 * math.sqrt(0.25 / n_draws)


@pytest.mark.parametrize("name", TESTS)
def test_power(name):
    """x^2 in y: GCM sees it through the skewness that tanh leaves, so its effect here is of x itself."""
    rejected = []
    for seed in range(15):
        X = curved(500, 1, seed, strength=0.8)
        if name in ("gcm", "weighted"):
            X[:, 1] += 0.4 * X[:, 0]
        rejected.append(TESTS[name]().fit(X).test(0, 1, [2]).pvalue < 0.05)
    assert np.mean(rejected) >= 0.9


def test_weights_see_a_covariance_that_changes_sign():
    rng = np.random.default_rng(0)
    z, x, e = rng.normal(size=(3, 500))
    X = np.column_stack([x, z * x + 0.5 * e, z])
    assert GCM().fit(X).test(0, 1, [2]).pvalue > 1e-3
    assert GCM(n_weights=3).fit(X).test(0, 1, [2]).pvalue < 1e-10


def test_gcm_with_linear_regression_is_a_correlation_of_residuals():
    X = curved(200, 2, 1)
    found = GCM(LinearRegression()).fit(X).test(0, 1, [2, 3])
    Z = np.column_stack([np.ones(200), X[:, 2:]])
    left = X[:, :2] - Z @ np.linalg.lstsq(Z, X[:, :2], rcond=None)[0]
    products = left.prod(axis=1)
    expected = math.sqrt(200) * products.mean() / products.std()
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.pvalue == pytest.approx(math.erfc(abs(expected) / math.sqrt(2)), rel=1e-9)


def test_left_out_errors_are_those_of_refitted_regressions():
    rng = np.random.default_rng(2)
    Z, y = rng.normal(size=(30, 4)), rng.normal(size=30)
    y -= y.mean()
    Z -= Z.mean(axis=0)
    basis, values = _ridge.principal_axes(Z)
    penalties = np.array([0.01, 1.0, 30.0])
    errors = []
    for penalty in penalties:
        error = 0.0
        for i in range(30):
            keep = np.arange(30) != i
            centre, level = Z[keep].mean(axis=0), y[keep].mean()
            U, v = Z[keep] - centre, y[keep] - level
            beta = np.linalg.solve(U.T @ U + penalty * np.eye(4), U.T @ v)
            error += (y[i] - level - (Z[i] - centre) @ beta) ** 2
        errors.append(error)
    best = int(np.argmin(errors))
    beta = np.linalg.solve(Z.T @ Z + penalties[best] * np.eye(4), Z.T @ y)
    found = _ridge.loo_residuals(y, basis, values, penalties)
    np.testing.assert_allclose(found, y - Z @ beta, atol=1e-10)


def test_residual_map_and_its_inflation_by_full_matrices():
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(40, 6))
    R = 0.7 * np.linalg.inv(Z @ Z.T + 0.7 * np.eye(40))
    residual = _ridge.RidgeResiduals(Z, 0.7)
    G = rng.normal(size=(40, 3))
    np.testing.assert_allclose(residual(G), R @ G, atol=1e-10)
    R2 = R @ R
    assert residual.inflation == pytest.approx(np.trace(R2 @ R2) / (np.diag(R2) ** 2).sum(), rel=1e-10)


@pytest.mark.parametrize(("name", "tolerance"), [("saddlepoint", 0.08), ("hbe", 1e-9), ("gamma", 1e-9)])
def test_tails_of_equal_weights_are_chi_square(name, tolerance):
    for k in (1, 3, 25):
        for q in (0.3 * k, k, 2.0 * k, 5.0 * k):
            assert TAILS[name](q, np.ones(k)) == pytest.approx(chi2.sf(q, k), rel=tolerance)


def test_tails_of_unequal_weights_by_simulation():
    rng = np.random.default_rng(4)
    weights = np.array([1.0, 0.5, 0.3, 0.1, 0.05])
    draws = rng.normal(size=(200_000, 5)) ** 2 @ weights
    for q, relative in ((0.5, 0.01), (1.95, 0.03), (3.0, 0.04), (6.0, 0.05), (9.0, 0.1)):
        p = (draws >= q).mean()
        # The formula's own error, and five standard errors of the simulation.
        tolerance = relative * p + 5 * math.sqrt(p / 200_000)
        assert TAILS["saddlepoint"](q, weights) == pytest.approx(p, abs=tolerance)
    for step in (-1e-6, 1e-6):  # the limit at the mean meets the formula beside it
        assert TAILS["saddlepoint"](1.95, weights) == pytest.approx(
            TAILS["saddlepoint"](1.95 + 1e-3 + step, weights), abs=2e-3
        )


@pytest.mark.parametrize("name", TESTS)
def test_order_of_columns_changes_no_bit_and_seeds_are_by_name(name):
    X = curved(150, 2, 5)
    frame = dict(zip("xyab", X.T, strict=True))
    expected = TESTS[name]().fit(frame).test("x", "y", ["a", "b"])
    shuffled = TESTS[name]().fit({key: frame[key] for key in "bxay"})
    assert shuffled.test("y", "x", ["b", "a"]) == expected


def test_another_seed_is_another_draw_and_repeats_are_combined():
    X = curved(300, 1, 6)
    one, other = (RCIT(random_state=seed).fit(X).test(0, 1, [2]).pvalue for seed in (0, 1))
    assert one != other
    combined = RCIT(n_repeats=8).fit(X).test(0, 1, [2])
    assert combined.flag == Flag.OK
    assert 0.0 < combined.pvalue < 1.0


def test_a_forest_that_fits_its_rows_needs_folds():
    forest = RandomForestRegressor(n_estimators=10, min_samples_leaf=5)
    X = curved(300, 1, 7)
    test = GCM(forest, cv=4, random_state=3)
    first = test.fit(X).test(0, 1, [2])
    assert first == GCM(forest, cv=4, random_state=3).fit(X).test(0, 1, [2])
    assert not hasattr(forest, "estimators_")  # the user's own object is never fitted


def test_torch_answers_as_numpy():
    X = curved(200, 2, 8)
    for name, make in TESTS.items():
        for given in ([], [2, 3]):
            expected = make().fit(X).test(0, 1, given).pvalue
            found = make().fit(torch.as_tensor(X)).test(0, 1, given).pvalue
            assert found == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize("make", [RCIT, lambda: GCM(LinearRegression())])
def test_a_function_of_the_conditioning_column_is_flagged(make):
    X = curved(300, 1, 9)
    found = make().fit(np.column_stack([X, 2 * X[:, 2] + 1])).test(0, 3, [2])
    assert found.flag == Flag.SINGULAR
    assert math.isnan(found.pvalue)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: RCIT(n_features=0), DataError, "`n_features`"),
        (lambda: RCIT(n_repeats=True), DataError, "`n_repeats`"),
        (lambda: RCIT(null="lpb"), UnknownNameError, "`null`"),
        (lambda: GCM(cv=1), DataError, "`cv`"),
        (lambda: GCM(cv=5), DataError, "needs a `regressor`"),
        (lambda: GCM(n_weights=-1), DataError, "`n_weights`"),
        (lambda: GCM(regressor="ridge"), TypeError, "`regressor`"),
    ],
)
def test_bad_parameters(make, error, match):
    with pytest.raises(error, match=match):
        make()
