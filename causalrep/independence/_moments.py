"""Means and products of columns, added up over chunks of rows or kept by pattern of missing values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, namespace_of, to_numpy
from causalrep.utils import DataError

__all__ = ["Moments", "PatternMoments", "row_chunks"]

Floats = NDArray[np.float64]

_MOST_BYTES = 2**31


class Moments:
    """Mean and co-moments of the rows seen so far, in float64.

    Attributes
    ----------
    n : int
        Number of rows.
    mean : array of shape (d,)
    products : array of shape (d, d)
        Sums of products of deviations from the mean.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, Updating formulae and a pairwise algorithm for computing sample
    variances, COMPSTAT 1982, equation 1.5 (merging two parts without cancellation).
    """

    def __init__(self, d: int) -> None:
        self.n = 0
        self.mean = np.zeros(d)
        self.products = np.zeros((d, d))

    def add(self, chunk: Floats) -> None:
        """Add the rows of a chunk of shape (m, d)."""
        m = len(chunk)
        if not m:
            return
        mean = chunk.mean(axis=0)
        deviation = chunk - mean
        # What rounding left in the mean is taken out of the products again.
        left = deviation.sum(axis=0)
        products = deviation.T @ deviation - np.outer(left, left) / m
        step, total = mean - self.mean, self.n + m
        self.products = self.products + products + np.outer(step, step) * (self.n * m / total)
        self.mean = self.mean + step * (m / total)
        self.n = total

    def correlation(self) -> Floats:
        """Return the correlation matrix; a column that never varied has NaN."""
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.sqrt(np.diag(self.products))
            found: Floats = self.products / scale[:, None] / scale[None, :]
        return found


def row_chunks(X: Any) -> Iterator[Any]:
    """Yield the blocks of rows of a Dask array or data frame, computed one after the other."""
    if hasattr(X, "partitions"):  # a frame, or an array of recent versions
        blocks = X.partitions
        for k in range(blocks.shape[0] if hasattr(blocks, "shape") else X.npartitions):
            yield blocks[k].compute()
        return
    for block in X.blocks:
        yield block.compute()


class PatternMoments:
    """Sums and products of columns for each pattern of missing values.

    A test of some columns uses the rows that have all of them: those of the patterns that miss none. So
    the correlations that it needs are ratios of sums over patterns, and rows are read once.

    Parameters
    ----------
    X : array of shape (n, d), float64
        With NaN where a value is missing.
    """

    def __init__(self, X: Array) -> None:
        xp = namespace_of(X)
        missing = xp.isnan(X)
        present = xp.astype(~missing, xp.float64)
        zero = xp.zeros_like(X)
        filled = xp.where(missing, zero, X)
        count = xp.sum(present, axis=0)
        mean = xp.sum(filled, axis=0) / count
        filled = xp.where(missing, zero, filled - mean)
        filled = filled / xp.sqrt(xp.sum(filled * filled, axis=0) / count)
        pattern, starts, order = _patterns(missing)
        self._missing = xp.matrix_transpose(pattern)
        self.d, self.n_patterns = int(X.shape[1]), len(starts) - 1
        needed = 8 * self.n_patterns * self.d**2
        if needed > _MOST_BYTES:
            raise DataError(
                f"the {self.n_patterns} patterns of missing values in {self.d} columns need "
                f"{needed / 1e9:.1f} GB; drop the columns or rows that miss most"
            )
        filled = xp.take(filled, order, axis=0)
        parts = [filled[a:b, :] for a, b in pairwise(starts)]
        self._count = xp.asarray(np.diff(starts).astype(np.float64), device=device_of(X))
        # Patterns run along the last axis, so that every sum over them is one row of memory, and the same
        # for any number of tests.
        self._sums = xp.stack([xp.sum(part, axis=0) for part in parts], axis=1)
        products = [xp.reshape(xp.matmul(xp.matrix_transpose(part), part), (-1,)) for part in parts]
        self._products = xp.stack(products, axis=1)

    def rows(self, columns: list[Array]) -> Array:
        """Return which patterns each test uses, shape (m, n_patterns), as zeros and ones."""
        xp = namespace_of(self._count)
        lost = xp.take(self._missing, columns[0], axis=0)
        for column in columns[1:]:
            lost = lost | xp.take(self._missing, column, axis=0)
        return xp.astype(~lost, xp.float64)

    def n_rows(self, used: Array) -> Array:
        """Return the number of rows of each test."""
        return namespace_of(used).sum(used * self._count[None, :], axis=1)

    def entry(self, a: Array, b: Array, used: Array) -> Array:
        """Return the correlation of columns a and b in the rows of each test, NaN where it has none."""
        xp = namespace_of(used)
        n = xp.maximum(self.n_rows(used), xp.ones_like(used[:, 0]))
        mean_a, mean_b = (xp.sum(used * xp.take(self._sums, c, axis=0), axis=1) / n for c in (a, b))
        pairs = ((a, b, mean_a * mean_b), (a, a, mean_a * mean_a), (b, b, mean_b * mean_b))
        parts = [
            xp.sum(used * xp.take(self._products, u * self.d + v, axis=0), axis=1) / n - product
            for u, v, product in pairs
        ]
        variance = parts[1] * parts[2]
        bad = variance <= 0.0
        safe = xp.sqrt(xp.where(bad, xp.ones_like(variance), variance))
        nothing = xp.full_like(variance, math.nan)
        return xp.where(bad, nothing, xp.clip(parts[0] / safe, -1.0, 1.0))


def _patterns(missing: Array) -> tuple[Array, list[int], Array]:
    """Return the different rows, where each begins when rows are sorted by them, and that order of rows."""
    xp = namespace_of(missing)
    owner = xp.zeros((missing.shape[0],), dtype=xp.int64, device=device_of(missing))
    for k in range(missing.shape[1]):
        # Renumbered after every column, the codes never overflow.
        _, owner = xp.unique_inverse(owner * 2 + xp.astype(missing[:, k], xp.int64))
        owner = xp.reshape(owner, (-1,))
    order = xp.argsort(owner, stable=True)
    ordered = to_numpy(xp.take(owner, order, axis=0))
    starts = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(ordered)]
    first = xp.take(order, xp.asarray(np.array(starts[:-1]), device=device_of(missing)), axis=0)
    return xp.take(missing, first, axis=0), starts, order
