"""A training step as one CUDA graph: replaying it costs the host one launch instead of hundreds.

Small networks are trained at the speed of the host, not of the accelerator: every kernel of a step is
launched from Python. A graph records the kernels of one step and launches all of them at once, on new data
and new random numbers, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from causalrep.representation.trainer._chance import BatchGenerator

__all__ = ["StepGraph"]

_EAGER_STEPS = 3  # first calls choose kernels, allocate the optimiser's state and fill caches

Update: TypeAlias = Callable[[dict[str, Tensor], BatchGenerator], tuple[Tensor, Tensor]]


class StepGraph:
    """Calls `update`, the first times as it is, then by replaying what it did on the device.

    A step whose module asks for the number of steps done computes something else each time; it is
    recognised by that and never recorded.

    Parameters
    ----------
    update : callable
        ``update(batch, generator) -> (losses, norm)``, one step of the optimiser. It does the same work
        on the device at every call, waits for nothing, and draws from `generator`, its ``batch`` stream
        and the device's own generator alone.
    """

    def __init__(self, update: Update) -> None:
        self._update = update
        self._stream = torch.cuda.Stream()
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: dict[str, Tensor], generator: BatchGenerator) -> tuple[Tensor, Tensor]:
        """Do one step; `generator` is the same object at each call, keyed anew."""
        self._calls += 1
        graph = self._graph
        if graph is None and (self._calls <= _EAGER_STEPS or generator.step_was_read):
            return self._run_aside(batch, generator)
        if graph is None:
            graph = self._record(batch, generator)
        for name, tensor in batch.items():
            self._batch[name].copy_(tensor)
        _ = generator.batch  # keyed now: the graph reads its seed when it is launched
        graph.replay()
        losses, norm = self._results
        return losses.clone(), norm.clone()

    def _run_aside(self, batch: dict[str, Tensor], generator: BatchGenerator) -> tuple[Tensor, Tensor]:
        """Run on the stream that will record: what autograd keeps belongs to the stream that made it."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            losses, norm = self._update(batch, generator)
        current.wait_stream(self._stream)
        return losses.clone(), norm.clone()

    def _record(self, batch: dict[str, Tensor], generator: BatchGenerator) -> torch.cuda.CUDAGraph:
        self._batch = {name: tensor.clone() for name, tensor in batch.items()}
        graph = torch.cuda.CUDAGraph()
        for source in (generator, generator.batch):
            graph.register_generator_state(_over_the_state_of(source))
        # Other threads may go on allocating, to bring the next batches.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            self._results = self._update(self._batch, generator)
        self._graph = graph
        return graph


def _over_the_state_of(generator: torch.Generator) -> torch.Generator:
    """Return a plain generator that shares a generator's state: a graph takes no subclass."""
    return generator.graphsafe_get_state()
