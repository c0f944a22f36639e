"""Estimands as values: probabilities, sums, products and fractions that can be printed and compared.

A formula such as ``sum_{Z} P(Y | X, Z) P(Z)`` is a tree of five kinds of nodes. A `Sum` binds its
variables lexically, as in mathematics: in ``sum_{M} P(M | X) [sum_{X} P(Y | M, X) P(X)]`` the inner
``X`` is not the outer one, and is printed with a prime. Factors and variables are kept in one
canonical order, so that formulas that differ only in writing are equal.

Build formulas with `probability`, `total` (a sum), `product`, `fraction` and `difference`: they do
what is true by definition (a sum over nothing, a factor of one). Laws of probability are applied in
``_simplify``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Final

from causalrep.identification._variable import FREE, Variable, in_canonical_order, variable_key

__all__ = [
    "FREE",
    "ONE",
    "ZERO",
    "Difference",
    "Expression",
    "Fraction",
    "Number",
    "Probability",
    "Product",
    "Sum",
    "Variable",
    "difference",
    "fraction",
    "probability",
    "product",
    "total",
]


class Expression(ABC):
    """A formula in probabilities: immutable, hashable, in canonical order.

    Two formulas are equal iff they are written the same; whether they have the same *value* is a
    question to the graph or to data.
    """

    __slots__ = ("_free", "_hash", "_parts")

    #: What tells two formulas of one kind apart.
    _parts: tuple[Any, ...]
    _free: frozenset[Variable]

    def _set(self, parts: tuple[Any, ...], free: frozenset[Variable]) -> None:
        self._parts = parts
        self._free = free
        self._hash = hash((type(self).__name__, parts))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Expression):
            return NotImplemented
        return type(self) is type(other) and self._hash == other._hash and self._parts == other._parts

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._parts

    @property
    def free_variables(self) -> tuple[Variable, ...]:
        """The variables that the value depends on, in canonical order; fixed and bound ones are none."""
        return in_canonical_order(self._free)

    @property
    def children(self) -> tuple[Expression, ...]:
        """The formulas that this one is made of."""
        return ()

    def terms(self) -> tuple[Probability, ...]:
        """Return all probabilities in the formula, in the order of reading."""
        found: list[Probability] = []
        stack: list[Expression] = [self]
        while stack:
            part = stack.pop()
            if isinstance(part, Probability):
                found.append(part)
            stack += reversed(part.children)
        return tuple(found)

    @abstractmethod
    def substitute(self, values: Mapping[Variable, Variable]) -> Expression:
        """Return the formula with free variables replaced; sums keep their own variables.

        Parameters
        ----------
        values : mapping of Variable to Variable
            What replaces what; a `Variable` with a `value` fixes it.

        Returns
        -------
        Expression
            A new formula.
        """

    @abstractmethod
    def _text(self) -> str: ...

    @abstractmethod
    def _latex(self) -> str: ...

    @abstractmethod
    def _order(self) -> tuple[Any, ...]:
        """Return the key that puts factors in canonical order."""

    def __str__(self) -> str:
        return _primed(self, self._free)._text()

    def to_latex(self) -> str:
        """Return the formula in LaTeX's mathematics, without dollar signs.

        Returns
        -------
        str
            To be put between dollar signs.
        """
        return _primed(self, self._free)._latex()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def _repr_latex_(self) -> str:
        return f"${self.to_latex()}$"


class Number(Expression):
    """The constant 0 or 1.

    Parameters
    ----------
    value : {0, 1}
        The number.
    """

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value
        self._set((value,), frozenset())

    def substitute(self, values: Mapping[Variable, Variable]) -> Expression:  # noqa: ARG002
        return self

    def _text(self) -> str:
        return str(self.value)

    _latex = _text

    def _order(self) -> tuple[Any, ...]:
        return 0, self.value


ZERO: Final = Number(0)
ONE: Final = Number(1)


class Probability(Expression):
    """A conditional probability of one of the distributions at hand.

    Parameters
    ----------
    outcome : iterable of Variable
        Left of the bar.
    given : iterable of Variable, default=()
        Conditions.
    do : iterable of Variable, default=()
        What the distribution's experiment sets; empty for the observational distribution.
    domain : str, default=""
        The population; empty for the one that everything is about.
    """

    __slots__ = ("do", "domain", "given", "outcome")

    def __init__(
        self,
        outcome: Iterable[Variable],
        given: Iterable[Variable] = (),
        do: Iterable[Variable] = (),
        domain: str = "",
    ) -> None:
        self.outcome = in_canonical_order(outcome)
        self.given = in_canonical_order(given)
        self.do = in_canonical_order(do)
        self.domain = domain
        free = frozenset(v for v in (*self.outcome, *self.given, *self.do) if v.value is FREE)
        self._set((self.outcome, self.given, self.do, domain), free)

    def substitute(self, values: Mapping[Variable, Variable]) -> Expression:
        if self._free.isdisjoint(values):
            return self
        outcome, given, do = (
            [values.get(v, v) for v in slot] for slot in (self.outcome, self.given, self.do)
        )
        return Probability(outcome, given, do, self.domain)

    def _text(self) -> str:
        return self._written([str(v) for v in self.outcome], [str(v) for v in self.given],
                             [str(v) for v in self.do], "do", "|")  # fmt: skip

    def _latex(self) -> str:
        return self._written([v.to_latex() for v in self.outcome], [v.to_latex() for v in self.given],
                             [v.to_latex() for v in self.do], r"\mathrm{do}", r"\mid")  # fmt: skip

    def _written(self, outcome: list[str], given: list[str], do: list[str], name: str, bar: str) -> str:
        conditions = ([f"{name}({', '.join(do)})"] if do else []) + given
        right = f" {bar} {', '.join(conditions)}" if conditions else ""
        where = f"^{{{self.domain}}}" if self.domain else ""
        return f"P{where}({', '.join(outcome)}{right})"

    def _order(self) -> tuple[Any, ...]:
        slots = tuple(tuple(map(variable_key, slot)) for slot in (self.outcome, self.given, self.do))
        return 1, -len(self.given) - len(self.do), slots, self.domain


class Sum(Expression):
    """A sum over all values of some variables.

    Parameters
    ----------
    over : iterable of Variable
        The variables that the sum binds.
    body : Expression
        What is added up.
    """

    __slots__ = ("body", "over")

    def __init__(self, over: Iterable[Variable], body: Expression) -> None:
        self.over = in_canonical_order(over)
        self.body = body
        self._set((self.over, body), body._free.difference(self.over))

    @property
    def children(self) -> tuple[Expression, ...]:
        return (self.body,)

    def substitute(self, values: Mapping[Variable, Variable]) -> Expression:
        values = {old: new for old, new in values.items() if old in self._free}
        if not values:
            return self
        taken = self.body._free.union(values.values())
        own = {v: _fresh(v, taken) for v in self.over if v in values.values()}
        body = self.body.substitute({**values, **own})
        return Sum([own.get(v, v) for v in self.over], body)

    def _text(self) -> str:
        body = _text_in_brackets(self.body, (Difference, Fraction))
        return f"sum_{{{', '.join(map(str, self.over))}}} {body}"

    def _latex(self) -> str:
        over = ", ".join(v.to_latex() for v in self.over)
        return rf"\sum_{{{over}}} {_latex_in_brackets(self.body)}"

    def _order(self) -> tuple[Any, ...]:
        return 4, 0, tuple(map(variable_key, self.over)), self.body._order()


class Product(Expression):
    """A product of at least two factors.

    Parameters
    ----------
    *factors : Expression
        In any order.
    """

    __slots__ = ("factors",)

    def __init__(self, *factors: Expression) -> None:
        self.factors = tuple(sorted(factors, key=lambda factor: factor._order()))
        self._set(self.factors, frozenset().union(*(factor._free for factor in factors)))

    @property
    def children(self) -> tuple[Expression, ...]:
        return self.factors

    def substitute(self, values: Mapping[Variable, Variable]) -> Expression:
        if self._free.isdisjoint(values):
            return self
        return Product(*(factor.substitute(values) for factor in self.factors))

    def _text(self) -> str:
        return " ".join(_text_in_brackets(f, (Difference, Sum, Fraction)) for f in self.factors)

    def _latex(self) -> str:
        return r" \, ".join(_latex_in_brackets(f, (Difference, Sum)) for f in self.factors)

    def _order(self) -> tuple[Any, ...]:
        return 2, 0, tuple(factor._order() for factor in self.factors)


class Fraction(Expression):
    """A ratio of two formulas.

    Parameters
    ----------
    numerator, denominator : Expression
        What is divided, and by what.
    """

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: Expression, denominator: Expression) -> None:
        self.numerator = numerator
        self.denominator = denominator
        self._set((numerator, denominator), numerator._free | denominator._free)

    @property
    def children(self) -> tuple[Expression, ...]:
        return self.numerator, self.denominator

    def substitute(self, values: Mapping[Variable, Variable]) -> Expression:
        if self._free.isdisjoint(values):
            return self
        return Fraction(self.numerator.substitute(values), self.denominator.substitute(values))

    def _text(self) -> str:
        above, below = (
            part._text() if isinstance(part, (Probability, Number)) else f"[{part._text()}]"
            for part in self.children
        )
        return f"{above} / {below}"

    def _latex(self) -> str:
        return rf"\frac{{{self.numerator._latex()}}}{{{self.denominator._latex()}}}"

    def _order(self) -> tuple[Any, ...]:
        return 3, 0, (self.numerator._order(), self.denominator._order())


class Difference(Expression):
    """One formula minus another.

    Parameters
    ----------
    minuend, subtrahend : Expression
        What is subtracted from, and what.
    """

    __slots__ = ("minuend", "subtrahend")

    def __init__(self, minuend: Expression, subtrahend: Expression) -> None:
        self.minuend = minuend
        self.subtrahend = subtrahend
        self._set((minuend, subtrahend), minuend._free | subtrahend._free)

    @property
    def children(self) -> tuple[Expression, ...]:
        return self.minuend, self.subtrahend

    def substitute(self, values: Mapping[Variable, Variable]) -> Expression:
        if self._free.isdisjoint(values):
            return self
        return Difference(self.minuend.substitute(values), self.subtrahend.substitute(values))

    def _text(self) -> str:
        return f"{self.minuend._text()} - {_text_in_brackets(self.subtrahend)}"

    def _latex(self) -> str:
        return f"{self.minuend._latex()} - {_latex_in_brackets(self.subtrahend)}"

    def _order(self) -> tuple[Any, ...]:
        return 5, 0, (self.minuend._order(), self.subtrahend._order())


# What is true by definition


def probability(
    outcome: Iterable[Variable],
    given: Iterable[Variable] = (),
    do: Iterable[Variable] = (),
    domain: str = "",
) -> Expression:
    """Return ``P(outcome | do, given)`` of a population; one where there is no outcome."""
    outcome = list(outcome)
    return Probability(outcome, given, do, domain) if outcome else ONE


def total(over: Iterable[Variable], body: Expression) -> Expression:
    """Return the sum of `body` over variables, all of which it mentions; nested sums become one."""
    over = list(over)
    if not over or body == ZERO:
        return body
    if isinstance(body, Sum) and not set(over) & set(body.over):
        return Sum([*over, *body.over], body.body)
    return Sum(over, body)


def product(factors: Iterable[Expression]) -> Expression:
    """Return the product of any number of factors, nested ones flattened; none give one."""
    flat: list[Expression] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Product) else (factor,)
    if ZERO in flat:
        return ZERO
    flat = [factor for factor in flat if factor != ONE]
    return Product(*flat) if len(flat) > 1 else flat[0] if flat else ONE


def fraction(numerator: Expression, denominator: Expression) -> Expression:
    """Return the ratio of two formulas; the numerator where the denominator is one."""
    if denominator == ONE or numerator == ZERO:
        return numerator
    return ONE if numerator == denominator else Fraction(numerator, denominator)


def difference(minuend: Expression, subtrahend: Expression) -> Expression:
    """Return one formula minus another; zero where they are written the same."""
    if subtrahend == ZERO:
        return minuend
    return ZERO if minuend == subtrahend else Difference(minuend, subtrahend)


# Printing


def _fresh(variable: Variable, taken: Iterable[Variable]) -> Variable:
    taken = set(taken)
    while variable in taken:
        variable = variable._replace(primes=variable.primes + 1)
    return variable


def _primed(expression: Expression, taken: frozenset[Variable]) -> Expression:
    """Return the formula with bound variables renamed wherever one name would mean two things."""
    if isinstance(expression, Sum):
        own: dict[Variable, Variable] = {}
        for v in expression.over:
            own[v] = _fresh(v, {*taken, *own.values()})
        changed = {old: new for old, new in own.items() if old != new}
        body = expression.body.substitute(changed)
        return Sum(own.values(), _primed(body, taken.union(own.values())))
    if not expression.children:
        return expression
    parts = [_primed(part, taken) for part in expression.children]
    return type(expression)(*parts)


def _text_in_brackets(part: Expression, kinds: tuple[type[Expression], ...] = (Difference,)) -> str:
    return f"[{part._text()}]" if isinstance(part, kinds) else part._text()


def _latex_in_brackets(part: Expression, kinds: tuple[type[Expression], ...] = (Difference,)) -> str:
    return rf"\left[{part._latex()}\right]" if isinstance(part, kinds) else part._latex()
