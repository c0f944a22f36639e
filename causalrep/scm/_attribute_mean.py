"""Attribution of a changed mean straight from two tables, without a model of either: doubly robust.

Let V_1, ..., V_K be the target's ancestors and the target, causes first, and let C say which of the K
mechanisms are taken from the new sample. The mean theta of the target under that mixture is found in two
ways at once. Regressions go back from the target, each in the sample whose mechanism it averages over,

    g_K = V_K,   g_k(v_1..v_k) = E_{C(k+1)}[g_{k+1} | v_1..v_k],   theta = E_{C(1)}[g_1],

and density ratios a_k = dP_C / dP_{C(k+1)} of the first k columns go forwards, from classifiers that tell the
samples apart. The estimate

    theta = mean_{C(1)} g_1 + sum_k mean_{C(k+1)} a_k (g_{k+1} - g_k)

is right to first order if, for each k, either the regression or the ratio is. Its terms are the influence
function, so standard errors of Shapley values follow, and none of them comes from simulated draws.

References
----------
V. Quintas-Martínez, M. T. Bahadori, E. Santiago, J. Mu, D. Janzing, D. Heckerman, "Multiply-robust causal
change attribution", ICML 2024, arXiv:2404.08839.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import DAG
from causalrep.scm._attribution import Attribution
from causalrep.scm._encoding import Encoding, is_categorical
from causalrep.scm._evidence import Evidence
from causalrep.scm._learners import fitted_clone
from causalrep.scm._mechanism import Array
from causalrep.scm._shapley import EXACT, coalition_weights, subsets
from causalrep.utils import DataError, RandomState, UnknownNameError, as_seed, keyed_generator, keyed_seed

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["attribute_mean_change"]

Floats = NDArray[np.float64]

_LEAST = 0.01  # probabilities of either sample are kept this far from zero and one


def attribute_mean_change(
    graph: DAG | nx.DiGraph,
    old: Any,
    new: Any,
    target: Hashable,
    *,
    regressor: Any = None,
    classifier: Any = None,
    cv: int = 5,
    random_state: RandomState = None,
) -> Attribution:
    """Return how much each mechanism contributed to the change of a mean between two samples.

    `attribute_change` compares two fitted models and is as good as these. This one asks the tables
    themselves, by regressions and density ratios of which either may be wrong, and has standard errors that
    are those of the data.

    Parameters
    ----------
    graph : DAG or networkx.DiGraph
        Of both samples. Only the order of the ancestors is used: each is conditioned on all before it.
    old, new : data frame or mapping of node to array
        The two samples, with columns for the target and its ancestors; n_old and n_new rows.
    target : hashable
        A node with numbers, with at most nine ancestors.
    regressor : estimator of scikit-learn, optional
        For the means. Default: curves (cubic splines) and products of two columns, by ridge regression.
    classifier : estimator of scikit-learn, optional
        With ``predict_proba``, to tell the samples apart. Default: the same terms by logistic regression.
    cv : int, default=5
        Folds: no row is judged by a model that has seen it.
    random_state : int, numpy Generator, numpy RandomState or None, default=None
        Seed of the folds, and of models whose own is None.

    Returns
    -------
    Attribution
        Contributions, with standard errors, that add up to the mean of `new` less the mean of `old`.

    Raises
    ------
    UnknownNameError
        If `target` is no node.
    DataError
        If a column is missing or has missing values, the target has no numbers or too many ancestors, or a
        sample has fewer than ``2 * cv`` rows.

    Warns
    -----
    UserWarning
        If somewhere the samples overlap so little that the weights of one are worth less than a tenth of its
        rows, or fewer than 100 rows; standard errors are then too small.

    Notes
    -----
    Probabilities of either sample are kept between 0.01 and 0.99, and weights are scaled to a mean of one.
    The number of regressions doubles with each ancestor.

    References
    ----------
    V. Quintas-Martínez et al., "Multiply-robust causal change attribution", ICML 2024, arXiv:2404.08839.

    Examples
    --------
    >>> from causalrep.scm import SCM, attribute_mean_change
    >>> before = SCM.from_equations("X = N(0, 1); Y = X**2 + N(0, 1)")
    >>> after = SCM.from_equations("X = N(1, 1); Y = X**2 + N(0, 1)")
    >>> tables = before.sample(2000, random_state=0), after.sample(2000, random_state=1)
    >>> change = attribute_mean_change(before.graph, *tables, "Y", random_state=0)
    >>> abs(change["X"] - 1) < 3 * change["X"].se, abs(change["Y"]) < 3 * change["Y"].se
    (True, True)
    """
    dag = graph if isinstance(graph, DAG) else DAG.from_networkx(graph)
    if target not in dag:
        raise UnknownNameError(target, dag.nodes, what="`target`")
    wanted = {target, *dag.ancestors([target])}
    order = [node for node in dag.topological_order() if node in wanted]
    if len(order) > EXACT:
        raise DataError(f"`target` may have at most {EXACT - 1} ancestors, {target!r} has {len(order) - 1}")
    if isinstance(cv, bool) or not isinstance(cv, (int, np.integer)) or cv < 2:
        raise DataError(f"`cv` must be an integer from 2 on, got {cv!r}")
    samples = [_columns(rows, order, name, int(cv)) for name, rows in (("old", old), ("new", new))]
    design = _Design(order, samples, int(cv), as_seed(random_state))
    regressor = _smooth(False) if regressor is None else regressor  # an unfitted forest has no truth value
    classifier = _smooth(True) if classifier is None else classifier
    pieces = _influence(design, regressor, classifier)
    players = tuple(node for node in dag.nodes if node in wanted)
    return _attribution(players, order, pieces, f"change of {target!r}: mean")


def _columns(rows: Any, order: Sequence[Hashable], name: str, cv: int) -> dict[Hashable, Array]:
    """Return the columns of one sample, checked."""
    evidence = Evidence.read(rows)
    for node in order:
        evidence.require(node, f"in `{name}`")
    columns = {node: np.asarray(evidence.values[node]) for node in order}
    if evidence.n < 2 * cv:
        raise DataError(f"`{name}` must have at least {2 * cv} rows, got {evidence.n}")
    for node, column in columns.items():
        numeric = not is_categorical(column)
        if column.ndim != 1 or (numeric and not np.isfinite(column.astype(np.float64)).all()):
            raise DataError(f"the column {node!r} of `{name}` must be one finite number or label per row")
    if is_categorical(columns[order[-1]]):
        raise DataError(f"the target {order[-1]!r} must have numbers, in `{name}` it has labels")
    return columns


class _Design:
    """Both samples, one after the other, as prefixes of encoded columns, and their folds."""

    def __init__(
        self, order: Sequence[Hashable], samples: Sequence[Mapping[Hashable, Array]], cv: int, seed: int
    ) -> None:
        self.k, self.seed = len(order), seed
        sizes = [len(sample[order[0]]) for sample in samples]
        self.is_new = np.repeat([False, True], sizes)
        both = {node: np.concatenate([sample[node] for sample in samples]) for node in order}
        self.target = both[order[-1]].astype(np.float64)
        parts = [Encoding.of({node: both[node]}).matrix(both[node]) for node in order[:-1]]
        self.prefixes = [np.concatenate(parts[: i + 1], axis=1) for i in range(len(parts))]
        generator = keyed_generator(seed, "folds")
        self.fold = np.concatenate([generator.permutation(np.arange(size) % cv) for size in sizes])
        self.cv = cv

    def cross_fit(self, model: Any, prefix: int, y: Any, rows: NDArray[np.bool_]) -> Floats:
        """Return predictions for all rows of both samples by models that saw `rows` of the other folds."""
        X, out = self.prefixes[prefix], np.empty(len(y))
        for fold in range(self.cv):
            held = self.fold == fold
            learned = rows & ~held
            own = fitted_clone(model, X[learned], y[learned], keyed_seed(self.seed, "model", prefix, fold))
            proba = getattr(own, "predict_proba", None)
            out[held] = own.predict(X[held]) if proba is None else proba(X[held])[:, 1]
        return out


def _smooth(labels: bool) -> Any:
    """Return curves and products of the columns, for ridge or for logistic regression."""
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler

    # where data end, curves stop, and quadratic terms go on, as the log ratio of normal laws does
    curves = SplineTransformer(n_knots=5, knots="quantile", extrapolation="constant")
    terms = make_union(curves, PolynomialFeatures(2, include_bias=False))
    last = LogisticRegression(C=0.1, max_iter=500) if labels else RidgeCV(np.logspace(-3, 4, 8))
    return make_pipeline(StandardScaler(), terms, StandardScaler(), last)


def _influence(design: _Design, regressor: Any, classifier: Any) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the terms of theta for each coalition and row, shape (2**K, n), and which rows are new."""
    k, is_new = design.k, design.is_new
    ratios = [np.ones(len(is_new))]  # dP_new / dP_old of the first j columns
    prior = is_new.sum() / (~is_new).sum()
    for j in range(k - 1):
        p = np.clip(design.cross_fit(classifier, j, is_new, np.ones(len(is_new), bool)), _LEAST, 1 - _LEAST)
        ratios.append(p / (1 - p) / prior)
    means: dict[tuple[bool, ...], Floats] = {(): design.target}  # by the samples of the mechanisms behind

    def mean(suffix: tuple[bool, ...]) -> Floats:
        if suffix not in means:
            rows = is_new == suffix[0]
            means[suffix] = design.cross_fit(regressor, k - 1 - len(suffix), mean(suffix[1:]), rows)
        return means[suffix]

    terms: list[Floats] = []
    worth = [np.inf]  # by 100 rows of equal weight, and by a tenth of the rows
    for mask in subsets(k).tolist():
        weight = np.ones(len(is_new))  # dP_C / dP_old of the first j columns
        total = np.where(is_new == mask[0], mean(tuple(mask[1:])), 0.0)
        for j in range(1, k):
            if mask[j - 1]:
                weight = weight * ratios[j] / ratios[j - 1]
            rows = is_new == mask[j]
            a = (weight / ratios[j] if mask[j] else weight)[rows]
            effective = a.sum() ** 2 / np.square(a).sum()
            worth += [effective / 100, 10 * effective / len(a)] if np.ptp(a) > 0 else []
            total[rows] += a / a.mean() * (mean(tuple(mask[j + 1 :])) - mean(tuple(mask[j:])))[rows]
        terms.append(total)
    if min(worth) < 1:
        warnings.warn(
            "the samples overlap too little: where they are mixed, some weights are worth fewer than 100 "
            "rows, or less than a tenth of all, and standard errors are too small; `attribute_change` needs "
            "no overlap, but a model of each sample",
            stacklevel=3,
        )
    return np.array(terms), is_new


def _attribution(
    players: tuple[Hashable, ...],
    order: Sequence[Hashable],
    pieces: tuple[Floats, NDArray[np.bool_]],
    measure: str,
) -> Attribution:
    terms, is_new = pieces
    each = coalition_weights(len(order)) @ terms  # (K, n): what each row says of each player
    parts = [each[:, is_new == new] for new in (False, True)]
    values = np.sum([part.mean(axis=1) for part in parts], axis=0)
    variance = np.sum([part.var(axis=1, ddof=1) / part.shape[1] for part in parts], axis=0)
    where = [order.index(player) for player in players]
    ends = [sum(row[is_new == new].mean() for new in (False, True)) for row in terms[[0, -1]]]
    return Attribution(
        players,
        values[where],
        np.sqrt(variance)[where],
        np.asarray(ends[1] - ends[0]),
        np.asarray(ends[0]),
        measure,
    )
