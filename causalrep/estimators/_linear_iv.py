"""What linear estimators with instruments share: they differ in what stands in for the treatment."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._iv_tests import (
    Partialled,
    SpecificationTest,
    WeakInstrumentTest,
    anderson_rubin_set,
    endogeneity_test,
    first_stage_f,
    overidentification_test,
    weak_instrument_test,
)
from causalrep.estimators._scores import LinearScore, Projection, with_intercept
from causalrep.utils import DataError, UnknownNameError

__all__ = ["LinearIV"]

Array = NDArray[np.float64]

_COVARIANCES = ("nonrobust", "HC0", "HC1", "HC2", "HC3")


class LinearIV(EffectEstimator):
    """Base: the estimate is ``probe @ y / probe @ t``, where a subclass makes the probe."""

    _uses = ("treatment", "instrument", "cluster")
    _needs = ("treatment", "instrument")
    _estimands = ("ate",)

    def __init__(
        self,
        treatment: str | int | None = None,
        instrument: str | int | Sequence[str | int] | None = None,
        *,
        covariance: str = "HC1",
    ) -> None:
        self.treatment = treatment
        self.instrument = instrument
        self.covariance = covariance

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:  # noqa: ARG002
        if self.covariance not in _COVARIANCES:
            raise UnknownNameError(self.covariance, _COVARIANCES, what="`covariance`")
        Z = np.asarray(roles["instrument"], dtype=np.float64)
        Z = Z.reshape(len(Z), -1)
        if len(Z) != len(sample.y) or not np.isfinite(Z).all():
            raise DataError(f"`instrument` must have {len(sample.y)} finite rows, got shape {Z.shape}")
        root = np.sqrt(sample.weight)[:, None]
        design = with_intercept(sample.W)
        targets = np.column_stack([sample.y, sample.t, Z])
        coefficients = np.linalg.lstsq(design * root, targets * root, rcond=None)[0]
        rest = targets - design @ coefficients
        self._means = coefficients[:, :2]
        self._y, self._t = rest[:, 0], rest[:, 1]
        y, t, z = rest[:, 0] * root[:, 0], rest[:, 1] * root[:, 0], rest[:, 2:] * root
        if (np.sum(z**2, axis=0) <= 1e-12 * np.maximum(1, np.sum(Z**2, axis=0))).any():
            raise DataError("an instrument is constant, or a combination of the covariates")
        data = Partialled(
            y,
            t,
            z,
            _leverage(design * root),
            int(np.linalg.matrix_rank(design)),
            sample.cluster,
            self.covariance,
        )
        if data.dof < 1:
            raise DataError(
                f"there are {len(y)} rows for {len(y) - data.dof} coefficients of the first stage"
            )
        fitted = z @ (np.linalg.pinv(z) @ t)
        if fitted @ fitted <= 1e-14 * np.sum(sample.weight * sample.t**2):
            raise DataError("the instruments do not move the treatment at all; nothing can be estimated")
        self._data = data
        self.first_stage_f_ = first_stage_f(data)
        self.effective_f_ = weak_instrument_test(data, 0.1, 0.05).effective_f
        self._probe = np.divide(
            self._make_probe(data, fitted), root[:, 0], out=np.zeros(len(y)), where=root[:, 0] > 0
        )

    @abstractmethod
    def _make_probe(self, data: Partialled, fitted: Array) -> Array:
        """Return what stands in for the treatment, given what the instruments explain of it."""

    def _scores(self, estimand: str) -> list[LinearScore]:  # noqa: ARG002
        return [LinearScore(self._probe * self._y, self._probe * self._t)]

    def _combined(self, estimand: str, mask: NDArray[np.bool_] | None = None) -> tuple[float, Array, float]:
        if mask is not None:
            return super()._combined(estimand, mask)
        weight, data = self._sample.weight, self._data
        theta, influence = self._scores(estimand)[0].solve(weight)
        n, k = len(influence), data.n_controls + 1
        if data.cluster is not None:
            variance = data.cluster_factor(k) * float(np.sum(data.summed(influence) ** 2)) / n**2
            return theta, influence, float(np.sqrt(variance))
        if self.covariance == "nonrobust":
            squares = float(np.sum((data.y - theta * data.t) ** 2)) / (n - k)
            slope = float(np.sum(weight * self._probe * self._t))
            return theta, influence, float(np.sqrt(squares * self._bread() / slope**2))
        moved = weight * self._probe**2
        scale = data.scale(data.leverage + moved / moved.sum(), k)
        return theta, influence, float(np.sqrt(np.sum((influence * scale) ** 2)) / n)

    def _bread(self) -> float:
        """Return the sum of squares of the probe, which errors of equal variance are multiplied with."""
        return float(np.sum(self._sample.weight * self._probe**2))

    def _messages(self) -> tuple[str, ...]:
        if self.effective_f_ >= 10:
            return ()
        return (f"the instruments are weak: F = {self.effective_f_:.1f}; see anderson_rubin()",)

    # --- tests ---------------------------------------------------------------------------------------

    def anderson_rubin(self, *, alpha: float = 0.05) -> tuple[tuple[float, float], ...]:
        """Return the Anderson–Rubin confidence set, which holds its level however weak the instruments are.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the set.

        Returns
        -------
        tuple of (float, float)
            Disjoint intervals in increasing order: one, several that reach to infinity, all numbers, or none,
            which rejects that the instruments are valid.

        Notes
        -----
        The effects at which the instruments explain nothing of ``y - effect * t`` by an F test with the
        covariance asked for, clusters included. The limits are eigenvalues; no grid is searched.
        """
        self._result("ate", alpha)
        return anderson_rubin_set(self._data, alpha)

    def weak_instruments(self, *, tolerance: float = 0.1, alpha: float = 0.05) -> WeakInstrumentTest:
        """Return the effective F statistic and the value that it must exceed.

        Parameters
        ----------
        tolerance : float in (0, 1), default=0.1
            Largest bias of two-stage least squares that is tolerated, as a share of the worst case.
        alpha : float in (0, 1), default=0.05
            Level of the test that the bias is larger.

        Returns
        -------
        WeakInstrumentTest
            The simplified generalised test of Montiel Olea and Pflueger.
        """
        self._result("ate", alpha)
        return weak_instrument_test(self._data, tolerance, alpha)

    def overidentification(self) -> SpecificationTest:
        """Return the test that all instruments tell the same effect.

        Returns
        -------
        SpecificationTest
            Sargan's where errors of equal variance are assumed, else Hansen's J of two-step GMM. Rejection
            says that an instrument is invalid, or that effects differ; instruments wrong alike pass.
        """
        self._result("ate", 0.05)
        return overidentification_test(self._data)

    def endogeneity(self) -> SpecificationTest:
        """Return the test of Durbin, Wu and Hausman that the treatment is not confounded.

        Returns
        -------
        SpecificationTest
            An F test of the residual of the first stage in the regression of the outcome.
        """
        self._result("ate", 0.05)
        return endogeneity_test(self._data)

    def _projected_by(self, estimand: str, features: Array) -> Projection:
        theta, influence, se = self._combined(estimand)
        zeros = np.zeros(features.shape[1])
        spread = float(np.std(influence, ddof=1) / np.sqrt(len(influence)))
        scaled = influence * (se / spread if self._sample.cluster is None else 1.0)
        others = np.zeros((len(influence), features.shape[1]))
        return Projection(np.concatenate([[theta], zeros]), np.column_stack([scaled, others]))

    def _center(self, W: Array) -> tuple[Array, Array]:
        means = with_intercept(W) @ self._means
        return means[:, 0], means[:, 1]


def _leverage(design: Array) -> Array:
    """Return the diagonal of the projection on the columns."""
    left, values, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray(np.sum(left[:, values > 1e-10 * values[0]] ** 2, axis=1))
