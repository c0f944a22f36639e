r"""Identify interventional distributions: ID in its c-component form, IDC, and ID from experiments.

For a set C of nodes let Q[C] be the distribution of C when all other nodes are set by action. With D
the ancestors of the outcome among the nodes that are not acted on,

    P(y | do(x)) = sum over D \ Y of the product of Q[C] over the districts C of the graph on D,

so that the question is for each Q[C]. Any distribution at hand, under an experiment on nodes outside
C, gives Q of each district S of its own ancestral graph as a product of conditional probabilities.
`identify_district` goes down from S to C, in turns summing out what is not an ancestor of C and
restricting to the district that holds C; where neither makes the set smaller, Q[C] is not a
function of Q[S] [1]_, [3]_.

References
----------
.. [1] J. Tian, J. Pearl, "A general identification condition for causal effects", AAAI 2002.
.. [2] I. Shpitser, J. Pearl, "Identification of conditional interventional distributions", UAI 2006,
   arXiv:1206.6876 (IDC).
.. [3] Y. Huang, M. Valtorta, "On the completeness of an identifiability algorithm for semi-Markovian
   models", Annals of Mathematics and Artificial Intelligence 54, 2008, doi:10.1007/s10472-008-9101-x.
.. [4] S. Lee, J. D. Correa, E. Bareinboim, "General identifiability with arbitrary surrogate
   experiments", UAI 2019 (gID; with all subsets of one set, zID).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from causalrep.identification._expression import Expression, Probability, fraction, product, total
from causalrep.identification._masks import MaskGraph, bits

__all__ = [
    "Component",
    "Failure",
    "Solution",
    "Source",
    "exchange",
    "identify_district",
    "identify_effect",
    "observational",
]


@dataclass(frozen=True, slots=True)
class Source:
    """A distribution at hand: the joint one of `measured` when the nodes `do` are set by experiment.

    `graph` is the projection on both of them; the experiment's surgery is not done to it.
    """

    graph: MaskGraph
    measured: int
    do: int = 0
    domain: str = ""


def observational(graph: MaskGraph) -> tuple[Source, ...]:
    """Return the one source that is at hand by default."""
    return (Source(graph, graph.nodes),)


@dataclass(frozen=True, slots=True)
class Component:
    """How Q[`target`] follows from one source.

    `within` is the ancestral set of the source that was used, `scope` the district in it that holds
    the target; each descent is the ancestral set summed to and the district taken in it.
    """

    target: int
    source: Source
    within: int
    scope: int
    descents: tuple[tuple[int, int], ...]
    expression: Expression


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a Q[`target`] follows from no source: for each, where the descent got stuck (0: not begun)."""

    target: int
    stuck: tuple[tuple[Source, int], ...]


@dataclass(frozen=True, slots=True)
class Solution:
    """``P(outcome | do(treatment))`` as a sum over products of components."""

    graph: MaskGraph
    outcome: int
    treatment: int
    ancestral: int
    components: tuple[Component, ...]
    expression: Expression


@dataclass(frozen=True, slots=True)
class _Chain:
    """Q of a set, as a product of kernels in topological order, each a law of its own member.

    A kernel mentions its member, earlier ones and nodes outside the set, and sums to one over its member.
    """

    graph: MaskGraph
    members: tuple[int, ...]
    kernels: tuple[Expression, ...]

    def marginal(self, keep: int) -> Expression:
        """Return Q summed over all members that are not kept."""
        left: list[Expression] = []
        over = []
        for node, kernel in zip(reversed(self.members), reversed(self.kernels), strict=True):
            if not keep >> node & 1:
                variable = self.graph.variables[node]
                # The kernel of a member that no other one mentions sums to one.
                if not any(variable in other._free for other in left):
                    continue
                over.append(variable)
            left.append(kernel)
        return total(over, product(left))

    def needs_sum(self, keep: int) -> bool:
        """Return whether `marginal` has a sum: a kept kernel needs a member that is not kept."""
        mentioned: set[object] = set()
        for node, kernel in zip(reversed(self.members), reversed(self.kernels), strict=True):
            if keep >> node & 1:
                mentioned |= kernel._free
            elif self.graph.variables[node] in mentioned:
                return True
        return False

    def restricted(self, ancestral: int, district: int) -> _Chain:
        """Return Q of a district of the graph on a set of ancestors ([1]_, lemma 4)."""
        members, kernels = [], []
        before = 0
        for node, kernel in zip(self.members, self.kernels, strict=True):
            if not ancestral >> node & 1:
                continue
            upto = before | 1 << node
            if district >> node & 1:
                members.append(node)
                if self.needs_sum(upto):
                    kernels.append(fraction(self.marginal(upto), self.marginal(before)))
                else:
                    kernels.append(kernel)
            before = upto
        return _Chain(self.graph, tuple(members), tuple(kernels))


def _source_chain(source: Source, district: int, within: int) -> _Chain:
    """Return Q of a district of an ancestral set: each member given its Markov blanket before it."""
    graph = source.graph
    do = graph.vars(source.do)
    members, kernels = [], []
    before = 0
    for node in graph.order:
        bit = 1 << node
        if bit & district:
            near = graph.district(bit, before | bit)
            blanket = (near | graph.parents_of(near)) & ~bit & ~source.do
            members.append(node)
            kernels.append(Probability([graph.variables[node]], graph.vars(blanket), do, source.domain))
        before |= bit & within
    return _Chain(graph, tuple(members), tuple(kernels))


def identify_district(source: Source, target: int) -> Component | int:
    """Return Q[`target`] from one source, or the set in which the descent to it got stuck.

    Parameters
    ----------
    source : Source
        A distribution that measures `target` and sets none of it.
    target : int
        A set of nodes that is one district of the graph on it.

    Returns
    -------
    Component or int
        An int is a set whose Q is known, which is one district and all of which are ancestors, in
        the graph on it, of `target`: together they are a hedge.
    """
    graph = source.graph
    within = graph.ancestors(target, graph.nodes & ~source.do)
    scope = known = graph.district(target, within)
    chain = _source_chain(source, scope, within)
    descents: list[tuple[int, int]] = []
    while True:
        ancestral = graph.ancestors(target, known)
        if ancestral == target:
            expression = chain.marginal(target)
            return Component(target, source, within, scope, tuple(descents), expression)
        if ancestral == known:
            return known
        known = graph.district(target, ancestral)
        chain = chain.restricted(ancestral, known)
        descents.append((ancestral, known))


def identify_effect(
    graph: MaskGraph, outcome: int, treatment: int, sources: Sequence[Source]
) -> Solution | Failure:
    """Return ``P(outcome | do(treatment))`` in terms of the distributions at hand.

    Parameters
    ----------
    graph : MaskGraph
        The graph on all measured nodes.
    outcome, treatment : int
        Disjoint sets of nodes, the first not empty.
    sources : sequence of Source
        Tried in order, for each district.

    Returns
    -------
    Solution or Failure
        A failure is a proof that the effect is not identifiable if every source measures all nodes.
    """
    ancestral = graph.ancestors(outcome, graph.nodes & ~treatment)
    components = []
    for target in graph.districts(ancestral):
        stuck = []
        for source in sources:
            # Q[C] is a function of C and its parents: the source must know them all.
            unknown = (target | graph.parents_of(target)) & ~source.measured & ~source.do
            found = 0 if target & source.do or unknown else identify_district(source, target)
            if isinstance(found, Component):
                components.append(found)
                break
            stuck.append((source, found))
        else:
            return Failure(target, tuple(stuck))
    summed = graph.vars(ancestral & ~outcome)
    expression = total(summed, product(component.expression for component in components))
    return Solution(graph, outcome, treatment, ancestral, tuple(components), expression)


def exchange(graph: MaskGraph, outcome: int, treatment: int, given: int) -> int:
    """Return the conditions that rule 2 makes actions, as IDC does ([2]_).

    Each z that is moved satisfies outcome _||_ z | treatment, the conditions left and those moved
    before, in the graph without edges into what is acted on and out of z.
    """
    moved = 0
    changed = True
    while changed:
        changed = False
        for node in bits(given):
            bit = 1 << node
            acted, rest = treatment | moved, given & ~bit
            if graph.separated(outcome, bit, acted | rest, acted, bit):
                moved |= bit
                given = rest
                changed = True
    return moved
