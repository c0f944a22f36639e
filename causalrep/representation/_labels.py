"""Labels at the door: a frame whose columns are the nodes of a graph, NaN where unlabelled."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalrep.graphs import DAG
from causalrep.utils import DataError, UnknownNameError, columns_of, suggestion

__all__ = ["as_dag", "do_values", "label_matrix"]


def as_dag(graph: Any) -> DAG:
    """Return `graph` as a DAG on the labels, or say what is wrong with it."""
    if graph is None:
        raise TypeError("`graph` must be a DAG on the label columns, got None")
    if isinstance(graph, str):
        graph = DAG.from_string(graph)
    dag = graph if isinstance(graph, DAG) else DAG(graph)
    if "image" in dag.nodes:
        raise DataError("`graph` must hold the labels only, got a node called 'image'")
    if len(dag.nodes) == 0:
        raise DataError("`graph` must have at least one node, got an empty graph")
    return dag


def label_matrix(labels: Any, graph: DAG, n_images: int) -> NDArray[np.float64]:
    """Return labels as an array of shape (n_images, n_nodes) in the order of the graph's nodes.

    Missing values are allowed: a row or a single value that is NaN is unlabelled.

    Raises
    ------
    DataError
        If columns and nodes differ, lengths differ, values are not numbers, or a column is
        constant or has fewer than two values.
    """
    columns = columns_of(labels, what="labels")
    missing = [node for node in graph.nodes if node not in columns]
    surplus = [name for name in columns if name not in graph.nodes]
    if missing or surplus:
        parts = []
        if missing:
            parts.append(
                "no column for " + ", ".join(f"node {node!r}{suggestion(node, surplus)}" for node in missing)
            )
        if surplus:
            parts.append(f"no node for {', '.join(f'column {name!r}' for name in surplus)}")
        raise DataError(f"the columns of `labels` must be the nodes of `graph`: {'; '.join(parts)}")
    matrix = np.empty((n_images, len(graph.nodes)))
    for j, node in enumerate(graph.nodes):
        values = columns[node]
        if len(values) != n_images:
            raise DataError(f"`labels` must have one row per image, got {len(values)} for {n_images} images")
        try:
            matrix[:, j] = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(f"`labels` must be numbers, column {node!r} is of type {values.dtype}") from None
        known = matrix[:, j][~np.isnan(matrix[:, j])]
        if not np.isfinite(known).all():
            raise DataError(f"`labels` must be finite or NaN, column {node!r} holds an infinity")
        if len(np.unique(known[:1000])) < 2 and len(np.unique(known)) < 2:
            raise DataError(
                f"every column of `labels` must vary, column {node!r} has {len(np.unique(known))} "
                f"distinct value(s) in {len(known)} labelled row(s)"
            )
    return matrix


def do_values(
    do: Mapping[Hashable, Any], graph: DAG, n_rows: int, *, what: str = "`do`"
) -> dict[Hashable, Tensor]:
    """Return the values of an intervention as float64 tensors of shape (n_rows,), checked.

    Raises
    ------
    UnknownNameError
        For a node that the graph does not have.
    DataError
        For values that are not numbers, not finite, or of another length.
    """
    result: dict[Hashable, Tensor] = {}
    for node, given in do.items():
        if node not in graph.nodes:
            raise UnknownNameError(node, graph.nodes, what=what)
        try:
            values = torch.from_numpy(np.array(given, dtype=np.float64))
        except (TypeError, ValueError):
            raise DataError(
                f"{what} of {node!r} must be a number or an array of numbers, got {type(given).__name__}"
            ) from None
        if values.ndim > 1 or (values.ndim == 1 and len(values) != n_rows):
            raise DataError(
                f"{what} of {node!r} must be one number or one per image ({n_rows}), "
                f"got shape {tuple(values.shape)}"
            )
        if not torch.isfinite(values).all():
            raise DataError(
                f"{what} of {node!r} must be finite, got {values[~torch.isfinite(values)][0].item()}"
            )
        result[node] = values.expand(n_rows)
    return result
