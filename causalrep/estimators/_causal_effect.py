"""From a table and a graph to an effect and a report, in one call."""

from __future__ import annotations

import html
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from causalrep.estimators._aipw import AIPW
from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._double_ml import DoubleML
from causalrep.estimators._result import EffectResult
from causalrep.estimators._two_stage import TwoStageLeastSquares
from causalrep.estimators.sensitivity import robustness_value
from causalrep.graphs import ADMG, DAG
from causalrep.identification import adjustment_sets, identify, instruments
from causalrep.utils import (
    Columns,
    DataError,
    NotIdentifiableError,
    RandomState,
    UnknownNameError,
    columns_of,
    frame_like,
)

__all__ = ["EffectReport", "causal_effect"]


@dataclass(frozen=True)
class EffectReport:
    """An effect, and how it was found.

    Parameters
    ----------
    treatment, outcome : hashable
        The question.
    strategy : {"adjustment", "instrument"}
        How the graph identifies the effect.
    adjustment : tuple of hashable
        The covariates that are adjusted for.
    instrument : hashable or None
        The instrument, where there is one.
    effect : EffectResult
        The average effect with its interval.
    unadjusted : float
        What the difference of means, or the slope of a regression, would have said.
    robustness : float
        Share of the residual variance of treatment and of outcome that a hidden confounder would have to
        explain to take the effect away; see `causalrep.estimators.sensitivity.robustness_value`.
    level : float
        Level of the interval.
    estimator : EffectEstimator
        The fitted estimator, for everything else.
    """

    treatment: Hashable
    outcome: Hashable
    strategy: str
    adjustment: tuple[Hashable, ...]
    instrument: Hashable | None
    effect: EffectResult
    unadjusted: float
    robustness: float
    level: float
    estimator: EffectEstimator = field(repr=False)

    @property
    def estimate(self) -> float:
        """The average effect."""
        return float(self.effect.estimate)

    @property
    def ci(self) -> tuple[float, float]:
        """The interval of the average effect."""
        low, high = self.effect.ci
        return float(low), float(high)

    def __str__(self) -> str:
        low, high = self.ci
        given = ", ".join(map(str, self.adjustment)) or "nothing"
        how = (
            f"adjustment for {given}"
            if self.instrument is None
            else f"instrument {self.instrument} given {given}"
        )
        lines = [
            f"Effect of {self.treatment} on {self.outcome}",
            f"  identified   by {how}",
            f"  estimated    by {type(self.estimator).__name__} from {self.effect.n} rows",
            f"  effect       {self.estimate:.4g}, {self.level:.0%} interval {low:.4g} to {high:.4g}",
            f"  unadjusted   {self.unadjusted:.4g}",
            *self._diagnosis(),
            *(f"  ! {text}" for text in self.effect.warnings),
        ]
        return "\n".join(lines)

    def _diagnosis(self) -> list[str]:
        if isinstance(self.estimator, TwoStageLeastSquares):
            return [f"  instrument   first-stage F = {self.estimator.first_stage_f_:.1f}"]
        lines = [
            f"  hidden confounding would explain it away from {self.robustness:.1%} of the residual variance "
            "of both on"
        ]
        overlap = getattr(self.estimator, "overlap_", None)
        if overlap is not None:
            control, treated = overlap.effective_size
            lines.insert(
                0,
                f"  overlap      propensities {overlap.lowest:.2g} to {overlap.highest:.2g}; "
                f"weighted arms are worth {control:.0f} and {treated:.0f} rows",
            )
        return lines

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def causal_effect(
    data: Any,
    *,
    treatment: Hashable,
    outcome: Hashable,
    graph: Any,
    method: Any = "auto",
    alpha: float = 0.05,
    random_state: RandomState = None,
) -> EffectReport:
    """Return the average effect that a graph identifies from a table, with a report.

    It looks for a set of covariates to adjust for, the one with which estimates vary least where there are
    several, and else for an instrument. It assumes that the graph is right, and what the estimator assumes:
    with an instrument, that the effect is linear.

    Parameters
    ----------
    data : data frame
        One row per unit; columns are named like the nodes. Texts become one column for each value but the
        first.
    treatment, outcome : hashable
        Nodes of the graph.
    graph : DAG, ADMG, CPDAG, MPDAG, MAG, PAG or networkx.DiGraph
        The causal graph, with latent nodes declared.
    method : "auto" or estimator, default="auto"
        With ``"auto"``, `AIPW` for two arms, partially linear `DoubleML` for a dose, `TwoStageLeastSquares`
        for an instrument. An estimator that adjusts is cloned and used instead of the first two.
    alpha : float in (0, 1), default=0.05
        One less the level of the interval.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Returns
    -------
    EffectReport
        Print it to read it.

    Raises
    ------
    UnknownNameError
        If a name is no node of the graph, or an observed node no column.
    NotIdentifiableError
        If neither adjustment nor an instrument gives the effect; with the witness where there is one.
    DataError
        If the data cannot be used.

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
    graph = _checked_graph(graph, columns, treatment, outcome)
    usable = [node for node in graph.nodes if node in columns]
    found = _adjustment(graph, treatment, outcome, usable)
    instrument: Hashable | None = None
    estimator: Any
    if found is not None:
        given, strategy = found, "adjustment"
        estimator = _adjusting(method, columns[treatment], random_state)
    else:
        instrument, given = _instrument(graph, treatment, outcome, usable)
        if not isinstance(method, str):
            raise DataError(
                f"no set adjusts; `method` must be 'auto', which uses the instrument {instrument!r}"
            )
        strategy, estimator = "instrument", TwoStageLeastSquares()
        estimator.set_params(instrument=str(instrument))
    names = [treatment, *([] if instrument is None else [instrument]), *given]
    table = _numeric({name: columns[name] for name in names}, kept=(treatment,))
    X = frame_like(table, like=data)
    fitted: EffectEstimator = estimator.set_params(treatment=str(treatment)).fit(X, columns[outcome])
    effect = fitted.ate(alpha=alpha)
    dof = max(effect.n - len(table) - 1, 1)
    return EffectReport(
        treatment,
        outcome,
        strategy,
        tuple(given),
        instrument,
        effect,
        _slope(fitted),
        robustness_value(float(effect.estimate / effect.se), dof),
        1 - alpha,
        fitted,
    )


def _checked_graph(graph: Any, columns: Columns, treatment: Hashable, outcome: Hashable) -> Any:
    if hasattr(graph, "is_multigraph"):
        graph = DAG.from_networkx(graph)
    for what, name in (("treatment", treatment), ("outcome", outcome)):
        if name not in graph.nodes:
            raise UnknownNameError(name, graph.nodes, what=f"`{what}`")
    if treatment == outcome:
        raise DataError(f"`treatment` and `outcome` are both {treatment!r}")
    for node in graph.nodes:
        if node not in graph.latent and node not in columns:
            raise UnknownNameError(node, columns, what="the graph (declare it latent if it was not measured)")
        if not isinstance(node, str):
            raise DataError(f"columns must be named by texts, got {node!r}")
    return graph


def _adjustment(
    graph: Any, treatment: Hashable, outcome: Hashable, usable: Sequence[Hashable]
) -> tuple[Hashable, ...] | None:
    restrict = [node for node in usable if node not in (treatment, outcome)]
    for kind in ("optimal", "minimum"):  # there need be no optimal one where nodes are hidden
        sets = adjustment_sets(graph, treatment, outcome, kind, restrict=restrict)
        if sets:
            return tuple(sets[0])
    return None


def _instrument(
    graph: Any, treatment: Hashable, outcome: Hashable, usable: Sequence[Hashable]
) -> tuple[Hashable, tuple[Hashable, ...]]:
    if not isinstance(graph, (DAG, ADMG)):
        raise NotIdentifiableError(
            f"no set adjusts for the effect of {treatment!r} on {outcome!r} in all "
            f"graphs of the {type(graph).__name__}; causalrep.identification.ida bounds it"
        )
    restrict = [node for node in usable if node not in (treatment, outcome)]
    candidates = instruments(graph, treatment, outcome, restrict=restrict)
    if candidates:
        return candidates[0].instrument, tuple(candidates[0].given)
    answer = identify(graph, outcome=outcome, treatment=treatment)
    reason = (
        f"it is identified by {answer.strategy}: {answer.estimand}; `evaluate` of what identify "
        "returns computes it"
        if answer.identifiable
        else f"it is not identified: {answer.witness}"
    )
    raise NotIdentifiableError(
        f"neither adjustment nor an instrument gives the effect of {treatment!r} on {outcome!r}; {reason}",
        answer.witness,
    )


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


def _slope(fitted: EffectEstimator) -> float:
    sample = fitted._sample
    t = sample.t - sample.t.mean()
    return float(t @ sample.y / (t @ t))
