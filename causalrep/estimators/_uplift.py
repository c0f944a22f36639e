"""How well a model ranks rows by their effect: curves of gain, the areas under them, and RATE.

The curves compare treated with control rows among those that a model puts first, which is right in an
experiment. `rate` takes doubly robust scores, and so serves observational data too; it has a standard error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._arm_scores import arm_scores
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.utils import DataError, UnknownNameError

__all__ = ["auuc", "qini_curve", "qini_score", "rate", "toc_curve", "uplift_curve"]

Array = NDArray[np.float64]
Curve = tuple[Array, Array]

_METHODS = ("autoc", "qini")


def qini_curve(y: Any, uplift: Any, treatment: Any) -> Curve:
    """Return what treating the first rows gains, by share of rows: the Qini curve.

    Parameters
    ----------
    y : array of shape (n_samples,)
        Outcome, of an experiment.
    uplift : array of shape (n_samples,)
        What a model predicts of the effect; rows with more come first, and equal ones together.
    treatment : array of shape (n_samples,)
        Whether each row was treated: two values, of which the larger is treated.

    Returns
    -------
    tuple of (array, array), each of shape (n_values + 1,)
        Shares from 0 to 1 and gains, per treated row. The last gain is the difference of means.

    Raises
    ------
    DataError
        For lengths that differ, values that are not finite, or a single arm.

    Notes
    -----
    With sums over the rows so far, ``(sum of treated y - sum of control y * n_treated / n_control)``, over
    the number of all treated rows [1]_; where there is no control row yet, the second part is zero.

    References
    ----------
    .. [1] N. J. Radcliffe, "Using control groups to target on predicted lift", Direct Marketing Analytics
       Journal, 2007.

    Examples
    --------
    >>> from causalrep.estimators import qini_curve
    >>> shares, gains = qini_curve([1, 0, 0, 1], [2, 2, 1, 1], [1, 0, 1, 0])
    >>> shares, gains
    (array([0. , 0.5, 1. ]), array([0. , 0.5, 0. ]))
    """
    shares, treated, control = _cumulated(y, uplift, treatment)
    (n1, sum1), (n0, sum0) = treated, control
    ratio = np.divide(n1, n0, out=np.zeros_like(n1), where=n0 > 0)
    return shares, (sum1 - sum0 * ratio) / n1[-1]


def uplift_curve(y: Any, uplift: Any, treatment: Any) -> Curve:
    """Return the difference of means among the first rows times their share, by share of rows.

    Parameters
    ----------
    y, uplift, treatment : array of shape (n_samples,)
        As in `qini_curve`.

    Returns
    -------
    tuple of (array, array), each of shape (n_values + 1,)
        Shares from 0 to 1 and gains, per row. The last gain is the difference of means; a share without
        rows of both arms has gain zero.

    Raises
    ------
    DataError
        As in `qini_curve`.

    References
    ----------
    .. [1] P. Gutierrez, J.-Y. Gérardy, "Causal inference and uplift modelling: a review of the literature",
       PMLR 67, 2017, equation (14).

    Examples
    --------
    >>> from causalrep.estimators import uplift_curve
    >>> uplift_curve([1, 0, 0, 1], [2, 2, 1, 1], [1, 0, 1, 0])[1]
    array([0. , 0.5, 0. ])
    """
    shares, (n1, sum1), (n0, sum0) = _cumulated(y, uplift, treatment)
    both = (n1 > 0) & (n0 > 0)
    means = [np.divide(s, n, out=np.zeros_like(s), where=both) for s, n in ((sum1, n1), (sum0, n0))]
    return shares, (means[0] - means[1]) * shares


def qini_score(y: Any, uplift: Any, treatment: Any) -> float:
    """Return the area between the Qini curve and the straight line of a random order.

    Parameters
    ----------
    y, uplift, treatment : array of shape (n_samples,)
        As in `qini_curve`.

    Returns
    -------
    float
        In units of the outcome per treated row; a random order has zero on average.

    Raises
    ------
    DataError
        As in `qini_curve`.

    Examples
    --------
    >>> from causalrep.estimators import qini_score
    >>> qini_score([1, 0, 0, 1], [2, 2, 1, 1], [1, 0, 1, 0])
    0.25
    """
    shares, gains = qini_curve(y, uplift, treatment)
    return _area(shares, gains) - float(gains[-1]) / 2


def auuc(y: Any, uplift: Any, treatment: Any) -> float:
    """Return the area under the uplift curve.

    Parameters
    ----------
    y, uplift, treatment : array of shape (n_samples,)
        As in `qini_curve`.

    Returns
    -------
    float
        In units of the outcome per row; a random order has half the average effect.

    Raises
    ------
    DataError
        As in `qini_curve`.

    Examples
    --------
    >>> from causalrep.estimators import auuc
    >>> auuc([1, 0, 0, 1], [2, 2, 1, 1], [1, 0, 1, 0])
    0.25
    """
    shares, gains = uplift_curve(y, uplift, treatment)
    return _area(shares, gains)


def _area(x: Array, height: Array) -> float:
    return float(np.sum(np.diff(x) * (height[1:] + height[:-1]) / 2))


def _cumulated(y: Any, uplift: Any, treatment: Any) -> tuple[Array, tuple[Array, Array], tuple[Array, Array]]:
    """Return shares, and for both arms counts and sums of outcomes, among the rows so far."""
    outcome, score = _finite(y, "y"), _finite(uplift, "uplift")
    arms, arm = np.unique(np.asarray(treatment), return_inverse=True)
    if not len(outcome) == len(score) == len(arm):
        raise DataError(
            "`y`, `uplift` and `treatment` must be of one length, got "
            f"{len(outcome)}, {len(score)} and {len(arm)}"
        )
    if len(arms) != 2:
        raise DataError(f"`treatment` must have two values, got {len(arms)}")
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # of the rows with equal scores
    parts = []
    for one in (1, 0):
        inside = (arm[order] == one).astype(np.float64)
        sums = (np.cumsum(inside)[last], np.cumsum(inside * outcome[order])[last])
        parts.append((np.append(0.0, sums[0]), np.append(0.0, sums[1])))
    return np.append(0.0, (last + 1) / len(order)), parts[0], parts[1]


def _finite(values: Any, what: str) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise DataError(f"`{what}` must be a finite array of shape (n_samples,), got shape {array.shape}")
    return array


def toc_curve(scores: Any, priority: Any) -> Curve:
    """Return how much larger the effect is among the first rows than on average, by share of rows.

    Parameters
    ----------
    scores : fitted estimator that adjusts, or array of shape (n_samples,)
        Doubly robust scores of the effect, or the estimator that has them.
    priority : array of shape (n_samples,)
        What rows are ordered by, largest first.

    Returns
    -------
    tuple of (array, array), each of shape (n_samples,)
        Shares ``1/n, 2/n, ..., 1``, and the targeting operator characteristic, which ends at zero. Rows of
        equal priority have their average.

    Raises
    ------
    DataError
        For lengths that differ, or values that are not finite.

    References
    ----------
    .. [1] S. Yadlowsky, S. Fleming, N. Shah, E. Brunskill, S. Wager, "Evaluating treatment prioritization
       rules via rank-weighted average treatment effects", Journal of the American Statistical Association
       120, 2025, arXiv:2111.07966, equation (2.2).

    Examples
    --------
    >>> from causalrep.estimators import toc_curve
    >>> toc_curve([3.0, 1.0, 2.0], [9, 1, 5])[1]
    array([1. , 0.5, 0. ])
    """
    values, group, _ = _ranked(scores, priority)
    sizes = np.bincount(group)
    ordered = (np.bincount(group, values) / sizes)[group]
    ranks = np.arange(1, len(ordered) + 1)
    return ranks / len(ordered), np.cumsum(ordered) / ranks - ordered.mean()


def rate(scores: Any, priority: Any, *, method: str = "autoc", alpha: float = 0.05) -> EffectResult:
    """Return the rank-weighted average treatment effect: what ordering rows by a priority is worth.

    It is zero if the order says nothing of the effect, so that its interval tests whether there is anything
    to gain. The priority must come from other rows than the scores, or the test is flattered.

    Parameters
    ----------
    scores : fitted estimator that adjusts, or array of shape (n_samples,)
        Doubly robust scores of the effect, or the estimator that has them.
    priority : array of shape (n_samples,)
        What rows are ordered by, largest first: a predicted effect, a risk, an age.
    method : {"autoc", "qini"}, default="autoc"
        ``"autoc"``, the area under `toc_curve`, is powerful where few rows benefit; ``"qini"``, the area
        weighted by the share, where many do by a little.
    alpha : float in (0, 1), default=0.05
        One less the level of the interval.

    Returns
    -------
    EffectResult
        The estimate, with the jackknife's influence of each row.

    Raises
    ------
    DataError
        For lengths that differ, or values that are not finite.
    UnknownNameError
        If there is no such `method`.

    Notes
    -----
    A weighted mean of the ordered scores, equations (2.4) and (2.6) of [1]_, which takes half-samples for the
    standard error; each row left out once, which costs O(n log n) here, has the same limit and no chance.
    Clusters of a fitted estimator are respected.

    References
    ----------
    .. [1] S. Yadlowsky, S. Fleming, N. Shah, E. Brunskill, S. Wager, "Evaluating treatment prioritization
       rules via rank-weighted average treatment effects", Journal of the American Statistical Association
       120, 2025, arXiv:2111.07966.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import rate
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=1000)
    >>> scores = w + rng.normal(size=1000)                    # the effect is w
    >>> low, high = rate(scores, w).ci
    >>> bool(0 < low < high)
    True
    """
    if method not in _METHODS:
        raise UnknownNameError(method, _METHODS, what="`method`")
    if not 0 < alpha < 1:
        raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
    values, group, order = _ranked(scores, priority)
    n = len(values)
    if n < 3:
        raise DataError(f"at least three rows are needed, got {n}")
    sizes, sums = np.bincount(group), np.bincount(group, values)
    ends = np.cumsum(sizes)
    upto = np.concatenate([[0.0], np.cumsum(_rank_weights(n, method))])
    estimate = float(np.sum((upto[ends] - upto[ends - sizes]) * sums / sizes))
    influence = np.empty(n)
    influence[order] = (n - 1) * (estimate - _without_each(values, group, method))
    influence -= influence.mean()
    cluster = scores._sample.cluster if hasattr(scores, "fit") else None
    se = float(standard_error(influence, cluster))
    what = f"RATE, {method.upper()}"
    return EffectResult(estimate, se, limits(estimate, se, alpha), influence, n, what)


def _without_each(values: Array, group: NDArray[np.intp], method: str) -> Array:
    """Return what the estimate would be without each row: those behind move up by one rank."""
    n, sizes, sums = len(values), np.bincount(group), np.bincount(group, values)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    upto = np.concatenate([[0.0], np.cumsum(_rank_weights(n - 1, method))])
    stays = (upto[np.minimum(ends, n - 1)] - upto[starts]) * sums / sizes
    moves = (upto[ends - 1] - upto[np.maximum(starts - 1, 0)]) * sums / sizes
    before, behind = np.cumsum(stays) - stays, moves.sum() - np.cumsum(moves)
    others = sizes[group] - 1
    mean = np.divide(sums[group] - values, others, out=np.zeros(n), where=others > 0)
    return np.asarray((before + behind)[group] + (upto[ends - 1] - upto[starts])[group] * mean)


def _rank_weights(n: int, method: str) -> Array:
    """Return the weights of the ordered scores, divided by their number; they add up to zero."""
    ranks = np.arange(1, n + 1)
    if method == "qini":
        return ((n - ranks + 1) / n - (n + 1) / (2 * n)) / n
    later = np.cumsum((1 / ranks)[::-1])[::-1]  # sum of 1/k from the rank to n
    return np.asarray((later - 1) / n)


def _ranked(scores: Any, priority: Any) -> tuple[Array, NDArray[np.intp], NDArray[np.intp]]:
    """Return the ordered scores, the number of the group of equal priority of each, and the order."""
    if hasattr(scores, "fit"):
        control, treated = arm_scores(scores)
        values = scores._sample.weight * (treated - control)
    else:
        values = _finite(scores, "scores")
    by = _finite(priority, "priority")
    if len(values) != len(by):
        raise DataError(f"`priority` must have one value for each of {len(values)} scores, got {len(by)}")
    order = np.argsort(-by, kind="stable")
    group = np.append(0, np.cumsum(np.diff(by[order]) != 0))
    return values[order], group.astype(np.intp), order
