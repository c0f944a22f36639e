"""A test for continuous and categorical columns in which every category may bend the others in its own way.

Idea
----
In a conditional Gaussian distribution the continuous variables are jointly Gaussian given each combination of
the categorical ones, with means, slopes and variances of its own. So each combination of the categories in S
is a stratum. Within it, a continuous y is independent of a category x given the numbers in S iff one
regression on these, with one variance, serves all categories of x; and of a continuous x iff its coefficient
is zero. Two categories are independent given numbers iff those predict one no worse than together with the
other.

What it cannot see
------------------
Curves. And with many categories in S the strata hold few rows: those too small for a regression are left out.
Heavy tails, as a category that is not in S gives them, pass for variances that differ.

References
----------
.. [1] S. L. Lauritzen and N. Wermuth, Graphical models for associations between variables, some of which are
   qualitative and some quantitative, Annals of Statistics 17 (1989), 31-57 (the family of distributions).
.. [2] B. Andrews, J. Ramsey and G. F. Cooper, Scoring Bayesian networks of mixed variables, International
   Journal of Data Science and Analytics 6 (2018), 3-18.
.. [3] M. S. Bartlett, Properties of sufficiency and statistical tests, Proceedings of the Royal Society A 160
   (1937), 268-282 (factors for few rows); T. W. Anderson, An Introduction to Multivariate Statistical
   Analysis, 3rd ed., Wiley, 2003, sections 8.5 and 10.3.
.. [4] M. Tsagris, G. Borboudakis, V. Lagani and I. Tsamardinos, Constraint-based causal discovery with mixed
   data, International Journal of Data Science and Analytics 6 (2018), 19-30 (regressions both ways round).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from array_api_compat import device as device_of
from array_api_compat import is_array_api_obj
from numpy.typing import NDArray

from causalrep.independence._arrays import (
    canonical_order,
    namespace_of,
    placed,
    refuse_accelerator,
    to_numpy,
)
from causalrep.independence._base import Flag
from causalrep.independence._chi_square import ChiSquareBatch, tail
from causalrep.independence._codes import coded_columns
from causalrep.independence._continuous import Answer, ContinuousTest, Key, cauchy_combination
from causalrep.independence._multinomial import largest_log_likelihood
from causalrep.independence._types import checked_types, numbers_of
from causalrep.utils import DataError, columns_of, is_frame

__all__ = ["ConditionalGaussian"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_SMALLEST_VARIANCE = 1e-10


class _Part(NamedTuple):
    """A sum of statistics that are chi-square, and what went wrong."""

    statistic: float
    dof: float
    flag: Flag = Flag.OK


class ConditionalGaussian(ContinuousTest):
    r"""Likelihood-ratio test for mixed columns, with slopes and variances of its own in every category.

    Assumes independent rows and, given the categories, linear Gaussian relations between continuous columns.

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
    DeviceError
        In `fit`: for data on an accelerator; strata of different sizes are met one by one, in main memory.
    UnknownNameError
        If `types` names something that is not a column, or a type that does not exist.

    See Also
    --------
    DegenerateGaussian : One model for all strata: more power where effects add up.

    Notes
    -----
    In a stratum of n rows, of which c numbers in S and an intercept explain y up to :math:`R_0`, the
    statistic for a continuous x is :math:`-(n - c - 5/2) \log (R_1 / R_0)` with one degree of freedom. For x
    of m categories it is :math:`-(n - c - 2 - q / 2) \log (R_1 / R_0)` with :math:`q = (m - 1)(c + 1)`
    degrees of freedom, where :math:`R_1` adds up regressions in each category, and Bartlett's statistic that
    their variances are equal, with m - 1. Statistics and degrees of freedom are summed over the strata.
    Categories of fewer than c + 4 rows are left out, and strata where nothing can be compared. For two
    categories without numbers it is :math:`G^2`; given numbers, the likelihood ratio of multinomial logistic
    regressions of each on the other, whose p-values are combined by Cauchy's method.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import ConditionalGaussian, DegenerateGaussian
    >>> rng = np.random.default_rng(0)
    >>> group = rng.choice(["a", "b"], size=500)
    >>> x = rng.normal(size=500)
    >>> y = np.where(group == "a", 1.0, -1.0) * x + rng.normal(size=500)
    >>> data = {"group": group, "x": x, "y": y}
    >>> bool(ConditionalGaussian().fit(data).test("x", "y", ["group"]).pvalue < 1e-20)
    True
    >>> bool(DegenerateGaussian().fit(data).test("x", "y", ["group"]).pvalue > 0.01)
    True
    """

    _batch = ChiSquareBatch

    def __init__(self, *, types: Mapping[Hashable, str] | None = None) -> None:
        checked_types(types)
        self.types = types

    def fit(self, X: Any, *, device: Any = None) -> Self:
        """Code the categories and standardise the numbers.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Numbers, strings, categories and booleans; an array of any library where all are numbers.
        device : str or device, default=None
            Where answers shall be, in main memory, as in `FisherZ.fit`.

        Returns
        -------
        CITest
            The test itself.
        """
        like = placed(X if is_array_api_obj(X) and not is_frame(X) else np.empty(0), device)
        refuse_accelerator(like, "ConditionalGaussian", "strata are met one by one")
        columns = columns_of(to_numpy(X) if is_array_api_obj(X) and not is_frame(X) else X, what="X")
        names = tuple(columns)
        if not columns:
            raise DataError("`X` has 0 feature(s) while a minimum of 1 is required.")
        n = len(columns[names[0]])
        if n < 6:
            raise DataError(f"ConditionalGaussian needs at least 6 rows, got n_samples = {n}")
        self.types_ = checked_types(self.types, columns, X)
        order = canonical_order(names)
        self._names = tuple(names[k] for k in order)
        self._codes: dict[int, Ints] = {}
        self._numbers: dict[int, Floats] = {}
        for k, name in enumerate(self._names):
            if self.types_[name] == "categorical":
                self._codes[k] = coded_columns({name: columns[name]}, missing="raise")[0][0]
            else:
                values = numbers_of(columns[name], name)
                self._numbers[k] = (values - values.mean()) / values.std()
        self._place = np.argsort(order)
        self._anchor = namespace_of(like).zeros(
            (1,), dtype=namespace_of(like).float64, device=device_of(like)
        )
        self.names_, self.n_samples_ = names, n
        return self

    def _given(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        strata = _strata([self._codes[v] for v in given if v in self._codes], self.n_samples_)
        Z = np.column_stack(
            [np.ones(self.n_samples_), *(self._numbers[v] for v in given if v in self._numbers)]
        )
        for x, y in pairs:
            if x in self._codes and y in self._codes and Z.shape[1] > 1:
                yield _combined([self._by_logistic(a, b, Z, strata) for a, b in ((x, y), (y, x))])
            else:
                yield _answer([self._in_stratum(x, y, Z, rows) for rows in strata])

    def _in_stratum(self, x: int, y: int, Z: Floats, rows: Ints) -> _Part:
        if x in self._codes and y in self._codes:
            return _table(self._codes[x][rows], self._codes[y][rows])
        if x in self._numbers and y in self._numbers:
            return _correlation(self._numbers[x][rows], self._numbers[y][rows], Z[rows])
        category, number = (x, y) if x in self._codes else (y, x)
        return _regressions(self._codes[category][rows], self._numbers[number][rows], Z[rows])

    def _by_logistic(self, x: int, y: int, Z: Floats, strata: list[Ints]) -> Answer:
        return _answer([_logistic(self._codes[x][rows], self._codes[y][rows], Z[rows]) for rows in strata])


def _strata(codes: list[Ints], n: int) -> list[Ints]:
    """Return the rows of each combination of codes that occurs."""
    if not codes:
        return [np.arange(n)]
    _, stratum = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    order = np.argsort(stratum.reshape(-1), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(stratum.reshape(-1)[order])) + 1)


def _answer(parts: list[_Part]) -> Answer:
    statistic, dof = (sum(part[k] for part in parts) for k in (0, 1))
    for flag in (Flag.SINGULAR, Flag.NOT_CONVERGED):
        if any(part.flag == flag for part in parts):
            return math.nan, math.nan, math.nan, flag
    if not dof:
        return math.nan, math.nan, 0.0, Flag.TOO_FEW_ROWS
    statistic = max(statistic, 0.0)
    return statistic, float(tail(np.array([statistic]), np.array([dof]))[0]), dof, Flag.OK


def _combined(answers: list[Answer]) -> Answer:
    """Return the chi-square statistic whose p-value is that of both directions together."""
    from scipy.special import chdtri

    flagged = [answer for answer in answers if answer[3] != Flag.OK]
    if flagged:
        return flagged[0]
    dof = min(answer[2] for answer in answers)
    pvalue = cauchy_combination([answer[1] for answer in answers])
    return float(chdtri(dof, pvalue)), pvalue, dof, Flag.OK


def _residual_squares(y: Floats, Z: Floats) -> tuple[float, int]:
    """Return the sum of squared residuals of a regression, and the rank of its columns."""
    weights, _, rank, _ = np.linalg.lstsq(Z, y, rcond=1e-10)
    left = y - Z @ weights
    return float(left @ left), int(rank)


def _correlation(x: Floats, y: Floats, Z: Floats) -> _Part:
    n = len(y)
    weights, _, rank, _ = np.linalg.lstsq(Z, np.column_stack([x, y]), rcond=1e-10)
    left = np.column_stack([x, y]) - Z @ weights
    factor = n - int(rank) - 1.5
    if factor < 1.0:
        return _Part(0.0, 0.0)
    products = left.T @ left
    if min(products[0, 0], products[1, 1]) < _SMALLEST_VARIANCE * n:
        return _Part(0.0, 0.0, Flag.SINGULAR)
    square = min(products[0, 1] ** 2 / (products[0, 0] * products[1, 1]), 1.0 - 2.0**-53)
    return _Part(-factor * math.log1p(-square), 1.0)


def _regressions(codes: Ints, y: Floats, Z: Floats) -> _Part:
    """Ask whether one regression, with one variance, serves all categories."""
    width = Z.shape[1]
    counts = np.bincount(codes)
    large = np.flatnonzero(counts >= width + 3)
    kept = np.isin(codes, large)
    codes, y, Z = codes[kept], y[kept], Z[kept]
    if len(large) < 2:
        return _Part(0.0, 0.0)
    n, m = len(y), len(large)
    together, rank = _residual_squares(y, Z)
    apart = [(*_residual_squares(y[codes == k], Z[codes == k]), int(counts[k])) for k in large]
    if min(together / n, *(squares / count for squares, _, count in apart)) < _SMALLEST_VARIANCE:
        return _Part(0.0, 0.0, Flag.SINGULAR)
    q = sum(r for _, r, _ in apart) - rank
    whole = sum(squares for squares, _, _ in apart)
    means = -(n - rank - 1 - q / 2.0) * math.log(whole / together)
    free = np.array([count - r for _, r, count in apart], dtype=np.float64)
    variances = np.array([squares for squares, _, _ in apart]) / free
    spread = free.sum() * math.log(whole / free.sum()) - float(free @ np.log(variances))
    factor = 1.0 + (float((1.0 / free).sum()) - 1.0 / free.sum()) / (3.0 * (m - 1))
    return _Part(means + spread / factor, float(q + m - 1))


def _table(x: Ints, y: Ints) -> _Part:
    counts = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(counts, (x, y), 1.0)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    dof = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if counts.sum() < 5.0 * dof:
        return _Part(0.0, 0.0)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    some = counts > 0
    return _Part(2.0 * float((counts[some] * np.log(counts[some] / expected[some])).sum()), float(dof))


def _logistic(x: Ints, y: Ints, Z: Floats) -> _Part:
    """Ask whether numbers predict x no worse than together with y."""
    x, y = (np.unique(codes, return_inverse=True)[1].reshape(-1) for codes in (x, y))
    dof = int(x.max() * y.max())
    if len(x) < 5 * (dof + int(x.max()) * Z.shape[1]) or not dof:
        return _Part(0.0, 0.0)
    indicators = (y[:, None] == np.arange(1, y.max() + 1)).astype(np.float64)
    without = largest_log_likelihood(x, Z[:, 1:])
    together = largest_log_likelihood(x, np.column_stack([Z[:, 1:], indicators]))
    if without is None or together is None:
        return _Part(0.0, 0.0, Flag.NOT_CONVERGED)
    return _Part(2.0 * (together - without), float(dof))
