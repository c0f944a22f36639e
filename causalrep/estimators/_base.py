"""What all estimators of effects share: the door, and everything that follows from a linear score."""

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
    codes,
    of_length,
    read_outcome,
    read_table,
    read_time,
    read_treatment,
    read_weight,
)
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.estimators._scores import LinearScore, Projection, project, with_intercept
from causalrep.utils import DataError, columns_of

__all__ = ["EffectEstimator"]

Array = NDArray[np.float64]


class EffectEstimator(RegressorMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the estimators: a subclass fits nuisances and gives the scores of its estimands."""

    _uses: tuple[str, ...] = ("treatment", "cluster")
    _needs: tuple[str, ...] = ("treatment",)
    _nuisances: tuple[str, ...] = ()
    _estimands: tuple[str, ...] = ("ate", "att", "atc", "ato")

    # --- the door ---------------------------------------------------------------------------------

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
        arms = read_treatment(roles["treatment"], len(W), outcome, kind, by_keyword=by_keyword)
        blocks = "time" in roles and "time" not in self._needs  # else it is a part of the design
        moments = read_time(roles["time"], len(W)) if blocks else None
        self._sample = Sample(W, outcome, arms.values, weight, fit_weight, cluster_codes, names, moments)
        self._columns = named
        self._projections: dict[str, Projection] = {}
        self._fill = np.nanmean(W, axis=0) if np.isnan(W).any() else np.zeros(W.shape[1])
        self.covariate_names_in_ = np.array(names, dtype=object)
        if arms.arms is not None:
            self.arms_ = arms.arms
        elif hasattr(self, "arms_"):
            del self.arms_
        self._fit(self._sample, arms, roles)
        return self

    def _named_roles(self, given: dict[str, Any], *, needs: tuple[str, ...]) -> dict[str, Any]:
        named = {role: getattr(self, role) for role in ROLES if getattr(self, role, None) is not None}
        for role, values in given.items():
            if values is not None and role not in self._uses:
                raise DataError(f"{type(self).__name__} has no use for `{role}`")
            if values is not None and role in named:
                raise DataError(
                    f"`{role}` is given twice: the constructor names {named[role]!r}, and fit got an array; "
                    "give one of them"
                )
            if role in needs and values is None and role not in named:
                raise DataError(
                    f"`{role}` is missing: name its column, {type(self).__name__}({role}='name'), "
                    f"or pass its values, fit(X, y, {role}=values)"
                )
        return named

    def _treatment_kind(self) -> str:
        return str(getattr(self, "treatment_type", "any"))

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

    # --- what a subclass gives ---------------------------------------------------------------------

    @abstractmethod
    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:
        """Fit the nuisances."""

    @abstractmethod
    def _scores(self, estimand: str) -> list[LinearScore]:
        """Return the scores of an estimand, one for each repetition of the cross-fitting."""

    @abstractmethod
    def _center(self, W: Array) -> tuple[Array, Array]:
        """Return the means of outcome and treatment given covariates."""

    def _messages(self) -> tuple[str, ...]:
        return ()

    # --- effects -----------------------------------------------------------------------------------

    def ate(self, X: Any = None, *, alpha: float = 0.05) -> EffectResult:
        """Return the average effect over all rows.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features), default=None
            Rows of another population, to which the best linear projection of the effect is carried over; by
            default the rows of `fit`.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            For a treatment that is no arm but a dose, the effect of one unit more.
        """
        if X is None:
            return self._result("ate", alpha)
        features = self._filled(self._covariates(X)).mean(axis=0, keepdims=True)
        values, influence = self._projection().at(features)
        return self._pack(float(values[0]), influence[:, 0], alpha, "ATE of other rows")

    def att(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the average effect over the treated rows.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The effect.
        """
        return self._result("att", alpha)

    def atc(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the average effect over the control rows.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The effect.
        """
        return self._result("atc", alpha)

    def ato(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the average effect where the arms overlap: rows count by e(x) (1 - e(x)).

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The effect.
        """
        return self._result("ato", alpha)

    def effect_summary(self, *, alpha: float = 0.05) -> EffectResult:
        """Return all average effects that the estimator has.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the intervals.

        Returns
        -------
        EffectResult
            With one name for each effect.
        """
        check_is_fitted(self)
        parts = [self._result(estimand, alpha) for estimand in self._available()]
        return EffectResult(
            np.array([part.estimate for part in parts]),
            np.array([part.se for part in parts]),
            np.array([part.ci for part in parts]),
            np.column_stack([part.influence for part in parts]),
            parts[0].n,
            type(self).__name__,
            tuple(dict.fromkeys(text for part in parts for text in part.warnings)),
            tuple(name.upper() for name in self._available()),
        )

    def gate(self, groups: Any, *, alpha: float = 0.05) -> EffectResult:
        """Return the average effect in each group of rows.

        Parameters
        ----------
        groups : str, int or array of shape (n_samples,)
            Labels of the rows of `fit`, or the name or position of a covariate that holds them.
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            With one effect for each group, in sorted order; `names` are the groups.
        """
        check_is_fitted(self)
        sample = self._sample
        if isinstance(groups, (str, int)):
            if groups not in sample.names:
                raise DataError(f"`groups` names {groups!r}, which is no covariate; there are {sample.names}")
            groups = sample.W[:, sample.names.index(groups)]
        labels = of_length(np.asarray(groups), len(sample.y), "groups")
        found = np.unique(labels)
        parts = [self._combined("ate", labels == label) for label in found]
        return self._pack(
            np.array([part[0] for part in parts]),
            np.column_stack([part[1] for part in parts]),
            alpha,
            "GATE",
            se=np.array([part[2] for part in parts]),
            names=tuple(str(label) for label in found),
        )

    def blp(self, features: Any = None, *, alpha: float = 0.05) -> EffectResult:
        """Return the best linear projection of the effect on features.

        Parameters
        ----------
        features : data frame or array of shape (n_samples, n_columns), default=None
            One row for each row of `fit`; by default the covariates.
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            The intercept and the coefficients, with HC3 standard errors.
        """
        check_is_fitted(self)
        if features is None:
            projection, names = self._projection(), [str(name) for name in self._sample.names]
        else:
            columns = columns_of(features, what="features")
            values = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
            of_length(values, len(self._sample.y), "features")
            projection = self._projected(values)
            names = [str(name) for name in columns]
        return self._pack(
            projection.coefficients,
            projection.influence,
            alpha,
            "best linear projection",
            names=("intercept", *names),
        )

    # --- for each row ------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """Return the effect given the covariates of each row.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`; what the column of the treatment holds does not matter.

        Returns
        -------
        array of shape (n_rows,)
            Conditional average effects; here their best linear projection on the covariates.
        """
        return self._predict(self._covariates(X))

    def _predict(self, W: Array) -> Array:
        return np.asarray(with_intercept(self._filled(W)) @ self._projection().coefficients)

    def interval(self, X: Any, *, alpha: float = 0.05) -> EffectResult:
        """Return the best linear projection of the effect at each row, with a pointwise interval.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            With one effect for each row, HC3 standard errors, and an influence of shape
            (n_samples, n_rows).
        """
        values, influence = self._projection().at(self._filled(self._covariates(X)))
        return self._pack(values, influence, alpha, "effect at each row, linear")

    def score(self, X: Any, y: Any, *, treatment: Any = None, sample_weight: Any = None) -> float:
        """Return the negative R-loss: how badly the predicted effects explain what the nuisances leave.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        y : array of shape (n_rows,)
            Outcome.
        treatment : array of shape (n_rows,), default=None
            The treatment, where the constructor does not name its column.
        sample_weight : array of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Minus the mean of ``((y - E[y | x]) - effect(x) (t - E[t | x]))**2``; larger is better.
        """
        check_is_fitted(self)
        named = self._named_roles({"treatment": treatment}, needs=("treatment",))
        W, _, roles = read_table(self, X, named, reset=False, allow_nan=self._allows_nan())
        outcome = np.asarray(y, dtype=np.float64).reshape(-1)
        t = self._coded(np.asarray(roles.get("treatment", treatment)))
        weight, _ = read_weight(sample_weight, len(W))
        ell, m = self._center(W)
        loss = ((outcome - ell) - self._predict(W) * (t - m)) ** 2
        return -float(np.mean(weight * loss))

    def _coded(self, values: NDArray[Any]) -> Array:
        """Return treatments as numbers, by the arms of `fit`."""
        if not hasattr(self, "arms_"):
            return np.asarray(values, dtype=np.float64)
        arms = self.arms_
        values = values.astype(arms.dtype) if arms.dtype.kind in "US" else values
        unknown = values[~np.isin(values, arms)]
        if unknown.size:
            found = unknown.tolist()[0]
            raise DataError(f"`treatment` has the value {found!r}; the arms are {arms.tolist()}")
        return np.asarray(values == arms[1], dtype=np.float64)

    # --- from scores to results ---------------------------------------------------------------------

    def _available(self) -> tuple[str, ...]:
        return self._estimands

    def _filled(self, W: Array) -> Array:
        return np.where(np.isnan(W), self._fill, W)

    def _projection(self) -> Projection:
        check_is_fitted(self)
        if "covariates" not in self._projections:
            self._projections["covariates"] = self._projected(self._filled(self._sample.W))
        return self._projections["covariates"]

    def _projected(self, features: Array) -> Projection:
        return self._projected_by("ate", features)

    def _projected_by(self, estimand: str, features: Array) -> Projection:
        parts = [project(score, features, self._sample.weight) for score in self._scores(estimand)]
        return Projection(
            np.median([part.coefficients for part in parts], axis=0),
            np.mean([part.influence for part in parts], axis=0),
        )

    def _combined(self, estimand: str, mask: NDArray[np.bool_] | None = None) -> tuple[float, Array, float]:
        """Return estimate, influence and standard error: medians over the repetitions of the folds."""
        sample = self._sample
        solved = [score.solve(sample.weight, mask) for score in self._scores(estimand)]
        thetas = np.array([theta for theta, _ in solved])
        ses = np.array([standard_error(influence, sample.cluster) for _, influence in solved])
        theta = float(np.median(thetas))
        se = float(np.sqrt(np.median(ses**2 + (thetas - theta) ** 2)))
        return theta, np.mean([influence for _, influence in solved], axis=0), se

    def _result(self, estimand: str, alpha: float) -> EffectResult:
        check_is_fitted(self)
        if estimand not in self._available():
            raise DataError(
                f"{type(self).__name__} as it was fitted has no {estimand.upper()}; "
                f"it has {', '.join(name.upper() for name in self._available())}"
            )
        theta, influence, se = self._combined(estimand)
        return self._pack(theta, influence, alpha, estimand.upper(), se=se)

    def _pack(
        self,
        estimate: Any,
        influence: Array,
        alpha: float,
        what: str,
        *,
        se: Any = None,
        names: tuple[str, ...] = (),
    ) -> EffectResult:
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        if se is None:
            se = standard_error(influence, self._sample.cluster)
        se = float(se) if np.ndim(se) == 0 else se
        method = f"{type(self).__name__}, {what}"
        return EffectResult(
            estimate,
            se,
            limits(estimate, se, alpha),
            influence,
            len(influence),
            method,
            self._messages(),
            names,
        )
