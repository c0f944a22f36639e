"""Treks: the paths along which covariance arises, and how many of them can be drawn side by side.

A trek goes up against directed edges, possibly over one bidirected edge, and down along directed
edges. A system of treks has no sided intersection if no two of them share a node on the way up, nor on
the way down. Its largest size from A to B is the rank of the covariance matrix of A and B for generic
coefficients [1]_, and a maximum flow in a graph with two copies of each node.

References
----------
.. [1] S. Sullivant, K. Talaska, J. Draisma, "Trek separation for Gaussian graphical models", Annals of
   Statistics 38, 2010, arXiv:0812.1938 (theorem 2.8).
.. [2] R. Foygel, J. Draisma, M. Drton, "Half-trek criterion for generic identifiability of linear
   structural equation models", Annals of Statistics 40, 2012, arXiv:1107.5552.
"""

from __future__ import annotations

from collections.abc import Iterable

from causalrep.identification._flow import FlowNetwork
from causalrep.identification._neighbours import Neighbours

__all__ = ["TrekSystem"]


class TrekSystem:
    """Treks without sided intersection from sources, which are offered one at a time, to fixed targets.

    Parameters
    ----------
    near : Neighbours
        The graph.
    targets : iterable of int
        Where treks may end, each of them once.
    half : bool, default=False
        Whether a trek must not go up at all (a half-trek).
    """

    def __init__(self, near: Neighbours, targets: Iterable[int], *, half: bool = False) -> None:
        n_nodes = len(near.parents)
        # Node v has an entrance and an exit on the way up, 4 v and 4 v + 1, and on the way down, + 2 and + 3.
        self._network = FlowNetwork(4 * n_nodes + 2)
        self._source, self._sink = 4 * n_nodes, 4 * n_nodes + 1
        for v in range(n_nodes):
            self._network.arc(4 * v, 4 * v + 1, 1)
            self._network.arc(4 * v + 2, 4 * v + 3, 1)
            tops = [v, *near.siblings[v]]
            for head in (*(4 * w + 2 for w in tops), *(() if half else (4 * p for p in near.parents[v]))):
                self._network.arc(4 * v + 1, head)
            for child in near.children[v]:
                self._network.arc(4 * v + 3, 4 * child + 2)
        for target in targets:
            self._network.arc(4 * target + 3, self._sink, 1)

    def link(self, node: int) -> bool:
        """Offer one more source; return whether one more trek can be drawn, which then is."""
        arc = self._network.arc(self._source, 4 * node, 1)
        if self._network.push(self._source, self._sink):
            return True
        self._network.close(arc)
        return False
