"""Whether each number of a code tells one factor, and each factor is told by one number.

References
----------
.. [1] C. Eastwood, C. K. I. Williams, "A framework for the quantitative evaluation of disentangled
   representations", ICLR 2018: disentanglement, completeness, informativeness.
.. [2] A. Hyvärinen, H. Morioka, "Unsupervised feature extraction by time-contrastive learning and
   nonlinear ICA", NeurIPS 2016: the mean correlation coefficient.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from causalrep.utils import DataError, RandomState, as_seed, columns_of, keyed_generator, keyed_seed

__all__ = ["DCIScores", "MCCScore", "dci", "mcc"]

Matrix: TypeAlias = NDArray[np.float64]

_TEST_SHARE = 0.25
_SMALLEST = 20


@dataclass(frozen=True, eq=False)
class DCIScores:
    """Disentanglement, completeness and informativeness of a code.

    Attributes
    ----------
    disentanglement : float
        1 if every number of the code matters to one factor only, 0 if to all alike; each number
        counts by how much it matters.
    completeness : float
        1 if every factor is told by one number of the code, 0 if by all alike.
    informativeness : float
        Mean over the factors of the out-of-sample R2 of predicting them; negative is worse than the mean.
    importance : ndarray of shape (n_codes, n_factors)
        How much each number matters to each factor; columns sum to 1.
    of_codes : ndarray of shape (n_codes,)
        Disentanglement of each number; NaN where it matters to nothing.
    of_factors : dict of hashable to float
        Completeness of each factor.
    r2 : dict of hashable to float
        Out-of-sample R2 of each factor.
    by_slot : DCIScores or None
        The same with the importances of each slot added up, if slots were named.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: Matrix
    of_codes: NDArray[np.float64]
    of_factors: dict[Hashable, float]
    r2: dict[Hashable, float]
    by_slot: DCIScores | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class MCCScore:
    """How well the numbers of a code are the factors, up to order, sign and scale.

    Attributes
    ----------
    score : float
        Mean absolute correlation of matched pairs, in [0, 1].
    match : dict of hashable to int
        Which number of the code each factor is matched with.
    correlation : ndarray of shape (n_codes, n_factors)
        All absolute correlations.
    """

    score: float
    match: dict[Hashable, int]
    correlation: Matrix


def dci(
    codes: ArrayLike,
    factors: Any,
    *,
    slots: Sequence[Hashable] | None = None,
    regressor: Literal["boosting", "linear"] = "boosting",
    max_rows: int = 4000,
    random_state: RandomState = 0,
) -> DCIScores:
    """Score a code by which factors its numbers predict.

    Parameters
    ----------
    codes : array of shape (n_samples, n_codes)
        The representation.
    factors : data frame or mapping
        The true factors of the same rows, a column each.
    slots : sequence of hashable of length n_codes, optional
        To which slot each number belongs; the scores of slots are then in ``by_slot``. Numbers with the
        same name form a slot, in the order of first appearance.
    regressor : {"boosting", "linear"}, default="boosting"
        What predicts a factor: gradient-boosted trees, whose importances are the share of squared error
        that splits on a number remove; or least squares, whose importances are absolute standardised
        coefficients.
    max_rows : int, default=4000
        No more rows than these are used, drawn at random.
    random_state : int, numpy Generator, numpy RandomState or None, default=0
        Of the rows, the split and the trees.

    Returns
    -------
    DCIScores
        Scores per number and, with `slots`, per slot.

    Raises
    ------
    DataError
        For values that are not finite, other lengths, a constant factor or fewer than 20 rows.

    Notes
    -----
    With R the importances, P the rows of R and Q its columns, each divided by its sum, and H the entropy
    to the base of the number of entries, a number has disentanglement 1 - H(P_i), a factor completeness
    1 - H(Q_j); averages weigh by the mass of a row and of a column. With a single factor (or number) there
    is nothing to confuse and the score is 1. Correlated factors cap what any code can reach: the trees may
    read one factor off the code of another.

    References
    ----------
    .. [1] C. Eastwood, C. K. I. Williams, "A framework for the quantitative evaluation of
       disentangled representations", ICLR 2018, section 3.

    Examples
    --------
    Two factors, told apart by the first code and mixed half and half by the second:

    >>> import numpy as np
    >>> from causalrep.metrics import dci
    >>> factors = np.random.default_rng(0).normal(size=(400, 2))
    >>> apart = dci(factors @ [[0, 2], [3, 0]], factors, regressor="linear")
    >>> mixed = dci(factors @ [[1, 1], [1, -1]], factors, regressor="linear")
    >>> round(apart.disentanglement, 2), abs(round(mixed.disentanglement, 2))
    (1.0, 0.0)
    """
    if regressor not in ("boosting", "linear"):
        raise ValueError(f"`regressor` must be 'boosting' or 'linear', got {regressor!r}")
    code, truth, names = _checked(codes, factors)
    groups = list(range(code.shape[1])) if slots is None else list(slots)
    if len(groups) != code.shape[1]:
        raise DataError(f"`slots` must name one slot per code, {code.shape[1]}, got {len(groups)}")
    seed = as_seed(random_state)
    order = keyed_generator(seed, "rows").permutation(len(code))[:max_rows]
    n_test = max(1, int(len(order) * _TEST_SHARE))
    train, test = order[n_test:], order[:n_test]
    fit = _boosted if regressor == "boosting" else _linear
    columns, r2 = [], {}
    for j, name in enumerate(names):
        weights, predicted = fit(code[train], truth[train, j], code[test], keyed_seed(seed, "trees", j))
        residual = truth[test, j] - predicted
        spread = truth[test, j] - truth[train, j].mean()
        r2[name] = float(1 - np.sum(residual**2) / np.sum(spread**2))
        columns.append(weights)
    importance = np.stack(columns, axis=1)
    by_slot = None
    if slots is not None:
        kinds = list(dict.fromkeys(groups))
        membership = np.array([[group == kind for group in groups] for kind in kinds], dtype=np.float64)
        by_slot = _scores(membership @ importance, r2)
    return _scores(importance, r2, by_slot)


def mcc(
    codes: ArrayLike, factors: Any, *, correlation: Literal["pearson", "spearman"] = "pearson"
) -> MCCScore:
    """Return the mean correlation of factors with the numbers of a code, matched one to one.

    The usual score of identifiability results, which hold up to the order and an element-wise map of the
    factors: "pearson" sees linear maps, "spearman" monotone ones.

    Parameters
    ----------
    codes : array of shape (n_samples, n_codes)
        The representation, with at least as many numbers as there are factors.
    factors : data frame or mapping
        The true factors of the same rows, a column each.
    correlation : {"pearson", "spearman"}, default="pearson"
        Which correlation.

    Returns
    -------
    MCCScore
        The mean over factors and the matching, which is the best of all one-to-one matchings.

    Raises
    ------
    DataError
        For values that are not finite, other lengths, a constant factor, fewer than 20 rows, or fewer codes
        than factors.

    References
    ----------
    .. [1] A. Hyvärinen, H. Morioka, "Unsupervised feature extraction by time-contrastive learning and
       nonlinear ICA", NeurIPS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.metrics import mcc
    >>> factors = np.random.default_rng(0).normal(size=(100, 2))
    >>> found = mcc(-3 * factors[:, ::-1], {"a": factors[:, 0], "b": factors[:, 1]})
    >>> round(found.score, 6), found.match
    (1.0, {'a': 1, 'b': 0})
    """
    if correlation not in ("pearson", "spearman"):
        raise ValueError(f"`correlation` must be 'pearson' or 'spearman', got {correlation!r}")
    code, truth, names = _checked(codes, factors)
    if code.shape[1] < len(names):
        raise DataError(
            f"`codes` must have a number for every factor, {len(names)}, got {code.shape[1]} columns"
        )
    if correlation == "spearman":
        code, truth = rankdata(code, axis=0), rankdata(truth, axis=0)
    correlations = np.abs(_standard(code).T @ _standard(truth)) / len(code)
    rows, columns = linear_sum_assignment(correlations, maximize=True)
    match = {names[j]: int(i) for i, j in sorted(zip(rows, columns, strict=True), key=lambda pair: pair[1])}
    return MCCScore(float(correlations[rows, columns].mean()), match, correlations)


def _checked(codes: ArrayLike, factors: Any) -> tuple[Matrix, Matrix, list[Hashable]]:
    code = np.asarray(codes, dtype=np.float64)
    if code.ndim != 2 or code.shape[1] == 0 or not np.isfinite(code).all():
        raise DataError(
            f"`codes` must be a finite array of shape (n_samples, n_codes), got shape {code.shape}"
        )
    columns = columns_of(factors, what="factors")
    for name, column in columns.items():
        if len(column) != len(code):
            raise DataError(f"`factors` must have {len(code)} rows like `codes`, got {len(column)}")
        if not np.isfinite(np.asarray(column, dtype=np.float64)).all() or np.ptp(column) == 0:
            raise DataError(f"`factors` must be finite and vary, which {name!r} is not or does not")
    if len(code) < _SMALLEST or not columns:
        raise DataError(
            f"`codes` and `factors` must have at least {_SMALLEST} rows and one factor, got {len(code)} rows "
            f"and {len(columns)} factor(s)"
        )
    return code, np.column_stack([np.asarray(c, dtype=np.float64) for c in columns.values()]), list(columns)


def _standard(values: Matrix) -> Matrix:
    """Return columns of mean 0 and variance 1; a constant one becomes 0."""
    spread = values.std(axis=0)
    centred: Matrix = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return centred


def _boosted(code: Matrix, factor: Matrix, new: Matrix, seed: int) -> tuple[Matrix, Matrix]:
    from sklearn.ensemble import GradientBoostingRegressor

    trees = GradientBoostingRegressor(random_state=seed % 2**32).fit(code, factor)
    return trees.feature_importances_, trees.predict(new)


def _linear(code: Matrix, factor: Matrix, new: Matrix, seed: int) -> tuple[Matrix, Matrix]:  # noqa: ARG001
    spread = code.std(axis=0)
    scaled = (code - code.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    coefficients = np.linalg.lstsq(scaled, factor - factor.mean(), rcond=None)[0]
    predicted = (new - code.mean(axis=0)) / np.where(spread > 0, spread, 1.0) @ coefficients + factor.mean()
    weights = np.abs(coefficients)
    return weights / max(float(weights.sum()), 1e-300), predicted


def _scores(importance: Matrix, r2: dict[Hashable, float], by_slot: DCIScores | None = None) -> DCIScores:
    of_codes = np.array(list(_concentration(importance)))
    of_factors = np.array(list(_concentration(importance.T)))
    return DCIScores(
        disentanglement=_weighted(of_codes, importance.sum(axis=1)),
        completeness=_weighted(of_factors, importance.sum(axis=0)),
        informativeness=float(np.mean(list(r2.values()))),
        importance=importance,
        of_codes=of_codes,
        of_factors=dict(zip(r2, of_factors.tolist(), strict=True)),
        r2=r2,
        by_slot=by_slot,
    )


def _concentration(rows: Matrix) -> Iterator[float]:
    """Yield 1 - entropy of each row, to the base of its length; NaN for a row of zeros."""
    for row in rows:
        total = row.sum()
        if total <= 0:
            yield float("nan")
        elif len(row) == 1:
            yield 1.0
        else:
            share = row[row > 0] / total
            yield float(1 + np.sum(share * np.log(share)) / np.log(len(row)))


def _weighted(values: Matrix, weights: Matrix) -> float:
    known = np.isfinite(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else float("nan")
