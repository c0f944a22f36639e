"""Reading a flow picture back: every label from pixels alone, without training.

The level of the water is the share of the inside of the cup that it fills. The ball, which keeps to the
bottom, and the hole with its jet, which keep to the right, are each fitted by inverting the renderer in least
squares: templates on a grid give the start, Gauss-Newton steps the fraction of a pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor

from causalrep.datasets import _flow_scene as scene
from causalrep.datasets._fitting import gauss_newton, nearest
from causalrep.datasets._rendering import background, paint

__all__ = ["COLUMNS", "SMALLEST", "Reader"]

COLUMNS = (*scene.LABELS, "background", "hue")
SMALLEST = 16

_ROWS_PER_CHUNK = 256
_STEPS = 12
#: Where else to look for hole and jet than where the jet alone, without the gap in the wall, fits best.
_NEAR = torch.tensor([[hole, 0.0] for hole in (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)])
#: A thing counts as seen if it explains this share of what differs from the scene without it.
_SEEN = 0.25
#: Where a largest ball ends, above and to the right, and where the highest jet begins.
_BALL_TOP, _BALL_RIGHT, _JET_TOP = 4.1, 7.2, 5.9
#: A jet read as less than this much longer than the shortest one drawn may be any shorter one.
_FLOOR = 0.02
#: How near the border the water or the jet may come before they may as well leave the picture.
_BORDER = 0.02


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
        self._size, self._grid = size, scene.canvas(size)
        columns, rows = self._grid.centres()
        half = self._grid.pixel[0] / 2
        left, right = columns[0] - half, columns[0] + half
        below, above = rows[:, 0] - half, rows[:, 0] + half
        wall = scene.STROKE / 2
        cup = (left >= scene.LEFT + wall) & (right <= scene.RIGHT - wall)
        self._inside = (below >= _BALL_TOP)[:, None] & cup
        self._lowest = float(below[below >= _BALL_TOP].min())
        self._bottom = (above <= scene.MARK)[:, None] & cup
        self._bare = (below >= _JET_TOP)[:, None] & (left >= scene.RIGHT + wall)
        self._outside = (below >= scene.STROKE)[:, None] & (left >= scene.RIGHT + wall)
        self._side = (left >= _BALL_RIGHT)[None, :].expand(size, size)
        self._ground = scene.draw_ground(self._grid).to(device)
        self._radii = torch.arange(0.05, 1.75, 0.05, device=device)
        self._hues = torch.arange(48, device=device) / 48
        self._balls = (scene.draw_ball(self._grid, self._radii) * (1 - self._ground))[:, self._bottom]
        self._jets = torch.cartesian_prod(
            torch.arange(0.6, 5.01, 0.1, device=device), torch.arange(0.5, 8.01, 0.25, device=device)
        )
        self._jet_templates = scene.draw_jet(self._grid, *self._jets.unbind(dim=1))[:, self._outside]

    def read(self, images: Tensor) -> Tensor:
        """Return what `COLUMNS` names, float32 of shape (n, 6); NaN where it cannot be seen.

        Parameters
        ----------
        images : Tensor of shape (n, 3, size, size)
            Values in [0, 1].
        """
        if len(images) == 0:
            return torch.empty((0, len(COLUMNS)))
        return torch.cat([self._read(rows) for rows in torch.split(images, _ROWS_PER_CHUNK)])

    def _read(self, images: Tensor) -> Tensor:
        grey = images[:, :, self._bare].flatten(1).median(dim=1).values
        water = self._read_water(images, grey)
        ball, hue = self._read_ball(images)
        level = torch.nan_to_num(water, nan=scene.MARK)
        hole, flow = self._read_jet(images, grey, level)
        return torch.stack([ball, water, hole, flow, grey, hue], dim=1)

    def _read_water(self, images: Tensor, grey: Tensor) -> Tensor:
        """Sum the share of water over the rows above the ball."""
        contrast = torch.tensor(scene.WATER, device=images.device) - grey[:, None]
        share = torch.einsum("ncp,nc->np", images[:, :, self._inside] - grey[:, None, None], contrast)
        share = share / contrast.square().sum(dim=1, keepdim=True)
        height = self._grid.y_range[1] - self._lowest
        filled = share.mean(dim=1) * height
        seen = (filled > _BORDER) & (filled < height - _BORDER)
        return torch.where(seen, self._lowest + filled - scene.MARK, torch.nan)

    def _read_ball(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Fit radius and hue; known brightness tells a small ball from a pale one."""
        water = torch.tensor(scene.WATER, device=images.device)
        empty = (water[:, None, None] * (1 - self._ground))[:, self._bottom]
        seen = images[:, :, self._bottom] - empty
        contrast = scene.ball_colour(self._hues) - water
        along = torch.einsum("ncp,rp,hc->nrh", seen, self._balls, contrast)
        energy = torch.outer(self._balls.square().sum(dim=1), contrast.square().sum(dim=1))
        best = (energy - 2 * along).flatten(1).argmin(dim=1)
        start = torch.stack([self._radii[best // len(self._hues)], self._hues[best % len(self._hues)]], dim=1)
        clear = 1 - self._ground

        def draw(value: Tensor) -> Tensor:
            radius = value[:, 0].clamp(1e-3, 2.5)
            cover = (scene.draw_ball(self._grid, radius) * clear)[:, self._bottom]
            colour = scene.ball_colour(value[:, 1]) - water
            return (colour[:, :, None] * cover[:, None]).flatten(1)

        value, cost = gauss_newton(
            draw, seen.flatten(1), start, differences=(1e-3, 2e-3), limits=(0.1, 0.05), steps=_STEPS
        )
        total = seen.square().sum(dim=(1, 2))
        found = (total > 1e-6) & (cost < (1 - _SEEN) * total) & (value[:, 0] > 1e-2)
        radius, hue = value.unbind(dim=1)
        return torch.where(found, radius, torch.nan), torch.where(found, torch.remainder(hue, 1.0), torch.nan)

    def _read_jet(self, images: Tensor, grey: Tensor, water: Tensor) -> tuple[Tensor, Tensor]:
        """Fit the gap in the wall and the jet out of it, in front of the water that stands behind."""
        contrast = torch.tensor(scene.JET, device=images.device) - grey[:, None]
        share = torch.einsum("ncp,nc->np", images[:, :, self._outside] - grey[:, None, None], contrast)
        share = share / contrast.square().sum(dim=1, keepdim=True)
        templates = self._jet_templates
        match = share @ templates.T
        start = self._jets[(templates.square().sum(dim=1) - 2 * match).argmin(dim=1)]

        def draw(value: Tensor) -> Tensor:
            hole, flow = value[:, 0].clamp(0.6, 6.0), value[:, 1]
            image = background(grey, self._size)
            image = paint(scene.paint_cup(self._grid, image, water, hole), self._ground, (0.0, 0.0, 0.0))
            image = paint(image, scene.draw_jet(self._grid, hole, flow), scene.JET)
            return image[:, :, self._side].flatten(1)

        seen = images[:, :, self._side].flatten(1)
        value, _ = gauss_newton(
            draw,
            seen,
            nearest(draw, seen, start, _NEAR),
            differences=(2e-3, 2e-3),
            limits=(0.3, 0.5),
            steps=_STEPS,
        )
        hole, flow = value.unbind(dim=1)
        model = scene.draw_jet(self._grid, hole.clamp(0.6, 6.0), flow)[:, self._outside]
        left = (share - model).square().sum(dim=1)
        found = share.square().sum(dim=1) - left > _SEEN * model.square().sum(dim=1)
        edge = self._grid.x_range[1] - scene.RIGHT - _BORDER
        whole = found & (flow > scene.SHORTEST + _FLOOR) & (flow < edge)
        return torch.where(found, hole, torch.nan), torch.where(whole, flow, torch.nan)
