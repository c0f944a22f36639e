"""The network of a tabular diffusion mechanism, its noise process and its objective."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from causalrep.representation.solvers import Process, VariancePreserving
from causalrep.representation.trainer import draw_rows

__all__ = ["LinearBetas", "NoisePredictor", "TabularObjective"]


@dataclass(frozen=True)
class LinearBetas(VariancePreserving):
    """A discrete diffusion with betas linear between two given values.

    Parameters
    ----------
    n_steps : int, default=100
        Number of noise levels, at least 21.
    prediction : {"epsilon", "v", "sample"}, default="epsilon"
        What the network predicts.
    first, last : float, default=1e-4, 0.1
        The first and the last beta, in (0, 1).
    """

    n_steps: int = 100
    first: float = 1e-4
    last: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        for beta in (self.first, self.last):
            if not 0 < beta < 1:
                raise ValueError(f"`first` and `last` must be in (0, 1), got {beta}")

    def _alpha_bar(self, t: Tensor) -> Tensor:
        table = _alpha_bar_table(self.n_steps, self.first, self.last).to(t.device)
        return table[t.round().long()]


@lru_cache(maxsize=32)
def _alpha_bar_table(n_steps: int, first: float, last: float) -> Tensor:
    """Return alpha-bar at times 0, ..., n_steps, float64 of shape (n_steps + 1,)."""
    betas = torch.linspace(first, last, n_steps, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - betas, 0)])


class NoisePredictor(nn.Module):
    """A perceptron of the noised value, the time and the parents, with one output.

    Parameters
    ----------
    n_parents : int
        Number of columns of the encoded parents.
    width : int
        Units of each hidden layer.
    depth : int
        Number of hidden layers.
    """

    def __init__(self, n_parents: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [4 + n_parents, *[width] * depth]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, x: Tensor, time: Tensor, parents: Tensor) -> Tensor:
        """Return the output for `x` of shape (n,), times in [0, 1] of shape (n,) and parents (n, d)."""
        # the value beside its share of the noise: the product spares the network a multiplication
        features = torch.stack([x, time, time * x, time * time], dim=1)
        output: Tensor = self.layers(torch.cat([features, parents], dim=1))[:, 0]
        return output


class TabularObjective(nn.Module):
    """The squared error of the prediction on noised rows.

    Parameters
    ----------
    network : NoisePredictor
        What is trained.
    process : Process
        How values are noised.
    """

    def __init__(self, network: NoisePredictor, process: Process) -> None:
        super().__init__()
        self.network = network
        self.process = process

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Return the loss of a batch with "value" (n,) and "parents" (n, d)."""
        x0 = batch["value"]
        size, device = tuple(x0.shape), x0.device
        noise = draw_rows(torch.randn, size, generator=generator, device=device)
        # one time in each n-th of the range, in random rows: the batch says the same with less chance
        u = draw_rows(torch.rand, size, generator=generator, device=device)
        ranks = (torch.argsort(u).to(u) + u) / len(u)
        t = self.time_of(ranks.clamp_max(1 - 1e-6))
        predicted = self.network(self.process.add_noise(x0, noise, t), t / self.end, batch["parents"])
        return {"squared_error": (predicted - self.process.target(x0, noise, t)).square().mean()}

    @property
    def end(self) -> float:
        """The time of pure noise: 1 for a flow, the number of levels for a discrete diffusion."""
        return float(self.process.n_steps) if isinstance(self.process, VariancePreserving) else 1.0

    def time_of(self, share: Tensor) -> Tensor:
        """Return the training time at a share in [0, 1) of all times."""
        if isinstance(self.process, VariancePreserving):
            return torch.floor(share * self.process.n_steps) + 1
        return share
