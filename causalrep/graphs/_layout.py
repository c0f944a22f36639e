"""Places for the nodes and edges of a graph, causes above effects, without Graphviz.

The steps are those of Sugiyama: put the nodes on layers; order each layer so that few edges cross;
move nodes towards their neighbours. An edge over several layers gets a place on each, so that it
passes between the nodes. A bidirected edge does not decide who stands above whom; it is bent, so that
it can be told from another edge between the same nodes. No step draws a random number.

References
----------
.. [1] K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system
   structures", IEEE Transactions on Systems, Man, and Cybernetics 11, 1981,
   doi:10.1109/TSMC.1981.4308636.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._attributes import Edge
from causalrep.graphs._base import Graph
from causalrep.graphs._dag import DAG
from causalrep.utils import CycleError

__all__ = ["Layout", "layered_layout"]

_N_SWEEPS = 12


@dataclass(frozen=True)
class Layout:
    """Where to draw what; y grows upwards.

    Attributes
    ----------
    positions : dict of node to (x, y)
        The centres of the nodes.
    routes : dict of (u, kind, v) to ndarray of shape (n_points, 2)
        The way of each edge, from the centre of u to that of v, as points of a smooth curve.
    """

    positions: dict[Hashable, tuple[float, float]]
    routes: dict[Edge, NDArray[np.float64]]


def layered_layout(
    graph: Graph,
    sizes: Mapping[Hashable, tuple[float, float]],
    *,
    more_edges: Sequence[Edge] = (),
    gap: float = 24.0,
) -> Layout:
    """Return places such that directed edges point down and no two nodes of a layer overlap.

    Parameters
    ----------
    graph : Graph
        Of any type.
    sizes : mapping of node to (width, height)
        The room that each node takes, in any unit.
    more_edges : sequence of (u, kind, v), default=()
        Edges to lay out beside those of the graph; they may close a cycle.
    gap : float, default=24.0
        The room between neighbours on a layer, in the same unit; layers are twice as far apart.

    Returns
    -------
    Layout
        In the same unit.

    Examples
    --------
    >>> from causalrep.graphs import DAG, layered_layout
    >>> layout = layered_layout(DAG.from_string("X -> Y"), {"X": (10, 10), "Y": (10, 10)})
    >>> layout.positions
    {'X': (0.0, 0.0), 'Y': (0.0, -58.0)}
    """
    edges = [*graph.edges, *more_edges]
    depth = _depths(graph, more_edges)
    level = [edge for edge in edges if depth[edge[0]] == depth[edge[2]]]
    rungs = _Rungs(graph, [edge for edge in edges if depth[edge[0]] != depth[edge[2]]], depth)
    layers = _with_few_crossings(rungs)
    widths = [sizes[node][0] if node in depth else 0.0 for node in rungs.labels]
    x = _across(rungs, layers, widths, gap)
    height = max((size[1] for size in sizes.values()), default=0.0)
    places = np.column_stack([x, [-level * (height + 2 * gap) for level in rungs.level]])
    ways = rungs.ways | {(u, kind, v): [rungs.index[u], rungs.index[v]] for u, kind, v in level}
    bend = height / 2 + gap / 2
    return Layout(
        positions={node: (float(places[i, 0]), float(places[i, 1])) for node, i in rungs.index.items()},
        routes={edge: _bent(places[ways[edge]], edge[1], bend) for edge in edges},
    )


def _bent(route: NDArray[np.float64], kind: str, bend: float) -> NDArray[np.float64]:
    """Return the way of an edge: a curve beside the straight line if it is bidirected or along a layer."""
    along = route[-1] - route[0]
    if len(route) > 2 or (kind != "<->" and along[1] != 0):
        return route
    if along[1] == 0:  # over the nodes of its layer
        side = np.array([0.0, bend])
        return np.stack([route[0], route[0] + 0.2 * along + side, route[1] - 0.2 * along + side, route[1]])
    side = np.array([-along[1], along[0]]) / np.hypot(*along) * bend
    return np.stack([route[0], route[0] + 0.5 * along + side, route[1]])


def _depths(graph: Graph, more_edges: Sequence[Edge]) -> dict[Hashable, int]:
    """Return the layer of each node; an edge without a direction is taken to point along a topological order.

    Bidirected edges have no say. A circle with an arrow points as the arrow does, unless that makes a cycle.
    """
    free = [(u, v) for u, kind, v in (*graph.edges, *more_edges) if kind != "<->"]
    directed = list(graph.directed_edges)
    try:
        order = DAG([*directed, *((u, v) for u, kind, v in graph.edges if kind == "o->")], graph.nodes)
    except CycleError:
        order = DAG(directed, graph.nodes)
    place = {node: i for i, node in enumerate(order.topological_order())}
    downward = dict.fromkeys((u, v) if place[u] < place[v] else (v, u) for u, v in (*directed, *free))
    dag = DAG(downward, graph.nodes)
    depth = {node: level for level, nodes in enumerate(dag.depth_levels()) for node in nodes}
    for node in graph.nodes:  # a root right above its first child spares long edges
        if not dag.parents(node) and dag.children(node):
            depth[node] = min(depth[child] for child in dag.children(node)) - 1
    return depth


class _Rungs:
    """The nodes, and a stand-in on each layer that an edge passes, as integers with their neighbours."""

    def __init__(self, graph: Graph, edges: list[Edge], depth: dict[Hashable, int]) -> None:
        self.labels: list[object] = list(graph.nodes)
        self.index = {node: i for i, node in enumerate(graph.nodes)}
        self.level = [depth[node] for node in graph.nodes]
        self.ways: dict[Edge, list[int]] = {}
        for u, kind, v in edges:
            step = 1 if depth[u] < depth[v] else -1
            inner = range(depth[u] + step, depth[v], step)
            first = len(self.level)
            self.labels += [_StandIn] * len(inner)
            self.level += inner
            self.ways[u, kind, v] = [self.index[u], *range(first, len(self.level)), self.index[v]]
        self.above: list[list[int]] = [[] for _ in self.level]
        self.below: list[list[int]] = [[] for _ in self.level]
        for way in self.ways.values():
            for a, b in pairwise(way):
                upper, lower = (a, b) if self.level[a] < self.level[b] else (b, a)
                self.below[upper].append(lower)
                self.above[lower].append(upper)


class _StandIn:
    """Takes the place of a label where there is no node."""


def _with_few_crossings(rungs: _Rungs) -> list[list[int]]:
    """Order every layer by the mean place of its neighbours, sweeping down and up; keep the best."""
    layers: list[list[int]] = [[] for _ in range(max(rungs.level, default=-1) + 1)]
    for i, level in enumerate(rungs.level):
        layers[level].append(i)
    best, fewest = [list(layer) for layer in layers], _n_crossings(rungs, layers)
    for sweep in range(_N_SWEEPS):
        neighbours = rungs.below if sweep % 2 else rungs.above
        for layer in reversed(layers) if sweep % 2 else layers:
            place = {i: k / len(row) for row in layers for k, i in enumerate(row)}
            layer.sort(key=lambda i: float(np.mean([place[j] for j in neighbours[i] or [i]])))
        crossings = _n_crossings(rungs, layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _n_crossings(rungs: _Rungs, layers: list[list[int]]) -> int:
    place = {i: k for layer in layers for k, i in enumerate(layer)}
    total = 0
    for layer in layers:
        ends: list[int] = []  # of the edges that begin further left
        for i in layer:
            below = [place[j] for j in rungs.below[i]]
            total += sum(len(ends) - bisect_right(ends, end) for end in below)
            for end in below:
                insort(ends, end)
    return total


def _across(rungs: _Rungs, layers: list[list[int]], widths: list[float], gap: float) -> NDArray[np.float64]:
    """Return the x of every rung: near its neighbours, in the order of its layer, and apart.

    The nearest places in the squared sense, subject to distances, are an isotonic regression of the
    wished places less what the distances take.
    """
    from scipy.optimize import isotonic_regression  # slow to import, and only pictures need it

    x = np.zeros(len(rungs.level))
    room = [
        np.cumsum([0.0, *((widths[a] + widths[b]) / 2 + gap for a, b in pairwise(row))]) for row in layers
    ]
    for row, starts in zip(layers, room, strict=True):
        x[row] = starts - starts[-1] / 2
    for sweep in range(_N_SWEEPS):
        order = range(len(layers)) if sweep % 2 == 0 else reversed(range(len(layers)))
        for level in order:
            row, starts = layers[level], room[level]
            wished = [np.mean(x[rungs.above[i] + rungs.below[i] or [i]]) for i in row]
            x[row] = isotonic_regression(np.asarray(wished) - starts).x + starts
    return x
