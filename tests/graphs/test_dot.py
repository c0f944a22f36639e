import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from causalrep.graphs import DAG, PDAG
from causalrep.utils import GraphError, ParseError
from tests.strategies import dags, pags, pdags


@given(dags())
@example(DAG([("node", "digraph"), ('a"b', "\\"), ('\\"', "\\\\"), ("", "a\nb"), ("<b>", "1")]))
def test_a_dag_survives_the_round_trip_with_its_node_order(g):
    twin = DAG.from_dot(g.to_dot())
    assert twin == g
    assert twin.nodes == g.nodes


@given(pdags())
def test_a_pdag_survives_the_round_trip_with_its_node_order(g):
    twin = PDAG.from_dot(g.to_dot())
    assert twin == g
    assert twin.nodes == g.nodes


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("digraph G { A -> B -> C }", [("A", "B"), ("B", "C")]),
        ('strict digraph "my graph" {\n  rankdir=LR\n  A -> B\n  B -> C\n}\n', [("A", "B"), ("B", "C")]),
        ("DiGraph { A -> {B C} -> D; }", [("A", "B"), ("A", "C"), ("B", "D"), ("C", "D")]),
        ("digraph { subgraph cluster_0 { label=x; A -> B } B -> C }", [("A", "B"), ("B", "C")]),
        ("digraph { subgraph { A; { B } } -> C }", [("A", "C"), ("B", "C")]),
        ("digraph { A -> B [dir=back] }", [("B", "A")]),
        ("digraph { edge [dir=back]; A -> B; B -> C [dir=forward, color=red] }", [("B", "A"), ("B", "C")]),
        ("digraph { { edge [dir=back] A -> B } C -> D }", [("B", "A"), ("C", "D")]),
        ("digraph { A:port:n -> B:s }", [("A", "B")]),
        ("digraph { A [label=<<b>x</b> -&gt; y>]; A -> B /* A -> C */ // A -> D\n# A -> E\n}", [("A", "B")]),
        ('digraph { A [shape=box][color="red;"] A -> "B C"; }', [("A", "B C")]),
        ('digraph { "a" + "b" -> "c\\\nd" [label="x" + "y"] }', [("ab", "cd")]),
        ("digraph { 1 -> 2.5 -> -3 }", [(1, "2.5"), ("2.5", -3)]),
        ("\ufeffdigraph { größe -> 年齢 }", [("größe", "年齢")]),
        ("graph { A -- B [dir=forward] }", [("A", "B")]),
        ("digraph {}", []),
    ],
)
def test_the_language_means_these_edges(text, edges):
    assert DAG.from_dot(text).directed_edges == set(edges)


@pytest.mark.parametrize(
    "text",
    [
        "graph { A -- B }",
        "digraph { A -> B [dir=none] }",
        "digraph { A -> B [dir=both, arrowhead=none, arrowtail=none] }",
    ],
)
def test_an_edge_without_arrowheads_is_undirected(text):
    assert PDAG.from_dot(text).undirected_edges == {("A", "B")}


def test_nodes_come_in_order_of_first_appearance():
    assert DAG.from_dot("digraph { C; A -> B; D }").nodes == ("C", "A", "B", "D")


def test_deep_nesting_needs_no_recursion():
    depth = 5_000
    assert DAG.from_dot("digraph " + "{" * depth + "A -> B" + "}" * depth).nodes == ("A", "B")


def test_text_is_never_evaluated():
    text = 'digraph { A [label="__import__(\'os\').abort()"]; A -> "{1/0}" }'
    assert DAG.from_dot(text).nodes == ("A", "{1/0}")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "expected 'digraph' or 'graph'"),
        ("digraph { A -> B", 1, 17, "expected a name, got the end"),
        ("digraph {\n A -> ;\n}", 2, 4, "expected a node after the edge"),
        ("digraph { -> A }", 1, 11, "expected a node before '->'"),
        ("digraph { A -- B }", 1, 13, "are written '->'"),
        ("digraph { A -> B } x", 1, 20, "expected the end"),
        ('digraph { A -> "B }', 1, 16, "has no end"),
        ("digraph {\n A -> B [dir=none]\n}", 2, 4, "a DAG has no edge '--'"),
        ("graph { A -- B }", 1, 11, "a DAG has no edge '--'"),
        ("digraph { A [x=] }", 1, 16, "expected a name"),
        ('digraph { "A" + B }', 1, 17, "expected a text in quotes after '+'"),
        ("digraph { A ! B }", 1, 13, "'!' is not understood"),
    ],
)
def test_a_mistake_is_located(text, line, column, message):
    with pytest.raises(ParseError) as caught:
        DAG.from_dot(text)
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_label_that_text_cannot_carry_points_to_json():
    with pytest.raises(GraphError, match="to_json"):
        DAG([(("X", -1), "Y")]).to_dot()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pydot calls pyparsing by older names
@settings(max_examples=15)
@given(pags(labels=st.text("abX Y", min_size=1, max_size=3), max_nodes=4))
def test_pydot_reads_the_same_edges_and_marks(g):
    pydot = pytest.importorskip("pydot")
    (theirs,) = pydot.graph_from_dot_data(g.to_dot())
    shapes = {"normal": "arrow", "odot": "circle", "none": "tail"}
    edges = {}
    for edge in theirs.get_edges():
        u, v = edge.get_source().strip('"'), edge.get_destination().strip('"')
        found = edge.get_attributes()
        alone = {"none": ("none", "none"), None: ("none", "normal")}.get(found.get("dir"))
        tail, head = alone or (found["arrowtail"], found["arrowhead"])
        edges[u, v] = shapes[tail], shapes[head]
    assert edges == {(u, v): (g.mark(v, u), g.mark(u, v)) for u, _, v in g.edges}


def test_attributes_are_numbers_truth_values_or_texts():
    g = DAG.from_dot(
        "digraph { node [shape=box]; A -> B [w=1.0]; "
        'A [pos="1,2.5", w=-.5, n=3, flag=true, note="3", latent=true] }'
    )
    assert g.latent == {"A"}
    assert g.attributes.nodes == {"A": {"pos": (1.0, 2.5), "w": -0.5, "n": 3, "flag": True, "note": "3"}}
    assert type(g.attributes.nodes["A"]["n"]) is int
    assert g.attributes.edges == {("A", "->", "B"): {"w": 1.0}}


def test_the_attributes_that_say_marks_are_not_free():
    g = DAG.from_string("A -> B").with_attributes(edges={("A", "B"): {"dir": "back"}})
    with pytest.raises(GraphError, match="to_dot uses the attribute 'dir' itself"):
        g.to_dot()
