"""Does the density of a running variable jump? Local polynomials of its distribution function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from causalrep.estimators._local_polynomial import coefficient_weights

__all__ = ["DensityTest", "density_jump"]

Array = NDArray[np.float64]

_ORDER = 2


@dataclass(frozen=True)
class DensityTest:
    """Whether units sort themselves to one side of a cutoff.

    Parameters
    ----------
    left, right : float
        Densities at the cutoff.
    statistic : float
        Their difference, right less left, over its standard error; less the bias of the bandwidth.
    pvalue : float
        Two-sided, by the normal distribution. A small one says that the side was chosen.
    bandwidth : tuple of float
        Half-widths of the windows to the left and to the right.
    """

    left: float
    right: float
    statistic: float
    pvalue: float
    bandwidth: tuple[float, float]


def density_jump(x: Array, kernel: str, bandwidth: tuple[float, float] | None) -> DensityTest:
    """Return the densities on both sides of zero, and the test that they are equal.

    The density is the slope of a local quadratic fitted to the empirical distribution function, the test
    uses a cubic in the same window, whose bias is of a smaller order.
    """
    order = np.argsort(x, kind="stable")
    x = x[order]
    sides = np.flatnonzero(x < 0), np.flatnonzero(x >= 0)
    h = _bandwidths(x, sides, kernel) if bandwidth is None else bandwidth
    plain = [_slope(x, rows, h[k], _ORDER, kernel, 1)[0] for k, rows in enumerate(sides)]
    (left, left_influence), (right, right_influence) = (
        _slope(x, rows, h[k], _ORDER + 1, kernel, 1) for k, rows in enumerate(sides)
    )
    se = float(np.std(right_influence - left_influence, ddof=1) / np.sqrt(len(x)))
    statistic = (right - left) / se
    return DensityTest(plain[0], plain[1], statistic, float(2 * stats.norm.sf(abs(statistic))), h)


def _slope(
    x: Array, rows: NDArray[np.intp], h: float, order: int, kernel: str, derivative: int
) -> tuple[float, Array]:
    """Return a coefficient of the local polynomial of the distribution function, and its influence function.

    With weights w the coefficient is sum_i w_i F(x_i), and F(x_i) is a mean over all rows of 1(x_j <= x_i):
    row j therefore contributes the sum of the weights at and above it. x is sorted.
    """
    weights = np.zeros(len(x))
    weights[rows] = coefficient_weights(x[rows], h, order, kernel)[derivative]
    above = np.cumsum(weights[::-1])[::-1]
    above = above[np.searchsorted(x, x, side="left")]  # rows of equal value are at each other's level
    return float(above.mean()), above - above.mean()


def _bandwidths(
    x: Array, sides: tuple[NDArray[np.intp], NDArray[np.intp]], kernel: str
) -> tuple[float, float]:
    """Return the bandwidth that minimises the estimated error of each density, the same for both sides.

    Bias h^2 B and variance V / (n h) come from a pilot window; the estimate of B is regularised by its own
    variance, so that a density that happens to look straight does not take in everything.
    """
    n = len(x)
    reach = float(np.abs(x[sides[0]]).max()), float(np.abs(x[sides[1]]).max())
    pilot = min(3.0 * float(np.std(x)) * n ** (-1 / 9), max(reach))
    bias, variance = 0.0, 0.0
    for k, rows in enumerate(sides):
        wide = min(pilot, reach[k])
        _, influence = _slope(x, rows, wide, _ORDER, kernel, 1)
        variance += wide * float(np.var(influence, ddof=1))
        third, spread = _slope(x, rows, wide, _ORDER + 1, kernel, _ORDER + 1)
        weights = coefficient_weights(x[rows], wide, _ORDER, kernel)[1]
        constant = float(weights @ x[rows] ** (_ORDER + 1)) / wide**_ORDER
        bias += constant**2 * (third**2 + 3 * float(np.var(spread, ddof=1)) / n)
    h = float((variance / (2 * _ORDER * bias * n)) ** (1 / (2 * _ORDER + 1)))
    return min(h, reach[0]), min(h, reach[1])
