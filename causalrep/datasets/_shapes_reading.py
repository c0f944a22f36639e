"""Reading a picture of a room back: hues, view and shape from pixels alone, without training.

Floor and walls have places that nothing hides, which give their hues and the haze; where the walls meet is
the centre of the step along the top of the picture. The shape is then fitted in least squares, each of the
four kinds from the best of some sizes, and the one that leaves the smallest residual is read.
"""

from __future__ import annotations

import torch
from torch import Tensor

from causalrep.datasets import _shapes_scene as scene
from causalrep.datasets._fitting import gauss_newton
from causalrep.datasets._rendering import rgb_to_hue

__all__ = ["COLUMNS", "SMALLEST", "Reader"]

COLUMNS = (*scene.LABELS, *scene.FACTORS)
SMALLEST = 16

_ROWS_PER_CHUNK = 128
_FIRST_STEPS, _LAST_STEPS = 5, 10
_LIGHTS = (-0.4, 0.4)
_DIFFERENCES = (0.005, 0.02, 0.02, 0.02, 0.02)  # of size, light and the three colours
_LIMITS = (0.1, 0.3, 0.3, 0.3, 0.3)
_SIZES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: A shape counts as seen if it explains this share of the contrast that its drawing has.
_SEEN = 0.25
#: Where the hue of a label is cut open: walls are read in [0.1, 1.1), shapes in [-0.1, 0.9).
_WALL_CUT, _OBJECT_CUT = 0.1, -0.1


class Reader:
    """Reads pictures of one size.

    Parameters
    ----------
    size : int
        Height and width of the pictures, at least `SMALLEST`.
    """

    def __init__(self, size: int) -> None:
        self._grid = scene.canvas(size)
        columns, rows = self._grid.centres()
        half = self._grid.pixel[0] / 2
        low = (rows[:, 0] + half < 0.2).nonzero()[:, 0]  # below the shape, which stands on 0.2
        high = (rows[:, 0] - half > 0.66).nonzero()[:, 0]  # above it
        self._floor, self._top = low, high
        self._left = (columns[0] + half < 0.2).nonzero()[:, 0]  # the walls meet between 0.2 and 0.8
        self._right = (columns[0] - half > 0.8).nonzero()[:, 0]

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
        floor_rgb = images[:, :, self._floor].mean(dim=(2, 3))
        top = images[:, :, self._top].mean(dim=2)
        left, right = top[:, :, self._left].mean(dim=2), top[:, :, self._right].mean(dim=2)
        step = right - left
        share = torch.einsum("ncw,nc->nw", top - left[:, :, None], step) / step.square().sum(
            dim=1, keepdim=True
        ).clamp_min(1e-9)
        view = ((1.0 - share.mean(dim=1)) - 0.5) / scene.CORNER
        haze = floor_rgb.amax(dim=1) - scene.FLOOR_VALUE
        floor, wall = rgb_to_hue(floor_rgb), torch.remainder(rgb_to_hue(right) - _WALL_CUT, 1.0) + _WALL_CUT
        room = scene.draw_room(self._grid, floor, wall, view, haze)
        shape, value, left_over = self._fit_shape(images, room, view)
        hue = torch.remainder(rgb_to_hue(value[:, 2:]) - _OBJECT_CUT, 1.0) + _OBJECT_CUT
        of_shape = torch.stack([hue, value[:, 0], shape], dim=1)
        drawn = torch.zeros_like(images)
        for kind in range(4):
            rows = shape == kind
            drawn[rows] = self._paint(room[rows], kind, view[rows], value[rows])
        contrast = (drawn - room).square().sum(dim=(1, 2, 3))
        explained = (images - room).square().sum(dim=(1, 2, 3)) - left_over
        seen = ((explained > _SEEN * contrast) & (contrast > 1e-3))[:, None]
        of_shape, light = (torch.where(seen, part, torch.nan) for part in (of_shape, value[:, 1:2]))
        of_room = torch.stack([floor, wall], dim=1), torch.stack([view, haze], dim=1)
        return torch.cat([of_room[0], of_shape, of_room[1], light], dim=1)

    def _fit_shape(self, images: Tensor, room: Tensor, view: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the kind of shape, its (size, light, red, green, blue), and the sum of squares left."""
        columns, rows = self._grid.centres()
        middle = ((columns - 0.5).abs() < 0.1) & ((rows - 0.3).abs() < 0.08)  # inside every shape
        colour = images[:, :, middle.expand(self._grid.size, -1)].mean(dim=2) * 1.2
        tried = []
        for kind in range(4):
            for light in _LIGHTS:
                starts = [
                    torch.cat(
                        [torch.tensor([[extent, light]]).to(colour).expand(len(colour), -1), colour], dim=1
                    )
                    for extent in _SIZES
                ]
                costs = [
                    (self._paint(room, kind, view, start) - images).square().sum(dim=(1, 2, 3))
                    for start in starts
                ]
                nearest = torch.stack(costs, dim=1).argmin(dim=1)
                start = torch.stack(starts, dim=1)[torch.arange(len(colour)), nearest]
                tried.append((kind, *self._fit(images, room, view, kind, start, _FIRST_STEPS)))
        best = torch.stack([left for _, _, left in tried], dim=1).argmin(dim=1)
        shape, value, cost = (
            torch.zeros_like(view),
            torch.zeros((len(view), 5)).to(view),
            torch.zeros_like(view),
        )
        for k, (kind, start, _) in enumerate(tried):
            rows = best == k
            if rows.any():
                fitted = self._fit(images[rows], room[rows], view[rows], kind, start[rows], _LAST_STEPS)
                shape[rows], value[rows], cost[rows] = float(kind), *fitted
        return shape, value, cost

    def _fit(
        self, images: Tensor, room: Tensor, view: Tensor, kind: int, start: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        return gauss_newton(
            lambda value: self._paint(room, kind, view, value).flatten(1),
            images.flatten(1),
            start,
            differences=_DIFFERENCES,
            limits=_LIMITS,
            steps=steps,
        )

    def _paint(self, room: Tensor, kind: int, view: Tensor, value: Tensor) -> Tensor:
        extent, light = value[:, 0].clamp_min(0.05), value[:, 1].clamp(-0.95, 0.95)
        return scene.paint_shape(self._grid, room, kind, extent, view, light, value[:, 2:])
