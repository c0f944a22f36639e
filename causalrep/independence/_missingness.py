"""Which variables cause values of others to be missing, and covariances as they would be without gaps.

Rows that lack no value are a selection. It biases a test where what causes the gaps depends on both sides of
the question. Yet given those causes the gaps are a matter of chance, so the regression of the tested columns
on the causes can be learned from the whole rows, and the distribution of the causes from all rows that have
them. Together the two make the covariance of all rows [1]_. Where the causes have gaps themselves, the same
is done to them first.

References
----------
.. [1] R. Tu, C. Zhang, P. Ackermann, K. Mohan, H. Kjellström, K. Zhang, "Causal discovery in the presence of
   missing data", AISTATS 2019, arXiv:1807.04010, sections 3 and 4.2. (There the regression is followed by a
   draw of virtual rows; for linear regressions the draw has a limit, which is what is computed here.)
.. [2] T. W. Anderson, "Maximum likelihood estimates for a multivariate normal distribution when some
   observations are missing", Journal of the American Statistical Association 52, 1957.
.. [3] P. Bühlmann, M. Kalisch, M. H. Maathuis, "Variable selection in high-dimensional linear models:
   partially faithful distributions and the PC-simple algorithm", Biometrika 97, 2010.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from causalrep.independence._arrays import to_numpy
from causalrep.independence._moments import PatternMoments

__all__ = ["Answer", "Recovery", "causes_of_gaps"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Columns = tuple[int, ...]
Ask = Callable[[int, list[tuple[int, Columns]]], Floats]

_SMALLEST_EIGENVALUE = 1e-10


def causes_of_gaps(incomplete: list[int], d: int, ask: Ask, alpha: float) -> Bools:
    """Return which column causes gaps in which, array of shape (d, d): (v, w) for gaps of v that w causes.

    No gap causes anything, so that a column that is no cause is independent of the gaps given those that are:
    of all other columns, those are taken away that some of the rest make independent, level by level [3]_.

    Parameters
    ----------
    incomplete : list of int
        The columns with gaps.
    d : int
        Number of columns.
    ask : callable
        ``ask(v, questions)`` returns the p-values of "the gaps of v are independent of w given S" for pairs
        (w, S), NaN where there is no telling.
    alpha : float
        Level of the tests.
    """
    causes: Bools = np.zeros((d, d), dtype=bool)
    for v in incomplete:
        candidates = [w for w in range(d) if w != v]
        # What is never seen where v is missing shows no dependence, and there is nothing to correct by.
        first = ask(v, [(w, ()) for w in candidates])
        left = [w for w, p in zip(candidates, first.tolist(), strict=True) if p <= alpha]
        size = 1
        while size < len(left):
            questions = [
                (w, S) for w in left for S in combinations([other for other in left if other != w], size)
            ]
            pvalues = ask(v, questions)
            gone = {w for (w, _), p in zip(questions, pvalues.tolist(), strict=True) if p > alpha}
            left = [w for w in left if w not in gone]
            size += 1
        causes[v, left] = True
    return causes


class Answer(NamedTuple):
    """A partial correlation, and the number of complete rows that would tell it as exactly."""

    correlation: float
    n_rows: float
    singular: bool = False


class _Link(NamedTuple):
    """The regression of one set of columns on another, from the rows that have both.

    Attributes
    ----------
    n : float
        Number of those rows.
    slopes : array of shape (outer, inner)
    residual : array of shape (outer, outer)
        What the regression leaves of the covariance.
    inner : array of shape (inner, inner)
        Covariance of the regressors as it would be without gaps.
    precision : array of shape (inner, inner)
        Inverse of their covariance in those rows.
    """

    n: float
    slopes: Floats
    residual: Floats
    inner: Floats
    precision: Floats


class Recovery:
    """Partial correlations as they would be without gaps.

    Parameters
    ----------
    patterns : PatternMoments
        The data.
    causes : array of shape (d, d), bool
        As `causes_of_gaps` returns.
    """

    def __init__(self, patterns: PatternMoments, causes: Bools) -> None:
        d = patterns.d
        self._missing: Bools = to_numpy(patterns._missing)
        self._count: Floats = to_numpy(patterns._count)
        self._sums: Floats = to_numpy(patterns._sums)
        self._products: Floats = to_numpy(patterns._products).reshape(d, d, -1)
        self._causes = causes
        self._all_causes = causes.copy()  # and the causes of their gaps, and so on
        for _ in range(d):
            self._all_causes |= self._all_causes @ causes

    @property
    def circular(self) -> list[int]:
        """The columns whose gaps hang, over those of others, on their own values: nothing recovers these."""
        return np.flatnonzero(np.diag(self._all_causes)).tolist()

    def is_needed(self, i: NDArray[np.int64], j: NDArray[np.int64], S: NDArray[np.int64]) -> Bools:
        """Return for each question whether the rows that have its columns are a biased selection.

        They are not where all causes of the gaps are among S and one of the two ends.
        """
        causes: Bools = np.logical_or(self._causes[i], self._causes[j])
        for column in S.T:
            causes = np.logical_or(causes, self._causes[column])
        rows = np.arange(len(i))
        causes[rows[:, None], S] = False
        needed: Bools = np.ones(len(i), dtype=bool)
        for end in (i, j):
            others = causes.copy()
            others[rows, end] = False
            needed = np.logical_and(needed, others.any(axis=1))
        return needed

    def answer(self, i: int, j: int, S: Columns) -> Answer:
        """Return the partial correlation of columns i and j given S."""
        chain = [(i, j, *S), _columns(self._all_causes[[i, j, *S]])]
        while (following := _columns(self._causes[list(chain[-1])])) not in (chain[-1], ()):
            chain.append(following)
        n, root = self._covariance(chain[-1])
        K, links = root, []
        for inner, outer in pairwise(reversed(chain)):
            link = self._link(outer, inner, K)
            if link is None:
                return Answer(np.nan, 0.0, singular=True)
            links.append(link)
            K = link.slopes @ K @ link.slopes.T + link.residual
        rest = _partialled(K)
        if rest is None:
            return Answer(np.nan, 0.0, singular=True)
        V = rest.T @ K @ rest
        variance, ends = 0.0, rest
        for link in reversed(links):
            variance += _spread(ends.T @ link.residual @ ends, link, link.slopes.T @ ends) / link.n
            ends = link.slopes.T @ ends
        variance += _spread(ends.T @ root @ ends) / max(n, 1.0)
        scale = float(V[0, 0] * V[1, 1])
        if min(variance, scale) <= 0.0:
            return Answer(np.nan, 0.0, singular=True)
        return Answer(float(V[0, 1]) / np.sqrt(scale), (scale + float(V[0, 1]) ** 2) / variance)

    def _covariance(self, columns: Columns) -> tuple[float, Floats]:
        """Return the number of rows that have all of the columns, and their covariance there."""
        used = ~self._missing[list(columns)].any(axis=0)
        n = max(float(self._count[used].sum()), 1.0)
        mean = self._sums[list(columns)][:, used].sum(axis=1) / n
        products = self._products[np.ix_(columns, columns)][:, :, used].sum(axis=2) / n
        return n, products - np.outer(mean, mean)

    def _link(self, outer: Columns, inner: Columns, K: Floats) -> _Link | None:
        """Return the regression of the outer columns on the inner, None where these are collinear."""
        both = tuple(dict.fromkeys((*inner, *outer)))
        n, C = self._covariance(both)
        k, place = len(inner), [both.index(column) for column in outer]
        if n <= k + 3 or np.linalg.eigvalsh(C[:k, :k])[0] < _SMALLEST_EIGENVALUE:
            return None
        precision: Floats = np.linalg.inv(C[:k, :k]).astype(np.float64)
        slopes = C[place, :k] @ precision
        residual = C[np.ix_(place, place)] - slopes @ C[:k, place]
        return _Link(n, slopes, residual, K, precision)


def _columns(rows: Bools) -> Columns:
    """Return the columns in which one of the rows is true."""
    return tuple(np.flatnonzero(rows.any(axis=0)).tolist())


def _partialled(K: Floats) -> Floats | None:
    """Return the combinations, shape (m, 2), that are the first two columns less what the rest tells of them.

    None where the rest is collinear.
    """
    rest = np.zeros((len(K), 2))
    rest[[0, 1], [0, 1]] = 1.0
    if len(K) > 2:
        if np.linalg.eigvalsh(K[2:, 2:])[0] < _SMALLEST_EIGENVALUE:
            return None
        rest[2:] = -np.linalg.solve(K[2:, 2:], K[2:, :2])
    return rest


def _spread(residual: Floats, link: _Link | None = None, ends: Floats | None = None) -> float:
    """Return the variance, for one row, of the covariance of two combinations of Gaussian columns.

    Of what a regression leaves of them, s, and of what its slopes carry over from the regressors: those are
    estimated with covariance (residual variance) x (precision), and what they are multiplied with is g.
    """
    s = residual
    total = s[0, 0] * s[1, 1] + s[0, 1] ** 2
    if link is not None and ends is not None:
        carried = link.inner @ ends
        g = carried.T @ link.precision @ carried
        total += g[1, 1] * s[0, 0] + g[0, 0] * s[1, 1] + 2.0 * g[0, 1] * s[0, 1]
    return float(total)
