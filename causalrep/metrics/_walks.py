"""Paths in a DAG or CPDAG for many questions at once: a bit per question, a row of bits per node.

A question, or column, has a source node and a set of given nodes; rows are Python integers, so one
bitwise operation on the rows of two neighbours takes a step for thousands of questions.

In a CPDAG a possibly directed path may go back and forth within a chain component, that is a connected
part of the undirected edges, and never comes back into one that it has left; so possible descendants
are found on the components, among which the directed edges are acyclic. In a DAG each node is one.

References
----------
.. [1] E. Perković, J. Textor, M. Kalisch, M. H. Maathuis, "Complete graphical characterization and
   construction of adjustment sets in Markov equivalence classes of ancestral graphs", JMLR 18, 2018,
   arXiv:1606.06903.
.. [2] L. Henckel, T. Würtzen, S. Weichwald, "Adjustment identification distance: A gadjid for causal
   structure learning", UAI 2024, arXiv:2402.08616 (one pass per treatment answers for all outcomes).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import reduce
from graphlib import TopologicalSorter
from operator import or_

from causalrep.graphs import CPDAG, DAG

__all__ = ["Rows", "Walks"]

Rows = list[int]


class Walks:
    """The paths of a graph, on integers.

    Parameters
    ----------
    graph : DAG or CPDAG
        The graph.
    nodes : sequence of hashable
        Its nodes in the order in which they are numbered.
    """

    def __init__(self, graph: DAG | CPDAG, nodes: Sequence[Hashable]) -> None:
        number = {node: i for i, node in enumerate(nodes)}
        member = graph if isinstance(graph, DAG) else graph.consistent_extension()
        self.n_nodes = len(nodes)
        self.parents, self.children = _families(graph, number)
        self._member_parents, self._member_children = _families(member, number)
        self._order = [number[node] for node in member.topological_order()]
        self._components = self._sorted_components(graph, number)

    def _sorted_components(self, graph: DAG | CPDAG, number: dict[Hashable, int]) -> list[list[int]]:
        """Return the chain components, causes before effects."""
        component = list(range(self.n_nodes))
        members = {i: [i] for i in component}
        for u, v in graph.undirected_edges:
            one, other = component[number[u]], component[number[v]]
            if one != other:
                if len(members[one]) < len(members[other]):
                    one, other = other, one
                for i in members[other]:
                    component[i] = one
                members[one] += members.pop(other)
        before = {k: {component[p] for i in part for p in self.parents[i]} for k, part in members.items()}
        return [members[k] for k in TopologicalSorter(before).static_order()]

    # Possibly directed paths

    def possible_descendants(self, start: Rows) -> Rows:
        """Return the nodes that possibly directed paths reach from `start`, which is included."""
        found = list(start)
        for part in self._components:
            reached = reduce(or_, (found[p] for i in part for p in self.parents[i]), 0)
            reached = reduce(or_, (found[i] for i in part), reached)
            for i in part:
                found[i] = reached
        return found

    def possible_ancestors(self, start: Rows) -> Rows:
        """Return the nodes from which possibly directed paths reach `start`, which is included."""
        found = list(start)
        for part in reversed(self._components):
            reached = reduce(or_, (found[c] for i in part for c in self.children[i]), 0)
            reached = reduce(or_, (found[i] for i in part), reached)
            for i in part:
                found[i] = reached
        return found

    def ancestors(self, start: Rows) -> Rows:
        """Return the nodes from which directed paths reach `start`, which is included."""
        found = list(start)
        for part in reversed(self._components):
            for i in part:
                for c in self.children[i]:
                    found[i] |= found[c]
        return found

    def led_to(self, source: Rows) -> Rows:
        """Return the nodes on possibly directed paths that leave the source by a directed edge."""
        return self.possible_descendants([_union(source, parents) for parents in self.parents])

    def not_amenable(self, source: Rows) -> Rows:
        """Return the nodes at which a possibly directed path ends that leaves the source undirected.

        No set of covariates is valid for them: some members of the class have an effect that others
        have not (condition amenability of [1]_).
        """
        beside = [0] * self.n_nodes
        for part in self._components:
            if len(part) > 1:  # all of it, for what is cut off by the source is so on all its sides
                whole = _union(source, part)
                for i in part:
                    beside[i] = whole & ~source[i]
        behind = self.led_to(beside)
        return [near | far for near, far in zip(beside, behind, strict=True)]

    # Adjustment and separation

    def invalid(self, source: Rows, given: Rows) -> Rows:
        """Return the outcomes for which adjusting by `given` does not identify the effect of the source.

        This is the generalised adjustment criterion of [1]_. A forbidden node is given iff the outcome
        lies behind a node c, itself behind the source, from which something given can be reached. If
        none is, then a path that leaves the source towards the outcome and turns back at a collider is
        blocked; so any open path that is not directed decides, no edge need be cut, and one pass
        answers for all outcomes, as in [2]_.
        """
        may_lead = self.possible_ancestors(given)
        spoilt = [led & may for led, may in zip(self.led_to(source), may_lead, strict=True)]
        forbidden = self.possible_descendants(spoilt)
        up, down, _ = self._open_walks(source, given)
        vague = self.not_amenable(source)
        return [a | b | c | d for a, b, c, d in zip(vague, forbidden, up, down, strict=True)]

    def connected(self, source: Rows, given: Rows) -> Rows:
        """Return the nodes that `given` does not separate from the source."""
        return [a | b | c for a, b, c in zip(*self._open_walks(source, given), strict=True)]

    def _open_walks(self, source: Rows, given: Rows) -> tuple[Rows, Rows, Rows]:
        """Return where open walks arrive: by a tail, by an arrowhead, and by directed paths only.

        Walks in a member of the class, for all have the same separations, and never through the
        source again. They turn at given colliders only: a path that is open because a descendant of a
        collider is given is a walk down to that and back. Directed paths are not counted among those
        by arrowheads.
        """
        parents, children, order = self._member_parents, self._member_children, self._order
        every = reduce(or_, source, 0)
        free = [every & ~row for row in given]
        back = [every & ~row for row in source]
        causal, onward = [0] * self.n_nodes, [0] * self.n_nodes
        for i in order:
            causal[i] = _union(onward, parents[i])
            onward[i] = source[i] | causal[i] & free[i]
        up, down, spread = [0] * self.n_nodes, [0] * self.n_nodes, [0] * self.n_nodes
        turned = list(source)
        changed = True
        while changed:
            changed = False
            for i in reversed(order):
                found = _union(turned, children[i]) & back[i]
                if found != up[i]:
                    changed, up[i] = True, found
                turned[i] = source[i] | up[i] & free[i] | (down[i] | causal[i]) & given[i]
            if changed:
                for i in order:
                    down[i] = _union(spread, parents[i]) & back[i]
                    spread[i] = (up[i] | down[i]) & free[i]
        return up, down, causal


def _union(rows: Rows, members: Iterable[int], start: int = 0) -> int:
    for i in members:
        start |= rows[i]
    return start


def _families(graph: DAG | CPDAG, number: dict[Hashable, int]) -> tuple[list[list[int]], list[list[int]]]:
    parents: list[list[int]] = [[] for _ in number]
    children: list[list[int]] = [[] for _ in number]
    for u, v in graph.directed_edges:
        parents[number[v]].append(number[u])
        children[number[u]].append(number[v])
    return parents, children
