"""Equivalence classes, Meek's rules and extensions, against enumeration on up to four nodes."""

import random
from itertools import combinations, permutations, product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from causalrep.graphs import CPDAG, DAG, PDAG
from causalrep.utils import CycleError, GraphError
from tests.strategies import dags, pdags


def colliders(g):
    """The v-structures: unshielded pairs of parents with their child."""
    return {
        (frozenset(ends), node)
        for node in g.nodes
        for ends in combinations(g.parents(node), 2)
        if ends[0] not in g.adjacent(ends[1])
    }


def extensions(g):
    """All consistent extensions of a PDAG, by trying every direction of its undirected edges."""
    found = []
    for choice in product([False, True], repeat=len(g.undirected_edges)):
        turned = [pair[::-1] if turn else pair for pair, turn in zip(g.undirected_edges, choice, strict=True)]
        try:
            candidate = DAG([*g.directed_edges, *turned], nodes=g.nodes)
        except CycleError:
            continue
        if colliders(candidate) == colliders(g):
            found.append(candidate)
    return found


@pytest.mark.parametrize(("n_nodes", "count"), [(0, 1), (1, 1), (2, 2), (3, 11), (4, 185)])
def test_there_are_as_many_cpdags_as_equivalence_classes(every_dag, every_class, n_nodes, count):
    # Gillispie and Perlman 2002, OEIS A007984.
    assert len({g.to_cpdag() for g in every_dag[n_nodes]}) == len(every_class[n_nodes]) == count


@pytest.mark.parametrize("n_nodes", [2, 3, 4])
def test_the_cpdag_directs_what_all_members_of_the_class_direct_alike(every_class, n_nodes):
    for members in every_class[n_nodes]:
        shared = set.intersection(*(set(g.directed_edges) for g in members))
        skeleton = {frozenset(edge) for edge in members[0].directed_edges}
        for g in members:
            cpdag = g.to_cpdag()
            assert cpdag.directed_edges == shared
            assert {frozenset(e) for e in cpdag.undirected_edges} == skeleton - {frozenset(e) for e in shared}


@pytest.mark.parametrize("n_nodes", [2, 3])
def test_a_cpdag_is_accepted_iff_it_is_the_graph_of_a_class(every_class, n_nodes):
    classes = {members[0].to_cpdag() for members in every_class[n_nodes]}
    pairs = list(combinations(range(n_nodes), 2))
    n_accepted = 0
    for kinds in product(["", "->", "<-", "--"], repeat=len(pairs)):
        directed = [
            pair if kind == "->" else pair[::-1]
            for pair, kind in zip(pairs, kinds, strict=True)
            if kind in ("->", "<-")
        ]
        undirected = [pair for pair, kind in zip(pairs, kinds, strict=True) if kind == "--"]
        try:
            assert CPDAG(directed, undirected, nodes=range(n_nodes)) in classes
            n_accepted += 1
        except GraphError:
            continue
    assert n_accepted == len(classes)


def test_the_error_names_an_edge_that_should_not_be_directed():
    with pytest.raises(GraphError, match="got 'X' -> 'Y', but some members"):
        CPDAG(directed=[("X", "Y")])


def test_the_error_names_an_edge_that_should_be_directed():
    with pytest.raises(GraphError, match="got 'C' -- 'D', but all members"):
        CPDAG.from_string("X -> C <- Y; C -- D")


def test_a_cpdag_without_members_is_refused():
    with pytest.raises(GraphError, match="no DAG has"):
        CPDAG.from_string("A -- B -- C -- D -- A")  # not chordal


@given(dags(max_nodes=8))
def test_meeks_rules_complete_the_v_structures_to_the_cpdag(g):
    directed = {(parent, node) for ends, node in colliders(g) for parent in ends}
    pattern = PDAG(directed, [e for e in g.directed_edges if e not in directed], nodes=g.nodes)
    assert pattern.meek_closure() == g.to_cpdag()


@pytest.mark.parametrize("n_known", [1, 2, 3])
def test_meeks_rules_find_all_that_background_knowledge_implies(every_class, n_known):
    # Meek 1995, theorem 4: with R4 the closure directs exactly what all members that agree share.
    chance = random.Random(n_known)
    large = [members for members in every_class[4] if len(members[0].to_cpdag().undirected_edges) >= n_known]
    for _ in range(200):
        members = chance.choice(large)
        cpdag, truth = members[0].to_cpdag(), chance.choice(members)
        open_edges = [edge for edge in truth.directed_edges if edge not in cpdag.directed_edges]
        known = chance.sample(open_edges, n_known)
        rest = [edge for edge in open_edges if edge not in known]
        closed = PDAG([*cpdag.directed_edges, *known], rest, nodes=truth.nodes).meek_closure()
        agreeing = [set(m.directed_edges) for m in members if set(known) <= m.directed_edges]
        assert closed.directed_edges == set.intersection(*agreeing)


def test_the_fourth_rule_is_needed_with_background_knowledge():
    # The figure of R4: a -- d -> c -> b with a, c adjacent and b, d not.
    g = PDAG.from_string("D -> C -> B; A -- D; A -- C; A -- B")
    assert ("A", "B") in g.meek_closure().directed_edges


# Here an edge that is forced both ways at first is forced only one way after others were directed.
_CONTRADICTORY = "0 -> 2; 1 -> 4; 2 -> 3; 0 -> 5; 1 -- {2 3 5}; 0 -- {3 4}; 2 -- {4 5}; {3 4} -- 5"


@given(pdags(max_nodes=5))
@example(PDAG.from_string(_CONTRADICTORY))
def test_closure_keeps_skeleton_and_directions_and_is_idempotent(g):
    closed = g.meek_closure()
    assert g.directed_edges <= closed.directed_edges
    assert all(closed.adjacent(node) == g.adjacent(node) for node in g)
    assert closed.meek_closure() == closed


@given(pdags(max_nodes=6), st.data())
def test_closure_does_not_depend_on_the_order_of_the_nodes(g, data):
    # Also where there is no consistent extension, so that directions contradict each other.
    order = data.draw(st.permutations(g.nodes))
    h = PDAG(g.directed_edges, g.undirected_edges, nodes=order)
    assert h.meek_closure() == g.meek_closure()


@pytest.mark.parametrize("nodes", list(permutations("abcd")), ids="".join)
def test_an_edge_that_is_forced_both_ways_stays_undirected(nodes):
    g = PDAG(directed=[("c", "a"), ("d", "b")], undirected=[("a", "b")], nodes=nodes)
    assert g.meek_closure() == g


def test_edges_that_would_close_a_cycle_stay_undirected():
    # R1 wants A -> B, B -> C and C -> A, each from a neighbour of its own.
    g = PDAG(
        directed=[("a", "A"), ("b", "B"), ("c", "C")],
        undirected=[("A", "B"), ("B", "C"), ("C", "A"), ("a", "C"), ("b", "A"), ("c", "B")],
    )
    closed = g.meek_closure()
    assert closed.undirected_edges >= {("A", "B"), ("B", "C"), ("A", "C")}


@given(pdags(max_nodes=5))
def test_an_extension_is_found_iff_there_is_one_and_it_is_one(g):
    every = extensions(g)
    if every:
        assert g.consistent_extension() in every
    else:
        with pytest.raises(GraphError, match="no DAG has"):
            g.consistent_extension()


def test_an_extension_of_a_complete_graph_follows_the_node_order():
    g = PDAG(undirected=combinations("CABD", 2), nodes="DBAC")
    assert g.consistent_extension().topological_order() == ("D", "B", "A", "C")


@given(dags(max_nodes=7))
def test_the_extension_of_a_cpdag_is_in_its_class(g):
    cpdag = g.to_cpdag()
    assert cpdag.consistent_extension().to_cpdag() == cpdag == cpdag.to_cpdag() == cpdag.meek_closure()
    assert CPDAG(cpdag.directed_edges, cpdag.undirected_edges, cpdag.nodes) == cpdag


def test_a_pdag_gives_up_directions_that_are_not_the_class_own():
    assert PDAG.from_string("X -> Y -- Z").to_cpdag() == CPDAG.from_string("X -- Y -- Z")


def test_ways_into_the_class_of_a_large_graph_agree():
    chance = random.Random(0)
    edges = {tuple(sorted(chance.sample(range(1000), 2))) for _ in range(3000)}
    g = DAG(edges, nodes=range(1000))
    cpdag = g.to_cpdag()
    pattern = PDAG(cpdag.directed_edges, cpdag.undirected_edges, nodes=cpdag.nodes).meek_closure()
    assert pattern.consistent_extension().to_cpdag() == cpdag
