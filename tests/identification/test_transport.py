"""Transport formulas against pairs of models that share all mechanisms but the marked ones."""

import random
from itertools import combinations, product

import numpy as np
import pytest

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification import Barrier, Hedge, transport
from causalrep.identification._potential import Potential
from causalrep.identification._query import parse_query
from causalrep.utils import GraphError, UnknownNameError
from tests.identification.response_models import ResponseModel

YOUNG = ADMG([("Z", "X"), ("Z", "Y"), ("X", "Y")], [("X", "Y")])


def populations(graph, selection, seed):
    """A target, and sources that differ from it in the functions of the marked nodes alone."""
    target = ResponseModel(graph, seed)
    found = {"*": target}
    for k, (name, marked) in enumerate(selection.items(), 1):
        other = ResponseModel(graph, seed)
        for node in marked:
            other.functions[node] = ResponseModel(graph, 1000 * k + seed).functions[node]
        found[name] = other
    return found


def experiment(model, do, names=None):
    cells = list(product((0, 1), repeat=len(do)))
    names = [v for v in names or model.graph.nodes if v not in do]
    parts = [(cell, model.table(dict(zip(do, cell, strict=True)), names)) for cell in cells]
    columns = {v: np.concatenate([part[v] for _, part in parts]) for v in [*names, "p"]}
    columns["p"] /= len(cells)
    for i, v in enumerate(do):
        columns[v] = np.repeat([cell[i] for cell in cells], [len(part["p"]) for _, part in parts])
    return columns


def check(r, query, models, treatment):
    """The formula, in both forms, has the value that the target's enumerated worlds have."""
    tables = {}
    for name, model in models.items():
        tables[((), name)] = model.table()
        if name != "*":
            tables[(tuple(treatment), name)] = experiment(model, treatment)
    question = parse_query(query)
    acted = tuple(question.do)
    event, given = (
        [(Potential(p.variable, acted), value) for p, value in part]
        for part in (question.outcome, question.given)
    )
    truth = models["*"].probability(event, given)
    for form in ("simplified", "raw"):
        assert r.evaluate(tables, form=form) == pytest.approx(truth, abs=1e-9)
    assert r.trace.verify()


#: graph, query, marked nodes, strategy or None
NAMED = [
    (YOUNG, "P(Y=1 | do(X=1))", ["Z"], "transport"),
    (YOUNG, "P(Y=1 | do(X=1), Z=1)", ["Z"], "direct"),
    (YOUNG, "P(Y=1 | do(X=1))", ["X"], "direct"),
    (YOUNG, "P(Y=1 | do(X=1))", ["Y"], None),
    (YOUNG, "P(Y=1 | do(X=1))", [], "direct"),
    # Bareinboim and Pearl 2012: surrogate Z between X and Y
    (ADMG([("X", "Z"), ("Z", "Y")], [("X", "Y")]), "P(Y=1 | do(X=1))", ["Z"], "trivial"),
    (ADMG([("X", "Z"), ("Z", "Y"), ("X", "Y")], [("X", "Y")]), "P(Y=1 | do(X=1))", ["Z"], "transport"),
    (ADMG([("X", "Z"), ("Z", "Y")], [("X", "Y"), ("X", "Z")]), "P(Y=1 | do(X=1))", ["Z"], None),
    (ADMG([("X", "Y")], [("X", "Y")]), "P(Y=1 | do(X=1))", ["Y"], None),
    (ADMG([("X", "Y")], [("X", "Y")]), "P(Y=1 | do(X=1))", ["X"], "direct"),
    (ADMG([("X", "Y"), ("Z", "Y")], [("X", "Z"), ("Z", "Y")]), "P(Y=1 | do(X=1))", ["Z"], None),
    (
        ADMG([("W", "X"), ("X", "Z"), ("Z", "Y")], [("X", "Y"), ("W", "Y")]),
        "P(Y=1 | do(X=1))",
        ["Z"],
        "trivial",
    ),
]


@pytest.mark.parametrize(("graph", "query", "marked", "strategy"), NAMED)
def test_named_diagrams(graph, query, marked, strategy):
    r = transport(graph, query, marked)
    assert r.identifiable is (strategy is not None)
    if strategy is None:
        assert isinstance(r.witness, Barrier)
        assert r.witness.verify()
        return
    assert r.strategy == strategy
    for seed in (0, 1):
        check(r, query, populations(graph, {"": marked}, seed), ["X"])


def random_diagram(chance, n_sources):
    """Treatment first, outcome last, confounded: the target's own data seldom tell the effect."""
    nodes = [f"V{i}" for i in range(chance.choice([3, 4, 4]))]
    pairs = list(combinations(nodes, 2))
    directed = [pair for pair in pairs if chance.random() < 0.7]
    bidirected = [p for p in pairs if p == (nodes[0], nodes[-1]) or chance.random() < 0.3]
    names = ["a", "b"][:n_sources] if n_sources > 1 else [""]
    marked = {name: [v for v in nodes if chance.random() < 0.3] for name in names}
    return ADMG(directed, bidirected, nodes=nodes), marked


@pytest.mark.parametrize("block", range(3))
def test_random_diagrams(block):
    strategies = []
    for seed in range(40 * block, 40 * block + 40):
        chance = random.Random(seed)
        graph, selection = random_diagram(chance, 1 + seed % 2)
        x, *between, y = graph.nodes
        known = [f"{v}=0" for v in between if chance.random() < 0.1]
        query = f"P({y}=1 | {', '.join([f'do({x}=1)', *known])})"
        r = transport(graph, query, selection if seed % 2 else selection[""])
        strategies.append(r.strategy if r.identifiable else "none")
        if r.identifiable:
            for twin in (0, 1):
                check(r, query, populations(graph, selection, 2 * seed + twin), [x])
        else:
            assert r.witness.verify()
    assert strategies.count("none") < 25
    assert {"direct", "transport"} <= set(strategies)


def test_a_formula_reads_as_in_the_paper():
    assert str(transport(YOUNG, "P(Y | do(X))", "Z").estimand) == "sum_{Z} P(Y | do(X), Z) P^{*}(Z)"


def test_what_is_at_hand_may_be_listed():
    listed = ["P(Z, Y | do(X))", "P*(Z)"]
    r = transport(YOUNG, "P(Y | do(X))", ["Z"], available=listed)
    models = populations(YOUNG, {"": ["Z"]}, 5)
    tables = {listed[0]: experiment(models[""], ["X"]), listed[1]: models["*"].table((), ["Z"])}
    truth = models["*"].probability([(Potential("Y", (("X", 1),)), 1)])
    assert r.evaluate(tables, do={"X": 1}, outcome={"Y": 1}) == pytest.approx(truth, abs=1e-9)
    without = transport(YOUNG, "P(Y | do(X))", ["Z"], available=listed[:1])
    assert without.witness.verify()  # the target's ages are known from nowhere
    partly = transport(YOUNG, "P(Y | do(X))", ["Z"], available=["P(Y | do(X))", "P*(Z)"])
    assert not partly.identifiable
    assert not partly.witness.verify()  # nothing is proved where not all nodes are measured


def test_tables_of_different_nodes_of_one_population_are_all_read():
    graph = ADMG([("Z", "Y"), ("X", "Y")])
    model = ResponseModel(graph, 3)
    tables = {
        "P(X, Y, Z)": model.table(),
        "P(X, Y)": model.table((), ["X", "Y"]),
        "P(Z)": model.table((), ["Z"]),
        "P*(Z)": model.table((), ["Z"]),
    }
    r = transport(graph, "P(Y | do(X))", selection=["Z"], available=list(tables))
    expected = model.probability([(Potential("Y", (("X", 1),)), 1)], [])
    for order in (list(tables), list(tables)[::-1]):
        value = r.evaluate({name: tables[name] for name in order}, do={"X": 1}, outcome={"Y": 1})
        assert value == pytest.approx(expected, abs=1e-9)


def test_two_sources_together_tell_what_neither_does():
    # One trial differs in how M comes about, the other in how Y does.
    g = ADMG([("X", "M"), ("M", "Y"), ("X", "Y")], [("X", "M"), ("X", "Y")])
    selection = {"a": ["M"], "b": ["Y"]}
    r = transport(g, "P(Y=1 | do(X=1))", selection)
    assert r.strategy == "transport"
    assert {term.domain for term in r.estimand.terms()} == {"a", "b"}
    check(r, "P(Y=1 | do(X=1))", populations(g, selection, 0), ["X"])
    for name, marked in selection.items():
        assert not transport(g, "P(Y=1 | do(X=1))", {name: marked}).identifiable


def test_latent_nodes_are_projected_out():
    g = DAG([("U", "X"), ("U", "Y"), ("Z", "Y"), ("X", "Y")], latent=["U"])
    assert "U" not in str(transport(g, "P(Y | do(X))", ["Z"]).estimand)


def test_a_forged_barrier_does_not_verify():
    real = transport(YOUNG, "P(Y | do(X))", ["Y"]).witness
    assert not Barrier(real.target, (("", NodeSet(["Z"])),), real.hedges).verify()
    (name, hedge), *_ = real.hedges
    forged = Hedge(hedge.graph, hedge.outcome, hedge.treatment, NodeSet(["Z", "Y"]), hedge.smaller)
    assert not Barrier(real.target, real.differing, ((name, forged),)).verify()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("P(Y | do(X))", ["Q"]), UnknownNameError),
        (("P(Y | do(X))", "Q"), UnknownNameError),
        (("P(Q | do(X))", ["Z"]), UnknownNameError),
        (("P(Y[X=1] | X=0)", ["Z"]), GraphError),
        (("P(Y | do(X))", {"*": ["Z"]}), GraphError),
    ],
)
def test_bad_questions_are_refused(arguments, error):
    with pytest.raises(error):
        transport(YOUNG, *arguments)


def test_an_unknown_population_is_refused():
    with pytest.raises(GraphError, match="source b"):
        transport(YOUNG, "P(Y | do(X))", {"a": ["Z"]}, available=["P^{b}(Y | do(X))"])
