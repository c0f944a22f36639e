"""Distances by effects and by separations, against their definitions path by path and against gadjid."""

import random
from functools import cache
from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pytest

from causalrep.graphs import ADMG, CPDAG, DAG, PDAG
from causalrep.metrics import adjustment_distance, separation_distance, sid
from causalrep.utils import GraphError

KINDS = ["parent", "ancestor", "oset"]


def random_dag(n_nodes, p_edge, chance):
    order = chance.sample(range(n_nodes), n_nodes)
    return DAG(
        [pair for pair in combinations(order, 2) if chance.random() < p_edge],
        nodes=chance.sample(range(n_nodes), n_nodes),
    )


def random_pairs(n_pairs, n_nodes, p_edge, *, seed):
    """Pairs of DAGs and CPDAGs in all mixtures; the guess is often near the truth."""
    chance = random.Random(seed)
    for k in range(n_pairs):
        truth = random_dag(n_nodes, p_edge, chance)
        guess = random_dag(n_nodes, p_edge, chance)
        if k % 3 == 0:
            order = truth.topological_order()
            kept = [edge for edge in truth.directed_edges if chance.random() < 0.8]
            guess = DAG([*kept, *([] if truth.adjacent(order[0]) else [order[:2]])], nodes=truth.nodes)
        yield (
            truth.to_cpdag() if k % 4 in (1, 2) else truth,
            guess.to_cpdag() if k % 4 in (1, 3) else guess,
        )


# The definition, by lists of paths


def paths(g, x, y):
    return (
        nx.all_simple_paths(nx.Graph([*g.directed_edges, *g.undirected_edges]), x, y)
        if joined(g, x, y)
        else []
    )


def joined(g, x, y):
    skeleton = nx.Graph([*g.directed_edges, *g.undirected_edges])
    return x in skeleton and y in skeleton and nx.has_path(skeleton, x, y)


def possibly_directed(g, x, y):
    """Paths on which no edge between any two of the nodes points back."""
    return [
        path
        for path in paths(g, x, y)
        if not any((later, earlier) in g.directed_edges for earlier, later in combinations(path, 2))
    ]


def is_amenable(g, x, y):
    return all((path[0], path[1]) in g.directed_edges for path in possibly_directed(g, x, y))


def is_blocked(g, path, given):
    for a, b, c in zip(path, path[1:], path[2:], strict=False):
        if {(a, b), (c, b)} <= g.directed_edges:
            if given.isdisjoint({b, *g.descendants(b)}):
                return True
        elif b in given:
            return True
    return False


@cache
def is_valid_in_dag(g, x, y, given):
    """Shpitser, VanderWeele and Robins 2010: nothing forbidden given, all non-causal paths blocked."""
    on_causal_paths = {node for path in possibly_directed(g, x, y) for node in path[1:]}
    if given & on_causal_paths.union(*map(g.descendants, on_causal_paths)):
        return False
    causal = {tuple(path) for path in possibly_directed(g, x, y)}
    return all(tuple(path) in causal or is_blocked(g, path, given) for path in paths(g, x, y))


@cache
def members(g):
    return [g] if isinstance(g, DAG) else list(g.dags())


def proposal(g, kind, x, y):
    """What a graph says of the effect of x on y: "zero", "unclear", or a set."""
    if kind == "parent" and y in g.parents(x):
        return "zero"
    if kind != "parent" and not possibly_directed(g, x, y):
        return "zero"
    if not is_amenable(g, x, y):
        return "unclear"
    if kind == "oset":
        dag = members(g)[-1]  # of an amenable pair all members have the same
        causal = {node for path in possibly_directed(dag, x, y) for node in path[1:]}
        forbidden = causal.union(*map(dag.descendants, causal)) | {x}
        return frozenset().union(*map(dag.parents, causal)) - forbidden
    return frozenset(g.parents(x) if kind == "parent" else g.ancestors(x))


def is_wrong(truth, kind, guess, x, y):
    said = proposal(guess, kind, x, y)
    if said == "zero":
        return bool(possibly_directed(truth, x, y))
    if said == "unclear":
        return is_amenable(truth, x, y)
    return not all(is_valid_in_dag(member, x, y, said) for member in members(truth))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_nodes", "p_edge"), [(3, 0.5), (4, 0.5), (5, 0.4)])
def test_the_distance_counts_the_pairs_that_are_wrong_by_definition(n_nodes, p_edge, kind):
    for truth, guess in random_pairs(24, n_nodes, p_edge, seed=n_nodes):
        expected = sum(is_wrong(truth, kind, guess, x, y) for x, y in permutations(range(n_nodes), 2))
        assert adjustment_distance(truth, guess, kind) == expected


# gadjid


def peer(kind, truth, guess):
    gadjid = pytest.importorskip("gadjid")
    function = {"parent": gadjid.parent_aid, "ancestor": gadjid.ancestor_aid, "oset": gadjid.oset_aid}[kind]
    return function(coded(truth, truth.nodes), coded(guess, truth.nodes), edge_direction="from row to column")


def coded(g, nodes):
    place = {node: i for i, node in enumerate(nodes)}
    A = np.zeros((len(nodes), len(nodes)), dtype=np.int8)
    for code, edges in ((1, g.directed_edges), (2, g.undirected_edges)):
        for u, v in edges:
            A[place[u], place[v]] = code
    return A


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("n_nodes", "p_edge", "n_pairs"), [(5, 0.5, 60), (8, 0.3, 60), (12, 0.5, 30), (40, 0.1, 12)]
)
def test_the_distance_is_that_of_gadjid(n_nodes, p_edge, n_pairs, kind):
    for truth, guess in random_pairs(n_pairs, n_nodes, p_edge, seed=n_nodes):
        share, count = peer(kind, truth, guess)
        assert adjustment_distance(truth, guess, kind) == count
        assert adjustment_distance(truth, guess, kind, normalized=True) == pytest.approx(share, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_distance_of_all_pairs_of_classes_on_four_nodes_is_that_of_gadjid(kind):
    pairs = list(combinations(range(4), 2))
    classes = {
        DAG(
            [
                pair if forward else pair[::-1]
                for pair, kept, forward in zip(pairs, skeleton, turns, strict=True)
                if kept
            ],
            nodes=range(4),
        ).to_cpdag()
        for skeleton in np.ndindex(*[2] * 6)
        for turns in acyclic_turns(pairs)
    }
    assert len(classes) == 185
    for truth in classes:
        for guess in classes:
            assert adjustment_distance(truth, guess, kind) == peer(kind, truth, guess)[1]


def acyclic_turns(pairs):
    for order in permutations(range(4)):
        yield [order.index(u) < order.index(v) for u, v in pairs]


def test_in_batches_the_distance_is_the_same(monkeypatch):
    chance = random.Random(0)
    truth, guess = random_dag(30, 0.15, chance), random_dag(30, 0.15, chance)
    whole = adjustment_distance(truth, guess, "oset"), separation_distance(truth, guess)
    monkeypatch.setattr("causalrep.metrics._distances._BITS", 7 * 30**2)
    assert (adjustment_distance(truth, guess, "oset"), separation_distance(truth, guess)) == whole


# SID


def test_sid_of_the_published_example():
    # Peters and Bühlmann 2015, example 4: both guesses are one edge off by SHD, but not alike by SID.
    truth = DAG.from_string("{X1 X2} -> {Y1 Y2 Y3}; X1 -> X2")
    extra = DAG([*truth.directed_edges, ("Y1", "Y2")], nodes=truth.nodes)
    turned = DAG.from_string("{X1 X2} -> {Y1 Y2 Y3}; X2 -> X1")
    assert (sid(truth, extra), sid(truth, turned)) == (0, 8)


@pytest.mark.parametrize("seed", range(5))
def test_sid_is_zero_iff_every_parent_set_of_the_guess_holds_the_true_effects(seed):
    chance = random.Random(seed)
    truth = random_dag(7, 0.4, chance)
    order = truth.topological_order()
    fuller = DAG(
        [pair for pair in combinations(order, 2) if pair in truth.directed_edges or chance.random() < 0.5],
        nodes=truth.nodes,
    )
    assert sid(truth, fuller) == 0
    assert sid(truth, truth) == 0
    assert (sid(truth, DAG(nodes=truth.nodes)) == 0) == (not truth.directed_edges)


def test_sid_is_the_parent_distance_of_dags_only():
    truth, guess = DAG.from_string("X -> Y -> Z; X -> Z"), DAG.from_string("Z -> Y -> X")
    assert sid(truth, guess) == adjustment_distance(truth, guess, "parent")
    assert sid(truth, guess, normalized=True) == sid(truth, guess) / 6
    with pytest.raises(GraphError, match="`guess` must be a DAG, got CPDAG; `adjustment_distance`"):
        sid(truth, guess.to_cpdag())


# Separations


def possible_ancestors(g, x, y):
    return frozenset(
        z for z in g.nodes if z not in (x, y) and any(possibly_directed(g, z, end) for end in (x, y))
    )


@pytest.mark.parametrize(("n_nodes", "p_edge"), [(4, 0.5), (5, 0.5), (6, 0.3)])
def test_the_separation_distance_counts_wrong_pairs_by_definition(n_nodes, p_edge):
    for truth, guess in random_pairs(24, n_nodes, p_edge, seed=n_nodes):
        claims, expected = guess.to_cpdag(), 0
        for x, y in combinations(range(n_nodes), 2):
            if y in guess.adjacent(x):
                expected += y not in truth.adjacent(x)
            else:
                expected += not members(truth)[0].is_separated(x, y, possible_ancestors(claims, x, y))
        assert separation_distance(truth, guess) == expected


def test_the_separation_distance_sees_classes_only():
    for truth, guess in random_pairs(40, 5, 0.5, seed=1):
        truth, guess = members(truth)[0], members(guess)[0]
        distance = separation_distance(truth, guess)
        assert (distance == 0) == truth.is_markov_equivalent(guess)
        for other in truth.to_cpdag().dags(limit=4):
            assert separation_distance(other, guess.to_cpdag()) == distance
        for other in guess.to_cpdag().dags(limit=4):
            assert separation_distance(truth.to_cpdag(), other) == distance


def test_the_separation_distance_is_scaled_by_the_number_of_pairs():
    truth, guess = DAG.from_string("A; B; C; D"), DAG.from_string("A -> B; C -> D; C; D")
    assert separation_distance(truth, guess, normalized=True) == 2 / 6
    assert separation_distance(guess, truth) == 2


# All of them


@pytest.mark.parametrize("distance", [sid, adjustment_distance, separation_distance])
def test_small_graphs_have_a_distance(distance):
    assert distance(DAG(), DAG(), normalized=True) == 0.0
    assert distance(DAG(nodes=["X"]), DAG(nodes=["X"])) == 0


@pytest.mark.parametrize("distance", [sid, adjustment_distance, separation_distance])
def test_networkx_graphs_are_accepted_and_other_nodes_refused(distance):
    truth = DAG.from_string("X -> Y -> Z")
    assert distance(truth.to_networkx(), nx.DiGraph([("Z", "Y"), ("Y", "X")])) == distance(
        truth, DAG.from_string("Z -> Y -> X")
    )
    with pytest.raises(GraphError, match="got no 'Z' in `guess`"):
        distance(truth, DAG.from_string("X -> Y"))


def test_a_pdag_counts_if_it_is_the_graph_of_a_class():
    truth = DAG.from_string("X -> Y -> Z")
    as_pdag = PDAG(undirected=[("X", "Y"), ("Y", "Z")])
    assert adjustment_distance(truth, as_pdag) == adjustment_distance(truth, CPDAG.from_string("X -- Y -- Z"))
    with pytest.raises(GraphError, match="got 'X' -> 'Y', but some members"):
        adjustment_distance(truth, PDAG.from_string("X -> Y -- Z"))


def test_other_types_and_kinds_are_refused():
    truth = DAG.from_string("X -> Y")
    with pytest.raises(GraphError, match="`guess` must be a DAG or a CPDAG, got ADMG"):
        adjustment_distance(truth, ADMG(bidirected=[("X", "Y")]))
    with pytest.raises(ValueError, match="`kind` must be one of 'parent', 'ancestor', 'oset', got 'parents'"):
        adjustment_distance(truth, truth, "parents")


def test_distances_of_large_graphs_stay_within_the_number_of_pairs():
    chance = random.Random(0)
    pair = []
    for _ in range(2):
        edges = {tuple(sorted(chance.sample(range(300), 2))) for _ in range(900)}
        names = chance.sample(range(300), 300)
        pair.append(DAG([(names[i], names[j]) for i, j in edges], nodes=range(300)))
    for kind in KINDS:
        assert 0 < adjustment_distance(*pair, kind) <= 300 * 299
