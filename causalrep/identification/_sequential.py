"""Sequential adjustment: joint interventions with confounders that earlier treatments affect.

Where treatments X_1, ..., X_n are set in turn, what confounds a later one may be an effect of an earlier
one, so that adjusting for it at once would block part of the effect. It is still enough to adjust in
turn, by the g-formula

    P(y | do(x)) = sum over z of P(y | x, z) product over k of P(z_k | z_1..k-1, x_1..k-1),

if no Z_k has an effect of X_k, ..., X_n and it makes X_k as good as randomised given the past: Y is
separated from X_k by X_1..k-1 and Z_1..k in the graph without the edges out of X_k and those into later
treatments.

References
----------
.. [1] J. Pearl, J. M. Robins, "Probabilistic evaluation of sequential plans from causal models with hidden
   variables", UAI 1995, arXiv:1302.4977.
.. [2] J. Pearl, "Causality", 2nd edition, 2009, theorems 4.4.1 and 4.4.6.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import combinations, permutations

import networkx as nx

from causalrep.graphs import ADMG, DAG, Graph, NodeSet
from causalrep.identification._door import Nodes, directed, disjoint, labels, refuse_latent
from causalrep.identification._neighbours import Neighbours
from causalrep.identification._separators import is_separator
from causalrep.identification._usable import permitted, without

__all__ = ["sequential", "sequential_adjustment"]

#: For more treatments than this only the topological order is tried.
_MOST_REORDERED = 6


def sequential_adjustment(
    g: Graph | nx.DiGraph, x: Nodes, y: Nodes, *, restrict: Nodes | None = None
) -> tuple[tuple[Hashable, NodeSet[Hashable]], ...] | None:
    """Return for each treatment the covariates to adjust for in turn, or ``None`` if there are none.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph; latent nodes and bidirected edges are taken into account.
    x, y : hashable or iterable of hashable
        Treatments, set together, and outcomes.
    restrict : hashable or iterable of hashable, default=None
        The nodes that may be covariates; by default all that are observed.

    Returns
    -------
    tuple of (hashable, NodeSet), or None
        Treatments in the order in which they are adjusted for, causes before effects, each with the
        covariates that come in with it. None of these can be left out alone.

    Raises
    ------
    GraphError
        If `x` and `y` are not disjoint, one has a latent node, or the graph is of another type.
    UnknownNameError
        If a node does not exist.

    Notes
    -----
    In a given order, if any covariates do then so do, for each treatment, all usable ancestors of it and
    of `y` that are no effects of it or of later ones [1]_: O(n_nodes * n_treatments * (n_nodes +
    n_edges)). Treatments that do not act on each other may come in any order, and all are tried for up
    to six treatments; for more only the topological one is.

    References
    ----------
    .. [1] J. Pearl, J. M. Robins, "Probabilistic evaluation of sequential plans from causal models with
       hidden variables", UAI 1995, arXiv:1302.4977.

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import adjustment_sets, sequential_adjustment
    >>> g = ADMG.from_string("X1 -> L -> X2 -> Y; X1 -> Y; L <-> Y")
    >>> adjustment_sets(g, ["X1", "X2"], "Y")
    ()
    >>> sequential_adjustment(g, ["X1", "X2"], "Y")
    (('X1', NodeSet()), ('X2', NodeSet(['L'])))
    """
    graph = directed(g, "sequential adjustment")
    treatments, outcomes = disjoint(graph, x=x, y=y)
    refuse_latent(graph, x=treatments, y=outcomes)
    found = sequential(graph, treatments, outcomes, permitted(graph, restrict))
    if found is None:
        return None
    return tuple((graph.nodes[i], labels(graph, chosen)) for i, chosen in found)


def sequential(
    g: DAG | ADMG, x: list[int], y: list[int], allowed: bytearray
) -> list[tuple[int, list[int]]] | None:
    """Return the treatments in an order in which covariates exist, with these, or None."""
    near = Neighbours.of(g._store)
    found = (_in_order(near, order, y, allowed) for order in _orders(g, near, x))
    return next((steps for steps in found if steps is not None), None)


def _orders(g: DAG | ADMG, near: Neighbours, x: list[int]) -> Iterator[list[int]]:
    """Yield the orders of the treatments that the graph allows, the topological one first."""
    wanted = set(x)
    topological = [i for i in g._order() if i in wanted]
    if len(x) > _MOST_REORDERED:
        yield topological
        return
    above = {i: near.above([i]) for i in x}
    for order in permutations(topological):
        if not any(above[i][j] for i, j in combinations(order, 2)):
            yield list(order)


def _in_order(
    near: Neighbours, order: list[int], y: list[int], allowed: bytearray
) -> list[tuple[int, list[int]]] | None:
    """Return the treatments with their covariates, or None if there are none in this order."""
    worlds = [_world(near, order, k) for k in range(len(order))]
    chosen: list[list[int]] = []
    for k, world in enumerate(worlds):
        usable = without(allowed, near.below(order[k:]))
        above = world.above([order[k], *y])
        used = {*order, *y, *(i for part in chosen for i in part)}
        chosen.append([i for i, may in enumerate(usable) if may and above[i] and i not in used])
        if not _is_ignorable(world, order, k, y, chosen):
            return None
    for part in chosen:
        for node in list(part):
            part.remove(node)
            if not all(_is_ignorable(world, order, k, y, chosen) for k, world in enumerate(worlds)):
                part.append(node)
        part.sort()
    return list(zip(order, chosen, strict=True))


def _world(near: Neighbours, order: list[int], k: int) -> Neighbours:
    """Return the graph without the edges out of the k-th treatment and those into later ones."""
    later = set(order[k + 1 :])
    cut = near.without_outgoing([order[k]]).without((p, i) for i in later for p in near.parents[i])
    siblings = list(cut.siblings)
    for i in later:
        for j in near.siblings[i]:
            siblings[j] = [s for s in siblings[j] if s not in later]
        siblings[i] = []
    return Neighbours(cut.parents, cut.children, siblings)


def _is_ignorable(world: Neighbours, order: list[int], k: int, y: list[int], chosen: list[list[int]]) -> bool:
    past = [*order[:k], *(i for part in chosen[: k + 1] for i in part)]
    return is_separator(world, [order[k]], y, past)
