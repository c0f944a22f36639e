"""Instruments: variation in the treatment that reaches the outcome through the treatment only.

Z is an instrument for the effect of X on Y given W if W leaves Z and X dependent, and separates Z from
Y once the edges by which X acts on Y are removed; neither Z nor W may have a node that X acts on on
the way to Y, or an effect of one. In linear models Y less its part due to X is then independent of Z
given W, and the effect is cov(Z, Y | W) / cov(Z, X | W).

For several treatments a set of as many instruments is needed, with which the same equations have one
solution: the matrix cov(Z, X | W) must be regular. Its rank for generic coefficients is read off
the graph as the number of treks that can be drawn from Z and W to X and W without two of them meeting
on the same side, a maximum flow.

References
----------
.. [1] B. van der Zander, J. Textor, M. Liśkiewicz, "Efficiently finding conditional instruments for
   causal inference", IJCAI 2015.
.. [2] C. Brito, J. Pearl, "Generalized instrumental variables", UAI 2002, arXiv:1301.0560.
.. [3] S. Sullivant, K. Talaska, J. Draisma, "Trek separation for Gaussian graphical models", Annals of
   Statistics 38, 2010, arXiv:0812.1938 (theorem 2.8).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import networkx as nx

from causalrep.graphs import Graph, NodeSet
from causalrep.identification._criterion import problem_of
from causalrep.identification._door import Nodes, directed, disjoint, labels, refuse_latent
from causalrep.identification._neighbours import Neighbours
from causalrep.identification._separators import is_separator, minimal_separator
from causalrep.identification._treks import TrekSystem
from causalrep.identification._usable import permitted, without
from causalrep.utils import GraphError

__all__ = ["Instrument", "InstrumentalSet", "instrumental_sets", "instruments", "is_instrumental_set"]


@dataclass(frozen=True)
class Instrument:
    """An instrument and the covariates given which it is one.

    Parameters
    ----------
    instrument : hashable
        The node.
    given : NodeSet
        The covariates to condition on; empty for an instrument in the plain sense.
    """

    instrument: Hashable
    given: NodeSet[Hashable]


@dataclass(frozen=True)
class InstrumentalSet:
    """As many instruments as treatments, and the covariates given which they are instruments.

    Parameters
    ----------
    instruments : NodeSet
        The nodes.
    given : NodeSet
        The covariates to condition on.
    """

    instruments: NodeSet[Hashable]
    given: NodeSet[Hashable]


@dataclass(frozen=True)
class _Question:
    """Treatments, an outcome, the graph without the edges that carry the effect, and what may be used."""

    g: Graph
    x: list[int]
    y: int
    near: Neighbours
    allowed: bytearray

    def nearest(self, node: int) -> list[int] | None:
        """Return the separator of the node from the outcome that is nearest to the outcome."""
        others = bytearray(self.allowed)
        others[node] = 0
        return minimal_separator(self.near, [self.y], [node], [], others)


def _question(g: Graph | nx.DiGraph, x: Nodes, y: Hashable, restrict: Nodes | None = None) -> _Question:
    graph = directed(g, "the search for instruments")
    treatments, outcomes = disjoint(graph, x=x, y=y)
    if not treatments or len(outcomes) != 1:
        raise GraphError(
            f"`x` must be at least one node and `y` a single one, got {len(treatments)} and {len(outcomes)}"
        )
    refuse_latent(graph, x=treatments, y=outcomes)
    problem = problem_of(graph, treatments, outcomes, "adjustment")
    # Where no causal path leads to the outcome, it is not among its own forbidden nodes.
    late = Neighbours.of(graph._store).below(outcomes)
    allowed = without(without(permitted(graph, restrict), problem.forbidden), late)
    for i in treatments:
        allowed[i] = 0
    return _Question(graph, treatments, outcomes[0], problem.near, allowed)


def instruments(
    g: Graph | nx.DiGraph, x: Hashable, y: Hashable, *, restrict: Nodes | None = None
) -> tuple[Instrument, ...]:
    """Return the instruments for the effect of `x` on `y`, each with covariates that make it one.

    Use them where a hidden variable acts on both. They identify the effect in linear models; in others
    they bound it, or identify the effect on those who comply if the instrument acts monotonically.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph; latent nodes and bidirected edges are taken into account.
    x, y : hashable
        Treatment and outcome. The effect is the total one.
    restrict : hashable or iterable of hashable, default=None
        The nodes that may be instruments and covariates; by default all that are observed.

    Returns
    -------
    tuple of Instrument
        In node order of the instruments. For each the separator nearest to `y` is given. If that does
        not do then no set of ancestors of the two does. Some node is an instrument given some set iff
        the result is not empty.

    Raises
    ------
    GraphError
        If `x` or `y` is latent or not a single node, or the graph is of another type.
    UnknownNameError
        If a node does not exist.

    Notes
    -----
    O(n_nodes * (n_nodes + n_edges)) [1]_.

    References
    ----------
    .. [1] B. van der Zander, J. Textor, M. Liśkiewicz, "Efficiently finding conditional instruments for
       causal inference", IJCAI 2015 (ancestral instruments).

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import instruments
    >>> g = ADMG.from_string("Z -> X -> Y; X <-> Y; W -> {Z Y}")
    >>> instruments(g, "X", "Y")
    (Instrument(instrument='Z', given=NodeSet(['W'])),)
    """
    question = _question(g, x, y, restrict)
    if len(question.x) != 1:
        raise GraphError(
            f"`x` must be a single node, got {len(question.x)}; `instrumental_sets` is for several"
        )
    found = []
    for node in (i for i, may in enumerate(question.allowed) if may):
        given = question.nearest(node)
        if given is not None and not is_separator(question.near, [node], question.x, given):
            found.append(Instrument(question.g.nodes[node], labels(question.g, given)))
    return tuple(found)


def is_instrumental_set(g: Graph | nx.DiGraph, x: Nodes, y: Hashable, z: Nodes, given: Nodes = ()) -> bool:
    """Return whether `z` are instruments for the joint effect of `x` on `y`, given covariates.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph.
    x : hashable or iterable of hashable
        Treatments, set together.
    y : hashable
        The outcome.
    z : hashable or iterable of hashable
        As many instruments as there are treatments.
    given : hashable or iterable of hashable, default=()
        The covariates to condition on.

    Returns
    -------
    bool
        True iff in linear models with generic coefficients cov(z, x | given) is regular, and the effect
        of `x` is its inverse times cov(z, y | given) by separation in the graph.

    Raises
    ------
    GraphError
        If the sets are not disjoint, `x` or `y` is latent, `z` has another number of nodes than `x`, or
        the graph is of another type.
    UnknownNameError
        If a node does not exist.

    References
    ----------
    .. [1] S. Sullivant, K. Talaska, J. Draisma, "Trek separation for Gaussian graphical models", Annals
       of Statistics 38, 2010, arXiv:0812.1938 (theorem 2.8).

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import is_instrumental_set
    >>> g = ADMG.from_string("Z1 -> {X1 X2}; Z2 -> X2; {X1 X2} -> Y; {X1 X2} <-> Y")
    >>> is_instrumental_set(g, {"X1", "X2"}, "Y", {"Z1", "Z2"}), is_instrumental_set(g, "X2", "Y", "Z1")
    (True, False)
    """
    question = _question(g, x, y)
    graph = question.g
    _, _, candidates, covariates = disjoint(graph, x=x, y=y, z=z, given=given)
    if len(candidates) != len(question.x):
        raise GraphError(
            f"`z` must have one node for each of `x`, got {len(candidates)} for {len(question.x)}"
        )
    if not all(question.allowed[i] for i in (*candidates, *covariates)):
        return False
    if not is_separator(question.near, candidates, [question.y], covariates):
        return False
    return len(_independent(question, candidates, covariates)) == len(candidates)


def instrumental_sets(
    g: Graph | nx.DiGraph, x: Nodes, y: Hashable, *, restrict: Nodes | None = None
) -> tuple[InstrumentalSet, ...]:
    """Return sets of instruments for the joint effect of several treatments.

    Parameters
    ----------
    g : DAG, ADMG or networkx.DiGraph
        The causal graph.
    x : hashable or iterable of hashable
        Treatments, set together.
    y : hashable
        The outcome.
    restrict : hashable or iterable of hashable, default=None
        The nodes that may be instruments and covariates; by default all that are observed.

    Returns
    -------
    tuple of InstrumentalSet
        At most one for each set of covariates that was tried, fewer covariates first.

    Raises
    ------
    GraphError
        If `x` or `y` is latent, `y` is not a single node, or the graph is of another type.
    UnknownNameError
        If a node does not exist.

    Notes
    -----
    Covariates that are tried are the empty set and, for each node, the separator from `y` that is nearest
    to `y`; for each of them the largest set of instruments is found by augmenting flows. All that is
    returned is valid; deciding whether any set of covariates would do is NP-hard [1]_.

    References
    ----------
    .. [1] B. van der Zander, M. Liśkiewicz, "On searching for generalized instrumental variables",
       AISTATS 2016, PMLR 51.

    Examples
    --------
    >>> from causalrep.graphs import ADMG
    >>> from causalrep.identification import instrumental_sets
    >>> g = ADMG.from_string("Z1 -> {X1 X2}; Z2 -> X2; {X1 X2} -> Y; {X1 X2} <-> Y")
    >>> instrumental_sets(g, ["X1", "X2"], "Y")
    (InstrumentalSet(instruments=NodeSet(['Z1', 'Z2']), given=NodeSet()),)
    """
    question = _question(g, x, y, restrict)
    candidates = [i for i, may in enumerate(question.allowed) if may]
    tried = {tuple(given) for given in map(question.nearest, candidates) if given is not None}
    found = []
    for given in sorted({(), *tried}, key=lambda given: (len(given), given)):
        separated = [
            i
            for i in candidates
            if i not in given and is_separator(question.near, [i], [question.y], [*given])
        ]
        chosen = _independent(question, separated, list(given))
        if len(chosen) == len(question.x):
            found.append(InstrumentalSet(labels(question.g, chosen), labels(question.g, given)))
    return tuple(found)


def _independent(question: _Question, candidates: list[int], given: list[int]) -> list[int]:
    """Return the first candidates whose rows of cov(candidates, x | given) are independent.

    The rank of cov(z, x | w) is that of cov(z and w, x and w) less the number of w.
    """
    treks = TrekSystem(Neighbours.of(question.g._store), [*question.x, *given])
    for node in given:
        treks.link(node)
    return [node for node in candidates if treks.link(node)]
