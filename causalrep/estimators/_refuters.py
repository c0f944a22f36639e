"""The altered data that refuters refit an estimator on.

Each function takes the rows, the estimator's reading of them and a generator, and returns other rows, on
which the effect is known: zero, or what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._learners import fit_model, predict_model, regressor

__all__ = ["ALTERATIONS", "Residuals", "Rows", "Settings", "residuals_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Rows by role, as an estimator takes them when no column of X has one."""

    W: Array
    y: Array
    roles: Mapping[str, NDArray[Any]]
    weight: Array | None

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Return some of the rows."""
        roles = {role: values[rows] for role, values in self.roles.items()}
        return Rows(self.W[rows], self.y[rows], roles, None if self.weight is None else self.weight[rows])

    def with_role(self, role: str, values: NDArray[Any]) -> Rows:
        """Return the rows with other values of a role."""
        return replace(self, roles={**self.roles, role: values})

    def with_covariate(self, values: Array) -> Rows:
        """Return the rows with one covariate more."""
        return replace(self, W=np.column_stack([self.W, values]))


@dataclass(frozen=True)
class Residuals:
    """What the covariates explain of the outcome, and what they leave; all of length n."""

    mean_outcome: Array
    outcome: Array
    treatment: Array
    outcome_given_treatment: Array


@dataclass(frozen=True)
class Settings:
    """What a refuter was asked for, and what it needs to know of the rows."""

    share: float
    r2_treatment: float
    r2_outcome: float
    sign: float
    cluster: NDArray[np.intp] | None
    residuals: Residuals  # empty where the refuter has no use for them


def residuals_of(W: Array, y: Array, t: Array, seed: int) -> Residuals:
    """Return the residuals of treatment and outcome on flexible regressions on the covariates."""
    model = regressor("auto", W)
    ell, m = (predict_model(fit_model(model, W, target, None, seed), W) for target in (y, t))
    left_y, left_t = y - ell, t - m
    slope = left_t @ left_y / (left_t @ left_t)
    return Residuals(ell, left_y, left_t, left_y - slope * left_t)


def _placebo(rows: Rows, settings: Settings, rng: np.random.Generator) -> Rows:
    t = rows.roles["treatment"]
    cluster = settings.cluster
    if cluster is not None:
        first = np.unique(cluster, return_index=True)[1]
        if np.array_equal(t[first][cluster], t):  # whole clusters were treated: whole clusters are shuffled
            return rows.with_role("treatment", rng.permutation(t[first])[cluster])
    return rows.with_role("treatment", rng.permutation(t))


def _random_cause(rows: Rows, settings: Settings, rng: np.random.Generator) -> Rows:  # noqa: ARG001
    return rows.with_covariate(rng.normal(size=len(rows.y)))


def _subset(rows: Rows, settings: Settings, rng: np.random.Generator) -> Rows:
    if settings.cluster is None:
        n = len(rows.y)
        kept = rng.choice(n, max(1, round(settings.share * n)), replace=False)
        return rows.take(np.sort(kept))
    n = int(settings.cluster.max()) + 1
    kept = rng.choice(n, max(1, round(settings.share * n)), replace=False)
    return rows.take(np.flatnonzero(np.isin(settings.cluster, kept)))


def _bootstrap(rows: Rows, settings: Settings, rng: np.random.Generator) -> Rows:
    """Count how often each row is drawn, as a weight: a copy never lands in another fold than its twin."""
    if settings.cluster is None:
        counts = np.bincount(rng.integers(len(rows.y), size=len(rows.y)), minlength=len(rows.y))
    else:
        n = int(settings.cluster.max()) + 1
        counts = np.bincount(rng.integers(n, size=n), minlength=n)[settings.cluster]
    weight = counts.astype(np.float64)
    return replace(rows, weight=weight if rows.weight is None else weight * rows.weight)


def _dummy_outcome(rows: Rows, settings: Settings, rng: np.random.Generator) -> Rows:
    """Keep what the covariates explain and shuffle the rest: as much confounding as before, and no effect."""
    residuals = settings.residuals
    return replace(rows, y=residuals.mean_outcome + rng.permutation(residuals.outcome))


def _hidden_cause(rows: Rows, settings: Settings, rng: np.random.Generator) -> Rows:
    """Add a covariate with given partial R² with the treatment, and with the outcome given the treatment."""
    residuals = settings.residuals
    r2_t, r2_y = settings.r2_treatment, settings.r2_outcome
    left = 1 - r2_t
    cause = (
        np.sqrt(r2_t) * _standardised(residuals.treatment)
        + settings.sign * np.sqrt(r2_y * left) * _standardised(residuals.outcome_given_treatment)
        + np.sqrt((1 - r2_y) * left) * rng.normal(size=len(rows.y))
    )
    return rows.with_covariate(cause)


def _standardised(values: Array) -> Array:
    return np.asarray((values - values.mean()) / values.std())


ALTERATIONS: dict[str, Callable[[Rows, Settings, np.random.Generator], Rows]] = {
    "placebo_treatment": _placebo,
    "random_common_cause": _random_cause,
    "data_subset": _subset,
    "bootstrap": _bootstrap,
    "dummy_outcome": _dummy_outcome,
    "unobserved_common_cause": _hidden_cause,
}
