"""Structural functions by instruments: what both ways of learning them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._data import arm_codes, read_outcome, read_table, read_treatment
from causalrep.estimators._roles import read_roles
from causalrep.utils import DataError, as_seed

__all__ = ["StructuralEstimator", "gaussian_kernel", "median_distances"]

Array = NDArray[np.float64]

_ROWS_FOR_MEDIAN = 1000


class StructuralEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """Base: the mean outcome h(t, w) if the treatment were set, with ``E[y - h(t, w) | z, w] = 0``."""

    treatment: Any
    instrument: Any
    random_state: Any

    def fit(self, X: Any, y: Any, *, treatment: Any = None, instrument: Any = None) -> Any:
        """Learn the structural function.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The columns that the constructor names, and covariates.
        y : array of shape (n_samples,)
            Outcome.
        treatment : array of shape (n_samples,), default=None
            The treatment, where the constructor does not name its column.
        instrument : array of shape (n_samples,) or (n_samples, n_instruments), default=None
            The instruments, where the constructor does not name their columns.

        Returns
        -------
        StructuralEstimator
            The estimator itself.
        """
        given = {"treatment": treatment, "instrument": instrument}
        W, names, roles, named = read_roles(self, X, given)
        outcome = read_outcome(self, y, len(W))
        by_keyword = treatment is not None
        arms = read_treatment(roles["treatment"], len(W), outcome, "any", by_keyword=by_keyword)
        Z = _instruments(roles["instrument"], len(W))
        self._columns = named
        self._arms = arms.arms
        self.covariate_names_in_ = np.array(names, dtype=object)
        self._T, self._W, self._Z, self._Y = (
            Scaling.of(values) for values in (arms.values[:, None], W, Z, outcome[:, None])
        )
        self._learn(
            self._T.apply(arms.values[:, None]),
            self._W.apply(W),
            self._Z.apply(Z),
            self._Y.apply(outcome[:, None])[:, 0],
            as_seed(self.random_state),
        )
        return self

    @abstractmethod
    def _learn(self, T: Array, W: Array, Z: Array, y: Array, seed: int) -> None:
        """Fit to standardised columns."""

    @abstractmethod
    def _structural(self, T: Array, W: Array) -> Array:
        """Return the structural function of standardised columns."""

    def predict(self, X: Any) -> Array:
        """Return the mean outcome if the treatment were set to what its column says.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`; what the columns of instruments hold does not matter.

        Returns
        -------
        array of shape (n_rows,)
            The structural function. It is not the mean of the outcome among units that took the treatment.
        """
        check_is_fitted(self)
        if "treatment" not in self._columns:
            raise DataError("the treatment is no column of X; use predict_outcome(X, treatment)")
        W, _, roles = read_table(self, X, self._columns, reset=False, allow_nan=False)
        return self._outcomes(W, roles["treatment"])

    def predict_outcome(self, X: Any, treatment: Any) -> Array:
        """Return the mean outcome that each row would have under a treatment.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        treatment : scalar or array of shape (n_rows,)
            The treatment of all rows or of each.

        Returns
        -------
        array of shape (n_rows,)
            The structural function.
        """
        check_is_fitted(self)
        W, _, _ = read_table(self, X, self._columns, reset=False, allow_nan=False)
        return self._outcomes(W, np.broadcast_to(np.asarray(treatment), (len(W),)))

    def effect(self, X: Any, control: Any, treated: Any) -> Array:
        """Return the difference that it makes to go from one treatment to another.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        control, treated : scalar or array of shape (n_rows,)
            The treatments.

        Returns
        -------
        array of shape (n_rows,)
            The effects, without an interval: none is known that holds for them.
        """
        return self.predict_outcome(X, treated) - self.predict_outcome(X, control)

    def score(self, X: Any, y: Any, *, treatment: Any = None, instrument: Any = None) -> float:
        """Return minus the kernel moment of the residuals given instruments: zero if the function is right.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        y : array of shape (n_rows,)
            Outcome.
        treatment, instrument : array of shape (n_rows,) or (n_rows, n_instruments), default=None
            The values, where the constructor does not name their columns.

        Returns
        -------
        float
            Larger is better. How well outcomes are predicted is no criterion: the treatment is confounded.

        Notes
        -----
        The maximum moment restriction ``mean_ij u_i k(z_i, z_j) u_j`` of Zhang et al., "Maximum moment
        restriction for instrumental variable regression", arXiv:2010.07684, equation (7).
        """
        check_is_fitted(self)
        W, _, roles = read_table(self, X, self._columns, reset=False, allow_nan=False)
        outcome = read_outcome(self, y, len(W))
        values = {"treatment": treatment, "instrument": instrument} | roles
        if values["treatment"] is None or values["instrument"] is None:
            raise DataError("`score` needs treatment and instrument, as columns of X or by keyword")
        residual = (outcome - self._outcomes(W, np.asarray(values["treatment"]))) / self._Y.scale[0]
        around = np.hstack([self._Z.apply(_instruments(values["instrument"], len(W))), self._W.apply(W)])
        gram = gaussian_kernel(around, around, median_distances(around))
        return -float(residual @ gram @ residual) / len(W) ** 2

    def _outcomes(self, W: Array, treatment: NDArray[Any]) -> Array:
        if self._arms is None:
            T = np.asarray(treatment, dtype=np.float64)
        else:
            T = arm_codes(treatment, self._arms)
        values = self._structural(self._T.apply(T[:, None]), self._W.apply(W))
        return np.asarray(self._Y.mean[0] + self._Y.scale[0] * values)


class Scaling:
    """Columns less their means, over their standard deviations."""

    def __init__(self, mean: Array, scale: Array) -> None:
        self.mean = mean
        self.scale = scale

    @classmethod
    def of(cls, values: Array) -> Scaling:
        """Return the scaling that standardises columns; constant ones stay as they are."""
        scale = values.std(axis=0)
        return cls(values.mean(axis=0), np.where(scale > 0, scale, 1.0))

    def apply(self, values: Array) -> Array:
        """Return the columns on this scale."""
        return np.asarray((values - self.mean) / self.scale)


def _instruments(values: Any, n: int) -> Array:
    Z = np.asarray(values, dtype=np.float64)
    Z = Z.reshape(len(Z), -1)
    if len(Z) != n or not np.isfinite(Z).all():
        raise DataError(f"`instrument` must have {n} finite rows, got shape {Z.shape}")
    if (np.ptp(Z, axis=0) == 0).any():
        raise DataError("an instrument is constant")
    return Z


def median_distances(values: Array) -> Array:
    """Return the median distance between rows, column by column, over the root of the number of columns."""
    step = max(1, len(values) // _ROWS_FOR_MEDIAN)
    medians = np.array([np.median(pdist(column[::step, None])) for column in values.T])
    return np.asarray(np.where(medians > 0, medians, 1.0) * np.sqrt(max(values.shape[1], 1)))


def gaussian_kernel(a: Array, b: Array, lengthscale: Array) -> Array:
    """Return ``exp(-|a - b|^2 / 2)`` of rows over their length scales."""
    return np.asarray(np.exp(-cdist(a / lengthscale, b / lengthscale, "sqeuclidean") / 2))
