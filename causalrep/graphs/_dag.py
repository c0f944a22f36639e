"""Directed acyclic graphs."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from causalrep.graphs import _convert
from causalrep.graphs._base import pairs_of
from causalrep.graphs._equivalence import compelled_parents
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._separation import Separable
from causalrep.graphs._store import ARROW, TAIL, EdgeStore, flags
from causalrep.utils import CycleError

if TYPE_CHECKING:
    from causalrep.graphs._pdag import CPDAG

__all__ = ["DAG", "topological_order"]


class DAG(Separable):
    """A directed acyclic graph: which variable is a direct cause of which.

    As a causal graph it assumes that no two of its variables share a cause that is left out.
    Equality and hash are by content: the same set of nodes and the same edges.

    Parameters
    ----------
    edges : iterable of (hashable, hashable), or networkx.DiGraph, default=()
        Pairs (cause, effect).
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default the nodes of the edges in
        order of first appearance.

    Raises
    ------
    CycleError
        If the edges form a cycle, which is its attribute ``cycle``.
    GraphError
        If an edge joins a node to itself or two edges the same nodes, or `nodes` repeats a node.
    UnknownNameError
        If `nodes` is given and lacks the end of an edge.

    See Also
    --------
    CPDAG : All DAGs that the same data could come from.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> g = DAG([("Z", "X"), ("X", "Y"), ("Z", "Y")])
    >>> g.parents("Y"), g.is_separated("Z", "Y", given="X")
    (NodeSet(['Z', 'X']), False)
    >>> g == DAG.from_string("Z -> X -> Y; Z -> Y")
    True
    """

    _kinds = ("->",)

    def __init__(
        self, edges: Iterable[tuple[Hashable, Hashable]] = (), nodes: Iterable[Hashable] | None = None
    ) -> None:
        if isinstance(edges, nx.Graph):
            found, their_nodes = _convert.edges_of_networkx(edges, self._kinds)
            self._fill(found, their_nodes if nodes is None else nodes)
        else:
            self._fill([(u, "->", v) for u, v in pairs_of(edges, "edges")], nodes)

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

    def depth_levels(self) -> tuple[tuple[Hashable, ...], ...]:
        """Return the nodes by depth, the number of edges on the longest directed path to them.

        No edge joins two nodes of one level, so a level can be computed at once.

        Returns
        -------
        tuple of tuple of hashable
            Level 0 holds the roots; within a level the nodes are in node order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; Z -> Y; W").depth_levels()
        (('Z', 'W'), ('X',), ('Y',))
        """
        parents = self._store.lists(ARROW, TAIL)
        depth = [0] * len(self)
        for i in self._order():
            depth[i] = 1 + max((depth[j] for j in parents[i]), default=-1)
        levels: list[list[Hashable]] = [[] for _ in range(max(depth, default=-1) + 1)]
        for node, level in zip(self._nodes, depth, strict=True):
            levels[level].append(node)
        return tuple(tuple(level) for level in levels)

    def markov_blanket(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the parents, the children and the children's other parents of `node`.

        It is the smallest set that separates `node` from all other nodes.

        Parameters
        ----------
        node : hashable
            A node.

        Returns
        -------
        NodeSet
            In node order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("A -> X -> Y <- B; B -> C").markov_blanket("X")
        NodeSet(['A', 'Y', 'B'])
        """
        i = self._id(node, "`node`")
        parents, children = self._store.lists(ARROW, TAIL), self._store.lists(TAIL, ARROW)
        found = {*parents[i], *children[i]}.union(*(parents[child] for child in children[i]))
        return self._labels(sorted(found - {i}))

    def do(self, *nodes: Hashable) -> DAG:
        """Return the graph after an intervention: without the edges into these nodes.

        Parameters
        ----------
        *nodes : hashable
            The nodes whose values are set from outside.

        Returns
        -------
        DAG
            With the same nodes.

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
        store = self._store
        fixed = np.zeros(len(self), dtype=bool)
        fixed[[self._id(node, "`do`") for node in nodes]] = True
        into_first = fixed[store.first] & (store.mark_first == ARROW)
        into_second = fixed[store.second] & (store.mark_second == ARROW)
        return DAG._build(self._nodes, store.select(~(into_first | into_second)))

    def subgraph(self, nodes: Iterable[Hashable]) -> DAG:
        """Return the induced subgraph: these nodes and all edges among them.

        Parameters
        ----------
        nodes : iterable of hashable
            The nodes to keep; they stay in the order that they have in this graph.

        Returns
        -------
        DAG
            With the nodes in the order of this graph.

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
        return DAG._build(*self._induced(nodes))

    def to_cpdag(self) -> CPDAG:
        """Return the graph of the Markov equivalence class: what observational data can tell.

        An edge is directed iff all DAGs with the same separations direct it so.

        Returns
        -------
        CPDAG
            With the same nodes and adjacencies.

        Notes
        -----
        Chickering's labelling of the edges in topological order, with sets in place of his loop over
        edges [1]_: O(n_edges * max degree).

        References
        ----------
        .. [1] D. M. Chickering, "A transformational characterization of equivalent Bayesian network
           structures", UAI 1995, arXiv:1302.4938 (algorithms Order-Edges and Label-Edges).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> C <- Y; C -> D; Z -> W").to_cpdag()
        CPDAG.from_string('X -> C; Y -> C; C -> D; Z -- W')
        """
        from causalrep.graphs._pdag import CPDAG

        parents = self._store.lists(ARROW, TAIL)
        compelled = compelled_parents(parents, self._order())
        edges = [(i, j, i in compelled[j]) for j in range(len(self)) for i in parents[j]]
        store = EdgeStore(
            len(self),
            [i for i, _, _ in edges],
            [j for _, j, _ in edges],
            [TAIL] * len(edges),
            [ARROW if directed else TAIL for _, _, directed in edges],
        )
        return CPDAG._build(self._nodes, store)


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
