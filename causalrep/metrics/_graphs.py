"""Distances and scores between a true and a guessed graph."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from causalrep.graphs import DAG, PDAG, Graph
from causalrep.graphs._store import ARROW, MARKS, TAIL
from causalrep.utils import GraphError

__all__ = ["EdgeScores", "arrowhead_scores", "mark_shd", "order_divergence", "shd", "skeleton_scores"]

Pair = tuple[Hashable, Hashable]
#: The two ends of an edge, each with its mark.
Edge = frozenset[tuple[Hashable, int]]


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


def shd(
    truth: Graph | Any,
    guess: Graph | Any,
    *,
    count_reversed_twice: bool = False,
    up_to_equivalence: bool = False,
) -> int:
    """Return the structural Hamming distance: the number of node pairs that are joined differently.

    A missing, an added, a reversed and an edge directed in only one of the graphs count 1 each.
    A method that returns a CPDAG should be compared with the CPDAG of the truth.

    Parameters
    ----------
    truth, guess : Graph or networkx graph
        Two graphs of any types on the same nodes, in any order. A networkx graph is read as a `DAG`,
        or as a `PDAG` where it has undirected or opposite edges.
    count_reversed_twice : bool, default=False
        Whether an edge that is directed in both graphs, but in opposite ways, counts 2: once as
        missing and once as added.
    up_to_equivalence : bool, default=False
        Whether to compare the CPDAGs of the two, which must then be DAGs or partially directed. Then
        the distance of Markov equivalent graphs is 0.

    Returns
    -------
    int
        0 iff the graphs, or their CPDAGs, are equal; symmetric in its arguments.

    Raises
    ------
    GraphError
        If the graphs do not have the same nodes, or one that needs a CPDAG has none.

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
    >>> shd(DAG.from_string("X -> Y -> Z"), DAG.from_string("X <- Y -> Z"), up_to_equivalence=True)
    0
    """
    first, second = on_same_nodes(truth, guess)
    if up_to_equivalence:
        first, second = _equivalence_class(first, "truth"), _equivalence_class(second, "guess")
    one, other = edges_by_pair(first), edges_by_pair(second)
    distance = 0
    for ends in one.keys() | other.keys():
        a, b = one.get(ends), other.get(ends)
        distance += a != b
        if count_reversed_twice and a is not None and b is not None and a != b:
            distance += _is_directed(a) and _is_directed(b)
    return distance


def _is_directed(edges: frozenset[Edge]) -> bool:
    return len(edges) == 1 and {mark for edge in edges for _, mark in edge} == {ARROW, TAIL}


def _equivalence_class(graph: Graph, name: str) -> Graph:
    if not isinstance(graph, DAG | PDAG):
        raise GraphError(f"`{name}` must be a DAG or partially directed, got {type(graph).__name__}")
    return graph.to_cpdag()


def mark_shd(truth: Graph | Any, guess: Graph | Any) -> int:
    """Return the number of edge ends that carry different marks; an edge in only one graph has two.

    The distance for graphs with circles, such as a `PAG`: ``o->`` in place of ``->`` has one wrong mark,
    ``<-`` in place of ``->`` two, where `shd` counts both as one wrong edge.

    Parameters
    ----------
    truth, guess : Graph or networkx graph
        Two graphs of any types on the same nodes, in any order.

    Returns
    -------
    int
        0 iff the graphs are equal; symmetric in its arguments.

    Raises
    ------
    GraphError
        If the graphs do not have the same nodes.

    Notes
    -----
    Of the two edges of a bow in an `ADMG` an end has the set of marks, compared as a whole.

    Examples
    --------
    >>> from causalrep.graphs import PAG
    >>> from causalrep.metrics import mark_shd
    >>> truth = PAG([("X", "o->", "Y"), ("Y", "<->", "Z")])
    >>> mark_shd(truth, PAG([("X", "->", "Y"), ("Y", "<->", "Z")]))
    1
    >>> mark_shd(truth, PAG([("X", "o->", "Y")], nodes=["X", "Y", "Z"]))
    2
    """
    first, second = on_same_nodes(truth, guess)
    one, other = _marks(first), _marks(second)
    return sum(one.get(end) != other.get(end) for end in one.keys() | other.keys())


def _marks(graph: Graph) -> dict[Pair, set[int]]:
    """Return the marks at v on the edges that join u and v, for each (u, v)."""
    found: dict[Pair, set[int]] = {}
    for pair, edges in edges_by_pair(graph).items():
        for v, mark in (end for edge in edges for end in edge):
            for u in pair - {v}:
                found.setdefault((u, v), set()).add(mark)
    return found


def order_divergence(truth: Graph | Any, order: Sequence[Hashable] | DAG) -> int:
    """Return the number of directed edges of the truth that point backwards in an order of its nodes.

    They are the edges that no method can recover that goes by the order. 0 iff the order is a
    topological one.

    Parameters
    ----------
    truth : Graph or networkx graph
        The true graph; of one that is partially directed the undirected edges do not count.
    order : sequence of hashable, or DAG
        All nodes, causes first; of a DAG its topological order.

    Returns
    -------
    int
        Between 0 and the number of directed edges.

    Raises
    ------
    GraphError
        If `order` does not hold each node once.

    References
    ----------
    .. [1] P. Rolland, V. Cevher, M. Kleindessner, C. Russell, D. Janzing, B. Schölkopf, F. Locatello,
       "Score matching enables causal discovery of nonlinear additive noise models", ICML 2022,
       arXiv:2203.04413 (section 5).

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import order_divergence
    >>> order_divergence(DAG.from_string("X -> Y -> Z; X -> Z"), ["Y", "X", "Z"])
    1
    """
    names = order.topological_order() if isinstance(order, DAG) else tuple(order)
    graph, _ = on_same_nodes(truth, DAG(nodes=names), names=("truth", "order"))
    place = {node: i for i, node in enumerate(names)}
    return sum(place[u] > place[v] for u, v in graph.directed_edges)


def skeleton_scores(truth: Graph | Any, guess: Graph | Any) -> EdgeScores:
    """Return precision, recall and F1 of the adjacencies, whatever their direction.

    Parameters
    ----------
    truth, guess : Graph or networkx graph
        Two graphs of any types on the same nodes, in any order.

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
    first, second = on_same_nodes(truth, guess)
    one, other = edges_by_pair(first).keys(), edges_by_pair(second).keys()
    return EdgeScores(n_common=len(one & other), n_guessed=len(other), n_true=len(one))


def arrowhead_scores(truth: Graph | Any, guess: Graph | Any) -> EdgeScores:
    """Return precision, recall and F1 of the arrowheads: in a DAG, of the pairs (cause, effect).

    A bidirected edge has two arrowheads, an undirected one none. An arrowhead on an edge that the truth
    lacks, or has undirected, counts as a wrong guess. A method that returns a CPDAG should be compared
    with the CPDAG of the truth.

    Parameters
    ----------
    truth, guess : Graph or networkx graph
        Two graphs of any types on the same nodes, in any order.

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
    first, second = on_same_nodes(truth, guess)
    one, other = _arrowheads(first), _arrowheads(second)
    return EdgeScores(n_common=len(one & other), n_guessed=len(other), n_true=len(one))


def on_same_nodes(
    truth: Graph | Any, guess: Graph | Any, names: tuple[str, str] = ("truth", "guess")
) -> tuple[Graph, Graph]:
    """Return both as graphs, or say which node one of them lacks."""
    first, second = (graph if isinstance(graph, Graph) else _of_networkx(graph) for graph in (truth, guess))
    for name, nodes, rest in ((names[1], first, second), (names[0], second, first)):
        missing = [node for node in nodes.nodes if node not in rest]
        if missing:
            raise GraphError(
                f"`{names[0]}` and `{names[1]}` must have the same nodes, got no {missing[0]!r} in `{name}`"
            )
    return first, second


def _of_networkx(graph: Any) -> Graph:
    found = PDAG.from_networkx(graph)
    return found if found.undirected_edges else DAG(found.directed_edges, nodes=found.nodes)


def edges_by_pair(graph: Graph) -> dict[frozenset[Hashable], frozenset[Edge]]:
    """Return for each adjacent pair its edge, in an `ADMG` maybe two, as the marks at either end."""
    found: dict[frozenset[Hashable], frozenset[Edge]] = {}
    nodes = graph.nodes
    for i, kind, j in graph._store.written():
        edge = frozenset(zip((nodes[i], nodes[j]), MARKS[kind], strict=True))
        ends = frozenset((nodes[i], nodes[j]))
        found[ends] = found.get(ends, frozenset()) | {edge}
    return found


def _arrowheads(graph: Graph) -> set[Pair]:
    """Return the pairs (u, v) that an edge with an arrowhead at v joins."""
    found: set[Pair] = set()
    for pair, edges in edges_by_pair(graph).items():
        for v, mark in (end for edge in edges for end in edge):
            if mark == ARROW:
                found.update((u, v) for u in pair if u != v)
    return found
