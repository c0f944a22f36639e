"""Greedy equivalence search against its theorems, enumeration of all graphs, and causal-learn."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalrep.discovery import GES, BDeu, Bootstrap, GaussianBIC, Knowledge
from causalrep.discovery._essential_graph import EssentialGraph
from causalrep.graphs import CPDAG, DAG, MPDAG, PDAG
from causalrep.utils import DataError, UnknownNameError


def covariance(dag, seed):
    """Return the covariance of a linear model on the graph, with noise of variance one."""
    rng = np.random.default_rng(seed)
    weights = (
        dag.to_adjacency() * rng.uniform(0.4, 0.9, (len(dag),) * 2) * rng.choice([-1, 1], (len(dag),) * 2)
    )
    total = np.linalg.inv(np.eye(len(dag)) - weights)
    return total.T @ total


def found_without_error(dag, seed, **options):
    # So many rows that the weakest dependence outweighs the penalty, and no rounding error does.
    return GES(GaussianBIC.from_covariance(covariance(dag, seed), 10**12, dag.nodes), **options).fit()


def classes(all_dags, n_nodes):
    return {dag.to_cpdag(): dag for dag in all_dags(list("abcd"[:n_nodes]))}


@pytest.mark.parametrize("n_nodes", [1, 2, 3])
def test_without_sampling_error_every_class_is_found(all_dags, n_nodes):
    for seed, (truth, dag) in enumerate(classes(all_dags, n_nodes).items()):
        assert found_without_error(dag, seed).graph_ == truth


@pytest.mark.slow
def test_without_sampling_error_every_graph_of_four_nodes_is_found(all_dags):
    for seed, dag in enumerate(all_dags(list("abcd"))):
        assert found_without_error(dag, seed).graph_ == dag.to_cpdag()


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(k, marks=pytest.mark.slow) for k in range(12, 300))]
)
def test_without_sampling_error_large_classes_are_found(random_dag, seed):
    dag = random_dag(seed, 5 + seed % 16, 2.5)
    assert found_without_error(dag, seed).graph_ == dag.to_cpdag()


def test_the_class_found_has_the_best_score_of_all(all_dags):
    dags = list(all_dags(list("abcd")))
    for seed in range(4):
        truth = dags[(seed * 137 + 50) % len(dags)]
        ges = found_without_error(truth, seed)
        totals = [ges.local_score_.total(dag) for dag in dags]
        assert ges.score_ == pytest.approx(max(totals), rel=1e-15)
        # All others of the best score are in the class.
        best = {dag.to_cpdag() for dag, total in zip(dags, totals, strict=True) if total > max(totals) - 1.0}
        assert best == {ges.graph_}


def as_cpdag(marks):
    directed = [(i, j) for i, row in enumerate(marks.children) for j in row]
    undirected = [(i, j) for i, row in enumerate(marks.undecided) for j in row if i < j]
    return CPDAG(directed, undirected, nodes=range(len(marks.parents)))


def subsets(nodes):
    return itertools.chain.from_iterable(
        itertools.combinations(sorted(nodes), k) for k in range(len(nodes) + 1)
    )


def steps(graph, *, insert):
    """Return the classes that the allowed steps lead to."""
    marks, d = graph.marks, len(graph.marks.parents)
    result = set()
    for x, y in itertools.permutations(range(d), 2):
        common = marks.undecided[y] & marks.adjacent[x]
        if insert and y not in marks.adjacent[x]:
            cliques = {frozenset(clique) for clique in graph.cliques(marks.undecided[y])}
            for kept in (k for k in subsets(marks.undecided[y]) if common <= set(k)):
                if frozenset(kept) in cliques and x not in graph.reached(y, kept):
                    result.add(as_cpdag(graph.with_edge(x, y, set(kept) - marks.adjacent[x])))
        if not insert and x in marks.parents[y] | marks.undecided[y]:
            result |= {
                as_cpdag(graph.without_edge(x, y, common - set(kept))) for kept in graph.cliques(common)
            }
    return result


def neighbours(cpdag, *, insert):
    """Return the classes of the DAGs that have an edge more, or less, than a member: the definition."""
    result = set()
    for dag in cpdag.dags():
        edges = set(dag.directed_edges)
        for edge in itertools.permutations(dag.nodes, 2) if insert else edges:
            if (
                insert
                and edge not in edges
                and edge[::-1] not in edges
                and edge[0] not in dag.descendants(edge[1])
            ):
                result.add(DAG([*edges, edge], nodes=dag.nodes).to_cpdag())
            if not insert:
                result.add(DAG(edges - {edge}, nodes=dag.nodes).to_cpdag())
    return result


@pytest.mark.parametrize("insert", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_steps_lead_to_the_neighbours_of_a_class_and_nowhere_else(random_dag, seed, insert):
    dag = random_dag(seed, 5, 1.5 + seed % 3)
    edges = [(int(u[1]), int(v[1])) for u, v in dag.directed_edges]
    graph = EssentialGraph(5, edges)
    assert as_cpdag(graph.marks) == DAG(edges, nodes=range(5)).to_cpdag()
    assert steps(graph, insert=insert) == neighbours(as_cpdag(graph.marks), insert=insert)


@pytest.mark.parametrize("seed", range(5))
def test_on_a_sample_no_deletion_improves_what_is_found(random_dag, linear_data, seed):
    ges = GES().fit(linear_data(random_dag(seed, 6, 3.0), 200, seed))
    for other in neighbours(ges.graph_, insert=False):
        assert ges.local_score_.total(other) <= ges.score_


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_causal_learn_finds_no_better_score(random_dag, linear_data, seed):
    from causallearn.search.ScoreBased.GES import ges as peer

    data = linear_data(random_dag(seed, 7, 2.0), 300, seed)
    ours = GES().fit(data)
    theirs = PDAG.from_causallearn(peer(data.to_numpy())["G"].graph, data.columns)
    assert ours.score_ >= ours.local_score_.total(theirs) - 1e-9


@given(seed=st.integers(0, 10**6), order=st.permutations(range(6)))
@settings(max_examples=10)
def test_order_of_columns_changes_nothing(random_dag, linear_data, seed, order):
    data = linear_data(random_dag(seed, 6, 3.0), 80, seed)
    one, other = GES().fit(data), GES().fit(data.iloc[:, list(order)])
    assert one.graph_ == other.graph_
    assert one.score_ == pytest.approx(other.score_, rel=1e-12)
    assert list(other.graph_.nodes) == list(data.columns[list(order)])


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-6, 1e6))
@settings(max_examples=10)
def test_units_change_nothing(random_dag, linear_data, seed, scale):
    data = linear_data(random_dag(seed, 5, 2.0), 100, seed)
    assert GES().fit(data).graph_ == GES().fit(data * [1, scale, 1, -1, 1] + 10).graph_


@pytest.mark.parametrize("seed", range(10))
def test_tiers_direct_what_they_can_without_sampling_error(random_dag, seed):
    dag = random_dag(seed, 7, 3.0)
    order = dag.topological_order()
    tiers = Knowledge(tiers=[order[:2], order[2:5], order[5:]])
    expected = dag.to_cpdag().to_mpdag(
        forbidden=[pair for pair in itertools.permutations(dag.nodes, 2) if tiers.forbids(*pair)]
    )
    found = found_without_error(dag, seed, knowledge=tiers).graph_
    assert found.directed_edges == expected.directed_edges
    assert found.undirected_edges == expected.undirected_edges


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_knowledge_is_obeyed_whatever_the_data_say(random_dag, linear_data, seed):
    rng = np.random.default_rng(seed)
    data = linear_data(random_dag(seed, 6, 3.0), 100, seed)
    names = rng.permutation(data.columns).tolist()
    required = [(names[0], names[1]), (names[2], names[1])]
    forbidden = [(names[3], names[4]), (names[4], names[3]), (names[1], names[5]), (names[5], names[0])]
    graph = GES(knowledge=Knowledge(required, forbidden)).fit(data).graph_
    assert set(required) <= set(graph.directed_edges)
    assert graph.mark(names[3], names[4]) is None
    for cause, effect in forbidden:
        assert (cause, effect) not in graph.directed_edges
        assert graph.mark(cause, effect) in (None, "tail")
        assert (cause, effect) not in graph.undirected_edges
        assert (effect, cause) not in graph.undirected_edges
    assert isinstance(graph, MPDAG)
    assert graph.consistent_extension()


def test_knowledge_that_says_nothing_new_leaves_a_cpdag():
    dag = DAG.from_string("a -> c <- b")
    assert type(found_without_error(dag, 0, knowledge=Knowledge(required=[("a", "c")])).graph_) is CPDAG


@pytest.mark.parametrize("criterion", ["discrete_bic", "bdeu", BDeu(1.0)])
def test_discrete_variables_of_any_type(criterion):
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 3000))
    c = np.where(rng.random(3000) < 0.9, a ^ b, rng.integers(2, size=3000))  # no pair is dependent on its own
    c = np.where(rng.random(3000) < 0.3, a, c)
    d = np.where(rng.random(3000) < 0.8, c, rng.integers(3, size=3000))
    data = pd.DataFrame({"a": np.where(a, "yes", "no"), "b": b.astype(bool), "c": c, "d": pd.Categorical(d)})
    assert GES(criterion).fit(data).graph_ == CPDAG.from_string("a -> c <- b; c -> d")


def test_a_larger_penalty_leaves_fewer_edges(random_dag, linear_data):
    data = linear_data(random_dag(0, 8, 3.0), 100, 0)
    counts = [len(GES(GaussianBIC(penalty)).fit(data).graph_.edges) for penalty in (0.2, 1.0, 8.0)]
    assert counts[0] > counts[1] > counts[2]


def test_degrees_are_bounded(random_dag, linear_data):
    data = linear_data(random_dag(1, 9, 4.0), 500, 1)
    free, bound = (GES(max_degree=most).fit(data).graph_ for most in (None, 2))
    assert max(len(free.adjacent(node)) for node in free.nodes) > 2
    assert max(len(bound.adjacent(node)) for node in bound.nodes) <= 2


def test_copies_are_joined_and_told():
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    data = pd.DataFrame({"a": a, "b": a + rng.normal(size=200), "copy": 2 * a})
    with pytest.warns(UserWarning, match="'copy' is a linear function of"):
        graph = GES().fit(data).graph_
    assert graph.mark("a", "copy") == "tail"
    assert np.isfinite(GaussianBIC.from_covariance(data.cov(), 200, data.columns).total(graph))


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")
def test_fewer_rows_than_columns():
    data = np.random.default_rng(0).normal(size=(8, 12))
    ges = GES().fit(data)
    assert np.isfinite(ges.score_)
    # Fewer than four degrees of freedom are never left.
    extension = ges.graph_.consistent_extension()
    assert max(len(extension.parents(node)) for node in extension.nodes) <= 4


def test_resamples(linear_data):
    data = linear_data(DAG.from_string("a -> c <- b; c -> d"), 500, 0)
    stable = Bootstrap(GES(), n_replicates=5).fit(data)
    assert stable.graph_.mark("a", "c") == "arrow"


def test_what_fails_leaves_nothing(linear_data):
    ges = GES().fit(linear_data(DAG.from_string("a -> b"), 100, 0))
    with pytest.raises(DataError, match="NaN"):
        ges.fit(pd.DataFrame({"a": [1.0, np.nan, 2.0, 3.0], "b": [1.0, 2.0, 3.0, 5.0]}))
    assert not hasattr(ges, "graph_")


def test_bad_parameters(linear_data):
    data = linear_data(DAG.from_string("a -> b"), 100, 0)
    for wrong in (0, 1.5, "3"):
        with pytest.raises(DataError, match="`max_degree` must be a positive integer or None"):
            GES(max_degree=wrong).fit(data)
    with pytest.raises(UnknownNameError, match="did you mean 'bic'"):
        GES("bix").fit(data)
    with pytest.raises(TypeError, match="`criterion` must be a name or a LocalScore"):
        GES(GaussianBIC).fit(data)
    with pytest.raises(DataError, match="`X` is needed"):
        GES().fit()
    with pytest.raises(UnknownNameError, match="the knowledge"):
        GES(knowledge=Knowledge(required=[("a", "z")])).fit(data)
    with pytest.raises(TypeError, match="`knowledge` must be a Knowledge"):
        GES(knowledge=[("a", "b")]).fit(data)
