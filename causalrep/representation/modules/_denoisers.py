"""Networks that see a noisy image, a time and a :class:`Condition`, and predict.

What they predict (noise, velocity, clean image) is the affair of the noise process; a denoiser
maps an image to an array of the same shape. Two implementations share the protocol:
:class:`SpatialUNet`, small and fast, with the slots drawn as maps; and :class:`UNet2DDenoiser`,
the U-Net of the diffusers library, with the slots added to the time embedding (the published way)
or drawn as maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from causalrep.representation.modules._blocks import ResidualBlock, TimeEmbedding
from causalrep.representation.modules._conditioning import Condition, SlotMaps
from causalrep.utils import DataError, optional_import

__all__ = ["Denoiser", "Prepared", "SpatialUNet", "UNet2DDenoiser"]


Conditioning: TypeAlias = Literal["maps", "adagn", "none"]


@dataclass(frozen=True)
class Prepared:
    """What a network has computed from a condition alone: the same at every step of a solver.

    Parameters
    ----------
    vector : Tensor of shape (n, n_embedding) or None
        What is added to the embedding of the time.
    fine, coarse : Tensor of shape (n, n_channels, side, side) or None
        What is added on the finest and on the coarsest grid.
    """

    vector: Tensor | None = None
    fine: Tensor | None = None
    coarse: Tensor | None = None


class Denoiser(Protocol):
    """A network that predicts from a noisy image, given a time and a condition."""

    def __call__(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Map (n, channels, size, size), times (n,) on a scale of 0 to 1000, and the condition."""
        ...

    def prepare(self, condition: Condition) -> Prepared:
        """Return what depends on the condition alone."""
        ...

    def run(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Return what a call with the prepared condition would."""
        ...


class SpatialUNet(nn.Module):
    """A small U-Net whose labelled causes enter as spatial maps.

    The image is folded (``pixel_unshuffle``) before the first convolution, which costs no
    information and makes the finest grid ``size / fold`` wide. The slots' maps join the input and
    the coarsest grid; only the time and the nuisance code modulate the normalisations. A learned
    map of positions tells the convolutions where they are.

    Parameters
    ----------
    channels, size : int
        Image shape: (channels, size, size).
    n_nodes, slot_dim, code_dim : int
        Shape of the condition.
    widths : sequence of int, default=(32, 64)
        Channels per resolution, finest first. The coarsest has two residual blocks, every
        other one on the way down and one on the way up.
    fold : int, default=2
        Side of the pixel blocks that are folded into channels.
    conditioning : {"maps", "adagn", "none"}, default="maps"
        Whether the slots are drawn as maps, added to the time embedding (for comparison), or not shown.
    use_time : bool, default=True
        Without it the time is ignored: the plain regression decoder is this network.

    Raises
    ------
    DataError
        If the size is not divisible by the fold and the halvings.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        *,
        n_nodes: int,
        slot_dim: int,
        code_dim: int,
        widths: Sequence[int] = (32, 64),
        fold: int = 2,
        conditioning: Conditioning = "maps",
        use_time: bool = True,
    ) -> None:
        super().__init__()
        fine, coarse = _grids(size, fold, len(widths))
        n_embedding = 4 * widths[0]
        self.fold = fold
        self.use_time = use_time
        self.maps = SlotMaps(n_nodes, slot_dim, fine=fine, coarse=coarse) if conditioning == "maps" else None
        self.slots = nn.Linear(n_nodes * slot_dim, n_embedding) if conditioning == "adagn" else None
        n_fine, n_coarse = (self.maps.n_fine, self.maps.n_coarse) if self.maps is not None else (0, 0)
        self.time = TimeEmbedding(widths[0] // 2, n_embedding)
        self.code = nn.Linear(code_dim, n_embedding) if code_dim else None
        self.entry = nn.Conv2d(channels * fold**2 + n_fine, widths[0], 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, widths[0], fine, fine))
        self.down = nn.ModuleList(ResidualBlock(w, w, n_embedding) for w in widths[:-1])
        self.shrink = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths)
        )
        self.join = nn.Conv2d(widths[-1] + n_coarse, widths[-1], 1)
        self.bottom = nn.ModuleList(ResidualBlock(widths[-1], widths[-1], n_embedding) for _ in range(2))
        self.grow = nn.ModuleList(
            nn.Conv2d(b, a, 1) for a, b in zip(reversed(widths[:-1]), reversed(widths), strict=False)
        )
        self.up = nn.ModuleList(ResidualBlock(2 * w, w, n_embedding) for w in reversed(widths[:-1]))
        self.exit_norm = nn.GroupNorm(8, widths[0])
        self.exit = nn.Conv2d(widths[0], channels * fold**2, 3, padding=1)
        nn.init.zeros_(self.exit.weight)
        nn.init.zeros_(self.exit.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Map (n, channels, size, size) to the same shape."""
        return self.run(x, t, self.prepare(condition))

    def prepare(self, condition: Condition) -> Prepared:
        """Return what the condition adds to the embedding, the entry and the coarsest grid."""
        vector = _vector(condition, self.code, self.slots)
        if self.maps is None:
            return Prepared(vector)
        fine, coarse = self.maps(condition)
        # A convolution is linear: its maps' part need not be computed again at every step.
        n_image, n_hidden = self.entry.in_channels - self.maps.n_fine, self.join.out_channels
        return Prepared(
            vector,
            F.conv2d(fine, self.entry.weight[:, n_image:], padding=1),
            F.conv2d(coarse, self.join.weight[:, n_hidden:]),
        )

    def run(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Map (n, channels, size, size) to the same shape, under a prepared condition."""
        embedding = self.time(t if self.use_time else torch.zeros_like(t))
        embedding = F.silu(embedding if prepared.vector is None else embedding + prepared.vector)
        folded = F.pixel_unshuffle(x, self.fold)
        h = F.conv2d(folded, self.entry.weight[:, : folded.shape[1]], self.entry.bias, padding=1)
        h = h + self.position
        if prepared.fine is not None:
            h = h + prepared.fine
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, embedding)
            skips.append(h)
            h = shrink(h)
        h = F.conv2d(h, self.join.weight[:, : h.shape[1]], self.join.bias)
        if prepared.coarse is not None:
            h = h + prepared.coarse
        for block in self.bottom:
            h = block(h, embedding)
        for grow, block in zip(self.grow, self.up, strict=True):
            # The 1x1 convolution commutes with repeating pixels and costs a quarter before it.
            h = F.interpolate(grow(h), scale_factor=2.0, mode="nearest")
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        h = self.exit(F.silu(self.exit_norm(h)))
        return F.pixel_shuffle(h, self.fold)


class UNet2DDenoiser(nn.Module):
    """The U-Net of the diffusers library behind the :class:`Denoiser` protocol.

    Parameters
    ----------
    channels, size : int
        Image shape.
    n_nodes, slot_dim, code_dim : int
        Shape of the condition.
    conditioning : {"adagn", "maps", "none"}, default="adagn"
        Whether the slots are added to the time embedding, where they scale and shift every
        normalisation, drawn as :class:`SlotMaps` beside the input and on the coarsest grid, or not shown.
    widths : sequence of int, default=(32, 64, 64)
        Channels per resolution.
    blocks : int, default=2
        Residual blocks per resolution.
    attention : sequence of int, default=()
        Resolutions with self-attention, by index: 0 is the finest.
    fold : int, default=1
        Side of the pixel blocks folded into channels.

    Raises
    ------
    MissingDependencyError
        Where diffusers is not installed.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        *,
        n_nodes: int,
        slot_dim: int,
        code_dim: int,
        conditioning: Conditioning = "adagn",
        widths: Sequence[int] = (32, 64, 64),
        blocks: int = 2,
        attention: Sequence[int] = (),
        fold: int = 1,
    ) -> None:
        super().__init__()
        diffusers = optional_import("diffusers", extra="images", purpose="UNet2DDenoiser")
        fine, coarse = _grids(size, fold, len(widths))
        n_embedding = 4 * widths[0]
        self.fold = fold
        self.maps = SlotMaps(n_nodes, slot_dim, fine=fine, coarse=coarse) if conditioning == "maps" else None
        self.slots = nn.Linear(n_nodes * slot_dim, n_embedding) if conditioning == "adagn" else None
        self.code = nn.Linear(code_dim, n_embedding) if code_dim else None
        if self.maps is not None:
            self.position = nn.Parameter(torch.zeros(1, widths[0], fine, fine))
            self.join = nn.Conv2d(self.maps.n_coarse, widths[-1], 1)
        levels = range(len(widths))
        self.unet: Any = diffusers.UNet2DModel(
            sample_size=fine,
            in_channels=channels * fold**2 + (self.maps.n_fine if self.maps is not None else 0),
            out_channels=channels * fold**2,
            block_out_channels=tuple(widths),
            layers_per_block=blocks,
            down_block_types=tuple("AttnDownBlock2D" if i in attention else "DownBlock2D" for i in levels),
            up_block_types=tuple(
                "AttnUpBlock2D" if i in attention else "UpBlock2D" for i in reversed(levels)
            ),
            add_attention=bool(attention),
            norm_num_groups=32 if all(width % 32 == 0 for width in widths) and widths[0] >= 128 else 8,
            resnet_time_scale_shift="scale_shift",
            class_embed_type="identity",
        )

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Map (n, channels, size, size) to the same shape."""
        return self.run(x, t, self.prepare(condition))

    def prepare(self, condition: Condition) -> Prepared:
        """Return what the condition adds to the embedding, the entry and the coarsest grid."""
        vector = _vector(condition, self.code, self.slots)
        if self.maps is None:
            return Prepared(vector)
        fine, coarse = self.maps(condition)
        entry: Any = self.unet.conv_in
        n_image = entry.in_channels - self.maps.n_fine
        return Prepared(
            vector, F.conv2d(fine, entry.weight[:, n_image:], padding=entry.padding), self.join(coarse)
        )

    def run(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Map (n, channels, size, size) to the same shape, under a prepared condition."""
        unet = self.unet
        embedding = unet.time_embedding(unet.time_proj(t).to(x.dtype))
        embedding = embedding if prepared.vector is None else embedding + prepared.vector
        h = F.pixel_unshuffle(x, self.fold) if self.fold > 1 else x
        entry = unet.conv_in
        h = F.conv2d(h, entry.weight[:, : h.shape[1]], entry.bias, padding=entry.padding)
        if prepared.fine is not None:
            h = h + self.position + prepared.fine
        skips: tuple[Tensor, ...] = (h,)
        for block in unet.down_blocks:
            h, more = block(hidden_states=h, temb=embedding)
            skips += more
        if prepared.coarse is not None:
            h = h + prepared.coarse
        h = unet.mid_block(h, embedding)
        for block in unet.up_blocks:
            n_skips = len(block.resnets)
            h = block(h, skips[-n_skips:], embedding)
            skips = skips[:-n_skips]
        h = unet.conv_out(unet.conv_act(unet.conv_norm_out(h)))
        return F.pixel_shuffle(h, self.fold) if self.fold > 1 else h


def _grids(size: int, fold: int, n_levels: int) -> tuple[int, int]:
    """Return the side lengths of the finest and the coarsest feature grid."""
    divisor = fold << (n_levels - 1)
    if size % divisor or size < divisor:
        raise DataError(
            f"the image size must be divisible by {divisor} (fold {fold}, {n_levels} resolutions), got {size}"
        )
    return size // fold, size // divisor


def _vector(condition: Condition, code: nn.Module | None, slots: nn.Module | None) -> Tensor | None:
    """Return what the condition adds to the time embedding."""
    total: Tensor | None = None
    if code is not None:
        total = code(condition.code * condition.code_keep[:, None])
    if slots is not None:
        told = slots((condition.slots * condition.keep[..., None]).flatten(1))
        total = told if total is None else total + told
    return total
