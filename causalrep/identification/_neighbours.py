"""Neighbours as plain lists from which a few edges can be taken away without copying the rest.

Graphical criteria ask for separation in graphs that lack a handful of edges. Building such a graph
costs more than the question; patching the lists of the two ends of each missing edge does not.

Inside the ancestral set of the nodes in question, m-separation is ordinary separation in the moral
graph, where the ends of a collider path are adjacent. The search below walks that graph without
building it: a blocked node that is entered by an arrowhead lets the walk go on to its parents and
siblings, as if through the edges that moralisation adds.

References
----------
.. [1] B. van der Zander, M. Liśkiewicz, "Finding minimal d-separators in linear time and
   applications", UAI 2019, PMLR 115.
.. [2] T. Richardson, "Markov properties for acyclic directed mixed graphs", Scandinavian Journal of
   Statistics 30, 2003, doi:10.1111/1467-9469.00323 (the augmented graph).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from causalrep.graphs._base import closure
from causalrep.graphs._store import ARROW, TAIL, EdgeStore, flags

__all__ = ["Neighbours", "moral_reach", "reach"]


class Neighbours(NamedTuple):
    """Per node its parents, its children, and its siblings by bidirected edges."""

    parents: list[list[int]]
    children: list[list[int]]
    siblings: list[list[int]]

    @classmethod
    def of(cls, store: EdgeStore) -> Neighbours:
        """Return the lists of a store; they are shared with it and must not be changed."""
        return cls(store.lists(ARROW, TAIL), store.lists(TAIL, ARROW), store.lists(ARROW, ARROW))

    @property
    def n_nodes(self) -> int:
        """The number of nodes."""
        return len(self.parents)

    def lists(self, here: int | None, there: int | None) -> list[list[int]]:
        """Return the lists as the store of a graph does; there are no undirected edges."""
        known: dict[tuple[int | None, int | None], list[list[int]]] = {
            (ARROW, TAIL): self.parents,
            (TAIL, ARROW): self.children,
            (ARROW, ARROW): self.siblings,
        }
        return known.get((here, there), [[]] * self.n_nodes)

    def without(self, edges: Iterable[tuple[int, int]]) -> Neighbours:
        """Return the lists without these directed edges (source, target)."""
        parents, children = list(self.parents), list(self.children)
        gone: dict[int, set[int]] = {}
        come: dict[int, set[int]] = {}
        for source, target in edges:
            gone.setdefault(source, set()).add(target)
            come.setdefault(target, set()).add(source)
        for source, targets in gone.items():
            children[source] = [i for i in children[source] if i not in targets]
        for target, sources in come.items():
            parents[target] = [i for i in parents[target] if i not in sources]
        return Neighbours(parents, children, self.siblings)

    def without_outgoing(self, nodes: Iterable[int]) -> Neighbours:
        """Return the lists without the directed edges out of these nodes."""
        return self.without((node, child) for node in nodes for child in self.children[node])

    def above(self, nodes: Iterable[int]) -> bytearray:
        """Return one byte per node: 1 for these nodes and their ancestors."""
        return closure(nodes, self.parents)

    def below(self, nodes: Iterable[int]) -> bytearray:
        """Return one byte per node: 1 for these nodes and their descendants."""
        return closure(nodes, self.children)


def reach(start: Iterable[int], steps: list[list[int]], avoid: Sequence[int]) -> bytearray:
    """Return one byte per node: 1 where `steps` lead from `start` without entering `avoid`."""
    found = flags(len(steps), avoid)
    stack = [node for node in start if not found[node]]
    for node in stack:
        found[node] = 1
    while stack:
        for node in steps[stack.pop()]:
            if not found[node]:
                found[node] = 1
                stack.append(node)
    for node in avoid:
        found[node] = 0
    return found


def moral_reach(near: Neighbours, start: Iterable[int], inside: bytearray, blocked: bytearray) -> bytearray:
    """Return the nodes that paths in the moral graph of `inside` join to `start`.

    Parameters
    ----------
    near : Neighbours
        The graph.
    start : iterable of int
        Where the paths start; not blocked.
    inside : bytearray
        1 for the nodes of the moral graph, a set that holds the parents of its members.
    blocked : bytearray
        1 for the nodes at which a path must end.

    Returns
    -------
    bytearray
        1 for the nodes that are met, blocked ones included.
    """
    parents, children, siblings = near
    stack = list(start)
    found = flags(len(inside), stack)
    opened = bytearray(len(inside))  # blocked nodes that were entered by an arrowhead
    while stack:
        node = stack.pop()
        collider = node < 0
        if collider:
            node = ~node
        for other in parents[node]:
            if not found[other]:
                found[other] = 1
                if not blocked[other]:
                    stack.append(other)
        entered = siblings[node]
        if not collider:
            entered = entered + children[node] if entered else children[node]
        for other in entered:
            if not inside[other]:
                continue
            if blocked[other]:
                if not opened[other]:
                    opened[other] = found[other] = 1
                    stack.append(~other)
            elif not found[other]:
                found[other] = 1
                stack.append(other)
    return found
