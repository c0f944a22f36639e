"""How the networks of an image model are trained: data, statistics and stages for the trainer."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from causalrep.representation._execution import precision_on
from causalrep.representation._network import ImageNetwork
from causalrep.representation._objectives import (
    Dropout,
    ImageObjective,
    JointObjective,
    LabelObjective,
    MechanismObjective,
)
from causalrep.representation._recipes import Recipe
from causalrep.representation._sources import Images, image_parts
from causalrep.representation.solvers import Process
from causalrep.representation.trainer import Data, Stage, StreamedData, TensorData, Trainer, TrainingLog

__all__ = ["ExtraStage", "encode_all", "label_statistics", "pixel_statistics", "stage_of", "train"]

#: Called when the stages before are done; returns a stage and the tensors that it needs.
ExtraStage: TypeAlias = Callable[[], tuple[Stage, dict[str, Tensor]]]


def pixel_statistics(images: Images) -> tuple[Tensor, Tensor]:
    """Return the mean image (1, channels, size, size) and the standard deviation around it.

    Parameters
    ----------
    images : Tensor of uint8, shape (n, channels, size, size), or ImageSource
        Training images.
    """
    total = torch.zeros(images.shape[1:], dtype=torch.float64)
    squares = torch.zeros((), dtype=torch.float64)
    for part in image_parts(images, 4096):
        values = part.double() / 255.0
        total += values.sum(0)
        squares += (values**2).sum()
    mean = total / len(images)
    variance = squares / math.prod(images.shape) - (mean**2).mean()
    return mean[None].float(), variance.clamp_min(1e-8).sqrt().float()


def label_statistics(labels: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each column over its known values."""
    return torch.from_numpy(np.nanmean(labels, axis=0)), torch.from_numpy(np.nanstd(labels, axis=0))


def train(
    network: ImageNetwork,
    recipe: Recipe,
    images: Images,
    labels: NDArray[np.float64],
    *,
    process: Process | None,
    seed: int,
    device: str,
    precision: Any,
    checkpoint: str | os.PathLike[str] | None,
    progress: bool,
    image_stage: bool = True,
    extra: Sequence[ExtraStage] = (),
) -> TrainingLog:
    """Train `network` in place and return the course of the training.

    Parameters
    ----------
    network : ImageNetwork
        With its statistics set.
    recipe : Recipe
        How to train.
    images : Tensor of uint8, shape (n, channels, size, size), or ImageSource
        Training images.
    labels : ndarray of shape (n, n_nodes)
        Labels in user units, NaN where unknown.
    process : Process or None
        How images are noised; none for a plain decoder.
    seed, device, precision, checkpoint, progress
        For the trainer; the checkpoint folder gets one folder per part of the training.
    image_stage : bool, default=True
        Whether the image network is trained in the way of the recipe; not where `extra` does it.
    extra : sequence of callable
        Further stages, each called when all before it are done; it returns the stage and the tensors, one
        row per image, that its batches hold beside images and labels.
    """
    known = torch.from_numpy(~np.isnan(labels)).float()
    values = network.standardise_labels(torch.from_numpy(labels).to(network.label_mean.device))
    standardised = torch.nan_to_num(values).float().cpu()
    beside = {"labels": standardised, "known": known}

    execution = recipe.execution(device)

    def run(part: str, stages: list[Stage], extra: dict[str, Tensor]) -> TrainingLog:
        trainer = Trainer(
            device=device,
            precision=precision_on(device, precision, images.shape[-1]),
            compile=execution.compile,
            cuda_graphs=execution.cuda_graphs,
            seed=seed,
            checkpoint=None if checkpoint is None else Path(checkpoint) / part,
            progress=progress,
        )
        data = _data(images, {**beside, **extra}, stages)
        return trainer.run(stages, data, configuration={"recipe": recipe.to_dict()})

    layout = torch.channels_last if execution.channels_last else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    rate = float(known.mean())
    logs = []
    if recipe.training == "joint":
        labelled = float(known.amax(dim=1).mean())
        logs.append(run("joint", [_joint_stage(network, recipe, process, rate, labelled)], {}))
    else:
        slots = torch.zeros(len(images), *network.slot_shape)
        if network.architecture.reads == "image":
            logs += [run(stage.name, [stage], {}) for stage in _encoder_stages(network, recipe, rate)]
            slots = encode_all(network, images)
        if image_stage:
            logs.append(run("image", [_image_stage(network, recipe, process)], {"slots": slots}))
    for make in extra:
        stage, tensors = make()
        logs.append(run(stage.name, [stage], tensors))
    # Back, so that a model answers bit for bit as it will when it is loaded.
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return TrainingLog(
        [row for log in logs for row in log.rows], [row for log in logs for row in log.validations]
    )


@torch.no_grad()
def encode_all(network: ImageNetwork, images: Images) -> Tensor:
    """Return the slots of all images, (n, n_nodes, slot_dim), on the CPU."""
    device = network.image_mean.device
    return torch.cat(
        [network.slots(network.standardise(part.to(device))).cpu() for part in image_parts(images, 512)]
    )


def _data(images: Images, beside: dict[str, Tensor], stages: Sequence[Stage]) -> Data:
    """Return the rows of a training; images only where a stage looks at them."""
    if not any(getattr(stage.module, "reads_images", True) for stage in stages):
        return TensorData(beside)
    if isinstance(images, Tensor):
        return TensorData({"images": images, **beside})
    return StreamedData("images", images, beside)


def stage_of(recipe: Recipe, name: str, module: nn.Module, **changes: Any) -> Stage:
    """Return a stage with the optimisation of a recipe, some of it changed."""
    settings: dict[str, Any] = {
        "max_steps": recipe.max_steps,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "betas": recipe.betas,
        "warmup_steps": recipe.warmup_steps,
        "schedule": recipe.schedule,
        "final_fraction": recipe.final_fraction,
        "ema_decay": recipe.ema_decay,
        "weight_decay": recipe.weight_decay,
        "clip_norm": recipe.clip_norm,
        "gradient_accumulation": recipe.gradient_accumulation,
    }
    return Stage(name, module, **{**settings, **changes})


def _encoder_stages(network: ImageNetwork, recipe: Recipe, known_rate: float) -> list[Stage]:
    steps = min(recipe.encoder_steps, recipe.max_steps)
    changes = {"max_steps": steps, "learning_rate": recipe.encoder_rate, "warmup_steps": min(50, steps)}
    labels = LabelObjective(network, known_rate=known_rate, align_weight=recipe.align_weight)
    stages = [stage_of(recipe, "labels", labels, **changes)]
    if len(network.layer.networks):
        stages.append(stage_of(recipe, "mechanisms", MechanismObjective(network), **changes, batch_size=256))
    return stages


def _dropout(recipe: Recipe) -> Dropout:
    return Dropout(recipe.slot_dropout, recipe.condition_dropout, recipe.code_dropout)


def _image_stage(network: ImageNetwork, recipe: Recipe, process: Process | None) -> Stage:
    objective = ImageObjective(
        network,
        process,
        dropout=_dropout(recipe),
        independence_weight=recipe.independence_weight,
        rate_limit=recipe.rate_limit,
        rate_weight=recipe.rate_weight,
        unlabelled=recipe.unlabelled,
    )
    return stage_of(recipe, "images", objective)


def _joint_stage(
    network: ImageNetwork, recipe: Recipe, process: Process | None, known_rate: float, labelled_rate: float
) -> Stage:
    objective = JointObjective(
        network,
        process,
        dropout=_dropout(recipe),
        known_rate=known_rate,
        labelled_rate=labelled_rate,
        align_weight=recipe.align_weight,
        kl_weight=recipe.kl_weight,
        warmup_steps=recipe.weight_warmup,
        rate_limit=recipe.rate_limit,
        rate_weight=recipe.rate_weight,
        unlabelled=recipe.unlabelled,
    )
    return stage_of(recipe, "joint", objective)
