"""Propensities by likelihood and balance at once: the generalised method of moments, continuously updated."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

__all__ = ["Moments", "continuously_updated"]

Array = NDArray[np.float64]

_LARGEST = 30.0
"""Log-odds beyond are tried only on the way to infinity; there the weights of rows lose all digits."""


@dataclass(frozen=True)
class Moments:
    """The score of logistic regression and the imbalance of the weighted arms, stacked.

    Both are columns of the design times a residual of the treatment; so are their derivatives, and their
    covariance given the covariates.

    Parameters
    ----------
    estimand : {"ate", "att", "atc"}
        Which arms are weighted.
    design : array of shape (n, k)
        The columns.
    t, weight : array of shape (n,)
        The treatment, as 0 and 1, and the weights of the rows.
    """

    estimand: str
    design: Array
    t: Array
    weight: Array

    def residuals(self, b: Array) -> tuple[Array, Array]:
        """Return t - e, and what it is in the moments of balance (Imai and Ratkovic 2014, equation 10)."""
        e = self._propensities(b)
        left = self.t - e
        return left, left / {"ate": e * (1 - e), "att": 1 - e, "atc": e}[self.estimand]

    def mean(self, b: Array) -> Array:
        """Return the means of the moments, of shape (2 k,)."""
        return np.concatenate([self.design.T @ (self.weight * part) for part in self.residuals(b)]) / self._n

    def slope(self, b: Array) -> Array:
        """Return their derivatives by the coefficients, of shape (2 k, k)."""
        e, t = self._propensities(b), self.t
        bend = {
            "ate": t * (1 - e) / e + (1 - t) * e / (1 - e),
            "att": (1 - t) * e / (1 - e),
            "atc": t * (1 - e) / e,
        }[self.estimand]
        blocks = [
            self.design.T @ (self.design * (self.weight * part)[:, None]) for part in (e * (1 - e), bend)
        ]
        return np.asarray(-np.concatenate(blocks) / self._n)

    def covariance(self, b: Array) -> Array:
        """Return the covariance of the moments given the covariates, which large weights do not escape."""
        scaled = self.design * (self.weight / np.sqrt(self._n))[:, None]
        first, cross, last = (scaled.T @ (scaled * part[:, None]) for part in self._variances(b)[0])
        return np.block([[first, cross], [cross, last]])

    def covariance_slope(self, b: Array, v: Array) -> Array:
        """Return the derivative of ``v' covariance v`` by the coefficients, of shape (k,)."""
        first, second = (self.weight * (self.design @ part) for part in np.split(v, 2))
        by_first, by_cross, by_second = self._variances(b)[1]
        each = by_first * first**2 + 2 * by_cross * first * second + by_second * second**2
        return np.asarray(self.design.T @ each / self._n)

    def _variances(self, b: Array) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
        """Return variances and covariance of the two residuals, and their derivatives by the log-odds."""
        e = self._propensities(b)
        product, odds, one = e * (1 - e), e / (1 - e), np.ones_like(e)
        bend = product * (1 - 2 * e)
        if self.estimand == "att":
            return (product, e, odds), (bend, product, odds)
        if self.estimand == "atc":
            return (product, 1 - e, 1 / odds), (bend, -product, -1 / odds)
        return (product, one, 1 / product), (bend, 0 * one, -(1 - 2 * e) / product)

    def _propensities(self, b: Array) -> Array:
        return np.asarray(expit(np.clip(self.design @ b, -_LARGEST, _LARGEST)))

    @property
    def _n(self) -> int:
        return len(self.t)


def continuously_updated(moments: Moments, start: Array) -> tuple[Array, Array, float]:
    """Return the coefficients that make both kinds of moments small, by their covariance at each try.

    Parameters
    ----------
    moments : Moments
        What shall be small.
    start : array of shape (k,)
        Coefficients to begin with.

    Returns
    -------
    coefficients : array of shape (k,)
        The estimate.
    influence : array of shape (n, k)
        Its influence function.
    statistic : float
        Of the test of over-identification, chi-squared with k degrees of freedom.

    Warns
    -----
    ConvergenceWarning
        If the search stops before the gradient is zero.
    """

    def objective(b: Array) -> tuple[float, Array]:
        mean = moments.mean(b)
        v = _pseudo_inverse(moments.covariance(b)) @ mean
        return float(mean @ v), 2 * moments.slope(b).T @ v - moments.covariance_slope(b, v)

    found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500})
    if np.max(np.abs(found.jac)) > 1e-6:
        text = (
            f"CBPS has not converged after {found.nit} steps: the gradient is {np.max(np.abs(found.jac)):.2g}"
        )
        warnings.warn(ConvergenceWarning(text), stacklevel=8)
    inverse, slope = _pseudo_inverse(moments.covariance(found.x)), moments.slope(found.x)
    each = np.hstack([moments.design * part[:, None] for part in moments.residuals(found.x)])
    bread = np.linalg.pinv(slope.T @ inverse @ slope) @ slope.T @ inverse
    return found.x, -each @ bread.T, float(found.fun * len(each))


def _pseudo_inverse(matrix: Array) -> Array:
    return np.asarray(np.linalg.pinv(matrix, rcond=1e-10, hermitian=True))
