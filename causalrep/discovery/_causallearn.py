"""Searches of the causal-learn library behind our interface.

The only file that imports causal-learn, and it does so when a search runs. Each algorithm is one function
from a matrix and options to a graph on column positions.
"""

from __future__ import annotations

import contextlib
import io
import random
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from causalrep.graphs import ADMG, DAG, PAG, PDAG, Graph
from causalrep.independence._arrays import named_matrix, to_numpy
from causalrep.utils import (
    DataError,
    GraphError,
    MissingDependencyError,
    UnknownNameError,
    as_seed,
    keyed_seed,
)

__all__ = ["CausalLearn"]

Matrix: TypeAlias = NDArray[np.float64]
Names: TypeAlias = tuple[Hashable, ...]
Answer: TypeAlias = tuple[Graph, Matrix | None]
"""A graph, and the coefficients where the algorithm estimates some."""


class CausalLearn(BaseEstimator):  # type: ignore[misc]
    """Run a search of causal-learn, and return one of our graphs.

    Parameters
    ----------
    algorithm : str, default="boss"
        ``"pc"``, ``"fci"``, ``"ges"``, ``"grasp"``, ``"boss"`` (best-order score search), ``"exact"`` (the
        DAG with the best BIC), ``"direct_lingam"``, ``"ica_lingam"``, ``"rcd"`` and ``"cam_uv"``
        (non-Gaussian or additive models with hidden causes; the latter needs pygam), ``"gin"``
        (hidden variables behind clusters of measured ones).
    options : mapping of str to object, default=None
        Arguments of causal-learn's own function or class, such as ``{"score_func": "local_score_BDeu"}``.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        Seeds the searches that draw; the global generators that causal-learn uses are put back afterwards.

    Attributes
    ----------
    graph_ : Graph
        `CPDAG` or `PDAG` for pc, ges, grasp and boss; `PAG` for fci; `DAG` for exact and the LiNGAM
        algorithms; `ADMG`, with bidirected edges for hidden causes, for rcd and cam_uv; for gin a `DAG`
        with latent nodes ``"L1"``, ``"L2"``, ..., or a `PDAG` where their order is not known.
    weights_ : array of shape (n_features, n_features) or None
        Coefficient of i -> j at [i, j] for the LiNGAM algorithms and rcd.
    n_features_in_ : int
        Number of variables.
    feature_names_in_ : array of shape (n_features,), object
        Names of the variables; only where all names are strings.

    Raises
    ------
    UnknownNameError
        If `algorithm` is none of these.
    DataError
        If the data are not real numbers, all finite.
    MissingDependencyError
        If the algorithm needs a package that is not installed.

    Notes
    -----
    What causal-learn prints is not shown, and its warnings are passed on. Some of its searches depend on the
    order of the columns.

    References
    ----------
    .. [1] Y. Zheng et al., "Causal-learn: causal discovery in Python", Journal of Machine Learning Research
       25, 2024, arXiv:2307.16405.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.discovery import CausalLearn
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 500))
    >>> CausalLearn("boss").fit({"x": x, "y": y, "c": x + y + rng.normal(size=500)}).graph_
    CPDAG.from_string('x; y; x -> c; y -> c')
    """

    def __init__(
        self,
        algorithm: str = "boss",
        *,
        options: Mapping[str, Any] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.algorithm = algorithm
        self.options = options
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> CausalLearn:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The data.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        CausalLearn
            The estimator itself.
        """
        if self.algorithm not in _ALGORITHMS:
            raise UnknownNameError(self.algorithm, tuple(_ALGORITHMS), what="`algorithm`")
        found, names = named_matrix(X)
        matrix = np.ascontiguousarray(to_numpy(found), dtype=np.float64)
        if matrix.shape[0] < 2 or matrix.shape[1] < 1:
            raise DataError(f"`X` must have at least 2 rows and 1 feature(s), got shape {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise DataError("`X` must be finite, got missing values (NaN) or infinity (inf)")
        run = _ALGORITHMS[self.algorithm]
        with _quiet(keyed_seed(as_seed(self.random_state), "causal-learn", self.algorithm)):
            self.graph_, self.weights_ = run(matrix, names, dict(self.options or {}))
        self.n_features_in_ = len(names)
        if all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self


@contextlib.contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """Seed the global generators, hide what is printed, and put everything back."""
    ours, theirs = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", category=DeprecationWarning)
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(theirs)  # noqa: NPY002


def _class_of(graph: Any, names: Names) -> PDAG:
    """Return the equivalence class, or the graph as it is where it is none."""
    found = PDAG.from_causallearn(graph, names)
    try:
        return found.to_cpdag()
    except GraphError:
        return found


def _pc(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
    from causallearn.search.ConstraintBased.PC import pc

    return _class_of(pc(X, show_progress=False, **options).G.graph, names), None


def _fci(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
    from causallearn.search.ConstraintBased.FCI import fci

    graph, _ = fci(X, show_progress=False, **options)
    return PAG.from_causallearn(graph.graph, names), None


def _ges(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
    from causallearn.search.ScoreBased.GES import ges

    return _class_of(ges(X, **options)["G"].graph, names), None


def _grasp(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
    from causallearn.search.PermutationBased.GRaSP import grasp

    return _class_of(grasp(X, verbose=False, **options).graph, names), None


def _boss(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
    from causallearn.search.PermutationBased.BOSS import boss

    return _class_of(boss(X, verbose=False, **options).graph, names), None


def _exact(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
    from causallearn.search.ScoreBased.ExactSearch import bic_exact_search

    adjacency, _ = bic_exact_search(X, **options)
    return DAG.from_adjacency(adjacency, names), None


def _lingam(name: str) -> Callable[[Matrix, Names, dict[str, Any]], Answer]:
    def run(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
        from causallearn.search.FCMBased import lingam

        model = getattr(lingam, name)(**{"random_state": 0, **options} if name != "RCD" else options)
        model.fit(X)
        weights = np.asarray(model.adjacency_matrix_).T  # theirs has the effect of j on i at [i, j]
        if name != "RCD":
            return DAG.from_adjacency((weights != 0).astype(np.int8), names), weights
        # A hidden common cause is NaN both ways.
        hidden = np.argwhere(np.triu(np.isnan(weights) & np.isnan(weights.T)))
        known = np.nan_to_num(weights)
        return _mixed(np.argwhere(known).tolist(), hidden.tolist(), names), known

    return run


def _cam_uv(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
    try:
        from causallearn.search.FCMBased.lingam import CAMUV
    except ModuleNotFoundError as error:  # causal-learn does not require what this one needs
        raise MissingDependencyError(
            f"the CAM-UV algorithm of causal-learn needs the package {error.name!r}, which is not installed"
        ) from error

    settings = {"alpha": 0.01, "num_explanatory_vals": 3, **options}
    parents, hidden = CAMUV.execute(X, settings["alpha"], settings["num_explanatory_vals"])
    directed = [(parent, child) for child, found in enumerate(parents) for parent in sorted(found)]
    return _mixed(directed, [sorted(pair) for pair in hidden], names), None


def _gin(X: Matrix, names: Names, options: dict[str, Any]) -> Answer:
    from causallearn.search.HiddenCausal.GIN.GIN import GIN

    graph, _ = GIN(X, **options)
    labels = [node.get_name() for node in graph.get_nodes()]
    # Measured variables are called X1, X2, ... there; the hidden ones L1, L2, ...
    named = [names[int(label[1:]) - 1] if label.startswith("X") else label for label in labels]
    found = PDAG.from_causallearn(graph.graph, named)
    if found.undirected_edges:
        return found, None
    hidden = [label for label in labels if label.startswith("L")]
    return DAG(found.directed_edges, nodes=found.nodes, latent=hidden), None


def _mixed(directed: list[Any], bidirected: list[Any], names: Names) -> ADMG:
    return ADMG(
        [(names[i], names[j]) for i, j in directed],
        [(names[i], names[j]) for i, j in bidirected],
        nodes=names,
    )


_ALGORITHMS: dict[str, Callable[[Matrix, Names, dict[str, Any]], Answer]] = {
    "boss": _boss,
    "cam_uv": _cam_uv,
    "direct_lingam": _lingam("DirectLiNGAM"),
    "exact": _exact,
    "fci": _fci,
    "ges": _ges,
    "gin": _gin,
    "grasp": _grasp,
    "ica_lingam": _lingam("ICALiNGAM"),
    "pc": _pc,
    "rcd": _lingam("RCD"),
}
