"""How a class of devices runs the networks best, as measured; each setting can be overridden.

Measurements: ``benchmarks/results/training_options.md`` for CPUs, ``benchmarks/results/gpu.md`` for CUDA.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Execution", "execution_on", "rows_at_once"]


@dataclass(frozen=True)
class Execution:
    """What changes speed, not answers.

    Parameters
    ----------
    compile : bool
        Whether training goes through ``torch.compile``.
    channels_last : bool
        Whether convolutions are trained with the channels of a pixel side by side in memory.
    cuda_graphs : bool
        Whether steps of training and of solvers are recorded once and replayed.
    """

    compile: bool
    channels_last: bool
    cuda_graphs: bool


_PLAIN = Execution(compile=False, channels_last=False, cuda_graphs=False)
_MEASURED = {"cuda": Execution(compile=False, channels_last=False, cuda_graphs=True)}

_CPU_ROWS = 256
_CUDA_PIXELS = 2048 * 32**2  # 2 048 images of 32 px


def execution_on(device: torch.device | str, **overrides: bool | None) -> Execution:
    """Return the measured setting of the device's class, with those overridden that are not None."""
    measured = _MEASURED.get(torch.device(device).type, _PLAIN)
    given = {name: value for name, value in overrides.items() if value is not None}
    return Execution(**{**vars(measured), **given})


def rows_at_once(device: torch.device | str, size: int) -> int:
    """Return how many images of a side length pass through the networks at once, which bounds memory."""
    if torch.device(device).type != "cuda":
        return _CPU_ROWS
    return max(64, _CUDA_PIXELS // size**2)
