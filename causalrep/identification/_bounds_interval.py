"""Confidence intervals for what lies within bounds that are estimated from data.

The bounds are functions of tables; the tables are drawn again, from the multinomial distributions that
the data give. With standard errors s and bias-corrected ends l and u, the interval is
``[l - c s_l, u + c s_u]``, where c is such that it covers every point of a set of that width: between the
one-sided critical value, for wide bounds, and the two-sided one, for a point [1]_, [2]_.

References
----------
.. [1] G. W. Imbens, C. F. Manski, "Confidence intervals for partially identified parameters",
   Econometrica 72, 2004, doi:10.1111/j.1468-0262.2004.00555.x (equation 7).
.. [2] J. Stoye, "More on confidence intervals for partially identified parameters", Econometrica 77,
   2009, doi:10.3982/ECTA7347.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from causalrep.identification._joint import Joint
from causalrep.identification._problem import Problem
from causalrep.utils import DataError, RandomState, as_generator

__all__ = ["BoundsInterval", "critical_value", "resampled_interval"]


@dataclass(frozen=True)
class BoundsInterval:
    """An interval that covers a quantity within estimated bounds with a given probability.

    Attributes
    ----------
    lower, upper : float
        Its ends.
    level : float
        The probability.
    bounds : tuple of float
        The bias-corrected bounds.
    se : tuple of float
        Their standard errors.
    """

    lower: float
    upper: float
    level: float
    bounds: tuple[float, float]
    se: tuple[float, float]


def critical_value(width: float, se: float, level: float) -> float:
    """Return c with ``Phi(c + width / se) - Phi(-c) = level``.

    Parameters
    ----------
    width : float
        How far apart the bounds are.
    se : float
        The larger of their standard errors.
    level : float
        In (0, 1).

    Returns
    -------
    float
        For 0.95 between 1.645 and 1.960.
    """
    shift = width / se if se > 0 else np.inf

    def excess(c: float) -> float:
        return float(norm.cdf(c + shift) - norm.cdf(-c)) - level

    return float(brentq(excess, 0.0, float(norm.ppf((1 + level) / 2)) + 1e-9))


def resampled_interval(
    problem: Problem, ends: tuple[float, float], level: float, n_resamples: int, random_state: RandomState
) -> BoundsInterval:
    """Return the interval around the bounds of a problem whose tables were counted from data."""
    if not 0 < level < 1:
        raise DataError(f"`level` must be in (0, 1), got {level}")
    if n_resamples < 2:
        raise DataError(f"`n_resamples` must be at least 2, got {n_resamples}")
    for what, joint, _ in problem.sources:
        if joint.n_rows is None:
            raise DataError(f"an interval needs data: `{what}` is a table of probabilities")
    chance = as_generator(random_state)
    draws = np.empty((n_resamples, 2))
    for row in draws:
        row[:] = _ends(problem.with_tables([_resample(joint, chance) for _, joint, _ in problem.sources]))
    se = draws.std(axis=0, ddof=1)
    lower, upper = 2 * np.array(ends) - draws.mean(axis=0)
    c = critical_value(max(upper - lower, 0.0), float(se.max()), level)
    return BoundsInterval(
        float(lower - c * se[0]),
        float(upper + c * se[1]),
        level,
        (float(lower), float(upper)),
        (float(se[0]), float(se[1])),
    )


def _ends(problem: Problem) -> tuple[float, float]:
    """Return both bounds; where the tables contradict each other, of the models nearest to them."""
    try:
        return problem.solve(1).value, problem.solve(-1).value
    except DataError:
        loose = problem.loosened()
        return loose.solve(1).value, loose.solve(-1).value


def _resample(joint: Joint, chance: np.random.Generator) -> Joint:
    n_rows = joint.n_rows or 1
    flat = joint.array.ravel()
    counts = chance.multinomial(n_rows, flat / flat.sum())
    return Joint(joint.names, joint.states, counts.reshape(joint.array.shape) / n_rows, n_rows)
