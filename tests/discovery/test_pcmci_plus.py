"""PCMCI+ against graphs whose answer is enumerated, simulated series, and its invariances."""

import itertools

import numpy as np
import pandas as pd
import pytest

from causalrep.discovery import Knowledge, PCMCIPlus
from causalrep.graphs import DAG
from causalrep.independence import FisherZ, Oracle
from causalrep.utils import DataError, GraphError, UnknownNameError

# --- the oracle: what the graph must be, by enumeration ---------------------------------------------------


def random_edges(rng, d, max_lag):
    """Return edges (cause, effect, lag) of a stationary graph; those of lag 0 have no cycle."""
    order = rng.permutation(d)
    now = [
        (int(order[a]), int(order[b]), 0) for a in range(d) for b in range(a + 1, d) if rng.random() < 0.45
    ]
    past = [
        (i, j, lag)
        for i in range(d)
        for j in range(d)
        for lag in range(1, max_lag + 1)
        if rng.random() < (0.6 if i == j and lag == 1 else 0.15)
    ]
    return now + past


def unrolled(edges, d, depth):
    names = "ABCDEF"
    nodes = [(names[k], -lag) for lag in range(depth + 1) for k in range(d)]
    return DAG(
        [
            ((names[i], -lag - back), (names[j], -back))
            for i, j, lag in edges
            for back in range(depth + 1 - lag)
        ],
        nodes=nodes,
    )


def colliders_now(edges):
    """Return the unshielded colliders whose middle is in the present, by the nodes of the window."""
    into = {}
    adjacent = {frozenset([(i, lag), (j, 0)]) for i, j, lag in edges}
    for i, j, lag in edges:
        into.setdefault(j, set()).add((i, lag))
    found = set()
    for middle, causes in into.items():
        for a, b in itertools.combinations(sorted(causes), 2):
            back = min(a[1], b[1])
            moved = frozenset([(a[0], a[1] - back), (b[0], b[1] - back)])
            if moved not in adjacent:
                found.add((middle, frozenset([a, b])))
    return found


def is_acyclic(pairs, d):
    left = set(range(d))
    while left:
        roots = {k for k in left if not any(j == k and i in left for i, j in pairs)}
        if not roots:
            return False
        left -= roots
    return True


def expected_links(edges, d):
    """Return {(cause, effect, lag): mark} by trying all directions of the contemporaneous edges."""
    now = sorted({tuple(sorted((i, j))) for i, j, lag in edges if lag == 0})
    past = [edge for edge in edges if edge[2]]
    truth = colliders_now(edges)
    same = []
    for flips in itertools.product([False, True], repeat=len(now)):
        directed = [(b, a) if flip else (a, b) for (a, b), flip in zip(now, flips, strict=True)]
        if is_acyclic(directed, d) and colliders_now([(i, j, 0) for i, j in directed] + past) == truth:
            same.append(set(directed))
    names = "ABCDEF"
    marks = {(names[i], names[j], lag): "-->" for i, j, lag in past}
    for a, b in now:
        ways = {(a, b) in one for one in same}
        if len(ways) == 2:
            marks[names[a], names[b], 0] = "o-o"
        else:
            cause, effect = (a, b) if ways == {True} else (b, a)
            marks[names[cause], names[effect], 0] = "-->"
    return marks


def found_links(search):
    return {(link.cause, link.effect, link.lag): link.mark for link in search.links_}


def check_oracle(seed, rule):
    rng = np.random.default_rng(seed)
    d, max_lag = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    edges = random_edges(rng, d, max_lag)
    oracle = Oracle(unrolled(edges, d, 2 * max_lag + 6))
    search = PCMCIPlus(test=oracle, max_lag=max_lag, collider_rule=rule).fit()
    assert found_links(search) == expected_links(edges, d), edges
    assert not search.ambiguous_
    assert not search.conflicts_


@pytest.mark.parametrize("rule", ["majority", "standard", "conservative", "max_p"])
@pytest.mark.parametrize("seed", range(10))
def test_the_oracle_gives_the_true_class(seed, rule):
    check_oracle(seed, rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["majority", "standard", "conservative", "max_p"])
@pytest.mark.parametrize("seed", range(100, 400))
def test_the_oracle_gives_the_true_class_of_many(seed, rule):
    check_oracle(seed, rule)


# --- data -------------------------------------------------------------------------------------------------


def simulate(edges, d, n, rng, weight=0.5, burn_in=100):
    """Return a frame of a linear process on these edges, Gaussian noise, order of series random in time 0."""
    X = np.zeros((n + burn_in, d))
    now = [(i, j) for i, j, lag in edges if lag == 0]
    order = sorted(range(d), key=lambda k: len(ancestors(k, now)))
    for t in range(3, n + burn_in):
        X[t] = rng.normal(size=d)
        for j in order:
            X[t, j] += sum(weight * X[t - lag, i] for i, k, lag in edges if k == j)
    return pd.DataFrame(X[burn_in:], columns=list("ABCDEF"[:d]))


def ancestors(node, pairs):
    found, stack = set(), [node]
    while stack:
        k = stack.pop()
        new = {i for i, j in pairs if j == k} - found
        found |= new
        stack.extend(new)
    return found


CHAIN = [(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 2, 0), (2, 2, 1), (3, 2, 0), (3, 3, 1)]
MARKS = {
    ("A", "A", 1),
    ("A", "B", 1),
    ("B", "B", 1),
    ("B", "C", 0),
    ("C", "C", 1),
    ("D", "C", 0),
    ("D", "D", 1),
}


@pytest.fixture(scope="module")
def frame():
    return simulate(CHAIN, 4, 1500, np.random.default_rng(1))


def test_a_process_is_found_in_its_data(frame):
    search = PCMCIPlus(max_lag=2, alpha=0.001).fit(frame)
    assert found_links(search) == dict.fromkeys(MARKS, "-->")
    assert search.n_samples_ == len(frame) - 4
    assert search.graph_.nodes[:5] == (("A", 0), ("B", 0), ("C", 0), ("D", 0), ("A", -1))
    assert search.graph_.parents(("C", 0)) == {("B", 0), ("C", -1), ("D", 0)}
    assert search.graph_.parents(("C", -1)) == {("B", -1), ("C", -2), ("D", -1)}
    assert search.graph_.parents(("C", -2)) == {("B", -2), ("D", -2)}


def test_a_pvalue_is_that_of_the_partial_correlation(frame):
    search = PCMCIPlus(max_lag=1).fit(frame)
    link = next(link for link in search.links_ if (link.cause, link.effect, link.lag) == ("A", "B", 1))
    parents = {k: set(search.lagged_parents_[k]) for k in "AB"}
    moved = {(name, lag - 1) for name, lag in parents["A"]}
    given = (parents["B"] | moved) - {("A", -1)}
    rows = np.arange(2, len(frame))
    at = lambda node: frame[node[0]].to_numpy()[rows + node[1]]  # noqa: E731
    Z = np.column_stack([np.ones(len(rows)), *(at(node) for node in sorted(given))])
    left = [v - Z @ np.linalg.lstsq(Z, v, rcond=None)[0] for v in (at(("A", -1)), at(("B", 0)))]
    r = left[0] @ left[1] / np.sqrt((left[0] @ left[0]) * (left[1] @ left[1]))
    z = np.sqrt(len(rows) - len(given) - 3) * np.arctanh(r)
    assert abs(link.statistic) <= abs(z) + 1e-8  # of all sets the weakest counts
    assert search.pvalues_[0, 1, 1] == pytest.approx(link.pvalue)
    alone = PCMCIPlus(max_lag=1, max_cond=0).fit(frame)
    first = next(one for one in alone.links_ if (one.cause, one.effect, one.lag) == ("A", "B", 1))
    assert abs(first.statistic) == pytest.approx(abs(z), rel=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_columns_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    frame = simulate(random_edges(rng, 4, 2), 4, 300, rng, weight=0.25)
    first = PCMCIPlus(max_lag=2, alpha=0.05).fit(frame)
    other = PCMCIPlus(max_lag=2, alpha=0.05).fit(frame[list("CADB")])
    assert {link for link in first.links_ if link.mark == "-->"} == {
        link for link in other.links_ if link.mark == "-->"
    }
    assert first.n_tests_ == other.n_tests_
    assert first.graph_ == other.graph_
    back = ["CADB".index(k) for k in "ABCD"]
    np.testing.assert_array_equal(first.pvalues_, other.pvalues_[np.ix_(back, back)])


def test_independent_series_with_memory_are_kept_apart():
    """Without the past of both ends, series with memory look dependent far more often than the level says."""
    rng = np.random.default_rng(0)
    n_draws, alpha, wrong, naive = 60, 0.05, 0, 0
    for _ in range(n_draws):
        noise = rng.normal(size=(300, 2))
        X = np.zeros_like(noise)
        for t in range(1, 300):
            X[t] = 0.9 * X[t - 1] + noise[t]
        search = PCMCIPlus(max_lag=1, alpha=alpha).fit(X[50:])
        wrong += sum(link.cause != link.effect for link in search.links_)
        naive += FisherZ().fit(X[50:]).test(0, 1).pvalue < alpha
    # Three pairs are asked in a draw, of which the past keeps fewer: at most 0.05 each, 9 of 180, sd 2.9.
    assert wrong <= 9 + 3 * 2.9
    assert naive > 3 * alpha * n_draws


def test_stretches_do_not_touch(frame):
    parts = [frame.iloc[:700], frame.iloc[700:]]
    apart = PCMCIPlus(max_lag=1).fit(parts)
    assert apart.n_samples_ == len(frame) - 2 * 2
    gap = frame.copy()
    gap.iloc[700] = np.nan
    dropped = PCMCIPlus(max_lag=1, missing="drop").fit(gap)
    assert dropped.n_samples_ == len(frame) - 2 - 3
    again = PCMCIPlus(max_lag=1).fit([frame.iloc[:700], frame.iloc[701:]])
    assert dropped.links_ == again.links_


def test_knowledge_of_links_holds(frame):
    knowledge = Knowledge(
        required=[(("D", -1), ("A", 0))], forbidden=[(("A", -1), ("B", 0)), (("B", 0), ("C", 0))]
    )
    search = PCMCIPlus(knowledge=knowledge).fit(frame)
    links = found_links(search)
    assert links["D", "A", 1] == "-->"
    assert ("A", "B", 1) not in links
    assert links.get(("B", "C", 0)) is None


@pytest.mark.parametrize(
    ("knowledge", "message"),
    [
        (Knowledge(tiers=[[("A", 0)]]), "has no tiers"),
        (Knowledge(required=[(("A", -2), ("B", -1))]), "must be about edges into"),
        (Knowledge(forbidden=[(("A", -2), ("B", 0))]), "at most 1 steps before"),
    ],
)
def test_knowledge_that_is_not_about_the_present_is_refused(frame, knowledge, message):
    with pytest.raises(GraphError, match=message):
        PCMCIPlus(knowledge=knowledge).fit(frame)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_lag": 0}, DataError, "`max_lag` must be a positive integer, got 0"),
        ({"alpha": 1.0}, DataError, "`alpha` must be in"),
        ({"max_cond": -1}, DataError, "`max_cond` must be"),
        ({"collider_rule": "most"}, UnknownNameError, "most"),
        ({"conflict": "bidirected"}, UnknownNameError, "bidirected"),
        ({"missing": "mean"}, UnknownNameError, "mean"),
        ({"test": "fisher"}, UnknownNameError, "fisher"),
        ({"knowledge": Knowledge(forbidden=[("A", "B")])}, UnknownNameError, "A"),
        ({"max_lag": 800}, DataError, "lower `max_lag`"),
    ],
)
def test_bad_parameters_are_refused(frame, options, error, message):
    with pytest.raises(error, match=message):
        PCMCIPlus(**options).fit(frame)


def test_bad_data_are_refused(frame):
    with pytest.raises(DataError, match="at least one table"):
        PCMCIPlus().fit([])
    with pytest.raises(DataError, match=r"table 1 has \['A', 'B'\]"):
        PCMCIPlus().fit([frame, frame[["A", "B"]]])
    with pytest.raises(DataError, match=r"missing|NaN"):
        PCMCIPlus().fit(frame.mask(frame > 3.0))
    with pytest.raises(DataError, match="`X` is needed"):
        PCMCIPlus().fit()
    with pytest.raises(DataError, match=r"\('A', -2\)' is not among them|\('A', -2\) is not among them"):
        PCMCIPlus(test=Oracle(unrolled(CHAIN, 4, 1))).fit()


def test_an_effect_that_is_not_linear_takes_another_test():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 200))
    for t in range(1, 200):
        y[t] += 1.5 * x[t - 1] ** 2
    frame = pd.DataFrame({"x": x, "y": y})
    assert ("x", "y", 1) not in found_links(PCMCIPlus(alpha=0.001).fit(frame))
    assert found_links(PCMCIPlus("kci", alpha=0.001).fit(frame)) == {("x", "y", 1): "-->"}
