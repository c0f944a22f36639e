"""Models on the Hugging Face Hub: the calls of its model mixins, for folders that :meth:`save` writes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from causalrep.utils import optional_import

__all__ = ["HubMixin"]


class HubMixin:
    """``push_to_hub`` and ``from_pretrained``, named and used as in ``PyTorchModelHubMixin``.

    A model is more than the module which that class would save: graph, recipe, label statistics and what
    was observed in training travel in the same folder, and no code is loaded with it.
    """

    if TYPE_CHECKING:  # what it finds in the model

        def save(self, folder: str | os.PathLike[str]) -> None: ...

        @classmethod
        def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> Self: ...

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
        hub = optional_import("huggingface_hub", extra="hub", purpose="push_to_hub")
        api: Any = hub.HfApi(token=token)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            self.save(folder)
            repo = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
            return str(api.upload_folder(repo_id=repo, folder_path=folder, commit_message=commit_message))

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
        hub = optional_import("huggingface_hub", extra="hub", purpose="from_pretrained")
        files = ["model.json", "model.safetensors"]  # nothing else is fetched, whatever is there
        folder = hub.snapshot_download(str(repo_id), revision=revision, token=token, allow_patterns=files)
        return cls.load(folder, device=device)
