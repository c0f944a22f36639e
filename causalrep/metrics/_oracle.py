"""A trained network that reads labels off images, where no analytic reader is to be had."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from causalrep.metrics._image_errors import check_images
from causalrep.utils import (
    DataError,
    RandomState,
    as_seed,
    columns_of,
    frame_like,
    keyed_torch_generator,
    torch_rng,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelOracle"]

_BATCH, _ROWS = 64, 512


class LabelOracle:
    """A convolutional regressor from images to labels, to read what counterfactuals show.

    Train it on images that no model was trained with. What it says is worth as much as its own error,
    which :func:`counterfactual_report` puts beside it: differences below that are noise.

    Parameters
    ----------
    steps : int, default=1500
        Optimiser steps of 64 images.
    width : int, default=32
        Channels of the first layer.
    random_state : int, numpy Generator, numpy RandomState or None, default=0
        Of the initial weights and the batches.

    Attributes
    ----------
    nodes_ : tuple of hashable
        The labels that it reads.
    error_ : dict of hashable to float
        Mean absolute error of each on the tenth of the images that was held out.

    Examples
    --------
    >>> from causalrep.datasets import pendulum
    >>> from causalrep.metrics import LabelOracle
    >>> s = pendulum(size=16).sample(64, random_state=0)
    >>> oracle = LabelOracle(steps=2).fit(s["image"], s.frame)
    >>> list(oracle.read(s["image"][:3]).columns)
    ['angle', 'light', 'length', 'position']
    """

    def __init__(self, *, steps: int = 1500, width: int = 32, random_state: RandomState = 0) -> None:
        self.steps = steps
        self.width = width
        self.random_state = random_state

    def fit(self, images: Any, labels: Any) -> Self:
        """Train on images and their labels, a tenth held out.

        Parameters
        ----------
        images : array of shape (n_images, n_channels, height, width)
            In [0, 1].
        labels : data frame or mapping
            A column per label, without missing values.

        Returns
        -------
        self
            The fitted oracle.

        Raises
        ------
        DataError
            For fewer than 20 images, labels of another length or not finite.
        """
        import torch

        pixels = torch.from_numpy(check_images(images, "`images`")).float()
        columns = columns_of(labels, what="labels")
        matrix = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
        if len(pixels) < 20 or matrix.shape[0] != len(pixels) or not np.isfinite(matrix).all():
            raise DataError(
                f"`labels` must be finite, one row per image, of at least 20 images, "
                f"got {len(matrix)} rows for {len(pixels)} images"
            )
        seed = as_seed(self.random_state)
        self.nodes_ = tuple(columns)
        self._mean, self._sd = matrix.mean(axis=0), np.maximum(matrix.std(axis=0), 1e-12)
        targets = torch.from_numpy((matrix - self._mean) / self._sd).float()
        with torch_rng(seed):
            self._network = _network(pixels.shape[1], self.width, len(columns))
        n_train = len(pixels) - len(pixels) // 10
        self._train(pixels[:n_train], targets[:n_train], keyed_torch_generator(seed, "oracle"))
        error = np.abs(self._answer(pixels[n_train:]) - matrix[n_train:]).mean(axis=0)
        self.error_: dict[Hashable, float] = dict(zip(self.nodes_, error.tolist(), strict=True))
        return self

    def read(self, images: Any) -> pd.DataFrame:
        """Return the labels that images show.

        Parameters
        ----------
        images : array of shape (n_images, n_channels, height, width)
            In [0, 1].

        Returns
        -------
        pandas.DataFrame
            A column per label.
        """
        import torch

        answer = self._answer(torch.from_numpy(check_images(images, "`images`")).float())
        frame: pd.DataFrame = frame_like({node: answer[:, j] for j, node in enumerate(self.nodes_)})
        return frame

    def _train(self, pixels: Any, targets: Any, generator: Any) -> None:
        import torch

        optimizer = torch.optim.AdamW(self._network.parameters(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=max(self.steps, 2))
        for _ in range(self.steps):
            rows = torch.randint(len(pixels), (_BATCH,), generator=generator)
            loss = (self._network(pixels[rows]) - targets[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    def _answer(self, pixels: Any) -> NDArray[np.float64]:
        import torch

        with torch.no_grad():
            parts = [self._network(part).double().numpy() for part in torch.split(pixels, _ROWS)]
        answer: NDArray[np.float64] = np.concatenate(parts) * self._sd + self._mean
        return answer


def _network(channels: int, width: int, n_labels: int) -> Any:
    """Return three halvings, a 4 x 4 grid of what is left, and a hidden layer."""
    from torch import nn

    layers: list[nn.Module] = []
    before = channels
    for k in range(3):
        after = width * min(2**k, 2)
        layers += [
            nn.Conv2d(before, after, 3, padding=1),
            nn.SiLU(),
            nn.AvgPool2d(2) if k < 2 else nn.Identity(),
        ]
        before = after
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16 * before, 128),
        nn.SiLU(),
        nn.Linear(128, n_labels),
    )
