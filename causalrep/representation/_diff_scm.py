r"""Diff-SCM: an unconditional encoding, and a decoding that is guided towards the counterfactual labels.

The noise of an image is found by the diffusion model that is told nothing, and decoded either with
classifier-free guidance, :math:`\epsilon_\emptyset + s (\epsilon_{y} - \epsilon_\emptyset)`, or with the
gradient of a reader of noised images, :math:`\epsilon_\emptyset - s \sigma_t \nabla_x \log p(y \mid x_t)`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from causalrep.graphs import DAG
from causalrep.representation._composed import ComposedModel
from causalrep.representation._guidance import Guidance, Terms
from causalrep.representation._images import ImageShape
from causalrep.representation._mechanisms import ImageDiffusionMechanism
from causalrep.representation._model import topology_of
from causalrep.representation._network import Architecture, ImageNetwork
from causalrep.representation._recipes import Recipe, check_preset, overridden, small_network
from causalrep.representation._sources import Images
from causalrep.representation._training import stage_of, train
from causalrep.representation.modules import ImageEncoder
from causalrep.representation.solvers import Process
from causalrep.representation.trainer import Stage, TrainingLog, draw_rows
from causalrep.scm import Mechanism
from causalrep.utils import RandomState, UnknownNameError

__all__ = ["DiffSCM"]


class NoisyReader(nn.Module):
    """Gaussian law of the standardised labels given a noised image and its noise level.

    Parameters
    ----------
    shape : ImageShape
        Channels and side length.
    n_nodes : int
        Number of labels.
    width : int, default=16
        Channels of the first convolution.
    """

    def __init__(self, shape: ImageShape, n_nodes: int, width: int = 16) -> None:
        super().__init__()
        self.encoder = ImageEncoder(shape.channels + 1, shape.size, 2 * n_nodes, width=width)

    def log_prob(self, x: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """Return the log density of labels, (n, n_nodes), up to a constant."""
        level = sigma.view(-1, 1, 1, 1).expand(len(x), 1, *x.shape[2:])
        mean, log_scale = self.encoder(torch.cat([x, level], dim=1)).chunk(2, dim=-1)
        log_scale = 4.0 * torch.tanh(log_scale / 4.0)
        density: Tensor = -0.5 * ((labels - mean) * (-log_scale).exp()) ** 2 - log_scale
        return density


class GuidedNetwork(ImageNetwork):
    """The networks of an image model and a reader of noised images."""

    def __init__(self, shape: ImageShape, topology: Any, architecture: Architecture) -> None:
        super().__init__(shape, topology, architecture)
        self.reader = NoisyReader(shape, len(topology))


class ReaderObjective(nn.Module):
    """Negative log-likelihood of the labels given noised images.

    Parameters
    ----------
    network : GuidedNetwork
        Its reader is trained.
    process : Process
        How images are noised.
    """

    def __init__(self, network: GuidedNetwork, process: Process) -> None:
        super().__init__()
        self.reader = network.reader
        self._network = (network,)
        self.process = process

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Return the loss of a batch."""
        process = self.process
        x = self._network[0].standardise(batch["images"])
        t = draw_rows(
            lambda shape, generator: process.draw_times(shape[0], generator=generator),
            (len(x),),
            generator=generator,
        ).to(x.device)
        noise = draw_rows(torch.randn, tuple(x.shape), generator=generator, device=x.device)
        told = self.reader.log_prob(process.add_noise(x, noise, t), process.sigma(t), batch["labels"])
        return {"reading": -(told * batch["known"]).mean()}


class ReaderGuidedMechanism(ImageDiffusionMechanism):
    """Decoding along the gradient of a reader, towards the labels of the affected nodes.

    The one term of the guidance is the weight of the gradient and which nodes it is for.
    """

    def forward(self, parents: Mapping[Hashable, Tensor], noise: Mapping[str, Tensor]) -> Tensor:
        """Return images of shape (n, channels, size, size) in network units."""
        condition = self._condition(parents, noise["code"])
        plain = self._denoise(condition)
        denoise = plain if not self._terms else self._towards(condition.slots.mean(-1), plain)
        return self._solver.decode(self._process, denoise, noise["state"])

    def _towards(
        self, labels: Tensor, plain: Callable[[Tensor, Tensor], Tensor]
    ) -> Callable[[Tensor, Tensor], Tensor]:
        network, process, ((weight, wanted),) = self._network, self._process, self._terms
        chosen = labels.new_tensor(wanted)

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            sigma = process.sigma(t)
            with torch.enable_grad():
                at = x.detach().requires_grad_()
                reader: NoisyReader = network.reader  # type: ignore[assignment]
                told = (reader.log_prob(at, sigma, labels) * chosen).sum()
                (gradient,) = torch.autograd.grad(told, at)
            return plain(x, t) - weight * sigma.view(-1, 1, 1, 1) * gradient

        return denoise


class DiffSCM(ComposedModel):
    """Diffusion model that encodes images unconditionally and is guided when it decodes.

    Labels propagate along the graph as in every model here; the image is decoded from its noise towards
    the labels that result.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        Our small network and optimisation, or the published ones for 28 pixels (widths 32, 64, 64, one
        block, 30 000 steps of 256, weight decay 0.01, 100 steps of DDIM).
    guide : {"classifier-free", "classifier"}, default="classifier-free"
        What guides: the difference to the unconditional prediction, or a reader of noised images.
    guidance : float, default=1.5
        The scale s.
    condition_dropout : float, default=0.1
        Share of conditions withheld in training, for classifier-free guidance.
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

    Notes
    -----
    The published dynamic normalisation, which clips predicted images, is left out: it breaks the inversion.

    References
    ----------
    P. Sanchez, S. A. Tsaftaris, "Diffusion causal models for counterfactual estimation", CLeaR 2022,
    arXiv:2202.10166.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.representation import DiffSCM
    >>> world = pendulum(size=16)
    >>> s = world.sample(64, random_state=0)
    >>> model = DiffSCM(world.graph_of_labels, solver_steps=4, max_steps=2, random_state=0)
    >>> model.fit(s["image"], s.frame).counterfactual(s["image"][:2], do={"angle": 10.0}).images.shape
    (2, 3, 16, 16)
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
        guide: Literal["classifier-free", "classifier"] = "classifier-free",
        guidance: float = 1.5,
        condition_dropout: float = 0.1,
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
        self.guide = guide
        self.guidance = guidance
        self.condition_dropout = condition_dropout
        self.solver_steps = solver_steps

    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:  # noqa: ARG002
        check_preset(self.preset)
        if self.guide not in ("classifier-free", "classifier"):
            raise UnknownNameError(self.guide, ("classifier-free", "classifier"), what="`guide`")
        Guidance.read(self.guidance)
        conditioning: Literal["adagn", "none"] = "adagn" if self.guide == "classifier-free" else "none"
        networks: dict[str, Any] = {"conditioning": conditioning, "nuisance_dim": 0}
        common: dict[str, Any] = {"objective": "epsilon", "solver": "ddim"}
        if conditioning == "adagn":
            common["condition_dropout"] = self.condition_dropout
        if self.preset == "paper":
            architecture = Architecture(denoiser="unet2d", widths=(32, 64, 64), blocks=1, fold=1, **networks)
            recipe = Recipe(
                architecture, **common, solver_steps=100, max_steps=30_000, batch_size=256,
                learning_rate=1e-4, betas=(0.9, 0.999), schedule="constant", weight_decay=0.01,
                ema_decay=0.9999,
            )  # fmt: skip
        else:
            small = small_network(shape.size)
            architecture = Architecture(widths=small.widths, fold=small.fold, **networks)
            recipe = Recipe(architecture, **common, solver_steps=50)
        return overridden(recipe, self._overrides("solver_steps"))

    def _make_network(self, shape: ImageShape, graph: DAG, recipe: Recipe) -> ImageNetwork:
        kind = GuidedNetwork if self.guide == "classifier" else ImageNetwork
        return kind(shape, topology_of(graph), recipe.architecture)

    def _train(
        self, network: ImageNetwork, recipe: Recipe, images: Images, labels: NDArray[Any], **options: Any
    ) -> TrainingLog:
        process = recipe.make_process()

        def reader() -> tuple[Stage, dict[str, Tensor]]:
            return stage_of(recipe, "reader", ReaderObjective(network, process)), {}  # type: ignore[arg-type]

        extra = (reader,) if isinstance(network, GuidedNetwork) else ()
        return train(network, recipe, images, labels, process=process, extra=extra, **options)

    @staticmethod
    def _check_guidance(guidance: Guidance, recipe: Recipe) -> None:  # noqa: ARG004
        if guidance.decoupled:
            raise ValueError("DiffSCM has one strength of guidance, got a mapping")

    def _guidance_terms(self, guidance: Guidance, affected: list[int]) -> Terms:
        n = len(self.graph_.nodes)
        if self.guide == "classifier":
            return ((guidance.affected, tuple(i in affected for i in range(n))),) if affected else ()
        none, every = (False,) * n, (True,) * n
        weights = {every: guidance.affected, none: 1.0 - guidance.affected} if affected else {none: 1.0}
        return tuple((weight, shown) for shown, weight in weights.items() if weight != 0.0)

    def _sampling_terms(self) -> Terms:
        # The network that a classifier guides knows no labels of its own.
        every = list(range(len(self.graph_.nodes)))
        return self._guidance_terms(Guidance.read(self.guidance), every)

    def _image_mechanism(self, terms: Terms) -> Mechanism:
        n = len(self.graph_.nodes)
        kind = ReaderGuidedMechanism if self.guide == "classifier" else ImageDiffusionMechanism
        return kind(
            self.network_,
            self.graph_.nodes,
            self.observed_codes_,
            process=self.recipe_.make_process(),
            solver=self.recipe_.make_solver(),
            terms=terms,
            abduction_terms=((1.0, (False,) * n),),
        )
