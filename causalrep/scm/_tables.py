"""Exact answers from tables: a network of copies as factors, and sums over them.

Every copy whose mechanism has finitely many outcomes becomes one factor. Copies of a node that share
its noise are tied together through that noise: as a finite variable of its own under the monotone
coupling, as a joint table of two copies under Gumbel noise (see `_couplings`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from itertools import product
from typing import Any

import numpy as np

from causalrep.scm._alterations import EdgeSet, Scaled, Tilted
from causalrep.scm._arrays import as_array, check_rows, is_numpy
from causalrep.scm._conditions import Condition
from causalrep.scm._couplings import Coupling, Floats, gumbel_joint, interval_cells
from causalrep.scm._cpt import CPT, StateMechanism
from causalrep.scm._distributions import Bernoulli, Categorical, Dirac
from causalrep.scm._elimination import LARGEST, Codes, Factor, TooWideError, draw_from, eliminate
from causalrep.scm._equations import Equation
from causalrep.scm._interventions import Fixed, Shifted
from causalrep.scm._mechanism import Mechanism
from causalrep.scm._mechanisms import Root
from causalrep.scm._states import States
from causalrep.scm._worlds import Network
from causalrep.utils import ImpossibleEvidenceError

__all__ = ["Tabulated", "TableEngine", "tabulate"]

_LARGEST = 1_000_000  # cells of a table that is found by calling a function on all its arguments

Given = Mapping[int, Sequence[Condition]]


@dataclass(frozen=True)
class Tabulated:
    """A mechanism as a table over the states of its parents, (k_1, ..., k_p, k)."""

    states: States
    table: Floats
    coupling: Coupling | None = None  # None: no noise


@singledispatch
def tabulate(mechanism: Mechanism, parents: Mapping[Hashable, States]) -> Tabulated | None:
    """Return a mechanism as a table, or None if it has not finitely many outcomes.

    A mechanism without noise is called once with all combinations of its parents' states.
    """
    if not mechanism.deterministic or math.prod(map(len, parents.values())) > _LARGEST:
        return None
    columns, n = _combinations(parents)
    result = check_rows(mechanism.forward(columns, {}), n, "the result of a mechanism")
    if not is_numpy(result) or result.ndim != 1:
        return None
    labels = result.tolist()
    if not all(isinstance(label, (str, bool, int, float)) for label in labels):
        return None
    states = States(sorted(set(labels)) if all(map(_is_number, labels)) else dict.fromkeys(labels))
    shape = tuple(len(part) for part in parents.values())
    return Tabulated(states, np.eye(len(states))[states.encode(result)].reshape(*shape, -1))


def _combinations(parents: Mapping[Hashable, States]) -> tuple[dict[Hashable, Any], int]:
    """Return all combinations of states as columns, the last parent fastest, and their number."""
    grid = np.array(list(product(*(range(len(states)) for states in parents.values()))), dtype=np.intp)
    columns = {name: parents[name].values[codes] for name, codes in zip(parents, grid.T, strict=True)}
    return columns, len(grid)


def _is_number(label: object) -> bool:
    return isinstance(label, (bool, int, float))


@tabulate.register
def _(mechanism: StateMechanism, parents: Mapping[Hashable, States]) -> Tabulated | None:
    if math.prod(map(len, parents.values())) > _LARGEST:
        return None
    columns, n = _combinations(parents)
    shape = (*(len(states) for states in parents.values()), len(mechanism.states))
    rows = np.broadcast_to(mechanism.rows(columns), (n, shape[-1]))
    return Tabulated(mechanism.states, rows.reshape(shape), mechanism.coupling)


@tabulate.register
def _(mechanism: CPT, parents: Mapping[Hashable, States]) -> Tabulated | None:
    table = mechanism.table
    for axis, name in enumerate(mechanism.parents):
        codes = mechanism.parent_states[name].encode(parents[name].values)
        table = np.take(table, codes, axis=axis)
    order = [mechanism.parents.index(name) for name in parents]
    table = table.transpose(*order, len(order))
    return Tabulated(mechanism.states, table, None if mechanism.deterministic else mechanism.coupling)


@tabulate.register
def _(mechanism: Root, parents: Mapping[Hashable, States]) -> Tabulated | None:  # noqa: ARG001
    law = mechanism.noise
    if not isinstance(law, (Bernoulli, Categorical, Dirac)) or law.shape:
        return None
    if isinstance(law, Dirac):
        return Tabulated(States([law.value]), np.ones(1))
    p = (1 - law.probability, law.probability) if isinstance(law, Bernoulli) else law.probabilities
    return Tabulated(States(range(len(p))), np.asarray(p, dtype=np.float64), "monotone")


@tabulate.register
def _(mechanism: Equation, parents: Mapping[Hashable, States]) -> Tabulated | None:
    k = mechanism.n_states
    if k is None:
        return tabulate.dispatch(Mechanism)(mechanism, parents)
    if math.prod(map(len, parents.values())) > _LARGEST:
        return None
    columns, n = _combinations(parents)
    chances = [np.exp(mechanism.log_prob(columns, np.full(n, code))) for code in range(k)]
    table = np.stack(chances, axis=-1).reshape(*(len(states) for states in parents.values()), k)
    return Tabulated(States(range(k)), table, "monotone")


@tabulate.register
def _(mechanism: Fixed, parents: Mapping[Hashable, States]) -> Tabulated | None:  # noqa: ARG001
    value = as_array(mechanism.value)
    return None if value.shape else Tabulated(States([value.item()]), np.ones(1))


@tabulate.register
def _(mechanism: Shifted, parents: Mapping[Hashable, States]) -> Tabulated | None:
    inner, delta = tabulate(mechanism.mechanism, parents), as_array(mechanism.delta)
    if inner is None or delta.shape or not inner.states.numeric:
        return None
    return Tabulated(States((inner.states.values + delta.item()).tolist()), inner.table, inner.coupling)


@tabulate.register
def _(mechanism: Scaled, parents: Mapping[Hashable, States]) -> Tabulated | None:
    inner, factor = tabulate(mechanism.mechanism, parents), as_array(mechanism.factor)
    if inner is None or factor.shape or not inner.states.numeric:
        return None
    return Tabulated(States((inner.states.values * factor.item()).tolist()), inner.table, inner.coupling)


@tabulate.register
def _(mechanism: EdgeSet, parents: Mapping[Hashable, States]) -> Tabulated | None:
    values = {name: as_array(value) for name, value in mechanism.values.items()}
    if any(value.shape for value in values.values()):
        return None
    seen = {name: States([value.item()]) for name, value in values.items()}
    inner = tabulate(mechanism.mechanism, {**parents, **seen})
    if inner is None:
        return None
    shape = (*(len(states) for states in parents.values()), len(inner.states))
    return Tabulated(inner.states, inner.table.reshape(shape), inner.coupling)


@tabulate.register
def _(mechanism: Tilted, parents: Mapping[Hashable, States]) -> Tabulated | None:
    inner = tabulate(mechanism.mechanism, parents)
    if inner is None:
        return None
    second = mechanism.odds * inner.table[..., 1]
    second = second / (inner.table[..., 0] + second)
    return Tabulated(inner.states, np.stack([1 - second, second], axis=-1), inner.coupling)


class TableEngine:
    """A network of copies whose mechanisms are all tables.

    Parameters
    ----------
    network : Network
        The copies.
    tables : mapping of int to Tabulated
        Their tables, by number.
    """

    def __init__(self, network: Network, tables: Mapping[int, Tabulated]) -> None:
        self.network = network
        self.tables = tables

    @classmethod
    def build(cls, network: Network, numbers: Iterable[int]) -> TableEngine | None:
        """Return the engine for the given copies, or None if one of them is not a table."""
        tables: dict[int, Tabulated] = {}
        sharing: dict[int, int] = {}
        for number in numbers:
            copy = network.copies[number]
            found = tabulate(copy.mechanism, {name: tables[parent].states for name, parent in copy.parents})
            if found is None:
                return None
            sharing[copy.source] = sharing.get(copy.source, 0) + 1
            if found.coupling == "gumbel" and sharing[copy.source] > 2:
                return None  # three rows of Gumbel noise have no closed form here
            tables[number] = found
        return cls(network, tables)

    def log_mass(self, given: Given) -> float:
        """Return the log probability that all conditions hold."""
        _, log_scale = self._eliminated((), given)
        return log_scale

    def joint(self, numbers: Sequence[int], given: Given) -> tuple[list[States], Floats]:
        """Return the joint law of some copies given conditions, over the states these leave.

        Raises
        ------
        ImpossibleEvidenceError
            If the conditions have probability zero.
        """
        table, log_scale = self._eliminated(numbers, given)
        if log_scale == -math.inf:
            raise ImpossibleEvidenceError("the evidence has probability zero under the model")
        left = [self.tables[number].states for number in numbers]
        kept = [
            States(np.take(s.values, self._codes(n, given)).tolist())
            for n, s in zip(numbers, left, strict=True)
        ]
        return kept, table / table.sum()

    def _eliminated(self, keep: Sequence[int], given: Given) -> tuple[Floats, float]:
        codes = {number: self._codes(number, given) for number in given}
        if any(not len(kept) for kept in codes.values()):
            return np.zeros(()), -math.inf
        wanted = {*keep, *given}
        for number in range(len(self.network.copies) - 1, -1, -1):
            if number in wanted:
                wanted.update(parent for _, parent in self.network.copies[number].parents)
        factors = _Factors(self.network, self.tables, codes).of(sorted(wanted))
        return eliminate([_squeezed(factor, keep) for factor in factors], keep)

    def draw(
        self, seen: Mapping[int, int], n: int, generator: np.random.Generator
    ) -> dict[int, Codes] | None:
        """Return `n` draws of the codes of all copies given those of some, or None if that is impossible."""
        codes = {number: np.array([code]) for number, code in seen.items()}
        factors = _Factors(self.network, self.tables, codes).of(sorted(self.tables))
        drawn = draw_from([_squeezed(factor, ()) for factor in factors], n, generator)
        if drawn is None:
            return None
        settled = np.zeros(n, dtype=np.intp)  # the only state of those that are no variable
        return {number: drawn.get(number, settled + seen.get(number, 0)) for number in self.tables}

    def _codes(self, number: int, given: Given) -> Any:
        states = self.tables[number].states
        mask = np.ones(len(states), dtype=bool)
        for condition in given.get(number, ()):
            mask &= condition.mask(states.values)
        return np.flatnonzero(mask)


class _Factors:
    """The factors of copies, over the states that conditions leave (`codes`, by number)."""

    def __init__(self, network: Network, tables: Mapping[int, Tabulated], codes: Mapping[int, Any]) -> None:
        self.network = network
        self.tables = tables
        self.codes = codes

    def of(self, numbers: Sequence[int]) -> list[Factor]:
        groups: dict[int, list[int]] = {}
        for number in numbers:
            groups.setdefault(self.network.copies[number].source, []).append(number)
        factors: list[Factor] = []
        for source, members in groups.items():
            coupling = self.tables[members[0]].coupling
            if coupling is None or len(members) == 1:
                factors += [self._own(number, self._scope(number), self._rows(number)) for number in members]
            elif coupling == "gumbel":
                factors.append(self._pair(*members))
            else:
                factors += self._tied(members, len(self.network.copies) + source)
        return factors

    def _scope(self, number: int) -> tuple[int, ...]:
        return (*(parent for _, parent in self.network.copies[number].parents), number)

    def _rows(self, number: int) -> Floats:
        """Return the rows of a table for the states that are left of the parents."""
        table = self.tables[number].table
        for axis, parent in enumerate(self._scope(number)[:-1]):
            if parent in self.codes:
                table = np.take(table, self.codes[parent], axis=axis)
        return table

    def _own(self, number: int, scope: tuple[int, ...], table: Floats) -> Factor:
        """Return a factor over the states that are left of a copy, whose axis is where it is in `scope`."""
        if number in self.codes:
            table = np.take(table, self.codes[number], axis=scope.index(number))
        return Factor(scope, table)

    def _tied(self, members: Sequence[int], noise: int) -> list[Factor]:
        """Return factors of copies that respond to one finite noise, whose number is `noise`."""
        tables = [self._rows(number) for number in members]
        k = tables[0].shape[-1]
        lengths, response = interval_cells(np.concatenate([table.reshape(-1, k) for table in tables]))
        if response.size * k > LARGEST:
            raise TooWideError(f"the shared noise of a node would need {response.size * k} entries")
        ends = np.cumsum([table.size // k for table in tables])
        factors = [Factor((noise,), lengths)]
        for number, table, rows in zip(members, tables, np.split(response, ends[:-1]), strict=True):
            certain = np.eye(k)[rows].reshape(*table.shape[:-1], len(lengths), k)
            *parents, own = self._scope(number)
            factors.append(self._own(number, (*parents, noise, own), certain))
        return factors

    def _pair(self, first: int, second: int) -> Factor:
        """Return the joint factor of two copies that share Gumbel noise."""
        left, right = self._rows(first), self._rows(second)
        *one, _ = self._scope(first)
        *two, _ = self._scope(second)
        sizes = dict(zip((*one, *two), (*left.shape[:-1], *right.shape[:-1]), strict=True))
        shape, k = list(sizes.values()), left.shape[-1]
        if math.prod(shape) * k * k > LARGEST:
            raise TooWideError(f"the shared noise of a node would need {math.prod(shape) * k * k} entries")
        table = np.empty((*shape, k, k))
        known: dict[tuple[bytes, bytes], Floats] = {}
        for cell in np.ndindex(*shape):
            at = dict(zip(sizes, cell, strict=True))
            p, q = left[tuple(at[v] for v in one)], right[tuple(at[v] for v in two)]
            key = (p.tobytes(), q.tobytes())
            if key not in known:
                known[key] = gumbel_joint(p, q)
            table[cell] = known[key]
        scope = (*sizes, first, second)
        half = self._own(first, scope, table)
        return self._own(second, scope, half.table)


def _squeezed(factor: Factor, keep: Sequence[int]) -> Factor:
    """Return a factor without the variables that have one state left."""
    sizes = dict(zip(factor.variables, factor.table.shape, strict=True))
    kept = [variable for variable, size in sizes.items() if size > 1 or variable in keep]
    return Factor(tuple(kept), factor.table.reshape([sizes[variable] for variable in kept]))
