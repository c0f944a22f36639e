"""The door: strategies, other graph types, experiments at hand, what is refused, determinism."""

import pickle
import subprocess
import sys

import networkx as nx
import numpy as np
import pytest

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, PAG
from causalrep.identification import Trace, Undecided, identify, parse_query
from causalrep.utils import CycleError, GraphError, NotIdentifiableError, ParseError, UnknownNameError
from tests.identification.discrete_models import RandomModel, as_dag, largest_error, random_admg, random_query

EFFECT = "P(Y | do(X))"


def ask(edges, query=EFFECT, **options):
    return identify(ADMG.from_string(edges), query, **options)


@pytest.mark.parametrize(
    ("edges", "query", "strategy", "estimand"),
    [
        ("Z -> X -> Y; Z -> Y", "P(Y | X)", "observational", "P(Y | X)"),
        ("Y -> X", EFFECT, "no effect", "P(Y)"),
        ("X; Y; Z -> Y", EFFECT, "no effect", "P(Y)"),
        ("X <-> Y; Y -> X", EFFECT, "no effect", "P(Y)"),
        ("X <-> Y; X <-> Z; Z -> Y", "P(Y | do(X), Z)", "no effect", "P(Y | Z)"),
        ("X -> Y; Z -> Y", "P(Y | do(X), Z)", "adjustment", "P(Y | X, Z)"),
        ("Z -> X -> Y; Z -> Y", EFFECT, "adjustment", "sum_{Z} P(Y | X, Z) P(Z)"),
        ("Z -> X -> Y; Z -> Y; W -> Y", "P(Y | do(X), W)", "adjustment", "sum_{Z} P(Y | W, X, Z) P(Z)"),
        ("X -> M -> Y; X <-> Y", EFFECT, "frontdoor", "sum_{M} P(M | X) [sum_{X'} P(Y | M, X') P(X')]"),
        ("Z -> X -> Y; Z -> Y; Q -> Y", "P(Y | do(X, Q))", "adjustment", "sum_{Z} P(Y | Q, X, Z) P(Z)"),
        ("Y -> Q; X -> Y", "P(Y | do(X, Q))", "adjustment", "P(Y | X)"),
        (
            "W -> Z -> X -> Y; W <-> X; W <-> Y",
            EFFECT,
            "id",
            "[sum_{W} P(X, Y | W, Z) P(W)] / [sum_{W} P(X | W, Z) P(W)]",
        ),
    ],
)
def test_the_shortest_formula_is_found(edges, query, strategy, estimand):
    result = ask(edges, query)
    assert (result.strategy, str(result.estimand)) == (strategy, estimand)


def test_a_question_in_names_is_the_same_question():
    graph = ADMG.from_string("Z -> X -> Y; Z -> Y")
    named = identify(graph, outcome="Y", treatment="X", given=["Z"])
    assert named.estimand == identify(graph, "P(Y | do(X), Z)").estimand
    assert named.query == parse_query("P(Y | do(X), Z)")
    assert identify(graph, named.query).estimand == named.estimand


def test_a_label_that_is_a_tuple_is_one_name():
    z, x, y = ("z", 0), ("x", 0), ("y", 0)
    graph = DAG([(z, x), (z, y), (x, y)])
    result = identify(graph, outcome=y, treatment=x, given=z)
    assert result.query.names() == (y, x, z)
    assert result.estimand == identify(graph, outcome=[y], treatment=[x], given=[z]).estimand


def test_one_world_alone_is_an_intervention():
    assert ask("X -> M -> Y; X <-> Y", "P(Y[X=1] | M[X=1])").query == parse_query("P(Y | do(X=1), M)")


def test_a_latent_node_is_never_named():
    graph = as_dag("U -> X -> M -> Y; U -> Y", ["U"])
    result = identify(graph, EFFECT)
    assert result.strategy == "frontdoor"
    for expression in (result.estimand, result.raw):
        assert not any(v.name == "U" for term in expression.terms() for v in (*term.outcome, *term.given))


def test_latent_nodes_may_be_declared_in_an_admg():
    graph = ADMG([("U", "X"), ("U", "M"), ("X", "M"), ("M", "Y")], [("X", "Y")], latent=["U"])
    result = identify(graph, EFFECT)
    assert not result.identifiable
    assert result.witness.verify()


def test_a_networkx_graph_is_a_dag():
    result = identify(nx.DiGraph([("Z", "X"), ("Z", "Y"), ("X", "Y")]), EFFECT)
    assert str(result.estimand) == "sum_{Z} P(Y | X, Z) P(Z)"


def test_the_report_says_what_matters():
    result = ask("Z -> X -> Y; Z -> Y")
    assert result.to_text().splitlines() == [
        "P(Y | do(X)) = sum_{Z} P(Y | X, Z) P(Z)",
        "strategy: adjustment",
        "assumes: the graph: no edge is missing",
        "assumes: positivity: P(X, Z) > 0",
    ]
    assert result.to_latex() == r"P(Y \mid \mathrm{do}(X)) = \sum_{Z} P(Y \mid X, Z) \, P(Z)"
    assert "AIPW" in result.estimator()


@pytest.mark.parametrize("edges", ["W -> Z -> X -> Y; W <-> X; W <-> Y", "X -> Y; X <-> Y"])
def test_answers_travel_between_processes(edges):
    result = ask(edges)
    arrived = pickle.loads(pickle.dumps(result))
    assert arrived.to_text() == result.to_text()
    assert list(arrived.trace) == list(result.trace)
    if result.identifiable:
        assert (arrived.estimand, arrived.raw) == (result.estimand, result.raw)


def test_notebooks_show_the_formula():
    assert ask("X -> Y")._repr_latex_() == r"$P(Y \mid \mathrm{do}(X)) = P(Y \mid X)$"
    assert ask("X -> Y").estimand._repr_latex_() == r"$P(Y \mid X)$"
    assert ask("X -> Y; X <-> Y")._repr_latex_() is None


def test_a_refusal_is_an_answer_too():
    result = ask("X -> Y; X <-> Y")
    assert not result.identifiable
    assert result.to_text() == "P(Y | do(X)) is not identifiable\nwitness: hedge of {X, Y} and {Y}"
    assert len(result.trace) == 0
    for access in (lambda: result.estimand, lambda: result.raw, result.to_latex, result.estimator):
        with pytest.raises(NotIdentifiableError, match="not identifiable"):
            access()


def test_answers_are_the_same_for_latent_nodes_and_for_the_edges_that_stand_for_them():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        graph = random_admg(rng)
        outcome, treatment, given = random_query(rng, graph)
        question = {"outcome": outcome, "treatment": treatment, "given": given}
        projected, explicit = identify(graph, **question), identify(graph.canonical_dag(), **question)
        assert explicit.identifiable == projected.identifiable
        if explicit.identifiable:
            assert (explicit.estimand, explicit.raw) == (projected.estimand, projected.raw)
            assert explicit.trace.verify()
        else:
            assert explicit.witness.verify()


def test_the_order_of_nodes_does_not_change_the_verdict():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        graph = random_admg(rng)
        outcome, treatment, given = random_query(rng, graph)
        nodes = [str(node) for node in rng.permutation(graph.nodes)]
        shuffled = ADMG(graph.directed_edges, graph.bidirected_edges, nodes=nodes)
        question = {"outcome": outcome, "treatment": treatment, "given": given}
        one, other = identify(graph, **question), identify(shuffled, **question)
        assert one.identifiable == other.identifiable
        if other.identifiable:
            model = RandomModel(graph, seed)
            assert largest_error(model, other.estimand, outcome, treatment, given) < 1e-9


# Experiments at hand


def test_a_surrogate_experiment_identifies_what_observation_cannot():
    graph = ADMG.from_string("Z -> X -> Y; Z <-> X; Z <-> Y")
    assert not identify(graph, EFFECT).identifiable
    result = identify(graph, EFFECT, available=["P(X, Y, Z)", "P(X, Y | do(Z))"])
    assert (result.strategy, str(result.estimand)) == ("gid", "P(Y | do(Z), X)")
    assert result.trace.verify()


def test_sources_are_combined():
    # Each treatment has an experiment of its own; neither alone nor observation tells the joint effect.
    graph = ADMG.from_string("X1 -> Y1; X2 -> Y2; X1 <-> Y1; X2 <-> Y2")
    available = ["P(X2, Y1, Y2 | do(X1))", "P(X1, Y1, Y2 | do(X2))"]
    query = "P(Y1, Y2 | do(X1, X2))"
    assert all(not identify(graph, query, available=[one]).identifiable for one in available)
    result = identify(graph, query, available=available)
    assert str(result.estimand) == "P(Y1 | do(X1)) P(Y2 | do(X2))"
    model = RandomModel(graph, 0)
    experiments = [("X1",), ("X2",)]
    assert largest_error(model, result.estimand, ["Y1", "Y2"], ["X1", "X2"], [], experiments) < 1e-9


def test_the_experiment_asked_about_is_the_answer():
    result = ask("X -> Y; X <-> Y", available=["P(X, Y)", "P(Y | do(X))"])
    assert (result.strategy, str(result.estimand)) == ("experiment", "P(Y | do(X))")


def test_what_nobody_measured_is_as_good_as_latent():
    edges = "Z -> X -> Y; Z -> Y"
    assert not ask(edges, available=["P(X, Y)"]).identifiable
    assert str(ask("X -> M -> Y", available=["P(X, Y)"]).estimand) == "P(Y | X)"


def test_sources_may_measure_different_nodes():
    # P(M | X) from one study, P(Y | do(M)) from another that does not know X.
    available = ["P(X, M)", "P(Y | do(M))"]
    result = ask("X -> M -> Y; X <-> Y", available=available)
    assert str(result.estimand) == "sum_{M} P(M | X) P(Y | do(M))"
    model = RandomModel(ADMG.from_string("X -> M -> Y; X <-> Y"), 3)
    assert largest_error(model, result.estimand, ["Y"], ["X"], [], [(), ("M",)]) < 1e-9


def test_no_term_is_made_that_nobody_measured():
    graph = "X -> M -> Y"
    assert str(ask(graph, available=["P(X, M)", "P(M, Y)"]).estimand) == "sum_{M} P(M | X) P(Y | M)"
    assert str(ask(graph, available=["P(X, M, Y)"]).estimand) == "P(Y | X)"


# Classes of graphs


def test_a_class_is_answered_by_adjustment_where_one_set_is_right_for_all():
    cpdag = DAG.from_string("A -> X; B -> X; X -> Y; A -> Y").to_cpdag()
    result = identify(cpdag, EFFECT)
    assert result.strategy == "adjustment"
    assert str(result.estimand) == "sum_{A} P(Y | A, X) P(A)"
    assert str(result.trace[0].licenses[0]) == "{A} is an adjustment set for the effect of X on Y"
    assert result.trace.verify()
    assert not Trace(CPDAG(undirected=[("X", "Y"), ("X", "A"), ("Y", "A")]), list(result.trace)).verify()
    open_ended = identify(CPDAG(undirected=[("X", "Y")]), EFFECT)
    assert isinstance(open_ended.witness, Undecided)


def test_the_generalised_back_door_example_has_no_set_in_its_class():
    # Maathuis and Colombo, Annals of Statistics 43, 2015, figure 3: in the DAG yes, in the CPDAG no.
    dag = DAG.from_string("1 -> 3; 1 -> 4; 1 -> 5; 2 -> 3; 2 -> 4; 2 -> 5; 3 -> 4; 4 -> 5")
    assert identify(dag, "P(5 | do(3))").strategy == "adjustment"
    assert isinstance(identify(dag.to_cpdag(), "P(5 | do(3))").witness, Undecided)


@pytest.mark.parametrize(
    "graph", [MAG(directed=[("Z", "X"), ("W", "X"), ("X", "Y")]), PAG.from_string("A o-> X; B o-> X; X -> Y")]
)
def test_ancestral_graphs_are_answered_by_adjustment(graph):
    # Two nodes that are not adjacent collide at X, which makes X -> Y visible.
    result = identify(graph, EFFECT)
    assert (result.strategy, str(result.estimand)) == ("adjustment", "P(Y | X)")


def test_other_questions_need_one_member_of_the_class():
    cpdag = CPDAG(undirected=[("X", "Y")])
    for question in ("P(Y | do(X), Z)", "P(Y[X=1] | X=0)"):
        with pytest.raises(GraphError, match="CPDAG"):
            identify(CPDAG(undirected=[("X", "Y")], nodes=["X", "Y", "Z"]), question)
    with pytest.raises(GraphError, match="available"):
        identify(cpdag, EFFECT, available=["P(X, Y)"])


# Bad input


@pytest.mark.parametrize(
    ("query", "options", "error", "match"),
    [
        ("P(Y | do(x))", {}, UnknownNameError, "did you mean 'X'"),
        ("P(Y | do(Y))", {}, GraphError, "'Y'"),
        ("P(Y | do(X)", {}, ParseError, "column 12"),
        ("P(U | do(X))", {}, GraphError, "latent"),
        (EFFECT, {"available": []}, GraphError, "available"),
        (EFFECT, {"available": "P(X, Y)"}, TypeError, "list"),
        (EFFECT, {"available": ["P(Y | X)"]}, GraphError, "joint"),
        (EFFECT, {"available": ["P(Q)"]}, UnknownNameError, "'Q'"),
        (EFFECT, {"available": ["P(U, X)"]}, UnknownNameError, "'U'"),
    ],
    ids=str,
)
def test_bad_questions_are_refused(query, options, error, match):
    graph = as_dag("U -> X -> Y; U -> Y", ["U"])
    with pytest.raises(error, match=match):
        identify(graph, query, **options)


def test_what_is_no_graph_is_refused():
    with pytest.raises(GraphError, match="networkx"):
        identify([("X", "Y")], EFFECT)


def test_a_cyclic_graph_is_refused_with_its_cycle():
    with pytest.raises(CycleError) as caught:
        identify(nx.DiGraph([("X", "Y"), ("Y", "Z"), ("Z", "X")]), EFFECT)
    assert set(caught.value.cycle) == {"X", "Y", "Z"}


# Determinism

_REPORT = """
from causalrep.graphs import ADMG
from causalrep.identification import identify
edges = "W -> Z -> X -> Y; W <-> X; W <-> Y; Q -> Y; Z <-> Q; X -> M -> Y"
g = ADMG(set(ADMG.from_string(edges).directed_edges), set(ADMG.from_string(edges).bidirected_edges))
for query in ("P(Y | do(X))", "P(Y, M | do(X), Q)", "P(Y | do(Z))", "P(Q | do(W), Y)"):
    r = identify(g, query)
    print(r, r.identifiable and (r.raw, r.to_latex()), r.trace, r.witness, r.assumptions)
print(identify(g, outcome={"Y", "M"}, treatment={"X", "Z"}))
"""


def test_answers_do_not_depend_on_the_hash_seed():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _REPORT],
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1
    assert "sum_" in outputs.pop()


def test_the_order_of_nodes_does_not_change_the_formula():
    edges = ADMG.from_string("W -> Z -> X -> Y; W <-> X; W <-> Y")
    for nodes in (["W", "Z", "X", "Y"], ["Y", "X", "Z", "W"], ["X", "W", "Y", "Z"]):
        graph = ADMG(edges.directed_edges, edges.bidirected_edges, nodes=nodes)
        assert identify(graph, EFFECT).estimand == identify(edges, EFFECT).estimand


def test_a_long_chain_is_no_problem():
    n = 2000
    graph = ADMG([(i, i + 1) for i in range(n)], [(0, n)])
    result = identify(graph, outcome=[n], treatment=[0])
    assert str(result.estimand) == f"sum_{{1}} P(1 | 0) [sum_{{0'}} P({n} | 0', 1) P(0')]"
