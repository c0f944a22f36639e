"""Partially directed graphs: a PDAG states some directions, a CPDAG is an equivalence class of DAGs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from causalrep.graphs._base import Graph, Nodes, pairs_of
from causalrep.graphs._dag import DAG
from causalrep.graphs._directed import find_cycle, topological_order
from causalrep.graphs._equivalence import extend, meek_closure
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._store import TAIL
from causalrep.utils import CycleError, GraphError

__all__ = ["CPDAG", "MPDAG", "PDAG"]


class PDAG(Graph):
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
        return PDAG._build(*self._induced(nodes))

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
        store, left = extend(self._store)
        if left:
            names = ", ".join(repr(self._nodes[i]) for i in left[:10]) + (", ..." if len(left) > 10 else "")
            raise GraphError(
                f"no DAG has the adjacencies, v-structures and directions of this {type(self).__name__}: "
                f"none of the nodes {names} can come last"
            )
        return DAG._build(self._nodes, store)

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


class MPDAG(PDAG):
    """A maximally oriented PDAG: no further direction follows by Meek's rules R1 to R4.

    It stands for the members of a Markov equivalence class that agree with background knowledge.

    Parameters
    ----------
    directed, undirected : iterable of (hashable, hashable), default=()
        Pairs (cause, effect), and pairs of neighbours.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.

    Raises
    ------
    GraphError
        If the rules direct an edge that is undirected here. Also all that a `PDAG` raises.

    See Also
    --------
    PDAG : ``PDAG.meek_closure`` follows the rules.

    References
    ----------
    .. [1] C. Meek, "Causal inference and causal explanation with background knowledge", UAI 1995,
       arXiv:1302.4972.

    Examples
    --------
    >>> from causalrep.graphs import MPDAG
    >>> MPDAG(directed=[("X", "Y")], undirected=[("Z", "X"), ("Z", "Y")]).neighbors("Z")
    NodeSet(['X', 'Y'])
    """

    def _check(self) -> None:
        super()._check()
        closed = self.meek_closure()
        undirected = closed.undirected_edges
        for u, v in self.undirected_edges:
            if (u, v) not in undirected:
                source, target = (u, v) if closed.mark(u, v) == "arrow" else (v, u)
                raise GraphError(
                    f"the edges must be closed under Meek's rules, got {u!r} -- {v!r}, "
                    f"but the rules make it {source!r} -> {target!r}"
                )


class CPDAG(PDAG):
    """The graph of a Markov equivalence class of DAGs, also called essential graph.

    An edge is directed iff all members of the class direct it so. This is what a search that
    assumes no latent common causes can learn from observational data.

    Parameters
    ----------
    directed, undirected : iterable of (hashable, hashable), default=()
        Pairs (cause, effect), and pairs of neighbours.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.

    Raises
    ------
    GraphError
        If the edges are not those of an equivalence class: no DAG extends them, or other edges than
        these are directed in all members. Also all that a `PDAG` raises.

    See Also
    --------
    PDAG : Makes no such claim; ``PDAG.to_cpdag`` returns the class it belongs to.

    References
    ----------
    .. [1] S. A. Andersson, D. Madigan, M. D. Perlman, "A characterization of Markov equivalence
       classes for acyclic digraphs", Annals of Statistics 25, 1997, doi:10.1214/aos/1031833662.

    Examples
    --------
    >>> from causalrep.graphs import CPDAG
    >>> g = CPDAG(directed=[("X", "C"), ("Y", "C")])
    >>> g.is_separated("X", "Y"), g.is_separated("X", "Y", given="C")
    (True, False)
    """

    def _check(self) -> None:
        super()._check()
        expected = self.consistent_extension().to_cpdag()
        if expected == self:
            return
        right = set(expected._store.written())
        wrong = next(edge for edge in self._store.written() if edge not in right)
        u, v = self._nodes[wrong[0]], self._nodes[wrong[2]]
        truth = "some members of the class have it the other way round"
        if wrong[1] == "--":
            truth = "all members of the class direct it the same way"
        raise GraphError(
            f"the edges must be those of an equivalence class, got {u!r} {wrong[1]} {v!r}, but {truth}"
        )

    def is_separated(self, x: Nodes, y: Nodes, given: Nodes = ()) -> bool:
        """Return whether `given` d-separates `x` and `y` in the DAGs of the class; all agree.

        Parameters
        ----------
        x, y : hashable or iterable of hashable
            A node or several.
        given : hashable or iterable of hashable, default=()
            A node or several to condition on.

        Returns
        -------
        bool
            As `DAG.is_separated` of any member.

        Raises
        ------
        GraphError
            If `x`, `y` and `given` are not disjoint.
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import CPDAG
        >>> CPDAG.from_string("X -- M -- Y").is_separated("X", "Y", given="M")
        True
        """
        return self.consistent_extension().is_separated(x, y, given)
