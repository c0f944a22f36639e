"""Worlds: structural causal models that draw pictures of their own state, and read them back.

A world is an `SCM` like any other; its node ``"image"`` has a `Renderer` for a mechanism. The same
calls that a learned model answers, ``sample``, ``do`` and ``counterfactual``, therefore give the
truth that the model is scored against.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalrep.graphs import DAG
from causalrep.scm import SCM, Dirac, Distribution, Mechanism
from causalrep.utils import (
    DataError,
    NotInvertibleError,
    RandomState,
    UnknownNameError,
    as_seed,
    columns_of,
    frame_like,
    is_frame,
    keyed_generator,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["IMAGE", "Renderer", "World", "as_image_tensor", "as_tensor"]

IMAGE = "image"

_PIXELS = "pixels"


class Renderer(Mechanism):
    """The mechanism of an image: labels and unlabelled factors in, a picture out.

    The noise is a dict: one array of shape (n,) for each unlabelled factor and, where there is
    pixel noise, ``"pixels"`` of shape (n, channels, size, size), which is added to the drawing
    before it is clipped to [0, 1]. NumPy labels give NumPy pictures and Torch labels give Torch
    pictures, float32, on their device and with gradients.

    Parameters
    ----------
    labels : sequence of hashable
        The parents, in the order of the columns that `draw` takes.
    nuisance : mapping of str to Distribution
        Laws of the unlabelled factors; `Dirac` for a factor that never varies.
    size : int
        Height and width.
    channels : int, default=3
        Number of channels.
    pixel_noise : float, default=0
        Standard deviation of independent Gaussian noise on each pixel and channel.
    """

    #: Factors that live on a circle, with its length.
    periods: Mapping[str, float] = MappingProxyType({})

    def __init__(
        self,
        labels: Sequence[Hashable],
        nuisance: Mapping[str, Distribution],
        *,
        size: int,
        channels: int = 3,
        pixel_noise: float = 0.0,
    ) -> None:
        if not 0 <= pixel_noise < np.inf:
            raise DataError(f"`pixel_noise` must be a standard deviation, at least 0, got {pixel_noise}")
        self.labels = tuple(labels)
        self.nuisance = dict(nuisance)
        self.shape = (channels, size, size)
        self.pixel_noise = float(pixel_noise)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, nuisance={self.nuisance!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The labels."""
        return self.labels

    @abstractmethod
    def draw(self, labels: Tensor, nuisance: Mapping[str, Tensor]) -> Tensor:
        """Return pictures of shape (n, channels, size, size) from labels (n, n_labels) and factors (n,)."""

    @abstractmethod
    def measure(self, images: Tensor) -> dict[str, Tensor]:
        """Return labels and factors read from pictures, shape (n,) each, NaN where they cannot be seen."""

    def check(self, labels: Mapping[Hashable, Tensor]) -> None:
        """Raise ``DataError`` for labels that are finite and yet cannot be drawn; by default none."""

    def sample_noise(self, n: int, generator: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Draw the unlabelled factors, each of shape (n,), and the noise of the pixels."""
        noise = {name: law.sample(n, generator) for name, law in self.nuisance.items()}
        if self.pixel_noise > 0:
            draws = generator.standard_normal((n, *self.shape), dtype=np.float32)
            noise[_PIXELS] = draws * np.float32(self.pixel_noise)
        return noise

    def forward(self, parents: Mapping[Hashable, Any], noise: Mapping[str, Any]) -> Any:
        """Draw pictures of shape (n, channels, size, size), float32 in [0, 1].

        Raises
        ------
        DataError
            For labels that are not finite or that cannot be drawn.
        """
        labels = self._stack(parents)
        factors = {name: as_tensor(noise[name]).to(labels.device) for name in self.nuisance}
        image = self.draw(labels, factors)
        if _PIXELS in noise:
            image = (image + as_tensor(noise[_PIXELS]).to(labels.device)).clamp(0.0, 1.0)
        return image if _any_tensor(parents.values()) else image.numpy()

    def abduct(self, parents: Mapping[Hashable, Any], value: Any) -> dict[str, Any]:
        """Read the factors from the picture; what they do not explain is the noise of the pixels.

        Raises
        ------
        NotInvertibleError
            If a factor that varies cannot be seen.
        """
        images = as_image_tensor(value, what="the observed images", shape=self.shape)
        seen = self.measure(images)
        factors = {}
        for name, law in self.nuisance.items():
            factors[name] = torch.full_like(seen[name], law.value) if isinstance(law, Dirac) else seen[name]
            if torch.isnan(factors[name]).any():
                row = int(torch.isnan(factors[name]).nonzero()[0])
                raise NotInvertibleError(f"the {name} of image {row} cannot be told from its pixels")
        labels = self._stack(parents).to(images.device)
        noise = {**factors, _PIXELS: images - self.draw(labels, factors)}
        return noise if isinstance(value, Tensor) else {name: part.numpy() for name, part in noise.items()}

    def _stack(self, parents: Mapping[Hashable, Any]) -> Tensor:
        values = {name: as_tensor(parents[name]).to(torch.float64) for name in self.labels}
        for name, value in values.items():
            bad = ~torch.isfinite(value.detach())
            if bad.any():
                row = int(bad.nonzero()[0])
                raise DataError(f"{name!r} must be finite to be drawn, got {float(value[row])} in row {row}")
        self.check(values)
        return torch.stack(list(values.values()), dim=1)


class World(SCM):
    """An SCM over labels and, drawn from them, an ``"image"``.

    Parameters
    ----------
    graph : DAG
        The causal graph.
    mechanisms : mapping of node to Mechanism
        How each node gets its value.
    targets : mapping of node to Mechanism, optional
        Mechanisms that `intervention_values` uses instead, for nodes whose own has no noise.

    See Also
    --------
    pendulum : A world.
    """

    def __init__(
        self,
        graph: DAG,
        mechanisms: Mapping[Hashable, Mechanism],
        *,
        targets: Mapping[Hashable, Mechanism] | None = None,
    ) -> None:
        super().__init__(graph, mechanisms)
        self._targets: dict[Hashable, Any] = {**mechanisms, **(targets or {})}

    @property
    def graph_of_labels(self) -> DAG:
        """The causal graph without the image."""
        return self.graph.subgraph([node for node in self.graph.nodes if node != IMAGE])

    @property
    def renderer(self) -> Renderer:
        """The mechanism that draws the image."""
        mechanism = self._targets.get(IMAGE)
        if not isinstance(mechanism, Renderer):
            raise DataError("this world does not draw pictures")
        return mechanism

    @property
    def periods(self) -> Mapping[str, float]:
        """The unlabelled factors that live on a circle, such as a hue, with its length."""
        return self.renderer.periods

    def render(self, values: Any, nuisance: Mapping[str, Any] | None = None) -> Any:
        """Draw the picture of given labels.

        Parameters
        ----------
        values : data frame, Samples or mapping of node to array of shape (n,)
            The labels; other nodes are passed over.
        nuisance : mapping of str to array of shape (n,), number, or array of shape (n, C, H, W)
            Unlabelled factors and, as ``"pixels"``, additive noise. Default: the mean of each law.

        Returns
        -------
        array or Tensor of shape (n, channels, size, size)
            Float32 in [0, 1]; a Tensor, with gradients, if a label is one.

        Raises
        ------
        UnknownNameError
            If a label is missing or a factor does not exist.
        DataError
            For labels that are not finite or cannot be drawn.
        """
        columns = columns_of(values, what="values") if is_frame(values) else values
        renderer = self.renderer
        for name in renderer.labels:
            if name not in columns:
                raise UnknownNameError(name, columns, what="the renderer")
            if np.ndim(columns[name]) != 1:
                raise DataError(f"{name!r} must have the shape (n,), got {np.shape(columns[name])}")
        given = dict(nuisance or {})
        for name in given:
            if name not in (*renderer.nuisance, _PIXELS):
                raise UnknownNameError(name, (*renderer.nuisance, _PIXELS), what="`nuisance`")
        labels = {name: columns[name] for name in renderer.labels}
        n = len(labels[renderer.labels[0]])
        for name, law in renderer.nuisance.items():
            value = as_tensor(given.get(name, getattr(law, "mean", 0.0)))
            given[name] = value.expand(n) if value.ndim == 0 else value
        return renderer.forward(labels, given)

    def read(self, images: Any) -> pd.DataFrame:
        """Measure labels and unlabelled factors in pictures, from pixels alone.

        No training is involved: the renderer is inverted. Use it to ask whether a picture shows
        what it should (effectiveness), also for pictures that a model has drawn.

        Parameters
        ----------
        images : array or Tensor of shape (n, channels, height, width)
            Values in [0, 1], of any size that the world can read.

        Returns
        -------
        pandas.DataFrame
            A column per label and factor, a row per picture; NaN where something cannot be seen.

        Raises
        ------
        DataError
            For pictures of another shape, or with values that are not finite or not in [0, 1].
        """
        channels = self.renderer.shape[0]
        tensor = as_image_tensor(images, what="`images`", channels=channels)
        seen = self.renderer.measure(tensor)
        frame: pd.DataFrame = frame_like({name: part.double().cpu().numpy() for name, part in seen.items()})
        return frame

    def intervention_values(
        self, samples: Any, node: Hashable, random_state: RandomState = None
    ) -> NDArray[np.float64]:
        """Draw a value per row to set a label to, inside what the world itself shows.

        A node without parents is drawn from its law. Any other is given the row's parents and a
        noise that is uniform within two standard deviations of its mean, so that the label
        combinations asked for are ones that do occur.

        Parameters
        ----------
        samples : data frame, Samples or mapping of node to array of shape (n,)
            The rows, with the parents of `node`.
        node : hashable
            The label to set.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed.

        Returns
        -------
        array of shape (n,)
            The values.

        Raises
        ------
        UnknownNameError
            If `node` is not a label.
        """
        labels = self.graph_of_labels.nodes
        if node not in labels:
            raise UnknownNameError(node, labels, what="`node`")
        mechanism = self._targets[node]
        generator = keyed_generator(as_seed(random_state), "intervention", node)
        columns = columns_of(samples, what="samples") if is_frame(samples) else samples
        n = len(next(iter(columns.values())))
        parents = {parent: columns[parent] for parent in mechanism.parents or ()}
        noise = mechanism.sample_noise(n, generator)
        if parents:
            law = mechanism.noise
            noise = law.mean + np.sqrt(law.variance) * generator.uniform(-2.0, 2.0, n)
        return np.asarray(mechanism.forward(parents, noise), dtype=np.float64)


def as_image_tensor(
    images: Any, *, what: str, channels: int | None = None, shape: tuple[int, ...] | None = None
) -> Tensor:
    """Return pictures as a float32 tensor of shape (n, C, H, W) after checking them.

    Raises
    ------
    DataError
        For another number of dimensions or channels, or another `shape` of one picture than asked
        for, for values that are not finite or that leave [0, 1] by more than 1e-3.
    """
    tensor = as_tensor(images).detach()
    got = tuple(tensor.shape)
    if shape is not None and got[1:] != shape:
        raise DataError(f"{what} must have the shape (n, {', '.join(map(str, shape))}), got {got}")
    if len(got) != 4 or got[2] != got[3] or (channels is not None and got[1] != channels):
        raise DataError(f"{what} must have the shape (n, {channels or 'C'}, size, size), got {got}")
    if not tensor.is_floating_point():
        raise DataError(f"{what} must be floating point in [0, 1], got {tensor.dtype}; divide bytes by 255")
    if not torch.isfinite(tensor).all():
        row = int((~torch.isfinite(tensor)).flatten(1).any(dim=1).nonzero()[0])
        raise DataError(f"{what} must be finite, got NaN or infinity in image {row}")
    low, high = (float(tensor.min()), float(tensor.max())) if tensor.numel() else (0.0, 1.0)
    if low < -1e-3 or high > 1 + 1e-3:
        raise DataError(f"{what} must be in [0, 1], got values from {low:.4g} to {high:.4g}")
    return tensor.float()


def as_tensor(value: Any) -> Tensor:
    """Return a tensor that shares memory where it can: NumPy views may be read-only or reversed."""
    if isinstance(value, Tensor):
        return value
    return torch.from_numpy(np.require(np.asarray(value), requirements=["C", "W"]))


def _any_tensor(values: Any) -> bool:
    return any(isinstance(value, Tensor) for value in values)
