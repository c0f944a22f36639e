"""IDA against the list of all members of a class, each fitted to the same covariance matrix."""

import random
from itertools import combinations, product

import networkx as nx
import numpy as np
import pytest

from causalrep.graphs import ADMG, CPDAG, DAG, MPDAG, PDAG, NodeSet
from causalrep.identification import ida, possible_parent_sets
from causalrep.utils import DataError, GraphError, UnknownNameError
from tests.identification.oracles import LinearModel


def members_of(g):
    """All DAGs with the directions of g, its adjacencies and its v-structures."""
    free = list(g.undirected_edges)
    wanted = v_structures(g)
    for turned in product([False, True], repeat=len(free)):
        edges = [e[::-1] if turn else e for e, turn in zip(free, turned, strict=True)]
        edges += g.directed_edges
        if nx.is_directed_acyclic_graph(nx.DiGraph(edges)):
            member = DAG(edges, nodes=g.nodes)
            if v_structures(member) == wanted:
                yield member


def v_structures(g):
    return {
        (frozenset(pair), v)
        for v in g.nodes
        for pair in combinations(g.parents(v), 2)
        if pair[1] not in g.adjacent(pair[0])
    }


def joint_effects(g, covariance, x, y):
    """Fit the DAG to the covariance matrix by regression on parents; cut what enters x; count paths."""
    p = len(g)
    B = np.zeros((p, p))
    for v in g.nodes:
        rows = list(g.parents(v))
        if rows:
            B[rows, v] = np.linalg.solve(covariance[np.ix_(rows, rows)], covariance[rows, v])
    B[:, x] = 0
    return np.linalg.inv(np.eye(p) - B)[x, y]


def random_class(seed, n_nodes):
    """A random CPDAG, an MPDAG of some of its members, and the covariance matrix of one of them."""
    chance = random.Random(seed)
    order = chance.sample(range(n_nodes), n_nodes)
    g = DAG([e for e in combinations(order, 2) if chance.random() < 0.5], nodes=range(n_nodes))
    essential = g.to_cpdag()
    free = list(essential.undirected_edges)
    known = [e if e in g.directed_edges else e[::-1] for e in chance.sample(free, len(free) // 3)]
    rest = [e for e in free if e not in known and e[::-1] not in known]
    partial = PDAG([*essential.directed_edges, *known], rest, nodes=range(n_nodes)).meek_closure()
    maximal = MPDAG(partial.directed_edges, partial.undirected_edges, nodes=range(n_nodes))
    return essential, maximal, LinearModel(g, seed).S, chance


def check(seed, n_nodes, n_treatments):
    essential, maximal, covariance, chance = random_class(seed, n_nodes)
    *x, y = chance.sample(range(n_nodes), n_treatments + 1)
    x.sort()
    for g in (essential, maximal):
        members = list(members_of(g))
        expected = {tuple(np.round(joint_effects(m, covariance, x, y), 6) + 0.0) for m in members}
        for method in ("local", "optimal"):
            found = ida(g, x, y, covariance, method=method)
            rows = found.effects.reshape(-1, n_treatments)
            assert {tuple(row) for row in np.round(rows, 6) + 0.0} == expected
        choices = [tuple(frozenset(part) for part in parts) for parts in found.parents]
        assert len(set(choices)) == len(choices)
        assert set(choices) == {tuple(frozenset(m.parents(v)) for v in x) for m in members}
        assert possible_parent_sets(g, x) == found.parents


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("n_treatments", [1, 2, 3])
def test_the_effects_are_those_of_all_members(seed, n_treatments):
    check(seed, 5, n_treatments)


@pytest.mark.slow
def test_the_effects_are_those_of_all_members_on_1000_classes():
    for seed in range(1000):
        check(seed, 4 + seed % 4, 1 + seed % 3)


def test_the_example_of_maathuis_and_others():
    # Two neighbours that are not adjacent cannot both be parents of X.
    g = CPDAG.from_string("A -- X; X -- B")
    assert possible_parent_sets(g, "X") == ((NodeSet(),), (NodeSet(["A"]),), (NodeSet(["B"]),))
    triangle = CPDAG(undirected=[("A", "X"), ("X", "B"), ("A", "B")])
    assert (NodeSet(["A", "B"]),) in possible_parent_sets(triangle, "X")


def test_joint_parents_may_exclude_each_other():
    g = CPDAG.from_string("X -- Y")
    assert possible_parent_sets(g, ["X", "Y"]) == (
        (NodeSet(), NodeSet(["X"])),
        (NodeSet(["Y"]), NodeSet()),
    )


def test_a_dag_has_one_effect():
    g = DAG.from_string("Z -> X -> Y; Z -> Y")
    model = LinearModel(g, 0)
    found = ida(g, "X", "Y", model.S)
    assert found.effects == pytest.approx(model.effect(["X"], "Y"))
    assert found.parents == ((NodeSet(["Z"]),),)
    assert found.smallest == pytest.approx(abs(model.effect(["X"], "Y")[0]))


def test_a_star_of_many_leaves_is_not_enumerated():
    # 2 ** 40 graphs over the leaves' edges, 41 members, 41 parent sets.
    g = CPDAG(undirected=[("X", i) for i in range(40)])
    found = ida(g, "X", 0, np.eye(41) + 0.01)
    assert found.effects.shape == (41,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: ida(g, "X", "Y", np.eye(2), method="best"), UnknownNameError, "'best'"),
        (lambda g: ida(g, "X", "X", np.eye(2)), GraphError, "disjoint"),
        (lambda g: ida(g, "X", "Y", np.eye(3)), DataError, "shape"),
        (lambda _: ida(ADMG([("X", "Y")]), "X", "Y", np.eye(2)), GraphError, "must be a CPDAG"),
        (lambda _: ida(DAG([("X", "Y")], latent="X"), "X", "Y", np.eye(2)), GraphError, "no latent"),
        (
            lambda _: possible_parent_sets(PDAG(undirected=[(0, 1), (1, 2), (2, 3), (3, 0)]), 0),
            GraphError,
            "no DAG",
        ),
    ],
)
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(CPDAG(undirected=[("X", "Y")]))
