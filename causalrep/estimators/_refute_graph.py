"""The refuter that asks the data for the independences of a graph."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from causalrep.estimators._refutation import Refutation
from causalrep.graphs import DAG
from causalrep.independence import CITest, DegenerateGaussian, GSquare, PolynomialGCM
from causalrep.utils import Columns, DataError, UnknownNameError, columns_of, frame_like, is_frame

__all__ = ["refute_graph"]

_FEW_VALUES = 10


def refute_graph(graph: Any, X: Any, y: Any, outcome: Hashable, estimate: float) -> Refutation:
    """Test the pairwise independences that a graph implies among its observed nodes."""
    if graph is None:
        raise DataError("'graph' needs the graph, `graph`")
    if not is_frame(X):
        raise DataError("'graph' needs a data frame X whose columns are named like the nodes")
    name = getattr(y, "name", None) if outcome is None else outcome
    if name is None:
        raise DataError("'graph' needs the node that `y` is, `outcome`")
    columns = {**columns_of(X), name: np.asarray(y)}
    if hasattr(graph, "is_multigraph"):
        graph = DAG.from_networkx(graph)
    observed = [node for node in graph.nodes if node not in graph.latent]
    for node in observed:
        if node not in columns:
            raise UnknownNameError(node, columns, what="the graph (declare it latent if it was not measured)")
    if graph.latent:
        graph = graph.latent_projection(observed)
    statements = [
        (min(s.x, key=observed.index), min(s.y, key=observed.index), tuple(s.given))
        for s in graph.markov_statements("pairwise")
    ]
    if not statements:
        detail = "the graph implies no independence that data could contradict"
        return Refutation("graph", estimate, estimate, np.ones(0), 1.0, detail)
    chosen = {node: columns[node] for node in observed}
    test = _test_for(chosen).fit(frame_like(chosen, like=X))
    pvalues = np.array([test.test(x, other, given).pvalue for x, other, given in statements])
    made = np.isfinite(pvalues)
    if not made.any():
        raise DataError("none of the independences of the graph could be tested: there are too few rows")
    worst = int(np.nanargmin(pvalues))
    x, other, given = statements[worst]
    said = f"{x} and {other}" + (f" given {', '.join(map(str, given))}" if given else "")
    detail = (
        f"of {int(made.sum())} implied independences, that of {said} fits worst, p = {pvalues[worst]:.2g}"
    )
    pvalue = min(1.0, float(made.sum() * pvalues[worst]))
    return Refutation("graph", estimate, estimate, pvalues, pvalue, detail)


def _test_for(columns: Columns) -> CITest:
    """Return the test that suits the columns: all with few values, all with many, or both kinds."""
    few = [
        name
        for name, values in columns.items()
        if values.dtype.kind not in "iuf" or len(np.unique(values)) <= _FEW_VALUES
    ]
    if not few:
        return PolynomialGCM()
    if len(few) == len(columns):
        return GSquare()
    return DegenerateGaussian(types=dict.fromkeys(few, "categorical"))
