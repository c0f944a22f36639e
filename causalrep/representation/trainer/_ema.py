"""The exponential moving average of the weights, in a few fused calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["MovingAverage"]


class MovingAverage:
    """A moving average ``a <- d a + (1 - d) w`` of named tensors.

    After step ``s = 0, 1, ...`` the decay is ``d = min(decay, (1 + s) / (10 + s))``, so that the
    first weights are forgotten quickly. Integer tensors, and floating ones that hold infinities
    when the average starts (masks), are copied.

    Parameters
    ----------
    live : mapping of str to Tensor
        The tensors that training changes; the average starts as a copy.
    decay : float in [0, 1)
        The largest decay.
    """

    def __init__(self, live: Mapping[str, Tensor], decay: float) -> None:
        self._decay = decay
        # The tensors themselves, not views of them: distributed wrappers may move their memory.
        self._live = dict(live)
        self.tensors = {name: tensor.detach().clone() for name, tensor in live.items()}
        averaged = [
            name
            for name, tensor in self._live.items()
            if tensor.is_floating_point() and bool(tensor.isfinite().all())
        ]
        copied = [name for name in self._live if name not in set(averaged)]
        self._averaged = [self.tensors[name] for name in averaged], [self._live[name] for name in averaged]
        self._copied = [self.tensors[name] for name in copied], [self._live[name] for name in copied]

    def decay_at(self, step: int) -> float:
        """Return the decay after step 0, 1, ..."""
        return min(self._decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the live tensors as step 0, 1, ... left them."""
        if self._averaged[0]:
            torch._foreach_lerp_(*self._averaged, 1 - self.decay_at(step))
        if self._copied[0]:
            torch._foreach_copy_(*self._copied)

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Set the average to `values`."""
        for name, tensor in self.tensors.items():
            tensor.copy_(values[name])

    @torch.no_grad()
    def store(self) -> None:
        """Write the average into the live tensors."""
        for name, tensor in self._live.items():
            tensor.copy_(self.tensors[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the live tensors hold the average inside the block."""
        kept = {name: tensor.detach().clone() for name, tensor in self._live.items()}
        self.store()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in self._live.items():
                    tensor.copy_(kept[name])
