"""The orientation rules R0 to R10 of FCI, on integer marks.

Adjacencies and a way to tell whether a node is in the set that separates two others are enough to find
every mark that all maximal ancestral graphs of the class share [1]_. The graph under change is a list of
mappings: ``marks[i][j]`` is the mark at j of the edge between i and j. Only circles are ever changed.

Where the rules speak of an uncovered path (one without three consecutive nodes of which the outer two
are adjacent), walks are searched, which may meet a node again: if an arrowhead pointed into the first
edge it would propagate along an uncovered walk just as along a path, so the rules stay sound, and
every path is a walk, so they stay complete.

References
----------
.. [1] J. Zhang, "On the completeness of orientation rules for causal discovery in the presence of
   latent confounders and selection bias", Artificial Intelligence 172, 2008,
   doi:10.1016/j.artint.2008.08.001.
.. [2] P. Spirtes, C. Meek, T. Richardson, "An algorithm for causal inference in the presence of latent
   variables and selection bias", in: Computation, Causation, and Discovery, 1999 (R0 to R4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations

from causalrep.graphs._store import ARROW, CIRCLE, TAIL, EdgeStore

__all__ = ["Marks", "apply_rules", "circles_on", "marks_of", "orient_colliders", "store_of_marks"]

#: ``marks[i][j]`` is the mark at j of the edge between i and j.
Marks = list[dict[int, int]]

#: Whether the third node is in the set that separates the first two; ``None`` where that is not known.
Oracle = Callable[[int, int, int], bool | None]

#: What a rule says: marks to set as (i, j, mark at j).
Decision = list[tuple[int, int, int]]


def marks_of(store: EdgeStore) -> Marks:
    """Return the marks of a store, to be changed."""
    marks: Marks = [{} for _ in range(store.n_nodes)]
    columns = (store.first, store.second, store.mark_first, store.mark_second)
    for i, j, at_i, at_j in zip(*(column.tolist() for column in columns), strict=True):
        marks[i][j], marks[j][i] = at_j, at_i
    return marks


def circles_on(n_nodes: int, pairs: Iterable[tuple[int, int]]) -> Marks:
    """Return circles at both ends of edges between these pairs."""
    marks: Marks = [{} for _ in range(n_nodes)]
    for i, j in pairs:
        marks[i][j] = marks[j][i] = CIRCLE
    return marks


def store_of_marks(marks: Marks) -> EdgeStore:
    """Return the marks as a store."""
    edges = [(i, j, marks[j][i], at_j) for i, row in enumerate(marks) for j, at_j in row.items() if i < j]
    return EdgeStore(len(marks), *([edge[k] for edge in edges] for k in range(4)))


def orient_colliders(marks: Marks, separates: Oracle) -> int:
    """Apply R0: an unshielded triple is a collider iff its middle is not in the separating set.

    Returns
    -------
    int
        Number of colliders.
    """
    n_colliders = 0
    for middle, row in enumerate(marks):
        for a, c in combinations(sorted(row), 2):
            if c not in marks[a] and not separates(a, c, middle):
                _set(marks, [(a, middle, ARROW), (c, middle, ARROW)])
                n_colliders += 1
    return n_colliders


def apply_rules(
    marks: Marks,
    separates: Oracle,
    *,
    selection: bool = True,
    open_triples: frozenset[tuple[int, int, int]] = frozenset(),
    stands: Callable[[list[int]], bool] | None = None,
) -> Counter[str]:
    """Apply R1 to R10 until none fires.

    Parameters
    ----------
    marks : list of dict
        ``marks[i][j]`` is the mark at j of the edge between i and j. Changed in place.
    separates : callable
        ``separates(a, c, b)`` tells whether b is in the set that separates a and c; asked by R4 only.
    selection : bool
        Whether edges can be undirected: without it R5 to R7, of which only R5 can begin, are left out.
    open_triples : frozenset of (int, int, int)
        Unshielded triples (end, middle, end), both ways round, of which it is not known whether they are
        colliders: no rule takes them for either.
    stands : callable, optional
        Asked of each discriminating path ``[q, ..., v, b, a]`` before R4 reads it; one that does not stand
        is left out.

    Returns
    -------
    Counter
        How often each rule fired.
    """
    rules = _Rules(marks, separates, open_triples, stands)
    fired: Counter[str] = Counter()
    tiers = [("R1", "R2", "R3"), ("R4",), ("R5",), ("R6", "R7"), ("R8",), ("R9", "R10")]
    if not selection:
        tiers = [tier for tier in tiers if tier not in (("R5",), ("R6", "R7"))]
    tier = 0
    while tier < len(tiers):
        before = fired.total()
        rules.run(tiers[tier], fired)
        # A cheap rule may have come to fire again; the dear ones wait until it has not.
        tier = 0 if fired.total() > before and tier else tier + 1
    return fired


def _set(marks: Marks, decision: Decision) -> list[int]:
    """Set those of the marks that are circles; return the ends of the edges that changed."""
    changed = []
    for i, j, mark in decision:
        if marks[i][j] == CIRCLE:
            marks[i][j] = mark
            changed += [i, j]
    return changed


class _Rules:
    """Each rule looks at one circle, at b on the edge between a and b, and says what it becomes."""

    def __init__(
        self,
        marks: Marks,
        separates: Oracle,
        open_triples: frozenset[tuple[int, int, int]],
        stands: Callable[[list[int]], bool] | None,
    ) -> None:
        self.marks = marks
        self.separates = separates
        self.open_triples = open_triples
        self.stands = stands
        self._cyclic: set[int] = set()
        self._n_changes = 0
        self._reached: dict[tuple[int, int], tuple[int, bytearray]] = {}
        self.by_name: dict[str, Callable[[int, int], Decision]] = {
            "R1": self._r1,
            "R2": self._r2,
            "R3": self._r3,
            "R4": self._r4,
            "R5": self._r5,
            "R6": self._r6,
            "R7": self._r7,
            "R8": self._r8,
            "R9": self._r9,
            "R10": self._r10,
        }

    def run(self, names: tuple[str, ...], fired: Counter[str]) -> None:
        """Apply these rules until none fires, at first to all circles, then to those near a change."""
        marks = self.marks
        frontier = [(a, b) for b in range(len(marks)) for a in sorted(marks[b])]
        if "R5" in names:
            self._cyclic = _uncovered_cycles_lie_in(marks)
        while frontier:
            touched: dict[int, None] = {}
            for a, b in frontier:
                for name in names:
                    if marks[a][b] != CIRCLE:
                        break
                    changed = _set(marks, self.by_name[name](a, b))
                    if changed:
                        self._n_changes += 1
                        fired[name] += 1
                        touched.update(dict.fromkeys(changed))
            near = ((other, node) for node in touched for other in sorted(marks[node]))
            frontier = list(dict.fromkeys(edge for a, b in near for edge in ((a, b), (b, a))))

    def _into(self, node: int) -> Iterator[int]:
        """Yield the neighbours with an arrowhead at `node`."""
        return (other for other in self.marks[node] if self.marks[other][node] == ARROW)

    def _points(self, i: int, j: int) -> bool:
        """Return whether i -> j."""
        return self.marks[i].get(j) == ARROW and self.marks[j][i] == TAIL

    def _may_point(self, i: int, j: int) -> bool:
        """Return whether the edge may turn out to be i -> j."""
        return self.marks[j][i] != ARROW and self.marks[i][j] != TAIL

    def _passes(self, a: int, b: int, c: int) -> bool:
        """Return whether a and c, neighbours of b, are not adjacent and b is known to be no collider.

        What R0 left without arrowheads is none, but for the triples that it left open.
        """
        return c not in self.marks[a] and (a, b, c) not in self.open_triples

    def _r1(self, a: int, b: int) -> Decision:
        """Apply R1: c *-> b o-* a with a and c not adjacent: b -> a."""
        if any(c != a and self._passes(c, b, a) for c in self._into(b)):
            return [(a, b, TAIL), (b, a, ARROW)]
        return []

    def _r2(self, a: int, b: int) -> Decision:
        """Apply R2: a -> c *-> b, or a *-> c -> b: a *-> b."""
        for c in self._into(b):
            if self.marks[a].get(c) == ARROW and TAIL in (self.marks[c][a], self.marks[b][c]):
                return [(a, b, ARROW)]
        return []

    def _r3(self, a: int, b: int) -> Decision:
        """Apply R3: c *-> b <-* d, c *-o a o-* d, with c and d not adjacent: a *-> b."""
        spokes = [c for c in self._into(b) if self.marks[c].get(a) == CIRCLE]
        if any(self._passes(c, a, d) for c, d in combinations(spokes, 2)):
            return [(a, b, ARROW)]
        return []

    def _r4(self, a: int, b: int) -> Decision:
        """Apply R4: <q, ..., v, b, a> discriminates b; if b separates q and a: b -> a, else v <-> b <-> a."""
        marks = self.marks
        came_from: dict[int, int] = {}
        for v in sorted(marks[b]):
            if v in came_from or marks[b][v] != ARROW or not self._points(v, a):
                continue
            came_from[v] = b
            queue = [v]
            for node in queue:  # grows while it is read: breadth first
                for q in sorted(self._into(node)):
                    if q in (a, b) or q in came_from:
                        continue
                    if q not in marks[a]:
                        if self.stands is not None and not self.stands(_path([q, node], came_from, a)):
                            continue
                        inside = self.separates(q, a, b)
                        if inside:
                            return [(a, b, TAIL), (b, a, ARROW)]
                        if inside is not None:
                            return [(a, b, ARROW), (b, a, ARROW), (v, b, ARROW)]
                    elif self._points(q, a) and marks[node][q] == ARROW:
                        came_from[q] = node
                        queue.append(q)
        return []

    def _r5(self, a: int, b: int) -> Decision:
        """Apply R5: a o-o b closes an uncovered path of circles <a, c, ..., d, b>: all are tails."""
        marks = self.marks
        if marks[b][a] != CIRCLE or not self._cyclic >= {a, b}:
            return []

        def is_circle(i: int, j: int) -> bool:
            return marks[i][j] == marks[j][i] == CIRCLE

        start = [c for c in sorted(marks[a]) if c != b and self._passes(c, a, b) and is_circle(a, c)]
        came = {(a, c): (-1, a) for c in start}
        queue = list(came)
        for before, node in queue:  # grows while it is read: breadth first
            for after in sorted(marks[node]):
                step = (node, after)
                if after == before or step in came or not is_circle(*step):
                    continue
                if not self._passes(before, node, after):
                    continue
                came[step] = (before, node)
                if after != b:
                    queue.append(step)
                elif self._passes(node, b, a):
                    return [(a, b, TAIL), (b, a, TAIL), *_undirected(came, step)]
        return []

    def _r6(self, a: int, b: int) -> Decision:
        """Apply R6: c -- b o-* a: the circle is a tail."""
        marks = self.marks
        return [(a, b, TAIL)] if any(marks[c][b] == marks[b][c] == TAIL for c in marks[b]) else []

    def _r7(self, a: int, b: int) -> Decision:
        """Apply R7: c --o b o-* a with a and c not adjacent: the circle is a tail."""
        marks = self.marks
        for c in marks[b]:
            if c != a and marks[c][b] == CIRCLE and marks[b][c] == TAIL and self._passes(c, b, a):
                return [(a, b, TAIL)]
        return []

    def _r8(self, a: int, b: int) -> Decision:
        """Apply R8: b o-> a beside b -> c -> a or b --o c -> a: b -> a."""
        marks = self.marks
        if marks[b][a] != ARROW:
            return []
        for c in marks[b]:
            if c != a and marks[c][b] == TAIL and marks[b][c] in (ARROW, CIRCLE) and self._points(c, a):
                return [(a, b, TAIL)]
        return []

    def _r9(self, a: int, b: int) -> Decision:
        """Apply R9: b o-> a, uncovered <b, c, ..., a> may be directed, c and a not adjacent: b -> a."""
        if self.marks[b][a] != ARROW:
            return []
        start = [c for c in sorted(self.marks[b]) if c != a and self._passes(c, b, a)]
        if any(self._may_lead(b, c, [a]) for c in start if self._may_point(b, c)):
            return [(a, b, TAIL)]
        return []

    def _r10(self, a: int, b: int) -> Decision:
        """Apply R10: b o-> a, two such paths, begun by nodes not adjacent, end in parents of a: b -> a."""
        marks = self.marks
        if marks[b][a] != ARROW:
            return []
        parents = [c for c in marks[a] if c != b and self._points(c, a)]
        start = [c for c in sorted(marks[b]) if c != a and self._may_point(b, c)] if parents else []
        for c, d in combinations(start, 2):
            if self._passes(c, b, d) and self._may_lead(b, c, parents) and self._may_lead(b, d, parents):
                return [(a, b, TAIL)]
        return []

    def _may_lead(self, start: int, first: int, targets: list[int]) -> bool:
        """Return whether an uncovered walk that begins with this step may be directed to a target.

        What was reached once is kept, a bit per node. Marks only ever bar ways: what was out of reach
        stays so, and the rest is looked at again if anything has changed.
        """
        key = start, first
        when, bits = self._reached.get(key, (-1, None))
        if bits is None or (when < self._n_changes and _meets(bits, targets)):
            bits = self._reach(*key)
            self._reached[key] = self._n_changes, bits
        return _meets(bits, targets)

    def _reach(self, start: int, first: int) -> bytearray:
        marks, open_triples = self.marks, self.open_triples
        bits = bytearray(len(marks) // 8 + 1)
        stack = [(start, first)]
        seen = set(stack)
        while stack:
            before, node = stack.pop()
            bits[node >> 3] |= 1 << (node & 7)
            near = marks[before]
            for after, at_after in marks[node].items():
                if at_after == TAIL or after == before or after in near or marks[after][node] == ARROW:
                    continue
                step = (node, after)
                if step not in seen and not (open_triples and (before, *step) in open_triples):
                    seen.add(step)
                    stack.append(step)
        return bits


def _meets(bits: bytearray, nodes: list[int]) -> bool:
    return any(bits[node >> 3] >> (node & 7) & 1 for node in nodes)


def _path(start: list[int], came_from: Mapping[int, int], end: int) -> list[int]:
    """Return the nodes from `start` back along `came_from`, and `end`."""
    path = list(start)
    while path[-1] in came_from:
        path.append(came_from[path[-1]])
    return [*path, end]


def _undirected(came: dict[tuple[int, int], tuple[int, int]], step: tuple[int, int]) -> Decision:
    """Return tails for all edges of the walk that ends with `step`."""
    found: Decision = []
    while step in came:
        i, j = step
        found += [(i, j, TAIL), (j, i, TAIL)]
        step = came[step]
    return found


def _uncovered_cycles_lie_in(marks: Marks) -> set[int]:
    """Return nodes without which no uncovered cycle of circles can be: none, if it cannot be at all.

    A node whose neighbours by circles are adjacent to each other is in no such cycle, and may go.
    """
    near = [
        {j for j, at_j in row.items() if at_j == CIRCLE and marks[j][i] == CIRCLE}
        for i, row in enumerate(marks)
    ]
    left = {i for i, row in enumerate(near) if row}
    queue = sorted(left)
    while queue:
        node = queue.pop()
        if node in left and all(c in marks[d] for c, d in combinations(near[node], 2)):
            left.remove(node)
            for other in near[node]:
                near[other].remove(node)
            queue += sorted(near[node])
    return left
