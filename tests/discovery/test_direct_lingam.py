"""DirectLiNGAM against plain loops over its definition, causal-learn, and models whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import lars_path

from causalrep.discovery import Bootstrap, DirectLiNGAM, Knowledge, _lingam_order
from causalrep.discovery._adaptive_lasso import parents_among
from causalrep.discovery._lingam_order import causal_order, entropies
from causalrep.graphs import DAG
from causalrep.utils import CycleError, DataError, UnknownNameError


def model(seed, d=6, n=500, noise="uniform", degree=2.5):
    """Return rows of a random linear model in random order of columns, and its weights."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((d, d)) < degree / (d - 1), 1) * rng.uniform(0.6, 1.4, (d, d))
    weights *= rng.choice([-1, 1], (d, d))
    draw = {"uniform": lambda: rng.uniform(-1, 1, n), "laplace": lambda: rng.laplace(size=n)}
    draw["normal"] = lambda: rng.normal(size=n)
    X = np.zeros((n, d))
    for k in range(d):
        X[:, k] = X @ weights[:, k] + draw[noise]()
    mixed = rng.permutation(d)
    return X[:, mixed], weights[np.ix_(mixed, mixed)]


def standardised(X):
    return np.ascontiguousarray(((X - X.mean(axis=0)) / X.std(axis=0)).T)


def entropy(u):
    even, odd = np.mean(np.log(np.cosh(u))), np.mean(u * np.exp(-(u**2) / 2))
    return (1 + math.log(2 * math.pi)) / 2 - 79.047 * (even - 0.37457) ** 2 - 7.4129 * odd**2


def order_by_loops(X, earlier):
    """Return the order by comparing all pairs in every step, with each residual standardised anew."""
    X, left, order = X.copy(), list(range(len(X))), []

    def residual(a, b):
        rest = a - (a @ b) / (b @ b) * b
        return rest / rest.std()

    while left:
        against = {}
        for i in left:
            if not any(earlier[j, i] for j in left):
                against[i] = 0.0
                for j in left:
                    if j != i:
                        x, y = X[i] / X[i].std(), X[j] / X[j].std()
                        gain = entropy(y) + entropy(residual(x, y)) - entropy(x) - entropy(residual(y, x))
                        against[i] += min(0.0, gain) ** 2
        root = min(against, key=against.get)
        left.remove(root)
        order.append(root)
        for j in left:
            X[j] = residual(X[j], X[root])
    return order


NOTHING = np.zeros((6, 6), dtype=bool)


@pytest.mark.parametrize("block", [1, 2**11, 2**20])
@pytest.mark.parametrize("noise", ["uniform", "laplace", "normal"])
def test_order_is_that_of_plain_loops(monkeypatch, noise, block):
    monkeypatch.setattr(_lingam_order, "_BLOCK", block)
    for seed in range(5):
        X = standardised(model(seed, noise=noise)[0])
        expected = order_by_loops(X, NOTHING)
        assert causal_order(X.copy(), NOTHING) == expected


def test_order_keeps_to_what_is_known():
    for seed in range(5):
        X = standardised(model(seed)[0])
        rank = np.random.default_rng(seed).permutation(6)
        earlier = (rank[:, None] < rank) & (np.random.default_rng(seed).random((6, 6)) < 0.3)
        order = causal_order(X.copy(), earlier)
        assert order == order_by_loops(X, earlier)
        assert all(order.index(i) < order.index(j) for i, j in np.argwhere(earlier).tolist())


@pytest.mark.parametrize(
    "seed", [*range(10), *(pytest.param(k, marks=pytest.mark.slow) for k in range(10, 100))]
)
def test_order_is_that_of_causal_learn(seed):
    from causallearn.search.FCMBased.lingam import DirectLiNGAM as Peer

    X, _ = model(seed, d=5 + seed % 4, noise=("uniform", "laplace")[seed % 2])
    peer = Peer()
    peer.fit(X)
    assert list(DirectLiNGAM().fit(X).causal_order_) == list(peer.causal_order_)


@given(seed=st.integers(0, 10**6), n=st.integers(4, 1100))
@settings(max_examples=20)
def test_entropies_without_logarithms_per_number(seed, n):
    u = np.random.default_rng(seed).normal(size=(3, n)) * 3
    before = u.copy()
    np.testing.assert_allclose(entropies(u), [entropy(row) for row in u], rtol=1e-10)
    assert (u == before).all()


def test_entropies_of_large_numbers_are_finite():
    u = np.zeros((2, 10**4))
    u[0, 0] = 100.0  # cosh(800) is infinite
    u[1, :2] = 70.0, -800.0
    assert np.isfinite(entropies(u)).all()


@pytest.mark.parametrize("noise", ["uniform", "laplace"])
@pytest.mark.parametrize("seed", range(4))
def test_the_graph_and_its_weights_are_found(seed, noise):
    X, weights = model(seed, n=5000, noise=noise)
    found = DirectLiNGAM(penalty=4.0).fit(X)
    assert found.graph_ == DAG.from_adjacency((weights != 0).astype(int), list(range(6)))
    # A coefficient's standard error is below 1 / sqrt(5000) = 0.014 here, as parents vary more than noise.
    np.testing.assert_allclose(found.weights_, weights, atol=0.06)


def test_weights_are_those_of_the_regressions():
    X, _ = model(3)
    found = DirectLiNGAM().fit(X)
    for node in range(6):
        parents = np.flatnonzero(found.weights_[:, node])
        centred = X - X.mean(axis=0)
        expected = np.linalg.lstsq(centred[:, parents], centred[:, node], rcond=None)[0]
        np.testing.assert_allclose(found.weights_[parents, node], expected, rtol=1e-8)


@pytest.mark.parametrize("required", [[], [2]])
def test_the_support_is_that_of_the_adaptive_lasso_on_the_rows(required):
    for seed in range(10):
        X = standardised(model(seed, d=7, n=300)[0]).T
        free = [k for k in range(6) if k not in required]
        known = X[:, required]
        X_free, y = (
            part - known @ np.linalg.lstsq(known, part, rcond=None)[0] for part in (X[:, free], X[:, 6])
        )
        weight = np.abs(np.linalg.lstsq(X_free, y, rcond=None)[0])
        path = lars_path(X_free * weight, y, method="lasso")[2]
        rss = np.square(y[:, None] - (X_free * weight) @ path).sum(axis=0)
        best = np.argmin(300 * np.log(rss) + 2.0 * math.log(300) * (path != 0).sum(axis=0))
        expected = sorted([*(free[k] for k in np.flatnonzero(path[:, best])), *required])
        assert parents_among(X.T @ X / 300, 300, 6, free, required, 2.0) == expected


@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)), scale=st.floats(1e-6, 1e6))
@settings(max_examples=10)
def test_order_of_columns_and_units_change_nothing(seed, order, scale):
    X, _ = model(seed, d=5, n=100)
    data = pd.DataFrame(X, columns=list("abcde"))
    one = DirectLiNGAM().fit(data)
    other = DirectLiNGAM().fit((data * [1.0, scale, 1.0, 1.0, -1.0] + 3.0).iloc[:, list(order)])
    assert one.graph_ == other.graph_
    assert one.causal_order_ == other.causal_order_
    units = np.array([1.0, scale, 1.0, 1.0, -1.0])
    back = [list(other.graph_.nodes).index(name) for name in data.columns]
    np.testing.assert_allclose(
        other.weights_[np.ix_(back, back)], one.weights_ * units / units[:, None], rtol=1e-6
    )


def test_knowledge():
    X, _ = model(5, n=2000)
    data = pd.DataFrame(X, columns=list("abcdef"))
    free = DirectLiNGAM().fit(data)
    cause, effect = next(iter(free.graph_.directed_edges))
    assert (cause, effect) not in DirectLiNGAM(knowledge=Knowledge(forbidden=[(cause, effect)])).fit(
        data
    ).graph_.directed_edges
    turned = DirectLiNGAM(knowledge=Knowledge(required=[(effect, cause)])).fit(data)
    assert (effect, cause) in turned.graph_.directed_edges
    tiers = [[name] for name in reversed(free.causal_order_)]
    backwards = DirectLiNGAM(knowledge=Knowledge(tiers=tiers)).fit(data)
    assert backwards.causal_order_ == free.causal_order_[::-1]


def test_knowledge_without_an_order_is_refused():
    knowledge = Knowledge(required=[("b", "z"), ("z", "a")], tiers=[["a"], ["b"]])
    data = pd.DataFrame(model(0, d=3)[0], columns=["a", "b", "z"])
    with pytest.raises(CycleError):
        DirectLiNGAM(knowledge=knowledge).fit(data)


def test_copies_are_told_and_do_no_harm():
    X, _ = model(1, d=4)
    X[:, 3] = 2 * X[:, 0]
    with pytest.warns(UserWarning, match="linear function"):
        found = DirectLiNGAM().fit(X)
    assert np.isfinite(found.weights_).all()
    assert found.graph_.mark(0, 3) is not None


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")
def test_fewer_rows_than_columns():
    found = DirectLiNGAM().fit(model(0, d=12, n=8)[0])
    assert sorted(found.causal_order_) == list(range(12))
    assert np.isfinite(found.weights_).all()
    assert max((found.weights_ != 0).sum(axis=0)) <= 4


def test_resamples():
    X, weights = model(2, n=1500, d=4)
    stable = Bootstrap(DirectLiNGAM(penalty=3.0), n_replicates=5).fit(X)
    assert set(stable.graph_.directed_edges) == {(int(i), int(j)) for i, j in np.argwhere(weights)}


def test_bad_input():
    data = pd.DataFrame(model(0)[0])
    with pytest.raises(DataError, match="`penalty`"):
        DirectLiNGAM(penalty=-1).fit(data)
    with pytest.raises(TypeError, match="`knowledge`"):
        DirectLiNGAM(knowledge=[(0, 1)]).fit(data)
    with pytest.raises(UnknownNameError, match="the knowledge"):
        DirectLiNGAM(knowledge=Knowledge(required=[(0, 9)])).fit(data)
    with pytest.raises(DataError, match="constant"):
        DirectLiNGAM().fit(data.assign(c=1.0))
    with pytest.raises(DataError, match="NaN"):
        DirectLiNGAM().fit(data.where(data > 0))
