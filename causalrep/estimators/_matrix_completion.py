"""Matrix completion: what treated units would have been, as cells of a panel that are not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._data import read_outcome, read_treatment
from causalrep.estimators._nuclear import additive_fit, complete, largest_penalty
from causalrep.estimators._panel import balanced
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.estimators._roles import read_roles
from causalrep.utils import DataError, RandomState, as_seed, keyed_generator

__all__ = ["MatrixCompletion"]

Array = NDArray[np.float64]
Seen = NDArray[np.bool_]

_N_PENALTIES = 15
_SMALLEST_SHARE = 0.01
_TRIES = 200


class MatrixCompletion(BaseEstimator):  # type: ignore[misc]
    """Estimate the effect on treated units by completing the panel of outcomes without treatment.

    The outcomes of treated cells are taken out, and predicted by effects of units and periods plus a matrix
    of low rank: a few factors that move all units, each in its own way. Units may start at different times,
    and stop. It assumes that the factors of treated units are those of the others, that outcomes depend on
    the treatment of the same cell alone, and that who is treated when has nothing to do with what is left.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X with the state: 1 where and when the unit is treated.
    time, unit : str or int, default=None
        The same for period and unit.
    penalty : float of at least 0, default=None
        Weight of the nuclear norm against the mean of squares. By default that with the smallest error when
        cells that are seen are left out.
    cv : int, default=5
        Number of random sets of cells that choose it.
    n_placebos : int, default=100
        Random sets of controls that are given the states of the treated, for the standard error.
    random_state : int, Generator, RandomState or None, default=None
        Chance in both.

    Attributes
    ----------
    penalty_ : float
        The penalty.
    rank_ : int
        Rank of the matrix.
    units_, periods_ : array
        The rows and the columns of the panel.
    counterfactual_ : array of shape (n_units, n_periods)
        The panel without treatment; where nobody is treated it is a fit.
    observed_, synthetic_ : array of shape (n_periods,)
        Mean outcome of the units that are ever treated, and what it would have been.
    start_ : period
        The first in which somebody is treated.
    controls_, treated_ : array
        Units never treated, and the others.
    penalties_, errors_ : array of shape (n_penalties,)
        The penalties tried, and their mean squared errors.

    Raises
    ------
    DataError
        In `fit`: for panels with holes, for covariates, for a unit that is always treated, or a period
        in which all units are.

    Notes
    -----
    The objective is that of [1]_, section 4, with effects of units and periods that are not penalised. With a
    large penalty nothing but these is left: the imputation estimator of difference in differences. The
    standard error is the spread of placebo effects with the penalty held, as for `SyntheticDiD`.

    References
    ----------
    .. [1] S. Athey, M. Bayati, N. Doudchenko, G. Imbens, K. Khosravi, "Matrix completion methods for causal
       panel data models", Journal of the American Statistical Association 116, 2021, arXiv:1710.10251.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import MatrixCompletion
    >>> rng = np.random.default_rng(0)
    >>> paths = np.outer(rng.normal(size=20), np.arange(12.0)) + 0.1 * rng.normal(size=(20, 12))
    >>> start = np.where(np.arange(20) < 6, 8 + np.arange(20) % 3, 99)    # six units, in periods 8, 9 and 10
    >>> X = np.array([[t >= start[i], t, i] for i in range(20) for t in range(12)], dtype=float)
    >>> est = MatrixCompletion(0, 1, 2, random_state=0).fit(X, paths.ravel() + 3 * X[:, 0])
    >>> found = est.att()
    >>> bool(abs(found.estimate - 3) < 2 * found.se < 1.5)
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        time: str | int | None = None,
        unit: str | int | None = None,
        *,
        penalty: float | None = None,
        cv: int = 5,
        n_placebos: int = 100,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.time = time
        self.unit = unit
        self.penalty = penalty
        self.cv = cv
        self.n_placebos = n_placebos
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, treatment: Any = None, time: Any = None, unit: Any = None
    ) -> MatrixCompletion:
        """Complete the panel.

        Parameters
        ----------
        X : data frame, or array of shape (n_rows, n_features)
            The columns that the constructor names; one row for each unit and period.
        y : array of shape (n_rows,)
            Outcome.
        treatment, time, unit : array of shape (n_rows,), default=None
            The state of treatment, the period and the unit, where the constructor does not name a column.

        Returns
        -------
        MatrixCompletion
            The estimator itself.
        """
        self._check_options()
        given = {"treatment": treatment, "time": time, "unit": unit}
        W, names, roles, _ = read_roles(self, X, given)
        if W.shape[1]:
            raise DataError(f"MatrixCompletion takes no covariates, got {[str(name) for name in names]}")
        outcome = read_outcome(self, y, len(W))
        arms = read_treatment(roles["treatment"], len(W), outcome, "binary", by_keyword=treatment is not None)
        self.units_, self.periods_, order = balanced(roles["unit"], roles["time"], len(W))
        shape = len(self.units_), len(self.periods_)
        self._y = outcome[order].reshape(shape)
        self._state = np.asarray(arms.values[order].reshape(shape) == 1)
        self._check_state()
        self._seed = as_seed(self.random_state)
        self._placebos: list[tuple[Array, Seen]] | None = None
        self._complete()
        return self

    def _check_options(self) -> None:
        if self.penalty is not None and not self.penalty >= 0:
            raise DataError(f"`penalty` must be at least 0, got {self.penalty}")
        for name, least in (("cv", 2), ("n_placebos", 2)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise DataError(f"`{name}` must be an integer of at least {least}, got {value!r}")

    def _check_state(self) -> None:
        for axis, labels, what in ((1, self.units_, "unit"), (0, self.periods_, "period")):
            whole = self._state.all(axis=axis)
            if whole.any():
                raise DataError(
                    f"there is no overlap: in {what} {labels[whole][0]} all cells are treated, and nothing "
                    "tells what they would have been"
                )
        ever = self._state.any(axis=1)
        self.controls_, self.treated_ = self.units_[~ever], self.units_[ever]
        self.start_ = self.periods_[self._state.any(axis=0).argmax()]

    def _complete(self) -> None:
        seen = ~self._state
        scale = seen.sum() / 2  # the mean of squares against half their sum
        additive = additive_fit(self._y, seen)
        self._left = self._y - additive  # whose scale is that of what there is to find
        if self.penalty is None:
            self._choose(seen)
        else:
            self.penalty_ = float(self.penalty)
        found = complete(self._left, seen, self.penalty_ * scale)
        self.counterfactual_ = additive + found.fit
        self.rank_ = int(
            np.linalg.matrix_rank(found.low_rank, tol=1e-8 * max(float(self._left.std()), 1e-300))
        )
        self.n_iter_ = found.n_iter
        ever = self._state.any(axis=1)
        self.observed_, self.synthetic_ = (
            part[ever].mean(axis=0) for part in (self._y, self.counterfactual_)
        )

    def _choose(self, seen: Seen) -> None:
        """Choose the penalty: from large to small, each begins where the one before ended."""
        top = largest_penalty(self._left, seen)
        shares = np.geomspace(1.0, _SMALLEST_SHARE, _N_PENALTIES)
        errors = np.zeros(_N_PENALTIES)
        for k in range(self.cv):
            kept = self._left_in(seen, k)
            out, fit = seen & ~kept, None
            grows = np.sqrt(kept.sum() / seen.sum())  # noise does, like the root of the number of its cells
            for j, share in enumerate(shares):
                size = share * top * grows
                fit = complete(self._left, kept, size, start=fit, tolerance=1e-4).fit
                errors[j] += float(np.mean((self._left - fit)[out] ** 2)) / self.cv
        self.penalties_, self.errors_ = shares * top / (seen.sum() / 2), errors
        self.penalty_ = float(self.penalties_[int(np.argmin(errors))])

    def _left_in(self, seen: Seen, k: int) -> Seen:
        """Return a random set of seen cells, as large a part of them as they are of all."""
        rng = keyed_generator(self._seed, "cells", k)
        rows, columns = np.nonzero(seen)
        share = min(seen.mean(), 1 - 1 / len(rows))
        for _ in range(_TRIES):
            kept = np.zeros_like(seen)
            chosen = rng.choice(len(rows), int(share * len(rows)), replace=False)
            kept[rows[chosen], columns[chosen]] = True
            if kept.any(axis=0).all() and kept.any(axis=1).all():
                return kept
        raise DataError("too few cells are seen to choose `penalty` by leaving some of them out; give it")

    # --- effects -----------------------------------------------------------------------------------

    def att(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the effect on the treated cells, averaged.

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
        estimate = float((self._y - self.counterfactual_)[self._state].mean())
        drawn = np.array([gap[state].mean() for gap, state in self._placebo_gaps()])
        return self._pack(estimate, drawn, alpha, "ATT", ())

    def effects(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the effect in each period in which somebody is treated, on those who are.

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
        some = self._state.any(axis=0)
        estimates = _by_period(self._y - self.counterfactual_, self._state)[some]
        drawn = np.array([_by_period(gap, state)[some] for gap, state in self._placebo_gaps()])
        names = tuple(str(period) for period in self.periods_[some])
        return self._pack(estimates, drawn, alpha, "ATT by period", names)

    def _placebo_gaps(self) -> list[tuple[Array, Seen]]:
        """Return the gaps where controls, drawn at random, are given the states of the treated."""
        ever = self._state.any(axis=1)
        y, states = self._left[~ever], self._state[ever]
        n, n_treated = len(y), len(states)
        if n < n_treated + 2:
            raise DataError(
                f"placebos need at least {n_treated + 2} units that are never treated, got {n}: there is no "
                "standard error"
            )
        if self._placebos is None:
            self._placebos = [
                self._placebo(y, states, k) for k in range(n if n_treated == 1 else self.n_placebos)
            ]
        return self._placebos

    def _placebo(self, y: Array, states: Seen, k: int) -> tuple[Array, Seen]:
        """Return the gaps of controls some of which are given the states; of one, each is it in turn."""
        rng = keyed_generator(self._seed, "placebos", k)
        state = np.zeros(y.shape, dtype=bool)
        state[np.array([k]) if len(states) == 1 else rng.choice(len(y), len(states), replace=False)] = states
        size = self.penalty_ * (~state).sum() / 2
        return y - complete(y, ~state, size, tolerance=1e-4).fit, state

    def _pack(
        self, estimate: Any, drawn: Array, alpha: float, what: str, names: tuple[str, ...]
    ) -> EffectResult:
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        influence = (drawn - drawn.mean(axis=0)) * np.sqrt(len(drawn) - 1)
        se: Any = standard_error(influence)
        if np.ndim(estimate) == 0:
            se = float(se)
        method = f"MatrixCompletion, {what}"
        return EffectResult(
            estimate, se, limits(estimate, se, alpha), influence, len(influence), method, (), names
        )


def _by_period(gaps: Array, state: Seen) -> Array:
    return np.asarray(np.sum(gaps * state, axis=0) / np.maximum(state.sum(axis=0), 1))
