"""What maximal ancestral graphs and the graphs of their classes have in common."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from causalrep.graphs._equivalence import extend
from causalrep.graphs._possible import adjacency_sets
from causalrep.graphs._separation import Separable
from causalrep.graphs._store import ARROW, CIRCLE, TAIL, EdgeStore
from causalrep.utils import GraphError

__all__ = ["Ancestral", "is_visible", "member"]


class Ancestral(Separable):
    """A graph whose marks speak of ancestors, with hidden variables allowed for."""

    def is_visible(self, u: Hashable, v: Hashable) -> bool:
        """Return whether the edge `u` -> `v` rules out a hidden common cause of its ends.

        It does if the graph has a node that is not adjacent to `v` and joined to `u` by an edge into
        `u`, or by a path into `u` whose inner nodes are all colliders and parents of `v`.

        Parameters
        ----------
        u, v : hashable
            The ends of a directed edge.

        Returns
        -------
        bool
            True also in every other graph of the class, False in some.

        Raises
        ------
        GraphError
            If the graph has no edge `u` -> `v`.
        UnknownNameError
            If a node does not exist.

        References
        ----------
        .. [1] J. Zhang, "Causal reasoning with ancestral graphs", JMLR 9, 2008 (definition 8).

        Examples
        --------
        >>> from causalrep.graphs import MAG
        >>> g = MAG.from_string("Z -> X -> Y")
        >>> g.is_visible("X", "Y"), g.is_visible("Z", "X")
        (True, False)
        """
        i, j = self._id(u, "`u`"), self._id(v, "`v`")
        if j not in self._store.lists(TAIL, ARROW)[i]:
            raise GraphError(f"`u` and `v` must be joined by an edge {u!r} -> {v!r}, which there is not")
        return is_visible(self._store, i, j)


def is_visible(store: EdgeStore, u: int, v: int) -> bool:
    """Return whether the directed edge u -> v is visible."""
    into, siblings = store.lists(ARROW, None), store.lists(ARROW, ARROW)
    beside_v, not_met = store.derived(adjacency_sets)[v], set(store.lists(ARROW, TAIL)[v]) - {u}
    colliders = [u]
    for node in colliders:  # grows while it is read
        if any(other != v and other not in beside_v for other in into[node]):
            return True
        new = [other for other in siblings[node] if other in not_met]
        not_met.difference_update(new)
        colliders += new
    return False


def member(store: EdgeStore) -> tuple[EdgeStore, list[int]]:
    """Return a graph without circles that agrees with the marks, and nodes that stand against one.

    A circle opposite an arrowhead or a tail becomes a tail; the other edges are directed without a new
    unshielded collider among themselves, which is possible iff the list of nodes is empty.
    """
    double = (store.mark_first == CIRCLE) & (store.mark_second == CIRCLE)
    first, second = store.first[double], store.second[double]
    tails = np.full(first.size, TAIL)
    directed, left = extend(EdgeStore(store.n_nodes, first, second, tails, tails))
    parts = (store.select(~double), directed)
    ends = (np.concatenate([part.first for part in parts]), np.concatenate([part.second for part in parts]))
    marks = [
        np.concatenate([np.where(mark == CIRCLE, TAIL, mark) for mark in column])
        for column in zip(*((part.mark_first, part.mark_second) for part in parts), strict=True)
    ]
    return EdgeStore(store.n_nodes, *ends, *marks), left
