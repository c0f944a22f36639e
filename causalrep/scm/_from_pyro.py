"""A Pyro program as a structural causal model; imported where Pyro is used.

The sample sites of the program are the nodes. Which site reads which is found by following the provenance
of tensors through one run; that nothing else is read is checked by running the program again with the
parents of a site held and everything else drawn anew. The law that a site then has must be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.distributions import Delta
from pyro.infer.inspect import TrackProvenance
from pyro.ops.provenance import get_provenance
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from causalrep.graphs import DAG
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._pyro_kinds import Kind, bare, kind_of
from causalrep.utils import CausalRepError

__all__ = ["PyroSite", "read_program"]


def read_program(
    model: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[DAG, dict[Hashable, Mechanism]]:
    """Return the graph and the mechanisms of a Pyro program."""
    program = _Program(model, args, kwargs)
    first, second = (program.trace(seed) for seed in (0, 1))
    if list(first) != list(second):
        odd = next(name for name in (*first, *second) if name not in first or name not in second)
        raise CausalRepError(
            f"the program does not sample the same sites in every run ({odd!r} is not always there), so it "
            "has no fixed graph"
        )
    parents = program.parents()
    program.shapes = {name: tuple(site["value"].shape) for name, site in first.items()}
    program.dtypes = {name: site["value"].dtype for name, site in first.items()}
    chance = [site["fn"] for site in first.values() if not _is_point(site["fn"])]
    program.nesting = max((len(law.batch_shape) for law in chance), default=0)
    mechanisms: dict[Hashable, Mechanism] = {}
    for name, site in first.items():
        mechanisms[name] = PyroSite(program, name, parents[name], kind_of(site["fn"], name))
        _check_law(mechanisms[name], first, second)
    edges = [(parent, name) for name, found in parents.items() for parent in found]
    return DAG(edges, nodes=list(first)), mechanisms


class _Program:
    """A Pyro program that can be run once, or for many rows up to a site."""

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, torch.dtype]
    nesting: int

    def __init__(self, model: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self.model, self.args, self.kwargs = poutine.uncondition(model), args, dict(kwargs)
        self.layout: dict[str, tuple[int, ...]] = {}  # of the value of one row, plates included

    def trace(self, seed: int) -> dict[str, Any]:
        """Return the sample sites of one run, checked to be ones that a model can have."""
        with _quiet(seed), _Points():
            trace = poutine.trace(self.model).get_trace(*self.args, **self.kwargs)
        sites = {
            name: site
            for name, site in trace.nodes.items()
            if site["type"] == "sample" and not site_is_subsample(site)
        }
        for name, site in sites.items():
            _check_site(name, site)
        if not sites:
            raise CausalRepError("the program has no sample site")
        return sites

    def parents(self) -> dict[str, list[str]]:
        """Return the sites that the law of each site reads, in the order of the program."""
        with _quiet(0), TrackProvenance(include_deterministic=True), _Points():
            trace = poutine.trace(self.model).get_trace(*self.args, **self.kwargs)
        order = [
            name
            for name, site in trace.nodes.items()
            if site["type"] == "sample" and not site_is_subsample(site)
        ]
        found = {}
        for name in order:
            site = trace.nodes[name]
            read = get_provenance(bare(site["fn"]).log_prob(site["value"])) - {name}
            found[name] = [other for other in order if other in read]
        return found

    def law(self, name: str, n: int, parents: Mapping[Hashable, Array]) -> Any:
        """Return the distribution of a site for n rows of its parents."""
        data = {str(parent): self.as_tensor(str(parent), value) for parent, value in parents.items()}
        until, points = _Until(name), _Points(name)
        try:
            with _quiet(0), poutine.block(), until, pyro.plate("_rows", n, dim=-self.nesting - 1), points:
                poutine.condition(self.model, data)(*self.args, **self.kwargs)
        except _FoundError:
            law = bare(until.law) if points.law is None else points.law
            shape = self._shape(law, n, self.shapes[name])
            self.layout[name] = shape[1:]
            return Delta(law.v.reshape((-1, *shape[1:])).expand(shape)) if _is_point(law) else law
        except (RuntimeError, ValueError, IndexError) as error:
            raise CausalRepError(
                f"the program cannot run {n} rows at once up to {name!r} ({error}); write it so that all "
                "sites broadcast over a plate to their left"
            ) from error
        raise CausalRepError(f"the program did not reach the site {name!r}")

    def as_tensor(self, name: str, value: Array) -> Tensor:
        """Return rows of a node as the value of its site, where plates that it is not in are axes too."""
        rows = torch.as_tensor(np.array(value)).to(self.dtypes[name])
        return rows.reshape((len(rows), *self.layout[name]))

    def _shape(self, law: Any, n: int, own: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the value of a site for n rows."""
        if not _is_point(law):
            return (*law.batch_shape, *law.event_shape)
        found = tuple(law.v.shape)
        known = len(found) > max(len(own), self.nesting) and found[0] == n
        return found if known else (n, *(1,) * max(self.nesting - len(own), 0), *own)

    def as_rows(self, name: str, value: Tensor, n: int) -> Array:
        """Return the value of a site as n rows of its node."""
        return value.detach().cpu().numpy().reshape((n, *self.shapes[name]))


class _FoundError(Exception):
    """The site that was looked for is reached."""


class _Points(Messenger):
    """Keeps point masses out of plates: their values have all the axes that they need."""

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name
        self.law: Any = None

    def _pyro_sample(self, msg: Any) -> None:
        if not _is_point(msg["fn"]):
            return
        # pyro.deterministic declares all axes to be one event's, which inner plates have repeated by now
        given = msg["infer"].get("obs") if msg["infer"].get("_deterministic") else None
        value = _point(msg["fn"]).v if given is None else given
        if self.name and msg["name"] == self.name:
            self.law = Delta(value)
            raise _FoundError
        if msg["value"] is None:
            msg["value"] = value
        msg["done"] = True


class _Until(Messenger):
    """Stops a program at a site and keeps the law that it has there."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.law = name, None

    def _pyro_post_sample(self, msg: Any) -> None:
        if msg["name"] == self.name:
            self.law = msg["fn"]
            raise _FoundError


def _point(law: Any) -> Any:
    law = bare(law)
    while type(law).__name__ in ("Independent", "ExpandedDistribution"):
        law = law.base_dist
    return law


def _is_point(law: Any) -> bool:
    return type(_point(law)).__name__ == "Delta"


@contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """Run Pyro without gradients and validation, on a random state of its own."""
    with torch.random.fork_rng(), torch.no_grad(), pyro.validation_enabled(False):
        torch.manual_seed(seed)
        yield


def _check_site(name: str, site: Mapping[str, Any]) -> None:
    partial = [frame.name for frame in site["cond_indep_stack"] if frame.size != frame.full_size]
    if partial:
        raise CausalRepError(
            f"the plate {partial[0]!r} of {name!r} is subsampled; run the program on all of it"
        )
    if type(bare(site["fn"])).__name__ == "Unit":
        raise CausalRepError(f"{name!r} is a factor: a weight, not a variable that is caused")
    if isinstance(site["scale"], Tensor) or site["scale"] != 1.0:
        raise CausalRepError(f"{name!r} is scaled, so its law is none of a structural causal model")


def _check_law(
    mechanism: Mechanism,
    first: Mapping[str, Mapping[str, Any]],
    second: Mapping[str, Mapping[str, Any]],
) -> None:
    """Check that the law of a site is a function of its parents alone, and the same for many rows at once."""
    if not isinstance(mechanism, PyroSite):
        return
    name = mechanism.name
    runs = (first, second)
    stacked = {
        parent: np.stack([run[str(parent)]["value"].numpy() for run in runs]) for parent in mechanism.parents
    }
    value = np.stack([run[name]["value"].numpy() for run in runs])
    if mechanism.deterministic:
        found, truth = mechanism.forward(stacked, {}), value
    else:
        found = mechanism.log_prob(stacked, value)
        truth = np.array([float(bare(run[name]["fn"]).log_prob(run[name]["value"]).sum()) for run in runs])
    if not np.allclose(found, truth, rtol=1e-4, atol=1e-4, equal_nan=True):
        raise CausalRepError(
            f"the law of {name!r} is no function of its parents {list(mechanism.parents)!r} alone, or not "
            "the same when many rows run at once: values must not steer Python's control flow, leave "
            "Torch, or be summed over rows"
        )


class PyroSite(Mechanism):
    """A sample site of a Pyro program as a mechanism.

    Parameters
    ----------
    program : _Program
        The program.
    name : str
        The site.
    parents : sequence of str
        The sites that it reads.
    kind : Kind
        How its distribution is a function of parameters and noise.
    """

    def __init__(self, program: _Program, name: str, parents: list[str], kind: Kind) -> None:
        self.program, self.name, self.kind = program, name, kind
        self._parents = tuple(parents)

    def __repr__(self) -> str:
        return f"PyroSite({self.name!r}, {self.kind.name})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The sites that this one reads."""
        return self._parents

    @property
    def deterministic(self) -> bool:
        """Whether the site is a point mass."""
        return self.kind.draw is None

    @property
    def invertible(self) -> bool:
        """Whether the noise can be told from the value."""
        return self.deterministic or self.kind.backward is not None

    @property
    def has_posterior(self) -> bool:
        """Whether the noise can be told, or drawn from the interval that a discrete value leaves."""
        return self.invertible or self.kind.interval is not None

    def _law(self, parents: Mapping[Hashable, Array], n: int) -> Any:
        return self.program.law(self.name, n, parents)

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the value that the site's law gives to the noise."""
        n = len(next(iter(parents.values()))) if isinstance(noise, Mapping) and parents else 1
        n = n if isinstance(noise, Mapping) else len(noise)
        law = self._law(parents, n)
        with torch.no_grad():
            drawn = None if isinstance(noise, Mapping) else self._shaped(noise, law)
            value = self.kind.forward(law, drawn)
        rows = self.program.as_rows(self.name, value, n)
        return rows[0] if isinstance(noise, Mapping) and not parents and not rows[0].shape else rows

    def _shaped(self, rows: Array, law: Any) -> Tensor:
        shape = (*law.batch_shape, *law.event_shape)
        return torch.as_tensor(np.asarray(rows)).reshape(shape)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw the noise of the site."""
        if self.kind.draw is None:
            return {}
        return self.kind.draw(generator, (n, *self.program.shapes[self.name]))

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the noise that gives the value."""
        if self.kind.backward is None:
            return super().abduct(parents, value)
        law = self._law(parents, len(value))
        with torch.no_grad():
            noise = self.kind.backward(law, self.program.as_tensor(self.name, value))
        return self.program.as_rows(self.name, noise, len(value))

    def draw_noise(
        self, parents: Mapping[Hashable, Array], value: Array, generator: np.random.Generator
    ) -> Noise:
        """Draw the noise given the value: uniform on the interval that a discrete value leaves."""
        if self.kind.interval is None:
            return self.abduct(parents, value)
        law = self._law(parents, len(value))
        with torch.no_grad():
            ends = self.kind.interval(law, self.program.as_tensor(self.name, value))
        low, high = (self.program.as_rows(self.name, end, len(value)) for end in ends)
        drawn = low + (high - low) * generator.random(low.shape)
        return np.minimum(drawn, np.nextafter(high, -np.inf))

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log density of each row, shape (n,)."""
        law = self._law(parents, len(value))
        with torch.no_grad():
            density = law.log_prob(self.program.as_tensor(self.name, value))
        return density.double().reshape(len(value), -1).sum(dim=1).numpy()
