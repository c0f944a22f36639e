"""Distances and scores between a true and a guessed graph."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from causalrep.graphs import DAG, Graph
from causalrep.utils import GraphError

__all__ = ["EdgeScores", "arrowhead_scores", "shd", "skeleton_scores"]

Pair = tuple[Hashable, Hashable]


@dataclass(frozen=True)
class EdgeScores:
    """How many of the guessed items are true, and how many of the true ones were guessed.

    Attributes
    ----------
    n_common, n_guessed, n_true : int
        Number of items in both graphs, in the guess, in the truth.
    """

    n_common: int
    n_guessed: int
    n_true: int

    @property
    def precision(self) -> float:
        """Share of the guessed items that are true; 1 if nothing was guessed."""
        return self.n_common / self.n_guessed if self.n_guessed else 1.0

    @property
    def recall(self) -> float:
        """Share of the true items that were guessed; 1 if there is nothing to guess."""
        return self.n_common / self.n_true if self.n_true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 if both graphs have no such item."""
        total = self.n_guessed + self.n_true
        return 2 * self.n_common / total if total else 1.0


def shd(truth: Graph | Any, guess: Graph | Any, *, count_reversed_twice: bool = False) -> int:
    """Return the structural Hamming distance: the number of node pairs that are joined differently.

    A missing, an added, a reversed and an edge directed in only one of the graphs count 1 each.
    A method that returns a CPDAG should be compared with the CPDAG of the truth.

    Parameters
    ----------
    truth, guess : DAG, PDAG, CPDAG or networkx.DiGraph
        Two graphs on the same nodes, in any order.
    count_reversed_twice : bool, default=False
        Whether an edge that is directed in both graphs, but in opposite ways, counts 2: once as
        missing and once as added.

    Returns
    -------
    int
        0 iff the graphs are equal; symmetric in its arguments.

    Raises
    ------
    GraphError
        If the graphs do not have the same nodes.

    References
    ----------
    .. [1] I. Tsamardinos, L. E. Brown, C. F. Aliferis, "The max-min hill-climbing Bayesian network
       structure learning algorithm", Machine Learning 65, 2006, doi:10.1007/s10994-006-6889-7.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import shd
    >>> truth, guess = DAG.from_string("Z -> X -> Y; Z -> Y"), DAG.from_string("X -> Z; X -> Y")
    >>> shd(truth, guess), shd(truth, guess, count_reversed_twice=True)
    (2, 3)
    """
    first, second = _on_same_nodes(truth, guess)
    one, other = _edges_by_pair(first), _edges_by_pair(second)
    distance = 0
    for ends in one.keys() | other.keys():
        a, b = one.get(ends), other.get(ends)
        reversed_here = isinstance(a, tuple) and isinstance(b, tuple) and a != b
        distance += 2 if reversed_here and count_reversed_twice else a != b
    return distance


def skeleton_scores(truth: Graph | Any, guess: Graph | Any) -> EdgeScores:
    """Return precision, recall and F1 of the adjacencies, whatever their direction.

    Parameters
    ----------
    truth, guess : DAG, PDAG, CPDAG or networkx.DiGraph
        Two graphs on the same nodes, in any order.

    Returns
    -------
    EdgeScores
        With ``.precision``, ``.recall`` and ``.f1``.

    Raises
    ------
    GraphError
        If the graphs do not have the same nodes.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import skeleton_scores
    >>> scores = skeleton_scores(DAG.from_string("Z -> X -> Y; Z -> Y"), DAG.from_string("X -> Z; Y"))
    >>> scores.precision, scores.recall, scores.f1
    (1.0, 0.3333333333333333, 0.5)
    """
    first, second = _on_same_nodes(truth, guess)
    one, other = _edges_by_pair(first).keys(), _edges_by_pair(second).keys()
    return EdgeScores(n_common=len(one & other), n_guessed=len(other), n_true=len(one))


def arrowhead_scores(truth: Graph | Any, guess: Graph | Any) -> EdgeScores:
    """Return precision, recall and F1 of the directions: of the pairs (cause, effect) that are stated.

    An arrowhead on an edge that the truth lacks, or has undirected, counts as a wrong guess. A
    method that returns a CPDAG should be compared with the CPDAG of the truth.

    Parameters
    ----------
    truth, guess : DAG, PDAG, CPDAG or networkx.DiGraph
        Two graphs on the same nodes, in any order.

    Returns
    -------
    EdgeScores
        With ``.precision``, ``.recall`` and ``.f1``.

    Raises
    ------
    GraphError
        If the graphs do not have the same nodes.

    Examples
    --------
    >>> from causalrep.graphs import DAG, PDAG
    >>> from causalrep.metrics import arrowhead_scores
    >>> truth, guess = DAG.from_string("Z -> X -> Y"), PDAG.from_string("X -> Z; X -> Y")
    >>> arrowhead_scores(truth, guess).precision
    0.5
    """
    first, second = _on_same_nodes(truth, guess)
    one, other = set(first.directed_edges), set(second.directed_edges)
    return EdgeScores(n_common=len(one & other), n_guessed=len(other), n_true=len(one))


def _on_same_nodes(truth: Graph | Any, guess: Graph | Any) -> tuple[Graph, Graph]:
    first, second = (
        graph if isinstance(graph, Graph) else DAG.from_networkx(graph) for graph in (truth, guess)
    )
    for name, nodes, rest in (("guess", first, second), ("truth", second, first)):
        missing = [node for node in nodes.nodes if node not in rest]
        if missing:
            raise GraphError(
                f"`truth` and `guess` must have the same nodes, got no {missing[0]!r} in `{name}`"
            )
    return first, second


def _edges_by_pair(graph: Graph) -> dict[frozenset[Hashable], Pair | frozenset[Hashable]]:
    """Return for each adjacent pair its edge: a tuple if it is directed, the pair itself if not."""
    edges: dict[frozenset[Hashable], Pair | frozenset[Hashable]] = {
        frozenset(edge): edge for edge in graph.directed_edges
    }
    return edges | {frozenset(edge): frozenset(edge) for edge in graph.undirected_edges}
