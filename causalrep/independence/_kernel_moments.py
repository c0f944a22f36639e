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
from causalrep.independence._gram import compressed
from causalrep.independence._ridge import RidgeResiduals, squared_norm

__all__ = ["Dense", "Factored", "Moments"]

Moments: TypeAlias = tuple[float, float, float]
"""Statistic, and its mean and variance under independence."""

_HOST_CELLS, _DEVICE_CELLS = 2**16, 2**24  # of a Gram matrix at once: what a core's own cache holds
_SMALLEST_SHARE = 1e-4  # of a kernel's trace; the regression itself leaves 1e-5 of a function of one column


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
        return None if squared_norm(left) <= _SMALLEST_SHARE * squared_norm(G) else compressed(left)

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
    """Residual kernels as Gram matrices.

    Attributes
    ----------
    inflation : float
        As in `RidgeResiduals`.
    """

    def __init__(self, K: Array, penalty: float) -> None:
        xp = namespace_of(K)
        identity = xp.eye(K.shape[0], dtype=xp.float64, device=device_of(K))
        self._R = penalty * xp.linalg.inv(K + penalty * identity)
        square = xp.matmul(self._R, self._R)
        self.inflation = squared_norm(square) / squared_norm(xp.linalg.diagonal(square))

    def alone(self, K: Array) -> Array | None:
        """Return the residual kernel, None where nothing is left."""
        xp, left = namespace_of(K), self.joined(K)
        lost = float(xp.linalg.trace(left)) <= _SMALLEST_SHARE * float(xp.linalg.trace(K))
        return None if lost else left

    def joined(self, K: Array) -> Array:
        """Return the residual kernel."""
        xp = namespace_of(K)
        return xp.matmul(xp.matmul(self._R, K), self._R)

    @staticmethod
    def unconditional(A: Array, B: Array) -> Moments:
        """Return the moments for two centred kernels."""
        xp, n = namespace_of(A), A.shape[0]
        traces = float(xp.linalg.trace(A)) * float(xp.linalg.trace(B))
        return float(xp.sum(A * B)), traces / n, 2.0 * squared_norm(A) * squared_norm(B) / n**2

    @staticmethod
    def conditional(A: Array, B: Array, inflation: float) -> Moments:
        """Return the moments for two residual kernels."""
        xp = namespace_of(A)
        product = A * B
        mean = float(xp.linalg.trace(product))
        return float(xp.sum(product)), inflation * mean, 2.0 * inflation**2 * squared_norm(product)


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
