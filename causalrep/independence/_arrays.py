"""What the array standard leaves out: data at the door, devices, and special functions.

Everything that knows more about an array library than the standard says stands in this file.
"""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import array_api_compat.numpy
import numpy as np
import scipy.sparse
import scipy.special
from array_api_compat import array_namespace, is_array_api_obj, is_cupy_array, is_torch_array, to_device
from array_api_compat import device as device_of
from numpy.typing import NDArray

from causalrep.utils import DataError, DeviceError, columns_of, is_frame

__all__ = [
    "Array",
    "canonical_order",
    "chunk_bytes",
    "erfc",
    "index_array",
    "kth_smallest",
    "log_erfc",
    "move_to_device",
    "named_matrix",
    "namespace_of",
    "normal_cdf",
    "normal_quantile",
    "on_host",
    "placed",
    "refuse_accelerator",
    "smallest_pivot",
    "to_numpy",
]

_DEVICE_BYTES = 2**31

Array: TypeAlias = Any
"""An array of any library that follows the array API standard."""


def canonical_order(names: Sequence[Hashable]) -> NDArray[np.intp]:
    """Return the positions that sort `names`: numbers by value first, then the rest by type and text.

    Work that is done in this order gives the same result for every order of the columns.
    """

    def key(position: int) -> tuple[int, float, str, str]:
        name = names[position]
        if isinstance(name, (int, float, np.integer, np.floating)):
            return (0, float(name), type(name).__name__, "")
        return (1, 0.0, type(name).__name__, str(name))

    return np.array(sorted(range(len(names)), key=key), dtype=np.intp)


def namespace_of(array: Array) -> ModuleType:
    """Return the array-API namespace of `array`."""
    if type(array) is np.ndarray:  # asked thousands of times in a search
        return array_api_compat.numpy
    module: ModuleType = array_namespace(array)
    return module


def on_host(array: Array) -> bool:
    """Say whether `array` lies in main memory rather than on an accelerator."""
    if is_torch_array(array):
        return bool(array.device.type == "cpu")
    return not is_cupy_array(array)


def chunk_bytes(like: Array, in_main_memory: int) -> int:
    """Return how much memory to work in at once where `like` lies.

    On a device that is a quarter of what is free, and at most 2 GB, above which nothing is gained.
    """
    if on_host(like):
        return in_main_memory
    if is_cupy_array(like):
        cupy = importlib.import_module("cupy")
        free = cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()
    elif is_torch_array(like) and like.device.type == "cuda":
        cuda = importlib.import_module("torch.cuda")
        unused = cuda.memory_reserved(like.device) - cuda.memory_allocated(like.device)
        free = cuda.mem_get_info(like.device)[0] + unused
    else:
        return _DEVICE_BYTES // 8  # of what says nothing about its memory
    return max(1, min(_DEVICE_BYTES, int(free) // 4))


def refuse_accelerator(array: Array, what: str, why: str) -> None:
    """Raise if `array` lies on an accelerator, for what computes in main memory only.

    Raises
    ------
    DeviceError
        With the device, and what to do.
    """
    if not on_host(array):
        raise DeviceError(
            f"`X` lies on device {str(device_of(array))!r}, but {what} computes in main memory only: {why}; "
            "move the data there first"
        )


def to_numpy(array: Array) -> NDArray[Any]:
    """Copy `array` to a NumPy array (no copy where it is one already)."""
    if is_torch_array(array):
        return np.asarray(array.detach().cpu())
    if is_cupy_array(array):
        return np.asarray(array.get())
    if is_array_api_obj(array) and not isinstance(array, np.ndarray):  # NumPy reads the default device only
        array = to_device(array, namespace_of(array).__array_namespace_info__().default_device())
    return np.asarray(array)


def index_array(values: Any, like: Array) -> Array:
    """Return `values` as integers of the library and on the device of `like`."""
    if type(like) is np.ndarray:
        return to_numpy(values).astype(np.int64, copy=False)
    xp = namespace_of(like)
    if is_array_api_obj(values) and namespace_of(values) is xp:
        return xp.asarray(values, dtype=xp.int64, device=device_of(like))
    return xp.asarray(to_numpy(values).astype(np.int64, copy=False), device=device_of(like))


def erfc(x: Array) -> Array:
    """Return the complementary error function, elementwise."""
    return _special("erfc", x)


def log_erfc(x: Array) -> Array:
    """Return the logarithm of `erfc` for x >= 0, exact where `erfc` itself has underflown.

    With Phi the standard normal distribution function, erfc(x) = 2 Phi(-x sqrt 2).
    """
    scaled = -(2.0**0.5) * x
    return _special("log_ndtr", scaled) + float(np.log(2.0))


def normal_cdf(x: Array) -> Array:
    """Return the standard normal distribution function, elementwise."""
    return _special("ndtr", x)


def normal_quantile(p: Array) -> Array:
    """Return the standard normal quantiles, elementwise."""
    return _special("ndtri", p)


def _special(name: str, x: Array) -> Array:
    """Return a function that SciPy and Torch call by the same name."""
    if is_torch_array(x):
        return getattr(importlib.import_module("torch.special"), name)(x)
    return _scipy_function(name, x)


def _scipy_function(name: str, x: Array) -> Array:
    if isinstance(x, np.ndarray):
        return getattr(scipy.special, name)(x)
    if is_cupy_array(x):
        return getattr(importlib.import_module("cupyx.scipy.special"), name)(x)
    return namespace_of(x).asarray(getattr(scipy.special, name)(to_numpy(x)), device=device_of(x))


def smallest_pivot(R: Array) -> float:
    """Return the smallest pivot of the Cholesky factorisation of R, 0 where there is none."""
    if is_torch_array(R):
        factor, failed = importlib.import_module("torch.linalg").cholesky_ex(R)
        return 0.0 if int(failed) else float(factor.diagonal().min()) ** 2
    try:
        return float(np.diag(np.linalg.cholesky(to_numpy(R))).min()) ** 2
    except np.linalg.LinAlgError:
        return 0.0


def kth_smallest(values: Array, k: int) -> Array:
    """Return the number at place k, counted from 0, of each sorted row of `values`."""
    if isinstance(values, np.ndarray):
        return np.partition(values, k, axis=-1)[..., k]
    if is_torch_array(values):
        return values.kthvalue(k + 1, dim=-1).values
    return namespace_of(values).sort(values, axis=-1)[..., k]


def move_to_device(X: Any, device: Any) -> tuple[Array, tuple[Hashable, ...]]:
    """Return `X` as a Torch tensor on `device`, and the names of its columns.

    Raises
    ------
    DeviceError
        If this machine does not have `device`.
    """
    target = _torch_device(device)
    matrix, names = named_matrix(X)
    return _tensor(matrix, target), names


def placed(array: Array, device: Any) -> Array:
    """Return `array` on `device`, as it is where that is None.

    Of NumPy and CuPy it becomes a tensor of Torch there; of another library it stays what it is.

    Raises
    ------
    DeviceError
        If this machine, or the library, does not have `device`.
    """
    if device is None:
        return array
    if isinstance(array, np.ndarray) or is_torch_array(array) or is_cupy_array(array):
        return _tensor(array, _torch_device(device))
    try:
        return to_device(array, device)
    except (ValueError, TypeError) as error:
        raise DeviceError(f"`device` is {device!r}, which {type(array).__name__} has not: {error}") from error


def _torch_device(device: Any) -> Any:
    import torch

    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, TypeError) as error:  # what Torch raises differs by build
        raise DeviceError(f"`device` is {device!r}, which this machine cannot use: {error}") from error
    return target


def _tensor(array: Array, target: Any) -> Array:
    import torch
    from torch.utils.dlpack import from_dlpack

    if is_cupy_array(array):  # lent, without a way through main memory
        return from_dlpack(array).to(target)
    if not is_torch_array(array):  # Torch takes neither foreign byte orders nor read-only memory
        array = np.require(to_numpy(array), np.float64, ["W"])
        array = array if array.flags.forc else np.ascontiguousarray(array)
    return torch.as_tensor(array, device=target)


def named_matrix(X: Any, *, what: str = "X", device: Any = None) -> tuple[Array, tuple[Hashable, ...]]:
    """Return `X` as a real two-dimensional array of its own library, and the names of its columns.

    Frames and mappings become a NumPy matrix. The values are not looked at, only their types. A `device`
    moves it, as in `placed`.

    Raises
    ------
    DataError
        If `X` is not two-dimensional, or holds something else than real numbers.
    DeviceError
        If this machine does not have `device`.
    """
    matrix, names = _matrix_and_names(X, what)
    return placed(matrix, device), names


def _matrix_and_names(X: Any, what: str) -> tuple[Array, tuple[Hashable, ...]]:
    if scipy.sparse.issparse(X):
        raise DataError(f"`{what}` is sparse, which is not supported; convert it with `.toarray()`")
    if hasattr(X, "keys") or (is_frame(X) and not is_array_api_obj(X)):
        columns = columns_of(X, what=what)
        real = {name: _real_column(values, name, what) for name, values in columns.items()}
        _refuse_unless_2d(min((v.ndim for v in real.values()), default=1) + 1, what)
        n = len(next(iter(real.values()))) if real else 0
        return np.column_stack(list(real.values())) if real else np.empty((n, 0)), tuple(real)
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    if not is_array_api_obj(X):
        X = np.asarray(X)
    _refuse_unless_2d(X.ndim, what)
    names = tuple(range(X.shape[1]))
    if isinstance(X, np.ndarray):
        if X.dtype.kind not in "biuf":
            X = np.column_stack([_real_column(X[:, j], j, what) for j in names]) if names else X
        return X, names
    if namespace_of(X).isdtype(X.dtype, "complex floating"):
        raise DataError(f"Complex data not supported: `{what}` has dtype {X.dtype}")
    return (X.detach() if is_torch_array(X) else X), names


def _refuse_unless_2d(ndim: int, what: str) -> None:
    if ndim != 2:
        raise DataError(
            f"`{what}` must have two dimensions (n_samples, n_features), got {ndim}; "
            "reshape a single column with `.reshape(-1, 1)`"
        )


def _real_column(values: NDArray[Any], name: Hashable, what: str) -> NDArray[Any]:
    if values.dtype.kind in "biuf":
        return values
    if values.dtype.kind == "c":
        raise DataError(f"Complex data not supported: column {name!r} of `{what}` has dtype {values.dtype}")
    if values.dtype.kind == "O" and not any(isinstance(value, (str, bytes)) for value in values):
        try:
            return values.astype(np.float64)
        except (TypeError, ValueError) as error:
            # scikit-learn promises a TypeError when an element is not a number at all
            raise _NotANumberError(f"column {name!r} of `{what}` holds non-numbers: {error}") from error
    raise DataError(
        f"column {name!r} of `{what}` has dtype {values.dtype}, but a test for continuous variables needs "
        "numbers; a test for discrete variables suits categories"
    )


class _NotANumberError(DataError, TypeError):
    """An object column holds something that no conversion makes a number."""
