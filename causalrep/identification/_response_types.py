"""The linear side of a discrete model: what tables say about the response types of a district.

A district's hidden types have one unknown probability per combination of response functions. A cell
of a table fixes a sum of them: all types that would produce the cell. Observation and experiments
alike give such sums, one per district, because the distribution of the measured variables factorises
over the districts that the experiment leaves [1]_.

References
----------
.. [1] J. Tian, J. Pearl, "A general identification condition for causal effects", AAAI 2002 (lemma 1).
.. [2] J. Zhang, J. Tian, E. Bareinboim, "Partial counterfactual identification from observational and
   experimental data", ICML 2022, arXiv:2110.05690.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from causalrep.graphs import ADMG
from causalrep.identification._joint import Joint, States
from causalrep.identification._potential import Local

__all__ = ["DistrictTypes", "Facts", "facts_of"]

Facts: TypeAlias = frozenset[Local]

#: Beyond so many combinations of response functions a district is refused.
TOO_MANY = 500_000


class DistrictTypes:
    """The combinations of response functions of the variables of one district.

    Type number t has, for each member, a response function: the digits of its number in base
    (number of states), one per combination of the parents' values.
    """

    def __init__(self, graph: ADMG, members: Iterable[Hashable], states: States) -> None:
        self.members = tuple(members)
        self._states = states
        self.parents = {v: tuple(graph.parents(v)) for v in self.members}
        self.inputs = {v: list(product(*(states[p] for p in self.parents[v]))) for v in self.members}
        self._place = {v: {pa: k for k, pa in enumerate(self.inputs[v])} for v in self.members}
        self.shape = tuple(len(states[v]) ** len(self.inputs[v]) for v in self.members)
        size = 1
        for n in self.shape:
            size *= n
        if size > TOO_MANY:
            raise ValueError(
                f"the district of {', '.join(map(repr, self.members))} has {size} combinations of response "
                f"functions, more than {TOO_MANY}; leave out parents or merge states"
            )
        self.size = size

    def mask(self, facts: Facts) -> NDArray[np.bool_]:
        """Return which types are as the facts say; shape (size,)."""
        allowed = [np.ones(n, dtype=bool) for n in self.shape]
        for variable, inputs, value in facts:
            at = self.members.index(variable)
            base = len(self._states[variable])
            digit = np.arange(self.shape[at]) // base ** self._place[variable][inputs] % base
            allowed[at] &= digit == self._states[variable].index(value)
        mask = allowed[0]
        for more in allowed[1:]:
            mask = (mask[:, None] & more).ravel()
        return mask

    def matrix(self, rows: Sequence[Facts]) -> sparse.csr_matrix:
        """Return one row per conjunction of facts: 1 for the types that satisfy it."""
        found = [np.flatnonzero(self.mask(facts)) for facts in rows]
        starts = np.concatenate([[0], np.cumsum([len(columns) for columns in found])]).astype(int)
        columns = np.concatenate(found) if found else np.zeros(0, dtype=int)
        return sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(rows), self.size))

    def functions(self, index: int) -> dict[Hashable, dict[tuple[Hashable, ...], Hashable]]:
        """Return type number `index` as maps from the parents' values to the value of each member."""
        found = {}
        for v, number in zip(self.members, np.unravel_index(index, self.shape), strict=True):
            base = len(self._states[v])
            found[v] = {
                pa: self._states[v][int(number) // base**k % base] for k, pa in enumerate(self.inputs[v])
            }
        return found


def facts_of(graph: ADMG, joint: Joint, do: Mapping[Hashable, Hashable]) -> list[tuple[Facts, float]]:
    """Return what a distribution says about response types, district by district.

    Parameters
    ----------
    graph : ADMG
        The causal graph, without latent nodes.
    joint : Joint
        The distribution of an ancestral set of variables of the graph after `do`.
    do : mapping of name to value
        What the experiment sets; empty for observation.

    Returns
    -------
    list of (frozenset of facts, float)
        Conjunctions of local facts of one district each, and their probability.
    """
    inside = graph.subgraph([v for v in graph.nodes if v in joint.names and v not in do])
    order = list(inside.topological_order())
    found: list[tuple[Facts, float]] = []
    for members in inside.districts():
        chain = [v for v in order if v in members]
        seen = [v for v in inside.nodes if v in members or any(v in inside.parents(u) for u in members)]
        running = np.ones([1] * len(seen))
        prefixes = []
        for v in chain:
            running = running * _conditional(inside, joint, order, v, seen)
            prefixes.append(running)
        found += _cells(graph, joint.states, do, chain, seen, prefixes)
    return found


def _conditional(
    inside: ADMG, joint: Joint, order: list[Hashable], v: Hashable, axes: list[Hashable]
) -> NDArray[np.float64]:
    """Return P(v | its Markov pillow) with one axis per name in `axes`; NaN where it is unknown."""
    before = inside.subgraph(order[: order.index(v) + 1])
    district = before.district(v)
    pillow = {v, *district, *(p for u in district for p in before.parents(u))}
    kept = [name for name in axes if name in pillow]
    both = joint.marginal(kept)
    above = both.sum(axis=kept.index(v), keepdims=True)
    with np.errstate(invalid="ignore"):
        conditional = np.where(above > 0, both / above, np.nan)
    return conditional.reshape([len(joint.states[name]) if name in kept else 1 for name in axes])


def _cells(
    graph: ADMG,
    states: States,
    do: Mapping[Hashable, Hashable],
    chain: list[Hashable],
    axes: list[Hashable],
    prefixes: list[NDArray[np.float64]],
) -> list[tuple[Facts, float]]:
    """Return one conjunction per cell; where a cell is unknown, one of the longest known prefix."""
    found: dict[Facts, float] = {}
    shape = [len(states[name]) for name in axes]
    known = [np.broadcast_to(prefix, shape) for prefix in prefixes]
    for index in np.ndindex(*shape):
        values = {**do, **{name: states[name][i] for name, i in zip(axes, index, strict=True)}}
        length = max((n + 1 for n, prefix in enumerate(known) if not np.isnan(prefix[index])), default=0)
        if length:
            facts = frozenset(
                (v, tuple(values[p] for p in graph.parents(v)), values[v]) for v in chain[:length]
            )
            found[facts] = float(known[length - 1][index])
    return list(found.items())
