"""The engine under the searches against plain loops."""

import itertools
from math import comb

import numpy as np
import pytest

from causalrep.discovery import _search
from causalrep.discovery._search import CanonicalTest, neighbourhood_questions, unrank, weakest_tests
from causalrep.graphs import DAG
from causalrep.independence import FisherZ, Oracle, _fisherz
from causalrep.utils import DataError


@pytest.mark.parametrize(("q", "size"), [(1, 0), (1, 1), (5, 0), (5, 2), (5, 5), (7, 3), (9, 4)])
def test_unrank_lists_the_subsets_in_lexicographic_order(q, size):
    expected = list(itertools.combinations(range(q), size))
    assert unrank(np.arange(comb(q, size)), q, size).tolist() == [list(subset) for subset in expected]


def test_unrank_is_exact_up_to_2_to_the_62():
    q, size = 66, 31  # C(66, 31) = 6.8e18 > 2^62 > C(65, 29)
    assert comb(65, 29) < 2**62 < comb(q, size)
    total = comb(65, 29)
    ends = unrank(np.array([0, 1, total - 1]), 65, 29)
    assert ends[0].tolist() == list(range(29))
    assert ends[1].tolist() == [*range(28), 29]
    assert ends[2].tolist() == list(range(36, 65))


def test_searches_that_cannot_end_are_refused():
    test = CanonicalTest(Oracle(DAG(nodes=range(80))), np.arange(80))
    everyone = ~np.eye(80, dtype=bool)
    with pytest.raises(DataError, match="bound the size by `max_cond`"):
        weakest_tests(test, neighbourhood_questions(everyone, everyone, 40), 40)


def table(seed=0, n=60, d=7):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.4 * rng.normal(size=(d, d)))


def adjacency(seed, d=7, share=0.7):
    upper = np.triu(np.random.default_rng(seed).random((d, d)) < share, 1)
    return upper | upper.T


def by_loops(test, adjacent, wanted, size, tier):
    """Return {(i, j): (p-value, set)} by asking one test at a time."""
    best = {}
    d = len(adjacent)
    for i, j in itertools.permutations(range(d), 2):
        if not wanted[i, j]:
            continue
        usable = [k for k in range(d) if adjacent[i, k] and k != j]
        if tier is not None:
            usable = [k for k in usable if tier[k] <= max(tier[i], tier[j])]
        for S in itertools.combinations(usable, size):
            answer = (test.test(i, j, S).pvalue, tuple(-k for k in S))
            pair = (min(i, j), max(i, j))
            best[pair] = max(best.get(pair, (-1.0, ())), answer)
    return {pair: (p, [-k for k in S]) for pair, (p, S) in best.items()}


@pytest.mark.parametrize("with_tiers", [False, True])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4])
def test_winners_are_those_of_plain_loops(size, with_tiers):
    for seed in range(5):
        test = FisherZ().fit(table(seed))
        adjacent = adjacency(seed)
        tier = np.random.default_rng(seed).integers(-1, 3, size=7) if with_tiers else None
        found = weakest_tests(
            CanonicalTest(test, np.arange(7)), neighbourhood_questions(adjacent, adjacent, size, tier), size
        )
        expected = by_loops(test, adjacent, adjacent, size, tier)
        pairs = list(zip(found.i.tolist(), found.j.tolist(), strict=True))
        assert sorted(pairs) == sorted(expected)
        for pair, p, S in zip(pairs, found.pvalue, found.sets.tolist(), strict=True):
            assert p == pytest.approx(expected[pair][0], rel=1e-12)
            assert tuple(S) == tuple(expected[pair][1])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_windows_and_blocks_do_not_matter(monkeypatch, size):
    adjacent = ~np.eye(9, dtype=bool)

    def search(**options):
        test = FisherZ(**options).fit(table(3, d=9))
        assert not options or test.chunk_size(size) < 100
        asked = neighbourhood_questions(adjacent, adjacent, size)
        return weakest_tests(CanonicalTest(test, np.arange(9)), asked, size)

    whole = search()
    for chunk, block in ((8 * 30, 1), (8 * 100, 300), (8 * 1000, 10)):
        monkeypatch.setattr(_search, "_BLOCK", block)
        parts = search(max_bytes=chunk)
        assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert whole.n_tests == 9 * 8 * comb(7, size)


@pytest.mark.parametrize("chunk", [2**20, 8 * 30])
def test_ties_go_to_the_set_that_comes_first(monkeypatch, chunk):
    monkeypatch.setattr(_fisherz, "_HOST_BYTES", chunk)
    R = np.full((6, 6), 0.5) + 0.5 * np.eye(6)  # all sets of one size look the same
    test = CanonicalTest(FisherZ.from_correlation(R, 100), np.arange(6))
    everyone = ~np.eye(6, dtype=bool)
    found = weakest_tests(test, neighbourhood_questions(everyone, everyone, 2), 2)
    for i, j, S in zip(found.i, found.j, found.sets, strict=True):
        assert S.tolist() == [k for k in range(6) if k not in (i, j)][:2]
    # 0 offers {4}, 1 offers {2}: the tie is between the two ends.
    few = np.zeros((6, 6), dtype=bool)
    for a, b in ((0, 1), (0, 4), (1, 2)):
        few[a, b] = few[b, a] = True
    found = weakest_tests(test, neighbourhood_questions(few, few, 1), 1)
    assert dict(zip(zip(found.i, found.j, strict=True), found.sets.tolist(), strict=True))[0, 1] == [2]


def test_tests_that_cannot_be_made_are_counted_and_never_win():
    X = table(0, n=60, d=4)
    X[:, 3] = X[:, 2]
    with pytest.warns(UserWarning, match="linear function"):
        test = CanonicalTest(FisherZ().fit(X), np.arange(4))
    adjacent = ~np.eye(4, dtype=bool)
    found = weakest_tests(test, neighbourhood_questions(adjacent, adjacent, 1), 1)
    # (2 or 3, other | the copy): 2 copies x 2 others, each asked from both ends.
    assert found.n_untestable == 8
    assert found.n_tests == 24
    both = dict(zip(zip(found.i.tolist(), found.j.tolist(), strict=True), found.sets.tolist(), strict=True))
    assert both[0, 2] == [1]
    assert both[0, 3] == [1]


def test_columns_of_the_test_may_stand_in_another_order():
    X = table(5)
    order = np.array([3, 1, 6, 0, 2, 5, 4])
    adjacent = adjacency(5)
    straight = FisherZ().fit(X[:, order])
    mixed = FisherZ().fit(X)
    for size in (0, 2):
        one, other = (
            weakest_tests(test, neighbourhood_questions(adjacent, adjacent, size), size)
            for test in (CanonicalTest(straight, np.arange(7)), CanonicalTest(mixed, order))
        )
        assert np.array_equal(one.sets, other.sets)
        np.testing.assert_allclose(one.pvalue, other.pvalue, rtol=1e-9)
