"""Visible edges: directed edges of a MAG or PAG behind which no hidden common cause can be.

References
----------
.. [1] J. Zhang, "Causal reasoning with ancestral graphs", Journal of Machine Learning Research 9,
   2008 (definition 8).
.. [2] M. H. Maathuis, D. Colombo, "A generalized back-door criterion", Annals of Statistics 43, 2015,
   arXiv:1307.5636 (definition 3.1, figure 1).
"""

from __future__ import annotations

from causalrep.graphs._store import ARROW, TAIL, EdgeStore

__all__ = ["visible_children"]


def visible_children(store: EdgeStore, node: int) -> set[int]:
    """Return the children j of the node for which node -> j is visible.

    It is iff some w that is not adjacent to j has an edge into the node, or is joined to it by a
    path into the node on which all others are colliders and parents of j.
    """
    into, siblings = store.lists(ARROW, None), store.lists(ARROW, ARROW)
    adjacent = store.lists(None, None)
    found = set()
    for child in store.lists(TAIL, ARROW)[node]:
        near = {child, *adjacent[child]}
        parents = set(store.lists(ARROW, TAIL)[child])
        met, stack = {node}, [node]
        while stack:
            here = stack.pop()
            if any(w not in near for w in into[here]):
                found.add(child)
                break
            onward = [w for w in siblings[here] if w in parents and w not in met]
            met.update(onward)
            stack += onward
    return found
