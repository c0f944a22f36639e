"""Separators of every kind and graph type against the list of all sets that separate."""

import random
from itertools import combinations, islice, product

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, PAG
from causalrep.utils import GraphError, UnknownNameError
from tests.graphs.conftest import dags_on
from tests.graphs.definitions import minimal, random_graph, separating_sets
from tests.strategies import admgs, dags, mags

KINDS = ["DAG", "ADMG", "MAG", "CPDAG", "PDAG", "PAG"]


def check(g, x, y, include, restrict, weights):
    """Compare everything that searches separators with the list of all of them."""
    every = separating_sets(g, x, y, include, restrict)
    asked = {"include": include, "restrict": restrict}
    found = g.find_separator(x, y, **asked)
    assert found in every if every else found is None
    wanted = minimal(every)
    listed = list(g.minimal_separators(x, y, **asked))
    assert len(listed) == len(wanted)
    assert set(listed) == wanted
    nearest = g.find_minimal_separator(x, y, **asked)
    assert nearest == (listed[0] if listed else None)
    for prices in (None, weights):
        cheapest = g.find_minimum_separator(x, y, **asked, weights=prices)
        if not every:
            assert cheapest is None
            continue
        price = {node: (prices or {}).get(node, 1) for node in g}
        cost = {one: sum(price[node] for node in one) for one in every}
        assert cost[cheapest] == min(cost.values())


def check_random(g, seed):
    chance = random.Random(seed)
    x, y, *others = chance.sample(g.nodes, len(g))
    role = [chance.choice("ffffir-") for _ in others]
    include = [node for node, what in zip(others, role, strict=True) if what == "i"]
    restrict = [node for node, what in zip(others, role, strict=True) if what != "-"]
    check(g, x, y, include, restrict, {node: chance.choice((1, 2, 5)) for node in g})


@pytest.mark.parametrize("kind", KINDS)
def test_separators_are_those_that_enumeration_finds(kind):
    for seed in range(40):
        check_random(random_graph(kind, seed, max_nodes=6), seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_separators_are_those_that_enumeration_finds_in_2000_graphs(kind):
    for seed in range(2000):
        check_random(random_graph(kind, 10_000 + seed), seed)


@pytest.mark.parametrize("n_nodes", [2, 3, 4])
def test_separators_in_every_small_dag(every_dag, n_nodes):
    # Relabelling gives every pair of nodes in every graph. On 4 nodes one restriction in turn for each.
    restrictions = [
        ([i for i, role in zip(range(2, n_nodes), roles, strict=True) if role == 2],
         [i for i, role in zip(range(2, n_nodes), roles, strict=True) if role])
        for roles in product(range(3), repeat=n_nodes - 2)
    ]  # fmt: skip
    for number, g in enumerate(every_dag[n_nodes]):
        asked = restrictions if n_nodes < 4 else [restrictions[number % 9]]
        for include, restrict in asked:
            check(g, 0, 1, include, restrict, {n_nodes - 1: 3})


@pytest.mark.slow
def test_separators_in_every_dag_on_five_nodes():
    chance = random.Random(0)
    n_graphs = 0
    for g in dags_on(5):
        n_graphs += 1
        roles = [chance.randrange(4) for _ in range(3)]
        include = [2 + k for k, role in enumerate(roles) if role == 3]
        restrict = [2 + k for k, role in enumerate(roles) if role]
        check(g, 0, 1, [], [2, 3, 4], {2: 2, 4: 3})
        check(g, 0, 1, include, restrict, {3: 4})
    assert n_graphs == 29_281


@settings(max_examples=30)
@given(dags(min_nodes=4, max_nodes=7) | admgs(min_nodes=4, max_nodes=7) | mags(min_nodes=4), st.data())
def test_sets_of_several_nodes_are_separated(g, data):
    roles = data.draw(st.permutations("xxyy" + "-" * (len(g) - 4)))
    x, y, rest = ([v for v, role in zip(g, roles, strict=True) if role == name] for name in "xy-")
    check(g, x, y, [], rest, {})


@pytest.mark.parametrize("seed", range(4))
def test_minimal_separators_agree_with_networkx(seed):
    chance = random.Random(seed)
    g = DAG([pair for pair in combinations(range(40), 2) if chance.random() < 0.08], nodes=range(40))
    twin = g.to_networkx()
    for _ in range(20):
        x, y, *include = chance.sample(range(40), 4)
        found = g.find_minimal_separator(x, y, include=include)
        theirs = nx.find_minimal_d_separator(twin, x, y, included=set(include))
        assert (found is None) == (theirs is None)
        if found is not None:
            assert nx.is_minimal_d_separator(twin, x, y, set(found), included=set(include))


def test_a_minimum_is_found_where_the_nearest_minimal_set_is_larger():
    g = DAG.from_string("X -> {A B C} -> D -> Y")
    assert g.find_minimal_separator("X", "Y") == {"A", "B", "C"}
    assert g.find_minimum_separator("X", "Y") == {"D"}
    assert g.find_minimum_separator("X", "Y", weights={"D": 3}) == {"A", "B", "C"}
    assert g.find_minimum_separator("X", "Y", weights={"D": 2.5}) == {"D"}


def test_exponentially_many_sets_are_listed_one_by_one():
    k = 40
    g = DAG([e for i in range(k) for e in (("X", (i, 0)), ((i, 0), (i, 1)), ((i, 1), "Y"))])
    first = list(islice(g.minimal_separators("X", "Y"), 50))
    assert len(set(first)) == 50
    assert all(len(one) == k and g.is_separated("X", "Y", one) for one in first)
    assert list(g.minimal_separators("X", "Y", limit=3)) == first[:3]


def test_all_minimal_sets_of_a_long_ladder():
    # On each of three paths one node is chosen of four.
    g = DAG([(a, b) for p in "abc" for a, b in
             [("X", p + "0"), *[(f"{p}{i}", f"{p}{i + 1}") for i in range(3)], (p + "3", "Y")]])  # fmt: skip
    assert len(list(g.minimal_separators("X", "Y"))) == 64


@pytest.mark.parametrize(
    "text",
    [
        "X -> {A B} -> C -> Y",
        "X -> {A B} -> {C D} -> Y",
        "X -> A -> {B C} -> D -> Y; X -> C; B -> Y",
        "X <- {A B}; A -> C <-> Y; B -> D -> Y; C -> D",
    ],
)
def test_paths_that_cross_and_meet(text):
    g = ADMG.from_string(text)
    others = [node for node in g if node not in ("X", "Y")]
    check(g, "X", "Y", [], others, {"A": 2, "C": 3})
    check(g, "Y", "X", [], others, {"A": 3})


def test_latent_nodes_do_not_separate_unless_asked():
    g = DAG([("U", "X"), ("U", "Y"), ("U", "W"), ("W", "X")], latent="U")
    assert g.find_separator("X", "Y") is None
    assert g.find_minimal_separator("X", "Y") is None
    assert list(g.minimal_separators("X", "Y")) == []
    assert g.find_minimum_separator("X", "Y", restrict=["U", "W"]) == {"U"}
    with pytest.raises(GraphError, match="observed nodes, got 'U' outside"):
        g.find_separator("X", "Y", include="U")


def test_the_empty_set_separates_what_is_apart():
    g = ADMG.from_string("X -> A <-> B <- Y")
    assert g.find_minimal_separator("X", "Y") == set()
    assert list(g.minimal_separators("X", "Y")) == [set()]
    assert g.find_minimum_separator("X", "Y") == set()


def test_an_inducing_path_leaves_no_separator():
    g = ADMG.from_string("X -> A -> Y; A <-> Y")
    assert g.find_separator("X", "Y") is None
    assert g.find_minimal_separator("X", "Y") is None


def test_members_answer_for_a_class():
    assert CPDAG.from_string("A -- B -- C").find_minimal_separator("A", "C") == {"B"}
    assert PAG.from_string("A o-o B o-o C").find_minimal_separator("A", "C") == {"B"}


def test_a_pag_without_members_has_no_separators_to_offer():
    g = PAG.from_string("A o-o B o-o C o-o D o-o A")
    with pytest.raises(GraphError, match="no MAG has the marks of this PAG"):
        g.find_minimal_separator("A", "C")


def test_undirected_edges_can_be_cut():
    assert MAG.from_string("A -- B -- C; A -- D -- C").find_minimal_separator("A", "C") == {"B", "D"}


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_a_weight_is_positive_and_finite(weight):
    with pytest.raises(GraphError, match="`weights` must be finite numbers above zero"):
        DAG.from_string("X -> M -> Y").find_minimum_separator("X", "Y", weights={"M": weight})


def test_a_weight_is_that_of_a_node():
    with pytest.raises(UnknownNameError, match="`weights` names 'Q'"):
        DAG.from_string("X -> M -> Y").find_minimum_separator("X", "Y", weights={"Q": 1})


@pytest.mark.parametrize("name", ["find_separator", "find_minimal_separator", "find_minimum_separator",
                                  "minimal_separators"])  # fmt: skip
def test_what_is_asked_is_checked_at_once(name):
    g = DAG.from_string("X -> M -> Y; Z")
    with pytest.raises(GraphError, match="must be disjoint"):
        getattr(g, name)("X", "X")
    with pytest.raises(GraphError, match="`include` must lie within `restrict`"):
        getattr(g, name)("X", "Y", include="Z", restrict=["M"])


def test_a_long_row_is_no_recursion():
    g = DAG([(i, i + 1) for i in range(4000)])
    assert g.find_minimal_separator(0, 4000) == {1}
    assert g.find_minimum_separator(0, 4000) == {1}
    assert next(g.minimal_separators(0, 4000)) == {1}
