"""Best-order score search against plain loops, enumeration of all graphs, and what it promises."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.discovery import BOSS, GES, BDeu, Bootstrap, GaussianBIC, Knowledge
from causalrep.discovery._best_order import best_order
from causalrep.discovery._grow_shrink import GrowShrinkTree
from causalrep.discovery._knowledge import Constraints
from causalrep.graphs import CPDAG, DAG
from causalrep.utils import DataError, UnknownNameError


def found_without_error(dag, seed, **options):
    rng = np.random.default_rng(seed)
    shape = (len(dag), len(dag))
    weights = dag.to_adjacency() * rng.uniform(0.4, 0.9, shape) * rng.choice([-1, 1], shape)
    total = np.linalg.inv(np.eye(len(dag)) - weights)
    # So many rows that the weakest dependence outweighs the penalty, and no rounding error does.
    return BOSS(GaussianBIC.from_covariance(total.T @ total, 10**12, dag.nodes), **options).fit()


@pytest.mark.parametrize("n_nodes", [1, 2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_without_sampling_error_every_class_is_found(all_dags, n_nodes):
    for seed, dag in enumerate(all_dags(list("abcd"[:n_nodes]))):
        assert found_without_error(dag, seed).graph_ == dag.to_cpdag()


@pytest.mark.parametrize(
    "seed", [*range(10), *(pytest.param(k, marks=pytest.mark.slow) for k in range(10, 150))]
)
def test_without_sampling_error_large_classes_are_found(random_dag, seed):
    dag = random_dag(seed, 5 + seed % 12, 2.5)
    assert found_without_error(dag, seed).graph_ == dag.to_cpdag()


def grown_and_shrunk(score, node, earlier, required=()):
    """Return the score and the parents by whole terms of the score."""
    parents = set(required)
    while True:
        gains = {
            k: score.local(node, sorted(parents | {k})) - score.local(node, sorted(parents))
            for k in earlier - parents
        }
        best = max(gains, key=gains.get, default=None)
        if best is None or gains[best] <= 0:
            break
        parents.add(best)
    while True:
        gains = {
            k: score.local(node, sorted(parents - {k})) - score.local(node, sorted(parents))
            for k in parents - set(required)
        }
        best = max(gains, key=gains.get, default=None)
        if best is None or gains[best] <= 0:
            return score.local(node, sorted(parents)), tuple(sorted(parents))
        parents.remove(best)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_the_tree_remembers_what_loops_find(random_dag, linear_data, seed):
    rng = np.random.default_rng(seed)
    score = GaussianBIC(rng.uniform(0.1, 2.0)).fit(linear_data(random_dag(seed, 7, 4.0), 40, seed))
    required = [5] if seed % 2 else []
    tree = GrowShrinkTree(score, 6, [k for k in range(6) if k not in required], required)
    for _ in range(10):  # later questions walk along branches of earlier ones
        earlier = set(np.flatnonzero(rng.random(6) < 0.6).tolist())
        total, parents = tree.best(sum(1 << k for k in earlier))
        expected, by_loops = grown_and_shrunk(score, 6, earlier - set(required), required)
        assert parents == by_loops
        assert total == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_no_variable_wants_to_move(random_dag, linear_data, seed):
    score = GaussianBIC().fit(linear_data(random_dag(seed, 6, 3.0), 100, seed))
    edges, _ = best_order(score, Constraints(None, score.canonical_names))
    order = DAG(edges, nodes=range(6)).topological_order()

    def total(order):
        return sum(grown_and_shrunk(score, k, set(order[:place]))[0] for place, k in enumerate(order))

    # The order found is one of the topological orders of its graph, none of which scores less.
    best = sum(score.local(k, sorted(p for p, child in edges if child == k)) for k in range(6))
    for node, place in itertools.product(range(6), repeat=2):
        moved = [k for k in order if k != node]
        moved.insert(place, node)
        assert total(moved) <= best + 1e-6


def test_the_score_is_mostly_the_best_of_all_graphs(all_dags, linear_data):
    dags, hits = list(all_dags(["x0", "x1", "x2", "x3"])), 0
    for seed in range(5):
        boss = BOSS().fit(linear_data(dags[(137 * seed + 60) % len(dags)], 60, seed))
        best = max(boss.local_score_.total(dag) for dag in dags)
        assert boss.score_ <= best + 1e-9
        hits += boss.score_ >= best - 1e-9
    assert hits >= 4


def test_scores_are_above_those_of_greedy_search(random_dag, linear_data):
    more = []
    for seed in range(5):
        data = linear_data(random_dag(seed, 12, 4.0), 300, seed)
        more.append(BOSS().fit(data).score_ - GES().fit(data).score_)
    assert min(more) > -1e-6
    assert max(more) > 5.0


@given(seed=st.integers(0, 10**6), order=st.permutations(range(6)))
@settings(max_examples=5)
def test_order_of_columns_changes_nothing(random_dag, linear_data, seed, order):
    data = linear_data(random_dag(seed, 6, 3.0), 80, seed)
    one, other = BOSS().fit(data), BOSS().fit(data.iloc[:, list(order)])
    assert one.graph_ == other.graph_
    assert one.score_ == pytest.approx(other.score_, rel=1e-12)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_knowledge_is_obeyed_whatever_the_data_say(random_dag, linear_data, seed):
    rng = np.random.default_rng(seed)
    data = linear_data(random_dag(seed, 6, 3.0), 100, seed)
    names = rng.permutation(data.columns).tolist()
    required = [(names[0], names[1]), (names[2], names[1])]
    forbidden = [(names[3], names[4]), (names[4], names[3]), (names[1], names[5]), (names[5], names[0])]
    graph = BOSS(knowledge=Knowledge(required, forbidden)).fit(data).graph_
    assert set(required) <= set(graph.directed_edges)
    assert graph.mark(names[3], names[4]) is None
    for cause, effect in forbidden:
        assert (cause, effect) not in graph.directed_edges
        assert {(cause, effect), (effect, cause)}.isdisjoint(graph.undirected_edges)


@pytest.mark.parametrize("seed", range(5))
def test_tiers_direct_what_they_can_without_sampling_error(random_dag, seed):
    dag = random_dag(seed, 7, 3.0)
    order = dag.topological_order()
    tiers = Knowledge(tiers=[order[:2], order[2:5], order[5:]])
    expected = dag.to_cpdag().to_mpdag(
        forbidden=[pair for pair in itertools.permutations(dag.nodes, 2) if tiers.forbids(*pair)]
    )
    found = found_without_error(dag, seed, knowledge=tiers).graph_
    assert found.directed_edges == expected.directed_edges
    assert found.undirected_edges == expected.undirected_edges


def test_discrete_variables():
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 2000))
    c = np.where(rng.random(2000) < 0.8, a | b, 0)
    assert BOSS(BDeu()).fit({"a": a, "b": b, "c": c}).graph_ == CPDAG.from_string("a -> c <- b")


def test_resamples(linear_data):
    data = linear_data(DAG.from_string("a -> c <- b; c -> d"), 500, 0)
    assert Bootstrap(BOSS(), n_replicates=4).fit(data).graph_.mark("a", "c") == "arrow"


def test_bad_parameters(linear_data):
    data = linear_data(DAG.from_string("a -> b"), 100, 0)
    with pytest.raises(UnknownNameError, match="did you mean 'bdeu'"):
        BOSS("bdue").fit(data)
    with pytest.raises(DataError, match="`X` is needed"):
        BOSS().fit()
