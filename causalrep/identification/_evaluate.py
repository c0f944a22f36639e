"""Work out a formula on discrete distributions: arrays whose axes are variables.

Undefined is not zero: a conditional probability given something that never happens is NaN, and
stays so through sums and products, except where it is multiplied by a true zero. An estimate for a
stratum that the data do not support therefore says so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.identification._expression import (
    FREE,
    Difference,
    Expression,
    Fraction,
    Number,
    Probability,
    Product,
    Sum,
    Variable,
)
from causalrep.identification._joint import Joint
from causalrep.utils import DataError

__all__ = ["Distributions", "OnViolation", "Values", "evaluate"]

#: The distributions at hand, by the nodes that their experiment sets and by population; several of
#: one kind may hold different nodes.
Distributions: TypeAlias = Mapping[tuple[frozenset[Hashable], str], Sequence[Joint]]
OnViolation: TypeAlias = Literal["raise", "warn", "drop"]

_MOST_CELLS = 5e7


@dataclass(frozen=True, slots=True)
class Values:
    """An array with one axis per variable."""

    axes: tuple[Variable, ...]
    array: NDArray[np.float64]

    def on(self, axes: tuple[Variable, ...]) -> NDArray[np.float64]:
        """Return the array with these axes, in this order; those it lacks have length one."""
        order = [self.axes.index(axis) for axis in axes if axis in self.axes]
        shape = [self.array.shape[self.axes.index(axis)] if axis in self.axes else 1 for axis in axes]
        return np.transpose(self.array, order).reshape(shape)


def evaluate(expression: Expression, joints: Distributions, *, drop: bool = False) -> Values:
    """Return the value of a formula for all values of its free variables.

    Parameters
    ----------
    expression : Expression
        What to work out.
    joints : mapping of (set of nodes acted on, population) to sequence of Joint
        The distributions that its terms are about.
    drop : bool, default=False
        Leave undefined strata out of sums, instead of making the sum undefined.

    Returns
    -------
    Values
        NaN where undefined.

    Raises
    ------
    DataError
        If a distribution, a column or a state is missing, or the formula needs too large an array.
    """
    return _Evaluator(joints, drop).value(expression)


class _Evaluator:
    def __init__(self, joints: Distributions, drop: bool) -> None:
        self._joints = joints
        self._drop = drop
        self._known: dict[Expression, Values] = {}

    def value(self, expression: Expression) -> Values:
        if expression not in self._known:
            self._known[expression] = self._computed(expression)
        return self._known[expression]

    def _computed(self, expression: Expression) -> Values:
        if isinstance(expression, Probability):
            return self._probability(expression)
        if isinstance(expression, Sum):
            return self._sum(expression)
        if isinstance(expression, Product):
            return _combined([self.value(factor) for factor in expression.factors], _times)
        if isinstance(expression, Fraction):
            return _combined([self.value(part) for part in expression.children], _over)
        if isinstance(expression, Difference):
            return _combined([self.value(part) for part in expression.children], np.subtract)
        if isinstance(expression, Number):
            return Values((), np.asarray(float(expression.value)))
        raise TypeError(f"a formula is made of probabilities, got {type(expression).__name__}")

    def _probability(self, term: Probability) -> Values:
        joint = self._joint(term)
        conditions = (*term.given, *term.do)
        above = _cells(joint, (*term.outcome, *conditions))
        below = _cells(joint, conditions)
        return _combined([above, below], _over)

    def _joint(self, term: Probability) -> Joint:
        key = (frozenset(variable.name for variable in term.do), term.domain)
        names = [variable.name for variable in (*term.outcome, *term.given, *term.do)]
        for joint in self._joints.get(key, ()):
            if all(name in joint.names for name in names):
                return joint
        raise DataError(f"the estimand needs {term}, and no table has all of its columns")

    def _sum(self, expression: Sum) -> Values:
        """Sum out one variable after the other, whichever makes the smallest array."""
        body = expression.body
        factors = [self.value(f) for f in (body.factors if isinstance(body, Product) else (body,))]
        left = list(expression.over)
        while left:
            variable = min(left, key=lambda v: _n_cells(f for f in factors if v in f.axes))
            left.remove(variable)
            touched = [f for f in factors if variable in f.axes]
            factors = [f for f in factors if variable not in f.axes]
            if touched:
                factors.append(self._summed(_combined(touched, _times), variable))
            else:  # as many equal terms as there are states
                factors.append(Values((), np.asarray(float(self._n_states(variable)))))
        return _combined(factors, _times)

    def _n_states(self, variable: Variable) -> int:
        for joint in chain.from_iterable(self._joints.values()):
            if variable.name in joint.states:
                return len(joint.states[variable.name])
        raise DataError(f"the estimand sums over {variable.name!r}, which is not among the columns")

    def _summed(self, values: Values, variable: Variable) -> Values:
        at = values.axes.index(variable)
        array = values.array.sum(axis=at)
        if self._drop:
            undefined = np.isnan(values.array)
            array = np.where(undefined.all(axis=at), np.nan, np.nansum(values.array, axis=at))
        return Values(values.axes[:at] + values.axes[at + 1 :], array)


def _cells(joint: Joint, variables: tuple[Variable, ...]) -> Values:
    """Return the joint probabilities of some variables; those with a value have no axis."""
    array = joint.marginal([variable.name for variable in variables])
    index = tuple(slice(None) if v.value is FREE else _state(joint, v) for v in variables)
    return Values(tuple(v for v in variables if v.value is FREE), array[index])


def _state(joint: Joint, variable: Variable) -> int:
    states = joint.states[variable.name]
    if variable.value not in states:
        raise DataError(f"{variable.name!r} is never {variable.value!r}; its values are {list(states)}")
    return states.index(variable.value)


def _combined(
    parts: list[Values],
    operation: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> Values:
    if _n_cells(parts) > _MOST_CELLS:
        raise DataError(f"working out the estimand takes an array of more than {_MOST_CELLS:.0e} cells")
    axes = tuple(dict.fromkeys(axis for part in parts for axis in part.axes))
    array = parts[0].on(axes)
    for part in parts[1:]:
        array = operation(array, part.on(axes))
    return Values(axes, np.broadcast_to(array, np.broadcast_shapes(*(p.on(axes).shape for p in parts))))


def _n_cells(parts: Iterable[Values]) -> float:
    size = {axis: n for part in parts for axis, n in zip(part.axes, part.array.shape, strict=True)}
    return float(np.prod([float(n) for n in size.values()]))


def _times(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply; what never happens contributes nothing, even where the other factor is undefined."""
    return np.where((a == 0) | (b == 0), 0.0, a * b)


def _over(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    defined = b != 0
    return np.where(defined, a / np.where(defined, b, 1.0), np.nan)
