"""Size, members and random members of equivalence classes, against enumeration and closed forms."""

import math
import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from causalrep.graphs import CPDAG, DAG, MPDAG, PDAG
from causalrep.utils import GraphError
from tests.graphs.conftest import class_key, dags_on
from tests.strategies import dags


def random_chordal(n_nodes, width, seed):
    """Undirected chordal edges: every new node joins part of a clique, then names are shuffled."""
    chance = random.Random(seed)
    cliques, edges = [[0]], []
    for new in range(1, n_nodes):
        clique = chance.choice(cliques)
        joined = chance.sample(clique, min(len(clique), chance.randint(1, width)))
        edges += [(old, new) for old in joined]
        cliques.append([*joined, new])
    names = chance.sample(range(n_nodes), n_nodes)
    return [(names[u], names[v]) for u, v in edges]


@pytest.mark.parametrize("n_nodes", [1, 2, 3, 4])
def test_size_and_members_are_those_found_by_enumeration(every_class, n_nodes):
    for members in every_class[n_nodes]:
        cpdag = members[0].to_cpdag()
        listed = list(cpdag.dags())
        assert cpdag.size() == len(members) == len(listed)
        assert set(listed) == set(members)


@pytest.mark.parametrize(
    ("n_nodes", "n_dags", "n_classes"), [(1, 1, 1), (2, 3, 2), (3, 25, 11), (4, 543, 185)]
)
def test_all_dags_are_members_of_all_classes(every_class, n_nodes, n_dags, n_classes):
    # Robinson 1973 and Gillispie and Perlman 2002, OEIS A003024 and A007984.
    sizes = [members[0].to_cpdag().size() for members in every_class[n_nodes]]
    assert (len(sizes), sum(sizes)) == (n_classes, n_dags)


@pytest.mark.slow
def test_all_dags_on_five_nodes_are_members_of_all_classes():
    classes = {}
    for g in dags_on(5):
        classes.setdefault(class_key(g), []).append(g)
    assert (len(classes), sum(map(len, classes.values()))) == (8782, 29281)
    for members in classes.values():
        cpdag = members[0].to_cpdag()
        assert cpdag.size() == len(members)
        assert set(cpdag.dags()) == set(members)
        assert all(g.to_cpdag() == cpdag for g in members)


def by_source(near, nodes):
    """Count the orientations of a chordal graph by its sources, following rule R1 only (He, Jia, Yu)."""
    total = 0
    for source in nodes:
        depth, order = {source: 0}, [source]
        for v in order:
            for w in sorted(near[v] & nodes - depth.keys()):
                depth[w] = depth[v] + 1
                order.append(w)
        directed = {(v, w) for v in nodes for w in near[v] & nodes if depth[v] < depth[w]}
        level = {(v, w) for v in nodes for w in near[v] & nodes if depth[v] == depth[w]}
        changed = True
        while changed:
            new = {(v, w) for v, w in level if any(b == v and w not in near[a] for a, b in directed)}
            changed = bool(new)
            directed |= new
            level -= new | {(w, v) for v, w in new}
        left, product = set(nodes), 1
        while left:
            part, stack = set(), [min(left)]
            while stack:
                v = stack.pop()
                part.add(v)
                stack += [w for a, w in level if a == v and w not in part]
            left -= part
            product *= by_source(near, part) if len(part) > 1 else 1
        total += product
    return total


@pytest.mark.parametrize("seed", range(12))
def test_the_size_of_larger_chordal_graphs_is_that_by_sources(seed):
    edges = random_chordal(9, 1 + seed % 5, seed)
    near = {v: {a if b == v else b for a, b in edges if v in (a, b)} for v in range(9)}
    assert CPDAG(undirected=edges).size() == by_source(near, set(range(9)))


@pytest.mark.parametrize("n_nodes", [1, 2, 7, 20, 60])
def test_a_complete_graph_has_a_member_for_every_order(n_nodes):
    g = CPDAG(undirected=combinations(range(n_nodes), 2), nodes=range(n_nodes))
    assert g.size() == math.factorial(n_nodes)


@pytest.mark.parametrize("n_nodes", [2, 5, 300])
def test_a_tree_has_a_member_for_every_source(n_nodes):
    chance = random.Random(n_nodes)
    g = CPDAG(undirected=[(chance.randrange(new), new) for new in range(1, n_nodes)])
    assert g.size() == n_nodes


@pytest.mark.parametrize("n_nodes", range(4, 9))
def test_closed_forms_for_dense_and_nearly_tree_like_graphs(n_nodes):
    # He, Jia and Yu 2015, theorem 3: one edge short of complete, and one edge more than a tree.
    pairs = list(combinations(range(n_nodes), 2))
    short = CPDAG(undirected=pairs[1:])
    assert short.size() == 2 * math.factorial(n_nodes - 1) - math.factorial(n_nodes - 2)
    triangle = CPDAG(undirected=[(0, 1), (1, 2), (0, 2), *((i, i + 1) for i in range(2, n_nodes - 1))])
    assert triangle.size() == 2 * n_nodes


def test_components_multiply():
    assert CPDAG.from_string("A -- B -- C; D -- E; F -> G <- H; I").size() == 3 * 2


def test_two_hundred_chordal_nodes_are_counted_without_enumeration():
    g = CPDAG(undirected=random_chordal(200, 8, seed=1))
    assert g.size() > 10**20
    assert g.contains(g.sample_dags(1, random_state=0)[0])


def test_a_component_with_thousands_of_nodes_needs_no_recursion():
    n_nodes = 3000
    g = CPDAG(undirected=[(i, i + 1) for i in range(n_nodes - 1)])
    assert g.size() == n_nodes
    assert next(g.dags()).topological_order() == tuple(range(n_nodes))
    clique = CPDAG(undirected=[*combinations(range(60), 2), (59, 60)])
    assert clique.size() == math.factorial(60) + math.factorial(59)  # 60 comes last, or first


def chi_square(counts, n_draws, n_kinds):
    expected = n_draws / n_kinds
    return sum((count - expected) ** 2 / expected for count in counts) + (n_kinds - len(counts)) * expected


@pytest.mark.parametrize(
    "text",
    [
        "A -- B -- C -- D; B -- E",  # a tree
        "A -- {B C D}; B -- {C D}; C -- D",  # complete
        "A -- B -- C -- A; C -- D -- B; D -- E -- C; F -- E",  # prefixes of several lengths
        "A -- B; C -- D -- E -- C; X -> Y <- Z",  # components
    ],
)
def test_members_are_drawn_uniformly(text):
    g = CPDAG.from_string(text)
    n_draws = 60 * g.size()
    counts = Counter(g.sample_dags(n_draws, random_state=7))
    assert set(counts) == set(g.dags())
    # The 1 - 1e-6 quantile: with the seed fixed, a right sampler fails once in a million choices of it.
    assert chi_square(counts.values(), n_draws, g.size()) < chi2.isf(1e-6, g.size() - 1)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("A -- {B C D}; B -- {C D}; C -- D", [("A", "B"), ("C", "D")]),
        ("A -- {B C D}; B -- {C D}; C -- D; D -- E -- C", [("A", "C"), ("B", "D")]),
    ],
)
def test_members_that_agree_with_knowledge_are_drawn_uniformly(text, known):
    g = CPDAG.from_string(text).to_mpdag(required=known)
    assert g.size() > 5
    n_draws = 60 * g.size()
    counts = Counter(g.sample_dags(n_draws, random_state=3))
    assert set(counts) == set(g.dags())
    assert chi_square(counts.values(), n_draws, g.size()) < chi2.isf(1e-6, g.size() - 1)


def test_samples_repeat_with_the_seed_and_change_with_it():
    g = CPDAG(undirected=combinations("ABCDE", 2))
    assert g.sample_dags(9, random_state=1) == g.sample_dags(9, random_state=1)
    assert g.sample_dags(9, random_state=1) != g.sample_dags(9, random_state=2)
    assert g.sample_dags(0) == ()


@settings(max_examples=20)
@given(dags(min_nodes=1, max_nodes=6), st.data())
def test_the_number_of_members_does_not_depend_on_names(g, data):
    order = data.draw(st.permutations(g.nodes))
    twin = DAG(g.directed_edges, nodes=order)
    assert twin.to_cpdag().size() == g.to_cpdag().size()


@given(dags(max_nodes=6))
def test_members_have_the_class_and_others_are_not_contained(g):
    cpdag = g.to_cpdag()
    assert cpdag.contains(g)
    for member in cpdag.dags(limit=20):
        assert member.to_cpdag() == cpdag
        assert member.nodes == g.nodes
    for u, v in g.directed_edges:
        assert not cpdag.contains(DAG([e for e in g.directed_edges if e != (u, v)], nodes=g.nodes))


def test_a_dag_on_other_nodes_is_not_contained():
    assert not CPDAG.from_string("X -- Y").contains(DAG.from_string("X -> Y; Z"))


def test_listing_is_lazy_and_limited():
    g = CPDAG(undirected=combinations(range(30), 2))
    found = list(g.dags(limit=5))
    assert len(set(found)) == 5
    assert next(g.dags()).topological_order() == tuple(range(30))
    assert list(g.dags(limit=0)) == []


def test_listing_directs_the_first_edges_forward_first():
    g = CPDAG(undirected=combinations("BCA", 2), nodes="CAB")  # open edges in order: C - A, C - B, A - B
    orders = ["".join(dag.topological_order()) for dag in g.dags()]
    assert orders == ["CAB", "CBA", "BCA", "ACB", "ABC", "BAC"]


@pytest.mark.parametrize("call", [lambda g: g.dags(limit=-1), lambda g: g.sample_dags(-1)])
def test_negative_numbers_are_refused(call):
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        call(CPDAG.from_string("X -- Y"))


# Background knowledge


@pytest.mark.parametrize("seed", range(40))
def test_knowledge_leaves_just_the_members_that_agree(every_class, seed):
    chance = random.Random(seed)
    members = chance.choice([m for m in every_class[4] if len(m) > 3])
    cpdag, truth = members[0].to_cpdag(), chance.choice(members)
    open_edges = [edge for edge in truth.directed_edges if edge not in cpdag.directed_edges]
    known = chance.sample(open_edges, chance.randint(1, min(3, len(open_edges))))
    closed = cpdag.to_mpdag(required=known)
    agreeing = {g for g in members if set(known) <= g.directed_edges}
    assert closed == cpdag.to_mpdag(forbidden=[edge[::-1] for edge in known])
    assert closed.size() == len(agreeing)
    assert set(closed.dags()) == agreeing
    assert closed.directed_edges == set.intersection(*(set(g.directed_edges) for g in agreeing))
    assert {g for g in members if closed.contains(g)} == agreeing
    assert set(closed.sample_dags(5, random_state=seed)) <= agreeing
    assert MPDAG(closed.directed_edges, closed.undirected_edges, closed.nodes) == closed


@pytest.mark.parametrize("seed", range(30))
def test_the_size_with_knowledge_is_the_number_of_listed_members(seed):
    chance = random.Random(seed)
    cpdag = CPDAG(undirected=random_chordal(7, 2 + seed % 4, seed))
    truth = cpdag.sample_dags(1, random_state=seed)[0]
    closed = cpdag.to_mpdag(required=chance.sample(list(truth.directed_edges), 1 + seed % 3))
    listed = set(closed.dags())
    assert closed.size() == len(listed) < cpdag.size()
    assert set(closed.sample_dags(20, random_state=seed)) <= listed


def test_orders_of_a_clique_with_one_known_pair_are_half_of_all():
    g = CPDAG(undirected=combinations(range(30), 2))
    assert g.to_mpdag(required=[(3, 5)]).size() == math.factorial(30) // 2
    assert g.to_mpdag(required=[(0, 1), (1, 2), (3, 4)]).size() == math.factorial(30) // 12
    # Of the orders of four nodes in which two causes come before two effects there are 2! * 2!.
    assert g.to_mpdag(required=[(0, 2), (0, 3), (1, 2), (1, 3)]).size() == math.factorial(30) // 24 * 4


def test_contradictory_knowledge_is_named():
    g = CPDAG.from_string("X -- Y -- Z; X -> C <- W")
    with pytest.raises(GraphError, match=r"`required` names 'Z' -> 'Y', but .* imply the opposite"):
        g.to_mpdag(required=[("X", "Y"), ("Z", "Y")])
    with pytest.raises(GraphError, match="`required` names 'C' -> 'X'"):
        g.to_mpdag(required=[("C", "X")])
    with pytest.raises(GraphError, match=r"`forbidden` names 'X' -> 'Y', but .* just that direction"):
        g.to_mpdag(required=[("X", "Y")], forbidden=[("X", "Y")])
    with pytest.raises(GraphError, match="'X' -> 'Z', but the two are not adjacent"):
        g.to_mpdag(required=[("X", "Z")])
    assert g.to_mpdag(forbidden=[("X", "Z")]) == g


def test_a_graph_without_members_has_no_mpdag():
    with pytest.raises(GraphError, match="no DAG has"):
        PDAG.from_string("A -- B -- C -- D -- A").to_mpdag()
    with pytest.raises(GraphError, match="no DAG has"):
        MPDAG(undirected=[("A", "B"), ("B", "C"), ("C", "D"), ("D", "A")])


def test_an_mpdag_that_is_not_closed_is_refused():
    with pytest.raises(GraphError, match="got 'Y' -- 'Z', but the rules make it 'Y' -> 'Z'"):
        MPDAG(directed=[("X", "Y")], undirected=[("Y", "Z")])


def test_the_error_shows_a_chordless_cycle():
    with pytest.raises(GraphError, match="the cycle 'A' -- 'B' -- 'C' -- 'D' -- 'E' -- 'A' without a chord"):
        CPDAG(undirected=[("A", "B"), ("B", "C"), ("C", "D"), ("D", "E"), ("E", "A"), ("A", "T"), ("B", "T")])
