"""Geometry of the Pendulum and the drawing of it; Torch in, Torch out, differentiable.

The world is the box x in [0, 20], y in [-1, 21], seen by a square picture. Angles are counted in
units of pi/200 rad. With theta the pendulum's angle and phi the light's,

* pivot at (10, 10.5); bob, of radius 1.5, at (10 + 8 sin theta, 10.5 - 8 cos theta);
* light, of radius 3, at (10 + 10 / tan phi, 20.5);
* ground at y = -1/2; a point (x, y) casts its shadow at P(x, y) = x + (-1/2 - y) / tan phi;
* shadow between P of the pivot and P of the bob's far end, which hangs at radius 9.5.

References
----------
M. Yang, F. Liu, Z. Chen, X. Shen, J. Hao, J. Wang, CausalVAE: disentangled representation
learning via neural structural causal models, CVPR 2021, for the scene and its equations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from causalrep.datasets._rendering import Canvas, background, draw_rows, hsv_to_rgb, paint

__all__ = [
    "GROUND",
    "LABELS",
    "LIGHT_Y",
    "ORANGE",
    "SHORTEST",
    "STROKE",
    "canvas",
    "draw_bob",
    "draw_light",
    "draw_rod",
    "draw_shadow",
    "light_at",
    "light_x",
    "render",
    "shadow",
]

LABELS = ("angle", "light", "length", "position")
UNIT = math.pi / 200
GROUND = -0.5
LIGHT_Y = 20.5
PIVOT = (10.0, 10.5)
ORANGE = (1.0, 165 / 255, 0.0)
BLACK = (0.0, 0.0, 0.0)
#: The published bob is firebrick, (178, 34, 34) / 255; nuisance turns its hue only.
BOB_SATURATION, BOB_VALUE = 1 - 34 / 178, 178 / 255
#: The published strokes are 3 points wide on a picture one inch, 72 points, high.
STROKE = 22.0 * 3 / 72
#: Shorter shadows are drawn with this length.
SHORTEST = 1.0


def canvas(size: int) -> Canvas:
    """Return the grid of pixels that sees the world."""
    return Canvas(size, (0.0, 20.0), (-1.0, 21.0))


def light_x(light: Tensor) -> Tensor:
    """Return where the centre of the light stands on its line y = 20.5."""
    return PIVOT[0] + (LIGHT_Y - PIVOT[1]) * _cotangent(light)


def light_at(x: Tensor) -> Tensor:
    """Return the angle of a light whose centre has this x: the inverse of `light_x`."""
    height = torch.full_like(x, LIGHT_Y - PIVOT[1])
    return torch.atan2(height, x - PIVOT[0]) / UNIT


def shadow(angle: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
    """Return the length and the centre of the shadow that the pendulum casts."""
    theta, cotangent = angle * UNIT, _cotangent(light)
    pivot = PIVOT[0] + (GROUND - PIVOT[1]) * cotangent
    end = PIVOT[0] + 9.5 * torch.sin(theta) + (GROUND - PIVOT[1] + 9.5 * torch.cos(theta)) * cotangent
    return (pivot - end).abs().clamp_min(3.0), (pivot + end) / 2


def draw_light(grid: Canvas, x: Tensor) -> Tensor:
    """Coverage of the light, from the x of its centre, shape (n,)."""
    return grid.disc(x, torch.full_like(x, LIGHT_Y), 3.0)


def draw_rod(grid: Canvas, angle: Tensor) -> Tensor:
    """Coverage of the rod from pivot to bob."""
    pivot = (torch.full_like(angle, PIVOT[0]), torch.full_like(angle, PIVOT[1]))
    return grid.segment(pivot, _bob(angle), STROKE)


def draw_bob(grid: Canvas, angle: Tensor) -> Tensor:
    """Coverage of the bob."""
    return grid.disc(*_bob(angle), 1.5)


def draw_shadow(grid: Canvas, length: Tensor, position: Tensor) -> Tensor:
    """Coverage of the shadow, drawn no shorter than `SHORTEST`."""
    half = length.clamp_min(SHORTEST) / 2
    ground = torch.full_like(position, GROUND)
    return grid.segment((position - half, ground), (position + half, ground), STROKE)


def render(labels: Tensor, nuisance: Mapping[str, Tensor] | None = None, size: int = 32) -> Tensor:
    """Draw pictures of shape (n, 3, size, size), float32 in [0, 1].

    Parameters
    ----------
    labels : Tensor of shape (n, 4)
        Angle, light, length and position. The picture is differentiable in each of them.
    nuisance : mapping, optional
        ``"background"`` grey and bob ``"hue"``, shapes (n,); default white and firebrick.
    size : int, default=32
        Height and width.
    """
    n = len(labels)
    grid = canvas(size)
    if nuisance is None:
        grey, hue = torch.ones(n, device=labels.device), torch.zeros(n, device=labels.device)
    else:
        grey, hue = nuisance["background"], nuisance["hue"]
    colour = hsv_to_rgb(hue, BOB_SATURATION, BOB_VALUE).float()

    def draw(rows: slice) -> Tensor:
        angle, light, length, position = labels[rows].unbind(dim=1)
        image = background(grey[rows], size)
        image = paint(image, draw_light(grid, light_x(light)), ORANGE)
        image = paint(image, draw_rod(grid, angle), BLACK)
        image = paint(image, draw_bob(grid, angle), colour[rows])
        return paint(image, draw_shadow(grid, length, position), BLACK)

    return draw_rows(draw, n, size)


def _bob(angle: Tensor) -> tuple[Tensor, Tensor]:
    theta = angle * UNIT
    return PIVOT[0] + 8.0 * torch.sin(theta), PIVOT[1] - 8.0 * torch.cos(theta)


def _cotangent(light: Tensor) -> Tensor:
    """Return 1 / tan(phi), as a quotient that is zero, not undefined, where the tangent has its pole."""
    phi = light * UNIT
    return torch.cos(phi) / torch.sin(phi)
