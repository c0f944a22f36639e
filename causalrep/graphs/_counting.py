"""How many DAGs an equivalence class has, and one of them at random, without listing them.

The undirected part of an essential graph falls into connected components that are directed
independently, each of them chordal. Clique-Picking [1]_ splits the ways to direct one by the clique
that comes first: a sum over maximal cliques of a factorial-like number times the counts of the parts
that are then still open. There are fewer than twice as many different parts as maximal cliques, so
with a table of parts the count, an exact integer, takes polynomial time, and so does drawing from the table.

Background knowledge leaves directed edges *inside* a component. To count is then #P-hard [1]_; such a
component is split by its source instead, with the same table, in time that may grow exponentially.

References
----------
.. [1] M. Wienöbst, M. Bannach, M. Liśkiewicz, "Polynomial-time algorithms for counting and sampling
   Markov equivalent DAGs with applications", JMLR 24, 2023, arXiv:2205.02654 (first at AAAI 2021,
   arXiv:2012.09679).
.. [2] Y. He, J. Jia, B. Yu, "Counting and exploring sizes of Markov equivalence classes of directed
   acyclic graphs", JMLR 16, 2015 (counting by the source).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import accumulate
from math import factorial, prod
from typing import NamedTuple

import numpy as np

from causalrep.graphs._chordal import clique_tree, components, parts_after
from causalrep.graphs._equivalence import PartialOrientation
from causalrep.graphs._store import EdgeStore

__all__ = ["OrientationTable"]


class Part(NamedTuple):
    """A connected set of nodes whose undirected edges are open, and the directed edges inside it."""

    nodes: frozenset[int]
    known: frozenset[tuple[int, int]] = frozenset()

    def renamed(self, names: list[int]) -> Part:
        """Return the part in which node i is called ``names[i]``."""
        known = frozenset((names[a], names[b]) for a, b in self.known)
        return Part(frozenset(names[v] for v in self.nodes), known)


@dataclass(frozen=True)
class Choice:
    """One way to begin: `head` first, in an order that has none of `prefixes` in front, then `rest`.

    `rest` holds what is then open, as parts in a possible order.
    """

    head: tuple[int, ...]
    prefixes: tuple[frozenset[int], ...]
    rest: tuple[Part, ...]

    def n_heads(self) -> int:
        """Return the number of orders of the head: proposition 3 of [1]_, prefixes nested."""
        counts: list[int] = []
        sizes = [*(len(prefix) for prefix in self.prefixes), len(self.head)]
        for i, size in enumerate(sizes):
            # Subtract the orders by the shortest prefix that they have.
            longer = sum(counts[j] * factorial(size - sizes[j]) for j in range(i))
            counts.append(factorial(size) - longer)
        return counts[-1]

    def draw_head(self, generator: np.random.Generator) -> list[int]:
        """Return one of the orders; at least half of all permutations are such, so few are refused."""
        while True:
            order = [self.head[i] for i in generator.permutation(len(self.head))]
            if all(prefix.difference(order[: len(prefix)]) for prefix in self.prefixes):
                return order


class OrientationTable:
    """The ways to direct what a graph closed under Meek's rules leaves open, counted.

    Parameters
    ----------
    store : EdgeStore
        Closed under the rules, and with a consistent extension.
    """

    def __init__(self, store: EdgeStore) -> None:
        self._graph = PartialOrientation.of(store)
        self._choices: dict[Part, list[Choice]] = {}
        self._bounds: dict[Part, list[int]] = {}  # running sums of what the choices count for
        self._counts: dict[Part, int] = {}
        self._parts = [part for part in _open_parts(self._graph, range(store.n_nodes)) if len(part.nodes) > 1]
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
        open_edges = ((a, b) for a, row in enumerate(self._graph.undecided) for b in row)
        return [(a, b) for a, b in open_edges if place[a] < place[b]]

    def _draw_order(self, part: Part, generator: np.random.Generator) -> list[int]:
        """Return the nodes of a part in the order of an orientation, every orientation equally likely."""
        order: list[int] = []
        waiting = [part]
        while waiting:
            now = waiting.pop()
            if now not in self._choices:
                order += self._tree_order(now, generator)
                continue
            drawn = _integer_below(self._counts[now], generator)
            choice = self._choices[now][bisect_right(self._bounds[now], drawn)]
            order += choice.draw_head(generator)
            waiting += reversed(choice.rest)
        return order

    def _tree_order(self, part: Part, generator: np.random.Generator) -> list[int]:
        names = sorted(part.nodes)
        order = [names[_integer_below(len(names), generator)]]
        seen = set(order)
        for v in order:
            new = (self._graph.adjacent[v] & part.nodes) - seen
            seen |= new
            order += sorted(new)
        return order

    def _fill(self, part: Part) -> None:
        """Count a part after all the parts that it leads to."""
        stack = [part]
        while stack:
            now = stack[-1]
            if now not in self._choices and now not in self._counts:
                n_edges = sum(len(self._graph.adjacent[v] & now.nodes) for v in now.nodes) // 2
                if n_edges == len(now.nodes) - 1 and not now.known:  # a tree: any node may be the source
                    self._counts[now] = len(now.nodes)
                else:
                    self._choices[now] = self._by_source(now) if now.known else self._by_clique(now)
            if now not in self._counts:
                rest = [part for choice in self._choices[now] for part in choice.rest]
                open_parts = [part for part in rest if part not in self._counts]
                if open_parts:
                    stack += open_parts
                    continue
                self._bounds[now] = list(accumulate(map(self._weight, self._choices[now])))
                self._counts[now] = self._bounds[now][-1]
            stack.pop()

    def _weight(self, choice: Choice) -> int:
        return choice.n_heads() * prod(self._counts[part] for part in choice.rest)

    def _by_clique(self, part: Part) -> list[Choice]:
        """Split by the maximal clique that is first; theorem 2 of [1]_ says how not to count twice.

        Of all cliques that an orientation could begin with, that nearest to the root of the clique tree
        is charged: the orders of another are those that do not begin with an intersection of two
        cliques that are neighbours on the way to it.
        """
        near = {v: self._graph.undecided[v] & part.nodes for v in part.nodes}
        cliques, parent = clique_tree(near, part.nodes)
        prefixes: list[tuple[frozenset[int], ...]] = []
        choices = []
        for clique, above in zip(cliques, parent, strict=True):
            shared = () if above < 0 else (*prefixes[above], clique & cliques[above])
            prefixes.append(tuple(sorted({s for s in shared if s <= clique}, key=len)))
            rest = tuple(Part(nodes) for nodes in parts_after(near, part.nodes, clique))
            choices.append(Choice(tuple(sorted(clique)), prefixes[-1], rest))
        return choices

    def _by_source(self, part: Part) -> list[Choice]:
        """Split by the node that has no parent in the part; every orientation has just one [2]_."""
        names = sorted(part.nodes)
        place = {v: i for i, v in enumerate(names)}
        here = self._graph.induced(names)
        for a, b in part.known:
            if place[b] in here.undecided[place[a]]:
                here.orient(place[a], place[b])
        choices = []
        for source in (i for i in range(len(names)) if not here.parents[i]):
            graph = here.induced(range(len(names)))
            for other in sorted(graph.undecided[source]):
                graph.orient_and_close(source, other)
            if not graph.parents[source]:
                others = [i for i in range(len(names)) if i != source]
                rest = tuple(part.renamed(names) for part in _open_parts(graph, others))
                choices.append(Choice((names[source],), (), rest))
        return choices


def _integer_below(bound: int, generator: np.random.Generator) -> int:
    """Return an integer in [0, bound), each equally likely, however large the bound."""
    n_bits = (bound - 1).bit_length()
    while True:
        found = int.from_bytes(generator.bytes((n_bits + 7) // 8), "little") & ((1 << n_bits) - 1)
        if found < bound:
            return found


def _open_parts(graph: PartialOrientation, nodes: Iterable[int]) -> list[Part]:
    """Return the parts that undecided edges connect, in an order that the directed edges allow.

    In a graph closed under Meek's rules an edge into one node of a part comes from outside only with
    edges into all of them, so between parts there is no directed cycle, and each is directed by itself.
    """
    found = components(graph.undecided, nodes)
    part_of = {v: i for i, part in enumerate(found) for v in part}
    behind = {
        i: sorted({part_of[p] for v in part for p in graph.parents[v] if p in part_of} - {i})
        for i, part in enumerate(found)
    }
    parts = []
    for i in TopologicalSorter(behind).static_order():
        known = ((a, b) for b in found[i] for a in graph.parents[b] & found[i])
        parts.append(Part(found[i], frozenset(known)))
    return parts
