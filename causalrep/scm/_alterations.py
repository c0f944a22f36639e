"""Interventions that leave a node's own mechanism at work: scaled, cut edges, truncated, tilted odds."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from causalrep.scm._arrays import as_array, check_rows, has_nan, spread
from causalrep.scm._cpt import StateMechanism
from causalrep.scm._distributions import Bernoulli
from causalrep.scm._equations import Equation
from causalrep.scm._interventions import Altered, Look
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._mechanisms import Root
from causalrep.utils import CausalRepError, DataError, NotInvertibleError

__all__ = ["EdgeSet", "Scaled", "Tilted", "Truncated"]


def _numbers(value: Any) -> Any:
    array = as_array(value)
    if (isinstance(array, np.ndarray) and array.dtype.kind not in "biuf") or has_nan(array):
        raise DataError("must be a number or an array of numbers, without NaN")
    return value if isinstance(value, (bool, int, float)) else array


class Scaled(Altered):
    """A node whose value is multiplied by `factor`, after its own mechanism.

    Parameters
    ----------
    mechanism : Mechanism
        What the node does by itself.
    factor : number, array of shape `trailing`, or array of shape (n, *trailing)
        Not zero.
    """

    def __init__(self, mechanism: Mechanism, factor: Any) -> None:
        self.mechanism = mechanism
        self.factor = _numbers(factor)
        if bool((as_array(self.factor) == 0).any()):
            raise DataError("a factor must not be zero; do(...) sets a node to zero")

    def __repr__(self) -> str:
        return f"Scaled({self.mechanism!r}, {self.factor!r})"

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the mechanism's value times the factor."""
        return self.mechanism.forward(parents, noise) * self.factor

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the mechanism's noise for the value over the factor."""
        return self.mechanism.abduct(parents, value / self.factor)

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density, shape (n,): the mechanism's, stretched."""
        inner = self.mechanism.log_prob(parents, value / self.factor)
        slope = np.log(np.abs(np.broadcast_to(as_array(self.factor), np.shape(value))))
        return inner - slope.reshape(len(slope), -1).sum(axis=1)

    def for_rows(self, n: int, look: Look, node: Hashable) -> Mechanism:
        """Return the same with the shape of `factor` checked."""
        if not getattr(self.factor, "shape", ()):
            return self
        return Scaled(self.mechanism, spread(self.factor, n, like=look(node), node=node))


class EdgeSet(Altered):
    """A node that sees given values on some of the edges into it, whatever its parents are.

    Parameters
    ----------
    mechanism : Mechanism
        What the node does by itself.
    values : mapping of node to number or array
        What it sees instead of these parents.
    parents : tuple of node
        All parents, in order.
    """

    def __init__(
        self, mechanism: Mechanism, values: Mapping[Hashable, Any], parents: tuple[Hashable, ...]
    ) -> None:
        self.mechanism = mechanism
        self.values = dict(values)
        self._left = tuple(parent for parent in parents if parent not in self.values)

    def __repr__(self) -> str:
        return f"EdgeSet({self.mechanism!r}, {self.values!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The parents that are still read."""
        return self._left

    def _seen(self, parents: Mapping[Hashable, Array], n: int) -> dict[Hashable, Array]:
        return {**parents, **{name: check_rows(value, n, "edge") for name, value in self.values.items()}}

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the mechanism's value on what is seen."""
        return self.mechanism.forward({**parents, **self.values}, noise)

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the mechanism's noise given what is seen."""
        return self.mechanism.abduct(self._seen(parents, len(value)), value)

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the mechanism's log density given what is seen, shape (n,)."""
        return self.mechanism.log_prob(self._seen(parents, len(value)), value)

    def for_rows(self, n: int, look: Look, node: Hashable) -> Mechanism:
        """Return the same with one value per row on each edge, in the library of the parent's values."""
        values = {name: spread(value, n, like=look(name), node=name) for name, value in self.values.items()}
        inner = self.mechanism
        if isinstance(inner, Altered):
            inner = inner.for_rows(n, look, node)
        return EdgeSet(inner, values, (*self.values, *self._left))


class Truncated(Altered):
    """A node that follows its own law given that the value lies between two bounds.

    The noise keeps its rank: the q-quantile of the law becomes the q-quantile of the truncated law.

    Parameters
    ----------
    mechanism : Mechanism
        Invertible, with one continuous law of noise.
    low, high : float
        The bounds; infinite where there is none.
    """

    def __init__(self, mechanism: Mechanism, low: float, high: float) -> None:
        law = getattr(mechanism, "noise", None)
        if not mechanism.invertible or not (hasattr(law, "ppf") and hasattr(law, "cdf")):
            raise CausalRepError(
                f"a truncated law needs a mechanism that can be inverted and whose noise has one law with "
                f"quantiles, got {mechanism!r}"
            )
        if not low < high or math.isnan(low) or math.isnan(high):
            raise DataError(f"bounds must be numbers with `low` < `high`, got {low!r} and {high!r}")
        self.mechanism = mechanism
        self.law: Any = law
        self.low, self.high = float(low), float(high)

    def __repr__(self) -> str:
        return f"Truncated({self.mechanism!r}, low={self.low!r}, high={self.high!r})"

    def _ranks(self, parents: Mapping[Hashable, Array], n: int) -> tuple[Array, Array]:
        """Return the ranks of the noise between which the value is inside, lower first, shape (n,)."""
        middle = self.law.ppf(np.array([0.3, 0.7]))
        two = [np.asarray(self.mechanism.forward(parents, np.full(n, quantile))) for quantile in middle]
        rising = two[0] < two[1]
        ends = []
        for bound, outside in ((self.low, 0.0), (self.high, 1.0)):
            if math.isinf(bound):
                ends.append(np.where(rising, outside, 1 - outside))
            else:
                ends.append(self.law.cdf(self.mechanism.abduct(parents, np.full(n, bound))))
        low, high = np.minimum(*ends), np.maximum(*ends)
        if not bool((high > low).all()):
            raise DataError(
                f"between {self.low} and {self.high} there is no probability "
                f"in {int((high <= low).sum())} row(s)"
            )
        return low, high

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the value at the noise whose rank is that of `noise` within the bounds."""
        low, high = self._ranks(parents, len(noise))
        within = self.law.ppf(low + (high - low) * self.law.cdf(noise))
        return np.clip(self.mechanism.forward(parents, within), self.low, self.high)

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the noise whose rank within the bounds gives the value."""
        low, high = self._ranks(parents, len(value))
        rank = (self.law.cdf(self.mechanism.abduct(parents, value)) - low) / (high - low)
        return self.law.ppf(np.clip(rank, 0, 1))

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density, shape (n,): the mechanism's over the probability of the bounds."""
        low, high = self._ranks(parents, len(value))
        inside = (value >= self.low) & (value <= self.high)
        return np.where(inside, self.mechanism.log_prob(parents, value) - np.log(high - low), -np.inf)


class Tilted(Altered):
    """A node of two states whose odds of the second are multiplied by `odds` (Kennedy 2019).

    Parameters
    ----------
    mechanism : Mechanism
        A table, classifier, or Bernoulli law or equation.
    odds : float
        Positive.

    References
    ----------
    E. H. Kennedy, "Nonparametric causal effects based on incremental propensity score interventions",
    Journal of the American Statistical Association 114, 2019, doi:10.1080/01621459.2017.1422737.
    """

    def __init__(self, mechanism: Mechanism, odds: float) -> None:
        if not (isinstance(odds, (int, float)) and 0 < odds < math.inf):
            raise DataError(f"`odds` must be a positive number, got {odds!r}")
        self.mechanism = mechanism
        self.odds = float(odds)
        self._chance = _chance_of(mechanism)

    def __repr__(self) -> str:
        return f"Tilted({self.mechanism!r}, odds={self.odds!r})"

    @property
    def invertible(self) -> bool:
        """Whether there is nothing to tell."""
        return self.deterministic

    def probability(self, parents: Mapping[Hashable, Array]) -> Array:
        """Return the probability of the second state, shape (n,) or a number."""
        p = self._chance(parents)
        return self.odds * p / (1 - p + self.odds * p)

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the states, from the noise of the mechanism."""
        p, base = self.probability(parents), self.mechanism
        if isinstance(base, Root) and np.asarray(noise).dtype.kind != "f":
            raise NotInvertibleError("a value of 0 or 1 does not tell what other odds would have given")
        if not isinstance(base, StateMechanism):
            return (np.asarray(noise) < p).astype(np.int64)
        if base.deterministic:
            return base.forward(parents, noise)
        if base.coupling == "gumbel":
            with np.errstate(divide="ignore"):
                logs = np.stack(np.broadcast_arrays(np.log1p(-p), np.log(p)), axis=-1)
            return base.states.decode((logs + noise).argmax(axis=1))
        return base.states.decode((noise >= 1 - p).astype(np.intp))

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw the noise of the mechanism; of a constant Bernoulli law the uniform numbers behind it."""
        if isinstance(self.mechanism, Root):  # the noise of a Bernoulli root is its value
            return generator.random(n)
        return self.mechanism.sample_noise(n, generator)

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Refuse unless there is no noise: a state tells only a range of it."""
        if self.deterministic:
            return self.mechanism.abduct(parents, value)
        raise NotInvertibleError("a state tells only a range of the noise")

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log probability of each state, shape (n,)."""
        base = self.mechanism
        second = base.states.labels[1] if isinstance(base, StateMechanism) else 1
        p = np.broadcast_to(self.probability(parents), np.shape(value))
        with np.errstate(divide="ignore"):
            return np.log(np.where(np.asarray(value) == second, p, 1 - p))


def _chance_of(mechanism: Mechanism) -> Callable[[Mapping[Hashable, Array]], Array]:
    """Return the function that gives the probability of the second of two states."""
    if isinstance(mechanism, StateMechanism) and len(mechanism.states) == 2:
        return lambda parents: mechanism.rows(parents)[:, 1]
    if isinstance(mechanism, Root) and isinstance(mechanism.noise, Bernoulli):
        probability = mechanism.noise.probability
        return lambda parents: probability  # noqa: ARG005
    if isinstance(mechanism, Equation) and mechanism.n_states == 2:
        return lambda parents: np.exp(mechanism.log_prob(parents, _ones(parents)))
    raise CausalRepError(
        f"an incremental intervention needs a node of two states with known probabilities, got {mechanism!r}"
    )


def _ones(parents: Mapping[Hashable, Array]) -> Array:
    return np.ones(max((len(column) for column in parents.values()), default=1), dtype=np.int64)
