"""Roles of the columns for estimators that are no `EffectEstimator`: named once, or passed by keyword."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._data import read_table
from causalrep.utils import DataError

__all__ = ["check_given", "read_roles"]

Array = NDArray[np.float64]


def read_roles(
    estimator: Any,
    X: Any,
    given: Mapping[str, Any],
    *,
    optional: tuple[str, ...] = (),
    allow_nan: bool = False,
) -> tuple[Array, tuple[Any, ...], dict[str, NDArray[Any]], dict[str, Any]]:
    """Return covariates, their names, the values of each role, and the columns that the constructor names.

    Raises
    ------
    DataError
        If a role is given twice, or is missing and not optional.
    """
    columns = {role: getattr(estimator, role, None) for role in given}
    named = {role: column for role, column in columns.items() if column is not None}
    passed = {role: np.asarray(values) for role, values in given.items() if values is not None}
    check_given(estimator, named, given, [role for role in given if role not in optional])
    W, names, roles = read_table(estimator, X, named, reset=True, allow_nan=allow_nan)
    for role, values in passed.items():
        if len(values) != len(W):
            raise DataError(f"`{role}` must have one value for each of the {len(W)} rows, got {len(values)}")
    return W, names, roles | passed, named


def check_given(
    estimator: Any, named: Mapping[str, Any], given: Mapping[str, Any], needs: Iterable[str]
) -> None:
    """Raise a `DataError` for a role that is given twice, or is needed and missing."""
    needs = set(needs)
    for role, values in given.items():
        if values is not None and role in named:
            raise DataError(
                f"`{role}` is given twice: the constructor names {named[role]!r}, and fit got an array; "
                "give one of them"
            )
        if role in needs and values is None and role not in named:
            raise DataError(
                f"`{role}` is missing: name its column, {type(estimator).__name__}({role}='name'), "
                f"or pass its values, fit(X, y, {role}=values)"
            )
