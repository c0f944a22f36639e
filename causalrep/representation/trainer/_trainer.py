"""The one training loop of the library."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from causalrep.representation.trainer._checkpoint import CheckpointFolder, SavedState
from causalrep.representation.trainer._data import Data, as_data
from causalrep.representation.trainer._log import TrainingLog
from causalrep.representation.trainer._loop import (
    StageRun,
    check_saved_run,
    check_tensors,
    lent_to,
)
from causalrep.representation.trainer._session import (
    StopRequest,
    open_session,
    resolve_device,
    resolve_precision,
)
from causalrep.representation.trainer._stage import Stage
from causalrep.utils import CheckpointError, DataError, progress_bar

__all__ = ["Trainer"]


class Trainer:
    """Runs the stages of a training, one after the other, and can resume it at any step.

    The trainer owns device, precision, processes, chance, averaging, checkpoints and progress; the
    modules own their loss. Chance is addressed by (seed, stage, step), so that an interrupted and
    resumed training ends in the same weights as an uninterrupted one: bit for bit on the CPU. With
    several processes (``torchrun`` or ``accelerate launch``) each takes its share of every batch;
    modules that draw noise with :func:`draw_rows` then compute what one process would.

    Parameters
    ----------
    device : str or torch.device, default="auto"
        Where to train; ``"auto"`` takes CUDA if there is one, else the CPU.
    precision : {"auto", "no", "bf16", "fp16"}, default="auto"
        Mixed precision of the forward pass; ``"auto"`` takes bf16 on CUDA devices that have it. The
        weights, the optimiser and the average stay in the type of the module.
    compile : bool, default=False
        Whether to run the submodules of each stage's module through ``torch.compile``. The module's own
        ``forward``, where noise is drawn, is left as it is.
    cuda_graphs : bool, default=False
        Whether a training step on a CUDA device is recorded once and replayed, which spares the host the
        launch of every kernel. The modules must then do the same work at each step: no branch on values
        of tensors, no wait for the device. Steps of modules that ask for the number of steps done, in
        several parts or processes, or under fp16, run as without. Not yet compared with plain steps on a
        device: compare the first losses of both before relying on it.
    seed : int, default=0
        Addresses the order of the rows and all noise.
    checkpoint : path, optional
        Folder in which the state is kept; :meth:`run` resumes from it when it is there.
    checkpoint_every_minutes : float, default=2.0
        Time between two checkpoints. One is also written at the end of each stage and on Ctrl-C and
        SIGTERM.
    log_every : int, default=50
        Steps between two rows of the log. Losses are read from the device that often only.
    progress : bool, default=False
        Whether to show a progress bar on stderr.
    on_step : callable, optional
        ``on_step(stage_name, steps_done, log)``, called after each step.

    Raises
    ------
    DeviceError
        If the device, or its precision, does not exist here.

    Notes
    -----
    Several processes agree with one up to the order of summation. Where the loss does not depend on a
    parameter at all, as on a bias before a normalisation, the gradient is nothing but rounding error,
    and Adam turns it into steps of full size: leave such parameters out where agreement matters.

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.trainer import Stage, Trainer
    >>> class Line(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.slope = torch.nn.Parameter(torch.zeros(1))
    ...     def forward(self, batch, generator):
    ...         return {"squared_error": (batch["y"] - self.slope * batch["x"]).square().mean()}
    >>> x = torch.linspace(-1, 1, 32)
    >>> line = Line()
    >>> stage = Stage("fit", line, max_steps=300, batch_size=16, learning_rate=0.05)
    >>> log = Trainer(device="cpu", seed=0, log_every=100).run([stage], {"x": x, "y": 3 * x})
    >>> log["step"], round(line.slope.item(), 2)
    ([100, 200, 300], 3.0)
    """

    def __init__(
        self,
        *,
        device: str | torch.device = "auto",
        precision: Literal["auto", "no", "bf16", "fp16"] = "auto",
        compile: bool = False,  # noqa: A002 -- torch's own word
        cuda_graphs: bool = False,
        seed: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every_minutes: float = 2.0,
        log_every: int = 50,
        progress: bool = False,
        on_step: Callable[[str, int, TrainingLog], object] | None = None,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"`seed` must be an int, got {type(seed).__name__}")
        if log_every < 1:
            raise ValueError(f"`log_every` must be at least 1, got {log_every}")
        if not checkpoint_every_minutes >= 0:
            raise ValueError(f"`checkpoint_every_minutes` must be at least 0, got {checkpoint_every_minutes}")
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.compile = compile
        self.cuda_graphs = cuda_graphs
        self.seed = seed
        self.checkpoint = checkpoint
        self.checkpoint_every_minutes = checkpoint_every_minutes
        self.log_every = log_every
        self.progress = progress
        self.on_step = on_step

    def run(
        self,
        stages: Sequence[Stage],
        data: Data | Mapping[str, Tensor],
        *,
        configuration: Mapping[str, Any] | None = None,
    ) -> TrainingLog:
        """Run `stages` in order; afterwards each module holds its averaged weights.

        The modules are moved to the device and stay there.

        Parameters
        ----------
        stages : sequence of Stage
            The stages, with distinct names. They may share modules.
        data : TensorData, mapping of str to Tensor, or any object with the methods of TensorData
            The rows to train on.
        configuration : mapping, optional
            JSON values that identify the training beyond stages, seed and data, such as weights of
            losses; a checkpoint with another configuration is refused.

        Returns
        -------
        TrainingLog
            The course of the whole training, including what a checkpoint told of it.

        Raises
        ------
        CheckpointError
            If the checkpoint is damaged, foreign, or of another training; nothing is changed then.
        NonFiniteLossError
            If a loss is not finite; the last checkpoint is left as it is.
        """
        names = [stage.name for stage in stages]
        if not names or len(set(names)) != len(names):
            raise DataError(f"`stages` must be one or more stages with distinct names, got {names}")
        source = as_data(data)
        identity = {
            "seed": self.seed,
            "configuration": dict(configuration or {}),
            "data": source.describe(),
            "stages": [stage.describe() for stage in stages],
        }
        folder = None if self.checkpoint is None else CheckpointFolder(self.checkpoint)
        saved = None if folder is None else folder.read(identity)
        if saved is not None:
            _check_saved(saved, stages)
        with open_session(self.device, self.precision) as accelerator, StopRequest() as stop:
            run = _Run(self, accelerator, stages, source, folder, identity, stop)
            return run.go(saved)


class _Run:
    """One call of :meth:`Trainer.run`."""

    def __init__(
        self,
        trainer: Trainer,
        accelerator: Any,
        stages: Sequence[Stage],
        data: Data,
        folder: CheckpointFolder | None,
        identity: dict[str, Any],
        stop: StopRequest,
    ) -> None:
        self._trainer, self._accelerator, self._stages = trainer, accelerator, stages
        self._folder, self._identity, self._stop = folder, identity, stop
        for stage in stages:
            stage.module.to(accelerator.device)
        self._data = data.to(accelerator.device)
        self._log = TrainingLog()
        self._before, self._started = 0.0, time.perf_counter()
        self._saved_at = self._started

    @property
    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._started

    def go(self, saved: SavedState | None) -> TrainingLog:
        first = 0
        if saved is not None:
            first = saved.progress["stage"]
            self._before = saved.progress["seconds"]
            self._log = TrainingLog.from_dict(saved.log)
            with torch.no_grad():
                for name, tensor in _weights(self._stages).items():
                    tensor.copy_(saved.tensors[name])
        for position in range(first, len(self._stages)):
            resumed = saved if position == first else None
            if position > first:
                self._accelerator.free_memory()  # else it holds the optimiser of the stage before
            with lent_to(self._stages[position], compiled=self._trainer.compile):
                self._run_stage(position, resumed)
            self._save(position + 1, None)
            if self._agreed_to_stop():
                self._stop.act()
        return self._log

    def _run_stage(self, position: int, saved: SavedState | None) -> None:
        stage, trainer = self._stages[position], self._trainer
        run = StageRun(
            stage, self._accelerator, self._data, seed=trainer.seed, cuda_graphs=trainer.cuda_graphs
        )
        if saved is not None and saved.progress["run"] is not None:
            run.restore(saved.progress["run"], saved.tensors)
        with progress_bar(
            stage.max_steps, description=stage.name, enabled=self._shows_progress, initial=run.step
        ) as bar:
            while not run.finished:
                run.advance()
                bar.update()
                if run.validation_due:
                    self._log.validations.append(run.validate(self._seconds))
                flushed = run.step % trainer.log_every == 0 or run.finished
                if flushed:
                    row = run.summarise(self._seconds)
                    self._log.rows.append(row)
                    bar.set_postfix_str(f"loss {row['objective']:.4g}", refresh=False)
                self._after_step(position, run, flushed)
            run.finish()

    @property
    def _shows_progress(self) -> bool:
        return self._trainer.progress and bool(self._accelerator.is_main_process)

    def _after_step(self, position: int, run: StageRun, flushed: bool) -> None:
        # Several processes can only act together, which they do when the log is written.
        together = flushed or self._accelerator.num_processes == 1
        try:
            if self._trainer.on_step is not None:
                self._trainer.on_step(run.stage.name, run.step, self._log)
            if together and self._agreed_to_stop():
                self._stop.act()
        except (KeyboardInterrupt, SystemExit):
            if together:
                self._save(position, run)
            raise
        due = time.perf_counter() - self._saved_at >= 60 * self._trainer.checkpoint_every_minutes
        if due and together:
            self._save(position, run)

    def _agreed_to_stop(self) -> bool:
        """Whether this process was told to stop; with several, whether any of them was."""
        asked = self._stop.received is not None
        if self._accelerator.num_processes == 1:
            return asked
        flag = torch.tensor(float(asked), device=self._accelerator.device)
        return bool(self._accelerator.reduce(flag, reduction="sum") > 0)

    def _save(self, position: int, run: StageRun | None) -> None:
        """Write the checkpoint: inside a stage, or between two of them."""
        self._saved_at = time.perf_counter()
        if self._folder is None:
            return
        progress, tensors = (None, {}) if run is None else run.state()
        if self._accelerator.is_main_process:
            state = SavedState(
                {"stage": position, "seconds": self._seconds, "run": progress},
                self._log.to_dict(),
                {**_weights(self._stages), **tensors},
            )
            self._folder.write(self._identity, state)


def _weights(stages: Sequence[Stage]) -> dict[str, Tensor]:
    """Return all parameters and buffers of all stages, those that stages share once."""
    result: dict[str, Tensor] = {}
    seen: set[int] = set()
    for number, stage in enumerate(stages):
        module = stage.module
        for name, tensor in itertools.chain(module.named_parameters(), module.named_buffers()):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                result[f"weights/{number}/{name}"] = tensor
    return result


def _check_saved(saved: SavedState, stages: Sequence[Stage]) -> None:
    """Raise unless the saved state fits `stages`; the files are whole, but may have been edited."""
    progress = saved.progress
    position, run = progress.get("stage"), progress.get("run")
    if not isinstance(position, int) or not 0 <= position <= len(stages):
        raise CheckpointError(f"the checkpoint names stage number {position!r}, there are {len(stages)}")
    if not isinstance(progress.get("seconds"), float) or not isinstance(run, dict | None):
        raise CheckpointError("the checkpoint tells no progress")
    try:
        TrainingLog.from_dict(saved.log)
    except DataError as error:
        raise CheckpointError(f"the checkpoint holds no log: {error}") from error
    check_tensors(_weights(stages), saved.tensors)
    if run is not None:
        if position == len(stages):
            raise CheckpointError("the checkpoint is inside a stage that does not exist")
        check_saved_run(stages[position], run, saved.tensors)
