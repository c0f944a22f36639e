"""Subsets by number, so that they need not be listed."""

from __future__ import annotations

from math import comb
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from causalrep.independence._arrays import Array

__all__ = ["MOST_SUBSETS", "Neighbourhoods", "SubsetTest", "binomials", "unrank"]

Ints = NDArray[np.int64]
MOST_SUBSETS = 2**62
"""More than can be numbered."""


class Neighbourhoods(NamedTuple):
    """Pairs of columns, each with the candidates that sets are made of.

    Attributes
    ----------
    i, j : array of shape (m,), int64
        Positions of the columns.
    first, count : array of shape (m,), int64
        Where the candidates of a pair begin in `nodes`, and how many there are.
    skipped : array of shape (m,), int64
        The one among them that is passed over, counted from 0 and not in `count`; `count` for none.
    nodes : array of shape (t,), int64
        Positions, rising in canonical order of the names for each pair.
    """

    i: Array
    j: Array
    first: Array
    count: Array
    skipped: Array
    nodes: Array


@runtime_checkable
class SubsetTest(Protocol):
    """A test that finds the weakest dependence over subsets by itself, quicker than by asking of each."""

    @property
    def max_fused(self) -> int:
        """The largest size of subsets that it takes; 0 for none."""

    def weakest(self, asked: Neighbourhoods, size: int) -> tuple[NDArray[np.float64], Ints, int]:
        """Return the smallest strength of each pair, the number of its subset, and the tests that failed."""


def binomials(q: int, size: int) -> Ints:
    """Return C(c, k) for k = 0, ..., `size` and c = 0, ..., `q`, at most 2**62, shape (size + 1, q + 1)."""
    # Numbers beyond any rank only have to compare as larger.
    return np.array(
        [[min(comb(c, k), MOST_SUBSETS) for c in range(q + 1)] for k in range(size + 1)], dtype=np.int64
    )


def unrank(rank: Ints, q: int | Ints, size: int) -> Ints:
    """Return the subsets of {0, ..., q - 1} with these numbers in lexicographic order, each rising.

    The combinatorial number system counts subsets in colexicographic order,
    ``rank = C(c_1, 1) + ... + C(c_size, size)``; mirrored, that is the lexicographic order backwards.

    Parameters
    ----------
    rank : array of shape (m,), int
        In [0, C(q, size)), which is below 2**62.
    q : int, or array of shape (m,), int
        Size of the ground set, which may be another for each.
    size : int
        Size of the subsets.

    Returns
    -------
    array of shape (m, size), int

    References
    ----------
    D. E. Knuth, The Art of Computer Programming, volume 4A, section 7.2.1.3, theorem L.
    """
    subsets = np.empty((len(rank), size), dtype=np.int64)
    if not len(rank):
        return subsets
    counts = binomials(int(np.max(q)), size)
    left = counts[size][q] - 1 - rank
    for p in range(size):
        table = counts[size - p]
        c = np.searchsorted(table, left, side="right") - 1
        left = left - table[c]
        subsets[:, p] = q - 1 - c
    return subsets
