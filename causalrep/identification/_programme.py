"""Linear programmes over response types, their solution by HiGHS, and certificates that check.

The probability of an event is a polynomial in the unknown distributions of the districts' types. It is
*linear* where of every product at most one factor is not already fixed by the tables; only then is
the best bound the value of a linear programme, and anything else is refused.

References
----------
.. [1] A. Balke, J. Pearl, "Bounds on treatment effects from studies with imperfect compliance", JASA
   92, 1997, doi:10.1080/01621459.1997.10474074.
.. [2] A. Charnes, W. W. Cooper, "Programming with linear fractional functionals", Naval Research
   Logistics Quarterly 9, 1962, doi:10.1002/nav.3800090303.
.. [3] Q. Huangfu, J. A. J. Hall, "Parallelizing the dual revised simplex method", Mathematical
   Programming Computation 10, 2018, doi:10.1007/s12532-017-0130-5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from causalrep.graphs import ADMG
from causalrep.identification._joint import States
from causalrep.identification._potential import Event, expand, split
from causalrep.identification._response_types import DistrictTypes, Facts
from causalrep.utils import DataError, ImpossibleEvidenceError, PolynomialProgramError

__all__ = ["Certificate", "Knowledge", "Linear", "Solution", "solve"]

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
            *(f"never {_written(facts)}" for facts in self.excluded[i]),
            *(f"{row.source}: {_written(row.facts)}" if row.facts else row.source for row in rows),
        ]

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


def _written(facts: Facts) -> str:
    parts = [f"{v}({', '.join(map(str, inputs))})={value}" for v, inputs, value in facts]
    return ", ".join(sorted(parts))


def _others(factors: list[Unknown], one: Unknown) -> float:
    return prod(factor.value for factor in factors if factor is not one)


@dataclass(frozen=True)
class Solution:
    """Optimum of one linear programme: its value, the types that attain it, and the multipliers."""

    value: float
    types: dict[int, NDArray[np.float64]]
    certificate: Certificate


@dataclass(frozen=True)
class Certificate:
    """Multipliers of the constraints that prove a bound without trusting the solver.

    The programme is to minimise ``costs @ x`` over ``x >= 0`` with ``rows @ x = rhs`` in the first
    `n_equal` rows and ``<=`` in the others. Whatever the multipliers m, with those of inequalities not
    positive: if ``rows.T @ m <= costs``, then ``rhs @ m`` is a lower bound (weak duality).

    Attributes
    ----------
    costs, rhs, multipliers : ndarray
        The vectors c, b and m.
    rows : scipy.sparse.csr_matrix
        The matrix.
    n_equal : int
        How many rows are equations.
    labels : tuple of str
        What each row says.
    sign : {1, -1}
        -1 where the programme maximises, so that the bound is ``-rhs @ m``.
    """

    costs: NDArray[np.float64]
    rows: sparse.csr_matrix
    rhs: NDArray[np.float64]
    multipliers: NDArray[np.float64]
    n_equal: int
    labels: tuple[str, ...]
    sign: int

    @property
    def bound(self) -> float:
        """What the multipliers prove."""
        return self.sign * float(self.rhs @ self.multipliers)

    def verify(self, *, tolerance: float = 1e-7) -> bool:
        """Return whether the multipliers prove the bound, by arithmetic alone.

        Parameters
        ----------
        tolerance : float, default=1e-7
            By how much rounding may break an inequality.

        Returns
        -------
        bool
            Whether every inequality of weak duality holds.
        """
        feasible = self.rows.T @ self.multipliers <= self.costs + tolerance
        return bool(feasible.all() and (self.multipliers[self.n_equal :] <= tolerance).all())

    def proof(self) -> dict[str, float]:
        """Return the constraints that the bound is made of, with their multipliers.

        Returns
        -------
        dict of str to float
            Constraints with a multiplier of zero are left out.
        """
        return {
            label: self.sign * float(m)
            for label, m in zip(self.labels[1:], self.multipliers[1:], strict=True)
            if abs(m) > 1e-9
        }


def solve(knowledge: Knowledge, target: Linear, given: Linear, sign: int, tolerance: float) -> Solution:
    """Return the least (sign 1) or greatest (sign -1) value of ``target / given`` over all types.

    The ratio becomes linear by scaling the types with t, chosen so that ``given`` is one [2]_.
    """
    used = sorted({*target.parts, *given.parts})
    if not used and given.constant <= 0:
        raise ImpossibleEvidenceError("the condition of the query has probability zero")
    sizes = [knowledge.types(i).size for i in used]
    costs = sign * _stacked(target, used, sizes)
    rows, rhs, n_equal, labels = _rows(knowledge, used, sizes, given, tolerance)
    found = linprog(
        costs,
        A_eq=rows[:n_equal],
        b_eq=rhs[:n_equal],
        A_ub=rows[n_equal:] if rows.shape[0] > n_equal else None,
        b_ub=rhs[n_equal:] if rows.shape[0] > n_equal else None,
        bounds=(0, None),
        method="highs",
    )
    if found.status == 2:
        raise _infeasible(knowledge, used)
    if found.status != 0:
        raise DataError(f"the linear programme has no optimum: {found.message}")
    multipliers = np.concatenate([found.eqlin.marginals, found.ineqlin.marginals])
    certificate = Certificate(costs, rows, rhs, multipliers, n_equal, labels, sign)
    scale = found.x[-1] if found.x[-1] > 0 else 1.0
    ends = np.cumsum([0, *sizes])
    types = {i: found.x[ends[n] : ends[n + 1]] / scale for n, i in enumerate(used)}
    return Solution(sign * float(found.fun), types, certificate)


def _stacked(linear: Linear, used: list[int], sizes: list[int]) -> NDArray[np.float64]:
    parts = [linear.parts.get(i, np.zeros(n)) for i, n in zip(used, sizes, strict=True)]
    return np.concatenate([*parts, [linear.constant]])


def _rows(
    knowledge: Knowledge, used: list[int], sizes: list[int], given: Linear, tolerance: float
) -> tuple[sparse.csr_matrix, NDArray[np.float64], int, tuple[str, ...]]:
    """Return matrix, right-hand side, number of equations and labels of the scaled constraints."""
    equal: list[sparse.csr_matrix] = [sparse.csr_matrix(_stacked(given, used, sizes))]
    within: list[sparse.csr_matrix] = []
    labels, loose = ["the condition"], []
    for n, i in enumerate(used):
        matrix, values = knowledge.constraints(i)
        before, after = sum(sizes[:n]), sum(sizes[n + 1 :])
        padded = sparse.hstack(
            [sparse.csr_matrix((len(values), before)), matrix, sparse.csr_matrix((len(values), after))]
        )
        names, values = knowledge.labels(i), values[:, None]
        exact = knowledge.n_exact(i) if tolerance else len(names)
        equal.append(sparse.hstack([padded.tocsr()[:exact], -values[:exact]]))
        labels += names[:exact]
        if exact < len(names):
            rest, wanted = padded.tocsr()[exact:], values[exact:]
            within.append(sparse.hstack([rest, -(wanted + tolerance)]))
            within.append(sparse.hstack([-rest, wanted - tolerance]))
            loose += [f"{name} {side}" for side in ("at most", "at least") for name in names[exact:]]
    rows = sparse.vstack([*equal, *within]).tocsr()
    n_equal = len(labels)
    rhs = np.zeros(rows.shape[0])
    rhs[0] = 1.0
    return rows, rhs, n_equal, (*labels, *loose)


def _infeasible(knowledge: Knowledge, used: list[int]) -> Exception:
    """Return the error that says by how much the tables contradict the graph or each other."""
    least = {i: least_violation(knowledge, i) for i in used}
    worst = max(least, key=lambda i: least[i])
    if least[worst] < 1e-9:
        return ImpossibleEvidenceError("the condition of the query has probability zero in every model")
    names = ", ".join(map(str, knowledge.districts[worst]))
    return DataError(
        f"no model on the graph gives these tables: those of {names} contradict it or each other by at least "
        f"{least[worst]:.4g}; pass a `tolerance` of that size to allow for sampling error"
    )


def least_violation(knowledge: Knowledge, i: int) -> float:
    """Return by how much the types of a district must break a constraint, at the least."""
    matrix, values = knowledge.constraints(i)
    exact = knowledge.n_exact(i)
    rest, wanted = matrix[exact:], values[exact:]
    column = -np.ones((len(wanted), 1))
    found = linprog(
        np.r_[np.zeros(matrix.shape[1]), 1.0],
        A_ub=sparse.vstack([sparse.hstack([rest, column]), sparse.hstack([-rest, column])]),
        b_ub=np.r_[wanted, -wanted],
        A_eq=sparse.hstack([matrix[:exact], sparse.csr_matrix((exact, 1))]),
        b_eq=values[:exact],
        bounds=(0, None),
        method="highs",
    )
    return float(found.fun)
