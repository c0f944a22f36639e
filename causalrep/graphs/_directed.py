"""What graphs have in common whose directed edges form no cycle: an order, and surgery on edges."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._projection import Projectable
from causalrep.graphs._store import ARROW, TAIL, EdgeStore, flags
from causalrep.utils import CycleError

__all__ = ["Directed", "find_cycle", "topological_order"]


class Directed(Projectable):
    """A graph in which causes come before their effects."""

    def _check(self) -> None:
        self._order()

    def _order(self) -> list[int]:
        order = self._store.derived(topological_order)
        if len(order) < len(self):
            raise CycleError([self._nodes[i] for i in find_cycle(self._store)])
        return order

    def topological_order(self) -> tuple[Hashable, ...]:
        """Return the nodes with every cause before its effects; ties keep the node order.

        Returns
        -------
        tuple of hashable
            All nodes.

        Notes
        -----
        Kahn's algorithm with a heap: O(n_edges + n_nodes log n_nodes).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG([("Z", "X"), ("X", "Y")], nodes=["W", "Y", "X", "Z"]).topological_order()
        ('W', 'Z', 'X', 'Y')
        """
        return tuple(self._nodes[i] for i in self._order())

    def do(self, *nodes: Hashable) -> Self:
        """Return the graph after an intervention: without the arrowheads at these nodes.

        Parameters
        ----------
        *nodes : hashable
            The nodes whose values are set from outside.

        Returns
        -------
        Graph
            Of this class, with the same nodes.

        Raises
        ------
        UnknownNameError
            If a node does not exist.

        References
        ----------
        .. [1] J. Pearl, "Causality", 2nd edition, 2009, section 3.2.1.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; Z -> Y").do("X")
        DAG.from_string('Z; X; Z -> Y; X -> Y')
        """
        fixed = self._flagged(nodes, "`do`")
        store = self._store
        into_first = fixed[store.first] & (store.mark_first == ARROW)
        into_second = fixed[store.second] & (store.mark_second == ARROW)
        return self._build(self._nodes, store.select(~(into_first | into_second)), self._latent)

    def cut_outgoing(self, *nodes: Hashable) -> Self:
        """Return the graph without the directed edges out of these nodes.

        What still joins `X` to `Y` in it are the back-door paths.

        Parameters
        ----------
        *nodes : hashable
            Nodes.

        Returns
        -------
        Graph
            Of this class, with the same nodes.

        Raises
        ------
        UnknownNameError
            If a node does not exist.

        References
        ----------
        .. [1] J. Pearl, "Causality", 2nd edition, 2009, section 3.4.1.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; Z -> Y").cut_outgoing("X")
        DAG.from_string('Z -> X; Z -> Y')
        """
        cut = self._flagged(nodes, "`cut_outgoing`")
        store = self._store
        forward = cut[store.first] & (store.mark_first == TAIL) & (store.mark_second == ARROW)
        backward = cut[store.second] & (store.mark_second == TAIL) & (store.mark_first == ARROW)
        return self._build(self._nodes, store.select(~(forward | backward)), self._latent)

    def _flagged(self, nodes: tuple[Hashable, ...], argument: str) -> NDArray[np.bool_]:
        found = np.zeros(len(self), dtype=bool)
        found[[self._id(node, argument) for node in nodes]] = True
        return found

    def subgraph(self, nodes: Iterable[Hashable]) -> Self:
        """Return the induced subgraph: these nodes and all edges among them.

        Parameters
        ----------
        nodes : iterable of hashable
            The nodes to keep; they stay in the order that they have in this graph.

        Returns
        -------
        Graph
            Of this class, with the nodes in the order of this graph; those that are latent stay so.

        Raises
        ------
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; Z -> Y").subgraph(["Y", "Z"])
        DAG.from_string('Z -> Y')
        """
        return self._build(*self._induced(nodes))


def topological_order(store: EdgeStore) -> list[int]:
    """Return the nodes in topological order by directed edges, the lowest first among the possible.

    Nodes on a directed cycle, and those behind one, are left out.
    """
    children = store.lists(TAIL, ARROW)
    waiting = [len(parents) for parents in store.lists(ARROW, TAIL)]
    ready = [i for i, count in enumerate(waiting) if not count]  # sorted, hence a heap
    order = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for child in children[node]:
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, child)
    return order


def find_cycle(store: EdgeStore) -> list[int]:
    """Return a directed cycle of a store that has one, from its lowest node on."""
    parents = store.lists(ARROW, TAIL)
    ordered = flags(store.n_nodes, topological_order(store))
    # A node that could not be ordered has a parent that could not: going up must come round.
    node = ordered.index(0)
    path: list[int] = []
    place: dict[int, int] = {}
    while node not in place:
        place[node] = len(path)
        path.append(node)
        node = next(parent for parent in parents[node] if not ordered[parent])
    cycle = path[place[node] :][::-1]
    start = cycle.index(min(cycle))
    return cycle[start:] + cycle[:start]
