"""Possible ancestors and visible edges against the members of the class."""

import random
from itertools import combinations, product

import pytest

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, MPDAG, PAG
from causalrep.utils import CycleError, GraphError, UnknownNameError
from tests.graphs.definitions import mag_classes, random_graph, skeletons


def members_of(g):
    """All DAGs with the adjacencies, v-structures and directions of a PDAG."""
    free = list(g.undirected_edges)
    wanted = v_structures(g)
    for turned in product((False, True), repeat=len(free)):
        edges = [(v, u) if turn else (u, v) for (u, v), turn in zip(free, turned, strict=True)]
        try:
            member = DAG([*g.directed_edges, *edges], nodes=g.nodes)
        except CycleError:
            continue
        if v_structures(member) == wanted:
            yield member


def v_structures(g):
    return {
        (frozenset(pair), node)
        for node in g
        for pair in combinations(g.parents(node), 2)
        if pair[1] not in g.adjacent(pair[0])
    }


def check_possible(g):
    members = list(members_of(g))
    assert members
    for node in g:
        assert g.possible_ancestors(node) == {a for m in members for a in m.ancestors(node)}
        assert g.possible_descendants(node) == {d for m in members for d in m.descendants(node)}


@pytest.mark.parametrize("kind", ["CPDAG", "PDAG"])
def test_what_is_possible_happens_in_a_member(kind):
    for seed in range(60):
        check_possible(random_graph(kind, seed, max_nodes=6))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CPDAG", "PDAG"])
def test_what_is_possible_happens_in_a_member_of_2000_graphs(kind):
    for seed in range(2000):
        check_possible(random_graph(kind, 30_000 + seed, max_nodes=6))


#: Among these a triangle with a tail, a cycle, and a dense graph on 4 nodes; and all on 3 nodes.
SKELETONS = [
    *((pairs, 3) for pairs in skeletons(3)),
    ([(0, 1), (0, 2), (1, 2), (2, 3)], 4),
    ([(0, 1), (1, 2), (2, 3), (0, 3)], 4),
    ([(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], 4),
]


@pytest.mark.parametrize(("pairs", "n_nodes"), SKELETONS)
def test_in_a_pag_it_happens_in_a_maximal_ancestral_graph(pairs, n_nodes):
    for members in mag_classes(pairs, n_nodes):
        g = members[0].to_pag()
        for node in g:
            assert g.possible_ancestors(node) == {a for m in members for a in m.ancestors(node)}
            assert g.possible_descendants(node) == {d for m in members for d in m.descendants(node)}


def test_knowledge_bars_ways_that_single_edges_allow():
    # X -- Y -- Z is open edge by edge, yet Z -> X.
    g = MPDAG(directed=[("Z", "X")], undirected=[("X", "Y"), ("Y", "Z")])
    assert g.possible_descendants("X") == {"Y"}
    assert g.possible_ancestors("Z") == {"Y"}


def test_several_nodes_have_the_union_without_themselves():
    g = CPDAG.from_string("A -- B -- C; D -- E")
    assert g.possible_descendants(["A", "D"]) == {"B", "C", "E"}
    assert g.possible_ancestors(["A", "B"]) == {"C"}
    with pytest.raises(UnknownNameError, match="`nodes` names 'Q'"):
        g.possible_ancestors("Q")


def test_selection_does_not_point():
    g = PAG.from_string("A -- B --o C; B --o D")
    assert g.possible_descendants("A") == set()
    assert g.possible_descendants("B") == {"C", "D"}
    assert g.possible_ancestors("C") == {"B"}


# Visible edges


def with_a_hidden_cause(g, u, v):
    """The MAG, over the same nodes, of its canonical DAG with one more hidden cause of u and v."""
    full = ADMG(g.directed_edges, [*g.bidirected_edges, (u, v)], nodes=g.nodes)
    return full.to_mag()


def check_visible(g):
    """An invisible edge stays as it is when its ends get a hidden common cause; a visible one does not."""
    for u, v in g.directed_edges:
        unchanged = with_a_hidden_cause(g, u, v) == g
        assert g.is_visible(u, v) != unchanged, (g, u, v)


def test_an_edge_is_visible_iff_a_hidden_common_cause_would_show():
    for seed in range(150):
        g = random_graph("MAG", seed, max_nodes=6)
        if not g.undirected_edges:
            check_visible(g)


@pytest.mark.parametrize(("pairs", "n_nodes"), SKELETONS)
def test_visible_edges_of_a_pag_are_visible_in_all_members(pairs, n_nodes):
    for members in mag_classes(pairs, n_nodes):
        g = members[0].to_pag()
        for u, v in g.directed_edges:
            answers = {m.is_visible(u, v) for m in members}
            assert g.is_visible(u, v) == (answers == {True})


def test_visibility_at_a_distance():
    g = MAG.from_string("V -> W <-> X -> Y; W -> Y")
    assert g.is_visible("X", "Y")
    assert not MAG.from_string("W <-> X -> Y; W -> Y").is_visible("X", "Y")
    # W is a collider on the way, but no parent of Y.
    beside = MAG.from_string("V -> W <-> X -> Y; W <-> Y")
    assert not beside.is_visible("X", "Y")
    check_visible(beside)


def test_only_directed_edges_are_visible_or_not():
    with pytest.raises(GraphError, match="must be joined by an edge 'X' -> 'Y'"):
        MAG.from_string("X <-> Y").is_visible("X", "Y")


def test_random_order_of_nodes_does_not_matter():
    g = random_graph("CPDAG", 5)
    order = list(g.nodes)
    random.Random(0).shuffle(order)
    other = CPDAG(g.directed_edges, g.undirected_edges, nodes=order)
    for node in g:
        assert g.possible_ancestors(node) == other.possible_ancestors(node)
