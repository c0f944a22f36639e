"""Orders of a few nodes that agree with known pairs: how many, and one at random."""

from __future__ import annotations

from collections.abc import Sequence, Set
from math import factorial

import numpy as np

from causalrep.graphs._chordal import components

__all__ = ["Orders", "integer_below"]


class Orders:
    """The orders of node sets in which known causes come before their effects.

    Sets of nodes that nothing known ties together are ordered independently, so the work grows with the
    sets that are tied: for those it is that of listing what can come first, which may be exponential.

    Parameters
    ----------
    causes : sequence of set of int
        For each node those that must come before it.
    """

    def __init__(self, causes: Sequence[Set[int]]) -> None:
        self._causes = causes
        self._tied_with: list[set[int]] = [set(row) for row in causes]
        for effect, row in enumerate(causes):
            for cause in row:
                self._tied_with[cause].add(effect)
        self._counts: dict[frozenset[int], int] = {}

    def may_lead(self, first: Set[int], rest: Set[int]) -> bool:
        """Return whether no node of `first` must come after one of `rest`."""
        return all(self._causes[v].isdisjoint(rest) for v in first)

    def count(self, nodes: Set[int]) -> int:
        """Return the number of orders."""
        total = factorial(len(nodes))
        for tied in self._tied(nodes):
            if tied not in self._counts:
                self._counts[tied] = self._count_tied(tied)
            total = total // factorial(len(tied)) * self._counts[tied]
        return total

    def _tied(self, nodes: Set[int]) -> list[frozenset[int]]:
        """Return the sets of two or more nodes that known pairs connect."""
        bound = sorted(v for v in nodes if not self._tied_with[v].isdisjoint(nodes))
        return components(self._tied_with, bound)

    def _count_tied(self, nodes: frozenset[int]) -> int:
        """Follow all orders at once: what may be left after each step, and in how many ways."""
        ways = {nodes: 1}
        for _ in nodes:
            after: dict[frozenset[int], int] = {}
            for left, count in ways.items():
                for v in left:
                    if self._causes[v].isdisjoint(left):
                        rest = left - {v}
                        after[rest] = after.get(rest, 0) + count
            ways = after
        return ways.get(frozenset(), 0)

    def draw(self, nodes: Set[int], generator: np.random.Generator) -> list[int]:
        """Return one of the orders, each equally likely."""
        names = sorted(nodes)
        order = [names[i] for i in generator.permutation(len(names))]
        for tied in self._tied(nodes):
            places = [i for i, v in enumerate(order) if v in tied]
            for i, v in zip(places, self._draw_tied(tied, generator), strict=True):
                order[i] = v
        return order

    def _draw_tied(self, left: frozenset[int], generator: np.random.Generator) -> list[int]:
        order = []
        while left:
            drawn = integer_below(self.count(left), generator)
            for v in sorted(left):
                if self._causes[v].isdisjoint(left):
                    drawn -= self.count(left - {v})
                    if drawn < 0:
                        break
            order.append(v)
            left -= {v}
        return order


def integer_below(bound: int, generator: np.random.Generator) -> int:
    """Return an integer in [0, bound), each equally likely, however large the bound."""
    n_bits = (bound - 1).bit_length()
    while True:
        found = int.from_bytes(generator.bytes((n_bits + 7) // 8), "little") & ((1 << n_bits) - 1)
        if found < bound:
            return found
