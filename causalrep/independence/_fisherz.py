"""Fisher's z-test of whether the partial correlation of two columns is zero.

Idea
----
In a joint Gaussian distribution two variables are independent given others exactly when their
partial correlation is zero. If it is zero, ``sqrt(n - |S| - 3) * atanh(r)`` is close to standard
normal. Everything comes from one correlation matrix, so millions of tests cost one pass over the data.

What it cannot see
------------------
Dependence that is not linear. ``Y = X**2`` with symmetric X has correlation zero and passes for
independent; and conditioning on X removes only the *linear* part of its influence, so two children
of X that depend on it through curves stay dependent given X.

References
----------
R. A. Fisher, The distribution of the partial correlation coefficient, Metron 3 (1924), 329-332.
M. Kalisch and P. Buehlmann, Estimating high-dimensional directed acyclic graphs with the
PC-algorithm, Journal of Machine Learning Research 8 (2007), 613-636, section 2.2.2.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, cast

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import (
    Array,
    canonical_order,
    chunk_bytes,
    erfc,
    log_erfc,
    named_matrix,
    namespace_of,
    to_numpy,
)
from causalrep.independence._base import CITest, CITestBatch, Flag
from causalrep.independence._correlation import (
    complete_rows,
    correlation_matrix,
    refuse_bad_correlations,
    refuse_constant,
    refuse_unless_finite,
    symmetrised,
    warn_if_codes,
    warn_if_collinear,
)
from causalrep.independence._fused import (
    MOST_GIVEN,
    fused_correlations,
    fused_weakest,
    has_fused_kernel,
    refuse_unless_fused,
)
from causalrep.independence._moments import Moments, PatternMoments, row_chunks
from causalrep.independence._partial_correlation import (
    residuals,
    residuals_of,
    scratch_arrays,
    sorted_columns,
)
from causalrep.independence._single_precision import SinglePrecision
from causalrep.independence._subsets import Neighbourhoods
from causalrep.utils import DataError, UnknownNameError

__all__ = ["FisherZ"]

_HOST_BYTES = 2**21  # what a core's own cache holds: larger chunks are slower
_LARGEST_R = 1.0 - 2.0**-53


class FisherZ(CITest):
    """Test of zero partial correlation, for linear dependence between continuous variables.

    Assumes independent rows and, for its p-values, a joint distribution close to Gaussian. It answers
    in the array library of the data it was fitted to: NumPy for frames, else the library of the array.

    Parameters
    ----------
    missing : {"raise", "drop", "testwise"}, default="raise"
        Missing values (NaN) are an error; or only rows that have all columns are used; or each test uses the
        rows that have all of its columns, with its own number of rows. The last two are unbiased where values
        are missing completely at random.
    precision : {"float64", "float32"}, default="float64"
        In what a search looks for the weakest dependence. Single precision halves what is read from memory;
        every test that its rounding could confuse with the weakest one is decided again in double precision,
        so that graphs, separating sets and p-values are the same to the last bit.
    kernel : {"auto", "array", "fused"}, default="auto"
        How tests with up to eight conditioning columns are computed: by array operations, or by one
        hand-written kernel (extra ``gpu``), in Triton for Torch and in CUDA for CuPy. The two agree up to
        rounding. By default the kernel is taken for tensors on CUDA where Triton is installed, where it is
        three to eleven times as fast; that for CuPy has not been timed, and is taken where it is asked for.
        Tests on rows that lack values, and searches in single precision, are always computed by array
        operations.
    max_bytes : int, default=None
        Memory for the numbers that are worked on at once. By default a core's own cache in main memory; on
        a device a quarter of what is free there, and at most 2 GB, above which nothing is gained.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows that are used.

    Raises
    ------
    DataError
        In `fit`: for missing, infinite or complex values, constant columns, text, fewer than four rows.
    DeviceError
        In `fit`: for ``kernel="fused"`` and data that are not arrays of Torch or CuPy on CUDA.
    UnknownNameError
        For a choice that does not exist.

    Notes
    -----
    Fitting costs O(n d^2), a test given k columns O(k^3) with small constants. A question whose
    residual variance is zero to rounding (a copy or a linear function of S) is flagged
    ``Flag.SINGULAR``, one with ``n - k - 3 <= 0`` ``Flag.TOO_FEW_ROWS``.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import FisherZ
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=1000)
    >>> X = np.column_stack([z + rng.normal(size=1000), z + rng.normal(size=1000), z])
    >>> test = FisherZ().fit(X)
    >>> bool(test.test(0, 1).pvalue < 1e-20), bool(test.test(0, 1, [2]).pvalue > 0.05)
    (True, True)
    """

    n_samples_: int

    def __init__(
        self,
        *,
        missing: str = "raise",
        precision: str = "float64",
        kernel: str = "auto",
        max_bytes: int | None = None,
    ) -> None:
        for what, value, choices in (
            ("missing", missing, ("raise", "drop", "testwise")),
            ("precision", precision, ("float64", "float32")),
            ("kernel", kernel, ("auto", "array", "fused")),
        ):
            if value not in choices:
                raise UnknownNameError(value, choices, what=f"`{what}`")
        if (precision, kernel) == ("float32", "fused"):
            raise DataError('kernel="fused" computes in double precision; it cannot be used with "float32"')
        if max_bytes is not None and not (isinstance(max_bytes, int) and max_bytes >= 1):
            raise DataError(f"`max_bytes` must be a positive integer or None, got {max_bytes!r}")
        self.missing, self.precision, self.kernel, self.max_bytes = missing, precision, kernel, max_bytes
        self._patterns: PatternMoments | None = None
        self._moments: Moments | None = None
        self._single: SinglePrecision | None = None

    def fit(self, X: Any, *, device: Any = None) -> FisherZ:
        """Compute the correlations of the columns.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Of NumPy, Torch, CuPy, or any library of the array standard; it is never changed. A Dask array
            or frame is read one block of rows at a time, as by `partial_fit`.
        device : str or device, default=None
            Where to compute: data of NumPy, frames and CuPy become tensors of Torch there, arrays of other
            libraries stay what they are. By default where the data lie.

        Returns
        -------
        FisherZ
            The test itself.
        """
        if type(X).__module__.split(".")[0].startswith("dask"):
            if device is not None:
                raise DataError("`device` is for data in memory; a Dask collection is added up by NumPy")
            self._moments = None
            for chunk in row_chunks(X):
                self.partial_fit(chunk)
            return self
        self._moments = self._patterns = None
        matrix, names = named_matrix(X, device=device)
        if self.missing == "drop":
            matrix = complete_rows(matrix)
        if self.kernel == "fused":
            refuse_unless_fused(matrix)
        n, d = matrix.shape
        if d == 0:
            raise DataError(f"`X` has 0 feature(s) (shape=({n}, 0)) while a minimum of 1 is required.")
        if n < 4:
            raise DataError(f"Fisher's z-test needs at least 4 rows, got n_samples = {n}")
        order = canonical_order(names)
        ordered = tuple(names[k] for k in order)
        if not np.array_equal(order, np.arange(d)):
            xp = namespace_of(matrix)
            matrix = xp.take(matrix, xp.asarray(order, device=device_of(matrix)), axis=1)
        if self.missing == "testwise":
            self._patterns = _pattern_moments(matrix, ordered)
        if self._patterns is not None:
            R = namespace_of(matrix).eye(d, dtype=namespace_of(matrix).float64, device=device_of(matrix))
            return self._keep(R, n, names, ordered)
        R = correlation_matrix(matrix, ordered)
        warn_if_codes(matrix, ordered)
        return self._keep(R, n, names, ordered)

    def partial_fit(self, X: Any) -> FisherZ:
        """Add rows to those seen so far, for data that do not fit in memory.

        Parameters
        ----------
        X : data frame, or array of shape (m, n_features)
            More rows of the same columns in the same order. They are not kept.

        Returns
        -------
        FisherZ
            The test itself; its answers are those of `fit` on all rows at once, up to rounding.

        Raises
        ------
        DataError
            For other columns than before, values that are missing or infinite, and ``kernel="fused"``.

        Examples
        --------
        >>> import numpy as np
        >>> from causalrep.independence import FisherZ
        >>> X = np.random.default_rng(0).normal(size=(1000, 3))
        >>> test = FisherZ()
        >>> for start in range(0, 1000, 250):
        ...     test = test.partial_fit(X[start : start + 250])
        >>> abs(test.test(0, 1, [2]).pvalue - FisherZ().fit(X).test(0, 1, [2]).pvalue) < 1e-12
        True
        """
        if self.missing == "testwise":
            raise DataError('`partial_fit` needs whole rows; it cannot be used with missing="testwise"')
        found, names = named_matrix(X)
        if self.kernel == "fused":
            raise DataError('`partial_fit` adds up in main memory; it cannot be used with kernel="fused"')
        found = complete_rows(found, least=0) if self.missing == "drop" else found
        chunk = to_numpy(found).astype(np.float64)
        if self._moments is None:
            self._moments, self._chunk_names = Moments(chunk.shape[1]), names
        elif names != self._chunk_names:
            raise DataError(f"`X` must have the columns {list(self._chunk_names)}, got {list(names)}")
        refuse_unless_finite(chunk, names)
        self._moments.add(chunk)
        n, R = self._moments.n, self._moments.correlation()
        constant = np.isnan(np.diag(R))
        if n < 4 or constant.any():  # not enough rows yet
            return self
        order = canonical_order(names)
        return self._keep(
            symmetrised(R)[np.ix_(order, order)], n, names, [names[k] for k in order], warn=False
        )

    @classmethod
    def from_correlation(cls, R: Array, n: int, names: Sequence[Hashable] | None = None) -> FisherZ:
        """Return a fitted test from a correlation matrix alone.

        Parameters
        ----------
        R : array of shape (d, d)
            Correlations; of any array library, which the answers will have too.
        n : int
            Number of rows that it was computed from.
        names : sequence of d hashable, optional
            Column names; default 0, 1, 2, ...

        Raises
        ------
        DataError
            If `R` is not a correlation matrix, `n` is not an integer above 3, or names repeat.

        Examples
        --------
        >>> from causalrep.independence import FisherZ
        >>> round(FisherZ.from_correlation([[1, 0.5], [0.5, 1]], n=28).test(0, 1).statistic, 6)
        2.746531
        """
        if not hasattr(R, "dtype"):
            R = np.asarray(R, dtype=np.float64)
        refuse_bad_correlations(R)
        if not isinstance(n, (int, np.integer)) or n < 4:
            raise DataError(f"`n` must be an integer of at least 4, got {n!r}")
        names = tuple(range(R.shape[0])) if names is None else tuple(names)
        if len(names) != R.shape[0] or len(set(names)) != len(names):
            raise DataError(f"`names` must be {R.shape[0]} different names, got {list(names)}")
        order = canonical_order(names)
        xp = namespace_of(R)
        take = xp.asarray(order, device=device_of(R))
        R = xp.take(xp.take(symmetrised(R), take, axis=0), take, axis=1)
        return cls()._keep(R, int(n), names, tuple(names[k] for k in order))

    @property
    def max_cond(self) -> int:
        """The largest size of a conditioning set that leaves a degree of freedom: n - 4."""
        self._refuse_unless_fitted()
        return self.n_samples_ - 4

    def chunk_size(self, n_given: int) -> int:
        """Return how many tests given `n_given` columns may be asked at once within the memory budget."""
        per_test = scratch_arrays(n_given)
        if self._patterns is not None:
            per_test += 6 * self._patterns.n_patterns
        return max(1, self._budget // (8 * per_test))

    def strength(self, i: Array, j: Array, S: Sequence[Array]) -> Array:
        """Return squared partial correlations, infinite where the test could not be made (see `CITest`)."""
        xp = namespace_of(self._anchor)
        if len(S) > self.max_cond:
            shape = xp.broadcast_arrays(i, j, *S)[0].shape
            return xp.full(shape, math.inf, dtype=xp.float64, device=device_of(self._anchor))
        if self._patterns is not None:  # tests on different rows compare by p-value only
            return self._strength_testwise(i, j, S)
        i, j, S = self._in_order(i, j, S)
        if self._single is not None and S:
            return self._single.strength(i, j, S)
        if self._fused and len(S) <= MOST_GIVEN:
            return fused_correlations(self._anchor, self._d, i, j, S, squared=True)
        return residuals(self._anchor, self._d, i, j, S).strength(len(S))

    @property
    def max_fused(self) -> int:
        """The largest size of subsets that `weakest` takes; 0 where there is no fused kernel."""
        return min(MOST_GIVEN, self.max_cond) if self._fused and self._patterns is None else 0

    def weakest(self, asked: Neighbourhoods, size: int) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
        """Return the smallest `strength` of each pair over all subsets of its candidates (fused kernel).

        Parameters
        ----------
        asked : Neighbourhoods
            The questions; arrays of NumPy, which are not checked.
        size : int
            How many candidates a subset has, from 1 to `max_fused`.

        Returns
        -------
        strength : array of shape (m,), float64
            Of NumPy, as all that is returned; infinite where no test of a pair could be made.
        rank : array of shape (m,), int64
            Number of the weakest among the subsets in lexicographic order; of equals the first.
        n_untestable : int
            How many tests could not be made.
        """
        here = Neighbourhoods(*(self.index_array(part) for part in asked))
        if self._rank is not None:
            i, j, nodes = (self._canonical(part) for part in (here.i, here.j, here.nodes))
            here = here._replace(i=i, j=j, nodes=nodes)
        return fused_weakest(self._anchor, self._d, here, size)

    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        xp = namespace_of(self._anchor)
        k, where = len(S), device_of(self._anchor)
        if self._patterns is not None:
            return self._evaluate_testwise(i, j, S)
        dof = self.n_samples_ - k - 3
        all_dof = xp.full(i.shape, float(dof), dtype=xp.float64, device=where)
        if dof <= 0:
            nothing = xp.full(i.shape, math.nan, dtype=xp.float64, device=where)
            flag = xp.full(i.shape, int(Flag.TOO_FEW_ROWS), dtype=xp.int8, device=where)
            return _GaussianBatch(nothing, nothing, all_dof, flag)
        i, j, given = self._in_order(i, j, sorted_columns(S) if k > 2 and self._rank is None else S)
        if self._fused and k <= MOST_GIVEN:
            r = fused_correlations(self._anchor, self._d, i, j, given, squared=False)
        else:
            r = residuals(self._anchor, self._d, i, j, given).correlation(k)
        flag = xp.astype(xp.isnan(r), xp.int8) * int(Flag.SINGULAR)
        # A correlation of one has an infinite z; the nearest number below has a finite one.
        z = math.sqrt(dof) * xp.atanh(xp.clip(r, -_LARGEST_R, _LARGEST_R))
        return _GaussianBatch(z, erfc(xp.abs(z) * math.sqrt(0.5)), all_dof, flag)

    def _keep(
        self,
        R: Array,
        n: int,
        names: Sequence[Hashable],
        ordered: Sequence[Hashable],
        *,
        warn: bool = True,
    ) -> FisherZ:
        """Store R, whose columns are in canonical order, and the canonical place of each column."""
        xp = namespace_of(R)
        self.names_ = tuple(names)
        self.n_samples_ = n
        self._anchor = xp.reshape(R, (-1,))
        self._d = len(self.names_)
        self._single = SinglePrecision(self._anchor, self._d) if self.precision == "float32" else None
        self._fused = self.kernel == "fused" or (
            self.kernel == "auto" and self._single is None and has_fused_kernel(R)
        )
        self._budget = chunk_bytes(R, _HOST_BYTES) if self.max_bytes is None else self.max_bytes
        place = {name: k for k, name in enumerate(ordered)}
        rank = np.array([place[name] for name in names], dtype=np.int64)
        in_order = bool((rank == np.arange(len(rank))).all())
        self._rank: Array | None = None if in_order else self.index_array(rank)
        if warn:
            warn_if_collinear(R, ordered, n)
        return self

    def _in_order(self, i: Array, j: Array, S: Sequence[Array]) -> tuple[Array, Array, Sequence[Array]]:
        """Return canonical positions, those of three and more conditioning columns sorted."""
        if self._rank is None:
            return i, j, S
        S = [self._canonical(s) for s in S]
        return self._canonical(i), self._canonical(j), sorted_columns(S) if len(S) > 2 else S

    def _strength_testwise(self, i: Array, j: Array, S: Sequence[Array]) -> Array:
        xp = namespace_of(self._anchor)
        left, right, *given = xp.broadcast_arrays(i, j, *S)
        columns = [xp.reshape(column, (-1,)) for column in (left, right, *given)]
        batch = self._evaluate_testwise(columns[0], columns[1], tuple(columns[2:]))
        untestable = xp.full_like(batch.statistic, math.inf)
        return xp.reshape(xp.where(batch.flag == 0, batch.statistic**2, untestable), left.shape)

    def _evaluate_testwise(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        xp, k = namespace_of(self._anchor), len(S)
        patterns = cast("PatternMoments", self._patterns)
        if self._rank is not None:
            i, j, S = self._canonical(i), self._canonical(j), tuple(self._canonical(s) for s in S)
        given = sorted_columns(S)
        used = patterns.rows([i, j, *given])
        n = patterns.n_rows(used)
        dof = n - float(k) - 3.0
        found = residuals_of(lambda a, b: patterns.entry(a, b, used), i, j, given)
        variance = found.variance_i * found.variance_j
        undefined = xp.isnan(found.covariance) | xp.isnan(variance)
        singular = undefined | (found.singular(k) if k else xp.zeros_like(undefined))
        too_few = dof <= 0.0
        bad = singular | too_few
        one, nothing = xp.ones_like(dof), xp.full_like(dof, math.nan)
        r = found.covariance / xp.sqrt(xp.where(bad, one, variance))
        z = xp.sqrt(xp.where(bad, one, dof)) * xp.atanh(
            xp.clip(xp.where(bad, one * 0.0, r), -_LARGEST_R, _LARGEST_R)
        )
        flag = xp.astype(singular, xp.int8) * int(Flag.SINGULAR)
        flag = xp.where(too_few, xp.full_like(flag, int(Flag.TOO_FEW_ROWS)), flag)
        z = xp.where(bad, nothing, z)
        return _GaussianBatch(z, erfc(xp.abs(z) * math.sqrt(0.5)), dof, flag)

    def _canonical(self, position: Array) -> Array:
        xp = namespace_of(self._anchor)
        return xp.reshape(xp.take(self._rank, xp.reshape(position, (-1,)), axis=0), position.shape)


def _pattern_moments(matrix: Array, names: Sequence[Hashable]) -> PatternMoments | None:
    """Return moments by pattern of missing values, None where no value is missing."""
    xp = namespace_of(matrix)
    matrix = xp.astype(matrix, xp.float64)
    missing = xp.isnan(matrix)
    if not bool(xp.any(missing)):
        return None
    refuse_unless_finite(xp.where(missing, xp.zeros_like(matrix), matrix), names)
    low = xp.min(xp.where(missing, xp.full_like(matrix, math.inf), matrix), axis=0)
    high = xp.max(xp.where(missing, xp.full_like(matrix, -math.inf), matrix), axis=0)
    refuse_constant(to_numpy(low >= high), names)
    return PatternMoments(matrix)


class _GaussianBatch(CITestBatch):
    """Answers whose statistic is standard normal under independence."""

    @property
    def log_pvalue(self) -> Array:
        return log_erfc(namespace_of(self.statistic).abs(self.statistic) * math.sqrt(0.5))
