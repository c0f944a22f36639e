"""Functions of the parents that were learned from data: lines, splines, and estimators of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._encoding import Encoding
from causalrep.scm._mechanism import Array
from causalrep.scm._splines import Basis

__all__ = ["EstimatorPredictor", "LinePredictor", "Predictor", "SplinePredictor"]

Floats = NDArray[np.float64]


class Predictor(Protocol):
    """A function of columns, in the order of `encoding`, that works row by row."""

    blockwise: ClassVar[bool]

    @property
    def encoding(self) -> Encoding:
        """How the columns become a matrix."""
        ...

    def __call__(self, *columns: Array) -> Floats:
        """Return the prediction of each row, shape (n,)."""
        ...


@dataclass(frozen=True)
class LinePredictor:
    """A weighted sum of the encoded columns."""

    blockwise: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True
    encoding: Encoding
    weights: Floats
    intercept: float

    def __call__(self, *columns: Array) -> Floats:
        """Return the prediction of each row, shape (n,)."""
        if not columns:
            return np.asarray(self.intercept)
        return self.encoding.matrix(*columns) @ self.weights + self.intercept

    def __repr__(self) -> str:
        return "line"


@dataclass(frozen=True)
class SplinePredictor:
    """Penalised splines of the encoded columns, standardised by `centre` and `spread`."""

    blockwise: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True
    encoding: Encoding
    centre: Floats
    spread: Floats
    basis: Basis
    coefficients: Floats

    def __call__(self, *columns: Array) -> Floats:
        """Return the prediction of each row, shape (n,)."""
        X = (self.encoding.matrix(*columns) - self.centre) / self.spread
        return self.basis.evaluate(X, self.coefficients)

    def __repr__(self) -> str:
        return "spline"


@dataclass(frozen=True)
class EstimatorPredictor:
    """A fitted regressor of scikit-learn (or one with its interface)."""

    blockwise: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False
    encoding: Encoding
    estimator: Any

    def __call__(self, *columns: Array) -> Floats:
        """Return the prediction of each row, shape (n,)."""
        return np.asarray(self.estimator.predict(self.encoding.matrix(*columns)), dtype=np.float64)

    def __repr__(self) -> str:
        return type(self.estimator).__name__
