"""The reasons that come with a verdict are true of the graph."""

import random
import re

import pytest

from causalrep.graphs import CPDAG, DAG
from causalrep.identification import check_adjustment, is_valid_adjustment
from tests.identification.oracles import random_admg, subsets


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("criterion", ["adjustment", "backdoor", "single-door"])
def test_an_invalid_set_has_a_forbidden_node_or_leaves_the_path_open_that_is_named(seed, criterion):
    chance = random.Random(seed)
    g = random_admg(chance, 5)
    x, y, *rest = chance.sample(g.nodes, 5)
    for z in subsets(rest):
        found = check_adjustment(g, x, y, z, criterion=criterion)
        assert found.valid == is_valid_adjustment(g, x, y, z, criterion=criterion)
        assert found.valid != bool(found.forbidden or found.open_path)
        assert found.forbidden <= set(z)
        if found.open_path:
            assert found.open_path[0] == x
            assert found.open_path[-1] == y
        if found.reason.startswith("open path: "):
            check_path(g, found.reason.removeprefix("open path: "), z)


def check_path(g, text, z):
    """Every arrow is an edge, and exactly the colliders are given."""
    nodes = [int(part) for part in re.split(r" (?:<->|->|<-) ", text)]
    arrows = re.findall(r"<->|->|<-", text)
    for u, arrow, v in zip(nodes, arrows, nodes[1:], strict=False):
        edges = {"->": (u, v) in g.directed_edges, "<-": (v, u) in g.directed_edges}
        assert edges.get(arrow, v in g.siblings(u))
    for before, node, after in zip(arrows, nodes[1:], arrows[1:], strict=False):
        assert (before.endswith(">") and after.startswith("<")) == (node in z)


def test_forbidden_nodes_and_undecided_edges_are_named():
    g = DAG([("X", "M"), ("M", "Y"), ("M", "D"), ("U", "X")], latent="U")
    found = check_adjustment(g, "X", "Y", {"M", "D"})
    assert found.forbidden == {"M", "D"}
    assert found.reason == "'M' is forbidden: it is affected by the treatment on the way to the outcome"
    assert "latent" in check_adjustment(g, "X", "Y", "U").reason
    assert check_adjustment(g, "X", "Y").reason == "all non-causal paths are blocked"
    undecided = check_adjustment(CPDAG(undirected=[("X", "Y")]), "X", "Y")
    assert not undecided.valid
    assert undecided.reason == "the graph leaves open whether 'X' causes 'Y'"
