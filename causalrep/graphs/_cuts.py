"""Vertex cuts of an undirected graph some of whose nodes cannot be taken away.

A graph is given by its neighbour lists, and `removable` has a byte per node from the start of the lists;
nodes beyond its end cannot be removed. No source and no target is removable.

References
----------
.. [1] K. Takata, "Space-optimal, backtracking algorithms to list the minimal vertex separators of a
   graph", Discrete Applied Mathematics 158, 2010, doi:10.1016/j.dam.2010.05.013.
.. [2] J. Edmonds, R. M. Karp, "Theoretical improvements in algorithmic efficiency for network flow
   problems", Journal of the ACM 19, 1972, doi:10.1145/321694.321699.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import inf

__all__ = ["all_minimal_cuts", "minimum_cut"]


def all_minimal_cuts(
    neighbours: list[list[int]], sources: Sequence[int], targets: Sequence[int], removable: bytes
) -> Iterator[list[int]]:
    """Yield the minimal sets of removable nodes that cut sources from targets, the nearest first.

    Each branch of the search holds nodes that shall stay on the sources' side and nodes that shall not.
    The cut nearest to the first tells whether there is any, and one of its nodes is put on either side.
    """
    fixed = removable.ljust(len(neighbours), b"\0")
    shore, touched = _flood(neighbours, targets, fixed)
    if any(source in shore for source in sources):
        return
    stack: list[tuple[set[int], frozenset[int]]] = [(set(sources), frozenset())]
    while stack:
        side, barred = stack.pop()
        _, boundary = _flood(neighbours, sorted(side), fixed)
        # The nodes of the boundary that the far side touches are the nearest minimal cut.
        _, cut = _flood(neighbours, targets, fixed, stop=boundary)
        side, _ = _flood(neighbours, sources, fixed, stop=cut)
        if not barred.isdisjoint(side):
            continue
        free = [node for node in sorted(cut) if node not in barred and node not in touched]
        if free:
            stack.append(({*side, free[0]}, barred))
            stack.append((side, barred | {free[0]}))
        else:
            yield sorted(cut)


def _flood(
    neighbours: list[list[int]],
    start: Sequence[int],
    removable: bytes,
    stop: set[int] | None = None,
) -> tuple[set[int], set[int]]:
    """Return the nodes reached from `start`, and those met that bar the way.

    These are the nodes in `stop`, or by default all removable ones.
    """
    reached, met, stack = set(start), set(), list(start)
    while stack:
        for other in neighbours[stack.pop()]:
            if other in reached:
                continue
            if removable[other] if stop is None else other in stop:
                met.add(other)
            else:
                reached.add(other)
                stack.append(other)
    return reached, met


def minimum_cut(
    neighbours: list[list[int]],
    sources: Sequence[int],
    targets: Sequence[int],
    removable: bytes,
    cost: Sequence[float],
) -> list[int] | None:
    """Return the cheapest set of removable nodes that cuts sources from targets, ``None`` without one.

    The cut that the sources reach in the final residual network is the nearest to them of all cheapest
    ones, and so does not depend on the flow.
    """
    fixed = removable.ljust(len(neighbours), b"\0")
    shore, _ = _flood(neighbours, targets, fixed)
    if any(source in shore for source in sources):
        return None
    network = _Network(neighbours, fixed, cost)
    ends = set(targets)
    while True:
        came, last = network.search(sources, ends)
        if last is None:
            entered = {port >> 1 for port in came if not port & 1}
            return sorted(node for node in entered if fixed[node] and 2 * node + 1 not in came)
        network.augment(came, last)


class _Network:
    """A flow network in which node v is the arc from port 2 v to port 2 v + 1, as wide as v is dear."""

    def __init__(self, neighbours: list[list[int]], removable: bytes, cost: Sequence[float]) -> None:
        self.residual: list[dict[int, float]] = []
        for node, others in enumerate(neighbours):
            self.residual.append({2 * node + 1: cost[node] if removable[node] else inf})
            self.residual.append({2 * other: inf for other in others})

    def search(self, sources: Sequence[int], ends: set[int]) -> tuple[dict[int, int], int | None]:
        """Return from where each port is reached with room left, and the first target's port."""
        came = {2 * source: -1 for source in sources}
        queue = deque(came)
        while queue:
            port = queue.popleft()
            if port >> 1 in ends:
                return came, port
            for other, room in self.residual[port].items():
                if room > 0 and other not in came:
                    came[other] = port
                    queue.append(other)
        return came, None

    def augment(self, came: dict[int, int], last: int) -> None:
        """Send as much as fits along the path that was found."""
        path = [last]
        while came[path[-1]] >= 0:
            path.append(came[path[-1]])
        arcs = [(path[k + 1], path[k]) for k in range(len(path) - 1)]
        amount = min(self.residual[u][v] for u, v in arcs)
        for u, v in arcs:
            self.residual[u][v] -= amount
            self.residual[v][u] = self.residual[v].get(u, 0) + amount
