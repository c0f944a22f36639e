"""Models on the Hugging Face Hub, through its client's own mixin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from causalrep.utils import CheckpointError, optional_import

__all__ = ["HubMixin"]


class HubMixin:
    """``push_to_hub`` and ``from_pretrained``, and the module whose mixin does both."""

    if TYPE_CHECKING:  # what it finds in the model

        @classmethod
        def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> Self: ...

    def hub_module(self) -> Any:
        """Return the fitted model as a ``torch.nn.Module`` with ``PyTorchModelHubMixin`` (extra "hub").

        For tools that expect such a module: ``save_pretrained``, ``push_to_hub`` and ``from_pretrained`` are
        the client's, what they write and read is the folder of ``save``, without pickles. ``.model`` is the
        model, a call of the module is its ``counterfactual``.

        Raises
        ------
        MissingDependencyError
            Where the Hub's client is not installed.
        """
        return _module_class("hub_module")(self)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str = "Upload a counterfactual image model",
    ) -> str:
        """Upload the fitted model with its card to the Hugging Face Hub (extra "hub").

        Parameters
        ----------
        repo_id : str
            Such as "user/name"; the repository is made where there is none.
        private : bool, optional
            Whether a new repository is private; default: as the account says.
        token : str, optional
            Access token; default: the one that the machine is logged in with.
        commit_message : str
            Message of the commit.

        Returns
        -------
        str
            Address of the commit.

        Raises
        ------
        MissingDependencyError
            Where the Hub's client is not installed.
        """
        module = _module_class("push_to_hub")(self)
        return str(module.push_to_hub(repo_id, private=private, token=token, commit_message=commit_message))

    @classmethod
    def from_pretrained(
        cls,
        repo_id: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | None = None,
        device: str = "auto",
    ) -> Self:
        """Load a model from a folder or from the Hugging Face Hub (extra "hub").

        Parameters
        ----------
        repo_id : str or path
            A folder that :meth:`save` wrote, or a repository such as "user/name".
        revision : str, optional
            Branch, tag or commit of the repository.
        token : str, optional
            Access token; default: the one that the machine is logged in with.
        device : str, default="auto"
            Where the model is put.

        Returns
        -------
        model
            The model.

        Raises
        ------
        MissingDependencyError
            Where the Hub's client is not installed.
        CheckpointError
            If what was downloaded is not such a model.
        """
        if Path(repo_id).is_dir():
            return cls.load(repo_id, device=device)
        module = _module_class("from_pretrained")
        model = module.from_pretrained(
            str(repo_id), revision=revision, token=token, map_location=device
        ).model
        if not isinstance(model, cls):
            raise CheckpointError(f"{str(repo_id)!r} holds a {type(model).__name__}, not a {cls.__name__}")
        return model


def _module_class(purpose: str) -> Any:
    optional_import("huggingface_hub", extra="hub", purpose=purpose)
    from causalrep.representation._hub_module import HubModule

    return HubModule
