"""Least squares by the normal equations, where that is exact to rounding.

scikit-learn's `LinearRegression` is solved by a singular value decomposition, after checks that take longer
than the solution. A nuisance is fitted in every fold, so this is what double machine learning with linear
models spends its time on. Of well-conditioned columns the normal equations give the same coefficients to a
part in 10^10, at a fraction of the cost; of all others, such as those of which it drops a direction by its
`tol`, `fit` itself is called.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

__all__ = ["normal_equations"]

Array = NDArray[np.float64]

_SMALLEST = 1e-4
"""Smallest eigenvalue of the correlation matrix: the coefficients lose four of their sixteen digits."""
_FARTHEST = 1e4
"""A mean that is so many standard deviations from zero costs as many digits."""


def normal_equations(model: Any, W: Array, target: Array, weight: Array | None) -> LinearRegression | None:
    """Return the model as `fit` would leave it, or None where it has to be asked itself."""
    plain = type(model) is LinearRegression and model.fit_intercept is True and model.positive is False
    n, k = W.shape
    if not plain or target.ndim != 1 or n <= k + 1:
        return None
    mean, level = np.average(W, axis=0, weights=weight), float(np.average(target, weights=weight))
    centred = W - mean
    weighted = centred if weight is None else centred * weight[:, None]
    gram = weighted.T @ centred
    scale = np.sqrt(np.diag(gram))
    total = n if weight is None else float(weight.sum())
    if not (scale * _FARTHEST > np.abs(mean) * np.sqrt(total)).all() or not (scale > 0).all():
        return None
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    if values[0] < _SMALLEST:
        return None
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))
    if singular[-1] <= 2 * getattr(model, "tol", 0.0) * singular[0]:
        return None
    moment = weighted.T @ (target - level) / scale
    found = copy.copy(model)  # its parameters are numbers
    vars(found).pop("feature_names_in_", None)
    found.coef_ = vectors @ (vectors.T @ moment / values) / scale
    found.intercept_ = level - float(mean @ found.coef_)
    found.rank_, found.n_features_in_ = k, k
    found.singular_ = singular
    return found
