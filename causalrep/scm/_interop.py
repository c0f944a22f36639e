"""Models of other libraries, there and back: Pyro, DoWhy-GCM, networkx, and pgmpy for discrete models."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import networkx as nx

from causalrep.graphs import DAG
from causalrep.scm._joint import JointNormal
from causalrep.scm._mechanism import Mechanism, NoiseLaw
from causalrep.utils import GraphError

if TYPE_CHECKING:
    from causalrep.scm._cpt import CPT
    from causalrep.scm._scm import SCM
    from causalrep.scm._to_pyro import PyroModel

__all__ = ["InteropMixin", "PgmpyMixin"]


class InteropMixin:
    """How an `SCM` is told to other libraries, and learned from them."""

    if TYPE_CHECKING:  # what it finds in the SCM
        _graph: DAG
        _mechanisms: dict[Hashable, Mechanism]
        _joints: dict[Hashable, JointNormal]

        def __init__(
            self,
            graph: DAG | nx.DiGraph | None = None,
            mechanisms: Mapping[Hashable, Any] | None = None,
            *,
            noise: Mapping[Hashable, Any] | None = None,
            latent: Any = (),
        ) -> None: ...

    def to_pyro(self, *, sites: Literal["values", "noise"] = "values") -> PyroModel:
        """Return the model as a Pyro program.

        Parameters
        ----------
        sites : {"values", "noise"}, default="values"
            What is sampled. "values": every node that has a density, from its law given its parents, so that
            `pyro.condition` weighs by it; others from noise. "noise": the noise of every node, in sites
            called ``"X_noise"``; nodes are point masses, which `pyro.do` replaces, and the noise can be
            shared by worlds.

        Returns
        -------
        callable
            ``model(n=None)`` samples one unit, or n in a plate ``"rows"``, and returns the values by site. A
            site has the name of its node and holds doubles; of a node with states it holds their codes, 0,
            1, ... in order. Equations, lines and tables are differentiable, other mechanisms if their
            functions are written for tensors.

        Raises
        ------
        DataError
            If a node is array-valued.
        GraphError
            If two sites would have the same name.
        CausalRepError
            When it runs: if noise has a law that Pyro does not know, or a gradient is asked of NumPy.

        Examples
        --------
        >>> import pyro, torch
        >>> from causalrep.scm import SCM
        >>> scm = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
        >>> with_y = pyro.condition(scm.to_pyro(), {"Y": torch.tensor(1.0)})
        >>> sorted(pyro.poutine.trace(with_y).get_trace().stochastic_nodes)
        ['X']
        """
        from causalrep.scm._to_pyro import PyroModel

        return PyroModel(cast("SCM", self), sites)

    @classmethod
    def from_pyro(cls, model: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Self:
        """Return the model that a Pyro program of one unit is.

        Parameters
        ----------
        model : callable
            The program. Its sample sites become nodes, `pyro.deterministic` ones deterministic nodes;
            observed values are dropped. Values in plates make array-valued nodes.
        *args, **kwargs
            What the program is called with.

        Returns
        -------
        SCM
            Each mechanism runs the program up to its site with the parents held, many rows at a time.

        Raises
        ------
        CausalRepError
            For programs that are no such model, or cannot be known to be one: other sites in other runs,
            values that steer Python's control flow or leave Torch on their way, factors, scaled sites,
            subsampled plates, sites that do not broadcast over a plate to their left, and distributions that
            cannot be written as a function of parameters and noise.

        Notes
        -----
        Dependencies are read from the provenance of tensors and then checked: with its parents held and
        everything else drawn anew, a site must have the same law. The noise is standard for laws with
        location and scale, else uniform; which function of it a site is matters to counterfactuals and to
        nothing else.

        Examples
        --------
        >>> import pyro
        >>> import pyro.distributions as dist
        >>> from causalrep.scm import SCM
        >>> def program():
        ...     x = pyro.sample("X", dist.Normal(0.0, 1.0))
        ...     pyro.sample("Y", dist.Normal(2 * x, 0.5))
        >>> scm = SCM.from_pyro(program)
        >>> scm.graph.to_string()
        'X -> Y'
        >>> float(scm.counterfactual({"X": [1.0], "Y": [2.5]}, do={"X": 0.0})["Y"][0])
        0.5
        """
        from causalrep.scm._from_pyro import read_program

        graph, mechanisms = read_program(model, args, kwargs)
        return cls(graph, mechanisms)

    def to_networkx(self) -> nx.DiGraph:
        """Return the graph with mechanisms as attributes of its nodes.

        Returns
        -------
        networkx.DiGraph
            Each node has ``mechanism`` and ``latent``; joint laws of noise are in the attribute ``noise`` of
            the graph.

        Examples
        --------
        >>> from causalrep.scm import SCM
        >>> graph = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)").to_networkx()
        >>> graph.nodes["Y"]["mechanism"].coefficients
        {'X': 2.0}
        """
        graph = nx.DiGraph(noise={node: law for node, law in self._joints.items() if node in self._active()})
        for node, mechanism in self._mechanisms.items():
            graph.add_node(node, mechanism=mechanism, latent=node in self._graph.latent)
        graph.add_edges_from(self._graph.directed_edges)
        return graph

    def _active(self) -> list[Hashable]:
        return [node for _, nodes in cast("SCM", self)._active_joints() for node in nodes]

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph) -> Self:
        """Return the model that `to_networkx` wrote, or any graph whose nodes have mechanisms.

        Parameters
        ----------
        graph : networkx.DiGraph
            With the attribute ``mechanism`` at each node, as in `SCM`, and perhaps ``latent``.

        Returns
        -------
        SCM
            With the nodes in the order of the graph.

        Raises
        ------
        GraphError
            If a node has no mechanism, or one that reads other nodes than its parents.
        DataError
            If the class is a special one, `DiscreteSCM` say, and a mechanism is not of its kind.

        Examples
        --------
        >>> import networkx as nx
        >>> from causalrep.scm import SCM, Normal
        >>> graph = nx.DiGraph([("X", "Y")])
        >>> graph.nodes["X"]["mechanism"] = Normal(0, 1)
        >>> graph.nodes["Y"]["mechanism"] = "3 * X"
        >>> SCM.from_networkx(graph).sample(2, random_state=0).shape
        (2, 2)
        """
        missing = [node for node, data in graph.nodes(data=True) if "mechanism" not in data]
        if missing:
            raise GraphError(f"the node {missing[0]!r} of the graph has no attribute 'mechanism'")
        mechanisms = {node: data["mechanism"] for node, data in graph.nodes(data=True)}
        laws = graph.graph.get("noise", {})
        mechanisms = {node: _unnamed(mechanism, laws.get(node)) for node, mechanism in mechanisms.items()}
        latent = [node for node, data in graph.nodes(data=True) if data.get("latent")]
        return cls._of_parts(DAG([*graph.edges], nodes=[*graph.nodes], latent=latent), mechanisms, laws)

    @classmethod
    def _of_parts(
        cls, graph: DAG, mechanisms: Mapping[Hashable, Any], noise: Mapping[Hashable, NoiseLaw]
    ) -> Self:
        """Return a model of this class; a special class that is made of other things says how."""
        return cast("type[SCM]", cls)(graph, mechanisms, noise=noise)  # type: ignore[return-value]

    def to_dowhy(self) -> Any:
        """Return the model as one of DoWhy-GCM, ready to sample and to ask without a fit.

        Returns
        -------
        dowhy.gcm.InvertibleStructuralCausalModel or dowhy.gcm.StructuralCausalModel
            The latter if a noise cannot be told. Its mechanisms call those of this model; DoWhy's `fit` keeps
            them.

        Raises
        ------
        MissingDependencyError
            If DoWhy is not installed.
        CausalRepError
            If noises are correlated, which DoWhy cannot express.
        """
        from causalrep.scm._dowhy import to_dowhy

        return to_dowhy(cast("SCM", self))

    @classmethod
    def from_dowhy(cls, model: Any) -> Self:
        """Return the model that a fitted one of DoWhy-GCM is.

        Parameters
        ----------
        model : dowhy.gcm.StructuralCausalModel
            Fitted, each mechanism a function of parents and noise.

        Returns
        -------
        SCM
            Fitted lines become `Linear` with empirical noise; other mechanisms call DoWhy's.

        Raises
        ------
        MissingDependencyError
            If DoWhy is not installed.
        CausalRepError
            If a mechanism is no function of parents and noise.
        """
        from causalrep.scm._dowhy import from_dowhy

        graph, mechanisms = from_dowhy(model)
        return cls(graph, mechanisms)


def _unnamed(mechanism: Any, law: JointNormal | None) -> Any:
    """Return an additive mechanism without the marginal that a joint law gave it, to be given it again."""
    if law is None:
        return mechanism
    from causalrep.scm._mechanisms import AdditiveNoise, Linear, Root

    if isinstance(mechanism, Root):
        return law
    if isinstance(mechanism, Linear):
        return Linear(mechanism.coefficients, mechanism.intercept)
    if isinstance(mechanism, AdditiveNoise):
        return AdditiveNoise(mechanism._call.function, parents=mechanism.parents)
    return mechanism


class PgmpyMixin:
    """How a `DiscreteSCM` is told to pgmpy, and learned from it."""

    def to_pgmpy(self) -> Any:
        """Return structure, tables and state names as a network of pgmpy.

        Returns
        -------
        pgmpy.models.DiscreteBayesianNetwork
            Couplings have no place in it.

        Raises
        ------
        MissingDependencyError
            If pgmpy is not installed.
        GraphError
            If an intervention has put something else than a table in place.
        """
        from causalrep.scm._discrete import DiscreteSCM
        from causalrep.scm._pgmpy import network_of

        model = cast("DiscreteSCM", self)
        tables: dict[Hashable, CPT] = model._tables_of_nodes("a network of pgmpy")
        return network_of(tables, list(model.graph.directed_edges), list(model.graph.latent))

    @classmethod
    def from_pgmpy(cls, network: Any, *, coupling: Literal["monotone", "gumbel"] = "monotone") -> Self:
        """Return the model with the tables of a network of pgmpy.

        Parameters
        ----------
        network : pgmpy.models.DiscreteBayesianNetwork
            With a table for every variable.
        coupling : {"monotone", "gumbel"}, default="monotone"
            As in `from_cpts`.

        Returns
        -------
        DiscreteSCM
            With the variables, states and latents of the network.

        Raises
        ------
        DataError
            If a variable has no table.
        """
        from causalrep.scm._pgmpy import cpts_of_pgmpy

        cpts, states = cpts_of_pgmpy(network)
        latent = [node for node in cpts if node in getattr(network, "latents", ())]
        made: Self = cls.from_cpts(cpts, states, latent=latent, coupling=coupling)  # type: ignore[attr-defined]
        return made
