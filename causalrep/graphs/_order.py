"""Orders of the nodes by directed edges, and what stands against one."""

from __future__ import annotations

import heapq

from causalrep.graphs._store import ARROW, TAIL, EdgeStore, flags

__all__ = ["find_cycle", "topological_order"]


def topological_order(store: EdgeStore) -> list[int]:
    """Return the nodes in topological order by directed edges, the lowest first among the possible.

    Nodes on a directed cycle, and those behind one, are left out.
    """
    children = store.lists(TAIL, ARROW)
    waiting = [len(parents) for parents in store.lists(ARROW, TAIL)]
    ready = [i for i, count in enumerate(waiting) if not count]  # sorted, hence a heap
    order = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for child in children[node]:
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, child)
    return order


def find_cycle(store: EdgeStore) -> list[int]:
    """Return a directed cycle of a store that has one, from its lowest node on."""
    parents = store.lists(ARROW, TAIL)
    ordered = flags(store.n_nodes, topological_order(store))
    # A node that could not be ordered has a parent that could not: going up must come round.
    node = ordered.index(0)
    path: list[int] = []
    place: dict[int, int] = {}
    while node not in place:
        place[node] = len(path)
        path.append(node)
        node = next(parent for parent in parents[node] if not ordered[parent])
    cycle = path[place[node] :][::-1]
    start = cycle.index(min(cycle))
    return cycle[start:] + cycle[:start]
