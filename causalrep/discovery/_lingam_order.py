"""The causal order of a linear model with non-Gaussian noise: which variable is exogenous, again and again.

If x causes y, the residual of y on x is independent of x, while that of x on y is not independent of y. Which
of the two directions leaves less dependence is told by four entropies, which are approximated by two moments
of each variable. An exogenous variable wins against all others; it is taken out of them by regression, and so
on.

References
----------
S. Shimizu et al., "DirectLiNGAM: a direct method for learning a linear non-Gaussian structural equation
model", Journal of Machine Learning Research 12, 2011, algorithm 1.
A. Hyvärinen, S. M. Smith, "Pairwise likelihood ratios for estimation of non-Gaussian structural equation
models", Journal of Machine Learning Research 14, 2013, section 3.2 (the measure) and equation 21 (the
entropy). A. Shahbazinia, S. Salehkaleybar, M. Hashemi, "ParaLiNGAM: parallel causal structure learning for
linear non-Gaussian acyclic models", arXiv:2109.13993 (a sum that is above the best total cannot win any
more).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from causalrep.independence._partial_correlation import SMALLEST_PIVOT

__all__ = ["causal_order", "entropies"]

Matrix = NDArray[np.float64]

_BLOCK = 2**14  # numbers that are worked on at once: what a core's own cache holds
_FACTORS = 512  # of at most two each, whose product stays below the largest number
_K1, _K2, _GAMMA = 79.047, 7.4129, 0.37457


def causal_order(X: Matrix, earlier: NDArray[np.bool_]) -> list[int]:
    """Return the variables from the first cause to the last effect.

    Parameters
    ----------
    X : array of shape (d, n)
        A row for each variable, with mean 0 and variance 1. Used up.
    earlier : array of shape (d, d), bool
        Entry (i, j) says that i comes before j; acyclic.

    Returns
    -------
    list of int
    """
    left = list(range(len(X)))
    order: list[int] = []
    weight = np.zeros(len(X))  # how much spoke against each in the step before: who is asked first
    while len(left) > 1:
        free = [k for k in left if not earlier[left, k].any()]
        root = free[0]
        if len(free) > 1:
            root, weight = _exogenous(X, left, free, weight)
        left.remove(root)
        order.append(root)
        _take_out(X, root, left)
    return order + left


def _exogenous(X: Matrix, left: list[int], free: list[int], before: Matrix) -> tuple[int, Matrix]:
    """Return which of the free variables is exogenous, and the sums of what speaks against each, so far.

    Sums only grow, so the smallest that is complete is the least of all. Only it need be complete: the next
    to be compared is always the variable of the smallest sum, with its closest rivals first.
    """
    entropy = np.zeros(len(X))
    entropy[left] = entropies(X[left])
    weight = np.zeros(len(X))
    unknown = {k: set(left) - {k} for k in free}
    width = max(1, _BLOCK // X.shape[1])
    while True:
        i = min(free, key=lambda k: (weight[k], before[k], k))
        rivals = sorted(unknown[i], key=lambda k: (weight[k], before[k], k))[:width]
        if not rivals:
            return i, weight
        difference = _differences(X, i, rivals, entropy)
        weight[i] += float(np.square(np.minimum(difference, 0.0)).sum())
        weight[rivals] += np.square(np.maximum(difference, 0.0))
        unknown[i].difference_update(rivals)
        for j in rivals:
            if j in unknown:
                unknown[j].discard(i)


def _differences(X: Matrix, i: int, others: list[int], entropy: Matrix) -> Matrix:
    """Return by how much the direction i -> j is more likely than j -> i, per row, for each j of `others`."""
    own, rest = X[i], X[others]
    c = rest @ own / X.shape[1]
    left_over = 1.0 - c * c
    scale = np.where(left_over > SMALLEST_PIVOT, 1.0 / np.sqrt(np.maximum(left_over, SMALLEST_PIVOT)), 0.0)
    of_i = entropies((own - c[:, None] * rest) * scale[:, None])
    rest -= c[:, None] * own
    rest *= scale[:, None]
    found: Matrix = entropy[others] + of_i - entropy[i] - entropies(rest)
    return found


def _take_out(X: Matrix, root: int, left: list[int]) -> None:
    """Replace the variables that are left by their standardised residuals on the root."""
    rest = X[left]
    rest -= (rest @ X[root] / X.shape[1])[:, None] * X[root]
    rest -= rest.mean(axis=1, keepdims=True)
    variance = np.square(rest).mean(axis=1, keepdims=True)
    rest *= np.where(variance > SMALLEST_PIVOT, 1.0 / np.sqrt(np.maximum(variance, SMALLEST_PIVOT)), 0.0)
    X[left] = rest


def entropies(u: Matrix) -> Matrix:
    """Return approximations of the differential entropy of rows of variance 1, from two of their moments.

    Parameters
    ----------
    u : array of shape (m, n)
        Not changed.

    Returns
    -------
    array of shape (m,)
        The entropy of the normal distribution, less the squared deviations of E log cosh u and E u exp(-u^2 /
        2) from those of the normal distribution, with Hyvärinen's weights.
    """
    n = u.shape[1]
    t = np.abs(u)
    log_cosh = t.sum(axis=1)  # log cosh u = |u| + log(1 + exp(-2 |u|)) - log 2
    t *= -2.0
    np.exp(t, out=t)
    t += 1.0
    # A product per run in place of a logarithm per number.
    products = np.multiply.reduceat(t, np.arange(0, n, _FACTORS), axis=1)
    log_cosh += np.log(products).sum(axis=1)
    np.square(u, out=t)
    t *= -0.5
    np.exp(t, out=t)
    odd = np.einsum("ij,ij->i", u, t) / n
    even = log_cosh / n - math.log(2.0)
    found: Matrix = 0.5 * (1.0 + math.log(2.0 * math.pi)) - _K1 * (even - _GAMMA) ** 2 - _K2 * odd**2
    return found
