"""Which nodes open walks join: for one question, for many at once, and where marks are undecided.

A walk, which unlike a path may visit a node again, is open given Z iff its inner nodes that are in Z
are just its colliders. (A path whose collider is only an ancestor of Z becomes such a walk by a
detour down to Z and back.) Whether a walk may go on depends only on where it is and on whether it
came in by an arrowhead, so a search over these 2 n states decides separation in
O(n_nodes + n_edges), for d-separation in DAGs and m-separation in mixed graphs without circles alike.

References
----------
.. [1] D. Geiger, T. Verma, J. Pearl, "Identifying independence in Bayesian networks", Networks 20,
   1990, doi:10.1002/net.3230200504.
.. [2] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
   graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
.. [3] J. Zhang, "Causal reasoning with ancestral graphs", JMLR 9, 2008 (definite status, lemma 5.1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._order import topological_order
from causalrep.graphs._possible import adjacency_sets
from causalrep.graphs._store import ARROW, CIRCLE, TAIL, EdgeStore, flags

__all__ = ["connected", "connected_many", "definitely_connected", "moral_reach"]


def _walks(store: EdgeStore) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """Return for each node the states one step away, left by a tail, by an arrowhead, and by either.

    State 2 v means: at v, come in by a tail; 2 v + 1: come in by an arrowhead.
    """
    by_tail, by_arrow = (
        [[2 * w + 1 for w in into] + [2 * w for w in out] for into, out in zip(*lists, strict=True)]
        for lists in (
            (store.lists(TAIL, ARROW), store.lists(TAIL, TAIL)),
            (store.lists(ARROW, ARROW), store.lists(ARROW, TAIL)),
        )
    )
    return by_tail, by_arrow, [one + other for one, other in zip(by_tail, by_arrow, strict=True)]


def connected(
    store: EdgeStore, sources: Iterable[int], given: Sequence[int], targets: Iterable[int] = ()
) -> bytearray:
    """Return one byte per node: 1 if an open walk joins it to a source; stop early at a target.

    Nodes in `given` are never marked.
    """
    by_tail, by_arrow, by_either = store.derived(_walks)
    in_given = flags(store.n_nodes, given)
    wanted = flags(store.n_nodes, list(targets))
    found = bytearray(store.n_nodes)
    stack = [2 * source for source in sources]
    seen = flags(2 * store.n_nodes, stack)
    while stack:
        state = stack.pop()
        node = state >> 1
        # In and out by arrowheads the node is a collider, which must be given; else it must not be.
        if in_given[node]:
            if not state & 1:
                continue
            steps = by_arrow[node]
        else:
            found[node] = 1
            if wanted[node]:
                break
            steps = by_tail[node] if state & 1 else by_either[node]
        for after in steps:
            if not seen[after]:
                seen[after] = 1
                stack.append(after)
    return found


def connected_many(store: EdgeStore, sources: Sequence[int], given: Sequence[int]) -> list[int]:
    """Answer many questions in one search, one bit for each.

    Parameters
    ----------
    store : EdgeStore
        Without circles.
    sources, given : sequence of int
        For each node, the set of questions in which it is a source, or given, as the bits of one
        integer.

    Returns
    -------
    list of int
        For each node, the set of questions in which an open walk joins it to a source.
    """
    by_tail, by_arrow, _ = store.derived(_walks)
    seen = [bits for source in sources for bits in (source, 0)]
    new = seen.copy()  # what arrived at a state since it was last looked at

    def spread(state: int) -> list[int]:
        """Pass on what is new at a state; return the states at which something is new therefore."""
        bits, new[state] = new[state], 0
        node = state >> 1
        closed = bits & given[node]
        passing = bits ^ closed
        touched = []
        for moving, states in ((passing, by_tail[node]), (closed if state & 1 else passing, by_arrow[node])):
            if moving:
                for after in states:
                    arriving = moving & ~seen[after]
                    if arriving:
                        if not new[after]:
                            touched.append(after)
                        seen[after] |= arriving
                        new[after] |= arriving
        return touched

    # Sweeps along the order of causes and back settle long ways at once, but look at every state: they
    # go on for as long as enough is new.
    sweep = store.derived(_downwards)
    n_moved = len(sweep)
    while 16 * n_moved > len(sweep):
        n_moved = 0
        for state in sweep:
            if new[state]:
                spread(state)
                n_moved += 1
        sweep = sweep[::-1]
    queue = deque(state for state in sweep if new[state])
    while queue:
        queue.extend(spread(queue.popleft()))
    return [(seen[2 * node] | seen[2 * node + 1]) & ~given[node] for node in range(store.n_nodes)]


def _downwards(store: EdgeStore) -> list[int]:
    """Return the states with causes before effects, and at a node the arrival by an arrowhead first."""
    order = topological_order(store)
    placed = flags(store.n_nodes, order)
    order += [node for node in range(store.n_nodes) if not placed[node]]
    return [state for node in order for state in (2 * node + 1, 2 * node)]


def moral_reach(
    store: EdgeStore, within: NDArray[np.uint8], sources: Sequence[int], blocked: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return one byte per node: 1 if a path in the moral graph of the nodes `within` leads there.

    The path may end in a blocked node but not go through one. `within` must hold all anteriors of its
    nodes. Two nodes are adjacent in the moral (augmented) graph iff a walk joins them all of whose
    inner nodes are colliders, so the graph itself is never built.
    """
    _, by_arrow, by_either = store.derived(_walks)
    stops = blocked.tobytes()
    # What is outside counts as seen. Of a node that does not stop, either state leads everywhere.
    seen = bytearray(np.repeat(within ^ 1, 2).tobytes())
    stack = [2 * source + 1 for source in sources]
    for state in stack:
        seen[state] = seen[state - 1] = 1
    while stack:
        state = stack.pop()
        node = state >> 1
        for after in by_arrow[node] if stops[node] else by_either[node]:
            if not seen[after]:
                seen[after] = 1
                if not stops[after >> 1]:
                    seen[after ^ 1] = 1
                    stack.append(after)
                elif after & 1:
                    stack.append(after)
    arrived = np.frombuffer(seen, dtype=np.uint8)
    return (arrived[::2] | arrived[1::2]) & within


def definitely_connected(
    store: EdgeStore, sources: Iterable[int], given: Sequence[int], targets: Iterable[int] = ()
) -> bytearray:
    """Do as `connected` in a graph with circles, along walks whose inner nodes have a definite status.

    An inner node is a definite collider if both edges have an arrowhead at it, and a definite
    non-collider if one has a tail at it, or if both have circles and its neighbours on the walk are not
    adjacent. In the graph of a class these walks are open iff some open path exists in each member
    [3]_. O(n_edges * max degree).
    """
    near = store.derived(adjacency_sets)
    by_mark = {mark: store.lists(mark, None) for mark in (CIRCLE, ARROW, TAIL)}
    arrivals = store.derived(_arrivals)
    in_given, wanted = flags(store.n_nodes, given), flags(store.n_nodes, list(targets))
    found = bytearray(store.n_nodes)
    # A state is (node, mark at it of the edge that led there, neighbour it came from: -1 if that is idle).
    stack = [(source, TAIL, -1) for source in sources]
    seen = set(stack)
    while stack:
        node, mark, before = stack.pop()
        after: list[int] = []
        if not in_given[node]:
            found[node] = 1
            if wanted[node]:
                break
            after += by_mark[TAIL][node]
            if mark == TAIL:
                after += by_mark[ARROW][node] + by_mark[CIRCLE][node]
            elif mark == CIRCLE:
                after += [w for w in by_mark[CIRCLE][node] if w != before and w not in near[before]]
        elif mark == ARROW:
            after += by_mark[ARROW][node]
        for other in after:
            at_other = arrivals[node][other]
            state = (other, at_other, node if at_other == CIRCLE else -1)
            if state not in seen:
                seen.add(state)
                stack.append(state)
    return found


def _arrivals(store: EdgeStore) -> list[dict[int, int]]:
    """Return for each node the mark at each neighbour of the edge between them."""
    found: list[dict[int, int]] = [{} for _ in range(store.n_nodes)]
    columns = (store.first, store.second, store.mark_first, store.mark_second)
    for i, j, at_i, at_j in zip(*(column.tolist() for column in columns), strict=True):
        found[i][j], found[j][i] = at_j, at_i
    return found
