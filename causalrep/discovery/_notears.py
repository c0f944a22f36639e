"""NOTEARS: acyclic weights of least squares by continuous optimisation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._acyclic_optimum import Optimum, augmented_lagrangian
from causalrep.discovery._knowledge import Knowledge
from causalrep.discovery._weighted_search import WeightedSearch
from causalrep.utils import DataError

__all__ = ["NOTEARS"]


class NOTEARS(WeightedSearch):
    """Learn a weighted acyclic graph by least squares with a smooth constraint against cycles.

    It minimises half the sum of the residual variances of linear regressions, plus `penalty` times the sum of
    the absolute weights, over matrices without cycles.

    **The answer depends on the units of the columns.** Least squares prefers an order in which variances
    grow, as they do in simulations without standardising, which explains much of its fame there. It is
    justified where all noise terms have the same variance in the units at hand. Elsewhere its directions mean
    little, and no theorem makes its graph right, not even up to equivalence. See `standardize`.

    Parameters
    ----------
    penalty : float, default=0.1
        Price of the absolute value of a weight. More gives fewer edges, and smaller weights. Required edges
        are free.
    threshold : float, default=0.3
        Weights up to this are left out of the graph.
    standardize : {"warn", "never", "always"}, default="warn"
        Whether columns are divided by their deviations first. ``"warn"`` does not, but warns where the graph
        that is found follows the variances.
    knowledge : Knowledge, default=None
        Edges that are required or forbidden, and the order of time.
    max_iter : int, default=100
        Largest number of updates of the multiplier.
    tol : float, default=1e-8
        How cyclic the weights may stay: the trace that counts closed walks by their squared weights.

    Attributes
    ----------
    graph_ : DAG
        Its nodes are in the order of the columns.
    weights_ : array of shape (n_features, n_features), float
        Entry (i, j) is the weight of column i in column j; 0 where the graph has no edge. Shrunken by the
        penalty, and in units of standardised columns if they were. (Others write the transpose.)
    raw_weights_ : array of shape (n_features, n_features), float
        What the constrained optimisation returned, with traces of cycles.
    cycle_threshold_ : float
        The smallest number above which those have no cycle. It should be small beside `threshold`.
    objective_ : float
        Half the sum of the residual variances, with the penalty, of the best weights in the order so found.
    acyclicity_ : float
        What was left of the constraint.
    varsortability_, r2_sortability_ : float
        Share of the directed paths of the graph along which the variance, or the predictability from all
        others, grows; NaN without edges.
    n_iter_ : int
        Number of evaluations of the objective.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of shape (n_features,), object
        Names of the columns; only where all names are strings.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for missing or infinite values, constant columns, parameters out of range, names that are
        not columns.

    Warns
    -----
    SortabilityWarning
        In `fit`, with ``standardize="warn"``, if the variances give the order of the graph away.
    ConvergenceWarning
        In `fit`, if the constraint was not met. The graph is acyclic all the same.

    See Also
    --------
    DAGMA : Solves the same problem faster.
    GES : Does not depend on units, and leaves directions open that the data leave open.
    DirectLiNGAM : Directions from noise that is not Gaussian.

    Notes
    -----
    The loss is a function of the covariances, so an evaluation costs O(d^3), whatever the number of rows. The
    constraint is ``tr((I + W o W / d)^d) = d``; each weight is the difference of two bounded parts, for
    L-BFGS-B. The constraint's weight makes that problem ill-conditioned, so that it is only used for the
    order: the weights are then found anew without the constraint. The problem is not convex, and the order is
    a local optimum.

    References
    ----------
    .. [1] X. Zheng, B. Aragam, P. Ravikumar, E. P. Xing, "DAGs with NO TEARS: continuous optimization for
       structure learning", NeurIPS 2018, arXiv:1803.01422.
    .. [2] Y. Yu, J. Chen, T. Gao, M. Yu, "DAG-GNN: DAG structure learning with graph neural networks", ICML
       2019, arXiv:1904.10098, section 3.3 (the constraint).
    .. [3] A. G. Reisach, C. Seiler, S. Weichwald, "Beware of the simulated DAG! Causal discovery benchmarks
       may be easy to game", NeurIPS 2021, arXiv:2102.13647.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.discovery import NOTEARS
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=1000)
    >>> table = {"x": x, "y": 2.0 * x + rng.normal(size=1000)}
    >>> found = NOTEARS(standardize="never").fit(table)  # the noise terms have the same variance
    >>> found.graph_, found.varsortability_
    (DAG.from_string('x -> y'), 1.0)
    >>> NOTEARS(standardize="never").fit({"x": 100.0 * table["x"], "y": table["y"]}).graph_
    DAG.from_string('x; y -> x')
    """

    def __init__(
        self,
        *,
        penalty: float = 0.1,
        threshold: float = 0.3,
        standardize: Literal["warn", "never", "always"] = "warn",
        knowledge: Knowledge | None = None,
        max_iter: int = 100,
        tol: float = 1e-8,
    ) -> None:
        self.penalty = penalty
        self.threshold = threshold
        self.standardize = standardize
        self.knowledge = knowledge
        self.max_iter = max_iter
        self.tol = tol

    def _check_options(self) -> None:
        if not isinstance(self.tol, (int, float, np.number)) or not 0.0 < float(self.tol) < np.inf:
            raise DataError(f"`tol` must be a positive number, got {self.tol!r}")

    def _minimise(
        self, S: NDArray[np.float64], penalty: NDArray[np.float64], allowed: NDArray[np.bool_]
    ) -> Optimum:
        return augmented_lagrangian(S, penalty, allowed, tol=float(self.tol), max_iter=int(self.max_iter))
