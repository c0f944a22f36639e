"""The mixed-edge store under every graph type: integers inside, a mark at each end of an edge.

A directed edge has a tail at its source and an arrow at its target; an undirected edge has two
tails, a bidirected one two arrows; circles are for the graphs of equivalence classes with latents.
Neighbours are looked up by the pair (mark at my end, mark at the other end), so a graph type is a
choice of allowed pairs and needs no storage of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARROW", "CIRCLE", "MARKS", "TAIL", "EdgeStore", "flags"]

CIRCLE: Final = 1
ARROW: Final = 2
TAIL: Final = 3

#: How an edge is written, and its marks at the left and at the right end.
MARKS: Final[dict[str, tuple[int, int]]] = {
    "->": (TAIL, ARROW),
    "<-": (ARROW, TAIL),
    "--": (TAIL, TAIL),
    "<->": (ARROW, ARROW),
    "o->": (CIRCLE, ARROW),
    "<-o": (ARROW, CIRCLE),
    "o-o": (CIRCLE, CIRCLE),
    "o--": (CIRCLE, TAIL),
    "--o": (TAIL, CIRCLE),
}

T = TypeVar("T")


class EdgeStore:
    """Immutable marked edges on the nodes 0, ..., n_nodes - 1, in memory linear in their number.

    Edges are kept in one canonical order (lower end first, sorted), so that two stores on the same
    nodes hold the same edges iff their arrays are equal, however they were made.
    """

    __slots__ = ("_derived", "first", "mark_first", "mark_second", "n_nodes", "second")

    def __init__(
        self,
        n_nodes: int,
        left: Sequence[int] | NDArray[Any],
        right: Sequence[int] | NDArray[Any],
        mark_left: Sequence[int] | NDArray[Any],
        mark_right: Sequence[int] | NDArray[Any],
    ) -> None:
        ends = np.array([left, right], dtype=np.int32).reshape(2, -1)
        marks = np.array([mark_left, mark_right], dtype=np.int8).reshape(2, -1)
        swap = ends[0] > ends[1]
        ends[:, swap] = ends[::-1, swap]
        marks[:, swap] = marks[::-1, swap]
        order = np.lexsort((marks[1], marks[0], ends[1], ends[0]))
        ends, marks = ends[:, order], marks[:, order]
        ends.flags.writeable = marks.flags.writeable = False
        self.n_nodes = n_nodes
        self.first, self.second = ends
        self.mark_first, self.mark_second = marks
        self._derived: dict[object, Any] = {}

    def __len__(self) -> int:
        return int(self.first.size)

    def __reduce__(self) -> tuple[type[EdgeStore], tuple[Any, ...]]:
        # Whatever was derived is cheap to derive again: only the edges travel.
        return EdgeStore, (self.n_nodes, self.first, self.second, self.mark_first, self.mark_second)

    def derived(self, build: Callable[[EdgeStore], T]) -> T:
        """Return ``build(self)``, computed on the first call."""
        if build not in self._derived:
            self._derived[build] = build(self)
        found: T = self._derived[build]
        return found

    def csr(self, here: int | None, there: int | None) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return (row starts, columns): row i lists the j with `here` at i and `there` at j, sorted.

        ``None`` stands for any mark.
        """
        key = ("csr", here, there)
        if key not in self._derived:
            forward = self._matches(self.mark_first, here) & self._matches(self.mark_second, there)
            backward = self._matches(self.mark_second, here) & self._matches(self.mark_first, there)
            rows = np.concatenate([self.first[forward], self.second[backward]])
            columns = np.concatenate([self.second[forward], self.first[backward]])
            # One key per pair sorts and, where two edges join the same nodes, removes the repeat.
            keys = np.unique(rows.astype(np.int64) * max(self.n_nodes, 1) + columns)
            rows, columns = np.divmod(keys, max(self.n_nodes, 1))
            starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.n_nodes))])
            self._derived[key] = (starts, columns.astype(np.int32))
        found: tuple[NDArray[np.int64], NDArray[np.int32]] = self._derived[key]
        return found

    def lists(self, here: int | None, there: int | None) -> list[list[int]]:
        """Return `csr` as a list per node, the quicker form for walks in Python; do not change it."""
        key = ("lists", here, there)
        if key not in self._derived:
            starts, columns = self.csr(here, there)
            cuts, flat = starts.tolist(), columns.tolist()
            self._derived[key] = [flat[a:b] for a, b in pairwise(cuts)]
        found: list[list[int]] = self._derived[key]
        return found

    @staticmethod
    def _matches(marks: NDArray[np.int8], mark: int | None) -> NDArray[np.bool_]:
        return np.ones(marks.shape, dtype=bool) if mark is None else marks == mark

    def pairs(self, left: int, right: int) -> list[tuple[int, int]]:
        """Return the edges with these marks as (left end, right end), sorted; each edge once."""
        starts, columns = self.csr(left, right)
        rows = np.repeat(np.arange(self.n_nodes), np.diff(starts))
        found = list(zip(rows.tolist(), columns.tolist(), strict=True))
        return [(i, j) for i, j in found if i < j] if left == right else found

    def written(self) -> list[tuple[int, str, int]]:
        """Return all edges as (left, how it is written, right), sorted; single arrows point right."""
        kinds = {marks: kind for kind, marks in MARKS.items()}
        mirrored = {"<-": "->", "<-o": "o->", "--o": "o--"}
        columns = (self.first, self.second, self.mark_first, self.mark_second)
        edges = []
        for i, j, *marks in zip(*(column.tolist() for column in columns), strict=True):
            kind = kinds[marks[0], marks[1]]
            edges.append((j, mirrored[kind], i) if kind in mirrored else (i, kind, j))
        return sorted(edges, key=lambda edge: (edge[0], edge[2], edge[1]))

    def first_repeat(self, *, same_marks: bool) -> tuple[int, int] | None:
        """Return the ends of the first two edges that join the same nodes, if any do."""
        columns: list[NDArray[Any]] = [self.first, self.second]
        if same_marks:
            columns += [self.mark_first, self.mark_second]
        equal = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
        at = np.flatnonzero(equal)
        return (int(self.first[at[0]]), int(self.second[at[0]])) if at.size else None

    def select(self, keep: NDArray[np.bool_]) -> EdgeStore:
        """Return the store that has only the edges where `keep` is true."""
        return EdgeStore(
            self.n_nodes, self.first[keep], self.second[keep], self.mark_first[keep], self.mark_second[keep]
        )

    def relabelled(self, position: NDArray[Any], n_nodes: int) -> EdgeStore:
        """Return the store in which node i is called ``position[i]``; edges at a negative one go."""
        keep = (position[self.first] >= 0) & (position[self.second] >= 0)
        left, right = position[self.first[keep]], position[self.second[keep]]
        return EdgeStore(n_nodes, left, right, self.mark_first[keep], self.mark_second[keep])

    def same_edges(self, other: EdgeStore) -> bool:
        """Return whether both stores hold the same edges on equally numbered nodes."""
        return (
            np.array_equal(self.first, other.first)
            and np.array_equal(self.second, other.second)
            and np.array_equal(self.mark_first, other.mark_first)
            and np.array_equal(self.mark_second, other.mark_second)
        )


def flags(n_nodes: int, members: Sequence[int]) -> bytearray:
    """Return one byte per node, 1 for the members."""
    found = bytearray(n_nodes)
    for node in members:
        found[node] = 1
    return found
