"""Recover effects from data in which being in the data depends on the variables.

Data on the selected are of the distribution given ``S = 1``. A district without causes of S keeps, in
that distribution, its law given what comes before it, with the causes of S first; the other factors can
only be divided off, and what is then no cause of the target, nor of S, summed out [2]_. A conditional
distribution without actions is recoverable iff S and the outcome are separated by the conditions
[1]_.

References
----------
.. [1] E. Bareinboim, J. Tian, J. Pearl, "Recovering from selection bias in causal and statistical
   inference", AAAI 2014 (theorems 1 and 3, definition 4).
.. [2] E. Bareinboim, J. Tian, "Recovering causal effects from selection bias", AAAI 2015 (algorithm
   RC).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import networkx as nx

from causalrep.graphs import ADMG, DAG, Graph, NodeSet
from causalrep.identification._derive import separation
from causalrep.identification._domains import PopulationIdentification, read_distribution
from causalrep.identification._door import directed
from causalrep.identification._expression import (
    Expression,
    Probability,
    fraction,
    probability,
    product,
    total,
)
from causalrep.identification._id import _Chain, exchange
from causalrep.identification._masks import MaskGraph, bits, mask_graph
from causalrep.identification._query import Query, as_query
from causalrep.identification._simplify import Simplifier
from causalrep.identification._text import text_name
from causalrep.identification._trace import Separation, Step, Trace
from causalrep.identification._witness import Hedge
from causalrep.utils import GraphError

__all__ = ["Dependence", "SelectionBarrier", "recover"]


@dataclass(frozen=True)
class SelectionBarrier:
    """Why no derivation was found: where the algorithm RC stops.

    Attributes
    ----------
    graph : ADMG
        Without latent nodes.
    selected : hashable
        The node that says who is in the data.
    target : NodeSet
        A district whose distribution, under actions on all other nodes, the question needs.
    scope : NodeSet
        What is left: all of it are causes of `target` or of `selected`, and each of its districts has a
        cause of `selected` in it.
    """

    graph: ADMG
    selected: Hashable
    target: NodeSet[Hashable]
    scope: NodeSet[Hashable]

    def verify(self) -> bool:
        """Return whether the sets are such that the algorithm can take no step.

        Returns
        -------
        bool
            Asked of the graph. It is no proof that nothing else could succeed.
        """
        inside = self.graph.subgraph([*self.scope, self.selected])
        causes = inside.ancestors(self.selected) | {self.selected}
        above = inside.ancestors(self.target) | self.target | causes
        return set(self.target) <= set(self.scope) <= set(above) and all(
            set(district) & set(causes) for district in inside.districts()
        )

    def __str__(self) -> str:
        target, scope = (", ".join(map(text_name, nodes)) for nodes in (self.target, self.scope))
        return f"no factor of {{{scope}}} is free of causes of {self.selected}, on which {{{target}}} rests"


@dataclass(frozen=True)
class Dependence:
    """A proof that a conditional distribution is not recoverable: selection depends on the outcome.

    Attributes
    ----------
    graph : DAG or ADMG
        The graph.
    claim : Separation
        The separation of outcome and selection by the conditions, which does not hold.
    """

    graph: DAG | ADMG
    claim: Separation

    def verify(self) -> bool:
        """Return whether the separation fails, as it must.

        Returns
        -------
        bool
            Asked of the graph.
        """
        return not self.claim.holds(self.graph)

    def __str__(self) -> str:
        return f"selection depends on the outcome: not {self.claim}"


def recover(
    g: Graph | nx.DiGraph, query: str | Query, selected: Hashable, *, available: Iterable[str] = ()
) -> PopulationIdentification:
    """Return whether, and how, data on the selected answer a question about everyone.

    Assumes that all nodes but `selected` and the latent ones were measured among the selected.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph; edges into `selected` say what being in the data depends on.
    query : str or Query
        A question such as ``"P(Y | X)"`` or ``"P(Y | do(X), Z)"``.
    selected : hashable
        The node that is 1 for all in the data.
    available : iterable of str, default=()
        Distributions known for everyone, such as ``["P(Z)"]`` from a census; used for adjustment.

    Returns
    -------
    Identification
        Terms of its estimand that are about the selected are written ``P^{S=1}(...)``. `evaluate` takes
        data or a table of the selected; with `available`, a mapping such as ``{"P^{S=1}": selected,
        "P(Z)": census}``.

    Raises
    ------
    GraphError
        If `g` is of another type, the query is about several worlds, or names `selected`.
    UnknownNameError
        If a node does not exist.

    Notes
    -----
    A condition that separates outcome and selection is tried first, then RC, then adjustment with
    what is known for everyone. For questions without actions a refusal is a proof [1]_.

    References
    ----------
    .. [1] E. Bareinboim, J. Tian, J. Pearl, "Recovering from selection bias in causal and statistical
       inference", AAAI 2014.
    .. [2] E. Bareinboim, J. Tian, "Recovering causal effects from selection bias", AAAI 2015.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import recover
    >>> g = DAG([("X", "Y"), ("X", "S")])               # selection by treatment does no harm
    >>> str(recover(g, "P(Y | do(X))", "S").estimand)
    'P^{S=1}(Y | X)'
    >>> g = DAG([("X", "Y"), ("Y", "S")])               # selection by outcome does
    >>> recover(g, "P(Y | do(X))", "S").identifiable
    False
    """
    graph = directed(g, "`recover`")
    masks = mask_graph(graph)
    asked = as_query(query)
    if asked.is_counterfactual:
        raise GraphError(f"`recover` takes a question about one world, got {asked}")
    selection = masks.mask([selected], "`selected`")
    if masks.mask(asked.names(), "the query") & selection:
        raise GraphError(f"the query must not name the selection node, got {selected!r}")
    return _Recovery(graph, asked, masks, selection, tuple(available)).solve()


class _SelectedSimplifier(Simplifier):
    """Simplifies terms about the selected: independences must hold given selection."""

    def __init__(self, graph: MaskGraph, domain: str, selection: int) -> None:
        super().__init__(graph, domain)
        self._selection = selection

    def _independent(self, x: int, y: int, given: int, do: int) -> bool:
        return super()._independent(x, y, given | self._selection, do)


@dataclass(frozen=True)
class _Stuck:
    target: int
    scope: int


class _Recovery:
    """One question, and the distribution of the selected."""

    def __init__(
        self,
        graph: DAG | ADMG,
        query: Query,
        masks: MaskGraph,
        selection: int,
        available: tuple[str, ...],
    ) -> None:
        self._graph = graph
        self._query = query
        self._masks = masks
        self._selection = selection
        self._available = available
        self._domain = f"{text_name(masks.names(selection)[0])}=1"
        self._outcome, self._given = (
            masks.mask((potential.variable for potential, _ in part), "the query")
            for part in (query.outcome, query.given)
        )
        self._treatment = masks.mask((name for name, _ in query.do), "the query")
        self._licenses: list[Separation] = []

    def solve(self) -> PopulationIdentification:
        """Return the answer by the first method that gives one."""
        masks, y = self._masks, self._outcome
        moved = exchange(masks, y, self._treatment, self._given) if self._given else 0
        acted, rest = self._treatment | moved, self._given & ~moved
        if not self._treatment:
            claim = separation(masks, y, self._selection, self._given)
            if not claim.holds(self._graph):
                witness = Dependence(self._graph, claim)
                return PopulationIdentification(self._graph, self._query, "recover", None, witness=witness)
            estimand: Expression = Probability(masks.vars(y), masks.vars(self._given), (), self._domain)
            return self._answer("separation", estimand, [claim])
        joint = self._joint(y | rest, acted)
        if isinstance(joint, Expression):
            raw = joint if not rest else fraction(joint, total(masks.vars(y), joint))
            return self._answer("recover", raw, self._licenses)
        adjusted = self._adjustment()
        if adjusted is not None:
            return adjusted
        return PopulationIdentification(
            self._graph, self._query, "recover", None, witness=self._witness(joint)
        )

    def _joint(self, joint: int, acted: int) -> Expression | _Stuck | tuple[int, int]:
        """Return ``P(joint | do(acted))`` as a sum of products over districts."""
        masks = self._masks
        ancestral = masks.ancestors(joint, masks.nodes & ~acted)
        factors = []
        for district in masks.districts(ancestral):
            found = self._district(district)
            if not isinstance(found, Expression):
                return found
            factors.append(found)
        return total(masks.vars(ancestral & ~joint), product(factors))

    def _district(self, target: int) -> Expression | _Stuck | tuple[int, int]:
        """Return Q of a district (algorithm RC); or where it stops, or two sets that are a hedge."""
        masks, s = self._masks, self._selection
        causes = masks.ancestors(s)
        scope = masks.nodes
        chain = self._selected_chain(causes)
        while True:
            keep = masks.ancestors(target | s, scope)
            if keep != scope:
                chain = chain.restricted(keep, keep)
            free = [district for district in masks.districts(keep) if not district & causes]
            holder = next((district for district in free if district & target), 0)
            if holder:
                self._license(holder, keep, chain.members)
                return self._descend(target, _members(chain, holder))
            if not free:
                return _Stuck(target, keep)
            for district in free:
                self._license(district, keep, chain.members)
            scope = keep & ~sum(free)
            chain = _members(chain, scope)

    def _selected_chain(self, causes: int) -> _Chain:
        """Return the law of the selected, each node given all before it, causes of selection first."""
        masks = self._masks
        order = [i for i in masks.order if not self._selection >> i & 1]
        order.sort(key=lambda i: not causes >> i & 1)
        kernels = tuple(
            Probability([masks.variables[i]], [masks.variables[j] for j in order[:n]], (), self._domain)
            for n, i in enumerate(order)
        )
        return _Chain(masks, tuple(order), kernels)

    def _license(self, district: int, scope: int, members: tuple[int, ...]) -> None:
        """Note why each node of a district has its own law among the selected."""
        masks = self._masks
        fixed = masks.nodes & ~scope
        before = 0
        for node in members:
            bit = 1 << node
            if bit & district:
                self._licenses.append(separation(masks, bit, self._selection, before | fixed, fixed))
            before |= bit

    def _descend(self, target: int, chain: _Chain) -> Expression | tuple[int, int]:
        """Return Q of a district from Q of one that holds it, as in ID."""
        masks = self._masks
        known = sum(1 << node for node in chain.members)
        while True:
            ancestral = masks.ancestors(target, known)
            if ancestral == target:
                return chain.marginal(target)
            if ancestral == known:
                return known, target
            known = masks.district(target, ancestral)
            chain = chain.restricted(ancestral, known)

    def _adjustment(self) -> PopulationIdentification | None:
        """Return adjustment among the selected for what is known of everyone ([1]_, definition 4)."""
        masks, x, y, z = self._masks, self._treatment, self._outcome, self._given
        for text in self._available:
            domain, measured, do = read_distribution(masks, text)
            if domain or do:
                raise GraphError(f"`available` lists observational distributions of everyone, got {text!r}")
            allowed = measured & ~masks.descendants(x) & ~(x | y | z | self._selection)
            for covariates in _subsets(allowed):
                if z & ~measured or not masks.separated(y, x, covariates | z, 0, x):
                    continue
                claims = [
                    separation(masks, y, x, covariates | z, 0, x),
                    separation(masks, y, self._selection, x | covariates | z),
                ]
                if z & masks.descendants(x) or not claims[1].holds(self._graph):
                    continue
                inside = Probability(masks.vars(y), masks.vars(x | covariates | z), (), self._domain)
                weights = probability(masks.vars(covariates), masks.vars(z))
                return self._answer(
                    "adjustment", total(masks.vars(covariates), product([inside, weights])), claims
                )
        return None

    def _answer(
        self, strategy: str, raw: Expression, licenses: Iterable[Separation]
    ) -> PopulationIdentification:
        simplifier = _SelectedSimplifier(self._masks, self._domain, self._selection)
        simplified = simplifier(raw)
        claims = [
            *licenses,
            *(separation(self._masks, x, y, given | do, do) for x, y, given, do in simplifier.used),
        ]
        return PopulationIdentification(
            self._graph,
            self._query,
            strategy,
            simplified,
            raw=raw,
            assumptions=("the graph: no edge is missing, into the selection node neither",),
            trace=Trace(self._graph, [Step(strategy, str(self._query), str(simplified), tuple(claims))]),
        )

    def _witness(self, found: _Stuck | tuple[int, int]) -> SelectionBarrier | Hedge:
        masks = self._masks

        def labels(mask: int) -> NodeSet[Hashable]:
            return NodeSet(masks.names(mask))

        if isinstance(found, _Stuck):
            admg = self._graph.latent_projection()
            scope = found.scope & ~self._selection
            name = masks.names(self._selection)[0]
            return SelectionBarrier(admg, name, labels(found.target), labels(scope))
        larger, smaller = found
        rest = labels(masks.nodes & ~smaller)
        return Hedge(self._graph, labels(smaller), rest, labels(larger), labels(smaller))


def _members(chain: _Chain, keep: int) -> _Chain:
    """Return the factors of some members."""
    pairs = [pair for pair in zip(chain.members, chain.kernels, strict=True) if keep >> pair[0] & 1]
    return _Chain(chain.graph, tuple(node for node, _ in pairs), tuple(kernel for _, kernel in pairs))


def _subsets(mask: int) -> Iterator[int]:
    """Yield all subsets, smaller ones first."""
    members = [1 << i for i in bits(mask)]
    for size in range(len(members) + 1):
        for chosen in combinations(members, size):
            yield sum(chosen)
