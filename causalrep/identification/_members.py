"""One member of the class that a PAG stands for: separation is the same in all of them.

References
----------
.. [1] J. Zhang, "On the completeness of orientation rules for causal discovery in the presence of
   latent confounders and selection bias", Artificial Intelligence 172, 2008,
   doi:10.1016/j.artint.2008.08.001 (theorem 2).
"""

from __future__ import annotations

import numpy as np

from causalrep.graphs._equivalence import extend
from causalrep.graphs._store import CIRCLE, TAIL, EdgeStore
from causalrep.utils import GraphError

__all__ = ["mag_member"]


def mag_member(store: EdgeStore) -> EdgeStore:
    """Return the edges of a MAG of the class that a PAG without selection stands for."""
    return store.derived(_mag_member)


def _mag_member(store: EdgeStore) -> EdgeStore:
    """Turn o-> into ->, and direct the o-o edges without new colliders (Zhang's theorem 2)."""
    undecided = (store.mark_first == CIRCLE) & (store.mark_second == CIRCLE)
    part = store.select(undecided)
    tails = np.full(len(part), TAIL)
    directed, left = extend(EdgeStore(store.n_nodes, part.first, part.second, tails, tails))
    if left:
        raise GraphError("`g` must be the PAG of a class of MAGs: its o-o edges do not form a chordal graph")
    rest = store.select(~undecided)
    left_marks = np.where(rest.mark_first == CIRCLE, TAIL, rest.mark_first)
    right_marks = np.where(rest.mark_second == CIRCLE, TAIL, rest.mark_second)
    both = [directed, rest]
    return EdgeStore(
        store.n_nodes,
        np.concatenate([part.first for part in both]),
        np.concatenate([part.second for part in both]),
        np.concatenate([directed.mark_first, left_marks]),
        np.concatenate([directed.mark_second, right_marks]),
    )
