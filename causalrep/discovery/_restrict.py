"""Which pairs a search may join: what a screen before it has left."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import Graph
from causalrep.utils import DataError, is_frame

__all__ = ["allowed_pairs"]


def allowed_pairs(
    restrict: Any, names: Sequence[Hashable], shown: Sequence[Hashable]
) -> NDArray[np.bool_] | None:
    """Return which pairs may be adjacent, a symmetric array of shape (d, d), or None for all.

    Parameters
    ----------
    restrict : Graph, frame or array of shape (d, d), bool, or None
        A graph allows the pairs that are adjacent in it. A frame is read by its names, an array in the order
        of the columns; an entry at (i, j) or (j, i) allows the pair.
    names : sequence of hashable
        The order of the answer.
    shown : sequence of hashable
        The order of the columns.

    Raises
    ------
    DataError
        If it is none of these, or is not about the columns.
    """
    if restrict is None:
        return None
    matrix: NDArray[Any]
    if isinstance(restrict, Graph):
        labels = restrict.nodes
        place = {node: k for k, node in enumerate(labels)}
        matrix = np.zeros((len(labels), len(labels)), dtype=bool)
        for node in labels:
            matrix[place[node], [place[other] for other in restrict.adjacent(node)]] = True
    elif is_frame(restrict) and hasattr(restrict, "index"):
        labels, matrix = tuple(restrict.columns), restrict.to_numpy()
        if tuple(restrict.index) != labels:
            raise DataError("`restrict` must have the same names as rows and columns, in the same order")
    else:
        labels, matrix = tuple(shown), np.asarray(restrict)
    if set(labels) != set(names) or len(labels) != len(names):
        raise DataError(f"`restrict` must be about the columns {list(shown)[:10]}, got {list(labels)[:10]}")
    if matrix.dtype != bool or matrix.shape != (len(labels), len(labels)):
        raise DataError(
            f"`restrict` must be a Graph, or booleans of shape ({len(names)}, {len(names)}), "
            f"got {matrix.dtype} of shape {matrix.shape}"
        )
    order = [labels.index(name) for name in names]
    allowed: NDArray[np.bool_] = (matrix | matrix.T)[np.ix_(order, order)]
    np.fill_diagonal(allowed, True)  # says nothing, and rules nothing out
    return allowed
