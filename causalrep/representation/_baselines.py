"""What a causal diffusion autoencoder has to beat: the same parts with something left out."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Literal

from causalrep.representation._causal_diffae import CausalDiffAE
from causalrep.representation._guidance import GuidanceLike, Terms
from causalrep.representation._images import ImageShape
from causalrep.representation._mechanisms import DecoderMechanism
from causalrep.representation._model import CounterfactualImageModel
from causalrep.representation._recipes import Recipe, check_preset, make_recipe
from causalrep.representation.solvers import Process
from causalrep.scm import Mechanism
from causalrep.utils import RandomState

__all__ = ["ConditionalDiffusion", "RegressionDecoder"]


class RegressionDecoder(CounterfactualImageModel):
    """Plain regression of the image on labels and nuisance code: no diffusion.

    The networks, the encoders and the causal layer are those of :class:`CausalDiffAE`; the image
    network is trained by least squares to draw the image in one pass. A strong baseline where the
    nuisance fits into the code, a blurry one where it does not.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph or str
        Graph whose nodes are the label columns.
    image_size : int, optional
        Side length, only to check the images against.
    carry_over : bool, default=False
        Whether what the decoder failed to draw of the factual image is added to the counterfactual
        (abduction of additive pixel noise).
    nuisance_dim : int, optional
        Numbers of the nuisance code.
    max_steps : int, optional
        Optimiser steps of the image network.
    batch_size : int, optional
        Images per step.
    learning_rate : float, optional
        Peak learning rate of the image network.
    device : str, default="auto"
        Where to train and answer.
    precision : {"auto", "no", "bf16", "fp16"}, default="auto"
        Mixed precision of training.
    checkpoint : path, optional
        Folder for the state of the training; ``fit`` resumes from it when it is there.
    progress : bool, default=False
        Whether to show progress bars on stderr.
    random_state : int, Generator, RandomState or None
        Source of initial weights, batches and noise.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.representation import RegressionDecoder
    >>> world = pendulum(size=16)
    >>> s = world.sample(64, random_state=0)
    >>> model = RegressionDecoder(graph=world.graph_of_labels, max_steps=2, random_state=0)
    >>> model.fit(s["image"], s.frame).counterfactual(s["image"][:4], do={"angle": 10.0}).images.shape
    (4, 3, 16, 16)
    """

    is_guided = False

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        carry_over: bool = False,
        nuisance_dim: int | None = None,
        max_steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        device: str = "auto",
        precision: Literal["auto", "no", "bf16", "fp16"] = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.graph = graph
        self.image_size = image_size
        self.carry_over = carry_over
        self.nuisance_dim = nuisance_dim
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.progress = progress
        self.random_state = random_state

    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:
        names = ("nuisance_dim", "max_steps", "batch_size", "learning_rate")
        overrides = {name: getattr(self, name) for name in names}
        recipe = make_recipe("auto", size=shape.size, n_nodes=n_nodes, overrides=overrides)
        return replace(recipe, architecture=replace(recipe.architecture, use_time=False))

    def _process(self, recipe: Recipe) -> Process | None:  # noqa: ARG002
        return None

    def _image_mechanism(self, terms: Terms) -> Mechanism:  # noqa: ARG002
        return DecoderMechanism(
            self.network_, self.graph_.nodes, self.observed_codes_, carry_over=self.carry_over
        )


class ConditionalDiffusion(CausalDiffAE):
    """Label-conditional diffusion without an encoder for what is not labelled.

    The labels are added to the time embedding, the network predicts the noise, and the
    individual survives only through deterministic DDIM inversion ("spatial abduction", Rasal et al.,
    ICML 2025, arXiv:2506.07883). Arguments are those of :class:`CausalDiffAE`.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph or str
        Graph whose nodes are the label columns.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        Our small network and optimisation, or those that were published with CausalDiffAE for the model that
        it was compared with (250 steps of DDIM; 6 000 optimiser steps for two labels, else 45 000).
    conditioning : {"adagn", "maps"}, default="adagn"
        How the labels condition the network.
    objective : {"epsilon", "v", "sample", "flow"}, default="epsilon"
        What the network predicts.
    mechanism : {"additive", "affine"}, default="additive"
        Form of the causal mechanisms among the labels.
    nuisance_dim : int, default=0
        Numbers of a nuisance code.
    solver : {"ddim", "heun", "obelm"}, default="ddim"
        Solver.
    solver_steps : int, optional
        Its steps; default: 50, or as published.
    max_steps : int, optional
        Optimiser steps of the image network.
    batch_size : int, optional
        Images per step.
    learning_rate : float, optional
        Peak learning rate of the image network.
    condition_dropout : float, optional
        Share of whole conditions withheld in training; guidance other than 1 needs it.
    guidance : float, default=1.0
        Strength of the condition when predicting.
    device : str, default="auto"
        Where to train and answer.
    precision : {"auto", "no", "bf16", "fp16"}, default="auto"
        Mixed precision of training.
    checkpoint : path, optional
        Folder for the state of the training; ``fit`` resumes from it when it is there.
    progress : bool, default=False
        Whether to show progress bars on stderr.
    random_state : int, Generator, RandomState or None
        Source of initial weights, batches and noise.
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
        conditioning: Literal["maps", "adagn"] = "adagn",
        objective: Literal["flow", "epsilon", "v", "sample"] = "epsilon",
        mechanism: Literal["additive", "affine"] = "additive",
        nuisance_dim: int = 0,
        solver: Literal["obelm", "ddim", "heun"] = "ddim",
        solver_steps: int | None = None,
        max_steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        condition_dropout: float | None = None,
        guidance: GuidanceLike = 1.0,
        device: str = "auto",
        precision: Literal["auto", "no", "bf16", "fp16"] = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = False,
        random_state: RandomState = None,
    ) -> None:
        super().__init__(
            graph,
            image_size=image_size, preset=preset, conditioning=conditioning, objective=objective,
            mechanism=mechanism, nuisance_dim=nuisance_dim, solver=solver, solver_steps=solver_steps,
            max_steps=max_steps, batch_size=batch_size, learning_rate=learning_rate,
            condition_dropout=condition_dropout, guidance=guidance, device=device, precision=precision,
            checkpoint=checkpoint, progress=progress, random_state=random_state,
        )  # fmt: skip

    def _preset_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:
        check_preset(self.preset)
        recipe = super()._preset_recipe(shape, n_nodes)
        if self.preset == "auto":
            return replace(recipe, solver_steps=50)
        # The labels themselves take the place of an encoder's slots: nothing is aligned, or trained with it.
        architecture = replace(recipe.architecture, slot_dim=1, encodes="endogenous", stochastic=False)
        return replace(
            recipe,
            architecture=architecture, training="staged", abduction="invert", unlabelled="show",
            max_steps=6_000 if n_nodes == 2 else 45_000, align_weight=1.0, weight_warmup=0,
        )  # fmt: skip
