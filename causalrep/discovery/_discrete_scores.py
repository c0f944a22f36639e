"""Scores of graphs on discrete variables, from counts."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from causalrep.discovery._local_score import LocalScore, checked_penalty
from causalrep.independence._arrays import canonical_order
from causalrep.independence._codes import coded_columns, compressed_rows

__all__ = ["BDeu", "DiscreteBIC"]

Counts = NDArray[np.float64]


class _CountingScore(LocalScore):
    """A score of the table of a node's states within each state of its parents that occurs."""

    n_states_: tuple[int, ...]

    def fit(self, X: Any) -> Self:
        """Code the states of the columns and collapse equal rows.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Of anything with few states: numbers, strings, categories, booleans.

        Returns
        -------
        LocalScore
            The score itself.

        Raises
        ------
        DataError
            For missing values, constant columns, and columns in which most rows have a value of their own.
        """
        codes, cards, names, _ = coded_columns(X, missing="raise")
        order = canonical_order(names)
        self._cards = [cards[k] for k in order]
        self._codes, weights = compressed_rows(codes[order], self._cards)
        self._weights = None if weights is None else weights.astype(np.float64)
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}
        self.n_samples_, self.names_, self.n_states_ = codes.shape[1], names, tuple(cards)
        return self

    def local(self, node: int, parents: Sequence[int]) -> float:
        """Return the term of a node (see `LocalScore`)."""
        asked = (node, tuple(parents))
        if asked not in self._known:
            n_rows, stratum = 1, np.zeros(self._codes.shape[1], dtype=np.int64)
            for parent in parents:
                stratum = stratum * self._cards[parent] + self._codes[parent]
                n_rows *= self._cards[parent]
                if n_rows > len(stratum):  # renumbered, the codes count only what occurs
                    occurring, stratum = np.unique(stratum, return_inverse=True)
                    stratum, n_rows = stratum.reshape(-1), len(occurring)
            card = self._cards[node]
            counts = np.bincount(
                stratum * card + self._codes[node], weights=self._weights, minlength=n_rows * card
            )
            n_strata = math.prod(self._cards[parent] for parent in parents)
            table = counts.reshape(-1, card).astype(np.float64)
            self._known[asked] = self._score(table, n_strata)
        return self._known[asked]

    @abstractmethod
    def _score(self, counts: Counts, n_strata: int) -> float:
        """Return the score of counts of shape (strata that may occur in the data, states of the node).

        `n_strata` is the number of all combinations of states of the parents.
        """


class DiscreteBIC(_CountingScore):
    """The Bayesian information criterion of a discrete model on a DAG; larger is better.

    The term of a node with r states whose parents have q combinations of states is
    ``sum N log(N / N_stratum) - penalty/2 log(n) q (r - 1)``: the largest log-likelihood, less half of log n
    for each free probability, also of combinations that do not occur.

    Parameters
    ----------
    penalty : float, default=1.0
        Factor of the price of a parameter.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows.
    n_states_ : tuple of int
        Number of states of each column.

    References
    ----------
    .. [1] G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6, 1978.

    Examples
    --------
    >>> from causalrep.discovery import DiscreteBIC
    >>> from causalrep.graphs import DAG
    >>> score = DiscreteBIC().fit({"a": [0, 0, 1, 1] * 25, "b": [0, 0, 1, 1] * 25})
    >>> round(score.total(DAG.from_string("a; b")), 3), round(score.total(DAG.from_string("a -> b")), 3)
    (-143.235, -76.222)
    """

    def __init__(self, penalty: float = 1.0) -> None:
        self.penalty = checked_penalty(penalty, "penalty")

    def _score(self, counts: Counts, n_strata: int) -> float:
        likelihood = _sum_xlogx(counts) - _sum_xlogx(counts.sum(axis=1))
        price: float = 0.5 * self.penalty * math.log(self.n_samples_)
        n_free = n_strata * (int(counts.shape[1]) - 1)
        return likelihood - price * n_free


class BDeu(_CountingScore):
    """The log marginal likelihood of a discrete model with uniform Dirichlet priors; larger is better.

    Each node's table has a Dirichlet prior whose parameters add up to `sample_size`, spread evenly over
    states and strata, which makes equivalent DAGs score the same.

    Parameters
    ----------
    sample_size : float, default=10.0
        Equivalent sample size: how many imagined rows the prior is worth. The graph depends on it.

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows.
    n_states_ : tuple of int
        Number of states of each column.

    References
    ----------
    .. [1] D. Heckerman, D. Geiger, D. M. Chickering, "Learning Bayesian networks: the combination of
       knowledge and statistical data", Machine Learning 20, 1995, equation 28 and section 5.2.

    Examples
    --------
    >>> from causalrep.discovery import BDeu
    >>> from causalrep.graphs import DAG
    >>> score = BDeu(sample_size=1.0).fit({"a": [0, 0, 1, 1], "b": [0, 0, 1, 1]})
    >>> score.total(DAG.from_string("a -> b")) > score.total(DAG.from_string("a; b"))
    True
    """

    def __init__(self, sample_size: float = 10.0) -> None:
        self.sample_size = checked_penalty(sample_size, "sample_size")

    def _score(self, counts: Counts, n_strata: int) -> float:
        in_stratum = self.sample_size / n_strata
        in_cell = in_stratum / counts.shape[1]
        # Strata without rows add nothing, so that those that occur are enough.
        strata = gammaln(in_stratum) - gammaln(in_stratum + counts.sum(axis=1))
        return float(strata.sum() + (gammaln(in_cell + counts) - gammaln(in_cell)).sum())


def _sum_xlogx(x: Counts) -> float:
    return float(xlogy(x, x).sum())
