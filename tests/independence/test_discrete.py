"""G-square and chi-square: against SciPy and causal-learn, exact invariances, guards, permutations."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from causallearn.utils.cit import CIT
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, kstest

from causalrep.discovery import PC
from causalrep.graphs import DAG
from causalrep.independence import ChiSquare, Flag, GSquare, _discrete
from causalrep.utils import DataError, UnknownNameError

TESTS = [GSquare, ChiSquare]
LAMBDA = {GSquare: "log-likelihood", ChiSquare: "pearson"}


def chain(n, d, rng, n_states=3):
    """Columns that each copy the one before with probability 0.4."""
    X = rng.integers(n_states, size=(n, d))
    for j in range(1, d):
        X[:, j] = np.where(rng.random(n) < 0.4, X[:, j - 1], X[:, j])
    return X


def by_scipy(X, x, y, given, kind):
    """Return statistic and nonzero degrees of freedom, stratum by stratum, without a correction."""
    statistic, dof = 0.0, 0
    for key in {tuple(row) for row in X[:, given].tolist()}:
        rows = X[(X[:, given] == key).all(axis=1)]
        table = np.zeros((X.max() + 1, X.max() + 1), dtype=int)
        np.add.at(table, (rows[:, x], rows[:, y]), 1)
        table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
        if min(table.shape) > 1:
            found = chi2_contingency(table, correction=False, lambda_=LAMBDA[kind])
            statistic, dof = statistic + found.statistic, dof + found.dof
    return statistic, dof


@pytest.mark.parametrize("kind", TESTS)
@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_equals_scipy_stratum_by_stratum(kind, k):
    X = chain(300, 5, np.random.default_rng(k))
    test = kind(min_per_cell=0).fit(X)
    for x, y in [(0, 1), (3, 0), (4, 2)]:
        given = [v for v in range(5) if v not in (x, y)][:k]
        statistic, dof = by_scipy(X, x, y, given, kind)
        found = test.test(x, y, given)
        assert found.dof == dof
        # SciPy's own sum of logarithms is good to some 1e-13 of its largest term.
        assert found.statistic == pytest.approx(statistic, rel=1e-10, abs=1e-9)


@pytest.mark.parametrize(("kind", "name"), [(GSquare, "gsq"), (ChiSquare, "chisq")])
def test_pvalues_equal_causallearn(kind, name):
    rng = np.random.default_rng(0)
    X = chain(800, 6, rng)
    peer, ours = CIT(X, name), kind(min_per_cell=0).fit(X)
    for k in range(4):
        for _ in range(5):
            x, y, *given = rng.permutation(6)[: k + 2].tolist()
            assert ours.test(x, y, given).pvalue == pytest.approx(peer(x, y, given), abs=1e-10)


def test_no_continuity_correction():
    """A 2 x 3 x 2 table (spec of the library, section 8): Yates' correction would give G2 = 7.354."""
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.integers(2, size=60), rng.integers(3, size=60), rng.integers(2, size=60)])
    found = GSquare(min_per_cell=0).fit(X).test(0, 1, [2])
    total = 0.0
    for z in (0, 1):
        table = np.zeros((2, 3))
        np.add.at(table, tuple(X[X[:, 2] == z, :2].T), 1)
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        total += 2 * np.sum(table[table > 0] * np.log(table[table > 0] / expected[table > 0]))
    assert found.statistic == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("kind", TESTS)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_no_order_changes_a_bit(kind, seed, data):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(20, 200)), 5
    names = [f"v{j}" for j in range(d)]
    X = rng.integers(rng.integers(2, 5, size=d), size=(n, d))
    if any(len(np.unique(X[:, j])) < 2 for j in range(d)):
        return
    k = data.draw(st.integers(0, 3))
    chosen = data.draw(st.permutations(names))[: k + 2]
    frame = {name: X[:, j] for j, name in enumerate(names)}
    expected = kind(min_per_cell=0).fit(frame).test(chosen[0], chosen[1], chosen[2:])
    rows, columns = rng.permutation(n), rng.permutation(d)
    relabelled = {names[j]: -7 * X[rows, j] for j in columns}
    found = kind(min_per_cell=0).fit(relabelled).test(chosen[1], chosen[0], chosen[2:][::-1])
    assert found.flag == expected.flag
    assert found.dof == expected.dof
    np.testing.assert_equal(found.statistic, expected.statistic)
    np.testing.assert_equal(found.pvalue, expected.pvalue)


@pytest.mark.parametrize("kind", TESTS)
@pytest.mark.parametrize("k", [0, 1, 2])
def test_chunks_pair_tables_and_backends_change_no_bit(kind, k, monkeypatch):
    rng = np.random.default_rng(5)
    X = chain(400, 8, rng)
    q = np.argsort(rng.random((300, 8)), axis=1)[:, : k + 2]
    expected = kind().fit(X).test_batch(q[:, 0], q[:, 1], q[:, 2:])
    on_torch = kind().fit(torch.as_tensor(X)).test_batch(q[:, 0], q[:, 1], q[:, 2:])
    assert isinstance(on_torch.pvalue, torch.Tensor)
    monkeypatch.setattr(_discrete, "_PAIR_TABLE_CELLS", 0)
    monkeypatch.setattr(_discrete, "_CODES_IN_FLIGHT", 900)
    monkeypatch.setattr(_discrete, "_CELLS_IN_FLIGHT", 1000)
    small = kind().fit(X).test_batch(q[:, 0], q[:, 1], q[:, 2:])
    for field in ("statistic", "pvalue", "dof", "flag"):
        np.testing.assert_array_equal(getattr(small, field), getattr(expected, field))
        np.testing.assert_array_equal(getattr(on_torch, field).numpy(), getattr(expected, field))


def test_every_array_library_of_the_standard():
    strict = pytest.importorskip("array_api_strict")
    X = chain(200, 4, np.random.default_rng(0))
    i, j, S = np.array([0, 1, 0]), np.array([2, 3, 3]), np.array([[1], [2], [1]])
    for kind in TESTS:
        expected = kind().fit(X).test_batch(i, j, S)
        test = kind().fit(strict.asarray(X))
        found = test.test_batch(strict.asarray(i), strict.asarray(j), strict.asarray(S))
        np.testing.assert_array_equal(np.asarray(found.pvalue), expected.pvalue)
        pairs = test.test_batch(strict.asarray(i), strict.asarray(j))
        np.testing.assert_array_equal(np.asarray(pairs.pvalue), kind().fit(X).test_batch(i, j).pvalue)


@pytest.mark.parametrize("kind", TESTS)
def test_collapsed_rows_answer_as_all_rows(kind):
    rng = np.random.default_rng(2)
    X = chain(3000, 4, rng, n_states=2)
    collapsed, plain = kind().fit(X), kind()
    assert collapsed._weights is not None
    extra = np.column_stack([X, rng.permutation(3000) // 2])  # a fifth column keeps the rows apart
    plain.fit(extra)
    assert plain._weights is None
    for chosen in ([], [2], [2, 3]):
        one, other = collapsed.test(0, 1, chosen), plain.test(0, 1, chosen)
        assert one.dof == other.dof
        # The grid on which terms are added depends on the number of states of the fifth column.
        assert one.statistic == pytest.approx(other.statistic, rel=1e-12)


@pytest.mark.parametrize("kind", TESTS)
def test_renumbered_strata_answer_as_all_strata(kind):
    """Eight conditioning columns of four states have 65 536 strata, of which 300 rows meet few."""
    rng = np.random.default_rng(8)
    X = rng.integers(4, size=(300, 10))
    X[:, 4:] = X[:, 2:3]  # so that strata are not all single rows
    with_copies = kind(min_per_cell=0).fit(X).test(0, 1, list(range(2, 10)))
    without = kind(min_per_cell=0).fit(X).test(0, 1, [2, 3])
    assert with_copies == without


def test_full_degrees_of_freedom_count_every_stratum():
    X = chain(500, 4, np.random.default_rng(1), n_states=4)
    assert GSquare(dof="full", min_per_cell=0).fit(X).test(0, 1, [2, 3]).dof == 3 * 3 * 4 * 4


@pytest.mark.parametrize("kind", TESTS)
def test_too_few_rows_and_empty_tables_are_flagged_not_answered(kind):
    rng = np.random.default_rng(0)
    X = rng.integers(4, size=(100, 4))
    few = kind().fit(X).test(0, 1, [2, 3])
    assert few.flag == Flag.TOO_FEW_ROWS
    assert math.isnan(few.pvalue)
    copy = {"x": X[:, 0], "y": X[:, 1], "same": 3 - X[:, 0]}
    empty = kind(min_per_cell=0).fit(copy).test("x", "y", ["same"])
    assert (empty.flag, empty.dof) == (Flag.EMPTY_TABLE, 0.0)
    assert math.isnan(empty.statistic)


@pytest.mark.parametrize("kind", TESTS)
def test_testwise_deletion_uses_the_rows_that_have_all_columns(kind):
    rng = np.random.default_rng(4)
    X = chain(600, 4, rng).astype(float)
    X[rng.random(X.shape) < 0.15] = np.nan
    test = kind(missing="testwise").fit(X)
    for chosen in ([], [2], [2, 3]):
        used = [0, 1, *chosen]
        whole = X[~np.isnan(X[:, used]).any(axis=1)].copy()
        whole[np.isnan(whole)] = 0  # in columns that the question does not name
        one, other = test.test(0, 1, chosen), kind().fit(whole).test(0, 1, chosen)
        assert (one.flag, one.dof) == (other.flag, other.dof)
        # The grid on which terms are added depends on the number of rows.
        assert one.statistic == pytest.approx(other.statistic, rel=1e-11)


def test_strings_categories_booleans_and_polars():
    rng = np.random.default_rng(6)
    X = chain(400, 3, rng, n_states=2)
    words = np.array(["no", "yes"])
    frame = pl.DataFrame({"a": words[X[:, 0]], "b": X[:, 1].astype(bool), "c": X[:, 2].astype(float)})
    expected = GSquare().fit(X).test(0, 2, [1])
    assert GSquare().fit(frame).test("a", "c", ["b"]) == expected
    pandas = pd.DataFrame(frame.to_dict(as_series=False)).astype({"a": "category"})
    assert GSquare().fit(pandas).test("a", "c", ["b"]) == expected


@pytest.mark.parametrize("kind", TESTS)
def test_pvalues_are_uniform_under_independence_and_power_is_high(kind):
    rng = np.random.default_rng(7)
    n, m = 1000, 600
    z = rng.integers(3, size=n)
    # x and y depend on z alone; every pair of columns is independent given z.
    noisy = np.where(rng.random((2 * m, n)) < 0.5, z, rng.integers(3, size=(2 * m, n)))
    test = kind().fit(np.column_stack([noisy.T, z]))
    i = np.arange(m)
    null = test.test_batch(i, i + m, np.full((m, 1), 2 * m)).pvalue
    # 600 independent draws: the 1e-4 quantile of Kolmogorov's distance; chi-square is close here.
    assert kstest(null, "uniform").pvalue > 1e-4
    assert (test.test_batch(i, i + m).pvalue < 0.01).mean() > 0.99


def test_permutations_agree_with_chi_square_and_depend_on_names_alone():
    rng = np.random.default_rng(9)
    X = chain(500, 4, rng)
    frame = {name: X[:, j] for j, name in enumerate("abcd")}
    test = GSquare(n_permutations=999, random_state=1).fit(frame)
    plain = GSquare().fit(frame)
    p, q = test.test("a", "d", ["b"]).pvalue, plain.test("a", "d", ["b"]).pvalue
    # Five standard errors of a share out of 999, and the error of the chi-square approximation.
    assert abs(p - q) < 5 * math.sqrt(q * (1 - q) / 999) + 0.01
    assert test.test("a", "b").pvalue == 1 / 1000
    shuffled = {name: frame[name] for name in "dbca"}
    assert GSquare(n_permutations=999, random_state=1).fit(shuffled).test("d", "a", ["b"]).pvalue == p


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"a": [0, 1, None], "b": [0, 1, 1]}, "'a' .* 1 missing"),
        ({"a": [0.0, 1.0, math.nan], "b": [0, 1, 1]}, "'a' .* 1 missing"),
        ({"a": [0, 0, 0], "b": [0, 1, 1]}, "'a' .* constant"),
        ({"a": np.arange(30.0), "b": [0, 1, 1] * 10}, "'a' .* 30 different values in 30 rows"),
        ({"a": [1j, 0, 1], "b": [0, 1, 1]}, "Complex data not supported"),
        ({"a": [math.inf, 0, 1], "b": [0, 1, 1]}, "infinity"),
        ({"a": [1], "b": [0]}, "at least 2 rows"),
        ({}, r"0 feature\(s\)"),
    ],
)
def test_bad_data(bad, message):
    with pytest.raises(DataError, match=message):
        GSquare().fit(bad)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dof": "none"}, UnknownNameError, "`dof`"),
        ({"missing": "mean"}, UnknownNameError, "`missing`"),
        ({"min_per_cell": -1}, DataError, "`min_per_cell`"),
        ({"n_permutations": 1.5}, DataError, "`n_permutations`"),
    ],
)
def test_bad_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        ChiSquare(**arguments)


@pytest.mark.parametrize("name", ["gsquare", "chisquare"])
def test_pc_finds_a_discrete_collider(name):
    rng = np.random.default_rng(11)
    n = 4000
    a, b = rng.integers(2, size=(2, n))
    c = np.where(rng.random(n) < 0.9, a | b, rng.integers(2, size=n))
    d = np.where(rng.random(n) < 0.8, c, rng.integers(2, size=n))
    found = PC(test=name).fit({"a": a, "b": b, "c": c, "d": d})
    assert found.graph_ == DAG.from_string("a -> c <- b; c -> d").to_cpdag()
