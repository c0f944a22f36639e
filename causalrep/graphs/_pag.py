"""Partial ancestral graphs: what all maximal ancestral graphs with the same separations have in common."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from causalrep.graphs._ancestral import Ancestral, member
from causalrep.graphs._node_set import in_order
from causalrep.graphs._order import find_cycle, topological_order
from causalrep.graphs._possible import PossiblyCausal
from causalrep.graphs._reachability import definitely_connected
from causalrep.graphs._store import ARROW, CIRCLE, MARKS, TAIL, EdgeStore
from causalrep.utils import CycleError, GraphError

if TYPE_CHECKING:
    from causalrep.graphs._mag import MAG

__all__ = ["PAG"]


class PAG(PossiblyCausal, Ancestral):
    """A partial ancestral graph: all maximal ancestral graphs with the same separations.

    An arrowhead or a tail is common to all of them, a circle is not.

    Parameters
    ----------
    edges : iterable of (hashable, str, hashable), default=()
        Triples such as ``("X", "o->", "Y")``; kinds are ``->``, ``<-``, ``<->``, ``--``, ``o->``,
        ``<-o``, ``o-o``, ``o--`` and ``--o``.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.

    Raises
    ------
    CycleError
        If the directed edges form a cycle, which is its attribute ``cycle``.
    GraphError
        If an edge is no such triple, two edges join the same nodes, an edge joins a node to itself,
        or `nodes` repeats a node.
    UnknownNameError
        If `nodes` is given and lacks the end of an edge.

    References
    ----------
    .. [1] J. Zhang, "On the completeness of orientation rules for causal discovery in the presence
       of latent confounders and selection bias", Artificial Intelligence 172, 2008,
       doi:10.1016/j.artint.2008.08.001.

    Examples
    --------
    >>> from causalrep.graphs import PAG
    >>> g = PAG([("X", "o->", "Y"), ("Z", "o->", "Y")])
    >>> g.mark("X", "Y"), g.mark("Y", "X")
    ('arrow', 'circle')
    """

    _kinds = ("->", "<->", "--", "o->", "o-o", "o--")
    _headers = ("pag",)
    _may_point = ((TAIL, ARROW), (CIRCLE, ARROW), (TAIL, CIRCLE), (CIRCLE, CIRCLE))

    def __init__(
        self,
        edges: Iterable[tuple[Hashable, str, Hashable]] = (),
        nodes: Iterable[Hashable] | None = None,
    ) -> None:
        self._fill([_triple(edge) for edge in in_order(edges)], nodes)

    def _check(self) -> None:
        if len(self._store.derived(topological_order)) < len(self):
            raise CycleError([self._nodes[i] for i in find_cycle(self._store)])

    def _connected(
        self, sources: Iterable[int], given: Sequence[int], targets: Iterable[int] = ()
    ) -> bytearray:
        return definitely_connected(self._store, sources, given, targets)

    def _connected_many(self, sources: Sequence[Sequence[int]], given: Sequence[Sequence[int]]) -> list[int]:
        found = [0] * len(self)
        for bit, question in enumerate(zip(sources, given, strict=True)):
            for node, reached in enumerate(self._connected(*question)):
                found[node] |= reached << bit
        return found

    def consistent_extension(self) -> MAG:
        """Return a member of the class: a maximal ancestral graph with all of these marks.

        Circles opposite an arrowhead or a tail become tails, and the edges between circles are directed
        without a new collider.

        Returns
        -------
        MAG
            One of possibly many; the same one every time.

        Raises
        ------
        GraphError
            If this does not lead to a maximal ancestral graph: then the graph is not that of a class,
            as one estimated from data may fail to be.

        References
        ----------
        .. [1] J. Zhang, "On the completeness of orientation rules for causal discovery in the presence
           of latent confounders and selection bias", Artificial Intelligence 172, 2008,
           doi:10.1016/j.artint.2008.08.001 (theorem 2).

        Examples
        --------
        >>> from causalrep.graphs import PAG
        >>> PAG.from_string("A o-> X; B o-> X; X -> Y; D o-o E").consistent_extension()
        MAG.from_string('A -> X; B -> X; X -> Y; D -> E')
        """
        return self._extension

    @cached_property
    def _extension(self) -> MAG:
        from causalrep.graphs._mag import MAG

        store, left = member(self._store)
        if left:
            names = ", ".join(repr(self._nodes[i]) for i in left[:10]) + (", ..." if len(left) > 10 else "")
            raise GraphError(
                f"no MAG has the marks of this PAG: its o-o edges among {names} cannot be directed without "
                "a new collider"
            )
        try:
            return MAG._of(self._nodes, store)
        except GraphError as error:
            raise GraphError(f"no MAG has the marks of this PAG: {error}") from error

    def _plain(self) -> EdgeStore:
        return self._extension._store


def _triple(edge: Any) -> tuple[Hashable, str, Hashable]:
    if not isinstance(edge, tuple | list) or len(edge) != 3 or edge[1] not in MARKS:
        kinds = ", ".join(MARKS)
        raise GraphError(f"`edges` must be triples (u, kind, v) with a kind among {kinds}, got {edge!r}")
    return edge[0], edge[1], edge[2]
