"""Find sets that separate: any, a minimal one, the cheapest one, all minimal ones.

All of them live among the anteriors A of what they must separate and contain: if any set separates,
one within A does, and a set within A separates iff it cuts the moral graph of A, in which two nodes are
adjacent iff an edge joins them or a path all of whose inner nodes are colliders.

References
----------
.. [1] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
   graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
.. [2] B. van der Zander, M. Liśkiewicz, "Finding minimal d-separators in linear time and
   applications", UAI 2019.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs._base import Nodes, closure
from causalrep.graphs._cuts import all_minimal_cuts, minimum_cut
from causalrep.graphs._moral import Moral, moral_hubs
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._reachability import connected, moral_reach
from causalrep.graphs._store import TAIL, EdgeStore
from causalrep.utils import GraphError

__all__ = ["SeparatorSearch"]


class _Question(NamedTuple):
    """What to separate, by what, in integers; `allowed` excludes the ends."""

    store: EdgeStore
    sources: list[int]
    targets: list[int]
    required: list[int]
    anteriors: NDArray[np.uint8]
    allowed: NDArray[np.uint8]


class SeparatorSearch(Moral):
    """A graph in which sets can be sought that separate nodes from nodes."""

    def find_separator(
        self, x: Nodes, y: Nodes, *, include: Nodes = (), restrict: Nodes | None = None
    ) -> NodeSet[Hashable] | None:
        """Return a set that separates `x` and `y`, or ``None`` if there is none.

        The set consists of all the allowed ancestors of `x`, `y` and `include`: it separates if
        anything does, but is seldom the smallest that does.

        Parameters
        ----------
        x, y : hashable or iterable of hashable
            A node or several.
        include : hashable or iterable of hashable, default=()
            Nodes that the set must contain.
        restrict : hashable or iterable of hashable, default=None
            The nodes that the set may contain; by default all that are observed, but `x` and `y`.

        Returns
        -------
        NodeSet or None
            In node order.

        Raises
        ------
        GraphError
            If `x`, `y` and `include` are not disjoint, `include` is not within `restrict`, or a graph
            that stands for a class has no member.
        UnknownNameError
            If a node does not exist.

        References
        ----------
        .. [1] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
           graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006 (lemma 3).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("Z -> X -> M -> Y; Z -> Y")
        >>> g.find_separator("X", "Y")
        NodeSet(['Z', 'M'])
        >>> g.find_separator("X", "Y", restrict=["Z"]) is None
        True
        """
        ask = self._question(x, y, include, restrict)
        chosen = np.flatnonzero(_usable(ask)).tolist()
        found = connected(ask.store, ask.sources, chosen, ask.targets)
        return None if any(found[target] for target in ask.targets) else self._labels(chosen)

    def find_minimal_separator(
        self, x: Nodes, y: Nodes, *, include: Nodes = (), restrict: Nodes | None = None
    ) -> NodeSet[Hashable] | None:
        """Return a separator of `x` and `y` no part of which separates them, or ``None``.

        Of the minimal separators it is the one nearest to `x`.

        Parameters
        ----------
        x, y : hashable or iterable of hashable
            A node or several.
        include : hashable or iterable of hashable, default=()
            Nodes that the set must contain; it is minimal among those that do.
        restrict : hashable or iterable of hashable, default=None
            The nodes that the set may contain; by default all that are observed, but `x` and `y`.

        Returns
        -------
        NodeSet or None
            In node order.

        Raises
        ------
        GraphError
            If `x`, `y` and `include` are not disjoint, `include` is not within `restrict`, or a graph
            that stands for a class has no member.
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        Two passes, in O(n_nodes + n_edges): what the search from `x` meets first separates, and of that
        what the search from `y` meets is needed.

        References
        ----------
        .. [1] B. van der Zander, M. Liśkiewicz, "Finding minimal d-separators in linear time and
           applications", UAI 2019.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("A -> X; A -> B -> Y; X -> M -> Y; C -> Y")
        >>> g.find_minimal_separator("X", "Y"), g.find_minimal_separator("Y", "X")
        (NodeSet(['A', 'M']), NodeSet(['B', 'M']))
        >>> g.find_minimal_separator("X", "Y", include="C")
        NodeSet(['A', 'M', 'C'])
        """
        ask = self._question(x, y, include, restrict)
        usable = _usable(ask)
        met = moral_reach(ask.store, ask.anteriors, ask.sources, usable)
        if met[ask.targets].any():
            return None
        met &= usable
        met[ask.required] = 1
        needed = met & moral_reach(ask.store, ask.anteriors, ask.targets, met)
        needed[ask.required] = 1
        return self._labels(np.flatnonzero(needed).tolist())

    def find_minimum_separator(
        self,
        x: Nodes,
        y: Nodes,
        *,
        include: Nodes = (),
        restrict: Nodes | None = None,
        weights: Mapping[Hashable, float] | None = None,
    ) -> NodeSet[Hashable] | None:
        """Return a separator of `x` and `y` with the fewest nodes or the least weight, or ``None``.

        If several are as good it is the one nearest to `x`.

        Parameters
        ----------
        x, y : hashable or iterable of hashable
            A node or several.
        include : hashable or iterable of hashable, default=()
            Nodes that the set must contain; they cost nothing.
        restrict : hashable or iterable of hashable, default=None
            The nodes that the set may contain; by default all that are observed, but `x` and `y`.
        weights : mapping of hashable to float, default=None
            What a node costs, above zero; one where it says nothing.

        Returns
        -------
        NodeSet or None
            In node order.

        Raises
        ------
        GraphError
            If `x`, `y` and `include` are not disjoint, `include` is not within `restrict`, a weight is
            not a finite number above zero, or a graph that stands for a class has no member.
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        A minimum vertex cut by shortest augmenting paths: O(n_edges) for each, of which there are no
        more than nodes in the cut if all weigh the same.

        References
        ----------
        .. [1] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
           graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006 (section 4.3).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("X -> {A B} -> C -> Y")
        >>> g.find_minimum_separator("X", "Y")
        NodeSet(['C'])
        >>> g.find_minimum_separator("X", "Y", weights={"C": 5})
        NodeSet(['A', 'B'])
        """
        ask = self._question(x, y, include, restrict)
        cost: list[float] = [1] * len(self)
        for node, weight in (weights or {}).items():
            if not 0 < weight < float("inf"):
                raise GraphError(f"`weights` must be finite numbers above zero, got {weight!r} for {node!r}")
            cost[self._id(node, "`weights`")] = weight
        cut = minimum_cut(
            moral_hubs(ask.store, ask.anteriors.tobytes(), ask.required),
            ask.sources,
            ask.targets,
            _usable(ask).tobytes(),
            cost,
        )
        return None if cut is None else self._labels(sorted({*cut, *ask.required}))

    def minimal_separators(
        self,
        x: Nodes,
        y: Nodes,
        *,
        include: Nodes = (),
        restrict: Nodes | None = None,
        limit: int | None = None,
    ) -> Iterator[NodeSet[Hashable]]:
        """Yield the separators of `x` and `y` of which no part separates them, each once.

        Parameters
        ----------
        x, y : hashable or iterable of hashable
            A node or several.
        include : hashable or iterable of hashable, default=()
            Nodes that the sets must contain; they are minimal among those that do.
        restrict : hashable or iterable of hashable, default=None
            The nodes that the sets may contain; by default all that are observed, but `x` and `y`.
        limit : int, default=None
            How many to yield at most; by default all, of which there may be exponentially many.

        Yields
        ------
        NodeSet
            In node order. The first is the one that `find_minimal_separator` returns; the order is the
            same every time.

        Raises
        ------
        GraphError
            If `x`, `y` and `include` are not disjoint, `include` is not within `restrict`, or a graph
            that stands for a class has no member.
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        Takata's enumeration: O(n_nodes * n_edges) from one set to the next [1]_ [2]_.

        References
        ----------
        .. [1] K. Takata, "Space-optimal, backtracking algorithms to list the minimal vertex separators
           of a graph", Discrete Applied Mathematics 158, 2010, doi:10.1016/j.dam.2010.05.013.
        .. [2] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
           graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006 (section 4.2).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("X -> {A B} -> C -> Y")
        >>> list(g.minimal_separators("X", "Y"))
        [NodeSet(['A', 'B']), NodeSet(['C'])]
        """
        ask = self._question(x, y, include, restrict)
        cuts = all_minimal_cuts(
            moral_hubs(ask.store, ask.anteriors.tobytes(), ask.required),
            ask.sources,
            ask.targets,
            _usable(ask).tobytes(),
        )
        return (self._labels(sorted({*cut, *ask.required})) for cut in islice(cuts, limit))

    def _question(self, x: Nodes, y: Nodes, include: Nodes, restrict: Nodes | None) -> _Question:
        sources, targets, required = self._disjoint(("`x`", x), ("`y`", y), ("`include`", include))
        if restrict is None:
            allowed = np.ones(len(self), dtype=np.uint8)
            allowed[list(self._latent)] = 0
        else:
            allowed = np.zeros(len(self), dtype=np.uint8)
            allowed[self._ids(restrict, "`restrict`")] = 1
        missing = [i for i in required if not allowed[i]]
        if missing:
            where = "`restrict`" if restrict is not None else "the observed nodes"
            raise GraphError(f"`include` must lie within {where}, got {self._nodes[missing[0]]!r} outside it")
        allowed[sources + targets] = 0
        store = self._plain()
        anteriors = closure([*sources, *targets, *required], store.lists(None, TAIL))
        return _Question(store, sources, targets, required, np.frombuffer(anteriors, dtype=np.uint8), allowed)

    def _disjoint(self, *arguments: tuple[str, Nodes]) -> list[list[int]]:
        """Return the indices of each argument; no node may be in two of them."""
        found = [self._ids(nodes, name) for name, nodes in arguments]
        together = [*chain(*found)]
        if len(set(together)) == len(together):
            return found
        owner: dict[int, str] = {}
        for (name, _), indices in zip(arguments, found, strict=True):
            for i in indices:
                if owner.setdefault(i, name) != name:
                    raise GraphError(
                        f"{owner[i]} and {name} must be disjoint, got {self._nodes[i]!r} in both"
                    )
        return found


def _usable(ask: _Question) -> NDArray[np.uint8]:
    return ask.anteriors & ask.allowed
