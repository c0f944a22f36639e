"""The only file that knows how other libraries store graphs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from causalrep.graphs._attributes import Value, is_plain
from causalrep.graphs._draft import Draft, DraftEdge, mirrored
from causalrep.graphs._store import ARROW, CIRCLE, MARKS, TAIL, EdgeStore
from causalrep.utils import GraphError

__all__ = [
    "draft_of_causallearn",
    "draft_of_networkx",
    "draft_of_pcalg",
    "edges_of_adjacency",
    "to_adjacency",
    "to_causallearn",
    "to_networkx",
    "to_pcalg",
]

Edges = Iterator[tuple[Hashable, str, Hashable]]


def draft_of_networkx(graph: Any, kinds: Sequence[str], what: str) -> Draft:
    """Return the draft of a graph, or of a pair of a directed graph and one of bidirected edges."""
    parts = graph if isinstance(graph, tuple) and len(graph) == 2 else (graph,)
    for part in parts:
        if not isinstance(part, nx.Graph):
            raise TypeError(f"`graph` must be a networkx graph, got {type(part).__name__}")
    draft = Draft()
    for part in parts:
        draft.add(list(part.nodes))
        for node, found in part.nodes(data=True):
            draft.nodes[node].update(_plain(found))
    for part, plain in zip(parts, ("--", "<->"), strict=False):
        for u, kind, v, found in _edges_of(part, plain, kinds):
            if kind not in MARKS:
                raise GraphError(f"the `kind` of an edge must be written like '->', got {kind!r}")
            draft.edges.append((u, kind, v, found))
    _check_kinds(draft, kinds, what)
    return draft


def _edges_of(graph: Any, plain: str, kinds: Sequence[str]) -> Iterator[DraftEdge]:
    """Yield the edges; one without a kind is directed if the graph is, else `plain`."""
    default = "->" if graph.is_directed() else plain
    if default not in kinds and any("kind" not in found for _, _, found in graph.edges(data=True)):
        raise GraphError(f"`graph` must be directed (networkx.DiGraph), got {type(graph).__name__}")
    position = {node: i for i, node in enumerate(graph.nodes)}
    merged: dict[tuple[Hashable, Hashable], dict[str, Value]] = {}
    for u, v, found in sorted(
        graph.edges(data=True), key=lambda edge: (position[edge[0]], position[edge[1]])
    ):
        attributes = _plain(found)
        if "kind" in attributes:
            yield u, str(attributes.pop("kind")), v, attributes
        elif u != v and graph.is_directed() and "--" in kinds and (v, u) in merged:
            yield v, "--", u, {**merged.pop((v, u)), **attributes}
        elif (u, v) in merged or default != "->":
            yield u, default, v, attributes
        else:
            merged[u, v] = attributes
    yield from ((u, default, v, attributes) for (u, v), attributes in merged.items())


def _plain(found: Mapping[Any, Any]) -> dict[str, Value]:
    """Return the attributes that a graph can carry; networkx may hold any object."""
    scalars = {name: x.item() if isinstance(x, np.generic) else x for name, x in found.items()}
    return {name: x for name, x in scalars.items() if isinstance(name, str) and name and is_plain(x)}


def to_networkx(draft: Draft, *, has_marks: bool) -> Any:
    """Return a MultiDiGraph with kinds, or a DiGraph in which an undirected edge is two opposite ones."""
    graph = nx.MultiDiGraph() if has_marks else nx.DiGraph()
    graph.add_nodes_from((node, dict(found)) for node, found in draft.nodes.items())
    position = {node: i for i, node in enumerate(draft.nodes)}
    edges: list[tuple[Hashable, Hashable, dict[str, Value]]] = []
    for u, kind, v, found in draft.edges:
        if "kind" in found:
            raise GraphError(f"to_networkx uses the attribute 'kind' itself, {u!r} {kind} {v!r} has one")
        edges.append((u, v, {**found, "kind": kind} if has_marks else dict(found)))
        if kind == "--" and not has_marks:
            edges.append((v, u, dict(found)))
    graph.add_edges_from(sorted(edges, key=lambda edge: (position[edge[0]], position[edge[1]])))
    return graph


def edges_of_adjacency(
    adjacency: Any, names: Any, direction: str, kinds: Sequence[str]
) -> tuple[Edges, list[Hashable]]:
    """Return the edges and nodes of a 0-1 matrix, dense or sparse."""
    A = adjacency if sparse.issparse(adjacency) else np.asarray(adjacency)
    nodes = _names_of(A, names)
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
    directed, undirected = store.pairs(TAIL, ARROW), store.pairs(TAIL, TAIL)
    if len(directed) + len(undirected) < len(store):
        raise GraphError(
            "an adjacency matrix of zeros and ones says which edges are directed or undirected, got others; "
            "to_pcalg and to_causallearn write matrices of marks"
        )
    A = np.zeros((store.n_nodes, store.n_nodes), dtype=np.int8)
    for i, j in directed + undirected + [(j, i) for i, j in undirected]:
        A[i, j] = 1
    return A.T.copy() if _is_transposed(direction) else A


def _is_transposed(direction: str) -> bool:
    if direction not in ("row_to_col", "col_to_row"):
        raise ValueError(f"`direction` must be 'row_to_col' or 'col_to_row', got {direction!r}")
    return direction == "col_to_row"


def _names_of(A: Any, names: Any) -> list[Hashable]:
    """Return the nodes of a matrix, which must be square."""
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise GraphError(f"`adjacency` must be a square matrix, got shape {A.shape}")
    if isinstance(names, np.ndarray):  # its items as Python's own, which print and save better
        names = names.tolist()
    nodes: list[Hashable] = list(range(A.shape[0]) if names is None else names)
    if len(nodes) != A.shape[0]:
        raise GraphError(f"`names` must name the {A.shape[0]} rows of `adjacency`, got {len(nodes)} names")
    return nodes


# Matrices of marks: [i, j] holds a mark of the edge between i and j, pcalg's at j and causal-learn's at i.

_KINDS = {marks: kind for kind, marks in MARKS.items()}
_CAUSALLEARN = {-1: TAIL, 1: ARROW, 2: CIRCLE}
_BOW = (4, 5)  # causal-learn's marks of i -> j and i <-> j together: at i, at j


def draft_of_causallearn(graph: Any, names: Any, kinds: Sequence[str], what: str) -> Draft:
    """Return the draft of a GeneralGraph or of its matrix."""
    if hasattr(graph, "get_node_names") and hasattr(graph, "graph"):
        names = graph.get_node_names() if names is None else names
        graph = graph.graph
    M = np.asarray(graph)
    nodes = _names_of(M, names)
    draft = Draft({node: {} for node in nodes})
    for i, j in _adjacent(M):
        at = M[i, j].item(), M[j, i].item()
        if at in (_BOW, _BOW[::-1]):
            draft.edges += [(nodes[i], kind, nodes[j], {}) for kind in ("->" if at == _BOW else "<-", "<->")]
        else:
            marks = _CAUSALLEARN.get(at[0], 0), _CAUSALLEARN.get(at[1], 0)
            draft.edges.append((nodes[i], _kind_of(marks, at, (i, j)), nodes[j], {}))
    _check_kinds(draft, kinds, what)
    return draft


def to_causallearn(store: EdgeStore) -> NDArray[np.int8]:
    """Return the matrix whose [i, j] is the mark at i."""
    codes = np.zeros(4, dtype=np.int8)
    codes[list(_CAUSALLEARN.values())] = list(_CAUSALLEARN)
    M = np.zeros((store.n_nodes, store.n_nodes), dtype=np.int8)
    twice = set(store.pairs(ARROW, ARROW))
    M[store.first, store.second] = codes[store.mark_first]
    M[store.second, store.first] = codes[store.mark_second]
    for i, j in store.pairs(TAIL, ARROW):
        if (min(i, j), max(i, j)) in twice:
            M[i, j], M[j, i] = _BOW
    return M


def draft_of_pcalg(amat: Any, names: Any, kinds: Sequence[str], what: str) -> Draft:
    """Return the draft of an ``amat.pag``, whose [i, j] is the mark at j: 1 circle, 2 arrow, 3 tail."""
    M = np.asarray(amat)
    nodes = _names_of(M, names)
    draft = Draft({node: {} for node in nodes})
    for i, j in _adjacent(M):
        at = M[j, i].item(), M[i, j].item()
        draft.edges.append((nodes[i], _kind_of(at, at[::-1], (i, j)), nodes[j], {}))
    _check_kinds(draft, kinds, what)
    return draft


def to_pcalg(store: EdgeStore, nodes: Sequence[Hashable]) -> NDArray[np.int8]:
    """Return the ``amat.pag``; two edges between two nodes have no place in it."""
    bow = store.first_repeat(same_marks=False)
    if bow is not None:
        raise GraphError(
            f"to_pcalg has room for one edge between two nodes, got two between {_two(nodes, bow)}"
        )
    M = np.zeros((store.n_nodes, store.n_nodes), dtype=np.int8)
    M[store.first, store.second] = store.mark_second  # pcalg counts the marks as the store does
    M[store.second, store.first] = store.mark_first
    return M


def _two(nodes: Sequence[Hashable], ends: tuple[int, int]) -> str:
    return f"{nodes[ends[0]]!r} and {nodes[ends[1]]!r}"


def _adjacent(M: NDArray[Any]) -> list[tuple[int, int]]:
    """Return the pairs with an edge, i < j, or i = j where the diagonal has an entry."""
    rows, columns = np.nonzero(np.triu((M != 0) | (M.T != 0)))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _kind_of(marks: tuple[Any, Any], entries: tuple[Any, Any], ends: tuple[int, int]) -> str:
    if marks not in _KINDS:
        i, j = ends
        raise GraphError(
            f"the matrix must hold the marks of an edge, got {entries[0]} at [{i}, {j}] "
            f"and {entries[1]} at [{j}, {i}]"
        )
    return _KINDS[marks]


def _check_kinds(draft: Draft, kinds: Sequence[str], what: str) -> None:
    for u, kind, v, _ in draft.edges:
        if kind not in kinds and mirrored(kind) not in kinds:
            raise GraphError(f"a {what} has no edge {u!r} {kind} {v!r}, only {', '.join(map(repr, kinds))}")
