"""The DOT language of Graphviz, read by a small parser of our own and written."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from causalrep.graphs._store import ARROW, CIRCLE, MARKS, TAIL
from causalrep.graphs._tokens import Cursor, Token, checked_label

__all__ = ["parse", "write"]

Edges = list[tuple[Hashable, str, Hashable]]

_PATTERN = re.compile(
    r"""(?P<skip>[\s\ufeff]+|//[^\n]*|/\*.*?\*/|\#[^\n]*)
      | (?P<edge>->|--)
      | (?P<number>-?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?![\w.]))
      | (?P<word>[^\W\d]\w*)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<html><(?:[^<>]|<[^<>]*>)*>)
      | (?P<mark>[;,={}\[\]:])
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {marks: kind for kind, marks in MARKS.items()}
_HEADS = {"none": TAIL, "odot": CIRCLE}


@dataclass
class _Frame:
    """A block in braces: its default edge attributes, its nodes, and the statement under way."""

    defaults: dict[str, str]
    members: dict[Hashable, None] = field(default_factory=dict)
    chain: list[list[Hashable]] = field(default_factory=list)
    operators: list[Token] = field(default_factory=list)


class _Reader:
    """Reads statement after statement with a stack of blocks, so that nesting needs no recursion."""

    def __init__(self, text: str, kinds: Sequence[str], what: str) -> None:
        self.cursor = Cursor(text, _PATTERN)
        self.kinds = kinds
        self.what = what
        self.edges: Edges = []
        self.nodes: dict[Hashable, None] = {}

    def read(self) -> None:
        self._word("strict")
        operator = "->" if self._word("digraph") else "--"
        if operator == "--" and not self._word("graph"):
            raise self.cursor.here.error(f"expected 'digraph' or 'graph', got {self.cursor.here}")
        self.operator = operator
        if self.cursor.here.kind != "mark":
            self._name(self.cursor.take())
        self._expect("{")
        stack = [_Frame({"dir": "forward" if operator == "->" else "none"})]
        while stack:
            self._step(stack)
        if self.cursor.here.kind != "end":
            raise self.cursor.here.error(f"expected the end of the text, got {self.cursor.here}")

    def _step(self, stack: list[_Frame]) -> None:
        """Read one operand, attribute list, or end of a statement or block."""
        frame, token = stack[-1], self.cursor.here
        if self.cursor.take_if("}"):
            self._finish(frame, {})
            stack.pop()
            if stack:
                self._operand(stack[-1], list(frame.members))
        elif self.cursor.take_if(";", ","):
            self._finish(frame, {})
        elif token.kind == "edge":
            self._edge(frame, self.cursor.take())
        elif token.text == "[" and token.kind == "mark":
            self._finish(frame, self._attributes())
        elif len(frame.chain) > len(frame.operators):
            self._finish(frame, {})
        elif self._opens_block():
            stack.append(_Frame(dict(frame.defaults)))
        else:
            self._statement(frame)

    def _opens_block(self) -> bool:
        if not self._word("subgraph"):
            return self.cursor.take_if("{")
        if self.cursor.here.kind != "mark":
            self._name(self.cursor.take())
        self._expect("{")
        return True

    def _statement(self, frame: _Frame) -> None:
        token = self.cursor.take()
        if token.kind == "word" and token.text.lower() in ("node", "edge", "graph"):
            attributes = self._attributes()
            if token.text.lower() == "edge":
                frame.defaults.update(attributes)
            return
        name = self._name(token)
        if self.cursor.take_if("="):  # a graph attribute, such as rankdir=LR
            self._name(self.cursor.take())
            return
        while self.cursor.take_if(":"):  # a port
            self._name(self.cursor.take())
        self._operand(frame, [name])

    def _operand(self, frame: _Frame, names: list[Hashable]) -> None:
        frame.chain.append(names)
        frame.members.update(dict.fromkeys(names))
        self.nodes.update(dict.fromkeys(names))

    def _edge(self, frame: _Frame, token: Token) -> None:
        if len(frame.chain) == len(frame.operators):
            raise token.error(f"expected a node before {token}")
        if token.text != self.operator:
            raise token.error(f"the edges of this graph are written {self.operator!r}, got {token}")
        frame.operators.append(token)

    def _finish(self, frame: _Frame, attributes: dict[str, str]) -> None:
        if frame.chain and len(frame.chain) == len(frame.operators):
            raise frame.operators[-1].error("expected a node after the edge")
        if frame.operators:
            kind = _kind({**frame.defaults, **attributes})
            if not {kind, _mirrored(kind)} & set(self.kinds):
                raise frame.operators[0].error(
                    f"a {self.what} has no edge {kind!r}, only {', '.join(map(repr, self.kinds))}"
                )
            for left, right in pairwise(frame.chain):
                self.edges += [(u, kind, v) for u in left for v in right]
        frame.chain, frame.operators = [], []

    def _attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        self._expect("[")
        while True:
            while not self.cursor.take_if("]"):
                key = str(self._name(self.cursor.take()))
                found[key] = str(self._name(self.cursor.take())) if self.cursor.take_if("=") else "true"
                self.cursor.take_if(";", ",")
            if not self.cursor.take_if("["):
                return found

    def _word(self, keyword: str) -> bool:
        found = self.cursor.here.kind == "word" and self.cursor.here.text.lower() == keyword
        if found:
            self.cursor.take()
        return found

    def _expect(self, mark: str) -> None:
        if not self.cursor.take_if(mark):
            raise self.cursor.here.error(f"expected {mark!r}, got {self.cursor.here}")

    def _name(self, token: Token) -> Hashable:
        if token.kind == "quoted":
            return re.sub(r'\\(["\\])', r"\1", token.text[1:-1])
        if token.kind == "number":
            return token.text if "." in token.text else int(token.text)
        if token.kind in ("word", "html"):
            return token.text
        raise token.error(f"expected a name, got {token}")


def _kind(attributes: dict[str, str]) -> str:
    """Return how an edge with these attributes is written, by Graphviz' rules for its two ends."""
    direction = attributes["dir"]
    head = _HEADS.get(attributes.get("arrowhead", ""), ARROW) if direction in ("forward", "both") else TAIL
    tail = _HEADS.get(attributes.get("arrowtail", ""), ARROW) if direction in ("back", "both") else TAIL
    return _KINDS[tail, head]


def _mirrored(kind: str) -> str:
    marks = MARKS[kind]
    return _KINDS[marks[1], marks[0]]


def parse(text: str, kinds: Sequence[str], what: str) -> tuple[Edges, list[Hashable]]:
    """Return the edges and the nodes in order of first appearance."""
    reader = _Reader(text, kinds, what)
    reader.read()
    return reader.edges, list(reader.nodes)


def write(nodes: Sequence[Hashable], edges: Sequence[tuple[int, str, int]]) -> str:
    """Return a digraph; the marks of edges that are not directed are attributes."""
    names = [_quoted(checked_label(node, "to_dot")) for node in nodes]
    lines = [f"{name};" for name in names]
    lines += [f"{names[i]} -> {names[j]}{_attributes_of(kind)};" for i, kind, j in edges]
    return "\n".join(["digraph {", *(f"  {line}" for line in lines), "}"])


def _attributes_of(kind: str) -> str:
    if kind == "->":
        return ""
    if kind == "--":
        return " [dir=none]"
    shapes = {TAIL: "none", ARROW: "normal", CIRCLE: "odot"}
    tail, head = (shapes[mark] for mark in MARKS[kind])
    return f" [dir=both, arrowtail={tail}, arrowhead={head}]"


def _quoted(label: str | int) -> str:
    if isinstance(label, int):
        return str(label)
    text = label.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
