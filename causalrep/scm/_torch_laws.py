"""The laws of noise in Torch: draws from a Torch generator, and densities that have gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalrep.scm._distributions import Distribution, Empirical
from causalrep.scm._smoothed import Smoothed
from causalrep.scm._torch import Place
from causalrep.utils import DataError

__all__ = ["LAWS", "TorchLaw", "drawn", "log_prob_of", "parameters_of"]

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Source:
    """Draws of one generator, in one place."""

    def __init__(self, generator: torch.Generator, place: Place) -> None:
        self.place = place
        self.options: dict[str, Any] = {
            "generator": generator,
            "device": place.device,
            "dtype": place.dtype,
        }
        self.generator = generator

    def normal(self, size: tuple[int, ...]) -> Tensor:
        return torch.randn(size, **self.options)

    def uniform(self, size: tuple[int, ...]) -> Tensor:
        return torch.rand(size, **self.options)

    def exponential(self, size: tuple[int, ...]) -> Tensor:
        empty = torch.empty(size, device=self.place.device, dtype=self.place.dtype)
        return empty.exponential_(generator=self.generator)

    def gamma(self, size: tuple[int, ...], concentration: Tensor) -> Tensor:
        return torch._standard_gamma(concentration.expand(size).contiguous(), self.generator)


class TorchLaw(NamedTuple):
    """A law of one number in Torch.

    Attributes
    ----------
    parameters : tuple of str
        Names of the fields of the `Distribution` that are its parameters.
    draw : callable
        ``draw(source, size, *parameters)``.
    log_prob : callable
        ``log_prob(value, *parameters)``, minus infinity outside the support.
    """

    parameters: tuple[str, ...]
    draw: Callable[..., Tensor]
    log_prob: Callable[..., Tensor]


def _inside(valid: Tensor, log: Callable[[Tensor], Tensor], value: Tensor, safe: float) -> Tensor:
    """Return a density where it is one, without a gradient of NaN elsewhere."""
    return torch.where(valid, log(torch.where(valid, value, safe)), -math.inf)


def _normal_log(value: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    return -0.5 * ((value - loc) / scale) ** 2 - torch.log(scale) - _HALF_LOG_TWO_PI


def _student_log(value: Tensor, dof: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    constant = torch.lgamma((dof + 1) / 2) - torch.lgamma(dof / 2) - 0.5 * torch.log(dof * math.pi)
    squared = ((value - loc) / scale) ** 2
    return constant - torch.log(scale) - (dof + 1) / 2 * torch.log1p(squared / dof)


def _gamma_log(value: Tensor, concentration: Tensor, rate: Tensor) -> Tensor:
    constant = concentration * torch.log(rate) - torch.lgamma(concentration)

    def log(v: Tensor) -> Tensor:
        return constant + torch.xlogy(concentration - 1, v) - rate * v

    return _inside(value >= 0, log, value, safe=1.0)


def _log_normal_log(value: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    return _inside(value > 0, lambda v: _normal_log(torch.log(v), loc, scale) - torch.log(v), value, safe=1.0)


def _count_log(value: Tensor, rate: Tensor) -> Tensor:
    count = value.to(rate.dtype)
    valid = (count >= 0) & (count == torch.floor(count))
    return _inside(valid, lambda k: torch.xlogy(k, rate) - rate - torch.lgamma(k + 1), count, safe=0.0)


def _category_log(value: Tensor, *probabilities: Tensor) -> Tensor:
    table = torch.stack([p.expand(value.shape) for p in probabilities])
    codes = value.long()
    valid = (codes >= 0) & (codes < len(table)) & (codes == value)
    picked = table.gather(0, torch.where(valid, codes, 0)[None])[0]
    return torch.where(valid, torch.log(picked), -math.inf)


def category(noise: Tensor, *probabilities: Tensor) -> Tensor:
    """Return the category whose interval of probability holds the uniform noise."""
    bounds = torch.stack([p.expand(noise.shape) for p in probabilities]).cumsum(0)[:-1]
    return (noise >= bounds).sum(0)


def _student(source: Source, size: tuple[int, ...], dof: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    chi2 = 2 * source.gamma(size, dof / 2)
    return loc + scale * source.normal(size) * torch.rsqrt(chi2 / dof)


def _laplace(source: Source, size: tuple[int, ...], loc: Tensor, scale: Tensor) -> Tensor:
    return loc + scale * (source.exponential(size) - source.exponential(size))


def _poisson(source: Source, size: tuple[int, ...], rate: Tensor) -> Tensor:
    return torch.poisson(rate.expand(size).contiguous(), generator=source.generator).long()


LAWS: Mapping[str, TorchLaw] = {
    "Normal": TorchLaw(
        ("loc", "scale"), lambda s, size, loc, scale: s.normal(size).mul_(scale).add_(loc), _normal_log
    ),
    "StudentT": TorchLaw(("dof", "loc", "scale"), _student, _student_log),
    "Laplace": TorchLaw(
        ("loc", "scale"), _laplace, lambda v, loc, scale: -torch.abs(v - loc) / scale - torch.log(2 * scale)
    ),
    "Uniform": TorchLaw(
        ("low", "high"),
        lambda s, size, low, high: low + (high - low) * s.uniform(size),
        lambda v, low, high: torch.where((v >= low) & (v <= high), -torch.log(high - low), -math.inf),
    ),
    "Exponential": TorchLaw(
        ("rate",),
        lambda s, size, rate: s.exponential(size) / rate,
        lambda v, rate: torch.where(v >= 0, torch.log(rate) - rate * v, -math.inf),
    ),
    "Gamma": TorchLaw(
        ("concentration", "rate"), lambda s, size, c, rate: s.gamma(size, c) / rate, _gamma_log
    ),
    "LogNormal": TorchLaw(
        ("loc", "scale"),
        lambda s, size, loc, scale: torch.exp(loc + scale * s.normal(size)),
        _log_normal_log,
    ),
    "Bernoulli": TorchLaw(
        ("probability",),
        lambda s, size, p: (s.uniform(size) < p).long(),
        lambda v, p: _category_log(v, 1 - p, p),
    ),
    "Poisson": TorchLaw(("rate",), _poisson, _count_log),
    "Categorical": TorchLaw(
        ("probabilities",), lambda s, size, *p: category(s.uniform(size), *p), _category_log
    ),
    "Dirac": TorchLaw(
        ("value",),
        lambda s, size, value: value.expand(size).clone(),  # noqa: ARG005
        lambda v, value: torch.where(v == value, 0.0, -math.inf).to(value.dtype),
    ),
}


def parameters_of(law: Distribution, place: Place) -> list[Tensor]:
    """Return the parameters of a law of the table, as tensors without axes."""
    found: list[float] = []
    for name in LAWS[type(law).__name__].parameters:
        value = getattr(law, name)
        found += list(value) if isinstance(value, tuple) else [value]
    return [torch.tensor(float(value), device=place.device, dtype=place.dtype) for value in found]


def is_known(law: Distribution) -> bool:
    """Say whether a law can be drawn from in Torch."""
    own = type(law).__module__.startswith("causalrep.scm.")
    return own and (type(law).__name__ in LAWS or isinstance(law, (Empirical, Smoothed)))


def _refused(law: Distribution) -> DataError:
    return DataError(f"the law {law!r} is not one that Torch can draw from; sample without `device`")


def drawn(law: Distribution, n: int, generator: torch.Generator, place: Place) -> Tensor:
    """Return `n` draws of a law, shape (n, ...).

    Raises
    ------
    DataError
        If the law is none of the library's.
    """
    if not is_known(law):
        raise _refused(law)
    source = Source(generator, place)
    if isinstance(law, Smoothed):
        return _quantiles(law, source.uniform((n,)), place)
    size = (n, *getattr(law, "shape", ()))
    if isinstance(law, Empirical):
        rows = torch.randint(len(law.values), size, generator=generator, device=place.device)
        observed: Tensor = place.put(law.values)
        return observed[rows]
    if type(law).__name__ == "Normal" and (law.loc, law.scale) == (0, 1):  # type: ignore[attr-defined]
        return source.normal(size)
    return LAWS[type(law).__name__].draw(source, size, *parameters_of(law, place))


def log_prob_of(law: Distribution, value: Tensor, place: Place) -> Tensor:
    """Return the log density of each row, shape (n,).

    Raises
    ------
    DataError
        If the law is none of the library's.
    """
    if not is_known(law):
        raise _refused(law)
    if isinstance(law, Smoothed):
        return _smoothed_log(law, value, place)
    if isinstance(law, Empirical):
        return _empirical_log(law, value, place)
    log = LAWS[type(law).__name__].log_prob(value, *parameters_of(law, place))
    axes = len(getattr(law, "shape", ()))
    return log.flatten(-axes).sum(-1) if axes else log


def _empirical_log(law: Empirical, value: Tensor, place: Place) -> Tensor:
    observed: Tensor = place.put(law.values)
    ends = (torch.searchsorted(observed, value.contiguous(), side=side) for side in ("right", "left"))
    count = torch.sub(*ends).to(place.dtype)
    log = torch.log(count / len(observed))
    axes = len(law.shape)
    return log.flatten(-axes).sum(-1) if axes else log


def _quantiles(law: Smoothed, u: Tensor, place: Place) -> Tensor:
    """Return the quantiles of a smoothed law: straight between its edges, exponential beyond."""
    edges, cumulative = place.put(law.edges), place.put(law._cumulative)
    at = torch.searchsorted(cumulative, u).clamp(1, len(edges) - 1)
    low, high = cumulative[at - 1], cumulative[at]
    part = ((u - low) / (high - low).clamp_min(torch.finfo(place.dtype).tiny)).clamp(0, 1)
    value = edges[at - 1] + part * (edges[at] - edges[at - 1])
    tiny = torch.finfo(place.dtype).tiny
    left, right = (float(weight) for weight in law.weights[[0, -1]])
    below = edges[0] + law.scales[0] * torch.log((u / max(left, tiny)).clamp(tiny, 1))
    above = edges[-1] - law.scales[1] * torch.log(((1 - u) / max(right, tiny)).clamp(tiny, 1))
    return torch.where(u < cumulative[0], below, torch.where(u > cumulative[-1], above, value))


def _smoothed_log(law: Smoothed, value: Tensor, place: Place) -> Tensor:
    edges, weights = place.put(law.edges), place.put(law.weights)
    at = torch.searchsorted(edges, value.detach().contiguous(), side="right")
    cells = torch.log(weights[1:-1] / (edges[1:] - edges[:-1]))
    inner = cells[(at - 1).clamp(0, len(cells) - 1)]
    left = torch.log(weights[0] / law.scales[0]) - (edges[0] - value).clamp_min(0) / law.scales[0]
    right = torch.log(weights[-1] / law.scales[1]) - (value - edges[-1]).clamp_min(0) / law.scales[1]
    return torch.where(at == 0, left, torch.where(at == len(edges), right, inner))
