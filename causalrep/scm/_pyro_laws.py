"""Laws, equations and mechanisms of this library as distributions of Pyro; imported where Pyro is used."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import pyro.distributions as dist
import torch
from pyro.distributions import constraints, transforms
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from causalrep.scm._arrays import to_numpy
from causalrep.scm._distributions import Categorical, Distribution
from causalrep.scm._expressions import Apply, Expr, Law, Name, Number, Sum, children, laws_in
from causalrep.scm._laws import LAWS
from causalrep.scm._mechanism import Mechanism
from causalrep.scm._torch_functions import ANY, REAL
from causalrep.utils import CausalRepError

__all__ = [
    "Opaque",
    "attempt",
    "evaluated",
    "moved",
    "rows_of",
    "shape_of",
    "solved",
    "tensor",
    "torch_law",
]


def tensor(value: Any) -> Tensor:
    """Return numbers as a tensor of doubles."""
    if isinstance(value, Tensor):
        return value.double()
    return torch.as_tensor(np.array(to_numpy(value), dtype=np.float64))


def rows_of(parts: Mapping[Hashable, Any], shape: tuple[int, ...]) -> dict[Hashable, Any]:
    """Return tensors and arrays as arrays of one axis, after broadcasting them to a shape."""
    return {name: np.broadcast_to(to_numpy(part), shape).ravel() for name, part in parts.items()}


def shape_of(*parts: Any) -> tuple[int, ...]:
    """Return the shape that tensors and arrays broadcast to."""
    return np.broadcast_shapes(*(tuple(part.shape) for part in parts))


_KINDS: Mapping[str, Callable[..., Any]] = {
    "N": dist.Normal,
    "Normal": dist.Normal,
    "Laplace": dist.Laplace,
    "Uniform": dist.Uniform,
    "LogNormal": dist.LogNormal,
    "Exponential": dist.Exponential,
    "StudentT": dist.StudentT,
    "Gamma": dist.Gamma,
    "Poisson": dist.Poisson,
    "Bernoulli": dist.Bernoulli,
    "Categorical": lambda *parts: dist.Categorical(torch.stack(torch.broadcast_tensors(*parts), dim=-1)),
    "Dirac": dist.Delta,
}
_DISCRETE = ("Poisson", "Bernoulli", "Categorical")


def torch_law(law: Distribution) -> Any:
    """Return the distribution of a law, or None for a law that Pyro does not know."""
    name = type(law).__name__
    if name not in LAWS or not type(law).__module__.startswith("causalrep."):
        return None
    if isinstance(law, Categorical):
        return dist.Categorical(tensor(law.probabilities))
    return _KINDS[name](*(tensor(getattr(law, part)) for part in LAWS[name].parameters))


def moved(base: Any, location: Any, scale: Any = 1.0) -> Any:
    """Return the distribution of ``location + scale * draw``."""
    if isinstance(base, (dist.Normal, dist.Laplace)):
        size = scale.abs() if isinstance(scale, Tensor) else abs(scale)
        return type(base)(location + scale * base.loc, size * base.scale)
    return dist.TransformedDistribution(base, [transforms.AffineTransform(location, scale)])


def attempt(call: Callable[[Callable[[Any], Any]], Any], *parts: Any) -> Tensor:
    """Return what a function gives for tensors, or for arrays where it cannot work on tensors.

    Parameters
    ----------
    call : callable
        Given a converter, calls the function on converted arguments.
    *parts : Tensor or mapping
        The arguments, to see whether a gradient would be lost.

    Raises
    ------
    CausalRepError
        If it works on arrays only and a gradient is needed.
    """
    try:
        found = call(lambda part: part)
        if isinstance(found, Tensor):
            return found.double() if found.dtype != torch.float64 else found
    except (TypeError, RuntimeError, ValueError):
        pass  # a function of NumPy or of whole arrays of another kind; called again below
    if any(part.requires_grad for part in parts if isinstance(part, Tensor)):
        raise CausalRepError(
            "a mechanism is computed in NumPy, so it has no gradient; write its function for tensors, or "
            "draw by method='importance'"
        )
    shape = shape_of(*parts)
    rows = call(lambda part: np.broadcast_to(to_numpy(part), shape).ravel())
    return tensor(rows).expand(int(np.prod(shape))).reshape(shape)


class Opaque(TorchDistribution):
    """The law of a node by its own mechanism, without gradients."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real
    has_rsample = False

    def __init__(
        self, mechanism: Mechanism, parents: Mapping[Hashable, Any], shape: tuple[int, ...] | None = None
    ) -> None:
        self.mechanism, self.parents = mechanism, parents
        super().__init__(
            torch.Size(shape_of(*parents.values()) if shape is None else shape), validate_args=False
        )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Opaque:
        """Return the law of more rows."""
        return Opaque(self.mechanism, self.parents, tuple(batch_shape))

    def _arrays(self) -> dict[Hashable, Any]:
        if any(part.requires_grad for part in self.parents.values() if isinstance(part, Tensor)):
            raise CausalRepError(
                f"{self.mechanism!r} is computed in NumPy, so it has no gradient; draw by method='importance'"
            )
        return rows_of(self.parents, tuple(self.batch_shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:  # noqa: ARG002 - rows are in the batch
        """Draw one value for each row, from a stream that Torch's state addresses."""
        seed = int(torch.randint(2**62, ()).item())
        noise = self.mechanism.sample_noise(self.batch_shape.numel(), np.random.default_rng(seed))
        return tensor(self.mechanism.forward(self._arrays(), noise)).reshape(self.batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the mechanism's log density, shape (n,)."""
        if value.requires_grad:
            raise CausalRepError(
                f"{self.mechanism!r} is computed in NumPy, so it has no gradient; draw by method='importance'"
            )
        rows = np.broadcast_to(to_numpy(value), tuple(self.batch_shape)).ravel()
        return tensor(self.mechanism.log_prob(self._arrays(), rows)).reshape(self.batch_shape)


_FUNCTIONS = {**REAL, **ANY}

_FORWARD: Mapping[str, Callable[..., Any]] = {
    "N": lambda u, loc, scale: loc + scale * u,
    "Normal": lambda u, loc, scale: loc + scale * u,
    "Laplace": lambda u, loc, scale: loc + scale * u,
    "Uniform": lambda u, low, high: low + (high - low) * u,
    "LogNormal": lambda u, loc, scale: torch.exp(loc + scale * u),
    "Exponential": lambda u, rate: u / rate,
    "Bernoulli": lambda u, p: (u < p).double(),
    "Categorical": lambda u, *p: sum((u >= bound).double() for bound in _bounds(p)),
    "Dirac": lambda u, value: value + u,
}


def _bounds(probabilities: tuple[Tensor, ...]) -> Tensor:
    return torch.cumsum(torch.stack(torch.broadcast_tensors(*probabilities)), dim=0)[:-1]


def evaluated(expr: Expr, values: Mapping[Hashable, Tensor], noise: Mapping[str, Tensor]) -> Tensor:
    """Return the value of an equation's tree on tensors, given its noises."""
    if isinstance(expr, Number):
        return tensor(expr.value)
    if isinstance(expr, Name):
        return tensor(values[expr.name])
    if isinstance(expr, Sum):
        total = torch.zeros((), dtype=torch.float64)
        for sign, term in expr.terms:
            total = total + sign * evaluated(term, values, noise)
        return total
    parts = [evaluated(part, values, noise) for part in expr.args]
    if isinstance(expr, Law):
        return _drawn(expr, noise[expr.key], parts)
    return tensor(_FUNCTIONS[expr.function](*parts))


def _drawn(law: Law, noise: Tensor, parameters: list[Tensor]) -> Tensor:
    if all(isinstance(arg, Number) for arg in law.args):
        return noise
    if law.name in _FORWARD:
        return tensor(_FORWARD[law.name](noise, *parameters))
    forward = LAWS[law.name].forward
    parts = (noise, *parameters)
    return attempt(lambda as_: forward(*(to_numpy(as_(part)) for part in parts)), *parts)


def solved(expr: Expr, values: Mapping[Hashable, Tensor], brought: Distribution | None) -> Any:
    """Return the distribution of an equation with one draw and a way back to it, or None.

    Parameters
    ----------
    expr : Expr
        The tree.
    values : mapping of node to Tensor
        The parents.
    brought : Distribution or None
        The law of the name ``noise``.
    """
    if len(laws_in(expr)) != 1:
        return None
    steps: list[Any] = []
    here = expr
    while not isinstance(here, Law):
        parts = children(here)
        at = next(i for i, part in enumerate(parts) if laws_in(part))
        others = [evaluated(part, values, {}) for i, part in enumerate(parts) if i != at]
        step = _step(here, at, others)
        if step is None:
            return None
        steps[:0] = step
        here = parts[at]
    if here.name not in _KINDS:  # the law that was brought along
        base = None if brought is None else torch_law(brought)
        discrete = type(brought).__name__ in _DISCRETE
    else:
        base = _KINDS[here.name](*(evaluated(arg, values, {}) for arg in here.args))
        discrete = here.name in _DISCRETE
    if base is None or (discrete and steps):
        return None
    if len(steps) == 1 and isinstance(steps[0], transforms.AffineTransform):
        return moved(base, steps[0].loc, steps[0].scale)
    return dist.TransformedDistribution(base, steps) if steps else base


def _step(expr: Expr, at: int, others: list[Tensor]) -> list[Any] | None:
    """Return the transforms that lead from a part of an expression to the whole, or None."""
    if isinstance(expr, Sum):
        signs = [sign for i, (sign, _) in enumerate(expr.terms) if i != at]
        rest = sum((sign * other for sign, other in zip(signs, others, strict=True)), tensor(0.0))
        return [transforms.AffineTransform(rest, float(expr.terms[at][0]))]
    if not isinstance(expr, Apply):
        return None
    if expr.function == "*":
        return [transforms.AffineTransform(tensor(0.0), others[0])]
    if expr.function == "/" and at == 0:
        return [transforms.AffineTransform(tensor(0.0), 1 / others[0])]
    known: Mapping[str, Callable[[], list[Any]]] = {
        "neg": lambda: [transforms.AffineTransform(tensor(0.0), -1.0)],
        "exp": lambda: [transforms.ExpTransform()],
        "log": lambda: [transforms.ExpTransform().inv],
        "expm1": lambda: [transforms.ExpTransform(), transforms.AffineTransform(tensor(-1.0), 1.0)],
        "log1p": lambda: [transforms.AffineTransform(tensor(1.0), 1.0), transforms.ExpTransform().inv],
        "sigmoid": lambda: [transforms.SigmoidTransform()],
        "logit": lambda: [transforms.SigmoidTransform().inv],
        "tanh": lambda: [transforms.TanhTransform()],
        "arctanh": lambda: [transforms.TanhTransform().inv],
        "softplus": lambda: [transforms.SoftplusTransform()],
    }
    return known[expr.function]() if expr.function in known else None
