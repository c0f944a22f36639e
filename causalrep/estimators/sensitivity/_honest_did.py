"""Event studies whose trends need not be parallel: how far from it they may be, and what is left to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._group_time import GroupTimeDiD, weighted_by_size
from causalrep.estimators.sensitivity._fixed_length import shortest_interval
from causalrep.estimators.sensitivity._moment_inequalities import accepted_range
from causalrep.utils import DataError, UnknownNameError

__all__ = ["HonestDiD", "HonestInterval"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HonestInterval:
    """An interval that holds under a bounded violation of parallel trends.

    Parameters
    ----------
    restriction : {"relative_magnitude", "smoothness"}
        What is bounded.
    m : float
        The bound.
    estimate : float
        The estimate under parallel trends.
    ci : tuple of float
        The interval.
    """

    restriction: str
    m: float
    estimate: float
    ci: tuple[float, float]

    def __str__(self) -> str:
        what = {
            "relative_magnitude": f"if trends break by at most {self.m:g} times as much as they did before",
            "smoothness": f"if the slope of the gap in trends changes by at most {self.m:g} per period",
        }[self.restriction]
        return f"{what}, the effect is between {self.ci[0]:.4g} and {self.ci[1]:.4g}"


@dataclass(frozen=True)
class HonestDiD:
    """Intervals for an effect in an event study that allow trends to differ, within limits.

    Without a bound on how trends differ after the start, a difference in differences says nothing. Here the
    bound is taken from before the start: the difference in trends breaks at most `m` times as much between
    two periods as it did before (relative magnitudes), or its slope changes by at most `m` from one period
    to the next (smoothness; 0 is a straight line).

    Parameters
    ----------
    estimates : array of shape (n_before + n_after,)
        Effects by period, in order, all relative to the last period before the start, which is left out.
    covariance : array of shape (n_before + n_after, n_before + n_after)
        Their covariance matrix.
    n_before : int
        How many of them are before the start.

    Raises
    ------
    DataError
        If the shapes do not match, or there is no period before or after.

    Notes
    -----
    Periods are taken as equally spaced. The intervals are those of [1]_: for smoothness, the affine
    estimator whose interval of fixed length is shortest; for relative magnitudes, the hybrid of conditional
    and least favourable test of moment inequalities [2]_, inverted, one for each period and direction in
    which the largest break may have been. The other effects after the start are eliminated from these
    inequalities, which leaves two for each: an average of effects is off by at most `m` times the largest
    break before times a constant.

    References
    ----------
    .. [1] A. Rambachan, J. Roth, "A more credible approach to parallel trends", Review of Economic Studies
       90, 2023, sections 2.4, 3 and 4.
    .. [2] I. Andrews, J. Roth, A. Pakes, "Inference for linear conditional moment inequalities", Review of
       Economic Studies 90, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators.sensitivity import HonestDiD
    >>> study = HonestDiD([0.1, -0.1, 2.0], np.eye(3) * 0.01, n_before=2)
    >>> [round(end, 2) for end in study.relative_magnitude(0).ci]
    [1.8, 2.2]
    >>> study.relative_magnitude(1).ci[0] < study.relative_magnitude(0.5).ci[0] < 1.8
    True
    """

    estimates: Any
    covariance: Any = field(repr=False)
    n_before: int

    def __post_init__(self) -> None:
        values = np.asarray(self.estimates, dtype=np.float64)
        covariance = np.asarray(self.covariance, dtype=np.float64)
        if values.ndim != 1 or covariance.shape != (len(values), len(values)):
            raise DataError(
                f"`covariance` must have a row and a column for each of {values.shape} estimates, got "
                f"{covariance.shape}"
            )
        if not np.isfinite(values).all() or not np.isfinite(covariance).all():
            raise DataError("`estimates` and `covariance` must be finite")
        if not np.allclose(covariance, covariance.T) or (np.diag(covariance) <= 0).any():
            raise DataError("`covariance` must be symmetric, with variances above 0")
        if not 1 <= self.n_before < len(values):
            raise DataError(
                f"`n_before` must leave a period before and one after the start: 1 to {len(values) - 1}, got "
                f"{self.n_before}"
            )
        object.__setattr__(self, "estimates", values)
        object.__setattr__(self, "covariance", covariance)

    @classmethod
    def from_event_study(cls, estimator: GroupTimeDiD) -> HonestDiD:
        """Take the effects by period since the start from an estimator.

        Parameters
        ----------
        estimator : fitted GroupTimeDiD
            With two periods or more before some start.

        Returns
        -------
        HonestDiD
            Its effects before the start are relative to the last period before it, not to the one before
            each.
        """
        if not isinstance(estimator, GroupTimeDiD) or not hasattr(estimator, "groups_"):
            raise DataError(f"`estimator` must be a fitted GroupTimeDiD, got {estimator!r}")
        estimates, influence, n_before = _event_study(estimator)
        if n_before == 0:
            raise DataError("no group is seen twice before its start; nothing tells how trends differ")
        covariance = np.cov(influence, rowvar=False).reshape(len(estimates), -1) / len(influence)
        return cls(estimates, covariance, n_before)

    def relative_magnitude(self, m: float, *, weights: Any = None, alpha: float = 0.05) -> HonestInterval:
        """Return the interval if trends break at most `m` times as much as they did before the start.

        Parameters
        ----------
        m : float of at least 0
            Largest change of the difference in trends between two periods after the start, in units of the
            largest before.
        weights : array of shape (n_after,), default=None
            Weights of the effects after the start; by default the first alone.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        HonestInterval
            The interval.
        """
        chosen = self._checked(m, weights, alpha)
        pre, k = self.n_before, len(self.estimates)
        # what the period t adds stays until the end: the weights from t on add up
        reach = m * float(np.sum(np.abs(np.cumsum(chosen[::-1]))))
        effect = np.append(np.zeros(pre), chosen)
        breaks = np.zeros((pre, k))
        for s in range(pre):
            breaks[s, s] = -1.0
            if s + 1 < pre:  # the period after the last is the reference, where the difference is zero
                breaks[s, s + 1] = 1.0
        low, high = accepted_range(
            np.asarray(self.estimates), np.asarray(self.covariance), effect, breaks * reach, alpha
        )
        return HonestInterval("relative_magnitude", float(m), float(effect @ self.estimates), (low, high))

    def smoothness(self, m: float, *, weights: Any = None, alpha: float = 0.05) -> HonestInterval:
        """Return the interval if the slope of the difference in trends changes by at most `m` per period.

        Parameters
        ----------
        m : float of at least 0
            Largest second difference, in units of the outcome; 0 lets trends differ by a straight line.
        weights : array of shape (n_after,), default=None
            Weights of the effects after the start; by default the first alone.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        HonestInterval
            The interval, around an estimate that has taken out what the periods before tell of the trend.
        """
        chosen = self._checked(m, weights, alpha)
        values = np.asarray(self.estimates)
        center, half = shortest_interval(values, np.asarray(self.covariance), self.n_before, chosen, m, alpha)
        estimate = float(chosen @ values[self.n_before :])
        return HonestInterval("smoothness", float(m), estimate, (center - half, center + half))

    def breakdown(
        self, restriction: str = "relative_magnitude", *, weights: Any = None, alpha: float = 0.05
    ) -> float:
        """Return the least bound `m` at which the interval holds zero.

        Parameters
        ----------
        restriction : {"relative_magnitude", "smoothness"}, default="relative_magnitude"
            What is bounded.
        weights : array of shape (n_after,), default=None
            Weights of the effects after the start; by default the first alone.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        float
            Zero if the interval under the strongest assumption holds zero already.
        """
        methods = {"relative_magnitude": self.relative_magnitude, "smoothness": self.smoothness}
        if restriction not in methods:
            raise UnknownNameError(restriction, methods, what="`restriction`")
        method = methods[restriction]

        def holds_zero(m: float) -> bool:
            low, high = method(m, weights=weights, alpha=alpha).ci
            return low <= 0 <= high

        if holds_zero(0.0):
            return 0.0
        # in the unit of the bound: breaks before the start, or the outcome
        unit = 1.0 if restriction == "relative_magnitude" else float(np.sqrt(np.diag(self.covariance).max()))
        low, high = 0.0, unit
        while not holds_zero(high):
            low, high = high, 2 * high
        while high - low > 1e-4 * high:
            middle = (low + high) / 2
            low, high = (low, middle) if holds_zero(middle) else (middle, high)
        return high

    def _checked(self, m: float, weights: Any, alpha: float) -> Array:
        if not (np.isfinite(m) and m >= 0):
            raise DataError(f"`m` must be finite and at least 0, got {m}")
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        n_after = len(self.estimates) - self.n_before
        chosen = np.eye(n_after)[0] if weights is None else np.asarray(weights, dtype=np.float64)
        if chosen.shape != (n_after,) or not chosen.any():
            raise DataError(f"`weights` must have shape ({n_after},) and not all be zero, got {chosen.shape}")
        return chosen


def _event_study(estimator: GroupTimeDiD) -> tuple[Array, Array, int]:
    """Return the effects since the start relative to the last period before it, and their influence.

    Before the start the estimator compares each period with the one before. The difference to the last
    period before the start is less the sum of the changes that follow, group by group.
    """
    periods, groups = estimator.periods_, estimator.groups_
    place = {cell: k for k, cell in enumerate(estimator._cells)}
    parts: dict[int, list[tuple[float, float, Array]]] = {}
    for g in groups:
        start = int(np.searchsorted(periods, g))
        for at, t in enumerate(periods):
            event = at - start
            if event == -1:
                continue
            cells = [place[g, t]] if event >= 0 else [place[g, later] for later in periods[at + 1 : start]]
            sign = 1.0 if event >= 0 else -1.0
            effect = sign * float(estimator._estimates[cells].sum())
            parts.setdefault(event, []).append((g, effect, sign * estimator._influence[:, cells].sum(axis=1)))
    estimates, influences = [], []
    for event in sorted(parts):
        groups_here = [estimator._start == g for g, _, _ in parts[event]]
        members = np.column_stack(groups_here) * estimator._weight[:, None]
        effects = np.array([effect for _, effect, _ in parts[event]])
        estimate, influence = weighted_by_size(
            members, effects, np.column_stack([found for _, _, found in parts[event]])
        )
        estimates.append(estimate)
        influences.append(influence)
    return np.array(estimates), np.column_stack(influences), sum(event < 0 for event in parts)
