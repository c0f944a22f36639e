"""Linear programmes over response types, their solution by HiGHS, and certificates that check.

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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from causalrep.identification._knowledge import Knowledge, Linear
from causalrep.utils import DataError, ImpossibleEvidenceError

__all__ = ["Certificate", "Programme", "Solution", "least_violation"]


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


class Programme:
    """Least and greatest value of ``target / given`` over all distributions of types.

    The ratio becomes linear by scaling the types with t, the last variable, chosen so that ``given`` is
    one [2]_.

    Parameters
    ----------
    knowledge : Knowledge
        The constraints.
    target, given : Linear
        Numerator and denominator.
    tolerance : float
        How far sums may be from the tables.
    """

    def __init__(self, knowledge: Knowledge, target: Linear, given: Linear, tolerance: float) -> None:
        self._knowledge = knowledge
        self._used = sorted({*target.parts, *given.parts})
        if not self._used and given.constant <= 0:
            raise ImpossibleEvidenceError("the condition of the query has probability zero")
        self._sizes = [knowledge.types(i).size for i in self._used]
        self._costs = self._stacked(target)
        self._equal = [sparse.csr_matrix(self._stacked(given))]
        self._within: list[sparse.csr_matrix] = []
        labels, loose = ["the condition"], list[str]()
        for n, i in enumerate(self._used):
            names = knowledge.labels(i)
            n_exact = knowledge.n_exact(i) if tolerance else len(names)
            self._add_rows(n, *knowledge.constraints(i), n_exact, tolerance)
            labels += names[:n_exact]
            loose += [f"{name} {side}" for side in ("at most", "at least") for name in names[n_exact:]]
        self._rows = sparse.vstack([*self._equal, *self._within], format="csr")
        self._n_equal = len(labels)
        self._labels = (*labels, *loose)
        self._rhs = np.zeros(self._rows.shape[0])
        self._rhs[0] = 1.0

    def _stacked(self, linear: Linear) -> NDArray[np.float64]:
        pairs = zip(self._used, self._sizes, strict=True)
        parts = [linear.parts.get(i, np.zeros(n)) for i, n in pairs]
        return np.concatenate([*parts, [linear.constant]])

    def _add_rows(
        self, n: int, matrix: sparse.csr_matrix, values: NDArray[np.float64], n_exact: int, tolerance: float
    ) -> None:
        """Add the constraints of the n-th district, in the columns of its types and of t."""
        n_columns = sum(self._sizes) + 1
        found = matrix.tocoo()
        column = np.r_[found.col + sum(self._sizes[:n]), np.full(len(values), n_columns - 1)]
        row = np.r_[found.row, np.arange(len(values))]
        shape = (len(values), n_columns)

        def rows(sign: int, slack: float) -> sparse.csr_matrix:
            data = np.r_[sign * found.data, -sign * values - slack]
            return sparse.csr_matrix((data, (row, column)), shape=shape)

        self._equal.append(rows(1, 0.0)[:n_exact])
        if n_exact < len(values):
            self._within += [rows(1, tolerance)[n_exact:], rows(-1, tolerance)[n_exact:]]

    def solve(self, sign: int) -> Solution:
        """Return the least (sign 1) or the greatest (sign -1) value.

        Parameters
        ----------
        sign : {1, -1}
            Which.

        Returns
        -------
        Solution
            Optimal.

        Raises
        ------
        DataError
            If no model gives the tables.
        ImpossibleEvidenceError
            If none gives the condition positive probability.
        """
        equal, within = slice(None, self._n_equal), slice(self._n_equal, None)
        loose = self._rows.shape[0] > self._n_equal
        found = linprog(
            sign * self._costs,
            A_eq=self._rows[equal],
            b_eq=self._rhs[equal],
            A_ub=self._rows[within] if loose else None,
            b_ub=self._rhs[within] if loose else None,
            bounds=(0, None),
            method="highs",
        )
        if found.status == 2:
            raise _infeasible(self._knowledge, self._used)
        if found.status != 0:
            raise DataError(f"the linear programme has no optimum: {found.message}")
        certificate = Certificate(
            sign * self._costs,
            self._rows,
            self._rhs,
            np.concatenate([found.eqlin.marginals, found.ineqlin.marginals]),
            self._n_equal,
            self._labels,
            sign,
        )
        scale = found.x[-1] if found.x[-1] > 0 else 1.0
        ends = np.cumsum([0, *self._sizes])
        types = {i: found.x[ends[n] : ends[n + 1]] / scale for n, i in enumerate(self._used)}
        return Solution(sign * float(found.fun), types, certificate)


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
