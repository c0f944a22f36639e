"""Saved models: a folder with one JSON and one safetensors file, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from causalrep.graphs import DAG
from causalrep.scm._codec import Arrays, UnsavableError, decode, encode
from causalrep.scm._mechanism import Mechanism
from causalrep.utils import CausalRepError, CheckpointError, atomic_directory

__all__ = ["SaveMixin"]

_FORMAT = "causalrep structural causal model"
_VERSION = 1
_ARRAYS, _DESCRIPTION = "scm.safetensors", "scm.json"


class SaveMixin:
    """How an `SCM` is saved, and loaded without executing code."""

    if TYPE_CHECKING:  # what it finds in the SCM
        _graph: DAG
        _mechanisms: dict[Hashable, Mechanism]
        _joints: dict[Hashable, Any]
        _support: Mapping[Hashable, tuple[float, float]]
        _choices: tuple[dict[str, Any], ...] | None

        def __init__(
            self, graph: DAG | None = None, mechanisms: Mapping[Hashable, Any] | None = None
        ) -> None: ...

        @property
        def interventions(self) -> dict[Hashable, Mechanism]: ...

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the model to a folder, as JSON and arrays.

        Laws, `Linear`, `Equation`, tables, and everything that `fit` learns but boosting, networks, Gaussian
        processes and estimators of your own can be saved. Python functions and foreign objects could only
        be saved as code, which a file from elsewhere must never run; keep the script that defines them.

        Parameters
        ----------
        path : str or path
            The folder; a model that stands there is replaced, anything else is left alone.

        Raises
        ------
        CausalRepError
            If a mechanism cannot be saved, or interventions are in place.
        CheckpointError
            If `path` exists and is no saved model.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> from causalrep.scm import SCM
        >>> scm = SCM.from_equations("X = N(0, 1); Y = exp(X) + N(0, 1)")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     scm.save(pathlib.Path(folder) / "model")
        ...     again = SCM.load(pathlib.Path(folder) / "model")
        >>> again.sample(3, random_state=0).equals(scm.sample(3, random_state=0))
        True
        """
        from safetensors.numpy import save

        if self.interventions:
            raise CausalRepError("save the model that was not intervened on, and repeat the interventions")
        arrays: Arrays = {}
        description = {
            "format": _FORMAT,
            "format_version": _VERSION,
            "class": type(self).__name__,
            "graph": self._graph.to_json(),
            "mechanisms": [self._encoded(node, arrays) for node in self._graph.nodes],
            "joints": [encode(law, arrays) for law in dict.fromkeys(self._joints.values())],
            "support": encode(dict(self._support), arrays),
            "choices": None if self._choices is None else encode(self._choices, arrays),
        }
        content = save(arrays)
        description["arrays_blake2b"] = _digest(content)
        target = Path(path)
        if target.exists() and not _is_free(target):
            raise CheckpointError(f"{str(target)!r} exists and is no saved model; it is left as it is")
        with atomic_directory(target) as temporary:
            (temporary / _ARRAYS).write_bytes(content)
            (temporary / _DESCRIPTION).write_text(json.dumps(description, indent=1), encoding="utf-8")

    def _encoded(self, node: Hashable, arrays: Arrays) -> Any:
        try:
            return encode(self._mechanisms[node], arrays)
        except UnsavableError as error:
            raise CausalRepError(
                f"the mechanism of {node!r} cannot be saved: {error}, and files that run code when they are "
                "loaded are not written; write it as an equation, or learn it as 'linear', 'spline', 'cpt'"
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return a saved model; nothing in the folder is executed.

        Parameters
        ----------
        path : str or path
            The folder.

        Returns
        -------
        SCM
            Of the class that was saved.

        Raises
        ------
        CheckpointError
            If there is no saved model, it is damaged, or of another class.
        """
        description, arrays = _read(Path(path))
        classes = {one.__name__: one for one in _own_classes(_base(cls))}
        found = classes.get(str(description.get("class")))
        if found is None or not issubclass(found, cls):
            raise CheckpointError(
                f"{str(path)!r} holds a {description.get('class')!r}, which is no {cls.__name__}"
            )
        try:
            graph = DAG.from_json(description["graph"])
            mechanisms = [decode(part, arrays) for part in description["mechanisms"]]
            new = object.__new__(found)
            _base(cls).__init__(new, graph, dict(zip(graph.nodes, mechanisms, strict=True)))
            for part in description["joints"]:
                law = decode(part, arrays)
                new._joints.update(dict.fromkeys(law.nodes, law))
            new._support = decode(description["support"], arrays)
            new._choices = decode(description["choices"], arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the model in {str(path)!r} is damaged: {error}") from error
        return new


def _base(cls: type) -> Any:
    """Return the class `SCM` itself, from it or a subclass."""
    lineage: tuple[type, ...] = cls.__mro__
    return [one for one in lineage if issubclass(one, SaveMixin)][-2]  # the last is the mixin


def _own_classes(base: type[Any]) -> list[type[Any]]:
    """Return a class and those of its subclasses that are the library's."""
    found: list[type[Any]] = [base]
    for cls in found:
        found += [one for one in cls.__subclasses__() if one.__module__.startswith("causalrep.")]
    return found


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _is_free(target: Path) -> bool:
    return target.is_dir() and (not any(target.iterdir()) or (target / _DESCRIPTION).is_file())


def _read(folder: Path) -> tuple[dict[str, Any], Arrays]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        content = (folder / _ARRAYS).read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"there is no saved model in {str(folder)!r}: {error}") from error
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        raise CheckpointError(f"{str(folder / _DESCRIPTION)!r} does not describe a {_FORMAT}")
    if description.get("format_version") != _VERSION:
        raise CheckpointError(
            f"the model was saved in format {description.get('format_version')!r}, and {_VERSION} is read"
        )
    if description.get("arrays_blake2b") != _digest(content):
        raise CheckpointError(f"{str(folder / _ARRAYS)!r} is damaged: it is not what was written")
    try:
        return description, load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{str(folder / _ARRAYS)!r} is damaged: {error}") from error
