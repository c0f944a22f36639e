"""The residual block, its normalisation by a vector, and the embedding of time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["ResidualBlock", "TimeEmbedding"]


class TimeEmbedding(nn.Module):
    """Embed times by cosines and sines of geometric frequencies, then two linear layers.

    Parameters
    ----------
    n_frequencies : int
        Number of cosine-sine pairs; periods run up to 10 000.
    n_out : int
        Size of the embedding.
    """

    frequencies: Tensor

    def __init__(self, n_frequencies: int, n_out: int) -> None:
        super().__init__()
        exponents = torch.arange(n_frequencies, dtype=torch.float32) / n_frequencies
        self.register_buffer("frequencies", torch.exp(-math.log(10_000.0) * exponents), persistent=False)
        self.mlp = nn.Sequential(nn.Linear(2 * n_frequencies, n_out), nn.SiLU(), nn.Linear(n_out, n_out))

    def forward(self, t: Tensor) -> Tensor:
        """Map times of shape (n,), on a scale of 0 to 1000, to (n, n_out)."""
        angles = t[:, None].to(self.frequencies.dtype) * self.frequencies
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two convolutions whose second normalisation is scaled and shifted by an embedding (AdaGN).

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    n_embedding : int
        Size of the embedding.
    groups : int, default=8
        Groups of the normalisations; must divide both channel counts.
    """

    def __init__(self, n_in: int, n_out: int, n_embedding: int, *, groups: int = 8) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.modulate = nn.Linear(n_embedding, 2 * n_out)
        self.norm2 = nn.GroupNorm(groups, n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        # The block starts as the identity: deep stacks then train from the first step.
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]
        self.skip = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h, w)."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h  # type: ignore[no-any-return]
