"""Training data that stay on the device: a gather by row index replaces the data loader."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from causalrep.utils import DataError

__all__ = ["Data", "TensorData", "as_data"]

_SAMPLED_ROWS = 256


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
        self._tensors = dict(tensors)
        self._length = next(iter(lengths.values()))

    def __len__(self) -> int:
        return self._length

    def batch(self, index: Tensor) -> dict[str, Tensor]:
        """Return a dict with the rows of `index`, of shape (len(index), ...)."""
        return {name: tensor.index_select(0, index) for name, tensor in self._tensors.items()}

    def to(self, device: torch.device) -> TensorData:
        """Return the data on `device`; tensors that are there already are shared."""
        return TensorData({name: tensor.detach().to(device) for name, tensor in self._tensors.items()})

    def describe(self) -> dict[str, Any]:
        """Return shape, type and a hash of up to 256 evenly spaced rows for each tensor."""
        rows = torch.linspace(0, self._length - 1, min(self._length, _SAMPLED_ROWS), dtype=torch.float64)
        return {name: _describe(tensor, rows.round().long()) for name, tensor in self._tensors.items()}


def as_data(data: Data | Mapping[str, Tensor]) -> Data:
    """Return `data`, with a plain mapping of tensors wrapped."""
    return TensorData(data) if isinstance(data, Mapping) else data


def _describe(tensor: Tensor, rows: Tensor) -> dict[str, Any]:
    sample = tensor.index_select(0, rows.to(tensor.device)).cpu().contiguous()
    content = sample.reshape(-1).view(torch.uint8).numpy()
    return {
        "form": f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}",
        "sample": hashlib.blake2b(content.tobytes(), digest_size=16).hexdigest(),
    }
