"""The formulas of sensitivity analysis agree with their papers, with regressions and with enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from causalrep.estimators.sensitivity import (
    e_value,
    e_value_of_interval,
    marginal_sensitivity_bounds,
    omitted_variable_bias,
    partial_r2,
    robustness_value,
    rosenbaum_sign_test,
)


def regress(D, y):
    beta, *_ = np.linalg.lstsq(D, y, rcond=None)
    residual = y - D @ beta
    dof = len(y) - D.shape[1]
    se = np.sqrt(residual @ residual / dof * np.linalg.inv(D.T @ D).diagonal())
    return beta, se, dof, residual


def test_published_e_values():
    # VanderWeele and Ding (2017): breastfeeding and respiratory death, 3.9 with interval 1.8 to 8.7
    assert round(e_value(3.9), 2) == 7.26
    assert round(e_value_of_interval(1.8, 8.7), 1) == 3.0
    assert e_value(1 / 3.9) == pytest.approx(e_value(3.9))
    assert e_value(1.0) == 1.0
    assert e_value_of_interval(0.2, 0.5) == pytest.approx(e_value(2.0))


def test_published_robustness_value_of_darfur():
    # Cinelli and Hazlett (2020), table 1: estimate 0.097, se 0.023, t 4.18, 783 degrees of freedom
    assert partial_r2(4.18445, 783) == pytest.approx(0.02187, abs=1e-4)
    assert robustness_value(4.18445, 783) == pytest.approx(0.13878, abs=1e-4)


@pytest.mark.parametrize(
    ("r2_treatment", "r2_outcome", "estimate", "se"),
    [(0.00916, 0.12464, 0.0752, 0.0219), (0.0183, 0.2493, 0.0529, 0.0204), (0.0275, 0.374, 0.0304, 0.0187)],
)
def test_published_adjustments_for_confounders_as_strong_as_gender(r2_treatment, r2_outcome, estimate, se):
    # Cinelli and Hazlett (2020), section 5, Darfur: once, twice and three times as strong as being a woman
    found = omitted_variable_bias(
        0.09731582, 0.02325654, 783, r2_outcome=r2_outcome, r2_treatment=r2_treatment
    )
    assert found.adjusted_estimate == pytest.approx(estimate, abs=1e-4)
    assert found.adjusted_se == pytest.approx(se, abs=1e-4)


def test_the_bias_of_an_omitted_variable_is_what_a_regression_with_it_shows():
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(2, 500))
    t = 0.5 * x + 0.8 * u + rng.normal(size=500)
    y = t + x + 1.2 * u + rng.normal(size=500)
    one = np.ones(500)
    short, long = np.column_stack([one, t, x]), np.column_stack([one, t, x, u])
    beta, se, dof, left_y = regress(short, y)
    beta_long, se_long, _, left_long = regress(long, y)
    left_t, left_both = (regress(D, t)[3] for D in (short[:, [0, 2]], long[:, [0, 2, 3]]))
    r2_outcome = 1 - (left_long @ left_long) / (left_y @ left_y)
    r2_treatment = 1 - (left_both @ left_both) / (left_t @ left_t)
    found = omitted_variable_bias(beta[1], se[1], dof, r2_outcome=r2_outcome, r2_treatment=r2_treatment)
    assert found.bias == pytest.approx(abs(beta[1] - beta_long[1]), rel=1e-8)
    assert found.adjusted_estimate == pytest.approx(beta_long[1], rel=1e-8)
    assert found.adjusted_se == pytest.approx(se_long[1], rel=1e-8)


def test_the_robustness_value_takes_the_estimate_to_zero():
    value = robustness_value(5.0, 100)
    found = omitted_variable_bias(2.5, 0.5, 100, r2_outcome=value, r2_treatment=value)
    assert found.adjusted_estimate == pytest.approx(0, abs=1e-12)
    half = robustness_value(5.0, 100, q=0.5)
    assert omitted_variable_bias(2.5, 0.5, 100, r2_outcome=half, r2_treatment=half).bias == pytest.approx(
        1.25
    )


def test_the_sign_test_without_bias_is_the_sign_test():
    expected = stats.binomtest(24, 30, 0.5, alternative="greater").pvalue
    assert rosenbaum_sign_test(30, 24) == pytest.approx(expected)
    worst = stats.binomtest(24, 30, 0.75, alternative="greater").pvalue
    assert rosenbaum_sign_test(30, 24, gamma=3) == pytest.approx(worst)


@pytest.fixture
def treated():
    rng = np.random.default_rng(2)
    return rng.normal(size=9), rng.uniform(0.2, 0.8, 9)


def test_marginal_bounds_are_the_extremes_over_all_corners(treated):
    y, e = treated
    odds = 1 / e - 1
    corners = [
        np.average(y, weights=np.where(pick, 1 + odds * 2, 1 + odds / 2))
        for pick in itertools.product([False, True], repeat=9)
    ]
    assert marginal_sensitivity_bounds(y, e, lam=2) == pytest.approx((min(corners), max(corners)))


def test_sharp_bounds_are_inside_and_meet_at_no_confounding(treated):
    y, e = treated
    low, high = marginal_sensitivity_bounds(y, e, lam=2)
    inner = marginal_sensitivity_bounds(y, e, lam=2, sharp=True)
    assert low <= inner[0] < np.average(y, weights=1 / e) < inner[1] <= high
    assert inner[1] - inner[0] < high - low
    assert marginal_sensitivity_bounds(y, e, lam=1, sharp=True) == pytest.approx(
        (np.average(y, weights=1 / e),) * 2
    )


def test_an_outcome_that_is_balanced_has_one_sharp_bound(treated):
    _, e = treated
    y = np.log(1 / e - 1)
    low, high = marginal_sensitivity_bounds(y, e, lam=3, sharp=True)
    assert low == pytest.approx(high)


@pytest.mark.parametrize(
    "call",
    [
        lambda: e_value(-1),
        lambda: e_value_of_interval(2, 1),
        lambda: partial_r2(1, 0),
        lambda: robustness_value(1, 10, q=0),
        lambda: omitted_variable_bias(1, 1, 10, r2_outcome=0.1, r2_treatment=1.0),
        lambda: rosenbaum_sign_test(10, 11),
        lambda: rosenbaum_sign_test(10, 5, gamma=0.5),
        lambda: marginal_sensitivity_bounds([1.0], [1.0], lam=2),
        lambda: marginal_sensitivity_bounds([1.0], [0.5], lam=0.5),
        lambda: marginal_sensitivity_bounds([1.0, 2.0], [0.5], lam=2),
    ],
)
def test_what_is_out_of_range_is_refused(call):
    with pytest.raises(ValueError, match="must"):
        call()
