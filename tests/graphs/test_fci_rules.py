"""The rules R0 to R10 one by one, on the patterns that they are made for."""

from collections import Counter

import pytest

from causalrep.graphs import DAG, MAG, PAG, _mag
from causalrep.graphs._fci_rules import apply_rules, circles_on, marks_of, orient_colliders, store_of_marks


def always(a, c, b):
    return True


def never(a, c, b):
    return False


def oriented(text, separates=always):
    """The graph after R1 to R10, and how often each rule fired."""
    before = PAG.from_string(text)
    marks = marks_of(before._store)
    fired = apply_rules(marks, lambda a, c, b: separates(*(before.nodes[k] for k in (a, c, b))))
    return PAG._build(before.nodes, store_of_marks(marks)), fired


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("R1", "A o-> B; B o-o C", "A o-> B; B -> C"),
        ("R1", "A <-> B; B o-> C", "A <-> B; B -> C"),
        ("R2", "A -> B <-> C; A o-o C", "A -> B <-> C; A o-> C"),
        ("R2", "A <-> B; B -> C; A o-o C", "A <-> B; B -> C; A o-> C"),
        ("R3", "A o-> B <-o C; A o-o D o-o C; D o-o B", "A o-> B <-o C; A o-o D o-o C; D o-> B"),
        ("R5", "A o-o B o-o C o-o D o-o A", "A -- B -- C -- D -- A"),
        ("R6", "A -- B; B o-o C; A o-o C", "A -- B; B --o C; C o-- A"),
        ("R7", "A --o B o-o C", "A --o B; B --o C"),
        ("R8", "A -> B -> C; A o-> C", "A -> B -> C; A -> C"),
        ("R8", "A --o B -> C; A o-> C", "A --o B -> C; A -> C"),
        ("R9", "A o-> D; A o-o B o-o C o-> D", "A -> D; A o-o B o-o C; C -> D"),
        ("R10", "A o-> D; A o-o B -> D; A o-o C -> D", "A -> D; A o-o B -> D; A o-o C -> D"),
    ],
)
def test_a_rule_does_what_it_says(rule, before, after):
    found, fired = oriented(before)
    assert fired[rule] >= 1
    assert found == PAG.from_string(after)


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("R1 needs an unshielded triple", "A o-> B; B o-o C; A o-o C"),
        ("R2 needs one edge of the way directed", "A <-> B <-> C; A o-o C"),
        ("R3 needs A and C apart", "A <-> B <-> C; A o-o D o-o C; D o-o B; A <-> C"),
        ("R5 needs a cycle without chords", "A o-o B o-o C o-o D o-o A; A o-o C"),
        ("R7 needs A and C apart", "A --o B o-o C; A o-o C"),
        ("R9 needs B and D apart", "A o-> D; A o-o B o-> D"),
        ("R10 needs B and C apart", "A o-> D; A o-o B -> D; A o-o C -> D; B o-o C"),
    ],
)
def test_a_rule_does_no_more(why, text):
    found, fired = oriented(text)
    assert found == PAG.from_string(text), why
    assert not fired.total()


def test_r4_asks_what_separates():
    text = "Q o-> V <-> B; V -> A; B o-> A"
    asked = []

    def separates(a, c, b):
        asked.append((a, c, b))
        return True

    found, fired = oriented(text, separates)
    assert fired["R4"] == 1
    assert found.mark("A", "B") == "tail"
    assert {frozenset((a, c)) for a, c, _ in asked} == {frozenset("QA")}
    assert {b for *_, b in asked} == {"B"}
    found, fired = oriented(text, never)
    assert fired["R4"] == 1
    assert found.mark("A", "B") == found.mark("V", "B") == "arrow"


def test_r4_walks_along_several_colliders():
    text = "Q o-> V <-> W <-> B; V -> A; W -> A; B o-> A"
    assert oriented(text)[0].mark("A", "B") == "tail"
    # V is no parent of A, so the path ends there, and V is near A.
    assert oriented(text.replace("V -> A", "V <-> A"), never)[0].mark("A", "B") == "circle"


def test_r4_asks_nothing_where_the_path_has_no_collider():
    # P -> V: what comes before P does not matter, though P is a parent of A.
    _, fired = oriented("Q <-> P -> V <-> B; P -> A; V -> A; B o-> A", never)
    assert not fired["R4"]


def test_a_late_rule_sets_early_ones_going():
    found, fired = oriented("Q o-> V <-o B; V -> A; B o-> A; B o-o C", never)
    assert (fired["R4"], found.mark("B", "C"), found.mark("C", "B")) == (1, "arrow", "tail"), found


def test_r0_orients_what_no_set_explains():
    marks = circles_on(4, [(0, 2), (1, 2), (2, 3)])
    assert orient_colliders(marks, lambda a, c, _: {a, c} != {0, 1}) == 1
    assert PAG._build((0, 1, 2, 3), store_of_marks(marks)) == PAG.from_string("0 o-> 2; 1 o-> 2; 2 o-o 3")


def test_a_change_far_away_travels_back_along_a_chain():
    n = 3000
    edges = [(k, "o-o", k + 1) for k in range(n)]
    chain = PAG(
        [("in", "o->", 0), ("other", "o->", 0), *edges], nodes=[*reversed(range(n + 1)), "in", "other"]
    )
    marks = marks_of(chain._store)
    assert apply_rules(marks, always) == Counter(R1=n)


def test_circles_without_a_cycle_are_not_walked_from_each_edge():
    # The search for R5 would look at all pairs of the 5 000 edges.
    chain = DAG([(k, k + 1) for k in range(5000)])
    assert chain.to_pag() == PAG([(k, "o-o", k + 1) for k in range(5000)])


def test_r5_finds_a_cycle_behind_chords_and_branches():
    text = "A o-o B o-o C o-o D o-o A; D o-o E o-o F o-o D; F o-o G"
    found, fired = oriented(text)
    assert fired["R5"] == 1
    assert {frozenset(edge) for edge in found.undirected_edges} == {
        frozenset(p) for p in ("AB", "BC", "CD", "AD")
    }


#: MAGs on which, together, every rule has something to say; found at random, then made smaller.
TELLING = [
    "A <-> C; B -> A; A -> D; B -> D",
    "A -> C; B -> C; C -> V -> W; D -> W; {A B C V W} -> Y",
    "A -> B; A -> C; B -> C; A -> D; D -> C",
    "A -- B; B -> C; A -> D; C -> D; A -> E; B -> E; E -> C; E -> D",
    "A -- B -- C; B -> D; A -- E -- C; E -> F; C -- G; G -> F; E -- G",
]


def test_every_rule_fires_in_some_class(monkeypatch):
    """Not only on patterns: in classes of MAGs, which `test_ancestral.py` compares with enumeration."""
    fired = Counter()

    def counting(marks, separates):
        counts = apply_rules(marks, separates)
        fired.update(counts)
        return counts

    monkeypatch.setattr(_mag, "apply_rules", counting)
    for g in TELLING:
        MAG.from_string(g).to_pag()
    assert all(fired[f"R{k}"] for k in range(1, 11)), fired
