"""The mechanism of a node that is still to be learned."""

# ruff: noqa: ARG002 - a mechanism is handed parents and noise whether or not it reads them

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NoReturn

import numpy as np

from causalrep.scm._mechanism import Array, Mechanism, Noise

__all__ = ["Unfitted"]


class Unfitted(Mechanism):
    """Stands where a mechanism will be; everything but `fit` is refused.

    Parameters
    ----------
    learner : str, Learner or estimator, default="auto"
        What `SCM.fit` uses unless it is told otherwise.
    """

    def __init__(self, learner: Any = "auto") -> None:
        self.learner = learner

    def __repr__(self) -> str:
        return f"Unfitted({self.learner!r})"

    def forward(self, parents: Mapping[Hashable, Array], noise: Noise) -> Array:
        """Refuse."""
        self._refuse()

    def sample_noise(self, n: int, generator: np.random.Generator) -> Noise:
        """Refuse."""
        self._refuse()

    def abduct(self, parents: Mapping[Hashable, Array], value: Array) -> Noise:
        """Refuse."""
        self._refuse()

    def log_prob(self, parents: Mapping[Hashable, Array], value: Array) -> Array:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        from sklearn.exceptions import NotFittedError

        raise NotFittedError("the model has no mechanisms yet; call fit(data) first")
