"""Difference in differences with two groups and two periods."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._aipw import AIPW
from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._data import Sample, Treatment, codes, read_outcome, read_table
from causalrep.estimators._did_cross_sections import cross_section_score
from causalrep.estimators._did_improved import METHODS, improved_score
from causalrep.estimators._scores import LinearScore, Projection, with_intercept
from causalrep.utils import DataError, RandomState, UnknownNameError

__all__ = ["DifferenceInDifferences"]

Array = NDArray[np.float64]


class DifferenceInDifferences(EffectEstimator):
    """Estimate the effect on the treated from their change over time, against the change of the controls.

    It assumes that without treatment both groups, at equal covariates, would have changed by as much
    (parallel trends), and that nobody reacts before the treatment. With `unit` it compares the changes of
    units, doubly robustly where there are covariates. Without, the rows are repeated cross-sections, which
    must come from the same population of groups and covariates in both periods: the outcomes are regressed
    on group, period, their product and covariates, or compared doubly robustly if ``method="improved"``.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment: the group in both periods, or, with
        `unit`, also the state, which is treated in the later period only.
    time : str or int, default=None
        The same for the period, of two values.
    unit : str or int, default=None
        The same for the unit, seen once in each period.
    method : {"cross_fit", "improved"}, default="cross_fit"
        With units and covariates: cross-fitted nuisances of any kind, or linear ones made for each other,
        whose estimation has no influence even if one of them is wrong [1]_. Without units, the default is a
        regression.
    outcome_model, propensity_model : {"auto", "linear"} or estimator, default="linear"
        Nuisance models of changes and groups given covariates, see `AIPW`; for ``"cross_fit"``.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the units.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    n_units_ : int
        Number of units, or of rows where there are none.
    arms_ : array of shape (2,)
        The values of the treatment.
    periods_ : array of shape (2,)
        The values of the period.

    Raises
    ------
    DataError
        In `fit`: for periods that are not two, for units that are not seen once in each.

    Notes
    -----
    With units the score is that of `AIPW.att` on the changes [1]_, or the improved one of its section 3.1;
    covariates are taken from the earlier period. Without units the improved score is the locally efficient
    one of section 3.2, whose treated are regressed too. The regression holds the effect to be the same for
    all covariates, and their part in the outcome the same in all four cells.

    References
    ----------
    .. [1] P. H. C. Sant'Anna, J. Zhao, "Doubly robust difference-in-differences estimators", Journal of
       Econometrics 219, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import DifferenceInDifferences
    >>> X = np.array([[g, t] for g in (0, 1) for t in (0, 1) for _ in range(3)])
    >>> y = 5 * X[:, 0] + 2 * X[:, 1] + 3 * X[:, 0] * X[:, 1] + np.tile([-1, 0, 1], 4)
    >>> round(DifferenceInDifferences(treatment=0, time=1).fit(X, y).att().estimate, 6)
    3.0
    """

    _uses = ("treatment", "time", "unit", "cluster")
    _needs = ("treatment", "time")
    _nuisances = ("outcome_model", "propensity_model")
    _estimands = ("att",)

    def __init__(
        self,
        treatment: str | int | None = None,
        time: str | int | None = None,
        unit: str | int | None = None,
        *,
        method: str = "cross_fit",
        outcome_model: Any = "linear",
        propensity_model: Any = "linear",
        cv: Any = 5,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.time = time
        self.unit = unit
        self.method = method
        self.outcome_model = outcome_model
        self.propensity_model = propensity_model
        self.cv = cv
        self.random_state = random_state

    def _treatment_kind(self) -> str:
        return "binary"

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:  # noqa: ARG002
        if self.method not in METHODS:
            raise UnknownNameError(self.method, METHODS, what="`method`")
        self.periods_ = np.unique(roles["time"])
        if len(self.periods_) != 2:
            raise DataError(
                f"`time` must have two values, got {len(self.periods_)}; GroupTimeDiD takes more periods"
            )
        later = np.asarray(roles["time"] == self.periods_[1])
        self._inner: AIPW | None = None
        if "unit" in roles:
            sample = self._changes(sample, later, codes(roles["unit"], len(later), "unit"))
            self._sample = sample
            self._inner = self._changes_model(sample)
        elif self.method == "improved":
            self._score_of_rows = cross_section_score(sample.W, sample.y, sample.t, later, sample.weight)
        else:
            residual_y, residual_d = _interaction_residuals(
                sample.W, sample.y, sample.t, later, sample.weight
            )
            self._score_of_rows = LinearScore(residual_y * residual_d, residual_d**2)
        self.n_units_ = len(sample.y)

    def _changes(self, sample: Sample, later: NDArray[np.bool_], unit: NDArray[np.intp]) -> Sample:
        """Return one row per unit: its change, its group, and its covariates before."""
        n = int(unit.max()) + 1
        counts = [np.bincount(unit[rows], minlength=n) for rows in (~later, later)]
        if not all((count == 1).all() for count in counts):
            raise DataError("each `unit` must be seen exactly once in each period")
        before, after = (np.flatnonzero(rows) for rows in (~later, later))
        before, after = before[np.argsort(unit[before])], after[np.argsort(unit[after])]
        group = np.maximum(sample.t[before], sample.t[after])
        if np.ptp(group) == 0:
            raise DataError("there is no overlap: all units are in one group")
        weight = sample.weight[before]
        return Sample(
            sample.W[before],
            sample.y[after] - sample.y[before],
            group,
            weight / weight.mean(),
            None if sample.fit_weight is None else sample.fit_weight[before],
            None if sample.cluster is None else sample.cluster[before],
            sample.names,
        )

    def _changes_model(self, sample: Sample) -> AIPW | None:
        if sample.W.shape[1] == 0:  # nothing to model: a difference of two means
            share = float(np.average(sample.t, weights=sample.weight))
            means = [np.average(sample.y, weights=sample.weight * arm) for arm in (1 - sample.t, sample.t)]
            influence = sample.t / share * (sample.y - means[1])
            influence -= (1 - sample.t) / (1 - share) * (sample.y - means[0])
            self._score_of_rows = LinearScore(
                influence + sample.t / share * (means[1] - means[0]), sample.t / share
            )
            return None
        if self.method == "improved":
            self._score_of_rows = improved_score(sample.W, sample.y, sample.t, sample.weight)
            return None
        inner = AIPW(
            outcome_model=self.outcome_model,
            propensity_model=self.propensity_model,
            cv=self.cv,
            random_state=self.random_state,
        )
        cluster = sample.cluster
        return inner.fit(  # type: ignore[no-any-return]
            sample.W, sample.y, treatment=sample.t, cluster=cluster, sample_weight=sample.fit_weight
        )

    def _scores(self, estimand: str) -> list[LinearScore]:  # noqa: ARG002
        return [self._score_of_rows] if self._inner is None else self._inner._scores("att")

    def _messages(self) -> tuple[str, ...]:
        return () if self._inner is None else self._inner._messages()

    def _projected_by(self, estimand: str, features: Array) -> Projection:  # noqa: ARG002
        return super()._projected_by("att", features)

    def _center(self, W: Array) -> tuple[Array, Array]:
        design, sample = with_intercept(self._sample.W), self._sample
        means = np.linalg.lstsq(design, np.column_stack([sample.y, sample.t]), rcond=None)[0]
        values = with_intercept(W) @ means
        return values[:, 0], values[:, 1]

    def score(self, X: Any, y: Any, *, treatment: Any = None, sample_weight: Any = None) -> float:
        """Return the negative R-loss, after group, period and covariates are partialled out of the rows.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`, among them the period.
        y : array of shape (n_rows,)
            Outcome.
        treatment : array of shape (n_rows,), default=None
            The group, where the constructor does not name its column.
        sample_weight : array of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Larger is better.
        """
        named = self._named_roles({"treatment": treatment}, needs=("treatment",))
        if "time" not in named:
            raise DataError("`score` needs the period as a column of X that the constructor names")
        W, _, roles = read_table(self, X, named, reset=False, allow_nan=False)
        outcome = read_outcome(self, y, len(W))
        t = self._coded(np.asarray(roles.get("treatment", treatment)))
        weight = np.ones(len(W)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        later = np.asarray(roles["time"] == self.periods_[1])
        residual_y, residual_d = _interaction_residuals(W, outcome, t, later, weight)
        return -float(np.average((residual_y - self._predict(W) * residual_d) ** 2, weights=weight))


def _interaction_residuals(
    W: Array, y: Array, group: Array, later: NDArray[np.bool_], weight: Array
) -> tuple[Array, Array]:
    """Return outcome, and product of group and period, less what group, period and covariates explain."""
    product = group * later
    design = np.column_stack([np.ones(len(y)), group, later, W])
    root = np.sqrt(weight)[:, None]
    both = np.column_stack([y, product])
    left = both - design @ np.linalg.lstsq(design * root, both * root, rcond=None)[0]
    if np.max(np.abs(left[:, 1])) < 1e-10:
        raise DataError("group and period do not vary apart: `treatment` must be the group in both periods")
    return left[:, 0], left[:, 1]
