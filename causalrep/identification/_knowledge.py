"""What tables say about the unknown types of each district, and events as linear functions of them.

The probability of an event is a polynomial in the unknown distributions of the districts' types. It is
*linear* where of every product at most one factor is not already fixed by the tables; only then is
the best bound the value of a linear programme, and anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from causalrep.graphs import ADMG
from causalrep.identification._joint import States
from causalrep.identification._potential import Event, Potential, expand, split
from causalrep.identification._response_types import DistrictTypes, Facts
from causalrep.utils import DataError, PolynomialProgramError

__all__ = ["Knowledge", "Linear", "Unknown"]

#: A functional is fixed by the tables if this little of it is left outside their span.
SPAN = 1e-9


@dataclass
class Linear:
    """A constant plus one vector of coefficients per district, on its types."""

    constant: float
    parts: dict[int, NDArray[np.float64]]

    def add(self, district: int, vector: NDArray[np.float64], factor: float) -> None:
        """Add a multiple of a vector to the part of a district."""
        self.parts[district] = self.parts.get(district, 0.0) + factor * vector


@dataclass(frozen=True)
class Unknown:
    """The probability of a conjunction of facts of one district that the tables leave open.

    `mask` marks the types that satisfy the facts, `left` is the part of it outside the span of the
    tables, and `value` what the part inside amounts to.
    """

    district: int
    value: float
    left: NDArray[np.float64]
    mask: NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """A sum of type probabilities with its value: the types that satisfy facts, or weights in full."""

    facts: Facts
    vector: NDArray[np.float64] | None
    value: float
    source: str


class Knowledge:
    """What is known about the districts of a graph: sums of type probabilities with their values."""

    def __init__(self, graph: ADMG, states: States) -> None:
        self.graph = graph
        self.states = states
        self.districts = graph.districts()
        self.district_of = {v: i for i, members in enumerate(self.districts) for v in members}
        self.rows: list[list[Row]] = [[] for _ in self.districts]
        self.excluded: list[list[Facts]] = [[] for _ in self.districts]
        self._types: dict[int, DistrictTypes] = {}
        self._spans: dict[int, tuple[sparse.csr_matrix, NDArray[np.float64], NDArray[np.float64]]] = {}

    def learn(self, facts: Facts, value: float, source: str) -> None:
        """Take down the probability of a conjunction of facts of one district."""
        self._add(self.district_of[next(iter(facts))[0]], Row(facts, None, value, source))

    def learn_linear(self, left: Linear, value: float, source: str, tolerance: float) -> None:
        """Take down that a linear function of the types of at most one district has this value."""
        if len(left.parts) > 1:
            raise PolynomialProgramError(source, [tuple(self.districts[i]) for i in sorted(left.parts)])
        if not left.parts and abs(left.constant - value) > max(tolerance, SPAN):
            raise DataError(f"{source} is {value:.6g}, but the other tables say {left.constant:.6g}")
        for i, vector in left.parts.items():
            self._add(i, Row(frozenset(), vector, value - left.constant, source))

    def exclude(self, i: int, facts: Facts) -> None:
        """Take down that no type satisfies a conjunction of facts."""
        self.excluded[i].append(facts)
        self._spans.pop(i, None)

    def _add(self, i: int, row: Row) -> None:
        self.rows[i].append(row)
        self._spans.pop(i, None)

    def types(self, i: int) -> DistrictTypes:
        """Return the types of a district."""
        if i not in self._types:
            self._types[i] = DistrictTypes(self.graph, self.districts[i], self.states)
        return self._types[i]

    def factor(self, i: int, facts: Facts) -> float | Unknown:
        """Return the probability of a conjunction of facts, or what the tables tell about it."""
        for row in self.rows[i]:
            if row.vector is None and row.facts == facts:
                return row.value
        mask = self.types(i).mask(facts).astype(float)
        matrix, inverse, values = self._span(i)
        weights = inverse @ (matrix @ mask)
        left = mask - matrix.T @ weights
        inside = float(weights @ values)
        return inside if np.abs(left).max(initial=0) < SPAN else Unknown(i, inside, left, mask)

    def _span(self, i: int) -> tuple[sparse.csr_matrix, NDArray[np.float64], NDArray[np.float64]]:
        if i not in self._spans:
            matrix, values = self.constraints(i)
            gram = (matrix @ matrix.T).toarray()
            self._spans[i] = matrix, np.linalg.pinv(gram, rcond=1e-12, hermitian=True), values
        return self._spans[i]

    def constraints(self, i: int) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
        """Return matrix and right-hand side of a district: first `n_exact` rows that hold exactly."""
        types = self.types(i)
        everything: Facts = frozenset()
        sums = [row for row in self.rows[i] if row.vector is None]
        general = [row for row in self.rows[i] if row.vector is not None]
        matrix = types.matrix([everything, *self.excluded[i], *(row.facts for row in sums)])
        if general:
            matrix = sparse.vstack([matrix, sparse.csr_matrix(np.array([row.vector for row in general]))])
        values = [1.0, *(0.0 for _ in self.excluded[i]), *(row.value for row in (*sums, *general))]
        return matrix.tocsr(), np.array(values)

    def labels(self, i: int) -> list[str]:
        """Return what each row of `constraints` says."""
        rows = sorted(self.rows[i], key=lambda row: row.vector is not None)
        return [
            "all types",
            *(f"never {self._written(facts)}" for facts in self.excluded[i]),
            *(f"{row.source}: {self._written(row.facts)}" if row.facts else row.source for row in rows),
        ]

    def _written(self, facts: Facts) -> str:
        """Return facts as the event that certain outcomes have certain values."""
        order = self.graph.topological_order()
        parts = []
        for v, inputs, value in sorted(facts, key=lambda fact: order.index(fact[0])):
            parents = self.graph.parents(v)
            actions = tuple(zip(parents, inputs, strict=True))
            parts.append(f"{Potential(v, actions)}={value}")
        return f"P({', '.join(parts)})"

    def n_exact(self, i: int) -> int:
        """Return how many rows of `constraints` no tolerance applies to."""
        return 1 + len(self.excluded[i])

    def linear(self, events: Iterable[tuple[float, Event]], what: str) -> Linear:
        """Return a weighted sum of probabilities of events as a linear function of the types.

        Raises
        ------
        PolynomialProgramError
            If the unknown types of several districts multiply.
        """
        found = Linear(0.0, {})
        products: list[tuple[float, list[Unknown]]] = []
        for weight, event in events:
            for term in expand(self.graph, self.states, event):
                factors = [self.factor(i, facts) for i, facts in split(term, self.district_of).items()]
                unknown = [factor for factor in factors if isinstance(factor, Unknown)]
                scale = weight * prod(factor for factor in factors if isinstance(factor, float))
                if not unknown:
                    found.constant += scale
                elif scale and len(unknown) == 1:
                    found.add(unknown[0].district, unknown[0].mask, scale)
                elif scale:
                    products.append((scale, unknown))
        self._refuse_products(products, what)
        for scale, unknown in products:
            found.constant += scale * prod(factor.value for factor in unknown)
            for factor in unknown:
                found.add(factor.district, factor.left, scale * _others(unknown, factor))
        return found

    def _refuse_products(self, products: list[tuple[float, list[Unknown]]], what: str) -> None:
        """Raise unless the products of unknowns cancel, which is tried at three random points."""
        chance = np.random.default_rng(0)
        involved = sorted({factor.district for _, unknown in products for factor in unknown})
        for _ in range(3):
            at = {i: chance.standard_normal(self.types(i).size) for i in involved}
            rest = size = 0.0
            for scale, unknown in products:
                moved = [float(factor.left @ at[factor.district]) for factor in unknown]
                whole = prod(factor.value + move for factor, move in zip(unknown, moved, strict=True))
                first = sum(m * _others(unknown, factor) for factor, m in zip(unknown, moved, strict=True))
                rest += scale * (whole - prod(factor.value for factor in unknown) - first)
                size += abs(scale * whole)
            if abs(rest) > 1e-9 * max(size, 1.0):
                raise PolynomialProgramError(what, [tuple(self.districts[i]) for i in involved])


def _others(factors: list[Unknown], one: Unknown) -> float:
    return prod(factor.value for factor in factors if factor is not one)
