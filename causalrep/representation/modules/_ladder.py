"""A hierarchical variational autoencoder whose latents are exogenous and whose drawing sees the slots.

Two streams run from the coarsest grid to the finest. The *prior* stream is a function of the latents
alone and gives the law of the next one; the *drawing* stream takes the same latents and is modulated by
the slots at every block. What is inferred of an image is therefore noise that an intervention leaves as
it is. On the way up, an encoder sees the image; the posterior of a latent joins both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from causalrep.representation.modules._blocks import ResidualBlock
from causalrep.representation.modules._conditioning import Condition, slot_features
from causalrep.representation.modules._denoisers import _grids

__all__ = ["Inferred", "LadderVAE"]

#: Standard normal noise of a shape; None for the mean.
Normal: TypeAlias = Callable[[tuple[int, ...]], Tensor]


@dataclass(frozen=True)
class Inferred:
    """Latents of images, and what they cost.

    Parameters
    ----------
    latents : tuple of Tensor, each of shape (n, latent_dim, side, side)
        From the coarsest grid to the finest.
    rate : Tensor of shape (n,)
        Divergence of the posterior from the prior, in nats.
    """

    latents: tuple[Tensor, ...]
    rate: Tensor


class LadderVAE(nn.Module):
    """Hierarchical variational autoencoder with slots injected at every level.

    Parameters
    ----------
    channels, size : int
        Image shape.
    n_nodes, slot_dim : int
        Shape of the slots.
    widths : sequence of int
        Channels per resolution, finest first.
    fold : int
        Side of the pixel blocks that are folded into channels.
    latent_dim : int, default=8
        Channels of each latent.
    blocks : int, default=1
        Latents per resolution.

    References
    ----------
    F. De Sousa Ribeiro et al., "High fidelity image counterfactuals with probabilistic causal models",
    ICML 2023, arXiv:2306.15764 (exogenous prior).
    """

    def __init__(
        self,
        channels: int,
        size: int,
        *,
        n_nodes: int,
        slot_dim: int,
        widths: Sequence[int],
        fold: int,
        latent_dim: int = 8,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        _, coarse = _grids(size, fold, len(widths))
        self.fold, self.latent_dim, self.blocks = fold, latent_dim, blocks
        n_embedding = 4 * widths[0]
        self.embed = nn.Sequential(
            nn.Linear(n_nodes * (7 * slot_dim + 1), n_embedding),
            nn.SiLU(),
            nn.Linear(n_embedding, n_embedding),
        )
        self.blank = nn.Parameter(torch.zeros(1, n_embedding))  # of what does not see the slots
        self.entry = nn.Conv2d(channels * fold**2, widths[0], 3, padding=1)
        self.up = nn.ModuleList(ResidualBlock(w, w, n_embedding) for w in widths)
        self.shrink = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths)
        )
        down = list(reversed(widths))
        # One start for each stream; maps, so that latents and slots know where they are.
        self.starts = nn.ParameterList(torch.zeros(1, down[0], coarse, coarse) for _ in range(2))
        each = [w for w in down for _ in range(blocks)]
        self.prior = nn.ModuleList(_zero(nn.Conv2d(w, 2 * latent_dim, 1)) for w in each)
        self.posterior = nn.ModuleList(_zero(nn.Conv2d(2 * w, 2 * latent_dim, 3, padding=1)) for w in each)
        self.lift = nn.ModuleList(nn.ModuleList(nn.Conv2d(latent_dim, w, 1) for w in each) for _ in range(2))
        self.mix = nn.ModuleList(
            nn.ModuleList(ResidualBlock(w, w, n_embedding) for w in each) for _ in range(2)
        )
        self.grow = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in itertools.pairwise(down)) for _ in range(2)
        )
        sides = [coarse << level for level in range(len(down))]
        self.position = nn.ParameterList(
            torch.zeros(1, w, side, side) for w, side in zip(down, sides, strict=True)
        )
        self.exit_norm = nn.GroupNorm(8, widths[0])
        self.exit = _zero(nn.Conv2d(widths[0], channels * fold**2, 3, padding=1))
        self.log_scale = nn.Parameter(torch.full((1, channels, 1, 1), -1.0))

    def scale(self) -> Tensor:
        """Return the standard deviation of a pixel around the drawing, (1, channels, 1, 1)."""
        return self.log_scale.clamp_min(
            -4.0
        ).exp()  # a pixel that is certain would be worth any number of nats

    def infer(self, x: Tensor, normal: Normal | None = None) -> Inferred:
        """Return the latents of images (n, channels, size, size): their mean, or a draw with noise."""
        blank = F.silu(self.blank).expand(len(x), -1)
        seen = self._seen(x, blank)
        state, latents = self.starts[0].expand(len(x), -1, -1, -1), []
        rate = x.new_zeros(len(x))
        for number in range(len(self.prior)):
            level, first = divmod(number, self.blocks)
            state = self._grown(0, state, level) if level and not first else state
            told, implied = torch.cat([state, seen[level]], dim=1), self.prior[number](state)
            mean, log_sd = _law(self.posterior[number](told) + implied)
            prior_mean, prior_log_sd = _law(implied)
            z = mean if normal is None else mean + log_sd.exp() * normal(tuple(mean.shape))
            gap = (mean - prior_mean) * (-prior_log_sd).exp()
            ratio = log_sd - prior_log_sd
            rate = rate + (0.5 * (gap**2 + (2 * ratio).exp() - 1) - ratio).flatten(1).sum(1)
            latents.append(z)
            state = self.mix[0][number](state + self.lift[0][number](z), blank)  # type: ignore[index]
        return Inferred(tuple(latents), rate)

    def draw(self, latents: Sequence[Tensor], condition: Condition) -> Tensor:
        """Return the images (n, channels, size, size) that latents stand for under a condition."""
        keep = condition.keep[..., None]
        told = torch.cat([slot_features(condition.slots) * keep, keep], dim=-1).flatten(1)
        embedding = F.silu(self.embed(told))
        state = self.starts[1].expand(len(told), -1, -1, -1)
        for number, z in enumerate(latents):
            level, first = divmod(number, self.blocks)
            state = self._grown(1, state, level) if level and not first else state
            lifted = state + self.lift[1][number](z) + self.position[level]  # type: ignore[index]
            state = self.mix[1][number](lifted, embedding)  # type: ignore[index]
        out = self.exit(F.silu(self.exit_norm(state)))
        return F.pixel_shuffle(out, self.fold)

    def sample(self, n: int, normal: Normal) -> tuple[Tensor, ...]:
        """Return latents of `n` images drawn from the prior."""
        blank = F.silu(self.blank).expand(n, -1)
        state, latents = self.starts[0].expand(n, -1, -1, -1), []
        for number in range(len(self.prior)):
            level, first = divmod(number, self.blocks)
            state = self._grown(0, state, level) if level and not first else state
            mean, log_sd = _law(self.prior[number](state))
            latents.append(mean + log_sd.exp() * normal(tuple(mean.shape)))
            state = self.mix[0][number](state + self.lift[0][number](latents[-1]), blank)  # type: ignore[index]
        return tuple(latents)

    def _seen(self, x: Tensor, blank: Tensor) -> list[Tensor]:
        """Return what the encoder sees on each grid, coarsest first."""
        h = self.entry(F.pixel_unshuffle(x, self.fold))
        seen = []
        for number, block in enumerate(self.up):
            h = block(h if number == 0 else self.shrink[number - 1](h), blank)
            seen.append(h)
        return seen[::-1]

    def _grown(self, stream: int, state: Tensor, level: int) -> Tensor:
        grown: Tensor = self.grow[stream][level - 1](state)  # type: ignore[index]
        return F.interpolate(grown, scale_factor=2.0, mode="nearest")


def _law(out: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and bounded log standard deviation."""
    mean, log_sd = out.chunk(2, dim=1)
    return mean, 4.0 * torch.tanh(log_sd / 4.0)


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    """Return a layer that starts at zero: posterior and prior begin as the same."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
