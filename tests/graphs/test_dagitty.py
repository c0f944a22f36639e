import json
from pathlib import Path

import pytest

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, PAG, PDAG
from causalrep.utils import GraphError, ParseError

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "id_graphs" / "dagitty_graphs.json"

TEXT = """
dag {
bb="-0.5,-0.5,1.5,1.5"  // written by the web page
"Coach \\"A\\"" [pos="0.1,0.2"]
D [outcome,pos="1.0,-1"]
E [exposure , pos="0,0"]
U [latent];  S [selected] Z [adjusted]
U -> {E D}   # a group
E -> D [beta=".3"]  Z <- E; Z->D->S
"Coach \\"A\\"" <-> E
}
"""


def test_attributes_edges_and_latent_nodes_are_read():
    g = ADMG.from_dagitty(TEXT)
    coach = 'Coach "A"'
    assert g.nodes == (coach, "D", "E", "U", "S", "Z")
    assert g.latent == {"U"}
    assert g == ADMG(
        [("U", "E"), ("U", "D"), ("E", "D"), ("E", "Z"), ("Z", "D"), ("D", "S")],
        [(coach, "E")],
        latent=["U"],
    )
    assert g.attributes.nodes["D"] == {"outcome": True, "pos": (1.0, -1.0)}
    assert g.attributes.having("exposure") == ("E",)
    assert g.attributes.having("adjusted") == ("Z",)
    assert g.attributes.having("selected") == ("S",)
    assert g.attributes.edges == {("E", "->", "D"): {"beta": ".3"}}


@pytest.mark.parametrize(
    ("cls", "text", "same"),
    [
        (DAG, "dag { a -> { b c } -> d }", "a -> b; a -> c; b -> d; c -> d"),
        (DAG, 'digraph G { a -> "b c" d <- a }', "a -> 'b c'; a -> d"),
        (ADMG, "dag{a<->b->c}", "a <-> b -> c"),
        (PDAG, "pdag { a -- b -> c }", "a -- b -> c"),
        (CPDAG, "pdag { a -- b }", "a -- b"),
        (MAG, "mag { a <-> b <- c }", "a <-> b <- c"),
        (
            PAG,
            "pag { a @-> b @-@ c --@ d; e <-@ d; f @-- a <-> g }",
            "a o-> b o-o c --o d; e <-o d; f o-- a <-> g",
        ),
        (PAG, "graph { a@->b }", "a o-> b"),
    ],
)
def test_every_kind_of_graph_has_its_word_and_its_edges(cls, text, same):
    assert cls.from_dagitty(text) == cls.from_string(same)


@pytest.mark.parametrize(
    ("cls", "header"),
    [(DAG, "dag"), (ADMG, "dag"), (PDAG, "pdag"), (CPDAG, "pdag"), (MAG, "mag"), (PAG, "pag")],
)
def test_the_word_is_written(cls, header):
    assert cls.from_string("A; B").to_dagitty() == f"{header} {{\n  A\n  B\n}}"


def test_what_is_written_is_readable():
    g = DAG.from_string("1; x; '2 b'; U [latent]; U -> x").with_attributes(
        {"x": {"exposure": True, "pos": (1, 2), "note": 'a "b"', "flag": False}}, {("U", "x"): {"beta": 1e-7}}
    )
    assert g.to_dagitty().splitlines() == [
        "dag {",
        "  1 [integer=true]",
        '  x [exposure, pos="1.0,2.0", note="a \\"b\\"", flag=false]',
        '  "2 b"',
        "  U [latent]",
        "  U -> x [beta=0.0000001]",
        "}",
    ]


def test_words_of_the_language_are_quoted():
    g = DAG([("node", "edge"), ("graph", "subgraph"), ("strict", "true")])
    assert DAG.from_dagitty(g.to_dagitty()) == g


@pytest.mark.parametrize(
    ("cls", "text", "line", "column", "message"),
    [
        (DAG, "pag { a -> b }", 1, 1, "the text of a DAG begins with 'dag', got 'pag'"),
        (PAG, "dag { a -> b }", 1, 1, "begins with 'pag'"),
        (DAG, "dag {\n a <-> b }", 2, 4, "a DAG has no edge '<->'"),
        (DAG, "dag { a @-> b }", 1, 9, "a DAG has no edge 'o->'"),
        (DAG, "dag { a -> }", 1, 9, "expected a node after the edge"),
        (DAG, "dag { a [exposure -> b }", 1, 19, "expected a name"),
        (DAG, "dag { a b", 1, 10, "expected a name, got the end"),
        (DAG, "dag { a ->> b }", 1, 11, "not understood"),
    ],
)
def test_a_mistake_is_located(cls, text, line, column, message):
    with pytest.raises(ParseError) as caught:
        cls.from_dagitty(text)
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_mistake_is_shown_in_a_line():
    with pytest.raises(ParseError) as caught:
        DAG.from_dagitty("X" * 10_000)
    assert "'" + "X" * 60 + "...'" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_names_that_look_like_numbers_are_texts_unless_they_were_integers():
    assert DAG.from_dagitty("dag { 1 -> E; 2.5 -> E }").nodes == ("1", "E", "2.5")
    g = DAG([(0, "1"), ("1", -7)])
    assert DAG.from_dagitty(g.to_dagitty()).nodes == (0, "1", -7)
    assert DAG.from_dagitty("dag { 01 [integer=true] x [integer=true] }").nodes == ("01", "x")
    with pytest.raises(GraphError, match="cannot tell an integer from the text"):
        DAG([(1, "1")]).to_dagitty()


def test_a_tuple_has_no_place_in_the_text():
    g = DAG(nodes=["X"]).with_attributes({"X": {"size": (1, 2, 3)}})
    with pytest.raises(GraphError, match=r"got \(1, 2, 3\) for 'size'; to_json"):
        g.to_dagitty()


def test_published_graphs_survive_with_their_roles():
    if not PUBLISHED.exists():
        pytest.skip("the graphs of dagitty are not here")
    entries = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert len(entries) == 16
    for entry in entries:
        roles = {}
        for role in ("exposure", "outcome"):
            for node in entry[f"{role}s"]:
                roles.setdefault(node, {})[role] = True
        edges = entry["edges"]
        g = ADMG(
            [(u, v) for u, kind, v in edges if kind == "->"],
            [(u, v) for u, kind, v in edges if kind == "<->"],
            nodes=entry["nodes"],
            latent=entry["latents"],
        ).with_attributes(roles)
        lines = [f"{node} [latent]" for node in entry["latents"]]
        lines += [f"{node} [{', '.join(found)}]" for node, found in roles.items()]
        lines += [f"{u} {kind} {v}" for u, kind, v in edges]
        read = ADMG.from_dagitty("dag { " + "\n".join([*lines, *entry["nodes"]]) + " }")
        assert read == g
        assert set(read.attributes.having("exposure")) == set(entry["exposures"])
        twin = ADMG.from_dagitty(g.to_dagitty())
        assert (twin, twin.attributes) == (g, g.attributes)
