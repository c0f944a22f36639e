"""Weights that balance covariates, by the convex duals of their definitions.

The weights of an arm are ``w(x) = rho(x' b)`` with the coefficients at which the weighted arm has the
covariate means of the target population; ``rho = exp`` makes them as even as possible in entropy
(Hainmueller 2012), ``rho(u) = max(1 + u, 0)`` in variance (Zubizarreta 2015). Both minimise a convex sum over
rows with as many unknowns as covariates, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Calibration", "Link", "arm_mean", "calibrate", "entropy", "newton", "variance"]

Array = NDArray[np.float64]
Link = Callable[[Array], tuple[Array, Array, Array]]

_PRECISION = 1e-10


def entropy(u: Array) -> tuple[Array, Array, Array]:
    """Return the dual loss of entropy with its first two derivatives."""
    value = np.exp(np.minimum(u, 500.0))  # more is tried only on the way to infinity, without overlap
    return value, value, value


def variance(u: Array) -> tuple[Array, Array, Array]:
    """Return the dual loss of variance with its first two derivatives."""
    rho = np.maximum(1 + u, 0.0)
    return rho**2 / 2, rho, (rho > 0).astype(np.float64)


def newton(design: Array, loss: Link, linear: Array, scale: float, max_iter: int = 200) -> Array | None:
    """Return the b at which ``sum(loss(design @ b)) - linear @ b``, convex, is least.

    The gradient is zero to 1e-10 of `scale`; None if there is no minimum, or it was not reached.
    """
    b = np.zeros(design.shape[1])
    value, slope, curvature = loss(design @ b)
    total = float(value.sum())
    for _ in range(max_iter):
        gradient = design.T @ slope - linear
        if np.max(np.abs(gradient), initial=0.0) <= _PRECISION * scale:
            return b
        hessian = design.T @ (design * curvature[:, None])
        if not np.isfinite(hessian).all():
            return None
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-14)[0]
        expected, size = float(gradient @ step), 1.0
        for _ in range(50):
            tried = b - size * step
            value, slope, curvature = loss(design @ tried)
            moved = float(value.sum() - linear @ tried)
            # near the minimum the decrease drowns in rounding, and the full step is right
            if moved <= total - 1e-4 * size * expected + 1e-13 * (abs(total) + scale):
                break
            size /= 2
        else:
            return None
        b, total = tried, moved
    return None


@dataclass(frozen=True)
class Calibration:
    """The weights of one arm, and what their variance needs.

    Parameters
    ----------
    rho, slope : array of shape (n,)
        Weights, and their derivative by the linear predictor; zero outside of the arm.
    active : array of shape (n_columns,), bool
        The columns whose balance binds.
    shift : array of shape (n_columns,)
        How far from the target the means of the active columns may be, and are.
    """

    rho: Array
    slope: Array
    active: NDArray[np.bool_]
    shift: Array


def calibrate(
    design: Array, base: Array, arm: Array, target: Array, link: Link, tolerance: float = 0.0
) -> Calibration | None:
    """Return weights of an arm that give it the means of the target; None where there are none.

    Parameters
    ----------
    design : array of shape (n, n_columns)
        Ones, and standardised covariates.
    base : array of shape (n,)
        Weights of the rows themselves.
    arm, target : array of shape (n,)
        1 for the rows of the arm, and of the target population.
    link : callable
        `entropy` or `variance`.
    tolerance : float, default=0.0
        Largest difference between the means of a covariate.

    Returns
    -------
    Calibration or None
        The weights times `base` sum to the size of the target.
    """
    rows = np.flatnonzero(arm)
    inside, own = design[rows], base[rows]
    scale = float(base @ target)
    goal = design.T @ (base * target)
    allowed = np.append(0.0, np.full(design.shape[1] - 1, tolerance))

    def loss(u: Array) -> tuple[Array, Array, Array]:
        value, first, second = link(u)
        return own * value, own * first, own * second

    signs = _first_signs(inside, loss, goal, scale * allowed) if tolerance else np.zeros(len(allowed))
    for _ in range(3 * len(allowed)):
        active = (signs != 0) | (allowed == 0)
        shift = -signs * allowed
        found = newton(inside[:, active], loss, (goal + scale * shift)[active], scale)
        if found is None:
            return None
        b = np.zeros(len(allowed))
        b[active] = found
        _, rho, slope = link(inside @ b)
        gap = (inside.T @ (own * rho) - goal) / scale
        flipped = b * signs < 0
        violated = ~active & (np.abs(gap) > allowed * (1 + 1e-9))
        if not (flipped | violated).any():
            return Calibration(_spread(rho, rows, arm), _spread(slope, rows, arm), active, shift)
        signs = np.where(flipped, 0.0, np.where(violated, -np.sign(gap), signs))
    return None


def _first_signs(inside: Array, loss: Link, goal: Array, allowed: Array) -> Array:
    """Return which balances bind and on which side: the signs of b at the minimum with a penalty on |b|."""
    k = inside.shape[1]

    def penalised(parts: Array) -> tuple[float, Array]:
        b = parts[:k] - parts[k:]
        value, slope, _ = loss(inside @ b)
        gradient = inside.T @ slope - goal
        return (
            float(value.sum() - goal @ b + allowed @ (parts[:k] + parts[k:])),
            np.concatenate([gradient + allowed, allowed - gradient]),
        )

    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-8}
    found = minimize(
        penalised, np.zeros(2 * k), jac=True, method="L-BFGS-B", bounds=[(0, None)] * (2 * k), options=options
    )
    b = found.x[:k] - found.x[k:]
    return np.where((np.abs(b) > 1e-8) & (allowed > 0), np.sign(b), 0.0)


def _spread(values: Array, rows: NDArray[np.intp], arm: Array) -> Array:
    whole = np.zeros(len(arm))
    whole[rows] = values
    return whole


def arm_mean(found: Calibration, design: Array, base: Array, target: Array, y: Array) -> tuple[float, Array]:
    """Return the weighted mean of an outcome and its influence function, the weights taken as estimated.

    The coefficients b solve ``sum(base (rho x - target (x + shift))) = 0`` and the mean
    ``sum(base rho (y - mean)) = 0``; the influence function of both together is that of a regression on the
    covariates with the weights ``base * slope``.
    """
    share = np.mean(base * target)
    mean = float(np.mean(base * found.rho * y) / share)
    columns, left = design[:, found.active], y - mean
    weight = base * found.slope
    gram = columns.T @ (columns * weight[:, None])
    beta = np.linalg.lstsq(gram, columns.T @ (weight * left), rcond=1e-12)[0]
    explained = columns @ beta
    allowed = found.shift[found.active] * beta
    # what is allowed is so many standard deviations, which are estimated too
    deviations = target * allowed.sum() + share * (columns**2 - 1) @ allowed / 2
    influence = found.rho * (left - explained) + target * explained + deviations
    return mean, influence / share
