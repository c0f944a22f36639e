"""All subsets at once: the same weakest tests, and the same graphs, as one subset at a time."""

import warnings
from itertools import combinations

import numpy as np
import pytest
import torch

from causalrep.discovery import FCI, _all_subsets
from causalrep.discovery._all_subsets import AllSubsets, answers_all_subsets
from causalrep.discovery._search import CanonicalTest
from causalrep.independence import CITestWarning, FisherZ, Oracle


def canonical(X):
    return CanonicalTest(FisherZ().fit(X), np.arange(X.shape[1]))


def data(d=8, n=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.4 * rng.normal(size=(d, d)))


CANDIDATES = {(0, 1): [2, 3, 4, 5, 7], (1, 0): [2, 4, 6], (3, 6): [0, 1, 2, 4, 5], (5, 7): [4]}


def weakest_by_loops(test, candidates, size):
    """Return for each pair {i, j} the largest p-value and its set, of the sets of both ends."""
    best = {}
    for (i, j), usable in candidates.items():
        for S in combinations(usable, size):
            p = test.test(i, j, S).pvalue
            if p > best.get((min(i, j), max(i, j)), (-1.0,))[0]:
                best[min(i, j), max(i, j)] = (p, S)
    return best


@pytest.mark.parametrize("size", range(6))
def test_winners_are_those_of_plain_loops(size):
    test = canonical(data())
    adjacency = np.ones((8, 8), dtype=bool)
    unseen = np.full((8, 8), np.nan)
    found = AllSubsets(test, CANDIDATES, unseen).winners(adjacency, size)
    expected = weakest_by_loops(test.test, CANDIDATES, size)
    told = {
        (i, j): S for i, j, S in zip(found.i.tolist(), found.j.tolist(), found.sets.tolist(), strict=True)
    }
    assert told == {pair: list(S) for pair, (_, S) in expected.items()}
    assert found.pvalue.tolist() == [expected[pair][0] for pair in told]
    assert found.n_tests == sum(len(list(combinations(usable, size))) for usable in CANDIDATES.values())
    assert found.n_untestable == 0


def test_pairs_that_are_gone_and_tests_that_change_nothing_are_left_out():
    test = canonical(data())
    adjacency = np.ones((8, 8), dtype=bool)
    adjacency[3, 6] = adjacency[6, 3] = False
    whole = AllSubsets(test, CANDIDATES, np.full((8, 8), np.nan)).winners(adjacency, 2)
    assert list(zip(whole.i.tolist(), whole.j.tolist(), strict=True)) == [(0, 1)]
    known = np.zeros((8, 8))
    known[0, 1] = known[1, 0] = whole.pvalue[0] + 0.01
    assert len(AllSubsets(test, CANDIDATES, known).winners(adjacency, 2).i) == 0
    known[0, 1] = known[1, 0] = whole.pvalue[0] - 1e-6
    assert AllSubsets(test, CANDIDATES, known).winners(adjacency, 2).sets.tolist() == whole.sets.tolist()


def test_sets_with_copies_are_untestable_and_never_win():
    X = data()
    X[:, 4] = 2 * X[:, 2] + 1
    with pytest.warns(CITestWarning):
        test = canonical(X)
    candidates = {(0, 1): [2, 3, 4, 5]}
    found = AllSubsets(test, candidates, np.full((8, 8), np.nan)).winners(np.ones((8, 8), dtype=bool), 2)
    assert found.n_tests == 6
    assert found.n_untestable == 1
    assert set(found.sets[0].tolist()) != {2, 4}
    # A copy of an end leaves nothing of it: only the set {3} is left to ask.
    found = AllSubsets(test, {(2, 1): [3, 4]}, np.full((8, 8), np.nan)).winners(
        np.ones((8, 8), dtype=bool), 1
    )
    assert found.sets.tolist() == [[3]]
    assert found.n_untestable == 1


def test_of_equal_sets_the_first_by_name_wins():
    X = np.random.default_rng(0).normal(size=(50, 4))
    R = np.corrcoef(X.T)
    R[:, 3], R[3, :] = R[:, 2], R[2, :]
    R[3, 3], R[2, 3], R[3, 2] = 1.0, 0.5, 0.5
    test = CanonicalTest(FisherZ.from_correlation(R, 50), np.arange(4))
    found = AllSubsets(test, {(0, 1): [2, 3]}, np.full((4, 4), np.nan)).winners(
        np.ones((4, 4), dtype=bool), 1
    )
    assert found.sets.tolist() == [[2]]


def test_only_plain_correlations_are_answered_so():
    X = data()
    gaps = X.copy()
    gaps[0, 0] = np.nan
    assert answers_all_subsets(canonical(X), 10)
    assert not answers_all_subsets(canonical(X), 17)
    assert not answers_all_subsets(canonical(X[:12]), 10)  # too few rows for the largest sets
    testwise = CanonicalTest(FisherZ(missing="testwise").fit(gaps), np.arange(8))
    assert not answers_all_subsets(testwise, 3)
    from causalrep.graphs import DAG

    assert not answers_all_subsets(CanonicalTest(Oracle(DAG.from_string("a -> b")), np.arange(2)), 1)


@pytest.mark.parametrize("seed", range(6))
def test_fci_finds_the_same_either_way(monkeypatch, random_dag, linear_data, seed):
    frame = linear_data(random_dag(seed, 16, degree=3), 200, seed).iloc[:, 3:]
    if seed == 5:
        frame = frame.assign(copy=frame.iloc[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CITestWarning)
        one = FCI(alpha=0.05).fit(frame)
        monkeypatch.setattr(_all_subsets, "LARGEST", -1)
        other = FCI(alpha=0.05).fit(frame)
    assert one.graph_ == other.graph_
    assert dict(one.sepsets_) == dict(other.sepsets_)
    assert np.array_equal(one.pvalues_, other.pvalues_, equal_nan=True)
    assert (one.n_tests_, one.n_untestable_) == (other.n_tests_, other.n_untestable_)


def test_fci_finds_the_same_in_torch(random_dag, linear_data):
    frame = linear_data(random_dag(1, 14, degree=3), 200, 1).to_numpy()
    assert FCI(alpha=0.05).fit(torch.tensor(frame)).graph_ == FCI(alpha=0.05).fit(frame).graph_
