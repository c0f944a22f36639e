"""The networks of one image model, with the statistics of the data they were trained on.

Everything that is learned or estimated stands in one module, so that its state dict is the
whole model: label encoder, causal layer, nuisance encoder, image network, and the means and scales
between user units and network units.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from causalrep.representation._images import ImageShape
from causalrep.representation.modules import (
    CausalLayer,
    Condition,
    Denoiser,
    ImageEncoder,
    LadderVAE,
    SlotDecoders,
    SpatialUNet,
    UNet2DDenoiser,
)

__all__ = ["Architecture", "ImageNetwork", "Topology", "divergence"]


@dataclass(frozen=True)
class Architecture:
    """Sizes and kinds of the networks: all that is needed to build them again.

    Parameters
    ----------
    denoiser : {"spatial", "unet2d", "slotwise", "ladder"}
        :class:`~causalrep.representation.modules.SpatialUNet`, the U-Net of diffusers, one decoder per
        slot (:class:`~causalrep.representation.modules.SlotDecoders`), or a hierarchical autoencoder
        (:class:`~causalrep.representation.modules.LadderVAE`), which is no denoiser at all.
    conditioning : {"maps", "adagn", "none"}
        Whether the slots are drawn as maps, added to the time embedding, or not shown to the image network.
    reads : {"image", "code"}
        Whether the slots are read off the image by an encoder, or are linear functions of the code.
    widths : tuple of int
        Channels per resolution of the image network.
    fold : int
        Side of the pixel blocks that are folded into channels.
    blocks : int
        Residual blocks (``unet2d``) or latents (``ladder``) per resolution.
    latent_dim : int
        Channels of a latent (``ladder``).
    attention : tuple of int
        Resolutions with attention (``unet2d``), 0 the finest.
    use_time : bool
        False for a decoder that is no denoiser.
    slot_dim : int
        Numbers per labelled node.
    nuisance_dim : int
        Numbers for what is not labelled.
    nuisance_stochastic : bool
        Whether the nuisance code is a Gaussian, whose rate can be measured and held.
    mechanism : {"additive", "affine"}
        Form of the causal layer.
    encodes : {"endogenous", "exogenous"}
        Whether the label encoder's output is z, or u from which the causal layer makes z.
    stochastic : bool
        Whether the label encoder also gives a variance.
    encoder_width, nuisance_width : int
        Channels of the first convolution of the two encoders.
    """

    denoiser: Literal["spatial", "unet2d", "slotwise", "ladder"] = "spatial"
    conditioning: Literal["maps", "adagn", "none"] = "maps"
    reads: Literal["image", "code"] = "image"
    widths: tuple[int, ...] = (32, 64)
    fold: int = 2
    blocks: int = 2
    latent_dim: int = 8
    attention: tuple[int, ...] = ()
    use_time: bool = True
    slot_dim: int = 1
    nuisance_dim: int = 4
    nuisance_stochastic: bool = False
    mechanism: Literal["additive", "affine"] = "additive"
    encodes: Literal["endogenous", "exogenous"] = "endogenous"
    stochastic: bool = False
    encoder_width: int = 32
    nuisance_width: int = 16

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Architecture:
        """Return the architecture that :meth:`to_dict` described."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**plain)


@dataclass(frozen=True)
class Topology:
    """The label graph by index: what the networks need to know of it.

    Parameters
    ----------
    parents : tuple of tuple of int
        Parents of each node.
    order : tuple of int
        A topological order.
    """

    parents: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.parents)


class ImageNetwork(nn.Module):
    """Encoders, causal layer and image network over standardised images and labels.

    Parameters
    ----------
    shape : ImageShape
        Channels and side length of the images.
    topology : Topology
        The label graph by index.
    architecture : Architecture
        Sizes and kinds.
    """

    image_mean: Tensor
    image_scale: Tensor
    label_mean: Tensor
    label_scale: Tensor

    def __init__(self, shape: ImageShape, topology: Topology, architecture: Architecture) -> None:
        super().__init__()
        n_nodes, slot_dim = len(topology), architecture.slot_dim
        self.slot_shape = (n_nodes, slot_dim)
        self.architecture = architecture
        self.register_buffer("image_mean", torch.zeros(1, shape.channels, shape.size, shape.size))
        self.register_buffer("image_scale", torch.ones(()))
        self.register_buffer("label_mean", torch.zeros(n_nodes, dtype=torch.float64))
        self.register_buffer("label_scale", torch.ones(n_nodes, dtype=torch.float64))
        n_out = n_nodes * slot_dim * (2 if architecture.stochastic else 1)
        self.encoder: nn.Module = (
            nn.Linear(architecture.nuisance_dim, n_out)
            if architecture.reads == "code"
            else ImageEncoder(shape.channels, shape.size, n_out, width=architecture.encoder_width, hidden=256)
        )
        self.layer = CausalLayer(topology.parents, topology.order, slot_dim, mechanism=architecture.mechanism)
        self.nuisance = (
            ImageEncoder(
                shape.channels,
                shape.size,
                architecture.nuisance_dim * (2 if architecture.nuisance_stochastic else 1),
                width=architecture.nuisance_width,
                hidden=max(64, architecture.nuisance_dim),
            )
            if architecture.nuisance_dim
            else None
        )
        self.image: Denoiser = _image_network(shape, n_nodes, architecture)

    def set_statistics(
        self, image_mean: Tensor, image_scale: Tensor, label_mean: Tensor, label_scale: Tensor
    ) -> None:
        """Store the means and scales of the training data."""
        for name, value in (
            ("image_mean", image_mean), ("image_scale", image_scale),
            ("label_mean", label_mean), ("label_scale", label_scale),
        ):  # fmt: skip
            buffer = getattr(self, name)
            buffer.copy_(value.to(buffer).reshape(buffer.shape))

    def standardise(self, images: Tensor) -> Tensor:
        """Map images in [0, 1] to network units; uint8 is divided by 255 first."""
        x = images.to(self.image_mean.dtype)
        return ((x / 255.0 if images.dtype == torch.uint8 else x) - self.image_mean) / self.image_scale

    def images_of(self, x: Tensor) -> Tensor:
        """Map network units to images in [0, 1]; the one place where pixels are clipped."""
        return (x * self.image_scale + self.image_mean).clamp(0.0, 1.0)

    def standardise_labels(self, labels: Tensor) -> Tensor:
        """Map labels in user units, shape (..., n_nodes), to slot units."""
        return (labels - self.label_mean) / self.label_scale

    def standardise_labels_of(self, node: int, values: Tensor) -> Tensor:
        """Map values of one node in user units to slot units."""
        return (values - self.label_mean[node]) / self.label_scale[node]

    def labels_of(self, slots: Tensor) -> Tensor:
        """Read labels in user units, (n, n_nodes), off slots: the mean over a slot's numbers."""
        return slots.double().mean(-1) * self.label_scale + self.label_mean

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mean and variance of the encoder's code, each (n, n_nodes, slot_dim)."""
        out = self.encoder(self.code(x) if self.architecture.reads == "code" else x)
        if not self.architecture.stochastic:
            return out.view(-1, *self.slot_shape), None
        mean, variance = out.chunk(2, dim=-1)
        variance = nn.functional.softplus(variance) + 1e-8
        return mean.view(-1, *self.slot_shape), variance.view(-1, *self.slot_shape)

    def slots(self, x: Tensor) -> Tensor:
        """Return the endogenous slots z of standardised images, (n, n_nodes, slot_dim)."""
        mean, _ = self.encode(x)
        return self.layer(mean) if self.architecture.encodes == "exogenous" else mean

    def code(self, x: Tensor) -> Tensor:
        """Return the nuisance code of standardised images, (n, nuisance_dim): its mean, if it has a law."""
        return self.code_law(x)[0]

    def code_law(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mean and variance (None if it is a point) of the nuisance code, each (n, nuisance_dim)."""
        if self.nuisance is None:
            return x.new_zeros(len(x), 0), None
        out = self.nuisance(x)
        if not self.architecture.nuisance_stochastic:
            return out, None
        mean, log_variance = out.chunk(2, dim=-1)
        return mean, (8.0 * torch.tanh(log_variance / 8.0)).exp()  # bounded: neither end overflows

    def code_rate(self, x: Tensor) -> Tensor:
        """Return the rate of the nuisance code, its divergence from N(0, I) in nats, (n,)."""
        mean, variance = self.code_law(x)
        return divergence(mean, variance).sum(-1)

    def predict(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Run the image network at times on a scale of 0 to 1000."""
        return self.image(x, t, condition)


def divergence(mean: Tensor, variance: Tensor | None) -> Tensor:
    """Return KL(N(mean, variance) || N(0, 1)) of every number; without a variance, that of unit variance."""
    if variance is None:
        return 0.5 * mean**2
    return 0.5 * (mean**2 + variance - 1 - variance.log())


def _image_network(shape: ImageShape, n_nodes: int, architecture: Architecture) -> Any:
    sizes = {"n_nodes": n_nodes, "slot_dim": architecture.slot_dim, "code_dim": architecture.nuisance_dim}
    if architecture.denoiser == "ladder":
        return LadderVAE(
            shape.channels, shape.size, n_nodes=n_nodes, slot_dim=architecture.slot_dim,
            widths=architecture.widths, fold=architecture.fold, latent_dim=architecture.latent_dim,
            blocks=architecture.blocks,
        )  # fmt: skip
    if architecture.denoiser == "slotwise":
        return SlotDecoders(shape.channels, shape.size, **sizes)
    if architecture.denoiser == "spatial":
        return SpatialUNet(
            shape.channels, shape.size, **sizes,
            widths=architecture.widths, fold=architecture.fold, use_time=architecture.use_time,
            conditioning=architecture.conditioning,
        )  # fmt: skip
    return UNet2DDenoiser(
        shape.channels, shape.size, **sizes,
        conditioning=architecture.conditioning, widths=architecture.widths, blocks=architecture.blocks,
        attention=architecture.attention, fold=architecture.fold,
    )  # fmt: skip
