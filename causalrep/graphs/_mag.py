"""Maximal ancestral graphs: what is left of a DAG when some variables are hidden or selected on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Self

from causalrep.graphs._ancestral import Ancestral
from causalrep.graphs._base import Nodes, closure, pairs_of
from causalrep.graphs._fci_rules import apply_rules, circles_on, orient_colliders, store_of_marks
from causalrep.graphs._inducing import anterior_masks, inducing_pairs, inducing_path
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._order import find_cycle, topological_order
from causalrep.graphs._possible import adjacency_sets
from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.utils import CycleError, GraphError

if TYPE_CHECKING:
    from causalrep.graphs._pag import PAG

__all__ = ["MAG"]


class MAG(Ancestral):
    """A maximal ancestral graph: the separations and ancestries of a DAG with hidden and selected nodes.

    A tail at `X` means that `X` is a cause of the other end or of a selected variable, an arrowhead
    that it is not.

    Parameters
    ----------
    directed, bidirected, undirected : iterable of (hashable, hashable), default=()
        Pairs (ancestor, descendant), pairs that share a hidden cause, pairs that are joined by
        selection.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.

    Raises
    ------
    CycleError
        If the directed edges form a cycle, which is its attribute ``cycle``.
    GraphError
        If the graph is not ancestral or not maximal, two edges join the same nodes, an edge joins a
        node to itself, or `nodes` repeats a node.
    UnknownNameError
        If `nodes` is given and lacks the end of an edge.

    References
    ----------
    .. [1] T. Richardson, P. Spirtes, "Ancestral graph Markov models", Annals of Statistics 30, 2002,
       doi:10.1214/aos/1031689015.

    Examples
    --------
    >>> from causalrep.graphs import MAG
    >>> g = MAG(directed=[("Z", "X")], bidirected=[("X", "Y")])
    >>> g.is_separated("Z", "Y"), g.is_separated("Z", "Y", given="X")
    (True, False)
    """

    _kinds = ("->", "<->", "--")
    _headers = ("mag",)

    def __init__(
        self,
        directed: Iterable[tuple[Hashable, Hashable]] = (),
        bidirected: Iterable[tuple[Hashable, Hashable]] = (),
        undirected: Iterable[tuple[Hashable, Hashable]] = (),
        nodes: Iterable[Hashable] | None = None,
    ) -> None:
        edges = [(u, "->", v) for u, v in pairs_of(directed, "directed")]
        edges += [(u, "<->", v) for u, v in pairs_of(bidirected, "bidirected")]
        edges += [(u, "--", v) for u, v in pairs_of(undirected, "undirected")]
        self._fill(edges, nodes)

    @classmethod
    def _of(cls, nodes: tuple[Hashable, ...], store: EdgeStore) -> Self:
        """Return a graph of parts that still have to be checked."""
        graph = cls._build(nodes, store)
        graph._check()
        return graph

    def _check(self) -> None:
        store = self._store
        if len(store.derived(topological_order)) < len(self):
            raise CycleError([self._nodes[i] for i in find_cycle(store)])
        parents = store.lists(ARROW, TAIL)
        for i, siblings in enumerate(store.lists(ARROW, ARROW)):
            above = closure([i], parents) if siblings else bytearray()
            for j in siblings:
                if above[j]:
                    u, v = self._nodes[j], self._nodes[i]
                    raise GraphError(f"a MAG must be ancestral, got {u!r} <-> {v!r} where {u!r} causes {v!r}")
        for i, neighbours in enumerate(store.lists(TAIL, TAIL)):
            if neighbours and store.lists(ARROW, None)[i]:
                u, v = self._nodes[i], self._nodes[store.lists(ARROW, None)[i][0]]
                raise GraphError(
                    f"a MAG must be ancestral, got an arrowhead at {u!r} (from {v!r}), which has an "
                    f"undirected edge to {self._nodes[neighbours[0]]!r}"
                )
        self._check_maximal()

    def _check_maximal(self) -> None:
        store = self._store
        near = store.derived(adjacency_sets)
        for i, j in inducing_pairs(store):
            if j not in near[i]:
                path = " ".join(repr(self._nodes[k]) for k in inducing_path(store, i, j))
                raise GraphError(
                    f"a MAG must be maximal, got no edge between {self._nodes[i]!r} and {self._nodes[j]!r}, "
                    f"which nothing separates: the path {path} is inducing"
                )

    def anteriors(self, nodes: Nodes) -> NodeSet[Hashable]:
        """Return the nodes from which undirected edges, and then directed ones, lead to a given node.

        In a graph of which it is the projection, these are ancestors of the node or of selected nodes.

        Parameters
        ----------
        nodes : hashable or iterable of hashable
            A node, or several: then all their anteriors, except themselves.

        Returns
        -------
        NodeSet
            In node order.

        References
        ----------
        .. [1] T. Richardson, P. Spirtes, "Ancestral graph Markov models", Annals of Statistics 30,
           2002, doi:10.1214/aos/1031689015 (section 2.1).

        Examples
        --------
        >>> from causalrep.graphs import MAG
        >>> MAG.from_string("A -- B -> C <-> D").anteriors("C")
        NodeSet(['A', 'B'])
        """
        return self._reach_without(self._ids(nodes, "`nodes`"), self._store.lists(None, TAIL))

    def to_pag(self) -> PAG:
        """Return the graph of all maximal ancestral graphs with the same separations.

        Returns
        -------
        PAG
            With the same nodes and adjacencies; an arrowhead or a tail is common to all members, a circle
            is not.

        Notes
        -----
        FCI's rules R0 to R10, told of separating sets by the graph: the anteriors of two nodes separate
        them if anything does.

        References
        ----------
        .. [1] J. Zhang, "On the completeness of orientation rules for causal discovery in the presence
           of latent confounders and selection bias", Artificial Intelligence 172, 2008,
           doi:10.1016/j.artint.2008.08.001.

        Examples
        --------
        >>> from causalrep.graphs import MAG
        >>> MAG.from_string("A -> X <-> B; X -> Y").to_pag()
        PAG.from_string('A o-> X; B o-> X; X -> Y')
        """
        from causalrep.graphs._pag import PAG

        return PAG._build(self._nodes, self._store.derived(_invariant_marks))

    def is_markov_equivalent(self, other: MAG) -> bool:
        """Return whether both graphs have the same separations.

        Parameters
        ----------
        other : MAG
            Another graph.

        Returns
        -------
        bool
            False also where the nodes are not the same.

        Notes
        -----
        Two are equivalent iff they have the same adjacencies, the same unshielded colliders, and the same
        colliders at the ends of discriminating paths [1]_: just what decides their `to_pag`, whose marks
        are compared. Polynomial.

        References
        ----------
        .. [1] R. A. Ali, T. S. Richardson, P. Spirtes, "Markov equivalence for ancestral graphs", Annals
           of Statistics 37, 2009, doi:10.1214/08-AOS626.

        Examples
        --------
        >>> from causalrep.graphs import MAG
        >>> g = MAG.from_string("X -> Y")
        >>> g.is_markov_equivalent(MAG.from_string("X <-> Y"))
        True
        """
        return self.to_pag() == other.to_pag()


def _invariant_marks(store: EdgeStore) -> EdgeStore:
    anterior = anterior_masks(store)

    def separates(a: int, c: int, b: int) -> bool:
        return bool((anterior[a] | anterior[c]) >> b & 1)

    marks = circles_on(store.n_nodes, zip(store.first.tolist(), store.second.tolist(), strict=True))
    orient_colliders(marks, separates)
    apply_rules(marks, separates)
    return store_of_marks(marks)
