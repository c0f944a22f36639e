"""Markov equivalence on integers: compelled edges, Meek's rules, consistent extensions.

Two DAGs have the same separations iff they have the same adjacencies and the same v-structures
i -> k <- j with i, j not adjacent [1]_. What all members of such a class agree on is the essential
graph, or CPDAG.

References
----------
.. [1] T. Verma, J. Pearl, "Equivalence and synthesis of causal models", UAI 1990.
.. [2] D. M. Chickering, "A transformational characterization of equivalent Bayesian network
   structures", UAI 1995.
.. [3] C. Meek, "Causal inference and causal explanation with background knowledge", UAI 1995,
   arXiv:1302.4972.
.. [4] D. Dor, M. Tarsi, "A simple algorithm to construct a consistent extension of a partially
   oriented graph", technical report R-185, UCLA, 1992.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from causalrep.graphs._store import ARROW, TAIL, EdgeStore

__all__ = [
    "PartialOrientation",
    "compelled_parents",
    "direct_all",
    "extend",
    "extensions",
    "meek_closure",
]

Triples: TypeAlias = frozenset[tuple[int, int, int]]


def compelled_parents(parents: Sequence[Collection[int]], order: list[int]) -> list[set[int]]:
    """Return for each node of a DAG the parents that are its parents in all equivalent DAGs.

    Chickering's Label-Edges looks at the edges into y from the latest parent x on. What it decides
    there settles all of them: a compelled w -> x with w no parent of y, or a parent z of y that is
    none of x, compels every edge into y; otherwise w -> y is compelled iff w -> x is.
    """
    place = {node: i for i, node in enumerate(order)}
    compelled: list[set[int]] = [set() for _ in order]
    for y in order:
        if not parents[y]:
            continue
        into_y = set(parents[y])
        x = max(into_y, key=place.__getitem__)
        if compelled[x] <= into_y and into_y - {x} <= set(parents[x]):
            compelled[y] = compelled[x]
        else:
            compelled[y] = into_y
    return compelled


@dataclass(frozen=True)
class PartialOrientation:
    """A partially directed graph under change: per node its parents, children, and undecided neighbours.

    What is not a collider is none, but for the triples (end, middle, end), both ways round, of which
    neither is known.
    """

    parents: list[set[int]]
    children: list[set[int]]
    undecided: list[set[int]]
    adjacent: list[set[int]]
    open_triples: Triples = frozenset()

    @classmethod
    def of(cls, store: EdgeStore, open_triples: Triples = frozenset()) -> Self:
        """Return a copy of the edges of a store."""
        classes = ((ARROW, TAIL), (TAIL, ARROW), (TAIL, TAIL), (None, None))
        parents, children, undecided, adjacent = (
            [set(row) for row in store.lists(*ends)] for ends in classes
        )
        return cls(parents, children, undecided, adjacent, open_triples)

    @classmethod
    def without_edges(cls, n_nodes: int) -> Self:
        """Return nodes alone."""
        return cls.of(EdgeStore(n_nodes, [], [], [], []))

    def copy(self) -> PartialOrientation:
        """Return the same edges, to be changed apart from these."""
        parts = (self.parents, self.children, self.undecided, self.adjacent)
        parents, children, undecided, adjacent = ([set(row) for row in part] for part in parts)
        return PartialOrientation(parents, children, undecided, adjacent, self.open_triples)

    def orient(self, source: int, target: int) -> None:
        """Turn an undecided edge into source -> target."""
        self.undecided[source].remove(target)
        self.undecided[target].remove(source)
        self.children[source].add(target)
        self.parents[target].add(source)

    def release(self, source: int, target: int) -> None:
        """Turn source -> target into an undecided edge again."""
        self.children[source].remove(target)
        self.parents[target].remove(source)
        self.undecided[source].add(target)
        self.undecided[target].add(source)

    def orient_and_close(self, source: int, target: int) -> list[tuple[int, int]]:
        """Turn an undecided edge into source -> target, with all that follows; return the new directions.

        From a graph that is closed under the rules and has a consistent extension comes another.
        """
        done = []
        queue = [(source, target)]
        while queue:
            a, b = queue.pop()
            if b not in self.undecided[a]:
                continue
            self.orient(a, b)
            done.append((a, b))
            for edge in self.touched_by(a, b):
                queue += [way for way in (edge, edge[::-1]) if self.is_forced(*way)]
        return done

    def store(self) -> EdgeStore:
        """Return the edges as they are now."""
        edges = [(i, j, ARROW) for i, row in enumerate(self.children) for j in row]
        edges += [(i, j, TAIL) for i, row in enumerate(self.undecided) for j in row if i < j]
        left, right = [edge[0] for edge in edges], [edge[1] for edge in edges]
        return EdgeStore(len(self.parents), left, right, [TAIL] * len(edges), [edge[2] for edge in edges])

    def is_forced(self, a: int, b: int) -> bool:
        """Return whether one of Meek's rules R1 to R4 turns the undecided a -- b into a -> b."""
        into_b, near_b = self.parents[b], self.adjacent[b]
        if not self.parents[a] <= near_b and self._pushes_on(a, b):  # R1: c -> a, c and b not adjacent
            return True
        if not self.children[a].isdisjoint(into_b):  # R2: a -> c -> b
            return True
        # R3: a -- c -> b, a -- d -> b, c and d not adjacent
        spokes = self.undecided[a] & into_b
        for c in spokes:
            if len(spokes & self.adjacent[c]) < len(spokes) - 1 and (
                not self.open_triples
                or any((c, a, d) not in self.open_triples for d in spokes - self.adjacent[c] - {c})
            ):
                return True
        # R4: a -- d -> c -> b, a and c adjacent, d and b not
        far = self.undecided[a] - near_b - {b}
        if self.open_triples:
            far = {d for d in far if (d, a, b) not in self.open_triples}
        return bool(far) and any(not self.parents[c].isdisjoint(far) for c in into_b & self.adjacent[a])

    def _pushes_on(self, a: int, b: int) -> bool:
        """Return whether some c -> a, with (c, a, b) no collider and c and b not adjacent, makes a -> b."""
        if not self.open_triples:
            return True
        return any((c, a, b) not in self.open_triples for c in self.parents[a] - self.adjacent[b])

    def touched_by(self, a: int, b: int) -> Iterator[tuple[int, int]]:
        """Yield the undecided edges that the new a -> b may have given a rule to fire on."""
        for end in (a, b):
            yield from ((end, other) for other in self.undecided[end])
        for other in self.undecided[a] & self.adjacent[b]:  # a -> b as the first link of R4
            yield from ((other, child) for child in self.children[b] & self.undecided[other])


def meek_closure(store: EdgeStore, open_triples: Triples = frozenset()) -> EdgeStore:
    """Return the store after Meek's rules have been applied until none fires.

    Whatever contradicts itself stays undirected: an edge that is forced both ways, or a set of
    edges that would close a directed cycle. This happens only where there is no consistent extension.
    Of the `open_triples` (end, middle, end), given both ways round, nothing is known, and nothing follows.
    """
    closed = _closure(store, open_triples, check_cycles=False)
    # Cycles are rare and their search is not free: look once, and go step by step only if need be.
    return _closure(store, open_triples, check_cycles=True) if _cyclic_edges(closed) else closed


def _closure(store: EdgeStore, open_triples: Triples, *, check_cycles: bool) -> EdgeStore:
    graph = PartialOrientation.of(store, open_triples)
    # What was passed over may have ceased to contradict itself when other edges were directed.
    while _sweep(graph, check_cycles=check_cycles) == {"directed", "passed over"}:
        pass
    return graph.store()


def _sweep(graph: PartialOrientation, *, check_cycles: bool) -> set[str]:
    """Look at every undecided edge, then at those that a new direction touches; say what happened."""
    happened = set()
    frontier = {(a, b) for a, row in enumerate(graph.undecided) for b in row if a < b}
    while frontier:
        # All edges of a round are judged on the same state, so that the order of nodes cannot matter.
        forced = [[way for way in ((a, b), (b, a)) if graph.is_forced(*way)] for a, b in sorted(frontier)]
        chosen = [ways[0] for ways in forced if len(ways) == 1]
        if check_cycles:
            trial = PartialOrientation.of(graph.store())
            for way in chosen:
                trial.orient(*way)
            cyclic = set(_cyclic_edges(trial.store()))
            chosen = [way for way in chosen if way not in cyclic]
        if len(chosen) < sum(map(bool, forced)):
            happened.add("passed over")
        for way in chosen:
            graph.orient(*way)
            happened.add("directed")
        touched = (edge for way in chosen for edge in graph.touched_by(*way))
        frontier = {(min(edge), max(edge)) for edge in touched}
    return happened


def _cyclic_edges(store: EdgeStore) -> list[tuple[int, int]]:
    """Return the directed edges that lie on directed cycles."""
    edges = store.pairs(TAIL, ARROW)
    if not edges:
        return []
    rows, columns = np.array(edges).T
    shape = (store.n_nodes, store.n_nodes)
    matrix = coo_array((np.ones(len(edges), dtype=np.int8), (rows, columns)), shape=shape).tocsr()
    _, component = connected_components(matrix, directed=True, connection="strong")
    return [edges[k] for k in np.flatnonzero(component[rows] == component[columns])]


def extend(store: EdgeStore) -> tuple[EdgeStore, list[int]]:
    """Direct the undirected edges without a new v-structure or cycle.

    Returns
    -------
    store : EdgeStore
        Directed edges only, if nothing is left.
    left : list of int
        The nodes among which none can be last; empty iff there is a consistent extension.
    """
    graph = PartialOrientation.of(store)
    _, left = direct_all(graph)
    return graph.store(), left


def direct_all(graph: PartialOrientation) -> tuple[list[int], list[int]]:
    """Direct the undecided edges in place, without a new v-structure or cycle (Dor and Tarsi).

    Take away, again and again, a node that can be last: no directed edge leaves it, and each of its
    undirected neighbours is adjacent to all its other neighbours. Among the possible the highest
    goes first, so that undirected edges tend to follow the node order.

    Returns
    -------
    order : list of int
        The nodes taken away, causes first.
    left : list of int
        The nodes among which none can be last; empty iff there is a consistent extension.
    """
    near = [set(row) for row in graph.adjacent]
    left = set(range(len(near)))
    taken = []
    queue = [-node for node in reversed(range(len(near)))]
    while queue:
        node = -heapq.heappop(queue)
        if node not in left or not _can_be_last(graph, near, left, node):
            continue
        for other in sorted(graph.undecided[node] & left):
            graph.orient(other, node)
        for other in near[node]:
            near[other].discard(node)
            heapq.heappush(queue, -other)
        left.remove(node)
        taken.append(node)
    return taken[::-1], sorted(left)


def extensions(store: EdgeStore) -> Iterator[EdgeStore]:
    """Yield the consistent extensions of a store that is closed under Meek's rules and has some.

    Direct the first undecided edge from its lower to its higher end, then all that follows, and so on;
    then go back to the last free choice and take the other way. By completeness of the rules every
    choice can be completed, so there is no search: between two results lie at most as many choices
    as edges.
    """
    graph = PartialOrientation.of(store)
    edges = store.pairs(TAIL, TAIL)
    taken: list[tuple[int, bool, list[tuple[int, int]]]] = []  # edge, whether reversed, what it directed
    at = 0
    while True:
        for k in range(at, len(edges)):
            a, b = edges[k]
            if b in graph.undecided[a]:
                taken.append((k, False, graph.orient_and_close(a, b)))
        yield graph.store()
        while taken:
            at, is_reversed, done = taken.pop()
            for way in done:
                graph.release(*way)
            if not is_reversed:
                b, a = edges[at]
                taken.append((at, True, graph.orient_and_close(a, b)))
                break
        else:
            return


def _can_be_last(graph: PartialOrientation, near: list[set[int]], left: set[int], node: int) -> bool:
    if not graph.children[node].isdisjoint(left):
        return False
    return all(near[node] - {other} <= near[other] for other in graph.undecided[node])
