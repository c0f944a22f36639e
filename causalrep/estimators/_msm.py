"""Marginal structural models: what a history of treatments does, by weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from causalrep.estimators._histories import Histories, LongitudinalEstimator, Regime
from causalrep.estimators._learners import fit_model, predict_model
from causalrep.estimators._result import EffectResult
from causalrep.estimators._scores import with_intercept
from causalrep.estimators._time_propensity import clipped, warn_of_weights
from causalrep.utils import UnknownNameError

__all__ = ["MarginalStructuralModel"]

Array = NDArray[np.float64]

_MODELS = ("cumulative", "each")


class MarginalStructuralModel(LongitudinalEstimator):
    """Estimate what treatments over time do, by a regression on them with stabilised inverse weights.

    Weights make the treatment at each time independent of what was measured before it; a regression on the
    treatments alone then has causal coefficients. It assumes that what is measured before each treatment
    blocks its back-door paths, overlap at each time, that the models of the treatments are right, and the
    form of the structural model.

    Parameters
    ----------
    treatments : sequence of str or int, or str
        Columns of the treatments, of 0 and 1, in the order of time, or a pattern such as ``"a_{t}"``.
    covariates : sequence of sequences of str or int, str, or sequence of str, default=None
        For each treatment the covariates that were measured after the one before it, or patterns such as
        ``"l_{t}"``.
    model : {"cumulative", "each"}, default="cumulative"
        Whether the mean outcome is linear in the number of treatments, or each has its own coefficient.
    min_propensity : float in (0, 0.5), default=0.01
        Probabilities of treatment are kept this far from 0 and 1, with a warning.

    Attributes
    ----------
    weights_ : array of shape (n_units,)
        The stabilised weights; where the models are right their mean is near 1.
    coefficients_ : array of shape (n_coefficients,)
        Intercept and coefficients of the structural model.
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
        Where some units are almost sure to be treated, or not to be, or few carry the weight.

    Notes
    -----
    Equation (6) of [1]_, with logistic models of each treatment given the whole history, and given the
    treatments before alone in the numerator. The sandwich takes in that the weights were estimated: the
    influence function less its projection on the scores of the models given the history, which makes
    intervals narrower, plus that on the scores of the numerator.

    References
    ----------
    .. [1] J. M. Robins, M. A. Hernán, B. Brumback, "Marginal structural models and causal inference in
       epidemiology", Epidemiology 11, 2000.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.estimators import MarginalStructuralModel
    >>> rng = np.random.default_rng(1)
    >>> a_0 = rng.integers(0, 2, 4000)
    >>> l_1 = a_0 + rng.normal(size=4000)
    >>> a_1 = (rng.random(4000) < 1 / (1 + np.exp(0.5 - l_1))).astype(int)
    >>> y = a_0 + 2 * a_1 + l_1 + rng.normal(size=4000)          # either treatment: 2
    >>> X = pd.DataFrame({"a_0": a_0, "l_1": l_1, "a_1": a_1})
    >>> est = MarginalStructuralModel("a_{t}", [[], ["l_1"]]).fit(X, y)
    >>> low, high = est.ate().ci
    >>> bool(low < 4 < high)
    True
    """

    _is_binary = True

    def __init__(
        self,
        treatments: Any = None,
        covariates: Any = None,
        *,
        model: str = "cumulative",
        min_propensity: float = 0.01,
    ) -> None:
        self.treatments = treatments
        self.covariates = covariates
        self.model = model
        self.min_propensity = min_propensity

    def _fit(self, histories: Histories) -> None:
        if self.model not in _MODELS:
            raise UnknownNameError(self.model, _MODELS, what="`model`")
        n = len(histories.y)
        self._said: tuple[str, ...] = ()
        weight = np.ones(n)
        scores: dict[int, list[Array]] = {1: [], -1: []}
        for time in range(histories.n_times):
            t = histories.treatments[:, time]
            # the numerator knows the treatments before and nothing else
            for past, sign in ((histories.treatments[:, :time], 1), (histories.before(time), -1)):
                e, said = clipped(_logistic(past, t, histories.fit_weight)[:, None], self.min_propensity)
                self._said += tuple(text for text in said if text not in self._said)
                weight = weight * np.where(t == 1, e[:, 0], 1 - e[:, 0]) ** sign
                scores[sign].append(with_intercept(past) * (t - e[:, 0])[:, None])
        self.weights_ = weight
        self._said += warn_of_weights(weight * histories.weight, "have weights")
        design = self._design(histories.treatments)
        both = weight * histories.weight
        regression = LinearRegression(fit_intercept=False).fit(design, histories.y, sample_weight=both)
        self.coefficients_ = regression.coef_
        residual = both * (histories.y - design @ self.coefficients_)
        bread = np.linalg.pinv(design.T @ (design * both[:, None]) / n)
        known = (design * residual[:, None]) @ bread
        self._influences = known
        for sign, parts in scores.items():  # the numerator's coefficients move the weights the other way
            score = np.column_stack(parts) * histories.weight[:, None]
            of_models = score @ np.linalg.lstsq(score, known, rcond=None)[0]
            self._influences = self._influences + sign * of_models

    def _design(self, treatments: Array) -> Array:
        columns = treatments.sum(axis=1, keepdims=True) if self.model == "cumulative" else treatments
        return with_intercept(columns)

    def _messages(self) -> tuple[str, ...]:
        return self._said

    def _mean(self, regime: Regime) -> tuple[float, Array]:
        histories = self._histories
        rows = self._design(histories.of_regime(regime))
        average = np.average(rows, axis=0, weights=histories.weight)
        own = histories.weight * ((rows - average) @ self.coefficients_)  # zero unless the regime is dynamic
        return float(average @ self.coefficients_), own + self._influences @ average

    def coefficients(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the coefficients of the structural model.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            The intercept, and the effect of one treatment more or that of each.
        """
        mean = self.mean_outcome(0.0, alpha=alpha)
        names = ["number"] if self.model == "cumulative" else [str(name) for name in self._histories.names]
        return self._pack(
            self.coefficients_, self._influences, alpha, mean.method.split(", ")[1], ("intercept", *names)
        )


def _logistic(past: Array, t: Array, weight: Array | None) -> Array:
    """Return the probability of treatment, by a logistic regression with next to no penalty."""
    if not past.shape[1]:
        return np.full(len(t), np.average(t, weights=weight))
    exact = LogisticRegression(C=1e4, solver="newton-cholesky", tol=1e-10, max_iter=200)
    return predict_model(fit_model(make_pipeline(StandardScaler(), exact), past, t, weight, 0), past)
