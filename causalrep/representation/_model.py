"""What every counterfactual image model shares: one estimator around one structural causal model.

A subclass says how its networks are trained and which mechanism draws the image; checking input,
abduction, intervention, prediction, sampling and files are here, and the causal part of them is
:class:`causalrep.scm.SCM`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from causalrep.graphs import DAG
from causalrep.representation._files import read_model, write_model
from causalrep.representation._images import ImageShape, as_images, like_input
from causalrep.representation._labels import as_dag, do_values, label_matrix
from causalrep.representation._mechanisms import SlotMechanism
from causalrep.representation._network import ImageNetwork, Topology
from causalrep.representation._recipes import Recipe
from causalrep.representation._training import encode_all, label_statistics, pixel_statistics, train
from causalrep.representation.solvers import Process
from causalrep.representation.trainer import Trainer, TrainingLog
from causalrep.scm import SCM, Mechanism
from causalrep.utils import CheckpointError, DataError, RandomState, as_seed, frame_like, torch_rng

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Abducted", "CounterfactualImageModel", "CounterfactualResult"]

_ROWS = 256  # images that pass through the networks at once: bounds memory, changes no result
_OBSERVED = 4096  # training rows whose label noise and codes are kept, for sampling new images


@dataclass(frozen=True)
class Abducted:
    """What a model has inferred about images: their causal state and all of their noise.

    One abduction serves any number of interventions; pass it to ``predict_images``.

    Parameters
    ----------
    slots : Tensor of shape (n, n_nodes, slot_dim)
        Endogenous slots.
    noise : dict
        Noise of every node of the model's SCM: a tensor (n, slot_dim) per label, a dict of tensors
        for "image".
    images : Tensor of shape (n, channels, size, size)
        The images, in network units.
    give_back : callable
        Returns a tensor in the library that the images came in.
    """

    slots: Tensor
    noise: dict[Hashable, Any]
    images: Tensor
    give_back: Callable[[Tensor], Any]

    def __len__(self) -> int:
        return len(self.slots)

    def __getitem__(self, rows: slice | Tensor) -> Abducted:
        """Return some of the rows."""
        noise = {
            node: {k: v[rows] for k, v in value.items()} if isinstance(value, dict) else value[rows]
            for node, value in self.noise.items()
        }
        return Abducted(self.slots[rows], noise, self.images[rows], self.give_back)


@dataclass(frozen=True)
class CounterfactualResult:
    """Counterfactual images, with what is needed to judge them.

    Parameters
    ----------
    images : array of shape (n, channels, size, size)
        What the images would have been, float32 in [0, 1].
    labels : pandas.DataFrame of shape (n, n_nodes)
        The labels that the model intended, in user units: intervened nodes as set, their
        descendants as the mechanisms answered, all others as read off the image.
    factual_labels : pandas.DataFrame of shape (n, n_nodes)
        The labels as the model read them off the given images.
    """

    images: Any
    labels: pd.DataFrame
    factual_labels: pd.DataFrame
    _reconstruct: Callable[[], Any]

    @cached_property
    def reconstruction(self) -> Any:
        """The images under the null intervention: how far they differ is the model's own error."""
        return self._reconstruct()


class CounterfactualImageModel(BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the image models; a subclass gives the recipe and the mechanism of the image.

    Attributes
    ----------
    graph_ : DAG
        The graph on the labels.
    network_ : ImageNetwork
        The trained networks.
    recipe_ : Recipe
        All settings that were used.
    training_log_ : TrainingLog
        The course of the training.
    """

    graph: Any
    image_size: int | None
    device: str
    precision: str
    checkpoint: str | os.PathLike[str] | None
    progress: bool
    random_state: RandomState

    # -- what a subclass says ------------------------------------------------------------------

    @abstractmethod
    def _make_recipe(self, size: int, n_nodes: int) -> Recipe:
        """Return the settings for images of one size and a number of labels."""

    @abstractmethod
    def _image_mechanism(self, guidance: float) -> Mechanism:
        """Return the mechanism of the node "image"."""

    def _process(self, recipe: Recipe) -> Process | None:
        """Return how images are noised in training."""
        return recipe.make_process()

    # -- fitting -------------------------------------------------------------------------------

    def fit(self, images: Any, labels: Any) -> Self:
        """Train the model.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, floating point in [0, 1] or uint8. They are kept as uint8.
        labels : data frame of n rows, one column per node of the graph
            In user units; NaN where a label is not known.

        Returns
        -------
        self
            The fitted model.

        Raises
        ------
        DataError
            If images or labels are not as described, before any work is done.
        DeviceError
            If the device does not exist.
        CheckpointError
            If the folder `checkpoint` holds something else than an earlier state of this training.
        """
        graph = as_dag(self.graph)
        tensor = as_images(images)
        if len(tensor) == 0:
            raise DataError("`images` must hold at least one image, got none")
        shape = ImageShape(tensor.shape[1], tensor.shape[2])
        if self.image_size is not None and self.image_size != shape.size:
            raise DataError(f"`image_size` is {self.image_size}, but the images have side {shape.size}")
        matrix = label_matrix(labels, graph, len(tensor))
        recipe = self._make_recipe(shape.size, len(graph.nodes))
        device = str(Trainer(device=self.device, precision=self.precision).device)  # type: ignore[arg-type]
        seed = as_seed(self.random_state)
        with torch_rng(seed):
            network = ImageNetwork(shape, topology_of(graph), recipe.architecture)
        stored = (tensor * 255.0).round().to(torch.uint8)
        network.set_statistics(*pixel_statistics(stored), *label_statistics(matrix))
        network.to(device)
        self.training_log_ = train(
            network, recipe, stored, matrix,
            process=self._process(recipe), seed=seed, device=device, precision=self.precision,
            checkpoint=self.checkpoint, progress=self.progress,
        )  # fmt: skip
        self.graph_, self.shape_, self.recipe_, self.seed_ = graph, shape, recipe, seed
        self.network_ = network.eval()
        self._observe(stored[torch.linspace(0, len(stored) - 1, min(len(stored), _OBSERVED)).long()])
        return self

    @torch.no_grad()
    def _observe(self, images: Tensor) -> None:
        """Keep noise and codes of training images, from which :meth:`sample` draws."""
        network = self.network_
        device = network.image_mean.device
        self.observed_noise_ = network.layer.inverse(encode_all(network, images).to(device))
        parts = [network.code(network.standardise(part.to(device))) for part in torch.split(images, 512)]
        self.observed_codes_ = torch.cat(parts)

    # -- files ---------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: weights as safetensors, everything else as JSON.

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
        description = {
            "model": type(self).__name__,
            "parameters": self._json_parameters(),
            "graph": self.graph_.to_json(),
            "image_shape": [self.shape_.channels, self.shape_.size],
            "seed": self.seed_,
            "recipe": self.recipe_.to_dict(),
            "training_log": self.training_log_.to_dict(),
        }
        tensors = {f"network.{name}": tensor for name, tensor in self.network_.state_dict().items()}
        tensors |= {"observed.noise": self.observed_noise_, "observed.codes": self.observed_codes_}
        write_model(folder, description, tensors)

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
            network = ImageNetwork(model.shape_, topology_of(graph), model.recipe_.architecture)
            weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
            network.load_state_dict(weights)
            model.observed_noise_ = tensors["observed.noise"].to(where)
            model.observed_codes_ = tensors["observed.codes"].to(where)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the model in {str(folder)!r} does not fit together: {error}") from error
        model.network_ = network.to(where).eval()
        return model

    def _json_parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments that describe the model, not the run."""
        left_out = ("graph", "device", "checkpoint", "progress", "random_state")
        return {k: v for k, v in self.get_params(deep=False).items() if k not in left_out}

    # -- questions -----------------------------------------------------------------------------

    def abduct(self, images: Any) -> Abducted:
        """Infer causal state and noise of images.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, in [0, 1] or uint8.

        Returns
        -------
        Abducted
            To be passed to :meth:`predict_images` with any number of interventions.

        Raises
        ------
        DataError
            If the images are not as in training.
        """
        check_is_fitted(self)
        tensor = as_images(images, expected=self.shape_)
        parts = [self._abduct_rows(tensor[rows]) for rows in _chunks(len(tensor))]
        return Abducted(
            torch.cat([part[0] for part in parts]),
            _concatenate([part[1] for part in parts]),
            torch.cat([part[2] for part in parts]),
            lambda result: like_input(result, images),
        )

    def predict_images(
        self,
        abducted: Abducted,
        do: Mapping[Hashable, Any] | None = None,
        *,
        guidance: float | None = None,
    ) -> Any:
        """Draw what abducted images would have been under an intervention.

        Parameters
        ----------
        abducted : Abducted
            From :meth:`abduct`.
        do : mapping of node to number or array of shape (n,), optional
            Values in user units; none is the null intervention, which reconstructs the images.
        guidance : float, optional
            Strength of the condition; default: the model's own.

        Returns
        -------
        array of shape (n, channels, size, size)
            Float32 in [0, 1], in the library of the abducted images.
        """
        _, images = self._predict(abducted, do or {}, guidance)
        return abducted.give_back(images)

    def counterfactual(
        self, images: Any, do: Mapping[Hashable, Any], *, guidance: float | None = None
    ) -> CounterfactualResult:
        """Answer what images would have been had some labels been different.

        Abduction reads labels, nuisance code and image noise off the images; the action replaces
        mechanisms; the prediction recomputes the descendants and draws.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, in [0, 1] or uint8.
        do : mapping of node to number or array of shape (n,)
            Values of the intervened labels in user units, one for all images or one each.
        guidance : float, optional
            Strength of the condition; 1 is the model itself.

        Returns
        -------
        CounterfactualResult
            With ``.images``, ``.labels``, ``.factual_labels`` and ``.reconstruction``.

        Raises
        ------
        UnknownNameError
            For a node that the graph does not have.
        DataError
            For images unlike those in training, or values that are not finite numbers.
        """
        check_is_fitted(self)
        do_values(do, self.graph_, len(images))  # before the long work
        abducted = self.abduct(images)
        slots, drawn = self._predict(abducted, do, guidance)
        return CounterfactualResult(
            abducted.give_back(drawn),
            self._label_frame(slots),
            self._label_frame(abducted.slots),
            lambda: self.predict_images(abducted, guidance=1.0),
        )

    def predict(self, images: Any) -> pd.DataFrame:
        """Read the labels off images, in user units.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, in [0, 1] or uint8.

        Returns
        -------
        pandas.DataFrame of shape (n, n_nodes)
            One column per node.
        """
        return self._label_frame(self._encode_rows(images)[0])

    def transform(self, images: Any) -> Any:
        """Return the codes of images: all slots, node by node, then the nuisance code.

        Parameters
        ----------
        images : array of shape (n, channels, size, size)
            NumPy or Torch, in [0, 1] or uint8.

        Returns
        -------
        array of shape (n, n_nodes * slot_dim + nuisance_dim)
            In network units, in the library of `images`.
        """
        slots, codes = self._encode_rows(images)
        return like_input(torch.cat([slots.flatten(1), codes], dim=1), images)

    def get_feature_names_out(self, input_features: Any = None) -> Any:  # noqa: ARG002
        """Return the names of the columns of :meth:`transform`."""
        check_is_fitted(self)
        _, slot_dim = self.network_.slot_shape
        names = [
            str(node) if slot_dim == 1 else f"{node}[{k}]"
            for node in self.graph_.nodes
            for k in range(slot_dim)
        ]
        names += [f"nuisance[{k}]" for k in range(self.network_.architecture.nuisance_dim)]
        return np.array(names, dtype=object)

    def sample(
        self, n: int = 1, *, do: Mapping[Hashable, Any] | None = None, random_state: RandomState = None
    ) -> CounterfactualResult:
        """Draw new images with their labels, under an intervention if one is given.

        Label noise and nuisance codes are drawn from the training images', the image noise is
        Gaussian.

        Parameters
        ----------
        n : int, default=1
            Number of images.
        do : mapping of node to number or array of shape (n,), optional
            Values in user units.
        random_state : int, Generator, RandomState or None
            Source of the noise; the same seed with another `do` gives the same noise.

        Returns
        -------
        CounterfactualResult
            ``.images`` as NumPy and ``.labels``.
        """
        check_is_fitted(self)
        if n < 1:
            raise ValueError(f"`n` must be at least 1, got {n}")
        values = do_values(do or {}, self.graph_, n)
        slots_of = {
            node: self._filled(self._standardised(index, values[node]))
            for index, node in enumerate(self.graph_.nodes)
            if node in values
        }
        with torch.no_grad():
            drawn = self._scm().do(slots_of).sample(n, random_state=as_seed(random_state))
        slots = torch.stack([drawn[node] for node in self.graph_.nodes], dim=1)
        images = self.network_.images_of(drawn["image"]).cpu().numpy()
        frame = self._label_frame(slots)
        return CounterfactualResult(images, frame, frame, lambda: images)

    # -- the causal model ----------------------------------------------------------------------

    def _scm(self, guidance: float | None = None) -> SCM:
        """Return the model as an SCM over slots and image, in network units."""
        network, nodes = self.network_, self.graph_.nodes
        mechanisms: dict[Hashable, Mechanism] = {
            node: SlotMechanism(network, i, tuple(self.graph_.parents(node)), self.observed_noise_[:, i])
            for i, node in enumerate(nodes)
        }
        mechanisms["image"] = self._image_mechanism(self._guidance if guidance is None else guidance)
        edges = [*self.graph_.directed_edges, *((node, "image") for node in nodes)]
        return SCM(DAG(edges, nodes=[*nodes, "image"]), mechanisms)

    @property
    def _guidance(self) -> float:
        return 1.0

    def _standardised(self, index: int, values: Tensor) -> Tensor:
        return self.network_.standardise_labels_of(index, values.to(self.network_.label_mean.device))

    def _filled(self, values: Tensor) -> Tensor:
        return values[:, None].expand(-1, self.network_.slot_shape[1]).to(self.network_.image_mean)

    def _state(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return endogenous and exogenous slots of standardised images.

        The factual slots are those that the noise gives back, rounding included, so that setting a
        node to its factual value changes not one bit.
        """
        exogenous = self.network_.layer.inverse(self.network_.slots(x))
        return self.network_.layer(exogenous), exogenous

    @torch.no_grad()
    def _abduct_rows(self, images: Tensor) -> tuple[Tensor, dict[Hashable, Any], Tensor]:
        network, nodes = self.network_, self.graph_.nodes
        x = network.standardise(images.to(network.image_mean.device))
        slots, exogenous = self._state(x)
        observed: dict[Hashable, Tensor] = {node: slots[:, i] for i, node in enumerate(nodes)}
        noise = self._scm().abduct({**observed, "image": x}, nodes=["image"])
        noise |= {node: exogenous[:, i] for i, node in enumerate(nodes)}
        return slots, noise, x

    @torch.no_grad()
    def _predict(
        self, abducted: Abducted, do: Mapping[Hashable, Any], guidance: float | None
    ) -> tuple[Tensor, Tensor]:
        """Return the slots and images under an intervention, the images in [0, 1]."""
        values = do_values(do, self.graph_, len(abducted))
        scm = self._scm(guidance)
        slots, images = [], []
        for rows in _chunks(len(abducted)):
            part = abducted[rows]
            observed: dict[Hashable, Tensor] = {
                node: part.slots[:, i] for i, node in enumerate(self.graph_.nodes)
            }
            action = {
                node: self._slot_value(index, part.slots[:, index], values[node][rows])
                for index, node in enumerate(self.graph_.nodes)
                if node in values
            }
            # Setting a node to the value it has is the null intervention, and draws the image anew.
            first = self.graph_.nodes[0]
            answer = scm.counterfactual(
                {**observed, "image": part.images}, do=action or {first: observed[first]}, noise=part.noise
            )
            slots.append(torch.stack([answer[node] for node in self.graph_.nodes], dim=1))
            images.append(self.network_.images_of(answer["image"]))
        return torch.cat(slots), torch.cat(images)

    def _slot_value(self, index: int, factual: Tensor, values: Tensor) -> Tensor:
        """Return the slot that stands for label values, given the factual slot.

        "fill" writes the value into every number of the slot; "shift" moves all numbers so that
        their mean is the value, and keeps what the slot holds beside the label.
        """
        wanted = self._standardised(index, values)
        if self.recipe_.slot_mode == "fill":
            return self._filled(wanted)
        shift = wanted - factual.double().mean(-1)
        return (factual.double() + shift[:, None]).to(factual.dtype)

    @torch.no_grad()
    def _encode_rows(self, images: Any) -> tuple[Tensor, Tensor]:
        check_is_fitted(self)
        tensor = as_images(images, expected=self.shape_)
        network, slots, codes = self.network_, [], []
        for rows in _chunks(len(tensor)):
            x = network.standardise(tensor[rows].to(network.image_mean.device))
            slots.append(self._state(x)[0])
            codes.append(network.code(x))
        return torch.cat(slots), torch.cat(codes)

    def _label_frame(self, slots: Tensor) -> pd.DataFrame:
        labels = self.network_.labels_of(slots).cpu().numpy()
        frame: pd.DataFrame = frame_like({node: labels[:, i] for i, node in enumerate(self.graph_.nodes)})
        return frame


def topology_of(graph: DAG) -> Topology:
    """Return the graph by index, in the order of its nodes."""
    index = {node: i for i, node in enumerate(graph.nodes)}
    return Topology(
        tuple(tuple(index[parent] for parent in graph.parents(node)) for node in graph.nodes),
        tuple(index[node] for node in graph.topological_order()),
    )


def _chunks(n: int) -> Iterator[slice]:
    for start in range(0, max(n, 1), _ROWS):
        yield slice(start, start + _ROWS)


def _concatenate(parts: list[dict[Hashable, Any]]) -> dict[Hashable, Any]:
    """Join the noise of several chunks of rows."""
    return {
        node: (
            {key: torch.cat([part[node][key] for part in parts]) for key in value}
            if isinstance(value, dict)
            else torch.cat([part[node] for part in parts])
        )
        for node, value in parts[0].items()
    }
