"""What all estimators of effects share: everything that follows from a linear score."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._data import of_length, read_table, read_weight
from causalrep.estimators._door import RoleReader
from causalrep.estimators._result import (
    EffectResult,
    joined,
    limits,
    simultaneous_level,
    standard_error,
    widened,
)
from causalrep.estimators._scores import LinearScore, Projection, middle_of, project, with_intercept
from causalrep.utils import DataError, columns_of, keyed_generator

__all__ = ["EffectEstimator"]

Array = NDArray[np.float64]


class EffectEstimator(RoleReader):
    """Base of the estimators: a subclass fits nuisances and gives the scores of its estimands."""

    _estimands: tuple[str, ...] = ("ate", "att", "atc", "ato")

    # --- what a subclass gives ---------------------------------------------------------------------

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
        if self._contrasts:
            return self._joined([one.ate(X, alpha=alpha) for one in self._contrasts], "ATE of other rows")
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
        if self._contrasts:
            found = [one.effect_summary(alpha=alpha) for one in self._contrasts]
            return self._joined(found, "average effects")
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
            self._sample.cluster,
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
        if self._contrasts:
            return self._joined([one.gate(groups, alpha=alpha) for one in self._contrasts], "GATE")
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
        if self._contrasts:
            found = [one.blp(features, alpha=alpha) for one in self._contrasts]
            return self._joined(found, "best linear projection")
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
        array of shape (n_rows,) or (n_rows, n_contrasts)
            Conditional average effects; here their best linear projection on the covariates. Where the
            treatment has several arms, a column for each of `contrasts_`.
        """
        if self._contrasts:
            return np.column_stack([one.predict(X) for one, _ in self._learners])
        return self._predict(self._covariates(X))

    def _predict(self, W: Array) -> Array:
        return np.asarray(with_intercept(self._filled(W)) @ self._projection().coefficients)

    def interval(self, X: Any, *, alpha: float = 0.05, simultaneous: bool = False) -> EffectResult:
        """Return the best linear projection of the effect at each row, with an interval.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.
        simultaneous : bool, default=False
            Whether all intervals shall hold together at this level: a band, by Gaussian multipliers.

        Returns
        -------
        EffectResult
            With one effect for each row, HC3 standard errors, and an influence of shape
            (n_samples, n_rows). Where the treatment has several arms, each has a last axis of contrasts.
        """
        if self._contrasts:
            n = len(self._sample.y)
            each = [widened(one.interval(X, alpha=alpha), rows, n) for one, rows in self._learners]
            return self._banded(self._joined(each, "effect at each row"), alpha, simultaneous)
        values, influence = self._projection().at(self._filled(self._covariates(X)))
        found = self._pack(values, influence, alpha, "effect at each row, linear")
        return self._banded(found, alpha, simultaneous)

    def _banded(self, result: EffectResult, alpha: float, simultaneous: bool) -> EffectResult:
        """Return the result with intervals that hold together, if that is asked for."""
        if not simultaneous:
            return result
        influence = result.influence.reshape(len(result.influence), -1)
        generator = keyed_generator(getattr(self, "_seed", 0), "band")
        level = simultaneous_level(influence, alpha, self._sample.cluster, generator)
        method = f"{result.method}, simultaneous"
        return replace(result, ci=limits(result.estimate, result.se, level), method=method)

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
            Minus the mean of ``((y - E[y | x]) - effect(x) (t - E[t | x]))**2``; larger is better. Where the
            treatment has several arms, the products are added up over `contrasts_`.
        """
        check_is_fitted(self)
        named = self._named_roles({"treatment": treatment}, needs=("treatment",))
        W, _, roles = read_table(self, X, named, reset=False, allow_nan=self._allows_nan())
        outcome = np.asarray(y, dtype=np.float64).reshape(-1)
        t = self._coded(np.asarray(roles.get("treatment", treatment)))
        if self._contrasts:
            t = np.equal.outer(t, np.arange(1.0, len(self.arms_))).astype(np.float64)
        weight, _ = read_weight(sample_weight, len(W))
        ell, m = self._center(W)
        explained = np.reshape(self.predict(X) * (t - m), (len(W), -1)).sum(axis=1)
        return -float(np.mean(weight * ((outcome - ell) - explained) ** 2))

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
        weight = self._sample.weight
        return middle_of([project(score, features, weight) for score in self._scores(estimand)])

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
        if self._contrasts:
            return self._joined([one._result(estimand, alpha) for one in self._contrasts], estimand.upper())
        if estimand not in self._available():
            raise DataError(
                f"{type(self).__name__} as it was fitted has no {estimand.upper()}; "
                f"it has {', '.join(name.upper() for name in self._available())}"
            )
        theta, influence, se = self._combined(estimand)
        return self._pack(theta, influence, alpha, estimand.upper(), se=se)

    def _joined(self, results: list[EffectResult], what: str) -> EffectResult:
        return joined(results, self.contrasts_, f"{type(self).__name__}, {what}")

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
            self._sample.cluster,
        )
