"""Distributions of Pyro as functions of their parameters and of a noise that does not depend on them.

A Gaussian is ``loc + scale * u``. A law with a distribution function reads off its quantile at a uniform u,
a law with finitely many values the value into whose share u falls (the monotone coupling).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from causalrep.utils import CausalRepError

__all__ = ["Kind", "bare", "kind_of"]


@dataclass(frozen=True)
class Kind:
    """How a distribution is a function of its parameters and of noise.

    Attributes
    ----------
    name : str
        The kind of the distribution.
    draw : callable or None
        ``draw(generator, shape)``, the noise; None for a point mass.
    forward : callable
        ``forward(law, noise)``, the value.
    backward : callable or None
        ``backward(law, value)``, the noise, where it can be told.
    interval : callable or None
        ``interval(law, value)``, the ends of the uniform noises that give a discrete value.
    """

    name: str
    draw: Callable[..., Any] | None
    forward: Callable[..., Tensor]
    backward: Callable[..., Tensor] | None = None
    interval: Callable[..., tuple[Tensor, Tensor]] | None = None


def bare(law: Any) -> Any:
    """Return a distribution without the mask that `pyro.deterministic` puts on."""
    while type(law).__name__ == "MaskedDistribution":
        law = law.base_dist
    return law


def _core(law: Any) -> Any:
    """Return the distribution of single numbers inside expansions and declared event axes."""
    law = bare(law)
    while type(law).__name__ in ("ExpandedDistribution", "Independent", "MaskedDistribution"):
        law = law.base_dist
    return law


def kind_of(law: Any, site: str) -> Kind:
    """Return the kind of the distribution of a site, or refuse it."""
    core = _core(law)
    name = type(core).__name__
    if name == "Delta":
        return Kind(name, None, lambda law, _: law.v)
    if name in ("Normal", "Laplace"):
        draw = _standard(name.lower())
        return Kind(name, draw, lambda law, u: _loc(law) + _scale(law) * u, _standardised)
    if name == "LogNormal":
        return Kind(
            name,
            _standard("normal"),
            lambda law, u: torch.exp(_loc(law) + _scale(law) * u),
            lambda law, value: (value.log() - _loc(law)) / _scale(law),
        )
    if name == "MultivariateNormal":
        return Kind(name, _standard("normal"), _correlated, _whitened)
    if getattr(core, "has_enumerate_support", False):
        return Kind(name, _uniform, _state, None, _state_interval)
    if name in _SCIPY:
        return _quantile_of_scipy(name)
    if _has_quantiles(core):
        return Kind(
            name, _uniform, lambda law, u: _core(law).icdf(u), lambda law, value: _core(law).cdf(value)
        )
    raise CausalRepError(
        f"the site {site!r} has a {name}, of which no function of parameters and separate noise is known; "
        "known are Normal, Laplace, LogNormal, MultivariateNormal, Delta, laws with cdf and icdf, "
        f"{', '.join(_SCIPY)}, and laws with finitely many values"
    )


def _uniform(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return generator.random(shape)


def _standard(law: str) -> Callable[..., Any]:
    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
        return generator.laplace(size=shape) if law == "laplace" else generator.standard_normal(shape)

    return draw


def _loc(law: Any) -> Any:
    return _core(law).loc


def _scale(law: Any) -> Any:
    return _core(law).scale


def _standardised(law: Any, value: Tensor) -> Any:
    return (value - _loc(law)) / _scale(law)


def _correlated(law: Any, noise: Tensor) -> Any:
    core = _core(law)
    return core.loc + (core.scale_tril.to(noise.dtype) @ noise[..., None])[..., 0]


def _whitened(law: Any, value: Tensor) -> Any:
    core = _core(law)
    root = core.scale_tril.expand((*value.shape, value.shape[-1]))
    return torch.linalg.solve_triangular(root, (value - core.loc)[..., None], upper=False)[..., 0]


def _cumulative(law: Any, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values of a law, (k,), and their cumulative probabilities, (k, *shape)."""
    core = _core(law)
    values = core.enumerate_support(expand=False)
    bounds = core.log_prob(values).double().exp().cumsum(dim=0)
    padding = (1,) * (noise.ndim + 1 - bounds.ndim)
    bounds = bounds.reshape((len(values), *padding, *bounds.shape[1:]))
    return values.reshape(-1), bounds.expand((len(values), *noise.shape))


def _state(law: Any, noise: Tensor) -> Tensor:
    values, bounds = _cumulative(law, noise)
    return values[(noise >= bounds[:-1]).sum(dim=0)]


def _state_interval(law: Any, value: Tensor) -> tuple[Tensor, Tensor]:
    values, bounds = _cumulative(law, value)
    ends = torch.cat([torch.zeros_like(bounds[:1]), bounds[:-1], torch.ones_like(bounds[:1])])
    code = torch.searchsorted(values.contiguous(), value.contiguous())[None]
    return ends.gather(0, code)[0], ends.gather(0, code + 1)[0]


_SCIPY: dict[str, tuple[Any, tuple[str, ...], Callable[..., dict[str, Any]]]] = {
    "Gamma": (stats.gamma, ("concentration", "rate"), lambda a, rate: {"a": a, "scale": 1 / rate}),
    "Beta": (stats.beta, ("concentration1", "concentration0"), lambda a, b: {"a": a, "b": b}),
    "StudentT": (
        stats.t,
        ("df", "loc", "scale"),
        lambda df, loc, scale: {"df": df, "loc": loc, "scale": scale},
    ),
    "Poisson": (stats.poisson, ("rate",), lambda rate: {"mu": rate}),
}


def _quantile_of_scipy(name: str) -> Kind:
    law, parameters, arguments = _SCIPY[name]

    def frozen(found: Any) -> Any:
        core = _core(found)
        return law(**arguments(*(getattr(core, part).numpy().astype(np.float64) for part in parameters)))

    def forward(found: Any, noise: Tensor) -> Tensor:
        return torch.as_tensor(np.asarray(frozen(found).ppf(noise.numpy())))

    def backward(found: Any, value: Tensor) -> Tensor:
        return torch.as_tensor(np.asarray(frozen(found).cdf(value.numpy())))

    def interval(found: Any, value: Tensor) -> tuple[Tensor, Tensor]:
        return backward(found, value - 1), backward(found, value)

    if name == "Poisson":
        return Kind(name, _uniform, lambda found, u: forward(found, u).clamp(min=0), None, interval)
    return Kind(name, _uniform, forward, backward)


def _has_quantiles(core: Any) -> bool:
    try:
        value = core.sample()
        return bool(torch.allclose(core.icdf(core.cdf(value)), value, rtol=1e-2, atol=1e-4))
    except NotImplementedError:
        return False
