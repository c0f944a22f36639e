import pytest
from hypothesis import example, given

from causalrep.graphs import DAG, PDAG
from causalrep.utils import GraphError, ParseError
from tests.strategies import dags, pdags


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
