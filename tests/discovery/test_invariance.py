"""What must not change a graph: order of columns, budgets of memory, array library, threads, hash seed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.discovery import FCI, PC, RFCI, _search
from causalrep.independence import FisherZ, GSquare

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"x{k}" for k in range(9)]  # their canonical order is that of the columns, as for an array
TEST = {"linear": FisherZ, "discrete": lambda: GSquare(min_per_cell=2.0)}
SEARCH = {"pc": PC, "fci": FCI, "rfci": RFCI}
LIBRARIES = {
    "torch": torch.asarray,
    "array_api_strict": array_api_strict.asarray,
    # A device of its own, from and to which nothing moves by itself.
    "strict_device": lambda X: array_api_strict.asarray(X, device=array_api_strict.Device("device1")),
}
every_search = pytest.mark.parametrize("search", SEARCH)
every_kind = pytest.mark.parametrize("kind", TEST)


def rows(kind, seed, n=150):
    """Return rows of a random sparse model, every column caused by about one and a half before it."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((9, 9)) < 0.35, k=1) * rng.uniform(0.6, 1.2, (9, 9))
    X = rng.normal(size=(n, 9))
    for column in range(9):
        X[:, column] += X @ weights[:, column]
    X = X[:, rng.permutation(9)]
    return X if kind == "linear" else np.digitize(X / X.std(axis=0), [-0.5, 0.5])


def fitted(search, kind, X):
    return SEARCH[search](TEST[kind](), alpha=0.05).fit(X)


def assert_same(one, other, rtol=0.0):
    assert one.graph_ == other.graph_
    assert len(one.sepsets_) == len(other.sepsets_)
    assert dict(one.sepsets_) == {pair: other.sepsets_[pair] for pair in one.sepsets_}
    assert (one.n_tests_, one.n_untestable_) == (other.n_tests_, other.n_untestable_)
    here = [other.graph_.nodes.index(node) for node in one.graph_.nodes]
    np.testing.assert_allclose(other.pvalues_[np.ix_(here, here)], one.pvalues_, rtol=rtol)


@every_search
@every_kind
@given(seed=st.integers(0, 10**6), order=st.permutations(range(9)))
@settings(max_examples=5)
def test_order_of_columns_changes_no_bit(search, kind, seed, order):
    columns = dict(zip(NAMES, rows(kind, seed).T, strict=True))
    moved = {NAMES[k]: columns[NAMES[k]] for k in order}
    assert_same(fitted(search, kind, columns), fitted(search, kind, moved))


@every_search
@every_kind
@given(seed=st.integers(0, 10**6), chunk=st.integers(1, 60), block=st.integers(1, 400))
@settings(max_examples=5)
def test_budgets_of_memory_change_no_bit(search, kind, seed, chunk, block):
    X = rows(kind, seed)
    expected = fitted(search, kind, X)
    small = TEST[kind]()
    small.chunk_size = lambda _: chunk
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_search, "_BLOCK", block)
        assert_same(expected, SEARCH[search](small, alpha=0.05).fit(X))


@every_kind
@pytest.mark.parametrize("library", LIBRARIES)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=4)
def test_the_array_library_changes_no_graph(kind, library, seed):
    X = rows(kind, seed)
    as_array = LIBRARIES[library]
    # Sums of discrete tests are exact; correlations differ by roundings, p-values by that times sqrt(n).
    assert_same(
        fitted("pc", kind, X), fitted("pc", kind, as_array(X)), rtol=0.0 if kind == "discrete" else 1e-9
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every_kind
@pytest.mark.parametrize("seed", range(3))
def test_the_device_changes_no_graph(kind, seed):
    X = rows(kind, seed)
    on_device = PC(TEST[kind](), alpha=0.05, device="cuda").fit(X)
    assert_same(fitted("pc", kind, X), on_device, rtol=1e-9)


@every_kind
def test_searches_in_threads_do_not_disturb_each_other(kind):
    tables = [rows(kind, seed) for seed in range(8)]
    expected = [fitted("pc", kind, X) for X in tables]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(expected, pool.map(lambda X: fitted("pc", kind, X), tables), strict=True):
            assert_same(one, other)


def test_the_hash_seed_changes_no_bit():
    script = """
import sys
sys.path[:0] = ["tests/discovery"]
from test_invariance import NAMES, SEARCH, TEST, fitted, rows
for kind in TEST:
    columns = dict(zip(NAMES, rows(kind, 1).T))
    for search in SEARCH:
        result = fitted(search, kind, columns)
        print(result.graph_.to_string(), dict(result.sepsets_), result.pvalues_.tolist())
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert "x0" in printed.pop()
