"""What a benchmark is to do: models, worlds, seeds and a budget, from one TOML file."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causalrep.cli._config import check_keys, read_toml, table_of, text_of
from causalrep.utils import DataError, UnknownNameError

__all__ = ["BenchmarkPlan", "Budget", "Part", "Row", "read_plan"]

_KEYS = ("out", "seeds", "device", "workers", "data", "budget", "scores", "models", "worlds")
_SET_BY_COMMAND = ("self", "graph", "device", "checkpoint", "progress", "random_state", "max_steps")
_DATA = {"size": 16, "images": 8000}
_SCORES: dict[str, Any] = {
    "images": 128, "seed": 7, "compositions": [1, 10], "parts": None, "oracle_steps": 0,
}  # fmt: skip
_BUDGETS = {
    "steps": "{:.0f} steps",
    "images": "{:.0f} images shown",
    "cpu_seconds": "{:g} CPU-seconds",
    "device_seconds": "{:g} seconds of the device",
}


@dataclass(frozen=True)
class Budget:
    """What every training may spend.

    Attributes
    ----------
    kind : {"steps", "images", "cpu_seconds", "device_seconds"}
        What is counted: optimiser steps, images shown in them, seconds of the CPU, or seconds of a device
        that does nothing else.
    amount : float
        How much of it.
    """

    kind: str
    amount: float

    def __str__(self) -> str:
        return _BUDGETS[self.kind].format(self.amount)


@dataclass(frozen=True)
class Part:
    """A model or a world of a benchmark.

    Attributes
    ----------
    name : str
        What it is called in tables.
    kind : str
        Name in the registry.
    make : callable
        The class or the factory.
    arguments : mapping of str to object
        What it is called with.
    """

    name: str
    kind: str
    make: Callable[..., Any]
    arguments: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """The name as a folder."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    def describe(self) -> dict[str, Any]:
        """Return what identifies it, as JSON has it."""
        return {"kind": self.kind, **self.arguments}


@dataclass(frozen=True)
class Row:
    """One training: a model on a world with a seed."""

    world: Part
    model: Part
    seed: int

    def __str__(self) -> str:
        return f"{self.world.name}: {self.model.name}, seed {self.seed}"


@dataclass(frozen=True)
class BenchmarkPlan:
    """A checked benchmark.

    Attributes
    ----------
    out : Path
        Folder of the results.
    worlds, models : sequence of Part
    seeds : sequence of int
        Of the training data and the training.
    size, n_train : int
        Side of the images and number of training images.
    budget : Budget
        Of every training.
    scores : mapping
        How to score.
    device : str
        Where to train.
    workers : int
        Trainings side by side.
    """

    out: Path
    worlds: Sequence[Part]
    models: Sequence[Part]
    seeds: Sequence[int]
    size: int
    n_train: int
    budget: Budget
    scores: Mapping[str, Any]
    device: str
    workers: int

    def rows(self) -> Iterator[Row]:
        """Yield all trainings: every world and model with the first seed, then with the next."""
        for seed in self.seeds:
            for world in self.worlds:
                for model in self.models:
                    yield Row(world, model, seed)

    def folder(self, row: Row) -> Path:
        """Return where a training and its scores are kept."""
        return self.out / row.world.folder / row.model.folder / str(row.seed)

    def make_world(self, part: Part) -> Any:
        """Return a world."""
        return part.make(size=self.size, **part.arguments)

    def make_model(self, row: Row, graph: Any, **settings: Any) -> Any:
        """Return an unfitted model."""
        return row.model.make(graph=graph, random_state=row.seed, **row.model.arguments, **settings)


def read_plan(config: Path, *, out: Path | None = None) -> BenchmarkPlan:
    """Return the plan that a TOML file holds, with everything in it checked.

    Parameters
    ----------
    config : Path
        The file.
    out : Path, optional
        Folder of the results; default what the file says, relative to it.

    Returns
    -------
    BenchmarkPlan

    Raises
    ------
    DataError, UnknownNameError
        For anything in the file that is wrong.
    """
    from causalrep.datasets import WORLDS
    from causalrep.representation import MODELS

    settings = read_toml(config, _KEYS)
    data = {**_DATA, **table_of({"data": {}, **settings}, "data", config, _DATA)}
    scores = {**_SCORES, **table_of({"scores": {}, **settings}, "scores", config, _SCORES)}
    for name, value in (("size", data["size"]), ("images", data["images"]), ("images", scores["images"])):
        _whole(value, name, config, least=1)
    seeds = settings.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds:
        raise DataError(f"{config} must say `seeds` as a list of whole numbers, got {seeds!r}")
    for seed in seeds:
        _whole(seed, "seeds", config, least=0)
    plan = BenchmarkPlan(
        out=out or config.parent / text_of(settings, "out", config),
        worlds=_parts(settings, "worlds", config, WORLDS, ("size",)),
        models=_parts(settings, "models", config, MODELS, _SET_BY_COMMAND),
        seeds=tuple(dict.fromkeys(seeds)),
        size=data["size"],
        n_train=data["images"],
        budget=_budget(table_of(settings, "budget", config, _BUDGETS), config),
        scores=scores,
        device=text_of({"device": "auto", **settings}, "device", config),
        workers=_whole(settings.get("workers", 1), "workers", config, least=1),
    )
    for part in plan.worlds:
        plan.make_world(part)
    return plan


def _budget(table: Mapping[str, Any], config: Path) -> Budget:
    if len(table) != 1:
        known = ", ".join(f"`{kind}`" for kind in _BUDGETS)
        raise DataError(f"[budget] of {config} must have one of {known}, got {sorted(table)}")
    ((kind, amount),) = table.items()
    if kind in ("steps", "images"):
        return Budget(kind, _whole(amount, kind, config, least=1))
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 < amount < math.inf:
        raise DataError(f"{config} must say `{kind}` as a positive number, got {amount!r}")
    return Budget(kind, float(amount))


def _whole(value: Any, name: str, config: Path, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DataError(f"{config} must say `{name}` as a whole number of at least {least}, got {value!r}")
    return value


def _parts(
    settings: Mapping[str, Any],
    key: str,
    config: Path,
    registry: Mapping[str, Callable[..., Any]],
    taken: Sequence[Hashable],
) -> tuple[Part, ...]:
    tables = settings.get(key)
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables) or not tables:
        raise DataError(f"{config} must have at least one table [[{key}]]")
    parts = []
    for table in tables:
        kind = table.get("kind")
        if kind not in registry:
            raise UnknownNameError(kind, registry, what=f"`kind` in [[{key}]] of {config}")
        make = registry[kind]
        arguments = {name: value for name, value in table.items() if name not in ("kind", "name")}
        target = make.__init__ if inspect.isclass(make) else make
        known = [name for name in inspect.signature(target).parameters if name not in taken]
        check_keys(arguments, known, f"[[{key}]] {kind}")
        parts.append(Part(str(table.get("name", kind)), kind, make, arguments))
    folders = [part.folder for part in parts]
    for part in parts:
        if folders.count(part.folder) > 1 or not part.folder:
            raise DataError(
                f"every [[{key}]] of {config} must have a `name` of its own, got {part.name!r} twice"
            )
    return tuple(parts)
