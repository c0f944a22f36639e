"""Maximal ancestral graphs: what is left of a DAG when some variables are hidden or selected on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from causalrep.graphs._ancestral import Ancestral
from causalrep.graphs._base import closure, pairs_of
from causalrep.graphs._order import find_cycle, topological_order
from causalrep.graphs._store import ARROW, TAIL
from causalrep.utils import CycleError, GraphError

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
        If the graph is not ancestral, two edges join the same nodes, an edge joins a node to
        itself, or `nodes` repeats a node.
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
