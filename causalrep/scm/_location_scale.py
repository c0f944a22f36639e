"""Mechanisms beyond additive noise that stay invertible: a scale, or a warp, that data can teach."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._distributions import Distribution
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._mechanisms import is_plain

__all__ = ["LocationScale", "PostNonlinear", "Warp"]

Floats = NDArray[np.float64]


class LocationScale(Mechanism):
    """``value = location(parents) + exp(log_scale(parents)) * noise``, exactly invertible.

    Parameters
    ----------
    location, log_scale : callable
        Functions of the parents, by position.
    noise : Distribution
        Law of the noise.
    parents : sequence of hashable
        The nodes that the functions are given, in order.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import LocationScale, Normal
    >>> m = LocationScale(lambda x: 2 * x, lambda x: x, Normal(0, 1), parents=["X"])
    >>> m.abduct({"X": np.array([0.0])}, np.array([0.5]))
    array([0.5])
    """

    def __init__(
        self,
        location: Callable[..., Array],
        log_scale: Callable[..., Array],
        noise: Distribution,
        parents: tuple[Hashable, ...] | list[Hashable],
    ) -> None:
        self.location = location
        self.log_scale = log_scale
        self.noise = noise
        self._parents = tuple(parents)

    def __repr__(self) -> str:
        return f"LocationScale({self.location!r}, {self.log_scale!r}, noise={self.noise!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The nodes that the functions read, in order."""
        return self._parents

    @property
    def blockwise(self) -> bool:
        """Whether both functions say so of themselves and the law is one of the library's."""
        known = (getattr(part, "blockwise", False) for part in (self.location, self.log_scale))
        return all(known) and is_plain(self.noise)

    @property
    def monotone(self) -> bool:
        """Always."""
        return True

    @property
    def differentiable(self) -> bool:
        """Whether both functions say so of themselves."""
        return all(getattr(part, "differentiable", False) for part in (self.location, self.log_scale))

    def _columns(self, parents: Mapping[Hashable, Array]) -> list[Array]:
        return [parents[name] for name in self._parents]

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the location plus the stretched noise."""
        columns = self._columns(parents)
        return self.location(*columns) + np.exp(self.log_scale(*columns)) * noise

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the standardised residual."""
        columns = self._columns(parents)
        return (value - self.location(*columns)) / np.exp(self.log_scale(*columns))

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density of each row, shape (n,)."""
        return self.noise.log_prob(self.abduct(parents, value)) - self.log_scale(*self._columns(parents))

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw from the law."""
        return self.noise.sample(n, generator)


@dataclass(frozen=True)
class Warp:
    """The inverse of a Yeo-Johnson transformation of ``(value - centre) / spread``, straight beyond its ends.

    Where the inverse would leave the real line (a bounded transformation, asked beyond its bound), the
    warp goes on along its tangent from three spreads outside on, so that it maps all numbers to all numbers.
    """

    centre: float
    spread: float
    exponent: float
    ends: tuple[float, float]

    def undo(self, value: Array) -> Floats:
        """Return the transformed value."""
        z = (np.asarray(value, dtype=np.float64) - self.centre) / self.spread
        inside = np.clip(z, *self.ends)
        return _yeo_johnson(inside, self.exponent) + (z - inside) * np.exp(_log_slope(inside, self.exponent))

    def log_slope(self, value: Array) -> Floats:
        """Return the logarithm of the derivative of `undo`."""
        z = (np.asarray(value, dtype=np.float64) - self.centre) / self.spread
        slope: Floats = _log_slope(np.clip(z, *self.ends), self.exponent) - np.log(self.spread)
        return slope

    def __call__(self, transformed: Array) -> Floats:
        """Return the value of which `undo` gives `transformed`."""
        t = np.asarray(transformed, dtype=np.float64)
        ends = np.asarray(self.ends)
        inside = np.clip(t, *_yeo_johnson(ends, self.exponent))
        z = np.clip(_yeo_johnson_inverse(inside, self.exponent), *self.ends)
        z = z + (t - inside) / np.exp(_log_slope(z, self.exponent))
        value: Floats = self.centre + self.spread * z
        return value


def _yeo_johnson(z: Floats, exponent: float) -> Floats:
    """Return the transformation; below zero it is minus that of ``-z`` with ``2 - exponent``."""
    power = np.where(z >= 0, exponent, 2 - exponent)
    size = np.log1p(np.abs(z))
    safe = np.where(power == 0, 1.0, power)
    return np.sign(z) * np.where(power == 0, size, np.expm1(safe * size) / safe)


def _yeo_johnson_inverse(t: Floats, exponent: float) -> Floats:
    power = np.where(t >= 0, exponent, 2 - exponent)
    safe = np.where(power == 0, 1.0, power)
    bent = np.log1p(np.maximum(safe * np.abs(t), -1 + 1e-15)) / safe
    return np.sign(t) * np.expm1(np.where(power == 0, np.abs(t), bent))


def _log_slope(z: Floats, exponent: float) -> Floats:
    power = np.where(z >= 0, exponent, 2 - exponent)
    return (power - 1) * np.log1p(np.abs(z))


class PostNonlinear(Mechanism):
    """``value = warp(inner value)``, where the inner mechanism has additive noise.

    Parameters
    ----------
    inner : Mechanism
        An invertible mechanism with a density.
    warp : Warp
        A rising function with its inverse.

    References
    ----------
    K. Zhang, A. Hyvärinen, "On the identifiability of the post-nonlinear causal model", UAI 2009,
    arXiv:1205.2599.
    """

    def __init__(self, inner: Mechanism, warp: Warp) -> None:
        self.inner = inner
        self.bend = warp

    @staticmethod
    def warp(centre: float, spread: float, exponent: float, reach: float = 8.0) -> Warp:
        """Return the warp with a given exponent, straight from `reach` spreads off the centre on."""
        return Warp(centre, spread, exponent, (-reach, reach))

    def __repr__(self) -> str:
        return f"PostNonlinear({self.inner!r}, exponent={self.bend.exponent!r})"

    @property
    def parents(self) -> tuple[Hashable, ...] | None:
        """The parents of the inner mechanism."""
        return self.inner.parents

    @property
    def blockwise(self) -> bool:
        """As the inner mechanism."""
        return self.inner.blockwise

    @property
    def monotone(self) -> bool:
        """Always."""
        return True

    @property
    def differentiable(self) -> bool:
        """As the inner mechanism."""
        return self.inner.differentiable

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the warped value of the inner mechanism."""
        return self.bend(self.inner.forward(parents, noise))

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the noise of the inner mechanism at the value with the warp undone."""
        return self.inner.abduct(parents, self.bend.undo(value))

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density of each row, shape (n,)."""
        return self.inner.log_prob(parents, self.bend.undo(value)) + self.bend.log_slope(value)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw the noise of the inner mechanism."""
        return self.inner.sample_noise(n, generator)
