"""Loading a saved model whose class is not known beforehand."""

from __future__ import annotations

import os

from causalrep.representation._files import read_model
from causalrep.representation._model import CounterfactualImageModel
from causalrep.representation._registry import MODELS
from causalrep.utils import CheckpointError

__all__ = ["load_model"]


def load_model(folder: str | os.PathLike[str], *, device: str = "auto") -> CounterfactualImageModel:
    """Read a saved image model of any class of the library.

    Parameters
    ----------
    folder : path
        The model's folder.
    device : str, default="auto"
        Where the model is put.

    Returns
    -------
    CounterfactualImageModel
        The model, of the class that was saved.

    Raises
    ------
    CheckpointError
        If the folder is not a saved model, is damaged, or names an unknown class.
    """
    description, _ = read_model(folder)
    name = str(description.get("model"))
    if name not in MODELS:
        raise CheckpointError(f"{str(folder)!r} holds a model of unknown class {name!r}")
    return MODELS[name].load(folder, device=device)
