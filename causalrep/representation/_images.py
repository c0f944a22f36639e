"""Images at the door: checked on the way in, returned in the caller's library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalrep.utils import DataError

__all__ = ["ImageShape", "as_images", "like_input"]


@dataclass(frozen=True)
class ImageShape:
    """Channels and side length of square images."""

    channels: int
    size: int

    def __str__(self) -> str:
        return f"({self.channels}, {self.size}, {self.size})"


def as_images(images: Any, *, what: str = "images", expected: ImageShape | None = None) -> Tensor:
    """Return images as a float32 tensor in [0, 1], checked.

    Parameters
    ----------
    images : array of shape (n, channels, size, size)
        NumPy or Torch; floating point in [0, 1], or uint8, which is divided by 255.
    what : str
        How the argument is called in error messages.
    expected : ImageShape, optional
        The shape that a fitted model was trained on.

    Raises
    ------
    DataError
        For another shape, another type, values that are not finite or not in [0, 1].
    """
    tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    shape = tuple(tensor.shape)
    wanted = "(n, channels, size, size)" if expected is None else f"(n, {str(expected)[1:]}"
    if tensor.ndim != 4 or shape[2] != shape[3]:
        raise DataError(f"`{what}` must have shape {wanted}, got {shape}")
    if expected is not None and shape[1:] != (expected.channels, expected.size, expected.size):
        raise DataError(f"`{what}` must have shape {wanted}, as in training, got {shape}")
    if shape[1] not in (1, 2, 3, 4):
        raise DataError(f"`{what}` must have 1 to 4 channels on axis 1, got shape {shape}")
    if tensor.dtype == torch.uint8:
        return tensor.float() / 255.0
    if not tensor.is_floating_point():
        raise DataError(f"`{what}` must be floating point in [0, 1] or uint8, got {tensor.dtype}")
    if len(tensor) == 0:
        return tensor.float()
    low, high = (float(value) for value in torch.aminmax(tensor))
    if not np.isfinite(low) or not np.isfinite(high):
        bad = (~torch.isfinite(tensor)).flatten(1).any(1).nonzero().flatten()
        raise DataError(
            f"`{what}` must be finite, got NaN or infinity in {len(bad)} image(s), the first is {int(bad[0])}"
        )
    if low < -1e-6 or high > 1 + 1e-6:
        hint = "; divide by 255?" if high > 2 else "; rescale from [-1, 1]?" if low < 0 else ""
        raise DataError(f"`{what}` must lie in [0, 1], got values from {low:.4g} to {high:.4g}{hint}")
    return tensor.float().clamp(0.0, 1.0)


def like_input(result: Tensor, images: Any) -> Any:
    """Return `result` as NumPy, or as a tensor on the device of `images` where that is a tensor."""
    return result.to(images.device) if isinstance(images, Tensor) else result.cpu().numpy()
