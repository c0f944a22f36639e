"""Which coefficients of a linear model its covariance matrix determines: the half-trek criterion.

In the linear model each directed edge has a coefficient, and the errors e of two nodes covary iff a
bidirected edge joins them. The coefficients of the edges from P into v follow from the covariance matrix
and those of other edges into v if there is a set Y of as many nodes as P has, none of them v or a
sibling of v, such that

1. half-treks without sided intersection lead from Y to P, and
2. all coefficients of the edges into any y in Y that a half-trek from v reaches are known.

For then cov(y, e_v) = 0, or cov(e_y, e_v) = 0 for those in (2), are as many linear equations in them.
Where there is no such set for all of P, an instrument may be found for one edge at a time; a single-door
set makes the parent its own instrument. Both are repeated until nothing more is gained.

References
----------
.. [1] R. Foygel, J. Draisma, M. Drton, "Half-trek criterion for generic identifiability of linear
   structural equation models", Annals of Statistics 40, 2012, arXiv:1107.5552 (theorems 1 and 2).
.. [2] L. Weihs, B. Robinson, E. Dufresne, J. Kenkel, K. Kubjas, R. McGee, N. Nguyen, E. Robeva,
   M. Drton, "Determinantal generalizations of instrumental variables", Journal of Causal Inference 6,
   2018, arXiv:1702.03884 (edgewise identification).
.. [3] B. van der Zander, J. Textor, M. Liśkiewicz, "Efficiently finding conditional instruments for
   causal inference", IJCAI 2015.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np

from causalrep.graphs import ADMG, Graph, NodeSet
from causalrep.graphs._base import closure
from causalrep.graphs._store import flags
from causalrep.identification._covariance import partial_covariance, read_covariance
from causalrep.identification._door import directed, labels
from causalrep.identification._flow import FlowNetwork
from causalrep.identification._neighbours import Neighbours
from causalrep.identification._separators import is_separator, minimal_separator
from causalrep.identification._treks import TrekSystem
from causalrep.identification._usable import without

__all__ = ["LinearIdentification", "LinearStep", "identify_linear"]


@dataclass(frozen=True)
class LinearStep:
    """How some coefficients follow from covariances and from the coefficients of earlier steps.

    Parameters
    ----------
    target : hashable
        The node v whose incoming edges are solved for.
    parents : NodeSet
        The parents P whose coefficients the step gives.
    instruments : NodeSet
        As many nodes Y: each gives the equation that y, or its error, does not covary with the error of
        the target.
    residual : NodeSet
        Those of the instruments of which the error is taken, in which earlier coefficients enter.
    given : NodeSet
        Covariates to condition on; empty in half-trek steps.
    known : NodeSet
        The parents of the target whose part in it is taken off first, by earlier coefficients.
    """

    target: Hashable
    parents: NodeSet[Hashable]
    instruments: NodeSet[Hashable]
    residual: NodeSet[Hashable]
    given: NodeSet[Hashable]
    known: NodeSet[Hashable]

    def __str__(self) -> str:
        parents = _listed(self.parents)
        target = f"({self.target} less its part due to {_listed(self.known)})" if self.known else self.target
        sources = ", ".join(f"error of {y}" if y in self.residual else str(y) for y in self.instruments)
        if self.parents == self.instruments and not self.residual:
            how = f"regression of {target} on {_listed([*self.parents, *self.given])}"
        elif len(self.parents) == 1:
            given = f" | {_listed(self.given)}" if self.given else ""
            how = f"cov({sources}, {target}{given}) / cov({sources}, {parents}{given})"
        else:
            how = f"half-treks from {sources} to {parents}"
        return f"{parents} -> {self.target}: {how}"


def _listed(nodes: Iterable[Hashable]) -> str:
    return ", ".join(map(str, nodes))


@dataclass(frozen=True)
class LinearIdentification:
    """What the covariance matrix of a linear model tells about its coefficients.

    Parameters
    ----------
    graph : ADMG
        The graph on the observed nodes.
    steps : tuple of LinearStep
        How the identified coefficients are computed, in order.
    """

    graph: ADMG
    steps: tuple[LinearStep, ...]

    @property
    def identified(self) -> NodeSet[tuple[Hashable, Hashable]]:
        """The edges whose coefficients the steps give, in the order of the steps."""
        return NodeSet([(parent, step.target) for step in self.steps for parent in step.parents])

    @property
    def undecided(self) -> NodeSet[tuple[Hashable, Hashable]]:
        """The directed edges about which the criteria say nothing."""
        return NodeSet([edge for edge in self.graph.directed_edges if edge not in self.identified])

    def is_infinite_to_one(self) -> bool:
        """Return whether infinitely many coefficients fit almost every covariance matrix.

        True is certain; False may mean that the criterion does not tell.

        Returns
        -------
        bool
            Whether the necessary half of the half-trek criterion fails.

        Notes
        -----
        A maximum flow in a network of O(n_nodes ** 2) nodes.

        References
        ----------
        .. [1] R. Foygel, J. Draisma, M. Drton, "Half-trek criterion for generic identifiability of
           linear structural equation models", Annals of Statistics 40, 2012, arXiv:1107.5552 (theorem
           2, section 6).

        Examples
        --------
        >>> from causalrep.graphs import ADMG
        >>> from causalrep.identification import identify_linear
        >>> identify_linear(ADMG.from_string("X -> Y; X <-> Y")).is_infinite_to_one()
        True
        """
        return _is_infinite_to_one(Neighbours.of(self.graph._store))

    def estimate(self, covariance: Any) -> dict[tuple[Hashable, Hashable], float]:
        """Return the identified coefficients that a covariance matrix implies.

        Parameters
        ----------
        covariance : array of shape (n_nodes, n_nodes) or data frame
            Of the nodes of `graph`, in their order or by their labels.

        Returns
        -------
        dict of (hashable, hashable) to float
            A coefficient for each edge (cause, effect), in the order of the steps.

        Raises
        ------
        DataError
            If the matrix has another shape, is not finite or not symmetric.
        UnknownNameError
            If a frame lacks a node.
        numpy.linalg.LinAlgError
            If the equations of a step are singular at this matrix.

        Examples
        --------
        >>> import numpy as np
        >>> from causalrep.graphs import ADMG
        >>> from causalrep.identification import identify_linear
        >>> model = identify_linear(ADMG.from_string("Z -> X -> Y; X <-> Y"))
        >>> covariance = np.array([[1.0, 0.5, 1.0], [0.5, 1.0, 2.3], [1.0, 2.3, 9.0]])
        >>> {edge: round(value, 3) for edge, value in model.estimate(covariance).items()}
        {('Z', 'X'): 0.5, ('X', 'Y'): 2.0}
        """
        matrix = read_covariance(covariance, self.graph.nodes)
        at = {node: i for i, node in enumerate(self.graph.nodes)}
        known = np.zeros_like(matrix)  # known[i, j] is the coefficient of i -> j
        for step in self.steps:
            v = at[step.target]
            parts = (step.parents, step.instruments, step.given)
            columns, rows, given = ([at[node] for node in part] for part in parts)
            covaries = partial_covariance(matrix, given)
            for node in step.residual:
                i = at[node]
                covaries[i] = matrix[i] - known[:, i] @ matrix
            right = covaries[rows, v] - (covaries @ known[:, v])[rows]
            known[columns, v] = np.linalg.solve(covaries[np.ix_(rows, columns)], right)
        return {(u, v): float(known[at[u], at[v]]) for u, v in self.identified}


def identify_linear(g: Graph | nx.DiGraph) -> LinearIdentification:
    """Return which coefficients of a linear model are identified, and how to compute them.

    Assumes linear mechanisms and errors that covary only along bidirected edges, or through latent
    nodes; says what holds for generic coefficients, that is all but a set of measure zero.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph; latent nodes are projected out.

    Returns
    -------
    LinearIdentification
        With the identified edges, the steps, and estimates from a covariance matrix.

    Raises
    ------
    GraphError
        If the graph is of another type.

    Notes
    -----
    A maximum flow per node and round, of which there are at most as many as directed edges; where it
    fails, a separator per node and edge. All that is reported is identified; not all that is identified
    is found, for which no polynomial algorithm is known.

    References
    ----------
    .. [1] R. Foygel, J. Draisma, M. Drton, "Half-trek criterion for generic identifiability of linear
       structural equation models", Annals of Statistics 40, 2012, arXiv:1107.5552 (theorem 1).

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import identify_linear
    >>> model = identify_linear(ADMG.from_string("Z -> X -> M -> Y; X <-> M; M <-> Y"))
    >>> for step in model.steps:
    ...     print(step)
    Z -> X: regression of X on Z
    X -> M: cov(Z, M) / cov(Z, X)
    M -> Y: cov(Z, Y) / cov(Z, M)
    >>> identify_linear(ADMG.from_string("X -> Y; X <-> Y")).undecided
    NodeSet([('X', 'Y')])
    """
    graph = directed(g, "the half-trek criterion")
    observed = graph.latent_projection() if graph.latent else graph
    if not isinstance(observed, ADMG):
        observed = observed.to_admg()
    return LinearIdentification(observed, tuple(_Search(observed).steps()))


class _Search:
    """Which coefficients are still unknown, and the steps that give the others."""

    def __init__(self, g: ADMG) -> None:
        self.g = g
        self.near = Neighbours.of(g._store)
        self.unknown = [list(parents) for parents in self.near.parents]

    def steps(self) -> list[LinearStep]:
        """Solve what can be solved, until a whole round brings nothing new."""
        order = [i for i in self.g._order() if self.unknown[i]]
        found: list[LinearStep] = []
        while True:
            n_before = len(found)
            for v in order:
                step = self._half_trek(v) if self.unknown[v] else None
                if step is not None:
                    found.append(step)
                    self.unknown[v] = []
                for p in list(self.unknown[v]):
                    step = self._instrument(p, v)
                    if step is not None:
                        found.append(step)
                        self.unknown[v].remove(p)
            if len(found) == n_before:
                return found

    def _half_trek(self, v: int) -> LinearStep | None:
        """Return the step for all unknown edges into v, if the criterion holds."""
        parents, children, siblings = self.near
        reached = closure([v, *siblings[v]], children)
        excluded = {v, *siblings[v]}
        treks = TrekSystem(self.near, self.unknown[v], half=True)
        chosen: list[int] = []
        for y in range(len(parents)):
            if y in excluded or (reached[y] and self.unknown[y]):
                continue
            if treks.link(y):
                chosen.append(y)
            if len(chosen) == len(self.unknown[v]):
                return self._step(v, self.unknown[v], chosen, [y for y in chosen if reached[y]], [])
        return None

    def _instrument(self, p: int, v: int) -> LinearStep | None:
        """Return the step for one edge by an instrument, the parent itself first among them."""
        near = self.near.without([(p, v), *((i, v) for i in self._known(v))])
        late = near.below([v])
        allowed = without(flags(len(late), range(len(late))), late)
        allowed[p] = 0
        for z in [p, *(i for i, may in enumerate(allowed) if may)]:
            others = bytearray(allowed)
            others[z] = 0
            given = minimal_separator(near, [v], [z], [], others)
            if given is not None and (z == p or not is_separator(near, [z], [p], given)):
                return self._step(v, [p], [z], [], given)
        return None

    def _known(self, v: int) -> list[int]:
        return [i for i in self.near.parents[v] if i not in self.unknown[v]]

    def _step(self, v: int, p: list[int], y: list[int], residual: list[int], given: list[int]) -> LinearStep:
        sets = (labels(self.g, indices) for indices in (p, y, residual, given, self._known(v)))
        return LinearStep(self.g.nodes[v], *sets)


def _is_infinite_to_one(near: Neighbours) -> bool:
    """Return whether no half-trek systems for all nodes at once exist in which none serve each other.

    Each unordered pair that no bidirected edge joins may be used once, to have one of the two as a
    source for the other; per node v the way down is a copy of the graph with room for one at each node.
    """
    n_nodes = len(near.parents)
    pairs = [pair for pair in combinations(range(n_nodes), 2) if pair[1] not in near.siblings[pair[0]]]
    enter, base = 2 * n_nodes * n_nodes, 2 * n_nodes * n_nodes + len(pairs)
    network = FlowNetwork(base + 2)
    for k, (v, w) in enumerate(pairs):
        network.arc(base, enter + k, 1)
        for target, source in ((v, w), (w, v)):
            for top in (source, *near.siblings[source]):
                network.arc(enter + k, 2 * (target * n_nodes + top))
    for v, parents in enumerate(near.parents):
        if not parents:
            continue
        for w in range(n_nodes):
            place = 2 * (v * n_nodes + w)
            network.arc(place, place + 1, 1)
            for child in near.children[w]:
                network.arc(place + 1, 2 * (v * n_nodes + child))
        for p in parents:
            network.arc(2 * (v * n_nodes + p) + 1, base + 1)
    return network.push(base, base + 1) < sum(map(len, near.parents))
