"""Targeted maximum likelihood for treatments over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from causalrep.estimators._crossfit import Nuisance, cross_fit, make_splits
from causalrep.estimators._histories import Histories, LongitudinalEstimator, Regime
from causalrep.estimators._learners import predict_model, regressor
from causalrep.estimators._time_propensity import clipped, propensities, warn_of_weights
from causalrep.utils import DataError, RandomState, as_seed

__all__ = ["LTMLE"]

Array = NDArray[np.float64]

_EDGE = 1e-3
_STEPS = 50


class LTMLE(LongitudinalEstimator):
    """Estimate mean outcomes under regimes of treatments over time, doubly robustly.

    Iterated regressions as in `LongitudinalGComputation`, with any models and cross-fitted, each moved so
    that the weighted residuals of those who follow the regime vanish. It assumes that what is measured before
    each treatment blocks its back-door paths, and overlap: some units follow the regime from any history.
    The estimate is right where either the regressions are or the models of the treatments.

    Parameters
    ----------
    treatments : sequence of str or int, or str
        Columns of the treatments, of 0 and 1, in the order of time, or a pattern such as ``"a_{t}"``.
    covariates : sequence of sequences of str or int, str, or sequence of str, default=None
        For each treatment the covariates that were measured after the one before it, or patterns such as
        ``"l_{t}"``.
    outcome_model : {"auto", "linear"} or regressor, default="auto"
        Model of each regression.
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        Model of each treatment given the history.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    min_propensity : float in (0, 0.5), default=0.01
        Probabilities of treatment are kept this far from 0 and 1, with a warning.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    propensities_ : array of shape (n_units, n_times)
        Probability of treatment at each time, within the limits.
    n_times_ : int
        Number of treatments.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates of all times.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of shape (n_features,), object
        Their names, where all are strings.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for columns that do not exist or are listed twice, for treatments that are not 0 and 1.

    Warns
    -----
    OverlapWarning
        Where some units are almost sure to be treated, or few follow a regime.

    Notes
    -----
    Section 2.2 of [1]_: the outcome is scaled to [0, 1], and the fluctuation is logistic, with the inverse of
    the cumulated probabilities as weights. The targets of a regression are predictions for the fold by models
    that left it out, so that a model knows the outcomes of its test rows at most through later models.

    References
    ----------
    .. [1] M. J. van der Laan, S. Gruber, "Targeted minimum loss based estimation of causal effects of
       multiple time point interventions", International Journal of Biostatistics 8, 2012.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.estimators import LTMLE
    >>> rng = np.random.default_rng(0)
    >>> a_0 = rng.integers(0, 2, 2000)
    >>> l_1 = a_0 + rng.normal(size=2000)
    >>> a_1 = (rng.random(2000) < 1 / (1 + np.exp(0.5 - l_1))).astype(int)
    >>> y = a_0 + a_1 + l_1 + rng.normal(size=2000)              # always: 3, never: 0
    >>> X = pd.DataFrame({"a_0": a_0, "l_1": l_1, "a_1": a_1})
    >>> low, high = LTMLE("a_{t}", [[], ["l_1"]], random_state=0).fit(X, y).ate().ci
    >>> bool(low < 3 < high)
    True
    """

    _is_binary = True

    def __init__(
        self,
        treatments: Any = None,
        covariates: Any = None,
        *,
        outcome_model: Any = "auto",
        propensity_model: Any = "auto",
        cv: Any = 5,
        min_propensity: float = 0.01,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.treatments = treatments
        self.covariates = covariates
        self.outcome_model = outcome_model
        self.propensity_model = propensity_model
        self.cv = cv
        self.min_propensity = min_propensity
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, histories: Histories) -> None:
        self._seed = as_seed(self.random_state)
        n = len(histories.y)
        strata = np.unique(histories.treatments, axis=0, return_inverse=True)[1].reshape(-1)
        if np.bincount(strata).min() < 4:  # too few of some regime for each fold
            strata = histories.treatments[:, 0].astype(np.intp)
        self._splits = make_splits(
            self.cv, n, strata=strata, groups=histories.cluster, n_rep=1, seed=self._seed
        )
        raw = propensities(
            histories, self.propensity_model, self._splits, n_jobs=self.n_jobs, seed=self._seed
        )
        self.propensities_, self._said = clipped(raw, self.min_propensity)
        low, high = float(histories.y.min()), float(histories.y.max())
        if low == high:
            raise DataError(f"the outcome is {low:g} in all rows; nothing can be estimated")
        self._low, self._range = low, high - low

    def _messages(self) -> tuple[str, ...]:
        return self._said

    def _mean(self, regime: Regime) -> tuple[float, Array]:
        histories = self._histories
        given = histories.of_regime(regime)
        if not np.isin(given, (0, 1)).all():
            raise DataError("a regime must give treatments of 0 or 1")
        e = np.where(given == 1, self.propensities_, 1 - self.propensities_)
        weights = np.cumprod((histories.treatments == given) / e, axis=1)
        said = warn_of_weights(weights[:, -1] * histories.weight, "follow the regime")
        self._said += tuple(text for text in said if text not in self._said)
        target = (histories.y - self._low) / self._range
        influence = np.zeros(len(target))
        for time in reversed(range(histories.n_times)):
            start = self._regression(target, time, given[:, time])
            clever = weights[:, time]
            prediction = _fluctuated(start, target, clever * histories.weight)
            influence += clever * (target - prediction)
            target = prediction
        mean = float(np.average(target, weights=histories.weight))
        influence = histories.weight * (influence + target - mean)
        return self._low + self._range * mean, self._range * influence

    def _regression(self, target: Array, time: int, treatment: Array) -> Array:
        """Return cross-fitted predictions of the target under the treatment of the regime at a time."""
        histories = self._histories
        past = histories.before(time)
        seen = np.column_stack([past, histories.treatments[:, time]])
        then = np.column_stack([past, treatment])
        name = f"outcome at time {time}"
        fitted = cross_fit(
            {name: Nuisance(regressor(self.outcome_model, seen), target)},
            seen,
            self._splits,
            weight=histories.fit_weight,
            n_jobs=self.n_jobs,
            seed=self._seed,
        )[0][name]
        found = np.empty(len(target))
        for model, (_, test) in zip(fitted.models, self._splits[0], strict=True):
            found[test] = predict_model(model, then[test])
        return np.clip(found, _EDGE, 1 - _EDGE)


def _fluctuated(start: Array, target: Array, weight: Array) -> Array:
    """Return predictions moved on the logistic scale until their weighted residuals add up to zero."""
    offset, shift, total = logit(start), 0.0, float(weight.sum())
    for _ in range(_STEPS):
        moved = expit(offset + shift)
        gap = float(weight @ (target - moved))
        if abs(gap) <= 1e-12 * total:
            break
        slope = float(weight @ (moved * (1 - moved)))
        shift += float(np.clip(gap / slope, -1.0, 1.0))
    return np.asarray(expit(offset + shift))
