"""The mean of an outcome under an action from an estimand, by drawing from a model of each of its factors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gaussian_kde
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from causalrep.estimators._learners import fit_model, predict_model, regressor
from causalrep.identification import Expression, Fraction, Probability, Product, Sum
from causalrep.utils import DataError, keyed_generator

__all__ = ["Factor", "flattened", "mean_by_draws"]

Array = NDArray[np.float64]

_MOST_STATES = 20
_GRID = 400


@dataclass(frozen=True)
class Factor:
    """A conditional probability whose variables are places in a formula: a node, and which of its copies.

    Parameters
    ----------
    outcome, given : tuple of (node, int)
        The places; copy 0 is the variable that the formula is about, others are summed over.
    """

    outcome: tuple[tuple[Hashable, int], ...]
    given: tuple[tuple[Hashable, int], ...]


def flattened(expression: Expression) -> list[Factor]:
    """Return the factors of nested sums of products, each sum with a copy of its variables.

    Raises
    ------
    DataError
        If the formula has another form.
    """
    factors: list[Factor] = []
    copies: dict[Hashable, int] = {}
    stack: list[tuple[Expression, dict[Any, tuple[Hashable, int]]]] = [(expression, {})]
    while stack:
        part, bound = stack.pop()
        if isinstance(part, Sum):
            inner = dict(bound)
            for variable in part.over:
                copies[variable.name] = copies.get(variable.name, 0) + 1
                inner[variable] = variable.name, copies[variable.name]
            stack.append((part.body, inner))
        elif isinstance(part, Product):
            stack += [(factor, bound) for factor in reversed(part.factors)]
        elif isinstance(part, Probability) and not part.do and not part.domain:
            sides = (
                tuple(bound.get(variable, (variable.name, 0)) for variable in side)
                for side in (part.outcome, part.given)
            )
            factors.append(Factor(*sides))
        else:
            raise DataError(
                f"the estimand has the part {part}, for which there are no draws; put the variables into "
                "classes, then shares of rows are put into the formula"
            )
    return factors


def mean_by_draws(
    expression: Expression,
    columns: Mapping[Hashable, Array],
    outcome: Hashable,
    action: Mapping[Hashable, float],
    *,
    model: Any,
    n_draws: int,
    seed: int,
) -> float:
    """Return the mean of the outcome, of a sum of products or a ratio whose denominator is free of it."""
    if isinstance(expression, Fraction):
        top, bottom = expression.children
        if any(v.name == outcome for v in bottom.free_variables):
            raise DataError(
                "the denominator of the estimand depends on the outcome; there are no draws for it"
            )
        drawing = _Drawing(columns, outcome, action, model, n_draws, seed)
        value, weight = drawing.run(flattened(top))
        # the same draws above and below: what chance does to both cancels
        _, total = _Drawing(columns, outcome, action, model, n_draws, seed).run(flattened(bottom))
        return float(np.mean(weight * value) / np.mean(total))
    value, weight = _Drawing(columns, outcome, action, model, n_draws, seed).run(flattened(expression))
    return float(np.mean(weight * value))


class _Drawing:
    """Particles that get values, factor by factor; a value that is known already gives them a weight."""

    def __init__(
        self,
        columns: Mapping[Hashable, Array],
        outcome: Hashable,
        action: Mapping[Hashable, float],
        model: Any,
        n_draws: int,
        seed: int,
    ) -> None:
        self._columns = columns
        self._outcome = (outcome, 0)
        self._model = model
        self._n = n_draws
        self._seed = seed
        self._weight = np.ones(n_draws)
        self._known = {(name, 0): np.full(n_draws, float(value)) for name, value in action.items()}
        self._value = np.ones(n_draws)

    def run(self, factors: list[Factor]) -> tuple[Array, Array]:
        """Return the mean outcome and the weight of each particle."""
        places = {place for factor in factors for place in (*factor.outcome, *factor.given)}
        self._asked = all(self._outcome not in factor.given for factor in factors)
        for place in sorted(
            places, key=str
        ):  # what the formula mentions and the question does not: any value
            if place[1] == 0 and place not in self._known and place != self._outcome:
                self._draw(place, ())
        left = list(factors)
        while left:
            ready = [factor for factor in left if all(place in self._known for place in factor.given)]
            if not ready:
                raise DataError("the factors of the estimand cannot be drawn one after the other")
            # the outcome comes last: only its mean is asked for
            chosen = min(ready, key=lambda factor: (self._outcome in factor.outcome, factors.index(factor)))
            left.remove(chosen)
            self._take(chosen)
        return self._value, self._weight

    def _take(self, factor: Factor) -> None:
        given = factor.given
        known = [place for place in factor.outcome if place in self._known]
        for place in known:
            self._weight = self._weight * self._density(place, given)
            given = (*given, place)
        unknown = [place for place in factor.outcome if place not in self._known]
        for place in sorted(unknown, key=lambda place: place == self._outcome):  # the outcome last
            if place == self._outcome and self._asked:
                self._known[place] = self._conditional(place, given).mean
            else:
                self._draw(place, given)
            given = (*given, place)
        if self._outcome in unknown:
            self._value = self._known[self._outcome]

    def _conditional(
        self, place: tuple[Hashable, int], given: tuple[tuple[Hashable, int], ...]
    ) -> _Conditional:
        names = [name for name, _ in given]
        learned = np.column_stack([self._columns[name] for name in names]) if names else None
        at = np.column_stack([self._known[other] for other in given]) if names else None
        target = self._columns[place[0]]
        return _Conditional(
            target, learned, at, self._n, self._model, expect=place == self._outcome and self._asked
        )

    def _draw(self, place: tuple[Hashable, int], given: tuple[tuple[Hashable, int], ...]) -> None:
        rng = keyed_generator(self._seed, "draws", str(place))
        self._known[place] = self._conditional(place, given).draw(rng)

    def _density(self, place: tuple[Hashable, int], given: tuple[tuple[Hashable, int], ...]) -> Array:
        return self._conditional(place, given).density(self._known[place])


class _Conditional:
    """The distribution of a column given others at the particles: a mean and its residuals, or states."""

    def __init__(
        self, target: Array, learned: Array | None, at: Array | None, n: int, model: Any, *, expect: bool
    ) -> None:
        self._states = np.unique(target)
        self._discrete = len(self._states) <= _MOST_STATES and not expect
        self._target, self._n = target, n
        if self._discrete:
            codes = np.searchsorted(self._states, target)
            shares = np.bincount(codes) / len(codes)
            if learned is None or at is None or len(shares) == 1:
                self._shares = np.tile(shares, (n, 1))
            else:
                fitted = make_pipeline(StandardScaler(), LogisticRegression(C=1e8, max_iter=1000))
                self._shares = fitted.fit(learned, codes).predict_proba(at)
        elif learned is None or at is None:
            self.mean = np.full(n, float(target.mean()))
            self._residual = target - target.mean()
        else:
            fitted = fit_model(regressor(model, learned), learned, target, None, 0)
            self.mean = predict_model(fitted, at)
            self._residual = target - predict_model(fitted, learned)

    def draw(self, rng: np.random.Generator) -> Array:
        """Return one value for each particle."""
        if not self._discrete:
            return np.asarray(self.mean + rng.choice(self._residual, self._n))
        above = np.cumsum(self._shares, axis=1)[:, :-1] < rng.random(self._n)[:, None]
        return np.asarray(self._states[above.sum(axis=1)], dtype=np.float64)

    def density(self, values: Array) -> Array:
        """Return the probability, or the density, of a value for each particle."""
        if not self._discrete:
            grid = np.linspace(*_reach(self._residual), _GRID)
            heights = gaussian_kde(self._residual)(grid)
            return np.asarray(np.interp(values - self.mean, grid, heights, left=0.0, right=0.0))
        return np.asarray(self._shares[np.arange(self._n), np.searchsorted(self._states, values)])


def _reach(values: Array) -> tuple[float, float]:
    """Return an interval that a kernel density of the values hardly leaves."""
    spread = float(values.std())
    return float(values.min()) - spread, float(values.max()) + spread
