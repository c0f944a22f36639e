"""The causal layer: exogenous slots to endogenous slots along a graph, and back.

Node ``i`` has a slot of ``k`` numbers and a small network of its own that reads the slots of its
parents, and of nothing else: where the graph has no path the Jacobian is zero by structure.

    additive:  z_i = u_i + f_i(z_pa(i))
    affine:    z_i = u_i * exp(s_i(z_pa(i))) + f_i(z_pa(i))

Root nodes have ``z_i = u_i``. The map is a bijection for every setting of the parameters.
Equation (1) of Komanduri et al. (2024), evaluated over all ancestors in topological order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["CausalLayer"]


class CausalLayer(nn.Module):
    """Per-node mechanisms between exogenous and endogenous slots.

    Parameters
    ----------
    parents : sequence of sequence of int
        Parents of each node, by index.
    order : sequence of int
        A topological order of the nodes.
    slot_dim : int
        Numbers per slot.
    mechanism : {"additive", "affine"}, default="additive"
        Whether the noise is added to, or also scaled by, a function of the parents.
    hidden : int, optional
        Width of the two hidden layers; default ``max(64, 2 * slot_dim)``.
    """

    def __init__(
        self,
        parents: Sequence[Sequence[int]],
        order: Sequence[int],
        slot_dim: int,
        *,
        mechanism: Literal["additive", "affine"] = "additive",
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        width = max(64, 2 * slot_dim) if hidden is None else hidden
        n_out = slot_dim * (2 if mechanism == "affine" else 1)
        self.parents = tuple(tuple(indices) for indices in parents)
        self.order = tuple(order)
        self.slot_dim = slot_dim
        self.mechanism = mechanism
        self.networks = nn.ModuleDict(
            {
                str(node): nn.Sequential(
                    nn.Linear(len(indices) * slot_dim, width),
                    nn.SiLU(),
                    nn.Linear(width, width),
                    nn.SiLU(),
                    nn.Linear(width, n_out),
                )
                for node, indices in enumerate(self.parents)
                if indices
            }
        )

    def parents_of(self, node: int, slots: Tensor) -> Tensor:
        """Return the slots of a node's parents, (n, n_parents, slot_dim), of all, (n, n_nodes, slot_dim).

        They are stacked, not indexed by a list, which would bring the list to the device each time.
        """
        indices = self.parents[node]
        return torch.stack([slots[:, i] for i in indices], dim=1) if indices else slots[:, :0]

    def location_scale(self, node: int, parents: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return ``f_i`` and ``s_i`` of one node.

        Parameters
        ----------
        node : int
            Index of the node; it must have parents.
        parents : Tensor of shape (n, n_parents, slot_dim)
            Slots of its parents, in the order of ``self.parents[node]``.

        Returns
        -------
        location : Tensor of shape (n, slot_dim)
            What the noise is added to.
        log_scale : Tensor of shape (n, slot_dim) or None
            ``None`` for additive mechanisms.
        """
        out = self.networks[str(node)](parents.flatten(1))
        if self.mechanism == "additive":
            return out, None
        location, log_scale = out.chunk(2, dim=-1)
        return location, 2.0 * torch.tanh(log_scale / 2.0)  # bounded: never overflows, still invertible

    def generate(self, node: int, parents: Tensor, noise: Tensor) -> Tensor:
        """Return the slot of `node` from its parents' slots and its noise, each (n, slot_dim)."""
        if not self.parents[node]:
            return noise
        location, log_scale = self.location_scale(node, parents)
        return location + (noise if log_scale is None else noise * log_scale.exp())

    def abduct(self, node: int, parents: Tensor, slot: Tensor) -> Tensor:
        """Return the noise of `node` that generates `slot`; the inverse of :meth:`generate`."""
        if not self.parents[node]:
            return slot
        location, log_scale = self.location_scale(node, parents)
        return slot - location if log_scale is None else (slot - location) * (-log_scale).exp()

    def forward(self, noise: Tensor) -> Tensor:
        """Map exogenous to endogenous slots, both of shape (n, n_nodes, slot_dim)."""
        slots: list[Tensor] = [noise[:, i] for i in range(noise.shape[1])]
        for node in self.order:
            if self.parents[node]:
                parents = torch.stack([slots[i] for i in self.parents[node]], dim=1)
                slots[node] = self.generate(node, parents, noise[:, node])
        return torch.stack(slots, dim=1)

    def inverse(self, slots: Tensor) -> Tensor:
        """Map endogenous to exogenous slots; the inverse of :meth:`forward`."""
        noise = [
            self.abduct(node, self.parents_of(node, slots), slots[:, node])
            for node in range(len(self.parents))
        ]
        return torch.stack(noise, dim=1)
