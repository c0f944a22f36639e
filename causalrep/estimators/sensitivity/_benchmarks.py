"""Hidden confounders as strong as a covariate that was measured."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators.sensitivity._formulas import OmittedVariableBias, omitted_variable_bias, partial_r2
from causalrep.utils import DataError, UnknownNameError, columns_of

__all__ = ["Benchmark", "omitted_variable_benchmarks"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Benchmark:
    """A hidden confounder that is so many times as strong as a covariate.

    Parameters
    ----------
    name : hashable
        The covariate.
    strength : float
        How many times.
    r2_outcome, r2_treatment : float
        The shares of residual variance that it could explain at most.
    estimate, se : float
        The coefficient of the treatment if it was there, and its standard error.
    """

    name: Hashable
    strength: float
    r2_outcome: float
    r2_treatment: float
    estimate: float
    se: float


def omitted_variable_benchmarks(
    X: Any, y: Any, *, treatment: Hashable, covariates: Any = None, strength: float = 1.0
) -> tuple[Benchmark, ...]:
    """Return what hidden confounders as strong as measured covariates would do to a linear regression.

    Each covariate in turn says how strong a confounder of its kind is: what it explains of treatment and
    outcome beyond the other covariates. The hidden one is taken to be independent of the measured ones.

    Parameters
    ----------
    X : data frame or array of shape (n_samples, n_features)
        The treatment and the covariates, with numbers.
    y : array of shape (n_samples,)
        Outcome.
    treatment : hashable
        The column of the treatment.
    covariates : list of hashable, default=None
        Columns to compare with; by default all but the treatment.
    strength : float above 0, default=1.0
        How many times as much of the residual variances the hidden confounder explains.

    Returns
    -------
    tuple of Benchmark
        One for each covariate.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    DataError
        If a confounder of that strength cannot exist, or there are too few rows.

    References
    ----------
    .. [1] C. Cinelli, C. Hazlett, "Making sense of sensitivity: extending omitted variable bias", Journal of
       the Royal Statistical Society B 82, 2020, section 4.4.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators.sensitivity import omitted_variable_benchmarks
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=500)
    >>> t = 0.5 * z + rng.normal(size=500)
    >>> y = 2 * t + z + rng.normal(size=500)
    >>> found = omitted_variable_benchmarks(np.column_stack([t, z]), y, treatment=0)
    >>> [(b.name, round(b.estimate, 1)) for b in found]
    [(1, 1.3)]
    """
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in columns_of(X).items()}
    if treatment not in columns:
        raise UnknownNameError(treatment, columns, what="`treatment`")
    others = [name for name in columns if name != treatment]
    chosen = others if covariates is None else list(covariates)
    for name in chosen:
        if name not in others:
            raise UnknownNameError(name, others, what="`covariates`")
    if not strength > 0:
        raise DataError(f"`strength` must be above 0, got {strength}")
    outcome = np.asarray(y, dtype=np.float64)
    dof = len(outcome) - len(columns) - 1
    if dof <= 1:
        raise DataError(f"there are {len(outcome)} rows for {len(columns) + 1} coefficients")
    one = np.ones(len(outcome))
    on_treatment = _t_values(np.column_stack([one, *(columns[name] for name in others)]), columns[treatment])
    design = np.column_stack([one, columns[treatment], *(columns[name] for name in others)])
    on_outcome = _t_values(design, outcome)
    estimate, se = on_outcome.coefficient[1], on_outcome.se[1]
    result = []
    for name in chosen:
        k = others.index(name)
        r2_t, r2_y = _bounds(
            partial_r2(on_treatment.t[1 + k], dof + 1), partial_r2(on_outcome.t[2 + k], dof), strength, name
        )
        moved: OmittedVariableBias = omitted_variable_bias(
            estimate, se, dof, r2_outcome=r2_y, r2_treatment=r2_t
        )
        result.append(Benchmark(name, strength, r2_y, r2_t, moved.adjusted_estimate, moved.adjusted_se))
    return tuple(result)


@dataclass(frozen=True)
class _Regression:
    coefficient: Array
    se: Array

    @property
    def t(self) -> Array:
        return np.asarray(self.coefficient / self.se)


def _t_values(design: Array, target: Array) -> _Regression:
    inverse = np.linalg.pinv(design.T @ design)
    beta = inverse @ (design.T @ target)
    left = target - design @ beta
    variance = left @ left / (len(target) - design.shape[1])
    return _Regression(beta, np.sqrt(variance * np.diag(inverse)))


def _bounds(r2_t: float, r2_y: float, k: float, name: Hashable) -> tuple[float, float]:
    """Return the partial R² of a confounder k times as strong as a covariate with these partial R²."""
    found = k * r2_t / (1 - r2_t)
    if found >= 1:
        raise DataError(
            f"no confounder is {k:g} times as strong as {name!r}, which explains {r2_t:.0%} of what is "
            "left of the treatment; give a smaller `strength`"
        )
    shared = k * r2_t**2 / ((1 - k * r2_t) * (1 - r2_t))
    if k * r2_t >= 1 or shared >= 1:
        raise DataError(f"no confounder is {k:g} times as strong as {name!r}; give a smaller `strength`")
    share = (np.sqrt(k) + np.sqrt(shared)) ** 2 / (1 - shared) * r2_y / (1 - r2_y)
    return found, float(min(share, 1.0))
