"""What bounds a search from outside: allowed pairs, false discoveries, and being stopped."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from causalrep.discovery import FCI, PC, RFCI, Knowledge
from causalrep.graphs import DAG, PDAG
from causalrep.independence import FisherZ, Oracle
from causalrep.utils import DataError, GraphError, UnknownNameError


def skeleton_of(graph):
    return {frozenset((u, v)) for u in graph.nodes for v in graph.adjacent(u)}


# --- allowed pairs --------------------------------------------------------------------------------


@pytest.mark.parametrize("search", [PC, FCI, RFCI])
def test_what_is_not_allowed_is_never_joined(random_dag, linear_data, search):
    data = linear_data(random_dag(0, 9), 300, 0)
    screen = data.corr().abs() > 0.2
    found = search(restrict=screen).fit(data)
    free = search().fit(data)
    allowed = {frozenset((u, v)) for u in screen for v in screen if u != v and screen.loc[u, v]}
    assert skeleton_of(found.graph_) <= allowed
    assert len(allowed) < 36
    names = list(data.columns)
    for i, u in enumerate(names):
        for j, v in enumerate(names[:i]):
            assert np.isnan(found.pvalues_[i, j]) == (frozenset((u, v)) not in allowed)
            assert frozenset((u, v)) in allowed or (u, v) not in found.sepsets_
    assert found.n_tests_per_level_[0] == len(allowed) < free.n_tests_per_level_[0] == 36


def test_all_forms_say_the_same_in_any_order(random_dag, linear_data):
    data = linear_data(random_dag(1, 7), 200, 1)
    screen = data.corr().abs() > 0.15
    names = list(data.columns)
    pairs = [(u, v) for k, u in enumerate(names) for v in names[:k] if screen.loc[u, v]]
    one = PC(restrict=screen).fit(data)
    upper = np.triu(screen.to_numpy())  # one side is enough
    back = names[::-1]
    graphs = (PDAG(undirected=pairs, nodes=back), DAG(pairs, nodes=back))
    for restrict in (screen.loc[back, back], upper, upper.T, *graphs):
        found = PC(restrict=restrict).fit(data)
        assert found.graph_ == one.graph_
        assert found.n_tests_ == one.n_tests_


def test_the_true_skeleton_is_enough_for_the_true_class(random_dag):
    for seed in range(8):
        dag = random_dag(seed, 7)
        found = PC(test=Oracle(dag), restrict=dag).fit()
        assert found.graph_ == dag.to_cpdag()
        assert sum(found.n_tests_per_level_) < sum(PC(test=Oracle(dag)).fit().n_tests_per_level_)


def test_bad_restrictions_are_refused():
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=list("abc"))
    everything = pd.DataFrame(True, list("abc"), list("abc"))
    for wrong in (
        everything.loc[list("ab"), list("ab")],
        DAG(nodes="abcd"),
        everything.set_axis(list("xyz")),
    ):
        with pytest.raises(DataError, match="`restrict` must"):
            PC(restrict=wrong).fit(data)
    for wrong in (np.ones((3, 3)), np.ones((2, 2), dtype=bool), "abc", [[True]]):
        with pytest.raises(DataError, match="`restrict` must be"):
            PC(restrict=wrong).fit(data)
    with pytest.raises(GraphError, match="'a' -> 'b' is required, but `restrict` rules it out"):
        PC(restrict=DAG(nodes="abc"), knowledge=Knowledge(required=[("a", "b")])).fit(data)


# --- false discoveries ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bh", "by"])
def test_edges_left_are_those_that_the_step_up_procedure_rejects(random_dag, linear_data, method):
    from scipy.stats import false_discovery_control

    n_fewer = 0
    for seed in range(6):
        data = linear_data(random_dag(seed, 10, degree=2.0), 60, seed)
        free, found = PC(alpha=0.1).fit(data), PC(alpha=0.1, fdr=method).fit(data)
        upper = np.triu_indices(10, 1)
        adjusted = false_discovery_control(free.pvalues_[upper], method=method)
        kept = {
            frozenset((data.columns[i], data.columns[j]))
            for i, j, p in zip(*upper, adjusted, strict=True)
            if p <= 0.1
        }
        before, here = skeleton_of(free.graph_), skeleton_of(found.graph_)
        assert here == before & kept
        assert np.array_equal(free.pvalues_, found.pvalues_, equal_nan=True)
        test, place = FisherZ().fit(data), {name: k for k, name in enumerate(data.columns)}
        for pair in before - here:  # the recorded set is that of the largest p-value
            u, v = sorted(pair)
            p = test.test(u, v, found.sepsets_[u, v]).pvalue
            assert p == pytest.approx(found.pvalues_[place[u], place[v]], rel=1e-9)
        n_fewer += len(before) - len(here)
    assert n_fewer > 5


def test_required_edges_stay_and_noise_alone_has_none():
    X = np.random.default_rng(0).normal(size=(100, 8))
    assert not skeleton_of(PC(alpha=0.2, fdr="by").fit(X).graph_)
    kept = PC(alpha=0.2, fdr="by", knowledge=Knowledge(required=[(0, 1)])).fit(X)
    assert skeleton_of(kept.graph_) == {frozenset((0, 1))}
    assert PC(fdr="bh").fit(X[:, :1]).graph_.nodes == (0,)
    with pytest.raises(UnknownNameError, match="`fdr`"):
        PC(fdr="bonferroni").fit(X)


# --- being stopped --------------------------------------------------------------------------------


@pytest.mark.parametrize("search", [PC, FCI, RFCI])
def test_a_search_that_is_stopped_is_not_fitted_and_says_so(random_dag, search):
    dag = random_dag(0, 8)
    told = []

    def stop(progress):
        told.append(progress)
        if progress.level == 1:
            raise KeyboardInterrupt

    learner = search(test=Oracle(dag)).fit()
    learner.progress = stop
    with pytest.raises(KeyboardInterrupt) as caught:
        learner.fit()
    assert caught.value.__notes__ == [f"the search was stopped: this {search.__name__} is not fitted"]
    assert [p.level for p in told][-1] == 1
    with pytest.raises(NotFittedError):
        check_is_fitted(learner)
    assert not hasattr(learner, "graph_")
    learner.progress = False
    assert learner.fit().graph_ == search(test=Oracle(dag)).fit().graph_


def test_progress_counts_tests_and_edges(random_dag, linear_data, capsys):
    data = linear_data(random_dag(2, 12), 200, 2)
    told = []
    found = PC(progress=told.append, collider_rule="standard").fit(data)
    assert capsys.readouterr().err == ""
    assert told[0].n_edges == 66
    assert told[-1].n_tests == found.n_tests_
    assert [p.n_tests for p in told] == sorted(p.n_tests for p in told)
    by_level = {p.level: p for p in told}
    assert [by_level[k].n_tests for k in by_level] == np.cumsum(found.n_tests_per_level_).tolist()
    assert by_level[1].n_edges < 66


def test_other_errors_of_the_callback_stop_too():
    def stop(progress):
        raise TimeoutError("too long")

    learner = PC(test=Oracle(DAG.from_string("A -> B -> C")), progress=stop)
    with pytest.raises(TimeoutError, match="too long"):
        learner.fit()
    with pytest.raises(NotFittedError):
        check_is_fitted(learner)
