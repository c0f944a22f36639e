"""Shapes of estimands that are simpler than what ID writes: back-door adjustment and front-door.

The general algorithm answers every question that can be answered; where one of these criteria
holds, its formula is shorter, easier to defend, and has estimators of its own.

References
----------
.. [1] J. Pearl, "Causality", 2nd edition, 2009, sections 3.3.1 and 3.3.2.
.. [2] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
   graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
"""

from __future__ import annotations

from causalrep.identification._expression import Expression, probability, product, total
from causalrep.identification._masks import MaskGraph, bits

__all__ = ["adjustment_formula", "backdoor_set", "idle_actions", "frontdoor_formula", "frontdoor_set"]


def idle_actions(graph: MaskGraph, outcome: int, treatment: int, given: int) -> list[tuple[int, int]]:
    """Return the actions that change nothing, each with the nodes whose incoming edges show it (rule 3)."""
    dropped = []
    for node in bits(treatment):
        bit = 1 << node
        rest = treatment & ~bit
        # An action is only cut from its causes where no condition is an effect of it.
        cut = rest if graph.ancestors(given, ~rest) & bit else treatment
        if graph.separated(outcome, bit, rest | given, cut):
            dropped.append((bit, cut))
            treatment = rest
    return dropped


def backdoor_set(graph: MaskGraph, outcome: int, treatment: int, given: int) -> int | None:
    """Return nodes that block all back-door paths together with `given`; none can be left out.

    They are no descendants of the treatment and do not include `given`. None if there are none, or
    if a condition is itself an effect of the treatment.
    """
    effects = graph.descendants(treatment)
    if given & effects:
        return None
    # If any set does, then all ancestors of the named nodes that may be used do ([2]_, lemma 3).
    chosen = graph.ancestors(outcome | treatment | given) & ~effects & ~outcome
    if not graph.separated(treatment, outcome, chosen, cut_out=treatment):
        return None
    # What walks from either side touch first separates already; the outcome's side is the more precise.
    for start in (outcome, treatment):
        chosen = graph.touched(start, chosen, 0, treatment) | given
    for node in bits(chosen & ~given):
        fewer = chosen & ~(1 << node)
        if graph.separated(treatment, outcome, fewer, cut_out=treatment):
            chosen = fewer
    return chosen & ~given


def adjustment_formula(
    graph: MaskGraph, outcome: int, treatment: int, given: int, adjusted: int
) -> Expression:
    """Return the sum over the adjusted nodes z of P(y | x, z, given) P(z | given)."""
    y, x, z, c = (graph.vars(mask) for mask in (outcome, treatment, adjusted, given))
    return total(z, product([probability(y, [*x, *z, *c]), probability(z, c)]))


def frontdoor_set(graph: MaskGraph, outcome: int, treatment: int) -> int | None:
    """Return a set that satisfies the front-door criterion, none of which can be spared, if there is one.

    Nodes on causal paths are preferred; common causes of these and the outcome come in where it takes them.
    """
    between = graph.descendants(treatment) & graph.ancestors(outcome)
    for candidates in (between, graph.nodes):
        # Away with what a back-door path joins to the treatment, then, until nothing changes, with
        # what one joins to the outcome: the largest set is left.
        chosen = candidates & ~treatment & ~outcome & ~graph.reached(treatment, 0, 0, treatment)
        joined = graph.reached(outcome, treatment, 0, chosen) & chosen
        while joined:
            chosen &= ~joined
            joined = graph.reached(outcome, treatment, 0, chosen) & chosen
        if _is_frontdoor(graph, outcome, treatment, chosen):
            return _spared(graph, outcome, treatment, chosen)
    return None


def _spared(graph: MaskGraph, outcome: int, treatment: int, chosen: int) -> int:
    before = graph.descendants(treatment, ~chosen)
    first = sum(1 << node for node in bits(chosen) if graph.parents[node] & before)
    if _is_frontdoor(graph, outcome, treatment, first):
        chosen = first
    for node in bits(chosen):
        fewer = chosen & ~(1 << node)
        if _is_frontdoor(graph, outcome, treatment, fewer):
            chosen = fewer
    return chosen


def _is_frontdoor(graph: MaskGraph, outcome: int, treatment: int, mediators: int) -> bool:
    intercepts = not graph.descendants(treatment, ~mediators) & outcome
    return bool(
        mediators
        and intercepts
        and graph.separated(treatment, mediators, 0, 0, treatment)
        and graph.separated(mediators, outcome, treatment, 0, mediators)
    )


def frontdoor_formula(graph: MaskGraph, outcome: int, treatment: int, mediators: int) -> Expression:
    """Return the sum over m of P(m | x) times the sum over x' of P(y | m, x') P(x')."""
    y, x, m = (graph.vars(mask) for mask in (outcome, treatment, mediators))
    inner = total(x, product([probability(y, [*m, *x]), probability(x)]))
    return total(m, product([probability(m, x), inner]))
