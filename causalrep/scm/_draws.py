"""Draws from a network of copies given evidence: likelihood weighting with the noise behind the evidence.

Copies are visited causes first. A copy that is not observed draws its noise and follows its mechanism.
An observed one takes the observed value, weighs the draw by the density of that value given its
parents, and takes its noise from the law that the value leaves (told exactly by an invertible
mechanism, drawn by one that has a posterior, see `Mechanism.draw_noise`). Where a mechanism offers
neither, its noise is drawn from the prior and the draw counts only if it gives the observed value:
right for discrete outcomes, and an error where no draw does. The prior is never passed off as the
posterior.

References
----------
R. Fung, K.-C. Chang, "Weighing and integrating evidence for stochastic simulation in Bayesian
networks", UAI 1989. Koller and Friedman, *Probabilistic Graphical Models*, section 12.3.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._arrays import as_array, forwarded, is_numpy, to_numpy
from causalrep.scm._conditions import Condition
from causalrep.scm._couplings import Floats
from causalrep.scm._interventions import Altered, Fixed
from causalrep.scm._joint import JointNormal, log_normal
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._worlds import Copy, Network, unshifted
from causalrep.utils import CausalRepError, keyed_generator

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["Clamp", "Draws", "draw"]


@dataclass(frozen=True)
class Clamp:
    """Observed values of a copy, shape (n, ...), and in which rows they were observed (None: in all)."""

    values: Array
    observed: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Draws:
    """Values of copies by number, and the log weights of the draws, shape (n,)."""

    values: Mapping[int, Array]
    log_weights: Floats


def draw(
    model: SCM,
    network: Network,
    numbers: Sequence[int],
    n: int,
    seed: int,
    clamps: Mapping[int, Clamp],
    given: Mapping[int, Sequence[Condition]] | None = None,
    known: Mapping[int, Noise] | None = None,
) -> Draws:
    """Return `n` weighted draws of the copies `numbers`.

    Some are clamped to observed values, some under conditions (`given`), of some the noise is known,
    by the number of the copy that is the source of it.
    """
    return _Drawing(model, network, n, seed, clamps, given or {}, known or {}).run(numbers)


class _Drawing:
    def __init__(
        self,
        model: SCM,
        network: Network,
        n: int,
        seed: int,
        clamps: Mapping[int, Clamp],
        given: Mapping[int, Sequence[Condition]],
        known: Mapping[int, Noise],
    ) -> None:
        self.model, self.network, self.n, self.seed = model, network, n, seed
        self.clamps, self.given = clamps, given
        self.values: dict[int, Array] = {}
        self.noise: dict[int, Noise] = dict(known)
        self.known = known
        self.settled: set[int] = set()  # copies whose value is no matter of chance, given the evidence
        self.groups: dict[int, dict[Hashable, Floats]] = {}
        self.log_weights: Floats = np.zeros(n)
        for number, noise in known.items():
            self._remember(network.copies[number], noise)

    def run(self, numbers: Sequence[int]) -> Draws:
        for number in numbers:
            copy = self.network.copies[number]
            mechanism = copy.mechanism
            if isinstance(mechanism, (Altered, Fixed)):
                mechanism = mechanism.for_rows(self.n, self.model._template, copy.node)
            parents = {name: self.values[parent] for name, parent in copy.parents}
            clamp = self.clamps.get(number)
            if (clamp is not None and clamp.observed is None) or (
                (mechanism.deterministic or copy.source in self.known) and self._all_settled(copy)
            ):
                self.settled.add(number)
            self.values[number] = self._value(clamp, copy, mechanism, parents)
            for condition in self.given.get(number, ()):
                self._keep(condition.mask(self.values[number]))
        return Draws(self.values, self.log_weights)

    def _all_settled(self, copy: Copy) -> bool:
        return all(parent in self.settled for _, parent in copy.parents)

    def _value(
        self, clamp: Clamp | None, copy: Copy, mechanism: Mechanism, parents: dict[Hashable, Array]
    ) -> Array:
        """Return the value of a copy, after its noise is found."""
        fresh = copy.source not in self.noise
        told = clamp is not None and fresh and not mechanism.deterministic and mechanism.has_posterior
        if clamp is not None and told:
            self._weigh(copy, mechanism, parents, clamp)
        elif fresh:
            self._remember(copy, self._prior(copy, mechanism))
        if clamp is not None and told and clamp.observed is None:
            return clamp.values
        value = forwarded(mechanism, copy.node, parents, self.noise[copy.source], self.n)
        if clamp is None:
            return value
        if not told and copy.source not in self.known:
            self._compare(value, clamp)
        rows = _rows_of(clamp, self.n)
        return _merged(value, clamp.values[rows], rows)

    def _weigh(self, copy: Copy, mechanism: Mechanism, parents: dict[Hashable, Array], clamp: Clamp) -> None:
        """Weigh the observed rows and take their noise from what the values leave of it."""
        rows, law = _rows_of(clamp, self.n), self._joint(copy)
        if law is None and mechanism.has_density:
            there = {name: part[rows] for name, part in parents.items()}
            self.log_weights[rows] += to_numpy(mechanism.log_prob(there, clamp.values[rows]))
            rows = rows[self.log_weights[rows] > -np.inf]  # what is impossible tells nothing of the noise
        elif law is None and not self._all_settled(copy):
            raise CausalRepError(
                f"{copy.node!r} is observed but not all of its causes, and {mechanism!r} has no density to "
                "weigh them by; observe its parents too, or give it a mechanism with a density"
            )
        values, there = clamp.values[rows], {name: part[rows] for name, part in parents.items()}
        told = mechanism.draw_noise(there, values, keyed_generator(self.seed, "posterior", copy.node))
        if law is not None:
            known = {node: part[rows] for node, part in self._group(law).items()}
            self.log_weights[rows] += log_normal(to_numpy(told), *law.conditional(copy.node, known))
        if len(rows) < self.n:
            told = _merged(self._prior(copy, mechanism), told, rows)
        self._remember(copy, told)

    def _compare(self, value: Array, clamp: Clamp) -> None:
        """Let only the draws count that give the observed value (numbers: up to rounding)."""
        found, seen = to_numpy(value), to_numpy(clamp.values)
        if found.dtype.kind in "fc":
            with np.errstate(invalid="ignore"):
                same = np.isclose(found, seen.astype(found.dtype), rtol=1e-9, atol=1e-12)
        else:
            same = np.asarray(found == seen)
        same = same.reshape(self.n, -1).all(axis=1)
        self._keep(same if clamp.observed is None else same | ~clamp.observed)

    def _keep(self, mask: NDArray[np.bool_]) -> None:
        self.log_weights = np.where(mask, self.log_weights, -np.inf)

    def _joint(self, copy: Copy) -> JointNormal | None:
        own = unshifted(copy.mechanism) is self.model._factual._mechanisms[copy.node]
        return self.model._joints.get(copy.node) if own else None

    def _group(self, law: JointNormal) -> dict[Hashable, Floats]:
        return self.groups.setdefault(id(law), {})

    def _prior(self, copy: Copy, mechanism: Mechanism) -> Noise:
        law = self._joint(copy)
        generator = keyed_generator(self.seed, copy.stream, copy.node)
        if law is None:
            return mechanism.sample_noise(self.n, generator)
        mean, scale = law.conditional(copy.node, self._group(law))
        return mean + scale * generator.standard_normal(self.n)

    def _remember(self, copy: Copy, noise: Noise) -> None:
        self.noise[copy.source] = noise
        law = self._joint(copy)
        if law is not None:
            self._group(law)[copy.node] = to_numpy(noise)


def _rows_of(clamp: Clamp, n: int) -> NDArray[np.intp]:
    return np.arange(n) if clamp.observed is None else np.flatnonzero(clamp.observed)


def _merged(base: Any, other: Any, rows: NDArray[np.intp]) -> Any:
    """Return `base` with its rows `rows` replaced by `other`."""
    if isinstance(base, Mapping):
        return {name: _merged(part, other[name], rows) for name, part in base.items()}
    if is_numpy(base):
        source = to_numpy(as_array(other))
        new = base.copy() if base.dtype == object else base.astype(np.result_type(base, source))
    else:
        source, new = other, base.clone()
    new[rows] = source
    return new
