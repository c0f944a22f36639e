"""Acyclic directed mixed graphs: hidden common causes as bidirected edges."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from causalrep.graphs._base import Nodes, pairs_of
from causalrep.graphs._directed import Directed

__all__ = ["ADMG"]


class ADMG(Directed):
    """An acyclic directed mixed graph: a bidirected edge stands for hidden common causes.

    Both edges may join the same two nodes (a *bow*).

    Parameters
    ----------
    directed, bidirected : iterable of (hashable, hashable), default=()
        Pairs (cause, effect), and pairs that share a hidden cause.
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default in order of first appearance.
    latent : hashable or iterable of hashable, default=()
        Nodes of the graph that no data set can hold.

    Raises
    ------
    CycleError
        If the directed edges form a cycle, which is its attribute ``cycle``.
    GraphError
        If an edge joins a node to itself, an edge is given twice, or `nodes` repeats a node.
    UnknownNameError
        If `nodes` is given and lacks the end of an edge.

    References
    ----------
    .. [1] T. Richardson, "Markov properties for acyclic directed mixed graphs", Scandinavian Journal
       of Statistics 30, 2003, doi:10.1111/1467-9469.00323.

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> g = ADMG(directed=[("X", "M"), ("M", "Y")], bidirected=[("X", "Y")])
    >>> g.district("X"), g.is_separated("X", "Y", given="M")
    (NodeSet(['X', 'Y']), False)
    """

    _kinds = ("->", "<->")
    _simple = False

    def __init__(
        self,
        directed: Iterable[tuple[Hashable, Hashable]] = (),
        bidirected: Iterable[tuple[Hashable, Hashable]] = (),
        nodes: Iterable[Hashable] | None = None,
        latent: Nodes = (),
    ) -> None:
        edges = [(u, "->", v) for u, v in pairs_of(directed, "directed")]
        edges += [(u, "<->", v) for u, v in pairs_of(bidirected, "bidirected")]
        self._fill(edges, nodes, latent)
