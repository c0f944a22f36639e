"""The language in which causal questions are asked: ``P(Y | do(X=1), Z)``, ``P(Y[X=1] | X=0, Y=0)``.

::

    query     = "P" "(" events ["|" condition {"," condition}] ")"
    condition = "do" "(" actions ")" | event
    events    = event {"," event}
    event     = name ["[" actions "]"] ["=" value]
    actions   = action {"," action}
    action    = name ["=" value] | name "[" actions "]"      the latter nests: M takes the value M[...] has
    name      = word | integer | quoted
    value     = word | number | quoted

A name in quotes is never a keyword, so that a node may be called ``do``. Texts are parsed, never
evaluated.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from causalrep.graphs._node_set import in_order
from causalrep.graphs._tokens import Cursor, Token
from causalrep.identification._expression import FREE
from causalrep.identification._potential import Event, Potential
from causalrep.identification._text import latex_name, text_name
from causalrep.utils import GraphError

__all__ = ["Actions", "Query", "as_query", "parse_query"]

#: What is set to what; the value is `FREE` where the text names none, a `Potential` where it nests.
Actions: TypeAlias = tuple[tuple[Hashable, Hashable], ...]

_PATTERN = re.compile(
    r"""(?P<skip>\s+)
      | (?P<number>[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.]))
      | (?P<word>[^\W\d][\w.]*)
      | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<mark>[()\[\],|=])
    """,
    re.VERBOSE | re.DOTALL,
)
#: More is a mistake, and what compares and prints nested values could not follow.
_DEEPEST = 20
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Query:
    """A causal question: how probable an outcome is, under actions, given what is known.

    Attributes
    ----------
    outcome : tuple of (Potential, value)
        What is asked about; the value is `FREE` where the question names none.
    do : tuple of (hashable, value)
        What is set by action in the world of `outcome` and `given`.
    given : tuple of (Potential, value)
        What is known.
    """

    outcome: Event
    do: Actions = ()
    given: Event = ()

    @property
    def is_counterfactual(self) -> bool:
        """Whether an outcome or a condition is about another world than the actual, or the one acted on."""
        return any(potential.do for potential, _ in (*self.outcome, *self.given))

    def names(self) -> tuple[Hashable, ...]:
        """Return all nodes that the question mentions, each once, in the order of reading."""
        found: dict[Hashable, None] = {}
        stack: list[tuple[Hashable, Hashable]] = [*self.given[::-1], *self.do[::-1], *self.outcome[::-1]]
        while stack:
            name, value = stack.pop()
            for part in (name, value):
                if isinstance(part, Potential):
                    found[part.variable] = None
                    stack += part.do[::-1]
            if not isinstance(name, Potential):
                found[name] = None
        return tuple(found)

    def __str__(self) -> str:
        return self._written(text_name, " | ", "do", "{}[{}]")

    def to_latex(self) -> str:
        """Return the question in LaTeX's mathematics, worlds as indices.

        Returns
        -------
        str
            Without dollar signs.
        """
        return self._written(latex_name, r" \mid ", r"\mathrm{do}", "{{{}}}_{{{}}}")

    def _written(self, name: Callable[[Hashable], str], bar: str, do: str, world: str) -> str:
        def event(potential: Potential, value: Hashable) -> str:
            written = name(potential.variable)
            if potential.do:
                written = world.format(written, ", ".join(itertools.starmap(action, potential.do)))
            return written if value is FREE else f"{written}={name(value)}"

        def action(node: Hashable, value: Hashable) -> str:
            return event(value, FREE) if isinstance(value, Potential) else event(Potential(node), value)

        actions = [f"{do}({', '.join(itertools.starmap(action, self.do))})"] if self.do else []
        conditions = [*actions, *itertools.starmap(event, self.given)]
        right = f"{bar}{', '.join(conditions)}" if conditions else ""
        return f"P({', '.join(itertools.starmap(event, self.outcome))}{right})"


def parse_query(text: str) -> Query:
    """Return the question that a text asks.

    Parameters
    ----------
    text : str
        As in ``"P(Y | do(X=1), Z)"``.

    Returns
    -------
    Query
        With `FREE` where no value is named.

    Raises
    ------
    ParseError
        Where the text is not understood, with line and column.
    GraphError
        If a variable is asked about and acted on, or twice in one place.
    """
    cursor = Cursor(text, _PATTERN)
    head = cursor.take()
    if head.kind != "word" or head.text != "P":
        raise head.error(f"expected 'P(', got {head}")
    _expect(cursor, "(")
    outcome = [_event(cursor)]
    while cursor.take_if(","):
        outcome.append(_event(cursor))
    do: list[tuple[Hashable, Hashable]] = []
    given: list[tuple[Potential, Hashable]] = []
    if cursor.take_if("|"):
        _condition(cursor, do, given)
        while cursor.take_if(","):
            _condition(cursor, do, given)
    _expect(cursor, ")")
    if cursor.here.kind != "end":
        raise cursor.here.error(f"expected the end of the query, got {cursor.here}")
    return _checked(Query(tuple(outcome), tuple(do), tuple(given)))


def _condition(
    cursor: Cursor, do: list[tuple[Hashable, Hashable]], given: list[tuple[Potential, Hashable]]
) -> None:
    token = cursor.here
    if token.kind == "word" and token.text == "do":
        cursor.take()
        _expect(cursor, "(")
        for name, value in _actions(cursor, ")"):
            if isinstance(value, Potential):
                raise token.error("do(...) sets variables to values; write a nested outcome as Y[M[X=0]]")
            do.append((name, value))
    else:
        given.append(_event(cursor))


def _event(cursor: Cursor) -> tuple[Potential, Hashable]:
    name = _name(cursor.take())
    actions = tuple(_actions(cursor, "]")) if cursor.take_if("[") else ()
    return Potential(name, actions), _value(cursor)


def _actions(cursor: Cursor, end: str) -> list[tuple[Hashable, Hashable]]:
    """Read ``X=1, M[X=0]`` up to the closing mark; nesting is kept on a stack, not by recursion."""
    stack: list[tuple[Hashable, list[tuple[Hashable, Hashable]]]] = [(None, [])]
    while True:
        token = cursor.take()
        name = _name(token)
        if cursor.take_if("["):
            if len(stack) == _DEEPEST:
                raise token.error(f"outcomes may be nested {_DEEPEST} deep, not more")
            stack.append((name, []))
            continue
        stack[-1][1].append((name, _value(cursor)))
        while not cursor.take_if(","):
            _expect(cursor, "]" if len(stack) > 1 else end)
            outer, actions = stack.pop()
            _no_repeats((name for name, _ in actions), "an action")
            if not stack:
                return actions
            stack[-1][1].append((outer, Potential(outer, tuple(actions))))


def _value(cursor: Cursor) -> Hashable:
    if not cursor.take_if("="):
        return FREE
    token = cursor.take()
    if token.kind not in ("number", "word", "quoted"):
        raise token.error(f"expected a value, got {token}")
    return _literal(token)


def _name(token: Token) -> Hashable:
    if token.kind not in ("number", "word", "quoted") or (
        token.kind == "number" and not re.fullmatch(r"-?[0-9]+", token.text)
    ):
        raise token.error(f"expected a variable, got {token}")
    return _literal(token)


def _literal(token: Token) -> Hashable:
    if token.kind == "number":
        return token.integer() if re.fullmatch(r"[-+]?[0-9]+", token.text) else float(token.text)
    if token.kind == "word":
        return token.text
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), token.text[1:-1], flags=re.DOTALL)


def _expect(cursor: Cursor, mark: str) -> None:
    if not cursor.take_if(mark):
        raise cursor.here.error(f"expected {mark!r}, got {cursor.here}")


def as_query(
    query: str | Query | None,
    outcome: Any = None,
    treatment: Any = None,
    given: Any = None,
    *,
    nodes: Container[Hashable] = (),
) -> Query:
    """Return the question that a text, or names, ask.

    Parameters
    ----------
    query : str, Query or None
        A question; None to make one of the other arguments.
    outcome, treatment, given : hashable, iterable of hashable, or mapping to values
        Names, with values if it is a mapping.
    nodes : container of hashable, default=()
        The graph, or its nodes: what is one of them is one name, even if it is a tuple.

    Returns
    -------
    Query
        The question.

    Raises
    ------
    TypeError
        If both or neither are given.
    GraphError
        If a name stands in two places.
    """
    if query is not None:
        if not (outcome is None and treatment is None and given is None):
            raise TypeError("either `query` or `outcome`, `treatment` and `given`, not both")
        return query if isinstance(query, Query) else parse_query(query)
    if outcome is None:
        raise TypeError("`query` or `outcome` must be given")
    events = [
        tuple((Potential(name), value) for name, value in _pairs(names, nodes)) for names in (outcome, given)
    ]
    if not events[0]:
        raise GraphError("`outcome` must name a variable, got none")
    return _checked(Query(events[0], tuple(_pairs(treatment, nodes)), events[1]))


def _pairs(names: Any, nodes: Container[Hashable]) -> list[tuple[Hashable, Hashable]]:
    if names is None:
        return []
    if isinstance(names, Mapping):
        return list(names.items())
    if names in nodes or isinstance(names, (str, int)) or not isinstance(names, Iterable):
        return [(names, FREE)]
    return [(name, FREE) for name in in_order(names)]


def _checked(query: Query) -> Query:
    """Return the query, or say which variable stands where it cannot."""
    _no_repeats((name for name, _ in query.do), "do(...)")
    _no_repeats((potential for potential, _ in query.outcome), "the outcome")
    _no_repeats((potential for potential, _ in query.given), "the conditions")
    asked = {potential.variable for potential, _ in query.outcome if not potential.do}
    known = {potential.variable for potential, _ in query.given if not potential.do}
    acted = {name for name, _ in query.do}
    for one, two, where in (
        (asked, acted, "the outcome and in do(...)"),
        (known, acted, "the conditions and in do(...)"),
        (asked, known, "the outcome and in the conditions"),
    ):
        both = [name for name in query.names() if name in one and name in two]
        if both:
            raise GraphError(f"a variable must not stand in {where}, got {both[0]!r}")
    return query


def _no_repeats(items: Iterable[Hashable], where: str) -> None:
    seen: set[Hashable] = set()
    for item in items:
        if item in seen:
            raise GraphError(f"{where} must not name a variable twice, got {str(item)!r}")
        seen.add(item)
