"""Models as Pyro programs and back: laws, handlers, round trips, and posteriors against closed forms."""

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro import poutine

from causalrep.scm import (
    SCM,
    AdditiveNoise,
    DiscreteSCM,
    LinearGaussianSCM,
    Normal,
)
from causalrep.utils import CausalRepError, DataError, GraphError, torch_rng
from tests.strategies import dags

EVERY_KIND = """
    Z = N(0.5, 1); X = 0.8*Z + N(0, 1); L = Laplace(X, 0.5 + Z*Z); U = Uniform(-1, 2)
    W = exp(0.3*X + N(0, 0.5)); T = tanh(Z) * StudentT(5); Y ~ Bernoulli(sigmoid(X - Z))
    K ~ Poisson(exp(0.2*Z)); E = Exponential(exp(X/4)); G = Gamma(2, 1.5); C ~ Categorical(0.2, 0.3, 0.5)
    Q = X*X - N(0, 2) + max(Z, U); S = softplus(Z + N(0, 1)); D = where(X > 0, X, 0) + C
    O = LogNormal(Z/4, 0.5); P = sigmoid(N(X, 1))
"""


def as_tensors(frame):
    return {name: torch.tensor(frame[name].to_numpy(), dtype=torch.float64) for name in frame}


def log_prob_by_pyro(scm, frame):
    conditioned = poutine.condition(scm.to_pyro(), as_tensors(frame))
    trace = poutine.trace(lambda: conditioned(len(frame))).get_trace()
    trace.compute_log_prob()
    return sum(trace.nodes[str(node)]["log_prob"] for node in scm.graph.nodes).numpy()


def test_sites_have_the_laws_of_the_mechanisms():
    scm = SCM.from_equations(EVERY_KIND)
    stochastic = SCM(mechanisms={k: m for k, m in scm.mechanisms.items() if not m.deterministic})
    frame = stochastic.sample(50, random_state=0)
    np.testing.assert_allclose(log_prob_by_pyro(stochastic, frame), stochastic.log_prob(frame), rtol=1e-9)


@pytest.mark.parametrize("sites", ["values", "noise"])
def test_programs_draw_from_the_model(sites):
    scm = SCM.from_equations(EVERY_KIND)
    n = 20_000
    with torch_rng(0):
        drawn = scm.to_pyro(sites=sites)(n)
    frame = scm.sample(n, random_state=0)
    assert list(drawn) == list(scm.graph.nodes)
    for name, values in drawn.items():
        ours, theirs = frame[name].to_numpy(dtype=float), values.double().numpy()
        levels = [0.1, 0.3, 0.5, 0.7, 0.9]
        at = np.quantile(ours, levels)
        # 80 comparisons of shares, each with a standard error of at most 0.005: 4.5 of them
        np.testing.assert_allclose(
            (theirs <= at[:, None]).mean(axis=1), (ours <= at[:, None]).mean(axis=1), atol=0.0225
        )


def test_one_unit_and_rows():
    program = SCM.from_equations("X = N(0, 1); Y = 2*X").to_pyro()
    one, rows = program(), program(3)
    assert one["Y"].shape == ()
    assert rows["Y"].shape == (3,)
    torch.testing.assert_close(rows["Y"], 2 * rows["X"])


def test_do_cuts_the_arrow_and_condition_weighs():
    scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1); Z = Y + N(0, 1)")
    cut = pyro.do(scm.to_pyro(), {"Y": torch.tensor(7.0, dtype=torch.float64)})
    trace = poutine.trace(cut).get_trace()
    assert trace.nodes["Z"]["fn"].loc == 7.0
    noise = pyro.do(scm.to_pyro(sites="noise"), {"Y": torch.tensor(7.0, dtype=torch.float64)})
    trace = poutine.trace(noise).get_trace()
    torch.testing.assert_close(trace.nodes["Z"]["value"], 7.0 + trace.nodes["Z_noise"]["value"])
    impossible = pyro.condition(scm.to_pyro(sites="noise"), {"Y": torch.tensor(7.0, dtype=torch.float64)})
    assert poutine.trace(impossible).get_trace().log_prob_sum() == -np.inf


@pytest.mark.parametrize("sites", ["values", "noise"])
def test_correlated_noise_is_sampled_together(sites):
    scm = LinearGaussianSCM([[0, 1.0], [0, 0]], [[1.0, 0.5], [0.5, 2.0]], mean=[1.0, -1.0], names=["X", "Y"])
    n = 50_000
    with torch_rng(1):
        drawn = torch.stack(list(scm.to_pyro(sites=sites)(n).values())).numpy()
    truth = scm.covariance()
    np.testing.assert_allclose(np.cov(drawn), truth, atol=4.5 * 2**0.5 * truth.max() / n**0.5)
    np.testing.assert_allclose(drawn.mean(axis=1), scm.mean(), atol=4.5 * truth.max() ** 0.5 / n**0.5)


@pytest.mark.parametrize("coupling", ["monotone", "gumbel"])
@pytest.mark.parametrize("sites", ["values", "noise"])
def test_tables_are_sampled_as_codes(sites, coupling):
    scm = DiscreteSCM.from_cpts(
        {"A": ((), [0.3, 0.7]), "B": (["A"], [[0.9, 0.1], [0.4, 0.6]])},
        states={"A": ["no", "yes"], "B": [5, 7]},
        coupling=coupling,
    )
    with torch_rng(0):
        drawn = scm.to_pyro(sites=sites)(20_000)
    joint = [float(((drawn["A"] == a) & (drawn["B"] == b)).double().mean()) for a in (0, 1) for b in (0, 1)]
    np.testing.assert_allclose(joint, scm.table()["p"], atol=4.5 * 0.5 / 20_000**0.5)


def test_children_of_tables_see_labels():
    table = DiscreteSCM.from_cpts({"A": ((), [0.5, 0.5])}, states={"A": [10, 20]}).mechanisms["A"]
    scm = SCM(mechanisms={"A": table, "Y": AdditiveNoise(lambda A: A / 10, None)})
    drawn = scm.to_pyro()(100)
    torch.testing.assert_close(drawn["Y"], drawn["A"].double() + 1)


def test_functions_of_numpy_are_sampled_but_have_no_gradient():
    scm = SCM(
        mechanisms={"X": Normal(0, 1), "Y": AdditiveNoise(lambda X: np.where(X > 0, X, 0.0), Normal(0, 1))}
    )
    drawn = scm.to_pyro()(1000)
    assert drawn["Y"].shape == (1000,)
    with pytest.raises(CausalRepError, match="NumPy"):
        scm.counterfactual({"Y": [1.0]}, do={"X": 0.0}, n_draws=5, method="nuts", random_state=0)


@settings(max_examples=12)
@given(graph=dags(min_nodes=1, max_nodes=4, labels=st.sampled_from("ABCDEF")), seed=st.integers(0, 9))
def test_round_trip_of_random_models(graph, seed):
    """Graph, densities and counterfactuals survive the way to Pyro and back."""
    scm = a_model(graph, seed)
    back = SCM.from_pyro(scm.to_pyro())
    assert set(back.graph.directed_edges) == set(graph.directed_edges)
    assert back.graph.nodes == scm.graph.nodes or set(back.graph.nodes) == set(scm.graph.nodes)
    rows = scm.sample(5, random_state=seed)
    np.testing.assert_allclose(back.log_prob(rows), scm.log_prob(rows), rtol=1e-7)
    first = scm.graph.topological_order()[0]
    ours, theirs = (model.counterfactual(rows, do={first: 0.5}) for model in (scm, back))
    pd.testing.assert_frame_equal(ours, theirs[list(ours)], rtol=1e-7)


def a_model(graph, seed):
    """Linear, multiplied or bent nodes with noise that can be told."""
    rng = np.random.default_rng(seed)
    lines = []
    for node in graph.nodes:
        parents = graph.parents(node)
        line = " + ".join([f"({rng.normal():.2f}) * {p}" for p in parents] or ["1"])
        forms = [
            "{} + N(0, 1)",
            "sin({}) + Laplace(0, 0.5)",
            "exp(({}) / 4 + N(0, 0.3))",
            "tanh({}) - 2 * N(0, 1)",
        ]
        lines.append(f"{node} = {forms[rng.integers(4)].format(line)}")
    return SCM.from_equations("\n".join(lines))


def test_noise_sites_round_trip_as_roots():
    scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    back = SCM.from_pyro(scm.to_pyro(sites="noise"))
    assert back.graph.to_string() == "X_noise -> X; Y_noise; X -> Y; Y_noise -> Y"
    assert back.mechanisms["Y"].deterministic


def test_a_program_with_plates_events_and_observations():
    def program():
        a = pyro.sample("a", dist.Normal(0.0, 1.0))
        with pyro.plate("three", 3):
            b = pyro.sample("b", dist.Normal(a, 0.5))
            pyro.deterministic("c", 2 * b)
        mean = torch.stack([a, -a], -1)
        d = pyro.sample("d", dist.MultivariateNormal(mean, torch.tensor([[1.0, 0.5], [0.5, 2.0]])))
        e = pyro.sample("e", dist.Gamma(2.0 + a * a, 1.0), obs=torch.tensor(3.0))
        f = pyro.sample("f", dist.Categorical(logits=torch.stack([a, e, a * 0], -1)))
        pyro.sample("g", dist.Normal(f + d[..., 0], 1.0))
        pyro.sample("h", dist.Poisson(torch.exp(a / 2)))
        pyro.sample("i", dist.HalfNormal(torch.exp(a)))

    scm = SCM.from_pyro(program)
    edges = "a -> b; b -> c; a -> d; a -> e; a -> f; e -> f; d -> g; f -> g; a -> h; a -> i"
    assert scm.graph.to_string() == edges
    samples = scm.sample(4000, random_state=0)
    assert samples["b"].shape == (4000, 3)
    assert samples["d"].shape == (4000, 2)
    np.testing.assert_allclose(samples["c"], 2 * samples["b"], rtol=1e-6)
    np.testing.assert_allclose(np.cov(samples["d"].T), [[2, -0.5], [-0.5, 3]], atol=0.3)
    assert abs(samples["e"].mean() - 3) < 0.2  # E[2 + a**2]
    assert abs(samples["i"].mean() - np.exp(0.5) * (2 / np.pi) ** 0.5) < 0.15
    noise = scm.abduct(dict(samples.items()), ["b", "d", "e", "i"])
    for node in ("b", "d", "i"):
        parents = {"a": samples["a"]}
        again = scm.mechanisms[node].forward(parents, noise[node])
        np.testing.assert_allclose(again, samples[node], rtol=1e-3, atol=1e-4)  # single precision
    for node in ("f", "h"):
        mechanism, parents = scm.mechanisms[node], {p: samples[p] for p in scm.graph.parents(node)}
        drawn = mechanism.draw_noise(parents, samples[node], np.random.default_rng(0))
        np.testing.assert_array_equal(mechanism.forward(parents, drawn), samples[node])


def branches():
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    pyro.sample("b", dist.Normal(3.0 if a > 0 else -3.0, 1.0))


def leaves_torch():
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    pyro.sample("b", dist.Normal(float(a), 1.0))


def changing():
    if pyro.sample("a", dist.Bernoulli(0.5)):
        pyro.sample("b", dist.Normal(0.0, 1.0))
    else:
        pyro.sample("c", dist.Normal(0.0, 1.0))


def weighted():
    pyro.sample("a", dist.Normal(0.0, 1.0))
    pyro.factor("f", torch.tensor(1.0))


def subsampled():
    with pyro.plate("p", 10, subsample_size=3):
        pyro.sample("a", dist.Normal(0.0, 1.0))


def scaled():
    with poutine.scale(scale=2.0):
        pyro.sample("a", dist.Normal(0.0, 1.0))


def unknown():
    pyro.sample("a", dist.Dirichlet(torch.ones(3)))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (branches, "at once|no function of its parents"),
        (leaves_torch, "at once|no function of its parents"),
        (changing, "same sites in every run"),
        (weighted, "factor"),
        (subsampled, "subsampled"),
        (scaled, "scaled"),
        (unknown, "Dirichlet"),
        (lambda: None, "no sample site"),
    ],
)
def test_programs_that_are_no_model_are_refused(program, reason):
    with pytest.raises(CausalRepError, match=reason):
        SCM.from_pyro(program)


def linear():
    scm = LinearGaussianSCM([[0, 1.0, 0.5], [0, 0, -1.0], [0, 0, 0]], [1.0, 0.5, 2.0], names=["X", "M", "Y"])
    return SCM(scm.graph, scm.mechanisms)


@pytest.mark.filterwarnings("ignore:only .* draws")
@pytest.mark.parametrize(("method", "n_draws"), [("nuts", 60), ("svi", 60)])
def test_posterior_counterfactuals_of_a_linear_model(method, n_draws, monkeypatch):
    """Y observed, X and M not: mean and variance of Y under do(X = 1) in closed form."""
    monkeypatch.setattr("causalrep.scm._pyro_posterior._STEPS", 400)
    monkeypatch.setattr("causalrep.scm._pyro_posterior._LEAST_WARMUP", 100)
    scm, rows = linear(), pd.DataFrame({"Y": [1.0, -2.0]})
    pyro.get_param_store().clear()
    pyro.param("mine", torch.tensor(1.0))
    state = torch.random.get_rng_state()
    drawn = scm.counterfactual(rows, do={"X": 1.0}, n_draws=n_draws, method=method, random_state=0)
    assert list(pyro.get_param_store()) == ["mine"]  # Pyro and Torch are left as they were
    assert torch.equal(torch.random.get_rng_state(), state)
    pyro.get_param_store().clear()
    for row, y in enumerate(rows["Y"]):
        mean = scm.counterfactual_expectation("Y", do={"X": 1.0}, given={"Y": y})
        sd = scm.counterfactual_variance("Y", do={"X": 1.0}, given={"Y": y}) ** 0.5
        # a third of the draws at least are worth as independent ones
        assert abs(drawn.mean("Y")[row] - mean) < 4.5 * sd / (n_draws / 3) ** 0.5
        values = drawn.samples["Y"].reshape(2, -1)[row]
        spread = (drawn.weights[row] @ (values - drawn.mean("Y")[row]) ** 2) ** 0.5
        assert 0.65 * sd < spread < 1.5 * sd


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:only .* draws")
@pytest.mark.parametrize("method", ["nuts", "svi"])
def test_posterior_counterfactuals_agree_with_importance_sampling(method):
    """Bent mechanisms, another column missing in each row."""
    scm = SCM.from_equations("X = N(0, 1); M = tanh(X) + N(0, 0.5); Y = exp(M / 2) + X + N(0, 1)")
    rows = pd.DataFrame({"M": [0.5, np.nan, np.nan], "Y": [2.0, 0.5, np.nan], "X": [np.nan, np.nan, 1.0]})
    exact = scm.counterfactual(rows, do={"X": 0.5}, n_draws=40_000, random_state=0)
    drawn = scm.counterfactual(rows, do={"X": 0.5}, n_draws=1500, method=method, random_state=0)
    np.testing.assert_allclose(drawn.mean("Y"), exact.mean("Y"), atol=0.15)


def test_rows_with_nothing_missing_need_no_sampler():
    scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    drawn = scm.counterfactual(
        {"X": [1.0], "Y": [2.5]}, do={"X": 0.0}, n_draws=3, method="nuts", random_state=0
    )
    np.testing.assert_allclose(drawn.mean("Y"), [0.5])


def test_what_a_posterior_cannot_do_is_refused():
    coin = SCM.from_equations("X ~ Bernoulli(0.5); Y = X + N(0, 1)")
    with pytest.raises(CausalRepError, match="discrete"):
        coin.counterfactual({"Y": [1.0]}, do={"X": 1}, n_draws=5, method="nuts", random_state=0)
    opaque = SCM(mechanisms={"X": Normal(0, 1), "Y": lambda X, noise: X * noise}, noise={"Y": Normal(0, 1)})
    with pytest.raises(CausalRepError, match="no density"):
        opaque.counterfactual({"Y": [1.0]}, do={"X": 1.0}, n_draws=5, method="svi", random_state=0)
    with pytest.raises(DataError, match="'mcmc'"):
        linear().counterfactual({"Y": [1.0]}, do={"X": 1.0}, n_draws=5, method="mcmc")


def test_bad_programs_are_named():
    scm = SCM.from_equations("X = N(0, 1); Y = X + N(0, 1)")
    with pytest.raises(DataError, match="'both'"):
        scm.to_pyro(sites="both")
    with pytest.raises(GraphError, match="same name"):
        SCM(mechanisms={"1": Normal(0, 1), 1: Normal(0, 1)}).to_pyro()
    with pytest.raises(GraphError, match="'X_noise'"):
        SCM(mechanisms={"X": Normal(0, 1), "X_noise": Normal(0, 1)}).to_pyro(sites="noise")()
    with pytest.raises(DataError, match="array-valued"):
        SCM(mechanisms={"X": Normal(0, 1, shape=(2,))}).to_pyro()
    assert scm.to_pyro(sites="noise").names == {"X": "X", "Y": "Y"}
