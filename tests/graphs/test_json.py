import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.graphs import DAG, PDAG
from causalrep.utils import CycleError, GraphError, ParseError
from tests.strategies import dags, pdags

scalars = st.text(max_size=5) | st.integers() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
any_labels = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)


@given(dags(labels=any_labels, max_nodes=5))
def test_a_dag_survives_the_round_trip_with_tuples_and_numbers(g):
    twin = DAG.from_json(g.to_json())
    assert twin == g
    assert twin.nodes == g.nodes
    assert list(map(type, twin.nodes)) == list(map(type, g.nodes))


@given(pdags())
def test_a_pdag_survives_the_round_trip(g):
    assert PDAG.from_json(g.to_json()) == g


def test_numpy_scalars_are_written_as_numbers():
    assert DAG([(np.int64(0), np.float64(0.5))]) == DAG.from_json(DAG([(0, 0.5)]).to_json())
    assert DAG([(np.int64(0), np.float64(0.5))]).to_json() == DAG([(0, 0.5)]).to_json()


def test_json_is_one_readable_object():
    text = PDAG.from_string("größe -> Y -- Z").to_json()
    assert json.loads(text) == {
        "type": "PDAG",
        "nodes": ["größe", "Y", "Z"],
        "edges": [["größe", "->", "Y"], ["Y", "--", "Z"]],
    }
    assert "größe" in text


@pytest.mark.parametrize("label", [frozenset("ab"), float("inf"), object])
def test_a_label_that_json_cannot_carry_is_named(label):
    with pytest.raises(GraphError, match="to_json writes labels"):
        DAG([(label, "Y")]).to_json()


def test_text_that_is_no_json_is_located():
    with pytest.raises(ParseError, match="not JSON") as caught:
        DAG.from_json('{"type": "DAG",\n "nodes" []}')
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "change",
    [
        {"type": "CPDAG"},
        {"nodes": "XY"},
        {"nodes": ["X", {"Y": 1}]},
        {"edges": {"X": "Y"}},
        {"edges": [["X", "Y"]]},
        {"edges": [["X", "--", "Y"]]},
        {"edges": [["X", ["->"], "Y"]]},
        {"nodes": ["X", "Y", "X"]},
    ],
)
def test_json_that_is_no_dag_is_refused(change):
    good = {"type": "DAG", "nodes": ["X", "Y"], "edges": [["X", "->", "Y"]]}
    assert DAG.from_json(json.dumps(good)) == DAG([("X", "Y")])
    with pytest.raises(ParseError):
        DAG.from_json(json.dumps({**good, **change}))


def test_json_of_a_cycle_is_refused():
    with pytest.raises(CycleError):
        DAG.from_json('{"type": "DAG", "nodes": ["X", "Y"], "edges": [["X", "->", "Y"], ["Y", "->", "X"]]}')


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"type": "PDAG",\n "nodes": [], "edges": []}', 1, 10),
        ('{"type": "DAG", "nodes": ["X"],\n "edges":  7}', 2, 12),
        ('{"type": "DAG", "nodes": ["X", "Y"],\n "edges": [["X", "->", "Y"],\n  ["X"]]}', 3, 3),
        ('{"type": "DAG", "nodes": ["X",\n {"a": 1}], "edges": []}', 2, 2),
        ('{"type": "DAG", "nodes": [["X", {}]], "edges": []}', 1, 27),
        ('\n {"type": "DAG"}', 2, 2),
        ('{"type": "DAG", "edges": [], "nodes": ["X"], "latent": ["X", "U"]}', 1, 62),
        ('{"type": "DAG", "edges": [], "nodes": ["a, {b}:", "\\"", 3, 3]}', 1, 60),
    ],
)
def test_the_error_points_at_the_part_that_is_wrong(text, line, column):
    with pytest.raises(ParseError) as caught:
        DAG.from_json(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("depth", [200, 600, 900])
def test_json_that_is_nested_deeply_is_refused(depth):
    label = "[" * depth + "]" * depth
    with pytest.raises(ParseError, match="nested so deeply"):
        DAG.from_json(f'{{"type": "DAG", "nodes": [{label}], "edges": []}}')


@pytest.mark.parametrize("text", ["[]", "{}", "[" * 100_000])
def test_json_of_something_else_is_refused(text):
    with pytest.raises(ValueError, match="JSON"):
        DAG.from_json(text)
