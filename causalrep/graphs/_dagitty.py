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

    def check_operator(self, token: Token) -> None:
        """Do nothing: the operator is checked as the kind of the edge."""


def parse(text: str, kinds: Sequence[str], what: str, headers: Sequence[str]) -> Draft:
    """Return the nodes in order of first appearance and the edges."""
    return _Reader(text, kinds, what, headers).read()


def write(draft: Draft, header: str) -> str:
    """Return the text, a statement a line."""
    lines = [f"{_label(node)}{_listed(attributes)}" for node, attributes in draft.nodes.items()]
    for u, kind, v, attributes in draft.edges:
        lines.append(f"{_label(u)} {kind.replace('o', '@')} {_label(v)}{_listed(attributes)}")
    return "\n".join([f"{header} {{", *(f"  {line}" for line in lines), "}"])


def _listed(attributes: Mapping[str, Value]) -> str:
    listed = []
    for name, value in flat(attributes, "to_dagitty").items():
        key = name if _PLAIN.fullmatch(name) else quoted(name)
        # dagitty itself reads the roles as bare words only.
        listed.append(
            key if name in ROLES and value is True else f"{key}={bare(value) or quoted(str(value))}"
        )
    return f" [{', '.join(listed)}]" if listed else ""


def _label(node: Hashable) -> str:
    label = checked_label(node, "to_dagitty")
    return str(label) if isinstance(label, int) or _PLAIN.fullmatch(label) else quoted(label)
