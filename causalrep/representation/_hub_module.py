"""An image model as a module of torch with the Hub's own mixin; importing this needs the extra "hub"."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from huggingface_hub import PyTorchModelHubMixin, snapshot_download
from torch import nn

from causalrep.representation._load import load_model

__all__ = ["HubModule"]


class HubModule(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="causalrep",
    tags=["causal-inference", "counterfactual-images"],
):
    """A fitted image model, with ``save_pretrained``, ``from_pretrained`` and ``push_to_hub`` of the client.

    What the mixin saves by itself is a state dict, and what it falls back to when it loads is a pickle. Here
    both are the model's own folder: safetensors and JSON, checked when they are read, with graph, recipe and
    label statistics, and the model's card.

    Parameters
    ----------
    model : CounterfactualImageModel
        A fitted model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.network = model.network_
        self.model = model
        # Downloads are counted by requests for this file.
        self._hub_mixin_config = {"library_name": "causalrep", "model": type(model).__name__}

    def forward(self, images: Any, **question: Any) -> Any:
        """Answer as ``model.counterfactual`` does."""
        return self.model.counterfactual(images, **question)

    def _save_pretrained(self, save_directory: Path) -> None:
        self.model.save(save_directory)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        map_location: str = "auto",
        **_options: Any,
    ) -> Self:
        folder = model_id
        if not Path(model_id).is_dir():
            folder = snapshot_download(
                model_id,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
                allow_patterns=["model.json", "model.safetensors"],  # nothing else, whatever is there
            )
        return cls(load_model(folder, device=map_location))
