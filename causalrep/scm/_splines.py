"""Penalised B-splines with interactions: an additive model that is fitted by one Gram matrix.

``f(x) = b0 + sum_j f_j(x_j) + sum_{j<k} f_jk(x_j, x_k)``: every f_j is a cubic B-spline on equal knots, every
f_jk a tensor product of coarser ones, and second differences of the coefficients are penalised, so that a
strong penalty leaves lines and products of lines (Eilers and Marx 1996). Beyond the knots, which reach from
the first to the last half percent of the data, every B-spline goes on as its tangent, so that the sum has a
derivative everywhere and the rows out there still have a say in its slope. Because only ``A'A`` and
``A'y`` are needed, the fits that leave out one fold each cost one solve each: the folds' own Gram matrices
are subtracted from the total.

References
----------
P. H. C. Eilers, B. D. Marx, "Flexible smoothing with B-splines and penalties", Statistical Science 11(2),
1996, doi:10.1214/ss/1038425655.
S. N. Wood, *Generalized Additive Models*, 2nd ed., CRC Press, 2017, chapters 4 and 6 (GCV, tensor products).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["Axis", "Basis", "SplineFit", "fit_folds"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_PENALTIES = 10.0 ** np.arange(-3, 7, 1.5)
_SMALL = 1e-6


@dataclass(frozen=True)
class Axis:
    """One column on equal knots between `low` and `high`; `size` pieces give ``size + 3`` B-splines."""

    low: float
    high: float
    size: int

    def weights(self, x: Floats) -> tuple[Ints, Floats]:
        """Return the first of the four splines that are not zero at x, and 6 times their values, (4, n)."""
        position = (x - self.low) * (self.size / (self.high - self.low))
        inside = np.clip(position, 0.0, self.size)
        first = inside.astype(np.intp)
        np.minimum(first, self.size - 1, out=first)
        t = inside - first
        s = 1 - t
        t2, s2 = t * t, s * s
        values = np.empty((4, len(x)))
        np.multiply(s2, s, out=values[0])
        np.multiply(t2, t, out=values[3])
        for row, square, cube in ((1, t2, values[3]), (2, s2, values[0])):
            np.multiply(square, -6, out=values[row])
            values[row] += 3 * cube
            values[row] += 4
        out = np.flatnonzero(position != inside)
        if len(out):  # the tangents at the first and the last knot
            way = 3 * (position[out] - inside[out])
            low, high = np.minimum(way, 0.0), np.maximum(way, 0.0)
            values[:, out] += np.stack([-low, -high, low, high])
        return first, values

    def dense(self, x: Floats) -> Floats:
        """Return the values of all splines, shape (n, size + 3)."""
        first, values = self.weights(x)
        out = np.zeros((len(x), self.size + 3))
        rows = np.arange(len(x))
        for k in range(4):
            out[rows, first + k] = values[k] / 6
        return out


@dataclass(frozen=True)
class Basis:
    """Which functions of a matrix of columns are added up.

    Attributes
    ----------
    axes : tuple of Axis or None
        Knots of the curve of each column; None for a column that enters as a line (two values, or dummies).
    coarse : tuple of Axis or None
        The same for products.
    pairs : tuple of (int, int)
        Columns whose product enters.
    """

    axes: tuple[Axis | None, ...]
    coarse: tuple[Axis | None, ...]
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, X: Floats, *, max_terms: int = 420) -> Basis:
        """Return the basis for the columns of X: fewer pieces a column, the more columns there are."""
        n, d = X.shape
        size = max(1, min({1: 24, 2: 14}.get(d, 9), n // 25))
        coarse = max(1, min({2: 6, 3: 4}.get(d, 3), n // 100))
        pairs = tuple(combinations(range(d), 2))
        while coarse > 1 and len(pairs) * (coarse + 3) ** 2 + d * (size + 3) > max_terms:
            coarse -= 1
        room = max(0, max_terms - d * (size + 3)) // (coarse + 3) ** 2
        curves = [_axis(x, size) for x in X.T]
        return cls(tuple(curves), tuple(_axis(x, coarse) for x in X.T), pairs[:room])

    def design(self, X: Floats) -> Floats:
        """Return the matrix of all functions, shape (n, n_terms); the first is constant."""
        blocks = [np.ones((len(X), 1)), X]
        blocks += [axis.dense(x) for axis, x in zip(self.axes, X.T, strict=True) if axis]
        sides = [axis.dense(x) if axis else x[:, None] for axis, x in zip(self.coarse, X.T, strict=True)]
        for j, k in self.pairs:
            blocks.append((sides[j][:, :, None] * sides[k][:, None, :]).reshape(len(X), -1))
        return np.concatenate(blocks, axis=1)

    def penalty(self) -> tuple[Floats, Floats]:
        """Return the two penalty matrices, of the curves and of the products."""
        curves = [np.zeros((1 + len(self.axes), 1 + len(self.axes)))]
        curves += [_roughness(axis.size + 3) for axis in self.axes if axis]
        products = [_tensor_roughness(self.coarse[j], self.coarse[k]) for j, k in self.pairs]
        n_curves, n_products = (sum(len(block) for block in blocks) for blocks in (curves, products))
        total = n_curves + n_products
        first, second = np.zeros((total, total)), np.zeros((total, total))
        first[:n_curves, :n_curves] = linalg.block_diag(*curves)
        if products:
            second[n_curves:, n_curves:] = linalg.block_diag(*products)
        return first, second

    def evaluate(self, X: Floats, coefficients: Floats) -> Floats:
        """Return the sum of all functions without building the design, shape (n,)."""
        d = len(self.axes)
        total: Floats = coefficients[0] + X @ coefficients[1 : 1 + d]
        at = 1 + d
        for axis, x in zip(self.axes, X.T, strict=True):
            if axis:
                total += _curve(coefficients[at : at + axis.size + 3], axis.weights(x))
                at += axis.size + 3
        sides = [axis.weights(x) if axis else None for axis, x in zip(self.coarse, X.T, strict=True)]
        for j, k in self.pairs:
            shape = _size(self.coarse[j]), _size(self.coarse[k])
            part = coefficients[at : at + shape[0] * shape[1]].reshape(shape)
            total += _product(part, sides[j], sides[k], X[:, j], X[:, k])
            at += shape[0] * shape[1]
        return total


def _axis(x: Floats, size: int) -> Axis | None:
    """Return knots for a column, or None where it takes so few values that a line is all there is."""
    if len(np.unique(x[:2000])) <= 12:
        return None
    low, high = np.quantile(x, [0.005, 0.995])
    return Axis(float(low), float(high), size) if low < high else None


def _size(axis: Axis | None) -> int:
    return axis.size + 3 if axis else 1


def _curve(part: Floats, weights: tuple[Ints, Floats] | None) -> Floats:
    if weights is None:
        raise ValueError("a line has no curve")
    first, values = weights
    part = part / 6
    total: Floats = part.take(first, mode="clip") * values[0]  # in range, and quicker than indexing
    for k in range(1, 4):
        total += part.take(first + k, mode="clip") * values[k]
    return total


def _product(
    part: Floats,
    left: tuple[Ints, Floats] | None,
    right: tuple[Ints, Floats] | None,
    x: Floats,
    z: Floats,
) -> Floats:
    """Return one tensor product: at most sixteen coefficients are not multiplied by zero."""
    if left is None and right is None:
        product: Floats = part[0, 0] * x * z
        return product
    if left is None or right is None:
        curve, line = (left, z) if right is None else (right, x)
        return line * _curve(part.ravel(), curve)
    flat, width = part.ravel() / 36, part.shape[1]
    start = left[0] * width + right[0]
    total = np.zeros(len(x))
    for a in range(4):
        inner = flat.take(start + a * width, mode="clip") * right[1][0]
        for b in range(1, 4):
            inner += flat.take(start + (a * width + b), mode="clip") * right[1][b]
        total += left[1][a] * inner
    return total


def _roughness(size: int) -> Floats:
    difference: Floats = np.diff(np.eye(size), n=2, axis=0)
    rough: Floats = difference.T @ difference
    return rough


def _tensor_roughness(left: Axis | None, right: Axis | None) -> Floats:
    a, b = _size(left), _size(right)
    rough = np.zeros((a * b, a * b))
    if left:
        rough += np.kron(_roughness(a), np.eye(b))
    if right:
        rough += np.kron(np.eye(a), _roughness(b))
    return rough + 0.01 * np.eye(a * b)  # products are also drawn to zero: curves explain first


@dataclass(frozen=True)
class SplineFit:
    """Coefficients for a basis; `out_of_fold` are the predictions of each row by the fit without its fold."""

    basis: Basis
    coefficients: Floats
    out_of_fold: Floats

    def predict(self, X: Floats) -> Floats:
        """Return the fitted values, shape (n,)."""
        return self.basis.evaluate(X, self.coefficients)


def fit_folds(basis: Basis, X: Floats, y: Floats, folds: Sequence[Ints]) -> SplineFit:
    """Fit a basis to all rows, with the penalties of least generalised cross-validation, and fold by fold.

    Parameters
    ----------
    basis : Basis
        The functions.
    X : array of shape (n, d)
        Columns, on a scale of about one.
    y : array of shape (n,)
        Response, centred, on a scale of about one.
    folds : sequence of int array
        Rows of each fold; together all rows, each once.
    """
    design = basis.design(X)
    parts = []
    for rows in folds:
        block = design[rows]
        parts.append((block.T @ block, block.T @ y[rows]))
    gram = np.sum([g for g, _ in parts], axis=0)
    right = np.sum([b for _, b in parts], axis=0)
    curves, products = basis.penalty()
    ridge = _SMALL * len(y) * np.eye(len(gram))
    penalty = _best_penalty(gram, right, curves, products, ridge, float(y @ y), len(y))
    coefficients = _solve(gram + penalty, right)
    out_of_fold = np.empty(len(y))
    for rows, (g, b) in zip(folds, parts, strict=True):
        out_of_fold[rows] = design[rows] @ _solve(gram - g + penalty, right - b)
    return SplineFit(basis, coefficients, out_of_fold)


def _solve(matrix: Floats, right: Floats) -> Floats:
    solution: Floats = linalg.cho_solve(
        linalg.cho_factor(matrix, check_finite=False), right, check_finite=False
    )
    return solution


def _best_penalty(
    gram: Floats, right: Floats, curves: Floats, products: Floats, ridge: Floats, square: float, n: int
) -> Floats:
    """Return the penalty of least ``n RSS / (n - df)**2`` over one strength for curves and one for products.

    One strength is chosen while the other stays: curves, products, curves again.
    """
    strengths = [1.0, 10.0]
    best = np.inf, ridge + strengths[0] * curves + strengths[1] * products
    for which in [0, 1, 0] if products.any() else [0]:
        scores = []
        for strength in _PENALTIES:
            trial = [float(strength) if i == which else s for i, s in enumerate(strengths)]
            penalty = ridge + trial[0] * curves + trial[1] * products
            scores.append(_gcv(gram, right, penalty, square, n))
            if scores[-1] < best[0]:
                best = scores[-1], penalty
        strengths[which] = float(_PENALTIES[int(np.argmin(scores))])
    return best[1]


def _gcv(gram: Floats, right: Floats, penalty: Floats, square: float, n: int) -> float:
    """Return the score of generalised cross-validation, degrees of freedom counted 1.4-fold (Wood 2017)."""
    factor, _ = linalg.lapack.dpotrf(gram + penalty, lower=1)
    beta, _ = linalg.lapack.dpotrs(factor, right, lower=1)
    inverse, _ = linalg.lapack.dpotri(factor, lower=1)
    lower = np.tril(inverse, -1)
    df = 2 * float(np.sum(lower * gram)) + float(np.diag(inverse) @ np.diag(gram))
    rss = square - 2 * float(beta @ right) + float(beta @ gram @ beta)
    return n * max(rss, 0.0) / max(n - 1.4 * df, 1.0) ** 2
