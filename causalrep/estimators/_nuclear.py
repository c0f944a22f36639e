"""Panels with holes: the sum of a matrix of small nuclear norm and effects of rows and columns."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

__all__ = ["Completed", "additive_fit", "complete", "largest_penalty"]

Array = NDArray[np.float64]
Seen = NDArray[np.bool_]


@dataclass(frozen=True)
class Completed:
    """A whole panel.

    Parameters
    ----------
    fit : array of shape (n_units, n_periods)
        The sum.
    low_rank : array of shape (n_units, n_periods)
        The matrix of small nuclear norm, whose rows and columns have mean zero.
    n_iter : int
        Number of steps.
    """

    fit: Array
    low_rank: Array
    n_iter: int


def complete(
    y: Array,
    seen: Seen,
    penalty: float,
    *,
    start: Array | None = None,
    tolerance: float = 1e-6,
    max_iter: int = 5000,
) -> Completed:
    """Return the panel with the least half of squares where it is seen plus penalty times nuclear norm.

    With all cells known both parts have closed forms: means of rows and columns, and singular values less the
    penalty. So each step fills the holes with the last fit and fits again, accelerated by Nesterov's momentum
    that is dropped whenever it leads astray (O'Donoghue and Candes 2015).

    Parameters
    ----------
    y : array of shape (n_units, n_periods)
        Values; those not seen do not count.
    seen : bool array of shape (n_units, n_periods)
        Which cells are seen: at least one in each row and column.
    penalty : float of at least 0
        Of the nuclear norm.
    start : array of shape (n_units, n_periods), default=None
        A fit to begin with.
    tolerance : float, default=1e-6
        A step that changes the fit by less than this share of the spread of `y` is the last one.
    max_iter : int, default=5000
        Largest number of steps.

    Warns
    -----
    ConvergenceWarning
        After `max_iter` steps.
    """
    fit = np.full(y.shape, y[seen].mean()) if start is None else start
    smallest = tolerance * float(y[seen].std()) + 1e-300
    ahead, momentum, low_rank = fit, 1.0, np.zeros_like(y)
    for step in range(1, max_iter + 1):
        new, low_rank = _filled_fit(np.where(seen, y, ahead), penalty)
        change = new - fit
        if np.sqrt(np.mean((new - ahead) ** 2)) < smallest:
            return Completed(new, low_rank, step)
        if np.sum((ahead - new) * change) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / following * change
        fit, momentum = new, following
    text = f"the panel is not completed after {max_iter} steps; the penalty {penalty:.3g} is very small"
    warnings.warn(ConvergenceWarning(text), stacklevel=4)
    return Completed(fit, low_rank, max_iter)


def _filled_fit(filled: Array, penalty: float) -> tuple[Array, Array]:
    levels = _two_way(filled)
    left, values, right = np.linalg.svd(filled - levels, full_matrices=False)
    kept = values > penalty
    low_rank = (left[:, kept] * (values[kept] - penalty)) @ right[kept]
    return levels + low_rank, low_rank


def _two_way(whole: Array) -> Array:
    """Return the sum of the effects of rows and columns of a panel without holes."""
    rows, columns = whole.mean(axis=1, keepdims=True), whole.mean(axis=0, keepdims=True)
    return np.asarray(rows + columns - whole.mean())


def additive_fit(y: Array, seen: Seen) -> Array:
    """Return the least squares fit of effects of rows and columns to the cells that are seen."""
    rows, columns = np.nonzero(seen)
    design = np.hstack([np.eye(len(y))[rows], np.eye(y.shape[1])[columns]])
    effects = np.linalg.lstsq(design, y[seen], rcond=None)[0]
    return np.asarray(effects[: len(y), None] + effects[None, len(y) :])


def largest_penalty(y: Array, seen: Seen) -> float:
    """Return the penalty from which the matrix of small nuclear norm is zero."""
    return float(np.linalg.norm(np.where(seen, y - additive_fit(y, seen), 0.0), 2))
