"""Why a question has no answer, in a form that can be checked.

A *hedge* is a pair of sets of nodes on which two models agree in everything that was measured and
differ in the effect [1]_; with experiments at hand, there must be one against each of them [2]_.

References
----------
.. [1] I. Shpitser, J. Pearl, "Identification of joint interventional distributions in recursive
   semi-Markovian causal models", AAAI 2006 (definition 6, theorem 4).
.. [2] S. Lee, J. D. Correa, E. Bareinboim, "General identifiability with arbitrary surrogate
   experiments", UAI 2019 (definition 3, theorem 2).
.. [3] I. Shpitser, J. Pearl, "Identification of conditional interventional distributions", UAI 2006,
   arXiv:1206.6876.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from causalrep.graphs import ADMG, DAG, NodeSet
from causalrep.identification._text import text_name

__all__ = ["Hedge", "Thicket", "Undecided"]

Nodes = NodeSet[Hashable]


def _braces(nodes: Nodes) -> str:
    return "{" + ", ".join(map(text_name, nodes)) + "}"


@dataclass(frozen=True)
class Hedge:
    """A proof that a distribution does not tell an effect.

    Attributes
    ----------
    graph : DAG or ADMG
        Where it is.
    outcome, treatment : NodeSet
        The effect that is not identifiable. Conditions of the question that rule 2 of do-calculus makes
        actions are among the treatments, the others among the outcomes.
    larger, smaller : NodeSet
        Both are connected by bidirected edges alone, everything in the larger set is an ancestor
        within it of the smaller one, which consists of ancestors of the outcome; the smaller set has
        no treatment in it, the larger one has.
    experiment : NodeSet
        What the distribution's experiment sets, if it is not observational.
    given : NodeSet
        The outcomes that are conditions of the question. As rule 2 makes none of them an action, the
        conditional effect is identifiable only if the joint one is (Shpitser and Pearl 2006).
    """

    graph: DAG | ADMG
    outcome: Nodes
    treatment: Nodes
    larger: Nodes
    smaller: Nodes
    experiment: Nodes = NodeSet()  # noqa: RUF009  # immutable
    given: Nodes = NodeSet()  # noqa: RUF009

    def verify(self) -> bool:
        """Return whether the sets have all properties of a hedge for this effect.

        Returns
        -------
        bool
            Asked of the graph, not of the algorithm that found them.
        """
        graph = self.graph.to_admg() if isinstance(self.graph, DAG) else self.graph
        if graph.latent:
            graph = graph.latent_projection(keep=graph.observed)
        larger, smaller = set(self.larger), set(self.smaller)
        if not smaller or not smaller < larger or larger & set(self.experiment):
            return False
        if smaller & set(self.treatment) or not larger & set(self.treatment):
            return False
        free = graph.subgraph([node for node in graph if node not in self.treatment])
        around, inside = graph.subgraph(larger), graph.subgraph(smaller)
        first = next(iter(self.smaller))
        return (
            not any(self._exchangeable(graph, node) for node in self.given)
            and smaller <= free.ancestors(self.outcome) | self.outcome
            and set(around.district(first)) == larger
            and set(inside.district(first)) == smaller
            and larger <= around.ancestors(smaller) | self.smaller
        )

    def _exchangeable(self, graph: ADMG, node: Hashable) -> bool:
        rest = [other for other in self.given if other != node]
        asked = [other for other in self.outcome if other not in self.given]
        cut = graph.do(*self.treatment).cut_outgoing(node)
        return cut.is_separated(asked, node, [*self.treatment, *rest])

    def __str__(self) -> str:
        under = f" under do({', '.join(map(text_name, self.experiment))})" if self.experiment else ""
        return f"hedge of {_braces(self.larger)} and {_braces(self.smaller)}{under}"


@dataclass(frozen=True)
class Thicket:
    """A proof that several distributions together do not tell an effect.

    Attributes
    ----------
    target : NodeSet
        A district whose distribution, under actions on all else, the effect needs and none tells.
    hedges : tuple of Hedge
        One against each distribution that does not act on the target.
    useless : tuple of NodeSet
        The experiments that do.
    """

    target: Nodes
    hedges: tuple[Hedge, ...]
    useless: tuple[Nodes, ...] = ()

    def verify(self) -> bool:
        """Return whether there is a hedge over the target against every distribution.

        Returns
        -------
        bool
            Asked of the graph.
        """
        return all(hedge.smaller == self.target and hedge.verify() for hedge in self.hedges) and all(
            set(self.target) & set(experiment) for experiment in self.useless
        )

    def __str__(self) -> str:
        against = [str(hedge) for hedge in self.hedges]
        against += [f"do({', '.join(map(text_name, nodes))}) acts on it" for nodes in self.useless]
        return f"no distribution tells that of {_braces(self.target)}: {'; '.join(against)}"


@dataclass(frozen=True)
class Undecided:
    """No derivation was found, and no proof that there is none.

    Attributes
    ----------
    reason : str
        What the search could not do.
    """

    reason: str

    def verify(self) -> bool:
        """Return False: nothing is proved.

        Returns
        -------
        bool
            Always False.
        """
        return False

    def __str__(self) -> str:
        return f"undecided: {self.reason}"
