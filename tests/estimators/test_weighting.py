"""Weights balance what they say, are the best of their kind, and their intervals take them as estimated."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from causalrep.estimators import (
    CBPS,
    IPW,
    DoseWarning,
    EntropyBalancing,
    OverlapWarning,
    OverlapWeights,
    StableWeights,
)
from causalrep.estimators._balancing_gmm import Moments
from causalrep.estimators._overlap import crump_alpha, overlap_of
from causalrep.utils import DataError, PositivityError, UnknownNameError

from .conftest import linear_design
from .test_anchors import DATA, table


def exactly_stable(treatment, **options):
    return StableWeights(treatment, tolerance=0, **options)


EXACT = [EntropyBalancing, CBPS, exactly_stable]
ALL = [*EXACT, StableWeights, lambda treatment, **_: OverlapWeights(treatment)]
COVARIATES = ["a", "b", "c"]


def arm_means(est, X, values):
    t = X["t"].to_numpy()
    return [est.weights_[t == arm] @ values[t == arm] for arm in (0, 1)]


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("estimand", ["ate", "att", "atc"])
def test_covariate_means_are_equal(design, kind, estimand):
    X, y = design
    est = kind("t", estimand=estimand).fit(X, y)
    t, W = X["t"].to_numpy(), X[COVARIATES].to_numpy()
    target = {"ate": W, "att": W[t == 1], "atc": W[t == 0]}[estimand].mean(axis=0)
    control, treated = arm_means(est, X, W)
    np.testing.assert_allclose(treated, control, atol=1e-8)
    if not isinstance(est, CBPS) or estimand != "ate":  # CBPS balances the arms, at their own mean
        np.testing.assert_allclose(control, target, atol=1e-8)
    assert np.max(np.abs(est.balance_.difference_before)) > 0.1
    assert np.max(np.abs(est.balance_.difference_after)) < 1e-8
    control, treated = arm_means(est, X, y)
    assert getattr(est, estimand)().estimate == pytest.approx(treated - control, abs=1e-9)


def test_overlap_weights_balance_and_are_those_of_weighting(design):
    X, y = design
    est = OverlapWeights("t").fit(X, y)
    control, treated = arm_means(est, X, X[COVARIATES].to_numpy())
    np.testing.assert_allclose(treated, control, atol=1e-8)
    other = IPW("t", cv=2, random_state=0).fit(X, y).ato()  # its fit has a very small penalty
    assert est.ato().estimate == pytest.approx(other.estimate, abs=1e-5)
    assert est.ato().se == pytest.approx(other.se, rel=1e-5)


def test_powers_and_products_are_balanced_when_asked_for(design):
    X, y = design
    est = EntropyBalancing("t", moments=2, interactions=True).fit(X, y)
    a, b = X["a"].to_numpy(), X["b"].to_numpy()
    for values in (a, a**2, b**2, a * b):
        control, treated = arm_means(est, X, values)
        assert treated == pytest.approx(control, abs=1e-8)
    plain = EntropyBalancing("t").fit(X, y)
    assert abs(np.subtract(*arm_means(plain, X, a**2))) > 1e-4


def test_entropy_balancing_is_the_most_even_of_all_weights_that_balance():
    X, y = linear_design(40, seed=4)
    est = EntropyBalancing("t", estimand="att").fit(X, y)
    w = est.weights_[X["t"] == 0]
    W = np.column_stack([np.ones(len(w)), X.loc[X["t"] == 0, COVARIATES]])
    # among weights that balance, entropy falls in no direction: its gradient is a combination of the rest
    left = np.log(w) - W @ np.linalg.lstsq(W, np.log(w), rcond=None)[0]
    np.testing.assert_allclose(left, 0, atol=1e-7)


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.2])
def test_stable_weights_solve_the_quadratic_programme(tolerance):
    X, y = linear_design(40, seed=5)
    est = StableWeights("t", estimand="att", tolerance=tolerance).fit(X, y)
    control = (X["t"] == 0).to_numpy()
    W = X[COVARIATES].to_numpy()
    Z = ((W - W.mean(axis=0)) / W.std(axis=0))[control]
    goal = ((W - W.mean(axis=0)) / W.std(axis=0))[~control].mean(axis=0)
    near = [{"type": "eq", "fun": lambda w: w @ Z - goal}]
    if tolerance:
        near = [
            {"type": "ineq", "fun": lambda w, sign=sign: tolerance + sign * (w @ Z - goal)}
            for sign in (-1, 1)
        ]
    solved = minimize(
        lambda w: w @ w,
        np.full(len(Z), 1 / len(Z)),
        jac=lambda w: 2 * w,
        method="SLSQP",
        bounds=[(0, None)] * len(Z),
        constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1}, *near],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    w = est.weights_[control]
    np.testing.assert_allclose(w, solved.x, atol=2e-5)
    assert w @ w <= solved.fun + 1e-9
    assert (w >= 0).all()
    assert np.abs(w @ Z - goal).max() <= tolerance + 1e-9


def test_tolerance_buys_precision(design):
    X, y = design
    sizes = [
        StableWeights("t", tolerance=tolerance).fit(X, y).balance_.effective_size[0]
        for tolerance in (0, 0.05, 0.5)
    ]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[2] == pytest.approx((X["t"] == 0).sum())  # everything is allowed: equal weights


def test_propensities_that_balance_the_treated_are_entropy_balancing(design):
    X, y = design
    # weights of controls are odds, the exponential of a linear predictor
    att = CBPS("t", estimand="att").fit(X, y).att()
    other = EntropyBalancing("t", estimand="att").fit(X, y).att()
    assert att.estimate == pytest.approx(other.estimate, abs=1e-9)
    np.testing.assert_allclose(att.influence, other.influence, atol=1e-6)


def test_over_identified_propensities_minimise_the_quadratic_form_of_both_moments(design):
    X, y = design
    est = CBPS("t", over_identified=True).fit(X, y)
    t, D = X["t"].to_numpy(), np.column_stack([np.ones(400), X[COVARIATES]])

    def moments(x, arm, e):
        return np.hstack([x * (arm - e), x * (arm - e) / (e * (1 - e))])

    def objective(b):
        e = expit(D @ b)[:, None]
        covariance = np.zeros((8, 8))
        for arm, p in ((1, e), (0, 1 - e)):  # over both arms, of the moments of each row
            both = moments(D, arm, e)
            covariance += both.T @ (p * both) / 400
        mean = moments(D, t[:, None], e).mean(axis=0)
        return 400 * mean @ np.linalg.solve(covariance, mean)

    start = LogisticRegression(C=np.inf, tol=1e-10).fit(D[:, 1:], t)
    best = minimize(objective, [*start.intercept_, *start.coef_[0]], method="BFGS", options={"gtol": 1e-6})
    weight = t / expit(D @ best.x)
    np.testing.assert_allclose(est.weights_[t == 1], (weight / weight.sum())[t == 1], rtol=1e-4)
    assert est.overidentification_pvalue_ == pytest.approx(stats.chi2.sf(best.fun, 4), rel=1e-3)


@pytest.mark.parametrize("estimand", ["ate", "att", "atc"])
def test_the_moments_have_the_derivatives_that_their_differences_show(design, estimand):
    X, _ = design
    D = np.column_stack([np.ones(400), X[COVARIATES]])
    weight = np.random.default_rng(0).uniform(0.5, 1.5, 400)
    moments = Moments(estimand, D, X["t"].to_numpy(float), weight)
    b, v = np.array([0.1, -0.8, 0.4, -0.2]), np.random.default_rng(1).normal(size=8)

    def slope(function):
        pairs = [(function(b + step), function(b - step)) for step in 1e-6 * np.eye(4)]
        return np.array([(high - low) / 2e-6 for high, low in pairs]).T

    np.testing.assert_allclose(moments.slope(b), slope(moments.mean), atol=1e-8)
    by_hand = slope(lambda at: v @ moments.covariance(at) @ v)
    np.testing.assert_allclose(moments.covariance_slope(b, v), by_hand, atol=1e-6)


@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")  # a row or two, now and then
@pytest.mark.parametrize(
    ("over_identified", "n_rows", "n_draws", "bias", "rmse"),
    [
        (False, 200, 25, 0.05, 3.22),
        (True, 200, 25, -1.12, 3.50),
        pytest.param(False, 200, 1000, 0.05, 3.22, marks=pytest.mark.slow),
        pytest.param(True, 200, 1000, -1.12, 3.50, marks=pytest.mark.slow),
        pytest.param(False, 1000, 400, 0.03, 1.44, marks=pytest.mark.slow),
        pytest.param(True, 1000, 400, -0.32, 1.60, marks=pytest.mark.slow),
    ],
)
def test_errors_in_the_design_of_kang_and_schafer_are_those_of_the_paper(
    over_identified, n_rows, n_draws, bias, rmse
):
    """Imai and Ratkovic 2014, table 1: normalised weights, propensity model correct, 10,000 draws."""
    rng, errors = np.random.default_rng(0), []
    for _ in range(n_draws):
        z = rng.normal(size=(n_rows, 4))
        t = (rng.random(n_rows) < expit(z @ [-1, 0.5, -0.25, -0.1])).astype(int)
        y = 210 + z @ [27.4, 13.7, 13.7, 13.7] + rng.normal(size=n_rows)
        weights = CBPS(over_identified=over_identified).fit(z, y, treatment=t).weights_
        errors.append(weights[t == 1] @ y[t == 1] - 210)
    # the mean of the draws has the error sd / sqrt(n), their spread about sd / sqrt(2 n): three of each
    assert np.mean(errors) == pytest.approx(bias, abs=3 * rmse / np.sqrt(n_draws))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(rmse, rel=3 / np.sqrt(2 * n_draws))


def test_the_test_of_over_identification_finds_a_propensity_of_another_shape():
    rng = np.random.default_rng(0)
    a = rng.normal(size=2000)
    t = (rng.random(2000) < expit(1.5 * np.abs(a) - 1 + 0.5 * a)).astype(int)
    est = CBPS(over_identified=True).fit(a[:, None], a, treatment=t)
    assert est.overidentification_pvalue_ < 1e-3


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("estimand", ["ate", "att", "atc"])
def test_the_influence_function_is_the_derivative_by_the_weights_of_rows(kind, estimand):
    X, y = linear_design(200, seed=2)
    est = kind("t", estimand=estimand).fit(X, y)
    estimand = est._available()[0] if isinstance(est, OverlapWeights) else estimand
    result = getattr(est, estimand)()
    weight = np.ones(200)
    for row in (0, 57, 113):
        ends = []
        for sign in (1, -1):
            weight[row] = 1 + sign * 1e-4
            fitted = type(est)(**est.get_params()).fit(X, y, sample_weight=weight)
            ends.append(getattr(fitted, estimand)().estimate)
        weight[row] = 1
        derivative = (ends[0] - ends[1]) / 2e-4 * 200
        assert result.influence[row] == pytest.approx(derivative, rel=1e-3, abs=1e-3)


def test_a_weight_of_two_is_a_row_twice(design):
    X, y = design
    weight = np.random.default_rng(0).integers(1, 4, 400)
    rows = np.repeat(np.arange(400), weight)
    for kind in ALL:
        est = kind("t").fit(X, y, sample_weight=weight)
        twice = kind("t").fit(X.iloc[rows], y[rows])
        estimand = est._available()[0]
        assert getattr(est, estimand)().estimate == pytest.approx(
            getattr(twice, estimand)().estimate, abs=1e-7
        )


def test_what_cannot_be_balanced_is_refused():
    t = np.repeat([0, 1], 20)
    W = t[:, None] * 3.0 + np.linspace(0, 1, 40)[:, None]
    y = W[:, 0]
    for kind in (EntropyBalancing, CBPS, OverlapWeights, StableWeights):
        with pytest.raises(PositivityError, match="no overlap"):
            kind().fit(W, y, treatment=t)


def test_extreme_weights_are_said_aloud():
    rng = np.random.default_rng(0)
    a = rng.normal(size=400)
    t = (a + 0.4 * rng.normal(size=400) > 0).astype(int)
    with pytest.warns(OverlapWarning, match="are worth"):
        est = EntropyBalancing("t").fit(pd.DataFrame({"a": a, "t": t}), a)
    assert est.ate().warnings == est.balance_.messages
    assert "are worth" in est.ate().warnings[0]


def test_a_dose_is_partialled_out_by_least_squares(design):
    X, y = design
    dose = X["a"] + np.random.default_rng(0).normal(size=400)
    D = np.column_stack([np.ones(400), dose, X["b"]])
    with pytest.warns(DoseWarning, match="read as a dose"):
        est = EntropyBalancing().fit(X[["b"]], y, treatment=dose)
    assert est.ate().estimate == pytest.approx(np.linalg.lstsq(D, y, rcond=None)[0][1])


@pytest.mark.parametrize(
    ("est", "error", "match"),
    [
        (EntropyBalancing("t", estimand="ato"), UnknownNameError, "`estimand`"),
        (EntropyBalancing("t", moments=0), DataError, "`moments`"),
        (StableWeights("t", tolerance=-1), DataError, "`tolerance`"),
        (CBPS("t", treatment_type="two"), DataError, "treatment_type"),
    ],
)
def test_options_are_checked(design, est, error, match):
    X, y = design
    with pytest.raises(NotFittedError):
        est.ate()
    with pytest.raises(error, match=match):
        est.fit(X, y)


def test_bad_rows_are_refused(design):
    X, y = design
    est = EntropyBalancing("t")
    with pytest.raises(ValueError, match="NaN"):
        est.fit(X.assign(a=np.nan), y)
    with pytest.raises(DataError, match="no overlap"):
        est.fit(X.assign(t=1), y)
    with pytest.raises(UnknownNameError, match="did you mean 't'"):
        EntropyBalancing("T").fit(X, y)


def test_overlap_has_the_optimal_trimming():
    """The variance bound of the average over alpha < e < 1 - alpha is least at alpha."""
    rng = np.random.default_rng(1)
    e = rng.beta(0.7, 0.7, 4000)

    def bound(alpha):
        kept = (e >= alpha) & (e <= 1 - alpha)
        return np.mean(1 / (e * (1 - e))[kept]) / kept.mean()

    grid = np.linspace(0.005, 0.3, 400)
    best = grid[np.argmin([bound(alpha) for alpha in grid])]
    assert crump_alpha(e) == pytest.approx(best, abs=2e-3)
    assert crump_alpha(np.full(100, 0.4)) == 0.0
    t = (rng.random(4000) < e).astype(float)
    with pytest.warns(OverlapWarning):
        _, overlap = overlap_of(e, t, e[:, None], np.ones(4000), 0.01)
    outside = (e < overlap.crump_alpha) | (e > 1 - overlap.crump_alpha)
    assert overlap.share_trimmed == pytest.approx(outside.mean())


@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
def test_job_training_from_naive_to_honest():
    """Weights turn the survey's -8,500 dollars into what the experiment found, 1,794."""
    nsw = table("lalonde_nsw/nsw_dw_experimental.csv")
    cps = pl.read_parquet(DATA / "lalonde_nsw" / "cps_controls.parquet")
    cps = pd.DataFrame(cps.to_dict(as_series=False))
    data = pd.concat([nsw[nsw["treat"] == 1], cps], ignore_index=True)
    data = data.assign(u74=data["re74"] == 0, u75=data["re75"] == 0)
    X = data[["treat", "age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75", "u74", "u75"]]
    X, y = X.astype(float), data["re78"]
    assert y[X["treat"] == 1].mean() - y[X["treat"] == 0].mean() == pytest.approx(-8497.5, abs=0.05)
    for est in (EntropyBalancing("treat", estimand="att"), CBPS("treat", estimand="att")):
        result = est.fit(X, y).att()
        assert np.max(np.abs(est.balance_.difference_after)) < 1e-8
        assert 1100 < result.estimate < 1800  # Dehejia and Wahba (1999, 2002) find as much by weighting
        assert result.ci[0] < 1794.3 < result.ci[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*ALL, lambda treatment: CBPS(treatment, over_identified=True)])
def test_intervals_cover(kind):
    covered, errors, ses = [], [], []
    for seed in range(300):
        X, y = linear_design(500, seed=1000 + seed)
        est = kind("t").fit(X, y)
        result = getattr(est, est._available()[0])()
        covered.append(result.ci[0] < 2 < result.ci[1])
        errors.append(result.estimate - 2)
        ses.append(result.se)
    bias = np.mean(errors) / np.mean(ses)
    if getattr(est, "tolerance", 0) or getattr(est, "over_identified", False):
        assert abs(bias) < 1.0  # the tolerance leaves at most 2 * 0.02 * (1 + 0.5 + 0.3), 0.7 of the errors
        return
    # 300 draws: 95 % have the binomial interval 0.92 to 0.975; the mean error of 300 has the error 0.06
    assert 0.915 <= np.mean(covered) <= 0.985
    assert abs(bias) < 0.2


@pytest.mark.filterwarnings("ignore::causalrep.estimators.DoseWarning")
@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")
@parametrize_with_checks(
    [EntropyBalancing(0), StableWeights(0), CBPS(0), OverlapWeights(0)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "30 covariates determine the treatment of 15 rows"
    },
)
def test_weighting_passes_the_common_checks(estimator, check):
    check(estimator)
