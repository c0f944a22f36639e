"""Expectations and probabilities of a model: seen, under intervention, and counterfactual."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from causalrep.scm._answers import Event, Function, Mean, Question, Term, answer, variance
from causalrep.scm._conditions import Condition, Equal, OneOf, as_event, is_missing
from causalrep.scm._estimate import Estimate
from causalrep.scm._interventions import targets_of
from causalrep.scm._mechanisms import argument_names
from causalrep.scm._worlds import Place, World
from causalrep.utils import DataError, RandomState

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["Asker", "Mapped", "Queries"]

Target: TypeAlias = Hashable | Callable[..., Any]
Mapped: TypeAlias = Mapping[Hashable, Any] | None


class Queries:
    """What can be asked of an SCM; exact where tables or linear Gaussian mechanisms allow it."""

    def expectation(
        self,
        target: Target,
        do: Mapped = None,
        given: Mapped = None,
        *,
        n_samples: int = 100_000,
        random_state: RandomState = None,
    ) -> Estimate:
        """Return the mean of a node, or of a function of nodes, under an intervention and conditions.

        Parameters
        ----------
        target : node or callable
            A node with numbers, or a function that takes nodes by argument name, as whole arrays.
        do : mapping of node to intervention, optional
            As in `do`.
        given : mapping of node to value, optional
            Conditions that hold *in the world of the intervention*: a value (NaN: not known, no
            condition); a list or set, one of whose values it has; an `Interval`; or a predicate.
            For what was seen before the intervention see `counterfactual_expectation`.
        n_samples : int, default=100_000
            Number of draws where the answer is not exact.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of these draws.

        Returns
        -------
        Estimate
            A float with `.se`. Exact (`.se` is 0) where every mechanism that matters is a table or
            has no noise and finitely many outcomes (by variable elimination), or is linear with
            Gaussian noise (in closed form); sampled by likelihood weighting otherwise, with `.ess`.

        Raises
        ------
        UnknownNameError
            If a node, or a state of a discrete node, does not exist.
        ImpossibleEvidenceError
            If `given` has probability zero, or no draw agrees with it.
        DataError
            If the values of the target are not numbers.

        Warns
        -----
        UserWarning
            If the effective number of draws is below 100 or one per cent.

        Examples
        --------
        >>> from causalrep.scm import SCM, Linear, Normal
        >>> scm = SCM(
        ...     mechanisms={
        ...         "Z": Normal(0, 1),
        ...         "X": Linear({"Z": 1.0}, noise=Normal(0, 1)),
        ...         "Y": Linear({"X": 2.0, "Z": -1.0}, noise=Normal(0, 0.5)),
        ...     }
        ... )
        >>> scm.expectation("Y", do={"X": 1}), scm.expectation("Y", given={"X": 1})
        (2.0, 1.5)
        """
        ask = Asker(cast("SCM", self), n_samples, random_state)
        return ask([World(ask.do(do))], [(1.0, ask.term(target, 0))], ask.event(given, "given", 0))

    def probability(
        self,
        event: Mapping[Hashable, Any] | Callable[..., Any],
        do: Mapped = None,
        given: Mapped = None,
        *,
        n_samples: int = 100_000,
        random_state: RandomState = None,
    ) -> Estimate:
        """Return the probability of an event under an intervention and conditions.

        Parameters
        ----------
        event : mapping of node to value, or callable
            What is asked of each node, all together: a value; a list or set, one of whose values it
            has; an `Interval`; or a predicate of its values. Or a predicate of several nodes, by
            argument name.
        do : mapping of node to intervention, optional
            As in `do`.
        given : mapping of node to value, optional
            Conditions in the world of the intervention, as in `expectation`.
        n_samples : int, default=100_000
            Number of draws where the answer is not exact.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of these draws.

        Returns
        -------
        Estimate
            As in `expectation`. A single value of a continuous node has probability zero: ask for
            an `Interval`.

        Raises
        ------
        UnknownNameError, ImpossibleEvidenceError, DataError
            As in `expectation`.

        Examples
        --------
        >>> from causalrep.scm import SCM, Bernoulli
        >>> rain = SCM(
        ...     mechanisms={
        ...         "rain": Bernoulli(0.2),
        ...         "hose": Bernoulli(0.5),
        ...         "wet": lambda rain, hose: rain | hose,
        ...     }
        ... )
        >>> round(rain.probability({"rain": 1}, given={"wet": 1}), 6)
        0.333333
        >>> round(rain.probability({"rain": 1}, do={"wet": 1}), 6)
        0.2
        """
        ask = Asker(cast("SCM", self), n_samples, random_state)
        return ask([World(ask.do(do))], [(1.0, ask.chance(event, 0))], ask.event(given, "given", 0))

    def counterfactual_expectation(
        self,
        target: Target,
        do: Mapped = None,
        given: Mapped = None,
        *,
        n_samples: int = 100_000,
        random_state: RandomState = None,
    ) -> Estimate:
        """Return the mean that a node would have had, had the intervention been made, given what was seen.

        Parameters
        ----------
        target : node or callable
            As in `expectation`; its values are those of the world of the intervention.
        do : mapping of node to intervention
            As in `do`.
        given : mapping of node to value
            What was seen *without* the intervention, of as few or as many nodes as were seen;
            conditions as in `expectation`.
        n_samples : int, default=100_000
            Number of draws where the answer is not exact.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of these draws.

        Returns
        -------
        Estimate
            As in `expectation`.

        Raises
        ------
        UnknownNameError, ImpossibleEvidenceError, DataError
            As in `expectation`.

        References
        ----------
        J. Pearl, *Causality*, 2nd ed., 2009, theorem 7.1.7 (abduction, action, prediction).

        Examples
        --------
        >>> from causalrep.scm import SCM, Linear, Normal
        >>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Linear({"X": 2.0}, noise=Normal(0, 1))})
        >>> scm.counterfactual_expectation("Y", do={"X": 3}, given={"X": 1, "Y": 2.5})
        6.5
        """
        ask = Asker(cast("SCM", self), n_samples, random_state)
        worlds = [World(), World(ask.do(do))]
        return ask(worlds, [(1.0, ask.term(target, 1))], ask.event(given, "given", 0))

    def counterfactual_probability(
        self,
        event: Mapping[Hashable, Any] | Callable[..., Any],
        do: Mapped = None,
        given: Mapped = None,
        *,
        n_samples: int = 100_000,
        random_state: RandomState = None,
    ) -> Estimate:
        """Return the probability of what would have been under an intervention, given what was seen.

        Parameters
        ----------
        event : mapping of node to value, or callable
            As in `probability`, in the world of the intervention.
        do : mapping of node to intervention
            As in `do`.
        given : mapping of node to value
            What was seen without the intervention, as in `counterfactual_expectation`.
        n_samples : int, default=100_000
            Number of draws where the answer is not exact.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of these draws.

        Returns
        -------
        Estimate
            As in `expectation`. For a node whose mechanism is a `CPT` the answer depends on the
            coupling of its rows, which no data can settle.

        Raises
        ------
        UnknownNameError, ImpossibleEvidenceError, DataError
            As in `expectation`.

        Examples
        --------
        The patient took the drug and died. Would they have died without it?

        >>> from causalrep.scm import SCM, Bernoulli
        >>> scm = SCM(
        ...     mechanisms={
        ...         "drug": Bernoulli(0.5),
        ...         "frail": Bernoulli(0.3),
        ...         "allergic": Bernoulli(0.1),
        ...         "death": lambda drug, frail, allergic: frail | (drug & allergic),
        ...     }
        ... )
        >>> seen = {"drug": 1, "death": 1}
        >>> round(scm.counterfactual_probability({"death": 1}, do={"drug": 0}, given=seen), 4)
        0.8108
        """
        ask = Asker(cast("SCM", self), n_samples, random_state)
        worlds = [World(), World(ask.do(do))]
        return ask(worlds, [(1.0, ask.chance(event, 1))], ask.event(given, "given", 0))

    def counterfactual_variance(
        self,
        target: Hashable,
        do: Mapped = None,
        given: Mapped = None,
        *,
        n_samples: int = 100_000,
        random_state: RandomState = None,
    ) -> Estimate:
        """Return the variance that is left of what a node would have been, given what was seen.

        Parameters
        ----------
        target : node
            A node with numbers.
        do : mapping of node to intervention
            As in `do`.
        given : mapping of node to value
            What was seen without the intervention, as in `counterfactual_expectation`.
        n_samples : int, default=100_000
            Number of draws where the answer is not exact.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of these draws.

        Returns
        -------
        Estimate
            As in `expectation`; 0 where what was seen settles the answer.

        Raises
        ------
        UnknownNameError, ImpossibleEvidenceError, DataError
            As in `expectation`.

        Examples
        --------
        >>> from causalrep.scm import SCM, Linear, Normal
        >>> scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Linear({"X": 2.0}, noise=Normal(0, 1))})
        >>> round(scm.counterfactual_variance("Y", do={"X": 3}, given={"Y": 2.5}), 6)
        0.8
        """
        ask = Asker(cast("SCM", self), n_samples, random_state)
        ask.model._known([target], what="`target`")
        question = Question([World(), World(ask.do(do))], [], ask.event(given, "given", 0))
        return variance(ask.model, question, (1, target), ask.n_samples, random_state)


class Asker:
    """Reads what users write, checks it against a model, and asks."""

    def __init__(self, model: SCM, n_samples: int, random_state: RandomState) -> None:
        if isinstance(n_samples, bool) or not isinstance(n_samples, (int, np.integer)) or n_samples < 1:
            raise DataError(f"`n_samples` must be a positive integer, got {n_samples!r}")
        self.model = model
        self.n_samples = int(n_samples)
        self.random_state = random_state

    def __call__(
        self,
        worlds: Sequence[World],
        terms: Sequence[tuple[float, Term]],
        given: Mapping[Place, Condition],
    ) -> Estimate:
        return answer(self.model, Question(worlds, terms, given), self.n_samples, self.random_state)

    def do(self, interventions: Mapped) -> dict[Hashable, Any]:
        return targets_of(interventions, {})

    def event(self, event: Mapped, what: str, world: int) -> dict[Place, Condition]:
        conditions = as_event(event, what)
        self.model._known(conditions, what=f"`{what}`")
        if what == "given":
            conditions = {node: part for node, part in conditions.items() if not is_missing(part)}
        for node, condition in conditions.items():
            states = getattr(self.model._factual._mechanisms[node], "states", None)
            if states is not None and isinstance(condition, (Equal, OneOf)):
                options = [condition.value] if isinstance(condition, Equal) else condition.options
                for option in options:
                    states.code(option, what=f"`{what}`")
        return {(world, node): condition for node, condition in conditions.items()}

    def term(self, target: Target, world: int) -> Term:
        if callable(target) and target not in self.model._mechanisms:
            names = argument_names(target)
            self.model._known(names, what="`target`")
            return Function(target, {name: (world, name) for name in names})
        self.model._known([target], what="`target`")
        return Mean((world, target))

    def chance(self, event: Mapping[Hashable, Any] | Callable[..., Any], world: int) -> Term:
        if callable(event):
            return self.term(event, world)
        return Event(self.event(event, "event", world))
