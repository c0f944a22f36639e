"""From adjacencies to directions: what is known, then colliders, then what follows.

An unshielded triple i - k - j (i and j not adjacent) is a collider i -> k <- j exactly when k is in no
set that separates i and j, and not one when k is in all of them. One separating set therefore decides;
on a sample the sets may disagree, and the choice of the set is the choice of the rule; two of the rules
count all sets instead, and may leave a triple undecided, from which then nothing follows. All triples
are decided first, from recorded evidence, and then placed, by default in order of falling evidence. One
that contradicts knowledge or what is already placed is left out and reported. Ties go by name, so the
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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from causalrep.discovery._conflicts import Conflict
from causalrep.discovery._device_search import weakest_of_neighbours
from causalrep.discovery._evidence import Evidence
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._pdag_draft import PdagDraft
from causalrep.discovery._search import CanonicalTest, Winners
from causalrep.discovery._skeleton import Skeleton
from causalrep.discovery._votes import evidence_by_votes
from causalrep.graphs import PAG, PDAG
from causalrep.utils import GraphError

__all__ = ["RULES", "Oriented", "find_evidence", "orient_edges"]

#: Ways to decide whether an unshielded triple is a collider.
RULES = ("majority", "max_p", "standard", "conservative")

_LARGEST_SET = 4


def find_evidence(
    test: CanonicalTest,
    skeleton: Skeleton,
    constraints: Constraints,
    *,
    rule: str,
    alpha: float,
    max_cond: int | None,
    near: NDArray[np.bool_] | None = None,
) -> tuple[Evidence, int, int]:
    """Return what separates each pair that is not adjacent and has common neighbours.

    Rule ``"standard"`` takes the recorded set. Rule ``"max_p"`` takes, of it and of all sets of up to
    four neighbours of either end in the finished skeleton, the one with the largest p-value. The other
    rules count all sets of neighbours of either end, of any size up to `max_cond`. So do the first two
    for pairs that knowledge holds apart: no search has recorded a set for them, and to treat
    them as colliders, or as none, without one would be a guess. Where not all neighbours may be conditioned
    on, row i of `near` says which of node i may.

    Returns
    -------
    evidence : Evidence
        With p-values above `alpha` only.
    n_tests, n_untestable : int
        Number of further tests.
    """
    common = _with_common_neighbours(skeleton.adjacency)
    recorded = _recorded(skeleton, common)
    wanted = common & constraints.never_adjacent
    if rule != "standard":
        wanted[recorded.pairs[:, 0], recorded.pairs[:, 1]] = True
        wanted |= wanted.T
    if not wanted.any():
        return recorded, 0, 0
    near = skeleton.adjacency if near is None else near
    if rule in ("conservative", "majority"):
        return evidence_by_votes(
            test, skeleton, constraints, wanted, near, rule=rule, alpha=alpha, max_cond=max_cond
        )
    largest = min(_LARGEST_SET, test.test.max_cond, _LARGEST_SET if max_cond is None else max_cond)
    found = [weakest_of_neighbours(test, near, wanted, size, constraints.tier) for size in range(largest + 1)]
    separating = [part.take(part.pvalue > alpha) for part in found]
    n_tests, n_untestable = (sum(counts) for counts in zip(*(part[-2:] for part in found), strict=True))
    return _strongest(recorded, separating), n_tests, n_untestable


def _with_common_neighbours(adjacency: NDArray[np.bool_]) -> NDArray[np.bool_]:
    near = csr_array(adjacency, dtype=np.int32)
    common: NDArray[np.bool_] = np.zeros_like(adjacency)
    common[(near @ near).nonzero()] = True
    return common


def _recorded(skeleton: Skeleton, wanted: NDArray[np.bool_]) -> Evidence:
    """Return what the search for adjacencies recorded of the wanted pairs."""
    met = wanted[skeleton.pairs[:, 0], skeleton.pairs[:, 1]]
    sets = skeleton.sets[met]
    apart = np.argwhere(np.triu(wanted & skeleton.apart)) if skeleton.apart is not None else met[:0, None]
    pairs = np.concatenate([apart.reshape(-1, 2).astype(np.int64), skeleton.pairs[met]])
    nothing = np.full((len(pairs) - len(sets), sets.shape[1]), -1, dtype=np.int64)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, sets = pairs[order], np.concatenate([nothing, sets])[order]
    return Evidence.of_sets(pairs, sets, skeleton.pvalues[pairs[:, 0], pairs[:, 1]])


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

    graph: PDAG | PAG
    conflicts: tuple[Conflict, ...]
    ambiguous: tuple[tuple[Hashable, Hashable, Hashable], ...]


def orient_edges(
    skeleton: Skeleton,
    evidence: Evidence,
    constraints: Constraints,
    names: Sequence[Hashable],
    nodes: Sequence[Hashable],
    policy: str = "priority",
) -> Oriented:
    """Return the graph, the conflicts and the ambiguous triples.

    The graph is a `CPDAG` where the orientations are those of an equivalence class, and a `PAG` where an
    edge has two heads.

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
    policy : str
        What settles a dispute between colliders.
    """
    draft = PdagDraft(skeleton, constraints, names)
    draft.apply_knowledge()
    draft.place_colliders(evidence, policy)
    draft.close()
    graph, conflicts = draft.graph(nodes, policy), draft.conflicts
    ambiguous = tuple((names[i], names[k], names[j]) for i, k, j in draft.ambiguous)
    if isinstance(graph, PAG) or any(_is_open(graph, triple) for triple in ambiguous):
        return Oriented(graph, tuple(conflicts), ambiguous)  # there are several classes that it may stand for
    try:
        equivalence_class = graph.to_cpdag()
    except GraphError:
        ends = {node for edge in graph.undirected_edges for node in edge}
        conflicts.append(Conflict("extension", tuple(name for name in names if name in ends), None))
        return Oriented(graph, tuple(conflicts), ambiguous)
    return Oriented(equivalence_class if equivalence_class == graph else graph, tuple(conflicts), ambiguous)


def _is_open(graph: PDAG, triple: tuple[Hashable, ...]) -> bool:
    """Return whether the graph leaves open that the triple is a collider, and that it is none."""
    i, k, j = triple
    into = graph.parents(k)
    return graph.children(k).isdisjoint((i, j)) and not into >= {i, j}
