"""Honest intervals cover at the worst trend that is allowed; with parallel trends they are the usual ones."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog, minimize

from causalrep.estimators import AIPW, GroupTimeDiD
from causalrep.estimators.sensitivity import HonestDiD
from causalrep.estimators.sensitivity._fixed_length import _bends, shortest_interval
from causalrep.utils import DataError, UnknownNameError

from .test_anchors import table

SPREAD = (
    np.array([[4, 2, 1, 1, 1], [2, 3, 1, 1, 0], [1, 1, 3, 1, 1], [1, 1, 1, 4, 2], [1, 0, 1, 2, 5.0]]) / 100
)


@pytest.fixture
def study():
    return HonestDiD([0.1, 0.05, -0.02, 1.0, 1.5], SPREAD, n_before=3)


def test_parallel_trends_give_the_usual_interval(study):
    # the hybrid test spends a tenth of its level elsewhere: its critical value is 1.96 to three figures
    low, high = study.relative_magnitude(0).ci
    half = stats.norm.isf(0.025) * 0.2
    assert (low, high) == pytest.approx((1 - half, 1 + half), rel=1e-3)
    weights = np.array([0.5, 0.5])
    error = np.sqrt(weights @ SPREAD[3:, 3:] @ weights)
    assert study.relative_magnitude(0, weights=weights).ci == pytest.approx(
        (1.25 - 1.96 * error, 1.25 + 1.96 * error), rel=1e-3
    )


def test_without_sampling_error_the_interval_is_the_identified_set():
    study = HonestDiD([0.3, 0.1, 1.0, 1.5], np.eye(4) * 1e-10, n_before=2)
    # the breaks before the start are -0.2 and -0.1; one after the start is at most m times 0.2
    assert study.relative_magnitude(1).ci == pytest.approx((0.8, 1.2), abs=1e-3)
    assert study.relative_magnitude(0.5).ci == pytest.approx((0.9, 1.1), abs=1e-3)
    # the second effect has two breaks behind it, the mean of both one and a half
    assert study.relative_magnitude(1, weights=[0, 1]).ci == pytest.approx((1.1, 1.9), abs=1e-3)
    assert study.relative_magnitude(1, weights=[0.5, 0.5]).ci == pytest.approx((0.95, 1.55), abs=1e-3)
    assert study.relative_magnitude(1, weights=[-1, 1]).ci == pytest.approx((0.3, 0.7), abs=1e-3)


def test_the_eliminated_bound_is_that_of_a_linear_programme():
    rng = np.random.default_rng(0)
    for _ in range(5):
        weights = rng.normal(size=4)
        reach = np.sum(np.abs(np.cumsum(weights[::-1])))
        breaks = np.eye(4) - np.eye(4, k=-1)
        limits = np.ones(4)
        solved = linprog(
            -weights,
            A_ub=np.vstack([breaks, -breaks]),
            b_ub=np.append(limits, limits),
            bounds=[(None, None)] * 4,
        )
        assert reach == pytest.approx(-solved.fun)


@pytest.mark.parametrize("m", [0.0, 0.01, 0.1, 1.0])
def test_smoothness_has_the_shortest_interval_of_its_kind(m):
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=5), np.array([1.0, 0.0])
    times = np.array([-3.0, -2, -1, 1, 2])
    center, half = shortest_interval(values, SPREAD, 3, weights, m, 0.05)

    def length(free):
        v = np.append(free, 0.0)
        v[2] = times[3:] @ weights + times[:2] @ free  # straight lines cancel: sum of a t is zero
        a = np.append(v, weights)
        assert a @ times == pytest.approx(0)
        # the largest bias by a linear programme over all trends with bounded second differences
        error = np.sqrt(a @ SPREAD @ a)
        shift = m * np.abs(_bends(times) @ a).sum() / error
        return error * np.sqrt(stats.ncx2.ppf(0.95, 1, max(shift, 1e-9) ** 2)), a

    best = min(
        (minimize(lambda free: length(free)[0], start, method="Nelder-Mead") for start in np.eye(3)[:, :2]),
        key=lambda found: found.fun,
    )
    assert half == pytest.approx(best.fun, rel=1e-4)
    if m > 0:
        assert half <= best.fun * (1 + 1e-6)
    assert center == pytest.approx(length(best.x)[1] @ values, abs=0.02 * (1 + m))


def test_the_largest_bias_is_that_of_a_linear_programme():
    """Trends with second differences of at most 1 and the value 0 at the reference."""
    times = np.arange(-3, 3).astype(float)  # the reference is 0
    kept = times != 0
    rng = np.random.default_rng(2)
    a = rng.normal(size=5)
    a[0] -= (a @ times[kept]) / times[0]
    second = np.zeros((4, 6))
    for j in range(4):
        second[j, j : j + 3] = [1, -2, 1]
    solved = linprog(
        -np.insert(a, 3, 0.0),
        A_ub=np.vstack([second, -second]),
        b_ub=np.ones(8),
        A_eq=[np.eye(6)[3]],
        b_eq=[0],
        bounds=[(None, None)] * 6,
    )
    assert np.abs(_bends(times[kept]) @ a).sum() == pytest.approx(-solved.fun)


def test_a_straight_line_is_taken_out():
    times = np.array([-3.0, -2, -1, 1, 2])
    values = 0.4 * times + np.array([0, 0, 0, 1.0, 2.0])
    study = HonestDiD(values, SPREAD, n_before=3)
    assert np.mean(study.smoothness(0).ci) == pytest.approx(1)
    assert np.mean(study.smoothness(0, weights=[0, 1]).ci) == pytest.approx(2)
    one = HonestDiD([-0.4, 1.4], np.eye(2) * 0.01, n_before=1)
    assert one.smoothness(0).ci == pytest.approx(
        (1 - 1.96 * np.sqrt(0.02), 1 + 1.96 * np.sqrt(0.02)), abs=1e-3
    )
    assert one.smoothness(0.5).ci[0] < one.smoothness(0).ci[0] - 0.4


def test_weaker_assumptions_give_wider_intervals(study):
    for method in (study.relative_magnitude, study.smoothness):
        widths = [np.diff(method(m).ci)[0] for m in (0, 0.5, 1, 2)]
        assert np.all(np.diff(widths) > 0)
    assert study.relative_magnitude(study.breakdown()).ci[0] == pytest.approx(0, abs=5e-3)
    m = study.breakdown("smoothness")
    assert study.smoothness(m).ci[0] == pytest.approx(0, abs=1e-3)
    assert "break by at most 1 times" in str(study.relative_magnitude(1))


@pytest.mark.parametrize("m", [0.5, 1.0])
def test_intervals_cover_the_worst_trend(m):
    """The break after the start is m times the largest before, the slope bends by the bound: 150 draws."""
    rng = np.random.default_rng(5)
    root = np.linalg.cholesky(SPREAD)
    before = np.array([-0.6, -0.2, -0.1])  # breaks 0.4, 0.1 and 0.1
    worst = np.array([m * 0.4, 2 * m * 0.4])
    covered = 0
    for _ in range(150):
        drawn = np.append(before, 1 + worst) + root @ rng.normal(size=5)
        low, high = HonestDiD(drawn, SPREAD, n_before=3).relative_magnitude(m).ci
        covered += low <= 1 <= high
    assert covered / 150 >= 0.9  # 0.95 less 2.8 standard errors of 300 draws; it may be above


@pytest.mark.parametrize("m", [0.05, 0.3])
def test_fixed_lengths_cover_the_worst_trend(m):
    rng = np.random.default_rng(6)
    root = np.linalg.cholesky(SPREAD)
    times = np.array([-3.0, -2, -1, 1, 2])
    bent = m * times**2 / 2 + 0.3 * times
    _, half = shortest_interval(bent, SPREAD, 3, np.array([1.0, 0.0]), m, 0.05)
    truth = np.array([0, 0, 0, 1.0, 1.0])
    draws = truth + bent + rng.normal(size=(2000, 5)) @ root.T
    centers = [shortest_interval(draws[0], SPREAD, 3, np.array([1.0, 0.0]), m, 0.05)[0]]
    # the estimator is affine: its weights follow from unit estimates
    a = np.array([shortest_interval(row, SPREAD, 3, np.array([1.0, 0.0]), m, 0.05)[0] for row in np.eye(5)])
    assert a @ draws[0] == pytest.approx(centers[0])
    assert np.mean(np.abs(draws @ a - 1) <= half) >= 0.935  # three standard errors below 0.95


def panel(seed=0, n=400):
    rng = np.random.default_rng(seed)
    start = rng.choice([0, 3, 4], n)
    rows = [(g, t, i) for i, g in enumerate(start) for t in range(1, 6)]
    X = np.array(rows, dtype=float)
    return X, ((X[:, 0] > 0) & (X[:, 1] >= X[:, 0])) * 1.0 + X[:, 1] ** 2 + rng.normal(size=len(X))


def test_the_event_study_is_relative_to_the_last_period_before_the_start():
    X, y = panel()
    est = GroupTimeDiD(group=0, time=1, unit=2).fit(X, y)
    study = HonestDiD.from_event_study(est)
    wide = y.reshape(-1, 5)
    start = X[::5, 0]
    groups = {g: start == g for g in (3, 4)}
    expected = []
    for event in (-3, -2, 0, 1, 2):
        found, sizes = [], []
        for g, who in groups.items():
            at, base = int(g) + event - 1, int(g) - 2
            if 0 <= at < 5:
                change = wide[:, at] - wide[:, base]
                found.append(change[who].mean() - change[start == 0].mean())
                sizes.append(who.sum())
        expected.append(np.average(found, weights=sizes))
    np.testing.assert_allclose(study.estimates, expected)
    assert study.n_before == 2
    after = est.aggregate("event")
    k = after.names.index("0")
    assert study.estimates[2] == pytest.approx(after.estimate[k])
    assert np.sqrt(study.covariance[2, 2]) == pytest.approx(after.se[k])


def test_minimum_wages_do_not_stand_a_break_in_trends():
    """Under parallel trends the first effect is the published one; any break makes it uncertain."""
    data = table("did_mpdta/mpdta.csv")
    columns = ["first.treat", "year", "countyreal"]
    study = HonestDiD.from_event_study(GroupTimeDiD(*columns).fit(data[columns], data["lemp"]))
    found = study.relative_magnitude(0)
    assert found.estimate == pytest.approx(-0.0199, abs=1e-4)
    assert found.ci == pytest.approx((-0.0199 - 1.96 * 0.0118, -0.0199 + 1.96 * 0.0118), abs=1e-3)
    average = np.full(4, 0.25)
    assert study.relative_magnitude(0, weights=average).ci[1] < 0
    assert 0 < study.breakdown(weights=average) < 1


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda _: HonestDiD([1.0, 2.0], np.eye(3), n_before=1), DataError, "covariance"),
        (lambda _: HonestDiD([1.0, 2.0], np.eye(2), n_before=2), DataError, "n_before"),
        (lambda _: HonestDiD([1.0, np.nan], np.eye(2), n_before=1), DataError, "finite"),
        (lambda _: HonestDiD([1.0, 2.0], [[1, 0], [1, 1]], n_before=1), DataError, "symmetric"),
        (lambda s: s.relative_magnitude(-1), DataError, "`m`"),
        (lambda s: s.smoothness(1, alpha=0), DataError, "alpha"),
        (lambda s: s.smoothness(1, weights=[1]), DataError, "weights"),
        (lambda s: s.breakdown("smooth"), UnknownNameError, "smoothness"),
        (lambda _: HonestDiD.from_event_study(AIPW()), DataError, "GroupTimeDiD"),
    ],
)
def test_what_is_out_of_range_is_refused(study, call, error, match):
    with pytest.raises(error, match=match):
        call(study)
