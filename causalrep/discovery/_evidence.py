"""What separates pairs of variables, in the form in which the ways to orient read it."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._search import Ints

__all__ = ["Evidence"]


class Evidence(NamedTuple):
    """What separates pairs.

    Attributes
    ----------
    pairs : array of shape (m, 2), int
        Pairs that are not adjacent, i < j.
    sets : array of shape (m, k), int
        The nodes in the set that separates each pair, padded with -1.
    pvalues : array of shape (m,), float
        Of the test that separates best.
    unsure : array of shape (m, u), int
        Nodes of which the tests do not agree whether they belong to such a set, padded with -1.
    """

    pairs: Ints
    sets: Ints
    pvalues: NDArray[np.float64]
    unsure: Ints

    @classmethod
    def of_sets(cls, pairs: Ints, sets: Ints, pvalues: NDArray[np.float64]) -> Self:
        """Return the evidence of one separating set per pair, which leaves nothing unsure."""
        return cls(pairs, sets, pvalues, np.empty((len(pairs), 0), dtype=np.int64))

    def order(self) -> list[int]:
        """Return the rows, the best supported first; ties go by name."""
        rows: list[int] = np.lexsort((self.pairs[:, 1], self.pairs[:, 0], -self.pvalues)).tolist()
        return rows
