"""Pictures of designs: effects by time since a start, jumps at a cutoff, synthetic controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from causalrep.utils import DataError, optional_import

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_event_study", "plot_regression_discontinuity", "plot_synthetic_control"]

_BEFORE, _AFTER, _MARK = "0.5", "tab:blue", "0.6"


class _Effects(Protocol):
    estimate: Any
    ci: Any
    names: tuple[str, ...]


class _Discontinuity(Protocol):
    cutoff: float

    def binned_means(self, n_bins: int = ...) -> tuple[Any, Any]: ...

    def local_lines(self) -> tuple[Any, Any]: ...


class _Synthetic(Protocol):
    periods_: Any
    start_: Any
    observed_: Any
    synthetic_: Any


def plot_event_study(effects: _Effects, *, start: float = 0.0, ax: Axes | None = None) -> Axes:
    """Draw effects by time with their intervals: before the start they should be zero.

    Parameters
    ----------
    effects : EffectResult
        With numbers for names, as from ``GroupTimeDiD.aggregate("event")`` or ``SyntheticControl.effects()``;
        names that are no numbers, such as ``"average"``, are left out.
    start : float, default=0.0
        The first time that counts as treated.
    ax : matplotlib Axes, default=None
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        With one point and one bar for each time.

    Raises
    ------
    DataError
        If no name is a number.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import GroupTimeDiD
    >>> from causalrep.plotting import plot_event_study
    >>> start = np.arange(40) % 2 * 3
    >>> X = np.array([[g, t, i] for i, g in enumerate(start) for t in (1, 2, 3, 4)], dtype=float)
    >>> y = (X[:, 0] == 3) * (X[:, 1] >= 3) + X[:, 1] + np.random.default_rng(0).normal(size=160)
    >>> ax = plot_event_study(GroupTimeDiD(0, 1, 2).fit(X, y).aggregate("event"))
    >>> ax.get_xlabel()
    'time since the start'
    """
    times, rows = [], []
    for row, name in enumerate(effects.names):
        try:
            times.append(float(name))
        except ValueError:
            continue
        rows.append(row)
    if not rows:
        raise DataError(f"`effects` must be named by times, got {effects.names}")
    at, estimate = np.array(times), np.asarray(effects.estimate, dtype=float)[rows]
    low, high = np.asarray(effects.ci, dtype=float)[rows].T
    ax = _axes(ax)
    ax.axhline(0, color=_MARK, linewidth=0.8, zorder=1)
    for part, color, label in ((at < start, _BEFORE, "before"), (at >= start, _AFTER, "after")):
        if part.any():
            bars = np.array([estimate - low, high - estimate])[:, part]
            ax.errorbar(
                at[part], estimate[part], yerr=bars, fmt="o", color=color, capsize=3, label=label, zorder=2
            )
    if (at < start).any() and (at >= start).any():
        between = (at[at < start].max() + at[at >= start].min()) / 2
        ax.axvline(between, color=_MARK, linestyle=":", linewidth=0.8)
    ax.set_xlabel("time since the start" if start == 0 else "time")
    ax.set_ylabel("effect")
    return ax


def plot_regression_discontinuity(
    estimator: _Discontinuity, *, n_bins: int = 20, ax: Axes | None = None
) -> Axes:
    """Draw binned outcomes against the running variable, and the lines whose gap is the effect.

    Parameters
    ----------
    estimator : RegressionDiscontinuity
        A fitted one.
    n_bins : int, default=20
        Bins on each side of the cutoff.
    ax : matplotlib Axes, default=None
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        With points for the bins, and two lines within the bandwidth.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import RegressionDiscontinuity
    >>> from causalrep.plotting import plot_regression_discontinuity
    >>> x = np.random.default_rng(0).uniform(-1, 1, 500)
    >>> y = (x >= 0) + x + np.random.default_rng(1).normal(size=500)
    >>> ax = plot_regression_discontinuity(RegressionDiscontinuity(0).fit(x[:, None], y))
    >>> len(ax.lines)
    3
    """
    x, y = estimator.binned_means(n_bins)
    ends, heights = estimator.local_lines()
    ax = _axes(ax)
    ax.scatter(x, y, s=14, color=_BEFORE, zorder=2, label="means of bins")
    for end, height in zip(ends, heights, strict=True):
        ax.plot(end, height, color=_AFTER, linewidth=2, zorder=3)
    ax.axvline(estimator.cutoff, color=_MARK, linestyle=":", linewidth=0.8, zorder=1)
    ax.set_xlabel("running variable")
    ax.set_ylabel("outcome")
    return ax


def plot_synthetic_control(estimator: _Synthetic, *, ax: Axes | None = None) -> Axes:
    """Draw the treated and what it would have been without treatment, over time.

    Parameters
    ----------
    estimator : SyntheticControl, SyntheticDiD or MatrixCompletion
        A fitted one.
    ax : matplotlib Axes, default=None
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        With two lines, and a mark at the start.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import SyntheticControl
    >>> from causalrep.plotting import plot_synthetic_control
    >>> X = np.array([[i == 0 and t > 5, t, i] for i in range(5) for t in range(9)], dtype=float)
    >>> est = SyntheticControl(0, 1, 2).fit(X, np.random.default_rng(0).normal(size=45))
    >>> [line.get_label() for line in plot_synthetic_control(est).lines[:2]]
    ['treated', 'synthetic']
    """
    ax = _axes(ax)
    ax.plot(estimator.periods_, estimator.observed_, color="0.1", label="treated")
    ax.plot(estimator.periods_, estimator.synthetic_, color=_AFTER, linestyle="--", label="synthetic")
    ax.axvline(estimator.start_, color=_MARK, linestyle=":", linewidth=0.8)
    ax.set_xlabel("period")
    ax.set_ylabel("outcome")
    ax.legend(frameon=False)
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    plt = optional_import("matplotlib.pyplot", extra="plot", purpose="drawing")
    made: Axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")[1]
    return made
