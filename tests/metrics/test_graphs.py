import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import DAG, PDAG
from causalrep.metrics import arrowhead_scores, shd, skeleton_scores
from causalrep.utils import GraphError
from tests.strategies import pdags


@st.composite
def two_graphs(draw):
    """Two PDAGs on the same nodes, the second in another node order."""
    first, second = draw(pdags(labels=st.integers(0, 9))), draw(pdags(labels=st.integers(0, 9)))
    nodes = sorted({*first.nodes, *second.nodes})
    other_order = draw(st.permutations(nodes))
    return (
        PDAG(first.directed_edges, first.undirected_edges, nodes),
        PDAG(second.directed_edges, second.undirected_edges, other_order),
    )


def matrices(truth, guess):
    names = list(truth.nodes)
    order = [guess.nodes.index(node) for node in names]
    return truth.to_adjacency().astype(int), guess.to_adjacency().astype(int)[np.ix_(order, order)]


@given(two_graphs())
def test_shd_counts_the_pairs_whose_matrix_entries_differ(graphs):
    A, B = matrices(*graphs)
    differs = (A != B) | (A.T != B.T)
    assert shd(*graphs) == np.triu(differs).sum()


@given(two_graphs())
def test_a_reversed_edge_counts_twice_only_on_request(graphs):
    A, B = matrices(*graphs)
    n_reversed = ((A > A.T) & (B < B.T)).sum()
    assert shd(*graphs, count_reversed_twice=True) - shd(*graphs) == n_reversed


@given(two_graphs())
def test_shd_is_symmetric_and_zero_iff_the_graphs_are_equal(graphs):
    truth, guess = graphs
    assert shd(truth, guess) == shd(guess, truth)
    assert (shd(truth, guess) == 0) == (truth == guess)


@pytest.mark.parametrize(
    ("guess", "once", "twice"),
    [
        ("X -> Y; Y -> Z", 0, 0),
        ("X -> Y; Z", 1, 1),
        ("X -> Y; Y -> Z; X -> Z", 1, 1),
        ("Y -> X; Y -> Z", 1, 2),
        ("X -- Y; Y -> Z", 1, 1),
        ("X -> Z; Y", 3, 3),
    ],
)
def test_shd_of_single_changes(guess, once, twice):
    truth = DAG.from_string("X -> Y -> Z")
    assert shd(truth, PDAG.from_string(guess)) == once
    assert shd(truth, PDAG.from_string(guess), count_reversed_twice=True) == twice


@given(two_graphs())
def test_scores_are_those_of_the_matrices(graphs):
    A, B = matrices(*graphs)
    for scores, true, guessed in (
        (skeleton_scores(*graphs), np.triu(A | A.T), np.triu(B | B.T)),
        (arrowhead_scores(*graphs), A & (1 - A.T), B & (1 - B.T)),
    ):
        assert scores.n_common == (true & guessed).sum()
        assert (scores.n_true, scores.n_guessed) == (true.sum(), guessed.sum())


def test_precision_and_recall_are_not_exchanged():
    truth, guess = DAG.from_string("A -> B -> C -> D"), PDAG.from_string("A -> B; C; B -- D")
    skeleton, arrows = skeleton_scores(truth, guess), arrowhead_scores(truth, guess)
    assert (skeleton.precision, skeleton.recall) == (1 / 2, 1 / 3)
    assert skeleton.f1 == pytest.approx(2 / (2 + 3))
    assert (arrows.precision, arrows.recall, arrows.f1) == (1.0, 1 / 3, 0.5)


@pytest.mark.parametrize(
    ("truth", "guess", "expected"),
    [("X; Y", "X; Y", (1, 1, 1)), ("X -> Y", "X; Y", (1, 0, 0)), ("X; Y", "X -> Y", (0, 1, 0))],
)
def test_scores_of_empty_graphs_are_numbers(truth, guess, expected):
    scores = skeleton_scores(DAG.from_string(truth), DAG.from_string(guess))
    assert (scores.precision, scores.recall, scores.f1) == expected


def test_networkx_graphs_are_accepted():
    assert shd(nx.DiGraph([("X", "Y")]), DAG([("Y", "X")])) == 1


@pytest.mark.parametrize("score", [shd, skeleton_scores, arrowhead_scores])
def test_graphs_on_other_nodes_are_refused(score):
    with pytest.raises(GraphError, match="got no 'Z' in `guess`"):
        score(DAG.from_string("X -> Y -> Z"), DAG.from_string("X -> Y"))
    with pytest.raises(GraphError, match="got no 'W' in `truth`"):
        score(DAG.from_string("X -> Y"), DAG.from_string("X -> Y; W"))
