"""What synthetic controls share: a block of treated units, weights of the others, and placebos."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._data import read_outcome, read_treatment
from causalrep.estimators._panel import Block, balanced, block_of
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.estimators._roles import read_roles
from causalrep.utils import DataError, as_seed, keyed_generator

__all__ = ["PlaceboTest", "Solved", "SyntheticEstimator"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PlaceboTest:
    """How unusual the treated units are among units that were not treated.

    Parameters
    ----------
    pvalue : float
        Share of all, treated and placebos, whose ratio is as large as that of the treated.
    ratio : float
        Root mean squared gap after the start over that before, of the treated.
    placebo_ratios : array of shape (n_placebos,)
        The same where controls are said to be treated.
    """

    pvalue: float
    ratio: float
    placebo_ratios: Array


@dataclass(frozen=True)
class Solved:
    """Weights, and the gaps that they leave.

    Parameters
    ----------
    unit : array of shape (n_controls,)
        Weights of the controls.
    time : array of shape (n_before,)
        Weights of the periods before the start; zeros where levels are compared.
    gaps : array of shape (n_periods,)
        Treated less synthetic outcome, less the weighted gap before the start.
    """

    unit: Array
    time: Array
    gaps: Array


class SyntheticEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """Base: reads the panel, and tells from placebos how far gaps come about by chance."""

    treatment: Any
    time: Any
    unit: Any
    n_placebos: int
    random_state: Any

    def fit(self, X: Any, y: Any, *, treatment: Any = None, time: Any = None, unit: Any = None) -> Any:
        """Find the weights.

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
        SyntheticEstimator
            The estimator itself.
        """
        given = {"treatment": treatment, "time": time, "unit": unit}
        W, names, roles, _ = read_roles(self, X, given, allow_nan=True)
        outcome = read_outcome(self, y, len(W))
        arms = read_treatment(roles["treatment"], len(W), outcome, "binary", by_keyword=treatment is not None)
        units, self.periods_, order = balanced(roles["unit"], roles["time"], len(W))
        shape = len(units), len(self.periods_)
        panel = block_of(
            outcome[order].reshape(shape),
            W[order].reshape(*shape, -1),
            arms.values[order].reshape(shape),
            self.periods_,
        )
        self.covariate_names_in_ = np.array(names, dtype=object)
        self.controls_, self.treated_ = units[~panel.treated], units[panel.treated]
        self.start_ = self.periods_[panel.n_before]
        self._panel = self._prepared(panel)
        self._seed = as_seed(self.random_state)
        self._placebos: list[Solved] | None = None
        self._solved = self._solve(self._panel)
        self.weights_ = self._solved.unit
        self.observed_ = panel.y[panel.treated].mean(axis=0)
        self.synthetic_ = self.observed_ - self._solved.gaps
        return self

    def _prepared(self, panel: Block) -> Block:
        return panel

    @abstractmethod
    def _solve(self, panel: Block) -> Solved:
        """Return the weights for a block."""

    def _influence(self) -> Array:
        """Return the influence on each gap, of shape (n, n_periods): placebos, scaled to their spread."""
        gaps = np.array([solved.gaps for solved in self._all_placebos()])
        return np.asarray((gaps - gaps.mean(axis=0)) * np.sqrt(len(gaps) - 1))

    def _all_placebos(self) -> list[Solved]:
        if self._placebos is None:
            self._placebos = [self._solve(panel) for panel in self._placebo_blocks()]
        return self._placebos

    def _placebo_blocks(self) -> list[Block]:
        """Return blocks of controls alone: each of them as the treated one, or sets drawn at random."""
        panel = self._panel
        y, W = panel.y[~panel.treated], panel.W[~panel.treated]
        n, n_treated = len(y), int(panel.treated.sum())
        if n < n_treated + 2:
            raise DataError(
                f"placebos need at least {n_treated + 2} controls, got {n}: there is no standard error"
            )
        if n_treated == 1:
            chosen = [np.array([i]) for i in range(n)]
        else:
            if self.n_placebos < 2:
                raise DataError(f"`n_placebos` must be at least 2, got {self.n_placebos}")
            rng = keyed_generator(self._seed, "placebos")
            chosen = [rng.choice(n, n_treated, replace=False) for _ in range(self.n_placebos)]
        return [Block(y, W, np.isin(np.arange(n), rows), panel.n_before) for rows in chosen]

    # --- what is read from it ----------------------------------------------------------------------

    def att(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the effect on the treated units, averaged over the periods since the start.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The standard error is the spread of placebos; `influence` holds these, centred and scaled to it.
        """
        check_is_fitted(self)
        after = slice(self._panel.n_before, None)
        influence = self._influence()[:, after].mean(axis=1)
        return self._pack(self._solved.gaps[after].mean(), influence, alpha, "ATT")

    def effects(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the gap in each period: after the start the effect, before it how well the weights fit.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of each interval.

        Returns
        -------
        EffectResult
            With one value for each period, named by it.
        """
        check_is_fitted(self)
        names = tuple(str(period) for period in self.periods_)
        return self._pack(self._solved.gaps, self._influence(), alpha, "ATT by period", names)

    def placebo_test(self) -> PlaceboTest:
        """Return where the treated stand among placebos, by their gaps after the start over those before.

        Returns
        -------
        PlaceboTest
            With n placebos its p-value is 1 / (n + 1) at the least.
        """
        check_is_fitted(self)
        before = self._panel.n_before

        def ratio(solved: Solved) -> float:
            size = [float(np.sqrt(np.mean(part**2))) for part in np.split(solved.gaps, [before])]
            return size[1] / size[0] if size[0] > 0 else np.inf

        own = ratio(self._solved)
        others = np.array([ratio(solved) for solved in self._all_placebos()])
        return PlaceboTest(float((1 + np.sum(others >= own)) / (1 + len(others))), own, others)

    def _pack(
        self, estimate: Any, influence: Array, alpha: float, what: str, names: tuple[str, ...] = ()
    ) -> EffectResult:
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        se: Any = standard_error(influence)
        if np.ndim(estimate) == 0:
            estimate, se = float(estimate), float(se)
        method = f"{type(self).__name__}, {what}"
        ci = limits(estimate, se, alpha)
        return EffectResult(estimate, se, ci, influence, len(influence), method, self._messages(), names)

    def _messages(self) -> tuple[str, ...]:
        return ()
