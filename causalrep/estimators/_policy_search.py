"""The best shallow tree of treatment, found exactly.

A leaf is treated if its rows gain by it, so that a tree is worth the sum over its leaves of max(0, sum of the
gains). All trees of depth two are compared at once: for a pair of covariates the gains are added up in a
table of their cells, and cumulated sums of the table are the gains of all leaves that two cuts can make.
Reference: Z. Zhou, S. Athey, S. Wager, "Offline multi-action policy learning", Operations Research 71, 2023,
section 5, which searches the same trees row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Node", "best_tree", "cuts_of"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Node:
    """A leaf that is treated or not, or a cut: rows with values up to the threshold go left."""

    is_treated: bool = False
    feature: int = -1
    threshold: float = np.nan
    left: Node | None = None
    right: Node | None = None

    def decide(self, W: Array) -> NDArray[np.bool_]:
        """Return for each row whether it is treated."""
        if self.left is None or self.right is None:
            return np.full(len(W), self.is_treated)
        goes_left = W[:, self.feature] <= self.threshold
        return np.where(goes_left, self.left.decide(W), self.right.decide(W))

    def lines(self, names: tuple[str, ...], depth: int = 0) -> list[str]:
        """Return the rules, one per line."""
        indent = "  " * depth
        if self.left is None or self.right is None:
            return [f"{indent}{'treat' if self.is_treated else 'do not treat'}"]
        name = names[self.feature]
        return [
            f"{indent}if {name} <= {self.threshold:.4g}:",
            *self.left.lines(names, depth + 1),
            f"{indent}else:",
            *self.right.lines(names, depth + 1),
        ]


def cuts_of(values: Array, max_cuts: int) -> Array:
    """Return thresholds between distinct values: all of them, or as many quantiles."""
    distinct = np.unique(values)
    middles = (distinct[1:] + distinct[:-1]) / 2
    if len(middles) <= max_cuts:
        return middles
    levels = np.arange(1, max_cuts + 1) / (max_cuts + 1)
    return np.unique(np.quantile(values, levels, method="inverted_cdf"))


def best_tree(W: Array, gain: Array, depth: int, *, max_cuts: int, min_leaf: int) -> Node:
    """Return the tree of at most this depth (0, 1 or 2) whose treated rows gain most."""
    leaf = Node(is_treated=bool(gain.sum() > 0))
    if depth == 0:
        return leaf
    cuts = [cuts_of(column, max_cuts) for column in W.T]
    codes = [np.searchsorted(c, column, side="left") for c, column in zip(cuts, W.T, strict=True)]
    if depth == 1:
        return _best_stump(cuts, codes, gain, min_leaf, leaf)
    best, cut = max(0.0, float(gain.sum())), (-1, -1)
    for j in range(len(cuts)):
        worth = _worth_of_cuts(cuts, codes, gain, j, min_leaf)
        if len(worth) and worth.max() > best + 1e-9 * abs(best):
            best, cut = float(worth.max()), (j, int(worth.argmax()))
    if cut[0] < 0:
        return leaf
    j, b = cut
    goes_left = codes[j] <= b
    left, right = (_stump_of(cuts, codes, gain, rows, min_leaf) for rows in (goes_left, ~goes_left))
    return Node(feature=j, threshold=float(cuts[j][b]), left=left, right=right)


def _stump_of(
    cuts: list[Array], codes: list[Codes], gain: Array, rows: NDArray[np.bool_], min_leaf: int
) -> Node:
    leaf = Node(is_treated=bool(gain[rows].sum() > 0))
    return _best_stump(cuts, [c[rows] for c in codes], gain[rows], min_leaf, leaf)


def _best_stump(cuts: list[Array], codes: list[Codes], gain: Array, min_leaf: int, leaf: Node) -> Node:
    best, node = max(0.0, float(gain.sum())), leaf
    for j, c in enumerate(cuts):
        if not len(c):
            continue
        below = np.cumsum(np.bincount(codes[j], gain, len(c) + 1))
        counts = np.cumsum(np.bincount(codes[j], minlength=len(c) + 1))
        worth = _worth(below[:-1], below[-1], counts[:-1], counts[-1], min_leaf)
        if worth.max() > best + 1e-9 * abs(best):
            b = int(worth.argmax())
            best = float(worth[b])
            arms = [Node(is_treated=bool(total > 0)) for total in (below[b], below[-1] - below[b])]
            node = Node(feature=j, threshold=float(c[b]), left=arms[0], right=arms[1])
    return node


def _worth(below: NDArray[Any], total: Any, counts: NDArray[Any], n: Any, min_leaf: int) -> Array:
    """Return what two leaves are worth, minus infinity where one of them is too small."""
    worth = np.maximum(below, 0) + np.maximum(total - below, 0)
    return np.where((counts >= min_leaf) & (n - counts >= min_leaf), worth, -np.inf)


def _worth_of_cuts(cuts: list[Array], codes: list[Codes], gain: Array, j: int, min_leaf: int) -> Array:
    """Return, for each cut of covariate j, what the best stumps on both sides are worth together."""
    n_rows = len(cuts[j]) + 1
    if n_rows == 1:
        return np.zeros(0)
    alone = np.cumsum(np.bincount(codes[j], gain, n_rows))
    sizes = np.cumsum(np.bincount(codes[j], minlength=n_rows))
    left, right = (np.maximum(side, 0) for side in (alone[:-1], alone[-1] - alone[:-1]))
    for k, c in enumerate(cuts):
        n_columns = len(c) + 1
        if n_columns == 1:
            continue
        cell = codes[j] * n_columns + codes[k]
        shape = (n_rows, n_columns)
        sums = _cumulated(np.bincount(cell, gain, n_rows * n_columns).reshape(shape))
        counts = _cumulated(np.bincount(cell, minlength=n_rows * n_columns).reshape(shape))
        for side, part, size in (
            (left, sums[:-1], counts[:-1]),
            (right, sums[-1] - sums[:-1], counts[-1] - counts[:-1]),
        ):
            worth = _worth(part[:, :-1], part[:, -1:], size[:, :-1], size[:, -1:], min_leaf)
            np.maximum(side, worth.max(axis=1), out=side)
    small = (sizes[:-1] < min_leaf) | (sizes[-1] - sizes[:-1] < min_leaf)
    return np.where(small, -np.inf, left + right)


def _cumulated(table: NDArray[Any]) -> NDArray[Any]:
    return np.cumsum(np.cumsum(table, axis=0), axis=1)
