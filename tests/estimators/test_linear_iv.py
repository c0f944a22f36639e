"""LIML, the k-class and GMM equal their definitions, and so do the tests of instruments."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from causalrep.estimators import GMM, LIML, KClass, TwoStageLeastSquares
from causalrep.utils import DataError

KINDS = [TwoStageLeastSquares, LIML, GMM, KClass]


def design(seed=0, n=300, strength=0.8, n_instruments=3, exclusion=0.0):
    rng = np.random.default_rng(seed)
    W, Z, hidden = rng.normal(size=(n, 2)), rng.normal(size=(n, n_instruments)), rng.normal(size=n)
    t = strength * Z[:, 0] + W[:, 0] + hidden + rng.normal(size=n)
    y = 1.5 * t + W[:, 1] - 2 * hidden + rng.normal(size=n) * (1 + np.abs(Z[:, 0])) + exclusion * Z[:, -1]
    return W, Z, t, y


def residuals(W, *columns):
    design = np.column_stack([np.ones(len(W)), W])
    return [c - design @ np.linalg.lstsq(design, c, rcond=None)[0] for c in columns]


def fit(kind, data, cluster=None, **options):
    W, Z, t, y = data
    return kind(**options).fit(W, y, treatment=t, instrument=Z, cluster=cluster)


def test_liml_minimises_the_ratio_of_variances():
    data = design()
    y, t, Z = residuals(data[0], data[3], data[2], data[1])

    def ratio(effect):
        u = y - effect * t
        return u @ u / np.sum((u - Z @ np.linalg.lstsq(Z, u, rcond=None)[0]) ** 2)

    est = fit(LIML, data)
    best = minimize_scalar(ratio, bounds=(0, 3), method="bounded", options={"xatol": 1e-9})
    assert est.ate().estimate == pytest.approx(best.x, abs=1e-6)
    assert est.k_ == pytest.approx(best.fun)
    assert fit(LIML, data, fuller=1.0).k_ == pytest.approx(best.fun - 1 / (300 - 3 - 3))


def test_the_k_class_runs_from_least_squares_to_two_stages_and_on():
    data = design()
    y, t = residuals(data[0], data[3], data[2])
    assert fit(KClass, data, k=0).ate().estimate == pytest.approx(t @ y / (t @ t))
    two = fit(TwoStageLeastSquares, data).ate()
    one = fit(KClass, data).ate()
    assert (one.estimate, one.se) == pytest.approx((two.estimate, two.se))
    likely = fit(LIML, data)
    assert fit(KClass, data, k=likely.k_).ate().estimate == pytest.approx(likely.ate().estimate)


def test_liml_standard_errors_are_those_of_the_matrices():
    data = design()
    W, Z, t, y = data
    X = np.column_stack([t, np.ones(300), W])
    instruments = np.column_stack([Z, np.ones(300), W])
    M = np.eye(300) - instruments @ np.linalg.pinv(instruments)
    est = fit(LIML, data, covariance="nonrobust")
    A = np.linalg.inv(X.T @ (np.eye(300) - est.k_ * M) @ X)
    beta = A @ X.T @ (np.eye(300) - est.k_ * M) @ y
    u = y - X @ beta
    assert est.ate().estimate == pytest.approx(beta[0])
    assert est.ate().se == pytest.approx(np.sqrt(A[0, 0] * (u @ u) / (300 - 4)))


@pytest.mark.parametrize("clustered", [False, True])
def test_two_step_gmm_minimises_the_weighted_moments_of_all_variables(clustered):
    """Partialling covariates out of two-step GMM changes nothing: here they stay in as moments."""
    data = design()
    W, Z, t, y = data
    cluster = np.arange(300) // 6
    X, instruments = np.column_stack([t, np.ones(300), W]), np.column_stack([Z, np.ones(300), W])

    def summed(u):
        moments = instruments * u[:, None]
        return np.array([moments[cluster == c].sum(axis=0) for c in range(50)]) if clustered else moments

    def solve(weights):
        A = X.T @ instruments @ weights @ instruments.T
        return np.linalg.solve(A @ X, A @ y)

    first = solve(np.linalg.inv(instruments.T @ instruments))
    weights = np.linalg.inv(summed(y - X @ first).T @ summed(y - X @ first))
    beta = solve(weights)
    est = fit(GMM, data, cluster=cluster if clustered else None, covariance="HC0")
    assert est.ate().estimate == pytest.approx(beta[0], abs=1e-9)
    g = instruments.T @ (y - X @ beta)
    found = est.overidentification()
    assert found.statistic == pytest.approx(g @ weights @ g)
    assert found.pvalue == pytest.approx(stats.chi2.sf(g @ weights @ g, 2))
    S = summed(y - X @ beta).T @ summed(y - X @ beta)
    D = X.T @ instruments
    sandwich = np.linalg.inv(D @ weights @ D.T)
    variance = (sandwich @ D @ weights @ S @ weights @ D.T @ sandwich)[0, 0]
    factor = 50 / 49 * 299 / (300 - 4) if clustered else 1.0
    # covariates of the second step are fitted by GMM there, by least squares here: O(1/n) apart
    assert est.ate().se == pytest.approx(np.sqrt(variance * factor), rel=1e-3)


def wald(W, Z, y, covariance):
    """Return the F statistic of Z in the regression of y on Z and W, by the matrices."""
    X = np.column_stack([Z, np.ones(len(y)), W])
    inverse = np.linalg.inv(X.T @ X)
    b = inverse @ X.T @ y
    u, n, k = y - X @ b, len(y), X.shape[1]
    h = np.einsum("ij,jk,ik->i", X, inverse, X)
    scaled = {
        "nonrobust": np.full(n, u @ u / (n - k)),
        "HC1": u**2 * n / (n - k),
        "HC3": u**2 / (1 - h) ** 2,
    }
    V = inverse @ (X.T * scaled[covariance]) @ X @ inverse
    q = Z.shape[1]
    return b[:q] @ np.linalg.solve(V[:q, :q], b[:q]) / q


@pytest.mark.parametrize("covariance", ["nonrobust", "HC1", "HC3"])
def test_the_anderson_rubin_set_ends_where_the_statistic_is_critical(covariance):
    data = design()
    W, Z, t, y = data
    est = fit(TwoStageLeastSquares, data, covariance=covariance)
    assert est.first_stage_f_ == pytest.approx(wald(W, Z, t, covariance))
    ((low, high),) = est.anderson_rubin()
    critical = stats.f.isf(0.05, 3, 300 - 6)
    for end in (low, high):
        assert wald(W, Z, y - end * t, covariance) == pytest.approx(critical, rel=1e-6)
    assert wald(W, Z, y - (low + high) / 2 * t, covariance) < critical


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("strength", [0.0, 0.15])
def test_the_anderson_rubin_set_is_the_one_on_a_grid_however_weak(seed, strength):
    data = design(seed, strength=strength, exclusion=0.3 * (seed % 2))
    W, Z, t, y = data
    pieces = fit(TwoStageLeastSquares, data).anderson_rubin()
    critical = stats.f.isf(0.05, 3, 300 - 6)
    for effect in np.concatenate([np.linspace(-20, 20, 81), [-1e6, 1e6]]):
        inside = any(low <= effect <= high for low, high in pieces)
        assert inside == (wald(W, Z, y - effect * t, "HC1") <= critical)


def test_the_anderson_rubin_set_keeps_its_level_where_the_usual_interval_does_not():
    """100 draws with hardly an instrument: P(Binomial(100, 0.05) > 12) = 0.0015."""
    missed, usual = 0, 0
    for seed in range(100):
        est = fit(TwoStageLeastSquares, design(seed, n=200, strength=0.05, n_instruments=8))
        missed += not any(low <= 1.5 <= high for low, high in est.anderson_rubin())
        low, high = est.ate().ci
        usual += not low <= 1.5 <= high
    assert missed <= 12 < usual


def test_scales_move_the_set_and_nothing_else():
    W, Z, t, y = design(3)
    ((low, high),) = fit(TwoStageLeastSquares, (W, Z, t, y)).anderson_rubin()
    moved = fit(TwoStageLeastSquares, (W, 1e-3 * Z, 1e4 * t, y + 7e4 * t)).anderson_rubin()
    np.testing.assert_allclose(moved, [[(low + 7e4) / 1e4, (high + 7e4) / 1e4]], rtol=1e-9)


def test_the_effective_f_and_its_critical_value():
    """One instrument: the robust F, against 23.1 for a bias of 10 % (Montiel Olea and Pflueger, table 1)."""
    W, Z, t, y = design()
    one = fit(TwoStageLeastSquares, (W, Z[:, 0], t, y)).weak_instruments()
    assert one.effective_f == pytest.approx(wald(W, Z[:, :1], t, "HC1"))
    assert one.critical_value == pytest.approx(23.1, abs=0.02)
    assert not one.is_weak
    even = fit(TwoStageLeastSquares, (W, Z, t, y), covariance="nonrobust")
    assert even.effective_f_ == pytest.approx(even.first_stage_f_)
    assert even.weak_instruments().dof == pytest.approx(3)
    mixed = Z @ np.array([[1, 2, 0], [0, 1, 3], [1, 0, 1.0]])
    first, second = (fit(TwoStageLeastSquares, (W, z, t, y)).weak_instruments() for z in (Z, mixed))
    assert first.effective_f == pytest.approx(second.effective_f)
    assert first.critical_value == pytest.approx(second.critical_value)


def test_overidentification_is_rejected_where_an_instrument_acts_by_itself():
    for covariance in ("nonrobust", "HC1"):
        fine = fit(TwoStageLeastSquares, design(1), covariance=covariance).overidentification()
        wrong = fit(
            TwoStageLeastSquares, design(1, exclusion=2.0), covariance=covariance
        ).overidentification()
        assert wrong.pvalue < 1e-4 < 0.01 < fine.pvalue
        assert fine.dof == 2
    with pytest.raises(DataError, match="one instrument"):
        fit(TwoStageLeastSquares, design(1, n_instruments=1)).overidentification()


@pytest.mark.parametrize("covariance", ["nonrobust", "HC1", "HC3"])
def test_endogeneity_is_the_test_of_the_first_stage_residual(covariance):
    W, Z, t, y = data = design()
    X = np.column_stack([Z, np.ones(300), W])
    v = t - X @ np.linalg.lstsq(X, t, rcond=None)[0]
    found = fit(TwoStageLeastSquares, data, covariance=covariance).endogeneity()
    assert found.statistic == pytest.approx(wald(np.column_stack([t, W]), v[:, None], y, covariance))
    assert found.pvalue < 1e-6


def test_weights_count_as_repeated_rows():
    W, Z, t, y = design(2, n=120)
    weight = np.random.default_rng(0).integers(0, 3, 120)
    rows = np.repeat(np.arange(120), weight)
    for kind in KINDS:
        weighted = kind(covariance="nonrobust").fit(W, y, treatment=t, instrument=Z, sample_weight=weight)
        repeated = fit(kind, (W[rows], Z[rows], t[rows], y[rows]), covariance="nonrobust")
        assert weighted.ate().estimate == pytest.approx(repeated.ate().estimate, abs=2e-2)
    two = TwoStageLeastSquares().fit(W, y, treatment=t, instrument=Z, sample_weight=weight)
    again = fit(TwoStageLeastSquares, (W[rows], Z[rows], t[rows], y[rows]))
    assert two.ate().estimate == pytest.approx(again.ate().estimate, abs=1e-10)


def covered(kind, n_draws):
    """Return the share of intervals with the effect, and the mean error over the spread of the estimates."""
    results = [fit(kind, design(3000 + seed, n=400)).ate() for seed in range(n_draws)]
    errors = np.array([result.estimate - 1.5 for result in results])
    return np.mean([low < 1.5 < high for low, high in (r.ci for r in results)]), errors.mean() / errors.std()


@pytest.mark.parametrize("kind", [TwoStageLeastSquares, LIML, GMM])
def test_intervals_cover_in_a_few_draws(kind):
    assert covered(kind, 60)[0] >= 51 / 60  # P(Binomial(60, 0.95) < 51) = 0.0014


@pytest.mark.slow
@pytest.mark.parametrize("kind", [TwoStageLeastSquares, LIML, GMM])
def test_intervals_cover_the_truth(kind):
    share, bias = covered(kind, 300)
    assert 0.91 <= share <= 0.985  # 0.95 -+ 3 standard errors of 300 draws
    assert abs(bias) < 0.2 + 3 / np.sqrt(300)


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        (KClass, {"k": np.inf}, "`k`"),
        (LIML, {"fuller": -1.0}, "`fuller`"),
        (GMM, {"covariance": "HC9"}, "`covariance`"),
    ],
)
def test_bad_options_are_refused(kind, options, match):
    with pytest.raises((ValueError, KeyError), match=match):
        fit(kind, design(), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_may_be_named(kind):
    W, Z, t, y = design()
    est = kind(treatment=2, instrument=[3, 4, 5]).fit(np.column_stack([W, t, Z]), y)
    assert est.ate().estimate == pytest.approx(fit(kind, (W, Z, t, y)).ate().estimate)
    np.testing.assert_allclose(est.predict(np.column_stack([W, t, Z])[:3]), est.ate().estimate)


@pytest.mark.parametrize("n", [10, 12, 40])
def test_an_instrument_that_is_the_treatment_is_infinitely_strong(n):
    rng = np.random.default_rng(0)
    t = np.repeat([0, 1], n // 2)
    y = t + rng.normal(size=n)
    found = TwoStageLeastSquares().fit(rng.normal(size=(n, 1)), y, treatment=t, instrument=t.astype(float))
    assert found.first_stage_f_ == found.effective_f_ == np.inf
    assert not found.weak_instruments().is_weak
