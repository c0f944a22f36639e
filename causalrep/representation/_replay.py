"""An image network under one condition, called many times by a solver: on CUDA, as a replayed graph.

A solver calls a small network dozens of times on images of one shape, and on an accelerator the launch of
its kernels from Python takes longer than they do. A call is recorded once for each shape and replayed from
then on. The records stand apart from the network, which stays a plain module that can be copied and saved.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from causalrep.representation.modules import Prepared

__all__ = ["network_under"]

_MOST_SHAPES = 4  # records per network; each holds the memory of one pass
_WARM_UP = 2  # calls before recording, in which libraries choose their kernels

_records: WeakKeyDictionary[nn.Module, OrderedDict[Any, _Record]] = WeakKeyDictionary()


def network_under(image: Any, prepared: Prepared, *, cuda_graphs: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """Return ``run(x, t)``, the image network under a prepared condition.

    Parameters
    ----------
    image : Denoiser
        The network.
    prepared : Prepared
        What it has worked out from the condition.
    cuda_graphs : bool
        Whether calls on a CUDA device are recorded and replayed, where no gradient is asked for.
    """

    def run(x: Tensor, t: Tensor) -> Tensor:
        if not cuda_graphs or x.device.type != "cuda" or torch.is_grad_enabled():
            return image.run(x, t, prepared)  # type: ignore[no-any-return]
        return _record_of(image, x, t, prepared)(x, t, prepared)

    return run


class _Record:
    """One call of a network on inputs of one shape.

    Parameters
    ----------
    image : Denoiser
        The network.
    x, t, prepared
        Inputs of the shapes to record.
    """

    def __init__(self, image: Any, x: Tensor, t: Tensor, prepared: Prepared) -> None:
        self._x, self._t = x.clone(), t.clone()
        self._prepared = replace(prepared, **{k: v.clone() for k, v in _tensors(prepared).items()})
        self._holds = prepared
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                image.run(self._x, self._t, self._prepared)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            self._output: Tensor = image.run(self._x, self._t, self._prepared)

    def __call__(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        self._x.copy_(x)
        self._t.copy_(t)
        if self._holds is not prepared:
            for name, tensor in _tensors(prepared).items():
                getattr(self._prepared, name).copy_(tensor)
            self._holds = prepared
        self._graph.replay()
        return self._output.clone()


def _record_of(image: nn.Module, x: Tensor, t: Tensor, prepared: Prepared) -> _Record:
    """Return the record for inputs of these shapes, the calling thread, and the weights where they are."""
    shapes = tuple((name, tensor.shape, tensor.dtype) for name, tensor in _tensors(prepared).items())
    weights = tuple(tensor.data_ptr() for tensor in image.parameters())
    key = (threading.get_ident(), x.shape, x.dtype, t.dtype, shapes, weights)
    known = _records.setdefault(image, OrderedDict())
    if key not in known:
        while len(known) >= _MOST_SHAPES:
            known.popitem(last=False)
        known[key] = _Record(image, x, t, prepared)
    known.move_to_end(key)
    return known[key]


def _tensors(prepared: Prepared) -> dict[str, Tensor]:
    values = {field.name: getattr(prepared, field.name) for field in fields(prepared)}
    return {name: value for name, value in values.items() if value is not None}
