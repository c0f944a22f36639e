"""What all graph types have in common: labels at the door, integers inside, values that never change."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from causalrep.graphs._attributed import Attributed
from causalrep.graphs._attributes import Attributes
from causalrep.graphs._node_set import NodeSet, in_order
from causalrep.graphs._store import ARROW, CIRCLE, MARKS, TAIL, EdgeStore, flags
from causalrep.utils import CycleError, GraphError, UnknownNameError

__all__ = ["Graph", "Nodes", "closure", "pairs_of"]

#: What a question about one node or several accepts.
Nodes = Hashable | Iterable[Hashable]

_MAX_DRAWN = 200  # nodes and edges; more are no picture that anybody can read
_MARK_NAMES = {CIRCLE: "circle", ARROW: "arrow", TAIL: "tail"}


class Graph(Attributed):
    """Base of the graph types: labelled nodes joined by edges with a mark at each end; immutable.

    Nodes may be any hashable. Results come in node order, which is the order of the `nodes`
    argument or else of first appearance; nothing depends on Python's hash seed.

    Two graphs are equal, and hash alike, iff they have the same *set* of nodes, declare the same
    ones latent, and have the same edges with the same marks; neither the order of the nodes nor the
    class counts, so that a `PDAG` with the edges of a `CPDAG` equals it.
    """

    _index: dict[Hashable, int]
    _hash: int | None

    def _set(self, nodes: tuple[Hashable, ...], store: EdgeStore, latent: tuple[int, ...] = ()) -> None:
        self._nodes = nodes
        self._index = {node: i for i, node in enumerate(nodes)}
        self._store = store
        self._latent = latent
        self._hash = None

    def _fill(
        self,
        edges: Iterable[tuple[Hashable, str, Hashable]],
        nodes: Iterable[Hashable] | None,
        latent: Nodes = (),
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
        self._latent = tuple(self._ids(latent, "`latent`"))
        self._store = self._store_of(edges)
        self._check()

    def _store_of(self, edges: list[tuple[Hashable, str, Hashable]]) -> EdgeStore:
        left = [self._id(u, "an edge") for u, _, _ in edges]
        right = [self._id(v, "an edge") for _, _, v in edges]
        marks = np.array([MARKS[kind] for _, kind, _ in edges]).reshape(-1, 2)
        for (u, kind, v), i, j in zip(edges, left, right, strict=True):
            if i == j:
                raise GraphError(f"an edge must join two nodes, got the self-loop {u!r} {kind} {v!r}")
        store = EdgeStore(len(self._nodes), left, right, marks[:, 0], marks[:, 1])
        repeated = store.first_repeat(same_marks=not self._simple)
        if repeated is not None:
            ends = {self._nodes[i] for i in repeated}
            one, other, *_ = [edge for edge in edges if {edge[0], edge[2]} == ends]
            raise _parallel_error(type(self).__name__, one, other)
        return store

    @abstractmethod
    def _check(self) -> None:
        """Raise the error that names the violated invariant of the type."""

    @classmethod
    def _build(cls, nodes: tuple[Hashable, ...], store: EdgeStore, latent: tuple[int, ...] = ()) -> Self:
        """Return a graph of parts that are known to satisfy the invariants; `latent` is sorted."""
        graph = cls.__new__(cls)
        graph._set(nodes, store, latent)
        return graph

    @classmethod
    def _from_edges(
        cls, edges: Iterable[tuple[Hashable, str, Hashable]], nodes: Iterable[Hashable] | None
    ) -> Self:
        graph = cls.__new__(cls)
        graph._fill(edges, nodes)
        return graph

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._nodes, self._store, self._latent, self._attributes)

    # Labels at the door

    def _id(self, node: Hashable, argument: str) -> int:
        try:
            return self._index[node]
        except KeyError:
            raise UnknownNameError(node, self._nodes, what=argument) from None

    def _ids(self, nodes: Hashable | Iterable[Hashable], argument: str) -> list[int]:
        """Return the sorted indices of one node or of several; a label that is a node is that node."""
        if not isinstance(nodes, list):
            node: Any = nodes
            if self._has(node):
                return [self._index[node]]
            if isinstance(nodes, str) or not isinstance(nodes, Iterable):
                raise UnknownNameError(nodes, self._nodes, what=argument)
        try:
            return sorted(set(map(self._index.__getitem__, nodes)))
        except KeyError as error:
            raise UnknownNameError(error.args[0], self._nodes, what=argument) from None

    def _has(self, node: Hashable) -> bool:
        try:
            return node in self._index
        except TypeError:  # not hashable, or a tuple or frozen set that holds something that is not
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
            return self._latent == other._latent and self._store.same_edges(other._store)
        if self._index.keys() != other._index.keys() or self.latent != other.latent:
            return False
        position = np.array([self._index[node] for node in other._nodes])
        return self._store.same_edges(other._store.relabelled(position, len(self)))

    def __hash__(self) -> int:
        if self._hash is None:
            edges = (
                frozenset(zip((self._nodes[i], self._nodes[j]), MARKS[kind], strict=True))
                for i, kind, j in self._store.written()
            )
            self._hash = hash((frozenset(self._nodes), frozenset(edges), frozenset(self.latent)))
        return self._hash

    def _repr_html_(self) -> str | None:
        """Return the picture that Jupyter shows; a large graph is shown as text."""
        from causalrep.graphs._picture import svg  # only pictures need a layout

        return svg(self) if len(self) + len(self._store) <= _MAX_DRAWN else None

    def __repr__(self) -> str:
        name, n_edges = type(self).__name__, len(self._store)
        if len(self) + n_edges > 40 or any(type(node) not in (str, int) for node in self._nodes):
            return f"<{name}: {len(self)} nodes, {n_edges} edges>"
        return f"{name}.from_string({self.to_string()!r})"

    @property
    def latent(self) -> NodeSet[Hashable]:
        """The nodes that no data set can hold, in node order."""
        return self._labels(self._latent)

    @property
    def observed(self) -> NodeSet[Hashable]:
        """The nodes that are not latent, in node order."""
        hidden = flags(len(self), self._latent)
        return self._labels(i for i in range(len(self)) if not hidden[i])

    # Edges and neighbours

    @property
    def directed_edges(self) -> NodeSet[tuple[Hashable, Hashable]]:
        """The directed edges as pairs (source, target), in node order."""
        return self._label_pairs(self._store.pairs(TAIL, ARROW))

    @property
    def undirected_edges(self) -> NodeSet[tuple[Hashable, Hashable]]:
        """The undirected edges as pairs, each once, with the earlier node first."""
        return self._label_pairs(self._store.pairs(TAIL, TAIL))

    @property
    def bidirected_edges(self) -> NodeSet[tuple[Hashable, Hashable]]:
        """The bidirected edges as pairs, each once, with the earlier node first."""
        return self._label_pairs(self._store.pairs(ARROW, ARROW))

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

    def siblings(self, node: Hashable) -> NodeSet[Hashable]:
        """Return the nodes that a bidirected edge joins to `node`, also called its spouses.

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
        >>> from causalrep.graphs import ADMG
        >>> ADMG.from_string("X -> Y; X <-> Y; Y <-> Z").siblings("Y")
        NodeSet(['X', 'Z'])
        """
        return self._labels(self._store.lists(ARROW, ARROW)[self._id(node, "`node`")])

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
        found = set(start)
        stack = list(start)
        while stack:
            new = [i for i in steps[stack.pop()] if i not in found]
            found.update(new)
            stack += new
        return self._labels(sorted(found.difference(start)))

    def _induced(self, nodes: Iterable[Hashable]) -> tuple[tuple[Hashable, ...], EdgeStore, tuple[int, ...]]:
        """Return the parts of the induced subgraph: labels, edges, latent indices."""
        keep = self._ids(nodes, "`nodes`")
        position = np.full(len(self), -1)
        position[keep] = np.arange(len(keep))
        latent = tuple(int(position[i]) for i in self._latent if position[i] >= 0)
        return tuple(self._nodes[i] for i in keep), self._store.relabelled(position, len(keep)), latent


def _rebuild(
    cls: type[Graph],
    nodes: tuple[Hashable, ...],
    store: EdgeStore,
    latent: tuple[int, ...],
    attributes: Attributes | None,
) -> Graph:
    return cls._build(nodes, store, latent)._carrying(attributes)


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
        is_sequence = isinstance(edge, tuple) or (isinstance(edge, Sequence) and not isinstance(edge, str))
        if not is_sequence or len(edge) != 2:
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
