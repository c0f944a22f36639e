"""What happened during a training, as columns."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from causalrep.utils import CausalRepError, DataError, UnknownNameError, frame_like, write_text

__all__ = ["NonFiniteLossError", "Row", "TrainingLog"]

Row: TypeAlias = dict[str, float | int | str]


class NonFiniteLossError(CausalRepError, FloatingPointError):
    """A loss or the gradient stopped being a finite number.

    Attributes
    ----------
    stage : str
        Name of the stage.
    step : int
        Number of the step, counted from 1.
    term : str
        Name of the loss, or ``"gradient_norm"``.
    value : float
        What it was.
    """

    def __init__(self, stage: str, step: int, term: str, value: float) -> None:
        self.stage, self.step, self.term, self.value = stage, step, term, value
        super().__init__(
            f"stage {stage!r} diverged: {term!r} became {value} at step {step}; "
            "the last checkpoint, if any, is untouched (a lower learning rate is the usual remedy)"
        )


@dataclass(repr=False)
class TrainingLog:
    """The course of a training: one row every few steps, and one for each validation.

    ``log["step"]`` is a column over all stages; a loss that a stage does not have is None there.
    The columns are ``stage``, ``step`` (steps done in the stage), ``seconds`` (spent in training so
    far, interruptions left out), ``learning_rate``, ``gradient_norm`` (before clipping),
    ``objective`` (the sum of the losses) and one for each loss; losses and norms are means over the
    steps since the row before.

    Parameters
    ----------
    rows : list of dict, optional
        Rows to start with.
    validations : list of dict, optional
        Rows of validations: ``stage``, ``step``, ``seconds``, ``objective`` and the losses.

    Examples
    --------
    >>> from causalrep.representation.trainer import TrainingLog
    >>> log = TrainingLog([{"stage": "a", "step": 10, "objective": 2.0}, {"stage": "b", "step": 10}])
    >>> log["objective"], log.stage("b")["step"]
    ([2.0, None], [10])
    """

    rows: list[Row] = field(default_factory=list)
    validations: list[Row] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"TrainingLog({len(self.rows)} rows, {len(self.validations)} validations)"

    @property
    def columns(self) -> dict[str, list[Any]]:
        """All columns, in the order in which they first appeared."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row.get(name) for row in self.rows] for name in names}

    def __getitem__(self, name: str) -> list[Any]:
        columns = self.columns
        if name not in columns:
            raise UnknownNameError(name, columns, what="the log")
        return columns[name]

    @property
    def frame(self) -> Any:
        """The rows as a pandas data frame."""
        import numpy as np

        return frame_like({name: np.asarray(values) for name, values in self.columns.items()})

    def stage(self, name: str) -> TrainingLog:
        """Return the part of the log that one stage wrote."""
        return TrainingLog(
            [row for row in self.rows if row["stage"] == name],
            [row for row in self.validations if row["stage"] == name],
        )

    def to_dict(self) -> dict[str, list[Row]]:
        """Return the log as JSON values."""
        return {"rows": self.rows, "validations": self.validations}

    @classmethod
    def from_dict(cls, values: Any) -> TrainingLog:
        """Return the log of which `values` is the :meth:`to_dict`."""
        try:
            rows, validations = values["rows"], values["validations"]
            fits = all(row["stage"] and row["step"] > 0 for row in [*rows, *validations])
        except (KeyError, TypeError) as error:
            raise DataError(f"`values` is not a training log: {error!r}") from error
        if not fits:
            raise DataError("`values` is not a training log: a row has no stage or no step")
        return cls(rows, validations)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the log to `path` as JSON, atomically."""
        write_text(path, json.dumps(self.to_dict(), indent=1))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainingLog:
        """Read a log that :meth:`save` wrote."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} is not a training log: {error}") from error
        return cls.from_dict(values)
