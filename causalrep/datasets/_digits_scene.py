"""Strokes of the ten digits and the drawing of them; Torch in, Torch out, differentiable.

A digit is one or two strokes of straight pieces in the unit square, y upwards. Style turns, slants, scales
and shifts it. Distances count in pixels of a picture of 28, whatever the size that is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from causalrep.datasets._rendering import Canvas, band

__all__ = ["FACTORS", "LABELS", "SIDE", "canvas", "cover", "lengths", "render"]

LABELS = ("thickness", "intensity")
FACTORS = ("digit", "rotation", "slant", "scale", "shift_x", "shift_y", "background")
SIDE = 28.0
_ROWS = 1 << 20

Points = Sequence[tuple[float, float]]


def _arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, pieces: int
) -> list[tuple[float, float]]:
    """Return points on an ellipse between two angles, in degrees."""
    turns = [math.radians(start + (end - start) * k / pieces) for k in range(pieces + 1)]
    return [(x + rx * math.cos(turn), y + ry * math.sin(turn)) for turn in turns]


_STROKES: tuple[tuple[Points, ...], ...] = (
    (_arc(0.5, 0.5, 0.2, 0.33, 90, 450, 14),),
    (((0.38, 0.68), (0.52, 0.84), (0.52, 0.16)),),
    ((*_arc(0.5, 0.65, 0.2, 0.19, 165, -35, 8), (0.3, 0.17), (0.73, 0.17)),),
    (
        _arc(0.47, 0.67, 0.18, 0.17, 150, -90, 7),
        _arc(0.47, 0.33, 0.21, 0.17, 90, -150, 7),
    ),
    (((0.58, 0.84), (0.27, 0.38), (0.75, 0.38)), ((0.61, 0.6), (0.61, 0.15))),
    (((0.7, 0.83), (0.36, 0.83), (0.34, 0.53), *_arc(0.48, 0.36, 0.21, 0.2, 115, -140, 8)),),
    (((0.61, 0.84), (0.43, 0.66), *_arc(0.5, 0.34, 0.18, 0.18, 165, 525, 11)),),
    (((0.28, 0.82), (0.73, 0.82), (0.45, 0.16)),),
    (_arc(0.5, 0.67, 0.15, 0.16, 270, 630, 9), _arc(0.5, 0.33, 0.19, 0.18, 90, 450, 10)),
    (_arc(0.49, 0.65, 0.18, 0.18, 0, 360, 11), ((0.67, 0.65), (0.62, 0.16))),
)


def _pieces() -> Tensor:
    """Return the straight pieces of all digits, shape (10, n_pieces, 2 ends, 2), the last one repeated."""
    of_digits = [[(a, b) for stroke in strokes for a, b in pairwise(stroke)] for strokes in _STROKES]
    longest = max(map(len, of_digits))
    padded = [pieces + [pieces[-1]] * (longest - len(pieces)) for pieces in of_digits]
    return torch.tensor(padded, dtype=torch.float32)


_PIECES = _pieces()


def canvas(size: int) -> Canvas:
    """Return the grid of pixels that sees the unit square."""
    return Canvas(size, (0.0, 1.0), (0.0, 1.0))


def lengths() -> Tensor:
    """Return the length of the strokes of each digit, in pixels of a picture of 28."""
    return (
        torch.tensor([sum(math.dist(a, b) for s in strokes for a, b in pairwise(s)) for strokes in _STROKES])
        * SIDE
    )


def cover(grid: Canvas, digit: Tensor, style: Tensor, thickness: Tensor) -> Tensor:
    """Return the coverage of digits, (n, size, size).

    Parameters
    ----------
    grid : Canvas
    digit : Tensor of shape (n,)
        0 to 9.
    style : Tensor of shape (n, 5)
        Rotation (radians, counter-clockwise), slant (tangent), scale, and shifts in widths of the picture.
    thickness : Tensor of shape (n,)
        Of the strokes, in pixels of a picture of 28.
    """
    rotation, slant, scale, shift_x, shift_y = style.float().unbind(dim=1)
    ends = _PIECES.to(style.device)[digit.long()] - 0.5
    x, y = ends[..., 0], ends[..., 1]
    x = x + slant[:, None, None] * y
    cosine, sine = (
        part.float()[:, None, None] for part in (rotation.double().cos(), rotation.double().sin())
    )
    scale = scale[:, None, None]
    across = 0.5 + shift_x[:, None, None] + scale * (cosine * x - sine * y)
    up = 0.5 + shift_y[:, None, None] + scale * (sine * x + cosine * y)
    columns, rows = (part.to(style.device)[None] for part in grid.centres())
    nearest = torch.full((len(digit), grid.size, grid.size), torch.inf, device=style.device)
    for k in range(across.shape[1]):
        (x0, x1), (y0, y1) = (part[:, k].unbind(dim=1) for part in (across, up))
        dx, dy = (x1 - x0)[:, None, None], (y1 - y0)[:, None, None]
        px, py = columns - x0[:, None, None], rows - y0[:, None, None]
        along = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0)
        nearest = torch.minimum(nearest, (px - along * dx).square() + (py - along * dy).square())
    distance = nearest.clamp_min(1e-12).sqrt() * SIDE
    return band(distance, thickness.float()[:, None, None] / 2, SIDE / grid.size)


def render(labels: Tensor, nuisance: Mapping[str, Tensor], size: int) -> Tensor:
    """Draw pictures.

    Parameters
    ----------
    labels : Tensor of shape (n, 2)
        Thickness in pixels of 28 and intensity out of 255.
    nuisance : mapping
        What `FACTORS` names, shape (n,) each.
    size : int
        Height and width.

    Returns
    -------
    Tensor of shape (n, 1, size, size), float32 in [0, 1]
    """
    grid = canvas(size)
    style = torch.stack([nuisance[name].float() for name in FACTORS[1:6]], dim=1)
    grey = nuisance["background"].float()[:, None, None]
    step = max(1, _ROWS // (size * size))
    parts = [torch.empty((0, size, size), device=labels.device)]
    for first in range(0, len(labels), step):
        rows = slice(first, first + step)
        share = cover(grid, nuisance["digit"][rows], style[rows], labels[rows, 0])
        ink = labels[rows, 1].float()[:, None, None] / 255.0
        parts.append(grey[rows] * (1.0 - share) + ink * share)
    return torch.cat(parts)[:, None]
