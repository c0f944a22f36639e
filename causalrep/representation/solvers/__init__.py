"""Noise processes, and deterministic solvers of their probability-flow ODE.

A *process* says how an image is noised and what the network predicts; a *solver*
carries an image to its noise (abduction) and back (prediction), under the same or
under another condition. Neither knows the network: a solver is handed a callable
``denoise(x, t)`` that already closes over the condition.

>>> import torch
>>> from causalrep.representation.solvers import OBELM, RectifiedFlow
>>> process, solver = RectifiedFlow(), OBELM(steps=10)
>>> def denoise(x, t):  # the exact velocity for standard normal data
...     a, s = 1 - t.view(-1, 1, 1, 1), t.view(-1, 1, 1, 1)
...     return (s - a) / (a**2 + s**2) * x
>>> images = torch.linspace(-1, 1, 2 * 3 * 8 * 8).view(2, 3, 8, 8)
>>> noise = solver.encode(process, denoise, images)
>>> noise.shape
torch.Size([2, 2, 3, 8, 8])
>>> bool((solver.decode(process, denoise, noise) - images).abs().max() < 1e-5)
True
"""

from causalrep.representation.solvers._exact import ExactDenoiser
from causalrep.representation.solvers._processes import Process, RectifiedFlow, VariancePreserving
from causalrep.representation.solvers._solvers import DDIM, OBELM, Denoise, Heun, Solver, get_solver

__all__ = [
    "DDIM",
    "OBELM",
    "Denoise",
    "ExactDenoiser",
    "Heun",
    "Process",
    "RectifiedFlow",
    "Solver",
    "VariancePreserving",
    "get_solver",
]
