"""From a graph and a question to an answer: one door to all ways of identification."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import networkx as nx

from causalrep.graphs import ADMG, DAG, Graph
from causalrep.identification._door import as_graph
from causalrep.identification._interventional import InterventionalProblem
from causalrep.identification._potential import Potential
from causalrep.identification._query import Query, as_query
from causalrep.identification._result import Identification
from causalrep.utils import GraphError, UnknownNameError

__all__ = ["identify"]


def identify(
    g: Graph | nx.DiGraph,
    query: str | Query | None = None,
    *,
    outcome: Any = None,
    treatment: Any = None,
    given: Any = None,
    available: Iterable[str] | None = None,
) -> Identification:
    """Return whether, and how, the distributions at hand answer a causal question.

    Interventional questions of a DAG or an ADMG are decided completely: ID and IDC [1]_ from
    observational data, gID [2]_ where experiments are at hand. Where a simpler formula than theirs is
    right (back-door adjustment, front-door), it is given; the general one is `raw`.

    The answer rests on the graph: that no edge is missing, and that every hidden common cause is
    there as a bidirected edge or a latent node. No estimand ever names a latent node.

    Parameters
    ----------
    g : DAG, ADMG, another type of graph, or networkx.DiGraph
        For a graph that stands for a class (CPDAG, MPDAG, MAG, PAG), an estimand holds for all its
        members; only adjustment is tried there.
    query : str or Query, default=None
        For instance ``"P(Y | do(X))"``, ``"P(Y=1 | do(X=1), Z=0)"``, ``"P(Y[X=1] | X=0, Y=0)"``; or the name
        of a quantity, such as ``"ATE"``, with `treatment` and `outcome`, for which `identify_quantity`
        has more options.
    outcome, treatment, given : hashable, iterable of hashable or mapping to values, default=None
        The question in names, instead of `query`.
    available : iterable of str, default=None
        The distributions at hand, such as ``["P(X, Y)", "P(Y | do(X))"]``; by default the
        observational distribution of all nodes that are not latent.

    Returns
    -------
    Identification
        With `identifiable`, `estimand`, `witness`, `trace` and `evaluate`.

    Raises
    ------
    ParseError
        If a text is not understood.
    UnknownNameError
        If a name is no node of the graph.
    GraphError
        If a latent node is named, a node stands in two places, or the type of graph cannot be asked
        this question.

    Notes
    -----
    Where not all of `available` measure all nodes, a derivation is still sound, but the search is not
    complete: a question that more measurements would answer, and for which no derivation was found, is
    `Undecided`.

    References
    ----------
    .. [1] I. Shpitser, J. Pearl, "Complete identification methods for the causal hierarchy", Journal of
       Machine Learning Research 9, 2008.
    .. [2] S. Lee, J. D. Correa, E. Bareinboim, "General identifiability with arbitrary surrogate
       experiments", UAI 2019.

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import identify
    >>> frontdoor = ADMG([("X", "M"), ("M", "Y")], [("X", "Y")])
    >>> str(identify(frontdoor, "P(Y | do(X))").estimand)
    "sum_{M} P(M | X) [sum_{X'} P(Y | M, X') P(X')]"
    >>> r = identify(ADMG([("X", "Y")], [("X", "Y")]), "P(Y | do(X))")
    >>> r.identifiable, str(r.witness), r.witness.verify()
    (False, 'hedge of {X, Y} and {Y}', True)
    """
    graph = as_graph(g)
    if isinstance(query, str) and query.isalpha():
        from causalrep.identification._quantities import identify_quantity

        return identify_quantity(graph, query, treatment, outcome, given=given, available=available)
    question = _one_world(as_query(query, outcome, treatment, given, nodes=graph))
    _check_names(graph, question.names())
    if not isinstance(graph, (DAG, ADMG)):
        from causalrep.identification._classes import identify_in_class

        return identify_in_class(graph, question, available)
    if question.is_counterfactual:
        from causalrep.identification._counterfactual import identify_counterfactual

        return identify_counterfactual(graph, question, available)
    return InterventionalProblem(graph, question, available).solve()


def _one_world(query: Query) -> Query:
    """Return ``P(y[x] | z[x])`` as ``P(y | do(x), z)``; other counterfactuals stay as they are."""
    worlds = {potential.do for potential, _ in (*query.outcome, *query.given)}
    do = next(iter(worlds))
    nested = any(isinstance(value, Potential) for _, value in do)
    if len(worlds) > 1 or not do or nested or query.do:
        return query
    events = [
        tuple((Potential(p.variable), value) for p, value in part) for part in (query.outcome, query.given)
    ]
    named = {p.variable for part in events for p, _ in part}
    if named & {name for name, _ in do} or len(named) < len(query.outcome) + len(query.given):
        return query
    return Query(events[0], do, events[1])


def _check_names(graph: Graph, names: Iterable[Hashable]) -> None:
    for name in names:
        if name not in graph:
            raise UnknownNameError(name, graph.nodes, what="the query")
        if graph._latent and name in graph.latent:
            raise GraphError(f"the query must not name a latent node, got {name!r}: no data can hold it")
