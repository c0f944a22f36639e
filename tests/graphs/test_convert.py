import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from causalrep.graphs import CPDAG, DAG, PDAG
from causalrep.utils import CycleError, GraphError
from tests.strategies import dags, pdags

any_labels = st.text(max_size=4) | st.tuples(st.text(max_size=2), st.integers(-2, 0))


@given(dags(labels=any_labels))
def test_a_dag_survives_networkx_with_its_node_order(g):
    assert DAG.from_networkx(g.to_networkx()) == g
    assert DAG(g.to_networkx()).nodes == g.nodes


@given(pdags(labels=any_labels))
def test_a_pdag_survives_networkx_with_its_node_order(g):
    twin = PDAG.from_networkx(g.to_networkx())
    assert twin == g
    assert twin.nodes == g.nodes


def test_to_networkx_points_the_same_way():
    assert list(DAG.from_string("Z -> X -> Y").to_networkx().successors("Z")) == ["X"]


def test_an_undirected_networkx_graph_is_a_pdag_and_no_dag():
    graph = nx.Graph([("Y", "X"), ("Y", "Z")])
    assert PDAG.from_networkx(graph) == PDAG(undirected=[("X", "Y"), ("Y", "Z")])
    with pytest.raises(GraphError, match="must be directed"):
        DAG(graph)


def test_opposite_networkx_edges_are_a_cycle_in_a_dag():
    with pytest.raises(CycleError):
        DAG.from_networkx(nx.DiGraph([("X", "Y"), ("Y", "X")]))


def test_only_networkx_graphs_are_converted():
    with pytest.raises(TypeError, match="got list"):
        DAG.from_networkx([("X", "Y")])


def test_adjacency_rows_are_causes():
    A = np.zeros((3, 3))
    A[0, 1] = A[2, 1] = 1  # X -> Y <- Z
    g = DAG.from_adjacency(A, ["X", "Y", "Z"])
    assert g.directed_edges == {("X", "Y"), ("Z", "Y")}
    np.testing.assert_array_equal(g.to_adjacency(), A)
    assert g.to_adjacency().dtype == np.int8


def test_the_other_direction_has_to_be_asked_for():
    A = np.zeros((3, 3))
    A[0, 1] = A[2, 1] = 1
    g = DAG.from_adjacency(A, ["X", "Y", "Z"], direction="col_to_row")
    assert g.directed_edges == {("Y", "X"), ("Y", "Z")}
    np.testing.assert_array_equal(g.to_adjacency(direction="col_to_row"), A)


@given(pdags())
@pytest.mark.parametrize("direction", ["row_to_col", "col_to_row"])
def test_a_pdag_survives_its_adjacency_matrix(direction, g):
    A = g.to_adjacency(direction=direction)
    for matrix in (A, A.astype(bool), sparse.csr_array(A), A.tolist() if len(g) else A):
        assert PDAG.from_adjacency(matrix, g.nodes, direction=direction) == g


def test_a_symmetric_matrix_is_undirected_where_that_is_allowed():
    A = [[0, 1], [1, 0]]
    assert CPDAG.from_adjacency(A).undirected_edges == {(0, 1)}
    with pytest.raises(CycleError):
        DAG.from_adjacency(A)


@given(dags())
def test_powers_of_the_adjacency_matrix_find_the_ancestors(g):
    A = g.to_adjacency().astype(float)
    reach = np.linalg.inv(np.eye(len(g)) - A) if len(g) else A  # sum of powers; nilpotent, so exact enough
    for j, node in enumerate(g.nodes):
        assert g.ancestors(node) == {g.nodes[i] for i in range(len(g)) if i != j and reach[i, j] > 0.5}


def test_names_from_an_array_are_plain_python_labels():
    g = DAG.from_adjacency(np.eye(2, k=1), np.array(["X", "Y"]))
    assert [type(node) for node in g.nodes] == [str, str]


@pytest.mark.parametrize(
    ("A", "names", "message"),
    [
        (np.zeros((2, 3)), None, r"square matrix, got shape \(2, 3\)"),
        (np.zeros(4), None, "square"),
        (np.zeros((2, 2)), ["X"], "got 1 names"),
        ([[0, 0.3], [0, 0]], None, r"got 0.3 at \[0, 1\]"),
        ([[0, np.nan], [0, 0]], None, r"got nan at \[0, 1\]"),
        ([[0, 0], [-1, 0]], None, r"got -1 at \[1, 0\]"),
        ([[1, 0], [0, 0]], None, "self-loop 0 -> 0"),
        ([[0, 0], [0, 0]], ["X", "X"], "repeat a node"),
    ],
)
def test_a_matrix_that_is_no_graph_is_refused(A, names, message):
    with pytest.raises(GraphError, match=message):
        PDAG.from_adjacency(A, names)


def test_an_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="'row_to_col' or 'col_to_row', got 'rows'"):
        DAG.from_adjacency([[0]], direction="rows")
