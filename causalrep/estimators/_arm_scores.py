"""Doubly robust scores of each arm: what each row says of the mean outcome under either treatment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.utils import DataError

__all__ = ["arm_scores"]

Array = NDArray[np.float64]


def arm_scores(estimator: Any) -> tuple[Array, Array]:
    """Return the cross-fitted scores of control and treatment of a fitted estimator.

    Their weighted means are the mean outcomes under either arm; over repetitions of the folds they are
    averaged.

    Raises
    ------
    DataError
        If the estimator does not adjust for covariates, or its treatment is a dose.
    """
    if not isinstance(estimator, AdjustingEstimator):
        raise DataError(
            f"`estimator` must be one that adjusts for covariates, like AIPW, got {type(estimator).__name__}"
        )
    check_is_fitted(estimator)
    if not estimator._is_binary or getattr(estimator, "_probe", None) is not None:
        raise DataError("`estimator` must have been fitted to a treatment of two values, without instrument")
    y, t = estimator._sample.y, estimator._sample.t
    parts = []
    for rep, e in enumerate(estimator._propensities):
        mu0, mu1 = estimator._outcomes(rep)
        parts.append((mu0 + (1 - t) * (y - mu0) / (1 - e), mu1 + t * (y - mu1) / e))
    control, treated = np.mean(parts, axis=0)
    return control, treated
