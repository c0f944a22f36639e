"""Graphs of several worlds against models: what a graph merges or separates must hold in all of them."""

import random
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG
from causalrep.utils import GraphError, UnknownNameError
from tests.strategies import admgs, dags

_NOISE = range(3)


def mechanisms(g, seed):
    """For each node a random binary function of its parents, of its noise and of the noise it shares."""
    chance = random.Random(seed)
    tables = {}
    for node in g:
        shared = [pair for pair in g.bidirected_edges if node in pair]
        keys = product(*([range(2)] * len(g.parents(node)) + [_NOISE] * (1 + len(shared))))
        tables[node] = {key: chance.randrange(2) for key in keys}
    return tables


def outcomes(g, tables, world):
    """The value of each node of one world, for each state of all noises."""
    noises = [*g.nodes, *g.bidirected_edges]
    for state in product(_NOISE, repeat=len(noises)):
        noise = dict(zip(noises, state, strict=True))
        natural, values = {}, {}
        for node in g.topological_order():
            shared = [noise[pair] for pair in g.bidirected_edges if node in pair]
            key = (*(values[p] for p in g.parents(node)), noise[node], *shared)
            natural[node] = tables[node][key]
            values[node] = world.get(node, natural[node])
        yield natural, values


def joint(g, worlds, names, tables, *, natural=False):
    """The rows (one for each state of the noise) of all named copies."""
    runs = [list(outcomes(g, tables, world)) for world in worlds]
    rows = []
    for states in zip(*runs, strict=True):
        row = {}
        for copies, (before, after) in zip(names, states, strict=True):
            values = before if natural else after
            for node, name in copies.items():
                # A name in two worlds is a claim that both values are the same.
                assert row.setdefault(name, values[node]) == values[node]
        rows.append(row)
    return rows


def independent(rows, x, y, z):
    counts = {}
    for row in rows:
        key = tuple(row[node] for node in z)
        table = counts.setdefault(key, {})
        table[row[x], row[y]] = table.get((row[x], row[y]), 0) + 1
    for table in counts.values():
        total = sum(table.values())
        for a, b in product(range(2), repeat=2):
            left = sum(table.get((a, c), 0) for c in range(2))
            right = sum(table.get((c, b), 0) for c in range(2))
            if table.get((a, b), 0) * total != left * right:
                return False
    return True


def check_separations(w, rows):
    names = [name for name in w.graph if name not in w.fixed and name in rows[0]]
    for x, y in combinations(names, 2):
        rest = [name for name in names if name not in (x, y)]
        for z in ([], rest[:1], rest[1:2], rest[-1:], rest[:2], rest[1:3]):
            if w.is_separated(x, y, z):
                assert independent(rows, x, y, z), (x, y, z)


@st.composite
def small_admgs(draw):
    return draw(admgs(min_nodes=3, max_nodes=3, labels=st.sampled_from("ABCD")))


worlds_of = st.dictionaries(st.sampled_from("ABCD"), st.integers(0, 1), max_size=2)


@given(small_admgs(), st.lists(worlds_of, min_size=2, max_size=3), st.integers(0, 99))
def test_what_is_merged_is_equal_and_what_is_separated_is_independent(g, worlds, seed):
    if len(g.bidirected_edges) > 1:  # 3 ** 5 states are enough
        g = ADMG(g.directed_edges, list(g.bidirected_edges)[:1], nodes=g.nodes)
    worlds = [{node: value for node, value in world.items() if node in g} for world in worlds]
    w = g.parallel_worlds(worlds)
    check_separations(w, joint(g, worlds, w.copies, mechanisms(g, seed)))


@given(small_admgs(), worlds_of, st.integers(0, 99))
def test_a_swig_is_right_in_models(g, world, seed):
    if len(g.bidirected_edges) > 1:
        g = ADMG(g.directed_edges, list(g.bidirected_edges)[:1], nodes=g.nodes)
    world = {node: value for node, value in world.items() if node in g}
    w = g.swig(world)
    check_separations(w, joint(g, [world], w.copies, mechanisms(g, seed), natural=True))
    assert len(w.graph) == len(g) + len(world)


@given(dags(min_nodes=1, max_nodes=5, labels=st.sampled_from("ABCDE")), st.data())
def test_copies_merge_exactly_when_equal_causes_make_them_equal(g, data):
    """Against the definition by recursion: merge iff all parents are merged or set to one value."""
    worlds = [
        data.draw(st.dictionaries(st.sampled_from(g.nodes), st.integers(0, 1), max_size=2)) for _ in "12"
    ]
    names = g.parallel_worlds(worlds).copies
    same = {}
    for node in g.topological_order():
        settings = [world.get(node) for world in worlds]
        if any(value is not None for value in settings):
            same[node] = settings[0] == settings[1]
        else:
            same[node] = all(same[parent] for parent in g.parents(node))
    assert {node for node in g if names[0][node] == names[1][node]} == {n for n in g if same[n]}


def test_a_twin_network_shares_noise_between_copies():
    w = DAG.from_string("Z -> X -> M -> Y; Z -> Y").twin_network({"X": 1})
    assert w.graph.bidirected_edges == {("M", "M[X=1]"), ("Y", "Y[X=1]")}
    assert w.copies[0]["Z"] == w.copies[1]["Z"] == "Z"
    assert w.fixed == {"do(X=1)"}
    assert not w.graph.siblings("Z")


def test_a_bidirected_edge_joins_the_copies_of_its_ends():
    w = ADMG.from_string("X -> M -> Y; X <-> Y").twin_network({"X": 0})
    assert {"Y", "Y[X=0]"} <= w.graph.siblings("X")


def test_swig_reads_off_conditional_exchangeability():
    g = DAG([("U", "X"), ("U", "Z"), ("Z", "X"), ("X", "Y"), ("Z", "Y")], latent="U")
    w = g.swig({"X": 1})
    assert not w.is_separated("X", "Y[X=1]")
    assert w.is_separated("X", "Y[X=1]", given="Z")
    assert w.graph.latent == {"U"}


def test_a_constant_passes_nothing_on():
    w = DAG.from_string("X -> A; X -> B").swig("X")
    assert w.graph.parents("A[X]") == {"do(X)"}
    assert w.is_separated("A[X]", "B[X]")
    assert w.is_separated("A[X]", "B[X]", given="do(X)")
    assert not w.graph.is_separated("A[X]", "B[X]")


def test_names_that_clash_are_refused():
    g = DAG.from_string('X -> Y; "Y[X=1]" -> Y')
    with pytest.raises(GraphError, match=r"'Y\[X=1\]' twice"):
        g.twin_network({"X": 1})


def test_an_unknown_node_is_named():
    with pytest.raises(UnknownNameError, match="`intervention` names 'Q'"):
        DAG.from_string("X -> Y").swig({"Q": 1})
