"""The statistic of a kernel test and its moments under independence, from factors or from Gram matrices.

Both classes stand for the regression on the conditioning variables, with the residual map
R = penalty (K + penalty I)^-1 of their kernel K. One meets the other kernels as factors G with G G' = K,
the other as the matrices themselves.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from array_api_compat import device as device_of

from causalrep.independence._arrays import Array, namespace_of, on_host
from causalrep.independence._gram import centred_gram, compressed, gaussian_gram, raw_gram
from causalrep.independence._ridge import RidgeResiduals, squared_norm

__all__ = ["SMALLEST_SHARE", "Dense", "Factored", "Moments", "dense_moments", "dense_unconditional"]

Moments: TypeAlias = tuple[float, float, float]
"""Statistic, and its mean and variance under independence."""

_HOST_CELLS, _DEVICE_CELLS = 2**16, 2**24  # of a Gram matrix at once: what a core's own cache holds
SMALLEST_SHARE = 1e-4  # of a kernel's trace; the regression itself leaves 1e-5 of a function of one column


class Factored:
    """Residual kernels as factors of low rank.

    Attributes
    ----------
    inflation : float
        As in `RidgeResiduals`.
    """

    def __init__(self, Z: Array, penalty: float) -> None:
        self._residual = RidgeResiduals(Z, penalty)
        self.inflation = self._residual.inflation

    def alone(self, G: Array) -> Array | None:
        """Return a factor of the residual kernel, None where nothing is left."""
        left = self._residual(G)
        return None if squared_norm(left) <= SMALLEST_SHARE * squared_norm(G) else compressed(left)

    def joined(self, G: Array) -> Array:
        """Return a factor of the residual kernel."""
        return compressed(self._residual(G))

    @staticmethod
    def unconditional(A: Array, B: Array) -> Moments:
        """Return the moments for two centred kernels."""
        n, xp = A.shape[0], namespace_of(A)
        norms = [squared_norm(xp.matmul(xp.matrix_transpose(G), G)) for G in (A, B)]
        statistic = squared_norm(xp.matmul(xp.matrix_transpose(A), B))
        return statistic, squared_norm(A) * squared_norm(B) / n, 2.0 * math.prod(norms) / n**2

    @staticmethod
    def conditional(A: Array, B: Array, inflation: float) -> Moments:
        """Return the moments for two residual kernels."""
        xp = namespace_of(A)
        statistic = squared_norm(xp.matmul(xp.matrix_transpose(A), B))
        mean = float(xp.sum(xp.sum(A * A, axis=1) * xp.sum(B * B, axis=1)))
        return statistic, inflation * mean, 2.0 * inflation**2 * _product_norm(A, B)


class Dense:
    """Residual kernels as Gram matrices, of many columns at once.

    Where a factor takes many small steps, this takes a few large products, and moves nothing from the device
    but the moments at the end.

    Parameters
    ----------
    given : array of shape (k, n)
        The conditioning columns, each divided by its bandwidth.
    penalty : float
    """

    def __init__(self, given: Array, penalty: float) -> None:
        xp, n = namespace_of(given), given.shape[1]
        identity = xp.eye(n, dtype=xp.float64, device=device_of(given))
        self._R = penalty * xp.linalg.inv(gaussian_gram(xp.matrix_transpose(given)) + penalty * identity)
        # Conditioning columns that join another one count half.
        self._half = raw_gram(xp.matrix_transpose(given) / 2.0)

    def inflation(self) -> Array:
        """Return what `RidgeResiduals.inflation` is, as an array without axes."""
        xp = namespace_of(self._R)
        square = xp.matmul(self._R, self._R)
        return xp.sum(square * square) / xp.sum(xp.linalg.diagonal(square) ** 2)

    def residual(self, columns: Array) -> tuple[Array, Array, Array]:
        """Return residual kernels of single columns, alone and joined by the others, and what share is left.

        Parameters
        ----------
        columns : array of shape (b, n)
            Each divided by its bandwidth.

        Returns
        -------
        alone, joined : array of shape (b, n, n)
        share : array of shape (b,)
            Of the trace of the kernel alone.
        """
        xp = namespace_of(columns)
        raw = raw_gram(columns[:, :, None])
        whole = centred_gram(raw)
        joined = self._left(centred_gram(raw * self._half[None, :, :]))
        alone = self._left(whole)
        return alone, joined, xp.linalg.trace(alone) / xp.linalg.trace(whole)

    def _left(self, K: Array) -> Array:
        xp = namespace_of(K)
        return xp.matmul(xp.matmul(self._R, K), self._R)


def dense_moments(A: Array, B: Array) -> Array:
    """Return statistic, mean and half the variance for residual Gram matrices, shape (3,)."""
    xp = namespace_of(A)
    product = A * B
    return xp.stack([xp.sum(product), xp.linalg.trace(product), xp.sum(product * product)])


def dense_unconditional(A: Array, B: Array) -> Array:
    """Return statistic, mean and half the variance for centred Gram matrices, shape (3,)."""
    xp, n = namespace_of(A), A.shape[0]
    mean = xp.linalg.trace(A) * xp.linalg.trace(B) / n
    return xp.stack([xp.sum(A * B), mean, xp.sum(A * A) * xp.sum(B * B) / n**2])


def _product_norm(A: Array, B: Array) -> float:
    """Return the squared norm of the entrywise product of A A' and B B'."""
    xp = namespace_of(A)
    n, width = A.shape[0], A.shape[1] * B.shape[1]
    if width * width < n * (A.shape[1] + B.shape[1] + 8) and n * width <= 2**25:
        # Its features are all products of one feature of each.
        products = xp.reshape(A[:, :, None] * B[:, None, :], (n, width))
        return squared_norm(xp.matmul(xp.matrix_transpose(products), products))
    # The product is symmetric: each block of its rows is met from the diagonal on.
    step = max(64, (_HOST_CELLS if on_host(A) else _DEVICE_CELLS) // n)
    total = 0.0
    for start in range(0, n, step):
        stop = min(start + step, n)
        block = xp.matmul(A[start:stop, :], xp.matrix_transpose(A[start:, :]))
        block *= xp.matmul(B[start:stop, :], xp.matrix_transpose(B[start:, :]))
        total += 2.0 * squared_norm(block) - squared_norm(block[:, : stop - start])
    return total
