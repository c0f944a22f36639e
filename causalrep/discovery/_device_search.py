"""A level of the search as one question to a test that looks for the weakest dependence by itself.

Where the data lie on a device, what `weakest_tests` does by rectangles of pairs and sets would be thousands
of small steps, each of which costs more to start than to do. So the neighbours of all nodes go there as one
list, and the weakest test of every pair comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._search import (
    CanonicalTest,
    Ints,
    Winners,
    neighbourhood_questions,
    refuse_endless,
    weakest_tests,
)
from causalrep.independence._subsets import Neighbourhoods, SubsetTest, binomials, unrank

__all__ = ["weakest_of_neighbours"]

_CALL = 2**36  # tests after which a search can be told about, or stopped


def weakest_of_neighbours(
    test: CanonicalTest,
    adjacency: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    size: int,
    tier: Ints | None = None,
    advance: Callable[[int], object] | None = None,
) -> Winners:
    """Return what `weakest_tests` does of `neighbourhood_questions`, by a device's own kernel if it has one.

    Parameters
    ----------
    test, size, advance
        As for `weakest_tests`.
    adjacency, wanted, tier
        As for `neighbourhood_questions`; `wanted` is symmetric.
    """
    asked = test.test
    if not isinstance(asked, SubsetTest) or not 0 < size <= asked.max_fused or tier is not None:
        return weakest_tests(test, neighbourhood_questions(adjacency, wanted, size, tier), size, advance)
    every = _neighbourhoods(test, adjacency, wanted, size)
    if not len(every.i):
        return Winners.none(size)
    refuse_endless(int(every.count.max()), size)
    n_tests = binomials(int(every.count.max()), size)[size][every.count]
    strength, rank, n_untestable = np.empty(len(every.i)), np.empty(len(every.i), dtype=np.int64), 0
    for part in _calls(n_tests):
        strength[part], rank[part], missed = asked.weakest(_some(every, part, test), size)
        n_untestable += missed
        if advance is not None:
            advance(int(n_tests[part].sum()))
    places = unrank(rank, every.count, size)
    places += places >= every.skipped[:, None]
    sets = every.nodes[every.first[:, None] + places]
    i, j, sets = _weaker_of_both(every, strength, sets, test.d)
    return Winners(i, j, test.pvalues(i, j, sets), sets, int(n_tests.sum()), n_untestable)


def _neighbourhoods(
    test: CanonicalTest, adjacency: NDArray[np.bool_], wanted: NDArray[np.bool_], size: int
) -> Neighbourhoods:
    """Return the wanted ordered pairs (i, j) with the neighbours of i, but j, where there are enough."""
    cells = np.flatnonzero(adjacency)
    node, nodes = np.divmod(cells, test.d)
    ends = np.searchsorted(node, np.arange(test.d + 1))
    if wanted is adjacency:
        i, j, place = node, nodes, np.arange(len(nodes)) - ends[node]
        count = np.diff(ends)[i] - 1
    else:
        asked = np.flatnonzero(wanted)
        i, j = np.divmod(asked, test.d)
        before = np.searchsorted(cells, asked)
        adjacent = cells[np.minimum(before, len(cells) - 1)] == asked if len(cells) else before > 0
        count = np.diff(ends)[i] - adjacent
        place = np.where(adjacent, before - ends[i], count)
    enough = count >= size
    if not enough.all():
        i, j, place, count = (values[enough] for values in (i, j, place, count))
    return Neighbourhoods(i, j, ends[i], count, place, nodes)


def _some(every: Neighbourhoods, part: slice, test: CanonicalTest) -> Neighbourhoods:
    """Return some of the pairs, in columns of the test."""
    i, j, nodes = (test.columns(values) for values in (every.i[part], every.j[part], every.nodes))
    return Neighbourhoods(i, j, every.first[part], every.count[part], every.skipped[part], nodes)


def _calls(n_tests: Ints) -> Iterator[slice]:
    """Yield slices of pairs that have together as many tests as are asked at once, or one pair."""
    total = np.cumsum(n_tests.astype(np.float64))
    start = 0
    while start < len(n_tests):
        before = total[start - 1] if start else 0.0
        stop = max(start + 1, int(np.searchsorted(total, before + _CALL, side="right")))
        yield slice(start, stop)
        start = stop


def _weaker_of_both(
    every: Neighbourhoods, strength: NDArray[np.float64], sets: Ints, d: int
) -> tuple[Ints, Ints, Ints]:
    """Return each pair once, i < j, with the weaker of its two tests; ties go to the set first by name.

    Of pairs that could be tested. That is `best_per_pair` for at most two rows of each pair.
    """
    ok = np.isfinite(strength)
    first, second = np.minimum(every.i, every.j)[ok], np.maximum(every.i, every.j)[ok]
    strength, sets = strength[ok], sets[ok]
    key = first * d + second
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    both = np.diff(starts, append=len(key)) == 2
    one = order[starts]
    other = np.where(both, order[np.minimum(starts + 1, len(key) - 1)], one)
    earlier = np.zeros(len(one), dtype=bool)
    for p in reversed(range(sets.shape[1])):
        a, b = sets[other, p], sets[one, p]
        earlier = (a < b) | ((a == b) & earlier)
    change = (strength[other] < strength[one]) | ((strength[other] == strength[one]) & earlier)
    best = np.where(change, other, one)
    return first[best], second[best], sets[best]
