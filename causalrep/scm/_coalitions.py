"""Values of a target in which some causes are as they were and some as they are now.

Each player switches what one node is made of: its noise, its mechanism, or both. A node therefore depends
on the switches of its ancestors alone, and is computed once for each distinct setting of those: a root has
two versions, whatever the number of coalitions. All versions of a node go through its mechanism in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._arrays import forwarded, to_numpy
from causalrep.scm._interventions import Altered, Fixed, Look
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._shapley import Floats, Masks
from causalrep.utils import CausalRepError, DataError

__all__ = ["Replay", "Version", "by_blocks"]

_CELLS = 4_000_000  # numbers of one node that are held at a time


@dataclass(frozen=True)
class Version:
    """What a node is made of: a mechanism, the parents that it reads, and noise of n rows."""

    mechanism: Mechanism
    parents: tuple[Hashable, ...]
    noise: Noise


class Replay:
    """Values of a target under coalitions.

    Parameters
    ----------
    order : sequence of node
        The ancestors of the target and the target, causes first.
    switches : mapping of node to tuple of int
        Which players switch something of a node, in order; none for a node that is always the same.
    versions : mapping of node to mapping of settings to Version
        For each setting of a node's own switches what it is made of.
    n : int
        Rows.
    look : callable
        What values of a node look like, for interventions.
    """

    def __init__(
        self,
        order: Sequence[Hashable],
        switches: Mapping[Hashable, tuple[int, ...]],
        versions: Mapping[Hashable, Mapping[tuple[bool, ...], Version]],
        n: int,
        look: Look,
    ) -> None:
        self.order, self.switches, self.versions, self.n, self.look = order, switches, versions, n, look
        self.relevant: dict[Hashable, list[int]] = {}
        for node in order:
            above = {p for version in versions[node].values() for p in version.parents}
            known = set(switches[node]).union(*(self.relevant[parent] for parent in above))
            self.relevant[node] = sorted(known)

    def __call__(self, masks: Masks) -> Floats:
        """Return the target's values for coalitions of shape (k, p), shape (k, n)."""
        values: dict[Hashable, Array] = {}
        version_of: dict[Hashable, NDArray[np.intp]] = {}
        for node in self.order:
            first, version_of[node] = _distinct(masks[:, self.relevant[node]])
            values[node] = self._values(node, masks[first], first, values, version_of)
        target = self.order[-1]
        found = to_numpy(values[target])
        if found.ndim != 1:
            raise DataError(f"{target!r} must be a scalar node, its values have shape {found.shape}")
        return np.asarray(found.reshape(-1, self.n)[version_of[target]])

    def _values(
        self,
        node: Hashable,
        masks: Masks,
        first: NDArray[np.intp],
        values: Mapping[Hashable, Array],
        version_of: Mapping[Hashable, NDArray[np.intp]],
    ) -> Array:
        """Return the versions of a node, one after the other: (number of versions * n, ...)."""
        own = [tuple(bool(bit) for bit in row) for row in masks[:, list(self.switches[node])]]
        groups: dict[int, list[int]] = {}
        for i, setting in enumerate(own):
            groups.setdefault(id(self.versions[node][setting].mechanism), []).append(i)
        parts: list[Array] = []
        for members in groups.values():
            version = self.versions[node][own[members[0]]]
            there = {
                parent: self._rows(values[parent], version_of[parent][first[members]])
                for parent in version.parents
            }
            noise = self._noise(node, [own[i] for i in members])
            parts.append(self._forward(node, version.mechanism, there, noise, len(members) * self.n))
        if len(parts) == 1:
            return parts[0]
        stacked = np.concatenate([to_numpy(part) for part in parts])
        place = np.argsort([i for members in groups.values() for i in members], kind="stable")
        return self._rows(stacked, place)

    def _rows(self, array: Array, blocks: NDArray[np.intp]) -> Array:
        """Return blocks of n rows of an array that is made of such blocks."""
        index = (blocks[:, None] * self.n + np.arange(self.n)).ravel()
        return array[index]

    def _noise(self, node: Hashable, settings: list[tuple[bool, ...]]) -> Noise:
        """Return the noises of versions, one after the other."""
        distinct = list(dict.fromkeys(settings))
        noises = [self.versions[node][setting].noise for setting in distinct]
        blocks = np.array([distinct.index(setting) for setting in settings])
        if all(noise is noises[0] for noise in noises):
            noises, blocks = noises[:1], np.zeros(len(settings), dtype=np.intp)
        if isinstance(noises[0], Mapping):
            return {name: self._stacked([noise[name] for noise in noises], blocks) for name in noises[0]}
        return self._stacked(noises, blocks)

    def _stacked(self, parts: Sequence[Any], blocks: NDArray[np.intp]) -> Array:
        whole = parts[0] if len(parts) == 1 else np.concatenate([to_numpy(part) for part in parts])
        return self._rows(whole, blocks)

    def _forward(
        self, node: Hashable, mechanism: Mechanism, parents: Mapping[Hashable, Array], noise: Noise, n: int
    ) -> Array:
        if isinstance(mechanism, (Altered, Fixed)):
            if any(getattr(getattr(mechanism, part, None), "shape", ()) for part in ("value", "delta")):
                raise CausalRepError(f"{node!r} is set row by row; attribution needs the same for all rows")
            mechanism = mechanism.for_rows(n, self.look, node)
        return forwarded(mechanism, node, parents, noise, n)


def _distinct(settings: Masks) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where each distinct row stands first, and which of them each row is."""
    if not settings.shape[1]:
        return np.zeros(1, dtype=np.intp), np.zeros(len(settings), dtype=np.intp)
    packed = np.packbits(settings, axis=1)
    _, first, inverse = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def by_blocks(replay: Replay, reduce: Callable[[Floats], Floats]) -> Callable[[Masks], Floats]:
    """Return the game that reduces the target's values, (k, n) -> (r, k, *out), some coalitions at a time."""
    step = max(1, _CELLS // replay.n)

    def game(masks: Masks) -> Floats:
        parts = [reduce(replay(masks[i : i + step])) for i in range(0, len(masks), step)]
        return np.concatenate(parts, axis=1)

    return game
