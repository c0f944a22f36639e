"""m-separation in every type against its definition by paths; many questions at once against one."""

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG, MAG, PAG, PDAG
from causalrep.utils import GraphError, UnknownNameError
from tests.graphs.definitions import definitely_separated_by_paths, random_graph, separated_by_paths
from tests.strategies import admgs, dags, mags

KINDS = ["DAG", "ADMG", "MAG", "CPDAG", "PDAG", "PAG"]


def by_definition(g, x, y, z):
    if isinstance(g, PAG):
        return definitely_separated_by_paths(g, x, y, z)
    return separated_by_paths(g.consistent_extension() if isinstance(g, PDAG) else g, x, y, z)


def check_questions(g, seed, n_questions):
    chance = random.Random(seed)
    for _ in range(n_questions):
        x, y, *others = chance.sample(g.nodes, len(g))
        z = [node for node in others if chance.random() < 0.4]
        expected = by_definition(g, x, y, z)
        assert g.is_separated(x, y, z) == expected, (g, x, y, z)
        assert (y in g.separated_from(x, z)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_separation_is_what_paths_define(kind):
    for seed in range(60):
        check_questions(random_graph(kind, seed, max_nodes=6), seed, 4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_separation_is_what_paths_define_in_2000_graphs(kind):
    for seed in range(2000):
        check_questions(random_graph(kind, 20_000 + seed), seed, 4)


@pytest.mark.parametrize("kind", ["CPDAG", "PAG"])
def test_a_class_answers_like_its_members(kind):
    for seed in range(60):
        g = random_graph(kind, seed, max_nodes=6)
        member = g.consistent_extension()
        for x, y in combinations(g, 2):
            rest = [node for node in g if node not in (x, y)]
            for z in ((), rest, rest[::2], rest[1::2]):
                assert g.is_separated(x, y, z) == member.is_separated(x, y, z), (g, x, y, z)


@pytest.mark.parametrize("kind", ["CPDAG", "PDAG"])
def test_paths_of_definite_status_say_what_members_say(kind):
    for seed in range(60):
        g = random_graph(kind, seed, max_nodes=6)
        open_ = PAG([(u, {"--": "o-o"}.get(edge, edge), v) for u, edge, v in g.edges], nodes=g.nodes)
        chance = random.Random(seed)
        for x, y in combinations(g, 2):
            z = [node for node in g if node not in (x, y) and chance.random() < 0.4]
            expected = g.is_separated(x, y, z)
            assert definitely_separated_by_paths(open_, x, y, z) == expected, (g, x, y, z)
            assert open_.is_separated(x, y, z) == expected


def test_a_path_of_open_status_does_not_connect():
    # The circles at B are no collider and no non-collider; an edge joins A and C, so none is needed.
    g = PAG.from_string("A o-o B o-o C")
    assert not g.is_separated("A", "C")
    assert g.is_separated("A", "C", "B")
    # Here A and C are joined, so B may be a collider or not, and C between A and D alike.
    shielded = PAG.from_string("A <-> C; A o-o B o-o C; C o-o D")
    assert shielded.is_separated("A", "D")
    assert not shielded.is_separated("B", "D")


def test_a_pag_that_no_graph_satisfies_still_answers():
    # A cycle of circles without a chord, as samples can yield: each node is a definite non-collider.
    g = PAG.from_string("A o-o B o-o C o-o D o-o A")
    assert g.is_separated("A", "C", {"B", "D"})
    assert not g.is_separated("A", "C", "B")


def test_a_pdag_without_members_says_so():
    g = PDAG.from_string("A -- B -- C -- D -- A")
    with pytest.raises(GraphError, match="no DAG has"):
        g.is_separated("A", "C")


def test_a_pdag_answers_for_its_members_not_for_its_marks():
    # That X -> Y and Y -- Z imply Y -> Z is left to the reader.
    g = PDAG.from_string("X -> Y -- Z")
    assert g.is_separated("X", "Z", "Y")
    assert not g.is_separated("X", "Z")


def test_selection_joins_by_undirected_edges():
    g = MAG.from_string("A -- B -- C -> D <-> E")
    assert not g.is_separated("A", "D")
    assert g.is_separated("A", "D", "B")
    assert g.is_separated("C", "E")
    assert not g.is_separated("A", "E", "D")
    assert g.is_separated("A", "E", {"C", "D"})


# Many questions at once


@st.composite
def questions(draw):
    g = draw(dags(min_nodes=1, max_nodes=8) | admgs(min_nodes=1, max_nodes=8) | mags(min_nodes=1))
    asked = []
    for _ in range(draw(st.integers(0, 8))):
        roles = draw(st.lists(st.sampled_from("xyz-"), min_size=len(g), max_size=len(g)))
        asked.append(
            tuple([node for node, role in zip(g, roles, strict=True) if role == name] for name in "xyz")
        )
    return g, asked


@given(questions())
def test_questions_asked_together_get_the_same_answers(case):
    g, asked = case
    found = g.are_separated(asked)
    assert found.dtype == bool
    assert found.tolist() == [g.is_separated(x, y, z) for x, y, z in asked]


@settings(max_examples=30)
@given(dags() | admgs() | mags(), st.data())
def test_the_matrix_holds_the_single_answers(g, data):
    z = data.draw(st.lists(st.sampled_from(g.nodes), unique=True)) if g.nodes else []
    found = g.separation_matrix(z)
    assert found.shape == (len(g), len(g))
    for i, u in enumerate(g):
        for j, v in enumerate(g):
            asked = u != v and u not in z and v not in z
            assert found[i, j] == (asked and g.is_separated(u, v, z))


@pytest.mark.parametrize("kind", KINDS)
def test_questions_asked_together_for_every_type(kind):
    for seed in range(15):
        g = random_graph(kind, seed)
        chance = random.Random(seed)
        asked = [(x, y, [v for v in rest if chance.random() < 0.3])
                 for x, y, *rest in (chance.sample(g.nodes, len(g)) for _ in range(12))]  # fmt: skip
        single = [g.is_separated(*query) for query in asked]
        assert g.are_separated(asked).tolist() == single
        matrix = g.separation_matrix()
        assert np.array_equal(matrix, matrix.T)
        assert all(matrix[g.nodes.index(x), g.nodes.index(y)] == g.is_separated(x, y) for x, y, _ in asked)


@pytest.mark.parametrize("seed", range(2))
def test_more_questions_than_fit_one_search(seed):
    chance = random.Random(seed)
    g = DAG([p for p in combinations(range(60), 2) if chance.random() < 0.05], nodes=range(60))
    asked = [(x, y, z) for x, y, *z in (chance.sample(range(60), 5) for _ in range(5000))]
    found = g.are_separated([*asked, *asked[:100]])
    for k in range(0, 5000, 37):
        assert found[k] == g.is_separated(*asked[k])
    assert 0 < found.mean() < 1
    assert np.array_equal(found[:100], found[5000:])


def test_a_zigzag_of_open_colliders_is_walked():
    # Up and down a thousand times: the sweeps must hand over to the queue.
    n = 1000
    edges = [((k, k + 1) if k % 2 == 0 else (k + 1, k)) for k in range(n)]
    g = DAG(edges, nodes=range(n + 1))
    colliders = range(1, n, 2)
    assert not g.are_separated([(0, n, colliders)])[0]
    assert g.are_separated([(0, n, list(colliders)[:-1])])[0]
    asked = [(0, n, [c for c in colliders if c != skip]) for skip in colliders]
    assert g.are_separated([*asked, (0, n, colliders)]).tolist() == [True] * 500 + [False]


def test_no_questions_get_no_answers():
    assert DAG.from_string("X -> Y").are_separated([]).shape == (0,)
    assert DAG().separation_matrix().shape == (0, 0)


@pytest.mark.parametrize("query", ["XY", ("X",), ("X", "Y", [], [])])
def test_a_question_is_two_or_three_sets(query):
    with pytest.raises(GraphError, match="`queries` must be tuples"):
        DAG.from_string("X -> Y").are_separated([query])


def test_what_a_question_names_must_exist_and_differ():
    g = ADMG.from_string("X <-> Y")
    with pytest.raises(UnknownNameError, match="`y` names 'Q'"):
        g.are_separated([("X", "Y"), ("X", "Q")])
    with pytest.raises(GraphError, match="`x` and `given` must be disjoint"):
        g.are_separated([("X", "Y", "X")])


# Moral graphs


@given(dags(max_nodes=5) | admgs(max_nodes=5) | mags())
def test_two_nodes_are_adjacent_in_the_moral_graph_iff_all_others_do_not_separate_them(g):
    moral = g.moralize()
    assert not moral.directed_edges
    for x, y in combinations(g, 2):
        rest = [node for node in g if node not in (x, y)]
        assert (y in moral.adjacent(x)) != g.is_separated(x, y, rest)


@given(dags(max_nodes=5) | admgs(max_nodes=5) | mags())
def test_the_markov_blanket_is_the_smallest_set_that_separates_from_the_rest(g):
    for node in g:
        blanket = g.markov_blanket(node)
        assert node not in blanket
        assert g.is_separated(node, [v for v in g if v != node and v not in blanket], blanket)
        for left_out in blanket:
            smaller = blanket - {left_out}
            assert not g.is_separated(node, [v for v in g if v != node and v not in smaller], smaller)


def test_a_class_has_one_moral_graph():
    for seed in range(20):
        g = random_graph("DAG", seed)
        assert g.to_cpdag().moralize() == g.moralize() == g.to_pag().moralize()
