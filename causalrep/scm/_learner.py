"""What a learner is: a recipe that turns rows of a node and its parents into a mechanism."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._encoding import Encoding
from causalrep.scm._mechanism import Array, Mechanism

__all__ = ["CrossFit", "Folds", "Learner", "Rows"]

Floats = NDArray[np.float64]
Folds = Sequence[NDArray[np.intp]]


@dataclass(frozen=True)
class Rows:
    """Observed values of a node and its parents."""

    node: Hashable
    parents: Mapping[Hashable, Array]
    value: NDArray[Any]
    encoding: Encoding

    def __len__(self) -> int:
        return len(self.value)

    @cached_property
    def matrix(self) -> Floats:
        """The encoded parents, shape (n, width)."""
        if not self.parents:
            return np.empty((len(self), 0))
        return self.encoding.matrix(*self.parents.values())

    def take(self, index: NDArray[Any]) -> Rows:
        """Return some of the rows; the encoding is kept."""
        parents = {name: np.asarray(column)[index] for name, column in self.parents.items()}
        return Rows(self.node, parents, self.value[index], self.encoding)

    def without(self, index: NDArray[np.intp]) -> Rows:
        """Return all rows but these."""
        kept = np.ones(len(self), dtype=bool)
        kept[index] = False
        return self.take(kept)


@dataclass(frozen=True)
class CrossFit:
    """What a learner achieved on rows that it had not seen.

    Attributes
    ----------
    learner : str
        Name of the learner.
    scores : array of shape (n,)
        Log density (log probability) of each row under the fit without its fold.
    finish : callable
        Returns the mechanism fitted to all rows.
    residuals : array of shape (n,), optional
        Of additive learners: value minus its prediction by the fit without its fold.
    """

    learner: str
    scores: Floats
    finish: Callable[[], Mechanism]
    residuals: Floats | None = None


class Learner(ABC):
    """A recipe for a mechanism; `fit` is all that a subclass must give.

    Examples
    --------
    >>> from causalrep.scm import Learner, Normal, Root
    >>> class Gaussian(Learner):
    ...     '''A root with a normal law.'''
    ...     name = "gaussian"
    ...     def fit(self, rows, seed):
    ...         return Root(Normal(float(rows.value.mean()), float(rows.value.std())))
    >>> import pandas as pd
    >>> from causalrep.scm import SCM
    >>> from causalrep.graphs import DAG
    >>> df = pd.DataFrame({"X": [float(i % 7) for i in range(70)]})
    >>> SCM(DAG(nodes=["X"])).fit(df, {"X": Gaussian()}).mechanisms["X"].noise.loc
    3.0
    """

    name: ClassVar[str] = "learner"

    @abstractmethod
    def fit(self, rows: Rows, seed: int) -> Mechanism:
        """Return the mechanism learned from rows.

        Parameters
        ----------
        rows : Rows
            Values of the node and its parents.
        seed : int
            Where all chance comes from.

        Returns
        -------
        Mechanism
            It reads the parents of `rows`.
        """

    def cross_fit(self, rows: Rows, folds: Folds, seed: int) -> CrossFit:
        """Return the scores of rows by fits that have not seen them.

        Parameters
        ----------
        rows : Rows
            Values of the node and its parents.
        folds : sequence of int array
            Rows of each fold.
        seed : int
            Where all chance comes from.

        Returns
        -------
        CrossFit
            Scores, and the way to the mechanism.
        """
        scores = np.empty(len(rows))
        for held in folds:
            mechanism = self.fit(rows.without(held), seed)
            part = rows.take(held)
            scores[held] = mechanism.log_prob(part.parents, part.value)
        return CrossFit(self.name, scores, lambda: self.fit(rows, seed))
