"""A diffusion model of one number given its parents, as a mechanism: its noise can be told.

Encoding is the deterministic way from the value to the noise under the factual parents, decoding the way back
under any others (Chao et al. 2024). In one dimension paths of the ODE do not cross, so the learned map from
noise to value is rising whatever the parents; if the true mechanism is monotone in its noise too, and the
encoded noise is independent of the parents, the counterfactual is exact up to the error of the fit (their
theorem 1).
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalrep.representation._tabular_network import LinearBetas, NoisePredictor, TabularObjective
from causalrep.representation.solvers import DDIM, Heun, Process, RectifiedFlow, Solver
from causalrep.representation.trainer import Stage, Trainer, TrainingLog
from causalrep.scm import Learner, Mechanism
from causalrep.scm._codec import register
from causalrep.scm._encoding import Encoding
from causalrep.scm._learner import Rows
from causalrep.utils import DataError, RandomState, UnknownNameError, as_seed, keyed_seed, torch_rng

__all__ = ["DiffusionMechanism"]

Floats: TypeAlias = NDArray[np.float64]
Preset: TypeAlias = Literal["quick", "paper"]

_BLOCK = 65_536  # rows that go through the network at once
_STEP = 1e-3  # of the difference quotient, in standard deviations of the value
_PRESETS: Mapping[str, dict[str, Any]] = {
    "quick": {"max_steps": 1500, "batch_size": 256, "learning_rate": 4e-3},
    "paper": {
        "max_steps": 20_000,
        "batch_size": 64,
        "learning_rate": 1e-4,
        "schedule": "constant",
        "weight_decay": 0.0,
    },
}


class DiffusionMechanism(Mechanism):
    """A continuous node by a conditional diffusion model with deterministic encoding and decoding.

    Give it to `SCM` after `fit`, or unfitted to `SCM.fit`. Parents may be numbers or categories. Use it where
    the noise does not simply add: for additive noise, splines are better and a thousand times faster.

    Parameters
    ----------
    preset : {"quick", "paper"}, default="quick"
        "paper": a discrete diffusion of 100 levels with betas from 1e-4 to 0.1, trained with batches of 64 at
        the rate 1e-4 and solved by DDIM in 100 steps, as Chao et al. do it. "quick": straight paths, larger
        batches, a falling rate and Heun's method in 20 steps: a tenth of the steps at the same error.
    width, depth : int, default=64, 3
        Units and number of the hidden layers.
    max_steps : int, optional
        Steps of training; default: 1500, or 20,000 with "paper".
    solver : Solver, optional
        How the ODE is solved, both ways; one without memory (DDIM, Heun).
    device : str, default="cpu"
        Where the training runs. Answers are computed on the CPU in double precision.

    Attributes
    ----------
    log_ : TrainingLog
        The course of the training.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    DataError
        If the solver has memory.

    References
    ----------
    P. Chao, P. Blöbaum, S. Patel, S. P. Kasiviswanathan, "Modeling causal mechanisms with diffusion models
    for interventional and counterfactual queries", TMLR 2024, arXiv:2302.00860.
    X. Liu, C. Gong, Q. Liu, "Flow straight and fast: learning to generate and transfer data with rectified
    flow", ICLR 2023, arXiv:2209.03003.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.representation import DiffusionMechanism
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=500)
    >>> y = x * np.exp(0.5 * rng.normal(size=500))
    >>> m = DiffusionMechanism(width=16, max_steps=50).fit({"X": x}, y, random_state=0)
    >>> noise = m.abduct({"X": x[:3]}, y[:3])
    >>> bool(np.allclose(m.forward({"X": x[:3]}, noise), y[:3], atol=0.01))
    True
    """

    def __init__(
        self,
        preset: Preset = "quick",
        *,
        width: int = 64,
        depth: int = 3,
        max_steps: int | None = None,
        solver: Solver | None = None,
        device: str = "cpu",
    ) -> None:
        if preset not in _PRESETS:
            raise UnknownNameError(preset, _PRESETS, what="`preset`")
        self.preset = preset
        self.width, self.depth = width, depth
        self.max_steps = _PRESETS[preset]["max_steps"] if max_steps is None else max_steps
        self.process: Process = RectifiedFlow(end=0.999) if preset == "quick" else LinearBetas()
        self.solver = (Heun(20) if preset == "quick" else DDIM(100)) if solver is None else solver
        if self.solver.n_states != 1:
            raise DataError(f"`solver` must be one without memory, as DDIM or Heun, got {self.solver!r}")
        self.device = device
        self.network_: NoisePredictor | None = None

    def __repr__(self) -> str:
        return f"DiffusionMechanism({self.preset!r}, width={self.width}, max_steps={self.max_steps})"

    @property
    def parents(self) -> tuple[Hashable, ...] | None:
        """The parents that it was fitted to; None before."""
        return None if self.network_ is None else self.encoding_.names

    @property
    def monotone(self) -> bool:
        """Always: paths of an ODE on the line do not cross."""
        return True

    @property
    def learner(self) -> Learner | None:
        """What `SCM.fit` learns the mechanism with; None once it is fitted."""
        return _DiffusionLearner(self) if self.network_ is None else None

    def fit(
        self,
        parents: Mapping[Hashable, Any],
        value: Any,
        *,
        random_state: RandomState = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Learn the mechanism from rows.

        Parameters
        ----------
        parents : mapping of node to array of shape (n,)
            Values of the parents, at least one.
        value : array of shape (n,)
            Values of the node.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of the training.
        checkpoint : path, optional
            Folder in which the state of the training is kept; with it, an interrupted training is resumed.

        Returns
        -------
        DiffusionMechanism
            Itself.

        Raises
        ------
        DataError
            If there is no parent, values are not finite or all the same, or numbers of rows differ.
        DeviceError
            If `device` is not there.
        """
        columns = {name: np.asarray(column) for name, column in parents.items()}
        y = np.asarray(value, dtype=np.float64)
        _check_rows(columns, y)
        encoding = Encoding.of(columns)
        X = encoding.matrix(*columns.values())
        spread = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
        scaling = X.mean(axis=0), spread, float(y.mean()), float(y.std())
        data = {
            "value": torch.as_tensor((y - scaling[2]) / scaling[3], dtype=torch.float32),
            "parents": torch.as_tensor((X - scaling[0]) / spread, dtype=torch.float32),
        }
        seed = as_seed(random_state)
        with torch_rng(keyed_seed(seed, "initial weights")):
            network = NoisePredictor(X.shape[1], self.width, self.depth)
        self.log_ = self._train(network, data, seed, checkpoint)
        self.encoding_, self.scaling_ = encoding, scaling
        self.network_ = network.cpu().double().requires_grad_(False)
        return self

    def _train(
        self, network: NoisePredictor, data: dict[str, Tensor], seed: int, checkpoint: Any
    ) -> TrainingLog:
        settings = {**_PRESETS[self.preset], "max_steps": self.max_steps}
        settings["batch_size"] = min(settings["batch_size"], len(data["value"]))
        stage = Stage("diffusion", TabularObjective(network, self.process), **settings)
        trainer = Trainer(device=self.device, precision="no", seed=seed, checkpoint=checkpoint)
        return trainer.run([stage], data, configuration={"process": repr(self.process)})

    def _fitted(self) -> NoisePredictor:
        if self.network_ is None:
            from sklearn.exceptions import NotFittedError

            raise NotFittedError("the mechanism was not fitted; call fit(parents, value), or SCM.fit(data)")
        return self.network_

    def _matrix(self, parents: Mapping[Hashable, Any]) -> Floats:
        centre, spread, *_ = self.scaling_
        columns = (_to_numpy(parents[name]) for name in self.encoding_.names)
        scaled: Floats = (self.encoding_.matrix(*columns) - centre) / spread
        return scaled

    def _carried(self, parents: Floats, states: Floats, way: Literal["encode", "decode"]) -> Floats:
        """Carry standardised values to noise, or noise to values, block by block."""
        network, process = self._fitted(), self.process
        end = TabularObjective(network, process).end
        # the noise is the last state in units of its deviation, so that it is standard normal
        unit = float(process.last_state(torch.ones((), dtype=torch.float64)))
        out = []
        for start in range(0, len(states), _BLOCK):
            X = torch.as_tensor(parents[start : start + _BLOCK])
            part = torch.as_tensor(states[start : start + _BLOCK])[:, None]

            def denoise(x: Tensor, t: Tensor, X: Tensor = X) -> Tensor:
                output: Tensor = network(x[:, 0], t / end, X)
                return output[:, None]

            if way == "encode":
                out.append(self.solver.encode(process, denoise, part)[:, 0, 0] / unit)
            else:
                out.append(self.solver.decode(process, denoise, (part * unit)[:, None])[:, 0])
        return torch.cat(out).numpy()

    def forward(self, parents: Mapping[Hashable, Any], noise: Any) -> Any:
        """Return the values at the noise: decoding."""
        self._fitted()
        *_, mean, scale = self.scaling_
        decoded = self._carried(self._matrix(parents), _to_numpy(noise).astype(np.float64), "decode")
        return _like(noise, mean + scale * decoded)

    def abduct(self, parents: Mapping[Hashable, Any], value: Any) -> Any:
        """Return the noise of the values: encoding."""
        self._fitted()
        return _like(value, self._carried(self._matrix(parents), self._standard(value), "encode"))

    def _standard(self, value: Any) -> Floats:
        *_, mean, scale = self.scaling_
        standard: Floats = (_to_numpy(value).astype(np.float64) - mean) / scale
        return standard

    def log_prob(self, parents: Mapping[Hashable, Any], value: Any) -> Any:
        """Return the log density of each row, shape (n,): of the noise, times the slope of the encoding.

        The slope is a difference quotient over a thousandth of a standard deviation of the value.
        """
        self._fitted()
        X, y = self._matrix(parents), self._standard(value)
        ends = (self._carried(X, y + step, "encode") for step in (-_STEP, _STEP))
        low, high = ends
        slope = np.maximum((high - low) / (2 * _STEP), np.finfo(np.float64).tiny)
        middle = (high + low) / 2
        density = -0.5 * middle**2 - 0.5 * np.log(2 * np.pi) + np.log(slope) - np.log(self.scaling_[3])
        return _like(value, density)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Any:
        """Draw standard normal numbers."""
        return generator.normal(size=n)

    def taken_apart(self) -> dict[str, Any]:
        """Return the arguments of `put_together`: settings and weights."""
        weights = {name: tensor.numpy() for name, tensor in self._fitted().state_dict().items()}
        return {
            "preset": self.preset,
            "shape": (self.width, self.depth, self.max_steps),
            "solver": (type(self.solver).__name__, self.solver.steps, self.solver.start_time),
            "encoding": self.encoding_,
            "scaling": self.scaling_,
            "weights": weights,
        }

    @classmethod
    def put_together(
        cls,
        preset: Preset,
        shape: tuple[int, int, int],
        solver: tuple[str, int, float | None],
        encoding: Encoding,
        scaling: tuple[Floats, Floats, float, float],
        weights: Mapping[str, Any],
    ) -> Self:
        """Return the mechanism with given settings and weights."""
        kinds = {"DDIM": DDIM, "Heun": Heun}
        width, depth, max_steps = shape
        chosen = kinds[solver[0]](solver[1], solver[2])
        new = cls(preset, width=width, depth=depth, max_steps=max_steps, solver=chosen)
        network = NoisePredictor(len(scaling[0]), width, depth).double().requires_grad_(False)
        network.load_state_dict({name: torch.as_tensor(part) for name, part in weights.items()})
        new.encoding_, new.scaling_, new.network_ = encoding, scaling, network
        return new


class _DiffusionLearner(Learner):
    """How `SCM.fit` learns a `DiffusionMechanism`: a fresh one for each fold, with the same settings."""

    name: ClassVar[str] = "diffusion"

    def __init__(self, mechanism: DiffusionMechanism) -> None:
        self.mechanism = mechanism

    def fit(self, rows: Rows, seed: int) -> Mechanism:
        """Return the mechanism; see `Learner.fit`."""
        settings = self.mechanism
        fresh = DiffusionMechanism(
            settings.preset,
            width=settings.width,
            depth=settings.depth,
            max_steps=settings.max_steps,
            solver=settings.solver,
            device=settings.device,
        )
        return fresh.fit(rows.parents, rows.value, random_state=seed)


def _check_rows(columns: Mapping[Hashable, NDArray[Any]], y: Floats) -> None:
    if not columns:
        raise DataError("a diffusion mechanism needs at least one parent; give a root its law")
    for name, column in columns.items():
        if column.shape != y.shape or y.ndim != 1:
            raise DataError(
                f"`value` and the parent {name!r} must have shape (n,), got {y.shape}, {column.shape}"
            )
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise DataError(f"the parent {name!r} has missing or infinite values")
    if not np.isfinite(y).all() or float(y.std()) == 0:
        raise DataError("`value` must be finite, with two different numbers at least")


def _to_numpy(array: Any) -> NDArray[Any]:
    return array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)


def _like(given: Any, result: Floats) -> Any:
    """Return the result in the library of what was given."""
    return torch.as_tensor(result).to(given) if isinstance(given, Tensor) else result


register(DiffusionMechanism, DiffusionMechanism.taken_apart, DiffusionMechanism.put_together)
