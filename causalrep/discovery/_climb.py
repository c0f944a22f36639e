"""Greedy ascent over equivalence classes: the best allowed insertion or deletion, again and again."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from causalrep.discovery._essential_graph import EssentialGraph
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._local_score import LocalScore
from causalrep.graphs._equivalence import PartialOrientation

__all__ = ["Climb"]


class Move(NamedTuple):
    """A step and what it is worth; of equal gains the first by name is taken.

    `kept` are the undirected neighbours of y that the step supposes to be its parents, a clique; `version` is
    how often what it was computed from had changed.
    """

    loss: float
    y: int
    x: int
    kept: tuple[int, ...]
    version: int


class Climb:
    """The state of a search.

    Parameters
    ----------
    score : LocalScore
        A fitted score.
    constraints : Constraints
        What is known, in canonical order. The classes visited all have a member that agrees with it.
    max_degree : int or None
        Largest number of adjacent nodes that an insertion may lead to.
    start : sequence of (int, int), default=None
        Edges of the DAG whose class the search starts from, which agrees with what is known; by default those
        that are required.
    """

    def __init__(
        self,
        score: LocalScore,
        constraints: Constraints,
        max_degree: int | None,
        start: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self._score, self._constraints = score, constraints
        self._d = len(score.names_)
        self._max_degree = self._d if max_degree is None else max_degree
        required = [(i, j) for i, j in np.argwhere(constraints.required).tolist()]
        self.graph = EssentialGraph(self._d, required if start is None else start)
        self._allowed = ~constraints.never_adjacent
        np.fill_diagonal(self._allowed, False)
        self._known = np.argwhere(constraints.directions).tolist()

    def insert_all(self) -> int:
        """Insert edges while one improves the score; return how many."""
        return self._climb(self._insertions, self._inserted)

    def delete_all(self) -> int:
        """Delete edges while that improves the score; return how many."""
        return self._climb(self._deletions, self._deleted)

    def _climb(
        self,
        moves: Callable[[int, int], Iterator[Move]],
        made: Callable[[Move], PartialOrientation | None],
    ) -> int:
        version = [0] * self._d
        heap = [move for y in range(self._d) for move in moves(y, 0)]
        heapq.heapify(heap)
        waiting: list[Move] = []  # not allowed now, but perhaps after another move
        n_moves = 0
        while heap:
            move = heapq.heappop(heap)
            if move.version != version[move.y]:
                continue
            marks = made(move)
            if marks is None or not self._agrees(marks):
                waiting.append(move)
                continue
            n_moves += 1
            for y in sorted(self.graph.become(marks, (move.x, move.y))):
                version[y] += 1
                for new in moves(y, version[y]):
                    heapq.heappush(heap, new)
            for old in waiting:
                heapq.heappush(heap, old)
            waiting = []
        return n_moves

    def _insertions(self, y: int, version: int) -> Iterator[Move]:
        """Yield the insertions of x -> y that gain, but for the paths that may forbid them.

        With `kept` = NA + T of the theorem, x can be any node not adjacent to y whose neighbours among those
        of y are all in it: one list of candidates shares a regression.
        """
        adjacency, near = self.graph.adjacency, self.graph.marks.undecided[y]
        if len(self.graph.marks.adjacent[y]) >= self._max_degree:
            return
        free = self._allowed[y] & ~adjacency[y]
        for kept in self.graph.cliques(near):
            outside = [k for k in near if k not in kept]
            fits = free & ~adjacency[outside].any(axis=0) if outside else free
            candidates = np.flatnonzero(fits)
            if not len(candidates):
                continue
            gains = self._score.gains(y, sorted(self.graph.marks.parents[y].union(kept)), candidates)
            better = gains > 0.0
            for x, gain in zip(candidates[better].tolist(), gains[better].tolist(), strict=True):
                yield Move(-gain, y, x, kept, version)

    def _inserted(self, move: Move) -> PartialOrientation | None:
        _, y, x, kept, _ = move
        graph = self.graph
        if len(graph.marks.adjacent[x]) >= self._max_degree or x in graph.reached(y, kept):
            return None
        return graph.with_edge(x, y, [k for k in kept if k not in graph.marks.adjacent[x]])

    def _deletions(self, y: int, version: int) -> Iterator[Move]:
        """Yield the deletions of x -> y and x -- y that gain."""
        marks = self.graph.marks
        for x in sorted(marks.parents[y] | marks.undecided[y]):
            if self._constraints.required[x, y] or self._constraints.required[y, x]:
                continue
            for kept in self.graph.cliques(marks.undecided[y] & marks.adjacent[x]):
                parents = sorted((marks.parents[y] - {x}).union(kept))
                gain = -float(self._score.gains(y, parents, np.array([x]))[0])
                if gain > 0.0:
                    yield Move(-gain, y, x, kept, version)

    def _deleted(self, move: Move) -> PartialOrientation:
        _, y, x, kept, _ = move
        marks = self.graph.marks
        return self.graph.without_edge(x, y, sorted((marks.undecided[y] & marks.adjacent[x]) - set(kept)))

    def _agrees(self, marks: PartialOrientation) -> bool:
        """Say whether a member of the class agrees with the knowledge."""
        if not self._known:
            return True
        trial = marks.copy()
        for i, j in self._known:
            if i in trial.children[j]:
                return False
            trial.orient_and_close(i, j)
        return True
