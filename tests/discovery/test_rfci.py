"""RFCI: with an oracle its skeleton holds that of FCI, and its marks hold in the true graph."""

from itertools import combinations, product

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from causalrep.discovery import FCI, PC, RFCI, Knowledge
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._rfci import _Rounds
from causalrep.discovery._search import CanonicalTest
from causalrep.discovery._skeleton import Skeleton
from causalrep.graphs import DAG
from causalrep.independence import FisherZ, Oracle


def ordered_dags(n):
    """All DAGs on 0, ..., n - 1 with edges from lower to higher nodes; relabelling gives the others."""
    pairs = list(combinations(range(n), 2))
    for chosen in product([False, True], repeat=len(pairs)):
        yield DAG([pair for pair, keep in zip(pairs, chosen, strict=True) if keep], nodes=range(n))


def skeleton_of(graph):
    return {frozenset((u, v)) for u in graph.nodes for v in graph.adjacent(u)}


def assert_sound(dag, latent=(), selection=()):
    """Compare with the PAG and with who causes whom; return whether the two graphs are the same."""
    found = RFCI(test=Oracle(dag, latent=latent, selection=selection), selection=bool(selection)).fit()
    truth = dag.to_pag(latent=latent, selection=selection)
    assert skeleton_of(found.graph_) >= skeleton_of(truth)
    assert found.conflicts_ == ()
    for u in found.graph_.nodes:
        for v in found.graph_.adjacent(u):
            causes = v in dag.ancestors(u) or any(v in dag.ancestors(s) for s in selection)
            mark = found.graph_.mark(u, v)  # at v
            assert mark != "arrow" or not causes, (dag.to_string(), latent, selection, u, v)
            assert mark != "tail" or causes, (dag.to_string(), latent, selection, u, v)
    for pair, separating in found.sepsets_.items():
        assert dag.is_separated(*pair, [*separating, *selection])
        for member in separating:
            assert not dag.is_separated(*pair, [*(set(separating) - {member}), *selection])
    return found.graph_ == truth


def test_all_dags_of_four_nodes_with_every_marginalisation():
    same = [
        assert_sound(dag, hidden)
        for dag in ordered_dags(4)
        for hidden in [(), *combinations(range(4), 1), *combinations(range(4), 2)]
    ]
    assert all(same)  # on few nodes it loses nothing


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_dags_of_five_nodes_with_every_marginalisation():
    for dag in ordered_dags(5):
        for hidden in [(), *combinations(range(5), 1), *combinations(range(5), 2)]:
            assert_sound(dag, hidden)


def test_all_dags_of_four_nodes_with_selection():
    for dag in ordered_dags(4):
        assert_sound(dag, selection=(3,))
        assert_sound(dag, latent=(0,), selection=(3,))


def random_case(rng, largest):
    d = int(rng.integers(5, largest + 1))
    order, density = rng.permutation(d), rng.uniform(0.15, 0.5)
    edges = [(int(order[a]), int(order[b])) for a, b in combinations(range(d), 2) if rng.random() < density]
    special = rng.permutation(d).tolist()
    n_latent, n_selected = int(rng.integers(0, 4)), int(rng.integers(0, 2))
    return DAG(edges, nodes=range(d)), special[:n_latent], special[n_latent : n_latent + n_selected]


def test_random_larger_dags():
    rng = np.random.default_rng(0)
    for _ in range(60):
        assert_sound(*random_case(rng, 10))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_thousand_random_larger_dags():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        assert_sound(*random_case(rng, 12))


def hidden_pairs(common, edges, n):
    nodes = [*(f"v{k}" for k in range(n)), *common]
    every = [(hidden, f"v{k}") for hidden, ends in common.items() for k in ends] + edges
    return DAG(every, nodes=nodes), list(common)


def test_it_keeps_an_edge_that_only_sets_far_away_separate():
    """The graph on which no set of neighbours separates a pair that is not adjacent (that of FCI's test)."""
    common = {"U": "05", "V": "06", "W": "12", "P": "23", "Q": "35", "R": "45", "S": "46"}
    dag, hidden = hidden_pairs(common, [("v1", "v0"), ("v3", "v2"), ("v4", "v1"), ("v6", "v2")], 7)
    assert not assert_sound(dag, hidden)
    oracle = Oracle(dag, latent=hidden)
    fci, rfci = FCI(test=oracle).fit(), RFCI(test=oracle).fit()
    assert len(skeleton_of(rfci.graph_)) > len(skeleton_of(fci.graph_))
    assert rfci.n_tests_ < fci.n_tests_


def test_discriminating_paths_are_read():
    for text, hidden in (
        ("Q -> A; A -> Y; U -> A; U -> B; B -> Y", "U"),
        ("Q -> A -> Y; U -> {A B}; W -> {B Y}", "UW"),
    ):
        dag = DAG.from_string(text)
        assert assert_sound(dag, tuple(hidden))
        graph = RFCI(test=Oracle(dag, latent=tuple(hidden))).fit().graph_
        assert "circle" not in (graph.mark("B", "Y"), graph.mark("Y", "B"))


def test_column_order_changes_nothing(random_dag, linear_data):
    data = linear_data(random_dag(3, 10), 150, 3).drop(columns=["x0", "x1"])
    one = RFCI(alpha=0.1).fit(data)
    for seed in range(4):
        shuffled = data[list(np.random.default_rng(seed).permutation(data.columns))]
        other = RFCI(alpha=0.1).fit(shuffled)
        assert other.graph_ == one.graph_
        assert {pair: other.sepsets_[pair] for pair in one.sepsets_} == dict(one.sepsets_)
        assert (other.n_tests_, other.conflicts_) == (one.n_tests_, one.conflicts_)


def test_a_sample_gives_the_graph_of_the_oracle():
    rng = np.random.default_rng(0)
    a, b, c, u, e = rng.normal(size=(5, 4000))
    x, y = a + u + 0.7 * rng.normal(size=4000), b + u + 0.7 * rng.normal(size=4000)
    data = {"A": a, "B": b, "C": c, "X": x, "Y": y, "Z": y + c + e}
    dag = DAG.from_string("A -> X; B -> Y; U -> X; U -> Y; Y -> Z; C -> Z")
    assert RFCI().fit(data).graph_ == dag.to_pag(latent=["U"])


def test_knowledge_is_obeyed():
    oracle = Oracle(DAG.from_string("X -> Y; Y -> Z"))
    tiers = RFCI(test=oracle, knowledge=Knowledge(tiers=[["X"], ["Y"], ["Z"]])).fit().graph_
    assert (tiers.mark("X", "Y"), tiers.mark("Y", "Z"), tiers.mark("Z", "Y")) == ("arrow", "arrow", "tail")
    kept = RFCI(test=oracle, knowledge=Knowledge(required=[("X", "Z")])).fit()
    assert ("X", "Z") in kept.graph_.directed_edges
    assert [conflict.kind for conflict in kept.conflicts_] == ["required"]
    apart = Knowledge(forbidden=[("X", "Y"), ("Y", "X")])
    assert "Y" not in RFCI(test=oracle, knowledge=apart).fit().graph_.adjacent("X")


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")
@parametrize_with_checks([RFCI()])
def test_estimator_passes_the_common_checks(estimator, check):
    check(estimator)


def test_an_edge_of_a_triple_that_what_separates_its_ends_separates_goes():
    """I and K are separated by M, which is adjacent to neither J nor K: no other test asks J, K | M."""
    R = np.eye(4)
    for a, b, r in ((0, 3, 0.7), (0, 1, -0.4), (0, 2, 0.117), (2, 3, 0.1), (1, 2, 0.117), (1, 3, 0.1)):
        R[a, b] = R[b, a] = r
    test = FisherZ.from_correlation(R, 500, list("IJKM"))
    assert test.test("J", "K").pvalue < 0.01 < test.test("J", "K", "M").pvalue
    first, found = PC(test=test).fit(), RFCI(test=test).fit()
    assert skeleton_of(first.graph_) == {frozenset("IM"), frozenset("IJ"), frozenset("JK")}
    assert first.sepsets_["I", "K"] == {"M"}
    assert skeleton_of(found.graph_) == {frozenset("IM"), frozenset("IJ")}
    assert found.sepsets_["J", "K"] == {"M"}
    assert found.pvalues_[1, 2] == test.test("J", "K", "M").pvalue
    # Both edges of I - J - K given M, of which J - K is also asked given nothing: it is the smallest set.
    assert found.n_tests_ - sum(found.n_tests_per_level_) >= 4


def test_a_path_with_an_edge_too_many_does_not_stand():
    dag = DAG([(0, 2), (1, 2), (2, 3), (0, 1)], nodes=range(4))
    adjacency = np.zeros((4, 4), dtype=bool)
    for i, j in ((0, 1), (0, 2), (1, 2), (2, 3), (1, 3)):  # 1 - 3 is one too many: 2 separates it
        adjacency[i, j] = adjacency[j, i] = True
    pairs, sets = np.array([[0, 3]]), np.array([[2]])
    start = Skeleton(adjacency, np.full((4, 4), np.nan), pairs, sets, pairs[:0], (0,), 0)
    rounds = _Rounds(CanonicalTest(Oracle(dag), np.arange(4)), 0.01, Constraints(None, range(4)), start)
    assert rounds.stands([0, 1, 2, 3])  # all neighbours on it depend given {} and {2}
    assert not rounds.fell
    assert not rounds.stands([0, 2, 1, 3])
    assert rounds.fell
    assert np.argwhere(rounds.skeleton.adjacency != adjacency).tolist() == [[1, 3], [3, 1]]
    assert rounds.skeleton.pairs.tolist() == [[0, 3], [1, 3]]
    assert rounds.skeleton.sets.tolist() == [[2], [2]]
    rounds.check_triples()
    assert not rounds.fell
