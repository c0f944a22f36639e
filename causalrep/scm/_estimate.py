"""A number together with how sure it is."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["Estimate"]


class Estimate(float):
    """A float that knows its standard error: 0 for an exact answer.

    It is a float in every other respect, so that it can be compared, added and passed on; results of
    arithmetic are plain floats.

    Attributes
    ----------
    estimate : float
        The number itself.
    se : float
        Standard error; 0.0 if the answer is exact.
    ess : float
        Effective number of independent draws behind it, ``(sum w)**2 / sum w**2`` (Kish 1965);
        infinite if the answer is exact.
    n_samples : int
        Number of draws made; 0 if the answer is exact.

    Examples
    --------
    >>> from causalrep.scm import Estimate
    >>> Estimate(0.25), Estimate(0.25, se=0.01, ess=900.0, n_samples=1000)
    (0.25, 0.25 (se 0.01))
    >>> Estimate(0.25).exact, Estimate(0.25) + 1
    (True, 1.25)
    """

    se: float
    ess: float
    n_samples: int

    def __new__(cls, estimate: float, se: float = 0.0, ess: float = math.inf, n_samples: int = 0) -> Estimate:
        new = super().__new__(cls, estimate)
        new.se, new.ess, new.n_samples = float(se), float(ess), int(n_samples)
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return (Estimate, (float(self), self.se, self.ess, self.n_samples))

    @property
    def estimate(self) -> float:
        """The number as a plain float."""
        return float(self)

    @property
    def exact(self) -> bool:
        """Whether it was computed and not sampled."""
        return self.n_samples == 0

    def __repr__(self) -> str:
        return float.__repr__(self) if self.exact else f"{float(self):.6g} (se {self.se:.2g})"
