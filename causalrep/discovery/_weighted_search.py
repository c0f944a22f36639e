"""What searches over acyclic weights share: covariances in, a graph and its weights out, and doubts."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from causalrep.discovery._acyclic_optimum import Optimum, ordered_optimum, smallest_acyclic_threshold
from causalrep.discovery._constraint_search import all_or_nothing, checked_knowledge, publish_names
from causalrep.discovery._gaussian_score import covariance_of
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.graphs import DAG
from causalrep.graphs._sortability import path_sortability
from causalrep.independence._arrays import canonical_order
from causalrep.utils import DataError, UnknownNameError

__all__ = ["SortabilityWarning", "WeightedSearch", "forwards"]

Matrix = NDArray[np.float64]

_UNITS = ("warn", "never", "always")
_READABLE = 0.9  # from this varsortability on, the order of the graph is that of the variances


class SortabilityWarning(UserWarning):
    """The causal order that was found can be read off the variances of the columns, hence off their units.

    Attributes
    ----------
    varsortability, r2_sortability : float
        Of the graph that was found.
    """

    def __init__(self, message: str, varsortability: float, r2_sortability: float) -> None:
        super().__init__(message)
        self.varsortability, self.r2_sortability = varsortability, r2_sortability


class WeightedSearch(BaseEstimator):  # type: ignore[misc]
    """A search for acyclic weights that minimise a penalised loss of the covariances."""

    penalty: float
    threshold: float
    standardize: str
    knowledge: Knowledge | None
    max_iter: int

    @abstractmethod
    def _minimise(self, S: Matrix, penalty: Matrix, allowed: NDArray[np.bool_]) -> Optimum:
        """Return the optimum over weights that differ from zero at most where that is allowed."""

    def _check_options(self) -> None:
        """Raise if a parameter of this search alone is out of range."""

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: ARG002
        """Learn the weights and the graph.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The data, of which the covariances are used.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        estimator
            The estimator itself.
        """
        with all_or_nothing(self):
            self._check_parameters()
            S, names = covariance_of(X)
            self._search(S, names)
        return self

    def fit_covariance(self, S: ArrayLike, names: Sequence[Hashable] | None = None) -> Self:
        """Learn the weights and the graph from covariances alone.

        Parameters
        ----------
        S : array of shape (n_features, n_features)
            Covariances.
        names : sequence of n_features hashable, default=None
            Names of the variables; by default 0, 1, 2, ...

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        DataError
            If `S` is not a covariance matrix, or names repeat.
        """
        with all_or_nothing(self):
            self._check_parameters()
            values = np.array(S, dtype=np.float64)
            labels = tuple(range(len(values))) if names is None else tuple(names)
            if values.ndim != 2 or values.shape[0] != values.shape[1] or not len(values):
                raise DataError(f"`S` must be a square matrix, got shape {values.shape}")
            if (
                not np.isfinite(values).all()
                or not np.allclose(values, values.T)
                or (np.diag(values) <= 0).any()
            ):
                raise DataError("`S` must be finite and symmetric with a positive diagonal")
            if len(labels) != len(values) or len(set(labels)) != len(labels):
                raise DataError(f"`names` must be {len(values)} different names, got {list(labels)}")
            self._search(values, labels)
        return self

    def _check_parameters(self) -> None:
        for what in ("penalty", "threshold"):
            value = getattr(self, what)
            number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if not number or not 0.0 <= float(value) < np.inf:
                raise DataError(f"`{what}` must be a number of at least 0, got {value!r}")
        if self.standardize not in _UNITS:
            raise UnknownNameError(self.standardize, _UNITS, what="`standardize`")
        if not isinstance(self.max_iter, (int, np.integer)) or self.max_iter < 1:
            raise DataError(f"`max_iter` must be a positive integer, got {self.max_iter!r}")
        checked_knowledge(self.knowledge)
        self._check_options()

    def _search(self, S: Matrix, shown: tuple[Hashable, ...]) -> None:
        order = canonical_order(shown)  # so that the order of the columns cannot matter
        names, back = [shown[k] for k in order], np.argsort(order)
        S = S[np.ix_(order, order)]
        deviations = np.sqrt(np.diag(S))
        if self.standardize == "always":
            S = S / deviations[:, None] / deviations
        constraints = Constraints(self.knowledge, names)
        required = constraints.required
        allowed = ~(constraints.forbidden | required.T | np.eye(len(S), dtype=bool))
        penalty = np.where(required, 0.0, float(self.penalty))
        found = self._minimise(S, penalty, allowed)
        if not np.isfinite(found.objective):
            raise DataError("the values are too large for float64 arithmetic; rescale the columns")
        self.cycle_threshold_ = smallest_acyclic_threshold(found.weights, 0.0, required)
        acyclic = (np.abs(found.weights) > self.cycle_threshold_) | required
        # The constraint keeps the optimiser from the optimum; given an order the rest is convex.
        W, self.objective_ = ordered_optimum(S, penalty, allowed & forwards(acyclic))
        edges = (np.abs(W) > float(self.threshold)) | required
        self.graph_ = DAG([(names[i], names[j]) for i, j in np.argwhere(edges).tolist()], nodes=shown)
        self.raw_weights_: Matrix = found.weights[np.ix_(back, back)]
        self.weights_: Matrix = np.where(edges, W, 0.0)[np.ix_(back, back)]
        self.acyclicity_, self.n_iter_ = found.acyclicity, found.n_iter
        publish_names(self, shown)
        self._tell(edges, np.diag(S), S, found.converged)

    def _tell(self, edges: NDArray[np.bool_], variances: Matrix, S: Matrix, converged: bool) -> None:
        """Warn of no convergence, and of an order that the variances give away."""
        explained = 1.0 - 1.0 / (np.diag(np.linalg.pinv(S, hermitian=True)) * variances)
        self.varsortability_ = path_sortability(edges, variances)
        self.r2_sortability_ = path_sortability(edges, explained)
        if not converged:
            text = (
                f"{type(self).__name__} did not converge: acyclicity is {self.acyclicity_:.2g}; "
                f"weights up to {self.cycle_threshold_:.2g} were left out to break its cycles"
            )
            warnings.warn(text, ConvergenceWarning, stacklevel=4)
        if self.standardize == "warn" and self.varsortability_ >= _READABLE:
            text = (
                "the order of the graph follows the variances of the columns (varsortability "
                f"{self.varsortability_:.2f}, R2-sortability {self.r2_sortability_:.2f}), so that other "
                "units give another graph. If the units mean something, set "
                'standardize="never"; else standardize="always", and expect less'
            )
            warning = SortabilityWarning(text, self.varsortability_, self.r2_sortability_)
            warnings.warn(warning, stacklevel=4)


def forwards(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pairs (i, j) with i before j in an order of a DAG: sources first, then by position."""
    left = list(range(len(edges)))
    pairs = np.zeros(edges.shape, dtype=bool)
    while left:
        node = next(k for k in left if not edges[left, k].any())
        left.remove(node)
        pairs[node, left] = True
    return pairs
