"""A covariance matrix at the door: of an array in node order, or of a frame by its labels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, UnknownNameError

__all__ = ["partial_covariance", "read_covariance", "slopes"]


def read_covariance(covariance: Any, nodes: Sequence[Hashable]) -> NDArray[np.float64]:
    """Return the covariance matrix of the nodes in their order.

    Parameters
    ----------
    covariance : array of shape (n_nodes, n_nodes), or data frame with a row and a column per node
        An array must be in the order of the nodes; a frame may have more columns.
    nodes : sequence of hashable
        The nodes.

    Returns
    -------
    array of shape (n_nodes, n_nodes)
        A symmetric matrix of floats.

    Raises
    ------
    DataError
        If the shape is another, a value is not finite, or the matrix is not symmetric.
    UnknownNameError
        If a frame lacks a node.
    """
    if hasattr(covariance, "columns"):
        known = list(covariance.columns)
        position = {name: i for i, name in enumerate(known)}
        for node in nodes:
            if node not in position:
                raise UnknownNameError(node, known, what="the graph")
        order = [position[node] for node in nodes]
        matrix = np.asarray(covariance, dtype=np.float64)
        if matrix.shape != (len(known), len(known)):
            raise DataError(f"`covariance` must be square, got the shape {matrix.shape}")
        matrix = matrix[np.ix_(order, order)]
    else:
        matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (len(nodes), len(nodes)):
        raise DataError(f"`covariance` must have the shape {(len(nodes),) * 2}, got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise DataError("`covariance` must be finite, got NaN or infinity")
    # Rounding in an estimate is far below this; a matrix of coefficients or of data is far above.
    scale = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)).clip(0))
    if (np.abs(matrix - matrix.T) > 1e-6 * scale).any() or (np.diag(matrix) <= 0).any():
        raise DataError("`covariance` must be symmetric with a positive diagonal")
    return matrix


def slopes(matrix: NDArray[np.float64], target: int, regressors: Sequence[int]) -> NDArray[np.float64]:
    """Return the least-squares coefficients of the target on the regressors, in their order."""
    rows = list(regressors)
    return np.asarray(np.linalg.solve(matrix[np.ix_(rows, rows)], matrix[rows, target]), dtype=np.float64)


def partial_covariance(matrix: NDArray[np.float64], given: Sequence[int]) -> NDArray[np.float64]:
    """Return the covariance matrix of what is left of all nodes after regression on the given ones."""
    rows = list(given)
    if not rows:
        return matrix.copy()
    fitted = np.linalg.solve(matrix[np.ix_(rows, rows)], matrix[rows])
    return np.asarray(matrix - matrix[:, rows] @ fitted, dtype=np.float64)
