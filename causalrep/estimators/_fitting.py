"""Fitting and reading models in one way: seeds where they leave chance open, weights where they take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from causalrep.estimators._least_squares import normal_equations
from causalrep.utils import DataError, keyed_seed

__all__ = ["fit_model", "predict_model", "seeded"]

Array = NDArray[np.float64]


def seeded(model: Any, seed: int) -> Any:
    """Return an unfitted clone; chance that the model leaves open comes from `seed`."""
    model = clone(model)
    values = vars(model).values()
    if not any(hasattr(value, "get_params") or isinstance(value, (list, tuple)) for value in values):
        if getattr(model, "random_state", 0) is None:  # no steps, and nothing to look for in them
            model.random_state = keyed_seed(seed, "random_state") % 2**31
        return model
    params = model.get_params(deep=True) if hasattr(model, "get_params") else {}
    open_seeds = {
        name: keyed_seed(seed, name) % 2**31
        for name, value in params.items()
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    return model.set_params(**open_seeds) if open_seeds else model


def fit_model(model: Any, W: Array, target: Array, weight: Array | None, seed: int) -> Any:
    """Return a fitted clone; chance that the model leaves open comes from `seed`."""
    solved = normal_equations(model, W, target, weight)
    if solved is not None:
        return solved
    model = seeded(model, seed)
    if is_classifier(model):
        target = target.astype(int)
    finite = bool(np.isfinite(W).all() and np.isfinite(target).all())  # said once, not by every step
    with sklearn.config_context(  # weights are handed to the steps by name
        enable_metadata_routing=False, assume_finite=finite or sklearn.get_config()["assume_finite"]
    ):
        return model.fit(W, target, **_weight_arguments(model, weight))


def _weight_arguments(model: Any, weight: Array | None) -> dict[str, Array]:
    if weight is None:
        return {}
    if isinstance(model, Pipeline):
        return {
            f"{name}__sample_weight": weight
            for name, step in model.steps
            if hasattr(step, "fit") and has_fit_parameter(step, "sample_weight")
        }
    if not has_fit_parameter(model, "sample_weight"):
        raise DataError(
            f"`sample_weight` was given, but the nuisance model {type(model).__name__} takes no weights"
        )
    return {"sample_weight": weight}


def predict_model(model: Any, W: Array) -> Array:
    """Return predicted means: of a classifier, the probability of 1; of several models, a column of each."""
    if hasattr(model, "predict_each"):
        return np.asarray(model.predict_each(W))
    if type(model) is LinearRegression:
        return np.asarray(W @ model.coef_ + model.intercept_)
    if is_classifier(model):
        return np.asarray(model.predict_proba(W)[:, -1], dtype=np.float64)
    return np.asarray(model.predict(W), dtype=np.float64).reshape(len(W))
