"""Matching with replacement, corrected for what the matches differ in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from causalrep.estimators._balancing_propensity import fitted_propensities
from causalrep.estimators._data import Sample
from causalrep.estimators._learners import fit_model, predict_model
from causalrep.estimators._neighbours import neighbour_means, whitened
from causalrep.estimators._scores import pseudo_score
from causalrep.estimators._weighting import Weighted, WeightingEstimator, count_of, targets
from causalrep.utils import DataError, UnknownNameError, as_seed

__all__ = ["Matching"]

Array = NDArray[np.float64]

_METRICS = ("mahalanobis", "euclidean", "propensity")
_LARGEST_DIFFERENCE = 0.25


class Matching(WeightingEstimator):
    """Estimate average effects by comparing each row with the most similar rows of the other arm.

    Rows are matched with replacement, and with all that are equally near. What the matches still differ in
    is taken out by a linear regression, without which the error does not vanish fast enough for an interval
    where several covariates are continuous [2]_. It assumes that the covariates block all back-door paths,
    and overlap.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    estimand : {"ate", "att", "atc"}, default="ate"
        The effect that `weights_` and `balance_` are for.
    n_matches : int, default=1
        Number of matches of each row.
    metric : {"mahalanobis", "euclidean", "propensity"}, default="mahalanobis"
        Distance of covariates by their covariance, or by their standard deviations alone, or of the
        propensities.
    bias_correction : bool, default=True
        Whether regressions in the matched arms predict what matches differ in.
    n_variance_matches : int, default=2
        Number of neighbours in the same arm that the variance of outcomes given covariates is taken from.
    propensity_model : {"auto"} or classifier, default="auto"
        The model of propensities to match on: logistic regression without penalty, or any other, fitted to
        all rows.
    treatment_type : {"auto", "binary", "continuous"}, default="auto"
        See `AIPW`; a dose is partialled out by least squares.
    random_state : int, Generator, RandomState or None, default=None
        Chance in a propensity model.

    Attributes
    ----------
    weights_ : array of shape (n_samples,)
        Weights that sum to one in each arm: how often a row is a match, or itself in the target.
    balance_ : Balance
        Balance, effective sample sizes and warnings.

    Raises
    ------
    PositivityError
        If an arm has fewer rows than matches are wanted.

    Notes
    -----
    Neighbours are found by a k-d tree, in O(n log n) for few covariates. The standard error has the outcome
    variance given the covariates from neighbours in the same arm ([1]_, theorem 7); the influence function
    is the linear part of the estimator ([3]_, equation 6), scaled to that error. On propensities it takes
    them as known, which for the average effect makes it too wide [4]_.

    References
    ----------
    .. [1] A. Abadie, G. W. Imbens, "Large sample properties of matching estimators for average treatment
       effects", Econometrica 74, 2006.
    .. [2] A. Abadie, G. W. Imbens, "Bias-corrected matching estimators for average treatment effects",
       Journal of Business & Economic Statistics 29, 2011.
    .. [3] T. Otsu, Y. Rai, "Bootstrap inference of matching estimators for average treatment effects",
       Journal of the American Statistical Association 112, 2017.
    .. [4] A. Abadie, G. W. Imbens, "Matching on the estimated propensity score", Econometrica 84, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import Matching
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(500, 2))
    >>> t = (rng.random(500) < 1 / (1 + np.exp(-z[:, 0]))).astype(int)
    >>> y = 2 * t + z[:, 0] + rng.normal(size=500)
    >>> low, high = Matching(n_matches=3).fit(z, y, treatment=t).ate().ci
    >>> bool(low < 2 < high)
    True
    """

    _estimands = ("ate", "att", "atc")

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        estimand: str = "ate",
        n_matches: int = 1,
        metric: str = "mahalanobis",
        bias_correction: bool = True,
        n_variance_matches: int = 2,
        propensity_model: Any = "auto",
        treatment_type: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.treatment = treatment
        self.estimand = estimand
        self.n_matches = n_matches
        self.metric = metric
        self.bias_correction = bias_correction
        self.n_variance_matches = n_variance_matches
        self.propensity_model = propensity_model
        self.treatment_type = treatment_type
        self.random_state = random_state

    def _balanced(self, sample: Sample) -> Array:
        if self.metric not in _METRICS:
            raise UnknownNameError(self.metric, _METRICS, what="`metric`")
        n, n_variance = count_of(self, "n_matches"), count_of(self, "n_variance_matches")
        design = super()._balanced(sample)
        points = self._coordinates(design, sample)
        self._errors: dict[str, float] = {}
        arms = [np.flatnonzero(sample.t == arm) for arm in (0, 1)]
        self._across = {
            arm: neighbour_means(points[arms[1 - arm]], points[arms[arm]], n, sample.weight[arms[1 - arm]])
            for arm in (0, 1)
        }
        self._variances = np.zeros(len(sample.y))
        for rows in arms:
            near = neighbour_means(points[rows], points[rows], n_variance, sample.weight[rows], own=True)
            m = np.diff(near.indptr)
            self._variances[rows] = m / (m + 1) * (sample.y[rows] - near @ sample.y[rows]) ** 2
        return design

    def _coordinates(self, design: Array, sample: Sample) -> Array:
        features = design[:, 1:]
        if features.shape[1] == 0:
            return np.zeros((len(design), 1))
        if self.metric == "mahalanobis":
            return whitened(features, sample.weight)
        if self.metric == "euclidean":
            return features
        if isinstance(self.propensity_model, str):
            if self.propensity_model != "auto":
                raise DataError(
                    f"`propensity_model` must be 'auto' or a classifier, got {self.propensity_model!r}"
                )
            return fitted_propensities("logistic", design, sample).e[:, None]
        if not is_classifier(self.propensity_model):
            raise DataError(
                f"`propensity_model` must be a classifier, got {type(self.propensity_model).__name__}"
            )
        seed = as_seed(self.random_state)
        model = fit_model(self.propensity_model, sample.W, sample.t, sample.fit_weight, seed)
        return predict_model(model, sample.W)[:, None]

    def _weigh(self, estimand: str) -> Weighted:
        sample, target = self._sample, targets(estimand, self._sample.t)
        base = sample.weight * target
        uses, squares = np.zeros(
            (2, len(target))
        )  # how often a row is a match, and the sum of squared shares
        arms = [np.flatnonzero(sample.t == arm) for arm in (0, 1)]
        for arm, matrix in self._across.items():
            uses[arms[1 - arm]] = matrix.T @ base[arms[arm]]
            squares[arms[1 - arm]] = (matrix * matrix).T @ base[arms[arm]] ** 2
        mu = self._regressions(uses)
        other = np.zeros(len(target))
        for arm, matrix in self._across.items():
            rows, pool = arms[arm], arms[1 - arm]
            model = mu[1 - arm] if self.bias_correction else np.zeros(len(target))
            other[rows] = matrix @ (sample.y - model)[pool] + model[rows]
        sign = 2 * sample.t - 1
        effects, total = sign * (sample.y - other), float(base.sum())
        theta = float(base @ effects / total)
        weight = base + uses
        spread = base**2 @ (effects - theta) ** 2
        spread += (weight**2 - base * sample.weight - squares) @ self._variances
        own = np.where(sample.t == 1, mu[1], mu[0])
        counts = np.divide(weight, sample.weight, out=np.zeros_like(weight), where=sample.weight > 0)
        linear = target * (mu[1] - mu[0] - theta) + sign * counts * (sample.y - own)
        linear = (linear - np.average(linear, weights=sample.weight)) * len(target) / total
        self._errors[estimand] = float(np.sqrt(np.maximum(spread, 0.0)) / total)
        return Weighted(weight / total, pseudo_score(theta, linear))

    def _regressions(self, uses: Array) -> tuple[Array, Array]:
        """Return the predictions of regressions in both arms, by how often their rows are matches."""
        sample, design = self._sample, self._features
        fits = []
        for arm in (0, 1):
            weight = np.sqrt(uses * (sample.t == arm))
            if not weight.any():  # nobody of this arm is a match: all its outcomes are seen
                weight = np.sqrt(sample.weight * (sample.t == arm))
            beta = np.linalg.lstsq(design * weight[:, None], sample.y * weight, rcond=1e-10)[0]
            fits.append(design @ beta)
        return fits[0], fits[1]

    def _fields(self, weighted: Weighted) -> dict[str, Any]:
        fields = super()._fields(weighted)
        left = np.abs(fields["difference_after"])
        if left.size and left.max() > _LARGEST_DIFFERENCE:
            worst = fields["names"][int(left.argmax())]
            text = (
                f"the matches are not alike: the means of {worst!r} still differ by {left.max():.2g} "
                "standard deviations, and the regression has to make up for it"
            )
            fields["messages"] = (*fields["messages"], text)
        return fields

    def _combined(self, estimand: str, mask: NDArray[np.bool_] | None = None) -> tuple[float, Array, float]:
        theta, influence, se = super()._combined(estimand, mask)
        if not self._is_binary or mask is not None or self._sample.cluster is not None:
            return theta, influence, se
        own = self._errors[estimand]
        return theta, influence * (own / se if se > 0 else 1.0), own
