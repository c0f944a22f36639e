"""PC finds exactly what can be found when the tests are right, and does not depend on accidents."""

import itertools

import array_api_strict
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone

from causalrep.discovery import PC, _search
from causalrep.graphs import CPDAG, DAG, PDAG
from causalrep.independence import CITestWarning, FisherZ, Oracle, _fisherz

RULES = ("majority", "max_p", "standard")

# --- exactness ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("d", [1, 2, 3, 4, pytest.param(5, marks=pytest.mark.slow)])
def test_oracle_gives_the_true_class_of_every_small_dag(all_dags, d, rule):
    count = 0
    for dag in all_dags(range(d)):
        pc = PC(test=Oracle(dag), collider_rule=rule).fit()
        assert pc.graph_ == dag.to_cpdag()
        assert isinstance(pc.graph_, CPDAG)
        assert pc.conflicts_ == ()
        assert pc.n_untestable_ == 0
        count += 1
    assert count == {1: 1, 2: 3, 3: 25, 4: 543, 5: 29281}[d]  # OEIS A003024


@pytest.mark.parametrize("seed", range(30))
def test_oracle_gives_the_true_class_of_random_dags(random_dag, seed):
    for part in range(10):
        d = 6 + (seed + part) % 7
        dag = random_dag((seed, part), d, degree=1.5 + part % 4)
        pc = PC(test=Oracle(dag), collider_rule=RULES[part % 3]).fit()
        assert pc.graph_ == dag.to_cpdag()
        for pair, separating in pc.sepsets_.items():
            assert dag.is_separated(*pair, separating)


@pytest.mark.parametrize("rule", RULES)
def test_sets_larger_than_four_still_decide_colliders(rule):
    # X and Y are separated by all six Z and by nothing smaller; W is a collider between them.
    dag = DAG.from_string("X -> {Z1 Z2 Z3 Z4 Z5 Z6} -> Y; X -> W <- Y")
    pc = PC(test=Oracle(dag), collider_rule=rule).fit()
    assert pc.sepsets_["X", "Y"] == {f"Z{k}" for k in range(1, 7)}
    assert pc.graph_ == dag.to_cpdag()


@pytest.mark.parametrize("seed", range(10))
def test_population_correlations_give_the_true_class(random_dag, seed):
    dag = random_dag(seed, 8, degree=2.0)
    rng = np.random.default_rng(seed)
    names = list(dag.nodes)
    B = dag.to_adjacency() * rng.uniform(0.4, 0.9, size=(8, 8)) * rng.choice([-1, 1], size=(8, 8))
    effects = np.linalg.inv(np.eye(8) - B)
    covariance = effects.T @ effects
    deviation = np.sqrt(np.diag(covariance))
    # 1e10 rows: a true zero is below 1e-12 * 1e5, and a partial correlation of 1e-3 is at z = 100.
    test = FisherZ.from_correlation(covariance / np.outer(deviation, deviation), n=10**10, names=names)
    assert PC(test=test, alpha=1e-6).fit().graph_ == dag.to_cpdag()


# --- against definitions and peers ----------------------------------------------------------------


def stable_skeleton(X, alpha):
    """Return adjacency, separating sets and largest p-values of PC-stable, one test at a time."""
    test, d = FisherZ().fit(X), X.shape[1]
    adjacent, pmax, sepsets = ~np.eye(d, dtype=bool), np.full((d, d), np.nan), {}
    for level in range(d - 1):
        frozen = adjacent.copy()
        for i, j in itertools.combinations(range(d), 2):
            if not frozen[i, j]:
                continue
            answers = [
                (test.test(i, j, S).pvalue, tuple(-k for k in S))
                for a, b in ((i, j), (j, i))
                for S in itertools.combinations(
                    [k for k in np.flatnonzero(frozen[a]).tolist() if k != b], level
                )
            ]
            if not answers:
                continue
            p, S = max(answers)
            pmax[i, j] = pmax[j, i] = np.nanmax([pmax[i, j], p])
            if p > alpha:
                adjacent[i, j] = adjacent[j, i] = False
                sepsets[i, j] = {-k for k in S}
    return adjacent, sepsets, pmax


@pytest.mark.parametrize("seed", range(6))
def test_skeleton_is_that_of_the_definition(random_dag, linear_data, seed):
    X = linear_data(random_dag(seed, 8), 200, seed).to_numpy()
    pc = PC(alpha=0.05).fit(X)
    adjacent, sepsets, pmax = stable_skeleton(X, 0.05)
    assert np.array_equal(skeleton_of(pc.graph_), adjacent)
    assert dict(pc.sepsets_) == sepsets
    np.testing.assert_allclose(pc.pvalues_, pmax, rtol=1e-11)


def skeleton_of(graph):
    d = len(graph)
    place = {node: k for k, node in enumerate(graph.nodes)}
    adjacent = np.zeros((d, d), dtype=bool)
    for a, b in [*graph.directed_edges, *graph.undirected_edges]:
        adjacent[place[a], place[b]] = adjacent[place[b], place[a]] = True
    return adjacent


@pytest.mark.parametrize(
    ("seed", "d", "n", "alpha"), [(0, 12, 200, 0.05), (1, 15, 500, 0.01), (2, 20, 1000, 0.01)]
)
def test_skeleton_is_that_of_causal_learn(random_dag, linear_data, seed, d, n, alpha):
    from causallearn.search.ConstraintBased.PC import pc as peer

    X = linear_data(random_dag(seed, d), n, seed).to_numpy()
    theirs = peer(X, alpha=alpha, indep_test="fisherz", stable=True, show_progress=False).G.graph
    assert np.array_equal(skeleton_of(PC(alpha=alpha).fit(X).graph_), theirs != 0)


def test_many_rows_give_the_true_class(random_dag, linear_data):
    dag = random_dag(3, 10, degree=2.0)
    assert PC(alpha=0.001).fit(linear_data(dag, 50_000, 3)).graph_ == dag.to_cpdag()


def test_a_smaller_alpha_never_gives_more_edges_at_level_zero(random_dag, linear_data):
    frame = linear_data(random_dag(1, 10), 300, 1)
    counts = [skeleton_of(PC(alpha=a, max_cond=0).fit(frame).graph_).sum() for a in (0.5, 0.1, 0.01, 1e-4)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


# --- what must not matter -------------------------------------------------------------------------


def same_result(one, other):
    assert one.graph_ == other.graph_
    assert dict(one.sepsets_) == {pair: other.sepsets_[pair] for pair in one.sepsets_}
    assert len(one.sepsets_) == len(other.sepsets_)
    assert [c.nodes for c in one.conflicts_] == [c.nodes for c in other.conflicts_]
    assert one.n_tests_ == other.n_tests_


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(8))
def test_column_order_changes_no_bit(random_dag, linear_data, seed, rule):
    frame = linear_data(random_dag(seed, 12), 120, seed)
    one = PC(alpha=0.05, collider_rule=rule).fit(frame)
    shuffled = frame[list(np.random.default_rng(seed).permutation(frame.columns))]
    other = PC(alpha=0.05, collider_rule=rule).fit(shuffled)
    same_result(one, other)
    assert one.conflicts_ == other.conflicts_
    here = [list(shuffled.columns).index(name) for name in frame.columns]
    assert np.array_equal(one.pvalues_, other.pvalues_[np.ix_(here, here)], equal_nan=True)
    assert other.graph_.nodes == tuple(shuffled.columns) == tuple(other.feature_names_in_)


def test_column_order_does_not_matter_for_copies(random_dag, linear_data):
    frame = linear_data(random_dag(0, 6), 200, 0)
    frame = frame.assign(y=frame["x0"], z=-frame["x3"])
    with pytest.warns(CITestWarning):
        one = PC().fit(frame)
    assert one.n_untestable_ > 0
    assert "y" in one.graph_.adjacent("x0")
    for seed in range(5):
        shuffled = frame[list(np.random.default_rng(seed).permutation(frame.columns))]
        with pytest.warns(CITestWarning):
            same_result(one, PC().fit(shuffled))


def test_column_order_of_a_correlation_matrix_does_not_matter(random_dag, linear_data):
    frame = linear_data(random_dag(2, 10), 150, 2)
    R, names = np.corrcoef(frame.to_numpy().T), np.array(frame.columns)
    one = PC(test=FisherZ.from_correlation(R, 150, names), alpha=0.05).fit()
    for seed in range(4):
        p = np.random.default_rng(seed).permutation(10)
        other = PC(test=FisherZ.from_correlation(R[np.ix_(p, p)], 150, names[p]), alpha=0.05).fit()
        same_result(one, other)
        assert other.graph_.nodes == tuple(names[p])


def test_row_order_and_scale_do_not_matter(random_dag, linear_data):
    frame = linear_data(random_dag(4, 10), 300, 4)
    scales = 10.0 ** np.random.default_rng(0).uniform(-6, 6, size=10)
    one = PC(alpha=0.05).fit(frame)
    other = PC(alpha=0.05).fit(frame.sample(frac=1, random_state=0) * scales + 1e3 * scales)
    same_graph = (one.graph_, dict(one.sepsets_)) == (other.graph_, dict(other.sepsets_))
    assert same_graph
    np.testing.assert_allclose(one.pvalues_, other.pvalues_, rtol=1e-7)


def test_windows_do_not_matter(monkeypatch, random_dag, linear_data):
    frame = linear_data(random_dag(5, 14, degree=4), 200, 5)
    one = PC(alpha=0.1).fit(frame)
    monkeypatch.setattr(_fisherz, "_HOST_BYTES", 8 * 40)
    monkeypatch.setattr(_search, "_BLOCK", 100)
    other = PC(alpha=0.1).fit(frame)
    same_result(one, other)
    assert np.array_equal(one.pvalues_, other.pvalues_, equal_nan=True)


@pytest.mark.parametrize("how", ["torch", "device", "strict", "polars"])
def test_every_library_gives_the_same_graph(random_dag, linear_data, how):
    frame = linear_data(random_dag(6, 10), 300, 6)
    reference = PC(alpha=0.05).fit(frame)
    if how == "device":
        other = PC(alpha=0.05, device="cpu").fit(frame[frame.columns[::-1]])
        assert other.graph_.nodes == tuple(frame.columns[::-1])
        same_result(reference, other)
    elif how == "polars":
        other = PC(alpha=0.05).fit(pl.DataFrame({name: frame[name].to_numpy() for name in frame}))
        same_result(reference, other)
    else:
        as_array = torch.asarray if how == "torch" else array_api_strict.asarray
        other = PC(alpha=0.05).fit(as_array(frame.to_numpy().copy()))
        same_result(PC(alpha=0.05).fit(frame.to_numpy()), other)
        np.testing.assert_allclose(other.pvalues_, reference.pvalues_, rtol=1e-8)


@pytest.mark.gpu
def test_cuda_gives_the_same_graph(random_dag, linear_data):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    frame = linear_data(random_dag(6, 30), 300, 6)
    same_result(PC(alpha=0.05).fit(frame), PC(alpha=0.05, device="cuda").fit(frame))


# --- conflicts --------------------------------------------------------------------------------------


def test_contradicting_colliders_are_reported_and_the_better_supported_one_placed():
    # a - b - c - d with p(a, c) = .9 > p(b, d) = .2, both without their middle: both heads on b - c.
    R = np.eye(4)
    for i, j, r in ((0, 1, 0.5), (1, 2, 0.5), (2, 3, 0.5), (0, 2, 0.005), (1, 3, 0.06), (0, 3, 0.0)):
        R[i, j] = R[j, i] = r
    pc = PC(test=FisherZ.from_correlation(R, 400, list("abcd")), max_cond=0).fit()
    assert pc.sepsets_["a", "c"] == pc.sepsets_["b", "d"] == set()
    (conflict,) = pc.conflicts_
    assert (conflict.kind, conflict.nodes, conflict.against) == ("collider", ("b", "c", "d"), ("c", "b"))
    assert conflict.pvalue == pc.pvalues_[1, 3] < pc.pvalues_[0, 2]
    assert {("a", "b"), ("c", "b")} <= set(pc.graph_.directed_edges)


def test_the_result_of_contradicting_tests_is_a_pdag_that_says_so():
    # The 4-cycle a - b - c - d - a whose two missing edges are separated by both others: no DAG is like that.
    P = np.eye(4)
    for i, j in ((0, 1), (1, 2), (2, 3), (0, 3)):
        P[i, j] = P[j, i] = -0.3
    covariance = np.linalg.inv(P)
    R = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    pc = PC(test=FisherZ.from_correlation(R, 100_000, list("abcd"))).fit()
    assert type(pc.graph_) is PDAG
    assert pc.graph_ == PDAG(undirected=[("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")])
    assert [(conflict.kind, conflict.nodes) for conflict in pc.conflicts_] == [("extension", tuple("abcd"))]


def test_the_rules_differ_where_the_recorded_set_is_not_the_best():
    # X and Y look independent marginally (p = .02 > alpha) but far more so given M: no collider by "max_p".
    r = 0.95
    R = np.array([[1, r, 0.0], [r, 1, r], [0.0, r, 1]])
    R[0, 2] = R[2, 0] = 0.0
    R[0, 1] = R[1, 0] = R[1, 2] = R[2, 1] = 0.35
    R[0, 2] = R[2, 0] = 0.1
    test = FisherZ.from_correlation(R, 500, ["X", "M", "Y"])
    assert test.test("X", "Y").pvalue > 0.01
    assert test.test("X", "Y", "M").pvalue > test.test("X", "Y").pvalue
    standard = PC(test=test, collider_rule="standard").fit()
    best = PC(test=test, collider_rule="max_p").fit()
    assert standard.graph_ == CPDAG(directed=[("X", "M"), ("Y", "M")])
    assert best.graph_ == CPDAG(undirected=[("X", "M"), ("M", "Y")])
    assert PC(test=test).fit().ambiguous_ == (("X", "M", "Y"),)  # by default it is a tie


# --- the estimator ------------------------------------------------------------------------------------


def test_counts_are_those_of_the_definition():
    dag = DAG.from_string("A -> B -> C -> D")
    pc = PC(test=Oracle(dag), collider_rule="standard").fit()
    # Level 0: 6 pairs, none separated. Level 1: 12 ordered pairs x 2 candidates; A-C, B-D and A-D go.
    assert pc.n_tests_per_level_ == (6, 24)
    assert pc.n_tests_ == 30
    assert PC(test=Oracle(dag)).fit().n_tests_ > 30


def test_max_cond_bounds_the_sets():
    dag = DAG.from_string("X -> {Z1 Z2} -> Y")
    pc = PC(test=Oracle(dag), max_cond=1).fit()
    assert "Y" in pc.graph_.adjacent("X")
    assert len(pc.n_tests_per_level_) == 2
    assert "Y" not in PC(test=Oracle(dag), max_cond=2).fit().graph_.adjacent("X")


def test_too_few_rows_stop_the_levels_and_are_counted():
    X = np.random.default_rng(0).normal(size=(5, 6))
    pc = PC(alpha=0.99, collider_rule="standard").fit(X)  # hardly a p-value is above .99
    assert FisherZ().fit(X).max_cond == 1
    assert len(pc.n_tests_per_level_) == 2
    degree = skeleton_of(pc.graph_).sum(axis=1)
    assert pc.n_untestable_ == sum(m * (m - 1) * (m - 2) // 2 for m in degree) > 0


def test_data_replace_those_of_a_fitted_test_in_a_copy(random_dag, linear_data):
    frame = linear_data(random_dag(0, 5), 200, 0)
    other = linear_data(random_dag(1, 4), 300, 1)
    test = FisherZ().fit(frame)
    pc = PC(test=test).fit(other)
    assert pc.graph_ == PC().fit(other).graph_
    assert test.names_ == tuple(frame.columns)
    assert PC(test=test).fit().graph_ == PC().fit(frame).graph_


def test_clone_keeps_a_fitted_test(random_dag):
    dag = random_dag(0, 6)
    pc = clone(PC(test=Oracle(dag), alpha=0.2))
    assert pc.alpha == 0.2
    assert pc.fit().graph_ == dag.to_cpdag()


def test_names_and_shapes(random_dag, linear_data):
    frame = linear_data(random_dag(0, 5), 200, 0)
    pc = PC().fit(frame)
    assert pc.n_features_in_ == 5
    assert pc.feature_names_in_.tolist() == list(frame.columns)
    assert pc.pvalues_.shape == (5, 5)
    assert np.isnan(np.diag(pc.pvalues_)).all()
    assert np.array_equal(pc.pvalues_, pc.pvalues_.T, equal_nan=True)
    pc.fit(frame.to_numpy()[:, :3])
    assert pc.graph_.nodes == (0, 1, 2)
    assert not hasattr(pc, "feature_names_in_")


def test_names_that_are_not_strings_are_kept():
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    frame = pd.DataFrame({3: x, ("a", 1): x + rng.normal(size=500), "b": rng.normal(size=500)})
    pc = PC().fit(frame)
    assert pc.graph_ == CPDAG(undirected=[(3, ("a", 1))], nodes=[3, ("a", 1), "b"])
    assert pc.sepsets_["b", 3] == set()


def test_separating_sets_are_found_by_either_order():
    pc = PC(test=Oracle(DAG.from_string("X -> M -> Y; W"))).fit()
    assert pc.sepsets_["X", "Y"] == pc.sepsets_["Y", "X"] == {"M"}
    assert ("Y", "X") in pc.sepsets_
    assert ("X", "M") not in pc.sepsets_
    assert "XY" not in pc.sepsets_
    assert len(pc.sepsets_) == 4
    assert list(pc.sepsets_) == [("X", "Y"), ("X", "W"), ("M", "W"), ("Y", "W")]
    for missing in (("X", "M"), ("X", "nobody"), ("X",), ("X", "X"), 5):
        with pytest.raises(KeyError):
            pc.sepsets_[missing]


def test_progress_goes_to_stderr(capsys):
    dag = DAG.from_string("A -> B -> C")
    PC(test=Oracle(dag), progress=True).fit()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "level 1" in shown.err
    PC(test=Oracle(dag)).fit()
    assert capsys.readouterr().err == ""


def test_curved_causes_leave_an_edge_between_their_effects():
    # The two children depend on X through different curves; removing the linear part of X is not enough.
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=5000)
    noise = 0.1 * rng.normal(size=(2, 5000))
    frame = pd.DataFrame({"x": x, "y": x + x**2 + noise[0], "z": x - x**2 + noise[1]})
    assert "z" in PC().fit(frame).graph_.adjacent("y")
