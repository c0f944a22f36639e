"""Greedy equivalence search: a causal graph from a score."""

from __future__ import annotations

from causalrep.discovery._climb import Climb
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._local_score import LocalScore
from causalrep.discovery._score_search import ScoreSearch
from causalrep.graphs._equivalence import PartialOrientation

__all__ = ["GES"]


class GES(ScoreSearch):
    """Learn the equivalence class of a causal graph by greedy equivalence search on a score.

    From the graph without edges it inserts, one by one, the edge that improves the score most, and then
    deletes while that improves it. Every step leads from one equivalence class to another. The order of the
    columns does not matter.

    It assumes that all common causes are observed, that there are no cycles and no selection, and that the
    score's model is right: for ``"bic"`` linear effects and Gaussian noise (of which the score sees only
    covariances), for the others discrete variables. If also every independence is one of the graph, the class
    is right in the limit of many rows.

    Parameters
    ----------
    criterion : str or LocalScore, default="bic"
        The score, as an object or by name: ``"bic"`` is `GaussianBIC`; ``"discrete_bic"`` and ``"bdeu"`` are
        `DiscreteBIC` and `BDeu`. A fitted score, as `GaussianBIC.from_covariance` returns, needs no data;
        data given to `fit` replace those that a score object has seen, in a copy.
    knowledge : Knowledge, default=None
        Edges that are required or forbidden, and the order of time. Only classes are visited of which a
        member agrees with it.
    max_degree : int, default=None
        Largest number of neighbours of a node, which bounds the time that dense regions take.

    Attributes
    ----------
    graph_ : CPDAG or MPDAG
        The equivalence class; an `MPDAG` where knowledge directs more. Its nodes are in the order of the
        columns.
    score_ : float
        Its score; see `LocalScore.total`. Larger is better.
    local_score_ : LocalScore
        The fitted score, which tells what other graphs score.
    n_insertions_, n_deletions_ : int
        Number of steps.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of shape (n_features,), object
        Names of the columns; only where all names are strings.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for data that the score refuses, for parameters out of range, for names that are not
        columns.

    See Also
    --------
    PC : Asks tests instead of a score.
    BOSS : Takes more time, and finds better scores.

    Notes
    -----
    The search is greedy: on a sample it ends in a class that no single step improves, which need not be the
    one of the best score. With the order of time as knowledge the guarantee in the limit stands; with other
    forbidden edges it does not, since the way to the right class may lead through them.

    A step is rescored only where parents or undirected neighbours have changed, or cliques among the latter.
    A node with k undirected neighbours that are all adjacent has 2^k of these: `max_degree` bounds that.

    References
    ----------
    .. [1] D. M. Chickering, "Optimal structure identification with greedy search", Journal of Machine
       Learning Research 3, 2002 (theorems 15 and 17, corollaries 16 and 18).
    .. [2] J. Ramsey, M. Glymour, R. Sanchez-Romero, C. Glymour, "A million variables and more: the fast
       greedy equivalence search algorithm", International Journal of Data Science and Analytics 3, 2017,
       arXiv:1507.07749.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.discovery import GES
    >>> from causalrep.graphs import CPDAG
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 2000))
    >>> c = x + y + rng.normal(size=2000)
    >>> ges = GES().fit(pd.DataFrame({"x": x, "c": c, "y": y, "d": c + rng.normal(size=2000)}))
    >>> ges.graph_
    CPDAG.from_string('x -> c; y -> c; c -> d')
    >>> bool(ges.score_ > ges.local_score_.total(CPDAG.from_string("x -- c; c -- y; c -- d")))
    True
    """

    def __init__(
        self,
        criterion: str | LocalScore = "bic",
        *,
        knowledge: Knowledge | None = None,
        max_degree: int | None = None,
    ) -> None:
        self.criterion = criterion
        self.knowledge = knowledge
        self.max_degree = max_degree

    def _best_class(self, score: LocalScore, constraints: Constraints) -> PartialOrientation:
        climb = Climb(score, constraints, None if self.max_degree is None else int(self.max_degree))
        self.n_insertions_ = climb.insert_all()
        self.n_deletions_ = climb.delete_all()
        return climb.graph.marks
