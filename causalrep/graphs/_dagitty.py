"""The language of dagitty: DOT's grammar, with edges that say their marks and graphs that say their type.

References
----------
.. [1] J. Textor, B. van der Zander, M. S. Gilthorpe, M. Liskiewicz, G. T. H. Ellison, "Robust causal
   inference using directed acyclic graphs: the R package 'dagitty'", International Journal of
   Epidemiology 45, 2016, doi:10.1093/ije/dyw341.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence

from causalrep.graphs._attributes import ROLES, Value
from causalrep.graphs._dot import Reader, quoted
from causalrep.graphs._draft import Draft, bare, flat
from causalrep.graphs._tokens import Token, checked_label
from causalrep.utils import GraphError

__all__ = ["parse", "write"]

_PATTERN = re.compile(
    r"""(?P<skip>[\s\ufeff]+|//[^\n]*|/\*.*?\*/|\#[^\n]*)
      | (?P<edge><->|<-@|<-|@->|@-@|@--|--@|--|->)
      | (?P<number>-?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?![\w.]))
      | (?P<word>[^\W\d][\w.]*)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<mark>[;,={}\[\]:])
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(
    r"(?!(?:strict|node|edge|graph|subgraph|true|false)\b)[A-Za-z_][A-Za-z0-9_]*", re.IGNORECASE
)
_INTEGER = "integer"  # an attribute that dagitty does not know marks the labels that are no texts
_DIGITS = re.compile("0|-?[1-9][0-9]{0,3999}")
_ANY = ("graph", "digraph")  # say nothing about the type


class _Reader(Reader):
    pattern = _PATTERN

    def __init__(self, text: str, kinds: Sequence[str], what: str, headers: Sequence[str]) -> None:
        super().__init__(text, kinds, what)
        self.headers = headers

    def header(self) -> dict[str, Value]:
        token = self.cursor.here
        if token.kind != "word" or token.text.lower() not in (*self.headers, *_ANY):
            raise token.error(f"the text of a {self.what} begins with {self.headers[0]!r}, got {token}")
        self.cursor.take()
        return {}

    def kind(self, operator: Token, _attributes: dict[str, Value]) -> str:
        return operator.text.replace("@", "o")

    def name(self, token: Token) -> Hashable:
        # All names are texts here, also those that look like numbers.
        return token.text if token.kind == "number" else super().name(token)

    def check_operator(self, token: Token) -> None:
        """Do nothing: the operator is checked as the kind of the edge."""


def parse(text: str, kinds: Sequence[str], what: str, headers: Sequence[str]) -> Draft:
    """Return the nodes in order of first appearance and the edges."""
    draft = _Reader(text, kinds, what, headers).read()
    labels: dict[Hashable, Hashable] = {}
    for node, attributes in draft.nodes.items():
        marked = attributes.pop(_INTEGER, False) is True and _DIGITS.fullmatch(str(node))
        labels[node] = int(str(node)) if marked else node
    nodes = {labels[node]: attributes for node, attributes in draft.nodes.items()}
    return Draft(nodes, [(labels[u], kind, labels[v], found) for u, kind, v, found in draft.edges])


def write(draft: Draft, header: str) -> str:
    """Return the text, a statement a line."""
    names = {str(node) for node in draft.nodes}
    if len(names) < len(draft.nodes):
        raise GraphError(
            "to_dagitty cannot tell an integer from the text that looks like it, got both as nodes"
        )
    lines = []
    for node, attributes in draft.nodes.items():
        mark: dict[str, Value] = {_INTEGER: True} if isinstance(node, int) else {}
        lines.append(f"{_label(node)}{_listed(flat(attributes, 'to_dagitty', reserved=(_INTEGER,)) | mark)}")
    for u, kind, v, found in draft.edges:
        lines.append(f"{_label(u)} {kind.replace('o', '@')} {_label(v)}{_listed(flat(found, 'to_dagitty'))}")
    return "\n".join([f"{header} {{", *(f"  {line}" for line in lines), "}"])


def _listed(attributes: Mapping[str, Value]) -> str:
    listed = []
    for name, value in attributes.items():
        key = name if _PLAIN.fullmatch(name) else quoted(name)
        # dagitty itself reads the roles as bare words only.
        listed.append(
            key if name in ROLES and value is True else f"{key}={bare(value) or quoted(str(value))}"
        )
    return f" [{', '.join(listed)}]" if listed else ""


def _label(node: Hashable) -> str:
    label = checked_label(node, "to_dagitty")
    return str(label) if isinstance(label, int) or _PLAIN.fullmatch(label) else quoted(label)
