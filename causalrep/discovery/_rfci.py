"""The RFCI algorithm: causes from tests where variables are hidden, at little more cost than PC."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np

from causalrep.discovery._conflicts import Conflict
from causalrep.discovery._constraint_search import ConstraintSearch, all_or_nothing
from causalrep.discovery._fci import asker_of_subsets
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._marks import PagDraft
from causalrep.discovery._orientation import find_evidence
from causalrep.discovery._search import CanonicalTest
from causalrep.discovery._skeleton import ProgressReport, Skeleton, find_skeleton, prune
from causalrep.graphs import PAG
from causalrep.independence import CITest
from causalrep.independence._arrays import canonical_order

__all__ = ["RFCI"]

Triple = tuple[int, int, int]
Candidates = dict[tuple[int, int], list[int]]


class RFCI(ConstraintSearch):
    """Learn what data tell about causes when some variables are not observed, quickly.

    `FCI` asks, of every pair that is left, all sets of nodes that could matter, which are exponentially many.
    RFCI never does. It makes the few tests that a mark needs to be right: on both edges of a triple before
    it is called a collider or none, and on the edges of a discriminating path before a rule reads it. What
    these tests separate is removed.

    Parameters
    ----------
    test : str or CITest, default="fisherz"
        The test, as for `PC`.
    alpha : float in (0, 1), default=0.01
        Level of each test.
    knowledge : Knowledge, default=None
        As for `FCI`.
    max_cond : int, default=None
        Largest size of a conditioning set in the search for adjacencies.
    selection : bool, default=False
        Whether the rows may have been selected by variables that others cause (rules R5 to R7).
    restrict : Graph, or frame or array of shape (n_features, n_features), bool, default=None
        Which pairs may be adjacent, for example what a quick screen has left: the adjacencies of a graph, or
        true entries on either side of the diagonal. The others are never tested for an edge.
    constant : {"raise", "drop"}, default="raise"
        Whether a column with one value only is an error, or is left out of the graph and named in
        `dropped_`.
    device : str or torch.device, default=None
        Where to compute; by default where the data are.
    progress : bool or callable, default=False
        Whether to show a bar for each level, on stderr. A callable gets an object with the attributes
        ``level``, ``n_tests`` and ``n_edges`` after each block of tests of the search for adjacencies; it
        stops the search by raising an exception, which leaves the estimator unfitted.

    Attributes
    ----------
    graph_ : PAG
        What holds: of an arrowhead at Y on an edge with X that Y causes neither X nor selection, of a tail
        that it causes one of them. An edge says less than in the graph of `FCI`: its ends are dependent
        given every set of neighbours of either, and may be independent given others.
    sepsets_ : SeparatingSets
        The tested set that separated each removed pair. It is minimal.
    pvalues_ : array of shape (n_features, n_features), float
        The largest p-value met for each pair; NaN where it was never tested.
    n_tests_ : int
        Number of tests made.
    n_tests_per_level_ : tuple of int
        Number of tests of the search for adjacencies, by the size of the conditioning set.
    n_untestable_ : int
        How many tests could not be made. They removed no edge.
    conflicts_ : tuple of Conflict
        What the data say and the graph does not.
    dropped_ : tuple of hashable
        The constant columns that were left out. The graph and all results are about the others.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of shape (n_features,), object
        Names of the columns; only where all names are strings.

    Raises
    ------
    DataError, UnknownNameError, DeviceError
        In `fit`: as for `PC`.

    See Also
    --------
    FCI : All that independences tell, where it can be afforded.

    Notes
    -----
    What a round of tests separates is removed together, and the marks are then found anew, so that the order
    of the columns does not matter; the published algorithm removes one edge at a time. With sparse graphs it
    costs little more than `PC`.

    References
    ----------
    .. [1] D. Colombo, M. H. Maathuis, M. Kalisch, T. S. Richardson, "Learning high-dimensional directed
       acyclic graphs with latent and selection variables", Annals of Statistics 40, 2012, arXiv:1104.5617
       (lemmas 3.1 and 3.2, algorithm 3.2).

    Examples
    --------
    >>> from causalrep.discovery import RFCI
    >>> from causalrep.graphs import DAG
    >>> from causalrep.independence import Oracle
    >>> truth = DAG.from_string("A -> X; B -> Y; U -> X; U -> Y")
    >>> RFCI(test=Oracle(truth, latent=["U"])).fit().graph_
    PAG.from_string('A o-> X; B; X <-> Y; B o-> Y')
    """

    collider_rule = "standard"  # the lemmas are about the recorded sets

    def __init__(
        self,
        test: str | CITest = "fisherz",
        *,
        alpha: float = 0.01,
        knowledge: Knowledge | None = None,
        max_cond: int | None = None,
        selection: bool = False,
        restrict: Any = None,
        constant: Literal["raise", "drop"] = "raise",
        device: Any = None,
        progress: ProgressReport = False,
    ) -> None:
        self.test = test
        self.alpha = alpha
        self.knowledge = knowledge
        self.max_cond = max_cond
        self.selection = selection
        self.restrict = restrict
        self.constant = constant
        self.device = device
        self.progress = progress

    def fit(self, X: Any = None, y: object = None) -> RFCI:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features), default=None
            The data. Not needed where `test` is fitted.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        RFCI
            The estimator itself.
        """
        with all_or_nothing(self):
            self._search(X)
        return self

    def _search(self, X: Any) -> None:
        self._check_parameters()
        asked, names, shown = self._fitted_test(X)
        order = canonical_order(names)
        test = CanonicalTest(asked, order)
        self._names = tuple(names[k] for k in order)
        constraints = self._constraints(self._names, shown)
        skeleton = find_skeleton(
            test, self.alpha, constraints, max_cond=self.max_cond, progress=self.progress
        )
        self.n_tests_per_level_ = skeleton.n_tests
        rounds = _Rounds(test, float(self.alpha), constraints, skeleton)
        while True:
            rounds.check_triples()
            evidence, n_more, n_missed = find_evidence(
                test, rounds.skeleton, constraints, rule="standard", alpha=self.alpha, max_cond=self.max_cond
            )
            draft = PagDraft(rounds.skeleton, constraints, self._names)
            draft.apply_knowledge()
            draft.place_colliders(evidence)
            draft.apply_rules(selection=bool(self.selection), stands=rounds.stands)
            if not rounds.fell:
                break
        self.graph_: PAG = draft.graph(shown)
        self.conflicts_: tuple[Conflict, ...] = tuple(draft.conflicts)
        self._skeleton = rounds.skeleton
        self._publish(shown)
        self.n_tests_ = sum(rounds.skeleton.n_tests) + rounds.n_tests + n_more
        self.n_untestable_ = rounds.skeleton.n_untestable + rounds.n_untestable + n_missed


class _Rounds:
    """The adjacencies, and the tests that marks need, after which some of them may be gone.

    Attributes
    ----------
    skeleton : Skeleton
        What is left.
    fell : bool
        Whether a discriminating path has lost an edge since the last look at the triples.
    n_tests, n_untestable : int
        Tests made here, but for those that the skeleton counts.
    """

    def __init__(
        self, test: CanonicalTest, alpha: float, constraints: Constraints, skeleton: Skeleton
    ) -> None:
        self._test, self._alpha, self._constraints = test, alpha, constraints
        self.skeleton, self._separating = skeleton, _sets_by_pair(skeleton)
        self.fell = False
        self.n_tests = self.n_untestable = 0
        self._checked: set[Triple] = set()
        self._standing: set[tuple[int, ...]] = set()

    def check_triples(self) -> None:
        """Test the edges of unshielded triples given what separates the ends, until no edge goes.

        Of a triple i - j - k with i and k separated by S, j causes one of them (or selection) iff it is in S,
        provided that it depends on both given S without it (lemma 3.1).
        """
        self.fell = False
        while pending := [triple for triple in self._triples() if triple not in self._checked]:
            self._checked.update(pending)
            questions: list[tuple[int, int, tuple[int, ...]]] = []
            for i, j, k in pending:
                given = tuple(sorted(self._separating[i, k] - {j}))
                questions += [(min(r, j), max(r, j), given) for r in (i, k)]
            found = self._independent(list(dict.fromkeys(questions)))
            if not found:
                return
            self._remove(found)

    def stands(self, path: list[int]) -> bool:
        """Return whether the edges of a discriminating path are there given all of what separates its ends.

        Its last node but one causes the last iff it is in the set, provided that neighbours on the path are
        dependent given every part of it (lemma 3.2).
        """
        if self.fell:  # some path has lost an edge: what follows now is found anew
            return False
        key = tuple(path)
        if key in self._standing:
            return True
        first, last = min(path[0], path[-1]), max(path[0], path[-1])
        separating = self._separating.get((first, last))
        if separating is None:  # knowledge holds the ends apart, and no test does
            return False
        candidates = {(min(edge), max(edge)): sorted(separating - set(edge)) for edge in pairwise(path)}
        before = int(self.skeleton.adjacency.sum())
        self._remove(candidates)
        self.fell = int(self.skeleton.adjacency.sum()) < before
        self._standing.add(key)
        return not self.fell

    def _triples(self) -> Iterator[Triple]:
        """Yield the unshielded triples (i, j, k), i < k, whose ends a test has separated."""
        near = [np.flatnonzero(row).tolist() for row in self.skeleton.adjacency]
        for j, row in enumerate(near):
            yield from ((i, j, k) for i, k in combinations(row, 2) if (i, k) in self._separating)

    def _independent(self, questions: list[tuple[int, int, tuple[int, ...]]]) -> Candidates:
        """Return the pairs that are independent given their sets, each with its smallest such set."""
        always = self._constraints.always_adjacent
        groups: dict[int, list[tuple[int, int, tuple[int, ...]]]] = {}
        for i, j, given in questions:
            if not always[i, j] and len(given) <= self._test.test.max_cond:
                groups.setdefault(len(given), []).append((i, j, given))
        found: Candidates = {}
        for size, group in sorted(groups.items()):
            ends = np.array([question[:2] for question in group], dtype=np.int64)
            S = np.array([question[2] for question in group], dtype=np.int64).reshape(len(group), size)
            pvalues = self._test.pvalues(ends[:, 0], ends[:, 1], S)
            self.n_tests += len(group)
            self.n_untestable += int(np.isnan(pvalues).sum())
            best = sorted(
                (-p, *question)
                for p, question in zip(pvalues.tolist(), group, strict=True)
                if p > self._alpha
            )
            for _, one, other, given in best:
                found.setdefault((one, other), list(given))
        return found

    def _remove(self, candidates: Candidates) -> None:
        """Remove the pairs that a subset of their candidates separates, and record the smallest."""
        largest = max(len(found) for found in candidates.values())
        self.skeleton = prune(
            self._test,
            self._alpha,
            self._constraints,
            self.skeleton,
            asker_of_subsets(self._test, candidates),
            range(largest + 1),
        )
        self._separating = _sets_by_pair(self.skeleton)


def _sets_by_pair(skeleton: Skeleton) -> dict[tuple[int, int], set[int]]:
    """Return what separates the pairs (i, j), i < j."""
    found: dict[tuple[int, int], set[int]] = {(i, j): set() for i, j in skeleton.unconditional.tolist()}
    rows = zip(skeleton.pairs.tolist(), skeleton.sets.tolist(), strict=True)
    return found | {(pair[0], pair[1]): set(members) - {-1} for pair, members in rows}
