"""Effects where a confounder is hidden and proxies of it were measured: linear bridges."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._adjusting import DoseWarning
from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._scores import LinearScore, Projection, pseudo_score, with_intercept
from causalrep.utils import DataError

__all__ = ["ProximalEstimator", "ProximalTwoStage"]

Array = NDArray[np.float64]
Names = str | int | Sequence[str | int]

_WEAK = 10.0


class ProximalEstimator(EffectEstimator):
    """Base: reads the proxies, and says when they are weak."""

    _needs = ("treatment", "treatment_proxy", "outcome_proxy")

    def _named_roles(self, given: dict[str, Any], *, needs: tuple[str, ...]) -> dict[str, Any]:
        for role in ("treatment_proxy", "outcome_proxy"):
            if getattr(self, role) is None:
                raise DataError(
                    f"`{role}` is missing: name its column, {type(self).__name__}({role}='name'); the "
                    "proxies are columns of X"
                )
        needed = tuple(role for role in needs if role == "treatment")
        return super()._named_roles(given, needs=needed)

    def _read_proxies(self, sample: Sample, roles: dict[str, NDArray[Any]]) -> tuple[Array, Array]:
        """Return the proxies of the treatment and of the outcome, one column each."""
        found = []
        for role in ("treatment_proxy", "outcome_proxy"):
            values = np.asarray(roles[role], dtype=np.float64).reshape(len(sample.y), -1)
            if not np.isfinite(values).all():
                raise DataError(f"`{role}` contains NaN or infinity")
            found.append(values)
        if found[0].shape[1] < found[1].shape[1]:
            raise DataError(
                f"there must be at least as many treatment proxies as outcome proxies, got "
                f"{found[0].shape[1]} and {found[1].shape[1]}"
            )
        return found[0], found[1]

    def _warn_of_dose(self) -> None:
        if self._treatment_kind() == "auto":
            text = (
                "the treatment has more than two values and is read as a dose: the effect is that of one "
                "unit more; say treatment_type='continuous' if that is meant"
            )
            warnings.warn(DoseWarning(text), stacklevel=6)

    def _messages(self) -> tuple[str, ...]:
        if self.first_stage_f_ >= _WEAK:
            return ()
        return (
            f"the treatment proxies hardly predict the outcome proxies (F = {self.first_stage_f_:.1f}); the "
            "interval may be far off",
        )

    def _center(self, W: Array) -> tuple[Array, Array]:
        means = with_intercept(W) @ self._means
        return means[:, 0], means[:, 1]

    def _read_means(self, sample: Sample) -> None:
        """Fit the means of outcome and treatment given the covariates, for `score`."""
        design, root = with_intercept(sample.W), np.sqrt(sample.weight)[:, None]
        targets = np.column_stack([sample.y, sample.t])
        self._means = np.linalg.lstsq(design * root, targets * root, rcond=None)[0]


class ProximalTwoStage(ProximalEstimator):
    """Estimate average effects in spite of a hidden confounder, from two kinds of its proxies.

    A treatment proxy (negative control exposure) depends on the hidden confounder and does not affect the
    outcome; an outcome proxy (negative control outcome) depends on it and is not affected by the treatment.
    Given confounder and covariates the treatment with its proxies is independent of the outcome proxies, and
    the outcome of the treatment proxies. What the outcome owes to the confounder is carried by a linear
    function of the outcome proxies, the bridge, which is found by two-stage least squares with the treatment
    proxies as instruments [1]_ [2]_.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    treatment_proxy, outcome_proxy : str, int or sequence of them
        Columns of X with the proxies; at least as many of the treatment as of the outcome, and of the outcome
        at least as many as there are hidden confounders.
    interactions : bool, default=False
        Whether the effect may depend on covariates and outcome proxies.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        Of a dose, the effect is that of one unit more.

    Attributes
    ----------
    first_stage_f_ : float
        How well the treatment proxies predict the outcome proxies, given the rest: the smallest F statistic.

    Raises
    ------
    DataError
        If a proxy is missing, or there are too few of the treatment.

    Notes
    -----
    The influence function is that of two-stage least squares and of the average over rows together. Adjusting
    for proxies like covariates leaves bias; taken as proxies they leave none, if the bridge is linear.

    References
    ----------
    .. [1] W. Miao, Z. Geng, E. Tchetgen Tchetgen, "Identifying causal effects with proxy variables of an
       unmeasured confounder", Biometrika 105, 2018.
    .. [2] E. J. Tchetgen Tchetgen, A. Ying, Y. Cui, X. Shi, W. Miao, "An introduction to proximal causal
       inference", Statistical Science 39, 2024, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import ProximalTwoStage
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=1000)
    >>> z, w, dose = hidden[:, None].T + rng.normal(size=(3, 1000))
    >>> y = 2 * dose + 3 * hidden + rng.normal(size=1000)
    >>> X = np.column_stack([dose, z, w])
    >>> est = ProximalTwoStage(0, treatment_proxy=1, outcome_proxy=2, treatment_type="continuous")
    >>> low, high = est.fit(X, y).ate().ci
    >>> bool(low < 2 < high)
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        treatment_proxy: Names | None = None,
        outcome_proxy: Names | None = None,
        *,
        interactions: bool = False,
        treatment_type: str = "auto",
    ) -> None:
        self.treatment = treatment
        self.treatment_proxy = treatment_proxy
        self.outcome_proxy = outcome_proxy
        self.interactions = interactions
        self.treatment_type = treatment_type

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        self._is_binary = treatment.is_binary
        if not treatment.is_binary:
            self._warn_of_dose()
        z, w = self._read_proxies(sample, roles)
        self._read_means(sample)
        self._bridge = TwoStageBridge(sample, z, w, interactions=self.interactions)
        self.first_stage_f_ = _weakest_f(sample, z, w)

    def _available(self) -> tuple[str, ...]:
        return ("ate", "att", "atc") if self._is_binary else ("ate",)

    def _scores(self, estimand: str) -> list[LinearScore]:
        sample = self._sample
        target = {"ate": np.ones_like(sample.t), "att": sample.t, "atc": 1 - sample.t}[estimand]
        share = np.mean(sample.weight * target)
        theta = float(np.mean(sample.weight * target * self._bridge.effect) / share)
        gradient = self._bridge.contrast.T @ (sample.weight * target) / (len(target) * share)
        influence = target * (self._bridge.effect - theta) / share + self._bridge.influence @ gradient
        return [pseudo_score(theta, influence)]

    def _projected_by(self, estimand: str, features: Array) -> Projection:  # noqa: ARG002
        """Return the regression of the effects by the bridge, with the error of the bridge."""
        sample, bridge = self._sample, self._bridge
        design = with_intercept(features)
        weighted = design * sample.weight[:, None]
        inverse = np.linalg.pinv(weighted.T @ design / len(design), rcond=1e-10)
        beta = inverse @ (weighted.T @ bridge.effect) / len(design)
        moved = weighted.T @ bridge.contrast / len(design)
        moments = weighted * (bridge.effect - design @ beta)[:, None]
        return Projection(beta, (moments + bridge.influence @ moved.T * sample.weight[:, None]) @ inverse.T)


class TwoStageBridge:
    """A linear outcome bridge: its effect in each row, and the influence function of its coefficients.

    Attributes
    ----------
    contrast : array of shape (n, n_coefficients)
        What one unit more of the treatment adds to the features of the bridge.
    effect : array of shape (n,)
        What it adds to the bridge.
    influence : array of shape (n, n_coefficients)
        Of the coefficients, without the weights of the rows.
    """

    def __init__(self, sample: Sample, z: Array, w: Array, *, interactions: bool) -> None:
        n = len(sample.y)
        one = np.ones((n, 1))
        moved = np.column_stack([one, sample.W, w]) if interactions else one
        t = sample.t[:, None]
        features = np.column_stack([one, sample.W, w, t * moved])
        drivers = np.column_stack([one, sample.W, z]) if interactions else one
        instruments = np.column_stack([one, sample.W, z, t * drivers])
        root = np.sqrt(sample.weight)[:, None]
        first = np.linalg.lstsq(instruments * root, features * root, rcond=1e-10)[0]
        predicted = instruments @ first
        gram = predicted.T @ (predicted * sample.weight[:, None]) / n
        inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
        coefficients = inverse @ (predicted.T @ (sample.weight * sample.y)) / n
        self.contrast = np.column_stack([np.zeros((n, features.shape[1] - moved.shape[1])), moved])
        self.effect = self.contrast @ coefficients
        left = sample.y - features @ coefficients
        self.influence = (predicted * left[:, None]) @ inverse


def _weakest_f(sample: Sample, z: Array, w: Array) -> float:
    """Return the smallest F statistic of the treatment proxies for an outcome proxy, given the rest."""
    root = np.sqrt(sample.weight)[:, None]
    design = np.column_stack([np.ones(len(sample.t)), sample.t, sample.W]) * root
    both = np.column_stack([z, w]) * root
    left = both - design @ np.linalg.lstsq(design, both, rcond=None)[0]
    drivers, targets = left[:, : z.shape[1]], left[:, z.shape[1] :]
    fitted = drivers @ np.linalg.lstsq(drivers, targets, rcond=None)[0]
    dof = len(design) - design.shape[1] - z.shape[1]
    explained, rest = np.sum(fitted**2, axis=0), np.sum((targets - fitted) ** 2, axis=0)
    if dof < 1:
        raise DataError(f"there are {len(design)} rows for {design.shape[1] + z.shape[1]} coefficients")
    if not explained.any():
        raise DataError("the treatment proxies do not predict the outcome proxies at all")
    return float(np.min(explained / z.shape[1] / np.maximum(rest / dof, 1e-300)))
