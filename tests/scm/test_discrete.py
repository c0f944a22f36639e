"""Discrete models: exact answers against enumeration of all exogenous states, and their files."""

import numpy as np
import pytest

from causalrep.scm import DiscreteSCM
from causalrep.utils import ImpossibleEvidenceError
from tests.scm.enumeration import random_model

TOLERANCE = 1e-9  # asked for by the specification; sums of at most 3**10 terms of double precision


def build(truth, states):
    labels = {node: range(size) for node, size in states.items()}
    return DiscreteSCM.from_response_functions(truth.exogenous, truth.functions, labels)


def pick(rng, states, k, *, avoid=()):
    nodes = [node for node in states if node not in avoid]
    chosen = rng.choice(nodes, size=min(k, len(nodes)), replace=False)
    return {str(node): int(rng.integers(states[node])) for node in chosen}


def check_model(seed, n_nodes):
    """Compare every kind of query on one random model with enumeration."""
    rng = np.random.default_rng(seed)
    truth, states = random_model(rng, n_nodes)
    scm = build(truth, states)
    event, do = pick(rng, states, 2), pick(rng, states, 1)
    given = pick(rng, states, 2, avoid=event)
    seen, acted = truth.world(), truth.world(do)
    w = truth.weights

    assert scm.probability(event) == pytest.approx(truth.mass(seen, event).sum(), abs=TOLERANCE)
    assert scm.probability(event, do=do) == pytest.approx(truth.mass(acted, event).sum(), abs=TOLERANCE)
    node = str(rng.choice(list(states)))
    assert scm.expectation(node, do=do) == pytest.approx(w @ acted[node], abs=TOLERANCE)
    product = scm.expectation(lambda V1, V0: V1 * (V0 + 1.0), do=do)
    assert product == pytest.approx(w @ (acted["V1"] * (acted["V0"] + 1.0)), abs=TOLERANCE)

    check_given(lambda e: scm.probability(e, given=given), seen, seen, truth, event, given)
    check_given(lambda e: scm.probability(e, do=do, given=given), acted, acted, truth, event, given)
    check_given(
        lambda e: scm.counterfactual_probability(e, do=do, given=given), acted, seen, truth, event, given
    )
    below = truth.mass(seen, given)
    if below.sum() > 0:
        law = below / below.sum()
        mean = law @ acted[node]
        found = scm.counterfactual_expectation(node, do=do, given=given)
        assert found == pytest.approx(mean, abs=TOLERANCE)
        found = scm.counterfactual_variance(node, do=do, given=given)
        assert found == pytest.approx(law @ (acted[node] - mean) ** 2, abs=TOLERANCE)


def check_given(ask, asked_world, given_world, truth, event, given):
    below = truth.mass(given_world, given)
    if below.sum() == 0:
        with pytest.raises(ImpossibleEvidenceError):
            ask(event)
    else:
        both = (truth.mass(asked_world, event) > 0) * below
        assert ask(event) == pytest.approx(both.sum() / below.sum(), abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(40))
def test_every_query_agrees_with_enumeration(seed):
    check_model(seed, n_nodes=2 + seed % 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_every_query_agrees_with_enumeration_up_to_eight_nodes(seed):
    check_model(10_000 + seed, n_nodes=2 + seed % 7)
