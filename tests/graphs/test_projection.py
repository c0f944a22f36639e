"""Latent projection and canonical DAGs against their definitions by paths, and against each other."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG
from causalrep.utils import UnknownNameError
from tests.strategies import admgs, dags


def projection_by_definition(g, keep):
    """Directed paths and collider-free paths between arrowheads whose inner nodes all go."""
    directed, bidirected = set(), set()
    gone = set(g) - set(keep)
    for start in keep:
        for child in g.children(start):
            directed |= {(start, end) for end in below(g, child, gone) if end in keep}
    # A collider-free path with arrowheads at both ends runs down either side of one node or edge.
    tops = [*((u, u) for u in gone), *g.bidirected_edges]
    for a, b in tops:
        bidirected |= {
            frozenset(ends)
            for ends in ((x, y) for x in below(g, a, gone) for y in below(g, b, gone))
            if len(set(ends)) == 2 and set(ends) <= set(keep)
        }
    return directed, bidirected


def below(g, start, gone):
    """`start`, and what directed paths lead to from it on which all nodes but the last go."""
    found, stack = {start}, [start]
    while stack:
        node = stack.pop()
        new = [child for child in g.children(node) if node in gone and child not in found]
        found.update(new)
        stack += new
    return found


@given(admgs(), st.data())
def test_projection_is_what_paths_define(g, data):
    keep = data.draw(st.lists(st.sampled_from(g.nodes), unique=True)) if g.nodes else []
    p = g.latent_projection(keep=keep)
    directed, bidirected = projection_by_definition(g, keep)
    assert p.directed_edges == directed
    assert {frozenset(pair) for pair in p.bidirected_edges} == bidirected
    assert p.nodes == tuple(node for node in g if node in keep)


@given(admgs(min_nodes=2, max_nodes=7), st.data())
def test_projection_preserves_separation_and_ancestry(g, data):
    keep = data.draw(st.lists(st.sampled_from(g.nodes), unique=True, min_size=2))
    p = g.latent_projection(keep=keep)
    x, y, *rest = data.draw(st.permutations(keep))
    z = data.draw(st.lists(st.sampled_from(rest), unique=True)) if rest else []
    assert p.is_separated(x, y, z) == g.is_separated(x, y, z)
    assert p.ancestors(x) == g.ancestors(x) & set(keep)


@given(admgs(max_nodes=7), st.data())
def test_nodes_may_go_in_two_steps(g, data):
    first = data.draw(st.lists(st.sampled_from(g.nodes), unique=True)) if g.nodes else []
    second = data.draw(st.lists(st.sampled_from(first), unique=True)) if first else []
    assert g.latent_projection(first).latent_projection(second) == g.latent_projection(second)


@given(dags(min_nodes=1, max_nodes=7), st.data())
def test_a_dag_keeps_its_observed_nodes(g, data):
    hidden = data.draw(st.lists(st.sampled_from(g.nodes), unique=True))
    p = DAG(g.directed_edges, nodes=g.nodes, latent=hidden).latent_projection()
    assert type(p) is ADMG
    assert p == g.latent_projection(keep=[node for node in g if node not in hidden])
    assert not p.latent


def test_a_kept_latent_node_stays_latent():
    g = DAG([("U", "X"), ("X", "Y")], latent="U")
    assert g.latent_projection(keep=["U", "Y"]).latent == {"U"}


@given(admgs(latent=True))
def test_the_canonical_dag_projects_back(g):
    d = g.canonical_dag()
    assert type(d) is DAG
    assert d.latent >= g.latent
    assert len(d.latent) == len(g.latent) + len(g.bidirected_edges)
    assert d.latent_projection(keep=g.nodes) == g


@given(admgs(min_nodes=2))
def test_the_canonical_dag_has_the_same_separations(g):
    d = g.canonical_dag()
    for x, y in combinations(g, 2):
        rest = [node for node in g if node not in (x, y)]
        for z in ((), rest, rest[::2], rest[1::2]):
            assert d.is_separated(x, y, z) == g.is_separated(x, y, z)


def test_new_names_avoid_those_taken():
    g = ADMG(bidirected=[("U1", "X"), ("X", "U3")])
    assert g.canonical_dag().latent == {"U2", "U4"}


def test_a_node_to_keep_must_exist():
    with pytest.raises(UnknownNameError, match="`keep` names 'Q'"):
        DAG.from_string("X -> Y").latent_projection(keep=["X", "Q"])


def test_a_long_chain_of_hidden_nodes_is_no_recursion():
    g = DAG([(i, i + 1) for i in range(5000)], nodes=range(5001))
    assert g.latent_projection(keep=[0, 5000]).directed_edges == {(0, 5000)}
