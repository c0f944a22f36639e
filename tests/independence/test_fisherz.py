"""Fisher's z-test against its definition, against causal-learn, and against the laws it must obey."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from causalrep.independence import FisherZ, Flag
from causalrep.independence._correlation import correlation_matrix


def linear_data(seed, n=300, d=8):
    """Return Gaussian rows whose columns all depend on each other, on unequal scales."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(d) + 0.4 * rng.normal(size=(d, d))
    return rng.normal(size=(n, d)) @ mixing * rng.uniform(0.1, 10, size=d) + rng.normal(size=d)


def questions(seed, d, k, m=50):
    rng = np.random.default_rng(seed)
    rows = np.array([rng.permutation(d)[: k + 2] for _ in range(m)])
    return rows[:, 0], rows[:, 1], rows[:, 2:]


def by_definition(X, i, j, S):
    """Return z and p from the inverse of the correlation matrix of {i, j} and S."""
    block = np.corrcoef(X[:, [i, j, *S]].T)
    precision = np.linalg.inv(block)
    r = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    z = np.sqrt(len(X) - len(S) - 3) * np.arctanh(r)
    return z, 2 * scipy.stats.norm.sf(abs(z))


# --- the numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("k", range(7))
def test_batch_equals_the_definition_by_matrix_inversion(k):
    X = linear_data(k)
    i, j, S = questions(k, 8, k)
    batch = FisherZ().fit(X).test_batch(i, j, S)
    expected = [by_definition(X, *q) for q in zip(i, j, S, strict=True)]
    # float64 and blocks with condition numbers up to about 1e4: errors of about 1e-12 in r, times sqrt(n).
    np.testing.assert_allclose(batch.statistic, [z for z, _ in expected], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(batch.pvalue, [p for _, p in expected], rtol=1e-8, atol=1e-12)
    assert (batch.dof == 300 - k - 3).all()
    assert (batch.flag == 0).all()


@pytest.mark.parametrize("k", range(5))
def test_pvalues_equal_causal_learn(k):
    from causallearn.utils.cit import CIT

    X = linear_data(10 + k)
    i, j, S = questions(k, 8, k)
    peer = CIT(X, "fisherz")
    theirs = [peer(int(a), int(b), tuple(map(int, s))) for a, b, s in zip(i, j, S, strict=True)]
    ours = FisherZ().fit(X).test_batch(i, j, S).pvalue
    # causal-learn takes 1 - cdf, which is exact to about 1e-16 absolute, and inverts the whole block.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_statistic_has_the_sign_of_the_partial_correlation():
    rng = np.random.default_rng(0)
    z = rng.normal(size=2000)
    x = z + rng.normal(size=2000)
    y = 2 * z - 0.5 * x + rng.normal(size=2000)  # positive correlation, negative given z
    test = FisherZ().fit(np.column_stack([x, y, z]))
    assert test.test(0, 1).statistic > 0
    assert test.test(0, 1, [2]).statistic < 0


def test_known_value_of_a_hand_computed_case():
    # r_xy = .5, r_xz = r_yz = .6: r_xy.z = (.5 - .36) / .64 = .21875; z = sqrt(103 - 1 - 3) artanh(.21875)
    R = [[1, 0.5, 0.6], [0.5, 1, 0.6], [0.6, 0.6, 1]]
    result = FisherZ.from_correlation(R, n=103, names=["x", "y", "z"]).test("x", "y", ["z"])
    assert result.statistic == pytest.approx(math.sqrt(99) * math.atanh(0.21875), rel=1e-14)
    assert result.pvalue == pytest.approx(math.erfc(result.statistic / math.sqrt(2)), rel=1e-13)
    assert (result.dof, result.flag) == (99, Flag.OK)


def test_log_pvalue_goes_on_where_the_pvalue_underflows():
    result = FisherZ.from_correlation([[1, 0.9], [0.9, 1]], n=100_000).test(0, 1)
    assert result.pvalue == 0.0
    # ln P(|Z| > z) = -z^2/2 - ln z + ln(2 / sqrt(2 pi)) - 1/z^2 + O(z^-4), with z = 465
    z = result.statistic
    tail = -(z**2) / 2 - math.log(z) + 0.5 * math.log(2 / math.pi) - z**-2
    assert result.log_pvalue == pytest.approx(tail, abs=1e-8)


def test_log_pvalue_is_the_logarithm_of_the_pvalue():
    batch = FisherZ().fit(linear_data(3)).test_batch(*questions(3, 8, 2))
    assert (batch.pvalue > 0).all()
    np.testing.assert_allclose(np.exp(batch.log_pvalue), batch.pvalue, rtol=1e-11)


@pytest.mark.parametrize("k", [0, 1, 3])
def test_pvalues_are_uniform_under_independence(k):
    pvalues = []
    for seed in range(20):
        rng = np.random.default_rng([k, seed])
        S = rng.normal(size=(200, 50, k))
        x = S.sum(axis=2) + rng.normal(size=(200, 50))
        y = 0.5 * S.sum(axis=2) + rng.normal(size=(200, 50))
        table = np.concatenate([x[:, :, None], y[:, :, None], S], axis=2).reshape(200, -1)
        start = np.arange(50) * (k + 2)
        given_columns = start[:, None] + 2 + np.arange(k)
        pvalues.append(FisherZ().fit(table).test_batch(start, start + 1, given_columns).pvalue)
    distance = scipy.stats.kstest(np.concatenate(pvalues), "uniform").statistic
    # 1,000 independent p-values: by Dvoretzky-Kiefer-Wolfowitz, P(distance > e) <= 2 exp(-2000 e^2), which is
    # 1e-6 at e = .085; the normal approximation of z itself is off by less than .005 at 200 rows.
    assert distance < 0.09


def test_curved_dependence_is_not_seen():
    x = np.random.default_rng(0).normal(size=5000)
    test = FisherZ().fit(np.column_stack([x, x**2]))
    # corr(x, x^2) = 0, and its estimate has variance E[x^6]/2 / n = 7.5 / n: |z| stays below 3 * 2.74.
    assert abs(test.test(0, 1).statistic) < 8.3


# --- the laws ---------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), k=st.integers(0, 5), names=st.sampled_from(["abcdefgh", "hdbfaceg"]))
def test_exchanging_i_and_j_or_reordering_S_changes_no_bit(seed, k, names):
    test = FisherZ().fit(pd.DataFrame(linear_data(seed, n=40), columns=list(names)))
    i, j, S = questions(seed, 8, k, m=5)
    shuffled = np.random.default_rng(seed).permuted(S, axis=1)
    one, other = test.test_batch(i, j, S), test.test_batch(j, i, shuffled)
    assert np.array_equal(one.statistic, other.statistic)
    assert np.array_equal(one.pvalue, other.pvalue)


@given(seed=st.integers(0, 10**6), k=st.integers(0, 4))
def test_column_order_of_a_frame_changes_no_bit(seed, k):
    frame = pd.DataFrame(linear_data(seed, n=40), columns=list("hdbfaceg"))
    mixed = frame[list(np.random.default_rng(seed).permutation(frame.columns))]
    x, y, *rest = np.random.default_rng(seed + 1).permutation(frame.columns)
    assert FisherZ().fit(frame).test(x, y, rest[:k]) == FisherZ().fit(mixed).test(x, y, rest[:k])


@given(seed=st.integers(0, 10**6), k=st.integers(0, 4))
def test_correlation_matrix_may_come_in_any_order(seed, k):
    R = np.corrcoef(linear_data(seed, n=40).T)
    names = np.array(list("hdbfaceg"))
    p = np.random.default_rng(seed).permutation(8)
    one = FisherZ.from_correlation(R, 40, names)
    other = FisherZ.from_correlation(R[np.ix_(p, p)], 40, names[p])
    x, y, *rest = np.random.default_rng(seed + 1).permutation(names)
    assert one.test(x, y, rest[:k]) == other.test(x, y, rest[:k])
    # strength() takes the same canonical road
    where = {name: q for q, name in enumerate(names[p])}
    index = [np.array([where[name]]) for name in (x, y, *sorted(rest[:k]))]
    there = {name: q for q, name in enumerate(names)}
    straight = [np.array([there[name]]) for name in (x, y, *sorted(rest[:k]))]
    assert np.array_equal(other.strength(*index[:2], index[2:]), one.strength(*straight[:2], straight[2:]))


@given(
    seed=st.integers(0, 10**6),
    scales=st.lists(st.sampled_from([1e-8, 1e-3, 7.0, 1e8, -2.5]), min_size=8, max_size=8),
    shift=st.sampled_from([0.0, 1e3, -1e5]),
)
def test_rescaling_and_shifting_columns_changes_nothing_but_a_sign(seed, scales, shift):
    X = linear_data(seed, n=60)
    i, j, S = questions(seed, 8, 2, m=5)
    before = FisherZ().fit(X).test_batch(i, j, S)
    scales = np.array(scales)
    after = FisherZ().fit((X + shift) * scales).test_batch(i, j, S)
    # A shift by 1e5 leaves 1e-11 of a deviation of about 1 as rounding in the data themselves.
    np.testing.assert_allclose(after.pvalue, before.pvalue, rtol=0, atol=1e-7)
    signs = np.sign(scales[i] * scales[j])
    np.testing.assert_allclose(signs * after.statistic, before.statistic, rtol=0, atol=1e-6)


def test_power_of_two_scales_change_no_bit():
    X = linear_data(5)
    i, j, S = questions(5, 8, 3)
    one = FisherZ().fit(X).test_batch(i, j, S)
    other = FisherZ().fit(X * 2.0 ** np.arange(-400, 400, 100)).test_batch(i, j, S)
    assert np.array_equal(one.pvalue, other.pvalue)


def test_huge_means_lose_no_digits():
    rng = np.random.default_rng(0)
    x = rng.integers(-1000, 1000, size=500) / 8  # exact in float64 also after the shift
    y = np.round(x + 100 * rng.normal(size=500)) / 8
    plain = FisherZ().fit(np.column_stack([x, y])).test(0, 1)
    # The mean of numbers near 2^46 is off by up to 2^-7, about 1e-4 deviations.
    shifted = FisherZ().fit(np.column_stack([x + 2.0**46, y - 2.0**46])).test(0, 1)
    assert shifted.statistic == pytest.approx(plain.statistic, rel=1e-11)


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4])
def test_chunks_do_not_matter(k):
    i, j, S = questions(k, 8, k, m=100)
    whole = FisherZ().fit(linear_data(k)).test_batch(i, j, S)
    test = FisherZ(max_bytes=8 * 100).fit(linear_data(k))
    assert test.chunk_size(k) < 20
    parts = test.test_batch(i, j, S)
    assert np.array_equal(parts.statistic, whole.statistic)
    assert np.array_equal(parts.log_pvalue, whole.log_pvalue)


def test_blocks_of_rows_give_the_same_correlations(monkeypatch):
    from causalrep.independence import _correlation

    X = linear_data(1, n=1000)
    whole = correlation_matrix(X, range(8))
    monkeypatch.setattr(_correlation, "_BLOCK_BYTES", 8 * 8 * 7)
    in_blocks = correlation_matrix(X, range(8))
    np.testing.assert_allclose(in_blocks, whole, rtol=0, atol=1e-14)
    np.testing.assert_allclose(whole, np.corrcoef(X.T), rtol=0, atol=1e-14)
    assert np.array_equal(in_blocks, in_blocks.T)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_strength_ranks_tests_as_their_pvalues_do(k):
    test = FisherZ().fit(linear_data(k))
    i, j, S = questions(k, 8, k, m=100)
    S = np.sort(S, axis=1)
    strength = test.strength(i, j, [S[:, p] for p in range(k)])
    assert np.array_equal(np.argsort(strength), np.argsort(-test.test_batch(i, j, S).log_pvalue)[::-1][::-1])
    r2 = np.tanh(test.test_batch(i, j, S).statistic / np.sqrt(300 - k - 3)) ** 2
    np.testing.assert_allclose(strength, r2, rtol=1e-9)


def test_strength_broadcasts_pairs_over_sets():
    test = FisherZ().fit(linear_data(1))
    i, j = np.array([[0], [1]]), np.array([[2], [3]])
    S = [np.array([[4, 5, 6], [4, 5, 6]]), np.array([[7, 7, 7], [6, 7, 7]])]
    S[1][1, 2] = 7
    table = test.strength(i, j, S)
    assert table.shape == (2, 3)
    for a in range(2):
        for b in range(3):
            sets = np.array([[S[0][a, b], S[1][a, b]]])
            r = np.tanh(test.test_batch(i[a], j[a], sets).statistic[0] / np.sqrt(300 - 5))
            assert table[a, b] == pytest.approx(r**2, rel=1e-9)


# --- names and containers ---------------------------------------------------------------------


def test_names_come_from_the_frame_and_positions_from_an_array():
    X = linear_data(0, d=3)
    pandas, polars = pd.DataFrame(X, columns=["b", "a", "c"]), pl.DataFrame(X, schema=["b", "a", "c"])
    from_pandas, from_polars, plain = (FisherZ().fit(data) for data in (pandas, polars, X))
    assert from_pandas.names_ == from_polars.names_ == ("b", "a", "c")
    assert plain.names_ == (0, 1, 2)
    assert from_pandas.test("b", "c", "a") == from_polars.test("b", "c", ["a"])
    assert from_pandas.test("b", "c", "a").pvalue == pytest.approx(plain.test(0, 2, [1]).pvalue, rel=1e-10)


def test_names_may_be_of_any_kind():
    frame = pd.DataFrame(linear_data(0, d=3), columns=[("a", 1), 2.5, "c"])
    assert FisherZ().fit(frame).test(("a", 1), 2.5, "c").flag is Flag.OK


def test_positions_mean_the_order_of_the_data_whatever_the_names():
    X = linear_data(0, d=4)
    i, j, S = np.array([0]), np.array([2]), np.array([[3, 1]])
    named = FisherZ().fit(pd.DataFrame(X, columns=["d", "c", "b", "a"]))
    np.testing.assert_allclose(
        named.test_batch(i, j, S).statistic, FisherZ().fit(X).test_batch(i, j, S).statistic, rtol=1e-11
    )


def test_frame_index_is_ignored():
    frame = pd.DataFrame(linear_data(0), columns=list("abcdefgh"))
    shuffled = frame.set_axis(np.random.default_rng(0).permutation(len(frame)), axis=0)
    assert FisherZ().fit(frame).test("a", "b", "c") == FisherZ().fit(shuffled).test("a", "b", "c")


def test_refitting_forgets():
    test = FisherZ().fit(linear_data(0))
    assert test.fit(linear_data(1, d=3)).names_ == (0, 1, 2)
    assert test.test(0, 1) == FisherZ().fit(linear_data(1, d=3)).test(0, 1)


def test_from_correlation_equals_fitting():
    X = linear_data(2)
    i, j, S = questions(2, 8, 3)
    fitted, given_R = FisherZ().fit(X), FisherZ.from_correlation(np.corrcoef(X.T), n=len(X))
    np.testing.assert_allclose(
        given_R.test_batch(i, j, S).statistic, fitted.test_batch(i, j, S).statistic, rtol=1e-9, atol=1e-10
    )
    assert given_R.max_cond == fitted.max_cond == len(X) - 4
