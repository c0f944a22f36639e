"""Reading a sprite picture back: shape and pose from pixels alone, without training.

The renderer is inverted in least squares for each of the three shapes: area and centre of gravity give scale
and place, a grid of angles the orientation, Gauss-Newton steps the fraction of a pixel. The shape that leaves
the smallest residual is the one that is read.
"""

from __future__ import annotations

import torch
from torch import Tensor

from causalrep.datasets import _sprites_scene as scene
from causalrep.datasets._fitting import gauss_newton
from causalrep.datasets._rendering import rgb_to_hue

__all__ = ["COLUMNS", "SMALLEST", "Reader"]

COLUMNS = (*scene.LABELS, "background", "hue")
SMALLEST = 16

_ROWS_PER_CHUNK = 128
_FIRST_STEPS, _LAST_STEPS = 4, 6
_ANGLES = (8, 12, 24)
_SMALLEST_CONTRAST = 0.05
#: A sprite counts as seen if it explains this share of what differs from the background.
_SEEN = 0.25
_DIFFERENCES = (0.01, 0.02, 0.003, 0.003, 0.05)  # of scale, orientation, x, y and strength, for slopes
_LIMITS = (0.15, 0.2, 0.03, 0.03, 0.2)  # longest steps


class Reader:
    """Reads pictures of one size.

    Parameters
    ----------
    size : int
        Height and width of the pictures, at least `SMALLEST`.
    """

    def __init__(self, size: int) -> None:
        self._grid = scene.canvas(size)

    def read(self, images: Tensor) -> Tensor:
        """Return what `COLUMNS` names, float32 of shape (n, 7); NaN where it cannot be seen.

        Parameters
        ----------
        images : Tensor of shape (n, 3, size, size)
            Values in [0, 1].
        """
        if len(images) == 0:
            return torch.empty((0, len(COLUMNS)))
        return torch.cat([self._read(rows) for rows in torch.split(images, _ROWS_PER_CHUNK)])

    def _read(self, images: Tensor) -> Tensor:
        border = torch.cat(
            [images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]], dim=2
        )
        grey = border.flatten(1).median(dim=1).values
        contrast = images - grey[:, None, None, None]
        share, colour = _share_and_colour(contrast)
        starts = [self._fit(share, k, self._start(share, k), _FIRST_STEPS) for k in range(3)]
        shape = torch.stack([left for left, _ in starts], dim=1).argmin(dim=1)
        left = torch.zeros(len(images), device=images.device)
        pose = torch.zeros((len(images), 5), device=images.device)
        for k, (_, start) in enumerate(starts):
            rows = shape == k
            left[rows], pose[rows] = self._fit(share[rows], k, start[rows], _LAST_STEPS)
        explained = 1.0 - left / share.square().sum(dim=(1, 2)).clamp_min(1e-12)
        strength = colour.abs().amax(dim=1)
        seen = (explained > _SEEN) & (strength > _SMALLEST_CONTRAST)
        period = torch.tensor(scene.PERIODS, device=images.device)[shape]
        pose = torch.cat([pose[:, :1], torch.remainder(pose[:, 1:2], period[:, None]), pose[:, 2:4]], dim=1)
        labels = torch.cat([shape[:, None].float(), pose], dim=1)
        labels = torch.where(seen[:, None], labels, torch.nan)
        rgb = colour + grey[:, None]
        chroma = rgb.amax(dim=1) - rgb.amin(dim=1)
        hue = torch.where(seen & (chroma > 0.1), rgb_to_hue(rgb), torch.nan)
        return torch.cat([labels, grey[:, None], hue[:, None]], dim=1)

    def _fit(self, share: Tensor, shape: int, pose: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Return the residual and the pose (scale, orientation, x, y, strength) after some steps.

        A small sprite may cover no pixel wholly; its colour is then known up to a factor, the strength.
        """

        def draw(value: Tensor) -> Tensor:
            *place, strength = value.unbind(dim=1)
            return scene.cover(self._grid, shape, *place).flatten(1) * strength[:, None]

        pose, left = gauss_newton(
            draw, share.flatten(1), pose, differences=_DIFFERENCES, limits=_LIMITS, steps=steps
        )
        return left, pose

    def _start(self, share: Tensor, shape: int) -> Tensor:
        n, pixel = len(share), self._grid.pixel[0]
        inside = share.clamp(0.0, 1.0)
        inside = inside * (inside > 0.25)
        total = inside.sum(dim=(1, 2)).clamp_min(1e-6)
        columns, rows = (part.to(share.device) for part in self._grid.centres())
        x, y = ((inside * part).sum(dim=(1, 2)) / total for part in (columns, rows))
        scale = (total * pixel**2 / scene.AREAS[shape]).sqrt() / scene.RADIUS
        count = _ANGLES[shape]
        angles = torch.arange(count, device=share.device) * (scene.PERIODS[shape] / count)
        tried = angles.repeat(n)
        scales, x, y = (part.repeat_interleave(count) for part in (scale, x, y))
        lift = scene.LIFTS[shape] * scene.RADIUS * scales  # from the origin to the centre of gravity
        x, y = x + lift * tried.sin(), y - lift * tried.cos()
        drawn = scene.cover(self._grid, shape, scales, tried, x, y)
        cost = (drawn.reshape(n, count, *share.shape[1:]) - share[:, None]).square().sum(dim=(2, 3))
        best = cost.argmin(dim=1, keepdim=True)
        place = [part.reshape(n, count).gather(1, best)[:, 0] for part in (tried, x, y)]
        return torch.stack([scale, *place, torch.ones_like(scale)], dim=1)


def _share_and_colour(contrast: Tensor) -> tuple[Tensor, Tensor]:
    """Return which share of each pixel the sprite covers, and its colour less the background, (n, 3).

    The pixels that differ most lie wholly inside the sprite and give the colour.
    """
    strength = contrast.abs().amax(dim=1)
    full = (strength > 0.9 * strength.amax(dim=(1, 2), keepdim=True)).float()
    colour = (contrast * full[:, None]).sum(dim=(2, 3)) / full.sum(dim=(1, 2))[:, None]
    energy = colour.square().sum(dim=1).clamp_min(1e-12)
    return torch.einsum("nchw,nc->nhw", contrast, colour) / energy[:, None, None], colour
