"""All subsets of a set of candidates at once, where the test is of partial correlations.

The second round of FCI asks, for an edge and q candidates, all 2^q sets. One by one each costs a
factorisation. Together they cost a few operations each: the covariances given S and one node more are those
given S less one product (a Schur complement by one row). Going through the candidates, with or without each,
doubles the number of sets and shrinks what is left to know about each, so that the steps on many sets are on
few rows.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from causalrep.discovery._search import CanonicalTest, Ints, Winners, best_per_pair
from causalrep.independence import FisherZ
from causalrep.independence._arrays import on_host, to_numpy
from causalrep.independence._partial_correlation import Residuals

__all__ = ["AllSubsets", "answers_all_subsets"]

Floats = NDArray[np.float64]
Candidates = dict[tuple[int, int], list[int]]

LARGEST = 16
"""Most candidates of a pair that are asked this way; memory is some 100 bytes for each of 2^LARGEST sets."""


def answers_all_subsets(test: CanonicalTest, n_candidates: int) -> bool:
    """Return whether the test has correlations in main memory, and rows enough for sets of this size."""
    asked = test.test
    if type(asked) is not FisherZ or asked._patterns is not None or not on_host(asked._anchor):
        return False
    return n_candidates <= min(LARGEST, asked.max_cond)


class _Weakest(NamedTuple):
    """For one ordered pair and each size from 0 on, the smallest squared correlation and its set.

    The set is a number: bit t says whether it has candidate t.
    """

    i: int
    j: int
    candidates: list[int]
    strength: Floats
    sets: list[int]
    n_untestable: list[int]

    def set_of(self, size: int) -> list[int]:
        """Return the nodes of the set of this size."""
        return [node for t, node in enumerate(self.candidates) if self.sets[size] >> t & 1]


class AllSubsets:
    """The weakest test of each ordered pair for every size of sets.

    Parameters
    ----------
    test : CanonicalTest
        One that `answers_all_subsets`.
    candidates : dict of (int, int) to list of int
        For ordered pairs (i, j) the nodes that sets are made of, rising.
    pvalues : array of shape (d, d), float
        The largest p-value so far of each pair, NaN where there is none; smaller ones are of no interest.
    """

    def __init__(self, test: CanonicalTest, candidates: Candidates, pvalues: Floats) -> None:
        self._test = test
        self._so_far = np.nan_to_num(pvalues)
        self._found: list[_Weakest] = []
        R = to_numpy(test.test._anchor).reshape(test.d, test.d)
        groups: dict[int, list[tuple[int, ...]]] = {}
        for (i, j), usable in candidates.items():
            groups.setdefault(len(usable), []).append((*usable, i, j))
        for q, rows in sorted(groups.items()):
            step = max(1, 2**14 >> q)
            for start in range(0, len(rows), step):
                self._found += _weakest(R, np.array(rows[start : start + step], dtype=np.int64))

    def winners(self, adjacency: NDArray[np.bool_], size: int) -> Winners:
        """Return the weakest tests given `size` nodes of the pairs that are still adjacent.

        Of those pairs whose p-value rises by it: most do not, and to compute p-values as reported, from the
        set alone, costs more than to find the set.
        """
        asked = [one for one in self._found if adjacency[one.i, one.j] and len(one.strength) > size]
        if not asked:
            return Winners.none(size)
        n_tests = sum(comb(len(one.strength) - 1, size) for one in asked)
        n_untestable = sum(one.n_untestable[size] for one in asked)
        asked = [one for one in asked if np.isfinite(one.strength[size])]
        first = np.array([min(one.i, one.j) for one in asked], dtype=np.int64)
        second = np.array([max(one.i, one.j) for one in asked], dtype=np.int64)
        sets = np.array([one.set_of(size) for one in asked], dtype=np.int64).reshape(len(asked), size)
        strength = np.array([one.strength[size] for one in asked])
        keep = best_per_pair(first * self._test.d + second, strength, sets)
        dof = self._test.test.max_cond + 1 - size
        nearly = erfc(np.sqrt(dof / 2.0) * np.arctanh(np.minimum(np.sqrt(strength[keep]), 1.0 - 2.0**-53)))
        keep = keep[nearly >= 0.999 * self._so_far[first[keep], second[keep]]]
        first, second, sets = first[keep], second[keep], sets[keep]
        pvalues = self._test.pvalues(first, second, sets)
        self._so_far[first, second] = np.fmax(self._so_far[first, second], pvalues)
        return Winners(first, second, pvalues, sets, n_tests, n_untestable)


def _weakest(R: Floats, rows: Ints) -> list[_Weakest]:
    """Answer for rows (candidates..., i, j) of one length."""
    q = rows.shape[1] - 2
    order, sizes = _by_size(q)
    starts = np.cumsum(sizes) - sizes
    found = []
    for row, strength in zip(rows.tolist(), _squared_correlations(R, rows).T[:, order], strict=True):
        best = np.minimum.reduceat(strength, starts)
        lowest = np.flatnonzero(strength == np.repeat(best, sizes))
        first = lowest[np.searchsorted(lowest, starts)]  # of equals the one that comes first by name
        untestable = np.add.reduceat(np.isinf(strength), starts, dtype=np.int64).tolist()
        found.append(_Weakest(row[-2], row[-1], row[:-2], best, order[first].tolist(), untestable))
    return found


def _squared_correlations(R: Floats, rows: Ints) -> Floats:
    """Return squared partial correlations of shape (2^q, m), infinite where there is none.

    Row s is about the set of the candidates t for which bit t of s is one.
    """
    m, width = rows.shape
    # (rows, columns, sets): the sets are next to each other. Of what is symmetric the upper half is kept.
    left = R[rows.T[:, None, :], rows.T[None, :, :]]
    smallest = np.ones(m)
    for n_left in range(width - 1, 1, -1):
        n_sets = left.shape[2]
        pivot, row = left[0, 0], left[0, 1:]
        smallest = np.concatenate([smallest, np.minimum(smallest, pivot)])
        # Pivots of zero are flagged at the end; one keeps the division finite.
        scaled = row / np.where(pivot < 1e-300, 1.0, pivot)
        doubled = np.empty((n_left, n_left, 2 * n_sets))
        for a in range(n_left):
            doubled[a, a:, :n_sets] = left[1 + a, 1 + a :]
            np.subtract(left[1 + a, 1 + a :], row[a] * scaled[a:], out=doubled[a, a:, n_sets:])
        left = doubled
    found = Residuals(left[0, 1], left[0, 0], left[1, 1], smallest)
    # (That depends on the number of nodes in the set only by the rounding that it allows for.)
    singular = found.singular(max(width - 2, 1))
    product = np.where(singular, 1.0, found.variance_i * found.variance_j)
    return np.where(singular, np.inf, found.covariance**2 / product).reshape(-1, m)


def _sizes(q: int) -> Ints:
    """Return the number of ones in 0, ..., 2^q - 1."""
    sizes = np.zeros(1, dtype=np.int64)
    for _ in range(q):
        sizes = np.concatenate([sizes, sizes + 1])
    return sizes


@lru_cache(maxsize=LARGEST + 1)
def _by_size(q: int) -> tuple[Ints, Ints]:
    """Return the subsets by size and, of one size, in lexicographic order; and how many there are of each."""
    masks = np.arange(2**q, dtype=np.int64)
    mirrored = np.zeros_like(masks)  # of two sets the one with the earlier node comes first
    for t in range(q):
        mirrored |= (masks >> t & 1) << (q - 1 - t)
    order = np.lexsort((-mirrored, _sizes(q)))
    return order, np.bincount(_sizes(q), minlength=q + 1)
