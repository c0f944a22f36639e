"""Searching in single precision: whatever rounding could confuse is decided in double precision."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.discovery import PC
from causalrep.independence import FisherZ, _single_precision
from causalrep.independence._arrays import to_numpy
from causalrep.utils import UnknownNameError


def near_copies(seed, n=1000, d=12, noise=0.03):
    """Return pairs of columns that are correlated at about 1 - noise^2 / 2 within each pair."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, d // 2)) @ (np.eye(d // 2) + 0.3 * rng.normal(size=(d // 2, d // 2)))
    return np.concatenate([base, base + noise * rng.normal(size=base.shape)], axis=1)


def questions(seed, k, d=12, pairs=30, width=40):
    rng = np.random.default_rng(seed)
    rows = np.argsort(rng.random((pairs, d)), axis=1)
    S = np.array([[np.sort(rng.permutation(row[2:])[:k]) for _ in range(width)] for row in rows])
    return rows[:, :1], rows[:, 1:2], [np.ascontiguousarray(S[:, :, p]) for p in range(k)]


def strengths(test, k, seed=0):
    asked = [test.index_array(part) for part in (lambda i, j, S: (i, j, *S))(*questions(seed, k))]
    return to_numpy(test.strength(asked[0], asked[1], asked[2:]))


@pytest.mark.parametrize("noise", [1.0, 0.03, 1e-4])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_weakest_of_each_row_is_exact_in_every_library(as_array, k, noise):
    X = as_array(near_copies(k, noise=noise))
    exact = strengths(FisherZ().fit(X), k)
    found = strengths(FisherZ(precision="float32").fit(X), k)
    assert found.dtype == np.float64
    assert np.array_equal(found.argmin(axis=1), exact.argmin(axis=1))
    assert np.array_equal(found.min(axis=1), exact.min(axis=1))
    # The others are off by the error of r, which is bounded by the band at the smallest pivot that counts.
    np.testing.assert_allclose(found, exact, atol=2 * 32 * 2.0**-23 / 1e-3)


def test_what_cannot_be_made_is_told_as_in_double_precision():
    X = near_copies(0)
    X[:, 6] = X[:, 0]
    with pytest.warns(UserWarning, match="linear function"):
        tests = [FisherZ(precision=precision).fit(X) for precision in ("float64", "float32")]
    one, other = (np.isinf(strengths(test, 2)) for test in tests)
    assert one.any()
    assert np.array_equal(one, other)


def test_without_the_second_decision_the_weakest_would_be_another(monkeypatch):
    X = near_copies(3, noise=1e-3)
    exact = strengths(FisherZ().fit(X), 3).argmin(axis=1)
    monkeypatch.setattr(_single_precision, "_BAND", 0.0)
    monkeypatch.setattr(_single_precision, "_SMALLEST_PIVOT", 0.0)
    rough = _single_precision.residuals
    monkeypatch.setattr(
        _single_precision,
        "residuals",
        lambda R, *rest: rough(R.astype(np.float32).astype(np.float64), *rest),
    )
    assert (strengths(FisherZ(precision="float32").fit(X), 3).argmin(axis=1) != exact).any()


@given(seed=st.integers(0, 10**6), noise=st.sampled_from([1.0, 0.03]))
@settings(max_examples=15)
def test_searches_find_the_same_to_the_last_bit(seed, noise):
    X = pd.DataFrame(near_copies(seed, n=200, noise=noise), columns=list("lkjihgfedcba"))
    one, other = (PC(FisherZ(precision=precision)).fit(X) for precision in ("float64", "float32"))
    assert one.graph_ == other.graph_
    assert one.sepsets_ == other.sepsets_
    assert np.array_equal(one.pvalues_, other.pvalues_, equal_nan=True)
    assert one.n_untestable_ == other.n_untestable_


def test_an_unknown_precision_is_refused():
    with pytest.raises(UnknownNameError, match="`precision`"):
        FisherZ(precision="float16")
