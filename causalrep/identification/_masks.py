"""An ADMG on bit masks, for the many small questions that identification asks of one graph.

A set of nodes is an ``int`` whose bit i stands for node i of the graph; ancestors, districts and
separation under surgery then need no copies of the graph. Latent nodes are projected out: nothing
downstream can name them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from causalrep.graphs import ADMG, DAG
from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.identification._expression import Variable
from causalrep.utils import UnknownNameError

__all__ = ["MaskGraph", "bits", "mask_graph"]


def bits(mask: int) -> Iterator[int]:
    """Yield the members of a set, in node order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass(frozen=True, slots=True)
class MaskGraph:
    """Parents, children and siblings of the observed nodes; indices are those of the whole graph."""

    labels: tuple[Hashable, ...]
    variables: tuple[Variable, ...]
    nodes: int
    order: tuple[int, ...]
    parents: tuple[int, ...]
    children: tuple[int, ...]
    siblings: tuple[int, ...]

    def ancestors(self, of: int, within: int = -1) -> int:
        """Return `of` and all from which a directed path in the induced subgraph leads there."""
        return _closure(of, self.parents, within)

    def descendants(self, of: int, within: int = -1) -> int:
        """Return `of` and all to which a directed path in the induced subgraph leads from there."""
        return _closure(of, self.children, within)

    def district(self, node: int, within: int) -> int:
        """Return the district, in the induced subgraph, of the set `node`, which lies in one."""
        return _closure(node, self.siblings, within)

    def districts(self, within: int) -> list[int]:
        """Return the districts of the induced subgraph, in the order of their first nodes."""
        found = []
        while within:
            district = self.district(within & -within, within)
            found.append(district)
            within &= ~district
        return found

    def parents_of(self, nodes: int) -> int:
        """Return the union of the parents of several nodes."""
        return _union(self.parents, nodes)

    def reached(self, x: int, given: int, cut_in: int = 0, cut_out: int = 0) -> int:
        """Return the nodes that an open walk joins to `x`, with edges into and out of nodes cut."""
        return self._walked(x, given, cut_in, cut_out) & ~given

    def touched(self, x: int, given: int, cut_in: int = 0, cut_out: int = 0) -> int:
        """Return the given nodes at which walks from `x` arrive that are open before."""
        return self._walked(x, given, cut_in, cut_out) & given

    def _walked(self, x: int, given: int, cut_in: int, cut_out: int) -> int:
        parents, children, siblings = self.parents, self.children, self.siblings
        by_tail, by_arrow = x, 0
        todo_tail, todo_arrow = x, 0
        while todo_tail or todo_arrow:
            if todo_tail:
                low = todo_tail & -todo_tail
                todo_tail ^= low
                into, out = not low & given, not low & given
            else:
                low = todo_arrow & -todo_arrow
                todo_arrow ^= low
                # In and out by arrowheads the node is a collider, which must be given.
                into, out = bool(low & given), not low & given
            node = low.bit_length() - 1
            new_tail = new_arrow = 0
            if into and not low & cut_in:
                new_tail = parents[node] & ~cut_out & ~by_tail
                new_arrow = siblings[node] & ~cut_in
            if out and not low & cut_out:
                new_arrow |= children[node] & ~cut_in
            new_arrow &= ~by_arrow
            by_tail |= new_tail
            by_arrow |= new_arrow
            todo_tail |= new_tail
            todo_arrow |= new_arrow
        return by_tail | by_arrow

    def separated(self, x: int, y: int, given: int, cut_in: int = 0, cut_out: int = 0) -> bool:
        """Return whether `given` separates `x` and `y` once edges into and out of nodes are cut."""
        return not (x and y and self.reached(x, given, cut_in, cut_out) & y)

    def projected(self, keep: int) -> MaskGraph:
        """Return the latent projection on some nodes; the indices stay."""
        return _project(self, self.nodes & ~keep)

    def names(self, mask: int) -> tuple[Hashable, ...]:
        """Return the labels of a set, in node order."""
        return tuple(self.labels[i] for i in bits(mask))

    def vars(self, mask: int) -> list[Variable]:
        """Return the variables of a set, in node order."""
        return [self.variables[i] for i in bits(mask)]

    def mask(self, nodes: Iterable[Hashable], argument: str) -> int:
        """Return the set of some labels; only observed nodes can be named."""
        known = {self.labels[i]: 1 << i for i in bits(self.nodes)}
        found = 0
        for node in nodes:
            if node not in known:
                raise UnknownNameError(node, known, what=argument)
            found |= known[node]
        return found


def _closure(start: int, steps: tuple[int, ...], within: int) -> int:
    found = todo = start
    while todo:
        low = todo & -todo
        new = steps[low.bit_length() - 1] & within & ~found
        found |= new
        todo = (todo ^ low) | new
    return found


def _union(sets: tuple[int, ...], nodes: int) -> int:
    found = 0
    for node in bits(nodes):
        found |= sets[node]
    return found


def _masks(store: EdgeStore, here: int, there: int) -> tuple[int, ...]:
    return tuple(sum(1 << j for j in row) for row in store.lists(here, there))


def mask_graph(graph: DAG | ADMG) -> MaskGraph:
    """Return the graph on bit masks, latent nodes projected out; made once per graph and labels."""
    made: dict[object, MaskGraph] = graph._store.derived(_cache)
    key = (graph._nodes, graph._latent)
    if key not in made:
        store = graph._store
        whole = MaskGraph(
            labels=graph._nodes,
            variables=tuple(Variable(node) for node in graph._nodes),
            nodes=(1 << len(graph)) - 1,
            order=tuple(graph._order()),
            parents=_masks(store, ARROW, TAIL),
            children=_masks(store, TAIL, ARROW),
            siblings=_masks(store, ARROW, ARROW),
        )
        made[key] = _project(whole, sum(1 << i for i in graph._latent))
    return made[key]


def _cache(_: EdgeStore) -> dict[object, MaskGraph]:
    return {}


def _project(graph: MaskGraph, away: int) -> MaskGraph:
    """Eliminate latent nodes one at a time: each joins its parents to its children and siblings."""
    if not away:
        return graph
    parents, children, siblings = list(graph.parents), list(graph.children), list(graph.siblings)
    for u in bits(away):
        out, bit = children[u], 1 << u
        for p in bits(parents[u]):
            children[p] |= out
        for c in bits(out):
            parents[c] |= parents[u]
        for c in bits(out):
            new = (out | siblings[u]) & ~(1 << c)
            siblings[c] |= new
            for s in bits(new):
                siblings[s] |= 1 << c
        for sets in (parents, children, siblings):
            sets[u] = 0
            sets[:] = [members & ~bit for members in sets]
    order = tuple(i for i in graph.order if not away >> i & 1)
    nodes = graph.nodes & ~away
    return MaskGraph(
        graph.labels, graph.variables, nodes, order, tuple(parents), tuple(children), tuple(siblings)
    )
