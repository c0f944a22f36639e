"""Distances between graphs by the causal effects that one reads off them.

The guess proposes, for each ordered pair (x, y), how to find the effect of x on y; the distance counts
the pairs for which that is wrong in the truth. So it counts what a wrong graph does to its user,
where a Hamming distance counts edges.

References
----------
.. [1] J. Peters, P. Bühlmann, "Structural intervention distance for evaluating causal graphs", Neural
   Computation 27, 2015, arXiv:1306.1043.
.. [2] L. Henckel, T. Würtzen, S. Weichwald, "Adjustment identification distance: A gadjid for causal
   structure learning", UAI 2024, arXiv:2402.08616.
.. [3] J. Wahl, J. Runge, "Separation-based distance measures for causal graphs", AISTATS 2025,
   arXiv:2402.04952.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Any

from causalrep.graphs import CPDAG, DAG, PDAG, Graph
from causalrep.metrics._graphs import edges_by_pair, on_same_nodes
from causalrep.metrics._walks import Rows, Walks
from causalrep.utils import GraphError

__all__ = ["adjustment_distance", "separation_distance", "sid"]

_KINDS = ("parent", "ancestor", "oset")
# Bits of all rows of a batch: long rows, which make Python's own cost vanish, in memory of some 100 MB.
_BITS = 1 << 26


def sid(truth: DAG | Any, guess: DAG | Any, *, normalized: bool = False) -> int | float:
    """Return the structural intervention distance: effects that the parents in the guess get wrong.

    For each ordered pair (x, y) the guess says that x has no effect on y if y is a parent of x, and
    else that adjusting for the parents of x gives it. The distance is the number of pairs for which
    that is false in the truth.

    Parameters
    ----------
    truth, guess : DAG or networkx.DiGraph
        Two DAGs on the same nodes, in any order.
    normalized : bool, default=False
        Whether to divide by the number of ordered pairs.

    Returns
    -------
    int or float
        Between 0 and n_nodes * (n_nodes - 1), or 0 and 1; not symmetric. It is 0 wherever the truth is
        a subgraph of the guess, so a guess should also be scored for the edges that it has too many.

    Raises
    ------
    GraphError
        If the graphs do not have the same nodes, or are no DAGs.

    See Also
    --------
    adjustment_distance : The same for CPDAGs, and other adjustment sets.

    Notes
    -----
    One pass over the graph answers for all pairs, with a bit for each: O(n_nodes * n_edges) bit
    operations for every time that an open path may turn.

    References
    ----------
    .. [1] J. Peters, P. Bühlmann, "Structural intervention distance for evaluating causal graphs",
       Neural Computation 27, 2015, arXiv:1306.1043.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import sid
    >>> truth = DAG.from_string("X -> Y; X -> Z; Y -> Z")
    >>> sid(truth, DAG.from_string("X -> Z; Y -> Z")), sid(truth, DAG.from_string("Y -> X; Y -> Z; X -> Z"))
    (2, 4)
    """
    for name, graph in (("truth", truth), ("guess", guess)):
        if isinstance(graph, Graph) and not isinstance(graph, DAG):
            raise GraphError(
                f"`{name}` must be a DAG, got {type(graph).__name__}; `adjustment_distance` compares CPDAGs"
            )
    return adjustment_distance(truth, guess, "parent", normalized=normalized)


def adjustment_distance(
    truth: DAG | CPDAG | Any,
    guess: DAG | CPDAG | Any,
    kind: str = "parent",
    *,
    normalized: bool = False,
) -> int | float:
    """Return how many causal effects the guess gets wrong, if one adjusts as it proposes.

    For each ordered pair (x, y) the guess says that x has no effect on y, or proposes a set to adjust
    for, or, being a CPDAG, says that the effect cannot be identified by adjustment. The distance is
    the number of pairs for which this is false in the truth: there is an effect, or may be one; the
    set is not valid there; or only one of the two graphs identifies the effect.

    Parameters
    ----------
    truth, guess : DAG, CPDAG or networkx.DiGraph
        Two graphs on the same nodes, in any order. A `PDAG` must be the graph of an equivalence class.
    kind : {"parent", "ancestor", "oset"}, default="parent"
        The proposal. "parent": no effect on parents of x, else its parents. "ancestor": no effect on what
        is not a possible descendant of x, else its ancestors. "oset": likewise, else the optimal
        set, the parents of the nodes on causal paths to y that are no descendants of such nodes.
    normalized : bool, default=False
        Whether to divide by the number of ordered pairs.

    Returns
    -------
    int or float
        Between 0 and n_nodes * (n_nodes - 1), or 0 and 1; not symmetric; 0 where the graphs are equal.

    Raises
    ------
    GraphError
        If the graphs do not have the same nodes, or are neither DAGs nor CPDAGs.
    ValueError
        If `kind` is none of the three.

    Notes
    -----
    A pass over the graph answers for many pairs at once, with a bit for each. With parents or
    ancestors that takes O(n_nodes * n_edges) bit operations, with optimal sets, which depend on both x
    and y, O(n_nodes**2 * n_edges), for every time that an open path may turn.

    References
    ----------
    .. [1] L. Henckel, T. Würtzen, S. Weichwald, "Adjustment identification distance: A gadjid for causal
       structure learning", UAI 2024, arXiv:2402.08616.
    .. [2] L. Henckel, E. Perković, M. H. Maathuis, "Graphical criteria for efficient total effect
       estimation via adjustment in causal linear models", JRSS B 84, 2022, arXiv:1907.02435 (optimal sets).

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import adjustment_distance
    >>> truth, guess = DAG.from_string("Z -> X -> Y; Z -> Y"), DAG.from_string("Z -> X -> Y; Z")
    >>> [adjustment_distance(truth, guess, kind) for kind in ("parent", "ancestor", "oset")]
    [1, 0, 1]
    >>> adjustment_distance(truth, truth.to_cpdag(), normalized=True)  # the class identifies nothing
    1.0
    """
    if kind not in _KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(map(repr, _KINDS))}, got {kind!r}")
    true, guessed = _comparable(truth, guess)
    first, second = Walks(true, true.nodes), Walks(guessed, true.nodes)
    n_wrong = (
        _wrong_by_optimal_set(first, second) if kind == "oset" else _wrong_by_family(first, second, kind)
    )
    return _scaled(n_wrong, first.n_nodes * (first.n_nodes - 1), normalized)


def separation_distance(
    truth: DAG | CPDAG | Any, guess: DAG | CPDAG | Any, *, normalized: bool = False
) -> int | float:
    """Return how many node pairs the equivalence class of the guess separates wrongly.

    The guess says of two adjacent nodes that no set separates them, and of two others that those nodes
    do from which a possibly directed path in its CPDAG leads to either. The distance is the number of
    pairs for which that is false in the truth.

    Parameters
    ----------
    truth, guess : DAG, CPDAG or networkx.DiGraph
        Two graphs on the same nodes, in any order. A `PDAG` must be the graph of an equivalence class.
    normalized : bool, default=False
        Whether to divide by the number of pairs.

    Returns
    -------
    int or float
        Between 0 and n_nodes * (n_nodes - 1) / 2, or 0 and 1; not symmetric. It is the same for all
        members of a class, and 0 iff the graphs are Markov equivalent.

    Raises
    ------
    GraphError
        If the graphs do not have the same nodes, or are neither DAGs nor CPDAGs.

    Notes
    -----
    O(n_nodes**2 * n_edges) bit operations for every time that an open path may turn.

    References
    ----------
    .. [1] J. Wahl, J. Runge, "Separation-based distance measures for causal graphs", AISTATS 2025,
       arXiv:2402.04952.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.metrics import separation_distance
    >>> chain = DAG.from_string("X -> M -> Y")
    >>> separation_distance(chain, DAG.from_string("X <- M -> Y"))
    0
    >>> separation_distance(chain, DAG.from_string("X -> M <- Y"))
    1
    """
    first, second = _comparable(truth, guess)
    known, claimed = (edges_by_pair(graph).keys() for graph in (first, second))
    n_nodes = len(first)
    number = {node: i for i, node in enumerate(first.nodes)}
    asked = [(1 << j) - 1 for j in range(n_nodes)]  # every pair once: the earlier nodes, by the later
    for pair in claimed:
        i, j = sorted(number[node] for node in pair)
        asked[j] &= ~(1 << i)
    n_wrong = len(claimed - known) + _wrong_separators(
        Walks(first, first.nodes), Walks(second.to_cpdag(), first.nodes), asked
    )
    return _scaled(n_wrong, n_nodes * (n_nodes - 1) // 2, normalized)


def _wrong_by_family(truth: Walks, guess: Walks, kind: str) -> int:
    """Count the wrong pairs where a treatment has one adjustment set for all outcomes: a bit each."""
    source = [1 << v for v in range(truth.n_nodes)]
    if kind == "parent":
        given = [sum(source[c] for c in children) for children in guess.children]
        no_effect = given
    else:
        given = [row & ~own for row, own in zip(guess.ancestors(source), source, strict=True)]
        no_effect = _complement(guess.possible_descendants(source))
    asked, n_wrong = _asked(truth, guess, source, no_effect)
    invalid = truth.invalid(source, given)
    return n_wrong + sum((wrong & row).bit_count() for wrong, row in zip(invalid, asked, strict=True))


def _asked(truth: Walks, guess: Walks, source: Rows, no_effect: Rows) -> tuple[Rows, int]:
    """Return the pairs for which the guess has an adjustment set, and how often it errs on others."""
    effects, vague = truth.possible_descendants(source), truth.not_amenable(source)
    unclear = guess.not_amenable(source)
    n_wrong, asked = 0, []
    for i, own in enumerate(source):
        wrong = no_effect[i] & effects[i] & ~own | unclear[i] & ~vague[i]
        n_wrong += wrong.bit_count()
        asked.append(((1 << truth.n_nodes) - 1) & ~(no_effect[i] | unclear[i] | own))
    return asked, n_wrong


def _complement(rows: Rows) -> Rows:
    return [((1 << len(rows)) - 1) & ~row for row in rows]


def _wrong_by_optimal_set(truth: Walks, guess: Walks) -> int:
    """Count the wrong pairs where each pair has a set of its own, for a batch of treatments at a time."""
    n_nodes = truth.n_nodes
    source = [1 << v for v in range(n_nodes)]
    no_effect = _complement(guess.possible_descendants(source))
    asked, n_wrong = _asked(truth, guess, source, no_effect)
    led_to, behind = guess.led_to(source), guess.possible_ancestors(source)
    for batch in _batches(asked):
        # What lies on causal paths: behind the treatment and, or else it has bit y for no y, before y.
        causal = [batch.blocks(behind[v], led_to[v]) for v in range(n_nodes)]
        forbidden = guess.possible_descendants(causal)
        pairs = [batch.blocks(1 << v, asked[v]) for v in range(n_nodes)]
        own = batch.sources(pairs)
        given = [
            reduce(or_, (causal[c] for c in guess.children[v]), 0) & ~(forbidden[v] | own[v])
            for v in range(n_nodes)
        ]
        invalid = truth.invalid(own, given)
        n_wrong += sum((wrong & row).bit_count() for wrong, row in zip(invalid, pairs, strict=True))
    return n_wrong


class _Batch:
    """A question for each pair of some first nodes with every second node: a block of bits per first."""

    def __init__(self, firsts: list[int], n_nodes: int) -> None:
        self._firsts, self._n_nodes = firsts, n_nodes
        self._n_bytes = (n_nodes + 7) // 8
        self.whole = (1 << n_nodes) - 1

    def blocks(self, row: int, chosen: int) -> int:
        """Return `row` in the blocks of the first nodes whose bits are set in `chosen`, else zeros."""
        filled, empty = row.to_bytes(self._n_bytes, "little"), bytes(self._n_bytes)
        return int.from_bytes(b"".join(filled if chosen >> k & 1 else empty for k in self._firsts), "little")

    def sources(self, pairs: Rows) -> Rows:
        """Return for each node its own block, with the bits of the pairs that are asked."""
        asked, found = reduce(or_, pairs), [0] * self._n_nodes
        for place, k in enumerate(self._firsts):
            found[k] = asked & self.whole << 8 * self._n_bytes * place
        return found


def _batches(asked: Rows) -> Iterator[_Batch]:
    """Yield batches of the first nodes of the asked pairs (x, y), bit x of row y."""
    n_nodes = len(asked)
    union = reduce(or_, asked, 0)
    firsts = [k for k in range(n_nodes) if union >> k & 1]
    size = max(1, _BITS // max(n_nodes, 1) ** 2)
    return (_Batch(firsts[k : k + size], n_nodes) for k in range(0, len(firsts), size))


def _comparable(truth: Graph | Any, guess: Graph | Any) -> tuple[DAG | CPDAG, DAG | CPDAG]:
    """Return both as DAGs or CPDAGs on the same nodes."""
    found = []
    for name, graph in zip(("truth", "guess"), on_same_nodes(truth, guess), strict=True):
        if isinstance(graph, PDAG) and not isinstance(graph, CPDAG):
            graph = CPDAG(graph.directed_edges, graph.undirected_edges, graph.nodes)
        if not isinstance(graph, DAG | CPDAG):
            raise GraphError(f"`{name}` must be a DAG or a CPDAG, got {type(graph).__name__}")
        found.append(graph)
    return found[0], found[1]


def _wrong_separators(truth: Walks, guess: Walks, asked: Rows) -> int:
    """Count the pairs (x, y), bit x of row y, that the possible ancestors in the guess do not separate."""
    n_nodes, n_wrong = truth.n_nodes, 0
    behind = guess.possible_ancestors([1 << v for v in range(n_nodes)])
    for batch in _batches(asked):
        pairs = [batch.blocks(1 << v, asked[v]) for v in range(n_nodes)]
        own = batch.sources(pairs)
        given = [
            (batch.blocks(batch.whole, behind[v]) | batch.blocks(behind[v], -1)) & ~(own[v] | pairs[v])
            for v in range(n_nodes)
        ]
        open_to = truth.connected(own, given)
        n_wrong += sum((found & row).bit_count() for found, row in zip(open_to, pairs, strict=True))
    return n_wrong


def _scaled(n_wrong: int, n_pairs: int, normalized: bool) -> int | float:
    if not normalized:
        return n_wrong
    return n_wrong / n_pairs if n_pairs else 0.0
