"""Geometry of the circuit and the drawing of it; Torch in, Torch out, differentiable.

The board is the unit square, y upwards. A robot arm of two segments stands at (0.5, 0.10) and touches an arc
of radius 0.38 round (0.5, 0.16) at the angle pi (0.15 + 0.7 a), a in [0, 1] being the label of the arm. Three
buttons lie on the arc, at a = 0.2 (red), 0.5 (green) and 0.8 (blue), and one lamp of each colour above.

References
----------
J. Brehmer, P. de Haan, P. Lippe, T. Cohen, Weakly supervised causal representation learning, NeurIPS 2022,
for the arm, the buttons and the lamps of CausalCircuit. This drawing is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from causalrep.datasets._rendering import Canvas, background, draw_rows, paint

__all__ = [
    "BORDER",
    "CENTRES",
    "COLOURS",
    "LABELS",
    "NUISANCE",
    "canvas",
    "paint_arm",
    "paint_lamps",
    "pressed",
    "render",
]

COLOURS = ("red", "green", "blue")
LABELS = ("arm", "blue", "green", "red")
NUISANCE = ("board", "shift_x", "shift_y", "lamp")
#: Where the arm presses each button, and how far from there it begins to.
CENTRES = {"red": 0.2, "green": 0.5, "blue": 0.8}
_REACH = 0.13
#: Arm and buttons keep below this height, lamps and their glow above.
BORDER = 0.62
_ARC, _ARC_RADIUS = (0.5, 0.16), 0.38
_BASE, _LOWER, _UPPER = (0.5, 0.10), 0.26, 0.22
_STROKES = ((0.055, 0.60), (0.04, 0.80))  # width and grey of the lower and the upper segment
_BUTTON, _BUTTON_BRIGHT, _BUTTON_DARK = 0.045, 0.6, 0.12
_LAMPS_X, _LAMPS_Y = (0.8, 0.5, 0.2), 0.83
_GLOW, _GLOW_SHARE, _FALLOFF = 0.15, 0.3, 0.4


def canvas(size: int) -> Canvas:
    """Return the grid of pixels that sees the board."""
    return Canvas(size, (0.0, 1.0), (0.0, 1.0))


def pressed(arm: Any, colour: str) -> Any:
    """Return how far the arm presses the button of a colour, from 0 to 1, for an array or a Tensor."""
    return (1.0 - abs(arm - CENTRES[colour]) / _REACH).clip(0.0, 1.0)


def paint_arm(grid: Canvas, image: Tensor, arm: Tensor, shift_x: Tensor, shift_y: Tensor) -> Tensor:
    """Paint the buttons, smaller where they are pressed, and the arm over them."""
    for k, colour in enumerate(COLOURS):
        x, y = _on_arc(torch.full_like(arm, CENTRES[colour]))
        radius = _BUTTON * (1.0 - 0.35 * pressed(arm, colour))
        rgb = [_BUTTON_BRIGHT if c == k else _BUTTON_DARK for c in range(3)]
        image = paint(image, grid.spot(x + shift_x, y + shift_y, radius), rgb)
    base = (_BASE[0] + shift_x, _BASE[1] + shift_y)
    tip_x, tip_y = _on_arc(arm)
    tip = (tip_x + shift_x, tip_y + shift_y)
    elbow = _elbow(base, tip)
    for (start, end), (width, grey) in zip(((base, elbow), (elbow, tip)), _STROKES, strict=True):
        image = paint(image, grid.segment(start, end, width, cap="round"), (grey, grey, grey))
    return image


def paint_lamps(
    grid: Canvas, image: Tensor, lights: Tensor, shift_x: Tensor, shift_y: Tensor, radius: Tensor
) -> Tensor:
    """Paint three lamps, which are black when they are off, and add their light to what they shine on.

    Parameters
    ----------
    grid : Canvas
    image : Tensor of shape (n, 3, n_rows, size)
    lights : Tensor of shape (n, 3)
        Intensities of red, green and blue, in [0, 1].
    shift_x, shift_y, radius : Tensor of shape (n,)
    """
    shine = []
    for k, lamp_x in enumerate(_LAMPS_X):
        x, y = lamp_x + shift_x, _LAMPS_Y + shift_y
        cover = grid.spot(x, y, radius)
        image = paint(image, cover, (0.0, 0.0, 0.0))
        across, up = grid.frame(x, y, torch.zeros_like(x))
        square = across * across + up * up
        glow = (1.0 - square / _GLOW**2).clamp_min(0.0).square()
        core = 1.0 - _FALLOFF * (square / radius.float().square()[:, None, None]).clamp_max(1.0)
        light = lights[:, k].float()[:, None, None]
        shine.append(light * (_GLOW_SHARE * glow + (1.0 - _GLOW_SHARE) * cover * core))
    return image + torch.stack(shine, dim=1)


def render(labels: Tensor, nuisance: Mapping[str, Tensor], size: int) -> Tensor:
    """Draw pictures.

    Parameters
    ----------
    labels : Tensor of shape (n, 4)
        In the order of `LABELS`.
    nuisance : mapping
        Grey of the ``"board"``, ``"shift_x"`` and ``"shift_y"`` of the camera and radius of the ``"lamp"``,
        shape (n,) each.
    size : int
        Height and width.

    Returns
    -------
    Tensor of shape (n, 3, size, size), float32 in [0, 1]
    """
    grid = canvas(size)

    def draw(rows: slice) -> Tensor:
        arm, blue, green, red = labels[rows].unbind(dim=1)
        board, shift_x, shift_y, lamp = (nuisance[name][rows] for name in NUISANCE)
        image = paint_arm(grid, background(board, size), arm, shift_x, shift_y)
        return paint_lamps(grid, image, torch.stack([red, green, blue], dim=1), shift_x, shift_y, lamp)

    return draw_rows(draw, len(labels), size)


def _on_arc(arm: Tensor) -> tuple[Tensor, Tensor]:
    angle = math.pi * (0.15 + 0.7 * arm)
    return _ARC[0] + _ARC_RADIUS * torch.cos(angle), _ARC[1] + _ARC_RADIUS * torch.sin(angle)


def _elbow(base: tuple[Tensor, Tensor], tip: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return where two segments of given lengths meet, left of the way from base to tip."""
    dx, dy = tip[0] - base[0], tip[1] - base[1]
    square = dx * dx + dy * dy
    along = (square + _LOWER**2 - _UPPER**2) / (2.0 * square)
    aside = (_LOWER**2 / square - along * along).sqrt()
    return base[0] + along * dx - aside * dy, base[1] + along * dy + aside * dx
