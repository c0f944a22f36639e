"""Estimators that adjust for covariates by nuisance models, cross-fitted for all estimands at once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._crossfit import Nuisance, Predicted, Split, cross_fit, make_splits
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._learners import classifier, regressor
from causalrep.estimators._overlap import Overlap, overlap_of
from causalrep.estimators._scores import LinearScore, aipw_score, partial_score
from causalrep.utils import DataError, as_seed

__all__ = ["AdjustingEstimator", "DoseWarning"]

Array = NDArray[np.float64]


class DoseWarning(UserWarning):
    """A treatment of many values was read as a dose."""


class AdjustingEstimator(EffectEstimator):
    """Base: cross-fitted nuisances of a treatment with two arms, or of a dose by partialling out."""

    _uses: tuple[str, ...] = ("treatment", "time", "cluster")
    _nuisances: tuple[str, ...] = ("outcome_model", "propensity_model")

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        outcome_model: Any = "auto",
        propensity_model: Any = "auto",
        cv: Any = 5,
        n_rep: int = 1,
        min_propensity: float = 0.01,
        treatment_type: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.treatment = treatment
        self.outcome_model = outcome_model
        self.propensity_model = propensity_model
        self.cv = cv
        self.n_rep = n_rep
        self.min_propensity = min_propensity
        self.treatment_type = treatment_type
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:  # noqa: ARG002
        if not isinstance(self.n_rep, (int, np.integer)) or self.n_rep < 1:
            raise DataError(f"`n_rep` must be an integer of at least 1, got {self.n_rep!r}")
        self._is_binary = treatment.is_binary
        if not treatment.is_binary and self.treatment_type == "auto":
            warnings.warn(
                DoseWarning(
                    "the treatment has more than two values and is read as a dose: the effect is that of one "
                    "unit more, by partialling out; say treatment_type='continuous' if that is meant"
                ),
                stacklevel=4,
            )
        self._seed = as_seed(self.random_state)
        strata = sample.t.astype(np.intp) if treatment.is_binary else None
        splits = make_splits(
            self.cv,
            len(sample.y),
            strata=strata,
            groups=sample.cluster,
            n_rep=int(self.n_rep),
            seed=self._seed,
            time=sample.time,
        )
        self._repetitions = self._cross_fitted(sample, splits)
        self._splits = splits
        if treatment.is_binary:
            self._read_overlap(sample)

    def _cross_fitted(self, sample: Sample, splits: Sequence[Sequence[Split]]) -> list[dict[str, Predicted]]:
        return cross_fit(
            self._arm_nuisances(sample) if self._is_binary else self._dose_nuisances(sample),
            sample.W,
            splits,
            weight=sample.fit_weight,
            n_jobs=self.n_jobs,
            seed=self._seed,
        )

    def _arm_nuisances(self, sample: Sample) -> dict[str, Nuisance]:
        outcome = regressor(self.outcome_model, sample.W)
        propensity = classifier(self.propensity_model, sample.W)
        if not is_classifier(propensity):
            raise DataError(f"`propensity_model` must be a classifier, got {type(propensity).__name__}")
        return {
            "outcome of controls": Nuisance(outcome, sample.y, sample.t == 0),
            "outcome of treated": Nuisance(outcome, sample.y, sample.t == 1),
            "propensity": Nuisance(propensity, sample.t),
        }

    def _dose_nuisances(self, sample: Sample) -> dict[str, Nuisance]:
        model = self.propensity_model
        if not isinstance(model, str) and is_classifier(model):
            raise DataError("the treatment is a dose; `propensity_model` must be a regressor of it")
        return {
            "outcome": Nuisance(regressor(self.outcome_model, sample.W), sample.y),
            "dose": Nuisance(regressor(model, sample.W), sample.t),
        }

    def _read_overlap(self, sample: Sample) -> None:
        parts = [
            overlap_of(
                rep["propensity"].values,
                sample.t,
                sample.W,
                sample.weight,
                self.min_propensity,
                sample.names,
            )
            for rep in self._repetitions
        ]
        self._propensities = [e for e, _ in parts]
        self.overlap_: Overlap = parts[0][1]

    # --- what the effects are read from -------------------------------------------------------------

    def _available(self) -> tuple[str, ...]:
        return self._estimands if self._is_binary else ("ate",)

    def _messages(self) -> tuple[str, ...]:
        return self.overlap_.messages if self._is_binary else ()

    def _outcomes(self, rep: int) -> tuple[Array, Array]:
        predicted = self._repetitions[rep]
        return predicted["outcome of controls"].values, predicted["outcome of treated"].values

    def _scores(self, estimand: str) -> list[LinearScore]:
        sample = self._sample
        if not self._is_binary:
            return [
                partial_score(sample.y, sample.t, rep["outcome"].values, rep["dose"].values)
                for rep in self._repetitions
            ]
        return [self._arm_score(estimand, *self._outcomes(k), e) for k, e in enumerate(self._propensities)]

    def _arm_score(self, estimand: str, mu0: Array, mu1: Array, e: Array) -> LinearScore:
        return aipw_score(estimand, self._sample.y, self._sample.t, mu0, mu1, e)

    def _at(self, name: str, W: Array) -> Array:
        """Return a nuisance at new rows, averaged over folds and repetitions."""
        W = W if W.shape[1] else np.ones((len(W), 1))
        found: list[Predicted] = [rep[name] for rep in self._repetitions]
        return np.asarray(np.mean([part.at(W) for part in found], axis=0))

    def _center(self, W: Array) -> tuple[Array, Array]:
        if not self._is_binary:
            return self._at("outcome", W), self._at("dose", W)
        m = self._at("propensity", W)
        return (1 - m) * self._at("outcome of controls", W) + m * self._at("outcome of treated", W), m

    def predict_outcome(self, X: Any, treatment: Any) -> Array:
        """Return the mean outcome that each row would have under a treatment.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        treatment : scalar or array of shape (n_rows,)
            The arm, or the dose, of all rows or of each.

        Returns
        -------
        array of shape (n_rows,)
            Predicted means.
        """
        W = self._covariates(X)
        t = self._coded(np.broadcast_to(np.asarray(treatment), (len(W),)))
        if self._is_binary:
            mu0, mu1 = self._at("outcome of controls", W), self._at("outcome of treated", W)
            return np.where(t == 1, mu1, mu0)
        ell, m = self._center(W)
        return np.asarray(ell + self._predict(W) * (t - m))
