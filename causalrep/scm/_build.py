"""From what a user writes to a graph and mechanisms that agree with each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import networkx as nx

from causalrep.graphs import DAG
from causalrep.scm._distributions import Distribution
from causalrep.scm._equations import Equation
from causalrep.scm._joint import JointNormal
from causalrep.scm._mechanism import Mechanism, NoiseLaw
from causalrep.scm._mechanisms import Function, Root
from causalrep.scm._unfitted import Unfitted
from causalrep.utils import DataError, GraphError, UnknownNameError

__all__ = ["as_mechanism", "check_agreement", "collect_mechanisms", "rewired", "with_latent"]


def collect_mechanisms(
    graph: DAG | nx.DiGraph | None,
    mechanisms: Mapping[Hashable, Any],
    noise: Mapping[Hashable, NoiseLaw | JointNormal],
) -> tuple[DAG, dict[Hashable, Mechanism]]:
    """Return the graph and a `Mechanism` for each node that has one, or a law and no parents."""
    if not isinstance(mechanisms, Mapping) or not isinstance(noise, Mapping):
        raise TypeError("`mechanisms` and `noise` must be mappings of node to mechanism and of node to law")
    if not (graph is None or isinstance(graph, (DAG, nx.DiGraph))):
        raise TypeError(f"`graph` must be a DAG, a networkx.DiGraph or None, got {type(graph).__name__}")
    given = {node: as_mechanism(node, spec, noise.get(node)) for node, spec in mechanisms.items()}
    roots = {node: law for node, law in noise.items() if node not in given}
    if graph is None:
        given.update({node: as_mechanism(node, law, None) for node, law in roots.items()})
        return _graph_of(given), given
    dag = graph if isinstance(graph, DAG) else DAG.from_networkx(graph)
    for what, names in (("`mechanisms`", mechanisms), ("`noise`", noise)):
        for node in names:
            if node not in dag:
                raise UnknownNameError(node, dag.nodes, what=what)
    given.update({node: as_mechanism(node, roots[node], None) for node in roots if not dag.parents(node)})
    if all(isinstance(mechanism, Unfitted) for mechanism in given.values()):
        given = {node: given.get(node, Unfitted()) for node in dag.nodes}
    return dag, given


def as_mechanism(node: Hashable, spec: Any, law: NoiseLaw | JointNormal) -> Mechanism:
    """Return the mechanism that a specification and a law, or one of them, stand for."""
    law = law.marginal(node) if isinstance(law, JointNormal) else law
    try:
        if isinstance(spec, JointNormal):
            spec = Root(spec.marginal(node))
        if isinstance(spec, Distribution):
            spec = Root(spec)
        if isinstance(spec, str):
            if isinstance(law, Mapping):
                raise DataError(f"an equation takes one law of `noise`, got {law!r}")
            return Equation(spec, law)
        if isinstance(spec, Mechanism):
            return spec if law is None else spec.with_noise(law)
        if hasattr(spec, "fit"):  # a learner, or an estimator of scikit-learn
            return Unfitted(spec)
        if callable(spec):
            return Function(spec, law)
    except (DataError, GraphError) as error:
        raise type(error)(f"the mechanism of {node!r}: {error}") from error
    raise TypeError(
        f"the mechanism of {node!r} must be a Mechanism, a callable, an equation string or a Distribution, "
        f"got {type(spec).__name__}"
    )


def _graph_of(given: Mapping[Hashable, Mechanism]) -> DAG:
    """Return the graph that the argument names of the mechanisms tell."""
    edges = []
    for node, mechanism in given.items():
        if mechanism.parents is None:
            raise GraphError(f"the mechanism of {node!r} does not name its parents, so a `graph` is needed")
        for parent in mechanism.parents:
            if parent not in given:
                raise UnknownNameError(parent, given, what=f"the mechanism of {node!r}")
            edges.append((parent, node))
    return DAG(edges, nodes=list(given))


def with_latent(graph: DAG, latent: Hashable | Iterable[Hashable]) -> DAG:
    """Return the graph with more of its nodes declared latent."""
    more = DAG(nodes=graph.nodes, latent=latent).latent
    if all(node in graph.latent for node in more):
        return graph
    return DAG(graph.directed_edges, nodes=graph.nodes, latent=[*graph.latent, *more])


def check_agreement(graph: DAG, given: Mapping[Hashable, Mechanism]) -> None:
    """Check that every node has a mechanism and that it reads the node's parents."""
    missing = [node for node in graph.nodes if node not in given]
    if missing:
        raise GraphError(
            f"no mechanism for {', '.join(map(repr, missing))}; give each in `mechanisms` "
            "(for a node without parents, a law in `noise` is enough)"
        )
    for node in graph.nodes:
        found, expected = given[node].parents, tuple(graph.parents(node))
        if found is not None and set(found) != set(expected):
            raise GraphError(
                f"the mechanism of {node!r} reads {_listed(found)}, "
                f"but the parents of {node!r} in the graph are {_listed(expected)}"
            )


def _listed(nodes: tuple[Hashable, ...]) -> str:
    return ", ".join(map(repr, nodes)) or "no node"


def rewired(graph: DAG, replaced: Mapping[Hashable, Mechanism]) -> DAG:
    """Return the graph in which the `replaced` nodes have the parents that their mechanisms read.

    Raises
    ------
    UnknownNameError
        If a mechanism reads what is not a node.
    CycleError
        If it reads the node itself or a descendant of it.
    """
    edges = [(u, v) for u, v in graph.directed_edges if v not in replaced]
    for node, mechanism in replaced.items():
        parents = tuple(graph.parents(node)) if mechanism.parents is None else mechanism.parents
        for parent in parents:
            if parent not in graph:
                raise UnknownNameError(parent, graph.nodes, what=f"the policy for {node!r}")
            edges.append((parent, node))
    return DAG(edges, nodes=graph.nodes, latent=graph.latent)
