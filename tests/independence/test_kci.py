"""KCI and HSIC: against dense matrices, causal-learn and permutations; calibration, invariances, guards."""

import math

import numpy as np
import pytest
import torch
from causallearn.utils.KCI.KCI import KCI_CInd, KCI_UInd
from scipy.special import gammaincc

from causalrep.discovery import PC
from causalrep.graphs import DAG
from causalrep.independence import HSIC, KCI, Flag, _kci
from causalrep.independence._gram import gaussian_factor, typical_distance
from causalrep.utils import DataError, UnknownNameError


def curved(n, k, seed=0, strength=0.0):
    """x and y that depend on the same function of k columns, and on each other by `strength`."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, k))
    w = Z.sum(axis=1) / math.sqrt(max(k, 1))
    x = np.tanh(w) + 0.5 * rng.normal(size=n)
    return np.column_stack([x, 0.5 * w**2 + strength * x**2 + 0.5 * rng.normal(size=n), Z])


def dense(X, x, y, given, epsilon=1e-3):
    """Return statistic, p-value without and with correction, from full matrices and widths by the rule."""
    n, k = len(X), len(given)
    U = (X - X.mean(0)) / X.std(0, ddof=1)
    H = np.eye(n) - 1 / n
    width = {True: 1.2, False: 0.7}[n < 200] * math.sqrt(k)

    def gram(columns):
        squares = ((columns[:, None, :] - columns[None, :, :]) ** 2).sum(-1)
        return H @ np.exp(-0.5 * squares / width**2) @ H

    R = epsilon * np.linalg.inv(gram(U[:, given]) + epsilon * np.eye(n))
    A = R @ gram(np.column_stack([U[:, x], 0.5 * U[:, given]])) @ R
    B = R @ gram(U[:, [y]]) @ R
    statistic, mean, variance = (A * B).sum(), np.trace(A * B), 2 * ((A * B) ** 2).sum()
    R2 = R @ R
    inflation = np.trace(R2 @ R2) / (np.diag(R2) ** 2).sum()
    return statistic, *(
        gammaincc(mean**2 / variance, statistic * c * mean / (c**2 * variance)) for c in (1.0, inflation)
    )


@pytest.mark.parametrize("k", [1, 2])
def test_factors_answer_as_full_matrices(k):
    X = curved(150, k, strength=0.3)
    given = list(range(2, 2 + k))
    statistic, plain, corrected = dense(X, 0, 1, given)
    for expected, option in ((plain, False), (corrected, True)):
        found = KCI(bandwidth="rule", symmetric="xy", corrected=option).fit(X).test(0, 1, given)
        # Factors leave out a millionth of the trace; of the residual kernels that is up to half a percent.
        assert found.statistic == pytest.approx(statistic, rel=1e-2)
        assert found.pvalue == pytest.approx(expected, abs=2e-3)


def test_equals_causallearn_under_its_conventions():
    for n, seed in ((150, 0), (300, 1), (300, 2)):
        X = curved(n, 1, seed)
        p, statistic = KCI_CInd().compute_pvalue(X[:, :1], X[:, 1:2], X[:, 2:])
        found = KCI(bandwidth="rule", symmetric="xy", corrected=False).fit(X).test(0, 1, [2])
        # It also drops the eigenvalues below 1e-5 of the largest.
        assert found.statistic == pytest.approx(statistic, rel=0.01)
        assert found.pvalue == pytest.approx(p, abs=0.01)
        p, statistic = KCI_UInd().compute_pvalue(X[:, :1], X[:, 1:2])
        for test in (KCI(bandwidth="rule"), HSIC(bandwidth="rule")):
            alone = test.fit(X).test(0, 1)
            assert alone.statistic == pytest.approx(statistic, rel=1e-4)
            assert alone.pvalue == pytest.approx(p, abs=1e-4)


@pytest.mark.parametrize(("k", "n_draws"), [(0, 200), (1, 120), (3, 60)])
def test_true_independences_are_rejected_at_the_level(k, n_draws):
    pvalues = np.empty(n_draws)
    for seed in range(n_draws):
        X = curved(120, max(k, 1), seed)
        if k == 0:  # nothing in common
            X[:, 1] = np.random.default_rng(seed + 10_000).permutation(X[:, 1])
        pvalues[seed] = KCI().fit(X[:, : 2 + k]).test(0, 1, list(range(2, 2 + k))).pvalue
    # Four standard errors of a share with mean 0.065, the most that the documentation allows at n = 200.
    assert (pvalues < 0.05).mean() < 0.065 + 4 * math.sqrt(0.065 * 0.935 / n_draws)
    assert (pvalues > 0.5).mean() > 0.5 - 4 * math.sqrt(0.25 / n_draws)


def test_without_the_correction_three_columns_break_the_level():
    """Why `corrected` is the default: at a level of 5 % the published moments reject 14 % at n = 200."""
    plain, corrected = (
        np.array(
            [
                KCI(corrected=option).fit(curved(150, 3, seed)).test(0, 1, [2, 3, 4]).pvalue
                for seed in range(40)
            ]
        )
        for option in (False, True)
    )
    assert (plain < corrected).all()
    assert plain.mean() < 0.4 < corrected.mean()


def test_power_against_dependence_without_correlation():
    found = [
        KCI().fit(curved(200, 1, seed, strength=0.8)).test(0, 1, [2]).pvalue < 0.05 for seed in range(20)
    ]
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize("symmetric", ["cauchy", "min2", "xy"])
def test_order_of_columns_and_of_questions_changes_no_bit(symmetric):
    X = curved(80, 2, 3)
    frame = dict(zip("xyab", X.T, strict=True))
    test = KCI(symmetric=symmetric).fit(frame)
    expected = test.test("x", "y", ["a", "b"])
    shuffled = KCI(symmetric=symmetric).fit({name: frame[name] for name in "bxay"})
    assert shuffled.test("y", "x", ["b", "a"]) == expected
    batch = test.test_batch([0, 0, 1, 2], [1, 2, 0, 3], [[2, 3], [1, 3], [3, 2], [0, 1]])
    assert batch.pvalue[0] == batch.pvalue[2] == expected.pvalue


def test_scale_and_shift_change_nothing():
    X = curved(100, 1, 4)
    moved = X * [1e6, 1e-3, 40.0] + [1e9, -5.0, 3.0]
    a, b = KCI().fit(X).test(0, 1, [2]), KCI().fit(moved).test(0, 1, [2])
    assert a.pvalue == pytest.approx(b.pvalue, abs=1e-6)


def test_torch_answers_as_numpy():
    X = curved(150, 2, 5)
    for test, given in ((KCI, [2, 3]), (KCI, []), (HSIC, [])):
        expected = test().fit(X).test(0, 1, given)
        fitted = test().fit(torch.as_tensor(X))
        assert fitted.test(0, 1, given).pvalue == pytest.approx(expected.pvalue, abs=1e-6)
        S = torch.tensor([given], dtype=torch.int64).reshape(1, len(given))
        assert isinstance(fitted.test_batch(torch.tensor([0]), torch.tensor([1]), S).pvalue, torch.Tensor)


def test_permutations_agree_with_the_gamma_approximation():
    X = curved(150, 1, 6)[:, [0, 2]] + np.random.default_rng(0).normal(size=(150, 2)) * 2
    p = HSIC().fit(X).test(0, 1).pvalue
    q = HSIC(n_permutations=999, random_state=0).fit(X).test(0, 1).pvalue
    # Five standard errors of a share of 999, and two points for the gamma approximation.
    assert abs(p - q) < 5 * math.sqrt(p * (1 - p) / 999) + 0.02
    assert HSIC(n_permutations=999, random_state=0).fit(X[:, ::-1]).test(1, 0).flag == Flag.OK


def test_a_rank_cut_keeps_the_answer_where_the_rank_is_small():
    X = curved(300, 1, 7)
    expected = KCI().fit(X).test(0, 1, [2]).pvalue
    assert KCI(max_rank=60).fit(X).test(0, 1, [2]).pvalue == pytest.approx(expected, abs=0.02)


def test_a_function_of_the_conditioning_column_is_flagged():
    X = curved(100, 1, 8)
    test = KCI().fit(np.column_stack([X, 2 * X[:, 2] + 1]))
    found = test.test(0, 3, [2])
    assert found.flag == Flag.SINGULAR
    assert math.isnan(found.pvalue)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"bandwidth": "mean"}, UnknownNameError, "`bandwidth`"),
        ({"bandwidth": 0.0}, DataError, "`bandwidth`"),
        ({"epsilon": 0.0}, DataError, "`epsilon`"),
        ({"symmetric": "yes"}, UnknownNameError, "`symmetric`"),
        ({"max_rank": 0}, DataError, "`max_rank`"),
    ],
)
def test_bad_parameters(arguments, error, match):
    with pytest.raises(error, match=match):
        KCI(**arguments)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.array([[1.0, math.nan]] * 9), "NaN"),
        (np.column_stack([np.ones(9), np.arange(9.0)]), "constant"),
        (np.ones((5, 2)), "needs at least 6 rows"),
        (np.empty((9, 0)), r"0 feature\(s\)"),
    ],
)
def test_bad_data(X, match):
    with pytest.raises(DataError, match=match):
        HSIC().fit(X)


def test_hsic_refuses_conditioning_columns():
    test = HSIC().fit(curved(50, 1))
    assert test.max_cond == 0
    with pytest.raises(DataError, match="KCI takes them"):
        test.test(0, 1, [2])


def test_pc_finds_a_curved_collider():
    rng = np.random.default_rng(10)
    a, b = rng.uniform(-2, 2, size=(2, 250))
    c = np.cos(1.5 * a) + b**2 * 0.5 + 0.2 * rng.normal(size=250)
    found = PC(test="kci").fit({"a": a, "b": b, "c": c})
    assert found.graph_ == DAG.from_string("a -> c <- b").to_cpdag()


@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize("symmetric", ["cauchy", "xy"])
def test_factors_answer_as_whole_gram_matrices(k, symmetric):
    given = list(range(2, 2 + k))
    for seed in range(4):
        X = curved(150, max(k, 1), seed)
        factor, dense = (
            KCI(gram=gram, symmetric=symmetric).fit(X).test(0, 1, given) for gram in ("factor", "dense")
        )
        # Of each trace a share of 1e-6, 1e-9 and 1e-7 is cut; a ridge of 1e-3 makes a thousand times as much.
        atol = {0: 1e-5, 1: 1e-5, 3: 1e-3}[k]
        assert factor.pvalue == pytest.approx(dense.pvalue, abs=atol)
        assert factor.statistic == pytest.approx(dense.statistic, rel=2e-3)
        assert factor.dof == pytest.approx(dense.dof, rel=2e-3)


def test_columns_are_met_in_groups_that_memory_has_room_for(monkeypatch):
    X = curved(60, 4, 0)
    pairs = np.array([(a, b) for a in range(5) for b in range(a)])
    i, j, S = pairs[:, 0], pairs[:, 1], np.full((len(pairs), 1), 5)
    for given in (None, S):
        whole = KCI(gram="dense").fit(X).test_batch(i, j, given)
        with monkeypatch.context() as few:
            few.setattr(_kci, "_FACTOR_BYTES", 3 * 64 * 60**2)
            parts = KCI(gram="dense").fit(X).test_batch(i, j, given)
        np.testing.assert_allclose(parts.pvalue, whole.pvalue, rtol=1e-9)


def test_hsic_answers_by_whole_gram_matrices_too():
    X = curved(120, 1, 3)
    factor, dense = (HSIC(gram=gram).fit(X).test(0, 1) for gram in ("factor", "dense"))
    assert factor.pvalue == pytest.approx(dense.pvalue, abs=1e-5)
    assert factor.pvalue != dense.pvalue


def test_whole_gram_matrices_flag_what_s_determines():
    X = curved(100, 1, 0)
    X[:, 0] = 2.0 * X[:, 2] + 1.0
    for gram in ("factor", "dense"):
        assert KCI(gram=gram).fit(X).test(0, 1, [2]).flag == Flag.SINGULAR


def test_whole_gram_matrices_are_refused_for_many_rows_and_cut_ranks(monkeypatch):
    with pytest.raises(UnknownNameError, match="`gram`"):
        KCI(gram="sparse")
    with pytest.raises(DataError, match="`max_rank` is of factors"):
        KCI(gram="dense", max_rank=10)
    monkeypatch.setattr(_kci, "_FACTOR_BYTES", 8 * 100 * 100 - 1)
    with pytest.raises(DataError, match="a Gram matrix of 100 rows takes"):
        KCI(gram="dense").fit(curved(100, 1, 0))


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "uniform", "exponential", "integers"])
@pytest.mark.parametrize("share", [1e-6, 1e-9])
def test_factors_of_one_column_hold_its_kernel(draw, share):
    rng = np.random.default_rng(0)
    u = rng.integers(3, size=400) * 1.0 if draw == "integers" else getattr(rng, draw)(size=400)
    u = (u - u.mean()) / u.std()
    u /= typical_distance(u)
    G, complete = gaussian_factor(u[:, None], 400, share)
    K = np.exp(-0.5 * (u[:, None] - u) ** 2)
    assert complete
    # What is left is positive semi-definite: no entry exceeds the root of the product of two on its diagonal.
    assert np.trace(K - G @ G.T) <= share * 400
    assert np.abs(K - G @ G.T).max() <= 400 * share
    few, complete = gaussian_factor(u[:, None], 2, share)
    assert (few.shape[1], complete) == (2, False)


def test_the_typical_distance_is_the_median_of_all():
    x = np.random.default_rng(0).normal(size=100)
    expected = np.sort(np.abs(x[:, None] - x)[np.triu_indices(100, 1)])[100 * 99 // 4]
    assert typical_distance(x) == expected
    assert typical_distance(np.repeat([0.0, 3.0], [90, 10])) == 3.0
