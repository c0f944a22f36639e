"""What tests of nonlinear dependence share: standardised columns, questions grouped by conditioning set."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator
from itertools import groupby
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, canonical_order, named_matrix, namespace_of, to_numpy
from causalrep.independence._base import CITest, CITestBatch
from causalrep.independence._correlation import refuse_constant, refuse_unless_finite
from causalrep.utils import DataError

__all__ = ["Answer", "ContinuousTest", "Key", "cauchy_combination"]

Key: TypeAlias = tuple[int, ...]
Answer: TypeAlias = tuple[float, float, float, int]
"""Statistic, p-value, degrees of freedom, flag."""


class ContinuousTest(CITest):
    """A test that answers questions about one conditioning set together, from standardised columns.

    Subclasses answer in `_given`, for columns in canonical order, and may set up more in `_prepare`.
    """

    n_samples_: int
    _batch: ClassVar[type[CITestBatch]] = CITestBatch

    def fit(self, X: Any, *, device: Any = None) -> Self:
        """Standardise the columns.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Of NumPy, Torch, CuPy, or any library of the array standard; it is never changed.
        device : str or device, default=None
            Where to compute: data of NumPy, frames and CuPy become tensors of Torch there, arrays of other
            libraries stay what they are. By default where the data lie.

        Returns
        -------
        CITest
            The test itself.
        """
        matrix, names = named_matrix(X, device=device)
        n, d = matrix.shape
        if d == 0:
            raise DataError(f"`X` has 0 feature(s) (shape=({n}, 0)) while a minimum of 1 is required.")
        if n < 6:
            raise DataError(f"{type(self).__name__} needs at least 6 rows, got n_samples = {n}")
        refuse_unless_finite(matrix, names)
        xp = namespace_of(matrix)
        order = canonical_order(names)
        columns = [xp.astype(matrix[:, k], xp.float64) for k in order.tolist()]
        constant = np.array([float(xp.max(column)) == float(xp.min(column)) for column in columns])
        refuse_constant(constant, [names[k] for k in order])
        self._columns = [_standardised(column) for column in columns]
        self._names: tuple[Hashable, ...] = tuple(names[k] for k in order)
        self._place = np.argsort(order)
        self._anchor = xp.zeros((1,), dtype=xp.float64, device=device_of(matrix))
        self.n_samples_ = n
        self._prepare()
        self.names_ = names
        return self

    def _prepare(self) -> None:
        """Set up what depends on the standardised columns."""

    @abstractmethod
    def _given(self, given: Key, pairs: list[tuple[int, int]]) -> Iterator[Answer]:
        """Yield the answers about pairs, in canonical positions, that share a conditioning set."""

    @property
    def max_cond(self) -> int:
        """The largest number of conditioning columns that can be tested."""
        self._refuse_unless_fitted()
        return max(0, len(self.names_) - 2)

    def chunk_size(self, n_given: int) -> int:
        """Return how many tests given `n_given` columns may be asked at once within the memory budget."""
        return max(1, 2**20 // (8 * (n_given + 2)))

    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        ends = np.sort(np.stack([self._place[to_numpy(end)] for end in (i, j)], axis=1), axis=1)
        given: NDArray[np.int64] = np.empty((len(ends), 0), dtype=np.int64)
        if S:
            given = np.sort(np.stack([self._place[to_numpy(s)] for s in S], axis=1), axis=1)
        # In sorted rows with S first, equal questions are one, and those with the same S stand together.
        asked = np.concatenate([given, ends], axis=1)
        back = np.zeros(1, dtype=np.intp)
        if len(asked) != 1:
            asked, back = np.unique(asked, axis=0, return_inverse=True)
        answers: list[Answer] = []
        for key, group in groupby(asked.tolist(), key=lambda question: tuple(question[:-2])):
            answers += self._given(key, [(question[-2], question[-1]) for question in group])
        statistic, pvalue, dof, flag = np.array(answers).reshape(-1, 4)[back.reshape(-1)].T
        xp, where = namespace_of(self._anchor), device_of(self._anchor)
        parts = (statistic, pvalue, dof, flag.astype(np.int8))
        return self._batch(*(xp.asarray(part, device=where) for part in parts))


def cauchy_combination(pvalues: list[float]) -> float:
    """Return one p-value from several of the same hypothesis, whatever their dependence.

    References
    ----------
    Y. Liu and J. Xie, Cauchy combination test, Journal of the American Statistical Association 115 (2020),
    393-402.
    """
    smallest = np.finfo(float).tiny
    mean = float(np.mean([1.0 / np.tan(np.pi * max(p, smallest)) for p in pvalues]))
    return float(np.arctan2(1.0, mean) / np.pi)


def _standardised(column: Array) -> Array:
    xp = namespace_of(column)
    deviation = column - xp.mean(column)
    deviation = deviation / xp.max(xp.abs(deviation))  # squares then neither overflow nor vanish
    return deviation / xp.sqrt(xp.sum(deviation * deviation) / (column.shape[0] - 1))
