r"""How data are noised, and what the network predicts.

Both processes are Gaussian, :math:`x_t = \alpha(t) x_0 + \sigma(t) \varepsilon`, and share one
deterministic *probability-flow* ODE, which carries the law of the data to the law of the noise:

.. math:: \frac{d y}{d s} = \varepsilon(x, t), \qquad y = x / \alpha(t), \quad s = \sigma(t) / \alpha(t).

In these coordinates the schedule has dropped out of the equation, so that a solver needs to know only a
grid of :math:`s` and the slopes on it. Time runs from the data (``t = 0``) to the noise (``t = end``).

References
----------
Song, Meng, Ermon, "Denoising diffusion implicit models", ICLR 2021, arXiv:2010.02502 (eq. 14).
Song et al., "Score-based generative modeling through stochastic differential equations", ICLR 2021,
arXiv:2011.13456 (section 4.3).
Liu, Gong, Liu, "Flow straight and fast: learning to generate and transfer data with rectified flow",
ICLR 2023, arXiv:2209.03003.
Salimans, Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022,
arXiv:2202.00512 (v prediction).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor

from causalrep.utils import UnknownNameError

__all__ = ["Process", "RectifiedFlow", "VariancePreserving"]

Coordinates = Literal["time", "ratio"]
Prediction = Literal["epsilon", "v", "sample"]


class Process(ABC):
    """How data are noised, and what the network predicts; the base of all processes.

    Times are tensors, either of no dimension (one time for all rows) or of shape (B,) (one per row);
    states are tensors of shape (B, ...). Subclasses give the schedule, the prediction and the grid; the
    coordinates of the probability-flow ODE are ``y = x / alpha`` and ``s = sigma / alpha`` unless a
    subclass has better ones.
    """

    @property
    @abstractmethod
    def last_time(self) -> float:
        """The time at which inference starts: the noisiest level of the default grid."""

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Return the amplitude of the data at `t`, in the shape of `t`."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Return the standard deviation of the noise at `t`, in the shape of `t`."""

    @abstractmethod
    def target(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return what the network is trained to predict from ``add_noise(x0, noise, t)``."""

    @abstractmethod
    def epsilon(self, x: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Return the noise that the network's `output` at ``(x, t)`` stands for."""

    @abstractmethod
    def clean(self, x: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Return the noise-free image that the network's `output` at ``(x, t)`` stands for."""

    @abstractmethod
    def network_time(self, t: Tensor) -> Tensor:
        """Return the time as the network is given it, on a scale of about 0 to 1000."""

    @abstractmethod
    def draw_times(
        self, n: int, *, generator: torch.Generator | None = None, device: torch.device | str | None = None
    ) -> Tensor:
        """Return `n` training times, float32 of shape (n,), drawn from `generator`."""

    @abstractmethod
    def grid(self, steps: int, start: float | None = None) -> Tensor:
        """Return the times of an inference run, increasing from data to noise.

        Parameters
        ----------
        steps : int
            Number of steps, at least 1.
        start : float, optional
            Time at which decoding starts, `last_time` by default; less leaves part of the image in the noise.

        Returns
        -------
        Tensor
            Float64 of shape (steps + 1,), strictly increasing from 0 to `start`.

        Raises
        ------
        ValueError
            If there are no such times.
        """

    def add_noise(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return the noised data ``alpha(t) x0 + sigma(t) noise``."""
        return _per_row(self.alpha(t), x0) * x0 + _per_row(self.sigma(t), x0) * noise

    def last_state(self, noise: Tensor) -> Tensor:
        """Return the state at `last_time` of a draw without any image, to sample from the model.

        Standard normal `noise` is scaled to the standard deviation that data of mean 0 and variance 1 have
        at that time.
        """
        t = torch.tensor(self.last_time, dtype=torch.float64)
        return torch.hypot(self.alpha(t), self.sigma(t)) * noise

    def position(self, t: Tensor) -> Tensor:
        """Return the coordinate ``s`` of the ODE at `t`, increasing in `t`."""
        return self.sigma(t) / self.alpha(t)

    def to_state(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the coordinate ``y`` of the ODE for the image-scale `x` at `t`."""
        return x / _per_row(self.alpha(t), x)

    def from_state(self, y: Tensor, t: Tensor) -> Tensor:
        """Return the image-scale ``x`` for the coordinate `y` of the ODE at `t`: undoes `to_state`."""
        return y * _per_row(self.alpha(t), y)

    def derivative(self, x: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Return the slope ``dy / ds`` where the network, given ``(x, t)``, answered `output`.

        The time is the one that the network was given, also where a solver evaluates it at a state of a
        neighbouring level: predictions of different kinds that agree then give the same slope.
        """
        return self.epsilon(x, t, output)


@dataclass(frozen=True)
class RectifiedFlow(Process):
    r"""Straight paths from data to noise: :math:`x_t = (1 - t) x_0 + t \varepsilon`, predicting the velocity.

    The network predicts :math:`v = \varepsilon - x_0` and is trained on all of (0, 1).

    Parameters
    ----------
    end : float, default=0.98
        Where inference starts, in (0, 1). Just short of 1 a little of the image is left in the noise.
    coordinates : {"time", "ratio"}, default="time"
        Coordinates of the ODE: ``dx/dt = v``, or ``dy/ds = epsilon`` with ``s = t / (1 - t)`` and
        ``y = x / (1 - t)`` as for the variance-preserving process.

    Raises
    ------
    ValueError
        If `end` is not in (0, 1).
    UnknownNameError
        If `coordinates` is neither.

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.solvers import RectifiedFlow
    >>> process = RectifiedFlow(end=0.8)
    >>> process.grid(4)
    tensor([0.0000, 0.2000, 0.4000, 0.6000, 0.8000], dtype=torch.float64)
    >>> process.add_noise(torch.ones(2, 3), torch.zeros(2, 3), torch.tensor([0.25, 0.5]))
    tensor([[0.7500, 0.7500, 0.7500],
            [0.5000, 0.5000, 0.5000]])
    """

    end: float = 0.98
    coordinates: Coordinates = "time"

    def __post_init__(self) -> None:
        if not 0 < self.end < 1:
            raise ValueError(f"`end` must be in (0, 1), got {self.end}")
        _check_name(self.coordinates, get_args(Coordinates), "`coordinates`")

    @property
    def last_time(self) -> float:
        """The time at which inference starts: `end`."""
        return self.end

    def alpha(self, t: Tensor) -> Tensor:
        """Return ``1 - t``."""
        return 1 - t

    def sigma(self, t: Tensor) -> Tensor:
        """Return `t`."""
        return t

    def target(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002
        """Return the velocity ``noise - x0``, which is the same at all times."""
        return noise - x0

    def epsilon(self, x: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Return the noise ``x + (1 - t) v``."""
        return x + _per_row(1 - t, x) * output

    def clean(self, x: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Return the noise-free image ``x - t v``."""
        return x - _per_row(t, x) * output

    def network_time(self, t: Tensor) -> Tensor:
        """Return ``1000 t``, the scale that sinusoidal time embeddings are made for."""
        return 1000 * t

    def draw_times(
        self, n: int, *, generator: torch.Generator | None = None, device: torch.device | str | None = None
    ) -> Tensor:
        """Return `n` times drawn uniformly from [0, 1), float32 of shape (n,)."""
        source = None if generator is None else generator.device
        return torch.rand(n, generator=generator, device=source, dtype=torch.float32).to(device)

    def grid(self, steps: int, start: float | None = None) -> Tensor:
        """Return ``steps + 1`` evenly spaced times from 0 to `start`, by default to `end`."""
        _check_grid(steps, start, self.end)
        return torch.linspace(0, self.end if start is None else start, steps + 1, dtype=torch.float64)

    def position(self, t: Tensor) -> Tensor:
        """Return the coordinate ``s`` of the ODE: `t`, or ``t / (1 - t)``."""
        return t if self.coordinates == "time" else super().position(t)

    def to_state(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the coordinate ``y`` of the ODE: `x`, or ``x / (1 - t)``."""
        return x if self.coordinates == "time" else super().to_state(x, t)

    def from_state(self, y: Tensor, t: Tensor) -> Tensor:
        """Return the image-scale ``x`` for the coordinate `y` of the ODE at `t`."""
        return y if self.coordinates == "time" else super().from_state(y, t)

    def derivative(self, x: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Return the slope ``dy / ds``: the velocity, or the noise."""
        return output if self.coordinates == "time" else self.epsilon(x, t, output)


@dataclass(frozen=True)
class VariancePreserving(Process):
    r"""The discrete diffusion of DDPM: :math:`x_t = \sqrt{\bar a_t} x_0 + \sqrt{1 - \bar a_t} \varepsilon`.

    With :math:`\bar a_t = \prod_{i \le t} (1 - \beta_i)`, betas linear from 1e-4 to 2e-2, both times
    ``1000 / n_steps``. Times are the whole numbers 0 (the data, :math:`\bar a_0 = 1`) to `n_steps`;
    others are rounded.

    Parameters
    ----------
    n_steps : int, default=1000
        Number of noise levels, at least 21 (below, the last beta would not be less than 1).
    prediction : {"epsilon", "v", "sample"}, default="epsilon"
        What the network predicts: the noise, ``v = alpha epsilon - sigma x0``, or the image.

    Raises
    ------
    ValueError
        If `n_steps` is too small.
    UnknownNameError
        If `prediction` is none of the three.

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.solvers import VariancePreserving
    >>> process = VariancePreserving(prediction="v")
    >>> process.grid(4)
    tensor([   0.,  250.,  500.,  750., 1000.], dtype=torch.float64)
    >>> t = torch.tensor([0.0, 1.0, 1000.0])
    >>> process.alpha(t) ** 2
    tensor([1.0000e+00, 9.9990e-01, 4.0358e-05])
    """

    n_steps: int = 1000
    prediction: Prediction = "epsilon"

    def __post_init__(self) -> None:
        if self.n_steps < 21:
            raise ValueError(f"`n_steps` must be at least 21, got {self.n_steps}")
        _check_name(self.prediction, get_args(Prediction), "`prediction`")

    @property
    def last_time(self) -> float:
        """The time at which inference starts: `n_steps`."""
        return float(self.n_steps)

    def alpha(self, t: Tensor) -> Tensor:
        """Return the root of alpha-bar."""
        return self._alpha_bar(t).sqrt().to(_float_type(t))

    def sigma(self, t: Tensor) -> Tensor:
        """Return the root of one minus alpha-bar."""
        return (1 - self._alpha_bar(t)).sqrt().to(_float_type(t))

    def target(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return the noise, ``alpha noise - sigma x0``, or the data, by `prediction`."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "sample":
            return x0
        return _per_row(self.alpha(t), x0) * noise - _per_row(self.sigma(t), x0) * x0

    def epsilon(self, x: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Return the noise that `output` stands for; at ``t = 0`` a predicted image tells no noise."""
        if self.prediction == "epsilon":
            return output
        alpha, sigma = _per_row(self.alpha(t), x), _per_row(self.sigma(t), x)
        if self.prediction == "sample":
            return (x - alpha * output) / sigma
        return alpha * output + sigma * x

    def clean(self, x: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Return the noise-free image that `output` stands for."""
        if self.prediction == "sample":
            return output
        alpha, sigma = _per_row(self.alpha(t), x), _per_row(self.sigma(t), x)
        if self.prediction == "epsilon":
            return (x - sigma * output) / alpha
        return alpha * x - sigma * output

    def network_time(self, t: Tensor) -> Tensor:
        """Return ``t - 1``, the index of the noise level counted from 0, as networks for DDPM expect it."""
        return t - 1

    def draw_times(
        self, n: int, *, generator: torch.Generator | None = None, device: torch.device | str | None = None
    ) -> Tensor:
        """Return `n` times drawn uniformly from 1, ..., `n_steps`, float32 of shape (n,)."""
        source = None if generator is None else generator.device
        times = torch.randint(1, self.n_steps + 1, (n,), generator=generator, device=source)
        return times.to(device=device, dtype=torch.float32)

    def grid(self, steps: int, start: float | None = None) -> Tensor:
        """Return ``steps + 1`` whole times from 0 to `start`, by default to `n_steps`."""
        _check_grid(steps, start, self.last_time)
        end = self.last_time if start is None else float(round(start))
        if steps > end:
            raise ValueError(f"`steps` must be at most {end:.0f}, the number of noise levels, got {steps}")
        return torch.linspace(0, end, steps + 1, dtype=torch.float64).round()

    def _alpha_bar(self, t: Tensor) -> Tensor:
        return _alpha_bar_table(self.n_steps, t.device)[t.round().long()]


@lru_cache(maxsize=32)
def _alpha_bar_table(n_steps: int, device: torch.device) -> Tensor:
    """Return alpha-bar at times 0, ..., n_steps, float64 of shape (n_steps + 1,)."""
    scale = 1000 / n_steps
    betas = torch.linspace(scale * 1e-4, scale * 2e-2, n_steps, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - betas, 0)]).to(device)


def _per_row(value: Tensor, like: Tensor) -> Tensor:
    """Return a value per row, or one for all rows, in a shape that multiplies `like`."""
    return value if value.ndim == 0 else value.view(-1, *[1] * (like.ndim - 1))


def _float_type(t: Tensor) -> torch.dtype:
    return t.dtype if t.dtype.is_floating_point else torch.float32


def _check_name(name: str, known: tuple[str, ...], what: str) -> None:
    if name not in known:
        raise UnknownNameError(name, known, what=what)


def _check_grid(steps: int, start: float | None, last_time: float) -> None:
    if steps < 1:
        raise ValueError(f"`steps` must be at least 1, got {steps}")
    if start is not None and not 0 < start <= last_time:
        raise ValueError(f"`start` must be in (0, {last_time:g}], got {start}")
