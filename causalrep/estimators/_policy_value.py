"""What a rule of treatment is worth, from data in which another rule was followed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._arm_scores import arm_scores
from causalrep.estimators._data import of_length
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.utils import DataError

__all__ = ["policy_value"]

Array = NDArray[np.float64]


def policy_value(
    estimator: Any, policy: Any, *, baseline: Any = None, cost: float = 0.0, alpha: float = 0.05
) -> EffectResult:
    """Return the mean outcome if treatment were given by a rule, or its gain over another rule.

    It assumes what the estimator assumes: that its covariates block all back-door paths, and overlap. The
    rule must not have been learned from the outcomes of these rows, or its value is flattered; learn it on
    others, or see `PolicyTree.value`.

    Parameters
    ----------
    estimator : AIPW or another estimator that adjusts, fitted
        Fitted to the rows that the rule is valued on.
    policy : array of shape (n_samples,) or scalar
        For each row of `fit` whether the rule treats it, or the probability that it does, in [0, 1].
    baseline : array of shape (n_samples,) or scalar, default=None
        Another rule: the result is then the gain over it; 0 treats nobody, 1 everybody.
    cost : float, default=0.0
        What treating one row costs, in units of the outcome.
    alpha : float in (0, 1), default=0.05
        One less the level of the interval.

    Returns
    -------
    EffectResult
        The value per row, or the gain.

    Raises
    ------
    DataError
        For an estimator without two arms, for policies outside [0, 1].

    Notes
    -----
    The mean of ``policy * score_1 + (1 - policy) * score_0`` with doubly robust scores, section 2 of [1]_.

    References
    ----------
    .. [1] S. Athey, S. Wager, "Policy learning with observational data", Econometrica 89, 2021.
    .. [2] M. Dudík, J. Langford, L. Li, "Doubly robust policy evaluation and learning", ICML 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import AIPW, policy_value
    >>> rng = np.random.default_rng(0)
    >>> w, t = rng.normal(size=(2000, 1)), rng.integers(0, 2, 2000)
    >>> y = t * w[:, 0] + rng.normal(size=2000)
    >>> est = AIPW(random_state=0).fit(w, y, treatment=t)
    >>> low, high = policy_value(est, w[:, 0] > 0).ci                 # E[max(w, 0)] is 0.4
    >>> bool(low < 0.4 < high)
    True
    """
    if not 0 < alpha < 1:
        raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
    control, treated = arm_scores(estimator)
    gain, sample = treated - control - cost, estimator._sample
    share = _shares(policy, len(gain), "policy")
    if baseline is None:
        values, what = control + share * gain, "value of a policy"
    else:
        values, what = (share - _shares(baseline, len(gain), "baseline")) * gain, "gain of a policy"
    value = float(np.mean(sample.weight * values))
    influence = sample.weight * (values - value)
    se = float(standard_error(influence, sample.cluster))
    method = f"{type(estimator).__name__}, {what}"
    ci = limits(value, se, alpha)
    return EffectResult(value, se, ci, influence, len(gain), method, estimator._messages())


def _shares(policy: Any, n: int, what: str) -> Array:
    values = np.asarray(policy.to_numpy() if hasattr(policy, "to_numpy") else policy)
    if values.dtype.kind not in "biuf":
        raise DataError(f"`{what}` must say whether each row is treated, or with what probability")
    shares = values.astype(np.float64)
    if shares.ndim == 0:
        shares = np.full(n, float(shares))
    if shares.ndim != 1 or not ((shares >= 0) & (shares <= 1)).all():
        raise DataError(f"`{what}` must be of shape ({n},) with values in [0, 1]")
    return of_length(shares, n, what)
