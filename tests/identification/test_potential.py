"""Potential outcomes: which are one variable, what they are functions of, how events split."""

import random
from itertools import combinations

import numpy as np
import pytest

from causalrep.graphs import ADMG
from causalrep.identification._potential import (
    Potential,
    ancestral_potentials,
    expand,
    minimal,
    parent_potentials,
    unnest_values,
)
from tests.identification.response_models import ResponseModel, Y
from tests.identification.test_counterfactual import chance_of, random_graph, random_query


def parts(name):
    """A name as its node and its actions, which may come in any order."""
    node, _, actions = str(name).partition("[")
    return node, frozenset(actions.rstrip("]").split(", "))


@pytest.mark.parametrize("seed", range(20))
def test_copies_merge_as_in_the_graph_of_parallel_worlds(seed):
    chance = random.Random(seed)
    graph = random_graph(chance, 6)
    worlds = [{v: chance.randint(0, 1) for v in graph.nodes if chance.random() < 0.35} for _ in range(3)]
    drawn = graph.parallel_worlds(worlds)
    for world, copies in zip(worlds, drawn.copies, strict=True):
        for v in graph.nodes:
            if v in world:
                continue
            potential = minimal(graph, Potential(v, tuple(world.items())))
            assert parts(potential) == parts(copies[v])
            up = [
                p if isinstance(p, Potential) else f"do({name}={p})"
                for name, p in parent_potentials(graph, potential)
            ]
            assert set(map(parts, drawn.graph.parents(copies[v]))) == set(map(parts, up))
            above = set(map(parts, ancestral_potentials(graph, [potential]))) - {parts(copies[v])}
            assert set(map(parts, drawn.graph.ancestors(copies[v]) - drawn.fixed)) == above


def test_an_action_on_itself_is_all_that_counts():
    g = ADMG([("X", "Y")])
    assert minimal(g, Y("Y", X=1, Y=0)) == Y("Y", Y=0)
    assert minimal(g, Y("X", Y=0)) == Y("X")


def agrees(model, term):
    """Whether local facts hold, in every state of the hidden causes."""
    holds = np.ones(model.p.shape, bool)
    for node, inputs, value in term:
        world = tuple(zip(model.graph.parents(node), inputs, strict=True))
        holds &= model.values(Potential(node, world)) == value
    return holds


@pytest.mark.parametrize("seed", range(15))
def test_an_event_is_the_disjoint_union_of_its_terms(seed):
    chance = random.Random(seed)
    graph = random_graph(chance, chance.choice([2, 3, 4]))
    event = random_query(chance, graph).outcome
    model = ResponseModel(graph, seed)
    terms = [
        agrees(model, term)
        for case in unnest_values(event, model.states)
        for term in expand(graph, model.states, case)
    ]
    covered = np.sum([*terms, np.zeros(model.p.shape, int)], axis=0)
    assert covered.max() <= 1
    assert model.p[covered == 1].sum() == pytest.approx(chance_of(model, event), abs=1e-12)


def test_too_many_cases_are_refused():
    nodes = [f"V{i}" for i in range(12)]
    g = ADMG(list(combinations(nodes, 2)))
    with pytest.raises(ValueError, match="more than 100 cases"):
        expand(g, dict.fromkeys(nodes, (0, 1)), ((Potential("V11"), 1),), limit=100)
