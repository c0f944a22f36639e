"""The Pendulum world: a lit pendulum, the shadow that it casts, and their picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from causalrep.datasets import _pendulum_scene as scene
from causalrep.datasets._pendulum_reading import COLUMNS, SMALLEST, Reader
from causalrep.datasets._world import IMAGE, Nuisance, Renderer, World, as_tensor, clutter
from causalrep.graphs import DAG
from causalrep.scm import AdditiveNoise, Dirac, Distribution, Mechanism, Normal, Root, Uniform
from causalrep.utils import DataError

__all__ = ["pendulum"]

_GRAPH = DAG(
    [
        ("angle", "length"),
        ("angle", "position"),
        ("light", "length"),
        ("light", "position"),
        *((label, IMAGE) for label in scene.LABELS),
    ],
    nodes=[*scene.LABELS, IMAGE],
)


def pendulum(size: int = 32, nuisance: Nuisance = True, *, pixel_noise: float | None = None) -> World:
    r"""Return the Pendulum world, whose true counterfactual images are known.

    A pendulum hangs at an angle under a light; the two cast a shadow of some length at some
    position on the ground; the picture shows all of it. Angle and light are causes of length and
    position, and all four are labels of the image. Angles count in units of pi/200 rad, lengths in
    units of the world, which is 20 wide.

    The published data set is deterministic given the two angles and has nothing but the labels in
    its pictures. A model that ignores the picture at hand and draws a typical one for the labels
    would then be perfect. With ``nuisance=True`` shadows vary around their geometric value and
    pictures have a background and a bob colour that no label tells: a counterfactual has to keep
    them.

    Parameters
    ----------
    size : int, default=32
        Height and width of the images; at least 8 to draw, at least 16 to read.
    nuisance : bool, "noise" or "texture", default=True
        Whether shadows have noise of standard deviation 1, backgrounds a grey in U(0.6, 1) and bobs
        a hue in U(0, 1); else shadows are exact, backgrounds white and bobs firebrick.
        ``"noise"`` is True with pixel noise of 0.05, ``"texture"`` True with a texture of standard deviation
        0.08 on the background: nuisance of high dimension.
    pixel_noise : float, optional
        Standard deviation of Gaussian noise on each pixel and channel, before the image is clipped
        to [0, 1]. Off by default, so that scores measure what was drawn: noise puts a floor under
        the error of any model that does not store it.

    Returns
    -------
    World
        An SCM with the scalar nodes ``"angle"``, ``"light"``, ``"length"``, ``"position"`` and the
        node ``"image"``, float32 of shape (n, 3, size, size) in [0, 1]. ``world.read`` also gives
        ``"background"`` and ``"hue"``.

    Raises
    ------
    DataError
        If `size` is not an integer of at least 8, or `pixel_noise` is negative. Later, if asked to
        draw an angle outside [-100, 100] (a pendulum hangs) or a light outside (0, 200).

    Notes
    -----
    With theta = pi angle / 200, phi = pi light / 200 and P(x, y) = x + (-1/2 - y) / tan phi, where
    p0 = P(10, 10.5) and p1 = P(10 + 9.5 sin theta, 10.5 - 9.5 cos theta),

    * angle ~ U(-40, 44); light ~ U(60, 98) or U(102, 148), each half of the time;
    * length = max(3, \|p0 - p1\|) + e1, drawn as max(1, length); position = (p0 + p1) / 2 + e2.

    ``do(angle)`` and ``do(light)`` recompute both shadows with the noise that they had.
    ``do(length)`` and ``do(position)`` draw that shadow and leave everything else alone.

    Reading inverts the renderer. On images drawn by the world without pixel noise the error is
    below 1e-4 in every column at 32 and 64 px, in the units of the column. At 16 px a
    short shadow may lie within one pixel, which leaves its position open by up to 0.15. With
    pixel noise 0.02 the mean absolute errors are, in the order angle, light, length, position,
    0.08, 0.07, 0.03, 0.02 at 16 px; 0.03, 0.03, 0.02, 0.01 at 32 px; and 0.01 or less at 64 px. What
    cannot be seen is NaN: length and position where the shadow leaves the image (about 3 % of
    images), length where the shadow is drawn with the least length of 1 (1 to 2 %).

    References
    ----------
    M. Yang, F. Liu, Z. Chen, X. Shen, J. Hao, J. Wang, "CausalVAE: disentangled representation
    learning via neural structural causal models", CVPR 2021: the scene. Noise, nuisance and
    anti-aliasing are ours.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> world = pendulum(size=32)
    >>> samples = world.sample(4, random_state=0)
    >>> samples["image"].shape
    (4, 3, 32, 32)
    >>> truth = world.counterfactual(samples, do={"light": 120.0})
    >>> [round(float(x), 3) for x in world.read(truth["image"])["light"]]
    [120.0, 120.0, 120.0, 120.0]
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 8:
        raise DataError(f"`size` must be an integer of at least 8, got {size!r}")
    seen = clutter(nuisance, pixel_noise)
    laws: dict[str, Distribution] = {
        "background": Uniform(0.6, 1.0) if seen.varies else Dirac(1.0),
        "hue": Uniform(0.0, 1.0) if seen.varies else Dirac(0.0),
    }
    noisy: dict[Any, Mechanism] = {
        "length": AdditiveNoise(_length, Normal(0.0, 1.0)),
        "position": AdditiveNoise(_position, Normal(0.0, 1.0)),
    }
    exact: dict[Any, Mechanism] = {"length": AdditiveNoise(_length), "position": AdditiveNoise(_position)}
    mechanisms: dict[Any, Mechanism] = {
        "angle": Root(Uniform(-40.0, 44.0)),
        "light": Root(_EitherSide()),
        **(noisy if seen.varies else exact),
        IMAGE: PendulumRenderer(laws, size=size, pixel_noise=seen.pixel_noise, texture=seen.texture),
    }
    return World(_GRAPH, mechanisms, targets=noisy)


class PendulumRenderer(Renderer):
    """Draws the Pendulum and reads it back.

    Parameters
    ----------
    nuisance : mapping of str to Distribution
        Laws of ``"background"`` and ``"hue"``.
    size : int
        Height and width.
    pixel_noise : float, default=0
        Standard deviation of noise on each pixel.
    texture : float, default=0
        Standard deviation of the texture of the background.
    """

    periods = MappingProxyType({"hue": 1.0})

    def __init__(
        self,
        nuisance: Mapping[str, Distribution],
        *,
        size: int,
        pixel_noise: float = 0.0,
        texture: float = 0.0,
    ) -> None:
        super().__init__(scene.LABELS, nuisance, size=size, pixel_noise=pixel_noise, texture=texture)

    def check(self, labels: Mapping[Any, Tensor]) -> None:
        """Refuse a pendulum that does not hang and a light that is not above the horizon."""
        _check_angles(labels["angle"], labels["light"])

    def draw(self, labels: Tensor, nuisance: Mapping[str, Tensor]) -> Tensor:
        """Return pictures of shape (n, 3, size, size)."""
        return scene.render(labels, nuisance, self.shape[1])

    def measure(self, images: Tensor) -> dict[str, Tensor]:
        """Return labels, background and hue, shape (n,) each.

        Raises
        ------
        DataError
            For images smaller than 16 px, where shadow and bob share pixels.
        """
        size = images.shape[-1]
        if size < SMALLEST:
            raise DataError(f"images can be read from {SMALLEST} px up, got {size} px")
        return dict(zip(COLUMNS, Reader(size, images.device).read(images).unbind(dim=1), strict=True))


@dataclass(frozen=True)
class _EitherSide(Distribution):
    """The law of the light: uniform left or right of the zenith, 100, each half of the time."""

    left: tuple[float, float] = (60.0, 98.0)
    right: tuple[float, float] = (102.0, 148.0)

    def sample(self, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return draws of shape (n,)."""
        low, high = np.where(generator.random((n, 1)) < 0.5, self.left, self.right).T
        return np.asarray(low + (high - low) * generator.random(n), dtype=np.float64)

    def log_prob(self, value: ArrayLike) -> NDArray[np.float64]:
        """Return the log density of each value, shape (n,)."""
        value = np.asarray(value, dtype=np.float64)
        density = np.zeros(value.shape)
        for low, high in (self.left, self.right):
            density[(value >= low) & (value <= high)] = 0.5 / (high - low)
        with np.errstate(divide="ignore"):
            return np.log(density)


def _length(angle: Any, light: Any) -> Any:
    return _shadow(angle, light)[0]


def _position(angle: Any, light: Any) -> Any:
    return _shadow(angle, light)[1]


def _shadow(angle: Any, light: Any) -> tuple[Any, Any]:
    """Return length and position in the library of the arguments; NumPy in double precision."""
    if isinstance(angle, Tensor) or isinstance(light, Tensor):
        angle, light = as_tensor(angle), as_tensor(light)
        _check_angles(angle, light)
        return scene.shadow(angle, light)
    tensors = (as_tensor(np.asarray(value, dtype=np.float64)) for value in (angle, light))
    length, position = _shadow(*tensors)
    return length.numpy(), position.numpy()


def _check_angles(angle: Tensor, light: Tensor) -> None:
    for name, value, allowed, limits in (
        ("angle", angle, angle.abs() <= 100, "[-100, 100] (a pendulum hangs)"),
        ("light", light, (light > 0) & (light < 200), "(0, 200) (the light is above the horizon)"),
    ):
        if not allowed.all():
            row = int((~allowed).nonzero()[0])
            raise DataError(
                f"{name!r}, in units of pi/200 rad, must be in {limits}, got {float(value[row])} in row {row}"
            )
