"""The PC algorithm: a causal graph from tests of conditional independence."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from causalrep.discovery._conflicts import POLICIES
from causalrep.discovery._constraint_search import (
    ConflictWarning,
    ConstraintSearch,
    all_or_nothing,
    checked_knowledge,
)
from causalrep.discovery._false_discoveries import METHODS, without_false_discoveries
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._orientation import find_evidence, orient_edges
from causalrep.discovery._search import CanonicalTest
from causalrep.discovery._skeleton import ProgressReport, find_skeleton
from causalrep.graphs import CPDAG, PAG, PDAG
from causalrep.independence import CITest
from causalrep.independence._arrays import canonical_order
from causalrep.utils import GraphError, UnknownNameError

__all__ = ["PC"]


class PC(ConstraintSearch):
    """Learn the equivalence class of a causal graph by tests of conditional independence.

    It first finds the adjacencies, removing pairs that some set of neighbours makes independent, then the
    colliders, then every direction that follows. The order of the columns does not matter.

    It assumes that all common causes are observed (causal sufficiency), that there are no cycles and no
    selection, that every independence in the distribution is one of the graph (faithfulness), and
    that the test sees the dependences there are: Fisher's z sees only linear ones, the polynomial test also
    arches and interactions.

    Parameters
    ----------
    test : str or CITest, default="fisherz"
        The test, as an object or by name: ``"fisherz"``; ``"chisquare"`` and ``"gsquare"`` for discrete
        variables; ``"kci"``, ``"gcm"``, ``"rcit"`` and ``"polynomial"`` for dependence of any shape. A
        fitted test, as `FisherZ.from_correlation` or `Oracle` return, needs no data; data given to `fit`
        replace those that a test object has seen, in a copy.
    alpha : float in (0, 1), default=0.01
        Level of each test: a pair with a p-value above it is separated. A smaller one gives fewer edges.
    knowledge : Knowledge, default=None
        Edges that are required or forbidden, and the order of time.
    max_cond : int, default=None
        Largest size of a conditioning set; by default what the degrees and the test allow.
    collider_rule : {"majority", "max_p", "standard", "conservative"}, default="majority"
        What decides whether an unshielded triple is a collider: of all sets of neighbours of either end that
        separate its ends, whether less or more than half hold the middle; or, of all sets of up to four
        neighbours, the one with the largest p-value (``"max_p"``); or the set that the search for adjacencies
        recorded (``"standard"``); or all sets of neighbours, which have to be unanimous
        (``"conservative"``). On simulated data the first is nearest to the truth on average; the second
        decides every triple, and is nearer on discrete data with few rows. Triples that ``"majority"``, at a
        tie, or ``"conservative"`` leaves open are listed in `ambiguous_`, and no direction is concluded
        from them.
    conflict : {"priority", "mark", "bidirected", "first", "overwrite"}, default="priority"
        What happens where two colliders want opposite heads on one edge. ``"priority"`` places the one with
        the larger p-value and leaves the other out. ``"mark"`` does so only where that is ten times as
        large; elsewhere the edge stays undirected, and nothing is concluded from it. ``"bidirected"`` gives
        it both heads. ``"first"`` and ``"overwrite"`` go through the colliders in the order of names, as
        other packages go through columns, and keep the first or the last: other names, another graph. In any
        case what lost is in `conflicts_`.
    restrict : Graph, or frame or array of shape (n_features, n_features), bool, default=None
        Which pairs may be adjacent, for example what a quick screen has left: the adjacencies of a graph, or
        true entries on either side of the diagonal. The others are never tested for an edge.
    fdr : {"bh", "by"}, default=None
        Remove, after the search, the edges that the step-up procedure of Benjamini and Hochberg, or that of
        Benjamini and Yekutieli, does not reject at `alpha`, each by its largest p-value. It bounds the mean
        share of false edges as far as those are p-values, which a search does not make sure of: edges that it
        removed wrongly, and sets that it did not ask, are not accounted for.
    constant : {"raise", "drop"}, default="raise"
        Whether a column with one value only is an error, or is left out of the graph and named in
        `dropped_`.
    device : str or torch.device, default=None
        Where to compute, for example ``"cuda"``; by default where the data are.
    progress : bool or callable, default=False
        Whether to show a bar for each level, on stderr. A callable gets an object with the attributes
        ``level``, ``n_tests`` and ``n_edges`` after each block of tests of the search for adjacencies; it
        stops the search by raising an exception, which leaves the estimator unfitted.

    Attributes
    ----------
    graph_ : CPDAG, PDAG or PAG
        The equivalence class; a `PDAG` where knowledge has directed more, where the tests contradict each
        other so that no DAG agrees with all of them, or where the collider rule leaves a triple open; a `PAG`
        where an edge has two heads. Its nodes are in the order of the columns.
    is_valid_cpdag_ : bool
        Whether the graph is that of an equivalence class. If it is not because of contradictions,
        `conflicts_` names the edges.
    sepsets_ : SeparatingSets
        The tested set that separated each removed pair; of several, the one with the largest p-value.
    pvalues_ : array of shape (n_features, n_features), float
        The largest p-value met for each pair; NaN on the diagonal and for pairs that were never tested.
    n_tests_ : int
        Number of tests made.
    n_tests_per_level_ : tuple of int
        Number of tests for the adjacencies, by the size of the conditioning set.
    n_untestable_ : int
        Number of tests that could not be made, because a block was singular or the rows too few. They
        removed no edge.
    conflicts_ : tuple of Conflict
        What the data say and the graph does not.
    ambiguous_ : tuple of (hashable, hashable, hashable)
        The triples (end, middle, end) that the collider rule leaves open.
    dropped_ : tuple of hashable
        The constant columns that were left out. The graph and all results are about the others.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of shape (n_features,), object
        Names of the columns; only where all names are strings.

    Raises
    ------
    DataError, UnknownNameError, DeviceError
        In `fit`: for data that the test refuses, for parameters out of range, for names that are
        not columns, for a device that is not there.

    See Also
    --------
    Knowledge : What can be known beforehand.

    Notes
    -----
    PC-stable with the removal of a level's edges at its end; all sets of a level are tested, so that the
    best can be recorded. With maximal degree m it makes O(d * m^(k+2)) tests of sizes up to k <= m; a node
    with many neighbours has exponentially many sets of them, whose size `max_cond` bounds.

    References
    ----------
    .. [1] P. Spirtes, C. Glymour, R. Scheines, "Causation, Prediction, and Search", 2nd ed., MIT Press,
       2000, section 5.4.2.
    .. [2] D. Colombo, M. H. Maathuis, "Order-independent constraint-based causal structure learning",
       Journal of Machine Learning Research 15, 2014.
    .. [3] J. Ramsey, "Improving accuracy and scalability of the PC algorithm by maximizing p-value",
       arXiv:1610.00378, 2016.
    .. [4] J. Ramsey, J. Zhang, P. Spirtes, "Adjacency-faithfulness and conservative causal inference",
       UAI 2006, arXiv:1206.6843.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.discovery import PC
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 2000))
    >>> c = x + y + rng.normal(size=2000)
    >>> pc = PC(alpha=0.01).fit(pd.DataFrame({"x": x, "c": c, "y": y, "d": c + rng.normal(size=2000)}))
    >>> pc.graph_
    CPDAG.from_string('x -> c; y -> c; c -> d')
    >>> pc.sepsets_["x", "d"]
    NodeSet(['c'])
    """

    def __init__(
        self,
        test: str | CITest = "fisherz",
        *,
        alpha: float = 0.01,
        knowledge: Knowledge | None = None,
        max_cond: int | None = None,
        collider_rule: Literal["majority", "max_p", "standard", "conservative"] = "majority",
        conflict: Literal["priority", "mark", "bidirected", "first", "overwrite"] = "priority",
        restrict: Any = None,
        fdr: Literal["bh", "by"] | None = None,
        constant: Literal["raise", "drop"] = "raise",
        device: Any = None,
        progress: ProgressReport = False,
    ) -> None:
        self.test = test
        self.alpha = alpha
        self.knowledge = knowledge
        self.max_cond = max_cond
        self.collider_rule = collider_rule
        self.conflict = conflict
        self.restrict = restrict
        self.fdr = fdr
        self.constant = constant
        self.device = device
        self.progress = progress

    def fit(self, X: Any = None, y: object = None) -> PC:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features), default=None
            The data. Not needed where `test` is fitted.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        PC
            The estimator itself.
        """
        with all_or_nothing(self):
            self._search(X)
        return self

    def _search(self, X: Any) -> None:
        self._check_parameters()
        if self.fdr is not None and self.fdr not in METHODS:
            raise UnknownNameError(self.fdr, METHODS, what="`fdr`")
        if self.conflict not in POLICIES:
            raise UnknownNameError(self.conflict, POLICIES, what="`conflict`")
        asked, names, shown = self._fitted_test(X)
        order = canonical_order(names)
        test = CanonicalTest(asked, order)
        canonical = tuple(names[k] for k in order)
        constraints = self._constraints(canonical, shown)
        skeleton = find_skeleton(
            test,
            self.alpha,
            constraints,
            max_cond=self.max_cond,
            progress=self.progress,
            keep_weakest=self.fdr is not None,
        )
        if self.fdr is not None:
            skeleton = without_false_discoveries(skeleton, self.alpha, constraints, self.fdr)
        evidence, n_more, n_missed = find_evidence(
            test,
            skeleton,
            constraints,
            rule=self.collider_rule,
            alpha=self.alpha,
            max_cond=self.max_cond,
        )
        self.graph_, self.conflicts_, self.ambiguous_ = orient_edges(
            skeleton, evidence, constraints, canonical, shown, self.conflict
        )
        self.is_valid_cpdag_ = isinstance(self.graph_, CPDAG)
        self._skeleton, self._evidence, self._names = skeleton, evidence, canonical
        self._publish(shown)
        self.n_tests_ = sum(skeleton.n_tests) + n_more
        self.n_tests_per_level_ = skeleton.n_tests
        self.n_untestable_ = skeleton.n_untestable + n_missed

    def orient(self, knowledge: Knowledge | None) -> PDAG | PAG:
        """Direct the adjacencies found by `fit` anew under other knowledge, without another test.

        Parameters
        ----------
        knowledge : Knowledge or None
            Used in place of the knowledge that `fit` had. The adjacencies stay, so it can neither
            require an edge that `fit` removed nor forbid both directions of one that it kept.

        Returns
        -------
        PDAG or PAG
            As `graph_`: a `CPDAG` where the directions are those of an equivalence class.

        Raises
        ------
        GraphError
            If the knowledge contradicts the adjacencies.
        UnknownNameError
            If it names a variable that does not exist.

        Warns
        -----
        ConflictWarning
            Where it contradicts a collider that the data show.

        Examples
        --------
        >>> from causalrep.discovery import PC, Knowledge
        >>> from causalrep.graphs import DAG
        >>> from causalrep.independence import Oracle
        >>> pc = PC(test=Oracle(DAG.from_string("X -> M -> Y"))).fit()
        >>> pc.graph_
        CPDAG.from_string('X -- M; M -- Y')
        >>> pc.orient(Knowledge(required=[("X", "M")]))
        PDAG.from_string('X -> M; M -> Y')
        """
        check_is_fitted(self)
        constraints = Constraints(checked_knowledge(knowledge), self._names)
        adjacency = self._skeleton.adjacency
        for wrong, text in (
            (
                constraints.required & ~adjacency,
                "requires an edge between {!r} and {!r}, which are not adjacent",
            ),
            (
                constraints.never_adjacent & adjacency,
                "forbids both directions between {!r} and {!r}, adjacent",
            ),
        ):
            if wrong.any():
                i, j = np.argwhere(wrong)[0].tolist()
                message = text.format(self._names[i], self._names[j])
                raise GraphError(f"the knowledge {message} in the fitted graph; fit again with it")
        graph, conflicts, _ = orient_edges(
            self._skeleton, self._evidence, constraints, self._names, self.graph_.nodes, self.conflict
        )
        before = {(conflict.kind, conflict.nodes) for conflict in self.conflicts_}
        new = tuple(conflict for conflict in conflicts if (conflict.kind, conflict.nodes) not in before)
        if new:
            warnings.warn(
                ConflictWarning(f"the knowledge overrules what the data show: {list(new)}", new), stacklevel=2
            )
        return graph
