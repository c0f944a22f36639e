"""Solve an equation for its only draw: from the value of a node back to the noise.

The path from the root of the tree to the draw is walked once, undoing one function after the other; the
logarithms of the slopes are added up on the way, which gives the density by the change of variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from causalrep.scm._expressions import Apply, Expr, Law, Number, Sum, children, compiled, constant, laws_in
from causalrep.scm._mechanism import Array

__all__ = ["Step", "Undo", "divides", "is_constant", "undone", "way_to_the_draw"]

Undo = Callable[..., tuple[Any, Any]]
"""``undo(value, *others)`` gives the argument and the log of ``|d argument / d value|``."""


def _within(valid: Any, result: Any) -> Any:
    """Return infinity where the value is none that the function takes."""
    return np.where(valid, result, math.inf)


def _undo_power(value: Any, exponent: Any) -> tuple[Any, Any]:
    size = np.abs(value)
    return np.sign(value) * size ** (1 / exponent), (1 / exponent - 1) * np.log(size) - math.log(exponent)


_UNDO: Mapping[tuple[str, int], Undo] = {
    ("neg", 0): lambda v: (-v, 0.0),
    ("exp", 0): lambda v: (_within(v > 0, np.log(v)), -np.log(v)),
    ("expm1", 0): lambda v: (_within(v > -1, np.log1p(v)), -np.log1p(v)),
    ("log", 0): lambda v: (np.exp(v), v),
    ("log1p", 0): lambda v: (np.expm1(v), v),
    ("log2", 0): lambda v: (np.exp2(v), v * math.log(2) + math.log(math.log(2))),
    ("log10", 0): lambda v: (10.0**v, v * math.log(10) + math.log(math.log(10))),
    ("sqrt", 0): lambda v: (_within(v >= 0, v * v), np.log(2 * v)),
    ("cbrt", 0): lambda v: (v**3, np.log(3 * v * v)),
    ("sigmoid", 0): lambda v: (_within((v > 0) & (v < 1), special.logit(v)), -np.log(v) - np.log1p(-v)),
    ("logit", 0): lambda v: (special.expit(v), special.log_expit(v) + special.log_expit(-v)),
    ("tanh", 0): lambda v: (_within(np.abs(v) < 1, np.arctanh(v)), -np.log1p(-v * v)),
    ("arctanh", 0): lambda v: (np.tanh(v), -2 * np.log(np.cosh(v))),
    ("sinh", 0): lambda v: (np.arcsinh(v), -0.5 * np.log1p(v * v)),
    ("arcsinh", 0): lambda v: (np.sinh(v), np.log(np.cosh(v))),
    ("arctan", 0): lambda v: (_within(np.abs(v) < math.pi / 2, np.tan(v)), -2 * np.log(np.abs(np.cos(v)))),
    ("softplus", 0): lambda v: (_within(v > 0, v + np.log(-np.expm1(-v))), -np.log(-np.expm1(-v))),
    ("*", 0): lambda v, b: (v / b, -np.log(np.abs(b))),
    ("*", 1): lambda v, a: (v / a, -np.log(np.abs(a))),
    ("/", 0): lambda v, b: (v * b, np.log(np.abs(b))),
    ("/", 1): lambda v, a: (a / v, np.log(np.abs(a)) - 2 * np.log(np.abs(v))),
    ("**", 0): _undo_power,
}


@dataclass(frozen=True)
class Step:
    """One function to undo: `undo` takes the value and what `others` evaluate to."""

    undo: Undo
    others: tuple[Any, ...]


def way_to_the_draw(
    expr: Expr,
    draw: Callable[[Law], Any],
    *,
    compiler: Callable[..., Any] = compiled,
    table: Mapping[tuple[str, int], Undo] = _UNDO,
) -> tuple[tuple[Step, ...], Law] | None:
    """Return the steps that lead from the value to the only draw, or None if there is no such way.

    What the other arguments of a function are is computed by what `compiler` makes of them, and the function
    is undone by `table`: by default both are NumPy's.
    """
    if len(laws_in(expr)) != 1:
        return None
    steps: list[Step] = []
    here = expr
    while not isinstance(here, Law):
        parts = children(here)
        at = next(i for i, part in enumerate(parts) if laws_in(part))
        others = [part for i, part in enumerate(parts) if i != at]
        undo = _undo_of(here, at, table)
        if undo is None:
            return None
        steps.append(Step(undo, tuple(compiler(other, draw) for other in others)))
        here = parts[at]
    return tuple(steps), here


def divides(steps: tuple[Step, ...]) -> bool:
    """Say whether a step divides by the draw, so that the value jumps where the draw crosses zero."""
    return any(step.undo is _UNDO["/", 1] for step in steps)


def _undo_of(expr: Expr, at: int, table: Mapping[tuple[str, int], Undo]) -> Undo | None:
    if isinstance(expr, Sum):
        return _undo_sum([sign for sign, _ in expr.terms], at)
    if not isinstance(expr, Apply):
        return None
    if expr.function == "**":  # only odd powers can be undone
        exponent = constant(expr.args[1])
        if at != 0 or exponent is None or exponent <= 0 or exponent % 2 != 1:
            return None
    return table.get((expr.function, at))


def _undo_sum(signs: list[int], at: int) -> Undo:
    own, rest = signs[at], signs[:at] + signs[at + 1 :]

    def undo(value: Any, *others: Any) -> tuple[Any, Any]:
        for sign, other in zip(rest, others, strict=True):
            value = value - other if sign > 0 else value + other
        return (value if own > 0 else -value), 0.0

    return undo


def undone(steps: tuple[Step, ...], values: Mapping[Hashable, Array], value: Array) -> tuple[Array, Any]:
    """Return what stands at the end of the way for an observed value, and the log slope."""
    here: Any = np.asarray(value)
    here = here.astype(np.float64) if here.dtype.kind == "b" else here
    slope: Any = 0.0
    with np.errstate(all="ignore"):
        for step in steps:
            here, more = step.undo(here, *(other(values, {}) for other in step.others))
            slope = slope + more
    return here, slope


def is_constant(expr: Law) -> bool:
    """Say whether all parameters of a law are constants."""
    return all(isinstance(arg, Number) for arg in expr.args)
