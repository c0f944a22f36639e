"""Identify causal quantities by name: total, direct and indirect effects, and probabilities of causation.

Effects are differences of means of two potential outcomes; their estimand is the difference of the two
distributions, as a function of the outcome, of which `evaluate` takes the mean. Probabilities of
causation are about one unit in two worlds; no experiment tells them, but if no unit's outcome falls as
its treatment rises they are functions of effects [2]_.

References
----------
.. [1] J. Pearl, "Causality", 2nd edition, 2009, sections 4.5 and 9.2.
.. [2] J. Tian, J. Pearl, "Probabilities of causation: bounds and identification", Annals of Mathematics
   and Artificial Intelligence 28, 2000, arXiv:1301.3898 (theorems 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from causalrep.graphs import Graph
from causalrep.graphs._node_set import in_order
from causalrep.identification._counterfactual import CounterfactualIdentification
from causalrep.identification._door import as_graph
from causalrep.identification._expression import FREE, ONE, Expression, Variable, difference, fraction
from causalrep.identification._identify import identify
from causalrep.identification._potential import Event, Potential
from causalrep.identification._query import Query
from causalrep.identification._result import Identification, variables_of
from causalrep.identification._trace import Trace
from causalrep.utils import DataError, GraphError, UnknownNameError, columns_of, frame_like

__all__ = ["Quantity", "QuantityIdentification", "identify_quantity"]

EFFECTS = ("ATE", "CATE", "ATT", "ATC", "CDE", "NDE", "NIE")
CAUSES = ("PN", "PS", "PNS")


@dataclass(frozen=True)
class Quantity(Query):
    """A question with a name.

    Attributes
    ----------
    name : str
        Such as ``"NDE"``.
    """

    name: str = ""

    def __str__(self) -> str:
        outcome, *_ = (potential.variable for potential, _ in self.outcome)
        return f"{self.name} on {outcome}"


class QuantityIdentification(CounterfactualIdentification):
    """The answer to a question with a name; made by `identify_quantity`.

    Parameters
    ----------
    *arguments : object
        As for `CounterfactualIdentification`.
    is_mean : bool, default=False
        Whether the quantity is the mean of its outcome under the estimand.
    **options : object
        As for `CounterfactualIdentification`.
    """

    def __init__(self, *arguments: Any, is_mean: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_mean = is_mean

    def evaluate(self, table: Any, *arguments: Any, **options: Any) -> Any:
        """Return the value of the quantity, as `Identification.evaluate`.

        Parameters
        ----------
        table : data frame, mapping of columns, or mapping of distribution to either
            As there.
        *arguments, **options : object
            As there.

        Returns
        -------
        float or data frame
            A number, or for a CATE whose conditions have no value a frame with the column ``"effect"``.

        Raises
        ------
        DataError
            If the outcome is not numeric.
        """
        found = super().evaluate(table, *arguments, **options)
        if not self._is_mean or isinstance(found, float):  # a number only where there is no effect at all
            return found
        outcome = self.query.outcome[0][0].variable
        columns = columns_of(found, what="result")
        values, p = columns.pop(outcome), columns.pop("p")
        if not np.issubdtype(values.dtype, np.number):
            raise DataError(f"{self.query} needs numbers as values of {outcome!r}, got {values.dtype}")
        if not columns:
            return float((values * p).sum())
        means: dict[tuple[Any, ...], float] = {}
        for *key, value, share in zip(*(c.tolist() for c in (*columns.values(), values, p)), strict=True):
            means[tuple(key)] = means.get(tuple(key), 0.0) + value * share
        rows = list(zip(*means, strict=True))
        effects = {name: np.array(row) for name, row in zip(columns, rows, strict=True)}
        like = None if type(found).__module__.startswith("pandas") else found  # whose index is another
        return frame_like({**effects, "effect": np.array(list(means.values()))}, like)


def identify_quantity(
    g: Graph | nx.DiGraph,
    name: str,
    treatment: Hashable,
    outcome: Any,
    *,
    given: Any = None,
    mediators: Any = None,
    treated: Hashable = 1,
    control: Hashable = 0,
    assumptions: Sequence[str] = (),
    available: Iterable[str] | None = None,
) -> QuantityIdentification:
    """Return whether, and how, the distributions at hand tell a causal quantity that has a name.

    Parameters
    ----------
    g : DAG, ADMG, another type of graph, or networkx.DiGraph
        As for `identify`.
    name : {"ATE", "CATE", "ATT", "ATC", "CDE", "NDE", "NIE", "PN", "PS", "PNS"}
        The quantity.
    treatment : hashable
        A node.
    outcome : hashable or dict
        A node; ``{"Y": 1}`` says which value is the event of PN, PS and PNS (by default 1).
    given : hashable, iterable of hashable or dict, default=None
        For CATE, the conditions, as names or with values.
    mediators : hashable, iterable of hashable or dict, default=None
        For NDE and NIE nodes between treatment and outcome, by default all. For CDE, their values.
    treated, control : hashable, default=1, 0
        The values of the treatment to compare.
    assumptions : sequence of str, default=()
        ``"monotone"``: where the event happens under `control` it happens under `treated` too. It makes PN,
        PS and PNS functions of effects.
    available : iterable of str, default=None
        The distributions at hand, as for `identify`.

    Returns
    -------
    QuantityIdentification
        `evaluate` gives a number. The estimand of an effect is a difference of distributions of the
        outcome; the effect is its mean.

    Raises
    ------
    UnknownNameError
        If a name does not exist.
    GraphError
        If an argument that the quantity needs is missing, or treatment and outcome are one node.

    References
    ----------
    .. [1] J. Pearl, "Causality", 2nd edition, 2009, sections 4.5 and 9.2.
    .. [2] J. Tian, J. Pearl, "Probabilities of causation: bounds and identification", Annals of
       Mathematics and Artificial Intelligence 28, 2000, arXiv:1301.3898.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import identify_quantity
    >>> g = DAG([("X", "M"), ("M", "Y"), ("X", "Y")])
    >>> str(identify_quantity(g, "NDE", "X", "Y").estimand)
    'sum_{M} P(Y | M, X=1) P(M | X=0) - P(Y | X=0)'
    >>> identify_quantity(g, "PN", "X", "Y").identifiable
    False
    >>> str(identify_quantity(g, "PN", "X", "Y", assumptions=["monotone"]).estimand)
    '1 - P(Y=1 | X=0) / P(Y=1 | X=1)'
    """
    g = as_graph(g)
    names = (*EFFECTS, *CAUSES)
    if name not in names:
        raise UnknownNameError(name, names, what="`name`")
    for assumption in assumptions:
        if assumption != "monotone":
            raise UnknownNameError(assumption, ("monotone",), what="`assumptions`")
    node, event = next(iter(outcome.items())) if isinstance(outcome, Mapping) else (outcome, 1)
    for label, argument in ((treatment, "`treatment`"), (node, "`outcome`")):
        if label not in g:
            raise UnknownNameError(label, g.nodes, what=argument)
    if treatment == node:
        raise GraphError(f"`treatment` and `outcome` must differ, got {node!r} for both")
    asked = _Asked(g, name, treatment, node, treated, control, event, available)
    if name in CAUSES:
        return asked.cause(monotone="monotone" in assumptions)
    return asked.effect(given, mediators)


@dataclass(frozen=True)
class _Asked:
    graph: Graph
    name: str
    treatment: Hashable
    outcome: Hashable
    treated: Hashable
    control: Hashable
    event: Hashable
    available: Iterable[str] | None

    def _under(self, level: Hashable, *more: tuple[Hashable, Hashable]) -> Potential:
        return Potential(self.outcome, ((self.treatment, level), *more))

    def effect(self, given: Any, mediators: Any) -> QuantityIdentification:
        """Return a difference of two distributions of the outcome."""
        high, low = self._under(self.treated), self._under(self.control)
        seen, actual = Potential(self.outcome), Potential(self.treatment)
        condition: Event = ()
        if self.name == "CATE":
            condition = _condition(given)
        elif self.name == "ATT":
            high, condition = seen, ((actual, self.treated),)
        elif self.name == "ATC":
            low, condition = seen, ((actual, self.control),)
        elif self.name == "CDE":
            held = _held(mediators)
            high, low = self._under(self.treated, *held), self._under(self.control, *held)
        elif self.name in ("NDE", "NIE"):
            at, other = (self.treated, self.control) if self.name == "NDE" else (self.control, self.treated)
            inner = [(m, Potential(m, ((self.treatment, other),))) for m in self._between(mediators)]
            high = self._under(at, *inner)
        if self.name == "CATE":  # one world, with conditions from before the treatment
            pieces = [
                Query(((seen, FREE),), ((self.treatment, level),), condition)
                for level in (self.treated, self.control)
            ]
        else:
            pieces = [Query(((potential, FREE),), (), condition) for potential in (high, low)]
        asked = Quantity(((seen, FREE),), (), condition if self.name == "CATE" else (), self.name)
        return self._combined(asked, pieces, difference, is_mean=True)

    def _between(self, mediators: Any) -> list[Hashable]:
        after, before = self.graph.descendants(self.treatment), self.graph.ancestors(self.outcome)
        between = [v for v in self.graph.observed if v in after and v in before]
        if mediators is None:
            return between
        chosen = list(in_order([mediators] if _is_node(self.graph, mediators) else mediators))
        for node in chosen:
            if node not in between:
                raise GraphError(f"`mediators` must lie between treatment and outcome, got {node!r}")
        return [node for node in between if node in chosen]

    def cause(self, *, monotone: bool) -> QuantityIdentification:
        """Return a probability of causation."""
        high, low = ((self._under(level), self.event) for level in (self.treated, self.control))
        seen = (Potential(self.outcome), self.event)
        treated: Event = ((Potential(self.treatment), self.treated),)
        control: Event = ((Potential(self.treatment), self.control),)
        asked = Quantity((seen,), (), (), self.name)
        if self.name == "PNS":
            # Under monotonicity the event under control implies that under treatment.
            both = (low,) if monotone else (high, low)
            pieces = [Query((high,)), Query(both)]
            return self._combined(asked, pieces, difference, monotone=monotone)
        if self.name == "PN" and not monotone:
            return self._combined(asked, [Query((low,), (), (*treated, seen))], _complement)
        if self.name == "PN":
            pieces = [Query((low,), (), treated), Query((seen,), (), treated)]
            return self._combined(
                asked, pieces, lambda one, other: _complement(fraction(one, other)), monotone=True
            )
        both = (seen,) if monotone else (high, seen)
        pieces = [Query((high,), (), control), Query(both, (), control), Query((seen,), (), control)]
        return self._combined(asked, pieces, _excess, monotone=monotone)

    def _combined(
        self,
        asked: Quantity,
        queries: list[Query],
        combine: Callable[..., Expression],
        *,
        is_mean: bool = False,
        monotone: bool = False,
    ) -> QuantityIdentification:
        """Return the answer made of the answers to several questions."""
        pieces = [identify(self.graph, query, available=self.available) for query in queries]
        failed = next((piece for piece in pieces if not piece.identifiable), None)
        if failed is not None:
            return QuantityIdentification(self.graph, asked, self.name, None, witness=failed.witness)
        told = [assumption for piece in pieces for assumption in piece.assumptions]
        if monotone:
            told.append(f"{self.outcome} is never {self.event} under control and not under treatment")
        return QuantityIdentification(
            self.graph,
            asked,
            self.name,
            combine(*(_pinned(piece, piece.estimand) for piece in pieces)),
            raw=lambda: combine(*(_pinned(piece, piece.raw) for piece in pieces)),
            assumptions=list(dict.fromkeys(told)),
            trace=lambda: Trace(pieces[0].trace.graph, [step for piece in pieces for step in piece.trace]),
            binary={k: v for piece in pieces for k, v in getattr(piece, "binary", {}).items()},
            is_mean=is_mean,
        )


def _complement(one: Expression) -> Expression:
    return difference(ONE, one)


def _excess(high: Expression, both: Expression, seen: Expression) -> Expression:
    """Return P(event under treatment, no event seen) over P(no event seen), among the untreated."""
    return fraction(difference(high, both), difference(ONE, seen))


def _pinned(piece: Identification, expression: Expression) -> Expression:
    """Return a formula with the values that its question names in the place of free variables."""
    query, roles = piece.query, variables_of(piece.query)
    values: dict[Variable, Variable] = {}
    for name, value in query.do:
        if value is not FREE:
            values[roles["do"][name]] = Variable(name, 0, value)
    for role, events in (("outcome", query.outcome), ("given", query.given)):
        for potential, value in events:
            if value is not FREE:
                values[roles[role][potential.variable]] = Variable(potential.variable, 0, value)
    return expression.substitute(values)


def _is_node(graph: Graph, thing: Any) -> bool:
    return isinstance(thing, Hashable) and thing in graph


def _condition(given: Any) -> Event:
    """Return conditions, given as names or with values."""
    if given is None:
        raise GraphError("CATE needs `given`, the nodes on which the effect may depend")
    if isinstance(given, Mapping):
        return tuple((Potential(name), value) for name, value in given.items())
    names = [given] if isinstance(given, (str, int)) else in_order(given)
    return tuple((Potential(name), FREE) for name in names)


def _held(mediators: Any) -> list[tuple[Hashable, Hashable]]:
    if not isinstance(mediators, Mapping) or not mediators:
        raise GraphError("CDE needs `mediators`, a mapping of nodes to the values they are held at")
    return list(mediators.items())
