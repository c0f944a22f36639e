"""Fisher's z-test where values are missing, by filling the gaps several times over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, canonical_order, named_matrix, refuse_accelerator, to_numpy
from causalrep.independence._base import CITest, CITestBatch, Flag
from causalrep.independence._chi_square import minus_log_pvalue
from causalrep.independence._correlation import refuse_constant, refuse_unless_finite, symmetrised
from causalrep.independence._fisherz import FisherZ
from causalrep.independence._normal_with_gaps import GappedRows
from causalrep.utils import DataError, as_seed, keyed_generator

__all__ = ["ImputedFisherZ"]

Floats = NDArray[np.float64]


class ImputedFisherZ(CITest):
    r"""Fisher's z-test with missing values, by multiple imputation.

    The gaps are filled several times with draws given what is seen in the row, each time under other
    plausible means and covariances. Each table so completed is tested, and the answers are pooled by
    Rubin's rules, which add what the tables differ by to the variance of each. All rows are used that hold
    any value.

    Assumes a joint normal distribution, and that nothing decides which values are missing but values that
    are seen (missing at random). `CorrectedFisherZ` allows for causes of gaps with gaps of their own, and
    ``FisherZ(missing="testwise")`` needs no model of the columns, but gaps that are a matter of chance.

    Parameters
    ----------
    n_imputations : int, default=20
        How often the gaps are filled, at least twice.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        Seeds the draws. The order of the columns does not matter to them.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows that hold a value.
    tests_ : tuple of FisherZ
        The test of each completed table.

    Raises
    ------
    DataError
        If `n_imputations` is no integer above 1. In `fit`: for infinite or complex values, columns that
        are constant or without any value, text, fewer than four rows.
    DeviceError
        In `fit`: for data on an accelerator.

    Warns
    -----
    ConvergenceWarning
        If a model of the columns is not found within a thousand steps of EM.

    See Also
    --------
    CorrectedFisherZ : Where what causes the gaps has gaps.

    Notes
    -----
    Each of m bootstrap samples of the rows gives a model, by the EM algorithm, from which the gaps of all
    rows are drawn [2]_. With z the mean of :math:`\operatorname{atanh} r` over the tables, B its variance
    between them and :math:`W = 1/(n - |S| - 3)`, :math:`z / \sqrt{W + (1 + 1/m) B}` has about a
    t distribution with :math:`(m - 1) / \lambda^2` degrees of freedom, where :math:`\lambda` is the share of
    the variance that is due to the gaps [1]_. Without gaps it is Fisher's z-test itself. Fitting costs m
    times some dozens of solutions of d equations for each pattern of gaps; a test costs m tests.

    References
    ----------
    .. [1] D. B. Rubin, "Multiple Imputation for Nonresponse in Surveys", Wiley, 1987, section 3.3.
    .. [2] J. Honaker, G. King, "What to do about missing values in time-series cross-section data", American
       Journal of Political Science 54, 2010 (EM with bootstrapping).

    Examples
    --------
    Y was recorded only where Z is large, and X and Y are independent given Z:

    >>> import numpy as np
    >>> from causalrep.independence import ImputedFisherZ
    >>> z, *noise = np.random.default_rng(0).normal(size=(3, 1000))
    >>> data = {"x": z + noise[0], "y": np.where(z > 0, z + noise[1], np.nan), "z": z}
    >>> test = ImputedFisherZ().fit(data)
    >>> bool(test.test("x", "y").pvalue < 1e-6), bool(test.test("x", "y", ["z"]).pvalue > 0.05)
    (True, True)
    """

    tests_: tuple[FisherZ, ...]

    def __init__(self, *, n_imputations: int = 20, random_state: Any = 0) -> None:
        if not isinstance(n_imputations, (int, np.integer)) or n_imputations < 2:
            raise DataError(f"`n_imputations` must be an integer of at least 2, got {n_imputations!r}")
        self.n_imputations, self.random_state = int(n_imputations), random_state

    def fit(self, X: Any) -> ImputedFisherZ:
        """Fill the gaps, and compute the correlations of each completed table.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            With NaN where a value is missing.

        Returns
        -------
        ImputedFisherZ
            The test itself.
        """
        found, names = named_matrix(X)
        refuse_accelerator(found, "ImputedFisherZ", "its regressions are NumPy's")
        order = canonical_order(names)
        ordered = tuple(names[k] for k in order)
        matrix = to_numpy(found).astype(np.float64)[:, order]
        missing = np.isnan(matrix)
        refuse_unless_finite(np.where(missing, 0.0, matrix), ordered)
        matrix = matrix[~missing.all(axis=1)]
        if len(matrix) < 4:
            raise DataError(f"Fisher's z-test needs at least 4 rows, got {len(matrix)} that hold a value")
        empty = np.isnan(matrix).all(axis=0)
        if empty.any():
            raise DataError(f"column {ordered[int(np.argmax(empty))]!r} of `X` has no value")
        refuse_constant(np.nanmin(matrix, axis=0) == np.nanmax(matrix, axis=0), ordered)
        matrix = (matrix - np.nanmean(matrix, axis=0)) / np.nanstd(matrix, axis=0)
        self.tests_ = tuple(  # one warning of collinear columns is enough
            FisherZ()._keep(symmetrised(R), len(matrix), names, ordered, warn=k == 0)
            for k, R in enumerate(self._completed(matrix))
        )
        self.n_samples_, self.names_ = len(matrix), names
        self._anchor = np.zeros(1)
        return self

    def _completed(self, matrix: Floats) -> list[Floats]:
        """Return the correlations of each completed table."""
        n, rows = len(matrix), GappedRows(matrix)
        if not np.isnan(matrix).any():
            return [_correlations(matrix)] * self.n_imputations
        seed, tables = as_seed(self.random_state), []
        for k in range(self.n_imputations):
            rng = keyed_generator(seed, "imputation", k)
            weights = rng.multinomial(n, np.full(n, 1.0 / n)).astype(np.float64)
            tables.append(_correlations(rows.filled(rows.fit(weights), rng)))
        return tables

    @property
    def max_cond(self) -> int:
        """The largest size of a conditioning set that leaves a degree of freedom: n - 4."""
        self._refuse_unless_fitted()
        return self.n_samples_ - 4

    def strength(self, i: Array, j: Array, S: Sequence[Array]) -> Array:
        """Return minus the logarithms of the p-values, infinite where no test was made (see `CITest`)."""
        return minus_log_pvalue(self, i, j, S)

    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        batches = [one._evaluate(i, j, S) for one in self.tests_]
        flag = np.max([batch.flag for batch in batches], axis=0).astype(np.int8)
        dof = self.n_samples_ - len(S) - 3
        # One row of memory for each question, so that its sums are the same in any batch.
        z = np.stack([batch.statistic for batch in batches], axis=1) / math.sqrt(max(dof, 1))
        m = len(batches)
        within, between = 1.0 / max(dof, 1), (1.0 + 1.0 / m) * z.var(axis=1, ddof=1)
        share = between / (within + between)
        with np.errstate(divide="ignore"):
            freedom = np.where(share > 0.0, (m - 1) / share**2, np.inf)
        statistic = np.where(flag == Flag.OK, z.mean(axis=1) / np.sqrt(within + between), np.nan)
        return _StudentBatch(statistic, 2.0 * scipy.stats.t.sf(np.abs(statistic), freedom), freedom, flag)


def _correlations(matrix: Floats) -> Floats:
    d = matrix.shape[1]
    return np.asarray(np.corrcoef(matrix, rowvar=False), dtype=np.float64).reshape(d, d)


class _StudentBatch(CITestBatch):
    """Answers whose statistic has a t distribution under independence."""

    @property
    def log_pvalue(self) -> Array:
        found: Floats = math.log(2.0) + scipy.stats.t.logsf(np.abs(self.statistic), self.dof)
        return found
