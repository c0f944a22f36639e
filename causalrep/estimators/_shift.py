"""What if every dose were a little different: modified treatment policies."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from causalrep.estimators._base import EffectEstimator
from causalrep.estimators._crossfit import Nuisance, cross_fit, make_splits
from causalrep.estimators._data import Sample, Treatment, read_outcome, read_table
from causalrep.estimators._learners import classifier, regressor
from causalrep.estimators._overlap import OverlapWarning, effective_size
from causalrep.estimators._result import EffectResult
from causalrep.estimators._scores import LinearScore
from causalrep.utils import DataError, RandomState, as_seed

__all__ = ["ShiftIntervention"]

Array = NDArray[np.float64]

_LEAST_SHARE = 0.1


class ShiftIntervention(EffectEstimator):
    """Estimate what outcomes would be if every row had a little more, or less, of a dose than it had.

    The intervention depends on the dose that each row would have had, so that nobody is sent to doses that
    nobody like them has: it needs less overlap than a dose-response curve. It assumes that the covariates
    block all back-door paths, and that shifted doses occur at all their values.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the dose; not needed where `fit` gets an array.
    shift : float or callable, default=1.0
        What is added to the dose, in its units; or a function of doses, of shape (n,), and covariates, of
        shape (n, n_covariates), to new doses.
    outcome_model : {"auto", "linear"} or estimator, default="auto"
        Regressor of the outcome on dose and covariates.
    ratio_model : {"auto", "linear"} or classifier, default="auto"
        Tells shifted rows from rows as they are: its odds are the ratio of the densities of their doses.
    cv : int, splitter or iterable of (train, test), default=5
        Folds.
    n_rep : int, default=1
        Repetitions of the cross-fitting; the estimate is the median.
    max_ratio : float, default=50.0
        Largest density ratio; larger ones are moved there, with a warning.
    n_jobs : int, default=None
        Number of parallel fits; the results do not depend on it.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    effective_size_ : float
        Number of independent rows that the weighted rows are worth.
    n_clipped_ : int
        Rows whose ratio was above `max_ratio`.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of shape (n_features,), object
        Their names, where all are strings.

    Raises
    ------
    DataError
        In `fit`: for a dose that is no number, a shift that changes nothing, parameters out of range.

    Warns
    -----
    OverlapWarning
        Where shifted doses hardly occur.

    Notes
    -----
    The one-step estimator of [1]_: the mean of ``ratio * (y - m(t, x)) + m(shifted t, x)``. The ratio of the
    density of the shifted dose to that of the dose is found by classification, as in [2]_, section 5.4.

    References
    ----------
    .. [1] I. Díaz, M. J. van der Laan, "Stochastic treatment regimes", in Targeted Learning in Data Science,
       2018; "Population intervention causal effects based on stochastic interventions", Biometrics 68, 2012.
    .. [2] I. Díaz, N. Williams, K. L. Hoffman, E. J. Schenck, "Nonparametric causal effects based on
       longitudinal modified treatment policies", Journal of the American Statistical Association 118, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import ShiftIntervention
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(2000, 1))
    >>> dose = w[:, 0] + rng.normal(size=2000)
    >>> y = 2 * dose + w[:, 0] + rng.normal(size=2000)
    >>> low, high = ShiftIntervention(shift=0.5, random_state=0).fit(w, y, treatment=dose).ate().ci
    >>> bool(low < 1 < high)
    True
    """

    _uses = ("treatment", "time", "cluster")
    _nuisances = ("outcome_model", "ratio_model")
    _estimands = ("ate",)

    def __init__(
        self,
        treatment: str | int | None = None,
        shift: float | Callable[[Array, Array], Array] = 1.0,
        *,
        outcome_model: Any = "auto",
        ratio_model: Any = "auto",
        cv: Any = 5,
        n_rep: int = 1,
        max_ratio: float = 50.0,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.shift = shift
        self.outcome_model = outcome_model
        self.ratio_model = ratio_model
        self.cv = cv
        self.n_rep = n_rep
        self.max_ratio = max_ratio
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _treatment_kind(self) -> str:
        return "continuous"

    def _fit(self, sample: Sample, treatment: Treatment, roles: dict[str, NDArray[Any]]) -> None:  # noqa: ARG002
        if not isinstance(self.n_rep, (int, np.integer)) or self.n_rep < 1:
            raise DataError(f"`n_rep` must be an integer of at least 1, got {self.n_rep!r}")
        if not self.max_ratio > 1:
            raise DataError(f"`max_ratio` must be above 1, got {self.max_ratio}")
        n, seed = len(sample.y), as_seed(self.random_state)
        both = self._stacked(sample.t, sample.W)
        if np.array_equal(both[:n, 0], both[n:, 0]):
            raise DataError("`shift` leaves all doses as they are")
        ratio_model = classifier(self.ratio_model, both)
        if not is_classifier(ratio_model):
            raise DataError(f"`ratio_model` must be a classifier, got {type(ratio_model).__name__}")
        is_shifted = np.repeat([0.0, 1.0], n)
        splits = make_splits(
            self.cv,
            n,
            strata=None,
            groups=sample.cluster,
            n_rep=int(self.n_rep),
            seed=seed,
            time=sample.time,
        )
        twice = [
            [(np.append(train, train + n), np.append(test, test + n)) for train, test in folds]
            for folds in splits
        ]  # a row and its shifted copy are in one fold
        self._repetitions = cross_fit(
            {
                "outcome": Nuisance(
                    regressor(self.outcome_model, both), np.tile(sample.y, 2), is_shifted == 0
                ),
                "ratio": Nuisance(ratio_model, is_shifted),
            },
            both,
            twice,
            weight=None if sample.fit_weight is None else np.tile(sample.fit_weight, 2),
            n_jobs=self.n_jobs,
            seed=seed,
        )
        self._read_ratios(sample)

    def _stacked(self, t: Array, W: Array) -> Array:
        """Return doses and covariates as they are, and below them as they would be."""
        shifted = self.shift(t, W) if callable(self.shift) else t + self.shift
        shifted = np.asarray(shifted, dtype=np.float64)
        if shifted.shape != t.shape or not np.isfinite(shifted).all():
            raise DataError(f"`shift` must give a finite dose for each of {len(t)} rows, got {shifted.shape}")
        return np.vstack([np.column_stack([t, W]), np.column_stack([shifted, W])])

    def _ratio(self, p: Array) -> Array:
        return np.asarray(np.minimum(p / np.maximum(1 - p, 1e-12), self.max_ratio))

    def _read_ratios(self, sample: Sample) -> None:
        n = len(sample.y)
        self._ratios = [self._ratio(rep["ratio"].values[:n]) for rep in self._repetitions]
        ratio = self._ratios[0]
        self.n_clipped_ = int(np.sum(ratio >= self.max_ratio))
        self.effective_size_ = effective_size(sample.weight * ratio)
        said = []
        if self.n_clipped_:
            said.append(
                f"the density ratios of {self.n_clipped_} of {n} rows are above {self.max_ratio:g} and were "
                "moved there"
            )
        if self.effective_size_ < _LEAST_SHARE * n or ratio.mean() < 0.5:
            said.append(
                f"the {n} rows are worth {self.effective_size_:.1f} when weighted, with ratios of mean "
                f"{ratio.mean():.2f} instead of 1: shifted doses hardly occur, and the effect rests on the "
                "outcome model; shift by less"
            )
        self._said = tuple(said)
        for text in said:
            warnings.warn(OverlapWarning(text), stacklevel=4)

    def _messages(self) -> tuple[str, ...]:
        return self._said

    def _one_step(self, rep: int) -> Array:
        sample, n = self._sample, len(self._sample.y)
        m = self._repetitions[rep]["outcome"].values
        return np.asarray(self._ratios[rep] * (sample.y - m[:n]) + m[n:])

    def _scores(self, estimand: str) -> list[LinearScore]:  # noqa: ARG002
        y = self._sample.y
        return [LinearScore(self._one_step(rep) - y, np.ones_like(y)) for rep in range(len(self._ratios))]

    def mean_outcome(self, *, alpha: float = 0.05) -> EffectResult:
        """Return the mean outcome under the intervention.

        Parameters
        ----------
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            `ate` is the difference to the mean outcome as it is.
        """
        effect = self.ate(alpha=alpha)
        weight, y = self._sample.weight, self._sample.y
        mean = float(np.mean(weight * y))
        influence = effect.influence + weight * (y - mean)
        return self._pack(effect.estimate + mean, influence, alpha, "mean outcome under the shift")

    def _center(self, W: Array) -> tuple[Array, Array]:
        return np.zeros(len(W)), np.zeros(len(W))

    def score(self, X: Any, y: Any, *, treatment: Any = None, sample_weight: Any = None) -> float:
        """Return how badly predicted effects explain the doubly robust scores of rows, negative.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`.
        y : array of shape (n_rows,)
            Outcome.
        treatment : array of shape (n_rows,), default=None
            The dose, where the constructor does not name its column.
        sample_weight : array of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Minus the mean squared difference; larger is better.
        """
        W = self._covariates(X)
        named = self._named_roles({"treatment": treatment}, needs=("treatment",))
        _, _, roles = read_table(self, X, named, reset=False, allow_nan=self._allows_nan())
        t = np.asarray(roles.get("treatment", treatment), dtype=np.float64)
        outcome, both = read_outcome(self, y, len(W)), self._stacked(t, W)
        n, found = len(W), []
        for rep in self._repetitions:
            m, p = rep["outcome"].at(both), rep["ratio"].at(both)
            found.append(self._ratio(p[:n]) * (outcome - m[:n]) + m[n:] - outcome)
        loss = (np.mean(found, axis=0) - self._predict(W)) ** 2
        return -float(np.average(loss, weights=sample_weight))
