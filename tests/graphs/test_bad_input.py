"""What graphs and their scores refuse: every row of the table of bad input that speaks of graphs."""

import inspect

import networkx as nx
import numpy as np
import pytest

import causalrep.utils as utils
from causalrep.graphs import ADMG, CPDAG, DAG, MAG, MPDAG, PAG, PDAG
from causalrep.metrics import adjustment_distance, mark_shd, order_divergence, separation_distance, shd, sid
from causalrep.utils import CausalRepError, CycleError, GraphError, UnknownNameError

TYPES = [DAG, PDAG, CPDAG, MPDAG, ADMG, MAG, PAG]
CYCLE = [("A", "B"), ("Z", "A"), ("B", "C"), ("C", "A"), ("C", "D")]


def examples():
    """Return a graph of every type on X, M, Y and W."""
    return [
        DAG.from_string("X -> M -> Y; W -> Y"),
        PDAG.from_string("X -- M -> Y; W -> Y"),
        CPDAG.from_string("X -- M; M -> Y <- W"),
        MPDAG.from_string("X -> M -> Y; W -> Y"),
        ADMG.from_string("X -> M -> Y; W -> Y; X <-> Y"),
        MAG.from_string("X -> M -> Y; W <-> Y"),
        PAG.from_string("X o-o M; M -> Y; W o-> Y"),
    ]


def calls(*methods):
    """Return marks for all types, each with those of the methods that it has."""
    pairs = [(g, method) for g in examples() for method in methods if hasattr(g, method)]
    return pytest.mark.parametrize(
        ("g", "method"), pairs, ids=[f"{type(g).__name__}.{method}" for g, method in pairs]
    )


# Cyclic graph: `CycleError` that lists one cycle


@pytest.mark.parametrize("kind", [DAG, PDAG, CPDAG, MPDAG, ADMG, MAG], ids=lambda kind: kind.__name__)
def test_a_cycle_is_refused_and_listed(kind):
    with pytest.raises(CycleError, match="must not form a cycle, got A -> B -> C -> A") as caught:
        kind(CYCLE)
    assert caught.value.cycle == ("A", "B", "C")
    edges = set(CYCLE)
    assert all(pair in edges for pair in zip("ABC", "BCA", strict=True))
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "read",
    [
        lambda: DAG.from_string("; ".join(f"{u} -> {v}" for u, v in CYCLE)),
        lambda: DAG.from_dot("digraph {" + ";".join(f"{u} -> {v}" for u, v in CYCLE) + "}"),
        lambda: DAG.from_networkx(nx.DiGraph(CYCLE)),
        lambda: DAG(nx.DiGraph(CYCLE)),
        lambda: DAG.from_adjacency([[0, 1, 0], [0, 0, 1], [1, 0, 0]], "ABC"),
        lambda: DAG.from_json(
            '{"type": "DAG", "nodes": ["A", "B", "C"], '
            '"edges": [["A", "->", "B"], ["B", "->", "C"], ["C", "->", "A"]]}'
        ),
    ],
    ids=["string", "dot", "networkx", "networkx argument", "adjacency", "json"],
)
def test_a_cycle_is_refused_wherever_it_comes_from(read):
    with pytest.raises(CycleError) as caught:
        read()
    assert set(caught.value.cycle) == {"A", "B", "C"}


def test_the_shortest_cycle_has_two_nodes():
    with pytest.raises(CycleError, match="X -> Y -> X"):
        DAG([("X", "Y"), ("Y", "X")])


def test_a_long_cycle_needs_no_recursion():
    n_nodes = 10_000
    with pytest.raises(CycleError) as caught:
        DAG([(i, (i + 1) % n_nodes) for i in range(n_nodes)])
    assert len(caught.value.cycle) == n_nodes


# Unknown node: a KeyError with close matches; never created silently

SINGLE = ["adjacent", "parents", "children", "siblings", "ancestors", "descendants", "neighbors"]
SINGLE += [
    "markov_blanket",
    "district",
    "possible_ancestors",
    "possible_descendants",
    "anteriors",
    "separated_from",
]
SEPARATING = ["is_separated", "find_separator", "find_minimal_separator", "find_minimum_separator"]


@calls(*SINGLE, "do", "cut_outgoing")
def test_an_unknown_node_is_refused_with_the_nearest(g, method):
    with pytest.raises(
        UnknownNameError, match=r"names 'y', which does not exist \(did you mean 'Y'\?\)"
    ) as caught:
        getattr(g, method)("y")
    assert isinstance(caught.value, KeyError)
    assert (caught.value.name, set(caught.value.known)) == ("y", {"X", "M", "Y", "W"})
    assert "y" not in g


@calls("subgraph", "latent_projection")
def test_an_unknown_node_among_several_is_refused(g, method):
    with pytest.raises(UnknownNameError, match="names 'Q'"):
        getattr(g, method)(["X", "Q"])


@calls("mark", *SEPARATING)
@pytest.mark.parametrize("place", [0, 1])
def test_an_unknown_end_is_refused_by_the_argument_that_names_it(g, method, place):
    ends = ["X", "Y"]
    ends[place] = "Q"
    argument = list(inspect.signature(getattr(g, method)).parameters)[place]
    with pytest.raises(UnknownNameError, match=f"`{argument}` names 'Q'"):
        getattr(g, method)(*ends)


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("given", lambda g: g.is_separated("X", "Y", given=["M", "Q"])),
        ("include", lambda g: g.find_separator("X", "Y", include="Q")),
        ("restrict", lambda g: g.find_minimal_separator("X", "Y", restrict=["M", "Q"])),
        ("targets", lambda g: g.interventional_cpdag(["X", ["Q"]])),
        ("required", lambda g: g.to_cpdag().to_mpdag(required=[("X", "Q")])),
        ("forbidden", lambda g: g.to_cpdag().to_mpdag(forbidden=[("Q", "X")])),
        ("latent", lambda g: DAG(g.directed_edges, nodes=g.nodes, latent=["Q"])),
        ("latent", lambda g: g.to_mag(latent=["Q"])),
        ("selection", lambda g: g.to_pag(selection=["Q"])),
    ],
)
def test_every_argument_that_names_nodes_refuses_strangers(argument, call):
    with pytest.raises(UnknownNameError, match=f"`{argument}` names 'Q'"):
        call(DAG.from_string("X -> M -> Y"))


@pytest.mark.parametrize("kind", [DAG, PDAG, CPDAG, MPDAG, ADMG, MAG], ids=lambda kind: kind.__name__)
def test_an_edge_creates_no_node_that_nodes_lacks(kind):
    with pytest.raises(UnknownNameError, match="an edge names 'Z'"):
        kind([("X", "Z")], nodes=["X", "Y"])


# Treatment equals outcome, sets overlap: a ValueError that names them


@calls(*SEPARATING)
def test_a_node_is_not_separated_from_itself(g, method):
    with pytest.raises(GraphError, match="`x` and `y` must be disjoint, got 'X' in both") as caught:
        getattr(g, method)("X", ["Y", "X"])
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("names", "call"),
    [
        ("`x` and `given`", lambda g: g.is_separated("X", "Y", given=["M", "X"])),
        ("`y` and `given`", lambda g: g.is_separated("X", "Y", given="Y")),
        ("`x` and `given`", lambda g: g.separated_from("X", given="X")),
        ("`y` and `include`", lambda g: g.find_separator("X", "Y", include="Y")),
        ("`latent` and `selection`", lambda g: g.to_mag(latent="M", selection="M")),
    ],
)
def test_overlapping_sets_are_refused_by_name(names, call):
    with pytest.raises(GraphError, match=f"{names} must be disjoint"):
        call(DAG.from_string("X -> M -> Y"))


# Duplicate names, self-loops, parallel edges, matrices


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_a_repeated_node_is_refused(kind):
    with pytest.raises(GraphError, match="`nodes` must not repeat a node, got 'X' twice"):
        kind(nodes=["X", "Y", "X"])


@pytest.mark.parametrize("kind", [DAG, PDAG, CPDAG, MPDAG, ADMG, MAG], ids=lambda kind: kind.__name__)
def test_a_self_loop_is_refused(kind):
    with pytest.raises(GraphError, match="got the self-loop 'X' -> 'X'"):
        kind([("X", "X")])


@pytest.mark.parametrize(
    "make",
    [
        lambda: DAG([("X", "Y"), ("X", "Y")]),
        lambda: PDAG([("X", "Y")], [("X", "Y")]),
        lambda: MAG([("X", "Y")], [("Y", "X")]),
        lambda: PAG([("X", "o->", "Y"), ("Y", "o-o", "X")]),
        lambda: ADMG([("X", "Y"), ("X", "Y")]),
        lambda: ADMG(bidirected=[("X", "Y"), ("Y", "X")]),
    ],
    ids=["DAG", "PDAG", "MAG", "PAG", "ADMG directed", "ADMG bidirected"],
)
def test_parallel_edges_are_refused(make):
    with pytest.raises(GraphError, match="must not join the same two nodes"):
        make()


def test_a_bow_is_allowed_where_it_has_a_meaning():
    assert len(ADMG([("X", "Y")], [("X", "Y")]).bidirected_edges) == 1


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        ([[0, 1]], None, "must be a square matrix"),
        ([[0, 1], [0, 0]], ["X"], "must name the 2 rows"),
        ([[0, 0.5], [0, 0]], None, "must hold zeros and ones, got 0.5"),
        ([[0, np.nan], [0, 0]], None, "must hold zeros and ones, got nan"),
        ([[1, 0], [0, 0]], None, "self-loop 0 -> 0"),
        ([[0, 1], [0, 0]], ["X", "X"], "'X' twice"),
    ],
)
def test_matrices_that_are_no_graph_are_refused(matrix, names, message):
    with pytest.raises(GraphError, match=message):
        DAG.from_adjacency(matrix, names)


def test_the_direction_of_a_matrix_is_not_guessed():
    with pytest.raises(ValueError, match="'row_to_col' or 'col_to_row', got 'row'"):
        DAG.from_adjacency([[0, 1], [0, 0]], direction="row")


# Scores


@pytest.mark.parametrize(
    "score", [shd, mark_shd, sid, adjustment_distance, separation_distance], ids=lambda score: score.__name__
)
def test_scores_refuse_graphs_on_other_nodes_by_argument(score):
    small, large = DAG.from_string("X -> Y"), DAG.from_string("X -> Y -> Z")
    with pytest.raises(GraphError, match="got no 'Z' in `guess`"):
        score(large, small)
    with pytest.raises(GraphError, match="got no 'Z' in `truth`"):
        score(small, large)
    with pytest.raises(TypeError, match="must be a networkx graph, got str"):
        score(small, "X -> Y")


def test_an_order_must_hold_all_nodes():
    with pytest.raises(GraphError, match="got no 'Y' in `order`"):
        order_divergence(DAG.from_string("X -> Y"), ["X"])


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises((TypeError, ValueError), match="random_state must be"):
        CPDAG.from_string("X -- Y").sample_dags(1, random_state=seed)


# The errors themselves


def test_every_error_is_one_of_ours_and_one_of_pythons():
    errors = [
        error
        for error in vars(utils).values()
        if inspect.isclass(error) and issubclass(error, Exception) and not issubclass(error, Warning)
    ]
    assert len(errors) > 8
    for error in errors:
        assert issubclass(error, CausalRepError)
        if error is not CausalRepError:
            builtins = [base for base in error.__mro__ if base.__module__ == "builtins"]
            assert builtins[0] is not Exception
