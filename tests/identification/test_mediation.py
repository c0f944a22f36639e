"""Mediation and path-specific effects against models with hidden causes, world by world."""

import random
from itertools import combinations, pairwise, permutations, product

import networkx as nx
import numpy as np
import pytest

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification import (
    is_valid_adjustment,
    mediation_criteria,
    path_specific_effect,
    sequential_adjustment,
)
from causalrep.identification._potential import Potential
from causalrep.utils import GraphError, UnknownNameError
from tests.identification.oracles import LinearModel, as_dag, random_admg, subsets
from tests.identification.response_models import ResponseModel


def does(g, x, m, y, given):
    """The criterion, word for word."""
    return (
        not set(given) & set(g.descendants([x, m]))
        and g.cut_outgoing(x, m).is_separated([x, m], y, given)
        and g.cut_outgoing(x).is_separated(x, m, given)
    )


def draw(seed, n_nodes, bidirected=0.1):
    """A random graph in which 0, 1 and 2 are treatment, mediator and outcome, in causal order."""
    chance = random.Random(seed)
    g = random_admg(chance, n_nodes, directed=0.5, bidirected=bidirected)
    order = g.topological_order()
    roles = sorted(chance.sample(range(n_nodes), 3))
    return g, *(order[i] for i in roles)


def check_criteria(seed, n_nodes):
    g, x, m, y = draw(seed, n_nodes)
    rest = [v for v in g.nodes if v not in (x, m, y)]
    sets = [set(w) for w in subsets(rest) if does(g, x, m, y, w)]
    found = mediation_criteria(g, x, m, y)
    assert found.identifiable == bool(sets)
    assert bool(found.reason) != bool(sets)
    if sets:
        assert found.natural in sets
        assert not any(w < found.natural for w in sets)
    total = [w for w in subsets([*rest, m]) if is_valid_adjustment(g, x, y, w)]
    assert (found.total is not None) == bool(total)
    assert found.controlled == sequential_adjustment(g, [x, m], y)


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_covariates_agree_with_the_definition(start):
    for seed in range(start, start + 20):
        check_criteria(seed, 6)


@pytest.mark.slow
def test_covariates_agree_with_the_definition_on_5000_graphs():
    for seed in range(5000):
        check_criteria(seed, 7)


def test_the_mediation_formula_gives_the_nested_counterfactual():
    assert sum(check_formula(seed) for seed in range(30)) > 15


def check_formula(seed):
    """Compare the mediation formula with the worlds of a model; return whether there were covariates."""
    g, x, m, y = draw(seed, 4, bidirected=0.05)
    found = mediation_criteria(g, x, m, y)
    if not found.identifiable:
        return False
    model = ResponseModel(g, seed)
    values = {v: model.values(Potential(v)) for v in g.nodes}
    truth = model.mean(Potential(y, ((x, 1), (m, Potential(m, ((x, 0),))))))
    formula = 0.0
    for w in product(range(2), repeat=len(found.natural)):
        stratum = np.logical_and.reduce(
            [values[v] == value for v, value in zip(found.natural, w, strict=True)] + [model.p >= 0]
        )
        for value in range(2):
            treated = stratum & (values[x] == 1) & (values[m] == value)
            control = stratum & (values[x] == 0)
            mean = model.p[treated] @ values[y][treated] / model.p[treated].sum()
            share = model.p[control & (values[m] == value)].sum() / model.p[control].sum()
            formula += mean * share * model.p[stratum].sum()
    assert formula == pytest.approx(truth, abs=1e-12)
    return True


@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("X -> M -> Y; X -> Y", set(), ""),
        ("X -> M -> Y; X -> Y; X <-> Y", None, "treatment and outcome"),
        ("X -> M -> Y; X -> Y; X <-> M", None, "treatment and mediators"),
        ("X -> M -> Y; X -> Y; M <-> Y", None, "mediators and outcome remain"),
        ("X -> L -> {M Y}; X -> M -> Y", None, "share the cause 'L'"),
        ("C -> {X M Y}; X -> M -> Y", {"C"}, ""),
        ("M -> X -> Y; M -> Y", None, "treatment and mediators"),
        ("A -> {X M}; B -> {M Y}; X -> M -> Y; X -> Y", {"A", "B"}, ""),
    ],
)
def test_textbook_cases(text, expected, words):
    found = mediation_criteria(ADMG.from_string(text), "X", "M", "Y")
    assert found.natural == expected
    assert words in found.reason


def test_restrict_and_latents_bound_the_covariates():
    g = DAG([("C", "M"), ("C", "Y"), ("X", "M"), ("M", "Y"), ("X", "Y")])
    assert mediation_criteria(g, "X", "M", "Y").natural == {"C"}
    assert mediation_criteria(g, "X", "M", "Y", restrict=[]).natural is None
    assert mediation_criteria(DAG(g.directed_edges, latent="C"), "X", "M", "Y").natural is None


# Sequential adjustment


def g_formula(model, y, steps):
    """Slopes of E[Y | do(x)]: regress on everything, then replace covariates by their own regressions."""
    treatments = [x for x, _ in steps]
    past = [v for x, z in steps for v in (*z, x)]
    slopes = dict(zip(past, model.coefficients(y, past), strict=True)) if past else {}
    for x, z in reversed(steps):
        before = past[: past.index(x) - len(z)]
        for v in reversed(list(z)):
            weight = slopes.pop(v)
            known = [*before, *list(z)[: list(z).index(v)]]
            for u, slope in zip(known, model.coefficients(v, known) if known else [], strict=True):
                slopes[u] = slopes.get(u, 0) + weight * slope
    return np.array([slopes[x] for x in treatments])


def admissible(g, order, y, sets):
    """The conditions of Pearl and Robins, word for word."""
    for k, x in enumerate(order):
        z = sets[k]
        if set(z) & set(g.descendants(order[k:])):
            return False
        world = g.do(*order[k + 1 :]).cut_outgoing(x)
        past = [*order[:k], *(v for part in sets[: k + 1] for v in part)]
        if not world.is_separated(x, y, past):
            return False
    return True


def check_sequence(seed, n_nodes, n_treatments=2):
    chance = random.Random(seed)
    g = random_admg(chance, n_nodes, directed=0.45, bidirected=0.15)
    *x, y = chance.sample(g.nodes, n_treatments + 1)
    rest = [v for v in g.nodes if v not in (*x, y)]
    orders = [p for p in permutations(x) if not any(b in g.ancestors(a) for a, b in combinations(p, 2))]
    exists = any(
        admissible(
            g, order, y, [[v for v, k in zip(rest, owner, strict=True) if k == i] for i in range(len(x))]
        )
        for order in orders
        for owner in product(range(len(x) + 1), repeat=len(rest))
    )
    found = sequential_adjustment(g, x, y)
    assert (found is not None) == exists
    if found is None:
        return 0
    order = tuple(treatment for treatment, _ in found)
    assert order in orders
    sets = [list(z) for _, z in found]
    assert admissible(g, order, y, sets)
    for part in sets:
        for v in list(part):
            part.remove(v)
            assert not admissible(g, order, y, sets)
            part.append(v)
    model = LinearModel(g, seed)
    assert np.allclose(g_formula(model, y, found), model.effect(order, y), atol=1e-8)
    return 1


def test_the_order_of_treatments_may_matter():
    # D is an effect of X2: it can be adjusted for with X1 only if X2 comes first.
    g = ADMG.from_string("X1 -> Y; X2 -> D -> Y; X1 <-> D")
    assert sequential_adjustment(g, ["X1", "X2"], "Y") == (("X2", NodeSet()), ("X1", NodeSet(["D"])))
    # Where X1 acts on X2 it cannot.
    g = ADMG.from_string("X1 -> {X2 Y}; X2 -> D -> Y; X1 <-> D")
    assert sequential_adjustment(g, ["X1", "X2"], "Y") is None


def test_sequences_exist_iff_some_division_of_the_nodes_does_and_give_the_effect():
    assert sum(check_sequence(seed, 5) for seed in range(120)) > 30


@pytest.mark.slow
def test_sequences_on_1000_graphs():
    for seed in range(1000):
        check_sequence(seed, 6, 2 + seed % 2)


# Path-specific effects


def by_enumeration(g, x, y, chosen):
    """Recanting districts by listing all proper directed paths."""
    twin = nx.DiGraph(list(g.directed_edges))
    twin.add_nodes_from(g.nodes)
    paths = {
        tuple(path)
        for a in x
        for b in y
        for path in nx.all_simple_paths(twin, a, b)
        if not set(path[1:]) & set(x)
    }
    inside = {*y, *g.do(*x).ancestors(y)} - set(x)
    found = []
    for district in g.subgraph(inside).districts():
        for a in x:
            starts = {path in chosen for path in paths if path[0] == a and path[1] in district}
            if len(starts) == 2:
                found.append(district)
    return paths, found


def value_of(model, term, values, new, old, x):
    """The probability of one factor: an experiment or a conditional probability."""

    def level(variable):
        if variable.name in x:
            return old if variable.primes else new
        return values[variable.name]

    do = tuple((v.name, level(v)) for v in term.do)
    event = [(Potential(v.name, do), level(v)) for v in term.outcome]
    given = [(Potential(v.name), level(v)) for v in term.given]
    return model.probability(event, given)


def edge_world(model, x, y, active, new, old):
    """Values of y where each edge out of x carries the new value if active, else the old one."""
    found = {}
    for v in model.graph.topological_order():
        if v in x:
            continue
        parents, table, hidden = model.functions[v]
        inputs = [
            np.full(model.p.shape, new if (p, v) in active else old) if p in x else found[p] for p in parents
        ]
        found[v] = table[(*inputs, *hidden)]
    return found[y]


def check_paths(seed, n_nodes, evaluate):
    chance = random.Random(seed)
    g = random_admg(chance, n_nodes, directed=0.55, bidirected=0.15)
    order = g.topological_order()
    n_treatments = chance.choice([1, 1, 2])
    x, y = sorted(order[:n_treatments]), order[-1]
    edges = [edge for edge in g.directed_edges if chance.random() < 0.6]
    paths, _ = by_enumeration(g, x, [y], set())
    along = {path for path in paths if all(e in edges for e in pairwise(path))}
    some = set(chance.sample(sorted(paths), len(paths) // 2))
    for chosen, options in ((along, {"edges": edges}), (some, {"paths": sorted(some)})):
        found = path_specific_effect(g, x, y, **options)
        _, recanting = by_enumeration(g, x, [y], chosen)
        assert found.identifiable == (not recanting)
        assert found.active == {path[:2] for path in chosen}
        if recanting:
            assert found.witness in recanting
            assert found.conflict[0][1] in found.witness
            assert found.conflict[1][1] in found.witness
        elif evaluate:
            model = ResponseModel(g, seed)
            truth = model.p[edge_world(model, x, y, found.active, 1, 0) == 1].sum()
            inside = [v for v in {*g.do(*x).ancestors(y)} if v not in x]
            total = 0.0
            for values in product(range(2), repeat=len(inside)):
                assigned = {**dict(zip(inside, values, strict=True)), y: 1}
                total += np.prod(
                    [value_of(model, term, assigned, 1, 0, x) for term in found.estimand.terms()]
                )
            assert total == pytest.approx(truth, abs=1e-9)


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_path_specific_effects_agree_with_a_list_of_all_paths(start):
    for seed in range(start, start + 20):
        check_paths(seed, 6, evaluate=False)


@pytest.mark.parametrize("seed", range(12))
def test_the_estimand_is_the_edge_specific_counterfactual(seed):
    check_paths(seed, 4, evaluate=True)


@pytest.mark.slow
def test_path_specific_effects_on_2000_graphs():
    for seed in range(2000):
        check_paths(seed, 4 if seed % 4 == 0 else 7, evaluate=seed % 4 == 0)


def test_the_kite_of_avin_and_others():
    kite = DAG.from_string("X -> W -> {A B} -> Y")
    found = path_specific_effect(kite, "X", "Y", paths=[("X", "W", "A", "Y")])
    assert found.witness == {"W"}
    assert found.conflict == (("X", "W"), ("X", "W"))
    assert path_specific_effect(kite, "X", "Y", edges=kite.directed_edges).identifiable


def test_a_recanting_district_without_a_recanting_witness():
    # Shpitser 2013: A and B share a hidden cause, and only one of them is to change.
    g = ADMG.from_string("X -> {A B} -> Y; A <-> B")
    found = path_specific_effect(g, "X", "Y", paths=[("X", "A", "Y")])
    assert found.witness == {"A", "B"}
    assert found.conflict == (("X", "A"), ("X", "B"))
    hidden = as_dag(g)
    assert path_specific_effect(hidden, "X", "Y", edges=[("X", "A"), ("A", "Y")]).witness == {"A", "B"}


def test_all_paths_are_counted_not_listed():
    # 2 ** 60 paths, all of them through one edge.
    edges = [("X", "V0"), ("V60", "Y")]
    for i in range(60):
        edges += [(f"V{i}", f"A{i}"), (f"V{i}", f"V{i + 1}"), (f"A{i}", f"V{i + 1}")]
    g = DAG(edges)
    one = ["X", *(f"V{i}" for i in range(61)), "Y"]
    assert path_specific_effect(g, "X", "Y", paths=[one]).witness == {"V0"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, GraphError, "either"),
        ({"edges": [], "paths": []}, GraphError, "either"),
        ({"edges": [("Y", "X")]}, GraphError, "'Y' -> 'X'"),
        ({"paths": [("X", "M")]}, GraphError, "must lead from"),
        ({"paths": [("X", "Q")]}, UnknownNameError, "'Q'"),
    ],
)
def test_mistakes_are_named(options, error, message):
    with pytest.raises(error, match=message):
        path_specific_effect(DAG.from_string("X -> M -> Y"), "X", "Y", **options)


def test_a_class_of_graphs_is_refused():
    essential = DAG.from_string("X -> M -> Y").to_cpdag()
    for ask in (
        lambda: mediation_criteria(essential, "X", "M", "Y"),
        lambda: path_specific_effect(essential, "X", "Y", edges=[]),
        lambda: sequential_adjustment(essential, ["X", "M"], "Y"),
    ):
        with pytest.raises(GraphError, match="type DAG or ADMG"):
            ask()


def test_sets_are_answered_in_node_order():
    g = ADMG.from_string("C2 -> {X M}; C1 -> {M Y}; X -> M -> Y")
    assert list(mediation_criteria(g, "X", "M", "Y").natural) == ["C2", "C1"]
    assert sequential_adjustment(g, "X", "Y") == (("X", NodeSet(["C2"])),)
