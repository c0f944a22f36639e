"""Learned functions of the parents in Torch: lines and penalised splines."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from causalrep.scm._encoding import Encoding
from causalrep.scm._predictors import LinePredictor, SplinePredictor
from causalrep.scm._splines import Axis
from causalrep.scm._torch import Place
from causalrep.utils import DataError

__all__ = ["matrix_of", "predictor_in"]

_Weights = tuple[Tensor, Tensor]


def matrix_of(encoding: Encoding, columns: tuple[Tensor, ...], place: Place) -> Tensor:
    """Return the matrix of encoded columns, shape (n, width).

    Raises
    ------
    DataError
        If a column is one of text, which no tensor holds.
    """
    if not encoding.numeric:
        raise DataError("it reads a parent whose values are text, which no tensor can hold")
    return torch.stack([column.to(place.dtype) for column in columns], dim=1)


def predictor_in(function: LinePredictor | SplinePredictor, place: Place) -> Callable[..., Tensor]:
    """Return a learned function in one place; it has gradients."""
    return _line(function, place) if isinstance(function, LinePredictor) else _spline(function, place)


def _line(line: LinePredictor, place: Place) -> Callable[..., Tensor]:
    weights, intercept = place.put(line.weights), place.put(float(line.intercept))

    def predict(*columns: Tensor) -> Tensor:
        value: Tensor = intercept
        return matrix_of(line.encoding, columns, place) @ weights + value if columns else value

    return predict


def _spline(spline: SplinePredictor, place: Place) -> Callable[..., Tensor]:
    centre, spread, coefficients = map(place.put, (spline.centre, spline.spread, spline.coefficients))
    basis = spline.basis

    def predict(*columns: Tensor) -> Tensor:
        X = (matrix_of(spline.encoding, columns, place) - centre) / spread
        d = len(basis.axes)
        total: Tensor = coefficients[0] + X @ coefficients[1 : 1 + d]
        at = 1 + d
        for axis, x in zip(basis.axes, X.T, strict=True):
            if axis:
                total = total + _curve(coefficients[at : at + axis.size + 3], _weights(axis, x))
                at += axis.size + 3
        sides = [_weights(axis, x) if axis else _one(x) for axis, x in zip(basis.coarse, X.T, strict=True)]
        widths = [axis.size + 3 if axis else 1 for axis in basis.coarse]
        for j, k in basis.pairs:
            size = widths[j] * widths[k]
            part = coefficients[at : at + size].reshape(widths[j], widths[k])
            total = total + _product(part, sides[j], sides[k])
            at += size
        return total

    return predict


def _weights(axis: Axis, x: Tensor) -> _Weights:
    """Return the first of the four splines that are not zero at each x, and their values, (4, n)."""
    position = (x - axis.low) * (axis.size / (axis.high - axis.low))
    inside = position.clamp(0, axis.size)
    first = inside.detach().long().clamp_max(axis.size - 1)
    t = inside - first
    s = 1 - t
    t2, s2 = t * t, s * s
    low, high = (
        3 * position.clamp_max(0),
        3 * (position - axis.size).clamp_min(0),
    )  # tangents beyond the knots
    values = [s2 * s - low, 4 - 6 * t2 + 3 * t2 * t - high, 4 - 6 * s2 + 3 * s2 * s + low, t2 * t + high]
    return first, torch.stack(values) / 6


def _one(x: Tensor) -> _Weights:
    """Return a column that enters as a line as a basis of one function."""
    return torch.zeros_like(x, dtype=torch.long), x[None]


def _curve(part: Tensor, weights: _Weights) -> Tensor:
    first, values = weights
    rows = [part[first + k] * value for k, value in enumerate(values)]
    return torch.stack(rows).sum(0)


def _product(part: Tensor, left: _Weights, right: _Weights) -> Tensor:
    flat, width = part.reshape(-1), part.shape[1]
    start = left[0] * width + right[0]
    total = torch.zeros_like(left[1][0])
    for a, outer in enumerate(left[1]):
        inner = torch.stack([flat[start + (a * width + b)] * value for b, value in enumerate(right[1])])
        total = total + outer * inner.sum(0)
    return total
