"""Several worlds that share their noise, unfolded into one network of copies.

A counterfactual question speaks of more than one world: what was seen, what would have been, and
for nested questions (what Y would be under x if M were as it is under x') values carried from one
world into another. All of them are read by one rule. A *copy* of a node is its mechanism applied to
copies of its parents; copies of a node that follow its own mechanism share the node's noise; and
copies with the same mechanism and the same parents are one copy, since they cannot differ (the
merging of Shpitser and Pearl 2007, lemma 24). What the engines for tables, for Gaussians and for
draws compute is this network.

References
----------
I. Shpitser, J. Pearl, "What counterfactuals can be tested", UAI 2007, arXiv:1206.5294.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from causalrep.scm._interventions import Altered, Fixed
from causalrep.scm._mechanism import Mechanism

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["Copy", "Network", "Place", "World", "unfold"]

Place: TypeAlias = tuple[int, Hashable]
"""A node in a world: (index of the world, node)."""


@dataclass(frozen=True)
class World:
    """A world: what is done in it, and which values it reads from an earlier world.

    Attributes
    ----------
    do : mapping of node to intervention
        As in `SCM.do`.
    reads : mapping of (parent, child) to int
        Edges along which the child reads its parent's value in another world, by index.
    """

    do: Mapping[Hashable, Any] = field(default_factory=dict)
    reads: Mapping[tuple[Hashable, Hashable], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Copy:
    """A node in one or more worlds in which it cannot differ.

    Attributes
    ----------
    node : hashable
        The node.
    mechanism : Mechanism
        What gives its value.
    parents : tuple of (node, int)
        Its parents and the numbers of their copies.
    source : int
        Number of the first copy with the same noise (its own if there is none before).
    stream : str
        Which stream of chance its noise comes from.
    """

    node: Hashable
    mechanism: Mechanism
    parents: tuple[tuple[Hashable, int], ...]
    source: int
    stream: str


@dataclass(frozen=True)
class Network:
    """The copies, causes first, and where each node of each world is found among them."""

    copies: Sequence[Copy]
    index: Mapping[Place, int]

    def needed(self, places: Iterable[Place]) -> list[int]:
        """Return the numbers of the copies that the given places depend on, causes first."""
        wanted = {self.index[place] for place in places}
        for number in range(len(self.copies) - 1, -1, -1):
            if number in wanted:
                wanted.update(parent for _, parent in self.copies[number].parents)
        return sorted(wanted)


def unfold(model: SCM, worlds: Sequence[World]) -> Network:
    """Return the network of copies of `model` in the given worlds; a world reads earlier ones only."""
    copies: list[Copy] = []
    index: dict[Place, int] = {}
    seen: dict[Hashable, int] = {}
    sources: dict[Hashable, int] = {}
    for number, world in enumerate(worlds):
        view = model._intervened(model._actions(world.do)) if world.do else model
        for node in view.graph.topological_order():
            mechanism = view._mechanisms[node]
            parents = tuple(
                (parent, index[world.reads.get((parent, node), number), parent])
                for parent in view._parents[node]
            )
            key = (node, _identity(mechanism), parents)
            if key not in seen:
                seen[key] = len(copies)
                source = sources.setdefault((node, id(unshifted(mechanism))), len(copies))
                copies.append(Copy(node, mechanism, parents, source, view._stream(node)))
            index[number, node] = seen[key]
    return Network(copies, index)


def unshifted(mechanism: Mechanism) -> Mechanism:
    """Return the mechanism inside any alterations."""
    while isinstance(mechanism, Altered):
        mechanism = mechanism.mechanism
    return mechanism


def _identity(mechanism: Mechanism) -> Hashable:
    if isinstance(mechanism, Fixed) and not getattr(mechanism.value, "shape", ()):
        return ("fixed", mechanism.value)
    return id(mechanism)
