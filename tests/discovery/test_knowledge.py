"""Knowledge is obeyed in every phase, and what follows from it is found."""

import itertools

import numpy as np
import pytest

from causalrep.discovery import PC, ConflictWarning, Knowledge
from causalrep.graphs import DAG, PDAG
from causalrep.independence import FisherZ, Oracle
from causalrep.utils import CycleError, GraphError, UnknownNameError

RULES = ("majority", "max_p", "standard")


@pytest.fixture(scope="module")
def classes(all_dags):
    """Return all DAGs on four nodes, grouped by Markov equivalence class."""
    groups = {}
    for dag in all_dags(range(4)):
        groups.setdefault(dag.to_cpdag(), []).append(dag)
    return groups


def common_directions(dags, nodes):
    """Return the graph of what all DAGs agree on, by definition."""
    shared = set.intersection(*(set(dag.directed_edges) for dag in dags))
    skeleton = {frozenset(edge) for edge in dags[0].directed_edges}
    undirected = [tuple(edge) for edge in skeleton - {frozenset(edge) for edge in shared}]
    return PDAG(directed=shared, undirected=undirected, nodes=nodes)


def allows(knowledge, dag):
    edges = set(dag.directed_edges)
    return set(knowledge.required) <= edges and not any(knowledge.forbids(*edge) for edge in edges)


def random_knowledge(dag, rng):
    """Return knowledge that is true of the DAG."""
    edges, pairs = list(dag.directed_edges), list(itertools.permutations(dag.nodes, 2))
    absent = [pair for pair in pairs if pair not in edges]
    required = [edge for edge in edges if rng.random() < 0.2]
    forbidden = [pair for pair in absent if rng.random() < 0.2]
    order = dag.topological_order()
    cut = int(rng.integers(0, 5))
    return Knowledge(required, forbidden, [order[:cut], order[cut:]] if 0 < cut < 4 else ())


# --- exactness ----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(6))
def test_true_knowledge_gives_exactly_what_its_dags_agree_on(classes, part):
    rng = np.random.default_rng(part)
    every = [(dag, members) for members in classes.values() for dag in members]
    for choice in rng.choice(len(every), size=60, replace=False):
        dag, members = every[choice]
        knowledge = random_knowledge(dag, rng)
        expected = common_directions([other for other in members if allows(knowledge, other)], range(4))
        pc = PC(test=Oracle(dag), knowledge=knowledge, collider_rule=RULES[choice % 3]).fit()
        assert pc.graph_ == expected
        assert pc.conflicts_ == ()
        plain = PC(test=Oracle(dag)).fit()
        assert plain.orient(knowledge) == expected
        assert plain.graph_ == dag.to_cpdag()


def test_a_full_order_of_time_directs_every_edge(random_dag):
    for seed in range(20):
        dag = random_dag(seed, 9)
        knowledge = Knowledge(tiers=[[node] for node in dag.topological_order()])
        assert PC(test=Oracle(dag), knowledge=knowledge).fit().graph_ == dag


# --- obedience when the data object ---------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(12))
def test_the_graph_obeys_also_false_knowledge(random_dag, linear_data, seed, rule):
    rng = np.random.default_rng(seed)
    frame = linear_data(random_dag(seed, 8), 100, seed)
    order = list(rng.permutation(frame.columns))
    pairs = list(itertools.combinations(order, 2))
    required = [pairs[k] for k in rng.choice(len(pairs), size=4, replace=False)]
    banned = [(b, a) for a, b in pairs if rng.random() < 0.3]
    apart = [pair for pair in pairs if pair not in required and rng.random() < 0.1]
    knowledge = Knowledge(
        required, [*banned, *apart, *(pair[::-1] for pair in apart)], [order[:2], order[4:]]
    )
    pc = PC(alpha=0.05, knowledge=knowledge, collider_rule=rule).fit(frame)
    directed = set(pc.graph_.directed_edges)
    assert set(required) <= directed
    assert not any(knowledge.forbids(*edge) for edge in directed)
    undecided = pc.graph_.undirected_edges
    assert not any(knowledge.forbids(a, b) != knowledge.forbids(b, a) for a, b in undecided)
    for a, b in apart:
        assert b not in pc.graph_.adjacent(a)
        assert (a, b) not in pc.sepsets_
        assert np.isnan(pc.pvalues_[frame.columns.get_loc(a), frame.columns.get_loc(b)])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("text", ["A -> B -> C", "A -> B <- C"])
def test_a_pair_forbidden_both_ways_is_a_collider_only_on_evidence(text, rule):
    # Taking the pair as separated by the empty set would make B a collider, ignoring it never would.
    dag = DAG.from_string(text)
    knowledge = Knowledge(forbidden=[("A", "C"), ("C", "A")])
    pc = PC(test=Oracle(dag), knowledge=knowledge, collider_rule=rule).fit()
    assert pc.graph_ == dag.to_cpdag()
    assert ("A", "C") not in pc.sepsets_


@pytest.mark.parametrize("rule", RULES)
def test_a_pair_that_nothing_separates_but_knowledge_is_no_evidence(rule):
    dag = DAG.from_string("A -> B -> C; A -> C")
    knowledge = Knowledge(forbidden=[("A", "C"), ("C", "A")])
    pc = PC(test=Oracle(dag), knowledge=knowledge, collider_rule=rule).fit()
    assert pc.graph_ == PDAG(undirected=[("A", "B"), ("B", "C")])


def test_a_required_edge_that_the_data_reject_is_kept_and_reported():
    dag = DAG.from_string("A -> B -> C")
    pc = PC(test=Oracle(dag), knowledge=Knowledge(required=[("A", "C")])).fit()
    assert ("A", "C") in pc.graph_.directed_edges
    assert [(conflict.kind, conflict.nodes) for conflict in pc.conflicts_] == [("required", ("A", "C"))]
    assert pc.conflicts_[0].pvalue == 1.0
    assert ("A", "C") not in pc.sepsets_


def test_knowledge_wins_over_a_collider_and_the_collider_is_reported():
    dag = DAG.from_string("A -> C <- B")
    knowledge = Knowledge(required=[("C", "A")])
    pc = PC(test=Oracle(dag), knowledge=knowledge).fit()
    # C -> A and no collider at C: C -> B would be allowed as well as B -> C.
    assert pc.graph_ == PDAG(directed=[("C", "A")], undirected=[("B", "C")])
    (conflict,) = pc.conflicts_
    assert (conflict.kind, conflict.nodes, conflict.against) == ("collider", ("A", "C", "B"), ("C", "A"))
    plain = PC(test=Oracle(dag)).fit()
    with pytest.warns(ConflictWarning, match="overrules") as caught:
        assert plain.orient(knowledge) == pc.graph_
    assert caught[0].message.conflicts == pc.conflicts_
    forbidding = PC(test=Oracle(dag), knowledge=Knowledge(forbidden=[("A", "C")])).fit()
    assert forbidding.graph_ == pc.graph_


def test_of_directions_that_form_a_cycle_the_weakest_edge_is_left_out():
    R = [[1, 0.6, 0.5], [0.6, 1, 0.4], [0.5, 0.4, 1]]
    test = FisherZ.from_correlation(R, 500, list("abc"))
    around = Knowledge(forbidden=[("b", "a"), ("c", "b"), ("a", "c")])
    pc = PC(test=test, knowledge=around).fit()
    # p is largest for b - c: r_bc.a = .1 / sqrt(.64 * .75) = .144.
    assert pc.graph_ == PDAG(directed=[("a", "b"), ("c", "a")])
    assert [(conflict.kind, conflict.nodes) for conflict in pc.conflicts_] == [("cycle", ("b", "c"))]


def test_later_tiers_never_condition_earlier_pairs():
    asked = set()

    class Watched(Oracle):
        def _evaluate(self, i, j, S):
            for a, b, *given in zip(i, j, *S, strict=True):
                asked.add((*(self.names_[k] for k in (a, b)), tuple(self.names_[k] for k in given)))
            return super()._evaluate(i, j, S)

    dag = DAG.from_string("{A B} -> C -> D; B -> D")
    PC(test=Watched(dag), knowledge=Knowledge(tiers=[["A", "B"], ["C"], ["D"]])).fit()
    tier = {"A": 0, "B": 0, "C": 1, "D": 2}
    assert asked
    assert all(tier[s] <= max(tier[a], tier[b]) for a, b, given in asked for s in given)


# --- the object ------------------------------------------------------------------------------------


def test_tiers_forbid_only_backwards_and_spare_the_others():
    knowledge = Knowledge(tiers=[["a", "b"], ["c"]])
    assert knowledge.forbids("c", "a")
    assert not knowledge.forbids("a", "c")
    assert not knowledge.forbids("a", "b")
    assert not knowledge.forbids("c", "free")
    assert not knowledge.forbids("free", "a")


def test_equal_knowledge_is_equal_and_shown():
    one = Knowledge(required=[("a", "b")], forbidden=[("c", "a"), ("c", "b")], tiers=[["a"], ["b", "c"]])
    other = Knowledge(required=[("a", "b")], forbidden=[("c", "b"), ("c", "a")], tiers=[["a"], ["c", "b"]])
    assert one == other
    assert hash(one) == hash(other)
    assert one != Knowledge(required=[("a", "b")])
    assert one != "knowledge"
    assert repr(one).startswith("Knowledge(required=(('a', 'b'),)")
    assert one.names == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"required": [("a", "b")], "forbidden": [("a", "b")]}, "'a' -> 'b' is both required and forbidden"),
        ({"required": [("a", "b")], "tiers": [["b"], ["a"]]}, "both required and ruled out by the tiers"),
        ({"tiers": [["a"], ["b", "a"]]}, "'a' in 0 and 1"),
        ({"required": [("a", "a")]}, "between two variables"),
        ({"required": ["ab"]}, "pairs"),
        ({"forbidden": [("a", "b", "c")]}, "pairs"),
        ({"tiers": ["ab", "c"]}, r"write \['ab'\]"),
    ],
)
def test_contradictions_are_refused(arguments, rule):
    with pytest.raises(GraphError, match=rule):
        Knowledge(**arguments)


def test_a_cycle_of_required_edges_is_refused():
    with pytest.raises(CycleError) as caught:
        Knowledge(required=[("a", "b"), ("b", "c"), ("c", "a")])
    assert set(caught.value.cycle) == {"a", "b", "c"}


def test_unknown_names_are_refused_with_the_nearest():
    oracle = Oracle(DAG.from_string("angle -> light"))
    for knowledge in (
        Knowledge(required=[("angel", "light")]),
        Knowledge(forbidden=[("light", "angel")]),
        Knowledge(tiers=[["angel"], ["light"]]),
    ):
        with pytest.raises(UnknownNameError, match="did you mean 'angle'"):
            PC(test=oracle, knowledge=knowledge).fit()
        with pytest.raises(UnknownNameError, match="did you mean 'angle'"):
            PC(test=oracle).fit().orient(knowledge)


def test_knowledge_against_the_fitted_adjacencies_is_refused():
    pc = PC(test=Oracle(DAG.from_string("A -> B -> C"))).fit()
    with pytest.raises(GraphError, match="requires an edge between 'A' and 'C', which are not adjacent"):
        pc.orient(Knowledge(required=[("A", "C")]))
    with pytest.raises(GraphError, match="forbids both directions between 'A' and 'B'"):
        pc.orient(Knowledge(forbidden=[("A", "B"), ("B", "A")]))


def test_orienting_with_no_knowledge_gives_the_graph_back():
    dag = DAG.from_string("A -> C <- B; C -> D")
    known = PC(test=Oracle(dag), knowledge=Knowledge(tiers=[["A"], ["B"], ["C"], ["D"]])).fit()
    assert known.orient(None) == dag.to_cpdag()
