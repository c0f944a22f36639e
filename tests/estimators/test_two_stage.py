"""Two-stage least squares equals the matrices written out."""

import numpy as np
import pytest

from causalrep.estimators import TwoStageLeastSquares


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    W, Z, hidden = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)), rng.normal(size=300)
    t = 0.8 * Z[:, 0] + 0.3 * Z[:, 1] + W[:, 0] + hidden + rng.normal(size=300)
    y = 1.5 * t + W[:, 1] - 2 * hidden + rng.normal(size=300) * (1 + 0.5 * np.abs(W[:, 0]))
    return W, Z, t, y


def matrices(W, Z, t):
    one = np.ones(len(t))
    X, instruments = np.column_stack([one, t, W]), np.column_stack([one, Z, W])
    fitted = instruments @ np.linalg.lstsq(instruments, X, rcond=None)[0]
    return X, fitted, np.linalg.inv(fitted.T @ fitted)


@pytest.mark.parametrize("covariance", ["nonrobust", "HC0", "HC1", "HC2", "HC3"])
def test_estimate_and_standard_errors_are_those_of_the_matrices(data, covariance):
    W, Z, t, y = data
    X, fitted, inverse = matrices(W, Z, t)
    beta = inverse @ fitted.T @ y
    u, n, k = y - X @ beta, len(y), X.shape[1]
    h = np.einsum("ij,jk,ik->i", fitted, inverse, fitted)
    squares = {
        "HC0": u**2,
        "HC1": u**2 * n / (n - k),
        "HC2": u**2 / (1 - h),
        "HC3": u**2 / (1 - h) ** 2,
        "nonrobust": np.full(n, u @ u / (n - k)),
    }[covariance]
    variance = inverse @ (fitted.T * squares) @ fitted @ inverse
    result = TwoStageLeastSquares(covariance=covariance).fit(W, y, treatment=t, instrument=Z).ate()
    assert result.estimate == pytest.approx(beta[1], abs=1e-10)
    assert result.se == pytest.approx(np.sqrt(variance[1, 1]), abs=1e-10)
    np.testing.assert_allclose(result.influence, n * (inverse @ (fitted * u[:, None]).T)[1], atol=1e-9)


def test_clusters_are_summed(data):
    W, Z, t, y = data
    cluster = np.arange(300) % 40
    X, fitted, inverse = matrices(W, Z, t)
    u = y - X @ (inverse @ fitted.T @ y)
    sums = np.array([(fitted * u[:, None])[cluster == c].sum(axis=0) for c in range(40)])
    variance = inverse @ sums.T @ sums @ inverse * 40 / 39 * 299 / (300 - X.shape[1])
    est = TwoStageLeastSquares().fit(W, y, treatment=t, instrument=Z, cluster=cluster)
    assert est.ate().se == pytest.approx(np.sqrt(variance[1, 1]), abs=1e-10)


def test_columns_may_be_named_and_the_effect_is_one_for_all(data):
    W, Z, t, y = data
    table = np.column_stack([W, t, Z])
    est = TwoStageLeastSquares(treatment=2, instrument=[3, 4]).fit(table, y)
    other = TwoStageLeastSquares().fit(W, y, treatment=t, instrument=Z)
    assert est.ate().estimate == pytest.approx(other.ate().estimate)
    np.testing.assert_allclose(est.predict(table), est.ate().estimate)
    assert est.interval(table[:3]).se == pytest.approx(est.ate().se)


def first_stage(W, Z, t):
    one = np.ones(len(t))
    full, small = np.column_stack([one, W, Z]), np.column_stack([one, W])
    ssr = [np.sum((t - D @ np.linalg.lstsq(D, t, rcond=None)[0]) ** 2) for D in (full, small)]
    return (ssr[1] - ssr[0]) / Z.shape[1] / (ssr[0] / (len(t) - full.shape[1]))


def test_first_stage_f_compares_two_regressions(data):
    W, Z, t, y = data
    est = TwoStageLeastSquares(covariance="nonrobust").fit(W, y, treatment=t, instrument=Z)
    assert est.first_stage_f_ == pytest.approx(first_stage(W, Z, t))


def test_anderson_rubin_set_is_where_the_instruments_explain_nothing(data):
    from scipy import stats

    W, Z, t, y = data
    est = TwoStageLeastSquares(covariance="nonrobust").fit(W, y, treatment=t, instrument=Z)
    ((low, high),) = est.anderson_rubin(alpha=0.1)
    critical = stats.f.isf(0.1, 2, 300 - 5)
    for end in (low, high):
        assert first_stage(W, Z, y - end * t) == pytest.approx(critical)
    assert first_stage(W, Z, y - (low + high) / 2 * t) < critical


def test_a_useless_instrument_leaves_an_unbounded_set_and_a_warning(data):
    W, _, t, y = data
    z = np.random.default_rng(3).normal(size=300)
    est = TwoStageLeastSquares().fit(W, y, treatment=t, instrument=z)
    pieces = est.anderson_rubin()
    assert pieces[0][0] == -np.inf
    assert pieces[-1][1] == np.inf
    assert "weak" in est.ate().warnings[0]


@pytest.mark.parametrize(
    ("options", "roles", "match"),
    [
        ({}, {"treatment"}, "`instrument` is missing"),
        ({"covariance": "HC4"}, {"treatment", "instrument"}, "HC3"),
        ({"treatment": 0, "instrument": 0}, set(), "both name"),
    ],
)
def test_bad_input_is_refused(data, options, roles, match):
    W, Z, t, y = data
    given = {name: values for name, values in (("treatment", t), ("instrument", Z)) if name in roles}
    with pytest.raises((ValueError, KeyError), match=match):
        TwoStageLeastSquares(**options).fit(W, y, **given)


def test_an_instrument_among_the_covariates_is_refused(data):
    W, _, t, y = data
    with pytest.raises(ValueError, match="combination of the covariates"):
        TwoStageLeastSquares().fit(W, y, treatment=t, instrument=W[:, 0] + W[:, 1])
