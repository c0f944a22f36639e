"""Levels asked as one question of a test that finds the weakest by itself, against rectangles of sets."""

from math import comb

import numpy as np
import pandas as pd
import pytest

from causalrep.discovery import PC, Knowledge
from causalrep.discovery import _device_search as device_search
from causalrep.discovery._device_search import weakest_of_neighbours
from causalrep.discovery._search import CanonicalTest, neighbourhood_questions, weakest_tests
from causalrep.independence import FisherZ
from causalrep.independence._subsets import unrank
from causalrep.utils import DataError


class ByItself(FisherZ):
    """Fisher's z-test with a slow stand-in for the kernel of a device."""

    calls = 0

    @property
    def max_fused(self):
        return min(3, self.max_cond)

    def weakest(self, asked, size):
        ByItself.calls += 1
        strength, rank, lost = [], [], 0
        for i, j, first, count, skipped in zip(*asked[:5], strict=True):
            nodes = asked.nodes[first : first + count + (skipped < count)]
            sets = np.delete(nodes, slice(skipped, skipped + 1))[
                unrank(np.arange(comb(count, size)), count, size)
            ]
            found = self.strength(np.array([i]), np.array([j]), [sets[:, p] for p in range(size)])
            strength.append(found.min())
            rank.append(int(found.argmin()))
            lost += int(np.isinf(found).sum())
        return np.array(strength), np.array(rank), lost


def table(seed, n=60, d=8):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.4 * rng.normal(size=(d, d)))


def symmetric(seed, d=8, share=0.7):
    upper = np.triu(np.random.default_rng(seed).random((d, d)) < share, 1)
    return upper | upper.T


@pytest.mark.parametrize("call", [1, 50, 2**36])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4])
def test_winners_are_those_of_rectangles(monkeypatch, size, call):
    monkeypatch.setattr(device_search, "_CALL", call)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(8)
        names = [f"v{k}" for k in np.argsort(order)]
        tests = [
            CanonicalTest(kind().fit(pd.DataFrame(table(seed), columns=names)), order)
            for kind in (FisherZ, ByItself)
        ]
        adjacent = symmetric(seed)
        for wanted in (adjacent, ~adjacent & ~np.eye(8, dtype=bool), symmetric(seed + 10)):
            expected = weakest_tests(tests[0], neighbourhood_questions(adjacent, wanted, size), size)
            made = []
            found = weakest_of_neighbours(tests[1], adjacent, wanted, size, advance=made.append)
            one, other = (part.take(np.lexsort((part.j, part.i)))[:4] for part in (expected, found))
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
            assert expected[4:] == found[4:]
            assert sum(made) == found.n_tests


def test_ties_go_to_the_set_that_comes_first():
    R = np.full((6, 6), 0.5) + 0.5 * np.eye(6)  # all sets of one size look the same
    test = CanonicalTest(ByItself.from_correlation(R, 100), np.arange(6))
    few = np.zeros((6, 6), dtype=bool)
    for a, b in ((0, 1), (0, 4), (1, 2)):  # 0 offers {4}, 1 offers {2}: the tie is between the two ends
        few[a, b] = few[b, a] = True
    found = weakest_of_neighbours(test, few, few, 1)
    assert dict(zip(zip(found.i, found.j, strict=True), found.sets.tolist(), strict=True))[0, 1] == [2]


def test_searches_find_the_same_to_the_last_bit():
    X = pd.DataFrame(table(3, n=300), columns=list("hgfedcba"))
    X["h"] = X["g"]
    tiers = Knowledge(tiers=[["a", "b"], ["c", "d", "e", "f", "g", "h"]])
    for knowledge in (None, tiers):
        before = ByItself.calls
        with pytest.warns(UserWarning, match="linear function"):
            one, other = (
                PC(kind(), alpha=0.05, knowledge=knowledge, collider_rule="max_p").fit(X)
                for kind in (FisherZ, ByItself)
            )
        assert (ByItself.calls > before) == (knowledge is None)
        assert one.graph_ == other.graph_
        assert one.sepsets_ == other.sepsets_
        assert np.array_equal(one.pvalues_, other.pvalues_, equal_nan=True)
        assert (one.n_tests_, one.n_untestable_) == (other.n_tests_, other.n_untestable_)


def test_searches_that_cannot_end_are_refused(monkeypatch):
    monkeypatch.setattr(ByItself, "max_fused", 40)
    test = CanonicalTest(ByItself.from_correlation(np.eye(80), 1000), np.arange(80))
    everyone = ~np.eye(80, dtype=bool)
    with pytest.raises(DataError, match="bound the size by `max_cond`"):
        weakest_of_neighbours(test, everyone, everyone, 40)
