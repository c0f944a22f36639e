"""Synthetic control: a weighted average of untreated units that went as the treated one did before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from causalrep.estimators._panel import Block
from causalrep.estimators._simplex import simplex_least_squares
from causalrep.estimators._synthetic import Solved, SyntheticEstimator
from causalrep.utils import DataError, RandomState, UnknownNameError

__all__ = ["SyntheticControl"]

Array = NDArray[np.float64]


class SyntheticControl(SyntheticEstimator):
    """Estimate the effect on a treated unit by a weighted average of the others.

    The weights are at least zero and add up to one, and make outcomes and covariates before the start as
    those of the treated. It assumes that such weights exist (see the gaps before the start in `effects`),
    that the others are not affected, and that nothing else happened to them or to the treated. Several
    treated units must start together; their average is what is matched.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X with the state: 1 where and when the unit is treated.
    time, unit : str or int, default=None
        The same for period and unit.
    lags : sequence, default=None
        The periods before the start whose outcomes are matched; by default all.
    importance : {"equal", "cv"} or array of shape (n_predictors,), default="equal"
        How predictors count, the lags first, then the covariates by their mean before the start, which are
        scaled to spread as the outcomes do. ``"cv"`` chooses the numbers of the covariates: weights from the
        first half of the periods shall do best in the second.
    n_placebos : int, default=200
        Random sets of placebo units, where several are treated; with one, each control is one.
    random_state : int, Generator, RandomState or None, default=None
        Chance in these sets.

    Attributes
    ----------
    weights_ : array of shape (n_controls,)
        Weights of the controls.
    controls_, treated_ : array
        The units.
    periods_, start_ : array of shape (n_periods,), and the first treated period
        The time.
    observed_, synthetic_ : array of shape (n_periods,)
        Outcomes of the treated, and what they would have been.
    importance_ : array of shape (n_predictors,)
        How predictors count.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for panels with holes, units that start at different times, roles that are missing.

    Notes
    -----
    Where several weights fit equally well, as they can with fewer predictors than controls, one of them is
    returned. Inference is by placebos [1]_: `placebo_test` permutes, the interval of `att` takes the spread
    of placebo effects for that of the estimate. [2]_ measures the predictors in the second half alone once
    ``"cv"`` has chosen; here they are measured in all periods before the start.

    References
    ----------
    .. [1] A. Abadie, A. Diamond, J. Hainmueller, "Synthetic control methods for comparative case studies",
       Journal of the American Statistical Association 105, 2010.
    .. [2] A. Abadie, A. Diamond, J. Hainmueller, "Comparative politics and the synthetic control method",
       American Journal of Political Science 59, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import SyntheticControl
    >>> rng = np.random.default_rng(0)
    >>> paths = np.cumsum(rng.normal(size=(8, 20)), axis=1)
    >>> paths[0] = 0.3 * paths[1] + 0.7 * paths[2]
    >>> paths[0, 15:] += 5
    >>> X = np.array([[i == 0 and t >= 15, t, i] for i in range(8) for t in range(20)], dtype=float)
    >>> est = SyntheticControl(treatment=0, time=1, unit=2).fit(X, paths.ravel())
    >>> est.weights_[:2].round(2).tolist(), round(est.att().estimate, 2)
    ([0.3, 0.7], 5.0)
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        time: str | int | None = None,
        unit: str | int | None = None,
        *,
        lags: Sequence[Any] | None = None,
        importance: Any = "equal",
        n_placebos: int = 200,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.time = time
        self.unit = unit
        self.lags = lags
        self.importance = importance
        self.n_placebos = n_placebos
        self.random_state = random_state

    def _prepared(self, panel: Block) -> Block:
        before = self.periods_[: panel.n_before]
        self._lags = np.arange(panel.n_before)
        if self.lags is not None:
            unknown = [lag for lag in self.lags if lag not in before]
            if unknown:
                raise UnknownNameError(unknown[0], before.tolist(), what="`lags`")
            self._lags = np.flatnonzero(np.isin(before, list(self.lags)))
        if len(self._lags) + panel.W.shape[2] == 0:
            raise DataError("there is nothing to match: `lags` is empty, and X has no covariates")
        if isinstance(self.importance, str):
            if self.importance not in ("equal", "cv"):
                raise UnknownNameError(self.importance, ("equal", "cv"), what="`importance`")
            if self.importance == "cv" and (panel.W.shape[2] == 0 or panel.n_before < 4):
                raise DataError("`importance='cv'` needs covariates, and four periods before the start")
        else:
            given = np.asarray(self.importance, dtype=np.float64)
            n = len(self._lags) + panel.W.shape[2]
            if given.shape != (n,) or not (given >= 0).all() or not given.any():
                raise DataError(f"`importance` must be {n} numbers of at least zero, got {self.importance!r}")
        self.importance_ = self._importance(panel)
        return panel

    def _importance(self, panel: Block) -> Array:
        n_covariates = panel.W.shape[2]
        if not isinstance(self.importance, str):
            return np.asarray(self.importance, dtype=np.float64)
        equal = np.ones(len(self._lags) + n_covariates)
        if self.importance == "equal":
            return equal
        half = panel.n_before // 2
        early = self._lags[self._lags < half]
        predictors = _predictors(panel, early, half)
        later = panel.y[:, half : panel.n_before]

        def loss(logs: Array) -> float:
            weights = _match(predictors, panel.treated, np.append(np.ones(len(early)), np.exp(logs)))
            gap = later[panel.treated].mean(axis=0) - weights @ later[~panel.treated]
            return float(np.mean(gap**2))

        found = minimize(
            loss, np.zeros(n_covariates), method="Nelder-Mead", bounds=[(-12, 12)] * n_covariates
        )
        return np.append(np.ones(len(self._lags)), np.exp(found.x))

    def _solve(self, panel: Block) -> Solved:
        importance = self.importance_ if panel is self._panel else self._importance(panel)
        predictors = _predictors(panel, self._lags, panel.n_before)
        weights = _match(predictors, panel.treated, importance)
        gaps = panel.y[panel.treated].mean(axis=0) - weights @ panel.y[~panel.treated]
        return Solved(weights, np.zeros(panel.n_before), gaps)


def _predictors(panel: Block, lags: NDArray[np.intp], n_before: int) -> Array:
    """Return outcomes at the lags and means of covariates, as an array of shape (n_units, n_predictors)."""
    outcomes = panel.y[:, lags]
    window = panel.W[:, :n_before]
    seen = np.isfinite(window)
    if not seen.any(axis=1).all():
        raise DataError(f"a covariate of a unit has no value in the first {n_before} periods")
    means = np.where(seen, window, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    spread = means.std(axis=0)
    scale = float(panel.y[:, :n_before].std(axis=0).mean())
    scaled = np.divide(means * scale, spread, out=np.zeros_like(means), where=spread > 0)
    return np.hstack([outcomes, scaled])


def _match(predictors: Array, treated: NDArray[np.bool_], importance: Array) -> Array:
    rooted = predictors * np.sqrt(importance)
    return simplex_least_squares(rooted[~treated].T, rooted[treated].mean(axis=0))
