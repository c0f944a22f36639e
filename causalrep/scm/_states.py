"""The states of a discrete node: labels at the door, integer codes inside."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, UnknownNameError

__all__ = ["States"]


class States:
    """The distinct values that a node can take, in order.

    Parameters
    ----------
    labels : iterable of number or str
        The values; numbers that are equal are one state (1, 1.0 and True).
    node : hashable, optional
        Whose states they are, for messages.

    Raises
    ------
    DataError
        If there is no state, one is named twice, or one is neither number nor text.
    """

    def __init__(self, labels: Iterable[Hashable], node: Hashable = None) -> None:
        self.labels = tuple(label.item() if isinstance(label, np.generic) else label for label in labels)
        self.node = node
        odd = [label for label in self.labels if not isinstance(label, (str, bool, int, float))]
        if odd:
            raise DataError(f"the states of {node!r} must be numbers or text, got {odd[0]!r}")
        self._code = {label: code for code, label in enumerate(self.labels)}
        if not self.labels or len(self._code) != len(self.labels):
            raise DataError(f"the states of {node!r} must be distinct, at least one, got {self.labels}")
        self._counts = self.labels == tuple(range(len(self.labels))) and type(self.labels[0]) is int

    def __len__(self) -> int:
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, States) and self.labels == other.labels

    def __hash__(self) -> int:
        return hash(self.labels)

    def __repr__(self) -> str:
        return f"States({list(self.labels)!r})"

    @property
    def numeric(self) -> bool:
        """Whether every state is a number, so that an expectation has a meaning."""
        return all(isinstance(label, (bool, int, float)) for label in self.labels)

    @property
    def values(self) -> NDArray[Any]:
        """The labels as an array of shape (k,): of numbers where all are, else of objects."""
        if self.numeric:
            return np.asarray(self.labels)
        array = np.empty(len(self.labels), dtype=object)
        array[:] = self.labels
        return array

    def code(self, label: Hashable, *, what: str) -> int:
        """Return the code of one label, or raise ``UnknownNameError`` with the nearest state."""
        try:
            return self._code[label]
        except (KeyError, TypeError):
            raise UnknownNameError(label, self.labels, what=f"{what} for {self.node!r}") from None

    def encode(self, values: Any, *, what: str = "a value") -> NDArray[np.intp]:
        """Return the codes of an array of labels, shape (n,)."""
        array = np.asarray(values)
        if self._counts and array.dtype.kind in "biu":
            if array.size and not (array.min() >= 0 and array.max() < len(self)):
                outside = array[(array < 0) | (array >= len(self))][0].item()
                raise UnknownNameError(outside, self.labels, what=f"{what} for {self.node!r}")
            return array.astype(np.intp, copy=False)
        items: Sequence[Hashable] = array.tolist()
        try:
            return np.fromiter(map(self._code.__getitem__, items), np.intp, len(items))
        except (KeyError, TypeError):
            wrong = next(item for item in items if item not in self._code)
            raise UnknownNameError(wrong, self.labels, what=f"{what} for {self.node!r}") from None

    def decode(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return the labels of an array of codes."""
        return codes if self._counts else self.values[codes]
