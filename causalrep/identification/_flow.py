"""Maximum flow by shortest augmenting paths: what systems of treks come down to.

References
----------
.. [1] J. Edmonds, R. M. Karp, "Theoretical improvements in algorithmic efficiency for network flow
   problems", Journal of the ACM 19, 1972, doi:10.1145/321694.321699.
"""

from __future__ import annotations

from math import inf

__all__ = ["FlowNetwork"]


class FlowNetwork:
    """A directed network with capacities, numbered nodes, and the flow that was pushed through it."""

    def __init__(self, n_nodes: int) -> None:
        self._out: list[list[int]] = [[] for _ in range(n_nodes)]  # arcs by their tail
        self._head: list[int] = []
        self._left: list[float] = []  # arc a and its reverse are a and a ^ 1

    def arc(self, tail: int, head: int, capacity: float = inf) -> int:
        """Add an arc and return its number."""
        number = len(self._head)
        self._head += [head, tail]
        self._left += [capacity, 0]
        self._out[tail].append(number)
        self._out[head].append(number + 1)
        return number

    def close(self, arc: int) -> None:
        """Let nothing more flow through an arc."""
        self._left[arc] = 0

    def push(self, source: int, sink: int) -> float:
        """Push as much as can be from source to sink; return how much. No path may be unbounded."""
        total = 0.0
        while True:
            entered = self._search(source, sink)
            if sink not in entered:
                return total
            path = []
            node = sink
            while node != source:
                path.append(entered[node])
                node = self._head[entered[node] ^ 1]
            amount = min(self._left[arc] for arc in path)
            for arc in path:
                self._left[arc] -= amount
                self._left[arc ^ 1] += amount
            total += amount

    def _search(self, source: int, sink: int) -> dict[int, int]:
        """Return the arc by which each node is entered from the source, breadth first."""
        entered: dict[int, int] = {source: -1}
        queue = [source]
        for node in queue:  # grows while it is read
            for arc in self._out[node]:
                head = self._head[arc]
                if self._left[arc] > 0 and head not in entered:
                    entered[head] = arc
                    if head == sink:
                        return entered
                    queue.append(head)
        return entered
