"""Separators in a patched graph: one, a minimal one near either end, all minimal ones, all.

All functions take the sets as indices and bytes, and return sorted lists of indices. `include` must
be in every answer, `allowed` (one byte per node) must contain it; `allowed` excludes both ends.

References
----------
.. [1] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
   graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
.. [2] B. van der Zander, M. Liśkiewicz, "Finding minimal d-separators in linear time and
   applications", UAI 2019, PMLR 115.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress

from causalrep.graphs._cuts import all_minimal_cuts, minimum_cut
from causalrep.graphs._moral import moral_hubs
from causalrep.graphs._store import flags
from causalrep.identification._neighbours import Neighbours, moral_reach

__all__ = [
    "all_separators",
    "is_separator",
    "minimal_separator",
    "minimal_separators",
    "minimum_separator",
    "some_separator",
]


def is_separator(near: Neighbours, x: list[int], y: list[int], chosen: list[int]) -> bool:
    """Return whether the chosen nodes m-separate x and y."""
    inside = near.above([*x, *y, *chosen])
    met = moral_reach(near, x, inside, flags(len(inside), chosen))
    return not any(met[node] for node in y)


def some_separator(
    near: Neighbours, x: list[int], y: list[int], include: list[int], allowed: bytearray
) -> list[int] | None:
    """Return all allowed ancestors of x, y and `include`, which separate if anything does."""
    inside = near.above([*x, *y, *include])
    both = _both(inside, allowed)
    met = moral_reach(near, x, inside, both)
    return None if any(met[node] for node in y) else _members(both)


def minimal_separator(
    near: Neighbours, x: list[int], y: list[int], include: list[int], allowed: bytearray
) -> list[int] | None:
    """Return the separator nearest to x of which no proper subset that has `include` separates.

    Two searches: from x against all that may block, then from y against what the first one met.
    """
    inside = near.above([*x, *y, *include])
    blocked = _both(inside, allowed)
    met = moral_reach(near, x, inside, blocked)
    if any(met[node] for node in y):
        return None
    blocked = _both(blocked, met)
    for node in include:
        blocked[node] = 1
    met = moral_reach(near, y, inside, blocked)
    for node in include:
        met[node] = 1
    return _members(_both(blocked, met))


def minimal_separators(
    near: Neighbours, x: list[int], y: list[int], include: list[int], allowed: bytearray
) -> Iterator[list[int]]:
    """Yield every separator of which no proper subset that has `include` separates, nearest to x first."""
    inside = near.above([*x, *y, *include])
    for cut in all_minimal_cuts(moral_hubs(near, inside, include), x, y, bytes(_both(inside, allowed))):
        yield sorted([*cut, *include])


def minimum_separator(
    near: Neighbours,
    x: list[int],
    y: list[int],
    include: list[int],
    allowed: bytearray,
    costs: Sequence[float],
) -> list[int] | None:
    """Return the separator of least total cost among those that have `include`, nearest to x."""
    inside = near.above([*x, *y, *include])
    cut = minimum_cut(moral_hubs(near, inside, include), x, y, bytes(_both(inside, allowed)), costs)
    return None if cut is None else sorted([*cut, *include])


def all_separators(
    near: Neighbours, x: list[int], y: list[int], include: list[int], allowed: bytearray
) -> Iterator[list[int]]:
    """Yield every separator, each once, with a delay of O(n_nodes * (n_nodes + n_edges)).

    Node by node it is decided whether to keep it out or to take it in, as long as some separator
    agrees with what has been decided.
    """
    candidates = [i for i in _members(allowed) if i not in include]
    waiting = [(0, list(include), allowed)]
    while waiting:
        position, chosen, possible = waiting.pop()
        if some_separator(near, x, y, chosen, possible) is None:
            continue
        if position == len(candidates):
            yield sorted(chosen)
            continue
        node = candidates[position]
        fewer = bytearray(possible)
        fewer[node] = 0
        waiting.append((position + 1, [*chosen, node], possible))
        waiting.append((position + 1, chosen, fewer))


def _both(one: bytearray, other: bytearray) -> bytearray:
    """Return 1 where both are 1, by one operation on long integers in place of a loop."""
    length = len(one)
    return bytearray((int.from_bytes(one, "big") & int.from_bytes(other, "big")).to_bytes(length, "big"))


def _members(chosen: bytearray) -> list[int]:
    return list(compress(range(len(chosen)), chosen))
