"""CD-NOD against causal-learn, written-out embeddings, and models whose changing mechanisms are known."""

import numpy as np
import pandas as pd
import pytest
from causallearn.search.ConstraintBased.CDNOD import cdnod

from causalrep.discovery import CDNOD, Knowledge
from causalrep.discovery._independent_changes import _RIDGE, _WIDTH, Mechanisms, dependence_of_changes
from causalrep.independence import CITestWarning
from causalrep.utils import DataError, UnknownNameError


def changing_pair(seed, n_domains=20, n=40):
    """Return x -> y -> z, where the mechanisms of x and y change over domains and that of z does not."""
    rng = np.random.default_rng(seed)
    domain = np.repeat(np.arange(n_domains), n)
    mean, spread = rng.normal(size=n_domains), rng.uniform(0.5, 1.5, n_domains)
    slope, shift = 1.0 + 0.5 * rng.normal(size=n_domains), rng.normal(size=n_domains)
    x = mean[domain] + spread[domain] * rng.normal(size=len(domain))
    y = slope[domain] * x + shift[domain] + 0.5 * rng.normal(size=len(domain))
    z = y + 0.7 * rng.normal(size=len(domain))
    return pd.DataFrame({"x": x, "y": y, "z": z}), domain


@pytest.mark.parametrize("seed", range(2))
def test_changing_mechanisms_and_their_order_are_found(seed):
    frame, domain = changing_pair(seed)
    search = CDNOD().fit(frame, context=domain)
    assert set(search.changing_) == {"x", "y"}
    assert set(search.graph_.directed_edges) == {("context", "x"), ("context", "y"), ("x", "y"), ("y", "z")}
    (one,) = search.directions_
    assert (one.cause, one.effect) == ("x", "y")
    assert one.dependence < one.reverse


def directed_rightly(seeds):
    right = 0
    for seed in seeds:
        frame, domain = changing_pair(seed)
        X = frame[["x", "y"]].to_numpy()
        mechanisms = Mechanisms((X - X.mean(axis=0)) / X.std(axis=0), domain)
        forward = dependence_of_changes(mechanisms.gram(0, ()), mechanisms.gram(1, (0,)))
        backward = dependence_of_changes(mechanisms.gram(1, ()), mechanisms.gram(0, (1,)))
        right += forward < backward
    return right


def test_the_direction_is_right_more_often_than_chance():
    # Sixteen draws: a coin has twelve or more right with probability 0.038.
    assert directed_rightly(range(100, 116)) >= 12


@pytest.mark.slow
def test_the_direction_is_mostly_right():
    # Three in four, as the user guide says; the standard deviation of a share of 200 is 0.031.
    assert directed_rightly(range(1000, 1200)) >= 200 * (0.75 - 3 * 0.031)


def test_a_kernel_between_domains_is_that_of_written_out_embeddings():
    rng = np.random.default_rng(0)
    X, domain = rng.normal(size=(45, 2)), np.repeat([0, 1, 2], 15)
    k = lambda a, b: np.exp(-0.5 * (a[:, None] - b[None, :]) ** 2)  # noqa: E731
    squares, plain = np.zeros((3, 3)), np.zeros((3, 3))
    for a in range(3):
        for b in range(3):
            xs, ys = ([X[domain == c, v] for c in (a, b)] for v in (0, 1))
            plain[a, b] = k(xs[0], xs[0]).mean() + k(xs[1], xs[1]).mean() - 2 * k(xs[0], xs[1]).mean()
            for value in X[:, 0]:
                w = [
                    np.linalg.solve(k(x, x) + 15 * _RIDGE * np.eye(15), k(x, np.array([value])))[:, 0]
                    for x in xs
                ]
                inner = [w[p] @ k(ys[p], ys[q]) @ w[q] for p, q in ((0, 0), (1, 1), (0, 1))]
                squares[a, b] += (inner[0] + inner[1] - 2 * inner[2]) / 45
    H = np.eye(3) - 1 / 3
    mechanisms = Mechanisms(X, domain)
    for found, distances in ((mechanisms.gram(0, ()), plain), (mechanisms.gram(1, (0,)), squares)):
        width = np.median(distances[np.triu_indices(3, 1)])
        np.testing.assert_allclose(found, H @ np.exp(-distances / (2 * _WIDTH**2 * width)) @ H, atol=1e-8)


def test_dependence_is_one_of_equal_kernels_and_zero_of_orthogonal_ones():
    A, B = np.diag([1.0, -1.0, 0.0]), np.diag([1.0, 1.0, -2.0])
    assert dependence_of_changes(A, 3.0 * A) == pytest.approx(1.0)
    assert dependence_of_changes(A, B) == pytest.approx(0.0)
    assert dependence_of_changes(A, np.zeros((3, 3))) == 0.0


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")
@pytest.mark.parametrize("seed", range(4))
def test_the_skeleton_is_causal_learns(seed):
    rng = np.random.default_rng(seed)
    time = np.linspace(-1, 1, 400)
    a = time + 0.5 * rng.normal(size=400)
    b = a + 0.5 * rng.normal(size=400)
    c = rng.normal(size=400)
    d = b + c - 1.5 * time + 0.5 * rng.normal(size=400)
    X = np.column_stack([a, b, c, d])
    search = CDNOD("fisherz", alpha=0.05).fit(X, context=time)
    peer = cdnod(X, time[:, None], 0.05, "fisherz", show_progress=False).G.graph != 0
    ours = np.zeros((5, 5), dtype=bool)
    place = {**{k: k for k in range(4)}, "context": 4}
    for edges in (search.graph_.directed_edges, search.graph_.undirected_edges):
        for u, v in edges:
            ours[place[u], place[v]] = ours[place[v], place[u]] = True
    np.testing.assert_array_equal(ours, peer)


def test_names_of_domains_do_not_matter_nor_does_the_order_of_columns():
    frame, domain = changing_pair(3, n_domains=8, n=30)
    first = CDNOD().fit(frame, context=domain)
    names = np.array([f"clinic {k}" for k in (5, 2, 7, 0, 3, 6, 1, 4)])[domain]
    other = CDNOD().fit(frame[["z", "x", "y"]], context=pd.Series(names, name="clinic"))
    assert other.context_ == "clinic"
    rename = {"context": "clinic", "x": "x", "y": "y", "z": "z"}
    assert {(rename[u], rename[v]) for u, v in first.graph_.directed_edges} == set(
        other.graph_.directed_edges
    )
    assert {d.cause for d in first.directions_} == {d.cause for d in other.directions_}


def test_rows_in_the_order_of_time_need_no_context():
    rng = np.random.default_rng(0)
    n = 300
    x = np.sin(np.linspace(0, 9, n)) + 0.4 * rng.normal(size=n)
    y = np.tanh(2 * x) + 0.4 * rng.normal(size=n)
    search = CDNOD().fit(pd.DataFrame({"x": x, "y": y}))
    assert search.changing_ == ("x",)
    assert set(search.graph_.directed_edges) == {("context", "x"), ("x", "y")}


def test_knowledge_is_kept():
    frame, domain = changing_pair(0)
    search = CDNOD(knowledge=Knowledge(required=[("y", "x")])).fit(frame, context=domain)
    assert ("y", "x") in search.graph_.directed_edges
    assert not search.directions_


def test_a_linear_test_warns():
    frame, domain = changing_pair(0, n=10)
    with pytest.warns(CITestWarning, match="no other change"):
        CDNOD("fisherz").fit(frame, context=domain)


@pytest.mark.parametrize(
    ("options", "context", "error", "message"),
    [
        ({}, np.zeros(3), DataError, r"`context` must have shape \(60,\)"),
        ({}, np.zeros(60), DataError, "at least two values"),
        ({}, np.full(60, np.nan), DataError, "must be finite"),
        ({"kind": "time"}, np.array(["a", "b"] * 30), DataError, "numbers or dates"),
        ({}, pd.Series(np.arange(60), name="x"), DataError, "is called 'x'"),
        ({"kind": "space"}, None, UnknownNameError, "space"),
        ({"conflict": "bidirected"}, None, UnknownNameError, "bidirected"),
        ({"knowledge": Knowledge(forbidden=[("x", "q")])}, None, UnknownNameError, "q"),
    ],
)
def test_bad_input_is_refused(options, context, error, message):
    frame, _ = changing_pair(0, n_domains=3, n=20)
    with pytest.raises(error, match=message):
        CDNOD(**options).fit(frame, context=context)
