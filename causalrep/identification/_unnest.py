"""Events about potential outcomes, brought to their simplest form before they are identified.

Three laws that hold in every model: *unnesting* (``Y[M[X=0]] = y`` is, for some m, ``Y[M=m] = y``
and ``M[X=0] = m``), *exclusion* (an action that no open directed path carries to Y is left out of
``Y[...]``) and *consistency* (``Y[X=x]`` is ``Y`` where ``X`` is x anyway).

Values are `Variable`: fixed (``X=0``), free (asked for all values) or bound by a sum.

References
----------
.. [1] J. Correa, S. Lee, E. Bareinboim, "Nested counterfactual identification from arbitrary surrogate
   experiments", NeurIPS 2021, arXiv:2107.03190 (theorem 1, the counterfactual unnesting theorem).
.. [2] J. Pearl, "Causality", 2nd edition, 2009, section 7.3.1 (composition, effectiveness).
.. [3] J. Correa, E. Bareinboim, "Counterfactual graphical models: constraints and inference", ICML 2025,
   arXiv:2410.19114 (consistency, independence and exclusion as a calculus).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

from causalrep.graphs import ADMG
from causalrep.identification._expression import FREE, Variable
from causalrep.identification._potential import Event, Potential, minimal
from causalrep.identification._text import text_name
from causalrep.utils import GraphError

__all__ = ["Atoms", "Impossible", "Values", "consistent", "unnest", "variable", "written"]

#: Minimal potential outcomes, with `Variable` for the values of their actions, and the value of each.
Atoms: TypeAlias = dict[Potential, Variable]

_DEEPEST = 50


class Impossible(Exception):  # noqa: N818  # an answer inside the package: the event has probability zero
    """Two values are demanded of one and the same variable."""


class Values:
    """The values in a question: gives out new ones for sums to bind, and knows which are the same."""

    def __init__(self) -> None:
        self._primes: dict[Hashable, int] = {}
        self._same: dict[Variable, Variable] = {}
        self._new: set[Variable] = set()

    def new(self, name: Hashable) -> Variable:
        """Return a new variable for a value of the node `name`."""
        # None and one prime are for the outcomes, actions and conditions of the question.
        primes = self._primes.get(name, 1) + 1
        self._primes[name] = primes
        found = Variable(name, primes)
        self._new.add(found)
        return found

    def spare(self, name: Hashable) -> Variable:
        """Return a new variable that stays free: the formula does not depend on its value."""
        found = self.new(name)
        self._new.remove(found)
        return found

    def copy(self) -> Values:
        """Return the same state, to go on from without changing it here."""
        twin = Values()
        twin._primes, twin._same, twin._new = dict(self._primes), dict(self._same), set(self._new)
        return twin

    def is_bound(self, value: Variable) -> bool:
        """Return whether a sum has to bind a variable."""
        return value in self._new

    def resolve(self, value: Variable) -> Variable:
        """Return what a variable has been found to be."""
        while value in self._same:
            value = self._same[value]
        return value

    def equate(self, one: Variable, other: Variable) -> None:
        """Take down that two values are the same.

        Raises
        ------
        Impossible
            If both are fixed and differ.
        GraphError
            If that depends on values which the question does not give.
        """
        one, other = self.resolve(one), self.resolve(other)
        if one == other:
            return
        if other in self._new:
            self._same[other] = one
        elif one in self._new:
            self._same[one] = other
        elif one.value is not FREE and other.value is not FREE:
            raise Impossible
        else:
            raise GraphError(f"whether {one} is {other} depends on the values; give both, as in 'Y[X=1]=1'")


def variable(name: Hashable, value: Hashable) -> Variable:
    """Return a value of a node as a `Variable`, if it is none yet."""
    return value if isinstance(value, Variable) else Variable(name, 0, value)


def written(potential: Potential, value: Variable | None = None) -> str:
    """Return a potential outcome as the query language writes it, with its value if that is fixed."""
    inside = ", ".join(str(action) for _, action in potential.do)
    name = str(Variable(potential.variable)) + (f"[{inside}]" if inside else "")
    fixed = value is not None and value.value is not FREE
    return f"{name}={text_name(value.value)}" if value is not None and fixed else name


def unnest(graph: ADMG, event: Event, values: Values) -> Atoms:
    """Return an event about minimal potential outcomes without nesting.

    Parameters
    ----------
    graph : ADMG
        The causal graph.
    event : tuple of (Potential, value)
        As in a `Query`.
    values : Values
        Gives out the values of what is nested, to be summed over.

    Returns
    -------
    dict of Potential to Variable
        What was nested is in it too.

    Raises
    ------
    Impossible
        If the event cannot happen.
    GraphError
        If nesting is too deep, or an outcome is set by its own action to an unknown value.
    """
    atoms: Atoms = {}
    inner: Atoms = {}
    for potential, value in event:
        flat = _flat(graph, potential, values, inner, 0)
        demand(atoms, flat, variable(potential.variable, value), values)
    # Nested outcomes that turned out to make no difference are left out.
    waiting = list(atoms)
    while waiting:
        used = {action for _, action in waiting.pop().do}
        for potential in [potential for potential, value in inner.items() if value in used]:
            waiting.append(potential)
            demand(atoms, potential, inner.pop(potential), values)
    return atoms


def _flat(graph: ADMG, potential: Potential, values: Values, inner: Atoms, depth: int) -> Potential:
    """Return a minimal potential outcome whose nested actions are replaced by new values."""
    if depth > _DEEPEST:
        raise GraphError(f"potential outcomes may nest {_DEEPEST} deep")
    actions: list[tuple[Hashable, Variable]] = []
    nested: list[tuple[Hashable, Potential]] = []
    for name, action in potential.do:
        if isinstance(action, Potential):
            nested.append((name, _flat(graph, action, values, inner, depth + 1)))
        else:
            actions.append((name, variable(name, action)))
    set_apart = _not_natural(graph, nested, actions)
    for _, flat in set_apart:
        if flat not in inner:
            inner[flat] = values.new(flat.variable)
    actions += [(name, inner[flat]) for name, flat in set_apart]
    return minimal(graph, Potential(potential.variable, tuple(actions)))


def _not_natural(
    graph: ADMG, nested: list[tuple[Hashable, Potential]], actions: list[tuple[Hashable, Variable]]
) -> list[tuple[Hashable, Potential]]:
    """Return the nested actions that set a node to what it is not anyway (composition).

    ``Y[X=x, M[X=x]]`` is ``Y[X=x]``: under the other actions, M is what it is set to.
    """
    natural = nested
    while True:
        apart = [pair for pair in nested if pair not in natural]
        world = (*actions, *((name, Variable(name)) for name, _ in apart))
        kept = [pair for pair in natural if minimal(graph, Potential(pair[0], world)) == pair[1]]
        if kept == natural:
            return apart
        natural = kept


def demand(atoms: Atoms, potential: Potential, value: Variable, values: Values) -> None:
    """Add to an event that a minimal potential outcome has a value; `Impossible` if it has another."""
    own = dict(potential.do).get(potential.variable)
    if isinstance(own, Variable):
        values.equate(own, value)
    elif potential in atoms:
        values.equate(atoms[potential], value)
    else:
        atoms[potential] = value


def consistent(graph: ADMG, atoms: Atoms, known: Atoms, values: Values) -> Atoms:
    """Return an event in which actions that change nothing, given what is known, are left out.

    Consistency: where ``X[Z=z]`` is known to be x, ``Y[Z=z, X=x]`` is ``Y[Z=z]``.
    """
    found: Atoms = {}
    for potential, value in atoms.items():
        changed = True
        while changed:
            changed = False
            for name, action in potential.do:
                rest = tuple(item for item in potential.do if item[0] != name)
                natural = known.get(minimal(graph, Potential(name, rest)))
                if natural is not None and values.resolve(natural) == values.resolve(variable(name, action)):
                    potential = minimal(graph, Potential(potential.variable, rest))
                    changed = True
                    break
        demand(found, potential, value, values)
    return found
