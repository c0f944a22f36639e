"""Two independent ways to say what data tell: ID by its algorithm, bounds by linear programming.

In a graph whose districts are cliques of bidirected edges the programme is exact for binary
variables: a query is identifiable iff lower and upper bound meet. (In other districts the programme
lets all members share one cause, which is a weaker assumption: its bounds may then be wider than
the graph's.)
"""

from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest

from causalrep.graphs import ADMG
from causalrep.identification import bounds, identify

PAIRS = [("A", "B"), ("A", "C"), ("B", "C")]
GRAPHS = [
    ADMG(
        [pair for pair, keep in zip(PAIRS, directed, strict=True) if keep],
        [pair for pair, keep in zip(PAIRS, bidirected, strict=True) if keep],
        nodes="ABC",
    )
    for directed, bidirected in product(product((0, 1), repeat=3), repeat=2)
]


def has_clique_districts(graph):
    return all(v in graph.siblings(u) for district in graph.districts() for u, v in combinations(district, 2))


def random_table(graph, seed):
    """Return the distribution of three binary variables in a model whose districts share one cause each."""
    rng = np.random.default_rng(seed)
    weights = {district: rng.dirichlet(np.ones(16)) for district in graph.districts()}
    biases = {v: rng.uniform(0.05, 0.95, size=(2, 2, 2, 16)) for v in graph.nodes}
    table = pd.DataFrame(list(product((0, 1), repeat=3)), columns=list("ABC"))
    p = []
    for row in table.itertuples(index=False):
        cell = 1.0
        for district, weight in weights.items():
            inside = weight.copy()
            for v in district:
                at = tuple(getattr(row, u) if u in graph.parents(v) else 0 for u in "ABC")
                inside *= biases[v][at] if getattr(row, v) else 1 - biases[v][at]
            cell *= inside.sum()
        p.append(cell)
    return table.assign(p=p)


def disagreements(graphs):
    n_asked, found = 0, []
    for seed, graph in enumerate(graphs):
        table = random_table(graph, seed)
        for x, y in permutations("ABC", 2):
            result = identify(graph, outcome=y, treatment=x)
            interval = bounds(graph, f"P({y}=1 | do({x}=1))", table)
            meet = interval.upper - interval.lower < 1e-6
            n_asked += 1
            if meet != result.identifiable:
                found.append((graph, x, y))
            elif meet:
                value = result.evaluate(table, do={x: 1}, outcome={y: 1})
                assert value == pytest.approx(interval.lower, abs=1e-6)
    return n_asked, found


CLIQUES = [graph for graph in GRAPHS if has_clique_districts(graph)]


def test_verdicts_are_those_of_the_programme_on_some_graphs_of_three_nodes():
    assert disagreements(CLIQUES[5::9]) == (24, [])


@pytest.mark.slow
def test_verdicts_are_those_of_the_programme_on_all_graphs_of_three_nodes():
    assert len(CLIQUES) == 40  # of 64, those without exactly two bidirected edges
    assert disagreements(CLIQUES) == (240, [])
