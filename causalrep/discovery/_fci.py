"""The FCI algorithm: a causal graph from tests, where variables may be hidden and rows selected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from causalrep.discovery._all_subsets import AllSubsets, Candidates, answers_all_subsets
from causalrep.discovery._conflicts import Conflict
from causalrep.discovery._constraint_search import ConstraintSearch, all_or_nothing
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._marks import PagDraft
from causalrep.discovery._orientation import find_evidence
from causalrep.discovery._search import CanonicalTest, Questions, Winners, weakest_tests
from causalrep.discovery._skeleton import ProgressReport, Skeleton, find_skeleton, prune
from causalrep.graphs import PAG
from causalrep.graphs._fci_rules import Marks
from causalrep.graphs._store import ARROW
from causalrep.independence import CITest
from causalrep.independence._arrays import canonical_order

__all__ = ["FCI"]


class FCI(ConstraintSearch):
    """Learn what data tell about causes when some variables are not observed.

    Like `PC` it first removes every pair that some set of neighbours makes independent. With hidden common
    causes a pair may be separated only by sets that reach further, so each pair that is left is tested
    again given sets of nodes that could matter ("Possible-D-SEP"). Colliders and the rules R1 to R10 then
    give every mark that is common to all graphs with the independences found.

    It assumes that there are no cycles and that every independence in the distribution is one of the graph
    (faithfulness), but not that all common causes are observed.

    Parameters
    ----------
    test : str or CITest, default="fisherz"
        The test, as for `PC`.
    alpha : float in (0, 1), default=0.01
        Level of each test.
    knowledge : Knowledge, default=None
        An edge into the past or a forbidden direction ``X -> Y`` says that X does not cause Y, an arrowhead
        at X: a hidden common cause stays possible. A pair forbidden both ways is not adjacent.
    max_cond : int, default=None
        Largest size of a conditioning set; with it the result keeps its arrowheads, and may have edges too
        many (the anytime FCI algorithm).
    collider_rule : {"max_p", "standard", "conservative", "majority"}, default="max_p"
        What decides about a triple, as for `PC`.
    selection : bool, default=False
        Whether the rows may have been selected by variables that others cause, so that edges can be
        undirected (rules R5 to R7).
    max_pds : int, default=None
        Largest number of candidates for the second round of tests; where a pair has more, that end of it
        asks nothing more. By default there is no bound.
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
        Its nodes are in the order of the columns.
    sepsets_ : SeparatingSets
        The tested set that separated each removed pair; of several, the one with the largest p-value.
    pvalues_ : array of shape (n_features, n_features), float
        The largest p-value met for each pair; NaN where it was never tested.
    n_tests_ : int
        Number of tests made.
    n_tests_per_level_ : tuple of int
        Number of tests of the first round, by the size of the conditioning set.
    n_untestable_ : int
        How many tests could not be made. They removed no edge.
    n_pds_cut_ : int
        For how many ends of pairs `max_pds` left out the second round.
    conflicts_ : tuple of Conflict
        What the data say and the graph does not.
    ambiguous_ : tuple of (hashable, hashable, hashable)
        The triples (end, middle, end) that the collider rule leaves open; nothing is concluded from them.
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
    PC : Where all common causes are observed.

    Notes
    -----
    All removals of a level are applied at its end, and evidence is ordered by p-value and by name, so the
    order of the columns does not matter. The second round is exponential in the size of the largest
    Possible-D-SEP set.

    References
    ----------
    .. [1] P. Spirtes, C. Meek, T. Richardson, "An algorithm for causal inference in the presence of latent
       variables and selection bias", in: Computation, Causation, and Discovery, 1999.
    .. [2] J. Zhang, "On the completeness of orientation rules for causal discovery in the presence of latent
       confounders and selection bias", Artificial Intelligence 172, 2008, doi:10.1016/j.artint.2008.08.001.
    .. [3] P. Spirtes, "An anytime algorithm for causal inference", AISTATS 2001.
    .. [4] D. Colombo, M. H. Maathuis, M. Kalisch, T. S. Richardson, "Learning high-dimensional directed
       acyclic graphs with latent and selection variables", Annals of Statistics 40, 2012, arXiv:1104.5617.

    Examples
    --------
    >>> from causalrep.discovery import FCI
    >>> from causalrep.graphs import DAG
    >>> from causalrep.independence import Oracle
    >>> truth = DAG.from_string("A -> X; B -> Y; U -> X; U -> Y")
    >>> FCI(test=Oracle(truth, latent=["U"])).fit().graph_
    PAG.from_string('A o-> X; B; X <-> Y; B o-> Y')
    """

    def __init__(
        self,
        test: str | CITest = "fisherz",
        *,
        alpha: float = 0.01,
        knowledge: Knowledge | None = None,
        max_cond: int | None = None,
        collider_rule: Literal["max_p", "standard", "conservative", "majority"] = "max_p",
        selection: bool = False,
        max_pds: int | None = None,
        restrict: Any = None,
        constant: Literal["raise", "drop"] = "raise",
        device: Any = None,
        progress: ProgressReport = False,
    ) -> None:
        self.test = test
        self.alpha = alpha
        self.knowledge = knowledge
        self.max_cond = max_cond
        self.collider_rule = collider_rule
        self.selection = selection
        self.max_pds = max_pds
        self.restrict = restrict
        self.constant = constant
        self.device = device
        self.progress = progress

    def fit(self, X: Any = None, y: object = None) -> FCI:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features), default=None
            The data. Not needed where `test` is fitted.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        FCI
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
        skeleton, self.n_pds_cut_ = self._second_round(test, skeleton, constraints)
        draft, n_more, n_missed = self._draft(test, skeleton, constraints, self.collider_rule)
        draft.apply_rules(selection=bool(self.selection))
        self.graph_: PAG = draft.graph(shown)
        self.conflicts_: tuple[Conflict, ...] = tuple(draft.conflicts)
        self.ambiguous_ = tuple(tuple(self._names[k] for k in triple) for triple in draft.ambiguous)
        self._skeleton = skeleton
        self._publish(shown)
        self.n_tests_ = sum(skeleton.n_tests) + n_more
        self.n_untestable_ = skeleton.n_untestable + n_missed

    def _draft(
        self, test: CanonicalTest, skeleton: Skeleton, constraints: Constraints, rule: str
    ) -> tuple[PagDraft, int, int]:
        """Return knowledge and colliders as marks, and the numbers of further tests."""
        evidence, n_more, n_missed = find_evidence(
            test, skeleton, constraints, rule=rule, alpha=self.alpha, max_cond=self.max_cond
        )
        draft = PagDraft(skeleton, constraints, self._names)
        draft.apply_knowledge()
        draft.place_colliders(evidence)
        return draft, n_more, n_missed

    def _second_round(
        self, test: CanonicalTest, skeleton: Skeleton, constraints: Constraints
    ) -> tuple[Skeleton, int]:
        """Return the skeleton without the pairs that sets of Possible-D-SEP separate, and the number cut."""
        draft, _, _ = self._draft(test, skeleton, constraints, "standard")
        candidates = possible_d_sep(draft.marks)
        blocks = _blocks_of_edges(skeleton.adjacency)
        asked: Candidates = {}
        n_cut = 0
        for i, j in np.argwhere(skeleton.adjacency).tolist():
            near = draft.marks[i].keys()
            found = [k for k in candidates[i] if k != j and k in blocks[min(i, j), max(i, j)]]
            if constraints.tier is not None:
                latest = max(constraints.tier[i], constraints.tier[j])
                found = [k for k in found if constraints.tier[k] <= latest]
            if near >= set(found):  # the first round has asked all of it
                continue
            if self.max_pds is not None and len(found) > self.max_pds:
                n_cut += 1
                continue
            if asked.get((j, i)) != found:  # from both ends the same sets
                asked[i, j] = found

        largest = max((len(found) for found in asked.values()), default=0)
        ask = asker_of_subsets(test, asked)
        if self.max_cond is not None and self.max_cond < largest:
            largest = self.max_cond
        elif answers_all_subsets(test, largest):
            ask = AllSubsets(test, asked, skeleton.pvalues).winners
        return prune(test, self.alpha, constraints, skeleton, ask, range(1, largest + 1)), n_cut


def possible_d_sep(marks: Marks) -> list[list[int]]:
    """Return for each node those that might be in a set that separates it from a node it is adjacent to.

    A node is one if a walk leads to it on which every inner node is a collider or the middle of a
    triangle. (The definition says path; a walk finds as many nodes or more, which costs tests and no
    correctness.)

    References
    ----------
    P. Spirtes, C. Glymour, R. Scheines, Causation, Prediction, and Search, 2nd ed., MIT Press, 2000,
    section 6.7.
    """
    found = []
    for start, row in enumerate(marks):
        stack = [(start, first) for first in row]
        seen = set(stack)
        while stack:
            before, node = stack.pop()
            collider = marks[before][node] == ARROW
            for after in marks[node]:
                step = (node, after)
                if after in (before, start) or step in seen:
                    continue
                if after in marks[before] or (collider and marks[after][node] == ARROW):
                    seen.add(step)
                    stack.append(step)
        found.append(sorted({node for _, node in seen} - {start}))
    return found


def _blocks_of_edges(adjacency: NDArray[np.bool_]) -> dict[tuple[int, int], set[int]]:
    """Return for each edge (i, j), i < j, the nodes that lie on a path between its ends.

    These are the nodes of its biconnected component. Others separate nothing: a path between the ends
    that a set has to block does not meet them [4]_.
    """
    import networkx as nx

    found: dict[tuple[int, int], set[int]] = {}
    graph = nx.Graph((i, j) for i, j in np.argwhere(np.triu(adjacency)).tolist())
    for edges in nx.biconnected_component_edges(graph):
        pairs = [(min(edge), max(edge)) for edge in edges]
        nodes = {node for pair in pairs for node in pair}
        found.update(dict.fromkeys(pairs, nodes))
    return found


def asker_of_subsets(
    test: CanonicalTest, candidates: Candidates
) -> Callable[[NDArray[np.bool_], int], Winners]:
    """Return what asks the pairs that are still adjacent for the weakest test of a size (see `prune`)."""

    def ask(adjacency: NDArray[np.bool_], size: int) -> Winners:
        return weakest_tests(test, _grouped_questions(candidates, adjacency, size), size)

    return ask


def _grouped_questions(
    candidates: Candidates, adjacency: NDArray[np.bool_], size: int
) -> Iterator[Questions]:
    """Yield the ordered pairs that are still adjacent with their candidates, grouped by their number."""
    groups: dict[int, list[tuple[int, int, list[int]]]] = {}
    for (i, j), usable in candidates.items():
        if adjacency[i, j] and len(usable) >= size:
            groups.setdefault(len(usable), []).append((i, j, usable))
    for _, rows in sorted(groups.items()):
        yield Questions(*(np.array(part, dtype=np.int64) for part in zip(*rows, strict=True)))
