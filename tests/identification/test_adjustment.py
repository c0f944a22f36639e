"""Adjustment against random linear models, against all members of a class, and against definitions."""

import random
import subprocess
import sys
from collections import defaultdict
from itertools import combinations, islice, product

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, MPDAG, PAG, PDAG, NodeSet
from causalrep.identification import adjustment_sets, is_valid_adjustment, optimal_adjustment
from causalrep.utils import GraphError, UnknownNameError
from tests.identification.oracles import (
    LinearModel,
    Marked,
    ancestry,
    as_dag,
    every_admg,
    every_dag,
    mag_of,
    pag_of,
    random_admg,
    separations,
    subsets,
)
from tests.strategies import admgs, dags


def questions(nodes, *, most=2):
    """All (x, y, z) with up to `most` treatments and outcomes."""
    for size in range(1, most + 1):
        for x in combinations(nodes, size):
            for size_y in range(1, most + 1):
                for y in combinations([v for v in nodes if v not in x], size_y):
                    yield from ((x, y, z) for z in subsets([v for v in nodes if v not in (*x, *y)]))


def check_against_models(g, asked):
    """Validity is what two random linear models say; the listings follow from it."""
    models = [LinearModel(g, seed) for seed in (0, 1)]
    valid = defaultdict(list)
    for x, y, z in asked:
        truth = all(model.adjusts(x, y, z) for model in models)
        assert is_valid_adjustment(g, x, y, z) == truth, (g, x, y, z)
        valid[x, y] += [set(z)] if truth else []
    for (x, y), sets in valid.items():
        minimal = [z for z in sets if not any(other < z for other in sets)]
        others = [v for v in g.nodes if v not in (*x, *y)]
        same_sets(adjustment_sets(g, x, y, "all", restrict=others), sets)
        same_sets(adjustment_sets(g, x, y, "minimal"), minimal)
        idle = {v for v in g.descendants(x) if not {*x, *y} & g.descendants(v)} - {*x, *y}
        same_sets(adjustment_sets(g, x, y, "all"), [z for z in sets if not z & idle])
        for kind in ("minimum", "canonical", "optimal"):
            found = adjustment_sets(g, x, y, kind)
            assert len(found) == bool(sets)
            assert all(z in sets for z in found)
        if minimal:
            assert len(adjustment_sets(g, x, y, "minimum")[0]) == min(map(len, minimal))


def same_sets(found, expected):
    assert len(found) == len(expected)
    assert {frozenset(z) for z in found} == {frozenset(z) for z in expected}


@pytest.mark.parametrize(("n_nodes", "part"), [(2, 0), (3, 0), (3, 1), (3, 2)])
def test_validity_and_listings_agree_with_linear_models_on_every_admg(n_nodes, part):
    for g in islice(every_admg(n_nodes), part, None, 3 if n_nodes == 3 else 1):
        check_against_models(g, list(questions(range(n_nodes), most=2 if n_nodes < 3 else 1)))


@pytest.mark.parametrize("seed", range(20))
def test_validity_and_listings_agree_with_linear_models_on_random_admgs(seed):
    g = random_admg(random.Random(seed), 5)
    chance = random.Random(seed)
    x, y = [(v,) for v in chance.sample(g.nodes, 2)]
    rest = [v for v in g.nodes if v not in (*x, *y)]
    check_against_models(g, [(x, y, z) for z in subsets(rest)])
    check_against_models(g, [((*x, rest[0]), y, z) for z in subsets(rest[1:])])


@pytest.mark.slow
def test_validity_agrees_with_linear_models_on_every_dag_with_up_to_5_nodes():
    for n_nodes in (2, 3, 4):
        for g in every_dag(n_nodes):
            check_against_models(g, list(questions(range(n_nodes), most=1)))
    for g in every_dag(5):
        # Relabelling takes any pair to the first two nodes, and every relabelled DAG is in the list.
        check_against_models(g, [((0,), (1,), z) for z in subsets([2, 3, 4])])


@pytest.mark.slow
def test_validity_agrees_with_linear_models_on_2000_random_admgs():
    for seed in range(2000):
        chance = random.Random(seed)
        g = random_admg(chance, chance.randint(5, 7))
        *x, y = chance.sample(g.nodes, chance.choice([2, 2, 3]))
        rest = [v for v in g.nodes if v not in (*x, y)]
        check_against_models(g, [(tuple(x), (y,), z) for z in subsets(rest)])


@pytest.mark.parametrize("seed", range(10))
def test_a_dag_with_latents_answers_like_its_bidirected_edges(seed):
    g = random_admg(random.Random(seed), 4)
    hidden = as_dag(g)
    for x, y, z in questions(g.nodes, most=1):
        assert is_valid_adjustment(hidden, x, y, z) == is_valid_adjustment(g, x, y, z)
    for latent in hidden.latent:
        assert not is_valid_adjustment(hidden, 0, 1, {latent})


# Classes of graphs: valid iff valid in every member


def check_classes_of_dags(n_nodes, most, knowledge):
    classes = defaultdict(list)
    for g in every_dag(n_nodes):
        classes[g.to_cpdag()].append(g)
    asked = list(questions(range(n_nodes), most=most))
    for essential, members in classes.items():
        verdicts = {g: [is_valid_adjustment(g, *question) for question in asked] for g in members}
        check_class(essential, [verdicts[g] for g in members], asked)
        seen = set()
        for known in knowledge(list(essential.undirected_edges)):
            agreeing = [g for g in members if set(known) <= set(g.directed_edges)]
            if not agreeing:
                continue
            free = [e for e in essential.undirected_edges if e not in known and e[::-1] not in known]
            partial = PDAG([*essential.directed_edges, *known], free, nodes=range(n_nodes))
            maximal = partial.meek_closure()
            if maximal in seen:
                continue
            seen.add(maximal)
            maximal = MPDAG(maximal.directed_edges, maximal.undirected_edges, nodes=range(n_nodes))
            check_class(maximal, [verdicts[g] for g in agreeing], asked)
            check_class(partial, [verdicts[g] for g in agreeing], asked[:20])


def check_class(g, verdicts, asked):
    for i, question in enumerate(asked):
        assert is_valid_adjustment(g, *question) == all(row[i] for row in verdicts), (g, question)


def pieces_of_knowledge(edges, most=3):
    for size in range(1, min(most, len(edges)) + 1):
        for chosen in combinations(edges, size):
            for turned in product([False, True], repeat=size):
                yield [e[::-1] if turn else e for e, turn in zip(chosen, turned, strict=True)]


def test_a_cpdag_or_mpdag_says_yes_iff_all_its_members_do():
    check_classes_of_dags(3, 2, pieces_of_knowledge)


@pytest.mark.slow
def test_every_cpdag_and_mpdag_on_4_nodes_says_yes_iff_all_its_members_do():
    check_classes_of_dags(4, 2, pieces_of_knowledge)


@pytest.mark.slow
def test_2000_random_cpdags_and_mpdags_say_yes_iff_all_their_members_do():
    for seed in range(2000):
        chance = random.Random(seed)
        n_nodes = chance.randint(5, 7)
        order = chance.sample(range(n_nodes), n_nodes)
        g = DAG([e for e in combinations(order, 2) if chance.random() < 0.45], nodes=range(n_nodes))
        essential = g.to_cpdag()
        free = list(essential.undirected_edges)
        known = [e if e in g.directed_edges else e[::-1] for e in chance.sample(free, len(free) // 3)]
        members = [h for h in extensions(essential) if set(known) <= set(h.directed_edges)]
        partial = PDAG(
            [*essential.directed_edges, *known],
            [e for e in free if e not in known and e[::-1] not in known],
            nodes=range(n_nodes),
        ).meek_closure()
        maximal = MPDAG(partial.directed_edges, partial.undirected_edges, nodes=range(n_nodes))
        *x, y = chance.sample(range(n_nodes), chance.choice([2, 2, 3]))
        rest = [v for v in range(n_nodes) if v not in (*x, y)]
        asked = [(x, y, z) for z in subsets(rest)]
        check_class(maximal, [[is_valid_adjustment(h, *q) for q in asked] for h in members], asked)


def extensions(essential):
    """All DAGs of a class: directions of the undirected edges with no cycle and no new v-structure."""
    free = list(essential.undirected_edges)
    wanted = v_structures(essential.consistent_extension())
    for turned in product([False, True], repeat=len(free)):
        edges = [e[::-1] if turn else e for e, turn in zip(free, turned, strict=True)]
        edges += essential.directed_edges
        if nx.is_directed_acyclic_graph(nx.DiGraph(edges)):
            g = DAG(edges, nodes=essential.nodes)
            if v_structures(g) == wanted:
                yield g


def v_structures(g):
    return {
        (frozenset(pair), v)
        for v in g.nodes
        for pair in combinations(g.parents(v), 2)
        if pair[1] not in g.adjacent(pair[0])
    }


def check_classes_of_mags(graphs, asked):
    """Group ADMGs by their separations, and within these by their ancestries: PAGs and MAGs."""
    classes = defaultdict(lambda: defaultdict(list))
    for g in graphs:
        classes[separations(g)][ancestry(g)].append(g)
    for held, by_mag in classes.items():
        of_class = []
        mags = [mag_of(members[0], held) for members in by_mag.values()]
        for mag, members in zip(mags, by_mag.values(), strict=True):
            verdicts = [[is_valid_adjustment(g, *question) for question in asked] for g in members]
            check_class(mag, verdicts, asked)
            of_class += verdicts
        check_class(pag_of(mags), of_class, asked)


def test_a_mag_or_pag_says_yes_iff_all_models_that_it_stands_for_do():
    check_classes_of_mags(every_admg(3), list(questions(range(3))))


@pytest.mark.slow
def test_every_mag_and_pag_on_4_nodes_says_yes_iff_all_models_that_it_stands_for_do():
    check_classes_of_mags(every_admg(4), list(questions(range(4), most=1)))


@pytest.mark.parametrize("seed", range(16))
def test_a_random_mag_or_pag_answers_by_the_definition_on_paths(seed):
    check_projections(seed, 5)


@pytest.mark.slow
def test_2000_random_mags_and_pags_answer_by_the_definition_on_paths():
    assert sum(check_projections(seed, 5 + seed % 3) for seed in range(2000)) > 1000


def check_projections(seed, n_nodes):
    """Ask the MAG and the PAG of a random ADMG; return how many of the questions have an answer."""
    chance = random.Random(seed)
    g = random_admg(chance, n_nodes, directed=0.4, bidirected=0.15)
    apart = {
        (a, b)
        for a, b in combinations(g.nodes, 2)
        if any(g.is_separated(a, b, z) for z in subsets([v for v in g.nodes if v not in (a, b)]))
    }
    mag = mag_of(g, [(a, b, ()) for a, b in apart])
    return sum(check_by_definition(kind, chance) for kind in (mag, mag.to_pag()))


def check_by_definition(g, chance):
    *x, y = chance.sample(g.nodes, chance.choice([2, 2, 3]))
    rest = [v for v in g.nodes if v not in (*x, y)]
    marked = Marked(g)
    amenable, forbidden, others = marked.adjustment(x, [y], hidden_causes=True)
    valid = [
        set(z)
        for z in subsets(rest)
        if amenable and not forbidden & set(z) and not any(marked.open(path, z) for path in others)
    ]
    same_sets(adjustment_sets(g, x, y, "all", restrict=rest), valid)
    minimal = [z for z in valid if not any(other < z for other in valid)]
    same_sets(adjustment_sets(g, x, y), minimal)
    assert len(adjustment_sets(g, x, y, "canonical")) == bool(valid)
    return bool(valid)


# Published examples


def test_the_graphs_of_perkovic_and_others():
    # Perković et al. 2018, example 9 and figure 3: V1 -> X makes X -> Y visible.
    assert not is_valid_adjustment(PAG([("X", "o->", "Y")]), "X", "Y")
    assert not is_valid_adjustment(MAG([("X", "Y")]), "X", "Y")
    visible = PAG([("V", "o->", "X"), ("X", "->", "Y")])
    assert is_valid_adjustment(visible, "X", "Y")
    assert is_valid_adjustment(CPDAG([("A", "X"), ("B", "X"), ("X", "Y")]), "X", "Y")
    assert not is_valid_adjustment(CPDAG(undirected=[("X", "Y")]), "X", "Y")


def test_an_edge_is_visible_by_colliders_only_if_they_are_causes_of_its_end():
    # Zhang 2008, definition 8: W -> A <-> X is a certificate for X -> Y if A -> Y, not if A <-> Y.
    certified = MAG([("W", "A"), ("X", "Y"), ("A", "Y")], [("A", "X")])
    assert adjustment_sets(certified, "X", "Y") == (NodeSet(["A"]),)
    assert adjustment_sets(MAG([("W", "A"), ("X", "Y")], [("A", "X"), ("A", "Y")]), "X", "Y") == ()


def test_a_path_that_turns_back_to_a_parent_is_not_causal_in_an_mpdag():
    # P -> X, so that X -- J -- P -> Y cannot be causal in any member: X has no effect on Y.
    g = MPDAG([("P", "X"), ("P", "Y")], [("X", "J"), ("J", "P")])
    assert adjustment_sets(g, "X", "Y") == (NodeSet(["P"]),)
    essential = CPDAG(undirected=[("P", "X"), ("P", "Y"), ("X", "J"), ("J", "P")])
    assert adjustment_sets(essential, "X", "Y") == ()


def test_the_first_edge_shared_by_several_causal_paths_is_cut_once():
    g = DAG.from_string("Z -> X -> M -> {A B} -> Y; Z -> Y; M -> Y")
    assert adjustment_sets(g, "X", "Y") == (NodeSet(["Z"]),)


def test_shrier_and_platt():
    g = DAG.from_string(
        "Coach -> {Fitness Motivation}; Fitness -> {PreGame Fatigue}; Genetics -> {Fitness Fatigue}; "
        "Genetics -> Disorder; "
        "Disorder -> {Fatigue Weakness}; Motivation -> {WarmUp Previous}; Contact -> {Previous Intra}; "
        "PreGame -> WarmUp -> Intra -> Injury; Fatigue -> {Intra Injury}; Weakness -> Injury"
    )
    expected = [
        {"Coach", "Fitness"},
        {"Coach", "PreGame"},
        {"Disorder", "Fatigue"},
        {"Fitness", "Genetics"},
        {"Fitness", "Motivation"},
        {"Fatigue", "Weakness"},
        {"PreGame", "Motivation"},
    ]
    same_sets(adjustment_sets(g, "WarmUp", "Injury"), expected)


@given(admgs(min_nodes=3), st.randoms(use_true_random=False))
def test_the_order_of_the_nodes_changes_the_order_of_answers_only(g, chance):
    x, y, *_ = chance.sample(g.nodes, 3)
    shuffled = ADMG(g.directed_edges, g.bidirected_edges, nodes=chance.sample(g.nodes, len(g)))
    for kind in ("all", "minimal", "optimal", "canonical", "parents"):
        found, other = (adjustment_sets(graph, x, y, kind) for graph in (g, shuffled))
        assert set(map(frozenset, found)) == set(map(frozenset, other))
        assert all(list(z) == [v for v in shuffled.nodes if v in z] for z in other)


@given(dags(min_nodes=3), st.randoms(use_true_random=False))
def test_an_edge_more_leaves_no_more_sets(g, chance):
    # A model on the smaller graph is one on the larger graph: what is valid there is valid here.
    x, y, *_ = chance.sample(g.nodes, 3)
    for edge in g.directed_edges:
        fewer = DAG([e for e in g.directed_edges if e != edge], nodes=g.nodes)
        for z in adjustment_sets(g, x, y, "all"):
            assert is_valid_adjustment(fewer, x, y, z)


# Criteria


@pytest.mark.parametrize("seed", range(10))
def test_back_door_sets_are_valid_and_have_no_effect_of_the_treatment(seed):
    g = random_admg(random.Random(seed), 5)
    for x, y, z in questions(g.nodes, most=1):
        expected = not set(z) & set(g.descendants(x)) and g.cut_outgoing(*x).is_separated(x, y, z)
        assert is_valid_adjustment(g, x, y, z, criterion="backdoor") == expected
        assert not expected or is_valid_adjustment(g, x, y, z)


@pytest.mark.parametrize("seed", range(10))
def test_single_door_sets_give_the_coefficient_of_the_edge(seed):
    g = random_admg(random.Random(seed), 5)
    models = [LinearModel(g, seed) for seed in (0, 1)]
    for (x,), (y,), z in questions(g.nodes, most=1):
        truth = all(abs(m.coefficients(y, [x, *z])[0] - m.B[m.at[x], m.at[y]]) < 1e-7 for m in models)
        claimed = is_valid_adjustment(g, x, y, z, criterion="single-door")
        # Where there is no edge, an effect of y may do no harm: the criterion is then sufficient only.
        assert claimed == truth if x in g.parents(y) else truth or not claimed


def test_the_criteria_differ_where_they_should():
    g = DAG.from_string("X -> M -> Y; X -> D")
    assert is_valid_adjustment(g, "X", "Y", "D")
    assert not is_valid_adjustment(g, "X", "Y", "D", criterion="backdoor")
    assert is_valid_adjustment(g, "X", "Y", "M", criterion="single-door")
    assert adjustment_sets(g, "X", "Y", criterion="single-door") == (NodeSet(["M"]),)


# Kinds of sets


def test_parents_are_returned_only_if_all_can_be_used():
    g = DAG([("Z", "X"), ("U", "X"), ("U", "Y"), ("X", "Y")])
    assert adjustment_sets(g, "X", "Y", "parents") == (NodeSet(["Z", "U"]),)
    hidden = DAG(g.directed_edges, latent="U")
    assert adjustment_sets(hidden, "X", "Y", "parents") == ()
    assert adjustment_sets(g, "Y", "X", "parents") == ()  # X is a parent of Y


@pytest.mark.parametrize("seed", range(20))
def test_no_set_has_an_effect_of_the_treatment_unless_asked_for(seed):
    g = random_admg(random.Random(seed), 6)
    for x, y in [(0, 1), (1, 2), (2, 0)]:
        for kind in ("all", "minimal", "minimum", "optimal", "canonical", "parents"):
            assert all(not z & g.descendants(x) for z in adjustment_sets(g, x, y, kind))
    mediated = DAG.from_string("X -> Y; X -> D")
    assert adjustment_sets(mediated, "X", "Y", "all") == (NodeSet(),)
    assert adjustment_sets(mediated, "X", "Y", "all", restrict="D") == (NodeSet(), NodeSet(["D"]))
    assert adjustment_sets(mediated, "X", "Y", "all", include="D") == (NodeSet(["D"]),)


def test_include_and_restrict_bound_every_set():
    g = DAG.from_string("X <- A -> B -> Y; X <- C -> Y; X -> Y; D")
    for kind in ("all", "minimal", "minimum", "optimal", "canonical"):
        found = adjustment_sets(g, "X", "Y", kind, include="D", restrict=["A", "C", "D"])
        assert found
        assert all({"D"} <= z <= {"A", "C", "D"} for z in found)
    assert adjustment_sets(g, "X", "Y", restrict=["A", "B"]) == ()


@pytest.mark.parametrize("seed", range(20))
def test_weights_make_the_minimum_set_the_cheapest_one(seed):
    chance = random.Random(seed)
    g = random_admg(chance, 7, bidirected=0.05)
    x, y, *rest = chance.sample(g.nodes, 7)
    weights = {node: chance.randint(1, 9) for node in rest}
    costs = [sum(weights[node] for node in z) for z in adjustment_sets(g, x, y, "all")]
    found = adjustment_sets(g, x, y, "minimum", weights=weights)
    assert [sum(weights[node] for node in z) for z in found] == sorted(costs)[:1]


def test_limit_bounds_the_work():
    # 3 ** 20 minimal sets: only a listing that stops can answer.
    edges = [(f"A{i}", "X") for i in range(20)] + [(f"A{i}", f"B{i}") for i in range(20)]
    edges += [(f"B{i}", f"C{i}") for i in range(20)] + [(f"C{i}", "Y") for i in range(20)]
    g = DAG([*edges, ("X", "Y")])
    found = adjustment_sets(g, "X", "Y", limit=5)
    assert len({frozenset(z) for z in found}) == 5
    assert all(is_valid_adjustment(g, "X", "Y", z) for z in found)
    assert adjustment_sets(g, "X", "Y", limit=1)[0] in found
    assert adjustment_sets(g, "X", "Y", limit=0) == ()


@pytest.mark.parametrize("seed", range(12))
def test_the_optimal_set_has_the_smallest_asymptotic_variance(seed):
    # Least squares: n * variance of the coefficient tends to Var(Y | X, Z) / Var(X | Z).
    chance = random.Random(seed)
    order = chance.sample(range(6), 6)
    g = DAG([e for e in combinations(order, 2) if chance.random() < 0.5], nodes=range(6))
    model = LinearModel(g, seed)
    pairs = [(x, y) for y in g.nodes for x in g.ancestors(y)]
    for x, y in chance.sample(pairs, min(4, len(pairs))):
        found = optimal_adjustment(g, x, y)
        assert found.is_optimal
        best = variance(model, x, y, found.nodes)
        for z in adjustment_sets(g, x, y, "all"):
            assert best <= variance(model, x, y, z) + 1e-12
        essential = g.to_cpdag()
        assert optimal_adjustment(essential, x, y).nodes in (found.nodes, None)


@pytest.mark.parametrize("seed", range(12))
def test_with_hidden_causes_the_set_is_the_best_of_the_minimal_ones(seed):
    chance = random.Random(seed)
    g = random_admg(chance, 6)
    model = LinearModel(g, seed)
    for x, y in [(cause, effect) for effect in g.nodes for cause in g.ancestors(effect)]:
        found = optimal_adjustment(g, x, y)
        assert found.nodes in (adjustment_sets(g, x, y) or (None,)) or found.is_optimal
        for z in adjustment_sets(g, x, y):
            assert variance(model, x, y, found.nodes) <= variance(model, x, y, z) + 1e-12


def variance(model, x, y, z):
    return residual(model, y, [x, *z]) / residual(model, x, list(z))


def residual(model, node, given):
    rows, i = model.ids(given), model.at[node]
    if not rows:
        return model.S[i, i]
    return model.S[i, i] - model.S[i, rows] @ model.coefficients(node, given)


def test_the_optimal_set_comes_with_a_reason():
    assert optimal_adjustment(DAG.from_string("Z -> X -> Y"), "X", "Y").is_optimal
    unknown = optimal_adjustment(CPDAG(undirected=[("X", "Y")]), "X", "Y")
    assert unknown.nodes is None
    assert "leaves open whether 'X' causes 'Y'" in unknown.reason
    bow = optimal_adjustment(ADMG([("X", "Y")], [("X", "Y")]), "X", "Y")
    assert bow.nodes is None
    assert not bow.is_optimal
    assert "no causal path" in optimal_adjustment(DAG.from_string("X <- Z -> Y"), "X", "Y").reason


# The door


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: is_valid_adjustment(g, "X", "X"), GraphError, "must be disjoint"),
        (lambda g: is_valid_adjustment(g, "X", "Y", "Y"), GraphError, "must be disjoint"),
        (lambda g: is_valid_adjustment(g, "X", "Q"), UnknownNameError, "`y` names 'Q'"),
        (lambda g: is_valid_adjustment(g, "U", "Y"), GraphError, "`x` must be observed"),
        (lambda g: adjustment_sets(g, "X", "Y", "best"), UnknownNameError, "`kind` names 'best'"),
        (lambda g: adjustment_sets(g, "X", "Y", criterion="bdoor"), UnknownNameError, "backdoor"),
        (lambda g: adjustment_sets(g, "X", "Y", include="Z", restrict=[]), GraphError, "within"),
        (lambda g: adjustment_sets(g, "X", "Y", limit=-1), GraphError, "negative"),
        (lambda g: adjustment_sets(g, "X", "Y", "minimum", weights={"Z": 0}), GraphError, "above zero"),
        (lambda g: adjustment_sets(g, "X", "Y", weights={"Z": 2}), GraphError, '"minimum"'),
        (lambda g: is_valid_adjustment(g, ["X", "Z"], "Y", criterion="single-door"), GraphError, "single"),
        (lambda _: is_valid_adjustment("X -> Y", "X", "Y"), GraphError, "must be a graph"),
        (lambda _: is_valid_adjustment(PAG([("X", "--", "Y")]), "X", "Y"), GraphError, "selected"),
        (
            lambda _: is_valid_adjustment(CPDAG(undirected=[("X", "Y")]), "X", "Y", criterion="backdoor"),
            GraphError,
            "type DAG or ADMG",
        ),
    ],
)
def test_mistakes_are_named(call, error, message):
    g = DAG([("Z", "X"), ("X", "Y"), ("U", "Y")], latent="U")
    with pytest.raises(error, match=message):
        call(g)


def test_a_networkx_graph_is_a_dag():
    assert adjustment_sets(nx.DiGraph([("Z", "X"), ("Z", "Y"), ("X", "Y")]), "X", "Y") == (NodeSet(["Z"]),)


def test_a_graph_of_5000_nodes_needs_no_recursion():
    n_nodes = 5000
    edges = [(i, i + 1) for i in range(n_nodes - 1)] + [(n_nodes, 0), (n_nodes, n_nodes - 1)]
    assert adjustment_sets(DAG(edges), 0, n_nodes - 1) == (NodeSet([n_nodes]),)


_REPORT = """
from causalrep.graphs import ADMG, DAG
from causalrep.identification import *
edges = {("Z1", "X"), ("Z1", "W"), ("W", "Y"), ("X", "M"), ("M", "Y"), ("V", "X"), ("V", "Q"), ("Q", "Y")}
g = DAG(edges)
for kind in ("all", "minimal", "minimum", "optimal", "canonical", "parents"):
    print(adjustment_sets(g, {"X"}, {"Y"}, kind), adjustment_sets(g.to_cpdag(), "X", "Y", kind))
print(optimal_adjustment(g, "X", "Y"), possible_parent_sets(g.to_cpdag(), {"X", "Z1", "W"}))
h = ADMG(edges | {("M", "N"), ("N", "Y")}, {("X", "Y"), ("V", "W"), ("Q", "Z1")})
print(instruments(h, "X", "Y"), instrumental_sets(h, {"X", "W"}, "Y"), *identify_linear(h).steps)
print(frontdoor_sets(g, {"X"}, {"Y"}, kind="all"), mediation_criteria(g, "X", {"M"}, "Y"))
print(sequential_adjustment(g, {"X", "W"}, "Y"))
print(path_specific_effect(h, {"X", "W"}, "Y", edges={("X", "M"), ("M", "N"), ("N", "Y"), ("W", "Y")}))
"""


def test_answers_do_not_depend_on_the_hash_seed():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _REPORT],
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1
    assert "NodeSet" in outputs.pop()
