"""DAGMA: acyclic weights of least squares along a central path."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._acyclic_optimum import Optimum, acyclicity, penalised_loss, squared_loss
from causalrep.discovery._knowledge import Knowledge
from causalrep.discovery._owl_qn import minimise_with_prices
from causalrep.discovery._weighted_search import WeightedSearch

__all__ = ["DAGMA", "log_barrier"]

Matrix = NDArray[np.float64]

#: How much the loss counts beside the barrier, and how far away the barrier lies, from stage to stage.
_STAGES = ((1.0, 1.0), (0.1, 0.9), (0.01, 0.8), (1e-3, 0.7), (1e-4, 0.6), (1e-5, 0.6))
_ACYCLIC = 1e-6


class DAGMA(WeightedSearch):
    """Learn a weighted acyclic graph by least squares with a barrier against cycles.

    It solves the problem of `NOTEARS`, in a fraction of the time and mostly with no worse an optimum: the
    constraint is the logarithm of a determinant, and the loss loses weight beside it from stage to stage.

    **The answer depends on the units of the columns**, as that of `NOTEARS` does; see there when that is
    justified.

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
    max_iter : int, default=1000
        Largest number of steps in each of the six stages.

    Attributes
    ----------
    graph_ : DAG
        Its nodes are in the order of the columns.
    weights_ : array of shape (n_features, n_features), float
        Entry (i, j) is the weight of column i in column j; 0 where the graph has no edge. Shrunken by the
        penalty, and in units of standardised columns if they were. (Others write the transpose.)
    raw_weights_ : array of shape (n_features, n_features), float
        What the last stage returned, with traces of cycles.
    cycle_threshold_ : float
        The smallest number above which those have no cycle. It should be small beside `threshold`.
    objective_ : float
        Half the sum of the residual variances, with the penalty, of the best weights in the order so found.
    acyclicity_ : float
        The trace that counts closed walks by their squared weights, for the raw weights.
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
        In `fit`, if cycles are left that weigh more than a trace. The graph is acyclic all the same.

    See Also
    --------
    NOTEARS : The same problem with another constraint.

    Notes
    -----
    The original takes up to 180,000 gradient steps of a fixed rate. Here each stage is solved by OWL-QN, a
    quasi-Newton method for prices on absolute values, in some hundred evaluations of O(d^3) each. The weights
    of the last stage give the order; they are then found anew in it, which is a convex problem.

    References
    ----------
    .. [1] K. Bello, B. Aragam, P. Ravikumar, "DAGMA: learning DAGs via M-matrices and a log-determinant
       acyclicity characterization", NeurIPS 2022, arXiv:2209.08037 (theorem 1, algorithm 1).
    .. [2] G. Andrew, J. Gao, "Scalable training of L1-regularized log-linear models", ICML 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.discovery import DAGMA
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=1000)
    >>> found = DAGMA(standardize="never").fit({"x": x, "y": 2.0 * x + rng.normal(size=1000)})
    >>> found.graph_, found.weights_.round(1).tolist()
    (DAG.from_string('x -> y'), [[0.0, 2.0], [0.0, 0.0]])
    """

    def __init__(
        self,
        *,
        penalty: float = 0.1,
        threshold: float = 0.3,
        standardize: Literal["warn", "never", "always"] = "warn",
        knowledge: Knowledge | None = None,
        max_iter: int = 1000,
    ) -> None:
        self.penalty = penalty
        self.threshold = threshold
        self.standardize = standardize
        self.knowledge = knowledge
        self.max_iter = max_iter

    def _minimise(self, S: Matrix, penalty: Matrix, allowed: NDArray[np.bool_]) -> Optimum:
        where = np.nonzero(allowed)
        W, weights, n_iter = np.zeros(S.shape), np.zeros(len(where[0])), 0
        s = 1.0
        for mu, nearer in _STAGES:
            if np.isfinite(log_barrier(W, nearer)[0]):
                s = nearer

            def smooth(entries: Matrix, mu: float = mu, s: float = s) -> tuple[float, Matrix]:
                trial = np.zeros(S.shape)
                trial[where] = entries
                barrier, steep = log_barrier(trial, s)
                if not np.isfinite(barrier):
                    return barrier, entries
                loss, slope = squared_loss(S, trial)
                return mu * loss + barrier, (mu * slope + steep)[where]

            weights, n_more = minimise_with_prices(
                smooth, weights, mu * penalty[where], max_iter=int(self.max_iter), tol=1e-5 * mu
            )
            W[where] = weights
            n_iter += n_more
        h = acyclicity(W)[0]
        return Optimum(W, penalised_loss(S, penalty, W), h, n_iter, h <= _ACYCLIC)


def log_barrier(W: Matrix, s: float) -> tuple[float, Matrix]:
    """Return ``d log s - log det(s I - W o W)`` and its gradient; an infinite value outside the domain.

    The domain are the weights whose squares have a spectral radius below s. There the value is zero without
    cycles, positive with some, and it grows beyond all bounds towards the border.

    Parameters
    ----------
    W : array of shape (d, d)
        Weights.
    s : float
        Positive.
    """
    M = -W * W
    M.flat[:: len(W) + 1] += s
    sign, log_det = np.linalg.slogdet(M)
    if not (sign > 0.0 and np.isfinite(log_det)):
        return np.inf, W
    inverse = np.linalg.inv(M)
    if (inverse < -1e-12).any():  # the inverse of an M-matrix has no negative entry
        return np.inf, W
    return len(W) * float(np.log(s)) - float(log_det), 2.0 * W * inverse.T
