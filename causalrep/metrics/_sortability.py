"""How far the variances of a table give away the causal order of its columns."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import DAG
from causalrep.graphs._sortability import path_sortability
from causalrep.utils import DataError, columns_of

__all__ = ["r2_sortability", "varsortability"]


def varsortability(graph: DAG, X: Any) -> float:
    """Return the share of directed paths along which the variance grows.

    In models with weights of similar size each effect adds the variance of its causes to its own noise, so
    that sorting by variance nearly sorts by cause. Searches that depend on units, such as NOTEARS, then find
    the order of the variances. Real data have the units that someone chose: there the share is about a half,
    by chance.

    Parameters
    ----------
    graph : DAG
        The true graph, or one that was found.
    X : data frame, mapping, or array of shape (n_samples, n_nodes)
        The data; columns of an array are in the order of the nodes.

    Returns
    -------
    float
        In [0, 1]; 1 where every effect varies more than its causes, 0.5 after standardising, NaN without
        edges.

    Raises
    ------
    DataError
        If a node is not a column, or a column is not of finite numbers.

    Notes
    -----
    Pairs of nodes count once for every length of a directed path between them.

    References
    ----------
    .. [1] A. G. Reisach, C. Seiler, S. Weichwald, "Beware of the simulated DAG! Causal discovery benchmarks
       may be easy to game", NeurIPS 2021, arXiv:2102.13647.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import varsortability
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=1000)
    >>> table = {"x": x, "y": x + rng.normal(size=1000)}
    >>> varsortability(DAG.from_string("x -> y"), table), varsortability(DAG.from_string("y -> x"), table)
    (1.0, 0.0)
    """
    return path_sortability(graph.to_adjacency() != 0, _columns(graph, X).var(axis=0))


def r2_sortability(graph: DAG, X: Any) -> float:
    """Return the share of directed paths along which the predictability from all other columns grows.

    Unlike `varsortability` it does not depend on units, so that standardising does not hide it.

    Parameters
    ----------
    graph : DAG
        The true graph, or one that was found.
    X : data frame, mapping, or array of shape (n_samples, n_nodes)
        The data; columns of an array are in the order of the nodes.

    Returns
    -------
    float
        In [0, 1]; NaN without edges.

    Raises
    ------
    DataError
        If a node is not a column, a column is not of finite numbers, or columns are linear functions of
        others.

    References
    ----------
    .. [1] A. G. Reisach, M. Tami, C. Seiler, A. Chambaz, S. Weichwald, "A scale-invariant sorting criterion
       to find a causal order in additive noise models", NeurIPS 2023, arXiv:2303.18211.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import r2_sortability
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 1000))
    >>> r2_sortability(DAG.from_string("x -> c <- y"), {"x": x, "y": y, "c": x + y})
    Traceback (most recent call last):
    ...
    causalrep.utils._errors.DataError: columns are linear functions of others: their R2 is 1 throughout
    >>> r2_sortability(DAG.from_string("x -> c <- y"), {"x": x, "y": y, "c": x + y + rng.normal(size=1000)})
    1.0
    """
    values = _columns(graph, X)
    R = np.atleast_2d(np.corrcoef(values.T))
    if np.linalg.matrix_rank(R, hermitian=True) < len(R):
        raise DataError("columns are linear functions of others: their R2 is 1 throughout")
    return path_sortability(graph.to_adjacency() != 0, 1.0 - 1.0 / np.diag(np.linalg.inv(R)))


def _columns(graph: DAG, X: Any) -> NDArray[np.float64]:
    """Return the columns in the order of the nodes."""
    columns: dict[Hashable, NDArray[Any]] = dict(columns_of(X, what="X"))
    names = tuple(columns)
    if set(names) == set(range(len(names))) and len(names) == len(graph.nodes):  # an array
        columns = dict(zip(graph.nodes, columns.values(), strict=True))
    missing = [node for node in graph.nodes if node not in columns]
    if missing:
        raise DataError(f"`X` has no column {missing[0]!r}; its columns are {list(names)[:10]}")
    values = np.column_stack([columns[node] for node in graph.nodes]).astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError("`X` must be finite, got missing values (NaN) or infinity (inf)")
    return values
