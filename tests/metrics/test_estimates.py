import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from causalrep.metrics import average_estimate, mean_estimate, ratio_estimate
from causalrep.metrics._estimates import explained_estimate, jackknife_estimates
from causalrep.utils import DataError

positive = st.floats(0.01, 100.0)


def paired_errors(generator, n):
    """Skewed errors that depend on a skewed baseline, as those of images do; the true ratio is 0.3."""
    baseline = generator.lognormal(1.0, 0.5, n)
    errors = 0.3 * baseline * generator.lognormal(-0.5 * 0.4**2, 0.4, n)
    return errors, baseline


def test_mean_estimate_is_the_textbook_mean_and_standard_error():
    values = np.array([2.0, 4.0, 9.0])
    estimate = mean_estimate(values)
    assert estimate.value == pytest.approx(5.0)
    assert estimate.standard_error == pytest.approx(np.sqrt(13.0 / 3.0))  # ((9 + 1 + 16) / 2) / 3
    low, high = estimate.interval()
    assert high - 5.0 == pytest.approx(4.302652730 * np.sqrt(13.0 / 3.0))  # t table: 0.975, 2 dof
    assert low + high == pytest.approx(10.0)


def test_missing_images_count_as_if_they_had_never_been_there():
    values = np.array([2.0, np.nan, 4.0, 9.0, np.nan])
    with_gaps, without = mean_estimate(values), mean_estimate(values[np.isfinite(values)])
    assert with_gaps.n == 3
    assert with_gaps.value == without.value
    assert with_gaps.interval() == pytest.approx(without.interval())


@given(arrays(float, 12, elements=positive), arrays(float, 12, elements=positive), positive, positive)
def test_ratio_is_equivariant_to_the_scale_of_both_sides(errors, baseline, a, b):
    plain, scaled = ratio_estimate(errors, baseline), ratio_estimate(a * errors, b * baseline)
    assert scaled.value == pytest.approx(plain.value * a / b)
    assert scaled.standard_error == pytest.approx(plain.standard_error * a / b, rel=1e-9, abs=1e-9 * a / b)


@given(arrays(float, 9, elements=positive), arrays(float, 9, elements=positive), st.permutations(range(9)))
def test_the_order_of_images_does_not_matter(errors, baseline, order):
    plain, shuffled = ratio_estimate(errors, baseline), ratio_estimate(errors[order], baseline[order])
    assert shuffled.value == pytest.approx(plain.value)
    assert shuffled.interval() == pytest.approx(plain.interval(), rel=1e-9, abs=1e-12)


def test_a_baseline_of_zero_has_no_ratio():
    estimate = ratio_estimate(np.ones(4), np.zeros(4))
    assert np.isnan(estimate.value)
    assert np.isnan(estimate.interval()).all()


def test_one_image_has_a_value_but_no_interval():
    estimate = ratio_estimate([3.0], [4.0])
    assert estimate.value == 0.75
    assert np.isnan(estimate.interval()).all()


def test_the_average_knows_that_its_parts_share_images():
    generator = np.random.default_rng(0)
    errors, baseline = paired_errors(generator, 50)
    one = ratio_estimate(errors, baseline)
    # The same estimate twice is no new evidence: unpaired arithmetic would divide by sqrt(2).
    assert average_estimate([one, one]).standard_error == pytest.approx(one.standard_error)
    # Opposite deviations cancel.
    up, down = mean_estimate(1.0 + errors), mean_estimate(1.0 - errors)
    both = average_estimate([up, down])
    assert both.value == pytest.approx(1.0)
    assert both.standard_error == pytest.approx(0.0, abs=1e-12)


def test_an_undefined_part_leaves_the_average_undefined():
    average = average_estimate([mean_estimate([1.0, 2.0]), mean_estimate([np.nan, np.nan])])
    assert np.isnan(average.value)


@pytest.mark.parametrize("estimator", ["mean", "ratio", "average", "mean with gaps"])
def test_95_percent_intervals_hold_the_truth_in_95_percent_of_experiments(estimator):
    """The share over 2000 experiments has sd sqrt(.95 * .05 / 2000) = 0.005; the skew of the
    errors costs the delta method up to about 0.01 at 100 images. So [0.925, 0.965]."""
    generator = np.random.default_rng(7)
    hits = 0
    for _ in range(2000):
        errors, baseline = paired_errors(generator, 100)
        if estimator == "ratio":
            estimate, truth = ratio_estimate(errors, baseline), 0.3
        elif estimator == "average":
            other = 2.0 * errors + generator.normal(0.0, 1.0, 100)  # ratio 0.6, same images
            estimate = average_estimate([ratio_estimate(errors, baseline), ratio_estimate(other, baseline)])
            truth = 0.45
        else:
            if estimator == "mean with gaps":
                errors[generator.random(100) < 0.5] = np.nan
            estimate, truth = mean_estimate(errors), 0.3 * np.exp(1.0 + 0.5 * 0.5**2)
        low, high = estimate.interval()
        hits += low <= truth <= high
    assert 0.925 <= hits / 2000 <= 0.965


def test_bad_input_is_named():
    with pytest.raises(DataError, match="one number per image each, got 2 and 3"):
        ratio_estimate([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=r"`values` must be an array of shape \(n_images,\)"):
        mean_estimate(np.ones((2, 2)))
    with pytest.raises(ValueError, match="`level` must be in"):
        mean_estimate([1.0, 2.0]).interval(95)
    with pytest.raises(DataError, match="same images"):
        average_estimate([mean_estimate([1.0, 2.0]), mean_estimate([1.0, 2.0, 3.0])])


def test_the_jackknife_of_a_mean_is_the_error_of_group_means():
    """Leaving out a group of equal size: the classic standard error of the mean of ten group means."""
    values = np.random.default_rng(0).normal(size=40)
    (found,) = jackknife_estimates(lambda rows: [values[rows].mean()], 40)
    of_groups = np.array([values[g::10].mean() for g in range(10)])
    assert found.value == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(of_groups.std(ddof=1) / np.sqrt(10))
    assert found.n == 10


def test_the_share_explained_is_one_less_the_ratio_of_squares():
    found = explained_estimate([1.0, 2.0, float("nan")], [2.0, 4.0, 1.0])
    assert (found.value, found.n) == (0.75, 2)
