"""Separation by reachability over walks: one pass answers for all targets at once.

A walk, which unlike a path may visit a node again, is open given Z iff its inner nodes that are in Z
are just its colliders. (A path whose collider is only an ancestor of Z becomes such a walk by a
detour down to Z and back.) Whether a walk may go on depends only on where it is and on whether it
came in by an arrowhead, so a search over these 2 n states decides separation in
O(n_nodes + n_edges), for d-separation in DAGs and m-separation in mixed graphs without circles alike.

References
----------
.. [1] D. Geiger, T. Verma, J. Pearl, "Identifying independence in Bayesian networks", Networks 20,
   1990, doi:10.1002/net.3230200504.
.. [2] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
   graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from causalrep.graphs._base import Graph, Nodes, closure
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._store import ARROW, TAIL, EdgeStore, flags
from causalrep.utils import GraphError

__all__ = ["Separable", "connected"]


def _walks(store: EdgeStore) -> tuple[list[list[int]], list[list[int]]]:
    """Return for each node the states that one step leads to, leaving it by a tail or by an arrowhead.

    State 2 v means: at v, come in by a tail; 2 v + 1: come in by an arrowhead.
    """
    by_tail, by_arrow = (
        [[2 * w + 1 for w in into] + [2 * w for w in out] for into, out in zip(*lists, strict=True)]
        for lists in (
            (store.lists(TAIL, ARROW), store.lists(TAIL, TAIL)),
            (store.lists(ARROW, ARROW), store.lists(ARROW, TAIL)),
        )
    )
    return by_tail, by_arrow


def connected(
    store: EdgeStore, sources: Iterable[int], given: list[int], targets: Iterable[int] = ()
) -> bytearray:
    """Return one byte per node: 1 if an open walk joins it to a source; stop early at a target.

    Nodes in `given` are never marked.
    """
    by_tail, by_arrow = store.derived(_walks)
    in_given = flags(store.n_nodes, given)
    wanted = flags(store.n_nodes, list(targets))
    found = bytearray(store.n_nodes)
    stack = [2 * source for source in sources]
    seen = flags(2 * store.n_nodes, stack)
    while stack:
        state = stack.pop()
        node = state >> 1
        steps: list[list[int]] = []
        if not in_given[node]:
            found[node] = 1
            if wanted[node]:
                break
            steps.append(by_tail[node])
        # In and out by arrowheads the node is a collider, which must be given; else it must not be.
        if in_given[node] == state & 1:
            steps.append(by_arrow[node])
        for step in steps:
            for after in step:
                if not seen[after]:
                    seen[after] = 1
                    stack.append(after)
    return found


class Separable(Graph):
    """A graph whose missing edges speak: it answers separation queries on its own edges."""

    def is_separated(self, x: Nodes, y: Nodes, given: Nodes = ()) -> bool:
        """Return whether `given` blocks every path between `x` and `y`.

        In a DAG this is d-separation: data from any model on the graph then have `x` independent of
        `y` given `given` (Markov property); the converse needs faithfulness.

        Parameters
        ----------
        x, y : hashable or iterable of hashable
            A node or several.
        given : hashable or iterable of hashable, default=()
            A node or several to condition on. A label that is itself a node is always that node.

        Returns
        -------
        bool
            False where an edge joins `x` and `y`; True where either is empty.

        Raises
        ------
        GraphError
            If `x`, `y` and `given` are not disjoint.
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        O(n_nodes + n_edges) [2]_.

        References
        ----------
        .. [1] J. Pearl, "Causality", 2nd edition, 2009, definition 1.2.3.
        .. [2] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
           graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("X -> M -> Y; X -> C <- Y")
        >>> g.is_separated("X", "Y", given="M"), g.is_separated("X", "Y", given={"M", "C"})
        (True, False)
        """
        sources, targets, conditions = self._disjoint(("x", x), ("y", y), ("given", given))
        found = connected(self._store, sources, conditions, targets)
        return not any(found[target] for target in targets)

    def separated_from(self, x: Nodes, given: Nodes = ()) -> NodeSet[Hashable]:
        """Return all nodes that `given` separates from `x`, in one pass.

        Parameters
        ----------
        x : hashable or iterable of hashable
            A node or several.
        given : hashable or iterable of hashable, default=()
            A node or several to condition on.

        Returns
        -------
        NodeSet
            In node order, without `x` and `given`.

        Raises
        ------
        GraphError
            If `x` and `given` are not disjoint.
        UnknownNameError
            If a node does not exist.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> M -> Y; M <- Z").separated_from("X")
        NodeSet(['Z'])
        """
        sources, conditions = self._disjoint(("x", x), ("given", given))
        found = connected(self._store, sources, conditions)
        for node in (*sources, *conditions):
            found[node] = 1
        return self._labels(i for i, reached in enumerate(found) if not reached)

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
            The nodes that the set may contain; by default all but `x` and `y`.

        Returns
        -------
        NodeSet or None
            In node order.

        Raises
        ------
        GraphError
            If `x`, `y` and `include` are not disjoint, or `include` is not within `restrict`.
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
        sources, targets, required = self._disjoint(("x", x), ("y", y), ("include", include))
        allowed = set(range(len(self))) if restrict is None else set(self._ids(restrict, "`restrict`"))
        missing = [i for i in required if i not in allowed]
        if missing:
            raise GraphError(
                f"`include` must lie within `restrict`, got {self._nodes[missing[0]]!r} outside it"
            )
        ends = {*sources, *targets}
        ancestral = closure([*ends, *required], self._store.lists(ARROW, TAIL))
        chosen = [i for i in range(len(self)) if ancestral[i] and i in allowed and i not in ends]
        found = connected(self._store, sources, chosen, targets)
        return None if any(found[target] for target in targets) else self._labels(chosen)

    def _disjoint(self, *arguments: tuple[str, Nodes]) -> list[list[int]]:
        """Return the indices of each argument; no node may be in two of them."""
        owner: dict[int, str] = {}
        found = []
        for name, nodes in arguments:
            indices = self._ids(nodes, f"`{name}`")
            for i in indices:
                if i in owner:
                    raise GraphError(
                        f"`{owner[i]}` and `{name}` must be disjoint, got {self._nodes[i]!r} in both"
                    )
                owner[i] = name
            found.append(indices)
        return found
