"""Learn the mechanisms of a model from data: one node at a time, in parallel, each with its own seed."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._build import as_mechanism, check_agreement
from causalrep.scm._candidates import as_learner
from causalrep.scm._choose import Choice, choose
from causalrep.scm._distributions import Distribution
from causalrep.scm._encoding import Encoding, is_categorical
from causalrep.scm._learner import Learner, Rows
from causalrep.scm._mechanism import Array, Mechanism
from causalrep.scm._unfitted import Unfitted
from causalrep.utils import (
    CausalRepError,
    Columns,
    DataError,
    RandomState,
    UnknownNameError,
    as_seed,
    columns_of,
    frame_like,
    suggestion,
)

if TYPE_CHECKING:
    import pandas as pd

    from causalrep.graphs import DAG

__all__ = ["FitMixin"]

_LEAST_ROWS = 10
_COLUMNS = (
    "node",
    "mechanism",
    "log_likelihood",
    "behind_best",
    "standard_error",
    "independence",
    "chosen",
)


class FitMixin:
    """How an `SCM` learns its mechanisms."""

    if TYPE_CHECKING:  # what it finds in the SCM
        _graph: DAG
        _mechanisms: dict[Hashable, Mechanism]
        _templates: dict[Hashable, Array]
        _joints: dict[Hashable, Any]

        @property
        def interventions(self) -> dict[Hashable, Mechanism]: ...

    _support: Mapping[Hashable, tuple[float, float]] = {}
    _choices: tuple[dict[str, Any], ...] | None = None

    def fit(
        self,
        data: Any,
        mechanisms: str | Mapping[Hashable, Any] = "auto",
        *,
        cv: int = 5,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> Self:
        """Learn the mechanisms from data and return the model itself.

        Each node is learned from its parents alone. The noise law is estimated from residuals of rows that
        the fit had not seen: those of the training rows would be too small.

        Parameters
        ----------
        data : data frame, mapping of node to array, or array of shape (n, n_nodes)
            The rows; the columns of a plain array are called 0, 1, 2, ... Columns that are not nodes
            are not read.
        mechanisms : str or mapping of node to learner, default="auto"
            One word for all nodes, or for each node a word, a `Learner`, an estimator of scikit-learn, a list
            of these to choose from, or a mechanism that is known. Nodes that a mapping leaves out keep the
            mechanism that the model has; if it has none, "auto". Words are "auto", "linear",
            "spline", "heteroscedastic", "postnonlinear", "boosting", "gp" (at most 2,000 rows), "mlp", "flow"
            for continuous nodes, "cpt", "logistic", "boosting" for discrete ones, "poisson" and
            "negative_binomial" for counts; "linear" fits any. A word for all nodes that does not suit a
            node is an error; a node without parents gets a law whatever the word.
        cv : int, default=5
            Number of folds.
        n_jobs : int, optional
            Processes that learn nodes side by side, through joblib; the result does not depend on it.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of the folds and of learners that need chance.

        Returns
        -------
        SCM
            The model itself, with `choices_`. Interventions made before stay with the old mechanisms.

        Raises
        ------
        DataError
            If a node has no column (and is not latent with a mechanism given), or a column has missing or
            infinite values, dates, or one value only; if there are fewer than 10 rows, or a learner does
            not suit a node.
        UnknownNameError
            If `mechanisms` names what is no node or no learner.
        CausalRepError
            If the model was intervened on.

        Warns
        -----
        UserWarning
            If there are so few rows that the number of folds is reduced.

        Notes
        -----
        "auto" takes two numbers, truth values, text, and up to ten integers for categories, other integers
        from 0 to 1000 for counts; five to ten different integers, 0 among them, may be either, and the
        likelihood decides. For a continuous node it compares a line with penalised splines; a
        scale that depends on the parents is tried where residuals call for it, gradient boosting where small
        trees find something in the residuals of the spline. The simplest candidate within one standard
        error of the best out-of-fold likelihood is taken, one with residuals that are independent of the
        parents before others.

        Examples
        --------
        >>> from causalrep.graphs import DAG
        >>> from causalrep.scm import SCM
        >>> truth = SCM.from_equations("X = N(0, 1); Y = sin(2*X) + N(0, 0.3)")
        >>> model = SCM(DAG([("X", "Y")])).fit(truth.sample(2000, random_state=0), random_state=0)
        >>> model.choices_.query("chosen")[["node", "mechanism"]].to_numpy().tolist()
        [['X', 'normal'], ['Y', 'spline']]
        >>> model.counterfactual({"X": [0.0], "Y": [0.2]}, do={"X": 0.8})["Y"].round(1)
        array([1.2])
        """
        if self.interventions:
            raise CausalRepError("fit the model before intervening; this one has interventions in place")
        columns = _observed(data, self._graph)
        given, wanted = self._plan_of_fit(mechanisms, columns)
        folds = _checked_folds(cv, columns)
        _check_columns({node: columns[node] for node in self._needed(wanted)}, wanted)
        seed = as_seed(random_state)
        tasks = [(self._rows(node, columns), spec) for node, spec in wanted.items()]
        choices = _in_parallel(tasks, folds, seed, n_jobs)
        learned = {rows.node: choice.mechanism for (rows, _), choice in zip(tasks, choices, strict=True)}
        self._become({**given, **learned})
        self._choices = tuple(line for choice in choices for line in choice.lines)
        self._support = {node: _range(columns[node]) for node in wanted if not _labelled(columns[node])}
        return self

    @property
    def choices_(self) -> pd.DataFrame:
        """What `fit` compared: a frame with one row for each node and candidate.

        Columns are ``node``, ``mechanism``, ``log_likelihood`` (mean per row, out of fold), ``behind_best``
        and its ``standard_error``, ``independence`` (p-value that the size of residuals does not depend on
        the parents; NaN where there are none) and ``chosen``.
        """
        if self._choices is None:
            from sklearn.exceptions import NotFittedError

            raise NotFittedError("the model was not fitted; call fit(data) first")
        table: Columns = {name: np.array([line[name] for line in self._choices]) for name in _COLUMNS}
        frame: pd.DataFrame = frame_like(table)
        return frame

    def _plan_of_fit(
        self, mechanisms: str | Mapping[Hashable, Any], columns: Columns
    ) -> tuple[dict[Hashable, Mechanism], dict[Hashable, Any]]:
        """Return the mechanisms that are known, and what is wanted for every other node."""
        if isinstance(mechanisms, str):
            specs: dict[Hashable, Any] = dict.fromkeys(self._graph.nodes, mechanisms)
        elif isinstance(mechanisms, Mapping):
            specs = dict(mechanisms)
        else:
            raise TypeError(
                f"`mechanisms` must be a str or a mapping of node to learner, got {type(mechanisms).__name__}"
            )
        for node in specs:
            if node not in self._graph:
                raise UnknownNameError(node, self._graph.nodes, what="`mechanisms`")
        given: dict[Hashable, Mechanism] = {}
        wanted: dict[Hashable, Any] = {}
        for node in self._graph.nodes:
            own = self._mechanisms[node]
            spec = specs.get(node, own.learner if isinstance(own, Unfitted) else own)
            hidden = node not in columns and not isinstance(own, Unfitted)
            if hidden and isinstance(spec, str):
                spec = own  # a latent node keeps the mechanism it was given
            if _is_known(spec):
                given[node] = as_mechanism(node, spec, None)
            else:
                wanted[node] = spec
        self._check_hidden(columns, wanted)
        check_agreement(self._graph, {**dict.fromkeys(wanted, Unfitted()), **given})
        return given, wanted

    def _needed(self, wanted: Mapping[Hashable, Any]) -> list[Hashable]:
        read = {node for target in wanted for node in (target, *self._graph.parents(target))}
        return [node for node in self._graph.nodes if node in read]

    def _check_hidden(self, columns: Columns, wanted: Mapping[Hashable, Any]) -> None:
        for node in self._needed(wanted):
            if node in columns:
                continue
            if node in self._graph.latent:
                raise DataError(
                    f"{node!r} is latent: neither it nor a node that reads it can be learned from data "
                    "that do not have it; give the mechanisms of these nodes, mechanisms={...}"
                )
            raise DataError(
                f"`data` has no column {node!r}{suggestion(node, columns)}; declare the node latent, or give "
                "the mechanisms that read it"
            )

    def _rows(self, node: Hashable, columns: Columns) -> Rows:
        parents = {parent: columns[parent] for parent in self._graph.parents(node)}
        return Rows(node, parents, columns[node], Encoding.of(parents))

    def _become(self, mechanisms: Mapping[Hashable, Mechanism]) -> None:
        """Take over mechanisms; models made from this one by interventions keep what they had."""
        changed = {node for node, own in self._mechanisms.items() if mechanisms[node] is not own}
        self._mechanisms = {node: mechanisms[node] for node in self._graph.nodes}
        self._joints = {node: law for node, law in self._joints.items() if node not in changed}
        self._templates = {}


def _is_known(spec: Any) -> bool:
    """Say whether a specification is a mechanism rather than something that learns one."""
    if isinstance(spec, Mechanism) and getattr(spec, "learner", None) is not None:
        return False  # `Unfitted`, or a mechanism that is still to be fitted
    if isinstance(spec, (Mechanism, Distribution)):
        return True
    return callable(spec) and not isinstance(spec, Learner) and not hasattr(spec, "fit")


def _observed(data: Any, graph: DAG) -> Columns:
    columns = columns_of(data)
    for name, column in columns.items():
        if name in graph and np.asarray(column).ndim != 1:
            raise DataError(f"the column {name!r} must have one value per row, got shape {column.shape}")
    return columns


def _checked_folds(cv: int, columns: Columns) -> int:
    n = len(next(iter(columns.values()), ()))
    if isinstance(cv, bool) or not isinstance(cv, (int, np.integer)) or cv < 2:
        raise DataError(f"`cv` must be an integer from 2 on, got {cv!r}")
    if n < _LEAST_ROWS:
        raise DataError(f"`data` must have at least {_LEAST_ROWS} rows to learn from, got {n}")
    if n < 2 * cv:
        warnings.warn(f"{n} rows are too few for {cv} folds; {n // 2} are used", stacklevel=3)
        return n // 2
    return int(cv)


def _labelled(column: NDArray[Any]) -> bool:
    return is_categorical(column) or column.dtype.kind == "b"


def _range(column: NDArray[Any]) -> tuple[float, float]:
    return float(column.min()), float(column.max())


def _check_columns(columns: Mapping[Hashable, NDArray[Any]], wanted: Mapping[Hashable, Any]) -> None:
    for node, column in columns.items():
        kind = column.dtype.kind
        if kind in "mMcV":
            raise DataError(f"the column {node!r} has dtype {column.dtype}; numbers or labels are expected")
        missing = ~np.isfinite(column) if kind == "f" else _absent(column) if kind == "O" else None
        if missing is not None and missing.any():
            raise DataError(
                f"the column {node!r} has {int(missing.sum())} missing or infinite value(s), the first "
                f"in row {int(np.argmax(missing))}; drop or impute them first"
            )
        if node in wanted and bool((column == column[0]).all()):
            raise DataError(
                f"the column {node!r} has one value only, {column[0]!r}, so nothing can be learned about it; "
                "give its mechanism, mechanisms={...: Dirac(value)} if it is a constant"
            )


def _absent(column: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([value is None or value != value for value in column.tolist()])


def _in_parallel(tasks: list[tuple[Rows, Any]], cv: int, seed: int, n_jobs: int | None) -> list[Choice]:
    if n_jobs in (None, 1):
        return [_learn(rows, spec, cv, seed) for rows, spec in tasks]
    from joblib import Parallel, delayed

    found: list[Choice] = Parallel(n_jobs=n_jobs)(
        delayed(_learn)(rows, copy.deepcopy(spec), cv, seed) for rows, spec in tasks
    )
    return found


def _learn(rows: Rows, spec: Any, cv: int, seed: int) -> Choice:
    """Learn one node on one thread: its matrices are small, and nodes go side by side."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return choose(rows, as_learner(spec, rows), cv, seed)
