from itertools import combinations

import numpy as np
import pytest
from hypothesis import given

from causalrep.graphs import DAG, PDAG
from causalrep.plotting._layout import layered_layout
from tests.strategies import dags, pdags

GAP = 24.0


def sizes_of(graph):
    return {node: (20.0 + 7.0 * i, 20.0) for i, node in enumerate(graph.nodes)}


@given(dags(max_nodes=8))
def test_directed_edges_point_down_all_the_way(g):
    layout = layered_layout(g, sizes_of(g))
    for u, v in g.directed_edges:
        route = layout.routes[u, v]
        np.testing.assert_array_equal(route[[0, -1]], [layout.positions[u], layout.positions[v]])
        assert (np.diff(route[:, 1]) < 0).all()


@given(pdags(max_nodes=7))
def test_nodes_of_a_layer_keep_their_distance(g):
    sizes = sizes_of(g)
    layout = layered_layout(g, sizes, gap=GAP)
    for (u, (x, y)), (v, (other_x, other_y)) in combinations(layout.positions.items(), 2):
        if y == other_y:
            # Rounding: the distances are sums of a few floats below 1e3.
            assert abs(x - other_x) >= (sizes[u][0] + sizes[v][0]) / 2 + GAP - 1e-9


@given(dags(max_nodes=8))
def test_a_long_edge_passes_between_the_nodes(g):
    sizes = sizes_of(g)
    layout = layered_layout(g, sizes, gap=GAP)
    for route in layout.routes.values():
        for x, y in route[1:-1]:
            for node, (node_x, node_y) in layout.positions.items():
                if node_y == y:
                    assert abs(x - node_x) >= sizes[node][0] / 2 + GAP - 1e-9


def test_edges_are_untangled():
    # In node order A, B above C, D the two edges would cross; so would the three of the second layer.
    g = DAG.from_string("A; B; C; D; E; F; A -> D; B -> C; C -> F; D -> E")
    layout = layered_layout(g, sizes_of(g))
    x = {node: place[0] for node, place in layout.positions.items()}
    assert (x["A"] < x["B"]) == (x["D"] < x["C"]) == (x["E"] < x["F"])


def test_a_root_stands_right_above_its_first_child():
    layout = layered_layout(DAG.from_string("A -> B -> C -> D; R -> D"), dict.fromkeys("ABCDR", (20.0, 20.0)))
    assert layout.positions["R"][1] == layout.positions["C"][1]


def test_undirected_edges_join_different_layers():
    g = PDAG.from_string("B -- A -- C; C -> D; B -- C")
    layout = layered_layout(g, sizes_of(g))
    assert all(layout.positions[u][1] != layout.positions[v][1] for u, v in g.undirected_edges)


@pytest.mark.parametrize("edge", [("C", "A"), ("A", "C")])
def test_more_edges_may_close_a_cycle(edge):
    g = DAG.from_string("A -> B -> C")
    layout = layered_layout(g, sizes_of(g), more_edges=[edge])
    np.testing.assert_array_equal(layout.routes[edge][0], layout.positions[edge[0]])


def test_a_single_chain_is_straight():
    g = DAG.from_string("A -> B -> C")
    assert {x for x, _ in layered_layout(g, sizes_of(g)).positions.values()} == {0.0}
