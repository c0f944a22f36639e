"""CD-NOD: a causal graph from data whose mechanisms change over domains or time."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from causalrep.discovery._constraint_search import (
    all_or_nothing,
    checked_knowledge,
    named_test,
    publish_names,
)
from causalrep.discovery._independent_changes import Mechanisms, dependence_of_changes
from causalrep.discovery._knowledge import Knowledge
from causalrep.discovery._pc import PC
from causalrep.graphs import PDAG
from causalrep.independence import KCI, CITest, CITestWarning, FisherZ
from causalrep.independence._arrays import canonical_order, named_matrix, to_numpy
from causalrep.utils import DataError, UnknownNameError

__all__ = ["CDNOD", "ChangeDirection"]

_KINDS = ("auto", "time", "domain")
_POLICIES = ("priority", "mark", "first", "overwrite")
_FEW = 20  # numbers with at most so many values are names of domains
_BLOCK_ROWS, _MOST_BLOCKS = 50, 40
_FEWEST = 6


@dataclass(frozen=True)
class ChangeDirection:
    """An edge that was directed because the mechanisms at its ends change independently.

    Attributes
    ----------
    cause, effect : hashable
        Two changing variables.
    dependence : float
        Between the changes of P(cause) and of P(effect | cause), in [0, 1].
    reverse : float
        The same for the other direction, which is larger.
    """

    cause: Hashable
    effect: Hashable
    dependence: float
    reverse: float


class CDNOD(BaseEstimator):  # type: ignore[misc]
    """Learn a causal graph from heterogeneous or nonstationary data.

    The context of a row, the domain that it comes from or its time, stands for whatever changes the
    mechanisms. It joins the graph as a node that nothing causes; its children are the variables whose
    mechanisms change. The rest is the search of `PC`, in which the arrows out of the context direct edges
    that otherwise would stay open. Last, an edge between two changing variables is directed so that the
    changes at its two ends are less dependent on each other.

    It assumes that what changes is a function of the context, that given the context there are no hidden
    common causes, and faithfulness.

    Parameters
    ----------
    test : str or CITest, default="kci"
        The test, as in `PC`. It should see changes of any shape: a test of linear dependence sees changes of
        a mean alone, and only if they follow the number of the domain or time. With ``"kci"`` domains are
        compared by equality.
    alpha : float in (0, 1), default=0.05
        Level of each test.
    kind : {"auto", "time", "domain"}, default="auto"
        What the context is. ``"auto"`` takes texts, truth values, and numbers with at most 20 values as
        domains.
    knowledge : Knowledge, default=None
        Edges between variables that are required or forbidden, and the order of time among them.
    max_cond : int, default=None
        Largest size of a conditioning set.
    collider_rule : {"majority", "max_p", "standard", "conservative"}, default="majority"
        As in `PC`.
    conflict : {"priority", "mark", "first", "overwrite"}, default="priority"
        As in `PC`.
    progress : bool, default=False
        Whether to show bars on stderr.

    Attributes
    ----------
    graph_ : PDAG
        On the variables and the context, which comes last.
    context_ : hashable
        The node of the context.
    changing_ : tuple of hashable
        The variables whose mechanisms change: the children of the context.
    directions_ : tuple of ChangeDirection
        The edges that independent changes directed, in the order in which they were.
    sepsets_ : SeparatingSets
        As in `PC`, with the context.
    pvalues_ : array of shape (n_features + 1, n_features + 1), float
        As in `PC`; the last row and column are the context's.
    conflicts_, ambiguous_, n_tests_, n_untestable_
        As in `PC`.
    n_features_in_ : int
        Number of variables.
    feature_names_in_ : array of shape (n_features,), object
        Their names; only where all are strings.

    Raises
    ------
    DataError, UnknownNameError, GraphError
        In `fit`: for data that the test refuses, a context of another length or with one value only,
        parameters out of range, unknown names.

    Warns
    -----
    CITestWarning
        If the test is Fisher's z.

    See Also
    --------
    PC : The search, without a context.

    Notes
    -----
    Time is cut into blocks of 50 rows, or into 40 blocks, to compare mechanisms; domains are taken as they
    are. At least three are needed, and ten are few: so few do not tell well which of two dependences is
    smaller. Distances between mechanisms are those of kernel mean embeddings; the dependence is the
    normalised Hilbert-Schmidt criterion of the two kernels between domains.

    References
    ----------
    .. [1] B. Huang, K. Zhang, J. Zhang, J. Ramsey, R. Sanchez-Romero, C. Glymour, B. Schoelkopf, "Causal
       discovery from heterogeneous/nonstationary data", Journal of Machine Learning Research 21, 2020.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.discovery import CDNOD
    >>> rng = np.random.default_rng(0)
    >>> domain = np.repeat(["north", "south", "west"], 100)
    >>> x = rng.normal(size=300) + np.repeat([0.0, 2.0, -2.0], 100)
    >>> y = np.tanh(x) + 0.5 * rng.normal(size=300)
    >>> search = CDNOD().fit(pd.DataFrame({"x": x, "y": y}), context=domain)
    >>> search.changing_
    ('x',)
    >>> search.graph_
    PDAG.from_string('x -> y; context -> x')
    """

    def __init__(
        self,
        test: str | CITest = "kci",
        *,
        alpha: float = 0.05,
        kind: Literal["auto", "time", "domain"] = "auto",
        knowledge: Knowledge | None = None,
        max_cond: int | None = None,
        collider_rule: Literal["majority", "max_p", "standard", "conservative"] = "majority",
        conflict: Literal["priority", "mark", "first", "overwrite"] = "priority",
        progress: bool = False,
    ) -> None:
        self.test = test
        self.alpha = alpha
        self.kind = kind
        self.knowledge = knowledge
        self.max_cond = max_cond
        self.collider_rule = collider_rule
        self.conflict = conflict
        self.progress = progress

    def fit(self, X: Any, y: object = None, *, context: Any = None) -> CDNOD:  # noqa: ARG002
        """Learn the graph.

        Parameters
        ----------
        X : data frame, or array of shape (n_samples, n_features)
            The variables.
        y : object, default=None
            Ignored; there for compatibility.
        context : array or series of shape (n_samples,), default=None
            Domain or time of each row; by default the number of the row, for rows in the order of time. A
            named series gives the node its name, which is ``"context"`` otherwise.

        Returns
        -------
        CDNOD
            The estimator itself.
        """
        with all_or_nothing(self):
            self._search(X, context)
        return self

    def _search(self, X: Any, context: Any) -> None:
        for value, known, what in ((self.kind, _KINDS, "`kind`"), (self.conflict, _POLICIES, "`conflict`")):
            if value not in known:
                raise UnknownNameError(value, known, what=what)
        read, names = named_matrix(X)
        matrix = np.asarray(to_numpy(read), dtype=np.float64)
        n, d = matrix.shape
        if d == 0:
            raise DataError(f"`X` has 0 feature(s) (shape=({n}, 0)) while a minimum of 1 is required.")
        if n < _FEWEST:
            raise DataError(f"CDNOD needs at least {_FEWEST} rows, got n_samples = {n}")
        publish_names(self, names)
        self.context_ = _name_of(context, names)
        codes, domains, is_domain = self._read_context(context, n)
        table = {**dict(zip(names, matrix.T, strict=True)), self.context_: codes}
        knowledge = self._knowledge(names)
        pc = PC(
            self._test_for(is_domain=is_domain),
            alpha=self.alpha,
            knowledge=knowledge,
            max_cond=self.max_cond,
            collider_rule=self.collider_rule,
            conflict=self.conflict,
            progress=self.progress,
        ).fit(table)
        graph = pc.graph_
        self.changing_ = tuple(name for name in names if name in graph.children(self.context_))
        self.graph_, self.directions_ = self._directed(pc, knowledge, matrix, names, domains)
        self.sepsets_, self.pvalues_, self.conflicts_ = pc.sepsets_, pc.pvalues_, pc.conflicts_
        self.ambiguous_, self.n_tests_, self.n_untestable_ = pc.ambiguous_, pc.n_tests_, pc.n_untestable_

    def _read_context(self, context: Any, n: int) -> tuple[NDArray[np.float64], NDArray[np.int64], bool]:
        """Return numbers for the test, domains numbered from 0, and whether the numbers are mere names."""
        values = np.arange(n) if context is None else np.asarray(context)
        if values.shape != (n,):
            raise DataError(f"`context` must have shape ({n},), one value for each row, got {values.shape}")
        if values.dtype.kind in "mM":
            values = values.astype(np.int64)
        numeric = values.dtype.kind in "iuf"
        if numeric and not np.isfinite(values).all():
            raise DataError("`context` must be finite, got missing or infinite values")
        found, codes = np.unique(values if numeric else values.astype(str), return_inverse=True)
        if len(found) < 2:
            raise DataError(f"`context` must have at least two values, got {found[0]!r} for all rows")
        if self.kind == "time" and not numeric:
            raise DataError(f"`context` must be numbers or dates where `kind` is 'time', got {values.dtype}")
        few = context is not None and (not numeric or len(found) <= _FEW)
        if self.kind == "domain" or (self.kind == "auto" and few):
            return codes.astype(np.float64), codes.astype(np.int64), True
        n_blocks = int(np.clip(n // _BLOCK_ROWS, 1, _MOST_BLOCKS))
        rank = np.argsort(np.argsort(values, kind="stable"))
        return values.astype(np.float64), (rank * n_blocks // n).astype(np.int64), False

    def _test_for(self, *, is_domain: bool) -> CITest:
        if self.test == "kci" and is_domain:
            return KCI(categorical=[self.context_])
        test = named_test(self.test)
        if isinstance(test, FisherZ):
            message = (
                "Fisher's z sees a mean that rises or falls with the number of the domain or with time, "
                "and no other change; use 'kci'"
            )
            warnings.warn(CITestWarning(message, kind="context", names=(self.context_,)), stacklevel=4)
        return test

    def _knowledge(self, names: tuple[Hashable, ...]) -> Knowledge:
        """Return what is known, and that nothing causes the context."""
        known = checked_knowledge(self.knowledge) or Knowledge()
        into = [(name, self.context_) for name in names]
        return Knowledge(required=known.required, forbidden=[*known.forbidden, *into], tiers=known.tiers)

    def _directed(
        self,
        pc: PC,
        knowledge: Knowledge,
        matrix: NDArray[np.float64],
        names: tuple[Hashable, ...],
        domains: NDArray[np.int64],
    ) -> tuple[PDAG, tuple[ChangeDirection, ...]]:
        """Direct edges between changing variables, the clearest first, with all that follows."""
        graph: Any = pc.graph_
        if domains.max() < 2:
            return graph, ()
        position = {name: k for k, name in enumerate(names)}
        mechanisms = Mechanisms((matrix - matrix.mean(axis=0)) / matrix.std(axis=0), domains)
        rank = {names[k]: place for place, k in enumerate(canonical_order(names))}
        done: list[ChangeDirection] = []
        asked: set[tuple[Hashable, Hashable]] = set()
        while True:
            pairs = [tuple(sorted(edge, key=rank.__getitem__)) for edge in graph.undirected_edges]
            pairs = sorted(set(pairs) - asked, key=lambda pair: (rank[pair[0]], rank[pair[1]]))
            pairs = [pair for pair in pairs if set(pair) <= set(self.changing_)]
            if not pairs:
                return graph, tuple(done)
            compared = [self._compare(mechanisms, graph, position, *pair) for pair in pairs]
            best = max(range(len(pairs)), key=lambda k: compared[k].reverse - compared[k].dependence)
            asked.add(pairs[best])
            done.append(compared[best])
            required = [*knowledge.required, *((one.cause, one.effect) for one in done)]
            graph = pc.orient(Knowledge(required, knowledge.forbidden, knowledge.tiers))

    def _compare(
        self, mechanisms: Mechanisms, graph: PDAG, position: dict[Hashable, int], a: Hashable, b: Hashable
    ) -> ChangeDirection:
        """Return the direction in which the changes of the mechanisms are less dependent."""
        i, j = position[a], position[b]
        into_i, into_j = ([position[k] for k in graph.parents(v) if k in position] for v in (a, b))
        forward = dependence_of_changes(mechanisms.gram(i, into_i), mechanisms.gram(j, [*into_j, i]))
        backward = dependence_of_changes(mechanisms.gram(j, into_j), mechanisms.gram(i, [*into_i, j]))
        if forward <= backward:
            return ChangeDirection(a, b, forward, backward)
        return ChangeDirection(b, a, backward, forward)


def _name_of(context: Any, names: tuple[Hashable, ...]) -> Hashable:
    name = getattr(context, "name", None)
    name = "context" if name is None or not isinstance(name, Hashable) else name
    if name in names:
        raise DataError(f"the context is called {name!r}, as a column of `X` is; give it another name")
    return name
