"""Pictures of effects: estimates with intervals, effects along a covariate, and who is treated first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from causalrep.utils import DataError, optional_import

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_cate", "plot_effects", "plot_qini"]

_LINE, _BAND = "tab:blue", 0.2


def plot_effects(
    names: Sequence[str], estimates: ArrayLike, intervals: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Draw estimates below each other, each with its interval.

    Parameters
    ----------
    names : sequence of str
        What each is called.
    estimates : array of shape (n_effects,)
        The estimates.
    intervals : array of shape (n_effects, 2)
        Their limits.
    ax : matplotlib Axes, default=None
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib Axes
        The first effect is on top, and a dashed line marks zero.

    Raises
    ------
    DataError
        If there is not one estimate and one interval for each name.

    Examples
    --------
    >>> from causalrep.plotting import plot_effects
    >>> ax = plot_effects(["adjusted", "raw"], [1.0, 1.7], [[0.8, 1.2], [1.5, 1.9]])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['adjusted', 'raw']
    """
    middle = np.asarray(estimates, dtype=float)
    limits = np.asarray(intervals, dtype=float)
    if middle.shape != (len(names),) or limits.shape != (len(names), 2):
        raise DataError(
            f"there must be an estimate and an interval for each of {len(names)} names, got shapes "
            f"{middle.shape} and {limits.shape}"
        )
    axes = _axes(ax)
    rows = np.arange(len(names))
    axes.axvline(0, color="0.5", linewidth=1, linestyle="--")
    axes.hlines(rows, limits[:, 0], limits[:, 1], color=_LINE)
    axes.plot(middle, rows, "o", color=_LINE)
    axes.set_yticks(rows, list(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("effect")
    return axes


def plot_cate(effects: Any, values: ArrayLike, *, ax: Axes | None = None, name: str = "") -> Axes:
    """Draw the effect along a covariate, with its pointwise interval.

    Parameters
    ----------
    effects : EffectResult or array of shape (n_rows,)
        What `interval` or `predict` of an estimator gives for some rows.
    values : array of shape (n_rows,)
        The covariate in these rows.
    ax : matplotlib Axes, default=None
        Where to draw; default: a new figure.
    name : str, default=""
        Name of the covariate; default: that of `values`, if it is a series.

    Returns
    -------
    matplotlib Axes
        A line where no two rows have the same value, else a dot for each row; the band is the interval.

    Raises
    ------
    DataError
        If there is not one value for each effect.

    Examples
    --------
    >>> from causalrep.plotting import plot_cate
    >>> ax = plot_cate([0.0, 1.0, 4.0], [0, 1, 2], name="age")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('age', 'effect')
    """
    middle = np.atleast_1d(np.asarray(getattr(effects, "estimate", effects), dtype=float))
    x = np.asarray(values, dtype=float)
    if x.shape != middle.shape:
        raise DataError(f"`values` must have one value for each of {len(middle)} effects, got {x.shape}")
    axes = _axes(ax)
    order = np.argsort(x, kind="stable")
    is_curve = len(np.unique(x)) == len(x)
    axes.plot(x[order], middle[order], "-" if is_curve else ".", color=_LINE)
    if hasattr(effects, "ci"):
        limits = np.reshape(np.asarray(effects.ci, dtype=float), (-1, 2))[order]
        if is_curve:
            axes.fill_between(x[order], limits[:, 0], limits[:, 1], color=_LINE, alpha=_BAND, linewidth=0)
        else:
            axes.vlines(x[order], limits[:, 0], limits[:, 1], color=_LINE, alpha=_BAND)
    axes.axhline(0, color="0.5", linewidth=1, linestyle="--")
    axes.set_xlabel(name or str(getattr(values, "name", None) or ""))
    axes.set_ylabel("effect")
    return axes


def plot_qini(shares: ArrayLike, gains: ArrayLike, *, ax: Axes | None = None, label: str = "") -> Axes:
    """Draw what treating those first whom a model puts first gains, against treating at random.

    Parameters
    ----------
    shares : array of shape (n_points,)
        Shares of the population that are treated, from 0 to 1.
    gains : array of shape (n_points,)
        What is gained, as `qini_curve` or `uplift_curve` of `causalrep.estimators` give it.
    ax : matplotlib Axes, default=None
        Where to draw; default: a new figure. Several models can be drawn into one.
    label : str, default=""
        Name of the model, for a legend.

    Returns
    -------
    matplotlib Axes
        The curve, and the straight line of a random order.

    Raises
    ------
    DataError
        If shares and gains are not of one length.

    Examples
    --------
    >>> from causalrep.plotting import plot_qini
    >>> ax = plot_qini([0, 0.5, 1], [0, 30, 40])
    >>> ax.get_xlabel()
    'share treated'
    """
    x, gain = np.asarray(shares, dtype=float), np.asarray(gains, dtype=float)
    if x.ndim != 1 or x.shape != gain.shape or len(x) < 2:
        raise DataError(f"`shares` and `gains` must have one length above 1, got {x.shape} and {gain.shape}")
    axes = _axes(ax)
    axes.plot(x, gain, label=label or None)
    axes.plot(x[[0, -1]], gain[[0, -1]], color="0.5", linewidth=1, linestyle="--")
    axes.set_xlabel("share treated")
    axes.set_ylabel("gain")
    if label:
        axes.legend(frameon=False)
    return axes


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    plt = optional_import("matplotlib.pyplot", extra="plot", purpose="drawing")
    made: Axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")[1]
    return made
