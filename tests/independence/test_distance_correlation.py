"""Distance correlation: against full matrices and permutations; calibration, invariances, guards."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from causalrep.independence import DistanceCorrelation
from causalrep.independence._distance_correlation import distance_products, distance_sums
from causalrep.utils import DataError


def by_matrices(x, y):
    """Return the unbiased distance correlation by U-centred matrices (Szekely and Rizzo 2014)."""

    def centred(values):
        D = np.abs(values[:, None] - values[None, :])
        n = len(D)
        U = D - D.sum(0) / (n - 2) - D.sum(1)[:, None] / (n - 2) + D.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(U, 0.0)
        return U

    A, B = centred(x), centred(y)
    return (A * B).sum() / math.sqrt((A * A).sum() * (B * B).sum())


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=30),
)
def test_sums_of_distances_with_ties_by_matrices(points):
    x, y = np.array(points, dtype=float).T
    D, E = (np.abs(v[:, None] - v[None, :]) for v in (x, y))
    np.testing.assert_allclose(distance_sums(x), D.sum(axis=1), atol=1e-9)
    assert distance_products(x, y) == pytest.approx((D * E).sum(), abs=1e-7)


@pytest.mark.parametrize("n", [6, 7, 64, 65, 200])
def test_statistic_by_matrices(n):
    rng = np.random.default_rng(n)
    x = rng.normal(size=n)
    y = x**2 + rng.normal(size=n)
    found = DistanceCorrelation().fit({"x": x, "y": y}).test("x", "y")
    assert found.statistic == pytest.approx(by_matrices(x, y), rel=1e-9)


def test_level_of_the_bound_and_power():
    null, alternative = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x, e = rng.normal(size=(2, 200))
        null.append(DistanceCorrelation().fit({"x": x, "y": e}).test("x", "y").pvalue)
        alternative.append(DistanceCorrelation().fit({"x": x, "y": x**2 + e}).test("x", "y").pvalue)
    # Four standard errors of a share of 0.05.
    assert np.mean(np.array(null) < 0.05) < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(alternative) < 0.01) > 0.95


def test_permutations_are_uniform_under_independence_and_seeded_by_name():
    pvalues = []
    for seed in range(60):
        x, y = np.random.default_rng(seed).normal(size=(2, 40))
        pvalues.append(DistanceCorrelation(n_permutations=39).fit({"x": x, "y": y}).test("x", "y").pvalue)
    # Mean 1/2 and standard deviation 0.29 of uniform draws; five standard errors.
    assert abs(np.mean(pvalues) - 0.5) < 5 * 0.29 / math.sqrt(60)
    x, y = np.random.default_rng(0).normal(size=(2, 40))
    again = DistanceCorrelation(n_permutations=39).fit({"y": y, "x": x}).test("y", "x").pvalue
    assert again == pvalues[0]


def test_many_rows_in_linear_memory():
    rng = np.random.default_rng(1)
    x = rng.normal(size=50_000)  # its matrix of distances would take 20 GB
    y = np.cos(3 * x) + rng.normal(size=50_000)
    assert DistanceCorrelation().fit({"x": x, "y": y}).test("x", "y").pvalue < 1e-8


def test_scale_shift_order_and_torch():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(100, 2))
    X[:, 1] += np.abs(X[:, 0])
    expected = DistanceCorrelation().fit(X).test(0, 1)
    moved = DistanceCorrelation().fit(X[::-1] * [1e6, 1e-4] + [1e9, 3.0]).test(1, 0)
    assert moved.statistic == pytest.approx(expected.statistic, rel=1e-6)
    found = DistanceCorrelation().fit(torch.as_tensor(X)).test(0, 1)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)


def test_bad_input():
    with pytest.raises(DataError, match="`n_permutations`"):
        DistanceCorrelation(n_permutations=-1)
    test = DistanceCorrelation().fit(np.random.default_rng(0).normal(size=(20, 3)))
    assert test.max_cond == 0
    with pytest.raises(DataError, match="KCI takes them"):
        test.test(0, 1, [2])
