"""Potential outcomes as values, and how an event about them splits over the districts of a graph.

In an ADMG every variable is a function of its parents and of a hidden *response type*: the map from
its parents' values to its own. Types of different districts are independent. An event that speaks of
several worlds is therefore a disjoint union of products, one factor per district, and each factor
says of some variables what they would be under some values of their parents [1]_, [2]_.

References
----------
.. [1] A. Balke, J. Pearl, "Counterfactual probabilities: computational methods, bounds and
   applications", UAI 1994, arXiv:1302.6784.
.. [2] J. Correa, S. Lee, E. Bareinboim, "Nested counterfactual identification from arbitrary surrogate
   experiments", NeurIPS 2021, arXiv:2107.03190 (theorems 1 and 2).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from causalrep.graphs import ADMG
from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.identification._joint import States

__all__ = ["Event", "Local", "Potential", "ancestral_potentials", "expand", "minimal", "unnest_values"]


@dataclass(frozen=True)
class Potential:
    """A variable in the world where others are set: ``Y[X=1]``.

    Attributes
    ----------
    variable : hashable
        Which variable.
    do : tuple of (hashable, value)
        What is set to what; a value that is itself a `Potential` makes the outcome nested, as
        ``Y[X=1, M[X=0]]``.
    """

    variable: Hashable
    do: tuple[tuple[Hashable, Hashable], ...] = ()

    def __str__(self) -> str:
        if not self.do:
            return str(self.variable)
        inside = ", ".join(
            str(value) if isinstance(value, Potential) else f"{name}={value}" for name, value in self.do
        )
        return f"{self.variable}[{inside}]"


#: A conjunction: this potential outcome has that value, and so on.
Event: TypeAlias = tuple[tuple[Potential, Hashable], ...]

#: (variable, values of its parents, its value): one piece of knowledge about a response type.
Local: TypeAlias = tuple[Hashable, tuple[Hashable, ...], Hashable]


def minimal(graph: ADMG, potential: Potential) -> Potential:
    """Return the same potential outcome with only those interventions that reach its variable.

    The exclusion restriction of the graph: an intervention matters iff a directed path leads from it
    to the variable that no other intervention cuts.
    """
    if not potential.do:
        return potential
    fixed, index = dict(potential.do), graph._index
    if potential.variable in fixed:
        return Potential(potential.variable, ((potential.variable, fixed[potential.variable]),))
    names = sorted(fixed, key=index.__getitem__)
    reached = _reach(graph, tuple(index[name] for name in names))[index[potential.variable]]
    kept = ((name, fixed[name]) for k, name in enumerate(names) if reached >> k & 1)
    return Potential(potential.variable, tuple(kept))


def _reach(graph: ADMG, actions: tuple[int, ...]) -> list[int]:
    """Return for each node the set of actions that reach it, with bit k for the k-th; kept with the graph."""
    made: dict[tuple[int, ...], list[int]] = graph._store.derived(_cache)
    if actions not in made:
        bit = {node: 1 << k for k, node in enumerate(actions)}
        parents = graph._store.lists(ARROW, TAIL)
        reach = [0] * len(graph)
        for node in graph._order():
            for up in parents[node]:
                reach[node] |= bit.get(up, reach[up])
        made[actions] = reach
    return made[actions]


def _cache(_: EdgeStore) -> dict[tuple[int, ...], list[int]]:
    return {}


def parent_potentials(graph: ADMG, potential: Potential) -> list[tuple[Hashable, Hashable]]:
    """Return (parent, its fixed value, or the potential outcome that it is) in the order of the graph."""
    fixed = dict(potential.do)
    parents = graph._store.lists(ARROW, TAIL)[graph._index[potential.variable]]
    return [
        (node, fixed[node] if node in fixed else minimal(graph, Potential(node, potential.do)))
        for node in (graph._nodes[i] for i in parents)
    ]


def ancestral_potentials(graph: ADMG, potentials: Iterable[Potential]) -> list[Potential]:
    """Return these minimal potential outcomes and all that they are functions of, causes first."""
    found: dict[Potential, None] = {}
    stack = list(potentials)
    while stack:
        potential = stack.pop()
        if potential in found:
            continue
        found[potential] = None
        stack += [up for _, up in parent_potentials(graph, potential) if isinstance(up, Potential)]
    order = {graph._nodes[i]: n for n, i in enumerate(graph._order())}
    place = graph._index

    def key(potential: Potential) -> tuple[int, list[tuple[int, str]]]:
        return order[potential.variable], [(place[name], repr(value)) for name, value in potential.do]

    return sorted(found, key=key)


def unnest_values(event: Event, states: States) -> list[Event]:
    """Return the disjoint events without nesting whose union is `event` (theorem 1 of [2]_).

    ``Y[X=1, M[X=0]] = y`` is, over the values m of `M`, the union of ``Y[X=1, M=m] = y`` and
    ``M[X=0] = m``.
    """
    done: list[Event] = []
    waiting = [event]
    while waiting:
        current = waiting.pop()
        nested = next((p for p, _ in current if any(isinstance(v, Potential) for _, v in p.do)), None)
        if nested is None:
            done.append(current)
            continue
        name, inner = next((name, v) for name, v in nested.do if isinstance(v, Potential))
        waiting += [_with_value(current, name, inner, value) for value in reversed(states[inner.variable])]
    return done


def _with_value(event: Event, name: Hashable, inner: Potential, value: Hashable) -> Event:
    """Put a value in the place of one nested potential outcome, and add that the outcome has it."""
    replaced = [
        (
            Potential(p.variable, tuple((n, value if (n, v) == (name, inner) else v) for n, v in p.do)),
            wanted,
        )
        for p, wanted in event
    ]
    return (*replaced, (inner, value))


def expand(graph: ADMG, states: States, event: Event, *, limit: int = 200_000) -> list[frozenset[Local]]:
    """Return the disjoint conjunctions of local facts whose union is an event without nesting.

    Parameters
    ----------
    graph : ADMG
        Without latent nodes.
    states : dict
        The values of each variable.
    event : tuple of (Potential, value)
        What happens, in whichever worlds.
    limit : int, default=200_000
        How many partial assignments to keep at most.

    Returns
    -------
    list of frozenset of (variable, parent values, value)
        None for an event that cannot happen.

    Raises
    ------
    ValueError
        If the limit is passed.
    """
    wanted: dict[Potential, Hashable] = {}
    for potential, value in event:
        least = minimal(graph, potential)
        if least.do and least.do[0][0] == least.variable:
            if least.do[0][1] != value:
                return []
        elif wanted.setdefault(least, value) != value:
            return []
    order = ancestral_potentials(graph, wanted)
    partial: list[tuple[dict[Potential, Hashable], dict[tuple[Hashable, tuple[Hashable, ...]], Hashable]]]
    partial = [({}, {})]
    for potential in order:
        up = parent_potentials(graph, potential)
        grown = []
        for values, facts in partial:
            inputs = tuple(values[p] if isinstance(p, Potential) else p for _, p in up)
            known = (potential.variable, inputs)
            choices = [wanted[potential]] if potential in wanted else states[potential.variable]
            grown += [
                ({**values, potential: value}, {**facts, known: value})
                for value in choices
                if facts.get(known, value) == value
            ]
        partial = grown
        if len(partial) > limit:
            raise ValueError(f"the event has more than {limit} cases; leave variables out of the graph")
    return [frozenset((v, inputs, value) for (v, inputs), value in facts.items()) for _, facts in partial]


def split(term: frozenset[Local], district_of: Mapping[Hashable, int]) -> dict[int, frozenset[Local]]:
    """Return the local facts by district, in the order of the districts."""
    found: dict[int, set[Local]] = {}
    for local in term:
        found.setdefault(district_of[local[0]], set()).add(local)
    return {i: frozenset(found[i]) for i in sorted(found)}


def configurations(names: Sequence[Hashable], states: States) -> list[tuple[Hashable, ...]]:
    """Return all combinations of values, the last name running fastest."""
    return list(product(*(states[name] for name in names)))
