"""Counterfactuals by the rectified flow from an image to its noise and back under other labels."""

from __future__ import annotations

import os
from typing import Any, Literal

from causalrep.representation._causal_diffae import CausalDiffAE
from causalrep.representation._guidance import GuidanceLike
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
    conditioning : {"maps", "adagn"}, default="maps"
        How the labels condition the network.
    solver : {"heun", "ddim", "obelm"}, default="heun"
        Solver; "ddim" is Euler's method for a flow.
    solver_steps : int, default=20
        Its steps, each way.
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
        conditioning: Literal["maps", "adagn"] = "maps",
        solver: Literal["heun", "ddim", "obelm"] = "heun",
        solver_steps: int = 20,
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
            graph, image_size=image_size, conditioning=conditioning, objective="flow", nuisance_dim=0,
            solver=solver, solver_steps=solver_steps, condition_dropout=condition_dropout,
            guidance=guidance, max_steps=max_steps, batch_size=batch_size, learning_rate=learning_rate,
            device=device, precision=precision, checkpoint=checkpoint, progress=progress,
            random_state=random_state,
        )  # fmt: skip
