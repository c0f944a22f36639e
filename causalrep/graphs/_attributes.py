"""What a graph carries beside its structure: roles, places and weights of nodes and edges."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from causalrep.utils import GraphError

__all__ = ["ROLES", "Attributes", "Edge", "Value", "checked_attributes", "is_plain"]

Edge = tuple[Hashable, str, Hashable]
Value = str | bool | int | float | tuple[Any, ...]

#: Attributes that a node has or has not.
ROLES = ("exposure", "outcome", "adjusted", "latent", "selected")

_NUMBER = r"\s*([+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]{1,3})?)\s*"
_PLACE = re.compile(f"{_NUMBER},{_NUMBER}")


class Attributes:
    """The attributes of the nodes and edges of a graph; immutable, and no part of its equality.

    A node or an edge without attributes is not listed. ``pos`` of a node is a pair of numbers;
    ``exposure``, ``outcome``, ``adjusted`` and ``selected`` are ``True`` or absent. What is latent
    belongs to the structure: see ``graph.latent``.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> g = DAG.from_dagitty('dag { X [exposure, pos="0,1"] Y [outcome]  X -> Y [beta=0.5] }')
    >>> g.attributes.nodes["X"]["pos"], g.attributes.edges["X", "->", "Y"]["beta"]
    ((0.0, 1.0), 0.5)
    >>> g.attributes.having("outcome")
    ('Y',)
    """

    __slots__ = ("_edges", "_nodes")

    def __init__(
        self,
        nodes: Mapping[Hashable, Mapping[str, Value]] = MappingProxyType({}),
        edges: Mapping[Edge, Mapping[str, Value]] = MappingProxyType({}),
    ) -> None:
        self._nodes = {node: dict(found) for node, found in nodes.items() if found}
        self._edges = {edge: dict(found) for edge, found in edges.items() if found}

    @property
    def nodes(self) -> Mapping[Hashable, Mapping[str, Value]]:
        """The attributes by node."""
        return MappingProxyType({node: MappingProxyType(found) for node, found in self._nodes.items()})

    @property
    def edges(self) -> Mapping[Edge, Mapping[str, Value]]:
        """The attributes by edge (left, kind, right), single arrows pointing right."""
        return MappingProxyType({edge: MappingProxyType(found) for edge, found in self._edges.items()})

    def having(self, name: str) -> tuple[Hashable, ...]:
        """Return the nodes that have an attribute.

        Parameters
        ----------
        name : str
            Such as "exposure".

        Returns
        -------
        tuple of hashable
            In node order.
        """
        return tuple(node for node, found in self._nodes.items() if name in found)

    def __bool__(self) -> bool:
        return bool(self._nodes or self._edges)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Attributes):
            return NotImplemented
        return self._nodes == other._nodes and self._edges == other._edges

    def __repr__(self) -> str:
        return f"Attributes(nodes={self._nodes!r}, edges={self._edges!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Attributes, (self._nodes, self._edges)

    def among(self, nodes: Iterable[Hashable], edges: Iterable[Edge]) -> Attributes:
        """Return the attributes of these nodes and edges, in this order."""
        return Attributes(
            {node: self._nodes[node] for node in nodes if node in self._nodes},
            {edge: self._edges[edge] for edge in edges if edge in self._edges},
        )


def checked_attributes(found: Mapping[str, Any], whose: object, *, strict: bool = True) -> dict[str, Value]:
    """Return the attributes of a node or edge as plain values, or say which one is none.

    Where `strict` is false, as for the files of others, what is called like a role may be something else.
    """
    checked: dict[str, Value] = {}
    for name, value in found.items():
        if not isinstance(name, str) or not name:
            raise GraphError(f"the name of an attribute of {whose!r} must be a text, got {name!r}")
        plain = _pair(value) if name == "pos" else value
        plain = _plain(plain, name, whose)
        if name in ROLES and (strict or plain in (True, False)):
            if plain not in (True, False):
                raise GraphError(f"the attribute {name!r} of {whose!r} must be True or False, got {value!r}")
            if plain:
                checked[name] = True
        else:
            checked[name] = plain
    return checked


def is_plain(value: Any) -> bool:
    """Return whether a graph can carry a value of an attribute."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


def _pair(value: Any) -> Any:
    """Return a place written as ``"x,y"`` as two numbers."""
    found = _PLACE.fullmatch(value) if isinstance(value, str) else None
    if found:
        return float(found[1]), float(found[2])
    if not isinstance(value, tuple | list) or len(value) != 2:
        return value
    is_pair = all(type(x) in (int, float) and abs(x) <= sys.float_info.max for x in value)
    return (float(value[0]), float(value[1])) if is_pair else value


def _plain(value: Any, name: str, whose: object) -> Value:
    if hasattr(value, "dtype") and hasattr(value, "item"):  # a NumPy scalar as the Python one
        value = value.item()
    if isinstance(value, tuple | list):
        return tuple(_plain(item, name, whose) for item in value)
    if not is_plain(value):
        raise GraphError(
            f"the attribute {name!r} of {whose!r} must be a text, a finite number, a boolean or a tuple of "
            f"such, got {value!r}"
        )
    plain: Value = value
    return plain
