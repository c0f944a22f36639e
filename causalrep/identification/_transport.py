"""Carry effects from populations where they were measured to one where they are asked for.

A *selection diagram* is the common causal graph with a mark on each node whose mechanism, or hidden
causes, may differ between a source population and the target. With C a district of the graph on the
ancestors of the outcome, Q[C] is the same in both if no node of C is marked: then it may be identified
from what was measured in the source, and otherwise only from the target itself [1]_, [2]_.

References
----------
.. [1] E. Bareinboim, J. Pearl, "Transportability of causal effects: completeness results", AAAI 2012
   (sID).
.. [2] S. Lee, J. D. Correa, E. Bareinboim, "General transportability: synthesizing observations and
   experiments from heterogeneous domains", AAAI 2020 (gTR; several sources and experiments).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from causalrep.graphs import ADMG, DAG, Graph, NodeSet
from causalrep.identification._derive import conditional_steps, simplification_step, solution_steps
from causalrep.identification._domains import PopulationIdentification, read_distribution
from causalrep.identification._door import directed
from causalrep.identification._expression import Expression, fraction, probability, product, total
from causalrep.identification._id import Component, Solution, Source, exchange, identify_district
from causalrep.identification._masks import MaskGraph, mask_graph
from causalrep.identification._query import Query, as_query
from causalrep.identification._simplify import Independence, Simplifier
from causalrep.identification._text import text_name
from causalrep.identification._trace import Separation, Step, Trace
from causalrep.identification._witness import Hedge, Undecided
from causalrep.utils import GraphError, UnknownNameError

__all__ = ["Barrier", "transport"]

#: The name of the target population, which is written P*.
TARGET = "*"


@dataclass(frozen=True)
class Barrier:
    """A proof that an effect cannot be carried over: no distribution tells that of one district.

    Attributes
    ----------
    target : NodeSet
        The district; the effect needs its distribution under actions on all other nodes.
    differing : tuple of (str, NodeSet)
        Populations in which mechanisms of the district differ, with the nodes that are marked.
    hedges : tuple of (str, Hedge)
        Why distributions of other populations do not tell it.
    useless : tuple of (str, NodeSet)
        Experiments that act on it.
    """

    target: NodeSet[Hashable]
    differing: tuple[tuple[str, NodeSet[Hashable]], ...]
    hedges: tuple[tuple[str, Hedge], ...]
    useless: tuple[tuple[str, NodeSet[Hashable]], ...] = ()

    def verify(self) -> bool:
        """Return whether each population and experiment has a reason that holds.

        Returns
        -------
        bool
            Asked of the graph, not of the algorithm that found them.
        """
        marked = all(set(nodes) & set(self.target) for _, nodes in self.differing)
        acted = all(set(nodes) & set(self.target) for _, nodes in self.useless)
        stuck = all(hedge.smaller == self.target and hedge.verify() for _, hedge in self.hedges)
        return marked and acted and stuck

    def __str__(self) -> str:
        members = ", ".join(map(text_name, self.target))
        reasons = [f"{_called(name)} differs in {_list(nodes)}" for name, nodes in self.differing]
        reasons += [f"{hedge} in {_called(name)}" for name, hedge in self.hedges]
        reasons += [f"do({_list(nodes)}) in {_called(name)} acts on it" for name, nodes in self.useless]
        return f"no population tells the distribution of {{{members}}}: {'; '.join(reasons)}"


def _called(name: str) -> str:
    return "the target" if name == TARGET else f"source {name}" if name else "the source"


def _list(nodes: Iterable[Hashable]) -> str:
    return ", ".join(map(text_name, nodes))


def transport(
    g: Graph | nx.DiGraph,
    query: str | Query,
    selection: Iterable[Hashable] | Mapping[str, Iterable[Hashable]],
    *,
    available: Iterable[str] | None = None,
) -> PopulationIdentification:
    r"""Return whether, and how, an effect in a target population follows from experiments elsewhere.

    Assumes that all populations share the graph and, but for the marked nodes, all mechanisms and all
    hidden causes. Complete if every distribution at hand measures all nodes.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph.
    query : str or Query
        The effect in the target, such as ``"P(Y | do(X))"`` or ``"P(Y | do(X), Z)"``.
    selection : iterable of hashable, or mapping of str to that
        The nodes whose mechanisms may differ between source and target; for several sources, by the
        name of the source.
    available : iterable of str, default=None
        The distributions at hand. ``"P*(X, Z)"`` is of the target, ``"P(Z, Y | do(X))"`` of the source,
        ``"P^{a}(Y | do(X))"`` of the source called "a". By default all nodes were observed everywhere, and
        every source has the experiment on the treatment of the query.

    Returns
    -------
    Identification
        With `identifiable`, `estimand`, `strategy` (``"trivial"``: from the target alone,
        ``"direct"``: the effect is the same in a source, or ``"transport"``), `witness` and `evaluate`,
        which takes a mapping of these distributions to tables.

    Raises
    ------
    GraphError
        If `g` is of another type, the query is about several worlds, or a population is named that
        `selection` does not name.
    UnknownNameError
        If a node does not exist.

    Notes
    -----
    For each district C of the ancestors of the outcome among what is not acted on, the distributions of
    the target, then those of the sources in which C has no marked node, are searched for Q[C] as in ID.

    References
    ----------
    .. [1] E. Bareinboim, J. Pearl, "Transportability of causal effects: completeness results", AAAI
       2012.
    .. [2] S. Lee, J. D. Correa, E. Bareinboim, "General transportability: synthesizing observations and
       experiments from heterogeneous domains", AAAI 2020.

    Examples
    --------
    A trial was run where people are younger. Age `Z` acts on the outcome:

    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import transport
    >>> g = ADMG([("Z", "X"), ("Z", "Y"), ("X", "Y")], [("X", "Y")])
    >>> r = transport(g, "P(Y | do(X))", selection=["Z"])
    >>> r.identifiable, str(r.estimand)
    (True, 'sum_{Z} P(Y | do(X), Z) P^{*}(Z)')
    >>> transport(g, "P(Y | do(X))", selection=["Y"]).identifiable
    False
    """
    graph = directed(g, "`transport`")
    masks = mask_graph(graph)
    asked = as_query(query)
    if asked.is_counterfactual:
        raise GraphError(f"`transport` takes a question about one world, got {asked}")
    masks.mask(asked.names(), "the query")
    marked = {name: masks.mask(nodes, "`selection`") for name, nodes in _by_source(graph, selection).items()}
    treatment = masks.mask((name for name, _ in asked.do), "the query")
    sources = _sources(masks, marked, treatment, available)
    return _Transport(graph, asked, masks, marked, sources).solve()


def _by_source(
    g: DAG | ADMG, selection: Iterable[Hashable] | Mapping[str, Iterable[Hashable]]
) -> dict[str, list[Hashable]]:
    """Return the marked nodes by source; a mapping whose keys are no nodes names several sources."""
    if isinstance(selection, Mapping):
        if TARGET in selection:
            raise GraphError(f"`selection` names sources; {TARGET!r} is the target")
        return {str(name): list(nodes) for name, nodes in selection.items()}
    if isinstance(selection, str) and selection not in g:
        raise UnknownNameError(selection, g.nodes, what="`selection`")
    return {"": [selection] if isinstance(selection, str) else list(selection)}


def _sources(
    masks: MaskGraph, marked: Mapping[str, int], treatment: int, available: Iterable[str] | None
) -> tuple[Source, ...]:
    """Return the distributions at hand, those of the target first."""
    if available is None:
        found = [Source(masks, masks.nodes, 0, TARGET)]
        for name in marked:
            found.append(Source(masks, masks.nodes, 0, name))
            if treatment:
                found.append(Source(masks, masks.nodes & ~treatment, treatment, name))
        return tuple(found)
    if isinstance(available, str):
        raise TypeError("`available` must be a list of distributions, got one text; write [...] around it")
    found = []
    for text in available:
        name, measured, do = read_distribution(masks, text)
        if name != TARGET and name not in marked:
            raise GraphError(
                f"`available` speaks of {_called(name)}, but `selection` names {_list(marked) or 'no source'}"
            )
        found.append(Source(masks.projected(measured | do), measured, do, name))
    return tuple(sorted(found, key=lambda source: source.domain != TARGET))


class _Transport:
    """One effect, and the distributions that may tell it."""

    def __init__(
        self,
        graph: DAG | ADMG,
        query: Query,
        masks: MaskGraph,
        marked: Mapping[str, int],
        sources: Sequence[Source],
    ) -> None:
        self._graph = graph
        self._query = query
        self._masks = masks
        self._marked = marked
        self._sources = sources
        self._outcome, self._given = (
            masks.mask((potential.variable for potential, _ in part), "the query")
            for part in (query.outcome, query.given)
        )
        self._treatment = masks.mask((name for name, _ in query.do), "the query")

    def solve(self) -> PopulationIdentification:
        """Return the answer: from the target alone, by one experiment, or district by district."""
        target = [source for source in self._sources if source.domain == TARGET]
        found = self._search(target)
        if isinstance(found, Solution):
            return self._answer("trivial", found)
        direct = self._direct()
        if direct is not None:
            return direct
        found = self._search(self._sources)
        if isinstance(found, Solution):
            return self._answer("transport", found)
        complete = all(s.measured | s.do == self._masks.nodes for s in self._sources)
        witness = found if complete else Undecided("no derivation where some nodes were not measured")
        return PopulationIdentification(self._graph, self._query, "transport", None, witness=witness)

    def _moved(self) -> int:
        return exchange(self._masks, self._outcome, self._treatment, self._given) if self._given else 0

    def _search(self, sources: Sequence[Source]) -> Solution | Barrier:
        masks, moved = self._masks, self._moved()
        joint, acted = self._outcome | self._given & ~moved, self._treatment | moved
        ancestral = masks.ancestors(joint, masks.nodes & ~acted)
        components = []
        for district in masks.districts(ancestral):
            found = self._component(district, sources)
            if isinstance(found, Barrier):
                return found
            components.append(found)
        summed = total(masks.vars(ancestral & ~joint), product(c.expression for c in components))
        return Solution(masks, joint, acted, ancestral, tuple(components), summed)

    def _component(self, district: int, sources: Sequence[Source]) -> Component | Barrier:
        """Return Q of a district from the first distribution that tells it, or why none does."""
        labels = self._labels
        differing: dict[str, NodeSet[Hashable]] = {}
        hedges: list[tuple[str, Hedge]] = []
        useless: list[tuple[str, NodeSet[Hashable]]] = []
        for source in sources:
            marked = self._marked.get(source.domain, 0) & district
            unknown = (district | self._masks.parents_of(district)) & ~source.measured & ~source.do
            if marked:
                differing[source.domain] = labels(marked)
            elif district & source.do:
                useless.append((source.domain, labels(source.do)))
            elif not unknown:
                found = identify_district(source, district)
                if isinstance(found, Component):
                    return found
                rest = labels(self._masks.nodes & ~district)
                ends = labels(found), labels(district), labels(source.do)
                hedges.append((source.domain, Hedge(self._graph, labels(district), rest, *ends)))
        return Barrier(labels(district), tuple(differing.items()), tuple(hedges), tuple(useless))

    def _labels(self, mask: int) -> NodeSet[Hashable]:
        return NodeSet(self._masks.names(mask))

    def _direct(self) -> PopulationIdentification | None:
        """Return the effect of a source's own experiment where no difference reaches the outcome."""
        diagram, marks = self._diagram()
        asked = self._outcome | self._given
        y, z, x = (self._labels(mask) for mask in (self._outcome, self._given, self._treatment))
        for source in self._sources:
            if source.domain == TARGET or source.do != self._treatment or asked & ~source.measured:
                continue
            claim = Separation(tuple(y), marks[source.domain], (*x, *z), cut_incoming=tuple(x))
            if marks[source.domain] and not claim.holds(diagram):
                continue
            variables = (self._masks.vars(m) for m in (self._outcome, self._given, self._treatment))
            outcome, given, do = variables
            estimand = probability(outcome, given, do, source.domain)
            there = probability(outcome, given, do, TARGET)
            step = Step("transport", str(there), str(estimand), (claim,) if marks[source.domain] else ())
            return PopulationIdentification(
                self._graph,
                self._query,
                "direct",
                estimand,
                assumptions=self._assumptions(),
                trace=Trace(diagram, [step]),
            )
        return None

    def _diagram(self) -> tuple[ADMG, dict[str, tuple[Hashable, ...]]]:
        """Return the graph with a root pointing to each marked node, and those roots by source."""
        graph = self._graph.latent_projection()
        taken = {str(node) for node in graph.nodes}
        marks: dict[str, tuple[Hashable, ...]] = {}
        edges = list(graph.directed_edges)
        for name, mask in self._marked.items():
            roots = []
            for node in self._masks.names(mask):
                root = f"S_{name}_{node}" if name else f"S_{node}"
                while root in taken:
                    root += "'"
                taken.add(root)
                roots.append(root)
                edges.append((root, node))
            marks[name] = tuple(roots)
        nodes = [*graph.nodes, *(root for roots in marks.values() for root in roots)]
        return ADMG(edges, graph.bidirected_edges, nodes=nodes), marks

    def _answer(self, strategy: str, solution: Solution) -> PopulationIdentification:
        raw = solution.expression
        if solution.outcome != self._outcome:
            raw = fraction(raw, total(self._masks.vars(self._outcome), raw))
        simplified: Expression = raw
        used: dict[Independence, None] = {}
        for domain in dict.fromkeys(source.domain for source in self._sources):
            simplifier = Simplifier(self._masks, domain)
            simplified = simplifier(simplified)
            used.update(simplifier.used)

        def trace() -> Trace:
            diagram, marks = self._diagram()
            moved = self._moved()
            steps = list(conditional_steps(self._masks, self._outcome, self._treatment, self._given, moved))
            for component in solution.components:
                steps += self._carried(component, marks)
            steps += solution_steps(solution)
            if used:
                steps.append(simplification_step(self._masks, raw, simplified, used))
            return Trace(diagram, steps)

        return PopulationIdentification(
            self._graph,
            self._query,
            strategy,
            simplified,
            raw=raw,
            assumptions=self._assumptions(),
            trace=trace,
        )

    def _carried(self, component: Component, marks: Mapping[str, tuple[Hashable, ...]]) -> list[Step]:
        """Return the step that takes Q of a district from the target to a source."""
        name = component.source.domain
        if name == TARGET:
            return []
        masks, target = self._masks, component.target
        rest = masks.names(masks.nodes & ~target)
        q = [
            str(probability(masks.vars(target), (), masks.vars(masks.nodes & ~target), domain))
            for domain in (TARGET, name)
        ]
        claim = Separation(masks.names(target), marks[name], rest, cut_incoming=rest)
        return [Step("transport", q[0], q[1], (claim,) if marks[name] else ())]

    def _assumptions(self) -> tuple[str, ...]:
        same = []
        for name, mask in self._marked.items():
            others = self._masks.names(self._masks.nodes & ~mask)
            same.append(f"the mechanisms of {_list(others)} are those of {_called(name)}")
        return ("the graph, for all populations: no edge is missing", *same)
