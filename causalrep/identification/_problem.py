"""A question about bounds with all that is known: from tables to the two linear programmes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification._joint import Joint, States
from causalrep.identification._knowledge import Knowledge, Linear, Unknown
from causalrep.identification._potential import Potential, expand, split
from causalrep.identification._programme import Programme, Solution, least_violation
from causalrep.identification._response_types import facts_of
from causalrep.identification._targets import Target
from causalrep.utils import DataError, PolynomialProgramError

__all__ = ["Problem", "Source", "is_sharp"]

#: What a table is called, the table, and what its experiment set.
Source = tuple[str, Joint, Mapping[Hashable, Hashable]]


@dataclass(frozen=True)
class Problem:
    """A target, the tables, and the assumptions.

    Attributes
    ----------
    graph : ADMG
        Without latent nodes.
    states : dict
        The values of all nodes.
    target : Target
        What is asked for.
    sources : tuple of (str, Joint, dict)
        The tables with their names and what was set.
    monotone : tuple of (cause, effect)
        Of which pairs monotonicity is assumed.
    tolerance : float
        How far probabilities may be from the tables.
    """

    graph: ADMG
    states: States
    target: Target
    sources: tuple[Source, ...]
    monotone: tuple[tuple[Hashable, Hashable], ...]
    tolerance: float

    @cached_property
    def knowledge(self) -> Knowledge:
        """What the tables and the assumptions say about each district."""
        knowledge = Knowledge(self.graph, self.states)
        later = []
        for what, joint, do in self.sources:
            measured = _measured(joint, do, what)
            cut = self.graph.do(*do)
            if all(up in measured.names or up in do for up in cut.ancestors(measured.names)):
                for facts, value in facts_of(self.graph, measured, do):
                    knowledge.learn(facts, value, what)
            else:
                later.append((what, measured, do))
        for what, measured, do in later:
            self._learn_cells(knowledge, what, measured, do)
        for cause, effect in self.monotone:
            _assume_monotone(knowledge, cause, effect)
        return knowledge

    def _learn_cells(
        self, knowledge: Knowledge, what: str, joint: Joint, do: Mapping[Hashable, Hashable]
    ) -> None:
        """Learn a table that leaves out causes of what it measures, cell by cell."""
        for index in np.ndindex(*joint.array.shape):
            values = [joint.states[name][i] for name, i in zip(joint.names, index, strict=True)]
            event = tuple(
                (Potential(name, tuple(do.items())), value)
                for name, value in zip(joint.names, values, strict=True)
            )
            cell = ", ".join(f"{name}={value}" for name, value in zip(joint.names, values, strict=True))
            where = f"{what}: {cell}"
            linear = knowledge.linear([(1.0, event)], where)
            knowledge.learn_linear(linear, float(joint.array[index]), where, self.tolerance)

    @cached_property
    def _ratio(self) -> tuple[Linear, Linear]:
        name = self.target.name
        return self.knowledge.linear(self.target.events, name), self.knowledge.linear(self.target.given, name)

    @cached_property
    def _programme(self) -> Programme:
        return Programme(self.knowledge, *self._ratio, self.tolerance)

    def solve(self, sign: int) -> Solution:
        """Return the least (1) or the greatest (-1) value of the target."""
        return self._programme.solve(sign)

    def with_tables(self, joints: list[Joint]) -> Problem:
        """Return the same problem on other tables."""
        sources = [(what, new, do) for (what, _, do), new in zip(self.sources, joints, strict=True)]
        return replace(self, sources=tuple(sources))

    def loosened(self) -> Problem:
        """Return the problem with the least tolerance that some model on the graph meets."""
        used = {i for linear in self._ratio for i in linear.parts}
        least = max((least_violation(self.knowledge, i) for i in used), default=0.0)
        # HiGHS meets constraints to 1e-7; a tolerance below that would not make the tables agree.
        return self if least <= self.tolerance else replace(self, tolerance=least * (1 + 1e-6) + 1e-7)


def _measured(joint: Joint, do: Mapping[Hashable, Hashable], what: str) -> Joint:
    """Return a table without the variables that its experiment set."""
    for name, value in do.items():
        if name in joint.names and joint.probability({name: value}) < 1 - 1e-9:
            raise DataError(
                f"`{what}` has other values of {name!r} than {value!r}, to which the experiment set it"
            )
    kept = tuple(name for name in joint.names if name not in do)
    return Joint(kept, joint.states, joint.marginal(kept), joint.n_rows)


def _assume_monotone(knowledge: Knowledge, cause: Hashable, effect: Hashable) -> None:
    """Exclude the types in which the effect falls as its cause rises by one step."""
    states = knowledge.states
    values = states[effect]
    what = f"the assumption that {effect} is monotone in {cause}"
    falls = [(high, low) for k, low in enumerate(values) for high in values[k + 1 :]]
    for before, after in pairwise(states[cause]):
        worlds = [Potential(effect, ((cause, level),)) for level in (before, after)]
        for ends in falls:
            for term in expand(knowledge.graph, states, tuple(zip(worlds, ends, strict=True))):
                parts = split(term, knowledge.district_of)
                factors = {i: knowledge.factor(i, facts) for i, facts in parts.items()}
                unknown = [i for i, factor in factors.items() if isinstance(factor, Unknown)]
                if any(isinstance(factor, float) and factor <= 1e-12 for factor in factors.values()):
                    continue
                if not unknown:
                    raise DataError(f"{what} contradicts the tables")
                if len(unknown) > 1:
                    raise PolynomialProgramError(what, [tuple(knowledge.districts[i]) for i in unknown])
                knowledge.exclude(unknown[0], parts[unknown[0]])


def is_sharp(given: DAG | ADMG, graph: ADMG, members: NodeSet[Hashable]) -> bool:
    """Return whether one hidden cause may act on the whole district, as the programme supposes.

    In an ADMG that is so where bidirected edges join all pairs; a DAG must have that cause.
    """
    if len(members) <= 2 or not given.latent:
        return all(other in graph.siblings(v) for v in members for other in members if other != v)
    hidden = given.subgraph([*given.latent, *members]).cut_outgoing(*members)
    return any(set(members) <= hidden.descendants(u) for u in given.latent)
