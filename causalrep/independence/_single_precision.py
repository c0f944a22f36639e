"""The weakest of many dependences in single precision, with the answer of double precision.

Rounding moves a partial correlation r by a multiple of the unit of rounding divided by the smallest pivot
of its computation. That makes a band round each r. The weakest test of a row can only be one whose band
reaches below the lowest upper end of a band; those few, and all whose pivots single precision cannot tell
from zero, are computed again in double precision. So the smallest entry of each row is exact, wherever it
stands, and no decision depends on the precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from causalrep.independence._arrays import Array, namespace_of
from causalrep.independence._partial_correlation import residuals

__all__ = ["SinglePrecision"]

_BAND = 32.0 * 2.0**-23  # over the smallest pivot; ten times the largest error seen
_SMALLEST_PIVOT = 1e-3  # below it the band says nothing


class SinglePrecision:
    """Squared partial correlations whose smallest in each row, and whose infinities, are exact.

    Parameters
    ----------
    R : array of shape (d * d,), float64
        The correlation matrix, row after row.
    d : int
        Number of columns.
    """

    def __init__(self, R: Array, d: int) -> None:
        self._R, self._d = R, d
        self._coarse = namespace_of(R).astype(R, namespace_of(R).float32)

    def strength(self, i: Array, j: Array, S: Sequence[Array]) -> Array:
        """Return what `Residuals.strength` does for positions of shapes (m, 1) and (m, w), as float64.

        Entries other than the smallest of a row may be rounded to single precision.
        """
        xp = namespace_of(self._R)
        found = residuals(self._coarse, self._d, i, j, S)
        pivot = xp.minimum(found.variance_i, found.variance_j)
        pivot = pivot if found.pivot is None else xp.minimum(pivot, found.pivot)
        unclear = pivot < _SMALLEST_PIVOT
        product = xp.where(unclear, 1.0, found.variance_i * found.variance_j)
        r = xp.abs(found.covariance) / xp.sqrt(product)
        band = _BAND / xp.where(unclear, 1.0, pivot)
        highest = xp.min(xp.where(unclear, math.inf, r + band), axis=-1, keepdims=True)
        again = unclear | (r - band <= highest)
        where = xp.nonzero(xp.reshape(again, (-1,)))[0]
        flat = [xp.reshape(part, (-1,)) for part in xp.broadcast_arrays(i, j, *S)]
        left, right, *given = (xp.take(part, where, axis=0) for part in flat)
        exact = residuals(self._R, self._d, left, right, given).strength(len(S))
        if not exact.shape[0]:  # there was no question
            return xp.astype(r, xp.float64)
        place = xp.cumulative_sum(xp.astype(xp.reshape(again, (-1,)), xp.int64)) - 1
        exact = xp.take(exact, xp.maximum(place, xp.zeros_like(place)), axis=0)
        return xp.where(again, xp.reshape(exact, r.shape), xp.astype(r * r, xp.float64))
