"""From a table and a graph to an effect and a report, in one call."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from causalrep.estimators._aipw import AIPW
from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._double_ml import DoubleML
from causalrep.estimators._effect_plan import Plan, checked_graph, plan_of, possible_plans
from causalrep.estimators._effect_report import EffectReport, EffectSet, JointEffectSet, PossibleEffect
from causalrep.estimators._frontdoor import FrontDoor
from causalrep.estimators._joint_effects import joint_effects
from causalrep.estimators._plug_in import PlugIn
from causalrep.estimators._refutation import Refutation
from causalrep.estimators._refute import refute as refute_estimator
from causalrep.estimators._result import EffectResult
from causalrep.estimators._two_stage import TwoStageLeastSquares
from causalrep.estimators.sensitivity import robustness_value
from causalrep.utils import (
    Columns,
    DataError,
    RandomState,
    UnknownNameError,
    as_seed,
    columns_of,
    frame_like,
)

__all__ = ["causal_effect"]

_REFUTERS = ("placebo_treatment", "random_common_cause", "data_subset")
_POSSIBLE = ("optimal", "local")


def causal_effect(
    data: Any,
    *,
    treatment: Hashable | list[Hashable] | list[str],
    outcome: Hashable,
    graph: Any,
    method: Any = "auto",
    refute: bool | str | Sequence[str] = False,
    possible: str = "optimal",
    alpha: float = 0.05,
    random_state: RandomState = None,
) -> EffectReport | EffectSet | JointEffectSet:
    """Return the average effect that a graph identifies from a table, with a report.

    It looks for a set of covariates to adjust for, the one with which estimates vary least where there are
    several; else, for two arms, for a front door, then for any formula if the data are discrete; and last for
    an instrument. It assumes that the graph is right, and what the estimator assumes: with
    an instrument, that the effect is linear. Of an equivalence class of graphs whose members disagree it
    gives the effects of all of them, and the interval that holds whichever is true.

    Several treatments are set together: their joint effects are what one unit more of each does if the others
    are held, in a linear model without hidden common causes, for a DAG or for each member of its class [4]_.

    Parameters
    ----------
    data : data frame
        One row per unit; columns are named like the nodes. Texts become one column for each value but the
        first.
    treatment : hashable or list of hashable
        Node of the graph, or several.
    outcome : hashable
        Node of the graph.
    graph : DAG, ADMG, PDAG, CPDAG, MPDAG, MAG, PAG or networkx.DiGraph
        The causal graph, with latent nodes declared, or the class that it is in.
    method : "auto" or estimator, default="auto"
        With ``"auto"``, `AIPW` for two arms, partially linear `DoubleML` for a dose, `TwoStageLeastSquares`
        for an instrument, `FrontDoor` and `PlugIn`. An estimator that adjusts is cloned and used instead of
        the first two.
    refute : bool, str or sequence of str, default=False
        Refuters to run, see `refute`; ``True`` is a placebo treatment, a random common cause and subsets.
        Each refits everything 20 times.
    possible : {"optimal", "local"}, default="optimal"
        Of a CPDAG, MPDAG or PDAG: whether to adjust for the set with which estimates vary least once the
        parents of the treatment are known, or for those parents alone, which rests on less of the graph.
    alpha : float in (0, 1), default=0.05
        One less the level of the interval.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Returns
    -------
    EffectReport, EffectSet or JointEffectSet
        Print it to read it; `to_html` and `plot` show it. The set is of the graphs of a class, where they
        disagree, and that of joint effects is for several treatments.

    Raises
    ------
    UnknownNameError
        If a name is no node of the graph, or an observed node no column.
    NotIdentifiableError
        If nothing gives the effect, with the witness where there is one; for a class with too many members
        to list.
    DataError
        If the data cannot be used.

    Notes
    -----
    The members of a class of DAGs are told apart by the possible parents of the treatment [1]_, [2]_. Those
    of a PAG are listed, without selection, as in the global version of [3]_; where a member does not
    identify the effect, the set says so and its interval is infinite.

    References
    ----------
    .. [1] M. H. Maathuis, M. Kalisch, P. Bühlmann, "Estimating high-dimensional intervention effects
       from observational data", Annals of Statistics 37, 2009, arXiv:0810.4214.
    .. [2] J. Witte, L. Henckel, M. H. Maathuis, V. Didelez, "On efficient adjustment in causal graphs",
       Journal of Machine Learning Research 21(246), 2020, arXiv:2002.06825.
    .. [3] D. Malinsky, P. Spirtes, "Estimating bounds on causal effects in high-dimensional and possibly
       confounded systems", International Journal of Approximate Reasoning 88, 2017.
    .. [4] P. Nandy, M. H. Maathuis, T. S. Richardson, "Estimating the effect of joint interventions from
       observational data in sparse high-dimensional settings", Annals of Statistics 45, 2017.

    Examples
    --------
    >>> from causalrep.estimators import causal_effect
    >>> from causalrep.scm import SCM
    >>> scm = SCM.from_equations("z = N(0, 1); t ~ Bernoulli(sigmoid(z/2)); y = 2*t + z + N(0, 1)")
    >>> report = causal_effect(scm.sample(2000, random_state=0), treatment="t", outcome="y",
    ...                        graph=scm.graph, random_state=0)
    >>> report.adjustment, round(report.estimate, 1)
    (('z',), 2.0)
    """
    columns = columns_of(data)
    if possible not in _POSSIBLE:
        raise UnknownNameError(possible, _POSSIBLE, what="`possible`")
    local = possible == "local"
    if isinstance(treatment, list):
        if refute or not isinstance(method, str):
            raise DataError("several treatments have a linear model; `method` and `refute` cannot be chosen")
        if len(set(treatment)) < max(len(treatment), 1):
            raise DataError(f"`treatment` must list different nodes, got {treatment}")
        for one in treatment:
            graph = checked_graph(graph, columns, one, outcome)
        return joint_effects(graph, columns, treatment, outcome, local=local, alpha=alpha)
    graph = checked_graph(graph, columns, treatment, outcome)
    refuters = _refuters(refute)
    question = _Question(data, columns, treatment, outcome, method, alpha, as_seed(random_state), graph)
    plan = plan_of(graph, treatment, outcome, columns)
    if plan is not None:
        return question.answer(plan, refuters)
    plans = possible_plans(graph, treatment, outcome, local=local)
    members = tuple(question.possibility(one, refuters) for one in plans)
    return EffectSet(treatment, outcome, type(graph).__name__, members, 1 - alpha)


def _refuters(wanted: bool | str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(wanted, bool):
        return _REFUTERS if wanted else ()
    return (wanted,) if isinstance(wanted, str) else tuple(wanted)


@dataclass(frozen=True)
class _Question:
    """What was asked, of which table."""

    data: Any
    columns: Columns
    treatment: Hashable
    outcome: Hashable
    method: Any
    alpha: float
    seed: int
    graph: Any

    def answer(self, plan: Plan, refuters: Sequence[str]) -> EffectReport:
        """Return what a plan gives."""
        if plan.strategy == "formula":
            return self._by_formula(refuters)
        roles = [self.treatment, *plan.mediators, *([] if plan.instrument is None else [plan.instrument])]
        columns = {name: self.columns[name] for name in (*roles, *plan.given)}
        table = _numeric(columns, kept=(self.treatment,))
        X, y = frame_like(table, like=self.data), self.columns[self.outcome]
        estimator = self._estimator(plan, table).set_params(treatment=str(self.treatment))
        fitted: EffectEstimator = estimator.fit(X, y)
        effect = fitted.ate(alpha=self.alpha)
        robustness = np.nan
        if plan.strategy == "adjustment":
            dof = max(effect.n - len(table) - 1, 1)
            robustness = robustness_value(float(effect.estimate / effect.se), dof)
        refutations = tuple(self._refuted(estimator, X, y, name) for name in refuters)
        return self._report(plan, effect, robustness, fitted, refutations)

    def _by_formula(self, refuters: Sequence[str]) -> EffectReport:
        if refuters:
            raise DataError("there are no refuters for an effect by a formula; `refute` must be False")
        if not isinstance(self.method, str):
            raise DataError("no set adjusts; `method` must be 'auto', which evaluates a formula")
        frame = {name: self.columns[name] for name in self.graph.nodes if name in self.columns}
        fitted = PlugIn(self.graph, self.treatment, self.outcome).fit(frame)
        return self._report(Plan("formula"), fitted.ate(alpha=self.alpha), np.nan, fitted, ())

    def _report(
        self,
        plan: Plan,
        effect: EffectResult,
        robustness: float,
        fitted: Any,
        refutations: tuple[Refutation, ...],
    ) -> EffectReport:
        return EffectReport(
            self.treatment,
            self.outcome,
            plan.strategy,
            plan.given,
            plan.instrument,
            effect,
            _slope(self.columns[self.treatment], self.columns[self.outcome]),
            robustness,
            1 - self.alpha,
            fitted,
            refutations,
            plan.mediators,
        )

    def possibility(self, plan: Plan, refuters: Sequence[str]) -> PossibleEffect:
        """Return what a plan gives for members of a class."""
        if plan.strategy == "adjustment":
            report = self.answer(plan, refuters)
            return PossibleEffect(plan.because, report.effect, report)
        if plan.strategy == "not identified":
            return PossibleEffect(plan.because, None)
        n = len(self.columns[self.outcome])
        return PossibleEffect(
            plan.because, EffectResult(0.0, 0.0, (0.0, 0.0), np.zeros(n), n, "no directed path")
        )

    def _estimator(self, plan: Plan, table: Columns) -> Any:
        if plan.strategy == "adjustment":
            return _adjusting(self.method, self.columns[self.treatment], self.seed)
        if not isinstance(self.method, str):
            what = "the front door" if plan.mediators else f"the instrument {plan.instrument!r}"
            raise DataError(f"no set adjusts; `method` must be 'auto', which uses {what}")
        if plan.mediators:
            given = {str(name) for name in plan.given}
            between = [str(name) for name in table if str(name).partition("=")[0] not in given]
            between.remove(str(self.treatment))
            return FrontDoor(mediator=between, random_state=self.seed)
        return TwoStageLeastSquares(instrument=str(plan.instrument))

    def _refuted(self, estimator: EffectEstimator, X: Any, y: Any, name: str) -> Refutation:
        return refute_estimator(estimator, X, y, method=name, n_repetitions=20, random_state=self.seed)


def _adjusting(method: Any, treatment: NDArray[Any], random_state: RandomState) -> Any:
    if isinstance(method, str):
        if method != "auto":
            raise DataError(f"`method` must be 'auto' or an estimator, got {method!r}")
        two = len(np.unique(treatment)) == 2
        return AIPW(random_state=random_state) if two else DoubleML(random_state=random_state)
    if not isinstance(method, EffectEstimator):
        raise DataError(f"`method` must be 'auto' or an estimator of effects, got {type(method).__name__}")
    estimator = clone(method)
    if "random_state" in estimator.get_params() and estimator.get_params()["random_state"] is None:
        estimator.set_params(random_state=random_state)
    return estimator


def _numeric(columns: Columns, kept: Sequence[Hashable]) -> Columns:
    """Return the columns with texts spread over indicators, but for those that are to stay as they are."""
    result: Columns = {}
    for name, values in columns.items():
        if name in kept or values.dtype.kind in "biuf":
            result[name] = values
            continue
        texts = values.astype(str)
        for level in np.unique(texts)[1:]:
            result[f"{name}={level}"] = (texts == level).astype(np.float64)
    return result


def _slope(treatment: NDArray[Any], outcome: NDArray[Any]) -> float:
    """Return the slope of the outcome on the treatment; two values count as 0 and 1."""
    values, coded = np.unique(treatment, return_inverse=True)
    t = coded.astype(np.float64) if len(values) == 2 else np.asarray(treatment, dtype=np.float64)
    t = t - t.mean()
    return float(t @ np.asarray(outcome, dtype=np.float64) / (t @ t))
