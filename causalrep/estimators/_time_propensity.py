"""Probabilities of the treatments that units had, at each time given their history."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from causalrep.estimators._crossfit import Nuisance, Split, cross_fit
from causalrep.estimators._histories import Histories
from causalrep.estimators._learners import classifier
from causalrep.estimators._overlap import OverlapWarning, effective_size
from causalrep.utils import DataError

__all__ = ["clipped", "propensities", "warn_of_weights"]

Array = NDArray[np.float64]

_LEAST_SHARE = 0.1


def propensities(
    histories: Histories, model: Any, splits: list[list[Split]], *, n_jobs: int | None, seed: int
) -> Array:
    """Return the cross-fitted probability of treatment at each time, of shape (n, n_times)."""
    found = []
    for time in range(histories.n_times):
        past = histories.before(time)
        chosen = classifier(model, past)
        if not is_classifier(chosen):
            raise DataError(f"`propensity_model` must be a classifier, got {type(chosen).__name__}")
        nuisance = {f"treatment at time {time}": Nuisance(chosen, histories.treatments[:, time])}
        fitted = cross_fit(
            nuisance, past, splits, weight=histories.fit_weight, n_jobs=n_jobs, seed=seed + time
        )
        found.append(next(iter(fitted[0].values())).values)
    return np.column_stack(found)


def clipped(raw: Array, least: float) -> tuple[Array, tuple[str, ...]]:
    """Return probabilities within the limits, and what there is to say of those that were not."""
    if not 0 < least < 0.5:
        raise DataError(f"`min_propensity` must be in (0, 0.5), got {least}")
    e = np.clip(raw, least, 1 - least)
    n_clipped = int(np.sum((e != raw).any(axis=1)))
    if not n_clipped:
        return e, ()
    text = (
        f"{n_clipped} of {len(e)} units have probabilities of treatment outside [{least}, {1 - least}] at "
        "some time, which were moved there"
    )
    warnings.warn(OverlapWarning(text), stacklevel=5)
    return e, (text,)


def warn_of_weights(weight: Array, what: str) -> tuple[str, ...]:
    """Warn where weighted units are worth few, and return what was said."""
    n_used = int(np.sum(weight > 0))
    size = effective_size(weight)
    if n_used and size >= _LEAST_SHARE * n_used and n_used >= 10:
        return ()
    text = f"{n_used} of {len(weight)} units {what}, and they are worth {size:.1f} when weighted"
    warnings.warn(OverlapWarning(text), stacklevel=5)
    return (text,)
