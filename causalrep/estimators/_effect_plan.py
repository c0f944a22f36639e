"""How a graph identifies an effect: what to adjust for, which instrument, or which answers are possible."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import ADMG, DAG, MAG, PAG, PDAG
from causalrep.identification import (
    adjustment_sets,
    frontdoor_sets,
    identify,
    instruments,
    possible_parent_sets,
)
from causalrep.utils import Columns, DataError, GraphError, NotIdentifiableError, UnknownNameError

__all__ = ["Plan", "checked_graph", "plan_between", "plan_of", "possible_plans"]

MOST_CIRCLES = 12
"""A PAG with more circles at its edges has too many members to be listed: two to the power of them to try."""

MOST_VALUES = 20
"""Formulas are evaluated on shares of rows, which must be counted in every stratum."""


@dataclass(frozen=True)
class Plan:
    """One way to identify an effect.

    Parameters
    ----------
    strategy : {"adjustment", "front door", "instrument", "formula", "no effect", "not identified"}
        How.
    given : tuple of hashable
        The covariates to adjust for.
    instrument : hashable or None
        The instrument.
    mediators : tuple of hashable
        Of the front door.
    because : tuple of str
        The members of an equivalence class of which this is true.
    """

    strategy: str
    given: tuple[Hashable, ...] = ()
    instrument: Hashable | None = None
    mediators: tuple[Hashable, ...] = ()
    because: tuple[str, ...] = ()


def checked_graph(graph: Any, columns: Columns, treatment: Hashable, outcome: Hashable) -> Any:
    """Return the graph, if it has the question's nodes and the table has the graph's."""
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


def plan_of(graph: Any, treatment: Hashable, outcome: Hashable, columns: Columns) -> Plan | None:
    """Return how a graph identifies the effect; None where it leaves open which graph is true.

    The front door and formulas serve a treatment of two arms, formulas where all columns are discrete.

    Raises
    ------
    NotIdentifiableError
        If it is not identified, or by no strategy for which there is an estimator.
    """
    observed = [node for node in graph.nodes if node in columns]
    restrict = [node for node in observed if node not in (treatment, outcome)]
    given = _adjustment(graph, treatment, outcome, restrict)
    if given is not None:
        return Plan("adjustment", given)
    if not isinstance(graph, (DAG, ADMG)):
        return None
    has_arms = _n_values(columns[treatment]) == 2
    if has_arms:
        door = _front_door(graph, treatment, outcome, restrict)
        if door is not None:
            return door
    answer = identify(graph, outcome=outcome, treatment=treatment)
    if answer.identifiable and has_arms and all(_n_values(columns[node]) <= MOST_VALUES for node in observed):
        return Plan("formula")
    candidates = instruments(graph, treatment, outcome, restrict=restrict)
    if candidates:  # last, as it alone needs a linear model
        return Plan("instrument", tuple(candidates[0].given), candidates[0].instrument)
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


def _n_values(column: NDArray[Any]) -> int:
    return len(np.unique(column.astype(str) if column.dtype == object else column))


def _front_door(
    graph: Any, treatment: Hashable, outcome: Hashable, restrict: Sequence[Hashable]
) -> Plan | None:
    """Return a front door: without covariates, or else with all that the treatment does not change."""
    later = graph.descendants(treatment)
    for given in ((), tuple(node for node in restrict if node not in later)):
        left = [node for node in restrict if node not in given]
        sets = frontdoor_sets(graph, treatment, outcome, given=given, restrict=left, limit=1)
        if sets and sets[0]:
            return Plan("front door", given, mediators=tuple(sets[0]))
    return None


def possible_plans(graph: Any, treatment: Hashable, outcome: Hashable, *, local: bool) -> tuple[Plan, ...]:
    """Return how the members of an equivalence class identify the effect, each way once.

    Raises
    ------
    NotIdentifiableError
        If there are too many members to list.
    """
    members = _members_of_pag(graph) if isinstance(graph, (MAG, PAG)) else _members_of_pdag(graph, treatment)
    found: dict[Plan, list[str]] = {}
    for because, member, parents in members:
        plan = plan_between(member, treatment, outcome, parents if local else None)
        found.setdefault(plan, []).append(because)
    return tuple(
        Plan(plan.strategy, plan.given, because=tuple(dict.fromkeys(because)))
        for plan, because in found.items()
    )


def plan_between(
    member: Any, treatment: Hashable, outcome: Hashable, parents: tuple[Hashable, ...] | None
) -> Plan:
    """Return how a member of a class identifies an effect: by the parents, if they are given."""
    reached = member.possible_descendants(treatment) if isinstance(member, PDAG) else None
    if treatment == outcome or outcome not in (member.descendants(treatment) if reached is None else reached):
        return Plan("no effect")
    if parents is not None:
        return Plan("adjustment", parents)
    restrict = [node for node in member.nodes if node not in (treatment, outcome)]
    given = _adjustment(member, treatment, outcome, restrict)
    return Plan("not identified") if given is None else Plan("adjustment", given)


def _adjustment(
    graph: Any, treatment: Hashable, outcome: Hashable, restrict: Sequence[Hashable]
) -> tuple[Hashable, ...] | None:
    for kind in ("optimal", "minimum"):  # there need be no optimal one where nodes are hidden
        sets = adjustment_sets(graph, treatment, outcome, kind, restrict=restrict)
        if sets:
            return tuple(sets[0])
    return None


def _members_of_pdag(graph: PDAG, treatment: Hashable) -> list[tuple[str, Any, tuple[Hashable, ...] | None]]:
    """Return for each possible set of parents of the treatment what the class then looks like."""
    found: list[tuple[str, Any, tuple[Hashable, ...] | None]] = []
    undecided = graph.meek_closure().neighbors(treatment)
    for (parents,) in possible_parent_sets(graph, treatment):
        pairs = [(one, treatment) if one in parents else (treatment, one) for one in undecided]
        named = ", ".join(map(str, parents)) or "nothing"
        found.append((f"{treatment} caused by {named}", graph.to_mpdag(required=pairs), tuple(parents)))
    return found


def _members_of_pag(graph: Any) -> list[tuple[str, Any, tuple[Hashable, ...] | None]]:
    """Return the MAGs of a class, without selection: every way to fill the circles that keeps the class."""
    if isinstance(graph, MAG):
        return [(graph.to_string(), graph, None)]
    edges = [(u, v) for u, _, v in graph.edges]
    circles = [(u, v) for a, b in edges for u, v in ((a, b), (b, a)) if graph.mark(u, v) == "circle"]
    if len(circles) > MOST_CIRCLES:
        raise NotIdentifiableError(
            f"no set adjusts in all graphs of the PAG, and its {len(circles)} circles are too many to list "
            f"them (at most {MOST_CIRCLES}); background knowledge makes them fewer"
        )
    known = graph.consistent_extension()
    found: list[tuple[str, Any, tuple[Hashable, ...] | None]] = []
    for marks in product(("tail", "arrow"), repeat=len(circles)):
        filled = dict(zip(circles, marks, strict=True))
        member = _mag(graph, edges, filled)
        if member is not None and member.is_markov_equivalent(known):
            found.append((member.to_string(), member, None))
    return found


def _mag(
    graph: PAG, edges: Sequence[tuple[Hashable, Hashable]], filled: dict[tuple[Hashable, Hashable], str]
) -> MAG | None:
    """Return the MAG with the circles filled, or None where that is none."""
    directed, bidirected, undirected = [], [], []
    for u, v in edges:
        at_v, at_u = (filled.get(pair, graph.mark(*pair)) for pair in ((u, v), (v, u)))
        if at_u == at_v == "arrow":
            bidirected.append((u, v))
        elif at_u == at_v:
            if filled.get((u, v)) or filled.get((v, u)):
                return None
            undirected.append((u, v))
        else:
            directed.append((u, v) if at_v == "arrow" else (v, u))
    try:
        return MAG(directed, bidirected, undirected, nodes=graph.nodes)
    except GraphError:  # a cycle, or an arrowhead at an ancestor: no member
        return None
