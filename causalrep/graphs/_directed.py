"""What graphs have in common whose directed edges form no cycle: an order, districts, surgery on edges."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._base import closure
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._order import find_cycle, topological_order
from causalrep.graphs._projection import Projectable
from causalrep.graphs._store import ARROW, TAIL
from causalrep.graphs._worlds import WorldMaker
from causalrep.utils import CycleError

__all__ = ["Directed"]


class Directed(WorldMaker, Projectable):
    """A graph in which causes come before their effects."""

    _hides = True

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
        kept = store.select(~(into_first | into_second))
        return self._build(self._nodes, kept, self._latent)._carrying(self._attributes)

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
        kept = store.select(~(forward | backward))
        return self._build(self._nodes, kept, self._latent)._carrying(self._attributes)

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
        return self._build(*self._induced(nodes))._carrying(self._attributes)

    def district(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the nodes that bidirected edges lead to from `node`, which is included.

        Also called its c-component; in a DAG every node is one of its own, latent nodes included, whose
        effects `latent_projection` ties to each other.

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
        >>> from causalrep.graphs import ADMG
        >>> ADMG.from_string("X -> Y; X <-> Y; Y <-> Z; W").district("Z")
        NodeSet(['X', 'Y', 'Z'])
        """
        reached = closure([self._id(node, "`node`")], self._store.lists(ARROW, ARROW))
        return self._labels(i for i in range(len(self)) if reached[i])

    def districts(self) -> tuple[NodeSet[Hashable], ...]:
        """Return the classes into which bidirected edges divide the nodes.

        Returns
        -------
        tuple of NodeSet
            In the order of their first nodes; every node is in one.

        Examples
        --------
        >>> from causalrep.graphs import ADMG
        >>> ADMG.from_string("X -> M -> Y; X <-> Y").districts()
        (NodeSet(['X', 'Y']), NodeSet(['M']))
        """
        owner = [-1] * len(self)
        siblings = self._store.lists(ARROW, ARROW)
        found: list[list[int]] = []
        for start in range(len(self)):
            if owner[start] >= 0:
                continue
            owner[start] = len(found)
            members = [start]
            for node in members:  # grows while it is read
                new = [i for i in siblings[node] if owner[i] < 0]
                for i in new:
                    owner[i] = len(found)
                members += new
            found.append(sorted(members))
        return tuple(self._labels(members) for members in found)
