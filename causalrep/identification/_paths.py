"""Path-specific effects: when the effect along some of the paths alone is identifiable.

An effect along a set of paths lets each edge out of the treatment carry either its new value or the
reference value. It is expressible through experiments iff no part of the graph must answer to both at
once: a node that does is a recanting witness [1]_; with hidden common causes a whole district has to
answer to one of them, or it is a recanting district [2]_. Otherwise the effect is that of the product of
the districts' distributions, each under the value that its edges carry.

References
----------
.. [1] C. Avin, I. Shpitser, J. Pearl, "Identifiability of path-specific effects", IJCAI 2005.
.. [2] I. Shpitser, "Counterfactual graphical models for longitudinal mediation analysis with unobserved
   confounding", Cognitive Science 37, 2013, arXiv:1205.0241 (theorem 3).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx

from causalrep.graphs import ADMG, DAG, Graph, NodeSet
from causalrep.graphs._base import pairs_of
from causalrep.identification._door import Nodes, directed, disjoint, labels, refuse_latent
from causalrep.identification._expression import Expression, Probability, product, total
from causalrep.identification._neighbours import Neighbours, reach
from causalrep.identification._variable import Variable
from causalrep.utils import GraphError

__all__ = ["PathSpecificEffect", "path_specific_effect"]


@dataclass(frozen=True)
class PathSpecificEffect:
    """Whether the effect along some paths follows from experiments, and how.

    Parameters
    ----------
    identifiable : bool
        Whether it is a function of interventional distributions. Without hidden common causes these
        follow from observational data.
    witness : NodeSet or None
        The recanting district: nodes that would have to answer to the new and to the reference value of a
        treatment. A single node is a recanting witness.
    conflict : tuple of two edges, or None
        An edge out of the treatment that starts a chosen path, and one, perhaps the same, that starts
        another path, both into the witness.
    active : NodeSet of (hashable, hashable)
        The edges out of the treatments that carry the new value.
    estimand : Expression or None
        The distribution of the outcomes; `X` stands for the new value of a treatment and `X'` for the
        reference value.
    """

    identifiable: bool
    witness: NodeSet[Hashable] | None
    conflict: tuple[tuple[Hashable, Hashable], tuple[Hashable, Hashable]] | None
    active: NodeSet[tuple[Hashable, Hashable]]
    estimand: Expression | None


def path_specific_effect(
    g: Graph | nx.DiGraph,
    x: Nodes,
    y: Nodes,
    *,
    edges: Iterable[tuple[Hashable, Hashable]] | None = None,
    paths: Iterable[Sequence[Hashable]] | None = None,
) -> PathSpecificEffect:
    """Return whether the effect of `x` on `y` along some directed paths is identifiable.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph; latent nodes are projected out.
    x, y : hashable or iterable of hashable
        Treatments and outcomes.
    edges : iterable of (hashable, hashable), default=None
        The chosen paths are those all of whose edges are among these.
    paths : iterable of sequence of hashable, default=None
        The chosen paths, each from a treatment to an outcome. Give either `edges` or `paths`.

    Returns
    -------
    PathSpecificEffect
        With the recanting district if it is not, and a formula if it is.

    Raises
    ------
    GraphError
        If both or neither of `edges` and `paths` are given, an edge does not exist, a path does not lead
        from a treatment to an outcome past no other treatment, or the sets are not disjoint.
    UnknownNameError
        If a node does not exist.

    Notes
    -----
    O(n_nodes + n_edges) and the length of `paths`: they are compared with the number of all paths that
    start with the same edge, which is counted, not listed.

    References
    ----------
    .. [1] C. Avin, I. Shpitser, J. Pearl, "Identifiability of path-specific effects", IJCAI 2005.
    .. [2] I. Shpitser, "Counterfactual graphical models for longitudinal mediation analysis with
       unobserved confounding", Cognitive Science 37, 2013, arXiv:1205.0241 (theorem 3).

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import path_specific_effect
    >>> g = DAG.from_string("X -> M -> Y; X -> Y")
    >>> print(path_specific_effect(g, "X", "Y", paths=["XY"]).estimand)       # the natural direct effect
    sum_{M} P(Y | M, X) P(M | X')
    >>> g = DAG.from_string("X -> W -> M -> Y; W -> Y; X -> Y")
    >>> path_specific_effect(g, "X", "Y", paths=["XWY"]).witness               # W -> M -> Y is not chosen
    NodeSet(['W'])
    """
    graph = directed(g, "a path-specific effect")
    if (edges is None) == (paths is None):
        raise GraphError("give the chosen paths either as `edges` or as `paths`")
    treatments, outcomes = disjoint(graph, x=x, y=y)
    refuse_latent(graph, x=treatments, y=outcomes)
    if graph.latent:
        graph = graph.latent_projection()
        treatments, outcomes = disjoint(graph, x=x, y=y)
    world = _World(graph, treatments, outcomes)
    starts = world.starts_of_edges(edges) if edges is not None else world.starts_of_paths(paths or ())
    return world.answer(*starts)


class _World:
    """The part of the graph through which treatments act on outcomes, in integers."""

    def __init__(self, g: DAG | ADMG, x: list[int], y: list[int]) -> None:
        self.g, self.x, self.y = g, x, y
        self.near = Neighbours.of(g._store)
        #: Where outcomes are reached past no treatment.
        self.inside = reach(y, self.near.parents, x)
        self.firsts = [(i, j) for i in x for j in self.near.children[i] if self.inside[j]]

    def starts_of_edges(self, edges: Iterable[tuple[Hashable, Hashable]]) -> tuple[set[tuple[int, int]], ...]:
        """Return the first edges of chosen paths, and those of others."""
        chosen = {self._edge(u, v, "edges") for u, v in pairs_of(edges, "edges")}
        into: list[list[int]] = [[] for _ in self.inside]
        for i, j in chosen:
            into[j].append(i)
        along = reach(self.y, into, self.x)
        # A node starts some path that is not chosen iff one of its ways to an outcome has such an edge.
        aside = [
            i
            for i, row in enumerate(self.near.children)
            if self.inside[i] and any(self.inside[j] and (i, j) not in chosen for j in row)
        ]
        astray = reach(aside, self.near.parents, self.x)
        return (
            {edge for edge in self.firsts if edge in chosen and along[edge[1]]},
            {edge for edge in self.firsts if edge not in chosen or astray[edge[1]]},
        )

    def starts_of_paths(self, paths: Iterable[Sequence[Hashable]]) -> tuple[set[tuple[int, int]], ...]:
        """Return the first edges of chosen paths, and those of others."""
        chosen: dict[tuple[int, int], set[tuple[int, ...]]] = {}
        for path in paths:
            nodes = [self.g._id(node, "`paths`") for node in path]
            for u, v in pairwise(path):
                self._edge(u, v, "paths")
            proper = len(nodes) > 1 and nodes[0] in self.x and nodes[-1] in self.y
            if not proper or any(i in self.x for i in nodes[1:]):
                raise GraphError(
                    f"`paths` must lead from `x` to `y` past no other node of `x`, got {list(path)!r}"
                )
            chosen.setdefault((nodes[0], nodes[1]), set()).add(tuple(nodes))
        n_paths = self._numbers_of_paths()
        return set(chosen), {edge for edge in self.firsts if n_paths[edge[1]] > len(chosen.get(edge, ()))}

    def _numbers_of_paths(self) -> list[int]:
        """Return for each node how many directed paths lead from it to an outcome past no treatment."""
        found = [0] * len(self.inside)
        for i in reversed(self.g._order()):
            if self.inside[i]:
                found[i] = (i in self.y) + sum(found[j] for j in self.near.children[i] if self.inside[j])
        return found

    def _edge(self, u: Hashable, v: Hashable, argument: str) -> tuple[int, int]:
        i, j = self.g._id(u, f"`{argument}`"), self.g._id(v, f"`{argument}`")
        if j not in self.near.children[i]:
            raise GraphError(f"`{argument}` must consist of directed edges of the graph, got {u!r} -> {v!r}")
        return i, j

    def answer(self, active: set[tuple[int, int]], other: set[tuple[int, int]]) -> PathSpecificEffect:
        """Return the recanting district or the estimand."""
        name = self.g.nodes
        edges = NodeSet([(name[i], name[j]) for i, j in sorted(active)])
        districts = self._districts()
        for members in districts:
            for i in self.x:
                yes, no = (
                    [(a, j) for a, j in sorted(part) if a == i and j in members] for part in (active, other)
                )
                if yes and no:
                    (a, b), (c, d) = yes[0], no[0]
                    conflict = ((name[a], name[b]), (name[c], name[d]))
                    return PathSpecificEffect(False, labels(self.g, members), conflict, edges, None)
        factors = [self._factor(members, active) for members in districts]
        summed = [Variable(name[i]) for i, kept in enumerate(self.inside) if kept and i not in self.y]
        return PathSpecificEffect(True, None, None, edges, total(summed, product(factors)))

    def _districts(self) -> list[set[int]]:
        """Return the districts of the part through which treatments act, by their first nodes."""
        found: list[set[int]] = []
        placed: set[int] = set()
        outside = [i for i, kept in enumerate(self.inside) if not kept]
        for i, kept in enumerate(self.inside):
            if kept and i not in placed:
                joined = reach([i], self.near.siblings, outside)
                found.append({j for j, one in enumerate(joined) if one})
                placed |= found[-1]
        return found

    def _factor(self, members: set[int], active: set[tuple[int, int]]) -> Expression:
        """Return the distribution of a district under its parents, as an experiment where it must be one."""
        name = self.g.nodes
        causes = sorted({i for j in members for i in self.near.parents[j]} - members)
        fixed = []
        for i in causes:
            reference = i in self.x and not any((i, j) in active for j in members)
            fixed.append(Variable(name[i], 1 if reference else 0))
        outcome = [Variable(name[j]) for j in sorted(members)]
        confounded = any(self.near.siblings[j] for j in members)
        return Probability(outcome, (), fixed) if confounded else Probability(outcome, fixed)
