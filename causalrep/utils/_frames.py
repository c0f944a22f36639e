"""One adapter between data frames of any library and named NumPy columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.utils._errors import DataError

__all__ = ["Columns", "columns_of", "frame_like", "is_frame"]

Columns: TypeAlias = dict[Hashable, NDArray[Any]]


def is_frame(data: object) -> bool:
    """Say whether `data` is an eager data frame (pandas, polars, pyarrow, ...)."""
    import narwhals as nw

    return bool(nw.dependencies.is_into_dataframe(data))


def columns_of(data: Any, *, names: Sequence[Hashable] | None = None, what: str = "data") -> Columns:
    """Return the columns of a frame, mapping or 2-D array as a dict of 1-D NumPy arrays.

    Parameters
    ----------
    data : data frame, mapping of name to array, or array of shape (n_rows, n_columns)
        Frames of pandas, polars and pyarrow are understood; column names are kept.
    names : sequence of hashable, optional
        Names for the columns of a plain array; default 0, 1, 2, ...
    what : str
        How the argument is called in error messages.

    Raises
    ------
    DataError
        For duplicate column names, ragged columns or an array that is not two-dimensional.
    """
    columns: Columns
    if isinstance(data, Mapping):
        columns = {name: np.asarray(values) for name, values in data.items()}
    elif is_frame(data):
        import narwhals as nw

        # the columns of a pyarrow table are the values, its names are elsewhere
        labels = list(getattr(data, "column_names", None) or getattr(data, "columns", []))
        if len(set(labels)) != len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise DataError(f"`{what}` has two columns named {twice!r}; names must be unique")
        if type(data).__module__.split(".")[0] == "pandas":  # keeps labels that are not strings
            columns = {label: data[label].to_numpy() for label in labels}
        else:
            frame = nw.from_native(data, eager_only=True)
            columns = {name: frame[name].to_numpy() for name in frame.columns}
    else:
        array = np.asarray(data)
        if array.ndim != 2:
            raise DataError(
                f"`{what}` must be a data frame, a mapping of columns or an array of shape "
                f"(n_rows, n_columns), got {type(data).__name__} of {array.ndim} dimension(s)"
            )
        labels = list(range(array.shape[1])) if names is None else list(names)
        if len(labels) != array.shape[1]:
            raise DataError(f"`{what}` has {array.shape[1]} columns but {len(labels)} names were given")
        columns = {label: array[:, j] for j, label in enumerate(labels)}
    lengths = {name: len(values) for name, values in columns.items() if values.ndim > 0}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the columns of `{what}` must have the same length, got {lengths}")
    return columns


def frame_like(columns: Mapping[Hashable, NDArray[Any]], like: Any = None) -> Any:
    """Return a frame of the library, and with the row index, of `like` (default pandas)."""
    module = type(like).__module__.split(".")[0] if like is not None else "pandas"
    if module in ("polars", "pyarrow"):
        import narwhals as nw

        backend = nw.from_native(like, eager_only=True).implementation
        return nw.from_dict({str(k): v for k, v in columns.items()}, backend=backend).to_native()
    import pandas as pd

    return pd.DataFrame(dict(columns), index=getattr(like, "index", None) if module == "pandas" else None)
