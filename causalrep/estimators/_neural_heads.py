"""Networks with one trunk and a head for each arm, and the losses of TARNet, CFRNet and DragonNet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from causalrep.estimators._neural_training import TrainingOptions, train
from causalrep.utils import keyed_seed, torch_rng

if TYPE_CHECKING:
    import torch

__all__ = ["Head", "Heads", "linear_mmd", "wasserstein"]

Array = NDArray[np.float64]

_LEAST_PROPENSITY = 0.01  # in the weights of targeted regularisation


class Heads(BaseEstimator):  # type: ignore[misc]
    """A network for means of the outcome in each arm, and for the propensity, fitted to both arms at once.

    The last column of the rows of `fit` and `predict_each` is the treatment, 0 or 1.

    Parameters
    ----------
    kind : {"tarnet", "cfrnet", "dragonnet"}
        What the loss has beside the squared error.
    hidden : int
        Width of the trunk; the layers of the heads are half as wide.
    strength : float
        Of what the loss has beside the squared error.
    distance : {"mmd", "wasserstein"}
        Between the arms, for ``"cfrnet"``.
    options : TrainingOptions
        How to train.
    device, dtype : str
        Of the network.
    random_state : int
        Chance in weights and batches.
    """

    def __init__(
        self,
        kind: str,
        hidden: int,
        strength: float,
        distance: str,
        options: TrainingOptions,
        device: str,
        dtype: str,
        random_state: Any = None,
    ) -> None:
        self.kind = kind
        self.hidden = hidden
        self.strength = strength
        self.distance = distance
        self.options = options
        self.device = device
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Array, y: Array, sample_weight: Array | None = None) -> Heads:
        """Fit the network to standardised covariates and outcomes."""
        import torch

        W, t = X[:, :-1], X[:, -1]
        self.center_, spread = W.mean(axis=0), W.std(axis=0)
        self.spread_ = np.where(spread > 0, spread, 1.0)
        self.shift_, self.scale_ = float(y.mean()), float(y.std()) or 1.0
        weight = np.ones(len(y)) if sample_weight is None else sample_weight / sample_weight.mean()
        share = np.average(t, weights=weight)
        weight = weight * (t / share + (1 - t) / (1 - share)) / 2  # both arms count alike
        seed = int(self.random_state or 0)
        with torch_rng(keyed_seed(seed, "weights")):
            self.network_ = _network(W.shape[1], self.hidden).to(self.device, getattr(torch, self.dtype))
        rows = [self._tensor((W - self.center_) / self.spread_)]
        rows += [self._tensor(part) for part in (t, (y - self.shift_) / self.scale_, weight)]

        def loss(network: torch.nn.Module, chosen: torch.Tensor) -> torch.Tensor:
            return self._loss(network, *(part[chosen] for part in rows))

        self.n_epochs_ = train(self.network_, loss, t, self.options, seed)
        return self

    def _tensor(self, values: Array) -> torch.Tensor:
        import torch

        return torch.as_tensor(values).to(self.device, getattr(torch, self.dtype))

    def _loss(
        self,
        network: Any,
        w: torch.Tensor,
        t: torch.Tensor,
        y: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        import torch

        inner = network["trunk"](w)
        mean = torch.where(t > 0, network["treated"](inner)[:, 0], network["control"](inner)[:, 0])
        loss = (weight * (y - mean) ** 2).mean()
        if self.kind == "cfrnet" and 0 < int((t > 0).sum()) < len(t):
            distance = linear_mmd if self.distance == "mmd" else wasserstein
            loss = loss + self.strength * distance(inner[t > 0], inner[t == 0])
        if self.kind == "dragonnet":
            logit = network["propensity"](inner)[:, 0]
            loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(logit, t)
            e = torch.sigmoid(logit.detach()).clamp(_LEAST_PROPENSITY, 1 - _LEAST_PROPENSITY)
            moved = mean + network["targeted"].weight[0, 0] * (t / e - (1 - t) / (1 - e))
            loss = loss + self.strength * ((y - moved) ** 2).mean()
        return loss

    def heads(self, W: Array) -> Array:
        """Return the mean outcomes of controls and treated and the propensity, of shape (n_rows, 3)."""
        import torch

        with torch.no_grad():
            inner = self.network_["trunk"](self._tensor((W - self.center_) / self.spread_))
            names = ("control", "treated", "propensity")
            control, treated, logit = (self.network_[name](inner)[:, 0].cpu().double() for name in names)
        means = [self.shift_ + self.scale_ * part.numpy() for part in (control, treated)]
        return np.stack([*means, torch.sigmoid(logit).numpy()], axis=1)

    def predict_each(self, X: Array) -> Array:
        """Return what the heads say of rows with a last column, the treatment, that does not matter."""
        return self.heads(X[:, :-1])


class Head(BaseEstimator):  # type: ignore[misc]
    """One head of a fitted network, as a model of its own."""

    def __init__(self, network: Heads, column: int) -> None:
        self.network = network
        self.column = column

    def predict(self, X: Array) -> Array:
        """Return the means."""
        return np.asarray(self.network.heads(X)[:, self.column])


def _network(n_in: int, hidden: int) -> torch.nn.ModuleDict:
    from torch import nn

    def head() -> nn.Module:
        return nn.Sequential(nn.Linear(hidden, hidden // 2), nn.ELU(), nn.Linear(hidden // 2, 1))

    trunk = nn.Sequential(nn.Linear(n_in, hidden), nn.ELU(), nn.Linear(hidden, hidden), nn.ELU())
    targeted = nn.Linear(1, 1, bias=False)  # holds the one parameter of targeted regularisation
    nn.init.zeros_(targeted.weight)
    parts = {"trunk": trunk, "control": head(), "treated": head(), "propensity": nn.Linear(hidden, 1)}
    return nn.ModuleDict({**parts, "targeted": targeted})


def linear_mmd(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the squared distance of two means: the maximum mean discrepancy of the linear kernel."""
    return ((a.mean(dim=0) - b.mean(dim=0)) ** 2).sum()


def wasserstein(
    a: torch.Tensor, b: torch.Tensor, *, smoothing: float = 0.05, n_steps: int = 50
) -> torch.Tensor:
    """Return the cost of moving rows onto others, by the steps of Sinkhorn on logarithms.

    The entropy weighs `smoothing` times the mean distance, so that rescaled rows have a rescaled cost.
    """
    import torch

    cost = torch.cdist(a, b)
    eps = smoothing * cost.detach().mean().clamp_min(1e-12)
    f, g = cost.new_zeros(len(a)), cost.new_zeros(len(b))
    log_a, log_b = -np.log(len(a)), -np.log(len(b))
    for _ in range(n_steps):
        f = -eps * torch.logsumexp((g[None, :] - cost) / eps + log_b, dim=1)
        g = -eps * torch.logsumexp((f[:, None] - cost) / eps + log_a, dim=0)
    plan = torch.exp((f[:, None] + g[None, :] - cost) / eps + log_a + log_b)
    return (plan * cost).sum()
