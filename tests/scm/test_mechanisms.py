"""What each mechanism computes, what it says of itself, and what it refuses."""

# ruff: noqa: ARG002, ARG005 - argument names are what is tested

import numpy as np
import pytest

from causalrep.scm import (
    CPT,
    AdditiveNoise,
    Bernoulli,
    Equation,
    Function,
    Invertible,
    Linear,
    Mechanism,
    Normal,
    Root,
    Uniform,
)
from causalrep.utils import CausalRepError, DataError, GraphError, NotInvertibleError

PARENTS = {"X": np.array([1.0, -2.0, 3.0]), "Z": np.array([0.5, 1.0, -1.0])}
NOISE = np.array([0.1, 0.2, -0.3])


INVERTIBLE = {
    "additive": (AdditiveNoise(lambda X, Z: X * Z, Normal()), [0.6, -1.8, -3.3]),
    "additive, by position": (AdditiveNoise(np.subtract, Normal(), parents=["X", "Z"]), [0.6, -2.8, 3.7]),
    "linear": (Linear({"X": 2.0, "Z": -1.0}, intercept=1.0, noise=Normal()), [2.6, -3.8, 7.7]),
    "known inverse": (
        Invertible(lambda X, noise: X * np.exp(noise), lambda X, value: np.log(value / X), Normal()),
        [np.exp(0.1), -2 * np.exp(0.2), 3 * np.exp(-0.3)],
    ),
    "root": (Root(Normal()), [0.1, 0.2, -0.3]),
}


@pytest.mark.parametrize(("mechanism", "expected"), INVERTIBLE.values(), ids=INVERTIBLE)
def test_forward_gives_the_value_and_abduct_the_noise(mechanism, expected):
    value = mechanism.forward(PARENTS, NOISE)
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    np.testing.assert_allclose(mechanism.abduct(PARENTS, value), NOISE, atol=1e-14)
    assert mechanism.invertible
    assert not mechanism.deterministic


def test_parents_are_the_arguments_without_default_and_without_noise():
    assert Function(lambda Z, X, noise, k=2: Z, Normal()).parents == ("Z", "X")
    assert AdditiveNoise(lambda: 0.5, Normal()).parents == ()
    assert AdditiveNoise(0.5, Normal()).parents == ()
    assert Linear({"Z": 1.0, 3: 2.0}).parents == ("Z", 3)
    assert Function(max, parents=[1, 2]).parents == (1, 2)


def test_parents_given_by_position_reach_the_right_arguments():
    power = Function(lambda base, exponent, noise: base**exponent + noise, Normal(), parents=["Z", "X"])
    np.testing.assert_allclose(power.forward(PARENTS, NOISE), [0.6, 1.2, -1.3])


def test_structured_noise_is_a_dict_of_named_draws():
    mechanism = Function(
        lambda X, noise: X + noise["a"] * noise["b"].sum(axis=1),
        {"a": Uniform(2, 3), "b": Normal(0, 1, shape=(4,))},
    )
    noise = mechanism.sample_noise(3, np.random.default_rng(0))
    assert list(noise) == ["a", "b"]
    assert noise["b"].shape == (3, 4)
    assert ((noise["a"] > 2) & (noise["a"] < 3)).all()
    np.testing.assert_allclose(
        mechanism.forward(PARENTS, noise), PARENTS["X"] + noise["a"] * noise["b"].sum(axis=1)
    )


@pytest.mark.parametrize(
    "mechanism", [Function(lambda X: 2 * X), Linear({"X": 2.0})], ids=["function", "linear"]
)
def test_without_noise_there_is_nothing_to_tell(mechanism):
    assert mechanism.deterministic
    assert mechanism.invertible
    assert mechanism.sample_noise(3, np.random.default_rng(0)) == {}
    assert mechanism.abduct(PARENTS, mechanism.forward(PARENTS, {})) == {}


def test_a_plain_function_of_noise_does_not_pretend_to_be_invertible():
    mechanism = Function(lambda X, noise: X + noise, Normal())
    assert not mechanism.invertible
    with pytest.raises(NotInvertibleError, match="AdditiveNoise"):
        mechanism.abduct(PARENTS, NOISE)


def test_log_prob_is_that_of_the_noise():
    mechanism = Linear({"X": 2.0}, noise=Normal(0, 0.5))
    value = mechanism.forward(PARENTS, NOISE)
    np.testing.assert_allclose(mechanism.log_prob(PARENTS, value), Normal(0, 0.5).log_prob(NOISE), rtol=1e-12)


@pytest.mark.parametrize(
    "mechanism", [Function(lambda X: X), Linear({"X": 1.0}), INVERTIBLE["known inverse"][0]]
)
def test_no_density_is_said_not_made_up(mechanism):
    assert not mechanism.has_density
    with pytest.raises(CausalRepError, match="no density"):
        mechanism.log_prob(PARENTS, NOISE)


def test_a_law_can_be_given_once():
    bare = Linear({"X": 1.0})
    noisy = bare.with_noise(Normal(0, 2))
    assert noisy.noise == Normal(0, 2)
    assert bare.noise is None
    np.testing.assert_allclose(noisy.forward(PARENTS, NOISE), PARENTS["X"] + NOISE)
    with pytest.raises(DataError, match="only once"):
        noisy.with_noise(Normal())


def test_a_subclass_is_invertible_when_it_says_how():
    class OneWay(Mechanism):
        def forward(self, parents, noise):
            return noise

        def sample_noise(self, n, generator):
            return generator.normal(size=n)

    class BothWays(OneWay):
        def abduct(self, parents, value):
            return value

    assert not OneWay().invertible
    assert BothWays().invertible
    with pytest.raises(NotInvertibleError, match="OneWay"):
        OneWay().abduct({}, NOISE)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Function(lambda X, noise: X), DataError, "no law of it is given"),
        (lambda: Function(lambda X: X, Normal()), DataError, "does not take `noise`"),
        (lambda: AdditiveNoise(lambda X, noise: X, Normal()), DataError, "must not take `noise`"),
        (lambda: AdditiveNoise(lambda X: X, {"a": Normal()}), TypeError, "Distribution, got dict"),
        (lambda: Root(3.0), TypeError, "Distribution, got float"),
        (lambda: Function(lambda *X: X), GraphError, r"unnamed argument \*X"),
        (lambda: Function(lambda X, /: X), GraphError, "unnamed argument X"),
        (
            lambda: Invertible(lambda X, noise: X, lambda Z, value: Z, Normal()),
            GraphError,
            r"\('X',\) and \('Z',\)",
        ),
        (lambda: Invertible(lambda X: X, lambda X, value: X, Normal()), DataError, "argument `noise`"),
        (lambda: Invertible(lambda X, noise: X, lambda X: X, Normal()), DataError, "argument `value`"),
        (lambda: Root(Normal()).with_noise(Normal()), DataError, "has its own noise"),
    ],
)
def test_contradictory_definitions_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


CAPABILITIES = {
    "root": (Root(Normal()), "invertible monotone has_density has_posterior differentiable blockwise"),
    "coin": (Root(Bernoulli(0.5)), "invertible monotone has_density has_posterior discrete blockwise"),
    "line": (
        Linear({"X": 2.0}, noise=Normal()),
        "invertible monotone has_density has_posterior differentiable blockwise",
    ),
    "function": (Function(lambda X, noise: X + noise, Normal()), ""),
    "additive": (AdditiveNoise(lambda X: X, Normal()), "invertible monotone has_density has_posterior"),
    "table": (CPT([[0.1, 0.9], [0.5, 0.5]], ["X"]), "monotone has_density has_posterior discrete blockwise"),
    "gumbel": (
        CPT([[0.1, 0.9], [0.5, 0.5]], ["X"], coupling="gumbel"),
        "has_density has_posterior discrete blockwise",
    ),
    "smooth equation": (
        Equation("exp(X + N(0, 1))"),
        "invertible monotone has_density has_posterior differentiable blockwise",
    ),
    "kinked equation": (
        Equation("abs(X) + N(0, 1)"),
        "invertible monotone has_density has_posterior blockwise",
    ),
    "discrete equation": (
        Equation("Bernoulli(sigmoid(X))"),
        "monotone has_density has_posterior discrete blockwise",
    ),
    "two draws": (Equation("N(0, 1) + X * N(0, 1)"), "differentiable"),
}


@pytest.mark.parametrize(("mechanism", "expected"), CAPABILITIES.values(), ids=CAPABILITIES)
def test_a_mechanism_says_what_can_be_asked_of_it(mechanism, expected):
    assert mechanism.capabilities == set(expected.split())
