"""Two arms among all: who is in them, how probable they are, and which weights compare them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contrast", "probabilities"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contrast:
    """An arm against the reference, where rows may be in other arms too.

    Parameters
    ----------
    coded : array of shape (n,)
        The arm of each row: 0 is the reference, then 1, 2, ...
    e : array of shape (n, n_arms)
        The probability of each arm at each row.
    arm : int, default=1
        The arm that is compared with the reference.
    """

    coded: NDArray[np.intp]
    e: Array
    arm: int = 1

    @classmethod
    def of_two(cls, t: Array, e: Array) -> Contrast:
        """Return the contrast of treatment and control, where `e` is the probability of treatment."""
        return cls(t.astype(np.intp), np.column_stack([1 - e, e]))

    @cached_property
    def in0(self) -> Array:
        """Who is in the reference arm, as 0 and 1."""
        return np.asarray(self.coded == 0, dtype=np.float64)

    @cached_property
    def in1(self) -> Array:
        """Who is in the other arm, as 0 and 1."""
        return np.asarray(self.coded == self.arm, dtype=np.float64)

    @property
    def e0(self) -> Array:
        """The probability of the reference arm."""
        return self.e[:, 0]

    @property
    def e1(self) -> Array:
        """The probability of the other arm."""
        return self.e[:, self.arm]

    @cached_property
    def balanced(self) -> Array:
        """The weights, of shape (n, n_arms), that turn each arm into the population where all overlap.

        They are proportional to the inverse of the probabilities and sum to one: with two arms, the
        probability of the other one (Li and Li, "Propensity score weighting for causal inference with
        multiple treatments", Annals of Applied Statistics 13, 2019, equation 4).
        """
        without = [np.prod(np.delete(self.e, arm, axis=1), axis=1) for arm in range(self.e.shape[1])]
        others = np.column_stack(without)
        return np.asarray(others / others.sum(axis=1, keepdims=True))

    @cached_property
    def overlap_score(self) -> Array:
        """The weight of each row in that population, with its derivative along the arm that it is in.

        With two arms it is (t - e)^2.
        """
        member = self.coded[:, None] == np.arange(self.e.shape[1])
        overlap = self.e0 * self.balanced[:, 0]
        return np.asarray(overlap + np.sum(self.balanced**2 * (member - self.e), axis=1))

    def weights(self, estimand: str) -> tuple[Array, Array]:
        """Return the weights of the rows of both arms that turn them into the population of an estimand."""
        one = np.ones(len(self.e))
        if estimand == "ate":
            return 1 / self.e0, 1 / self.e1
        if estimand == "att":
            return self.e1 / self.e0, one
        if estimand == "atc":
            return one, self.e0 / self.e1
        return self.balanced[:, 0], self.balanced[:, self.arm]

    def slopes(self, estimand: str) -> tuple[Array, Array]:
        """Return the derivatives of these weights by the log-odds of each arm against the reference.

        Both are of shape (n, n_arms - 1), and zero for the rows of other arms.
        """
        own = (np.arange(1, self.e.shape[1]) == self.arm).astype(np.float64)
        none = np.zeros((len(self.e), len(own)))
        others = self.e[:, 1:]
        w0, w1 = (weight[:, None] for weight in self.weights(estimand))
        slope0, slope1 = {
            "ate": (others * w0, (others - own) * w1),
            "att": (own * w0, none),
            "atc": (none, -own * w1),
            "ato": (w0 * self.balanced[:, 1:], w1 * (self.balanced[:, 1:] - own)),
        }[estimand]
        return self.in0[:, None] * slope0, self.in1[:, None] * slope1


def probabilities(against_reference: Array) -> Array:
    """Return the probability of each arm from those of each arm given that it is this or the reference.

    Logistic regressions of one arm against the reference are consistent for the multinomial one (Begg and
    Gray, "Calculation of polychotomous logistic regression parameters using individualized regressions",
    Biometrika 71, 1984), and any classifier of two classes will do.

    Parameters
    ----------
    against_reference : array of shape (n, n_arms - 1)
        Strictly between 0 and 1.
    """
    odds = against_reference / (1 - against_reference)
    reference = 1 / (1 + odds.sum(axis=1, keepdims=True))
    return np.hstack([reference, odds * reference])
