"""Sums of products of tables, one variable at a time (variable elimination).

The joint table is never built: each variable is summed out of the product of the tables that mention
it, in the order of least fill-in, whose cost is exponential in the width of the network and not in
its size (Koller and Friedman 2009, sections 9.3 and 9.4). Products are rescaled by their largest
entry and the logarithms of the scales are kept, so that long products do not underflow.

References
----------
D. Koller, N. Friedman, *Probabilistic Graphical Models*, MIT Press, 2009.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._couplings import Floats
from causalrep.utils import CausalRepError

__all__ = ["LARGEST", "Factor", "TooWideError", "draw_from", "eliminate", "min_fill_order"]


Codes: TypeAlias = NDArray[np.intp]
LARGEST = 2**26  # half a gigabyte of doubles


class TooWideError(CausalRepError, ValueError):
    """The network is too densely connected for exact sums."""


@dataclass(frozen=True)
class Factor:
    """A table over variables: one axis for each, in order."""

    variables: tuple[int, ...]
    table: Floats


def eliminate(factors: Iterable[Factor], keep: Sequence[int]) -> tuple[Floats, float]:
    """Return the product of the factors, summed over every variable that is not kept.

    Parameters
    ----------
    factors : iterable of Factor
        The tables.
    keep : sequence of int
        Variables of the result, in the order of its axes; each is in some factor.

    Returns
    -------
    table : array with one axis for each kept variable
        The sum, up to its scale.
    log_scale : float
        Logarithm of the scale; minus infinity if the sum is zero.

    Raises
    ------
    TooWideError
        If a table on the way would have more than 2**26 entries.
    """
    remaining = list(factors)
    log_scale = 0.0
    for variable in min_fill_order([factor.variables for factor in remaining], keep):
        touching = [factor for factor in remaining if variable in factor.variables]
        remaining = [factor for factor in remaining if variable not in factor.variables]
        merged = tuple(sorted({v for factor in touching for v in factor.variables} - {variable}))
        table, scale = _scaled(_product(touching, merged))
        log_scale += scale
        remaining.append(Factor(merged, table))
    table, scale = _scaled(_product(remaining, tuple(keep)))
    return table, log_scale + scale


def draw_from(factors: Iterable[Factor], n: int, generator: np.random.Generator) -> dict[int, Codes] | None:
    """Return `n` draws of all variables from the normalised product of the factors.

    The products of elimination, kept and read backwards: each variable is drawn given those that
    were eliminated after it, which are all that its product mentions.

    Parameters
    ----------
    factors : iterable of Factor
        The tables.
    n : int
        Number of draws.
    generator : numpy.random.Generator
        Where the chance comes from.

    Returns
    -------
    dict of int to int array of shape (n,), or None
        Codes by variable; None if the product is zero everywhere.

    Raises
    ------
    TooWideError
        As `eliminate`.
    """
    remaining, steps = list(factors), []
    for variable in min_fill_order([factor.variables for factor in remaining], ()):
        touching = [factor for factor in remaining if variable in factor.variables]
        remaining = [factor for factor in remaining if variable not in factor.variables]
        merged = tuple(sorted({v for factor in touching for v in factor.variables} - {variable}))
        table, _ = _scaled(_product(touching, (*merged, variable)))
        steps.append((variable, merged, table))
        remaining.append(Factor(merged, table.sum(axis=-1)))
    if not all(factor.table > 0 for factor in remaining):
        return None
    drawn: dict[int, Codes] = {}
    for variable, merged, table in reversed(steps):
        upper = table[tuple(drawn[other] for other in merged)].cumsum(axis=-1)
        level = generator.random((n, 1)) * upper[..., -1:]
        drawn[variable] = (upper[..., :-1] <= level).sum(axis=-1)
    return drawn


def _scaled(table: Floats) -> tuple[Floats, float]:
    largest = table.max()
    return (table / largest, float(np.log(largest))) if largest > 0 else (table, -np.inf)


def _product(factors: Sequence[Factor], out: tuple[int, ...]) -> Floats:
    """Multiply factors, smallest first, and sum out in the last step what is not in `out`."""
    ordered = sorted(factors, key=lambda factor: factor.table.size)
    result = Factor((), np.ones(()))
    for step, factor in enumerate(ordered, start=1):
        union = tuple(sorted({*result.variables, *factor.variables}))
        result = _multiplied(result, factor, out if step == len(ordered) else union)
    return result.table


def _multiplied(a: Factor, b: Factor, out: tuple[int, ...]) -> Factor:
    sizes = dict(zip((*a.variables, *b.variables), (*a.table.shape, *b.table.shape), strict=True))
    if math.prod(sizes[variable] for variable in out) > LARGEST:
        raise TooWideError(f"a table of {len(out)} variables would have more than {LARGEST} entries")
    letter = dict(zip(dict.fromkeys((*a.variables, *b.variables)), ascii_letters, strict=False))
    one, two, both = (
        "".join(letter[variable] for variable in part) for part in (a.variables, b.variables, out)
    )
    return Factor(out, np.asarray(np.einsum(f"{one},{two}->{both}", a.table, b.table)))


def min_fill_order(scopes: Iterable[tuple[int, ...]], keep: Sequence[int]) -> list[int]:
    """Return an order in which to eliminate all variables but `keep`.

    Greedily the variable whose elimination joins the fewest pairs of its neighbours, ties by degree
    and then by number. Only costs near the last elimination are computed again.
    """
    neighbours: dict[int, set[int]] = {}
    for scope in scopes:
        for variable in scope:
            neighbours.setdefault(variable, set()).update(scope)
    for variable, around in neighbours.items():
        around.discard(variable)

    def cost(variable: int) -> tuple[int, int, int]:
        around = neighbours[variable]
        joined = sum(len(neighbours[other] & around) for other in around)
        return (len(around) * (len(around) - 1) - joined, len(around), variable)

    costs = {variable: cost(variable) for variable in sorted(neighbours) if variable not in set(keep)}
    order = []
    while costs:
        best = min(costs, key=costs.__getitem__)
        order.append(best)
        del costs[best]
        around = neighbours.pop(best)
        touched = set(around)
        for other in around:
            neighbours[other] |= around
            neighbours[other] -= {best, other}
            touched |= neighbours[other]
        for other in touched & costs.keys():
            costs[other] = cost(other)
    return order
