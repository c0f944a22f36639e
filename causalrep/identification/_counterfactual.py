"""Answer a question about several worlds: the door from a `Query` to `EventSolver` and back."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification._ctf import CounterfactualSolution, EventSolver
from causalrep.identification._derive import simplification_step, solution_steps
from causalrep.identification._expression import FREE, probability
from causalrep.identification._facts import Conflict, Factor
from causalrep.identification._id import Failure, Solution, observational
from causalrep.identification._interventional import _sources
from causalrep.identification._masks import MaskGraph, mask_graph
from causalrep.identification._potential import Event, Potential
from causalrep.identification._query import Query
from causalrep.identification._result import Identification, variables_of
from causalrep.identification._simplify import Simplifier
from causalrep.identification._trace import Step, Trace
from causalrep.identification._witness import Hedge, Thicket, Undecided
from causalrep.utils import DataError, GraphError, columns_of, is_frame

__all__ = ["CounterfactualIdentification", "identify_counterfactual"]


class CounterfactualIdentification(Identification):
    """The answer to a question about several worlds; made by `identify`.

    Parameters
    ----------
    *arguments : object
        As for `Identification`.
    binary : dict, default=None
        Nodes that the answer takes to have only two values.
    **options : object
        As for `Identification`.
    """

    def __init__(
        self, *arguments: Any, binary: dict[Hashable, tuple[Hashable, Hashable]] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.binary = dict(binary or {})

    def evaluate(
        self,
        table: Any,
        do: Mapping[Hashable, Hashable] | None = None,
        outcome: Mapping[Hashable, Hashable] | None = None,
        given: Mapping[Hashable, Hashable] | None = None,
        **options: Any,
    ) -> Any:
        """Return the value of the estimand, as `Identification.evaluate`.

        Parameters
        ----------
        table : data frame, mapping of columns, or mapping of distribution to either
            As there.
        do, outcome, given : mapping of hashable to value, default=None
            Values of what the question leaves open. One that the question fixes cannot be changed here:
            whether a question across worlds has an answer may depend on it.
        **options : object
            As there.

        Returns
        -------
        float or data frame
            As there.

        Raises
        ------
        DataError
            Also if a node has more values than the two that the answer takes it to have, or a value is
            another one than that in the question.
        """
        _check_unchanged(self.query, {"do": do or {}, "outcome": outcome or {}, "given": given or {}})
        parts = list(table.values()) if isinstance(table, Mapping) else [table]
        if not all(isinstance(part, Mapping) or is_frame(part) for part in parts):
            parts = [table]
        for columns in (columns_of(part, what="table") for part in parts):
            for node, pair in self.binary.items():
                other = [v for v in np.asarray(columns.get(node, ())).tolist() if v not in pair]
                if other:
                    raise DataError(
                        f"the estimand holds if {node!r} is {pair[0]!r} or {pair[1]!r}, got {other[0]!r}"
                    )
        return super().evaluate(table, do, outcome, given, **options)


def _check_unchanged(query: Query, values: Mapping[str, Mapping[Hashable, Hashable]]) -> None:
    """Raise if a value is given for what a question across worlds fixes to another."""
    fixed: dict[tuple[str, Hashable], Hashable] = {}
    for role, part in (("outcome", query.outcome), ("given", query.given)):
        for potential, value in part:
            fixed[role, potential.variable] = value
            fixed.update((("do", name), action) for name, action in potential.do)
    for role, chosen in values.items():
        for name, value in chosen.items():
            before = fixed.get((role, name), FREE)
            if before is not FREE and before != value:
                raise DataError(f"`{role}` must not change the question: {query} has {name!r} = {before!r}")


def identify_counterfactual(
    graph: DAG | ADMG, query: Query, available: Iterable[str] | None = None
) -> Identification:
    """Return whether, and how, the distributions at hand tell a probability across worlds.

    Parameters
    ----------
    graph : DAG or ADMG
        The causal graph; latent nodes are projected out.
    query : Query
        What is asked; actions in ``do(...)`` apply to outcomes and conditions alike.
    available : iterable of str, default=None
        The distributions at hand; by default the observational one.

    Returns
    -------
    Identification
        Its witness, where there is no estimand, is a `Conflict` or one about the interventional
        distribution that is missing.

    Raises
    ------
    GraphError
        If the answer depends on values that the question does not give.
    ImpossibleEvidenceError
        If the condition cannot happen.
    """
    masks = mask_graph(graph)
    sources = observational(masks) if available is None else _sources(masks, available)
    outcome, given = _events(query)
    named = masks.mask(query.names(), "the query")
    known = named
    for source in sources:
        known |= source.measured | source.do
    # What nobody measured is as good as latent.
    masks = masks if known == masks.nodes else masks.projected(known)
    is_whole = masks.nodes.bit_count() == len(graph)
    admg = (
        graph
        if isinstance(graph, ADMG) and is_whole
        else graph.latent_projection(keep=masks.names(masks.nodes))
    )
    solver = EventSolver(admg, masks, sources)
    found = solver.conditional(outcome, given) if given else solver.joint(outcome)
    name = "idc*" if given else "id*"
    if isinstance(found, CounterfactualSolution):
        return _solved(graph, query, masks, found, name)
    complete = all(source.measured | source.do == masks.nodes for source in sources)
    witness: Conflict | Hedge | Thicket | Undecided = (
        found
        if isinstance(found, Conflict)
        else _witness(graph, masks, found)
        if complete
        else Undecided("no derivation from distributions that do not all measure all nodes")
    )
    return CounterfactualIdentification(graph, query, name, None, witness=witness)


def _events(query: Query) -> tuple[Event, Event]:
    """Return outcome and condition with all actions beside each outcome and a `Variable` where free.

    Those of free values are the ones by which `Identification.evaluate` knows them.
    """
    roles = variables_of(query)
    found = []
    for role, part in (("outcome", query.outcome), ("given", query.given)):
        event = []
        for potential, value in part:
            own = {name for name, _ in potential.do}
            more = tuple(item for item in query.do if item[0] not in own)
            acted = Potential(potential.variable, (*potential.do, *more))
            event.append((acted, roles[role][potential.variable] if value is FREE else value))
        free = [potential.variable for potential, value in part if value is FREE]
        acted_free = (
            {name for potential, _ in event for name, action in potential.do if action is FREE}
            if role == "outcome"
            else set()
        )
        for name in free:
            if free.count(name) > 1 or name in acted_free:
                raise GraphError(
                    f"{name!r} stands in two places without a value; give values, as in 'Y[X=1]=1'"
                )
        found.append(tuple(event))
    return found[0], found[1]


def _solved(
    graph: DAG | ADMG, query: Query, masks: MaskGraph, found: CounterfactualSolution, name: str
) -> Identification:
    simplifier = Simplifier(masks)
    simplified = simplifier(found.expression)
    used = tuple(simplifier.used)
    assumptions = ["the graph: no edge is missing"]
    assumptions += [f"{node} is {one} or {other}" for node, (one, other) in found.binary.items()]
    conditions = {str(probability(t.given, (), t.do)): None for t in simplified.terms() if t.given}

    def trace() -> Trace:
        steps = [Step("definition", str(query), found.event), *_factor_steps(masks, found.factors)]
        steps.append(Step("marginalisation", found.event, str(found.expression)))
        if used:
            steps.append(simplification_step(masks, found.expression, simplified, used))
        return Trace(graph, steps)

    return CounterfactualIdentification(
        graph,
        query,
        name,
        simplified,
        raw=found.expression,
        assumptions=[*assumptions, *(f"positivity: {text} > 0" for text in conditions)],
        trace=trace,
        binary=found.binary,
    )


def _factor_steps(masks: MaskGraph, factors: Iterable[Factor]) -> Iterator[Step]:
    """Yield why each ctf-factor is a distribution under actions, and how that follows from data."""
    for factor in factors:
        target = factor.component.target
        rest = masks.nodes & ~target
        effect = str(probability(masks.vars(target), (), masks.vars(rest)))
        facts = ", ".join(fact.written() for fact in factor.facts)
        yield Step("ctf-factor", f"P({facts})", effect)
        expression = factor.component.expression
        yield from solution_steps(Solution(masks, target, rest, target, (factor.component,), expression))


def _witness(graph: DAG | ADMG, masks: MaskGraph, failure: Failure) -> Hedge | Thicket:
    """Return why the distribution of one district under actions on all else is not identifiable."""

    def labels(mask: int) -> NodeSet[Hashable]:
        return NodeSet(masks.names(mask))

    target, rest = labels(failure.target), labels(masks.nodes & ~failure.target)
    hedges = [
        Hedge(graph, target, rest, labels(larger), target, labels(source.do))
        for source, larger in failure.stuck
        if larger
    ]
    if len(failure.stuck) == len(hedges) == 1:
        return hedges[0]
    useless = tuple(labels(source.do) for source, larger in failure.stuck if not larger)
    return Thicket(target, tuple(hedges), useless)
