"""Panels: units seen once in each period, and blocks of them that are treated from some period on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from causalrep.estimators._data import of_length
from causalrep.utils import DataError

__all__ = ["Block", "balanced", "block_of"]

Array = NDArray[np.float64]


def balanced(unit: Any, time: Any, n: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    """Return the units, the periods, and the order of rows that puts periods in units.

    Raises
    ------
    DataError
        If a unit is not seen exactly once in each period.
    """
    units, i = np.unique(_labels(unit, n, "unit"), return_inverse=True)
    periods, t = np.unique(_labels(time, n, "time"), return_inverse=True)
    counts = np.zeros((len(units), len(periods)), dtype=int)
    np.add.at(counts, (i, t), 1)
    if (counts != 1).any():
        row, column = np.argwhere(counts != 1)[0]
        raise DataError(
            f"each `unit` must be seen exactly once in each period; {units[row]} is seen "
            f"{counts[row, column]} times in {periods[column]}"
        )
    return units, periods, np.lexsort((t, i))


def _labels(values: Any, n: int, what: str) -> NDArray[Any]:
    raw = of_length(column_or_1d(np.asarray(values)), n, what)
    if raw.dtype.kind in "fc" and not np.isfinite(raw).all():
        raise DataError(f"`{what}` contains NaN or infinity")
    return raw.astype(str) if raw.dtype == object else raw


@dataclass(frozen=True)
class Block:
    """A panel in which some units are treated from a period on, all together, and stay so.

    Parameters
    ----------
    y : array of shape (n_units, n_periods)
        Outcomes.
    W : array of shape (n_units, n_periods, n_covariates)
        Covariates.
    treated : bool array of shape (n_units,)
        Which units are treated.
    n_before : int
        Number of periods before the start.
    """

    y: Array
    W: Array
    treated: NDArray[np.bool_]
    n_before: int


def block_of(y: Array, W: Array, state: Array, periods: NDArray[Any]) -> Block:
    """Return the block that a matrix of states of shape (n_units, n_periods) describes."""
    treated = np.asarray(state.any(axis=1), dtype=np.bool_)
    first = np.where(treated, state.argmax(axis=1), 0)[treated]
    if treated.all():
        raise DataError("there is no overlap: all units are treated, and nobody is left to compare with")
    n_before = int(first[0])
    whole = np.zeros_like(state)
    whole[np.ix_(treated, np.arange(n_before, state.shape[1]))] = 1
    if not np.array_equal(whole, state):
        raise DataError(
            "`treatment` must be the state, 1 from a period on that is the same for all treated units, and "
            "0 before and elsewhere; GroupTimeDiD takes units that start at different times"
        )
    if n_before < 2:
        raise DataError(f"there must be two periods before the start, {periods[n_before]}; got {n_before}")
    return Block(y, W, treated, n_before)
