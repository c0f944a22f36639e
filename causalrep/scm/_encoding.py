"""Columns of parents as a matrix of numbers: numbers stay, categories become indicator columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._mechanism import Array
from causalrep.utils import UnknownNameError

__all__ = ["Encoding", "is_categorical", "levels_of"]


def is_categorical(column: Array) -> bool:
    """Say whether a column holds something else than numbers and truth values."""
    return np.asarray(column).dtype.kind not in "biuf"


def levels_of(column: Array) -> tuple[Any, ...]:
    """Return the different values, sorted, as Python objects."""
    return tuple(np.unique(np.asarray(column)).tolist())


@dataclass(frozen=True)
class Encoding:
    """How columns become a matrix.

    Attributes
    ----------
    names : tuple of node
        The columns, in order.
    levels : tuple of (tuple or None)
        For a categorical column its values; one indicator for each but the first. None for numbers.
    """

    names: tuple[Hashable, ...]
    levels: tuple[tuple[Any, ...] | None, ...]

    @classmethod
    def of(cls, parents: Mapping[Hashable, Array]) -> Encoding:
        """Return the encoding of observed columns."""
        levels = [levels_of(column) if is_categorical(column) else None for column in parents.values()]
        return cls(tuple(parents), tuple(levels))

    @property
    def numeric(self) -> bool:
        """Whether every column is one of numbers."""
        return all(levels is None for levels in self.levels)

    def matrix(self, *columns: Array) -> NDArray[np.float64]:
        """Return the matrix of columns that are given in the order of `names`, shape (n, width).

        Raises
        ------
        UnknownNameError
            If a category was not there when the encoding was made.
        """
        parts = []
        for name, levels, column in zip(self.names, self.levels, columns, strict=True):
            values = np.asarray(column)
            if levels is None:
                parts.append(values.astype(np.float64))
                continue
            hits = [values == level for level in levels]
            unknown = ~np.any(hits, axis=0)
            if unknown.any():
                raise UnknownNameError(values[unknown][0], levels, what=f"a row of {name!r}")
            parts += [hit.astype(np.float64) for hit in hits[1:]]
        return np.stack(parts, axis=1)
