from itertools import pairwise, permutations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import DAG
from causalrep.utils import CycleError
from tests.strategies import dags


@pytest.mark.parametrize(("n_nodes", "count"), [(0, 1), (1, 1), (2, 3), (3, 25), (4, 543)])
def test_the_cycle_check_lets_through_as_many_graphs_as_there_are_dags(every_dag, n_nodes, count):
    # Robinson 1973, OEIS A003024; conftest tries all orientations of all skeletons.
    assert len(set(every_dag[n_nodes])) == count


@given(dags())
def test_topological_order_puts_causes_first_and_ties_in_node_order(g):
    order = g.topological_order()
    place = {node: i for i, node in enumerate(order)}
    assert sorted(map(g.nodes.index, order)) == list(range(len(g)))
    assert all(place[u] < place[v] for u, v in g.directed_edges)
    # The lowest available node comes next: the first of all orders, compared by node position.
    if len(g) <= 5:
        valid = (
            ranks
            for ranks in permutations(range(len(g)))
            if all(ranks.index(g.nodes.index(u)) < ranks.index(g.nodes.index(v)) for u, v in g.directed_edges)
        )
        assert tuple(g.nodes.index(node) for node in order) == min(valid)


@given(dags())
def test_depth_is_the_length_of_the_longest_path_to_a_node(g):
    depth = {node: level for level, nodes in enumerate(g.depth_levels()) for node in nodes}
    assert len(depth) == len(g)
    for node in g:
        assert depth[node] == max((depth[parent] + 1 for parent in g.parents(node)), default=0)


def test_levels_list_their_nodes_in_node_order():
    assert DAG([("B", "A"), ("B", "C")], nodes=["D", "C", "B", "A"]).depth_levels() == (
        ("D", "B"),
        ("C", "A"),
    )


@given(dags(min_nodes=1, max_nodes=6))
def test_markov_blanket_is_the_smallest_set_that_separates_from_the_rest(g):
    node = g.nodes[0]
    blanket = g.markov_blanket(node)
    rest = [other for other in g if other != node and other not in blanket]
    assert g.is_separated(node, rest, given=blanket)
    for member in blanket:  # leaving out any one member lets it through
        assert not g.is_separated(node, member, given=blanket - {member})


@given(dags(), st.data())
def test_do_removes_the_edges_into_its_nodes_and_no_other(g, data):
    fixed = data.draw(st.lists(st.sampled_from(g.nodes), unique=True)) if len(g) else []
    h = g.do(*fixed)
    assert h.nodes == g.nodes
    assert h.directed_edges == {(u, v) for u, v in g.directed_edges if v not in fixed}


def test_do_leaves_the_graph_itself_alone():
    g = DAG.from_string("Z -> X -> Y")
    g.do("X")
    assert g.directed_edges == {("Z", "X"), ("X", "Y")}
    assert g.topological_order() == ("Z", "X", "Y")


def test_dag_is_made_of_a_networkx_digraph():
    graph = nx.DiGraph([("Z", "X"), ("X", "Y")])
    assert DAG(graph) == DAG([("Z", "X"), ("X", "Y")])
    assert DAG(graph, nodes=["Y", "X", "Z"]).nodes == ("Y", "X", "Z")


def test_a_cyclic_networkx_digraph_is_refused():
    with pytest.raises(CycleError) as caught:
        DAG(nx.DiGraph(pairwise("ABCA")))
    assert caught.value.cycle == ("A", "B", "C")
