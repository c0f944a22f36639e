"""Effects of several treatments that are set together, for a graph or for all of a class."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._effect_plan import Plan, plan_between
from causalrep.estimators._effect_report import JointEffectSet, PossibleEffect
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.estimators._scores import with_intercept
from causalrep.graphs import DAG, PDAG
from causalrep.identification import possible_parent_sets
from causalrep.utils import Columns, DataError, GraphError, NotIdentifiableError

__all__ = ["joint_effects"]

Array = NDArray[np.float64]

Plans = tuple[tuple[Plan, ...], ...]
"""For each treatment how its effect is identified, on every treatment and, last, on the outcome."""


def joint_effects(
    graph: Any,
    columns: Columns,
    treatments: Sequence[Hashable],
    outcome: Hashable,
    *,
    local: bool,
    alpha: float,
) -> JointEffectSet:
    """Return what one unit more of each treatment does if the others are held, for each member of a class.

    Nandy, Maathuis and Richardson (2017), section 4: the matrix T of the total effects of single treatments
    on each other and on the outcome counts all directed paths, so that I - (I + T)^-1 holds the effects that
    pass no other treatment. The influence functions of the regressions pass through this by its derivative.

    Raises
    ------
    GraphError
        If the graph is none of directed edges without hidden nodes, nor a class of such.
    DataError
        If a column is no number, or its covariates determine a treatment.
    NotIdentifiableError
        If the effect of a treatment on another is not identified although the parents of both are known.
    """
    if not isinstance(graph, (DAG, PDAG)) or graph.latent:
        raise GraphError(
            "several treatments need a DAG without latent nodes, or a CPDAG, MPDAG or PDAG; got "
            f"{type(graph).__name__}{' with latent nodes' if graph.latent else ''}"
        )
    if not 0 < alpha < 1:
        raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
    values = {name: _numbers(columns[name], name) for name in graph.nodes}
    members: dict[Plans, list[str]] = {}
    for because, plans in _members(graph, treatments, outcome, local=local):
        members.setdefault(plans, []).append(because)
    found = tuple(
        PossibleEffect(tuple(because), _estimate(values, treatments, outcome, plans, alpha))
        for plans, because in members.items()
    )
    return JointEffectSet(tuple(treatments), outcome, type(graph).__name__, found, 1 - alpha)


def _numbers(column: NDArray[Any], name: Hashable) -> Array:
    if column.dtype.kind not in "biuf":
        raise DataError(f"several treatments need columns of numbers, got texts in {name!r}")
    values = column.astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"column {name!r} contains NaN or infinity")
    return values


def _members(
    graph: Any, treatments: Sequence[Hashable], outcome: Hashable, *, local: bool
) -> list[tuple[str, Plans]]:
    """Return for each possible choice of parents of all treatments how their effects are identified."""
    order = [name for name in graph.nodes if name in treatments]
    closed: Any = graph if isinstance(graph, DAG) else graph.meek_closure()
    found = []
    for chosen in possible_parent_sets(graph, order):
        parents = dict(zip(order, map(tuple, chosen), strict=True))
        member = closed
        if not isinstance(graph, DAG):
            pairs = {
                (other, one) if other in parents[one] else (one, other)
                for one in order
                for other in closed.neighbors(one)
            }
            member = graph.to_mpdag(required=sorted(pairs, key=str))
        plans = tuple(
            tuple(
                plan_between(member, one, other, parents[one] if local else None)
                for other in (*treatments, outcome)
            )
            for one in treatments
        )
        said = (f"{one} caused by {', '.join(map(str, parents[one])) or 'nothing'}" for one in treatments)
        found.append(("; ".join(said), plans))
    return found


def _estimate(
    values: dict[Hashable, Array],
    treatments: Sequence[Hashable],
    outcome: Hashable,
    plans: Plans,
    alpha: float,
) -> EffectResult:
    """Return the joint effects, with the influence function of each."""
    n, size = len(values[outcome]), len(treatments) + 1
    total, influence = np.eye(size), np.zeros((n, size, size))
    for i, (one, row) in enumerate(zip(treatments, plans, strict=True)):
        for j, (other, plan) in enumerate(zip((*treatments, outcome), row, strict=True)):
            if plan.strategy == "not identified":
                raise NotIdentifiableError(f"no set adjusts for the effect of {one!r} on {other!r}")
            if plan.strategy == "adjustment":
                fit = _Regression.of(values, one, other, plan.given)
                total[i, j], influence[:, i, j] = fit.slope, fit.influence
    inverse = np.linalg.inv(total)
    direct = (np.eye(size) - inverse)[:-1, -1]
    # d(-A^-1) = A^-1 dA A^-1, of which the last column counts
    moved = np.einsum("ij,njk,k->ni", inverse[:-1], influence, inverse[:, -1])
    se = standard_error(moved)
    names = tuple(map(str, treatments))
    return EffectResult(direct, se, limits(direct, se, alpha), moved, n, "joint effects", (), names)


@dataclass(frozen=True)
class _Regression:
    """The coefficient of a treatment in a regression on it and covariates, with its influence function."""

    slope: float
    influence: Array

    @classmethod
    def of(
        cls, values: dict[Hashable, Array], one: Hashable, other: Hashable, given: Sequence[Hashable]
    ) -> _Regression:
        design = with_intercept(
            np.column_stack([np.empty((len(values[one]), 0)), *(values[c] for c in given)])
        )
        both = np.column_stack([values[one], values[other]])
        left = both - design @ np.linalg.lstsq(design, both, rcond=None)[0]
        treatment, outcome = left.T
        size = float(treatment @ treatment)
        if size <= 1e-14 * float(values[one] @ values[one]):
            raise DataError(f"there is no overlap: {list(given)} determine {one!r}")
        slope = float(treatment @ outcome) / size
        dof = len(left) - design.shape[1] - 1
        if dof < 1:
            raise DataError(f"{len(left)} rows are too few to adjust for {list(given)}")
        residual = (outcome - slope * treatment) * np.sqrt(len(left) / dof)
        return cls(slope, treatment * residual * len(left) / size)
