"""Identify probabilities of events in several worlds at once: ID* and IDC*, in the form of ctf-factors.

An event about potential outcomes is completed by all that these are functions of. Every variable then
has, in its world, one value for itself and one for each parent: a *fact* about its mechanism. Facts of
different districts are independent, so that the probability is a sum of products of *ctf-factors*, one
per district. A ctf-factor whose facts agree on all values is an interventional distribution and is
identified as such; one that needs a variable of the district at two values is of no experiment whatever
[1]_.

This is complete, and corrects the published ID* and IDC*, whose graphs of merged worlds lose events of
probability zero and conditions that cancel [2]_, [3]_.

References
----------
.. [1] J. Correa, S. Lee, E. Bareinboim, "Nested counterfactual identification from arbitrary surrogate
   experiments", NeurIPS 2021, arXiv:2107.03190 (theorems 2 to 4, lemma 3).
.. [2] I. Shpitser, J. Pearl, "What counterfactuals can be tested", UAI 2007, arXiv:1206.5294.
.. [3] S. Tikka, "Identifying counterfactual queries with the R package cfid", The R Journal 15, 2023,
   doi:10.32614/RJ-2023-053.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from causalrep.graphs import ADMG
from causalrep.identification._expression import (
    FREE,
    ONE,
    ZERO,
    Expression,
    Sum,
    Variable,
    difference,
    fraction,
    total,
)
from causalrep.identification._facts import Conflict, Factor, facts_of_event, solve_atoms
from causalrep.identification._id import Failure, Source
from causalrep.identification._masks import MaskGraph, bits
from causalrep.identification._potential import Event, Potential, minimal, parent_potentials
from causalrep.identification._unnest import Atoms, Impossible, Values, consistent, demand, unnest, written
from causalrep.utils import ImpossibleEvidenceError

__all__ = ["CounterfactualSolution", "EventSolver"]


Pairs: TypeAlias = dict[Hashable, tuple[Hashable, Hashable]]


@dataclass(frozen=True)
class CounterfactualSolution:
    """The probability of an event in several worlds.

    Attributes
    ----------
    expression : Expression
        The estimand.
    event : str
        What was identified, after unnesting, exclusion and consistency.
    factors : tuple of Factor
        In the order of use.
    binary : dict
        Nodes that were taken to have only these two values, because the answer needs it.
    """

    expression: Expression
    event: str
    factors: tuple[Factor, ...]
    binary: Pairs = field(default_factory=dict)


Found: TypeAlias = CounterfactualSolution | Conflict | Failure


@dataclass(frozen=True)
class EventSolver:
    """Identifies probabilities of events in several worlds of one graph.

    Attributes
    ----------
    graph : ADMG
        Without latent nodes.
    masks : MaskGraph
        The same graph.
    sources : tuple of Source
        The distributions at hand.
    """

    graph: ADMG
    masks: MaskGraph
    sources: tuple[Source, ...]

    def joint(self, outcome: Event) -> Found:
        """Return the probability of an event without a condition.

        Parameters
        ----------
        outcome : tuple of (Potential, value)
            The event; a value is `FREE`, a `Variable` or fixed.

        Returns
        -------
        CounterfactualSolution, Conflict or Failure
            A failure is about one of the interventional distributions that the event consists of.
        """
        values = Values()
        try:
            atoms = unnest(self.graph, outcome, values)
        except Impossible:
            return CounterfactualSolution(ZERO, "", ())
        return self._atoms(atoms, values)

    def conditional(self, outcome: Event, given: Event) -> Found:
        """Return the probability of an event given another.

        Parameters
        ----------
        outcome, given : tuple of (Potential, value)
            The events; a value is `FREE`, a `Variable` or fixed.

        Returns
        -------
        CounterfactualSolution, Conflict or Failure
            As for `joint`.

        Raises
        ------
        ImpossibleEvidenceError
            If the condition cannot happen.
        """
        values = Values()
        try:
            known = unnest(self.graph, given, values)
            nested = any(values.is_bound(value) for value in known.values())
            known = consistent(self.graph, known, known, values)
        except Impossible:
            raise ImpossibleEvidenceError("the condition of the query cannot happen") from None
        # What the outcome says about the values of the condition is not known in the denominator.
        before = values.copy()
        try:
            asked = unnest(self.graph, outcome, values)
            asked = consistent(self.graph, asked, known, values)
            everything = dict(known)
            for potential, value in asked.items():
                demand(everything, potential, value, values)
        except Impossible:
            return CounterfactualSolution(ZERO, "", ())
        if all(p in known and before.resolve(known[p]) == before.resolve(v) for p, v in asked.items()):
            return CounterfactualSolution(ONE, "1", ())
        pairs = [(everything, known)]
        if not nested:
            pairs.insert(0, self._ancestral_components(asked, known, values))
        found = [self._ratio(above, values, below, before) for above, below in pairs]
        return next((one for one in found if isinstance(one, CounterfactualSolution)), found[0])

    def _ratio(self, above: Atoms, values: Values, below: Atoms, before: Values) -> Found:
        numerator, denominator = self._atoms(above, values), self._atoms(below, before)
        if isinstance(denominator, CounterfactualSolution) and denominator.expression == ZERO:
            raise ImpossibleEvidenceError("the condition of the query has probability zero in every model")
        if not isinstance(numerator, CounterfactualSolution) or numerator.expression == ZERO:
            return numerator
        if not isinstance(denominator, CounterfactualSolution):
            return denominator
        return CounterfactualSolution(
            _divided(numerator.expression, denominator.expression),
            f"{numerator.event} / {denominator.event}" if below else numerator.event,
            tuple(dict.fromkeys((*numerator.factors, *denominator.factors))),
            {**numerator.binary, **denominator.binary},
        )

    def _ancestral_components(self, asked: Atoms, known: Atoms, values: Values) -> tuple[Atoms, Atoms]:
        """Return the event and the condition without what cancels in their ratio ([1]_, theorem 4).

        Ancestors are followed up to what is known, whose values then act as if they were set. Parts of
        the event that then share no mechanism with the outcome, nor a hidden cause, cancel.
        """
        reach: dict[Potential, tuple[int, Potential]] = {}
        for atom in {**known, **asked}:
            nodes, stops = self._climb(atom, known)
            mask = self.masks.mask(nodes, "the query")
            actions = (*atom.do, *((q.variable, values.resolve(known[q])) for q in stops))
            reach[atom] = mask, minimal(self.graph, Potential(atom.variable, actions))
        connected = 0
        for atom in asked:
            connected |= reach[atom][0]
        grown = True
        while grown:
            near = connected
            for i in bits(connected):
                near |= self.masks.siblings[i]
            before = connected
            for mask, _ in reach.values():
                if mask & near:
                    connected |= mask
            grown = connected != before
        kept = [atom for atom, (mask, _) in reach.items() if mask & connected]
        above: Atoms = {}
        below: Atoms = {}
        for atom in kept:
            if atom in known:
                demand(below, reach[atom][1], known[atom], values)
        for atom in kept:
            demand(above, reach[atom][1], known[atom] if atom in known else asked[atom], values)
        return above, below

    def _climb(self, atom: Potential, known: Atoms) -> tuple[list[Hashable], list[Potential]]:
        """Return the nodes that a potential outcome is a function of, up to what is known, and that."""
        seen = {atom: None}
        stops: dict[Potential, None] = {}
        stack = [atom]
        while stack:
            for _, up in parent_potentials(self.graph, stack.pop()):
                if isinstance(up, Potential) and up not in seen:
                    if up in known:
                        stops[up] = None
                    else:
                        seen[up] = None
                        stack.append(up)
        return [potential.variable for potential in seen], list(stops)

    def _atoms(self, atoms: Atoms, values: Values, flipped: frozenset[Potential] = frozenset()) -> Found:
        """Return the probability of an event about minimal potential outcomes.

        Where a conflict is about a value that the event denies, and the node has two values only, the
        event is what happens at any value, less what happens at the other one.
        """
        found = self._without_complement(atoms, values)
        if not isinstance(found, Conflict):
            return found
        values = values.copy()
        facts = self._as_facts(atoms, values)
        literals = _literals(facts)
        for potential, value in facts.items():
            others = [v for v in literals.get(potential.variable, ()) if v != value.value]
            if potential in flipped or value.value is FREE or len(others) != 1:
                continue
            flip = {**facts, potential: value._replace(value=others[0])}
            rest = _needed({p: v for p, v in facts.items() if p != potential}, values)
            parts = [self._atoms(part, values, flipped | {potential}) for part in (rest, flip)]
            solved = [part for part in parts if isinstance(part, CounterfactualSolution)]
            if len(solved) == len(parts):
                return _less(solved[0], solved[1], {potential.variable: (value.value, others[0])})
        return found

    def _as_facts(self, atoms: Atoms, values: Values) -> Atoms:
        """Return the same event as one about each mechanism under given values of its parents."""
        return {
            Potential(fact.node, tuple((v.name, v) for v in fact.parents)): fact.value
            for fact in facts_of_event(self.graph, atoms, values)
        }

    def _without_complement(self, atoms: Atoms, values: Values) -> Found:
        text = ", ".join(written(potential, value) for potential, value in atoms.items())
        try:
            found = solve_atoms(self.graph, self.masks, self.sources, atoms, values.copy())
        except Impossible:
            return CounterfactualSolution(ZERO, f"P({text})", ())
        if isinstance(found, (Conflict, Failure)):
            return found
        expression, factors = found
        return CounterfactualSolution(expression, f"P({text})" if atoms else "1", factors)


def _needed(atoms: Atoms, values: Values) -> Atoms:
    """Return an event without what may have any value and acts on nothing else in it."""
    found = dict(atoms)
    while True:
        used = {action for potential in found for _, action in potential.do}
        idle = [p for p, value in found.items() if values.is_bound(value) and value not in used]
        if not idle:
            return found
        found = {p: value for p, value in found.items() if p not in idle}


def _less(
    whole: CounterfactualSolution, part: CounterfactualSolution, binary: Pairs
) -> CounterfactualSolution:
    """Return the probability of what is in the first event and not in the second, which implies it."""
    return CounterfactualSolution(
        difference(whole.expression, part.expression),
        f"{whole.event} - {part.event}",
        (*whole.factors, *part.factors),
        {**whole.binary, **part.binary, **binary},
    )


def _divided(numerator: Expression, denominator: Expression) -> Expression:
    """Return a ratio; the denominator goes into the sum above it, where factors may cancel."""
    if isinstance(numerator, Sum) and not set(numerator.over) & set(denominator.free_variables):
        return total(numerator.over, fraction(numerator.body, denominator))
    return fraction(numerator, denominator)


def _literals(atoms: Atoms) -> dict[Hashable, list[Hashable]]:
    """Return the values by which each node is named in an event."""
    found: dict[Hashable, list[Hashable]] = {}
    for potential, value in atoms.items():
        for v in (value, *(action for _, action in potential.do)):
            if isinstance(v, Variable) and v.value is not FREE and v.value not in found.get(v.name, []):
                found.setdefault(v.name, []).append(v.value)
    return found
