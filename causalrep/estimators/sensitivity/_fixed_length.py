"""The shortest interval of fixed length around an affine estimator, under a bound on second differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize, minimize_scalar

__all__ = ["shortest_interval"]

Array = NDArray[np.float64]


def shortest_interval(
    estimates: Array, covariance: Array, n_before: int, weights: Array, m: float, alpha: float
) -> tuple[float, float]:
    """Return center and half-length of the shortest interval for weighted effects after the start.

    The estimator adds to the weighted effects a combination v of those before the start, so that straight
    lines cancel. Its largest bias is `m` times a sum of absolute values that are linear in v, and the
    half-length the quantile of a shifted normal; both are traded by a penalty that is chosen at last.
    """
    times = np.concatenate([np.arange(-n_before, 0), np.arange(1, len(weights) + 1)]).astype(np.float64)
    bends = _bends(times)
    slope = times[:n_before]
    first = -float(times[n_before:] @ weights) * slope / (slope @ slope)

    def length(v: Array) -> float:
        a = np.append(v, weights)
        error = float(np.sqrt(a @ covariance @ a))
        return error * _folded_quantile(m * float(np.abs(bends @ a).sum()) / error, alpha)

    def solve(penalty: float) -> Array:
        return _traded(covariance, bends, slope, weights, first, penalty)

    if m == 0 or n_before == 1:  # one period before: the line is known, and nothing is left to choose
        best = solve(0.0) if n_before > 1 else first
    else:
        a = np.append(first, weights)
        unit = float(np.log(a @ covariance @ a / max(float(np.abs(bends @ a).sum()), 1e-300)))
        found = minimize_scalar(
            lambda x: length(solve(float(np.exp(x)))), bounds=(unit - 12, unit + 12), method="bounded"
        )
        best = min((solve(float(np.exp(found.x))), solve(0.0), first), key=length)
    return float(np.append(best, weights) @ estimates), length(best)


def _bends(times: Array) -> Array:
    """Return, for each time with a second difference, the curve that bends there alone and is 0 at time 0."""
    inner = np.arange(times[0] + 1, times[-1])
    return np.stack([np.maximum((times - t) if t >= 0 else (t - times), 0.0) for t in inner])


def _traded(
    covariance: Array, bends: Array, slope: Array, weights: Array, start: Array, penalty: float
) -> Array:
    """Return the v with the least variance plus penalty times bias: a quadratic programme."""
    n, k = len(slope), len(bends)
    goal = -float(np.arange(1, len(weights) + 1) @ weights)
    fixed = bends[:, n:] @ weights
    unit = float(np.trace(covariance)) / len(covariance)
    quadratic, linear = covariance[:n, :n] / unit, covariance[:n, n:] @ weights / unit

    def value(z: Array) -> float:
        v = z[:n]
        return float(v @ quadratic @ v / 2 + linear @ v + penalty / unit * z[n:].sum())

    def gradient(z: Array) -> Array:
        return np.append(quadratic @ z[:n] + linear, np.full(k, penalty / unit))

    above = np.block([[bends[:, :n], -np.eye(k)], [-bends[:, :n], -np.eye(k)]])
    limit = np.append(fixed, -fixed)
    constraints = [
        {
            "type": "eq",
            "fun": lambda z: np.atleast_1d(slope @ z[:n] - goal),
            "jac": lambda _: np.append(slope, np.zeros(k))[None],
        },
        {"type": "ineq", "fun": lambda z: -(above @ z + limit), "jac": lambda _: -above},
    ]
    z = np.append(start, np.abs(bends[:, :n] @ start + fixed))
    options = {"ftol": 1e-14, "maxiter": 500}
    found = minimize(value, z, jac=gradient, method="SLSQP", constraints=constraints, options=options)
    v = np.asarray(found.x[:n])
    return np.asarray(v + slope * (goal - slope @ v) / (slope @ slope))  # straight lines cancel to rounding


def _folded_quantile(shift: float, alpha: float) -> float:
    """Return the quantile of the absolute value of a normal number with this mean and variance 1."""
    if shift > 30:
        return float(shift + stats.norm.isf(alpha))
    return float(np.sqrt(stats.ncx2.ppf(1 - alpha, 1, shift**2)) if shift > 0 else stats.norm.isf(alpha / 2))
