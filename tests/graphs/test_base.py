"""What all graph types share: labels, neighbours, equality, hash, pickling."""

import copy
import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import CPDAG, DAG, PDAG
from causalrep.utils import CycleError, GraphError, UnknownNameError
from tests.strategies import dags, pdags, text_labels


@pytest.mark.parametrize(
    ("label", "other"), [("X", "Y"), (1, 0), (("X", -1), ("X", 0)), (frozenset("ab"), "ab"), (2.5, None)]
)
def test_any_hashable_is_a_label(label, other):
    g = DAG([(label, other)])
    assert g.nodes == (label, other)
    assert g.parents(other) == {label}
    assert label in g
    assert "nobody" not in g


def test_results_come_in_node_order_not_in_edge_order():
    g = DAG([("C", "Y"), ("A", "Y"), ("B", "Y"), ("Y", "Z")], nodes=["B", "Z", "A", "Y", "C"])
    assert list(g.parents("Y")) == ["B", "A", "C"]
    assert list(g.ancestors("Z")) == ["B", "A", "Y", "C"]
    assert list(g.directed_edges) == [("B", "Y"), ("A", "Y"), ("Y", "Z"), ("C", "Y")]


def test_nodes_default_to_the_order_of_first_appearance():
    assert DAG([("Z", "Y"), ("X", "Z")]).nodes == ("Z", "Y", "X")


def test_ancestors_and_descendants_of_several_nodes_leave_these_out():
    g = DAG.from_string("A -> B -> C -> D; E -> D")
    assert g.ancestors(["B", "D"]) == {"A", "C", "E"}
    assert g.descendants(["A", "C"]) == {"B", "D"}


def test_a_pair_that_is_a_label_is_one_node_not_two():
    g = DAG([("a", "b"), (("a", "b"), "c")])
    assert g.ancestors(("a", "b")) == set()
    assert g.ancestors([("a", "b"), "c"]) == set()
    assert g.descendants(("a", "b")) == {"c"}


@given(dags())
def test_ancestors_and_descendants_are_the_transitive_closure_of_parents(g):
    for node in g:
        expected = set()
        for parent in g.parents(node):
            expected |= {parent} | set(g.ancestors(parent))
        assert g.ancestors(node) == expected
        assert g.descendants(node) == {other for other in g if node in g.ancestors(other)}


@given(pdags())
def test_marks_tell_the_kind_of_every_edge(g):
    marks = {("tail", "arrow"): set(), ("tail", "tail"): set(), ("arrow", "tail"): set(), (None, None): set()}
    for u in g:
        for v in g:
            if u != v:
                marks[g.mark(v, u), g.mark(u, v)].add((u, v))
    assert marks["tail", "arrow"] == g.directed_edges
    assert {frozenset(pair) for pair in marks["tail", "tail"]} == {
        frozenset(pair) for pair in g.undirected_edges
    }
    assert all(g.adjacent(u).isdisjoint({v}) for u, v in marks[None, None])


def test_neighbors_are_the_undirected_ones_and_adjacent_are_all():
    g = PDAG(directed=[("X", "Y"), ("Y", "Z")], undirected=[("W", "Y")])
    assert g.neighbors("Y") == {"W"}
    assert g.adjacent("Y") == {"X", "Z", "W"}
    assert g.parents("Y") == {"X"}
    assert g.children("Y") == {"Z"}


def test_equality_and_hash_see_content_not_order():
    g = DAG([("X", "Y"), ("Z", "Y")], nodes=["X", "Y", "Z"])
    h = DAG([("Z", "Y"), ("X", "Y")], nodes=["Z", "Y", "X"])
    assert g == h
    assert hash(g) == hash(h)


@pytest.mark.parametrize(
    "other",
    [
        DAG([("Y", "X")], nodes=["X", "Y"]),
        DAG([("X", "Y")], nodes=["X", "Y", "Z"]),
        DAG([], nodes=["X", "Y"]),
        DAG([("X", "Z")]),
        PDAG(undirected=[("X", "Y")]),
    ],
    ids=["reversed", "more nodes", "no edge", "other node", "undirected"],
)
def test_graphs_with_other_content_differ(other):
    g = DAG([("X", "Y")])
    assert g != other
    assert hash(g) != hash(other)


def test_equality_does_not_ask_for_the_class():
    assert PDAG(directed=[("X", "C"), ("Y", "C")]) == CPDAG(directed=[("X", "C"), ("Y", "C")])
    assert DAG([("X", "Y")]) != "X -> Y"


@given(pdags(), st.randoms(use_true_random=False))
def test_shuffling_nodes_and_edges_gives_an_equal_graph(g, chance):
    def shuffled(items):
        items = list(items)
        chance.shuffle(items)
        return items

    h = PDAG(
        shuffled(g.directed_edges), [pair[::-1] for pair in shuffled(g.undirected_edges)], shuffled(g.nodes)
    )
    assert g == h
    assert hash(g) == hash(h)


@given(pdags())
def test_pickle_and_deepcopy_keep_everything(g):
    for twin in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        assert type(twin) is PDAG
        assert twin == g
        assert twin.nodes == g.nodes


@given(dags(min_nodes=1), st.data())
def test_subgraph_keeps_exactly_the_edges_inside_and_the_node_order(g, data):
    kept = data.draw(st.lists(st.sampled_from(g.nodes), unique=True))
    part = g.subgraph(kept)
    assert part.nodes == tuple(node for node in g.nodes if node in kept)
    assert part.directed_edges == {(u, v) for u, v in g.directed_edges if u in kept and v in kept}


def test_subgraph_of_a_cpdag_is_a_pdag():
    part = CPDAG.from_string("X -> C <- Y").subgraph(["X", "C"])
    assert type(part) is PDAG
    assert part.directed_edges == {("X", "C")}


@given(dags(labels=text_labels, max_nodes=4))
def test_repr_builds_the_graph_again(g):
    assert eval(repr(g)) == g


def test_repr_of_a_large_graph_is_short():
    assert repr(DAG([(i, i + 1) for i in range(99)])) == "<DAG: 100 nodes, 99 edges>"


# Bad input


@pytest.mark.parametrize("make", [DAG, PDAG, CPDAG])
def test_a_self_loop_is_named(make):
    with pytest.raises(GraphError, match=r"self-loop 'X' -> 'X'"):
        make([("Y", "X"), ("X", "X")])


def test_a_repeated_edge_is_named():
    with pytest.raises(GraphError, match="'X' -> 'Y' and 'X' -> 'Y'"):
        DAG([("X", "Y"), ("X", "Y")])


@pytest.mark.parametrize("pair", [("X", "Y"), ("Y", "X")])
def test_a_directed_and_an_undirected_edge_exclude_each_other(pair):
    with pytest.raises(GraphError, match=f"'X' -> 'Y' and '{pair[0]}' -- '{pair[1]}'"):
        PDAG(directed=[("X", "Y")], undirected=[pair])


@pytest.mark.parametrize("make", [DAG, PDAG])
def test_opposite_edges_are_a_cycle_of_two(make):
    with pytest.raises(CycleError) as caught:
        make([("X", "Y"), ("Y", "X")])
    assert caught.value.cycle == ("X", "Y")


@given(st.integers(2, 8), st.randoms(use_true_random=False))
@pytest.mark.parametrize("make", [DAG, PDAG])
def test_the_cycle_in_the_error_is_a_cycle_of_the_graph(make, length, chance):
    ring = [(i, (i + 1) % length) for i in range(length)]
    # Nodes above 9 hang off the ring, those below 0 lead to it: neither is on the cycle.
    edges = [*ring, (0, 10), (10, 11), (-1, 0), (-2, -1)]
    chance.shuffle(edges)
    with pytest.raises(CycleError) as caught:
        make(edges)
    cycle = caught.value.cycle
    assert sorted(cycle) == list(range(length))
    assert set(zip(cycle, (*cycle[1:], cycle[0]), strict=True)) <= set(edges)


def test_a_repeated_node_is_named():
    with pytest.raises(GraphError, match="repeat a node, got 'Y' twice"):
        DAG([], nodes=["X", "Y", "Z", "Y"])


def test_an_edge_to_an_undeclared_node_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'price'"):
        DAG([("prize", "demand")], nodes=["price", "demand"])


@pytest.mark.parametrize(
    "ask",
    [
        lambda g: g.parents("lenght"),
        lambda g: g.ancestors(["light", "lenght"]),
        lambda g: g.subgraph(["lenght"]),
        lambda g: g.mark("lenght", "light"),
        lambda g: g.do("light", "lenght"),
        lambda g: g.is_separated("lenght", "light"),
        lambda g: g.separated_from("light", "lenght"),
    ],
)
def test_an_unknown_node_suggests_the_nearest_wherever_it_is_asked_for(ask):
    g = DAG([("light", "length")])
    with pytest.raises(UnknownNameError, match="did you mean 'length'") as caught:
        ask(g)
    assert caught.value.name == "lenght"
    assert caught.value.known == ("light", "length")


@pytest.mark.parametrize("edges", [["XY"], [("X",)], [("X", "Y", "Z")], [{"X", "Y"}], [3]])
def test_an_edge_that_is_no_pair_is_refused(edges):
    with pytest.raises(GraphError, match="must be pairs"):
        DAG(edges)


def test_a_text_instead_of_edges_names_from_string():
    with pytest.raises(GraphError, match="from_string"):
        DAG("X -> Y")


def test_a_long_chain_needs_no_recursion():
    n_nodes = 5_000
    g = DAG([(i, i + 1) for i in range(n_nodes - 1)])
    assert len(g.ancestors(n_nodes - 1)) == n_nodes - 1
    assert not g.is_separated(0, n_nodes - 1)
    assert g.to_cpdag().consistent_extension() == g
    assert len(DAG.from_string(g.to_string()).depth_levels()) == n_nodes


def test_memory_is_linear_in_the_edges():
    # A dense matrix of this many nodes would need 2.5 GB, even at one byte per pair.
    g = DAG([(i, i + 1) for i in range(50_000)])
    chance = random.Random(0)
    some = chance.sample(range(50_000), 5)
    assert all(g.parents(i) == ({i - 1} if i else set()) for i in some)
