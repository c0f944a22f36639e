"""Random graphs and data that come from them."""

import itertools

import numpy as np
import pytest

from causalrep.graphs import DAG


def _all_dags(nodes):
    """Yield every DAG on the nodes."""
    pairs = list(itertools.combinations(nodes, 2))
    for marks in itertools.product((0, 1, 2), repeat=len(pairs)):
        edges = [(a, b) if mark == 1 else (b, a) for (a, b), mark in zip(pairs, marks, strict=True) if mark]
        try:
            yield DAG(edges, nodes=nodes)
        except ValueError:  # a cycle
            continue


def _random_dag(seed, d, degree=3.0):
    rng = np.random.default_rng(seed)
    names = [f"x{k}" for k in range(d)]
    order = rng.permutation(d)
    edges = [
        (names[order[a]], names[order[b]])
        for a, b in itertools.combinations(range(d), 2)
        if rng.random() < degree / max(d - 1, 1)
    ]
    return DAG(edges, nodes=names)


def _linear_data(dag, n, seed):
    """Draw rows of a linear Gaussian model on the graph, each column divided by its deviation."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    columns = {}
    for node in dag.topological_order():
        values = rng.normal(size=n)
        for parent in dag.parents(node):
            values = values + rng.choice([-1, 1]) * rng.uniform(0.5, 1.2) * columns[parent]
        columns[node] = values / values.std()
    return pd.DataFrame({node: columns[node] for node in dag.nodes})


@pytest.fixture(scope="session")
def all_dags():
    return _all_dags


@pytest.fixture(scope="session")
def random_dag():
    return _random_dag


@pytest.fixture(scope="session")
def linear_data():
    return _linear_data
