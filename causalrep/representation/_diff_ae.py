"""Diffusion autoencoder: one semantic code for everything, edited along linear directions."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from causalrep.graphs import DAG
from causalrep.representation._composed import ComposedModel
from causalrep.representation._guidance import Terms
from causalrep.representation._images import ImageShape
from causalrep.representation._mechanisms import ImageDiffusionMechanism
from causalrep.representation._model import topology_of
from causalrep.representation._network import Architecture, ImageNetwork
from causalrep.representation._recipes import Recipe, check_preset, make_recipe, overridden, small_network
from causalrep.representation._sources import Images, image_parts
from causalrep.representation._training import stage_of, train
from causalrep.representation.modules import Condition, TimeEmbedding
from causalrep.representation.solvers import DDIM, VariancePreserving
from causalrep.representation.trainer import Stage, TrainingLog, draw_rows
from causalrep.scm import Mechanism
from causalrep.utils import RandomState

__all__ = ["DiffAE"]

_LATENT = VariancePreserving(n_steps=1000)


class LatentDenoiser(nn.Module):
    """Noise prediction for standardised codes: a perceptron whose layers see the input again.

    Parameters
    ----------
    n_codes : int
        Numbers of a code.
    hidden : int, default=256
        Units per layer.
    depth : int, default=4
        Number of hidden layers.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_codes: int, *, hidden: int = 256, depth: int = 4) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_codes))
        self.register_buffer("scale", torch.ones(n_codes))
        self.time = TimeEmbedding(32, hidden)
        self.layers = nn.ModuleList(
            nn.Linear(n_codes if i == 0 else hidden + n_codes, hidden) for i in range(depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(depth))
        self.last = nn.Linear(hidden, n_codes)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the noise in standardised codes (n, n_codes) at times (n,) of the latent process."""
        time = self.time(_LATENT.network_time(t))
        h = x
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            h = F.silu(norm(layer(h if number == 0 else torch.cat([h, x], dim=1))) * (1 + time))
        out: Tensor = self.last(h)
        return out

    def sample(self, noise: Tensor, *, steps: int = 20) -> Tensor:
        """Return codes (n, n_codes) drawn by DDIM from standard normal noise."""
        drawn = DDIM(steps=steps).decode(_LATENT, self, _LATENT.last_state(noise).unsqueeze(1))
        return drawn * self.scale + self.mean


class LatentObjective(nn.Module):
    """Squared error of the noise prediction on standardised codes.

    Parameters
    ----------
    latent : LatentDenoiser
        What is trained.
    """

    reads_images = False

    def __init__(self, latent: LatentDenoiser) -> None:
        super().__init__()
        self.latent = latent

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Return the loss of a batch with "codes"."""
        x0 = (batch["codes"] - self.latent.mean) / self.latent.scale
        t = draw_rows(
            lambda shape, generator: _LATENT.draw_times(shape[0], generator=generator),
            (len(x0),),
            generator=generator,
        ).to(x0.device)
        noise = draw_rows(torch.randn, tuple(x0.shape), generator=generator, device=x0.device)
        return {"denoising": (self.latent(_LATENT.add_noise(x0, noise, t), t) - noise).square().mean()}


class SemanticNetwork(ImageNetwork):
    """The networks of an image model whose code tells all, with a diffusion model of the codes."""

    def __init__(self, shape: ImageShape, topology: Any, architecture: Architecture) -> None:
        super().__init__(shape, topology, architecture)
        self.latent = LatentDenoiser(architecture.nuisance_dim)

    @torch.no_grad()
    def read_labels(self, codes: Tensor, labels: Tensor, known: Tensor, *, ridge: float = 1e-3) -> None:
        """Fit the linear readings of standardised labels (n, n_nodes) by ridge regression on their codes."""
        reading: nn.Linear = self.encoder  # type: ignore[assignment]
        for node in range(labels.shape[1]):
            rows = known[:, node] > 0
            x, y = codes[rows].double(), labels[rows, node].double()
            centre, mean = x.mean(0), y.mean()
            scale = x.std(0, correction=0) + 1e-6
            z = (x - centre) / scale
            gram = z.T @ z + ridge * len(z) * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
            weight = torch.linalg.solve(gram, z.T @ (y - mean)) / scale
            reading.weight[node] = weight.to(reading.weight)
            reading.bias[node] = (mean - centre @ weight).to(reading.bias)


class SemanticEditMechanism(ImageDiffusionMechanism):
    """Decoding after the code was moved along the direction of each label that was set."""

    def _condition(self, parents: Mapping[Hashable, Tensor], code: Tensor) -> Condition:
        slots = torch.stack([parents[name] for name in self._nodes], dim=1)
        reading: nn.Linear = self._network.encoder  # type: ignore[assignment]
        change = slots[..., 0] - reading(code)
        directions = reading.weight / reading.weight.square().sum(1, keepdim=True).clamp_min(1e-12)
        return Condition.full(slots, code + change @ directions)

    def sample_noise(self, n: int, generator: np.random.Generator) -> dict[str, Tensor]:
        """Draw Gaussian image noise, and a code by the latent diffusion model."""
        noise = super().sample_noise(n, generator)
        latent: LatentDenoiser = self._network.latent  # type: ignore[assignment]
        draw = torch.from_numpy(generator.standard_normal(tuple(noise["code"].shape), dtype=np.float32))
        return {**noise, "code": latent.sample(draw.to(noise["code"]))}


class DiffAE(ComposedModel):
    """Diffusion autoencoder with linear edits: no causal graph is used.

    A semantic code and the inverted noise reproduce the image nearly exactly. Labels are linear
    readings of the code, and setting one moves the code along its direction, whatever else lies in that
    direction. The graph names the labels; its edges are ignored, so that nothing follows from an
    intervention. As a baseline it shows what causal mechanisms are worth.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns; its edges are not used.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        Our small network and optimisation, or codes, optimisation and length as published (512 numbers,
        batches of 32 at 1e-4, average 0.9999, 72 million images) on the U-Net of ``CausalDiffAE``.
    code_dim : int, optional
        Numbers of the semantic code; 64 with "auto".
    solver_steps : int, optional
        Steps of DDIM, each way.
    max_steps, batch_size : int, optional
        Optimiser steps of the image network, and images per step.
    learning_rate : float, optional
        Peak learning rate of the image network.
    device : str, default="auto"
        Where to train and answer.
    precision : {"auto", "no", "bf16", "fp16"}, default="auto"
        Mixed precision of training.
    checkpoint : path, optional
        Folder for the state of the training.
    progress : bool, default=False
        Whether to show progress bars on stderr.
    random_state : int, Generator, RandomState or None
        Source of initial weights, batches and noise.

    References
    ----------
    K. Preechakul, N. Chatthee, S. Wizadwongsa, S. Suwajanakorn, "Diffusion autoencoders: toward a
    meaningful and decodable representation", CVPR 2022, arXiv:2111.15640.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.representation import DiffAE
    >>> world = pendulum(size=16)
    >>> s = world.sample(64, random_state=0)
    >>> model = DiffAE(world.graph_of_labels, solver_steps=4, max_steps=2, random_state=0)
    >>> result = model.fit(s["image"], s.frame).counterfactual(s["image"][:2], do={"light": 120.0})
    >>> bool((result.labels["position"] == result.factual_labels["position"]).all())  # nothing follows
    True
    """

    is_guided = False

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
        code_dim: int | None = None,
        solver_steps: int | None = None,
        max_steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        device: str = "auto",
        precision: Literal["auto", "no", "bf16", "fp16"] = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = False,
        random_state: RandomState = None,
    ) -> None:
        super().__init__(
            graph, image_size=image_size, preset=preset, max_steps=max_steps, batch_size=batch_size,
            learning_rate=learning_rate, device=device, precision=precision, checkpoint=checkpoint,
            progress=progress, random_state=random_state,
        )  # fmt: skip
        self.code_dim = code_dim
        self.solver_steps = solver_steps

    def _find_graph(self, labels: Any, n_images: int) -> DAG:
        return DAG([], nodes=super()._find_graph(labels, n_images).nodes)

    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:
        check_preset(self.preset)
        networks: dict[str, Any] = {"conditioning": "none", "reads": "code", "nuisance_width": 32}
        if self.preset == "paper":
            published = make_recipe("paper", size=shape.size, n_nodes=n_nodes, overrides={}).architecture
            architecture = Architecture(
                denoiser="unet2d", widths=published.widths, blocks=published.blocks,
                attention=published.attention, fold=1, nuisance_dim=512, **networks,
            )  # fmt: skip
            recipe = Recipe(
                architecture, objective="epsilon", solver="ddim", solver_steps=250, batch_size=32,
                max_steps=2_250_000, learning_rate=1e-4, betas=(0.9, 0.999), schedule="constant",
                warmup_steps=0, weight_decay=0.0, ema_decay=0.9999,
            )  # fmt: skip
        else:
            small = small_network(shape.size)
            architecture = Architecture(widths=small.widths, fold=small.fold, nuisance_dim=64, **networks)
            recipe = Recipe(architecture, objective="epsilon", solver="ddim", solver_steps=50)
        overrides = self._overrides("solver_steps")
        return overridden(recipe, {**overrides, "nuisance_dim": self.code_dim})

    def _make_network(self, shape: ImageShape, graph: DAG, recipe: Recipe) -> ImageNetwork:
        return SemanticNetwork(shape, topology_of(graph), recipe.architecture)

    def _train(
        self, network: ImageNetwork, recipe: Recipe, images: Images, labels: NDArray[Any], **options: Any
    ) -> TrainingLog:
        if not isinstance(network, SemanticNetwork):
            raise TypeError(f"expected a SemanticNetwork, got {type(network).__name__}")

        def latent() -> tuple[Stage, dict[str, Tensor]]:
            codes = _codes(network, images)
            network.latent.mean.copy_(codes.mean(0))
            network.latent.scale.copy_(codes.std(0, correction=0) + 1e-6)
            return stage_of(recipe, "latent", LatentObjective(network.latent), batch_size=256), {
                "codes": codes
            }

        process = recipe.make_process()
        log = train(network, recipe, images, labels, process=process, extra=(latent,), **options)
        device = network.image_mean.device
        known = torch.from_numpy(~np.isnan(labels)).to(device)
        wanted = network.standardise_labels(torch.from_numpy(np.nan_to_num(labels)).to(device))
        network.read_labels(_codes(network, images).to(device), wanted, known)
        return log

    def _image_mechanism(self, terms: Terms) -> Mechanism:
        return SemanticEditMechanism(
            self.network_,
            self.graph_.nodes,
            self.observed_codes_,
            process=self.recipe_.make_process(),
            solver=self.recipe_.make_solver(),
            terms=terms,
        )


@torch.no_grad()
def _codes(network: ImageNetwork, images: Images) -> Tensor:
    """Return the codes of all images, (n, code_dim), on the CPU."""
    device = network.image_mean.device
    parts = image_parts(images, 512)
    return torch.cat([network.code(network.standardise(part.to(device))).cpu() for part in parts])
