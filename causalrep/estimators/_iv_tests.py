"""What tells strong instruments from weak, and valid from invalid, once covariates are partialled out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from causalrep.utils import DataError

__all__ = [
    "Partialled",
    "SpecificationTest",
    "WeakInstrumentTest",
    "anderson_rubin_set",
    "endogeneity_test",
    "first_stage_f",
    "moment_covariance",
    "overidentification_test",
    "weak_instrument_test",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SpecificationTest:
    """A test of what an estimate rests on.

    Parameters
    ----------
    statistic : float
        The statistic.
    pvalue : float
        A small one speaks against what is tested; a large one does not prove it.
    dof : int
        Degrees of freedom of the statistic.
    """

    statistic: float
    pvalue: float
    dof: int


@dataclass(frozen=True)
class WeakInstrumentTest:
    """The effective F statistic beside what it must exceed.

    Parameters
    ----------
    effective_f : float
        The statistic of Montiel Olea and Pflueger.
    critical_value : float
        Instruments below it may be weak.
    dof : float
        Effective number of instruments.
    """

    effective_f: float
    critical_value: float
    dof: float

    @property
    def is_weak(self) -> bool:
        """Whether weak instruments cannot be ruled out."""
        return self.effective_f < self.critical_value


@dataclass(frozen=True)
class Partialled:
    """Outcome, treatment and instruments less what covariates explain, times the roots of the weights.

    Parameters
    ----------
    y, t : array of shape (n,)
        Outcome and treatment.
    z : array of shape (n, q)
        Instruments.
    leverage : array of shape (n,)
        That of the covariates.
    n_controls : int
        Rank of the covariates with the intercept.
    cluster : array of shape (n,), optional
        Clusters as 0, 1, 2, ...
    covariance : str
        The kind of covariance.
    """

    y: Array
    t: Array
    z: Array
    leverage: Array
    n_controls: int
    cluster: NDArray[np.intp] | None
    covariance: str

    @property
    def dof(self) -> int:
        """Degrees of freedom of the reduced form."""
        return len(self.y) - self.n_controls - int(self.z.shape[1])

    def scale(self, leverage: Array, k: int) -> Array:
        """Return the factors of residuals: White's corrections for small samples."""
        n, rest = len(self.y), np.clip(1 - leverage, 1e-12, None)
        return {
            "HC0": np.ones(n),
            "HC1": np.full(n, np.sqrt(n / (n - k))),
            "HC2": 1 / np.sqrt(rest),
            "HC3": 1 / rest,
        }[self.covariance]

    def cluster_factor(self, k: int) -> float:
        """Return the correction of clustered covariances for small samples."""
        n, g = len(self.y), int(self.cluster.max()) + 1 if self.cluster is not None else 0
        return g / (g - 1) * (n - 1) / (n - k)

    def summed(self, moments: Array) -> Array:
        """Return moments added up in clusters, or as they are."""
        if self.cluster is None:
            return moments
        sums = np.zeros((int(self.cluster.max()) + 1, *moments.shape[1:]))
        np.add.at(sums, self.cluster, moments)
        return sums

    def reduced_form(self) -> tuple[Array, Array]:
        """Return the coefficients of the instruments for (y, t), of shape (2, q), and their covariance.

        The covariance has shape (2, 2, q, q): one block for each pair of equations.
        """
        gram = self.z.T @ self.z
        inverse = np.linalg.pinv(gram)
        pair = np.column_stack([self.y, self.t])
        coefficients = inverse @ (self.z.T @ pair)
        residual = pair - self.z @ coefficients
        if self.covariance == "nonrobust" and self.cluster is None:
            return coefficients.T, np.multiply.outer(residual.T @ residual / self.dof, inverse)
        k = self.n_controls + self.z.shape[1]
        moments = residual[:, :, None] * self.z[:, None, :]
        if self.cluster is not None:
            moments = self.summed(moments) * np.sqrt(self.cluster_factor(k))
        else:
            leverage = self.leverage + np.einsum("ij,jk,ik->i", self.z, inverse, self.z)
            moments = moments * self.scale(leverage, k)[:, None, None]
        moments = moments @ inverse
        return coefficients.T, np.einsum("iap,ibq->abpq", moments, moments)


def first_stage_f(data: Partialled) -> float:
    """Return the F statistic of the instruments in the first stage."""
    coefficients, covariance = data.reduced_form()
    gamma = coefficients[1]
    if _is_exact(data, gamma, float(np.trace(data.z.T @ data.z @ covariance[1, 1]))):
        return math.inf
    return float(gamma @ np.linalg.pinv(covariance[1, 1]) @ gamma / len(gamma))


def _is_exact(data: Partialled, gamma: Array, variance: float) -> bool:
    """Say whether the instruments give the treatment without error, as one does that is the treatment."""
    return variance <= 1e-20 * float(np.square(data.z @ gamma).sum())


def weak_instrument_test(data: Partialled, tolerance: float, alpha: float) -> WeakInstrumentTest:
    """Return the effective F statistic and the critical value of the simplified generalised test."""
    if not 0 < tolerance < 1 or not 0 < alpha < 1:
        raise DataError(f"`tolerance` and `alpha` must be in (0, 1), got {tolerance} and {alpha}")
    coefficients, covariance = data.reduced_form()
    gram = data.z.T @ data.z
    gamma = coefficients[1]
    root = linalg.sqrtm(gram).real  # in orthonormal instruments, as in the paper
    spread = root @ covariance[1, 1] @ root
    trace, largest = float(np.trace(spread)), float(np.linalg.eigvalsh(spread)[-1])
    if _is_exact(data, gamma, trace):
        return WeakInstrumentTest(math.inf, math.nan, math.nan)  # nothing is uncertain, so nothing is tested
    x = 1 / tolerance
    dof = trace**2 * (1 + 2 * x) / (float(np.sum(spread**2)) + 2 * x * trace * largest)
    critical = float(stats.ncx2.isf(alpha, dof, x * dof) / dof)
    return WeakInstrumentTest(float(gamma @ gram @ gamma) / trace, critical, dof)


def overidentification_test(data: Partialled) -> SpecificationTest:
    """Return Sargan's test, or Hansen's where unequal variances or clusters are allowed for."""
    q = data.z.shape[1]
    if q < 2:
        raise DataError("with one instrument there is nothing to test: every effect fits it exactly")
    fitted = data.z @ (np.linalg.pinv(data.z) @ data.t)
    residual = data.y - data.t * float(fitted @ data.y / (fitted @ data.t))
    if data.covariance == "nonrobust" and data.cluster is None:
        explained = data.z @ (np.linalg.pinv(data.z) @ residual)
        statistic = len(residual) * float(explained @ residual / (residual @ residual))
    else:
        inverse = np.linalg.pinv(moment_covariance(data, residual))
        probe = data.z @ (inverse @ (data.z.T @ data.t))
        moments = data.z.T @ (data.y - data.t * float(probe @ data.y / (probe @ data.t)))
        statistic = float(moments @ inverse @ moments)
    return SpecificationTest(statistic, float(stats.chi2.sf(statistic, q - 1)), q - 1)


def moment_covariance(data: Partialled, residual: Array) -> Array:
    """Return the covariance of the sum of the moments ``z * residual``."""
    if data.covariance == "nonrobust" and data.cluster is None:
        return np.asarray(data.z.T @ data.z * np.mean(residual**2))
    sums = data.summed(data.z * residual[:, None])
    return np.asarray(sums.T @ sums)


def endogeneity_test(data: Partialled) -> SpecificationTest:
    """Return the test of Durbin, Wu and Hausman: does the first-stage residual enter the outcome."""
    fitted = data.z @ (np.linalg.pinv(data.z) @ data.t)
    design = np.column_stack([data.t - fitted, data.t])
    k = data.n_controls + 2
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ (design.T @ data.y)
    residual = data.y - design @ coefficients
    n = len(residual)
    if data.covariance == "nonrobust" and data.cluster is None:
        variance = float(residual @ residual) / (n - k) * inverse[0, 0]
    else:
        moments = data.summed(design * residual[:, None])
        if data.cluster is not None:
            moments = moments * np.sqrt(data.cluster_factor(k))
        else:
            leverage = data.leverage + np.einsum("ij,jk,ik->i", design, inverse, design)
            moments = moments * data.scale(leverage, k)[:, None]
        variance = float(np.sum((moments @ inverse[0]) ** 2))
    statistic = float(coefficients[0] ** 2 / variance)
    return SpecificationTest(statistic, float(stats.f.sf(statistic, 1, n - k)), 1)


def anderson_rubin_set(data: Partialled, alpha: float) -> tuple[tuple[float, float], ...]:
    """Return the effects at which the instruments explain nothing of ``y - effect * t``, as intervals.

    With coefficients g(b) = g_y - b g_t and their covariance V(b), a Wald statistic g' V^-1 g is below c
    where V(b) - g(b) g(b)' / c, a quadratic polynomial in b with matrices for coefficients, is positive. Its
    determinant changes sign at the eigenvalues of that polynomial, found from its linearisation.
    """
    (g_y, g_t), V = data.reduced_form()
    q = len(g_t)
    c = q * float(stats.f.isf(alpha, q, data.dof))
    center, unit = _center(g_y, g_t, V)
    g_y, g_t = g_y - center * g_t, unit * g_t  # b = center + unit * x, so that x is of the order of one
    V_yt = V[0, 1] + V[1, 0]
    V_0 = V[0, 0] - center * V_yt + center**2 * V[1, 1]
    V_1 = -unit * (V_yt - 2 * center * V[1, 1])
    V_2 = unit**2 * V[1, 1]

    def excess(x: float) -> float:
        g = g_y - x * g_t
        return float(g @ np.linalg.pinv(V_0 + x * V_1 + x**2 * V_2) @ g) - c

    M_0 = V_0 - np.outer(g_y, g_y) / c
    M_1 = V_1 + (np.outer(g_y, g_t) + np.outer(g_t, g_y)) / c
    M_2 = V_2 - np.outer(g_t, g_t) / c
    one, zero = np.eye(q), np.zeros((q, q))
    left = np.block([[zero, one], [-M_0, -M_1]])
    right = np.block([[one, zero], [zero, M_2]])
    values = linalg.eigvals(left, right)
    finite = values[np.isfinite(values)]
    roots = np.sort(finite.real[np.abs(finite.imag) < 1e-7 * (1 + np.abs(finite))])
    return _below_zero(excess, roots, center, unit)


def _center(g_y: Array, g_t: Array, V: Array) -> tuple[float, float]:
    """Return an effect and a distance, to measure others by."""
    inverse = np.linalg.pinv(V[1, 1])
    power = float(g_t @ inverse @ g_t)
    center = float(g_t @ inverse @ g_y) / power if power > 0 else 0.0
    size = float(np.sqrt(np.trace(V[0, 0]) / np.trace(V[1, 1])))
    return center, size / max(np.sqrt(power), 1.0) if size > 0 else 1.0


def _below_zero(
    excess: Callable[[float], float], roots: Array, center: float, unit: float
) -> tuple[tuple[float, float], ...]:
    """Return where a function is at most zero, given where it may change its sign."""
    ends = np.concatenate([[-np.inf], roots, [np.inf]])
    pieces: list[tuple[float, float]] = []
    for low, high in pairwise(ends.tolist()):
        inner = _between(low, high)
        if excess(inner) > 0:
            continue
        if pieces and pieces[-1][1] == low:
            pieces[-1] = pieces[-1][0], high
        else:
            pieces.append((low, high))
    return tuple((float(center + unit * low), float(center + unit * high)) for low, high in pieces)


def _between(low: float, high: float) -> float:
    if np.isinf(low) and np.isinf(high):
        return 0.0
    if np.isinf(low):
        return high - 1 - abs(high)
    return low + 1 + abs(low) if np.isinf(high) else (low + high) / 2
