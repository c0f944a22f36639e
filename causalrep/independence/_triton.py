"""The door to the Triton kernel, which is an optional package and for one kind of data only."""

from __future__ import annotations

from types import ModuleType

from array_api_compat import device as device_of
from array_api_compat import is_torch_array

from causalrep.independence._arrays import Array, on_host
from causalrep.utils import DeviceError, optional_import

__all__ = ["MOST_GIVEN", "refuse_unless_triton", "triton_kernel"]

MOST_GIVEN = 3
"""The largest number of conditioning columns that the kernel takes."""


def triton_kernel() -> ModuleType:
    """Return the module of the kernel.

    Raises
    ------
    MissingDependencyError
        If Triton is not installed.
    """
    optional_import("triton", extra="gpu", purpose='`kernel="triton"`')
    from causalrep.independence import _triton_kernel

    return _triton_kernel


def refuse_unless_triton(array: Array) -> None:
    """Raise unless the kernel can read `array`.

    Raises
    ------
    DeviceError
        For anything but a Torch tensor on a CUDA device. Under Triton's interpreter, which is for tests, a
        tensor in main memory will do.
    MissingDependencyError
        If Triton is not installed.
    """
    interpreting = triton_kernel().interpreting()
    if not is_torch_array(array) or (on_host(array) and not interpreting):
        raise DeviceError(
            f'`kernel="triton"` needs a Torch tensor on a CUDA device, got {type(array).__name__} '
            f"on {str(device_of(array))!r}"
        )
