"""Quasi-Newton minimisation with a price on absolute values, within a domain.

References
----------
G. Andrew, J. Gao, "Scalable training of L1-regularized log-linear models", ICML 2007 (OWL-QN).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["minimise_with_prices"]

Vector = NDArray[np.float64]

_MEMORY = 10
_SMALLEST_STEP = 1e-12


def minimise_with_prices(
    smooth: Callable[[Vector], tuple[float, Vector]],
    start: Vector,
    price: Vector,
    *,
    max_iter: int,
    tol: float,
) -> tuple[Vector, int]:
    """Minimise a smooth function plus the priced absolute values of its arguments.

    Each step stays within one orthant, where the prices are linear: the direction is that of L-BFGS for the
    smooth part, without the components that go uphill, and what crosses zero stops there.

    Parameters
    ----------
    smooth : callable
        Returns value and gradient; an infinite value outside its domain, where steps are halved.
    start : array of shape (m,)
        In the domain.
    price : array of shape (m,)
        Not negative.
    max_iter : int
        Largest number of steps.
    tol : float
        Where the largest slope ends the search; it also ends where a step gains less than a part in 10^9.

    Returns
    -------
    argument : array of shape (m,)
    n_evaluations : int
    """
    w = start
    value, gradient = smooth(w)
    total = value + float(price @ np.abs(w))
    pairs: deque[tuple[Vector, Vector]] = deque(maxlen=_MEMORY)
    n_evaluations = 1
    for _ in range(max_iter):
        slope = _slope(w, gradient, price)
        if np.abs(slope).max(initial=0.0) <= tol:
            break
        direction = _direction(slope, pairs)
        orthant = np.where(w != 0.0, np.sign(w), -np.sign(slope))
        step = 1.0
        while True:
            new = w + step * direction
            new[new * orthant < 0.0] = 0.0
            value, steep = smooth(new)
            n_evaluations += 1
            reached = value + float(price @ np.abs(new))
            if reached <= total + 1e-4 * float(slope @ (new - w)):
                break
            step *= 0.5
            if step < _SMALLEST_STEP:
                return w, n_evaluations
        moved, bent = new - w, steep - gradient
        if moved @ bent > 1e-12 * float(bent @ bent):  # else the curvature is not to be trusted
            pairs.append((moved, bent))
        gained = total - reached
        w, gradient, total = new, steep, reached
        if gained <= 1e-9 * abs(total):
            break
    return w, n_evaluations


def _slope(w: Vector, gradient: Vector, price: Vector) -> Vector:
    """Return the steepest slope; at zero that of the side which goes down, or none."""
    up, down = gradient + price, gradient - price
    at_zero = np.where(up < 0.0, up, np.where(down > 0.0, down, 0.0))
    return np.where(w > 0.0, up, np.where(w < 0.0, down, at_zero))


def _direction(slope: Vector, pairs: deque[tuple[Vector, Vector]]) -> Vector:
    """Return the direction of L-BFGS, without the components that the slope contradicts."""
    direction = slope.copy()
    shares = []
    for moved, bent in reversed(pairs):
        share = (moved @ direction) / (moved @ bent)
        shares.append(share)
        direction -= share * bent
    if pairs:
        moved, bent = pairs[-1]
        direction *= (moved @ bent) / (bent @ bent)
    for (moved, bent), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - (bent @ direction) / (moved @ bent)) * moved
    direction[direction * slope <= 0.0] = 0.0
    if not pairs or not direction.any():
        direction = slope / max(1.0, float(np.abs(slope).sum()))
    return -direction
