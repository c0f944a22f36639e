"""Steps of a pipeline: propensities or weights as columns, and columns less what others say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, is_classifier
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._contrast import Contrast
from causalrep.estimators._crossfit import Nuisance, Predicted, cross_fit, make_splits
from causalrep.estimators._data import arm_codes, codes, of_length, read_table, read_treatment, read_weight
from causalrep.estimators._learners import classifier, regressor
from causalrep.estimators._overlap import overlap_of, within
from causalrep.estimators._roles import read_roles
from causalrep.utils import DataError, UnknownNameError, as_seed

__all__ = ["PropensityScore", "Residualizer"]

Array = NDArray[np.float64]

_OUTPUTS = ("probability", "log_odds", "weight")
_ESTIMANDS = ("ate", "att", "atc", "ato")


class PropensityScore(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn covariates into the probability of treatment, its log-odds, or the weight that it gives the row.

    `fit_transform` predicts each row by models that have not seen it; `transform` takes the mean of the
    models of all folds, for other rows.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment, which must have two values.
    model : {"auto", "linear"} or classifier, default="auto"
        Model of the treatment, see `AIPW`.
    output : {"probability", "log_odds", "weight"}, default="probability"
        What the column holds. Weights turn each arm into the population of `estimand`.
    estimand : {"ate", "att", "atc", "ato"}, default="ate"
        Whom the weights are for: all rows, the treated, the controls, or those that could be either.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are kept this far from 0 and 1, with a warning.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    arms_ : array of shape (2,)
        The values of the treatment, control first.
    overlap_ : Overlap
        How comparable the arms are.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of shape (n_features,), object
        Their names, where all are strings.

    References
    ----------
    .. [1] P. R. Rosenbaum, D. B. Rubin, "The central role of the propensity score in observational studies
       for causal effects", Biometrika 70, 1983.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.estimators import PropensityScore
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=500)
    >>> X = pd.DataFrame({"z": z, "t": (rng.random(500) < 1 / (1 + np.exp(-z / 2))).astype(int)})
    >>> step = PropensityScore(treatment="t", model="linear", random_state=0).set_output(transform="pandas")
    >>> list(step.fit_transform(X).columns)
    ['propensity']
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        model: Any = "auto",
        output: str = "probability",
        estimand: str = "ate",
        cv: Any = 5,
        min_propensity: float = 0.01,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.treatment = treatment
        self.model = model
        self.output = output
        self.estimand = estimand
        self.cv = cv
        self.min_propensity = min_propensity
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any = None, *, treatment: Any = None, cluster: Any = None, sample_weight: Any = None
    ) -> PropensityScore:
        """Fit the model of the treatment in each fold.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Covariates, and the treatment if the constructor names its column.
        y : array of shape (n_samples,), default=None
            Not used.
        treatment : array of shape (n_samples,), default=None
            The treatment, where the constructor does not name its column.
        cluster : array of shape (n_samples,), default=None
            Rows of one cluster share folds.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        PropensityScore
            The transformer itself.
        """
        self.fit_transform(X, y, treatment=treatment, cluster=cluster, sample_weight=sample_weight)
        return self

    def fit_transform(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        *,
        treatment: Any = None,
        cluster: Any = None,
        sample_weight: Any = None,
    ) -> Array:
        """Fit, and return the column for the same rows, by models that have not seen them.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Covariates, and the treatment if the constructor names its column.
        y : array of shape (n_samples,), default=None
            Not used.
        treatment, cluster, sample_weight : array of shape (n_samples,), default=None
            See `fit`.

        Returns
        -------
        array of shape (n_samples, 1)
            Or a data frame, if `set_output` says so.
        """
        for name, options in (("output", _OUTPUTS), ("estimand", _ESTIMANDS)):
            if getattr(self, name) not in options:
                raise UnknownNameError(getattr(self, name), options, what=f"`{name}`")
        W, names, roles, self._columns = read_roles(self, X, {"treatment": treatment})
        values = roles["treatment"]
        arms = read_treatment(values, len(W), np.zeros(len(W)), "binary", by_keyword=treatment is not None)
        self.arms_ = np.asarray(arms.arms)
        weight, fit_weight = read_weight(sample_weight, len(W))
        model = classifier(self.model, W)
        if not is_classifier(model):
            raise DataError(f"`model` must be a classifier, got {type(model).__name__}")
        found = _out_of_fold(
            self,
            {"propensity": Nuisance(model, arms.values)},
            W,
            arms.values.astype(np.intp),
            cluster,
            fit_weight,
        )
        self._predicted = found["propensity"]
        raw = self._predicted.values
        e, self.overlap_ = overlap_of(raw, arms.values, W, weight, self.min_propensity, names)
        return self._column(e, arms.values)

    def transform(self, X: Any, *, treatment: Any = None) -> Array:
        """Return the column for other rows.

        Parameters
        ----------
        X : data frame, or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        treatment : array of shape (n_rows,), default=None
            The treatment, for weights, where the constructor does not name its column.

        Returns
        -------
        array of shape (n_rows, 1)
            Or a data frame, if `set_output` says so.
        """
        check_is_fitted(self)
        W, _, roles = read_table(self, X, self._columns, reset=False, allow_nan=False)
        e = within(self._predicted.at(_with_columns(W)), self.min_propensity)
        if self.output != "weight":
            return self._column(e, np.zeros(len(W)))
        values = roles.get("treatment", treatment)
        if values is None:
            raise DataError("weights need the treatment of the rows: transform(X, treatment=values)")
        return self._column(e, arm_codes(np.asarray(values), self.arms_))

    def _column(self, e: Array, t: Array) -> Array:
        if self.output == "probability":
            return e[:, None]
        if self.output == "log_odds":
            return np.log(e / (1 - e))[:, None]
        control, treated = Contrast.of_two(t, e).weights(self.estimand)
        return np.where(t == 1, treated, control)[:, None]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002
        """Return the name of the column.

        Parameters
        ----------
        input_features : array of str, default=None
            Not used.

        Returns
        -------
        array of shape (1,), object
            ``"propensity"``, ``"log_odds"`` or ``"weight"``.
        """
        check_is_fitted(self)
        name = "propensity" if self.output == "probability" else self.output
        return np.array([name], dtype=object)


class Residualizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Replace some columns by what the others do not say of them: the first step of partialling out.

    `fit_transform` predicts each row by models that have not seen it; `transform` takes the mean of the
    models of all folds, for other rows. The other columns are left out.

    Parameters
    ----------
    columns : list of str or int
        Names or positions of the columns that are replaced.
    model : {"auto", "linear"} or regressor, default="auto"
        Model of each of them given the columns that are not listed, see `AIPW`.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_jobs : int, default=None
        Number of parallel fits.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of shape (n_features,), object
        Their names, where all are strings.

    References
    ----------
    .. [1] P. M. Robinson, "Root-N-consistent semiparametric regression", Econometrica 56, 1988.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import Residualizer
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=500)
    >>> X = np.column_stack([w**2 + rng.normal(size=500), w])
    >>> left = Residualizer([0], random_state=0).fit_transform(X)
    >>> left.shape, bool(abs(np.corrcoef(left[:, 0], w**2)[0, 1]) < 0.1)
    ((500, 1), True)
    """

    def __init__(
        self,
        columns: Sequence[str | int] = (),
        *,
        model: Any = "auto",
        cv: Any = 5,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.columns = columns
        self.model = model
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, cluster: Any = None, sample_weight: Any = None) -> Residualizer:
        """Fit the models of the columns in each fold.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The columns to replace and those that explain them.
        y : array of shape (n_samples,), default=None
            Not used.
        cluster : array of shape (n_samples,), default=None
            Rows of one cluster share folds.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        Residualizer
            The transformer itself.
        """
        self.fit_transform(X, y, cluster=cluster, sample_weight=sample_weight)
        return self

    def fit_transform(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        *,
        cluster: Any = None,
        sample_weight: Any = None,
    ) -> Array:
        """Fit, and return the residuals of the same rows, by models that have not seen them.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The columns to replace and those that explain them.
        y : array of shape (n_samples,), default=None
            Not used.
        cluster, sample_weight : array of shape (n_samples,), default=None
            See `fit`.

        Returns
        -------
        array of shape (n_samples, n_columns)
            Or a data frame, if `set_output` says so.
        """
        if isinstance(self.columns, str) or not len(self.columns):
            raise DataError(f"`columns` must list at least one column, got {self.columns!r}")
        W, _, roles = read_table(self, X, self._wanted(), reset=True, allow_nan=False)
        T = of_length(_numeric(roles["columns"]), len(W), "columns")
        _, fit_weight = read_weight(sample_weight, len(W))
        model = regressor(self.model, W)
        wanted = {f"column {j}": Nuisance(model, T[:, j]) for j in range(T.shape[1])}
        found = _out_of_fold(self, wanted, W, None, cluster, fit_weight)
        self._predicted = [found[name] for name in wanted]
        return T - np.column_stack([part.values for part in self._predicted])

    def transform(self, X: Any) -> Array:
        """Return the residuals of other rows.

        Parameters
        ----------
        X : data frame, or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        array of shape (n_rows, n_columns)
            Or a data frame, if `set_output` says so.
        """
        check_is_fitted(self)
        W, _, roles = read_table(self, X, self._wanted(), reset=False, allow_nan=False)
        means = [part.at(_with_columns(W)) for part in self._predicted]
        return _numeric(roles["columns"]) - np.column_stack(means)

    def _wanted(self) -> dict[str, Any]:
        return {"columns": list(self.columns)}

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002
        """Return the names of the columns, with ``_residual`` behind.

        Parameters
        ----------
        input_features : array of str, default=None
            Not used.

        Returns
        -------
        array of shape (n_columns,), object
            The names.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)])
        chosen = [column if isinstance(column, str) else names[column] for column in self.columns]
        return np.array([f"{name}_residual" for name in chosen], dtype=object)


def _out_of_fold(
    transformer: Any,
    nuisances: dict[str, Nuisance],
    W: Array,
    strata: NDArray[np.intp] | None,
    cluster: Any,
    weight: Array | None,
) -> dict[str, Predicted]:
    groups = None if cluster is None else codes(cluster, len(W), "cluster")
    seed = as_seed(transformer.random_state)
    splits = make_splits(transformer.cv, len(W), strata=strata, groups=groups, n_rep=1, seed=seed)
    (found,) = cross_fit(nuisances, W, splits, weight=weight, n_jobs=transformer.n_jobs, seed=seed)
    return found


def _numeric(columns: NDArray[Any]) -> Array:
    try:
        values = np.asarray(columns, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("`columns` must be numeric; encode them first") from error
    if not np.isfinite(values).all():
        raise DataError("`columns` contain NaN or infinity")
    return values


def _with_columns(W: Array) -> Array:
    """Return the covariates, or a column of ones where there are none."""
    return W if W.shape[1] else np.ones((len(W), 1))
