"""More than two arms: from nuisances of all of them to one estimator for each against the reference.

Average effects compare an arm with the reference on all rows, with the probabilities of all arms. What has a
final stage of its own learns effects given covariates from the rows of its two arms, where the probability of
the arm is that given one of the two.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from causalrep.estimators._contrast import Contrast, probabilities
from causalrep.estimators._crossfit import Predicted
from causalrep.estimators._data import Sample, Treatment
from causalrep.estimators._overlap import Overlap, described, within

__all__ = [
    "averaging",
    "learning",
    "others_of",
    "outcome_name",
    "overlap_with",
    "pair_name",
    "tables_of",
]

Array = NDArray[np.float64]
Repetition = Mapping[str, Predicted]


def tables_of(
    repetitions: Sequence[Repetition], treatment: Treatment, min_propensity: float
) -> tuple[list[Array], list[Array]]:
    """Return for each repetition the probability of all arms, as predicted and within the limits."""
    raw, limited = [], []
    for rep in repetitions:
        pairs = np.column_stack([rep[pair_name(treatment, k)].values for k in others_of(treatment)])
        raw.append(probabilities(np.clip(pairs, 1e-12, 1 - 1e-12)))
        limited.append(np.maximum(probabilities(within(pairs, min_propensity)), min_propensity))
    return raw, limited


def others_of(treatment: Treatment) -> range:
    """Return the arms but the reference."""
    return range(1, len(np.asarray(treatment.arms)))


def outcome_name(treatment: Treatment, arm: int) -> str:
    """Return what the outcome model of an arm is called."""
    return f"outcome of {np.asarray(treatment.arms)[arm]}"


def pair_name(treatment: Treatment, arm: int) -> str:
    """Return what the probability of an arm given that it is this or the reference is called."""
    arms = np.asarray(treatment.arms)
    return f"{arms[arm]} against {arms[0]}"


def overlap_with(
    sample: Sample, arm: int, pair: Array, raw: Array, limited: Array, min_propensity: float
) -> Overlap:
    """Return how comparable an arm is with the reference, with the weights that the average effect has."""
    coded = sample.t.astype(np.intp)
    rows = np.flatnonzero((coded == 0) | (coded == arm))
    own = limited[rows, coded[rows]]
    moved = int(np.sum(own > raw[rows, coded[rows]]))
    t = (coded[rows] == arm).astype(np.float64)
    W, weight = sample.W[rows], sample.weight[rows]
    return described(pair[rows], t, W, weight, 1 / own, min_propensity, moved, sample.names)


def averaging(estimator: Any, treatment: Treatment, arm: int, tables: Sequence[Array]) -> Any:
    """Return an estimator of the average effects of an arm, on all rows."""
    sample: Sample = estimator._sample
    coded = sample.t.astype(np.intp)
    found = copy.copy(estimator)
    found._is_binary, found._projections, found._contrasts, found._learners = True, {}, (), ()
    found._sample = replace(sample, t=(coded == arm).astype(np.float64))
    found._repetitions = [_of_two(rep, treatment, arm) for rep in estimator._repetitions]
    found._propensities = [
        within(rep["propensity"].values, estimator.min_propensity) for rep in found._repetitions
    ]
    found._compared = [Contrast(coded, table, arm) for table in tables]
    found.arms_ = np.asarray(treatment.arms)[[0, arm]]
    return found


def _of_two(rep: Repetition, treatment: Treatment, arm: int) -> dict[str, Predicted]:
    names = {
        "outcome of controls": outcome_name(treatment, 0),
        "outcome of treated": outcome_name(treatment, arm),
        "propensity": pair_name(treatment, arm),
    }
    return {mine: rep[theirs] for mine, theirs in names.items() if theirs in rep}


def learning(estimator: Any, averages: Any, arm: int) -> tuple[Any, NDArray[np.intp]]:
    """Return an estimator fitted to the rows of an arm and the reference, and which these are."""
    sample: Sample = estimator._sample
    coded = sample.t.astype(np.intp)
    rows = np.flatnonzero((coded == 0) | (coded == arm))
    found = clone(estimator).set_params(random_state=estimator._seed)
    for name in ("n_features_in_", "feature_names_in_", "covariate_names_in_", "_columns", "_fill"):
        if hasattr(estimator, name):
            setattr(found, name, getattr(estimator, name))
    found.arms_, found._projections = averages.arms_, {}
    found._given = (
        [
            {name: Predicted(part.values[rows], part.models) for name, part in rep.items()}
            for rep in averages._repetitions
        ],
        [e[rows] for e in averages._propensities],
        averages.overlap_,
    )
    found._sample = _restricted(averages._sample, rows)
    found._fit(found._sample, Treatment(found._sample.t, averages.arms_), {})
    return found, rows


def _restricted(sample: Sample, rows: NDArray[np.intp]) -> Sample:
    """Return some of the rows."""
    weight = sample.weight[rows]
    return replace(
        sample,
        W=sample.W[rows],
        y=sample.y[rows],
        t=sample.t[rows],
        weight=weight / weight.mean(),
        fit_weight=None if sample.fit_weight is None else sample.fit_weight[rows],
        cluster=None
        if sample.cluster is None
        else np.unique(sample.cluster[rows], return_inverse=True)[1].astype(np.intp),
        time=None if sample.time is None else sample.time[rows],
    )
