"""What every counterfactual image model shares: one estimator around one structural causal model.

A subclass says how its networks are trained and which mechanism draws the image; checking input and
training are here, the questions and their answers in :mod:`._questions`, files in :mod:`._saving`,
and the causal part of it all is :class:`causalrep.scm.SCM`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from torch import Tensor

from causalrep.graphs import DAG
from causalrep.representation._answers import Abducted, CounterfactualResult
from causalrep.representation._graph_search import graph_of
from causalrep.representation._guidance import GuidanceLike, Terms
from causalrep.representation._hub import HubMixin
from causalrep.representation._images import ImageShape
from causalrep.representation._labels import as_dag, label_matrix
from causalrep.representation._mechanisms import SlotMechanism
from causalrep.representation._network import ImageNetwork, Topology
from causalrep.representation._questions import QuestionsMixin
from causalrep.representation._recipes import Recipe
from causalrep.representation._saving import SavingMixin
from causalrep.representation._sources import DatasetImages, Images, as_training_images
from causalrep.representation._training import encode_all, label_statistics, pixel_statistics, train
from causalrep.representation.solvers import Process
from causalrep.representation.trainer import Trainer, TrainingLog
from causalrep.scm import SCM, Mechanism
from causalrep.utils import DataError, RandomState, as_seed, torch_rng

__all__ = ["Abducted", "CounterfactualImageModel", "CounterfactualResult"]

_OBSERVED = 4096  # training rows whose label noise and codes are kept, for sampling new images


class CounterfactualImageModel(QuestionsMixin, SavingMixin, HubMixin, BaseEstimator, ABC):  # type: ignore[misc]
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

    guidance: GuidanceLike = 1.0
    graph: Any
    image_size: int | None
    device: str
    precision: str
    checkpoint: str | os.PathLike[str] | None
    progress: bool
    random_state: RandomState

    # -- what a subclass says ------------------------------------------------------------------

    @abstractmethod
    def _make_recipe(self, shape: ImageShape, n_nodes: int) -> Recipe:
        """Return the settings for images of one shape and a number of labels."""

    @abstractmethod
    def _image_mechanism(self, terms: Terms) -> Mechanism:
        """Return the mechanism of the node "image", guided as `terms` say."""

    def _process(self, recipe: Recipe) -> Process | None:
        """Return how images are noised in training."""
        return recipe.make_process()

    def _find_graph(self, labels: Any, n_images: int) -> DAG:
        """Return the graph that was given, or that is found in the labels."""
        return graph_of(self.graph, labels, n_images)

    def _make_network(self, shape: ImageShape, graph: DAG, recipe: Recipe) -> ImageNetwork:
        """Return the networks, untrained."""
        return ImageNetwork(shape, topology_of(graph), recipe.architecture)

    def _train(
        self,
        network: ImageNetwork,
        recipe: Recipe,
        images: Images,
        labels: NDArray[np.float64],
        **options: Any,
    ) -> TrainingLog:
        """Train the networks in place."""
        return train(network, recipe, images, labels, process=self._process(recipe), **options)

    # -- fitting -------------------------------------------------------------------------------

    def fit(self, images: Any, labels: Any = None) -> Self:
        """Train the model.

        Parameters
        ----------
        images : array of shape (n, channels, size, size) or torch.utils.data.Dataset
            Floating point in [0, 1] or uint8. NumPy and Torch arrays are kept in memory, as uint8; arrays on
            disk (of zarr or h5py, or a memory map) and data sets of torch are read row by row while the
            model is trained. What is stored in chunks is shuffled chunk by chunk and within windows of some
            thousand rows. Items of a data set are images, or pairs of an image and its labels.
        labels : data frame of n rows, one column per node of the graph, optional
            In user units; NaN where a label is not known. Without, they are the data set's: a mapping from
            node to number beside each image, or numbers in the order of the graph's nodes.

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
        stored = as_training_images(images)
        shape = ImageShape(stored.shape[1], stored.shape[2])
        if self.image_size is not None and self.image_size != shape.size:
            raise DataError(f"`image_size` is {self.image_size}, but the images have side {shape.size}")
        seed = as_seed(self.random_state)
        device = str(Trainer(device=self.device, precision=self.precision).device)  # type: ignore[arg-type]
        if labels is None:
            labels = self._labels_in(stored)
        graph = self._find_graph(labels, len(stored))
        matrix = label_matrix(labels, graph, len(stored))
        recipe = self._make_recipe(shape, len(graph.nodes))
        with torch_rng(seed):
            network = self._make_network(shape, graph, recipe)
        network.set_statistics(*pixel_statistics(stored), *label_statistics(matrix))
        network.to(device)
        self.training_log_ = self._train(
            network, recipe, stored, matrix,
            seed=seed, device=device, precision=self.precision,
            checkpoint=self.checkpoint, progress=self.progress,
        )  # fmt: skip
        self.graph_, self.shape_, self.recipe_, self.seed_ = graph, shape, recipe, seed
        self.network_, self.n_images_ = network.eval(), len(stored)
        rows = torch.linspace(0, len(stored) - 1, min(len(stored), _OBSERVED)).long()
        self._observe(stored[rows], matrix[rows.numpy()])
        return self

    def _labels_in(self, images: Images) -> Any:
        """Return the labels that a data set holds beside its images."""
        if not isinstance(images, DatasetImages):
            raise TypeError("`labels` can only be left out where `images` is a data set that holds them")
        named = self.graph is not None and not hasattr(self.graph, "fit")
        return images.labels(as_dag(self.graph).nodes if named else None)

    @torch.no_grad()
    def _observe(self, images: Tensor, labels: NDArray[np.float64]) -> None:
        """Keep noise and codes of training images, from which :meth:`sample` draws, and reading errors."""
        network = self.network_
        device = network.image_mean.device
        slots = encode_all(network, images).to(device)
        self.observed_noise_ = network.layer.inverse(slots)
        parts = [network.code(network.standardise(part.to(device))) for part in torch.split(images, 512)]
        self.observed_codes_ = torch.cat(parts)
        known = torch.from_numpy(labels).to(device)
        squares = ((network.labels_of(slots) - known) / network.label_scale) ** 2
        self.observed_error_ = squares.nanmean(dim=0).sqrt().float()

    def _state(self) -> dict[str, Tensor]:
        """Return what a fitted model holds beside its networks."""
        return {
            "noise": self.observed_noise_,
            "codes": self.observed_codes_,
            "error": self.observed_error_,
        }

    def _set_state(self, tensors: dict[str, Tensor], where: torch.device) -> None:
        """Take what :meth:`_state` returned."""
        self.observed_noise_ = tensors["noise"].to(where)
        self.observed_codes_ = tensors["codes"].to(where)
        self.observed_error_ = tensors["error"].to(where)

    # -- the causal model ----------------------------------------------------------------------

    def _label_mechanisms(self) -> dict[Hashable, Mechanism]:
        return {
            node: SlotMechanism(
                self.network_, i, tuple(self.graph_.parents(node)), self.observed_noise_[:, i]
            )
            for i, node in enumerate(self.graph_.nodes)
        }

    def _label_scm(self) -> SCM:
        """Return the model of the slots alone, in network units."""
        return SCM(DAG(self.graph_.directed_edges, nodes=self.graph_.nodes), self._label_mechanisms())

    def _sampling_terms(self) -> Terms:
        """Return how the drawing of new images is guided."""
        return ()

    def _scm(self) -> SCM:
        """Return the model as an SCM over slots and image, in network units."""
        nodes = self.graph_.nodes
        mechanisms = {**self._label_mechanisms(), "image": self._image_mechanism(self._sampling_terms())}
        edges = [*self.graph_.directed_edges, *((node, "image") for node in nodes)]
        return SCM(DAG(edges, nodes=[*nodes, "image"]), mechanisms)


def topology_of(graph: DAG) -> Topology:
    """Return the graph by index, in the order of its nodes."""
    index = {node: i for i, node in enumerate(graph.nodes)}
    return Topology(
        tuple(tuple(index[parent] for parent in graph.parents(node)) for node in graph.nodes),
        tuple(index[node] for node in graph.topological_order()),
    )
