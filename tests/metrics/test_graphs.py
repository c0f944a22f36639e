import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG, MAG, PAG, PDAG
from causalrep.metrics import arrowhead_scores, mark_shd, order_divergence, shd, skeleton_scores
from causalrep.utils import GraphError
from tests.strategies import dags, pdags


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
    assert shd(nx.DiGraph([("X", "Y"), ("Y", "X")]), PDAG(undirected=[("X", "Y")])) == 0
    assert shd(nx.Graph([("X", "Y")]), nx.DiGraph([("X", "Y")])) == 1


KINDS = ["->", "<-", "<->", "o->", "<-o", "o-o", "--", "o--", "--o"]


@pytest.mark.parametrize("one", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_whole_edges_and_marks_of_every_kind(one, other):
    g, h = PAG([("X", one, "Y")], nodes="XYZ"), PAG([("X", other, "Y")], nodes="ZYX")
    ends = str.maketrans({"<": ">"})
    n_marks = sum(
        a.translate(ends) != b.translate(ends) for a, b in ((one[0], other[0]), (one[-1], other[-1]))
    )
    assert mark_shd(g, h) == n_marks
    assert shd(g, h) == (n_marks > 0)
    assert shd(g, h, count_reversed_twice=True) == (n_marks > 0) + ({one, other} == {"->", "<-"})
    assert mark_shd(g, PAG([("Y", other, "Z")], nodes="XYZ")) == 4


@given(two_graphs())
def test_marks_differ_where_the_entries_of_the_matrices_do(graphs):
    # The mark at j of an edge i, j is a tail if A[j, i], else an arrow if A[i, j]; else there is no edge.
    A, B = (np.where(matrix.T, 2, matrix) for matrix in matrices(*graphs))
    assert mark_shd(*graphs) == (A != B).sum()


def test_a_bow_is_one_pair_with_two_edges():
    bow, plain = ADMG([("X", "Y")], [("X", "Y")]), ADMG([("X", "Y")])
    assert shd(bow, plain) == shd(bow, ADMG(bidirected=[("X", "Y")])) == 1
    assert mark_shd(bow, plain) == 1  # at X there is an arrowhead too; at Y there are arrowheads in both
    assert mark_shd(bow, ADMG(nodes="XY")) == 2


def test_arrowheads_of_bidirected_edges_count():
    truth, guess = MAG(directed=[("X", "Y")], nodes="XY"), MAG(bidirected=[("X", "Y")])
    scores = arrowhead_scores(truth, guess)
    assert (scores.n_common, scores.n_guessed, scores.n_true) == (1, 2, 1)


@given(dags(min_nodes=1, max_nodes=6), st.data())
def test_equivalent_graphs_have_no_distance_up_to_equivalence(g, data):
    member = data.draw(st.sampled_from(list(g.to_cpdag().dags(limit=8))))
    assert shd(g, member, up_to_equivalence=True) == 0
    for u, v in g.directed_edges:
        fewer = DAG([edge for edge in g.directed_edges if edge != (u, v)], nodes=g.nodes)
        assert shd(g, fewer, up_to_equivalence=True) == shd(member.to_cpdag(), fewer.to_cpdag()) > 0


def test_only_classes_of_dags_are_compared_up_to_equivalence():
    with pytest.raises(GraphError, match="`guess` must be a DAG or partially directed, got PAG"):
        shd(DAG.from_string("X -> Y"), PAG([("X", "o-o", "Y")]), up_to_equivalence=True)


@given(dags(max_nodes=7), st.data())
def test_order_divergence_counts_the_edges_that_point_back(g, data):
    order = data.draw(st.permutations(g.nodes))
    backwards = [(u, v) for u, v in g.directed_edges if order.index(u) > order.index(v)]
    assert order_divergence(g, order) == len(backwards)
    assert order_divergence(g, order[::-1]) == len(g.directed_edges) - len(backwards)
    assert order_divergence(g, g) == order_divergence(g, g.topological_order()) == 0


def test_an_order_holds_every_node_once():
    g = DAG.from_string("X -> Y")
    with pytest.raises(GraphError, match="got no 'Y' in `order`"):
        order_divergence(g, ["X"])
    with pytest.raises(GraphError, match="'X' twice"):
        order_divergence(g, ["X", "Y", "X"])


@pytest.mark.parametrize("score", [shd, mark_shd, skeleton_scores, arrowhead_scores])
def test_graphs_on_other_nodes_are_refused(score):
    with pytest.raises(GraphError, match="got no 'Z' in `guess`"):
        score(DAG.from_string("X -> Y -> Z"), DAG.from_string("X -> Y"))
    with pytest.raises(GraphError, match="got no 'W' in `truth`"):
        score(DAG.from_string("X -> Y"), DAG.from_string("X -> Y; W"))
