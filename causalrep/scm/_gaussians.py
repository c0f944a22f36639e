"""Exact answers where everything is linear and Gaussian: copies as linear maps of one noise vector.

With V = A e + c for all copies and e ~ N(m, Omega), evidence M e = s changes the noise to

    E[e | s] = m + K (s - M m),  Cov[e | s] = Omega - K M Omega,  K = Omega M' (M Omega M')^-1,

whichever worlds the evidence and the question are about, and however few nodes are observed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from scipy.special import ndtr

from causalrep.scm._alterations import EdgeSet, Scaled
from causalrep.scm._arrays import as_array
from causalrep.scm._conditions import Condition, Equal, Interval, OneOf
from causalrep.scm._couplings import Floats
from causalrep.scm._distributions import Dirac, Normal
from causalrep.scm._equations import Equation, linear_terms
from causalrep.scm._interventions import Fixed, Shifted
from causalrep.scm._joint import JointNormal
from causalrep.scm._mechanism import Mechanism, NoiseLaw
from causalrep.scm._mechanisms import AdditiveNoise, Linear, Root
from causalrep.scm._worlds import Network
from causalrep.utils import ImpossibleEvidenceError

__all__ = ["GaussianEngine", "LinearPart", "linear_part"]

_RANK = 1e-12  # eigenvalues of a correlation matrix below it are rounding
_FIT = 1e-7  # by how many standard deviations evidence may miss what other evidence implies


@dataclass(frozen=True)
class LinearPart:
    """A mechanism as coefficients of the parents, an intercept, and a noise with variance and coefficient."""

    coefficients: Mapping[Hashable, float]
    intercept: float
    variance: float
    loading: float = 1.0


@singledispatch
def linear_part(mechanism: Mechanism) -> LinearPart | None:  # noqa: ARG001
    """Return a mechanism as a linear map plus Gaussian noise, or None if it is none."""
    return None


@linear_part.register
def _(mechanism: Linear) -> LinearPart | None:
    return _with_noise(mechanism.coefficients, mechanism.intercept, mechanism.noise)


@linear_part.register
def _(mechanism: Equation) -> LinearPart | None:
    line = linear_terms(mechanism.expr)
    if line is None or isinstance(mechanism.noise, Mapping):
        return None
    return _with_noise(line[0], line[1], mechanism.noise)


@linear_part.register
def _(mechanism: AdditiveNoise) -> LinearPart | None:
    location = as_array(mechanism.location({})) if not mechanism.parents else None
    if location is None or location.shape or location.dtype.kind not in "biuf":
        return None
    return _with_noise({}, float(location), mechanism.noise)


@linear_part.register
def _(mechanism: Root) -> LinearPart | None:
    return _with_noise({}, 0.0, mechanism.noise)


@linear_part.register
def _(mechanism: Fixed) -> LinearPart | None:
    value = as_array(mechanism.value)
    return None if value.shape or value.dtype.kind not in "biuf" else LinearPart({}, float(value), 0.0)


@linear_part.register
def _(mechanism: Shifted) -> LinearPart | None:
    inner, delta = linear_part(mechanism.mechanism), as_array(mechanism.delta)
    if inner is None or delta.shape:
        return None
    return replace(inner, intercept=inner.intercept + float(delta))


@linear_part.register
def _(mechanism: Scaled) -> LinearPart | None:
    inner, factor = linear_part(mechanism.mechanism), as_array(mechanism.factor)
    if inner is None or factor.shape:
        return None
    times = float(factor)
    coefficients = {name: times * weight for name, weight in inner.coefficients.items()}
    return LinearPart(coefficients, times * inner.intercept, inner.variance, times * inner.loading)


@linear_part.register
def _(mechanism: EdgeSet) -> LinearPart | None:
    inner, seen = linear_part(mechanism.mechanism), mechanism.values.items()
    if inner is None or any(as_array(v).shape or as_array(v).dtype.kind not in "biuf" for _, v in seen):
        return None
    coefficients = dict(inner.coefficients)
    moved = sum(coefficients.pop(name) * float(as_array(value)) for name, value in seen)
    return replace(inner, coefficients=coefficients, intercept=inner.intercept + moved)


def _with_noise(coefficients: Mapping[Hashable, float], intercept: float, law: NoiseLaw) -> LinearPart | None:
    if law is None:
        return LinearPart(coefficients, intercept, 0.0)
    if isinstance(law, Normal) and not law.shape:
        return LinearPart(coefficients, intercept + law.loc, law.scale**2)
    if isinstance(law, Dirac) and not law.shape:
        return LinearPart(coefficients, intercept + law.value, 0.0)
    return None


@dataclass(frozen=True)
class Posterior:
    """The law of the noise given k observed values: a mean that is linear in them, one covariance.

    Attributes
    ----------
    means : array of shape (k,)
        What the values are without evidence.
    gain : array of shape (d, k)
        K, which takes what the values are above their means to the mean of the noise.
    covariance : array of shape (d, d)
        What is left of the noise's.
    scale : array of shape (k,)
        Standard deviations of the values (1 for one that is certain).
    never : array of shape (k, r)
        Directions in which the scaled values cannot move.
    """

    means: Floats
    gain: Floats
    covariance: Floats
    scale: Floats
    never: Floats

    def noise_means(self, values: Floats) -> Floats:
        """Return the mean of the noise for rows of values, shape (n, k), as an array of shape (n, d)."""
        away = values - self.means
        scaled = away / self.scale
        residual = abs(scaled @ self.never)
        if (residual > _FIT * np.maximum(1.0, abs(scaled).max(axis=1, initial=0.0))[:, None]).any():
            raise ImpossibleEvidenceError("the model cannot give the observed values together")
        return np.asarray(away @ self.gain.T)


class GaussianEngine:
    """A network of copies as linear maps ``V = A e + c`` of a centred Gaussian noise vector e.

    Parameters
    ----------
    maps : array of shape (m, d)
        The rows of A.
    means : array of shape (m,)
        The means c.
    noise : array of shape (d, d)
        Covariance of e.
    rows : mapping of int to int
        Row of each copy, by number.
    sources : mapping of int to int
        Entry of e that is the noise of a copy, by the number of the first copy that has it.
    """

    def __init__(
        self, maps: Floats, means: Floats, noise: Floats, rows: Mapping[int, int], sources: Mapping[int, int]
    ) -> None:
        self.maps = maps
        self.means = means
        self.noise = noise
        self.rows = rows
        self.sources = sources

    @classmethod
    def build(
        cls, network: Network, numbers: Sequence[int], own: Mapping[Hashable, JointNormal]
    ) -> GaussianEngine | None:
        """Return the engine for the given copies, or None if one of them is not linear.

        `own` names the joint law of the nodes that share their noise while they follow their own
        mechanism.
        """
        parts: dict[int, LinearPart] = {}
        for number in numbers:
            part = linear_part(network.copies[number].mechanism)
            if part is None:
                return None
            parts[number] = part
        sources: dict[int, int] = {}
        for number in numbers:
            if parts[number].variance > 0:
                sources.setdefault(network.copies[number].source, len(sources))
        maps, means = np.zeros((len(numbers), len(sources))), np.zeros(len(numbers))
        rows = {number: row for row, number in enumerate(numbers)}
        for number, row in rows.items():
            means[row] = parts[number].intercept
            for name, parent in network.copies[number].parents:
                maps[row] += parts[number].coefficients[name] * maps[rows[parent]]
                means[row] += parts[number].coefficients[name] * means[rows[parent]]
            if parts[number].variance > 0:
                maps[row, sources[network.copies[number].source]] += parts[number].loading
        variances = {number: part.variance for number, part in parts.items()}
        return cls(maps, means, _noise_covariance(network, sources, variances, own), rows, sources)

    def posterior(self, numbers: Sequence[int]) -> Posterior:
        """Return the law of the noise given values of some copies, as a function of these values."""
        seen = [self.rows[number] for number in numbers]
        observed = self.maps[seen]
        inverse, scale, never = _pseudo_inverse(observed @ self.noise @ observed.T)
        gain = self.noise @ observed.T / scale @ inverse / scale
        return Posterior(self.means[seen], gain, self.noise - gain @ observed @ self.noise, scale, never)

    def moments(self, numbers: Sequence[int], given: Mapping[int, float]) -> tuple[Floats, Floats]:
        """Return the mean and the covariance of some copies given the values of others.

        Raises
        ------
        ImpossibleEvidenceError
            If the given values contradict each other.
        """
        of = [self.rows[number] for number in numbers]
        maps, mean = self.maps[of], self.means[of]
        if not given:
            return mean, maps @ self.noise @ maps.T
        law = self.posterior(list(given))
        values = np.array([list(given.values())])
        return mean + maps @ law.noise_means(values)[0], maps @ law.covariance @ maps.T

    def probability(
        self, event: Mapping[int, Sequence[Condition]], given: Mapping[int, float]
    ) -> float | None:
        """Return the probability of an event in at most one random copy, else None."""
        numbers = list(event)
        mean, covariance = self.moments(numbers, given)
        total, random = 1.0, 0
        for position, number in enumerate(numbers):
            full = float((self.maps[self.rows[number]] @ self.noise) @ self.maps[self.rows[number]])
            variance = float(covariance[position, position])
            settled = variance <= _RANK * full
            random += not settled
            for condition in event[number]:
                inside = _mass(condition, float(mean[position]), 0.0 if settled else variance)
                if inside is None or (not settled and len(event[number]) > 1):
                    return None
                total *= inside
        return None if random > 1 and total > 0 else total


def _noise_covariance(
    network: Network,
    sources: Mapping[int, int],
    variances: Mapping[int, float],
    own: Mapping[Hashable, JointNormal],
) -> Floats:
    noise = np.zeros((len(sources), len(sources)))
    variance_of: dict[int, float] = {}
    for number, variance in variances.items():
        variance_of.setdefault(network.copies[number].source, variance)
    shared: dict[Hashable, int] = {}
    for source, column in sources.items():
        noise[column, column] = variance_of[source]
        copy = network.copies[source]
        if copy.node in own and copy.stream == "noise":
            shared[copy.node] = column
    for node, column in shared.items():
        for other, law_column in shared.items():
            if own[other] is own[node]:
                law = own[node]
                noise[column, law_column] = law.covariance[law.index(node), law.index(other)]
    return noise


def _pseudo_inverse(covariance: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the pseudo-inverse of the correlations, the scales, and the directions without variance."""
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > _RANK * values.max(initial=1.0)
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return inverse, scale, vectors[:, ~kept]


def _mass(condition: Condition, mean: float, variance: float) -> float | None:
    """Return the probability that a Gaussian number (a certain one, if the variance is zero) fits."""
    if variance == 0 and isinstance(condition, (Equal, OneOf)):
        options = [condition.value] if isinstance(condition, Equal) else condition.options
        return float(np.isclose(np.asarray(options, dtype=np.float64), mean, rtol=1e-9, atol=1e-9).any())
    if variance == 0:
        return float(condition.mask(np.array([mean]))[0])
    if isinstance(condition, (Equal, OneOf)):
        return 0.0
    if not isinstance(condition, Interval):
        return None
    low, high = (condition.low - mean) / math.sqrt(variance), (condition.high - mean) / math.sqrt(variance)
    # the upper tail by its mirror image, where the difference of two numbers near 1 has no digits left
    return float(ndtr(-low) - ndtr(-high)) if low > 0 else float(ndtr(high) - ndtr(low))
