"""d-separation against its definition, against networkx, and against the laws of independence."""

import random
from itertools import combinations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import CPDAG, DAG
from causalrep.utils import GraphError
from tests.strategies import dags


def moral_separated(g, x, y, given):
    """Lauritzen's criterion: separation in the moral graph of the smallest ancestral set."""
    ends = {*x, *y, *given}
    inside = ends | set(g.ancestors(ends))
    moral = nx.Graph()
    moral.add_nodes_from(inside - set(given))
    for node in inside:
        family = [node, *g.parents(node)]
        moral.add_edges_from((a, b) for a, b in combinations(family, 2) if a not in given and b not in given)
    return not any(nx.has_path(moral, a, b) for a in x for b in y)


@st.composite
def queries(draw, max_nodes=7):
    g = draw(dags(min_nodes=2, max_nodes=max_nodes))
    roles = draw(st.lists(st.sampled_from("xyz-"), min_size=len(g), max_size=len(g)))
    sets = [[node for node, role in zip(g, roles, strict=True) if role == name] for name in "xyz"]
    return (g, *sets)


@given(queries())
def test_separation_agrees_with_the_moral_graph(query):
    g, x, y, z = query
    assert g.is_separated(x, y, given=z) == moral_separated(g, x, y, z)


@pytest.mark.parametrize("n_nodes", [3, 4])
def test_separation_agrees_with_the_moral_graph_on_every_small_dag(every_dag, n_nodes):
    triples = [
        (a, b, given)
        for a, b in combinations(range(n_nodes), 2)
        for size in range(n_nodes - 1)
        for given in combinations(set(range(n_nodes)) - {a, b}, size)
    ]
    chance = random.Random(0)
    for g in every_dag[n_nodes]:
        for a, b, given_ in chance.sample(triples, 6):
            assert g.is_separated(a, b, given_) == moral_separated(g, {a}, {b}, given_)


@pytest.mark.parametrize("seed", range(5))
def test_separation_agrees_with_networkx_on_larger_dags(seed):
    chance = random.Random(seed)
    g = DAG([pair for pair in combinations(range(30), 2) if chance.random() < 0.1], nodes=range(30))
    twin = g.to_networkx()
    for _ in range(40):
        x, y, *z = chance.sample(range(30), chance.randint(2, 12))
        assert g.is_separated(x, y, z) == nx.is_d_separator(twin, {x}, {y}, set(z))


@pytest.mark.parametrize(
    ("text", "given_", "expected"),
    [
        ("X -> M -> Y", [], False),
        ("X -> M -> Y", ["M"], True),
        ("X <- M -> Y", ["M"], True),
        ("X -> M <- Y", [], True),
        ("X -> M <- Y", ["M"], False),
        ("X -> M <- Y; M -> D -> E", ["E"], False),
        ("X <- A -> M <- B -> Y", [], True),  # M-bias
        ("X <- A -> M <- B -> Y", ["M"], False),
        ("X <- A -> M <- B -> Y", ["M", "A"], True),
        ("X -> Y", [], False),
        ("X; Y", [], True),
    ],
)
def test_separation_on_the_textbook_patterns(text, given_, expected):
    g = DAG.from_string(text)
    assert g.is_separated("X", "Y", given=given_) is expected
    assert g.is_separated("Y", "X", given=given_) is expected


def test_a_node_alone_is_a_set_of_one():
    g = DAG.from_string("X -> M -> Y")
    assert g.is_separated("X", "Y", given="M") == g.is_separated({"X"}, {"Y"}, given={"M"})


@given(queries())
def test_all_targets_form_agrees_with_single_queries(query):
    g, x, _, z = query
    expected = {node for node in g if node not in (*x, *z) and g.is_separated(x, node, z)}
    found = g.separated_from(x, given=z)
    assert found == expected
    assert list(found) == [node for node in g if node in found]


@given(dags())
def test_local_markov_property(g):
    for node in g:
        parents = g.parents(node)
        others = [v for v in g if v != node and v not in parents and v not in g.descendants(node)]
        assert g.is_separated(node, others, given=parents)


@given(queries())
def test_separation_from_a_set_is_separation_from_each_member(query):
    # Composition and decomposition hold for d-separation.
    g, x, y, z = query
    assert g.is_separated(x, y, z) == all(g.is_separated(a, b, z) for a in x for b in y)


@pytest.mark.parametrize("ask", [("X", "X", []), ("X", "Y", ["Y"]), (["X", "M"], "Y", ["M"])])
def test_overlapping_sets_are_refused(ask):
    g = DAG.from_string("X -> M -> Y")
    with pytest.raises(GraphError, match="must be disjoint"):
        g.is_separated(*ask)


# Separators


@given(dags(min_nodes=2, max_nodes=6), st.data())
def test_a_separator_is_found_iff_a_search_of_all_sets_finds_one(g, data):
    x, y = data.draw(st.permutations(g.nodes))[:2]
    others = [node for node in g if node not in (x, y)]
    include = data.draw(st.lists(st.sampled_from(others), unique=True)) if others else []
    optional = data.draw(st.lists(st.sampled_from(others), unique=True)) if others else []
    restrict = {*include, *optional}
    found = g.find_separator(x, y, include=include, restrict=restrict)
    exists = any(
        g.is_separated(x, y, chosen)
        for size in range(len(restrict) + 1)
        for chosen in combinations(restrict, size)
        if set(include) <= set(chosen)
    )
    assert (found is not None) == exists
    if found is not None:
        assert set(include) <= found <= restrict
        assert g.is_separated(x, y, found)


def test_adjacent_nodes_have_no_separator():
    assert DAG.from_string("X -> Y; Z -> X; Z -> Y").find_separator("X", "Y") is None


def test_a_separator_must_be_able_to_include_what_it_must():
    with pytest.raises(GraphError, match="'Z' outside"):
        DAG.from_string("X; Y; Z").find_separator("X", "Y", include="Z", restrict=[])


# Equivalence classes


@given(queries(max_nodes=5))
def test_a_cpdag_answers_like_every_member(query):
    g, x, y, z = query
    c = g.to_cpdag()
    assert type(c) is CPDAG
    assert c.is_separated(x, y, z) == g.is_separated(x, y, z)
