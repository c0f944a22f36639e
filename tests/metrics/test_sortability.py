"""Sortability against lists of all paths."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from causalrep.graphs import DAG
from causalrep.metrics import r2_sortability, varsortability
from causalrep.utils import DataError


def by_paths(dag, value):
    """Return the share over all triples (start, end, length) that some path has."""
    G = dag.to_networkx()
    found = {
        (path[0], path[-1], len(path))
        for start in dag.nodes
        for end in dag.nodes
        if start != end
        for path in nx.all_simple_paths(G, start, end)
    }
    grows = [1.0 if value[u] < value[v] else 0.0 for u, v, _ in found]
    return np.mean(grows) if grows else np.nan


@pytest.mark.parametrize("seed", range(6))
def test_shares_are_those_of_all_paths(seed):
    rng = np.random.default_rng(seed)
    edges = [(i, j) for i in range(6) for j in range(i + 1, 6) if rng.random() < 0.4]
    dag = DAG([(f"x{i}", f"x{j}") for i, j in edges], nodes=[f"x{k}" for k in rng.permutation(6)])
    table = pd.DataFrame(
        rng.normal(size=(50, 6)) * rng.uniform(0.5, 2, 6), columns=[f"x{k}" for k in range(6)]
    )
    assert varsortability(dag, table) == pytest.approx(by_paths(dag, table.var()))
    explained = {}
    for name in table:
        others = np.column_stack([np.ones(50), table.drop(columns=name)])
        residual = table[name] - others @ np.linalg.lstsq(others, table[name], rcond=None)[0]
        explained[name] = 1 - residual.var() / table[name].var()
    assert r2_sortability(dag, table) == pytest.approx(by_paths(dag, explained))


def test_units_matter_to_one_and_not_to_the_other():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    table = pd.DataFrame({"x": x, "y": x + rng.normal(size=300), "z": rng.normal(size=300)})
    table["z"] += table["y"]
    dag = DAG.from_string("x -> y -> z")
    assert varsortability(dag, table) == 1.0
    assert varsortability(dag, -table * [100, 10, 1]) == 0.0
    assert varsortability(dag, table / table.std()) == 0.5
    assert r2_sortability(dag, table * [100, 10, 1]) == r2_sortability(dag, table)


def test_columns_of_an_array_are_in_the_order_of_the_nodes():
    X = np.random.default_rng(0).normal(size=(100, 2)) * [2, 1]
    assert varsortability(DAG([("b", "a")], nodes=["a", "b"]), X) == 1.0


def test_no_edges_have_no_share():
    assert np.isnan(varsortability(DAG(nodes=["a", "b"]), np.eye(2)))


def test_bad_input():
    dag = DAG.from_string("a -> b")
    with pytest.raises(DataError, match="no column 'b'"):
        varsortability(dag, {"a": [1.0, 2.0]})
    with pytest.raises(DataError, match="NaN"):
        varsortability(dag, {"a": [1.0, np.nan], "b": [1.0, 2.0]})
    with pytest.raises(DataError, match="linear functions"):
        r2_sortability(dag, {"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 8.0]})
