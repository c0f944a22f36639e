"""Front-door sets: effects behind a hidden common cause, seen through what they pass on their way.

A set M of mediators satisfies the front-door criterion relative to X and Y, given covariates W, if

1. it meets every directed path from X to Y,
2. W blocks all back-door paths from X to M, and
3. X and W block all back-door paths from M to Y,

and W has no descendant of X or M. Then P(y | do(x)) is the sum over w, m and x' of
P(w) P(m | x, w) P(y | x', m, w) P(x' | w).

The nodes that satisfy (2) are found by one search from X. Whether a node satisfies (3) depends on the
others that are chosen, whose outgoing edges do not count: the fewer they are, the more back-door paths
there are. So there is a largest set, and one search from Y finds what it lacks: a node that is entered
against an arrowhead has an open back-door path, is dropped, and from then on its outgoing edges count.

References
----------
.. [1] J. Pearl, "Causality", 2nd edition, 2009, definition 3.3.3, theorem 3.3.4.
.. [2] H. Jeong, J. Tian, E. Bareinboim, "Finding and listing front-door adjustment sets", NeurIPS 2022,
   arXiv:2210.05816.
.. [3] M. Wienöbst, B. van der Zander, M. Liśkiewicz, "Linear-time algorithms for front-door adjustment
   in causal graphs", AAAI 2024, arXiv:2211.16468.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import islice

import networkx as nx

from causalrep.graphs import ADMG, DAG, Graph, NodeSet
from causalrep.graphs._reachability import connected
from causalrep.graphs._store import flags
from causalrep.identification._door import Nodes, directed, disjoint, ids, labels, refuse_latent
from causalrep.identification._neighbours import Neighbours, reach
from causalrep.utils import GraphError, UnknownNameError

__all__ = ["frontdoor_sets"]

KINDS = ("minimal", "maximal", "all")


def frontdoor_sets(
    g: Graph | nx.DiGraph,
    x: Nodes,
    y: Nodes,
    *,
    given: Nodes = (),
    kind: str = "minimal",
    include: Nodes = (),
    restrict: Nodes | None = None,
    limit: int | None = None,
) -> tuple[NodeSet[Hashable], ...]:
    """Return sets of mediators that satisfy the front-door criterion, given covariates if need be.

    Use it where no adjustment set exists because a hidden variable acts on treatment and outcome, but
    not on what lies between them.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph; latent nodes and bidirected edges are taken into account.
    x, y : hashable or iterable of hashable
        Treatments, set together, and outcomes.
    given : hashable or iterable of hashable, default=()
        Covariates to condition on throughout (the conditional front-door criterion).
    kind : {"minimal", "maximal", "all"}, default="minimal"
        One set of which no proper subset will do, the largest set, or all.
    include : hashable or iterable of hashable, default=()
        Nodes that every set must have.
    restrict : hashable or iterable of hashable, default=None
        The nodes that a set may have; by default all that are observed.
    limit : int, default=None
        How many sets of kind ``"all"`` to look for.

    Returns
    -------
    tuple of NodeSet
        Smaller sets first, then in node order; empty iff there is none. The empty set is one where
        no directed path leads from `x` to `y`.

    Raises
    ------
    GraphError
        If the sets are not disjoint, `include` is not within `restrict`, a given node is latent, `given`
        has a descendant of `x`, `limit` is negative, or the graph is of another type.
    UnknownNameError
        If a node or the kind does not exist.

    Notes
    -----
    O(n_nodes + n_edges) for the largest and for a minimal set [2]_, as much times n_nodes for each
    further one.

    References
    ----------
    .. [1] H. Jeong, J. Tian, E. Bareinboim, "Finding and listing front-door adjustment sets", NeurIPS
       2022, arXiv:2210.05816.
    .. [2] M. Wienöbst, B. van der Zander, M. Liśkiewicz, "Linear-time algorithms for front-door
       adjustment in causal graphs", AAAI 2024, arXiv:2211.16468.

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import frontdoor_sets
    >>> g = ADMG.from_string("X -> A -> B -> Y; X <-> Y")
    >>> frontdoor_sets(g, "X", "Y"), frontdoor_sets(g, "X", "Y", kind="maximal")
    ((NodeSet(['B']),), (NodeSet(['A', 'B']),))
    >>> g = ADMG.from_string("X -> M -> Y; W -> {X M}; X <-> Y")
    >>> frontdoor_sets(g, "X", "Y"), frontdoor_sets(g, "X", "Y", given="W")
    ((), (NodeSet(['M']),))
    """
    graph = directed(g, "the front-door criterion")
    if kind not in KINDS:
        raise UnknownNameError(kind, KINDS, what="`kind`")
    if limit is not None and limit < 0:
        raise GraphError(f"`limit` must not be negative, got {limit}")
    treatments, outcomes, covariates, required = disjoint(graph, x=x, y=y, given=given, include=include)
    refuse_latent(graph, x=treatments, y=outcomes, given=covariates, include=required)
    question = _Question(graph, treatments, outcomes, covariates)
    allowed = flags(len(graph), range(len(graph)) if restrict is None else ids(graph, restrict, "restrict"))
    outside = [i for i in required if not allowed[i]]
    if outside:
        raise GraphError(f"`include` must lie within `restrict`, got {graph.nodes[outside[0]]!r} outside it")
    if kind == "all":
        found = list(islice(question.every(required, allowed), limit))
    else:
        choose = question.largest if kind == "maximal" else question.smallest
        one = choose(required, allowed)
        found = [] if one is None else [one]
    return tuple(labels(graph, chosen) for chosen in sorted(found, key=lambda chosen: (len(chosen), chosen)))


class _Question:
    """A front-door question in integers."""

    def __init__(self, g: DAG | ADMG, x: list[int], y: list[int], given: list[int]) -> None:
        self.near = Neighbours.of(g._store)
        self.x, self.y, self.given = x, y, given
        after = self.near.below(x)
        late = [i for i in given if after[i]]
        if late:
            raise GraphError(f"`given` must not have a descendant of `x`, got {g.nodes[late[0]]!r}")
        self.fixed = flags(len(g), [*x, *given])
        behind = connected(g.cut_outgoing(*(g.nodes[i] for i in x))._store, x, given)
        before = self.near.above(given)
        barred = flags(len(g), [*x, *y, *g._latent])
        #: The nodes that meet the second condition.
        self.candidates = bytearray(not (a or b or c) for a, b, c in zip(behind, before, barred, strict=True))

    def largest(self, include: list[int], allowed: bytearray) -> list[int] | None:
        """Return the union of all sets that do, which does as well, or None."""
        chosen = self._without_open_backdoor(allowed)
        if not all(chosen[i] for i in include) or not self._meets_all(chosen):
            return None
        return [i for i, kept in enumerate(chosen) if kept]

    def _without_open_backdoor(self, allowed: bytearray) -> bytearray:
        """Return the largest set of candidates that meets the third condition, by a search from y.

        A walk arrives at a node either by a tail, 2 i, or by an arrowhead, 2 i + 1. The edge of which
        a chosen node is the tail does not count, so that the walk waits there until the node is dropped.
        """
        chosen = bytearray(a and b for a, b in zip(allowed, self.candidates, strict=True))
        stack = [2 * i for i in self.y]
        seen = flags(2 * len(chosen), stack)
        waiting = bytearray(len(chosen))
        while stack:
            state = stack.pop()
            node, by_arrow = state >> 1, state & 1
            if chosen[node]:
                if not by_arrow:
                    waiting[node] = 1
                    continue
                chosen[node] = 0
                if waiting[node]:
                    stack.append(2 * node)
            for after in self._onward(state):
                if not seen[after]:
                    seen[after] = 1
                    stack.append(after)
        return chosen

    def _onward(self, state: int) -> list[int]:
        """Return the states to which an open walk can go on, with x and the covariates held fixed."""
        node, by_arrow = state >> 1, state & 1
        fixed = self.fixed[node]
        after = [] if fixed else [2 * i + 1 for i in self.near.children[node]]
        return after + self._into(node) if fixed == by_arrow else after

    def _into(self, node: int) -> list[int]:
        """Return the states after a step against an arrowhead at the node."""
        return [2 * i for i in self.near.parents[node]] + [2 * i + 1 for i in self.near.siblings[node]]

    def _meets_all(self, chosen: bytearray) -> bool:
        """Return whether every directed path from x to y has a chosen node."""
        reached = reach(self.x, self.near.children, [i for i, kept in enumerate(chosen) if kept])
        return not any(reached[i] for i in self.y)

    def smallest(self, include: list[int], allowed: bytearray) -> list[int] | None:
        """Return a set that does and has no proper subset that does and has `include`, or None.

        Of the largest set only members matter from which y is reached past no other member. Those of
        them that are first on the way from x are needed to meet the directed paths. A needed member
        must not have an open back-door path, so that the first one on each of its back-door walks
        is needed as well.
        """
        members = self.largest(include, allowed)
        if members is None:
            return None
        n_nodes = len(allowed)
        last = _met_first(self.y, self.near.parents, flags(n_nodes, [*members, *self.x]))
        stops = flags(n_nodes, [*(last - set(self.x)), *include])
        needed = {*include, *_met_first(self.x, self.near.children, stops)}
        stack = [after for node in sorted(needed) for after in self._into(node)]
        seen = flags(2 * n_nodes, stack)
        while stack:
            state = stack.pop()
            node = state >> 1
            if stops[node]:
                needed.add(node)
            for after in self._into(node) if stops[node] else self._onward(state):
                if not seen[after]:
                    seen[after] = 1
                    stack.append(after)
        return sorted(needed)

    def every(self, include: list[int], allowed: bytearray) -> Iterator[list[int]]:
        """Yield all sets that do, each once: node by node, as long as some set agrees."""
        candidates = [i for i in range(len(allowed)) if allowed[i] and i not in include]
        waiting = [(0, list(include), allowed)]
        while waiting:
            position, chosen, possible = waiting.pop()
            if self.largest(chosen, possible) is None:
                continue
            if position == len(candidates):
                yield sorted(chosen)
                continue
            node = candidates[position]
            fewer = bytearray(possible)
            fewer[node] = 0
            waiting.append((position + 1, [*chosen, node], possible))
            waiting.append((position + 1, chosen, fewer))


def _met_first(start: list[int], steps: list[list[int]], stops: bytearray) -> set[int]:
    """Return the stops that are met before any other on the way from `start`."""
    found = flags(len(steps), start)
    stack, met = list(start), set()
    while stack:
        for node in steps[stack.pop()]:
            if found[node]:
                continue
            found[node] = 1
            if stops[node]:
                met.add(node)
            else:
                stack.append(node)
    return met
