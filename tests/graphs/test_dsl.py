import pytest
from hypothesis import example, given

from causalrep.graphs import CPDAG, DAG, PDAG
from causalrep.utils import GraphError, ParseError
from tests.strategies import dags, pdags


@given(dags())
@example(DAG([("o", "o-"), ("", "a\nb"), ("Z", "\\"), ('"', "'"), ("x.1", "#")]))
@example(DAG([("Y", "A")], nodes=["A", "Y"]))
@example(DAG([(1, "1"), (-1, 1)]))
def test_a_dag_survives_the_round_trip_with_its_node_order(g):
    twin = DAG.from_string(g.to_string())
    assert twin == g
    assert twin.nodes == g.nodes


@given(pdags())
def test_a_pdag_survives_the_round_trip_with_its_node_order(g):
    twin = PDAG.from_string(g.to_string())
    assert twin == g
    assert twin.nodes == g.nodes


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("Z -> X -> M -> Y; Z -> Y", [("Z", "X"), ("X", "M"), ("M", "Y"), ("Z", "Y")]),
        ("Y <- X <- Z", [("X", "Y"), ("Z", "X")]),
        ("A->B<-C", [("A", "B"), ("C", "B")]),
        ("{A, B} -> {C D}", [("A", "C"), ("A", "D"), ("B", "C"), ("B", "D")]),
        ("A -> {B C} -> D", [("A", "B"), ("A", "C"), ("B", "D"), ("C", "D")]),
        ("A -> B\nB -> C  # why\n\n;", [("A", "B"), ("B", "C")]),
        ("A ->\n  B\n  -> C", [("A", "B"), ("B", "C")]),
        (r""""blood pressure" -> 'a "b" \'c\'' """, [("blood pressure", "a \"b\" 'c'")]),
        ("größe -> 年齢 -> x.1_b", [("größe", "年齢"), ("年齢", "x.1_b")]),
        ("0 -> 1; '2' -> -3", [(0, 1), ("2", -3)]),
        ("", []),
    ],
)
def test_the_notation_means_these_edges(text, edges):
    assert DAG.from_string(text).directed_edges == set(edges)


def test_a_node_alone_is_a_statement_and_fixes_the_order():
    assert DAG.from_string("Y; W; X -> Y").nodes == ("Y", "W", "X")


def test_a_line_breaks_in_a_quoted_name_does_not_end_the_statement():
    assert DAG.from_string('"a\nb" -> C').nodes == ("a\nb", "C")


def test_undirected_edges_belong_to_types_that_have_them():
    assert PDAG.from_string("X -- Y -> Z").undirected_edges == {("X", "Y")}
    assert CPDAG.from_string("X -- Y").undirected_edges == {("X", "Y")}


def test_text_is_readable():
    g = DAG([("Z", "X"), ("X", "Y"), ("Z", "Y"), ("Z", "blood pressure")])
    assert g.to_string() == 'Z -> X; Z -> Y; X -> Y; Z -> "blood pressure"'


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("X -> ", 1, 6, "expected a node, got the end"),
        ("X -> Y\nY -> -> Z", 2, 6, "expected a node, got '->'"),
        ("X Y", 1, 3, "expected an edge or ';', got 'Y'"),
        ("X -> Y\n  Z = 3", 2, 5, "'=' is not understood"),
        ("X -> 2b", 1, 6, "'2' is not understood"),
        ('A;\n\n "b', 3, 2, "has no end"),
        ("X -> {Y Z", 1, 10, "expected a node, got the end"),
        ("X -> Y -- Z", 1, 8, "a DAG has no edge '--', only '->'"),
        ("X -> Y; Y <-> Z", 1, 11, "a DAG has no edge '<->'"),
        ("X o-> Y", 1, 3, "a DAG has no edge 'o->'"),
        ("X <-o Y", 1, 3, "a DAG has no edge '<-o'"),
    ],
)
def test_a_mistake_is_located(text, line, column, message):
    with pytest.raises(ParseError) as caught:
        DAG.from_string(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert message in str(caught.value)


def test_an_arrow_may_touch_a_name_that_begins_or_ends_with_o():
    assert DAG.from_string("foo->X<-old").directed_edges == {("foo", "X"), ("old", "X")}


def test_an_edge_between_undirected_graph_types_is_refused_even_if_it_parses():
    with pytest.raises(GraphError, match="self-loop"):
        DAG.from_string("X -> X")


@pytest.mark.parametrize("label", [("X", -1), 2.5, None, True])
def test_a_label_that_text_cannot_carry_points_to_json(label):
    with pytest.raises(GraphError, match="to_json"):
        DAG([(label, "Y")]).to_string()


def test_only_text_is_parsed():
    with pytest.raises(TypeError, match="got int"):
        DAG.from_string(3)
