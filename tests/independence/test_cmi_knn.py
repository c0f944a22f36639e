"""CMI by nearest neighbours: against loops over rows, known information, calibration, power, guards."""

import math

import numpy as np
import pytest
import torch
from scipy.special import digamma

from causalrep.independence import CMIKnn
from causalrep.utils import DataError


def by_loops(X, x, y, given, k):
    """Return the estimate from ranks, row by row."""
    R = np.argsort(np.argsort(X, axis=0), axis=0)
    n = len(R)
    total = 0.0
    for i in range(n):
        gap = np.abs(R - R[i])
        joint = gap[:, [x, y, *given]].max(axis=1)
        limit = np.sort(np.delete(joint, i))[k - 1]

        def near(columns, limit=limit, gap=gap):
            return np.sum(gap[:, columns].max(axis=1) < limit) if columns else n

        total += digamma(near(given)) - digamma(near([x, *given])) - digamma(near([y, *given]))
    return digamma(k) + total / n


@pytest.mark.parametrize("given", [[], [2], [2, 3]])
@pytest.mark.parametrize("k", [3, 12])
def test_the_estimate_by_loops_over_rows(given, k):
    X = np.random.default_rng(k).normal(size=(60, 4))
    X[:, 1] += X[:, 0] + X[:, 2]
    found = CMIKnn(k=k, n_permutations=1).fit(X).test(0, 1, given)
    assert found.statistic == pytest.approx(by_loops(X, 0, 1, given, k), abs=1e-12)


def test_the_estimate_approaches_the_information_of_a_gaussian_pair():
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    y = 0.8 * x + 0.6 * rng.normal(size=2000)
    found = CMIKnn(k=5, n_permutations=1).fit({"x": x, "y": y}).test("x", "y").statistic
    # Kraskov et al. 2004, figure 4: bias and spread at 2000 rows are well below 0.05.
    assert found == pytest.approx(-0.5 * math.log(1 - 0.8**2), abs=0.06)


def test_level_and_power():
    null, alternative = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        z, a, b = rng.normal(size=(3, 120))
        X = np.column_stack([np.tanh(z) + 0.5 * a, z**2 + 0.5 * b, z])
        null.append(CMIKnn(n_permutations=39).fit(X).test(0, 1, [2]).pvalue)
        X[:, 1] += 1.5 * X[:, 0] ** 2
        alternative.append(CMIKnn(n_permutations=39, k=0.1).fit(X).test(0, 1, [2]).pvalue)
    # Four standard errors of a share with mean 0.075, the most that is allowed.
    assert np.mean(np.array(null) <= 0.05) < 0.075 + 4 * math.sqrt(0.075 * 0.925 / 40)
    assert np.mean(np.array(alternative) <= 0.05) > 0.7


def test_order_and_increasing_transformations_change_no_bit():
    X = np.random.default_rng(1).normal(size=(80, 4))
    frame = dict(zip("xyab", X.T, strict=True))
    expected = CMIKnn(n_permutations=19).fit(frame).test("x", "y", ["a", "b"])
    moved = {name: np.exp(frame[name]) * 3 for name in "bxay"}
    assert CMIKnn(n_permutations=19).fit(moved).test("y", "x", ["b", "a"]) == expected
    assert CMIKnn(n_permutations=19).fit(torch.as_tensor(X)).test(0, 1).flag == 0


def test_permutations_keep_z_and_use_each_row_about_once():
    X = np.random.default_rng(2).normal(size=(200, 3))
    test = CMIKnn(n_permutations=5).fit(X)
    distance = test._distance((2,))
    orders = list(test._orders(test._donors(distance), np.random.default_rng(0)))
    assert len(orders) == 5
    for order in orders:
        # Each row gets x from one of its five nearest, which in one dimension are at most four ranks away.
        assert distance[np.arange(200), order].max() <= 4
        assert len(np.unique(order)) > 180
        assert (order != np.arange(200)).mean() > 0.5


def test_ties_are_broken_by_name():
    rng = np.random.default_rng(3)
    data = {"x": rng.integers(3, size=100), "y": rng.integers(3, size=100)}
    first = CMIKnn(n_permutations=19).fit(data).test("x", "y")
    assert first == CMIKnn(n_permutations=19).fit({"y": data["y"], "x": data["x"]}).test("x", "y")
    assert math.isfinite(first.statistic)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"k": 0}, "`k`"),
        ({"k": 1.5}, "`k`"),
        ({"k": True}, "`k`"),
        ({"n_permutations": 0}, "`n_permutations`"),
        ({"k_permutation": 2.0}, "`k_permutation`"),
    ],
)
def test_bad_parameters(arguments, match):
    with pytest.raises(DataError, match=match):
        CMIKnn(**arguments)


def test_too_many_rows():
    with pytest.raises(DataError, match="up to 32767, got 40000"):
        CMIKnn().fit(np.random.default_rng(0).normal(size=(40_000, 2)))
