"""Bounds under the marginal sensitivity model: odds of treatment off by at most a factor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from causalrep.utils import DataError

__all__ = ["marginal_sensitivity_bounds"]

Array = NDArray[np.float64]


def marginal_sensitivity_bounds(
    y: Any, propensity: Any, *, lam: float, sharp: bool = False, features: Any = None
) -> tuple[float, float]:
    """Return bounds of the mean outcome if all were treated, where propensities miss a hidden confounder.

    The odds of treatment given covariates and hidden confounder differ from those given covariates by a
    factor between 1 / `lam` and `lam`. For the mean under control give the outcomes of controls and one less
    their propensities; the difference of opposite ends bounds the average effect.

    Parameters
    ----------
    y : array of shape (n_treated,)
        Outcomes of the treated rows.
    propensity : array of shape (n_treated,)
        Their probabilities of treatment given covariates, in (0, 1).
    lam : float of at least 1
        The factor; 1 is no hidden confounding.
    sharp : bool, default=False
        Whether the weights must balance `features` as the true inverse propensities do, which makes the
        bounds narrower, and sharp if a quantile of the outcome given the covariates is linear in the
        features.
    features : array of shape (n_treated, n_features), default=None
        What to balance besides the constant; by default the log-odds of the propensity.

    Returns
    -------
    tuple of float
        The lower and the upper bound, without sampling error.

    Raises
    ------
    DataError
        If a parameter is out of range or the shapes differ.

    Notes
    -----
    Each inverse weight is between 1 + (1/e - 1)/lam and 1 + (1/e - 1) lam. The weighted mean is extreme where
    the weights are at one end up to some outcome and at the other beyond it [1]_, found among all n
    thresholds after sorting, O(n log n). The sharp bounds are a linear programme, the dual of linear quantile
    regression [2]_.

    References
    ----------
    .. [1] Q. Zhao, D. S. Small, B. B. Bhattacharya, "Sensitivity analysis for inverse probability weighting
       estimators via the percentile bootstrap", Journal of the Royal Statistical Society B 81, 2019.
    .. [2] J. Dorn, K. Guo, "Sharp sensitivity analysis for inverse propensity weighting via quantile
       balancing", Journal of the American Statistical Association 118, 2023.

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import marginal_sensitivity_bounds
    >>> marginal_sensitivity_bounds([0.0, 1.0], [0.5, 0.5], lam=1)
    (0.5, 0.5)
    >>> low, high = marginal_sensitivity_bounds([0.0, 1.0], [0.5, 0.5], lam=2)
    >>> round(low, 3), round(high, 3)
    (0.333, 0.667)
    """
    outcome, e = np.asarray(y, dtype=np.float64), np.asarray(propensity, dtype=np.float64)
    if outcome.ndim != 1 or outcome.shape != e.shape or not len(e):
        raise DataError(f"`y` and `propensity` must be of one length, got {outcome.shape} and {e.shape}")
    if not np.isfinite(outcome).all() or not ((e > 0) & (e < 1)).all():
        raise DataError("`y` must be finite and `propensity` in (0, 1)")
    if not lam >= 1:
        raise DataError(f"`lam` must be at least 1, got {lam}")
    odds = 1 / e - 1
    low, high = 1 + odds / lam, 1 + odds * lam
    if sharp:
        given = np.log(odds)[:, None] if features is None else np.asarray(features, dtype=np.float64)
        if given.ndim != 2 or len(given) != len(e):
            raise DataError(f"`features` must have shape ({len(e)}, n_features), got {given.shape}")
        balanced = np.column_stack([np.ones(len(e)), given])
        return -_best_balanced(-outcome, e, low, high, balanced), _best_balanced(
            outcome, e, low, high, balanced
        )
    return -_best(-outcome, low, high), _best(outcome, low, high)


def _best(y: Array, low: Array, high: Array) -> float:
    """Return the largest weighted mean: high weights from some outcome on."""
    order = np.argsort(y, kind="stable")
    y, low, high = y[order], low[order], high[order]
    # entry k: the first k rows at their low weights, the others at their high ones
    weight = np.concatenate([[0.0], np.cumsum(low)]) + np.concatenate([np.cumsum(high[::-1])[::-1], [0.0]])
    total = np.concatenate([[0.0], np.cumsum(low * y)]) + np.concatenate(
        [np.cumsum((high * y)[::-1])[::-1], [0.0]]
    )
    return float(np.max(total / weight))


def _best_balanced(y: Array, e: Array, low: Array, high: Array, features: Array) -> float:
    """Return the largest weighted mean with weights that balance the features."""
    solved = linprog(
        -y,
        A_eq=features.T,
        b_eq=features.T @ (1 / e),
        bounds=np.column_stack([low, high]),
        method="highs",
    )
    if not solved.success:
        raise DataError(f"the sharp bounds could not be computed: {solved.message}")
    return float(-solved.fun / np.sum(1 / e))
