"""The separating sets of a search, by name."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence, Set

import numpy as np

from causalrep.discovery._search import Ints
from causalrep.graphs import NodeSet

__all__ = ["SeparatingSets"]

Pair = tuple[Hashable, Hashable]


class SeparatingSets(Mapping[Pair, NodeSet[Hashable]]):
    """What separated each pair of variables that is not adjacent: a read-only mapping.

    Either order of the pair finds it: ``sets["X", "Y"]`` is ``sets["Y", "X"]``. Iteration gives each
    pair once, earlier variable first. A pair that is adjacent, or was never tested, is not in it.

    The sets live in arrays and are named when they are read, since a large search removes
    hundreds of thousands of pairs.
    """

    def __init__(self, names: Sequence[Hashable], pairs: Ints, sets: Ints) -> None:
        """Take pairs of positions, i < j and sorted, and their sets padded with -1."""
        self._names = tuple(names)
        self._position = {name: k for k, name in enumerate(self._names)}
        self._pairs, self._sets = pairs, sets
        self._keys = pairs[:, 0] * len(self._names) + pairs[:, 1]

    def __getitem__(self, pair: Pair) -> NodeSet[Hashable]:
        row = self._row(pair)
        if row is None:
            raise KeyError(pair)
        return NodeSet([self._names[k] for k in self._sets[row].tolist() if k >= 0])

    def __contains__(self, pair: object) -> bool:
        return self._row(pair) is not None

    def __iter__(self) -> Iterator[Pair]:
        for i, j in self._pairs.tolist():
            yield self._names[i], self._names[j]

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        shown = ", ".join(f"{pair!r}: {list(self[pair])}" for pair, _ in zip(self, range(10), strict=False))
        return f"SeparatingSets({{{shown}{', ...' if len(self) > 10 else ''}}})"

    def _row(self, pair: object) -> int | None:
        if not isinstance(pair, (tuple, Set)) or len(pair) != 2:
            return None
        try:
            i, j = sorted(self._position[name] for name in pair)
        except (KeyError, TypeError):  # no variable, or nothing that could be one
            return None
        key = i * len(self._names) + j
        row = int(np.searchsorted(self._keys, key))
        return row if row < len(self._keys) and self._keys[row] == key else None
