"""Geometry of the sprites and the drawing of them; Torch in, Torch out, differentiable.

A sprite is a square, an ellipse or a heart in the unit square, y upwards, that fits in a circle of radius
0.18 times its scale. In the frame of the sprite, with that radius as the unit,

* the square has half sides of 1 / sqrt 2;
* the ellipse has half axes 1 and 1/2;
* the heart is a square that stands on its tip, with a half disc on each of the two upper sides.

References
----------
I. Quilez, 2D distance functions (articles on computer graphics): box and heart, and the ellipse to first
order in the distance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from causalrep.datasets._rendering import Canvas, background, draw_rows, hsv_to_rgb, paint

__all__ = ["AREAS", "LABELS", "LIFTS", "PERIODS", "RADIUS", "canvas", "cover", "render"]

LABELS = ("shape", "scale", "orientation", "x", "y")
RADIUS = 0.18
#: By which angle a sprite has to turn to look the same again: square, ellipse, heart.
PERIODS = (math.pi / 2, math.pi, 2 * math.pi)
#: The heart of the literature stands on the origin; this circle holds it.
_HEART_Y, _HEART_RADIUS = 0.55, math.hypot(0.25, 0.2) + math.sqrt(2) / 4
#: Area in units of the radius, squared.
AREAS = (2.0, math.pi / 2, (0.5 + math.pi / 8) / _HEART_RADIUS**2)
#: How far above its origin the centre of gravity lies, in radii. That of a half disc is 4 r / (3 pi) from
#: its straight side.
_LOBE_Y = 0.75 + (4 / (3 * math.pi)) * (math.sqrt(2) / 4) * math.sqrt(0.5)
_CENTRE = (0.5 * 0.5 + (math.pi / 8) * _LOBE_Y) / (0.5 + math.pi / 8)
LIFTS = (0.0, 0.0, (_CENTRE - _HEART_Y) / _HEART_RADIUS)
_SATURATION = 0.8


def canvas(size: int) -> Canvas:
    """Return the grid of pixels that sees the unit square."""
    return Canvas(size, (0.0, 1.0), (0.0, 1.0))


def cover(grid: Canvas, shape: int, scale: Tensor, orientation: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the coverage of sprites of one shape, (n, size, size).

    Parameters
    ----------
    grid : Canvas
    shape : {0, 1, 2}
        Square, ellipse or heart.
    scale, orientation, x, y : Tensor of shape (n,)
    """
    radius = (RADIUS * scale).float()[:, None, None]
    across, up = grid.frame(x, y, orientation)
    distance = _DISTANCES[shape](across / radius, up / radius) * radius
    return (0.5 - distance / grid.pixel[0]).clamp(0.0, 1.0)


def render(labels: Tensor, nuisance: Mapping[str, Tensor], size: int) -> Tensor:
    """Draw pictures.

    Parameters
    ----------
    labels : Tensor of shape (n, 5)
        In the order of `LABELS`.
    nuisance : mapping
        ``"background"`` and ``"hue"``, each of shape (n,); a negative hue is white.
    size : int
        Height and width.

    Returns
    -------
    Tensor of shape (n, 3, size, size), float32 in [0, 1]
    """
    grid = canvas(size)

    def draw(rows: slice) -> Tensor:
        shape, *pose = labels[rows].unbind(dim=1)
        kinds = [cover(grid, k, *pose) * (shape == k).float()[:, None, None] for k in range(3)]
        hue = nuisance["hue"][rows]
        white = (hue < 0).float()[:, None]
        colour = hsv_to_rgb(hue.float(), _SATURATION) * (1 - white) + white
        return paint(background(nuisance["background"][rows], size), sum(kinds[1:], kinds[0]), colour)

    return draw_rows(draw, len(labels), size)


def _square(x: Tensor, y: Tensor) -> Tensor:
    dx, dy = x.abs() - math.sqrt(0.5), y.abs() - math.sqrt(0.5)
    outside = _norm(dx.clamp_min(0.0), dy.clamp_min(0.0))
    return torch.where((dx <= 0) & (dy <= 0), torch.maximum(dx, dy), outside)


def _ellipse(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance to first order: the implicit function over its slope."""
    near, steep = _norm(x, 2.0 * y), _norm(x, 4.0 * y)
    return near * (near - 1.0) / steep


def _heart(x: Tensor, y: Tensor) -> Tensor:
    x, y = x.abs() * _HEART_RADIUS, y * _HEART_RADIUS + _HEART_Y
    lobe = _norm(x - 0.25, y - 0.75) - math.sqrt(2) / 4
    along = 0.5 * (x + y).clamp_min(0.0)
    edge = torch.minimum(_norm(x, y - 1.0), _norm(x - along, y - along))
    inside = torch.where(x < y, -edge, edge)
    return torch.where(x + y > 1.0, lobe, inside) / _HEART_RADIUS


def _norm(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean length; its gradient at zero is zero, not NaN."""
    return (x * x + y * y).clamp_min(1e-12).sqrt()


_DISTANCES = (_square, _ellipse, _heart)
