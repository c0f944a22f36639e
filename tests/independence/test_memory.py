"""What a batch may hold at once: its answers, and a budget that does not grow with the questions."""

import tracemalloc

import numpy as np
import pytest

from causalrep.independence import HSIC, KCI, CMIKnn, FisherZ, GSquare, _cmi_knn, _discrete, _fisherz

MEGABYTE = 2**20


def peak(call):
    """Return the most bytes that arrays held during a call, without those that were there before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def questions(m, d, k):
    rng = np.random.default_rng(0)
    start = rng.integers(d, size=m)
    rows = (start[:, None] + np.arange(k + 2) * 3) % d  # different columns, for d above 3 (k + 2)
    return rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2:].copy()


@pytest.mark.parametrize("k", [0, 2, 4])
def test_linear_tests_hold_their_answers_and_a_chunk(k):
    m = 300_000
    test = FisherZ().fit(np.random.default_rng(0).normal(size=(100, 50)))
    # Statistic, p-value, degrees of freedom and flag, in parts and then joined; the questions, which are made
    # inside the call; and a few chunks.
    answers = 2 * 25 * m + 2 * 8 * m
    assert (
        peak(lambda: test.test_batch(*questions(m, 50, k)))
        < answers + 8 * m * (2 * k + 6) + 4 * _fisherz._HOST_BYTES
    )


def test_counting_tables_holds_a_bounded_number_of_rows():
    n, m = 5000, 2000
    X = np.random.default_rng(0).integers(3, size=(n, 20))
    test = GSquare(min_per_cell=0).fit(X)
    coded_at_once = 8 * n * m  # what every question's rows would take, 80 MB
    found = peak(lambda: test.test_batch(*questions(m, 20, 3)))
    assert found < coded_at_once / 2
    # A few arrays of codes in flight, the strata of one block of sets, and the answers.
    assert found < 12 * 8 * _discrete._CODES_IN_FLIGHT + 2 * 4 * _discrete._CELLS_IN_FLIGHT + MEGABYTE


@pytest.mark.parametrize(("make", "k"), [(HSIC, 0), (KCI, 0), (KCI, 1)])
def test_kernel_tests_never_hold_a_gram_matrix(make, k):
    n = 3000
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    X[:, 1] += X[:, 0] ** 2
    test = make().fit(X)
    assert peak(lambda: test.test(0, 1, [2][:k])) < 8 * n * n / 2


def test_neighbours_are_counted_in_blocks(monkeypatch):
    n = 600
    test = CMIKnn(k=0.1, n_permutations=2).fit(np.random.default_rng(0).normal(size=(n, 3)))
    monkeypatch.setattr(_cmi_knn, "_CELLS", 20 * n)
    # Two kinds of distances, and how many lie below each, in 16 bits; four more while an estimate is made.
    assert peak(lambda: test.test(0, 1, [2])) < 8 * 2 * n * n + MEGABYTE
