"""From adjacencies to the directions of a PDAG: what is known, then colliders, then what follows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from causalrep.discovery._conflicts import Collider, Conflict, disputed_heads, overruled
from causalrep.discovery._evidence import Evidence
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._skeleton import Skeleton
from causalrep.graphs import PAG, PDAG
from causalrep.graphs._equivalence import meek_closure
from causalrep.graphs._store import ARROW, CIRCLE, TAIL, EdgeStore

__all__ = ["PdagDraft"]


class PdagDraft:
    """Directions under construction: which edges are directed so far, and what was left out.

    Attributes
    ----------
    conflicts : list of Conflict
        What the data say and the directions do not.
    ambiguous : list of (int, int, int)
        The triples (end, middle, end) that the evidence leaves open.
    disputed : set of (int, int)
        Edges, both ways round, on which two colliders want opposite heads and neither gets its way.
    """

    def __init__(self, skeleton: Skeleton, constraints: Constraints, names: Sequence[Hashable]) -> None:
        self._pvalues, self._constraints, self._names = skeleton.pvalues, constraints, names
        self._adjacency, self._kept = skeleton.adjacency.copy(), skeleton.kept
        self._children: list[set[int]] = [set() for _ in names]
        self._known: frozenset[tuple[int, int]] = frozenset()
        self.conflicts: list[Conflict] = []
        self.ambiguous: list[tuple[int, int, int]] = []
        self.disputed: set[tuple[int, int]] = set()

    def apply_knowledge(self) -> None:
        """Direct what is known, required and well supported edges first; leave out what closes a cycle."""
        for i, j in self._kept.tolist():
            self._report("required", (i, j), self._pvalues[i, j])
        known = np.argwhere(self._constraints.directions & self._adjacency)
        i, j = known.T
        order = np.lexsort((j, i, self._pvalues[i, j], ~self._constraints.required[i, j]))
        for cause, effect in known[order].tolist():
            if self._reaches(effect, {cause}):
                self._report("cycle", (cause, effect), self._pvalues[cause, effect])
                self._adjacency[cause, effect] = self._adjacency[effect, cause] = False
            else:
                self._children[cause].add(effect)
        self._known = frozenset((i, j) for i, row in enumerate(self._children) for j in row)

    def place_colliders(self, evidence: Evidence, policy: str) -> None:
        """Direct the colliders that `evidence` shows, where they contradict each other by `policy`."""
        found = list(self._colliders(evidence))
        if policy in ("first", "overwrite"):
            found.sort(key=lambda one: (one.i, one.j, one.k))
        if policy in ("mark", "bidirected"):
            found = list(self._not_against_arrows(found))
            if policy == "mark":
                found = self._not_overruled(found)
            self.disputed = disputed_heads(found)
        placed: dict[tuple[int, int], list[Collider]] = {}
        for one in found:
            if policy == "overwrite":
                self._take_back(one, placed)
            for head in one.heads if self._place(one) else ():
                placed.setdefault(head, []).append(one)

    def _colliders(self, evidence: Evidence) -> Iterable[Collider]:
        """Yield the colliders, the best supported first, and note the triples that stay open."""
        near: list[set[int]] = [set() for _ in self._names]
        for i, k in np.argwhere(self._adjacency).tolist():
            near[i].add(k)
        rows = evidence.order()
        ordered = (column[rows].tolist() for column in (evidence.pairs, evidence.sets, evidence.unsure))
        for row, (i, j), separating, unsure in zip(rows, *ordered, strict=True):
            for k in sorted(near[i] & near[j]):
                if k in unsure:
                    self.ambiguous.append((i, k, j))
                elif k not in separating:
                    yield Collider(i, k, j, float(evidence.pvalues[row]))

    def _not_against_arrows(self, colliders: Iterable[Collider]) -> Iterable[Collider]:
        """Yield the colliders that no arrow or path stands against so far, and report the others."""
        for one in colliders:
            against = self._path_against(one)
            if against is None:
                yield one
            else:
                self._report("collider", one[:3], one.pvalue, against)

    def _not_overruled(self, colliders: list[Collider]) -> list[Collider]:
        left = []
        for one, against in zip(colliders, overruled(colliders), strict=True):
            if against is None:
                left.append(one)
            else:
                self._report("collider", one[:3], one.pvalue, against)
        return left

    def _take_back(self, one: Collider, placed: dict[tuple[int, int], list[Collider]]) -> None:
        """Remove arrows of earlier colliders that point the other way than those of this one."""
        for head in one.heads:
            cause, effect = head[::-1]
            if effect in self._children[cause] and (cause, effect) not in self._known:
                self._children[cause].remove(effect)
                for lost in placed.pop((cause, effect), ()):
                    self._report("collider", lost[:3], lost.pvalue, head)

    def _place(self, one: Collider) -> bool:
        against = self._path_against(one)
        if against is not None:
            self._report("collider", one[:3], one.pvalue, against)
            return False
        for head in one.heads:
            if head in self.disputed:
                self._report("collider", one[:3], one.pvalue, head[::-1])
            else:
                self._children[head[0]].add(head[1])
        return True

    def _path_against(self, one: Collider) -> tuple[int, int] | None:
        """Return the ends of an arrow or longer path with which a head of the collider would be a cycle."""
        for end, k in one.heads:
            if (end, k) not in self.disputed and self._reaches(k, {end}):
                return k, end
        return None

    def close(self) -> None:
        """Apply Meek's rules; of open triples nothing is known, and disputed edges say and get nothing."""
        both_ways = frozenset(way for triple in self.ambiguous for way in (triple, triple[::-1]))
        closed = meek_closure(self._store(range(len(self._names)), disputed=ARROW), both_ways)
        for i, j in closed.pairs(TAIL, ARROW):
            self._children[i].add(j)

    def graph(self, nodes: Sequence[Hashable], policy: str) -> PDAG | PAG:
        """Return the directions on nodes in this order.

        Disputed edges are undirected, or, under ``"bidirected"``, have two heads; then the graph is a `PAG`,
        whose circles are what is open.
        """
        position = {node: k for k, node in enumerate(nodes)}
        place = [position[name] for name in self._names]
        if policy == "bidirected" and self.disputed:
            return PAG._build(tuple(nodes), self._store(place, disputed=ARROW, undirected=CIRCLE))
        return PDAG._build(tuple(nodes), self._store(place, disputed=TAIL))

    def _store(self, place: Sequence[int], *, disputed: int, undirected: int = TAIL) -> EdgeStore:
        """Return the edges with node k numbered ``place[k]``, and these marks on those without direction."""
        edges = [(i, j, TAIL, ARROW) for i, row in enumerate(self._children) for j in sorted(row)]
        for i, j in np.argwhere(np.triu(self._adjacency)).tolist():
            if j not in self._children[i] and i not in self._children[j]:
                mark = disputed if (i, j) in self.disputed else undirected
                edges.append((i, j, mark, mark))
        ends = [[place[edge[side]] for edge in edges] for side in (0, 1)]
        return EdgeStore(len(self._names), *ends, *([edge[side] for edge in edges] for side in (2, 3)))

    def _reaches(self, start: int, targets: set[int]) -> bool:
        """Say whether a directed path leads from `start` to one of `targets`."""
        seen, stack = {start}, [start]
        while stack:
            new = self._children[stack.pop()] - seen
            if not new.isdisjoint(targets):
                return True
            seen |= new
            stack.extend(new)
        return False

    def _report(
        self, kind: str, nodes: tuple[int, ...], pvalue: float, against: tuple[int, ...] = ()
    ) -> None:
        named, opposed = (tuple(self._names[k] for k in part) for part in (nodes, against))
        self.conflicts.append(Conflict(kind, named, None if np.isnan(pvalue) else float(pvalue), opposed))
