"""Which way an edge points, from how the mechanisms at its two ends change over domains.

Cause and mechanism are separate modules of nature: where both change, P(cause) and P(effect | cause) change
independently. Factored the wrong way the two parts change together, since both are made of the same two
modules. So of the two directions the one is taken in which the changes are less dependent.

References
----------
B. Huang, K. Zhang, J. Zhang, J. Ramsey, R. Sanchez-Romero, C. Glymour, B. Schoelkopf, "Causal discovery from
heterogeneous/nonstationary data", Journal of Machine Learning Research 21, 2020, sections 4.3 and 5.
L. Song, J. Huang, A. Smola, K. Fukumizu, "Hilbert space embeddings of conditional distributions", ICML 2009.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

__all__ = ["Mechanisms", "dependence_of_changes"]

Floats = NDArray[np.float64]
_MOST = 300  # rows of a domain that are looked at, and values of causes at which distributions are compared
_RIDGE = 1e-2
_WIDTH = 0.5  # of the kernel between domains, in median distances: with 1 fewer directions are right


class Mechanisms:
    """Compares the distribution of each variable given others between domains.

    Parameters
    ----------
    X : array of shape (n, d)
        Standardised columns.
    domain : array of shape (n,), int
        Number of the domain of each row, from 0; each has rows.
    """

    def __init__(self, X: Floats, domain: NDArray[np.int64]) -> None:
        self._rows = [_spread(X[domain == k]) for k in range(int(domain.max()) + 1)]
        self._reference = _spread(X[np.argsort(domain, kind="stable")])
        self._grams: dict[tuple[int, tuple[int, ...]], Floats] = {}

    def gram(self, node: int, causes: Sequence[int]) -> Floats:
        """Return a centred kernel between the domains, of P(node | causes) in each.

        The distance of two domains is that of the embeddings of their conditional distributions, averaged
        over values of the causes from all domains.
        """
        key = (node, tuple(sorted(causes)))
        if key not in self._grams:
            squares = self._squared_distances(node, list(key[1]))
            apart = squares[np.triu_indices(len(squares), 1)]
            K = np.exp(-squares / max(2.0 * _WIDTH**2 * float(np.median(apart)), 1e-300))
            K -= K.mean(axis=0)
            self._grams[key] = K - K.mean(axis=1, keepdims=True)
        return self._grams[key]

    def _squared_distances(self, node: int, causes: list[int]) -> Floats:
        weights = [self._weights(rows[:, causes], self._reference[:, causes]) for rows in self._rows]
        n_domains = len(weights)
        inner = np.empty((n_domains, n_domains))
        for a in range(n_domains):
            for b in range(a, n_domains):
                between = _gaussian(self._rows[a][:, [node]], self._rows[b][:, [node]])
                inner[a, b] = inner[b, a] = (weights[a] * (between @ weights[b])).sum()
        inner /= weights[0].shape[1]
        own = np.diag(inner)
        return np.maximum(own[:, None] + own[None, :] - 2.0 * inner, 0.0)

    @staticmethod
    def _weights(causes: Floats, reference: Floats) -> Floats:
        """Return the weights of the rows in the embedding given each reference value, one column each."""
        n = len(causes)
        if not causes.shape[1]:
            return np.full((n, 1), 1.0 / n)
        own = _gaussian(causes, causes)
        own[np.diag_indices(n)] += _RIDGE * n
        solved: Floats = cho_solve(cho_factor(own), _gaussian(causes, reference))
        return solved


def dependence_of_changes(first: Floats, second: Floats) -> float:
    """Return the normalised Hilbert-Schmidt dependence of two centred kernels between domains, in [0, 1]."""
    product = float((first * first).sum() * (second * second).sum())
    return float((first * second).sum() / np.sqrt(product)) if product > 0.0 else 0.0


def _spread(X: Floats) -> Floats:
    """Return the rows, or some that lie evenly among them where they are many."""
    return X[np.linspace(0, len(X) - 1, min(_MOST, len(X))).astype(np.int64)]


def _gaussian(A: Floats, B: Floats) -> Floats:
    """Return the Gaussian kernel of standardised rows, of width 1 in each dimension."""
    squares = (A * A).sum(axis=1)[:, None] + (B * B).sum(axis=1)[None, :] - 2.0 * (A @ B.T)
    kernel: Floats = np.exp(-0.5 * np.maximum(squares, 0.0) / A.shape[1])
    return kernel
