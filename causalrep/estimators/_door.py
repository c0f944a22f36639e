"""The door of the estimators of effects: from what users pass to arrays by role."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._data import (
    ROLES,
    Sample,
    Treatment,
    arm_codes,
    codes,
    declared_arms,
    read_outcome,
    read_table,
    read_time,
    read_treatment,
    read_weight,
)
from causalrep.estimators._roles import check_given
from causalrep.estimators._scores import Projection
from causalrep.utils import DataError

__all__ = ["RoleReader"]

Array = NDArray[np.float64]


class RoleReader(RegressorMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base: `fit` reads roles, names arms and hands both over."""

    _uses: tuple[str, ...] = ("treatment", "cluster")
    _needs: tuple[str, ...] = ("treatment",)
    _nuisances: tuple[str, ...] = ()
    _contrasts: tuple[Any, ...] = ()
    """For a treatment of several arms: for each but the reference, what estimates its average effects."""
    _learners: tuple[tuple[Any, NDArray[np.intp]], ...] = ()
    """The same for effects given covariates, and the rows that it was fitted to."""

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        treatment: Any = None,
        instrument: Any = None,
        mediator: Any = None,
        time: Any = None,
        unit: Any = None,
        cluster: Any = None,
        sample_weight: Any = None,
    ) -> Any:
        """Fit all nuisances; the effects are read afterwards, without another fit.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Covariates, and the columns that the constructor gave a role.
        y : array of shape (n_samples,)
            Outcome.
        treatment : array of shape (n_samples,), default=None
            The treatment, where the constructor does not name its column.
        instrument, mediator, unit : array of shape (n_samples,), default=None
            For the estimators that use them.
        time : array of shape (n_samples,), default=None
            The period, for the estimators that compare periods. For those that adjust, when each row was
            seen: folds become blocks of time, and a model learns from none next to its own.
        cluster : array of shape (n_samples,), default=None
            Rows of one cluster may depend on each other: they share folds, and standard errors allow for it.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        EffectEstimator
            The estimator itself.
        """
        given = {
            "treatment": treatment,
            "instrument": instrument,
            "mediator": mediator,
            "time": time,
            "unit": unit,
            "cluster": cluster,
        }
        named = self._named_roles(given, needs=self._needs)
        W, names, roles = read_table(self, X, named, reset=True, allow_nan=self._allows_nan())
        outcome = read_outcome(self, y, len(W))
        roles |= {role: values for role, values in given.items() if values is not None}
        weight, fit_weight = read_weight(sample_weight, len(W))
        cluster_codes = codes(roles["cluster"], len(W), "cluster") if "cluster" in roles else None
        kind = self._treatment_kind()
        by_keyword = treatment is not None
        arms = read_treatment(
            roles["treatment"],
            len(W),
            outcome,
            kind,
            by_keyword=by_keyword,
            several=self._compares_several(),
            reference=getattr(self, "reference", None),
            declared=declared_arms(X, named.get("treatment"), treatment),
        )
        blocks = "time" in roles and "time" not in self._needs  # else it is a part of the design
        moments = read_time(roles["time"], len(W)) if blocks else None
        self._sample = Sample(W, outcome, arms.values, weight, fit_weight, cluster_codes, names, moments)
        self._columns = named
        self._projections: dict[str, Projection] = {}
        self._fill = np.nanmean(W, axis=0) if np.isnan(W).any() else np.zeros(W.shape[1])
        self.covariate_names_in_ = np.array(names, dtype=object)
        self._name_arms(arms)
        self._contrasts, self._learners = (), ()
        fit = self._fit_several if arms.has_several_arms else self._fit
        fit(self._sample, arms, roles)
        return self

    def _name_arms(self, treatment: Treatment) -> None:
        arms = treatment.arms
        if arms is None:
            for name in {"arms_", "contrasts_"} & set(vars(self)):
                delattr(self, name)
            return
        self.arms_ = arms
        self.contrasts_ = tuple(f"{arm} - {arms[0]}" for arm in arms[1:])

    def _named_roles(self, given: dict[str, Any], *, needs: tuple[str, ...]) -> dict[str, Any]:
        for role, values in given.items():
            if values is not None and role not in self._uses:
                raise DataError(f"{type(self).__name__} has no use for `{role}`")
        named = {role: getattr(self, role) for role in ROLES if getattr(self, role, None) is not None}
        check_given(self, named, given, needs)
        return named

    def _treatment_kind(self) -> str:
        return str(getattr(self, "treatment_type", "any"))

    def _compares_several(self) -> bool:
        """Whether a treatment may have more than two arms."""
        return False

    def _allows_nan(self) -> bool:
        models = [getattr(self, name) for name in self._nuisances]
        return bool(models) and all(
            hasattr(model, "fit") and get_tags(model).input_tags.allow_nan for model in models
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        tags.input_tags.allow_nan = self._allows_nan()
        return tags

    def _covariates(self, X: Any) -> Array:
        check_is_fitted(self)
        W, _, _ = read_table(self, X, self._columns, reset=False, allow_nan=self._allows_nan())
        return W

    def _coded(self, values: NDArray[Any]) -> Array:
        """Return treatments as numbers, by the arms of `fit`: 0 is the reference."""
        if not hasattr(self, "arms_"):
            return np.asarray(values, dtype=np.float64)
        return arm_codes(values, self.arms_)

    @abstractmethod
    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        """Fit the nuisances."""

    def _fit_several(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:  # noqa: ARG002
        """Fit the nuisances of more than two arms, in the estimators that take them."""
        raise DataError(f"{type(self).__name__} compares two arms, got {treatment.arms}")
