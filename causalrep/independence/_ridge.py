"""Ridge regression on features, as the map from a column to what the regression leaves of it."""

from __future__ import annotations

from array_api_compat import device as device_of

from causalrep.independence._arrays import Array, namespace_of

__all__ = ["RidgeResiduals", "loo_residuals", "principal_axes", "squared_norm"]


class RidgeResiduals:
    """The residual map R = penalty (Z Z' + penalty I)^-1 of a ridge regression on centred features Z.

    Attributes
    ----------
    inflation : float
        By how much a covariance of two residuals varies more than the products of their variances say,
        since residuals of one regression are dependent between rows: for white noise x and y,
        E (x'R^2 y)^2 = tr R^4, while the sum of the products of variances is that of (R^2)_ii^2.
    """

    def __init__(self, Z: Array, penalty: float) -> None:
        xp = namespace_of(Z)
        products = xp.matmul(xp.matrix_transpose(Z), Z)
        identity = xp.eye(Z.shape[1], dtype=xp.float64, device=device_of(Z))
        self._Z = Z
        # Woodbury: R = I - Z weight Z', with the inverse of a matrix of the rank of Z only.
        self._weight = xp.linalg.inv(products + penalty * identity)
        shrink = xp.matmul(self._weight, products)
        square = xp.matmul(shrink, shrink)
        diagonal = 1.0 - xp.sum(xp.matmul(Z, xp.matmul(2.0 * identity - shrink, self._weight)) * Z, axis=1)
        # tr (I - H)^4 for the hat matrix H, whose powers have the traces of those of `shrink`.
        traces = [float(xp.linalg.trace(power)) for power in (shrink, square)]
        traces += [float(xp.sum(xp.matrix_transpose(square) * power)) for power in (shrink, square)]
        fourth = Z.shape[0] - 4.0 * traces[0] + 6.0 * traces[1] - 4.0 * traces[2] + traces[3]
        self.inflation = fourth / squared_norm(diagonal)

    def __call__(self, G: Array) -> Array:
        """Return what is left of the columns of G, of shape (n, m)."""
        xp = namespace_of(G)
        explained = xp.matmul(self._weight, xp.matmul(xp.matrix_transpose(self._Z), G))
        return G - xp.matmul(self._Z, explained)


def principal_axes(Z: Array) -> tuple[Array, Array]:
    """Return orthonormal columns that span those of Z, and the eigenvalues of Z Z' that belong to them."""
    xp = namespace_of(Z)
    values, vectors = xp.linalg.eigh(xp.matmul(xp.matrix_transpose(Z), Z))
    start = int(xp.sum(xp.astype(values <= 1e-12 * xp.max(values), xp.int64)))
    values, vectors = values[start:], vectors[:, start:]
    return xp.matmul(Z, vectors) / xp.sqrt(values), values


def loo_residuals(y: Array, basis: Array, values: Array, penalties: Array) -> Array:
    """Return the residuals of the ridge regression whose penalty predicts left-out rows best.

    Parameters
    ----------
    y : array of shape (n,)
        Centred.
    basis, values : arrays of shapes (n, m) and (m,)
        As `principal_axes` returns.
    penalties : array of shape (p,)

    Notes
    -----
    With the hat matrix H of a penalty, the error at a row that was left out is the residual divided by
    1 - H_ii (Allen's PRESS), so that no regression is fitted twice.
    """
    xp = namespace_of(y)
    fitted = values[:, None] / (values[:, None] + penalties[None, :])
    residuals = y[:, None] - xp.matmul(basis, fitted * xp.matmul(xp.matrix_transpose(basis), y)[:, None])
    freedom = 1.0 - xp.matmul(basis**2, fitted) - 1.0 / y.shape[0]  # the mean was fitted too
    floor = xp.asarray(1e-6, dtype=y.dtype, device=device_of(y))
    errors = xp.sum((residuals / xp.maximum(freedom, floor)) ** 2, axis=0)
    return residuals[:, int(xp.argmin(errors))]


def squared_norm(M: Array) -> float:
    """Return the sum of the squared entries."""
    xp = namespace_of(M)
    flat = xp.reshape(M, (-1,))
    return float(xp.vecdot(flat, flat))
