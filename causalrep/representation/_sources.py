"""Training images that are read when they are needed: arrays on disk and data sets of torch.

Images in memory are one tensor of bytes. What does not fit into memory stays where it is, behind the same
two calls: its shape, and some of its rows, as bytes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from causalrep.representation._images import as_images
from causalrep.utils import DataError, frame_like

__all__ = ["ArrayImages", "DatasetImages", "ImageSource", "Images", "as_training_images", "image_parts"]

_WINDOW = 2048  # rows that are shuffled among themselves; so many, twice, are held in memory


class ImageSource(ABC):
    """Images that are read by row.

    Parameters
    ----------
    n : int
        Their number.
    first : Tensor of uint8, shape (1, channels, size, size)
        One of them, which tells the shape.
    block : int
        Rows that are stored, and best read, together.
    """

    def __init__(self, n: int, first: Tensor, block: int) -> None:
        self.shape: tuple[int, ...] = (n, *first.shape[1:])
        self.block = block
        self.window = max(1, math.ceil(_WINDOW / block)) if block > 1 else 1
        self._held: OrderedDict[int, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Return rows, of a slice or in the order of an index, as uint8 (n, channels, size, size)."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1 and self.block == 1:
                return self.read(start, max(start, stop))
            rows = torch.tensor(range(start, stop, step), dtype=torch.int64)
        result = torch.empty((len(rows), *self.shape[1:]), dtype=torch.uint8)
        numbers = rows // self.block
        for number in numbers.unique().tolist():
            here = numbers == number
            result[here] = self._block(number)[rows[here] - number * self.block]
        return result

    def _block(self, number: int) -> Tensor:
        """Return a block; with windows of blocks, those of the last two are held."""
        if number in self._held:
            self._held.move_to_end(number)
            return self._held[number]
        rows = self.read(number * self.block, min((number + 1) * self.block, len(self)))
        if self.block > 1:
            while len(self._held) >= 2 * self.window:
                self._held.popitem(last=False)
            self._held[number] = rows
        return rows

    @abstractmethod
    def read(self, start: int, stop: int) -> Tensor:
        """Return rows `start` to `stop` as uint8."""


class ArrayImages(ImageSource):
    """An array on disk: of zarr, h5py, or a memory map.

    Parameters
    ----------
    array : array of shape (n, channels, size, size)
        Anything with ``shape``, ``dtype`` and slices along the first axis. Where it is stored in chunks,
        rows of a chunk are read together.
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        if len(array.shape) != 4 or array.shape[0] == 0:
            raise DataError(
                f"`images` must hold at least one image, (n, channels, size, size), got shape {array.shape}"
            )
        chunks = getattr(array, "chunks", None)
        first = _as_bytes(np.asarray(array[0:1]), 0)
        super().__init__(array.shape[0], first, int(chunks[0]) if isinstance(chunks, tuple) else 1)

    def read(self, start: int, stop: int) -> Tensor:
        """Return rows `start` to `stop` as uint8."""
        return _as_bytes(np.asarray(self._array[start:stop]), start)


class DatasetImages(ImageSource):
    """A data set of torch with rows by number: images, or pairs of an image and its labels.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        With ``len`` and items that are images, or tuples that begin with an image and its labels: a mapping
        from node to number, or numbers in the order of the graph's nodes.
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            raise DataError(
                "`images` must be a data set whose rows are read by number, with a length; a "
                f"{type(dataset).__name__} can only be read in order"
            )
        self._dataset: Any = dataset
        if len(self._dataset) == 0:
            raise DataError("`images` must hold at least one image, got an empty data set")
        super().__init__(len(self._dataset), self.read(0, 1), 1)

    def read(self, start: int, stop: int) -> Tensor:
        """Return rows `start` to `stop` as uint8."""
        rows = [_as_bytes(np.asarray(_image_of(self._dataset[i]))[None], i) for i in range(start, stop)]
        shapes = {tuple(row.shape[1:]) for row in rows}
        if len(shapes) > 1:
            raise DataError(f"all images must have one shape, got {sorted(shapes)}")
        return torch.cat(rows) if rows else torch.empty((0, *self.shape[1:]), dtype=torch.uint8)

    def labels(self, nodes: tuple[Any, ...] | None) -> Any:
        """Read the labels of all rows, once, into a data frame; `nodes` names those without names."""
        rows = [self._label(self._dataset[i], nodes, i) for i in range(len(self))]
        return frame_like({name: np.array([row[name] for row in rows]) for name in rows[0]})

    @staticmethod
    def _label(item: Any, nodes: tuple[Any, ...] | None, number: int) -> dict[Any, float]:
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise DataError(
                "without `labels`, items of the data set must be pairs of an image and its labels"
            )
        told = item[1]
        if isinstance(told, Mapping):
            return {name: float(value) for name, value in told.items()}
        values = np.asarray(told, dtype=np.float64).reshape(-1)
        if nodes is None or len(values) != len(nodes):
            names = "no graph that names them" if nodes is None else f"{len(nodes)} nodes"
            raise DataError(
                f"item {number} of the data set has {len(values)} label(s) without names for {names}"
            )
        return dict(zip(nodes, values.tolist(), strict=True))


#: Training images: bytes in memory, or what is read by row.
Images: TypeAlias = Tensor | ImageSource


def as_training_images(images: Any) -> Images:
    """Return images as bytes: a tensor where they are in memory, else a source that is read by row.

    Raises
    ------
    DataError
        If they are not images (see :func:`as_images`), or none.
    """
    if isinstance(images, Dataset):
        return DatasetImages(images)
    in_memory = isinstance(images, np.ndarray | Tensor) and not isinstance(images, np.memmap)
    if not in_memory and hasattr(images, "shape") and hasattr(images, "dtype"):
        return ArrayImages(images)
    tensor = as_images(images)
    if len(tensor) == 0:
        raise DataError("`images` must hold at least one image, got none")
    return (tensor * 255.0).round().to(torch.uint8)


def image_parts(images: Images, n: int) -> Iterator[Tensor]:
    """Yield all images, `n` at a time."""
    for start in range(0, len(images), n):
        yield images[start : start + n]


def _image_of(item: Any) -> Any:
    return item[0] if isinstance(item, tuple | list) else item


def _as_bytes(images: Any, first: int) -> Tensor:
    what = f"images[{first}:{first + len(images)}]"
    tensor = as_images(images, what=what)
    return (tensor * 255.0).round().to(torch.uint8)
