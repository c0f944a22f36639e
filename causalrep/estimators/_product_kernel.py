"""A kernel that learns which covariates matter, how fast, and whether together; its features for regression.

Covariates enter as ``product of (1 + a_j k_j)``, which is the sum of all main effects and interactions: a
covariate with ``a_j = 0`` has left, and covariates that are slow are nearly linear. Blends need such a member
where few of many covariates bend the mean: splines of all pairs, trees and networks spread over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from causalrep.utils import keyed_generator

__all__ = ["KernelFeatures", "ProductKernel", "learned_kernel", "loss_and_gradient"]

Array = NDArray[np.float64]

_MOST_CURVED = 16  # covariates that may bend; the others are straight
_JITTER = 1e-6
_MAX_ITER = 40
_PRECISION = 1e-5  # relative, of the log likelihood


@dataclass(frozen=True)
class ProductKernel:
    """``level * product of (1 + a_j exp(-rate_j (x_j - z_j)^2 / 2)) + slope * x'z``, covariates standardised.

    Parameters
    ----------
    center, scale : array of shape (n_features,)
        What covariates are standardised by.
    curved : array of shape (n_curved,), int
        Positions of the covariates in the product.
    relevance, rate : array of shape (n_curved,)
        The a_j, and inverse squared lengths.
    level, slope : float
        Prior variances of what bends and what is straight, in units of the variance of the outcome.
    noise : float
        Variance of the outcome about its mean, in the same units.
    """

    center: Array
    scale: Array
    curved: NDArray[np.intp]
    relevance: Array
    rate: Array
    level: float
    slope: float
    noise: float

    def between(self, X: Array, Z: Array) -> Array:
        """Return the kernel of all pairs of rows, of shape (n_rows of X, n_rows of Z)."""
        X, Z = (X - self.center) / self.scale, (Z - self.center) / self.scale
        product = np.full((len(X), len(Z)), self.level)
        for j, a, rate in zip(self.curved, self.relevance, self.rate, strict=True):
            product *= 1 + a * np.exp(-rate / 2 * (X[:, j][:, None] - Z[:, j]) ** 2)
        return np.asarray(product + self.slope * X @ Z.T)


def learned_kernel(X: Array, y: Array, n_rows: int, weight: Array | None = None) -> ProductKernel:
    """Return the kernel under which `n_rows` of the rows are most likely, by a Gaussian process.

    The noise of a row is inverse to its weight. Logs of the parameters have wide normal priors, so that those
    of covariates without a part stay in range.
    """
    generator = keyed_generator(0, "rows of the kernel")
    center, scale = X.mean(axis=0), X.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    rows = generator.permutation(len(y))[:n_rows]
    curved = _most_important(X, y, generator)
    weight = np.ones(len(y)) if weight is None else weight / weight.mean()
    mean = np.average(y, weights=weight)
    spread_of_y = float(np.sqrt(np.average((y - mean) ** 2, weights=weight))) or 1.0
    Z, target = (X[rows] - center) / scale, (y[rows] - mean) / spread_of_y
    squares = [(Z[:, j][:, None] - Z[:, j]) ** 2 for j in curved]
    k = len(curved)
    start = np.log(np.r_[np.full(k, 0.3), np.ones(k), 0.3, 0.05, 0.3])
    spread = np.r_[np.full(k, 3.0), np.full(k, 1.5), 2.0, 2.0, 2.0]
    data = {"squares": squares, "straight": Z @ Z.T, "y": target, "unsure": 1 / weight[rows]}
    loss = partial(loss_and_gradient, **data, prior=start, spread=spread)
    bounds = list(zip(start - 3 * spread, start + 3 * spread, strict=True))
    options = {"maxiter": _MAX_ITER, "ftol": _PRECISION}
    found = np.exp(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)
    return ProductKernel(center, scale, curved, found[:k], found[k : 2 * k], *map(float, found[2 * k :]))


def _most_important(X: Array, y: Array, generator: np.random.Generator) -> NDArray[np.intp]:
    if X.shape[1] <= _MOST_CURVED:
        return np.arange(X.shape[1])
    trees = ExtraTreesRegressor(50, min_samples_leaf=10, random_state=int(generator.integers(2**31)))
    rows = generator.permutation(len(y))[:4000]
    return np.sort(np.argsort(-trees.fit(X[rows], y[rows]).feature_importances_)[:_MOST_CURVED])


def loss_and_gradient(
    logs: Array,
    *,
    squares: list[Array],
    straight: Array,
    y: Array,
    unsure: Array,
    prior: Array,
    spread: Array,
) -> tuple[float, Array]:
    """Return less the log posterior of the parameters' logs, but for a constant, and its gradient.

    The marginal likelihood and its gradient are equations (5.8) and (5.9) of [1]; noise is `unsure` times the
    last parameter.

    [1] C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006.
    """
    k, values = len(squares), np.exp(logs)
    level, slope, noise = values[2 * k :]
    factors = [1 + values[j] * np.exp(-values[k + j] / 2 * squares[j]) for j in range(k)]
    product = np.full(straight.shape, level)
    for factor in factors:
        product *= factor
    covariance = product + slope * straight
    covariance[np.diag_indices(len(y))] += noise * unsure + _JITTER
    lower, info = dpotrf(covariance, lower=True)
    if info != 0:
        return 1e10, np.zeros(len(logs))  # the search turns back
    solved = dpotrs(lower, y, lower=True)[0]
    away = (logs - prior) / spread
    loss = y @ solved / 2 + np.log(np.diag(lower)).sum() + away @ away / 2
    outer = np.tril(dpotri(lower, lower=True)[0])
    outer += np.tril(outer, -1).T
    outer -= np.multiply.outer(solved, solved)
    weighted = outer * product
    total = weighted.sum()
    gradient = np.zeros(len(logs))
    for j, factor in enumerate(factors):
        rest = weighted / factor
        gradient[j] = (total - rest.sum()) / 2
        gradient[k + j] = (np.vdot(rest, squares[j]) - np.vdot(weighted, squares[j])) * values[k + j] / 4
    gradient[2 * k : -1] = total / 2, slope * np.vdot(outer, straight) / 2
    gradient[-1] = noise * (np.diag(outer) @ unsure) / 2
    return float(loss), gradient + away / spread


class KernelFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features whose products are a kernel, exact at landmark rows (Williams and Seeger, NeurIPS 2001)."""

    def __init__(self, kernel: ProductKernel, n_components: int, random_state: int | None = None) -> None:
        self.kernel = kernel
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: Array, y: Array | None = None) -> KernelFeatures:  # noqa: ARG002
        """Draw the landmarks."""
        X = validate_data(self, X, dtype=np.float64)
        self.landmarks_ = X[keyed_generator(self.random_state or 0, "landmarks").permutation(len(X))][
            : self.n_components
        ]
        values, vectors = np.linalg.eigh(self.kernel.between(self.landmarks_, self.landmarks_))
        kept = values > values[-1] * 1e-10
        self.rotation_ = vectors[:, kept] / np.sqrt(values[kept])
        return self

    def transform(self, X: Array) -> Array:
        """Return the features, of shape (n_rows, at most n_components)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.kernel.between(X, self.landmarks_) @ self.rotation_)
