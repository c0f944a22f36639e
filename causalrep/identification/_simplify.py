"""Make an estimand shorter by laws of probability, and by independences that the graph implies.

The laws hold in every distribution: a factor without the summed variable leaves the sum, a
conditional distribution sums to one, P(a | b, c) P(b | c) = P(a, b | c), equal factors of a fraction
cancel. An independence is only ever used in the distribution that a term is about: terms under
do(Z) are judged in the graph without edges into Z. Which ones were used is recorded.

A fraction of sums is no term: nothing is concluded about it from independences between its parts.
(To drop a variable there because the *observational* distribution has an independence is the mistake
that turns the estimand of the napkin graph into P(Y | X).)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from causalrep.identification._expression import (
    Difference,
    Expression,
    Fraction,
    Probability,
    Product,
    Sum,
    Variable,
    difference,
    fraction,
    probability,
    product,
    total,
)
from causalrep.identification._masks import MaskGraph

__all__ = ["Independence", "Simplifier"]

#: (x, y, given, do), sets of nodes: x is independent of y given `given`, under the experiment `do`.
Independence: TypeAlias = tuple[int, int, int, int]


class Simplifier:
    """Simplifies formulas about one graph, and remembers the independences that it used.

    Parameters
    ----------
    graph : MaskGraph
        Implies the independences.
    domain : str, default=""
        The population whose distributions the graph describes; terms of others are left alone.
    measured : sequence of (int, int), default=None
        The nodes that each distribution at hand holds, after those that it acts on, so that no term is
        made that none holds. By default every distribution holds all nodes.
    """

    def __init__(
        self, graph: MaskGraph, domain: str = "", measured: Sequence[tuple[int, int]] | None = None
    ) -> None:
        self._graph = graph
        self._domain = domain
        self._measured = measured
        self._bit = {graph.labels[i]: 1 << i for i in graph.order}
        self.used: dict[Independence, None] = {}

    def __call__(self, expression: Expression) -> Expression:
        """Return a formula of the same value wherever all terms of both are defined.

        Parameters
        ----------
        expression : Expression
            A formula.

        Returns
        -------
        Expression
            A formula.
        """
        if isinstance(expression, Probability):
            return self._shortened(expression)
        if isinstance(expression, Sum):
            return self._sum(expression)
        if isinstance(expression, Product):
            # Fractions cancel each other best before their parts change shape.
            merged = _merged(expression.factors)
            return _merged(map(self, _factors(merged))) if isinstance(merged, Product) else self(merged)
        if isinstance(expression, Fraction):
            ratio = _cancelled([self(expression.numerator)], [self(expression.denominator)])
            return ratio if isinstance(ratio, Fraction) else self(ratio)
        if isinstance(expression, Difference):
            return difference(self(expression.minuend), self(expression.subtrahend))
        return expression

    def _mask(self, variables: Iterable[Variable]) -> int:
        found = 0
        for variable in variables:
            found |= self._bit[variable.name]
        return found

    def _judges(self, term: Probability) -> bool:
        """Return whether the graph can judge a term: its population, each node at one value."""
        names = [v.name for slot in (term.outcome, term.given, term.do) for v in slot]
        known = all(name in self._bit for name in names)
        return known and term.domain == self._domain and len(set(names)) == len(names)

    def _is_held(self, term: Probability) -> bool:
        do, nodes = self._mask(term.do), self._mask((*term.outcome, *term.given))
        return self._measured is None or any(
            do == acted and not nodes & ~measured for acted, measured in self._measured
        )

    def _independent(self, x: int, y: int, given: int, do: int) -> bool:
        """Return whether the distribution under `do` has an independence; if so, it is recorded."""
        if not y:
            return True
        found = self._graph.separated(x, y, given | do, do)
        if found:
            self.used[x, y, given, do] = None
        return found

    def _shortened(self, term: Probability) -> Expression:
        """Drop conditions that are independent of the outcome given the others."""
        if not term.given or not self._judges(term):
            return term
        outcome, known, do = (self._mask(slot) for slot in (term.outcome, term.given, term.do))
        # What no open walk touches is independent of the outcome given what some walk does touch.
        needed = self._graph.touched(outcome, known | do, do) & known
        if needed == known:
            return term
        self.used[outcome, known & ~needed, needed, do] = None
        given = [variable for variable in term.given if self._bit[variable.name] & needed]
        return Probability(term.outcome, given, term.do, term.domain)

    def _sum(self, expression: Sum) -> Expression:
        before = dict(self.used)
        factors = _factors(self(expression.body))
        left = list(expression.over)
        progress = True
        while progress:
            progress = False
            for variable in reversed(left):
                shorter = self._without(variable, factors)
                if shorter is not None:
                    factors = shorter
                    left.remove(variable)
                    progress = True
                    break
        bound = set(left)
        if not bound <= set().union(*(factor._free for factor in factors)):
            # A sum of what does not depend on its variable counts states, which no formula can say.
            self.used = before
            return expression
        inside = [factor for factor in factors if factor._free & bound]
        outside = [factor for factor in factors if not factor._free & bound]
        return _merged([*outside, total(left, _merged(inside))])

    def _without(self, variable: Variable, factors: list[Expression]) -> list[Expression] | None:
        """Return the factors with `variable` summed out, if what mentions it can be made one term."""
        touched = [factor for factor in factors if variable in factor._free]
        terms = [factor for factor in touched if isinstance(factor, Probability)]
        owners = [term for term in terms if variable in term.outcome]
        if len(terms) < len(touched) or len(owners) != 1:
            return None
        before = dict(self.used)
        term: Probability | None = owners[0]
        for other in terms:
            if other is not owners[0] and term is not None:
                term = self._joined(term, other)
        if term is None:
            self.used = before
            return None
        outcome = [v for v in term.outcome if v != variable]
        marginal = probability(outcome, term.given, term.do, term.domain)
        return [*(factor for factor in factors if factor not in touched), self(marginal)]

    def _joined(self, first: Probability, then: Probability) -> Probability | None:
        """Return P(a, c | e) for P(a | b) P(c | d), with e both conditions without a, if that holds."""
        outcome, known = set(first.outcome), set(first.given)
        given = (known | set(then.given)) - outcome
        joint = Probability([*first.outcome, *then.outcome], given, first.do, first.domain)
        if (first.do, first.domain) != (then.do, then.domain) or (outcome | given) & set(then.outcome):
            return None
        added, also = given - known, (outcome | given) - set(then.given)
        if not added and not also:
            return joint
        if not self._judges(joint) or not self._is_held(joint):
            return None
        do = self._mask(first.do)
        holds = self._independent(
            self._mask(outcome), self._mask(added), self._mask(known), do
        ) and self._independent(self._mask(then.outcome), self._mask(also), self._mask(then.given), do)
        return joint if holds else None


# Laws that hold in every distribution


def _factors(expression: Expression) -> list[Expression]:
    return list(expression.factors) if isinstance(expression, Product) else [expression]


def _merged(factors: Iterable[Expression]) -> Expression:
    """Return a product with P(a | b, c) P(b | c) written as P(a, b | c), and fractions cancelled."""
    flat = _factors(product(factors))
    fractions = [factor for factor in flat if isinstance(factor, Fraction)]
    plain = _chained([factor for factor in flat if not isinstance(factor, Fraction)])
    if fractions:
        ratio = _cancelled([*plain, *(f.numerator for f in fractions)], [f.denominator for f in fractions])
        if _size(ratio) < sum(map(_size, [*plain, *fractions])):
            return ratio
    return product([*plain, *fractions])


def _chained(factors: list[Expression]) -> list[Expression]:
    at = 0
    while at < len(factors):
        one = factors[at]
        for other in factors:
            joint = _chain_rule(one, other)
            if joint is not None:
                factors = [factor for factor in factors if factor is not one and factor is not other]
                factors.append(joint)
                at = -1
                break
        at += 1
    return factors


def _chain_rule(one: Expression, other: Expression) -> Expression | None:
    if not (isinstance(one, Probability) and isinstance(other, Probability)):
        return None
    if len(one.given) != len(other.outcome) + len(other.given):
        return None
    same = (one.do, one.domain) == (other.do, other.domain)
    if not same or set(one.given) != {*other.outcome, *other.given}:
        return None
    return Probability([*one.outcome, *other.outcome], other.given, one.do, one.domain)


def _cancelled(above: list[Expression], below: list[Expression]) -> Expression:
    """Return the ratio of two products without their common factors and nested fractions."""
    (over, under), (inverse_over, inverse_under) = _split(above), _split(below)
    numerator, denominator = _chained(over + inverse_under), _chained(under + inverse_over)
    for factor in list(denominator):
        if factor in numerator:
            numerator.remove(factor)
            denominator.remove(factor)
    for one in list(numerator):
        for other in list(denominator):
            quotient = _divided(one, other)
            if quotient is not None:
                numerator[numerator.index(one)] = quotient
                denominator.remove(other)
                break
    return fraction(product(_chained(numerator)), product(denominator))


def _split(parts: Iterable[Expression]) -> tuple[list[Expression], list[Expression]]:
    """Return all factors above and below the bar; nested fractions are opened."""
    above: list[Expression] = []
    below: list[Expression] = []
    stack = [(part, True) for part in parts][::-1]
    while stack:
        part, is_above = stack.pop()
        if isinstance(part, Fraction):
            stack += [(part.denominator, not is_above), (part.numerator, is_above)]
        elif isinstance(part, Product):
            stack += [(factor, is_above) for factor in reversed(part.factors)]
        else:
            (above if is_above else below).append(part)
    return above, below


def _divided(one: Expression, other: Expression) -> Expression | None:
    """Return a quotient that is no fraction, if one factor of a sum, or the whole, can be divided."""
    if isinstance(one, Sum) and not other._free & set(one.over):
        factors = _factors(one.body)
        for at, factor in enumerate(factors):
            quotient = _divided(factor, other)
            if quotient is not None:
                return total(one.over, product([*factors[:at], quotient, *factors[at + 1 :]]))
    return _conditional(one, other)


def _conditional(one: Expression, other: Expression) -> Expression | None:
    """Return P(a | b, c) for P(a, b | c) over P(b | c)."""
    if not (isinstance(one, Probability) and isinstance(other, Probability)):
        return None
    if (one.given, one.do, one.domain) != (other.given, other.do, other.domain):
        return None
    rest = set(one.outcome) - set(other.outcome)
    if len(rest) + len(other.outcome) != len(one.outcome) or not rest:
        return None
    return Probability(rest, {*other.outcome, *other.given}, one.do, one.domain)


def _size(expression: Expression) -> int:
    return len(expression.terms())
