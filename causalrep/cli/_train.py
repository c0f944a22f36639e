"""``causalrep train``: a model on your own images, as a TOML file says.

The file names images, labels and graph, and any argument of the model::

    out = "model"                   # folder of the trained model

    [data]
    images = "images"               # folder of pictures, or a .npy file of shape (n, C, H, W)
    labels = "labels.csv"           # a row per image, a column per node; empty where unlabelled

    [graph]
    edges = "angle -> length; light -> length; angle -> position; light -> position"

    [model]
    kind = "CausalDiffAE"
    max_steps = 6000
    random_state = 0

Paths are relative to the file. A column ``file`` of the labels matches rows to pictures by name; without
one, rows are taken in the order of the names.
"""

from __future__ import annotations

import inspect
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from causalrep.cli._counterfactual import refuse_to_overwrite
from causalrep.cli._pictures import read_images
from causalrep.graphs import DAG
from causalrep.utils import DataError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run_train"]

_SET_BY_COMMAND = ("self", "graph", "device", "checkpoint", "progress")


def run_train(config: Path, *, out: Path | None = None, device: str = "auto") -> None:
    """Train the model that a file describes and save it; an interrupted training resumes.

    Raises
    ------
    DataError, UnknownNameError, OSError
        Before any work, for what is wrong with the file or the data it names.
    """
    settings = _read_config(config)
    target = out or config.parent / _text(settings, "out", config)
    refuse_to_overwrite(target)
    graph = _graph(_table(settings, "graph", config, ("edges", "file")), config)
    model = _model(_table(settings, "model", config, None), graph, target, device)
    data = _table(settings, "data", config, ("images", "labels"))
    names, images = read_images(config.parent / _text(data, "images", config))
    labels = _labels(config.parent / _text(data, "labels", config), names)
    print(f"{len(images)} images of shape {images.shape[1:]}, graph {graph.to_string()}", flush=True)
    model.fit(images, labels)
    model.save(target)
    shutil.rmtree(_checkpoint(target), ignore_errors=True)
    print(f"saved {type(model).__name__} to {target}")


def _read_config(config: Path) -> dict[str, Any]:
    with config.open("rb") as file:
        try:
            settings = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise DataError(f"{config} is not a TOML file: {error}") from error
    _check_keys(settings, ("out", "data", "graph", "model"), str(config))
    return settings


def _check_keys(settings: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    known = tuple(known)
    for key in settings:
        if key not in known:
            raise UnknownNameError(key, known, what=what)


def _table(
    settings: Mapping[str, Any], name: str, config: Path, known: Iterable[str] | None
) -> dict[str, Any]:
    table = settings.get(name)
    if not isinstance(table, dict):
        raise DataError(f"{config} must have a table [{name}]")
    if known is not None:
        _check_keys(table, known, f"[{name}] of {config}")
    return table


def _text(table: Mapping[str, Any], key: str, config: Path) -> str:
    if not isinstance(table.get(key), str):
        raise DataError(f"{config} must say `{key}` as a text, got {table.get(key)!r}")
    return str(table[key])


def _graph(table: Mapping[str, Any], config: Path) -> DAG:
    if len(table) != 1:
        raise DataError(f"[graph] of {config} must have either `edges` or `file`, got {sorted(table)}")
    if "edges" in table:
        return DAG.from_string(_text(table, "edges", config))
    return DAG.from_dot((config.parent / _text(table, "file", config)).read_text(encoding="utf-8"))


def _model(table: Mapping[str, Any], graph: DAG, target: Path, device: str) -> Any:
    from causalrep import representation

    kinds = ("CausalDiffAE", "RegressionDecoder", "ConditionalDiffusion")
    kind = table.get("kind", kinds[0])
    if kind not in kinds:
        raise UnknownNameError(kind, kinds, what="`kind` in [model]")
    cls = getattr(representation, kind)
    known = [name for name in inspect.signature(cls.__init__).parameters if name not in _SET_BY_COMMAND]
    arguments = {key: value for key, value in table.items() if key != "kind"}
    _check_keys(arguments, known, "[model]")
    return cls(graph=graph, device=device, checkpoint=_checkpoint(target), progress=True, **arguments)


def _checkpoint(target: Path) -> Path:
    return target.with_name(f"{target.name}.checkpoint")


def _labels(path: Path, names: list[str]) -> pd.DataFrame:
    """Return the labels in the order of the images."""
    import pandas as pd

    try:
        labels = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of comma-separated values: {error}") from error
    if "file" not in labels.columns:
        return labels
    twice = labels["file"][labels["file"].duplicated()]
    if len(twice):
        raise DataError(f"{path} has two rows for the file {twice.iloc[0]!r}")
    missing = sorted(set(names) - set(labels["file"]))
    if missing:
        raise DataError(f"{path} has no row for the file {missing[0]!r}; leave cells empty where unlabelled")
    return labels.set_index("file").loc[names].reset_index(drop=True)
