"""The order of the variables whose best parents score most, by moving one variable at a time."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from causalrep.discovery._grow_shrink import GrowShrinkTree
from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._local_score import LocalScore

__all__ = ["best_order"]


def best_order(score: LocalScore, constraints: Constraints) -> tuple[list[tuple[int, int]], int]:
    """Return the edges (cause, effect) of the best DAG found, and the number of moves.

    Each variable in turn is taken out of the order and put back where the sum of the scores is largest, until
    none wants to move.

    Parameters
    ----------
    score : LocalScore
        A fitted score.
    constraints : Constraints
        What is known, in canonical order.
    """
    required = constraints.required
    may = ~(constraints.forbidden | required | constraints.never_adjacent)
    np.fill_diagonal(may, False)
    d = len(score.names_)
    trees = [
        GrowShrinkTree(score, k, np.flatnonzero(may[:, k]).tolist(), np.flatnonzero(required[:, k]).tolist())
        for k in range(d)
    ]
    order = _first_order(constraints)
    n_moves, improved = 0, True
    while improved:
        improved = False
        for node in list(order):
            place = _best_place(trees, order, node, constraints)
            if place != order.index(node):
                order.remove(node)
                order.insert(place, node)
                n_moves, improved = n_moves + 1, True
    edges = [(p, k) for k, mask in zip(order, _earlier(order), strict=True) for p in trees[k].best(mask)[1]]
    return edges, n_moves


def _best_place(trees: list[GrowShrinkTree], order: list[int], node: int, constraints: Constraints) -> int:
    """Return where in the order of the others the sum is largest; where the node is, unless that is worse."""
    others = [k for k in order if k != node]
    bit, now = 1 << node, order.index(node)
    masks = _earlier(others)
    before = [trees[k].best(mask)[0] for k, mask in zip(others, masks, strict=True)]
    after = [trees[k].best(mask | bit)[0] for k, mask in zip(others, masks, strict=True)]
    own = [trees[node].best(mask)[0] for mask in [*masks, (1 << len(trees)) - 1 - bit]]
    # In place p the first p others do not have the node before them, the rest do.
    gained = list(accumulate((b - a for a, b in zip(after, before, strict=True)), initial=0.0))
    total = [one + more for one, more in zip(own, gained, strict=True)]
    first, last = _allowed_places(others, node, constraints)
    best = max(range(first, last + 1), key=lambda p: (total[p], p == now))
    # Sums in another order differ in the last digits, which must not keep the search going.
    return best if total[best] > total[now] + 1e-9 * (1.0 + abs(own[now])) else now


def _allowed_places(others: list[int], node: int, constraints: Constraints) -> tuple[int, int]:
    """Return the first and the last place: after the required causes, before the required effects."""
    causes = [p + 1 for p, k in enumerate(others) if constraints.required[k, node]]
    effects = [p for p, k in enumerate(others) if constraints.required[node, k]]
    return max(causes, default=0), min(effects, default=len(others))


def _earlier(order: list[int]) -> list[int]:
    """Return for each place the bits of the variables before it."""
    return list(accumulate((1 << k for k in order[:-1]), lambda a, b: a | b, initial=0)) if order else []


def _first_order(constraints: Constraints) -> list[int]:
    """Return the canonical order, but with required causes before their effects."""
    left = list(range(len(constraints.required)))
    order: list[int] = []
    while left:
        node = next(k for k in left if not constraints.required[left, k].any())
        left.remove(node)
        order.append(node)
    return order
