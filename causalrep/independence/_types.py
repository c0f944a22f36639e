"""Which columns of a mixed table are numbers and which are categories."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.independence._correlation import refuse_constant
from causalrep.utils import DataError, UnknownNameError

__all__ = ["checked_types", "numbers_of"]

_KINDS = ("continuous", "categorical")


def checked_types(
    types: Mapping[Hashable, str] | None,
    columns: Mapping[Hashable, NDArray[Any]] | None = None,
    X: Any = None,
) -> dict[Hashable, str]:
    """Return what each column is: what `types` says, else categorical iff it does not hold numbers.

    Where the columns are those of a pandas frame or mapping `X`, its categories are categorical whatever they
    hold.

    Raises
    ------
    UnknownNameError
        If `types` names something that is not among the columns, where they are given, or an unknown type.
    """
    chosen = dict(types or {})
    for name, kind in chosen.items():
        if kind not in _KINDS:
            raise UnknownNameError(kind, _KINDS, what=f"the type of {name!r}")
        if columns is not None and name not in columns:
            raise UnknownNameError(name, tuple(columns), what="`types`")
    for name in columns or {}:
        if hasattr(X, "keys") and getattr(getattr(X[name], "dtype", None), "name", "") == "category":
            chosen.setdefault(name, "categorical")
    return {name: chosen.get(name, _kind(values)) for name, values in (columns or {}).items()}


def numbers_of(values: NDArray[Any], name: Hashable) -> NDArray[np.float64]:
    """Return a column declared continuous as float64.

    Raises
    ------
    DataError
        If it holds something else than finite numbers, or a single one.
    """
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name!r} of `X` is declared continuous, but holds non-numbers") from error
    if not np.isfinite(numbers).all():
        n_bad = int((~np.isfinite(numbers)).sum())
        raise DataError(f"column {name!r} is not finite: {n_bad} entries hold NaN or infinity")
    refuse_constant(np.array([numbers.min() == numbers.max()]), [name])
    return numbers


def _kind(values: NDArray[Any]) -> str:
    if values.dtype.kind in "iuf":
        return "continuous"
    if values.dtype.kind == "O" and not any(isinstance(value, (str, bytes, bool)) for value in values):
        try:
            values.astype(np.float64)
        except (TypeError, ValueError):
            return "categorical"
        return "continuous"
    return "categorical"
