"""Inducing paths: what joins two nodes so that no set of observed nodes separates them.

Given nodes S that are selected on, a path between a and b all of whose inner nodes are colliders and
ancestors of a, b or S stays open or opens whatever else is given. Its inner nodes lie in one district, so
only the members and the parents of a district can be joined so.

References
----------
.. [1] T. Richardson, P. Spirtes, "Ancestral graph Markov models", Annals of Statistics 30, 2002,
   doi:10.1214/aos/1031689015 (sections 4.2.1 and 4.2.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from causalrep.graphs._base import closure
from causalrep.graphs._order import topological_order
from causalrep.graphs._store import ARROW, TAIL, EdgeStore

__all__ = ["anterior_masks", "ancestral_projection", "inducing_pairs", "inducing_path", "members"]


def anterior_masks(store: EdgeStore) -> list[int]:
    """Return for each node its anteriors and itself, as the bits of one integer.

    The store is acyclic, and no node with an undirected edge has an arrowhead at it. Where no edge is
    undirected these are the ancestors.
    """
    parents, neighbours = store.lists(ARROW, TAIL), store.lists(TAIL, TAIL)
    found = [0] * store.n_nodes
    for start in range(store.n_nodes):
        if not found[start]:
            component = [start]
            joined = {start}
            for node in component:  # grows while it is read
                new = [other for other in neighbours[node] if other not in joined]
                joined.update(new)
                component += new
            mask = sum(1 << node for node in component)
            for node in component:
                found[node] = mask
    for node in topological_order(store):
        for parent in parents[node]:
            found[node] |= found[parent]
    return found


def members(mask: int) -> Iterator[int]:
    """Yield the positions of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def inducing_pairs(store: EdgeStore, selected: Sequence[int] = ()) -> Iterator[tuple[int, int]]:
    """Yield the pairs i < j that an inducing path of two edges or more joins; no edge needs to."""
    if not selected and not store.csr(ARROW, ARROW)[1].size:
        return  # a lone collider between its parents is an ancestor of neither
    above = anterior_masks(store)
    always = 0
    for node in selected:
        always |= above[node]
    siblings = [sum(1 << j for j in row) for row in store.lists(ARROW, ARROW)]
    pointed = [
        mask | sum(1 << j for j in row) for mask, row in zip(siblings, store.lists(TAIL, ARROW), strict=True)
    ]
    reach = _district_reach(store)
    for first in range(store.n_nodes):
        candidates = 0
        for node in members(pointed[first]):
            candidates |= reach[node]
        for last in members(candidates >> (first + 1)):
            last += first + 1
            permitted = (above[first] | above[last] | always) & ~(1 << first | 1 << last)
            seen = new = pointed[first] & permitted
            while new and not seen & pointed[last]:
                wider = 0
                for node in members(new):
                    wider |= siblings[node]
                new = wider & permitted & ~seen
                seen |= new
            if seen & pointed[last]:
                yield first, last


def _district_reach(store: EdgeStore) -> list[int]:
    """Return for each node the members of its district and all their parents, as bits."""
    siblings, parents = store.lists(ARROW, ARROW), store.lists(ARROW, TAIL)
    reach = [0] * store.n_nodes
    placed = bytearray(store.n_nodes)
    for start in range(store.n_nodes):
        if placed[start]:
            continue
        placed[start] = 1
        district = [start]
        for node in district:  # grows while it is read
            new = [other for other in siblings[node] if not placed[other]]
            for other in new:
                placed[other] = 1
            district += new
        mask = 0
        for node in district:
            mask |= 1 << node
            for parent in parents[node]:
                mask |= 1 << parent
        for node in district:
            reach[node] = mask
    return reach


def inducing_path(store: EdgeStore, first: int, last: int) -> list[int]:
    """Return the shortest inducing path between two nodes that one joins."""
    above = closure([first, last], store.lists(ARROW, TAIL))
    siblings, children = store.lists(ARROW, ARROW), store.lists(TAIL, ARROW)
    ends = (first, last)
    near_last = {*siblings[last], *children[last]}
    came = {
        node: first
        for node in sorted({*siblings[first], *children[first]})
        if above[node] and node not in ends
    }
    queue = list(came)
    for node in queue:  # grows while it is read: breadth first
        if node in near_last:
            path = [last, node]
            while path[-1] != first:
                path.append(came[path[-1]])
            return path[::-1]
        new = [w for w in siblings[node] if above[w] and w not in came and w not in ends]
        came.update(dict.fromkeys(new, node))
        queue += new
    raise ValueError("no inducing path joins the two nodes")


def ancestral_projection(store: EdgeStore, selected: Sequence[int]) -> EdgeStore:
    """Return the maximal ancestral graph of an ADMG given the selected nodes, which are left out.

    Two nodes are adjacent iff an edge or an inducing path joins them; the mark at a node is a tail iff it
    is an ancestor of the other end or of a selected node.
    """
    above = anterior_masks(store)
    always = 0
    for node in selected:
        always |= above[node]
    pairs = {*zip(store.first.tolist(), store.second.tolist(), strict=True)}
    pairs.update(inducing_pairs(store, selected))
    gone = set(selected)
    edges = sorted(pair for pair in pairs if gone.isdisjoint(pair))
    at_first = [TAIL if (above[j] | always) >> i & 1 else ARROW for i, j in edges]
    at_second = [TAIL if (above[i] | always) >> j & 1 else ARROW for i, j in edges]
    position = np.full(store.n_nodes, -1)
    kept = [node for node in range(store.n_nodes) if node not in gone]
    position[kept] = np.arange(len(kept))
    left, right = (position[[edge[end] for edge in edges]] for end in (0, 1))
    return EdgeStore(len(kept), left, right, at_first, at_second)
