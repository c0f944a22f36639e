"""Training of small networks on tables that fit in memory, until the rows kept aside suffer.

The trainer of `causalrep.representation` stands beside this package, not below it, and is made for stages,
checkpoints and many processes. A network here has seconds to live and one loss.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from causalrep.utils import keyed_torch_generator, progress_bar

if TYPE_CHECKING:
    import torch

__all__ = ["TrainingOptions", "train"]


@dataclass(frozen=True)
class TrainingOptions:
    """How long to train, and in what steps.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of Adam with decoupled decay.
    batch_size, max_epochs : int
        Rows of a step; the largest number of passes.
    patience : int
        Passes without a smaller loss on the rows kept aside after which training ends.
    validation : float in (0, 1)
        Share of the rows that are kept aside.
    progress : bool
        Whether to show a bar.
    """

    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int
    validation: float
    progress: bool = False


def train(
    module: torch.nn.Module,
    loss: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
    strata: np.ndarray[Any, Any],
    options: TrainingOptions,
    seed: int,
) -> int:
    """Fit a module in place to the rows; it ends with its best weights, and the number of passes is returned.

    `loss` is of a module and the numbers of some rows, and brings its own generator where it draws. The rows
    kept aside have equal shares of `strata`.
    """
    import torch

    device = next(module.parameters()).device
    draws = keyed_torch_generator(seed, "batches")
    fit, held = (torch.as_tensor(part) for part in _kept_aside(strata, options.validation, seed))
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    lowest, best, n_passes, since = np.inf, copy.deepcopy(module.state_dict()), 0, 0
    with progress_bar(options.max_epochs, description="fit", enabled=options.progress, unit="pass") as bar:
        while n_passes < options.max_epochs and since < options.patience:
            module.train()
            for batch in fit[torch.randperm(len(fit), generator=draws)].split(options.batch_size):
                optimiser.zero_grad()
                loss(module, batch.to(device)).backward()
                optimiser.step()
            module.eval()
            with torch.no_grad():
                now = float(loss(module, held.to(device)))
            n_passes, since = n_passes + 1, since + 1
            bar.update()
            if now < lowest:
                lowest, best, since = now, copy.deepcopy(module.state_dict()), 0
    module.load_state_dict(best)
    return n_passes


def _kept_aside(
    strata: np.ndarray[Any, Any], share: float, seed: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the rows to fit and those kept aside, at least one of each stratum."""
    import torch

    order = torch.randperm(len(strata), generator=keyed_torch_generator(seed, "aside")).numpy()
    held = [rows[: max(1, round(share * len(rows)))] for rows in _by_stratum(order, strata)]
    aside = np.concatenate(held)
    return np.setdiff1d(order, aside), aside


def _by_stratum(order: np.ndarray[Any, Any], strata: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    return [order[strata[order] == value] for value in np.unique(strata)]
