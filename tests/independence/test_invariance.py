"""What must not change an answer, for every test there is: order, batches, budgets, threads, hash seed."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from causalrep.independence import KCI, CMIKnn, DistanceCorrelation, FisherZ, GSquare, _kci
from causalrep.independence._registry import TESTS

ROOT = Path(__file__).resolve().parents[2]
NAMES = tuple("vwxyz")
MAKE = {
    **TESTS,
    "cmiknn": lambda: CMIKnn(k=0.1, n_permutations=10),
    "distance_correlation": lambda: DistanceCorrelation(n_permutations=5),
    "fisherz_single": lambda: FisherZ(precision="float32"),
    "fisherz_testwise": lambda: FisherZ(missing="testwise"),
    "gsquare_permuted": lambda: GSquare(n_permutations=5),
    "kci_dense": lambda: KCI(gram="dense"),
}
RTOL = {"rcit": 1e-4, "polynomial": 1e-5}  # whose regressions are nearly singular
UNCONDITIONAL = ("hsic", "distance_correlation")
every_test = pytest.mark.parametrize("name", sorted(MAKE))


def frame(name, seed, n=40):
    """Return columns whose names are not in the order of the alphabet."""
    rng = np.random.default_rng(seed)
    if name.startswith(("gsquare", "chisquare")):
        values = np.concatenate([rng.integers(3, size=(n - 3, 5)), np.arange(15).reshape(3, 5) % 3])
    else:
        z = rng.normal(size=(n, 2))
        values = np.column_stack([z, np.tanh(z[:, 0]), z[:, 1] ** 2, z.sum(axis=1)]) + rng.normal(size=(n, 5))
    if name in ("fisherz_testwise", "corrected_fisherz"):
        values = np.where(rng.random(values.shape) < 0.05, np.nan, values)
    return dict(zip("zxvwy", values.T, strict=True))


def questions(name, seed, m=4):
    """Return questions by name, about pairs given nought to two others."""
    rng = np.random.default_rng(seed)
    sizes = [0] * m if name in UNCONDITIONAL else rng.integers(0, 3, m).tolist()
    return [rng.permutation(NAMES)[: k + 2].tolist() for k in sizes]


def answers(test, asked):
    return [test.test(x, y, rest) for x, y, *rest in asked]


def same(one, other):
    return repr(one) == repr(other)  # NaN equals NaN there, and nothing else does that is not the same number


@every_test
@given(seed=st.integers(0, 10**6), order=st.permutations("zxvwy"))
@settings(max_examples=8)
def test_order_of_columns_of_ends_and_of_the_set_changes_no_bit(name, seed, order):
    data, asked = frame(name, seed), questions(name, seed)
    expected = answers(MAKE[name]().fit(data), asked)
    found = answers(
        MAKE[name]().fit({column: data[column] for column in order}),
        [[y, x, *rest[::-1]] for x, y, *rest in asked],
    )
    assert same(found, expected)


# What is drawn for single rows follows the rows. A sum in another order rounds otherwise.
FOLLOWS_ROWS = ("cmiknn", "distance_correlation", "gsquare_permuted")


@pytest.mark.parametrize("name", sorted(set(MAKE) - set(FOLLOWS_ROWS)))
@given(seed=st.integers(0, 10**6))
@settings(max_examples=4)
def test_order_of_rows_changes_no_more_than_rounding(name, seed):
    data, asked = frame(name, seed), questions(name, seed)
    rows = np.random.default_rng(seed).permutation(40)
    expected = answers(MAKE[name]().fit(data), asked)
    found = answers(MAKE[name]().fit({column: values[rows] for column, values in data.items()}), asked)
    assert [a.flag for a in found] == [a.flag for a in expected]
    rtol = RTOL.get(name, 1e-6)
    np.testing.assert_allclose([a.pvalue for a in found], [a.pvalue for a in expected], rtol=rtol, atol=1e-9)


@every_test
@given(seed=st.integers(0, 10**6), size=st.integers(1, 5))
@settings(max_examples=5)
def test_what_else_is_asked_and_in_which_pieces_changes_no_bit(name, seed, size):
    k = 0 if name in UNCONDITIONAL else seed % 3
    rows = np.array([np.random.default_rng([seed, r]).permutation(5)[: k + 2] for r in range(7)])
    test = MAKE[name]().fit(frame(name, seed))
    whole = test.test_batch(rows[:, 0], rows[:, 1], rows[:, 2:])
    test.chunk_size = lambda _: size
    pieces = test.test_batch(rows[:, 0], rows[:, 1], rows[:, 2:])
    alone = test.test_batch(rows[3:4, 0], rows[3:4, 1], rows[3:4, 2:])
    for field in ("statistic", "pvalue", "dof", "flag"):
        assert np.array_equal(getattr(pieces, field), getattr(whole, field), equal_nan=True)
        assert np.array_equal(getattr(alone, field), getattr(whole, field)[3:4], equal_nan=True)


@every_test
def test_threads_that_share_a_fitted_test_do_not_disturb_each_other(name, monkeypatch):
    monkeypatch.setattr(_kci, "_CACHE_BYTES", 20_000)  # a few factors, so that it is cleared all the time
    asked = questions(name, 1, m=12)
    expected = answers(MAKE[name]().fit(frame(name, 1)), asked)
    test = MAKE[name]().fit(frame(name, 1))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda question: answers(test, [question])[0], asked))
    assert same(found, expected)


@every_test
def test_threads_of_the_linear_algebra_change_no_more_than_its_rounding(name):
    data, asked = frame(name, 2, n=300), questions(name, 2)
    expected = answers(MAKE[name]().fit(data), asked)
    with threadpool_limits(2):
        found = answers(MAKE[name]().fit(data), asked)
    rtol = RTOL.get(name, 1e-9)
    np.testing.assert_allclose([a.pvalue for a in found], [a.pvalue for a in expected], rtol=rtol)


def test_the_hash_seed_changes_no_bit():
    script = """
import json, sys, warnings
sys.path[:0] = ["tests/independence"]
from test_invariance import MAKE, answers, frame, questions
warnings.simplefilter("ignore")
found = {name: answers(make().fit(frame(name, 3)), questions(name, 3)) for name, make in MAKE.items()}
print(json.dumps({name: repr(answer) for name, answer in found.items()}))
"""
    printed = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(json.loads(printed[0])) == len(MAKE)
    assert printed[0] == printed[1]
