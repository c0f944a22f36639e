"""Maximum flow by shortest augmenting paths: what cuts, disjoint paths and treks come down to.

References
----------
.. [1] J. Edmonds, R. M. Karp, "Theoretical improvements in algorithmic efficiency for network flow
   problems", Journal of the ACM 19, 1972, doi:10.1145/321694.321699.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from math import inf

from causalrep.identification._neighbours import Neighbours

__all__ = ["FlowNetwork", "minimum_separator"]


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

    def reached(self, source: int) -> set[int]:
        """Return the nodes to which more could flow: the source side of a minimum cut."""
        return {source, *self._search(source, -1)}

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


def minimum_separator(
    near: Neighbours,
    x: list[int],
    y: list[int],
    include: list[int],
    allowed: bytearray,
    costs: list[float] | None = None,
) -> list[int] | None:
    """Return the separator of least total cost among those that have `include`, nearest to x.

    A minimum vertex cut of the moral graph of the ancestors. Its edges are not listed: besides its
    entrance and its exit each node has a third point, where collider paths through it meet, from
    which one comes to its parents and siblings. Nodes that must be included cost nothing.
    """
    inside = near.above([*x, *y, *include])
    network = FlowNetwork(3 * len(inside) + 2)
    source, sink = 3 * len(inside), 3 * len(inside) + 1
    free = set(include)
    members = list(compress(range(len(inside)), inside))
    gates = {}
    for node in members:
        enter, leave, meet = 3 * node, 3 * node + 1, 3 * node + 2
        if node not in free:
            cost = 1 if costs is None else costs[node]
            gates[node] = network.arc(enter, leave, cost if allowed[node] else inf)
        upward = [3 * other for other in near.parents[node]]
        sideways = [3 * other + end for other in near.siblings[node] if inside[other] for end in (0, 2)]
        downward = [3 * other + end for other in near.children[node] if inside[other] for end in (0, 2)]
        _arcs(network, leave, [*upward, *sideways, *downward])
        _arcs(network, meet, [*upward, *sideways])
    _arcs(network, source, [3 * node for node in x])
    for node in y:
        network.arc(3 * node + 1, sink)
    if network.push(source, sink) == inf:
        return None
    near_x = network.reached(source)
    cut = [node for node in gates if 3 * node in near_x and 3 * node + 1 not in near_x]
    return sorted([*cut, *include])


def _arcs(network: FlowNetwork, tail: int, heads: Iterable[int]) -> None:
    for head in heads:
        network.arc(tail, head)
