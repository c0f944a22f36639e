"""Convolutional encoders: from an image to a vector, independent of the rest of the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ImageEncoder"]


class ImageEncoder(nn.Module):
    """Strided convolutions, group-normalised, then one hidden layer and a linear head.

    Group instead of batch normalisation: the code of an image must not depend on the images
    that happen to share its batch. Two channels with the coordinates let the convolutions say
    where something is.

    Parameters
    ----------
    channels, size : int
        Image shape: (channels, size, size).
    n_out : int
        Size of the vector.
    width : int, default=32
        Channels of the first convolution; they double with each halving, up to four times.
    hidden : int, default=128
        Units of the layer between the convolutions and the head.
    """

    coordinates: Tensor

    def __init__(self, channels: int, size: int, n_out: int, *, width: int = 32, hidden: int = 128) -> None:
        super().__init__()
        axis = torch.linspace(-1, 1, size)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"))[None]
        self.register_buffer("coordinates", grid, persistent=False)
        layers: list[nn.Module] = []
        n_in, n_here, side = channels + 2, width, size
        while side > 4:
            layers += [
                nn.Conv2d(n_in, n_here, 3, stride=2, padding=1),
                nn.GroupNorm(8, n_here),
                nn.SiLU(),
            ]
            side = (side + 1) // 2
            n_in, n_here = n_here, min(2 * n_here, 4 * width)
        self.convolutions = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(n_in * side**2, hidden), nn.SiLU(), nn.Linear(hidden, n_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, size, size) to (n, n_out)."""
        coordinates = self.coordinates.expand(len(x), -1, -1, -1)
        return self.head(self.convolutions(torch.cat([x, coordinates], dim=1)))  # type: ignore[no-any-return]
