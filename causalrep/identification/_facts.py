"""Ctf-factors: what an event in several worlds says about the mechanisms of each district.

Every potential outcome that the event is a function of becomes a *fact*: what its variable is under
values of its parents. Two facts about one variable under the same values are one fact, and demand one
value. The facts of a district are a ctf-factor. If every node in it, as a member or as a parent, has
one value, the factor is a distribution under actions on all other nodes; if not, it is not a function of
such distributions, whichever are at hand [1]_.

References
----------
.. [1] J. Correa, S. Lee, E. Bareinboim, "Nested counterfactual identification from arbitrary surrogate
   experiments", NeurIPS 2021, arXiv:2107.03190 (definitions 5 and 6, theorem 3).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import count

from causalrep.graphs import ADMG
from causalrep.identification._expression import FREE, Expression, Variable, product, total
from causalrep.identification._id import Component, Failure, Source, identify_effect
from causalrep.identification._masks import MaskGraph
from causalrep.identification._potential import Potential, ancestral_potentials, parent_potentials
from causalrep.identification._text import text_name
from causalrep.identification._unnest import Atoms, Values, variable

__all__ = ["Conflict", "Fact", "Factor", "facts_of_event", "solve_atoms"]


@dataclass(frozen=True)
class Fact:
    """What a node is under values of its parents.

    Attributes
    ----------
    node : hashable
        A node.
    parents : tuple of Variable
        Values of its parents, in the order of the graph.
    value : Variable
        Its own value.
    """

    node: Hashable
    parents: tuple[Variable, ...]
    value: Variable

    def value_at(self, node: Hashable) -> Variable | None:
        """Return the value that the fact gives to a node, itself or a parent, if it gives one.

        Parameters
        ----------
        node : hashable
            A node.

        Returns
        -------
        Variable or None
            None where the fact does not mention the node.
        """
        return next((v for v in (self.value, *self.parents) if v.name == node), None)

    def written(self) -> str:
        """Return the fact with its value, as in ``Y[X=1]=0``.

        Returns
        -------
        str
            A free or bound value is not named.
        """
        return str(self) if self.value.value is FREE else f"{self}={text_name(self.value.value)}"

    def __str__(self) -> str:
        inside = ", ".join(map(str, self.parents))
        return f"{text_name(self.node)}[{inside}]" if inside else text_name(self.node)


@dataclass(frozen=True)
class Conflict:
    """A proof that no experiment tells the probability of an event in several worlds.

    The event speaks of all mechanisms of a district at once, and of two of them with different values
    of one node. Some two models then agree on all distributions under actions and differ in the event
    [1]_. (Where nodes have few values an event may be special: "both of two potential outcomes are 0"
    settles the third, if there are no other values of their cause.)

    Attributes
    ----------
    graph : ADMG
        Where it is, without latent nodes.
    district : tuple of hashable
        The nodes; bidirected edges connect them.
    node : hashable
        A node that is in the district or a parent of it.
    facts : tuple of (Fact, Fact)
        Two of the facts about the district; they give the node different values.

    References
    ----------
    .. [1] J. Correa, S. Lee, E. Bareinboim, "Nested counterfactual identification from arbitrary
       surrogate experiments", NeurIPS 2021, arXiv:2107.03190 (theorem 3).
    """

    graph: ADMG
    district: tuple[Hashable, ...]
    node: Hashable
    facts: tuple[Fact, Fact]

    def verify(self) -> bool:
        """Return whether the facts are about one district and give the node different values.

        Returns
        -------
        bool
            Asked of the graph, not of the algorithm that found them.
        """
        inside = self.graph.subgraph(self.district)
        first, second = self.facts
        about = all(
            fact.node in inside
            and tuple(v.name for v in fact.parents) == tuple(self.graph.parents(fact.node))
            for fact in self.facts
        )
        values = [fact.value_at(self.node) for fact in self.facts]
        return (
            about
            and set(inside.district(first.node)) == set(self.district)
            and first != second
            and None not in values
            and values[0] != values[1]
        )

    def __str__(self) -> str:
        members = ", ".join(map(text_name, self.district))
        one, other = self.facts
        values = " and ".join(str(fact.value_at(self.node)) for fact in self.facts)
        return f"conflict in the district {{{members}}}: {one} and {other} need both {values}"


@dataclass(frozen=True)
class Factor:
    """A ctf-factor, and the distribution under actions that it is.

    Attributes
    ----------
    facts : tuple of Fact
        All about one district.
    component : Component
        How its distribution follows from one at hand.
    expression : Expression
        That distribution at the values of the facts.
    """

    facts: tuple[Fact, ...]
    component: Component
    expression: Expression


def solve_atoms(
    graph: ADMG, masks: MaskGraph, sources: Sequence[Source], atoms: Atoms, values: Values
) -> tuple[Expression, tuple[Factor, ...]] | Conflict | Failure:
    """Return the probability of an event about minimal potential outcomes.

    Parameters
    ----------
    graph : ADMG
        Without latent nodes.
    masks : MaskGraph
        The same graph.
    sources : sequence of Source
        The distributions at hand.
    atoms : dict of Potential to Variable
        The event.
    values : Values
        Gives out values for what is summed over; is changed.

    Returns
    -------
    (Expression, tuple of Factor), Conflict or Failure
        The estimand and what it is made of, or why there is none.

    Raises
    ------
    Impossible
        If the event cannot happen.
    """
    facts = facts_of_event(graph, atoms, values)
    bit = {masks.labels[i]: 1 << i for i in masks.order}
    nodes = sum({bit[fact.node] for fact in facts})
    groups = [[fact for fact in facts if bit[fact.node] & district] for district in masks.districts(nodes)]
    # A conflict is no matter of which data are at hand, so it is looked for first.
    assigned = [_assigned(graph, group) for group in groups]
    for found in assigned:
        if isinstance(found, Conflict):
            return found
    factors = []
    for group, found in zip(groups, assigned, strict=True):
        if isinstance(found, dict):
            factor = _identified(masks, sources, group, found, values)
            if isinstance(factor, Failure):
                return factor
            factors.append(factor)
    bound = dict.fromkeys(fact.value for fact in facts if values.is_bound(fact.value))
    return _tidy_sum(list(bound), product(factor.expression for factor in factors)), tuple(factors)


def _tidy_sum(bound: list[Variable], body: Expression) -> Expression:
    """Return a sum over variables with as few primes as what is free in it allows."""
    taken = set(body.free_variables) - set(bound)
    renamed: dict[Variable, Variable] = {}
    for value in bound:
        primes = next(n for n in count() if Variable(value.name, n) not in taken)
        renamed[value] = Variable(value.name, primes)
        taken.add(renamed[value])
    return total(renamed.values(), body.substitute(renamed))


def facts_of_event(graph: ADMG, atoms: Atoms, values: Values) -> list[Fact]:
    """Return what the event says about mechanisms, causes first, equal facts merged.

    All potential outcomes of one node come before those of its effects; by then it is settled which
    of their values are the same.
    """
    value_of: dict[Potential, Variable] = {}
    seen: dict[tuple[Hashable, tuple[Variable, ...]], Variable] = {}
    for potential in ancestral_potentials(graph, atoms):
        parents = tuple(
            values.resolve(value_of[up] if isinstance(up, Potential) else variable(name, up))
            for name, up in parent_potentials(graph, potential)
        )
        key = potential.variable, parents
        value = atoms.get(potential)
        if value is None:
            value = seen[key] if key in seen else values.new(potential.variable)
        if key in seen:
            values.equate(seen[key], value)
        seen[key] = value_of[potential] = value
    return [Fact(node, parents, values.resolve(value)) for (node, parents), value in seen.items()]


def _assigned(graph: ADMG, facts: list[Fact]) -> dict[Hashable, Variable] | Conflict:
    """Return the one value of each node that the facts of a district mention, or two that disagree."""
    found: dict[Hashable, tuple[Variable, Fact]] = {}
    for fact in facts:
        for value in (*fact.parents, fact.value):
            before, first = found.setdefault(value.name, (value, fact))
            if before != value:
                members = dict.fromkeys(one.node for one in facts)
                return Conflict(graph, tuple(members), value.name, (first, fact))
    return {name: value for name, (value, _) in found.items()}


def _identified(
    masks: MaskGraph,
    sources: Sequence[Source],
    facts: list[Fact],
    assigned: dict[Hashable, Variable],
    values: Values,
) -> Factor | Failure:
    target = masks.mask([fact.node for fact in facts], "the query")
    found = identify_effect(masks, target, masks.nodes & ~target, sources)
    if isinstance(found, Failure):
        return found
    expression = found.components[0].expression
    # Other nodes in it, as upstream of a napkin, may have any value, but one throughout.
    values_of = {v: assigned.get(v.name) or values.spare(v.name) for v in expression.free_variables}
    return Factor(tuple(facts), found.components[0], expression.substitute(values_of))
