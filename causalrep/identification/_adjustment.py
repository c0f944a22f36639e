"""Sets of covariates that remove confounding: which are valid, which to choose.

Adjusting for a valid set Z turns an observational distribution into that under an intervention,

    P(y | do(x)) = sum over z of P(y | x, z) P(z),

whatever the mechanisms are. A set may be invalid because it leaves a back-door path open, because it
opens one at a collider, or because it contains an effect of the treatment that carries the very
effect in question. In a graph that stands for a class of others the formula must hold in all of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import islice

import networkx as nx

from causalrep.graphs import Graph, NodeSet
from causalrep.identification._criterion import Problem, problem_of
from causalrep.identification._door import Nodes, as_graph, disjoint, labels, refuse_latent
from causalrep.identification._neighbours import Neighbours
from causalrep.identification._optimal import choose_optimal
from causalrep.identification._separators import (
    all_separators,
    is_separator,
    minimal_separator,
    minimal_separators,
    minimum_separator,
)
from causalrep.identification._usable import usable, without
from causalrep.utils import GraphError, UnknownNameError

__all__ = ["adjustment_sets", "is_valid_adjustment"]

KINDS = ("all", "minimal", "minimum", "optimal", "canonical", "parents")


def is_valid_adjustment(
    g: Graph | nx.DiGraph, x: Nodes, y: Nodes, z: Nodes = (), *, criterion: str = "adjustment"
) -> bool:
    """Return whether adjusting for `z` gives the effect of `x` on `y`, by a complete criterion.

    Parameters
    ----------
    g : DAG, ADMG, CPDAG, MPDAG, PDAG, MAG, PAG or networkx.DiGraph
        The causal graph. A graph of a class must answer for all its members; a PDAG is first closed
        under Meek's rules. Latent nodes and bidirected edges are taken into account.
    x, y : hashable or iterable of hashable
        Treatments, set together, and outcomes.
    z : hashable or iterable of hashable, default=()
        The covariates.
    criterion : {"adjustment", "backdoor", "single-door"}, default="adjustment"
        The generalised adjustment criterion says yes iff the adjustment formula holds in every model
        on the graph. Pearl's back-door criterion is sufficient only, for DAG and ADMG. The
        single-door criterion is about the *direct* effect in linear models: whether the coefficient
        of `x` in the regression of `y` on `x` and `z` is that of the edge from `x` to `y`; it says yes
        iff it is, if there is such an edge.

    Returns
    -------
    bool
        False also where `z` has a latent node.

    Raises
    ------
    GraphError
        If `x`, `y` and `z` are not disjoint, `x` or `y` is latent, the criterion does not apply to
        the type of graph, or a variable is selected on.
    UnknownNameError
        If a node or the criterion does not exist.

    Notes
    -----
    O(n_nodes + n_edges); for an MPDAG that is no CPDAG O(n_edges * max degree).

    References
    ----------
    .. [1] E. Perković, J. Textor, M. Kalisch, M. H. Maathuis, "Complete graphical characterization and
       construction of adjustment sets in Markov equivalence classes of ancestral graphs", Journal of
       Machine Learning Research 18(220), 2018, arXiv:1606.06903.
    .. [2] E. Perković, M. Kalisch, M. H. Maathuis, "Interpreting and using CPDAGs with background
       knowledge", UAI 2017, arXiv:1707.02171 (MPDAGs).
    .. [3] J. Pearl, "Causality", 2nd edition, 2009, definition 3.3.1, theorem 5.3.1.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import is_valid_adjustment
    >>> g = DAG.from_string("X <- A -> C <- B -> Y; X -> M -> Y")
    >>> is_valid_adjustment(g, "X", "Y"), is_valid_adjustment(g, "X", "Y", "C")   # C is a collider
    (True, False)
    >>> is_valid_adjustment(g, "X", "Y", {"C", "B"}), is_valid_adjustment(g, "X", "Y", "M")
    (True, False)
    >>> is_valid_adjustment(g.to_cpdag(), "X", "Y")       # the data alone do not say where X -- A points
    False
    """
    g = as_graph(g)
    treatments, outcomes, chosen = disjoint(g, x=x, y=y, z=z)
    refuse_latent(g, x=treatments, y=outcomes)
    problem = problem_of(g, treatments, outcomes, criterion)
    hidden = set(g._latent)
    if problem.obstacle or any(problem.forbidden[i] or i in hidden for i in chosen):
        return False
    return is_separator(problem.near, treatments, outcomes, chosen)


def adjustment_sets(
    g: Graph | nx.DiGraph,
    x: Nodes,
    y: Nodes,
    kind: str = "minimal",
    *,
    criterion: str = "adjustment",
    include: Nodes = (),
    restrict: Nodes | None = None,
    limit: int | None = None,
    weights: Mapping[Hashable, float] | None = None,
) -> tuple[NodeSet[Hashable], ...]:
    """Return sets of covariates that are valid for adjustment, in a fixed order.

    Parameters
    ----------
    g : DAG, ADMG, CPDAG, MPDAG, PDAG, MAG, PAG or networkx.DiGraph
        The causal graph; see `is_valid_adjustment`.
    x, y : hashable or iterable of hashable
        Treatments, set together, and outcomes.
    kind : {"minimal", "all", "minimum", "optimal", "canonical", "parents"}, default="minimal"
        ``"all"`` valid sets, or those that are ``"minimal"``: no proper subset is valid. The other
        kinds give at most one set: one of ``"minimum"`` size, the ``"optimal"`` one, with which
        estimates vary least (see `optimal_adjustment`), the ``"canonical"`` one, all possible
        ancestors of `x` and `y` that may be used, and the ``"parents"`` of the treatments.
    criterion : {"adjustment", "backdoor", "single-door"}, default="adjustment"
        See `is_valid_adjustment`.
    include : hashable or iterable of hashable, default=()
        Nodes that every set must have; minimal then means that nothing else can be spared.
    restrict : hashable or iterable of hashable, default=None
        The nodes that a set may have; by default all that are observed, without those effects of the
        treatments that act on neither treatments nor outcomes. Some of these could be added to
        ``"all"`` sets without harm, but never of use: they are listed only if they are named here.
    limit : int, default=None
        How many sets of the kinds ``"all"`` and ``"minimal"`` to look for, of which there may be
        exponentially many.
    weights : mapping of hashable to float, default=None
        What it costs to measure a node, above zero; one where it says nothing. For the kind
        ``"minimum"``, which then has the least total cost.

    Returns
    -------
    tuple of NodeSet
        Smaller sets first, then in node order; with a `limit`, the first ones found, in that order.
        Empty iff there is none; a tuple with one empty set says that nothing need be adjusted for.

    Raises
    ------
    GraphError
        If `x`, `y` and `include` are not disjoint, `include` is not within `restrict`, `limit` is
        negative, a weight is not a finite number above zero or the kind has no use for it, or for a
        reason of `is_valid_adjustment`.
    UnknownNameError
        If a node, the kind or the criterion does not exist.

    Notes
    -----
    One set of any kind but ``"minimum"`` takes O(n_nodes + n_edges), listings as much times n_nodes
    for each set [1]_.

    References
    ----------
    .. [1] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
       graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
    .. [2] E. Perković, J. Textor, M. Kalisch, M. H. Maathuis, "Complete graphical characterization and
       construction of adjustment sets in Markov equivalence classes of ancestral graphs", Journal of
       Machine Learning Research 18(220), 2018, arXiv:1606.06903 (corollary 16: the canonical set).

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import adjustment_sets
    >>> g = DAG.from_string("X <- A -> C <- B -> Y; C -> X; X -> M -> Y")
    >>> adjustment_sets(g, "X", "Y")
    (NodeSet(['B']), NodeSet(['A', 'C']))
    >>> adjustment_sets(g, "X", "Y", "minimum"), adjustment_sets(g, "X", "Y", restrict="C")
    ((NodeSet(['B']),), ())
    >>> len(adjustment_sets(g, "X", "Y", "all"))
    5
    >>> adjustment_sets(g, "X", "Y", "parents"), adjustment_sets(g, "X", "Y", "canonical")
    ((NodeSet(['A', 'C']),), (NodeSet(['A', 'C', 'B']),))
    """
    g = as_graph(g)
    if kind not in KINDS:
        raise UnknownNameError(kind, KINDS, what="`kind`")
    if limit is not None and limit < 0:
        raise GraphError(f"`limit` must not be negative, got {limit}")
    costs = _costs(g, kind, weights)
    treatments, outcomes, required = disjoint(g, x=x, y=y, include=include)
    refuse_latent(g, x=treatments, y=outcomes, include=required)
    problem = problem_of(g, treatments, outcomes, criterion)
    allowed = usable(g, problem, required, restrict)
    if restrict is None and kind == "all":
        ends = [*treatments, *outcomes, *required]
        allowed = without(allowed, without(problem.below(treatments), problem.above(ends)))
    if problem.obstacle or not all(allowed[i] for i in required):
        return ()
    found = _choose(g, problem, kind, required, allowed, limit, costs)
    return tuple(labels(g, chosen) for chosen in sorted(found, key=lambda chosen: (len(chosen), chosen)))


def _costs(g: Graph, kind: str, weights: Mapping[Hashable, float] | None) -> list[float]:
    """Return what each node costs, if the kind asks."""
    if kind != "minimum":
        if weights:
            raise GraphError(f'`weights` are for the kind "minimum", got the kind {kind!r}')
        return []
    costs: list[float] = [1.0] * len(g)
    for node, weight in (weights or {}).items():
        if not 0 < weight < float("inf"):
            raise GraphError(f"`weights` must be finite numbers above zero, got {weight!r} for {node!r}")
        costs[g._id(node, "`weights`")] = weight
    return costs


def _choose(
    g: Graph,
    problem: Problem,
    kind: str,
    required: list[int],
    allowed: bytearray,
    limit: int | None,
    costs: list[float],
) -> Iterable[list[int]]:
    question = (problem.near, problem.x, problem.y, required, allowed)
    if kind == "all":
        return islice(all_separators(*question), limit)
    if kind == "minimal" and limit != 1:
        return islice(minimal_separators(*question), limit)
    if kind == "minimal":
        found = minimal_separator(*question)  # the first of the list, by two searches instead of three
    elif kind == "minimum":
        found = minimum_separator(*question, costs)
    elif kind == "optimal":
        found = choose_optimal(g, problem, allowed, required)[0]
    elif kind == "parents":
        found = _if_valid(problem, {*required, *_parents(g, problem.x)}, allowed)
    else:
        above = problem.above([*problem.x, *problem.y, *required])
        found = _if_valid(problem, [i for i in range(len(g)) if above[i] and allowed[i]], allowed)
    return [] if found is None else [found]


def _parents(g: Graph, nodes: list[int]) -> set[int]:
    """Return the parents of any of these nodes, except themselves."""
    parents = Neighbours.of(g._store).parents
    return {i for node in nodes for i in parents[node]} - set(nodes)


def _if_valid(problem: Problem, chosen: Iterable[int], allowed: bytearray) -> list[int] | None:
    chosen = sorted(chosen)
    if all(allowed[i] for i in chosen) and is_separator(problem.near, problem.x, problem.y, chosen):
        return chosen
    return None
