"""Laws of noise: small frozen values that draw from a generator and state their density.

A law is a law of one number, repeated independently over a trailing ``shape``: ``Normal(0, 1)``
draws arrays of shape ``(n,)`` and ``Normal(0, 0.02, shape=(3, 32, 32))`` draws the pixel noise of
``n`` images. Densities and moments come from SciPy; draws come from the generator that is passed
in, so that nothing depends on global state.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = [
    "Bernoulli",
    "Categorical",
    "Dirac",
    "Distribution",
    "Empirical",
    "Exponential",
    "Gamma",
    "Laplace",
    "LogNormal",
    "Normal",
    "Poisson",
    "StudentT",
    "Uniform",
]


class Distribution(ABC):
    """A law that can be drawn from and that states its log density.

    Subclass it to use a law of your own; only `sample` and `log_prob` are asked for.
    """

    @abstractmethod
    def sample(self, n: int, generator: np.random.Generator) -> NDArray[Any]:
        """Return `n` independent draws.

        Parameters
        ----------
        n : int
            Number of draws, the length of axis 0.
        generator : numpy.random.Generator
            Where the chance comes from; it is advanced.

        Returns
        -------
        array of shape (n, ...)
            The draws.
        """

    @abstractmethod
    def log_prob(self, value: ArrayLike) -> NDArray[np.float64]:
        """Return the log density (log mass for a discrete law) of each row of `value`.

        Parameters
        ----------
        value : array of shape (n, ...)
            Where to evaluate; trailing axes are independent, so their logarithms are summed.

        Returns
        -------
        array of shape (n,)
            Minus infinity outside the support.
        """


@dataclass(frozen=True)
class _Repeated(Distribution):
    """A law of one number, repeated independently over `shape`."""

    shape: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    @abstractmethod
    def mean(self) -> float:
        """Expected value of one number."""

    @property
    @abstractmethod
    def variance(self) -> float:
        """Variance of one number."""

    @abstractmethod
    def _log(self, value: NDArray[Any]) -> NDArray[Any]:
        """Return the log density of each number."""

    @abstractmethod
    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        """Draw an array of the given size."""

    def sample(self, n: int, generator: np.random.Generator) -> NDArray[Any]:
        """Return draws of shape (n, ...)."""
        return self._draw((n, *self.shape), generator)

    def log_prob(self, value: ArrayLike) -> NDArray[np.float64]:
        """Return the log density of each row, shape (n,)."""
        trailing = tuple(range(-len(self.shape), 0))
        return np.asarray(np.sum(self._log(np.asarray(value)), axis=trailing), dtype=np.float64)


@dataclass(frozen=True)
class _SciPy(_Repeated):
    """A law whose density and moments SciPy knows."""

    @abstractmethod
    def _law(self) -> Any:
        """Return the frozen SciPy distribution."""

    @property
    def mean(self) -> float:
        """Expected value of one number."""
        return float(self._law().mean())

    @property
    def variance(self) -> float:
        """Variance of one number."""
        return float(self._law().var())

    def cdf(self, value: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of at most each value, entry by entry."""
        return np.asarray(self._law().cdf(value), dtype=np.float64)

    def ppf(self, probability: ArrayLike) -> NDArray[np.float64]:
        """Return the quantile at each probability, entry by entry."""
        return np.asarray(self._law().ppf(probability), dtype=np.float64)

    def _log(self, value: NDArray[Any]) -> NDArray[Any]:
        law = self._law()
        return np.asarray(law.logpdf(value) if hasattr(law, "logpdf") else law.logpmf(value))


def _require(law: str, condition: bool, rule: str, got: object) -> None:
    if not condition:
        raise ValueError(f"{law} needs {rule}, got {got}")


@dataclass(frozen=True)
class Normal(_SciPy):
    """Gaussian law with mean `loc` and standard deviation `scale`.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Normal
    >>> Normal(1.0, 2.0).sample(2, np.random.default_rng(0)).round(3)
    array([1.251, 0.736])
    >>> float(Normal(0, 1).log_prob([0.0])[0].round(4))
    -0.9189
    """

    loc: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        _require("Normal", math.isfinite(self.loc), "a finite `loc`", self.loc)
        _require("Normal", 0 < self.scale < math.inf, "a positive, finite `scale`", self.scale)

    def _law(self) -> Any:
        return stats.norm(self.loc, self.scale)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        draws = generator.standard_normal(size)
        if self.scale != 1:
            draws *= self.scale
        return draws + self.loc if self.loc else draws


@dataclass(frozen=True)
class StudentT(_SciPy):
    """Student's t law with `dof` degrees of freedom, moved to `loc` and stretched by `scale`."""

    dof: float
    loc: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        _require("StudentT", 0 < self.dof < math.inf, "a positive, finite `dof`", self.dof)
        _require("StudentT", math.isfinite(self.loc), "a finite `loc`", self.loc)
        _require("StudentT", 0 < self.scale < math.inf, "a positive, finite `scale`", self.scale)

    def _law(self) -> Any:
        return stats.t(self.dof, self.loc, self.scale)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return self.loc + self.scale * generator.standard_t(self.dof, size)


@dataclass(frozen=True)
class Laplace(_SciPy):
    """Laplace law with density ``exp(-|x - loc| / scale) / (2 * scale)``."""

    loc: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        _require("Laplace", math.isfinite(self.loc), "a finite `loc`", self.loc)
        _require("Laplace", 0 < self.scale < math.inf, "a positive, finite `scale`", self.scale)

    def _law(self) -> Any:
        return stats.laplace(self.loc, self.scale)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return generator.laplace(self.loc, self.scale, size)


@dataclass(frozen=True)
class Uniform(_SciPy):
    """Uniform law on the interval from `low` to `high`."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        ordered = math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high
        _require("Uniform", ordered, "finite bounds with `low` < `high`", (self.low, self.high))

    def _law(self) -> Any:
        return stats.uniform(self.low, self.high - self.low)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return generator.uniform(self.low, self.high, size)


@dataclass(frozen=True)
class Exponential(_SciPy):
    """Exponential law with density ``rate * exp(-rate * x)`` on x >= 0."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        _require("Exponential", 0 < self.rate < math.inf, "a positive, finite `rate`", self.rate)

    def _law(self) -> Any:
        return stats.expon(scale=1 / self.rate)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return generator.exponential(1 / self.rate, size)


@dataclass(frozen=True)
class Gamma(_SciPy):
    """Gamma law with density proportional to ``x**(concentration - 1) * exp(-rate * x)``.

    The mean is ``concentration / rate``, the variance ``concentration / rate**2``.
    """

    concentration: float
    rate: float = 1.0

    def __post_init__(self) -> None:
        positive = 0 < self.concentration < math.inf
        _require("Gamma", positive, "a positive, finite `concentration`", self.concentration)
        _require("Gamma", 0 < self.rate < math.inf, "a positive, finite `rate`", self.rate)

    def _law(self) -> Any:
        return stats.gamma(self.concentration, scale=1 / self.rate)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return generator.gamma(self.concentration, 1 / self.rate, size)


@dataclass(frozen=True)
class LogNormal(_SciPy):
    """Law of ``exp(Z)`` where Z is Gaussian with mean `loc` and standard deviation `scale`."""

    loc: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        _require("LogNormal", math.isfinite(self.loc), "a finite `loc`", self.loc)
        _require("LogNormal", 0 < self.scale < math.inf, "a positive, finite `scale`", self.scale)

    def _law(self) -> Any:
        return stats.lognorm(self.scale, scale=math.exp(self.loc))

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return generator.lognormal(self.loc, self.scale, size)


@dataclass(frozen=True)
class Bernoulli(_SciPy):
    """Law of a 0/1 integer that is 1 with `probability`."""

    probability: float

    def __post_init__(self) -> None:
        inside = 0 <= self.probability <= 1
        _require("Bernoulli", inside, "a `probability` in [0, 1]", self.probability)

    def _law(self) -> Any:
        return stats.bernoulli(self.probability)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return (generator.random(size) < self.probability).astype(np.int64)


@dataclass(frozen=True)
class Poisson(_SciPy):
    """Law of a count with mean and variance `rate`."""

    rate: float

    def __post_init__(self) -> None:
        _require("Poisson", 0 < self.rate < 1e15, "a positive, finite `rate`", self.rate)

    def _law(self) -> Any:
        return stats.poisson(self.rate)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return generator.poisson(self.rate, size)


@dataclass(frozen=True)
class Categorical(_SciPy):
    """Law of an integer code 0, 1, ..., k - 1 with the given `probabilities`.

    Parameters
    ----------
    probabilities : sequence of k floats
        Non-negative, summing to one (to 1e-6, then normalised).
    shape : tuple of int, default=()
        Trailing shape of independent repetitions.

    Examples
    --------
    >>> from causalrep.scm import Categorical
    >>> Categorical([0.2, 0.8]).mean
    0.8
    """

    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        p = np.asarray(self.probabilities, dtype=np.float64)
        proper = p.ndim == 1 and p.size > 0 and bool(np.all(p >= 0)) and abs(p.sum() - 1) < 1e-6
        _require("Categorical", proper, "non-negative `probabilities` that sum to 1", self.probabilities)
        object.__setattr__(self, "probabilities", tuple(float(q) for q in p / p.sum()))

    def _law(self) -> Any:
        return stats.rv_discrete(values=(np.arange(len(self.probabilities)), self.probabilities))

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return generator.choice(len(self.probabilities), size=size, p=self.probabilities)


@dataclass(frozen=True)
class Dirac(_Repeated):
    """The law that always gives `value`."""

    value: float

    def __post_init__(self) -> None:
        _require("Dirac", math.isfinite(self.value), "a finite `value`", self.value)

    @property
    def mean(self) -> float:
        """The value itself."""
        return float(self.value)

    @property
    def variance(self) -> float:
        """Zero."""
        return 0.0

    def _log(self, value: NDArray[Any]) -> NDArray[Any]:
        return np.where(value == self.value, 0.0, -math.inf)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:  # noqa: ARG002
        return np.full(size, self.value)


@dataclass(frozen=True, eq=False)
class Empirical(_Repeated):
    """The law of drawing with replacement from the observed `values`.

    Parameters
    ----------
    values : array of shape (m,)
        The observations, without missing values; kept sorted.
    shape : tuple of int, default=()
        Trailing shape of independent repetitions.
    """

    values: NDArray[Any]

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        _require("Empirical", values.ndim == 1 and values.size > 0, "values of shape (m,)", values.shape)
        _require("Empirical", bool(np.all(np.isfinite(values))), "finite `values`", "NaN or infinity")
        object.__setattr__(self, "values", np.sort(values))

    @property
    def mean(self) -> float:
        """Mean of the observations."""
        return float(self.values.mean())

    @property
    def variance(self) -> float:
        """Variance of the observations, with divisor m."""
        return float(self.values.var())

    def _log(self, value: NDArray[Any]) -> NDArray[Any]:
        count = np.searchsorted(self.values, value, "right") - np.searchsorted(self.values, value, "left")
        log = np.full(value.shape, -math.inf)
        return np.log(count / self.values.size, out=log, where=count > 0)

    def _draw(self, size: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        return self.values[generator.integers(self.values.size, size=size)]
