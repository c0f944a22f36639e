"""Saved models: a folder with one safetensors and one JSON file, written whole or not at all.

Nothing in a folder is ever executed: weights are plain arrays, the description is JSON, and the class
is looked up by name among the library's own.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from causalrep.utils import CheckpointError, atomic_directory

__all__ = ["read_model", "write_model"]

_FORMAT = "causalrep image model"
_FORMAT_VERSION = 1
_WEIGHTS, _DESCRIPTION, _CARD = "model.safetensors", "model.json", "README.md"


def write_model(
    folder: str | os.PathLike[str], description: dict[str, Any], tensors: dict[str, Tensor], *, card: str
) -> None:
    """Write a model and its card to `folder`, replacing a model that stands there.

    Raises
    ------
    CheckpointError
        If `folder` exists and is not a saved model: nothing else is ever overwritten.
    """
    from safetensors.torch import save

    target = Path(folder)
    if target.exists() and not (target.is_dir() and (not any(target.iterdir()) or _is_model(target))):
        raise CheckpointError(f"{str(target)!r} exists and is not a saved model; it is left as it is")
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    head = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "weights_blake2b": hashlib.blake2b(weights, digest_size=16).hexdigest(),
    }
    text = json.dumps({**head, **description}, indent=1)
    with atomic_directory(target) as temporary:
        (temporary / _WEIGHTS).write_bytes(weights)
        (temporary / _DESCRIPTION).write_text(text, encoding="utf-8")
        (temporary / _CARD).write_text(card, encoding="utf-8")


def read_model(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return description and tensors of a saved model.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    CheckpointError
        If it is not a saved model, from a newer library, or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    source = Path(folder)
    if not source.is_dir():
        raise FileNotFoundError(f"there is no model folder at {str(source)!r}")
    try:
        description = json.loads((source / _DESCRIPTION).read_text(encoding="utf-8"))
        weights = (source / _WEIGHTS).read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{str(source)!r} is not a saved model: {Path(str(error.filename)).name} is missing"
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{str(source / _DESCRIPTION)!r} is damaged: {error}") from error
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        raise CheckpointError(f"{str(source)!r} is not a saved model of this library")
    if description.get("format_version", 0) > _FORMAT_VERSION:
        raise CheckpointError(
            f"{str(source)!r} was written by a newer version, {description.get('library_version')}"
        )
    if hashlib.blake2b(weights, digest_size=16).hexdigest() != description.get("weights_blake2b"):
        raise CheckpointError(f"{str(source / _WEIGHTS)!r} is damaged: its checksum does not match")
    try:
        return description, load(weights)
    except SafetensorError as error:
        raise CheckpointError(f"{str(source / _WEIGHTS)!r} is damaged: {error}") from error


def _is_model(folder: Path) -> bool:
    try:
        description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("format") == _FORMAT
