"""The edge notation ``"Z -> X -> M -> Y; Z -> Y"``, read and written.

::

    text      = [statement] {";" [statement]}         a line break may stand for ";" between statements
    statement = group {edge group} | group "[" "latent" "]"
    group     = label | "{" {label [","]} "}"
    label     = word | integer | quoted
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from causalrep.graphs._draft import Draft, check_kind
from causalrep.graphs._tokens import Cursor, Token, checked_label

__all__ = ["parse", "write"]

_WORD = r"[^\W\d][\w.]*"
# Circle edges come before words, so that "o" in "X o-> Y" is no node; "X <-old" ends in a node.
_PATTERN = re.compile(
    r"""(?P<skip>[\s\ufeff]+|\#[^\n]*)
      | (?P<edge><->|<-o(?![\w.])|->|<-|--o(?![\w.])|--|o->|o-o(?![\w.])|o--)
      | (?P<integer>-?[0-9]+(?![\w.]))
      | (?P<word>"""
    + _WORD
    + r""")
      | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<mark>[;{},\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_PLAIN = re.compile(_WORD)


def parse(text: str, kinds: Sequence[str], what: str) -> Draft:
    """Return the nodes in order of first appearance and the edges as written."""
    cursor = Cursor(text, _PATTERN)
    draft = Draft()
    last_line = 0
    while cursor.here.kind != "end":
        if cursor.take_if(";"):
            last_line = 0
            continue
        if cursor.here.line == last_line:
            raise cursor.here.error(f"expected an edge or ';', got {cursor.here}")
        left = _group(cursor)
        draft.add(left)
        if cursor.take_if("["):
            _latent(cursor, left, draft)
        while cursor.here.kind == "edge":
            token = cursor.take()
            kind = check_kind(token.text, kinds, what, token)
            right = _group(cursor)
            draft.add(right)
            draft.edges += [(u, kind, v, {}) for u in left for v in right]
            left = right
        last_line = cursor.last.line
    return draft


def _latent(cursor: Cursor, nodes: list[Hashable], draft: Draft) -> None:
    token = cursor.take()
    if token.text != "latent" or not cursor.take_if("]"):
        raise token.error(f"expected 'latent' in brackets, got {token}")
    for node in nodes:
        draft.nodes[node]["latent"] = True


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
        return token.integer()
    if token.kind == "word":
        return token.text
    if token.kind == "quoted":
        return re.sub(
            r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), token.text[1:-1], flags=re.DOTALL
        )
    raise token.error(f"expected a node, got {token}")


def write(draft: Draft) -> str:
    """Return the text; nodes that would appear out of order are stated before their first edge."""
    place = {node: i for i, node in enumerate(draft.nodes)}
    names = [_quoted(checked_label(node, "to_string")) for node in draft.nodes]
    latent = {place[node] for node in draft.latent()}
    edges = [(place[u], kind, place[v]) for u, kind, v, _ in draft.edges]
    statements: list[str] = []
    n_seen = 0
    # Sorted by the later end, edges introduce most nodes in order by themselves.
    for left, kind, right in sorted(edges, key=lambda edge: (max(edge[0], edge[2]), min(edge[0], edge[2]))):
        end = max(n_seen, left + 1, right + 1)
        n_stated = _n_stated(range(n_seen, end), (left, right), latent)
        statements += _stated(names, latent, range(n_seen, n_seen + n_stated))
        n_seen = end
        statements.append(f"{names[left]} {kind} {names[right]}")
    return "; ".join([*statements, *_stated(names, latent, range(n_seen, len(names)))])


def _n_stated(new: range, ends: tuple[int, int], latent: set[int]) -> int:
    """Return how many of the new nodes must be stated before an edge that introduces the others."""
    for count in range(max(len(new) - 2, 0), len(new)):
        rest = list(new[count:])
        if [i for i in ends if i in rest] == rest and latent.isdisjoint(rest):
            return count
    return len(new)


def _stated(names: list[str], latent: set[int], nodes: range) -> list[str]:
    return [f"{names[i]} [latent]" if i in latent else names[i] for i in nodes]


def _quoted(label: str | int) -> str:
    if isinstance(label, int):
        return str(label)
    if _PLAIN.fullmatch(label):
        return label
    text = label.replace("\\", "\\\\").replace('"', '\\"')
    for letter, character in _ESCAPES.items():
        text = text.replace(character, f"\\{letter}")
    return f'"{text}"'
