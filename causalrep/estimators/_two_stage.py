"""Two-stage least squares, with what tells a strong instrument from a weak one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._scores import LinearScore, Projection, with_intercept
from causalrep.utils import DataError, UnknownNameError

__all__ = ["TwoStageLeastSquares"]

Array = NDArray[np.float64]

_COVARIANCES = ("nonrobust", "HC0", "HC1", "HC2", "HC3")


class TwoStageLeastSquares(EffectEstimator):
    """Estimate a linear effect by two-stage least squares.

    It assumes that the instruments act on the outcome through the treatment alone, that the covariates block
    whatever they share with it, that they move the treatment, and that the effect is linear; where effects
    differ it is an average over those that the instruments move. The treatment is the only endogenous
    variable.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    instrument : str, int or list of them, default=None
        The same for the instruments; `fit` takes an array of shape (n_samples,) or (n_samples,
        n_instruments).
    covariance : {"HC1", "HC0", "HC2", "HC3", "nonrobust"}, default="HC1"
        Standard errors, robust to unequal variances or not. Clusters given to `fit` come first.

    Attributes
    ----------
    first_stage_f_ : float
        F statistic of the instruments in the first stage, with the covariance asked for. With one instrument
        the robust one is the effective F of Montiel Olea and Pflueger. Below 10 the interval of `ate` cannot
        be trusted, and its `warnings` say so; `anderson_rubin` can.
    arms_ : array of shape (2,)
        The values of the treatment, where there are two.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates, which serve as their own instruments.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for roles that are missing or given twice, for instruments that do not move the treatment.

    Notes
    -----
    Covariates are partialled out first (Frisch–Waugh–Lovell); `score` uses the residuals.

    References
    ----------
    .. [1] J. M. Wooldridge, "Econometric Analysis of Cross Section and Panel Data", 2nd ed., MIT Press, 2010,
       chapter 5.
    .. [2] J. Montiel Olea, C. Pflueger, "A robust test for weak instruments", Journal of Business & Economic
       Statistics 31, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import TwoStageLeastSquares
    >>> rng = np.random.default_rng(0)
    >>> hidden, z = rng.normal(size=(2, 1000))
    >>> dose = z + hidden
    >>> y = 2 * dose - 3 * hidden + rng.normal(size=1000)
    >>> X = np.column_stack([dose, z])
    >>> low, high = TwoStageLeastSquares(treatment=0, instrument=1).fit(X, y).ate().ci
    >>> bool(low < 2 < high)
    True
    """

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
        residuals = targets - design @ coefficients
        self._means = coefficients[:, :2]
        self._y, self._t, self._z = residuals[:, 0], residuals[:, 1], residuals[:, 2:]
        gram = self._z.T @ (self._z * sample.weight[:, None])
        spread = np.diag(gram) > 1e-12 * np.maximum(1, np.sum(Z**2, axis=0))
        if not spread.all():
            raise DataError("an instrument is constant, or a combination of the covariates")
        self._gamma = np.linalg.pinv(gram) @ (self._z.T @ (sample.weight * self._t))
        self._fitted = self._z @ self._gamma
        if np.sum(sample.weight * self._fitted**2) <= 1e-14 * np.sum(sample.weight * sample.t**2):
            raise DataError("the instruments do not move the treatment at all; nothing can be estimated")
        self._leverage = _leverage(design * root)
        self._n_controls = int(np.linalg.matrix_rank(design))
        self.first_stage_f_ = self._first_stage()

    def _scores(self, estimand: str) -> list[LinearScore]:  # noqa: ARG002
        return [LinearScore(self._fitted * self._y, self._fitted * self._t)]

    def _combined(self, estimand: str, mask: NDArray[np.bool_] | None = None) -> tuple[float, Array, float]:
        if mask is not None:
            return super()._combined(estimand, mask)
        sample = self._sample
        theta, influence = self._scores(estimand)[0].solve(sample.weight)
        n, k = len(influence), self._n_controls + 1
        total = float(np.sum(sample.weight * self._fitted**2))
        if sample.cluster is not None:
            sums = np.bincount(sample.cluster, weights=influence)
            factor = len(sums) / (len(sums) - 1) * (n - 1) / (n - k)
            return theta, influence, float(np.sqrt(factor * np.sum(sums**2)) / n)
        if self.covariance == "nonrobust":
            squares = float(np.sum(sample.weight * (self._y - theta * self._t) ** 2))
            return theta, influence, float(np.sqrt(squares / (n - k) / total))
        scale = self._scale(self._leverage + sample.weight * self._fitted**2 / total, n, k)
        return theta, influence, float(np.sqrt(np.sum((influence * scale) ** 2)) / n)

    def _scale(self, leverage: Array, n: int, k: int) -> Array:
        """Return the factors of the residuals: White's corrections for small samples."""
        rest = np.clip(1 - leverage, 1e-12, None)
        return {
            "HC0": np.ones(n),
            "HC1": np.full(n, np.sqrt(n / (n - k))),
            "HC2": 1 / np.sqrt(rest),
            "HC3": 1 / rest,
        }[self.covariance]

    def _first_stage(self) -> float:
        sample = self._sample
        n, q = self._z.shape
        dof = n - self._n_controls - q
        if dof < 1:
            raise DataError(f"there are {n} rows for {self._n_controls + q} coefficients of the first stage")
        inverse = np.linalg.pinv(self._z.T @ (self._z * sample.weight[:, None]))
        residual = self._t - self._fitted
        if self.covariance == "nonrobust" and sample.cluster is None:
            covariance = inverse * np.sum(sample.weight * residual**2) / dof
        else:
            moments = self._z * (sample.weight * residual)[:, None]
            if sample.cluster is not None:
                sums = np.zeros((int(sample.cluster.max()) + 1, q))
                np.add.at(sums, sample.cluster, moments)
                factor = len(sums) / (len(sums) - 1) * (n - 1) / dof
                covariance = inverse @ (sums.T @ sums) @ inverse * factor
            else:
                leverage = self._leverage + sample.weight * np.einsum(
                    "ij,jk,ik->i", self._z, inverse, self._z
                )
                moments = moments * self._scale(leverage, n, self._n_controls + q)[:, None]
                covariance = inverse @ (moments.T @ moments) @ inverse
        return float(self._gamma @ np.linalg.pinv(covariance) @ self._gamma / q)

    def _messages(self) -> tuple[str, ...]:
        if self.first_stage_f_ >= 10:
            return ()
        return (f"the instruments are weak: F = {self.first_stage_f_:.1f}; see anderson_rubin()",)

    def anderson_rubin(self, *, alpha: float = 0.05) -> tuple[tuple[float, float], ...]:
        """Return the Anderson–Rubin confidence set, which holds its level however weak the instruments are.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the set.

        Returns
        -------
        tuple of (float, float)
            Disjoint intervals in increasing order: one, two that reach to infinity, all numbers, or none,
            which rejects that the instruments are valid. Errors of equal variance are assumed.

        Notes
        -----
        The effects at which the instruments explain nothing of ``y - effect * t`` by an F test; the limits
        are the roots of a quadratic.
        """
        self._result("ate", alpha)
        weight = self._sample.weight
        n, q = self._z.shape
        dof = n - self._n_controls - q
        bound = q / dof * float(stats.f.isf(alpha, q, dof))
        pair = np.column_stack([self._t, self._y]) * np.sqrt(weight)[:, None]
        z = self._z * np.sqrt(weight)[:, None]
        explained = pair.T @ z @ np.linalg.pinv(z.T @ z) @ z.T @ pair
        form = explained - bound * (pair.T @ pair - explained)
        return _at_most_zero(form[0, 0], -2 * form[0, 1], form[1, 1])

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


def _at_most_zero(a: float, b: float, c: float) -> tuple[tuple[float, float], ...]:
    """Return where ``a x^2 + b x + c <= 0``, as disjoint intervals."""
    inside = b * b - 4 * a * c
    if inside < 0:
        return () if a > 0 else ((-np.inf, np.inf),)
    low, high = sorted((-b + sign * float(np.sqrt(inside))) / (2 * a) for sign in (-1, 1))
    return ((low, high),) if a > 0 else ((-np.inf, low), (high, np.inf))
