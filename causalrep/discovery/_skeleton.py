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

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._search import CanonicalTest, Ints, Winners, neighbourhood_questions, weakest_tests
from causalrep.utils import progress_bar

__all__ = ["Skeleton", "find_skeleton"]


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
        The pairs that were tested away, i < j, sorted.
    sets : array of shape (m, k), int
        What separated them, padded with -1.
    kept : array of shape (r, 2), int
        The pairs that only knowledge kept adjacent, i < j, sorted.
    n_tests : tuple of int
        Number of tests at each level.
    n_untestable : int
        How many of all tests could not be made.
    """

    adjacency: NDArray[np.bool_]
    pvalues: NDArray[np.float64]
    pairs: Ints
    sets: Ints
    kept: Ints
    n_tests: tuple[int, ...]
    n_untestable: int


def find_skeleton(
    test: CanonicalTest,
    alpha: float,
    constraints: Constraints,
    *,
    max_cond: int | None = None,
    progress: bool = False,
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
    progress : bool
        Whether to show a bar for each level.

    Notes
    -----
    The number of tests of level k is at most ``d * m * C(m - 1, k)`` for degrees up to m; memory is
    O(d^2) beyond what the test uses for a chunk.
    """
    adjacency = ~(constraints.never_adjacent | np.eye(test.d, dtype=bool))
    pvalues = np.full((test.d, test.d), np.nan)
    removed = [Winners.none(0)]
    n_tests: list[int] = []
    untestable = 0
    while (level := len(n_tests)) < max(1, adjacency.sum(axis=1).max()) and (
        max_cond is None or level <= max_cond
    ):
        total = _count(adjacency, level, constraints)
        if level > test.test.max_cond:
            untestable += total
            break
        questions = neighbourhood_questions(adjacency, adjacency, level, constraints.tier)
        with progress_bar(total, description=f"level {level}", enabled=progress, unit="test") as bar:
            found = weakest_tests(test, questions, level, bar.update)
        pvalues[found.i, found.j] = np.fmax(pvalues[found.i, found.j], found.pvalue)
        pvalues[found.j, found.i] = pvalues[found.i, found.j]
        apart = found.pvalue > alpha
        gone = apart & ~constraints.always_adjacent[found.i, found.j]
        adjacency[found.i[gone], found.j[gone]] = adjacency[found.j[gone], found.i[gone]] = False
        removed.append(found.take(gone))
        n_tests.append(found.n_tests)
        untestable += found.n_untestable
    pairs, sets = _collect(removed)
    kept = np.argwhere(np.triu(adjacency & (pvalues > alpha)))
    return Skeleton(adjacency, pvalues, pairs, sets, kept, tuple(n_tests), untestable)


def _count(adjacency: NDArray[np.bool_], level: int, constraints: Constraints) -> int:
    """Return the number of tests of a level."""
    if level == 0:
        return int(adjacency.sum()) // 2
    if constraints.tier is None:
        degree = adjacency.sum(axis=1).tolist()
        return sum(m * comb(m - 1, level) for m in degree if m)
    blocks = neighbourhood_questions(adjacency, adjacency, level, constraints.tier)
    return sum(len(block.i) * comb(block.candidates.shape[1], level) for block in blocks)


def _collect(removed: list[Winners]) -> tuple[Ints, Ints]:
    """Return the removed pairs of all levels, sorted, and their sets padded to one width."""
    width = max(part.sets.shape[1] for part in removed)
    padded = [np.pad(p.sets, ((0, 0), (0, width - p.sets.shape[1])), constant_values=-1) for p in removed]
    pairs = np.concatenate([np.stack([part.i, part.j], axis=1) for part in removed])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], np.concatenate(padded)[order]
