"""What a mechanism declares of itself is true: every kind of mechanism, every flag."""

import numpy as np
import pandas as pd
import pytest
import torch

from causalrep.graphs import DAG
from causalrep.scm import (
    CPT,
    SCM,
    AdditiveNoise,
    Bernoulli,
    Equation,
    FlowRegression,
    Function,
    Invertible,
    Laplace,
    Linear,
    LocationScale,
    Normal,
    Poisson,
    Root,
    StudentT,
)
from causalrep.scm._torch import resolved
from causalrep.scm._torch_mechanisms import twin
from causalrep.utils import CausalRepError, NotInvertibleError

N = 300
CONTINUOUS = "invertible monotone has_density has_posterior"
DISCRETE = "monotone has_density has_posterior discrete"


def rows():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, N))
    t = rng.integers(0, 2, N)
    return pd.DataFrame(
        {
            "X": x,
            "Z": z,
            "T": t,
            "Y": np.sin(x) + z * t + np.exp(z / 3) * rng.normal(size=N) / 2,
            "L": np.where(x + rng.logistic(size=N) > 0, "high", "low").astype(object),
            "C": rng.poisson(np.exp(1 + x / 2)),
            "O": rng.negative_binomial(2, 2 / (2 + np.exp(1 + x / 2))),
        }
    )


def learned(node, word):
    def make():
        data = rows()
        graph = DAG([("X", node), ("Z", node), ("T", node)])
        known = {"X": Normal(), "Z": Normal(), "T": Bernoulli(0.5)}
        return SCM(graph).fit(data, {**known, node: word}, cv=2, random_state=0).mechanisms[node]

    return make


def table_of_labels():
    data = rows()
    graph = DAG([("T", "L")])
    return SCM(graph).fit(data, {"T": Bernoulli(0.5), "L": "cpt"}, cv=2, random_state=0).mechanisms["L"]


#: How to make each mechanism, and what it is to declare.
MECHANISMS = {
    "root": (lambda: Root(StudentT(5, 1, 2)), f"{CONTINUOUS} differentiable blockwise"),
    "discrete root": (
        lambda: Root(Poisson(3)),
        "invertible has_density has_posterior monotone discrete blockwise",
    ),
    "linear": (
        lambda: Linear({"X": 2.0, "Z": -1.0}, 0.5, Laplace(0, 1)),
        f"{CONTINUOUS} differentiable blockwise",
    ),
    "additive": (lambda: AdditiveNoise(lambda X, Z: X * Z, Normal()), CONTINUOUS),
    "deterministic": (
        lambda: AdditiveNoise(lambda X: 2 * X),
        "invertible has_posterior deterministic",
    ),
    "function": (lambda: Function(lambda X, noise: X + noise**2, Normal()), ""),
    "invertible": (
        lambda: Invertible(lambda X, noise: X + 2 * noise, lambda X, value: (value - X) / 2, Normal()),
        "invertible has_posterior",
    ),
    "equation": (
        lambda: Equation("tanh(X) * 2 + exp(Z/2 + N(0, 1))"),
        f"{CONTINUOUS} differentiable blockwise",
    ),
    "equation, falling": (lambda: Equation("X - exp(Z) * N(0, 1)"), f"{CONTINUOUS} differentiable blockwise"),
    "equation, kinked": (lambda: Equation("abs(X) + max(Z, 0) + N(0, 1)"), f"{CONTINUOUS} blockwise"),
    "equation, over the draw": (
        lambda: Equation("X / N(0, 1)"),
        "invertible has_density has_posterior differentiable blockwise",
    ),
    "equation, two draws": (lambda: Equation("X*N(0, 1) + N(0, 1)"), "differentiable"),
    "equation, label": (lambda: Equation("Categorical(0.2, 0.8*T, 0.8 - 0.8*T)"), f"{DISCRETE} blockwise"),
    "equation, count": (lambda: Equation("Poisson(exp(X/2))"), f"{DISCRETE} blockwise"),
    "heteroscedastic, by hand": (
        lambda: LocationScale(lambda x: 2 * x, lambda x: x / 3, Normal(), ["X"]),
        CONTINUOUS,
    ),
    "table": (lambda: CPT([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3]], ["T"]), f"{DISCRETE} blockwise"),
    "table, Gumbel": (
        lambda: CPT([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3]], ["T"], coupling="gumbel"),
        "has_density has_posterior discrete blockwise",
    ),
    "table, certain": (
        lambda: CPT([[0.0, 1.0], [1.0, 0.0]], ["T"]),
        f"{DISCRETE} invertible deterministic blockwise",
    ),
    "learned line": (learned("Y", "linear"), f"{CONTINUOUS} differentiable blockwise"),
    "learned spline": (learned("Y", "spline"), f"{CONTINUOUS} differentiable blockwise"),
    "learned heteroscedastic": (learned("Y", "heteroscedastic"), f"{CONTINUOUS} differentiable blockwise"),
    "learned post-nonlinear": (learned("Y", "postnonlinear"), f"{CONTINUOUS} differentiable blockwise"),
    "learned boosting": (learned("Y", "boosting"), CONTINUOUS),
    "learned GP": (learned("Y", "gp"), CONTINUOUS),
    "learned MLP": (learned("Y", "mlp"), CONTINUOUS),
    "learned flow": (learned("Y", FlowRegression((8,), max_epochs=3)), f"{CONTINUOUS} differentiable"),
    "learned table": (table_of_labels, f"{DISCRETE} blockwise"),
    "learned logistic": (learned("L", "logistic"), f"{DISCRETE} blockwise"),
    "learned boosting of labels": (learned("L", "boosting"), f"{DISCRETE} blockwise"),
    "learned Poisson": (learned("C", "poisson"), f"{DISCRETE} blockwise"),
    "learned negative binomial": (learned("O", "negative_binomial"), f"{DISCRETE} blockwise"),
}
_MADE = {}


@pytest.fixture(params=MECHANISMS)
def case(request):
    """The mechanism, what it should declare, rows of its parents, and noise."""
    name = request.param
    if name not in _MADE:
        _MADE[name] = MECHANISMS[name][0]()
    mechanism = _MADE[name]
    parents = {node: rows()[node].to_numpy() for node in mechanism.parents}
    return mechanism, MECHANISMS[name][1], parents, mechanism.sample_noise(N, np.random.default_rng(1))


def at(parents, row, n):
    return {node: np.full(n, column[row]) for node, column in parents.items()}


def values_of(mechanism, parents, noise):
    """The values, one a row, also where a node without parents gives a single row."""
    value = np.asarray(mechanism.forward(parents, noise))
    return value if value.shape == (N,) else np.broadcast_to(value, (N,))


def test_flags(case):
    mechanism, expected, _, noise = case
    assert mechanism.capabilities == set(expected.split())
    assert mechanism.deterministic == (isinstance(noise, dict) and not noise)


def test_the_noise_can_be_told_from_the_value(case):
    mechanism, _, parents, noise = case
    value = values_of(mechanism, parents, noise)
    if not mechanism.invertible:
        with pytest.raises((NotInvertibleError, CausalRepError)):
            mechanism.abduct(parents, value)
        return
    told = mechanism.abduct(parents, value)
    if mechanism.deterministic:
        assert told == {}
        return
    np.testing.assert_allclose(told, noise, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mechanism.forward(parents, told), value, rtol=1e-6, atol=1e-6)


def test_drawn_noise_gives_the_value_again(case):
    mechanism, _, parents, noise = case
    value = values_of(mechanism, parents, noise)
    if not mechanism.has_posterior:
        with pytest.raises(NotInvertibleError):
            mechanism.draw_noise(parents, value, np.random.default_rng(2))
        return
    drawn = mechanism.draw_noise(parents, value, np.random.default_rng(2))
    again = values_of(mechanism, parents, drawn)
    if mechanism.discrete:
        assert (again == value).all()
    else:
        np.testing.assert_allclose(again, value, rtol=1e-6, atol=1e-6)


def test_values_rise_or_fall_with_the_noise(case):
    mechanism, _, parents, noise = case
    if not mechanism.monotone or mechanism.deterministic:
        return
    ordered = np.sort(noise)
    codes = {}
    for row in range(5):
        value = values_of(mechanism, at(parents, row, N), ordered)
        if value.dtype == object:
            codes = codes or {label: code for code, label in enumerate(mechanism.states.labels)}
            value = np.array([codes[label] for label in value])
        steps = np.diff(value)
        assert (steps >= -1e-9).all() or (steps <= 1e-9).all()


def support_of(mechanism, drawn):
    """Return all values of a discrete node that have a chance."""
    if hasattr(mechanism, "states"):
        return mechanism.states.values
    return np.arange(0, 400)


def mass_on_grid(mechanism, parents, drawn):
    """Return a fine grid and the density there, by the mechanism, at the parents of one row."""
    low, high = np.quantile(drawn, [0.001, 0.999])
    inner = np.linspace(low, high, 4001)
    # beyond it the steps grow, so that heavy tails are followed to a million spreads
    reach = (high - low) * np.concatenate([[0.0], np.geomspace(1e-5, 1e6, 4000)])
    grid = np.unique(np.concatenate([low - reach, inner, high + reach]))
    with np.errstate(all="ignore"):
        density = np.exp(mechanism.log_prob(at(parents, 0, len(grid)), grid))
    return grid, density


def test_the_density_is_one_and_that_of_the_draws(case):
    mechanism, _, parents, noise = case
    if not mechanism.has_density:
        with pytest.raises(CausalRepError):
            mechanism.log_prob(parents, values_of(mechanism, parents, noise))
        return
    n = 4000
    one = at(parents, 0, n)
    drawn = np.asarray(mechanism.forward(one, mechanism.sample_noise(n, np.random.default_rng(3))))
    drawn = np.broadcast_to(drawn, (n,))
    if mechanism.discrete:
        support = support_of(mechanism, drawn)
        chances = np.exp(mechanism.log_prob(at(parents, 0, len(support)), support))
        assert chances.sum() == pytest.approx(1, abs=1e-6)
        shares = np.array([(drawn == value).mean() for value in support])
        # five standard errors of a share
        assert (np.abs(shares - chances) < 5 * np.sqrt(chances * (1 - chances) / n) + 1e-9).all()
        return
    grid, density = mass_on_grid(mechanism, parents, drawn)
    cells = np.diff(grid) * (density[1:] + density[:-1]) / 2
    assert cells.sum() == pytest.approx(1, abs=5e-3)
    below = np.interp(drawn, grid, np.concatenate([[0.0], np.cumsum(cells)]))
    # the largest distance of two distribution functions; its 1e-4 quantile for n rows is 2.2 / sqrt(n)
    ranks = np.sort(below)
    distance = np.abs(ranks - (np.arange(n) + 0.5) / n).max()
    assert distance < 2.2 / np.sqrt(n) + 5e-3


def test_values_are_labels_where_it_says_so(case):
    mechanism, _, parents, noise = case
    value = values_of(mechanism, parents, noise)
    if mechanism.discrete and hasattr(mechanism, "states"):
        assert set(value.tolist()) <= set(mechanism.states.labels)
    elif mechanism.discrete:
        assert value.dtype.kind == "i"
    else:
        assert len(np.unique(value)) > N / 2 or mechanism.deterministic


def test_gradients_exist_in_torch_where_it_says_so(case):
    mechanism, _, parents, noise = case
    if not mechanism.differentiable:
        return
    on_tensors = twin(mechanism, "node", resolved("cpu", "float64"))
    some = slice(0, 20)
    pieces = noise if isinstance(noise, dict) else {"only": noise}
    leaves = {name: torch.tensor(part[some], requires_grad=True) for name, part in pieces.items()}
    columns = {
        node: torch.tensor(column[some].astype(float), requires_grad=True) for node, column in parents.items()
    }
    inner = leaves if isinstance(noise, dict) else leaves["only"]
    value = on_tensors.forward(columns, inner)
    wanted = [*columns.values(), *leaves.values()]
    found = torch.autograd.grad(value.sum(), wanted, allow_unused=True)
    step = 1e-6

    def moved(name, size):
        at_parents = {
            node: column[some] + (size if node == name else 0.0) for node, column in parents.items()
        }
        at_noise = {part: array[some] + (size if part == name else 0.0) for part, array in pieces.items()}
        return mechanism.forward(at_parents, at_noise if isinstance(noise, dict) else at_noise["only"])

    for name, slope in zip([*columns, *leaves], found, strict=True):
        quotient = (moved(name, step) - moved(name, -step)) / (2 * step)
        given = np.zeros(20) if slope is None else slope.numpy()
        assert np.isfinite(given).all()
        np.testing.assert_allclose(given, quotient, rtol=2e-4, atol=2e-4)


def test_no_kind_of_mechanism_is_left_out():
    from causalrep.scm._candidates import _NAMED

    words = {"linear", "spline", "heteroscedastic", "postnonlinear", "boosting", "gp", "mlp", "flow"}
    words |= {"cpt", "logistic", "poisson", "negative_binomial"}
    assert set(_NAMED) == words  # a new word needs a line in MECHANISMS above
