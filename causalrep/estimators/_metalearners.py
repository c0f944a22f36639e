"""Meta-learners: effects given covariates from any regressors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._final_stage import MeanEffect
from causalrep.estimators._learners import fit_model, predict_model, regressor
from causalrep.estimators._scores import LinearScore, Projection, middle_of, project
from causalrep.utils import DataError, keyed_seed

__all__ = ["DRLearner", "RLearner", "SLearner", "TLearner", "ULearner", "XLearner"]

Array = NDArray[np.float64]


class TLearner(AdjustingEstimator):
    """Learn the effect given covariates as the difference of two outcome models, one for each arm.

    Simple, and noisy where the arms are of unequal size or the models bend. The average effects are
    those of `AIPW` with the same nuisances: their intervals do not depend on what `predict` gives. `interval`
    is that of the best linear projection.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`.
    cv : int, splitter or iterable of (train, test), default=5
        Folds; `predict` averages the models of all folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`. For a dose, `predict` is the best linear projection of the effect of one unit more.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    References
    ----------
    .. [1] S. R. Künzel, J. S. Sekhon, P. J. Bickel, B. Yu, "Metalearners for estimating heterogeneous
       treatment effects using machine learning", PNAS 116, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import TLearner
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = rng.integers(0, 2, 1000)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> TLearner(random_state=0).fit(w, y, treatment=t).predict([[-1.0], [1.0]]).round(1)
    array([-1.,  1.])
    """

    def _predict(self, W: Array) -> Array:
        if not self._is_binary:
            return super()._predict(W)
        return self._at("outcome of treated", W) - self._at("outcome of controls", W)


class SLearner(AdjustingEstimator):
    """Learn the effect given covariates from a single outcome model that has the treatment as a feature.

    It shrinks effects towards zero where the model penalises or ignores the treatment. Average effects and
    intervals are as in `TLearner`.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`; ``"linear"`` knows one effect for all rows.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the average effects; the single model has all rows.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`. For a dose, `predict` is the effect of one unit more than zero.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    References
    ----------
    .. [1] S. R. Künzel, J. S. Sekhon, P. J. Bickel, B. Yu, "Metalearners for estimating heterogeneous
       treatment effects using machine learning", PNAS 116, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import SLearner
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = rng.integers(0, 2, 1000)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> SLearner(random_state=0).fit(w, y, treatment=t).predict([[-1.0], [1.0]]).round(1)
    array([-1.,  1.])
    """

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        super()._fit(sample, treatment, roles)
        features = np.column_stack([sample.W, sample.t])
        seed = keyed_seed(self._seed, "single")
        model = regressor(self.outcome_model, features)
        self.single_model_ = fit_model(model, features, sample.y, sample.fit_weight, seed)

    def _predict(self, W: Array) -> Array:
        arms = [np.column_stack([W, np.full(len(W), t)]) for t in (1.0, 0.0)]
        return predict_model(self.single_model_, arms[0]) - predict_model(self.single_model_, arms[1])


class XLearner(AdjustingEstimator):
    """Learn the effect given covariates in each arm from imputed outcomes, and weight by the propensity.

    Made for arms of very unequal size: the effect of the small arm is learned with the outcome model of the
    large one. Average effects and intervals are as in `TLearner`.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`.
    final_model : {"auto", "linear"} or regressor, default="auto"
        Regressor of the imputed effects in each arm.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `TLearner`.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    References
    ----------
    .. [1] S. R. Künzel, J. S. Sekhon, P. J. Bickel, B. Yu, "Metalearners for estimating heterogeneous
       treatment effects using machine learning", PNAS 116, 2019, equation (9).

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import XLearner
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = rng.integers(0, 2, 1000)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> XLearner(random_state=0).fit(w, y, treatment=t).predict([[-1.0], [1.0]]).round(1)
    array([-1.,  1.])
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        reference: Any = None,
        outcome_model: Any = "auto",
        propensity_model: Any = "auto",
        final_model: Any = "auto",
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        treatment_type: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            treatment,
            reference=reference,
            outcome_model=outcome_model,
            propensity_model=propensity_model,
            cv=cv,
            n_rep=n_rep,
            min_propensity=min_propensity,
            treatment_type=treatment_type,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.final_model = final_model

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        super()._fit(sample, treatment, roles)
        if not treatment.is_binary:
            return
        mu0, mu1 = self._outcomes(0)
        self.final_models_ = tuple(
            self._final(effects, arm, name)
            for effects, arm, name in (
                (mu1 - sample.y, sample.t == 0, "controls"),
                (sample.y - mu0, sample.t == 1, "treated"),
            )
        )

    def _final(self, effects: Array, rows: NDArray[np.bool_], name: str) -> Any:
        sample = self._sample
        W = _with_columns(sample.W)
        weight = None if sample.fit_weight is None else sample.fit_weight[rows]
        seed = keyed_seed(self._seed, "final", name)
        return fit_model(regressor(self.final_model, sample.W), W[rows], effects[rows], weight, seed)

    def _predict(self, W: Array) -> Array:
        if not self._is_binary:
            return super()._predict(W)
        control, treated = (predict_model(model, _with_columns(W)) for model in self.final_models_)
        g = self._at("propensity", W)
        return np.asarray(g * control + (1 - g) * treated)


class RLearner(XLearner):
    """Learn the effect given covariates from the residuals of outcome and treatment.

    It minimises the R-loss, whose errors from the nuisances are of second order. A dose will do as well as
    two arms. Average effects are as in `TLearner`; with the linear final stage `interval` is that of
    `predict`.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`.
    final_model : {"linear", "auto"} or regressor, default="linear"
        Regressor of the ratio of residuals, which must take sample weights. ``"linear"`` is least squares;
        ``"auto"`` is the mean of a plane, a sum of curves, curves with their products, trees, and a kernel
        that learns which covariates change the effect.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting; a final model that is not linear uses the first.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    References
    ----------
    .. [1] X. Nie, S. Wager, "Quasi-oracle estimation of heterogeneous treatment effects", Biometrika 108,
       2021.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import RLearner
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = rng.integers(0, 2, 1000)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> RLearner(random_state=0).fit(w, y, treatment=t).predict([[-1.0], [1.0]]).round(1)
    array([-1.,  1.])
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        reference: Any = None,
        outcome_model: Any = "auto",
        propensity_model: Any = "auto",
        final_model: Any = "linear",
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        treatment_type: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            treatment,
            reference=reference,
            outcome_model=outcome_model,
            propensity_model=propensity_model,
            final_model=final_model,
            cv=cv,
            n_rep=n_rep,
            min_propensity=min_propensity,
            treatment_type=treatment_type,
            n_jobs=n_jobs,
            random_state=random_state,
        )

    _final_estimand = "ato"  # its score is that of the residuals

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        AdjustingEstimator._fit(self, sample, treatment, roles)
        if not self._final_is_linear():
            score = self._final_scores()[0]
            kept = score.denominator > 1e-12  # a row without a residual of the treatment says nothing
            weight = (
                score.denominator if sample.fit_weight is None else score.denominator * sample.fit_weight
            )[kept]
            self.final_model_ = fit_model(
                _final_model(self.final_model),
                _with_columns(sample.W)[kept],
                score.numerator[kept] / score.denominator[kept],
                None if np.ptp(weight) == 0 else weight,
                keyed_seed(self._seed, "final"),
            )

    def _final_is_linear(self) -> bool:
        return isinstance(self.final_model, str) and self.final_model == "linear"

    def _final_scores(self) -> list[LinearScore]:
        """Return the scores whose ratio is regressed with their denominators as weights."""
        return self._scores(self._final_estimand if self._is_binary else "ate")

    def _projected(self, features: Array) -> Projection:
        return middle_of([project(score, features, self._sample.weight) for score in self._final_scores()])

    def _predict(self, W: Array) -> Array:
        if self._final_is_linear():
            return AdjustingEstimator._predict(self, W)
        return predict_model(self.final_model_, _with_columns(W))


class DRLearner(RLearner):
    """Learn the effect given covariates by regressing the doubly robust score on them.

    Average effects are as in `TLearner`; with the linear final stage `interval` is that of `predict`.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`.
    final_model : {"linear", "auto"} or regressor, default="linear"
        Regressor of the score, see `RLearner`.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting; a final model that is not linear uses the first.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    References
    ----------
    .. [1] E. H. Kennedy, "Towards optimal doubly robust estimation of heterogeneous causal effects",
       Electronic Journal of Statistics 17, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import DRLearner
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = rng.integers(0, 2, 1000)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> DRLearner(random_state=0).fit(w, y, treatment=t).predict([[-1.0], [1.0]]).round(1)
    array([-1.,  1.])
    """

    _final_estimand = "ate"


class ULearner(RLearner):
    """Learn the effect given covariates by regressing the ratio of residuals on them, all rows alike.

    `RLearner` weights the rows by the squared residual of the treatment. Without, rows whose treatment could
    be foretold are as loud as others, and noisier. It is here to compare; prefer `RLearner`. Average effects
    are as in `TLearner`.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`.
    final_model : {"linear", "auto"} or regressor, default="linear"
        Regressor of the ratio of residuals, see `RLearner`.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting; a final model that is not linear uses the first.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    References
    ----------
    .. [1] S. R. Künzel, J. S. Sekhon, P. J. Bickel, B. Yu, "Metalearners for estimating heterogeneous
       treatment effects using machine learning", PNAS 116, 2019, supplement.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import ULearner
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1000, 1))
    >>> t = rng.integers(0, 2, 1000)
    >>> y = t * w[:, 0] + 0.1 * rng.normal(size=1000)
    >>> ULearner(random_state=0).fit(w, y, treatment=t).predict([[-1.0], [1.0]]).round(1)
    array([-1.,  1.])
    """

    def _final_scores(self) -> list[LinearScore]:
        found = []
        for score in super()._final_scores():
            told = score.denominator > 1e-12
            ratio = np.divide(score.numerator, score.denominator, out=np.zeros(len(told)), where=told)
            found.append(LinearScore(ratio, told.astype(np.float64)))
        return found


def _final_model(model: Any) -> Any:
    """Return the unfitted regressor of effects that an option stands for."""
    if isinstance(model, str):
        if model != "auto":
            raise DataError(f"`final_model` must be 'linear', 'auto' or a regressor, got {model!r}")
        return MeanEffect()
    return model


def _with_columns(W: Array) -> Array:
    """Return the covariates, or a column of ones where there are none."""
    return W if W.shape[1] else np.ones((len(W), 1))
