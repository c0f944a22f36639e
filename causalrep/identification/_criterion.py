"""The adjustment criteria, brought to one form: which nodes may be used, and what must be separated.

A set is valid for adjustment iff (0) the graph is amenable: every proper possibly directed path from
the treatments to the outcomes starts with an edge that is certainly causal, (1) the set contains no
forbidden node, that is no possible descendant of a node on such a path after its treatment, and (2)
it blocks all proper non-causal paths. Under (0) and (1), (2) holds in all members of a class of
graphs or in none, and in a single member it is separation in the proper back-door graph, which lacks
the first edges of the causal paths [1]_ [2]_ [3]_. So each type of graph needs only two kinds of
reachability and one member of its class.

References
----------
.. [1] E. Perković, J. Textor, M. Kalisch, M. H. Maathuis, "Complete graphical characterization and
   construction of adjustment sets in Markov equivalence classes of ancestral graphs", Journal of
   Machine Learning Research 18(220), 2018, arXiv:1606.06903 (definition 4, theorem 5).
.. [2] E. Perković, M. Kalisch, M. H. Maathuis, "Interpreting and using CPDAGs with background
   knowledge", UAI 2017, arXiv:1707.02171 (definition 4.3, theorem 4.4).
.. [3] B. van der Zander, M. Liśkiewicz, J. Textor, "Separators and adjustment sets in causal
   graphs", Artificial Intelligence 270, 2019, doi:10.1016/j.artint.2018.12.006.
.. [4] J. Pearl, "Causality", 2nd edition, 2009, definition 3.3.1 (back-door), theorem 5.3.1
   (single-door).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, MPDAG, PAG, PDAG, Graph
from causalrep.graphs._ancestral import is_visible
from causalrep.graphs._store import ARROW, TAIL
from causalrep.identification._door import directed
from causalrep.identification._neighbours import Neighbours, reach
from causalrep.identification._possible import possible_children, possible_parents, unshielded_reach
from causalrep.utils import GraphError, UnknownNameError

__all__ = ["CRITERIA", "Problem", "problem_of"]

CRITERIA = ("adjustment", "backdoor", "single-door")


@dataclass(frozen=True)
class Problem:
    """A question of adjustment in one member of the class of graphs that the graph stands for.

    Attributes
    ----------
    x, y : list of int
        Treatments and outcomes.
    near : Neighbours
        The member, less the edges that carry the effect.
    forbidden : bytearray
        1 for the nodes that no valid set may have.
    above, below : callable
        From nodes to their possible ancestors, and descendants, in the graph itself, themselves included.
    first : list of (int, int)
        The first edges of the causal paths, which `near` lacks.
    obstacle : (int, int) or None
        The first edge of a possibly causal path that is not certainly causal; no set is valid.
    """

    x: list[int]
    y: list[int]
    near: Neighbours
    forbidden: bytearray
    above: Callable[[list[int]], bytearray]
    below: Callable[[list[int]], bytearray]
    first: list[tuple[int, int]]
    obstacle: tuple[int, int] | None = None


def problem_of(g: Graph, x: list[int], y: list[int], criterion: str) -> Problem:
    """Return the question that a criterion asks of a graph."""
    if criterion not in CRITERIA:
        raise UnknownNameError(criterion, CRITERIA, what="`criterion`")
    if criterion == "backdoor":
        return _backdoor(directed(g, "the back-door criterion"), x, y)
    if criterion == "single-door":
        return _single_door(directed(g, "the single-door criterion"), x, y)
    if isinstance(g, DAG | ADMG):
        return _directed(g, x, y)
    if isinstance(g, PDAG):
        return _class_of_dags(g if isinstance(g, CPDAG | MPDAG) else g.meek_closure(), x, y)
    if isinstance(g, MAG | PAG):
        return _ancestral(g, x, y)
    raise GraphError(f"the adjustment criterion knows no graph of type {type(g).__name__}")


def _directed(g: Graph, x: list[int], y: list[int]) -> Problem:
    near = Neighbours.of(g._store)
    causes = reach(y, near.parents, x)
    first = [(i, j) for i in x for j in near.children[i] if causes[j]]
    forbidden = near.below([j for _, j in first])
    return Problem(x, y, near.without(first), forbidden, near.above, near.below, first)


def _backdoor(g: Graph, x: list[int], y: list[int]) -> Problem:
    near = Neighbours.of(g._store)
    first = [(i, j) for i in x for j in near.children[i]]
    return Problem(x, y, near.without(first), near.below(x), near.above, near.below, first)


def _single_door(g: Graph, x: list[int], y: list[int]) -> Problem:
    if len(x) != 1 or len(y) != 1:
        raise GraphError(
            f"the single-door criterion is about one edge: `x` and `y` must be single nodes, "
            f"got {len(x)} and {len(y)}"
        )
    near = Neighbours.of(g._store)
    first = [(x[0], y[0])] if y[0] in near.children[x[0]] else []
    return Problem(x, y, near.without(first), near.below(y), near.above, near.below, first)


def _class_of_dags(g: PDAG, x: list[int], y: list[int]) -> Problem:
    """Return the question for a CPDAG, in which a path cannot turn back, or for an MPDAG."""
    store, chain_graph = g._store, isinstance(g, CPDAG)
    up, down = possible_parents(store), possible_children(store)

    def reached(start: list[int], steps: list[list[int]], avoid: list[int]) -> bytearray:
        return reach(start, steps, avoid) if chain_graph else unshielded_reach(store, start, steps, avoid)

    children, neighbours = store.lists(TAIL, ARROW), store.lists(TAIL, TAIL)
    causes = reached(y, up, x)
    obstacle = None
    for i in x:
        undecided = [j for j in neighbours[i] if causes[j]]
        if undecided and not chain_graph:
            # A later node of the path must not be a parent of its first one.
            onward = reached(y, up, [*x, *store.lists(ARROW, TAIL)[i]])
            undecided = [j for j in undecided if onward[j]]
        if undecided:
            obstacle = (i, undecided[0])
            break
    first = [(i, j) for i in x for j in children[i] if causes[j]]
    forbidden = reached([j for _, j in first], down, [])
    near = Neighbours.of(g._plain())
    return Problem(
        x,
        y,
        near.without(first),
        forbidden,
        lambda nodes: reached(nodes, up, []),
        lambda nodes: reached(nodes, down, []),
        first,
        obstacle,
    )


def _ancestral(g: MAG | PAG, x: list[int], y: list[int]) -> Problem:
    store = g._store
    _refuse_selection(g)
    up, down = possible_parents(store), possible_children(store)
    causes = reach(y, up, x)
    first, obstacle = [], None
    for i in x:
        onward = [j for j in down[i] if causes[j]]
        if not onward:
            continue
        children = store.lists(TAIL, ARROW)[i]
        visible = {j for j in children if causes[j] and is_visible(store, i, j)}
        first += [(i, j) for j in onward if j in visible]
        if obstacle is None:
            obstacle = next(((i, j) for j in onward if j not in visible), None)
    forbidden = reach([j for _, j in first], down, [])
    return Problem(
        x,
        y,
        Neighbours.of(g._plain()).without(first),
        forbidden,
        lambda nodes: reach(nodes, up, []),
        lambda nodes: reach(nodes, down, []),
        first,
        obstacle,
    )


def _refuse_selection(g: Graph) -> None:
    """Raise at an edge that stands for selection, with which the criterion is not sound."""
    for left, kind, right in g._store.written():
        if kind in ("--", "o--"):
            u, v = g.nodes[left], g.nodes[right]
            raise GraphError(
                f"the adjustment criterion assumes that no variable is selected on, got {u!r} {kind} {v!r}"
            )
