"""Networks of the size that people use: files, size, and interventions against adjustment."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.scm import DiscreteSCM
from causalrep.scm._elimination import Factor, TooWideError, draw_from, eliminate, min_fill_order
from tests.strategies import dags

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bnlearn_networks"
NAMES = ["asia", "cancer", "earthquake", "survey", "sachs", "child", "alarm", "hailfinder"]


def load(name):
    path = FOLDER / f"{name}.bif"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return DiscreteSCM.from_bif(path)


def by_adjustment(scm, x, value, y):
    """P(y | do(x)) by the parents of x: the sum over z of P(y | x, z) P(z), a strata at a time."""
    parents = list(scm.graph.parents(x))
    total = np.zeros(len(scm.states[y]))
    for combination in itertools.product(*(scm.states[p] for p in parents)):
        z = dict(zip(parents, combination, strict=True))
        weight = scm.probability(z) if z else 1.0
        if weight > 0:
            total += weight * np.array(
                [scm.probability({y: s}, given={x: value, **z}) for s in scm.states[y]]
            )
    return total


def positive(scm, x, value):
    """Whether every stratum of the parents of x leaves the value possible."""
    cpt = scm.mechanisms[x]
    return bool((cpt.table[..., scm.states[x].index(value)] > 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_mutilation_equals_adjustment(name):
    scm = load(name)
    rng = np.random.default_rng(len(name))
    pairs = [(x, y) for x in scm.graph.nodes for y in scm.graph.descendants(x)]
    pairs = [(x, y) for x, y in pairs if x != y and len(scm.graph.parents(x)) <= 2]
    for at in rng.permutation(len(pairs))[:4]:
        x, y = pairs[at]
        for value in scm.states[x]:
            if positive(scm, x, value):
                exact = [scm.probability({y: s}, do={x: value}) for s in scm.states[y]]
                np.testing.assert_allclose(exact, by_adjustment(scm, x, value, y), atol=1e-9)
                assert sum(exact) == pytest.approx(1)


@pytest.mark.parametrize("name", NAMES)
def test_files_round_trip(name):
    scm = load(name)
    again = DiscreteSCM.from_bif(scm.to_bif())
    assert again.graph == scm.graph
    assert again.states == scm.states
    for node, cpt in scm.mechanisms.items():
        np.testing.assert_allclose(again.mechanisms[node].table, cpt.table, atol=1e-15)


labels = st.text(min_size=1, max_size=4) | st.integers(-9, 9)


@st.composite
def discrete_models(draw):
    """Discrete models on any DAG, with names and states of any text."""
    graph = draw(dags(min_nodes=1, max_nodes=4, labels=st.text(min_size=1, max_size=5)))
    sizes = {node: draw(st.integers(1, 3)) for node in graph.nodes}
    states = {
        node: draw(st.lists(labels.map(str), min_size=k, max_size=k, unique=True))
        for node, k in sizes.items()
    }
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cpts = {}
    for node in graph.nodes:
        parents = list(graph.parents(node))
        cpts[node] = (parents, rng.dirichlet(np.ones(sizes[node]), size=[sizes[p] for p in parents]))
    return DiscreteSCM.from_cpts(cpts, states)


@settings(max_examples=8)
@given(discrete_models())
def test_any_model_survives_the_way_through_a_file(scm):
    again = DiscreteSCM.from_bif(scm.to_bif())
    assert again.graph == scm.graph
    assert again.states == scm.states
    for node, cpt in scm.mechanisms.items():
        assert again.mechanisms[node].parents == cpt.parents
        np.testing.assert_allclose(again.mechanisms[node].table, cpt.table, rtol=0, atol=1e-15)


@settings(max_examples=10)
@given(discrete_models(), st.integers(0, 2**32 - 1))
def test_laws_of_probability(scm, seed):
    """Margins of the joint table, sums to one, consistency, and no effect on what is no descendant."""
    rng = np.random.default_rng(seed)
    nodes = list(scm.graph.nodes)
    table = scm.table()
    assert table["p"].sum() == pytest.approx(1)
    x, y = (nodes[int(rng.integers(len(nodes)))] for _ in range(2))
    value = scm.states[x][int(rng.integers(len(scm.states[x])))]
    for state in scm.states[y]:
        event = {y: state}
        assert scm.probability(event) == pytest.approx(table["p"][table[y] == state].sum())
        if y not in scm.graph.descendants(x) and y != x:
            assert scm.probability(event, do={x: value}) == pytest.approx(scm.probability(event))
        seen = scm.probability(event, given={x: value})
        imagined = scm.counterfactual_probability(event, do={x: value}, given={x: value})
        assert imagined == pytest.approx(seen)


def test_large_networks_answer_without_a_joint_table():
    """A joint table of 56 nodes would never end."""
    for name, x, y in (("alarm", "HYPOVOLEMIA", "BP"), ("hailfinder", "Scenario", "R5Fcst")):
        scm = load(name)
        event, do, seen = {y: scm.states[y][0]}, {x: scm.states[x][0]}, {x: scm.states[x][1]}
        assert 0.0 <= scm.probability(event, do=do) <= 1.0
        assert 0.0 <= scm.counterfactual_probability(event, do=do, given=seen) <= 1.0


def test_samples_of_a_file_have_the_names_of_its_states():
    scm = load("asia")
    rows = scm.sample(20_000, random_state=0)
    assert set(rows["smoke"]) == {"yes", "no"}
    frequency = (rows["dysp"] == "yes").mean()
    assert abs(frequency - scm.probability({"dysp": "yes"})) <= 4 * 0.5 / np.sqrt(20_000)


def brute(factors, keep, sizes):
    grid = np.indices(sizes).reshape(len(sizes), -1)
    product = np.ones(grid.shape[1])
    for factor in factors:
        product = product * factor.table[tuple(grid[v] for v in factor.variables)]
    shape = [sizes[v] for v in keep]
    at = np.ravel_multi_index([grid[v] for v in keep], shape) if keep else np.zeros(len(product), dtype=int)
    return np.bincount(at, weights=product, minlength=int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize("seed", range(30))
def test_elimination_is_the_sum_of_products(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, size=6).tolist()
    factors = [Factor((v,), rng.random(sizes[v])) for v in range(6)]
    for _ in range(5):
        scope = tuple(rng.choice(6, size=int(rng.integers(1, 4)), replace=False).tolist())
        factors.append(Factor(scope, rng.random([sizes[v] for v in scope])))
    keep = rng.choice(6, size=int(rng.integers(0, 4)), replace=False).tolist()
    table, log_scale = eliminate(factors, keep)
    np.testing.assert_allclose(table * np.exp(log_scale), brute(factors, keep, sizes), rtol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_draws_follow_the_normalised_product(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, size=5).tolist()
    factors = [Factor((v,), rng.random(sizes[v])) for v in range(5)]
    for _ in range(4):
        scope = tuple(rng.choice(5, size=int(rng.integers(1, 4)), replace=False).tolist())
        factors.append(Factor(scope, rng.random([sizes[v] for v in scope])))
    n = 40_000
    drawn = draw_from(factors, n, rng)
    law = brute(factors, list(range(5)), sizes)
    law /= law.sum()
    at = np.ravel_multi_index([drawn[v] for v in range(5)], sizes)
    found = np.bincount(at, minlength=law.size) / n
    # five standard errors of each cell, among some hundred
    assert (abs(found - law.ravel()) <= 5 * np.sqrt(law.ravel() / n)).all()
    assert draw_from([*factors, Factor((0,), np.zeros(sizes[0]))], 3, rng) is None


def test_long_products_do_not_underflow():
    table, log_scale = eliminate([Factor((v,), np.full(2, 1e-300)) for v in range(10)], ())
    assert float(np.log(table) + log_scale) == pytest.approx(10 * np.log(2e-300))


def test_min_fill_takes_the_ends_of_a_chain_first():
    order = min_fill_order([(0, 1), (1, 2), (2, 3)], keep=[3])
    assert order == [0, 1, 2]
    star = min_fill_order([(0, v) for v in range(1, 6)], keep=[])
    assert star[-2:] != [0, 5] or star.index(0) >= 4  # the hub would join all its neighbours


def complete(k):
    """A network in which every node reads all before it: its width is its size."""
    rng = np.random.default_rng(0)
    cpts = {i: (list(range(i)), rng.dirichlet(np.ones(2), size=(2,) * i)) for i in range(k)}
    return DiscreteSCM.from_cpts(cpts)


def test_what_is_too_wide_is_sampled(monkeypatch):
    scm = complete(8)
    exact = scm.probability({7: 1}, given={3: 0})
    assert exact.exact
    monkeypatch.setattr("causalrep.scm._elimination.LARGEST", 2**5)
    drawn = scm.probability({7: 1}, given={3: 0}, random_state=0)
    assert not drawn.exact
    assert abs(drawn - exact) <= 4 * drawn.se
    spread = scm.counterfactual_variance(7, do={0: 1}, given={3: 0}, random_state=0)
    assert not spread.exact
    with pytest.raises(TooWideError):
        scm.table()
    # what is seen is no variable any more: with six of eight nodes known the rest is narrow
    assert scm.probability({7: 1}, given=dict.fromkeys(range(6), 0)).exact


def test_many_observed_causes():
    """70 children of one node, all seen: more axes than an array can have, were they kept."""
    cpts = {"class": ((), [0.5, 0.5])}
    for i in range(70):
        cpts[f"symptom {i}"] = (["class"], [[0.6, 0.4], [0.4, 0.6]])
    scm = DiscreteSCM.from_cpts(cpts)
    found = scm.probability({"class": 1}, given={f"symptom {i}": int(i < 36) for i in range(70)})
    assert found == pytest.approx(0.6**2 / (0.6**2 + 0.4**2))


def test_states_of_probability_zero():
    scm = load("asia")
    assert scm.probability({"either": "no"}, given={"tub": "yes"}) == 0.0
