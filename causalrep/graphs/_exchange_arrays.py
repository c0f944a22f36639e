"""A graph as a matrix, and as a graph of another library."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causalrep.graphs import _convert
from causalrep.graphs._drafted import Drafted

__all__ = ["ArrayForms"]


class ArrayForms(Drafted):
    """The matrices and foreign graphs that a graph is read from and returned as."""

    @classmethod
    def from_networkx(cls, graph: Any) -> Self:
        """Return the graph with the nodes and edges of a networkx graph; attributes are dropped.

        Parameters
        ----------
        graph : networkx.DiGraph or networkx.Graph
            An edge of a ``DiGraph`` is directed, or undirected if the opposite edge is there too and
            this graph type has undirected edges; the edges of a ``Graph`` are undirected.

        Returns
        -------
        Graph
            Of this class, with the nodes in the same order.

        Examples
        --------
        >>> import networkx as nx
        >>> from causalrep.graphs import DAG
        >>> DAG.from_networkx(nx.DiGraph([("X", "Y")]))
        DAG.from_string('X -> Y')
        """
        edges, nodes = _convert.edges_of_networkx(graph, cls._kinds)
        return cls._from_edges(edges, nodes)

    def to_networkx(self) -> Any:
        """Return the graph as a `networkx.DiGraph`; an undirected edge becomes two opposite ones.

        Returns
        -------
        networkx.DiGraph
            With the nodes in the same order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> list(DAG.from_string("X -> Y").to_networkx().edges)
        [('X', 'Y')]
        """
        return _convert.to_networkx(self._nodes, self._store)

    @classmethod
    def from_adjacency(
        cls,
        adjacency: ArrayLike,
        names: Sequence[Hashable] | None = None,
        *,
        direction: str = "row_to_col",
    ) -> Self:
        """Return the graph with a given adjacency matrix: ``A[i, j] = 1`` is the edge i -> j.

        Parameters
        ----------
        adjacency : array-like or sparse array of shape (n_nodes, n_nodes)
            Zeros and ones. ``A[i, j] = A[j, i] = 1`` is an undirected edge, where the type has them.
        names : sequence of hashable, default=None
            The nodes; by default 0, 1, 2, ...
        direction : {"row_to_col", "col_to_row"}, default="row_to_col"
            With "col_to_row", ``A[i, j] = 1`` is the edge j -> i.

        Returns
        -------
        Graph
            Of this class.

        Raises
        ------
        GraphError
            If the matrix is not square, does not fit the names, has entries other than 0 and 1, or
            is not the matrix of a graph of this type.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_adjacency([[0, 1], [0, 0]], ["X", "Y"])
        DAG.from_string('X -> Y')
        """
        edges, nodes = _convert.edges_of_adjacency(adjacency, names, direction, cls._kinds)
        return cls._from_edges(edges, nodes)

    def to_adjacency(self, *, direction: str = "row_to_col") -> NDArray[np.int8]:
        """Return the adjacency matrix: ``A[i, j] = 1`` is the edge i -> j.

        Parameters
        ----------
        direction : {"row_to_col", "col_to_row"}, default="row_to_col"
            With "col_to_row", ``A[i, j] = 1`` is the edge j -> i.

        Returns
        -------
        ndarray of shape (n_nodes, n_nodes), int8
            Rows and columns in node order; an undirected edge is a one in both places.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_adjacency()
        array([[0, 1],
               [0, 0]], dtype=int8)
        """
        return _convert.to_adjacency(self._store, direction)
