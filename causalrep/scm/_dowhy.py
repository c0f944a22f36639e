"""Models of DoWhy-GCM, there and back; imported where DoWhy is used."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from causalrep.graphs import DAG
from causalrep.scm._arrays import to_numpy
from causalrep.scm._distributions import Empirical
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._mechanisms import Linear, Root
from causalrep.utils import CausalRepError, MissingDependencyError

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["from_dowhy", "to_dowhy"]


def gcm() -> Any:
    """Return DoWhy's module of graphical causal models, or say how to install it."""
    try:
        return importlib.import_module("dowhy.gcm")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "converting a model needs the package 'dowhy', which is not installed; install it with: "
            "pip install dowhy"
        ) from error


def to_dowhy(scm: SCM) -> Any:
    """Return the model as one of DoWhy-GCM, with this library's mechanisms inside."""
    peer = gcm()
    joined = [nodes for _, nodes in scm._active_joints()]
    if joined:
        raise CausalRepError(
            f"the noises of {joined[0]!r} are correlated, which a model of DoWhy cannot express"
        )
    stochastic, invertible, functional = _classes()
    graph = nx.DiGraph()
    graph.add_nodes_from(scm.graph.nodes)
    graph.add_edges_from(scm.graph.directed_edges)
    inner = [node for node in scm.graph.nodes if scm._parents[node]]
    whole = all(scm._mechanisms[node].invertible for node in inner)
    model = (peer.InvertibleStructuralCausalModel if whole else peer.StructuralCausalModel)(graph)
    for node in scm.graph.nodes:
        mechanism = scm._mechanisms[node]
        order = importlib.import_module("dowhy.graph").get_ordered_predecessors(graph, node)
        kind = (invertible if mechanism.invertible else functional) if order else stochastic
        model.set_causal_mechanism(node, kind(mechanism, order))
        graph.nodes[node][importlib.import_module("dowhy.gcm.causal_models").PARENTS_DURING_FIT] = order
    return model


def _classes() -> tuple[type, type, type]:
    """Return DoWhy's kinds of mechanisms, around ours: root, invertible and other."""
    base = importlib.import_module("dowhy.gcm.causal_mechanisms")

    class Stochastic(base.StochasticModel):  # type: ignore[misc, name-defined]
        """A node without parents."""

        def __init__(self, mechanism: Mechanism, order: list[Hashable]) -> None:
            self.mechanism, self.order = mechanism, order

        def fit(self, X: Any, Y: Any = None) -> None:
            """Keep the mechanism: it is given."""

        def clone(self) -> Any:
            return type(self)(self.mechanism, self.order)

        def draw_noise_samples(self, num_samples: int) -> Any:
            return _column(self.mechanism.sample_noise(num_samples, _generator()), num_samples)

        def draw_samples(self, num_samples: Any) -> Any:
            noise = self.mechanism.sample_noise(num_samples, _generator())
            return _column(self.mechanism.forward({}, noise), num_samples)

    class Functional(base.FunctionalCausalModel):  # type: ignore[misc, name-defined]
        """A node with parents."""

        __init__ = Stochastic.__init__
        fit = Stochastic.fit
        clone = Stochastic.clone
        draw_noise_samples = Stochastic.draw_noise_samples

        def evaluate(self, parent_samples: Any, noise_samples: Any) -> Any:
            rows = np.asarray(parent_samples)
            noise: Any = {}
            if not self.mechanism.deterministic:
                noise = np.asarray(noise_samples)
                noise = noise[:, 0] if noise.ndim == 2 and noise.shape[1] == 1 else noise
            return _column(self.mechanism.forward(_parents(self.order, rows), noise), len(rows))

    class Invertible(Functional, base.InvertibleFunctionalCausalModel):  # type: ignore[misc, name-defined]
        """A node with parents whose noise can be told."""

        def estimate_noise(self, target_samples: Any, parent_samples: Any) -> Any:
            rows, value = np.asarray(parent_samples), np.asarray(target_samples).reshape(len(parent_samples))
            return _column(self.mechanism.abduct(_parents(self.order, rows), _plain(value)), len(rows))

    return Stochastic, Invertible, Functional


def _generator() -> np.random.Generator:
    """Return a stream that NumPy's global state addresses, which is what seeds DoWhy."""
    return np.random.default_rng(np.random.randint(2**31 - 1))  # noqa: NPY002


def _column(values: Any, n: int) -> Any:
    """Return values or noise as DoWhy holds them: two axes; zeros for no noise."""
    if isinstance(values, Mapping):
        if values:
            raise CausalRepError("DoWhy knows one noise for each node; this mechanism has several")
        return np.zeros((n, 1))
    array = np.broadcast_to(to_numpy(values), (n,)) if not np.shape(values) else to_numpy(values)
    return array.reshape(n, -1)


def _plain(column: Any) -> Any:
    """Return numbers that came in an object array as numbers."""
    if column.dtype == object and all(isinstance(part, (int, float, np.number)) for part in column):
        return column.astype(np.float64)
    return column


def _parents(order: list[Hashable], rows: Any) -> dict[Hashable, Any]:
    return {parent: _plain(rows[:, i]) for i, parent in enumerate(order)}


def from_dowhy(model: Any) -> tuple[DAG, dict[Hashable, Mechanism]]:
    """Return graph and mechanisms of a model of DoWhy-GCM."""
    gcm()
    graph = DAG(list(model.graph.edges), nodes=list(model.graph.nodes))
    ordered = importlib.import_module("dowhy.graph").get_ordered_predecessors
    mechanisms: dict[Hashable, Mechanism] = {}
    for node in graph.nodes:
        foreign, order = model.causal_mechanism(node), list(ordered(model.graph, node))
        own = getattr(foreign, "mechanism", None)
        if isinstance(own, Mechanism):
            mechanisms[node] = own
        else:
            mechanisms[node] = _line(foreign, order) or DoWhyMechanism(foreign, order)
    return graph, mechanisms


def _line(foreign: Any, order: list[Hashable]) -> Mechanism | None:
    """Return the library's own mechanism for a fitted line, or for observed values, else None."""
    kind = type(foreign).__name__
    if kind == "EmpiricalDistribution" and np.asarray(foreign.data).dtype.kind in "if":
        return Root(Empirical(np.asarray(foreign.data).ravel()))
    regression: Any = getattr(getattr(foreign, "prediction_model", None), "sklearn_model", None)
    noise: Any = getattr(foreign, "noise_model", None)
    if kind != "AdditiveNoiseModel" or type(regression).__name__ != "LinearRegression":
        return None
    if type(noise).__name__ != "EmpiricalDistribution" or np.size(regression.coef_) != len(order):
        return None
    coefficients = dict(zip(order, map(float, np.ravel(regression.coef_)), strict=True))
    return Linear(coefficients, float(np.ravel(regression.intercept_)[0]), Empirical(np.ravel(noise.data)))


class DoWhyMechanism(Mechanism):
    """A mechanism of DoWhy-GCM.

    Parameters
    ----------
    foreign : StochasticModel or FunctionalCausalModel of DoWhy
        The mechanism, fitted.
    order : list of node
        The parents, in DoWhy's order.
    """

    def __init__(self, foreign: Any, order: list[Hashable]) -> None:
        if order and not hasattr(foreign, "evaluate"):
            raise CausalRepError(
                f"the mechanism {type(foreign).__name__} draws, but is no function of parents and noise; "
                "use a FunctionalCausalModel"
            )
        self.foreign, self.order = foreign, list(order)

    def __repr__(self) -> str:
        return f"DoWhyMechanism({type(self.foreign).__name__})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The parents, in DoWhy's order."""
        return tuple(self.order)

    @property
    def invertible(self) -> bool:
        """Whether DoWhy can estimate the noise; a root is its own noise."""
        return not self.order or hasattr(self.foreign, "estimate_noise")

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return what DoWhy evaluates."""
        if not self.order:
            return noise
        return _plain(np.asarray(self.foreign.evaluate(self._rows(parents), noise)).reshape(len(noise)))

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Return the noise that DoWhy estimates."""
        if not self.order:
            return value
        if not self.invertible:
            return super().abduct(parents, value)
        return np.asarray(self.foreign.estimate_noise(np.asarray(value), self._rows(parents)))

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw the noise, with NumPy's global state seeded for the time being."""
        with _seeded(generator):
            if not self.order:
                return _plain(np.asarray(self.foreign.draw_samples(n)).reshape(n))
            return np.asarray(self.foreign.draw_noise_samples(n))

    def _rows(self, parents: Mapping[Hashable, Array]) -> Any:
        return np.column_stack([np.asarray(parents[name]) for name in self.order])


@contextmanager
def _seeded(generator: np.random.Generator) -> Iterator[None]:
    """Seed NumPy's global state, which DoWhy draws from, and put it back afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(generator.integers(2**32 - 1)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
