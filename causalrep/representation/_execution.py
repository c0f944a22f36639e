"""How a class of devices runs the networks best, as measured; each setting can be overridden.

Measurements: ``benchmarks/results/training_options.md`` for CPUs, ``benchmarks/results/gpu.md`` for CUDA.
What has not been measured on a class of devices, or not been seen to give the same answers there, is not
chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

__all__ = ["Execution", "execution_on", "precision_on", "rows_at_once"]


Precision: TypeAlias = Literal["auto", "no", "bf16", "fp16"]


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


#: For every class that was measured so far. On CUDA, compilation and channels-last gained nothing at 32 px;
#: recorded steps of training wait for a device on which they are compared with plain ones.
_PLAIN = Execution(compile=False, channels_last=False, cuda_graphs=False)
_MEASURED = {"cpu": _PLAIN, "cuda": _PLAIN}

_CPU_ROWS = 256
_HELD_UP_SIDE = 32  # up to this side a CUDA device waits for the host, and bf16 only adds kernels to launch
_CUDA_PIXELS = 2048 * 32**2  # 2 048 images of 32 px


def execution_on(device: torch.device | str, **overrides: bool | None) -> Execution:
    """Return the measured setting of the device's class, with those overridden that are not None."""
    measured = _MEASURED.get(torch.device(device).type, _PLAIN)
    given = {name: value for name, value in overrides.items() if value is not None}
    return Execution(**{**vars(measured), **given})


def precision_on(device: torch.device | str, precision: Precision, size: int) -> Precision:
    """Return the precision to train in; "auto" is float32 for images of up to 32 px on CUDA devices."""
    waits = torch.device(device).type == "cuda" and size <= _HELD_UP_SIDE
    return "no" if precision == "auto" and waits else precision


def rows_at_once(device: torch.device | str, size: int) -> int:
    """Return how many images of a side length pass through the networks at once, which bounds memory."""
    if torch.device(device).type != "cuda":
        return _CPU_ROWS
    return max(64, _CUDA_PIXELS // size**2)
