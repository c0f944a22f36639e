"""A structural causal model as a Pyro program; imported where Pyro is used."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from causalrep.scm._arrays import to_numpy
from causalrep.scm._cpt import CPT, StateMechanism
from causalrep.scm._distributions import Distribution
from causalrep.scm._equations import Equation
from causalrep.scm._interventions import Altered, Fixed, Shifted
from causalrep.scm._joint import JointNormal
from causalrep.scm._location_scale import LocationScale
from causalrep.scm._mechanism import Mechanism
from causalrep.scm._mechanisms import AdditiveNoise, Root
from causalrep.scm._pyro_laws import (
    Opaque,
    attempt,
    evaluated,
    moved,
    rows_of,
    shape_of,
    solved,
    tensor,
    torch_law,
)
from causalrep.scm._states import States
from causalrep.utils import CausalRepError, DataError, GraphError

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["PyroModel"]


class PyroModel:
    """The Pyro program of a model, as `SCM.to_pyro` returns it: call it with a number of rows, or without.

    Attributes
    ----------
    names : dict of node to str
        The site of each node.
    noise_names : dict of node to tuple of str
        The sites of its noise, where it has any.
    """

    def __init__(self, scm: SCM, sites: str) -> None:
        if sites not in ("values", "noise"):
            raise DataError(f"`sites` must be 'values' or 'noise', got {sites!r}")
        self.scm, self.sites = scm, sites
        self.names = {node: str(node) for node in scm.graph.nodes}
        if len(set(self.names.values())) < len(self.names):
            raise GraphError("two nodes have the same name as text, so Pyro could not tell their sites apart")
        for node in scm.graph.nodes:
            if scm._template(node).ndim != 1:
                raise DataError(f"a Pyro program is made of scalar nodes, but {node!r} is array-valued")
        self.noise_names: dict[Hashable, tuple[str, ...]] = {}
        self._joint: dict[Hashable, JointNormal] = {
            node: law for law, nodes in scm._active_joints() for node in nodes
        }
        self._states = {
            node: mechanism.states
            for node, mechanism in scm._mechanisms.items()
            if isinstance(mechanism, StateMechanism)
        }

    def __call__(self, n: int | None = None) -> dict[str, Tensor]:
        """Run the program: sample one unit, or a plate of n rows; return the values of nodes, by site."""
        values: dict[Hashable, Any] = {}
        residuals: dict[Hashable, Tensor] = {}
        with nullcontext() if n is None else pyro.plate("rows", n):
            for node in self.scm.graph.topological_order():
                values[node] = self._run(node, values, residuals, n)
        return {self.names[node]: values[node] for node in self.scm.graph.nodes}

    def _run(
        self, node: Hashable, values: Mapping[Hashable, Any], residuals: dict[Hashable, Tensor], n: int | None
    ) -> Tensor:
        mechanism = self.scm._mechanisms[node]
        if n is not None:
            mechanism = self.scm._for_rows([node], n, self.scm._template)[node]
        parents = {
            parent: self._seen_by(mechanism, parent, values[parent]) for parent in self.scm._parents[node]
        }
        name = self.names[node]
        if self.sites == "values":
            law = self._law(node, mechanism, parents, residuals)
            if law is not None:
                value: Tensor = pyro.sample(name, law)
                if node in self._joint:
                    residuals[node] = value - _location(mechanism, parents)
                return value
        noise = self._noise(node, mechanism, residuals)
        if isinstance(mechanism, StateMechanism):
            value = _state(mechanism, self._rows(mechanism, parents), noise)
        else:
            value = self._coded(node, _forward(mechanism, parents, noise))
        if n is not None and not value.ndim:
            value = value.expand(n)
        # no mask, unlike pyro.deterministic: a condition that the noise does not meet is impossible
        sampled: Tensor = pyro.sample(name, dist.Delta(value), obs=value, infer={"_deterministic": True})
        return sampled

    def _seen_by(self, mechanism: Mechanism, parent: Hashable, value: Tensor) -> Any:
        """Return a parent's value as a mechanism reads it: labels in the place of codes."""
        states = self._states.get(parent)
        if states is None:
            return value
        codes = value.long()
        if isinstance(mechanism, CPT) and mechanism.parent_states[parent] == states:
            return codes  # which the table is indexed by
        if isinstance(mechanism, StateMechanism) or not states.numeric:
            return states.values[to_numpy(codes)]
        return tensor(states.values)[codes]

    def _rows(self, mechanism: StateMechanism, parents: Mapping[Hashable, Any]) -> Tensor:
        """Return the probabilities of states, (..., k), by indexing a tensor where parents are codes."""
        codes = [parents[name] for name in mechanism.parents or ()]
        if isinstance(mechanism, CPT) and all(isinstance(part, Tensor) for part in codes):
            return tensor(mechanism.table)[tuple(codes)]
        shape = shape_of(*parents.values())
        rows = tensor(mechanism.rows(rows_of(parents, shape)))
        return rows.expand((int(np.prod(shape)), -1)).reshape((*shape, -1))

    def _coded(self, node: Hashable, value: Any) -> Tensor:
        states: States | None = self._states.get(node)
        if states is None:
            return tensor(value)
        return torch.as_tensor(states.encode(np.ravel(value)).reshape(np.shape(value)))

    def _law(
        self,
        node: Hashable,
        mechanism: Mechanism,
        parents: Mapping[Hashable, Any],
        residuals: Mapping[Hashable, Tensor],
    ) -> Any:
        """Return the law of a node given its parents, or None where noise has to be sampled."""
        if node in self._joint:
            mean, scale = _conditional(self._joint[node], node, residuals)
            return dist.Normal(mean + _location(mechanism, parents), scale)
        if mechanism.deterministic:
            return None
        if isinstance(mechanism, StateMechanism):
            return dist.Categorical(self._rows(mechanism, parents))
        if isinstance(mechanism, Equation):
            brought = mechanism._laws.get("noise")
            found = solved(mechanism.expr, parents, brought)
            if found is not None or not mechanism.has_density:
                return found
        if isinstance(mechanism, Shifted):
            inner = self._law(node, mechanism.mechanism, parents, residuals)
            return None if inner is None else moved(inner, tensor(mechanism.delta))
        noise = getattr(mechanism, "noise", None)
        base = torch_law(noise) if isinstance(noise, Distribution) else None
        if base is not None and isinstance(mechanism, Root):
            return base
        if base is not None and isinstance(mechanism, AdditiveNoise):
            return moved(base, _location(mechanism, parents))
        if base is not None and isinstance(mechanism, LocationScale):
            columns = [parents[name] for name in mechanism.parents]
            location = attempt(lambda as_: mechanism.location(*map(as_, columns)), *columns)
            log_scale = attempt(lambda as_: mechanism.log_scale(*map(as_, columns)), *columns)
            return moved(base, location, torch.exp(log_scale))
        return Opaque(mechanism, parents) if mechanism.has_density else None

    def _noise(self, node: Hashable, mechanism: Mechanism, residuals: dict[Hashable, Tensor]) -> Any:
        """Sample the noise of a node, from sites of its own."""
        if isinstance(mechanism, Altered):
            mechanism = mechanism.mechanism
        if mechanism.deterministic:
            return {}
        site = f"{self.names[node]}_noise"
        if node in self._joint:
            mean, scale = _conditional(self._joint[node], node, residuals)
            residuals[node] = pyro.sample(site, dist.Normal(mean, scale))
            self.noise_names[node] = (site,)
            return residuals[node]
        laws = _noise_laws(node, mechanism)
        sites = {key: site if key is None else f"{site}_{key}" for key in laws}
        clash = [name for name in sites.values() if name in self.names.values()]
        if clash:
            raise GraphError(f"a node is called {clash[0]!r}, as the site of the noise of {node!r} would be")
        self.noise_names[node] = tuple(sites.values())
        found = {key: pyro.sample(sites[key], law) for key, law in laws.items()}
        return found.get(None, found)


def _noise_laws(node: Hashable, mechanism: Mechanism) -> dict[str | None, Any]:
    if isinstance(mechanism, StateMechanism):
        if mechanism.coupling == "gumbel":
            zeros = torch.zeros(len(mechanism.states), dtype=torch.float64)
            return {None: dist.Gumbel(zeros, 1.0).to_event(1)}
        return {None: dist.Uniform(tensor(0.0), 1.0)}
    law = getattr(mechanism, "noise", None)
    parts: Mapping[Any, Any] = law if isinstance(law, Mapping) else {None: law}
    found = {key: torch_law(part) if isinstance(part, Distribution) else None for key, part in parts.items()}
    if any(part is None for part in found.values()):
        raise CausalRepError(f"the noise of {node!r} has the law {law!r}, which has no counterpart in Pyro")
    return found


def _location(mechanism: Mechanism, parents: Mapping[Hashable, Any]) -> Tensor:
    """Return the value of an additive mechanism at zero noise."""
    if isinstance(mechanism, Shifted):
        return _location(mechanism.mechanism, parents) + tensor(mechanism.delta)
    if not isinstance(mechanism, AdditiveNoise):
        return tensor(0.0)  # a root, which is its noise
    names = list(parents)

    def located(as_: Any) -> Any:
        return mechanism.location({name: as_(_number(parents[name])) for name in names})

    found = located(lambda part: part) if not names else attempt(located, *(parents[name] for name in names))
    return tensor(found)


def _number(part: Any) -> Any:
    return part.double() if isinstance(part, Tensor) else part


def _forward(mechanism: Mechanism, parents: Mapping[Hashable, Any], noise: Any) -> Any:
    """Return the value that a mechanism gives, on tensors where it can."""
    if isinstance(mechanism, Fixed):
        return mechanism.value
    if isinstance(mechanism, Equation):
        laws = list(mechanism._laws)
        return evaluated(mechanism.expr, parents, {laws[0]: noise} if len(laws) == 1 else noise)
    if isinstance(mechanism, LocationScale):
        columns = [parents[name] for name in mechanism.parents]
        location = attempt(lambda as_: mechanism.location(*map(as_, columns)), *columns)
        return (
            location
            + torch.exp(attempt(lambda as_: mechanism.log_scale(*map(as_, columns)), *columns)) * noise
        )
    parts = noise if isinstance(noise, Mapping) else {None: noise}

    def call(as_: Any) -> Any:
        given = {key: as_(part) for key, part in parts.items()}
        there = {name: as_(_number(part)) for name, part in parents.items()}
        return mechanism.forward(there, given if isinstance(noise, Mapping) else given[None])

    return attempt(call, *parents.values(), *parts.values())


def _state(mechanism: StateMechanism, rows: Tensor, noise: Any) -> Tensor:
    """Return the codes of the states that noise picks; see `StateMechanism.forward`."""
    if mechanism.deterministic:
        return rows.argmax(dim=-1)
    if mechanism.coupling == "gumbel":
        best: Tensor = (rows.log() + noise).argmax(dim=-1)
        return best
    found: Tensor = (rows.cumsum(dim=-1)[..., :-1] <= noise[..., None]).sum(dim=-1)
    return found


def _conditional(law: JointNormal, node: Hashable, known: Mapping[Hashable, Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and scale of a noise given those of its group that were sampled before; see JointNormal."""
    i = law.index(node)
    others = [other for other in law.nodes if other in known]
    given = [law.index(other) for other in others]
    if not given:
        return tensor(law.mean[i]), tensor(np.sqrt(law.covariance[i, i]))
    block = law.covariance[np.ix_(given, given)]
    weights = np.linalg.pinv(block, hermitian=True) @ law.covariance[given, i]
    mean = tensor(law.mean[i])
    for other, j, weight in zip(others, given, weights, strict=True):
        mean = mean + float(weight) * (known[other] - float(law.mean[j]))
    variance = law.covariance[i, i] - law.covariance[i, given] @ weights
    if variance <= 0:
        raise CausalRepError(
            f"the noise of {node!r} is certain given that of {others!r}: Pyro needs a density"
        )
    return mean, tensor(np.sqrt(variance))
