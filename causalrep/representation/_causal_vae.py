"""CausalVAE: a learned graph, a causal layer on exogenous slots, one decoder per slot."""

from __future__ import annotations

import os
from typing import Any, Literal

from causalrep.graphs import DAG
from causalrep.representation._deep_scm import VariationalModel
from causalrep.representation._graph_search import graph_of
from causalrep.representation._guidance import Terms
from causalrep.representation._images import ImageShape
from causalrep.representation._learned_graph import LearnedGraph
from causalrep.representation._mechanisms import DecoderMechanism
from causalrep.representation._network import Architecture
from causalrep.representation._recipes import Recipe, check_preset, overridden
from causalrep.scm import Mechanism
from causalrep.utils import RandomState

__all__ = ["CausalVAE"]


class CausalVAE(VariationalModel):
    """Variational autoencoder whose slots are the nodes of a causal graph.

    The encoder gives the law of the exogenous slots, the causal layer makes the endogenous ones of them,
    and the mean over one decoder per slot draws the image. Everything is trained at once; the prior of a
    slot is centred at its label. What no slot holds is lost: there is no code for what is not labelled and
    no image noise. As a baseline it shows what both are worth.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns. Without one, as published, an adjacency is learned under
        a penalty on cycles: :class:`LearnedGraph`.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        The optimisation of our recipe, or the published one: Adam at a constant rate of 1e-3, 100 passes
        over 5 482 images in batches of 64. Networks and weights are the published ones either way.
    slot_dim : int, default=4
        Numbers per node.
    max_steps, batch_size : int, optional
        Optimiser steps, and images per step.
    learning_rate : float, optional
        Peak learning rate.
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
    Two differences from the source, each on purpose. The graph is learned on the labels before the
    rest, where published A changes all along: an intervention needs one graph. And mechanisms see the
    values of all parents, where published a linear layer is followed by one network per node.

    References
    ----------
    M. Yang, F. Liu, Z. Chen, X. Shen, J. Hao, J. Wang, "CausalVAE: disentangled representation learning
    via neural structural causal models", CVPR 2021, arXiv:2004.08697.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.representation import CausalVAE
    >>> world = pendulum(size=16)
    >>> s = world.sample(64, random_state=0)
    >>> model = CausalVAE(world.graph_of_labels, max_steps=2, random_state=0).fit(s["image"], s.frame)
    >>> model.counterfactual(s["image"][:4], do={"angle": 10.0}).images.shape
    (4, 3, 16, 16)
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
        slot_dim: int = 4,
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
        self.slot_dim = slot_dim

    def _find_graph(self, labels: Any, n_images: int) -> DAG:
        learner = LearnedGraph(random_state=self.random_state)
        return graph_of(learner if self.graph is None else self.graph, labels, n_images)

    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:
        check_preset(self.preset)
        architecture = Architecture(
            denoiser="slotwise", encodes="exogenous", stochastic=True, nuisance_dim=0, use_time=False,
            slot_dim=self.slot_dim,
        )  # fmt: skip
        # Published as sums over pixels and slots, with unit variance of pixels; here all terms are means.
        of_one_number = 2.0 * n_nodes * self.slot_dim / (shape.channels * shape.size**2)
        optimisation: dict[str, Any] = {}
        if self.preset == "paper":
            optimisation = {
                "max_steps": 8_600, "learning_rate": 1e-3, "betas": (0.9, 0.999), "schedule": "constant",
                "warmup_steps": 0, "ema_decay": 0.0,
            }  # fmt: skip
        recipe = Recipe(
            architecture, training="joint", unlabelled="show", slot_mode="fill", **optimisation,
            align_weight=1.0 * of_one_number, kl_weight=0.3 * of_one_number,
        )  # fmt: skip
        return overridden(recipe, self._overrides())

    def _image_mechanism(self, terms: Terms) -> Mechanism:  # noqa: ARG002
        return DecoderMechanism(self.network_, self.graph_.nodes, self.observed_codes_)
