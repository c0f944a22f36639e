"""Upper tails of weighted sums of squared standard normal variables."""

from __future__ import annotations

import math

import numpy as np
import scipy.optimize
import scipy.special
from numpy.typing import NDArray

__all__ = ["TAILS"]

Floats = NDArray[np.float64]


def saddlepoint(q: float, weights: Floats) -> float:
    """Return P(sum of weights Z^2 >= q) by Lugannani and Rice's formula.

    References
    ----------
    D. Kuonen, Saddlepoint approximations for distributions of quadratic forms in normal variables, Biometrika
    86 (1999), 929-935, equations 2 and 3.
    """
    weights = weights / weights.max()
    total, square, cube = (float((weights**k).sum()) for k in (1, 2, 3))
    # At the mean itself the formula is 0 / 0; its limit has the skewness.
    if abs(q - total) < 1e-4 * math.sqrt(2.0 * square):
        skewness: float = 8.0 * cube / (2.0 * square) ** 1.5
        return float(scipy.special.ndtr(-skewness / 6.0))

    def slope(t: float) -> float:
        return float((weights / (1.0 - 2.0 * t * weights)).sum()) - q

    most = 0.5 * (1.0 - 1.0 / (2.0 * (q + len(weights))))
    while slope(most) < 0.0:
        most = 0.5 * (1.0 - (1.0 - 2.0 * most) / 4.0)
    least = -len(weights) / (2.0 * q)  # there every term is below q / len(weights)
    t = float(scipy.optimize.brentq(slope, least, most, xtol=1e-14))
    shrunk = 1.0 - 2.0 * t * weights
    w = math.copysign(math.sqrt(max(2.0 * t * q + float(np.log(shrunk).sum()), 0.0)), t)
    u = t * math.sqrt(2.0 * float(((weights / shrunk) ** 2).sum()))
    return float(scipy.special.ndtr(-(w + math.log(u / w) / w)))


def hall_buckley_eagleson(q: float, weights: Floats) -> float:
    """Return the tail of the shifted chi-square with the same three first moments.

    References
    ----------
    M. J. Buckley and G. K. Eagleson, An approximation to the distribution of quadratic forms in normal random
    variables, Australian Journal of Statistics 30A (1988), 150-159.
    """
    mean, variance, third = (c * float((weights**k).sum()) for c, k in ((1.0, 1), (2.0, 2), (8.0, 3)))
    dof = 8.0 * variance**3 / third**2
    return float(scipy.special.chdtrc(dof, max(0.0, (q - mean) * math.sqrt(2.0 * dof / variance) + dof)))


def satterthwaite(q: float, weights: Floats) -> float:
    """Return the tail of the gamma distribution with the same mean and variance."""
    mean, variance = float(weights.sum()), 2.0 * float((weights**2).sum())
    return float(scipy.special.gammaincc(mean**2 / variance, q * mean / variance))


TAILS = {"saddlepoint": saddlepoint, "hbe": hall_buckley_eagleson, "gamma": satterthwaite}
