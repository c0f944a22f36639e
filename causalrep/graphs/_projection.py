"""Leave variables out of a graph without losing what it says about the others.

Taking a hidden node u out of an acyclic graph joins what met in u: each parent of u becomes a parent
of each child of u, and two nodes of which one is a child of u and the other a child or a sibling of u
come to share a hidden cause. Repeated for one hidden node at a time, in any order, this gives the
*latent projection*: a directed edge for each directed path through hidden nodes, a bidirected one for
each path through hidden nodes that has arrowheads at both ends and no collider.

References
----------
.. [1] T. Verma, J. Pearl, "Equivalence and synthesis of causal models", UAI 1990.
.. [2] J. Tian, J. Pearl, "On the testable implications of causal models with hidden variables",
   UAI 2002.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from causalrep.graphs._base import Nodes
from causalrep.graphs._inducing import ancestral_projection
from causalrep.graphs._separation import Separable
from causalrep.graphs._store import ARROW, TAIL, EdgeStore

if TYPE_CHECKING:
    from causalrep.graphs._admg import ADMG
    from causalrep.graphs._dag import DAG
    from causalrep.graphs._mag import MAG
    from causalrep.graphs._pag import PAG

__all__ = ["Projectable", "project"]


class Projectable(Separable):
    """A graph of directed and bidirected edges from which nodes can be left out."""

    def latent_projection(self, keep: Nodes | None = None) -> ADMG:
        """Return the graph over some of the nodes that says of them all that this graph says.

        The projection has the same ancestors and the same separations among the nodes kept, and the
        same interventions on them are identifiable.

        Parameters
        ----------
        keep : hashable or iterable of hashable, default=None
            The nodes of the new graph; by default the observed ones.

        Returns
        -------
        ADMG
            With the nodes in the order of this graph; those that are latent and kept stay so.

        Raises
        ------
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        One node is taken out at a time: O(n_hidden * degree**2), with the degrees met on the way.

        References
        ----------
        .. [1] J. Tian, J. Pearl, "On the testable implications of causal models with hidden
           variables", UAI 2002 (definition 5).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG([("U", "X"), ("U", "Y"), ("X", "M"), ("M", "Y")], latent="U")
        >>> g.latent_projection()
        ADMG.from_string('X <-> Y; X -> M; M -> Y')
        >>> g.latent_projection(keep=["X", "Y"])
        ADMG.from_string('X -> Y; X <-> Y')
        """
        from causalrep.graphs._admg import ADMG

        kept = self._ids(self.observed if keep is None else keep, "`keep`")
        hidden = set(self._latent)
        latent = tuple(place for place, i in enumerate(kept) if i in hidden)
        return ADMG._build(tuple(self._nodes[i] for i in kept), project(self._store, kept), latent)

    def canonical_dag(self) -> DAG:
        """Return the DAG that has a latent node in place of each bidirected edge.

        Its `latent_projection` is this graph.

        Returns
        -------
        DAG
            The new nodes come last and are declared latent, beside those that were; they are called
            ``"U1"``, ``"U2"``, ..., without the names that are taken.

        References
        ----------
        .. [1] T. Richardson, P. Spirtes, "Ancestral graph Markov models", Annals of Statistics 30,
           2002, doi:10.1214/aos/1031689015 (section 6.1).

        Examples
        --------
        >>> from causalrep.graphs import ADMG
        >>> g = ADMG.from_string("X -> Y; X <-> Y").canonical_dag()
        >>> g.directed_edges, g.latent
        (NodeSet([('X', 'Y'), ('U1', 'X'), ('U1', 'Y')]), NodeSet(['U1']))
        """
        from causalrep.graphs._dag import DAG

        pairs = self._store.pairs(ARROW, ARROW)
        fresh = _fresh_names(self, len(pairs))
        n_nodes = len(self)
        edges = self._store.pairs(TAIL, ARROW)
        edges += [(n_nodes + k, end) for k, pair in enumerate(pairs) for end in pair]
        latent = (*self._latent, *range(n_nodes, n_nodes + len(pairs)))
        return DAG._build((*self._nodes, *fresh), _directed_store(n_nodes + len(pairs), edges), latent)

    def to_mag(self, latent: Nodes | None = None, selection: Nodes = ()) -> MAG:
        """Return the maximal ancestral graph of what can be observed.

        Its separations are those of this graph with `selection` given and `latent` left out; a tail at
        a node means that it is an ancestor of the other end or of a selected node.

        Parameters
        ----------
        latent : hashable or iterable of hashable, default=None
            The nodes that are not observed; by default those declared latent.
        selection : hashable or iterable of hashable, default=()
            Nodes that decide who is in the sample; they are not in the result.

        Returns
        -------
        MAG
            With the remaining nodes in the order of this graph.

        Raises
        ------
        GraphError
            If a node is both latent and selected on.
        UnknownNameError
            If a node does not exist.

        Notes
        -----
        Latent nodes are projected out; then two nodes are adjacent iff an edge or an inducing path joins
        them, which only nodes of one district and its parents can be.

        References
        ----------
        .. [1] T. Richardson, P. Spirtes, "Ancestral graph Markov models", Annals of Statistics 30,
           2002, doi:10.1214/aos/1031689015 (theorem 4.18).

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("X -> Y -> Z; U -> Y; U -> Z; X -> S; W -> S")
        >>> g.to_mag(latent="U", selection="S")
        MAG.from_string('X -> Y; X -> Z; Y -> Z; X -- W')
        """
        from causalrep.graphs._mag import MAG

        hidden, selected = self._disjoint(
            ("`latent`", self.latent if latent is None else latent), ("`selection`", selection)
        )
        gone, given = set(hidden), set(selected)
        kept = [i for i in range(len(self)) if i not in gone]
        store = project(self._store, kept)
        at = [place for place, i in enumerate(kept) if i in given]
        names = tuple(self._nodes[i] for i in kept if i not in given)
        return MAG._build(names, ancestral_projection(store, at))

    def to_pag(self, latent: Nodes | None = None, selection: Nodes = ()) -> PAG:
        """Return the class of the maximal ancestral graph of what can be observed.

        This is what FCI finds with perfect tests.

        Parameters
        ----------
        latent : hashable or iterable of hashable, default=None
            The nodes that are not observed; by default those declared latent.
        selection : hashable or iterable of hashable, default=()
            Nodes that decide who is in the sample; they are not in the result.

        Returns
        -------
        PAG
            With the remaining nodes in the order of this graph.

        Raises
        ------
        GraphError
            If a node is both latent and selected on.
        UnknownNameError
            If a node does not exist.

        See Also
        --------
        to_mag : The graph of which it is the class.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("A -> X; B -> X; X -> Y; U -> X; U -> Y")
        >>> g.to_pag()
        PAG.from_string('A o-> X; B o-> X; X -> Y; U o-> X; U -> Y')
        >>> g.to_pag(latent="U")
        PAG.from_string('A o-> X; B o-> X; A o-> Y; X o-o Y; B o-> Y')
        """
        return self.to_mag(latent, selection).to_pag()


def _fresh_names(taken: Iterable[Hashable], n_names: int) -> list[str]:
    used = set(taken)
    free = (name for name in (f"U{k}" for k in count(1)) if name not in used)
    return [next(free) for _ in range(n_names)]


def _directed_store(n_nodes: int, edges: list[tuple[int, int]]) -> EdgeStore:
    tails, heads = [u for u, _ in edges], [v for _, v in edges]
    return EdgeStore(n_nodes, tails, heads, [TAIL] * len(edges), [ARROW] * len(edges))


def project(store: EdgeStore, kept: list[int]) -> EdgeStore:
    """Return the latent projection on `kept`, whose k-th node is called k."""
    parents, children, siblings = (
        [set(row) for row in store.lists(*ends)] for ends in ((ARROW, TAIL), (TAIL, ARROW), (ARROW, ARROW))
    )
    position = np.full(store.n_nodes, -1)
    position[kept] = np.arange(len(kept))
    for node in np.flatnonzero(position < 0).tolist():
        above, below, beside = parents[node], children[node], siblings[node]
        for child in below:
            parents[child] |= above
            siblings[child] |= below | beside
        for parent in above:
            children[parent] |= below
        for sibling in beside:
            siblings[sibling] |= below
        for other in above:
            children[other].discard(node)
        for other in below:
            parents[other].discard(node)
        for other in below | beside:
            siblings[other] -= {node, other}
    directed = [(i, j) for i in kept for j in children[i]]
    bidirected = [(i, j) for i in kept for j in siblings[i] if i < j]
    marks = [TAIL] * len(directed) + [ARROW] * len(bidirected)
    left, right = (position[[edge[end] for edge in directed + bidirected]] for end in (0, 1))
    return EdgeStore(len(kept), left, right, marks, [ARROW] * len(marks))
