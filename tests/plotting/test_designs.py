"""Pictures of designs: what is drawn is what was estimated."""

import numpy as np
import pytest

from causalrep.estimators import GroupTimeDiD, RegressionDiscontinuity, SyntheticControl, SyntheticDiD
from causalrep.plotting import plot_event_study, plot_regression_discontinuity, plot_synthetic_control
from causalrep.utils import DataError

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def ax():
    return figures.Figure().add_subplot()


def staggered():
    rng = np.random.default_rng(0)
    start = rng.choice([0, 3, 4], 90)
    X = np.array([[g, t, i] for i, g in enumerate(start) for t in range(1, 6)], dtype=float)
    y = (X[:, 0] > 0) * (X[:, 1] >= X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=450)
    return GroupTimeDiD(0, 1, 2).fit(X, y)


def test_an_event_study_has_a_point_and_a_bar_for_each_time(ax):
    effects = staggered().aggregate("event")
    assert plot_event_study(effects, ax=ax) is ax
    before, after = ax.containers
    np.testing.assert_allclose(before.lines[0].get_data(), [[-2, -1], effects.estimate[:2]])
    np.testing.assert_allclose(after.lines[0].get_data(), [[0, 1, 2], effects.estimate[2:5]])
    bars = np.array([segment[:, 1] for segment in after.lines[2][0].get_segments()])
    np.testing.assert_allclose(bars, effects.ci[2:5])
    assert ax.lines[-1].get_xdata()[0] == -0.5  # between the last time before and the first after


def test_an_event_study_needs_times(ax):
    with pytest.raises(DataError, match="named by times"):
        plot_event_study(staggered().att_gt(), ax=ax)


def test_lines_end_at_the_cutoff_with_the_gap_between_them(ax):
    rng = np.random.default_rng(1)
    x = rng.uniform(2, 4, 600)
    y = 1.5 * (x >= 3) + x**2 + 0.3 * rng.normal(size=600)
    est = RegressionDiscontinuity(0, cutoff=3.0).fit(x[:, None], y)
    assert plot_regression_discontinuity(est, n_bins=5, ax=ax) is ax
    left, right = (line.get_data() for line in ax.lines[:2])
    assert left[0][1] == right[0][0] == 3.0
    assert right[1][0] - left[1][1] == pytest.approx(est.ate().estimate)
    assert right[0][1] - 3.0 == pytest.approx(est.bandwidth_)
    points = ax.collections[0].get_offsets()
    assert len(points) == 10
    edge = (x >= 3) & (x < 3 + (x.max() - 3) / 5)
    np.testing.assert_allclose(points[5], [x[edge].mean(), y[edge].mean()])
    with pytest.raises(DataError, match="`n_bins`"):
        est.binned_means(0)


@pytest.mark.parametrize("kind", [SyntheticControl, SyntheticDiD])
def test_the_gap_of_the_two_paths_is_the_effect(kind, ax):
    rng = np.random.default_rng(2)
    X = np.array([[i == 0 and t >= 1996, t, i] for i in range(6) for t in range(1990, 2000)], dtype=float)
    est = kind(0, 1, 2).fit(X, rng.normal(size=60))
    assert plot_synthetic_control(est, ax=ax) is ax
    treated, synthetic = (line.get_ydata() for line in ax.lines[:2])
    assert (treated - synthetic)[6:].mean() == pytest.approx(est.att().estimate)
    assert ax.lines[2].get_xdata()[0] == 1996


def test_effects_of_calendar_time_go_with_their_start(ax):
    rng = np.random.default_rng(2)
    X = np.array([[i == 0 and t >= 1996, t, i] for i in range(6) for t in range(1990, 2000)], dtype=float)
    effects = SyntheticControl(0, 1, 2).fit(X, rng.normal(size=60)).effects()
    plot_event_study(effects, start=1996, ax=ax)
    before, after = ax.containers
    assert (len(before.lines[0].get_xdata()), len(after.lines[0].get_xdata())) == (6, 4)
    assert ax.get_xlabel() == "time"
