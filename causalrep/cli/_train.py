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
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from causalrep.cli._config import check_keys, read_toml, table_of, text_of
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
    settings = read_toml(config, ("out", "data", "graph", "model"))
    target = out or config.parent / text_of(settings, "out", config)
    refuse_to_overwrite(target)
    graph = _graph(table_of(settings, "graph", config, ("edges", "file")), config)
    model = _model(table_of(settings, "model", config, None), graph, target, device)
    data = table_of(settings, "data", config, ("images", "labels"))
    names, images = read_images(config.parent / text_of(data, "images", config))
    labels = _labels(config.parent / text_of(data, "labels", config), names)
    print(f"{len(images)} images of shape {images.shape[1:]}, graph {graph.to_string()}", flush=True)
    model.fit(images, labels)
    model.save(target)
    shutil.rmtree(_checkpoint(target), ignore_errors=True)
    print(f"saved {type(model).__name__} to {target}")


def _graph(table: Mapping[str, Any], config: Path) -> DAG:
    if len(table) != 1:
        raise DataError(f"[graph] of {config} must have either `edges` or `file`, got {sorted(table)}")
    if "edges" in table:
        return DAG.from_string(text_of(table, "edges", config))
    return DAG.from_dot((config.parent / text_of(table, "file", config)).read_text(encoding="utf-8"))


def _model(table: Mapping[str, Any], graph: DAG, target: Path, device: str) -> Any:
    from causalrep.representation import MODELS

    kind = table.get("kind", "CausalDiffAE")
    if kind not in MODELS:
        raise UnknownNameError(kind, MODELS, what="`kind` in [model]")
    cls: Any = MODELS[kind]
    known = [name for name in inspect.signature(cls.__init__).parameters if name not in _SET_BY_COMMAND]
    arguments = {key: value for key, value in table.items() if key != "kind"}
    check_keys(arguments, known, "[model]")
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
