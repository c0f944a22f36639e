"""Why a set is valid for adjustment, or why not."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import networkx as nx

from causalrep.graphs import Graph, NodeSet
from causalrep.graphs._store import flags
from causalrep.identification._criterion import Problem, problem_of
from causalrep.identification._door import Nodes, as_graph, disjoint, labels, refuse_latent
from causalrep.identification._neighbours import Neighbours

__all__ = ["AdjustmentCheck", "check_adjustment"]


@dataclass(frozen=True)
class AdjustmentCheck:
    """Whether a set is valid for adjustment, and what stands in the way.

    Parameters
    ----------
    valid : bool
        The answer of `is_valid_adjustment`.
    reason : str
        What is wrong, or how much is right.
    forbidden : NodeSet
        The nodes of the set that no valid set may have: effects of the treatment on the way to the
        outcome, and latent ones.
    open_path : tuple of hashable
        The nodes of a non-causal path that the set leaves open; empty if there is none. A node with two
        arrowheads on it is in the set. In a graph of a class it is a path of one of the members.
    """

    valid: bool
    reason: str
    forbidden: NodeSet[Hashable]
    open_path: tuple[Hashable, ...]


def check_adjustment(
    g: Graph | nx.DiGraph, x: Nodes, y: Nodes, z: Nodes = (), *, criterion: str = "adjustment"
) -> AdjustmentCheck:
    """Return whether adjusting for `z` gives the effect of `x` on `y`, with the reason.

    Parameters
    ----------
    g : DAG, ADMG, CPDAG, MPDAG, PDAG, MAG, PAG or networkx.DiGraph
        The causal graph.
    x, y : hashable or iterable of hashable
        Treatments, set together, and outcomes.
    z : hashable or iterable of hashable, default=()
        The covariates.
    criterion : {"adjustment", "backdoor", "single-door"}, default="adjustment"
        As in `is_valid_adjustment`.

    Returns
    -------
    AdjustmentCheck
        With the forbidden nodes, or a shortest open path.

    Raises
    ------
    GraphError
        As in `is_valid_adjustment`.
    UnknownNameError
        If a node or the criterion does not exist.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import check_adjustment
    >>> g = DAG.from_string("X <- A -> C <- B -> Y; X -> M -> Y")
    >>> check_adjustment(g, "X", "Y", "C").reason
    'open path: X <- A -> C <- B -> Y'
    >>> check_adjustment(g, "X", "Y", {"C", "M"}).forbidden
    NodeSet(['M'])
    """
    g = as_graph(g)
    treatments, outcomes, chosen = disjoint(g, x=x, y=y, z=z)
    refuse_latent(g, x=treatments, y=outcomes)
    problem = problem_of(g, treatments, outcomes, criterion)
    hidden = set(g._latent)
    forbidden = labels(g, (i for i in chosen if problem.forbidden[i] or i in hidden))
    if problem.obstacle:
        u, v = (g.nodes[i] for i in problem.obstacle)
        return AdjustmentCheck(False, f"the graph leaves open whether {u!r} causes {v!r}", forbidden, ())
    walk = _open_walk(problem, chosen)
    path = tuple(g.nodes[i] for i in walk)
    if forbidden:
        first = next(iter(forbidden))
        why = "latent" if g._index[first] in hidden else _WHY[criterion]
        return AdjustmentCheck(False, f"{first!r} is forbidden: it is {why}", forbidden, path)
    if path:
        return AdjustmentCheck(
            False, f"open path: {_written(problem.near, walk, path, set(chosen))}", forbidden, path
        )
    return AdjustmentCheck(True, "all non-causal paths are blocked", forbidden, ())


_WHY = {
    "adjustment": "affected by the treatment on the way to the outcome",
    "backdoor": "affected by the treatment",
    "single-door": "affected by the outcome",
}


def _open_walk(problem: Problem, chosen: list[int]) -> list[int]:
    """Return a shortest open walk from x to y, breadth first over (node, came in by an arrowhead)."""
    parents, children, siblings = problem.near
    given, ends = flags(len(parents), chosen), set(problem.y)
    came = {2 * i: -1 for i in problem.x}
    queue = list(came)
    for state in queue:  # grows while it is read
        node, by_arrow = state >> 1, state & 1
        if node in ends:
            walk = []
            while state >= 0:
                walk.append(state >> 1)
                state = came[state]
            return walk[::-1]
        onward = [] if given[node] else [2 * i + 1 for i in children[node]]
        if given[node] == by_arrow:
            onward += [2 * i for i in parents[node]] + [2 * i + 1 for i in siblings[node]]
        for after in onward:
            if after not in came:
                came[after] = state
                queue.append(after)
    return []


def _written(near: Neighbours, walk: list[int], path: tuple[Hashable, ...], given: set[int]) -> str:
    """Return the walk with its arrows; given nodes are colliders, which tells the edges of a bow apart."""
    text = str(path[0])
    for i, j, node in zip(walk, walk[1:], path[1:], strict=False):
        forward, backward = j in near.children[i] and i not in given, j in near.parents[i] and j not in given
        text += f" {'->' if forward else '<-' if backward else '<->'} {node}"
    return text
