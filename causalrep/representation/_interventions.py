"""Interventions on the labels of images: set, moved, or following a rule; one after the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from causalrep.graphs import DAG
from causalrep.representation._labels import do_values
from causalrep.scm import Mechanism
from causalrep.utils import CycleError, DataError, UnknownNameError

__all__ = ["Do", "Intervention", "MovedSlot", "SlotPolicy", "read_interventions"]

#: What users may give as ``do``: values or rules by node, or several of these, made in turn.
Do: TypeAlias = Mapping[Hashable, Any] | Sequence[Mapping[Hashable, Any]]


@dataclass(frozen=True)
class Intervention:
    """One intervention, checked.

    Parameters
    ----------
    values : dict of node to Tensor of shape (n,)
        What nodes are set to, in user units.
    rules : dict of node to callable
        Functions of other nodes' values, by argument name.
    deltas : dict of node to Tensor of shape (n,)
        What is added to what nodes would have been.
    """

    values: dict[Hashable, Tensor]
    rules: dict[Hashable, Callable[..., Any]]
    deltas: dict[Hashable, Tensor]

    @property
    def targets(self) -> tuple[Hashable, ...]:
        """The nodes that are intervened on."""
        return (*self.values, *self.rules, *self.deltas)

    def affected(self, graph: DAG) -> tuple[Hashable, ...]:
        """Return the targets and their descendants, in the order of the graph."""
        targets = set(self.targets)
        return tuple(
            node for node in graph.nodes if node in targets or targets.intersection(graph.ancestors(node))
        )


def read_interventions(
    do: Do | None, shift: Mapping[Hashable, Any] | None, graph: DAG, n_rows: int
) -> list[Intervention]:
    """Return the interventions to be made, one after the other.

    A shift belongs to the last of them.

    Raises
    ------
    UnknownNameError
        For a node, or an argument of a rule, that the graph does not have.
    DataError
        For values that are not numbers, not finite, or of another length; and for a node that is set and
        shifted at once.
    CycleError
        If a rule reads a descendant of its target.
    """
    steps = [do or {}] if do is None or isinstance(do, Mapping) else list(do)
    if not all(isinstance(step, Mapping) for step in steps):
        raise TypeError("`do` must be a mapping of node to value, or a sequence of such mappings")
    read = [_read(step, {}, graph, n_rows) for step in steps[:-1]]
    return [*read, _read(steps[-1] if steps else {}, shift or {}, graph, n_rows)]


def _read(do: Mapping[Hashable, Any], shift: Mapping[Hashable, Any], graph: DAG, n: int) -> Intervention:
    rules = {node: value for node, value in do.items() if callable(value)}
    values = do_values({node: value for node, value in do.items() if node not in rules}, graph, n)
    deltas = do_values(shift, graph, n, what="`shift`")
    twice = [node for node in deltas if node in do]
    if twice:
        raise DataError(f"{twice[0]!r} is both in `do` and in `shift`; add the shift to the value")
    for node, rule in rules.items():
        if node not in graph.nodes:
            raise UnknownNameError(node, graph.nodes, what="`do`")
        for name in rule_arguments(rule, graph):
            if name == node or node in graph.ancestors(name):
                raise CycleError([node] if name == node else [node, name])
    return Intervention(values, rules, deltas)


def rule_arguments(rule: Callable[..., Any], graph: DAG) -> tuple[Hashable, ...]:
    """Return the nodes that a rule reads, by the names of its arguments."""
    nodes = {str(node): node for node in graph.nodes}
    names = tuple(inspect.signature(rule).parameters)
    if not names:
        raise DataError("a rule in `do` must read at least one node; a constant is given as a number")
    for name in names:
        if name not in nodes:
            raise UnknownNameError(name, sorted(nodes), what="the arguments of a rule in `do`")
    return tuple(nodes[name] for name in names)


class MovedSlot(Mechanism):
    """A slot that follows its mechanism, with noise that is known, and is then moved.

    Parameters
    ----------
    mechanism : Mechanism
        What the node does by itself.
    own_noise : Tensor of shape (n, slot_dim)
        The noise of the rows.
    delta : Tensor of shape (n, slot_dim)
        What is added.
    """

    def __init__(self, mechanism: Mechanism, own_noise: Tensor, delta: Tensor) -> None:
        self._mechanism, self._own_noise, self._delta = mechanism, own_noise, delta

    @property
    def parents(self) -> tuple[Hashable, ...] | None:
        """The parents of the mechanism."""
        return self._mechanism.parents

    @property
    def deterministic(self) -> bool:
        """True: the noise is known."""
        return True

    def forward(self, parents: Mapping[Hashable, Tensor], noise: Any) -> Tensor:  # noqa: ARG002
        """Return slots of shape (n, slot_dim)."""
        moved: Tensor = self._mechanism.forward(parents, self._own_noise) + self._delta
        return moved

    def sample_noise(self, n: int, generator: np.random.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Return no noise."""
        return {}


class SlotPolicy(Mechanism):
    """A slot that follows a rule on other labels instead of its mechanism.

    Parameters
    ----------
    rule : callable
        From values of other nodes, arrays of shape (n,) in user units, to values of this one.
    read : callable
        ``read(node, slots)`` returns the labels of a node's slots, (n,) in user units.
    write : callable
        ``write(values)`` returns the slots that stand for values in user units.
    graph : DAG
        Which names the arguments.
    node : hashable
        The node, for messages.
    """

    def __init__(
        self,
        rule: Callable[..., Any],
        read: Callable[[Hashable, Tensor], Tensor],
        write: Callable[[Tensor], Tensor],
        graph: DAG,
        node: Hashable,
    ) -> None:
        self._rule, self._read, self._write, self._node, self._graph = rule, read, write, node, graph
        self._parents = rule_arguments(rule, graph)

    @property
    def parents(self) -> tuple[Hashable, ...]:
        """The nodes that the rule reads."""
        return self._parents

    @property
    def deterministic(self) -> bool:
        """True: a rule has no noise."""
        return True

    def forward(self, parents: Mapping[Hashable, Tensor], noise: Any) -> Tensor:  # noqa: ARG002
        """Return slots of shape (n, slot_dim)."""
        seen = {str(node): self._read(node, parents[node]).cpu().numpy() for node in self._parents}
        n = len(next(iter(parents.values())))
        answer = do_values({self._node: self._rule(**seen)}, self._graph, n)
        return self._write(answer[self._node])

    def sample_noise(self, n: int, generator: np.random.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Return no noise."""
        return {}
