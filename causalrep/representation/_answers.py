"""What a counterfactual image model infers and answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Abducted", "CounterfactualResult", "Draws", "as_it_is", "chunks"]


@dataclass(frozen=True)
class Abducted:
    """What a model has inferred about images: their causal state and all of their noise.

    One abduction serves any number of interventions; pass it to ``predict_images``.

    Parameters
    ----------
    slots : Tensor of shape (n, n_nodes, slot_dim)
        Endogenous slots.
    noise : dict
        Noise of every node of the model's SCM: a tensor (n, slot_dim) per label, a dict of tensors
        for "image".
    images : Tensor of shape (n, channels, size, size)
        The images, in network units.
    give_back : callable
        Returns a tensor in the library that the images came in.
    changed : tuple of hashable
        Nodes that earlier interventions have changed.
    """

    slots: Tensor
    noise: dict[Hashable, Any]
    images: Tensor
    give_back: Callable[[Tensor], Any]
    changed: tuple[Hashable, ...] = ()

    def __len__(self) -> int:
        return len(self.slots)

    def __getitem__(self, rows: slice | Tensor) -> Abducted:
        """Return some of the rows."""
        noise = {
            node: {k: v[rows] for k, v in value.items()} if isinstance(value, dict) else value[rows]
            for node, value in self.noise.items()
        }
        return replace(self, slots=self.slots[rows], noise=noise, images=self.images[rows])

    @classmethod
    def join(cls, parts: list[Abducted]) -> Abducted:
        """Return the rows of all parts, one after the other."""
        noise = {
            node: (
                {key: torch.cat([part.noise[node][key] for part in parts]) for key in value}
                if isinstance(value, dict)
                else torch.cat([part.noise[node] for part in parts])
            )
            for node, value in parts[0].noise.items()
        }
        return replace(
            parts[0],
            slots=torch.cat([part.slots for part in parts]),
            noise=noise,
            images=torch.cat([part.images for part in parts]),
        )


@dataclass(frozen=True)
class Draws:
    """Counterfactual images for several draws of what abduction leaves open.

    Parameters
    ----------
    images : array of shape (n_draws, n, channels, size, size)
        One set of answers per draw, float32 in [0, 1].
    """

    images: Any

    @property
    def uncertainty(self) -> Any:
        """Standard deviation over the draws, (n, size, size): the root of its mean square over channels."""
        squares = ((self.images - self.images.mean(0)) ** 2).sum(0) / max(1, len(self.images) - 1)
        return squares.mean(1) ** 0.5


@dataclass(frozen=True)
class CounterfactualResult:
    """Counterfactual images, with what is needed to judge them.

    Parameters
    ----------
    images : array of shape (n, channels, size, size)
        What the images would have been, float32 in [0, 1].
    labels : pandas.DataFrame of shape (n, n_nodes)
        The labels that the model intended, in user units: intervened nodes as set, their
        descendants as the mechanisms answered, all others as read off the image.
    factual_labels : pandas.DataFrame of shape (n, n_nodes)
        The labels as the model read them off the given images.
    draws : Draws or None
        Further answers, one for each draw of what abduction leaves open, where they were asked for.
    """

    images: Any
    labels: pd.DataFrame
    factual_labels: pd.DataFrame
    _reconstruct: Callable[[], Any]
    draws: Draws | None = None

    @cached_property
    def reconstruction(self) -> Any:
        """The images under the null intervention: how far they differ is the model's own error."""
        return self._reconstruct()

    @property
    def uncertainty(self) -> Any:
        """Map of pixel-wise standard deviations over the draws, (n, size, size); None without draws."""
        return None if self.draws is None else self.draws.uncertainty


def chunks(n: int, rows: int) -> Iterator[slice]:
    """Yield slices of at most `rows` that cover `n` rows; one empty slice for none."""
    for start in range(0, max(n, 1), rows):
        yield slice(start, start + rows)


def as_it_is(result: Tensor) -> Tensor:
    """Return a tensor as it is."""
    return result
