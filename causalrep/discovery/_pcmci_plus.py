"""PCMCI+: the causal graph of time series, with effects at once and after a while."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from causalrep.discovery._conflicts import Conflict
from causalrep.discovery._constraint_search import (
    all_or_nothing,
    check_limits,
    checked_knowledge,
    named_test,
    publish_names,
)
from causalrep.discovery._evidence import Evidence
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._momentary import LaggedParents, MomentaryTest, select_lagged_parents
from causalrep.discovery._orientation import RULES, find_evidence, orient_edges
from causalrep.discovery._search import CanonicalTest, Ints, Winners, neighbourhood_questions, weakest_tests
from causalrep.discovery._separating_sets import SeparatingSets
from causalrep.discovery._skeleton import Skeleton, prune
from causalrep.discovery._windows import read_series, window_names, window_table
from causalrep.graphs import PDAG
from causalrep.independence import CITest
from causalrep.independence._arrays import canonical_order, move_to_device
from causalrep.utils import DataError, GraphError, UnknownNameError

__all__ = ["PCMCIPlus", "TimeLink"]

_POLICIES = ("mark", "priority", "first", "overwrite")
_MISSING = ("raise", "drop")


@dataclass(frozen=True)
class TimeLink:
    """An edge into the present.

    Attributes
    ----------
    cause, effect : hashable
        Two series; where `mark` is not an arrow neither is known to be the cause.
    lag : int
        Steps from cause to effect; 0 for an effect within one step of time.
    mark : {"-->", "o-o", "x-x"}
        Directed; not directed by the data; or two colliders want opposite heads.
    pvalue : float
        The largest of the tests of this pair.
    statistic : float
        Of that test.
    """

    cause: Hashable
    effect: Hashable
    lag: int
    mark: str
    pvalue: float
    statistic: float


class PCMCIPlus(BaseEstimator):  # type: ignore[misc]
    """Learn the causal graph of time series, with lagged and contemporaneous edges.

    First the past causes of each series are sought, a superset. Then the adjacencies: each pair is tested
    given sets of present neighbours, always together with the past causes of both ends, which takes the
    autocorrelation out of the test. Then contemporaneous edges are directed as in the PC algorithm;
    lagged ones point forward in time.

    It assumes that the mechanisms stay the same over time, that no common cause is hidden, that no effect
    takes longer than `max_lag` steps, that effects within one step have no cycles, and faithfulness.

    Parameters
    ----------
    test : str or CITest, default="fisherz"
        The test, as an object or by name, as in `PC`. A fitted one needs no data: its columns are then
        (series, -lag) for all lags from 0 to twice `max_lag`.
    max_lag : int, default=1
        Longest time from cause to effect, in rows.
    alpha : float in (0, 1), default=0.01
        Level of each test.
    knowledge : Knowledge, default=None
        Edges that are required or forbidden, between (series, -lag) and (series, 0). No tiers: time is known.
    max_cond : int, default=None
        Largest number of present neighbours in a conditioning set, the past causes not counted.
    collider_rule : {"majority", "max_p", "standard", "conservative"}, default="majority"
        What decides whether the middle of an unshielded triple is a collider, as in `PC`.
    conflict : {"mark", "priority", "first", "overwrite"}, default="mark"
        What happens where two colliders want opposite heads on one edge, as in `PC`.
    missing : {"raise", "drop"}, default="raise"
        Whether a missing value is an error, or the windows that hold it are left out.
    device : str or torch.device, default=None
        Where to compute; by default where the data are.
    progress : bool, default=False
        Whether to show bars on stderr.

    Attributes
    ----------
    graph_ : PDAG
        On nodes (series, -lag) for lags from 0 to `max_lag`; an edge is there at each time at which both
        ends are. Causes that lie before the window are not in it.
    links_ : tuple of TimeLink
        The edges into the present, each once.
    lagged_parents_ : dict of hashable to tuple of (hashable, int)
        For each series the (series, -lag) that were conditioned on: a superset of its past causes.
    pvalues_ : array of shape (n_series, n_series, max_lag + 1), float
        Entry [i, j, lag]: the largest p-value met for series i, `lag` steps ago, and series j now; NaN where
        nothing was asked.
    sepsets_ : SeparatingSets
        What separated each pair of nodes that was removed, all that was conditioned on.
    conflicts_ : tuple of Conflict
        What the data say and the graph does not.
    ambiguous_ : tuple of (hashable, hashable, hashable)
        The triples that the collider rule leaves open.
    n_tests_, n_untestable_ : int
        Number of tests, and of those that could not be made; they removed no edge.
    n_samples_ : int
        Number of windows.
    n_features_in_ : int
        Number of series.
    feature_names_in_ : array of shape (n_series,), object
        Names of the series; only where all are strings.

    Raises
    ------
    DataError, UnknownNameError, GraphError, DeviceError
        In `fit`: for data that the test refuses, too few rows, parameters out of range, unknown names,
        knowledge that contradicts time, a device that is not there.

    See Also
    --------
    PC : The search for tables whose rows are independent.

    Notes
    -----
    All tests use the same windows of 2 * `max_lag` + 1 rows, since the past causes of a past value reach that
    far. The order of the columns does not matter.

    The lagged phase asks O(n_series^2 * max_lag) questions a round. The contemporaneous phase is that of PC.

    References
    ----------
    .. [1] J. Runge, "Discovering contemporaneous and lagged causal relations in autocorrelated nonlinear time
       series datasets", UAI 2020, arXiv:2003.03685, algorithms 1 and 2.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.discovery import PCMCIPlus
    >>> rng = np.random.default_rng(0)
    >>> x, y, z = rng.normal(size=(3, 2000))
    >>> for t in range(1, 2000):
    ...     x[t] += 0.7 * x[t - 1]
    ...     y[t] += 0.5 * y[t - 1] + 0.6 * x[t - 1]
    ...     z[t] += 0.4 * z[t - 1] + 0.6 * y[t]
    >>> search = PCMCIPlus(max_lag=2).fit(pd.DataFrame({"x": x, "y": y, "z": z}))
    >>> for link in search.links_:
    ...     print(link.cause, link.mark, link.effect, link.lag)
    x --> x 1
    x --> y 1
    y --> y 1
    y --> z 0
    z --> z 1
    """

    def __init__(
        self,
        test: str | CITest = "fisherz",
        *,
        max_lag: int = 1,
        alpha: float = 0.01,
        knowledge: Knowledge | None = None,
        max_cond: int | None = None,
        collider_rule: Literal["majority", "max_p", "standard", "conservative"] = "majority",
        conflict: Literal["mark", "priority", "first", "overwrite"] = "mark",
        missing: Literal["raise", "drop"] = "raise",
        device: Any = None,
        progress: bool = False,
    ) -> None:
        self.test = test
        self.max_lag = max_lag
        self.alpha = alpha
        self.knowledge = knowledge
        self.max_cond = max_cond
        self.collider_rule = collider_rule
        self.conflict = conflict
        self.missing = missing
        self.device = device
        self.progress = progress

    def fit(self, X: Any = None, y: object = None) -> PCMCIPlus:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame or array of shape (n_times, n_series), or list of them, default=None
            Rows in the order of time. Several tables are stretches that do not touch, of the same
            series. Not needed where `test` is fitted.
        y : object, default=None
            Ignored; there for compatibility.

        Returns
        -------
        PCMCIPlus
            The estimator itself.
        """
        with all_or_nothing(self):
            self._search(X)
        return self

    def _search(self, X: Any) -> None:
        self._check_parameters()
        test, shown = self._fitted_test(X)
        names = tuple(shown[k] for k in canonical_order(shown))
        nodes = window_names(names, 2 * self.max_lag)
        constraints = self._constraints(nodes, len(names))
        past = self._lagged_parents(test, constraints, len(names))
        momentary = MomentaryTest(test, past.candidates)
        asked = CanonicalTest(momentary, np.arange(test.d))
        near: NDArray[np.bool_] = np.zeros((test.d, test.d), dtype=bool)
        near[: len(names), : len(names)] = True  # only present values may be added to the past causes
        skeleton = self._adjacencies(asked, past, near, constraints)
        evidence, n_more, n_missed = find_evidence(
            asked,
            skeleton,
            constraints,
            rule=self.collider_rule,
            alpha=self.alpha,
            max_cond=self.max_cond,
            near=skeleton.adjacency & near,
        )
        evidence = _with_conditions(evidence, momentary)
        oriented = orient_edges(skeleton, evidence, constraints, nodes, nodes, self.conflict)
        self.n_tests_ = sum(skeleton.n_tests) + n_more
        self.n_untestable_ = skeleton.n_untestable + n_missed
        self.ambiguous_ = tuple(triple for triple in oriented.ambiguous if triple[1][1] == 0)  # type: ignore[index]
        self.conflicts_ = oriented.conflicts
        self._publish(oriented.graph, skeleton, momentary, past, names, shown)

    def _check_parameters(self) -> None:
        if not isinstance(self.max_lag, (int, np.integer)) or self.max_lag < 1:
            raise DataError(f"`max_lag` must be a positive integer, got {self.max_lag!r}")
        check_limits(self.alpha, self.max_cond)
        for value, known, what in (
            (self.collider_rule, RULES, "`collider_rule`"),
            (self.conflict, _POLICIES, "`conflict`"),
            (self.missing, _MISSING, "`missing`"),
        ):
            if value not in known:
                raise UnknownNameError(value, known, what=what)
        checked_knowledge(self.knowledge)

    def _fitted_test(self, X: Any) -> tuple[CanonicalTest, tuple[Hashable, ...]]:
        """Return the test of the window, its nodes in canonical order, and the names of the series."""
        test = named_test(self.test)
        depth = 2 * self.max_lag
        if X is None:
            if not test.is_fitted:
                raise DataError("`X` is needed: only a fitted test can do without data")
            return _test_of_window(test, depth)
        stretches, shown = read_series(X)
        table = window_table(stretches, depth, self.missing)
        self.n_samples_ = len(table)
        publish_names(self, shown)
        test = copy.copy(test).fit(table if self.device is None else move_to_device(table, self.device)[0])
        return CanonicalTest(test, np.arange(table.shape[1])), shown

    def _constraints(self, nodes: tuple[Hashable, ...], n_series: int) -> Constraints:
        if self.knowledge is not None and self.knowledge.tiers:
            raise GraphError("`knowledge` of time series has no tiers: the order of time is known")
        constraints = Constraints(self.knowledge, nodes)
        lag = np.arange(len(nodes)) // n_series
        for edges, what in ((constraints.required, "requires"), (constraints.forbidden, "forbids")):
            wrong = edges & ((lag[None, :] != 0) | (lag[:, None] > self.max_lag))
            if wrong.any():
                cause, effect = np.argwhere(wrong)[0].tolist()
                raise GraphError(
                    "`knowledge` must be about edges into (series, 0) from at most "
                    f"{self.max_lag} steps before; it {what} {nodes[cause]!r} -> {nodes[effect]!r}"
                )
        constraints.forbidden |= lag[:, None] < lag[None, :]
        constraints.tier = lag.max() - lag
        return constraints

    def _lagged_parents(self, test: CanonicalTest, constraints: Constraints, n_series: int) -> LaggedParents:
        lag = np.arange(test.d) // n_series
        candidates = ((lag > 0) & (lag <= self.max_lag))[:, None] & ~constraints.forbidden[:, :n_series]
        required = constraints.required[:, :n_series]
        return select_lagged_parents(test, candidates, self.alpha, required, progress=self.progress)

    def _adjacencies(
        self, test: CanonicalTest, past: LaggedParents, near: NDArray[np.bool_], constraints: Constraints
    ) -> Skeleton:
        n_series = past.candidates.shape[1]
        adjacency = near & ~constraints.never_adjacent & ~np.eye(test.d, dtype=bool)
        adjacency[:, :n_series] |= past.candidates
        adjacency |= adjacency.T
        pvalues = np.full(adjacency.shape, np.nan)
        pvalues[:, :n_series] = past.pvalues
        pvalues[:n_series] = past.pvalues.T
        apart = np.zeros_like(
            adjacency
        )  # past values separate these; which of the present do, is still asked
        apart[past.pairs[:, 0], past.pairs[:, 1]] = apart[past.pairs[:, 1], past.pairs[:, 0]] = True
        start = Skeleton(
            adjacency,
            pvalues,
            pairs=np.empty((0, 2), dtype=np.int64),
            sets=np.empty((0, 0), dtype=np.int64),
            kept=np.empty((0, 2), dtype=np.int64),
            n_tests=(past.n_tests,),
            n_untestable=past.n_untestable,
            apart=apart,
        )
        live = adjacency
        present: NDArray[np.bool_] = np.any(near, axis=1, keepdims=True)

        def ask(adjacency: NDArray[np.bool_], size: int) -> Winners:
            nonlocal live
            live = adjacency
            questions = neighbourhood_questions(adjacency & near, adjacency & present, size)
            return weakest_tests(test, questions, size)

        def sizes() -> Iterator[int]:
            size = 0
            while size <= (live & near).sum(axis=1).max() and (
                self.max_cond is None or size <= self.max_cond
            ):
                yield size
                size += 1

        return prune(test, self.alpha, constraints, start, ask, sizes(), keep_weakest=True)

    def _publish(
        self,
        graph: Any,
        skeleton: Skeleton,
        momentary: MomentaryTest,
        past: LaggedParents,
        names: tuple[Hashable, ...],
        shown: tuple[Hashable, ...],
    ) -> None:
        n_series = len(names)
        nodes = window_names(names, 2 * self.max_lag)
        place = [names.index(name) for name in shown]
        by_lag = skeleton.pvalues[: (self.max_lag + 1) * n_series, :n_series]
        by_lag = by_lag.reshape(self.max_lag + 1, n_series, n_series)
        self.pvalues_ = np.moveaxis(by_lag[:, place][:, :, place], 0, 2)
        self.lagged_parents_ = {
            name: tuple(nodes[a] for a in np.flatnonzero(past.candidates[:, names.index(name)]))
            for name in shown
        }
        self.sepsets_ = SeparatingSets(nodes, *_conditioned(skeleton, momentary, past))
        self.links_ = tuple(_links(graph, skeleton, momentary, shown, self.conflicts_))
        self.graph_ = _repeated(graph, window_names(shown, self.max_lag))


def _test_of_window(test: CITest, depth: int) -> tuple[CanonicalTest, tuple[Hashable, ...]]:
    """Return a fitted test with its nodes in the order of the window, and the names of the series."""
    place = {node: k for k, node in enumerate(test.names_)}
    shown = tuple(node[0] for node in test.names_ if isinstance(node, tuple) and node[1:] == (0,))
    nodes = window_names(tuple(shown[k] for k in canonical_order(shown)), depth)
    missing = next((node for node in nodes if node not in place), None)
    if missing is not None or not shown:
        raise DataError(
            f"the columns of the fitted `test` must be (series, -lag) for the lags 0 to {depth}, "
            + (f"{missing!r} is not among them" if shown else f"got {list(test.names_)}")
        )
    return CanonicalTest(test, np.array([place[node] for node in nodes])), shown


def _with_conditions(evidence: Evidence, momentary: MomentaryTest) -> Evidence:
    """Return the evidence with all that was conditioned on in the sets."""
    i, j = evidence.pairs.T
    return evidence._replace(sets=np.hstack([evidence.sets, _listed(momentary.given(i, j))]))


def _listed(members: NDArray[np.bool_]) -> Ints:
    """Return the positions of the true entries of each row, padded with -1."""
    width = int(members.sum(axis=1).max(initial=0))
    order = np.argsort(~members, axis=1, kind="stable")[:, :width]
    return np.where(np.take_along_axis(members, order, axis=1), order, -1)


def _conditioned(skeleton: Skeleton, momentary: MomentaryTest, past: LaggedParents) -> tuple[Ints, Ints]:
    """Return the separated pairs, sorted, and all that was conditioned on."""
    d = skeleton.adjacency.shape[0]
    apart = skeleton.unconditional  # given the past: some given past values of one end alone
    early = np.isin(apart @ [d, 1], past.pairs @ [d, 1])
    pairs = np.concatenate([past.pairs, apart[~early], skeleton.pairs])
    asked: NDArray[np.bool_] = np.zeros((len(pairs), d), dtype=bool)
    asked[len(past.pairs) :] = momentary.given(*pairs[len(past.pairs) :].T)
    for start, sets in ((0, past.sets), (len(pairs) - len(skeleton.sets), skeleton.sets)):
        rows, columns = np.nonzero(sets >= 0)
        asked[start + rows, sets[rows, columns]] = True
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], _listed(asked[order])


def _links(
    graph: PDAG,
    skeleton: Skeleton,
    momentary: MomentaryTest,
    shown: tuple[Hashable, ...],
    conflicts: tuple[Conflict, ...],
) -> Iterator[TimeLink]:
    """Yield the edges into the present, by cause, effect and lag in the order of the series."""
    position: dict[Any, int] = {node: k for k, node in enumerate(graph.nodes)}
    place = {name: k for k, name in enumerate(shown)}
    disputed = {frozenset(conflict.against) for conflict in conflicts if conflict.kind == "collider"}
    answers = _weakest_answers(skeleton, momentary)
    edges: list[Any] = [(*edge, "-->") for edge in graph.directed_edges]
    undirected: Any = graph.undirected_edges
    for edge in undirected:
        ends = sorted(edge, key=lambda node: place[node[0]])
        edges.append((*ends, "x-x" if frozenset(edge) in disputed else "o-o"))
    for (cause, lag), (effect, _), mark in sorted(
        edges, key=lambda edge: (place[edge[0][0]], place[edge[1][0]], -edge[0][1])
    ):
        first, second = sorted((position[cause, lag], position[effect, 0]))
        yield TimeLink(cause, effect, -lag, mark, *answers.get((first, second), (np.nan, np.nan)))


def _weakest_answers(
    skeleton: Skeleton, momentary: MomentaryTest
) -> dict[tuple[int, int], tuple[float, float]]:
    """Return for each edge the p-value and the statistic of the test under which it looked weakest."""
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for level in skeleton.left:
        stays = skeleton.adjacency[level.i, level.j]
        i, j, sets = level.i[stays], level.j[stays], level.sets[stays]
        batch = momentary._evaluate(i, j, tuple(sets.T))
        for pair, answer in zip(
            zip(i.tolist(), j.tolist(), strict=True),
            zip(batch.pvalue.tolist(), batch.statistic.tolist(), strict=True),
            strict=True,
        ):
            if pair not in found or answer[0] > found[pair][0]:
                found[pair] = answer
    return found


def _repeated(graph: PDAG, nodes: tuple[Hashable, ...]) -> PDAG:
    """Return the edges into the present at all times of the window."""
    known = set(nodes)

    def copies(edges: Any) -> Iterator[tuple[Hashable, Hashable]]:
        for (u, a), (v, b) in edges:
            for back in range(len(nodes)):
                moved = (u, a - back), (v, b - back)
                if not known.issuperset(moved):
                    break
                yield moved

    return PDAG(
        directed=list(copies(graph.directed_edges)),
        undirected=list(copies(graph.undirected_edges)),
        nodes=nodes,
    )
