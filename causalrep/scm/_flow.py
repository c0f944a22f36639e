"""A conditional flow: any continuous law given the parents, still with one noise that can be told."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._encoding import Encoding
from causalrep.scm._learner import Learner, Rows
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.utils import torch_rng

if TYPE_CHECKING:
    import torch

__all__ = ["Flow", "FlowRegression"]

Floats = NDArray[np.float64]
_BLOCK = 65_536


class Flow(Mechanism):
    """A conditional flow of one number: ``value = T(noise; parents)`` with T rising and normal noise.

    Parameters
    ----------
    flow : zuko.flows.Flow
        A flow of one feature, whose context are the standardised parents.
    shape : tuple of (int, int, tuple of int)
        Number of context columns, bins, and widths of the network.
    encoding : Encoding
        How the parents become a matrix.
    scaling : tuple of arrays
        Mean and deviation of the encoded parents, and of the value.
    """

    def __init__(
        self,
        flow: Any,
        shape: tuple[int, int, tuple[int, ...]],
        encoding: Encoding,
        scaling: tuple[Floats, Floats, float, float],
    ) -> None:
        self.flow = flow
        self.shape = shape
        self.encoding = encoding
        self.scaling = scaling

    def __repr__(self) -> str:
        return f"Flow({type(self.flow).__name__})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The columns of the encoding."""
        return self.encoding.names

    @property
    def monotone(self) -> bool:
        """Always."""
        return True

    @property
    def differentiable(self) -> bool:
        """Always."""
        return True

    def taken_apart(self) -> dict[str, Any]:
        """Return the arguments of `put_together`: shape and weights."""
        weights = {name: value.numpy() for name, value in self.flow.state_dict().items()}
        return {"shape": self.shape, "weights": weights, "encoding": self.encoding, "scaling": self.scaling}

    @classmethod
    def put_together(
        cls,
        shape: tuple[int, int, tuple[int, ...]],
        weights: Mapping[str, Any],
        encoding: Encoding,
        scaling: tuple[Floats, Floats, float, float],
    ) -> Flow:
        """Return the flow of a given shape with given weights."""
        import torch

        flow = made(*shape)
        flow.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
        return cls(flow, shape, encoding, scaling)

    def _through(self, parents: Mapping[Hashable, Array], x: Array, way: str) -> tuple[Floats, Floats]:
        """Return the transformed column and the log slope, block by block."""
        import torch

        centre, spread, *_ = self.scaling
        X = self.encoding.matrix(*(parents[name] for name in self.encoding.names))
        outs, slopes = [], []
        with torch.no_grad():
            for start in range(0, len(X), _BLOCK):
                context = torch.as_tensor((X[start : start + _BLOCK] - centre) / spread, dtype=torch.float64)
                part = torch.as_tensor(np.asarray(x[start : start + _BLOCK]), dtype=torch.float64)[:, None]
                transform = self.flow(context).transform
                out, slope = (transform if way == "to noise" else transform.inv).call_and_ladj(part)
                outs.append(out[:, 0].numpy())
                slopes.append(slope.numpy())
        return np.concatenate(outs), np.concatenate(slopes)

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the values at the noise."""
        *_, mean, scale = self.scaling
        return mean + scale * self._through(parents, noise, "to value")[0]

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the noise of the values."""
        *_, mean, scale = self.scaling
        return self._through(parents, (np.asarray(value) - mean) / scale, "to noise")[0]

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density of each row, shape (n,)."""
        *_, mean, scale = self.scaling
        noise, slope = self._through(parents, (np.asarray(value) - mean) / scale, "to noise")
        return -0.5 * noise**2 - 0.5 * np.log(2 * np.pi) + slope - np.log(scale)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw standard normal numbers."""
        return generator.normal(size=n)


def made(n_context: int, bins: int, hidden: tuple[int, ...]) -> Any:
    """Return a fresh neural spline flow of one feature, in double precision."""
    import zuko

    return zuko.flows.NSF(1, n_context, transforms=1, bins=bins, hidden_features=hidden).double()


class FlowRegression(Learner):
    """Maximum likelihood for a conditional neural spline flow (package zuko, on Torch).

    Parameters
    ----------
    hidden : tuple of int, default=(32, 32)
        Widths of the network that reads the parents.
    bins : int, default=8
        Pieces of the rational-quadratic spline.
    max_epochs : int, default=200
        Passes over the rows; training stops earlier when rows that are kept back no longer gain.

    References
    ----------
    C. Durkan, A. Bekasov, I. Murray, G. Papamakarios, "Neural spline flows", NeurIPS 2019, arXiv:1906.04032.
    """

    name: ClassVar[str] = "flow"

    def __init__(self, hidden: tuple[int, ...] = (32, 32), *, bins: int = 8, max_epochs: int = 200) -> None:
        self.hidden = tuple(hidden)
        self.bins = bins
        self.max_epochs = max_epochs

    def fit(self, rows: Rows, seed: int) -> Flow:
        """Return the mechanism; see `Learner.fit`."""
        import torch

        X, y = rows.matrix, rows.value.astype(np.float64)
        spread = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
        scaling = X.mean(axis=0), spread, float(y.mean()), float(y.std()) or 1.0
        context = torch.as_tensor((X - scaling[0]) / spread, dtype=torch.float64)
        target = torch.as_tensor((y - scaling[2]) / scaling[3], dtype=torch.float64)[:, None]
        with torch_rng(seed):
            shape = X.shape[1], self.bins, self.hidden
            flow = made(*shape)
            self._train(flow, context, target)
        return Flow(flow, shape, rows.encoding, scaling)

    def _train(self, flow: Any, context: torch.Tensor, target: torch.Tensor) -> None:
        """Minimise the negative log-likelihood, and keep the weights that did best on a tenth of the rows."""
        import torch

        n_kept = max(1, len(target) // 10)
        order = torch.randperm(len(target))
        kept, used = order[:n_kept], order[n_kept:]
        optimizer = torch.optim.Adam(flow.parameters(), lr=5e-3)
        n_batches = min(20, max(1, len(used) // 64))
        best, best_state, waited = float("inf"), None, 0
        for _ in range(self.max_epochs):
            for batch in torch.tensor_split(used[torch.randperm(len(used))], n_batches):
                loss = -flow(context[batch]).log_prob(target[batch]).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                score = float(-flow(context[kept]).log_prob(target[kept]).mean())
            waited += 1
            if score < best - 1e-4:
                best, waited = score, 0
                best_state = {name: value.clone() for name, value in flow.state_dict().items()}
            if waited >= 15:
                break
        if best_state is not None:
            flow.load_state_dict(best_state)
