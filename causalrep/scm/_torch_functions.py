"""The functions of equations, by name, in Torch: the table of `causalrep.scm._expressions` for tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["ANY", "REAL", "countable"]


def countable(value: Tensor) -> Tensor:
    """Return truth values as numbers, and numbers as they are."""
    return value.long() if value.dtype == torch.bool else value


def _fold(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def of_many(first: Tensor, *rest: Tensor) -> Tensor:
        for value in rest:
            first = function(first, value)
        return first

    return of_many


REAL: Mapping[str, Callable[..., Tensor]] = {  # functions of real numbers: counts are made real first
    **{name: getattr(torch, name) for name in ("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt")},
    **{name: getattr(torch, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "logit")},
    **{name: getattr(torch, name) for name in ("arcsin", "arccos", "arctan", "arcsinh", "arctanh")},
    "erf": torch.erf,
    "sigmoid": torch.sigmoid,
    "cbrt": lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3),
    "softplus": lambda x: torch.logaddexp(torch.zeros_like(x), x),
    "/": torch.true_divide,
    "**": torch.pow,
}
ANY: Mapping[str, Callable[..., Tensor]] = {
    "relu": lambda x: countable(x).clamp_min(0),
    "abs": lambda x: torch.abs(countable(x)),
    "sign": lambda x: torch.sign(countable(x)),
    "square": lambda x: torch.square(countable(x)),
    "neg": lambda x: -countable(x),
    **{name: getattr(torch, name) for name in ("floor", "ceil", "round")},
    "not": torch.logical_not,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "*": torch.mul,
    "//": torch.floor_divide,
    "%": torch.remainder,
    "<": torch.lt,
    "<=": torch.le,
    ">": torch.gt,
    ">=": torch.ge,
    "==": torch.eq,
    "!=": torch.ne,
    "min": _fold(torch.minimum),
    "max": _fold(torch.maximum),
    "where": lambda condition, a, b: torch.where(condition.bool(), a, b),
    "clip": lambda x, low, high: torch.minimum(torch.maximum(x, low), high),
}
