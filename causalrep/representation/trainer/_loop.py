"""One stage in progress: the step that advances it, and the state that a checkpoint holds of it."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from causalrep.representation.trainer._chance import (
    BatchGenerator,
    RowOrder,
    Share,
    held_out_rows,
    split_batch,
)
from causalrep.representation.trainer._data import Data
from causalrep.representation.trainer._ema import MovingAverage
from causalrep.representation.trainer._log import NonFiniteLossError, Row
from causalrep.representation.trainer._stage import Stage
from causalrep.representation.trainer._step_graph import StepGraph
from causalrep.utils import CheckpointError, DataError

__all__ = ["StageRun", "check_saved_run", "check_tensors", "lent_to"]

_RESERVED = ("stage", "step", "seconds", "learning_rate", "gradient_norm", "objective")


class _Objective(nn.Module):
    """The module of a stage behind a wall: accelerate rewrites ``forward`` here, not in the module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = self.module(batch, generator)
        return terms


@contextlib.contextmanager
def lent_to(stage: Stage, *, compiled: bool) -> Iterator[None]:
    """Set the module of `stage` up for training inside the block: modes, what it holds fixed, compilation."""
    trainable = {id(parameter) for parameter in stage.trainable().values()}
    fixed = [p for p in stage.module.parameters() if p.requires_grad and id(p) not in trainable]
    modes = {module: module.training for module in stage.module.modules()}
    try:
        for parameter in fixed:
            parameter.requires_grad_(False)
        set_training(stage)
        with _compiled_parts(stage.module) if compiled else contextlib.nullcontext():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter in fixed:
            parameter.requires_grad_(True)
        for parameter in stage.module.parameters():
            parameter.grad = None


@contextlib.contextmanager
def _compiled_parts(module: nn.Module) -> Iterator[None]:
    """Let the networks inside `module` run compiled.

    Its own ``forward`` stays as it is: it draws noise from a generator, which the compiler of torch
    does not support.
    """
    queue, own = list(module.children()), {}
    for part in queue:
        if isinstance(part, nn.ModuleList | nn.ModuleDict):  # not called themselves
            queue.extend(part.children())
        else:
            own[part] = vars(part).get("forward")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about torch's own modules, when it loads them
        for part in own:
            # Not `part.compile()`, which leaves containers such as Sequential as they are.
            part.forward = torch.compile(part.forward)
    try:
        yield
    finally:
        for part, forward in own.items():
            del part.forward
            if forward is not None:
                part.forward = forward


def set_training(stage: Stage) -> None:
    """Put the module into training mode and its frozen submodules into evaluation mode."""
    stage.module.train()
    for name, module in stage.module.named_modules():
        if name in stage.frozen:
            module.eval()


class StageRun:
    """A stage at some step.

    Parameters
    ----------
    stage : Stage
        The stage; its module is on the accelerator's device and :func:`lent_to` the stage.
    accelerator : accelerate.Accelerator
        The session to run in.
    data : Data
        The data, on the same device.
    seed : int
        Addresses all chance.
    cuda_graphs : bool, default=False
        Whether steps are recorded and replayed, where one process computes a batch in one part.
    """

    def __init__(
        self, stage: Stage, accelerator: Any, data: Data, *, seed: int, cuda_graphs: bool = False
    ) -> None:
        self.stage, self.step = stage, 0
        self.best_loss, self.misses = math.inf, 0
        self.best: dict[str, Tensor] = {}
        self._accelerator, self._data, self._seed = accelerator, data, seed
        self._prepare_chance()
        whole = self._shares[0].stop - self._shares[0].start == stage.batch_size
        self._records = cuda_graphs and accelerator.device.type == "cuda" and whole and not accelerator.scaler
        self._parameters = stage.trainable()
        self._prepare_modules()
        # Only now: with several processes, preparing gives all of them the weights of the first.
        self._buffers = dict(stage.module.named_buffers())
        self.average = MovingAverage({**self._parameters, **self._buffers}, stage.ema_decay)
        self._terms: tuple[str, ...] = ()
        self._window: list[list[float]] = []
        self._pending: list[Tensor] = []
        self._norms: list[Tensor] = []
        self._graph = StepGraph(self._update_whole) if self._records else None

    def _prepare_chance(self) -> None:
        stage, device, rank = self.stage, self._accelerator.device, self._accelerator.process_index
        fraction = None if stage.patience is None else stage.validation_fraction
        rows, held_out = held_out_rows(len(self._data), fraction, self._seed)
        where = self._data.index_device
        self._order = RowOrder(
            rows.to(where), stage.batch_size, self._seed, "trainer", stage.name, blocks=self._data.blocks
        )
        self._held_out = held_out.to(where)
        self._chance = BatchGenerator(device)
        parts = stage.gradient_accumulation
        shares = split_batch(stage.batch_size, parts * self._accelerator.num_processes)
        self._shares = shares[rank * parts : (rank + 1) * parts]

    def _prepare_modules(self) -> None:
        self._objective = _Objective(self.stage.module)
        self._optimizer = _adamw(self._parameters, self.stage, capturable=self._records)
        self._model, stepper = self._accelerator.prepare(self._objective, self._optimizer)
        # accelerate's wrapper scales fp16 gradients; without that it is the optimiser plus a search for
        # an optional package on every step, which costs more than a small optimiser itself.
        self._stepper = self._optimizer if self._accelerator.scaler is None else stepper

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or patience has run out."""
        patience = self.stage.patience
        return self.step >= self.stage.max_steps or (patience is not None and self.misses >= patience)

    def advance(self) -> None:
        """Do one optimiser step; nothing waits for the device."""
        self._set_rate(self.stage.learning_rate_at(self.step))
        parts = self._parts()
        if self._graph is None:
            losses, norm = self._update(parts)
        else:
            rows, share = parts[0]
            losses, norm = self._graph(self._data.batch(rows), self._training_generator(share))
        self.average.update(self.step)
        self.step += 1
        if not self.finished:
            self._data.expect(self._parts()[0][0])
        self._norms.append(norm)
        self._pending.append(losses)

    def _set_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)  # in its place: recorded steps read it there
            else:
                group["lr"] = rate

    def _parts(self) -> list[tuple[Tensor, Share]]:
        """Return the rows of this step that are this process's, part by part."""
        rows = self._order.batch(self.step)
        return [(rows[share.start : share.stop], share) for share in self._shares]

    def _update(self, parts: list[tuple[Tensor, Share]]) -> tuple[Tensor, Tensor]:
        """Do the optimiser step of a batch in parts, and return its losses and the gradient's norm."""
        losses = []
        for number, (rows, share) in enumerate(parts, start=1):
            last = number == len(parts)
            with contextlib.nullcontext() if last else self._accelerator.no_sync(self._model):
                generator = self._training_generator(share)
                losses.append(self._backward(self._data.batch(rows), generator))
        return sum(losses[1:], start=losses[0]), self._descend()

    def _update_whole(self, batch: dict[str, Tensor], generator: BatchGenerator) -> tuple[Tensor, Tensor]:
        return self._backward(batch, generator), self._descend()

    def _descend(self) -> Tensor:
        """Let the optimiser follow the gradient, and return the norm that it had before clipping."""
        limit = math.inf if self.stage.clip_norm is None else self.stage.clip_norm
        if self._accelerator.scaler is not None:
            self._accelerator.unscale_gradients(self._stepper)
        norm = nn.utils.clip_grad_norm_(self._parameters.values(), limit)
        self._stepper.step()
        for parameter in self._parameters.values():
            parameter.grad = None
        return norm

    def _training_generator(self, share: Share) -> BatchGenerator:
        return self._generator(share, self.stage.name, self.step, step=self.step)

    def _backward(self, batch: dict[str, Tensor], generator: BatchGenerator) -> Tensor:
        values = self._losses(self._model, batch, generator)
        share = generator.share
        # Means over unequal shares add up to the mean over the batch; processes are averaged later.
        weight = (share.stop - share.start) * self._accelerator.num_processes / share.total
        if weight != 1:
            values = values * weight
        self._accelerator.backward(values.sum())
        return values.detach()

    def _losses(self, model: Any, batch: dict[str, Tensor], generator: BatchGenerator) -> Tensor:
        terms = model(batch, generator)
        if not self._terms or tuple(terms) != self._terms:
            self._check_terms(terms)
        return torch.stack(tuple(terms.values()))

    def _check_terms(self, terms: Mapping[str, Tensor]) -> None:
        where = f"the module of stage {self.stage.name!r}"
        if self._terms:
            raise DataError(f"{where} returned the losses {self._terms} first and {tuple(terms)} later")
        if not terms:
            raise DataError(f"{where} must return at least one loss, got none")
        for name, term in terms.items():
            if name in _RESERVED:
                raise DataError(f"{where} returned a loss named {name!r}, which the log reserves")
            if not isinstance(term, Tensor) or term.ndim != 0:
                raise DataError(f"{where} must return scalar tensors, {name!r} is not one")
        self._terms = tuple(terms)

    def _generator(self, share: Share, *keys: object, step: int | None = None) -> BatchGenerator:
        """Return the generator for one call, and seed the global ones (dropout) alike."""
        generator = self._chance.key(share, self._seed, "trainer", *keys, step=step)
        torch.default_generator.manual_seed(generator.local_seed)
        if self._accelerator.device.type == "cuda":
            torch.cuda.manual_seed(generator.local_seed)
        return generator

    def collect(self) -> None:
        """Bring the losses since the last call to the host.

        Raises
        ------
        NonFiniteLossError
            If one of them, or the norm of a gradient, is not finite.
        """
        if not self._pending:
            return
        table = torch.cat([torch.stack(self._pending), torch.stack(self._norms)[:, None]], dim=1)
        if self._accelerator.num_processes > 1:
            table = self._accelerator.reduce(table, reduction="mean")
        rows = table.double().tolist()
        first = self.step - len(rows) + 1
        self._pending, self._norms = [], []
        for number, row in enumerate(rows):
            for name, value in zip((*self._terms, "gradient_norm"), row, strict=True):
                # Under fp16 an infinite norm is how the scaler finds its scale; that step is skipped.
                skipped = name == "gradient_norm" and self._accelerator.scaler is not None
                if not (math.isfinite(value) or skipped):
                    raise NonFiniteLossError(self.stage.name, first + number, name, value)
        self._window.extend(rows)

    def summarise(self, seconds: float) -> Row:
        """Return the row of the log for the steps since the last one."""
        self.collect()
        self._check_buffers()
        means = [math.fsum(column) / len(column) for column in zip(*self._window, strict=True)]
        self._window = []
        return {
            "stage": self.stage.name,
            "step": self.step,
            "seconds": seconds,
            "learning_rate": self.stage.learning_rate_at(self.step - 1),
            "gradient_norm": means[-1],
            "objective": math.fsum(means[:-1]),
            **dict(zip(self._terms, means, strict=False)),
        }

    def _check_buffers(self) -> None:
        """Raise where a module put a new tensor in the place of a buffer: its average would be stale."""
        for name, tensor in self.stage.module.named_buffers():
            if self._buffers.get(name) is not tensor:
                raise DataError(
                    f"the module of stage {self.stage.name!r} replaced its buffer {name!r}; "
                    "change buffers in place, for example with `copy_`"
                )

    @property
    def validation_due(self) -> bool:
        """Whether the averaged weights are to be tried on the held-out rows now."""
        due = self.step % self.stage.validate_every == 0 or self.step == self.stage.max_steps
        return self.stage.patience is not None and due

    def validate(self, seconds: float) -> Row:
        """Score the averaged weights on the held-out rows and remember them if they are the best."""
        with self.average.in_place(), torch.no_grad():
            self.stage.module.eval()
            means = self._held_out_means()
            set_training(self.stage)
        for name, value in zip(self._terms, means, strict=True):
            if not math.isfinite(value):
                raise NonFiniteLossError(self.stage.name, self.step, f"validation {name}", value)
        loss = math.fsum(means)
        if loss < self.best_loss:
            self.best_loss, self.misses = loss, 0
            self.best = {name: tensor.clone() for name, tensor in self.average.tensors.items()}
        else:
            self.misses += 1
        head: Row = {"stage": self.stage.name, "step": self.step, "seconds": seconds, "objective": loss}
        return {**head, **dict(zip(self._terms, means, strict=True))}

    def _held_out_means(self) -> list[float]:
        """Return the mean of each loss; batches go round the processes, with the same noise each time."""
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        total = torch.zeros(len(self._terms), device=self._accelerator.device)
        for number, rows in enumerate(torch.split(self._held_out, self.stage.batch_size)):
            if number % world == rank:
                share = Share(0, len(rows), len(rows))
                generator = self._generator(share, self.stage.name, "validation", number)
                total += self._losses(self._objective, self._data.batch(rows), generator) * len(rows)
        if world > 1:
            total = self._accelerator.reduce(total, reduction="sum")
        return [value / len(self._held_out) for value in total.double().tolist()]

    def finish(self) -> None:
        """Leave the averaged weights, or the best ones, in the module."""
        if self.best:
            self.average.load(self.best)
        if self._accelerator.num_processes > 1:
            for tensor in self.average.tensors.values():
                torch.distributed.broadcast(tensor, src=0)
        self.average.store()

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the state as JSON values and tensors."""
        self.collect()
        scaler = self._accelerator.scaler
        progress = {
            "step": self.step,
            "terms": list(self._terms),
            "window": self._window,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "misses": self.misses,
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        tensors = {f"average/{name}": tensor for name, tensor in self.average.tensors.items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        for name, parameter in self._parameters.items():
            for key, value in self._optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{key}/{name}"] = value
        return progress, tensors

    def restore(self, progress: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go to the state that :meth:`state` returned and :func:`check_saved_run` found whole."""
        self.step, self.misses = progress["step"], progress["misses"]
        self.best_loss = math.inf if progress["best_loss"] is None else progress["best_loss"]
        self._terms, self._window = tuple(progress["terms"]), progress["window"]
        self.average.load(_part(tensors, "average"))
        device = self._accelerator.device
        self.best = {name: tensor.to(device) for name, tensor in _part(tensors, "best").items()}
        self._restore_optimizer(tensors)
        if self._accelerator.scaler is not None and progress["scaler"]:
            self._accelerator.scaler.load_state_dict(progress["scaler"])

    def _restore_optimizer(self, tensors: Mapping[str, Tensor]) -> None:
        state = self._optimizer.state_dict()
        numbers = {
            id(parameter): number
            for number, parameter in enumerate(
                parameter for group in self._optimizer.param_groups for parameter in group["params"]
            )
        }
        for path, tensor in _part(tensors, "optimizer").items():
            key, _, name = path.partition("/")
            entry = state["state"].setdefault(numbers[id(self._parameters[name])], {})
            entry[key] = tensor
        self._optimizer.load_state_dict(state)


def check_saved_run(stage: Stage, progress: Any, tensors: Mapping[str, Tensor]) -> None:
    """Raise unless a state of `stage` can be restored from `progress` and `tensors`.

    Raises
    ------
    CheckpointError
        Naming what is missing or malformed.
    """
    best_loss = progress.get("best_loss")
    terms, window = progress.get("terms"), progress.get("window")
    whole = (
        isinstance(progress.get("step"), int)
        and 0 <= progress["step"] <= stage.max_steps
        and isinstance(progress.get("misses"), int)
        and isinstance(best_loss, float | None)
        and isinstance(progress.get("scaler"), dict | None)
        and isinstance(terms, list)
        and isinstance(window, list)
        and all(isinstance(row, list) and len(row) == len(terms) + 1 for row in window)
        and all(isinstance(value, float) for row in window for value in row)
    )
    if not whole:
        raise CheckpointError(f"the checkpoint tells no progress of stage {stage.name!r}")
    trained = stage.trainable()
    averaged = {**trained, **dict(stage.module.named_buffers())}
    for head in ("average", "best") if best_loss is not None else ("average",):
        check_tensors({f"{head}/{name}": tensor for name, tensor in averaged.items()}, tensors)
    for path, tensor in _part(tensors, "optimizer").items():
        name = path.partition("/")[2]
        if name not in trained or (tensor.ndim and tensor.shape != trained[name].shape):
            raise CheckpointError(f"the checkpoint holds 'optimizer/{path}', which fits no parameter")


def check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise a CheckpointError unless `found` holds tensors of the forms of `expected`."""
    for name, tensor in expected.items():
        other = found.get(name)
        if other is None or other.shape != tensor.shape or other.dtype != tensor.dtype:
            form = f"{tensor.dtype} of shape {list(tensor.shape)}"
            raise CheckpointError(f"the checkpoint does not hold {name!r} as {form}")


def _part(tensors: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    start = f"{head}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _adamw(parameters: Mapping[str, nn.Parameter], stage: Stage, *, capturable: bool) -> torch.optim.AdamW:
    """Return AdamW, fused where that exists, with decay on matrices and kernels only.

    A step that is recorded (`capturable`) reads its learning rate from the device.
    """
    groups = [
        {"params": [p for p in parameters.values() if p.ndim >= 2], "weight_decay": stage.weight_decay},
        {"params": [p for p in parameters.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    values = list(parameters.values())
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in values)
    rate: Any = torch.tensor(stage.learning_rate, device=values[0].device) if capturable else None
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=stage.learning_rate if rate is None else rate,
        betas=stage.betas,
        fused=True if fused else None,
        capturable=capturable,
    )
