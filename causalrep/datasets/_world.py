"""Worlds: structural causal models that draw pictures of their own state, and read them back.

A world is an `SCM` like any other; its node ``"image"`` has a `Renderer` for a mechanism. The same
calls that a learned model answers, ``sample``, ``do`` and ``counterfactual``, therefore give the
truth that the model is scored against.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalrep.datasets._texture import N_WAVES, draw_texture, fit_texture
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

__all__ = ["IMAGE", "Clutter", "Nuisance", "Renderer", "World", "as_image_tensor", "as_tensor", "clutter"]

IMAGE = "image"

_PIXELS, _TEXTURE = "pixels", "texture"
#: How often reading and fitting the texture take turns.
_ROUNDS = 3

Nuisance: TypeAlias = bool | Literal["noise", "texture"]


class Clutter(NamedTuple):
    """What is not labelled: whether a few factors vary, and how strong the nuisance of high dimension is."""

    varies: bool
    pixel_noise: float
    texture: float


_CLUTTER: dict[Nuisance, Clutter] = {
    False: Clutter(False, 0.0, 0.0),
    True: Clutter(True, 0.0, 0.0),
    "noise": Clutter(True, 0.05, 0.0),
    "texture": Clutter(True, 0.0, 0.08),
}


def clutter(nuisance: Nuisance, pixel_noise: float | None) -> Clutter:
    """Return what a world's argument `nuisance` asks for, with its own strength of pixel noise if given.

    Raises
    ------
    DataError
        For a nuisance that does not exist.
    """
    if not isinstance(nuisance, (bool, str)) or nuisance not in _CLUTTER:
        raise DataError(f"`nuisance` must be False, True, 'noise' or 'texture', got {nuisance!r}")
    chosen = _CLUTTER[nuisance]
    return chosen if pixel_noise is None else chosen._replace(pixel_noise=pixel_noise)


class Renderer(Mechanism):
    """The mechanism of an image: labels and unlabelled factors in, a picture out.

    The noise is a dict: one array of shape (n,) for each unlabelled factor; where there is a texture,
    ``"texture"`` of shape (n, 63), the amplitudes of the waves that the background shows; and, where there is
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
    texture : float, default=0
        Standard deviation of the texture of the background. It needs a factor, named by the attribute
        ``backdrop``, of which the drawing is an affine function: the grey that everything is painted on.
    """

    #: The factor that is the grey of the background.
    backdrop = "background"
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
        texture: float = 0.0,
    ) -> None:
        for name, value in (("pixel_noise", pixel_noise), ("texture", texture)):
            if not 0 <= value < np.inf:
                raise DataError(f"`{name}` must be a standard deviation, at least 0, got {value}")
        self.labels = tuple(labels)
        self.nuisance = dict(nuisance)
        self.shape = (channels, size, size)
        self.pixel_noise = float(pixel_noise)
        self.texture = float(texture)

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

    def read(self, images: Tensor) -> dict[str, Tensor]:
        """Return what `measure` does, with the texture of the background fitted and taken away.

        Reading and fitting take turns: what was read is drawn, the texture is fitted to what is left, and the
        picture without it is read again. A row of which not everything can be seen keeps its first reading,
        and so do pictures of another size than the world draws.
        """
        seen = self.measure(images)
        if self.texture == 0 or images.shape[-1] != self.shape[1]:
            return seen
        for _ in range(_ROUNDS):
            whole = torch.isfinite(torch.stack([part.float() for part in seen.values()])).all(dim=0)
            rows = whole.nonzero()[:, 0]
            if len(rows) == 0:
                break
            pictures = images[rows]
            labels = torch.stack([seen[str(name)][rows].double() for name in self.labels], dim=1)
            factors = {name: seen[name][rows] for name in self.nuisance}
            shown, drawn = self._shown(labels, factors), self.draw(labels, factors)
            unclipped = (pictures > 0) & (pictures < 1)
            waves = fit_texture((pictures - drawn) * unclipped, shown * unclipped)
            plain = (pictures - shown * draw_texture(waves, self.shape[1])[:, None]).clamp(0.0, 1.0)
            for name, part in self.measure(plain).items():
                seen[name][rows] = part.to(seen[name])
        return seen

    def check(self, labels: Mapping[Hashable, Tensor]) -> None:
        """Raise ``DataError`` for labels that are finite and yet cannot be drawn; by default none."""

    def sample_noise(self, n: int, generator: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Draw the unlabelled factors, each of shape (n,), and the noise of the pixels."""
        noise = {name: law.sample(n, generator) for name, law in self.nuisance.items()}
        if self.pixel_noise > 0:
            draws = generator.standard_normal((n, *self.shape), dtype=np.float32)
            noise[_PIXELS] = draws * np.float32(self.pixel_noise)
        if self.texture > 0:
            noise[_TEXTURE] = generator.standard_normal((n, N_WAVES), dtype=np.float32)
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
        extra = {
            name: as_tensor(noise[name]).to(labels.device) for name in (_TEXTURE, _PIXELS) if name in noise
        }
        if _TEXTURE in extra:
            waves = draw_texture(extra[_TEXTURE], self.shape[1])[:, None]
            image = image + self._shown(labels, factors) * waves
        if _PIXELS in extra:
            image = image + extra[_PIXELS]
        if extra:
            image = image.clamp(0.0, 1.0)
        return image if _any_tensor(parents.values()) else image.numpy()

    def abduct(self, parents: Mapping[Hashable, Any], value: Any) -> dict[str, Any]:
        """Read the factors from the picture; what they do not explain is the noise of the pixels.

        A texture is fitted in least squares to the background that is seen, and goes on behind the objects.

        Raises
        ------
        NotInvertibleError
            If a factor that varies cannot be seen.
        """
        images = as_image_tensor(value, what="the observed images", shape=self.shape)
        seen = self.read(images)
        factors = {}
        for name, law in self.nuisance.items():
            factors[name] = torch.full_like(seen[name], law.value) if isinstance(law, Dirac) else seen[name]
            if torch.isnan(factors[name]).any():
                row = int(torch.isnan(factors[name]).nonzero()[0])
                raise NotInvertibleError(f"the {name} of image {row} cannot be told from its pixels")
        labels = self._stack(parents).to(images.device)
        noise = {**factors, _PIXELS: images - self.draw(labels, factors)}
        if self.texture > 0:
            shown = self._shown(labels, factors)
            unclipped = (images > 0) & (images < 1)
            noise[_TEXTURE] = fit_texture(noise[_PIXELS] * unclipped, shown * unclipped)
            noise[_PIXELS] = noise[_PIXELS] - shown * draw_texture(noise[_TEXTURE], self.shape[1])[:, None]
        return noise if isinstance(value, Tensor) else {name: part.numpy() for name, part in noise.items()}

    def _shown(self, labels: Tensor, factors: Mapping[str, Tensor]) -> Tensor:
        """Return which share of the background each pixel shows, times the strength of the texture."""
        grey = torch.zeros_like(factors[self.backdrop])
        white, black = (self.draw(labels, {**factors, self.backdrop: grey + level}) for level in (1.0, 0.0))
        return self.texture * (white - black)

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
        mechanism = self._targets.get(IMAGE)
        return mechanism.periods if isinstance(mechanism, Renderer) else MappingProxyType({})

    def render(self, values: Any, nuisance: Mapping[str, Any] | None = None) -> Any:
        """Draw the picture of given labels.

        Parameters
        ----------
        values : data frame, Samples or mapping of node to array of shape (n,)
            The labels; other nodes are passed over.
        nuisance : mapping of str to array of shape (n,), number, or array of shape (n, C, H, W)
            Unlabelled factors and, as ``"texture"`` and ``"pixels"``, amplitudes of the texture and additive
            noise. Default: the mean of each law, and neither.

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
            if name not in (*renderer.nuisance, _TEXTURE, _PIXELS):
                raise UnknownNameError(name, (*renderer.nuisance, _TEXTURE, _PIXELS), what="`nuisance`")
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
        seen = self.renderer.read(tensor)
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
