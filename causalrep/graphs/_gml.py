"""The Graph Modelling Language, read by a small parser of our own and written.

References
----------
.. [1] M. Himsolt, "GML: a portable graph file format", technical report, University of Passau, 1997.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from html.entities import html5

from causalrep.graphs._attributes import ROLES, Value
from causalrep.graphs._draft import Draft, check_kind
from causalrep.graphs._store import MARKS
from causalrep.graphs._tokens import Cursor, Token, checked_label
from causalrep.utils import GraphError

__all__ = ["parse", "write"]

_PATTERN = re.compile(
    r"""(?P<skip>[\s\ufeff]+|\#[^\n]*)
      | (?P<number>[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?(?![\w.]))
      | (?P<word>[A-Za-z_]\w*)
      | (?P<quoted>"[^"]*")
      | (?P<mark>[\[\]])
    """,
    re.VERBOSE,
)
_KEY = re.compile(r"[A-Za-z][0-9A-Za-z_]*")
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|(\w+));")
_SPECIAL = re.compile(r"[^ !#-%\'-~]")  # all but printable ASCII without quote and ampersand


@dataclass
class _Record:
    """A list in brackets: its values and the lists in it, each with the place of its key."""

    place: Token
    values: dict[str, tuple[list[Value], Token]] = field(default_factory=dict)
    records: list[tuple[str, _Record]] = field(default_factory=list)

    def put(self, key: Token, value: Value) -> None:
        """Add a value; a key may be repeated."""
        self.values.setdefault(key.text, ([], key))[0].append(value)

    def get(self, key: str, default: Value | None = None) -> tuple[Value, Token]:
        """Return the value under a key, those under a repeated one as a tuple, and its place."""
        if key in self.values:
            found, place = self.values[key]
            return (found[0] if len(found) == 1 else tuple(found)), place
        if default is None:
            raise self.place.error(f"{self.place} must have the key {key!r}")
        return default, self.place

    def all(self, key: str) -> list[_Record]:
        """Return the lists under this key."""
        return [record for name, record in self.records if name == key]

    def others(self, used: Sequence[str]) -> dict[str, Value]:
        """Return the values under other keys."""
        return {key: self.get(key)[0] for key in self.values if key not in used}


def parse(text: str, kinds: Sequence[str], what: str) -> Draft:
    """Return the nodes in order and the edges."""
    root = _records(text)
    graphs = root.all("graph")
    if len(graphs) != 1:
        raise root.place.error(f"expected one 'graph', got {len(graphs)}")
    (graph,) = graphs
    labels: dict[Value, Hashable] = {}
    draft = Draft()
    for node in graph.all("node"):
        identity, _ = node.get("id")
        label, place = node.get("label", identity)
        if isinstance(label, float | tuple):
            raise place.error(f"the label of a node must be a text or an integer, got {label!r}")
        if identity in labels or label in draft.nodes:
            raise node.place.error(f"the node {label!r} is stated twice")
        labels[identity] = label
        draft.nodes[label] = _with_roles(node.others(("id", "label")))
    default = "->" if graph.get("directed", 0)[0] else "--"
    for edge in graph.all("edge"):
        ends = [edge.get(key)[0] for key in ("source", "target")]
        unknown = [end for end in ends if end not in labels]
        if unknown:
            raise edge.place.error(f"there is no node with the id {unknown[0]!r}")
        kind, place = edge.get("kind", default)
        kind = check_kind(_known(kind, place), kinds, what, place)
        draft.edges.append(
            (labels[ends[0]], kind, labels[ends[1]], edge.others(("source", "target", "kind", "key")))
        )
    return draft


def _records(text: str) -> _Record:
    """Return the whole text as one record, read with a stack, so that nesting needs no recursion."""
    cursor = Cursor(text, _PATTERN)
    stack = [_Record(cursor.here)]
    while cursor.here.kind != "end":
        if cursor.here.text == "]" and len(stack) > 1:
            cursor.take()
            stack.pop()
            continue
        key = cursor.take()
        if key.kind != "word":
            raise key.error(f"expected a key, got {key}")
        if cursor.take_if("["):
            record = _Record(key)
            stack[-1].records.append((key.text, record))
            stack.append(record)
        else:
            stack[-1].put(key, _value(cursor.take()))
    if len(stack) > 1:
        raise stack[-1].place.error(f"the list of {stack[-1].place} has no end ']'")
    return stack[0]


def _value(token: Token) -> Value:
    if token.kind == "quoted":
        return _ENTITY.sub(_character, token.text[1:-1])
    if token.kind == "number":
        return token.integer() if re.fullmatch("[+-]?[0-9]+", token.text) else float(token.text)
    raise token.error(f"expected a value, got {token}")


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return html5.get(f"{name};", match[0])
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code <= 0x10FFFF else match[0]


def _known(kind: Value, place: Token) -> str:
    if kind in MARKS:
        return str(kind)
    raise place.error(f"expected the kind of an edge, such as '->', got {kind!r}")


def _with_roles(attributes: dict[str, Value]) -> dict[str, Value]:
    """Return the attributes with roles as truth values, which GML writes as 0 and 1."""
    return {
        name: bool(value) if name in ROLES and value in (0, 1) else value
        for name, value in attributes.items()
    }


def write(draft: Draft, *, multigraph: bool) -> str:
    """Return the text; the kind of an edge is stated where it is not directed."""
    lines = ["graph [", "  directed 1", *(["  multigraph 1"] if multigraph else [])]
    place = {node: i for i, node in enumerate(draft.nodes)}
    for node, attributes in draft.nodes.items():
        label = checked_label(node, "to_gml")
        lines += ["  node [", f"    id {place[node]}", f"    label {_literal(label)}"]
        lines += [*_pairs(attributes, ("id", "label")), "  ]"]
    for u, kind, v, carried in draft.edges:
        lines += ["  edge [", f"    source {place[u]}", f"    target {place[v]}"]
        lines += [f"    kind {_literal(kind)}"] if kind != "->" else []
        lines += [*_pairs(carried, ("source", "target", "kind", "key")), "  ]"]
    return "\n".join([*lines, "]"])


def _pairs(attributes: Mapping[str, Value], reserved: Sequence[str]) -> list[str]:
    lines = []
    for name, value in attributes.items():
        if name in reserved or not _KEY.fullmatch(name):
            raise GraphError(f"to_gml cannot write an attribute of the name {name!r}; to_json can")
        items = value if isinstance(value, tuple) else (value,)
        if isinstance(value, tuple) and (len(value) < 2 or any(isinstance(item, tuple) for item in value)):
            raise GraphError(
                f"to_gml writes tuples of two and more values, got {value!r}; to_json writes all"
            )
        lines += [f"    {name} {_literal(item)}" for item in items]
    return lines


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return '"' + _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", value) + '"'
    if isinstance(value, float):
        text = repr(value).upper()
        return text if "." in text else text.replace("E", ".0E")
    return str(int(value)) if isinstance(value, bool) else str(value)
