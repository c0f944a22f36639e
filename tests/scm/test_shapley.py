"""Shapley values against the definition, and the standard errors against the spread of repetitions."""

from itertools import permutations
from math import comb

import numpy as np
import pytest

from causalrep.scm._functionals import GROUPS, as_functional
from causalrep.scm._shapley import shapley, subsets
from causalrep.utils import DataError


def by_definition(value, p):
    """The mean over all orders of what a player adds to those before it."""
    total = np.zeros(p)
    orders = list(permutations(range(p)))
    for order in orders:
        mask = np.zeros(p, dtype=bool)
        for player in order:
            before = value(mask)
            mask[player] = True
            total[player] += value(mask) - before
    return total / len(orders)


def a_game(p, seed):
    table = np.random.default_rng(seed).normal(size=2**p)
    return table, lambda mask: table[(mask * 2 ** np.arange(p)).sum()]


@pytest.mark.parametrize("p", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_exact_values_are_those_of_the_definition(p, seed):
    table, value = a_game(p, seed)
    found = shapley(lambda masks: np.array([[value(mask) for mask in masks]]), p, seed=0)
    np.testing.assert_allclose(found.values, by_definition(value, p), atol=1e-12)
    np.testing.assert_allclose(found.total, table[-1] - table[0], atol=1e-12)
    assert found.none == table[0]
    assert not found.se.any()
    assert found.n_permutations == 0


def test_subsets_are_all_and_numbered_by_bits():
    masks = subsets(3)
    assert masks.shape == (8, 3)
    assert masks[6].tolist() == [False, True, True]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_permutations_find_a_quadratic_game_and_say_how_well(seed):
    """The Shapley value of ``sum a_i + sum_{i<j} b_ij`` over a coalition is a_i + half the row sums of b."""
    p = 14
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=p), np.triu(rng.normal(size=(p, p)), 1)

    def game(masks):
        m = masks.astype(float)
        linear = m @ a + np.einsum("ki,ij,kj->k", m, b, m)
        return np.stack([linear, linear - 3])[:, :, None]  # two replicates, one output

    truth = a + (b + b.T).sum(axis=1) / 2
    found = shapley(game, p, seed=seed)
    # antithetic pairs are exact for games of pairs: j is before i in one of the two orders
    np.testing.assert_allclose(found.values[:, 0], truth, atol=1e-10)
    assert found.n_permutations == 32
    np.testing.assert_allclose(found.values.sum(axis=0), found.total, atol=1e-10)


def test_permutations_err_as_they_say():
    """Ten seeds, twelve players, interactions of all orders: errors in units of the reported ones."""
    p = 12
    c = np.random.default_rng(3).normal(size=p)

    def game(masks):
        return np.exp(masks @ c / 3)[None]

    exact = by_enumeration(lambda masks: game(masks)[0], p)
    errors = []
    for seed in range(10):
        found = shapley(game, p, seed=seed, tolerance=0.001, max_permutations=128)
        assert found.n_permutations == 128
        np.testing.assert_allclose(found.values.sum(), found.total, atol=1e-10)
        errors.append((found.values - exact) / found.se)
    # 120 errors, correlated and skewed: the root mean square is one, give or take 0.3
    assert 0.7 < np.sqrt(np.mean(np.square(errors))) < 1.4


def by_enumeration(value, p):
    """Shapley's sum over coalitions, with values of 2**p coalitions."""
    masks = subsets(p)
    values, sizes = value(masks), masks.sum(axis=1)
    choose = np.array([1.0 / (p * comb(p - 1, s)) for s in range(p)])
    out = np.zeros(p)
    for i in range(p):
        without = np.flatnonzero(~masks[:, i])
        out[i] = (choose[sizes[without]] * (values[without + 2**i] - values[without])).sum()
    return out


def test_each_coalition_is_asked_once():
    asked = []

    def game(masks):
        asked.extend(mask.tobytes() for mask in masks)
        return masks.sum(axis=1, dtype=float)[None]

    shapley(game, 12, seed=0)
    assert len(asked) == len(set(asked))


def test_error_of_the_game_is_the_spread_of_replicates():
    """One player, 20 replicates with unit variance: the error is sd / sqrt(20) of them."""
    noise = np.random.default_rng(0).normal(size=20)
    found = shapley(lambda masks: masks[:, 0] * noise[:, None], 1, seed=0)
    assert found.values[0] == pytest.approx(noise.mean())
    assert found.se[0] == pytest.approx(noise.std(ddof=1) / 20**0.5)
    assert found.total_se == pytest.approx(found.se[0])


@pytest.mark.parametrize("options", [{"tolerance": 0.0}, {"max_permutations": 1}])
def test_bad_options_are_refused(options):
    with pytest.raises(DataError, match="must be positive"):
        shapley(lambda masks: masks.sum(axis=1)[None], 3, seed=0, **options)


@pytest.mark.parametrize(
    ("functional", "direct", "error"),
    [
        ("mean", np.mean, 1.0),
        ("variance", np.var, 2**0.5),
        ("median", np.median, (np.pi / 2) ** 0.5),
        (0.9, lambda y: np.quantile(y, 0.9), (0.09) ** 0.5 / 0.17550),
        (np.std, np.std, 0.5**0.5),
    ],
)
def test_functionals_in_replicates(functional, direct, error):
    """The mean of the replicates is the functional, their spread its asymptotic error (standard normal)."""
    n = 4000
    rng = np.random.default_rng(1)
    values = rng.normal(size=(30, n))
    found = as_functional(functional, values[0])(values)
    assert found.shape == (GROUPS, 30)
    np.testing.assert_allclose(found.mean(axis=0), [direct(row) for row in values], rtol=0, atol=2e-3)
    se = found.std(axis=0, ddof=1) / GROUPS**0.5
    # 30 * 19 degrees of freedom give the root mean square 3 % of error; densities by differences 6 % more
    assert np.sqrt((se**2).mean()) == pytest.approx(error / n**0.5, rel=0.12)


def test_divergence_of_two_normals():
    """KL(N(1, 1) || N(0, 1)) = 1/2; equal samples diverge by nothing; bins lose a little, never gain."""
    rng = np.random.default_rng(2)
    reference = rng.normal(size=40_000)
    kl = as_functional("kl", reference)
    assert kl(reference[None]).mean() == pytest.approx(0, abs=1e-12)
    found = kl(rng.normal(1, 1, size=(1, 40_000)))
    assert 0.45 < found.mean() < 0.5 + 3 * found.std(ddof=1) / GROUPS**0.5


def test_divergence_of_states():
    reference = np.repeat(["a", "b"], [30_000, 10_000])
    values = np.repeat(["a", "b"], [20_000, 20_000])[None]
    truth = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    # half a count of smoothing for each of three cells moves probabilities by 1e-5
    assert as_functional("kl", reference)(values).mean() == pytest.approx(truth, abs=1e-3)


@pytest.mark.parametrize("functional", ["mode", 1.5, None])
def test_unknown_functionals_are_refused(functional):
    with pytest.raises(DataError, match="functional"):
        as_functional(functional, np.zeros(40))


def test_functionals_of_numbers_refuse_words():
    with pytest.raises(DataError, match="needs numbers"):
        as_functional("mean", np.array(["a"] * 40))
