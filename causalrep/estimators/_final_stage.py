"""The default final stage of learners: the mean of five penalised views of the effect.

Pseudo-outcomes are mostly noise about an effect that is simpler than the outcomes: too much for choosing one
view out of fold, or weights for them. Equal weights need no choice, and errors that differ cancel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from causalrep.estimators._fitting import fit_model, predict_model
from causalrep.estimators._product_kernel import KernelFeatures, learned_kernel
from causalrep.utils import keyed_seed

__all__ = ["MeanEffect"]

Array = NDArray[np.float64]

_PENALTIES = np.logspace(-2, 5, 15)
_FEWEST_ROWS = 100  # fewer have a plane, and no more
_ROWS_OF_KERNEL = 400
_LANDMARKS = 400


class MeanEffect(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The mean of a plane, a sum of curves, curves with their products, averaged trees, and a learned kernel.

    The first three choose their penalty by leave-one-out errors, the last by the marginal likelihood.
    """

    def __init__(self, random_state: Any = None) -> None:
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Array | None = None) -> MeanEffect:
        """Fit the views."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        views = _views(len(y))
        if len(y) >= _FEWEST_ROWS:
            views.append(_kernel(X, y, sample_weight))
        self.models_ = [
            fit_model(model, X, y, sample_weight, keyed_seed(self.random_state or 0, i))
            for i, model in enumerate(views)
        ]
        return self

    def predict(self, X: Any) -> Array:
        """Return the effects."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(np.mean([predict_model(model, X) for model in self.models_], axis=0))


def _views(n: int) -> list[Any]:
    plane = make_pipeline(StandardScaler(), RidgeCV(_PENALTIES))
    if n < _FEWEST_ROWS:
        return [plane]
    splines = SplineTransformer(n_knots=5, knots="quantile", extrapolation="linear")
    n_products = min(100, n // 10)
    products = Nystroem("polynomial", degree=2, gamma=1, coef0=1, n_components=n_products, random_state=0)
    return [
        plane,
        make_pipeline(splines, RidgeCV(_PENALTIES)),
        make_pipeline(splines, products, RidgeCV(_PENALTIES)),
        ExtraTreesRegressor(100, min_samples_leaf=15),
    ]


def _kernel(X: Array, y: Array, weight: Array | None) -> Pipeline:
    kernel = learned_kernel(X, y, _ROWS_OF_KERNEL, weight)
    scale = 1.0 if weight is None else float(weight.mean())
    return make_pipeline(KernelFeatures(kernel, _LANDMARKS), Ridge(kernel.noise * scale))
