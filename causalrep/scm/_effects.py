"""Causal effects of a model: total, on the treated, direct, indirect, along paths; causation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from causalrep.scm._answers import Event, Mean, Question, Term
from causalrep.scm._conditions import Condition, Equal, Where, as_condition
from causalrep.scm._estimate import Estimate
from causalrep.scm._queries import Asker, Mapped
from causalrep.scm._worlds import Place, World
from causalrep.utils import DataError, GraphError, RandomState, UnknownNameError

if TYPE_CHECKING:
    from causalrep.scm._scm import SCM

__all__ = ["Effects"]

Kind: TypeAlias = Literal["ATE", "TE", "ATT", "ETT", "ATC", "CDE", "NDE", "NIE", "PSE", "PN", "PS", "PNS"]
Mediators: TypeAlias = Hashable | Iterable[Hashable] | Mapping[Hashable, Any] | None
Edge: TypeAlias = tuple[Hashable, Hashable]


class Effects:
    """What one node of an SCM does to another; exact where tables or linear Gaussian mechanisms allow it."""

    def effect(
        self,
        kind: Kind,
        treatment: Hashable,
        outcome: Hashable,
        *,
        treated: Any = 1,
        control: Any = 0,
        mediators: Mediators = None,
        paths: Iterable[Iterable[Hashable]] | None = None,
        event: Any = None,
        given: Mapped = None,
        n_samples: int = 100_000,
        random_state: RandomState = None,
    ) -> Estimate:
        """Return a causal effect of `treatment` on `outcome`.

        Write x for `treated`, x' for `control`, ``Y_x`` for what the outcome would be under
        ``do(X=x)``, and ``Y_{x, M_x'}`` for what it would be under ``do(X=x)`` with the mediators as
        they would be under ``do(X=x')``.

        ===========  ===================================================================
        kind         what it is
        ===========  ===================================================================
        ATE, TE      average treatment effect, the total one, ``E[Y_x - Y_x']``
        ATT, ETT     effect on the treated, ``E[Y_x - Y_x' | X = x]``
        ATC          effect on the controls, ``E[Y_x - Y_x' | X = x']``
        CDE          controlled direct effect, ``E[Y_{x, m} - Y_{x', m}]``
        NDE          natural direct effect, ``E[Y_{x, M_x'} - Y_x']``
        NIE          natural indirect effect, ``E[Y_{x', M_x} - Y_x']``
        PSE          path-specific effect: the edges of `paths` carry x, all others x'
        PN           probability of necessity, ``P(not y_x' | X = x, y)``
        PS           probability of sufficiency, ``P(y_x | X = x', not y)``
        PNS          probability of both, ``P(y_x, not y_x')``
        ===========  ===================================================================

        Since ``Y_x - Y_x'`` decomposes, ATE = NDE - NIE of the reversed change (from x to x').

        Parameters
        ----------
        kind : str
            One of the above.
        treatment, outcome : node
            Different nodes.
        treated, control : value, default=1 and 0
            The values x and x' of the treatment.
        mediators : node, iterable of node, or mapping of node to value, optional
            For the CDE the values that mediators are held at. For NDE and NIE the mediators M;
            default: all nodes on directed paths from treatment to outcome.
        paths : iterable of paths, optional
            For the PSE the directed paths from treatment to outcome, each as its nodes in order.
        event : value, list, Interval or predicate, optional
            What counts as the outcome y. Given it, the other effects are differences of its
            probability instead of differences of means. Default for PN, PS and PNS: 1.
        given : mapping of node to value, optional
            Further conditions on what was seen without intervention: the effect in a subgroup.
        n_samples : int, default=100_000
            Number of draws where the answer is not exact.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed of these draws.

        Returns
        -------
        Estimate
            A float with `.se`, which is 0 where the answer is exact (see `SCM.expectation`). PN, PS
            and PNS are points, since the model states its mechanisms; with `CPT` they depend on the
            coupling.

        Raises
        ------
        UnknownNameError
            If a node, a state or the kind does not exist.
        GraphError
            If treatment and outcome are the same, a mediator is one of them, or a path is none.
        DataError
            If an argument that the kind needs is missing, or is of no use to it.
        ImpossibleEvidenceError
            If the kind conditions on what has probability zero.

        References
        ----------
        J. Pearl, "Direct and indirect effects", UAI 2001; "Probabilities of causation: three
        counterfactual interpretations and their identification", Synthese 121, 1999. C. Avin,
        I. Shpitser, J. Pearl, "Identifiability of path-specific effects", IJCAI 2005.

        Examples
        --------
        With M = a X + e and Y = c X + b M + e' the direct effect is c and the indirect one a b:

        >>> from causalrep.scm import SCM, Linear, Normal
        >>> scm = SCM(
        ...     mechanisms={
        ...         "X": Normal(0, 1),
        ...         "M": Linear({"X": 2.0}, noise=Normal(0, 1)),
        ...         "Y": Linear({"X": 0.5, "M": 3.0}, noise=Normal(0, 1)),
        ...     }
        ... )
        >>> [scm.effect(kind, "X", "Y") for kind in ("ATE", "NDE", "NIE")]
        [6.5, 0.5, 6.0]
        >>> scm.effect("PSE", "X", "Y", paths=[["X", "M", "Y"]])
        6.0
        """
        asker = Asker(cast("SCM", self), n_samples, random_state)
        if kind not in _KINDS:
            raise UnknownNameError(kind, _KINDS, what="`kind`")
        asker.model._known([treatment], what="`treatment`")
        asker.model._known([outcome], what="`outcome`")
        if treatment == outcome:
            raise GraphError(f"`treatment` and `outcome` must differ, got {treatment!r} twice")
        if (paths is not None) != (kind == "PSE"):
            raise DataError("`paths` are needed for the PSE and only there")
        if mediators is not None and kind not in ("CDE", "NDE", "NIE"):
            raise DataError(f"`mediators` are of use to CDE, NDE and NIE, not to {kind}")
        asking = _Asking(asker, treatment, outcome, treated, control, event)
        question = _KINDS[kind](asking, mediators, paths)
        return asker(question.worlds, question.terms, {**asker.event(given, "given", 0), **question.given})


class _Asking:
    """The pieces of which the questions are made: worlds, terms and conditions."""

    def __init__(
        self, asker: Asker, treatment: Hashable, outcome: Hashable, treated: Any, control: Any, event: Any
    ) -> None:
        self.model = asker.model
        self.treatment, self.outcome = treatment, outcome
        self.treated, self.control = treated, control
        asker.event({treatment: Equal(treated)}, "treated", 0)
        asker.event({treatment: Equal(control)}, "control", 0)
        self.event: Condition | None = None
        if event is not None:
            self.event = as_condition(event)
            asker.event({outcome: self.event}, "event", 0)

    def set_to(self, value: Any, **more: Any) -> World:
        return World({self.treatment: value}, **more)

    def outcome_in(self, world: int) -> Term:
        """Return the mean of the outcome in a world, or the probability of the event."""
        place = (world, self.outcome)
        return Mean(place) if self.event is None else Event({place: self.event})

    def contrast(self, worlds: list[World], given: Mapping[Place, Condition] | None = None) -> Question:
        """Return the difference of the outcome between the last world and the one before."""
        last = len(worlds) - 1
        terms = [(1.0, self.outcome_in(last)), (-1.0, self.outcome_in(last - 1))]
        return Question(worlds, terms, given or {})

    def total(self, seen: Any = None) -> Question:
        worlds = [World(), self.set_to(self.control), self.set_to(self.treated)]
        given: dict[Place, Condition] = {} if seen is None else {(0, self.treatment): Equal(seen)}
        return self.contrast(worlds, given)

    def along(self, edges: set[Edge]) -> Question:
        """Return the effect that some edges carry: each child reads its parent in one of two worlds."""
        base = self.set_to(self.control)
        others = {edge: 1 for edge in self.model.graph.directed_edges if edge not in edges}
        return self.contrast([World(), base, self.set_to(self.treated, reads=others)])

    def occurs(self) -> Condition:
        return Equal(1) if self.event is None else self.event

    def causation(self, at: Any, seen: Any, *, happened: bool) -> Question:
        """Return P(the opposite under ``do(X=at)`` | X = seen, and what happened)."""
        yes = self.occurs()
        no = negated(yes)
        fact, imagined = (yes, no) if happened else (no, yes)
        given: dict[Place, Condition] = {(0, self.treatment): Equal(seen), (0, self.outcome): fact}
        term = Event({(1, self.outcome): imagined})
        return Question([World(), self.set_to(at)], [(1.0, term)], given)


def _controlled(asking: _Asking, mediators: Mediators, _: Any) -> Question:
    if not isinstance(mediators, Mapping) or not mediators:
        raise DataError('the CDE needs the values that mediators are held at, e.g. mediators={"M": 0}')
    _check_mediators(asking, mediators)
    held = dict(mediators)
    worlds = [World({asking.treatment: value, **held}) for value in (asking.control, asking.treated)]
    return asking.contrast([World(), *worlds])


def _natural(asking: _Asking, mediators: Mediators, *, direct: bool) -> Question:
    graph = asking.model.graph
    if mediators is None:
        between = set(graph.descendants(asking.treatment)) & set(graph.ancestors(asking.outcome))
        chosen = [n for n in graph.nodes if n in between and n not in (asking.treatment, asking.outcome)]
    elif isinstance(mediators, Mapping):
        raise DataError("NDE and NIE take the names of mediators, without values (those are for the CDE)")
    else:
        one = cast("Hashable", mediators)
        single = isinstance(one, str) or one in graph
        chosen = [one] if single else list(cast("Iterable[Hashable]", mediators))
    _check_mediators(asking, chosen)
    first, last = (asking.control, asking.treated) if direct else (asking.treated, asking.control)
    # what the mediators are is read in the world of `first`, everything else happens under `last`
    reads = {(m, child): 1 for m in chosen for child in graph.children(m)}
    worlds = [World(), asking.set_to(first), asking.set_to(last, reads=reads)]
    if direct:
        return asking.contrast(worlds)
    worlds.append(asking.set_to(asking.control))
    terms = [(1.0, asking.outcome_in(2)), (-1.0, asking.outcome_in(3))]
    return Question(worlds, terms)


def _along_paths(asking: _Asking, _: Mediators, paths: Any) -> Question:
    graph, edges = asking.model.graph, set()
    for path in paths:
        nodes = list(path)
        asking.model._known(nodes, what="`paths`")
        steps = list(pairwise(nodes))
        ends = nodes[:1] + nodes[-1:]
        if ends != [asking.treatment, asking.outcome] or any(u not in graph.parents(v) for u, v in steps):
            raise GraphError(
                f"each of `paths` must be a directed path from {asking.treatment!r} to {asking.outcome!r}, "
                f"got {nodes}"
            )
        edges.update(steps)
    return asking.along(edges)


def _both(asking: _Asking) -> Question:
    yes = asking.occurs()
    worlds = [World(), asking.set_to(asking.control), asking.set_to(asking.treated)]
    term = Event({(2, asking.outcome): yes, (1, asking.outcome): negated(yes)})
    return Question(worlds, [(1.0, term)])


def _check_mediators(asking: _Asking, mediators: Iterable[Hashable]) -> None:
    mediators = list(mediators)
    asking.model._known(mediators, what="`mediators`")
    for node in (asking.treatment, asking.outcome):
        if node in mediators:
            raise GraphError(f"`mediators` must be other nodes than treatment and outcome, got {node!r}")


def negated(condition: Condition) -> Condition:
    """Return the condition that holds where the given one does not."""
    return Where(lambda values: ~condition.mask(values))


_Builder: TypeAlias = Callable[[_Asking, Mediators, Any], Question]

_KINDS: dict[str, _Builder] = {
    "ATE": lambda a, _, __: a.total(),
    "TE": lambda a, _, __: a.total(),
    "ATT": lambda a, _, __: a.total(a.treated),
    "ETT": lambda a, _, __: a.total(a.treated),
    "ATC": lambda a, _, __: a.total(a.control),
    "CDE": _controlled,
    "NDE": lambda a, mediators, _: _natural(a, mediators, direct=True),
    "NIE": lambda a, mediators, _: _natural(a, mediators, direct=False),
    "PSE": _along_paths,
    "PN": lambda a, _, __: a.causation(a.control, a.treated, happened=True),
    "PS": lambda a, _, __: a.causation(a.treated, a.control, happened=False),
    "PNS": lambda a, _, __: _both(a),
}
