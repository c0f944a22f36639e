"""Contingency tables of coded columns, many at a time, and sums over them that no order can change.

Counts are exact in any order of rows. So that the same holds for what is computed from them, every term
of a statistic is rounded to a multiple of one power of two and added up as an integer: the sum is then
the same, bit for bit, for every order of columns, states and rows, every chunk and every array library.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from array_api_compat import device as device_of
from array_api_compat import is_cupy_array, is_torch_array

from causalrep.independence._arrays import Array, namespace_of, to_numpy

__all__ = ["FixedPoint", "Tables", "count", "pair_counts", "stratum_codes"]

_LARGEST_LOOKUP = 2**22
_ROW_BLOCK = 2**16
_FEW_STATES = 8


class Tables:
    """Contingency tables of m questions: counts of shape (m, strata, states of x, states of y), int64.

    Attributes
    ----------
    cells : array of shape (m, K, cx, cy)
    rows, columns : array of shapes (m, K, cx) and (m, K, cy)
        Margins within each stratum.
    strata : array of shape (m, K)
        Number of rows in each stratum.
    """

    def __init__(self, cells: Array) -> None:
        xp = namespace_of(cells)
        self.cells = cells
        self.rows, self.columns = _margin(cells, 3), _margin(cells, 2)
        self.strata = xp.sum(self.rows, axis=2)

    def nonzero_dof(self) -> Array:
        """Return (nonempty rows - 1)(nonempty columns - 1), summed over the strata."""
        xp = namespace_of(self.cells)
        rows, columns = (
            xp.maximum(xp.sum(xp.astype(margin > 0, xp.int64), axis=2) - 1, xp.zeros_like(self.strata))
            for margin in (self.rows, self.columns)
        )
        return xp.sum(rows * columns, axis=1)


def _margin(cells: Array, axis: int) -> Array:
    """Return the sums along the axis of x, 2, or y, 3."""
    states = range(cells.shape[axis])
    if len(states) > _FEW_STATES:
        return namespace_of(cells).sum(cells, axis=axis)
    # Over an axis this short a reduction costs seven times as much as adding the slices.
    total = cells[:, :, :, 0] if axis == 3 else cells[:, :, 0, :]
    for state in states[1:]:
        total = total + (cells[:, :, :, state] if axis == 3 else cells[:, :, state, :])
    return total


class FixedPoint:
    """Sums of terms whose total stays below `largest`, on a grid of a power of two.

    Parameters
    ----------
    n : int
        Number of rows.
    largest : float
        Bound on every sum.
    like : array
        Of the library and device to work on.
    """

    def __init__(self, n: int, largest: float, like: Array) -> None:
        self._scale = 2.0 ** (61 - math.ceil(math.log2(largest + 2.0)))
        self._table: Array | None = None
        if n <= _LARGEST_LOOKUP:
            counts = np.arange(n + 1, dtype=np.float64)
            terms = np.rint(counts * np.log(np.maximum(counts, 1.0)) * self._scale).astype(np.int64)
            self._table = namespace_of(like).asarray(terms, device=device_of(like))

    def entropy_terms(self, counts: Array) -> Array:
        """Return c log c of each count, on the grid."""
        xp = namespace_of(counts)
        if self._table is not None:
            return xp.reshape(xp.take(self._table, xp.reshape(counts, (-1,)), axis=0), counts.shape)
        real = xp.astype(counts, xp.float64)
        return self.on_grid(real * xp.log(xp.where(counts > 0, real, xp.ones_like(real))))

    def on_grid(self, terms: Array) -> Array:
        """Return real terms as integer multiples of the grid."""
        xp = namespace_of(terms)
        return xp.astype(xp.round(terms * self._scale), xp.int64)

    def real(self, sums: Array) -> Array:
        """Return integer sums as float64."""
        xp = namespace_of(sums)
        return xp.astype(sums, xp.float64) / self._scale


def count(codes: Array, length: int, weights: Array | None) -> Array:
    """Return how often, or with how much weight, each of 0, ..., length - 1 occurs in flat `codes`, int64."""
    xp = namespace_of(codes)
    found: Array
    if isinstance(codes, np.ndarray):
        found = np.bincount(codes, weights, length)
    elif is_torch_array(codes):
        found = codes.bincount(weights, length)
    elif is_cupy_array(codes):
        found = _cupy().bincount(codes, weights, length)
    else:
        plain = np.bincount(to_numpy(codes), None if weights is None else to_numpy(weights), length)
        return xp.asarray(plain.astype(np.int64), device=device_of(codes))
    # Weights are whole numbers far below 2**53, so that their float64 sums are exact.
    return xp.astype(found, xp.int64, copy=False)


def _cupy() -> Any:
    import cupy

    return cupy


def pair_counts(codes: Array, cards: list[int], weights: Array | None) -> Array:
    """Return the tables of all pairs of columns as one matrix of shape (sum of cards, sum of cards), int64.

    Parameters
    ----------
    codes : array of shape (d, n), int
        States of each column, -1 where the value is missing.
    cards : list of int
        Number of states of each column.
    weights : array of shape (n,), float64, or None
        How many rows each row stands for.

    Notes
    -----
    One product of the indicator matrix with itself, in blocks of rows: 2 n (sum of cards)^2 operations.
    """
    xp = namespace_of(codes)
    where = device_of(codes)
    # A block holds at most 2**16 rows, whose counts float32 holds exactly; weights may be anything.
    dtype = xp.float32 if weights is None else xp.float64
    owner = np.repeat(np.arange(len(cards)), cards)
    state = np.arange(len(owner)) - np.repeat(np.cumsum([0, *cards[:-1]]), cards)
    size = len(owner)
    owner, state = xp.asarray(owner, device=where), xp.asarray(state, device=where)
    total = xp.zeros((size, size), dtype=xp.float64, device=where)
    step = max(256, min(_ROW_BLOCK, 2**26 // (8 * size)))
    for start in range(0, codes.shape[1], step):
        rows = slice(start, min(start + step, codes.shape[1]))
        indicator = xp.astype(xp.take(codes[:, rows], owner, axis=0) == state[:, None], dtype)
        weighted = indicator if weights is None else indicator * weights[rows]
        total += xp.astype(xp.matmul(indicator, xp.matrix_transpose(weighted)), xp.float64)
    return xp.astype(xp.round(total), xp.int64)


def stratum_codes(
    codes: Array, cards: list[int], columns: list[int], largest: int, *, missing: bool
) -> tuple[Array, int]:
    """Return the stratum of each row by the states of `columns`, and the number of strata.

    Where the product of the cards is above `largest`, the strata that occur are numbered instead. With
    `missing`, rows that lack a value get -1.
    """
    xp = namespace_of(codes)
    if not columns:
        return xp.zeros(codes.shape[1:], dtype=codes.dtype, device=device_of(codes)), 1
    stratum, size = codes[columns[0], :], cards[columns[0]]
    absent = stratum < 0 if missing else None
    for column in columns[1:]:
        if missing:
            absent = absent | (codes[column, :] < 0)
        stratum, size = stratum * cards[column] + codes[column, :], size * cards[column]
        if size > largest:
            if missing:  # the codes of these rows mean nothing, and must not count as strata
                stratum = xp.where(absent, xp.min(codes[column, :]) - 1, stratum)
            values, stratum = xp.unique_inverse(stratum)
            stratum = xp.astype(xp.reshape(stratum, codes.shape[1:]), codes.dtype)
            size = int(values.shape[0])
    if missing:
        stratum = xp.where(absent, xp.full_like(stratum, -1), stratum)
    return stratum, size
