"""Rosenbaum's bounds for matched pairs by ranks: how much hidden bias a finding stands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from causalrep.utils import DataError

__all__ = ["rosenbaum_hodges_lehmann", "rosenbaum_signed_rank"]

Array = NDArray[np.float64]


def rosenbaum_signed_rank(differences: Any, gamma: float = 1.0) -> float:
    """Return the largest p-value of Wilcoxon's signed rank test that hidden bias of a given size allows.

    In matched pairs that differ in a hidden variable, one unit may have up to `gamma` times the odds of
    treatment of the other.

    Parameters
    ----------
    differences : array of shape (n_pairs,)
        Outcome of the treated less that of the control unit.
    gamma : float of at least 1, default=1.0
        Size of the hidden bias; 1 is none, a randomised experiment in pairs.

    Returns
    -------
    float
        One-sided p-value of no effect, against a positive one, by the normal approximation.

    Raises
    ------
    DataError
        If `gamma` is below 1, or the differences are not finite or all zero.

    Notes
    -----
    Pairs without a difference count in the ranks and have no sign; equal sizes have their mean rank.

    References
    ----------
    .. [1] P. R. Rosenbaum, "Observational Studies", 2nd ed., Springer, 2002, section 4.3.3.

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import rosenbaum_signed_rank
    >>> gains = [3, 5, -1, 4, 6, 2, 8, -2, 7, 9]
    >>> round(rosenbaum_signed_rank(gains), 4), round(rosenbaum_signed_rank(gains, 3), 4)
    (0.0072, 0.1137)
    """
    values = _checked(differences, gamma)
    ranks = stats.rankdata(np.abs(values))
    signed = values != 0
    share = gamma / (1 + gamma)
    mean = share * ranks[signed].sum()
    spread = np.sqrt(share * (1 - share) * np.sum(ranks[signed] ** 2))
    return float(stats.norm.sf((ranks[values > 0].sum() - mean) / spread))


def rosenbaum_hodges_lehmann(differences: Any, gamma: float = 1.0) -> tuple[float, float]:
    """Return the bounds of the Hodges-Lehmann estimate that hidden bias of a given size allows.

    The effect is taken to be the same for all pairs. Without hidden bias both bounds are the usual estimate,
    the median of the means of all two differences (Walsh averages).

    Parameters
    ----------
    differences : array of shape (n_pairs,)
        Outcome of the treated less that of the control unit.
    gamma : float of at least 1, default=1.0
        Size of the hidden bias.

    Returns
    -------
    tuple of float
        The lower and the upper bound.

    Raises
    ------
    DataError
        If `gamma` is below 1, or the differences are not finite or all zero.

    Notes
    -----
    The signed rank statistic counts positive Walsh averages, and its expectation is at most a share of
    gamma / (1 + gamma) of them: the bounds are these quantiles. Memory is O(n_pairs**2).

    References
    ----------
    .. [1] P. R. Rosenbaum, "Hodges-Lehmann point estimates of treatment effect in observational studies",
       Journal of the American Statistical Association 88, 1993.

    Examples
    --------
    >>> from causalrep.estimators.sensitivity import rosenbaum_hodges_lehmann
    >>> rosenbaum_hodges_lehmann([3, 5, -1, 4, 6, 2, 8, -2, 7, 9], 2)
    (3.0, 5.5)
    """
    values = _checked(differences, gamma)
    first, second = np.triu_indices(len(values))
    walsh = np.sort((values[first] + values[second]) / 2)
    share = gamma / (1 + gamma)
    return _middle(walsh, 1 - share), _middle(walsh, share)


def _middle(ordered: Array, share: float) -> float:
    """Return the value with this share below it, or the mean of two that have."""
    position = share * len(ordered)
    low = int(np.ceil(position - 1e-9)) - 1
    high = int(np.floor(position + 1e-9))
    last = len(ordered) - 1
    return float((ordered[min(max(low, 0), last)] + ordered[min(high, last)]) / 2)


def _checked(differences: Any, gamma: float) -> Array:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or not values.any():
        raise DataError(
            f"`differences` must be finite, of shape (n_pairs,) and not all zero, got shape {values.shape}"
        )
    if not gamma >= 1:
        raise DataError(f"`gamma` must be at least 1, got {gamma}")
    return values
