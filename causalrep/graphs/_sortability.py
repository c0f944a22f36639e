"""How far a number per node gives away the order of a DAG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["path_sortability"]


def path_sortability(adjacency: NDArray[np.bool_], values: NDArray[np.float64]) -> float:
    """Return the share of directed paths along which a value grows; equal values count half.

    Parameters
    ----------
    adjacency : array of shape (d, d), bool
        Of a DAG.
    values : array of shape (d,)
        One for each node; those that differ by less than a part in 10^9 are equal.

    Returns
    -------
    float
    """
    tolerance = 1e-9 * np.maximum(np.abs(values[:, None]), np.abs(values))
    difference = values - values[:, None]
    grows = np.where(np.abs(difference) <= tolerance, 0.5, (difference > 0.0).astype(np.float64))
    reached, n_paths, n_grow = adjacency, 0, 0.0
    while reached.any():
        n_paths += int(reached.sum())
        n_grow += float(grows[reached].sum())
        reached = (reached.astype(np.float64) @ adjacency) > 0.0
    return n_grow / n_paths if n_paths else float("nan")
