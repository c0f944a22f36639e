"""What a score of graphs answers, so that a search can ask it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import DAG, PDAG
from causalrep.independence._arrays import canonical_order
from causalrep.utils import DataError, UnknownNameError

__all__ = ["LocalScore", "checked_penalty"]


class LocalScore(ABC):
    """A score that is a sum of terms, each about a node of a DAG and its parents; larger is better.

    A subclass fits itself to data and scores one node. `GES` supposes that equivalent DAGs get the same sum.
    Searches number the variables in canonical order (numbers by value, then text), which does not depend on
    the order of the columns.

    Attributes
    ----------
    names_ : tuple of hashable
        The variables, in the order of the columns.
    n_samples_ : int
        Number of rows.
    """

    names_: tuple[Hashable, ...]
    n_samples_: int

    @abstractmethod
    def fit(self, X: Any) -> Self:
        """Take what is needed from the data.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The data; never changed.

        Returns
        -------
        LocalScore
            The score itself.
        """

    @abstractmethod
    def local(self, node: int, parents: Sequence[int]) -> float:
        """Return the term of a node.

        Parameters
        ----------
        node : int
            Position in canonical order.
        parents : sequence of int
            Positions in canonical order, rising.

        Returns
        -------
        float
        """

    def gains(self, node: int, parents: Sequence[int], candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what the term of a node gains by one more parent, for each of some candidates.

        Parameters
        ----------
        node : int
            Position in canonical order.
        parents : sequence of int
            Positions in canonical order, rising.
        candidates : array of shape (m,), int
            Positions of neither the node nor its parents.

        Returns
        -------
        array of shape (m,), float
            -inf where the data are too few to tell.
        """
        before = self.local(node, parents)
        after = [self.local(node, sorted([*parents, one])) for one in candidates.tolist()]
        return np.array(after, dtype=np.float64) - before

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` has seen data."""
        return hasattr(self, "names_")

    def total(self, graph: DAG | PDAG) -> float:
        """Return the score of a graph: the sum over its nodes.

        Parameters
        ----------
        graph : DAG or PDAG
            On the variables of the data. Of a graph with undirected edges, a DAG that it stands for is
            scored.

        Returns
        -------
        float

        Raises
        ------
        DataError
            If the score is not fitted, or the graph is not about its variables.
        GraphError
            If no DAG agrees with the graph.
        """
        if not self.is_fitted:
            raise DataError(f"this {type(self).__name__} is not fitted; call `fit` first")
        dag = graph if isinstance(graph, DAG) else graph.consistent_extension()
        names = self.canonical_names
        place = {name: k for k, name in enumerate(names)}
        for node in dag.nodes:
            if node not in place:
                raise UnknownNameError(node, names, what="the graph")
        if len(dag.nodes) != len(names):
            raise DataError(f"`graph` has {len(dag.nodes)} nodes, but the data have {len(names)} variables")
        return sum(self.local(place[v], sorted(place[p] for p in dag.parents(v))) for v in names)

    @property
    def canonical_names(self) -> tuple[Hashable, ...]:
        """The variables in canonical order."""
        return tuple(self.names_[k] for k in canonical_order(self.names_))


def checked_penalty(value: Any, what: str) -> float:
    """Return a positive finite number, or raise."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0.0 < float(value) < np.inf:
        raise DataError(f"`{what}` must be a positive number, got {value!r}")
    return float(value)
