"""The plug-in: any identified estimand, with the data put into it, and an interval."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._data import codes, read_outcome
from causalrep.estimators._monte_carlo import mean_by_draws
from causalrep.estimators._result import EffectResult, limits, standard_error
from causalrep.identification import Identification, identify
from causalrep.utils import (
    Columns,
    DataError,
    PositivityError,
    PositivityWarning,
    RandomState,
    UnknownNameError,
    as_seed,
    columns_of,
    keyed_generator,
)

__all__ = ["PlugIn"]

Array = NDArray[np.float64]

_METHODS = ("auto", "shares", "draws")
_STEP = 1e-3
_MOST_VALUES = 50


class PlugIn(BaseEstimator):  # type: ignore[misc]
    """Estimate the effect of setting variables by whatever formula a graph identifies it.

    Adjustment, front door, or no formula with a name: probabilities in the estimand are replaced by shares of
    rows where all its variables are discrete, and else by models to draw from. It assumes that the graph is
    right, and rows in every stratum that the estimand needs; with draws also that the models are right.

    Parameters
    ----------
    graph : DAG, ADMG, Identification or networkx.DiGraph, default=None
        The causal graph, with latent nodes declared; or what `causalrep.identification.identify` answered to
        the question ``P(outcome | do(treatment))``.
    treatment : hashable or sequence of hashable, default=None
        The nodes that are set.
    outcome : hashable, default=None
        The outcome, a node with numbers for values.
    method : {"auto", "shares", "draws"}, default="auto"
        Shares of rows, or Monte Carlo draws; with ``"auto"`` shares where no variable has more than 50
        values.
    model : {"linear"} or regressor, default="linear"
        For draws: the mean of a variable of more than 20 values given others; its residuals are drawn with
        it. Others are drawn by multinomial regression.
    n_draws : int, default=10000
        Number of draws.
    n_bootstrap : int, default=100
        For draws: resamples of the rows, on which the models are fitted again for the standard error.
    random_state : int, Generator, RandomState or None, default=None
        Chance in draws and resamples.

    Attributes
    ----------
    identification_ : Identification
        The estimand, and how it was found.
    columns_ : tuple of hashable
        The columns that the estimand mentions.
    method_ : str
        Shares or draws.
    n_cells_ : int
        Number of different rows; shares only.

    Raises
    ------
    NotIdentifiableError
        In `fit`: if the graph does not identify the effect; with the witness.
    UnknownNameError, DataError
        In `fit`: for names that are no nodes or columns, for values that are missing or too many.

    Notes
    -----
    The estimand is a smooth function of the shares p of the different rows. Its influence function at row c,
    the derivative along ``(1 - e) p + e delta_c``, gives the standard error (the delta method), which is the
    efficient one where the graph implies no constraint on the observed distribution. Derivatives are
    central differences, so that a fit evaluates the estimand twice for each different row. Where the
    estimand depends on a variable that the question does not mention, it is averaged over its distribution.

    Draws go through sums of products, factor by factor, from what has no conditions to the outcome, whose
    mean is taken; a value that is set gives a weight, and a ratio is one of two means over the same draws.
    Their `influence` is a bootstrap estimate, the covariance of the estimate with the count of each row,
    scaled to the standard error.

    References
    ----------
    .. [1] J. Tian, J. Pearl, "A general identification condition for causal effects", AAAI 2002.
    .. [2] R. Bhattacharya, R. Nabi, I. Shpitser, "Semiparametric inference for causal effects in graphical
       models with hidden variables", Journal of Machine Learning Research 23, 2022.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.estimators import PlugIn
    >>> from causalrep.graphs import ADMG
    >>> rng = np.random.default_rng(0)
    >>> hidden, t = rng.integers(2, size=4000), rng.random(4000)
    >>> t = (t < 0.3 + 0.4 * hidden).astype(int)
    >>> m = (rng.random(4000) < 0.2 + 0.5 * t).astype(int)
    >>> y = 2 * m - 3 * hidden
    >>> graph = ADMG(directed=[("t", "m"), ("m", "y")], bidirected=[("t", "y")], nodes=["t", "m", "y"])
    >>> est = PlugIn(graph, treatment="t", outcome="y").fit(pd.DataFrame({"t": t, "m": m}), y)
    >>> low, high = est.effect(0, 1).ci
    >>> est.identification_.strategy, bool(low < 1 < high)
    ('frontdoor', True)
    """

    def __init__(
        self,
        graph: Any = None,
        treatment: Hashable | Sequence[Hashable] | None = None,
        outcome: Hashable | None = None,
        *,
        method: str = "auto",
        model: Any = "linear",
        n_draws: int = 10_000,
        n_bootstrap: int = 100,
        random_state: RandomState = None,
    ) -> None:
        self.graph = graph
        self.treatment = treatment
        self.outcome = outcome
        self.method = method
        self.model = model
        self.n_draws = n_draws
        self.n_bootstrap = n_bootstrap
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, cluster: Any = None) -> PlugIn:
        """Find the estimand and count the rows.

        Parameters
        ----------
        X : data frame
            Columns named like the nodes that were observed; others are not used.
        y : array of shape (n_samples,), default=None
            The outcome, where it is no column of X.
        cluster : array of shape (n_samples,), default=None
            Rows of one cluster may depend on each other; standard errors allow for it.

        Returns
        -------
        PlugIn
            The estimator itself.
        """
        for name in ("graph", "treatment", "outcome"):
            if getattr(self, name) is None:
                raise DataError(f"`{name}` is missing: PlugIn(graph, treatment='t', outcome='y')")
        if self.method not in _METHODS:
            raise UnknownNameError(self.method, _METHODS, what="`method`")
        for name, least in (("n_draws", 1), ("n_bootstrap", 2)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise DataError(f"`{name}` must be an integer of at least {least}, got {value!r}")
        columns = columns_of(X, what="X")
        if y is not None:
            if self.outcome in columns:
                raise DataError(f"the outcome {self.outcome!r} is a column of X; leave `y` out")
            columns = {**columns, self.outcome: read_outcome(self, y, _length(columns, y))}
        self.identification_ = self._identified()
        estimand = self.identification_.estimand
        mentioned = {v.name for term in estimand.terms() for v in (*term.outcome, *term.given, *term.do)}
        mentioned |= {self.outcome, *self._treatments()}
        unknown = [name for name in self.identification_.graph.nodes if name in mentioned - set(columns)]
        if unknown:
            raise UnknownNameError(unknown[0], columns, what="the estimand")
        self.columns_ = tuple(name for name in columns if name in mentioned)
        self._read({name: columns[name] for name in self.columns_})
        n = len(columns[self.outcome])
        self._cluster = None if cluster is None else codes(cluster, n, "cluster")
        return self

    def _treatments(self) -> list[Hashable]:
        several = isinstance(self.treatment, (list, tuple))
        return list(self.treatment) if several else [self.treatment]  # type: ignore[arg-type]

    def _identified(self) -> Identification:
        if not isinstance(self.graph, Identification):
            return identify(self.graph, outcome=self.outcome, treatment=self._treatments())
        query = self.graph.query
        asked = {name for name, _ in query.do}, {potential.variable for potential, _ in query.outcome}
        if asked != (set(self._treatments()), {self.outcome}) or query.given or query.is_counterfactual:
            raise DataError(
                f"`graph` answers {query}, which is not the distribution of {self.outcome!r} under an action "
                f"on {self._treatments()}"
            )
        return self.graph

    def _read(self, columns: Columns) -> None:
        """Code columns, and rows by the different ones that there are; or keep numbers to draw from."""
        coded = {name: _coded(name, values) for name, values in columns.items()}
        self._states = {name: states for name, (states, _) in coded.items()}
        if self._states[self.outcome].dtype.kind not in "biuf":
            raise DataError(f"the outcome {self.outcome!r} must have numbers for values")
        most = max(self._states, key=lambda name: len(self._states[name]))
        n_states = len(self._states[most])
        if self.method == "shares" and n_states > _MOST_VALUES:
            raise DataError(
                f"the column {most!r} has {n_states} values; shares are for discrete columns, of "
                f"{_MOST_VALUES} values at the most: put it into classes, or use method='draws'"
            )
        many = self.method == "auto" and n_states > _MOST_VALUES
        self.method_ = "draws" if many or self.method == "draws" else "shares"
        if self.method_ == "draws":
            self._seed = as_seed(self.random_state)
            texts = [name for name, states in self._states.items() if states.dtype.kind not in "biuf"]
            if texts:
                raise DataError(f"the column {texts[0]!r} must be numeric for draws; encode it first")
            self._numbers = {name: states[code].astype(float) for name, (states, code) in coded.items()}
            return
        rows = np.column_stack([code for _, code in coded.values()])
        cells, self._cell, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
        self._table: Columns = {
            name: states[cells[:, j]] for j, (name, states) in enumerate(self._states.items())
        }
        self._shares = counts / counts.sum()
        self.n_cells_ = len(counts)

    # --- effects -------------------------------------------------------------------------------------

    def mean(self, do: Any, *, alpha: float = 0.05) -> EffectResult:
        """Return the mean of the outcome if the treatment were set.

        Parameters
        ----------
        do : value or mapping of hashable to value
            The value of the treatment, or of each node that is set.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The mean.

        Raises
        ------
        PositivityError
            If the estimand needs a stratum that has no rows.
        """
        check_is_fitted(self)
        return self._pack(*self._solved(self._action(do)), alpha, f"mean under do({_text(self._action(do))})")

    def effect(self, control: Any, treated: Any, *, alpha: float = 0.05) -> EffectResult:
        """Return the difference of the means under two actions.

        Parameters
        ----------
        control, treated : value or mapping of hashable to value
            The actions, see `mean`.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The second mean less the first.
        """
        check_is_fitted(self)
        (low, low_influence), (high, high_influence) = (
            self._solved(self._action(do)) for do in (control, treated)
        )
        what = f"effect of do({_text(self._action(treated))}) against do({_text(self._action(control))})"
        return self._pack(high - low, high_influence - low_influence, alpha, what)

    def ate(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the average effect of a treatment of two values, the larger against the smaller.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The effect.
        """
        check_is_fitted(self)
        treatments = self._treatments()
        states = self._states[treatments[0]]
        if len(treatments) > 1 or len(states) != 2:
            raise DataError("the treatment has not two values; say which by effect(control, treated)")
        return self.effect(states[0], states[1], alpha=alpha)

    def _action(self, do: Any) -> dict[Hashable, Any]:
        treatments = self._treatments()
        action = dict(do) if isinstance(do, Mapping) else {treatments[0]: do}
        if set(action) != set(treatments):
            raise DataError(f"an action must set {treatments}, got {list(action)}")
        for name, value in action.items():
            if self.method_ == "shares" and value not in self._states[name]:
                raise UnknownNameError(value, self._states[name].tolist(), what=f"the action on {name!r}")
        return action

    def _solved(self, action: dict[Hashable, Any]) -> tuple[float, Array]:
        """Return the mean under an action, and its influence function at each row."""
        return self._from_draws(action) if self.method_ == "draws" else self._from_shares(action)

    def _from_shares(self, action: dict[Hashable, Any]) -> tuple[float, Array]:
        step = _STEP / len(self._cell)
        value = self._value(action, self._shares)
        gradient = np.empty(self.n_cells_)
        for cell in range(self.n_cells_):
            toward = -self._shares
            toward[cell] += 1
            ends = [self._value(action, self._shares + sign * step * toward) for sign in (1, -1)]
            gradient[cell] = (ends[0] - ends[1]) / (2 * step)
        return value, gradient[self._cell]

    def _from_draws(self, action: dict[Hashable, Any]) -> tuple[float, Array]:
        n = len(self._numbers[self.outcome])
        groups = np.arange(n) if self._cluster is None else self._cluster
        n_groups = int(groups.max()) + 1
        estimand = self.identification_.estimand

        def mean(columns: Mapping[Hashable, Array]) -> float:
            given = {"model": self.model, "n_draws": self.n_draws, "seed": self._seed}
            return mean_by_draws(estimand, columns, self.outcome, action, **given)

        found, counts = np.empty(self.n_bootstrap), np.empty((self.n_bootstrap, n_groups))
        for k in range(self.n_bootstrap):
            drawn = keyed_generator(self._seed, "resample", k).integers(n_groups, size=n_groups)
            counts[k] = np.bincount(drawn, minlength=n_groups)
            rows = np.repeat(np.arange(n), counts[k][groups].astype(int))
            found[k] = mean({name: values[rows] for name, values in self._numbers.items()})
        covariance = (counts - 1).T @ (found - found.mean()) / self.n_bootstrap
        influence = covariance[groups] - covariance[groups].mean()
        scale = float(np.std(found, ddof=1)) / float(standard_error(influence, self._cluster))
        return mean(self._numbers), influence * scale

    def _value(self, action: dict[Hashable, Any], shares: Array) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PositivityWarning)
            try:
                found = self.identification_.evaluate({**self._table, "p": shares}, do=action)
            except (PositivityWarning, PositivityError) as error:
                raise PositivityError(f"{error}; the effect cannot be estimated from these rows") from error
        columns = columns_of(found)
        return float(np.asarray(columns[self.outcome], dtype=float) @ np.asarray(columns["p"], dtype=float))

    def _pack(self, estimate: float, influence: Array, alpha: float, what: str) -> EffectResult:
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha}")
        se = float(standard_error(influence, self._cluster))
        method = f"PlugIn ({self.identification_.strategy}), {what}"
        return EffectResult(estimate, se, limits(estimate, se, alpha), influence, len(influence), method)


def _length(columns: Columns, y: Any) -> int:
    return len(next(iter(columns.values()))) if columns else len(y)


def _text(action: Mapping[Hashable, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in action.items())


def _coded(name: Hashable, values: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the different values of a column in sorted order, and which of them each row has."""
    values = np.asarray(values)
    if values.dtype == object:
        if any(value is None or value != value for value in values):
            raise DataError(f"the column {name!r} has missing values")
        values = values.astype(str)
    elif values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"the column {name!r} contains NaN or infinity")
    states, code = np.unique(values, return_inverse=True)
    return states, code
