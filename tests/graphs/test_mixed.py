"""ADMG, MAG, PAG, MPDAG and latent nodes: what construction accepts, and the simplest questions."""

import pickle

import pytest

from causalrep.graphs import ADMG, DAG, MAG, MPDAG, PAG
from causalrep.utils import CycleError, GraphError, UnknownNameError


def test_a_bow_is_two_edges():
    g = ADMG(directed=[("X", "Y")], bidirected=[("Y", "X")])
    assert g.directed_edges == {("X", "Y")}
    assert g.bidirected_edges == {("X", "Y")}
    assert g == ADMG.from_string("X <-> Y; X -> Y")
    assert g != ADMG.from_string("X -> Y")


def test_an_edge_given_twice_is_an_error():
    with pytest.raises(GraphError, match="same two nodes"):
        ADMG(bidirected=[("X", "Y"), ("Y", "X")])


def test_districts_partition_the_nodes_in_node_order():
    g = ADMG.from_string("A -> B -> C -> D; A <-> C; C <-> E; B <-> D")
    assert g.districts() == ({"A", "C", "E"}, {"B", "D"})
    assert [list(district) for district in g.districts()] == [["A", "C", "E"], ["B", "D"]]
    assert g.district("E") == {"A", "C", "E"}


def test_without_bidirected_edges_every_node_is_a_district():
    g = DAG.from_string("U -> {X Y}; X -> Y")
    assert g.districts() == ({"U"}, {"X"}, {"Y"})
    assert g.district("X") == {"X"}
    assert g.latent_projection(keep=["X", "Y"]).district("X") == {"X", "Y"}


def test_do_cuts_both_ends_of_arrowheads_and_cut_outgoing_only_causes():
    g = ADMG.from_string("Z -> X -> Y; X <-> Y; Z <-> X")
    assert g.do("X") == ADMG(directed=[("X", "Y")], nodes=["Z", "X", "Y"])
    assert g.cut_outgoing("X") == ADMG.from_string("Z -> X; X <-> Y; Z <-> X")


def test_a_bidirected_edge_blocks_and_opens_like_a_hidden_cause():
    g = ADMG.from_string("X -> M -> Y; X <-> M; M <-> W")
    explicit = DAG.from_string(
        "X -> M -> Y; M <- U -> X; M <- V -> W",
    )
    for given in ((), ("M",), ("W",), ("M", "W")):
        for x, y in (("X", "Y"), ("X", "W"), ("W", "Y")):
            if {x, y} & set(given):
                continue
            assert g.is_separated(x, y, given) == explicit.is_separated(x, y, given), (x, y, given)


def test_latent_is_part_of_the_value():
    g = DAG([("U", "X"), ("U", "Y"), ("X", "Y")], latent="U")
    assert g.latent == {"U"}
    assert g.observed == {"X", "Y"}
    assert g != DAG(g.directed_edges)
    same = DAG([("X", "Y"), ("U", "Y"), ("U", "X")], nodes=["Y", "X", "U"], latent=["U"])
    assert g == same
    assert hash(g) == hash(same)
    assert pickle.loads(pickle.dumps(g)).latent == {"U"}


def test_latent_survives_surgery():
    g = DAG.from_string("A -> B -> C")
    g = DAG(g.directed_edges, nodes=g.nodes, latent=["A", "B"])
    assert g.do("C").latent == {"A", "B"}
    assert g.subgraph(["B", "C"]).latent == {"B"}
    assert g.to_admg().latent == {"A", "B"}


def test_latent_must_be_a_node():
    with pytest.raises(UnknownNameError, match="latent"):
        DAG([("X", "Y")], latent="U")


def test_admg_cycle_names_the_cycle():
    with pytest.raises(CycleError) as caught:
        ADMG(directed=[("A", "B"), ("B", "C"), ("C", "A")])
    assert list(caught.value.cycle) == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("A -> B -> C; A <-> C", "'A' <-> 'C' where 'A' causes 'C'"),
        ("A -> B; B -- C", "arrowhead at 'B'"),
        ("A <-> B; B -- C", "arrowhead at 'B'"),
    ],
)
def test_a_mag_is_ancestral(text, evidence):
    with pytest.raises(GraphError, match=evidence):
        MAG.from_string(text)


def test_pag_marks_and_kinds():
    g = PAG([("X", "o->", "Y"), ("Y", "<->", "Z"), ("W", "--o", "X")])
    assert (g.mark("X", "Y"), g.mark("Y", "X")) == ("arrow", "circle")
    assert (g.mark("W", "X"), g.mark("X", "W")) == ("circle", "tail")
    assert g == PAG.from_string("X o-> Y <-> Z; W --o X")
    with pytest.raises(GraphError, match="triples"):
        PAG([("X", "=>", "Y")])


def test_an_mpdag_is_closed_under_the_rules():
    with pytest.raises(GraphError, match=r"'Y' -> 'Z'"):
        MPDAG(directed=[("X", "Y")], undirected=[("Y", "Z")])
    assert MPDAG.from_string("X -> Y; Z -- X; Z -- Y").undirected_edges == {("X", "Z"), ("Y", "Z")}
