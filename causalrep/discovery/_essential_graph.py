"""An equivalence class under change: the steps of greedy equivalence search, and when they are allowed.

Nodes are integers. The rules are those of D. M. Chickering, "Optimal structure identification with greedy
search", Journal of Machine Learning Research 3, 2002: theorem 15 for insertion, theorem 17 for deletion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._equivalence import PartialOrientation, compelled_parents, direct_all

__all__ = ["EssentialGraph"]


class EssentialGraph:
    """The completed partially directed graph of an equivalence class.

    Attributes
    ----------
    marks : PartialOrientation
        Parents, children, and undirected neighbours of each node.
    adjacency : array of shape (d, d), bool
        Symmetric.
    """

    def __init__(self, n_nodes: int, directed: Iterable[tuple[int, int]] = ()) -> None:
        draft = PartialOrientation.without_edges(n_nodes)
        for cause, effect in directed:
            _join(draft, cause, effect)
        self.marks = _completed(draft)
        self._reached: dict[tuple[int, tuple[int, ...]], set[int]] = {}
        self.adjacency: NDArray[np.bool_] = np.zeros((n_nodes, n_nodes), dtype=bool)
        for i, near in enumerate(self.marks.adjacent):
            self.adjacency[i, list(near)] = True

    def cliques(self, within: Collection[int]) -> Iterator[tuple[int, ...]]:
        """Yield the cliques of some nodes, the empty one first, each with its nodes rising."""
        stack: list[tuple[tuple[int, ...], list[int]]] = [((), sorted(within))]
        while stack:
            clique, more = stack.pop()
            yield clique
            for at, node in enumerate(more):
                stack.append(((*clique, node), [k for k in more[at + 1 :] if k in self.marks.adjacent[node]]))

    def reached(self, start: int, barrier: tuple[int, ...]) -> set[int]:
        """Return where paths from `start`, along arrows and undirected edges, lead that avoid `barrier`.

        Also `start` and the barrier themselves.
        """
        if (start, barrier) not in self._reached:
            seen, stack = {start, *barrier}, [start]
            while stack:
                node = stack.pop()
                ahead = (self.marks.children[node] | self.marks.undecided[node]) - seen
                seen |= ahead
                stack.extend(ahead)
            self._reached[start, barrier] = seen
        return self._reached[start, barrier]

    def with_edge(self, x: int, y: int, heads: Iterable[int]) -> PartialOrientation:
        """Return the class with x -> y, and h -> y for the undirected h -- y of `heads`."""
        draft = self.marks.copy()
        for h in heads:
            draft.orient(h, y)
        _join(draft, x, y)
        return _completed(draft)

    def without_edge(self, x: int, y: int, heads: Iterable[int]) -> PartialOrientation:
        """Return the class without the edge, and with x -> h and y -> h for the h of `heads`."""
        draft = self.marks.copy()
        for rows in (draft.parents, draft.children, draft.undecided, draft.adjacent):
            rows[x].discard(y)
            rows[y].discard(x)
        for h in heads:
            draft.orient(y, h)
            if h in draft.undecided[x]:
                draft.orient(x, h)
        return _completed(draft)

    def become(self, marks: PartialOrientation, pair: tuple[int, int]) -> set[int]:
        """Take other marks, which differ in one adjacency; return the nodes that must be looked at again.

        These have other parents or undirected neighbours, or are such neighbours of an end of the pair, whose
        cliques and common neighbours may be others.
        """
        old, (x, y) = self.marks, pair
        self.marks = marks
        self._reached.clear()
        self.adjacency[x, y] = self.adjacency[y, x] = y in marks.adjacent[x]
        changed = {
            k
            for k in range(len(marks.parents))
            if marks.parents[k] != old.parents[k] or marks.undecided[k] != old.undecided[k]
        }
        return changed | {x, y} | marks.undecided[x] | marks.undecided[y]


def _join(draft: PartialOrientation, cause: int, effect: int) -> None:
    draft.children[cause].add(effect)
    draft.parents[effect].add(cause)
    draft.adjacent[cause].add(effect)
    draft.adjacent[effect].add(cause)


def _completed(draft: PartialOrientation) -> PartialOrientation:
    """Return the class of the DAGs that extend a draft, which is used up."""
    order, _ = direct_all(draft)
    parents = compelled_parents(draft.parents, order)
    children: list[set[int]] = [set() for _ in parents]
    for effect, causes in enumerate(parents):
        for cause in causes:
            children[cause].add(effect)
    undecided = [near - into - out for near, into, out in zip(draft.adjacent, parents, children, strict=True)]
    return PartialOrientation(parents, children, undecided, draft.adjacent)
