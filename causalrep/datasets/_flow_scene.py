"""Geometry of the flow world and the drawing of it; Torch in, Torch out, differentiable.

A cup of water stands on the ground with a ball in it, and water flows out of a hole in its side. In the
units of the published picture, of which the window x in [2, 16], y in [0, 14] is shown (the rest is bare),

* the cup has walls at x = 3 and x = 8, the right one with a gap from the hole's height d to d + 0.4;
* the water stands from the ground to 5 + h, h being the water's height above its mark;
* the ball has the centre (5.5, r + 1/2) and the radius r;
* the jet falls from (8, d) to (8 + f, 1/2) along x = 8 + f sqrt((d - y) / (d - 1/2)), f being the flow.

References
----------
M. Yang, F. Liu, Z. Chen, X. Shen, J. Hao, J. Wang, CausalVAE: disentangled representation
learning via neural structural causal models, CVPR 2021, for the scene and its equations.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from causalrep.datasets._rendering import Canvas, background, band, draw_rows, hsv_to_rgb, paint

__all__ = [
    "JET",
    "LABELS",
    "LEFT",
    "MARK",
    "OUTLET",
    "RIGHT",
    "SHORTEST",
    "STROKE",
    "WATER",
    "ball_colour",
    "canvas",
    "draw_ball",
    "draw_ground",
    "draw_jet",
    "paint_cup",
    "reach",
    "render",
]

LABELS = ("ball", "water", "hole", "flow")
LEFT, RIGHT, MARK, OUTLET = 3.0, 8.0, 5.0, 0.5
GAP = 0.4
STROKE = 0.4
#: Shorter jets are drawn with this reach.
SHORTEST = 0.5
WATER = (173 / 255, 216 / 255, 230 / 255)
#: A darker blue than the water's, so that the jet shows on every background.
JET = (70 / 255, 130 / 255, 180 / 255)
_BLACK = (0.0, 0.0, 0.0)
_GROUND = 0.2
_WINDOW = (2.0, 16.0), (0.0, 14.0)
#: Firebrick, (178, 34, 34) / 255; nuisance turns its hue only.
_SATURATION, _VALUE = 1 - 34 / 178, 178 / 255


def canvas(size: int) -> Canvas:
    """Return the grid of pixels that sees the world."""
    return Canvas(size, *_WINDOW)


def reach(water: Tensor, hole: Tensor) -> Tensor:
    """Return how far the jet goes under that much water: Torricelli's law."""
    return (2.0 * 0.98 * water * (hole - OUTLET)).sqrt()


def ball_colour(hue: Tensor) -> Tensor:
    """Return the ball's colour, shape (n, 3)."""
    return hsv_to_rgb(hue.float(), _SATURATION, _VALUE)


def draw_ball(grid: Canvas, radius: Tensor) -> Tensor:
    """Coverage of the ball, which lies just above the ground."""
    return grid.spot(torch.full_like(radius, 5.5), radius + 0.5, radius)


def draw_ground(grid: Canvas) -> Tensor:
    """Coverage of the ground, of shape (1, n_rows, size)."""
    (left, right), _ = _WINDOW
    ends = [(torch.tensor([x]), torch.tensor([_GROUND])) for x in (left - 1.0, right + 1.0)]
    return grid.segment(ends[0], ends[1], STROKE)


def draw_jet(grid: Canvas, hole: Tensor, flow: Tensor) -> Tensor:
    """Coverage of the jet, drawn with a reach of no less than `SHORTEST`.

    The distance from the parabola is the implicit function over the length of its gradient, which is right to
    first order and never divides by zero, since the function falls with y everywhere.
    """
    across, up = grid.frame(torch.full_like(hole, RIGHT), hole, torch.zeros_like(hole))
    bend = ((hole - OUTLET) / flow.clamp_min(SHORTEST).square()).float()[:, None, None]
    steep = 2.0 * bend * across
    distance = (up + bend * across.square()) / (1.0 + steep.square()).sqrt()
    pixel = grid.pixel[0]
    stroke = band(distance, STROKE / 2, pixel)
    ground = up + (hole - OUTLET).float()[:, None, None]
    beyond = (0.5 + across / pixel).clamp(0.0, 1.0) * (0.5 + ground / pixel).clamp(0.0, 1.0)
    return stroke * beyond


def paint_cup(
    grid: Canvas, image: Tensor, water: Tensor, hole: Tensor, ball: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Paint water, then what the `ball` covers in its colour, if there is one, and walls."""
    zero = torch.zeros_like(water)
    middle, top = (LEFT + RIGHT) / 2 + zero, _WINDOW[1][1] + 1.0 + zero
    image = paint(image, grid.segment((middle, zero), (middle, MARK + water), RIGHT - LEFT), WATER)
    if ball is not None:
        image = paint(image, *ball)
    left, right = LEFT + zero, RIGHT + zero
    image = paint(image, grid.segment((left, zero), (left, top), STROKE), _BLACK)
    lower = grid.segment((right, zero), (right, hole), STROKE)
    upper = grid.segment((right, hole + GAP), (right, top), STROKE)
    return paint(image, (lower + upper).clamp_max(1.0), _BLACK)


def render(labels: Tensor, nuisance: Mapping[str, Tensor], size: int) -> Tensor:
    """Draw pictures.

    Parameters
    ----------
    labels : Tensor of shape (n, 4)
        In the order of `LABELS`.
    nuisance : mapping
        ``"background"`` grey and ball ``"hue"``, shape (n,) each.
    size : int
        Height and width.

    Returns
    -------
    Tensor of shape (n, 3, size, size), float32 in [0, 1]
    """
    grid = canvas(size)
    colour = ball_colour(nuisance["hue"])

    def draw(rows: slice) -> Tensor:
        radius, water, hole, flow = labels[rows].unbind(dim=1)
        image = background(nuisance["background"][rows], size)
        image = paint_cup(grid, image, water, hole, (draw_ball(grid, radius), colour[rows]))
        image = paint(image, draw_ground(grid).to(image.device), _BLACK)
        return paint(image, draw_jet(grid, hole, flow), JET)

    return draw_rows(draw, len(labels), size)
