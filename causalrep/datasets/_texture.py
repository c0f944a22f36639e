"""Textures: backgrounds that no small code can hold.

A texture is a sum of 63 plane waves with independent normal amplitudes, cos(pi k x) cos(pi l y) for k, l < 8
but not both zero, on the unit square. It is smooth on the scale of a few pixels, so, unlike noise on each
pixel, it can be seen, and a counterfactual that loses it looks wrong.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["N_WAVES", "draw_texture", "fit_texture"]

_WAVES = 8
N_WAVES = _WAVES * _WAVES - 1
#: Keeps the equations solvable where objects hide most of the background.
_RIDGE = 1e-6


def draw_texture(amplitudes: Tensor, size: int) -> Tensor:
    """Return textures of shape (n, size, size), of variance 1 on average over the picture.

    Parameters
    ----------
    amplitudes : Tensor of shape (n, N_WAVES)
        Standard normal.
    size : int
        Height and width.
    """
    waves = _waves(size).to(amplitudes.device)
    padded = torch.nn.functional.pad(amplitudes.float(), (1, 0)).reshape(-1, _WAVES, _WAVES)
    # sums in a fixed order: a row does not depend, to the last bit, on the rows beside it
    along = torch.zeros((len(padded), _WAVES, size), device=amplitudes.device)
    drawn = torch.zeros((len(padded), size, size), device=amplitudes.device)
    for k in range(_WAVES):
        along = along + padded[:, :, k, None] * waves[k]
    for k in range(_WAVES):
        drawn = drawn + along[:, k, None, :] * waves[k][:, None]
    return drawn / math.sqrt(N_WAVES)


def fit_texture(residual: Tensor, shown: Tensor) -> Tensor:
    """Return the amplitudes whose texture, where the background is seen, comes nearest to `residual`.

    Parameters
    ----------
    residual : Tensor of shape (n, channels, size, size)
        What a picture has beyond its drawing on a plain background.
    shown : Tensor of shape (n, channels, size, size)
        Share of the background that each pixel shows, times the strength of the texture; 0 for pixels
        to leave out.

    Returns
    -------
    Tensor of shape (n, N_WAVES), float32
    """
    size = residual.shape[-1]
    waves = _waves(size).double().to(residual.device)
    # the constant stands for a background that was read a little wrong, and is dropped
    basis = (waves[:, None, :, None] * waves[None, :, None, :]).reshape(_WAVES * _WAVES, -1)
    basis = basis / math.sqrt(N_WAVES)
    weight = shown.double().square().sum(dim=1).flatten(1)
    target = (shown.double() * residual.double()).sum(dim=1).flatten(1)
    normal = torch.einsum("kp,np,lp->nkl", basis, weight, basis)
    scale = normal.diagonal(dim1=1, dim2=2).mean(dim=1).clamp_min(1e-12)
    normal = normal + _RIDGE * scale[:, None, None] * torch.eye(len(basis), device=residual.device)
    amplitudes: Tensor = torch.linalg.solve(normal, (target @ basis.T)[:, :, None])
    return amplitudes[:, 1:, 0].float()


def _waves(size: int) -> Tensor:
    """Return the waves along one axis, shape (8, size), of mean square 1."""
    place = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    order = torch.arange(_WAVES, dtype=torch.float64)[:, None]
    waves = torch.cos(math.pi * order * place) * math.sqrt(2.0)
    waves[0] = 1.0
    return waves.float()
