"""The folder from which a training resumes: tensors as safetensors, the rest as JSON.

``state.json`` names the tensor file of its generation and holds its hash. The tensor file is
written first, under a new name, and ``state.json`` takes its place in one rename; whenever the
process dies, the folder holds one complete state, the old or the new one. No pickle is read or
written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from causalrep.utils import CheckpointError, atomic_path, write_text

__all__ = ["CheckpointFolder", "SavedState"]

_FORMAT = "causalrep training state"
_VERSION = 1
_MISSING = "(absent)"


@dataclass(frozen=True)
class SavedState:
    """What a checkpoint holds besides its identity."""

    progress: dict[str, Any]
    log: dict[str, Any]
    tensors: dict[str, Tensor]


class CheckpointFolder:
    """Reads and writes the training state in one folder.

    Parameters
    ----------
    path : path
        The folder; it is made when the first state is written. Other files in it are left alone.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._generation = 0

    def read(self, identity: Mapping[str, Any]) -> SavedState | None:
        """Return the saved state, or None where there is none yet.

        Raises
        ------
        CheckpointError
            If the files are damaged or foreign, or belong to a training with another `identity`.
        """
        if self.path.exists() and not self.path.is_dir():
            raise CheckpointError(f"`checkpoint` must be a folder, {self.path} is a file")
        file = self.path / "state.json"
        if not file.exists():
            return None
        state = self._read_json(file)
        _compare(state["identity"], identity, self.path)
        tensors = self._read_tensors(self.path / state["tensors"]["file"], state["tensors"]["blake2b"])
        self._generation = state["generation"]
        return SavedState(state["progress"], state["log"], tensors)

    def write(self, identity: Mapping[str, Any], state: SavedState) -> None:
        """Put `state` in the place of the one before."""
        from causalrep import __version__

        generation = self._generation + 1
        target = self.path / f"state-{generation:06d}.safetensors"
        with atomic_path(target) as temporary:
            content = save_tensors(_separate(state.tensors))
            temporary.write_bytes(content)
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "library": __version__,
            "generation": generation,
            "tensors": {"file": target.name, "blake2b": _digest(content)},
            "progress": state.progress,
            "identity": dict(identity),
            "log": state.log,
        }
        write_text(self.path / "state.json", json.dumps(header))
        self._generation = generation
        self._remove_all_but(target)

    def _read_json(self, file: Path) -> dict[str, Any]:
        try:
            state = json.loads(file.read_bytes())
        except (ValueError, OSError) as error:
            raise CheckpointError(f"{file} is damaged: {error}") from error
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise CheckpointError(f"{file} is not a training state of causalrep")
        if state.get("version") != _VERSION:
            raise CheckpointError(
                f"{file} has format version {state.get('version')!r}, this library reads {_VERSION}"
            )
        kinds = {"identity": dict, "progress": dict, "log": dict, "tensors": dict, "generation": int}
        for key, kind in kinds.items():
            if not isinstance(state.get(key), kind):
                raise CheckpointError(f"{file} is damaged: {key!r} is missing or malformed")
        name = state["tensors"].get("file")
        if not isinstance(name, str) or Path(name).name != name:
            raise CheckpointError(f"{file} is damaged: it names no tensor file")
        return state

    def _read_tensors(self, file: Path, digest: object) -> dict[str, Tensor]:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CheckpointError(f"the tensors of the checkpoint cannot be read: {error}") from error
        if _digest(content) != digest:
            raise CheckpointError(f"{file} is damaged: its content does not match state.json")
        try:
            return load_tensors(content)
        except SafetensorError as error:
            raise CheckpointError(f"{file} is damaged: {error}") from error

    def _remove_all_but(self, kept: Path) -> None:
        """Remove older generations and what a killed process left half written."""
        for pattern in ("state-*.safetensors", ".state-*.safetensors.*", ".state.json.*"):
            for file in self.path.glob(pattern):
                if file != kept:
                    file.unlink(missing_ok=True)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous CPU tensors of which no two share memory (safetensors refuses those)."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        copy = tensor.detach().cpu().contiguous()
        if copy.untyped_storage().data_ptr() in seen:
            copy = copy.clone()
        seen.add(copy.untyped_storage().data_ptr())
        result[name] = copy
    return result


def _compare(there: Mapping[str, Any], here: Mapping[str, Any], path: Path) -> None:
    old, new = dict(_leaves(there)), dict(_leaves(json.loads(json.dumps(here))))
    differing = [
        name for name in dict.fromkeys([*new, *old]) if old.get(name, _MISSING) != new.get(name, _MISSING)
    ]
    if differing:
        shown = "; ".join(
            f"{name} is {old.get(name, _MISSING)!r} there and {new.get(name, _MISSING)!r} here"
            for name in differing[:5]
        )
        more = f"; and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise CheckpointError(f"the checkpoint {path} belongs to another training: {shown}{more}")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested JSON values with their paths, such as ``stages.0.batch_size``."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
