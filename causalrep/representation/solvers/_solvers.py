r"""Deterministic solvers of the probability-flow ODE, from data to noise and back.

With levels :math:`0 = s_0 < \dots < s_S`, step lengths :math:`h_i = s_i - s_{i-1}` and slopes
:math:`f_i = f(y_i, t_i)`, each solver has a step towards the noise (*encode*: what was the noise of this
image under this condition?) and one towards the data (*decode*). The network is never evaluated at time 0,
where a prediction of noise has no meaning: a slope at level 0 is asked for with the time of level 1.

States are kept in float32 at least and never clipped: clipping and half precision both break the inversion.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from causalrep.representation.solvers._processes import Process
from causalrep.utils import DataError, UnknownNameError

__all__ = ["DDIM", "OBELM", "Denoise", "Heun", "Solver", "get_solver"]

#: ``denoise(x, t) -> output``: the network under a fixed condition. `x` has shape (B, ...); `t`, of shape
#: (B,), is the time of the *process*, on the device and in the type of `x`; `output` has the shape of `x`.
Denoise = Callable[[Tensor, Tensor], Tensor]

#: ``on_step(done, total)``: called after each step, for progress.
OnStep = Callable[[int, int], object]


class _Path:
    """The ODE of one process and network on one grid: levels 0 (data) to the last (noise)."""

    def __init__(self, process: Process, denoise: Denoise, times: Tensor) -> None:
        self.process = process
        self.denoise = denoise
        self.times = times
        self.s: list[float] = process.position(times).tolist()
        self.last = len(self.s) - 1

    def length(self, level: int) -> float:
        """Return the length ``h`` of the step between `level` and the one below."""
        return self.s[level] - self.s[level - 1]

    def slope(self, y: Tensor, level: int, *, told: int | None = None) -> Tensor:
        """Return the slope at the state `y` of `level`, the network being told the time of another level."""
        x = self.image(y, level)
        t = self.times[level if told is None else told]
        output = self.denoise(x, x.new_full((len(x),), float(t)))
        if output.shape != x.shape:
            raise DataError(
                f"`denoise` must return the shape that it was given, {tuple(x.shape)}, "
                f"got {tuple(output.shape)}"
            )
        return self.process.derivative(x, t, output.to(x.dtype))

    def image(self, y: Tensor, level: int) -> Tensor:
        """Return the state `y` of `level` at the scale of images."""
        return self.process.from_state(y, self.times[level])

    def state(self, x: Tensor, level: int) -> Tensor:
        """Return the image-scale `x` of `level` in the coordinates of the ODE."""
        return self.process.to_state(x, self.times[level])


@dataclass(frozen=True)
class Solver(ABC):
    """A deterministic way from data to noise and back; the base of all solvers.

    A solver holds options only: process, network and condition come with each call, rows do not influence
    each other, no gradient is tracked and no random number is drawn.

    Parameters
    ----------
    steps : int, default=20
        Number of steps, each way.
    start_time : float, optional
        Time at which decoding starts (and encoding ends), by default the process's last. With less, more of
        the factual image is kept in the noise, whatever the condition.

    Raises
    ------
    ValueError
        If there are fewer than `min_steps` steps.
    """

    steps: int = 20
    start_time: float | None = None

    #: How many states make up the noise of one row.
    n_states: ClassVar[int] = 1
    #: Fewest steps that the scheme is defined for.
    min_steps: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.steps < self.min_steps:
            raise ValueError(
                f"`steps` of {type(self).__name__} must be at least {self.min_steps}, got {self.steps}"
            )

    @torch.no_grad()
    def encode(
        self, process: Process, denoise: Denoise, x: Tensor, *, on_step: OnStep | None = None
    ) -> Tensor:
        """Return the noise from which `decode` draws `x` again: abduction of the image noise.

        Parameters
        ----------
        process : Process
            What the network was trained with.
        denoise : callable
            The network under the factual condition: ``denoise(x, t)`` with `x` of shape (B, ...) and `t`
            of shape (B,), the time of the process (not yet `Process.network_time`).
        x : Tensor
            Images, floating point of shape (B, ...), on the scale that the network was trained on.
        on_step : callable, optional
            Called as ``on_step(done, total)`` after each step.

        Returns
        -------
        Tensor
            Noise of shape (B, n_states, ...), float32 or float64; the last state of a row is its image at the
            start time.

        Raises
        ------
        DataError
            If `x` is no batch of floating-point numbers, or `denoise` changes the shape.
        """
        path = _Path(process, denoise, process.grid(self.steps, self.start_time))
        return self._encode(path, _full(x, "`x`"), on_step or _ignore)

    @torch.no_grad()
    def decode(
        self, process: Process, denoise: Denoise, noise: Tensor, *, on_step: OnStep | None = None
    ) -> Tensor:
        """Return the images that `noise` stands for under the condition in `denoise`.

        Parameters
        ----------
        process : Process
            What the network was trained with.
        denoise : callable
            The network under the condition wanted, as for `encode`.
        noise : Tensor
            Noise from `encode` or `start`, of shape (B, n_states, ...).
        on_step : callable, optional
            Called as ``on_step(done, total)`` after each step.

        Returns
        -------
        Tensor
            Images of shape (B, ...), float32 or float64.

        Raises
        ------
        DataError
            If `noise` has another form, or `denoise` changes the shape.
        """
        noise = _full(noise, "`noise`")
        if noise.shape[1] != self.n_states:
            raise DataError(
                f"`noise` must have shape (B, {self.n_states}, ...) for {type(self).__name__}, "
                f"got {tuple(noise.shape)}"
            )
        path = _Path(process, denoise, process.grid(self.steps, self.start_time))
        return self._decode(path, noise, on_step or _ignore)

    @torch.no_grad()
    def start(self, process: Process, denoise: Denoise, x: Tensor) -> Tensor:
        """Return the noise that decodes from the state `x` at the start time.

        For sampling without an image, ``x = process.last_state(normal_draw)``; for fresh instead of abducted
        noise, ``x = process.add_noise(images, normal_draw, t)``.

        Parameters
        ----------
        process : Process
            What the network was trained with.
        denoise : callable
            The network under the condition of the decode to come, as for `encode`.
        x : Tensor
            States at the start time, of shape (B, ...).

        Returns
        -------
        Tensor
            Noise of shape (B, n_states, ...).
        """
        path = _Path(process, denoise, process.grid(self.steps, self.start_time))
        return self._start(path, _full(x, "`x`"))

    def _start(self, path: _Path, x: Tensor) -> Tensor:  # noqa: ARG002
        return x.unsqueeze(1)

    @abstractmethod
    def _encode(self, path: _Path, x: Tensor, on_step: OnStep) -> Tensor: ...

    @abstractmethod
    def _decode(self, path: _Path, noise: Tensor, on_step: OnStep) -> Tensor: ...


@dataclass(frozen=True)
class DDIM(Solver):
    r"""Deterministic DDIM: explicit Euler in the coordinates of the process; first order, one call per step.

    Decode :math:`y_{i-1} = y_i - h_i f(y_i, t_i)`; encode :math:`y_i = y_{i-1} + h_i f(y_{i-1}, t_i)`, where
    the network is told the time of the level above. The two undo each other only as the steps get short.

    Parameters
    ----------
    steps : int, default=20
        Number of steps, each way, at least 1.
    start_time : float, optional
        Time at which decoding starts (and encoding ends), by default the process's last.

    References
    ----------
    Song, Meng, Ermon, "Denoising diffusion implicit models", ICLR 2021, arXiv:2010.02502 (eqs. 12-14).

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.solvers import DDIM, RectifiedFlow
    >>> process = RectifiedFlow(end=0.5)
    >>> to_one = lambda x, t: (x - 1) / t.view(-1, 1)  # the velocity of data that are all 1
    >>> DDIM(steps=5).decode(process, to_one, torch.tensor([[[3.0, 1.0]]]))
    tensor([[1., 1.]])
    """

    def _encode(self, path: _Path, x: Tensor, on_step: OnStep) -> Tensor:
        y = path.state(x, 0)
        for i in range(1, path.last + 1):
            y = y + path.length(i) * path.slope(y, i - 1, told=i)
            on_step(i, path.last)
        return path.image(y, path.last).unsqueeze(1)

    def _decode(self, path: _Path, noise: Tensor, on_step: OnStep) -> Tensor:
        y = path.state(noise[:, 0], path.last)
        for i in range(path.last, 0, -1):
            y = y - path.length(i) * path.slope(y, i)
            on_step(path.last - i + 1, path.last)
        return path.image(y, 0)


@dataclass(frozen=True)
class Heun(Solver):
    """Heun's method (the explicit trapezoidal rule): second order, two calls per step.

    The last step of a decode is one of Euler's, because the slope at the data is not to be had; the first
    step of an encode asks for it with the time of level 1. Both cost one error of the order of the square of
    that step: nothing on the even grid of the flow, but on the even grid of the variance-preserving process,
    where ``s`` grows like the root of the time, that step is long and the whole becomes first order.

    Parameters
    ----------
    steps : int, default=20
        Number of steps, each way, at least 1.
    start_time : float, optional
        Time at which decoding starts (and encoding ends), by default the process's last.

    References
    ----------
    Karras, Aittala, Aila, Laine, "Elucidating the design space of diffusion-based generative models",
    NeurIPS 2022, arXiv:2206.00364 (algorithm 1).

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.solvers import Heun, RectifiedFlow
    >>> process = RectifiedFlow(end=0.5)
    >>> to_one = lambda x, t: (x - 1) / t.view(-1, 1)  # the velocity of data that are all 1
    >>> Heun(steps=5).decode(process, to_one, torch.tensor([[[3.0, 1.0]]]))
    tensor([[1., 1.]])
    """

    def _encode(self, path: _Path, x: Tensor, on_step: OnStep) -> Tensor:
        y = path.state(x, 0)
        for i in range(1, path.last + 1):
            h = path.length(i)
            first = path.slope(y, i - 1, told=max(i - 1, 1))
            second = path.slope(y + h * first, i)
            y = y + h / 2 * (first + second)
            on_step(i, path.last)
        return path.image(y, path.last).unsqueeze(1)

    def _decode(self, path: _Path, noise: Tensor, on_step: OnStep) -> Tensor:
        y = path.state(noise[:, 0], path.last)
        for i in range(path.last, 0, -1):
            h = path.length(i)
            first = path.slope(y, i)
            second = path.slope(y - h * first, i - 1) if i > 1 else first
            y = y - h / 2 * (first + second)
            on_step(path.last - i + 1, path.last)
        return path.image(y, 0)


@dataclass(frozen=True)
class OBELM(Solver):
    r"""O-BELM: a two-step scheme, solved for its one or its other end, so that decode undoes encode.

    With :math:`r = h_i / h_{i+1}`,

    .. math:: y_{i-1} = r^2 y_{i+1} + (1 - r^2) y_i - h_i (1 + r) f_i,

    second order, one call per step. Encoding starts with one step of DDIM; the last two states are the noise.
    The round trip is exact up to rounding *if the slopes are reproduced*: the same condition, and a network
    that gives the same answer twice (on an accelerator, deterministic kernels).

    Parameters
    ----------
    steps : int, default=20
        Number of steps, each way, at least 2.
    start_time : float, optional
        Time at which decoding starts (and encoding ends), by default the process's last.

    References
    ----------
    Wang et al., "BELM: Bidirectional explicit linear multi-step sampler for exact inversion in diffusion
    models", NeurIPS 2024, arXiv:2410.07273 (section 4).

    Examples
    --------
    >>> import torch
    >>> from causalrep.representation.solvers import OBELM, VariancePreserving
    >>> process, solver = VariancePreserving(), OBELM(steps=10)
    >>> def denoise(x, t):  # the exact noise prediction for standard normal data
    ...     return process.sigma(t).view(-1, 1) * x
    >>> x = torch.tensor([[-1.0, 0.5]])
    >>> torch.allclose(solver.decode(process, denoise, solver.encode(process, denoise, x)), x, atol=1e-5)
    True
    """

    n_states: ClassVar[int] = 2
    min_steps: ClassVar[int] = 2

    def _start(self, path: _Path, x: Tensor) -> Tensor:
        y = path.state(x, path.last)
        below = y - path.length(path.last) * path.slope(y, path.last)
        return torch.stack([path.image(below, path.last - 1), x], dim=1)

    def _encode(self, path: _Path, x: Tensor, on_step: OnStep) -> Tensor:
        below = path.state(x, 0)
        y = below + path.length(1) * path.slope(below, 0, told=1)
        on_step(1, path.last)
        for i in range(1, path.last):
            h, ratio = path.length(i + 1), path.length(i + 1) / path.length(i)
            # As a difference to y_i, so that what the ratio amplifies is small.
            above = y + ratio**2 * (below - y) + h * (1 + ratio) * path.slope(y, i)
            below, y = y, above
            on_step(i + 1, path.last)
        return torch.stack([path.image(below, path.last - 1), path.image(y, path.last)], dim=1)

    def _decode(self, path: _Path, noise: Tensor, on_step: OnStep) -> Tensor:
        y, above = path.state(noise[:, 0], path.last - 1), path.state(noise[:, 1], path.last)
        on_step(1, path.last)
        for i in range(path.last - 1, 0, -1):
            h, ratio = path.length(i), path.length(i) / path.length(i + 1)
            below = y + ratio**2 * (above - y) - h * (1 + ratio) * path.slope(y, i)
            y, above = below, y
            on_step(path.last - i + 1, path.last)
        return path.image(y, 0)


_SOLVERS: dict[str, type[Solver]] = {"ddim": DDIM, "heun": Heun, "obelm": OBELM}


def get_solver(solver: str | Solver, *, steps: int = 20) -> Solver:
    """Return the solver of this name, or the solver itself.

    Parameters
    ----------
    solver : {"ddim", "heun", "obelm"} or Solver
        A name, or a solver, which is returned as it is.
    steps : int, default=20
        Number of steps for a name.

    Returns
    -------
    Solver
        The solver.

    Raises
    ------
    UnknownNameError
        If there is no such name.

    Examples
    --------
    >>> from causalrep.representation.solvers import get_solver
    >>> get_solver("obelm", steps=10)
    OBELM(steps=10, start_time=None)
    """
    if isinstance(solver, Solver):
        return solver
    if solver not in _SOLVERS:
        raise UnknownNameError(solver, _SOLVERS, what="`solver`")
    return _SOLVERS[solver](steps=steps)


def _full(x: Tensor, what: str) -> Tensor:
    """Return a batch in float32 or float64."""
    if x.ndim < 2 or not x.is_floating_point():
        raise DataError(
            f"{what} must be a floating-point batch of shape (B, ...), "
            f"got {x.dtype} of shape {tuple(x.shape)}"
        )
    return x if x.dtype == torch.float64 else x.float()


def _ignore(done: int, total: int) -> None:
    """Report no progress."""
