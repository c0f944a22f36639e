"""Which of the variables that come earlier are parents: the adaptive lasso, from correlations alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from causalrep.independence._partial_correlation import SMALLEST_PIVOT

__all__ = ["least_squares", "parents_among"]

Matrix = NDArray[np.float64]


def parents_among(
    R: Matrix, n: int, node: int, candidates: Sequence[int], required: Sequence[int], penalty: float
) -> list[int]:
    """Return the support of the adaptive lasso, its strength chosen by the BIC, with the required parents.

    Each candidate is shrunk in inverse proportion to its least-squares coefficient. Along the path the
    criterion is ``n log(rss) + penalty log(n) (number of parents)`` with the residuals of the *shrunken*
    coefficients, which keeps weak candidates out. Required parents are taken out beforehand and are not
    shrunk.

    Parameters
    ----------
    R : array of shape (d, d)
        Correlations, so that units do not matter.
    n : int
        Number of rows that they come from.
    node : int
        Whose parents are asked for.
    candidates, required : sequence of int
        Which variables may be parents, and which must be; no variable is in both.
    penalty : float
        Factor of the price of a parent.

    Returns
    -------
    list of int
        Rising.

    References
    ----------
    H. Zou, "The adaptive lasso and its oracle properties", Journal of the American Statistical Association
    101, 2006.
    """
    from sklearn.linear_model import (
        lars_path_gram,
    )  # here, because it loads much that other searches do without

    G, c, total = _without(R, node, candidates, required)
    weight = np.abs(np.linalg.lstsq(G, c, rcond=None)[0])
    G, c = G * weight[:, None] * weight, c * weight
    kept: list[int] = []
    if weight.any():
        # The arguments need no check, which costs as much as a short path; copies were warned of before.
        with config_context(skip_parameter_validation=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            path = lars_path_gram(c, G, n_samples=n, method="lasso")[2]
        rss = total - 2.0 * (c @ path) + np.einsum("ij,ij->j", path, G @ path)
        size = (path != 0.0).sum(axis=0)
        criterion = n * np.log(np.maximum(rss, SMALLEST_PIVOT)) + penalty * math.log(n) * size
        criterion[size + len(required) > n - 4] = np.inf  # a residual degree of freedom must be left
        kept = np.flatnonzero(path[:, np.argmin(criterion)]).tolist() if np.isfinite(criterion[0]) else []
    return sorted([*(candidates[k] for k in kept), *required])


def least_squares(R: Matrix, node: int, given: Sequence[int]) -> Matrix:
    """Return the coefficients of a regression between standardised columns, of several the smallest."""
    found = np.linalg.lstsq(R[np.ix_(given, given)], R[given, node], rcond=None)[0]
    return np.asarray(found, dtype=np.float64)


def _without(
    R: Matrix, node: int, columns: Sequence[int], given: Sequence[int]
) -> tuple[Matrix, Matrix, float]:
    """Return covariances of columns, theirs with `node`, and its variance, without what `given` explain."""
    every = [*columns, node]
    left = R[np.ix_(every, every)]
    if len(given):
        cross = R[np.ix_(given, every)]
        left = left - cross.T @ np.linalg.lstsq(R[np.ix_(given, given)], cross, rcond=None)[0]
    return left[:-1, :-1], left[:-1, -1], float(left[-1, -1])
