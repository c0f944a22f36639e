"""How stable the findings of a search are: the same search on resampled rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse
from array_api_compat import array_namespace, is_array_api_obj
from array_api_compat import device as device_of
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from causalrep.discovery._stability import EdgeCounts, edge_codes, family
from causalrep.graphs import Graph
from causalrep.utils import (
    DataError,
    RandomState,
    UnknownNameError,
    as_seed,
    is_frame,
    keyed_generator,
    keyed_seed,
)

__all__ = ["Bootstrap"]

_KINDS = ("auto", "bootstrap", "subsample")
_TIES_MATTER = ("kci", "hsic", "cmiknn")  # tests by distances between rows, which a copied row distorts


class Bootstrap(BaseEstimator):  # type: ignore[misc]
    """Run a search on many resamples of the rows, and count how often each edge and direction comes back.

    An edge that vanishes when a few rows are exchanged is a finding about those rows. The frequencies say how
    far a result hangs on the sample; they are no probabilities that an edge is true, for what the search
    assumes wrongly it assumes in every resample.

    Parameters
    ----------
    search : estimator
        Any search with `fit` and `graph_`: `PC`, `FCI`, `RFCI`, `CausalLearn`. It is cloned, never fitted
        itself; if it takes a `random_state`, each clone gets its own.
    n_replicates : int, default=100
        Number of resamples.
    kind : {"auto", "bootstrap", "subsample"}, default="auto"
        ``"bootstrap"`` draws as many rows as there are, with replacement; ``"subsample"`` draws a share of
        them without. The first has every row about 0.63 times, the second copies none, which matters to
        tests by distances: ``"auto"`` is ``"subsample"`` for the tests KCI, HSIC and CMIKnn.
    share : float in (0, 1), default=0.5
        What part of the rows a subsample has.
    threshold : float in (0, 1], default=0.5
        What frequency an edge, and an arrow or mark on it, needs in `graph_`.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        Seeds the resamples. Each has its own stream, so that neither their number nor the workers matter.
    n_jobs : int, default=None
        Number of workers, as for joblib, whose ``parallel_config`` also chooses between processes, threads
        and a Dask cluster.

    Attributes
    ----------
    graph_ : PDAG, PAG or ADMG
        The consensus at `threshold`; see `consensus`.
    edges_ : pandas.DataFrame
        A row for each pair of variables that is adjacent in some replicate: columns ``u``, ``v``, ``none``,
        and the frequency of each kind of edge as it is written from u to v (``"->"``, ``"<-"``, ``"--"``,
        ``"<->"``, and those with circles where there are any).
    marks_ : pandas.DataFrame
        Two rows for each such pair, one per end: how often the edge has a ``tail``, an ``arrow`` or a
        ``circle`` at ``v``.
    n_selected_ : float
        Mean number of edges.
    n_features_in_ : int
        Number of variables.
    feature_names_in_ : array of shape (n_features,), object
        Names of the variables; only where all names are strings.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for parameters out of range, and for what the search refuses; a note says in which
        replicate.
    GraphError
        In `fit`: if the graphs of the replicates do not have the same nodes.

    Notes
    -----
    Costs `n_replicates` searches. The answer is the same for every number of workers and every backend.

    References
    ----------
    .. [1] N. Friedman, M. Goldszmidt, A. Wyner, "Data analysis with Bayesian networks: a bootstrap approach",
       UAI 1999, arXiv:1301.6695.
    .. [2] N. Meinshausen, P. Bühlmann, "Stability selection", Journal of the Royal Statistical Society B 72,
       2010, arXiv:0809.2932.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.discovery import PC, Bootstrap
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 500))
    >>> table = pd.DataFrame({"x": x, "c": x + y + rng.normal(size=500), "y": y})
    >>> stable = Bootstrap(PC(), n_replicates=20).fit(table)
    >>> stable.graph_
    PDAG.from_string('x -> c; y -> c')
    >>> stable.edges_[["u", "v", "none", "->", "<-", "--"]]
       u  v  none    ->    <-    --
    0  x  c  0.00  0.95  0.00  0.05
    1  x  y  0.95  0.00  0.00  0.05
    2  c  y  0.00  0.00  0.95  0.05
    """

    def __init__(
        self,
        search: Any,
        *,
        n_replicates: int = 100,
        kind: Literal["auto", "bootstrap", "subsample"] = "auto",
        share: float = 0.5,
        threshold: float = 0.5,
        random_state: RandomState = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.search = search
        self.n_replicates = n_replicates
        self.kind = kind
        self.share = share
        self.threshold = threshold
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: object = None) -> Bootstrap:  # noqa: ARG002
        """Resample, search, and count.

        Parameters
        ----------
        X : data frame, mapping, or array of shape (n_samples, n_features)
            The data, as the search takes them.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        Bootstrap
            The estimator itself.
        """
        self._check_parameters()
        table, n_rows = _with_rows(X)
        kind, seed = self._chosen_kind(), as_seed(self.random_state)
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(_replicate)(self.search, table, n_rows, kind, float(self.share), seed, b)
            for b in range(self.n_replicates)
        )
        nodes = found[0].nodes
        self._counts = EdgeCounts(nodes, [edge_codes(graph, nodes) for graph in found])
        self._family = family(type(graph) for graph in found)
        self._kind = kind
        self.edges_: pd.DataFrame = self._counts.edges()
        self.marks_: pd.DataFrame = self._counts.marks()
        self.n_selected_ = self._counts.n_selected
        self.graph_: Graph = self.consensus(self.threshold)
        self.n_features_in_ = len(nodes)
        if all(isinstance(name, str) for name in nodes):
            self.feature_names_in_ = np.array(nodes, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def consensus(self, threshold: float) -> Graph:
        """Return the graph of the edges whose frequency reaches a threshold.

        A pair is adjacent if the frequency of having an edge reaches it. An arrow is one if its own frequency
        reaches it too and is above that of the opposite; otherwise the edge is undirected or, in a PAG, has
        circles for the marks that do not. Arrows are placed in order of falling frequency, and one that would
        close a directed cycle is left open in the same way.

        Parameters
        ----------
        threshold : float in (0, 1]
            Least frequency.

        Returns
        -------
        PDAG, PAG or ADMG
            A `PDAG` for searches that return a `DAG`, `PDAG` or `CPDAG`; an `ADMG`, whose arrows count one
            by one, where they return an `ADMG`; else a `PAG`. It need not be an equivalence class.

        Raises
        ------
        DataError
            If `threshold` is not in (0, 1].
        """
        check_is_fitted(self)
        _check_share(threshold, "threshold", closed=True)
        return self._counts.consensus(float(threshold), self._family)

    def error_bound(self, threshold: float) -> float:
        """Return a bound on the expected number of edges without cause that reach a threshold.

        With q edges per subsample on average and p pairs of variables: ``q**2 / ((2 * threshold - 1) * p)``.

        Parameters
        ----------
        threshold : float in (0.5, 1]
            Frequency that an adjacency must reach to count as selected.

        Returns
        -------
        float

        Raises
        ------
        DataError
            If `threshold` is not in (0.5, 1], or the resamples are not subsamples of half of the rows, for
            which the bound is proved.

        Notes
        -----
        Theorem 1 of [1]_ assumes that the search is not worse than guessing and that false edges are
        exchangeable: all equally likely to be selected. The second rarely holds exactly in a graph.

        References
        ----------
        .. [1] N. Meinshausen, P. Bühlmann, "Stability selection", Journal of the Royal Statistical Society B
           72, 2010, arXiv:0809.2932.

        Examples
        --------
        >>> import numpy as np
        >>> from causalrep.discovery import PC, Bootstrap
        >>> X = np.random.default_rng(0).normal(size=(200, 6))
        >>> stable = Bootstrap(PC(alpha=0.05), n_replicates=20, kind="subsample").fit(X)
        >>> round(stable.n_selected_, 2), round(stable.error_bound(0.8), 2)
        (0.3, 0.01)
        """
        check_is_fitted(self)
        _check_share(threshold, "threshold", closed=True)
        if threshold <= 0.5:
            raise DataError(f"`threshold` must be above 0.5 for the bound, got {threshold!r}")
        if self._kind != "subsample" or self.share != 0.5:
            raise DataError(
                "the bound is proved for subsamples of half of the rows; fit with kind='subsample', share=0.5"
            )
        n_pairs = self.n_features_in_ * (self.n_features_in_ - 1) // 2
        return self.n_selected_**2 / ((2.0 * threshold - 1.0) * n_pairs) if n_pairs else 0.0

    def _check_parameters(self) -> None:
        if not hasattr(self.search, "fit") or isinstance(self.search, type):
            raise TypeError(f"`search` must be an estimator with `fit` and `graph_`, got {self.search!r}")
        if (
            isinstance(self.n_replicates, bool)
            or not isinstance(self.n_replicates, (int, np.integer))
            or self.n_replicates < 1
        ):
            raise DataError(f"`n_replicates` must be a positive integer, got {self.n_replicates!r}")
        if self.kind not in _KINDS:
            raise UnknownNameError(self.kind, _KINDS, what="`kind`")
        _check_share(self.share, "share", closed=False)
        _check_share(self.threshold, "threshold", closed=True)

    def _chosen_kind(self) -> str:
        if self.kind != "auto":
            return self.kind
        test = getattr(self.search, "test", None)
        name = test if isinstance(test, str) else type(test).__name__.lower()
        return "subsample" if name in _TIES_MATTER else "bootstrap"


def _check_share(value: Any, what: str, *, closed: bool) -> None:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not (0.0 < float(value) < 1.0 or (closed and float(value) == 1.0)):
        raise DataError(f"`{what}` must be in (0, 1{']' if closed else ')'}, got {value!r}")


def _with_rows(X: Any) -> tuple[Any, int]:
    """Return the data in a form whose rows can be taken, and how many there are."""
    if X is None:
        raise DataError("`X` is needed: only rows can be resampled, no correlations and no oracle")
    if scipy.sparse.issparse(X):
        raise DataError("`X` is sparse, which is not supported; convert it with `.toarray()`")
    if isinstance(X, Mapping):
        columns: dict[Hashable, Any] = {name: np.asarray(values) for name, values in X.items()}
        lengths = {len(values) for values in columns.values() if values.ndim}
        if len(lengths) > 1:
            raise DataError(f"the columns of `X` must have the same length, got {sorted(lengths)}")
        return columns, lengths.pop() if lengths else 0
    if not is_frame(X) and not is_array_api_obj(X) and not hasattr(X, "shape"):
        X = np.asarray(X)
    return X, int(X.shape[0]) if X.shape else 0


def _rows_of(table: Any, rows: Any) -> Any:
    if isinstance(table, Mapping):
        return {name: values[rows] for name, values in table.items()}
    if hasattr(table, "iloc"):
        return table.iloc[rows]
    if is_frame(table):
        import narwhals as nw

        return nw.from_native(table, eager_only=True)[rows].to_native()
    if is_array_api_obj(table) and not isinstance(table, np.ndarray):
        xp = array_namespace(table)
        return xp.take(table, xp.asarray(rows, device=device_of(table)), axis=0)
    return table[rows]


def _replicate(
    search: Any, table: Any, n_rows: int, kind: str, share: float, seed: int, number: int
) -> Graph:
    """Return the graph of one resample, which its number decides and nothing else."""
    generator = keyed_generator(seed, "resample", number)
    if kind == "bootstrap":
        rows = generator.integers(n_rows, size=n_rows) if n_rows else np.empty(0, dtype=np.int64)
    else:
        rows = np.sort(generator.permutation(n_rows)[: max(1, int(share * n_rows))])
    learner = clone(search)
    if "random_state" in learner.get_params(deep=False):
        learner.set_params(random_state=keyed_seed(seed, "search", number) % 2**31)
    try:
        graph: Graph = learner.fit(_rows_of(table, rows)).graph_
    except Exception as error:
        error.add_note(f"in replicate {number} of the resamples")
        raise
    return graph
