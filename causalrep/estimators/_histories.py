"""Treatments over time, in wide tables: one row per unit, one column for each variable and time."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._data import codes, read_outcome, read_table, read_weight
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.utils import DataError, UnknownNameError, is_frame

__all__ = ["Histories", "LongitudinalEstimator", "Regime"]

Array = NDArray[np.float64]
Regime: TypeAlias = float | Sequence[float] | Callable[[int, dict[Hashable, Array]], Any]


@dataclass(frozen=True)
class Histories:
    """What is known of each unit before each treatment.

    Parameters
    ----------
    treatments : array of shape (n, n_times)
        The treatments as numbers.
    names : tuple of hashable
        Their names.
    blocks : tuple of array of shape (n, n_covariates of the time)
        What was measured after the treatment before, and before that of the time.
    block_names : tuple of tuple of hashable
        Names of the covariates.
    y, weight : array of shape (n,)
        Outcome, and weights of mean one.
    fit_weight : array of shape (n,), optional
        The weights as they were given.
    cluster : array of shape (n,), optional
        Clusters.
    """

    treatments: Array
    names: tuple[Hashable, ...]
    blocks: tuple[Array, ...]
    block_names: tuple[tuple[Hashable, ...], ...]
    y: Array
    weight: Array
    fit_weight: Array | None
    cluster: NDArray[np.intp] | None

    @property
    def n_times(self) -> int:
        """Number of treatments."""
        return len(self.blocks)

    def before(self, time: int) -> Array:
        """Return all covariates up to a time and the treatments before it, of shape (n, n_columns)."""
        return np.column_stack([*self.blocks[: time + 1], self.treatments[:, :time]])

    def of_regime(self, regime: Regime) -> Array:
        """Return the treatments that a regime gives at each time, to units with their histories."""
        if callable(regime):
            columns = [np.asarray(self._decided(regime, time), dtype=float) for time in range(self.n_times)]
            given = np.column_stack([np.broadcast_to(column, (len(self.y),)) for column in columns])
        else:
            values = np.asarray(regime, dtype=np.float64)
            if values.shape not in ((), (self.n_times,)):
                raise DataError(
                    f"a regime must be a number, {self.n_times} numbers or a function, got shape "
                    f"{values.shape}"
                )
            given = np.broadcast_to(values, self.treatments.shape)
        if not np.isfinite(given).all():
            raise DataError("a regime must give finite treatments")
        return np.asarray(given, dtype=np.float64)

    def _decided(self, regime: Callable[[int, dict[Hashable, Array]], Any], time: int) -> Any:
        known: dict[Hashable, Array] = {}
        for block, names in zip(self.blocks[: time + 1], self.block_names, strict=False):
            known |= dict(zip(names, block.T, strict=True))
        return regime(time, known | dict(zip(self.names[:time], self.treatments.T, strict=False)))


class LongitudinalEstimator(BaseEstimator):  # type: ignore[misc]
    """Base: reads histories, and turns what a subclass says of regimes into results."""

    treatments: Any
    covariates: Any
    _is_binary = False

    def fit(self, X: Any, y: Any, *, cluster: Any = None, sample_weight: Any = None) -> Any:
        """Read the histories, and fit what does not depend on a regime.

        Parameters
        ----------
        X : data frame, or array of shape (n_units, n_columns)
            One row per unit. Columns that the constructor does not name are covariates from before the
            first treatment.
        y : array of shape (n_units,)
            Outcome after the last treatment.
        cluster : array of shape (n_units,), default=None
            Units of one cluster may depend on each other; standard errors allow for it.
        sample_weight : array of shape (n_units,), default=None
            Weights of the units.

        Returns
        -------
        LongitudinalEstimator
            The estimator itself.
        """
        treatments = _columns_in_time(self.treatments, X, "treatments")
        W, names, roles = read_table(self, X, {"treatments": treatments}, reset=True, allow_nan=False)
        taken = np.asarray(roles["treatments"], dtype=np.float64).reshape(len(W), -1)
        if not np.isfinite(taken).all():
            raise DataError("`treatments` contain NaN or infinity")
        outcome = read_outcome(self, y, len(W))
        for column, name in zip(taken.T, treatments, strict=True):
            if np.ptp(column) == 0:
                raise DataError(f"there is no overlap: the treatment {name!r} is {column[0]:g} in all rows")
            if self._is_binary and not np.isin(column, (0, 1)).all():
                raise DataError(f"two arms were expected: the treatment {name!r} must be 0 or 1")
        blocks, block_names = self._blocks(X, W, names, len(treatments))
        weight, fit_weight = read_weight(sample_weight, len(W))
        groups = None if cluster is None else codes(cluster, len(W), "cluster")
        self._histories = Histories(
            taken, tuple(treatments), blocks, block_names, outcome, weight, fit_weight, groups
        )
        self.covariate_names_in_ = np.array(names, dtype=object)
        self.n_times_ = len(treatments)
        self._fit(self._histories)
        return self

    def _blocks(
        self, X: Any, W: Array, names: Sequence[Hashable], n_times: int
    ) -> tuple[tuple[Array, ...], tuple[tuple[Hashable, ...], ...]]:
        listed = _covariates_in_time(self.covariates, X, n_times)
        known = list(names)
        later = [name for block in listed for name in block]
        for name in later:
            if name not in known:
                raise UnknownNameError(name, known, what="`covariates`")
            if later.count(name) > 1:
                raise DataError(f"`covariates` name {name!r} twice; name it when it was measured")
        first = [name for name in known if name not in later]
        block_names = tuple(tuple([*first, *block] if k == 0 else block) for k, block in enumerate(listed))
        return tuple(W[:, [known.index(name) for name in block]] for block in block_names), block_names

    @abstractmethod
    def _fit(self, histories: Histories) -> None: ...

    @abstractmethod
    def _mean(self, regime: Regime) -> tuple[float, Array]:
        """Return the mean outcome under a regime, and its influence function."""

    def _messages(self) -> tuple[str, ...]:
        return ()

    def mean_outcome(self, regime: Regime, *, alpha: float = 0.05) -> EffectResult:
        """Return the mean outcome if all units followed a regime.

        Parameters
        ----------
        regime : float, sequence of float or callable
            The treatment at all times, or at each; or a function of the time, 0, 1, ..., and of a mapping
            of the names of what is known by then to arrays of shape (n_units,), to the treatments.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The mean.
        """
        check_is_fitted(self)
        mean, influence = self._mean(regime)
        return self._pack(mean, influence, alpha, "mean outcome under a regime")

    def ate(self, treated: Regime = 1.0, control: Regime = 0.0, *, alpha: float = 0.05) -> EffectResult:
        """Return the difference of the mean outcomes under two regimes.

        Parameters
        ----------
        treated, control : float, sequence of float or callable
            The regimes, see `mean_outcome`; by default always and never.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The effect.
        """
        check_is_fitted(self)
        (mean1, influence1), (mean0, influence0) = self._mean(treated), self._mean(control)
        return self._pack(mean1 - mean0, influence1 - influence0, alpha, "effect of a regime")

    def _pack(
        self, estimate: Any, influence: Array, alpha: float, what: str, names: tuple[str, ...] = ()
    ) -> EffectResult:
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        se = standard_error(influence, self._histories.cluster)
        se_out = float(se) if np.ndim(se) == 0 else se
        method = f"{type(self).__name__}, {what}"
        ci = limits(estimate, se_out, alpha)
        return EffectResult(estimate, se_out, ci, influence, len(influence), method, self._messages(), names)


def _columns_in_time(wanted: Any, X: Any, what: str) -> list[Any]:
    """Return the columns that a list or a pattern such as ``"a_{t}"`` names, in the order of time."""
    if wanted is None:
        raise DataError(f"`{what}` are missing: name their columns in the order of time, or 'name_{{t}}'")
    if not isinstance(wanted, str):
        found = list(wanted)
        if not found:
            raise DataError(f"`{what}` must name at least one column")
        return found
    if "{t}" not in wanted:
        return [wanted]
    return [name for _, name in sorted(_matches(wanted, X, what))]


def _matches(pattern: str, X: Any, what: str) -> list[tuple[int, str]]:
    if not is_frame(X):
        raise DataError(f"`{what}` is the pattern {pattern!r}, but X has no names; list the positions")
    before, after = (re.escape(part) for part in pattern.split("{t}", 1))
    names = [str(name) for name in X.columns]
    found = [
        (int(match[1]), name) for name in names if (match := re.fullmatch(f"{before}(\\d+){after}", name))
    ]
    if not found:
        raise UnknownNameError(pattern, names, what=f"`{what}`")
    return found


def _covariates_in_time(wanted: Any, X: Any, n_times: int) -> list[list[Any]]:
    """Return for each time the covariates measured before its treatment."""
    if wanted is None:
        return [[] for _ in range(n_times)]
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    if patterns and all(isinstance(one, str) and "{t}" in one for one in patterns):
        matched = [pair for pattern in patterns for pair in _matches(pattern, X, "covariates")]
        times = sorted({time for time, _ in matched})
        listed: list[list[Any]] = [[name for time, name in matched if time == one] for one in times]
    else:
        listed = [[one] if isinstance(one, (str, int)) else list(one) for one in patterns]
    if len(listed) != n_times:
        raise DataError(
            f"`covariates` must have one list for each of {n_times} treatments, got {len(listed)}"
        )
    return listed
