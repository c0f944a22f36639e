"""The adjacencies of a causal graph, level by level (PC-stable).

Two variables that are adjacent are dependent given every set; two that are not are independent given
the parents of one of them, which are among its neighbours. So one starts from the complete graph and
takes away, for set sizes 0, 1, 2, ..., every pair that some set of neighbours of either end makes
independent. All removals of a level are applied at its end, which makes the result independent of the
order of the variables. Of the sets that separate a pair the one with the largest p-value is recorded.

References
----------
P. Spirtes, C. Glymour, R. Scheines, Causation, Prediction, and Search, 2nd ed., MIT Press, 2000,
section 5.4.2.
D. Colombo and M. H. Maathuis, Order-independent constraint-based causal structure learning, Journal
of Machine Learning Research 15 (2014), 3921-3962, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import comb
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._device_search import weakest_of_neighbours
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._search import (
    CanonicalTest,
    Ints,
    Winners,
    neighbourhood_questions,
    unconditional_tests,
)
from causalrep.utils import progress_bar

_PAIRS = 2**20  # pairs that are written out at once

__all__ = ["Progress", "ProgressReport", "Skeleton", "collect", "find_skeleton", "prune", "sorted_pairs"]


@dataclass(frozen=True)
class Progress:
    """How far the search for adjacencies is.

    Attributes
    ----------
    level : int
        Size of the conditioning sets that are asked.
    n_tests : int
        Number of tests made so far, of all levels.
    n_edges : int
        Number of pairs that were adjacent when the level began.
    """

    level: int
    n_tests: int
    n_edges: int


ProgressReport: TypeAlias = bool | Callable[[Progress], object]
"""Whether to show a bar, or who is told."""


@dataclass(frozen=True)
class Skeleton:
    """Which variables are adjacent, and what separated the others. Variables are numbers.

    Attributes
    ----------
    adjacency : array of shape (d, d), bool
        Symmetric.
    pvalues : array of shape (d, d), float
        The largest p-value met for each pair; NaN where it was never tested.
    pairs : array of shape (m, 2), int
        The pairs that a set of other nodes separated, i < j, sorted.
    sets : array of shape (m, k), int
        Those sets, padded with -1.
    kept : array of shape (r, 2), int
        The pairs that only knowledge kept adjacent, i < j, sorted.
    n_tests : tuple of int
        Number of tests at each level.
    n_untestable : int
        How many of all tests could not be made.
    left : tuple of Winners
        The weakest test of each pair that stayed, level by level; empty unless it was asked for.
    apart : array of shape (d, d), bool, or None
        The pairs that the empty set separated, symmetric: most of all where nodes are many. None for none.
    """

    adjacency: NDArray[np.bool_]
    pvalues: NDArray[np.float64]
    pairs: Ints
    sets: Ints
    kept: Ints
    n_tests: tuple[int, ...]
    n_untestable: int
    left: tuple[Winners, ...] = ()
    apart: NDArray[np.bool_] | None = None

    @property
    def unconditional(self) -> Ints:
        """The pairs that the empty set separated, i < j, sorted, array of shape (m, 2)."""
        return (
            np.argwhere(np.triu(self.apart)) if self.apart is not None else np.empty((0, 2), dtype=np.int64)
        )


def find_skeleton(
    test: CanonicalTest,
    alpha: float,
    constraints: Constraints,
    *,
    max_cond: int | None = None,
    progress: ProgressReport = False,
    keep_weakest: bool = False,
) -> Skeleton:
    """Search the skeleton.

    Parameters
    ----------
    test : CanonicalTest
        What decides; variables are numbered as it does.
    alpha : float
        A pair is separated by a set under which its p-value is above `alpha`.
    constraints : Constraints
        What is known.
    max_cond : int, optional
        Largest set size.
    progress : bool or callable
        Whether to show a bar for each level; or what is called with a `Progress` after each block of tests.
    keep_weakest : bool
        Whether to keep the weakest test of the edges too.

    Notes
    -----
    The number of tests of level k is at most ``d * m * C(m - 1, k)`` for degrees up to m; memory is
    O(d^2) beyond what the test uses for a chunk.
    """
    search = _Pruning(test, alpha, constraints, ~(constraints.never_adjacent | np.eye(test.d, dtype=bool)))
    search.keep_weakest = keep_weakest
    n_tests: list[int] = []
    while (level := len(n_tests)) < max(1, search.adjacency.sum(axis=1).max()) and (
        max_cond is None or level <= max_cond
    ):
        total = _count(search.adjacency, level, constraints)
        if level > test.test.max_cond:
            search.n_untestable += total
            break
        with progress_bar(total, description=f"level {level}", enabled=progress is True, unit="test") as bar:
            advance = bar.update
            if callable(progress):
                advance = _teller(progress, level, sum(n_tests), int(search.adjacency.sum()) // 2)
            if level == 0:  # one block after the other: what stands in memory are matrices, no lists of pairs
                blocks = _pairs(search.adjacency)
                n_tests.append(
                    sum(search.apply(unconditional_tests(test, *block, advance)) for block in blocks)
                )
                continue
            found = weakest_of_neighbours(
                test, search.adjacency, search.adjacency, level, constraints.tier, advance
            )
            n_tests.append(search.apply(found))
    return search.skeleton(tuple(n_tests))


def _pairs(adjacency: NDArray[np.bool_]) -> Iterator[tuple[Ints, Ints]]:
    """Yield the adjacent pairs i < j; those that have been yielded may be removed meanwhile."""
    d = len(adjacency)
    step = max(1, _PAIRS // d)
    for start in range(0, d, step):
        i, j = np.nonzero(np.triu(adjacency[start : start + step], k=start + 1))
        yield i + start, j


def _teller(
    report: Callable[[Progress], object], level: int, n_before: int, n_edges: int
) -> Callable[[int], None]:
    """Return what turns the number of tests of each block into a report."""
    done = n_before

    def advance(made: int) -> None:
        nonlocal done
        done += made
        report(Progress(level, done, n_edges))

    return advance


def prune(
    test: CanonicalTest,
    alpha: float,
    constraints: Constraints,
    skeleton: Skeleton,
    ask: Callable[[NDArray[np.bool_], int], Winners],
    sizes: Iterable[int],
    *,
    keep_weakest: bool = False,
) -> Skeleton:
    """Return the skeleton without the pairs that further questions separate, size by size.

    Parameters
    ----------
    test, alpha, constraints
        As for `find_skeleton`.
    skeleton : Skeleton
        What is left so far.
    ask : callable
        ``ask(adjacency, size)`` returns the weakest tests of the pairs that are still adjacent.
    sizes : iterable of int
        Sizes of conditioning sets, rising.
    keep_weakest : bool
        Whether to keep the weakest test of the edges too.
    """
    search = _Pruning(test, alpha, constraints, skeleton.adjacency.copy(), skeleton)
    search.keep_weakest = keep_weakest
    n_tests = list(skeleton.n_tests)
    for size in sizes:
        if size > test.test.max_cond or not search.adjacency.any():
            break
        n_tests.append(search.apply(ask(search.adjacency, size)))
    return search.skeleton(tuple(n_tests))


class _Pruning:
    """Adjacencies that lose at each level what its tests separate."""

    def __init__(
        self,
        test: CanonicalTest,
        alpha: float,
        constraints: Constraints,
        adjacency: NDArray[np.bool_],
        start: Skeleton | None = None,
    ) -> None:
        self._test, self._alpha, self._always_adjacent = test, alpha, constraints.always_adjacent
        self.adjacency = adjacency
        self._apart: NDArray[np.bool_] = np.zeros_like(adjacency)
        self.n_untestable = 0
        self._pvalues = np.full((test.d, test.d), np.nan)
        self._removed = [Winners.none(0)]
        self.keep_weakest = False
        self._left: list[Winners] = []
        self._before = start
        if start is not None:
            self.n_untestable, self._pvalues = start.n_untestable, start.pvalues.copy()
            if start.apart is not None:
                self._apart = start.apart.copy()

    def apply(self, found: Winners) -> int:
        """Remove what the weakest tests of a level separate, and return their number."""
        if not found.sets.shape[1]:
            return self._apply_unconditional(found)
        pvalues = self._pvalues
        pvalues[found.i, found.j] = np.fmax(pvalues[found.i, found.j], found.pvalue)
        pvalues[found.j, found.i] = pvalues[found.i, found.j]
        apart = found.pvalue > self._alpha
        gone = apart & ~self._always_adjacent[found.i, found.j]
        self.adjacency[found.i[gone], found.j[gone]] = False
        self.adjacency[found.j[gone], found.i[gone]] = False
        self._removed.append(found.take(gone))
        if self.keep_weakest:
            self._left.append(found.take(~gone))
        self.n_untestable += found.n_untestable
        return found.n_tests

    def _apply_unconditional(self, found: Winners) -> int:
        """Do the same for pairs that are most of some rows of a matrix, by operations on those rows."""
        self.n_untestable += found.n_untestable
        if not len(found.i):
            return found.n_tests
        start, d = int(found.i.min()), len(self.adjacency)
        rows = slice(start, int(found.i.max()) + 1)
        pvalues = np.full((rows.stop - start, d), np.nan)
        pvalues.reshape(-1)[(found.i - start) * d + found.j] = found.pvalue
        gone = (pvalues > self._alpha) & ~self._always_adjacent[rows]
        if self.keep_weakest:
            self._left.append(found.take(~gone[found.i - start, found.j]))
        np.fmax(self._pvalues[rows], pvalues, out=self._pvalues[rows])
        np.fmax(self._pvalues[:, rows], pvalues.T, out=self._pvalues[:, rows])
        self.adjacency[rows] &= ~gone
        self.adjacency[:, rows] &= ~gone.T
        self._apart[rows] |= gone
        self._apart[:, rows] |= gone.T
        return found.n_tests

    def skeleton(self, n_tests: tuple[int, ...]) -> Skeleton:
        """Return what is left and why."""
        pairs, sets = collect(self._removed, self._before)
        kept = np.argwhere(np.triu(self.adjacency & (self._pvalues > self._alpha)))
        return Skeleton(
            self.adjacency,
            self._pvalues,
            pairs,
            sets,
            kept,
            n_tests,
            self.n_untestable,
            tuple(self._left),
            self._apart,
        )


def _count(adjacency: NDArray[np.bool_], level: int, constraints: Constraints) -> int:
    """Return the number of tests of a level."""
    if level == 0:
        return int(adjacency.sum()) // 2
    if constraints.tier is None:
        degree = adjacency.sum(axis=1).tolist()
        return sum(m * comb(m - 1, level) for m in degree if m)
    blocks = neighbourhood_questions(adjacency, adjacency, level, constraints.tier)
    return sum(len(block.i) * comb(block.candidates.shape[1], level) for block in blocks)


def collect(removed: list[Winners], before: Skeleton | None) -> tuple[Ints, Ints]:
    """Return the pairs removed from level 1 on, sorted, and their sets padded to one width."""
    pairs = [np.stack([part.i, part.j], axis=1) for part in removed]
    sets = [part.sets for part in removed]
    if before is not None:
        pairs, sets = [before.pairs, *pairs], [before.sets, *sets]
    return sorted_pairs(pairs, sets)


def sorted_pairs(pairs: list[Ints], sets: list[Ints]) -> tuple[Ints, Ints]:
    """Return all pairs, sorted, and their sets padded with -1 to one width."""
    width = max(part.shape[1] for part in sets)
    padded = [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1) for part in sets]
    every = np.concatenate(pairs)
    order = np.lexsort((every[:, 1], every[:, 0]))
    return every[order], np.concatenate(padded)[order]
