"""Whether a node belongs to the sets that separate two others: all sets of neighbours are asked.

One separating set decides a triple only where all of them agree, which tests on a sample need not do. The
rules "conservative" [1]_ and "majority" [2]_ ask them all, so that nothing hangs on which one was found: a
node that is in some of them and not in others, or in just half of them, is left undecided.

References
----------
.. [1] J. Ramsey, J. Zhang, P. Spirtes, "Adjacency-faithfulness and conservative causal inference", UAI 2006,
   arXiv:1206.6843.
.. [2] D. Colombo, M. H. Maathuis, "Order-independent constraint-based causal structure learning", Journal of
   Machine Learning Research 15, 2014, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._evidence import Evidence
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._search import (
    CanonicalTest,
    Ints,
    Questions,
    neighbourhood_questions,
    refuse_endless,
    unrank,
)
from causalrep.discovery._skeleton import Skeleton

__all__ = ["evidence_by_votes"]

_BLOCK = 2**16  # sets that are written out at once


def evidence_by_votes(
    test: CanonicalTest,
    skeleton: Skeleton,
    constraints: Constraints,
    wanted: NDArray[np.bool_],
    near: NDArray[np.bool_],
    *,
    rule: str,
    alpha: float,
    max_cond: int | None,
) -> tuple[Evidence, int, int]:
    """Return for each wanted pair which nodes its separating sets hold, and the numbers of tests.

    Parameters
    ----------
    test, skeleton, constraints, alpha, max_cond
        As for `find_evidence`.
    wanted : array of shape (d, d), bool
        Pairs that are not adjacent, symmetric.
    near : array of shape (d, d), bool
        Row i holds the neighbours of node i that may be conditioned on.
    rule : {"conservative", "majority"}
        A node is in the set if it is in all, or in more than half, of the separating sets; it is unsure if
        it is in some of them only, or in just half.
    """
    votes = _Votes(test, skeleton.adjacency, near, wanted, alpha)
    bounds = (int(near.sum(axis=1).max()), test.test.max_cond)
    largest = min(bounds if max_cond is None else (*bounds, max_cond))
    for size in range(largest + 1):
        votes.ask(neighbourhood_questions(near, wanted, size, constraints.tier), size)
    votes.add_recorded(skeleton, largest)
    return votes.evidence(rule), votes.n_tests, votes.n_untestable


class _Votes:
    """For each pair, how many sets separate it, and how many of them hold each node."""

    def __init__(
        self,
        test: CanonicalTest,
        adjacency: NDArray[np.bool_],
        near: NDArray[np.bool_],
        wanted: NDArray[np.bool_],
        alpha: float,
    ) -> None:
        self._test, self._adjacency, self._near, self._alpha = test, adjacency, near, alpha
        self.pairs = np.argwhere(np.triu(wanted))
        self._keys = self.pairs[:, 0] * test.d + self.pairs[:, 1]
        self._total = np.zeros(len(self.pairs), dtype=np.int64)
        self._best = np.zeros(len(self.pairs))
        self._held: list[tuple[Ints, Ints, Ints]] = []  # pairs, nodes, numbers of sets
        self.n_tests = self.n_untestable = 0

    def ask(self, questions: Iterator[Questions], size: int) -> None:
        """Ask all sets of this size, some thousands at a time, and count."""
        pool: list[tuple[Questions, Ints]] = []
        n_pooled = 0
        for part, table in _rectangles(questions, size):
            pool.append((part, table))
            n_pooled += len(part.i) * len(table)
            if n_pooled >= _BLOCK:
                self._ask_together(pool)
                pool, n_pooled = [], 0
        if pool:
            self._ask_together(pool)

    def _ask_together(self, pool: list[tuple[Questions, Ints]]) -> None:
        """Ask rectangles of pairs and sets in one call, which costs as much as some hundred tests."""
        i, j = (
            np.concatenate([np.repeat(part[side], len(table)) for part, table in pool]) for side in (0, 1)
        )
        sets = [
            part.candidates[:, table].reshape(len(part.i) * len(table), table.shape[1])
            for part, table in pool
        ]
        pvalues = self._test.pvalues(i, j, np.concatenate(sets))
        ends = np.cumsum([len(part) for part in sets])
        for (part, table), found in zip(pool, np.split(pvalues, ends[:-1]), strict=True):
            self._count(part, table, found.reshape(len(part.i), len(table)))

    def _count(self, part: Questions, table: Ints, pvalues: NDArray[np.float64]) -> None:
        width = len(table)
        sets = part.candidates[:, table]
        self.n_tests += pvalues.size
        self.n_untestable += int(np.isnan(pvalues).sum())
        # A set of common neighbours is asked from both ends, and counts once.
        again = (part.i > part.j)[:, None] & self._near[part.j[:, None, None], sets].all(axis=2)
        separating = (pvalues > self._alpha) & ~again
        key = np.minimum(part.i, part.j) * self._test.d + np.maximum(part.i, part.j)
        row = np.searchsorted(self._keys, key)
        np.add.at(self._total, row, separating.sum(axis=1))
        np.maximum.at(self._best, row, np.where(separating, pvalues, 0.0).max(axis=1))
        members = np.zeros((width, part.candidates.shape[1]))
        np.put_along_axis(members, table, 1.0, axis=1)
        self._hold(row[:, None], part.candidates, (separating @ members).astype(np.int64))

    def _hold(self, rows: Ints, nodes: Ints, counts: Ints) -> None:
        rows, nodes, counts = np.broadcast_arrays(rows, nodes, counts)
        some = counts > 0
        self._held.append((rows[some], nodes[some], counts[some]))

    def add_recorded(self, skeleton: Skeleton, largest: int) -> None:
        """Count what the search for adjacencies found, where it is not among the sets of neighbours."""
        place = np.searchsorted(self._keys, skeleton.pairs[:, 0] * self._test.d + skeleton.pairs[:, 1])
        known = place < len(self._keys)
        known[known] = (self.pairs[place[known]] == skeleton.pairs[known]).all(axis=1)
        row, pairs, sets = place[known], skeleton.pairs[known], skeleton.sets[known]
        asked = (sets >= 0).sum(axis=1) <= largest
        asked &= ((sets < 0) | self._near[pairs[:, :1], sets]).all(axis=1) | (
            (sets < 0) | self._near[pairs[:, 1:], sets]
        ).all(axis=1)
        row, pairs, sets = row[~asked], pairs[~asked], sets[~asked]
        self._total[row] += 1
        self._best[row] = np.maximum(self._best[row], skeleton.pvalues[pairs[:, 0], pairs[:, 1]])
        self._hold(row[:, None], sets, (sets >= 0).astype(np.int64))

    def evidence(self, rule: str) -> Evidence:
        """Return what the votes say by this rule; a pair that nothing separates is unsure of all nodes."""
        rows, nodes, counts = (np.concatenate(parts) for parts in zip(*self._held, strict=True))
        keys, back = np.unique(rows * self._test.d + nodes, return_inverse=True)
        counts = np.bincount(back, weights=counts, minlength=len(keys)).astype(np.int64)
        rows, nodes = np.divmod(keys, self._test.d)
        total = self._total[rows]
        if rule == "conservative":
            inside, unsure = counts == total, counts < total
        else:
            inside, unsure = 2 * counts > total, 2 * counts == total
        blank = np.flatnonzero(self._total == 0)
        near = self._adjacency[self.pairs[blank, 0]] & self._adjacency[self.pairs[blank, 1]]
        which, node = np.nonzero(near)
        unsure_rows = np.concatenate([rows[unsure], blank[which]])
        unsure_nodes = np.concatenate([nodes[unsure], node])
        order = np.argsort(unsure_rows, kind="stable")
        return Evidence(
            self.pairs,
            _padded(rows[inside], nodes[inside], len(self.pairs)),
            self._best,
            _padded(unsure_rows[order], unsure_nodes[order], len(self.pairs)),
        )


def _rectangles(questions: Iterator[Questions], size: int) -> Iterator[tuple[Questions, Ints]]:
    """Yield pairs with equally many candidates, and a window of the numbers of their candidates' subsets."""
    for block in questions:
        q = block.candidates.shape[1]
        total = comb(q, size)
        refuse_endless(q, size)
        width = min(total, _BLOCK)
        height = max(1, _BLOCK // width)
        for a in range(0, len(block.i), height):
            part = Questions(*(column[a : a + height] for column in block))
            for start in range(0, total, width):
                yield part, unrank(np.arange(start, min(start + width, total), dtype=np.int64), q, size)


def _padded(rows: Ints, values: Ints, n_rows: int) -> Ints:
    """Return the values of each row, which stand together, as one row padded with -1."""
    counts = np.bincount(rows, minlength=n_rows)
    table = np.full((n_rows, int(counts.max(initial=0))), -1, dtype=np.int64)
    column = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    table[rows, column] = values
    return table
