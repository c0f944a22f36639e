"""Two colliders that want opposite heads on one edge: what each policy makes of it, in any column order."""

from itertools import combinations

import numpy as np
import pytest

from causalrep.discovery import FCI, PC, Bootstrap, Knowledge
from causalrep.graphs import CPDAG, DAG, PAG, PDAG
from causalrep.independence import FisherZ, Oracle
from causalrep.utils import UnknownNameError

POLICIES = ("priority", "mark", "bidirected", "first", "overwrite")


def path(r_ac, r_bd):
    """Return a test in which a - b - c - d looks like a -> b <- c and like b -> c <- d."""
    R = np.eye(4)
    for i, j, r in ((0, 1, 0.5), (1, 2, 0.5), (2, 3, 0.5), (0, 2, r_ac), (1, 3, r_bd)):
        R[i, j] = R[j, i] = r
    return FisherZ.from_correlation(R, 400, list("abcd"))


@pytest.mark.parametrize(
    ("policy", "r_ac", "r_bd", "expected"),
    [
        # p(a, c) = 0.92 and p(b, d) = 0.23: neither is ten times the other.
        ("priority", 0.005, 0.06, CPDAG.from_string("a -> b; c -> b; c -- d")),
        ("priority", 0.06, 0.005, CPDAG.from_string("a -- b; b -> c; d -> c")),
        ("mark", 0.005, 0.06, PDAG.from_string("a -> b; b -- c; d -> c")),
        ("bidirected", 0.005, 0.06, PAG.from_string("a -> b; b <-> c; d -> c")),
        ("first", 0.06, 0.005, CPDAG.from_string("a -> b; c -> b; c -- d")),
        # The second takes the head on b - c; what else the first had placed stays.
        ("overwrite", 0.005, 0.06, PDAG.from_string("a -> b; b -> c; d -> c")),
        # p = 0.92 and 0.046: twenty times.
        ("mark", 0.005, 0.1, CPDAG.from_string("a -> b; c -> b; c -- d")),
        ("mark", 0.1, 0.005, CPDAG.from_string("a -- b; b -> c; d -> c")),
        ("bidirected", 0.005, 0.1, PAG.from_string("a -> b; b <-> c; d -> c")),
    ],
)
def test_each_policy_on_one_disputed_edge(policy, r_ac, r_bd, expected):
    found = PC(test=path(r_ac, r_bd), max_cond=0, conflict=policy).fit()
    assert type(found.graph_) is type(expected)
    assert found.graph_ == expected
    assert found.is_valid_cpdag_ is isinstance(expected, CPDAG)


@pytest.mark.parametrize(
    ("policy", "lost"),
    [
        ("priority", [(("b", "c", "d"), ("c", "b"))]),
        ("first", [(("b", "c", "d"), ("c", "b"))]),
        ("overwrite", [(("a", "b", "c"), ("b", "c"))]),
        ("mark", [(("a", "b", "c"), ("b", "c")), (("b", "c", "d"), ("c", "b"))]),
        ("bidirected", [(("a", "b", "c"), ("b", "c")), (("b", "c", "d"), ("c", "b"))]),
    ],
)
def test_what_lost_is_recorded_with_what_stands_against_it(policy, lost):
    found = PC(test=path(0.005, 0.06), max_cond=0, conflict=policy).fit()
    told = [(c.nodes, c.against) for c in found.conflicts_ if c.kind == "collider"]
    assert told == lost
    assert [c.pvalue for c in found.conflicts_ if c.nodes == ("b", "c", "d")] in (
        [],
        [found.pvalues_[1, 3]],
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_without_a_dispute_all_policies_agree(random_dag, policy):
    for seed in range(5):
        dag = random_dag(seed, 10)
        found = PC(test=Oracle(dag), conflict=policy).fit()
        assert found.graph_ == dag.to_cpdag()
        assert found.is_valid_cpdag_
        assert not found.conflicts_


@pytest.mark.parametrize("policy", POLICIES)
def test_column_order_changes_nothing(random_dag, linear_data, policy):
    n_conflicts = 0
    for seed in range(6):
        data = linear_data(random_dag(seed, 12, degree=4), 150, seed)
        shuffled = data.iloc[:, np.random.default_rng(seed).permutation(12)]
        one, other = (PC(alpha=0.05, conflict=policy).fit(frame) for frame in (data, shuffled))
        assert one.graph_ == other.graph_
        assert one.conflicts_ == other.conflicts_
        n_conflicts += len(one.conflicts_)
    assert n_conflicts > 5


def heads_wanted(pc):
    """Return the heads (cause, effect) that the recorded separating sets want, from their definition."""
    graph = pc.graph_
    wanted = set()
    for k in graph.nodes:
        for i, j in combinations(graph.adjacent(k), 2):
            if j not in graph.adjacent(i) and k not in pc.sepsets_[i, j]:
                wanted |= {(i, k), (j, k)}
    return wanted


def test_two_heads_stand_exactly_where_two_colliders_want_them(random_dag, linear_data):
    n_disputed = 0
    for seed in range(10):
        data = linear_data(random_dag(seed, 8, degree=3), 120, seed)
        found = PC(alpha=0.05, conflict="bidirected", collider_rule="standard").fit(data)
        wanted = heads_wanted(found)
        disputed = {frozenset(head) for head in wanted if head[::-1] in wanted}
        assert {frozenset(edge) for edge in found.graph_.bidirected_edges} == disputed
        n_disputed += len(disputed)
    assert n_disputed > 3


def test_a_hidden_common_cause_shows_as_two_heads():
    hidden = Oracle(DAG.from_string("A -> X; B -> Y; U -> X; U -> Y"), latent=["U"])
    found = PC(test=hidden, conflict="bidirected").fit()
    assert found.graph_ == PAG.from_string("A -> X; B; X <-> Y; B -> Y")
    assert found.graph_.bidirected_edges == FCI(test=hidden).fit().graph_.bidirected_edges


@pytest.mark.parametrize("policy", POLICIES)
def test_knowledge_wins_and_stays_when_edges_are_directed_anew(policy):
    found = PC(test=path(0.005, 0.06), max_cond=0, conflict=policy)
    known = Knowledge(required=[("b", "c")])
    within = PC(test=path(0.005, 0.06), max_cond=0, conflict=policy, knowledge=known).fit()
    assert ("b", "c") in within.graph_.directed_edges
    assert ("d", "c") in within.graph_.directed_edges  # the other collider is free to be
    assert ("a", "b") not in within.graph_.directed_edges
    assert [(c.nodes, c.against) for c in within.conflicts_] == [(("a", "b", "c"), ("b", "c"))]
    assert found.fit().orient(None) == found.graph_


def test_nothing_follows_from_a_disputed_edge():
    # b - c is disputed; e hangs on b only. With c -> b the rules would direct b -> e; a -> b does so still.
    R = np.eye(5)
    for i, j, r in ((0, 1, 0.5), (1, 2, 0.5), (2, 3, 0.5), (0, 2, 0.005), (1, 3, 0.06), (2, 4, 0.5)):
        R[i, j] = R[j, i] = r
    R[1, 4] = R[4, 1] = 0.25  # independent given c, as are d and e
    R[3, 4] = R[4, 3] = 0.25
    test = FisherZ.from_correlation(R, 400, list("abcde"))
    found = PC(test=test, conflict="mark", collider_rule="standard", max_cond=1).fit().graph_
    assert "c" in found.neighbors("b")
    assert ("c", "e") in found.directed_edges  # from d -> c, which nobody disputes


def test_resampling_counts_two_heads():
    rng = np.random.default_rng(0)
    a, b, u = rng.normal(size=(3, 400))
    X = np.column_stack([a, a + u, b + u, b]) + 0.3 * rng.normal(size=(400, 4))
    stable = Bootstrap(PC(conflict="bidirected"), n_replicates=10).fit(X)
    assert stable.edges_.set_index(["u", "v"]).loc[(1, 2), "<->"] > 0.5


def test_unknown_policies_are_refused():
    with pytest.raises(UnknownNameError, match="`conflict`"):
        PC(conflict="last").fit(np.random.default_rng(0).normal(size=(20, 2)))
