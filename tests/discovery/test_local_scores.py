"""Scores of graphs against their definitions: likelihoods by regression, by groups, by sequential
prediction."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from causalrep.discovery import BDeu, DiscreteBIC, GaussianBIC
from causalrep.graphs import DAG
from causalrep.utils import DataError, GraphError, UnknownNameError


def table(seed=0, n=50, d=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d))) + rng.normal(size=d)


def states(seed=0, n=60):
    rng = np.random.default_rng(seed)
    a = rng.integers(3, size=n)
    b = (a + rng.integers(2, size=n)) % 3
    return pd.DataFrame(
        {"a": a, "b": b, "c": rng.integers(2, size=n), "d": (b > rng.integers(3, size=n)) * 1}
    )


@pytest.mark.parametrize("penalty", [1.0, 2.5])
@pytest.mark.parametrize("parents", [(), (1,), (0, 4), (0, 1, 3, 4)])
def test_gaussian_bic_is_the_likelihood_of_the_regression_less_the_price(parents, penalty):
    X = table()
    design = np.column_stack([np.ones(len(X)), X[:, parents]])
    residual = X[:, 2] - design @ np.linalg.lstsq(design, X[:, 2], rcond=None)[0]
    likelihood = norm.logpdf(residual, scale=residual.std()).sum()
    expected = likelihood - penalty / 2 * math.log(len(X)) * (len(parents) + 1)
    assert GaussianBIC(penalty).fit(X).local(2, parents) == pytest.approx(expected, rel=1e-12)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_gains_are_differences_of_terms(seed):
    rng = np.random.default_rng(seed)
    score = GaussianBIC(rng.uniform(0.5, 3)).fit(table(seed, d=6))
    node, *others = rng.permutation(6).tolist()
    parents = sorted(others[: rng.integers(5)])
    candidates = np.array([k for k in range(6) if k != node and k not in parents])
    expected = [score.local(node, sorted([*parents, k])) - score.local(node, parents) for k in candidates]
    np.testing.assert_allclose(score.gains(node, parents, candidates), expected, atol=1e-9)


def test_discrete_bic_is_the_likelihood_of_the_frequencies_less_the_price():
    data = states()
    likelihood = 0.0
    for _, group in data.groupby(["a", "d"]):
        shares = group["b"].value_counts()
        likelihood += (shares * np.log(shares / shares.sum())).sum()
    expected = likelihood - 1.5 / 2 * math.log(60) * (3 * 2) * (3 - 1)
    assert DiscreteBIC(1.5).fit(data).local(1, [0, 3]) == pytest.approx(expected, rel=1e-12)


def test_bdeu_is_what_sequential_prediction_pays():
    # By the chain rule the marginal likelihood is the product of the predictions of each row by those before.
    data, size = states(n=30), 4.0
    expected, seen = 0.0, []
    for row in data.to_dict("records"):
        alike = [old["b"] for old in seen if (old["a"], old["c"]) == (row["a"], row["c"])]
        share = (alike.count(row["b"]) + size / (6 * 3)) / (len(alike) + size / 6)
        expected += math.log(share)
        seen.append(row)
    assert BDeu(size).fit(data).local(1, [0, 2]) == pytest.approx(expected, rel=1e-12)


def test_many_parents_are_counted_by_what_occurs():
    rng = np.random.default_rng(1)
    wide = rng.integers(4, size=(40, 9))  # 4**8 strata, of which 40 occur
    for score in (DiscreteBIC(), BDeu()):
        fitted = score.fit(wide)
        assert math.isfinite(fitted.local(0, range(1, 9)))
    alone = 4.0**8 * 3 / 2 * math.log(40)  # every occurring stratum has one row, which costs nothing
    assert DiscreteBIC().fit(wide).local(0, range(1, 9)) == pytest.approx(-alone)


@pytest.mark.parametrize("score", [GaussianBIC(), DiscreteBIC(), BDeu(3.0)], ids=lambda s: type(s).__name__)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_equivalent_graphs_score_the_same(score, random_dag, seed):
    X = table(seed)
    ranks = X.argsort(axis=0).argsort(axis=0)
    fitted = score.fit(X if isinstance(score, GaussianBIC) else ranks // 17)
    dag = DAG([(int(u[1]), int(v[1])) for u, v in random_dag(seed, 5, 2.0).directed_edges], nodes=range(5))
    totals = [fitted.total(member) for member in dag.to_cpdag().dags()]
    np.testing.assert_allclose(totals, fitted.total(dag.to_cpdag()), rtol=1e-10)


def test_a_covariance_gives_the_score_of_its_data():
    X = pd.DataFrame(table(), columns=list("badce"))
    dag = DAG.from_string("b -> a; b -> d -> c; e")
    by_matrix = GaussianBIC.from_covariance(X.cov(ddof=0), len(X), X.columns)
    assert by_matrix.total(dag) == pytest.approx(GaussianBIC().fit(X).total(dag), rel=1e-12)


def test_scale_and_location_leave_differences_alone():
    X = pd.DataFrame(table(), columns=list("abcde"))
    far = X * [1e-150, 1.0, 1e9, 1e150, 3.0] + [0.0, 1e6, 0.0, 0.0, -5.0]
    one, other = DAG.from_string("a -> b; c; d; e"), DAG.from_string("a -> b; c -> d; c -> e; d -> e")
    near, apart = (GaussianBIC().fit(data) for data in (X, far))
    # The mean of b is 1e6 of its deviations, which leaves ten digits.
    assert apart.total(one) - apart.total(other) == pytest.approx(
        near.total(one) - near.total(other), abs=1e-6
    )


def test_a_copy_is_worth_much_but_not_everything():
    X = table()
    X[:, 4] = -2.0 * X[:, 0]
    with pytest.warns(UserWarning, match="linear function"):
        score = GaussianBIC().fit(X)
    price = math.log(50) / 2
    assert score.gains(4, [], np.array([0]))[0] == pytest.approx(25 * math.log(1e10) - price)
    # Given one, the other says nothing more, and both together say what one says.
    assert score.gains(2, [0], np.array([4]))[0] == pytest.approx(-price)
    assert score.local(2, [0, 4]) == pytest.approx(score.local(2, [0]) - price)
    assert score.gains(2, [0, 4], np.array([1]))[0] == pytest.approx(score.gains(2, [0], np.array([1]))[0])


def test_rows_must_leave_a_degree_of_freedom():
    score = GaussianBIC().fit(table(n=7))
    assert np.isfinite(score.gains(0, [1, 2], np.array([3, 4]))).all()
    assert (score.gains(0, [1, 2, 3], np.array([4])) == -np.inf).all()


def test_bad_input():
    with pytest.raises(DataError, match="`penalty` must be a positive number, got 0"):
        GaussianBIC(0)
    with pytest.raises(DataError, match="`sample_size`"):
        BDeu(-1.0)
    with pytest.raises(DataError, match="4 rows"):
        GaussianBIC().fit(table(n=3))
    for wrong, what in (
        ([[1.0, 2.0]], "square"),
        ([[1, 2], [2, 1]], "correlations"),
        ([[0, 0], [0, 1]], "diagonal"),
    ):
        with pytest.raises(DataError, match=what):
            GaussianBIC.from_covariance(wrong, 10)
    with pytest.raises(DataError, match="`n` must be"):
        GaussianBIC.from_covariance(np.eye(2), 3)
    with pytest.raises(DataError, match="2 different names"):
        GaussianBIC.from_covariance(np.eye(2), 10, ["a", "a"])


def test_totals_are_for_graphs_on_the_variables():
    score = GaussianBIC().fit(pd.DataFrame(table(), columns=list("abcde")))
    with pytest.raises(UnknownNameError, match="the graph"):
        score.total(DAG.from_string("a -> f"))
    with pytest.raises(DataError, match="2 nodes, but the data have 5"):
        score.total(DAG.from_string("a -> b"))
    with pytest.raises(DataError, match="not fitted"):
        GaussianBIC().total(DAG.from_string("a -> b"))
    from causalrep.graphs import PDAG

    with pytest.raises(GraphError, match="can come last"):
        score.total(PDAG.from_string("a -- b; b -- c; c -- d; a -- d; e"))
