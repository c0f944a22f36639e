"""Effects from observational data alone: what the graphs of an equivalence class allow (IDA).

Observational data determine a causal graph only up to its equivalence class. Each member of the class
gives an effect, and many give the same one: what counts is which of the undecided neighbours of the
treatment are its causes. So the members need not be listed; it is enough to list the sets of neighbours
that can be parents together.

With several treatments the total effects of each alone, T, also tell their joint effects: T counts all
directed paths, so that (I + T)^-1 = I - B for the matrix B of the effects that do not pass another
treatment.

References
----------
.. [1] M. H. Maathuis, M. Kalisch, P. Bühlmann, "Estimating high-dimensional intervention effects from
   observational data", Annals of Statistics 37, 2009, arXiv:0810.4214 (algorithm 3).
.. [2] P. Nandy, M. H. Maathuis, T. S. Richardson, "Estimating the effect of joint interventions from
   observational data in sparse high-dimensional settings", Annals of Statistics 45, 2017,
   arXiv:1407.2451.
.. [3] J. Witte, L. Henckel, M. H. Maathuis, V. Didelez, "On efficient adjustment in causal graphs",
   Journal of Machine Learning Research 21(246), 2020, arXiv:2002.06825 (optimal IDA).
.. [4] E. Perković, M. Kalisch, M. H. Maathuis, "Interpreting and using CPDAGs with background
   knowledge", UAI 2017, arXiv:1707.02171 (algorithm 2: MPDAGs).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import product
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import CPDAG, DAG, MPDAG, PDAG, Graph, NodeSet
from causalrep.graphs._equivalence import PartialOrientation, extend, meek_closure
from causalrep.graphs._possible import adjacency_sets
from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.identification._covariance import read_covariance, slopes
from causalrep.identification._criterion import problem_of
from causalrep.identification._door import Nodes, as_graph, disjoint, labels
from causalrep.identification._optimal import other_causes
from causalrep.utils import GraphError, UnknownNameError

__all__ = ["PossibleEffects", "ida", "possible_parent_sets"]

METHODS = ("local", "optimal")


@dataclass(frozen=True)
class PossibleEffects:
    """The effects that the members of an equivalence class allow, one for each choice of parents.

    Parameters
    ----------
    effects : array of shape (n_sets,) or (n_sets, n_treatments)
        The total effect of the treatment, or the joint effects of the treatments in node order.
    parents : tuple of tuple of NodeSet
        For each choice the parents of each treatment.
    """

    effects: NDArray[np.float64]
    parents: tuple[tuple[NodeSet[Hashable], ...], ...]

    @property
    def smallest(self) -> float:
        """The smallest absolute effect: a lower bound for the size of the true one, over treatments."""
        return float(np.abs(self.effects).min())


def possible_parent_sets(g: Graph | nx.DiGraph, x: Nodes) -> tuple[tuple[NodeSet[Hashable], ...], ...]:
    """Return the sets of parents that treatments can have together in the members of a class.

    Parameters
    ----------
    g : CPDAG, MPDAG, PDAG, DAG or networkx.DiGraph
        The graph of the class; a PDAG is first closed under Meek's rules.
    x : hashable or iterable of hashable
        One node or several.

    Returns
    -------
    tuple of tuple of NodeSet
        For each possibility the parents of each node of `x`, in node order; fewer parents first.

    Raises
    ------
    GraphError
        If the graph is of another type or has no member.
    UnknownNameError
        If a node does not exist.

    Notes
    -----
    Of the subsets of the undirected neighbours only cliques are looked at. For one node of a CPDAG each
    of them is possible [1]_; otherwise it is checked that Meek's rules lead to no contradiction.

    References
    ----------
    .. [1] M. H. Maathuis, M. Kalisch, P. Bühlmann, "Estimating high-dimensional intervention effects
       from observational data", Annals of Statistics 37, 2009, arXiv:0810.4214 (lemma 3.1).

    Examples
    --------
    >>> from causalrep.graphs import CPDAG
    >>> from causalrep.identification import possible_parent_sets
    >>> possible_parent_sets(CPDAG.from_string("A -- X -- B"), "X")
    ((NodeSet(),), (NodeSet(['A']),), (NodeSet(['B']),))
    """
    graph = _class_of(g)
    (treatments,) = disjoint(graph, x=x)
    found = [parents for parents, _ in _choices(graph, treatments, oriented=False)]
    return tuple(tuple(labels(graph, chosen) for chosen in parents) for parents in found)


def ida(
    g: Graph | nx.DiGraph, x: Nodes, y: Hashable, covariance: Any, *, method: str = "local"
) -> PossibleEffects:
    """Return the effects of `x` on `y` that linear models on the members of a class allow.

    Assumes a linear model without hidden common causes whose graph is in the class. The smallest absolute
    value bounds the size of the effect from below whichever member is true.

    Parameters
    ----------
    g : CPDAG, MPDAG, PDAG, DAG or networkx.DiGraph
        The graph of the class; a PDAG is first closed under Meek's rules.
    x : hashable or iterable of hashable
        One treatment, or several that are set together.
    y : hashable
        The outcome.
    covariance : array of shape (n_nodes, n_nodes) or data frame
        Of the nodes of `g`, in their order or by their labels.
    method : {"local", "optimal"}, default="local"
        Whether to adjust for the parents of the treatment, or for the set with the smallest
        asymptotic variance [2]_. On a true covariance matrix both give the same.

    Returns
    -------
    PossibleEffects
        One effect, or row of joint effects, for each possible choice of parents.

    Raises
    ------
    GraphError
        If `x` and `y` are not disjoint, `y` is not a single node, or the graph is of another type or
        has no member.
    UnknownNameError
        If a node or the method does not exist, or a frame lacks a node.
    DataError
        If the covariance matrix has another shape, is not finite or not symmetric.

    Notes
    -----
    The values are those of all members, but how often each occurs is not how many members give it. Joint
    effects come from the total effects of single treatments, as (I + T)^-1 = I - B.

    References
    ----------
    .. [1] M. H. Maathuis, M. Kalisch, P. Bühlmann, "Estimating high-dimensional intervention effects
       from observational data", Annals of Statistics 37, 2009, arXiv:0810.4214.
    .. [2] J. Witte, L. Henckel, M. H. Maathuis, V. Didelez, "On efficient adjustment in causal graphs",
       Journal of Machine Learning Research 21(246), 2020, arXiv:2002.06825.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.graphs import CPDAG
    >>> from causalrep.identification import ida
    >>> g = CPDAG.from_string("Z -- X; X -- Y")
    >>> covariance = np.array([[1.0, 0.5, 1.0], [0.5, 1.25, 2.5], [1.0, 2.5, 6.0]])
    >>> ida(g, "X", "Y", covariance).effects            # none, {Z}, or {Y} may be the parents of X
    array([2., 2., 0.])
    """
    graph = _class_of(g)
    if method not in METHODS:
        raise UnknownNameError(method, METHODS, what="`method`")
    treatments, outcomes = disjoint(graph, x=x, y=y)
    if len(outcomes) != 1:
        raise GraphError(f"`y` must be a single node, got {len(outcomes)}")
    matrix = read_covariance(covariance, graph.nodes)
    effect = _local_effect if method == "local" else _optimal_effect
    rows, choices = [], []
    for parents, store in _choices(graph, treatments, oriented=method == "optimal"):
        member = MPDAG._build(graph.nodes, store)
        reached = [*treatments, *outcomes]
        single = np.array(
            [
                [0.0 if i == j else effect(member, matrix, i, chosen, j) for j in reached]
                for i, chosen in zip(treatments, parents, strict=True)
            ]
        )
        rows.append(_joint(single))
        choices.append(tuple(labels(graph, chosen) for chosen in parents))
    effects = np.array(rows)
    return PossibleEffects(effects[:, 0] if len(treatments) == 1 else effects, tuple(choices))


def _class_of(g: Graph | nx.DiGraph) -> PDAG:
    """Return the graph as one of a class of DAGs, closed under Meek's rules."""
    graph = as_graph(g)
    if isinstance(graph, DAG):
        if graph.latent:
            raise GraphError(f"`g` must have no latent nodes, got {list(graph.latent)}")
        return MPDAG._build(graph.nodes, graph._store)
    if not isinstance(graph, PDAG):
        raise GraphError(f"`g` must be a CPDAG, MPDAG, PDAG or DAG, got {type(graph).__name__}")
    closed = graph if isinstance(graph, CPDAG | MPDAG) else graph.meek_closure()
    closed._plain()  # raises where there is no member
    return closed


def _choices(g: PDAG, x: list[int], *, oriented: bool) -> list[tuple[tuple[list[int], ...], EdgeStore]]:
    """Return the possible parents of each treatment, with the MPDAG that they lead to if `oriented`."""
    store = g._store
    needless = isinstance(g, CPDAG) and len(x) == 1 and not oriented
    essential = g if isinstance(g, CPDAG) else g.to_cpdag()
    found = []
    for chosen in product(*(_cliques(store, i) for i in x)):
        after = store if needless else _with_parents(g, x, chosen, essential)
        if after is not None:
            known = store.lists(ARROW, TAIL)
            parents = tuple(sorted(known[i] + new) for i, new in zip(x, chosen, strict=True))
            found.append((parents, after))
    return sorted(found, key=lambda choice: ([len(part) for part in choice[0]], choice[0]))


def _cliques(store: EdgeStore, node: int) -> list[list[int]]:
    """Return the sets of undirected neighbours that are adjacent to each other, the empty one too.

    Others would be new v-structures. With the node's parents all of its undirected neighbours are
    adjacent, by Meek's first rule.
    """
    adjacent = store.derived(adjacency_sets)
    found: list[list[int]] = [[]]
    for neighbour in store.lists(TAIL, TAIL)[node]:
        found += [[*clique, neighbour] for clique in found if adjacent[neighbour].issuperset(clique)]
    return found


def _with_parents(g: PDAG, x: list[int], chosen: tuple[list[int], ...], essential: CPDAG) -> EdgeStore | None:
    """Return the MPDAG in which the treatments have these undirected neighbours as parents, if any."""
    graph = PartialOrientation.of(g._store)
    parents = {i: set(new) for i, new in zip(x, chosen, strict=True)}
    for i in x:
        for j in sorted(graph.undecided[i]):
            if j in parents and (i in parents[j]) == (j in parents[i]):
                return None
            graph.orient(*((j, i) if j in parents[i] else (i, j)))
    after = meek_closure(graph.store())
    member, left = extend(after)
    if left or DAG._build(g.nodes, member).to_cpdag() != essential:
        return None
    return after


def _local_effect(_: PDAG, matrix: NDArray[np.float64], i: int, parents: list[int], j: int) -> float:
    """Return the coefficient of i in the regression of j on i and its parents; none acts on its causes."""
    return 0.0 if j in parents else float(slopes(matrix, j, [i, *parents])[0])


def _optimal_effect(g: PDAG, matrix: NDArray[np.float64], i: int, _: list[int], j: int) -> float:
    """Return the coefficient of i in the regression of j on i and the optimal adjustment set."""
    problem = problem_of(g, [i], [j], "adjustment")
    if not problem.first:
        return 0.0
    return float(slopes(matrix, j, [i, *other_causes(g, problem)])[0])


def _joint(single: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the joint effects on the outcome, the last column, from the effects of single treatments."""
    n_treatments = len(single)
    total = np.vstack([single, np.zeros(n_treatments + 1)])
    direct = np.eye(n_treatments + 1) - np.linalg.inv(np.eye(n_treatments + 1) + total)
    return np.asarray(direct[:-1, -1], dtype=np.float64)
