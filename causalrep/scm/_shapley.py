"""Shapley values of a game that is only known by Monte Carlo: exact sums for few players, else permutations.

A game gives a value to every coalition. Here it gives several, its *replicates*: independent estimates of
the same number whose mean is the estimate. Shapley values are linear in the game, so each replicate has
Shapley values of its own, and their spread is the standard error of the mean.

References
----------
L. S. Shapley, "A value for n-person games", 1953. R. Mitchell, J. Cooper, E. Frank, G. Holmes,
"Sampling permutations for Shapley value estimation", JMLR 23, 2022 (antithetic permutations).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, keyed_generator

__all__ = ["EXACT", "Game", "Shares", "coalition_weights", "shapley", "subsets"]

Floats: TypeAlias = NDArray[np.float64]
Masks: TypeAlias = NDArray[np.bool_]

Game: TypeAlias = Callable[[Masks], Floats]
"""Coalitions of shape (k, p) in, replicates of their values of shape (r, k, *out) out."""

EXACT = 10  # players up to which all coalitions are evaluated
_PAIRS = 8  # antithetic pairs of permutations between two looks at the standard error


@dataclass(frozen=True, eq=False)
class Shares:
    """What each player contributes.

    Attributes
    ----------
    values, se : array of shape (p, *out)
        Shapley values and their standard errors.
    total, total_se : array of shape out
        Value of all players together less the value of none: the sum of `values`, and its standard error.
    none : array of shape out
        Value of the empty coalition.
    n_permutations : int
        Permutations that were drawn; 0 where all coalitions were evaluated.
    """

    values: Floats
    se: Floats
    total: Floats
    total_se: Floats
    none: Floats
    n_permutations: int


def subsets(n_players: int) -> Masks:
    """Return all coalitions, shape (2**p, p): bit i of the row number says whether player i is in."""
    numbers = np.arange(2**n_players)
    return (numbers[:, None] >> np.arange(n_players) & 1).astype(bool)


def coalition_weights(n_players: int) -> Floats:
    """Return the matrix, shape (p, 2**p), that takes the values of `subsets` to Shapley values."""
    p, masks = n_players, subsets(n_players)
    sizes = masks.sum(axis=1)
    joining = np.array([factorial(s) * factorial(p - s - 1) / factorial(p) for s in range(p)])
    weights: Floats = np.where(masks.T, joining[sizes - 1], -joining[np.minimum(sizes, p - 1)])
    return weights


def shapley(
    game: Game, n_players: int, *, seed: int, tolerance: float = 0.02, max_permutations: int = 512
) -> Shares:
    """Return the Shapley values of a game.

    Parameters
    ----------
    game : callable
        See `Game`. It must give the same value to the same coalition.
    n_players : int
        At least one. Up to ten, all coalitions are evaluated.
    seed : int
        Of the permutations.
    tolerance : float, default=0.02
        With more players, permutations are drawn until the standard error that is due to them is below
        this share of the largest Shapley value of all outputs, or below the error of the game itself.
    max_permutations : int, default=512
        And no more of them than this.

    Raises
    ------
    DataError
        If `tolerance` or `max_permutations` is not positive.
    """
    if not tolerance > 0 or max_permutations < 2:
        raise DataError(
            "`tolerance` must be positive and `max_permutations` at least 2, "
            f"got {tolerance} and {max_permutations}"
        )
    if n_players <= EXACT:
        return _exact(game, n_players)
    return _sampled(game, n_players, seed, tolerance, max_permutations)


def _exact(game: Game, p: int) -> Shares:
    values = game(subsets(p))
    each = np.moveaxis(np.tensordot(coalition_weights(p), values, axes=(1, 1)), 1, 0)  # (r, p, *out)
    return _shares(each, np.zeros(each.shape[1:]), values[:, -1], values[:, 0], 0)


def _sampled(game: Game, p: int, seed: int, tolerance: float, max_permutations: int) -> Shares:
    generator = keyed_generator(seed, "permutations")
    known = _Known(game)
    ends = known(np.array([[False] * p, [True] * p]))
    found: list[Floats] = []
    while True:
        some = min(_PAIRS, max_permutations // 2 - len(found))
        orders = generator.permuted(np.tile(np.arange(p), (some, 1)), axis=1)
        found.extend(_contributions(known, orders))
        pairs = np.stack(found)  # (pairs, r, p, *out)
        spread = _se(pairs.mean(axis=1))
        largest = np.abs(pairs.mean(axis=(0, 1))).max()
        enough = np.maximum(tolerance * largest, _se(pairs.mean(axis=0)).max(axis=0))
        settled = len(found) > _PAIRS and bool((spread <= enough).all())
        if settled or len(found) >= max_permutations // 2:
            return _shares(pairs.mean(axis=0), spread, ends[:, 1], ends[:, 0], 2 * len(found))


def _contributions(game: Game, orders: NDArray[np.intp]) -> list[Floats]:
    """Return for each order the mean contributions along it and along its reverse, shape (r, p, *out)."""
    p = orders.shape[1]
    both = np.stack([orders, orders[:, ::-1]], axis=1)  # (pairs, 2, p)
    rank = np.argsort(both, axis=2)
    masks = rank[:, :, None, :] < np.arange(p + 1)[:, None]  # the first 0, 1, ..., p players
    values = game(masks.reshape(-1, p))
    values = values.reshape(len(values), len(orders), 2, p + 1, *values.shape[2:])
    steps = np.diff(values, axis=3)
    parts = []
    for pair, ranks in enumerate(rank):
        forth, back = (steps[:, pair, way][:, ranks[way]] for way in (0, 1))
        parts.append((forth + back) / 2)
    return parts


class _Known:
    """A game that is asked about each coalition once."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.values: dict[bytes, Floats] = {}

    def __call__(self, masks: Masks) -> Floats:
        keys = [mask.tobytes() for mask in np.packbits(masks, axis=1)]
        new = {key: row for row, key in enumerate(keys) if key not in self.values}
        if new:
            found = self.game(masks[list(new.values())])
            self.values.update({key: found[:, i] for i, key in enumerate(new)})
        return np.stack([self.values[key] for key in keys], axis=1)


def _shares(each: Floats, spread: Floats, full: Floats, none: Floats, n_permutations: int) -> Shares:
    """Put together replicates of Shapley values, shape (r, p, *out), and the spread of permutations."""
    whole = full - none
    return Shares(
        values=each.mean(axis=0),
        se=np.hypot(_se(each), spread),
        total=np.asarray(whole.mean(axis=0)),
        total_se=np.asarray(_se(whole)),
        none=np.asarray(none.mean(axis=0)),
        n_permutations=n_permutations,
    )


def _se(replicates: Floats) -> Floats:
    """Return the standard error of the mean over axis 0; zero for a single value, which is exact."""
    if len(replicates) == 1:
        return np.zeros(replicates.shape[1:])
    return np.asarray(replicates.std(axis=0, ddof=1) / len(replicates) ** 0.5)
