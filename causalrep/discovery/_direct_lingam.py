"""DirectLiNGAM: a causal graph with its directions, from noise that is not Gaussian."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from causalrep.discovery._adaptive_lasso import least_squares, parents_among
from causalrep.discovery._constraint_search import all_or_nothing, checked_knowledge, publish_names
from causalrep.discovery._gaussian_score import GaussianBIC
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._lingam_order import causal_order
from causalrep.graphs import DAG
from causalrep.independence._arrays import canonical_order, named_matrix, to_numpy

__all__ = ["DirectLiNGAM"]

Matrix = NDArray[np.float64]


class DirectLiNGAM(BaseEstimator):  # type: ignore[misc]
    """Learn a causal graph, all directions included, from linear effects and noise that is not Gaussian.

    It finds the variable that is most independent of its residuals in the others, takes it out of them by
    regression, and goes on with what is left. That is the causal order; then each variable is regressed on
    those before it.

    It assumes that effects are linear, that all common causes are observed, that there are no cycles, and
    that the noise terms are independent and at most one of them is Gaussian. With Gaussian noise the
    directions are chance.

    Parameters
    ----------
    knowledge : Knowledge, default=None
        Edges that are required or forbidden, and the order of time. A variable of an earlier tier, and the
        cause of a required edge, comes first in the order.
    penalty : float, default=1.0
        Factor of the price of a parent in the criterion that prunes; more gives fewer edges.

    Attributes
    ----------
    graph_ : DAG
        Its nodes are in the order of the columns.
    weights_ : array of shape (n_features, n_features), float
        Entry (i, j) is the effect of column i on column j, by least squares on the parents; 0 where there is
        no edge. (Others write the transpose.)
    causal_order_ : tuple of hashable
        The variables from causes to effects.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of shape (n_features,), object
        Names of the columns; only where all names are strings.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for missing or infinite values, constant columns, fewer than four rows, parameters out of
        range, names that are not columns.
    CycleError
        In `fit`: if required edges and tiers together leave no order.

    Warns
    -----
    CITestWarning
        In `fit`, where columns are linear functions of others, which contradicts independent noise.

    See Also
    --------
    CausalLearn : Has ``"ica_lingam"``, and ``"rcd"`` for hidden common causes.

    Notes
    -----
    Sums of squares that speak against a variable only grow, so all but the least are left unfinished: a step
    with m variables costs O(n m) where one is clearly exogenous and O(n m^2) at worst, in blocks that fit
    into a cache. The parents are those of the adaptive lasso at the strength of best BIC; the original keeps
    its shrunken coefficients, this class fits them again. Neither units nor the order of the columns matter.

    References
    ----------
    .. [1] S. Shimizu et al., "DirectLiNGAM: a direct method for learning a linear non-Gaussian structural
       equation model", Journal of Machine Learning Research 12, 2011.
    .. [2] A. Hyvärinen, S. M. Smith, "Pairwise likelihood ratios for estimation of non-Gaussian structural
       equation models", Journal of Machine Learning Research 14, 2013.
    .. [3] A. Shahbazinia, S. Salehkaleybar, M. Hashemi, "ParaLiNGAM: parallel causal structure learning for
       linear non-Gaussian acyclic models", arXiv:2109.13993.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.discovery import DirectLiNGAM
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, size=1000)
    >>> y = 2.0 * x + rng.uniform(-1, 1, size=1000)
    >>> found = DirectLiNGAM().fit({"y": y, "x": x})
    >>> found.graph_, found.weights_.round(1).tolist()
    (DAG.from_string('y; x -> y'), [[0.0, 0.0], [2.0, 0.0]])
    """

    def __init__(self, *, knowledge: Knowledge | None = None, penalty: float = 1.0) -> None:
        self.knowledge = knowledge
        self.penalty = penalty

    def fit(self, X: Any, y: object = None) -> DirectLiNGAM:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The data.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        DirectLiNGAM
            The estimator itself.
        """
        with all_or_nothing(self):
            knowledge = checked_knowledge(self.knowledge)
            score = GaussianBIC(self.penalty).fit(X)
            names = score.canonical_names
            constraints = Constraints(knowledge, names)
            earlier = _earlier(constraints, names)
            columns, deviations = _standardised(X)
            n = columns.shape[1]
            R = columns @ columns.T / n
            order = causal_order(columns, earlier)
            weights = np.zeros(R.shape)
            for place, node in enumerate(order):
                allowed = [k for k in order[:place] if not constraints.forbidden[k, node]]
                free = [k for k in allowed if not constraints.required[k, node]]
                required = [k for k in allowed if constraints.required[k, node]]
                parents = parents_among(R, n, node, free, required, score.penalty)
                if parents:
                    found = least_squares(R, node, parents) * deviations[node] / deviations[parents]
                    weights[parents, node] = found
            self._publish(weights, order, names, score.names_)
        return self

    def _publish(
        self, weights: Matrix, order: list[int], names: tuple[Hashable, ...], shown: tuple[Hashable, ...]
    ) -> None:
        edges = [(names[i], names[j]) for i, j in np.argwhere(weights).tolist()]
        self.graph_ = DAG(edges, nodes=shown)
        place = {name: k for k, name in enumerate(names)}
        back = [place[name] for name in shown]
        self.weights_: Matrix = weights[np.ix_(back, back)]
        self.causal_order_ = tuple(names[k] for k in order)
        publish_names(self, shown)


def _standardised(X: Any) -> tuple[Matrix, Matrix]:
    """Return a row of mean 0 and variance 1 for each variable in canonical order, and their deviations."""
    matrix, names = named_matrix(X)
    rows = np.ascontiguousarray(to_numpy(matrix).T[canonical_order(names)], dtype=np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    scale = np.abs(rows).max(axis=1, keepdims=True)  # squares then neither overflow nor vanish
    rows /= scale
    rows -= rows.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.square(rows).mean(axis=1, keepdims=True))
    rows /= deviation
    return rows, (scale * deviation)[:, 0]


def _earlier(constraints: Constraints, names: tuple[Hashable, ...]) -> NDArray[np.bool_]:
    """Return which variable comes before which, by required edges and tiers."""
    earlier = constraints.required.copy()
    if constraints.tier is not None:
        known = constraints.tier >= 0
        earlier |= (constraints.tier[:, None] < constraints.tier) & known[:, None] & known
    DAG([(names[i], names[j]) for i, j in np.argwhere(earlier).tolist()])  # raises CycleError
    return earlier
