"""The surroundings of a training: device, precision, processes, signals; all put back afterwards."""

from __future__ import annotations

import contextlib
import signal
import threading
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

import torch

from causalrep.utils import DeviceError

__all__ = ["StopRequest", "open_session", "resolve_device", "resolve_precision"]


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device that `device` names; ``"auto"`` is CUDA where there is one, else the CPU.

    Raises
    ------
    DeviceError
        If this machine does not have it.
    """
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"`device` must be 'auto' or a torch device, got {device!r}") from error
    if resolved.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (resolved.index or 0) >= count:
            raise DeviceError(f"`device` is {str(device)!r}, but this machine has {count} CUDA device(s)")
    elif resolved.type == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("`device` is 'mps', but this machine has no such device")
    elif resolved.type != "cpu":
        raise DeviceError(f"`device` must be 'auto', 'cpu', 'cuda' or 'mps', got {str(device)!r}")
    return resolved


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return ``"no"``, ``"bf16"`` or ``"fp16"``; ``"auto"`` is bf16 on CUDA devices that have it."""
    if precision not in ("auto", "no", "bf16", "fp16"):
        raise ValueError(f"`precision` must be 'auto', 'no', 'bf16' or 'fp16', got {precision!r}")
    if precision == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "no"
    if precision == "fp16" and device.type == "cpu":
        raise DeviceError("`precision` 'fp16' needs an accelerator; on the CPU use 'no' or 'bf16'")
    return precision


@contextlib.contextmanager
def open_session(device: torch.device, precision: str) -> Iterator[Any]:
    """Yield an :class:`accelerate.Accelerator`, with all global state restored at the end."""
    cuda = device.type == "cuda"
    chosen = (
        torch.cuda.device(device.index) if cuda and device.index is not None else contextlib.nullcontext()
    )
    with _own_accelerate_state(), chosen:
        accelerator = _accelerator(device, precision)
        with torch.random.fork_rng(devices=[torch.cuda.current_device()] if cuda else []):
            yield accelerator


def _accelerator(device: torch.device, precision: str) -> Any:
    from accelerate import Accelerator
    from accelerate.utils import GradientAccumulationPlugin

    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        # With several processes on CPUs accelerate sets the number of threads and says so.
        warnings.filterwarnings("ignore", message="OMP_NUM_THREADS")
        accelerator = Accelerator(
            cpu=device.type == "cpu",
            mixed_precision=precision,
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    if accelerator.device.type != device.type:
        raise DeviceError(
            f"`device` is {device.type!r}, but accelerate is set up for {accelerator.device.type!r}"
        )
    return accelerator


@contextlib.contextmanager
def _own_accelerate_state() -> Iterator[None]:
    """Lend accelerate's process-wide state to the block.

    The state is a singleton that refuses a second accelerator with another precision or device.
    accelerate's own test suite resets it between accelerators, which is what is done here; what the
    caller had set up is put back at the end. A process group stays as it is.
    """
    from accelerate.state import AcceleratorState, GradientState, PartialState

    def reset() -> None:
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()

    owners = (PartialState, AcceleratorState, GradientState)
    kept = [dict(owner._shared_state) for owner in owners]
    reset()
    try:
        yield
    finally:
        reset()
        for owner, state in zip(owners, kept, strict=True):
            owner._shared_state.update(state)


class StopRequest:
    """Turns Ctrl-C and SIGTERM into a request that is honoured between two steps.

    A second signal acts at once. Outside the main thread, where Python delivers no signals,
    nothing is installed.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def act(self) -> NoReturn:
        """Do what the signal asks for: raise KeyboardInterrupt, or exit with its status.

        A process that received none stops because another one did.
        """
        number = signal.SIGTERM if self.received is None else self.received
        previous = self._previous.get(number)
        self._restore()
        if self.received is not None and callable(previous):
            previous(number, None)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
