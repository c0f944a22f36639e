"""Rows of an SCM as a container: one array per node, together with the noise that made them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from causalrep.scm._arrays import as_array, noise_rows, take_noise, to_numpy
from causalrep.scm._mechanism import Array, Noise
from causalrep.utils import DataError, UnknownNameError, frame_like

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Samples"]


class Samples(Mapping[Hashable, Array]):
    """Values of the nodes, one array of shape (n, ...) each, and the noise that they came from.

    A mapping from node to array; as with a data frame, ``len`` is the number of rows.

    Parameters
    ----------
    values : mapping of node to array of shape (n, ...)
        NumPy, Torch, ...; kept by reference.
    noise : mapping of node to noise, optional
        The true noise of nodes, where it is known: an array of n rows, or a dict of such arrays.

    Attributes
    ----------
    noise : dict of node to noise
        Noise of the nodes that follow their own mechanism; a node that was intervened on has none,
        because its value does not come from it.

    Raises
    ------
    DataError
        If the arrays differ in their number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.scm import Samples
    >>> s = Samples({"X": np.arange(3.0), "image": np.zeros((3, 1, 8, 8))})
    >>> len(s), list(s), s.take([0, 2])["X"]
    (3, ['X', 'image'], array([0., 2.]))
    >>> list(s.frame.columns)
    ['X']
    """

    def __init__(
        self, values: Mapping[Hashable, Array], noise: Mapping[Hashable, Noise] | None = None
    ) -> None:
        self._values = {node: as_array(value) for node, value in values.items()}
        self.noise: dict[Hashable, Noise] = dict(noise or {})
        rows = {node: value.shape[0] if value.shape else 0 for node, value in self._values.items()}
        counts = set(rows.values()).union(*(noise_rows(part) for part in self.noise.values()))
        if len(counts) != 1 or not all(value.shape for value in self._values.values()):
            raise DataError(f"all nodes and noises must have the same number of rows (axis 0), got {rows}")
        self._n = int(counts.pop())

    def __getitem__(self, node: Hashable) -> Array:
        try:
            return self._values[node]
        except KeyError:
            raise UnknownNameError(node, self._values, what="the index of Samples") from None

    def __contains__(self, node: object) -> bool:
        return node in self._values

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._values)

    def __len__(self) -> int:
        return self._n

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        shapes = ", ".join(f"{node!r}: {tuple(value.shape)}" for node, value in self._values.items())
        return f"Samples({self._n} rows; {shapes})"

    @property
    def frame(self) -> pd.DataFrame:
        """The scalar nodes as a pandas data frame of n rows."""
        scalar = {node: to_numpy(value) for node, value in self._values.items() if value.ndim == 1}
        frame: pd.DataFrame = frame_like(scalar)
        return frame

    def take(self, index: Any) -> Samples:
        """Return the rows `index`, values and noise.

        Parameters
        ----------
        index : slice, int, array of int or array of bool of shape (n,)
            Which rows; one int gives one row.

        Returns
        -------
        Samples
            The rows, in the order of `index`.
        """
        if isinstance(index, (int, np.integer)):
            index = [index]
        rows = index if isinstance(index, slice) else as_array(index)
        return Samples(
            {node: value[rows] for node, value in self._values.items()},
            {node: take_noise(noise, rows) for node, noise in self.noise.items()},
        )
