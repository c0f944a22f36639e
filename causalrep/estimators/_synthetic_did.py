"""Synthetic difference in differences: weights of units and of periods, and a constant between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._panel import Block
from causalrep.estimators._result import EffectResult
from causalrep.estimators._simplex import simplex_least_squares
from causalrep.estimators._synthetic import Solved, SyntheticEstimator
from causalrep.utils import DataError, RandomState, UnknownNameError

__all__ = ["SyntheticDiD"]

Array = NDArray[np.float64]


class SyntheticDiD(SyntheticEstimator):
    """Estimate the effect on treated units by synthetic difference in differences.

    Controls are weighted to go in parallel with the treated before the start, not to be equal to them, and
    the periods before the start are weighted to be like those after it. Where either set of weights does so
    the comparison of both changes is right. It assumes that the others are not affected, and that nobody
    reacts before the start.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X with the state: 1 where and when the unit is treated.
    time, unit : str or int, default=None
        The same for period and unit.
    variance : {"placebo", "jackknife"}, default="placebo"
        Placebos take the controls to vary as the treated do; the jackknife leaves out one unit at a time and
        needs several treated ones.
    n_placebos : int, default=200
        Random sets of placebo units, where several are treated; with one, each control is one.
    random_state : int, Generator, RandomState or None, default=None
        Chance in these sets.

    Attributes
    ----------
    weights_ : array of shape (n_controls,)
        Weights of the controls.
    time_weights_ : array of shape (n_before,)
        Weights of the periods before the start.
    regularisation_ : float
        The zeta of the paper: the penalty on the weights of the controls.
    controls_, treated_ : array
        The units.
    periods_, start_ : array of shape (n_periods,), and the first treated period
        The time.
    observed_, synthetic_ : array of shape (n_periods,)
        Outcomes of the treated, and what they would have been.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for panels with holes, units that start at different times, roles that are missing.

    Notes
    -----
    Algorithm 1 of [1]_, with exact minima; its Algorithms 3 and 4 give the standard errors. Covariates that
    change over time are partialled out of the outcome first, by a regression with effects of units and
    periods on what is not treated.

    References
    ----------
    .. [1] D. Arkhangelsky, S. Athey, D. A. Hirshberg, G. W. Imbens, S. Wager, "Synthetic
       difference-in-differences", American Economic Review 111, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import SyntheticDiD
    >>> rng = np.random.default_rng(0)
    >>> trend = np.cumsum(rng.normal(size=20))
    >>> slope = rng.uniform(0, 2, 12)
    >>> paths = rng.normal(size=(12, 1)) + slope[:, None] * trend + 0.1 * rng.normal(size=(12, 20))
    >>> paths[0] += 10
    >>> paths[0, 15:] += 5
    >>> X = np.array([[i == 0 and t >= 15, t, i] for i in range(12) for t in range(20)], dtype=float)
    >>> result = SyntheticDiD(treatment=0, time=1, unit=2).fit(X, paths.ravel()).att()
    >>> bool(result.ci[0] < 5 < result.ci[1])
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        time: str | int | None = None,
        unit: str | int | None = None,
        *,
        variance: str = "placebo",
        n_placebos: int = 200,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.time = time
        self.unit = unit
        self.variance = variance
        self.n_placebos = n_placebos
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, treatment: Any = None, time: Any = None, unit: Any = None
    ) -> SyntheticDiD:
        """Find the weights of units and periods.

        Parameters
        ----------
        X : data frame, or array of shape (n_rows, n_features)
            The columns that the constructor names, and covariates; one row for each unit and period.
        y : array of shape (n_rows,)
            Outcome.
        treatment, time, unit : array of shape (n_rows,), default=None
            The state of treatment, the period and the unit, where the constructor does not name a column.

        Returns
        -------
        SyntheticDiD
            The estimator itself.
        """
        if self.variance not in ("placebo", "jackknife"):
            raise UnknownNameError(self.variance, ("placebo", "jackknife"), what="`variance`")
        super().fit(X, y, treatment=treatment, time=time, unit=unit)
        self.time_weights_ = self._solved.time
        self.regularisation_ = _zeta(self._panel)
        return self

    def _prepared(self, panel: Block) -> Block:
        if panel.W.shape[2] == 0:
            return panel
        if not np.isfinite(panel.W).all():
            raise DataError("the covariates contain NaN or infinity")
        return Block(_less_covariates(panel), panel.W, panel.treated, panel.n_before)

    def _solve(self, panel: Block) -> Solved:
        y, before = panel.y, panel.n_before
        controls, mean = y[~panel.treated], y[panel.treated].mean(axis=0)
        ridge = _zeta(panel) ** 2 * before
        unit = simplex_least_squares(controls[:, :before].T, mean[:before], ridge=ridge, intercept=True)
        tiny = (1e-6 * _noise(panel)) ** 2 * len(controls)
        late = controls[:, before:].mean(axis=1)
        time = simplex_least_squares(controls[:, :before], late, ridge=tiny, intercept=True)
        return _compared(panel, unit, time)

    def _influence(self) -> Array:
        if self.variance == "placebo":
            return super()._influence()
        return _jackknife(self._panel, self._solved)

    def att(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the effect on the treated units, averaged over the periods since the start.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            `influence` holds placebos, centred and scaled to the standard error, or those of the jackknife,
            one for each unit.
        """
        return super().att(alpha=alpha)


def _compared(panel: Block, unit: Array, time: Array) -> Solved:
    gaps = panel.y[panel.treated].mean(axis=0) - unit @ panel.y[~panel.treated]
    return Solved(unit, time, gaps - time @ gaps[: panel.n_before])


def _noise(panel: Block) -> float:
    """Return the standard deviation of changes from period to period among controls before the start."""
    changes = np.diff(panel.y[~panel.treated, : panel.n_before], axis=1)
    return float(np.std(changes, ddof=1))


def _zeta(panel: Block) -> float:
    n_cells = int(panel.treated.sum()) * (panel.y.shape[1] - panel.n_before)
    return float(n_cells**0.25) * _noise(panel)


def _jackknife(panel: Block, solved: Solved) -> Array:
    """Return pseudo-values with the weights held (Algorithm 3), of shape (n_units, n_periods)."""
    controls = np.flatnonzero(~panel.treated)
    if panel.treated.sum() < 2 or np.max(solved.unit) > 1 - 1e-12:
        raise DataError(
            "the jackknife needs two treated units, and weight on two controls; use variance='placebo'"
        )
    n = len(panel.y)
    left_out = np.empty((n, panel.y.shape[1]))
    for i in range(n):
        keep = np.arange(n) != i
        unit = solved.unit[controls != i]
        part = Block(panel.y[keep], panel.W[keep], panel.treated[keep], panel.n_before)
        left_out[i] = _compared(part, unit / unit.sum(), solved.time).gaps
    return np.asarray((n - 1) * (left_out.mean(axis=0) - left_out))


def _less_covariates(panel: Block) -> Array:
    """Return outcomes less what covariates explain, given effects of units and periods, where untreated."""
    n, n_periods, k = panel.W.shape
    kept = np.ones((n, n_periods), dtype=bool)
    kept[panel.treated, panel.n_before :] = False
    units = np.repeat(np.eye(n), n_periods, axis=0)
    periods = np.tile(np.eye(n_periods), (n, 1))[:, 1:]
    W = panel.W.reshape(-1, k)
    design = np.hstack([W, units, periods])[kept.ravel()]
    coefficients = np.linalg.lstsq(design, panel.y.ravel()[kept.ravel()], rcond=None)[0][:k]
    return np.asarray(panel.y - panel.W @ coefficients)
