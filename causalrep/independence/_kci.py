"""Kernel tests of (conditional) independence: HSIC and KCI, without an eigendecomposition.

Idea
----
Two variables are independent iff no function of one is correlated with a function of the other. With a
Gaussian kernel, the sum of all squared covariances between such functions is the sum of the products of
two centred Gram matrices. Given Z, every function of (x, Z) and of y first loses what kernel ridge
regression on Z explains of it.

Under independence the statistic is a weighted sum of chi-squares. Its mean and variance need no weights:
the Gram matrix of the products of features is the entrywise product of the two Gram matrices, so the mean
is a sum over its diagonal and the variance a sum over its squared entries, and a gamma distribution with
these two moments gives the p-value.

What it cannot see
------------------
With few rows, fast oscillations: everything finer than the bandwidth. With many conditioning variables the
ridge regression leaves some of their influence, which passes for dependence.

References
----------
.. [1] A. Gretton, K. Fukumizu, C. H. Teo, L. Song, B. Schoelkopf and A. Smola, A kernel statistical test of
   independence, NIPS 2007.
.. [2] K. Zhang, J. Peters, D. Janzing and B. Schoelkopf, Kernel-based conditional independence test and
   application in causal discovery, UAI 2011, arXiv:1202.3775 (proposition 5 and section 3.4).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np
import scipy.special
from array_api_compat import device as device_of

from causalrep.independence._arrays import Array, namespace_of, to_numpy
from causalrep.independence._base import Flag
from causalrep.independence._continuous import Answer, ContinuousTest, Key, cauchy_combination
from causalrep.independence._gram import centred, compressed, gaussian_factor, gaussian_gram, typical_distance
from causalrep.independence._kernel_moments import (
    SMALLEST_SHARE,
    Dense,
    Factored,
    dense_moments,
    dense_unconditional,
)
from causalrep.independence._ridge import squared_norm
from causalrep.utils import DataError, UnknownNameError, as_seed, keyed_generator

__all__ = ["HSIC", "KCI"]

_FACTOR_BYTES = 2**31
_CACHE_BYTES = 2**28
_NARROW = 40.0  # exp(-(40 / 2)^2 / 2) is nothing, also where the width is doubled
# The bandwidths of [2]_ by the number of rows, with and without conditioning variables.
_RULE = ((200, 0.8, 1.2), (1200, 0.5, 0.7), (math.inf, 0.3, 0.4))


class _KernelTest(ContinuousTest):
    """What both tests share: their kernels, as centred factors or Gram matrices."""

    def __init__(
        self,
        *,
        bandwidth: str | float,
        max_rank: int | None,
        gram: str,
        categorical: Iterable[Hashable] = (),
    ) -> None:
        if isinstance(bandwidth, str):
            if bandwidth not in ("median", "rule"):
                raise UnknownNameError(bandwidth, ("median", "rule"), what="`bandwidth`")
        elif not bandwidth > 0:
            raise DataError(f"`bandwidth` must be 'median', 'rule' or a positive number, got {bandwidth!r}")
        if max_rank is not None and not (isinstance(max_rank, int) and max_rank >= 1):
            raise DataError(f"`max_rank` must be a positive integer or None, got {max_rank!r}")
        if gram not in ("factor", "dense"):
            raise UnknownNameError(gram, ("factor", "dense"), what="`gram`")
        if gram == "dense" and max_rank is not None:
            raise DataError(f"`max_rank` is of factors, and `gram` is 'dense'; got {max_rank!r}")
        self.bandwidth, self.max_rank, self.gram = bandwidth, max_rank, gram
        self.categorical = (categorical,) if isinstance(categorical, str) else tuple(categorical)

    def _prepare(self) -> None:
        n = self.n_samples_
        self._dense = self.gram == "dense"
        if self._dense and 8 * n * n > _FACTOR_BYTES:
            raise DataError(
                f"`gram` is 'dense', and a Gram matrix of {n} rows takes {8 * n * n / 1e9:.1f} GB, more than "
                f"{_FACTOR_BYTES / 1e9:.1f}; set `gram` to 'factor', or use fewer rows"
            )
        self._widths: dict[int, float] = {}
        self._gaps = self._gaps_of_codes()
        self._factors: dict[tuple[Key, Key], Array] = {}

    def _kernel(self, variables: Key, given: Key = ()) -> Array:
        """Return the centred product kernel of `variables` in a question given `given`."""
        key = (variables, given)
        factor = self._factors.get(key)
        if factor is None:
            # Conditioning variables that join another one count half, as in [2]_.
            half = given if set(variables) != set(given) else ()
            scales = [self._bandwidth(v, given) * (2.0 if v in half else 1.0) for v in variables]
            columns = [self._columns[v] / scale for v, scale in zip(variables, scales, strict=True)]
            U = namespace_of(self._anchor).stack(columns, axis=1)
            factor = self._factor_of(U, len(given))
            if _bytes([*self._factors.values(), factor]) > _CACHE_BYTES:
                self._factors.clear()
            self._factors[key] = factor
        return factor  # another thread may have cleared the cache meanwhile

    def _gaps_of_codes(self) -> dict[int, float]:
        """Return the smallest distance between two codes of each categorical column, by position."""
        gaps = {}
        for name in self.categorical:
            if name not in self._names:
                raise UnknownNameError(name, self._names, what="`categorical`")
            v = self._names.index(name)
            gaps[v] = float(np.diff(np.unique(to_numpy(self._columns[v]))).min())
        return gaps

    def _bandwidth(self, v: int, given: Key) -> float:
        if v in self._gaps:  # so narrow that two codes are alike only where they are equal
            return self._gaps[v] / _NARROW
        if self.bandwidth == "median":
            if v not in self._widths:
                self._widths[v] = typical_distance(self._columns[v])
            return self._widths[v] * math.sqrt(len(given) if v in given else 1.0)
        spread = math.sqrt(max(len(given), 1))
        if self.bandwidth == "rule":
            alone, together = next(widths for most, *widths in _RULE if self.n_samples_ < most)
            return (together if given else alone) * spread
        return float(self.bandwidth) * spread

    def _factor_of(self, U: Array, n_given: int) -> Array:
        n = self.n_samples_
        # A ridge makes much of what is small. Each power of ten moves p-values ten times as far, from a few
        # 1e-6 given one column on; the ranks, and the time, grow fast with the number of columns.
        share = 10.0 ** (min(n_given, 3) - 10) if n_given else 1e-6
        affordable = max(1, _FACTOR_BYTES // (8 * n))
        G, complete = gaussian_factor(U, affordable if self.max_rank is None else self.max_rank, share)
        if not complete and self.max_rank is None:
            raise DataError(
                f"the kernel of {U.shape[1]} columns has a rank above {affordable}, and its factor takes "
                f"more than {_FACTOR_BYTES / 1e9:.1f} GB for {n} rows; set `max_rank`, or use fewer rows"
            )
        return centred(G)

    def _scaled(self, variables: Iterable[int], given: Key) -> Array:
        """Return columns divided by their bandwidths, shape (m, n)."""
        columns = [self._columns[v] / self._bandwidth(v, given) for v in variables]
        return namespace_of(self._anchor).stack(columns)

    def _unconditional_grams(self, pairs: list[tuple[int, int]]) -> Iterator[tuple[float, float, float]]:
        """Yield the moments of pairs of columns from whole Gram matrices."""
        xp = namespace_of(self._anchor)
        for variables, part in self._few_columns(pairs):
            grams = gaussian_gram(self._scaled(variables, ())[:, :, None])
            place = {v: k for k, v in enumerate(variables)}
            found = [dense_unconditional(grams[place[x], :, :], grams[place[y], :, :]) for x, y in part]
            for statistic, mean, half in to_numpy(xp.stack(found)).tolist():
                yield statistic, mean, 2.0 * half

    def _few_columns(self, pairs: list[tuple[int, int]]) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
        """Yield the pairs in turn, as many together as memory has columns for, and the columns."""
        most = max(2, _FACTOR_BYTES // (64 * self.n_samples_**2))  # some eight matrices for each column
        part: list[tuple[int, int]] = []
        variables: set[int] = set()
        for pair in pairs:
            if len(variables.union(pair)) > most:
                yield sorted(variables), part
                part, variables = [], set()
            part.append(pair)
            variables.update(pair)
        yield sorted(variables), part


class KCI(_KernelTest):
    r"""Kernel-based conditional independence test, for any kind of dependence between continuous variables.

    Assumes independent rows, and that the influence of the conditioning variables is smooth.

    Parameters
    ----------
    bandwidth : {"median", "rule"} or float, default="median"
        Width of the Gaussian kernels on standardised columns: the median distance between values; the
        constants by sample size of Zhang et al.; or one number. It is multiplied by the square root of the
        number of conditioning columns.
    epsilon : float, default=1e-3
        Ridge of the regression on the conditioning variables.
    symmetric : {"cauchy", "min2", "xy"}, default="cauchy"
        The conditioning variables join one of the two others, and which one matters a little. Combine
        both p-values by Cauchy's method, or take twice the smaller one; or join the column that comes
        first in canonical order of names, as other implementations do.
    corrected : bool, default=True
        Whether the null moments allow for the rows that the regression has made dependent, which the
        published test does not; without it, true independences given several columns are rejected too
        often. See Notes.
    max_rank : int, default=None
        Largest rank of a kernel, which is cut there (a Nystroem approximation). By default the rank is
        what the kernel needs.
    gram : {"factor", "dense"}, default="factor"
        Whether kernels are kept as factors of low rank, found column by column, or as whole Gram matrices.
        The p-values differ by less than 1e-3, given one column by some 1e-6. Whole matrices cost O(n^2)
        memory and O(n^3) time, in few large products where a factor takes many small steps: meant for an
        accelerator and some thousand rows.
    categorical : iterable of hashable, default=()
        Names of columns that hold codes of categories, as numbers: two values are alike where they are
        equal, however far apart the codes.

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
        text, fewer than six rows. In a test: if a kernel needs more than 2 GB.
    UnknownNameError
        For a choice that does not exist.

    Notes
    -----
    With the residual map :math:`R = \epsilon (\tilde K_Z + \epsilon I)^{-1}`,
    :math:`A = R \tilde K_{xZ} R` and :math:`B = R \tilde K_y R`,

    .. math:: T = \sum_{ij} A_{ij} B_{ij}, \quad E\,T = \sum_i A_{ii} B_{ii}, \quad
       \operatorname{var} T = 2 \sum_{ij} (A_{ij} B_{ij})^2.

    By default kernels are kept as factors of their numerical rank m: O(n m^2) for a conditioning set and
    at most O(n^2 m) for a pair. ``dof`` is twice the shape of the gamma distribution. A question about a
    column of whose kernel the regression leaves less than 1e-4 of the trace is flagged ``Flag.SINGULAR``.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import KCI
    >>> rng = np.random.default_rng(0)
    >>> z, a, b = rng.normal(size=(3, 300))
    >>> X = np.column_stack([z**2 + 0.5 * a, np.cos(z) + 0.5 * b, z])
    >>> test = KCI().fit(X)
    >>> test.test(0, 1).pvalue < 1e-6, test.test(0, 1, [2]).pvalue > 0.05
    (True, True)
    """

    def __init__(
        self,
        *,
        bandwidth: str | float = "median",
        epsilon: float = 1e-3,
        symmetric: str = "cauchy",
        corrected: bool = True,
        max_rank: int | None = None,
        gram: str = "factor",
        categorical: Iterable[Hashable] = (),
    ) -> None:
        super().__init__(bandwidth=bandwidth, max_rank=max_rank, gram=gram, categorical=categorical)
        if not epsilon > 0:
            raise DataError(f"`epsilon` must be positive, got {epsilon!r}")
        if symmetric not in ("cauchy", "min2", "xy"):
            raise UnknownNameError(symmetric, ("cauchy", "min2", "xy"), what="`symmetric`")
        self.epsilon, self.symmetric, self.corrected = float(epsilon), symmetric, bool(corrected)

    def _given(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        if self._dense:
            yield from (
                self._given_dense(given, pairs)
                if given
                else (_answer([moments], self.symmetric) for moments in self._unconditional_grams(pairs))
            )
            return
        if not given:
            for x, y in pairs:
                moments = Factored.unconditional(self._kernel((x,)), self._kernel((y,)))
                yield _answer([moments], self.symmetric)
            return
        kernel = Factored(self._kernel(given, given), self.epsilon)
        inflation = kernel.inflation if self.corrected else 1.0
        alone: dict[int, Array | None] = {}
        joined: dict[int, Array] = {}
        for x, y in pairs:
            if _bytes([*alone.values(), *joined.values()]) > _CACHE_BYTES:
                alone.clear()
                joined.clear()
            for v in (x, y):
                if v not in alone:
                    alone[v] = kernel.alone(self._kernel((v,), given))
            if alone[x] is None or alone[y] is None:
                yield math.nan, math.nan, math.nan, Flag.SINGULAR
                continue
            directions = [(x, y)] if self.symmetric == "xy" else [(x, y), (y, x)]
            for v, _ in directions:
                if v not in joined:
                    joined[v] = kernel.joined(self._kernel((v, *given), given))
            found = [kernel.conditional(joined[v], alone[w], inflation) for v, w in directions]
            yield _answer(found, self.symmetric)

    def _given_dense(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        xp = namespace_of(self._anchor)
        kernel = Dense(self._scaled(given, given), self.epsilon)
        inflation = float(kernel.inflation()) if self.corrected else 1.0
        n_directions = 1 if self.symmetric == "xy" else 2
        for variables, part in self._few_columns(pairs):
            alone, joined, share = kernel.residual(self._scaled(variables, given))
            place = {v: k for k, v in enumerate(variables)}
            directions = [(v, w) for x, y in part for v, w in ((x, y), (y, x))[:n_directions]]
            found = [dense_moments(joined[place[v], :, :], alone[place[w], :, :]) for v, w in directions]
            moments = [
                (statistic, inflation * mean, 2.0 * inflation**2 * half)
                for statistic, mean, half in to_numpy(xp.stack(found)).tolist()
            ]
            left = to_numpy(share)
            for q, (x, y) in enumerate(part):
                if min(left[place[x]], left[place[y]]) <= SMALLEST_SHARE:
                    yield math.nan, math.nan, math.nan, Flag.SINGULAR
                else:
                    yield _answer(moments[q * n_directions : (q + 1) * n_directions], self.symmetric)


class HSIC(_KernelTest):
    r"""Hilbert-Schmidt independence criterion: the kernel test without conditioning variables.

    Parameters
    ----------
    bandwidth : {"median", "rule"} or float, default="median"
        Width of the Gaussian kernels on standardised columns, as in `KCI`.
    max_rank : int, default=None
        Largest rank of a kernel, as in `KCI`.
    gram : {"factor", "dense"}, default="factor"
        Whether kernels are factors or whole Gram matrices, as in `KCI`. Permutations are of factors.
    n_permutations : int, default=0
        If positive, p-values come from this many permutations of the rows of one column,
        ``(1 + #{T* >= T}) / (1 + n_permutations)``, in place of the gamma approximation.
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
        As `KCI`, and for a question with conditioning columns.

    See Also
    --------
    KCI : Conditions on other columns.

    Notes
    -----
    With centred Gram matrices, :math:`T = \sum_{ij} \tilde K_{x,ij} \tilde K_{y,ij}`, whose mean under
    independence is close to :math:`\operatorname{tr} \tilde K_x \operatorname{tr} \tilde K_y / n` and whose
    variance to :math:`2 |\tilde K_x|_F^2 |\tilde K_y|_F^2 / n^2`.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import HSIC
    >>> x = np.linspace(-1, 1, 200)
    >>> bool(HSIC().fit({"x": x, "y": x**2}).test("x", "y").pvalue < 1e-6)
    True
    """

    def __init__(
        self,
        *,
        bandwidth: str | float = "median",
        max_rank: int | None = None,
        gram: str = "factor",
        n_permutations: int = 0,
        random_state: Any = 0,
    ) -> None:
        super().__init__(bandwidth=bandwidth, max_rank=max_rank, gram=gram)
        if isinstance(n_permutations, bool) or not isinstance(n_permutations, int) or n_permutations < 0:
            raise DataError(f"`n_permutations` must be a non-negative integer, got {n_permutations!r}")
        self.n_permutations, self.random_state = n_permutations, random_state

    def _prepare(self) -> None:
        super()._prepare()
        self._seed = as_seed(self.random_state) if self.n_permutations else 0

    @property
    def max_cond(self) -> int:
        """No conditioning columns: 0."""
        self._refuse_unless_fitted()
        return 0

    def _given(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        if given:
            raise DataError(
                f"HSIC tests independence without conditioning columns, got {len(given)}; KCI takes them"
            )
        if self._dense and not self.n_permutations:
            yield from (_answer([moments], "xy") for moments in self._unconditional_grams(pairs))
            return
        for x, y in pairs:
            A, B = self._kernel((x,)), self._kernel((y,))
            statistic, p, dof, flag = _answer([Factored.unconditional(A, B)], "xy")
            if self.n_permutations:
                rng = keyed_generator(self._seed, "permutation", self._names[x], self._names[y])
                p = _permuted(compressed(A), compressed(B), self.n_permutations, rng)
            yield statistic, p, dof, flag


def _bytes(arrays: list[Array | None]) -> int:
    return sum(8 * math.prod(array.shape) for array in arrays if array is not None)


def _answer(moments: list[tuple[float, float, float]], symmetric: str) -> Answer:
    """Return the answer by gamma distributions with the given moments; the first one's statistic."""
    statistic, mean, variance = moments[0]
    pvalues = [float(scipy.special.gammaincc(m * m / v, t * m / v)) for t, m, v in moments]
    p = pvalues[0]
    if len(pvalues) > 1:
        p = min(1.0, 2.0 * min(pvalues)) if symmetric == "min2" else cauchy_combination(pvalues)
    return statistic, p, 2.0 * mean * mean / variance, Flag.OK


def _permuted(A: Array, B: Array, n_permutations: int, rng: np.random.Generator) -> float:
    xp = namespace_of(A)
    left = xp.matrix_transpose(A)
    observed = squared_norm(xp.matmul(left, B))
    exceeding = 0
    for _ in range(n_permutations):
        rows = xp.asarray(rng.permutation(A.shape[0]), device=device_of(A))
        exceeding += squared_norm(xp.matmul(left, xp.take(B, rows, axis=0))) >= observed
    return (1 + exceeding) / (1 + n_permutations)
