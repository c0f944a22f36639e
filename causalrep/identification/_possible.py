"""Possibly directed steps: what may be a cause of what in the members of an equivalence class.

In a CPDAG, a MAG and a PAG a path is possibly directed if no edge on it has an arrowhead at its nearer
end [1]_, so that a search over nodes finds what can be reached. In an MPDAG a shortcut may point back:
there the search must be over unshielded paths [2]_, which `causalrep.graphs` offers.

References
----------
.. [1] E. Perković, J. Textor, M. Kalisch, M. H. Maathuis, "Complete graphical characterization and
   construction of adjustment sets in Markov equivalence classes of ancestral graphs", Journal of
   Machine Learning Research 18(220), 2018, arXiv:1606.06903.
.. [2] E. Perković, M. Kalisch, M. H. Maathuis, "Interpreting and using CPDAGs with background
   knowledge", UAI 2017, arXiv:1707.02171 (lemma 3.6).
"""

from __future__ import annotations

from collections.abc import Iterable

from causalrep.graphs._possible import reach_unshielded
from causalrep.graphs._store import CIRCLE, TAIL, EdgeStore, flags

__all__ = ["possible_children", "possible_parents", "unshielded_reach"]


def possible_children(store: EdgeStore) -> list[list[int]]:
    """Return per node the neighbours whose edge has no arrowhead at the node."""
    return store.derived(_possible_children)


def possible_parents(store: EdgeStore) -> list[list[int]]:
    """Return per node the neighbours at which their common edge has no arrowhead."""
    return store.derived(_possible_parents)


def _possible_children(store: EdgeStore) -> list[list[int]]:
    return _merged(store.lists(TAIL, None), store.lists(CIRCLE, None))


def _possible_parents(store: EdgeStore) -> list[list[int]]:
    return _merged(store.lists(None, TAIL), store.lists(None, CIRCLE))


def _merged(one: list[list[int]], other: list[list[int]]) -> list[list[int]]:
    return [sorted(a + b) if b else a for a, b in zip(one, other, strict=True)]


def unshielded_reach(
    store: EdgeStore, start: Iterable[int], steps: list[list[int]], avoid: list[int]
) -> bytearray:
    """Return one byte per node: 1 where unshielded paths of `steps` lead without entering `avoid`."""
    barred = flags(len(steps), avoid)
    if avoid:
        steps = [[node for node in row if not barred[node]] for row in steps]
    found = reach_unshielded(store, [node for node in start if not barred[node]], steps)
    return flags(len(steps), list(found))
