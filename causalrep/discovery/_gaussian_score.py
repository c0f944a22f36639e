"""The Bayesian information criterion of linear Gaussian models, from a covariance matrix."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causalrep.discovery._local_score import LocalScore, checked_penalty
from causalrep.independence._arrays import canonical_order, named_matrix, to_numpy
from causalrep.independence._correlation import (
    correlation_matrix,
    refuse_bad_correlations,
    symmetrised,
    warn_if_collinear,
)
from causalrep.independence._partial_correlation import SMALLEST_PIVOT
from causalrep.utils import DataError

__all__ = ["GaussianBIC", "covariance_of"]

Matrix = NDArray[np.float64]


class GaussianBIC(LocalScore):
    """The Bayesian information criterion of a linear Gaussian model on a DAG; larger is better.

    The term of node j with parents P is ``-n/2 (log(2 pi v) + 1) - penalty/2 log(n) (|P| + 1)``, where v is
    the mean squared residual of the least-squares regression of j on P: the largest log-likelihood, less half
    of log n for each coefficient and for the residual variance. Means are free and cost nothing. The
    criterion that other software calls BIC and minimises is -2 times this sum.

    Parameters
    ----------
    penalty : float, default=1.0
        Factor of the price of a parameter; more gives fewer edges (Tetrad's penalty discount).

    Attributes
    ----------
    names_ : tuple of hashable
        Column names of a frame; 0, 1, 2, ... for an array.
    n_samples_ : int
        Number of rows.

    Raises
    ------
    DataError
        In `fit`: for missing, infinite or complex values, constant columns, text, fewer than four rows.

    Warns
    -----
    CITestWarning
        Where columns are linear functions of others. Their residual variance counts as 1e-10 of their
        variance, not as zero, which would be an infinite likelihood.

    Notes
    -----
    Fitting costs O(n d^2). The gains of all m candidates for one more parent, given k, cost O(k^2 m)
    together: they share a Cholesky factor.

    References
    ----------
    .. [1] G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6, 1978.
    .. [2] D. M. Chickering, "Optimal structure identification with greedy search", Journal of Machine
       Learning Research 3, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.discovery import GaussianBIC
    >>> from causalrep.graphs import DAG
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=1000)
    >>> score = GaussianBIC().fit({"x": x, "y": x + rng.normal(size=1000)})
    >>> apart, joined = (score.total(DAG.from_string(text)) for text in ("x; y", "x -> y"))
    >>> joined > apart, abs(joined - score.total(DAG.from_string("y -> x"))) < 1e-9
    (True, True)
    """

    def __init__(self, penalty: float = 1.0) -> None:
        self.penalty = checked_penalty(penalty, "penalty")

    def fit(self, X: Any) -> GaussianBIC:
        """Compute the covariance of the columns.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Of NumPy, Torch or CuPy; the search itself computes in main memory.

        Returns
        -------
        GaussianBIC
            The score itself.
        """
        R, log_variance, n, names = _moments(X)
        return self._keep(R, log_variance, n, names)

    @classmethod
    def from_covariance(
        cls, S: ArrayLike, n: int, names: Sequence[Hashable] | None = None, *, penalty: float = 1.0
    ) -> GaussianBIC:
        """Return a fitted score from a covariance matrix alone.

        Parameters
        ----------
        S : array of shape (d, d)
            Covariances, with divisor `n`. Correlations do too: the graph is the same, only the constant of
            the score is that of standardised columns.
        n : int
            Number of rows that it was computed from.
        names : sequence of d hashable, default=None
            Column names; by default 0, 1, 2, ...
        penalty : float, default=1.0
            As for the class.

        Returns
        -------
        GaussianBIC

        Raises
        ------
        DataError
            If `S` is not a covariance matrix, `n` is not an integer above 3, or names repeat.

        Examples
        --------
        >>> from causalrep.discovery import GES, GaussianBIC
        >>> S = [[1, 0.6, 0], [0.6, 1, 0.6], [0, 0.6, 1]]
        >>> GES(GaussianBIC.from_covariance(S, 200, ["a", "b", "c"])).fit().graph_
        CPDAG.from_string('a -> b; c -> b')
        """
        values = np.array(S, dtype=np.float64)
        if values.ndim != 2 or values.shape[0] != values.shape[1] or values.shape[0] == 0:
            raise DataError(f"`S` must be a square matrix, got shape {values.shape}")
        variance = np.diag(values)
        if not np.isfinite(values).all() or not (variance > 0.0).all():
            raise DataError("`S` must be finite with a positive diagonal")
        R = values / np.sqrt(variance)[:, None] / np.sqrt(variance)[None, :]
        refuse_bad_correlations(R)
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 4:
            raise DataError(f"`n` must be an integer of at least 4, got {n!r}")
        labels = tuple(range(len(R))) if names is None else tuple(names)
        if len(labels) != len(R) or len(set(labels)) != len(labels):
            raise DataError(f"`names` must be {len(R)} different names, got {list(labels)}")
        order = canonical_order(labels)
        R = np.asarray(symmetrised(R))[np.ix_(order, order)]
        return cls(penalty)._keep(R, np.log(variance[order]), int(n), labels)

    def _keep(self, R: Matrix, log_variance: Matrix, n: int, names: Sequence[Hashable]) -> GaussianBIC:
        """Store what is in canonical order."""
        self._R, self._log_variance = R, log_variance
        self.n_samples_, self.names_ = n, tuple(names)
        self._price = 0.5 * self.penalty * math.log(n)
        return self

    def local(self, node: int, parents: Sequence[int]) -> float:
        """Return the term of a node (see `LocalScore`)."""
        share = self._left(list(parents), np.empty(0, dtype=np.int64), node)[2]
        log_v = float(self._log_variance[node]) + math.log(max(share, SMALLEST_PIVOT))
        return -0.5 * self.n_samples_ * (math.log(2.0 * math.pi) + log_v + 1.0) - self._price * (
            len(parents) + 1
        )

    def gains(self, node: int, parents: Sequence[int], candidates: NDArray[np.int64]) -> Matrix:
        """Return what one more parent gains (see `LocalScore`)."""
        if len(parents) + 1 > self.n_samples_ - 4:  # a residual degree of freedom must be left
            return np.full(len(candidates), -np.inf)
        variance, shared, own = self._left(list(parents), candidates, node)
        own = max(own, SMALLEST_PIVOT)
        usable = variance > SMALLEST_PIVOT
        explained = np.where(usable, shared**2 / (np.where(usable, variance, 1.0) * own), 0.0)
        explained = np.minimum(explained, 1.0 - SMALLEST_PIVOT / own)
        gained: Matrix = -0.5 * self.n_samples_ * np.log1p(-explained) - self._price
        return gained

    def _left(self, given: list[int], columns: NDArray[np.int64], node: int) -> tuple[Matrix, Matrix, float]:
        """Return the variances of columns, their covariances with `node`, and its variance, less `given`."""
        if not given:
            return np.ones(len(columns)), self._R[node, columns], 1.0
        whitened = self._whitened(given, [*columns.tolist(), node])
        others, own = whitened[:, :-1], whitened[:, -1]
        variance = 1.0 - np.einsum("ij,ij->j", others, others)
        return variance, self._R[node, columns] - own @ others, 1.0 - float(own @ own)

    def _whitened(self, given: list[int], columns: list[int]) -> Matrix:
        """Return W with W'W the part of the covariances of columns that `given` explain."""
        rows = self._R[given]
        block, cross = rows[:, given], rows[:, columns]
        if len(given) == 1:
            return cross
        try:
            factor = np.linalg.cholesky(block)
        except np.linalg.LinAlgError:
            factor = None
        if factor is not None and float(np.diag(factor).min()) ** 2 > SMALLEST_PIVOT:
            # SciPy's solver for triangles starts threads for each of these small ones.
            found: Matrix = np.linalg.solve(factor, cross)
            return found
        # Copies and sums among the given explain what those without them explain.
        values, vectors = np.linalg.eigh(block)
        kept = values > SMALLEST_PIVOT * len(given)
        explained: Matrix = (vectors[:, kept] / np.sqrt(values[kept])).T @ cross
        return explained


def covariance_of(X: Any) -> tuple[Matrix, tuple[Hashable, ...]]:
    """Return the covariances of the columns, with divisor n, in the order of the columns, and their names."""
    R, log_variance, _, names = _moments(X)
    deviation = np.exp(0.5 * log_variance)
    back = np.argsort(canonical_order(names))
    return (R * deviation[:, None] * deviation)[np.ix_(back, back)], names


def _moments(X: Any) -> tuple[Matrix, Matrix, int, tuple[Hashable, ...]]:
    """Return correlations and log variances in canonical order, the number of rows, and the names."""
    matrix, names = named_matrix(X)
    n, d = matrix.shape
    if d == 0:
        raise DataError(f"`X` has 0 feature(s) (shape=({n}, 0)) while a minimum of 1 is required.")
    if n < 4:
        raise DataError(f"a linear model needs at least 4 rows, got n_samples = {n}")
    order = canonical_order(names)
    values = np.asarray(to_numpy(matrix))[:, order]
    ordered = [names[k] for k in order]
    R = np.asarray(correlation_matrix(values, ordered))
    warn_if_collinear(R, ordered, n)
    values = values.astype(np.float64)
    scale = np.abs(values).max(axis=0)  # squares then neither overflow nor vanish
    return R, np.log((values / scale).var(axis=0)) + 2.0 * np.log(scale), n, names
