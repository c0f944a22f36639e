"""Reading a causal forest: the effect at a row, and how it varies between little bags of trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from causalrep.estimators._causal_forest_trees import Trees

__all__ = ["LittleBags", "effect_of"]

Array = NDArray[np.float64]


def effect_of(moments: Array) -> tuple[Array, Array]:
    """Return slope and intercept of y on t, given the means of t, y, t^2 and t y in four columns."""
    mean_t, mean_y, mean_tt, mean_ty = moments.T
    slope = (mean_ty - mean_t * mean_y) / (mean_tt - mean_t**2)
    return slope, mean_y - slope * mean_t


@dataclass(frozen=True)
class LittleBags:
    """Moments of the honest rows about each row, averaged over trees, and how they vary.

    Parameters
    ----------
    moments : array of shape (n_rows, 4)
        Weighted means of t, y, t^2 and t y.
    between : array of shape (n_rows, 4, 4)
        Their covariance between the groups of trees.
    within : array of shape (n_rows, 4, 4)
        What of it is due to the few trees of a group.
    n_groups : int
        Number of groups.
    """

    moments: Array
    between: Array
    within: Array
    n_groups: int

    @staticmethod
    def at(groups: Sequence[Trees], codes: NDArray[np.uint8]) -> LittleBags:
        """Return the averages at rows."""
        n, n_groups, size = len(codes), len(groups), groups[0].n_trees
        total, square, within = np.zeros((n, 4)), np.zeros((n, 4, 4)), np.zeros((n, 4, 4))
        for trees in groups:
            moments = trees.moments[trees.leaves(codes)]
            mean = moments.mean(axis=1)
            total += mean
            square += mean[:, :, None] * mean[:, None, :]
            apart = moments - mean[:, None, :]
            within += np.swapaxes(apart, 1, 2) @ apart
        total /= n_groups
        between = square / n_groups - total[:, :, None] * total[:, None, :]
        return LittleBags(total, between, within / (n_groups * size * (size - 1)), n_groups)

    def standard_error(self) -> Array:
        """Return the standard errors of the effects."""
        effect, intercept = effect_of(self.moments)
        mean_t, spread = self.moments[:, 0], self.moments[:, 2] - self.moments[:, 0] ** 2
        # the gradient of the effect, (t - mean_t) (y - intercept - effect t) / spread, on the four moments
        parts = [mean_t * effect - intercept, -mean_t, -effect, np.ones_like(effect)]
        gradient = np.stack(parts, axis=1) / spread[:, None]
        between = np.einsum("ij,ijk,ik->i", gradient, self.between, gradient)
        within = np.einsum("ij,ijk,ik->i", gradient, self.within, gradient)
        error = np.maximum(between, within) * np.sqrt(2 / self.n_groups)
        return np.sqrt(_positive_mean(between - within, error))


def _positive_mean(variance: Array, error: Array) -> Array:
    """Return the mean of a normal law about an estimated variance, cut at zero: no variance is negative."""
    error = error + np.finfo(float).tiny
    ratio = variance / error
    return np.asarray(variance + error * np.exp(stats.norm.logpdf(ratio) - stats.norm.logcdf(ratio)))
