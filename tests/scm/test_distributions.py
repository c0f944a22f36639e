"""The laws of noise against SciPy's definitions and closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from causalrep.scm import (
    Bernoulli,
    Categorical,
    Dirac,
    Empirical,
    Exponential,
    Gamma,
    Laplace,
    LogNormal,
    Normal,
    StudentT,
    Uniform,
)

# law, the same law of SciPy written from its textbook definition
CONTINUOUS = [
    (Normal(1.5, 2.0), stats.norm(1.5, 2.0)),
    (StudentT(7.0, -1.0, 0.5), stats.t(7.0, -1.0, 0.5)),
    (Laplace(-0.5, 0.3), stats.laplace(-0.5, 0.3)),
    (Uniform(-2.0, 0.5), stats.uniform(-2.0, 2.5)),
    (Exponential(4.0), stats.expon(0, 0.25)),
    (Gamma(10.0, 5.0), stats.gamma(10.0, 0, 0.2)),
    (LogNormal(0.3, 0.6), stats.lognorm(0.6, 0, math.exp(0.3))),
]
NAMES = [type(law).__name__ for law, _ in CONTINUOUS]


@pytest.mark.parametrize(("law", "reference"), CONTINUOUS, ids=NAMES)
def test_draws_follow_the_law(law, reference):
    draws = law.sample(4000, np.random.default_rng(1))
    # one seeded test per law; 1e-4 would be missed once in 10 000 seeds
    assert stats.kstest(draws, reference.cdf).pvalue > 1e-4


@pytest.mark.parametrize(("law", "reference"), CONTINUOUS, ids=NAMES)
def test_density_and_moments_are_those_of_the_law(law, reference):
    x = reference.ppf([0.03, 0.2, 0.5, 0.9])
    np.testing.assert_allclose(law.log_prob(x), reference.logpdf(x), rtol=1e-12)
    assert law.mean == pytest.approx(reference.mean())
    assert law.variance == pytest.approx(reference.var())


def test_closed_forms():
    # densities and moments written out, so that a swap of rate and scale cannot hide in both places
    assert Normal(0, 2).log_prob([2.0])[0] == pytest.approx(-0.5 - math.log(2) - 0.5 * math.log(2 * math.pi))
    assert Exponential(4.0).log_prob([0.5])[0] == pytest.approx(math.log(4.0) - 2.0)
    assert Laplace(0, 0.5).log_prob([1.0])[0] == pytest.approx(-2.0)
    assert (Gamma(10.0, 5.0).mean, Gamma(10.0, 5.0).variance) == pytest.approx((2.0, 0.4))
    assert LogNormal(0.3, 0.6).mean == pytest.approx(math.exp(0.3 + 0.18))
    assert Uniform(2.0, 5.0).variance == pytest.approx(9 / 12)


@pytest.mark.parametrize(
    ("law", "masses"),
    [
        (Bernoulli(0.3), {0: 0.7, 1: 0.3}),
        (Categorical([0.2, 0.5, 0.3]), {0: 0.2, 1: 0.5, 2: 0.3}),
        (Empirical(np.array([2.5, -1.0, 2.5, 2.5])), {-1.0: 0.25, 2.5: 0.75}),
        (Dirac(1.25), {1.25: 1.0}),
    ],
    ids=["Bernoulli", "Categorical", "Empirical", "Dirac"],
)
def test_discrete_laws(law, masses):
    states, weights = np.array(list(masses)), np.array(list(masses.values()))
    np.testing.assert_allclose(law.log_prob(states), np.log(weights), rtol=1e-12)
    assert law.log_prob([0.123])[0] == -math.inf
    mean = weights @ states
    assert law.mean == pytest.approx(mean)
    assert law.variance == pytest.approx(weights @ (states - mean) ** 2)
    draws = law.sample(10_000, np.random.default_rng(2))
    for state, weight in masses.items():
        # five standard deviations of a binomial frequency
        assert abs((draws == state).mean() - weight) <= 5 * math.sqrt(weight * (1 - weight) / 10_000)


@pytest.mark.parametrize("probability", [0, 1])
def test_certain_bernoulli_never_errs(probability):
    assert (Bernoulli(probability).sample(1000, np.random.default_rng(0)) == probability).all()


def test_trailing_shape_repeats_independently_and_sums_logs():
    law = Normal(0.0, 2.0, shape=(3, 2))
    draws = law.sample(5, np.random.default_rng(0))
    assert draws.shape == (5, 3, 2)
    assert np.unique(draws).size == 30
    np.testing.assert_allclose(law.log_prob(draws), stats.norm(0, 2).logpdf(draws).reshape(5, 6).sum(axis=1))


def test_draws_depend_on_the_generator_alone():
    first, second = (Gamma(2.0).sample(5, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_laws_are_values():
    assert Normal(0, 1) == Normal(0.0, 1.0)
    assert hash(Categorical([0.5, 0.5])) == hash(Categorical((0.5, 0.5)))
    assert Normal(0, 1) != Laplace(0, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(0, 0), "positive, finite `scale`, got 0"),
        (lambda: Normal(math.nan, 1), "finite `loc`"),
        (lambda: Laplace(0, -1), "positive, finite `scale`"),
        (lambda: StudentT(0), "positive, finite `dof`"),
        (lambda: Uniform(1, 1), "`low` < `high`"),
        (lambda: Exponential(0), "positive, finite `rate`"),
        (lambda: Gamma(-1), "positive, finite `concentration`"),
        (lambda: LogNormal(0, math.inf), "positive, finite `scale`"),
        (lambda: Bernoulli(1.2), r"`probability` in \[0, 1\], got 1.2"),
        (lambda: Categorical([0.5, 0.6]), "sum to 1"),
        (lambda: Categorical([-0.5, 1.5]), "non-negative"),
        (lambda: Empirical(np.array([])), r"shape \(m,\)"),
        (lambda: Empirical(np.array([1.0, math.nan])), "finite `values`"),
        (lambda: Dirac(math.nan), "finite `value`"),
    ],
)
def test_impossible_parameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
