"""Best parents among those that come earlier, remembered as a tree of choices.

From no parents on, the candidate that gains most is added until none gains; then the parent whose loss gains
most is dropped until none does. Which candidates there are changes with the order of the variables, but each
choice only depends on the parents so far: a node of the tree lists the candidates that gain, best first, and
the first that is there is taken. So a new order mostly walks along old branches.

References
----------
B. Andrews, J. Ramsey, R. Sanchez-Romero, J. Camchong, E. Kummerfeld, "Fast scalable and accurate discovery of
DAGs using the best order score search and grow-shrink trees", NeurIPS 2023, arXiv:2310.17679.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causalrep.discovery._local_score import LocalScore

__all__ = ["GrowShrinkTree"]


class _Choice:
    """Parents so far, what they score, and what may follow."""

    __slots__ = ("best", "followers", "next", "parents", "score")

    def __init__(self, parents: tuple[int, ...], score: float) -> None:
        self.parents, self.score = parents, score
        self.followers: list[tuple[int, int, float]] | None = None  # bit, candidate, gain
        self.next: dict[int, _Choice] = {}
        self.best: tuple[float, tuple[int, ...]] | None = None


class GrowShrinkTree:
    """The tree of one variable.

    Parameters
    ----------
    score : LocalScore
        A fitted score.
    node : int
        The variable.
    candidates : sequence of int
        What may be a parent, but for the required.
    required : sequence of int
        Parents that it has from the start and keeps.
    """

    def __init__(
        self, score: LocalScore, node: int, candidates: Sequence[int], required: Sequence[int]
    ) -> None:
        self._score, self._node = score, node
        self._candidates, self._required = list(candidates), frozenset(required)
        start = tuple(sorted(required))
        self._root = _Choice(start, score.local(node, start))

    def best(self, earlier: int) -> tuple[float, tuple[int, ...]]:
        """Return the score of the best parents found among those earlier, and these parents.

        Parameters
        ----------
        earlier : int
            A bit for each variable that comes before.
        """
        choice = self._root
        while True:
            followers = choice.followers
            if followers is None:
                followers = choice.followers = self._followers(choice)
            for bit, candidate, gain in followers:
                if earlier & bit:
                    following = choice.next.get(candidate)
                    if following is None:
                        parents = tuple(sorted((*choice.parents, candidate)))
                        following = choice.next[candidate] = _Choice(parents, choice.score + gain)
                    choice = following
                    break
            else:
                if choice.best is None:
                    choice.best = self._shrunken(choice)
                return choice.best

    def _followers(self, choice: _Choice) -> list[tuple[int, int, float]]:
        others = [k for k in self._candidates if k not in choice.parents]
        if not others:
            return []
        gains = self._score.gains(self._node, choice.parents, np.array(others))
        gaining = np.flatnonzero(gains > 0.0)
        order = gaining[np.argsort(-gains[gaining], kind="stable")].tolist()
        return [(1 << others[k], others[k], float(gains[k])) for k in order]

    def _shrunken(self, choice: _Choice) -> tuple[float, tuple[int, ...]]:
        parents, score = choice.parents, choice.score
        while True:
            best, without = 0.0, parents
            for one in parents:
                if one not in self._required:
                    rest = tuple(k for k in parents if k != one)
                    gain = -float(self._score.gains(self._node, rest, np.array([one]))[0])
                    if gain > best:
                        best, without = gain, rest
            if without == parents:
                return score, parents
            parents, score = without, score + best
