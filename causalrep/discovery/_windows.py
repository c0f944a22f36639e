"""Time series as tables: a row holds the values at one time and those before it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.independence._arrays import canonical_order, named_matrix, to_numpy
from causalrep.utils import DataError

__all__ = ["read_series", "window_names", "window_table"]

Names = tuple[Hashable, ...]


def read_series(X: Any) -> tuple[list[NDArray[np.float64]], Names]:
    """Return the stretches of time, each with its columns in canonical order, and the names as given.

    Parameters
    ----------
    X : data frame or array of shape (n_times, n_series), or list of them
        Rows in the order of time. Several tables are stretches that do not touch: other years, other
        subjects, with the same columns.
    """
    tables = list(X) if isinstance(X, (list, tuple)) else [X]
    if not tables:
        raise DataError("`X` must hold at least one table, got an empty list")
    read = [named_matrix(table) for table in tables]
    names = read[0][1]
    stretches = []
    for number, (matrix, own) in enumerate(read):
        if set(own) != set(names):
            raise DataError(
                f"all tables of `X` must have the columns {list(names)}, table {number} has {list(own)}"
            )
        place = {name: k for k, name in enumerate(own)}
        columns = [place[names[k]] for k in canonical_order(names)]
        stretches.append(np.asarray(to_numpy(matrix), dtype=np.float64)[:, columns])
    return stretches, names


def window_names(names: Sequence[Hashable], depth: int) -> Names:
    """Return (name, -lag) for the columns of `window_table`: all series now, one step ago, and so on."""
    return tuple((name, -lag) for lag in range(depth + 1) for name in names)


def window_table(stretches: Sequence[NDArray[np.float64]], depth: int, missing: str) -> NDArray[np.float64]:
    """Return the table of all windows of `depth` + 1 times, shape (n, (depth + 1) * n_series).

    Column ``lag * n_series + k`` holds series k, `lag` steps before the end of the window. No window reaches
    from one stretch into another. With ``missing="drop"`` those that hold a missing value are left out.
    """
    parts = []
    for matrix in stretches:
        if len(matrix) > depth:
            view = np.lib.stride_tricks.sliding_window_view(matrix, depth + 1, axis=0)[:, :, ::-1]
            parts.append(view.transpose(0, 2, 1).reshape(len(view), -1))
    table = np.concatenate(parts) if parts else np.empty((0, (depth + 1) * stretches[0].shape[1]))
    if missing == "drop":
        table = table[~np.isnan(table).any(axis=1)]
    if len(table) < 2:
        longest = max(len(matrix) for matrix in stretches)
        raise DataError(
            f"`X` must have rows for at least two windows of {depth + 1} times without missing values, "
            f"got {len(table)} from n_samples={longest} rows in the longest stretch; lower `max_lag`"
        )
    return table
