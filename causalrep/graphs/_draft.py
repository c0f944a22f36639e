"""A graph between a text and its type: what every reader returns and every writer takes."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from causalrep.graphs._attributes import Value
from causalrep.graphs._store import MARKS
from causalrep.graphs._tokens import Place, Token
from causalrep.utils import GraphError

__all__ = ["Draft", "DraftEdge", "bare", "check_kind", "flat", "mirrored", "value_of"]

DraftEdge = tuple[Hashable, str, Hashable, Mapping[str, Value]]

_KINDS = {marks: kind for kind, marks in MARKS.items()}


@dataclass
class Draft:
    """Nodes in order and edges (left, kind, right), each with its attributes; nothing is checked.

    That a node is latent is an attribute here, also where it becomes part of the structure.
    """

    nodes: dict[Hashable, dict[str, Value]] = field(default_factory=dict)
    edges: list[DraftEdge] = field(default_factory=list)

    def add(self, nodes: Sequence[Hashable]) -> None:
        """Add the nodes that are not there yet."""
        for node in nodes:
            self.nodes.setdefault(node, {})

    def latent(self) -> list[Hashable]:
        """Return the nodes marked as latent."""
        return [node for node, attributes in self.nodes.items() if attributes.get("latent") is True]


def mirrored(kind: str) -> str:
    """Return how the edge is written from the other end."""
    left, right = MARKS[kind]
    return _KINDS[right, left]


def check_kind(kind: str, kinds: Sequence[str], what: str, place: Place) -> str:
    """Return the kind of an edge, or say that the graph type has no such edge."""
    if kind in kinds or mirrored(kind) in kinds:
        return kind
    hint = "; an ADMG has" if (what, kind) == ("DAG", "<->") else ""
    raise place.error(f"a {what} has no edge {kind!r}, only {', '.join(map(repr, kinds))}{hint}")


def value_of(token: Token, text: str) -> Value:
    """Return the value of an attribute: what is not in quotes may be a number or a truth value."""
    if token.kind == "number":
        return float(text) if "." in text else token.integer()
    if token.kind == "word" and text in ("true", "false"):
        return text == "true"
    return text


def bare(value: Value) -> str | None:
    """Return a number or truth value as `value_of` reads it, or None for a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")  # these languages have no exponents
        return text if "." in text else f"{text}.0"
    return None


def flat(
    attributes: Mapping[str, Value], where: str, *, reserved: Collection[str] = ()
) -> dict[str, str | bool | int | float]:
    """Return the attributes without tuples, a place as a text, or say which one cannot be written."""
    found: dict[str, str | bool | int | float] = {}
    for name, value in attributes.items():
        if name in reserved:
            raise GraphError(f"{where} uses the attribute {name!r} itself, got one of that name")
        if not isinstance(value, tuple):
            found[name] = value
        elif name == "pos" and len(value) == 2:
            found[name] = f"{value[0]!r},{value[1]!r}"
        else:
            raise GraphError(
                f"{where} writes attributes that are texts, numbers or booleans, got {value!r} for {name!r}; "
                "to_json also writes tuples"
            )
    return found
