"""What hidden confounding can do: published tables, closed forms, regressions with the hidden variable."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog
from scipy.special import expit
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor

from causalrep.estimators import AIPW, DoubleML, EntropyBalancing
from causalrep.estimators.sensitivity import (
    debiased_sensitivity,
    marginal_sensitivity,
    marginal_sensitivity_bounds,
    omitted_variable_benchmarks,
    rosenbaum_hodges_lehmann,
    rosenbaum_signed_rank,
)
from causalrep.estimators.sensitivity._debiased import _parts, partly_known
from causalrep.utils import DataError, UnknownNameError

# Morton et al. (1982): lead in the blood of children whose parents meet it at work, and of controls;
# Rosenbaum, "Observational Studies" (2002), tables 3.1 and 4.3
EXPOSED = [38, 23, 41, 18, 37, 36, 23, 62, 31, 34, 24, 14, 21, 17, 16, 20, 15]
EXPOSED += [10, 45, 39, 22, 35, 49, 48, 44, 35, 43, 39, 34, 13, 73, 25, 27]
CONTROL = [16, 18, 18, 24, 19, 11, 10, 15, 16, 18, 18, 13, 19, 10, 16, 16, 24]
CONTROL += [13, 9, 14, 21, 19, 7, 18, 19, 12, 11, 22, 25, 16, 13, 11, 13]
LEAD = np.subtract(EXPOSED, CONTROL)


@pytest.mark.parametrize(
    ("gamma", "published"), [(2, 0.0018), (3, 0.0136), (4, 0.0388), (4.25, 0.0468), (5, 0.0740)]
)
def test_signed_ranks_of_lead_in_children_are_the_published_ones(gamma, published):
    assert rosenbaum_signed_rank(LEAD, gamma) == pytest.approx(published, abs=6e-5)
    assert rosenbaum_signed_rank(LEAD) < 1e-4


def test_hodges_lehmann_bounds_of_lead_in_children_are_the_published_ones():
    assert rosenbaum_hodges_lehmann(LEAD) == (15, 15)
    low, high = rosenbaum_hodges_lehmann(LEAD, 2)
    assert (low, high) == pytest.approx((10.25, 19.5), abs=0.1)  # the book searches on a grid of a quarter


def test_hodges_lehmann_bounds_are_where_the_statistic_has_its_extreme_expectation():
    values = np.random.default_rng(0).normal(1, 2, 31)

    def excess(tau, share):
        left = values - tau
        ranks = stats.rankdata(np.abs(left))
        return ranks[left > 0].sum() - share * ranks.sum()

    for gamma in (1.0, 1.7, 4.0):
        low, high = rosenbaum_hodges_lehmann(values, gamma)
        share = gamma / (1 + gamma)
        assert excess(low - 1e-6, share) >= 0 >= excess(low + 1e-6, share)
        assert excess(high - 1e-6, 1 - share) >= 0 >= excess(high + 1e-6, 1 - share)


# --- benchmarks ----------------------------------------------------------------------------------------


def orthonormal(n, k, seed=0):
    rng = np.random.default_rng(seed)
    return np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, k))]))[0][:, 1:] * np.sqrt(n)


def test_a_hidden_variable_as_strong_as_a_covariate_moves_the_estimate_to_its_benchmark():
    """The hidden variable has the coefficients of the covariate and is orthogonal to it."""
    x, hidden, noise_t, noise_y = orthonormal(200, 4).T
    t = 0.5 * x + 0.5 * hidden + noise_t
    y = 2 * t + 0.8 * x + 0.8 * hidden + noise_y
    (found,) = omitted_variable_benchmarks(np.column_stack([t, x]), y, treatment=0)
    long = LinearRegression().fit(np.column_stack([t, x, hidden]), y)
    assert long.coef_[0] == pytest.approx(2)
    # the covariate is weighed without the hidden one, of which its share of t is the smaller: by hand
    r2_t = 0.25 / (0.25 + 0.25 + 1)
    assert found.r2_treatment == pytest.approx(r2_t / (1 - r2_t))
    bias = abs(LinearRegression().fit(np.column_stack([t, x]), y).coef_[0] - found.estimate)
    assert bias >= 0.999 * abs(LinearRegression().fit(np.column_stack([t, x]), y).coef_[0] - 2)


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_benchmarks_bound_what_a_variable_of_that_strength_explains(strength):
    """Regressions with a hidden variable built to the definition have the partial R² that is said."""
    x, free_t, free_y, extra = orthonormal(400, 4, seed=1).T
    t = 0.4 * x + free_t
    y = t + 0.3 * x + free_y
    (found,) = omitted_variable_benchmarks(np.column_stack([t, x]), y, treatment=0, strength=strength)
    # a variable orthogonal to x with partial R² of k r2 / (1 - r2) with t
    on_t = strength * 0.16 / 1.16 / (1 - 0.16 / 1.16)
    hidden = np.sqrt(on_t) * free_t + np.sqrt(1 - on_t) * extra
    left = free_t - (hidden @ free_t / 400) * hidden
    assert 1 - left @ left / 400 == pytest.approx(found.r2_treatment)
    assert found.r2_outcome > strength * 0.03  # and the outcome, at least as x does


def test_benchmarks_name_the_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    found = omitted_variable_benchmarks(X, X @ [1, 1, 0.0] + rng.normal(size=50), treatment=2)
    assert [one.name for one in found] == [0, 1]


# --- double machine learning ----------------------------------------------------------------------------


@pytest.fixture
def two_arms():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 2))
    t = (rng.random(600) < expit(0.7 * z[:, 0])).astype(int)
    return z, t, t + z[:, 0] + rng.normal(size=600)


LINEAR = {"outcome_model": LinearRegression(), "random_state": 0}


def estimators():
    return {
        "plr": DoubleML(treatment_model=LinearRegression(), **LINEAR),
        "irm": DoubleML(model="irm", propensity_model=LogisticRegression(), **LINEAR),
        "aipw": AIPW(propensity_model=LogisticRegression(), **LINEAR),
    }


@pytest.mark.parametrize("kind", ["plr", "irm", "aipw"])
def test_bounds_are_the_product_of_residual_weights_and_strengths(two_arms, kind):
    z, t, y = two_arms
    est = estimators()[kind].fit(z, y, treatment=t)
    found = debiased_sensitivity(est, cf_y=0.05, cf_d=0.08, rho=0.9)
    rep = est._repetitions[0]
    if kind == "plr":
        dose = t - rep["dose"].values
        sigma2 = np.mean((y - rep["outcome"].values - found.estimate * dose) ** 2)
        nu2 = 1 / np.mean(dose**2)
    else:
        e = rep["propensity"].values
        mu = np.where(t == 1, rep["outcome of treated"].values, rep["outcome of controls"].values)
        sigma2 = np.mean((y - mu) ** 2)
        riesz = t / e - (1 - t) / (1 - e)
        nu2 = np.mean(2 * (1 / e + 1 / (1 - e)) - riesz**2)
    bias = 0.9 * np.sqrt(0.05 * 0.08 / 0.92 * sigma2 * nu2)
    assert found.estimate == pytest.approx(est.ate().estimate)
    assert (found.lower, found.upper) == pytest.approx((found.estimate - bias, found.estimate + bias))
    assert found.ci[0] < found.lower
    assert found.upper < found.ci[1]
    none = debiased_sensitivity(est, cf_y=0, cf_d=0)
    assert none.ci == pytest.approx(est.ate().ci)
    assert "take the estimate away" in str(found)


def test_the_bias_of_a_hidden_gaussian_confounder_is_reached():
    """In a linear model the bound with the true strengths is the bias itself."""
    rng = np.random.default_rng(1)
    x, hidden = rng.normal(size=(2, 20000))
    t = x + 0.5 * hidden + rng.normal(size=20000)
    y = t + x + 0.7 * hidden + rng.normal(size=20000)
    est = DoubleML(treatment_model=LinearRegression(), **LINEAR).fit(x[:, None], y, treatment=t)
    cf_d = 0.25 / 1.25  # of t given x
    cf_y = 0.49 * 0.8 / (0.49 * 0.8 + 1)  # of y given x and t
    found = debiased_sensitivity(est, cf_y=cf_y, cf_d=cf_d)
    assert found.lower == pytest.approx(1, abs=4 / np.sqrt(20000))


def test_the_robustness_values_take_bound_and_interval_to_zero(two_arms):
    z, t, y = two_arms
    est = estimators()["irm"].fit(z, y, treatment=t)
    value = debiased_sensitivity(est).robustness_value
    at = debiased_sensitivity(est, cf_y=value, cf_d=value)
    assert at.lower == pytest.approx(0, abs=1e-9)
    value = at.robustness_value_ci
    assert debiased_sensitivity(est, cf_y=value, cf_d=value).ci[0] == pytest.approx(0, abs=1e-7)
    flipped = estimators()["irm"].fit(z, -y, treatment=t)
    assert debiased_sensitivity(flipped).robustness_value_ci == pytest.approx(value)


@pytest.mark.parametrize("kind", ["plr", "irm"])
def test_the_influence_of_the_size_is_its_derivative_by_the_weights_of_rows(two_arms, kind):
    z, t, y = two_arms
    est = estimators()[kind].fit(z, y, treatment=t)
    parts, sample = _parts(est)[0], est._sample
    for row in (4, 77):
        ends = []
        for sign in (1, -1):
            weight = np.ones(600)
            weight[row] += sign * 1e-4
            est._sample = replace(sample, weight=weight / weight.mean())
            ends.append(_parts(est)[0].size)
        assert parts.size_influence[row] == pytest.approx((ends[0] - ends[1]) / 2e-4 * 600, rel=1e-3)
    est._sample = sample


def test_the_interval_of_something_partly_known_is_between_one_and_two_sided():
    assert partly_known(1, 1, 0.5, 0.5, 0.05) == pytest.approx((1 - 0.98, 1 + 0.98), abs=1e-3)
    assert partly_known(0, 100, 0.5, 0.5, 0.05) == pytest.approx((-0.8224, 100.8224), abs=1e-3)


# --- marginal sensitivity -------------------------------------------------------------------------------


def test_without_hidden_confounding_it_is_the_doubly_robust_estimate(two_arms):
    z, t, y = two_arms
    est = estimators()["aipw"].fit(z, y, treatment=t)
    found = marginal_sensitivity(est, lam=1, outcome_model=LinearRegression())
    assert found.lower == pytest.approx(est.ate().estimate, abs=1e-9)
    assert found.upper == pytest.approx(est.ate().estimate, abs=1e-9)
    assert found.ci == pytest.approx(est.ate().ci, abs=1e-6)


@pytest.mark.parametrize("lam", [1.5, 3.0])
def test_normal_outcomes_have_bounds_in_closed_form(lam):
    """The mean of the worst reweighting of N(m, 1) is m plus (1 - 1/lam) (1 + lam) phi(quantile)."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 1))
    t = (rng.random(3000) < expit(0.5 * z[:, 0])).astype(int)
    y = 2 * t + z[:, 0] + rng.normal(size=3000)
    est = AIPW(propensity_model="linear", cv=2, **LINEAR).fit(z, y, treatment=t)
    found = marginal_sensitivity(est, lam=lam, outcome_model="linear")
    reach = (1 - 1 / lam) * (1 + lam) * stats.norm.pdf(stats.norm.ppf(lam / (1 + lam)))
    half = (found.upper - found.lower) / 2
    assert half == pytest.approx(reach, rel=0.06)  # a tail mean of 3000 rows: 2 %, three times
    assert (found.lower + found.upper) / 2 == pytest.approx(2, abs=0.15)


def test_without_covariates_the_bounds_are_those_of_a_linear_programme():
    rng = np.random.default_rng(3)
    t, y = np.repeat([0, 1], [90, 60]), rng.exponential(size=150)
    z = np.zeros((150, 1))
    est = AIPW(outcome_model=DummyRegressor(), propensity_model=LogisticRegression(), cv=2, random_state=0)
    est.fit(z, y, treatment=t)
    found = marginal_sensitivity(est, lam=2, outcome_model=DummyRegressor(), quantile_model="auto")

    def worst(values, sign):
        n = len(values)
        solved = linprog(-sign * values / n, A_eq=[np.full(n, 1 / n)], b_eq=[1], bounds=[(0.5, 2)] * n)
        return -sign * solved.fun

    upper = 0.4 * y[t == 1].mean() + 0.6 * worst(y[t == 1], 1)
    upper -= 0.6 * y[t == 0].mean() + 0.4 * worst(y[t == 0], -1)
    # the two halves have quantiles of their own: second order in their error, 1 / 30
    assert found.upper == pytest.approx(upper, abs=0.08)
    share = np.full(60, 0.4)
    low, high = marginal_sensitivity_bounds(y[t == 1], share, lam=2, sharp=True, features=np.zeros((60, 1)))
    assert high == pytest.approx(0.4 * y[t == 1].mean() + 0.6 * worst(y[t == 1], 1))
    assert low < high


def test_a_wrong_model_of_quantiles_only_widens(two_arms):
    z, t, y = two_arms
    est = estimators()["aipw"].fit(z, y, treatment=t)
    right = marginal_sensitivity(est, lam=2, outcome_model="linear")
    flat = marginal_sensitivity(est, lam=2, outcome_model="linear", quantile_model=_Constant())
    assert flat.lower < right.lower
    assert right.upper < flat.upper


class _Constant(QuantileRegressor):
    def fit(self, X, y, sample_weight=None):
        return super().fit(np.zeros_like(X), y, sample_weight)


@pytest.mark.slow
def test_bounds_cover_the_effect_that_a_hidden_confounder_hides():
    """The hidden confounder doubles or halves the odds; the interval holds the true effect in most draws."""
    covered = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        z, hidden = rng.normal(size=(800, 1)), rng.integers(2, size=800)
        base = expit(0.5 * z[:, 0])
        odds = base / (1 - base) * np.where(hidden == 1, 2, 0.5)
        t = (rng.random(800) < odds / (1 + odds)).astype(int)
        y = 1.0 * t + z[:, 0] + 1.5 * hidden + rng.normal(size=800)
        est = AIPW(propensity_model="linear", outcome_model="linear", cv=2, random_state=0)
        est.fit(z, y, treatment=t)
        assert est.ate().ci[0] > 1  # biased
        found = marginal_sensitivity(est, lam=2.3, outcome_model="linear")
        covered.append(found.ci[0] <= 1 <= found.ci[1])
    assert np.mean(covered) >= 0.9


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda _: rosenbaum_signed_rank([0.0, 0.0]), DataError, "differences"),
        (lambda _: rosenbaum_hodges_lehmann([1.0], 0.5), DataError, "gamma"),
        (
            lambda _: omitted_variable_benchmarks(np.eye(9), np.ones(9), treatment=9),
            UnknownNameError,
            "treat",
        ),
        (lambda _: omitted_variable_benchmarks(np.eye(4), np.ones(4), treatment=0), DataError, "rows"),
        (lambda est: debiased_sensitivity(est, cf_y=1), DataError, "cf_y"),
        (lambda est: debiased_sensitivity(est, rho=2), DataError, "rho"),
        (lambda _: debiased_sensitivity(AIPW()), DataError, "fitted"),
        (lambda est: marginal_sensitivity(est, lam=0.9), DataError, "lam"),
        (lambda _: marginal_sensitivity(EntropyBalancing(), lam=2), DataError, "propensities"),
        (
            lambda est: marginal_sensitivity(est, lam=2, quantile_model=LinearRegression()),
            DataError,
            "quantile",
        ),
        (lambda est: marginal_sensitivity(est, lam=2, quantile_model="forest"), DataError, "quantile_model"),
    ],
)
def test_what_is_out_of_range_is_refused(two_arms, call, error, match):
    z, t, y = two_arms
    with pytest.raises(error, match=match):
        call(estimators()["aipw"].fit(z, y, treatment=t))
