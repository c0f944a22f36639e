"""Equations in Torch: the same trees, compiled to Torch calls, and solved for their only draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalrep.scm._equations import Equation, _check_told
from causalrep.scm._expressions import Evaluator, Expr, Law, Name, Number, Sum
from causalrep.scm._inverse import Undo, is_constant, way_to_the_draw
from causalrep.scm._mechanism import NoiseLaw
from causalrep.scm._torch import Place
from causalrep.scm._torch_functions import ANY, REAL, countable
from causalrep.scm._torch_laws import LAWS, category, log_prob_of
from causalrep.utils import CausalRepError, DataError, NotInvertibleError

__all__ = ["TorchEquation"]


def _within(valid: Tensor, result: Tensor) -> Tensor:
    return torch.where(valid, result, math.inf)


def _undo_power(value: Tensor, exponent: Tensor) -> tuple[Tensor, Tensor]:
    size = torch.abs(value)
    slope = (1 / exponent - 1) * torch.log(size) - torch.log(exponent)
    return torch.sign(value) * size ** (1 / exponent), slope


_UNDO: Mapping[tuple[str, int], Undo] = {  # the table of `causalrep.scm._inverse` in Torch
    ("neg", 0): lambda v: (-v, 0.0),
    ("exp", 0): lambda v: (_within(v > 0, torch.log(v)), -torch.log(v)),
    ("expm1", 0): lambda v: (_within(v > -1, torch.log1p(v)), -torch.log1p(v)),
    ("log", 0): lambda v: (torch.exp(v), v),
    ("log1p", 0): lambda v: (torch.expm1(v), v),
    ("log2", 0): lambda v: (torch.exp2(v), v * math.log(2) + math.log(math.log(2))),
    ("log10", 0): lambda v: (10.0**v, v * math.log(10) + math.log(math.log(10))),
    ("sqrt", 0): lambda v: (_within(v >= 0, v * v), torch.log(2 * v)),
    ("cbrt", 0): lambda v: (v**3, torch.log(3 * v * v)),
    ("sigmoid", 0): lambda v: (_within((v > 0) & (v < 1), torch.logit(v)), -torch.log(v) - torch.log1p(-v)),
    ("logit", 0): lambda v: (
        torch.sigmoid(v),
        torch.nn.functional.logsigmoid(v) + torch.nn.functional.logsigmoid(-v),
    ),
    ("tanh", 0): lambda v: (_within(torch.abs(v) < 1, torch.arctanh(v)), -torch.log1p(-v * v)),
    ("arctanh", 0): lambda v: (torch.tanh(v), -2 * torch.log(torch.cosh(v))),
    ("sinh", 0): lambda v: (torch.arcsinh(v), -0.5 * torch.log1p(v * v)),
    ("arcsinh", 0): lambda v: (torch.sinh(v), torch.log(torch.cosh(v))),
    ("arctan", 0): lambda v: (
        _within(torch.abs(v) < math.pi / 2, torch.tan(v)),
        -2 * torch.log(torch.abs(torch.cos(v))),
    ),
    ("softplus", 0): lambda v: (
        _within(v > 0, v + torch.log(-torch.expm1(-v))),
        -torch.log(-torch.expm1(-v)),
    ),
    ("*", 0): lambda v, b: (v / b, -torch.log(torch.abs(b))),
    ("*", 1): lambda v, a: (v / a, -torch.log(torch.abs(a))),
    ("/", 0): lambda v, b: (v * b, torch.log(torch.abs(b))),
    ("/", 1): lambda v, a: (a / v, torch.log(torch.abs(a)) - 2 * torch.log(torch.abs(v))),
    ("**", 0): _undo_power,
}


class _Draw(NamedTuple):
    """A law whose parameters are computed: the draw from its standard noise, and back."""

    forward: Callable[..., Tensor]
    backward: Callable[..., Tensor] | None


def _positive(value: Tensor, what: str) -> Tensor:
    if not bool((value > 0).all()):
        raise DataError(f"{what} must be positive in every row, got {float(value.min())!r} among them")
    return value


def _stretched(law: str) -> _Draw:
    return _Draw(
        lambda u, loc, scale: loc + _positive(scale, f"`scale` of {law}") * u,
        lambda v, loc, scale: (v - loc) / _positive(scale, f"`scale` of {law}"),
    )


_DRAWS: Mapping[str, _Draw] = {
    "Normal": _stretched("Normal"),
    "Laplace": _stretched("Laplace"),
    "Uniform": _Draw(
        lambda u, low, high: low + _positive(high - low, "`high - low` of Uniform") * u,
        lambda v, low, high: (v - low) / _positive(high - low, "`high - low` of Uniform"),
    ),
    "LogNormal": _Draw(
        lambda u, loc, scale: torch.exp(loc + _positive(scale, "`scale` of LogNormal") * u),
        lambda v, loc, scale: (torch.log(v) - loc) / _positive(scale, "`scale` of LogNormal"),
    ),
    "Exponential": _Draw(
        lambda u, rate: u / _positive(rate, "`rate` of Exponential"),
        lambda v, rate: v * _positive(rate, "`rate` of Exponential"),
    ),
    "Bernoulli": _Draw(lambda u, p: (u < p).long(), None),
    "Categorical": _Draw(category, None),
    "Dirac": _Draw(lambda u, value: value + u, lambda seen, value: seen - value),
}


def _named(law: Law) -> str:
    return "Normal" if law.name == "N" else law.name


class TorchEquation:
    """An `Equation` in one place: forward, abduction and density on tensors.

    Raises
    ------
    DataError
        If the equation draws from a law with computed parameters whose quantiles Torch does not know.
    """

    def __init__(self, equation: Equation, place: Place) -> None:
        self.equation = equation
        self.place = place
        self.laws = equation._laws
        self._forward = self._compiled(equation.expr, self._draw)
        self._way = way_to_the_draw(equation.expr, self._draw, compiler=self._compiled, table=_UNDO)

    @property
    def noise(self) -> NoiseLaw:
        """The law of the noise, as the equation's."""
        return self.equation.noise

    def _real(self, value: Tensor) -> Tensor:
        return value if value.is_floating_point() else value.to(self.place.dtype)

    def _compiled(self, expr: Expr, draw: Callable[[Law], Evaluator]) -> Evaluator:
        """Return a function of the parents' values and of the noises, on tensors."""
        if isinstance(expr, Number):
            constant = self.place.put(expr.value)
            return lambda values, noise: constant  # noqa: ARG005
        if isinstance(expr, Name):
            name = expr.name
            return lambda values, noise: values[name]  # noqa: ARG005
        if isinstance(expr, Law):
            return draw(expr)
        if isinstance(expr, Sum):
            return self._compiled_sum([(sign, self._compiled(term, draw)) for sign, term in expr.terms])
        if expr.function == "**" and isinstance(expr.args[1], Number) and expr.args[1].value in (2, 3):
            return _small_power(self._compiled(expr.args[0], draw), int(expr.args[1].value), self._real)
        parts = [self._compiled(arg, draw) for arg in expr.args]
        if expr.function in REAL:
            real, call = self._real, REAL[expr.function]
            return lambda values, noise: call(*(real(part(values, noise)) for part in parts))
        call = ANY[expr.function]
        return lambda values, noise: call(*(part(values, noise) for part in parts))

    def _compiled_sum(self, terms: list[tuple[int, Evaluator]]) -> Evaluator:
        def total(values: Mapping[Hashable, Any], noise: Mapping[str, Any]) -> Any:
            result: Any = None
            for sign, term in terms:
                part = countable(term(values, noise))
                if result is None:
                    result = part if sign > 0 else -part
                else:
                    result = result + part if sign > 0 else result - part
            return result

        return total

    def _draw(self, law: Law) -> Evaluator:
        key, name = law.key, _named(law)
        if is_constant(law):
            return lambda values, noise: noise[key]  # noqa: ARG005
        if name not in _DRAWS:
            raise DataError(
                f"{name} with parameters that depend on other nodes needs quantiles that Torch does not have"
            )
        forward, parts = _DRAWS[name].forward, [self._compiled(arg, self._draw) for arg in law.args]
        return lambda values, noise: forward(noise[key], *(self._real(part(values, noise)) for part in parts))

    def _parameters(self, law: Law, values: Mapping[Hashable, Any]) -> list[Tensor]:
        return [self._real(self._compiled(arg, self._draw)(values, {})) for arg in law.args]

    def forward(self, parents: Mapping[Hashable, Any], noise: Any) -> Tensor:
        """Evaluate the equation."""
        if len(self.laws) == 1:
            noise = {next(iter(self.laws)): noise}
        value: Tensor = self._forward(parents, noise)
        return value

    def _undone(self, parents: Mapping[Hashable, Any], value: Tensor) -> tuple[Law, Tensor, Any]:
        if self._way is None:
            raise CausalRepError(f"{self.equation!r} has no density and no inverse in closed form")
        here, slope = self._real(value), torch.zeros((), device=value.device, dtype=self.place.dtype)
        for step in self._way[0]:
            others = (self._real(other(parents, {})) for other in step.others)
            here, more = step.undo(here, *others)
            slope = slope + more
        return self._way[1], here, slope

    def abduct(self, parents: Mapping[Hashable, Any], value: Tensor) -> Any:
        """Solve the equation for its noise."""
        if self.equation.deterministic:
            return {}
        if not self.equation.invertible:
            raise NotInvertibleError(f"{self.equation!r} cannot be solved for its noise")
        law, inner, _ = self._undone(parents, value)
        backward = None if is_constant(law) else _DRAWS[_named(law)].backward
        noise = inner if backward is None else backward(inner, *self._parameters(law, parents))
        _check_told(noise.detach().cpu().numpy(), self.equation)
        return noise.expand(len(value))

    def log_prob(self, parents: Mapping[Hashable, Any], value: Tensor) -> Tensor:
        """Return the log density by the change of variables, shape (n,)."""
        law, inner, slope = self._undone(parents, value)
        if is_constant(law):
            density = log_prob_of(self.laws[law.key], inner, self.place)
        else:
            density = LAWS[_named(law)].log_prob(inner, *self._parameters(law, parents))
        valid = torch.isfinite(density) & torch.isfinite(slope)
        return torch.where(valid, density + slope, -math.inf).expand(len(value))


def _small_power(base: Evaluator, exponent: int, real: Callable[[Tensor], Tensor]) -> Evaluator:
    """Return a square or cube: products have the gradient of a power also at zero."""

    def power(values: Mapping[Hashable, Any], noise: Mapping[str, Any]) -> Any:
        x = real(base(values, noise))
        return x * x if exponent == 2 else x * x * x

    return power
