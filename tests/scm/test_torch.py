"""The Torch backend does on tensors what the engine does on NumPy arrays."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from causalrep.graphs import DAG
from causalrep.scm import (
    CPT,
    SCM,
    AdditiveNoise,
    Bernoulli,
    Categorical,
    Dirac,
    Distribution,
    Empirical,
    Equation,
    Exponential,
    FlowRegression,
    Function,
    Gamma,
    Invertible,
    JointNormal,
    Laplace,
    Linear,
    LocationScale,
    LogNormal,
    Mechanism,
    Normal,
    Poisson,
    Smoothed,
    StudentT,
    Uniform,
)
from causalrep.utils import DataError, DeviceError, ImpossibleEvidenceError, NotInvertibleError

LAWS = [
    Normal(1, 2),
    StudentT(4, 1, 2),
    Laplace(1, 0.5),
    Uniform(-1, 3),
    Exponential(2),
    Gamma(0.7, 2),
    LogNormal(0.2, 0.7),
    Bernoulli(0.3),
    Poisson(2.5),
    Categorical([0.2, 0.5, 0.3]),
    Dirac(2.5),
    Empirical([1.0, 2.0, 2.0, 7.0]),
    Smoothed.of(np.random.default_rng(0).gamma(2, size=300)),
]


def name_of(law):
    return type(law).__name__


def in_torch(values, dtype=torch.float64):
    columns = {node: np.array(value) for node, value in values.items()}
    return {
        node: torch.tensor(column, dtype=dtype if column.dtype.kind == "f" else None)
        for node, column in columns.items()
    }


def replayed(scm, samples):
    """Return what the NumPy engine computes from the noise of Torch samples."""
    values = {}
    for node in scm.graph.topological_order():
        noise = samples.noise[node]
        noise = {k: v.numpy() for k, v in noise.items()} if isinstance(noise, dict) else noise.numpy()
        parents = {parent: values[parent] for parent in scm.graph.parents(node)}
        values[node] = np.asarray(scm.mechanisms[node].forward(parents, noise))
    return values


def assert_twins(scm, n=200, seed=0, tolerance=1e-9):
    """Values from Torch noise are NumPy's, and so are densities and noises told from values."""
    samples = scm.sample(n, random_state=seed, device="cpu", dtype="float64", return_noise=True)
    for node, value in replayed(scm, samples).items():
        np.testing.assert_allclose(samples[node].numpy(), value, rtol=tolerance, atol=tolerance)
    rows = dict(samples)
    columns = {node: value.numpy() for node, value in rows.items()}
    if all(mechanism.has_density for mechanism in scm.mechanisms.values()):
        found = scm.log_prob(rows)
        assert isinstance(found, torch.Tensor)
        np.testing.assert_allclose(found.numpy(), scm.log_prob(columns), rtol=1e-7, atol=1e-7)
    told = [node for node, mechanism in scm.mechanisms.items() if mechanism.invertible]
    for node, noise in scm.abduct(rows, nodes=told).items():
        if not isinstance(noise, dict):
            np.testing.assert_allclose(noise.numpy(), samples.noise[node].numpy(), rtol=1e-6, atol=1e-6)
    return samples


@pytest.mark.parametrize("law", LAWS, ids=name_of)
def test_draws_have_the_law(law):
    n = 20_000
    drawn = SCM(mechanisms={"X": law}).sample(n, 1, device="cpu", dtype=torch.float64)["X"].numpy()
    if name_of(law) in ("Bernoulli", "Poisson", "Categorical", "Dirac", "Empirical"):
        values, counts = np.unique(drawn, return_counts=True)
        expected = np.exp(law.log_prob(values))
        assert expected.sum() > 0.99
        # five standard errors of a frequency
        assert (np.abs(counts / n - expected) < 5 * np.sqrt(expected * (1 - expected) / n) + 1e-9).all()
    else:
        assert stats.kstest(drawn, law.cdf).pvalue > 1e-4


@pytest.mark.parametrize("law", LAWS, ids=name_of)
def test_densities_are_those_of_numpy(law):
    grid = np.array([-4.0, -1.0, 0.0, 0.3, 1.0, 2.0, 2.5, 3.0, 7.0, 40.0])
    scm = SCM(mechanisms={"X": law})
    found = scm.log_prob({"X": torch.as_tensor(grid)})
    np.testing.assert_allclose(found.numpy(), law.log_prob(grid), rtol=1e-9, atol=1e-9)


def test_array_valued_laws():
    law = Laplace(1, 2, shape=(3, 2))
    samples = SCM(mechanisms={"X": law}).sample(5, 0, device="cpu", dtype="float64")
    assert samples["X"].shape == (5, 3, 2)
    found = SCM(mechanisms={"X": law}).log_prob(dict(samples))
    np.testing.assert_allclose(found.numpy(), law.log_prob(samples["X"].numpy()))


EQUATIONS = """
Z = N(0, 1)
A = Uniform(0.2, 0.8)
B = 0.8*Z - 2*A + 1 + Laplace(0, 0.5)
C = exp(Z/2 + N(0, 0.3)) + A
D = tanh(A) * softplus(Z) - cbrt(Z) / (1 + Z**2) + 3*N(0, 1)
E = N(sin(Z), exp(Z/4))
F = -log1p(exp(LogNormal(Z/3, 0.5)))
G ~ Bernoulli(sigmoid(Z - A))
H ~ Categorical(A/2, A/2, 1 - A)
I = where(Z > 0 and G == 1, Z, max(A, -Z)) + clip(Z, -1, 1) + (Z < 1) + (not G) + N(0, 1)
J = Uniform(Z, Z + A) / A
K = (arctan(Z) + abs(Z) + relu(Z) + floor(Z) + Z % 0.7 + sqrt(A) + erf(Z) + 2**A) ** 3 + G * H
L = Exponential(exp(Z)) + logit(A) - min(Z, A, 0.1)
M = sigmoid(2*N(0, 1)) * 5 + Z
P = Z**3 + Z**2 + square(Z) + sign(Z) + round(Z) + Gamma(2, 3)
Q = sinh(N(0, 1)/3) + arcsinh(Z) + log2(A) - log10(A) + expm1(Z) + pi
"""


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_equations_are_those_of_numpy():
    assert_twins(SCM.from_equations(EQUATIONS))


@pytest.mark.parametrize(
    "text",
    [
        "exp(N(0,1))",
        "log(4 + Uniform(0,1))",
        "log1p(Exponential(1))",
        "expm1(N(0,1))",
        "log2(1 + Uniform(0,1))",
        "log10(1 + Uniform(0,1))",
        "sqrt(Uniform(0,1))",
        "cbrt(N(0,1))",
        "sigmoid(N(0,1))",
        "tanh(N(0,1))",
        "logit(Uniform(0.1,0.9))",
        "arctanh(Uniform(-0.9,0.9))",
        "sinh(N(0,1))",
        "arcsinh(N(0,1))",
        "arctan(N(0,1))",
        "softplus(N(0,1))",
        "X*N(0,1)",
        "N(0,1)*X",
        "N(0,1)/X",
        "X/(3+Uniform(0,1))",
        "(X + N(0,1))**3",
        "-N(0,1) - X",
    ],
)
def test_every_function_that_can_be_undone_is_undone(text):
    assert_twins(SCM.from_equations(f"X = 1 + Uniform(0, 1); Y = {text}"), n=50)


def test_impossible_values_are_refused_as_on_arrays():
    scm = SCM.from_equations("X = Uniform(0, 1); Y = exp(X + N(0, 1))")
    rows = {"X": torch.tensor([0.1]), "Y": torch.tensor([-1.0])}
    with pytest.raises(ImpossibleEvidenceError, match="1 row"):
        scm.abduct(rows)
    with pytest.raises(NotInvertibleError):
        SCM.from_equations("X = N(0, 1) + N(0, 2)").abduct({"X": torch.tensor([0.1])})


def hand_made():
    return SCM(
        mechanisms={
            "Z": Normal(0, 1),
            "T": CPT([0.3, 0.7]),
            "S": CPT([[0.1, 0.9, 0.0], [0.5, 0.2, 0.3]], ["T"], states=[1.5, 2.5, 4.0]),
            "G": CPT([[0.1, 0.9], [0.6, 0.4]], ["T"], coupling="gumbel"),
            "X": Linear({"Z": 0.5, "T": 2.0, "S": -1.0}, intercept=0.25, noise=Laplace(0, 1)),
            "Y": AdditiveNoise(lambda X, Z: X * Z + Z**2, Normal(0, 0.5)),
            "W": Function(lambda Y, noise: Y * noise["a"] + noise["b"], {"a": Normal(), "b": Uniform()}),
            "V": Invertible(lambda X, noise: X + 2 * noise, lambda X, value: (value - X) / 2, Normal(0, 1)),
            "R": LocationScale(lambda z: 2 * z, lambda z: z / 3, StudentT(5), ["Z"]),
            "N": lambda Z: 3 * Z,
        }
    )


def test_mechanisms_of_every_kind_have_twins():
    samples = assert_twins(hand_made())
    assert samples["T"].dtype == samples["G"].dtype == torch.int64
    assert set(samples["S"].tolist()) == {1.5, 2.5, 4.0}


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    n = 400
    x, z = rng.normal(size=(2, n))
    t = (x + rng.logistic(size=n) > 0).astype(int)
    y = np.sin(2 * x) + z * x + t + np.exp(x / 3) * rng.normal(size=n) / 4
    return pd.DataFrame({"X": x, "Z": z, "T": t, "Y": y})


@pytest.mark.parametrize(
    "word",
    ["linear", "spline", "heteroscedastic", "postnonlinear", FlowRegression((8,), max_epochs=2)],
    ids=["linear", "spline", "heteroscedastic", "postnonlinear", "flow"],
)
def test_learned_mechanisms_have_twins(word, mixed):
    graph = DAG([("X", "T"), ("X", "Y"), ("Z", "Y"), ("T", "Y")])
    scm = SCM(graph).fit(mixed, {"Y": word, "T": "logistic"}, cv=2, random_state=0)
    # a flow is inverted by bisection in its own way on both sides: 1e-6; rows beyond the knots are among them
    assert_twins(scm, n=2000, tolerance=1e-6)


def test_a_seed_gives_each_node_its_own_stream():
    scm = hand_made()
    options = {"random_state": 3, "device": "cpu", "dtype": "float64", "return_noise": True}
    plain, acted = scm.sample(50, **options), scm.do(X=1.0).sample(50, **options)
    assert "X" not in acted.noise
    for node in acted.noise:
        if isinstance(acted.noise[node], torch.Tensor):
            assert torch.equal(acted.noise[node], plain.noise[node])
    more = SCM(mechanisms={"First": Normal(), **scm.mechanisms}).sample(50, **options)
    assert torch.equal(more["Y"], plain["Y"])
    assert not torch.equal(plain.noise["Z"], plain.noise["Y"])
    assert torch.equal(scm.sample(50, nodes=["Y"], **options)["Y"], plain["Y"])


def test_interventions_act_on_tensors():
    scm = hand_made()
    options = {"random_state": 3, "device": "cpu", "dtype": "float64"}
    plain = scm.sample(50, **options)
    assert torch.equal(scm.do(X=2).sample(50, **options)["X"], torch.full((50,), 2.0, dtype=torch.float64))
    rows = np.arange(50.0)
    assert torch.equal(scm.do(X=rows).sample(50, **options)["X"], torch.as_tensor(rows))
    shifted = scm.shift(Z=rows).sample(50, **options)
    torch.testing.assert_close(shifted["Z"] - plain["Z"], torch.as_tensor(rows))
    policy = scm.do(X=lambda Z: Z > 0).sample(50, **options)
    assert torch.equal(policy["X"], policy["Z"] > 0)
    drawn = scm.do(X=Uniform(5, 6)).sample(50, **options)["X"]
    assert bool(((drawn >= 5) & (drawn <= 6)).all())
    cut = scm.do(edge=("X", "V"), value=0.0).sample(50, **options)
    torch.testing.assert_close(cut["V"], plain["V"] - plain["X"])


def test_counterfactuals_of_tensors_are_those_of_arrays():
    scm = hand_made()
    rows = scm.sample(40, 0, ["Z", "T", "S", "X", "Y", "V", "R", "N"])
    for what in ({"do": {"Z": 1.0}}, {"do": {"X": np.arange(40.0)}}, {"shift": {"X": 0.5}}):
        tensors = scm.counterfactual(in_torch(rows), nodes=["Y", "V", "R", "N"], **what)
        arrays = scm.counterfactual(rows, nodes=["Y", "V", "R", "N"], **what)
        for node in ("Y", "V", "R", "N"):
            assert isinstance(tensors[node], torch.Tensor)
            np.testing.assert_allclose(tensors[node].numpy(), arrays[node], rtol=1e-9, atol=1e-9)


def test_samples_of_tensors_bring_their_noise_to_counterfactuals():
    scm = hand_made()
    samples = scm.sample(40, 0, device="cpu", dtype="float64", return_noise=True)
    same = scm.counterfactual(samples, do={"T": samples["T"]})
    for node in samples:
        torch.testing.assert_close(same[node], samples[node])
    other = scm.counterfactual(samples, do={"T": 0})
    assert set(other["G"].tolist()) <= {0, 1}
    assert not torch.equal(other["W"], samples["W"])


def test_counterfactuals_have_gradients():
    scm = SCM.from_equations("Z = N(0, 1); X = N(Z, exp(Z/2)); Y = tanh(X) * Z + exp(N(0, 1))")
    rows = in_torch(scm.sample(6, 0))
    z = torch.linspace(-1, 1, 6, dtype=torch.float64, requires_grad=True)

    def imagined(z):
        return scm.counterfactual(rows, do={"Z": z})["Y"]

    assert torch.autograd.gradcheck(imagined, (z,))
    value = {**rows, "Y": rows["Y"].clone().requires_grad_()}
    (slope,) = torch.autograd.grad(scm.log_prob(value).sum(), value["Y"])
    step = 1e-6
    up, down = (
        scm.log_prob({**{k: v.numpy() for k, v in rows.items()}, "Y": rows["Y"].numpy() + d})
        for d in (step, -step)
    )
    np.testing.assert_allclose(slope.numpy(), (up - down) / (2 * step), rtol=1e-5)


def test_correlated_noise_is_shared_among_tensors():
    shared = JointNormal(["X", "Y"], [[1.0, 0.8], [0.8, 1.0]])
    scm = SCM(mechanisms={"X": Linear({}), "Y": Linear({"X": 2.0})}, noise={"X": shared, "Y": shared})
    samples = scm.sample(4000, 0, device="cpu", dtype="float64", return_noise=True)
    noises = torch.stack([samples.noise["X"], samples.noise["Y"]])
    assert float(torch.corrcoef(noises)[0, 1]) == pytest.approx(0.8, abs=0.04)  # 5 standard errors are 0.03
    found = scm.log_prob(dict(samples))
    np.testing.assert_allclose(found.numpy(), scm.log_prob(samples.frame))


def test_types_and_latent_nodes():
    scm = SCM(mechanisms={"U": Normal(), "X": Linear({"U": 1.0}, noise=Normal())}, latent="U")
    assert list(scm.sample(3, 0, dtype="float32")) == ["X"]
    assert scm.sample(3, 0, dtype="float32")["X"].dtype == torch.float32
    assert scm.sample(3, 0, device="cpu")["X"].dtype == torch.get_default_dtype()
    assert scm.sample(3, 0, device=torch.device("cpu"), dtype=torch.float64)["X"].dtype == torch.float64
    assert not scm.sample(3, 0, device="cpu").noise


class Circle(Mechanism):
    def forward(self, parents, noise):
        return parents["X"] * np.cos(noise)

    def sample_noise(self, n, generator):
        return generator.uniform(size=n)


class Odd(Distribution):
    def sample(self, n, generator):
        return generator.random(n)

    def log_prob(self, value):
        return np.zeros(len(value))


def boosted():
    from sklearn.linear_model import Ridge

    data = SCM.from_equations("X = N(0, 1); Y = X + N(0, 1)").sample(40, 0)
    return SCM(DAG([("X", "Y")])).fit(data, {"Y": Ridge()}, random_state=0).mechanisms["Y"]


@pytest.mark.parametrize(
    ("mechanism", "says"),
    [
        (boosted, "Ridge is an estimator of another library"),
        (lambda: Circle(), "mechanisms of its kind"),
        (lambda: CPT([0.5, 0.5], states=["no", "yes"]), "are text"),
        (lambda: AdditiveNoise(lambda X: X, Odd()), "not one that Torch can draw from"),
        (lambda: Equation("Gamma(exp(X), 1)"), "needs quantiles"),
        (lambda: AdditiveNoise(lambda X: X.numpy() ** 2, Normal()), "returned ndarray"),
    ],
)
def test_what_has_no_twin_is_refused_by_name(mechanism, says):
    made = mechanism()
    graph = DAG([] if made.parents == () else [("X", "Y")], ["X", "Y"])
    scm = SCM(graph, {"X": Normal(), "Y": made})
    with pytest.raises(DataError, match=says):
        scm.sample(5, 0, device="cpu")


def test_the_refusal_names_the_node():
    scm = SCM(DAG([("X", "Why")]), {"X": Normal(), "Why": Circle()})
    with pytest.raises(DataError, match=r"the mechanism of 'Why', Circle\(\), has no Torch backend"):
        scm.sample(5, 0, device="cpu")


@pytest.mark.parametrize("device", ["no such device", "cuda:99", 3.5])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(DeviceError, match="which this machine cannot use"):
        hand_made().sample(5, 0, device=device)


@pytest.mark.parametrize("dtype", [torch.int64, "int32", "float99", float])
def test_a_type_that_is_not_real_is_refused(dtype):
    with pytest.raises(DataError, match="real type of Torch"):
        hand_made().sample(5, 0, dtype=dtype)


@pytest.mark.gpu
def test_cuda_draws_and_imagines():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    scm = hand_made()
    samples = scm.sample(1000, 0, device="cuda", dtype="float64", return_noise=True)
    assert all(value.is_cuda for value in samples.values())
    on_host = {node: value.cpu() for node, value in samples.items()}
    imagined = scm.counterfactual(samples, do={"Z": 1.0})
    assert all(value.is_cuda for value in imagined.values())
    observed = {node: on_host[node] for node in ("Z", "X", "Y", "V", "R", "N", "T", "S")}
    expected = scm.counterfactual(observed, do={"Z": 1.0}, nodes=["Y", "R"])
    for node in ("Y", "R"):
        torch.testing.assert_close(imagined[node].cpu(), expected[node])
    model = SCM.from_equations(EQUATIONS)
    rows = dict(model.sample(100, 0, device="cuda", dtype="float64"))
    rows = {node: rows[node] for node in rows}
    density = SCM.from_equations("Z = N(0, 1); X = N(Z, exp(Z/2))").log_prob({"Z": rows["Z"], "X": rows["B"]})
    assert density.is_cuda
