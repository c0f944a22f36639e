"""Fisher's z-test where values are missing for a reason, corrected by what is known of the reason."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.independence._arrays import (
    Array,
    canonical_order,
    erfc,
    named_matrix,
    namespace_of,
    placed,
    refuse_accelerator,
    to_numpy,
)
from causalrep.independence._base import CITestBatch, CITestWarning, Flag
from causalrep.independence._fisherz import FisherZ
from causalrep.independence._missingness import Answer, Columns, Recovery, causes_of_gaps
from causalrep.utils import DataError, UnknownNameError

__all__ = ["CorrectedFisherZ"]

_LARGEST_R = 1.0 - 2.0**-53


class CorrectedFisherZ(FisherZ):
    r"""Fisher's z-test with missing values, corrected for what causes them.

    Each test uses the rows that have all of its columns, like ``FisherZ(missing="testwise")``. Where these
    are a selection that makes columns dependent, because an effect of both decides what is missing, it
    instead computes the partial correlation that all rows would have. With such a test, `PC` is the algorithm
    MVPC.

    Assumes what `FisherZ` does; that no value decides itself whether it is missing, whatever else does; and
    that gaps cause nothing. The causes of gaps may have gaps, but not in a circle.

    Parameters
    ----------
    causes : mapping of name to iterable of names, default=None
        For columns with missing values, the columns that decide which. By default they are found by tests.
    alpha : float in (0, 1), default=0.01
        Level of the tests that look for causes of gaps.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows.
    causes_ : dict of hashable to tuple of hashable
        For each column with missing values, the columns that decide which, as given or found.

    Raises
    ------
    DataError
        If `alpha` is not in (0, 1). In `fit`: for infinite or complex values, constant columns, text, fewer
        than four rows.
    UnknownNameError
        In `fit`, if `causes` names something that is not a column.

    Warns
    -----
    CITestWarning
        With ``kind="circular"``, where gaps of some columns hang on each other's values in a circle; what
        these are in all rows is taken to be what they are in the rows that have all of them.

    Notes
    -----
    With W the causes of the gaps in x, y and S, the covariance of all rows is
    :math:`B \Sigma_W B' + \Sigma_r`: slopes B and residuals from the rows that lack nothing,
    :math:`\Sigma_W` from all rows that have W. Its partial correlation r has a variance that the delta
    method gives under joint normality. The statistic
    is :math:`\sqrt{m - |S| - 3} \operatorname{atanh} r`, where m is the number of complete rows with which an
    ordinary partial correlation would be as exact; without causes m is the number of rows, and the test is
    ``FisherZ(missing="testwise")``. A corrected test costs some hundred microseconds.

    The causes are found by linear tests of indicators of missing values: a cause that makes values missing at
    both of its ends alike is not seen, and has to be named.

    References
    ----------
    .. [1] R. Tu, C. Zhang, P. Ackermann, K. Mohan, H. Kjellström, K. Zhang, "Causal discovery in the presence
       of missing data", AISTATS 2019, arXiv:1807.04010.

    Examples
    --------
    X and Y are independent, and both cause W. X was recorded only where W is large, and there X and Y are
    dependent:

    >>> import numpy as np
    >>> from causalrep.independence import CorrectedFisherZ, FisherZ
    >>> rng = np.random.default_rng(0)
    >>> x, y, e = rng.normal(size=(3, 2000))
    >>> w = x + y + e
    >>> data = {"x": np.where(w > 0, x, np.nan), "y": y, "w": w}
    >>> FisherZ(missing="testwise").fit(data).test("x", "y").pvalue < 1e-6
    True
    >>> test = CorrectedFisherZ().fit(data)
    >>> test.causes_, test.test("x", "y").pvalue > 0.05
    ({'x': ('w',)}, True)
    """

    def __init__(
        self, *, causes: Mapping[Hashable, Iterable[Hashable]] | None = None, alpha: float = 0.01
    ) -> None:
        super().__init__(missing="testwise")
        if not isinstance(alpha, (int, float, np.number)) or not 0.0 < float(alpha) < 1.0:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha!r}")
        self.causes, self.alpha = causes, alpha

    def fit(self, X: Any, *, device: Any = None) -> CorrectedFisherZ:
        """Compute moments for each pattern of missing values, and look for the causes of these.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            As for `FisherZ`, with NaN where a value is missing.
        device : str or device, default=None
            As for `FisherZ`, but in main memory.

        Returns
        -------
        CorrectedFisherZ
            The test itself.
        """
        why = "its regressions on the causes of gaps are NumPy's"
        refuse_accelerator(X if device is None else placed(np.empty(0), device), "CorrectedFisherZ", why)
        super().fit(X, device=device)
        self._recovery: Recovery | None = None
        self.causes_: dict[Hashable, tuple[Hashable, ...]] = {}
        order = canonical_order(self.names_)
        names = [self.names_[k] for k in order]
        known = self._known_causes(names)
        if self._patterns is None:
            return self
        matrix = to_numpy(named_matrix(X)[0]).astype(np.float64)[:, order]
        incomplete = np.flatnonzero(np.isnan(matrix).any(axis=0)).tolist()
        causes = self._found_causes(matrix, incomplete) if known is None else known
        self.causes_ = {names[v]: tuple(names[w] for w in np.flatnonzero(causes[v])) for v in incomplete}
        self._recovery = Recovery(self._patterns, causes)
        if circular := self._recovery.circular:
            warnings.warn(
                CITestWarning(
                    f"the gaps of {[names[k] for k in circular]} hang on each other's values in a circle; "
                    "what these are in all rows cannot be told, and is taken from the rows that have them",
                    kind="circular",
                    names=[names[k] for k in circular],
                ),
                stacklevel=2,
            )
        return self

    def _known_causes(self, names: Sequence[Hashable]) -> NDArray[np.bool_] | None:
        if self.causes is None:
            return None
        place = {name: k for k, name in enumerate(names)}
        causes = np.zeros((len(names), len(names)), dtype=bool)
        for column, found in self.causes.items():
            for name in (column, *(group := tuple(found))):
                if name not in place:
                    raise UnknownNameError(name, self.names_, what="`causes`")
            causes[place[column], [place[name] for name in group if name != column]] = True
        return causes

    def _found_causes(self, matrix: NDArray[np.float64], incomplete: list[int]) -> NDArray[np.bool_]:
        d = matrix.shape[1]
        gaps = np.isnan(matrix[:, incomplete]).astype(np.float64)
        test = FisherZ(missing="testwise").fit(np.column_stack([matrix, gaps]))

        def ask(v: int, questions: list[tuple[int, Columns]]) -> NDArray[np.float64]:
            ends = np.array([w for w, _ in questions], dtype=np.int64)
            S = np.array([given for _, given in questions], dtype=np.int64).reshape(len(ends), -1)
            gap = np.full(len(ends), d + incomplete.index(v), dtype=np.int64)
            pvalues: NDArray[np.float64] = test.test_batch(ends, gap, S).pvalue
            return pvalues

        return causes_of_gaps(incomplete, d, ask, float(self.alpha))

    def _evaluate_testwise(self, i: Array, j: Array, S: tuple[Array, ...]) -> CITestBatch:
        batch = super()._evaluate_testwise(i, j, S)
        recovery = self._recovery
        if recovery is None:
            return batch
        place = np.argsort(canonical_order(self.names_))
        ends = np.sort(np.stack([place[to_numpy(end)] for end in (i, j)], axis=1), axis=1)
        given = np.sort(
            np.array([place[to_numpy(s)] for s in S], dtype=np.int64).reshape(-1, len(ends)), axis=0
        ).T
        rows = np.flatnonzero(recovery.is_needed(ends[:, 0], ends[:, 1], given))
        if not len(rows):
            return batch
        asked, back = np.unique(np.concatenate([ends, given], axis=1)[rows], axis=0, return_inverse=True)
        answers = [
            recovery.answer(question[0], question[1], tuple(question[2:])) for question in asked.tolist()
        ]
        table = np.array([_z_of(answer, len(S)) for answer in answers])[back.reshape(-1)]
        fields = [to_numpy(part).copy() for part in (batch.statistic, batch.dof, batch.flag)]
        for field, column in zip(fields, table.T, strict=True):
            field[rows] = column
        xp, where = namespace_of(self._anchor), device_of(self._anchor)
        z, dof, flag = (xp.asarray(field, device=where) for field in fields)
        return type(batch)(z, erfc(xp.abs(z) * math.sqrt(0.5)), dof, flag)


def _z_of(answer: Answer, n_given: int) -> tuple[float, float, int]:
    """Return statistic, degrees of freedom and flag."""
    dof = answer.n_rows - n_given - 3
    if answer.singular or abs(answer.correlation) > 1.0 + 1e-9:
        return math.nan, dof, Flag.SINGULAR
    if dof <= 0:
        return math.nan, dof, Flag.TOO_FEW_ROWS
    return math.sqrt(dof) * math.atanh(np.clip(answer.correlation, -_LARGEST_R, _LARGEST_R)), dof, Flag.OK
