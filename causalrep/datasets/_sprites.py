"""The sprites world: a chain of causes from the shape of a figure to where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalrep.datasets import _sprites_scene as scene
from causalrep.datasets._sprites_reading import COLUMNS, SMALLEST, Reader
from causalrep.datasets._world import IMAGE, Nuisance, Renderer, World, clutter
from causalrep.graphs import DAG
from causalrep.scm import Categorical, Dirac, Distribution, Invertible, Mechanism, Normal, Root, Uniform
from causalrep.utils import DataError

__all__ = ["sprites", "squashed"]

_GRAPH = DAG(
    [("shape", "scale"), ("scale", "x"), ("x", "y"), *((label, IMAGE) for label in scene.LABELS)],
    nodes=[*scene.LABELS, IMAGE],
)


def sprites(size: int = 32, nuisance: Nuisance = True, *, pixel_noise: float | None = None) -> World:
    r"""Return the sprites world, a chain of four causes whose true counterfactual images are known.

    A square, an ellipse or a heart of some scale and orientation stands somewhere in the picture. The shape
    causes the scale, the scale the horizontal and that the vertical place, so that an intervention on the
    shape has to travel through two other labels before it moves the sprite up or down: a model that lets
    causes act over one edge only cannot answer it.

    Parameters
    ----------
    size : int, default=32
        Height and width of the images; at least 8 to draw, at least 16 to read.
    nuisance : bool, "noise" or "texture", default=True
        Whether backgrounds have a grey in U(0, 0.4) and sprites a hue in U(0, 1), which no label tells; else
        sprites are white on black.
        ``"noise"`` is True with pixel noise of 0.05, ``"texture"`` True with a texture of standard deviation
        0.08 on the background: nuisance of high dimension.
    pixel_noise : float, optional
        Standard deviation of Gaussian noise on each pixel and channel, before the image is clipped to [0, 1].

    Returns
    -------
    World
        An SCM with the scalar nodes ``"shape"`` (0 square, 1 ellipse, 2 heart), ``"scale"``,
        ``"orientation"`` (radians), ``"x"``, ``"y"`` (in widths of the picture, y upwards) and the node
        ``"image"``, float32 of shape (n, 3, size, size) in [0, 1]. ``world.read`` also gives
        ``"background"`` and ``"hue"``.

    Raises
    ------
    DataError
        If `size` is not an integer of at least 8, or `pixel_noise` is negative. Later, if asked to draw a
        shape that is none, or a scale that is not in (0, 2].

    Notes
    -----
    With sigma the logistic function and e standard normal,

    * shape uniform on {0, 1, 2}; orientation ~ U(0, pi / 2);
    * scale = 0.5 + 0.5 sigma(e + shape - 1);
    * x = 0.2 + 0.6 sigma(6 (scale - 0.75) + 0.5 e);
    * y = 0.2 + 0.6 sigma(4 (x - 0.5) + 0.5 e).

    A turn by a quarter shows the same square again, so orientations are drawn and read within what the
    shape can show: a quarter turn for squares, half a turn for ellipses, a whole one for hearts. What
    `read` returns is the nearest picture that the world can draw, with NaN where no sprite is seen.

    References
    ----------
    L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, "dSprites: disentanglement testing sprites dataset",
    2017, for the factors. The causal model, nuisance and anti-aliasing are ours.

    Examples
    --------
    >>> from causalrep.datasets import sprites
    >>> world = sprites(size=32)
    >>> samples = world.sample(4, random_state=0)
    >>> truth = world.counterfactual(samples, do={"x": 0.5})
    >>> [round(float(x), 3) for x in world.read(truth["image"])["x"]]
    [0.5, 0.5, 0.5, 0.5]
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 8:
        raise DataError(f"`size` must be an integer of at least 8, got {size!r}")
    seen = clutter(nuisance, pixel_noise)
    laws: dict[str, Distribution] = {
        "background": Uniform(0.0, 0.4) if seen.varies else Dirac(0.0),
        "hue": Uniform(0.0, 1.0) if seen.varies else Dirac(-1.0),
    }
    mechanisms: dict[Any, Mechanism] = {
        "shape": Root(Categorical((1 / 3, 1 / 3, 1 / 3))),
        "scale": squashed("shape", lambda shape: shape - 1.0, spread=1.0, low=0.5, width=0.5),
        "orientation": Root(Uniform(0.0, math.pi / 2)),
        "x": squashed("scale", lambda scale: 6.0 * (scale - 0.75), spread=0.5, low=0.2, width=0.6),
        "y": squashed("x", lambda x: 4.0 * (x - 0.5), spread=0.5, low=0.2, width=0.6),
        IMAGE: SpritesRenderer(laws, size=size, pixel_noise=seen.pixel_noise, texture=seen.texture),
    }
    return World(_GRAPH, mechanisms)


class SpritesRenderer(Renderer):
    """Draws sprites and reads them back.

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
        """Refuse shapes that are none and sprites without a size."""
        shape, scale = labels["shape"], labels["scale"]
        known = (shape == 0) | (shape == 1) | (shape == 2)
        for name, value, allowed, limits in (
            ("shape", shape, known, "0 (square), 1 (ellipse) or 2 (heart)"),
            ("scale", scale, (scale > 0) & (scale <= 2), "in (0, 2]"),
        ):
            if not allowed.all():
                row = int((~allowed).nonzero()[0])
                raise DataError(f"{name!r} must be {limits}, got {float(value[row])} in row {row}")

    def draw(self, labels: Tensor, nuisance: Mapping[str, Tensor]) -> Tensor:
        """Return pictures of shape (n, 3, size, size)."""
        return scene.render(labels, nuisance, self.shape[1])

    def measure(self, images: Tensor) -> dict[str, Tensor]:
        """Return labels, background and hue, shape (n,) each.

        Raises
        ------
        DataError
            For images smaller than 16 px.
        """
        size = images.shape[-1]
        if size < SMALLEST:
            raise DataError(f"images can be read from {SMALLEST} px up, got {size} px")
        return dict(zip(COLUMNS, Reader(size).read(images).unbind(dim=1), strict=True))


def squashed(parent: str, drive: Any, *, spread: float, low: float, width: float) -> Invertible:
    """Return value = low + width * sigma(drive(parent) + spread * e), with e standard normal."""

    def forward(cause: Any, noise: Any) -> Any:
        return low + width / (1.0 + math.e ** -(drive(cause) + spread * noise))

    def inverse(cause: Any, value: Any) -> Any:
        share = (value - low) / width
        odds = share / (1.0 - share)
        log = torch.log(odds) if isinstance(odds, Tensor) else np.log(odds)
        return (log - drive(cause)) / spread

    return Invertible(forward, inverse, Normal(0.0, 1.0), parents=[parent])
