"""The laws of the equation language: how a draw comes from a standard noise, and back.

A law with constant parameters is its own noise: ``N(0, 2)`` is drawn from ``Normal(0, 2)``. One whose
parameters depend on parents is a function of them and of a noise that does not: ``N(X, exp(Z))`` is
``X + exp(Z) * u`` with a standard normal u, and a discrete law reads off its quantile at a uniform u
(the monotone coupling, one of many that give the same distribution).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from causalrep.scm._distributions import (
    Bernoulli,
    Categorical,
    Dirac,
    Distribution,
    Exponential,
    Gamma,
    Laplace,
    LogNormal,
    Normal,
    Poisson,
    StudentT,
    Uniform,
)
from causalrep.utils import DataError

__all__ = ["LAWS", "LawKind", "law_text"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LawKind:
    """How the language treats one law.

    Attributes
    ----------
    fixed : callable
        The `Distribution` with given constant parameters.
    parameters : tuple of str
        Their names; the law takes as many, or fewer from the right where there are defaults.
    defaults : tuple of float
        Values of the last parameters.
    standard : Distribution
        The law of the noise when parameters depend on parents.
    forward : callable
        ``forward(noise, *parameters)``, the draw.
    backward : callable or None
        ``backward(value, *parameters)``, the noise; None where several noises give the same value.
    log_prob : callable
        ``log_prob(value, *parameters)``.
    interval : callable or None
        ``interval(value, *parameters)``, the ends of the uniform noises that give a discrete value.
    variadic : bool
        Whether it takes any number of parameters.
    """

    fixed: Callable[..., Distribution]
    parameters: tuple[str, ...]
    defaults: tuple[float, ...]
    standard: Distribution
    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    log_prob: Callable[..., Any]
    interval: Callable[..., tuple[Any, Any]] | None = None
    variadic: bool = False


def _positive(scale: Any, law: str, name: str) -> Any:
    if not np.all(np.asarray(scale) > 0):
        raise DataError(f"`{name}` of {law} must be positive in every row, got {np.min(scale)!r} among them")
    return scale


def _chance(probability: Any) -> Any:
    p = np.asarray(probability)
    if not bool(np.all((p >= 0) & (p <= 1))):
        raise DataError("the probability of Bernoulli must be in [0, 1] in every row")
    return probability


def _stretched(law: str, fixed: Callable[..., Distribution], standard: Distribution, density: Any) -> LawKind:
    """Return a law with location and scale: ``loc + scale * noise``."""
    return LawKind(
        fixed,
        ("loc", "scale"),
        (0.0, 1.0),
        standard,
        lambda noise, loc, scale: loc + _positive(scale, law, "scale") * noise,
        lambda value, loc, scale: (value - loc) / _positive(scale, law, "scale"),
        lambda value, loc, scale: density.logpdf(value, loc, scale),
    )


def _weights(probabilities: Sequence[Any]) -> Floats:
    table = np.stack(np.broadcast_arrays(*probabilities)).astype(np.float64)
    if not bool(np.all(table >= 0)) or not bool(np.all(np.abs(table.sum(axis=0) - 1) < 1e-6)):
        raise DataError("the probabilities of Categorical must be non-negative and sum to 1 in every row")
    weights: Floats = table / table.sum(axis=0)
    return weights


def _category(noise: Any, *probabilities: Any) -> NDArray[np.int64]:
    bounds = np.cumsum(_weights(probabilities), axis=0)[:-1]
    codes: NDArray[np.int64] = np.sum(np.asarray(noise) >= bounds, axis=0).astype(np.int64)
    return codes


def _category_interval(value: Any, *probabilities: Any) -> tuple[Floats, Floats]:
    """Return the interval below and above the category; an empty one for what is none."""
    table = _weights(probabilities)
    codes = np.asarray(value)
    inside = (codes >= 0) & (codes < len(table)) & (codes == np.floor(codes))
    ends = np.vstack([np.zeros_like(table[:1]), np.cumsum(table, axis=0)])
    ends[-1] = 1.0
    ends = np.broadcast_to(ends.reshape(len(ends), -1), (len(ends), codes.size))
    at, row = np.where(inside, codes, 0).astype(np.int64), np.arange(codes.size)
    return ends[at, row], np.where(inside, ends[at + 1, row], ends[at, row])


def _category_log_prob(value: Any, *probabilities: Any) -> Floats:
    low, high = _category_interval(value, *probabilities)
    with np.errstate(divide="ignore"):
        log: Floats = np.log(high - low)
    return log


def _coin_interval(value: Any, p: Any) -> tuple[Any, Any]:
    value, p = np.broadcast_arrays(value, _chance(p))
    return np.where(value == 0, p, 0.0), np.where(value == 1, p, np.where(value == 0, 1.0, 0.0))


def _count(u: Any, rate: Any) -> NDArray[np.int64]:
    quantile = stats.poisson.ppf(u, _positive(rate, "Poisson", "rate"))
    counts: NDArray[np.int64] = np.maximum(quantile, 0).astype(np.int64)  # SciPy gives -1 at u = 0
    return counts


def _count_interval(value: Any, rate: Any) -> tuple[Any, Any]:
    return stats.poisson.cdf(np.asarray(value) - 1, rate), stats.poisson.cdf(value, rate)


def _student(dof: Any, loc: Any, scale: Any) -> Any:
    return stats.t(_positive(dof, "StudentT", "dof"), loc, _positive(scale, "StudentT", "scale"))


def _gamma(shape: Any, rate: Any) -> Any:
    return stats.gamma(_positive(shape, "Gamma", "concentration"), scale=1 / _positive(rate, "Gamma", "rate"))


_NORMAL = _stretched("Normal", Normal, Normal(), stats.norm)
LAWS: Mapping[str, LawKind] = {
    "N": _NORMAL,
    "Normal": _NORMAL,
    "Laplace": _stretched("Laplace", Laplace, Laplace(), stats.laplace),
    "Uniform": LawKind(
        Uniform,
        ("low", "high"),
        (0.0, 1.0),
        Uniform(),
        lambda u, low, high: low + _positive(high - low, "Uniform", "high - low") * u,
        lambda value, low, high: (value - low) / _positive(high - low, "Uniform", "high - low"),
        lambda value, low, high: stats.uniform.logpdf(value, low, high - low),
    ),
    "LogNormal": LawKind(
        LogNormal,
        ("loc", "scale"),
        (0.0, 1.0),
        Normal(),
        lambda u, loc, scale: np.exp(loc + _positive(scale, "LogNormal", "scale") * u),
        lambda value, loc, scale: (np.log(value) - loc) / _positive(scale, "LogNormal", "scale"),
        lambda value, loc, scale: stats.lognorm.logpdf(value, scale, scale=np.exp(loc)),
    ),
    "Exponential": LawKind(
        Exponential,
        ("rate",),
        (1.0,),
        Exponential(),
        lambda u, rate: u / _positive(rate, "Exponential", "rate"),
        lambda value, rate: value * _positive(rate, "Exponential", "rate"),
        lambda value, rate: stats.expon.logpdf(value, scale=1 / rate),
    ),
    "StudentT": LawKind(
        StudentT,
        ("dof", "loc", "scale"),
        (0.0, 1.0),
        Uniform(),
        lambda u, *args: _student(*args).ppf(u),
        lambda value, *args: _student(*args).cdf(value),
        lambda value, *args: _student(*args).logpdf(value),
    ),
    "Gamma": LawKind(
        Gamma,
        ("concentration", "rate"),
        (1.0,),
        Uniform(),
        lambda u, *args: _gamma(*args).ppf(u),
        lambda value, *args: _gamma(*args).cdf(value),
        lambda value, *args: _gamma(*args).logpdf(value),
    ),
    "Poisson": LawKind(
        Poisson,
        ("rate",),
        (),
        Uniform(),
        _count,
        None,
        lambda value, rate: stats.poisson.logpmf(value, rate),
        _count_interval,
    ),
    "Bernoulli": LawKind(
        Bernoulli,
        ("probability",),
        (),
        Uniform(),
        lambda u, p: (u < _chance(p)).astype(np.int64),
        None,
        lambda value, p: stats.bernoulli.logpmf(value, _chance(p)),
        _coin_interval,
    ),
    "Categorical": LawKind(
        lambda *probabilities: Categorical(probabilities),
        (),
        (),
        Uniform(),
        _category,
        None,
        _category_log_prob,
        _category_interval,
        variadic=True,
    ),
    "Dirac": LawKind(
        Dirac,
        ("value",),
        (),
        Dirac(0.0),
        lambda u, value: value + u,
        lambda seen, value: seen - value,
        lambda seen, value: np.where(seen == value, 0.0, -math.inf),
    ),
}


def law_text(law: Distribution) -> str | None:
    """Return a law as equations write it, or None where they have no word for it."""
    name = type(law).__name__
    kind = LAWS.get(name)
    if kind is None or getattr(law, "shape", ()) != ():
        return None
    if isinstance(law, Categorical):
        return f"Categorical({', '.join(map(repr, law.probabilities))})"
    return f"{name}({', '.join(repr(getattr(law, parameter)) for parameter in kind.parameters)})"
