"""Nuisance models: scikit-learn's, or the user's; fitted and read in one way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from causalrep.estimators._blend import AutoClassifier, AutoRegressor
from causalrep.estimators._fitting import fit_model, predict_model, seeded
from causalrep.utils import DataError

__all__ = ["classifier", "fit_model", "predict_model", "regressor", "seeded"]

Array = NDArray[np.float64]

_ROWS_PER_FEATURE = 40
"""Squares and products are features too where there are as many rows for each; fewer make tails run wild."""
_MOST_CELLS = 50_000_000
"""Nor are they features where they would fill the memory."""


def regressor(model: Any, covariates: Array) -> Any:
    """Return the unfitted regressor that an option stands for."""
    return _chosen(model, covariates, Ridge(), LinearRegression())


def classifier(model: Any, covariates: Array) -> Any:
    """Return the unfitted classifier that an option stands for."""
    plain = LogisticRegression(C=1e8, max_iter=1000)
    return _chosen(model, covariates, LogisticRegression(max_iter=1000), plain)


def _chosen(model: Any, covariates: Array, penalised: Any, plain: Any) -> Any:
    if not isinstance(model, str):
        if not hasattr(model, "fit"):
            raise DataError(f"a nuisance model must be 'auto', 'linear' or an estimator, got {model!r}")
        return model
    if model not in ("auto", "linear"):
        raise DataError(f"a nuisance model must be 'auto', 'linear' or an estimator, got {model!r}")
    if model == "linear":
        return plain if isinstance(plain, LinearRegression) else make_pipeline(StandardScaler(), plain)
    n, k = covariates.shape
    n_products = k * (k + 3) // 2
    degree = 2 if _ROWS_PER_FEATURE * n_products <= n and n * n_products <= _MOST_CELLS else 1
    features = PolynomialFeatures(degree, include_bias=False)
    auto = AutoClassifier if is_classifier(penalised) else AutoRegressor
    return auto(make_pipeline(StandardScaler(), features, StandardScaler(), penalised))
