"""Directed acyclic graphs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

import networkx as nx

from causalrep.graphs import _convert
from causalrep.graphs._base import Nodes, pairs_of
from causalrep.graphs._directed import Directed
from causalrep.graphs._equivalence import compelled_parents
from causalrep.graphs._interventional import interventional_store
from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.utils import GraphError

if TYPE_CHECKING:
    from causalrep.graphs._admg import ADMG
    from causalrep.graphs._mpdag import CPDAG, MPDAG

__all__ = ["DAG"]


class DAG(Directed):
    """A directed acyclic graph: which variable is a direct cause of which.

    As a causal graph it assumes that no two of its variables share a cause that is left out; causes
    that cannot be measured are nodes too, declared as `latent`.
    Equality and hash are by content: the same set of nodes and the same edges.

    Parameters
    ----------
    edges : iterable of (hashable, hashable), or networkx.DiGraph, default=()
        Pairs (cause, effect).
    nodes : iterable of hashable, default=None
        All nodes, in the order in which results list them; by default the nodes of the edges in
        order of first appearance.
    latent : hashable or iterable of hashable, default=()
        The nodes that no data set can hold. They stay in the graph, and no answer to a question
        about identification mentions them.

    Raises
    ------
    CycleError
        If the edges form a cycle, which is its attribute ``cycle``.
    GraphError
        If an edge joins a node to itself or two edges the same nodes, or `nodes` repeats a node.
    UnknownNameError
        If `nodes` is given and lacks the end of an edge.

    See Also
    --------
    CPDAG : All DAGs that the same data could come from.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> g = DAG([("Z", "X"), ("X", "Y"), ("Z", "Y")])
    >>> g.parents("Y"), g.is_separated("Z", "Y", given="X")
    (NodeSet(['Z', 'X']), False)
    >>> g == DAG.from_string("Z -> X -> Y; Z -> Y")
    True
    """

    _kinds = ("->",)

    def __init__(
        self,
        edges: Iterable[tuple[Hashable, Hashable]] = (),
        nodes: Iterable[Hashable] | None = None,
        latent: Nodes = (),
    ) -> None:
        if isinstance(edges, nx.Graph):
            draft = _convert.draft_of_networkx(edges, self._kinds, "DAG")
            hidden = draft.latent() if latent == () else latent
            self._fill([edge[:3] for edge in draft.edges], draft.nodes if nodes is None else nodes, hidden)
        else:
            self._fill([(u, "->", v) for u, v in pairs_of(edges, "edges")], nodes, latent)

    def depth_levels(self) -> tuple[tuple[Hashable, ...], ...]:
        """Return the nodes by depth, the number of edges on the longest directed path to them.

        No edge joins two nodes of one level, so a level can be computed at once.

        Returns
        -------
        tuple of tuple of hashable
            Level 0 holds the roots; within a level the nodes are in node order.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("Z -> X -> Y; Z -> Y; W").depth_levels()
        (('Z', 'W'), ('X',), ('Y',))
        """
        parents = self._store.lists(ARROW, TAIL)
        depth = [0] * len(self)
        for i in self._order():
            depth[i] = 1 + max((depth[j] for j in parents[i]), default=-1)
        levels: list[list[Hashable]] = [[] for _ in range(max(depth, default=-1) + 1)]
        for node, level in zip(self._nodes, depth, strict=True):
            levels[level].append(node)
        return tuple(tuple(level) for level in levels)

    def to_admg(self) -> ADMG:
        """Return the same graph as an ADMG; latent nodes stay nodes.

        Returns
        -------
        ADMG
            Without bidirected edges.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> Y").to_admg()
        ADMG.from_string('X -> Y')
        """
        from causalrep.graphs._admg import ADMG

        return ADMG._build(self._nodes, self._store, self._latent)._carrying(self._attributes)

    def to_cpdag(self) -> CPDAG:
        """Return the graph of the Markov equivalence class: what observational data can tell.

        An edge is directed iff all DAGs with the same separations direct it so.

        Returns
        -------
        CPDAG
            With the same nodes and adjacencies.

        Notes
        -----
        Chickering's labelling of the edges in topological order, with sets in place of his loop over
        edges [1]_: O(n_edges * max degree).

        References
        ----------
        .. [1] D. M. Chickering, "A transformational characterization of equivalent Bayesian network
           structures", UAI 1995, arXiv:1302.4938 (algorithms Order-Edges and Label-Edges).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> DAG.from_string("X -> C <- Y; C -> D; Z -> W").to_cpdag()
        CPDAG.from_string('X -> C; Y -> C; C -> D; Z -- W')
        """
        from causalrep.graphs._mpdag import CPDAG

        parents = self._store.lists(ARROW, TAIL)
        compelled = compelled_parents(parents, self._order())
        edges = [(i, j, i in compelled[j]) for j in range(len(self)) for i in parents[j]]
        store = EdgeStore(
            len(self),
            [i for i, _, _ in edges],
            [j for _, j, _ in edges],
            [TAIL] * len(edges),
            [ARROW if directed else TAIL for _, _, directed in edges],
        )
        return CPDAG._build(self._nodes, store)

    def interventional_cpdag(self, targets: Iterable[Nodes]) -> MPDAG:
        """Return the graph of the interventional equivalence class: what experiments can tell.

        An edge is directed iff all DAGs direct it so that have the same separations as this one both
        undisturbed and under each of the interventions.

        Parameters
        ----------
        targets : iterable of (hashable or iterable of hashable)
            One target per experiment: the node, or the nodes, that it sets from outside. Observation
            without intervention always counts as well.

        Returns
        -------
        MPDAG
            With the same nodes and adjacencies; its `size` takes polynomial time.

        Raises
        ------
        GraphError
            If `targets` is a string, which is no collection of targets.
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        Observation need not have been made if no node is in all targets: the classes are the same [1]_.

        References
        ----------
        .. [1] A. Hauser, P. Bühlmann, "Characterization and greedy learning of interventional Markov
           equivalence classes of directed acyclic graphs", JMLR 13, 2012, arXiv:1104.2808.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("X -> Y -> Z; W -> X")
        >>> g.interventional_cpdag([])
        MPDAG.from_string('X -- Y; Y -- Z; X -- W')
        >>> g.interventional_cpdag(["Y"])
        MPDAG.from_string('X -> Y; Y -> Z; X -- W')
        """
        from causalrep.graphs._mpdag import MPDAG

        if isinstance(targets, str):
            raise GraphError(
                f"`targets` must be a collection of targets, such as [{targets!r}]; got a string"
            )
        sets = [set(self._ids(target, "`targets`")) for target in targets]
        return MPDAG._build(self._nodes, interventional_store(self._store, self.to_cpdag()._store, sets))

    def is_markov_equivalent(self, other: DAG, *, targets: Iterable[Nodes] = ()) -> bool:
        """Return whether no data can tell two DAGs apart, or none from given experiments.

        Parameters
        ----------
        other : DAG
            The other graph.
        targets : iterable of (hashable or iterable of hashable), default=()
            As in `interventional_cpdag`; by default observation alone.

        Returns
        -------
        bool
            Whether both have the same nodes, the same separations and, under each intervention, the
            same separations.

        Raises
        ------
        UnknownNameError
            If `targets` names a node that does not exist.

        References
        ----------
        .. [1] T. Verma, J. Pearl, "Equivalence and synthesis of causal models", UAI 1990.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g, h = DAG.from_string("X -> Y -> Z"), DAG.from_string("X <- Y -> Z")
        >>> g.is_markov_equivalent(h), g.is_markov_equivalent(h, targets=["X"])
        (True, False)
        """
        targets = list(targets)
        if set(self._nodes) != set(other._nodes):
            return False
        return self.interventional_cpdag(targets) == other.interventional_cpdag(targets)
