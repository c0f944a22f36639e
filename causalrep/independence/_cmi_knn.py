"""Conditional mutual information by nearest neighbours, with permutations among neighbours in Z.

Idea
----
How much does y tell about x that Z does not? In small cubes around each row, with the k nearest rows in
(x, y, Z) inside, the rows are counted whose (x, Z), whose (y, Z) and whose Z lie as near. If x and y are
independent given Z, these counts fit together, and the estimate is close to zero. What "close" means is
found out by permutation: each row gets the x of a row with a similar Z, which destroys the dependence on y
and keeps that on Z.

What it cannot see
------------------
Dependence finer than the neighbourhoods; and with many conditioning variables there are no near rows.

References
----------
.. [1] S. Frenzel and B. Pompe, Partial mutual information for coupling analysis of multivariate time series,
   Physical Review Letters 99 (2007), 204101.
.. [2] J. Runge, Conditional independence testing based on a nearest-neighbor estimator of conditional mutual
   information, AISTATS 2018, arXiv:1709.01447.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import scipy.special
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, index_array, kth_smallest, namespace_of, to_numpy
from causalrep.independence._base import Flag
from causalrep.independence._contingency import count
from causalrep.independence._continuous import Answer, ContinuousTest, Key
from causalrep.utils import DataError, as_seed, keyed_generator

__all__ = ["CMIKnn"]

Shorts: TypeAlias = Array
"""Integers of 16 bits, of any array library."""
_MOST_ROWS = 2**15 - 1
_CELLS = 2**20  # that are counted at once, as wider integers


class CMIKnn(ContinuousTest):
    r"""Test of zero conditional mutual information, estimated by nearest neighbours.

    Assumes independent rows. Nothing is assumed about distributions: only the ranks of the values matter.

    Parameters
    ----------
    k : int or float, default=0.2
        Number of neighbours, or that share of the rows. Fewer see finer dependence, with more variance.
    k_permutation : int, default=5
        How many neighbours in Z a row may get its x from.
    n_permutations : int, default=200
        Permutations; the p-value is ``(1 + #{I* >= I}) / (1 + n_permutations)``.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        Of the permutations, which depend on it and on the names of the columns alone.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows.

    Raises
    ------
    DataError
        For parameters out of range. In `fit`: for missing, infinite or complex values, constant columns,
        text, fewer than six rows or more than 32767.

    Notes
    -----
    With :math:`\epsilon_i` the distance (largest difference of ranks) from row i to its k-th neighbour and
    :math:`n_{\cdot}(i)` the number of rows nearer than that in the named coordinates, row i included,

    .. math:: I = \psi(k) + \frac 1 n \sum_i \big(\psi(n_Z(i)) - \psi(n_{xZ}(i)) - \psi(n_{yZ}(i))\big),

    where for empty Z, :math:`n_Z = n`. Ties are broken by chance, the same for every test. ``dof`` is
    infinite. Each permutation costs O(n^2): distances are ranks, held as 16-bit integers, and nothing but the
    coordinate x changes between permutations, which are drawn in main memory. About 16 n^2 bytes are held.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import CMIKnn
    >>> rng = np.random.default_rng(0)
    >>> z, a, b = rng.normal(size=(3, 300))
    >>> X = np.column_stack([z**2 + 0.3 * a, np.cos(2 * z) + 0.3 * b, z])
    >>> test = CMIKnn(k=0.1).fit(X)
    >>> test.test(0, 1).pvalue < 0.01, test.test(0, 1, [2]).pvalue > 0.05
    (True, True)
    """

    def __init__(
        self,
        *,
        k: float = 0.2,
        k_permutation: int = 5,
        n_permutations: int = 200,
        random_state: Any = 0,
    ) -> None:
        is_count = isinstance(k, int) and not isinstance(k, bool) and k >= 1
        if not (is_count or (isinstance(k, float) and 0.0 < k < 1.0)):
            raise DataError(f"`k` must be a positive integer or a share in (0, 1), got {k!r}")
        for what, value in (("k_permutation", k_permutation), ("n_permutations", n_permutations)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise DataError(f"`{what}` must be a positive integer, got {value!r}")
        self.k, self.k_permutation = k, k_permutation
        self.n_permutations, self.random_state = n_permutations, random_state

    def _prepare(self) -> None:
        n = self.n_samples_
        if n > _MOST_ROWS:
            raise DataError(f"CMIKnn compares all pairs of rows and takes up to {_MOST_ROWS}, got {n}")
        self._neighbours = min(n - 1, self.k if isinstance(self.k, int) else max(1, int(self.k * n)))
        self._seed = as_seed(self.random_state)
        xp = namespace_of(self._anchor)
        self._ranks = []
        for name, column in zip(self._names, self._columns, strict=True):
            chance = index_array(keyed_generator(self._seed, "ties", name).permutation(n), column)
            order = xp.argsort(xp.take(column, chance, axis=0), stable=True)  # ties stay as chance has them
            ranks = xp.argsort(xp.take(chance, order, axis=0))
            self._ranks.append(xp.astype(ranks, xp.int16))

    def _given(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        near = _Near(self._distance(given)) if given else None
        donors = self._donors(near.distance) if near is not None else None
        for x, y in pairs:
            distance = _spread(self._ranks[y])
            if near is not None:
                distance = namespace_of(distance).maximum(distance, near.distance)
            estimate = _Estimate(_Near(distance), near, self._neighbours)
            observed = estimate(self._ranks[x])
            names = [self._names[v] for v in (x, y, *given)]
            rng = keyed_generator(self._seed, "permutation", *names)
            orders = (index_array(order, self._anchor) for order in self._orders(donors, rng))
            take = namespace_of(self._anchor).take
            exceeding = sum(estimate(take(self._ranks[x], order, axis=0)) >= observed for order in orders)
            yield observed, (1 + exceeding) / (1 + self.n_permutations), math.inf, Flag.OK

    def _distance(self, given: Key) -> Shorts:
        found = _spread(self._ranks[given[0]])
        for v in given[1:]:
            found = namespace_of(found).maximum(found, _spread(self._ranks[v]))
        return found

    def _donors(self, distance: Shorts) -> NDArray[np.int64]:
        """Return for each row the rows nearest to it in Z, the row itself included."""
        count = min(self.k_permutation, self.n_samples_)
        xp, blocks = namespace_of(distance), _blocks(distance)
        nearest = [to_numpy(xp.argsort(block, axis=1, stable=True)[:, :count]) for block in blocks]
        return np.concatenate(nearest).astype(np.int64, copy=False)

    def _orders(
        self, donors: NDArray[np.int64] | None, rng: np.random.Generator
    ) -> Iterator[NDArray[np.int64]]:
        """Yield permutations of the rows, each row taking one of its donors where one is left."""
        n, b = self.n_samples_, self.n_permutations
        if donors is None:
            for _ in range(b):
                yield rng.permutation(n)
            return
        # All permutations are drawn side by side, row by row: a row takes the first of its donors, in
        # random order, that nobody has taken, else the last one.
        visit = np.argsort(rng.random((b, n)), axis=1)
        taken = np.zeros((b, n), dtype=bool)
        orders = np.empty((b, n), dtype=np.int64)
        which = np.arange(b)
        for step in range(n):
            row = visit[:, step]
            choices = donors[row]
            shuffle = np.argsort(rng.random(choices.shape), axis=1)
            choices = np.take_along_axis(choices, shuffle, axis=1)
            free = ~taken[which[:, None], choices]
            place = np.where(free.any(axis=1), free.argmax(axis=1), choices.shape[1] - 1)
            chosen = choices[which, place]
            taken[which, chosen] = True
            orders[which, row] = chosen
        yield from orders


class _Near:
    """Distances between all rows, and how many lie nearer than a given distance."""

    def __init__(self, distance: Shorts) -> None:
        xp, where = namespace_of(distance), device_of(distance)
        n = distance.shape[0]
        self.distance = distance
        self._starts = xp.arange(n, dtype=xp.int64, device=where) * (n + 1)
        self._below = xp.concat([_counts_below(block) for block in _blocks(distance)])

    def count(self, limit: Shorts) -> Shorts:
        """Return for each row the number of rows nearer than its limit, itself included."""
        return namespace_of(limit).take(self._below, self._starts + limit, axis=0)


def _counts_below(distance: Shorts) -> Shorts:
    """Return flat rows whose place e holds how many of n distances are below e, for e = 0, ..., n."""
    xp = namespace_of(distance)
    m, n = distance.shape
    # A place further on, so that the sum over the places up to e is that over distances below e.
    starts = xp.arange(m, dtype=xp.int64, device=device_of(distance)) * (n + 1) + 1
    found = count(xp.reshape(starts[:, None] + distance, (-1,)), m * (n + 1), None)
    below = xp.cumulative_sum(xp.reshape(found, (m, n + 1)), axis=1, dtype=xp.int16)
    return xp.reshape(below, (-1,))


class _Estimate:
    """The estimate of the information between a changing x and a fixed y, given a fixed Z."""

    def __init__(self, near_yz: _Near, near_z: _Near | None, k: int) -> None:
        self._near_yz, self._near_z, self._k = near_yz, near_z, k
        distance = near_yz.distance
        n = distance.shape[0]
        # At distance zero lies the row itself, so that no count is below one.
        self._psi_k = float(scipy.special.digamma(k))
        psi = np.concatenate([[-np.inf], scipy.special.digamma(np.arange(1, n + 1))])
        xp, where = namespace_of(distance), device_of(distance)
        self._psi = xp.asarray(psi, device=where)
        self._ends = [xp.asarray(end, dtype=xp.int32, device=where) for end in (-1, n)]

    def __call__(self, x: Shorts) -> float:
        xp = namespace_of(x)
        spread = _spread(x)
        joint = xp.maximum(spread, self._near_yz.distance)
        limit = kth_smallest(joint, self._k)  # the row itself is at place 0
        limit = xp.maximum(limit, xp.ones_like(limit))
        if self._near_z is None:
            # Ranks are 0, ..., n - 1 without a gap, so the count is that of an interval.
            wide = xp.astype(x, xp.int32)  # a sum of two ranks may exceed 16 bits
            n_xz = xp.minimum(wide + limit, self._ends[1]) - xp.maximum(wide - limit, self._ends[0]) - 1
            left = self._psi[-1]
        else:
            inside = (spread < limit[:, None]) & (self._near_z.distance < limit[:, None])
            n_xz = xp.count_nonzero(inside, axis=1)
            left = self._psi_of(self._near_z.count(limit))
        terms = left - self._psi_of(n_xz) - self._psi_of(self._near_yz.count(limit))
        return self._psi_k + float(xp.mean(terms))

    def _psi_of(self, counts: Array) -> Array:
        return namespace_of(counts).take(self._psi, index_array(counts, counts), axis=0)


def _blocks(distance: Shorts) -> list[Shorts]:
    """Return the rows in blocks, of which what is wider than 16 bits is made one at a time."""
    n = distance.shape[0]
    step = max(1, _CELLS // n)
    return [distance[start : min(start + step, n), :] for start in range(0, n, step)]


def _spread(ranks: Shorts) -> Shorts:
    xp = namespace_of(ranks)
    return xp.abs(ranks[:, None] - ranks[None, :])
