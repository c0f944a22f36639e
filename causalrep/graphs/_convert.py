"""The only file that knows how other libraries store graphs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.utils import GraphError

__all__ = ["edges_of_adjacency", "edges_of_networkx", "to_adjacency", "to_networkx"]

Edges = Iterator[tuple[Hashable, str, Hashable]]


def edges_of_networkx(graph: Any, kinds: Sequence[str]) -> tuple[Edges, list[Hashable]]:
    """Return the edges and nodes; opposite edges are one undirected edge where the type has such."""
    if not isinstance(graph, nx.Graph):
        raise TypeError(f"`graph` must be a networkx graph, got {type(graph).__name__}")
    if not graph.is_directed() and "--" not in kinds:
        raise GraphError(f"`graph` must be directed (networkx.DiGraph), got {type(graph).__name__}")
    nodes = list(graph.nodes)
    if not graph.is_directed():
        return ((u, "--", v) for u, v in graph.edges()), nodes
    position = {node: i for i, node in enumerate(nodes)}
    pairs = [(position[u], position[v]) for u, v in graph.edges()]
    return _edges_of_pairs(pairs, nodes, kinds), nodes


def to_networkx(nodes: Sequence[Hashable], store: EdgeStore) -> Any:
    """Return a DiGraph in which an undirected edge is two opposite ones."""
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    edges = sorted(store.pairs(TAIL, ARROW) + _both_ways(store))
    graph.add_edges_from((nodes[i], nodes[j]) for i, j in edges)
    return graph


def _both_ways(store: EdgeStore) -> list[tuple[int, int]]:
    undirected = store.pairs(TAIL, TAIL)
    return undirected + [(j, i) for i, j in undirected]


def edges_of_adjacency(
    adjacency: Any, names: Any, direction: str, kinds: Sequence[str]
) -> tuple[Edges, list[Hashable]]:
    """Return the edges and nodes of a 0-1 matrix, dense or sparse."""
    A = adjacency if sparse.issparse(adjacency) else np.asarray(adjacency)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise GraphError(f"`adjacency` must be a square matrix, got shape {A.shape}")
    if isinstance(names, np.ndarray):  # its items as Python's own, which print and save better
        names = names.tolist()
    nodes: list[Hashable] = list(range(A.shape[0]) if names is None else names)
    if len(nodes) != A.shape[0]:
        raise GraphError(f"`names` must name the {A.shape[0]} rows of `adjacency`, got {len(nodes)} names")
    rows, columns, values = _entries(A)
    wrong = np.flatnonzero(values != 1)
    if wrong.size:
        i, j, value = rows[wrong[0]], columns[wrong[0]], values[wrong[0]]
        raise GraphError(
            f"`adjacency` must hold zeros and ones, got {value} at [{i}, {j}]; threshold it first"
        )
    if _is_transposed(direction):
        rows, columns = columns, rows
    return _edges_of_pairs(list(zip(rows.tolist(), columns.tolist(), strict=True)), nodes, kinds), nodes


def _entries(A: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    if sparse.issparse(A):
        found = sparse.coo_array(A)
        found.sum_duplicates()
        found.eliminate_zeros()
        return found.row, found.col, found.data
    rows, columns = np.nonzero(A)
    return rows, columns, A[rows, columns]


def _edges_of_pairs(pairs: list[tuple[int, int]], nodes: list[Hashable], kinds: Sequence[str]) -> Edges:
    present = set(pairs)
    for i, j in sorted(pairs):
        if i == j or "--" not in kinds or (j, i) not in present:
            yield nodes[i], "->", nodes[j]
        elif i < j:
            yield nodes[i], "--", nodes[j]


def to_adjacency(store: EdgeStore, direction: str) -> NDArray[np.int8]:
    """Return the dense matrix, an undirected edge in both places."""
    A = np.zeros((store.n_nodes, store.n_nodes), dtype=np.int8)
    for i, j in store.pairs(TAIL, ARROW) + _both_ways(store):
        A[i, j] = 1
    return A.T.copy() if _is_transposed(direction) else A


def _is_transposed(direction: str) -> bool:
    if direction not in ("row_to_col", "col_to_row"):
        raise ValueError(f"`direction` must be 'row_to_col' or 'col_to_row', got {direction!r}")
    return direction == "col_to_row"
