"""Local polynomial regression at a boundary, as weights of the outcomes, and the bandwidths that suit it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError

__all__ = ["Side", "best_bandwidth", "coefficient_weights", "kernel_weights", "neighbour_residuals"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """The rows on one side of the cutoff.

    Parameters
    ----------
    x : array of shape (n,)
        Distance from the cutoff, negative on the left.
    residuals : array of shape (n, n_outcomes)
        Residuals that estimate the variance at each row.
    y : array of shape (n, n_outcomes)
        Outcomes.
    weight : array of shape (n,)
        Weights of the rows.
    """

    x: Array
    y: Array
    residuals: Array
    weight: Array

    def coefficients(self, h: float, order: int, kernel: str) -> Array:
        """Return the matrix (order + 1, n) that turns outcomes into coefficients at the cutoff."""
        return coefficient_weights(self.x, h, order, kernel, self.weight)


def kernel_weights(x: Array, h: float, kernel: str) -> Array:
    """Return the kernel at each distance, up to a factor."""
    u = np.abs(x) / h
    inside = u <= 1
    if kernel == "triangular":
        return np.asarray((1 - u) * inside)
    if kernel == "epanechnikov":
        return np.asarray((1 - u**2) * inside)
    return inside.astype(np.float64)


def coefficient_weights(
    x: Array, h: float, order: int, kernel: str, weight: Array | None = None, *, near: str = "the cutoff"
) -> Array:
    """Return the matrix (order + 1, n) that turns outcomes into the coefficients of a local polynomial."""
    weight = kernel_weights(x, h, kernel) * (1.0 if weight is None else weight)
    used = weight > 0
    if len(np.unique(x[used])) <= order:
        raise DataError(
            f"within {h:.4g} of {near} are too few different values for a polynomial of order {order}"
        )
    scaled = np.vander(x[used] / h, order + 1, increasing=True)
    root = np.sqrt(weight[used])
    result = np.zeros((order + 1, len(x)))
    result[:, used] = np.linalg.pinv(scaled * root[:, None]) * root
    return np.asarray(result / h ** np.arange(order + 1)[:, None])


def neighbour_residuals(x: Array, y: Array, n_neighbours: int = 3) -> Array:
    """Return differences to the mean of the nearest neighbours on the same side, scaled to their variance.

    Neighbours at the same distance are all taken, so that the order of the rows does not matter.
    """
    n = len(x)
    count = min(n_neighbours, n - 1)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    sums = np.concatenate([np.zeros((1, y.shape[1])), np.cumsum(y, axis=0)])
    low, high = _neighbours(x, count)
    found = (high - low)[:, None]
    means = (sums[high + 1] - sums[low] - y) / found
    result = np.empty_like(y)
    result[order] = np.sqrt(found / (found + 1)) * (y - means)
    return result


def _neighbours(x: Array, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and the last row that are no farther than the nearest `count` rows; x is sorted."""
    steps = range(1, count + 1)
    distances = np.full((2 * count, len(x)), np.inf)
    for row, step in enumerate(steps):
        distances[row, step:] = distances[count + row, :-step] = x[step:] - x[:-step]
    reach = np.partition(distances, count - 1, axis=0)[count - 1]
    low = np.searchsorted(x, x - reach, side="left")
    high = np.searchsorted(x, x + reach, side="right") - 1
    last = len(x) - 1
    # x - reach is rounded: rows are compared by the distances themselves
    while (more := (low > 0) & (x - x[np.maximum(low - 1, 0)] <= reach)).any():
        low = low - more
    while (more := x - x[low] > reach).any():
        low = low + more
    while (more := (high < last) & (x[np.minimum(high + 1, last)] - x <= reach)).any():
        high = high + more
    while (more := x[high] - x > reach).any():
        high = high - more
    return low, high


def best_bandwidth(
    sides: tuple[Side, Side],
    *,
    order: int,
    derivative: int,
    bias_order: int,
    h_variance: float,
    h_bias: tuple[float, float],
    regularised: bool,
    kernel: str,
    column: int = 0,
) -> float:
    """Return the bandwidth that minimises the estimated mean squared error of a jump of a derivative."""
    variance, biases, spread = 0.0, [], 0.0
    for side, h in zip(sides, h_bias, strict=True):
        residual, y = side.residuals[:, column], side.y[:, column]
        row = side.coefficients(h_variance, order, kernel)[derivative]
        variance += float(np.sum((row * residual) ** 2)) * h_variance ** (2 * derivative + 1)
        constant = float(row @ side.x ** (order + 1)) / h_variance ** (order + 1 - derivative)
        high = side.coefficients(h, bias_order, kernel)[order + 1]
        biases.append(constant * float(high @ y))
        spread += constant**2 * 3 * float(np.sum((high * residual) ** 2))
    bias = (biases[1] - biases[0]) ** 2 + (spread if regularised else 0.0)
    power = order + 1 - derivative
    return float(((2 * derivative + 1) * variance / (2 * power * bias)) ** (1 / (2 * order + 3)))
