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
    """Return a set of mediators that satisfies the front-door criterion, if one of those tried does.

    Tried are the nodes on causal paths that no back-door path joins to the treatment and whose own
    back-door paths to the outcome the treatment blocks: all of them, the first ones on each path if
    they do, and without those that can be spared. (Where this finds none, ID still answers; only the
    name and the shape differ.)
    """
    between = graph.descendants(treatment) & graph.ancestors(outcome) & ~treatment & ~outcome
    mediators = between & ~graph.reached(treatment, 0, 0, treatment)
    blocked = graph.reached(outcome, treatment, 0, mediators) & mediators
    while blocked:
        mediators &= ~blocked
        blocked = graph.reached(outcome, treatment, 0, mediators) & mediators
    if not _is_frontdoor(graph, outcome, treatment, mediators):
        return None
    before = graph.descendants(treatment, ~mediators)
    first = sum(1 << node for node in bits(mediators) if graph.parents[node] & before)
    if _is_frontdoor(graph, outcome, treatment, first):
        mediators = first
    for node in bits(mediators):
        fewer = mediators & ~(1 << node)
        if _is_frontdoor(graph, outcome, treatment, fewer):
            mediators = fewer
    return mediators


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
