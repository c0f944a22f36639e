"""Which nodes a counterfactual has to compute, and how: decided before any work is done."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from causalrep.graphs import DAG
from causalrep.scm._evidence import Evidence

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """The nodes to compute, in order, sorted by where their value comes from.

    Attributes
    ----------
    graph : DAG
        The graph of the imagined world.
    targets : frozenset of node
        Nodes that are intervened on.
    order : tuple of node
        Nodes to compute, causes first.
    acted : tuple of node
        Those that a new mechanism gives.
    moved : frozenset of node
        Shifted nodes with unchanged parents: the observed value plus the shift, without abduction.
    replayed : tuple of node
        Those that their own mechanism gives again, from new parents and their old noise.
    dropped : frozenset of node
        Nodes that would change but are not wanted.
    """

    graph: DAG
    targets: frozenset[Hashable]
    order: tuple[Hashable, ...]
    acted: tuple[Hashable, ...]
    moved: frozenset[Hashable]
    replayed: tuple[Hashable, ...]
    dropped: frozenset[Hashable]

    @classmethod
    def make(
        cls,
        graph: DAG,
        acted: Iterable[Hashable],
        shifted: Iterable[Hashable],
        wanted: Iterable[Hashable],
        *,
        altered: Iterable[Hashable] = (),
    ) -> Plan:
        """Plan the descendants of the targets, as far as the wanted nodes need them.

        Targets that are `altered` are replayed: they follow an alteration of their own mechanism.
        """
        acted, shifted, wanted = set(acted), set(shifted), list(wanted)
        targets = acted.union(shifted, altered)
        touched = targets.union(graph.descendants(list(targets)))
        needed = touched & set(wanted).union(graph.ancestors(wanted))
        order = tuple(node for node in graph.topological_order() if node in needed)
        moved = {node for node in shifted if touched.isdisjoint(graph.parents(node))}
        return cls(
            graph=graph,
            targets=frozenset(targets),
            order=order,
            acted=tuple(node for node in order if node in acted),
            moved=frozenset(moved),
            replayed=tuple(node for node in order if node not in acted | moved),
            dropped=frozenset(touched - needed),
        )

    def check(self, evidence: Evidence) -> None:
        """Raise ``DataError`` if the observed rows lack a column that prediction reads."""
        computed = set(self.order)
        for node in self.order:
            if node in self.moved:
                evidence.require(node, "to shift it")
            else:
                for parent in self.graph.parents(node):
                    if parent not in computed:
                        evidence.require(parent, f"to compute {node!r}")
