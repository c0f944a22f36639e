"""Edges that are left when the false ones among them are to be few on average."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from causalrep.discovery._knowledge import Constraints
from causalrep.discovery._search import Winners
from causalrep.discovery._skeleton import Skeleton, collect

__all__ = ["METHODS", "without_false_discoveries"]

METHODS = ("bh", "by")


def without_false_discoveries(
    skeleton: Skeleton, alpha: float, constraints: Constraints, method: str
) -> Skeleton:
    """Return the skeleton without the edges whose largest p-value the step-up procedure does not reject.

    Parameters
    ----------
    skeleton : Skeleton
        With the weakest tests of its edges.
    alpha : float
        Share of false edges to bear.
    constraints : Constraints
        Required edges stay.
    method : {"bh", "by"}
        For tests that are independent or depend positively, or for any.

    References
    ----------
    Y. Benjamini, Y. Hochberg, Controlling the false discovery rate, Journal of the Royal Statistical Society
    B 57 (1995); Y. Benjamini, D. Yekutieli, Annals of Statistics 29 (2001).
    """
    i, j = np.triu_indices(len(skeleton.adjacency), 1)
    tested = np.sort(skeleton.pvalues[i, j][np.isfinite(skeleton.pvalues[i, j])])
    m = len(tested)
    ranks = np.arange(1, m + 1)
    share = alpha if method == "bh" else alpha / (1.0 / ranks).sum() if m else alpha
    rejected = np.flatnonzero(tested <= share * ranks / max(m, 1))
    bound = tested[rejected[-1]] if len(rejected) else -1.0
    adjacency = skeleton.adjacency & ~((skeleton.pvalues > bound) & ~constraints.always_adjacent)
    gone = skeleton.adjacency & ~adjacency
    removed, seen = [Winners.none(0)], np.zeros_like(gone)
    apart = np.zeros_like(gone) if skeleton.apart is None else skeleton.apart.copy()
    for winners in skeleton.left:
        best = gone[winners.i, winners.j] & ~seen[winners.i, winners.j]
        best &= winners.pvalue == skeleton.pvalues[winners.i, winners.j]
        seen[winners.i[best], winners.j[best]] = True
        if winners.sets.shape[1]:
            removed.append(winners.take(best))
        else:
            apart[winners.i[best], winners.j[best]] = apart[winners.j[best], winners.i[best]] = True
    pairs, sets = collect(removed, skeleton)
    return replace(skeleton, adjacency=adjacency, pairs=pairs, sets=sets, apart=apart)
