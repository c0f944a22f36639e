"""G-computation: the difference of outcome models, averaged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._contrast import Contrast
from causalrep.estimators._crossfit import Nuisance
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._learners import classifier, regressor
from causalrep.estimators._scores import LinearScore, Projection, aipw_score, pseudo_score, with_intercept

__all__ = ["GComputation"]

Array = NDArray[np.float64]


class GComputation(AdjustingEstimator):
    """Estimate average effects as the mean difference of outcome models (standardisation).

    It is right where the outcome models are. It assumes that the covariates block all back-door paths. The
    propensity model serves diagnostics, and the intervals of outcome models other than ``"auto"``.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    reference : scalar, default=None
        The arm that the others are compared with, see `AIPW`.
    outcome_model : {"auto", "linear"} or estimator, default="auto"
        With ``"auto"``, least squares in each arm, fitted to all rows, with the sandwich variance. Any other
        model is cross-fitted; the interval is that of the efficient score, and as no plug-in is free of
        the bias of its model, the `warnings` of the result say so.
    propensity_model : {"auto", "linear"} or classifier, default="auto"
        See `AIPW`.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Notes
    -----
    Without covariates it is the difference of means of the arms. Least squares in both arms is also
    regression with all interactions of treatment and centred covariates [1]_.

    References
    ----------
    .. [1] W. Lin, "Agnostic notes on regression adjustments to experimental data", Annals of Applied
       Statistics 7, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import GComputation
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(500, 1))
    >>> t = (rng.random(500) < 1 / (1 + np.exp(-z[:, 0] / 2))).astype(int)
    >>> y = 2 * t + z[:, 0] + rng.normal(size=500)
    >>> low, high = GComputation(random_state=0).fit(z, y, treatment=t).ate().ci
    >>> bool(low < 2 < high)
    True
    """

    _estimands = ("ate", "att", "atc")

    @property
    def _is_parametric(self) -> bool:
        return isinstance(self.outcome_model, str) and self.outcome_model == "auto"

    def _arm_nuisances(self, sample: Sample) -> dict[str, Nuisance]:
        if not self._is_parametric:
            return super()._arm_nuisances(sample)
        return {"propensity": Nuisance(classifier(self.propensity_model, sample.W), sample.t)}

    def _several_nuisances(self, sample: Sample, treatment: Treatment) -> dict[str, Nuisance]:
        found = super()._several_nuisances(sample, treatment)
        if not self._is_parametric:
            return found
        return {name: nuisance for name, nuisance in found.items() if not name.startswith("outcome")}

    def _messages(self) -> tuple[str, ...]:
        if not self._is_binary or self._is_parametric:
            return super()._messages()
        return (
            *super()._messages(),
            "the estimate carries the bias of the outcome model, which no interval shows; AIPW corrects it",
        )

    def _arm_fits(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Return, for both arms, the coefficients of least squares and their influence function."""
        sample = self._sample
        design = with_intercept(sample.W)
        fits = []
        for arm in (self._compared[0].in0, self._compared[0].in1):
            weight = sample.weight * arm
            inverse = np.linalg.pinv(design.T @ (design * weight[:, None]) / len(arm))
            beta = inverse @ (design.T @ (weight * sample.y)) / len(arm)
            fits.append((beta, (design * (arm * (sample.y - design @ beta))[:, None]) @ inverse))
        return fits[0], fits[1]

    def _scores(self, estimand: str) -> list[LinearScore]:
        sample = self._sample
        if not self._is_binary:
            return super()._scores(estimand)
        contrast = self._compared[0]
        target = {"ate": np.ones_like(sample.t), "att": contrast.in1, "atc": contrast.in0}[estimand]
        if not self._is_parametric:
            return [
                _plug_in(estimand, sample, target, *self._outcomes(k), contrast)
                for k, contrast in enumerate(self._compared)
            ]
        (beta0, influence0), (beta1, influence1) = self._arm_fits()
        design, scale = with_intercept(sample.W), np.mean(sample.weight * target)
        tau = design @ (beta1 - beta0)
        theta = float(np.mean(sample.weight * target * tau) / scale)
        direction = design.T @ (sample.weight * target) / (len(tau) * scale)
        return [pseudo_score(theta, target * (tau - theta) / scale + (influence1 - influence0) @ direction)]

    def _projected(self, features: Array) -> Projection:
        own = self._is_binary and self._is_parametric and features.shape == self._sample.W.shape
        if not own or not np.array_equal(features, self._sample.W):
            return super()._projected(features)
        (beta0, influence0), (beta1, influence1) = self._arm_fits()
        return Projection(beta1 - beta0, (influence1 - influence0) * self._sample.weight[:, None])

    def _outcome_projection(self, treated: bool) -> Projection:
        if not self._is_parametric:
            return super()._outcome_projection(treated)
        beta, influence = self._arm_fits()[treated]
        return Projection(beta, influence * self._sample.weight[:, None])

    def _predict(self, W: Array) -> Array:
        if not self._is_binary or self._is_parametric:
            return super()._predict(W)
        return self._at("outcome of treated", W) - self._at("outcome of controls", W)

    def _at(self, name: str, W: Array) -> Array:
        if name not in ("outcome of controls", "outcome of treated") or not self._is_parametric:
            return super()._at(name, W)
        beta, _ = self._arm_fits()[name == "outcome of treated"]
        return np.asarray(with_intercept(W) @ beta)

    def _dose_nuisances(self, sample: Sample) -> dict[str, Nuisance]:
        found = super()._dose_nuisances(sample)
        model = "linear" if self._is_parametric else self.outcome_model
        return found | {"outcome": Nuisance(regressor(model, sample.W), sample.y)}


def _plug_in(
    estimand: str, sample: Sample, target: Array, mu0: Array, mu1: Array, contrast: Contrast
) -> LinearScore:
    theta = float(np.sum(sample.weight * target * (mu1 - mu0)) / np.sum(sample.weight * target))
    _, influence = aipw_score(estimand, sample.y, contrast, mu0, mu1).solve(np.ones_like(mu0))
    return pseudo_score(theta, influence - np.average(influence, weights=sample.weight))
