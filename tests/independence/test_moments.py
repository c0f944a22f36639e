"""Fisher's z on data that come in chunks or with missing values."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from causalrep.discovery import PC
from causalrep.independence import FisherZ, Flag
from causalrep.utils import DataError, UnknownNameError


def correlated(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.4 * rng.normal(size=(d, d)))


def with_holes(X, share, seed=1):
    rng = np.random.default_rng(seed)
    X = X.copy()
    X[rng.random(X.shape) < share] = np.nan
    return X


@pytest.mark.parametrize("sizes", [[500], [1, 2, 497], [250, 0, 250], [100] * 5])
def test_chunks_answer_as_the_whole(sizes):
    X = correlated(500, 6) + 1e6  # a mean that would cost a naive sum of squares all of its digits
    whole, parts = FisherZ().fit(X), FisherZ()
    cuts = np.cumsum([0, *sizes])
    for start, stop in pairwise(cuts):
        parts.partial_fit(X[start:stop])
    q = np.array([[0, 1, 2, 3], [4, 5, 0, 1], [2, 3, 4, 5]])
    expected, found = (test.test_batch(q[:, 0], q[:, 1], q[:, 2:]) for test in (whole, parts))
    np.testing.assert_allclose(found.statistic, expected.statistic, rtol=1e-7)
    np.testing.assert_array_equal(found.dof, expected.dof)


def test_a_dask_array_is_read_in_blocks():
    dask_array = pytest.importorskip("dask.array", reason="dask is an extra")
    X = correlated(400, 4)
    blocks = dask_array.from_array(X, chunks=(100, 4))
    expected, found = FisherZ().fit(X).test(0, 1, [2]), FisherZ().fit(blocks).test(0, 1, [2])
    assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-9)


def test_chunks_must_have_the_same_columns_and_whole_rows():
    test = FisherZ().partial_fit({"a": [1.0, 2.0], "b": [0.0, 1.0]})
    with pytest.raises(DataError, match=r"columns \['a', 'b'\], got \['a', 'c'\]"):
        test.partial_fit({"a": [1.0], "c": [2.0]})
    with pytest.raises(DataError, match="NaN"):
        test.partial_fit({"a": [math.nan], "b": [2.0]})
    with pytest.raises(DataError, match="testwise"):
        FisherZ(missing="testwise").partial_fit({"a": [1.0]})


def test_fit_forgets_the_chunks():
    X = correlated(100, 3)
    test = FisherZ().partial_fit(X[:50]).fit(X)
    assert test.test(0, 1, [2]) == FisherZ().fit(X).test(0, 1, [2])


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4])
def test_each_test_uses_the_rows_that_have_all_of_its_columns(k):
    X = with_holes(correlated(300, 7, seed=k), 0.1)
    test = FisherZ(missing="testwise").fit(X)
    rng = np.random.default_rng(k)
    for _ in range(5):
        used = rng.permutation(7)[: k + 2].tolist()
        rows = ~np.isnan(X[:, used]).any(axis=1)
        expected = FisherZ().fit(X[np.ix_(rows, used)]).test(0, 1, list(range(2, k + 2)))
        found = test.test(used[0], used[1], used[2:])
        assert found.dof == expected.dof == rows.sum() - k - 3
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
        assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-8)


def test_testwise_without_holes_is_the_plain_test():
    X = correlated(100, 4)
    assert FisherZ(missing="testwise").fit(X).test(0, 1, [2]) == FisherZ().fit(X).test(0, 1, [2])


def test_order_of_columns_and_chunks_change_no_bit(monkeypatch):
    X = with_holes(correlated(200, 6), 0.1)
    frame = dict(zip("fedcba", X.T, strict=True))
    test = FisherZ(missing="testwise").fit(frame)
    shuffled = FisherZ(missing="testwise").fit({name: frame[name] for name in "cafdbe"})
    assert shuffled.test("a", "f", ["d", "b"]) == test.test("f", "a", ["b", "d"])
    q = np.array([[0, 1, 2], [3, 4, 5], [0, 5, 3]])
    expected = test.test_batch(q[:, 0], q[:, 1], q[:, 2:])
    monkeypatch.setattr(FisherZ, "chunk_size", lambda *_: 1)
    found = test.test_batch(q[:, 0], q[:, 1], q[:, 2:])
    np.testing.assert_array_equal(found.statistic, expected.statistic)


def test_torch_answers_as_numpy():
    X = with_holes(correlated(150, 5), 0.1)
    expected = FisherZ(missing="testwise").fit(X).test(0, 1, [2, 3, 4])
    found = FisherZ(missing="testwise").fit(torch.as_tensor(X)).test(0, 1, [2, 3, 4])
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)


def test_pairs_that_are_never_seen_together_are_flagged():
    X = correlated(100, 3)
    X[:50, 0] = np.nan
    X[50:, 1] = np.nan
    found = FisherZ(missing="testwise").fit(X).test(0, 1)
    assert found.flag == Flag.TOO_FEW_ROWS
    assert math.isnan(found.pvalue)
    copies = np.column_stack([X[:, 2], X[:, 2], with_holes(X[:, 2:], 0.1)])
    copies[:, 2] += np.random.default_rng(0).normal(size=100)
    assert FisherZ(missing="testwise").fit(copies).test(0, 2, [1]).flag == Flag.SINGULAR


def test_pc_learns_from_data_with_holes():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 4000))
    c = x + y + rng.normal(size=4000)
    data = pd.DataFrame({"x": x, "c": c, "y": y, "d": c + rng.normal(size=4000)})
    expected = PC().fit(data).graph_
    holed = data.mask(rng.random(data.shape) < 0.1)
    assert PC(test=FisherZ(missing="testwise")).fit(holed).graph_ == expected
    with pytest.raises(DataError, match="NaN"):
        PC().fit(holed)


def test_bad_choice():
    with pytest.raises(UnknownNameError, match="`missing`"):
        FisherZ(missing="mean")
