"""Regimes of treatments over time by iterated regressions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from causalrep.estimators._histories import Histories, LongitudinalEstimator, Regime
from causalrep.estimators._scores import with_intercept
from causalrep.utils import UnknownNameError

__all__ = ["LongitudinalGComputation"]

Array = NDArray[np.float64]

_DEGREES = {"linear": 1, "interactions": 2}


class LongitudinalGComputation(LongitudinalEstimator):
    """Estimate mean outcomes under regimes of treatments over time, by iterated regressions.

    A covariate that an earlier treatment changes and a later one reacts to is on the way of one and a
    confounder of the other: to adjust for it in one regression is wrong, and so is not to. Here the outcome
    is regressed on the whole history, predicted under the last treatment of the regime, and the predictions
    on the history before, and so on. It assumes that what is measured before each treatment blocks its
    back-door paths, and that the regressions are right; `LTMLE` is right also if the models of the treatments
    are.

    Parameters
    ----------
    treatments : sequence of str or int, or str
        Columns of the treatments in the order of time, or a pattern such as ``"a_{t}"``; numbers of any kind.
    covariates : sequence of sequences of str or int, str, or sequence of str, default=None
        For each treatment the covariates that were measured after the one before it, or patterns such as
        ``"l_{t}"``, whose smallest number belongs to the first treatment.
    outcome_model : {"linear", "interactions"}, default="linear"
        Least squares on history and treatment, or on their products too.

    Attributes
    ----------
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
        In `fit`: for columns that do not exist or are listed twice, for treatments that do not vary.

    Notes
    -----
    The iterated conditional expectations of [1]_. The influence function is that of the whole chain of least
    squares: how the mean changes with the weight of a unit, through every regression.

    References
    ----------
    .. [1] H. Bang, J. M. Robins, "Doubly robust estimation in missing data and causal inference models",
       Biometrics 61, 2005, section 4.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.estimators import LongitudinalGComputation
    >>> rng = np.random.default_rng(0)
    >>> a_0 = rng.integers(0, 2, 2000)
    >>> l_1 = a_0 + rng.normal(size=2000)
    >>> a_1 = (l_1 + rng.normal(size=2000) > 0.5).astype(int)
    >>> y = a_0 + a_1 + l_1 + rng.normal(size=2000)              # always: 3, never: 0
    >>> X = pd.DataFrame({"a_0": a_0, "l_1": l_1, "a_1": a_1})
    >>> est = LongitudinalGComputation("a_{t}", [[], ["l_1"]]).fit(X, y)
    >>> low, high = est.ate().ci
    >>> bool(low < 3 < high)
    True
    """

    def __init__(
        self, treatments: Any = None, covariates: Any = None, *, outcome_model: str = "linear"
    ) -> None:
        self.treatments = treatments
        self.covariates = covariates
        self.outcome_model = outcome_model

    def _fit(self, histories: Histories) -> None:  # noqa: ARG002
        if self.outcome_model not in _DEGREES:
            raise UnknownNameError(self.outcome_model, _DEGREES, what="`outcome_model`")

    def _design(self, histories: Histories, time: int, treatment: Array) -> Array:
        columns = np.column_stack([histories.before(time), treatment])
        degree = _DEGREES[self.outcome_model]
        made = PolynomialFeatures(degree, interaction_only=True, include_bias=False).fit_transform(columns)
        return with_intercept(made)

    def _mean(self, regime: Regime) -> tuple[float, Array]:
        histories = self._histories
        given, weight, n = histories.of_regime(regime), histories.weight, len(histories.y)
        target, steps = histories.y, []
        for time in reversed(range(histories.n_times)):
            seen = self._design(histories, time, histories.treatments[:, time])
            then = self._design(histories, time, given[:, time])
            model = LinearRegression(fit_intercept=False).fit(seen, target, sample_weight=weight)
            steps.append((seen, then, target - model.predict(seen)))
            target = model.predict(then)
        mean = float(np.mean(weight * target))
        # By the chain rule from the first time to the last: how the mean moves with each prediction, and so
        # with each coefficient, and so with each target of the regression.
        influence, moves = weight * (target - mean), weight / n
        for seen, then, residual in reversed(steps):
            gram = seen.T @ (seen * weight[:, None])
            moves = weight * (seen @ (np.linalg.pinv(gram, rcond=1e-10) @ (then.T @ moves)))
            influence = influence + n * moves * residual
        return mean, influence
