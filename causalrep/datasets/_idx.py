"""The IDX format of the MNIST family: a big-endian header, then one plain array, often in gzip.

Header: two zero bytes, a byte that codes the type of the numbers, a byte with the number of
dimensions, then the length of each dimension as an unsigned 32-bit integer.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError

__all__ = ["read_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return the array in an IDX file, whether gzipped or not.

    Parameters
    ----------
    path : path
        The file; that it is gzipped is seen from its first bytes, not from its name.

    Returns
    -------
    array
        Of the shape and type that the header states, in native byte order.

    Raises
    ------
    DataError
        If the file does not exist, is no IDX file, or holds more or fewer bytes than its header says.
    """
    content = _content(Path(path))
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise DataError(
            f"{path} is not an IDX file: expected two zero bytes, a type code out of "
            f"{', '.join(f'0x{code:02X}' for code in _TYPES)} and the number of dimensions, "
            f"got the bytes {content[:4].hex(' ') or 'of an empty file'}"
        )
    dtype, n_dimensions = np.dtype(_TYPES[content[2]]), content[3]
    start = 4 + 4 * n_dimensions
    if len(content) < start:
        raise DataError(
            f"{path} ends within its header: {n_dimensions} dimensions take {start} bytes, got {len(content)}"
        )
    shape = struct.unpack(f">{n_dimensions}I", content[4:start])
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        raise DataError(
            f"{path} should hold {expected} bytes after its header, for the shape {shape}, "
            f"got {len(content) - start}"
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is a damaged or truncated gzip file: {error}") from error
