"""Gaussian kernels of a few variables in factored form, K = G G', without K itself.

The Gram matrix of a smooth kernel in few dimensions has a small numerical rank, often some tens for
thousands of rows. Pivoted incomplete Cholesky finds the factor column by column, stopping where what is
left of the trace no longer matters: O(n m^2) for rank m, where K alone would take O(n^2). The kernel of one
column needs no search for pivots: equally spaced points on the line serve as well.

References
----------
S. Fine and K. Scheinberg, Efficient SVM training using low-rank kernel representations, Journal of Machine
Learning Research 2 (2001), 243-264.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, index_array, kth_smallest, namespace_of
from causalrep.independence._ridge import squared_norm

__all__ = [
    "centred",
    "centred_gram",
    "compressed",
    "gaussian_factor",
    "gaussian_gram",
    "raw_gram",
    "typical_distance",
]

_COMPRESSED = 1e-5
_MOST_POINTS = 100
_BLOCK = 64
_SPACINGS = (0.45, 0.36)  # in bandwidths; the products of all knots keep far from overflow
_MOST_KNOTS = 64


def gaussian_factor(U: Array, max_rank: int, share: float = 1e-6) -> tuple[Array, bool]:
    """Return G of shape (n, m) with exp(-|u_i - u_j|^2 / 2) = (G G')_ij up to a share of the trace.

    Parameters
    ----------
    U : array of shape (n, k), float64
        Columns, each divided by its bandwidth.
    max_rank : int
        Largest m.
    share : float
        Of the trace, that may be left.

    Returns
    -------
    G : array of shape (n, m)
    complete : bool
        Whether `max_rank` was enough.
    """
    xp, where = namespace_of(U), device_of(U)
    n, most = U.shape[0], min(max_rank, U.shape[0])
    if U.shape[1] == 1:
        for spacing in _SPACINGS:
            found = _factor_on_a_grid(U[:, 0], spacing, min(most, _MOST_KNOTS))
            if found is not None and n - squared_norm(found) <= share * n:
                return xp.matrix_transpose(found), True
    half = 0.5 * xp.sum(U * U, axis=1)
    left = xp.ones_like(half)
    # u'v - |v|^2 / 2 for all v is one product, and less |u|^2 / 2 the exponent.
    ends = xp.concat([U, -xp.ones_like(half)[:, None]], axis=1)
    along = xp.matrix_transpose(xp.concat([U, half[:, None]], axis=1))
    # Held as G', so that each column of G is one piece of memory.
    rows = xp.zeros((min(most, _BLOCK), n), dtype=xp.float64, device=where)
    m, trace, complete = 0, float(n), False
    while m < most and not complete:
        if m == rows.shape[0]:
            rows = xp.concat([rows, xp.zeros((min(m, most - m), n), dtype=xp.float64, device=where)])
        # At first all rows are equally good, and the one in the middle is that for every order of the rows.
        p = int(xp.argmax(left) if m else xp.argmin(half))
        column = xp.exp(xp.matmul(ends[p, :], along) - half[p])
        if m:
            column = column - xp.matmul(rows[:m, p], rows[:m, :])
        column = column / xp.sqrt(left[p])
        rows[m, :] = column
        left = left - column * column
        left[p] = 0.0
        m += 1
        trace -= float(xp.matmul(column, column))
        complete = trace <= share * n
    return xp.matrix_transpose(rows[:m, :]), complete or m == n


def _factor_on_a_grid(u: Array, spacing: float, most: int) -> Array | None:
    """Return G' of shape (m, n) from the values of the kernel between the column and m points on a line.

    The best approximation by functions at those points (Nystroem's). On equal steps the values of one point
    are those of the one before, times the same number for a row each: two exponentials a row, where pivoting
    takes m. None where more than `most` points span the column.
    """
    xp, where = namespace_of(u), device_of(u)
    low, high = float(xp.min(u)), float(xp.max(u))
    m = int((high - low) / spacing) + 2
    if m > most:
        return None
    centre, reach = (low + high) / 2.0, spacing * (m - 1) / 2.0
    v = u - centre
    ratio, value = xp.exp(v * spacing), xp.exp(-v * (0.5 * v + reach))
    rows = xp.empty((m, u.shape[0]), dtype=xp.float64, device=where)
    for k in range(m):
        rows[k, :] = value
        value *= ratio
    return xp.matmul(xp.asarray(_knot_weights(m, spacing), device=where), rows)


@lru_cache(maxsize=256)
def _knot_weights(m: int, spacing: float) -> NDArray[np.float64]:
    """Return what makes of products of powers, of shape (m, n), a factor of the kernel, shape (m, m)."""
    knots = spacing * (np.arange(m) - (m - 1) / 2.0)
    between = np.exp(-0.5 * (knots[:, None] - knots) ** 2) + 1e-12 * np.eye(m)
    weights: NDArray[np.float64] = np.linalg.inv(np.linalg.cholesky(between)) * np.exp(-0.5 * knots**2)
    return weights


def centred(G: Array) -> Array:
    """Return the factor of the kernel whose features have mean zero."""
    xp = namespace_of(G)
    return G - xp.mean(G, axis=0, keepdims=True)


def gaussian_gram(U: Array) -> Array:
    """Return the Gram matrices with entries exp(-|u_i - u_j|^2 / 2), centred in rows and columns.

    Parameters
    ----------
    U : array of shape (..., n, k)

    Returns
    -------
    array of shape (..., n, n)
    """
    return centred_gram(raw_gram(U))


def raw_gram(U: Array) -> Array:
    """Return the Gram matrices as `gaussian_gram`, but not centred."""
    xp = namespace_of(U)
    half = 0.5 * xp.sum(U * U, axis=-1)
    return xp.exp(xp.matmul(U, xp.matrix_transpose(U)) - half[..., :, None] - half[..., None, :])


def centred_gram(K: Array) -> Array:
    """Return the Gram matrices of features whose mean is taken out, shape (..., n, n)."""
    xp = namespace_of(K)
    means = xp.mean(K, axis=-1)
    return K - means[..., :, None] - means[..., None, :] + xp.mean(means, axis=-1)[..., None, None]


def compressed(G: Array) -> Array:
    """Return a factor with fewer columns of the same product G G', up to a 1e-5 share of its trace.

    Where finding it costs more than a product of all rows would save, that is G itself.
    """
    xp = namespace_of(G)
    if 20 * G.shape[1] ** 2 > G.shape[0] ** 2:
        return G
    values, vectors = xp.linalg.eigh(xp.matmul(xp.matrix_transpose(G), G))
    gone = xp.cumulative_sum(xp.maximum(values, xp.zeros_like(values))) <= _COMPRESSED * xp.sum(values)
    return xp.matmul(G, vectors[:, int(xp.sum(xp.astype(gone, xp.int64))) :])


def typical_distance(u: Array) -> float:
    """Return the median distance between values, of at most 100 order statistics, evenly spaced.

    Where most values are tied, it is the mean of the distances that are not zero.
    """
    xp = namespace_of(u)
    n = u.shape[0]
    m = min(n, _MOST_POINTS)
    points = xp.take(xp.sort(u), index_array(_evenly(n, m), u), axis=0)
    distance = xp.reshape(points[None, :] - points[:, None], (-1,))
    distance = xp.take(distance, index_array(_above_diagonal(m), u), axis=0)
    median = float(kth_smallest(distance, distance.shape[0] // 2))
    if median > 0.0:
        return median
    positive = distance[distance > 0]
    return float(xp.mean(positive))


@lru_cache(maxsize=8)
def _evenly(n: int, m: int) -> NDArray[np.intp]:
    """Return m places among n, evenly spaced from the first to the last."""
    return np.round(np.linspace(0, n - 1, m)).astype(np.intp)


@lru_cache(maxsize=8)
def _above_diagonal(m: int) -> NDArray[np.intp]:
    """Return the positions of the pairs i < j in a matrix that is kept row after row."""
    return np.flatnonzero(np.triu(np.ones((m, m), dtype=bool), 1))
