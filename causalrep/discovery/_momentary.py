"""Conditional independence of moments: past causes first, then each question given those of both ends.

Time series are autocorrelated, so values of two unrelated series look dependent more often than the level of
a test says. Given the past causes of both ends what is left is the chance of the moment. Candidates for these
causes are found first, series by series (the condition selection of PCMCI), and are then part of every
conditioning set.

References
----------
J. Runge, P. Nowack, M. Kretschmer, S. Flaxman, D. Sejdinovic, "Detecting and quantifying causal associations
in large nonlinear time series datasets", Science Advances 5, 2019.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._search import CanonicalTest, Ints
from causalrep.discovery._skeleton import sorted_pairs
from causalrep.independence import CITest
from causalrep.independence._arrays import Array, to_numpy
from causalrep.independence._base import CITestBatch
from causalrep.utils import progress_bar

__all__ = ["LaggedParents", "MomentaryTest", "select_lagged_parents"]

Bools = NDArray[np.bool_]


class LaggedParents(NamedTuple):
    """Which past values may cause each series, and what spoke against the others.

    Attributes
    ----------
    candidates : array of shape (n_nodes, n_series), bool
        Entry (a, k): node a of the window may be a cause of series k now.
    pvalues : array of shape (n_nodes, n_series), float
        The largest p-value met; NaN where nothing was asked.
    pairs, sets : arrays of shapes (m, 2) and (m, w), int
        Pairs (k, a) that a set separated, sorted, and the sets, padded with -1.
    n_tests, n_untestable : int
    """

    candidates: Bools
    pvalues: NDArray[np.float64]
    pairs: Ints
    sets: Ints
    n_tests: int
    n_untestable: int


def select_lagged_parents(
    test: CanonicalTest, candidates: Bools, alpha: float, required: Bools, *, progress: bool = False
) -> LaggedParents:
    """Return, of the candidates for the causes of each series, those that stay dependent on it.

    For p = 0, 1, 2, ... each candidate is asked given the p strongest others, one set only, and those that
    are separated are dropped at the end of the round. A candidate is as strong as the weakest dependence
    that it has shown, by its p-value.

    Parameters
    ----------
    test : CanonicalTest
        Of the nodes of the window: n series now, then one step ago, and so on.
    candidates, required : array of shape (n_nodes, n_series), bool
        Who is asked, and who is never dropped.
    alpha : float
        Level.
    """
    n_series = candidates.shape[1]
    left = [np.flatnonzero(candidates[:, k]) for k in range(n_series)]
    strength = np.full(candidates.shape, np.inf)
    pvalues = np.full(candidates.shape, np.nan)
    pairs, sets = [np.empty((0, 2), dtype=np.int64)], [np.empty((0, 0), dtype=np.int64)]
    n_tests = n_untestable = size = 0
    while size <= test.test.max_cond and any(len(near) > size for near in left):
        asked = [(k, near) for k, near in enumerate(left) if len(near) > size]
        cause = np.concatenate([near for _, near in asked])
        effect = np.repeat([k for k, _ in asked], [len(near) for _, near in asked])
        given = np.sort(np.concatenate([_strongest_others(near, size) for _, near in asked]), axis=1)
        with progress_bar(len(cause), description=f"past, {size}", enabled=progress, unit="test") as bar:
            batch = _ask(test, cause, effect, given)
            bar.update(len(cause))
        pvalue, log_pvalue = to_numpy(batch.pvalue), to_numpy(batch.log_pvalue)
        n_tests += len(cause)
        n_untestable += int(np.isnan(pvalue).sum())
        strength[cause, effect] = np.fmin(strength[cause, effect], -log_pvalue)
        pvalues[cause, effect] = np.fmax(pvalues[cause, effect], pvalue)
        gone = (pvalue > alpha) & ~required[cause, effect]
        pairs.append(np.stack([effect[gone], cause[gone]], axis=1))
        sets.append(given[gone])
        dropped: Bools = np.zeros_like(candidates)
        dropped[cause[gone], effect[gone]] = True
        left = [near[~dropped[near, k]] for k, near in enumerate(left)]
        left = [near[np.lexsort((near, -strength[near, k]))] for k, near in enumerate(left)]
        size += 1
    found: Bools = np.zeros_like(candidates)
    for k, near in enumerate(left):
        found[near, k] = True
    return LaggedParents(found, pvalues, *sorted_pairs(pairs, sets), n_tests, n_untestable)


def _strongest_others(near: Ints, size: int) -> Ints:
    """Return for each of the nodes the first `size` others, shape (len(near), size)."""
    place = np.broadcast_to(np.arange(size), (len(near), size))
    return near[place + (place >= np.arange(len(near))[:, None])]


def _ask(canonical: CanonicalTest, i: Ints, j: Ints, S: Ints) -> CITestBatch:
    """Ask what needs no check."""
    test = canonical.test
    left, right = (test.index_array(canonical.columns(end)) for end in (i, j))
    return test._in_chunks(
        left, right, [test.index_array(canonical.columns(S[:, p])) for p in range(S.shape[1])]
    )


class MomentaryTest(CITest):
    """A test that conditions, beyond what it is asked, on the past causes of both ends.

    A search asks it as any other. It answers in main memory, wherever the test of the window computes.

    Parameters
    ----------
    test : CanonicalTest
        Of the nodes of a window: n series now, then one step ago, and so on.
    parents : array of shape (n_nodes, n_series), bool
        The past causes of each series now.
    """

    def __init__(self, test: CanonicalTest, parents: Bools) -> None:
        self._test = test
        self._anchor = np.empty(0)
        self.names_ = tuple(range(test.d))
        n_nodes, n_series = parents.shape
        self.conditions: Bools = np.zeros((n_nodes, n_nodes), dtype=bool)
        for node in range(n_nodes):  # the causes of a past value are those of a present one, moved back
            lag, series = divmod(node, n_series)
            self.conditions[node, lag * n_series :] = parents[: n_nodes - lag * n_series, series]

    def fit(self, X: Any) -> MomentaryTest:  # noqa: ARG002
        """Return the test as it is: it asks one that is fitted."""
        return self

    @property
    def max_cond(self) -> int:
        """The largest number of nodes that the test of the window can condition on."""
        return self._test.test.max_cond

    def given(self, i: Ints, j: Ints, S: tuple[Ints, ...] = ()) -> Bools:
        """Return what questions condition on, shape (m, n_nodes)."""
        asked: Bools = self.conditions[i] | self.conditions[j]
        rows = np.arange(len(i))
        for column in S:
            asked[rows, column] = True
        asked[rows, i] = asked[rows, j] = False
        return asked

    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        given = self.given(i, j, S)
        sizes = given.sum(axis=1)
        statistic, pvalue, dof = (np.empty(len(i)) for _ in range(3))
        flags = np.empty(len(i), dtype=np.int8)
        for size in np.unique(sizes).tolist():
            rows = np.flatnonzero(sizes == size)
            sets = np.nonzero(given[rows])[1].reshape(len(rows), size)
            batch = _ask(self._test, i[rows], j[rows], sets)
            statistic[rows], pvalue[rows] = to_numpy(batch.statistic), to_numpy(batch.pvalue)
            dof[rows], flags[rows] = to_numpy(batch.dof), to_numpy(batch.flag)
        return CITestBatch(statistic, pvalue, dof, flags)
