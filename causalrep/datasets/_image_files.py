"""Pictures on disk: single files, folders, and arrays in ``.npy`` files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from causalrep.utils import DataError, optional_import

__all__ = ["SUFFIXES", "picture_files", "read_pictures", "resized"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of their names.

    Raises
    ------
    DataError
        If there is none.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"{folder} holds no pictures; expected files ending in {', '.join(SUFFIXES)}")
    return files


def read_pictures(
    files: Sequence[Path], *, channels: int | None = None, size: int | None = None
) -> NDArray[np.uint8]:
    """Return pictures as bytes, shape (n, channels, height, width).

    Parameters
    ----------
    files : sequence of Path
        The files.
    channels : {1, 3}, optional
        Grey or colour; default what the first picture is.
    size : int, optional
        Cut the middle square out of each and scale it to this side; default the pictures as they are.

    Raises
    ------
    DataError
        If a file is no picture, or the pictures differ in size or number of channels.
    """
    pillow = optional_import("PIL.Image", extra="images", purpose="reading pictures")
    pictures: list[NDArray[np.uint8]] = []
    for file in files:
        pictures.append(_read(pillow, file, channels, size))
        if pictures[-1].shape != pictures[0].shape:
            raise DataError(
                "all pictures must have the same size and number of channels (H, W, C): "
                f"{files[0].name} has {pictures[0].shape}, {file.name} has {pictures[-1].shape}"
            )
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))


def resized(images: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """Return pictures of shape (n, C, H, W) as squares of one side: mean over the area of each new pixel."""
    if size is None or images.shape[2:] == (size, size):
        return images
    import torch

    parts = [
        torch.nn.functional.interpolate(part.float(), size=(size, size), mode="area").round().to(torch.uint8)
        for part in torch.split(torch.from_numpy(np.ascontiguousarray(images)), 1024)
    ]
    return torch.cat(parts).numpy() if parts else np.empty((0, images.shape[1], size, size), dtype=np.uint8)


def _read(pillow: ModuleType, file: Path, channels: int | None, size: int | None) -> NDArray[np.uint8]:
    try:
        with pillow.open(file) as picture:
            grey = picture.mode in ("1", "L") if channels is None else channels == 1
            converted = picture.convert("L" if grey else "RGB")
            if size is not None:
                side = min(converted.size)
                left, top = (converted.width - side) // 2, (converted.height - side) // 2
                square = converted.crop((left, top, left + side, top + side))
                converted = square.resize(
                    (size, size), pillow.Resampling.BOX if side >= size else pillow.BICUBIC
                )
            return np.atleast_3d(np.asarray(converted, dtype=np.uint8))
    except FileNotFoundError:
        raise  # it says enough
    except (pillow.UnidentifiedImageError, OSError) as error:
        raise DataError(f"{file} is not a picture that can be read") from error
