import networkx as nx
import pytest
from hypothesis import given

from causalrep.graphs import ADMG, DAG, PAG, PDAG
from causalrep.utils import GraphError, ParseError
from tests.strategies import admgs, dags


@given(dags())
def test_networkx_reads_the_same_graph(g):
    label = None if any(isinstance(node, str) and node.isdigit() for node in g.nodes) else "label"
    theirs = nx.parse_gml(g.to_gml(), label=label)
    names = dict(theirs.nodes(data="label")) if label is None else {node: node for node in theirs}
    assert [names[node] for node in theirs] == list(g.nodes)
    assert {(names[u], names[v]) for u, v in theirs.edges} == g.directed_edges


@given(admgs(latent=True))
def test_networkx_reads_the_kinds_of_edges(g):
    theirs = nx.parse_gml(g.to_gml(), label="id")
    edges = {(g.nodes[u], g.nodes[v]) for u, v, kind in theirs.edges(data="kind") if kind == "<->"}
    assert edges == g.bidirected_edges
    assert theirs.number_of_edges() == len(g.directed_edges) + len(g.bidirected_edges)


@given(dags())
def test_what_networkx_writes_is_read(g):
    theirs = nx.relabel_nodes(
        g.to_networkx(), {node: f"n{node}" for node in g.nodes if isinstance(node, int)}
    )
    assert DAG.from_gml("\n".join(nx.generate_gml(theirs))) == DAG(theirs)


def test_the_language_is_read():
    text = """
    Creator "me"   # a comment
    Version 1
    graph
    [ comment "a [ b" directed 1
      node [ id 3 label "&lt;a &#228; &quot;b&quot; &unknown;" graphics [ x 1 y 2 type "circle" ] ]
      node [ id 1 latent 1 w -1.5E-3 ]
      edge [ target 3 source 1 kind "->" weight +2 list 1 list "two" ] ]
    """
    g = DAG.from_gml(text)
    name = '<a ä "b" &unknown;'
    assert g.nodes == (name, 1)
    assert g.directed_edges == {(1, name)}
    assert g.latent == {1}
    assert g.attributes.nodes == {1: {"w": -0.0015}}
    assert g.attributes.edges == {(1, "->", name): {"weight": 2, "list": (1, "two")}}


def test_an_undirected_graph_is_a_pdag():
    text = "graph [ node [ id 0 ] node [ id 1 ] edge [ source 0 target 1 ] ]"
    assert PDAG.from_gml(text).undirected_edges == {(0, 1)}
    with pytest.raises(ParseError, match="a DAG has no edge '--'"):
        DAG.from_gml(text)


def test_the_text_is_ascii():
    assert DAG.from_string('"größe\n&" -> "\U0001f600"').to_gml().isascii()


def test_circles_are_said():
    assert 'kind "o->"' in PAG.from_string("X o-> Y").to_gml()
    assert "multigraph 1" in ADMG.from_string("X -> Y; X <-> Y").to_gml()


def test_deep_nesting_needs_no_recursion():
    assert DAG.from_gml("graph [ " + "a [ " * 5_000 + "]" * 5_001).nodes == ()


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "expected one 'graph', got 0"),
        ("graph [\n node [ label 1 ] ]", 2, 2, "must have the key 'id'"),
        ("graph [ node [ id 1 ]", 1, 1, "the list of 'graph' has no end ']'"),
        ("graph [ node [ id 1 ] node [ id 1 ] ]", 1, 23, "the node 1 is stated twice"),
        ("graph [ edge [ source 1 target 2 ] ]", 1, 9, "no node with the id 1"),
        ("graph [ directed 1 node [ id 1.5 ] ]", 1, 20, "must be a text or an integer, got 1.5"),
        ("graph [ node [ id ] ]", 1, 19, "expected a value, got ']'"),
        ("graph [ 3 ]", 1, 9, "expected a key, got '3'"),
        ('graph [ node [ id 0 ] edge [ source 0 target 0 kind "x" ] ]', 1, 48, "such as '->', got 'x'"),
        ('graph [ node [ id "0 ] ]', 1, 19, "has no end"),
    ],
)
def test_a_mistake_is_located(text, line, column, message):
    with pytest.raises(ParseError) as caught:
        DAG.from_gml(text)
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("attributes", [{"a b": 1}, {"label": "x"}, {"t": (1,)}, {"t": ((1, 2), 3)}])
def test_what_gml_cannot_say_is_refused(attributes):
    with pytest.raises(GraphError, match="to_gml"):
        DAG(nodes=["X"]).with_attributes({"X": attributes}).to_gml()
