"""DeepIV: a network for the distribution of the treatment, and one for the outcome that averages over it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._neural_training import TrainingOptions, train
from causalrep.estimators._structural import StructuralEstimator
from causalrep.utils import DataError, RandomState, keyed_seed, keyed_torch_generator, torch_rng

if TYPE_CHECKING:
    import torch

__all__ = ["DeepIV"]

Array = NDArray[np.float64]

_VALIDATION = 0.15


class DeepIV(StructuralEstimator):
    """Learn how the outcome depends on a treatment, of any shape, by two neural networks.

    The first learns the distribution of the treatment given instruments and covariates, a mixture of normals
    or, of two arms, their probability. The second learns the outcome as a function whose mean over that
    distribution is the mean of the outcome. It assumes that the instruments act through the treatment alone,
    that they move its whole distribution, and that what is hidden adds to the outcome.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment.
    instrument : str, int or list of them, default=None
        The same for the instruments; `fit` takes an array of shape (n_samples,) or (n_samples,
        n_instruments).
    n_components : int, default=5
        Normals in the mixture.
    hidden : int or sequence of int, default=(64, 64)
        Widths of the layers of both networks.
    learning_rate : float, default=0.003
        Step size of Adam.
    weight_decay : float, default=0.001
        Penalty on the weights.
    max_epochs : int, default=200
        Most passes over the rows, in each stage.
    patience : int, default=20
        Passes without a gain on rows kept aside (15 %) before a stage stops; its best weights are kept.
    batch_size : int, default=128
        Rows for each step.
    n_draws : int, default=8
        Pairs of treatments drawn for each row and step.
    random_state : int, Generator, RandomState or None, default=None
        Chance in weights, batches and draws.

    Attributes
    ----------
    n_epochs_ : tuple of int
        Passes of both stages.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.

    Raises
    ------
    DataError
        In `fit`: for roles that are missing or given twice, for parameters out of range.

    Notes
    -----
    The second stage minimises ``(y - E[h(t, w) | z, w])^2``. Its gradient is a product of two means; one set
    of draws for both would be biased, so each factor has draws of its own: equation (9) of [1]_, symmetrised.
    Two arms need no draws.

    References
    ----------
    .. [1] J. Hartford, G. Lewis, K. Leyton-Brown, M. Taddy, "Deep IV: a flexible approach for counterfactual
       prediction", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import DeepIV
    >>> rng = np.random.default_rng(0)
    >>> hidden, z, noise = rng.normal(size=(3, 500))
    >>> dose = z + 0.5 * hidden
    >>> y = dose + 2 * hidden + 0.1 * noise
    >>> X = np.column_stack([dose, z])
    >>> est = DeepIV(treatment=0, instrument=1, max_epochs=30, random_state=0).fit(X, y)
    >>> effect = est.effect(X[:1], -1.0, 1.0)[0]
    >>> bool(1 < effect < 3)
    True
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        instrument: str | int | Sequence[str | int] | None = None,
        *,
        n_components: int = 5,
        hidden: int | Sequence[int] = (64, 64),
        learning_rate: float = 0.003,
        weight_decay: float = 0.001,
        max_epochs: int = 200,
        patience: int = 20,
        batch_size: int = 128,
        n_draws: int = 8,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.instrument = instrument
        self.n_components = n_components
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.n_draws = n_draws
        self.random_state = random_state

    def _learn(self, T: Array, W: Array, Z: Array, y: Array, seed: int) -> None:
        for name in ("n_components", "max_epochs", "patience", "batch_size", "n_draws"):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise DataError(f"`{name}` must be an integer of at least 1, got {value!r}")
        if not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise DataError("`learning_rate` must be above 0, and `weight_decay` at least 0")
        import torch

        widths = (self.hidden,) if isinstance(self.hidden, (int, np.integer)) else tuple(self.hidden)
        t, w, around, target = (
            torch.as_tensor(part, dtype=torch.float32) for part in (T, W, np.hstack([Z, W]), y[:, None])
        )
        n_out = 1 if self._arms is not None else 3 * self.n_components
        with torch_rng(keyed_seed(seed, "weights")):
            first = _network(around.shape[1], widths, n_out)
            second = _network(1 + w.shape[1], widths, 1)
        arms = torch.unique(t) if self._arms is not None else None
        draws = keyed_torch_generator(seed, "draws")

        def fit_treatment(network: Any, rows: torch.Tensor) -> Any:
            if arms is not None:
                up = (t[rows] == arms[1]).float()
                return torch.nn.functional.binary_cross_entropy_with_logits(network(around[rows]), up)
            return -_mixture_log_density(network(around[rows]), t[rows]).mean()

        def fit_outcome(network: Any, rows: torch.Tensor) -> Any:
            with torch.no_grad():
                parameters = first(around[rows])
            if arms is not None:
                up = torch.sigmoid(parameters)
                by_arm = [network(torch.cat([arm.expand(len(rows), 1), w[rows]], dim=1)) for arm in arms]
                return ((target[rows] - (1 - up) * by_arm[0] - up * by_arm[1]) ** 2).mean()
            # rows kept aside have the same draws every time, so that passes can be compared
            chance = draws if network.training else keyed_torch_generator(seed, "validation")
            drawn = _mixture_draws(parameters, 2 * self.n_draws, chance)
            wide = w[rows].repeat_interleave(2 * self.n_draws, dim=0)
            values = network(torch.cat([drawn.reshape(-1, 1), wide], dim=1)).reshape(len(rows), 2, -1)
            gaps = target[rows] - values.mean(dim=2)  # two means from independent draws
            return (gaps[:, 0] * gaps[:, 1]).mean()

        options = TrainingOptions(
            float(self.learning_rate),
            float(self.weight_decay),
            int(self.batch_size),
            int(self.max_epochs),
            int(self.patience),
            _VALIDATION,
        )
        alike = np.zeros(len(y))
        self.n_epochs_ = (
            train(first, fit_treatment, alike, options, keyed_seed(seed, "first")),
            train(second, fit_outcome, alike, options, keyed_seed(seed, "second")),
        )
        self._network = second

    def _structural(self, T: Array, W: Array) -> Array:
        import torch

        with torch.no_grad():
            values = self._network(torch.as_tensor(np.hstack([T, W]), dtype=torch.float32))
        return np.asarray(values[:, 0].numpy(), dtype=np.float64)


def _network(n_in: int, widths: Sequence[int], n_out: int) -> torch.nn.Sequential:
    from torch import nn

    sizes = [n_in, *widths]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], n_out))


def _mixture_log_density(parameters: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return the log density of t of shape (n, 1) under mixtures of normals, up to a constant."""
    import torch

    logits, means, logs = parameters.chunk(3, dim=1)
    logs = logs.clamp(-4, 4)  # a normal on a single row has no highest density
    each = torch.log_softmax(logits, dim=1) - logs - 0.5 * ((t - means) * torch.exp(-logs)) ** 2
    return torch.logsumexp(each, dim=1)


def _mixture_draws(parameters: torch.Tensor, n_draws: int, generator: torch.Generator) -> torch.Tensor:
    """Return draws of shape (n, n_draws) from mixtures of normals."""
    import torch

    logits, means, logs = parameters.chunk(3, dim=1)
    chosen = torch.multinomial(torch.softmax(logits, dim=1), n_draws, replacement=True, generator=generator)
    noise = torch.randn(chosen.shape, generator=generator)
    return means.gather(1, chosen) + noise * torch.exp(logs.clamp(-4, 4)).gather(1, chosen)
