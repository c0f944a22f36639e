"""The DOT language of Graphviz, read by a small parser of our own and written."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from causalrep.graphs._attributes import Value
from causalrep.graphs._draft import Draft, bare, check_kind, flat, value_of
from causalrep.graphs._store import ARROW, CIRCLE, MARKS, TAIL
from causalrep.graphs._tokens import Cursor, Token, checked_label

__all__ = ["Reader", "parse", "write", "quoted"]

_PATTERN = re.compile(
    r"""(?P<skip>[\s\ufeff]+|//[^\n]*|/\*.*?\*/|\#[^\n]*)
      | (?P<edge>->|--)
      | (?P<number>-?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?![\w.]))
      | (?P<word>[^\W\d]\w*)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<html><(?:[^<>]|<[^<>]*>)*>)
      | (?P<mark>[;,={}\[\]:+])
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {marks: kind for kind, marks in MARKS.items()}
_HEADS = {"none": TAIL, "odot": CIRCLE}
_SHAPES = {TAIL: "none", ARROW: "normal", CIRCLE: "odot"}
_OURS = ("dir", "arrowhead", "arrowtail")  # the attributes that say the marks of an edge
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass
class _Frame:
    """A block in braces: its default edge attributes, its nodes, and the statement under way."""

    defaults: dict[str, Value]
    members: dict[Hashable, None] = field(default_factory=dict)
    chain: list[list[Hashable]] = field(default_factory=list)
    operators: list[Token] = field(default_factory=list)


class Reader:
    """Reads statement after statement with a stack of blocks, so that nesting needs no recursion."""

    pattern = _PATTERN

    def __init__(self, text: str, kinds: Sequence[str], what: str) -> None:
        self.cursor = Cursor(text, self.pattern)
        self.kinds = kinds
        self.what = what
        self.draft = Draft()

    def read(self) -> Draft:
        """Return the graph of the text."""
        defaults = self.header()
        if self.cursor.here.kind != "mark":
            self.name(self.cursor.take())
        self._expect("{")
        stack = [_Frame(defaults)]
        while stack:
            self._step(stack)
        if self.cursor.here.kind != "end":
            raise self.cursor.here.error(f"expected the end of the text, got {self.cursor.here}")
        return self.draft

    def header(self) -> dict[str, Value]:
        """Step over the word that says what graph it is, and return the attributes of its edges."""
        self._word("strict")
        operator = "->" if self._word("digraph") else "--"
        if operator == "--" and not self._word("graph"):
            raise self.cursor.here.error(f"expected 'digraph' or 'graph', got {self.cursor.here}")
        self.operator = operator
        return {"dir": "forward" if operator == "->" else "none"}

    def kind(self, _operator: Token, attributes: dict[str, Value]) -> str:
        """Return how the edge is written that this operator and these attributes describe."""
        return _kind(attributes)

    def check_operator(self, token: Token) -> None:
        """Raise if this kind of graph has no such operator."""
        if token.text != self.operator:
            raise token.error(f"the edges of this graph are written {self.operator!r}, got {token}")

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
            self.name(self.cursor.take())
        self._expect("{")
        return True

    def _statement(self, frame: _Frame) -> None:
        token = self.cursor.take()
        if token.kind == "word" and token.text.lower() in ("node", "edge", "graph"):
            attributes = self._attributes()
            if token.text.lower() == "edge":
                frame.defaults.update(attributes)
            return
        name = self.name(token)
        if self.cursor.take_if("="):  # a graph attribute, such as rankdir=LR
            self.name(self.cursor.take())
            return
        while self.cursor.take_if(":"):  # a port
            self.name(self.cursor.take())
        self._operand(frame, [name])

    def _operand(self, frame: _Frame, names: list[Hashable]) -> None:
        frame.chain.append(names)
        frame.members.update(dict.fromkeys(names))
        self.draft.add(names)

    def _edge(self, frame: _Frame, token: Token) -> None:
        if len(frame.chain) == len(frame.operators):
            raise token.error(f"expected a node before {token}")
        self.check_operator(token)
        frame.operators.append(token)

    def _finish(self, frame: _Frame, attributes: dict[str, Value]) -> None:
        if frame.chain and len(frame.chain) == len(frame.operators):
            raise frame.operators[-1].error("expected a node after the edge")
        if len(frame.chain) == 1:
            for node in frame.chain[0]:
                self.draft.nodes[node].update(attributes)
        carried = {name: value for name, value in attributes.items() if name not in _OURS}
        for operator, (left, right) in zip(frame.operators, pairwise(frame.chain), strict=True):
            kind = self.kind(operator, {**frame.defaults, **attributes})
            check_kind(kind, self.kinds, self.what, operator)
            self.draft.edges += [(u, kind, v, carried) for u in left for v in right]
        frame.chain, frame.operators = [], []

    def _attributes(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        self._expect("[")
        while True:
            while not self.cursor.take_if("]"):
                key = str(self.name(self.cursor.take()))
                found[key] = self._value() if self.cursor.take_if("=") else True
                self.cursor.take_if(";", ",")
            if not self.cursor.take_if("["):
                return found

    def _value(self) -> Value:
        token = self.cursor.take()
        return value_of(token, token.text if token.kind == "number" else str(self.name(token)))

    def _word(self, keyword: str) -> bool:
        found = self.cursor.here.kind == "word" and self.cursor.here.text.lower() == keyword
        if found:
            self.cursor.take()
        return found

    def _expect(self, mark: str) -> None:
        if not self.cursor.take_if(mark):
            raise self.cursor.here.error(f"expected {mark!r}, got {self.cursor.here}")

    def name(self, token: Token) -> Hashable:
        """Return the label or other text that a token stands for."""
        if token.kind == "quoted":
            text = _unquoted(token)
            while self.cursor.take_if("+"):
                text += _unquoted(self.cursor.take())
            return text
        if token.kind == "number":
            return token.text if "." in token.text else token.integer()
        if token.kind in ("word", "html"):
            return token.text
        raise token.error(f"expected a name, got {token}")


def _unquoted(token: Token) -> str:
    if token.kind != "quoted":
        raise token.error(f"expected a text in quotes after '+', got {token}")
    # A backslash escapes a quote or itself, and hides the end of a line; before others it is a letter.
    return re.sub(r'\\(["\\]|\r?\n)', lambda match: match[1].strip("\r\n"), token.text[1:-1])


def _kind(attributes: dict[str, Value]) -> str:
    """Return how an edge with these attributes is written, by Graphviz' rules for its two ends."""
    direction = attributes["dir"]
    shapes = [str(attributes.get(name, "")) for name in ("arrowtail", "arrowhead")]
    tail = _HEADS.get(shapes[0], ARROW) if direction in ("back", "both") else TAIL
    head = _HEADS.get(shapes[1], ARROW) if direction in ("forward", "both") else TAIL
    return _KINDS[tail, head]


def parse(text: str, kinds: Sequence[str], what: str) -> Draft:
    """Return the nodes in order of first appearance and the edges."""
    return Reader(text, kinds, what).read()


def write(draft: Draft) -> str:
    """Return a digraph; the marks of edges that are not directed are attributes."""
    lines = []
    for node, attributes in draft.nodes.items():
        lines.append(f"{_label(node)}{_listed(attributes, {})};")
    for u, kind, v, found in draft.edges:
        lines.append(f"{_label(u)} -> {_label(v)}{_listed(found, _marks(kind), reserved=_OURS)};")
    return "\n".join(["digraph {", *(f"  {line}" for line in lines), "}"])


def _marks(kind: str) -> dict[str, str]:
    if kind == "->":
        return {}
    if kind == "--":
        return {"dir": "none"}
    tail, head = (_SHAPES[mark] for mark in MARKS[kind])
    return {"dir": "both", "arrowtail": tail, "arrowhead": head}


def _listed(attributes: Mapping[str, Value], marks: dict[str, str], reserved: Sequence[str] = ()) -> str:
    listed = [f"{name}={value}" for name, value in marks.items()]
    for name, value in flat(attributes, "to_dot", reserved=reserved).items():
        key = name if _PLAIN.fullmatch(name) else quoted(name)
        listed.append(f"{key}={bare(value) or quoted(str(value))}")
    return f" [{', '.join(listed)}]" if listed else ""


def _label(node: Hashable) -> str:
    label = checked_label(node, "to_dot")
    return str(label) if isinstance(label, int) else quoted(label)


def quoted(text: str) -> str:
    """Return a text in quotes, as the languages of DOT's family read it."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
