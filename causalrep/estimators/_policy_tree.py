"""Trees that say whom to treat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from causalrep.estimators._adjusting import AdjustingEstimator
from causalrep.estimators._aipw import AIPW
from causalrep.estimators._arm_scores import arm_scores
from causalrep.estimators._policy_search import Node, best_tree
from causalrep.estimators._policy_value import policy_value
from causalrep.estimators._result import EffectResult
from causalrep.utils import DataError, RandomState, as_seed, keyed_seed

__all__ = ["PolicyTree"]

Array = NDArray[np.float64]

_DEEPEST_EXACT = 2


class PolicyTree(BaseEstimator):  # type: ignore[misc]
    """Learn whom to treat, as a shallow tree of the covariates, from doubly robust scores.

    A tree of depth one or two is the best of all such trees; a deeper one is grown greedily. It assumes that
    the covariates block all back-door paths of the treatment in the data, and overlap.

    Parameters
    ----------
    treatment : str or int, default=None
        Name or position of the column of X that holds the treatment; not needed where `fit` gets an array.
    estimator : estimator that adjusts, default=None
        Gives the scores; ``None`` is `AIPW`.
    max_depth : int, default=2
        How many questions are asked at most. Above 2 the tree is a weighted
        `sklearn.tree.DecisionTreeClassifier` of the signs of the scores.
    cost : float, default=0.0
        What treating one row costs, in units of the outcome; it is treated only if it gains more.
    min_samples_leaf : int, default=1
        Fewest rows of a leaf.
    max_cuts : int, default=256
        Thresholds of each covariate: all between distinct values if there are no more, else quantiles.
    random_state : int, Generator, RandomState or None, default=None
        Chance in folds and models.

    Attributes
    ----------
    arms_ : array of shape (2,)
        The values of the treatment, control first.
    estimator_ : AdjustingEstimator
        The fitted estimator, with the effects and the overlap.
    covariate_names_in_ : array of shape (n_covariates,), object
        Names of the covariates.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of shape (n_features,), object
        Their names, where all are strings.

    Raises
    ------
    DataError
        In `fit`: for a treatment without two values, for missing covariates, for parameters out of range.

    Notes
    -----
    It maximises equation (4) of [1]_ over trees; the search looks at all pairs of cuts in tables of their
    cells, O(n_covariates**2 * (n_samples + max_cuts**2)). Rows of equal gain under both arms are not treated.

    References
    ----------
    .. [1] S. Athey, S. Wager, "Policy learning with observational data", Econometrica 89, 2021.
    .. [2] Z. Zhou, S. Athey, S. Wager, "Offline multi-action policy learning: generalization and
       optimization", Operations Research 71, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from causalrep.estimators import PolicyTree
    >>> rng = np.random.default_rng(0)
    >>> w, t = rng.uniform(-1, 1, size=(2000, 2)), rng.integers(0, 2, 2000)
    >>> y = t * np.where((w[:, 0] > 0) & (w[:, 1] > 0), 1, -1) + 0.1 * rng.normal(size=2000)
    >>> PolicyTree(random_state=0).fit(w, y, treatment=t).predict([[0.5, 0.5], [0.5, -0.5], [-0.5, 0.5]])
    array([1, 0, 0])
    """

    def __init__(
        self,
        treatment: str | int | None = None,
        *,
        estimator: Any = None,
        max_depth: int = 2,
        cost: float = 0.0,
        min_samples_leaf: int = 1,
        max_cuts: int = 256,
        random_state: RandomState = None,
    ) -> None:
        self.treatment = treatment
        self.estimator = estimator
        self.max_depth = max_depth
        self.cost = cost
        self.min_samples_leaf = min_samples_leaf
        self.max_cuts = max_cuts
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, treatment: Any = None, cluster: Any = None, sample_weight: Any = None
    ) -> PolicyTree:
        """Fit the nuisances and find the tree.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            Covariates, and the treatment where the constructor names its column.
        y : array of shape (n_samples,)
            Outcome, of which more is better.
        treatment : array of shape (n_samples,), default=None
            The treatment, of two values, where the constructor does not name its column.
        cluster : array of shape (n_samples,), default=None
            Rows of one cluster share folds.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        PolicyTree
            The estimator itself.
        """
        for name, least in (("max_depth", 1), ("min_samples_leaf", 1), ("max_cuts", 1)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise DataError(f"`{name}` must be an integer of at least {least}, got {value!r}")
        self._seed = as_seed(self.random_state)
        self.estimator_ = self._scoring().fit(
            X, y, treatment=treatment, cluster=cluster, sample_weight=sample_weight
        )
        for name in ("n_features_in_", "feature_names_in_", "covariate_names_in_", "arms_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        sample = self.estimator_._sample
        if np.isnan(sample.W).any():
            raise DataError("a policy cannot ask for covariates that are missing; impute them first")
        control, treated = arm_scores(self.estimator_)
        self._gain = sample.weight * (treated - control - self.cost)
        self._tree = self._learned(sample.W, self._gain)
        return self

    def _scoring(self) -> AdjustingEstimator:
        if self.estimator is None:
            return AIPW(treatment=self.treatment, treatment_type="binary", random_state=self._seed)
        if not isinstance(self.estimator, AdjustingEstimator):
            raise DataError(
                f"`estimator` must be one that adjusts for covariates, got {type(self.estimator).__name__}"
            )
        estimator: AdjustingEstimator = clone(self.estimator)
        if self.treatment is not None:
            estimator.set_params(treatment=self.treatment)
        return estimator

    def _learned(self, W: Array, gain: Array) -> Node:
        if W.shape[1] == 0:
            return best_tree(W, gain, 0, max_cuts=1, min_leaf=1)
        if self.max_depth <= _DEEPEST_EXACT:
            options = {"max_cuts": int(self.max_cuts), "min_leaf": int(self.min_samples_leaf)}
            return best_tree(W, gain, int(self.max_depth), **options)
        greedy = DecisionTreeClassifier(
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            random_state=keyed_seed(self._seed, "tree") % 2**31,
        )
        return _as_node(greedy.fit(W, gain > 0, sample_weight=np.abs(gain)))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the arm that the policy gives to each row.

        Parameters
        ----------
        X : data frame or array of shape (n_rows, n_features)
            Rows with the columns of `fit`; what the column of the treatment holds does not matter.

        Returns
        -------
        array of shape (n_rows,)
            Values of `arms_`.
        """
        check_is_fitted(self)
        decided = self._tree.decide(self.estimator_._covariates(X))
        return np.asarray(self.arms_[decided.astype(np.intp)])

    def rules(self) -> str:
        """Return the policy in words.

        Returns
        -------
        str
            One line for each question and leaf.
        """
        check_is_fitted(self)
        return "\n".join(self._tree.lines(tuple(str(name) for name in self.covariate_names_in_)))

    def value(self, *, baseline: Any = None, alpha: float = 0.05) -> EffectResult:
        """Return what policies learned in this way are worth on rows that they were not learned from.

        Parameters
        ----------
        baseline : array of shape (n_samples,) or scalar, default=None
            A rule to be compared with: 0 treats nobody, 1 everybody.
        alpha : float in (0, 1), default=0.05
            One less the level of the interval.

        Returns
        -------
        EffectResult
            The value per row, less costs; for each fold the tree is learned on the others.
        """
        check_is_fitted(self)
        W = self.estimator_._sample.W
        decided = np.zeros(len(W), dtype=bool)
        for train, test in self.estimator_._splits[0]:
            decided[test] = self._learned(W[train], self._gain[train]).decide(W[test])
        return policy_value(self.estimator_, decided, baseline=baseline, cost=self.cost, alpha=alpha)


def _as_node(fitted: DecisionTreeClassifier) -> Node:
    """Return a fitted tree of scikit-learn as one of ours; children stand behind their parents."""
    tree = fitted.tree_
    treats = fitted.classes_[np.argmax(tree.value[:, 0, :], axis=1)]
    nodes: dict[int, Node] = {}
    for i in reversed(range(tree.node_count)):
        if tree.children_left[i] < 0:
            nodes[i] = Node(is_treated=bool(treats[i]))
        else:
            children = nodes[int(tree.children_left[i])], nodes[int(tree.children_right[i])]
            nodes[i] = Node(
                feature=int(tree.feature[i]),
                threshold=float(tree.threshold[i]),
                left=children[0],
                right=children[1],
            )
    return nodes[0]
