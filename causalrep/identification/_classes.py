"""Answer questions of a graph that stands for a class: by adjustment, for all members at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from causalrep.graphs import Graph
from causalrep.identification._adjustment import adjustment_sets, is_valid_adjustment
from causalrep.identification._expression import Expression, Variable, probability, product, total
from causalrep.identification._query import Query
from causalrep.identification._result import Identification
from causalrep.identification._text import text_name
from causalrep.identification._trace import Step, Trace
from causalrep.identification._witness import Undecided
from causalrep.utils import GraphError

__all__ = ["ValidAdjustment", "identify_in_class"]


@dataclass(frozen=True)
class ValidAdjustment:
    """A claim that a set satisfies the generalised adjustment criterion, in every member of a class.

    Attributes
    ----------
    x, y, given : tuple of hashable
        Treatments, outcomes, and the set.
    """

    x: tuple[Hashable, ...]
    y: tuple[Hashable, ...]
    given: tuple[Hashable, ...]

    def holds(self, graph: Graph) -> bool:
        """Return whether the criterion, asked again, says so."""
        return is_valid_adjustment(graph, self.x, self.y, self.given)

    def __str__(self) -> str:
        x, y, given = (", ".join(map(text_name, nodes)) for nodes in (self.x, self.y, self.given))
        return f"{{{given}}} is an adjustment set for the effect of {x} on {y}"


def identify_in_class(graph: Graph, query: Query, available: Iterable[str] | None) -> Identification:
    """Return the adjustment formula that is right in every member of the class, if there is one.

    Parameters
    ----------
    graph : CPDAG, PDAG, MPDAG, MAG or PAG
        The class.
    query : Query
        About the effect of actions on outcomes, without conditions.
    available : iterable of str or None
        Must be None: only the observational distribution is used.

    Returns
    -------
    Identification
        `Undecided` where no adjustment set exists: another formula may.

    Raises
    ------
    GraphError
        For conditions, counterfactuals and experiments, which need a DAG or an ADMG.
    """
    kind = type(graph).__name__
    if query.is_counterfactual or query.given or available is not None:
        what = "`available`" if available is not None else f"the question {query}"
        raise GraphError(
            f"a {kind} answers P(outcome | do(treatment)); {what} needs a member of its class: DAG or ADMG"
        )
    outcome = [potential.variable for potential, _ in query.outcome]
    treatment = [name for name, _ in query.do]
    if not treatment:
        return Identification(graph, query, "observational", probability(map(Variable, outcome)))
    found = adjustment_sets(graph, treatment, outcome, kind="minimal", limit=1)
    if not found:
        reason = f"no adjustment set is valid in every member of the {kind}'s class"
        return Identification(graph, query, "none", None, witness=Undecided(reason))
    y, x, z = (list(map(Variable, nodes)) for nodes in (outcome, treatment, found[0]))
    estimand: Expression = total(z, product([probability(y, [*x, *z]), probability(z)]))
    claim = ValidAdjustment(tuple(treatment), tuple(outcome), tuple(found[0]))
    step = Step("adjustment", str(query), str(estimand), (claim,))
    assumptions = (f"the {kind}: it contains the true graph", f"positivity: {probability([*x, *z])} > 0")
    return Identification(
        graph, query, "adjustment", estimand, assumptions=assumptions, trace=Trace(graph, [step])
    )
