"""What a refuter returns, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Refutation"]

Array = NDArray[np.float64]

_LEVEL = 0.05

_WHAT = {
    "placebo_treatment": "with the treatment shuffled",
    "dummy_outcome": "with an outcome that the treatment does not affect",
    "random_common_cause": "with a random covariate added",
    "data_subset": "on random subsets",
    "bootstrap": "on rows drawn again",
    "unobserved_common_cause": "with the hidden cause added",
    "negative_control_outcome": "on the negative control outcome",
    "negative_control_exposure": "of the negative control exposure",
}


@dataclass(frozen=True)
class Refutation:
    """What came of refitting an analysis on altered data.

    Parameters
    ----------
    method : str
        The refuter.
    estimate : float
        The estimate on the data as they are.
    expected : float
        What the refits should give if the analysis is right.
    null : array of shape (n_repetitions,)
        The estimates of the refits; of ``"graph"``, the p-values of the independences.
    pvalue : float
        Below 0.05 a problem was found; of ``"graph"`` it is corrected for the number of tests (Bonferroni).
    detail : str, default=""
        More to read.
    """

    method: str
    estimate: float
    expected: float
    null: Array = field(repr=False)
    pvalue: float
    detail: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether a problem was found, at the level of 5 %."""
        return self.pvalue < _LEVEL

    @property
    def reading(self) -> str:
        """What the result means, in one line."""
        verdict = "a problem was found" if self.is_problem else "no problem was found"
        if self.method == "graph":
            return f"graph: {self.detail} (p = {self.pvalue:.2g}): {verdict}"
        mean = float(np.mean(self.null))
        return (
            f"{self.method}: {_WHAT[self.method]} the effect is {mean:.4g}, where {self.expected:.4g} is "
            f"expected (p = {self.pvalue:.2g}): {verdict}; this does not tell whether the effect differs "
            "from zero"
        )

    def __str__(self) -> str:
        return self.reading
