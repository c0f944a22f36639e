"""Causal quantities by name, and questions in text, as weighted sums of probabilities of events.

Every quantity here is a ratio: a weighted sum of probabilities of conjunctions of potential
outcomes, over the probability of a condition. The definitions are those of the reference.

References
----------
.. [1] J. Pearl, "Causality", 2nd edition, 2009, sections 4.5 (effects) and 9.2 (causes).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from causalrep.graphs import ADMG
from causalrep.graphs._node_set import in_order
from causalrep.identification._expression import FREE
from causalrep.identification._joint import States
from causalrep.identification._potential import Event, Potential, unnest_values
from causalrep.identification._query import Query
from causalrep.utils import DataError, UnknownNameError

__all__ = ["NAMED", "Contrast", "Target", "contrast_of", "named_target", "query_target"]

#: The quantities that have names.
NAMED = ("ATE", "ATT", "ATC", "CDE", "NDE", "NIE", "PN", "PS", "PNS")


SURE: tuple[tuple[float, Event], ...] = ((1.0, ()),)


@dataclass(frozen=True)
class Target:
    """A ratio of two weighted sums of probabilities of events, none of them nested.

    Attributes
    ----------
    name : str
        What it is called in messages.
    events : tuple of (float, Event)
        The numerator; its events include the condition.
    given : tuple of (float, Event)
        The denominator; the sure event where there is no condition.
    """

    name: str
    events: tuple[tuple[float, Event], ...]
    given: tuple[tuple[float, Event], ...] = SURE


@dataclass(frozen=True)
class Contrast:
    """Which two values of the treatment a named quantity compares, and how the outcome is read.

    Attributes
    ----------
    treatment, outcome : hashable
        The nodes.
    treated, control : hashable
        Two values of the treatment.
    event : hashable
        The value of the outcome that counts as the event, for PN, PS and PNS.
    mediators : dict
        Nodes between the two, with their values for CDE.
    """

    treatment: Hashable
    outcome: Hashable
    treated: Hashable
    control: Hashable
    event: Hashable
    mediators: dict[Hashable, Hashable]


def contrast_of(
    graph: ADMG,
    name: str,
    states: States,
    treatment: Any,
    outcome: Any,
    mediators: Any,
    values: tuple[Any, Any],
) -> Contrast:
    """Return the contrast that the arguments of a named quantity describe, with defaults filled in."""
    if treatment is None or outcome is None:
        raise TypeError(f"{name} needs `treatment` and `outcome`")
    x, _ = _named(graph, treatment, "`treatment`")
    y, event = _named(graph, outcome, "`outcome`")
    if x == y:
        raise DataError(f"`treatment` and `outcome` must differ, got {x!r} for both")
    treated, control = values
    if treated is None or control is None:
        if len(states[x]) != 2:
            raise DataError(
                f"`treated` and `control` must say which values of {x!r} to compare; it has {len(states[x])}"
            )
        control = states[x][0] if control is None else control
        treated = states[x][1] if treated is None else treated
    if event is FREE:
        event = states[y][-1]
        if name in ("PN", "PS", "PNS") and len(states[y]) != 2:
            raise DataError(
                f"{name} needs the event, as `outcome={{{y!r}: value}}`; it has {len(states[y])} values"
            )
    for node, value in ((x, treated), (x, control), (y, event)):
        check_value(states, node, value)
    return Contrast(x, y, treated, control, event, _mediators(graph, name, states, x, y, mediators))


def _named(graph: ADMG, names: Any, argument: str) -> tuple[Hashable, Hashable]:
    """Return one node, and its value if a mapping gives one."""
    if isinstance(names, Mapping):
        items = list(names.items())
    elif isinstance(names, Hashable) and names in graph:
        items = [(names, FREE)]
    elif isinstance(names, str) or not isinstance(names, Iterable):
        raise UnknownNameError(names, graph.nodes, what=argument)
    else:
        items = [(name, FREE) for name in names]
    if len(items) != 1:
        raise DataError(f"{argument} must be one node, got {len(items)}")
    if items[0][0] not in graph:
        raise UnknownNameError(items[0][0], graph.nodes, what=argument)
    return items[0]


def check_value(states: States, node: Hashable, value: Hashable) -> None:
    """Raise unless the value is one that the tables, or `states`, know of."""
    if node not in states:
        raise UnknownNameError(node, tuple(states), what="the query")
    if value not in states[node]:
        raise DataError(
            f"{node!r} has no value {value!r} in the tables, only {', '.join(map(repr, states[node]))}; "
            "`states` can list more"
        )


def _mediators(
    graph: ADMG, name: str, states: States, x: Hashable, y: Hashable, mediators: Any
) -> dict[Hashable, Hashable]:
    """Return the mediators of a named quantity, by default all nodes between, with their values."""
    if name not in ("CDE", "NDE", "NIE"):
        return {}
    between = [v for v in graph.nodes if v in graph.descendants(x) and v in graph.ancestors(y)]
    if mediators is None:
        if name == "CDE":
            raise TypeError("CDE needs `mediators`, a mapping of nodes to the values they are held at")
        return dict.fromkeys(between, FREE)
    if isinstance(mediators, Mapping):
        items = dict(mediators)
    else:
        alone = isinstance(mediators, Hashable) and mediators in graph
        items = dict.fromkeys(in_order([mediators] if alone else mediators), FREE)
    for node, value in items.items():
        if node not in graph:
            raise UnknownNameError(node, graph.nodes, what="`mediators`")
        if name == "CDE":
            check_value(states, node, value)
        elif node not in between:
            raise DataError(f"`mediators` must lie between {x!r} and {y!r}, got {node!r}")
    return {node: items[node] for node in graph.nodes if node in items}


def named_target(name: str, c: Contrast, states: States) -> Target:
    """Return a named quantity as a target."""

    def outcome(level: Hashable, mediated: Hashable | None = None) -> Potential:
        """Return the outcome under a treatment, with the mediators as they are under another."""
        held = c.mediators.items()
        inner = ((m, v if mediated is None else Potential(m, ((c.treatment, mediated),))) for m, v in held)
        return Potential(c.outcome, ((c.treatment, level), *inner))

    high, low = (Potential(c.outcome, ((c.treatment, level),)) for level in (c.treated, c.control))
    actual, seen = Potential(c.treatment), Potential(c.outcome)
    others = [value for value in states[c.outcome] if value != c.event]
    if name == "PNS":
        return Target(name, tuple((1.0, ((high, c.event), (low, v))) for v in others))
    if name == "PN":
        given: Event = ((actual, c.treated), (seen, c.event))
        return Target(name, tuple((1.0, (*given, (low, v))) for v in others), ((1.0, given),))
    if name == "PS":
        cases: list[Event] = [((actual, c.control), (seen, v)) for v in others]
        events = tuple((1.0, (*case, (high, c.event))) for case in cases)
        return Target(name, events, tuple((1.0, case) for case in cases))
    above, below, condition = {
        "ATE": (high, low, ()),
        "ATT": (high, low, ((actual, c.treated),)),
        "ATC": (high, low, ((actual, c.control),)),
        "CDE": (outcome(c.treated), outcome(c.control), ()),
        "NDE": (outcome(c.treated, c.control), low, ()),
        "NIE": (outcome(c.control, c.treated), low, ()),
    }[name]
    return _mean_difference(name, (above, below), condition, states)


def _mean_difference(name: str, pair: tuple[Potential, Potential], given: Event, states: States) -> Target:
    """Return the mean of one potential outcome minus that of another, given an event."""
    values = states[pair[0].variable]
    if not all(isinstance(value, (int, float)) for value in values):
        raise DataError(f"{name} needs numbers as values of the outcome, got {', '.join(map(repr, values))}")
    events = [
        (sign * float(value), case)
        for sign, potential in zip((1.0, -1.0), pair, strict=True)
        for value in values
        if isinstance(value, (int, float)) and value
        for case in unnest_values(((potential, value), *given), states)
    ]
    return Target(name, tuple(events), ((1.0, given),))


def query_target(query: Query, states: States) -> Target:
    """Return a question in text as a target; every variable in it must have a value."""
    outcome = tuple((_acted(potential, query), value) for potential, value in query.outcome)
    given = tuple((_acted(potential, query), value) for potential, value in query.given)
    for potential, value in (*outcome, *given):
        _check_values(states, potential, value)
    events = tuple((1.0, case) for case in unnest_values((*outcome, *given), states))
    return Target(str(query), events, tuple((1.0, case) for case in unnest_values(given, states)))


def _acted(potential: Potential, query: Query) -> Potential:
    """Return the potential outcome with the actions of ``do(...)`` beside its own, which win."""
    own = {name for name, _ in potential.do}
    return Potential(
        potential.variable, (*potential.do, *((name, v) for name, v in query.do if name not in own))
    )


def _check_values(states: States, potential: Potential, value: Hashable) -> None:
    stack: list[tuple[Hashable, Hashable]] = [(potential.variable, value), *potential.do]
    while stack:
        node, wanted = stack.pop()
        if isinstance(wanted, Potential):
            stack += wanted.do
        elif wanted is FREE:
            raise DataError(f"every variable of the query needs a value, got none for {node!r}")
        else:
            check_value(states, node, wanted)
