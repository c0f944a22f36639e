"""NOTEARS and DAGMA against derivatives, enumeration of cycles and orders, and what is promised of them."""

import itertools

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

from causalrep.discovery import DAGMA, NOTEARS, Bootstrap, Knowledge, SortabilityWarning
from causalrep.discovery._acyclic_optimum import (
    acyclicity,
    ordered_optimum,
    smallest_acyclic_threshold,
    squared_loss,
)
from causalrep.discovery._dagma import log_barrier
from causalrep.discovery._owl_qn import minimise_with_prices
from causalrep.graphs import DAG
from causalrep.utils import DataError, UnknownNameError

every_search = pytest.mark.parametrize("search", [NOTEARS, DAGMA])


def model(seed, d=5, n=1000, degree=2.0, unit_noise=True):
    """Return rows of a random linear model in random order of columns, and its weights."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((d, d)) < degree / (d - 1), 1) * rng.uniform(0.8, 1.6, (d, d))
    weights *= rng.choice([-1, 1], (d, d))
    X = np.zeros((n, d))
    for k in range(d):
        X[:, k] = X @ weights[:, k] + rng.normal(size=n) * (1.0 if unit_noise else rng.uniform(0.5, 2.0))
    mixed = rng.permutation(d)
    return X[:, mixed], weights[np.ix_(mixed, mixed)]


def covariance(X):
    return np.cov(X.T, bias=True)


def test_loss_of_covariances_is_that_of_rows():
    X, _ = model(0)
    W = np.random.default_rng(0).normal(size=(5, 5))
    residual = (X - X.mean(axis=0)) - (X - X.mean(axis=0)) @ W
    assert squared_loss(covariance(X), W)[0] == pytest.approx(0.5 * np.square(residual).sum() / 1000)


@pytest.mark.parametrize("function", [lambda W: squared_loss(covariance(model(1, 4)[0]), W), acyclicity])
def test_gradients_are_those_of_differences(function):
    W = np.random.default_rng(1).normal(size=(4, 4))
    numeric = approx_fprime(W.ravel(), lambda w: function(w.reshape(4, 4))[0], 1e-7)
    np.testing.assert_allclose(function(W)[1].ravel(), numeric, rtol=1e-4, atol=1e-5)


def test_the_barrier_is_zero_without_cycles_and_infinite_beyond_its_border():
    triangle = np.triu(np.ones((3, 3)), 1)
    assert log_barrier(triangle, 0.7)[0] == pytest.approx(0.0, abs=1e-12)
    cycle = np.roll(np.eye(3), 1, axis=1) * 0.7  # its squares have spectral radius 0.49
    # det(s I - A) = s^3 - 0.49^3 for a cycle of three.
    assert log_barrier(cycle, 0.8)[0] == pytest.approx(3 * np.log(0.8) - np.log(0.8**3 - 0.49**3))
    assert log_barrier(cycle, 0.48)[0] == np.inf
    # With an even number of eigenvalues beyond s the determinant is positive, and only the inverse tells.
    two = np.kron(np.eye(2), [[0.0, 0.7], [0.7, 0.0]])
    assert np.linalg.det(0.48 * np.eye(4) - two * two) > 0.0
    assert log_barrier(two, 0.48)[0] == np.inf


def test_the_gradient_of_the_barrier():
    W = np.random.default_rng(2).normal(size=(4, 4)) * 0.3
    numeric = approx_fprime(W.ravel(), lambda w: log_barrier(w.reshape(4, 4), 1.0)[0], 1e-7)
    np.testing.assert_allclose(log_barrier(W, 1.0)[1].ravel(), numeric, rtol=1e-4, atol=1e-6)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10)
def test_minimisation_with_prices_is_the_lasso(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(50, 6)) @ (np.eye(6) + 0.5 * rng.normal(size=(6, 6)))
    y = X @ rng.normal(size=6) + rng.normal(size=50)

    def smooth(w):
        residual = y - X @ w
        return 0.5 * residual @ residual / 50, -X.T @ residual / 50

    found, _ = minimise_with_prices(smooth, np.zeros(6), np.full(6, 0.3), max_iter=1000, tol=1e-9)
    lasso = Lasso(alpha=0.3, fit_intercept=False, tol=1e-12, max_iter=10**5).fit(X, y)
    np.testing.assert_allclose(found, lasso.coef_, atol=2e-3)  # it ends where a step gains a part in 10^9
    assert smooth(found)[0] + 0.3 * np.abs(found).sum() <= (
        smooth(lasso.coef_)[0] + 0.3 * np.abs(lasso.coef_).sum()
    ) * (1 + 1e-7)


def test_acyclicity_is_zero_without_cycles_only():
    for bits in itertools.product((0, 1), repeat=9):
        edges = np.array(bits).reshape(3, 3)
        W = edges * np.random.default_rng(0).uniform(0.5, 1.0, (3, 3))
        acyclic = nx.is_directed_acyclic_graph(nx.from_numpy_array(edges, create_using=nx.DiGraph))
        assert (abs(acyclicity(W)[0]) < 1e-12) == acyclic


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30)
def test_threshold_is_the_smallest_that_leaves_no_cycle(seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(5, 5)) * (rng.random((5, 5)) < 0.6)
    kept = np.triu(rng.random((5, 5)) < 0.2, 1)
    start = rng.uniform(0, 1)

    def acyclic(threshold):
        edges = (np.abs(W) > threshold) | kept
        return nx.is_directed_acyclic_graph(nx.from_numpy_array(edges, create_using=nx.DiGraph))

    choices = [start, *np.sort(np.abs(W)[np.abs(W) > start])]
    assert smallest_acyclic_threshold(W, start, kept) == next(t for t in choices if acyclic(t))


def best_of_all_orders(S, rows, penalty):
    """Return the smallest objective by lasso regressions along every order."""
    d, best = len(S), np.inf
    for order in itertools.permutations(range(d)):
        W = np.zeros((d, d))
        for place, node in enumerate(order[1:], 1):
            before = list(order[:place])
            lasso = Lasso(alpha=penalty, tol=1e-10, max_iter=10**5).fit(rows[:, before], rows[:, node])
            W[before, node] = lasso.coef_
        best = min(best, squared_loss(S, W)[0] + penalty * np.abs(W).sum())
    return best


@every_search
def test_the_objective_is_mostly_the_best_of_all_orders(search):
    near = 0
    for seed in range(8):
        X, _ = model(seed, d=4, n=300)
        found = search(standardize="never").fit(X)
        best = best_of_all_orders(covariance(X), X, 0.1)
        assert found.objective_ >= best * (1 - 1e-6)  # no acyclic weights are below
        near += found.objective_ <= best * (1 + 1e-6)
    assert near >= 5  # the others are local optima


def test_in_an_order_the_weights_are_those_of_the_lasso():
    X, _ = model(6, n=100)
    order = np.random.default_rng(0).permutation(5).tolist()
    forwards = np.zeros((5, 5), dtype=bool)
    for place, node in enumerate(order):
        forwards[order[:place], node] = True
    W, objective = ordered_optimum(covariance(X), np.full((5, 5), 0.2), forwards)
    for place, node in enumerate(order[1:], 1):
        before = order[:place]
        lasso = Lasso(alpha=0.2, tol=1e-12, max_iter=10**5).fit(X[:, before], X[:, node])
        np.testing.assert_allclose(W[before, node], lasso.coef_, atol=1e-6)
    assert (W[~forwards] == 0).all()
    assert objective == pytest.approx(squared_loss(covariance(X), W)[0] + 0.2 * np.abs(W).sum())


@every_search
@pytest.mark.parametrize("seed", range(5))
def test_with_noise_of_one_variance_the_graph_is_found(search, seed):
    X, weights = model(seed, d=6, degree=1.5)
    found = search(standardize="never").fit(X)
    assert found.graph_ == DAG.from_adjacency((weights != 0).astype(int), list(range(6)))
    assert (np.sign(found.weights_) == np.sign(weights)).all()
    assert found.cycle_threshold_ < 0.05
    assert found.varsortability_ > 0.9


@every_search
def test_units_decide_and_that_is_said(search):
    x = np.random.default_rng(0).normal(size=1000)
    table = pd.DataFrame({"x": x, "y": 2 * x + np.random.default_rng(1).normal(size=1000)})
    with pytest.warns(SortabilityWarning, match="follows the variances") as caught:
        forwards = search().fit(table)
    assert caught[0].message.varsortability == 1.0
    assert caught[0].filename == __file__
    with pytest.warns(SortabilityWarning):
        backwards = search().fit(table * [10, 1])
    assert forwards.graph_ == DAG([("x", "y")], nodes=["x", "y"])
    assert backwards.graph_ == DAG([("y", "x")], nodes=["x", "y"])


@every_search
@given(seed=st.integers(0, 10**6), order=st.permutations(range(4)))
@settings(max_examples=4)
def test_order_of_columns_and_standardised_units_change_nothing(search, seed, order):
    X, _ = model(seed, d=4, n=200, unit_noise=False)
    data = pd.DataFrame(X, columns=list("abcd"))
    one = search(standardize="always", penalty=0.05).fit(data)
    weights, graph = pd.DataFrame(one.weights_, list("abcd"), list("abcd")), one.graph_
    other = search(standardize="always", penalty=0.05).fit(data.iloc[:, list(order)])
    assert other.graph_ == graph
    names = list(other.graph_.nodes)
    np.testing.assert_array_equal(other.weights_, weights.loc[names, names])
    far = search(standardize="always", penalty=0.05).fit(data * [8, 1, 0.5, 64] + 3)
    np.testing.assert_allclose(far.weights_, one.weights_, atol=1e-5)


@every_search
def test_covariances_are_enough(search):
    X, _ = model(2)
    data = pd.DataFrame(X, columns=list("badce"))
    rows = search(standardize="never").fit(data)
    matrix = search(standardize="never").fit_covariance(covariance(X), data.columns)
    assert rows.graph_ == matrix.graph_
    np.testing.assert_allclose(matrix.weights_, rows.weights_, atol=1e-5)


@every_search
def test_knowledge(search):
    X, weights = model(3)
    data = pd.DataFrame(X, columns=list("abcde"))
    i, j = np.argwhere(weights)[0].tolist()
    cause, effect = "abcde"[i], "abcde"[j]
    turned = search(standardize="never", knowledge=Knowledge(required=[(effect, cause)])).fit(data)
    assert (effect, cause) in turned.graph_.directed_edges
    # What is required has no penalty: without others it is the least-squares coefficient.
    alone = search(standardize="never", knowledge=Knowledge(required=[(effect, cause)])).fit(
        data[[cause, effect]]
    )
    slope = np.cov(data[cause], data[effect])[0, 1] / data[effect].var()
    assert alone.weights_[1, 0] == pytest.approx(slope, abs=1e-3)
    without = search(standardize="never", knowledge=Knowledge(forbidden=[(cause, effect)])).fit(data)
    assert (cause, effect) not in without.graph_.directed_edges
    assert without.raw_weights_[i, j] == 0.0
    order = without.graph_.topological_order()
    tiers = Knowledge(tiers=[[name] for name in reversed(order)])
    backwards = search(standardize="never", knowledge=tiers).fit(data)
    assert all(order.index(u) > order.index(v) for u, v in backwards.graph_.directed_edges)


def test_what_does_not_converge_is_told_and_acyclic():
    X, _ = model(4, d=6, degree=4.0, unit_noise=False)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        found = NOTEARS(standardize="always", threshold=0.0, max_iter=1).fit(X)
    assert found.acyclicity_ > 1e-8
    assert found.cycle_threshold_ > 0.0
    assert found.graph_.topological_order()


@every_search
def test_variables_alone(search):
    found = search().fit(np.random.default_rng(0).normal(size=(100, 1)))
    assert found.graph_ == DAG(nodes=[0])
    assert np.isnan(found.varsortability_)


@every_search
def test_resamples(search):
    X, weights = model(1, d=4)
    stable = Bootstrap(search(standardize="never"), n_replicates=4).fit(X)
    assert set(stable.graph_.directed_edges) == {(int(i), int(j)) for i, j in np.argwhere(weights)}


def test_bad_input():
    data = model(0)[0]
    for name, wrong in (("penalty", -0.1), ("threshold", "0.3"), ("max_iter", 0), ("tol", 0.0)):
        with pytest.raises(DataError, match=f"`{name}`"):
            NOTEARS(**{name: wrong}).fit(data)
    with pytest.raises(UnknownNameError, match="did you mean 'always'"):
        NOTEARS(standardize="always_").fit(data)
    with pytest.raises(DataError, match="square"):
        NOTEARS().fit_covariance(data)
    with pytest.raises(DataError, match="symmetric"):
        NOTEARS().fit_covariance([[1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(DataError, match="2 different names"):
        NOTEARS().fit_covariance(np.eye(2), ["a", "a"])
    with pytest.raises(DataError, match="constant"):
        NOTEARS().fit(np.ones((10, 2)))
