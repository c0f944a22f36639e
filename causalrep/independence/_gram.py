"""Gaussian kernels of a few variables in factored form, K = G G', without K itself.

The Gram matrix of a smooth kernel in few dimensions has a small numerical rank, often some tens for
thousands of rows. Pivoted incomplete Cholesky finds the factor column by column, stopping where what is
left of the trace no longer matters: O(n m^2) for rank m, where K alone would take O(n^2).

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
_MOST_POINTS = 200
_BLOCK = 64


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
    """Return the median distance between values, of at most 200 order statistics, evenly spaced.

    Where most values are tied, it is the mean of the distances that are not zero.
    """
    xp = namespace_of(u)
    n = u.shape[0]
    ordered = xp.sort(u)
    m = min(n, _MOST_POINTS)
    where = xp.astype(xp.round(xp.linspace(0, n - 1, m, dtype=xp.float64, device=device_of(u))), xp.int64)
    points = xp.take(ordered, where, axis=0)
    low, high = (xp.take(points, index_array(end, u), axis=0) for end in _pairs(m))
    distance = high - low
    median = float(kth_smallest(distance, distance.shape[0] // 2))
    if median > 0.0:
        return median
    positive = distance[distance > 0]
    return float(xp.mean(positive))


@lru_cache(maxsize=8)
def _pairs(m: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs i < j of m positions, each end in one piece of memory."""
    low, high = (np.ascontiguousarray(end) for end in np.triu_indices(m, 1))
    return low, high
