"""Discrete distributions as arrays: read from a table of probabilities or counted from data."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, UnknownNameError, columns_of

__all__ = ["Joint", "States", "read_joints"]

States: TypeAlias = dict[Hashable, tuple[Hashable, ...]]

#: How far a table of probabilities may be from summing to one, or below zero: rounding, not mistakes.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Joint:
    """A joint distribution: one axis of `array` per name, one cell per state.

    Attributes
    ----------
    names : tuple of hashable
        The variables, in the order of the axes.
    states : dict
        The values that each variable can take, in the order of its axis.
    array : ndarray
        Probabilities; they sum to one.
    n_rows : int or None
        How many rows of data were counted; None for a table of probabilities.
    """

    names: tuple[Hashable, ...]
    states: States
    array: NDArray[np.float64]
    n_rows: int | None = None

    def marginal(self, keep: Sequence[Hashable]) -> NDArray[np.float64]:
        """Return the joint array of some variables, with the axes in the order asked for."""
        away = tuple(i for i, name in enumerate(self.names) if name not in keep)
        left = [name for name in self.names if name in keep]
        summed: NDArray[np.float64] = self.array.sum(axis=away)
        moved: NDArray[np.float64] = np.transpose(summed, [left.index(name) for name in keep])
        return moved

    def probability(self, event: Mapping[Hashable, Hashable]) -> float:
        """Return the probability that the named variables take these values."""
        index = tuple(self.states[name].index(value) for name, value in event.items())
        return float(self.marginal(list(event))[index])


def read_joints(
    sources: Sequence[tuple[str, Any]],
    known: Iterable[Hashable],
    states: Mapping[Hashable, Any] | None = None,
    *,
    seen: Iterable[tuple[Hashable, Hashable]] = (),
) -> list[Joint]:
    """Return the distributions of several tables or data sets on common states.

    Parameters
    ----------
    sources : sequence of (str, table)
        How each is called in errors, and the table: one row per state with its probability in the
        column ``"p"``, or data without such a column, one row per unit.
    known : iterable of hashable
        The names that columns may have.
    states : mapping of name to sequence, default=None
        The values that a variable can take where the tables do not show them all.
    seen : iterable of (name, value), default=()
        Values that occur elsewhere.

    Returns
    -------
    list of Joint
        In the order of `sources`.

    Raises
    ------
    DataError
        For probabilities that are negative, not finite or do not sum to one, states listed twice,
        missing values, no rows, or continuous data.
    UnknownNameError
        For a column that names no variable.
    """
    known = tuple(known)
    columns = [(what, _columns(table, known, what)) for what, table in sources]
    given = {name: tuple(values) for name, values in (states or {}).items()}
    for name in given:
        if name not in known:
            raise UnknownNameError(name, known, what="`states`")
    merged: dict[Hashable, list[Hashable]] = {name: list(values) for name, values in given.items()}
    elsewhere = [("the experiments", {name: [_plain(value)]}) for name, value in seen]
    for what, values_of in [*((what, found) for what, (found, _) in columns), *elsewhere]:
        for name, values in values_of.items():
            before = merged.setdefault(name, [])
            new = [value for value in dict.fromkeys(values) if value not in before]
            if new and name in given:
                raise DataError(f"`{what}` has {name!r} = {new[0]!r}, which `states` does not list")
            before += new
    ordered = {name: values if name in given else _ordered(values) for name, values in merged.items()}
    final: States = {name: tuple(values) for name, values in ordered.items()}
    return [_count(values_of, p, final, what) for what, (values_of, p) in columns]


def _columns(
    table: Any, known: tuple[Hashable, ...], what: str
) -> tuple[dict[Hashable, list[Hashable]], NDArray[np.float64] | None]:
    columns = dict(columns_of(table, what=what))
    p = None
    if "p" in columns and "p" not in known:
        p = _probabilities(columns.pop("p"), what)
    for name in columns:
        if name not in known:
            raise UnknownNameError(name, known, what=f"a column of `{what}`")
    values_of = {name: [_plain(value) for value in column.tolist()] for name, column in columns.items()}
    if any(not values for values in values_of.values()):
        raise DataError(f"`{what}` must have at least one row, got none")
    for name, values in values_of.items():
        if any(value is None or value != value for value in values):
            raise DataError(f"`{what}` must not have missing values, got one in the column {name!r}")
    return values_of, p


def _plain(value: Any) -> Hashable:
    """Return 1 for 1.0, so that a column of whole floats means the same states as one of integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    plain: Hashable = value
    return plain


def _probabilities(column: NDArray[Any], what: str) -> NDArray[np.float64]:
    try:
        p = np.asarray(column, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"the column 'p' of `{what}` must hold numbers, got {column.dtype}") from error
    if not np.isfinite(p).all():
        raise DataError(f"the probabilities of `{what}` must be finite, got {p[~np.isfinite(p)][0]}")
    if p.size and p.min() < -ROUNDING:
        raise DataError(f"the probabilities of `{what}` must not be negative, got {p.min():.6g}")
    if abs(p.sum() - 1) > ROUNDING:
        raise DataError(f"the probabilities of `{what}` must sum to one, got {p.sum():.6g}")
    shares: NDArray[np.float64] = np.clip(p, 0, None)
    return shares / float(shares.sum())


def _ordered(values: list[Hashable]) -> list[Hashable]:
    try:
        return sorted(values)  # type: ignore[type-var]  # whether they can be compared is what we ask
    except TypeError:
        return values


def _count(
    values_of: dict[Hashable, list[Hashable]], p: NDArray[np.float64] | None, states: States, what: str
) -> Joint:
    names = tuple(values_of)
    place = {name: {value: i for i, value in enumerate(states[name])} for name in names}
    shape = [len(states[name]) for name in names]
    if np.prod([float(size) for size in shape]) > 1e7:
        raise DataError(
            f"`{what}` must be discrete: its columns have {shape} different values, too many cells to count"
        )
    cells = np.array([[place[name][value] for value in values_of[name]] for name in names], dtype=int)
    n_rows = cells.shape[1] if names else 1
    flat = np.ravel_multi_index(tuple(cells), shape) if names else np.zeros(n_rows, dtype=int)
    if p is not None and np.unique(flat).size < flat.size:
        twice = np.flatnonzero(np.bincount(flat) > 1)[0]
        state = {name: states[name][i] for name, i in zip(names, np.unravel_index(twice, shape), strict=True)}
        raise DataError(f"`{what}` must list each state once, got {state} twice")
    weights = np.full(n_rows, 1 / n_rows) if p is None else p
    array = np.bincount(flat, weights=weights, minlength=int(np.prod(shape))).astype(float)
    return Joint(names, states, array.reshape(shape), n_rows if p is None else None)
