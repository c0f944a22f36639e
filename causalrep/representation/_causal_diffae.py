"""CausalDiffAE: counterfactual images from a causal diffusion autoencoder.

References
----------
A. Komanduri, C. Zhao, F. Chen, X. Wu, "Causal diffusion autoencoders: toward counterfactual
generation via diffusion probabilistic models", ECAI 2024, arXiv:2404.17735.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from causalrep.representation._guidance import Guidance, GuidanceLike, Terms
from causalrep.representation._images import ImageShape
from causalrep.representation._mechanisms import ImageDiffusionMechanism
from causalrep.representation._model import CounterfactualImageModel
from causalrep.representation._recipes import Recipe, make_recipe, overridden
from causalrep.scm import Mechanism
from causalrep.utils import RandomState

__all__ = ["CausalDiffAE"]


class CausalDiffAE(CounterfactualImageModel):
    """Causal diffusion autoencoder: images, labels and a graph in, counterfactual images out.

    An encoder reads the causal state of the labelled nodes off an image, a causal layer holds one
    mechanism per node, a small code keeps what is not labelled, and a conditional diffusion model draws
    the image. A counterfactual is abduction (encoding, exact inversion of the mechanisms and of the
    diffusion), action, and prediction along the graph.

    Assumes that the graph is the causal graph of the labels, that label noises are independent
    (no unlabelled common cause), and that intervened values lie where training data lie: leaf nodes
    within the spread of their mechanism, roots within their range.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns; a string is read by ``DAG.from_string``. Or what finds
        one in the labelled rows, such as :class:`~causalrep.discovery.PC`, which is also what is
        done without a graph.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper", "paper-small"}, default="auto"
        The measured recipe; the published configuration; or the published method with the network size and
        number of steps of "auto".
    objective : {"flow", "epsilon", "v", "sample"}, optional
        What the image network predicts. This and all following arguments override the preset.
    denoiser : {"spatial", "unet2d"}, optional
        Image network: our small U-Net, or diffusers' ``UNet2DModel`` (extra "images").
    conditioning : {"maps", "adagn"}, optional
        Slots as spatial maps, or added to the time embedding.
    slot_dim : int, optional
        Numbers per labelled node.
    slot_mode : {"shift", "fill"}, optional
        Whether an intervention moves a slot, keeping its spread, or overwrites it.
    mechanism : {"additive", "affine"}, optional
        Form of the causal mechanisms.
    nuisance_dim : int, optional
        Numbers of the code for what is not labelled; 0 for none.
    nuisance_rate : float, optional
        Makes that code a Gaussian which tells at most about so many nats of an image.
    unlabelled : {"show", "withhold"}, optional
        Rows without any label: the image network sees what the encoder reads of them, or, as published,
        no slots at all.
    align_weight, kl_weight : float, optional
        Weights of the alignment of slots with labels and of the Kullback-Leibler term.
    independence_weight : float, optional
        Weight that keeps the nuisance code from repeating the labels; 1 where
        :func:`~causalrep.metrics.label_leak` finds that it does. Staged training only.
    slot_dropout, condition_dropout : float, optional
        Share of single slots, and of whole conditions, withheld in training. Guidance other than 1
        needs ``condition_dropout > 0``, decoupled guidance ``slot_dropout > 0``.
    guidance : float or mapping, default=1.0
        Strength of the condition when predicting; a mapping of "affected" and "invariant" weighs
        intervened labels with their descendants apart from the others.
    abduction : {"invert", "fresh"}, optional
        Whether the image noise is inferred or, as published, drawn anew.
    solver : {"obelm", "ddim", "heun"}, optional
        Solver of the probability-flow ODE.
    solver_steps : int, optional
        Its steps, each way.
    max_steps : int, optional
        Optimiser steps of the image network.
    batch_size : int, optional
        Images per step.
    learning_rate : float, optional
        Peak learning rate of the image network.
    gradient_accumulation : int, optional
        Parts in which a batch is computed, one after the other, where memory is short.
    compile : bool, optional
        Whether to train through ``torch.compile``; this and the next two default to what was measured to be
        best on the class of the device.
    channels_last : bool, optional
        Whether to train with the channels of a pixel side by side in memory.
    cuda_graphs : bool, optional
        Whether steps of the training and of the solver are recorded once and replayed, on CUDA devices. Not
        chosen by itself: recorded steps of training have not been compared with plain ones on a device yet.
    device : str, default="auto"
        "cpu", "cuda", ...; "auto" takes CUDA where there is one.
    precision : {"auto", "no", "bf16", "fp16"}, default="auto"
        Mixed precision of training; "auto" is bf16 on CUDA devices that have it, for images above 32 px.
    checkpoint : path, optional
        Folder for the state of the training; ``fit`` resumes from it when it is there.
    progress : bool, default=False
        Whether to show progress bars on stderr.
    random_state : int, Generator, RandomState or None
        Source of initial weights, batches and noise.

    Attributes
    ----------
    graph_ : DAG
        The graph.
    network_ : ImageNetwork
        The trained networks.
    recipe_ : Recipe
        All settings that were used.
    training_log_ : TrainingLog
        The course of the training.

    Notes
    -----
    Differences from the released implementation, each on purpose: mechanisms see all parents and act
    over any number of hops; the image noise is abducted; labels and pixels are standardised inside;
    normalisation does not depend on the batch.

    References
    ----------
    A. Komanduri, C. Zhao, F. Chen, X. Wu, "Causal diffusion autoencoders", ECAI 2024, arXiv:2404.17735.
    X. Liu, C. Gong, Q. Liu, "Flow straight and fast", ICLR 2023, arXiv:2209.03003.
    F. Wang et al., "BELM: bidirectional explicit linear multi-step samplers for exact inversion in
    diffusion models", NeurIPS 2024, arXiv:2410.07273.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.representation import CausalDiffAE
    >>> world = pendulum(size=16)
    >>> s = world.sample(64, random_state=0)
    >>> model = CausalDiffAE(graph=world.graph_of_labels, max_steps=2, random_state=0)
    >>> result = model.fit(s["image"], s.frame).counterfactual(s["image"][:4], do={"light": 120.0})
    >>> result.images.shape
    (4, 3, 16, 16)
    >>> [float(v) for v in result.labels["light"].round(4)]
    [120.0, 120.0, 120.0, 120.0]
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper", "paper-small"] = "auto",
        objective: Literal["flow", "epsilon", "v", "sample"] | None = None,
        denoiser: Literal["spatial", "unet2d"] | None = None,
        conditioning: Literal["maps", "adagn"] | None = None,
        slot_dim: int | None = None,
        slot_mode: Literal["shift", "fill"] | None = None,
        mechanism: Literal["additive", "affine"] | None = None,
        nuisance_dim: int | None = None,
        nuisance_rate: float | None = None,
        unlabelled: Literal["show", "withhold"] | None = None,
        align_weight: float | None = None,
        kl_weight: float | None = None,
        independence_weight: float | None = None,
        slot_dropout: float | None = None,
        condition_dropout: float | None = None,
        guidance: GuidanceLike = 1.0,
        abduction: Literal["invert", "fresh"] | None = None,
        solver: Literal["obelm", "ddim", "heun"] | None = None,
        solver_steps: int | None = None,
        max_steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        gradient_accumulation: int | None = None,
        compile: bool | None = None,  # noqa: A002 -- torch's own word
        channels_last: bool | None = None,
        cuda_graphs: bool | None = None,
        device: str = "auto",
        precision: Literal["auto", "no", "bf16", "fp16"] = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.graph = graph
        self.image_size = image_size
        self.preset = preset
        self.objective = objective
        self.denoiser = denoiser
        self.conditioning = conditioning
        self.slot_dim = slot_dim
        self.slot_mode = slot_mode
        self.mechanism = mechanism
        self.nuisance_dim = nuisance_dim
        self.nuisance_rate = nuisance_rate
        self.unlabelled = unlabelled
        self.align_weight = align_weight
        self.kl_weight = kl_weight
        self.independence_weight = independence_weight
        self.slot_dropout = slot_dropout
        self.condition_dropout = condition_dropout
        self.guidance = guidance
        self.abduction = abduction
        self.solver = solver
        self.solver_steps = solver_steps
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.gradient_accumulation = gradient_accumulation
        self.compile = compile
        self.channels_last = channels_last
        self.cuda_graphs = cuda_graphs
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.progress = progress
        self.random_state = random_state

    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:
        overrides = {name: getattr(self, name) for name in _OVERRIDES}
        recipe = overridden(self._preset_recipe(shape, n_nodes), overrides)
        self._check_guidance(Guidance.read(self.guidance), recipe)
        return recipe

    def _preset_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:
        """Return the settings of the preset, before any is overridden."""
        return make_recipe(self.preset, size=shape.size, n_nodes=n_nodes, overrides={})

    def _image_mechanism(self, terms: Terms) -> Mechanism:
        recipe = self.recipe_
        return ImageDiffusionMechanism(
            self.network_,
            self.graph_.nodes,
            self.observed_codes_,
            process=recipe.make_process(),
            solver=recipe.make_solver(),
            terms=terms,
            cuda_graphs=recipe.cuda_graphs,
            fresh_seed=self.seed_ if recipe.abduction == "fresh" else None,
        )


_OVERRIDES = (
    "objective", "denoiser", "conditioning", "slot_dim", "slot_mode", "mechanism", "nuisance_dim",
    "nuisance_rate", "unlabelled", "align_weight", "kl_weight", "independence_weight", "slot_dropout",
    "condition_dropout", "abduction", "solver", "solver_steps", "max_steps", "batch_size",
    "learning_rate", "gradient_accumulation", "compile", "channels_last", "cuda_graphs",
)  # fmt: skip
