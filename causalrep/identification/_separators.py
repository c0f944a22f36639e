"""Separators in a patched graph: one, a minimal one near either end, all minimal ones, all.

All functions take the sets as indices and bytes, and return sorted lists of indices. `include` must
be in every answer, `allowed` (one byte per node) must contain it; `allowed` excludes both ends.

References
----------
.. [1] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
   graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
.. [2] B. van der Zander, M. Liśkiewicz, "Finding minimal d-separators in linear time and
   applications", UAI 2019, PMLR 115.
.. [3] K. Takata, "Space-optimal, backtracking algorithms to list the minimal vertex separators of a
   graph", Discrete Applied Mathematics 158, 2010, doi:10.1016/j.dam.2010.05.013.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress

from causalrep.graphs._store import flags
from causalrep.identification._neighbours import Neighbours, moral_reach

__all__ = ["all_separators", "is_separator", "minimal_separator", "minimal_separators", "some_separator"]


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
    """Yield every separator of which no proper subset that has `include` separates, each once.

    A minimal separator is the border of what it leaves connected to x. Takata's search starts from
    the smallest such region and either draws a node of the border into it, closing it to the
    smallest region that has a minimal separator as border, or keeps that node out for good. Every
    step of the search yields, so the delay is O(n_nodes * (n_nodes + n_edges)).
    """
    inside = near.above([*x, *y, *include])
    removable = _both(inside, allowed)
    kept = flags(len(inside), include)

    def close(absorbed: list[int]) -> tuple[list[int], list[int]] | None:
        """Return the border and the new members of the smallest region that has the absorbed ones."""
        blocked = bytearray(removable)
        for node in absorbed:
            blocked[node] = 0
        met = moral_reach(near, [*x, *absorbed], inside, blocked)
        if any(met[node] for node in y):
            return None
        border = _both(blocked, met)
        for node in include:
            border[node] = 1
        border = _both(border, moral_reach(near, y, inside, border))
        for node in include:
            border[node] = 1
        region = moral_reach(near, [*x, *absorbed], inside, border)
        members = [i for i in _members(_both(region, removable)) if not border[i]]
        return [i for i in _members(border) if not kept[i]], members

    first = close([])
    if first is None:
        return
    yield sorted([*first[0], *include])
    excluded: set[int] = set()
    # One frame per step: its region, the border nodes yet to try, those tried and so kept out since.
    frames = [(first[1], iter(first[0]), list[int]())]
    while frames:
        members, candidates, tried = frames[-1]
        excluded.update(tried)
        node = next((i for i in candidates if i not in excluded), None)
        if node is None:
            excluded.difference_update(tried)
            frames.pop()
            continue
        after = close([*members, node])
        if after is not None and excluded.isdisjoint(after[1]):
            yield sorted([*after[0], *include])
            frames.append((after[1], iter(after[0]), []))
        tried.append(node)  # takes effect when this frame goes on, after the deeper one is done


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
