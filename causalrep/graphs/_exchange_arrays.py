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
        """Return the graph with the nodes and edges of a networkx graph.

        Attributes that are texts, numbers, truth values or tuples are carried along, a node with
        ``latent=True`` becomes latent where this type has such, and all other objects are dropped.

        Parameters
        ----------
        graph : networkx.DiGraph, MultiDiGraph or Graph, or a pair (DiGraph, Graph)
            The attribute ``kind`` of an edge, such as ``"<->"``, says its marks. Without it an edge of a
            directed graph is directed, or undirected if the opposite edge is there too and this graph
            type has undirected edges; the edges of a ``Graph`` are undirected, those of the ``Graph`` in
            a pair bidirected.

        Returns
        -------
        Graph
            Of this class, with the nodes in the same order.

        Raises
        ------
        GraphError
            If the edges are not those of a graph of this type.

        Examples
        --------
        >>> import networkx as nx
        >>> from causalrep.graphs import ADMG, DAG
        >>> DAG.from_networkx(nx.DiGraph([("X", "Y")]))
        DAG.from_string('X -> Y')
        >>> ADMG.from_networkx((nx.DiGraph([("X", "M"), ("M", "Y")]), nx.Graph([("X", "Y")])))
        ADMG.from_string('X -> M; X <-> Y; M -> Y')
        """
        return cls._from_draft(_convert.draft_of_networkx(graph, cls._kinds, cls.__name__))

    def to_networkx(self) -> Any:
        """Return the graph as one of networkx, with its attributes.

        Returns
        -------
        networkx.DiGraph or networkx.MultiDiGraph
            With the nodes in the same order. For the types whose edges are directed or undirected a
            ``DiGraph``, in which an undirected edge is two opposite ones; for the others a
            ``MultiDiGraph``, in which the attribute ``kind`` of each edge says its marks.

        Examples
        --------
        >>> from causalrep.graphs import ADMG, DAG
        >>> list(DAG.from_string("X -> Y").to_networkx().edges)
        [('X', 'Y')]
        >>> list(ADMG.from_string("X -> Y; X <-> Y").to_networkx().edges(data="kind"))
        [('X', 'Y', '->'), ('X', 'Y', '<->')]
        """
        return _convert.to_networkx(self._draft(), has_marks="<->" in self._kinds)

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

        Raises
        ------
        GraphError
            If an edge is neither directed nor undirected.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_adjacency()
        array([[0, 1],
               [0, 0]], dtype=int8)
        """
        return _convert.to_adjacency(self._store, direction)

    @classmethod
    def from_causallearn(cls, graph: Any, names: Sequence[Hashable] | None = None) -> Self:
        """Return the graph that causal-learn holds in a matrix of marks.

        Parameters
        ----------
        graph : causallearn.graph.GeneralGraph or array-like of shape (n_nodes, n_nodes)
            A graph, or the matrix of one: ``[i, j]`` is the mark at *i* of the edge i–j, -1 a tail, 1 an
            arrow, 2 a circle. So i -> j is ``[i, j] = -1`` and ``[j, i] = 1``.
        names : sequence of hashable, default=None
            The nodes; by default the names in the graph, or 0, 1, 2, ...

        Returns
        -------
        Graph
            Of this class.

        Raises
        ------
        GraphError
            If the matrix has other entries, or is not that of a graph of this type.

        Examples
        --------
        >>> from causalrep.graphs import PAG
        >>> PAG.from_causallearn([[0, 2], [1, 0]], ["X", "Y"])
        PAG.from_string('X o-> Y')
        """
        return cls._from_draft(_convert.draft_of_causallearn(graph, names, cls._kinds, cls.__name__))

    def to_causallearn(self) -> NDArray[np.int8]:
        """Return causal-learn's matrix of the graph.

        Returns
        -------
        ndarray of shape (n_nodes, n_nodes), int8
            The mark at *i* of the edge i–j at ``[i, j]``; see `from_causallearn`. Where two nodes are
            joined by i -> j and i <-> j, it holds 4 at ``[i, j]`` and 5 at ``[j, i]``.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_causallearn()
        array([[ 0, -1],
               [ 1,  0]], dtype=int8)
        """
        return _convert.to_causallearn(self._store)

    @classmethod
    def from_pcalg(cls, amat: ArrayLike, names: Sequence[Hashable] | None = None) -> Self:
        """Return the graph that pcalg holds in an adjacency matrix.

        pcalg has two codes: ``amat.cpdag`` for graphs with directed and undirected edges, ``amat.pag``
        for graphs with bidirected ones. This type decides: a `DAG`, a `PDAG` and its kinds are read by
        the first, an `ADMG`, a `MAG` and a `PAG` by the second.

        Parameters
        ----------
        amat : array-like of shape (n_nodes, n_nodes)
            ``amat.cpdag``: ``[i, j] = 1`` and ``[j, i] = 0`` is the edge j -> i, two ones an undirected
            edge. ``amat.pag``: ``[i, j]`` is the mark at *j* of the edge i–j, 1 a circle, 2 an arrow, 3 a
            tail.
        names : sequence of hashable, default=None
            The nodes; by default 0, 1, 2, ...

        Returns
        -------
        Graph
            Of this class.

        Raises
        ------
        GraphError
            If the matrix has other entries, or is not that of a graph of this type.

        References
        ----------
        .. [1] M. Kalisch, M. Maechler, D. Colombo, M. H. Maathuis, P. Buehlmann, "Causal inference using
           graphical models with the R package pcalg", Journal of Statistical Software 47, 2012,
           doi:10.18637/jss.v047.i11.

        Examples
        --------
        >>> from causalrep.graphs import DAG, PAG
        >>> DAG.from_pcalg([[0, 0], [1, 0]], ["X", "Y"])
        DAG.from_string('X -> Y')
        >>> PAG.from_pcalg([[0, 2], [1, 0]], ["X", "Y"])
        PAG.from_string('X o-> Y')
        """
        if "<->" not in cls._kinds:
            return cls.from_adjacency(amat, names, direction="col_to_row")
        return cls._from_draft(_convert.draft_of_pcalg(amat, names, cls._kinds, cls.__name__))

    def to_pcalg(self) -> NDArray[np.int8]:
        """Return pcalg's matrix of the graph, in the code of its type; see `from_pcalg`.

        Returns
        -------
        ndarray of shape (n_nodes, n_nodes), int8
            An ``amat.cpdag`` or an ``amat.pag``.

        Raises
        ------
        GraphError
            If two edges join the same two nodes.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_pcalg()
        array([[0, 0],
               [1, 0]], dtype=int8)
        """
        if "<->" not in self._kinds:
            return self.to_adjacency(direction="col_to_row")
        return _convert.to_pcalg(self._store, self._nodes)
