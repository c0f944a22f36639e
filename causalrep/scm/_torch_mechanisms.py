"""Twins: mechanisms of the library that run on tensors, with the same noise, function and density."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from causalrep.scm._alterations import EdgeSet
from causalrep.scm._classifiers import Classified, Softmax
from causalrep.scm._cpt import CPT, StateMechanism
from causalrep.scm._distributions import Distribution, Normal
from causalrep.scm._equations import Equation
from causalrep.scm._flow import Flow
from causalrep.scm._interventions import Fixed, Shifted
from causalrep.scm._location_scale import LocationScale, PostNonlinear, Warp
from causalrep.scm._mechanism import Mechanism, Noise, NoiseLaw
from causalrep.scm._mechanisms import AdditiveNoise, Function, Invertible, Linear, Root
from causalrep.scm._predictors import EstimatorPredictor, LinePredictor, SplinePredictor
from causalrep.scm._states import States
from causalrep.scm._torch import Place
from causalrep.scm._torch_equations import TorchEquation
from causalrep.scm._torch_laws import drawn, log_prob_of
from causalrep.scm._torch_splines import matrix_of, predictor_in
from causalrep.utils import CausalRepError, DataError

__all__ = ["Twin", "twin"]

Tensors = Mapping[Hashable, Tensor]


def torch_generator(generator: np.random.Generator, place: Place) -> torch.Generator:
    """Return a Torch generator that is seeded by the next number of a node's stream."""
    return torch.Generator(place.device).manual_seed(int(generator.integers(2**63)))


class Twin(Mechanism):
    """A mechanism of the library in one place; flags and parents are those of the original."""

    def __init__(self, original: Mechanism, place: Place) -> None:
        self.original = original
        self.place = place

    def __repr__(self) -> str:
        return repr(self.original)

    @property
    def parents(self) -> tuple[Hashable, ...] | None:
        """As the original's."""
        return self.original.parents

    @property
    def deterministic(self) -> bool:
        """As the original."""
        return self.original.deterministic

    @property
    def invertible(self) -> bool:
        """As the original."""
        return self.original.invertible

    @property
    def has_density(self) -> bool:
        """As the original."""
        return self.original.has_density

    @property
    def noise_law(self) -> NoiseLaw:
        """The law of the noise."""
        law: NoiseLaw = getattr(self.original, "noise", None)
        return law

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw the noise as tensors."""
        law, source = self.noise_law, torch_generator(generator, self.place)
        if law is None:
            return {}
        if isinstance(law, Mapping):
            return {name: drawn(part, n, source, self.place) for name, part in law.items()}
        return drawn(law, n, source, self.place)

    def _log(self, law: Distribution, value: Tensor) -> Tensor:
        return log_prob_of(law, value, self.place)

    def abduct(self, parents: Tensors, value: Tensor) -> Noise:
        """Return the noise as the original does."""
        return self.original.abduct(parents, value)

    def forward(self, parents: Tensors, noise: Noise) -> Tensor:
        """Call the original, which is a function of arrays of any library."""
        return _tensor(self.original.forward(parents, noise), self.original, self.place)


def _tensor(value: Any, mechanism: Mechanism, place: Place) -> Tensor:
    """Return what a Python function gave, if it is a tensor or a number."""
    if isinstance(value, Tensor):
        return value
    if np.ndim(value):
        raise DataError(
            f"{mechanism!r} was given tensors and returned {type(value).__name__}; write it with operators, "
            "or with functions of torch"
        )
    number: Tensor = place.put(value)
    return number


class RootTwin(Twin):
    """A node that is its own noise."""

    original: Root

    def log_prob(self, parents: Tensors, value: Tensor) -> Tensor:  # noqa: ARG002
        """Return the log density of the law."""
        return self._log(self.original.noise, value)


class AdditiveTwin(Twin):
    """A location plus noise; the location is the original's function or a learned one in Torch."""

    original: AdditiveNoise

    def __init__(self, original: AdditiveNoise, place: Place) -> None:
        super().__init__(original, place)
        call = original._call
        if isinstance(call.function, EstimatorPredictor):
            raise DataError(f"{call.function!r} is an estimator of another library, which takes no tensors")
        if isinstance(call.function, (LinePredictor, SplinePredictor)):
            learned = predictor_in(call.function, place)
            self._location: Callable[[Tensors], Tensor] = lambda parents: learned(
                *(parents[name] for name in call.parents)
            )
        else:
            self._location = lambda parents: _tensor(original.location(parents), original, place)

    def forward(self, parents: Tensors, noise: Noise) -> Tensor:
        """Return the location plus the noise."""
        location = self._location(parents)
        return location if self.deterministic else location + noise

    def abduct(self, parents: Tensors, value: Tensor) -> Noise:
        """Return the value minus the location."""
        return {} if self.deterministic else value - self._location(parents)

    def log_prob(self, parents: Tensors, value: Tensor) -> Tensor:
        """Return the log density of the noise that explains the value."""
        if self.original.noise is None:
            raise CausalRepError(f"{self!r} has no density")
        return self._log(self.original.noise, value - self._location(parents))


class LinearTwin(AdditiveTwin):
    """A line: one fused pass over the rows for each parent."""

    original: Linear

    def forward(self, parents: Tensors, noise: Noise) -> Tensor:
        """Return the weighted sum plus the noise."""
        if self.deterministic or not self.original.coefficients:
            return super().forward(parents, noise)
        (first, weight), *rest = self.original.coefficients.items()
        total: Tensor = noise.add(parents[first], alpha=weight)
        for name, weight in rest:
            total.add_(parents[name], alpha=weight)
        return total.add_(self.original.intercept) if self.original.intercept else total


class EquationTwin(Twin):
    """An equation, compiled to Torch calls."""

    original: Equation

    def __init__(self, original: Equation, place: Place) -> None:
        super().__init__(original, place)
        self._equation = TorchEquation(original, place)

    def forward(self, parents: Tensors, noise: Noise) -> Tensor:
        """Evaluate the equation."""
        return self._equation.forward(parents, noise)

    def abduct(self, parents: Tensors, value: Tensor) -> Noise:
        """Solve the equation for its noise."""
        return self._equation.abduct(parents, value)

    def log_prob(self, parents: Tensors, value: Tensor) -> Tensor:
        """Return the log density."""
        return self._equation.log_prob(parents, value)


class LocationScaleTwin(Twin):
    """A location and a scale, each learned or a function of tensors."""

    original: LocationScale

    def __init__(self, original: LocationScale, place: Place) -> None:
        super().__init__(original, place)
        self._location, self._log_scale = (
            _function_in(part, place) for part in (original.location, original.log_scale)
        )

    def _parts(self, parents: Tensors) -> tuple[Tensor, Tensor]:
        columns = [parents[name] for name in self.original._parents]
        return self._location(*columns), self._log_scale(*columns)

    def forward(self, parents: Tensors, noise: Noise) -> Tensor:
        """Return the location plus the stretched noise."""
        location, log_scale = self._parts(parents)
        value: Tensor = location + torch.exp(log_scale) * noise
        return value

    def abduct(self, parents: Tensors, value: Tensor) -> Noise:
        """Return the standardised residual."""
        location, log_scale = self._parts(parents)
        return (value - location) / torch.exp(log_scale)

    def log_prob(self, parents: Tensors, value: Tensor) -> Tensor:
        """Return the log density of each row."""
        location, log_scale = self._parts(parents)
        return self._log(self.original.noise, (value - location) / torch.exp(log_scale)) - log_scale


def _function_in(function: Callable[..., Any], place: Place) -> Callable[..., Tensor]:
    if isinstance(function, EstimatorPredictor):
        raise DataError(f"{function!r} is an estimator of another library, which takes no tensors")
    if isinstance(function, (LinePredictor, SplinePredictor)):
        return predictor_in(function, place)
    return function


def _yeo_johnson(z: Tensor, exponent: float) -> Tensor:
    """Return the transformation; below zero it is minus that of ``-z`` with ``2 - exponent``."""
    size = torch.log1p(z.abs())
    bent = [size if power == 0 else torch.expm1(power * size) / power for power in (exponent, 2 - exponent)]
    return torch.where(z >= 0, bent[0], -bent[1])


def _yeo_johnson_inverse(t: Tensor, exponent: float) -> Tensor:
    def back(size: Tensor, power: float) -> Tensor:
        inner = (
            size
            if power == 0
            else torch.log1p((power * size).clamp_min(-1 + torch.finfo(size.dtype).eps)) / power
        )
        return torch.expm1(inner)

    above, below = t.clamp_min(0), (-t).clamp_min(0)  # each side by itself: no overflow on the other
    return back(above, exponent) - back(below, 2 - exponent)


def _log_slope(z: Tensor, exponent: float) -> Tensor:
    return torch.where(z >= 0, exponent - 1, 1 - exponent) * torch.log1p(z.abs())


class WarpedTwin(Twin):
    """A warp of the value of an inner mechanism; see `causalrep.scm._location_scale.Warp`."""

    original: PostNonlinear

    def __init__(self, original: PostNonlinear, place: Place) -> None:
        super().__init__(original, place)
        self._inner = _made(original.inner, place)
        self._warp: Warp = original.bend

    def _standard(self, value: Tensor) -> tuple[Tensor, Tensor]:
        z = (value - self._warp.centre) / self._warp.spread
        return z, z.clamp(*self._warp.ends)

    def _undone(self, value: Tensor) -> Tensor:
        z, inside = self._standard(value)
        exponent = self._warp.exponent
        return _yeo_johnson(inside, exponent) + (z - inside) * torch.exp(_log_slope(inside, exponent))

    def forward(self, parents: Tensors, noise: Noise) -> Tensor:
        """Return the warped value of the inner mechanism."""
        t, warp = self._inner.forward(parents, noise), self._warp
        ends = _yeo_johnson(self.place.put(np.asarray(warp.ends)), warp.exponent)
        inside = torch.minimum(torch.maximum(t, ends[0]), ends[1])
        z = _yeo_johnson_inverse(inside, warp.exponent).clamp(*warp.ends)
        z = z + (t - inside) / torch.exp(_log_slope(z, warp.exponent))
        value: Tensor = warp.centre + warp.spread * z
        return value

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw the noise of the inner mechanism."""
        return self._inner.sample_noise(n, generator)

    def abduct(self, parents: Tensors, value: Tensor) -> Noise:
        """Return the noise of the inner mechanism at the value with the warp undone."""
        return self._inner.abduct(parents, self._undone(value))

    def log_prob(self, parents: Tensors, value: Tensor) -> Tensor:
        """Return the log density of each row."""
        slope = _log_slope(self._standard(value)[1], self._warp.exponent) - np.log(self._warp.spread)
        density: Tensor = self._inner.log_prob(parents, self._undone(value)) + slope
        return density


class FlowTwin(Twin):
    """A conditional flow, its network moved to the place."""

    original: Flow

    def __init__(self, original: Flow, place: Place) -> None:
        super().__init__(original, place)
        self._flow = copy.deepcopy(original.flow).to(device=place.device, dtype=place.dtype)
        self._flow.requires_grad_(False)
        self._centre, self._spread = (place.put(np.asarray(part)) for part in original.scaling[:2])
        self._mean, self._scale = original.scaling[2:]

    def _transform(self, parents: Tensors) -> Any:
        encoding = self.original.encoding
        X = matrix_of(encoding, tuple(parents[name] for name in encoding.names), self.place)
        return self._flow((X - self._centre) / self._spread).transform

    def forward(self, parents: Tensors, noise: Noise) -> Tensor:
        """Return the values at the noise."""
        value: Tensor = self._mean + self._scale * self._transform(parents).inv(noise[:, None])[:, 0]
        return value

    def abduct(self, parents: Tensors, value: Tensor) -> Noise:
        """Return the noise of the values."""
        return self._transform(parents)(((value - self._mean) / self._scale)[:, None])[:, 0]

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw standard normal numbers."""
        return drawn(Normal(), n, torch_generator(generator, self.place), self.place)

    def log_prob(self, parents: Tensors, value: Tensor) -> Tensor:
        """Return the log density of each row."""
        noise, slope = self._transform(parents).call_and_ladj(((value - self._mean) / self._scale)[:, None])
        density: Tensor = self._log(Normal(), noise[:, 0]) + slope - np.log(self._scale)
        return density


class StateTwin(Twin):
    """A table or a logistic regression over states that are numbers."""

    original: StateMechanism

    def __init__(self, original: StateMechanism, place: Place) -> None:
        super().__init__(original, place)
        self._labels = _labels_in(original.states, place)
        self._rows = _rows_of(original, place)

    def forward(self, parents: Tensors, noise: Noise) -> Tensor:
        """Return the states that the noise picks."""
        rows = self._rows(parents)
        if self.deterministic:
            codes = rows.argmax(1)
        elif self.original.coupling == "gumbel":
            codes = (torch.log(rows) + noise).argmax(1)
        else:
            codes = (rows.cumsum(1)[:, :-1] <= noise[:, None]).sum(1)
        return self._labels[codes]

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw uniform numbers of shape (n,), Gumbel numbers of shape (n, k), or nothing."""
        if self.deterministic:
            return {}
        source = torch_generator(generator, self.place)
        options: dict[str, Any] = {"device": self.place.device, "dtype": self.place.dtype}
        if self.original.coupling == "gumbel":
            size = (n, len(self._labels))
            return -torch.log(torch.empty(size, **options).exponential_(generator=source))
        return torch.rand(n, generator=source, **options)

    def log_prob(self, parents: Tensors, value: Tensor) -> Tensor:
        """Return the log probability of each state."""
        codes = _codes(self._labels, value, "a value")
        rows = self._rows(parents).expand(len(value), -1)
        return torch.log(rows.gather(1, codes[:, None])[:, 0])


def _labels_in(states: States, place: Place) -> Tensor:
    if not states.numeric:
        raise DataError(f"its states {list(states.labels)!r} are text, which no tensor can hold")
    labels: Tensor = place.put(states.values)
    return labels


def _codes(labels: Tensor, value: Tensor, what: str) -> Tensor:
    hits = value[:, None] == labels
    if not bool(hits.any(1).all()):
        raise DataError(f"{what} is none of the states {labels.tolist()}")
    return hits.long().argmax(1)


def _rows_of(original: StateMechanism, place: Place) -> Callable[[Tensors], Tensor]:
    """Return the function that gives the probabilities of the states, shape (n, k) or (1, k)."""
    if isinstance(original, CPT):
        table: Tensor = place.put(np.array(original.table))
        labels = {name: _labels_in(states, place) for name, states in original.parent_states.items()}

        def looked_up(parents: Tensors) -> Tensor:
            if not labels:
                return table[None]
            return table[tuple(_codes(part, parents[name], repr(name)) for name, part in labels.items())]

        return looked_up
    if not isinstance(original, Classified) or not isinstance(original.classifier, Softmax):
        raise DataError("it asks a classifier of another library, which takes no tensors")
    softmax, prior = original.classifier, place.put(np.asarray(original.prior))
    weights, intercepts = place.put(softmax.weights), place.put(softmax.intercepts)
    names, encoding, floor = original.encoding.names, original.encoding, original.floor

    def computed(parents: Tensors) -> Tensor:
        X = matrix_of(encoding, tuple(parents[name] for name in names), place)
        told = torch.softmax(X @ weights + intercepts, dim=1)
        spread = told.new_zeros(len(X), len(prior))
        index = torch.as_tensor(softmax.classes_, device=place.device)
        mixed: Tensor = (1 - floor) * spread.index_copy(1, index, told) + floor * prior
        return mixed

    return computed


def _fixed(original: Fixed, place: Place) -> Fixed:
    new = object.__new__(Fixed)
    new.value = place.put(original.value)
    return new


def _shifted(original: Shifted, place: Place) -> Shifted:
    new = copy.copy(original)
    new.mechanism = _made(original.mechanism, place)
    new.delta = (
        original.delta if isinstance(original.delta, (bool, int, float)) else place.put(original.delta)
    )
    return new


def _edge_set(original: EdgeSet, place: Place) -> EdgeSet:
    new = copy.copy(original)
    new.mechanism = _made(original.mechanism, place)
    new.values = {name: place.put(value) for name, value in original.values.items()}
    return new


_TWINS: Mapping[type, Callable[[Any, Place], Mechanism]] = {
    Root: RootTwin,
    Linear: LinearTwin,
    AdditiveNoise: AdditiveTwin,
    Function: Twin,
    Invertible: Twin,
    Equation: EquationTwin,
    LocationScale: LocationScaleTwin,
    PostNonlinear: WarpedTwin,
    Flow: FlowTwin,
    CPT: StateTwin,
    Classified: StateTwin,
    Fixed: _fixed,
    Shifted: _shifted,
    EdgeSet: _edge_set,
}


def _made(mechanism: Mechanism, place: Place) -> Mechanism:
    make = _TWINS.get(type(mechanism))
    if make is None:
        raise DataError("mechanisms of its kind do not run on tensors")
    return make(mechanism, place)


def twin(mechanism: Mechanism, node: Hashable, place: Place) -> Mechanism:
    """Return a mechanism that does on tensors what the given one does on NumPy arrays.

    Raises
    ------
    DataError
        If there is none; the message names node and mechanism.
    """
    try:
        return _made(mechanism, place)
    except DataError as error:
        raise DataError(f"the mechanism of {node!r}, {mechanism!r}, has no Torch backend: {error}") from error
