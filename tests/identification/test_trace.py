"""Derivations and refusals can be checked, and a false one is found out."""

from dataclasses import replace

import pytest

from causalrep.graphs import ADMG, NodeSet
from causalrep.identification import Hedge, Separation, Step, Thicket, Trace, Undecided, identify
from tests.identification.discrete_models import as_dag

NAPKIN = ADMG.from_string("W -> Z -> X -> Y; W <-> X; W <-> Y")
BOW = ADMG.from_string("X -> Y; X <-> Y; W -> X")


def test_the_back_door_derivation_names_rules_and_separations():
    trace = identify(ADMG.from_string("Z -> X -> Y; Z -> Y"), "P(Y | do(X))").trace
    assert [step.rule for step in trace] == ["marginalisation", "rule 2", "rule 3"]
    assert trace[1].licenses == (Separation(("Y",), ("X",), ("Z",), cut_outgoing=("X",)),)
    assert trace[2].licenses == (Separation(("Z",), ("X",), cut_incoming=("X",)),)
    assert trace.verify()


@pytest.mark.parametrize(
    ("graph", "query", "rules"),
    [
        ("X -> M -> Y; X <-> Y", "P(Y | do(X))", {"rule 2", "rule 3", "marginalisation"}),
        ("W -> Z -> X -> Y; W <-> X; W <-> Y", "P(Y | do(X))", {"ancestral restriction", "c-factorisation"}),
        ("Y -> X", "P(Y | do(X))", {"rule 3"}),
        ("X -> Z -> Y; X <-> Z", "P(Y | do(X), Z)", {"rule 3"}),
        ("X -> M -> Y", "P(Y | do(X), M)", {"rule 3"}),
        ("X -> A; A -> Y; X <-> Y; A -> Z", "P(Y | do(X), Z)", {"definition", "c-factorisation"}),
    ],
)
def test_derivations_of_all_kinds_hold(graph, query, rules):
    result = identify(ADMG.from_string(graph), query)
    assert rules <= {step.rule for step in result.trace}
    assert result.trace.verify()


def test_a_derivation_does_not_hold_in_a_graph_with_more_edges():
    trace = identify(NAPKIN, "P(Y | do(X))").trace
    confounded = ADMG(NAPKIN.directed_edges, [*NAPKIN.bidirected_edges, ("X", "Y")], nodes=NAPKIN.nodes)
    assert trace.verify()
    assert not Trace(confounded, list(trace)).verify()


def test_a_tampered_step_is_found_out():
    trace = identify(NAPKIN, "P(Y | do(X))").trace
    for i, step in enumerate(trace):
        for j, claim in enumerate(step.licenses):
            false = replace(claim, cut_incoming=(), cut_outgoing=(), given=())
            if false.holds(NAPKIN):
                continue
            licenses = (*step.licenses[:j], false, *step.licenses[j + 1 :])
            steps = [*list(trace)[:i], replace(step, licenses=licenses), *list(trace)[i + 1 :]]
            assert not Trace(NAPKIN, steps).verify()


def test_claims_are_checked_in_the_graph_with_its_latent_nodes():
    graph = as_dag("U -> X -> M -> Y; U -> Y", ["U"])
    assert identify(graph, "P(Y | do(X))").trace.verify()
    assert not Separation(("X",), ("Y",), ("M",)).holds(graph)
    assert Separation(("M",), ("Y",), ("X",), cut_outgoing=("M",)).holds(graph)


def test_a_step_is_written_with_its_licenses():
    step = Step("rule 2", "P(Y | do(X))", "P(Y | X)", (Separation(("Y",), ("X",), ("a b",), ("Z",), ("X",)),))
    assert str(step).splitlines() == [
        "rule 2: P(Y | do(X)) = P(Y | X)",
        '    since (Y _||_ X | "a b") without the edges into Z and out of X',
    ]


# Witnesses


def test_the_bow_is_its_own_hedge():
    hedge = identify(BOW, "P(Y | do(X))").witness
    assert (hedge.larger, hedge.smaller) == ({"X", "Y"}, {"Y"})
    assert hedge.verify()


@pytest.mark.parametrize(
    "change",
    [
        {"larger": NodeSet(["Y"])},
        {"larger": NodeSet(["W", "X", "Y"])},
        {"larger": NodeSet(["W", "Y"])},
        {"smaller": NodeSet(["X"])},
        {"smaller": NodeSet()},
        {"treatment": NodeSet(["W"])},
        {"treatment": NodeSet(["Y"])},
        {"outcome": NodeSet(["W"])},
        {"experiment": NodeSet(["X"])},
        {"graph": ADMG.from_string("X -> Y; W -> X")},
        {"graph": ADMG.from_string("Y -> X; X <-> Y; W -> X")},
    ],
    ids=str,
)
def test_what_is_no_hedge_does_not_pass_for_one(change):
    hedge = Hedge(BOW, NodeSet(["Y"]), NodeSet(["X"]), NodeSet(["X", "Y"]), NodeSet(["Y"]))
    assert hedge.verify()
    assert not replace(hedge, **change).verify()


def test_a_hedge_of_a_conditional_effect_needs_conditions_that_are_no_actions():
    graph = ADMG.from_string("X -> Y; X <-> Z; Z <-> Y")
    hedge = identify(graph, "P(Y | do(X), Z)").witness
    assert (hedge.given, hedge.outcome) == ({"Z"}, {"Y", "Z"})
    assert hedge.verify()
    # With Z -> Y alone the condition would be an action, and the joint effect beside the point.
    chain = ADMG.from_string("X -> Z -> Y; X <-> Z")
    joint = identify(chain, "P(Y, Z | do(X))").witness
    assert joint.verify()
    assert not replace(joint, given=NodeSet(["Z"])).verify()


def test_a_hedge_may_be_hidden_by_latent_nodes():
    result = identify(as_dag("U -> X -> Y; U -> Y", ["U"]), "P(Y | do(X))")
    assert result.witness.larger == {"X", "Y"}
    assert result.witness.verify()


def test_against_several_distributions_there_is_a_hedge_each():
    graph = ADMG.from_string("Z -> X -> Y; X <-> Y; Z <-> Y")
    available = ["P(X, Y, Z)", "P(X, Y | do(Z))", "P(X, Z | do(Y))"]
    thicket = identify(graph, "P(Y | do(X))", available=available).witness
    assert isinstance(thicket, Thicket)
    assert [set(hedge.experiment) for hedge in thicket.hedges] == [set(), {"Z"}]
    assert thicket.useless == (NodeSet(["Y"]),)
    assert thicket.verify()
    assert not replace(thicket, useless=(NodeSet(["Z"]),)).verify()
    assert not replace(thicket, target=NodeSet(["X"])).verify()


def test_what_more_measurements_would_not_answer_is_refused_with_a_proof():
    hedge = identify(BOW, "P(Y | do(X))", available=["P(X, Y)", "P(X, W)"]).witness
    assert isinstance(hedge, Thicket)
    assert hedge.verify()


def test_a_node_that_nobody_measured_is_latent_in_the_proof():
    hedge = identify(ADMG.from_string("Z -> X -> Y; Z -> Y"), "P(Y | do(X))", available=["P(X, Y)"]).witness
    assert hedge.graph.latent == {"Z"}
    assert (hedge.larger, hedge.smaller) == ({"X", "Y"}, {"Y"})
    assert hedge.verify()


def test_nothing_is_proved_by_not_finding_anything():
    graph = ADMG.from_string("Z -> X -> Y; Z -> Y")
    witness = identify(graph, "P(Y | do(X))", available=["P(X, Z)", "P(X, Y)"]).witness
    assert isinstance(witness, Undecided)
    assert not witness.verify()
