"""The door to the Triton kernel, which is an optional package and for one kind of data only."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from array_api_compat import device as device_of
from array_api_compat import is_torch_array

from causalrep.independence._arrays import Array, namespace_of, on_host
from causalrep.utils import DeviceError, optional_import

__all__ = ["MOST_GIVEN", "kernel_correlations", "refuse_unless_triton"]

MOST_GIVEN = 3
"""The largest number of conditioning columns that the kernel takes."""


def kernel_correlations(R: Array, d: int, i: Array, j: Array, S: Sequence[Array], *, squared: bool) -> Array:
    """Return what `_triton_kernel.partial_correlations` does, for arrays of Torch or CuPy.

    Arrays of CuPy are lent to Torch, and the answer back, without a copy (DLPack).
    """
    kernel = _kernel().partial_correlations
    if is_torch_array(R):
        return kernel(R, d, i, j, S, squared=squared)
    from torch.utils.dlpack import from_dlpack

    table, left, right, *given = (from_dlpack(array) for array in (R, i, j, *S))
    return namespace_of(R).from_dlpack(kernel(table, d, left, right, given, squared=squared))


def _kernel() -> ModuleType:
    optional_import("triton", extra="gpu", purpose='`kernel="triton"`')
    from causalrep.independence import _triton_kernel

    return _triton_kernel


def refuse_unless_triton(array: Array) -> None:
    """Raise unless the kernel can read `array`.

    Raises
    ------
    DeviceError
        For anything but a Torch or CuPy array on a CUDA device. Under Triton's interpreter, which is for
        tests, an array in main memory will do.
    MissingDependencyError
        If Triton is not installed.
    """
    if on_host(array) and not _kernel().interpreting():
        raise DeviceError(
            f'`kernel="triton"` needs a Torch or CuPy array on a CUDA device, got {type(array).__name__} '
            f"on {str(device_of(array))!r}"
        )
