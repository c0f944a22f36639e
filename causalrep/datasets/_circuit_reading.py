"""Reading a circuit picture back: every label from pixels alone, without training.

The border of the lower half shows the board. The lamps keep to the upper half and tell their light, their
size and the shift of the camera; the lower half then tells the arm. Both are fitted by inverting the renderer
in least squares.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from causalrep.datasets import _circuit_scene as scene
from causalrep.datasets._fitting import gauss_newton, nearest
from causalrep.datasets._rendering import Canvas, background

__all__ = ["COLUMNS", "SMALLEST", "Reader"]

COLUMNS = (*scene.LABELS, *scene.NUISANCE)
SMALLEST = 16

_ROWS_PER_CHUNK = 256
_STEPS = 12
_MIDDLE_LAMP = 0.075
#: Where else to look for the arm, near the place that fits best with a camera in the middle.
_NEAR = 0.0075 * torch.arange(-7, 8)[:, None]
#: A thing counts as seen if it explains this share of what differs from the bare board.
_SEEN = 0.25


class Reader:
    """Reads pictures of one size.

    Parameters
    ----------
    size : int
        Height and width of the pictures, at least `SMALLEST`.
    device : torch.device or str
        Where the pictures are.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu") -> None:
        whole = scene.canvas(size)
        self._size = size
        edges = whole.y_range[1] - torch.arange(size + 1, dtype=torch.float64) * whole.pixel[1]
        self._last, self._first = (int((part > scene.BORDER).sum()) for part in (edges[1:], edges[:-1]))
        self._upper = replace(whole, rows=(0, self._last))
        self._lower = replace(whole, rows=(self._first, size))
        self._arms = torch.linspace(0.0, 1.0, 101, device=device)
        zero = torch.zeros_like(self._arms)
        dark, bright = (
            scene.paint_arm(self._lower, self._blank(zero + level, self._lower), self._arms, zero, zero)
            for level in (0.0, 1.0)
        )
        self._objects, self._clear = dark.flatten(1), (bright - dark).flatten(1)

    def read(self, images: Tensor) -> Tensor:
        """Return what `COLUMNS` names, float32 of shape (n, 8); NaN where it cannot be seen.

        Parameters
        ----------
        images : Tensor of shape (n, 3, size, size)
            Values in [0, 1].
        """
        if len(images) == 0:
            return torch.empty((0, len(COLUMNS)))
        return torch.cat([self._read(rows) for rows in torch.split(images, _ROWS_PER_CHUNK)])

    def _read(self, images: Tensor) -> Tensor:
        upper, lower = images[:, :, : self._last], images[:, :, self._first :]
        edge = torch.cat([lower[:, :, -1], lower[:, :, :, 0], lower[:, :, :, -1]], dim=2)
        board = edge.flatten(1).median(dim=1).values
        lamps = self._read_lamps(upper, board)
        shift_x, shift_y, radius, red, green, blue = lamps.unbind(dim=1)
        arm = self._read_arm(lower, board, torch.nan_to_num(shift_x), torch.nan_to_num(shift_y))
        return torch.stack([arm, blue, green, red, board, shift_x, shift_y, radius], dim=1)

    def _read_lamps(self, upper: Tensor, board: Tensor) -> Tensor:
        """Fit shifts, radius and the three lights, shape (n, 6)."""
        zero = torch.zeros_like(board)
        blank = self._blank(board, self._upper)

        def draw(value: Tensor) -> Tensor:
            shift_x, shift_y, radius = value[:, :3].unbind(dim=1)
            radius = radius.clamp(0.02, 0.15)
            return scene.paint_lamps(self._upper, blank, value[:, 3:], shift_x, shift_y, radius).flatten(1)

        size = zero + _MIDDLE_LAMP
        dark = torch.stack([zero, zero, size, zero, zero, zero], dim=1)
        off, on = (draw(dark + level * torch.tensor([0.0, 0, 0, 1, 1, 1])) for level in (0.0, 1.0))
        # each lamp shines in a channel of its own
        shine = (on - off).unflatten(1, (3, -1))
        left = (upper.flatten(1) - off).unflatten(1, (3, -1))
        lights = (shine * left).sum(dim=2) / shine.square().sum(dim=2)
        start = torch.cat([dark[:, :3], lights.clamp(0.0, 1.0)], dim=1)
        value, cost = gauss_newton(
            draw,
            upper.flatten(1),
            start,
            differences=(1e-3, 1e-3, 1e-3, 0.1, 0.1, 0.1),
            limits=(0.02, 0.02, 0.02, 0.5, 0.5, 0.5),
            steps=_STEPS,
        )
        total = (upper - blank).square().sum(dim=(1, 2, 3))
        return torch.where(_explained(cost, total)[:, None], value, torch.nan)

    def _read_arm(self, lower: Tensor, board: Tensor, shift_x: Tensor, shift_y: Tensor) -> Tensor:
        """Fit the arm and the buttons that it presses, with the camera where the lamps have shown it."""
        blank = self._blank(board, self._lower)

        def draw(value: Tensor) -> Tensor:
            return scene.paint_arm(self._lower, blank, value[:, 0], shift_x, shift_y).flatten(1)

        seen, level = lower.flatten(1), board[:, None]
        fixed = self._objects.square().sum(dim=1)
        mixed = (self._objects * self._clear).sum(dim=1)
        cost = fixed + 2 * level * mixed + level**2 * self._clear.square().sum(dim=1)
        cost = cost - 2 * (seen @ self._objects.T + level * (seen @ self._clear.T))
        # the templates do not know the shift of the camera; what is drawn from here on does
        start = nearest(draw, seen, self._arms[cost.argmin(dim=1)][:, None], _NEAR)
        value, cost = gauss_newton(draw, seen, start, differences=(2e-4,), limits=(0.03,), steps=_STEPS)
        total = (lower - blank).square().sum(dim=(1, 2, 3))
        return torch.where(_explained(cost, total), value[:, 0], torch.nan)

    def _blank(self, board: Tensor, grid: Canvas) -> Tensor:
        return background(board, self._size)[:, :, slice(*(grid.rows or (0, self._size)))]


def _explained(cost: Tensor, total: Tensor) -> Tensor:
    return (total > 1e-6) & (cost < (1.0 - _SEEN) * total)
