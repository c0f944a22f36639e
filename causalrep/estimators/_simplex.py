"""Least squares over weights that are at least zero and add up to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

__all__ = ["simplex_least_squares"]

Array = NDArray[np.float64]


def simplex_least_squares(A: Array, b: Array, *, ridge: float = 0.0, intercept: bool = False) -> Array:
    """Return the weights w of a simplex that minimise ``|A w + c - b|^2 + ridge |w|^2``.

    As the weights add up to one, ``A w - b = M w`` with ``M = A - b 1'``: what is sought is the point of a
    convex hull that is nearest to the origin. Nonnegative least squares of ``[M; 1'] u = [0; 1]`` finds it
    exactly: for u = s w the best s is 1 / (1 + |M w|^2), which leaves |M w|^2 / (1 + |M w|^2), a rising
    function of what is to be minimised.

    Parameters
    ----------
    A : array of shape (n_equations, n_weights)
        What the weights are put on.
    b : array of shape (n_equations,)
        What is to be matched.
    ridge : float, default=0.0
        Penalty on the squares of the weights.
    intercept : bool, default=False
        Whether a constant c may be added.

    Returns
    -------
    array of shape (n_weights,)
        At least zero, of sum one.
    """
    if intercept:
        A, b = A - A.mean(axis=0), b - b.mean()
    distance = A - b[:, None]
    if ridge > 0:
        distance = np.vstack([distance, np.sqrt(ridge) * np.eye(A.shape[1])])
    # any positive scale leaves the minimiser; this one keeps both rows of equations comparable
    size = float(np.sqrt(np.min(np.sum(distance**2, axis=0), initial=np.inf)))
    scaled = distance / size if size > 0 else distance
    u, _ = nnls(np.vstack([scaled, np.ones(A.shape[1])]), np.append(np.zeros(len(scaled)), 1.0))
    return np.asarray(u / u.sum())
