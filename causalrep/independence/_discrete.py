"""The likelihood-ratio and Pearson's chi-square test of independence of discrete variables, within strata.

Idea
----
Given each state of S, the table of x against y is compared with the product of its margins; the statistic
and its degrees of freedom are summed over the states of S. Under independence the sum is close to
chi-square where the expected counts are not small.

What it cannot see
------------------
The order of the states: a trend across many states costs as many degrees of freedom as any other pattern.
And with many conditioning variables the strata hold too few rows to tell anything: the question is then
flagged instead of answered.

References
----------
A. Agresti, Categorical Data Analysis, 3rd edition, 2013, sections 3.2 and 6.3.
P. Spirtes, C. Glymour and R. Scheines, Causation, Prediction, and Search, 2nd edition, 2000, section 5.5.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import (
    Array,
    canonical_order,
    chunk_bytes,
    namespace_of,
    on_host,
    to_numpy,
)
from causalrep.independence._base import CITest, CITestBatch, Flag
from causalrep.independence._chi_square import ChiSquareBatch, minus_log_pvalue, tail
from causalrep.independence._codes import coded_columns, compressed_rows
from causalrep.independence._contingency import FixedPoint, Tables, count, pair_counts, stratum_codes
from causalrep.utils import DataError, UnknownNameError, as_seed, keyed_generator

__all__ = ["ChiSquare", "GSquare"]

_CODES_IN_FLIGHT = 2**17  # rows x tests that are coded at once: what a core's own cache holds
_CELLS_IN_FLIGHT = 2**22
_PAIR_TABLE_CELLS = 2**25


class _DiscreteTest(CITest):
    """What both tests share: coding, counting, degrees of freedom, guards."""

    n_samples_: int
    n_states_: tuple[int, ...]

    def __init__(
        self,
        *,
        dof: str = "nonzero",
        min_per_cell: float = 5.0,
        missing: str = "raise",
        n_permutations: int = 0,
        random_state: Any = 0,
    ) -> None:
        for what, value, choices in (
            ("dof", dof, ("nonzero", "full")),
            ("missing", missing, ("raise", "drop", "testwise")),
        ):
            if value not in choices:
                raise UnknownNameError(value, choices, what=f"`{what}`")
        if not min_per_cell >= 0:
            raise DataError(f"`min_per_cell` must be a number of at least 0, got {min_per_cell!r}")
        if isinstance(n_permutations, bool) or not isinstance(n_permutations, int) or n_permutations < 0:
            raise DataError(f"`n_permutations` must be a non-negative integer, got {n_permutations!r}")
        self.dof, self.min_per_cell, self.missing = dof, float(min_per_cell), missing
        self.n_permutations, self.random_state = n_permutations, random_state

    def fit(self, X: Any, *, device: Any = None) -> _DiscreteTest:
        """Code the states of the columns and collapse equal rows.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Of NumPy, Torch, CuPy, or any library of the array standard. Frames may hold strings,
            categories and booleans.
        device : str or device, default=None
            Where to count: codes of NumPy arrays, frames and CuPy arrays become tensors of Torch there. By
            default where the data lie.

        Returns
        -------
        CITest
            The test itself.

        Raises
        ------
        DataError
            For missing values if ``missing="raise"``, constant columns, and columns in which more
            than half of the rows have a value of their own.
        """
        codes, cards, names, like = coded_columns(X, missing=self.missing, device=device)
        self.n_samples_ = codes.shape[1]
        order = canonical_order(names)
        codes, weights = compressed_rows(codes[order], [cards[k] for k in order])
        xp = namespace_of(like)
        where = device_of(like)
        self._place = np.argsort(order)
        self._names = tuple(names[k] for k in order)
        self._cards = [cards[k] for k in order]
        # Half as wide integers are half the traffic; no code of a cell comes near their bound.
        narrow = 2 * max(64, self.n_samples_) * max(cards) ** 2 < 2**31
        self._codes = xp.asarray(codes.astype(np.int32) if narrow else codes, device=where)
        self._weights = None if weights is None else xp.asarray(weights.astype(np.float64), device=where)
        self._has_missing = bool((codes < 0).any())
        self._anchor = xp.zeros((1,), dtype=xp.float64, device=where)
        self._grid = FixedPoint(self.n_samples_, self._largest_sum(), self._anchor)
        self._pairs: Array | None = None
        # On a device as much as it has memory for; each code and each cell is held some eight times.
        self._codes_in_flight = chunk_bytes(self._anchor, 64 * _CODES_IN_FLIGHT) // 64
        self._cells_in_flight = chunk_bytes(self._anchor, 64 * _CELLS_IN_FLIGHT) // 64
        self._seed = as_seed(self.random_state) if self.n_permutations else 0
        self.names_, self.n_states_ = names, tuple(cards)
        return self

    @abstractmethod
    def _largest_sum(self) -> float:
        """Return a bound on the terms of the statistic, summed."""

    @abstractmethod
    def _statistic(self, tables: Tables) -> Array:
        """Return the statistic of each table, shape (m,)."""

    @property
    def max_cond(self) -> int:
        """The largest number of conditioning columns that can leave enough rows per degree of freedom."""
        self._refuse_unless_fitted()
        if self.dof == "nonzero" or not self.min_per_cell:
            return max(0, len(self.names_) - 2)
        cards = sorted(self._cards)
        needed = self.min_per_cell * math.prod(card - 1 for card in cards[:2])
        k = 0
        while k + 2 < len(cards) and needed * cards[k] <= self.n_samples_:
            needed *= cards[k]
            k += 1
        return k

    def chunk_size(self, n_given: int) -> int:
        """Return how many tests given `n_given` columns may be asked at once within the memory budget."""
        # Only the positions are held at once; the counting divides further, by the size of the tables.
        budget = 2**18 if on_host(self._anchor) else 2**22
        return max(1, budget // (8 * (n_given + 2)))

    def strength(self, i: Array, j: Array, S: Sequence[Array]) -> Array:
        """Return minus the logarithms of the p-values, infinite where no test was made (see `CITest`)."""
        return minus_log_pvalue(self, i, j, S)

    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        ends = np.sort(np.stack([self._place[to_numpy(end)] for end in (i, j)], axis=1), axis=1)
        given = np.empty((len(ends), len(S)), dtype=np.int64)
        if S:
            given = np.sort(np.stack([self._place[to_numpy(s)] for s in S], axis=1), axis=1)
        m = len(ends)
        statistic, pvalue = np.full(m, math.nan), np.full(m, math.nan)
        dof, flag = np.zeros(m), np.zeros(m, dtype=np.int8)
        for which, tables in self._tables(ends, given):
            freedom, rows = to_numpy(self._freedom(tables, ends[which], given[which])), tables.strata
            n = to_numpy(namespace_of(rows).sum(rows, axis=1))
            flag[which] = np.where(n < self.min_per_cell * freedom, Flag.TOO_FEW_ROWS, Flag.OK)
            flag[which[freedom == 0]] = Flag.EMPTY_TABLE
            value = to_numpy(self._statistic(tables))
            ok = flag[which] == Flag.OK
            statistic[which], dof[which] = np.where(ok, value, math.nan), freedom
            if not self.n_permutations:
                pvalue[which] = np.where(ok, tail(value, np.maximum(freedom, 1)), math.nan)
        if self.n_permutations:
            for q in np.flatnonzero(flag == Flag.OK).tolist():
                pvalue[q] = self._permuted_pvalue(ends[q].tolist(), given[q].tolist(), float(statistic[q]))
        xp, where = namespace_of(self._anchor), device_of(self._anchor)
        parts = [xp.asarray(part, device=where) for part in (statistic, pvalue, dof, flag)]
        return CITestBatch(*parts) if self.n_permutations else ChiSquareBatch(*parts)

    def _freedom(self, tables: Tables, ends: NDArray[Any], given: NDArray[Any]) -> Array:
        if self.dof == "nonzero":
            return tables.nonzero_dof()
        cards = np.array(self._cards, dtype=np.float64)
        return (cards[ends] - 1.0).prod(axis=1) * cards[given].prod(axis=1)

    # Counting

    def _tables(self, ends: NDArray[Any], given: NDArray[Any]) -> Iterator[tuple[NDArray[Any], Tables]]:
        """Yield groups of questions (as positions) and their tables, which have one shape in a group."""
        cards = np.array(self._cards)
        shapes = cards[ends]
        if not given.shape[1] and self._pair_tables_pay(len(ends)):
            for which in _groups(shapes):
                yield from self._cut_from_pairs(which, ends[which])
            return
        sets, owner = np.unique(given, axis=0, return_inverse=True)
        largest = max(64, self._codes.shape[1] // 4)
        # Strata of one block of sets are held at a time; questions are visited in the order of their sets.
        step = max(1, self._cells_in_flight // self._codes.shape[1])
        for start in range(0, len(sets), step):
            block = sets[start : start + step].tolist()
            found = [
                stratum_codes(self._codes, self._cards, columns, largest, missing=self._has_missing)
                for columns in block
            ]
            here = np.flatnonzero((owner.reshape(-1) >= start) & (owner.reshape(-1) < start + step))
            sizes = np.array([_rounded(size, largest) for _, size in found])[owner.reshape(-1)[here] - start]
            xp = namespace_of(self._codes)
            strata = xp.stack([stratum for stratum, _ in found])
            for part in _groups(np.column_stack([shapes[here], sizes])):
                which = here[part]
                yield from self._counted(
                    which, ends[which], strata, owner.reshape(-1)[which] - start, int(sizes[part[0]])
                )

    def _counted(
        self,
        which: NDArray[Any],
        ends: NDArray[Any],
        strata: Array,
        owner: NDArray[Any],
        n_strata: int,
    ) -> Iterator[tuple[NDArray[Any], Tables]]:
        """Count questions whose tables have one shape, as many at a time as the cache holds."""
        cx, cy = (self._cards[v] for v in ends[0].tolist())
        cells = n_strata * cx * cy
        n = self._codes.shape[1]
        step = max(1, min(self._codes_in_flight // n, self._cells_in_flight // cells))
        for start in range(0, len(which), step):
            part = slice(start, start + step)
            x, y = ends[part].T
            found = self._cell_counts(x, y, strata, owner[part], (n_strata, cx, cy))
            yield which[part], Tables(found)

    def _cell_counts(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        strata: Array,
        owner: NDArray[Any],
        shape: tuple[int, int, int],
    ) -> Array:
        xp, where = namespace_of(self._codes), device_of(self._codes)
        rows_of = [xp.asarray(rows, device=where) for rows in (owner, x, y)]
        codes = xp.take(strata, rows_of[0], axis=0)
        states = [xp.take(self._codes, rows, axis=0) for rows in rows_of[1:]]
        m, cells = len(x), math.prod(shape)
        table_size = cells
        if self._has_missing:
            absent = (codes < 0) | (states[0] < 0) | (states[1] < 0)
            table_size += 1  # one more cell takes the rows that do not count
        codes *= shape[1]
        codes += states[0]
        codes *= shape[2]
        codes += states[1]
        if self._has_missing:
            codes = xp.where(absent, xp.full_like(codes, cells), codes)
        codes = codes + xp.arange(m, dtype=xp.int64, device=where)[:, None] * table_size
        weights = self._weights
        if weights is not None:
            weights = xp.reshape(xp.broadcast_to(weights, codes.shape), (-1,))
        found = xp.reshape(count(xp.reshape(codes, (-1,)), m * table_size, weights), (m, table_size))
        return xp.reshape(found[:, :cells], (m, *shape))

    def _pair_tables_pay(self, m: int) -> bool:
        size = sum(self._cards)
        # A product of indicators costs about a 25th of a nanosecond per cell and row, a pass over coded
        # rows five nanoseconds per question and row (both measured on one core).
        return size * size <= _PAIR_TABLE_CELLS and (self._pairs is not None or size * size < 125 * m)

    def _cut_from_pairs(
        self, which: NDArray[Any], ends: NDArray[Any]
    ) -> Iterator[tuple[NDArray[Any], Tables]]:
        if self._pairs is None:
            self._pairs = pair_counts(self._codes, self._cards, self._weights)
        xp, where = namespace_of(self._pairs), device_of(self._pairs)
        starts = np.concatenate([[0], np.cumsum(self._cards)])
        cx, cy = (self._cards[v] for v in ends[0].tolist())
        step = max(1, self._cells_in_flight // (8 * cx * cy))
        flat = xp.reshape(self._pairs, (-1,))
        for start in range(0, len(which), step):
            x, y = starts[ends[start : start + step]].T
            rows = (x[:, None] + np.arange(cx))[:, :, None]
            columns = (y[:, None] + np.arange(cy))[:, None, :]
            index = xp.asarray((rows * starts[-1] + columns).reshape(-1), device=where)
            cells = xp.reshape(xp.take(flat, index, axis=0), (len(x), 1, cx, cy))
            yield which[start : start + step], Tables(cells)

    def _permuted_pvalue(self, ends: list[int], given: list[int], observed: float) -> float:
        """Return the share of permutations of x within the strata with a statistic at least as large."""
        xp, where = namespace_of(self._codes), device_of(self._codes)
        codes = self._codes
        if self._weights is not None:  # the rows that were collapsed take part one by one
            codes = xp.repeat(codes, xp.astype(self._weights, xp.int64), axis=1)
        largest = max(64, codes.shape[1] // 4)
        stratum, n_strata = stratum_codes(codes, self._cards, given, largest, missing=self._has_missing)
        x, y = (codes[end, :] for end in ends)
        kept = xp.nonzero((stratum >= 0) & (x >= 0) & (y >= 0))[0]
        order = xp.take(kept, xp.argsort(xp.take(stratum, kept, axis=0), stable=True), axis=0)
        stratum, x, y = (xp.take(part, order, axis=0) for part in (stratum, x, y))
        keys = ("permutation", *(self._names[v] for v in (*ends, *given)))
        rng = keyed_generator(self._seed, *keys)
        cx, cy = (self._cards[v] for v in ends)
        n, cells = order.shape[0], n_strata * cx * cy
        left, exceeding = self.n_permutations, 0
        while left:
            b = min(left, max(1, self._codes_in_flight // n))
            # Sorted by stratum and then by chance, the places of a stratum are its own.
            chance = xp.asarray(rng.random((b, n)), device=where)
            shuffled = xp.argsort(xp.astype(stratum, xp.float64) + chance, axis=1, stable=False)
            moved = xp.reshape(xp.take(x, xp.reshape(shuffled, (-1,)), axis=0), (b, n))
            flat = (stratum * cx + moved) * cy + y
            flat = flat + xp.arange(b, dtype=xp.int64, device=where)[:, None] * cells
            found = xp.reshape(count(xp.reshape(flat, (-1,)), b * cells, None), (b, n_strata, cx, cy))
            exceeding += int(xp.count_nonzero(self._statistic(Tables(found)) >= observed))
            left -= b
        return (1 + exceeding) / (1 + self.n_permutations)


class GSquare(_DiscreteTest):
    r"""Likelihood-ratio test (G²) of conditional independence of discrete variables.

    Assumes independent rows. The states of a variable have no order.

    Parameters
    ----------
    dof : {"nonzero", "full"}, default="nonzero"
        Degrees of freedom: (nonempty rows - 1)(nonempty columns - 1), summed over the strata of S that
        occur; or ``(|X| - 1)(|Y| - 1)`` times the number of combinations of states of S.
    min_per_cell : float, default=5
        Rows per degree of freedom below which a question is flagged ``Flag.TOO_FEW_ROWS``; 0 answers
        whatever has a degree of freedom.
    missing : {"raise", "drop", "testwise"}, default="raise"
        Missing values (NaN, None) are an error; or only rows that have all columns are used; or each test
        uses the rows that have all of its columns. The last two are unbiased where values are missing
        completely at random.
    n_permutations : int, default=0
        If positive, p-values come from this many permutations of x within the strata of S,
        ``(1 + #{T* >= T}) / (1 + n_permutations)``, and hold for small tables too.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        Of the permutations, which depend on it and on the names of the columns alone.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows that are used.
    n_states_ : tuple of int
        Number of states of each column.

    Raises
    ------
    DataError
        For parameters out of range.
    UnknownNameError
        For a choice that does not exist.

    Notes
    -----
    With :math:`O_{sxy}` rows in a cell and dots for sums,

    .. math:: G^2 = 2 \sum_{sxy} O_{sxy} \log \frac{O_{sxy} O_{s..}}{O_{sx.} O_{s.y}}.

    There is no continuity correction. A question without a degree of freedom is flagged
    ``Flag.EMPTY_TABLE``. Equal rows are collapsed where that halves the data. Sums are exact on a fixed
    grid, so no order of rows, columns or states changes a bit of the answer.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import GSquare
    >>> rng = np.random.default_rng(0)
    >>> z = rng.integers(2, size=2000)
    >>> x, y = ((z + (rng.random(2000) < 0.2)) % 2 for _ in range(2))
    >>> test = GSquare().fit({"x": x, "y": y, "z": z})
    >>> bool(test.test("x", "y").pvalue < 1e-20), bool(test.test("x", "y", ["z"]).pvalue > 0.05)
    (True, True)
    """

    def _largest_sum(self) -> float:
        n = self.n_samples_
        return 4.0 * n * math.log(n + 1.0)

    def _statistic(self, tables: Tables) -> Array:
        xp = namespace_of(tables.cells)
        parts = (tables.cells, tables.rows, tables.columns, tables.strata)
        terms = [self._grid.entropy_terms(part) for part in parts]
        sums = [xp.sum(xp.reshape(part, (part.shape[0], -1)), axis=1) for part in terms]
        return self._grid.real(2 * (sums[0] - sums[1] - sums[2] + sums[3]))


class ChiSquare(_DiscreteTest):
    r"""Pearson's chi-square test of conditional independence of discrete variables.

    Assumes independent rows. The states of a variable have no order.

    Parameters
    ----------
    dof : {"nonzero", "full"}, default="nonzero"
        Degrees of freedom, as in `GSquare`.
    min_per_cell : float, default=5
        Rows per degree of freedom below which a question is flagged, as in `GSquare`.
    missing : {"raise", "drop", "testwise"}, default="raise"
        What becomes of missing values, as in `GSquare`.
    n_permutations : int, default=0
        Permutations for p-values, as in `GSquare`.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        Of the permutations.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows that are used.
    n_states_ : tuple of int
        Number of states of each column.

    Raises
    ------
    DataError
        For parameters out of range.
    UnknownNameError
        For a choice that does not exist.

    See Also
    --------
    GSquare : The likelihood-ratio statistic; the two agree where counts are large.

    Notes
    -----
    With :math:`O_{sxy}` rows in a cell and dots for sums,

    .. math:: X^2 = \sum_s O_{s..} \Big(\sum_{xy} \frac{O_{sxy}^2}{O_{sx.} O_{s.y}} - 1\Big).

    Examples
    --------
    >>> from causalrep.independence import ChiSquare
    >>> x, y = [0] * 30 + [1] * 30, [0] * 20 + [1] * 10 + [0] * 10 + [1] * 20
    >>> result = ChiSquare().fit({"x": x, "y": y}).test("x", "y")
    >>> round(result.statistic, 6), result.dof
    (6.666667, 1.0)
    """

    def _largest_sum(self) -> float:
        largest: int = max(self._cards)
        return self.n_samples_ * (largest + 1.0)

    def _statistic(self, tables: Tables) -> Array:
        xp = namespace_of(tables.cells)
        cells, rows, columns, strata = (
            xp.astype(part, xp.float64) for part in (tables.cells, tables.rows, tables.columns, tables.strata)
        )
        product = rows[:, :, :, None] * columns[:, :, None, :]
        share = cells * cells / xp.where(product > 0, product, xp.ones_like(product))
        terms = self._grid.on_grid(share * strata[:, :, None, None])
        sums = xp.sum(xp.reshape(terms, (terms.shape[0], -1)), axis=1)
        n = xp.sum(strata, axis=1)
        return xp.maximum(self._grid.real(sums - self._grid.on_grid(n)), xp.zeros_like(n))


def _groups(shapes: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the positions of equal rows."""
    _, owner = np.unique(shapes, axis=0, return_inverse=True)
    order = np.argsort(owner.reshape(-1), kind="stable")
    cuts = np.flatnonzero(np.diff(owner.reshape(-1)[order])) + 1
    yield from np.split(order, cuts)


def _rounded(size: int, largest: int) -> int:
    """Return a number of strata that several sets share: exact where small, else a power of two."""
    return size if size <= largest else 1 << (size - 1).bit_length()
