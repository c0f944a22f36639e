"""Nearest neighbours with all ties, as a sparse matrix that averages over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from causalrep.utils import PositivityError

__all__ = ["neighbour_means", "whitened"]

Array = NDArray[np.float64]

_TIE = 1e-9


def whitened(features: Array, weight: Array) -> Array:
    """Return coordinates whose Euclidean distance is the Mahalanobis distance of the features."""
    covariance = np.atleast_2d(np.cov(features, rowvar=False, aweights=weight))
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10 * values[-1]
    return np.asarray(features @ (vectors[:, kept] / np.sqrt(values[kept])))


def neighbour_means(points: Array, queries: Array, n: int, weight: Array, *, own: bool = False) -> csr_array:
    """Return the matrix that takes values at points to their means over the neighbours of each query.

    Parameters
    ----------
    points : array of shape (n_points, n_coordinates)
        Where the neighbours are; those without weight are nobody's.
    queries : array of shape (n_queries, n_coordinates)
        Whose neighbours.
    n : int
        How many; more where several are equally far, within 1e-9.
    weight : array of shape (n_points,)
        Weights within the mean.
    own : bool, default=False
        Whether queries are the points themselves, which are no neighbours of themselves.

    Returns
    -------
    csr_array of shape (n_queries, n_points)
        Rows sum to one.
    """
    usable = np.flatnonzero(weight > 0)
    wanted = n + own
    if len(usable) < wanted:
        raise PositivityError(
            f"there is no overlap to match in: {n} neighbour(s) are wanted, and {len(usable) - own} are there"
        )
    tree = cKDTree(points[usable])
    seen = min(wanted + 1, len(usable))
    distance, index = tree.query(queries, k=list(range(1, seen + 1)))
    radius = distance[:, wanted - 1] * (1 + _TIE) + _TIE
    tied = np.flatnonzero(distance[:, -1] <= radius) if seen > wanted else np.zeros(0, dtype=np.intp)
    plain = np.setdiff1d(np.arange(len(queries)), tied, assume_unique=True)
    balls = tree.query_ball_point(queries[tied], radius[tied], return_sorted=True)
    rows = np.concatenate([np.repeat(plain, wanted), np.repeat(tied, [len(ball) for ball in balls])])
    columns = np.concatenate([index[plain, :wanted].ravel(), *map(np.asarray, balls)]).astype(np.intp)
    columns = usable[columns]
    if own:
        others = rows != columns
        rows, columns = rows[others], columns[others]
    totals = np.bincount(rows, weights=weight[columns], minlength=len(queries))
    shape = (len(queries), len(points))
    return csr_array((weight[columns] / totals[rows], (rows, columns)), shape=shape)
