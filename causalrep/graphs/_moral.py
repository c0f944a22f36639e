"""Moral graphs: what stays connected when everything else is given.

Two nodes are adjacent in the moral graph iff an edge joins them or a path all of whose inner nodes are
colliders. Such a path runs within one district and ends in it or in a parent of it, so the moral graph
is a clique for each district with its parents, and the undirected edges. For a graph with bidirected
edges it is also called the augmented graph.

References
----------
.. [1] S. L. Lauritzen, D. J. Spiegelhalter, "Local computations with probabilities on graphical
   structures and their application to expert systems", JRSS B 50, 1988,
   doi:10.1111/j.2517-6161.1988.tb01721.x.
.. [2] T. Richardson, P. Spirtes, "Ancestral graph Markov models", Annals of Statistics 30, 2002,
   doi:10.1214/aos/1031689015 (section 3.3).
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import combinations
from typing import TYPE_CHECKING, Protocol

import numpy as np

from causalrep.graphs._base import Graph
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._reachability import moral_reach
from causalrep.graphs._store import ARROW, TAIL, EdgeStore, flags

if TYPE_CHECKING:
    from causalrep.graphs._mag import MAG

__all__ = ["HasLists", "Moral", "moral_hubs"]


class Moral(Graph):
    """A graph that has a moral graph: its own, or that of the members of its class."""

    def _plain(self) -> EdgeStore:
        """Return edges without undecided marks that have the separations of this graph."""
        return self._store

    def markov_blanket(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the smallest set that separates `node` from all other nodes.

        In a DAG: its parents, its children and their other parents. In general: what an edge joins to
        it, or a path all of whose inner nodes are colliders.

        Parameters
        ----------
        node : hashable
            A node.

        Returns
        -------
        NodeSet
            In node order.

        Raises
        ------
        GraphError
            If a graph that stands for a class has no member.
        UnknownNameError
            If the node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import ADMG, DAG
        >>> DAG.from_string("A -> X -> Y <- B; B -> C").markov_blanket("X")
        NodeSet(['A', 'Y', 'B'])
        >>> ADMG.from_string("X <-> A <-> B <- C; B -> D").markov_blanket("X")
        NodeSet(['A', 'B', 'C'])
        """
        i = self._id(node, "`node`")
        every = np.ones(len(self), dtype=np.uint8)
        others = every.copy()
        others[i] = 0
        met = moral_reach(self._plain(), every, [i], others)
        met[i] = 0
        return self._labels(np.flatnonzero(met).tolist())

    def moralize(self) -> MAG:
        """Return the moral graph: undirected edges between nodes that nothing separates within the graph.

        Two nodes are adjacent iff an edge joins them or a path all of whose inner nodes are colliders,
        such as a common child: just if all other nodes together do not separate them. For a graph with
        bidirected edges it is also called the augmented graph.

        Returns
        -------
        MAG
            With undirected edges only, so that its separations are those of an undirected graph.

        Raises
        ------
        GraphError
            If a graph that stands for a class has no member.

        References
        ----------
        .. [1] S. L. Lauritzen, D. J. Spiegelhalter, "Local computations with probabilities on graphical
           structures and their application to expert systems", JRSS B 50, 1988,
           doi:10.1111/j.2517-6161.1988.tb01721.x.
        .. [2] T. Richardson, P. Spirtes, "Ancestral graph Markov models", Annals of Statistics 30, 2002,
           doi:10.1214/aos/1031689015 (section 3.3).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> C <- Y; C -> D").moralize()
        MAG.from_string('X -- C; X -- Y; C -- Y; C -- D')
        """
        from causalrep.graphs._mag import MAG

        store = self._plain()
        every = flags(len(self), range(len(self)))
        hubs = moral_hubs(store, every, [])
        pairs = set(store.pairs(TAIL, TAIL))
        for clique in hubs[len(self) :]:
            pairs.update(combinations(clique, 2))
        ends = sorted(pairs)
        left, right, tails = [i for i, _ in ends], [j for _, j in ends], [TAIL] * len(ends)
        return MAG._build(self._nodes, EdgeStore(len(self), left, right, tails, tails))


class HasLists(Protocol):
    """What knows the neighbours of its nodes by marks: a store of edges, or a part of one."""

    @property
    def n_nodes(self) -> int:
        """The number of nodes."""

    def lists(self, here: int | None, there: int | None) -> list[list[int]]:
        """Return per node the neighbours by edges with these marks at this end and at the other."""


def moral_hubs(store: HasLists, within: bytes | bytearray, removed: list[int]) -> list[list[int]]:
    """Return the moral graph of the nodes `within` as neighbour lists, some removed, in linear size.

    In place of the clique of a district and its parents stands one more node, a hub, joined to them.
    """
    present = [node for node in range(store.n_nodes) if within[node]]
    gone = flags(store.n_nodes, removed)
    neighbours: list[list[int]] = [
        [j for j in row if not gone[j]] if within[i] and not gone[i] else []
        for i, row in enumerate(store.lists(TAIL, TAIL))
    ]
    parents, siblings = store.lists(ARROW, TAIL), store.lists(ARROW, ARROW)
    placed = bytearray(store.n_nodes)
    for start in present:
        if placed[start]:
            continue
        placed[start] = 1
        district = [start]
        for node in district:  # grows while it is read
            new = [i for i in siblings[node] if within[i] and not placed[i]]
            for i in new:
                placed[i] = 1
            district += new
        family = {*district, *(parent for node in district for parent in parents[node])}
        members = sorted(node for node in family if not gone[node])
        if len(members) > 1:
            hub = len(neighbours)
            neighbours.append(members)
            for node in members:
                neighbours[node].append(hub)
    return neighbours
