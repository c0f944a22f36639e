"""The adjustment set with which estimates vary least."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import networkx as nx

from causalrep.graphs import ADMG, MAG, PAG, Graph, NodeSet
from causalrep.graphs._store import flags
from causalrep.identification._criterion import Problem, problem_of
from causalrep.identification._door import Nodes, as_graph, disjoint, labels, refuse_latent
from causalrep.identification._neighbours import Neighbours, reach
from causalrep.identification._separators import minimal_separator
from causalrep.identification._usable import usable

__all__ = ["OptimalAdjustment", "choose_optimal", "optimal_adjustment"]


@dataclass(frozen=True)
class OptimalAdjustment:
    """An adjustment set chosen for the precision of estimates, and how good a choice it is.

    Parameters
    ----------
    nodes : NodeSet or None
        The set; ``None`` iff no set is valid.
    is_optimal : bool
        Whether no valid set gives a smaller asymptotic variance, in any model.
    reason : str
        Why it is optimal, or what else it is.
    """

    nodes: NodeSet[Hashable] | None
    is_optimal: bool
    reason: str


def optimal_adjustment(
    g: Graph | nx.DiGraph, x: Nodes, y: Nodes, *, restrict: Nodes | None = None
) -> OptimalAdjustment:
    """Return the valid adjustment set with the smallest asymptotic variance, or the best that is known.

    It consists of the other causes of `y` and of the mediators: they explain the outcome and say
    least about the treatment. Where all of them can be used, no valid set is more precise, for least
    squares in linear models [1]_ and for efficient nonparametric estimators [2]_. Where some are
    hidden, which set is best can depend on the unknown model; then the set is returned that is best
    among the *minimal* ones, the one nearest to `y` [3]_.

    Parameters
    ----------
    g : DAG, ADMG, CPDAG, MPDAG, PDAG, MAG, PAG or networkx.DiGraph
        The causal graph.
    x, y : hashable or iterable of hashable
        Treatments, set together, and outcomes.
    restrict : hashable or iterable of hashable, default=None
        The nodes that the set may have; by default all that are observed.

    Returns
    -------
    OptimalAdjustment
        With the set, whether it is optimal, and the reason.

    Raises
    ------
    GraphError
        If `x` and `y` are not disjoint or one is latent, or a variable is selected on.
    UnknownNameError
        If a node does not exist.

    References
    ----------
    .. [1] L. Henckel, E. Perković, M. H. Maathuis, "Graphical criteria for efficient total effect
       estimation via adjustment in causal linear models", Journal of the Royal Statistical Society
       B 84, 2022, arXiv:1907.02435 (definition 3.12, theorem 3.13).
    .. [2] A. Rotnitzky, E. Smucler, "Efficient adjustment sets for population average causal treatment
       effect estimation in graphical models", Journal of Machine Learning Research 21(188), 2020.
    .. [3] E. Smucler, F. Sapienza, A. Rotnitzky, "Efficient adjustment sets in causal graphical models
       with hidden variables", Biometrika 109, 2022, arXiv:2004.10521 (theorem 2).

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import optimal_adjustment
    >>> optimal_adjustment(DAG.from_string("Z -> X -> Y; Z -> V -> Y; W -> Y"), "X", "Y").nodes
    NodeSet(['V', 'W'])
    >>> hidden = DAG([("Z", "X"), ("X", "Y"), ("Z", "V"), ("V", "Y")], latent="V")
    >>> found = optimal_adjustment(hidden, "X", "Y")
    >>> found.nodes, found.is_optimal
    (NodeSet(['Z']), False)
    """
    g = as_graph(g)
    treatments, outcomes = disjoint(g, x=x, y=y)
    refuse_latent(g, x=treatments, y=outcomes)
    problem = problem_of(g, treatments, outcomes, "adjustment")
    chosen, is_optimal, reason = choose_optimal(g, problem, usable(g, problem, [], restrict))
    return OptimalAdjustment(None if chosen is None else labels(g, chosen), is_optimal, reason)


def choose_optimal(
    g: Graph, problem: Problem, allowed: bytearray, include: list[int] | None = None
) -> tuple[list[int] | None, bool, str]:
    """Return the set, whether it is optimal, and why."""
    if problem.obstacle:
        u, v = (g.nodes[i] for i in problem.obstacle)
        return None, False, f"no set is valid: the graph leaves open whether {u!r} causes {v!r}"
    nearest = minimal_separator(problem.near, problem.y, problem.x, include or [], allowed)
    if nearest is None:
        return None, False, "no set of usable nodes blocks all non-causal paths"
    known = not isinstance(g, ADMG | MAG | PAG) or (isinstance(g, ADMG) and not g.bidirected_edges)
    if not problem.first:
        return nearest, False, "there is no causal path; of the minimal sets, the one nearest to the outcome"
    causes = other_causes(g, problem)
    if known and not include and all(allowed[i] for i in causes):
        return causes, True, "the causes of the outcome and of the mediators that can be adjusted for"
    return nearest, False, "other causes of the outcome are hidden; the best of the minimal sets"


def other_causes(g: Graph, problem: Problem) -> list[int]:
    """Return the parents of the nodes on proper causal paths that are neither treated nor forbidden."""
    near = Neighbours.of(g._store)
    after = reach([j for _, j in problem.first], near.children, problem.x)
    before = reach(problem.y, near.parents, problem.x)
    on_path = [i for i in range(len(g)) if after[i] and before[i]]
    treated = flags(len(g), problem.x)
    causes = {j for i in on_path for j in near.parents[i]}
    return sorted(i for i in causes if not treated[i] and not problem.forbidden[i])
