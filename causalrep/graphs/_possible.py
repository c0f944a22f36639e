"""Possible causes and effects in a graph that leaves some marks open.

A node is a possible ancestor of another if it is an ancestor in some member of the class that the graph
stands for. Then a path leads down to it that no mark contradicts, and among those the shortest has no
three consecutive nodes of which the outer two are adjacent [1]_ [2]_. Such unshielded paths are what is
searched for: on them each edge can be directed away from the one before, while of the others some can
not (X -- Y -- Z with Z -> X, say, does not make Z an effect of X).

References
----------
.. [1] J. Zhang, "Causal reasoning with ancestral graphs", JMLR 9, 2008 (lemma B.1).
.. [2] E. Perković, M. Kalisch, M. H. Maathuis, "Interpreting and using CPDAGs with background
   knowledge", UAI 2017, arXiv:1707.02171 (lemmas 3.2 and 3.6).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from causalrep.graphs._base import Graph, Nodes
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._store import EdgeStore

__all__ = ["PossiblyCausal"]


class PossiblyCausal(Graph):
    """A graph that stands for several, in which what causes what may be open."""

    #: The marks (here, there) with which an edge may turn out to point from here to there.
    _may_point: ClassVar[tuple[tuple[int, int], ...]]

    def possible_ancestors(self, nodes: Nodes) -> NodeSet[Hashable]:
        """Return the nodes that are ancestors of a given one in some member of the class.

        Parameters
        ----------
        nodes : hashable or iterable of hashable
            A node, or several: then all their possible ancestors, except themselves.

        Returns
        -------
        NodeSet
            In node order.

        See Also
        --------
        ancestors : Those that are ancestors in every member by the same directed path.

        Notes
        -----
        The search is over unshielded paths, which is exact in a `CPDAG`, an `MPDAG` and the `PAG` of
        a class: O(n_edges * max degree).

        Examples
        --------
        >>> from causalrep.graphs import CPDAG
        >>> g = CPDAG.from_string("A -- B; B -> C; D -> C")
        >>> g.possible_ancestors("B"), g.possible_ancestors("C")
        (NodeSet(['A']), NodeSet(['A', 'B', 'D']))
        """
        return self._possibly(nodes, [(there, here) for here, there in self._may_point])

    def possible_descendants(self, nodes: Nodes) -> NodeSet[Hashable]:
        """Return the nodes that are descendants of a given one in some member of the class.

        Parameters
        ----------
        nodes : hashable or iterable of hashable
            A node, or several: then all their possible descendants, except themselves.

        Returns
        -------
        NodeSet
            In node order.

        See Also
        --------
        descendants : Those that are descendants in every member by the same directed path.

        Notes
        -----
        As for `possible_ancestors`.

        Examples
        --------
        >>> from causalrep.graphs import PAG
        >>> g = PAG.from_string("A o-> B <-o C; B -> D")
        >>> g.possible_descendants("A"), g.possible_descendants("B")
        (NodeSet(['B', 'D']), NodeSet(['D']))
        """
        return self._possibly(nodes, self._may_point)

    def _possibly(self, nodes: Nodes, marks: Sequence[tuple[int, int]]) -> NodeSet[Hashable]:
        start = self._ids(nodes, "`nodes`")
        found = reach_unshielded(self._store, start, steps_along(self._store, marks))
        return self._labels(sorted(found.difference(start)))


def steps_along(store: EdgeStore, marks: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return for each node the neighbours joined to it by an edge with one of these (here, there)."""
    columns = [store.lists(here, there) for here, there in marks]
    return [sorted({w for row in rows for w in row}) for rows in zip(*columns, strict=True)]


def reach_unshielded(store: EdgeStore, start: list[int], steps: list[list[int]]) -> set[int]:
    """Return `start` and the nodes to which unshielded walks along `steps` lead from it."""
    near = store.derived(adjacency_sets)
    stack = [(node, after) for node in start for after in steps[node]]
    seen = set(stack)
    while stack:
        before, node = stack.pop()
        for after in steps[node]:
            if after != before and after not in near[before] and (node, after) not in seen:
                seen.add((node, after))
                stack.append((node, after))
    return {*start, *(node for _, node in seen)}


def adjacency_sets(store: EdgeStore) -> list[set[int]]:
    """Return for each node the set of its neighbours by any edge."""
    return [set(row) for row in store.lists(None, None)]
