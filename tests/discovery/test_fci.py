"""FCI: exact with an oracle, free of column order, faithful to knowledge, honest about contradictions."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from causallearn.search.ConstraintBased.FCI import fci
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks

from causalrep.discovery import FCI, Knowledge
from causalrep.graphs import DAG
from causalrep.independence import FisherZ, Oracle
from causalrep.utils import UnknownNameError
from tests.strategies import dags


def all_dags(n):
    """All DAGs on 0, ..., n - 1 with edges from lower to higher nodes; relabelling gives the others."""
    pairs = list(combinations(range(n), 2))
    for chosen in product([False, True], repeat=len(pairs)):
        yield DAG([pair for pair, keep in zip(pairs, chosen, strict=True) if keep], nodes=range(n))


def assert_exact(dag, latent=(), selection=()):
    truth = dag.to_pag(latent=latent, selection=selection)
    for rule in ("max_p", "standard"):
        oracle = Oracle(dag, latent=latent, selection=selection)
        found = FCI(test=oracle, selection=bool(selection), collider_rule=rule).fit()
        assert found.graph_ == truth, (dag.to_string(), latent, selection, rule)
        assert not found.conflicts_


def test_all_dags_of_four_nodes_with_every_marginalisation():
    for dag in all_dags(4):
        for hidden in [(), *combinations(range(4), 1), *combinations(range(4), 2)]:
            assert_exact(dag, hidden)


@pytest.mark.slow
def test_all_dags_of_five_nodes_with_every_marginalisation():
    for dag in all_dags(5):
        for hidden in [(), *combinations(range(5), 1), *combinations(range(5), 2)]:
            assert_exact(dag, hidden)


def test_all_dags_of_four_nodes_with_selection():
    for dag in all_dags(4):
        assert_exact(dag, selection=(3,))
        assert_exact(dag, latent=(0,), selection=(3,))


def random_case(rng, largest):
    d = int(rng.integers(5, largest + 1))
    order, density = rng.permutation(d), rng.uniform(0.15, 0.5)
    edges = [(int(order[a]), int(order[b])) for a, b in combinations(range(d), 2) if rng.random() < density]
    special = rng.permutation(d).tolist()
    n_latent, n_selected = int(rng.integers(0, 4)), int(rng.integers(0, 2))
    return DAG(edges, nodes=range(d)), special[:n_latent], special[n_latent : n_latent + n_selected]


def test_random_larger_dags():
    rng = np.random.default_rng(0)
    for _ in range(40):
        assert_exact(*random_case(rng, 9))


@pytest.mark.slow
def test_two_thousand_random_larger_dags():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        assert_exact(*random_case(rng, 10))


@settings(max_examples=25)
@given(dag=dags(min_nodes=2, max_nodes=6), data=st.data())
def test_names_and_their_order_do_not_matter(dag, data):
    hidden = data.draw(st.lists(st.sampled_from(dag.nodes), max_size=1))
    found = FCI(test=Oracle(dag, latent=hidden)).fit().graph_
    shuffled = DAG(dag.directed_edges, nodes=data.draw(st.permutations(dag.nodes)))
    assert FCI(test=Oracle(shuffled, latent=hidden)).fit().graph_ == found


def linear_sample(dag, n, seed, drop=()):
    rng = np.random.default_rng(seed)
    columns = {}
    for node in dag.topological_order():
        weight = {parent: rng.uniform(0.7, 1.3) for parent in dag.parents(node)}
        columns[node] = sum(weight[p] * columns[p] for p in weight) + rng.normal(size=n)
    return pd.DataFrame({node: columns[node] for node in dag.nodes if node not in drop})


def test_a_sample_gives_the_graph_of_the_oracle_and_column_order_changes_nothing():
    dag = DAG.from_string("A -> X; B -> Y; U -> X; U -> Y; Y -> Z; C -> Z")
    data = linear_sample(dag, 4000, 0, drop="U")
    found = FCI().fit(data)
    assert found.graph_ == dag.to_pag(latent=["U"])
    assert found.graph_.mark("X", "Y") == found.graph_.mark("Y", "X") == "arrow"
    shuffled = FCI().fit(data[["Z", "C", "Y", "B", "A", "X"]])
    assert shuffled.graph_ == found.graph_
    assert {pair: shuffled.sepsets_[pair] for pair in found.sepsets_} == dict(found.sepsets_)
    assert list(shuffled.feature_names_in_) == ["Z", "C", "Y", "B", "A", "X"]


def test_the_second_round_separates_what_neighbours_cannot():
    """A pair that is not adjacent, though no set of neighbours separates it (found by search)."""
    common = {"U": "05", "V": "06", "W": "12", "P": "23", "Q": "35", "R": "45", "S": "46"}
    edges = [(hidden, f"v{k}") for hidden, ends in common.items() for k in ends]
    edges += [("v1", "v0"), ("v3", "v2"), ("v4", "v1"), ("v6", "v2")]
    dag = DAG(edges, nodes=[*(f"v{k}" for k in range(7)), *common])
    oracle = Oracle(dag, latent=common)
    truth = dag.to_pag(latent=list(common))
    full, cut = FCI(test=oracle).fit(), FCI(test=oracle, max_pds=1).fit()
    assert full.graph_ == truth
    assert cut.n_pds_cut_ > 0
    assert len(skeleton_of(cut.graph_)) > len(skeleton_of(full.graph_))


def skeleton_of(graph):
    return {frozenset((u, v)) for u in graph.nodes for v in graph.adjacent(u)}


def test_the_skeleton_of_a_sample_equals_causallearn(capsys):
    dag = DAG.from_string("A -> X; B -> Y; U -> X; U -> Y; X -> Z; Y -> Z")
    data = linear_sample(dag, 3000, 3, drop="U")
    peer, _ = fci(data.to_numpy(), "fisherz", 0.01, verbose=False, show_progress=False)
    capsys.readouterr()
    ours = FCI().fit(data).graph_
    for (i, u), (j, v) in combinations(enumerate(data.columns), 2):
        assert (peer.graph[i, j] != 0) == (ours.mark(u, v) is not None)


def test_forbidden_directions_are_arrowheads_and_required_edges_arrows():
    oracle = Oracle(DAG.from_string("X -> Y; Y -> Z"))
    found = FCI(test=oracle, knowledge=Knowledge(forbidden=[("Y", "X")])).fit().graph_
    assert found.mark("X", "Y") == "arrow"
    tiers = FCI(test=oracle, knowledge=Knowledge(tiers=[["X"], ["Y"], ["Z"]])).fit().graph_
    assert (tiers.mark("X", "Y"), tiers.mark("Y", "X")) == ("arrow", "circle")
    # Y is no collider between X and Z, so that the arrowhead at Y makes Y -> Z.
    assert (tiers.mark("Y", "Z"), tiers.mark("Z", "Y")) == ("arrow", "tail")
    required = FCI(test=oracle, knowledge=Knowledge(required=[("X", "Y")])).fit().graph_
    assert ("X", "Y") in required.directed_edges


def test_knowledge_wins_over_a_collider_and_the_conflict_is_recorded():
    oracle = Oracle(DAG.from_string("X -> C; Y -> C"))
    found = FCI(test=oracle, knowledge=Knowledge(required=[("C", "X")])).fit()
    assert ("C", "X") in found.graph_.directed_edges
    assert [(conflict.kind, conflict.nodes) for conflict in found.conflicts_] == [
        ("collider", ("X", "C", "Y"))
    ]


def test_a_depth_limit_leaves_edges_and_keeps_arrowheads():
    dag = DAG.from_string("A -> X; B -> Y; X -> Z; Y -> Z; A -> Z; B -> Z")
    full, cut = FCI(test=Oracle(dag)).fit(), FCI(test=Oracle(dag), max_cond=1).fit()
    assert len(cut.n_tests_per_level_) <= 2
    assert skeleton_of(full.graph_) <= skeleton_of(cut.graph_)


def test_contradicting_tests_still_give_a_pag():
    """Few rows and a loose level: whatever comes out is a PAG, and every order of columns gives the same."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 7)) @ rng.normal(size=(7, 7))
        found = FCI(FisherZ(), alpha=0.2, selection=True).fit(X)
        order = rng.permutation(7)
        shuffled = FCI(alpha=0.2, selection=True).fit({int(k): X[:, k] for k in order})
        assert shuffled.graph_ == found.graph_


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")
@parametrize_with_checks([FCI(), FCI("polynomial", max_cond=1, collider_rule="standard")])
def test_estimator_passes_the_common_checks(estimator, check):
    check(estimator)


def test_unknown_rule():
    with pytest.raises(UnknownNameError, match="`collider_rule`"):
        FCI(collider_rule="max").fit(np.eye(9))
