"""The jump is that of two regressions, and the interval covers it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.estimators import RegressionDiscontinuity
from causalrep.estimators._local_polynomial import neighbour_residuals
from causalrep.utils import DataError


def design(seed, n=1000):
    rng = np.random.default_rng(seed)
    x = 2 * rng.beta(2, 4, n) - 0.6
    return x, 1.0 * (x >= 0) + np.sin(3 * x) + x**2 + 0.3 * rng.normal(size=n)


def local_line(x, y, h, order=1):
    weight = np.sqrt(np.clip(1 - np.abs(x) / h, 0, None))
    D = np.vander(x, order + 1, increasing=True)
    return np.linalg.lstsq(D * weight[:, None], y * weight, rcond=None)[0]


def test_the_estimate_is_the_gap_of_two_weighted_lines():
    x, y = design(0)
    est = RegressionDiscontinuity(0, bandwidth=0.4, bias_bandwidth=0.6).fit(x[:, None], y)
    lines = [local_line(x[side], y[side], 0.4) for side in (x < 0, x >= 0)]
    assert est.ate().estimate == pytest.approx(lines[1][0] - lines[0][0], abs=1e-10)
    biases = []
    for side in (x < 0, x >= 0):
        curve = local_line(x[side], y[side], 0.6, order=2)[2]
        biases.append(curve * local_line(x[side], x[side] ** 2, 0.4)[0])
    expected = est.ate().estimate - (biases[1] - biases[0])
    assert est.bias_corrected_ == pytest.approx(expected, abs=1e-10)
    assert np.mean(est.ate().ci) == pytest.approx(expected, abs=1e-10)


def test_one_bandwidth_for_both_makes_it_a_quadratic():
    """With equal bandwidths the corrected estimate is the gap of local quadratics (Calonico et al.)."""
    x, y = design(1)
    est = RegressionDiscontinuity(0, bandwidth=0.5).fit(x[:, None], y)
    curves = [local_line(x[side], y[side], 0.5, order=2) for side in (x < 0, x >= 0)]
    assert est.bias_corrected_ == pytest.approx(curves[1][0] - curves[0][0], abs=1e-9)


def test_scale_shift_and_order_of_rows_change_nothing():
    x, y = design(2)
    first = RegressionDiscontinuity(0).fit(x[:, None], y)
    rows = np.random.default_rng(0).permutation(len(x))
    frame = pd.DataFrame({"score": 10 * x[rows] + 3})
    second = RegressionDiscontinuity("score", 3.0).fit(frame, -2 * y[rows])
    assert second.bandwidth_ == pytest.approx(10 * first.bandwidth_, rel=1e-6)
    assert second.ate().estimate == pytest.approx(-2 * first.ate().estimate, rel=1e-6)
    assert second.ate().se == pytest.approx(2 * first.ate().se, rel=1e-6)


def test_nearest_neighbours_are_taken_with_their_ties():
    x = np.array([0.0, 1.0, 1.0, 3.0, 7.0, 7.5])
    y = np.array([[1.0], [2.0], [4.0], [8.0], [16.0], [32.0]])
    left = neighbour_residuals(x, y, 2)
    assert left[0, 0] == pytest.approx(np.sqrt(2 / 3) * (1 - (2 + 4) / 2))
    assert left[1, 0] == pytest.approx(np.sqrt(2 / 3) * (2 - (4 + 1) / 2))
    assert left[3, 0] == pytest.approx(np.sqrt(2 / 3) * (8 - (2 + 4) / 2))


@given(
    st.lists(st.integers(0, 12), min_size=4, max_size=30),
    st.integers(1, 3),
    st.sampled_from([1.0, 0.25, 4.0]),
)
def test_neighbours_are_those_of_the_definition(places, count, unit):
    """All rows no farther than the count-th nearest other one, however many share its distance."""
    x = np.array(places) * unit
    y = np.random.default_rng(0).normal(size=(len(x), 1))
    expected = []
    for i in range(len(x)):
        distance = np.abs(x - x[i])
        reach = np.sort(np.delete(distance, i))[count - 1]
        others = (distance <= reach) & (np.arange(len(x)) != i)
        expected.append(np.sqrt(others.sum() / (others.sum() + 1)) * (y[i, 0] - y[others, 0].mean()))
    np.testing.assert_allclose(neighbour_residuals(x, y, count)[:, 0], expected, atol=1e-9)


def test_a_fuzzy_design_divides_by_the_jump_of_the_treatment():
    rng = np.random.default_rng(5)
    x, hidden = rng.uniform(-1, 1, 6000), rng.normal(size=6000)
    t = (0.9 * (x >= 0) + 0.8 * hidden > 0.5).astype(int)
    y = 2 * t + hidden + x + 0.3 * rng.normal(size=6000)
    result = RegressionDiscontinuity(0, treatment=1).fit(np.column_stack([x, t]), y).ate()
    sharp = RegressionDiscontinuity(0, bandwidth=0.5)
    fuzzy = RegressionDiscontinuity(0, treatment=1, bandwidth=0.5).fit(np.column_stack([x, t]), y).ate()
    jumps = [sharp.fit(x[:, None], v).ate().estimate for v in (y, t)]
    assert fuzzy.estimate == pytest.approx(jumps[0] / jumps[1])
    assert result.ci[0] < 2 < result.ci[1]
    by_keyword = RegressionDiscontinuity(0).fit(x[:, None], y, treatment=t).ate()
    assert by_keyword.estimate == pytest.approx(result.estimate)


def test_a_donut_leaves_out_the_rows_next_to_the_cutoff():
    x, y = design(6)
    moved = np.where(np.abs(x) < 0.05, y + 5 * np.sign(x), y)  # those who were moved across it
    far = np.abs(x) >= 0.05
    est = RegressionDiscontinuity(0, donut=0.05).fit(x[:, None], moved)
    expected = RegressionDiscontinuity(0).fit(x[far, None], y[far])
    assert est.ate().estimate == pytest.approx(expected.ate().estimate)
    assert est.ate().n == far.sum()


def test_a_weight_of_two_is_the_row_twice():
    x, y = design(5)
    weight = np.random.default_rng(0).integers(0, 3, len(x)).astype(float)
    twice = np.repeat(np.arange(len(x)), weight.astype(int))
    options = {"bandwidth": 0.4, "bias_bandwidth": 0.6}
    weighted = RegressionDiscontinuity(0, **options).fit(x[:, None], y, sample_weight=weight)
    repeated = RegressionDiscontinuity(0, **options).fit(x[twice, None], y[twice])
    assert weighted.ate().estimate == pytest.approx(repeated.ate().estimate, abs=1e-10)
    assert weighted.bias_corrected_ == pytest.approx(repeated.bias_corrected_, abs=1e-10)
    free = RegressionDiscontinuity(0).fit(x[:, None], y, sample_weight=np.full(len(x), 7.0))
    assert free.ate().estimate == pytest.approx(RegressionDiscontinuity(0).fit(x[:, None], y).ate().estimate)


def test_clusters_widen_the_interval_by_what_they_share():
    x, y = design(6, n=600)
    twice = np.tile(np.arange(600), 2)  # each row is there twice, so that half of the rows are news
    options = {"bandwidth": 0.4, "bias_bandwidth": 0.6}
    est = RegressionDiscontinuity(0, **options).fit(x[twice, None], y[twice], cluster=twice)
    alone = RegressionDiscontinuity(0, **options).fit(x[:, None], y, cluster=np.arange(600))
    assert est.ate().estimate == pytest.approx(alone.ate().estimate, abs=1e-10)
    assert est.ate().se == pytest.approx(alone.ate().se, rel=1e-9)
    assert alone.ate().se == pytest.approx(
        RegressionDiscontinuity(0, **options).fit(x[:, None], y).ate().se, rel=0.2
    )


def test_covariates_that_jump_are_found():
    x, y = design(7, 2000)
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"smooth": x**2 + rng.normal(size=2000), "x": x})
    X["jumps"] = (x >= 0) + rng.normal(size=2000)
    found = RegressionDiscontinuity("x").fit(X, y).covariate_continuity()
    assert found.names == ("smooth", "jumps")
    inside = (found.ci[:, 0] < [0, 0]) & (found.ci[:, 1] > [0, 0])
    assert inside.tolist() == [True, False]
    alone = RegressionDiscontinuity(0).fit(x[:, None], X["jumps"]).ate()
    assert (found.estimate[1], found.se[1]) == pytest.approx((alone.estimate, alone.se))
    with pytest.raises(DataError, match="no other columns"):
        RegressionDiscontinuity(0).fit(x[:, None], y).covariate_continuity()


# --- the density -----------------------------------------------------------------------------------------


def test_densities_are_slopes_of_local_quadratics_of_the_distribution_function():
    x, y = design(8, 500)
    found = RegressionDiscontinuity(0).fit(x[:, None], y).density_test(bandwidth=(0.4, 0.6))
    share = np.array([np.mean(x <= value) for value in x])
    for side, h, value in ((x < 0, 0.4, found.left), (x >= 0, 0.6, found.right)):
        assert local_line(x[side], share[side], h, order=2)[1] == pytest.approx(value)
    assert found.bandwidth == (0.4, 0.6)


def test_the_density_test_has_the_spread_of_its_draws():
    """The statistic is standard normal where nobody sorts: P-values below 0.05 in 4 to 20 of 200 draws."""
    values = [
        RegressionDiscontinuity(0).fit(x[:, None], y).density_test().pvalue
        for x, y in (design(2000 + seed, 300) for seed in range(200))
    ]
    assert 3 <= np.sum(np.array(values) < 0.05) <= 21  # 10 -+ 3.4 standard deviations of 3.1


def test_sorting_around_the_cutoff_is_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    x = np.where((x < 0) & (x > -0.3) & (rng.random(3000) < 0.5), -x, x)
    est = RegressionDiscontinuity(0).fit(x[:, None], rng.normal(size=3000))
    found = est.density_test()
    assert found.pvalue < 0.02
    assert found.right > 1.5 * found.left
    moved = RegressionDiscontinuity(0, cutoff=30.0).fit(100 * x[:, None] + 30, rng.normal(size=3000))
    again = moved.density_test()
    assert again.statistic == pytest.approx(found.statistic)
    assert again.right == pytest.approx(found.right / 100)
    with pytest.raises(DataError, match="`bandwidth`"):
        est.density_test(bandwidth=0.0)


def covered(n_draws):
    hits = 0
    for seed in range(n_draws):
        x, y = design(100 + seed, 600)
        low, high = RegressionDiscontinuity(0).fit(x[:, None], y).ate().ci
        hits += low < 1 < high
    return hits


def test_intervals_cover_in_a_few_draws():
    assert covered(30) >= 24  # P(Binomial(30, 0.95) < 24) = 0.0006


@pytest.mark.slow
def test_intervals_cover_the_truth():
    assert 0.91 <= covered(300) / 300 <= 0.985  # 0.95 -+ 3 standard errors of 300 draws


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "`running` is missing"),
        ({"running": 0, "kernel": "gauss"}, "triangular"),
        ({"running": 0, "bandwidth": -1.0}, "above 0"),
        ({"running": 0, "donut": -0.1}, "`donut`"),
        ({"running": 0, "donut": 5.0}, "each side"),
        ({"running": 0, "cutoff": 9.0}, "each side"),
        ({"running": 0, "bandwidth": 1e-9}, "too few"),
    ],
)
def test_bad_input_is_refused(options, match):
    x, y = design(0)
    with pytest.raises((ValueError, KeyError), match=match):
        RegressionDiscontinuity(**options).fit(x[:, None], y)
