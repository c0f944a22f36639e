"""Linear scores: every estimand here is a ratio of two means.

An estimate solves ``mean(numerator - theta * denominator) = 0``. Its influence function is the score over
the mean of the denominator, a subgroup restricts both to its rows, and the best linear projection of the
effect on covariates solves the same equation times the covariates (Chernozhukov et al. 2018, Semenova and
Chernozhukov 2021). One small type therefore serves all estimators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._contrast import Contrast
from causalrep.utils import DataError

__all__ = [
    "LinearScore",
    "Projection",
    "aipw_score",
    "late_score",
    "middle_of",
    "partial_score",
    "project",
    "pseudo_score",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LinearScore:
    """The two parts of a score, one value for each row."""

    numerator: Array
    denominator: Array

    def solve(self, weight: Array, mask: NDArray[np.bool_] | None = None) -> tuple[float, Array]:
        """Return the estimate and its influence function; the rows outside `mask` do not count."""
        weight = weight if mask is None else weight * mask
        scale = float(np.mean(weight * self.denominator))
        if scale == 0:
            raise DataError("no row has any weight in the estimand; it cannot be estimated")
        theta = float(np.mean(weight * self.numerator) / scale)
        return theta, weight * (self.numerator - theta * self.denominator) / scale


def aipw_score(estimand: str, y: Array, contrast: Contrast, mu0: Array, mu1: Array) -> LinearScore:
    """Return the augmented inverse-propensity score of ATE, ATT, ATC or ATO."""
    in0, in1, e0, e1 = contrast.in0, contrast.in1, contrast.e0, contrast.e1
    residual1, residual0, tau = in1 * (y - mu1), in0 * (y - mu0), mu1 - mu0
    if estimand == "ate":
        return LinearScore(tau + residual1 / e1 - residual0 / e0, np.ones_like(y))
    if estimand == "att":
        return LinearScore(in1 * (y - mu0) - residual0 * e1 / e0, in1)
    if estimand == "atc":
        return LinearScore(residual1 * e0 / e1 - in0 * (y - mu1), in0)
    # The efficient score of weights h(e): h psi plus the derivative of h along the arm of the row times tau.
    w0, w1 = contrast.weights("ato")
    whole = contrast.overlap_score
    return LinearScore(whole * tau + residual1 * w1 - residual0 * w0, whole)


def partial_score(y: Array, t: Array, ell: Array, m: Array, z: Array | None = None) -> LinearScore:
    """Return the partialling-out score; `z` is the residual of an instrument, if one stands in for `t`."""
    residual = t - m
    probe = residual if z is None else z
    return LinearScore(probe * (y - ell), probe * residual)


def pseudo_score(theta: float, influence: Array) -> LinearScore:
    """Return a score with this solution and influence function, for estimators that are no ratio of means."""
    return LinearScore(theta + influence, np.ones_like(influence))


def late_score(y_score: LinearScore, t_score: LinearScore) -> LinearScore:
    """Return the score of the effect on compliers: the effects of the instrument on outcome and treatment."""
    return LinearScore(y_score.numerator, t_score.numerator)


@dataclass(frozen=True)
class Projection:
    """Coefficients on (1, features), and their influence function of shape (n, n_coefficients)."""

    coefficients: Array
    influence: Array

    def at(self, features: Array) -> tuple[Array, Array]:
        """Return the values at some rows and their influence functions, of shape (n, n_rows)."""
        design = with_intercept(features)
        return design @ self.coefficients, self.influence @ design.T


def middle_of(parts: Sequence[Projection]) -> Projection:
    """Return the medians of the coefficients over repetitions of the folds, and the mean influence."""
    return Projection(
        np.median([part.coefficients for part in parts], axis=0),
        np.mean([part.influence for part in parts], axis=0),
    )


def with_intercept(features: Array) -> Array:
    """Return the design matrix with a leading column of ones."""
    return np.column_stack([np.ones(len(features)), features])


def project(score: LinearScore, features: Array, weight: Array) -> Projection:
    """Return the best linear projection of the effect on features, with the HC3 correction for leverage."""
    design = with_intercept(features)
    scaled = design * (weight * score.denominator)[:, None]
    gram = design.T @ scaled
    inverse = np.linalg.pinv(gram, rcond=1e-10)
    coefficients = inverse @ (design.T @ (weight * score.numerator))
    residual = score.numerator - score.denominator * (design @ coefficients)
    leverage = np.clip(np.einsum("ij,jk,ik->i", scaled, inverse, design), 0.0, 1 - 1e-6)
    influence = (design * (weight * residual / (1 - leverage))[:, None]) @ inverse.T * len(design)
    return Projection(coefficients, influence)
