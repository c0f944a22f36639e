"""The separating sets of a search, by name."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._search import Ints
from causalrep.graphs import NodeSet

__all__ = ["SeparatingSets"]

Pair = tuple[Hashable, Hashable]


class SeparatingSets(Mapping[Pair, NodeSet[Hashable]]):
    """What separated each pair of variables that is not adjacent: a read-only mapping.

    Either order of the pair finds it: ``sets["X", "Y"]`` is ``sets["Y", "X"]``. Iteration gives each
    pair once, earlier variable first. A pair that is adjacent, or was never tested, is not in it.

    The sets live in arrays and are named when they are read, since a large search removes millions of
    pairs, most of them given nothing.
    """

    def __init__(
        self,
        names: Sequence[Hashable],
        pairs: Ints,
        sets: Ints,
        apart: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take pairs i < j of positions, sorted, their sets, padded with -1, and pairs with empty sets."""
        self._names = tuple(names)
        self._position = {name: k for k, name in enumerate(self._names)}
        self._pairs, self._sets, self._apart = pairs, sets, apart
        self._keys = pairs[:, 0] * len(self._names) + pairs[:, 1]

    def __getitem__(self, pair: Pair) -> NodeSet[Hashable]:
        ends = self._ends(pair)
        if ends is not None and self._apart is not None and self._apart[ends]:
            return NodeSet()
        row = None if ends is None else self._row(*ends)
        if row is None:
            raise KeyError(pair)
        return NodeSet([self._names[k] for k in self._sets[row].tolist() if k >= 0])

    def __contains__(self, pair: object) -> bool:
        ends = self._ends(pair)
        if ends is None:
            return False
        return bool(self._apart is not None and self._apart[ends]) or self._row(*ends) is not None

    def __iter__(self) -> Iterator[Pair]:
        starts = np.searchsorted(self._pairs[:, 0], np.arange(len(self._names) + 1))
        for i, (start, stop) in enumerate(pairwise(starts.tolist())):
            others = self._pairs[start:stop, 1]
            if self._apart is not None:
                others = np.union1d(others, np.flatnonzero(self._apart[i, i + 1 :]) + i + 1)
            for j in others.tolist():
                yield self._names[i], self._names[j]

    def __len__(self) -> int:
        unconditional = 0 if self._apart is None else int(np.count_nonzero(self._apart)) // 2
        return len(self._pairs) + unconditional

    def __repr__(self) -> str:
        shown = ", ".join(f"{pair!r}: {list(self[pair])}" for pair, _ in zip(self, range(10), strict=False))
        return f"SeparatingSets({{{shown}{', ...' if len(self) > 10 else ''}}})"

    def _ends(self, pair: object) -> tuple[int, int] | None:
        if not isinstance(pair, (tuple, Set)) or len(pair) != 2:
            return None
        try:
            i, j = sorted(self._position[name] for name in pair)
        except (KeyError, TypeError):  # no variable, or nothing that could be one
            return None
        return i, j

    def _row(self, i: int, j: int) -> int | None:
        key = i * len(self._names) + j
        row = int(np.searchsorted(self._keys, key))
        return row if row < len(self._keys) and self._keys[row] == key else None
