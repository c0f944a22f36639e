"""Chordal graphs on integers: clique trees, what a clique in front decides, chordless cycles.

An undirected graph is chordal iff every cycle of four or more nodes has a chord, iff its edges can be
directed without a directed cycle and without a v-structure. The undirected parts of an essential
graph are chordal, and the ways to direct them so are the members of its class.

References
----------
.. [1] J. R. S. Blair, B. Peyton, "An introduction to chordal graphs and clique trees", in Graph Theory
   and Sparse Matrix Computation, 1993, doi:10.1007/978-1-4613-8369-7_1.
.. [2] M. Wienöbst, M. Bannach, M. Liśkiewicz, "Polynomial-time algorithms for counting and sampling
   Markov equivalent DAGs with applications", JMLR 24, 2023, arXiv:2205.02654.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence, Set

__all__ = ["chordless_cycle", "clique_tree", "components", "parts_after"]

Near = Mapping[int, Set[int]] | Sequence[Set[int]]


def components(
    near: Mapping[int, Collection[int]] | Sequence[Collection[int]], nodes: Iterable[int]
) -> list[frozenset[int]]:
    """Return the connected components of the subgraph on `nodes`, by their first node."""
    left = dict.fromkeys(nodes)
    found = []
    while left:
        start = next(iter(left))
        del left[start]
        part, stack = [start], [start]
        while stack:
            new = [j for j in near[stack.pop()] if j in left]
            for j in new:
                del left[j]
            part += new
            stack += new
        found.append(frozenset(part))
    return found


def _visiting_order(near: Near, nodes: Iterable[int]) -> list[int]:
    """Return the nodes by maximum cardinality search: next is one with the most visited neighbours."""
    count = dict.fromkeys(sorted(nodes), 0)
    heap = [(0, v) for v in count]
    order = []
    while heap:
        _, v = heapq.heappop(heap)
        if v not in count:  # pushed again since, and visited then
            continue
        del count[v]
        order.append(v)
        for w in near[v]:
            if w in count:
                count[w] += 1
                heapq.heappush(heap, (-count[w], w))
    return order


def clique_tree(near: Near, nodes: Iterable[int]) -> tuple[list[frozenset[int]], list[int]]:
    """Return the maximal cliques of a connected chordal graph, and the place of each one's parent.

    In the tree the cliques that hold a node are connected. The root comes first, with parent -1, and
    parents before their children: a clique ends where the search meets fewer visited neighbours [1]_.
    """
    cliques: list[set[int]] = []
    parent: list[int] = []
    clique_of: dict[int, int] = {}
    for v in _visiting_order(near, nodes):
        earlier = {w for w in near[v] if w in clique_of}
        if not cliques or len(earlier) < len(cliques[-1]):
            # The last visited of them lies in a clique that holds them all.
            parent.append(max((clique_of[w] for w in earlier), default=-1))
            cliques.append(earlier)
        cliques[-1].add(v)
        clique_of[v] = len(cliques) - 1
    return [frozenset(clique) for clique in cliques], parent


def parts_after(near: Near, nodes: Collection[int], clique: Set[int]) -> list[frozenset[int]]:
    """Return what stays open once `clique` comes first, as node sets in a possible order.

    All orders of a chordal graph that begin with the clique and create no v-structure agree on the
    edges between these sets, while each set, being connected, may be directed in any way (algorithm 2
    of [2]_: lexicographic search by partition refinement; a block of nodes with the same visited
    neighbours is undecided within). O(n_nodes + n_edges).
    """
    blocks: list[set[int]] = [set(clique), set(nodes).difference(clique)]
    after = [1, -1]
    before = [-1, 0]
    place = dict.fromkeys(clique, 0) | dict.fromkeys(blocks[1], 1)
    settled = set(clique)
    found: list[frozenset[int]] = []
    first = 0
    while first >= 0:
        block = blocks[first]
        if not block:
            first = after[first]
            continue
        v = block.pop()
        if v not in settled:
            whole = [v, *block]
            settled.update(whole)
            found += components(near, whole) if block else [frozenset(whole)]
        del place[v]
        split: dict[int, int] = {}
        for w in near[v]:
            old = place.get(w)
            if old is None:
                continue
            if old not in split:
                # The neighbours of v go just in front of the block that they come from.
                split[old] = len(blocks)
                blocks.append(set())
                after.append(old)
                before.append(before[old])
                if before[old] >= 0:
                    after[before[old]] = split[old]
                if old == first:
                    first = split[old]
                before[old] = split[old]
            blocks[old].discard(w)
            blocks[split[old]].add(w)
            place[w] = split[old]
    return found


def chordless_cycle(near: Near, nodes: Iterable[int]) -> list[int] | None:
    """Return a cycle of four or more nodes without a chord, or ``None`` where the graph is chordal."""
    left = _stripped(near, nodes)
    for v in sorted(left):
        around = sorted(near[v] & left)
        for k, u in enumerate(around):
            for w in around[k + 1 :]:
                if w in near[u]:
                    continue
                path = _shortest_path(near, u, w, left.difference(around, [v]) | {w})
                if path is not None:
                    return [v, *path]
    return None


def _stripped(near: Near, nodes: Iterable[int]) -> set[int]:
    """Take away nodes whose neighbours are a clique until there are none; chordal graphs vanish."""
    left = set(nodes)
    queue = sorted(left)
    while queue:
        v = queue.pop()
        around = near[v] & left
        if v in left and all(around - {u} <= near[u] for u in around):
            left.remove(v)
            queue += around
    return left


def _shortest_path(near: Near, start: int, end: int, allowed: set[int]) -> list[int] | None:
    came_from = {start: start}
    queue = deque([start])
    while queue and end not in came_from:
        node = queue.popleft()
        for other in sorted(near[node] & allowed):
            if other not in came_from:
                came_from[other] = node
                queue.append(other)
    if end not in came_from:
        return None
    path = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]
