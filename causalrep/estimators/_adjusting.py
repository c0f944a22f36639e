"""Estimators that adjust for covariates by nuisance models, cross-fitted for all estimands at once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._contrast import Contrast, probabilities
from causalrep.estimators._crossfit import Nuisance, Predicted, Split, cross_fit, make_splits
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._learners import classifier, regressor
from causalrep.estimators._overlap import Overlap, overlap_of, within
from causalrep.estimators._result import EffectResult
from causalrep.estimators._scores import (
    LinearScore,
    Projection,
    aipw_score,
    middle_of,
    partial_score,
    project,
)
from causalrep.estimators._several_arms import (
    averaging,
    learning,
    others_of,
    outcome_name,
    overlap_with,
    pair_name,
    tables_of,
)
from causalrep.utils import DataError, as_seed

__all__ = ["AdjustingEstimator", "DoseWarning"]

Array = NDArray[np.float64]


class DoseWarning(UserWarning):
    """A treatment of many values was read as a dose."""


class AdjustingEstimator(EffectEstimator):
    """Base: cross-fitted nuisances of a treatment with two arms, or of a dose by partialling out."""

    _uses: tuple[str, ...] = ("treatment", "time", "cluster")
    _nuisances: tuple[str, ...] = ("outcome_model", "propensity_model")
    _given: tuple[list[dict[str, Predicted]], list[Array], Overlap] | None = None
    """Nuisances that were fitted for all arms of a treatment, with overlap; else they are fitted here."""
    overlap_: Overlap

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        reference: Any = None,
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
        self.reference = reference
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
                    "unit more, by partialling out; say treatment_type='continuous' if that is meant, or "
                    "'categorical' if the values are arms"
                ),
                stacklevel=4,
            )
        self._seed = as_seed(self.random_state)
        if self._given is not None:
            self._repetitions, self._propensities, self.overlap_ = self._given
            self._compared = [Contrast.of_two(sample.t, e) for e in self._propensities]
            return
        self._splits = self._drawn_splits(sample, sample.t.astype(np.intp) if treatment.is_binary else None)
        self._repetitions = self._cross_fitted(sample, self._splits)
        if treatment.is_binary:
            self._read_overlap(sample)

    def _drawn_splits(self, sample: Sample, strata: NDArray[np.intp] | None) -> list[list[Split]]:
        return make_splits(
            self.cv,
            len(sample.y),
            strata=strata,
            groups=sample.cluster,
            n_rep=int(self.n_rep),
            seed=self._seed,
            time=sample.time,
        )

    # --- several arms -------------------------------------------------------------------------------

    def _compares_several(self) -> bool:
        return True

    def _fit_several(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:  # noqa: ARG002
        self._is_binary = False
        self._seed = as_seed(self.random_state)
        self._splits = self._drawn_splits(sample, sample.t.astype(np.intp))
        self._repetitions = cross_fit(
            self._several_nuisances(sample, treatment),
            sample.W,
            self._splits,
            weight=sample.fit_weight,
            n_jobs=self.n_jobs,
            seed=self._seed,
        )
        self._refit_pairs(sample, treatment)
        raw, tables = tables_of(self._repetitions, treatment, self.min_propensity)
        self.overlaps_: dict[str, Overlap] = {}
        averages = []
        for arm, name in zip(others_of(treatment), self.contrasts_, strict=True):
            one = averaging(self, treatment, arm, tables)
            pair = one._repetitions[0]["propensity"].values
            one.overlap_ = overlap_with(sample, arm, pair, raw[0], tables[0], self.min_propensity)
            self.overlaps_[name] = one.overlap_
            averages.append(one)
        self._contrasts = tuple(averages)
        if type(self)._predict is EffectEstimator._predict:  # effects given covariates follow from the scores
            self._learners = tuple((one, np.arange(len(sample.y))) for one in averages)
        else:
            arms = others_of(treatment)
            self._learners = tuple(learning(self, one, k) for k, one in zip(arms, averages, strict=True))

    def _several_nuisances(self, sample: Sample, treatment: Treatment) -> dict[str, Nuisance]:
        """Return the outcome of each arm, and the probability of each against the reference."""
        outcome, propensity = regressor(self.outcome_model, sample.W), self._propensity(sample)
        member = np.equal.outer(np.arange(len(np.asarray(treatment.arms))), sample.t)
        found = {
            outcome_name(treatment, arm): Nuisance(outcome, sample.y, rows) for arm, rows in enumerate(member)
        }
        for arm in others_of(treatment):
            target, rows = member[arm].astype(np.float64), member[0] | member[arm]
            found[pair_name(treatment, arm)] = Nuisance(propensity, target, rows)
        return found

    def _refit_pairs(self, sample: Sample, treatment: Treatment) -> None:
        """Change the probabilities of each arm against the reference, where they are not cross-fitted."""

    # --- two arms, or a dose ------------------------------------------------------------------------

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
        return {
            "outcome of controls": Nuisance(outcome, sample.y, sample.t == 0),
            "outcome of treated": Nuisance(outcome, sample.y, sample.t == 1),
            "propensity": Nuisance(self._propensity(sample), sample.t),
        }

    def _propensity(self, sample: Sample) -> Any:
        found = classifier(self.propensity_model, sample.W)
        if not is_classifier(found):
            raise DataError(f"`propensity_model` must be a classifier, got {type(found).__name__}")
        return found

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
        self._compared = [Contrast.of_two(sample.t, e) for e in self._propensities]
        self.overlap_ = parts[0][1]

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
        return [
            self._arm_score(estimand, *self._outcomes(k), contrast)
            for k, contrast in enumerate(self._compared)
        ]

    def _arm_score(self, estimand: str, mu0: Array, mu1: Array, contrast: Contrast) -> LinearScore:
        return aipw_score(estimand, self._sample.y, contrast, mu0, mu1)

    def _at(self, name: str, W: Array) -> Array:
        """Return a nuisance at new rows, averaged over folds and repetitions."""
        W = W if W.shape[1] else np.ones((len(W), 1))
        found: list[Predicted] = [rep[name] for rep in self._repetitions]
        return np.asarray(np.mean([part.at(W) for part in found], axis=0))

    def _center(self, W: Array) -> tuple[Array, Array]:
        if self._contrasts:
            pairs = np.column_stack([one._at("propensity", W) for one in self._averages()])
            e = probabilities(within(pairs, self.min_propensity))
            return np.sum(e * self._arm_means(W), axis=1), e[:, 1:]
        if not self._is_binary:
            return self._at("outcome", W), self._at("dose", W)
        m = self._at("propensity", W)
        return (1 - m) * self._at("outcome of controls", W) + m * self._at("outcome of treated", W), m

    def _averages(self) -> tuple[AdjustingEstimator, ...]:
        return cast("tuple[AdjustingEstimator, ...]", self._contrasts)

    def _arm_means(self, W: Array) -> Array:
        """Return the mean outcome under each arm, of shape (n_rows, n_arms)."""
        each = self._averages() or (self,)
        treated = [one._at("outcome of treated", W) for one in each]
        return np.column_stack([each[0]._at("outcome of controls", W), *treated])

    def predict_outcome(
        self, X: Any, treatment: Any, *, interval: bool = False, alpha: float = 0.05
    ) -> Array | EffectResult:
        """Return the mean outcome that each row would have under a treatment.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        treatment : scalar or array of shape (n_rows,)
            The arm, or the dose, of all rows or of each.
        interval : bool, default=False
            Whether to return the best linear projection of the mean outcome on the covariates, which has an
            interval whatever the outcome model is. Not for a dose.
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        array of shape (n_rows,) or EffectResult
            Predicted means of the outcome models; with `interval` the projection of their doubly robust
            scores, with HC3 standard errors and an influence of shape (n_samples, n_rows).
        """
        W = self._covariates(X)
        t = self._coded(np.broadcast_to(np.asarray(treatment), (len(W),)))
        has_arms = self._is_binary or bool(self._contrasts)
        if interval and not has_arms:
            raise DataError("the treatment is a dose; `DoseResponse` has intervals of mean outcomes")
        if interval:
            return self._projected_outcome(W, t.astype(np.intp), alpha)
        if has_arms:
            return np.take_along_axis(self._arm_means(W), t.astype(np.intp)[:, None], axis=1)[:, 0]
        ell, m = self._center(W)
        return np.asarray(ell + self._predict(W) * (t - m))

    def _projected_outcome(self, W: Array, arms: NDArray[np.intp], alpha: float) -> EffectResult:
        estimate, influence = np.zeros(len(W)), np.zeros((len(self._sample.y), len(W)))
        for arm in np.unique(arms):
            rows = arms == arm
            one = (self._averages() or (self,))[max(0, arm - 1)]
            estimate[rows], influence[:, rows] = one._outcome_projection(bool(arm > 0)).at(
                self._filled(W[rows])
            )
        return self._pack(estimate, influence, alpha, "mean outcome at each row, linear")

    def _outcome_projection(self, treated: bool) -> Projection:
        """Return the projection of the mean outcome of one of two arms on the covariates."""
        sample = self._sample
        parts = []
        for rep, two in enumerate(self._compared):
            mu = self._outcomes(rep)[treated]
            member, e = (two.in1, two.e1) if treated else (two.in0, two.e0)
            score = LinearScore(mu + member * (sample.y - mu) / e, np.ones_like(mu))
            parts.append(project(score, self._filled(sample.W), sample.weight))
        return middle_of(parts)
