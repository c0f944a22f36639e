"""Rows of arrays of any library: count them, pick them, spread a given value over them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.utils import DataError

__all__ = [
    "as_array",
    "check_rows",
    "forwarded",
    "has_nan",
    "is_numpy",
    "noise_rows",
    "spread",
    "take_noise",
    "to_numpy",
]


def as_array(value: Any) -> Array:
    """Return `value` itself if it is an array, else a NumPy array of it (lists, series, numbers)."""
    if hasattr(value, "shape") and not hasattr(value, "to_numpy"):
        return value
    return np.asarray(value)


def is_numpy(array: Array) -> bool:
    """Say whether `array` is a NumPy array."""
    return isinstance(array, np.ndarray)


def to_numpy(array: Array) -> np.ndarray[Any, Any]:
    """Return a NumPy array on the host, without gradient."""
    for step in ("detach", "cpu"):  # torch; other libraries have neither
        array = getattr(array, step)() if hasattr(array, step) else array
    return np.asarray(array)


def forwarded(
    mechanism: Mechanism, node: Hashable, parents: Mapping[Hashable, Array], noise: Noise, n: int
) -> Array:
    """Return the n values that a mechanism gives; its errors name the node."""
    try:
        value = mechanism.forward(parents, noise)
    except (TypeError, ValueError) as error:
        error.add_note(f"raised by the mechanism of {node!r}, which is called with whole arrays ({n} rows)")
        raise
    return check_rows(value, n, f"the result of the mechanism of {node!r}")


def has_nan(array: Array) -> bool:
    """Say whether any entry is NaN (the only value that differs from itself)."""
    return bool((array != array).any())


def check_rows(value: Any, n: int, what: str) -> Array:
    """Return `value` as an array of `n` rows; a single number is repeated."""
    array = as_array(value)
    if not array.shape:
        return np.full(n, array) if is_numpy(array) else array.expand(n)
    if array.shape[0] != n:
        raise DataError(f"{what} must have {n} rows (axis 0), got shape {tuple(array.shape)}")
    return array


def noise_rows(noise: Noise) -> set[int]:
    """Return the numbers of rows found in a noise (empty for an empty noise)."""
    parts = noise.values() if isinstance(noise, Mapping) else [noise]
    return {int(part.shape[0]) for part in parts}


def take_noise(noise: Noise, index: Any) -> Noise:
    """Return the rows `index` of a noise."""
    if isinstance(noise, Mapping):
        return {name: part[index] for name, part in noise.items()}
    return noise[index]


def spread(value: Any, n: int, *, like: Array | None, node: Hashable) -> Array:
    """Return a given value as the array of a node: one value per row, in the library of `like`.

    Parameters
    ----------
    value : number, array of shape `trailing`, or array of shape (n, *trailing)
        The last is returned as it is when its library is that of `like`.
    n : int
        Number of rows.
    like : array of shape (m, *trailing), optional
        Gives shape of one row, library, device and, together with a number, the dtype; default: a
        scalar of NumPy.
    node : hashable
        For the error message.
    """
    trailing = () if like is None else tuple(like.shape[1:])
    array = as_array(value)
    shape, full = tuple(array.shape), (n, *trailing)
    if shape not in ((), trailing, full):
        wanted = f"a number, an array of shape {full}" + (f" or of shape {trailing}" if trailing else "")
        raise DataError(f"the value for {node!r} must be {wanted}, got shape {shape}")
    if like is not None and not is_numpy(like):
        return _spread_foreign(array, full, like)
    array = to_numpy(array)
    if shape == full:
        return array
    if shape:
        return np.broadcast_to(array, full).copy()
    return np.full(full, array.item(), dtype=None if like is None else _number_dtype(like, array.item()))


def _number_dtype(like: np.ndarray[Any, Any], number: Any) -> np.dtype[Any] | None:
    """Return the dtype of the node, widened if the number does not fit into it (0.5 among integers)."""
    if like.dtype == object:
        return np.dtype(object)
    numeric = like.dtype.kind in "biufc" and isinstance(number, (bool, int, float, complex))
    return np.result_type(like.dtype, number) if numeric else None


def _spread_foreign(array: Array, full: tuple[int, ...], like: Array) -> Array:
    from array_api_compat import array_namespace, device

    xp = array_namespace(like)
    if not array.shape:
        number = array.item()
        return xp.full(full, number, dtype=xp.result_type(like, number), device=device(like))
    if is_numpy(array):  # host numbers among arrays of another library take their float type
        floats = xp.isdtype(like.dtype, "real floating") and array.dtype.kind in "fiu"
        array = xp.asarray(array, device=device(like), dtype=like.dtype if floats else None)
    return array if tuple(array.shape) == full else xp.broadcast_to(array, full)
