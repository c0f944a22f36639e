"""What to do where two colliders want opposite heads on one edge.

With unlimited data and the right assumptions this does not happen; on a sample it does, and where a common
cause is hidden it must. A policy looks at p-values and names only, so that the order of the columns does
not matter.

References
----------
D. Colombo and M. H. Maathuis, Order-independent constraint-based causal structure learning, Journal
of Machine Learning Research 15 (2014), 3921-3962, section 4.3 (bidirected edges for conflicts).
J. Ramsey, Improving accuracy and scalability of the PC algorithm by maximizing p-value,
arXiv:1610.00378 (2016) (the better supported collider first).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["POLICIES", "Collider", "Conflict", "disputed_heads", "overruled"]

#: Ways to settle which of two opposite heads an edge gets.
POLICIES = ("priority", "mark", "bidirected", "first", "overwrite")

MUCH_BETTER = 10.0
"""Under ``"mark"`` a collider is dropped for another whose p-value is this many times as large."""

Head = tuple[int, int]


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
        Cause and effect of the arrow, directed path or other collider's arrow that stands against it; empty
        where there is none.
    """

    kind: str
    nodes: tuple[Hashable, ...]
    pvalue: float | None
    against: tuple[Hashable, ...] = ()


class Collider(NamedTuple):
    """The triple i -> k <- j, as the evidence has it, and the p-value of what separates i and j."""

    i: int
    k: int
    j: int
    pvalue: float

    @property
    def heads(self) -> tuple[Head, Head]:
        """The two edges (cause, effect) that it wants."""
        return (self.i, self.k), (self.j, self.k)


def overruled(colliders: Sequence[Collider]) -> list[Head | None]:
    """Return for each collider the head, opposite to one of its own, of one that is far better supported."""
    best: dict[Head, float] = {}
    for one in colliders:
        for head in one.heads:
            best[head] = max(best.get(head, -np.inf), one.pvalue)
    return [
        next((h[::-1] for h in one.heads if best.get(h[::-1], -np.inf) >= MUCH_BETTER * one.pvalue), None)
        for one in colliders
    ]


def disputed_heads(colliders: Sequence[Collider]) -> set[Head]:
    """Return the heads, both ways round, that one of the colliders wants and another wants turned."""
    heads = {head for one in colliders for head in one.heads}
    return {head for head in heads if head[::-1] in heads}
