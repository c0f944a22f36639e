"""Images on disk: a folder of pictures or a ``.npy`` file in, PNG out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, atomic_path, optional_import

__all__ = ["png_bytes", "read_images", "write_png"]


def read_images(path: Path, *, channels: int | None = None) -> tuple[list[str], NDArray[np.float32]]:
    """Return the names and the images of a folder, a picture or a ``.npy`` file.

    Parameters
    ----------
    path : Path
        A folder of pictures of one size, taken in the order of their names; a single picture; or a
        ``.npy`` file of shape (n, C, H, W), uint8 or floats in [0, 1].
    channels : int, optional
        1 for grey, 3 for colour pictures; default what the pictures are.

    Returns
    -------
    names : list of str
        File names; ``000000.png``, ... for an array.
    images : ndarray of shape (n, C, H, W), float32 in [0, 1]

    Raises
    ------
    DataError
        If there is no image, or the images do not fit together.
    """
    if path.suffix == ".npy":
        return _read_array(path)
    from causalrep.datasets._image_files import picture_files, read_pictures

    files = picture_files(path) if path.is_dir() else [path]
    images = read_pictures(files, channels=channels)
    return [file.name for file in files], (images / np.float32(255)).astype(np.float32)


def _read_array(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    try:
        images = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise DataError(f"{path} is not a .npy file of numbers") from error
    if not isinstance(images, np.ndarray) or images.ndim != 4 or images.size == 0:
        raise DataError(f"{path} must hold images of shape (n, C, H, W), got shape {np.shape(images)}")
    if images.dtype == np.uint8:
        images = images / np.float32(255)
    if not np.issubdtype(images.dtype, np.floating):
        raise DataError(f"{path} must hold uint8 or floating-point images, got dtype {images.dtype}")
    return [f"{i:06d}.png" for i in range(len(images))], images.astype(np.float32)


def png_bytes(image: NDArray[Any]) -> bytes:
    """Return an image of shape (C, H, W) in [0, 1], of 1 to 4 channels, as a PNG file."""
    pillow = optional_import("PIL.Image", extra="images", purpose="writing pictures")
    levels = np.rint(np.clip(np.asarray(image, dtype=np.float64), 0.0, 1.0) * 255).astype(np.uint8)
    pixels = levels.transpose(1, 2, 0)
    buffer = io.BytesIO()
    pillow.fromarray(pixels[..., 0] if pixels.shape[2] in (1, 2) else pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write_png(path: Path, image: NDArray[Any]) -> None:
    """Write an image of shape (C, H, W) in [0, 1] to `path`, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(png_bytes(image))


def unique_stems(names: Sequence[str]) -> list[str]:
    """Return PNG names for `names`: the same stems, told apart where they clash."""
    stems = [Path(name).stem for name in names]
    if len(set(stems)) == len(stems):
        return [f"{stem}.png" for stem in stems]
    return [f"{name.replace('.', '_')}.png" for name in names]
