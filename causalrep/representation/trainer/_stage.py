"""A stage of a training: one objective, its data flow and its optimiser, as plain values."""

from __future__ import annotations

import dataclasses
import math
import operator
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from causalrep.utils import UnknownNameError

__all__ = ["Stage"]


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage of a training: the module whose loss falls, and how.

    Parameters
    ----------
    name : str
        Name of the stage; it keys the chance of the stage and its rows in the log.
    module : torch.nn.Module
        ``forward(batch, generator)`` returns a dict of named scalar losses, already weighted; the
        objective is their sum. Every loss is a mean over the rows of `batch`. `batch` is a dict of
        tensors and `generator` the :class:`torch.Generator` for all draws of this call
        (see :func:`draw_rows`).
    max_steps : int
        Number of optimiser steps.
    batch_size : int, default=64
        Rows per step, over all processes and accumulated parts.
    learning_rate : float, default=1e-3
        Peak learning rate of AdamW.
    betas : pair of float, default=(0.9, 0.999)
        Decay of AdamW's two moments.
    weight_decay : float, default=1e-4
        Decoupled weight decay, on tensors with two or more dimensions only.
    warmup_steps : int, default=50
        Steps over which the rate grows linearly from ``learning_rate / warmup_steps``.
    schedule : {"cosine", "constant"}, default="cosine"
        What the rate does after the warm-up.
    final_fraction : float, default=0.02
        With the cosine schedule, the rate of the last step over the peak rate.
    clip_norm : float or None, default=1.0
        Largest Euclidean norm of the whole gradient.
    ema_decay : float, default=0.999
        Decay of the exponential moving average of the weights; after step ``s = 0, 1, ...`` it is
        ``min(ema_decay, (1 + s) / (10 + s))``. Zero keeps the last weights.
    gradient_accumulation : int, default=1
        Number of parts in which each process computes its share of a batch, one after the other.
    patience : int or None, default=None
        Stop after this many validations in a row without a better loss, and keep the best averaged
        weights. None trains on all rows for all steps.
    validation_fraction : float, default=0.1
        Fraction of the rows held out when `patience` is given; the same rows for every stage of one
        training that holds out as many.
    validate_every : int, default=200
        Steps between two validations.
    frozen : tuple of str, default=()
        Names of parameters or submodules of `module` that this stage holds fixed.

    Raises
    ------
    ValueError, TypeError
        For a hyper-parameter outside its range.

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.trainer import Stage
    >>> stage = Stage("fit", torch.nn.Linear(2, 1), max_steps=101, warmup_steps=1, final_fraction=0.1)
    >>> [round(stage.learning_rate_at(step), 6) for step in (0, 50, 100)]
    [0.001, 0.000557, 0.0001]
    """

    name: str
    module: nn.Module
    max_steps: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-4
    warmup_steps: int = 50
    schedule: Literal["cosine", "constant"] = "cosine"
    final_fraction: float = 0.02
    clip_norm: float | None = 1.0
    ema_decay: float = 0.999
    gradient_accumulation: int = 1
    patience: int | None = None
    validation_fraction: float = 0.1
    validate_every: int = 200
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.module, nn.Module):
            raise TypeError(f"`module` must be a torch.nn.Module, got {type(self.module).__name__}")
        if not self.name or not isinstance(self.name, str):
            raise ValueError(f"`name` must be a non-empty string, got {self.name!r}")
        least = {"max_steps": 1, "batch_size": 1, "warmup_steps": 0, "gradient_accumulation": 1}
        for field, lowest in {**least, "validate_every": 1, "patience": 1}.items():
            value = getattr(self, field)
            if value is not None or field != "patience":
                object.__setattr__(self, field, operator.index(value))
                _check(field, value, value >= lowest, f"at least {lowest}")
        for field in ("learning_rate", "clip_norm"):
            value = getattr(self, field)
            _check(field, value, value is None or 0 < value < math.inf, "positive and finite")
        _check("weight_decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "at least 0")
        _check("betas", self.betas, all(0 <= beta < 1 for beta in self.betas), "in [0, 1)")
        _check("schedule", self.schedule, self.schedule in ("cosine", "constant"), "'cosine' or 'constant'")
        _check("final_fraction", self.final_fraction, 0 <= self.final_fraction <= 1, "in [0, 1]")
        _check("ema_decay", self.ema_decay, 0 <= self.ema_decay < 1, "in [0, 1)")
        fraction = self.validation_fraction
        _check("validation_fraction", fraction, 0 < fraction < 1, "in (0, 1)")
        self.trainable()

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ..., ``max_steps - 1``."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.schedule == "constant":
            return self.learning_rate
        done = (step - self.warmup_steps) / max(1, self.max_steps - 1 - self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.learning_rate * (self.final_fraction + (1 - self.final_fraction) * cosine)

    def trainable(self) -> dict[str, nn.Parameter]:
        """Return the parameters that this stage changes, by name.

        Raises
        ------
        UnknownNameError
            If `frozen` names neither a parameter nor a submodule.
        ValueError
            If nothing is left to train.
        """
        parameters = dict(self.module.named_parameters())
        known = [*parameters, *(name for name, _ in self.module.named_modules() if name)]
        for name in self.frozen:
            if name not in known:
                raise UnknownNameError(name, known, what="`frozen`")
        fixed = tuple(f"{name}." for name in self.frozen)
        kept = {
            name: parameter
            for name, parameter in parameters.items()
            if parameter.requires_grad and not f"{name}.".startswith(fixed)
        }
        if not kept:
            raise ValueError(f"stage {self.name!r} has no parameter to train")
        return kept

    def describe(self) -> dict[str, Any]:
        """Return what identifies the stage, as JSON values: hyper-parameters, names, shapes, types."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "module"
        }
        trainable = self.trainable()
        return {
            **{name: list(value) if isinstance(value, tuple) else value for name, value in values.items()},
            "parameters": {
                name: f"{_form(tensor)}{'' if name in trainable else ' frozen'}"
                for name, tensor in self.module.named_parameters()
            },
            "buffers": {name: _form(tensor) for name, tensor in self.module.named_buffers()},
        }


def _form(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _check(field: str, value: object, holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"`{field}` must be {rule}, got {value!r}")
