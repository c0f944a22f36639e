"""Staggered adoption: one effect for each group and period, and sound ways to average them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._aipw import AIPW
from causalrep.estimators._data import codes, read_outcome, read_weight
from causalrep.estimators._did_improved import METHODS, improved_score
from causalrep.estimators._panel import balanced
from causalrep.estimators._result import (
    EffectResult,
    cluster_sums,
    limits,
    simultaneous_level,
    standard_error,
)
from causalrep.estimators._roles import read_roles
from causalrep.utils import DataError, RandomState, UnknownNameError, as_generator

__all__ = ["GroupTimeDiD", "weighted_by_size"]

Array = NDArray[np.float64]

_KINDS = ("simple", "event", "group", "calendar")


class GroupTimeDiD(BaseEstimator):  # type: ignore[misc]
    """Estimate effects of a treatment that units take up at different times and keep.

    For every group of units that start together and every period, the change since the last period before
    their start is compared with that of units that are not treated. Regressions with effects of units and
    periods compare with treated units too, and can have the wrong sign. It assumes parallel trends, at equal
    covariates, and that nobody reacts before the start.

    Parameters
    ----------
    group : str or int
        Name or position of the column of X with the first treated period of the unit; 0, NaN or infinity is
        never.
    time : str or int
        The same for the period.
    unit : str or int
        The same for the unit, seen once in each period.
    control : {"never", "not_yet"}, default="never"
        Who is compared with: units never treated, or also those treated later than both periods.
    method : {"cross_fit", "improved"}, default="cross_fit"
        How covariates are adjusted for, see `DifferenceInDifferences`.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="linear"
        Nuisance models, where there are other columns; see `AIPW`.
    cv : int, default=5
        Folds of the units.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds, models and simultaneous bands.

    Attributes
    ----------
    groups_, periods_ : array
        The starts that are after the first period, and the periods.
    n_units_ : int
        Number of units.

    Raises
    ------
    DataError
        In `fit`: for unbalanced panels, for groups that change, where nobody is left to compare with.

    Notes
    -----
    Before the start, each period is compared with the one before it. The influence functions have the shares
    of the groups as estimated.

    References
    ----------
    .. [1] B. Callaway, P. H. C. Sant'Anna, "Difference-in-differences with multiple time periods", Journal of
       Econometrics 225, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import GroupTimeDiD
    >>> rng = np.random.default_rng(0)
    >>> start = rng.choice([0, 2, 3], 300)
    >>> X = np.array([[g, t, i] for i, g in enumerate(start) for t in (1, 2, 3)], dtype=float)
    >>> y = (X[:, 0] > 0) * (X[:, 1] >= X[:, 0]) * 2 + X[:, 1] + 0.1 * rng.normal(size=900)
    >>> round(GroupTimeDiD(group=0, time=1, unit=2).fit(X, y).aggregate().estimate, 1)
    2.0
    """

    def __init__(
        self,
        group: str | int | None = None,
        time: str | int | None = None,
        unit: str | int | None = None,
        *,
        control: str = "never",
        method: str = "cross_fit",
        outcome_model: Any = "linear",
        propensity_model: Any = "linear",
        cv: int = 5,
        random_state: RandomState = None,
    ) -> None:
        self.group = group
        self.time = time
        self.unit = unit
        self.control = control
        self.method = method
        self.outcome_model = outcome_model
        self.propensity_model = propensity_model
        self.cv = cv
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        time: Any = None,
        unit: Any = None,
        cluster: Any = None,
        sample_weight: Any = None,
    ) -> GroupTimeDiD:
        """Estimate all effects by group and period.

        Parameters
        ----------
        X : data frame, or array of shape (n_rows, n_features)
            Group, time, unit and covariates, which are taken from the period before.
        y : array of shape (n_rows,)
            Outcome.
        time, unit : array of shape (n_rows,), default=None
            Period and unit, where the constructor does not name their columns.
        cluster : array of shape (n_rows,), default=None
            Units of one cluster may depend on each other: standard errors and bands allow for it.
        sample_weight : array of shape (n_rows,), default=None
            Weights of the units, the same in all rows of a unit.

        Returns
        -------
        GroupTimeDiD
            The estimator itself.
        """
        if self.control not in ("never", "not_yet"):
            raise UnknownNameError(self.control, ("never", "not_yet"), what="`control`")
        if self.method not in METHODS:
            raise UnknownNameError(self.method, METHODS, what="`method`")
        given = {"group": None, "time": time, "unit": unit, "cluster": cluster}
        W, _, roles, _ = read_roles(self, X, given, optional=("cluster",))
        weight, _ = read_weight(sample_weight, len(W))
        self._read_panel(W, read_outcome(self, y, len(W)), roles, weight)
        self._cells = [(g, t) for g in self.groups_ for t in self.periods_[1:]]
        solved = [self._effect(g, t) for g, t in self._cells]
        self._estimates = np.array([estimate for estimate, _ in solved])
        self._influence = np.column_stack([influence for _, influence in solved])
        return self

    def _read_panel(self, W: Array, y: Array, roles: dict[str, NDArray[Any]], weight: Array) -> None:
        start = np.asarray(roles["group"], dtype=np.float64)
        start = np.where(np.isfinite(start) & (start != 0), start, np.inf)
        time = np.asarray(roles["time"], dtype=np.float64)
        units, self.periods_, order = balanced(roles["unit"], time, len(y))
        n, n_periods = len(units), len(self.periods_)
        starts = start[order].reshape(n, n_periods)
        if (starts != starts[:, :1]).any():
            raise DataError("`group`, the first treated period, must be the same in all rows of a unit")
        weights = weight[order].reshape(n, n_periods)
        if not np.allclose(weights, weights[:, :1]):
            raise DataError("`sample_weight` must be the same in all rows of a unit")
        self._start = starts[:, 0]
        self._cluster: NDArray[np.intp] | None = None
        kept = self._start > self.periods_[0]  # units treated from the first period on have no change to show
        self._y = y[order].reshape(n, n_periods)[kept]
        self._W = W[order].reshape(n, n_periods, -1)[kept]
        self._start = self._start[kept]
        self._weight = weights[kept, 0] / max(weights[kept, 0].mean(), np.finfo(float).tiny)
        self.n_units_ = int(kept.sum())
        if "cluster" in roles:
            clusters = np.unique(roles["cluster"].astype(str), return_inverse=True)[1][order].reshape(n, -1)
            if (clusters != clusters[:, :1]).any():
                raise DataError("`cluster` must be the same in all rows of a unit")
            self._cluster = codes(clusters[kept, 0], self.n_units_, "cluster")
        found = np.unique(self._start)
        self.groups_ = found[found <= self.periods_[-1]]
        if not len(self.groups_):
            raise DataError("no unit starts within the periods seen, after the first")

    def _effect(self, g: float, t: float) -> tuple[float, Array]:
        before = self.periods_[self.periods_ < (g if t >= g else t)][-1]
        at, base = (int(np.searchsorted(self.periods_, when)) for when in (t, before))
        change = self._y[:, at] - self._y[:, base]
        treated = self._start == g
        other = np.isinf(self._start)
        if self.control == "not_yet":
            other = (self._start > max(t, before)) & ~treated
        if not (other * self._weight).any():
            raise DataError(f"nobody is left to compare group {g:g} with in period {t:g}")
        W = self._W[:, min(at, base)]
        if W.shape[1] == 0:
            return _difference(change, treated * self._weight, other * self._weight)
        rows = (treated | other) & (self._weight > 0)
        if self.method == "improved":
            weight = self._weight[rows] / self._weight[rows].mean()
            score = improved_score(W[rows], change[rows], treated[rows].astype(float), weight)
            return self._spread(*score.solve(weight), rows)
        inner = AIPW(
            outcome_model=self.outcome_model,
            propensity_model=self.propensity_model,
            cv=self.cv,
            random_state=self.random_state,
        )
        weight = None if np.ptp(self._weight[rows]) == 0 else self._weight[rows]
        result = inner.fit(W[rows], change[rows], treatment=treated[rows], sample_weight=weight).att()
        return self._spread(float(result.estimate), result.influence, rows)

    @staticmethod
    def _spread(estimate: float, influence: Array, rows: NDArray[np.bool_]) -> tuple[float, Array]:
        """Return an influence function of some rows as one of all."""
        whole = np.zeros(len(rows))
        whole[rows] = influence * len(rows) / rows.sum()
        return estimate, whole

    # --- effects -----------------------------------------------------------------------------------

    def att_gt(self, *, alpha: float = 0.05, simultaneous: bool = False) -> EffectResult:
        """Return the effect on each group in each period.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the intervals.
        simultaneous : bool, default=False
            Whether all intervals shall hold together at this level.

        Returns
        -------
        EffectResult
            With names ``"group, period"``; before the start the effects are placebos, which should be zero.
        """
        check_is_fitted(self)
        names = tuple(f"{g:g}, {t:g}" for g, t in self._cells)
        return self._pack(
            self._estimates, self._influence, names, alpha, simultaneous, "ATT by group, period"
        )

    def aggregate(
        self, kind: str = "simple", *, alpha: float = 0.05, simultaneous: bool = False
    ) -> EffectResult:
        """Return averages of the effects.

        Parameters
        ----------
        kind : {"simple", "event", "group", "calendar"}, default="simple"
            One average over all treated groups and periods; or one for each number of periods since the
            start, for each group, or for each period, and the average of these (since the start; groups by
            their size), named ``"average"``.
        alpha : float in (0, 1), default=0.05
            One less the level of the intervals.
        simultaneous : bool, default=False
            Whether all intervals shall hold together at this level.

        Returns
        -------
        EffectResult
            One effect if `kind` is ``"simple"``, else several with names.
        """
        check_is_fitted(self)
        if kind not in _KINDS:
            raise UnknownNameError(kind, _KINDS, what="`kind`")
        after = [k for k, (g, t) in enumerate(self._cells) if t >= g]
        if kind == "simple":
            estimate, influence = self._average(after)
            return self._pack(
                np.array([estimate]), influence[:, None], (), alpha, simultaneous, "ATT, simple average"
            )
        places: dict[Hashable, list[int]] = {}
        for k in range(len(self._cells)) if kind == "event" else after:
            g, t = self._cells[k]
            where = {
                "event": float(np.searchsorted(self.periods_, t) - np.searchsorted(self.periods_, g)),
                "group": float(g),
                "calendar": float(t),
            }[kind]
            places.setdefault(where, []).append(k)
        labels = sorted(places, key=lambda label: float(str(label)))
        parts = [self._average(places[label]) for label in labels]
        estimates = np.array([part[0] for part in parts])
        influence = np.column_stack([part[1] for part in parts])
        total, spread = self._overall(kind, labels, estimates, influence)
        return self._pack(
            np.append(estimates, total),
            np.column_stack([influence, spread]),
            (*(f"{label:g}" for label in labels), "average"),
            alpha,
            simultaneous,
            f"ATT by {kind}",
        )

    def _average(self, cells: list[int]) -> tuple[float, Array]:
        """Return the average over cells, by the size of their groups, with its influence function."""
        members = np.column_stack([self._weight * (self._start == self._cells[k][0]) for k in cells])
        return weighted_by_size(members, self._estimates[cells], self._influence[:, cells])

    def _overall(
        self, kind: str, labels: list[Hashable], estimates: Array, influence: Array
    ) -> tuple[float, Array]:
        if kind == "group":
            members = np.column_stack([self._weight * (self._start == label) for label in labels])
            return weighted_by_size(members, estimates, influence)
        chosen = [k for k, label in enumerate(labels) if kind != "event" or float(str(label)) >= 0]
        return float(estimates[chosen].mean()), influence[:, chosen].mean(axis=1)

    def pretrend_test(self) -> float:
        """Return the p-value of the Wald test that all effects before the start are zero.

        Returns
        -------
        float
            A small one speaks against parallel trends; a large one does not prove them.
        """
        check_is_fitted(self)
        before = [k for k, (g, t) in enumerate(self._cells) if t < g]
        if not before:
            raise DataError("there are no two periods before any start; trends cannot be compared")
        estimates, influence = self._estimates[before], self._influence[:, before]
        sums = influence if self._cluster is None else cluster_sums(influence, self._cluster)
        scale = len(sums) / len(influence) ** 2
        covariance = np.cov(sums, rowvar=False).reshape(len(before), -1) * scale
        rank = int(np.linalg.matrix_rank(covariance))
        return float(stats.chi2.sf(estimates @ np.linalg.pinv(covariance) @ estimates, rank))

    def _pack(
        self,
        estimates: Array,
        influence: Array,
        names: tuple[str, ...],
        alpha: float,
        simultaneous: bool,
        what: str,
    ) -> EffectResult:
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        se = standard_error(influence, self._cluster)
        level = alpha
        if simultaneous:
            generator = as_generator(0 if self.random_state is None else self.random_state)
            level = simultaneous_level(influence, alpha, self._cluster, generator)
        method = f"GroupTimeDiD, {what}{', simultaneous' if simultaneous else ''}"
        if not names:
            estimate, error = float(estimates[0]), float(se[0])
            limit = limits(estimate, error, level)
            return EffectResult(
                estimate, error, limit, influence[:, 0], len(influence), method, cluster=self._cluster
            )
        limit = limits(estimates, se, level)
        return EffectResult(estimates, se, limit, influence, len(influence), method, (), names, self._cluster)


def _difference(change: Array, treated: Array, other: Array) -> tuple[float, Array]:
    """Return the difference of the means of two groups, given by the weights of their rows."""
    means = np.average(change, weights=treated), np.average(change, weights=other)
    influence = treated * (change - means[0]) / treated.mean() - other * (change - means[1]) / other.mean()
    return float(means[0] - means[1]), influence


def weighted_by_size(members: Array, estimates: Array, influence: Array) -> tuple[float, Array]:
    """Return an average by the estimated shares of groups, with its influence function."""
    shares = members.mean(axis=0)
    total = shares.sum()
    theta = float(estimates @ shares / total)
    return theta, (influence @ shares + (members - shares) @ (estimates - theta)) / total
