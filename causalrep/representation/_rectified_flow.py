"""Counterfactuals by the rectified flow from an image to its noise and back under other labels."""

from __future__ import annotations

import os
from typing import Any, Literal

from causalrep.representation._causal_diffae import CausalDiffAE
from causalrep.representation._guidance import GuidanceLike
from causalrep.representation._images import ImageShape
from causalrep.representation._network import Architecture
from causalrep.representation._recipes import Recipe, check_preset
from causalrep.utils import RandomState

__all__ = ["RectifiedFlowCounterfactual"]


class RectifiedFlowCounterfactual(CausalDiffAE):
    """Label-conditional rectified flow, solved forwards for the noise and backwards for the counterfactual.

    The velocity field is told the labels and nothing else: what is not labelled survives in the noise
    of the image alone. :class:`CausalDiffAE` is the same with a code for it.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        Our small network and optimisation, or those of the published flows of 32 px (see Notes).
    conditioning : {"maps", "adagn"}, optional
        How the labels condition the network; default: "maps", or "adagn" with "paper".
    solver : {"heun", "ddim", "obelm"}, default="heun"
        Solver; "ddim" is Euler's method for a flow.
    solver_steps : int, optional
        Its steps, each way; default: 20, or 64 with "paper".
    condition_dropout : float, optional
        Share of whole conditions withheld in training; guidance other than 1 needs it.
    guidance : float or mapping, default=1.0
        Strength of the condition when predicting.
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
    The published flows are unconditional and were never asked for counterfactuals; "paper" is their velocity
    network (the U-Net of score-based models: 128 channels, doubled below the finest grid, four blocks,
    attention at 16 px) and their optimisation (Adam at 2e-4 after 5 000 steps of warm-up, average 0.999999,
    400 000 steps of 128 images), with the labels added to the embedding of the time. They were solved by
    an adaptive Runge-Kutta method in 127 evaluations, for which 64 steps of Heun stand here.

    References
    ----------
    X. Liu, C. Gong, Q. Liu, "Flow straight and fast: learning to generate and transfer data with rectified
    flow", ICLR 2023, arXiv:2209.03003.
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
        conditioning: Literal["maps", "adagn"] | None = None,
        solver: Literal["heun", "ddim", "obelm"] = "heun",
        solver_steps: int | None = None,
        condition_dropout: float | None = None,
        guidance: GuidanceLike = 1.0,
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
            graph, image_size=image_size, preset=preset, conditioning=conditioning, objective="flow",
            nuisance_dim=0, solver=solver, solver_steps=solver_steps, condition_dropout=condition_dropout,
            guidance=guidance, max_steps=max_steps, batch_size=batch_size, learning_rate=learning_rate,
            device=device, precision=precision, checkpoint=checkpoint, progress=progress,
            random_state=random_state,
        )  # fmt: skip

    def _preset_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:
        check_preset(self.preset)
        if self.preset == "auto":
            return super()._preset_recipe(shape, n_nodes)
        # As many halvings as the side has, down to 4 px as published.
        halvings = sum(shape.size % 2**k == 0 and shape.size >= 4 * 2**k for k in (1, 2, 3))
        architecture = Architecture(
            denoiser="unet2d", conditioning="adagn", widths=(128, 256, 256, 256)[: halvings + 1], blocks=4,
            attention=tuple(k for k in range(halvings + 1) if shape.size // 2**k == 16), fold=1,
        )  # fmt: skip
        return Recipe(
            architecture, solver_steps=64, max_steps=400_000, batch_size=128, learning_rate=2e-4,
            betas=(0.9, 0.999), warmup_steps=5_000, schedule="constant", weight_decay=0.0,
            ema_decay=0.999999,
        )  # fmt: skip
