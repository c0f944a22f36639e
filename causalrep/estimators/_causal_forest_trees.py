"""Honest causal trees, many at once: all nodes of a depth, of all trees of a batch, are split together.

Covariates are coded by quantile bins, so that the sums on either side of every possible split of every node
come from one histogram and one cumulated sum. A node is split where the effects of its children differ most,
by the gradient pseudo-outcomes of [1]_, section 2.3, of the splitting rows; the outcomes of the honest rows
have no part in that.

References
----------
.. [1] S. Athey, J. Tibshirani, S. Wager, "Generalized random forests", Annals of Statistics 47, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Binning", "Draw", "GrowthOptions", "Trees", "grow", "moments_of"]

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

_LEAST_SHARE = 0.05  # of a node's rows in either child, so that leaves shrink in all directions


class Binning:
    """Codes of covariates by the bin between quantiles that they fall in; missing values count as largest."""

    def __init__(self, W: Array, max_bins: int) -> None:
        self.edges = [_edges(column[~np.isnan(column)], max_bins) for column in W.T]

    @property
    def n_bins(self) -> int:
        """The largest number of bins of a covariate."""
        return 1 + max((len(edges) for edges in self.edges), default=0)

    def codes(self, W: Array) -> NDArray[np.uint8]:
        """Return the bins of rows, of shape (n_rows, n_covariates)."""
        found = np.zeros(W.shape, dtype=np.uint8)
        for j, edges in enumerate(self.edges):
            found[:, j] = np.searchsorted(edges, W[:, j], side="left")
        return found


def _edges(values: Array, max_bins: int) -> Array:
    distinct = np.unique(values)
    if len(distinct) <= max_bins:
        return (distinct[1:] + distinct[:-1]) / 2
    return np.unique(np.quantile(values, np.arange(1, max_bins) / max_bins))


@dataclass(frozen=True)
class Draw:
    """The rows of a batch of trees: which tree has which row, and whether it splits or, honest, estimates."""

    tree: Ints
    row: Ints
    honest: NDArray[np.bool_]
    n_trees: int


@dataclass(frozen=True)
class GrowthOptions:
    """When to stop, and how many covariates a split may choose from."""

    min_samples_leaf: int
    max_depth: int
    max_features: int


@dataclass(frozen=True)
class Trees:
    """Binary trees in arrays; the roots are the first nodes, and a leaf is its own left child.

    Parameters
    ----------
    n_trees : int
        Number of trees.
    feature, split : array of shape (n_nodes,), int and uint8
        Rows whose code of `feature` is at most `split` go left.
    left : array of shape (n_nodes,), int
        The left child; the right one is next.
    gain : array of shape (n_nodes,)
        Share of the tree's rows times the criterion of the split; zero in leaves.
    moments : array of shape (n_nodes, 4)
        Means of t, y, t^2 and t y over the honest rows of a leaf.
    depth : int
        Length of the longest path.
    """

    n_trees: int
    feature: Ints
    split: NDArray[np.uint8]
    left: Ints
    gain: Array
    moments: Array
    depth: int

    def leaves(self, codes: NDArray[np.uint8]) -> Ints:
        """Return the leaf of each row in each tree, of shape (n_rows, n_trees)."""
        n_rows, n_features = codes.shape
        flat = codes.ravel()
        start = np.repeat(np.arange(n_rows) * n_features, self.n_trees)
        node = np.tile(np.arange(self.n_trees), n_rows)
        for _ in range(self.depth):
            node = self.left[node] + (flat[start + self.feature[node]] > self.split[node])
        return node.reshape(n_rows, self.n_trees)


def moments_of(t: Array, y: Array, weight: Array, place: Ints, n_places: int) -> Array:
    """Return the means of t, y, t^2 and t y of the rows in each place, of shape (n_places, 4)."""
    total = np.bincount(place, weight, n_places)
    sums = [np.bincount(place, weight * value, n_places) for value in (t, y, t * t, t * y)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(sums, axis=1) / total[:, None]


@dataclass(frozen=True)
class _Frontier:
    """The splits found for the nodes of one depth."""

    feature: Ints
    split: Ints
    gain: Array


def grow(
    codes: NDArray[np.uint8],
    n_bins: int,
    t: Array,
    y: Array,
    level: Array,
    weight: Array,
    draw: Draw,
    options: GrowthOptions,
    generator: np.random.Generator,
) -> Trees:
    """Return trees that split where the effect of residual `t` on residual `y` changes most.

    `level` is the treatment itself: each child keeps rows on both sides of its mean in the node.
    """
    place = draw.tree.copy()
    features, splits, lefts, gains = [], [], [], []
    start, stop, depth = 0, draw.n_trees, 0
    active = np.arange(len(place))
    while stop > start:
        n_nodes = stop - start
        feature, split = np.zeros(n_nodes, dtype=np.intp), np.full(n_nodes, 255, dtype=np.uint8)
        left, gain = np.arange(start, stop), np.zeros(n_nodes)
        side = _sides(place[active] - start, level[draw.row[active]], draw.honest[active], n_nodes)
        node = place[active] - start
        counts = np.bincount(side * n_nodes + node, minlength=4 * n_nodes).reshape(4, n_nodes)
        able = counts.min(axis=0) >= 2 * options.min_samples_leaf
        able &= depth < options.max_depth
        keep = able[node]
        active, side, node = active[keep], side[keep], node[keep]
        if able.any():
            number = np.cumsum(able) - 1
            found = _best_splits(
                codes[draw.row[active]],
                n_bins,
                number[node],
                side,
                _pseudo_outcomes(t, y, weight, draw.row[active], number[node], side < 2),
                options,
                generator,
            )
            divided = np.flatnonzero(able)[found.gain > 0]
            good = found.gain > 0
            feature[divided], split[divided] = found.feature[good], found.split[good]
            left[divided] = stop + 2 * np.arange(len(divided))
            size = counts[:2].sum(axis=0) / counts[:2].sum(axis=0).sum() * draw.n_trees
            gain[divided] = found.gain[good] * size[divided]
            keep = left[node] >= stop
            active, node = active[keep], node[keep]
            right = codes[draw.row[active], feature[node]] > split[node]
            place[active] = left[node] + right
        features.append(feature)
        splits.append(split)
        lefts.append(left)
        gains.append(gain)
        start, stop, depth = stop, stop + 2 * int(np.sum(left >= stop)), depth + 1
    honest = draw.honest
    rows = draw.row[honest]
    return Trees(
        draw.n_trees,
        np.concatenate(features),
        np.concatenate(splits),
        np.concatenate(lefts),
        np.concatenate(gains),
        moments_of(t[rows], y[rows], weight[rows], place[honest], stop),
        depth - 1,
    )


def _sides(node: Ints, level: Array, honest: NDArray[np.bool_], n_nodes: int) -> Ints:
    """Return 0 for splitting and 2 for honest rows, and 1 more above the node's mean treatment."""
    mean = np.bincount(node, level, n_nodes) / np.maximum(np.bincount(node, minlength=n_nodes), 1)
    return 2 * honest + (level > mean[node])


def _pseudo_outcomes(
    t: Array, y: Array, weight: Array, rows: Ints, node: Ints, splitting: NDArray[np.bool_]
) -> Array:
    """Return the gradients of the effect in each node, equation (8) of the paper; zero for honest rows."""
    rows, node = rows[splitting], node[splitting]
    T, Y, w = t[rows], y[rows], weight[rows]
    mean_t, mean_y, mean_tt, mean_ty = moments_of(T, Y, w, node, int(node.max()) + 1).T
    variance = np.maximum(mean_tt - mean_t**2, 1e-12)
    effect = (mean_ty - mean_t * mean_y) / variance
    T, Y = T - mean_t[node], Y - mean_y[node]
    rho = np.zeros(len(splitting))
    rho[splitting] = w * T * (Y - effect[node] * T) / variance[node]
    return rho


def _best_splits(
    codes: NDArray[np.uint8],
    n_bins: int,
    node: Ints,
    side: Ints,
    rho: Array,
    options: GrowthOptions,
    generator: np.random.Generator,
) -> _Frontier:
    n_nodes, n_features = int(node.max()) + 1, codes.shape[1]
    shape = (n_nodes, n_features, n_bins)
    cell = (node[:, None] * n_features + np.arange(n_features)) * n_bins + codes
    size = n_nodes * n_features * n_bins
    counted = np.bincount((cell + (side * size)[:, None]).ravel(), minlength=4 * size)
    left = np.cumsum(counted.reshape(4, *shape), axis=-1)
    total = left[:, :, :1, -1:]
    splitting = side < 2
    share = np.bincount(cell[splitting].ravel(), np.repeat(rho[splitting], n_features), size)
    gradient = np.cumsum(share.reshape(shape), axis=-1)[..., :-1]
    left = left[..., :-1]
    least = options.min_samples_leaf
    allowed = ((left >= least) & (total - left >= least)).all(axis=0)
    n_left, n = left[0] + left[1], total[0] + total[1]
    allowed &= (n_left >= _LEAST_SHARE * n) & (n_left <= (1 - _LEAST_SHARE) * n)
    if options.max_features < n_features:
        rank = generator.random((n_nodes, n_features)).argsort(axis=1)
        allowed &= (rank < options.max_features)[:, :, None]
    # n_l n_r / n^2 (tau_l - tau_r)^2, where the gradients of a node add up to zero
    gain = np.divide(gradient**2, n_left * (n - n_left), out=np.zeros(gradient.shape), where=allowed)
    flat = gain.reshape(n_nodes, -1)
    best = flat.argmax(axis=1)
    return _Frontier(best // (n_bins - 1), best % (n_bins - 1), flat[np.arange(n_nodes), best])
