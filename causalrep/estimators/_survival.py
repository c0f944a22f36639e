"""Effects on times to an event that are censored, with competing events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._censoring import Censoring
from causalrep.estimators._contrast import Contrast
from causalrep.estimators._crossfit import Nuisance, Predicted, cross_fit, make_splits
from causalrep.estimators._data import of_length, read_outcome, read_treatment
from causalrep.estimators._learners import classifier, regressor
from causalrep.estimators._overlap import overlap_of
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.estimators._roles import read_roles
from causalrep.estimators._scores import aipw_score
from causalrep.utils import DataError, PositivityError, RandomState, UnknownNameError, as_seed

__all__ = ["SurvivalEffect"]

Array = NDArray[np.float64]

_MEASURES = ("risk", "time")


class SurvivalEffect(BaseEstimator):  # type: ignore[misc]
    """Estimate the effect of two arms on a time to an event that is not always seen.

    Either on the risk of the event by a horizon, of one cause among several if there are several, or on the
    time without event up to it. It assumes that the covariates block all back-door paths, that both arms
    occur at all their values, and that within an arm, and within `strata` if they are given, the censoring
    has nothing to do with the time of the event.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X with the arm.
    event : str or int, default=None
        The same for what ended the time: 0 is censoring, other whole numbers are causes.
    horizons : float or sequence of float
        When the risk is read off, or up to when time is counted.
    strata : str or int, default=None
        The same for groups whose censoring is estimated apart. They are adjusted for too.
    measure : {"risk", "time"}, default="risk"
        The share of rows with the event by the horizon (the cumulative incidence), or the mean time without
        event up to it.
    cause : int, default=None
        Which event; by default any. Another one is a competing event: after it the cause never comes.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="auto"
        Nuisance models, see `AIPW`; that of the outcome is a regressor.
    min_propensity : float in (0, 0.5), default=0.01
        Propensities are moved into these limits, with a warning.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    pseudo_outcome_ : array of shape (n_samples, n_horizons)
        Outcomes by the horizons, where they are seen, over the probability of being seen; zero elsewhere.
    overlap_ : Overlap
        How comparable the arms are.
    arms_ : array of shape (2,)
        The values of the treatment.

    Raises
    ------
    DataError
        In `fit`: for times that are not positive, for events that are no whole numbers, for a cause that
        never comes.
    PositivityError
        In `fit`: if nobody of an arm or stratum is followed up to a horizon.

    Notes
    -----
    Rows that are seen count for those that are not, by the inverse probability of being uncensored [1]_, a
    Kaplan-Meier estimate; without covariates the mean of an arm is that of Kaplan and Meier, or of Aalen and
    Johansen. These outcomes enter the doubly robust score of `AIPW`. Its influence function has the
    probabilities of censoring as estimated.

    References
    ----------
    .. [1] J. M. Robins, A. Rotnitzky, "Recovery of information and adjustment for dependent censoring using
       surrogate markers", in: AIDS Epidemiology, 1992.
    .. [2] H. Bang, A. A. Tsiatis, "Estimating medical costs with censored data", Biometrika 87, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import SurvivalEffect
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(1500, 1))
    >>> t = (rng.random(1500) < 1 / (1 + np.exp(-w[:, 0]))).astype(int)
    >>> lasts = rng.exponential(np.exp(0.5 * t - 0.5 * w[:, 0]))
    >>> stops = rng.exponential(2.0, size=1500)
    >>> est = SurvivalEffect(horizons=1.0, outcome_model="linear", propensity_model="linear", random_state=0)
    >>> effect = est.fit(w, np.minimum(lasts, stops), treatment=t, event=lasts <= stops).ate()
    >>> bool(effect.ci[1] < 0)
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        event: str | int | None = None,
        *,
        horizons: float | Sequence[float] = 1.0,
        strata: str | int | None = None,
        measure: str = "risk",
        cause: int | None = None,
        outcome_model: Any = "auto",
        propensity_model: Any = "auto",
        min_propensity: float = 0.01,
        cv: Any = 5,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.event = event
        self.horizons = horizons
        self.strata = strata
        self.measure = measure
        self.cause = cause
        self.outcome_model = outcome_model
        self.propensity_model = propensity_model
        self.min_propensity = min_propensity
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, treatment: Any = None, event: Any = None, strata: Any = None
    ) -> SurvivalEffect:
        """Weight the rows that are seen, and fit the nuisances.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Covariates, and the columns that the constructor names.
        y : array of shape (n_samples,)
            Time to the event or to censoring.
        treatment, event, strata : array of shape (n_samples,), default=None
            Arm, what ended the time, and groups of censoring, where the constructor does not name a column.

        Returns
        -------
        SurvivalEffect
            The estimator itself.
        """
        if self.measure not in _MEASURES:
            raise UnknownNameError(self.measure, _MEASURES, what="`measure`")
        given = {"treatment": treatment, "event": event, "strata": strata}
        W, names, roles, _ = read_roles(self, X, given, optional=("strata",))
        time = read_outcome(self, y, len(W))
        if not (time > 0).all():
            raise DataError(f"the times, `y`, must be above 0, got {time.min():.4g}")
        arms = read_treatment(roles["treatment"], len(W), time, "binary", by_keyword=treatment is not None)
        self.arms_, self._t = arms.arms, arms.values
        self._at = np.atleast_1d(np.asarray(self.horizons, dtype=np.float64))
        if self._at.ndim != 1 or not (self._at > 0).all():
            raise DataError(f"`horizons` must be above 0, got {self.horizons}")
        group = self._t.astype(np.intp)
        if "strata" in roles:
            labels = of_length(roles["strata"], len(W), "strata").astype(str)
            levels, coded = np.unique(labels, return_inverse=True)
            group = group + 2 * coded
            W = np.column_stack([W, coded[:, None] == np.arange(1, len(levels))])
        self.covariate_names_in_ = np.array(names, dtype=object)
        self._weigh(time, self._read_event(roles["event"], len(W)), group)
        self._fit_nuisances(W)
        return self

    def _read_event(self, values: NDArray[Any], n: int) -> NDArray[np.intp]:
        raw = of_length(np.asarray(values), n, "event")
        if raw.dtype.kind not in "biuf" or not np.array_equal(raw, np.round(raw)) or (raw < 0).any():
            raise DataError(
                "`event` must be 0 where the time is censored, else the whole number of its cause"
            )
        event = raw.astype(np.intp)
        if self.cause is not None and (self.cause < 1 or not (event == self.cause).any()):
            raise DataError(
                f"`cause` must be one of the events, {np.unique(event[event > 0])}, got {self.cause}"
            )
        if self.cause is not None and self.measure == "time":
            raise DataError("the time without event ends with any event; `cause` must be None")
        return event

    def _weigh(self, time: Array, event: NDArray[np.intp], group: NDArray[np.intp]) -> None:
        """Weight outcomes that are seen by the horizons up for those that are not, group by group."""
        self._time, self._censored = time, event == 0
        came = event > 0 if self.cause is None else event == self.cause
        shape = len(time), len(self._at)
        self.pseudo_outcome_ = np.zeros(shape)
        self._until = np.minimum(time[:, None], self._at)
        seen = ~self._censored[:, None] | (time[:, None] >= self._at)
        outcome = came[:, None] & (time[:, None] <= self._at) if self.measure == "risk" else self._until
        self._groups = []
        for code in np.unique(group):
            rows = np.flatnonzero(group == code)
            if time[rows].max() < self._at.max():
                whom = f"arm {np.asarray(self.arms_)[code % 2]}{' of a stratum' if group.max() > 1 else ''}"
                raise PositivityError(
                    f"nobody in {whom} is followed up to {self._at.max():g}; the last time is "
                    f"{time[rows].max():.4g}"
                )
            curve = Censoring.of(time[rows], self._censored[rows], len(time))
            stays = curve.before(self._until[rows].ravel()).reshape(len(rows), -1)
            self.pseudo_outcome_[rows] = np.where(seen[rows], outcome[rows] / stays.clip(1e-300), 0.0)
            self._groups.append((rows, curve))

    def _fit_nuisances(self, W: Array) -> None:
        n, seed = len(self._t), as_seed(self.random_state)
        splits = make_splits(self.cv, n, strata=self._t.astype(np.intp), groups=None, n_rep=1, seed=seed)
        nuisances = {"propensity": Nuisance(classifier(self.propensity_model, W), self._t)}
        for k, arm in np.ndindex(len(self._at), 2):
            target = self.pseudo_outcome_[:, k]
            nuisances[f"outcome {k} {arm}"] = Nuisance(
                regressor(self.outcome_model, W), target, self._t == arm
            )
        found: dict[str, Predicted] = cross_fit(
            nuisances, W, splits, weight=None, n_jobs=self.n_jobs, seed=seed
        )[0]
        raw = found["propensity"].values
        self._e, self.overlap_ = overlap_of(raw, self._t, W, np.ones(n), self.min_propensity)
        self._means = [
            tuple(found[f"outcome {k} {arm}"].values for arm in (0, 1)) for k in range(len(self._at))
        ]

    def ate(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the difference that the second arm makes to all rows.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            For one horizon a number, else one value for each, named by it.
        """
        return self._effect("ate", alpha)

    def att(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the difference that the second arm makes to the rows that have it.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            For one horizon a number, else one value for each, named by it.
        """
        return self._effect("att", alpha)

    def _effect(self, estimand: str, alpha: float) -> EffectResult:
        check_is_fitted(self)
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        contrast, n = Contrast.of_two(self._t, self._e), len(self._t)
        low, high = contrast.weights(estimand)
        slope = contrast.in1 * high - contrast.in0 * low  # of the score by the outcome of the row
        estimates, influences = np.empty(len(self._at)), np.empty((n, len(self._at)))
        for k, (mu0, mu1) in enumerate(self._means):
            y = self.pseudo_outcome_[:, k]
            score = aipw_score(estimand, y, contrast, mu0, mu1)
            estimates[k], influence = score.solve(np.ones(n))
            worth = slope / np.mean(score.denominator) * y
            for rows, curve in self._groups:
                influence[rows] += curve.influence(
                    self._time[rows], self._censored[rows], self._until[rows, k], worth[rows], n
                )
            influences[:, k] = influence
        se = standard_error(influences)
        what = "risk" if self.measure == "risk" else "time without event"
        method, said = f"SurvivalEffect, {estimand.upper()} on the {what}", self.overlap_.messages
        if len(self._at) == 1:
            one, error = float(estimates[0]), float(se[0])
            return EffectResult(one, error, limits(one, error, alpha), influences[:, 0], n, method, said)
        names = tuple(f"{at:g}" for at in self._at)
        return EffectResult(estimates, se, limits(estimates, se, alpha), influences, n, method, said, names)
