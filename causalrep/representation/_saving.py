"""Saving and loading of image models: weights, description and a card for people, in one folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

from sklearn.utils.validation import check_is_fitted

from causalrep.graphs import DAG
from causalrep.representation._card import model_card
from causalrep.representation._files import read_model, write_model
from causalrep.representation._images import ImageShape
from causalrep.representation._recipes import Recipe
from causalrep.representation.trainer import Trainer, TrainingLog
from causalrep.utils import CheckpointError, torch_rng

if TYPE_CHECKING:
    from torch import Tensor

    from causalrep.representation._network import ImageNetwork

__all__ = ["SavingMixin"]


class SavingMixin:
    """What makes an image model a folder, and a folder an image model."""

    if TYPE_CHECKING:  # what it finds in the model
        graph_: DAG
        shape_: ImageShape
        recipe_: Recipe
        seed_: int
        n_images_: int
        observed_error_: Tensor
        training_log_: TrainingLog
        network_: ImageNetwork

        def __init__(self, graph: Any = None, *, device: str = "auto", **parameters: Any) -> None: ...

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...

        def _make_network(self, shape: ImageShape, graph: DAG, recipe: Recipe) -> ImageNetwork: ...

        def _state(self) -> dict[str, Tensor]: ...

        def _set_state(self, tensors: dict[str, Tensor], where: Any) -> None: ...

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: weights as safetensors, all else as JSON, and a model card.

        Parameters
        ----------
        folder : path
            It is created, or replaced if it holds a saved model; nothing else is overwritten.

        Raises
        ------
        CheckpointError
            If `folder` exists and is not a saved model.
        """
        check_is_fitted(self)
        import causalrep

        network = self.network_
        statistics = zip(network.label_mean.tolist(), network.label_scale.tolist(), strict=True)
        errors = (self.observed_error_.to(network.label_scale) * network.label_scale).tolist()
        description = {
            "library_version": causalrep.__version__,
            "model": type(self).__name__,
            "parameters": self._json_parameters(),
            "graph": self.graph_.to_json(),
            "image_shape": [self.shape_.channels, self.shape_.size],
            "seed": self.seed_,
            "recipe": self.recipe_.to_dict(),
            "training_log": self.training_log_.to_dict(),
            "n_images": self.n_images_,
            "labels": [
                [str(node), *pair, error]
                for node, pair, error in zip(self.graph_.nodes, statistics, errors, strict=True)
            ],
        }
        tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
        tensors |= {f"observed.{name}": tensor for name, tensor in self._state().items()}
        write_model(folder, description, tensors, card=model_card(description))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> Self:
        """Read a model that :meth:`save` wrote; no code from the files is run.

        Parameters
        ----------
        folder : path
            The model's folder.
        device : str, default="auto"
            Where the model is put.

        Returns
        -------
        model
            Answers as the saved one did.

        Raises
        ------
        CheckpointError
            If the files are damaged, foreign, of another class, or do not fit together.
        DeviceError
            If the device does not exist.
        """
        where = Trainer(device=device).device
        description, tensors = read_model(folder)
        if description.get("model") != cls.__name__:
            raise CheckpointError(f"{str(folder)!r} holds a {description.get('model')}, not a {cls.__name__}")
        try:
            graph = DAG.from_json(description["graph"])
            model = cls(graph=graph, device=device, **description["parameters"])
            model.graph_, model.seed_ = graph, description["seed"]
            model.shape_ = ImageShape(*description["image_shape"])
            model.recipe_ = Recipe.from_dict(description["recipe"])
            model.training_log_ = TrainingLog.from_dict(description["training_log"])
            model.n_images_ = description.get("n_images", 0)
            with torch_rng(0):  # initial weights, soon overwritten: the caller's generator is left alone
                network = model._make_network(model.shape_, graph, model.recipe_)
            weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
            network.load_state_dict(weights)
            model._set_state({k.removeprefix("observed."): v for k, v in tensors.items()}, where)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the model in {str(folder)!r} does not fit together: {error}") from error
        model.network_ = network.to(where).eval()
        return model

    def _json_parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments that describe the model, not the run."""
        left_out = ("graph", "device", "checkpoint", "progress", "random_state")
        return {k: v for k, v in self.get_params(deep=False).items() if k not in left_out}
