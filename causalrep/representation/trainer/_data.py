"""Training data that stay on the device: a gather by row index replaces the data loader."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

from causalrep.utils import DataError

__all__ = ["Data", "RowSource", "StreamedData", "TensorData", "as_data"]

_SAMPLED_ROWS = 256
_READ_ROWS = 32


class Data(Protocol):
    """What the trainer asks of data: a length, batches by row index, a device and an identity."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def batch(self, index: Tensor) -> dict[str, Tensor]:
        """Return the rows that `index`, a tensor of int64 on the data's device, names."""

    def to(self, device: torch.device) -> Data:
        """Return the data on `device`."""

    def describe(self) -> dict[str, Any]:
        """Return what identifies the data, as JSON values."""

    @property
    def index_device(self) -> torch.device:
        """Where `batch` wants its index."""

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows that are best read together, and how many such blocks are shuffled among themselves."""

    def expect(self, index: Tensor) -> None:
        """Be told which rows will be asked for next."""


class TensorData:
    """Equally long tensors, kept whole on the device that trains.

    Images are best kept as ``uint8`` and normalised by the module: a batch is then one gather of a
    quarter of the bytes.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Tensors with the same first axis, the rows.

    Raises
    ------
    DataError
        If there is no tensor, no row, or if the lengths differ.

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.trainer import TensorData
    >>> data = TensorData({"x": torch.arange(6).reshape(3, 2), "y": torch.arange(3)})
    >>> {name: rows.tolist() for name, rows in data.batch(torch.tensor([2, 0])).items()}
    {'x': [[4, 5], [0, 1]], 'y': [2, 0]}
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            if not isinstance(tensor, Tensor) or tensor.ndim == 0:
                raise DataError(
                    f"`data` must hold tensors with an axis of rows, got {type(tensor).__name__} for {name!r}"
                )
        lengths = {name: len(tensor) for name, tensor in tensors.items()}
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            raise DataError(f"the tensors of `data` must have the same, positive length, got {lengths}")
        self.tensors = dict(tensors)
        self._length = next(iter(lengths.values()))

    def __len__(self) -> int:
        return self._length

    def batch(self, index: Tensor) -> dict[str, Tensor]:
        """Return a dict with the rows of `index`, of shape (len(index), ...)."""
        return {name: tensor.index_select(0, index) for name, tensor in self.tensors.items()}

    def to(self, device: torch.device) -> TensorData:
        """Return the data on `device`; tensors that are there already are shared."""
        return TensorData({name: tensor.detach().to(device) for name, tensor in self.tensors.items()})

    @property
    def index_device(self) -> torch.device:
        """The device of the tensors."""
        return next(iter(self.tensors.values())).device

    @property
    def blocks(self) -> tuple[int, int]:
        """Single rows: all are shuffled among themselves."""
        return 1, 1

    def expect(self, index: Tensor) -> None:
        """Do nothing: all rows are there."""

    def describe(self) -> dict[str, Any]:
        """Return shape, type and a hash of up to 256 evenly spaced rows for each tensor."""
        rows = torch.linspace(0, self._length - 1, min(self._length, _SAMPLED_ROWS), dtype=torch.float64)
        return {name: _describe(tensor, rows.round().long()) for name, tensor in self.tensors.items()}


class RowSource(Protocol):
    """Rows that are read when they are asked for."""

    shape: tuple[int, ...]
    block: int
    window: int

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return the rows that an index on the CPU names."""


class StreamedData:
    """Rows that are read while the model is trained, beside tensors that are kept on the device.

    One thread reads the rows of the next step while the device computes this one.

    Parameters
    ----------
    name : str
        How the rows that are read are called in a batch.
    source : object with shape, block, window, ``len`` and rows by index
        ``source[index]``, `index` a tensor of int64 on the CPU, returns a tensor of its rows. `block` rows
        are best read together; `window` blocks are shuffled among themselves.
    tensors : mapping of str to Tensor
        Tensors of as many rows.
    device : torch.device or str, default="cpu"
        Where batches are put and the tensors are kept.

    Raises
    ------
    DataError
        If the lengths differ.
    """

    def __init__(
        self,
        name: str,
        source: RowSource,
        tensors: Mapping[str, Tensor],
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        self._name, self._source = name, source
        self._device = torch.device(device)
        self._beside = TensorData(tensors).to(self._device)
        if len(self._beside) != len(source):
            raise DataError(f"{name!r} must have {len(self._beside)} rows, as the tensors, got {len(source)}")
        self._reader = ThreadPoolExecutor(max_workers=1)
        self._expected: tuple[Tensor, Future[Tensor]] | None = None

    def __len__(self) -> int:
        return len(self._source)

    @property
    def index_device(self) -> torch.device:
        """The CPU, where the rows are read."""
        return torch.device("cpu")

    @property
    def blocks(self) -> tuple[int, int]:
        """Those of the source."""
        return self._source.block, self._source.window

    def expect(self, index: Tensor) -> None:
        """Begin to read rows."""
        self._expected = index, self._reader.submit(self._read, index)

    def batch(self, index: Tensor) -> dict[str, Tensor]:
        """Return a dict with the rows of `index`, of shape (len(index), ...)."""
        if self._expected is not None and torch.equal(self._expected[0], index):
            reading, self._expected = self._expected[1], None
        else:
            reading = self._reader.submit(self._read, index)
        rows = reading.result().to(self._device, non_blocking=True)
        return {self._name: rows, **self._beside.batch(index.to(self._beside.index_device))}

    def to(self, device: torch.device) -> StreamedData:
        """Return the data with batches on `device`."""
        return StreamedData(self._name, self._source, self._beside.tensors, device=device)

    def describe(self) -> dict[str, Any]:
        """Return shape, blocks and a hash of up to 32 evenly spaced rows, and what tells the tensors."""
        n = len(self)
        rows = torch.linspace(0, n - 1, min(n, _READ_ROWS), dtype=torch.float64).round().long()
        sample = self._source[rows]
        told = {
            "form": f"{_name_of(sample.dtype)}{list(self._source.shape)}",
            "sample": _describe(sample, torch.arange(len(rows)))["sample"],
            "blocks": list(self.blocks),
        }
        return {self._name: told, **self._beside.describe()}

    def _read(self, index: Tensor) -> Tensor:
        rows = self._source[index]
        return rows.pin_memory() if self._device.type == "cuda" else rows


def as_data(data: Data | Mapping[str, Tensor]) -> Data:
    """Return `data`, with a plain mapping of tensors wrapped."""
    return TensorData(data) if isinstance(data, Mapping) else data


def _describe(tensor: Tensor, rows: Tensor) -> dict[str, Any]:
    sample = tensor.index_select(0, rows.to(tensor.device)).cpu().contiguous()
    content = sample.reshape(-1).view(torch.uint8).numpy()
    return {
        "form": f"{_name_of(tensor.dtype)}{list(tensor.shape)}",
        "sample": hashlib.blake2b(content.tobytes(), digest_size=16).hexdigest(),
    }


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
