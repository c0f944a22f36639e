"""How a causal state conditions an image network: as pictures, or as a vector.

A denoiser receives one :class:`Condition`: the slots of the labelled nodes, which of them are
to be used, and the code of everything that is not labelled. Two ways of feeding the slots exist.
:class:`SlotMaps` draws them as spatial maps, one group per node, so that changing one label
changes the network's input only where that node matters; adding them to the time embedding
(the published way) rescales every channel everywhere instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

__all__ = ["Condition", "NodeLinear", "SlotMaps", "slot_features"]


@dataclass(frozen=True)
class Condition:
    """What an image is conditioned on.

    Parameters
    ----------
    slots : Tensor of shape (n, n_nodes, slot_dim)
        Causal state of the labelled nodes, in standardised units.
    code : Tensor of shape (n, nuisance_dim)
        Code of what is not labelled; zero columns where the model has none.
    keep : Tensor of shape (n, n_nodes)
        1 where a slot is shown to the network, 0 where it is withheld.
    code_keep : Tensor of shape (n,)
        The same for the code.
    """

    slots: Tensor
    code: Tensor
    keep: Tensor
    code_keep: Tensor

    @classmethod
    def full(cls, slots: Tensor, code: Tensor) -> Condition:
        """Return the condition that withholds nothing."""
        return cls(slots, code, slots.new_ones(slots.shape[:2]), slots.new_ones(len(slots)))

    def showing(self, shown: Sequence[bool]) -> Condition:
        """Return the condition with only some slots shown; none of them is the null condition of guidance."""
        return replace(self, keep=self.keep * self.keep.new_tensor(shown))

    def of_rows(self, shown: Tensor) -> Condition:
        """Return the condition with the slots of some rows withheld; `shown` is 0 or 1, (n, 1)."""
        return replace(self, keep=self.keep * shown)

    @classmethod
    def concatenate(cls, parts: Sequence[Condition]) -> Condition:
        """Return the rows of all parts, one part after the other."""
        return cls(
            torch.cat([part.slots for part in parts]),
            torch.cat([part.code for part in parts]),
            torch.cat([part.keep for part in parts]),
            torch.cat([part.code_keep for part in parts]),
        )


def slot_features(slots: Tensor) -> Tensor:
    """Return a slot's value with sines and cosines of it, at three frequencies.

    Parameters
    ----------
    slots : Tensor of shape (n, n_nodes, slot_dim)
        Standardised slots.

    Returns
    -------
    Tensor of shape (n, n_nodes, 7 * slot_dim)
        The value and ``sin``, ``cos`` of ``pi f value / 2`` for f in 0.5, 1, 2.
    """
    angles = torch.cat([slots * (torch.pi * frequency / 2) for frequency in (0.5, 1.0, 2.0)], dim=-1)
    return torch.cat([slots, angles.sin(), angles.cos()], dim=-1)


class NodeLinear(nn.Module):
    """One linear layer per node, all of them in one product."""

    def __init__(self, n_nodes: int, n_in: int, n_out: int) -> None:
        super().__init__()
        bound = n_in**-0.5
        self.weight = nn.Parameter(torch.empty(n_nodes, n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_nodes, n_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_nodes, n_in) to (n, n_nodes, n_out)."""
        return torch.einsum("bni,nio->bno", x, self.weight) + self.bias


class SlotMaps(nn.Module):
    """Spatial maps drawn from the slots, at the finest and the coarsest grid of a network.

    Every node draws its own maps from its own slot; one further group is drawn from all slots
    together, because the look of one thing may depend on two nodes at once.

    Parameters
    ----------
    n_nodes, slot_dim : int
        Shape of the slots.
    fine, coarse : int
        Side lengths of the two grids.
    hidden : int, default=64
        Width of the two hidden layers.
    node_maps : (int, int), default=(6, 16)
        Maps per node on the fine and the coarse grid.
    joint_maps : (int, int), default=(8, 32)
        Maps drawn from all nodes together.
    """

    def __init__(
        self,
        n_nodes: int,
        slot_dim: int,
        *,
        fine: int,
        coarse: int,
        hidden: int = 64,
        node_maps: tuple[int, int] = (6, 16),
        joint_maps: tuple[int, int] = (8, 32),
    ) -> None:
        super().__init__()
        self.fine, self.coarse = fine, coarse
        self.node_maps, self.joint_maps = node_maps, joint_maps
        n_features = 7 * slot_dim
        self.node = nn.Sequential(
            NodeLinear(n_nodes, n_features, hidden),
            nn.SiLU(),
            NodeLinear(n_nodes, hidden, hidden),
            nn.SiLU(),
            NodeLinear(n_nodes, hidden, node_maps[0] * fine**2 + node_maps[1] * coarse**2),
        )
        self.joint = nn.Sequential(
            nn.Linear(n_nodes * (n_features + 1), hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, joint_maps[0] * fine**2 + joint_maps[1] * coarse**2),
        )
        self.n_fine = n_nodes * node_maps[0] + joint_maps[0]
        self.n_coarse = n_nodes * node_maps[1] + joint_maps[1]

    def forward(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """Return maps of shape (n, n_fine, fine, fine) and (n, n_coarse, coarse, coarse)."""
        keep = condition.keep[..., None]
        features = slot_features(condition.slots)
        node = self.node(features) * keep
        joint = self.joint(torch.cat([features * keep, keep], dim=-1).flatten(1))
        cut = self.node_maps[0] * self.fine**2
        joint_cut = self.joint_maps[0] * self.fine**2
        n = len(features)
        fine = [node[..., :cut].reshape(n, -1, self.fine, self.fine), joint[:, :joint_cut]]
        coarse = [node[..., cut:].reshape(n, -1, self.coarse, self.coarse), joint[:, joint_cut:]]
        return (
            torch.cat([fine[0], fine[1].reshape(n, -1, self.fine, self.fine)], dim=1),
            torch.cat([coarse[0], coarse[1].reshape(n, -1, self.coarse, self.coarse)], dim=1),
        )
