"""Partial correlations of many index tuples at once, from one correlation matrix.

The covariance of two columns after regression on a set S is the Schur complement
``v_ij = r_ij - R_iS R_SS^-1 R_Sj``, and the partial correlation is ``v_ij / sqrt(v_ii v_jj)``.
For up to two columns in S the complement is written out; for more, the Cholesky factor of
R_SS is built with each of its entries held as one array over the batch ("structure of
arrays"), so that every step is a plain elementwise operation that any array library runs.

References
----------
T. W. Anderson, An Introduction to Multivariate Statistical Analysis, 3rd ed., Wiley, 2003,
section 2.5.3 (partial correlation as a Schur complement).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from causalrep.independence._arrays import Array, namespace_of

__all__ = ["SMALLEST_PIVOT", "Residuals", "residuals", "residuals_of", "scratch_arrays", "sorted_columns"]

SMALLEST_PIVOT = 1e-10
"""A residual variance (as a share of the variance) below this counts as zero."""

_EPSILON = 2.0**-52

# Few tests given many columns: what counts is how many array operations there are, not how long they take.
_STACKED_FROM, _STACKED_UP_TO = 4, 1000


class Residuals(NamedTuple):
    """Residual covariance and variances of two columns, and the smallest pivot of R_SS."""

    covariance: Array
    variance_i: Array
    variance_j: Array
    pivot: Array | None

    def singular(self, n_given: int) -> Array:
        """Say where the tests cannot be made.

        A variance is lost when it is below the rounding error of its own computation, which is
        of the order of ``n_given * eps`` divided by the smallest pivot.
        """
        xp = namespace_of(self.variance_i)
        smallest = xp.minimum(self.variance_i, self.variance_j)
        if self.pivot is None:
            return smallest < SMALLEST_PIVOT
        lost = smallest * self.pivot < 8.0 * n_given * _EPSILON
        return (xp.minimum(smallest, self.pivot) < SMALLEST_PIVOT) | lost

    def correlation(self, n_given: int) -> Array:
        """Return the partial correlations, NaN where the tests cannot be made."""
        if not n_given:
            return self.covariance
        xp = namespace_of(self.covariance)
        singular = self.singular(n_given)
        product = xp.where(singular, 1.0, self.variance_i * self.variance_j)
        return xp.where(singular, math.nan, self.covariance / xp.sqrt(product))

    def strength(self, n_given: int) -> Array:
        """Return the squared partial correlations, infinite where the tests cannot be made."""
        xp = namespace_of(self.covariance)
        square = self.covariance * self.covariance
        if not n_given:
            return square
        singular = self.singular(n_given)
        product = xp.where(singular, 1.0, self.variance_i * self.variance_j)
        return xp.where(singular, math.inf, square / product)


def scratch_arrays(n_given: int) -> int:
    """Return about how many numbers per test the kernel holds at once."""
    return n_given * (n_given + 1) // 2 + 2 * n_given + 8


def residuals(R: Array, d: int, i: Array, j: Array, S: Sequence[Array]) -> Residuals:
    """Return the residual covariances of columns i and j given the columns S.

    Parameters
    ----------
    R : array of shape (d * d,)
        The correlation matrix, row after row, with ones on the diagonal.
    d : int
        Number of columns.
    i, j : array, int
        Positions, of shapes that broadcast together and with those of S.
    S : sequence of k arrays, int
        The conditioning positions. The result does not depend on their order for k <= 2; for
        more, the caller sorts them.

    Notes
    -----
    O(k^2) gathers and O(k^3) multiplications per test. Exchanging i and j only exchanges
    the factors of products, so the result is symmetric bit for bit.
    """
    xp = namespace_of(R)
    if len(S) >= _STACKED_FROM and all(
        part.ndim == 1 and part.shape[0] <= _STACKED_UP_TO for part in (i, j, *S)
    ):
        return _stacked(R, d, i, j, S)
    starts = {id(column): column * d for column in (i, *S)}  # of the rows, each asked for several times

    def entry(row: Array, column: Array) -> Array:
        position = starts[id(row)] + column
        return xp.reshape(xp.take(R, xp.reshape(position, (-1,)), axis=0), position.shape)

    return residuals_of(entry, i, j, S)


def residuals_of(entry: Callable[[Array, Array], Array], i: Array, j: Array, S: Sequence[Array]) -> Residuals:
    """Return `residuals` where ``entry(a, b)`` gives the correlation of columns a and b in each test."""
    r_ij = entry(i, j)
    if not S:
        one = namespace_of(r_ij).ones_like(r_ij)
        return Residuals(r_ij, one, one, None)
    r_i, r_j = [entry(s, i) for s in S], [entry(s, j) for s in S]
    if len(S) == 1:
        (a,), (b,) = r_i, r_j
        return Residuals(r_ij - a * b, 1.0 - a * a, 1.0 - b * b, None)
    if len(S) == 2:
        return _two(r_ij, r_i, r_j, entry(S[0], S[1]))
    between = [[entry(S[p], S[q]) for q in range(p)] for p in range(len(S))]
    return _cholesky(r_ij, r_i, r_j, between)


def _two(r_ij: Array, r_i: list[Array], r_j: list[Array], c: Array) -> Residuals:
    """Write out the complement for S = {k, q} with correlation c."""
    (a, e), (b, f) = r_i, r_j
    pivot = 1.0 - c * c
    # A pivot of zero is flagged later; one keeps the division finite.
    weight = 1.0 / namespace_of(c).where(pivot < SMALLEST_PIVOT, 1.0, pivot)
    covariance = r_ij - weight * ((a * b + e * f) - c * (a * f + e * b))
    variance_i = 1.0 - weight * ((a * a + e * e) - c * (2.0 * (a * e)))
    variance_j = 1.0 - weight * ((b * b + f * f) - c * (2.0 * (b * f)))
    return Residuals(covariance, variance_i, variance_j, pivot)


def _cholesky(r_ij: Array, r_i: list[Array], r_j: list[Array], between: list[list[Array]]) -> Residuals:
    """Factor R_SS = L L' and subtract the products of L^-1 R_Si and L^-1 R_Sj, column by column."""
    xp = namespace_of(r_ij)
    covariance, variance_i, variance_j = r_ij, 1.0, 1.0
    diagonal: list[Array] = [1.0] * len(r_i)
    smallest = None
    for p in range(len(r_i)):
        if p > 0:
            pivot = diagonal[p]
            smallest = pivot if smallest is None else xp.minimum(smallest, pivot)
            scale = 1.0 / xp.sqrt(xp.where(pivot < SMALLEST_PIVOT, 1.0, pivot))
            r_i[p], r_j[p] = r_i[p] * scale, r_j[p] * scale
            for q in range(p + 1, len(r_i)):
                between[q][p] = between[q][p] * scale
        a, b = r_i[p], r_j[p]
        covariance = covariance - a * b
        variance_i = variance_i - a * a
        variance_j = variance_j - b * b
        for q in range(p + 1, len(r_i)):
            factor = between[q][p]
            diagonal[q] = diagonal[q] - factor * factor
            r_i[q] = r_i[q] - factor * a
            r_j[q] = r_j[q] - factor * b
            for s in range(p + 1, q):
                between[q][s] = between[q][s] - factor * between[s][p]
    return Residuals(covariance, variance_i, variance_j, smallest)


def _stacked(R: Array, d: int, i: Array, j: Array, S: Sequence[Array]) -> Residuals:
    """Do what `_cholesky` does, to the last bit, by O(k) operations on arrays of O(k^2) rows."""
    xp = namespace_of(R)
    given = xp.stack(xp.broadcast_arrays(i, j, *S))[2:, :]
    rows = given * d

    def take(positions: Array) -> Array:
        return xp.reshape(xp.take(R, xp.reshape(positions, (-1,)), axis=0), positions.shape)

    between = take(rows[:, None, :] + given[None, :, :])
    ends = xp.stack([take(rows + i), take(rows + j)])
    covariance = take(i * d + j)
    variances = xp.ones_like(ends[:, 0, :])
    diagonal = xp.ones_like(given, dtype=R.dtype)
    smallest = None
    for p in range(len(S)):
        factor, end = between[p + 1 :, p, :], ends[:, p, :]
        if p > 0:
            pivot = diagonal[p, :]
            smallest = pivot if smallest is None else xp.minimum(smallest, pivot)
            scale = 1.0 / xp.sqrt(xp.where(pivot < SMALLEST_PIVOT, 1.0, pivot))
            factor, end = factor * scale, end * scale
        covariance = covariance - end[0, :] * end[1, :]
        variances = variances - end * end
        diagonal[p + 1 :, :] -= factor * factor
        ends[:, p + 1 :, :] -= factor[None, :, :] * end[:, None, :]
        between[p + 1 :, p + 1 :, :] -= factor[:, None, :] * factor[None, :, :]
    return Residuals(covariance, variances[0, :], variances[1, :], smallest)


def sorted_columns(S: Sequence[Array]) -> list[Array]:
    """Sort each row by compare-and-exchange, which costs far less than `sort` for short rows."""
    columns = list(S)
    if not columns:
        return columns
    xp = namespace_of(columns[0])
    for last in range(len(columns) - 1, 0, -1):
        for p in range(last):
            low, high = columns[p], columns[p + 1]
            columns[p], columns[p + 1] = xp.minimum(low, high), xp.maximum(low, high)
    return columns
