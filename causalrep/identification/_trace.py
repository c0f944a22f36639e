"""Derivations as lists of steps, each with the separations that license it.

Every step is one of do-calculus's rules, or follows from them by a lemma whose conditions are
separations too, so that a derivation can be checked without trusting the algorithm that found it:
`Trace.verify` asks the graph again, one statement at a time.

References
----------
.. [1] J. Pearl, "Causality", 2nd edition, 2009, theorem 3.4.1.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from causalrep.graphs import ADMG, DAG, Graph
from causalrep.identification._text import text_name

__all__ = ["Claim", "Separation", "Step", "Trace"]

Nodes = tuple[Hashable, ...]


def _names(nodes: Nodes) -> str:
    return ", ".join(map(text_name, nodes))


class Claim(Protocol):
    """What licenses a step: a statement about the graph that can be asked again."""

    def holds(self, graph: Any) -> bool:
        """Return whether the claim is true of a graph."""
        ...


@dataclass(frozen=True)
class Separation:
    """A claim of m-separation in a graph after surgery.

    Attributes
    ----------
    x, y, given : tuple of hashable
        `given` separates `x` from `y`.
    cut_incoming, cut_outgoing : tuple of hashable
        Nodes whose incoming, and whose outgoing, edges are cut before.
    """

    x: Nodes
    y: Nodes
    given: Nodes = ()
    cut_incoming: Nodes = ()
    cut_outgoing: Nodes = ()

    def holds(self, graph: DAG | ADMG) -> bool:
        """Return whether the claim is true of a graph.

        Parameters
        ----------
        graph : DAG or ADMG
            The graph before surgery; latent nodes may be among its nodes.

        Returns
        -------
        bool
            By a separation query.
        """
        cut = graph.do(*self.cut_incoming).cut_outgoing(*self.cut_outgoing)
        return cut.is_separated(self.x, self.y, self.given)

    def __str__(self) -> str:
        given = f" | {_names(self.given)}" if self.given else ""
        cuts = [
            f"{where} {_names(nodes)}"
            for where, nodes in (("into", self.cut_incoming), ("out of", self.cut_outgoing))
            if nodes
        ]
        surgery = f" without the edges {' and '.join(cuts)}" if cuts else ""
        return f"({_names(self.x)} _||_ {_names(self.y)}{given}){surgery}"


@dataclass(frozen=True)
class Step:
    """One equality of a derivation.

    Attributes
    ----------
    rule : str
        ``"rule 1"``, ``"rule 2"`` or ``"rule 3"`` of do-calculus (drop an observation, exchange an
        action and an observation, drop an action), ``"ancestral restriction"`` (rule 3 for what is
        no cause), ``"c-factorisation"`` (rules 2 and 3, factor by factor), ``"marginalisation"``, or
        ``"definition"``; the last two are laws of probability, which need no license.
    before, after : str
        What is equal.
    licenses : tuple of claims
        What the equality rests on: each a `Separation`, or another claim that can be asked again.
    """

    rule: str
    before: str
    after: str
    licenses: tuple[Claim, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.rule}: {self.before} = {self.after}"]
        return "\n".join([*lines, *(f"    since {claim}" for claim in self.licenses)])


class Trace(Sequence[Step]):
    """A derivation: its steps in order, on the graph that licenses them.

    Parameters
    ----------
    graph : Graph
        Where the licenses are claimed.
    steps : sequence of Step
        In order.

    Examples
    --------
    >>> from causalrep.graphs import DAG
    >>> from causalrep.identification import identify
    >>> trace = identify(DAG([("Z", "X"), ("Z", "Y"), ("X", "Y")]), "P(Y | do(X))").trace
    >>> print(trace[1])
    rule 2: P(Y | do(X), Z) = P(Y | X, Z)
        since (Y _||_ X | Z) without the edges out of X
    >>> trace.verify()
    True
    """

    def __init__(self, graph: Graph, steps: Sequence[Step]) -> None:
        self.graph = graph
        self._steps = tuple(steps)

    def verify(self) -> bool:
        """Return whether everything that the derivation rests on holds in the graph.

        Returns
        -------
        bool
            False as soon as one does not.
        """
        return all(claim.holds(self.graph) for step in self._steps for claim in step.licenses)

    def __getitem__(self, index: int) -> Step:  # type: ignore[override]  # a slice of a proof proves nothing
        return self._steps[index]

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def __str__(self) -> str:
        return "\n".join(f"{i}. {step}" for i, step in enumerate(self._steps, 1))

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} steps>"
