"""The polynomial test against its definition, classical special cases, and the laws it must obey."""

import itertools
import math
import warnings

import array_api_strict
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import hermite_e, legendre

from causalrep.datasets import pendulum
from causalrep.datasets._morphomnist import MorphoWorld
from causalrep.discovery import PC
from causalrep.independence import CITestWarning, FisherZ, Flag, PolynomialGCM, _chi_square, _polynomial
from causalrep.independence._arrays import to_numpy
from causalrep.utils import DataError


def curved_data(seed, n=300, d=6):
    """Return rows whose columns depend on each other through curves and products."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    for k in range(2, d):
        X[:, k] += np.sin(2 * X[:, k - 1]) + 0.5 * X[:, k - 1] * X[:, k - 2]
    return X


def questions(seed, d, k, m=12):
    rng = np.random.default_rng(seed)
    rows = np.array([rng.permutation(d)[: k + 2] for _ in range(m)])
    return rows[:, 0], rows[:, 1], rows[:, 2:]


def scores(column):
    return scipy.stats.norm.ppf((scipy.stats.rankdata(column) - 0.5) / len(column))


def definition(x, y, S, degree, given_degree):
    """Return the statistic from least squares on NumPy's polynomials."""
    n = len(x)
    powers = range(given_degree + 1)
    design = [np.ones(n)]
    for exponents in itertools.product(powers, repeat=len(S)):
        if 0 < sum(exponents) <= given_degree:
            factors = [
                hermite_e.hermeval(scores(s), np.eye(given_degree + 1)[e] / math.sqrt(math.factorial(e)))
                for s, e in zip(S, exponents, strict=True)
            ]
            design.append(np.prod(factors, axis=0))
    for s in S:
        rank = (scipy.stats.rankdata(s) - 0.5) / n
        design += [legendre.legval(2 * rank - 1, np.eye(given_degree + 1)[e]) for e in powers[1:]]
    design = np.column_stack(design)
    blocks = []
    for column in (x, y):
        block = np.column_stack([scores(column) ** e for e in range(1, degree + 1)])
        blocks.append(block - design @ np.linalg.lstsq(design, block)[0])
    leverage = np.diag(design @ np.linalg.pinv(design))
    R = np.einsum("na,nb->nab", *blocks).reshape(n, -1)
    V = (R / (1 - leverage)[:, None]).T @ R
    return R.sum(axis=0) @ np.linalg.solve(V, R.sum(axis=0))


# --- the numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "degree", "given_degree", "used"), [(1, 2, 7, 7), (1, 3, 4, 4), (2, 2, 7, 4), (2, 1, 2, 2)]
)
def test_statistic_equals_its_definition(k, degree, given_degree, used):
    # 300 rows allow 30 terms, which is what two variables have to degree 4: C(6, 4) + 2 * 4 = 23, 5: 31.
    X = curved_data(k)
    i, j, S = questions(k, 6, k, m=4)
    batch = PolynomialGCM(degree, given_degree=given_degree).fit(X).test_batch(i, j, S)
    expected = [
        definition(X[:, a], X[:, b], X[:, s].T, degree, used) for a, b, s in zip(i, j, S, strict=True)
    ]
    # Normal equations with condition numbers below 1e8 leave about 1e-8.
    np.testing.assert_allclose(batch.statistic, expected, rtol=1e-6)
    np.testing.assert_allclose(batch.pvalue, scipy.stats.chi2.sf(expected, degree**2), rtol=1e-4)
    assert (batch.dof == degree**2).all()
    assert (batch.flag == Flag.OK).all()


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_without_a_set_it_is_pillais_trace(degree):
    X = curved_data(0)
    blocks = [np.column_stack([scores(X[:, v]) ** e for e in range(1, degree + 1)]) for v in (2, 3)]
    bases = [np.linalg.qr(block - block.mean(axis=0))[0] for block in blocks]
    canonical = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    result = PolynomialGCM(degree).fit(X).test(2, 3)
    assert result.statistic == pytest.approx((300 - 1) * (canonical**2).sum(), rel=1e-10)


def test_without_a_set_the_mean_over_all_permutations_is_the_degrees_of_freedom(monkeypatch):
    monkeypatch.setattr(_polynomial, "_ROWS_PER_TERM", 1)
    y = np.array([0.3, 2.0, -1.0, 0.9, 5.0, 0.1])
    shuffled = np.array(list(itertools.permutations(y)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CITestWarning)  # some permutations are monotone functions of others
        test = PolynomialGCM().fit(np.vstack([np.arange(6.0), shuffled]).T)
    everyone = np.arange(1, len(shuffled) + 1)
    assert test.test_batch(0 * everyone, everyone).statistic.mean() == pytest.approx(4.0, rel=1e-10)


def contingency(x, y):
    chi2 = scipy.stats.contingency.crosstab(x, y).count
    return scipy.stats.chi2_contingency(chi2, correction=False).statistic


@pytest.mark.parametrize("values", [2, 3])
def test_categories_give_pearsons_chi_square(values):
    # Polynomials up to degree v - 1 span all functions on v values, and Pillai's trace is chi-square / n.
    rng = np.random.default_rng(0)
    x = rng.integers(values, size=200)
    y = (x + rng.integers(values, size=200) * rng.integers(2, size=200)) % values
    result = PolynomialGCM().fit(np.column_stack([x, y])).test(0, 1)
    assert result.statistic == pytest.approx(contingency(x, y) * 199 / 200, rel=1e-10)
    assert result.dof == (values - 1) ** 2


def test_independence_within_every_category_of_the_set_is_recognised():
    # Given z, the pairs (x, y) fill their squares evenly: the covariance within is zero, not only on average.
    square = np.array(list(itertools.product((0, 1), repeat=2)))
    even = np.repeat(square, 25, axis=0)
    table = np.vstack([np.column_stack([even + z, np.full(100, z)]) for z in (0, 1)])
    test = PolynomialGCM(1).fit(table)
    assert test.test(0, 1).pvalue < 1e-4
    assert test.test(0, 1, [2]).pvalue == pytest.approx(1.0, abs=1e-6)


def test_log_pvalue_goes_on_where_the_pvalue_underflows():
    x = np.random.default_rng(0).normal(size=2000)
    result = PolynomialGCM().fit(np.column_stack([x, x + 1e-3 * np.abs(x[::-1])])).test(0, 1)
    assert result.pvalue == 0.0
    # With 4 degrees of freedom P(T > t) = exp(-t / 2) (1 + t / 2).
    assert result.log_pvalue == pytest.approx(
        -result.statistic / 2 + math.log1p(result.statistic / 2), rel=1e-12
    )


@pytest.mark.parametrize("dof", [1.0, 3.0, 4.0, 9.0])
def test_log_pvalue_has_no_step_where_it_changes_its_formula(dof):
    x = np.linspace(1250, 1450, 400)
    log_tail = _chi_square.log_tail(x, np.full(400, dof))
    with np.errstate(divide="ignore"):
        plain = np.log(scipy.stats.chi2.sf(x, dof))
    np.testing.assert_allclose(log_tail[plain > -700], plain[plain > -700], rtol=1e-12)
    assert np.abs(np.diff(log_tail, n=2)).max() < 1e-5  # the curvature is about dof / x^2


# --- what it claims -----------------------------------------------------------------------------


def confounded(rng, kind, n):
    z, w = rng.normal(size=(2, n))
    e, f = rng.normal(size=(2, n))
    if kind == "no set":
        return np.column_stack([np.exp(e), f**3])
    if kind == "linear":
        return np.column_stack([4 * z + e, 4 * z + f, z])
    if kind == "curved":
        z = rng.uniform(-2, 2, size=n)
        return np.column_stack([np.sin(2 * z) + 0.4 * e, z**2 + 0.5 * f, z])
    if kind == "spread":
        return np.column_stack([np.exp(0.5 * z) * e, np.exp(0.5 * z) * f, z])
    return np.column_stack([np.tanh(z * w) + 0.5 * e, z**2 - w + f, z, w])


def null_pvalues(kind, n=500, m=200):
    rng = np.random.default_rng(list(kind.encode()))
    tables = [confounded(rng, kind, n) for _ in range(m)]
    return np.array([PolynomialGCM().fit(t).test(0, 1, range(2, t.shape[1])).pvalue for t in tables])


@pytest.mark.parametrize("kind", ["no set", "linear", "curved", "spread", "two confounders"])
def test_pvalues_are_uniform_under_independence(kind):
    pvalues = null_pvalues(kind)
    # 200 independent p-values: P(distance > e) <= 2 exp(-400 e^2), which is 1e-4 at e = .157, and if a
    # p-value is below .05 once in twenty times, P(more than 24 of them) = 1e-4 (binomial).
    assert scipy.stats.kstest(pvalues, "uniform").statistic < 0.157
    assert (pvalues < 0.05).sum() <= 24


def wilks_pvalue(table):
    """Return Bartlett's p-value for Wilks' lambda of the same polynomials, given those of column 2."""
    n, u = len(table), scores(table[:, 2])
    design = np.linalg.qr(np.column_stack([u**e for e in range(8)]))[0]
    blocks = [np.column_stack([scores(column), scores(column) ** 2]) for column in table[:, :2].T]
    bases = [np.linalg.qr(block - design @ (design.T @ block))[0] for block in blocks]
    canonical = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    return scipy.stats.chi2.sf(-(n - 8 - 2.5) * np.log1p(-(canonical**2)).sum(), 4)


def test_wilks_lambda_would_reject_far_too_often():
    rng = np.random.default_rng(0)
    pvalues = np.array([wilks_pvalue(confounded(rng, "linear", 500)) for _ in range(200)])
    assert (pvalues < 0.05).sum() > 24  # the bound above; measured beforehand: 24 % of 1500


def test_an_arch_is_seen():
    x, e = np.random.default_rng(0).normal(size=(2, 1000))
    table = np.column_stack([x, x**2 + e])
    # |z| of Fisher's test has a standard deviation of sqrt(E[x^2 y^2] / (E[x^2] Var[y])) = sqrt(16 / 3).
    assert abs(FisherZ().fit(table).test(0, 1).statistic) < 7.0
    assert PolynomialGCM().fit(table).test(0, 1).log_pvalue < -100


def test_an_interaction_is_seen():
    x, z, e = np.random.default_rng(0).normal(size=(3, 2000))
    table = np.column_stack([x, x * z + e, z])
    # As above: E[x^2 y^2] = E[x^4] E[z^2] + E[x^2 e^2] = 4, Var[y] = 2.
    assert abs(FisherZ().fit(table).test(0, 1, [2]).statistic) < 4.5
    assert PolynomialGCM().fit(table).test(0, 1, [2]).log_pvalue < -20


def test_degree_one_does_not_see_an_arch():
    x, e = np.random.default_rng(0).normal(size=(2, 1000))
    table = np.column_stack([x, x**2 + e])
    assert PolynomialGCM(1).fit(table).test(0, 1).log_pvalue > -12


@pytest.mark.parametrize("seed", range(3))
def test_pc_finds_the_graph_of_the_pendulum(seed):
    world = pendulum(size=8)
    labels = list(world.graph_of_labels.nodes)
    table = world.sample(4000, random_state=seed, nodes=labels)[labels]
    found = PC(test="polynomial").fit(table)
    assert found.graph_ == world.graph_of_labels.to_cpdag()
    assert not found.graph_.undirected_edges
    assert found.conflicts_ == ()
    assert PC(test="fisherz").fit(table).graph_ != found.graph_


def test_pc_finds_the_adjacency_of_morphomnist():
    found = PC(test="polynomial").fit(MorphoWorld().sample(1000, random_state=0))
    assert set(found.graph_.undirected_edges) == {("thickness", "intensity")}


# --- the laws -----------------------------------------------------------------------------------


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), k=st.integers(0, 3), names=st.sampled_from(["abcdef", "fbdace"]))
def test_exchanging_i_and_j_or_reordering_S_changes_no_bit(seed, k, names):
    test = PolynomialGCM().fit(pd.DataFrame(curved_data(seed), columns=list(names)))
    i, j, S = questions(seed, 6, k, m=4)
    shuffled = np.random.default_rng(seed).permuted(S, axis=1)
    one, other = test.test_batch(i, j, S), test.test_batch(j, i, shuffled)
    assert np.array_equal(one.statistic, other.statistic)
    assert np.array_equal(one.pvalue, other.pvalue)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), k=st.integers(0, 3))
def test_column_order_of_a_frame_changes_no_bit(seed, k):
    frame = pd.DataFrame(curved_data(seed), columns=list("fbdace"))
    mixed = frame[list(np.random.default_rng(seed).permutation(frame.columns))]
    x, y, *rest = np.random.default_rng(seed + 1).permutation(frame.columns)
    assert PolynomialGCM().fit(frame).test(x, y, rest[:k]) == PolynomialGCM().fit(mixed).test(x, y, rest[:k])


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), k=st.integers(0, 2))
def test_rising_transformations_change_no_bit_and_falling_ones_nothing_else(seed, k):
    X = curved_data(seed)
    bent = np.column_stack(
        [np.exp(X[:, 0]), X[:, 1] ** 3, 1e6 * X[:, 2] - 7, np.arctan(X[:, 3]), X[:, 4], np.sinh(X[:, 5])]
    )
    i, j, S = questions(seed, 6, k, m=4)
    plain = PolynomialGCM().fit(X).test_batch(i, j, S)
    assert np.array_equal(PolynomialGCM().fit(bent).test_batch(i, j, S).statistic, plain.statistic)
    falling = PolynomialGCM().fit(bent * np.array([1, -1, 1, -1, -1, 1])).test_batch(i, j, S)
    np.testing.assert_allclose(falling.statistic, plain.statistic, rtol=1e-6)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_what_else_is_asked_changes_no_bit(k):
    test = PolynomialGCM().fit(curved_data(k))
    i, j, S = questions(k, 6, k, m=30)
    whole = test.test_batch(i, j, S)
    for row in range(30):
        alone = test.test_batch(i[[row]], j[[row]], S[[row]])
        assert alone.statistic[0] == whole.statistic[row]
        assert alone.pvalue[0] == whole.pvalue[row]


@pytest.mark.parametrize("k", [0, 1, 2])
def test_strength_is_the_negative_logarithm_of_the_pvalue(k):
    test = PolynomialGCM().fit(curved_data(k, n=2000))
    i, j = np.array([[2], [4]]), np.array([[3], [5]])
    S = [np.array([[0, 0, 1], [0, 1, 2]]), np.array([[1, 4, 5], [3, 2, 3]])][:k]
    strength = test.strength(i, j, S)
    assert strength.shape == ((2, 3) if k else (2, 1))
    for a, b in np.ndindex(strength.shape):
        asked = np.array([[s[a, b] for s in S]], dtype=int).reshape(1, k)
        assert strength[a, b] == -test.test_batch(i[a], j[a], asked).log_pvalue[0]


def test_refitting_forgets():
    test = PolynomialGCM().fit(curved_data(0))
    assert test.fit(curved_data(1, d=3)).names_ == (0, 1, 2)
    assert test.test(0, 1, [2]) == PolynomialGCM().fit(curved_data(1, d=3)).test(0, 1, [2])


@pytest.mark.parametrize("as_array", [array_api_strict.asarray, torch.asarray])
def test_answers_come_in_the_library_of_the_data(as_array):
    X = curved_data(0)
    i, j, S = questions(0, 6, 1)
    reference, answer = (PolynomialGCM().fit(data).test_batch(i, j, S) for data in (X, as_array(X)))
    for field in ("statistic", "pvalue", "dof", "flag", "log_pvalue"):
        values = getattr(answer, field)
        assert type(values) is type(as_array(X))
        # The smallest eigenvalue of the expansion that is kept has a share of 1e-10: its direction is good to
        # about 1e-6, and holds little of what is regressed.
        np.testing.assert_allclose(to_numpy(values), getattr(reference, field), rtol=1e-5)
    named = pd.DataFrame(X, columns=list("fbdace"))
    assert PC(test="polynomial").fit(as_array(X)).graph_ == PC(test="polynomial").fit(X).graph_
    assert PolynomialGCM().fit(named).names_ == tuple("fbdace")


# --- flagged and refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "largest"), [(9, 0), (49, 0), (50, 1), (99, 1), (100, 2), (160, 3), (6000, 28), (10**4, 28)]
)
def test_sets_are_as_large_as_the_rows_allow(n, largest):
    # C(k + 2, 2) + 2 k terms at degree 2 are 5, 10, 16 for one to three variables, 491 for 28, 523 for 29.
    test = PolynomialGCM().fit(np.random.default_rng(0).normal(size=(n, 5)))
    assert test.max_cond == largest
    k = min(largest, 3)
    assert test.test(3, 4, range(k)).flag is (Flag.TOO_FEW_ROWS if n < 10 else Flag.OK)
    if k < 3:
        refused = test.test(3, 4, range(k + 1))
        assert refused.flag is Flag.TOO_FEW_ROWS
        assert np.isnan(refused.pvalue)
        assert refused.dof == 4
        columns = [np.array([v]) for v in range(k + 1)]
        assert np.isinf(test.strength(np.array([3]), np.array([4]), columns)).all()


def test_copies_up_to_a_curve_are_named_and_tests_that_need_them_flagged():
    data = pd.DataFrame(curved_data(0), columns=list("abcdef")).assign(g=lambda t: -np.exp(t["b"]))
    with pytest.warns(CITestWarning, match=r"'g' is a function of \['b'\]") as caught:
        test = PolynomialGCM().fit(data)
    assert (caught[0].message.kind, caught[0].message.names) == ("collinear", ("b", "g"))
    assert test.test("a", "b", ["g"]).flag is Flag.SINGULAR
    assert np.isnan(test.test("a", "b", ["g"]).statistic)
    assert test.test("a", "c", ["b", "g"]).flag is Flag.OK  # what is known twice is known
    copies = test.test("b", "g", ["c"])
    assert (copies.flag, copies.dof) == (Flag.OK, 3)  # of four products two are equal
    assert copies.log_pvalue < -30
    assert np.isfinite(copies.log_pvalue)


def test_products_that_never_vary_say_nothing():
    # x varies only where z = 0, and y only where z = 1.
    z = np.repeat([0, 1], 100)
    flips = np.tile([0, 1], 100)
    test = PolynomialGCM().fit(np.column_stack([flips * (z == 0), flips * (z == 1), z]))
    result = test.test(0, 1, [2])
    assert (result.statistic, result.dof, result.pvalue, result.flag) == (0.0, 0, 1.0, Flag.OK)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([np.nan] * 2 + [1.0] * 48, r"column 'c' is not finite: 2 entries hold missing values \(NaN\)"),
        ([np.inf] + [1.0] * 49, "column 'c' is not finite: 1 entries hold infinity"),
        ([3.0] * 50, "column 'c' is constant"),
        (["x", "y"] * 25, r"column 'c' .* discrete"),
        ([1j] * 50, "Complex data not supported: column 'c'"),
    ],
)
def test_columns_that_are_no_numbers_are_refused_by_name(column, message):
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=list("ab")).assign(c=column)
    with pytest.raises(DataError, match=message):
        PolynomialGCM().fit(data)


def test_data_are_never_changed_and_may_be_read_only():
    X = np.asfortranarray(curved_data(0))[::2, ::-1]
    before = X.copy()
    X.flags.writeable = False
    PolynomialGCM().fit(X).test(0, 1, [2])
    assert np.array_equal(X, before)


@pytest.mark.parametrize("shape", [(3, 2), (10, 0)])
def test_too_small_tables_are_refused(shape):
    with pytest.raises(DataError, match=r"at least 4 rows, got n_samples = 3|0 feature"):
        PolynomialGCM().fit(np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("degree", [0, -1, 1.5, "2", True])
def test_degrees_must_be_positive_integers(degree):
    with pytest.raises(DataError, match="`degree` must be an integer of at least 1, got"):
        PolynomialGCM(degree)


def test_the_set_needs_at_least_the_degree_of_the_pair():
    with pytest.raises(DataError, match="`given_degree` must be an integer of at least 3, got 2"):
        PolynomialGCM(3, given_degree=2)


def test_asking_before_fitting_is_refused():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError, match="PolynomialGCM is not fitted yet; call `fit`"):
        PolynomialGCM().test(0, 1)
    with pytest.raises(NotFittedError):
        _ = PolynomialGCM().max_cond
