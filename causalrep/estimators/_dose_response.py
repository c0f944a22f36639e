"""The mean outcome at each dose: a doubly robust curve."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._crossfit import Nuisance, Predicted, cross_fit, make_splits
from causalrep.estimators._data import codes, read_outcome, read_table, read_treatment, read_weight
from causalrep.estimators._learners import predict_model, regressor
from causalrep.estimators._local_polynomial import coefficient_weights, kernel_weights
from causalrep.estimators._overlap import OverlapWarning
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.utils import DataError, RandomState, as_seed

__all__ = ["DoseResponse"]

Array = NDArray[np.float64]

_KERNEL = "epanechnikov"
_N_GRID = 100
_N_CANDIDATES = 15
_MOST_CHECKED = 300
_LEAST_NOISE = 0.01


class DoseResponse(BaseEstimator):  # type: ignore[misc]
    """Estimate the mean outcome that all rows would have at a dose, for every dose.

    It assumes that the covariates block all back-door paths, and that at all their values every dose of the
    curve occurs: ask only for doses that do. The curve is right where either the outcome model or the density
    of the dose is. Where shifted doses are enough, `ShiftIntervention` needs less overlap.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the dose; not needed where `fit` gets an array.
    outcome_model : {"auto", "linear"} or estimator, default="auto"
        Regressor of the outcome on dose and covariates.
    treatment_model : {"auto", "linear"} or estimator, default="auto"
        Regressor of the dose on the covariates; the density of its residuals is estimated by a kernel, and
        is the generalised propensity score.
    bandwidth : float, default=None
        Half width of the kernel, in units of the dose; by default that with the smallest error when each row
        is predicted from the others.
    bias_correction : bool, default=True
        Whether the curve that the kernel smooths away is estimated and taken off, which the intervals allow
        for [2]_. Without, they are narrower, and of the smoothed curve.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    max_weight : float, default=50.0
        Largest ratio of the densities of the dose without and with covariates; larger ones are moved there,
        with a warning.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    bandwidth_ : float
        The bandwidth.
    pseudo_outcome_ : array of shape (n_samples,)
        Doubly robust outcomes, whose regression on the dose is the curve.
    n_clipped_ : int
        Rows whose weight was above `max_weight`.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of shape (n_features,), object
        Their names, where all are strings.

    Raises
    ------
    DataError
        In `fit`: for a dose that is no number, for parameters out of range.

    Warns
    -----
    OverlapWarning
        Where some doses hardly occur at the covariates of some rows.

    Notes
    -----
    Local linear regression of the pseudo-outcome of [1]_, equation (4), whose second part is averaged over
    all rows; the intervals allow for that averaging. Half the second derivative times the second moment of
    its weights is its bias, and the derivative is that of a local cubic of the same bandwidth. What is
    narrower than the kernel stays unseen. At the ends, where half of the kernel is empty, a local cubic is
    unsure: ask within the outer deciles.

    References
    ----------
    .. [1] E. H. Kennedy, Z. Ma, M. D. McHugh, D. S. Small, "Non-parametric methods for doubly robust
       estimation of continuous treatment effects", Journal of the Royal Statistical Society B 79, 2017.
    .. [2] K. Takatsu, T. Westling, "Debiased inference for a covariate-adjusted regression function", Journal
       of the Royal Statistical Society B 87, 2025, arXiv:2210.06448.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import DoseResponse
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(2000, 1))
    >>> dose = w[:, 0] + rng.normal(size=2000)
    >>> y = dose**2 + w[:, 0] + rng.normal(size=2000)
    >>> curve = DoseResponse(random_state=0).fit(w, y, treatment=dose).curve([-1.0, 0.0, 1.0])
    >>> curve.names, bool(np.abs(curve.estimate - [1, 0, 1]).max() < 0.4)
    (('-1', '0', '1'), True)
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        outcome_model: Any = "auto",
        treatment_model: Any = "auto",
        bandwidth: float | None = None,
        bias_correction: bool = True,
        cv: Any = 5,
        max_weight: float = 50.0,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.outcome_model = outcome_model
        self.treatment_model = treatment_model
        self.bandwidth = bandwidth
        self.bias_correction = bias_correction
        self.cv = cv
        self.max_weight = max_weight
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, treatment: Any = None, cluster: Any = None, sample_weight: Any = None
    ) -> DoseResponse:
        """Fit the nuisances, and choose the bandwidth.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Covariates, and the dose where the constructor names its column.
        y : array of shape (n_samples,)
            Outcome.
        treatment : array of shape (n_samples,), default=None
            The dose, where the constructor does not name its column.
        cluster : array of shape (n_samples,), default=None
            Rows of one cluster may depend on each other: they share folds, and standard errors allow for it.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        DoseResponse
            The estimator itself.
        """
        if (self.treatment is None) == (treatment is None):
            raise DataError(
                "`treatment` must be given once: name its column, DoseResponse(treatment='name'), or pass "
                "its values, fit(X, y, treatment=values)"
            )
        if self.bandwidth is not None and not self.bandwidth > 0:
            raise DataError(f"`bandwidth` must be above 0, got {self.bandwidth}")
        if not self.max_weight > 1:
            raise DataError(f"`max_weight` must be above 1, got {self.max_weight}")
        named = {} if self.treatment is None else {"treatment": self.treatment}
        W, names, roles = read_table(self, X, named, reset=True, allow_nan=False)
        outcome = read_outcome(self, y, len(W))
        dose = roles.get("treatment", treatment)
        by_keyword = treatment is not None
        t = read_treatment(dose, len(W), outcome, "continuous", by_keyword=by_keyword).values
        self._weight, fit_weight = read_weight(sample_weight, len(W))
        self._cluster = None if cluster is None else codes(cluster, len(W), "cluster")
        self.covariate_names_in_ = np.array(names, dtype=object)
        self._fit_nuisances(W, outcome, t, fit_weight)
        self._choose_bandwidth()
        return self

    def _fit_nuisances(self, W: Array, y: Array, t: Array, fit_weight: Array | None) -> None:
        n, seed = len(y), as_seed(self.random_state)
        model = regressor(self.treatment_model, W)
        if is_classifier(model):
            raise DataError("the treatment is a dose; `treatment_model` must be a regressor of it")
        splits = make_splits(self.cv, n, strata=None, groups=self._cluster, n_rep=1, seed=seed)
        options: dict[str, Any] = {"weight": fit_weight, "n_jobs": self.n_jobs, "seed": seed}
        with_dose = np.column_stack([t, W])
        outcome = {"outcome": Nuisance(regressor(self.outcome_model, with_dose), y)}
        mu = cross_fit(outcome, with_dose, splits, **options)[0]["outcome"]
        mean = cross_fit({"dose": Nuisance(model, t)}, W, splits, **options)[0]["dose"].values
        self._t = t
        self._grid = np.unique(np.quantile(t, np.linspace(0, 1, _N_GRID)))
        surface = self._surface(mu, W, splits[0])
        self._average = np.average(surface, axis=0, weights=self._weight)
        self._deviation = surface - self._average  # of each row from the average, at each dose of the grid
        ratio = self._density_ratio(t - mean, mean)
        average = np.interp(t, self._grid, self._average)
        self.pseudo_outcome_ = ratio * (y - mu.values) + average

    def _surface(self, mu: Predicted, W: Array, folds: Any) -> Array:
        """Return the predicted outcomes of each row at each dose of the grid, by models that left it out."""
        found = np.empty((len(W), len(self._grid)))
        for model, (_, test) in zip(mu.models, folds, strict=True):
            doses = np.tile(self._grid, len(test))
            rows = np.column_stack([doses, np.repeat(W[test], len(self._grid), axis=0)])
            found[test] = predict_model(model, rows).reshape(len(test), -1)
        return found

    def _density_ratio(self, residual: Array, mean: Array) -> Array:
        """Return the density of each dose over all rows, over its density at the row's covariates."""
        if np.std(residual) < _LEAST_NOISE * np.std(self._t):
            raise DataError("there is no overlap: the covariates say the dose almost exactly")
        noise = stats.gaussian_kde(residual, weights=self._weight)
        shrunk = residual / np.sqrt(1 + noise.factor**2)  # else the kernel adds its variance to the noise's
        noise = stats.gaussian_kde(shrunk, noise.factor, weights=self._weight)
        low, high = self._grid[0] - mean.max(), self._grid[-1] - mean.min()
        points = np.linspace(low, high, 2000)
        density = np.maximum(noise(points), 1e-12)
        own = np.interp(residual, points, density)
        at_grid = [
            np.average(np.interp(dose - mean, points, density), weights=self._weight) for dose in self._grid
        ]
        ratio = np.interp(self._t, self._grid, at_grid) / own
        self.n_clipped_ = int(np.sum(ratio > self.max_weight))
        self._said: tuple[str, ...] = ()
        if self.n_clipped_:
            text = (
                f"{self.n_clipped_} of {len(ratio)} rows have doses that are more than {self.max_weight:g} "
                "times rarer at their covariates than over all rows; their weights were moved there"
            )
            self._said = (text,)
            warnings.warn(OverlapWarning(text), stacklevel=4)
        return np.asarray(np.minimum(ratio, self.max_weight))

    def _choose_bandwidth(self) -> None:
        """Choose what predicts each row best from the others: exact for a linear smoother."""
        if self.bandwidth is not None:
            self.bandwidth_ = float(self.bandwidth)
            return
        order = np.argsort(self._t, kind="stable")
        inner = order[int(0.05 * len(order)) : int(np.ceil(0.95 * len(order)))]
        rows = inner[np.unique(np.linspace(0, len(inner) - 1, _MOST_CHECKED).astype(int))]
        reach = float(np.ptp(self._t))
        candidates = reach * np.geomspace(0.05, 1.0, _N_CANDIDATES)
        errors = [self._left_out_error(rows, h) for h in candidates]
        self.bandwidth_ = float(candidates[int(np.argmin(errors))])

    def _left_out_error(self, rows: NDArray[np.intp], h: float) -> float:
        try:
            weights = self._weights_at(self._t[rows], h)
        except DataError:  # some row has no neighbours within this width
            return np.inf
        own = weights[np.arange(len(rows)), rows]
        left = self.pseudo_outcome_[rows] - weights @ self.pseudo_outcome_
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = (left / (1 - own)) ** 2
        return float(np.mean(squares)) if np.isfinite(squares).all() else np.inf

    def _weights_at(self, doses: Array, h: float) -> Array:
        """Return the weights of the rows in the local linear fit at each dose."""
        distance = self._t[None, :] - doses[:, None]
        kernel = kernel_weights(distance, h, _KERNEL) * self._weight
        s0, s1, s2 = (np.sum(kernel * distance**power, axis=1) for power in range(3))
        spread = s0 * s2 - s1**2
        if (spread <= 1e-12 * np.maximum(s0, 1e-300) ** 2 * h**2).any():
            bad = doses[int(np.argmin(spread))]
            raise DataError(f"within {h:.4g} of the dose {bad:.4g} are too few rows for a curve")
        return np.asarray(kernel * (s2[:, None] - s1[:, None] * distance) / spread[:, None])

    def curve(self, doses: Any = None, *, alpha: float = 0.05) -> EffectResult:
        """Return the mean outcome at some doses.

        Parameters
        ----------
        doses : array of shape (n_doses,), default=None
            The doses; by default the deciles from the first to the last.
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            With one mean for each dose; `names` are the doses. The difference of two of them has the
            difference of their influences.
        """
        check_is_fitted(self)
        at = np.quantile(self._t, np.arange(1, 10) / 10) if doses is None else doses
        at = np.atleast_1d(np.asarray(at, dtype=np.float64))
        if at.ndim != 1 or not np.isfinite(at).all():
            raise DataError(f"`doses` must be finite and of shape (n_doses,), got shape {at.shape}")
        low, high = float(self._t.min()), float(self._t.max())
        if (at < low).any() or (at > high).any():
            raise DataError(f"`doses` must be among those seen, {low:.4g} to {high:.4g}, got {at.tolist()}")
        weights = self._weights_at(at, self.bandwidth_)
        fits = [self._local_fit(dose) for dose in at]
        if self.bias_correction:
            moments = np.array([row @ (self._t - dose) ** 2 for row, dose in zip(weights, at, strict=True)])
            weights = weights - moments[:, None] * np.array([coefficients[2] for coefficients in fits])
        influences = np.column_stack(
            [self._influence(*parts) for parts in zip(weights, at, fits, strict=True)]
        )
        names = tuple(f"{dose:g}" for dose in at)
        return self._pack(weights @ self.pseudo_outcome_, influences, alpha, "dose-response curve", names)

    def _local_fit(self, dose: float) -> Array:
        """Return the weights that give the coefficients of the local line or, for its bias, of a cubic."""
        order = 3 if self.bias_correction else 1
        distance, near = self._t - dose, f"the dose {dose:.4g}"
        return coefficient_weights(distance, self.bandwidth_, order, _KERNEL, self._weight, near=near)

    def _influence(self, weights: Array, dose: float, coefficients: Array) -> Array:
        powers = np.vander(self._t - dose, len(coefficients), increasing=True)
        residual = self.pseudo_outcome_ - powers @ (coefficients @ self.pseudo_outcome_)
        leverage = np.clip(np.einsum("ij,ji->i", powers, coefficients), 0.0, 0.99)
        own = weights * residual / (1 - leverage)  # as if the row were left out of the fit
        return np.asarray(len(weights) * own + self._of_averaging(weights))

    def _of_averaging(self, weights: Array) -> Array:
        """Return what each row adds by being one of those over which predictions are averaged."""
        place = np.clip(np.searchsorted(self._grid, self._t) - 1, 0, len(self._grid) - 2)
        share = (self._t - self._grid[place]) / (self._grid[place + 1] - self._grid[place])
        on_grid = np.bincount(place, weights * (1 - share), len(self._grid))
        on_grid += np.bincount(place + 1, weights * share, len(self._grid))
        return np.asarray(self._weight * (self._deviation @ on_grid))

    def slope(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the slope of the straight line that is nearest to the curve, over the doses as they are.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The effect of one unit more, averaged. It needs no bandwidth.
        """
        check_is_fitted(self)
        mean = float(np.average(self._t, weights=self._weight))
        centred = self._weight * (self._t - mean)
        weights = centred / np.sum(centred * (self._t - mean))
        slope = float(weights @ self.pseudo_outcome_)
        middle = float(np.average(self.pseudo_outcome_, weights=self._weight))
        residual = self.pseudo_outcome_ - middle - slope * (self._t - mean)
        influence = len(weights) * weights * residual + self._of_averaging(weights)
        return self._pack(slope, influence, alpha, "slope of the dose-response curve", ())

    def _pack(
        self, estimate: Any, influence: Array, alpha: float, what: str, names: tuple[str, ...]
    ) -> EffectResult:
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        se = standard_error(influence, self._cluster)
        se_out = float(se) if np.ndim(se) == 0 else se
        method = f"DoseResponse, {what}"
        ci = limits(estimate, se_out, alpha)
        return EffectResult(estimate, se_out, ci, influence, len(influence), method, self._said, names)
