"""The same kernels on every array library: NumPy's answer is the reference."""

import warnings

import numpy as np
import pytest
import torch

from causalrep.independence import CITestWarning, FisherZ
from causalrep.independence._arrays import erfc, log_erfc, named_matrix, to_numpy
from causalrep.utils import DataError


def data(n=200, d=7):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)))


@pytest.mark.parametrize("k", [0, 1, 2, 3, 5])
def test_answers_equal_those_of_numpy_and_stay_in_the_library(as_array, k):
    rows = np.array([np.random.default_rng(s).permutation(7)[: k + 2] for s in range(40)])
    i, j, S = rows[:, 0], rows[:, 1], rows[:, 2:]
    X = data()
    reference = FisherZ().fit(X).test_batch(i, j, S)
    answer = FisherZ().fit(as_array(X)).test_batch(i, j, S)
    for field in ("statistic", "pvalue", "dof", "flag", "log_pvalue"):
        values = getattr(answer, field)
        assert type(values) is type(as_array(X))
        # The libraries sum the products of 200 rows in different orders: a few hundred roundings.
        np.testing.assert_allclose(to_numpy(values), getattr(reference, field), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_strength_equals_that_of_numpy(as_array, k):
    X = data()
    ours, theirs = FisherZ().fit(as_array(X)), FisherZ().fit(X)
    index = [np.arange(3)[:, None] * 0 + p for p in range(2)] + [
        np.array([[p, p]] * 3) for p in range(2, k + 2)
    ]
    here = [ours.index_array(a) for a in index]
    np.testing.assert_allclose(
        to_numpy(ours.strength(*here[:2], here[2:])), theirs.strength(*index[:2], index[2:]), rtol=1e-9
    )


def test_positions_may_come_in_the_library_of_the_data(as_array):
    test = FisherZ().fit(as_array(data()))
    i, j, S = np.array([0, 1]), np.array([2, 3]), np.array([[4], [5]])
    one, other = test.test_batch(i, j, S), test.test_batch(as_array(i), as_array(j), as_array(S))
    assert np.array_equal(to_numpy(one.pvalue), to_numpy(other.pvalue))


def test_singular_blocks_are_flagged_in_every_library(as_array):
    X = data()
    X[:, 6] = X[:, 5]
    with pytest.warns(UserWarning, match="linear function"):
        test = FisherZ().fit(as_array(X))
    batch = test.test_batch([0, 5], [5, 1], [[6], [6]])
    assert to_numpy(batch.flag).tolist() == [2, 2]
    assert np.isnan(to_numpy(batch.pvalue)).all()


def test_correlations_of_the_library_give_answers_of_the_library(as_array):
    R = np.corrcoef(data().T)
    answer = FisherZ.from_correlation(as_array(R), n=200).test_batch([0], [1], [[2]])
    assert type(answer.pvalue) is type(as_array(R))
    reference = FisherZ.from_correlation(R, n=200).test_batch([0], [1], [[2]])
    np.testing.assert_allclose(to_numpy(answer.pvalue), reference.pvalue, rtol=1e-12)


def test_special_functions_agree_over_their_whole_range(as_array):
    x = np.concatenate([np.linspace(0, 6, 200), np.geomspace(6, 1e4, 50)])
    np.testing.assert_allclose(to_numpy(erfc(as_array(x))), erfc(x), rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(to_numpy(log_erfc(as_array(x))), log_erfc(x), rtol=1e-13, atol=1e-15)


def test_torch_data_that_carry_a_gradient_are_accepted():
    X = torch.asarray(data()).requires_grad_(True)
    assert not FisherZ().fit(X).test_batch([0], [1]).pvalue.requires_grad


def test_complex_tensors_are_refused():
    with pytest.raises(DataError, match="Complex data not supported"):
        named_matrix(torch.zeros(3, 3, dtype=torch.complex64))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.int8, torch.bool])
def test_torch_dtypes_are_widened(dtype):
    rng = np.random.default_rng(0)
    values = torch.asarray(rng.integers(-120, 120, size=(50, 3)) * rng.integers(0, 2, size=(50, 3))).to(dtype)
    same = values.numpy().astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CITestWarning)  # booleans are few values
        ours, theirs = FisherZ().fit(values).test(0, 1, [2]), FisherZ().fit(same).test(0, 1, [2])
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-10)
