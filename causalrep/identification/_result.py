"""What identification answers with: a verdict, an estimand, and the reasons for both."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from causalrep.graphs import Graph
from causalrep.identification._evaluate import OnViolation
from causalrep.identification._expression import FREE, Expression, Variable
from causalrep.identification._potential import Potential
from causalrep.identification._query import Query
from causalrep.identification._tables import evaluate_on_tables
from causalrep.identification._trace import Trace
from causalrep.utils import NotIdentifiableError

__all__ = ["Identification"]

_ESTIMATORS = {
    "adjustment": "AIPW (or IPW, DoubleML) with the adjustment set as covariates",
    "observational": "the sample mean or regression: nothing is acted on",
    "no effect": "the sample mean or regression without the treatment: it has no effect",
    "experiment": "the mean or regression in the experiment's own data",
    "frontdoor": "regressions for mediator and outcome, put into the front-door formula",
}


class Identification:
    """The answer to a causal question of a graph; made by `identify`.

    Parameters
    ----------
    graph : Graph
        The graph that was asked.
    query : Query
        The question.
    strategy : str
        How the answer was found: ``"observational"``, ``"no effect"``, ``"experiment"``,
        ``"adjustment"``, ``"frontdoor"``, ``"id"``, ``"idc"``, ``"gid"``, or the name of a
        counterfactual algorithm.
    estimand : Expression or None
        None where there is none.
    raw : Expression, callable or None, default=None
        The estimand before simplification, or how to make it; by default the estimand itself.
    assumptions : sequence of str, default=()
        What the estimand rests on besides the graph.
    witness : object or None, default=None
        Why there is no estimand.
    trace : Trace, callable or None, default=None
        The derivation, or how to make it.

    Attributes
    ----------
    graph, query, strategy, assumptions, witness
        As given.

    Notes
    -----
    All free variables of an estimand stand for nodes at the values that the question speaks of; one
    that the question does not name may take any value, the result is the same.
    """

    def __init__(
        self,
        graph: Graph,
        query: Query,
        strategy: str,
        estimand: Expression | None,
        *,
        raw: Expression | Callable[[], Expression] | None = None,
        assumptions: Sequence[str] = (),
        witness: Any = None,
        trace: Trace | Callable[[], Trace] | None = None,
    ) -> None:
        self.graph = graph
        self.query = query
        self.strategy = strategy
        self.assumptions = tuple(assumptions)
        self.witness = witness
        self._estimand = estimand
        self._raw = raw
        self._trace = trace

    @property
    def identifiable(self) -> bool:
        """Whether the distributions at hand determine the answer."""
        return self._estimand is not None

    @property
    def estimand(self) -> Expression:
        """The answer as a formula in the distributions at hand; `NotIdentifiableError` if there is none."""
        if self._estimand is None:
            raise NotIdentifiableError(f"{self.query} is not identifiable: {self.witness}", self.witness)
        return self._estimand

    @cached_property
    def raw(self) -> Expression:
        """The formula as the general algorithm derives it, before any simplification."""
        made = self._raw() if callable(self._raw) else self._raw
        return self.estimand if made is None else made

    @cached_property
    def trace(self) -> Trace:
        """The derivation, step by step; empty where there is none."""
        made = self._trace() if callable(self._trace) else self._trace
        return Trace(self.graph, ()) if made is None else made

    def to_latex(self) -> str:
        """Return the equation of query and estimand in LaTeX's mathematics.

        Returns
        -------
        str
            Without dollar signs.

        Raises
        ------
        NotIdentifiableError
            If there is no estimand.
        """
        return f"{self.query.to_latex()} = {self.estimand.to_latex()}"

    def to_text(self) -> str:
        """Return a report: the verdict, the estimand, what it rests on.

        Returns
        -------
        str
            Of several lines.
        """
        if not self.identifiable:
            return f"{self.query} is not identifiable\nwitness: {self.witness}"
        lines = [f"{self.query} = {self.estimand}", f"strategy: {self.strategy}"]
        return "\n".join([*lines, *(f"assumes: {assumption}" for assumption in self.assumptions)])

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        verdict = f"{self.strategy}: {self._estimand}" if self.identifiable else "not identifiable"
        return f"<Identification of {self.query}: {verdict}>"

    def _repr_latex_(self) -> str | None:
        return f"${self.to_latex()}$" if self.identifiable else None

    def __getstate__(self) -> dict[str, Any]:
        # What is made when it is asked for is made before it travels: functions do not.
        raw = self.raw if self.identifiable else None
        return {**self.__dict__, "_raw": raw, "_trace": self.trace}

    def estimator(self) -> str:
        """Return which kind of estimator suits the estimand.

        Returns
        -------
        str
            A suggestion.

        Raises
        ------
        NotIdentifiableError
            If there is no estimand.
        """
        _ = self.estimand
        return _ESTIMATORS.get(self.strategy, "a model for each factor, put into the estimand")

    def evaluate(
        self,
        table: Any,
        do: Mapping[Hashable, Hashable] | None = None,
        outcome: Mapping[Hashable, Hashable] | None = None,
        given: Mapping[Hashable, Hashable] | None = None,
        *,
        form: Literal["simplified", "raw"] = "simplified",
        dangling: Literal["average", "mode"] | Mapping[Hashable, Hashable] = "average",
        on_violation: OnViolation = "warn",
    ) -> Any:
        """Return the value of the estimand on discrete distributions or data.

        Parameters
        ----------
        table : data frame, mapping of columns, mapping of distribution to either, or model
            One row per state with its probability in the column ``"p"``, or data, one row per unit; or a
            `DiscreteSCM`, which is asked for the distributions that the estimand needs.
            Several distributions are passed by name, as ``{"P(X, Y)": ..., "P(Y | do(X))": ...}``; the
            table of an experiment has a column for each node that it sets.
        do, outcome, given : mapping of hashable to value, default=None
            Values of actions, outcomes and conditions, besides those in the query, which they
            override. What has no value is tabulated.
        form : {"simplified", "raw"}, default="simplified"
            Which form of the estimand. Their values differ by chance only, on data.
        dangling : {"average", "mode"} or mapping, default="average"
            What to do about a variable that the estimand mentions and the query does not: any value
            of it gives the same answer in the population. On data an average over its
            distribution uses them all; ``"mode"`` takes the commonest; a mapping chooses.
        on_violation : {"warn", "raise", "drop"}, default="warn"
            Where some needed stratum never occurs: NaN and a `PositivityWarning`, a
            `PositivityError`, or to leave the stratum out and renormalise.

        Returns
        -------
        float or data frame
            A frame, of the library of `table`, if something has no value: one row per state, the
            probability in the column ``"p"``.

        Raises
        ------
        NotIdentifiableError
            If there is no estimand.
        PositivityError
            If a stratum is missing and `on_violation` says so.
        DataError
            If a column is missing, or data are not discrete.
        UnknownNameError
            If a name is not in the query.

        Examples
        --------
        >>> import pandas as pd
        >>> from causalrep.graphs import DAG
        >>> from causalrep.identification import identify
        >>> r = identify(DAG([("Z", "X"), ("Z", "Y"), ("X", "Y")]), "P(Y | do(X))")
        >>> data = pd.DataFrame({"Z": [0, 0, 0, 1, 1, 1], "X": [0, 1, 1, 0, 0, 1], "Y": [0, 0, 1, 0, 1, 1]})
        >>> r.evaluate(data, do={"X": 1}, outcome={"Y": 1})
        0.75
        """
        expression = self.estimand if form == "simplified" else self.raw
        roles = variables_of(self.query)
        return evaluate_on_tables(
            expression,
            table,
            roles=roles,
            fixed=_values(self.query),
            values={"do": dict(do or {}), "outcome": dict(outcome or {}), "given": dict(given or {})},
            known=self.graph.nodes,
            dangling=dangling,
            on_violation=on_violation,
        )


def variables_of(query: Query) -> dict[str, dict[Hashable, Variable]]:
    """Return the variables that stand for the parts of a query, by role and node.

    A condition on a node that is also acted on in another world is primed.
    """
    acted: dict[Hashable, Variable] = {name: Variable(name) for name, _ in query.do}
    stack = [value for pair in (*query.outcome, *query.given) for value in pair]
    while stack:
        part = stack.pop()
        if isinstance(part, Potential):
            acted.update(
                (name, Variable(name)) for name, value in part.do if not isinstance(value, Potential)
            )
            stack += [value for _, value in part.do]
    outcome = {p.variable: Variable(p.variable) for p, _ in query.outcome}
    given = {
        p.variable: Variable(p.variable, int(p.variable in {**acted, **outcome})) for p, _ in query.given
    }
    return {"outcome": outcome, "do": acted, "given": given}


def _values(query: Query) -> dict[str, dict[Hashable, Hashable]]:
    """Return the values that the query names, by role and node."""
    return {
        "do": {name: value for name, value in query.do if value is not FREE},
        "outcome": {p.variable: value for p, value in query.outcome if value is not FREE},
        "given": {p.variable: value for p, value in query.given if value is not FREE},
    }
