import pickle

import numpy as np
import pytest

from causalrep.graphs import ADMG, DAG, PAG, PDAG, Attributes
from causalrep.utils import GraphError, UnknownNameError

G = DAG.from_string("Z -> X -> Y; Z -> Y").with_attributes(
    {"X": {"exposure": True, "pos": "1, -2.5e1"}, "Z": {"note": "a"}},
    {("X", "Y"): {"weight": np.float64(0.5)}},
)


def test_attributes_are_plain_values_by_node_and_edge():
    assert G.attributes.nodes == {"Z": {"note": "a"}, "X": {"exposure": True, "pos": (1.0, -25.0)}}
    assert list(G.attributes.nodes) == ["Z", "X"]
    assert G.attributes.edges == {("X", "->", "Y"): {"weight": 0.5}}
    assert type(G.attributes.edges["X", "->", "Y"]["weight"]) is float


def test_attributes_are_no_part_of_the_value():
    bare = DAG(G.directed_edges, nodes=G.nodes)
    assert bare == G
    assert hash(bare) == hash(G)
    assert not bare.attributes
    assert repr(bare) == repr(G)


def test_attributes_cannot_be_changed_in_place():
    with pytest.raises(TypeError):
        G.attributes.nodes["X"] = {}
    with pytest.raises(TypeError):
        G.attributes.nodes["X"]["exposure"] = False


def test_more_attributes_are_added_and_the_newer_wins():
    g = G.with_attributes({"X": {"note": 1, "pos": (0, 0)}}, {("X", "->", "Y"): {"label": "b"}})
    assert g.attributes.nodes["X"] == {"exposure": True, "pos": (0.0, 0.0), "note": 1}
    assert g.attributes.edges["X", "->", "Y"] == {"weight": 0.5, "label": "b"}
    assert G.attributes.nodes["X"]["pos"] == (1.0, -25.0)


def test_surgery_keeps_what_it_leaves():
    assert G.do("X").attributes == G.attributes
    assert G.do("Y").attributes.nodes == G.attributes.nodes
    assert not G.do("Y").attributes.edges
    assert G.subgraph(["Z", "Y"]).attributes == Attributes({"Z": {"note": "a"}})
    assert G.cut_outgoing("X").attributes.edges == {}
    assert G.to_admg().attributes == G.attributes
    p = PDAG.from_string("X -- Y -- Z").with_attributes(edges={("Y", "X"): {"w": 1}})
    assert p.subgraph(["X", "Y"]).attributes.edges == {("X", "--", "Y"): {"w": 1}}


def test_attributes_survive_pickling():
    assert pickle.loads(pickle.dumps(G)).attributes == G.attributes


def test_edges_are_named_from_either_end():
    p = PAG.from_string("A o-> B <-> C; C -- D")
    g = p.with_attributes(
        edges={("B", "<-o", "A"): {"n": 1}, ("C", "<->", "B"): {"n": 2}, ("D", "C"): {"n": 3}}
    )
    assert g.attributes.edges == {
        ("A", "o->", "B"): {"n": 1},
        ("B", "<->", "C"): {"n": 2},
        ("C", "--", "D"): {"n": 3},
    }


def test_a_bow_needs_the_kind():
    g = ADMG.from_string("X -> Y; X <-> Y")
    assert list(g.with_attributes(edges={("X", "<->", "Y"): {"n": 1}}).attributes.edges) == [
        ("X", "<->", "Y")
    ]
    with pytest.raises(GraphError, match=r"got \('X', 'Y'\): 2 edges"):
        g.with_attributes(edges={("X", "Y"): {"n": 1}})


@pytest.mark.parametrize("edge", [("Y", "X"), ("X", "<->", "Y"), ("X", "W"), "XY", ("X",)])
def test_an_edge_that_is_not_there_is_refused(edge):
    with pytest.raises(GraphError, match="must name one edge"):
        G.with_attributes(edges={edge: {"n": 1}})


def test_a_node_that_is_not_there_is_refused():
    with pytest.raises(UnknownNameError):
        G.with_attributes({"W": {"n": 1}})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"w": float("nan")}, "finite number"),
        ({"w": None}, "got None"),
        ({"w": [1, {}]}, "got {}"),
        ({"": 1}, "must be a text"),
        ({1: 1}, "must be a text"),
        ({"exposure": "yes"}, "must be True or False, got 'yes'"),
        ({"latent": True}, "argument `latent`"),
    ],
)
def test_what_is_no_attribute_is_refused(attributes, message):
    with pytest.raises(GraphError, match=message):
        G.with_attributes({"X": attributes})


def test_a_role_that_is_false_is_absent():
    assert G.with_attributes({"Y": {"exposure": False}}).attributes == G.attributes


def test_a_reader_does_not_guess_who_is_latent():
    with pytest.raises(GraphError, match="'latent' of 'U' must be true or false, got 'perhaps'"):
        DAG.from_dagitty("dag { U [latent=perhaps] }")
    assert not DAG.from_dagitty("dag { U [latent=false] }").latent


def test_readers_keep_latent_nodes_as_structure_where_the_type_has_them():
    text = "pdag { U [latent, exposure] U -- X }"
    assert not PDAG.from_dagitty(text).latent
    assert PDAG.from_dagitty(text).attributes.having("latent") == ("U",)
    g = DAG.from_dagitty("dag { U [latent, exposure] U -> X }")
    assert g.latent == {"U"}
    assert g.attributes.nodes == {"U": {"exposure": True}}
