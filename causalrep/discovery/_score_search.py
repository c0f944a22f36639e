"""What searches by a score share: the fitted score, and a class that agrees with what is known."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from causalrep.discovery._constraint_search import all_or_nothing, checked_knowledge, publish_names
from causalrep.discovery._discrete_scores import BDeu, DiscreteBIC
from causalrep.discovery._gaussian_score import GaussianBIC
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._local_score import LocalScore
from causalrep.graphs import CPDAG, MPDAG
from causalrep.graphs._equivalence import PartialOrientation
from causalrep.utils import DataError, UnknownNameError

__all__ = ["CRITERIA", "ScoreSearch"]

#: What a criterion may be called, and what it then is.
CRITERIA: dict[str, type[LocalScore]] = {"bdeu": BDeu, "bic": GaussianBIC, "discrete_bic": DiscreteBIC}


class ScoreSearch(BaseEstimator):  # type: ignore[misc]
    """A search for the equivalence class of the best score."""

    criterion: str | LocalScore
    knowledge: Knowledge | None
    max_degree: int | None

    @abstractmethod
    def _best_class(self, score: LocalScore, constraints: Constraints) -> PartialOrientation:
        """Return the class found, on positions in canonical order."""

    def fit(self, X: Any = None, y: object = None) -> Self:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features), default=None
            The data. Not needed where `criterion` is fitted.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        estimator
            The estimator itself.
        """
        with all_or_nothing(self):
            degree = self.max_degree
            if degree is not None and (not isinstance(degree, (int, np.integer)) or degree < 1):
                raise DataError(f"`max_degree` must be a positive integer or None, got {degree!r}")
            knowledge = checked_knowledge(self.knowledge)
            score = self._fitted_score(X)
            names = score.canonical_names
            marks = self._best_class(score, Constraints(knowledge, names))
            found = _class_of(marks, names, score.names_)
            self.graph_ = found if knowledge is None else _directed_by(knowledge, found)
            self.score_ = score.total(self.graph_)
            self.local_score_ = score
            publish_names(self, score.names_)
        return self

    def _fitted_score(self, X: Any) -> LocalScore:
        if isinstance(self.criterion, str):
            if self.criterion not in CRITERIA:
                raise UnknownNameError(self.criterion, tuple(CRITERIA), what="`criterion`")
            score = CRITERIA[self.criterion]()
        elif isinstance(self.criterion, LocalScore):
            score = copy.copy(self.criterion)
        else:
            raise TypeError(f"`criterion` must be a name or a LocalScore object, got {self.criterion!r}")
        if X is None and not score.is_fitted:
            raise DataError("`X` is needed: only a fitted score can do without data")
        return score if X is None else score.fit(X)


def _class_of(marks: PartialOrientation, names: tuple[Hashable, ...], shown: tuple[Hashable, ...]) -> CPDAG:
    directed = [(names[i], names[j]) for i, row in enumerate(marks.children) for j in sorted(row)]
    undirected = [(names[i], names[j]) for i, row in enumerate(marks.undecided) for j in sorted(row) if i < j]
    return CPDAG(directed, undirected, nodes=shown)


def _directed_by(knowledge: Knowledge, found: CPDAG) -> CPDAG | MPDAG:
    """Return the members of a class that agree with the knowledge."""
    ways = [way for pair in found.undirected_edges for way in (pair, pair[::-1])]
    required = [way for way in ways if way in knowledge.required]
    known = found.to_mpdag(required, [way for way in ways if knowledge.forbids(*way)])
    return found if known.directed_edges == found.directed_edges else known
