"""Reading a picture of a digit back: strokes, style and digit from pixels alone, without training.

The renderer is inverted in least squares. Styles vary little, so every digit starts from the mean
style, moved to where the ink is; the three that come nearest are fitted for a few steps, the best to the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

from causalrep.datasets import _digits_scene as scene
from causalrep.datasets._fitting import gauss_newton

__all__ = ["COLUMNS", "SMALLEST", "Reader"]

COLUMNS = (*scene.LABELS, *scene.FACTORS)
SMALLEST = 16

_ROWS_PER_CHUNK = 128
_CANDIDATES = 3
_FIRST_STEPS, _LAST_STEPS = 4, 12
_THINNER = (0.6, 1.5)  # of thickness and ink, to start once more
_SMALLEST_CONTRAST = 0.05
#: A digit counts as seen if it explains this share of what differs from the background.
_SEEN = 0.25
#: Of rotation, slant, scale, shifts, thickness, ink and background.
_DIFFERENCES = (0.01, 0.01, 0.005, 0.002, 0.002, 0.02, 0.01, 0.01)
_LIMITS = (0.2, 0.2, 0.1, 0.03, 0.03, 1.0, 0.3, 0.3)


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
        """Return what `COLUMNS` names, float32 of shape (n, 9); NaN where no digit is seen.

        Parameters
        ----------
        images : Tensor of shape (n, 1, size, size)
            Values in [0, 1].
        """
        if len(images) == 0:
            return torch.empty((0, len(COLUMNS)))
        return torch.cat([self._read(rows[:, 0]) for rows in torch.split(images, _ROWS_PER_CHUNK)])

    def _read(self, images: Tensor) -> Tensor:
        n, seen = len(images), images.flatten(1)
        border = torch.cat([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], dim=1)
        grey = border.median(dim=1).values
        ink = seen.quantile(0.98, dim=1)
        share = ((images - grey[:, None, None]) / (ink - grey).clamp_min(1e-3)[:, None, None]).clamp(0.0, 1.0)
        digits = torch.arange(10, device=images.device)
        # every digit in the mean style, where the ink is
        starts = torch.stack([self._start(share, int(k), ink, grey) for k in digits], dim=1)
        drawn = self._draw(digits.repeat(n), starts.reshape(n * 10, -1)).reshape(n, 10, -1)
        cost = (drawn - seen[:, None]).square().sum(dim=2)
        best = cost.topk(_CANDIDATES, dim=1, largest=False).indices
        pose = starts.gather(1, best[:, :, None].expand(-1, -1, starts.shape[2]))
        poses, lefts = [], []
        for k in range(_CANDIDATES):
            fitted, left = self._fit(seen, best[:, k], pose[:, k], _FIRST_STEPS)
            poses.append(fitted)
            lefts.append(left)
        chosen = torch.stack(lefts, dim=1).argmin(dim=1)
        rows = torch.arange(n, device=images.device)
        digit, start = best[rows, chosen], torch.stack(poses, dim=1)[rows, chosen]
        pose, left = self._fit(seen, digit, start, _LAST_STEPS)
        # thick and dark looks like thin and bright where a pixel is wider than the stroke
        thinner = pose * torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, *_THINNER, 1.0], device=pose.device)
        other, other_left = self._fit(seen, digit, thinner, _LAST_STEPS)
        better = other_left < left
        pose, left = torch.where(better[:, None], other, pose), torch.where(better, other_left, left)
        *style, thickness, strength, background = pose.unbind(dim=1)
        contrast = (seen - background[:, None]).square().sum(dim=1).clamp_min(1e-12)
        visible = (1.0 - left / contrast > _SEEN) & ((strength - background).abs() > _SMALLEST_CONTRAST)
        read = torch.stack([thickness, 255.0 * strength, digit.float(), *style, background], dim=1)
        return torch.where(visible[:, None], read, torch.nan)

    def _draw(self, digit: Tensor, pose: Tensor) -> Tensor:
        share = scene.cover(self._grid, digit, pose[:, :5], pose[:, 5].clamp_min(0.05)).flatten(1)
        return pose[:, 7:] * (1.0 - share) + pose[:, 6:7] * share

    def _fit(self, seen: Tensor, digit: Tensor, pose: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        return gauss_newton(
            lambda value: self._draw(digit, value), seen, pose,
            differences=_DIFFERENCES, limits=_LIMITS, steps=steps,
        )  # fmt: skip

    def _start(self, share: Tensor, digit: int, ink: Tensor, grey: Tensor) -> Tensor:
        """Return a start, shape (n, 8): the mean style, with centre of gravity and area of the picture."""
        n = len(share)
        total = share.sum(dim=(1, 2)).clamp_min(1e-6)
        columns, rows = (part.to(share.device) for part in self._grid.centres())
        x, y = ((share * part).sum(dim=(1, 2)) / total for part in (columns, rows))
        plain = torch.tensor([[0.0, 0.0, 0.975, 0.0, 0.0]], device=share.device)
        area = total * (scene.SIDE / self._grid.size) ** 2
        thickness = (area / scene.lengths().to(share)[digit]).clamp(0.5, 8.0)
        own = scene.cover(self._grid, torch.full((1,), digit, device=share.device), plain, plain[:, 2] * 2)
        own_x, own_y = ((own * part).sum() / own.sum() for part in (columns, rows))
        style = plain.expand(n, -1).clone()
        style[:, 3], style[:, 4] = x - own_x, y - own_y
        return torch.cat([style, torch.stack([thickness, ink, grey], dim=1)], dim=1)
