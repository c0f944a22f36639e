"""Sharp bounds of an average effect under the marginal sensitivity model, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import QuantileRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._data import Sample
from causalrep.estimators._learners import fit_model, predict_model, regressor
from causalrep.estimators._result import standard_error
from causalrep.estimators.sensitivity._debiased import partly_known
from causalrep.utils import DataError, keyed_seed

__all__ = ["MarginalSensitivity", "marginal_sensitivity"]

Array = NDArray[np.float64]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class MarginalSensitivity:
    """Bounds of an average effect where the odds of treatment miss a hidden confounder.

    Parameters
    ----------
    lam : float
        The factor by which the odds may be off.
    lower, upper : float
        Bounds of the average effect.
    ci : tuple of float
        Interval that covers the effect, wherever it is between the bounds.
    """

    lam: float
    lower: float
    upper: float
    ci: tuple[float, float]

    def __str__(self) -> str:
        return (
            f"with odds of treatment off by at most {self.lam:g} the effect is between {self.lower:.4g} and "
            f"{self.upper:.4g} (interval {self.ci[0]:.4g} to {self.ci[1]:.4g})"
        )


def marginal_sensitivity(
    estimator: Any,
    *,
    lam: float,
    quantile_model: Any = "auto",
    outcome_model: Any = "auto",
    alpha: float = 0.05,
    n_jobs: int | None = None,
) -> MarginalSensitivity:
    """Return sharp bounds of the average effect where propensities miss a hidden confounder.

    The odds of treatment given covariates and hidden confounder differ from those given the covariates by a
    factor between 1 / `lam` and `lam`. The bounds are the narrowest if the model of quantiles is right, and
    hold, though wider, if it is wrong, as long as the propensities or the outcome models are right.

    Parameters
    ----------
    estimator : fitted AIPW, or DoubleML with the model "irm"
        Its propensities and folds are used.
    lam : float of at least 1
        The factor; 1 is no hidden confounding.
    quantile_model : {"auto"} or regressor, default="auto"
        Model of a quantile of the outcome in an arm, with a parameter ``quantile`` (at any depth); with
        ``"auto"``, linear quantile regression.
    outcome_model : {"auto", "linear"} or regressor, default="auto"
        Model of the worst mean in an arm; see `AIPW`.
    alpha : float in (0, 1), default=0.05
        One less the level of the interval.
    n_jobs : int, default=None
        Number of parallel fits.

    Returns
    -------
    MarginalSensitivity
        Bounds and interval.

    Raises
    ------
    DataError
        If the estimator has no propensities of two arms, or a parameter is out of range.

    Notes
    -----
    At worst the unseen outcomes are a reweighting of the seen ones by `lam` above and ``1 / lam`` below
    their quantile at ``lam / (1 + lam)`` [1]_, so that their mean is that of a transformed outcome; the bound
    is an average of it by a doubly robust score, with a normal interval [2]_. With ``lam=1`` it is `AIPW`.
    The interval of both bounds is that of Imbens and Manski. `marginal_sensitivity_bounds` has the bounds of
    a mean without models.

    References
    ----------
    .. [1] J. Dorn, K. Guo, "Sharp sensitivity analysis for inverse propensity weighting via quantile
       balancing", Journal of the American Statistical Association 118, 2023.
    .. [2] J. Dorn, K. Guo, N. Kallus, "Doubly-valid/doubly-sharp sensitivity analysis for causal inference
       with unmeasured confounding", Journal of the American Statistical Association 120, 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import AIPW
    >>> from causalrep.estimators.sensitivity import marginal_sensitivity
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(500, 1))
    >>> t = (rng.random(500) < 1 / (1 + np.exp(-z[:, 0] / 2))).astype(int)
    >>> y = 2 * t + z[:, 0] + rng.normal(size=500)
    >>> found = marginal_sensitivity(AIPW(cv=2, random_state=0).fit(z, y, treatment=t), lam=1.5)
    >>> bool(found.ci[0] < found.lower < 2 < found.upper < found.ci[1])
    True
    """
    if not lam >= 1:
        raise DataError(f"`lam` must be at least 1, got {lam}")
    if not 0 < alpha < 1:
        raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
    if not isinstance(estimator, AdjustingEstimator) or not hasattr(estimator, "_propensities"):
        raise DataError(f"`estimator` must be fitted and have propensities of two arms, got {estimator!r}")
    if not estimator._is_binary:
        raise DataError("`estimator` was fitted to a dose or an instrument; two arms of treatment are needed")
    sample = estimator._sample
    models = _quantile_model(quantile_model, lam / (1 + lam)), regressor(outcome_model, sample.W)
    ends = []
    for rep, splits in enumerate(estimator._splits):
        e = estimator._propensities[rep]
        keys = [(arm, sign) for arm in (0, 1) for sign in (-1, 1)]
        scores = Parallel(n_jobs=n_jobs)(
            delayed(_highest)(
                sample, splits, e, arm, sign, lam, models, keyed_seed(estimator._seed, arm, sign)
            )
            for arm, sign in keys
        )
        found = dict(zip(keys, scores, strict=True))
        # the largest mean of -y is less the smallest mean of y
        ends.append((-found[1, -1] - found[0, 1], found[1, 1] + found[0, -1]))
    lows, highs = ([_solved(part, sample) for part in parts] for parts in zip(*ends, strict=True))
    intervals = [
        partly_known(low, high, se_low, se_high, alpha)
        for (low, se_low), (high, se_high) in zip(lows, highs, strict=True)
    ]
    low, high = float(np.median([low for low, _ in lows])), float(np.median([high for high, _ in highs]))
    ci = np.median(intervals, axis=0)
    return MarginalSensitivity(float(lam), low, high, (float(ci[0]), float(ci[1])))


def _quantile_model(model: Any, level: float) -> Any:
    if isinstance(model, str):
        if model != "auto":
            raise DataError(f"`quantile_model` must be 'auto' or a regressor of quantiles, got {model!r}")
        return make_pipeline(StandardScaler(), QuantileRegressor(quantile=level, alpha=0.0, solver="highs"))
    found = [name for name in model.get_params(deep=True) if name.split("__")[-1] == "quantile"]
    if not found:
        raise DataError(f"`quantile_model` has no parameter `quantile`: {type(model).__name__}")
    return clone(model).set_params(**dict.fromkeys(found, level))


def _highest(
    sample: Sample,
    splits: list[Split],
    e: Array,
    arm: int,
    sign: int,
    lam: float,
    models: tuple[Any, Any],
    seed: int,
) -> Array:
    """Return the score of the largest mean of ``sign * y``, had all rows been in an arm."""
    W = sample.W if sample.W.shape[1] else np.ones((len(sample.y), 1))
    y, taken = sign * sample.y, sample.t == arm
    worst, mean = np.zeros_like(y), np.zeros_like(y)
    for k, (train, test) in enumerate(splits):
        rows = train[taken[train]]
        weight = None
        if sample.fit_weight is not None:
            rows = rows[sample.fit_weight[rows] > 0]
            weight = sample.fit_weight[rows]
        quantile = fit_model(models[0], W[rows], y[rows], weight, keyed_seed(seed, "quantile", k))
        inside = _transformed(y[rows], predict_model(quantile, W[rows]), lam)
        outcome = fit_model(models[1], W[rows], inside, weight, keyed_seed(seed, "worst", k))
        worst[test] = _transformed(y[test], predict_model(quantile, W[test]), lam)
        mean[test] = predict_model(outcome, W[test])
    share = e if arm == 1 else 1 - e
    return np.where(taken, y + (1 - share) / share * (worst - mean), mean)


def _transformed(y: Array, quantile: Array, lam: float) -> Array:
    """Return the outcome whose mean is that of the worst reweighting (Dorn and Guo 2023, theorem 1)."""
    return np.asarray(y / lam + (1 - 1 / lam) * (quantile + (1 + lam) * np.maximum(y - quantile, 0.0)))


def _solved(score: Array, sample: Sample) -> tuple[float, float]:
    theta = float(np.average(score, weights=sample.weight))
    return theta, float(standard_error(sample.weight * (score - theta), sample.cluster))
