from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG, PAG, PDAG, layered_layout
from tests.strategies import admgs, dags, pags, pdags

GAP = 24.0


def sizes_of(graph):
    return {node: (20.0 + 7.0 * i, 20.0) for i, node in enumerate(graph.nodes)}


@given(dags(max_nodes=8))
def test_directed_edges_point_down_all_the_way(g):
    layout = layered_layout(g, sizes_of(g))
    for u, v in g.directed_edges:
        route = layout.routes[u, "->", v]
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


@pytest.mark.parametrize("edge", [("C", "->", "A"), ("A", "--", "C")])
def test_more_edges_may_close_a_cycle(edge):
    g = DAG.from_string("A -> B -> C")
    layout = layered_layout(g, sizes_of(g), more_edges=[edge])
    np.testing.assert_array_equal(layout.routes[edge][0], layout.positions[edge[0]])


def test_a_single_chain_is_straight():
    g = DAG.from_string("A -> B -> C")
    assert {x for x, _ in layered_layout(g, sizes_of(g)).positions.values()} == {0.0}


@pytest.mark.parametrize("draw", [admgs(max_nodes=6), pags(max_nodes=6)], ids=["ADMG", "PAG"])
@given(data=st.data())
def test_every_edge_of_every_type_has_a_way_of_its_own(draw, data):
    g = data.draw(draw)
    layout = layered_layout(g, sizes_of(g))
    assert layout.routes.keys() == set(g.edges)
    for (u, _, v), route in layout.routes.items():
        np.testing.assert_array_equal(route[[0, -1]], [layout.positions[u], layout.positions[v]])
    ways = [route.tobytes() for route in layout.routes.values()]
    assert len(set(ways)) == len(ways)


@given(admgs(max_nodes=6))
def test_bidirected_edges_are_bent_and_do_not_move_the_nodes_of_others_up_or_down(g):
    layout = layered_layout(g, sizes_of(g))
    without = layered_layout(ADMG(g.directed_edges, nodes=g.nodes), sizes_of(g))
    assert all(layout.positions[node][1] == without.positions[node][1] for node in g.nodes)
    for (u, kind, v), route in layout.routes.items():
        if kind == "<->":
            assert len(route) > 2, (u, v)


def test_a_circle_with_an_arrow_points_down_where_it_can():
    g = PAG.from_string("Y <-o X; Y -> Z; W o-> Y")
    layout = layered_layout(g, sizes_of(g))
    height = {node: place[1] for node, place in layout.positions.items()}
    assert height["X"] == height["W"] > height["Y"] > height["Z"]
    cycle = PAG.from_string("X o-> Y o-> Z o-> X")
    assert layered_layout(cycle, sizes_of(cycle)).routes.keys() == set(cycle.edges)
