"""Stability of edges: frequencies that add up, free of workers and backends, a consensus without cycles."""

from itertools import combinations

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from causalrep.discovery import FCI, PC, Bootstrap, CausalLearn
from causalrep.discovery._stability import EdgeCounts, edge_codes
from causalrep.graphs import ADMG, DAG, MAG, PAG, PDAG
from causalrep.independence import KCI, Oracle
from causalrep.utils import DataError, GraphError, UnknownNameError


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n))
    c = x + y + rng.normal(size=n)
    weak = 0.15 * c + rng.normal(size=n)
    return pd.DataFrame({"x": x, "weak": weak, "c": c, "y": y})


def result(found):
    return found.edges_.to_dict("list"), found.marks_.to_dict("list"), found.graph_


def test_frequencies_are_those_of_the_same_searches_one_by_one():
    data, names = table(), ["x", "weak", "c", "y"]
    found = Bootstrap(Recorder(), n_replicates=15).fit(data)
    Recorder.graphs.clear()
    again = Bootstrap(Recorder(), n_replicates=15).fit(data)
    assert result(again) == result(found)
    assert len(Recorder.graphs) == 15
    assert len(set(Recorder.graphs)) > 1
    frame = found.edges_.set_index(["u", "v"])
    for u, v in combinations(names, 2):
        kinds = [kind_of(graph, u, v) for graph in Recorder.graphs]
        if set(kinds) == {"none"}:
            assert (u, v) not in frame.index
            continue
        for kind in ("none", "->", "<-", "--", "<->"):
            assert frame.loc[(u, v), kind] == pytest.approx(kinds.count(kind) / 15)
    assert 0.0 < frame.loc[("weak", "c"), "none"] < 1.0
    sizes = [len(graph.directed_edges) + len(graph.undirected_edges) for graph in Recorder.graphs]
    assert found.n_selected_ == pytest.approx(np.mean(sizes))


class Recorder(PC):
    """PC that remembers the graphs of all its clones."""

    graphs = []  # noqa: RUF012

    def fit(self, X=None, y=None):
        super().fit(X, y)
        self.graphs.append(self.graph_)
        return self


def kind_of(graph, u, v):
    if (u, v) in graph.directed_edges:
        return "->"
    if (v, u) in graph.directed_edges:
        return "<-"
    return "--" if v in graph.adjacent(u) else "none"


@pytest.mark.parametrize("kind", ["bootstrap", "subsample"])
def test_rows_are_resampled_as_the_kind_says(kind):
    drawn = []

    class Spy(BaseEstimator):
        def fit(self, X):
            drawn.append(X[:, 0].astype(int))
            self.graph_ = DAG(nodes=[0])
            return self

    # BaseEstimator.clone keeps the class, so that all clones append to the same list.
    Bootstrap(Spy(), n_replicates=40, kind=kind, share=0.3).fit(np.arange(100.0)[:, None])
    assert len(drawn) == 40
    assert len({tuple(rows) for rows in drawn}) == 40
    if kind == "subsample":
        assert all(len(rows) == len(set(rows)) == 30 for rows in drawn)
        counts = np.bincount(np.concatenate(drawn), minlength=100)
    else:
        assert all(len(rows) == 100 for rows in drawn)
        # 1 - (1 - 1/100)^100 = .634 of the rows; the mean of 40 has deviation .005.
        assert np.mean([len(set(rows)) / 100 for rows in drawn]) == pytest.approx(0.634, abs=0.025)
        counts = np.bincount(np.concatenate(drawn), minlength=100)
    # Each row 12 or 40 times, deviation at most 6.3; 5.5 deviations are not reached in 100 rows.
    expected = 12 if kind == "subsample" else 40
    assert np.abs(counts - expected).max() < 35
    assert counts.min() > 0


def test_workers_and_backends_do_not_matter():
    data = table(200)
    for search in (PC(alpha=0.05), FCI(alpha=0.05)):
        one = result(Bootstrap(search, n_replicates=6).fit(data))
        with joblib.parallel_config(backend="threading", n_jobs=3):
            assert result(Bootstrap(search, n_replicates=6).fit(data)) == one
    # Processes, which take seconds to start.
    assert result(Bootstrap(search, n_replicates=6, n_jobs=2).fit(data)) == one


def test_a_dask_cluster_gives_the_same():
    distributed = pytest.importorskip("dask.distributed", reason="dask.distributed is not installed")
    data = table(200)
    one = result(Bootstrap(PC(alpha=0.05), n_replicates=6).fit(data))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert result(Bootstrap(PC(alpha=0.05), n_replicates=6).fit(data)) == one


def test_more_replicates_keep_the_first():
    drawn = []
    for n in (3, 5):
        Recorder.graphs.clear()
        Bootstrap(Recorder(alpha=0.2), n_replicates=n).fit(table(60))
        drawn.append(list(Recorder.graphs))
    assert drawn[1][:3] == drawn[0]


def test_every_library_gives_the_same():
    data = table(150)
    one = Bootstrap(PC(), n_replicates=5).fit(data)
    for other in (pl.from_pandas(data), {name: data[name].to_numpy() for name in data}):
        assert result(Bootstrap(PC(), n_replicates=5).fit(other)) == result(one)
    matrix = data.to_numpy()
    numbers = Bootstrap(PC(), n_replicates=5).fit(matrix)
    assert result(Bootstrap(PC(), n_replicates=5).fit(torch.asarray(matrix.copy()))) == result(numbers)
    assert np.array_equal(numbers.edges_["->"], one.edges_["->"])
    assert numbers.graph_.nodes == (0, 1, 2, 3)
    assert not hasattr(numbers, "feature_names_in_")


def test_column_order_does_not_matter():
    data = table(150)
    one = Bootstrap(PC(alpha=0.1), n_replicates=10).fit(data)
    other = Bootstrap(PC(alpha=0.1), n_replicates=10).fit(data[["y", "c", "weak", "x"]])
    assert other.graph_ == one.graph_
    for u, v, kind, mirror in (("x", "c", "->", "<-"), ("weak", "c", "--", "--")):
        here, there = (found.edges_.set_index(["u", "v"]) for found in (one, other))
        assert here.loc[(u, v), kind] == there.loc[(v, u), mirror]


def counts(*graphs):
    nodes = graphs[0].nodes
    return EdgeCounts(nodes, [edge_codes(graph, nodes) for graph in graphs])


def test_consensus_of_classes():
    one = PDAG(directed=[("a", "b")], undirected=[("b", "c")], nodes="abc")
    two = PDAG(directed=[("a", "b"), ("b", "c")], nodes="abc")
    three = PDAG(directed=[("b", "a"), ("b", "c")], nodes="abc")
    four = PDAG(directed=[("a", "b")], nodes="abc")
    found = counts(one, two, three, four)
    assert found.consensus(0.5, PDAG) == PDAG(directed=[("a", "b"), ("b", "c")], nodes="abc")
    assert found.consensus(0.75, PDAG) == PDAG(directed=[("a", "b")], undirected=[("b", "c")], nodes="abc")
    assert found.consensus(0.8, PDAG) == PDAG(undirected=[("a", "b")], nodes="abc")
    assert found.n_selected == pytest.approx((2 + 2 + 2 + 1) / 4)


CYCLE = (("a", "b"), ("b", "c"), ("c", "a"))


def test_consensus_has_no_cycles():
    # Each arrow of the cycle a -> b -> c -> a is in two of three graphs; b -> c and a -> b go first by name.
    graphs = [DAG([pair for k, pair in enumerate(CYCLE) if k != gap], nodes="abc") for gap in range(3)]
    found = counts(*graphs)
    assert found.consensus(0.5, PDAG) == PDAG(
        directed=[("a", "b"), ("b", "c")], undirected=[("a", "c")], nodes="abc"
    )
    assert found.consensus(0.5, ADMG) == ADMG([("a", "b"), ("b", "c")], nodes="abc")
    assert found.consensus(0.5, PAG) == PAG([("a", "->", "b"), ("b", "->", "c"), ("a", "o-o", "c")])
    graphs.append(DAG([("c", "a")], nodes="abc"))  # now c -> a is the most frequent
    assert counts(*graphs).consensus(0.5, ADMG) == ADMG([("c", "a"), ("a", "b")], nodes="abc")


def test_consensus_of_pags_settles_each_mark():
    kinds = ["o->", "->", "<->", "->"]
    found = counts(*(PAG([("a", kind, "b")]) for kind in kinds))
    assert found.consensus(0.5, PAG) == PAG([("a", "->", "b")])
    assert found.consensus(0.6, PAG) == PAG([("a", "o->", "b")])
    marks = found.marks().set_index(["u", "v"])
    assert marks.loc[("a", "b")].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert marks.loc[("b", "a"), ["tail", "arrow", "circle"]].tolist() == [0.5, 0.25, 0.25]
    assert {"->", "<-", "--", "<->", "o->"} == set(found.edges().columns) - {"u", "v", "none"}


def test_two_edges_between_a_pair_count_each_and_once_as_adjacent():
    both = ADMG([("a", "b")], [("a", "b")], nodes="abc")
    found = counts(both, ADMG([("a", "b")], nodes="abc"))
    row = found.edges().iloc[0]
    assert (row["none"], row["->"], row["<->"]) == (0.0, 1.0, 0.5)
    assert found.n_selected == 1.0
    assert found.consensus(0.5, ADMG) == both


def test_the_consensus_has_the_type_of_the_family():
    data = table()
    assert type(Bootstrap(FCI(), n_replicates=3).fit(data).graph_) is PAG
    assert type(Bootstrap(Constant(MAG([("x", "c")], nodes="xc")), n_replicates=2).fit(data).graph_) is PAG
    assert type(Bootstrap(Constant(ADMG([("x", "c")], nodes="xc")), n_replicates=2).fit(data).graph_) is ADMG
    assert type(Bootstrap(Constant(DAG([("x", "c")])), n_replicates=2).fit(data).graph_) is PDAG


class Constant(BaseEstimator):
    def __init__(self, graph=None):
        self.graph = graph

    def fit(self, X):
        assert len(X) > 0
        self.graph_ = self.graph
        return self


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_searches_of_causal_learn():
    found = Bootstrap(CausalLearn("boss"), n_replicates=4).fit(table(400))
    assert {("x", "c"), ("y", "c")} <= set(found.graph_.directed_edges)


def test_each_clone_gets_its_own_seed():
    seeds = []

    class Seeded(Constant):
        def __init__(self, graph=None, random_state=0):
            super().__init__(graph)
            self.random_state = random_state

        def fit(self, X):
            seeds.append(self.random_state)
            return super().fit(X)

    search = Seeded(DAG(nodes="a"))
    Bootstrap(search, n_replicates=5).fit(table())
    assert len(set(seeds)) == 5
    assert search.random_state == 0
    first = seeds.copy()
    seeds.clear()
    Bootstrap(search, n_replicates=5, random_state=1).fit(table())
    assert set(seeds).isdisjoint(first)


def test_the_bound_of_stability_selection():
    X = np.random.default_rng(0).normal(size=(200, 8))
    found = Bootstrap(PC(alpha=0.05), n_replicates=30, kind="subsample").fit(X)
    # q = 2 edges on 28 pairs: at most 4 / (0.8 * 28) false edges are expected at 0.9.
    assert found.error_bound(0.9) == pytest.approx(found.n_selected_**2 / (0.8 * 28))
    assert found.error_bound(1.0) < found.error_bound(0.6)
    selected = (1.0 - found.edges_["none"] >= 0.9).sum()
    assert selected <= np.ceil(found.error_bound(0.9)) + 1
    with pytest.raises(DataError, match=r"above 0\.5"):
        found.error_bound(0.5)
    for other in (
        Bootstrap(PC(), n_replicates=2),
        Bootstrap(PC(), n_replicates=2, kind="subsample", share=0.6),
    ):
        with pytest.raises(DataError, match="half of the rows"):
            other.fit(X).error_bound(0.9)


@pytest.mark.parametrize(
    ("test", "kind"), [("kci", "subsample"), (KCI(), "subsample"), ("fisherz", "bootstrap")]
)
def test_tests_by_distances_get_subsamples(test, kind):
    assert Bootstrap(PC(test), n_replicates=1).fit(table(40)[["x", "y"]])._kind == kind


def test_parameters_are_checked():
    data = table(50)
    with pytest.raises(TypeError, match="`search` must be an estimator"):
        Bootstrap(PC).fit(data)
    for wrong in (0, 1.5, True, "3"):
        with pytest.raises(DataError, match="`n_replicates`"):
            Bootstrap(PC(), n_replicates=wrong).fit(data)
    with pytest.raises(UnknownNameError, match="did you mean 'bootstrap'"):
        Bootstrap(PC(), kind="bootstraps").fit(data)
    for wrong in (0, 1, 2, "x", np.nan):
        with pytest.raises(DataError, match=r"`share` must be in \(0, 1\)"):
            Bootstrap(PC(), share=wrong).fit(data)
    with pytest.raises(DataError, match=r"`threshold` must be in \(0, 1\]"):
        Bootstrap(PC(), threshold=0).fit(data)
    with pytest.raises(DataError, match="only rows can be resampled"):
        Bootstrap(PC(Oracle(DAG(nodes="ab")))).fit(None)
    with pytest.raises(NotFittedError):
        Bootstrap(PC()).consensus(0.5)


def test_what_the_search_refuses_says_in_which_replicate():
    with pytest.raises(DataError, match="NaN") as caught:
        Bootstrap(PC(), n_replicates=2).fit(table().mask(table() > 2))
    assert "in replicate 0" in caught.value.__notes__[0]


def test_other_nodes_are_refused():
    class Growing(BaseEstimator):
        def fit(self, X):
            self.graph_ = DAG(nodes=range(int(X[0, 0]) % 2 + 1))
            return self

    with pytest.raises(GraphError, match="same nodes"):
        Bootstrap(Growing(), n_replicates=20).fit(np.arange(50.0)[:, None])


def test_clone_keeps_the_search():
    found = clone(Bootstrap(PC(alpha=0.2), n_replicates=7))
    assert (found.search.alpha, found.n_replicates) == (0.2, 7)
    assert found.set_params(search__alpha=0.3).search.alpha == 0.3


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")  # some checks bring few values
@parametrize_with_checks([Bootstrap(PC(), n_replicates=2, kind="subsample", share=0.9)])
def test_estimator_passes_the_common_checks(estimator, check):
    check(estimator)
