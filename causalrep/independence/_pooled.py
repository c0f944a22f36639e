"""One test from several data sets: each is tested by itself, and the p-values are combined.

Pooling the rows instead would mix populations, and a mixture of populations in which two variables are
independent has them dependent as soon as both of their means differ between populations.

References
----------
.. [1] R. A. Fisher, Statistical Methods for Research Workers, 4th edition, 1932, section 21.1.
.. [2] R. E. Tillman and P. Spirtes, Learning equivalence classes of acyclic models with latent and selection
   variables from multiple datasets with overlapping variables, AISTATS 2011 (tests combined over data sets).
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from causalrep.independence._arrays import Array, canonical_order, to_numpy
from causalrep.independence._base import CITest, CITestBatch, Flag
from causalrep.independence._chi_square import ChiSquareBatch, minus_log_pvalue, tail
from causalrep.utils import DataError

__all__ = ["Pooled"]


class Pooled(CITest):
    r"""Test of independence in all of several data sets, by Fisher's combination of p-values.

    Assumes that the data sets are independent of each other, and that the same graph underlies all of them;
    effects and distributions may differ.

    Parameters
    ----------
    test : CITest
        What tests each data set; it is copied, and never fitted itself.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names, in canonical order.
    tests_ : tuple of CITest
        The fitted tests, one for each data set.

    Raises
    ------
    TypeError
        If `test` is not a `CITest`.
    DataError
        In `fit`: if there is no data set, or their columns have different names.

    Notes
    -----
    With p-values :math:`p_1, ..., p_K` of the data sets that can answer a question, the statistic is
    :math:`-2 \sum \log p_k`, chi-square with 2K degrees of freedom if all are independent. A question
    that no data set can answer has the flag that the first one gave it. Data sets that lack a column are not
    taken: leave the column out of all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.independence import FisherZ, Pooled
    >>> rng = np.random.default_rng(0)
    >>> hospitals = [{"x": rng.normal(m, 1, 300), "y": rng.normal(m, 1, 300)} for m in (0.0, 3.0)]
    >>> mixed = {name: np.concatenate([data[name] for data in hospitals]) for name in "xy"}
    >>> FisherZ().fit(mixed).test("x", "y").pvalue < 1e-9
    True
    >>> Pooled(FisherZ()).fit(hospitals).test("x", "y").pvalue > 0.05
    True
    """

    tests_: tuple[CITest, ...]

    def __init__(self, test: CITest) -> None:
        if not isinstance(test, CITest):
            raise TypeError(f"`test` must be a CITest, got {test!r}")
        self.test_ = test

    def fit(self, X: Sequence[Any]) -> Pooled:
        """Fit the test to each data set.

        Parameters
        ----------
        X : sequence of data frames or of arrays of shape (n_samples, n_features)
            The data sets, with the same columns in any order.

        Returns
        -------
        Pooled
            The test itself.
        """
        if hasattr(X, "dtype") or hasattr(X, "columns") or hasattr(X, "keys"):
            raise DataError(f"`X` must be a list of data sets, got one {type(X).__name__}")
        fitted = []
        for data in X:
            one = copy.copy(self.test_)
            one.fit(data)
            fitted.append(one)
        if not fitted:
            raise DataError("`X` must hold at least one data set, got none")
        names = fitted[0].names_
        for k, one in enumerate(fitted):
            if set(one.names_) != set(names):
                different = sorted(map(str, set(one.names_) ^ set(names)))
                raise DataError(
                    f"the data sets must have the same columns; data set {k} differs in {different}"
                )
        self.names_: tuple[Hashable, ...] = tuple(names[k] for k in canonical_order(names))
        self._anchor = np.zeros(1)
        self._columns = []
        for one in fitted:
            position = {name: k for k, name in enumerate(one.names_)}
            self._columns.append(np.array([position[name] for name in self.names_], dtype=np.int64))
        self.tests_ = tuple(fitted)
        return self

    @property
    def max_cond(self) -> int:
        """The largest number of conditioning columns that any of the data sets can be tested with."""
        self._refuse_unless_fitted()
        return max(one.max_cond for one in self.tests_)

    def chunk_size(self, n_given: int) -> int:
        """Return how many tests given `n_given` columns may be asked at once within the memory budget."""
        return min(one.chunk_size(n_given) for one in self.tests_)

    def strength(self, i: Array, j: Array, S: Sequence[Array]) -> Array:
        """Return minus the logarithms of the p-values, infinite where no test was made (see `CITest`)."""
        return minus_log_pvalue(self, i, j, S)

    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        given = np.stack(S, axis=1) if S else np.empty((len(i), 0), dtype=np.int64)
        statistic, dof = np.zeros(len(i)), np.zeros(len(i))
        flags = []
        for one, columns in zip(self.tests_, self._columns, strict=True):
            found = one.test_batch(columns[i], columns[j], columns[given])
            flag = to_numpy(found.flag)
            ok = flag == Flag.OK
            statistic += np.where(ok, -2.0 * to_numpy(found.log_pvalue), 0.0)
            dof += 2.0 * ok
            flags.append(flag)
        untested = dof == 0
        flag = np.where(untested, flags[0], Flag.OK).astype(np.int8)
        statistic[untested] = np.nan
        pvalue = np.where(untested, np.nan, tail(np.nan_to_num(statistic), dof))
        return ChiSquareBatch(statistic, pvalue, dof, flag)
