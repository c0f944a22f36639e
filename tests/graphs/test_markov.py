"""Lists of independences: all are separations, and the basis implies all separations."""

from itertools import combinations, product

import pytest
from hypothesis import given, settings

from causalrep.graphs import ADMG, CPDAG, DAG, MAG
from causalrep.utils import GraphError
from tests.graphs.definitions import random_graph
from tests.strategies import admgs, dags, mags


@pytest.mark.parametrize("kind", ["local", "pairwise", "basis"])
@given(g=dags() | admgs())
def test_statements_are_separations(g, kind):
    for statement in g.markov_statements(kind):
        assert statement.y
        assert g.is_separated(*statement)


def closed(statements, *, gaussian=False):
    """All that follows by the semi-graphoid axioms: triples (x, y, z) of disjoint frozen sets.

    With `gaussian` also by composition and intersection.
    """
    known, queue = set(), [tuple(map(frozenset, one)) for one in statements]
    while queue:
        x, y, z = queue.pop()
        if (x, y, z) in known or not x or not y:
            continue
        known.add((x, y, z))
        queue.append((y, x, z))
        for node in y:
            queue.append((x, y - {node}, z))  # decomposition
            queue.append((x, y - {node}, z | {node}))  # weak union
        # Contraction: x from w given z and y, and x from y given z, is x from y and w given z.
        for a, b, c in list(known):
            if a == x and c == z | y:
                queue.append((x, y | b, z))
            if a == x and z == c | b:
                queue.append((x, b | y, c))
            if gaussian and a == x and c == z:
                queue.append((x, y | b, z))  # composition
            if gaussian and a == x and b <= z and z - b == c - y and y <= c:
                queue.append((x, y | b, z - b))  # intersection
    return known


def separations(g):
    for roles in product("xyz-", repeat=len(g)):
        x, y, z = (
            frozenset(node for node, role in zip(g, roles, strict=True) if role == name) for name in "xyz"
        )
        if x and y and g.is_separated(x, y, z):
            yield x, y, z


@pytest.mark.parametrize("kind", ["local", "basis"])
def test_a_dag_follows_from_its_local_statements(every_dag, kind):
    for g in [*every_dag[3], *every_dag[4][::9]]:
        assert closed(g.markov_statements(kind)) == set(separations(g))


@settings(max_examples=40)
@given(admgs(max_nodes=4))
def test_an_admg_follows_from_its_basis(g):
    assert closed(g.markov_statements("basis")) == set(separations(g))


@pytest.mark.slow
def test_500_admgs_follow_from_their_bases():
    for seed in range(500):
        g = random_graph("ADMG", seed, max_nodes=5)
        assert closed(g.markov_statements("basis")) == set(separations(g))


@given(mags())
def test_pairwise_statements_name_each_pair_without_an_edge_once(g):
    pairs = [frozenset(x | y) for x, y, _ in g.markov_statements("pairwise")]
    apart = {frozenset(pair) for pair in combinations(g, 2) if pair[1] not in g.adjacent(pair[0])}
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == apart
    assert all(g.is_separated(*statement) for statement in g.markov_statements("pairwise"))


@settings(max_examples=30)
@given(mags(max_nodes=4))
def test_a_mag_follows_from_its_pairwise_statements_where_gaussian_axioms_hold(g):
    assert closed(g.markov_statements("pairwise"), gaussian=True) == set(separations(g))


def test_pairwise_statements_alone_are_not_enough():
    g = DAG(nodes="ABC")
    a, b, c = (frozenset(node) for node in "ABC")
    assert (a, b | c, frozenset()) in set(separations(g))
    assert (a, b | c, frozenset()) not in closed(g.markov_statements("pairwise"))
    assert (a, b, c) not in closed(g.markov_statements("pairwise"))


def test_a_pair_that_nothing_separates_is_left_out():
    g = ADMG.from_string("X -> A -> Y; A <-> Y")
    assert list(g.markov_statements("pairwise")) == []


def test_a_node_has_a_statement_for_each_district_in_a_basis():
    # Verma's pattern: with D or without, A and B are in D's district or not.
    g = ADMG.from_string("A <-> D; A -> B -> C; C -> D")
    found = [tuple(map(set, one)) for one in g.markov_statements("basis")]
    assert found == [({"C"}, {"A"}, {"B"}), ({"D"}, {"B"}, {"A", "C"})]
    wider = ADMG.from_string("A <-> B <-> C")
    assert [tuple(map(set, one)) for one in wider.markov_statements("basis")] == [({"C"}, {"A"}, set())]


def test_statements_can_be_asked_back():
    g = DAG.from_string("X -> M -> Y; Z -> Y")
    assert g.are_separated(g.markov_statements("basis")).all()


def test_a_class_lists_what_a_member_lists():
    g = CPDAG.from_string("A -- B -- C")
    assert {frozenset(x | y) for x, y, _ in g.markov_statements("pairwise")} == {frozenset("AC")}


def test_only_known_kinds_are_listed():
    with pytest.raises(GraphError, match='must be "local", "pairwise" or "basis", got \'global\''):
        DAG.from_string("X -> Y").markov_statements("global")
    with pytest.raises(GraphError, match='must be "pairwise" for a graph with undirected edges'):
        MAG.from_string("A -- B").markov_statements("basis")
