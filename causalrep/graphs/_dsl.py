"""The edge notation ``"Z -> X -> M -> Y; Z -> Y"``, read and written.

::

    text      = [statement] {";" [statement]}         a line break may stand for ";" between statements
    statement = group {edge group}
    group     = label | "{" {label [","]} "}"
    label     = word | integer | quoted
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from causalrep.graphs._tokens import Cursor, Token, checked_label

__all__ = ["parse", "write"]

Edges = list[tuple[Hashable, str, Hashable]]

_WORD = r"[^\W\d][\w.]*"
# Circle edges come before words, so that "o" in "X o-> Y" is no node; "X <-old" ends in a node.
_PATTERN = re.compile(
    r"""(?P<skip>[\s]+|\#[^\n]*)
      | (?P<edge><->|<-o(?![\w.])|->|<-|--o(?![\w.])|--|o->|o-o(?![\w.])|o--)
      | (?P<integer>-?[0-9]+(?![\w.]))
      | (?P<word>"""
    + _WORD
    + r""")
      | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<mark>[;{},])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_PLAIN = re.compile(_WORD)


def parse(text: str, kinds: Sequence[str], what: str) -> tuple[Edges, list[Hashable]]:
    """Return the edges, as written, and the nodes in order of first appearance."""
    cursor = Cursor(text, _PATTERN)
    edges: Edges = []
    nodes: dict[Hashable, None] = {}
    last_line = 0
    while cursor.here.kind != "end":
        if cursor.take_if(";"):
            last_line = 0
            continue
        if cursor.here.line == last_line:
            raise cursor.here.error(f"expected an edge or ';', got {cursor.here}")
        left = _group(cursor)
        nodes.update(dict.fromkeys(left))
        while cursor.here.kind == "edge":
            kind = _kind(cursor.take(), kinds, what)
            right = _group(cursor)
            nodes.update(dict.fromkeys(right))
            edges += [(u, kind, v) for u in left for v in right]
            left = right
        last_line = cursor.last.line
    return edges, list(nodes)


def _group(cursor: Cursor) -> list[Hashable]:
    if not cursor.take_if("{"):
        return [_label(cursor.take())]
    labels = []
    while not cursor.take_if("}"):
        labels.append(_label(cursor.take()))
        cursor.take_if(",")
    return labels


def _label(token: Token) -> Hashable:
    if token.kind == "integer":
        return int(token.text)
    if token.kind == "word":
        return token.text
    if token.kind == "quoted":
        return re.sub(
            r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), token.text[1:-1], flags=re.DOTALL
        )
    raise token.error(f"expected a node, got {token}")


def _kind(token: Token, kinds: Sequence[str], what: str) -> str:
    mirrored = token.text[::-1].translate(str.maketrans("<>", "><"))
    if token.text in kinds or mirrored in kinds:
        return token.text
    raise token.error(f"a {what} has no edge {token.text!r}, only {', '.join(map(repr, kinds))}")


def write(nodes: Sequence[Hashable], edges: Sequence[tuple[int, str, int]]) -> str:
    """Return the text; nodes that would appear out of order are stated before their first edge."""
    names = [_quoted(checked_label(node, "to_string")) for node in nodes]
    statements: list[str] = []
    n_seen = 0
    # Sorted by the later end, edges introduce most nodes in order by themselves.
    for left, kind, right in sorted(edges, key=lambda edge: (max(edge[0], edge[2]), min(edge[0], edge[2]))):
        after_left = max(n_seen, left + 1)
        statements += names[n_seen : right if right > after_left else left]
        n_seen = max(after_left, right + 1)
        statements.append(f"{names[left]} {kind} {names[right]}")
    return "; ".join([*statements, *names[n_seen:]])


def _quoted(label: str | int) -> str:
    if isinstance(label, int):
        return str(label)
    if _PLAIN.fullmatch(label):
        return label
    text = label.replace("\\", "\\\\").replace('"', '\\"')
    for letter, character in _ESCAPES.items():
        text = text.replace(character, f"\\{letter}")
    return f'"{text}"'
