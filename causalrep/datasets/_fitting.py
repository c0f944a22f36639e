"""Least squares for reading pictures: what was drawn, found by drawing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["gauss_newton", "nearest"]

#: Keeps the normal equations solvable where a parameter moves no pixel.
_DAMPING = 1e-9


def nearest(draw: Callable[[Tensor], Tensor], seen: Tensor, start: Tensor, moves: Tensor) -> Tensor:
    """Return, row by row, which of the moves from `start` draws what comes nearest to the picture.

    Parameters
    ----------
    draw : callable
        Parameters of shape (n, k) to pictures of shape (n, pixels).
    seen : Tensor of shape (n, pixels)
        The pictures to explain.
    start : Tensor of shape (n, k)
        Where to look around.
    moves : Tensor of shape (m, k)
        What to add to it.

    Returns
    -------
    Tensor of shape (n, k)
    """
    cost = torch.stack([(seen - draw(start + move)).square().sum(dim=1) for move in moves.to(start)], dim=1)
    return start + moves.to(start)[cost.argmin(dim=1)]


def gauss_newton(
    draw: Callable[[Tensor], Tensor],
    seen: Tensor,
    start: Tensor,
    *,
    differences: Sequence[float],
    limits: Sequence[float],
    steps: int,
) -> tuple[Tensor, Tensor]:
    """Fit the parameters of a drawing, row by row.

    Parameters
    ----------
    draw : callable
        Parameters of shape (n, k) to pictures of shape (n, pixels); a row depends on its own parameters only.
    seen : Tensor of shape (n, pixels)
        The pictures to explain.
    start : Tensor of shape (n, k)
        Where to begin.
    differences : sequence of k floats
        How far to move each parameter for its slope, which is taken by central differences.
    limits : sequence of k floats
        The longest step of each parameter.
    steps : int
        Number of steps; one that makes a row worse is not taken and the next is a quarter as long.

    Returns
    -------
    value : Tensor of shape (n, k)
        The fitted parameters.
    cost : Tensor of shape (n,)
        Sum of squares of what is left.
    """
    value, limit = start, torch.tensor(limits, device=start.device)
    left = seen - draw(value)
    cost, scale = left.square().sum(dim=1), torch.ones(len(start), device=start.device)
    for _ in range(steps):
        step = _step(draw, value, left, differences)
        trial = value + scale[:, None] * torch.maximum(torch.minimum(step, limit), -limit)
        trial_left = seen - draw(trial)
        trial_cost = trial_left.square().sum(dim=1)
        better = trial_cost < cost
        value = torch.where(better[:, None], trial, value)
        left = torch.where(better[:, None], trial_left, left)
        cost = torch.where(better, trial_cost, cost)
        scale = torch.where(better, (2.0 * scale).clamp_max(1.0), scale / 4.0)
    return value, cost


def _step(
    draw: Callable[[Tensor], Tensor], value: Tensor, left: Tensor, differences: Sequence[float]
) -> Tensor:
    """Solve the normal equations, whose conditioning asks for double precision."""
    slopes = []
    for k, h in enumerate(differences):
        move = torch.zeros_like(value)
        move[:, k] = h
        slopes.append((draw(value + move) - draw(value - move)) / (2 * h))
    J = torch.stack(slopes, dim=2).double()
    normal = J.transpose(1, 2) @ J
    diagonal = normal.diagonal(dim1=1, dim2=2)
    floor = diagonal.amax(dim=1, keepdim=True).clamp_min(1e-12)
    normal = normal + torch.diag_embed(_DAMPING * (diagonal + floor))
    step: Tensor = torch.linalg.solve(normal, J.transpose(1, 2) @ left.double()[:, :, None])
    return step[:, :, 0].float()
