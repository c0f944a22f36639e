"""What `do` and `shift` put in the place of a node's mechanism."""

# ruff: noqa: ARG002 - a mechanism is handed parents and noise whether or not it reads them

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

import numpy as np

from causalrep.scm._arrays import as_array, has_nan, spread
from causalrep.scm._distributions import Distribution
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._mechanisms import Function, Root
from causalrep.utils import DataError, GraphError

__all__ = ["Altered", "Fixed", "Look", "Shifted", "as_intervention", "as_shift", "targets_of"]

Look: TypeAlias = Callable[[Hashable], Array | None]
"""Tells what the values of a node look like: library, dtype and shape of one row."""


class Fixed(Mechanism):
    """A node that is set to a number, to an array of one row, or to one array per row.

    Parameters
    ----------
    value : number, array of shape `trailing`, or array of shape (n, *trailing)
        What the node is set to; `trailing` is the shape of one row of the node, ``()`` for a
        scalar node. A list or a series is taken as an array.

    Raises
    ------
    DataError
        If the value has NaN in it.
    """

    def __init__(self, value: Any) -> None:
        array = as_array(value)
        if isinstance(array, np.ndarray) and array.dtype == object and not array.shape:
            raise DataError(
                "must be a number, an array, a Distribution, a function of other nodes or a Mechanism, "
                f"got {value!r}"
            )
        if has_nan(array):
            raise DataError("must not have NaN in it")
        self.value = value if isinstance(value, (bool, int, float, str)) else array

    def __repr__(self) -> str:
        shape = tuple(getattr(self.value, "shape", ()))
        return f"Fixed(array of shape {shape})" if shape else f"Fixed({self.value!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """No parents."""
        return ()

    @property
    def deterministic(self) -> bool:
        """Always."""
        return True

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the value."""
        return self.value

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw nothing."""
        return {}

    def for_rows(self, n: int, look: Look, node: Hashable) -> Fixed:
        """Return the same with one value per row, in the library of the node's own values."""
        new = object.__new__(Fixed)
        new.value = spread(self.value, n, like=look(node), node=node)
        return new


class Altered(Mechanism):
    """A node whose own mechanism stays at work, with its own noise, and is altered.

    Attributes
    ----------
    mechanism : Mechanism
        What the node does by itself.
    """

    mechanism: Mechanism

    @property
    def parents(self) -> tuple[Hashable, ...] | None:
        """The parents of the mechanism."""
        return self.mechanism.parents

    @property
    def invertible(self) -> bool:
        """As the mechanism."""
        return self.mechanism.invertible

    @property
    def deterministic(self) -> bool:
        """As the mechanism."""
        return self.mechanism.deterministic

    @property
    def has_density(self) -> bool:
        """As the mechanism."""
        return self.mechanism.has_density

    @property
    def has_posterior(self) -> bool:
        """Where the noise can be told."""
        return self.invertible

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw the mechanism's noise."""
        return self.mechanism.sample_noise(n, generator)

    def for_rows(self, n: int, look: Look, node: Hashable) -> Mechanism:
        """Return the same with given values spread over n rows; see `Fixed.for_rows`."""
        return self


class Shifted(Altered):
    """A node whose own mechanism stays at work and whose value is then moved by `delta`.

    Parameters
    ----------
    mechanism : Mechanism
        What the node does by itself.
    delta : number, array of shape `trailing`, or array of shape (n, *trailing)
        What is added to the value.

    Raises
    ------
    DataError
        If `delta` is not a number or has NaN in it.
    """

    def __init__(self, mechanism: Mechanism, delta: Any) -> None:
        array = as_array(delta)
        numeric = not isinstance(array, np.ndarray) or array.dtype.kind in "biufc"
        if not numeric or has_nan(array):
            raise DataError("must be a number or an array of numbers, without NaN")
        self.mechanism = mechanism
        self.delta = delta if isinstance(delta, (bool, int, float)) else array

    def __repr__(self) -> str:
        return f"Shifted({self.mechanism!r}, {self.delta!r})"

    @property
    def blockwise(self) -> bool:
        """As the mechanism, if all rows move alike."""
        return self.mechanism.blockwise and not getattr(self.delta, "shape", ())

    def move(self, value: Array) -> Array:
        """Return what the shift makes of the mechanism's own value."""
        return value + self.delta

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the mechanism's value plus `delta`."""
        return self.move(self.mechanism.forward(parents, noise))

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the mechanism's noise for the value minus `delta`."""
        return self.mechanism.abduct(parents, value - self.delta)

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the mechanism's log density at the value minus `delta`."""
        return self.mechanism.log_prob(parents, value - self.delta)

    def for_rows(self, n: int, look: Look, node: Hashable) -> Shifted:
        """Return the same with the shape of `delta` checked, in the library of the node's own values."""
        if not getattr(self.delta, "shape", ()):
            return self
        new = object.__new__(Shifted)
        new.mechanism = self.mechanism
        new.delta = spread(self.delta, n, like=look(node), node=node)
        return new


def as_intervention(node: Hashable, value: Any) -> Mechanism:
    """Return the mechanism that a do-value for `node` stands for.

    A number or array fixes the node, a `Distribution` draws it anew, a function of other nodes is a
    policy, and a `Mechanism` takes the place of the node's own.
    """
    if isinstance(value, Mechanism):
        return value
    if isinstance(value, Distribution):
        return Root(value)
    try:
        return Function(value) if callable(value) else Fixed(value)
    except (DataError, GraphError) as error:
        raise type(error)(f"the intervention on {node!r}: {error}") from error


def as_shift(node: Hashable, mechanism: Mechanism, delta: Any) -> Shifted:
    """Return the mechanism of `node`, shifted."""
    try:
        return Shifted(mechanism, delta)
    except DataError as error:
        raise DataError(f"the shift of {node!r}: {error}") from error


def targets_of(mapping: Mapping[Hashable, Any] | None, named: Mapping[str, Any]) -> dict[Hashable, Any]:
    """Join what is given as a mapping and by keyword; a node may be named in one of them only."""
    if mapping is not None and not isinstance(mapping, Mapping):
        raise TypeError(f"interventions must be a mapping of node to value, got {type(mapping).__name__}")
    twice = set(mapping or {}) & set(named)
    if twice:
        raise DataError(f"given both in the mapping and by keyword: {sorted(map(str, twice))}")
    return dict(mapping or {}) | dict(named)
