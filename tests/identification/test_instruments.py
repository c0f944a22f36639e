"""Instruments against the definition over all nodes and sets, and against effects in linear models."""

import random
from itertools import combinations

import numpy as np
import pytest

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification import (
    Instrument,
    InstrumentalSet,
    instrumental_sets,
    instruments,
    is_instrumental_set,
)
from causalrep.utils import GraphError, UnknownNameError
from tests.identification.oracles import LinearModel, as_dag, random_admg, subsets


def without_effect(g, x, y):
    """The graph without the first edges of directed paths from x to y, and what these paths act on."""
    first = [
        (a, b)
        for a in x
        for b in g.children(a)
        if b not in x and (b == y or y in g.do(*[v for v in x if v != b]).descendants(b))
    ]
    cut = ADMG([e for e in g.directed_edges if e not in first], g.bidirected_edges, nodes=g.nodes)
    after = {y, *g.descendants(y)}
    for _, b in first:
        after |= {b, *g.descendants(b)}
    return cut, after


def instruments_by_definition(g, x, y):
    """All (z, given) that satisfy the definition."""
    cut, after = without_effect(g, [x], y)
    usable = [v for v in g.nodes if v not in (x, y) and v not in after]
    return [
        (z, set(given))
        for z in usable
        for given in subsets([v for v in usable if v != z])
        if cut.is_separated(z, y, given) and not g.is_separated(z, x, given)
    ]


def conditional_covariance(model, rows, columns, given):
    a, b, w = model.ids(rows), model.ids(columns), model.ids(given)
    if not w:
        return model.S[np.ix_(a, b)]
    slopes = np.linalg.solve(model.S[np.ix_(w, w)], model.S[np.ix_(w, b)])
    return model.S[np.ix_(a, b)] - model.S[np.ix_(a, w)] @ slopes


def check(seed, most):
    chance = random.Random(seed)
    g = random_admg(chance, chance.randint(3, most), directed=0.4, bidirected=0.25)
    model = LinearModel(g, seed)
    x, y = chance.sample(g.nodes, 2)
    expected = instruments_by_definition(g, x, y)
    found = instruments(g, x, y)
    assert bool(found) == bool(expected)
    cut, _ = without_effect(g, [x], y)
    for one in found:
        assert (one.instrument, set(one.given)) in expected
        between_y = conditional_covariance(model, [one.instrument], [y], one.given)[0, 0]
        between_x = conditional_covariance(model, [one.instrument], [x], one.given)[0, 0]
        assert np.isclose(between_y, model.effect([x], y)[0] * between_x, atol=1e-9)
        assert is_instrumental_set(g, x, y, one.instrument, one.given)
    named = {one.instrument for one in found}
    for z, given in expected:
        ancestral = given <= set(cut.ancestors([z, y]))
        assert z in named or not ancestral, "an ancestral set that does must not be missed"


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_instruments_agree_with_the_definition_and_give_the_effect(start):
    for seed in range(start, start + 20):
        check(seed, 6)


@pytest.mark.slow
def test_instruments_agree_with_the_definition_on_2000_graphs():
    for seed in range(2000):
        check(seed, 7)


def check_sets(seed, most):
    chance = random.Random(seed)
    g = random_admg(chance, chance.randint(5, most), directed=0.35, bidirected=0.12)
    models = [LinearModel(g, seed) for seed in (1, 2)]
    *others, y = g.topological_order()  # an outcome without effects leaves the most to use
    x = chance.sample(others, 2)
    cut, after = without_effect(g, x, y)
    others = [v for v in g.nodes if v not in (*x, y)]
    n_valid = 0
    for z in combinations(others, 2):
        for given in subsets([v for v in others if v not in z]):
            regular = all(abs(np.linalg.det(conditional_covariance(m, z, x, given))) > 1e-9 for m in models)
            truth = regular and not after & {*z, *given} and cut.is_separated(z, y, given)
            assert is_instrumental_set(g, x, y, z, given) == truth
            if truth:
                n_valid += 1
                for m in models:
                    slopes = np.linalg.solve(
                        conditional_covariance(m, z, x, given), conditional_covariance(m, z, [y], given)
                    )
                    assert np.allclose(slopes[:, 0], m.effect(x, y), atol=1e-6)
    for one in instrumental_sets(g, x, y):
        assert is_instrumental_set(g, x, y, one.instruments, one.given)
    return n_valid


def test_instrumental_sets_have_the_rank_that_random_coefficients_show_and_give_the_effect():
    assert sum(check_sets(seed, 6) for seed in range(100)) > 20


@pytest.mark.slow
def test_instrumental_sets_agree_with_random_coefficients_on_1000_graphs():
    for seed in range(1000):
        check_sets(seed, 7)


@pytest.mark.parametrize("seed", range(15))
def test_a_dag_with_latents_answers_like_its_bidirected_edges(seed):
    g = random_admg(random.Random(seed), 5)
    assert instruments(as_dag(g), 0, 1) == instruments(g, 0, 1)
    assert instrumental_sets(as_dag(g), [0, 1], 2) == instrumental_sets(g, [0, 1], 2)


# Examples


def test_the_classical_instrument_and_what_spoils_it():
    assert instruments(ADMG.from_string("Z -> X -> Y; X <-> Y"), "X", "Y") == (Instrument("Z", NodeSet()),)
    assert instruments(ADMG.from_string("Z -> X -> Y; X <-> Y; Z -> Y"), "X", "Y") == ()
    assert instruments(ADMG.from_string("Z -> X -> Y; X <-> Y; Z <-> Y"), "X", "Y") == ()
    assert instruments(ADMG.from_string("Z; X -> Y; X <-> Y"), "X", "Y") == ()


def test_effects_of_the_outcome_are_never_used():
    assert instruments(DAG.from_string("Y -> D -> Z -> X"), "X", "Y") == ()


def test_an_effect_of_a_mediator_is_no_covariate():
    # Given M the instrument would show no effect at all.
    g = ADMG.from_string("Z -> X -> M -> Y; X <-> Y")
    assert instruments(g, "X", "Y") == (Instrument("Z", NodeSet()),)
    assert not is_instrumental_set(g, "X", "Y", "Z", "M")


def test_two_instruments_for_one_cause_do_not_serve_two_treatments():
    # Both act on the treatments through A alone: rank one.
    g = ADMG.from_string("{Z1 Z2} -> A -> {X1 X2} -> Y; {X1 X2} <-> Y")
    assert instrumental_sets(g, ["X1", "X2"], "Y") == ()
    assert not is_instrumental_set(g, ["X1", "X2"], "Y", ["Z1", "Z2"])


def test_brito_and_pearl_need_covariates():
    g = ADMG.from_string("Z1 -> X1 -> Y; Z2 -> X2 -> Y; W -> {Z1 Y}; X1 <-> Y; X2 <-> Y")
    assert InstrumentalSet(NodeSet(["Z1", "Z2"]), NodeSet(["W"])) in instrumental_sets(g, ["X1", "X2"], "Y")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: instruments(g, ["Z", "X"], "Y"), GraphError, "`instrumental_sets` is for several"),
        (lambda g: instruments(g, "X", ["Y", "Z"]), GraphError, "`y` a single one"),
        (lambda g: instruments(g, "U", "Y"), GraphError, "observed"),
        (lambda g: instruments(g, "X", "X"), GraphError, "disjoint"),
        (lambda g: instruments(g.to_cpdag(), "X", "Y"), GraphError, "type DAG or ADMG"),
        (lambda g: is_instrumental_set(g, "X", "Y", []), GraphError, "one node for each"),
        (lambda g: is_instrumental_set(g, "X", "Y", "Z", "Z"), GraphError, "disjoint"),
        (lambda g: instruments(g, "X", "Q"), UnknownNameError, "'Q'"),
    ],
)
def test_mistakes_are_named(call, error, message):
    g = DAG([("U", "X"), ("U", "Y"), ("Z", "X"), ("X", "Y")], latent="U")
    with pytest.raises(error, match=message):
        call(g)
