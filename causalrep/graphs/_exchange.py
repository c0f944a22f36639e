"""The ways of a graph into text, matrices and other libraries, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causalrep.graphs import _convert, _dot, _dsl, _json
from causalrep.graphs._store import EdgeStore

__all__ = ["Exchangeable"]


class Exchangeable(ABC):
    """The half of a graph that reads and writes; every graph type can do all of it."""

    #: How the edges of this type may be written; see ``_store.MARKS``.
    _kinds: ClassVar[tuple[str, ...]] = ()

    _nodes: tuple[Hashable, ...]
    _store: EdgeStore

    @classmethod
    @abstractmethod
    def _from_edges(
        cls, edges: Iterable[tuple[Hashable, str, Hashable]], nodes: Iterable[Hashable] | None
    ) -> Self:
        """Return a checked graph of edges (left, kind, right)."""

    # Text and files

    @classmethod
    def from_string(cls, text: str) -> Self:
        r"""Return the graph that a line of text describes.

        Statements are separated by ``;`` or line breaks and may be chains. A node is a word, an
        integer (the label is then an ``int``), or anything in quotes (backslash escapes); a node
        alone is a statement; braces group nodes; ``#`` begins a comment. Edges are ``->``, ``<-``
        and, where the graph type has them, ``--``, ``<->``, ``o->``, ``<-o``, ``o-o``, ``o--``, ``--o``.

        Parameters
        ----------
        text : str
            For example ``"Z -> X -> M -> Y; Z -> Y"``.

        Returns
        -------
        Graph
            Of this class; its nodes in the order of first appearance.

        Raises
        ------
        ParseError
            With line and column, where the text is not of this form or has an edge that this graph
            type has not.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string('{Z "blood pressure"} -> Y <- X')
        >>> g.parents("Y")
        NodeSet(['Z', 'blood pressure', 'X'])
        """
        edges, nodes = _dsl.parse(text, cls._kinds, cls.__name__)
        return cls._from_edges(edges, nodes)

    def to_string(self) -> str:
        """Return the text from which `from_string` builds this graph again, node order included.

        Returns
        -------
        str
            One statement per edge, in node order.

        Raises
        ------
        GraphError
            If a label is neither a string nor an integer; `to_json` also writes tuples.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG([("X", "Y"), ("Z", "X")], nodes=["X", "Y", "Z", "a b"]).to_string()
        'X -> Y; Z -> X; "a b"'
        """
        return _dsl.write(self._nodes, self._store.written())

    @classmethod
    def from_dot(cls, text: str) -> Self:
        """Return the graph that a text in the DOT language of Graphviz describes.

        The text is read by a small parser of our own and never evaluated. Chains, groups,
        subgraphs, comments and the edge attributes ``dir``, ``arrowhead`` and ``arrowtail`` count;
        all other attributes are skipped. A node written as a bare integer gets an ``int`` label.

        Parameters
        ----------
        text : str
            A ``digraph`` or a ``graph``.

        Returns
        -------
        Graph
            Of this class; its nodes in the order of first appearance.

        Raises
        ------
        ParseError
            With line and column.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_dot('digraph { node [shape=box]; X -> Y [label="a"]; Z -> {X Y} }')
        DAG.from_string('X -> Y; Z -> X; Z -> Y')
        """
        edges, nodes = _dot.parse(text, cls._kinds, cls.__name__)
        return cls._from_edges(edges, nodes)

    def to_dot(self) -> str:
        """Return the graph in the DOT language, for Graphviz or `from_dot`.

        Returns
        -------
        str
            Several lines; nodes in order, then edges in node order.

        Raises
        ------
        GraphError
            If a label is neither a string nor an integer.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> print(DAG.from_string("X -> Y").to_dot())
        digraph {
          "X";
          "Y";
          "X" -> "Y";
        }
        """
        return _dot.write(self._nodes, self._store.written())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the graph that `to_json` wrote.

        Parameters
        ----------
        text : str
            JSON.

        Returns
        -------
        Graph
            Of this class.

        Raises
        ------
        ParseError
            If the text is not JSON.
        GraphError
            If the JSON is not a graph of this class.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG([(("X", -1), ("X", 0))])
        >>> DAG.from_json(g.to_json()) == g
        True
        """
        edges, nodes = _json.parse(text, cls._kinds, cls.__name__)
        return cls._from_edges(edges, nodes)

    def to_json(self) -> str:
        """Return the graph as JSON, exactly: labels, node order, marks.

        Returns
        -------
        str
            One object with ``type``, ``nodes`` and ``edges``, each edge as ``[left, kind, right]``.

        Raises
        ------
        GraphError
            If a label is not a string, number, boolean, ``None`` or a tuple of such.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_json()
        '{"type": "DAG", "nodes": ["X", "Y"], "edges": [["X", "->", "Y"]]}'
        """
        return _json.write(type(self).__name__, self._nodes, self._store.written())

    # Other libraries' graphs

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
