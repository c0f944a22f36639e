"""Answer one interventional question of one graph: by a formula with a name, or by the algorithm.

The shapes are tried from the shortest on: no action at all, no effect, an experiment that is just
the question, back-door adjustment, front-door. ID, IDC and gID come last and decide.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification._derive import (
    adjustment_steps,
    at_hand,
    conditional_steps,
    drop_actions,
    frontdoor_steps,
    simplification_step,
    solution_steps,
)
from causalrep.identification._expression import Expression, fraction, probability, total
from causalrep.identification._formulas import (
    adjustment_formula,
    backdoor_set,
    frontdoor_formula,
    frontdoor_set,
    idle_actions,
)
from causalrep.identification._id import (
    Failure,
    Solution,
    Source,
    exchange,
    identify_effect,
    observational,
)
from causalrep.identification._masks import MaskGraph, mask_graph
from causalrep.identification._query import Query, parse_query
from causalrep.identification._result import Identification
from causalrep.identification._simplify import Simplifier
from causalrep.identification._trace import Step, Trace
from causalrep.identification._witness import Hedge, Thicket, Undecided
from causalrep.utils import GraphError, NotIdentifiableError

__all__ = ["InterventionalProblem"]

Steps = Callable[[], Iterable[Step]]


class InterventionalProblem:
    """``P(outcome | do(treatment), given)`` of one graph, in sets of nodes.

    Parameters
    ----------
    graph : DAG or ADMG
        The graph.
    query : Query
        Without counterfactuals.
    available : iterable of str or None
        The distributions at hand; None for the observational one.
    """

    def __init__(self, graph: DAG | ADMG, query: Query, available: Iterable[str] | None) -> None:
        self._graph = graph
        self._query = query
        index = graph._index
        self._outcome = sum(1 << index[potential.variable] for potential, _ in query.outcome)
        self._treatment = sum(1 << index[name] for name, _ in query.do)
        self._given = sum(1 << index[potential.variable] for potential, _ in query.given)
        whole = mask_graph(graph)
        self._sources = observational(whole) if available is None else _sources(whole, available)
        known = self._outcome | self._treatment | self._given
        for source in self._sources:
            known |= source.measured | source.do
        # What nobody measured is as good as latent.
        self._masks = whole if known == whole.nodes else whole.projected(known)

    def solve(self) -> Identification:
        """Return the shortest answer that is known to be right, or why there is none."""
        found = self._by_experiment()
        if found is None and any(not s.do and s.measured == self._masks.nodes for s in self._sources):
            found = self._by_formula()
        return found or self._by_algorithm()

    # Formulas with a name

    def _by_experiment(self) -> Identification | None:
        asked = self._outcome | self._given
        if not any(s.do == self._treatment and not asked & ~s.measured for s in self._sources if s.do):
            return None
        y, x, z = (self._masks.vars(mask) for mask in (self._outcome, self._treatment, self._given))
        estimand = probability(y, z, x)
        return self._answer("experiment", estimand, lambda: [at_hand(estimand)])

    def _by_formula(self) -> Identification | None:
        masks, y, z = self._masks, self._outcome, self._given
        idle = idle_actions(masks, y, self._treatment, z)
        x = self._treatment & ~sum(bit for bit, _ in idle)

        def begin() -> Iterator[Step]:
            return drop_actions(masks, y, self._treatment, z, idle)

        if not x:
            estimand = probability(masks.vars(y), masks.vars(z))
            if idle:
                return self._answer("no effect", estimand, begin)
            return self._answer("observational", estimand, lambda: [at_hand(estimand)])
        adjusted = backdoor_set(masks, y, x, z)
        if adjusted is not None:
            return self._answer(
                "adjustment",
                adjustment_formula(masks, y, x, z, adjusted),
                lambda: [*begin(), *adjustment_steps(masks, y, x, z, adjusted)],
            )
        mediators = None if z else frontdoor_set(masks, y, x)
        if mediators is None:
            return None
        return self._answer(
            "frontdoor",
            frontdoor_formula(masks, y, x, mediators),
            lambda: [*begin(), *frontdoor_steps(masks, y, x, mediators)],
        )

    def _answer(self, strategy: str, estimand: Expression, steps: Steps) -> Identification:
        simplifier = Simplifier(self._masks, measured=[(s.do, s.measured) for s in self._sources])
        simplified = simplifier(estimand)
        used = tuple(simplifier.used)

        def trace() -> Trace:
            last = [simplification_step(self._masks, estimand, simplified, used)] if used else []
            return Trace(self._graph, [*steps(), *last])

        return Identification(
            self._graph,
            self._query,
            strategy,
            simplified,
            raw=self._raw,
            assumptions=_assumptions(simplified),
            trace=trace,
        )

    # The algorithm

    def _raw(self) -> Expression:
        for masks, sources in self._scopes():
            _, found = self._run(masks, sources)
            if isinstance(found, Solution):
                return self._normalised(found)
        raise NotIdentifiableError(f"{self._query} has a direct answer, but the algorithm found none")

    def _run(self, masks: MaskGraph, sources: tuple[Source, ...]) -> tuple[int, Solution | Failure]:
        """Return the conditions that became actions, and what became of the joint question."""
        moved = exchange(masks, self._outcome, self._treatment, self._given) if self._given else 0
        joint = self._outcome | self._given & ~moved
        return moved, identify_effect(masks, joint, self._treatment | moved, sources)

    def _normalised(self, solution: Solution) -> Expression:
        if solution.outcome == self._outcome:
            return solution.expression
        outcome = solution.graph.vars(self._outcome)
        return fraction(solution.expression, total(outcome, solution.expression))

    def _by_algorithm(self) -> Identification:
        for masks, sources in self._scopes():
            moved, found = self._run(masks, sources)
            if isinstance(found, Solution):
                return self._solved(masks, moved, found)
        # What all nodes together, in each distribution, do not tell, fewer of them do not tell either.
        nodes = self._masks.nodes
        full = tuple(Source(self._masks, nodes & ~s.do, s.do) for s in self._sources)
        moved, found = self._run(self._masks, full)
        witness = (
            self._witness(moved, found)
            if isinstance(found, Failure)
            else Undecided("it would be identifiable if every distribution measured all nodes")
        )
        return Identification(self._graph, self._query, "none", None, witness=witness)

    def _solved(self, masks: MaskGraph, moved: int, solution: Solution) -> Identification:
        experiments = any(component.source.do for component in solution.components)
        strategy = "gid" if experiments else "idc" if self._given else "id"

        def steps() -> Iterator[Step]:
            yield from conditional_steps(masks, self._outcome, self._treatment, self._given, moved)
            yield from solution_steps(solution)

        return self._answer(strategy, self._normalised(solution), steps)

    def _scopes(self) -> Iterator[tuple[MaskGraph, tuple[Source, ...]]]:
        """Yield the sets of nodes to work on, as projections, and the sources on them.

        First all nodes that anybody measured; where sources measure different nodes, also the nodes
        of each, since a question may have an answer there that the details hide.
        """
        yield self._masks, self._sources
        named = self._outcome | self._treatment | self._given
        seen = {self._masks.nodes}
        for source in self._sources:
            scope = source.measured | source.do
            if named & ~scope or scope in seen:
                continue
            seen.add(scope)
            masks = self._masks.projected(scope)
            inside = [s for s in self._sources if not s.do & ~scope]
            yield (
                masks,
                tuple(
                    Source(s.graph.projected((s.measured & scope) | s.do), s.measured & scope, s.do)
                    for s in inside
                ),
            )

    def _witness(self, moved: int, failure: Failure) -> Hedge | Thicket:
        masks, graph = self._masks, self._graph
        latent = tuple(i for i in range(len(graph)) if not masks.nodes >> i & 1)
        seen = type(graph)._build(graph._nodes, graph._store, latent)

        def labels(mask: int) -> NodeSet[Hashable]:
            return NodeSet(masks.names(mask))

        given, acted = self._given & ~moved, self._treatment | moved
        asked, target = labels(self._outcome | given), labels(failure.target)
        hedges = [
            Hedge(seen, asked, labels(acted), labels(larger), target, labels(source.do), labels(given))
            for source, larger in failure.stuck
            if larger
        ]
        if len(self._sources) == len(hedges) == 1:
            return hedges[0]
        useless = [labels(source.do) for source, larger in failure.stuck if not larger]
        return Thicket(target, tuple(hedges), tuple(useless))


def _sources(whole: MaskGraph, available: Iterable[str]) -> tuple[Source, ...]:
    """Return the distributions that texts such as ``"P(Y | do(X))"`` name."""
    if isinstance(available, str):
        raise TypeError("`available` must be a list of distributions, got one text; write [...] around it")
    found = []
    for text in available:
        query = parse_query(text)
        if query.given or query.is_counterfactual:
            raise GraphError(f"`available` lists joint distributions, as 'P(X, Y | do(Z))', got {text!r}")
        measured = whole.mask((potential.variable for potential, _ in query.outcome), "`available`")
        do = whole.mask((name for name, _ in query.do), "`available`")
        found.append(Source(whole.projected(measured | do), measured, do))
    if not found:
        raise GraphError("`available` must name at least one distribution, got none")
    return tuple(found)


def _assumptions(estimand: Expression) -> tuple[str, ...]:
    """Return what must hold besides the graph: that every condition of the estimand occurs."""
    conditions = {str(probability(term.given, (), term.do)): None for term in estimand.terms() if term.given}
    return ("the graph: no edge is missing", *(f"positivity: {text} > 0" for text in conditions))
