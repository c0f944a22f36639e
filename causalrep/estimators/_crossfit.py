"""Cross-fitting: nuisances predicted for rows that they were not fitted on, each fitted once per fold."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from causalrep.estimators._blend import AutoClassifier, AutoRegressor, Members, short_stacked
from causalrep.estimators._learners import fit_model, predict_model
from causalrep.estimators._shared import SharedNuisances, digest_of, shared_nuisances
from causalrep.utils import DataError, keyed_seed

__all__ = ["CrossFitWarning", "Nuisance", "Predicted", "cross_fit", "make_splits"]

Array = NDArray[np.float64]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]
Fitted = tuple[Array, Any]
Key = tuple[int, str, int]


class CrossFitWarning(UserWarning):
    """There are fewer folds than were asked for."""


@dataclass(frozen=True)
class Nuisance:
    """A regression: a model, its target, and the rows that it may be fitted on (all, or one arm)."""

    model: Any
    target: Array
    rows: NDArray[np.bool_] | None = None


Job = tuple[Nuisance, Array, Split, Array | None, int, str]


@dataclass(frozen=True)
class Predicted:
    """Out-of-fold predictions for the rows at hand, and the models of the folds for other rows."""

    values: Array
    models: tuple[Any, ...]

    def at(self, W: Array) -> Array:
        """Return the predictions of the folds' models for new rows, averaged."""
        return np.asarray(np.mean([predict_model(model, W) for model in self.models], axis=0))


def make_splits(
    cv: Any,
    n: int,
    *,
    strata: NDArray[np.intp] | None,
    groups: NDArray[np.intp] | None,
    n_rep: int,
    seed: int,
    time: NDArray[Any] | None = None,
) -> list[list[Split]]:
    """Return, for each repetition, folds that partition the rows.

    Folds have equal shares of the strata, and the rows of a group stay together. With `time` the folds are
    blocks of it.
    """
    if time is not None:
        return [_time_blocks(cv, time, n_rep)]
    if not isinstance(cv, (int, np.integer)):
        return _given_splits(cv, n, strata, groups, n_rep)
    n_folds = _possible_folds(int(cv), n, strata, groups)
    labels = np.zeros(n, dtype=int) if strata is None else strata
    if groups is None:
        kind = KFold if strata is None else StratifiedKFold
    else:
        kind = GroupKFold if strata is None else StratifiedGroupKFold
    result = []
    for rep in range(n_rep):
        folds = kind(n_folds, shuffle=True, random_state=keyed_seed(seed, "folds", rep) % 2**31)
        result.append(list(folds.split(np.zeros((n, 1)), labels, groups)))
    return result


def _possible_folds(cv: int, n: int, strata: NDArray[np.intp] | None, groups: NDArray[np.intp] | None) -> int:
    if cv < 2:
        raise DataError(f"`cv` must be at least 2, got {cv}")
    smallest = n if strata is None else int(np.bincount(strata)[np.bincount(strata) > 0].min())
    most = smallest // 2
    if groups is not None:
        most = min(most, int(groups.max()) + 1)
    if most >= cv:
        return cv
    if most < 2:
        raise DataError(
            f"there is no overlap to learn from: the smallest arm has {smallest} row(s), "
            "and each of two folds needs two"
        )
    warnings.warn(
        CrossFitWarning(f"`cv` was {cv}; {most} folds are used, as the smallest arm has {smallest} rows"),
        stacklevel=2,
    )
    return most


def _time_blocks(cv: Any, time: NDArray[Any], n_rep: int) -> list[Split]:
    """Return consecutive blocks of time; a model is fitted on the blocks that are not next to its own.

    Rows near in time resemble each other, so that the neighbours of a block would tell of it (Semenova,
    Goldman, Chernozhukov, Taddy, Quantitative Economics 14, 2023, definition 3.1).
    """
    if not isinstance(cv, (int, np.integer)) or cv < 4:
        raise DataError(f"with `time`, `cv` must be the number of blocks and at least 4, got {cv!r}")
    if n_rep > 1:
        raise DataError(f"`n_rep` is {n_rep}, but the blocks of `time` are the same in each repetition")
    instants, place, counts = np.unique(time, return_inverse=True, return_counts=True)
    if len(instants) < cv:
        raise DataError(f"`time` has {len(instants)} values, too few for {cv} blocks")
    middle = np.cumsum(counts) - counts / 2
    block = np.minimum((middle / len(time) * int(cv)).astype(np.intp), int(cv) - 1)
    _, block = np.unique(block, return_inverse=True)
    if block.max() < 3:
        raise DataError("the values of `time` are too unevenly filled for blocks; lower `cv` or bin them")
    of_row = block[place]
    return [
        (np.flatnonzero(np.abs(of_row - k) > 1), np.flatnonzero(of_row == k)) for k in range(block.max() + 1)
    ]


def _given_splits(
    cv: Any, n: int, strata: NDArray[np.intp] | None, groups: NDArray[np.intp] | None, n_rep: int
) -> list[list[Split]]:
    if not hasattr(cv, "split"):
        if n_rep > 1:
            raise DataError(
                f"`n_rep` is {n_rep}, but `cv` lists the folds of one repetition; give a splitter"
            )
        candidates = [list(cv)]
    else:
        candidates = [list(cv.split(np.zeros((n, 1)), strata, groups)) for _ in range(n_rep)]
    result = []
    for folds in candidates:
        pairs = [(_indices(train, n), _indices(test, n)) for train, test in folds]
        tests = np.concatenate([test for _, test in pairs]) if pairs else np.zeros(0, dtype=int)
        if not np.array_equal(np.sort(tests), np.arange(n)):
            raise DataError("the test parts of `cv` must contain each row exactly once")
        if any(np.intersect1d(train, test).size for train, test in pairs):
            raise DataError("a fold of `cv` has rows that are in its train and in its test part")
        result.append(pairs)
    return result


def _indices(rows: Any, n: int) -> NDArray[np.intp]:
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool and len(rows) == n else rows.astype(np.intp)


def cross_fit(
    nuisances: Mapping[str, Nuisance],
    W: Array,
    splits: Sequence[Sequence[Split]],
    *,
    weight: Array | None,
    n_jobs: int | None,
    seed: int,
) -> list[dict[str, Predicted]]:
    """Fit each nuisance once per fold, in parallel; return one set of predictions per repetition.

    The result depends on neither `n_jobs` nor the order of the jobs: every fit has a stream of chance of its
    own.
    """
    W = W if W.shape[1] else np.ones((len(W), 1))  # a design without covariates: an intercept is left
    for name, nuisance in nuisances.items():
        if is_classifier(nuisance.model) and not np.isin(nuisance.target, (0, 1)).all():
            raise DataError(f"the model of the {name} is a classifier, so that its target must be 0 or 1")
    nuisances = {name: _decided(nuisance, W, weight) for name, nuisance in nuisances.items()}
    jobs = {
        (rep, name, k): (nuisance, W, fold, weight, keyed_seed(seed, name, rep, k), name)
        for rep, folds in enumerate(splits)
        for name, nuisance in nuisances.items()
        for k, fold in enumerate(folds)
    }
    shared = shared_nuisances()
    if shared is None:
        done = dict(zip(jobs, _run(jobs.values(), n_jobs), strict=True))
    else:
        done = _run_once(jobs, n_jobs, shared)
    result: list[dict[str, Predicted]] = []
    for rep, folds in enumerate(splits):
        predicted = {}
        for name, nuisance in nuisances.items():
            parts = [done[rep, name, k] for k in range(len(folds))]
            values = np.full((len(W), *parts[0][0].shape[1:]), np.nan)
            for (_, test), (found, _) in zip(folds, parts, strict=True):
                values[test] = found
            predicted[name] = _blended(nuisance, values, tuple(model for _, model in parts), weight)
        result.append(predicted)
    return result


def _blended(nuisance: Nuisance, values: Array, models: tuple[Any, ...], weight: Array | None) -> Predicted:
    """Return the predictions; those of a blend are weighted by the rows that it could be learned from."""
    if not isinstance(nuisance.model, Members):
        return Predicted(values, models)
    rows = _rows_to_learn_from(nuisance, np.flatnonzero(np.isfinite(values).all(axis=1)), weight)
    in_rows = None if weight is None else weight[rows]
    found, blends = short_stacked(values[rows], models, nuisance.target[rows], in_rows)
    return Predicted(values @ found, blends)


def _decided(nuisance: Nuisance, W: Array, weight: Array | None) -> Nuisance:
    """Return the nuisance with the default model made definite, once for all folds."""
    if not isinstance(nuisance.model, (AutoClassifier, AutoRegressor)):
        return nuisance
    rows = _rows_to_learn_from(nuisance, np.arange(len(W)), weight)
    return replace(nuisance, model=nuisance.model.narrowed(W[rows], nuisance.target[rows]))


def _run(jobs: Iterable[Job], n_jobs: int | None) -> list[Fitted]:
    return list(Parallel(n_jobs=n_jobs)(delayed(_fit_and_predict)(*job) for job in jobs))


def _run_once(jobs: Mapping[Key, Job], n_jobs: int | None, shared: SharedNuisances) -> dict[Key, Fitted]:
    """Return the result of each job; those that another estimator has had done are not done again."""
    digests = {}
    for key, (nuisance, W, (train, test), weight, seed, _) in jobs.items():
        train = _rows_to_learn_from(nuisance, train, weight)
        rows = None if weight is None else weight[train]
        digests[key] = digest_of(nuisance.model, seed, W, nuisance.target[train], train, test, rows)
    missing = {digest: jobs[key] for key, digest in digests.items() if digest not in shared}
    shared.add(dict(zip(missing, _run(missing.values(), n_jobs), strict=True)))
    return {key: shared.read(digest, new=digest in missing) for key, digest in digests.items()}


def _rows_to_learn_from(nuisance: Nuisance, train: NDArray[np.intp], weight: Array | None) -> Any:
    """Return the rows of an arm, but for those of no weight: they count nowhere, not even as rows."""
    if nuisance.rows is not None:
        train = train[nuisance.rows[train]]
    return train if weight is None else train[weight[train] > 0]


def _fit_and_predict(
    nuisance: Nuisance, W: Array, split: Split, weight: Array | None, seed: int, name: str
) -> tuple[Array, Any]:
    test = split[1]
    train = _rows_to_learn_from(nuisance, split[0], weight)
    target = nuisance.target[train]
    if len(train) == 0 or (is_classifier(nuisance.model) and len(np.unique(target)) < 2):
        raise DataError(
            f"there is no overlap in a fold: the model of the {name} has a single arm to learn from"
        )
    model = fit_model(nuisance.model, W[train], target, None if weight is None else weight[train], seed)
    return predict_model(model, W[test]), model
