"""Models of the arms with and without a mediator, cross-fitted on the same folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from causalrep.estimators._crossfit import Nuisance, Predicted, cross_fit, make_splits
from causalrep.estimators._data import Sample
from causalrep.estimators._learners import classifier, regressor
from causalrep.utils import DataError

__all__ = ["ArmModels", "fit_arm_models", "read_mediators"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ArmModels:
    """What both arms and the treatment are like, out of fold.

    Parameters
    ----------
    folds : list of (train, test)
        The folds.
    both : array of shape (n, n_covariates + n_mediators)
        Covariates and mediators.
    given_m, given_w : dict of str to Predicted
        Predictions given mediators and covariates, and given covariates alone: ``"controls"``, ``"treated"``
        and ``"propensity"``.
    regressor : estimator
        The model of outcomes given covariates.
    fitting : dict
        How models are fitted: weight, n_jobs and seed.
    """

    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
    both: Array
    given_m: dict[str, Predicted]
    given_w: dict[str, Predicted]
    regressor: Any
    fitting: dict[str, Any]


def read_mediators(values: NDArray[Any], n: int) -> Array:
    """Return mediators as an array of shape (n, n_mediators)."""
    M = np.asarray(values, dtype=np.float64)
    M = M.reshape(len(M), -1)
    if len(M) != n or not np.isfinite(M).all():
        raise DataError(f"`mediator` must have {n} finite rows, got shape {M.shape}")
    if (np.ptp(M, axis=0) == 0).any():
        raise DataError("a mediator is constant")
    return M


def fit_arm_models(
    sample: Sample, M: Array, *, outcome: Any, propensity: Any, cv: Any, n_jobs: int | None, seed: int
) -> ArmModels:
    """Fit the outcome in each arm and the treatment, with mediators and without."""
    t, both = sample.t, np.hstack([sample.W, M])
    (folds,) = make_splits(cv, len(t), strata=t.astype(np.intp), groups=sample.cluster, n_rep=1, seed=seed)
    fitting: dict[str, Any] = {"weight": sample.fit_weight, "n_jobs": n_jobs, "seed": seed}
    found = []
    for features in (both, sample.W):
        model, treated = regressor(outcome, features), classifier(propensity, features)
        if not is_classifier(treated):
            raise DataError(f"`propensity_model` must be a classifier, got {type(treated).__name__}")
        nuisances = {
            "controls": Nuisance(model, sample.y, t == 0),
            "treated": Nuisance(model, sample.y, t == 1),
            "propensity": Nuisance(treated, t),
        }
        found += cross_fit(nuisances, features, [folds], **fitting)
    return ArmModels(folds, both, found[0], found[1], model, fitting)
