"""What a graph says about a distribution: lists of independences, long or as short as suffices.

Local statements are about the *Markov blanket* of a node within a set A that holds all ancestors of its
members: the district D of the node in A, the parents of D, without the node. The node is independent of
the rest of A given them.

References
----------
.. [1] S. L. Lauritzen, A. P. Dawid, B. N. Larsen, H.-G. Leimer, "Independence properties of directed
   Markov fields", Networks 20, 1990, doi:10.1002/net.3230200503.
.. [2] T. Richardson, "Markov properties for acyclic directed mixed graphs", Scandinavian Journal of
   Statistics 30, 2003, doi:10.1111/1467-9469.00323.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import combinations
from typing import Literal, NamedTuple

from causalrep.graphs._inducing import anterior_masks, members
from causalrep.graphs._node_set import NodeSet
from causalrep.graphs._order import topological_order
from causalrep.graphs._reachability import connected
from causalrep.graphs._separators import SeparatorSearch
from causalrep.graphs._store import ARROW, TAIL, EdgeStore
from causalrep.utils import GraphError

__all__ = ["MarkovProperty", "MarkovStatement"]


class MarkovStatement(NamedTuple):
    """The statement that `x` is independent of `y` given `given`, three sets of nodes."""

    x: NodeSet[Hashable]
    y: NodeSet[Hashable]
    given: NodeSet[Hashable]


class MarkovProperty(SeparatorSearch):
    """A graph that can list the independences it stands for."""

    def markov_statements(
        self, kind: Literal["local", "pairwise", "basis"] = "local"
    ) -> Iterator[MarkovStatement]:
        """Yield independences that hold in every distribution that is Markov to the graph.

        Latent nodes are nodes like others here: for statements about observed ones, ask the
        `latent_projection`.

        Parameters
        ----------
        kind : {"local", "pairwise", "basis"}, default="local"
            ``"local"``: each node and what is no descendant of it, given its Markov blanket among these,
            in a DAG its parents. ``"pairwise"``: each two nodes that a set separates, given their other
            ancestors. ``"basis"``: the ordered local Markov property, from which all separations follow
            by the axioms of conditional independence; each node and its predecessors in the topological
            order, in a DAG given its parents; with bidirected edges, several statements per node.

        Yields
        ------
        MarkovStatement
            A tuple of sets (x, y, given), in the order of `x`; `y` is never empty.

        Raises
        ------
        GraphError
            If `kind` is none of these, the graph has undirected edges and `kind` is not
            ``"pairwise"``, or a graph that stands for a class has no member.

        Notes
        -----
        From ``"basis"``, and in a DAG from ``"local"``, all separations of the graph follow by the axioms
        that hold in every distribution [1]_ [2]_. From ``"pairwise"`` those between nodes that can be
        separated follow only if also composition and intersection hold, as in a regular Gaussian [3]_:
        three variables may well be independent two by two, and not all at once. With bidirected edges
        a basis can be exponentially long, so it is computed as it is asked for.

        References
        ----------
        .. [1] S. L. Lauritzen, A. P. Dawid, B. N. Larsen, H.-G. Leimer, "Independence properties of
           directed Markov fields", Networks 20, 1990, doi:10.1002/net.3230200503.
        .. [2] T. Richardson, "Markov properties for acyclic directed mixed graphs", Scandinavian Journal
           of Statistics 30, 2003, doi:10.1111/1467-9469.00323 (section 3).
        .. [3] K. Sadeghi, S. Lauritzen, "Markov properties for mixed graphs", Bernoulli 20, 2014,
           doi:10.3150/12-BEJ502.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> g = DAG.from_string("Z -> X -> M -> Y; Z -> Y")
        >>> for x, y, given in g.markov_statements("basis"):
        ...     print(*x, "is independent of", *y, "given", *given)
        M is independent of Z given X
        Y is independent of X given Z M
        """
        if kind not in ("local", "pairwise", "basis"):
            raise GraphError(f'`kind` must be "local", "pairwise" or "basis", got {kind!r}')
        store = self._plain()
        if kind == "pairwise":
            found = _pairwise(store)
        elif store.pairs(TAIL, TAIL):
            raise GraphError(f'`kind` must be "pairwise" for a graph with undirected edges, got {kind!r}')
        else:
            found = _local(store) if kind == "local" else _basis(store)
        return (
            MarkovStatement(*(self._labels(members(mask)) for mask in (1 << node, rest, given)))
            for node, rest, given in found
        )


def _pairwise(store: EdgeStore) -> Iterator[tuple[int, int, int]]:
    anterior = anterior_masks(store)
    near = store.lists(None, None)
    for i, j in combinations(range(store.n_nodes), 2):
        if j not in near[i]:
            given = (anterior[i] | anterior[j]) & ~(1 << i | 1 << j)
            if not connected(store, [i], list(members(given)), [j])[j]:
                yield i, 1 << j, given


def _local(store: EdgeStore) -> Iterator[tuple[int, int, int]]:
    families = _Families(store)
    everything = (1 << store.n_nodes) - 1
    for node in range(store.n_nodes):
        inside = everything & ~families.below[node] | 1 << node
        blanket = families.blanket(families.district(node, inside)) & ~(1 << node)
        rest = inside & ~blanket & ~(1 << node)
        if rest:
            yield node, rest, blanket


def _basis(store: EdgeStore) -> Iterator[tuple[int, int, int]]:
    """Yield one statement for each district that a node has in an ancestral set of predecessors.

    Of the ancestral sets with the same district the largest one says all that the others say: the
    predecessors without the descendants of whatever else a bidirected edge joins to the district.
    """
    families = _Families(store)
    before = 0
    for node in topological_order(store):
        before |= 1 << node
        queue = [families.district(node, before)]
        seen = set(queue)
        for district in queue:  # grows while it is read
            inside = before & ~families.descendants(families.siblings_of(district) & before & ~district)
            blanket = families.blanket(district) & ~(1 << node)
            rest = inside & ~blanket & ~(1 << node)
            if rest:
                yield node, rest, blanket
            for other in members(district & ~families.above[node]):
                smaller = families.district(node, inside & ~families.below[other])
                if smaller not in seen:
                    seen.add(smaller)
                    queue.append(smaller)


class _Families:
    """Parents, siblings, ancestors and descendants as bits of integers; the last two with the node."""

    def __init__(self, store: EdgeStore) -> None:
        self.parents = [sum(1 << j for j in row) for row in store.lists(ARROW, TAIL)]
        self.siblings = [sum(1 << j for j in row) for row in store.lists(ARROW, ARROW)]
        self.above = anterior_masks(store)
        self.below = [1 << node for node in range(store.n_nodes)]
        children = store.lists(TAIL, ARROW)
        for node in reversed(topological_order(store)):
            for child in children[node]:
                self.below[node] |= self.below[child]

    def siblings_of(self, nodes: int) -> int:
        return _union(self.siblings, nodes)

    def descendants(self, nodes: int) -> int:
        return _union(self.below, nodes)

    def blanket(self, district: int) -> int:
        return district | _union(self.parents, district)

    def district(self, node: int, inside: int) -> int:
        found = new = 1 << node
        while new:
            new = self.siblings_of(new) & inside & ~found
            found |= new
        return found


def _union(masks: list[int], nodes: int) -> int:
    found = 0
    for node in members(nodes):
        found |= masks[node]
    return found
