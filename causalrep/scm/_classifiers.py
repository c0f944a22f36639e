"""Learners of discrete nodes: tables, classifiers, and counts."""

# ruff: noqa: ARG002 - learners are handed a seed and laws a generator whether or not they use them

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from causalrep.scm._couplings import Coupling
from causalrep.scm._cpt import CPT, StateMechanism
from causalrep.scm._encoding import Encoding, levels_of
from causalrep.scm._learner import CrossFit, Folds, Learner, Rows
from causalrep.scm._learners import fitted_clone
from causalrep.scm._mechanism import Array, Mechanism, Noise
from causalrep.scm._states import States
from causalrep.utils import DataError

__all__ = ["Classification", "Classified", "Count", "CountRegression", "Table"]

Floats = NDArray[np.float64]


class Table(Learner):
    """A conditional probability table with a Dirichlet prior, for discrete nodes and discrete parents.

    Parameters
    ----------
    prior : float, default=1.0
        Rows that are imagined to have been seen for each row of the table, spread evenly over the states
        (Bayesian Dirichlet with equivalent sample size per row; 1.0 with two states is Jeffreys' prior).
    coupling : {"monotone", "gumbel"}, default="monotone"
        See `CPT`.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.scm import SCM, Table
    >>> df = SCM.from_equations("X ~ Bernoulli(0.5); Y ~ Bernoulli(0.2 + 0.6*X)").sample(4000, random_state=0)
    >>> fitted = SCM(DAG([("X", "Y")])).fit(df, {"X": Table(), "Y": Table()})
    >>> float(fitted.expectation("Y", do={"X": 1})).__round__(1)
    0.8
    """

    name: ClassVar[str] = "cpt"

    def __init__(self, prior: float = 1.0, *, coupling: Coupling = "monotone") -> None:
        if not prior > 0:
            raise DataError(f"`prior` must be positive, got {prior!r}")
        self.prior = prior
        self.coupling: Coupling = coupling

    def fit(self, rows: Rows, seed: int) -> CPT:
        """Return the table; see `Learner.fit`."""
        return self._fitted(rows, rows)

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:
        """Return the scores; see `Learner.cross_fit`."""
        scores = np.empty(len(rows))
        for held in folds:
            part = rows.take(held)
            scores[held] = self._fitted(rows.without(held), rows).log_prob(part.parents, part.value)
        return CrossFit(self.name, scores, lambda: self.fit(rows, seed))

    def _fitted(self, rows: Rows, all_rows: Rows) -> CPT:
        """Return the table of rows, with the states of all rows."""
        states = levels_of(all_rows.value)
        parents = {name: levels_of(column) for name, column in all_rows.parents.items()}
        shape = (*map(len, parents.values()), len(states))
        codes = [States(levels).encode(rows.parents[name]) for name, levels in parents.items()]
        counts = np.zeros(shape)
        np.add.at(counts, (*codes, States(states).encode(rows.value)), 1.0)
        counts += self.prior / len(states)
        return CPT(counts / counts.sum(axis=-1, keepdims=True), parents, states, coupling=self.coupling)


class Classified(StateMechanism):
    """A discrete node whose probabilities come from a fitted classifier.

    Parameters
    ----------
    classifier : classifier
        Fitted on the matrix of `encoding`; its ``predict_proba`` and ``classes_`` (codes of the states) are
        used.
    encoding : Encoding
        How the parents become a matrix.
    states : States
        The values of the node.
    prior : array of shape (k,)
        Probabilities that are mixed in with weight `floor`, so that no state is impossible.
    floor : float
        That weight.
    coupling : {"monotone", "gumbel"}
        See `CPT`.
    """

    def __init__(
        self,
        classifier: Any,
        encoding: Encoding,
        states: States,
        prior: Floats,
        floor: float,
        coupling: Coupling,
    ) -> None:
        self.classifier = classifier
        self.encoding = encoding
        self.states = states
        self.prior = prior
        self.floor = floor
        self.coupling = coupling

    def __repr__(self) -> str:
        return f"Classified({type(self.classifier).__name__}, {list(self.states.labels)!r})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The columns of the encoding."""
        return self.encoding.names

    def rows(self, parents: Mapping[Hashable, Array]) -> Floats:
        """Return the probabilities of the states for each row of the parents, shape (n, k)."""
        X = self.encoding.matrix(*(parents[name] for name in self.encoding.names))
        told = np.zeros((len(X), len(self.states)))
        told[:, np.asarray(self.classifier.classes_, dtype=np.intp)] = self.classifier.predict_proba(X)
        return (1 - self.floor) * told + self.floor * self.prior


@dataclass(frozen=True)
class Softmax:
    """A logistic or multinomial regression as plain arrays.

    Attributes
    ----------
    weights : array of shape (width, k)
        Coefficients.
    intercepts : array of shape (k,)
        Intercepts.
    classes_ : array of shape (k,)
        Codes of the states.
    """

    weights: Floats
    intercepts: Floats
    classes_: NDArray[np.intp]

    def predict_proba(self, X: Floats) -> Floats:
        """Return the probabilities of each row, shape (n, k)."""
        return np.asarray(special.softmax(X @ self.weights + self.intercepts, axis=1))


class Logistic:
    """Logistic or multinomial regression on standardised columns, kept as `Softmax`."""

    def fit(self, X: Floats, codes: NDArray[np.intp]) -> Softmax:
        """Return the regression fitted with a slight ridge."""
        from sklearn.linear_model import LogisticRegression

        centre, spread = X.mean(axis=0), X.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        fitted = LogisticRegression(max_iter=1000).fit((X - centre) / spread, codes)
        coefficients, intercepts = fitted.coef_, fitted.intercept_
        if len(fitted.classes_) == 2:  # one column of scores for two classes
            coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
            intercepts = np.concatenate([[0.0], intercepts])
        weights = (coefficients / spread).T
        return Softmax(weights, intercepts - centre @ weights, np.asarray(fitted.classes_, dtype=np.intp))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return no parameters: scikit-learn's way to clone it."""
        return {}


class Classification(Learner):
    """Probabilities of a discrete node by any classifier with the interface of scikit-learn.

    Parameters
    ----------
    estimator : classifier
        Cloned before each fit; its ``random_state`` is set where it has one that is None.
    name : str, optional
        How the table of choices calls it; default: the name of the class.
    coupling : {"monotone", "gumbel"}, default="monotone"
        See `CPT`.
    """

    def __init__(self, estimator: Any, *, name: str | None = None, coupling: Coupling = "monotone") -> None:
        self.estimator = estimator
        self.coupling: Coupling = coupling
        self._name = type(estimator).__name__ if name is None else name

    def __repr__(self) -> str:
        return f"Classification({self.estimator!r})"

    def fit(self, rows: Rows, seed: int) -> Classified:
        """Return the mechanism; see `Learner.fit`."""
        return self._fitted(rows, States(levels_of(rows.value), rows.node), seed)

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:
        """Return the scores; see `Learner.cross_fit`."""
        states = States(levels_of(rows.value), rows.node)
        scores = np.empty(len(rows))
        for held in folds:
            part = rows.take(held)
            scores[held] = self._fitted(rows.without(held), states, seed).log_prob(part.parents, part.value)
        return CrossFit(self._name, scores, lambda: self._fitted(rows, states, seed))

    def _fitted(self, rows: Rows, states: States, seed: int) -> Classified:
        codes = states.encode(rows.value)
        prior = (np.bincount(codes, minlength=len(states)) + 1) / (len(codes) + len(states))
        classifier = fitted_clone(self.estimator, rows.matrix, codes, seed)
        floor = 1 / (len(codes) + 1)
        return Classified(classifier, rows.encoding, states, prior, floor, self.coupling)


class Count(Mechanism):
    """A count with a log-linear mean: Poisson, or negative binomial where `dispersion` is positive.

    Parameters
    ----------
    encoding : Encoding
        How the parents become a matrix.
    weights : array of shape (width,)
        Coefficients on the scale of the logarithm.
    intercept : float
        Logarithm of the mean where all columns are zero.
    dispersion : float
        The variance is ``mean + dispersion * mean**2``.
    """

    def __init__(self, encoding: Encoding, weights: Floats, intercept: float, dispersion: float) -> None:
        self.encoding = encoding
        self.weights = weights
        self.intercept = intercept
        self.dispersion = dispersion

    def __repr__(self) -> str:
        kind = f"negative binomial, dispersion {self.dispersion:.3g}" if self.dispersion else "Poisson"
        return f"Count({kind})"

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The columns of the encoding."""
        return self.encoding.names

    @property
    def invertible(self) -> bool:
        """Never: a count tells only a range of the noise."""
        return False

    @property
    def has_posterior(self) -> bool:
        """Always: the noise behind a count is uniform on an interval."""
        return True

    @property
    def blockwise(self) -> bool:
        """Always."""
        return True

    @property
    def monotone(self) -> bool:
        """Always."""
        return True

    @property
    def discrete(self) -> bool:
        """Always."""
        return True

    def mean(self, parents: Mapping[Hashable, Array]) -> Floats:
        """Return the expected count of each row, shape (n,) or () without parents."""
        linear = np.asarray(self.intercept)
        if self.encoding.names:
            columns = (parents[name] for name in self.encoding.names)
            linear = linear + self.encoding.matrix(*columns) @ self.weights
        return np.asarray(np.exp(np.clip(linear, -30, 30)))

    def _law(self, parents: Mapping[Hashable, Array]) -> Any:
        mean = self.mean(parents)
        if not self.dispersion:
            return stats.poisson(mean)
        size = 1 / self.dispersion
        return stats.nbinom(size, size / (size + mean))

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Return the quantile at the noise: the monotone coupling."""
        return np.maximum(self._law(parents).ppf(noise), 0).astype(np.int64)

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Draw uniform numbers."""
        return generator.random(n)

    def draw_noise(
        self, parents: Mapping[Hashable, Array], value: Array, generator: np.random.Generator
    ) -> Noise:
        """Draw the noise given that it gave `value`; see `Mechanism.draw_noise`."""
        law = self._law(parents)
        low, high = law.cdf(np.asarray(value) - 1), law.cdf(value)
        drawn = low + (high - low) * generator.random(len(value))
        return np.minimum(drawn, np.nextafter(high, -np.inf))

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Return the log probability of each count, shape (n,)."""
        return self._law(parents).logpmf(value)


class CountRegression(Learner):
    """Maximum likelihood for counts with a log-linear mean.

    Parameters
    ----------
    overdispersed : bool, default=False
        Negative binomial instead of Poisson.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.scm import SCM, CountRegression
    >>> df = SCM.from_equations("X = N(0, 1); Y ~ Poisson(exp(1 + X/2))").sample(5000, random_state=0)
    >>> fitted = SCM(DAG([("X", "Y")])).fit(df, {"Y": CountRegression()}, random_state=0)
    >>> fitted.mechanisms["Y"].weights.round(1)
    array([0.5])
    """

    def __init__(self, *, overdispersed: bool = False) -> None:
        self.overdispersed = overdispersed

    def __repr__(self) -> str:
        return f"CountRegression(overdispersed={self.overdispersed})"

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:
        """Return the scores; see `Learner.cross_fit`."""
        found = super().cross_fit(rows, folds, seed)
        return CrossFit("negative_binomial" if self.overdispersed else "poisson", found.scores, found.finish)

    def fit(self, rows: Rows, seed: int) -> Count:
        """Return the mechanism; see `Learner.fit`."""
        value = np.asarray(rows.value)
        if value.dtype.kind not in "biu" or (value < 0).any():
            raise DataError(f"counts of {rows.node!r} must be integers from 0 on")
        weights, intercept = _log_linear(rows.matrix, value.astype(np.float64))
        if not self.overdispersed:
            return Count(rows.encoding, weights, intercept, 0.0)
        mean = np.exp(np.clip(rows.matrix @ weights + intercept, -30, 30))
        return Count(rows.encoding, weights, intercept, _dispersion(value, mean))


def _log_linear(X: Floats, y: Floats) -> tuple[Floats, float]:
    """Return coefficients of a Poisson regression by Newton's method with step halving."""
    centre, spread = X.mean(axis=0), X.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    Z = np.concatenate([np.ones((len(X), 1)), (X - centre) / spread], axis=1)
    beta = np.zeros(Z.shape[1])
    beta[0] = np.log(max(float(y.mean()), 1e-9))

    def loss(at: Floats) -> float:
        linear = np.clip(Z @ at, -30, 30)
        return float(np.sum(np.exp(linear) - y * linear)) + 0.5e-6 * float(at[1:] @ at[1:])

    for _ in range(100):
        mean = np.exp(np.clip(Z @ beta, -30, 30))
        gradient = Z.T @ (y - mean)
        hessian = (Z * mean[:, None]).T @ Z + 1e-6 * np.eye(len(beta))
        step = np.linalg.solve(hessian, gradient)
        scale = 1.0
        while loss(beta + scale * step) > loss(beta) and scale > 1e-6:
            scale /= 2
        beta = beta + scale * step
        if np.abs(scale * step).max() < 1e-10:
            break
    weights = beta[1:] / spread
    return weights, float(beta[0] - centre @ weights)


def _dispersion(y: NDArray[Any], mean: Floats) -> float:
    """Return the dispersion of most likelihood, for given means, between 1e-6 and 1e3."""

    def loss(log_dispersion: float) -> float:
        size = np.exp(-log_dispersion)
        return -float(
            np.sum(
                special.gammaln(y + size)
                - special.gammaln(size)
                + size * np.log(size / (size + mean))
                + special.xlogy(y, mean / (size + mean))
            )
        )

    found = optimize.minimize_scalar(loss, bounds=np.log([1e-6, 1e3]), method="bounded")
    return float(np.exp(found.x))
