"""What constraint-based searches share: parameters, the fitted test, and results by column."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from causalrep.discovery._constant import HANDLINGS, without_constant
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._orientation import RULES
from causalrep.discovery._restrict import allowed_pairs
from causalrep.discovery._search import Ints
from causalrep.discovery._separating_sets import SeparatingSets
from causalrep.discovery._skeleton import Skeleton
from causalrep.independence import CITest
from causalrep.independence._arrays import canonical_order, move_to_device, namespace_of
from causalrep.independence._registry import TESTS
from causalrep.utils import DataError, UnknownNameError, columns_of

__all__ = [
    "ConflictWarning",
    "ConstraintSearch",
    "all_or_nothing",
    "check_limits",
    "checked_knowledge",
    "named_test",
    "publish_names",
]


class ConflictWarning(UserWarning):
    """Knowledge contradicts what a search has found; knowledge won.

    Attributes
    ----------
    conflicts : tuple of Conflict
        What was overruled.
    """

    def __init__(self, message: str, conflicts: tuple[Any, ...]) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class ConstraintSearch(BaseEstimator):  # type: ignore[misc]
    """A search that asks a test of conditional independence, level by level."""

    test: str | CITest
    alpha: float
    knowledge: Knowledge | None
    max_cond: int | None
    restrict: Any
    collider_rule: str
    constant: str
    device: Any
    _names: tuple[Hashable, ...]
    _skeleton: Skeleton

    def _check_parameters(self) -> None:
        check_limits(self.alpha, self.max_cond)
        if self.collider_rule not in RULES:
            raise UnknownNameError(self.collider_rule, RULES, what="`collider_rule`")
        if self.constant not in HANDLINGS:
            raise UnknownNameError(self.constant, HANDLINGS, what="`constant`")
        checked_knowledge(self.knowledge)

    def _constraints(self, names: tuple[Hashable, ...], shown: tuple[Hashable, ...]) -> Constraints:
        return Constraints(self.knowledge, names, allowed_pairs(self.restrict, names, shown))

    def _fitted_test(self, X: Any) -> tuple[CITest, tuple[Hashable, ...], tuple[Hashable, ...]]:
        """Return the test, the names of its columns in its order, and the names as the user has them.

        Without the columns that are dropped, which it sets.
        """
        test = named_test(self.test)
        self.dropped_: tuple[Hashable, ...] = ()
        self._columns: tuple[Hashable, ...] = ()
        if X is None:
            if self.device is not None:
                raise DataError("`device` says where to put data, and no data were given")
            if not test.is_fitted:
                raise DataError("`X` is needed: only a fitted test can do without data")
            return test, test.names_, test.names_
        if self.constant == "drop":
            kept, self.dropped_ = without_constant(X)
            if self.dropped_:
                self._columns, X = tuple(columns_of(X, what="X")), kept
        test = copy.copy(test)
        if self.device is None:
            test.fit(X)
            return test, test.names_, test.names_
        matrix, names = move_to_device(X, self.device)
        order = canonical_order(names)
        xp = namespace_of(matrix)
        test.fit(xp.take(matrix, xp.asarray(order, device=matrix.device), axis=1))
        return test, tuple(names[k] for k in order), names

    def _publish(self, shown: tuple[Hashable, ...]) -> None:
        """Set the attributes that are about columns, in the order in which the user has them."""
        place = {name: k for k, name in enumerate(self._names)}
        back = np.array([place[name] for name in shown], dtype=np.int64)
        in_order = np.array_equal(back, np.arange(len(back)))
        self.pvalues_: NDArray[np.float64] = (
            self._skeleton.pvalues if in_order else self._skeleton.pvalues[np.ix_(back, back)]
        )
        self.sepsets_ = _in_order(self._skeleton, np.argsort(back), shown)
        publish_names(self, self._columns or shown)


@contextmanager
def all_or_nothing(search: BaseEstimator) -> Iterator[None]:
    """Forget what an earlier fit found if this one does not come to its end."""
    done = False
    try:
        yield
        done = True
    except KeyboardInterrupt as stop:
        stop.add_note(f"the search was stopped: this {type(search).__name__} is not fitted")
        raise
    finally:
        if not done:
            for name in [name for name in vars(search) if name.endswith("_") and not name.startswith("_")]:
                delattr(search, name)


def check_limits(alpha: Any, max_cond: Any) -> None:
    """Raise if the level of the tests or the largest size of a conditioning set is out of range."""
    if not isinstance(alpha, (int, float, np.number)) or not 0.0 < float(alpha) < 1.0:
        raise DataError(f"`alpha` must be in (0, 1), got {alpha!r}")
    if max_cond is not None and (not isinstance(max_cond, (int, np.integer)) or max_cond < 0):
        raise DataError(f"`max_cond` must be a non-negative integer or None, got {max_cond!r}")


def named_test(test: str | CITest) -> CITest:
    """Return the test that a parameter means: an object, or a new one of a registered name."""
    if isinstance(test, CITest):
        return test
    if not isinstance(test, str):
        raise TypeError(f"`test` must be a name or a CITest object, got {test!r}")
    if test not in TESTS:
        raise UnknownNameError(test, tuple(TESTS), what="`test`")
    return TESTS[test]()


def checked_knowledge(knowledge: Knowledge | None) -> Knowledge | None:
    if knowledge is not None and not isinstance(knowledge, Knowledge):
        raise TypeError(f"`knowledge` must be a Knowledge, got {type(knowledge).__name__}")
    return knowledge


def publish_names(search: Any, names: Sequence[Hashable]) -> None:
    """Set the number of columns and, where they are strings, their names."""
    search.n_features_in_ = len(names)
    if all(isinstance(name, str) for name in names):
        search.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(search, "feature_names_in_"):
        del search.feature_names_in_


def _in_order(skeleton: Skeleton, place: Ints, names: tuple[Hashable, ...]) -> SeparatingSets:
    """Return the separating sets with variable k renumbered to ``place[k]``."""
    if np.array_equal(place, np.arange(len(names))):
        return SeparatingSets(names, skeleton.pairs, skeleton.sets, skeleton.apart)
    pairs = np.sort(place[skeleton.pairs], axis=1)
    sets = np.where(skeleton.sets >= 0, place[skeleton.sets], len(names))
    sets = np.sort(sets, axis=1)
    sets[sets == len(names)] = -1
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    back = np.argsort(place)
    apart = None if skeleton.apart is None else skeleton.apart[np.ix_(back, back)]
    return SeparatingSets(names, pairs[order], sets[order], apart)
