"""Interventional equivalence, against its definition by enumeration on up to four nodes."""

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import DAG, MPDAG
from causalrep.utils import GraphError, UnknownNameError
from tests.graphs.conftest import class_key
from tests.strategies import dags


def interventional_classes(graphs, targets):
    """Group DAGs that are Markov equivalent when observed and under every target's cut."""
    found = {}
    for g in graphs:
        key = (class_key(g), *(class_key(g.do(*target)) for target in targets))
        found.setdefault(key, []).append(g)
    return list(found.values())


FAMILIES = [[], [[0]], [[0, 1]], [[0], [1]], [[0, 2], [1]], [[0, 1, 2]], [[0], [1], [2], [3]]]


@pytest.mark.parametrize("targets", FAMILIES, ids=str)
@pytest.mark.parametrize("n_nodes", [3, 4])
def test_the_essential_graph_directs_what_all_members_direct_alike(every_dag, n_nodes, targets):
    targets = [[node for node in target if node < n_nodes] for target in targets]
    graphs = every_dag[n_nodes]
    if n_nodes == 4:  # whole classes: all DAGs of a random choice of skeletons
        kept = random.Random(0).sample(sorted({class_key(g)[0] for g in graphs}, key=sorted_pairs), 12)
        graphs = [g for g in graphs if class_key(g)[0] in kept]
    essential_graphs = set()
    for members in interventional_classes(graphs, targets):
        shared = set.intersection(*(set(g.directed_edges) for g in members))
        essential = members[0].interventional_cpdag(targets)
        assert essential.directed_edges == shared
        assert all(g.interventional_cpdag(targets) == essential for g in members)
        assert essential.size() == len(members)
        assert set(essential.dags()) == set(members)
        assert MPDAG(essential.directed_edges, essential.undirected_edges, essential.nodes) == essential
        assert essential not in essential_graphs
        essential_graphs.add(essential)


def sorted_pairs(skeleton):
    return sorted(sorted(pair) for pair in skeleton)


def test_a_target_directs_the_edges_at_its_border_only():
    g = DAG(combinations("ABCD", 2))
    assert g.interventional_cpdag([["A", "B"]]).undirected_edges == {("A", "B"), ("C", "D")}
    assert g.interventional_cpdag(["A", "B", "C"]) == g


def test_equivalence_is_lost_by_the_experiment_that_separates():
    g, h = DAG.from_string("X -> Y; Z"), DAG.from_string("Y -> X; Z")
    assert g.is_markov_equivalent(h)
    assert g.is_markov_equivalent(h, targets=["Z", ["X", "Y"]])
    assert not g.is_markov_equivalent(h, targets=["Z", "X"])
    assert not g.is_markov_equivalent(DAG.from_string("X -> Y"))


@given(dags(min_nodes=1, max_nodes=7), st.data())
def test_more_experiments_never_tell_less(g, data):
    targets = data.draw(st.lists(st.lists(st.sampled_from(g.nodes), unique=True), max_size=3))
    before, after = g.interventional_cpdag(targets[:-1]), g.interventional_cpdag(targets)
    assert g.to_cpdag().directed_edges <= before.directed_edges <= after.directed_edges <= g.directed_edges
    assert after.contains(g)


def test_targets_are_checked():
    g = DAG.from_string("X -> Y")
    with pytest.raises(GraphError, match=r"such as \['X'\]"):
        g.interventional_cpdag("X")
    with pytest.raises(UnknownNameError, match="`targets` names 'Q'"):
        g.interventional_cpdag([["X", "Q"]])
