"""Acyclic directed mixed graphs: hidden common causes as bidirected edges."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from causalrep.graphs._base import Nodes, closure, pairs_of
from causalrep.graphs._directed import Directed
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._store import ARROW

__all__ = ["ADMG"]


class ADMG(Directed):
    """An acyclic directed mixed graph: a bidirected edge stands for hidden common causes.

    Both edges may join the same two nodes (a *bow*).

    Parameters
    ----------
    directed, bidirected : iterable of (hashable, hashable), default=()
        Pairs (cause, effect), and pairs that share a hidden cause.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.
    latent : hashable or iterable of hashable, default=()
        Nodes of the graph that no data set can hold.

    Raises
    ------
    CycleError
        If the directed edges form a cycle, which is its attribute ``cycle``.
    GraphError
        If an edge joins a node to itself, an edge is given twice, or `nodes` repeats a node.
    UnknownNameError
        If `nodes` is given and lacks the end of an edge.

    References
    ----------
    .. [1] T. Richardson, "Markov properties for acyclic directed mixed graphs", Scandinavian Journal
       of Statistics 30, 2003, doi:10.1111/1467-9469.00323.

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> g = ADMG(directed=[("X", "M"), ("M", "Y")], bidirected=[("X", "Y")])
    >>> g.district("X"), g.is_separated("X", "Y", given="M")
    (NodeSet(['X', 'Y']), False)
    """

    _kinds = ("->", "<->")
    _simple = False

    def __init__(
        self,
        directed: Iterable[tuple[Hashable, Hashable]] = (),
        bidirected: Iterable[tuple[Hashable, Hashable]] = (),
        nodes: Iterable[Hashable] | None = None,
        latent: Nodes = (),
    ) -> None:
        edges = [(u, "->", v) for u, v in pairs_of(directed, "directed")]
        edges += [(u, "<->", v) for u, v in pairs_of(bidirected, "bidirected")]
        self._fill(edges, nodes, latent)

    def district(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the nodes that bidirected edges lead to from `node`, which is included.

        Also called its c-component.

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
