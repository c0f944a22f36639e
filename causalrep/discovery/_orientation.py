"""From adjacencies to directions: what is known, then colliders, then what follows.

An unshielded triple i - k - j (i and j not adjacent) is a collider i -> k <- j exactly when k is in no
set that separates i and j, and not one when k is in all of them. One separating set therefore decides;
on a sample the sets may disagree, and the choice of the set is the choice of the rule; two of the rules
count all sets instead, and may leave a triple undecided, from which then nothing follows. All triples
are decided first, from recorded evidence, and then placed in order of falling evidence. One that
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

from causalrep.discovery._evidence import Evidence
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._search import CanonicalTest, Winners, neighbourhood_questions, weakest_tests
from causalrep.discovery._skeleton import Skeleton
from causalrep.discovery._votes import evidence_by_votes
from causalrep.graphs import PDAG
from causalrep.graphs._equivalence import meek_closure
from causalrep.utils import GraphError

__all__ = ["RULES", "Conflict", "Oriented", "find_evidence", "orient_edges"]

#: Ways to decide whether an unshielded triple is a collider.
RULES = ("max_p", "standard", "conservative", "majority")

_LARGEST_SET = 4


@dataclass(frozen=True)
class Conflict:
    """Something that the data say and the returned graph does not.

    Attributes
    ----------
    kind : {"required", "cycle", "collider", "extension"}
        ``"required"``: an edge is kept only because it is required. ``"cycle"``: an edge is left out,
        because in the only direction that is not forbidden it would close a directed cycle.
        ``"collider"``: the triple `nodes` looks like a collider with the middle node as the effect, but
        `against` says otherwise. ``"extension"``: no DAG has the adjacencies, colliders and directions
        found; `nodes` are the ends of the edges that stay undirected.
    nodes : tuple of hashable
        The two ends of an edge, a triple, or more.
    pvalue : float or None
        Of the test that is the evidence, where there is one.
    against : tuple of hashable
        Cause and effect of the arrow or directed path that stands against it; empty where there is none.
    """

    kind: str
    nodes: tuple[Hashable, ...]
    pvalue: float | None
    against: tuple[Hashable, ...] = ()


def find_evidence(
    test: CanonicalTest,
    skeleton: Skeleton,
    constraints: Constraints,
    *,
    rule: str,
    alpha: float,
    max_cond: int | None,
) -> tuple[Evidence, int, int]:
    """Return what separates each pair that is not adjacent and has common neighbours.

    Rule ``"standard"`` takes the recorded set. Rule ``"max_p"`` takes, of it and of all sets of up to
    four neighbours of either end in the finished skeleton, the one with the largest p-value. The other
    rules count all sets of neighbours of either end, of any size up to `max_cond`. So do the first two
    for pairs that knowledge holds apart: no search has recorded a set for them, and to treat
    them as colliders, or as none, without one would be a guess.

    Returns
    -------
    evidence : Evidence
        With p-values above `alpha` only.
    n_tests, n_untestable : int
        Number of further tests.
    """
    near = skeleton.adjacency.astype(np.float32)
    common = near @ near > 0
    i, j = skeleton.pairs.T
    met = common[i, j]
    recorded = Evidence.of_sets(skeleton.pairs[met], skeleton.sets[met], skeleton.pvalues[i, j][met])
    wanted = common & constraints.never_adjacent
    if rule != "standard":
        wanted[recorded.pairs[:, 0], recorded.pairs[:, 1]] = True
        wanted |= wanted.T
    if not wanted.any():
        return recorded, 0, 0
    if rule in ("conservative", "majority"):
        return evidence_by_votes(
            test, skeleton, constraints, wanted, rule=rule, alpha=alpha, max_cond=max_cond
        )
    largest = min(_LARGEST_SET, test.test.max_cond, _LARGEST_SET if max_cond is None else max_cond)
    found = [
        weakest_tests(test, neighbourhood_questions(skeleton.adjacency, wanted, size, constraints.tier), size)
        for size in range(largest + 1)
    ]
    separating = [part.take(part.pvalue > alpha) for part in found]
    n_tests, n_untestable = (sum(counts) for counts in zip(*(part[-2:] for part in found), strict=True))
    return _strongest(recorded, separating), n_tests, n_untestable


def _strongest(recorded: Evidence, found: list[Winners]) -> Evidence:
    """Return for each pair the set with the largest p-value; ties go to the set that comes first."""
    width = max(recorded.sets.shape[1], *(part.sets.shape[1] for part in found))
    pairs = [recorded.pairs, *(np.stack([part.i, part.j], axis=1) for part in found)]
    sets = [recorded.sets, *(part.sets for part in found)]
    padded = [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1) for part in sets]
    every = Evidence.of_sets(
        np.concatenate(pairs),
        np.concatenate(padded),
        np.concatenate([recorded.pvalues, *(part.pvalue for part in found)]),
    )
    columns = [every.sets[:, p] for p in reversed(range(width))]
    order = np.lexsort([*columns, -every.pvalues, every.pairs[:, 1], every.pairs[:, 0]])
    first = np.ones(len(order), dtype=bool)
    first[1:] = (every.pairs[order][1:] != every.pairs[order][:-1]).any(axis=1)
    best = order[first]
    return Evidence.of_sets(every.pairs[best], every.sets[best], every.pvalues[best])


class Oriented(NamedTuple):
    """The graph of a search, what it leaves out, and the triples (end, middle, end) that stay undecided."""

    graph: PDAG
    conflicts: tuple[Conflict, ...]
    ambiguous: tuple[tuple[Hashable, Hashable, Hashable], ...]


def orient_edges(
    skeleton: Skeleton,
    evidence: Evidence,
    constraints: Constraints,
    names: Sequence[Hashable],
    nodes: Sequence[Hashable],
) -> Oriented:
    """Return the graph, the conflicts and the ambiguous triples.

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
    nodes : sequence of hashable
        The same in the order that the graph shall have.
    """
    draft = _Draft(skeleton, constraints, names)
    draft.apply_knowledge()
    draft.place_colliders(evidence)
    ambiguous = tuple((names[i], names[k], names[j]) for i, k, j in draft.ambiguous)
    graph, conflicts = _closed(draft.graph(nodes), ambiguous), draft.conflicts
    if any(_is_open(graph, triple) for triple in ambiguous):
        return Oriented(graph, tuple(conflicts), ambiguous)  # there are several classes that it may stand for
    try:
        equivalence_class = graph.to_cpdag()
    except GraphError:
        ends = {node for edge in graph.undirected_edges for node in edge}
        conflicts.append(Conflict("extension", tuple(name for name in names if name in ends), None))
        return Oriented(graph, tuple(conflicts), ambiguous)
    return Oriented(equivalence_class if equivalence_class == graph else graph, tuple(conflicts), ambiguous)


def _closed(graph: PDAG, ambiguous: Sequence[tuple[Hashable, ...]]) -> PDAG:
    """Return what follows by Meek's rules where these triples may be colliders or not."""
    place = {node: k for k, node in enumerate(graph.nodes)}
    both_ways = [way for triple in ambiguous for way in (triple, triple[::-1])]
    open_triples = frozenset((place[i], place[k], place[j]) for i, k, j in both_ways)
    return PDAG._build(graph.nodes, meek_closure(graph._store, open_triples))


def _is_open(graph: PDAG, triple: tuple[Hashable, ...]) -> bool:
    """Return whether the graph leaves open that the triple is a collider, and that it is none."""
    i, k, j = triple
    into = graph.parents(k)
    return graph.children(k).isdisjoint((i, j)) and not into >= {i, j}


class _Draft:
    """Directions under construction: which edges are directed so far, and what was left out."""

    def __init__(self, skeleton: Skeleton, constraints: Constraints, names: Sequence[Hashable]) -> None:
        self.pvalues, self.constraints, self.names = skeleton.pvalues, constraints, names
        self.adjacency, self.kept = skeleton.adjacency.copy(), skeleton.kept
        self.children: list[set[int]] = [set() for _ in names]
        self.conflicts: list[Conflict] = []
        self.ambiguous: list[tuple[int, int, int]] = []

    def apply_knowledge(self) -> None:
        """Direct what is known, required and well supported edges first; leave out what closes a cycle."""
        for i, j in self.kept.tolist():
            self._report("required", (i, j), self.pvalues[i, j])
        known = np.argwhere(self.constraints.directions & self.adjacency)
        i, j = known.T
        order = np.lexsort((j, i, self.pvalues[i, j], ~self.constraints.required[i, j]))
        for cause, effect in known[order].tolist():
            if self._reaches(effect, {cause}):
                self._report("cycle", (cause, effect), self.pvalues[cause, effect])
                self.adjacency[cause, effect] = self.adjacency[effect, cause] = False
            else:
                self.children[cause].add(effect)

    def place_colliders(self, evidence: Evidence) -> None:
        """Direct the colliders that `evidence` shows, the best supported first."""
        for row in evidence.order():
            i, j = evidence.pairs[row].tolist()
            separating, unsure = (set(column[row].tolist()) for column in (evidence.sets, evidence.unsure))
            for k in np.flatnonzero(self.adjacency[i] & self.adjacency[j]).tolist():
                if k in unsure:
                    self.ambiguous.append((i, k, j))
                elif k not in separating:
                    self._place(i, k, j, float(evidence.pvalues[row]))

    def graph(self, nodes: Sequence[Hashable]) -> PDAG:
        """Return what is directed so far, and the rest undirected, on nodes in this order."""
        directed = [(i, j) for i, row in enumerate(self.children) for j in sorted(row)]
        undirected = self.adjacency.copy()
        for i, j in directed:
            undirected[i, j] = undirected[j, i] = False
        return PDAG(
            [(self.names[i], self.names[j]) for i, j in directed],
            [(self.names[i], self.names[j]) for i, j in np.argwhere(np.triu(undirected)).tolist()],
            nodes,
        )

    def _place(self, i: int, k: int, j: int, pvalue: float) -> None:
        for end in (i, j):
            # By an arrow, which may come from knowledge, or by a longer path, with which end -> k is a cycle.
            if self._reaches(k, {end}):
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
