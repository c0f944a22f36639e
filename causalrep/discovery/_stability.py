"""How often graphs on the same nodes have which edges, and the graph that most of them share."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causalrep.discovery._search import Ints
from causalrep.graphs import ADMG, DAG, PAG, PDAG, Graph
from causalrep.graphs._store import ARROW, CIRCLE, MARKS, TAIL
from causalrep.independence._arrays import canonical_order
from causalrep.utils import GraphError

__all__ = ["EdgeCounts", "edge_codes", "family"]

KINDS = tuple(MARKS)
_KIND_OF = {marks: kind for kind, marks in enumerate(MARKS.values())}
_USUAL = ("->", "<-", "--", "<->")  # listed in any case
_FORWARD, _BACKWARD = KINDS.index("->"), KINDS.index("<-")
_MARK_NAMES = {"tail": TAIL, "arrow": ARROW, "circle": CIRCLE}


def edge_codes(graph: Graph, nodes: Sequence[Hashable] | None = None) -> Ints:
    """Return one number per edge, from which `EdgeCounts` reads ends and kind.

    Raises
    ------
    GraphError
        If the graph has other nodes than these.
    """
    store, nodes = graph._store, graph.nodes if nodes is None else tuple(nodes)
    if set(graph.nodes) != set(nodes) or len(graph.nodes) != len(nodes):
        raise GraphError(
            "the graphs of all replicates must have the same nodes, the columns, "
            f"got {list(graph.nodes)[:10]} and {list(nodes)[:10]}"
        )
    position = {node: k for k, node in enumerate(nodes)}
    place = np.array([position[node] for node in graph.nodes], dtype=np.int64)
    first, second = place[store.first], place[store.second]
    swap = first > second
    at_first = np.where(swap, store.mark_second, store.mark_first)
    at_second = np.where(swap, store.mark_first, store.mark_second)
    kinds = np.array(
        [_KIND_OF[marks] for marks in zip(at_first.tolist(), at_second.tolist(), strict=True)], dtype=np.int64
    )
    pair = np.minimum(first, second) * len(nodes) + np.maximum(first, second)
    codes: Ints = pair * len(KINDS) + kinds
    return codes


class EdgeCounts:
    """Frequencies of edges over graphs.

    Parameters
    ----------
    nodes : sequence of hashable
        The nodes of all graphs.
    codes : iterable of array of int
        What `edge_codes` returned for each.
    """

    def __init__(self, nodes: Sequence[Hashable], codes: Iterable[Ints]) -> None:
        self.nodes = tuple(nodes)
        every = list(codes)
        self.n_graphs = len(every)
        found, counts = np.unique(np.concatenate(every), return_counts=True)
        pair, kind = np.divmod(found, len(KINDS))
        self._keys, row = np.unique(pair, return_inverse=True)
        self.frequency: NDArray[np.float64] = np.zeros((len(self._keys), len(KINDS)))
        self.frequency[row, kind] = counts / self.n_graphs
        # Two edges may join the same nodes in an ADMG: what counts is the graphs with an edge.
        present, graphs = np.unique(
            np.concatenate([np.unique(c // len(KINDS)) for c in every]), return_counts=True
        )
        self.adjacent: NDArray[np.float64] = graphs[np.searchsorted(present, self._keys)] / self.n_graphs

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs that are adjacent somewhere."""
        d = max(len(self.nodes), 1)
        return [(key // d, key % d) for key in self._keys.tolist()]

    @property
    def n_selected(self) -> float:
        """Mean number of pairs that are adjacent."""
        return float(self.adjacent.sum())

    def edges(self) -> pd.DataFrame:
        """Return one row per pair that is adjacent somewhere, and a column per kind of edge."""
        shown = [k for k, kind in enumerate(KINDS) if kind in _USUAL or self.frequency[:, k].any()]
        frame = self._ends(self.pairs)
        frame["none"] = 1.0 - self.adjacent
        for k in shown:
            frame[KINDS[k]] = self.frequency[:, k]
        return frame

    def marks(self) -> pd.DataFrame:
        """Return one row per end of such a pair: how often the edge u *-* v has which mark at v."""
        ends = [side for i, j in self.pairs for side in ((i, j), (j, i))]
        frame = self._ends(ends)
        frame["none"] = np.repeat(1.0 - self.adjacent, 2)
        for name, mark in _MARK_NAMES.items():
            at_second = self.frequency @ [marks[1] == mark for marks in MARKS.values()]
            at_first = self.frequency @ [marks[0] == mark for marks in MARKS.values()]
            frame[name] = np.stack([at_second, at_first], axis=1).reshape(-1)
        return frame

    def _ends(self, pairs: Sequence[tuple[int, int]]) -> pd.DataFrame:
        columns = [pd.Series([self.nodes[pair[k]] for pair in pairs], dtype=object) for k in range(2)]
        return pd.DataFrame({"u": columns[0], "v": columns[1]})

    def consensus(self, threshold: float, kind: type[Graph]) -> Graph:
        """Return the graph of the edges that reach the threshold.

        Parameters
        ----------
        threshold : float
            Least frequency of an adjacency, and of an arrow or a mark on it.
        kind : type
            `PDAG`, `PAG` or `ADMG`.
        """
        if kind is ADMG:
            return self._admg(threshold)
        chosen = np.flatnonzero(self.adjacent >= threshold).tolist()
        settle = self._marks if kind is PAG else self._direction
        marks = {self.pairs[row]: settle(self.frequency[row], threshold) for row in chosen}
        # Arrows that close a cycle with better supported ones give up what makes them arrows.
        lost = CIRCLE if kind is PAG else TAIL
        for pair in self._closing([pair for pair, at in marks.items() if set(at) == {TAIL, ARROW}], marks):
            marks[pair] = (lost, lost)
        edges = [(self.nodes[i], KINDS[_KIND_OF[at]], self.nodes[j]) for (i, j), at in sorted(marks.items())]
        return PAG(edges, self.nodes) if kind is PAG else PDAG._from_edges(edges, self.nodes)

    @staticmethod
    def _direction(frequency: NDArray[np.float64], threshold: float) -> tuple[int, int]:
        """Return the marks of an arrow that reaches the threshold and beats its reversal, or of a line."""
        forward, backward = frequency[_FORWARD], frequency[_BACKWARD]
        if forward == backward or max(forward, backward) < threshold:
            return TAIL, TAIL
        return (TAIL, ARROW) if forward > backward else (ARROW, TAIL)

    @staticmethod
    def _marks(frequency: NDArray[np.float64], threshold: float) -> tuple[int, int]:
        """Return for each end the mark that reaches the threshold and beats the others, or a circle."""
        found = []
        for end in range(2):
            tail, arrow = (
                float(frequency[[marks[end] == mark for marks in MARKS.values()]].sum())
                for mark in (TAIL, ARROW)
            )
            settled = max(tail, arrow) >= threshold and tail != arrow
            found.append(CIRCLE if not settled else TAIL if tail > arrow else ARROW)
        return found[0], found[1]

    def _closing(
        self, arrows: Sequence[tuple[int, int]], marks: Mapping[tuple[int, int], tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Return the pairs whose arrows close a cycle when the most frequent go first, ties by name."""
        rank = np.argsort(canonical_order(self.nodes))
        rows = {pair: row for row, pair in enumerate(self.pairs)}
        found = []
        for i, j in arrows:
            kind, ends = (_FORWARD, (i, j)) if marks[i, j] == (TAIL, ARROW) else (_BACKWARD, (j, i))
            share = float(self.frequency[rows[i, j], kind])
            found.append((-share, *rank[list(ends)].tolist(), *ends))
        tree = _Acyclic(len(self.nodes))
        return [
            (min(cause, effect), max(cause, effect))
            for *_, cause, effect in sorted(found)
            if not tree.insert(cause, effect)
        ]

    def _admg(self, threshold: float) -> ADMG:
        """Return the arrows and the two-headed arrows that reach the threshold, each on its own."""
        marks = {}
        for pair, frequency in zip(self.pairs, self.frequency, strict=True):
            at = self._direction(frequency, threshold)
            if at != (TAIL, TAIL):
                marks[pair] = at
        for pair in self._closing(list(marks), marks):
            del marks[pair]
        edges = [(self.nodes[i], KINDS[_KIND_OF[at]], self.nodes[j]) for (i, j), at in sorted(marks.items())]
        for row in np.flatnonzero(self.frequency[:, KINDS.index("<->")] >= threshold).tolist():
            i, j = self.pairs[row]
            edges.append((self.nodes[i], "<->", self.nodes[j]))
        return ADMG._from_edges(edges, self.nodes)


class _Acyclic:
    """Arrows that never close a cycle."""

    def __init__(self, n_nodes: int) -> None:
        self._children: list[set[int]] = [set() for _ in range(n_nodes)]

    def insert(self, cause: int, effect: int) -> bool:
        """Add an arrow unless it would close a cycle; return whether it was added."""
        seen, stack = {effect}, [effect]
        while stack:
            new = self._children[stack.pop()] - seen
            seen |= new
            stack.extend(new)
        if cause in seen:
            return False
        self._children[cause].add(effect)
        return True


def family(graphs: Iterable[type[Graph]]) -> type[Graph]:
    """Return the type that a consensus of graphs of these types has."""
    types = set(graphs)
    if all(issubclass(one, (DAG, PDAG)) for one in types):
        return PDAG
    return ADMG if all(issubclass(one, (ADMG, DAG)) for one in types) else PAG
