import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, PAG, PDAG
from causalrep.utils import CycleError, GraphError
from tests.strategies import dags, pags, pdags

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


MARKS_OF_OTHERS = {
    # written: causal-learn's [i, j] and [j, i], pcalg's amat.pag [i, j] and [j, i], of X at i and Y at j
    "->": ((-1, 1), (2, 3)),
    "<->": ((1, 1), (2, 2)),
    "--": ((-1, -1), (3, 3)),
    "o->": ((2, 1), (2, 1)),
    "o-o": ((2, 2), (1, 1)),
    "o--": ((2, -1), (3, 1)),
}


@pytest.mark.parametrize("kind", MARKS_OF_OTHERS)
def test_the_marks_stand_where_the_other_libraries_put_them(kind):
    g = PAG([("X", kind, "Y")])
    theirs, pcalg = MARKS_OF_OTHERS[kind]
    np.testing.assert_array_equal(g.to_causallearn(), [[0, theirs[0]], [theirs[1], 0]])
    np.testing.assert_array_equal(g.to_pcalg(), [[0, pcalg[0]], [pcalg[1], 0]])
    assert PAG.from_causallearn(g.to_causallearn(), ["X", "Y"]) == g
    assert PAG.from_pcalg(g.to_pcalg(), ["X", "Y"]) == g


def test_pcalg_writes_the_cause_in_the_column_where_edges_are_directed():
    assert DAG.from_pcalg([[0, 0], [1, 0]], ["X", "Y"]) == DAG.from_string("X -> Y")
    assert PDAG.from_pcalg([[0, 1, 0], [1, 0, 1], [0, 0, 0]], "XYZ") == PDAG.from_string("X -- Y <- Z")


@given(pags(labels=st.text(st.characters(categories=["L"]), min_size=1, max_size=3), max_nodes=5))
def test_causal_learn_holds_the_same_matrix(g):
    edges = [edge[:3] for edge in g._draft().edges]
    g = PAG([edge for edge in edges if edge[1] != "o--"], nodes=g.nodes)  # its add_edge passes over those
    theirs = general_graph(g)
    np.testing.assert_array_equal(g.to_causallearn(), theirs.graph)
    assert PAG.from_causallearn(theirs) == g


def test_causal_learn_holds_the_same_matrix_of_a_bow():
    g = ADMG.from_string("X -> Y <-> X; Y -> Z; W <-> Z <- W")
    np.testing.assert_array_equal(g.to_causallearn(), general_graph(g).graph)
    assert ADMG.from_causallearn(general_graph(g)) == g


def general_graph(g):
    from causallearn.graph.Edge import Edge
    from causallearn.graph.Endpoint import Endpoint
    from causallearn.graph.GeneralGraph import GeneralGraph
    from causallearn.graph.GraphNode import GraphNode

    nodes = {node: GraphNode(node) for node in g.nodes}
    found = GeneralGraph(list(nodes.values()))
    ends = {"<": Endpoint.ARROW, ">": Endpoint.ARROW, "-": Endpoint.TAIL, "o": Endpoint.CIRCLE}
    for u, kind, v, _ in g._draft().edges:
        found.add_edge(Edge(nodes[u], nodes[v], ends[kind[0]], ends[kind[-1]]))
    return found


@pytest.mark.parametrize(
    ("read", "matrix", "message"),
    [
        (PAG.from_causallearn, [[0, 7], [1, 0]], r"got 7 at \[0, 1\] and 1 at \[1, 0\]"),
        (PAG.from_causallearn, [[0, 1], [0, 0]], r"got 1 at \[0, 1\] and 0 at \[1, 0\]"),
        (PAG.from_pcalg, [[0, 2], [0, 0]], r"got 2 at \[0, 1\] and 0 at \[1, 0\]"),
        (DAG.from_causallearn, [[0, 1], [1, 0]], "a DAG has no edge 0 <-> 1"),
        (ADMG.from_pcalg, [[0, 1], [1, 0]], "an? ADMG has no edge 0 o-o 1"),
        (MAG.from_pcalg, [[2]], "self-loop"),
        (MAG.from_pcalg, [[0, 2]], "square"),
    ],
)
def test_a_matrix_of_marks_that_is_no_graph_is_refused(read, matrix, message):
    with pytest.raises(GraphError, match=message):
        read(matrix)


@pytest.mark.parametrize("g", [ADMG.from_string("X <-> Y"), PAG.from_string("X o-o Y")])
def test_marks_that_an_adjacency_matrix_cannot_say_are_not_dropped(g):
    with pytest.raises(GraphError, match="got others"):
        g.to_adjacency()


def test_an_admg_is_a_pair_or_a_multigraph_of_networkx():
    g = ADMG.from_string("X -> Y; X <-> Y; Z -> X")
    pair = nx.DiGraph([("X", "Y"), ("Z", "X")]), nx.Graph([("Y", "X")])
    assert ADMG.from_networkx(pair) == g
    assert isinstance(g.to_networkx(), nx.MultiDiGraph)
    assert sorted(g.to_networkx().edges(data="kind")) == [
        ("X", "Y", "->"),
        ("X", "Y", "<->"),
        ("Z", "X", "->"),
    ]


def test_networkx_attributes_that_are_plain_are_kept_and_objects_dropped():
    graph = nx.DiGraph()
    graph.add_node("U", latent=True, weight=np.float64(2), thing=object(), gap=float("nan"), place=(1, None))
    graph.add_node("X", latent=False, pos=np.zeros(2), outcome="what others call so")
    graph.add_edge("U", "X", beta=0.5)
    g = DAG.from_networkx(graph)
    assert g.latent == DAG(graph).latent == {"U"}
    assert DAG(graph, latent="X").latent == {"X"}
    assert g.attributes.nodes == {"U": {"weight": 2.0}, "X": {"outcome": "what others call so"}}
    assert g.attributes.edges == {("U", "->", "X"): {"beta": 0.5}}


@pytest.mark.parametrize(
    ("cls", "kind", "message"),
    [(DAG, "<->", "a DAG has no edge"), (PAG, "=>", "must be written like '->'")],
)
def test_an_unknown_kind_in_networkx_is_refused(cls, kind, message):
    graph = nx.MultiDiGraph()
    graph.add_edge("X", "Y", kind=kind)
    with pytest.raises(GraphError, match=message):
        cls.from_networkx(graph)
