"""The arguments that the models composed of shared parts have in common."""

from __future__ import annotations

import os
from typing import Any, Literal

from causalrep.representation._model import CounterfactualImageModel
from causalrep.utils import RandomState

__all__ = ["ComposedModel"]


class ComposedModel(CounterfactualImageModel):
    """Base of the models whose arguments are those of a run and little else.

    Parameters
    ----------
    graph : DAG, networkx.DiGraph, str or estimator, optional
        Graph whose nodes are the label columns.
    image_size : int, optional
        Side length, only to check the images against.
    preset : {"auto", "paper"}, default="auto"
        Small networks and the optimisation of our recipe, or the published configuration.
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
    """

    def __init__(
        self,
        graph: Any = None,
        *,
        image_size: int | None = None,
        preset: Literal["auto", "paper"] = "auto",
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
        self.preset = preset
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.progress = progress
        self.random_state = random_state

    def _overrides(self, *names: str) -> dict[str, Any]:
        """Return the arguments of a run, and others by name, that override a preset."""
        return {name: getattr(self, name) for name in ("max_steps", "batch_size", "learning_rate", *names)}
