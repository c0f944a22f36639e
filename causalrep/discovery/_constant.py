"""Columns that never change, about which no test can say anything."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, columns_of, is_frame

__all__ = ["HANDLINGS", "without_constant"]

#: What may be done with a constant column.
HANDLINGS = ("raise", "drop")


def without_constant(X: Any) -> tuple[Any, tuple[Hashable, ...]]:
    """Return the data without the columns that have one value only, missing ones apart, and their names.

    Data without such columns are returned as they are. Names are kept: what is left of an array is a mapping
    whose keys are the positions that the columns had.

    Raises
    ------
    DataError
        If `X` is an array of another library than NumPy, or all its columns are constant.
    """
    if not isinstance(X, (np.ndarray, Mapping)) and not is_frame(X):
        raise DataError(
            f'constant="drop" needs a data frame, a mapping or a NumPy array, got {type(X).__name__}; '
            "leave the constant columns out of it"
        )
    if isinstance(X, np.ndarray) and X.ndim != 2:
        return X, ()  # the test refuses it, in its own words
    columns = columns_of(X, what="X")
    dropped = tuple(name for name, values in columns.items() if len(values) and _is_constant(values))
    if not dropped:
        return X, ()
    if len(dropped) == len(columns):
        raise DataError(f"all columns of `X` are constant: {list(dropped)[:10]}")
    return {name: values for name, values in columns.items() if name not in dropped}, dropped


def _is_constant(values: NDArray[Any]) -> bool:
    if values.dtype.kind in "fc":
        values = values[~np.isnan(values)]
        return bool((values == values[:1]).all())
    if values.dtype.kind != "O":
        return bool((values == values[0]).all())
    # Only a missing value is not equal to itself.
    present = [value for value in values if value is not None and _equal(value, value)]
    return all(_equal(value, present[0]) for value in present)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except TypeError:  # pandas.NA refuses to be a truth value
        return False
