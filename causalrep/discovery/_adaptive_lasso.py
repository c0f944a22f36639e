"""Which of the variables that come earlier are parents: supports along the path of the adaptive lasso."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path_gram

from causalrep.discovery._gaussian_score import GaussianBIC

__all__ = ["least_squares", "parents_among"]

Matrix = NDArray[np.float64]


def parents_among(
    score: GaussianBIC, R: Matrix, node: int, candidates: Sequence[int], required: Sequence[int]
) -> list[int]:
    """Return the support on the path of the adaptive lasso that scores best, with the required parents.

    The path is that of the correlations, so that units do not matter. Each of its supports is scored with its
    own least-squares fit, not with the shrunken coefficients.

    Parameters
    ----------
    score : GaussianBIC
        A fitted score.
    R : array of shape (d, d)
        Correlations.
    node : int
        Whose parents are asked for.
    candidates, required : sequence of int
        Of which may be parents, and of these which must be.

    Returns
    -------
    list of int
        Rising.

    References
    ----------
    H. Zou, "The adaptive lasso and its oracle properties", Journal of the American Statistical Association
    101, 2006.
    """
    supports: set[tuple[int, ...]] = {tuple(sorted(required))}
    if len(candidates):
        weight = np.abs(least_squares(R, node, candidates))
        used = np.array(candidates)[weight > 0.0]
        weight = weight[weight > 0.0]
        if len(used):
            gram = R[np.ix_(used, used)] * weight[:, None] * weight
            with warnings.catch_warnings():  # of copies, which the score has told
                warnings.simplefilter("ignore", ConvergenceWarning)
                path = lars_path_gram(
                    weight * R[used, node], gram, n_samples=score.n_samples_, method="lasso"
                )[2]
            for column in path.T:
                supports.add(tuple(sorted({*used[column != 0.0].tolist(), *required})))
    most = max(len(required), score.n_samples_ - 4)
    allowed = sorted(support for support in supports if len(support) <= most)
    best = max(allowed, key=lambda support: score.local(node, support))
    return list(best)


def least_squares(R: Matrix, node: int, given: Sequence[int]) -> Matrix:
    """Return the coefficients of a regression between standardised columns, of several the smallest."""
    found = np.linalg.lstsq(R[np.ix_(given, given)], R[given, node], rcond=None)[0]
    return np.asarray(found, dtype=np.float64)
