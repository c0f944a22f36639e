"""MAGs and PAGs: what construction checks, what projection keeps, and classes by enumeration."""

import random
from itertools import combinations, islice

import pytest
from hypothesis import given, settings

from causalrep.graphs import ADMG, DAG, MAG, PAG
from causalrep.utils import CycleError, GraphError, UnknownNameError
from tests.graphs.definitions import (
    every_mag,
    mag_classes,
    random_dag,
    random_graph,
    random_mag,
    separation_pattern,
    skeletons,
)
from tests.strategies import mags

# Construction


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("A -> B -> C; A <-> C", "'A' <-> 'C' where 'A' causes 'C'"),
        ("A <-> B; B -- C", "arrowhead at 'B'"),
        ("A <-> B <-> C <-> D; B -> D; C -> A", "no edge between 'A' and 'D'.*'A' 'B' 'C' 'D' is inducing"),
    ],
)
def test_a_mag_names_what_it_breaks(text, evidence):
    with pytest.raises(GraphError, match=evidence):
        MAG.from_string(text)


def test_a_cycle_is_named():
    with pytest.raises(CycleError):
        MAG(directed=[("A", "B"), ("B", "C"), ("C", "A")])


def test_maximal_is_what_separators_say():
    """Of all ancestral graphs on a skeleton just those pass in which every missing edge is a separation."""
    n_refused = 0
    for seed in range(400):
        chance = random.Random(seed)
        order = chance.sample(range(5), 5)
        pairs = [pair for pair in combinations(order, 2) if chance.random() < 0.6]
        directed = [pair for pair in pairs if chance.random() < 0.4]
        bidirected = [pair for pair in pairs if pair not in directed]
        g = ADMG(directed, bidirected, nodes=range(5))
        if any(u in g.ancestors(v) or v in g.ancestors(u) for u, v in bidirected):
            continue
        apart = [pair for pair in combinations(range(5), 2) if pair[1] not in g.adjacent(pair[0])]
        maximal = all(g.find_separator(u, v) is not None for u, v in apart)
        try:
            MAG(directed, bidirected, nodes=range(5))
        except GraphError:
            n_refused += 1
            assert not maximal
        else:
            assert maximal
    assert n_refused > 5


def test_anteriors_pass_undirected_edges_first():
    g = MAG.from_string("A -- B -> C -> D <-> E")
    assert g.anteriors("D") == {"A", "B", "C"}
    assert g.anteriors(["A", "E"]) == {"B"}
    assert g.ancestors("D") == {"B", "C"}


# Projection


def check_projection(g, latent, selection):
    m = g.to_mag(latent=latent, selection=selection)
    MAG(m.directed_edges, m.bidirected_edges, m.undirected_edges, nodes=m.nodes)  # all is checked again
    assert m.nodes == tuple(node for node in g if node not in latent and node not in selection)
    for u, v in combinations(m, 2):
        others = [node for node in m if node not in (u, v)]
        for z in ([], others, *[others[k::2] for k in (0, 1)], *[[node] for node in others]):
            assert m.is_separated(u, v, z) == g.is_separated(u, v, [*z, *selection])
        for a, b in ((u, v), (v, u)):
            if b in m.adjacent(a):
                is_cause = a in g.ancestors([b, *selection])
                assert m.mark(b, a) == ("tail" if is_cause else "arrow")


def test_a_mag_keeps_separations_and_ancestries():
    for seed in range(80):
        chance = random.Random(seed)
        g = random_dag(chance, 7, 0.35)
        gone = chance.sample(range(7), 3)
        n_latent = chance.randint(0, 3)
        check_projection(g, gone[:n_latent], gone[n_latent:])


def test_an_admg_has_a_mag_too():
    for seed in range(60):
        g = random_graph("ADMG", seed, max_nodes=6)
        check_projection(g, g.nodes[:1], g.nodes[1:2])
        assert g.to_mag() == g.canonical_dag().to_mag()


def test_declared_latents_are_left_out():
    g = DAG([("U", "X"), ("U", "Y"), ("X", "Z")], latent="U")
    assert g.to_mag() == MAG.from_string("X <-> Y; X -> Z")
    assert g.to_mag(latent=()).nodes == g.nodes
    assert g.to_pag() == PAG.from_string("X o-o Y; X o-o Z")


def test_a_node_is_not_both_latent_and_selected_on():
    g = DAG.from_string("X -> S <- Y")
    assert g.to_mag(selection="S") == MAG.from_string("X -- Y")
    with pytest.raises(GraphError, match="`latent` and `selection` must be disjoint"):
        g.to_mag(latent="S", selection="S")
    with pytest.raises(UnknownNameError, match="`selection` names 'Q'"):
        g.to_mag(selection="Q")


@given(mags())
def test_a_mag_without_undirected_edges_is_its_own_projection(m):
    if not m.undirected_edges:
        assert ADMG(m.directed_edges, m.bidirected_edges, nodes=m.nodes).to_mag() == m


# Classes


def check_class(members):
    """The marks of the PAG are just those that all members share; any of them finds it, it finds one."""
    g = members[0].to_pag()
    assert all(m.to_pag() == g for m in members)
    assert all(m.is_markov_equivalent(members[0]) for m in members)
    for u, v in combinations(g, 2):
        for a, b in ((u, v), (v, u)):
            shared = {m.mark(a, b) for m in members}
            assert g.mark(a, b) == (shared.pop() if len(shared) == 1 else "circle"), (g, a, b)
    assert g.consistent_extension() in members


@pytest.mark.parametrize("n_nodes", [1, 2, 3])
def test_marks_are_shared_by_all_members(n_nodes):
    for pairs in skeletons(n_nodes):
        for members in mag_classes(pairs, n_nodes):
            check_class(members)


@pytest.mark.parametrize("seed", range(8))
def test_marks_are_shared_by_all_members_of_random_classes(seed):
    g = next(m for m in (random_graph("MAG", 1000 * seed + k, max_nodes=5) for k in range(1000))
             if len(m) == 5 and 3 < sum(len(m.adjacent(v)) for v in m) / 2 < 6)  # fmt: skip
    check_class(class_of(g))


def class_of(g):
    pairs = [pair for pair in combinations(g, 2) if pair[1] in g.adjacent(pair[0])]
    pattern, colliders = separation_pattern(g), unshielded_colliders(g)
    alike = (m for m in every_mag(pairs, g.nodes) if unshielded_colliders(m) == colliders)
    return [m for m in alike if separation_pattern(m) == pattern]


def unshielded_colliders(g):
    return {
        (u, k, v)
        for k in g
        for u, v in combinations(g.adjacent(k), 2)
        if v not in g.adjacent(u) and g.mark(u, k) == g.mark(v, k) == "arrow"
    }


@pytest.mark.slow
def test_marks_are_shared_by_all_members_of_every_class_on_four_nodes():
    classes = [members for pairs in skeletons(4) for members in mag_classes(pairs, 4)]
    assert sum(map(len, classes)) == 3045
    patterns = {separation_pattern(members[0]) for members in classes}
    assert len(patterns) == len(classes)
    for members in classes:
        check_class(members)


@pytest.mark.slow
def test_marks_are_shared_by_all_members_of_classes_on_five_and_six_nodes():
    chance = random.Random(0)
    drawn = (random_mag(chance, chance.choice((5, 6)), 0.4) for _ in range(100_000))
    for g in islice((m for m in drawn if 4 < sum(len(m.adjacent(v)) for v in m) / 2 < 8), 25):
        check_class(class_of(g))


@pytest.mark.slow
def test_marks_are_shared_by_all_members_where_r10_fires():
    check_class(class_of(MAG.from_string("A -- B; B -> C; A -> D; C -> D; A -> E; B -> E; E -> C; E -> D")))


def test_equivalence_is_equality_of_all_separations():
    for seed in range(40):
        g = random_graph("MAG", seed, max_nodes=5)
        chance = random.Random(seed)
        kinds = {"->": [], "<->": [], "--": []}
        for u, v in combinations(g, 2):
            if v in g.adjacent(u):
                turned = (v, u) if chance.random() < 0.3 else (u, v)
                kinds[chance.choice(("->", "->", "<->", "--"))].append(turned)
        try:
            other = MAG(kinds["->"], kinds["<->"], kinds["--"], nodes=g.nodes)
        except GraphError:
            continue
        same = separation_pattern(g) == separation_pattern(other)
        assert g.is_markov_equivalent(other) == same


def test_colliders_on_discriminating_paths_tell_graphs_apart():
    # The same adjacencies and unshielded colliders; Q -> V <-> B discriminates B for A.
    one = MAG.from_string("Q -> V; V <-> B; V -> A; B -> A")
    other = MAG.from_string("Q -> V; V <-> B; V -> A; B <-> A")
    assert not one.is_markov_equivalent(other)
    assert not one.is_markov_equivalent(MAG.from_string("Q -> V; V <-> B; V -> A"))
    assert one.to_pag().mark("A", "B") == "tail"
    assert other.to_pag().mark("A", "B") == "arrow"


def test_other_nodes_are_another_class():
    assert not MAG.from_string("A -> B").is_markov_equivalent(MAG.from_string("A -> C"))


@settings(max_examples=30)
@given(mags())
def test_a_class_has_a_member_with_its_class(m):
    g = m.to_pag()
    assert g.consistent_extension().to_pag() == g


def test_dags_that_are_equivalent_have_one_pag():
    for seed in range(30):
        g = random_graph("DAG", seed, max_nodes=6)
        assert g.to_pag() == g.to_cpdag().consistent_extension().to_pag()


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("A o-o B o-o C o-o D o-o A", "cannot be directed without a new collider"),
        ("A -> B -> C; A <-> C", "ancestral"),
        ("A <-> B; B -- C", "arrowhead at 'B'"),
    ],
)
def test_a_pag_without_members_says_why(text, evidence):
    with pytest.raises(GraphError, match=f"no MAG has the marks of this PAG: .*{evidence}"):
        PAG.from_string(text).consistent_extension()
