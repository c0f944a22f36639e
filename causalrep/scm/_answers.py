"""Questions about one or several worlds, and the engine that answers each: exact where one can.

A question is a weighted sum of terms (the mean of a node, the probability of an event, the mean of a
function of nodes), asked in unfolded worlds (`_worlds`) under conditions. The engine for tables is tried
first, then the one for linear Gaussian models; what neither can answer is sampled, all terms from the
same draws, so that contrasts are paired.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._arrays import as_array, check_rows, spread, to_numpy
from causalrep.scm._conditions import Condition, Equal
from causalrep.scm._couplings import Floats
from causalrep.scm._draws import Clamp, draw
from causalrep.scm._elimination import TooWideError
from causalrep.scm._estimate import Estimate
from causalrep.scm._gaussians import GaussianEngine
from causalrep.scm._states import States
from causalrep.scm._tables import TableEngine
from causalrep.scm._worlds import Network, Place, World, unfold
from causalrep.utils import CausalRepError, DataError, ImpossibleEvidenceError, RandomState, as_seed

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["Event", "Function", "Mean", "Question", "Term", "answer", "joint_law", "variance", "warn_of_few"]


_MOST_ROWS = 10_000_000


@dataclass(frozen=True)
class Mean:
    """The mean of a node's numbers."""

    place: Place

    @property
    def places(self) -> tuple[Place, ...]:
        return (self.place,)


@dataclass(frozen=True)
class Event:
    """The probability that conditions hold together."""

    conditions: Mapping[Place, Condition]

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(self.conditions)


@dataclass(frozen=True)
class Function:
    """The mean of a function of several nodes, called with whole arrays by argument name."""

    function: Callable[..., Any]
    arguments: Mapping[str, Place]

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(self.arguments.values())

    def __call__(self, columns: Mapping[str, Any], n: int) -> Floats:
        return _numbers(check_rows(self.function(**columns), n, "the result of the function"), "the function")


Term: TypeAlias = Mean | Event | Function


@dataclass(frozen=True)
class Question:
    """A weighted sum of terms in some worlds, given conditions."""

    worlds: Sequence[World]
    terms: Sequence[tuple[float, Term]]
    given: Mapping[Place, Condition] = field(default_factory=dict)

    def places(self) -> list[Place]:
        return [*(place for _, term in self.terms for place in term.places), *self.given]


def answer(model: SCM, question: Question, n_samples: int, random_state: RandomState) -> Estimate:
    """Return the answer: exact (standard error 0) where an engine can, else sampled."""
    network = unfold(model, question.worlds)
    numbers = network.needed(question.places())
    tables = TableEngine.build(network, numbers)
    if tables is not None:
        with suppress(TooWideError):  # then it is sampled
            return Estimate(sum(c * _by_tables(tables, term, question.given) for c, term in question.terms))
    gaussian = GaussianEngine.build(network, numbers, model._joints)
    if gaussian is not None:
        parts = [_by_gaussian(gaussian, network, term, question.given) for _, term in question.terms]
        found = [part for part in parts if part is not None]
        if len(found) == len(parts):
            return Estimate(sum(c * part for (c, _), part in zip(question.terms, found, strict=True)))
    columns, weights = _sampled(model, network, numbers, question, n_samples, random_state)
    total: Floats = sum(
        (c * _by_draws(term, network, columns, n_samples) for c, term in question.terms),
        start=np.zeros(n_samples),
    )
    result = weighted_mean(total, weights)
    if len(question.terms) == 1 and isinstance(question.terms[0][1], Event):
        # where all draws agree their spread is zero, and a rare event may still be one they missed
        return Estimate(result, max(result.se, 1 / result.ess), result.ess, result.n_samples)
    return result


def variance(
    model: SCM, question: Question, place: Place, n_samples: int, random_state: RandomState
) -> Estimate:
    """Return the variance of one node under the conditions of a question (its terms are not read)."""
    network = unfold(model, question.worlds)
    numbers = network.needed([place, *question.given])
    tables = TableEngine.build(network, numbers)
    if tables is not None:
        with suppress(TooWideError):
            (states,), law = tables.joint([network.index[place]], _by_number(network, question.given))
            values = _numbers(states.values, repr(place[1]))
            return Estimate(float(law @ (values - law @ values) ** 2))
    gaussian = GaussianEngine.build(network, numbers, model._joints)
    seen = _values_of(network, question.given)
    if gaussian is not None and seen is not None:
        _, covariance = gaussian.moments([network.index[place]], seen)
        return Estimate(max(float(covariance[0, 0]), 0.0))
    columns, weights = _sampled(model, network, numbers, question, n_samples, random_state)
    values = _numbers(columns[network.index[place]], repr(place[1]))
    return weighted_mean((values - (weights @ values) / weights.sum()) ** 2, weights)


def joint_law(
    model: SCM, world: World, nodes: Sequence[Hashable], given: Mapping[Place, Condition]
) -> tuple[list[States], Floats]:
    """Return the joint table of some nodes in a world, and the states of its axes."""
    network = unfold(model, [world])
    places = [(0, node) for node in nodes]
    engine = TableEngine.build(network, network.needed([*places, *given]))
    if engine is None:
        raise CausalRepError("the joint table needs mechanisms and interventions with finitely many outcomes")
    sizes = [len(engine.tables[network.index[place]].states) for place in places]
    if math.prod(sizes) > _MOST_ROWS:
        raise DataError(f"the table would have {math.prod(sizes)} rows; name fewer `nodes`")
    return engine.joint([network.index[place] for place in places], _by_number(network, given))


def _by_number(network: Network, conditions: Mapping[Place, Condition]) -> dict[int, list[Condition]]:
    """Return the conditions by copy: those of worlds that share a copy are put together."""
    found: dict[int, list[Condition]] = {}
    for place, condition in conditions.items():
        found.setdefault(network.index[place], []).append(condition)
    return found


def _by_tables(engine: TableEngine, term: Term, given: Mapping[Place, Condition]) -> float:
    seen = _by_number(engine.network, given)
    if isinstance(term, Event):
        below = engine.log_mass(seen) if seen else 0.0
        if below == -math.inf:
            raise ImpossibleEvidenceError("the evidence has probability zero under the model")
        both = _by_number(engine.network, term.conditions)
        for number, conditions in seen.items():
            both.setdefault(number, []).extend(conditions)
        return min(math.exp(engine.log_mass(both) - below), 1.0)
    asked = [engine.network.index[place] for place in term.places]
    distinct = list(dict.fromkeys(asked))
    states, law = engine.joint(distinct, seen)
    if isinstance(term, Mean):
        return float(law @ _numbers(states[0].values, repr(term.place[1])))
    grid = np.array(list(product(*(range(len(part)) for part in states))), dtype=np.intp)
    columns = {}
    for name, number in zip(term.arguments, asked, strict=True):
        at = distinct.index(number)
        columns[name] = states[at].values[grid[:, at]]
    return float(law.ravel() @ term(columns, len(grid)))


def _by_gaussian(
    engine: GaussianEngine, network: Network, term: Term, given: Mapping[Place, Condition]
) -> float | None:
    seen = _values_of(network, given)
    if seen is None or isinstance(term, Function):
        return None
    if isinstance(term, Mean):
        return float(engine.moments([network.index[term.place]], seen)[0][0])
    return engine.probability(_by_number(network, term.conditions), seen)


def _values_of(network: Network, given: Mapping[Place, Condition]) -> dict[int, float] | None:
    """Return the evidence as numbers by copy, or None if it is not made of values."""
    seen: dict[int, float] = {}
    for place, condition in given.items():
        if not isinstance(condition, Equal) or as_array(condition.value).shape:
            return None
        value = float(_numbers(as_array(condition.value), f"the evidence for {place[1]!r}"))
        if not math.isfinite(value):
            raise DataError(f"the evidence for {place[1]!r} must be finite, got {value}")
        if seen.setdefault(network.index[place], value) != value:
            raise ImpossibleEvidenceError(f"{place[1]!r} cannot have two values, got {value} and another")
    return seen


def _sampled(
    model: SCM,
    network: Network,
    numbers: Sequence[int],
    question: Question,
    n: int,
    random_state: RandomState,
) -> tuple[Mapping[int, Any], Floats]:
    """Return draws by copy and their weights, and warn if few of them carry the answer."""
    clamps: dict[int, Clamp] = {}
    rest: dict[int, list[Condition]] = {}
    for place, condition in question.given.items():
        number = network.index[place]
        if isinstance(condition, Equal) and number not in clamps:
            like = model._template(place[1])
            clamps[number] = Clamp(spread(condition.value, n, like=like, node=place[1]))
        else:
            rest.setdefault(number, []).append(condition)
    draws = draw(model, network, numbers, n, as_seed(random_state), clamps, rest)
    largest = draws.log_weights.max()
    if not largest > -math.inf:
        raise ImpossibleEvidenceError(
            f"none of {n} draws agrees with the evidence: its probability is zero or very small, "
            "or a continuous value was observed of a mechanism that cannot tell or draw its noise"
        )
    weights = np.exp(draws.log_weights - largest)
    if question.given:
        warn_of_few(effective_size(weights), n, stacklevel=6)
    return draws.values, weights


def warn_of_few(ess: float, n: int, *, stacklevel: int) -> None:
    """Warn if the effective number of draws is below 100 or below one in a hundred."""
    if ess < 100 or ess < 0.01 * n:
        warnings.warn(
            f"only {ess:.0f} of {n} draws carry the answer (effective sample size); "
            "the standard error is itself uncertain, draw more",
            stacklevel=stacklevel,
        )


def effective_size(weights: Floats) -> float:
    """Return (sum w)**2 / sum w**2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def weighted_mean(values: Floats, weights: Floats) -> Estimate:
    """Return the self-normalised mean with its standard error by the delta method."""
    share = weights / weights.sum()
    mean = float(share @ values)
    se = math.sqrt(float(share**2 @ (values - mean) ** 2))
    return Estimate(mean, se, effective_size(weights), len(values))


def _by_draws(term: Term, network: Network, columns: Mapping[int, Any], n: int) -> Floats:
    if isinstance(term, Mean):
        return _numbers(columns[network.index[term.place]], repr(term.place[1]))
    if isinstance(term, Function):
        return term({name: columns[network.index[place]] for name, place in term.arguments.items()}, n)
    inside: NDArray[np.bool_] = np.ones(n, dtype=bool)
    for place, condition in term.conditions.items():
        inside &= condition.mask(columns[network.index[place]])
    return inside.astype(np.float64)


def _numbers(values: Any, what: str) -> Floats:
    array = to_numpy(values)
    if array.dtype.kind not in "biuf" or array.ndim > 1:
        raise DataError(
            f"the mean of {what} needs one number per row, got {array.dtype} of shape {array.shape}; "
            "ask for the probability of an event, or for the mean of a function of it"
        )
    return array.astype(np.float64)
