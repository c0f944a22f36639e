"""The correlation matrix of a table, in float64, in blocks of rows, and what is wrong with it."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from causalrep.independence._arrays import Array, namespace_of, smallest_pivot, to_numpy
from causalrep.independence._base import CITestWarning
from causalrep.independence._partial_correlation import SMALLEST_PIVOT
from causalrep.utils import DataError

__all__ = [
    "complete_rows",
    "correlation_matrix",
    "refuse_bad_correlations",
    "refuse_constant",
    "refuse_few_complete",
    "refuse_unless_finite",
    "symmetrised",
    "warn_if_codes",
    "warn_if_collinear",
]

_BLOCK_BYTES = 2**26
_FEW_VALUES = 5


def correlation_matrix(X: Array, names: Sequence[Hashable]) -> Array:
    """Return the correlations of the columns of X, array of shape (d, d), float64, on X's device.

    Each column is shifted by its mean and divided by its largest deviation before anything is
    squared, so neither a huge mean nor an extreme scale loses digits; the remaining error of the
    mean is taken out at the end ("corrected two-pass algorithm").

    Raises
    ------
    DataError
        For missing or infinite values and for constant columns, all named.

    Notes
    -----
    O(n d^2) operations; besides the result, one block of rows is held at a time.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, Algorithms for computing the sample variance:
    analysis and recommendations, The American Statistician 37 (1983), equation 1.7.
    """
    xp = namespace_of(X)
    n = X.shape[0]
    refuse_unless_finite(X, names)
    mean, low, high = _location(X)
    refuse_constant(to_numpy(low == high), names)
    scale = xp.maximum(high - mean, mean - low)  # what is squared below lies in [-1, 1]
    products = xp.zeros((X.shape[1], X.shape[1]), dtype=xp.float64, device=device_of(X))
    sums = xp.zeros((X.shape[1],), dtype=xp.float64, device=device_of(X))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # told below, in words
        for block in _blocks(X):
            deviation = (block - mean) / scale
            products += xp.matmul(xp.matrix_transpose(deviation), deviation)
            sums += xp.sum(deviation, axis=0)
        products -= sums[:, None] * (sums[None, :] / n)
        deviation = xp.sqrt(xp.linalg.diagonal(products))
        products /= deviation[:, None]  # in place: with ten thousand columns a matrix has 0.8 GB
        products /= deviation[None, :]
    if not bool(xp.all(xp.isfinite(products))):
        raise DataError("the values are too large for float64 arithmetic; rescale the columns")
    return symmetrised(products)


def refuse_bad_correlations(R: Array) -> None:
    """Raise unless R is a square, finite, symmetric matrix with a diagonal of ones.

    Raises
    ------
    DataError
        With the rule that is broken.
    """
    values = to_numpy(R)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or values.shape[0] == 0:
        raise DataError(f"`R` must be a square matrix, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise DataError("`R` must be finite, got NaN or infinity")
    if not np.allclose(values, values.T, rtol=0.0, atol=1e-8):
        raise DataError("`R` must be symmetric")
    if not np.allclose(np.diag(values), 1.0, rtol=0.0, atol=1e-8):
        raise DataError("`R` must have ones on its diagonal; divide a covariance matrix by the deviations")
    if np.abs(values).max() > 1.0 + 1e-8:
        raise DataError(f"`R` must hold correlations in [-1, 1], got {np.abs(values).max():.6g}")


def complete_rows(X: Array, least: int = 4) -> Array:
    """Return the rows without a missing value.

    Raises
    ------
    DataError
        If fewer than `least` of them are left.
    """
    xp = namespace_of(X)
    if not xp.isdtype(X.dtype, "real floating"):
        return X
    kept = xp.nonzero(~xp.any(xp.isnan(X), axis=1))[0]
    refuse_few_complete(kept.shape[0], X.shape[0], least)
    return X if kept.shape[0] == X.shape[0] else xp.take(X, kept, axis=0)


def refuse_few_complete(n_complete: int, n: int, least: int) -> None:
    """Raise if fewer than `least` of n rows are complete."""
    if n_complete < least:
        raise DataError(
            f'`missing` is "drop", and {n_complete} of {n} rows have no missing value, but {least} are '
            'needed; set `missing` to "testwise", or drop columns'
        )


def refuse_unless_finite(X: Array, names: Sequence[Hashable]) -> None:
    """Raise if a value is missing or infinite.

    Raises
    ------
    DataError
        With the columns and the number of such values.
    """
    xp = namespace_of(X)
    bad, infinite = np.zeros(X.shape[1], dtype=np.int64), False
    for block in _blocks(X):
        finite = xp.isfinite(block)
        if not bool(xp.all(finite)):
            bad += to_numpy(xp.sum(xp.astype(~finite, xp.int64), axis=0))
            infinite = infinite or bool(xp.any(xp.isinf(block)))
    if bad.any():
        kind = "infinity (inf)" if infinite else "missing values (NaN)"
        raise DataError(
            f"{_listed(names, bad > 0)} not finite: {int(bad.sum())} entries hold {kind}; drop or impute them"
        )


def refuse_constant(constant: NDArray[np.bool_], names: Sequence[Hashable]) -> None:
    """Raise if a column is constant.

    Raises
    ------
    DataError
        With the columns.
    """
    if constant.any():
        raise DataError(f"{_listed(names, constant)} constant, so no correlation with it is defined; drop it")


def symmetrised(R: Array) -> Array:
    """Return R in float64, symmetric to the last bit, with an exact diagonal and no entry beyond +-1."""
    xp = namespace_of(R)
    R = xp.astype(R, xp.float64)
    R = xp.clip((R + xp.matrix_transpose(R)) / 2.0, -1.0, 1.0)
    same = xp.eye(R.shape[0], dtype=xp.bool, device=device_of(R))
    return xp.where(same, xp.ones_like(R), R)


def warn_if_collinear(
    R: Array, names: Sequence[Hashable], n: int, *, relation: str = "a linear function"
) -> None:
    """Warn of columns that are linear functions of others, naming each set and `relation`.

    With at most as many rows as columns every column is such a function, which says nothing
    about the variables; then only copies are looked for.
    """
    xp, d = namespace_of(R), len(names)
    alike = xp.abs(R) > 1.0 - SMALLEST_PIVOT / 2
    found = []
    if int(xp.count_nonzero(alike)) > d:
        found = [(int(b), [int(a)]) for a, b in np.argwhere(np.triu(to_numpy(alike), k=1))]
    elif n > d and smallest_pivot(R) < SMALLEST_PIVOT:
        found = _dependences(to_numpy(R))
    if not found:
        return
    texts = [f"{names[j]!r} is {relation} of {[names[k] for k in of]}" for j, of in found]
    if len(texts) > 10:
        texts[10:] = ["..."]
    warnings.warn(
        CITestWarning(
            f"{'; '.join(texts)}. Tests that would divide by a residual variance of zero are not made, "
            "and searches keep the edges that hang on them",
            kind="collinear",
            names=[names[k] for k in sorted({k for j, of in found for k in (j, *of)})],
        ),
        stacklevel=4,
    )


def warn_if_codes(X: Array, names: Sequence[Hashable]) -> None:
    """Warn of columns that look like codes of categories: integers with few values in many rows."""
    head = to_numpy(X[:20, :]).astype(np.float64)
    few = np.zeros(X.shape[1], dtype=bool)
    for j in np.flatnonzero((head == np.round(head)).all(axis=0)).tolist():
        values = np.unique(to_numpy(X[:, j]).astype(np.float64))
        enough_rows = 10 * len(values) <= X.shape[0]
        few[j] = len(values) <= _FEW_VALUES and enough_rows and bool((values == np.round(values)).all())
    if few.any():
        warnings.warn(
            CITestWarning(
                f"{_listed(names, few)} integer with at most {_FEW_VALUES} values; a test of linear "
                "dependence takes codes of categories for quantities",
                kind="few_values",
                names=[names[j] for j in np.flatnonzero(few).tolist()],
            ),
            stacklevel=4,
        )


def _blocks(X: Array) -> Iterator[Array]:
    xp = namespace_of(X)
    rows = max(1, _BLOCK_BYTES // (8 * X.shape[1]))
    for start in range(0, X.shape[0], rows):
        yield xp.astype(X[start : min(start + rows, X.shape[0]), :], xp.float64)


def _location(X: Array) -> tuple[Array, Array, Array]:
    """Return the mean, the least and the greatest value of each column."""
    xp = namespace_of(X)
    low = high = first = xp.astype(X[0, :], xp.float64)
    total = xp.zeros_like(first)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in _blocks(X):
            total = total + xp.sum(block - first, axis=0)
            low = xp.minimum(low, xp.min(block, axis=0))
            high = xp.maximum(high, xp.max(block, axis=0))
        return first + total / X.shape[0], low, high


def _dependences(R: NDArray[np.float64]) -> list[tuple[int, list[int]]]:
    """Find, column after column, those that the ones before determine, and which of these do."""
    basis: list[int] = []
    factor = np.zeros_like(R)
    found = []
    for j in range(len(R)):
        k = len(basis)
        row = solve_triangular(factor[:k, :k], R[basis, j], lower=True) if k else np.empty(0)
        left = 1.0 - row @ row
        if left >= SMALLEST_PIVOT:
            factor[k, :k], factor[k, k] = row, np.sqrt(left)
            basis.append(j)
        else:
            weight = solve_triangular(factor[:k, :k], row, lower=True, trans="T")
            found.append((j, [basis[p] for p in np.flatnonzero(np.abs(weight) > 1e-4)]))
    return found


def _listed(names: Sequence[Hashable], where: NDArray[np.bool_]) -> str:
    chosen = [repr(names[k]) for k in np.flatnonzero(where).tolist()]
    shown = ", ".join(chosen[:10]) + (", ..." if len(chosen) > 10 else "")
    return f"column {shown} is" if len(chosen) == 1 else f"columns {shown} are"
