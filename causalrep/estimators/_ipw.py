"""Inverse-propensity weighting with a variance that knows that the propensity was estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._contrast import Contrast
from causalrep.estimators._crossfit import Nuisance, Predicted
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._learners import fit_model, predict_model
from causalrep.estimators._scores import LinearScore, pseudo_score, with_intercept
from causalrep.estimators._several_arms import others_of, pair_name

__all__ = ["IPW"]

Array = NDArray[np.float64]


class IPW(AdjustingEstimator):
    """Estimate average effects by weighting with the inverse propensity, normalised in each arm (Hájek).

    It needs no outcome model, and is right where the propensity model is. It assumes that the covariates
    block all back-door paths, and overlap; `AIPW` is more precise and safer.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        With ``"auto"``, logistic regression on the covariates without penalty, fitted to all rows; the
        variance is the sandwich of weights and coefficients together. Any other model is cross-fitted, and
        the variance takes its propensities as known, which is said in the `warnings` of the result.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1, with a warning.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Notes
    -----
    `score` and `predict_outcome` use linear outcome models; no effect does. The influence function has a term
    for the coefficients of the propensity, which for the average effect makes the interval narrower [1]_.

    References
    ----------
    .. [1] J. K. Lunceford, M. Davidian, "Stratification and weighting via the propensity score in estimation
       of causal treatment effects", Statistics in Medicine 23, 2004, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import IPW
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(2000, 1))
    >>> t = (rng.random(2000) < 1 / (1 + np.exp(-z[:, 0] / 2))).astype(int)
    >>> y = 2 * t + z[:, 0] + rng.normal(size=2000)
    >>> low, high = IPW(random_state=0).fit(z, y, treatment=t).ate().ci
    >>> bool(low < 2 < high)
    True
    """

    _nuisances = ("propensity_model",)
    outcome_model = "linear"

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        reference: Any = None,
        propensity_model: Any = "auto",
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        treatment_type: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.treatment = treatment
        self.reference = reference
        self.propensity_model = propensity_model
        self.cv = cv
        self.n_rep = n_rep
        self.min_propensity = min_propensity
        self.treatment_type = treatment_type
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def _is_parametric(self) -> bool:
        return isinstance(self.propensity_model, str) and self.propensity_model == "auto"

    def _arm_nuisances(self, sample: Sample) -> dict[str, Nuisance]:
        return self._needed(super()._arm_nuisances(sample))

    def _several_nuisances(self, sample: Sample, treatment: Treatment) -> dict[str, Nuisance]:
        return self._needed(super()._several_nuisances(sample, treatment))

    def _needed(self, nuisances: dict[str, Nuisance]) -> dict[str, Nuisance]:
        """Leave out propensities that are fitted to all rows later."""
        if not self._is_parametric:
            return nuisances
        return {name: one for name, one in nuisances.items() if name.startswith("outcome")}

    def _read_overlap(self, sample: Sample) -> None:
        if self._is_parametric:
            found = _exact(sample, sample.t, np.ones(len(sample.t), dtype=bool))
            for rep in self._repetitions:
                rep["propensity"] = found
        super()._read_overlap(sample)

    def _refit_pairs(self, sample: Sample, treatment: Treatment) -> None:
        if not self._is_parametric:
            return
        for arm in others_of(treatment):
            chosen = sample.t == arm
            found = _exact(sample, chosen.astype(np.float64), chosen | (sample.t == 0))
            for rep in self._repetitions:
                rep[pair_name(treatment, arm)] = found

    def _messages(self) -> tuple[str, ...]:
        if not self._is_binary or self._is_parametric:
            return super()._messages()
        return (
            *super()._messages(),
            "the interval takes the propensities of this model as known; those of AIPW need not",
        )

    def _scores(self, estimand: str) -> list[LinearScore]:
        if not self._is_binary:
            return super()._scores(estimand)
        return [self._hajek_score(estimand, contrast) for contrast in self._compared]

    def _hajek_score(self, estimand: str, contrast: Contrast) -> LinearScore:
        sample = self._sample
        parts = []
        for member, weight, slope in zip(
            (contrast.in0, contrast.in1),
            contrast.weights(estimand),
            contrast.slopes(estimand),
            strict=True,
        ):
            weight = member * weight
            scale = np.mean(sample.weight * weight)
            mean = np.mean(sample.weight * weight * sample.y) / scale
            left = sample.y - mean
            term = weight * left
            if self._is_parametric:
                term = term + self._propensity_term(slope * left[:, None], contrast)
            parts.append((mean, term / scale))
        (mean0, influence0), (mean1, influence1) = parts
        return pseudo_score(float(mean1 - mean0), influence1 - influence0)

    def _propensity_term(self, slope: Array, contrast: Contrast) -> Array:
        """Return what the estimated coefficients add: gradient, inverse information, score of each row."""
        sample = self._sample
        design, total = with_intercept(sample.W), np.zeros(len(sample.y))
        for arm in range(1, contrast.e.shape[1]):
            chosen = contrast.coded == arm
            pair = chosen | (contrast.coded == 0)
            p = contrast.e[:, arm] / (contrast.e0 + contrast.e[:, arm])
            information = design.T @ (design * (sample.weight * pair * p * (1 - p))[:, None])
            gradient = design.T @ (sample.weight * slope[:, arm - 1])
            total += pair * (chosen - p) * (design @ (np.linalg.pinv(information) @ gradient))
        return total


def _exact(sample: Sample, target: Array, rows: NDArray[np.bool_]) -> Predicted:
    """Return the probabilities of logistic regression without penalty, fitted to these rows."""
    exact = LogisticRegression(C=1e6, solver="newton-cholesky", tol=1e-10, max_iter=200)
    W = sample.W if sample.W.shape[1] else np.ones((len(sample.y), 1))
    weight = None if sample.fit_weight is None else sample.fit_weight[rows]
    model = fit_model(make_pipeline(StandardScaler(), exact), W[rows], target[rows], weight, 0)
    return Predicted(predict_model(model, W), (model,))
