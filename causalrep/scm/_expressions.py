"""Expressions of the equation language: small trees that are printed, and compiled to NumPy calls.

Nothing is ever handed to Python's own evaluator: a tree is made of the five kinds of node below, and its
functions are those of the table `FUNCTIONS`. Sums are flat, so that a long sum is no deep tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import special

from causalrep.scm._mechanism import Array

__all__ = [
    "CONSTANTS",
    "Evaluator",
    "FUNCTIONS",
    "Apply",
    "Expr",
    "Law",
    "Name",
    "Number",
    "Sum",
    "children",
    "compiled",
    "constant",
    "names_in",
    "laws_in",
    "quoted",
    "replaced",
    "walk",
    "written",
]


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float | int


@dataclass(frozen=True)
class Name:
    """The value of a parent."""

    name: Hashable


@dataclass(frozen=True)
class Sum:
    """Terms that are added (+1) or subtracted (-1)."""

    terms: tuple[tuple[int, Expr], ...]


@dataclass(frozen=True)
class Apply:
    """A function of the table applied to its arguments; operators are functions too."""

    function: str
    args: tuple[Expr, ...]


@dataclass(frozen=True)
class Law:
    """A draw from a law, whose parameters may depend on parents; `key` is the name of its noise."""

    name: str
    args: tuple[Expr, ...]
    key: str


Expr: TypeAlias = Number | Name | Sum | Apply | Law
Evaluator: TypeAlias = Callable[[Mapping[Hashable, Array], Mapping[str, Array]], Any]


class Known(NamedTuple):
    """A function of the language: what computes it, and the least and largest number of arguments."""

    call: Callable[..., Any]
    least: int
    most: int


def _countable(value: Any) -> Any:
    """Return truth values as 0 and 1, so that they can be added and negated; anything else as it is."""
    kind = getattr(getattr(value, "dtype", None), "kind", "b" if isinstance(value, bool) else "")
    return np.asarray(value).astype(np.int64) if kind == "b" else value


def _power(base: Any, exponent: Any) -> Any:
    """Return a power in floating point: whole numbers can neither overflow nor refuse a negative exponent."""
    if isinstance(exponent, int) and exponent in (2, 3):
        return base * base if exponent == 2 else base * base * base
    return np.float_power(base, exponent)


def _fold(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def of_many(first: Any, *rest: Any) -> Any:
        for value in rest:
            first = function(first, value)
        return first

    return of_many


_ONE: Mapping[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "cbrt": np.cbrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arcsinh": np.arcsinh,
    "arctanh": np.arctanh,
    "sigmoid": special.expit,
    "logit": special.logit,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "erf": special.erf,
    "relu": lambda x: np.maximum(x, 0),
    "abs": lambda x: np.abs(_countable(x)),
    "sign": lambda x: np.sign(_countable(x)),
    "square": lambda x: np.square(_countable(x)),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "neg": lambda x: -_countable(x),
    "not": np.logical_not,
}
_TWO: Mapping[str, Callable[[Any, Any], Any]] = {
    "*": np.multiply,
    "/": np.true_divide,
    "//": np.floor_divide,
    "%": np.mod,
    "**": _power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
}
#: Everything that an equation may call; operators under their sign.
FUNCTIONS: Mapping[str, Known] = {
    **{name: Known(call, 1, 1) for name, call in _ONE.items()},
    **{name: Known(call, 2, 2) for name, call in _TWO.items()},
    "min": Known(_fold(np.minimum), 2, 32),
    "max": Known(_fold(np.maximum), 2, 32),
    "where": Known(np.where, 3, 3),
    "clip": Known(lambda x, low, high: np.minimum(np.maximum(x, low), high), 3, 3),
}
CONSTANTS: Mapping[str, float] = {"pi": float(np.pi)}

_LEVELS = {"or": 1, "and": 2, "not": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4, "!=": 4}
_LEVELS |= {"sum": 5, "neg": 5, "*": 6, "/": 6, "//": 6, "%": 6, "**": 7}
_ATOM = 8
_WORDS = ("and", "or", "not", *CONSTANTS)
_PLAIN = re.compile(r"[^\W\d]\w*")


def children(expr: Expr) -> tuple[Expr, ...]:
    if isinstance(expr, Sum):
        return tuple(term for _, term in expr.terms)
    return expr.args if isinstance(expr, (Apply, Law)) else ()


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield every node of the tree, parents before children, left before right."""
    waiting = [expr]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(reversed(children(here)))


def names_in(expr: Expr) -> tuple[Hashable, ...]:
    """Return the parents that are read, in order of first appearance."""
    return tuple(dict.fromkeys(node.name for node in walk(expr) if isinstance(node, Name)))


def laws_in(expr: Expr) -> tuple[Law, ...]:
    """Return the draws, in order of appearance."""
    return tuple(node for node in walk(expr) if isinstance(node, Law))


def constant(expr: Expr) -> float | int | None:
    """Return the value of a constant expression, else None."""
    return expr.value if isinstance(expr, Number) else None


def compiled(expr: Expr, draw: Callable[[Law], Evaluator]) -> Evaluator:
    """Return a function of the parents' values and of the noises that evaluates the tree.

    Parameters
    ----------
    expr : Expr
        The tree.
    draw : callable
        Gives the evaluator of a `Law`.
    """
    if isinstance(expr, Number):
        value = expr.value
        return lambda values, noise: value  # noqa: ARG005
    if isinstance(expr, Name):
        name = expr.name
        return lambda values, noise: values[name]  # noqa: ARG005
    if isinstance(expr, Law):
        return draw(expr)
    if isinstance(expr, Sum):
        return _compiled_sum([(sign, compiled(term, draw)) for sign, term in expr.terms])
    call, parts = FUNCTIONS[expr.function].call, [compiled(arg, draw) for arg in expr.args]
    if len(parts) == 1:
        only = parts[0]
        return lambda values, noise: call(only(values, noise))
    if len(parts) == 2:
        left, right = parts
        return lambda values, noise: call(left(values, noise), right(values, noise))
    return lambda values, noise: call(*(part(values, noise) for part in parts))


def _compiled_sum(terms: list[tuple[int, Evaluator]]) -> Evaluator:
    (first_sign, first), *rest = terms

    def total(values: Mapping[Hashable, Array], noise: Mapping[str, Array]) -> Any:
        result = _countable(first(values, noise))
        result = -result if first_sign < 0 else result
        for sign, term in rest:
            part = _countable(term(values, noise))
            result = result + part if sign > 0 else result - part
        return result

    return total


def written(expr: Expr) -> str:
    """Return the text of an expression; parsing it gives the same tree."""
    return _written(expr)[0]


def quoted(name: Hashable) -> str:
    """Return a node name as equations write it: odd names stand between backticks."""
    text = str(name)
    return text if _PLAIN.fullmatch(text) and text not in _WORDS else f"`{text}`"


def _written(expr: Expr) -> tuple[str, int]:
    """Return the text and how tightly it binds."""
    if isinstance(expr, Number):
        return repr(expr.value), _ATOM if expr.value >= 0 else _LEVELS["neg"]
    if isinstance(expr, Name):
        return quoted(expr.name), _ATOM
    if isinstance(expr, Sum):
        return _written_sum(expr), _LEVELS["sum"]
    parts = [_written(arg) for arg in expr.args]
    name = expr.function if isinstance(expr, Apply) else expr.name
    if isinstance(expr, Law) or name not in _LEVELS:
        return f"{name}({', '.join(text for text, _ in parts)})", _ATOM
    level = _LEVELS[name]
    if name in ("neg", "not"):
        sign, needed = ("-", level + 1) if name == "neg" else ("not ", level)
        return sign + _bound(*parts[0], needed), level
    # comparisons do not chain, powers lean to the right, everything else to the left
    left = level + (name == "**" or level == _LEVELS["<"])
    right = level + (name != "**")
    return f"{_bound(*parts[0], left)} {name} {_bound(*parts[1], right)}", level


def _written_sum(expr: Sum) -> str:
    text = ""
    for sign, term in expr.terms:
        part = _bound(*_written(term), _LEVELS["sum"] + 1)
        if not text:
            text = part if sign > 0 else f"-{part}"
        else:
            text += f" + {part}" if sign > 0 else f" - {part}"
    return text


def _bound(text: str, level: int, needed: int) -> str:
    return text if level >= needed else f"({text})"


def replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    """Return the tree with every occurrence of `old` replaced by `new`."""
    if expr == old:
        return new
    if isinstance(expr, Sum):
        return Sum(tuple((sign, replaced(term, old, new)) for sign, term in expr.terms))
    if isinstance(expr, Apply):
        return Apply(expr.function, tuple(replaced(arg, old, new) for arg in expr.args))
    if isinstance(expr, Law):
        return Law(expr.name, tuple(replaced(arg, old, new) for arg in expr.args), expr.key)
    return expr
