"""Draws against enumeration: every kind of question, asked of the sampler although tables could answer."""

import numpy as np
import pytest

import causalrep.scm._answers as answers
from causalrep.scm import DiscreteSCM
from causalrep.utils import ImpossibleEvidenceError
from tests.scm.enumeration import random_model

FOUR = 4  # standard errors; the seeds are fixed, so what agrees now agrees always


@pytest.fixture
def no_tables(monkeypatch):
    """Close the exact way."""
    monkeypatch.setattr(answers.TableEngine, "build", lambda *_: None)


def check(found, expected):
    assert not found.exact
    # where a contrast is 0, -1 or 1 in all but rare draws its spread may be missed: three in n
    assert abs(found - expected) <= FOUR * found.se + 3 / found.ess


def check_model(seed, n_nodes):
    rng = np.random.default_rng(seed)
    truth, states = random_model(rng, n_nodes)
    labels = {node: range(size) for node, size in states.items()}
    scm = DiscreteSCM.from_response_functions(truth.exogenous, truth.functions, labels)
    x, y = (str(node) for node in rng.choice(list(states), size=2, replace=False))
    other = str(rng.choice(list(states)))
    do, event = {x: 1}, {y: int(rng.integers(states[y]))}
    given = {other: int(rng.integers(states[other]))}
    seen, on, off = truth.world(), truth.world({x: 1}), truth.world({x: 0})
    how = {"n_samples": 4000, "random_state": seed}

    check(scm.probability(event, do=do, **how), truth.mass(on, event).sum())
    check(scm.expectation(y, do=do, **how), truth.weights @ on[y])
    check(scm.effect("ATE", x, y, **how), truth.weights @ (on[y] - off[y]))
    check(scm.effect("PNS", x, y, **how), truth.weights @ ((on[y] == 1) & (off[y] != 1)))
    middle = [node for node in truth.order if node not in (x, y)][:1]
    held = truth.world({x: 1, **{m: off[m] for m in middle}})[y]
    check(scm.effect("NDE", x, y, mediators=middle, **how), truth.weights @ (held - off[y]))
    law = truth.mass(seen, given)
    if law.sum() == 0:
        with pytest.raises(ImpossibleEvidenceError):
            scm.counterfactual_probability(event, do=do, given=given, **how)
    elif law.sum() > 0.05:
        hit = truth.mass(on, event) > 0
        check(scm.counterfactual_probability(event, do=do, given=given, **how), law @ hit / law.sum())
        mean = law @ on[y] / law.sum()
        check(scm.counterfactual_expectation(y, do=do, given=given, **how), mean)
        spread = law @ (on[y] - mean) ** 2 / law.sum()
        check(scm.counterfactual_variance(y, do=do, given=given, **how), spread)


@pytest.mark.usefixtures("no_tables")
@pytest.mark.parametrize("seed", range(30))
def test_draws_agree_with_enumeration(seed):
    check_model(seed, n_nodes=3 + seed % 3)


@pytest.mark.slow
@pytest.mark.usefixtures("no_tables")
@pytest.mark.parametrize("seed", range(400))
def test_draws_agree_with_enumeration_up_to_eight_nodes(seed):
    check_model(30_000 + seed, n_nodes=3 + seed % 6)
