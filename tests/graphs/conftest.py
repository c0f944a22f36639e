from itertools import combinations, product

import pytest

from causalrep.graphs import DAG
from causalrep.utils import CycleError


def dags_on(n_nodes):
    """Yield all DAGs on the nodes 0, 1, ..., n_nodes - 1."""
    pairs = list(combinations(range(n_nodes), 2))
    for choice in product(["", "->", "<-"], repeat=len(pairs)):
        edges = [
            pair if kind == "->" else pair[::-1] for pair, kind in zip(pairs, choice, strict=True) if kind
        ]
        try:
            yield DAG(edges, nodes=range(n_nodes))
        except CycleError:
            continue


@pytest.fixture(scope="session")
def every_dag():
    """All DAGs on 0 to 4 nodes, by number of nodes."""
    return {n_nodes: list(dags_on(n_nodes)) for n_nodes in range(5)}


def class_key(graph):
    """Skeleton and v-structures, straight from the definition of Verma and Pearl."""
    skeleton = frozenset(frozenset(edge) for edge in graph.directed_edges)
    colliders = frozenset(
        (frozenset(ends), node)
        for node in graph.nodes
        for ends in combinations(graph.parents(node), 2)
        if frozenset(ends) not in skeleton
    )
    return skeleton, colliders


@pytest.fixture(scope="session")
def every_class(every_dag):
    """All Markov equivalence classes on 0 to 4 nodes: lists of DAGs, by number of nodes."""
    found = {}
    for n_nodes, graphs in every_dag.items():
        classes = {}
        for graph in graphs:
            classes.setdefault(class_key(graph), []).append(graph)
        found[n_nodes] = list(classes.values())
    return found
