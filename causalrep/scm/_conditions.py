"""What an event asks of a node: a value, one of several, an interval, or a predicate."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._arrays import as_array, to_numpy
from causalrep.scm._mechanism import Array
from causalrep.utils import DataError

__all__ = ["Condition", "Equal", "Interval", "OneOf", "Where", "as_condition", "as_event", "is_missing"]

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Interval:
    """The event that a number lies between two bounds, both included.

    Parameters
    ----------
    low, high : float
        The bounds; infinite by default, so that ``Interval(low=2)`` is "at least 2".

    Examples
    --------
    >>> from causalrep.scm import SCM, Interval, Normal
    >>> float(SCM(mechanisms={"X": Normal(0, 1)}).probability({"X": Interval(high=0)}))
    0.5
    """

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise DataError(f"an Interval needs `low` <= `high`, got {self.low} and {self.high}")

    def mask(self, values: Array) -> Mask:
        """Return which of the values lie inside, shape (n,)."""
        array = to_numpy(values)
        if array.dtype.kind not in "biuf":
            raise DataError(f"an Interval needs numbers, got values of dtype {array.dtype}")
        return np.asarray((array >= self.low) & (array <= self.high))


@dataclass(frozen=True)
class Equal:
    """The event that a node has one value."""

    value: Any

    def mask(self, values: Array) -> Mask:
        """Return which of the values are equal to it, in all entries of the row."""
        equal = np.asarray(to_numpy(values) == to_numpy(as_array(self.value)))
        return np.asarray(equal.reshape(len(equal), -1).all(axis=1))


@dataclass(frozen=True)
class OneOf:
    """The event that a node has one of several values."""

    options: tuple[Hashable, ...]

    def mask(self, values: Array) -> Mask:
        """Return which of the values are among them."""
        found = [Equal(option).mask(values) for option in self.options]
        return np.asarray(np.logical_or.reduce(found))


@dataclass(frozen=True)
class Where:
    """The event that a predicate, called with the whole array of values, is true."""

    predicate: Callable[[Any], Any]

    def mask(self, values: Array) -> Mask:
        """Return the truth of the predicate, shape (n,)."""
        found = to_numpy(as_array(self.predicate(values)))
        if found.shape != (len(values),) or found.dtype != np.bool_:
            raise DataError(
                f"a predicate must return one truth value per row, shape ({len(values)},), "
                f"got {found.dtype} of shape {found.shape}; it is called with the whole array"
            )
        return found


Condition: TypeAlias = Equal | OneOf | Interval | Where


def as_condition(value: Any) -> Condition:
    """Return the condition that a user wrote: a list or set is "one of", a callable a predicate."""
    if isinstance(value, (Equal, OneOf, Interval, Where)):
        return value
    if isinstance(value, (set, frozenset, list)):
        if not value:
            raise DataError("an event needs at least one value to choose from, got an empty collection")
        return OneOf(tuple(value))
    return Where(value) if callable(value) else Equal(value)


def is_missing(condition: Condition) -> bool:
    """Say whether a condition is a value that is not known (NaN, or has one among its entries)."""
    if not isinstance(condition, Equal):
        return False
    value = as_array(condition.value)
    return bool(np.asarray(to_numpy(value != value)).any())


def as_event(event: Mapping[Hashable, Any] | None, what: str) -> dict[Hashable, Condition]:
    """Return the conditions by node."""
    if event is None:
        return {}
    if not isinstance(event, Mapping):
        raise TypeError(f"`{what}` must be a mapping of node to value, got {type(event).__name__}")
    return {node: as_condition(value) for node, value in event.items()}
