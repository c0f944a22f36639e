"""Doubly robust differences in differences with nuisances made for each other, without cross-fitting."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._overlap import OverlapWarning, effective_size
from causalrep.estimators._scores import LinearScore, with_intercept
from causalrep.utils import DataError

__all__ = ["METHODS", "improved_score", "odds_of_controls", "tilting_weights"]

Array = NDArray[np.float64]

METHODS = ("cross_fit", "improved")

_ROUNDS = 100
_LEAST_SHARE = 0.1


def improved_score(W: Array, change: Array, treated: Array, weight: Array) -> LinearScore:
    """Return the score of the effect on the treated, equation (3.1) of Sant'Anna and Zhao (2020).

    Propensities by tilting make the weighted covariates of the controls equal to those of the treated, and
    the changes of the controls are regressed with these weights. Estimating either then has no influence on
    the effect, even if one of the two models is wrong.
    """
    design = with_intercept(W)
    odds = odds_of_controls(design, treated, weight, stacklevel=6)
    root = np.sqrt(weight * odds)
    slopes = np.linalg.lstsq(design * root[:, None], change * root, rcond=None)[0]
    rest = change - design @ slopes
    share = float(np.mean(weight * odds) / np.mean(weight * treated))  # one, where the weights balance
    return LinearScore(treated * rest - odds * rest / share, treated)


def odds_of_controls(design: Array, treated: Array, weight: Array, *, stacklevel: int) -> Array:
    """Return the weights of `tilting_weights`; warn where few controls are like the treated."""
    odds = tilting_weights(design, treated, weight)
    worth, n_controls = effective_size(weight * odds), int(np.sum(treated == 0))
    if worth < _LEAST_SHARE * n_controls:
        text = f"the {n_controls} controls are worth {worth:.1f} when weighted to be like the treated"
        warnings.warn(OverlapWarning(text), stacklevel=stacklevel + 1)
    return odds


def tilting_weights(design: Array, treated: Array, weight: Array) -> Array:
    """Return odds exp(x'g) of the controls, zero for the treated, that balance all columns.

    They minimise the convex ``sum (1 - d) exp(x'g) - d x'g``, by Newton's steps with halving.

    Raises
    ------
    DataError
        If no weights do: the treated are outside of the hull of the controls.
    """
    left, values, _ = np.linalg.svd(design, full_matrices=False)
    kept = values > 1e-10 * values[0]
    basis = left[:, kept] * np.sqrt(len(design))  # collinear columns balance by themselves
    rows = treated == 0
    controls, inner = weight[rows], basis[rows]
    target = basis.T @ (weight * treated)
    start = np.full(len(basis), np.log(np.sum(weight * treated) / controls.sum()))  # equal odds for all
    gamma = np.linalg.lstsq(basis, start, rcond=None)[0]

    def loss(at: Array) -> float:
        with np.errstate(over="ignore"):
            return float(controls @ np.exp(inner @ at) - target @ at)

    now = loss(gamma)
    for _ in range(_ROUNDS):
        odds = controls * np.exp(inner @ gamma)
        gradient = inner.T @ odds - target
        if np.max(np.abs(gradient)) < 1e-10 * len(design):
            result = np.zeros(len(design))
            result[rows] = np.exp(inner @ gamma)
            return result
        step = np.linalg.lstsq(inner.T @ (inner * odds[:, None]), gradient, rcond=None)[0]
        size = 1.0
        while size > 1e-10 and not loss(gamma - size * step) <= now + 1e-12 * abs(now):
            size /= 2
        gamma = gamma - size * step
        now = loss(gamma)
    raise DataError(
        "there is no overlap: no weights make the covariates of the controls equal to those of the treated"
    )
