"""Times that are not seen to their end: the rows that are, weighted up for those that are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Censoring"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Censoring:
    """The product-limit estimate of staying uncensored in a group of rows (Kaplan and Meier 1958).

    At the same time, events come before censorings.

    Parameters
    ----------
    times : array of shape (n_times,)
        Times at which rows are censored, in order.
    hazard : array of shape (n_times,)
        Share of those at risk who are censored then.
    share : array of shape (n_times,)
        Those at risk, as a share of all rows.
    stays : array of shape (n_times + 1,)
        Probability of being uncensored before each time, and after the last.
    """

    times: Array
    hazard: Array
    share: Array
    stays: Array

    @classmethod
    def of(cls, time: Array, censored: NDArray[np.bool_], n: int) -> Censoring:
        """Estimate it from the rows of a group, of `n` rows in all."""
        times, counts = np.unique(time[censored], return_counts=True)
        later = len(time) - np.searchsorted(np.sort(time), times, side="right")
        at_risk = later + counts
        hazard = counts / at_risk
        return cls(times, hazard, at_risk / n, np.append(1.0, np.cumprod(1 - hazard)))

    def before(self, time: Array) -> Array:
        """Return the probability of being uncensored just before some times."""
        return np.asarray(self.stays[np.searchsorted(self.times, time, side="left")])

    def influence(
        self, time: Array, censored: NDArray[np.bool_], until: Array, value: Array, n: int
    ) -> Array:
        """Return what each row of the group adds to a mean of weighted values by the weights being estimated.

        The weight of a value holds the inverse probability of being uncensored before `until`. Each row's
        censoring less what its hazard adds up to, a martingale, moves the inverse by its share of those at
        risk: the values still to come at each time, over those at risk, are summed along it.
        """
        order = np.argsort(until, kind="stable")
        to_come = np.append(np.cumsum(value[order][::-1])[::-1], 0.0) / n
        later = to_come[np.searchsorted(until[order], self.times, side="right")]
        ratio = later / self.share
        summed = np.append(0.0, np.cumsum(ratio * self.hazard))
        # an event leaves before the censorings of its time, a censoring is one of them
        side = np.where(
            censored,
            np.searchsorted(self.times, time, side="right"),
            np.searchsorted(self.times, time, side="left"),
        )
        own = np.zeros(len(time))
        own[censored] = ratio[np.searchsorted(self.times, time[censored])]
        return np.asarray(own - summed[side])
