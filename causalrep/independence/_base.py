"""The contract of every conditional-independence test.

A test is fitted once to the data, whose sufficient statistics it keeps, and then answers
whole arrays of questions "is column i independent of column j given the columns S?". An
algorithm never asks one question at a time: a single question is the batch of size one.

A question that cannot be answered (too few rows, a singular block) is neither a dependence
nor an independence. It gets a flag, and NaN for statistic and p-value.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from causalrep.independence._arrays import Array, index_array, namespace_of, to_numpy
from causalrep.utils import DataError, UnknownNameError

__all__ = ["CITest", "CITestBatch", "CITestResult", "CITestWarning", "Flag"]


class Flag(IntEnum):
    """Why a test could not be made."""

    OK = 0
    TOO_FEW_ROWS = 1
    SINGULAR = 2
    EMPTY_TABLE = 4
    NOT_CONVERGED = 5


class CITestWarning(UserWarning):
    """Something in the data that an independence test cannot see past.

    Attributes
    ----------
    kind : str
        ``"collinear"`` or ``"few_values"``.
    names : tuple of hashable
        The columns that it is about.
    """

    def __init__(self, message: str, *, kind: str, names: Iterable[Hashable]) -> None:
        super().__init__(message)
        self.kind = kind
        self.names = tuple(names)


@dataclass(frozen=True)
class CITestResult:
    """The answer to one question.

    Attributes
    ----------
    statistic : float
        NaN where the test could not be made.
    pvalue : float
        Probability of a statistic at least as extreme under independence.
    dof : float
        Degrees of freedom.
    flag : Flag
        ``Flag.OK``, or why the test could not be made.
    log_pvalue : float
        Natural logarithm of the p-value, finite where the p-value itself has underflown to 0.
    """

    statistic: float
    pvalue: float
    dof: float
    flag: Flag
    log_pvalue: float


@dataclass(frozen=True)
class CITestBatch:
    """The answers to m questions, as arrays of the library that the test was fitted in.

    Attributes
    ----------
    statistic, pvalue : array of shape (m,), float64
        NaN where the test could not be made.
    dof : array of shape (m,), float64
        Degrees of freedom.
    flag : array of shape (m,), int8
        0 where the test was made, else a `Flag`.
    """

    statistic: Array
    pvalue: Array
    dof: Array
    flag: Array

    @property
    def log_pvalue(self) -> Array:
        """Natural logarithm of the p-values, array of shape (m,), computed when it is read."""
        with np.errstate(divide="ignore"):
            return namespace_of(self.pvalue).log(self.pvalue)

    def __len__(self) -> int:
        return int(self.pvalue.shape[0])


class CITest(ABC):
    """A conditional-independence test: fitted once, then asked in batches.

    Subclasses set `names_` and `_anchor` in `fit` and answer in `_evaluate`; a subclass whose
    tests can be ranked without computing p-values overrides `strength`.

    Attributes
    ----------
    names_ : tuple of hashable
        Names of the columns, in the order of the data: the index arrays refer to it.
    """

    names_: tuple[Hashable, ...]
    _anchor: Array  # an array of the library and device that index arrays and answers live on

    @abstractmethod
    def fit(self, X: Any) -> CITest:
        """Take what the test needs from the data and return the test itself."""

    @property
    @abstractmethod
    def max_cond(self) -> int:
        """The largest number of conditioning columns that can be tested."""

    @abstractmethod
    def _evaluate(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        """Answer checked questions: m left columns, m right columns, k columns of conditioning columns."""

    @property
    def is_fitted(self) -> bool:
        """Whether the test has seen data (or stands for a graph) and can be asked."""
        return hasattr(self, "names_")

    def index_array(self, values: Any) -> Array:
        """Return `values` as an integer array of the library and device that the test works on."""
        return index_array(values, self._anchor)

    def chunk_size(self, n_given: int) -> int:
        """Return how many tests given `n_given` columns may be asked at once within the memory budget."""
        return max(1, 2**22 // (8 * (n_given + 8)))

    def test_batch(self, i: Any, j: Any, S: Any = None) -> CITestBatch:
        """Test m pairs of columns, each given its own k columns.

        The answer is the same, bit for bit, when i and j change places or a row of S is reordered.

        Parameters
        ----------
        i, j : array of shape (m,), int
            Positions of the columns whose independence is asked.
        S : array of shape (m, k), int, optional
            Positions of the columns that are conditioned on; default none.

        Returns
        -------
        CITestBatch
            Arrays of shape (m,).

        Raises
        ------
        DataError
            If the shapes do not match, a position does not exist, or a column occurs twice in a question.
        """
        return self._in_chunks(*self._checked(i, j, S))

    def _in_chunks(self, left: Array, right: Array, given: Sequence[Array]) -> CITestBatch:
        """Answer checked questions, as many at a time as memory allows."""
        xp = namespace_of(self._anchor)
        m, size = left.shape[0], self.chunk_size(len(given))
        spans = [slice(start, min(start + size, m)) for start in range(0, max(m, 1), size)]
        parts = [
            self._evaluate(left[span], right[span], tuple(column[span] for column in given)) for span in spans
        ]
        if len(parts) == 1:
            return parts[0]
        fields = ("statistic", "pvalue", "dof", "flag")
        return type(parts[0])(*(xp.concat([getattr(part, field) for part in parts]) for field in fields))

    def test(self, x: Hashable, y: Hashable, given: Iterable[Hashable] | str = ()) -> CITestResult:
        """Test one pair of columns by name.

        Parameters
        ----------
        x, y : hashable
            Names of two columns.
        given : iterable of hashable, or one string
            Names of the columns that are conditioned on.

        Returns
        -------
        CITestResult
            With plain numbers.

        Raises
        ------
        UnknownNameError
            If a name is not that of a column.
        DataError
            If a name occurs twice.
        """
        self._refuse_unless_fitted()
        given = (given,) if isinstance(given, str) else tuple(given)
        position = {name: k for k, name in enumerate(self.names_)}
        for name in (x, y, *given):
            if name not in position:
                raise UnknownNameError(name, self.names_, what="the test")
        S = np.array([[position[name] for name in given]], dtype=np.int64).reshape(1, len(given))
        batch = self.test_batch(np.array([position[x]]), np.array([position[y]]), S)
        return CITestResult(
            statistic=float(batch.statistic[0]),
            pvalue=float(batch.pvalue[0]),
            dof=float(batch.dof[0]),
            flag=Flag(int(batch.flag[0])),
            log_pvalue=float(batch.log_pvalue[0]),
        )

    def strength(self, i: Array, j: Array, S: Sequence[Array]) -> Array:
        """Return numbers that fall as p-values rise, between tests given equally many columns.

        For search algorithms, which look for the weakest of many dependences: no input is checked, and the
        caller keeps the size of the result below `chunk_size`.

        Parameters
        ----------
        i, j : array, int
            Positions, of shapes that broadcast together and with those of S.
        S : sequence of k arrays, int
            The conditioning columns, each row in rising canonical order of the names.

        Returns
        -------
        array
            Of the broadcast shape; infinite where the test could not be made.
        """
        xp = namespace_of(self._anchor)
        left, right, *given = xp.broadcast_arrays(i, j, *S)
        batch = self._evaluate(
            xp.reshape(left, (-1,)), xp.reshape(right, (-1,)), tuple(xp.reshape(s, (-1,)) for s in given)
        )
        untestable = xp.asarray(math.inf, dtype=xp.float64)
        return xp.reshape(xp.where(batch.flag == 0, -batch.pvalue, untestable), left.shape)

    def _refuse_unless_fitted(self) -> None:
        if not self.is_fitted:
            from sklearn.exceptions import NotFittedError  # here, because scikit-learn loads pandas

            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call `fit` with data first")

    def _checked(self, i: Any, j: Any, S: Any) -> tuple[Array, Array, tuple[Array, ...]]:
        self._refuse_unless_fitted()
        left, right = self._positions(i, "i"), self._positions(j, "j")
        if left.ndim != 1 or left.shape != right.shape:
            raise DataError(
                f"`i` and `j` must have the same shape (m,), got {tuple(left.shape)} and {tuple(right.shape)}"
            )
        m = left.shape[0]
        if S is None:
            given: tuple[Array, ...] = ()
        else:
            sets = self._positions(S, "S")
            if sets.ndim != 2 or sets.shape[0] != m:
                raise DataError(f"`S` must have shape ({m}, k), got {tuple(sets.shape)}")
            given = tuple(sets[:, k] for k in range(sets.shape[1]))
        self._refuse_repeated((left, right, *given))
        return left, right, given

    def _positions(self, values: Any, what: str) -> Array:
        plain = values if hasattr(values, "dtype") else np.asarray(values)
        if math.prod(plain.shape) == 0:  # an empty list is read as floats
            return self.index_array(np.zeros(tuple(plain.shape), dtype=np.int64))
        if not namespace_of(plain).isdtype(plain.dtype, "integral"):
            raise DataError(f"`{what}` must hold integer positions of columns, got dtype {plain.dtype}")
        array = self.index_array(plain)
        xp = namespace_of(array)
        low, high = int(xp.min(array)), int(xp.max(array))
        if low < 0 or high >= len(self.names_):
            wrong = low if low < 0 else high
            raise DataError(f"`{what}` must hold positions in [0, {len(self.names_)}), got {wrong}")
        return array

    def _refuse_repeated(self, columns: tuple[Array, ...]) -> None:
        for a, one in enumerate(columns):
            for other in columns[:a]:
                clash = one == other
                if bool(namespace_of(clash).any(clash)):
                    name = self.names_[int(to_numpy(one)[to_numpy(clash)][0])]
                    raise DataError(f"a test must name each column once, got {name!r} twice")
