"""Reading a Pendulum picture back: every label from pixels alone, without training.

The three moving things keep to rows of their own (the light above, the pendulum in the middle,
the shadow on the ground, bare background between light and pendulum), so each is read by itself,
by inverting the renderer in least squares: templates on a grid give the start, Gauss-Newton steps
the fraction of a pixel. Pictures drawn by the world are read to rounding error; a picture drawn
by a network is read as the nearest picture that the world can draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from causalrep.datasets import _pendulum_scene as scene
from causalrep.datasets._rendering import rgb_to_hue

__all__ = ["COLUMNS", "SMALLEST", "Reader"]

COLUMNS = (*scene.LABELS, "background", "hue")

#: From this size on, shadow and bob never share a pixel.
SMALLEST = 16

_ROWS_PER_CHUNK = 512
_STEPS = 5
#: A thing counts as seen if it explains this share of the contrast that its template has.
_SEEN = 0.25
#: How near, in pixels, an end of the shadow may come to the border before it may as well lie outside.
_BORDER = 0.1
#: A shadow read as less than this much longer than the shortest one drawn may be any shorter one.
_FLOOR = 0.05


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
        y, half = whole.centres()[1][:, 0], whole.pixel[1] / 2
        # the light reaches down to 17.5, a pendulum up to 12, a shadow up to about 0
        above, bare, ground = (int((y > limit).sum()) for limit in (17.5 - half, 12.0 + half, half))
        self._pixel = whole.pixel[0]
        self._bands = slice(0, above), slice(above, bare), slice(bare, ground), slice(ground, size)
        self._sky = replace(whole, rows=(0, above))
        self._air = replace(whole, rows=(bare, ground))
        self._light_grid = torch.arange(-2.75, 23.0, self._pixel / 2, device=device)
        self._light_templates = scene.draw_light(self._sky, self._light_grid).flatten(1)
        self._angle_grid = torch.arange(-100.0, 101.0, device=device)
        self._rods = scene.draw_rod(self._air, self._angle_grid).flatten(1)
        self._bobs = scene.draw_bob(self._air, self._angle_grid).flatten(1)
        long, middle = torch.tensor([1000.0], device=device), torch.tensor([10.0], device=device)
        self._ground = scene.draw_shadow(replace(whole, rows=(ground, size)), long, middle)[0, :, 0]

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
        sky, bare, air, ground = (images[:, :, band] for band in self._bands)
        grey = bare.flatten(1).median(dim=1).values.clamp_min(0.05)
        light = self._read_light(sky, grey)
        angle, hue = self._read_pendulum(air, grey)
        length, position = self._read_shadow(ground, grey)
        return torch.stack([angle, light, length, position, grey, hue], dim=1)

    def _read_light(self, sky: Tensor, grey: Tensor) -> Tensor:
        """Fit the place of an orange disc, whole or in part, on the line y = 20.5."""
        contrast = torch.tensor(scene.ORANGE, device=sky.device) - grey[:, None]
        cover = torch.einsum("nchw,nc->nhw", sky - _wide(grey), contrast).flatten(1)
        cover = cover / contrast.square().sum(dim=1, keepdim=True)
        energy = self._light_templates.square().sum(dim=1)
        x = self._light_grid[(energy - 2 * cover @ self._light_templates.T).argmin(dim=1)]
        for _ in range(_STEPS):
            model, slope = _with_slope(self._draw_light, x, step=0.02)
            x = x + _newton_step(cover - model, slope, limit=self._pixel)
        model = self._draw_light(x)
        explained = cover.square().sum(dim=1) - (cover - model).square().sum(dim=1)
        seen = (explained > _SEEN * model.square().sum(dim=1)) & (model.sum(dim=1) > 0.5)
        return _where_seen(seen, scene.light_at(x))

    def _read_pendulum(self, air: Tensor, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Fit the angle of a rod with a bob at its end; the bob's colour is solved for at each angle."""
        pixels, level = air.flatten(2), grey[:, None, None]
        bare = (1 - self._rods) * (1 - self._bobs)
        on_bob = pixels @ self._bobs.T - level * (bare * self._bobs).sum(dim=1)
        cost = level * bare.square().sum(dim=1) * level - 2 * level * (pixels @ bare.T)
        cost = cost - on_bob.square() / self._bobs.square().sum(dim=1)
        angle = self._angle_grid[cost.sum(dim=1).argmin(dim=1)]
        for _ in range(_STEPS):
            shapes, slopes = _with_slope(self._draw_pendulum, angle, step=0.1)
            (rod, bob), (rod_slope, bob_slope) = shapes.chunk(2, dim=1), slopes.chunk(2, dim=1)
            colour, residual = _solve_colour(pixels, level, rod, bob)
            slope = colour * bob_slope - level * (rod_slope * (1 - bob) + (1 - rod) * bob_slope)
            # what the slope shares with the bob's colour is already fitted (variable projection)
            slope = slope - bob * (slope * bob).sum(2, keepdim=True) / bob.square().sum(2, keepdim=True)
            angle = angle + _newton_step(residual.flatten(1), slope.flatten(1), limit=1.0)
        rod, bob = self._draw_pendulum(angle).chunk(2, dim=1)
        colour, residual = _solve_colour(pixels, level, rod, bob)
        explained = (pixels - level).square().sum(dim=(1, 2)) - residual.square().sum(dim=(1, 2))
        contrast = 3 * grey.square() * (rod * (1 - bob)).square().sum(dim=(1, 2))
        seen = (explained > _SEEN * contrast) & (angle.abs() < 100.0)
        colour = colour[:, :, 0]
        chroma = colour.amax(dim=1) - colour.amin(dim=1)
        return _where_seen(seen, angle), _where_seen(seen & (chroma > 0.1), rgb_to_hue(colour))

    def _draw_light(self, x: Tensor) -> Tensor:
        return scene.draw_light(self._sky, x).flatten(1)

    def _draw_pendulum(self, angle: Tensor) -> Tensor:
        """Return the coverages of rod and bob, shape (n, 2, pixels)."""
        rod, bob = scene.draw_rod(self._air, angle), scene.draw_bob(self._air, angle)
        return torch.stack([rod.flatten(1), bob.flatten(1)], dim=1)

    def _read_shadow(self, ground: Tensor, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Fit both ends of a dark interval to the covered share of each column."""
        dark = 1 - ground.mean(dim=1) / grey[:, None, None]
        cover = torch.einsum("nrw,r->nw", dark, self._ground) / self._ground.square().sum()
        left, right = _fit_interval(cover)
        length, position = (right - left) * self._pixel, (left + right) / 2 * self._pixel
        width = cover.shape[1]
        inside = (left > _BORDER) & (right < width - _BORDER)
        # within one border pixel nothing tells a short shadow from the end of a longer one
        inside &= (right > 1 + _BORDER) & (left < width - 1 - _BORDER) & (length > scene.SHORTEST / 2)
        longer = inside & (length > scene.SHORTEST + _FLOOR)
        return _where_seen(longer, length), _where_seen(inside, position)


def _solve_colour(pixels: Tensor, level: Tensor, rod: Tensor, bob: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bob's colour (n, 3, 1) in least squares and what is left of the pixels."""
    rest = pixels - level * (1 - rod) * (1 - bob)
    colour = (rest * bob).sum(dim=2, keepdim=True) / bob.square().sum(dim=2, keepdim=True)
    return colour, rest - colour * bob


def _fit_interval(cover: Tensor) -> tuple[Tensor, Tensor]:
    """Fit an interval to the shares of unit cells that it covers, in least squares.

    Parameters
    ----------
    cover : Tensor of shape (n, width)
        Share of the cell [j, j + 1] that is covered, with errors.

    Returns
    -------
    left, right : Tensor of shape (n,)
    """
    width = cover.shape[1]
    # the run of cells that is more covered than not: largest sum of 2 c - 1, from its prefix sums
    prefix = torch.nn.functional.pad((2 * cover - 1).cumsum(dim=1), (1, 0))
    low, start = prefix[:, :-1].cummin(dim=1)
    last = (prefix[:, 1:] - low).argmax(dim=1)
    first = start.gather(1, last[:, None])[:, 0]
    # each end lies in the last cell of the run or in the next one
    firsts = torch.stack([first, first, first - 1, first - 1], dim=1).clamp(0, width - 1)
    lasts = torch.stack([last, last + 1, last, last + 1], dim=1).clamp(0, width - 1)
    in_first, in_last = cover.gather(1, firsts).clamp(0, 1), cover.gather(1, lasts).clamp(0, 1)
    one_cell = firsts == lasts
    left = torch.where(one_cell, firsts + 0.5 - in_first / 2, firsts + 1 - in_first)
    right = torch.where(one_cell, lasts + 0.5 + in_last / 2, lasts + in_last)
    cell = torch.arange(width, device=cover.device)
    model = torch.minimum(right[..., None], cell + 1) - torch.maximum(left[..., None], cell)
    cost = (model.clamp(0, 1) - cover[:, None]).square().sum(dim=2)
    # inside one cell an interval may as well touch the next: rounding must not choose that over the middle
    cost[:, 0] -= 1e-10
    best = cost.argmin(dim=1, keepdim=True)
    return left.gather(1, best)[:, 0], right.gather(1, best)[:, 0]


def _with_slope(draw: Callable[[Tensor], Tensor], value: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """Return `draw(value)` and its derivative, row by row, by central differences."""
    slope = (draw(value + step) - draw(value - step)) / (2 * step)
    return draw(value), slope


def _newton_step(residual: Tensor, slope: Tensor, *, limit: float) -> Tensor:
    step = (residual * slope).sum(dim=1) / slope.square().sum(dim=1).clamp_min(1e-12)
    return step.clamp(-limit, limit)


def _wide(grey: Tensor) -> Tensor:
    return grey[:, None, None, None]


def _where_seen(seen: Tensor, value: Tensor) -> Tensor:
    return torch.where(seen, value, torch.nan)
