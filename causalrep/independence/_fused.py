"""The door to the hand-written kernels of Fisher's z-test, one for each library that has a device.

Arrays of Torch go to `_triton_kernel`, those of CuPy to `_cuda_kernel`. Both do the same, in the same order
of operations as the array form in `_partial_correlation`.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from math import comb
from types import ModuleType

import numpy as np
from array_api_compat import device as device_of
from array_api_compat import is_cupy_array, is_torch_array
from numpy.typing import NDArray

from causalrep.independence._arrays import Array, namespace_of, to_numpy
from causalrep.independence._subsets import Neighbourhoods, binomials
from causalrep.utils import DeviceError, optional_import

__all__ = [
    "MOST_GIVEN",
    "fused_correlations",
    "fused_weakest",
    "has_fused_kernel",
    "refuse_unless_fused",
]

MOST_GIVEN = 8
"""The largest number of conditioning columns that the kernels take: what registers hold."""

_PROGRAMS = 2**12  # enough to keep all of a device busy
_LEAST_WORK = 2**10  # subsets that one program goes through, where there are as many


def fused_correlations(R: Array, d: int, i: Array, j: Array, S: Sequence[Array], *, squared: bool) -> Array:
    """Return the partial correlations of columns i and j given the columns S, or their squares.

    Parameters
    ----------
    R : array of shape (d * d,), float64
        The correlation matrix, row after row.
    d : int
        Number of columns.
    i, j : array of shape (m,), (m, 1) or (m, w), int64
        Positions.
    S : sequence of up to `MOST_GIVEN` arrays of shape (m,) or (m, w), int64
        The conditioning positions; three and more of them are sorted.
    squared : bool
        Where a test cannot be made there is infinity for squares, else NaN.

    Returns
    -------
    array of shape (m,) or (m, w), float64
    """
    xp = namespace_of(R)
    shape = np.broadcast_shapes(tuple(i.shape), *(tuple(column.shape) for column in S))
    out = xp.empty(shape, dtype=xp.float64, device=device_of(R))
    if math.prod(shape):
        ends = [xp.reshape(end, (-1,)) for end in xp.broadcast_arrays(i, j)]
        given = [xp.reshape(xp.broadcast_to(column, shape), (-1,)) for column in S]
        width = math.prod(shape) // ends[0].shape[0]
        _kernel(R).correlations(R, d, ends[0], ends[1], given, width, xp.reshape(out, (-1,)), squared)
    return out


def fused_weakest(
    R: Array, d: int, asked: Neighbourhoods, size: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Return for each pair the smallest squared partial correlation over all subsets of its candidates.

    Subsets are numbers that each lane unfolds by itself: nothing is listed, nothing is written but the
    winners, and nothing is sent to the host but them. A subset belongs to one lane, so that nothing depends
    on the order in which lanes are done.

    Parameters
    ----------
    R, d
        As in `fused_correlations`.
    asked : Neighbourhoods
        Whose arrays are on the device of `R`, in canonical positions.
    size : int
        How many candidates a subset has, from 1 to `MOST_GIVEN`.

    Returns
    -------
    strength : array of shape (m,), float64
        Infinite where no test of a pair can be made.
    rank : array of shape (m,), int64
        Number of the winner in lexicographic order; of equals the first.
    n_untestable : int
    """
    xp, m = namespace_of(R), asked.i.shape[0]
    q = int(xp.max(asked.count))
    counts = xp.asarray(binomials(q, size).reshape(-1), device=device_of(R))
    n_parts = max(1, min(-(-_PROGRAMS // m), comb(q, size) // _LEAST_WORK))
    out = [
        xp.empty((m * n_parts,), dtype=dtype, device=device_of(R))
        for dtype in (xp.float64, xp.int64, xp.int64)
    ]
    _kernel(R).weakest(R, d, asked, counts, q, size, n_parts, out)
    strength, rank, lost = (to_numpy(part).reshape(m, n_parts) for part in out)
    part = strength.argmin(axis=1)[:, None]  # a tie stays with the earlier part
    strength, rank = (np.take_along_axis(values, part, axis=1)[:, 0] for values in (strength, rank))
    return strength, rank, int(lost.sum())


def has_fused_kernel(array: Array) -> bool:
    """Say whether there is a kernel that has been measured to pay where `array` lies: Triton's, on CUDA."""
    on_cuda = is_torch_array(array) and array.device.type == "cuda"
    return on_cuda and importlib.util.find_spec("triton") is not None


def refuse_unless_fused(array: Array) -> None:
    """Raise unless a kernel can read `array`.

    Raises
    ------
    DeviceError
        For anything but a Torch or CuPy array on a CUDA device. Under Triton's interpreter, which is for
        tests, a tensor in main memory will do.
    MissingDependencyError
        If Triton is not installed, which kernels for Torch are written in.
    """
    if is_torch_array(array):
        interpreting = _triton().interpreting()
        if array.device.type == "cuda" or interpreting:
            return
    elif is_cupy_array(array):
        return
    raise DeviceError(
        f'`kernel="fused"` needs a Torch or CuPy array on a CUDA device, got {type(array).__name__} '
        f"on {str(device_of(array))!r}"
    )


def _kernel(R: Array) -> ModuleType:
    if is_torch_array(R):
        return _triton()
    from causalrep.independence import _cuda_kernel

    return _cuda_kernel


def _triton() -> ModuleType:
    optional_import("triton", extra="gpu", purpose='`kernel="fused"` on arrays of Torch')
    from causalrep.independence import _triton_kernel

    return _triton_kernel
