import pickle
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import NodeSet

members = st.lists(st.integers(0, 8))


def test_node_set_keeps_the_order_it_was_given():
    assert list(NodeSet(["Z", "A", "M", "A"])) == ["Z", "A", "M"]


def test_node_set_of_a_plain_set_has_an_order_of_its_own():
    assert all(list(NodeSet(set(order))) == ["A", "B", "C"] for order in permutations("ABC"))


@given(members)
def test_node_set_equals_and_hashes_like_a_frozenset(items):
    assert NodeSet(items) == frozenset(items)
    assert set(items) == NodeSet(items)
    assert hash(NodeSet(items)) == hash(frozenset(items))


def test_node_set_is_not_a_list():
    assert NodeSet(["A"]) != ["A"]


@given(members, members)
@pytest.mark.parametrize("other_type", [set, frozenset, NodeSet])
def test_node_set_algebra_agrees_with_frozenset(other_type, left, right):
    a, b = NodeSet(left), other_type(right)
    x, y = frozenset(left), frozenset(right)
    assert (a | b, a & b, a - b, a ^ b) == (x | y, x & y, x - y, x ^ y)
    assert (b | a, b & a, b - a, b ^ a) == (y | x, y & x, y - x, y ^ x)
    assert (a <= b, a < b, a >= b, a.isdisjoint(b)) == (x <= y, x < y, x >= y, x.isdisjoint(y))


@pytest.mark.parametrize("other", [{"C", "B", "D"}, NodeSet(["D", "C", "B"])], ids=["set", "NodeSet"])
def test_intersection_and_union_keep_the_order_of_the_left_operand(other):
    left = NodeSet(["C", "A", "B"])
    assert list(left & other) == ["C", "B"]
    assert list(left | other) == ["C", "A", "B", "D"]
    assert list({"B", "C", "E"} & left) == ["C", "B"]
    assert list({"E", "D", "A"} - left) == ["D", "E"]


def test_node_set_survives_pickling():
    assert list(pickle.loads(pickle.dumps(NodeSet(["Z", "A"])))) == ["Z", "A"]


def test_node_set_prints_as_it_is_built():
    found = NodeSet(["Z", ("A", 1)])
    assert eval(repr(found)) == found
    assert repr(NodeSet()) == "NodeSet()"
