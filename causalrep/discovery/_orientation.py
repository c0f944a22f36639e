"""From adjacencies to directions: what is known, then colliders, then what follows.

An unshielded triple i - k - j (i and j not adjacent) is a collider i -> k <- j exactly when k is in no
set that separates i and j, and not one when k is in all of them. One separating set therefore decides;
on a sample the sets may disagree, and the choice of the set is the choice of the rule. All triples are
decided first, from recorded evidence, and then placed in order of falling evidence. One that
contradicts knowledge or what is already placed is left out and reported. Ties go by name, so the
result does not depend on the order of the variables.

References
----------
P. Spirtes, C. Glymour, R. Scheines, Causation, Prediction, and Search, 2nd ed., MIT Press, 2000,
section 5.4.2.
J. Ramsey, Improving accuracy and scalability of the PC algorithm by maximizing p-value,
arXiv:1610.00378 (2016) (rule "max_p").
C. Meek, Causal inference and causal explanation with background knowledge, UAI 1995, arXiv:1302.4972.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._search import CanonicalTest, Ints, Winners, neighbourhood_questions, weakest_tests
from causalrep.discovery._skeleton import Skeleton
from causalrep.graphs import CPDAG, PDAG
from causalrep.utils import GraphError

__all__ = ["Conflict", "Evidence", "max_p_evidence", "orient_edges", "recorded_evidence"]

_LARGEST_SET = 4


@dataclass(frozen=True)
class Conflict:
    """Something that the data say and the returned graph does not.

    Attributes
    ----------
    kind : {"required", "direction", "collider", "extension"}
        ``"required"``: an edge is kept only because it is required. ``"direction"``: known directions
        form a cycle with the adjacencies found, so this edge stays undirected. ``"collider"``: the
        triple ``nodes`` looks like a collider with the middle node as the effect, but `against` says
        otherwise. ``"extension"``: no DAG has the adjacencies, colliders and directions found; ``nodes``
        are ends of edges that stay undirected.
    nodes : tuple of hashable
        The two ends of an edge, a triple, or more.
    pvalue : float or None
        Of the test that is the evidence, where there is one.
    against : tuple of hashable
        The edge (cause, effect) that stands against it; empty where there is no such edge.
    """

    kind: str
    nodes: tuple[Hashable, ...]
    pvalue: float | None
    against: tuple[Hashable, ...] = ()


class Evidence(NamedTuple):
    """What separates pairs: arrays of shapes (m, 2), (m, k) padded with -1, and (m,)."""

    pairs: Ints
    sets: Ints
    pvalues: NDArray[np.float64]


def recorded_evidence(skeleton: Skeleton) -> Evidence:
    """Return what the search recorded for each pair with common neighbours (rule ``"standard"``)."""
    near = skeleton.adjacency.astype(np.float32)
    i, j = skeleton.pairs.T
    common = (near @ near)[i, j] > 0
    return Evidence(skeleton.pairs[common], skeleton.sets[common], skeleton.pvalues[i, j][common])


def max_p_evidence(
    test: CanonicalTest, skeleton: Skeleton, constraints: Constraints, max_cond: int | None
) -> tuple[Evidence, tuple[int, ...], int]:
    """Return for each pair with common neighbours the set with the largest p-value (rule ``"max_p"``).

    Pairs that were never tested have no evidence. Considered are all sets of up to four neighbours, in
    the finished skeleton, of either end, and the recorded set, which may be larger.

    Returns
    -------
    evidence : Evidence
    n_tests : tuple of int
        Per set size.
    n_untestable : int
    """
    recorded = recorded_evidence(skeleton)
    wanted = np.zeros_like(skeleton.adjacency)
    wanted[recorded.pairs[:, 0], recorded.pairs[:, 1]] = True
    wanted |= wanted.T
    largest = min(_LARGEST_SET, test.test.max_cond, _LARGEST_SET if max_cond is None else max_cond)
    found = [
        weakest_tests(test, neighbourhood_questions(skeleton.adjacency, wanted, size, constraints.tier), size)
        for size in range(largest + 1)
    ]
    counts = tuple(part.n_tests for part in found)
    return _strongest(recorded, found), counts, sum(part.n_untestable for part in found)


def _strongest(recorded: Evidence, found: list[Winners]) -> Evidence:
    """Return for each pair the set with the largest p-value; ties go to the smaller, then the earlier set."""
    width = max(recorded.sets.shape[1], *(part.sets.shape[1] for part in found))
    pairs = [recorded.pairs, *(np.stack([part.i, part.j], axis=1) for part in found)]
    sets = [recorded.sets, *(part.sets for part in found)]
    padded = [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1) for part in sets]
    every = Evidence(
        np.concatenate(pairs),
        np.concatenate(padded),
        np.concatenate([recorded.pvalues, *(part.pvalue for part in found)]),
    )
    columns = [every.sets[:, p] for p in reversed(range(width))]
    sizes = (every.sets >= 0).sum(axis=1)
    order = np.lexsort([*columns, sizes, -every.pvalues, every.pairs[:, 1], every.pairs[:, 0]])
    first = np.ones(len(order), dtype=bool)
    first[1:] = (every.pairs[order][1:] != every.pairs[order][:-1]).any(axis=1)
    best = order[first]
    return Evidence(every.pairs[best], every.sets[best], every.pvalues[best])


def orient_edges(
    skeleton: Skeleton, evidence: Evidence, constraints: Constraints, names: Sequence[Hashable]
) -> tuple[PDAG, tuple[Conflict, ...]]:
    """Return the graph and the conflicts.

    The graph is a `CPDAG` where the orientations are those of an equivalence class.

    Parameters
    ----------
    skeleton : Skeleton
        The adjacencies.
    evidence : Evidence
        Separating sets of all pairs that have some and share a neighbour.
    constraints : Constraints
        Knowledge; it wins over the data.
    names : sequence of hashable
        What the variables are called.
    """
    draft = _Draft(skeleton, constraints, names)
    draft.apply_knowledge()
    draft.place_colliders(evidence)
    graph = draft.graph().meek_closure()
    conflicts = draft.conflicts
    try:
        return CPDAG(graph.directed_edges, graph.undirected_edges, graph.nodes), tuple(conflicts)
    except GraphError:
        pass
    try:
        graph.consistent_extension()
    except GraphError:
        ends = {node for edge in graph.undirected_edges for node in edge}
        nodes = tuple(node for node in graph.nodes if node in ends)
        conflicts.append(Conflict("extension", nodes, None))
    return graph, tuple(conflicts)


class _Draft:
    """Directions under construction: which edges are directed so far, and what was left out."""

    def __init__(self, skeleton: Skeleton, constraints: Constraints, names: Sequence[Hashable]) -> None:
        self.skeleton, self.constraints, self.names = skeleton, constraints, names
        self.children: list[set[int]] = [set() for _ in names]
        self.conflicts: list[Conflict] = []

    def apply_knowledge(self) -> None:
        """Direct what is known; where that cannot be without a cycle, the weakest edges stay undirected."""
        for i, j in self.skeleton.kept.tolist():
            self._report("required", (i, j), self.skeleton.pvalues[i, j])
        known = np.argwhere(self.constraints.directions & self.skeleton.adjacency)
        pvalue = self.skeleton.pvalues[known[:, 0], known[:, 1]]
        required = self.constraints.required[known[:, 0], known[:, 1]]
        for i, j in known[np.lexsort((known[:, 1], known[:, 0], pvalue, ~required))].tolist():
            if self._reaches(j, {i}):
                self._report("direction", (i, j), self.skeleton.pvalues[i, j])
            else:
                self.children[i].add(j)

    def place_colliders(self, evidence: Evidence) -> None:
        """Direct the colliders that `evidence` shows, the best supported first."""
        adjacency = self.skeleton.adjacency
        order = np.lexsort((evidence.pairs[:, 1], evidence.pairs[:, 0], -evidence.pvalues))
        for row in order.tolist():
            i, j = evidence.pairs[row].tolist()
            separating = set(evidence.sets[row].tolist())
            for k in np.flatnonzero(adjacency[i] & adjacency[j]).tolist():
                if k not in separating:
                    self._place(i, k, j, float(evidence.pvalues[row]))

    def graph(self) -> PDAG:
        """Return what is directed so far, and the rest undirected."""
        directed = [(i, j) for i, row in enumerate(self.children) for j in sorted(row)]
        undirected = self.skeleton.adjacency.copy()
        for i, j in directed:
            undirected[i, j] = undirected[j, i] = False
        return PDAG(
            [(self.names[i], self.names[j]) for i, j in directed],
            [(self.names[i], self.names[j]) for i, j in np.argwhere(np.triu(undirected)).tolist()],
            self.names,
        )

    def _place(self, i: int, k: int, j: int, pvalue: float) -> None:
        for end in (i, j):
            # k may lead to the end by an arrow or a longer path, or knowledge may forbid end -> k.
            if self.constraints.forbidden[end, k] or self._reaches(k, {end}):
                against = (self.names[k], self.names[end])
                self._report("collider", (i, k, j), pvalue, against)
                return
        self.children[i].add(k)
        self.children[j].add(k)

    def _reaches(self, start: int, targets: set[int]) -> bool:
        """Say whether a directed path leads from `start` to one of `targets`."""
        seen, stack = {start}, [start]
        while stack:
            new = self.children[stack.pop()] - seen
            if not new.isdisjoint(targets):
                return True
            seen |= new
            stack.extend(new)
        return False

    def _report(
        self, kind: str, nodes: tuple[int, ...], pvalue: float, against: tuple[Hashable, ...] = ()
    ) -> None:
        named = tuple(self.names[k] for k in nodes)
        self.conflicts.append(Conflict(kind, named, None if np.isnan(pvalue) else float(pvalue), against))
