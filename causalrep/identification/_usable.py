"""Which nodes a set of covariates may have."""

from __future__ import annotations

from causalrep.graphs import Graph
from causalrep.graphs._store import flags
from causalrep.identification._criterion import Problem
from causalrep.identification._door import Nodes, ids
from causalrep.utils import GraphError

__all__ = ["permitted", "usable", "without"]


def usable(g: Graph, problem: Problem, required: list[int], restrict: Nodes | None) -> bytearray:
    """Return one byte per node: 1 for those that a valid set may have."""
    allowed = permitted(g, restrict)
    if restrict is not None:
        named = flags(len(g), ids(g, restrict, "restrict"))
        missing = [i for i in required if not named[i]]
        if missing:
            raise GraphError(f"`include` must lie within `restrict`, got {g.nodes[missing[0]]!r} outside it")
    for i in (*problem.x, *problem.y):
        allowed[i] = 0
    return without(allowed, problem.forbidden)


def permitted(g: Graph, restrict: Nodes | None) -> bytearray:
    """Return one byte per node: 1 for the observed ones, of those in `restrict` if that is given."""
    allowed = flags(len(g), range(len(g)) if restrict is None else ids(g, restrict, "restrict"))
    for i in g._latent:
        allowed[i] = 0
    return allowed


def without(some: bytearray, others: bytearray) -> bytearray:
    """Return 1 where `some` is 1 and `others` is 0."""
    length = len(some)
    # One operation on long integers in place of a loop over bytes.
    kept = int.from_bytes(some, "big") & ~int.from_bytes(others, "big")
    return bytearray(kept.to_bytes(length, "big"))
