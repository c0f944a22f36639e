import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from causalrep.graphs import DAG, BayesNet
from causalrep.utils import CycleError, GraphError, ParseError

FORMATS = ["bif", "xmlbif", "net"]
NETWORKS = Path(__file__).resolve().parents[3] / "shared" / "data" / "bnlearn_networks"

# XML cannot hold most control characters; all else must survive, also in names.
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=6)


def read(kind, text):
    return getattr(BayesNet, f"from_{kind}")(text)


def write(kind, net):
    return getattr(net, f"to_{kind}")()


def assert_equal(one, other):
    assert one.names == other.names
    assert one.states == other.states
    assert one.parents == other.parents
    assert one.tables.keys() == other.tables.keys()
    for name in one.tables:
        np.testing.assert_array_equal(one.tables[name], other.tables[name])


@st.composite
def nets(draw):
    """Networks with tables of rounded random numbers; some variables have none."""
    nodes = draw(st.lists(names, max_size=4, unique=True))
    states = {node: draw(st.lists(names, min_size=1, max_size=3, unique=True)) for node in nodes}
    parents = {
        node: draw(st.lists(st.sampled_from(nodes[:i]), unique=True, max_size=2)) if i else []
        for i, node in enumerate(nodes)
    }
    seed = draw(st.integers(0, 99))
    tables = {}
    for node in draw(st.lists(st.sampled_from(nodes), unique=True)) if nodes else []:
        shape = [len(states[u]) for u in (*parents[node], node)]
        tables[node] = np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1])
    return BayesNet(states, parents, tables)


@pytest.mark.parametrize("kind", FORMATS)
@given(net=nets())
@example(net=BayesNet({"table": ["default", "property"], " a b": [" ", "  x", "a;b"]}, {" a b": ["table"]}))
@example(net=BayesNet({"node_1": ["%", "//"], "ö": ['"', "\\"]}, {}, {"ö": [0.25, 0.75]}))
def test_a_network_survives_the_round_trip_exactly(kind, net):
    assert_equal(read(kind, write(kind, net)), net)


DOG = {
    "bif": """
        // The dog problem in small, in the words of the format's own description.
        network "Dog-Problem" { property "credal-set = none; or so" ; }
        variable "bowel" { type discrete[2] { "true" "false" }; property "position = (1, 2)"; }
        variable out { type discrete [ 3 ] { yes, no, <5 }; }
        variable family { type discrete [ 2 ] { true, false }; }
        probability ( bowel ) { table 0.01 0.99; }
        probability ( family ) { default 0.15, 0.85; }
        probability ( out | bowel, family ) {
            table 0.1 0.2 0.3 0.4  0.2 0.3 0.4 0.5  0.7 0.5 0.3 0.1; /* the child runs slowest */
        }
    """,
    "xmlbif": """<?xml version="1.0" encoding="US-ASCII"?>
        <!DOCTYPE BIF [ <!ELEMENT BIF ( NETWORK )*> <!ATTLIST BIF VERSION CDATA #REQUIRED> ]>
        <BIF VERSION="0.3"><NETWORK><NAME>Dog-Problem</NAME>
        <VARIABLE TYPE="nature"><NAME> bowel </NAME><OUTCOME>true</OUTCOME><OUTCOME>false</OUTCOME></VARIABLE>
        <VARIABLE TYPE="nature"><NAME>out</NAME>
            <OUTCOME>yes</OUTCOME><OUTCOME>no</OUTCOME><OUTCOME>&lt;5</OUTCOME></VARIABLE>
        <VARIABLE TYPE="nature"><NAME>family</NAME><OUTCOME>true</OUTCOME><OUTCOME>false</OUTCOME></VARIABLE>
        <DEFINITION><FOR>bowel</FOR><TABLE>0.01 0.99</TABLE></DEFINITION>
        <DEFINITION><FOR>family</FOR><TABLE>0.15 .85</TABLE></DEFINITION>
        <DEFINITION><FOR>out</FOR><GIVEN>bowel</GIVEN><GIVEN>family</GIVEN>
            <TABLE>0.1 0.2 0.7 <!-- the child runs fastest --> 0.2 0.3 0.5  0.3 0.4 0.3  0.4 0.5 0.1</TABLE>
        </DEFINITION></NETWORK></BIF>
    """.strip(),
    "net": """
        net { node_size = (80 40); }  % a comment
        node bowel { label = "bowel problem; or not"; states = ("true" "false"); position = (1 2); }
        discrete node out { states = ("yes" "no" "<5"); }
        node family { states = ("true" "false"); }
        potential (bowel) { data = (0.01 0.99); }
        potential ( family | ) { data = (0.15 0.85); }
        potential (out | bowel family) {
            data = (((0.1 0.2 0.7)   % the child runs fastest
                     (0.2 0.3 0.5)) ((0.3 0.4 0.3) (0.4 0.5 0.1)));
        }
    """,
}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_axes_are_the_parents_in_order_and_then_the_variable(kind):
    net = read(kind, DOG[kind])
    assert net.names == ("bowel", "out", "family")
    assert net.states["out"] == ("yes", "no", "<5")
    assert net.parents["out"] == ("bowel", "family")
    assert net.tables["family"].tolist() == [0.15, 0.85]
    # P(out | bowel = true, family = false) is the second row.
    assert net.tables["out"][0, 1].tolist() == [0.2, 0.3, 0.5]
    assert net.tables["out"][1, 0].tolist() == [0.3, 0.4, 0.3]


def test_rows_of_bif_go_where_their_states_say_and_the_default_elsewhere():
    text = """network n {}
        variable A { type discrete [2] { a0, a1 }; } variable B { type discrete [2] { b0, b1 }; }
        variable C { type discrete [2] { c0, c1 }; }
        probability (A) { table 0.5 0.5; } probability (B) { table 0.5 0.5; }
        probability (C | A, B) { (a1, b0) 0.1, 0.9; default 0.5, 0.5; (a0, b1) 0.2, 0.8; }"""
    table = BayesNet.from_bif(text).tables["C"]
    np.testing.assert_array_equal(table[..., 0], [[0.5, 0.2], [0.1, 0.5]])


GOOD = "network n {}\nvariable A { type discrete [2] { x, y }; }\nprobability ( A ) { table 0.4, 0.6; }"


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message"),
    [
        ("network", "net", 1, 1, "expected 'network'"),
        ("[2]", "[3]", 2, 29, "3 states are announced, but 2 listed"),
        ("x, y", "x, x", 2, 10, "the state 'x' twice"),
        ("discrete", "continuous", 2, 19, "must be discrete"),
        ("0.4, 0.6", "0.4", 3, 21, "must have 2 numbers, got 1"),
        ("0.4, 0.6", "0.4, 0.7", 3, 21, "must sum to one, got 1.1"),
        ("0.4, 0.6", "nan, 0.6", 3, 27, "expected a number, got 'nan'"),
        ("0.4, 0.6", "-0.4, 1.4", 3, 27, "expected a probability, got -0.4"),
        ("( A )", "( B )", 3, 13, "'B' is not declared"),
        ("( A )", "( A | A )", 3, 13, "must differ"),
        ("table", "(x)", 3, 21, "expected a state of each of 0 parents"),
        ("probability", "variable A {} probability", 3, 10, "'A' is declared twice"),
        ("0.6; }", "0.6; } probability ( A ) {}", 3, 51, "stated twice"),
        ("probability ( A ) { table 0.4, 0.6; }", "", 3, 1, "probabilities of 'A' are missing"),
        ("0.6; }", "0.6; ", 3, 37, "not understood here"),
    ],
)
def test_a_mistake_in_bif_is_located(old, new, line, column, message):
    assert old in GOOD
    with pytest.raises(ParseError) as caught:
        BayesNet.from_bif(GOOD.replace(old, new))
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("net", "net {} continuous node X {}", "only discrete nodes"),
        ("net", "net {} node X { states = (", "has no end ';'"),
        ("net", 'net {} node X { states = ("a" "b"); } potential (X) { data = (0.5 0.5 0.5); }', "got 3"),
        ("net", "net {} node X {} potential (X | Y) {}", "'Y' is not declared"),
        ("xmlbif", "<BIF><NETWORK><VARIABLE/></NETWORK></BIF>", "expected one <NAME>"),
        ("xmlbif", '<BIF><NETWORK><VARIABLE TYPE="utility"/></NETWORK></BIF>', "only chance nodes"),
        ("xmlbif", "<NET/>", "expected the element <BIF>"),
        ("xmlbif", "<BIF><NETWORK></BIF>", "not XML: mismatched tag"),
    ],
)
def test_a_mistake_in_the_other_formats_is_named(kind, text, message):
    with pytest.raises(ParseError, match=message):
        read(kind, text)


def test_a_small_text_cannot_ask_for_a_large_table():
    variables = "".join(f"variable v{i} {{ type discrete [2] {{ a, b }}; }}\n" for i in range(40))
    parents = ", ".join(f"v{i}" for i in range(1, 40))
    text = f"network n {{}} {variables} probability ( v0 | {parents} ) {{ default 0.5, 0.5; }}"
    with pytest.raises(ParseError, match="at most"):
        BayesNet.from_bif(text)


@pytest.mark.parametrize("declaration", ['<!ENTITY a "b">', '<!ENTITY a SYSTEM "file:///etc/passwd">'])
def test_entities_are_refused(declaration):
    text = f"<!DOCTYPE BIF [ {declaration} ]>\n<BIF><NETWORK><NAME>&a;</NAME></NETWORK></BIF>"
    with pytest.raises(ParseError, match="entities are not read"):
        BayesNet.from_xmlbif(text)


def test_a_character_that_xml_forbids_is_named():
    with pytest.raises(GraphError, match=r"U\+0000"):
        BayesNet({"a\0": ["x"]}).to_xmlbif()


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "net.bif"
    path.write_text(GOOD, encoding="utf-8")
    packed = tmp_path / "net.bif.gz"
    packed.write_bytes(gzip.compress(GOOD.encode()))
    for source in (path, str(path), packed, GOOD):
        assert BayesNet.from_bif(source).tables["A"].tolist() == [0.4, 0.6]


@pytest.mark.parametrize("text", ["", "X -> Y\n", "X -> Y\r" * 1_000])
@pytest.mark.parametrize("kind", ["bif", "xmlbif", "net"])
def test_a_text_without_braces_is_no_path_if_it_has_lines(kind, text):
    for cls in (DAG, BayesNet):
        with pytest.raises(ParseError) as caught:
            getattr(cls, f"from_{kind}")(text)
        assert (caught.value.line, caught.value.column) == (1, 1)


def test_a_file_that_is_not_utf8_is_located(tmp_path):
    path = tmp_path / "net.bif"
    path.write_bytes(b"network n {}\nvariable gr\xf6\xdfe {}")
    with pytest.raises(ParseError, match=r"net\.bif is not UTF-8") as caught:
        DAG.from_bif(path)
    assert (caught.value.line, caught.value.column) == (2, 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"X": ["a"]}, {"Y": ["X"]}), "got none for 'Y'"),
        (({"X": ["a", "b"]}, {}, {"X": [[0.5, 0.5]]}), r"must have the shape \(2,\), got \(1, 2\)"),
        (({"X": ["a", "b"]}, {}, {"X": [-0.5, 1.5]}), "negative"),
        (({"X": ["a", "b"]}, {}, {"X": [0.5, 0.6]}), "sum to one, got 1.1"),
    ],
)
def test_a_network_that_does_not_fit_together_is_refused(arguments, message):
    with pytest.raises(GraphError, match=message):
        BayesNet(*arguments)


def test_a_cycle_of_parents_is_refused():
    with pytest.raises(CycleError):
        BayesNet({"X": ["a"], "Y": ["a"]}, {"X": ["Y"], "Y": ["X"]})


# Nodes and arcs as the pages of the bnlearn repository state them.
SIZES = {
    "asia": (8, 8),
    "cancer": (5, 4),
    "earthquake": (5, 4),
    "survey": (6, 6),
    "sachs": (11, 17),
    "child": (20, 25),
    "alarm": (37, 46),
    "hailfinder": (56, 66),
}


@pytest.mark.parametrize("name", SIZES)
def test_published_networks_are_read_and_survive_every_format(name):
    path = NETWORKS / f"{name}.bif"
    if not path.exists():
        pytest.skip("the files of the bnlearn repository are not here")
    net = BayesNet.from_bif(path)
    dag = net.to_dag()
    assert (len(dag.nodes), len(dag.directed_edges)) == SIZES[name]
    assert net.tables.keys() == set(net.names)
    for kind in FORMATS:
        assert_equal(read(kind, write(kind, net)), net)


def test_the_rows_of_asia_are_where_the_file_has_them():
    path = NETWORKS / "asia.bif"
    if not path.exists():
        pytest.skip("the files of the bnlearn repository are not here")
    net = BayesNet.from_bif(path)
    assert net.to_dag() == DAG.from_string(
        "asia -> tub -> either <- lung <- smoke -> bronc -> dysp <- either -> xray"
    )
    bronc, either = net.states["bronc"].index("no"), net.states["either"].index("yes")
    assert net.parents["dysp"] == ("bronc", "either")
    assert net.tables["dysp"][bronc, either].tolist() == [0.7, 0.3]
