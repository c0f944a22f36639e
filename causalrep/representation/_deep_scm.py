"""DeepSCM: conditional flows for the labels, a variational autoencoder for the image."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Literal

from causalrep.representation._composed import ComposedModel
from causalrep.representation._guidance import Terms
from causalrep.representation._images import ImageShape
from causalrep.representation._mechanisms import DecoderMechanism
from causalrep.representation._recipes import Recipe, check_preset, overridden, small_network
from causalrep.representation.solvers import Process
from causalrep.scm import Mechanism
from causalrep.utils import RandomState

__all__ = ["DeepSCM", "VariationalModel"]


class VariationalModel(ComposedModel):
    """Base of the models that draw the image in one pass and keep its residual."""

    is_guided = False

    def _process(self, recipe: Recipe) -> Process | None:  # noqa: ARG002
        return None

    def _image_mechanism(self, terms: Terms) -> Mechanism:  # noqa: ARG002
        return DecoderMechanism(self.network_, self.graph_.nodes, self.observed_codes_, carry_over=True)


class DeepSCM(VariationalModel):
    """Deep structural causal model: conditional affine flows for the labels, a VAE for the image.

    The image is ``mu(k, labels) + sigma e`` with a Gaussian code k. Abduction reads the labels, infers k
    and keeps the residual e; both are used again under the intervention.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        The optimisation of our recipe, or the published one for digits: batches of 256 for 1 000 epochs at
        1e-4, the flows at 5e-3, no average. The networks are ours in both.
    nuisance_dim : int, default=16
        Numbers of the code.
    pixel_sd : float, default=0.1
        The standard deviation sigma, in units of the standard deviation of the pixels: it weighs drawing
        the image against the rate of the code.
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
    The code's encoder sees the image alone; the published one is told the labels too, which the image shows.
    Roots keep their empirical law, where splines are published: a counterfactual never uses it.

    References
    ----------
    N. Pawlowski, D. C. Castro, B. Glocker, "Deep structural causal models for tractable counterfactual
    inference", NeurIPS 2020, arXiv:2006.06485.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.representation import DeepSCM
    >>> world = pendulum(size=16)
    >>> s = world.sample(64, random_state=0)
    >>> model = DeepSCM(world.graph_of_labels, max_steps=2, random_state=0).fit(s["image"], s.frame)
    >>> result = model.counterfactual(s["image"][:4], do={"angle": 10.0})
    >>> bool(abs(result.reconstruction - s["image"][:4]).max() < 1e-4)  # the residual is kept
    True
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
        nuisance_dim: int = 16,
        pixel_sd: float = 0.1,
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
        self.nuisance_dim = nuisance_dim
        self.pixel_sd = pixel_sd

    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:  # noqa: ARG002
        check_preset(self.preset)
        if not self.pixel_sd > 0:
            raise ValueError(f"`pixel_sd` must be positive, got {self.pixel_sd}")
        architecture = replace(
            small_network(shape.size), use_time=False, mechanism="affine", nuisance_stochastic=True
        )
        n_pixels = shape.channels * shape.size**2
        published: dict[str, Any] = {}
        if self.preset == "paper":
            published = {
                "max_steps": 1000 * 54_000 // 256, "batch_size": 256, "learning_rate": 1e-4,
                "encoder_rate": 5e-3, "betas": (0.9, 0.999), "schedule": "constant", "warmup_steps": 0,
                "weight_decay": 0.0, "clip_norm": None, "ema_decay": 0.0,
            }  # fmt: skip
        recipe = Recipe(architecture, rate_weight=2 * self.pixel_sd**2 / n_pixels, **published)
        return overridden(recipe, self._overrides("nuisance_dim"))
