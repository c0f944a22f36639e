"""Tables of discrete variables as integer codes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, namespace_of, placed, to_numpy
from causalrep.independence._correlation import refuse_few_complete
from causalrep.utils import DataError, columns_of, is_frame

__all__ = ["coded_columns", "compressed_rows"]

Ints = NDArray[np.int64]


def coded_columns(
    X: Any, *, missing: str, device: Any = None
) -> tuple[Ints, list[int], tuple[Hashable, ...], Array]:
    """Return the states of each column as 0, 1, ..., with -1 where a value is missing.

    Parameters
    ----------
    X : data frame, mapping or array of shape (n, d)
        Of anything that can be told apart.
    missing : {"raise", "drop", "testwise"}
        Whether a missing value is an error, or costs its row.
    device : device, optional
        Where answers should be, if not where `X` is.

    Returns
    -------
    codes : array of shape (d, n), int64
    cards : list of d int
        Number of states of each column.
    names : tuple of hashable
    like : array
        Of the library and device that answers should have.

    Raises
    ------
    DataError
        For missing values, constant columns, columns that are not discrete, and tables without rows.
    """
    like: Array = np.empty(0)
    if is_array_api_obj(X) and not is_frame(X) and not isinstance(X, np.ndarray):
        like, X = X, to_numpy(X)
        like = namespace_of(like).zeros((1,), device=like.device)
    like = placed(like, device)
    columns = columns_of(X, what="X")
    if not columns:
        raise DataError("`X` has 0 feature(s) while a minimum of 1 is required.")
    n = len(next(iter(columns.values())))
    if n < 2:
        raise DataError(f"a test of independence needs at least 2 rows, got n_samples = {n}")
    if missing == "drop":
        kept = ~np.any([_absent(values) for values in columns.values()], axis=0)
        refuse_few_complete(int(kept.sum()), n, 2)
        columns = {name: values[kept] for name, values in columns.items()}
    codes, cards = [], []
    for name, values in columns.items():
        code, card = _coded(values, name, missing)
        codes.append(code)
        cards.append(card)
    return np.stack(codes), cards, tuple(columns), like


def _coded(values: NDArray[Any], name: Hashable, missing: str) -> tuple[Ints, int]:
    if values.dtype.kind == "c":
        raise DataError(f"Complex data not supported: column {name!r} of `X` has dtype {values.dtype}")
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise DataError(f"column {name!r} of `X` holds infinity (inf), which is no state")
    absent = _absent(values)
    if absent.any() and missing == "raise":
        raise DataError(
            f"column {name!r} of `X` has {int(absent.sum())} missing values (NaN); "
            'impute them, or set `missing` to "drop" or "testwise"'
        )
    present = values[~absent]
    if values.dtype.kind == "O":
        position: dict[Any, int] = {}
        states = np.array([position.setdefault(value, len(position)) for value in present], dtype=np.int64)
        card = len(position)
    else:
        distinct, states = np.unique(present, return_inverse=True)
        card = len(distinct)
    if card < 2:
        raise DataError(f"column {name!r} of `X` is constant, so no dependence on it can be tested; drop it")
    if card > 10 and 2 * card > len(present):
        raise DataError(
            f"column {name!r} of `X` has {card} different values in {len(present)} rows, but a test for "
            "discrete variables needs few states; bin it, or use a test for continuous variables"
        )
    code = np.full(len(values), -1, dtype=np.int64)
    code[~absent] = states.reshape(-1)
    return code, card


def _absent(values: NDArray[Any]) -> NDArray[np.bool_]:
    absent = np.zeros(len(values), dtype=bool)
    if values.dtype.kind == "f":
        absent |= np.isnan(values)
    elif values.dtype.kind in "mM":
        absent |= np.isnat(values)
    elif values.dtype.kind == "O":  # only a missing value differs from itself
        absent |= np.array([value is None or _differs_from_itself(value) for value in values], dtype=bool)
    return absent


def _differs_from_itself(value: Any) -> bool:
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA refuses to be a truth value
        return True


def compressed_rows(codes: Ints, cards: list[int]) -> tuple[Ints, Ints | None]:
    """Return the different rows and how often each occurs, where that at least halves the data.

    Parameters
    ----------
    codes : array of shape (d, n), int64
    cards : list of d int

    Returns
    -------
    codes : array of shape (d, m), int64
    counts : array of shape (m,), int64, or None
        None where the rows were left as they are.
    """
    n = codes.shape[1]
    row = np.zeros(n, dtype=np.int64)
    n_different = 1
    for code, card in zip(codes, cards, strict=True):
        # Renumbered after every column, the codes stay far below 2**63.
        different, row = np.unique(row * (card + 1) + code + 1, return_inverse=True)
        row, n_different = row.reshape(-1), len(different)
        if 2 * n_different > n:
            return codes, None
    counts = np.bincount(row, minlength=n_different)
    first = np.empty(n_different, dtype=np.int64)
    first[row[::-1]] = np.arange(n - 1, -1, -1)
    return np.ascontiguousarray(codes[:, first]), counts
