"""Pictures of whether two arms can be compared: propensities by arm, and balance by covariate."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from causalrep.plotting._mechanisms import _axes
from causalrep.utils import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_balance", "plot_overlap"]

Array = NDArray[np.float64]

_TREATED, _CONTROL = "tab:orange", "tab:blue"


class _Balance(Protocol):
    """What `plot_balance` reads: the `balance_` or `overlap_` of an estimator."""

    @property
    def difference_before(self) -> Array: ...
    @property
    def difference_after(self) -> Array: ...
    @property
    def names(self) -> tuple[Hashable, ...]: ...


class _Overlap(Protocol):
    """What `plot_overlap` reads: the `overlap_` of an estimator."""

    @property
    def propensity(self) -> Array: ...
    @property
    def treated(self) -> NDArray[np.bool_]: ...
    @property
    def min_propensity(self) -> float: ...
    @property
    def crump_alpha(self) -> float: ...


def plot_overlap(overlap: _Overlap, *, ax: Axes | None = None, n_bins: int = 25) -> Axes:
    """Draw how often each probability of treatment occurs in both arms.

    Treated rows are drawn upwards and controls downwards. Where one side is empty, nothing in the data tells
    what the other arm would have done; dotted lines are the limits to which propensities are moved, and the
    shaded ends what trimming would leave out (Crump et al. 2009).

    Parameters
    ----------
    overlap : Overlap
        The attribute `overlap_` of a fitted estimator.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.
    n_bins : int, default=25
        Number of bars from 0 to 1.

    Returns
    -------
    matplotlib Axes
        With one group of bars for each arm.

    Raises
    ------
    DataError
        If the estimator has no propensities, or `n_bins` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import AIPW
    >>> from causalrep.plotting import plot_overlap
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 1))
    >>> t = (rng.random(200) < 1 / (1 + np.exp(-z[:, 0] / 2))).astype(int)
    >>> ax = plot_overlap(AIPW(cv=2, random_state=0).fit(z, z[:, 0] + t, treatment=t).overlap_)
    >>> ax.get_xlabel()
    'probability of treatment'
    """
    if not hasattr(overlap, "propensity"):
        raise DataError(f"`overlap` must have propensities, got {type(overlap).__name__}; see plot_balance")
    if n_bins < 1:
        raise DataError(f"`n_bins` must be at least 1, got {n_bins}")
    ax = _axes(ax)
    edges = np.linspace(0, 1, n_bins + 1)
    arms = (("treated", overlap.treated, 1, _TREATED), ("control", ~overlap.treated, -1, _CONTROL))
    for label, rows, sign, color in arms:
        counts, _ = np.histogram(overlap.propensity[rows], edges)
        ax.bar(edges[:-1], sign * counts, width=1 / n_bins, align="edge", color=color, label=label)
    for limit in (overlap.min_propensity, 1 - overlap.min_propensity):
        ax.axvline(limit, color="0.3", linestyle=":", linewidth=1)
    if overlap.crump_alpha > 0:
        for span in ((0.0, overlap.crump_alpha), (1 - overlap.crump_alpha, 1.0)):
            ax.axvspan(*span, color="0.85", zorder=0)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.set_xlim(0, 1)
    ax.set_xlabel("probability of treatment")
    ax.set_ylabel("rows")
    ax.legend()
    return ax


def plot_balance(balance: _Balance, *, ax: Axes | None = None, threshold: float = 0.1) -> Axes:
    """Draw how far the arms are apart in each covariate, without and with weights (a love plot).

    Parameters
    ----------
    balance : Balance or Overlap
        The attribute `balance_` or `overlap_` of a fitted estimator.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.
    threshold : float above 0, default=0.1
        Where the dotted lines are: beyond them the arms differ.

    Returns
    -------
    matplotlib Axes
        One line of points without and one with weights; the covariate that differs most is on top.

    Raises
    ------
    DataError
        If there are no covariates, or `threshold` is not above zero.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import EntropyBalancing
    >>> from causalrep.plotting import plot_balance
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 2))
    >>> t = (rng.random(200) < 1 / (1 + np.exp(-z[:, 0]))).astype(int)
    >>> ax = plot_balance(EntropyBalancing().fit(z, z[:, 0] + t, treatment=t).balance_)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['1', '0']
    """
    if not len(balance.names):
        raise DataError("there are no covariates to compare the arms in")
    if not threshold > 0:
        raise DataError(f"`threshold` must be above 0, got {threshold}")
    ax = _axes(ax)
    order = np.argsort(np.abs(balance.difference_before), kind="stable")
    rows = np.arange(len(order))
    before, after = balance.difference_before[order], balance.difference_after[order]
    ax.hlines(rows, before, after, color="0.8", linewidth=1, zorder=1)
    ax.plot(before, rows, "o", markerfacecolor="none", color="0.4", label="without weights")
    ax.plot(after, rows, "o", color="tab:green", label="with weights")
    for limit in (-threshold, threshold):
        ax.axvline(limit, color="0.3", linestyle=":", linewidth=1)
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_yticks(rows, [str(balance.names[k]) for k in order])
    ax.set_xlabel("difference of means, in standard deviations")
    ax.legend()
    return ax
