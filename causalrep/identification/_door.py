"""Labels at the door of the graphical criteria: graphs and node sets in, sorted indices inside."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import networkx as nx

from causalrep.graphs import ADMG, DAG, Graph, NodeSet
from causalrep.utils import GraphError

__all__ = ["Nodes", "as_graph", "directed", "disjoint", "ids", "labels", "refuse_latent"]

Nodes = Hashable | Iterable[Hashable]


def as_graph(g: Graph | nx.DiGraph) -> Graph:
    """Return a graph of ours; a networkx.DiGraph is taken as a DAG."""
    if isinstance(g, nx.DiGraph):
        return DAG(g)
    if not isinstance(g, Graph):
        raise GraphError(f"`g` must be a graph of causalrep or a networkx.DiGraph, got {type(g).__name__}")
    return g


def directed(g: Graph | nx.DiGraph, purpose: str) -> DAG | ADMG:
    """Return the graph, which must be a DAG or an ADMG."""
    g = as_graph(g)
    if not isinstance(g, DAG | ADMG):
        raise GraphError(f"{purpose} needs a graph of type DAG or ADMG, got {type(g).__name__}")
    return g


def ids(g: Graph, nodes: Nodes, argument: str) -> list[int]:
    """Return the sorted indices of one node or of several."""
    return g._ids(nodes, f"`{argument}`")


def labels(g: Graph, indices: Iterable[int]) -> NodeSet[Hashable]:
    """Return the nodes of these indices, in node order."""
    return g._labels(sorted(indices))


def disjoint(g: Graph, **arguments: Nodes) -> list[list[int]]:
    """Return the indices of each argument; no node may be in two of them."""
    owner: dict[int, str] = {}
    found = []
    for name, nodes in arguments.items():
        indices = ids(g, nodes, name)
        for i in indices:
            if i in owner:
                raise GraphError(f"`{owner[i]}` and `{name}` must be disjoint, got {g.nodes[i]!r} in both")
            owner[i] = name
        found.append(indices)
    return found


def refuse_latent(g: Graph, **arguments: list[int]) -> None:
    """Raise if an argument names a node that no data set can hold."""
    hidden = set(g._latent)
    for name, indices in arguments.items():
        for i in indices:
            if i in hidden:
                raise GraphError(f"`{name}` must be observed, got the latent node {g.nodes[i]!r}")
