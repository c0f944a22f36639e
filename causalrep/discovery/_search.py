"""Asking for the weakest dependence of many pairs over all candidate sets of one size.

A constraint-based search asks, of each ordered pair (i, j) with candidates K, for the subset S of K
of a given size under which i and j look least dependent. The subsets are never listed: they are
numbered in lexicographic order, a window of numbers is turned into subsets where it is needed, and
all pairs with equally many candidates share it. So a level of the search is a few dense rectangles
(pairs x subsets), cut to the memory that the test allows. The answer, the smallest strength with
ties going to the subset that comes first by name, does not depend on the cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from causalrep.independence import CITest
from causalrep.independence._arrays import namespace_of, to_numpy
from causalrep.independence._subsets import MOST_SUBSETS, unrank
from causalrep.utils import DataError

__all__ = [
    "CanonicalTest",
    "Questions",
    "Winners",
    "best_per_pair",
    "neighbourhood_questions",
    "refuse_endless",
    "unconditional_tests",
    "unrank",
    "weakest_tests",
]

Ints = NDArray[np.int64]
_BLOCK = 2**22  # numbers of candidates that are written out at once
_SMALL = 2**13  # tests that are better asked together with others


class CanonicalTest:
    """A test whose variables are numbered in canonical order of their names.

    Parameters
    ----------
    test : CITest
        A fitted test.
    order : array of shape (d,), int
        ``order[k]`` is the column, as the test counts, of the k-th variable.
    """

    def __init__(self, test: CITest, order: Ints) -> None:
        self.test = test
        self.d = len(order)
        self._order = order
        self._identity = bool((order == np.arange(self.d)).all())

    def columns(self, positions: Ints) -> Ints:
        """Return the columns of the test for canonical positions."""
        return positions if self._identity else self._order[positions]

    def pvalues(self, i: Ints, j: Ints, S: Ints) -> NDArray[np.float64]:
        """Return p-values of shape (m,), NaN where a test could not be made."""
        asked, size = self.test, self.test.chunk_size(S.shape[1])
        left, right = (asked.index_array(self.columns(end)) for end in (i, j))
        given = [asked.index_array(self.columns(S[:, p])) for p in range(S.shape[1])]
        found = np.empty(len(i))
        for start in range(0, len(i), size):
            part = slice(start, min(start + size, len(i)))
            # What the search asks needs no check, which for large sets costs more than the answer.
            batch = asked._evaluate(left[part], right[part], tuple(column[part] for column in given))
            found[part] = to_numpy(batch.pvalue)
        return found


class Questions(NamedTuple):
    """Ordered pairs with equally many candidates: arrays of shapes (P,), (P,) and (P, q), rows rising."""

    i: Ints
    j: Ints
    candidates: Ints


class Winners(NamedTuple):
    """The weakest test of each pair: arrays of shapes (m,), (m,), (m,) and (m, size), i < j, rows rising."""

    i: Ints
    j: Ints
    pvalue: NDArray[np.float64]
    sets: Ints
    n_tests: int
    n_untestable: int

    @classmethod
    def none(cls, size: int) -> Winners:
        """Return the answer to no question."""
        nobody = np.empty(0, dtype=np.int64)
        return cls(nobody, nobody, np.empty(0), np.empty((0, size), dtype=np.int64), 0, 0)

    def take(self, rows: NDArray[np.bool_]) -> Winners:
        """Return the pairs where `rows` is true, without the counts."""
        return Winners(self.i[rows], self.j[rows], self.pvalue[rows], self.sets[rows], 0, 0)


def neighbourhood_questions(
    adjacency: NDArray[np.bool_], wanted: NDArray[np.bool_], size: int, tier: Ints | None = None
) -> Iterator[Questions]:
    """Yield the wanted ordered pairs (i, j) with the neighbours of i, but j, as candidates.

    Pairs with fewer candidates than `size` are left out. Candidates of a later tier than both ends
    are left out too: they cause neither, and conditioning on an effect can only open paths. At size
    0, where the two directions of a pair ask the same, only i < j is asked.
    """
    wanted = np.triu(wanted) if size == 0 else wanted
    degree = np.where(wanted.any(axis=1), adjacency.sum(axis=1), -1)
    for m in np.unique(degree[degree >= 0]).tolist():
        nodes = np.flatnonzero(degree == m)
        step = max(1, _BLOCK // (adjacency.shape[0] + m * m))
        for start in range(0, len(nodes), step):
            rows = nodes[start : start + step]
            near = np.nonzero(adjacency[rows])[1].reshape(len(rows), m)
            row, j = np.nonzero(wanted[rows])
            candidates = near[row] if size else near[row, :0]
            for part in _usable(candidates, rows[row], j, tier):
                if part.candidates.shape[1] >= size:
                    yield part


def _usable(near: Ints, i: Ints, j: Ints, tier: Ints | None) -> Iterator[Questions]:
    """Drop the candidates that may not be used, and group the pairs by how many are left."""
    usable = near != j[:, None]
    if tier is not None:
        usable &= tier[near] <= np.maximum(tier[i], tier[j])[:, None]
    count = usable.sum(axis=1, dtype=np.int64)
    if len(count) and (count == count[0]).all():
        yield Questions(i, j, near[usable].reshape(len(i), int(count[0])))
        return
    for q in np.unique(count).tolist():
        here = count == q
        yield Questions(i[here], j[here], near[here][usable[here]].reshape(int(here.sum()), q))


def weakest_tests(
    test: CanonicalTest,
    questions: Iterator[Questions],
    size: int,
    advance: Callable[[int], object] | None = None,
) -> Winners:
    """Return for each pair the set of `size` candidates of either end under which it looks least dependent.

    Parameters
    ----------
    test : CanonicalTest
        What is asked.
    questions : iterator of Questions
        Both directions of a pair may occur; the weaker of the two answers wins.
    size : int
        Number of conditioning variables.
    advance : callable
        Told the number of tests after each block of pairs.
    """
    found, n_tests, n_untestable = [], 0, 0
    for blocks in _pooled(questions, size, test.test.chunk_size(size)):
        answers = _weakest_of_each(test, blocks, size) if len(blocks) > 1 else _weakest(test, blocks[0], size)
        made = sum(_n_tests(block, size) for block in blocks)
        n_tests += made
        n_untestable += answers.n_untestable
        if advance is not None:
            advance(made)
        ends = (np.concatenate([block[side] for block in blocks]) for side in (0, 1))
        ok = np.isfinite(answers.strength)
        found.append(tuple(part[ok] for part in (*ends, answers.strength, answers.sets)))
    if not found:
        return Winners.none(size)
    i, j, strength, sets = (np.concatenate(parts) for parts in zip(*found, strict=True))
    first, second = np.minimum(i, j), np.maximum(i, j)
    if size:  # at size 0 every pair was asked once
        keep = best_per_pair(first * test.d + second, strength, sets)
        first, second, sets = first[keep], second[keep], sets[keep]
    return Winners(first, second, test.pvalues(first, second, sets), sets, n_tests, n_untestable)


def unconditional_tests(
    test: CanonicalTest, i: Ints, j: Ints, advance: Callable[[int], object] | None = None
) -> Winners:
    """Return the tests of the pairs i < j given nothing, of which there is one each."""
    pvalue = test.pvalues(i, j, np.empty((len(i), 0), dtype=np.int64))
    if advance is not None:
        advance(len(i))
    ok = ~np.isnan(pvalue)
    n_ok = int(ok.sum())
    if n_ok < len(i):
        i, j, pvalue = i[ok], j[ok], pvalue[ok]
    return Winners(i, j, pvalue, np.empty((n_ok, 0), dtype=np.int64), len(ok), len(ok) - n_ok)


class _Answers(NamedTuple):
    """Per ordered pair the smallest strength and its set, and how many tests could not be made."""

    strength: NDArray[np.float64]
    sets: Ints
    n_untestable: int


def _n_tests(block: Questions, size: int) -> int:
    return len(block.i) * comb(block.candidates.shape[1], size)


def _pooled(questions: Iterator[Questions], size: int, chunk: int) -> Iterator[list[Questions]]:
    """Yield the blocks one by one, or, where they are small, as many together as fit into a chunk."""
    pool: list[Questions] = []
    n_pooled = 0
    for block in questions:
        made = _n_tests(block, size)
        if made > min(_SMALL, chunk):
            yield [block]
            continue
        if n_pooled + made > chunk:
            yield pool
            pool, n_pooled = [], 0
        pool.append(block)
        n_pooled += made
    if pool:
        yield pool


def _weakest_of_each(test: CanonicalTest, blocks: list[Questions], size: int) -> _Answers:
    """Answer blocks of pairs with different numbers of candidates by one list of all their tests.

    A call of the test costs as much as some hundred tests, and where nodes are few each block is smaller.
    """
    asked = test.test
    totals = [comb(block.candidates.shape[1], size) for block in blocks]
    tables = [_window(b.candidates.shape[1], size, 0, n) for b, n in zip(blocks, totals, strict=True)]
    sets = np.concatenate(
        [b.candidates[:, t].reshape(len(b.i) * len(t), size) for b, t in zip(blocks, tables, strict=True)]
    )
    width = np.repeat(totals, [len(block.i) for block in blocks])
    i, j = (np.repeat(np.concatenate([block[side] for block in blocks]), width) for side in (0, 1))
    S = [asked.index_array(test.columns(sets[:, p])) for p in range(size)]
    strength = to_numpy(
        asked.strength(asked.index_array(test.columns(i)), asked.index_array(test.columns(j)), S)
    )
    starts = np.cumsum(width) - width
    best = np.minimum.reduceat(strength, starts)
    lowest = np.flatnonzero(strength == np.repeat(best, width))
    first = lowest[np.searchsorted(lowest, starts)]  # of equal sets the one that comes first
    return _Answers(best, sets[first], int(np.isinf(strength).sum()))


def _weakest(test: CanonicalTest, block: Questions, size: int) -> _Answers:
    """Answer pairs with equally many candidates by rectangles of pairs and sets."""
    asked = test.test
    n_pairs, q = block.candidates.shape
    total = comb(q, size)
    refuse_endless(q, size)
    chunk = asked.chunk_size(size)
    width = min(total, chunk)
    height = max(1, chunk // width)
    best = np.full(n_pairs, np.inf)
    rank = np.zeros(n_pairs, dtype=np.int64)
    untestable = 0
    i, j = (asked.index_array(test.columns(end))[:, None] for end in (block.i, block.j))
    near = asked.index_array(test.columns(block.candidates))
    xp = namespace_of(near)
    for start in range(0, total, width):
        table = _window(q, size, start, min(start + width, total))
        picks = [asked.index_array(table[:, p]) for p in range(size)]
        for a in range(0, n_pairs, height):
            rows = slice(a, min(a + height, n_pairs))
            S = [xp.take(near[rows, :], pick, axis=1) for pick in picks]
            strength = asked.strength(i[rows, :], j[rows, :], S)
            low, where = to_numpy(xp.min(strength, axis=1)), to_numpy(xp.argmin(strength, axis=1))
            untestable += int(xp.sum(xp.astype(xp.isinf(strength), xp.int64)))
            better = low < best[rows]  # a tie stays with the earlier rank
            best[rows] = np.where(better, low, best[rows])
            rank[rows] = np.where(better, start + where, rank[rows])
    sets = np.take_along_axis(block.candidates, unrank(rank, q, size), axis=1)
    return _Answers(best, sets, untestable)


def refuse_endless(q: int, size: int) -> None:
    """Raise an error where there are more subsets than can be numbered."""
    total = comb(q, size)
    if total >= MOST_SUBSETS:
        raise DataError(
            f"{q} candidates have {float(total):.1e} subsets of {size}, which no search gets through; "
            "lower `alpha` or bound the size by `max_cond`"
        )


def best_per_pair(key: Ints, strength: NDArray[np.float64], sets: Ints) -> Ints:
    """Return the rows of smallest strength for each key; ties go to the set that comes first by name."""
    columns = [sets[:, p] for p in reversed(range(sets.shape[1]))]
    order = np.lexsort([*columns, strength, key])
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = key[order][1:] != key[order][:-1]
    return order[starts]


@lru_cache(maxsize=64)
def _window(q: int, size: int, start: int, stop: int) -> Ints:
    return unrank(np.arange(start, stop, dtype=np.int64), q, size)
