"""One decoder per slot, whose images are averaged: the image network of CausalVAE."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from causalrep.representation.modules._conditioning import Condition, NodeLinear
from causalrep.representation.modules._denoisers import Prepared

__all__ = ["SlotDecoders"]


class SlotDecoders(nn.Module):
    """Perceptrons that draw an image from one slot each; the answer is their mean.

    No decoder sees two slots, so that what one node does to the picture is added to what the others do.

    Parameters
    ----------
    channels, size : int
        Image shape: (channels, size, size).
    n_nodes, slot_dim : int
        Shape of the slots.
    code_dim : int, default=0
        Numbers of a code that every decoder sees beside its slot.
    hidden : int, default=300
        Units of the two hidden layers.

    References
    ----------
    M. Yang et al., "CausalVAE: disentangled representation learning via neural structural causal
    models", CVPR 2021, arXiv:2004.08697.
    """

    def __init__(
        self, channels: int, size: int, *, n_nodes: int, slot_dim: int, code_dim: int = 0, hidden: int = 300
    ) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        self.layers = nn.Sequential(
            NodeLinear(n_nodes, slot_dim + code_dim, hidden),
            nn.ELU(),
            NodeLinear(n_nodes, hidden, hidden),
            nn.ELU(),
            NodeLinear(n_nodes, hidden, channels * size**2),
        )

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Draw (n, channels, size, size); neither `x` nor `t` has any influence."""
        return self.run(x, t, self.prepare(condition))

    def prepare(self, condition: Condition) -> Prepared:
        """Return the image: it depends on nothing else."""
        slots = condition.slots * condition.keep[..., None]
        code = (condition.code * condition.code_keep[:, None])[:, None].expand(-1, slots.shape[1], -1)
        drawn = self.layers(torch.cat([slots, code], dim=-1)).mean(1)
        return Prepared(fine=drawn.unflatten(1, self.shape))

    def run(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:  # noqa: ARG002
        """Return the image that was prepared."""
        if prepared.fine is None:
            raise ValueError("`prepared` holds no image")
        return prepared.fine
