"""What is known before looking at the data: edges that are there, that are not, and the order of time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from causalrep.graphs import DAG, NodeSet
from causalrep.utils import GraphError, UnknownNameError

__all__ = ["Constraints", "Knowledge"]

Pair = tuple[Hashable, Hashable]


class Knowledge:
    """Background knowledge about the edges of a graph, which a search obeys in all its phases.

    Parameters
    ----------
    required : iterable of (hashable, hashable), default=()
        Edges (cause, effect) that the graph has. They are never tested away.
    forbidden : iterable of (hashable, hashable), default=()
        Edges (cause, effect) that the graph has not. Two variables forbidden both ways are never adjacent,
        whatever the data say.
    tiers : iterable of iterable of hashable, default=()
        Groups of variables from early to late: no edge leads from a later group to an earlier one.
        Variables in no group are free.

    Attributes
    ----------
    required, forbidden : tuple of (hashable, hashable)
        As given.
    tiers : tuple of tuple of hashable
        As given.
    names : NodeSet
        All variables that are mentioned.

    Raises
    ------
    GraphError
        If a pair is not two different variables, a variable is in two tiers, or an edge is both
        required and forbidden, be it by the tiers.
    CycleError
        If the required edges form a cycle.

    Examples
    --------
    >>> from causalrep.discovery import Knowledge
    >>> knowledge = Knowledge(required=[("dose", "response")], tiers=[["age", "sex"], ["dose"], ["response"]])
    >>> knowledge.forbids("response", "age"), knowledge.forbids("age", "sex")
    (True, False)
    """

    def __init__(
        self,
        required: Iterable[Pair] = (),
        forbidden: Iterable[Pair] = (),
        tiers: Iterable[Iterable[Hashable]] = (),
    ) -> None:
        self.required = _pairs(required, "required")
        self.forbidden = _pairs(forbidden, "forbidden")
        self.tiers = tuple(_group(tier) for tier in tiers)
        self._tier: dict[Hashable, int] = {}
        for level, tier in enumerate(self.tiers):
            for name in tier:
                if name in self._tier:
                    both = f"{self._tier[name]} and {level}"
                    raise GraphError(f"`tiers` must name each variable once, got {name!r} in {both}")
                self._tier[name] = level
        ends = (name for pair in (*self.required, *self.forbidden) for name in pair)
        self.names: NodeSet[Hashable] = NodeSet([*ends, *self._tier])
        self._forbidden = frozenset(self.forbidden)
        DAG(dict.fromkeys(self.required))  # raises CycleError
        for cause, effect in self.required:
            if self.forbids(cause, effect):
                source = "forbidden" if (cause, effect) in self._forbidden else "ruled out by the tiers"
                raise GraphError(f"the edge {cause!r} -> {effect!r} is both required and {source}")

    def forbids(self, cause: Hashable, effect: Hashable) -> bool:
        """Return whether the edge from `cause` to `effect` is forbidden, by name or by the tiers.

        Parameters
        ----------
        cause, effect : hashable
            Two variables, mentioned or not.

        Returns
        -------
        bool
        """
        later = self._tier.get(cause, -1) > self._tier.get(effect, np.inf)
        return later or (cause, effect) in self._forbidden

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Knowledge):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Knowledge(required={self.required}, forbidden={self.forbidden}, tiers={self.tiers})"

    def _key(self) -> tuple[object, ...]:
        return (frozenset(self.required), self._forbidden, tuple(frozenset(tier) for tier in self.tiers))


class Constraints:
    """Knowledge about numbered variables, in the form that searches read.

    Attributes
    ----------
    required, forbidden : array of shape (d, d), bool
        Entry (i, j) is about the edge i -> j.
    tier : array of shape (d,), int, or None
        Tier of each variable, -1 for none; ``None`` where there are no tiers.
    allowed : array of shape (d, d), bool, or None
        Which pairs may be adjacent, symmetric; ``None`` for all.
    """

    def __init__(
        self,
        knowledge: Knowledge | None,
        names: Sequence[Hashable],
        allowed: NDArray[np.bool_] | None = None,
    ) -> None:
        d = len(names)
        self.allowed = allowed
        self.required: NDArray[np.bool_] = np.zeros((d, d), dtype=bool)
        self.forbidden: NDArray[np.bool_] = np.zeros((d, d), dtype=bool)
        self.tier: NDArray[np.int64] | None = None
        if knowledge is None:
            return
        position = {name: k for k, name in enumerate(names)}
        for name in knowledge.names:
            if name not in position:
                raise UnknownNameError(name, names, what="the knowledge")
        for matrix, pairs in ((self.required, knowledge.required), (self.forbidden, knowledge.forbidden)):
            for cause, effect in pairs:
                matrix[position[cause], position[effect]] = True
        if knowledge.tiers:
            self.tier = np.full(d, -1, dtype=np.int64)
            for level, tier in enumerate(knowledge.tiers):
                self.tier[[position[name] for name in tier]] = level
            known = self.tier >= 0
            self.forbidden |= (self.tier[:, None] > self.tier[None, :]) & known[:, None] & known[None, :]
        if allowed is not None and (self.required & ~allowed).any():
            i, j = np.argwhere(self.required & ~allowed)[0].tolist()
            raise GraphError(
                f"the edge {names[i]!r} -> {names[j]!r} is required, but `restrict` rules it out"
            )

    @property
    def never_adjacent(self) -> NDArray[np.bool_]:
        """Pairs forbidden both ways or not allowed, array of shape (d, d)."""
        never = self.forbidden & self.forbidden.T
        return never if self.allowed is None else never | ~self.allowed

    @property
    def always_adjacent(self) -> NDArray[np.bool_]:
        """Pairs with a required edge, array of shape (d, d)."""
        return self.required | self.required.T

    @property
    def directions(self) -> NDArray[np.bool_]:
        """What an edge between i and j must be: required, or forbidden the other way round."""
        return self.required | (self.forbidden.T & ~self.forbidden)


def _pairs(pairs: Iterable[Pair], what: str) -> tuple[Pair, ...]:
    found = []
    for pair in pairs:
        if isinstance(pair, str) or not isinstance(pair, Iterable) or len(tuple(pair)) != 2:
            raise GraphError(f"`{what}` must hold pairs (cause, effect), got {pair!r}")
        cause, effect = pair
        if cause == effect:
            raise GraphError(f"`{what}` must hold edges between two variables, got {pair!r}")
        found.append((cause, effect))
    return tuple(found)


def _group(tier: Iterable[Hashable]) -> tuple[Hashable, ...]:
    if isinstance(tier, str):
        raise GraphError(f"`tiers` must hold groups of variables, got the string {tier!r}; write [{tier!r}]")
    return tuple(tier)
