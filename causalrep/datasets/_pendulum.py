"""The Pendulum world: a lit pendulum, the shadow it casts, and its picture."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from causalrep.datasets._rendering import Canvas, background, draw_rows, hsv_to_rgb, paint

LABELS = ("angle", "light", "length", "position")

_UNIT = math.pi / 200
_PIVOT = (10.0, 10.5)
_GROUND = -0.5
_ORANGE = (1.0, 165 / 255, 0.0)
_BLACK = (0.0, 0.0, 0.0)
_FIREBRICK = (178 / 255, 34 / 255, 34 / 255)
_STROKE = 22.0 * 3 / 72  # 3 pt on a picture one inch, that is 72 pt, high


def shadow(angle: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
    """Length and centre of the shadow without noise, shapes as given."""
    theta, phi = angle * _UNIT, light * _UNIT
    p0 = _PIVOT[0] + (_GROUND - _PIVOT[1]) / torch.tan(phi)
    p1 = _PIVOT[0] + 9.5 * torch.sin(theta) + (_GROUND - _PIVOT[1] + 9.5 * torch.cos(theta)) / torch.tan(phi)
    return (p0 - p1).abs().clamp_min(3.0), (p0 + p1) / 2


def sample_labels(n: int, generator: np.random.Generator, *, nuisance: bool = True) -> Tensor:
    """Draw labels, float64 of shape (n, 4) in the order angle, light, length, position."""
    angle = generator.uniform(-40, 44, n)
    side = generator.random(n) < 0.5
    light = np.where(side, generator.uniform(60, 98, n), generator.uniform(102, 148, n))
    length, position = shadow(torch.from_numpy(angle), torch.from_numpy(light))
    if nuisance:
        length = length + torch.from_numpy(generator.standard_normal(n))
        position = position + torch.from_numpy(generator.standard_normal(n))
    return torch.stack([torch.from_numpy(angle), torch.from_numpy(light), length, position], dim=1)


def sample_nuisance(n: int, generator: np.random.Generator) -> dict[str, Tensor]:
    """Draw the unlabelled factors: background grey U(0.6, 1) and bob hue U(0, 1), each (n,)."""
    return {
        "background": torch.from_numpy(generator.uniform(0.6, 1.0, n)),
        "hue": torch.from_numpy(generator.uniform(0.0, 1.0, n)),
    }


def render(labels: Tensor, nuisance: dict[str, Tensor] | None = None, size: int = 32) -> Tensor:
    """Draw float32 pictures in [0, 1] of shape (n, 3, size, size) from labels of shape (n, 4).

    Without nuisance: white background, firebrick bob.
    """
    n = len(labels)
    canvas = Canvas(size, (0.0, 20.0), (-1.0, 21.0))
    if nuisance is None:
        grey = torch.ones(n, device=labels.device)
        bob = torch.tensor(_FIREBRICK, device=labels.device).expand(n, 3)
    else:
        grey = nuisance["background"]
        bob = hsv_to_rgb(nuisance["hue"], 1 - 34 / 178, 178 / 255)  # firebrick, its hue turned
    theta, phi = labels[:, 0] * _UNIT, labels[:, 1] * _UNIT
    bob_x, bob_y = _PIVOT[0] + 8 * torch.sin(theta), _PIVOT[1] - 8 * torch.cos(theta)
    light_x = _PIVOT[0] + 10 / torch.tan(phi)
    half = labels[:, 2].clamp_min(1.0) / 2
    left, right = labels[:, 3] - half, labels[:, 3] + half

    def draw(rows: slice) -> Tensor:
        def constant(value: float) -> Tensor:
            return torch.full_like(light_x[rows], value)

        image = background(grey[rows], size)
        image = paint(image, canvas.disc(light_x[rows], constant(20.5), 3.0), _ORANGE)
        pivot = (constant(_PIVOT[0]), constant(_PIVOT[1]))
        rod = canvas.segment(pivot, (bob_x[rows], bob_y[rows]), _STROKE)
        image = paint(image, rod, _BLACK)
        image = paint(image, canvas.disc(bob_x[rows], bob_y[rows], 1.5), bob[rows].float())
        ground = constant(_GROUND)
        return paint(image, canvas.segment((left[rows], ground), (right[rows], ground), _STROKE), _BLACK)

    return draw_rows(draw, n, size)
