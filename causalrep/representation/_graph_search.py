"""The graph of an image model: given, or found in its labels."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from causalrep.graphs import DAG, PDAG
from causalrep.representation._labels import as_dag
from causalrep.utils import DataError, columns_of, frame_like

__all__ = ["graph_of"]


def graph_of(graph: Any, labels: Any, n_images: int) -> DAG:
    """Return the graph that is given, or that an estimator finds in the completely labelled rows.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str, estimator or None
        A graph; or anything with ``fit(frame)`` and then ``graph_``, a DAG or a PDAG. None stands for the
        PC algorithm with the rule for colliders that decides every triple.
    labels : data frame
        The labels.
    n_images : int
        Number of rows that there must be.

    Warns
    -----
    UserWarning
        If the data leave directions open: they are chosen, and named.

    Raises
    ------
    DataError
        If no row is labelled completely, or what was found is no such graph.
    """
    if graph is not None and not hasattr(graph, "fit"):
        return as_dag(graph)
    if graph is None:
        from causalrep.discovery import PC

        graph = PC(collider_rule="max_p")  # a triple left open may have no extension
    columns = columns_of(labels, what="labels")
    matrix = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
    complete = matrix[np.isfinite(matrix).all(axis=1)]
    if len(matrix) != n_images or len(complete) < 2:
        raise DataError(
            f"a graph can only be found in completely labelled rows, got {len(complete)} of {len(matrix)} "
            f"for {n_images} images"
        )
    found = graph.fit(frame_like({name: complete[:, i] for i, name in enumerate(columns)})).graph_
    return as_dag(found if isinstance(found, DAG) else _directed(found))


def _directed(graph: Any) -> DAG:
    """Return a DAG of the class that a partially directed graph stands for; the same one every time."""
    if not isinstance(graph, PDAG):
        raise DataError(
            f"the labels' graph must be a DAG or a PDAG, got a {type(graph).__name__}; an algorithm that "
            "finds latent common causes cannot give the graph of an image model"
        )
    undirected = graph.undirected_edges
    dag = graph.consistent_extension()
    if undirected:
        chosen = [edge for edge in dag.directed_edges if edge not in graph.directed_edges]
        warnings.warn(
            "the labels do not tell the direction of "
            + ", ".join(f"{u} -- {v}" for u, v in undirected)
            + "; taken as "
            + ", ".join(f"{u} -> {v}" for u, v in chosen),
            UserWarning,
            stacklevel=4,
        )
    return dag
