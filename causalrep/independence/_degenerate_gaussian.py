"""A test for columns of both kinds, numbers and categories, as one Gaussian model with blocks.

Idea
----
A category of m states becomes m - 1 indicator columns, a number stays one column. The likelihood-ratio test
that two blocks of jointly Gaussian columns are independent given a third needs nothing but their covariance,
and its statistic keeps its meaning where the columns are indicators: for two categories it is close to the
chi-square test of their table, for two numbers it is the test of partial correlation.

What it cannot see
------------------
What Fisher's z cannot see in numbers: curves. And interactions: given two categories, only the sum of their
effects is taken out, not the effect of each combination.

References
----------
.. [1] B. Andrews, J. Ramsey and G. F. Cooper, Learning high-dimensional directed acyclic graphs with mixed
   data-types, Proceedings of Machine Learning Research 104 (2019), 4-21.
.. [2] T. W. Anderson, An Introduction to Multivariate Statistical Analysis, 3rd ed., Wiley, 2003, section 9.3
   (likelihood-ratio test of independence of sets of variables, with Bartlett's factor).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Self

import numpy as np
from array_api_compat import device as device_of
from array_api_compat import is_array_api_obj
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, canonical_order, index_array, namespace_of, placed, to_numpy
from causalrep.independence._base import Flag
from causalrep.independence._chi_square import ChiSquareBatch, tail
from causalrep.independence._codes import coded_columns
from causalrep.independence._continuous import Answer, ContinuousTest, Key
from causalrep.independence._types import checked_types, numbers_of
from causalrep.utils import DataError, columns_of, is_frame

__all__ = ["DegenerateGaussian"]

Floats = NDArray[np.float64]
_SMALLEST_VARIANCE = 1e-10


class DegenerateGaussian(ContinuousTest):
    r"""Likelihood-ratio test for continuous and categorical columns together.

    Assumes independent rows, linear effects between continuous columns, and additive effects of categories.

    Parameters
    ----------
    types : mapping of name to {"continuous", "categorical"}, default=None
        What columns are. By default a column of numbers is continuous, and one of strings, categories or
        booleans is categorical; codes of categories therefore have to be named here.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows.
    types_ : dict of hashable to str
        What each column was taken for.

    Raises
    ------
    DataError
        In `fit`: for missing or infinite values, constant columns, fewer than six rows, text in a column
        declared continuous.
    UnknownNameError
        If `types` names something that is not a column, or a type that does not exist.

    Notes
    -----
    With the canonical correlations :math:`\rho` of the blocks of x (p columns) and y (q columns) after
    regression on those of S (k columns), the statistic is
    :math:`-(n - 1 - k - (p + q + 1) / 2) \sum \log (1 - \rho^2)`, chi-square with :math:`p q` degrees of
    freedom under independence.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import DegenerateGaussian
    >>> rng = np.random.default_rng(0)
    >>> group = rng.choice(["a", "b", "c"], size=500)
    >>> shift = np.where(group == "a", 2.0, 0.0)
    >>> data = {"group": group, "x": shift + rng.normal(size=500), "y": shift + rng.normal(size=500)}
    >>> test = DegenerateGaussian().fit(data)
    >>> test.test("x", "y").pvalue < 1e-4, test.test("x", "y", ["group"]).pvalue > 0.05
    (True, True)
    """

    _batch = ChiSquareBatch

    def __init__(self, *, types: Mapping[Hashable, str] | None = None) -> None:
        checked_types(types)
        self.types = types

    def fit(self, X: Any, *, device: Any = None) -> Self:
        """Code the categories and compute the correlations of all columns.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Numbers, strings, categories and booleans; of Torch, CuPy, or any library of the array standard
            where all are numbers. Categories are coded in main memory, all else is computed where `X` is.
        device : str or device, default=None
            Where to compute instead, as in `FisherZ.fit`.

        Returns
        -------
        CITest
            The test itself.
        """
        like = X if is_array_api_obj(X) and not is_frame(X) else np.empty(0)
        columns = columns_of(X if isinstance(like, np.ndarray) else to_numpy(X), what="X")
        like = placed(like, device)
        names = tuple(columns)
        if not columns:
            raise DataError("`X` has 0 feature(s) while a minimum of 1 is required.")
        n = len(columns[names[0]])
        if n < 6:
            raise DataError(f"DegenerateGaussian needs at least 6 rows, got n_samples = {n}")
        self.types_ = checked_types(self.types, columns, X)
        order = canonical_order(names)
        self._names = tuple(names[k] for k in order)
        blocks = [_block(columns[name], name, self.types_[name]) for name in self._names]
        ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
        self._slices = [np.arange(a, b) for a, b in pairwise(ends.tolist())]
        xp = namespace_of(like)
        whole = xp.asarray(np.concatenate(blocks, axis=1), device=device_of(like))
        whole = whole - xp.mean(whole, axis=0)
        whole = whole / xp.sqrt(xp.mean(whole * whole, axis=0))
        self._R = xp.matmul(xp.matrix_transpose(whole), whole) / n
        self._place = np.argsort(order)
        self._anchor = xp.zeros((1,), dtype=xp.float64, device=device_of(like))
        self.names_, self.n_samples_ = names, n
        return self

    def _given(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        variables = sorted({v for pair in pairs for v in pair})
        inside = np.concatenate([self._slices[v] for v in given]) if given else np.empty(0, dtype=np.int64)
        outside = np.concatenate([self._slices[v] for v in variables])
        covariance, k = _residual_covariance(self._R, outside, inside)
        starts = np.cumsum([0, *(len(self._slices[v]) for v in variables)]).tolist()
        place = {v: slice(starts[p], starts[p + 1]) for p, v in enumerate(variables)}
        half = {v: _whitening(covariance[place[v], place[v]]) for v in variables}
        xp = namespace_of(covariance)
        for x, y in pairs:
            A, B = half[x], half[y]
            p, q = A.shape[0], B.shape[0]
            if not p or not q:
                yield math.nan, math.nan, math.nan, Flag.SINGULAR
                continue
            factor = self.n_samples_ - 1 - k - (p + q + 1) / 2
            if factor <= 0:
                yield math.nan, math.nan, float(p * q), Flag.TOO_FEW_ROWS
                continue
            cross = xp.matmul(xp.matmul(A, covariance[place[x], place[y]]), xp.matrix_transpose(B))
            rho = xp.clip(xp.linalg.svdvals(cross), None, 1.0 - 2.0**-53)
            statistic = -factor * float(xp.sum(xp.log1p(-rho * rho)))
            dof = np.array([p * q])
            yield statistic, float(tail(np.array([statistic]), dof)[0]), float(p * q), Flag.OK


def _block(values: NDArray[Any], name: Hashable, kind: str) -> Floats:
    """Return the columns that stand for one variable, shape (n, m)."""
    if kind == "categorical":
        codes, (card,), _, _ = coded_columns({name: values}, missing="raise")
        indicators: Floats = (codes[0][:, None] == np.arange(1, card)).astype(np.float64)
        return indicators
    return numbers_of(values, name)[:, None]


def _residual_covariance(R: Array, outside: NDArray[Any], inside: NDArray[Any]) -> tuple[Array, int]:
    """Return the covariance of some columns after regression on others, and the rank of the others."""
    xp = namespace_of(R)
    out = index_array(outside, R)
    rows = xp.take(R, out, axis=0)
    covariance = xp.take(rows, out, axis=1)
    if not len(inside):
        return covariance, 0
    within = index_array(inside, R)
    values, vectors = xp.linalg.eigh(xp.take(xp.take(R, within, axis=0), within, axis=1))
    lost = _n_lost(values, _SMALLEST_VARIANCE * len(inside))
    along = xp.matmul(xp.take(rows, within, axis=1), vectors[:, lost:]) / xp.sqrt(values[lost:])
    return covariance - xp.matmul(along, xp.matrix_transpose(along)), len(inside) - lost


def _whitening(C: Array) -> Array:
    """Return W with W C W' = I, of shape (rank of C, m)."""
    xp = namespace_of(C)
    values, vectors = xp.linalg.eigh(C)
    lost = _n_lost(values, _SMALLEST_VARIANCE)
    return xp.matrix_transpose(vectors[:, lost:] / xp.sqrt(values[lost:]))


def _n_lost(values: Array, smallest: float) -> int:
    """Return how many of the rising eigenvalues are not above `smallest`."""
    return int(namespace_of(values).count_nonzero(values <= smallest))
