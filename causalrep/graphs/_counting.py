"""How many DAGs an equivalence class has, and one of them at random, without listing them.

The undirected part of an essential graph falls into connected components that are directed
independently, each of them chordal. Clique-Picking [1]_ splits the ways to direct one by the clique
that comes first: a sum over maximal cliques of a factorial-like number times the counts of the parts
that are then still open. There are fewer than twice as many different parts as maximal cliques, so
with a table of parts the count, an exact integer, takes polynomial time, and so does drawing from the
table.

Background knowledge leaves directed edges *inside* a component. The same split holds for the ways
that agree with it: choices that put a known effect before its cause drop out, and of the orders of a
clique those count that agree. To count these is #P-hard in general, and so is the whole problem
[1]_; the time is polynomial but for the nodes of one clique that knowledge ties together.

References
----------
.. [1] M. Wienöbst, M. Bannach, M. Liśkiewicz, "Polynomial-time algorithms for counting and sampling
   Markov equivalent DAGs with applications", JMLR 24, 2023, arXiv:2205.02654 (first at AAAI 2021,
   arXiv:2012.09679).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from math import prod

import numpy as np

from causalrep.graphs._chordal import clique_tree, components, parts_after
from causalrep.graphs._orders import Orders, integer_below
from causalrep.graphs._store import ARROW, TAIL, EdgeStore

__all__ = ["OrientationTable"]


@dataclass(frozen=True)
class Choice:
    """One way to begin: `head` first, in an order that has none of `prefixes` in front, then `rest`.

    The prefixes are nested, the shortest first. `rest` holds the parts that are then open, in a
    possible order.
    """

    head: frozenset[int]
    prefixes: tuple[frozenset[int], ...]
    rest: tuple[frozenset[int], ...]


class OrientationTable:
    """The ways to direct what a graph closed under Meek's rules leaves open, counted.

    Parameters
    ----------
    store : EdgeStore
        Closed under the rules, and with a consistent extension.
    """

    def __init__(self, store: EdgeStore) -> None:
        self._adjacent = [set(row) for row in store.lists(None, None)]
        self._parents = [set(row) for row in store.lists(ARROW, TAIL)]
        self._open_edges = store.pairs(TAIL, TAIL)
        self._orders = Orders(self._parents)
        self._choices: dict[frozenset[int], list[Choice]] = {}
        self._bounds: dict[frozenset[int], list[int]] = {}  # running sums of what the choices count for
        self._counts: dict[frozenset[int], int] = {}
        # An edge from outside enters all of such a part or none of it, so each is directed by itself.
        open_parts = components(store.lists(TAIL, TAIL), range(store.n_nodes))
        self._parts = [part for part in open_parts if len(part) > 1]
        for part in self._parts:
            self._fill(part)

    @property
    def count(self) -> int:
        """Number of consistent extensions."""
        return prod(self._counts[part] for part in self._parts)

    def draw(self, generator: np.random.Generator) -> list[tuple[int, int]]:
        """Return directions for the undirected edges, every consistent choice equally likely."""
        place: dict[int, int] = {}
        for part in self._parts:
            place |= {v: i for i, v in enumerate(self._draw_order(part, generator))}
        return [(a, b) if place[a] < place[b] else (b, a) for a, b in self._open_edges]

    # The table

    def _fill(self, part: frozenset[int]) -> None:
        """Count a part after all the parts that it leads to."""
        stack = [part]
        while stack:
            now = stack[-1]
            if now not in self._counts and self._is_free_tree(now):
                self._counts[now] = len(now)  # any node may be the source
            if now not in self._counts:
                if now not in self._choices:
                    self._choices[now] = self._split(now)
                uncounted = [p for choice in self._choices[now] for p in choice.rest if p not in self._counts]
                if uncounted:
                    stack += uncounted
                    continue
                self._bounds[now] = list(accumulate(map(self._weight, self._choices[now])))
                self._counts[now] = self._bounds[now][-1]
            stack.pop()

    def _is_free_tree(self, part: frozenset[int]) -> bool:
        n_ends = sum(len(self._adjacent[v] & part) for v in part)
        return n_ends == 2 * (len(part) - 1) and all(self._parents[v].isdisjoint(part) for v in part)

    def _split(self, part: frozenset[int]) -> list[Choice]:
        """Split by the maximal clique that is first; theorem 2 of [1]_ says how not to count twice.

        Of all cliques that an orientation could begin with, that nearest to the root of the clique tree
        is charged: the orders of another are those that do not begin with an intersection of two
        cliques that are neighbours on the way to it.
        """
        near = {v: self._adjacent[v] & part for v in part}
        known = [(a, b) for b in part for a in self._parents[b] & part]
        cliques, parent = clique_tree(near, part)
        prefixes: list[tuple[frozenset[int], ...]] = []
        choices = []
        for clique, above in zip(cliques, parent, strict=True):
            shared = () if above < 0 else (*prefixes[above], clique & cliques[above])
            prefixes.append(tuple(sorted({s for s in shared if s <= clique}, key=len)))
            rest = tuple(parts_after(near, part, clique))
            if known:
                place = {v: i for i, block in enumerate((clique, *rest)) for v in block}
                if any(place[a] > place[b] for a, b in known):
                    continue
            choices.append(Choice(clique, prefixes[-1], rest))
        return choices

    def _weight(self, choice: Choice) -> int:
        return self._n_heads(choice) * prod(self._counts[part] for part in choice.rest)

    def _n_heads(self, choice: Choice) -> int:
        """Return the number of orders of the head: proposition 3 of [1]_, for orders that agree."""
        sets = [*choice.prefixes, choice.head]
        counts: list[int] = []
        for whole in sets:
            total = self._orders.count(whole)
            # Take away those with a prefix, by the shortest that they have.
            for count, prefix in zip(counts, sets, strict=False):
                if count and self._orders.may_lead(prefix, whole - prefix):
                    total -= count * self._orders.count(whole - prefix)
            counts.append(total)
        return counts[-1]

    # Drawing from it

    def _draw_order(self, part: frozenset[int], generator: np.random.Generator) -> list[int]:
        """Return the nodes of a part in the order of an orientation, every orientation equally likely."""
        order: list[int] = []
        waiting = [part]
        while waiting:
            now = waiting.pop()
            if now not in self._choices:
                order += self._draw_tree(now, generator)
                continue
            drawn = integer_below(self._counts[now], generator)
            choice = self._choices[now][bisect_right(self._bounds[now], drawn)]
            order += self._draw_head(choice, generator)
            waiting += reversed(choice.rest)
        return order

    def _draw_head(self, choice: Choice, generator: np.random.Generator) -> list[int]:
        """Draw orders until one has no prefix; without knowledge at least half of all have none."""
        while True:
            order = self._orders.draw(choice.head, generator)
            if all(prefix.difference(order[: len(prefix)]) for prefix in choice.prefixes):
                return order

    def _draw_tree(self, part: frozenset[int], generator: np.random.Generator) -> list[int]:
        order = [sorted(part)[integer_below(len(part), generator)]]
        seen = set(order)
        for v in order:
            new = (self._adjacent[v] & part) - seen
            seen |= new
            order += sorted(new)
        return order
