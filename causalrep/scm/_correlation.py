"""Noises that nodes of a model share: drawn together, weighed together, shown as bidirected edges."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, cast

from causalrep.graphs import ADMG
from causalrep.scm._arrays import to_numpy
from causalrep.scm._joint import JointNormal
from causalrep.scm._mechanism import Mechanism, Noise
from causalrep.utils import keyed_generator

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["CorrelatedNoise"]


class CorrelatedNoise:
    """What an SCM does where a `JointNormal` is the noise of several nodes."""

    _joints: dict[Hashable, JointNormal]

    def admg(self) -> ADMG:
        """Return the graph with a bidirected edge between nodes whose noises are correlated.

        Returns
        -------
        ADMG
            Directed edges and latent nodes as in `graph`; nodes that were intervened on keep no
            bidirected edge.

        Examples
        --------
        >>> from causalrep.scm import LinearGaussianSCM
        >>> scm = LinearGaussianSCM([[0, 2.0], [0, 0]], [[1.0, 0.5], [0.5, 1.0]], names=["X", "Y"])
        >>> scm.admg().to_string()
        'X -> Y; X <-> Y'
        """
        pairs = [pair for law, nodes in self._active_joints() for pair in law.correlated(nodes)]
        graph = cast("SCM", self).graph
        return ADMG(graph.directed_edges, pairs, nodes=graph.nodes, latent=graph.latent)

    def _active_joints(self) -> list[tuple[JointNormal, list[Hashable]]]:
        """Return the joint laws of noise, each with two or more nodes that still follow it."""
        members: dict[int, list[Hashable]] = {}
        for node, law in self._joints.items():
            if cast("SCM", self)._stream(node) == "noise":
                members.setdefault(id(law), []).append(node)
        return [(self._joints[nodes[0]], nodes) for nodes in members.values() if len(nodes) > 1]

    def _drawn(self, mechanism: Mechanism, node: Hashable, n: int, seed: int) -> Noise:
        """Draw the noise of a node from its stream, jointly with others where they share a law."""
        stream = cast("SCM", self)._stream(node)
        if node in self._joints and stream == "noise":
            return self._joints[node].sample(node, n, seed)
        return mechanism.sample_noise(n, keyed_generator(seed, stream, node))

    def _excess(self, mechanisms: Mapping[Hashable, Mechanism], values: Mapping[Hashable, Any]) -> Any:
        """Return what the joint log density of the noises has more than the sum of their own ones."""
        total: Any = 0.0
        for law, nodes in self._active_joints():
            told = {node: cast("SCM", self)._told(mechanisms[node], node, values) for node in nodes}
            noise = {node: to_numpy(part) for node, part in told.items()}
            alone = sum(law.marginal(node).log_prob(noise[node]) for node in nodes)
            total = total + law.log_prob(noise) - alone
        return total
