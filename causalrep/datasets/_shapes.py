"""The shapes world: a shape in a room, after 3DShapes, with causes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalrep.datasets import _shapes_scene as scene
from causalrep.datasets._shapes_reading import COLUMNS, SMALLEST, Reader
from causalrep.datasets._sprites import squashed
from causalrep.datasets._world import IMAGE, Nuisance, Renderer, World, clutter
from causalrep.graphs import DAG
from causalrep.scm import AdditiveNoise, Categorical, Dirac, Distribution, Mechanism, Normal, Root, Uniform
from causalrep.utils import DataError

__all__ = ["shapes"]

_GRAPH = DAG(
    [("floor", "wall"), ("wall", "size"), ("size", "object"), *((label, IMAGE) for label in scene.LABELS)],
    nodes=[*scene.LABELS, IMAGE],
)


def shapes(size: int = 32, nuisance: Nuisance = True, *, pixel_noise: float | None = None) -> World:
    r"""Return the shapes world, whose true counterfactual images are known.

    A cube, cylinder, sphere or capsule stands in a room. The hue of the floor causes that of the walls, that
    the size of the shape, and the size its hue: a chain of three edges, beside two labels that cause nothing.

    Parameters
    ----------
    size : int, default=32
        Height and width of the images; at least 8 to draw, at least 16 to read.
    nuisance : bool, "noise" or "texture", default=True
        Whether rooms have a haze, a grey in U(0, 0.2) added to floor and walls, and the light comes from a
        side in U(-0.6, 0.6); else no haze and light from the front.
        ``"noise"`` is True with pixel noise of 0.05, ``"texture"`` True with a texture of standard deviation
        0.08 on floor and walls: nuisance of high dimension.
    pixel_noise : float, optional
        Standard deviation of Gaussian noise on each pixel and channel, before the image is clipped to [0, 1].

    Returns
    -------
    World
        An SCM with the scalar nodes ``"floor"``, ``"wall"``, ``"object"`` (hues), ``"size"``, ``"shape"``
        (0 cube, 1 cylinder, 2 sphere, 3 capsule), ``"view"`` (where the walls meet, -1 left to 1 right) and
        the node ``"image"``, float32 of shape (n, 3, size, size) in [0, 1]. ``world.read`` also gives
        ``"haze"`` and ``"light"``.

    Raises
    ------
    DataError
        If `size` is not an integer of at least 8, or `pixel_noise` is negative. Later, if asked to draw a
        shape that is none, a size not in (0, 1.2] or a view outside [-1, 1].

    Notes
    -----
    With sigma the logistic function and e standard normal,

    * floor ~ U(0, 0.5); wall = floor + 0.35 + 0.05 e;
    * size = 0.4 + 0.5 sigma(2 cos(2 pi wall) + e); object = size - 0.15 + 0.05 e;
    * shape uniform on {0, 1, 2, 3}; view ~ U(-1, 1).

    A hue is a point on a circle. The laws stay on an arc that is shorter, so here it is a number like any
    other: walls are read in [0.1, 1.1), shapes in [-0.1, 0.9). A shape of nearly the hue of the room behind
    it is hard to see for anyone.

    Reading inverts the renderer. On images drawn by the world without noise or texture the error is below
    1e-3 in every column from 16 px up. With pixel noise 0.05, hues and size are read to 0.006 at 16 px and
    0.003 at 32 px, the view to 0.11 and 0.05; with a texture hues and size to 0.003, but the view to 0.24
    only: a wave looks much like the corner of a room.

    References
    ----------
    C. Burgess, H. Kim, "3D Shapes dataset", 2018, for the factors. The causal model, nuisance and drawing are
    ours.

    Examples
    --------
    >>> from causalrep.datasets import shapes
    >>> world = shapes(size=32)
    >>> samples = world.sample(4, random_state=0)
    >>> truth = world.counterfactual(samples, do={"wall": 0.6})
    >>> [round(float(x), 3) for x in world.read(truth["image"])["wall"]]
    [0.6, 0.6, 0.6, 0.6]
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 8:
        raise DataError(f"`size` must be an integer of at least 8, got {size!r}")
    seen = clutter(nuisance, pixel_noise)
    laws: dict[str, Distribution] = {
        "haze": Uniform(0.0, 0.2) if seen.varies else Dirac(0.0),
        "light": Uniform(-0.6, 0.6) if seen.varies else Dirac(0.0),
    }
    mechanisms: dict[Any, Mechanism] = {
        "floor": Root(Uniform(0.0, 0.5)),
        "wall": AdditiveNoise(lambda floor: floor + 0.35, Normal(0.0, 0.05)),
        "object": AdditiveNoise(lambda size: size - 0.15, Normal(0.0, 0.05)),
        "size": squashed("wall", _pull, spread=1.0, low=0.4, width=0.5),
        "shape": Root(Categorical((0.25,) * 4)),
        "view": Root(Uniform(-1.0, 1.0)),
        IMAGE: ShapesRenderer(laws, size=size, pixel_noise=seen.pixel_noise, texture=seen.texture),
    }
    return World(_GRAPH, mechanisms)


class ShapesRenderer(Renderer):
    """Draws rooms with shapes and reads them back.

    Parameters
    ----------
    nuisance : mapping of str to Distribution
        Laws of ``"haze"`` and ``"light"``.
    size : int
        Height and width.
    pixel_noise : float, default=0
        Standard deviation of noise on each pixel.
    texture : float, default=0
        Standard deviation of the texture of floor and walls.
    """

    backdrop = "haze"

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
        """Refuse shapes that are none, without a size, or in a room that is not in the picture."""
        shape, extent, view = labels["shape"], labels["size"], labels["view"]
        known = (shape == 0) | (shape == 1) | (shape == 2) | (shape == 3)
        for name, value, allowed, limits in (
            ("shape", shape, known, "0 (cube), 1 (cylinder), 2 (sphere) or 3 (capsule)"),
            ("size", extent, (extent > 0) & (extent <= 1.2), "in (0, 1.2]"),
            ("view", view, view.abs() <= 1, "in [-1, 1]"),
        ):
            if not allowed.all():
                row = int((~allowed).nonzero()[0])
                raise DataError(f"{name!r} must be {limits}, got {float(value[row])} in row {row}")

    def draw(self, labels: Tensor, nuisance: Mapping[str, Tensor]) -> Tensor:
        """Return pictures of shape (n, 3, size, size)."""
        return scene.render(labels, nuisance, self.shape[1])

    def measure(self, images: Tensor) -> dict[str, Tensor]:
        """Return labels, haze and light, shape (n,) each.

        Raises
        ------
        DataError
            For images smaller than 16 px.
        """
        size = images.shape[-1]
        if size < SMALLEST:
            raise DataError(f"images can be read from {SMALLEST} px up, got {size} px")
        return dict(zip(COLUMNS, Reader(size).read(images).unbind(dim=1), strict=True))


def _pull(wall: Any) -> Any:
    """Return what the hue of the walls adds to the size, in the library of the hue."""
    cosine = (
        torch.cos(2 * math.pi * wall) if isinstance(wall, Tensor) else np.cos(2 * math.pi * np.asarray(wall))
    )
    return 2.0 * cosine
