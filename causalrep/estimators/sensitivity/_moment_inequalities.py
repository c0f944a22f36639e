"""Intervals from two moment inequalities at a time, by a conditional and a least favourable test together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, owens_t

__all__ = ["accepted_range"]

Array = NDArray[np.float64]

_FIRST_STAGE = 0.1
"""Share of the level that the least favourable test takes, as in the paper."""
_N_POINTS = 801


def accepted_range(
    estimates: Array, covariance: Array, effect: Array, breaks: Array, alpha: float
) -> tuple[float, float]:
    """Return the range of effects that no test rejects: ``|effect - theta| <= |break|`` for some break.

    Each break, with either sign, makes two inequalities ``sign (effect - theta) - break <= 0``; a value is
    accepted if it is for one of them.
    """
    center = float(effect @ estimates)
    cases = [
        _Pair.of(estimates, covariance, effect, sign * row, alpha) for row in breaks for sign in (-1.0, 1.0)
    ]
    reach = max(case.reach for case in cases)
    grid = center + reach * np.linspace(-1, 1, _N_POINTS)
    accepted = np.any([case.accepts(grid) for case in cases], axis=0)
    inside = np.flatnonzero(accepted)

    step = grid[1] - grid[0]
    ends = []
    for outside, first in ((-step, 0), (step, -1)):  # once more, between the last accepted and the next one
        fine = grid[inside[first]] + outside * np.linspace(0, 1, _N_POINTS)
        held = np.any([case.accepts(fine) for case in cases], axis=0)
        ends.append(float(fine[np.flatnonzero(held)[-1]]))
    return ends[0], ends[1]


class _Pair:
    """The two inequalities of one break with one sign."""

    def __init__(self, center: float, size: float, errors: Array, correlation: float, alpha: float) -> None:
        self.center, self.size = center, size
        self.errors, self.correlation = errors, correlation
        first = _FIRST_STAGE * alpha
        self.bound = _largest_of_two(first, correlation)
        self.rest = (alpha - first) / (1 - first)
        self.reach = max(size, 0.0) + 8.0 * float(errors.max())

    @classmethod
    def of(cls, estimates: Array, covariance: Array, effect: Array, allowed: Array, alpha: float) -> _Pair:
        rows = np.stack([effect - allowed, -effect - allowed])
        spread = rows @ covariance @ rows.T
        errors = np.sqrt(np.diag(spread))
        correlation = float(np.clip(spread[0, 1] / (errors[0] * errors[1]), -1.0, 1.0))
        return cls(float(effect @ estimates), float(allowed @ estimates), errors, correlation, alpha)

    def accepts(self, theta: Array) -> NDArray[np.bool_]:
        """Return where the hybrid test does not reject (Andrews, Roth and Pakes 2023, section 5)."""
        gap = self.center - theta
        both = np.stack([(gap - self.size) / self.errors[0], (-gap - self.size) / self.errors[1]])
        largest, other = both.max(axis=0), both.min(axis=0)
        if self.correlation >= 1 - 1e-10:
            lowest = np.full_like(largest, -np.inf)
        else:  # the larger one is the larger as long as it is above this, given what is independent of it
            lowest = (other - self.correlation * largest) / (1 - self.correlation)
        cut = ndtr(np.minimum(lowest, self.bound))
        level = (1 - self.rest) * ndtr(self.bound) + self.rest * cut
        critical = np.minimum(np.maximum(ndtri(level), 0.0), self.bound)
        return np.asarray(largest <= critical)


def _largest_of_two(level: float, correlation: float) -> float:
    """Return the value that the larger of two standard normal numbers exceeds with a probability."""
    slope = np.sqrt((1 - correlation) / max(1 + correlation, 1e-16))
    # both are below c with probability Phi(c) - 2 T(c, slope), by Owen's T function
    return float(brentq(lambda c: ndtr(c) - 2 * owens_t(c, slope) - (1 - level), 0.0, 10.0))
