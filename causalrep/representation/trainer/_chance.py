"""Chance and row order that depend on (seed, stage, step) alone, never on the history of draws.

A training that resumes at step s, or that runs on another number of processes, finds the very
same rows and, through :func:`draw_rows`, the very same noise for each of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from causalrep.utils import DataError, keyed_seed, keyed_torch_generator

__all__ = ["BatchGenerator", "RowOrder", "Share", "draw_rows", "held_out_rows", "split_batch", "steps_done"]


@dataclass(frozen=True)
class Share:
    """Rows ``start:stop`` of a global batch of `total` rows."""

    start: int
    stop: int
    total: int


def split_batch(total: int, parts: int) -> list[Share]:
    """Cut a batch of `total` rows into `parts` shares whose sizes differ by at most one."""
    if parts > total:
        raise DataError(
            f"a batch of {total} rows cannot be split into {parts} parts "
            "(processes times `gradient_accumulation`)"
        )
    edges = [total * part // parts for part in range(parts + 1)]
    return [Share(start, stop, total) for start, stop in itertools.pairwise(edges)]


class BatchGenerator(torch.Generator):
    """The generator of one call of a module, which also knows its share of the global batch.

    As a plain generator it is a stream of its own for every share, so that no two processes draw
    the same noise. :func:`draw_rows` reads the stream of the whole batch instead.
    """

    step_was_read = False
    """Whether anybody has asked for :attr:`step`: what is computed then differs from step to step."""

    @property
    def step(self) -> int | None:
        """Optimiser steps done before this call; None in a validation."""
        self.step_was_read = True
        return self._step

    def key(self, share: Share, seed: int, *keys: object, step: int | None = None) -> BatchGenerator:
        """Go to the stream that `seed` and `keys` address, for the rows of `share`."""
        self.share = share
        self._seed, self._keys, self._step = seed, keys, step
        self._batch_is_keyed = False
        self.local_seed = keyed_seed(seed, *keys, "share", share.start, share.stop, share.total)
        self.manual_seed(self.local_seed)
        return self

    @property
    def batch(self) -> torch.Generator:
        """The stream of the whole batch, the same on every process."""
        if not hasattr(self, "_batch"):
            self._batch = torch.Generator(self.device)
        if not self._batch_is_keyed:
            self._batch.manual_seed(keyed_seed(self._seed, *self._keys, "batch"))
            self._batch_is_keyed = True
        return self._batch


def draw_rows(
    sampler: Callable[..., Tensor],
    shape: tuple[int, ...],
    *,
    generator: torch.Generator | None,
    **options: Any,
) -> Tensor:
    """Draw noise whose leading axis is the rows of the batch, whatever the number of processes.

    A module that draws all of its noise with this function computes the same objective on one
    process, on several, and with accumulated gradients: the noise of the whole batch is drawn and
    this call's rows of it are returned. With a plain generator it is ``sampler(shape)``.

    Parameters
    ----------
    sampler : callable
        ``torch.randn``, ``torch.rand`` or any function of a shape and ``generator=``.
    shape : tuple of int
        Shape of the answer; the first entry is the number of rows of the batch.
    generator : torch.Generator or None
        The generator that the module was called with.
    **options
        Further arguments of `sampler`, such as ``device`` and ``dtype``.

    Returns
    -------
    Tensor of shape `shape`

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.trainer import draw_rows
    >>> draw_rows(torch.rand, (2, 3), generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3])
    """
    if not isinstance(generator, BatchGenerator):
        return sampler(shape, generator=generator, **options)
    share = generator.share
    if shape[0] != share.stop - share.start:
        rows = share.stop - share.start
        raise DataError(f"the first axis of `shape` must be the {rows} rows of the batch, got {shape[0]}")
    whole = sampler((share.total, *shape[1:]), generator=generator.batch, **options)
    return whole[share.start : share.stop]


def steps_done(generator: torch.Generator | None) -> int | None:
    """Return how many optimiser steps the stage has done, for losses whose weights depend on it.

    None where nobody counts: in a validation, or with a plain generator.
    """
    return generator.step if isinstance(generator, BatchGenerator) else None


class RowOrder:
    """Which rows make the batch of each step: epochs of all rows, shuffled, one after the other.

    A batch that reaches the end of an epoch is filled from the next one, so all have one size.

    Parameters
    ----------
    rows : Tensor of int64, shape (n,)
        The rows to train on.
    batch_size : int
        Rows per step.
    seed : int
        With `keys`, addresses the shuffles.
    *keys : object
        Names of the stream.
    blocks : (int, int), default=(1, 1)
        For rows that are read in blocks, which are costly: rows of a block, and blocks of a window. Blocks
        are shuffled, and the rows of so many blocks after one another among themselves; with blocks of one
        row, all rows are.
    """

    def __init__(
        self, rows: Tensor, batch_size: int, seed: int, *keys: object, blocks: tuple[int, int] = (1, 1)
    ) -> None:
        self._rows, self._size, self._blocks = rows, batch_size, blocks
        self._seed, self._keys = seed, keys
        self._epochs: dict[int, Tensor] = {}

    def batch(self, step: int) -> Tensor:
        """Return the rows of step 0, 1, ..., of shape (batch_size,)."""
        first, length = step * self._size, len(self._rows)
        pieces, position, end = [], first, first + self._size
        while position < end:
            epoch, offset = divmod(position, length)
            piece = self._epoch(epoch)[offset : offset + end - position]
            pieces.append(piece)
            position += len(piece)
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _epoch(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            self._epochs = {key: value for key, value in self._epochs.items() if key == epoch - 1}
            generator = keyed_torch_generator(self._seed, *self._keys, "epoch", epoch)
            self._epochs[epoch] = self._shuffled(generator)
        return self._epochs[epoch]

    def _shuffled(self, generator: torch.Generator) -> Tensor:
        block, window = self._blocks
        if block == 1:
            order = torch.randperm(len(self._rows), generator=generator)
            return self._rows[order.to(self._rows.device)]
        counts = (self._rows // block).unique_consecutive(return_counts=True)[1]
        parts = self._rows.split(counts.tolist())
        order = torch.randperm(len(parts), generator=generator)
        pieces = []
        for chosen in order.split(window):
            rows = torch.cat([parts[number] for number in chosen.tolist()])
            pieces.append(rows[torch.randperm(len(rows), generator=generator).to(rows.device)])
        return torch.cat(pieces)


def held_out_rows(n_rows: int, fraction: float | None, seed: int) -> tuple[Tensor, Tensor]:
    """Return the training rows and the held-out rows, both ascending.

    The held-out rows of a smaller fraction are among those of a larger one.
    """
    if fraction is None:
        return torch.arange(n_rows), torch.arange(0)
    count = max(1, round(fraction * n_rows))
    if count >= n_rows:
        raise DataError(f"holding out {fraction:g} of {n_rows} row(s) leaves none to train on")
    order = torch.randperm(n_rows, generator=keyed_torch_generator(seed, "trainer", "held out"))
    return order[count:].sort().values, order[:count].sort().values
