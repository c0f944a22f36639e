"""Estimators by weights alone: what they share, and the weights that balance by definition."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._adjusting import DoseWarning
from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._calibration import Link, arm_mean, calibrate, entropy, variance
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._overlap import Balance, OverlapWarning, balance_of
from causalrep.estimators._result import EffectResult
from causalrep.estimators._scores import LinearScore, Projection, partial_score, pseudo_score, with_intercept
from causalrep.utils import DataError, PositivityError, UnknownNameError

__all__ = ["EntropyBalancing", "StableWeights", "Weighted", "WeightingEstimator", "count_of", "targets"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Weighted:
    """An effect by weights: the weights of the rows, and the score with the weights taken as estimated."""

    weight: Array
    score: LinearScore


def targets(estimand: str, t: Array) -> Array:
    """Return who belongs to the population of an estimand."""
    return {"ate": np.ones_like(t), "att": t, "atc": 1 - t}[estimand]


class WeightingEstimator(EffectEstimator):
    """Base: a subclass finds the weights of an estimand; a dose is partialled out by least squares."""

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:  # noqa: ARG002
        self._is_binary = treatment.is_binary
        design = with_intercept(sample.W)
        root = np.sqrt(sample.weight)[:, None]
        self._means = np.linalg.lstsq(
            design * root, np.column_stack([sample.y, sample.t]) * root, rcond=None
        )[0]
        if not treatment.is_binary:
            self._check_dose(sample)
            return
        if self._target() not in self._estimands:
            raise UnknownNameError(self._target(), self._estimands, what="`estimand`")
        self._found: dict[str, Weighted] = {}
        self._features = self._balanced(sample)
        weighted = self._weighted(self._target())
        self.weights_ = weighted.weight
        self.balance_ = Balance(**self._fields(weighted))

    def _check_dose(self, sample: Sample) -> None:
        residual = sample.t - self._center(sample.W)[1]
        if np.sum(sample.weight * residual**2) <= 1e-14 * np.sum(sample.weight * sample.t**2):
            raise DataError("there is no overlap: the covariates determine the treatment")
        if self._treatment_kind() == "auto":
            text = (
                "the treatment has more than two values and is read as a dose: the effect is that of one "
                "unit more, by least squares; say treatment_type='continuous' if that is meant"
            )
            warnings.warn(DoseWarning(text), stacklevel=5)

    def _target(self) -> str:
        return str(getattr(self, "estimand", self._estimands[0]))

    def _balanced(self, sample: Sample) -> Array:
        """Return ones, and standardised the features whose means the weights shall balance."""
        W = sample.W
        parts = [W**power for power in range(1, count_of(self, "moments") + 1)]
        if getattr(self, "interactions", False):
            parts += [W[:, [i]] * W[:, [j]] for i, j in combinations(range(W.shape[1]), 2)]
        features = np.column_stack(parts)
        features = features - np.average(features, axis=0, weights=sample.weight)
        spread = np.sqrt(np.average(features**2, axis=0, weights=sample.weight))
        kept = spread > 1e-12 * np.maximum(1.0, np.max(np.abs(features), axis=0, initial=0.0))
        return with_intercept(features[:, kept] / spread[kept])

    @abstractmethod
    def _weigh(self, estimand: str) -> Weighted:
        """Return the weights of an estimand, each arm summing to one, and the score."""

    def _weighted(self, estimand: str) -> Weighted:
        if estimand not in self._found:
            found = self._weigh(estimand)
            for text in self._fields(found)["messages"]:
                warnings.warn(OverlapWarning(text), stacklevel=6)
            self._found[estimand] = found
        return self._found[estimand]

    def _fields(self, weighted: Weighted) -> dict[str, Any]:
        sample = self._sample
        return balance_of(weighted.weight, sample.weight, sample.t, sample.W, sample.names)

    def _scores(self, estimand: str) -> list[LinearScore]:
        sample = self._sample
        if self._is_binary:
            return [self._weighted(estimand).score]
        return [partial_score(sample.y, sample.t, *self._center(sample.W))]

    def _available(self) -> tuple[str, ...]:
        return self._estimands if self._is_binary else ("ate",)

    def _messages(self) -> tuple[str, ...]:
        return self.balance_.messages if self._is_binary else ()

    def _result(self, estimand: str, alpha: float) -> EffectResult:
        found = super()._result(estimand, alpha)
        if not self._is_binary:
            return found
        return replace(found, warnings=self._fields(self._weighted(estimand))["messages"])

    def _projected(self, features: Array) -> Projection:
        return self._projected_by(self._target() if self._is_binary else "ate", features)

    def _center(self, W: Array) -> tuple[Array, Array]:
        means = with_intercept(W) @ self._means
        return means[:, 0], means[:, 1]

    def effect_summary(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the average effect on the population that the constructor names.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            With one name. Weights for the other populations need not exist; ask for them by name.
        """
        found = self._result(self._target() if self._is_binary else "ate", alpha)
        return EffectResult(
            np.array([found.estimate]),
            np.array([found.se]),
            np.array([found.ci]),
            found.influence[:, None],
            found.n,
            type(self).__name__,
            found.warnings,
            (self._target().upper(),),
        )


def count_of(estimator: Any, name: str) -> int:
    """Return a parameter that must be a positive integer."""
    value = getattr(estimator, name, 1)
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise DataError(f"`{name}` must be an integer of at least 1, got {value!r}")
    return int(value)


class _Calibrating(WeightingEstimator):
    """Base: each arm is weighted to the covariate means of the target."""

    _estimands = ("ate", "att", "atc")

    def _link(self) -> tuple[Link, float]:
        return entropy, 0.0

    def _weigh(self, estimand: str) -> Weighted:
        sample = self._sample
        target = targets(estimand, sample.t)
        link, tolerance = self._link()
        means, influences, weight = [], [], np.zeros(len(sample.y))
        for arm in (1 - sample.t, sample.t):
            found = calibrate(self._features, sample.weight, arm, target, link, tolerance)
            if found is None:
                raise PositivityError(self._refusal(estimand, arm, target))
            mean, influence = arm_mean(found, self._features, sample.weight, target, sample.y)
            means.append(mean)
            influences.append(influence)
            weight += sample.weight * found.rho / np.sum(sample.weight * target)
        return Weighted(weight, pseudo_score(means[1] - means[0], influences[1] - influences[0]))

    def _refusal(self, estimand: str, arm: Array, target: Array) -> str:
        sample = self._sample
        means = [np.average(self._features, axis=0, weights=sample.weight * who) for who in (arm, target)]
        gap = np.abs(means[0] - means[1])
        name = "treated" if arm @ sample.t else "control"
        return (
            f"there is no overlap: no weights give the {name} rows the covariate means that the "
            f"{estimand.upper()} needs (the largest difference without weights is {gap.max():.2g} standard "
            "deviations); ask for another estimand, balance fewer moments, or allow differences with "
            "StableWeights(tolerance=...)"
        )


class EntropyBalancing(_Calibrating):
    """Estimate average effects by the most even weights, in entropy, that balance the covariates exactly.

    The weighted arms have the same means of all covariates (and of their powers and products, if asked), to
    rounding. It is right where either the outcome is linear in what is balanced, or the log-odds of the
    treatment are, and assumes that the covariates block all back-door paths [1]_ [2]_.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    estimand : {"ate", "att", "atc"}, default="ate"
        Whose covariate means `weights_` give to both arms. Other effects are weighted when they are asked
        for.
    moments : int, default=1
        Powers of each covariate whose means are balanced; 2 balances variances too.
    interactions : bool, default=False
        Whether products of two covariates are balanced.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`; a dose is partialled out by least squares.

    Attributes
    ----------
    weights_ : array of shape (n_samples,)
        Weights that sum to one in each arm.
    balance_ : Balance
        Balance, effective sample sizes and warnings.

    Raises
    ------
    PositivityError
        If no weights balance: the target means are outside of what the rows of an arm span.

    Notes
    -----
    The dual, one unknown for each covariate, is minimised by Newton's method. The influence function has the
    weights as estimated.

    References
    ----------
    .. [1] J. Hainmueller, "Entropy balancing for causal effects", Political Analysis 20, 2012.
    .. [2] Q. Zhao, D. Percival, "Entropy balancing is doubly robust", Journal of Causal Inference 5, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import EntropyBalancing
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(500, 2))
    >>> t = (rng.random(500) < 1 / (1 + np.exp(-z[:, 0]))).astype(int)
    >>> y = 2 * t + z[:, 0] + rng.normal(size=500)
    >>> est = EntropyBalancing(estimand="att").fit(z, y, treatment=t)
    >>> bool(abs(est.balance_.difference_after).max() < 1e-8)
    True
    >>> low, high = est.att().ci
    >>> bool(low < 2 < high)
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        estimand: str = "ate",
        moments: int = 1,
        interactions: bool = False,
        treatment_type: str = "auto",
    ) -> None:
        self.treatment = treatment
        self.estimand = estimand
        self.moments = moments
        self.interactions = interactions
        self.treatment_type = treatment_type


class StableWeights(_Calibrating):
    """Estimate average effects by the weights of least variance that balance within a tolerance.

    Small differences are allowed where exact balance would cost precision, or does not exist; what they
    leave of confounding is in no interval. It assumes that the covariates block all back-door paths, and that
    the outcome is linear in what is balanced [1]_.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    estimand : {"ate", "att", "atc"}, default="ate"
        See `EntropyBalancing`.
    tolerance : float of at least 0, default=0.02
        Largest difference between the mean of an arm and of the target, in standard deviations.
    moments : int, default=1
        See `EntropyBalancing`.
    interactions : bool, default=False
        See `EntropyBalancing`.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`; a dose is partialled out by least squares.

    Attributes
    ----------
    weights_ : array of shape (n_samples,)
        Weights that sum to one in each arm; some may be zero.
    balance_ : Balance
        Balance, effective sample sizes and warnings.

    Raises
    ------
    PositivityError
        If no weights balance within the tolerance.

    Notes
    -----
    The quadratic programme is solved in its dual, which has one unknown for each balance: SciPy's L-BFGS-B
    finds which of them bind, Newton's method makes them exact. The influence function has the weights as
    estimated, and the binding differences as fixed.

    References
    ----------
    .. [1] J. R. Zubizarreta, "Stable weights that balance covariates for estimation with incomplete outcome
       data", Journal of the American Statistical Association 110, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import StableWeights
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(500, 2))
    >>> t = (rng.random(500) < 1 / (1 + np.exp(-z[:, 0]))).astype(int)
    >>> y = 2 * t + z[:, 0] + rng.normal(size=500)
    >>> low, high = StableWeights(tolerance=0.01).fit(z, y, treatment=t).ate().ci
    >>> bool(low < 2 < high)
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        estimand: str = "ate",
        tolerance: float = 0.02,
        moments: int = 1,
        interactions: bool = False,
        treatment_type: str = "auto",
    ) -> None:
        self.treatment = treatment
        self.estimand = estimand
        self.tolerance = tolerance
        self.moments = moments
        self.interactions = interactions
        self.treatment_type = treatment_type

    def _link(self) -> tuple[Link, float]:
        if not self.tolerance >= 0:
            raise DataError(f"`tolerance` must be at least 0, got {self.tolerance}")
        return variance, float(self.tolerance)
