"""Structural equations as lavaan and R write them: ``y ~ x + m; m ~ x; x ~~ z``.

::

    statement = names "~" terms         regression: each term causes each name
              | names "~~" terms        covariance: hidden common causes; of a name with itself a variance
              | names "=~" terms        measurement: each name is latent and causes each term
    terms     = term {"+" term}
    term      = {factor "*"} name {":" name} | function "(" names and numbers ")" | number

Labels and fixed coefficients in front of a name become attributes of the edge. Intercepts,
variances, definitions (``:=``) and constraints (``==``, ``<``, ``>``) say nothing about the graph.

References
----------
.. [1] Y. Rosseel, "lavaan: an R package for structural equation modeling", Journal of Statistical
   Software 48, 2012, doi:10.18637/jss.v048.i02.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence

from causalrep.graphs._attributes import Value
from causalrep.graphs._draft import Draft, bare, check_kind
from causalrep.graphs._tokens import Cursor, Token
from causalrep.utils import GraphError

__all__ = ["parse", "write"]

_PATTERN = re.compile(
    r"""(?P<line>\n)
      | (?P<skip>[^\S\n]+|\ufeff|[\#!][^\n]*)
      | (?P<operator>=~|~~|~|:=|==|<|>)
      | (?P<number>(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]{1,3})?(?![\w.]))
      | (?P<word>(?:[^\W\d]|\.)[\w.]*)
      | (?P<quoted>`(?:[^`\\]|\\.)*`)
      | (?P<text>"[^"\n]*")
      | (?P<mark>[-+*/^:();,])
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"(?!(?:NA|c|start|equal|label|if|else|for|in|TRUE|FALSE|NULL)\b)[A-Za-z][A-Za-z0-9_.]*")

_Term = tuple[Hashable, dict[str, Value]]


class _Reader:
    def __init__(self, text: str, kinds: Sequence[str], what: str) -> None:
        self.cursor = Cursor(text, _PATTERN)
        self.kinds = kinds
        self.what = what
        self.draft = Draft()
        self.edges: dict[tuple[Hashable, str, Hashable], dict[str, Value]] = {}

    def read(self) -> Draft:
        while self.cursor.here.kind != "end":
            if not self._ended():
                self._statement()
        self.draft.edges = [(*edge, found) for edge, found in self.edges.items()]
        return self.draft

    def _ended(self) -> bool:
        """Step over the end of a statement, if here is one."""
        if self.cursor.here.kind == "line":
            self.cursor.take()
            return True
        return self.cursor.take_if(";")

    def _statement(self) -> None:
        left = self._terms()
        operator = self.cursor.take()
        if operator.kind != "operator":
            raise operator.error(f"expected '~', '~~' or '=~', got {operator}")
        if operator.text in (":=", "==", "<", ">"):
            while self.cursor.here.kind not in ("line", "end") and self.cursor.here.text != ";":
                self.cursor.take()
            return
        while self.cursor.here.kind == "line":  # a line may break after the operator
            self.cursor.take()
        right = self._terms()
        names = [name for name, _ in left]
        self.draft.add(names)
        self.draft.add([name for name, _ in right])
        for name in names:
            if operator.text == "=~":
                self.draft.nodes[name]["latent"] = True
            for term, attributes in right:
                self._relate(operator, name, term, attributes)
        if self.cursor.here.kind != "end" and not self._ended():
            raise self.cursor.here.error(f"expected '+' or the end of the statement, got {self.cursor.here}")

    def _relate(self, operator: Token, name: Hashable, term: Hashable, found: dict[str, Value]) -> None:
        kind = "<->" if operator.text == "~~" else "->"
        if kind == "<->" and name == term:
            return  # a variance
        check_kind(kind, self.kinds, self.what, operator)
        edge = (term, kind, name) if operator.text == "~" else (name, kind, term)
        # An interaction names its variables again.
        self.edges.setdefault(edge, {}).update(found)

    def _terms(self) -> list[_Term]:
        """Read names joined by plus signs; numbers alone, the intercepts, are left out."""
        found = self._term()
        while self.cursor.take_if("+"):
            while self.cursor.here.kind == "line":
                self.cursor.take()
            found += self._term()
        return found

    def _term(self) -> list[_Term]:
        attributes: dict[str, Value] = {}
        while True:
            negative = self.cursor.take_if("-")
            token = self.cursor.take()
            if negative and token.kind != "number":
                raise token.error(f"expected a number after '-', got {token}")
            if token.kind == "number" and not self._at("*"):
                return []
            if token.kind == "word" and self.cursor.take_if("("):
                inside = self._call(token, attributes)
                if not self._at("*"):  # a function of variables, such as log(x)
                    return self._of_function(inside)
            if not self.cursor.take_if("*"):
                break
            self._factor(token, attributes, sign=-1 if negative else 1)
        found: list[_Term] = [(_name(token), attributes)]
        while self.cursor.take_if(":"):
            found.append((_name(self.cursor.take()), {}))
        return found

    def _factor(self, token: Token, attributes: dict[str, Value], sign: int) -> None:
        if token.kind == "number":
            attributes["weight"] = sign * _number(token)
        elif token.kind in ("word", "text", "quoted") and token.text not in (
            "NA",
            "start",
            "label",
            "equal",
            "c",
        ):
            attributes["label"] = token.text[1:-1] if token.kind == "text" else str(_name(token))
        elif token.kind not in ("word", "quoted"):
            raise token.error(f"expected a coefficient, got {token}")

    def _of_function(self, inside: list[Token]) -> list[_Term]:
        names = dict.fromkeys(_name(token) for token in inside if token.kind in ("word", "quoted"))
        if not names:
            raise self.cursor.here.error(f"expected '*' and a name, got {self.cursor.here}")
        return [(name, {}) for name in names]

    def _call(self, function: Token, attributes: dict[str, Value]) -> list[Token]:
        """Return what a function is given; ``label("a")`` labels the edge, ``start(0.5)`` says nothing."""
        inside = []
        while not self.cursor.take_if(")"):
            token = self.cursor.take()
            if token.kind in ("end", "line") or token.text == "(":
                raise function.error(f"the arguments of {function} have no end ')'")
            inside.append(token)
        if function.text == "label" and len(inside) == 1 and inside[0].kind == "text":
            attributes["label"] = inside[0].text[1:-1]
        return inside

    def _at(self, mark: str) -> bool:
        return self.cursor.here.kind == "mark" and self.cursor.here.text == mark


def _name(token: Token) -> Hashable:
    if token.kind == "word":
        return token.text
    if token.kind == "quoted":
        return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], token.text[1:-1])
    raise token.error(f"expected a variable, got {token}")


def _number(token: Token) -> int | float:
    return token.integer() if token.text.isdigit() else float(token.text)


def parse(text: str, kinds: Sequence[str], what: str) -> Draft:
    """Return the nodes in order of first appearance and the edges."""
    return _Reader(text, kinds, what).read()


def write(draft: Draft) -> str:
    """Return one statement a line: the variables where their order needs it, then the equations."""
    names = {node: _quoted(node) for node in draft.nodes}
    latent = set(draft.latent())
    equations: dict[tuple[str, str], list[str]] = {}
    for u, kind, v, attributes in sorted(draft.edges, key=lambda edge: edge[1] != "->"):
        measured = kind == "->" and u in latent
        left, right = (u, v) if measured or kind == "<->" else (v, u)
        operator = {"->": "=~" if measured else "~", "<->": "~~"}.get(kind)
        if operator is None:
            raise GraphError(f"to_lavaan has no edge {kind!r}, only '->' and '<->'")
        equations.setdefault((names[left], operator), []).append(_factors(attributes) + names[right])
    lines = [f"{left} {operator} {' + '.join(terms)}" for (left, operator), terms in equations.items()]
    causes = {u for u, kind, _, _ in draft.edges if kind == "->"}
    lines += [f"{names[node]} =~ 0" for node in draft.latent() if node not in causes]
    draft_again = parse("\n".join(lines), ("->", "<->"), "model")
    if list(draft_again.nodes) != list(draft.nodes):
        lines = [*(f"{name} ~~ {name}" for name in names.values()), *lines]
    return "\n".join(lines)


def _factors(attributes: Mapping[str, Value]) -> str:
    """Return the coefficient and the label in front of a name."""
    weight, label = attributes.get("weight"), attributes.get("label")
    text = ""
    if isinstance(weight, int | float) and not isinstance(weight, bool):
        text += f"{bare(weight)}*"
    if isinstance(label, str) and '"' not in label and "\n" not in label:
        text += f"{label}*" if _PLAIN.fullmatch(label) else f'label("{label}")*'
    return text


def _quoted(node: Hashable) -> str:
    if not isinstance(node, str):
        raise GraphError(f"to_lavaan writes labels that are strings, got {node!r}; to_json writes all")
    if _PLAIN.fullmatch(node):
        return node
    text = node.replace("\\", "\\\\").replace("`", "\\`").replace("\n", "\\n")
    return f"`{text}`"
