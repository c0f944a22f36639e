"""The shapes with a name, against their definitions over all sets of nodes."""

from itertools import chain, combinations

import numpy as np
import pytest

from causalrep.graphs import ADMG
from causalrep.identification import Variable
from causalrep.identification._expression import probability
from causalrep.identification._formulas import backdoor_set, frontdoor_set, idle_actions
from causalrep.identification._masks import mask_graph
from causalrep.identification._simplify import Simplifier
from tests.identification.discrete_models import RandomModel, random_admg, random_query

SEEDS = range(60)


def subsets(nodes):
    return chain.from_iterable(combinations(nodes, size) for size in range(len(nodes) + 1))


def question(seed, max_nodes=6):
    rng = np.random.default_rng(seed)
    graph = random_admg(rng, max_nodes)
    return graph, mask_graph(graph), *random_query(rng, graph)


def masks(graph, *parts):
    return [graph.mask(part, "nodes") for part in parts]


def is_backdoor(graph, outcome, treatment, given, chosen):
    """Pearl, Causality, definition 3.3.1, for sets."""
    effects = graph.descendants(treatment)
    cut = graph.cut_outgoing(*treatment)
    return not effects & {*given, *chosen} and cut.is_separated(treatment, outcome, [*given, *chosen])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_back_door_set_is_found_iff_there_is_one_and_nothing_in_it_is_idle(seed):
    graph, masked, outcome, treatment, given = question(seed)
    rest = [v for v in graph.nodes if v not in {*outcome, *treatment, *given}]
    valid = [set(s) for s in subsets(rest) if is_backdoor(graph, outcome, treatment, given, s)]
    found = backdoor_set(masked, *masks(masked, outcome, treatment, given))
    if found is None:
        assert valid == []
    else:
        names = set(masked.names(found))
        assert names in valid
        assert not any(other < names for other in valid)


def is_frontdoor(graph, outcome, treatment, mediators):
    """Pearl, Causality, definition 3.3.3, for sets."""
    rest = graph.subgraph([v for v in graph.nodes if v not in mediators])
    return (
        bool(mediators)
        and not rest.descendants(treatment) & set(outcome)
        and graph.cut_outgoing(*treatment).is_separated(treatment, mediators)
        and graph.cut_outgoing(*mediators).is_separated(mediators, outcome, treatment)
    )


def test_a_front_door_set_is_found_iff_there_is_one():
    n_there = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        graph = random_admg(rng, max_nodes=6, p_directed=0.35, p_bidirected=0.15)
        outcome, treatment, _ = random_query(rng, graph)
        if not set(graph.descendants(treatment)) & set(outcome):
            continue
        masked = mask_graph(graph)
        rest = [v for v in graph.nodes if v not in {*outcome, *treatment}]
        there = [set(s) for s in subsets(rest) if is_frontdoor(graph, outcome, treatment, list(s))]
        found = frontdoor_set(masked, *masks(masked, outcome, treatment))
        if found is None:
            assert there == []
        else:
            n_there += 1
            assert set(masked.names(found)) in there
    assert n_there > 10


def test_a_front_door_set_may_need_a_common_cause_of_mediator_and_outcome():
    graph = mask_graph(ADMG.from_string("X -> M -> Y; C -> M; C -> Y; X <-> Y"))
    found = frontdoor_set(graph, *masks(graph, ["Y"], ["X"]))
    assert graph.names(found) == ("M", "C")


@pytest.mark.parametrize("seed", SEEDS)
def test_idle_actions_change_nothing_and_all_are_found(seed):
    graph, masked, outcome, treatment, given = question(seed)
    dropped = {
        masked.names(bit)[0] for bit, _ in idle_actions(masked, *masks(masked, outcome, treatment, given))
    }
    left = [v for v in treatment if v not in dropped]
    model = RandomModel(graph, seed)
    full = model.truth(outcome, [*left, *sorted(dropped)], given)
    alone = model.truth(outcome, left, given)
    for _ in dropped:
        full = np.take(full, 0, axis=len(outcome) + len(left))
    assert np.abs(full - alone).max() < 1e-12
    if not given:  # an action that is left is a cause of the outcome, not only through others
        for v in left:
            free = graph.subgraph([u for u in graph.nodes if u == v or u not in treatment])
            assert set(free.descendants(v)) & set(outcome)


@pytest.mark.parametrize("seed", SEEDS)
def test_exactly_the_conditions_that_matter_are_kept(seed):
    rng = np.random.default_rng(seed)
    graph = random_admg(rng, max_nodes=7)
    nodes = [str(node) for node in rng.permutation(graph.nodes)]
    do, outcome, given = nodes[: seed % 2], nodes[1:2], nodes[2:]
    term = probability(map(Variable, outcome), map(Variable, given), map(Variable, do))
    short = Simplifier(mask_graph(graph))(term)
    kept = [v.name for v in short.given]
    cut = graph.do(*do)
    dropped = [v for v in given if v not in kept]
    assert cut.is_separated(outcome, dropped, [*kept, *do])
    for v in kept:
        assert not cut.is_separated(outcome, [v], [u for u in (*kept, *do) if u != v])


def test_the_back_door_set_nearest_the_outcome_is_preferred():
    graph = mask_graph(ADMG.from_string("X <- A <- B -> Y; X -> Y"))
    found = backdoor_set(graph, *masks(graph, ["Y"], ["X"], []))
    assert graph.names(found) == ("B",)
