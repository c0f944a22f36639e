import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG, PAG, PDAG
from causalrep.utils import GraphError, ParseError
from tests.strategies import admgs, dags

names = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=5)


@given(dags(labels=names))
def test_networkx_reads_the_same_graph(g):
    theirs = nx.parse_graphml(g.to_graphml())
    assert list(theirs.nodes) == list(g.nodes)
    assert set(theirs.edges) == g.directed_edges


@given(admgs(labels=names))
def test_networkx_reads_the_kinds_of_edges(g):
    theirs = nx.parse_graphml(g.to_graphml(), force_multigraph=True)
    assert {(u, v) for u, v, kind in theirs.edges(data="kind") if kind == "<->"} == g.bidirected_edges
    assert {(u, v) for u, v, kind in theirs.edges(data="kind") if kind is None} == g.directed_edges


@given(dags(labels=names))
def test_what_networkx_writes_is_read(g):
    theirs = g.to_networkx()
    nx.set_node_attributes(theirs, {node: {"w": 0.5, "n": 3, "flag": True, "s": "a <b>"} for node in g.nodes})
    nx.set_edge_attributes(theirs, {edge: {"beta": 1.5} for edge in theirs.edges})
    twin = DAG.from_graphml("\n".join(nx.generate_graphml(theirs)))
    assert twin == g
    assert twin.attributes == DAG.from_networkx(theirs).attributes


HEAD = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">'


def test_the_language_is_read():
    text = f"""<?xml version="1.0" encoding="ISO-8859-1"?> {HEAD}
    <!-- declared as Latin-1, but here it is a str -->
    <key id="g" for="node" yfiles.type="nodegraphics"/>
    <key id="w" for="all" attr.name="weight" attr.type="double"><default>1.5</default></key>
    <key id="r" for="node" attr.name="exposure" attr.type="boolean"/>
    <graph edgedefault="directed">
      <node id="größe &#x1F600;"><data key="g"><y:Shape><y:Fill/></y:Shape></data><port name="p"/></node>
      <node id="B"><data key="w"> 2 </data><data key="r">true</data></node>
      <edge source="B" target="größe 😀"/>
    </graph></graphml>"""
    g = DAG.from_graphml(text)
    assert g == DAG([("B", "größe 😀")])
    assert g.attributes.nodes == {"größe 😀": {"weight": 1.5}, "B": {"weight": 2.0, "exposure": True}}
    assert g.attributes.edges == {("B", "->", "größe 😀"): {"weight": 1.5}}


def test_edges_may_be_directed_one_by_one():
    nodes = '<node id="A"/><node id="B"/><node id="C"/>'
    text = f"""{HEAD}<graph edgedefault="undirected">{nodes}<edge source="A" target="B"/>
        <edge source="B" target="C" directed="true"/></graph></graphml>"""
    assert PDAG.from_graphml(text) == PDAG.from_string("A -- B -> C")


def test_integers_stay_integers_beside_texts_that_look_alike():
    g = PAG.from_string("1 o-> '1'; '1_' o-o 1")
    twin = PAG.from_graphml(g.to_graphml())
    assert twin == g
    assert twin.nodes == g.nodes


def body(content):
    return f"<graphml>\n<graph edgedefault='directed'>\n{content}</graph></graphml>"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "not XML: no element found"),
        ("<graphml>\n<graph>", 2, "not XML"),
        ("<gml/>", 1, "expected the element <graphml>, got <gml>"),
        ("<graphml/>", 1, "expected one <graph> in <graphml>, got 0"),
        (body("<node/>"), 3, "must have the attribute 'id'"),
        (body("<node id='a'/>\n<node id='a'/>"), 4, "stated twice"),
        (body("<edge source='a' target='a'/>"), 3, "no node with the id 'a'"),
        (body("<node id='a'><data key='k'/></node>"), 3, "no <key> with the id 'k'"),
        (body("<hyperedge/>"), 3, "hyperedges and nested graphs"),
        (body("<node id='a'><graph/></node>"), 3, "hyperedges and nested graphs"),
        (
            body("<node id='a'/><node id='b'/>\n<edge source='a' target='b' directed='false'/>"),
            4,
            "no edge '--'",
        ),
        ("<!DOCTYPE graphml SYSTEM 'http://x/y.dtd'>\n<graphml/>", 1, "document types are not read"),
        ("<!DOCTYPE g [\n<!ENTITY a 'b'>]><graphml/>", 1, "are not read"),
        ("<graphml>&a;</graphml>", 1, "undefined entity"),
    ],
)
def test_a_mistake_is_located(text, line, message):
    with pytest.raises(ParseError) as caught:
        DAG.from_graphml(text)
    assert message in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "1.5"),
        ("double", "nan"),
        ("double", "1e999"),
        ("boolean", "yes"),
        ("long", "9" * 5_000),
        ("date", "x"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_refused(kind, text):
    key = f'<key id="k" for="node" attr.name="w" attr.type="{kind}"/>'
    with pytest.raises(ParseError, match=f"expected a value of the type '{kind}'"):
        DAG.from_graphml(
            f'<graphml>{key}<graph><node id="a"><data key="k">{text}</data></node></graph></graphml>'
        )


def test_a_billion_laughs_are_refused():
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    with pytest.raises(ParseError, match="not read"):
        DAG.from_graphml(f'<!DOCTYPE g [<!ENTITY l0 "ha">{entities}]><graphml>&l9;</graphml>')


def test_deep_nesting_needs_no_recursion():
    deep = "<a>" * 50_000 + "</a>" * 50_000
    assert DAG.from_graphml(f"<graphml><graph/>{deep}</graphml>").nodes == ()


@pytest.mark.parametrize("label", ["a\0", "\ud800", "\uffff"])
def test_a_character_that_xml_forbids_is_named(label):
    with pytest.raises(GraphError, match=rf"to_graphml cannot write the character U\+{ord(label[-1]):04X}"):
        ADMG(nodes=[label]).to_graphml()
