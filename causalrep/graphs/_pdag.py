"""Partially directed graphs: some directions are stated, the rest is left open."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from causalrep.graphs._base import pairs_of
from causalrep.graphs._dag import DAG
from causalrep.graphs._equivalence import PartialOrientation, extend, meek_closure
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._order import find_cycle, topological_order
from causalrep.graphs._possible import PossiblyCausal
from causalrep.graphs._separation import Separable
from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.utils import CycleError, GraphError

if TYPE_CHECKING:
    from causalrep.graphs._mpdag import CPDAG, MPDAG

__all__ = ["PDAG"]


class PDAG(PossiblyCausal, Separable):
    """A partially directed graph: directed edges without a directed cycle, and undirected edges.

    It stands for the DAGs with the same adjacencies, the same v-structures, and its directions, of
    which there may be none; `consistent_extension` finds one.

    Parameters
    ----------
    directed, undirected : iterable of (hashable, hashable), default=()
        Pairs (cause, effect), and pairs of neighbours.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.

    Raises
    ------
    CycleError
        If the directed edges form a cycle, which is its attribute ``cycle``.
    GraphError
        If an edge joins a node to itself or two edges the same nodes, or `nodes` repeats a node.
    UnknownNameError
        If `nodes` is given and lacks the end of an edge.

    Examples
    --------
    >>> from causalrep.graphs import PDAG
    >>> g = PDAG(directed=[("X", "C"), ("Y", "C")], undirected=[("C", "D")])
    >>> g.meek_closure()
    PDAG.from_string('X -> C; Y -> C; C -> D')
    """

    _kinds = ("->", "--")
    _headers = ("pdag", "dag")
    _may_point = ((TAIL, ARROW), (TAIL, TAIL))

    def __init__(
        self,
        directed: Iterable[tuple[Hashable, Hashable]] = (),
        undirected: Iterable[tuple[Hashable, Hashable]] = (),
        nodes: Iterable[Hashable] | None = None,
    ) -> None:
        edges = [(u, "->", v) for u, v in pairs_of(directed, "directed")]
        edges += [(u, "--", v) for u, v in pairs_of(undirected, "undirected")]
        self._fill(edges, nodes)

    def _check(self) -> None:
        if len(self._store.derived(topological_order)) < len(self):
            raise CycleError([self._nodes[i] for i in find_cycle(self._store)])

    def neighbors(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the nodes that an undirected edge joins to `node`.

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
        >>> from causalrep.graphs import PDAG
        >>> PDAG.from_string("X -- Y -- Z; Y -> W").neighbors("Y")
        NodeSet(['X', 'Z'])
        """
        return self._labels(self._store.lists(TAIL, TAIL)[self._id(node, "`node`")])

    def subgraph(self, nodes: Iterable[Hashable]) -> PDAG:
        """Return the induced subgraph: these nodes and all edges among them.

        Parameters
        ----------
        nodes : iterable of hashable
            The nodes to keep; they stay in the order that they have in this graph.

        Returns
        -------
        PDAG
            Also where this graph is a `CPDAG`, a part of which need not be one.

        Raises
        ------
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import PDAG
        >>> PDAG.from_string("X -- Y -> Z; X -> Z").subgraph(["X", "Z"])
        PDAG.from_string('X -> Z')
        """
        return PDAG._build(*self._induced(nodes))._carrying(self._attributes)

    def meek_closure(self) -> PDAG:
        """Return the graph with every direction that follows by Meek's rules R1 to R4.

        If the graph has a consistent extension, then the new directions are common to all of them.
        If it has none, then the rules may contradict themselves; such edges stay undirected. The
        result does not depend on the order of the nodes.

        Returns
        -------
        PDAG
            With the same nodes and adjacencies.

        Notes
        -----
        A work list over the edges that changed: O(n_edges * max degree**2) where there are no
        contradictions.

        References
        ----------
        .. [1] C. Meek, "Causal inference and causal explanation with background knowledge", UAI 1995,
           arXiv:1302.4972 (rules R1 to R4).

        Examples
        --------
        >>> from causalrep.graphs import PDAG
        >>> PDAG.from_string("X -> Y -- Z -- W").meek_closure()
        PDAG.from_string('X -> Y; Y -> Z; Z -> W')
        """
        return PDAG._build(self._nodes, meek_closure(self._store))

    def to_mpdag(
        self,
        required: Iterable[tuple[Hashable, Hashable]] = (),
        forbidden: Iterable[tuple[Hashable, Hashable]] = (),
    ) -> MPDAG:
        """Return what follows from this graph and background knowledge: all directions, and no others.

        Parameters
        ----------
        required, forbidden : iterable of (hashable, hashable), default=()
            Pairs (cause, effect) whose edge must, or must not, be directed so. A forbidden pair that
            is not adjacent says nothing new.

        Returns
        -------
        MPDAG
            With the same nodes and adjacencies; an edge is directed iff all consistent extensions that
            agree with the knowledge direct it so.

        Raises
        ------
        GraphError
            If there is no consistent extension, a required pair is not adjacent, or a statement
            contradicts this graph and the statements before it; the message names the statement.
        UnknownNameError
            If a node does not exist.

        References
        ----------
        .. [1] C. Meek, "Causal inference and causal explanation with background knowledge", UAI 1995,
           arXiv:1302.4972 (theorem 4: with R1 to R4 nothing is missed).

        Examples
        --------
        >>> from causalrep.graphs import CPDAG
        >>> g = CPDAG.from_string("X -- Y -- Z; X -- W")
        >>> g.to_mpdag(required=[("X", "Y")])
        MPDAG.from_string('X -> Y; Y -> Z; X -- W')
        >>> g.to_mpdag(required=[("X", "Y")], forbidden=[("Y", "Z")])
        Traceback (most recent call last):
        ...
        causalrep.utils._errors.GraphError: `forbidden` names 'Y' -> 'Z', but this graph and the
        statements before it imply just that direction
        """
        from causalrep.graphs._mpdag import MPDAG

        self.consistent_extension()
        graph = PartialOrientation.of(meek_closure(self._store))
        for name, pairs in (("required", required), ("forbidden", forbidden)):
            for u, v in pairs_of(pairs, name):
                i, j = self._id(u, f"`{name}`"), self._id(v, f"`{name}`")
                if j not in graph.adjacent[i]:
                    if name == "required":
                        raise GraphError(f"`required` names {u!r} -> {v!r}, but the two are not adjacent")
                    continue
                source, target = (i, j) if name == "required" else (j, i)
                if source in graph.children[target]:
                    implied = "the opposite" if name == "required" else "just that direction"
                    raise GraphError(
                        f"`{name}` names {u!r} -> {v!r}, but this graph and the statements before it "
                        f"imply {implied}"
                    )
                graph.orient_and_close(source, target)
        return MPDAG._build(self._nodes, graph.store())

    def consistent_extension(self) -> DAG:
        """Return a DAG with the same adjacencies and v-structures and with all of these directions.

        Returns
        -------
        DAG
            One of possibly many; the same one every time.

        Raises
        ------
        GraphError
            If there is none; the message names the nodes among which the search ends.

        References
        ----------
        .. [1] D. Dor, M. Tarsi, "A simple algorithm to construct a consistent extension of a
           partially oriented graph", technical report R-185, UCLA, 1992.

        Examples
        --------
        >>> from causalrep.graphs import PDAG
        >>> PDAG.from_string("X -- Y -- Z").consistent_extension()
        DAG.from_string('X -> Y; Y -> Z')
        """
        return DAG._build(self._nodes, self._plain())

    def _plain(self) -> EdgeStore:
        store, left = self._store.derived(extend)
        if left:
            names = ", ".join(repr(self._nodes[i]) for i in left[:10]) + (", ..." if len(left) > 10 else "")
            raise GraphError(
                f"no DAG has the adjacencies, v-structures and directions of this {type(self).__name__}: "
                f"none of the nodes {names} can come last"
            )
        return store

    def to_cpdag(self) -> CPDAG:
        """Return the equivalence class of the consistent extensions.

        Directions that are neither in a v-structure nor follow from one are given up.

        Returns
        -------
        CPDAG
            With the same nodes and adjacencies.

        Raises
        ------
        GraphError
            If there is no consistent extension.

        Examples
        --------
        >>> from causalrep.graphs import PDAG
        >>> PDAG.from_string("X -> Y -- Z").to_cpdag()
        CPDAG.from_string('X -- Y; Y -- Z')
        """
        return self.consistent_extension().to_cpdag()
