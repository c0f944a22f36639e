"""Variables of formulas: nodes at a value, free or fixed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from enum import Enum
from typing import Any, Final, NamedTuple

from causalrep.identification._text import latex_name, text_name

__all__ = ["FREE", "Variable", "in_canonical_order", "variable_key"]


class _Free(Enum):
    """Says that a variable has no fixed value."""

    FREE = "free"


FREE: Final = _Free.FREE


class Variable(NamedTuple):
    """A node of the graph as it stands in a formula.

    Parameters
    ----------
    name : hashable
        The node, which is also the column of the data.
    primes : int, default=0
        Tells apart different values of one node, as in ``P(Y | X) P(X')``.
    value : hashable, optional
        A fixed value, as in ``P(Y=1)``; without it the variable is free, or bound by a sum.
    """

    name: Hashable
    primes: int = 0
    value: Hashable = FREE

    def __str__(self) -> str:
        text = text_name(self.name) + "'" * self.primes
        return text if self.value is FREE else f"{text_name(self.name)}={text_name(self.value)}"

    def to_latex(self) -> str:
        """Return the variable in LaTeX's mathematics."""
        text = latex_name(self.name) + "'" * self.primes
        return text if self.value is FREE else f"{latex_name(self.name)}={latex_name(self.value)}"


def variable_key(variable: Variable) -> tuple[str, Any, int, str]:
    """Return what canonical order sorts by; it does not depend on the order of the graph's nodes."""
    name, primes, value = variable
    plain = name if isinstance(name, (str, int)) else repr(name)
    return type(name).__name__, plain, primes, "" if value is FREE else repr(value)


def in_canonical_order(variables: Iterable[Variable]) -> tuple[Variable, ...]:
    """Return the variables, each once, in canonical order."""
    return tuple(sorted(set(variables), key=variable_key))
