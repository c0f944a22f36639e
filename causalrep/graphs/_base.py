"""What all graph types have in common: labels at the door, integers inside, values that never change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Sequence, Set
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causalrep.graphs import _convert, _dot, _dsl, _json
from causalrep.graphs._node_set import NodeSet, in_order
from causalrep.graphs._store import ARROW, CIRCLE, MARKS, TAIL, EdgeStore, flags
from causalrep.utils import CycleError, GraphError, UnknownNameError

__all__ = ["Graph", "pairs_of"]

_MARK_NAMES = {CIRCLE: "circle", ARROW: "arrow", TAIL: "tail"}


class Graph(ABC):
    """Base of the graph types: labelled nodes joined by edges with a mark at each end; immutable.

    Nodes may be any hashable. Results come in node order, which is the order of the `nodes`
    argument or else of first appearance; nothing depends on Python's hash seed.

    Two graphs are equal, and hash alike, iff they have the same *set* of nodes and the same edges
    with the same marks; neither the order of the nodes nor the class counts, so that a `PDAG` with
    the edges of a `CPDAG` equals it.
    """

    #: How the edges of this type may be written; see ``_store.MARKS``.
    _kinds: ClassVar[tuple[str, ...]] = ()
    #: Whether two nodes are joined by at most one edge.
    _simple: ClassVar[bool] = True

    _nodes: tuple[Hashable, ...]
    _index: dict[Hashable, int]
    _store: EdgeStore
    _hash: int | None

    def _set(self, nodes: tuple[Hashable, ...], store: EdgeStore) -> None:
        self._nodes = nodes
        self._index = {node: i for i, node in enumerate(nodes)}
        self._store = store
        self._hash = None

    def _fill(
        self, edges: Iterable[tuple[Hashable, str, Hashable]], nodes: Iterable[Hashable] | None
    ) -> None:
        """Build this graph from (left, kind, right) and check the invariants of its type."""
        edges = list(edges)
        if nodes is None:
            labels = tuple(dict.fromkeys(node for u, _, v in edges for node in (u, v)))
        else:
            labels = tuple(in_order(nodes))
        self._set(labels, EdgeStore(0, [], [], [], []))
        if len(self._index) < len(labels):
            repeated = next(node for i, node in enumerate(labels) if self._index[node] != i)
            raise GraphError(f"`nodes` must not repeat a node, got {repeated!r} twice")
        self._store = self._store_of(edges)
        self._check()

    def _store_of(self, edges: list[tuple[Hashable, str, Hashable]]) -> EdgeStore:
        seen: dict[tuple[int, ...], tuple[Hashable, str, Hashable]] = {}
        columns: tuple[list[int], ...] = ([], [], [], [])
        for u, kind, v in edges:
            i, j = self._id(u, "an edge"), self._id(v, "an edge")
            if i == j:
                raise GraphError(f"an edge must join two nodes, got the self-loop {u!r} {kind} {v!r}")
            mark_u, mark_v = MARKS[kind]
            ends, marks = ((i, j), (mark_u, mark_v)) if i < j else ((j, i), (mark_v, mark_u))
            key = ends if self._simple else ends + marks
            if key in seen:
                raise _parallel_error(type(self).__name__, seen[key], (u, kind, v))
            seen[key] = (u, kind, v)
            for column, value in zip(columns, (*ends, *marks), strict=True):
                column.append(value)
        return EdgeStore(len(self._nodes), *columns)

    @abstractmethod
    def _check(self) -> None:
        """Raise the error that names the violated invariant of the type."""

    @classmethod
    def _build(cls, nodes: tuple[Hashable, ...], store: EdgeStore) -> Self:
        """Return a graph of parts that are known to satisfy the invariants."""
        graph = cls.__new__(cls)
        graph._set(nodes, store)
        return graph

    @classmethod
    def _from_edges(
        cls, edges: Iterable[tuple[Hashable, str, Hashable]], nodes: Iterable[Hashable] | None
    ) -> Self:
        graph = cls.__new__(cls)
        graph._fill(edges, nodes)
        return graph

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._nodes, self._store)

    # Labels at the door

    def _id(self, node: Hashable, argument: str) -> int:
        try:
            return self._index[node]
        except KeyError:
            raise UnknownNameError(node, self._nodes, what=argument) from None

    def _ids(self, nodes: Hashable | Iterable[Hashable], argument: str) -> list[int]:
        """Return the sorted indices of one node or of several; a label that is a node is that node."""
        if isinstance(nodes, Hashable) and self._has(nodes):
            return [self._index[nodes]]
        if isinstance(nodes, str) or not isinstance(nodes, Iterable):
            raise UnknownNameError(nodes, self._nodes, what=argument)
        return sorted({self._id(node, argument) for node in nodes})

    def _has(self, node: Hashable) -> bool:
        try:
            return node in self._index
        except TypeError:  # a tuple or frozen set may still hold something unhashable
            return False

    def _labels(self, indices: Iterable[int]) -> NodeSet[Hashable]:
        return NodeSet([self._nodes[i] for i in indices])

    def _label_pairs(self, pairs: Iterable[tuple[int, int]]) -> NodeSet[tuple[Hashable, Hashable]]:
        return NodeSet([(self._nodes[i], self._nodes[j]) for i, j in pairs])

    # A graph as a collection of nodes

    @property
    def nodes(self) -> tuple[Hashable, ...]:
        """The nodes, in order."""
        return self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._nodes)

    def __contains__(self, node: Hashable) -> bool:
        return self._has(node)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        if self._nodes == other._nodes:
            return self._store.same_edges(other._store)
        if self._index.keys() != other._index.keys():
            return False
        position = np.array([self._index[node] for node in other._nodes])
        return self._store.same_edges(other._store.relabelled(position, len(self)))

    def __hash__(self) -> int:
        if self._hash is None:
            edges = (
                frozenset(zip((self._nodes[i], self._nodes[j]), MARKS[kind], strict=True))
                for i, kind, j in self._store.written()
            )
            self._hash = hash((frozenset(self._nodes), frozenset(edges)))
        return self._hash

    def __repr__(self) -> str:
        name, n_edges = type(self).__name__, len(self._store)
        if len(self) + n_edges > 40 or any(type(node) not in (str, int) for node in self._nodes):
            return f"<{name}: {len(self)} nodes, {n_edges} edges>"
        return f"{name}.from_string({self.to_string()!r})"

    # Edges and neighbours

    @property
    def directed_edges(self) -> NodeSet[tuple[Hashable, Hashable]]:
        """The directed edges as pairs (source, target), in node order."""
        return self._label_pairs(self._store.pairs(TAIL, ARROW))

    @property
    def undirected_edges(self) -> NodeSet[tuple[Hashable, Hashable]]:
        """The undirected edges as pairs, each once, with the earlier node first."""
        return self._label_pairs(self._store.pairs(TAIL, TAIL))

    def mark(self, u: Hashable, v: Hashable) -> str | None:
        """Return the mark at `v` of the edge that joins `u` and `v`.

        Parameters
        ----------
        u, v : hashable
            Two nodes.

        Returns
        -------
        {"tail", "arrow", "circle"} or None
            ``None`` where the two are not adjacent.

        Raises
        ------
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("X -> Y; Z")
        >>> g.mark("X", "Y"), g.mark("Y", "X"), g.mark("X", "Z")
        ('arrow', 'tail', None)
        """
        i, j = self._id(u, "`u`"), self._id(v, "`v`")
        store = self._store
        at = np.flatnonzero((store.first == min(i, j)) & (store.second == max(i, j)))
        if not at.size:
            return None
        marks = store.mark_second if i < j else store.mark_first
        return _MARK_NAMES[int(marks[at[0]])]

    def adjacent(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the nodes that any edge joins to `node`.

        Parameters
        ----------
        node : hashable
            A node.

        Returns
        -------
        NodeSet
            In node order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y -> Z").adjacent("Y")
        NodeSet(['X', 'Z'])
        """
        return self._labels(self._store.lists(None, None)[self._id(node, "`node`")])

    def parents(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the nodes with a directed edge into `node`.

        Parameters
        ----------
        node : hashable
            A node.

        Returns
        -------
        NodeSet
            In node order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; Z -> Y").parents("Y")
        NodeSet(['Z', 'X'])
        """
        return self._labels(self._store.lists(ARROW, TAIL)[self._id(node, "`node`")])

    def children(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the nodes that a directed edge out of `node` enters.

        Parameters
        ----------
        node : hashable
            A node.

        Returns
        -------
        NodeSet
            In node order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; Z -> Y").children("Z")
        NodeSet(['X', 'Y'])
        """
        return self._labels(self._store.lists(TAIL, ARROW)[self._id(node, "`node`")])

    def ancestors(self, nodes: Hashable | Iterable[Hashable]) -> NodeSet[Hashable]:
        """Return the nodes from which a directed path leads to a given node, itself excluded.

        Parameters
        ----------
        nodes : hashable or iterable of hashable
            A node, or several: then all their ancestors, except themselves.

        Returns
        -------
        NodeSet
            In node order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; W -> Y").ancestors("Y")
        NodeSet(['Z', 'X', 'W'])
        """
        return self._reach_without(self._ids(nodes, "`nodes`"), self._store.lists(ARROW, TAIL))

    def descendants(self, nodes: Hashable | Iterable[Hashable]) -> NodeSet[Hashable]:
        """Return the nodes to which a directed path leads from a given node, itself excluded.

        Parameters
        ----------
        nodes : hashable or iterable of hashable
            A node, or several: then all their descendants, except themselves.

        Returns
        -------
        NodeSet
            In node order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; W -> Y").descendants("Z")
        NodeSet(['X', 'Y'])
        """
        return self._reach_without(self._ids(nodes, "`nodes`"), self._store.lists(TAIL, ARROW))

    def _reach_without(self, start: list[int], steps: list[list[int]]) -> NodeSet[Hashable]:
        found = closure(start, steps)
        for i in start:
            found[i] = 0
        return self._labels(i for i, reached in enumerate(found) if reached)

    def _induced(self, nodes: Iterable[Hashable]) -> tuple[tuple[Hashable, ...], EdgeStore]:
        keep = self._ids(nodes, "`nodes`")
        position = np.full(len(self), -1)
        position[keep] = np.arange(len(keep))
        return tuple(self._nodes[i] for i in keep), self._store.relabelled(position, len(keep))

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


def _rebuild(cls: type[Graph], nodes: tuple[Hashable, ...], store: EdgeStore) -> Graph:
    return cls._build(nodes, store)


def _parallel_error(
    what: str, old: tuple[Hashable, str, Hashable], new: tuple[Hashable, str, Hashable]
) -> GraphError:
    if {old[1], new[1]} <= {"->", "<-"}:
        source, target = (old[0], old[2]) if old[1] == "->" else (old[2], old[0])
        again = (new[0], new[2]) if new[1] == "->" else (new[2], new[0])
        if again != (source, target):
            return CycleError((source, target))
    one, other = (f"{u!r} {kind} {v!r}" for u, kind, v in (old, new))
    return GraphError(f"two edges of a {what} must not join the same two nodes, got {one} and {other}")


def pairs_of(edges: Iterable[Any], argument: str) -> Iterator[tuple[Hashable, Hashable]]:
    """Yield the edges as pairs, or say which one is none."""
    if isinstance(edges, str):
        raise GraphError(
            f"`{argument}` must be pairs of nodes; a text is read by `from_string`, got {edges!r}"
        )
    for edge in in_order(edges):
        if isinstance(edge, str | Set) or not isinstance(edge, Sequence) or len(edge) != 2:
            raise GraphError(f"`{argument}` must be pairs (u, v) of nodes, got {edge!r}")
        yield edge[0], edge[1]


def closure(start: Iterable[int], steps: list[list[int]]) -> bytearray:
    """Return one byte per node: 1 where `steps` lead from `start`, which is included."""
    stack = list(start)
    found = flags(len(steps), stack)
    while stack:
        for node in steps[stack.pop()]:
            if not found[node]:
                found[node] = 1
                stack.append(node)
    return found
