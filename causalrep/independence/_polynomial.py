"""A test of nonlinear dependence: generalised covariance of polynomials, given polynomials.

Idea
----
If x and y are independent given S, then so are all functions of them, and whatever is left of a function
of x after regression on S has covariance zero with what is left of a function of y. So take a few functions
of each (Hermite polynomials of the normal scores, degrees 1 and 2), regress all of them on a rich
polynomial expansion of S, and test whether the products of the residuals have mean zero.

The spread of those products is estimated from the products themselves. Wilks' lambda, the classical test
of partial canonical correlations, instead assumes residuals of constant variance, which squares never
have: given S, x^2 varies more where x is far from zero. Even where x and y are Gaussian with one common
linear cause, on the same polynomials it rejects 4 to 15 % of true independences at the 1 % level, the more
the stronger the cause, at 500 rows as at 4000.

What it cannot see
------------------
Dependence that leaves no trace in the mean of those products. ``Y = cos(4 X)`` has none in degrees 1 and
2; nor has a covariance given S that is positive as often as negative, if the squares have none either.

What it sees that is not there
------------------------------
An influence of S beyond the expansion is left in both residuals, and passes for dependence. No test of
conditional independence is free of that [1]_. The more rows, the smaller the remainder that
is noticed: with very many, raise `given_degree`.

References
----------
.. [1] R. D. Shah and J. Peters, The hardness of conditional independence testing and the generalised
   covariance measure, Annals of Statistics 48 (2020), 1514-1538, section 3.2.
.. [2] J. J. Daudin, Partial association measures and an application to qualitative regression, Biometrika 67
   (1980), 581-590: independence as zero covariance of residual functions.
.. [3] J. G. MacKinnon and H. White, Some heteroskedasticity-consistent covariance matrix estimators with
   improved finite sample properties, Journal of Econometrics 29 (1985), 305-325 (the correction HC2).
.. [4] K. C. S. Pillai, Some new test criteria in multivariate analysis, Annals of Mathematical Statistics 26
   (1955), 117-121 (the statistic for empty S).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import (
    Array,
    canonical_order,
    index_array,
    named_matrix,
    namespace_of,
    to_numpy,
)
from causalrep.independence._base import CITest, CITestBatch, Flag
from causalrep.independence._chi_square import ChiSquareBatch, minus_log_pvalue, tail
from causalrep.independence._correlation import (
    refuse_constant,
    refuse_unless_finite,
    symmetrised,
    warn_if_collinear,
)
from causalrep.independence._partial_correlation import SMALLEST_PIVOT
from causalrep.independence._ridge import squared_norm
from causalrep.independence._series import hermite, n_terms, normal_scores, partial_out
from causalrep.utils import DataError

__all__ = ["PolynomialGCM"]

_ROWS_PER_TERM = 10
_MOST_TERMS = 512  # the cost of a conditioning set grows with the square


class PolynomialGCM(CITest):
    r"""Test of zero generalised covariance between polynomials, for curved dependence and interactions.

    Assumes independent rows, and that the influence of the conditioning variables is a smooth function of
    them. Nothing is assumed about distributions: only the ranks of the values matter, so any strictly
    increasing transformation of a column leaves every answer as it is, to the last bit.

    Parameters
    ----------
    degree : int, default=2
        Largest degree of the polynomials of x and of y. Degree 1 sees monotone dependence, 2 also arches
        and changes of spread; each degree more costs power against the simpler.
    given_degree : int, default=7
        Largest total degree of the expansion of S; with few rows for the size of S it is lowered, see Notes.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows.

    Raises
    ------
    DataError
        If `degree` is not a positive integer, or `given_degree` not an integer of at least `degree`. In
        `fit`: for missing, infinite or complex values, constant columns, text, fewer than four rows.

    Notes
    -----
    With residuals :math:`X_i \in R^p, Y_i \in R^q` of row i and its leverage :math:`h_i`, and
    :math:`R_i = X_i \otimes Y_i`, the statistic is

    .. math:: T = s' V^{-1} s, \quad s = \sum_i R_i, \quad V = \sum_i R_i R_i' / (1 - h_i),

    chi-square with pq degrees of freedom under independence. For empty S the variance over all
    permutations is known, :math:`V = \sum_i X_i X_i' \otimes \sum_i Y_i Y_i' / (n - 1)`, which makes T the
    (n - 1)-fold of Pillai's trace, the sum of the squared canonical correlations.

    The expansion of k variables to total degree g has C(k + g, g) + k g terms: products of Hermite
    polynomials of the normal scores, and for each variable Legendre polynomials of the rank. Of the
    degrees up to `given_degree` the largest is taken that leaves 10 rows for each term, and no more than
    512 terms. Where not even `degree` does, the question is flagged ``Flag.TOO_FEW_ROWS``. A column with v
    different values gets no degree above v - 1, which loses nothing. A question about a column that S
    determines is flagged ``Flag.SINGULAR``.

    For n rows and t terms a conditioning set costs O(n t^2), and a pair given it O(n t). Questions are
    grouped by conditioning set.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import FisherZ, PolynomialGCM
    >>> rng = np.random.default_rng(0)
    >>> x, z, e = rng.normal(size=(3, 1000))
    >>> X = np.column_stack([x, x**2 + z + e, z])
    >>> [test.fit(X).test(0, 1, [2]).pvalue < 1e-6 for test in (FisherZ(), PolynomialGCM())]
    [False, True]
    """

    n_samples_: int

    def __init__(self, degree: int = 2, *, given_degree: int = 7) -> None:
        for what, value, least in (("degree", degree, 1), ("given_degree", given_degree, degree)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise DataError(f"`{what}` must be an integer of at least {least}, got {value!r}")
        self.degree = int(degree)
        self.given_degree = int(given_degree)

    def fit(self, X: Any, *, device: Any = None) -> PolynomialGCM:
        """Rank the columns and compute their polynomials.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Of NumPy, Torch, CuPy, or any library of the array standard; it is never changed.
        device : str or device, default=None
            Where to compute: data of NumPy, frames and CuPy become tensors of Torch there, arrays of other
            libraries stay what they are. By default where the data lie.

        Returns
        -------
        PolynomialGCM
            The test itself.
        """
        matrix, names = named_matrix(X, device=device)
        n, d = matrix.shape
        if d == 0:
            raise DataError(f"`X` has 0 feature(s) (shape=({n}, 0)) while a minimum of 1 is required.")
        if n < 4:
            raise DataError(f"a test by ranks needs at least 4 rows, got n_samples = {n}")
        refuse_unless_finite(matrix, names)
        order = canonical_order(names)
        xp = namespace_of(matrix)
        columns = [xp.astype(matrix[:, k], xp.float64) for k in order.tolist()]
        values = [xp.unique_values(column).shape[0] for column in columns]
        refuse_constant(np.array(values) == 1, tuple(names[k] for k in order))
        self._scores = xp.stack([normal_scores(column) for column in columns])
        self._most = [count - 1 for count in values]
        self._features = [
            _orthonormal(xp.stack(hermite(self._scores[v, :], min(self.degree, most))[1:]))
            for v, most in enumerate(self._most)
        ]
        self._place = np.argsort(order)
        self._anchor = xp.zeros((1,), dtype=xp.float64, device=device_of(matrix))
        self.names_, self.n_samples_ = names, n
        linear = xp.stack([feature[0, :] for feature in self._features])
        correlations = xp.matmul(linear, xp.matrix_transpose(linear))
        warn_if_collinear(symmetrised(correlations), [names[k] for k in order], n, relation="a function")
        return self

    @property
    def max_cond(self) -> int:
        """The largest size of S that can be expanded to `degree` with ten rows for each term."""
        self._refuse_unless_fitted()
        k = 0
        while self._degree_given(k + 1) is not None:
            k += 1
        return k

    def strength(self, i: Array, j: Array, S: Sequence[Array]) -> Array:
        """Return minus the logarithms of the p-values, infinite where no test was made (see `CITest`)."""
        return minus_log_pvalue(self, i, j, S)

    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        ends = np.sort(self._canonical(i, j), axis=1)
        # In sorted rows with S first, equal questions are one, and those with the same S stand together.
        questions = np.concatenate([np.sort(self._canonical(*S, rows=len(ends)), axis=1), ends], axis=1)
        asked, back = np.unique(questions, axis=0, return_inverse=True)
        answers = np.empty((len(asked), 3))
        start = 0
        for given, group in groupby(asked.tolist(), key=lambda question: tuple(question[:-2])):
            pairs = [(question[-2], question[-1]) for question in group]
            answers[start : start + len(pairs)] = self._given(given, pairs)
            start += len(pairs)
        statistic, dof, flag = answers[back.reshape(-1)].T
        return ChiSquareBatch(
            self._answer(statistic),
            self._answer(tail(statistic, dof)),
            self._answer(dof),
            self._answer(flag.astype(np.int8)),
        )

    def _given(self, given: tuple[int, ...], pairs: list[tuple[int, int]]) -> list[tuple[float, int, Flag]]:
        """Return statistic, degrees of freedom and flag of each pair given one set."""
        degree = self._degree_given(len(given))
        sizes = [self._features[x].shape[0] * self._features[y].shape[0] for x, y in pairs]
        if degree is None:
            return [(math.nan, size, Flag.TOO_FEW_ROWS) for size in sizes]
        if not given:
            shared = [squared_norm(_gram(self._features[x], self._features[y])) for x, y in pairs]
            return [((self.n_samples_ - 1) * s, size, Flag.OK) for s, size in zip(shared, sizes, strict=True)]
        variables = sorted({v for pair in pairs for v in pair})
        residuals, freedom = partial_out(
            namespace_of(self._scores).take(self._scores, index_array(given, self._scores), axis=0),
            [self._most[v] for v in given],
            degree,
            [self._features[v] for v in variables],
        )
        remaining = dict(zip(variables, residuals, strict=True))
        # The features are orthonormal: the eigenvalues are shares of variance that S leaves.
        lost = {v for v, E in remaining.items() if _smallest_eigenvalue(_gram(E, E)) < SMALLEST_PIVOT}
        return [
            (math.nan, size, Flag.SINGULAR)
            if x in lost or y in lost
            else (*_generalised_covariance(remaining[x], remaining[y], freedom), Flag.OK)
            for (x, y), size in zip(pairs, sizes, strict=True)
        ]

    def _degree_given(self, k: int) -> int | None:
        """Return the degree to which k variables are expanded, None where the rows are too few."""
        most = min(_MOST_TERMS, self.n_samples_ // _ROWS_PER_TERM)
        degrees = range(self.given_degree, self.degree - 1, -1)
        return next((degree for degree in degrees if n_terms(k, degree) <= most), None)

    def _canonical(self, *positions: Array, rows: int = 0) -> NDArray[np.int64]:
        """Return canonical places of the columns, shape (m, number of arrays)."""
        if not positions:
            return np.empty((rows, 0), dtype=np.int64)
        return np.stack([self._place[to_numpy(position)] for position in positions], axis=1)

    def _answer(self, values: NDArray[Any]) -> Array:
        return namespace_of(self._anchor).asarray(values, device=device_of(self._anchor))


def _orthonormal(rows: Array) -> Array:
    """Return an orthonormal basis of the centred rows."""
    xp = namespace_of(rows)
    columns = xp.matrix_transpose(rows - xp.mean(rows, axis=1, keepdims=True))
    return xp.matrix_transpose(xp.linalg.qr(columns)[0])


def _gram(X: Array, Y: Array) -> Array:
    """Return X Y'."""
    xp = namespace_of(X)
    return xp.matmul(X, xp.matrix_transpose(Y))


def _smallest_eigenvalue(M: Array) -> float:
    return float(namespace_of(M).linalg.eigvalsh(M)[0])


def _generalised_covariance(X: Array, Y: Array, freedom: Array) -> tuple[float, int]:
    """Return T and its degrees of freedom from residuals of shapes (p, n) and (q, n)."""
    xp, n = namespace_of(X), X.shape[1]
    R = xp.reshape(X[:, None, :] * Y[None, :, :], (-1, n))
    # A row that the expansion fits exactly has residuals of zero, and no share in anything.
    V = _gram(R / xp.clip(freedom, SMALLEST_PIVOT, None), R)
    usual = xp.reshape(xp.sum(X * X, axis=1)[:, None] * xp.sum(Y * Y, axis=1)[None, :], (-1,)) / n
    scale = 1.0 / xp.sqrt(xp.maximum(xp.linalg.diagonal(V), SMALLEST_PIVOT * usual))
    values, vectors = xp.linalg.eigh(V * scale[:, None] * scale[None, :])
    # Two products are equal where y is a copy of x, and one is zero where only one of the two ever varies;
    # s lies in the directions that are left.
    lost = int(xp.count_nonzero(values <= SMALLEST_PIVOT))
    along = xp.matmul(scale * xp.sum(R, axis=1), vectors[:, lost:])
    return float(xp.sum(along * along / values[lost:])), values.shape[0] - lost
