"""Least squares over acyclic weights: the continuous problem of NOTEARS, solved from a covariance matrix."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize

__all__ = [
    "Optimum",
    "acyclicity",
    "augmented_lagrangian",
    "ordered_optimum",
    "penalised_loss",
    "smallest_acyclic_threshold",
    "squared_loss",
]

Matrix = NDArray[np.float64]


class Optimum(NamedTuple):
    """What was found.

    Attributes
    ----------
    weights : array of shape (d, d)
        Entry (i, j) is the weight of i -> j.
    objective : float
        The loss with its penalty.
    acyclicity : float
        How cyclic the weights are.
    n_iter : int
        Number of evaluations.
    converged : bool
        Whether the weights are as acyclic as they should be.
    """

    weights: Matrix
    objective: float
    acyclicity: float
    n_iter: int
    converged: bool


def squared_loss(S: Matrix, W: Matrix) -> tuple[float, Matrix]:
    """Return half the sum of the residual variances, ``tr((I - W)' S (I - W)) / 2``, and its gradient.

    Parameters
    ----------
    S : array of shape (d, d)
        Covariances; the rows they come from are no longer needed.
    W : array of shape (d, d)
        Entry (i, j) is the weight of i -> j.
    """
    left = -W
    left.flat[:: len(W) + 1] += 1.0
    gradient = S @ left
    return 0.5 * float(np.vdot(left, gradient)), -gradient


def acyclicity(W: Matrix) -> tuple[float, Matrix]:
    """Return ``tr((I + W o W / d)^d) - d``, which is zero iff the weights have no cycle, and its gradient.

    The trace of a power counts closed walks by their squared weights. The power is that of Yu et al. (2019)
    in place of the exponential of Zheng et al. (2018): it counts the same walks, up to length d, and takes a
    logarithmic number of products.
    """
    d = len(W)
    M = W * W
    M /= d
    M.flat[:: d + 1] += 1.0
    E = np.linalg.matrix_power(M, d - 1)
    return float(np.vdot(E.T, M)) - d, 2.0 * E.T * W


def augmented_lagrangian(
    S: Matrix,
    penalty: Matrix,
    allowed: NDArray[np.bool_],
    *,
    tol: float,
    max_iter: int,
    largest_rho: float = 1e16,
) -> Optimum:
    """Minimise the penalised loss over acyclic weights.

    The absolute values are made smooth by writing weights as the difference of two parts that are not
    negative, which L-BFGS-B bounds.

    Parameters
    ----------
    S : array of shape (d, d)
        Covariances.
    penalty : array of shape (d, d)
        Price of the absolute value of each weight.
    allowed : array of shape (d, d), bool
        The entries that may differ from zero.
    tol : float
        What the acyclicity must come down to.
    max_iter : int
        Largest number of updates of the multiplier.
    largest_rho : float
        Where the weight of the squared constraint ends: if it comes to that, there is no convergence.
    """
    parts = np.zeros(2 * int(allowed.sum()))
    W = np.zeros(S.shape)
    rho, alpha, h, n_iter = 1.0, 0.0, np.inf, 0
    for _ in range(max_iter if len(parts) else 0):
        while True:
            W, found = _minimise(S, penalty, allowed, parts, rho, alpha)
            n_iter += int(found.nfev)
            new = acyclicity(W)[0]
            if new <= 0.25 * h or rho >= largest_rho:
                break
            rho *= 10.0
        parts, h = found.x, new
        alpha += rho * h
        if h <= tol or rho >= largest_rho:
            break
    h = acyclicity(W)[0]
    return Optimum(W, penalised_loss(S, penalty, W), h, n_iter, h <= tol)


def ordered_optimum(S: Matrix, penalty: Matrix, allowed: NDArray[np.bool_]) -> tuple[Matrix, float]:
    """Return the best weights, and their objective, where those allowed can form no cycle: a convex problem.

    Parameters
    ----------
    S, penalty, allowed : array of shape (d, d)
        As for `augmented_lagrangian`; `allowed` is acyclic.
    """
    parts = np.zeros(2 * int(allowed.sum()))
    W = np.zeros(S.shape)
    if len(parts):
        W, _ = _minimise(S, penalty, allowed, parts, 0.0, 0.0, {"ftol": 1e-15, "gtol": 1e-9})
    return W, penalised_loss(S, penalty, W)


def penalised_loss(S: Matrix, penalty: Matrix, W: Matrix) -> float:
    """Return the loss with the prices of the weights."""
    return squared_loss(S, W)[0] + float((penalty * np.abs(W)).sum())


def _minimise(
    S: Matrix,
    penalty: Matrix,
    allowed: NDArray[np.bool_],
    parts: Matrix,
    rho: float,
    alpha: float,
    options: dict[str, float] | None = None,
) -> tuple[Matrix, Any]:
    """Minimise objective, constraint and its square from `parts` on, which weights are the difference of."""
    where, n = np.nonzero(allowed), len(parts) // 2
    price = penalty[where]
    W = np.zeros(S.shape)

    def value(parts: Matrix) -> tuple[float, Matrix]:
        W[where] = parts[:n] - parts[n:]
        total, slope = squared_loss(S, W)
        if rho > 0.0:
            cyclic, steep = acyclicity(W)
            total += (0.5 * rho * cyclic + alpha) * cyclic
            slope = slope + (rho * cyclic + alpha) * steep
        smooth = slope[where]
        total += float(price @ parts[:n] + price @ parts[n:])
        return total, np.concatenate([smooth + price, price - smooth])

    bounds = Bounds(np.zeros(2 * n), np.full(2 * n, np.inf))
    found = minimize(value, parts, method="L-BFGS-B", jac=True, bounds=bounds, options=options)
    W[where] = found.x[:n] - found.x[n:]
    return W, found


def smallest_acyclic_threshold(W: Matrix, threshold: float, kept: NDArray[np.bool_]) -> float:
    """Return the smallest number from `threshold` on above which weights, with those kept, have no cycle.

    Parameters
    ----------
    W : array of shape (d, d)
        Weights.
    threshold : float
        Least answer.
    kept : array of shape (d, d), bool
        Entries that stay whatever their weight; without a cycle.
    """
    sizes = np.abs(W)
    steps = np.concatenate([[threshold], np.unique(sizes[sizes > threshold])])
    low, high = 0, len(steps) - 1  # above the largest weight nothing is left but what is kept
    while low < high:
        middle = (low + high) // 2
        if _is_acyclic((sizes > steps[middle]) | kept):
            high = middle
        else:
            low = middle + 1
    return float(steps[low])


def _is_acyclic(edges: NDArray[np.bool_]) -> bool:
    left = edges
    while True:
        sinks = ~left.any(axis=1)
        if not sinks.any():
            return len(left) == 0
        left = left[np.ix_(~sinks, ~sinks)]
