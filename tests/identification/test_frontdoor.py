"""Front-door sets against the definition over all sets, and against effects in linear models."""

import random
from itertools import chain

import networkx as nx
import numpy as np
import pytest

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification import frontdoor_sets
from causalrep.utils import GraphError, UnknownNameError
from tests.identification.oracles import LinearModel, as_dag, random_admg, subsets


def is_frontdoor(g, x, y, given, chosen):
    """The criterion, word for word."""
    between = nx.DiGraph(list(g.directed_edges))
    between.add_nodes_from(g.nodes)
    between.remove_nodes_from(chosen)
    if any(nx.has_path(between, a, b) for a in x for b in y):
        return False
    if not chosen:
        return True
    return (
        not set(given) & set(g.descendants(chosen))
        and g.cut_outgoing(*x).is_separated(x, chosen, given)
        and g.cut_outgoing(*chosen).is_separated(chosen, y, {*x, *given})
    )


def draw(seed, most):
    chance = random.Random(seed)
    g = random_admg(chance, chance.randint(3, most), directed=0.4, bidirected=0.12)
    nodes = chance.sample(g.nodes, len(g))
    size = chance.choice([1, 1, 2]) if len(g) > 3 else 1
    x, y, rest = nodes[:size], nodes[size : size + 1], nodes[size + 1 :]
    given = [v for v in rest if v not in g.descendants(x) and chance.random() < 0.15]
    restrict = [v for v in rest if v not in given and chance.random() < 0.85]
    return g, x, y, given, restrict, [v for v in restrict if chance.random() < 0.1]


def check(seed, most):
    g, x, y, given, restrict, include = draw(seed, most)
    expected = [
        set(m) for m in subsets(restrict) if set(include) <= set(m) and is_frontdoor(g, x, y, given, m)
    ]
    options = {"given": given, "restrict": restrict, "include": include}
    found = frontdoor_sets(g, x, y, kind="all", **options)
    assert len(found) == len(expected)
    assert {frozenset(m) for m in found} == {frozenset(m) for m in expected}
    largest, smallest = (frontdoor_sets(g, x, y, kind=kind, **options) for kind in ("maximal", "minimal"))
    assert len(largest) == len(smallest) == bool(expected)
    if expected:
        assert largest[0] == set(chain.from_iterable(expected))
        assert smallest[0] in expected
        assert not any(m < smallest[0] for m in expected)


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_sets_agree_with_the_definition(start):
    for seed in range(start, start + 20):
        check(seed, 6)


@pytest.mark.slow
def test_sets_agree_with_the_definition_on_10000_graphs():
    for seed in range(10_000):
        check(seed, 7)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_the_front_door_formula_gives_the_effect_in_linear_models(start):
    # E[Y | do(x)] then has slope (slopes of M on X) times (slopes of Y on M), given X and W.
    n_seen = 0
    for seed in range(start, start + 50):
        g, x, y, given, _, _ = draw(seed, 6)
        model = LinearModel(g, seed)
        for chosen in frontdoor_sets(g, x, y, given=given, kind="all"):
            m = list(chosen)
            if not m:
                assert np.allclose(model.effect(x, y[0]), 0)
                continue
            onto = np.array([model.coefficients(v, [*x, *given])[: len(x)] for v in m])
            from_m = model.coefficients(y[0], [*m, *x, *given])[: len(m)]
            assert np.allclose(from_m @ onto, model.effect(x, y[0]), atol=1e-8)
            n_seen += 1
    assert n_seen > 5


@pytest.mark.parametrize("seed", range(20))
def test_a_dag_with_latents_answers_like_its_bidirected_edges(seed):
    g, x, y, given, _, _ = draw(seed, 5)
    for kind in ("all", "minimal", "maximal"):
        assert frontdoor_sets(as_dag(g), x, y, given=given, kind=kind) == frontdoor_sets(
            g, x, y, given=given, kind=kind
        )


def test_pearls_example():
    smoking = DAG([("U", "X"), ("U", "Y"), ("X", "M"), ("M", "Y")], latent="U")
    assert frontdoor_sets(smoking, "X", "Y") == (NodeSet(["M"]),)
    assert frontdoor_sets(smoking, "X", "Y", restrict=[]) == ()


def test_a_confounded_mediator_is_no_front_door():
    assert frontdoor_sets(ADMG.from_string("X -> M -> Y; X <-> Y; M <-> Y"), "X", "Y") == ()
    assert frontdoor_sets(ADMG.from_string("X -> M -> Y; X <-> Y; X <-> M"), "X", "Y") == ()
    assert frontdoor_sets(ADMG.from_string("X -> M -> Y; X -> Y; X <-> Y"), "X", "Y") == ()


def test_jeong_and_others_figure_1():
    # A back-door path of B through A is blocked only if A is in the set as well.
    g = ADMG.from_string("X -> {A B}; A -> B; A -> Y; B -> Y; X <-> Y")
    assert frontdoor_sets(g, "X", "Y", kind="all") == (NodeSet(["A", "B"]),)


@pytest.mark.parametrize("nodes", ["XMYVST", "XMYTSV"])
def test_what_is_dropped_lets_back_door_paths_through(nodes):
    # V has a back-door path through T; once it is out, its edge to Y is part of a back-door path of S,
    # whichever of the two edges the search tries first.
    g = ADMG(
        [("X", "M"), ("M", "Y"), ("V", "Y"), ("T", "V"), ("T", "Y")],
        [("X", "Y"), ("S", "V")],
        nodes=nodes,
        latent="T",
    )
    assert frontdoor_sets(g, "X", "Y", kind="maximal") == (NodeSet(["M"]),)


def test_a_minimal_set_blocks_the_back_doors_of_what_blocks_a_back_door():
    # B is needed to close a back-door path of A, and C to close one of B.
    g = ADMG.from_string("X -> A -> Y; B -> {A Y}; C -> {B Y Q}; Q -> B; A <-> H; H <-> B")
    assert frontdoor_sets(g, "X", "Y") == (NodeSet(["A", "B", "C"]),)


def test_a_long_chain_needs_no_recursion():
    n_nodes = 4000
    g = ADMG([(i, i + 1) for i in range(n_nodes - 1)], [(0, n_nodes - 1)], nodes=range(n_nodes))
    assert frontdoor_sets(g, 0, n_nodes - 1) == (NodeSet([n_nodes - 2]),)
    assert len(frontdoor_sets(g, 0, n_nodes - 1, kind="maximal")[0]) == n_nodes - 2
    assert len(frontdoor_sets(g, 0, n_nodes - 1, kind="all", limit=2, restrict=[1, 2, 3])) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"given": "M"}, GraphError, "descendant of `x`, got 'M'"),
        ({"given": "U"}, GraphError, "observed"),
        ({"kind": "least"}, UnknownNameError, "'least'"),
        ({"include": "M", "restrict": []}, GraphError, "within"),
        ({"limit": -1}, GraphError, "negative"),
        ({"include": "Y"}, GraphError, "disjoint"),
    ],
)
def test_mistakes_are_named(options, error, message):
    g = DAG([("U", "X"), ("U", "Y"), ("X", "M"), ("M", "Y")], latent="U")
    with pytest.raises(error, match=message):
        frontdoor_sets(g, "X", "Y", **options)


def test_a_class_of_graphs_is_refused():
    with pytest.raises(GraphError, match="type DAG or ADMG"):
        frontdoor_sets(DAG.from_string("X -> M -> Y").to_cpdag(), "X", "Y")
