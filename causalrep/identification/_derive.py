"""Write down how a solution was reached, step by step, with the separations that license each step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causalrep.identification._expression import Expression, probability
from causalrep.identification._id import Component, Solution
from causalrep.identification._masks import MaskGraph, bits
from causalrep.identification._simplify import Independence
from causalrep.identification._trace import Separation, Step

__all__ = [
    "adjustment_steps",
    "conditional_steps",
    "drop_actions",
    "at_hand",
    "frontdoor_steps",
    "simplification_step",
    "solution_steps",
]


def separation(
    graph: MaskGraph, x: int, y: int, given: int = 0, cut_in: int = 0, cut_out: int = 0
) -> Separation:
    """Return a claim about sets of nodes as one about labels."""
    return Separation(*(graph.names(mask) for mask in (x, y, given, cut_in, cut_out)))


def drop_actions(
    graph: MaskGraph, outcome: int, treatment: int, given: int, dropped: Iterable[tuple[int, int]]
) -> Iterator[Step]:
    """Yield rule 3 for each action that has no effect, with the nodes whose incoming edges it cuts."""
    for bit, cut in dropped:
        rest = treatment & ~bit
        yield Step(
            "rule 3",
            _world(graph, outcome, treatment, given),
            _world(graph, outcome, rest, given),
            (separation(graph, outcome, bit, rest | given, cut),),
        )
        treatment = rest


def at_hand(estimand: Expression) -> Step:
    """Return that the question is about a distribution at hand."""
    return Step("definition", str(estimand), str(estimand))


def adjustment_steps(
    graph: MaskGraph, outcome: int, treatment: int, given: int, adjusted: int
) -> Iterator[Step]:
    """Yield the derivation of the back-door formula."""
    y, x, z, w = outcome, treatment, given, adjusted
    if w:
        joint = f"{_world(graph, y, x, z | w)} {_world(graph, w, x, z)}"
        yield Step("marginalisation", _world(graph, y, x, z), f"{_sum(graph, w)}{joint}")
    claim = separation(graph, y, x, z | w, 0, x)
    yield Step("rule 2", _world(graph, y, x, z | w), _world(graph, y, 0, x | z | w), (claim,))
    if w:
        claim = separation(graph, w, x, z, x)
        yield Step("rule 3", _world(graph, w, x, z), _world(graph, w, 0, z), (claim,))


def frontdoor_steps(graph: MaskGraph, outcome: int, treatment: int, mediators: int) -> Iterator[Step]:
    """Yield the derivation of the front-door formula."""
    y, x, m = outcome, treatment, mediators
    mediated = f"{_sum(graph, m)}{_world(graph, y, x, m)} {_world(graph, m, x)}"
    yield Step("marginalisation", _world(graph, y, x), mediated)
    claim = separation(graph, m, x, 0, 0, x)
    yield Step("rule 2", _world(graph, m, x), _world(graph, m, 0, x), (claim,))
    claim = separation(graph, y, m, x, x, m)
    yield Step("rule 2", _world(graph, y, x, m), _world(graph, y, x | m), (claim,))
    claim = separation(graph, y, x, m, x | m)
    yield Step("rule 3", _world(graph, y, x | m), _world(graph, y, m), (claim,))
    adjusted = f"{_sum(graph, x)}{_world(graph, y, m, x)} {_world(graph, x, m)}"
    yield Step("marginalisation", _world(graph, y, m), adjusted)
    claim = separation(graph, y, m, x, 0, m)
    yield Step("rule 2", _world(graph, y, m, x), _world(graph, y, 0, m | x), (claim,))
    claim = separation(graph, x, m, 0, m)
    yield Step("rule 3", _world(graph, x, m), _world(graph, x, 0), (claim,))


def solution_steps(solution: Solution) -> Iterator[Step]:
    """Yield the steps of ID: reduce to ancestors, factorise over districts, identify each factor."""
    graph, outcome, ancestral = solution.graph, solution.outcome, solution.ancestral
    others = graph.nodes & ~solution.treatment & ~ancestral
    before = _world(graph, outcome, solution.treatment)
    if others:
        after = _world(graph, outcome, graph.nodes & ~ancestral)
        cut = solution.treatment | others
        claim = separation(graph, outcome, others, solution.treatment, cut)
        yield Step("ancestral restriction", before, after, (claim,))
        before = after
    if ancestral != outcome:
        after = f"{_sum(graph, ancestral & ~outcome)}{_q(graph, ancestral)}"
        yield Step("marginalisation", before, after)
    if len(solution.components) > 1:
        claims = [
            claim
            for component in solution.components
            for claim in _factor_claims(graph, graph.nodes, ancestral, component.target)
        ]
        after = " ".join(_q(graph, component.target) for component in solution.components)
        yield Step("c-factorisation", _q(graph, ancestral), after, tuple(claims))
    for component in solution.components:
        yield from _component_steps(component)


def _component_steps(component: Component) -> Iterator[Step]:
    source = component.source
    graph, do = source.graph, source.do
    outside = graph.nodes & ~do & ~component.within
    start = _world(graph, component.within, do)
    if outside:
        claim = separation(graph, component.within, outside, do, do | outside)
        restricted = _q(graph, component.within)
        yield Step("ancestral restriction", start, restricted, (claim,))
        start = restricted
    claims = [
        *_factor_claims(graph, graph.nodes, component.within, component.scope),
        *_blanket_claims(component),
    ]
    scope, known = component.scope, component.scope
    after = (
        _q(graph, scope) if component.descents or scope != component.target else _q(graph, component.target)
    )
    yield Step("c-factorisation", f"{after} from {start}", _product(component), tuple(claims))
    for ancestral, district in [*component.descents, (component.target, component.target)]:
        if ancestral != known:
            fixed = graph.nodes & ~known
            claim = separation(graph, ancestral, known & ~ancestral, fixed, fixed | known & ~ancestral)
            before = f"{_sum(graph, known & ~ancestral)}{_q(graph, known)}"
            yield Step("ancestral restriction", before, _q(graph, ancestral), (claim,))
        if district != ancestral:
            claims = list(_factor_claims(graph, graph.nodes, ancestral, district))
            before = f"{_q(graph, district)} from {_q(graph, ancestral)}"
            yield Step("c-factorisation", before, _chain(graph, ancestral, district), tuple(claims))
        known = district
    yield Step("definition", _q(graph, component.target), str(component.expression))


def _factor_claims(graph: MaskGraph, nodes: int, scope: int, district: int) -> Iterator[Separation]:
    """Yield why each member, given those before it, depends on the rest of `scope` as on actions.

    Earlier nodes of other districts turn from observations into actions (rule 2), later ones are set
    without effect (rule 3); together that makes Q[district] the product of these conditionals.
    """
    fixed = nodes & ~scope
    before = 0
    for node in graph.order:
        bit = 1 << node
        if not bit & scope:
            continue
        if bit & district:
            inside, earlier = before & district, before & ~district
            later = scope & ~before & ~bit & ~district
            if earlier:
                yield separation(graph, bit, earlier, inside | fixed, fixed, earlier)
            if later:
                acted = fixed | earlier
                yield separation(graph, bit, later, inside | acted, acted | later)
        before |= bit


def _blanket_claims(component: Component) -> Iterator[Separation]:
    """Yield why the Markov blanket is all that matters among earlier nodes (rule 1)."""
    graph, do = component.source.graph, component.source.do
    before = 0
    for node in graph.order:
        bit = 1 << node
        if not bit & component.within:
            continue
        if bit & component.scope:
            near = graph.district(bit, before | bit)
            blanket = (near | graph.parents_of(near)) & ~bit & ~do
            if before & ~blanket:
                yield separation(graph, bit, before & ~blanket, blanket | do, do)
        before |= bit


def conditional_steps(
    graph: MaskGraph, outcome: int, treatment: int, given: int, moved: int
) -> Iterator[Step]:
    """Yield the steps of IDC: exchange conditions for actions, then divide the joint by its marginal."""
    for bit in _exchanges(graph, outcome, treatment, given, moved):
        given &= ~bit
        before = _world(graph, outcome, treatment, given | bit)
        claim = separation(graph, outcome, bit, treatment | given, treatment, bit)
        treatment |= bit
        yield Step("rule 2", before, _world(graph, outcome, treatment, given), (claim,))
    if given:
        joint = _world(graph, outcome | given, treatment)
        yield Step(
            "definition",
            _world(graph, outcome, treatment, given),
            f"{joint} / {_sum(graph, outcome)}{joint}",
        )


def _exchanges(graph: MaskGraph, outcome: int, treatment: int, given: int, moved: int) -> list[int]:
    """Return the moved conditions in an order in which rule 2 licenses each."""
    order = []
    left = moved
    while left:
        for node in bits(left):
            bit = 1 << node
            rest = given & ~bit
            if graph.separated(outcome, bit, treatment | rest, treatment, bit):
                order.append(bit)
                left, given, treatment = left & ~bit, rest, treatment | bit
    return order


def simplification_step(
    graph: MaskGraph, raw: Expression, simplified: Expression, used: Iterable[Independence]
) -> Step:
    """Return rule 1, as often as it was used to make an estimand shorter."""
    claims = [separation(graph, x, y, given | do, do) for x, y, given, do in used]
    return Step("rule 1", str(raw), str(simplified), tuple(claims))


# Writing


def _world(graph: MaskGraph, outcome: int, treatment: int, given: int = 0) -> str:
    return str(probability(graph.vars(outcome), graph.vars(given), graph.vars(treatment)))


def _q(graph: MaskGraph, nodes: int) -> str:
    return _world(graph, nodes, graph.nodes & ~nodes)


def _sum(graph: MaskGraph, over: int) -> str:
    return f"sum_{{{', '.join(map(str, graph.vars(over)))}}} " if over else ""


def _product(component: Component) -> str:
    graph, do = component.source.graph, component.source.do
    terms = []
    before = 0
    for node in graph.order:
        bit = 1 << node
        if bit & component.scope:
            near = graph.district(bit, before | bit)
            terms.append(_world(graph, bit, do, (near | graph.parents_of(near)) & ~bit & ~do))
        before |= bit & component.within
    return " ".join(reversed(terms))


def _chain(graph: MaskGraph, scope: int, district: int) -> str:
    fixed = graph.nodes & ~scope
    before = 0
    terms = []
    for node in graph.order:
        bit = 1 << node
        if bit & scope & district:
            terms.append(_world(graph, bit, fixed, before))
        before |= bit & scope
    return " ".join(reversed(terms))
