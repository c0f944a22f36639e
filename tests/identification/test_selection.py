"""Estimands from data on the selected against everyone's enumerated worlds."""

import random
from itertools import combinations

import pytest

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification import Dependence, SelectionBarrier, recover
from causalrep.identification._potential import Potential
from causalrep.identification._query import parse_query
from causalrep.utils import GraphError, UnknownNameError
from tests.identification.response_models import ResponseModel

CONFOUNDED = ADMG([("Z", "X"), ("Z", "Y"), ("X", "Y"), ("Z", "S")])


def selected(model):
    """The distribution of those with S = 1."""
    table = model.table()
    kept = table.pop("S") == 1
    table = {name: column[kept] for name, column in table.items()}
    table["p"] = table["p"] / table["p"].sum()
    return table


def truth(model, query):
    question = parse_query(query)
    acted = tuple(question.do)
    event, given = (
        [(Potential(p.variable, acted), value) for p, value in part]
        for part in (question.outcome, question.given)
    )
    return model.probability(event, given)


def check(r, query, graph, seed):
    assert r.trace.verify()
    model = ResponseModel(graph, seed)
    for form in ("simplified", "raw"):
        assert r.evaluate(selected(model), form=form) == pytest.approx(truth(model, query), abs=1e-9)


#: graph, query, whether recoverable
NAMED = [
    (DAG([("X", "Y"), ("X", "S")]), "P(Y=1 | X=1)", True),
    (DAG([("X", "Y"), ("X", "S")]), "P(Y=1 | do(X=1))", True),
    (DAG([("X", "Y"), ("X", "S")]), "P(Y=1)", False),
    (DAG([("X", "Y"), ("Y", "S")]), "P(Y=1 | X=1)", False),  # case-control
    (DAG([("X", "Y"), ("Y", "S")]), "P(Y=1 | do(X=1))", False),
    (DAG([("X", "Y"), ("X", "S"), ("Y", "S")]), "P(Y=1 | do(X=1))", False),
    (CONFOUNDED, "P(Y=1 | X=1, Z=0)", True),
    (CONFOUNDED, "P(Y=1 | do(X=1), Z=0)", True),
    (CONFOUNDED, "P(Y=1 | do(X=1))", False),  # nobody tells how Z is distributed
    (DAG([("X", "M"), ("M", "Y"), ("X", "Y"), ("X", "S")]), "P(Y=1 | do(X=1))", True),
    # Bareinboim and Tian 2015: selection by a cause of the treatment only
    (ADMG([("W", "X"), ("X", "Y"), ("W", "S")], [("W", "Y")]), "P(Y=1 | do(X=1))", False),
    (ADMG([("W", "X"), ("X", "Y"), ("W", "S")], [("X", "W")]), "P(Y=1 | do(X=1))", True),
    (ADMG([("X", "M"), ("M", "Y"), ("X", "S")], [("X", "Y")]), "P(Y=1 | do(X=1))", False),
    (ADMG([("X", "M"), ("M", "Y"), ("X", "S")], [("X", "Y")]), "P(M=1 | do(X=1))", True),
]


@pytest.mark.parametrize(("graph", "query", "expected"), NAMED)
def test_named_graphs(graph, query, expected):
    r = recover(graph, query, "S")
    assert r.identifiable is expected
    if not expected:
        assert r.witness.verify()
        return
    for seed in (0, 1):
        check(r, query, graph.to_admg() if isinstance(graph, DAG) else graph, seed)


@pytest.mark.parametrize("block", range(6))
def test_random_graphs(block):
    n_recovered = 0
    for seed in range(25 * block, 25 * block + 25):
        chance = random.Random(seed)
        nodes = [f"V{i}" for i in range(chance.choice([2, 3, 3, 4]))]
        chance.shuffle(nodes)
        pairs = list(combinations(nodes, 2))
        directed = [pair for pair in pairs if chance.random() < 0.5]
        bidirected = [pair for pair in pairs if chance.random() < 0.2]
        directed += [(v, "S") for v in nodes if chance.random() < 0.4]
        graph = ADMG(directed, bidirected, nodes=[*nodes, "S"])
        x, y = chance.sample(nodes, 2)
        known = [f"{v}=0" for v in nodes if v not in (x, y) and chance.random() < 0.25]
        treatment = f"do({x}=1)" if chance.random() < 0.8 else f"{x}=1"
        query = f"P({y}=1 | {', '.join([treatment, *known])})"
        r = recover(graph, query, "S")
        if r.identifiable:
            n_recovered += 1
            for twin in (0, 1):
                check(r, query, graph, 2 * seed + twin)
        else:
            assert r.witness.verify()
    assert n_recovered > 5


def test_a_census_makes_up_for_what_selection_distorts():
    r = recover(CONFOUNDED, "P(Y | do(X))", "S", available=["P(Z)"])
    assert str(r.estimand) == "sum_{Z} P^{S=1}(Y | X, Z) P(Z)"
    assert r.trace.verify()
    model = ResponseModel(CONFOUNDED, 7)
    tables = {"P^{S=1}(X, Y, Z)": selected(model), "P(Z)": model.table((), ["Z"])}
    value = r.evaluate(tables, do={"X": 1}, outcome={"Y": 1})
    assert value == pytest.approx(truth(model, "P(Y=1 | do(X=1))"), abs=1e-9)
    named_shortly = {"P^{S=1}": tables["P^{S=1}(X, Y, Z)"], "P(Z)": tables["P(Z)"]}
    assert r.evaluate(named_shortly, do={"X": 1}, outcome={"Y": 1}) == value


def test_a_census_of_the_wrong_variable_does_not_help():
    g = ADMG([("Z", "X"), ("Z", "Y"), ("X", "Y"), ("Z", "S"), ("X", "D")])
    assert not recover(g, "P(Y | do(X))", "S", available=["P(D)"]).identifiable  # an effect of X
    blocked = ADMG([("Z", "X"), ("Z", "Y"), ("X", "Y"), ("Y", "S")])
    assert not recover(blocked, "P(Y | do(X))", "S", available=["P(Z)"]).identifiable


def test_refusals_say_why_and_forgeries_do_not_verify():
    g = DAG([("X", "Y"), ("Y", "S")])
    assert isinstance(recover(g, "P(Y | X)", "S").witness, Dependence)
    barrier = recover(g, "P(Y | do(X))", "S").witness
    assert isinstance(barrier, SelectionBarrier)
    free = DAG([("X", "Y"), ("X", "S")]).to_admg()
    assert not SelectionBarrier(free, "S", NodeSet(["Y"]), NodeSet(["X", "Y"])).verify()


@pytest.mark.parametrize(
    ("query", "node", "error"),
    [
        ("P(Y | do(X))", "Q", UnknownNameError),
        ("P(Q | do(X))", "S", UnknownNameError),
        ("P(Y | X, S)", "S", GraphError),
        ("P(Y[X=1] | X=0)", "S", GraphError),
    ],
)
def test_bad_questions_are_refused(query, node, error):
    with pytest.raises(error):
        recover(CONFOUNDED, query, node)
