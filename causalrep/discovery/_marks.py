"""From adjacencies to the marks of a PAG: what is known, then colliders, then the rules."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from causalrep.discovery._conflicts import Conflict
from causalrep.discovery._evidence import Evidence
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._skeleton import Skeleton
from causalrep.graphs import PAG
from causalrep.graphs._fci_rules import apply_rules, circles_on
from causalrep.graphs._store import ARROW, CIRCLE, MARKS, TAIL
from causalrep.utils import CycleError

__all__ = ["PagDraft"]

_KINDS = {marks: kind for kind, marks in MARKS.items()}


class PagDraft:
    """Marks under construction, and what was left out.

    Attributes
    ----------
    marks : list of dict
        ``marks[i][j]`` is the mark at j of the edge between i and j.
    conflicts : list of Conflict
        What the data say and the marks do not.
    ambiguous : list of (int, int, int)
        The triples (end, middle, end) that the evidence leaves open.
    """

    def __init__(self, skeleton: Skeleton, constraints: Constraints, names: Sequence[Hashable]) -> None:
        self.names, self.constraints, self.skeleton = names, constraints, skeleton
        pairs = ((i, j) for i, j in np.argwhere(np.triu(skeleton.adjacency)).tolist())
        self.marks = circles_on(len(names), pairs)
        self.conflicts: list[Conflict] = []
        self.ambiguous: list[tuple[int, int, int]] = []
        self._separating: dict[tuple[int, int], set[int]] = {}
        self._unsure: dict[tuple[int, int], set[int]] = {}
        for pair, members in zip(skeleton.pairs.tolist(), skeleton.sets.tolist(), strict=True):
            self._separating[pair[0], pair[1]] = set(members)

    def apply_knowledge(self) -> None:
        """Mark what is known: an arrowhead at what is no cause, a tail at a required cause."""
        for i, j in self.skeleton.kept.tolist():
            pvalue = float(self.skeleton.pvalues[i, j])
            self.conflicts.append(Conflict("required", (self.names[i], self.names[j]), pvalue))
        for i, j in np.argwhere(self.constraints.forbidden).tolist():
            if j in self.marks[i]:
                self.marks[j][i] = ARROW
        for i, j in np.argwhere(self.constraints.required).tolist():
            self.marks[i][j], self.marks[j][i] = ARROW, TAIL

    def place_colliders(self, evidence: Evidence) -> None:
        """Mark the colliders that `evidence` shows, the best supported first."""
        for row in evidence.order():
            i, j = evidence.pairs[row].tolist()
            separating, unsure = (set(column[row].tolist()) for column in (evidence.sets, evidence.unsure))
            self._separating[i, j], self._unsure[i, j] = separating, unsure - {-1}
            for k in sorted(self.marks[i].keys() & self.marks[j].keys()):
                if k in unsure:
                    self.ambiguous.append((i, k, j))
                elif k not in separating:
                    self._place(i, k, j, float(evidence.pvalues[row]))

    def _place(self, i: int, k: int, j: int, pvalue: float) -> None:
        for end in (i, j):
            if self.marks[end][k] == TAIL:  # by knowledge
                nodes = (self.names[i], self.names[k], self.names[j])
                self.conflicts.append(Conflict("collider", nodes, pvalue, (self.names[k], self.names[end])))
                return
        self.marks[i][k] = self.marks[j][k] = ARROW

    def apply_rules(self, *, selection: bool, stands: Callable[[list[int]], bool] | None = None) -> None:
        """Apply the rules R1 to R10; R5 to R7 only with `selection`."""
        open_triples = frozenset(way for triple in self.ambiguous for way in (triple, triple[::-1]))
        apply_rules(
            self.marks, self._separates, selection=selection, open_triples=open_triples, stands=stands
        )

    def _separates(self, a: int, c: int, b: int) -> bool | None:
        pair = min(a, c), max(a, c)
        return None if b in self._unsure.get(pair, ()) else b in self._separating.get(pair, ())

    def graph(self, nodes: Sequence[Hashable]) -> PAG:
        """Return the PAG on nodes in this order.

        Where the tests contradict each other so that directed edges form a cycle, the edges of the cycle
        get circles, and the conflict is recorded.
        """
        while True:
            edges = [
                (self.names[i], _KINDS[self.marks[j][i], mark], self.names[j])
                for i, row in enumerate(self.marks)
                for j, mark in row.items()
                if i < j
            ]
            try:
                return PAG(edges, nodes)
            except CycleError as error:
                self._loosen(list(error.cycle))

    def _loosen(self, cycle: list[Hashable]) -> None:
        self.conflicts.append(Conflict("cycle", tuple(cycle), None))
        position = {name: k for k, name in enumerate(self.names)}
        members = [position[name] for name in cycle]
        for i, j in zip(members, members[1:] + members[:1], strict=True):
            self.marks[i][j] = self.marks[j][i] = CIRCLE
