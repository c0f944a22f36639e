"""Natural direct and indirect effects: which covariates make them identifiable.

The natural direct effect changes the treatment while each unit's mediators stay as they would have been
without the change. That joins two worlds, and observational data tell it only if covariates W exist that
are not affected by treatment or mediators and within whose strata

1. treatment and mediators are as good as randomised for the outcome, and
2. treatment is as good as randomised for the mediators.

Then with reference value x* and new value x

    NDE = sum over w, m of (E[Y | x, m, w] - E[Y | x*, m, w]) P(m | x*, w) P(w),
    NIE = sum over w, m of E[Y | x*, m, w] (P(m | x, w) - P(m | x*, w)) P(w).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import networkx as nx

from causalrep.graphs import Graph, NodeSet
from causalrep.identification._criterion import problem_of
from causalrep.identification._door import Nodes, directed, disjoint, labels, refuse_latent
from causalrep.identification._neighbours import Neighbours
from causalrep.identification._separators import is_separator, minimal_separator
from causalrep.identification._sequential import sequential
from causalrep.identification._usable import permitted, usable, without

__all__ = ["MediationCriteria", "mediation_criteria"]


@dataclass(frozen=True)
class MediationCriteria:
    """Which effects of a mediation analysis covariates identify, and which covariates.

    Parameters
    ----------
    natural : NodeSet or None
        Covariates that identify the natural direct and indirect effects, none of which can be spared
        without adding others; ``None`` if there are none.
    controlled : tuple of (hashable, NodeSet), or None
        Covariates that identify the controlled direct effect, for each treatment and mediator in turn; see
        `sequential_adjustment`.
    total : NodeSet or None
        Covariates that identify the total effect, by adjustment.
    reason : str
        What stands in the way of the natural effects; empty if nothing does.
    """

    natural: NodeSet[Hashable] | None
    controlled: tuple[tuple[Hashable, NodeSet[Hashable]], ...] | None
    total: NodeSet[Hashable] | None
    reason: str

    @property
    def identifiable(self) -> bool:
        """Whether the natural direct and indirect effects are identified by covariates."""
        return self.natural is not None


def mediation_criteria(
    g: Graph | nx.DiGraph, x: Nodes, m: Nodes, y: Nodes, *, restrict: Nodes | None = None
) -> MediationCriteria:
    """Return which direct and indirect effects are identified by covariates, and by which.

    Assumes a nonparametric structural model with independent noises, up to the hidden common causes in the
    graph: the criterion is about two worlds at once, which no experiment could check.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph; latent nodes and bidirected edges are taken into account.
    x, m, y : hashable or iterable of hashable
        Treatments, mediators and outcomes.
    restrict : hashable or iterable of hashable, default=None
        The nodes that may be covariates; by default all that are observed.

    Returns
    -------
    MediationCriteria
        With a set of covariates for each kind of effect, and what stands in the way.

    Raises
    ------
    GraphError
        If the sets are not disjoint, one has a latent node, or the graph is of another type.
    UnknownNameError
        If a node does not exist.

    Notes
    -----
    If any set does for the natural effects then all usable ancestors of the three together do; nodes are
    taken from them for as long as this holds, O(n_nodes * (n_nodes + n_edges)). The criterion is
    sufficient; `identify` decides questions such as ``P(Y[X=1, M[X=0]])`` in general.

    References
    ----------
    .. [1] J. Pearl, "Direct and indirect effects", UAI 2001, arXiv:1301.2300 (theorem 2).
    .. [2] J. Pearl, "Interpretation and identification of causal mediation", Psychological Methods 19,
       2014, doi:10.1037/a0036434 (assumption set A).

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import mediation_criteria
    >>> mediation_criteria(DAG.from_string("X -> M -> Y; X -> Y; C -> {M Y}"), "X", "M", "Y").natural
    NodeSet(['C'])
    >>> found = mediation_criteria(DAG.from_string("X -> C -> {M Y}; X -> M -> Y; X -> Y"), "X", "M", "Y")
    >>> found.natural is None, found.controlled
    (True, (('X', NodeSet()), ('M', NodeSet(['C']))))
    >>> found.reason
    "mediators and outcome share the cause 'C', which the treatment affects"
    """
    graph = directed(g, "mediation analysis")
    treatments, mediators, outcomes = disjoint(graph, x=x, m=m, y=y)
    refuse_latent(graph, x=treatments, m=mediators, y=outcomes)
    question = _Question(graph, treatments, mediators, outcomes)
    allowed = permitted(graph, restrict)
    natural = question.covariates(allowed)
    steps = sequential(graph, question.causes, outcomes, allowed)
    problem = problem_of(graph, treatments, outcomes, "adjustment")
    total = minimal_separator(problem.near, treatments, outcomes, [], usable(graph, problem, [], restrict))
    return MediationCriteria(
        None if natural is None else labels(graph, natural),
        None if steps is None else tuple((graph.nodes[i], labels(graph, chosen)) for i, chosen in steps),
        None if total is None else labels(graph, total),
        question.reason(allowed) if natural is None else "",
    )


class _Question:
    """A question of mediation in integers."""

    def __init__(self, g: Graph, x: list[int], m: list[int], y: list[int]) -> None:
        self.g, self.x, self.m, self.y = g, x, m, y
        near = Neighbours.of(g._store)
        self.causes = sorted([*x, *m])
        #: Without the edges out of treatment and mediators; without those out of the treatment.
        self.outcome_world = near.without_outgoing(self.causes)
        self.mediator_world = near.without_outgoing(x)
        self.late = near.below(self.causes)
        self.above = near.above([*self.causes, *y])
        self.parents = near.parents

    def holds(self, chosen: list[int]) -> bool:
        """Return whether both conditions hold."""
        return is_separator(self.outcome_world, self.causes, self.y, chosen) and is_separator(
            self.mediator_world, self.x, self.m, chosen
        )

    def covariates(self, allowed: bytearray) -> list[int] | None:
        """Return covariates that do, of which no part does, or None."""
        free = without(allowed, self.late)
        for i in self.y:
            free[i] = 0
        chosen = [i for i, may in enumerate(free) if may and self.above[i]]
        if not self.holds(chosen):
            return None
        for node in list(chosen):
            fewer = [i for i in chosen if i != node]
            if self.holds(fewer):
                chosen = fewer
        return chosen

    def reason(self, allowed: bytearray) -> str:
        """Say why no covariates do."""
        nodes = self.g.nodes
        free = without(allowed, self.late)
        chosen = [i for i, may in enumerate(free) if may and self.above[i] and i not in self.y]
        if not is_separator(self.mediator_world, self.x, self.m, chosen):
            return "treatment and mediators remain confounded whatever is adjusted for"
        if not is_separator(self.outcome_world, self.x, self.y, chosen):
            return "treatment and outcome remain confounded whatever is adjusted for"
        below = Neighbours.of(self.g._store).below(self.x)
        for node in range(len(nodes)):
            if below[node] and node not in (*self.causes, *self.y):
                to_m = self.outcome_world.below([node])
                if any(to_m[i] for i in self.m) and any(to_m[i] for i in self.y):
                    return (
                        f"mediators and outcome share the cause {nodes[node]!r}, which the treatment affects"
                    )
        return "mediators and outcome remain confounded whatever is adjusted for"
