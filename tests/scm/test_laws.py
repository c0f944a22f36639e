"""The laws that define structural causal models, on random ones.

Models have up to eight nodes, random graphs, functions and noises. Values stay below about 1e4 (each
function at most doubles the sum of its parents), so float64 rounding over eight levels stays below 1e-9.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import DAG
from causalrep.scm import SCM, AdditiveNoise, Exponential, Function, Laplace, Normal, Uniform

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}
ROWS = 6
SHAPES = {
    "linear": lambda coefficient: lambda x: coefficient * x,
    "bend": lambda coefficient: lambda x: 2 * np.tanh(coefficient * x),
    "wave": lambda coefficient: lambda x: np.sin(3 * x) + coefficient,
    "fold": lambda coefficient: lambda x: np.abs(x - coefficient),
}
LAWS = [Normal(0, 1), Uniform(-1, 2), Laplace(0, 0.5), Exponential(2.0)]


def total(shapes):
    return lambda *parents: sum((f(x) for f, x in zip(shapes, parents, strict=True)), start=0.25)


@st.composite
def models(draw, min_nodes=2):
    """Return an SCM with random graph, functions and laws; the order of nodes is not causal."""
    names = draw(st.permutations([f"V{i}" for i in range(draw(st.integers(min_nodes, 8)))]))
    mechanisms = {}
    for i, name in enumerate(names):
        parents = [p for p in names[:i] if draw(st.booleans())]
        kinds = [(draw(st.sampled_from(sorted(SHAPES))), draw(st.floats(-1.5, 1.5))) for _ in parents]
        function = total([SHAPES[kind](coefficient) for kind, coefficient in kinds])
        mechanisms[name] = AdditiveNoise(function, draw(st.sampled_from(LAWS)), parents=parents)
    edges = [(p, name) for name, m in mechanisms.items() for p in m.parents]
    return SCM(DAG(edges, nodes=sorted(names)), mechanisms)


@st.composite
def models_and_targets(draw, n_targets=1):
    scm = draw(models(min_nodes=n_targets + 1))
    targets = draw(st.permutations(scm.graph.nodes))[:n_targets]
    return scm, *targets


seeds = st.integers(0, 2**31)
numbers = st.floats(-3, 3)


def draw_rows(scm, seed):
    return scm.sample(ROWS, seed, return_noise=True)


def unrolled(scm, noise, do):
    """Evaluate the structural equations one node at a time, straight from their definition."""
    values = {}
    while len(values) < len(scm.graph):
        for node, mechanism in scm.mechanisms.items():
            if node in do:
                values[node] = np.full(ROWS, do[node])
            elif set(mechanism.parents) <= set(values):
                values[node] = mechanism.location(values) + noise[node]
    return values


def assert_rows_close(got, expected):
    for node in expected:
        np.testing.assert_allclose(got[node], expected[node], err_msg=str(node), **TOLERANCE)


@given(models_and_targets(2), seeds, numbers, numbers)
def test_counterfactual_is_the_model_unrolled_with_the_same_noise(case, seed, x, w):
    scm, a, b = case
    samples = draw_rows(scm, seed)
    do = {a: x, b: w}
    assert_rows_close(scm.counterfactual(samples, do), unrolled(scm, samples.noise, do))
    assert_rows_close(scm.counterfactual(samples.frame, do), unrolled(scm, samples.noise, do))


@given(models(), seeds)
def test_abduction_inverts_sampling(scm, seed):
    samples = draw_rows(scm, seed)
    noise = scm.abduct(samples.frame)
    assert list(noise) == list(scm.graph.nodes)
    assert_rows_close(noise, samples.noise)


@given(models_and_targets(), seeds)
def test_consistency_setting_the_observed_value_changes_nothing(case, seed):
    scm, target = case
    frame = scm.sample(ROWS, seed)
    assert_rows_close(scm.counterfactual(frame, {target: frame[target]}), frame)


@given(models(), seeds)
def test_the_null_intervention_returns_what_was_given(scm, seed):
    samples = draw_rows(scm, seed)
    same = scm.counterfactual(samples, {})
    assert all(same[node] is samples[node] for node in samples)
    assert same.noise.keys() == samples.noise.keys()


@given(models_and_targets(2), seeds, numbers)
def test_composition_forcing_a_value_that_obtains_anyway_changes_nothing(case, seed, x):
    # W_x(u) = w  =>  Y_{x,w}(u) = Y_x(u)  (Galles and Pearl 1998, composition)
    scm, a, b = case
    frame = scm.sample(ROWS, seed)
    once = scm.counterfactual(frame, {a: x})
    assert_rows_close(scm.counterfactual(frame, {a: x, b: once[b]}), once)


@given(models_and_targets(2), seeds, numbers, numbers)
def test_effectiveness_targets_take_exactly_their_values(case, seed, x, w):
    scm, a, b = case
    frame = scm.sample(ROWS, seed)
    imagined = scm.counterfactual(frame, {a: x, b: w})
    assert (imagined[a] == x).all()
    assert (imagined[b] == w).all()


@given(models_and_targets(), seeds, numbers)
def test_reversibility_doing_and_undoing_returns_to_the_observation(case, seed, x):
    scm, target = case
    samples = draw_rows(scm, seed)
    there = scm.counterfactual(samples, {target: x})
    assert_rows_close(scm.counterfactual(there, {target: samples[target]}), samples)
    there = scm.counterfactual(samples.frame, {target: x})
    assert_rows_close(scm.counterfactual(there, {target: samples[target]}), samples)


@given(models_and_targets(), seeds, numbers)
def test_what_does_not_descend_from_the_target_is_the_same_array(case, seed, x):
    scm, target = case
    samples = draw_rows(scm, seed)
    imagined = scm.counterfactual(samples, {target: x})
    untouched = set(scm.graph.nodes) - {target} - set(scm.graph.descendants(target))
    assert {node for node in samples if imagined[node] is samples[node]} == untouched
    frame = scm.counterfactual(samples.frame, {target: x})
    for node in untouched:
        assert frame[node].to_numpy().tobytes() == samples[node].tobytes()


@given(models_and_targets(), seeds, numbers)
def test_a_counterfactual_does_not_change_its_argument(case, seed, x):
    scm, target = case
    frame = scm.sample(ROWS, seed)
    before = frame.copy(deep=True)
    scm.counterfactual(frame, {target: x}, shift={})
    assert frame.equals(before)


@given(models_and_targets(3), seeds, numbers, numbers)
def test_do_is_order_independent_for_distinct_targets(case, seed, x, delta):
    scm, a, b, c = case
    steps = [lambda m: m.do({a: x}), lambda m: m.do({b: Normal(0, 1)}), lambda m: m.shift({c: delta})]
    models = [steps[i](steps[j](steps[k](scm))) for i, j, k in [(0, 1, 2), (2, 1, 0), (1, 2, 0)]]
    assert models[0].graph == models[1].graph == models[2].graph
    frames = [m.sample(ROWS, seed) for m in models]
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


@given(models_and_targets(), seeds, numbers)
def test_non_descendants_share_their_random_numbers_across_interventions(case, seed, x):
    scm, target = case
    contrast = scm.do({target: x}).sample(ROWS, seed) - scm.sample(ROWS, seed)
    for node in set(scm.graph.nodes) - {target} - set(scm.graph.descendants(target)):
        assert (contrast[node] == 0).all()


@given(models(), seeds)
def test_adding_a_node_changes_no_other_draw(scm, seed):
    nodes = scm.graph.nodes
    graph = DAG([*scm.graph.directed_edges, (nodes[0], "new")], nodes=["new", *nodes])
    larger = SCM(graph, {**scm.mechanisms, "new": AdditiveNoise(lambda x: x, Normal(), parents=nodes[:1])})
    assert larger.sample(ROWS, seed)[list(nodes)].equals(scm.sample(ROWS, seed))


@given(models_and_targets(), seeds, st.data())
def test_sampling_an_intervened_model_is_imagining_the_intervention(case, seed, data):
    # the three rungs agree: same noise, same replacement, hence the same rows
    scm, target = case
    others = set(scm.graph.nodes) - {target} - set(scm.graph.descendants(target))
    choices = [0.7, np.linspace(-1, 1, ROWS), Laplace(1, 2)]
    choices += [Function(lambda z: np.tanh(z) + 1, parents=[node]) for node in sorted(others)]
    value = data.draw(st.sampled_from(choices))
    imagined = scm.counterfactual(draw_rows(scm, seed), {target: value}, random_state=seed)
    assert_rows_close(imagined, draw_rows(scm.do({target: value}), seed))


@given(models_and_targets(2), seeds, numbers, numbers)
def test_a_shifted_node_moves_from_the_value_it_would_have_taken(case, seed, x, delta):
    scm, a, b = case
    samples = draw_rows(scm, seed)
    both = scm.counterfactual(samples, {a: x}, shift={b: delta})
    np.testing.assert_allclose(both[b], scm.counterfactual(samples, {a: x})[b] + delta, **TOLERANCE)
    assert_rows_close(both, draw_rows(scm.do({a: x}).shift({b: delta}), seed))
    # a frame carries no noise: what is abducted is the noise of the model as it was, without the shift
    assert_rows_close(scm.counterfactual(samples.frame, {a: x}, shift={b: delta}), both)


@given(models(), seeds)
def test_log_prob_adds_up_over_the_noises(scm, seed):
    samples = draw_rows(scm, seed)
    expected = sum(m.noise.log_prob(samples.noise[node]) for node, m in scm.mechanisms.items())
    np.testing.assert_allclose(scm.log_prob(samples.frame), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_linear_gaussian_effect_and_covariance_have_their_closed_form(seed):
    # X = X B + E gives X = E (I - B)^-1: total effects are the entries of (I - B)^-1, the covariance
    # is (I - B)^-T D (I - B)^-1
    rng = np.random.default_rng(seed)
    d, n = 5, 20_000
    B = np.triu(rng.uniform(-1, 1, (d, d)), k=1)
    names = [f"V{i}" for i in range(d)]
    noise_sd = rng.uniform(0.5, 1.5, d)
    mechanisms = {
        names[j]: AdditiveNoise(
            lambda *x, w=B[:j, j]: sum((c * v for c, v in zip(w, x, strict=True)), start=0.0),
            Normal(0, noise_sd[j]),
            parents=names[:j],
        )
        for j in range(d)
    }
    scm = SCM(mechanisms=mechanisms)
    effects = np.linalg.inv(np.eye(d) - B)
    high = scm.do(V1=1.0).sample(n, random_state=1)["V4"]
    low = scm.do(V1=0.0).sample(n, random_state=2)["V4"]  # other seed: unpaired, so it has an error
    standard_error = np.sqrt(high.var() / n + low.var() / n)
    assert abs((high.mean() - low.mean()) - effects[1, 4]) < 4 * standard_error

    expected = effects.T @ np.diag(noise_sd**2) @ effects
    got = np.cov(scm.sample(n, random_state=3).to_numpy(), rowvar=False)
    # a Gaussian sample covariance has variance (s_ii s_jj + s_ij^2) / n
    errors = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / n)
    assert (np.abs(got - expected) < 4.5 * errors).all()
