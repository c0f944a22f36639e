"""Hidden confounding of double machine learning: what the short regression and the short weights miss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._result import standard_error
from causalrep.utils import DataError

__all__ = ["DebiasedSensitivity", "debiased_sensitivity", "partly_known"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DebiasedSensitivity:
    """Bounds of an effect under hidden confounding of a given strength.

    Parameters
    ----------
    cf_y, cf_d, rho : float
        The strength.
    estimate : float
        The estimate without hidden confounding.
    lower, upper : float
        Bounds of the effect.
    ci : tuple of float
        Interval that covers the effect, wherever it is between the bounds.
    robustness_value : float
        The strength, in both parts, at which a bound reaches zero.
    robustness_value_ci : float
        The strength at which the interval does.
    """

    cf_y: float
    cf_d: float
    rho: float
    estimate: float
    lower: float
    upper: float
    ci: tuple[float, float]
    robustness_value: float
    robustness_value_ci: float

    def __str__(self) -> str:
        return (
            f"with hidden confounding of cf_y = {self.cf_y:g}, cf_d = {self.cf_d:g} the effect is between "
            f"{self.lower:.4g} and {self.upper:.4g} (interval {self.ci[0]:.4g} to {self.ci[1]:.4g}); it "
            f"takes {self.robustness_value:.1%} of both to take the estimate away, and "
            f"{self.robustness_value_ci:.1%} to make the interval reach zero"
        )


@dataclass(frozen=True)
class _Parts:
    """The estimate, the size S of the bias per unit of strength, and their influence functions."""

    theta: float
    size: float
    influence: Array
    size_influence: Array
    cluster: NDArray[np.intp] | None

    def at(self, factor: float, alpha: float) -> tuple[float, float, tuple[float, float]]:
        low, high = self.theta - factor * self.size, self.theta + factor * self.size
        ses = [
            float(standard_error(self.influence + sign * factor * self.size_influence, self.cluster))
            for sign in (-1, 1)
        ]
        return low, high, partly_known(low, high, ses[0], ses[1], alpha)


def debiased_sensitivity(
    estimator: Any, *, cf_y: float = 0.03, cf_d: float = 0.03, rho: float = 1.0, alpha: float = 0.05
) -> DebiasedSensitivity:
    """Return the bounds of the average effect that hidden confounding of a given strength leaves.

    Nothing is assumed to be linear: a hidden confounder changes the regression of the outcome and the weights
    of the rows (the Riesz representer), and the bias is the covariance of both changes.

    Parameters
    ----------
    estimator : fitted AIPW, or DoubleML with the model "plr" or "irm"
        Its average effect.
    cf_y : float in [0, 1), default=0.03
        Share of the residual variance of the outcome that the hidden confounder explains.
    cf_d : float in [0, 1), default=0.03
        Share of the variance of the true weights that the weights without it miss; in a partially linear
        model, of the residual variance of the treatment that it explains.
    rho : float in [-1, 1], default=1.0
        Correlation of both errors; 1 is the worst.
    alpha : float in (0, 1), default=0.05
        One less the level of the interval.

    Returns
    -------
    DebiasedSensitivity
        Bounds, interval and robustness values. Print it to read it.

    Raises
    ------
    DataError
        If the estimator has no such parts, or a parameter is out of range.

    Notes
    -----
    The bias is at most ``|rho| sqrt(cf_y cf_d / (1 - cf_d)) S`` with S² the product of the mean squared
    residual of the outcome and the mean squared weight [1]_. The interval allows for both being estimated,
    and its critical value for the effect being at one end only [2]_. Of repeated cross-fitting, the median.

    References
    ----------
    .. [1] V. Chernozhukov, C. Cinelli, W. Newey, A. Sharma, V. Syrgkanis, "Long story short: omitted variable
       bias in causal machine learning", Review of Economics and Statistics, 2024, theorems 2 and 4.
    .. [2] G. W. Imbens, C. F. Manski, "Confidence intervals for partially identified parameters",
       Econometrica 72, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import DoubleML
    >>> from causalrep.estimators.sensitivity import debiased_sensitivity
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(500, 1))
    >>> t = z[:, 0] + rng.normal(size=500)
    >>> y = t + z[:, 0] + rng.normal(size=500)
    >>> found = debiased_sensitivity(DoubleML(random_state=0).fit(z, y, treatment=t), cf_y=0.1, cf_d=0.1)
    >>> bool(found.lower < found.estimate < found.upper), round(found.robustness_value, 1)
    (True, 0.6)
    """
    for name, value in (("cf_y", cf_y), ("cf_d", cf_d)):
        if not 0 <= value < 1:
            raise DataError(f"`{name}` must be in [0, 1), got {value}")
    if not -1 <= rho <= 1:
        raise DataError(f"`rho` must be in [-1, 1], got {rho}")
    if not 0 < alpha < 1:
        raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
    found = [
        _summary(parts, np.sqrt(cf_y * cf_d / (1 - cf_d)) * abs(rho), abs(rho), alpha)
        for parts in _parts(estimator)
    ]
    theta, low, high, ci_low, ci_high, value, value_ci = np.median(found, axis=0)
    return DebiasedSensitivity(
        cf_y,
        cf_d,
        rho,
        float(theta),
        float(low),
        float(high),
        (float(ci_low), float(ci_high)),
        float(value),
        float(value_ci),
    )


def _summary(parts: _Parts, factor: float, rho: float, alpha: float) -> tuple[float, ...]:
    low, high, ci = parts.at(factor, alpha)
    return parts.theta, low, high, *ci, *_robustness(parts, rho, alpha)


def _robustness(parts: _Parts, rho: float, alpha: float) -> tuple[float, float]:
    """Return the strengths r, in both parts, at which bound and interval reach zero."""
    if rho == 0:
        return 1.0, 1.0
    f2 = (parts.theta / (parts.size * rho)) ** 2
    value = float((np.sqrt(f2 * f2 + 4 * f2) - f2) / 2)

    def nearest(r: float) -> float:
        low, high = parts.at(rho * r / np.sqrt(1 - r), alpha)[2]
        return low if parts.theta > 0 else -high

    if nearest(0.0) <= 0:
        return value, 0.0
    return value, float(brentq(nearest, 0.0, value, xtol=1e-10))


def _parts(estimator: Any) -> list[_Parts]:
    if not isinstance(estimator, AdjustingEstimator) or not hasattr(estimator, "_repetitions"):
        raise DataError(
            f"`estimator` must be a fitted AIPW, or DoubleML with model 'plr' or 'irm', got {estimator!r}"
        )
    names = set(estimator._repetitions[0])
    if estimator._is_binary and {"outcome of treated", "propensity"} <= names:
        return [_interactive(estimator, k) for k in range(len(estimator._repetitions))]
    if names == {"outcome", "dose"}:
        return [_partially_linear(estimator, k) for k in range(len(estimator._repetitions))]
    raise DataError(
        f"{estimator!r} has no regression of the outcome and weights of the rows to examine; use AIPW, or "
        "DoubleML with model 'plr' or 'irm'"
    )


def _interactive(estimator: Any, k: int) -> _Parts:
    sample, e = estimator._sample, estimator._propensities[k]
    mu0, mu1 = estimator._outcomes(k)
    residual = sample.y - np.where(sample.t == 1, mu1, mu0)
    riesz = sample.t / e - (1 - sample.t) / (1 - e)
    return _assembled(estimator, k, residual**2, 2 * (1 / e + 1 / (1 - e)) - riesz**2)


def _partially_linear(estimator: Any, k: int) -> _Parts:
    sample, rep = estimator._sample, estimator._repetitions[k]
    theta, _ = estimator._scores("ate")[k].solve(sample.weight)
    dose = sample.t - rep["dose"].values
    residual = sample.y - rep["outcome"].values - theta * dose
    mean = np.average(dose**2, weights=sample.weight)
    return _assembled(estimator, k, residual**2, 2 / mean - dose**2 / mean**2)


def _assembled(estimator: Any, k: int, squared_residual: Array, squared_weight: Array) -> _Parts:
    """Return the parts from terms whose means are sigma² and nu², the latter a debiased one."""
    sample = estimator._sample
    theta, influence = estimator._scores("ate")[k].solve(sample.weight)
    sigma2, nu2 = (float(np.mean(sample.weight * part)) for part in (squared_residual, squared_weight))
    if sigma2 <= 0 or nu2 <= 0:
        raise DataError("the models leave nothing of outcome or treatment; there is no bias to bound")
    size = np.sqrt(sigma2 * nu2)
    moved = sample.weight * (sigma2 * (squared_weight - nu2) + nu2 * (squared_residual - sigma2))
    return _Parts(theta, float(size), influence, moved / (2 * size), sample.cluster)


def partly_known(low: float, high: float, se_low: float, se_high: float, alpha: float) -> tuple[float, float]:
    """Return the interval of Imbens and Manski for a number that is somewhere between two estimates."""
    width = max(high - low, 0.0)
    spread = max(se_low, se_high)
    if spread == 0:
        return low, high

    def excess(c: float) -> float:
        return float(stats.norm.cdf(c + width / spread) - stats.norm.cdf(-c) - (1 - alpha))

    largest = float(stats.norm.isf(alpha / 2))
    c = brentq(excess, 0.0, largest + 1e-9) if excess(0.0) < 0 else 0.0
    return low - c * se_low, high + c * se_high
